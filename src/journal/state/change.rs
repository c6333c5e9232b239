//! What a journal adds up to for one change.
//!
//! "Failed" is not a state of the world, it is a sentence in the report. A refusal leaves a change in doubt as well, since
//! one change may make several calls and a refusal speaks for the last alone; only looking at the world takes a change out
//! of doubt.

use jiff::Timestamp;

use super::Moment;
use crate::ids::Arn;
use crate::journal::{Entry, Note, Position, Receipt, Said, Witness};
use crate::playbook::Proof;

/// Where one change stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ChangeState {
    /// Nothing has been done.
    #[default]
    Pending,
    /// Its effect may exist.
    InDoubt,
    /// Every answer came; the world was not yet looked at.
    Applied,
    /// Seen in the world.
    Seen,
    /// A person is needed.
    Held,
}

impl ChangeState {
    /// The state after `entry`, which speaks of this change.
    pub(super) fn next(&self, entry: &Entry) -> Option<Self> {
        use ChangeState::{Applied, Held, InDoubt, Pending, Seen};
        Some(match (self, entry) {
            (_, Entry::Held { .. }) => Held,
            // A word moves nothing by itself: the action sees it, and judges.
            (state, Entry::Attested { .. }) => state.clone(),
            (Seen, Entry::Reopened { .. }) => Pending,
            (_, Entry::Observed { position, .. }) if position.is_done() => Seen,
            (Pending | InDoubt | Held | Seen, Entry::Intended { .. }) => InDoubt,
            (InDoubt, Entry::Noted { .. } | Entry::Failed { .. }) => InDoubt,
            (InDoubt | Held, Entry::Applied { .. }) => Applied,
            (Pending, Entry::Observed { .. }) => Pending,
            (Held, Entry::Observed { .. }) => Held,
            // Not seen after all, or taken off again by somebody: it has to be done once more.
            (InDoubt | Applied | Seen, Entry::Observed { .. }) => InDoubt,
            (Seen, Entry::Proved { .. } | Entry::Unproven { .. }) => Seen,
            (Pending | Applied | Seen | Held, Entry::Noted { .. } | Entry::Failed { .. })
            | (Pending | Applied | Seen, Entry::Applied { .. })
            | (Pending | InDoubt | Applied | Held, Entry::Proved { .. } | Entry::Unproven { .. })
            | (Applied, Entry::Intended { .. })
            | (
                _,
                Entry::Opened { .. }
                | Entry::Started { .. }
                | Entry::TakenOver { .. }
                | Entry::RoundBegan { .. }
                | Entry::RoundAsked { .. }
                | Entry::NothingNew { .. }
                | Entry::NotSeen { .. }
                | Entry::Came { .. }
                | Entry::SeenOff { .. }
                | Entry::CutsBefore { .. }
                | Entry::Reopened { .. }
                | Entry::CanaryMaking { .. }
                | Entry::CanaryMade { .. }
                | Entry::CanaryRemoved { .. }
                | Entry::CanaryLeft { .. }
                | Entry::Trying { .. }
                | Entry::Tried { .. }
                | Entry::Listened { .. }
                | Entry::GateOpened { .. }
                | Entry::GateShut { .. }
                | Entry::Finished { .. }
                | Entry::Cleared { .. }
                | Entry::Waived { .. }
                | Entry::Withdrawn { .. }
                | Entry::Unheard { .. }
                | Entry::Closed { .. }
                | Entry::Approved { .. },
            ) => return None,
        })
    }
}

/// All that is known of one change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct ChangeRecord {
    /// Where it stands.
    pub state: ChangeState,
    /// How often it was begun.
    pub attempts: u32,
    /// When it was last begun.
    pub begun: Option<Moment>,
    /// What the action noted, in order.
    pub notes: Vec<Note>,
    /// What the server told, of the last attempt that was answered.
    pub receipt: Option<Receipt>,
    /// When it was first seen since it was last begun.
    pub seen: Option<Moment>,
    /// The strongest proof since then.
    pub proof: Option<Proven>,
    /// When it was last looked at again, and found to stand.
    pub stood: Option<Timestamp>,
    /// Why it could not be proven as surely as was tried, when it was last tried.
    pub unproven: Option<(Moment, String)>,
    /// The last trouble, in a sentence.
    pub trouble: Option<String>,
    /// Whether the last attempt came to nothing, and is known to.
    pub refused: bool,
    /// Somebody took it off again after it had been seen.
    pub contested: bool,
    /// When that was last found so.
    pub taken_off: Option<Moment>,
    /// Whether it was seen done at any time.
    pub was_seen: bool,
    /// When it was last seen done, what it was to make unusable was deleted, and not by it.
    pub gone: bool,
}

/// How a cut was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// How strongly.
    pub proof: Proof,
    /// Since when it is proven so strongly.
    pub since: Moment,
    /// Who or what bears witness.
    pub by: Witness,
    /// What was seen.
    pub evidence: String,
}

impl ChangeRecord {
    pub(super) fn take(&mut self, now: Moment, entry: &Entry, next: ChangeState) {
        match entry {
            Entry::Intended { .. } => {
                self.attempts += 1;
                self.begun = Some(now);
                self.refused = false;
                self.seen = None;
                self.forget_proof();
            }
            Entry::Noted { note, .. } => self.notes.push(note.clone()),
            Entry::Reopened { .. } => {
                // What was noted belongs to what does not hold any more.
                self.notes.clear();
                self.receipt = None;
                self.seen = None;
                self.forget_proof();
            }
            Entry::Failed { why, may_have, .. } => {
                self.trouble = Some(why.clone());
                self.refused = !may_have;
            }
            Entry::Applied { receipt, .. } => self.receipt = Some(receipt.clone()),
            Entry::Observed { position, .. } if position.is_done() => {
                self.seen.get_or_insert(now);
                self.was_seen = true;
                self.gone = *position == Position::Gone;
                self.trouble = None;
                self.refused = false;
            }
            Entry::Observed { position, .. } => {
                self.gone = false;
                if self.state == ChangeState::Seen {
                    self.contested = true;
                    self.taken_off = Some(now);
                    self.trouble = Some(format!("taken off again: {position}"));
                }
                self.seen = None;
                self.forget_proof();
            }
            Entry::Proved { proof, by, evidence, .. } => {
                if *by == Witness::ReadAgain {
                    self.stood = Some(now.at);
                }
                let strongest = self.proof.as_ref().map(|proven| (proven.proof, proven.since));
                if strongest.is_none_or(|(strongest, _)| strongest <= *proof) {
                    let since = strongest.filter(|(strongest, _)| strongest == proof);
                    let since = since.map_or(now, |(_, since)| since);
                    let (by, evidence) = (by.clone(), evidence.clone());
                    self.proof = Some(Proven { proof: *proof, since, by, evidence });
                    self.unproven = None;
                }
            }
            Entry::Unproven { why, .. } => self.unproven = Some((now, why.clone())),
            Entry::Held { until, .. } => self.trouble = Some(until.clone()),
            Entry::Attested { said, .. } => {
                self.notes.push(Note::Attested { at: now.at, said: said.clone() });
            }
            Entry::Opened { .. }
            | Entry::Started { .. }
            | Entry::TakenOver { .. }
            | Entry::RoundBegan { .. }
            | Entry::RoundAsked { .. }
            | Entry::NothingNew { .. }
            | Entry::NotSeen { .. }
            | Entry::Came { .. }
            | Entry::SeenOff { .. }
            | Entry::CutsBefore { .. }
            | Entry::CanaryMaking { .. }
            | Entry::CanaryMade { .. }
            | Entry::CanaryRemoved { .. }
            | Entry::CanaryLeft { .. }
            | Entry::Trying { .. }
            | Entry::Tried { .. }
            | Entry::Listened { .. }
            | Entry::GateOpened { .. }
            | Entry::GateShut { .. }
            | Entry::Finished { .. }
            | Entry::Cleared { .. }
            | Entry::Waived { .. }
            | Entry::Withdrawn { .. }
            | Entry::Unheard { .. }
            | Entry::Closed { .. }
            | Entry::Approved { .. } => {}
        }
        self.state = next;
    }

    /// Whose words say that it is done, and when, in order.
    pub fn words(&self) -> impl DoubleEndedIterator<Item = (Timestamp, &Said)> {
        self.notes.iter().filter_map(|note| match note {
            Note::Attested { at, said } => Some((*at, said)),
            _ => None,
        })
    }

    /// The last of them: a later one is of what is so now.
    pub fn attested(&self) -> Option<(Timestamp, &Said)> {
        self.words().next_back()
    }

    /// What somebody attested of it was never said.
    pub(super) fn unhear(&mut self, speaker: &Arn) {
        self.notes
            .retain(|note| !matches!(note, Note::Attested { said, .. } if said.by == *speaker));
    }

    fn forget_proof(&mut self) {
        self.proof = None;
        self.stood = None;
        self.unproven = None;
    }
}
