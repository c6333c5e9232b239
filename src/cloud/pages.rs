//! Listings, read to their last page.
//!
//! A listing that is cut short hides a credential, so anything but a plain end is an error: a page that says
//! there is more and not where, and a listing that does not end. Knows no operation.

use super::attempt::{Attempted, CallError, Certainty};
use super::pace::Pace;

/// Pages of one listing, at most: a server that never ends its listing is a fault, not a reason to
/// wait for ever.
const PAGES: usize = 10_000;

/// Items of a page that IAM is asked for: the most it gives, and so the fewest calls.
pub(super) const IAM_ITEMS: i32 = 1000;

/// The same for Secrets Manager.
pub(super) const SECRETS_ITEMS: i32 = 100;

/// What a page says of the next.
pub(super) enum Next {
    /// There is none.
    End,
    /// It begins there, if the page says where.
    At(Option<String>),
}

/// Asks for page after page; `keep` takes what a page holds and says where the next begins.
pub(super) async fn to_the_last<'a, P>(
    pace: &Pace,
    operation: &'static str,
    page: impl Fn(Option<String>) -> Attempted<'a, P>,
    mut keep: impl FnMut(P) -> Next,
) -> Result<(), CallError> {
    let mut from: Option<String> = None;
    for _ in 0..PAGES {
        let (page, _) = pace.read(|| page(from.clone())).await?;
        match keep(page) {
            Next::End => return Ok(()),
            Next::At(next @ Some(_)) if next == from => {
                return Err(broken_off(operation, "the listing goes on from where it was"));
            }
            Next::At(Some(next)) => from = Some(next),
            // Taken for whole, it would hide a credential.
            Next::At(None) => {
                return Err(broken_off(operation, "the listing goes on, and nothing says where"));
            }
        }
    }
    Err(broken_off(operation, &format!("the listing did not end within {PAGES} pages")))
}

fn broken_off(operation: &str, what: &str) -> CallError {
    CallError::not_understood(operation, Certainty::DidNot, what)
}
