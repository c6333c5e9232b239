//! What a journal adds up to: one total function over states and entries.
//!
//! Of one change that is `state/change.rs`. Whatever cannot follow is refused, so that a journal which was not written by
//! this program is never read as though it had been.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

mod change;

pub use self::change::{ChangeRecord, ChangeState, Proven};
use super::{CutOff, Entry, Heard, NoMore, Outcome, Place, Said, Spoken, Waiver};
use crate::ids::{AccessKeyId, AccountId, Arn, ChangeId};
use crate::plan::Credential;
use crate::playbook::{Phase, Proof};

/// An entry that cannot follow: the journal was not written by this program, or the program is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?} cannot follow {found}")]
pub struct Illegal {
    /// Where things stood.
    pub found: String,
    /// What was to follow.
    pub entry: Box<Entry>,
}

/// When something was written down. What came first is told by the journal's own count: several people may
/// have worked on a case, each by a clock of his own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The number of the entry, from 1.
    pub entry: u64,
    /// By the clock of whoever wrote it.
    pub at: Timestamp,
}

/// What became of one that was made to try cuts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CanaryState {
    /// It may exist.
    There,
    /// It is gone.
    Removed,
    /// It could not be removed, and why.
    Left(String),
}

/// A credential that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriedCredential {
    /// When it was last used before it was first tried.
    pub last_used: Option<Timestamp>,
    /// When it was last begun to be tried.
    pub begun: Moment,
    /// Whose it is, where it said so.
    pub of: Option<Arn>,
    /// What came of it, and when, where that is known.
    pub outcome: Option<(Moment, Outcome)>,
}

/// What a log said of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listened {
    /// When it was asked.
    pub at: Moment,
    /// Which log.
    pub log: String,
    /// From when on a success would speak against the cut.
    pub since: Timestamp,
    /// What it says.
    pub heard: Heard,
}

/// How what earlier cases have cut stood when it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutsBefore {
    /// When that was.
    pub at: Moment,
    /// How many of those cuts stood.
    pub standing: usize,
    /// Those that did not.
    pub off: Vec<CutOff>,
    /// When one that had stood no more was last seen to stand again.
    pub back: Option<Moment>,
}

/// The gate, as the journal has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GateState {
    /// Not tried yet.
    #[default]
    Untried,
    /// Shut, and why.
    Shut(Vec<String>),
    /// Open, on the strength of this proof.
    Open(Proof, Timestamp),
}

/// A round that waits for somebody's yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// Its number.
    pub round: u32,
    /// What of it is more than was approved, a sentence each.
    pub beyond: Vec<String>,
}

/// How a case was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Digest of the plan that was approved.
    pub plan: String,
    /// The account it is for.
    pub account: AccountId,
    /// Version of the program.
    pub program: String,
    /// Whether it is played in the rehearsal cloud.
    pub rehearsal: bool,
}

/// Who works, or worked, on a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// As STS gave it.
    pub caller: Arn,
    /// Since when, by his clock.
    pub since: Timestamp,
    /// Where, if that was written down.
    pub place: Option<Place>,
}

/// A case that somebody took out of somebody's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeOver {
    /// When, by the clock of whoever took it.
    pub at: Moment,
    /// Out of whose hands.
    pub from: Option<Worker>,
    /// Who took it, and why.
    pub said: Said,
    /// Whether a change was under way: what was asked of the cloud may have no answer yet.
    pub under_way: bool,
}

/// All that is known of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How the case was opened, once it was.
    pub opened: Option<Opened>,
    /// Entries so far.
    pub entries: u64,
    /// When somebody last began to run or resume it.
    pub started: Option<Moment>,
    /// Everybody who ran or resumed it, in order.
    pub callers: Vec<Arn>,
    /// Who last began to work on it.
    pub worker: Option<Worker>,
    /// Who took it over, in order.
    pub taken_over: Vec<TakeOver>,
    /// Digests of the plans of the rounds after the first.
    pub rounds: Vec<String>,
    /// When the last of those was begun.
    pub round_began: Option<Moment>,
    /// The round that waits for somebody's yes, if one does.
    pub asking: Option<Asking>,
    /// Digests of the plans that an approval may be of: the plan that is carried out, and those before it to which
    /// nobody had to say yes again since, because rounds have added nothing but cuts that run unasked.
    pub approvable: Vec<String>,
    /// When a full survey last found nothing new, in this round.
    pub surveyed: Option<Moment>,
    /// The changes that were touched.
    pub changes: BTreeMap<ChangeId, ChangeRecord>,
    /// Those that were made to try cuts on, by name.
    pub canaries: BTreeMap<String, CanaryState>,
    /// When each of them was last spoken of: whoever has its name and was made later is none of ours.
    pub canaries_until: BTreeMap<String, Timestamp>,
    /// Credentials of canaries, each with the number of the entry that tells of it: their refused requests are in
    /// every log that would show a success.
    pub probes: Vec<(u64, AccessKeyId)>,
    /// What a log last said of a credential, by its words in the ledger.
    pub listened: BTreeMap<String, Listened>,
    /// The operations that would tell who has come into the account since, and were refused when last asked.
    pub not_seen: BTreeSet<String>,
    /// What whoever has come in since holds, as far as a look showed it; the plan may know of it by now.
    pub came: Vec<Credential>,
    /// Keys of users in no step that were seen switched off at any time.
    pub seen_off: BTreeSet<AccessKeyId>,
    /// How what earlier cases have cut stood when it was last looked at, if it was.
    pub before: Option<CutsBefore>,
    /// Credentials that were tried.
    pub tried: BTreeMap<AccessKeyId, TriedCredential>,
    /// The gate.
    pub gate: GateState,
    /// Why the whole run waits for a person, if it does.
    pub held: Option<String>,
    /// The exit code, if the last run ended by itself. What people say afterwards does not change it.
    pub finished: Option<u8>,
    /// Who found a credential innocent, in order.
    pub cleared: BTreeMap<Credential, Vec<Spoken>>,
    /// The last waiver of each credential.
    pub waived: BTreeMap<Credential, Waiver>,
    /// Who last took back what was said of each credential, where nothing was said of it again.
    pub withdrawn: BTreeMap<Credential, Spoken>,
    /// Who said that the case is over, if anybody did.
    pub closed: Option<Spoken>,
    /// What was attested of the case, in order.
    pub attested: Vec<Spoken>,
    /// Who approved a phase, in order, each of some plan.
    pub approvals: BTreeMap<Phase, Vec<Spoken>>,
    /// When the last entry was written: what time it is, for whoever reads the case.
    pub last: Option<Timestamp>,
}

impl State {
    /// The state that a journal's lines add up to.
    pub fn of(decoded: &super::Decoded) -> Result<Self, Illegal> {
        let mut state = Self::default();
        for line in &decoded.lines {
            for entry in &line.entries {
                state.take(line.at, entry)?;
            }
        }
        Ok(state)
    }

    /// The round that is being carried out, from 1.
    pub fn round(&self) -> u32 {
        u32::try_from(self.rounds.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The digest of the plan that is being carried out, once the case was opened.
    pub fn plan(&self) -> Option<&str> {
        let opened = self.opened.as_ref().map(|opened| opened.plan.as_str());
        self.rounds.last().map(String::as_str).or(opened)
    }

    /// The record of one change; an untouched change has an empty one.
    pub fn change(&self, id: &ChangeId) -> ChangeRecord {
        self.changes.get(id).cloned().unwrap_or_default()
    }

    /// The same without a copy.
    pub fn record(&self, id: &ChangeId) -> &ChangeRecord {
        static UNTOUCHED: ChangeRecord = ChangeRecord {
            state: ChangeState::Pending,
            attempts: 0,
            begun: None,
            notes: Vec::new(),
            receipt: None,
            seen: None,
            proof: None,
            stood: None,
            unproven: None,
            trouble: None,
            refused: false,
            contested: false,
            taken_off: None,
            was_seen: false,
            gone: false,
        };
        self.changes.get(id).unwrap_or(&UNTOUCHED)
    }

    /// Everybody who approved `phase` as it is carried out now, each name once.
    pub fn approved_by(&self, phase: Phase) -> Vec<Arn> {
        let spoken = self.approvals.get(&phase).into_iter().flatten();
        super::names(spoken.filter(|spoken| self.approvable.contains(&spoken.said.plan)))
    }

    /// What somebody attested of a change since anybody last began to work on the case: no look has followed it yet.
    pub fn attested_since(&self, id: &ChangeId) -> Option<&Said> {
        let started = self.started?.at;
        self.record(id).attested().filter(|(at, _)| *at > started).map(|(_, said)| said)
    }

    /// Whoever has said anything of the case that counts, each as often as he spoke.
    pub fn speakers(&self) -> impl Iterator<Item = &Arn> {
        let of_credentials = self.cleared.values().flatten();
        let of_credentials =
            of_credentials.chain(self.waived.values().map(|waiver| &waiver.spoken));
        let of_case = self.approvals.values().flatten().chain(&self.attested).chain(&self.closed);
        let of_changes = self.changes.values().flat_map(ChangeRecord::words);
        let of_changes = of_changes.map(|(_, said)| &said.by);
        of_credentials.chain(of_case).map(|spoken| &spoken.said.by).chain(of_changes)
    }

    /// Nothing that `speaker` said was ever said.
    fn unhear(&mut self, speaker: &Arn) {
        let is_heard = |spoken: &Spoken| spoken.said.by != *speaker;
        self.cleared.retain(|_, spoken| {
            spoken.retain(is_heard);
            !spoken.is_empty()
        });
        self.waived.retain(|_, waiver| is_heard(&waiver.spoken));
        self.approvals.values_mut().for_each(|spoken| spoken.retain(is_heard));
        self.attested.retain(is_heard);
        self.closed = self.closed.take().filter(is_heard);
        self.changes.values_mut().for_each(|record| record.unhear(speaker));
    }

    /// Canaries that are, or may be, still there, and why where they could not be removed.
    pub fn canaries_left(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.canaries.iter().filter_map(|(name, state)| match state {
            CanaryState::There => Some((name.as_str(), None)),
            CanaryState::Left(why) => Some((name.as_str(), Some(why.as_str()))),
            CanaryState::Removed => None,
        })
    }

    /// Whether `entries` may follow, in this order. Looks only at the changes they speak of.
    pub(super) fn check(&self, entries: &[Entry]) -> Result<(), Illegal> {
        let (mut opened, mut next) = (self.opened.is_some(), self.round() + 1);
        let mut states: BTreeMap<&ChangeId, ChangeState> = BTreeMap::new();
        for entry in entries {
            let illegal = |found: String| Illegal { found, entry: Box::new(entry.clone()) };
            match (opened, matches!(entry, Entry::Opened { .. })) {
                (true, true) => return Err(illegal("an open case".to_owned())),
                (false, false) => return Err(illegal("an empty journal".to_owned())),
                (false, true) => opened = true,
                (true, false) => {}
            }
            if let Entry::RoundBegan { round, .. } = entry {
                if *round != next {
                    return Err(illegal(format!("round {}", next - 1)));
                }
                next += 1;
            }
            if let Some(change) = entry.change() {
                let state = states.entry(change).or_insert_with(|| {
                    self.changes.get(change).map_or_else(ChangeState::default, |r| r.state.clone())
                });
                *state = state
                    .next(entry)
                    .ok_or_else(|| illegal(format!("{change} being {state:?}")))?;
            }
        }
        Ok(())
    }

    /// Takes one more entry in.
    pub(super) fn take(&mut self, at: Timestamp, entry: &Entry) -> Result<(), Illegal> {
        self.check(std::slice::from_ref(entry))?;
        self.entries += 1;
        let now = Moment { entry: self.entries, at };
        // A clock that was put back makes nothing count again that has run out.
        self.last = self.last.max(Some(at));
        if !entry.is_a_word() {
            self.finished = None;
        }
        match entry {
            Entry::Opened { plan, account, program, rehearsal } => {
                self.approvable = vec![plan.clone()];
                self.opened = Some(Opened {
                    plan: plan.clone(),
                    account: account.clone(),
                    program: program.clone(),
                    rehearsal: *rehearsal,
                });
            }
            Entry::TakenOver { said, place } => {
                let place = Some(place.clone());
                let taker = Worker { caller: said.by.clone(), since: at, place };
                let from = self.worker.replace(taker);
                let under_way =
                    self.changes.values().any(|change| change.state == ChangeState::InDoubt);
                let said = said.clone();
                self.taken_over.push(TakeOver { at: now, from, said, under_way });
            }
            Entry::Started { caller, place, .. } => {
                self.callers.push(caller.clone());
                let place = place.clone();
                self.worker = Some(Worker { caller: caller.clone(), since: at, place });
                self.started = Some(now);
                self.held = None;
            }
            Entry::RoundAsked { round, beyond, .. } => {
                self.asking = Some(Asking { round: *round, beyond: beyond.clone() });
            }
            Entry::RoundBegan { plan, approved_by, .. } => {
                self.rounds.push(plan.clone());
                self.round_began = Some(now);
                self.asking = None;
                if approved_by.is_some() {
                    self.approvable.clear();
                }
                self.approvable.push(plan.clone());
                // What it stood on is not all there is.
                self.gate = GateState::Untried;
                self.surveyed = None;
            }
            Entry::NothingNew { .. } => {
                self.surveyed = Some(now);
                // The plan knows of everything that there is; of what could not be looked for, what a look has shown stays.
                if self.not_seen.is_empty() {
                    self.came.clear();
                }
                self.asking = None;
            }
            Entry::NotSeen { operations } => self.not_seen.clone_from(operations),
            Entry::Came { credentials } => self.came.clone_from(credentials),
            Entry::SeenOff { keys } => self.seen_off.extend(keys.iter().cloned()),
            Entry::CutsBefore { standing, off, let_go } => {
                let before = self.before.take();
                // What the plan cuts itself by now was off until then.
                let is_let_go = |was: &CutOff| {
                    let_go.iter().any(|one| *one == was.let_go(one.why) && one.why != NoMore::Own)
                };
                let is_back = before.as_ref().is_some_and(|before| {
                    let mut gone = before.off.iter().filter(|was| !is_let_go(was));
                    gone.any(|was| !off.iter().any(|is| is.is_of(was)))
                });
                let back = if is_back { Some(now) } else { before.and_then(|before| before.back) };
                let (standing, off) = (*standing, off.clone());
                self.before = Some(CutsBefore { at: now, standing, off, back });
            }
            Entry::CanaryMaking { canary } => {
                self.canaries.insert(canary.clone(), CanaryState::There);
                self.canaries_until.insert(canary.clone(), at);
            }
            Entry::CanaryMade { canary, keys } => {
                self.canaries_until.insert(canary.clone(), at);
                self.probes.extend(keys.iter().map(|id| (now.entry, id.clone())));
            }
            Entry::CanaryRemoved { canary } => {
                self.canaries.insert(canary.clone(), CanaryState::Removed);
                self.canaries_until.insert(canary.clone(), at);
            }
            Entry::CanaryLeft { canary, why } => {
                self.canaries.insert(canary.clone(), CanaryState::Left(why.clone()));
                self.canaries_until.insert(canary.clone(), at);
            }
            Entry::Trying { credential, last_used } => {
                let tried = self.tried.entry(credential.clone()).or_insert(TriedCredential {
                    // What our own trying leaves is no use of his.
                    last_used: *last_used,
                    begun: now,
                    of: None,
                    outcome: None,
                });
                tried.begun = now;
            }
            Entry::Tried { credential, of, outcome } => {
                if let Some(tried) = self.tried.get_mut(credential) {
                    tried.of = of.clone().or(tried.of.take());
                    tried.outcome = Some((now, outcome.clone()));
                }
            }
            Entry::Listened { credential, log, since, heard } => {
                let listened =
                    Listened { at: now, log: log.clone(), since: *since, heard: heard.clone() };
                self.listened.insert(credential.clone(), listened);
            }
            Entry::GateOpened { proof } => self.gate = GateState::Open(*proof, at),
            Entry::GateShut { reasons } => self.gate = GateState::Shut(reasons.clone()),
            Entry::Finished { exit } => self.finished = Some(*exit),
            Entry::Held { change: None, until } => self.held = Some(until.clone()),
            Entry::Cleared { credential, said } => {
                let spoken = Spoken { at: now, said: said.clone() };
                self.withdrawn.remove(credential);
                self.cleared.entry(credential.clone()).or_default().push(spoken);
            }
            Entry::Waived { credential, until, said } => {
                let spoken = Spoken { at: now, said: said.clone() };
                let before = self.waived.get(credential).filter(|before| at < before.until);
                let since = before.map_or(now, |before| before.since);
                let waiver = Waiver { until: *until, since, spoken };
                self.withdrawn.remove(credential);
                self.waived.insert(credential.clone(), waiver);
            }
            Entry::Closed { said } => self.closed = Some(Spoken { at: now, said: said.clone() }),
            Entry::Withdrawn { credential, said } => {
                self.cleared.remove(credential);
                self.waived.remove(credential);
                let spoken = Spoken { at: now, said: said.clone() };
                self.withdrawn.insert(credential.clone(), spoken);
            }
            Entry::Unheard { speaker, .. } => self.unhear(speaker),
            Entry::Attested { change: None, said } => {
                self.attested.push(Spoken { at: now, said: said.clone() });
            }
            Entry::Approved { phase, said } => {
                let spoken = Spoken { at: now, said: said.clone() };
                self.approvals.entry(*phase).or_default().push(spoken);
            }
            Entry::Intended { change }
            | Entry::Noted { change, .. }
            | Entry::Reopened { change, .. }
            | Entry::Failed { change, .. }
            | Entry::Applied { change, .. }
            | Entry::Observed { change, .. }
            | Entry::Proved { change, .. }
            | Entry::Attested { change: Some(change), .. }
            | Entry::Unproven { change, .. }
            | Entry::Held { change: Some(change), .. } => {
                let record = self.changes.entry(change.clone()).or_default();
                let next = record.state.next(entry).expect("checked above");
                record.take(now, entry, next);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
