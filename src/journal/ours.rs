//! Which access keys of a user this program made, or may have made, by what an action noted on the way.

use jiff::Timestamp;

use super::Note;
use crate::ids::AccessKeyId;

/// Which keys may be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    /// Keys whose minting was answered.
    pub minted: Vec<AccessKeyId>,
    /// Since when a key may have been minted without an answer, by AWS's clock, to the second.
    pub in_doubt_since: Option<Timestamp>,
    /// Whether minting was ever begun.
    pub begun: bool,
}

impl Ours {
    /// What `notes` say.
    pub fn of(notes: &[Note]) -> Self {
        let (mut minted, mut doubts, mut begun) = (Vec::new(), Vec::new(), false);
        for note in notes {
            match note {
                Note::Minting { at } => {
                    begun = true;
                    doubts.push(*at);
                }
                Note::NotMinted => {
                    doubts.pop();
                }
                Note::Minted { key } => {
                    doubts.pop();
                    minted.push(key.clone());
                }
                _ => {}
            }
        }
        Self { minted, in_doubt_since: doubts.first().copied(), begun }
    }

    /// Whether a key that was not there when this was planned may be ours.
    pub fn may_include(&self, id: &AccessKeyId, created_at: Option<Timestamp>) -> bool {
        self.minted.contains(id)
            || matches!((created_at, self.in_doubt_since), (Some(at), Some(since)) if at >= since)
    }
}
