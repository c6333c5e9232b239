//! Reading the cloud: questions in, an inventory out.
//!
//! What the account refuses to show becomes a gap, recorded and shown; it never stops the questions
//! that can be answered. What stops a survey is having no credentials or no connection. Decides
//! nothing, and holds a handle that cannot write.

mod ask;
mod authorization;
pub mod everything;
mod keys;
mod wholesale;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::cloud::{CallError, Cause, ReadCloud};
use crate::ids::AccessKeyId;
use crate::inventory::{Everybody, Gap, Inventory, Listing, Want};

pub use self::wholesale::at_once;

/// A survey that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the account could not be read")]
pub struct SurveyError(#[source] pub CallError);

/// Begins an inventory: who is asking, and with which key where that is known; and how far `clock` is off. AWS tells its
/// time to the second: a clock that may be right is.
pub async fn begin(
    cloud: &ReadCloud,
    clock: Clock,
    access_key_id: Option<AccessKeyId>,
) -> Result<Inventory, SurveyError> {
    let asked = clock.now();
    let (mut caller, told) = cloud.sts().identity().await.map_err(SurveyError)?;
    caller.access_key_id = access_key_id;
    let mut inventory = Inventory::new(caller, told.unwrap_or(asked));
    if let Some(told) = told {
        let now = clock.now();
        let (apart, asking) = (now.duration_since(told), now.duration_since(asked));
        let is_in_time = !apart.is_negative() && apart <= TOLD_TO + asking.min(TOLD_TO);
        // A slow answer sets it back too far, and never too little.
        inventory.clock_ahead = if is_in_time { 0 } else { apart.as_secs() };
    }
    Ok(inventory)
}

/// AWS tells its time in whole seconds.
const TOLD_TO: SignedDuration = SignedDuration::from_secs(1);

/// `clock`, by which `begun` was begun, as AWS's own goes: what is put on record is compared with when AWS has made what
/// it lists, and a clock that runs ahead would take whatever came since for what was there.
#[must_use]
pub fn by_aws(begun: &Inventory, clock: Clock) -> Clock {
    clock.set_back(SignedDuration::from_secs(begun.clock_ahead))
}

/// What somebody who thinks on an inventory comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thought<T> {
    /// A result.
    Ready(T),
    /// Not before this has been read.
    Needs(BTreeSet<Want>),
}

/// Reads and lets `think`, until there is a result. Every round reads something that was not read before,
/// and playbooks are finite, so this ends.
pub async fn until<T, E>(
    cloud: &ReadCloud,
    inventory: &mut Inventory,
    mut think: impl FnMut(&Inventory) -> Result<Thought<T>, E>,
) -> Result<Result<T, E>, SurveyError> {
    loop {
        match think(inventory) {
            Ok(Thought::Ready(result)) => return Ok(Ok(result)),
            Ok(Thought::Needs(wants)) => {
                let is_new = |want| !inventory.answers.contains_key(want);
                assert!(wants.iter().any(is_new), "what was asked before has an answer");
                // In a box: what awaits it is nested deeply already.
                Box::pin(at_once(cloud, inventory, &wants)).await?;
                fill(cloud, inventory, wants).await?;
            }
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// Questions under way at one time. The lanes of the services admit fewer; what waits before them costs
/// memory, and is lost when a survey is stopped.
const AT_ONCE: usize = 64;

/// Asks every question of `wants` that `inventory` has no answer to, side by side. Where it is stopped, or
/// dropped, what was answered by then is in the inventory.
pub async fn fill(
    cloud: &ReadCloud,
    inventory: &mut Inventory,
    wants: impl IntoIterator<Item = Want>,
) -> Result<(), SurveyError> {
    let mut asking = JoinSet::new();
    // What is wanted twice is read once.
    let mut wants = wants.into_iter().collect::<BTreeSet<_>>().into_iter();
    loop {
        while asking.len() < AT_ONCE {
            let Some(want) = wants.find(|want| !inventory.answers.contains_key(want)) else {
                break;
            };
            let (cloud, account) = (cloud.clone(), inventory.caller.account.clone());
            asking.spawn(async move {
                let answer = ask::ask(&cloud, &account, &want).await;
                (want, answer)
            });
        }
        let Some(asked) = asking.join_next().await else { return Ok(()) };
        let (want, answer) = asked.expect("asking does not panic and is not aborted");
        let answer = match answer {
            Ok(fact) => Ok(fact),
            Err(error) if is_gap(&error) => Err(Box::new(Gap {
                passing: error.is_passing(),
                understood: error.cause != Cause::NotUnderstood,
                operation: error.operation,
                code: error.code,
                message: error.message,
            })),
            Err(error) => return Err(SurveyError(error)),
        };
        inventory.answers.insert(want, answer);
    }
}

/// So many questions about policies of users are answered by one reading of all users: it takes a request for
/// some hundred users, and two or three for each of them otherwise.
const WHOLESALE: usize = 100;

/// Whether what is wanted is read from a listing of all users where it can be.
pub fn is_wholesale(wants: &BTreeSet<Want>) -> bool {
    wants.iter().filter(|want| wholesale::answers(want, wants)).take(WHOLESALE).count() == WHOLESALE
}

/// Looks anew: the same questions, into an inventory of their own.
pub async fn look(
    cloud: &ReadCloud,
    at: &Inventory,
    wants: impl IntoIterator<Item = Want>,
    clock: Clock,
) -> Result<Inventory, SurveyError> {
    let mut fresh = Inventory::new(at.caller.clone(), clock.now());
    let wants: BTreeSet<Want> = wants.into_iter().collect();
    if is_wholesale(&wants) {
        let told = |want: &&Want| wholesale::answers(want, &wants);
        let told: Vec<Want> = wants.iter().filter(told).cloned().collect();
        Box::pin(wholesale::read(cloud, &mut fresh, &told, Listing::new(Everybody::Users, at)))
            .await?;
    }
    fill(cloud, &mut fresh, wants).await?;
    Ok(fresh)
}

/// Whether an error leaves one question open, rather than all of them: the service answered, and not with
/// what was asked.
fn is_gap(error: &CallError) -> bool {
    !error.is_credentials() && !matches!(error.cause, Cause::NotSent | Cause::Lost)
}
