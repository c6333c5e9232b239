//! What happened, in order, for people: what is noted for a resumption alone is left out, and what happened to many
//! changes of a step in a row is said once.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::ids::StepId;
use crate::journal::{Decoded, Entry, Heard, Note, Outcome, Position, Said};
use crate::plan::SavedPlan;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// When, by the clock of whoever wrote it down.
    pub at: Timestamp,
    /// What, in a sentence.
    pub what: String,
}

/// What was seen of one step, in a row.
struct Row {
    at: Timestamp,
    step: StepId,
    first: String,
    changes: usize,
    /// Whether it was so, and nothing was done for it.
    found: bool,
}

impl Row {
    fn told(self) -> Happened {
        let more = match self.changes {
            1 => String::new(),
            n => format!(", and {} more of step {}", n - 1, self.step),
        };
        let what = if self.found { "found so already" } else { "done" };
        Happened { at: self.at, what: format!("{what}: {}{more}", self.first) }
    }
}

pub(super) fn of(saved: &SavedPlan, decoded: &Decoded) -> Vec<Happened> {
    let mut told = Vec::new();
    let mut row: Option<Row> = None;
    let (mut begun, mut done) = (BTreeSet::new(), BTreeSet::new());
    for line in &decoded.lines {
        for entry in &line.entries {
            match entry {
                Entry::Intended { change } => {
                    begun.insert(change);
                    done.remove(change);
                }
                Entry::Reopened { change, .. } => {
                    done.remove(change);
                }
                Entry::Observed { change, position } if !position.is_done() => {
                    done.remove(change);
                }
                // Seen once more.
                Entry::Observed { change, .. } if !done.insert(change) => continue,
                _ => {}
            }
            if let Entry::Observed { change, position } = entry
                && position.is_done()
                && let Some(change) = saved.plan.change(change)
            {
                let found = !begun.contains(&change.id);
                match &mut row {
                    Some(row) if row.step == change.step && row.found == found => row.changes += 1,
                    _ => {
                        told.extend(row.take().map(Row::told));
                        let first = format!("{}, {} of {}", change.id, change.what, change.target);
                        row = Some(Row {
                            at: line.at,
                            step: change.step.clone(),
                            first,
                            changes: 1,
                            found,
                        });
                    }
                }
                continue;
            }
            let Some(what) = sentence(saved, entry) else { continue };
            told.extend(row.take().map(Row::told));
            told.push(Happened { at: line.at, what });
        }
    }
    told.extend(row.map(Row::told));
    told
}

/// What an entry says to somebody who was not there; nothing, where it only serves to go on after a crash.
fn sentence(saved: &SavedPlan, entry: &Entry) -> Option<String> {
    let of = |change: &crate::ids::ChangeId| match saved.plan.change(change) {
        Some(known) => format!("{change} ({}, {})", known.target, known.what),
        None => change.to_string(),
    };
    let said = |said: &Said| match &said.evidence {
        Some(evidence) => format!("{}: {} (evidence: {evidence})", said.by, said.reason),
        None => format!("{}: {}", said.by, said.reason),
    };
    Some(match entry {
        Entry::Opened { plan, .. } => format!("the case was opened, with plan {plan}"),
        Entry::Started { caller, .. } => format!("begun or resumed by {caller}"),
        Entry::TakenOver { said: word, .. } => format!("taken over by {}", said(word)),
        Entry::RoundBegan { round, approved_by: Some(by), .. } => {
            let takes_back = saved.plan.is_undo() && saved.number() == *round;
            let own = saved.round.as_ref().filter(|_| saved.number() == *round);
            let lets_in: Vec<String> =
                own.iter().flat_map(|round| &round.lets_in).map(ToString::to_string).collect();
            let what = match (takes_back, &lets_in[..]) {
                (true, _) => ", which takes back what was cut,".to_owned(),
                (false, []) => String::new(),
                (false, whom) => format!(", which lets {} in again,", whom.join(" and ")),
            };
            format!("round {round}{what} was begun; {by} said yes to it")
        }
        Entry::RoundBegan { round, .. } => {
            format!("round {round} was begun unasked: what was new is cut too")
        }
        Entry::RoundAsked { round, beyond, .. } => {
            format!("round {round} waits for somebody's yes: {}", beyond.join("; "))
        }
        Entry::NothingNew { .. } => "everything was surveyed again, and nothing was new".to_owned(),
        Entry::NotSeen { operations } if operations.is_empty() => {
            "who has come into the account since can be looked for again".to_owned()
        }
        Entry::NotSeen { operations } => {
            let refused: Vec<&str> = operations.iter().map(String::as_str).collect();
            format!(
                "who has come into the account since is NOT SEEN: {} refused",
                refused.join(", ")
            )
        }
        Entry::Came { credentials } if credentials.is_empty() => {
            "whoever had come into the account since is gone".to_owned()
        }
        Entry::Came { credentials } => {
            let came: Vec<String> = credentials.iter().map(ToString::to_string).collect();
            format!("found to have come since: {}", came.join(", "))
        }
        Entry::CutsBefore { standing, off, let_go } => {
            let told = |never_seen: bool| -> Vec<String> {
                let off = off.iter().filter(|cut| cut.never_seen == never_seen).map(|cut| {
                    format!(
                        "{} ({}, {}) of {}: {}",
                        cut.change, cut.target, cut.what, cut.case, cut.why
                    )
                });
                off.collect()
            };
            let mut seen: Vec<String> = Vec::new();
            let (off, begun) = (told(false), told(true));
            if !off.is_empty() {
                seen.push(format!(
                    "what earlier cases have cut STANDS NO MORE: {}",
                    off.join("; ")
                ));
            }
            if !begun.is_empty() {
                seen.push(format!(
                    "what earlier cases had begun to cut WAS NEVER SEEN TO STAND: {}",
                    begun.join("; ")
                ));
            }
            let seen = match (standing, &seen[..]) {
                (0, []) => {
                    "nothing that earlier cases have cut beyond this plan is left to be looked at"
                        .to_owned()
                }
                (standing, []) => format!(
                    "all that earlier cases have cut beyond this plan was seen to stand ({standing} in all)"
                ),
                (_, seen) => seen.join("; "),
            };
            let let_go = let_go.iter().map(|cut| {
                format!(
                    "; not looked at any more is {} ({}, {}) of {}: {}",
                    cut.change, cut.target, cut.what, cut.case, cut.why
                )
            });
            seen + &let_go.collect::<String>()
        }
        Entry::Noted { change, note: Note::Removing { key, why } } => {
            format!("access key {key} is about to be deleted for good by {}: {why}", of(change))
        }
        Entry::Reopened { change, why } => format!("{} is to be done again: {why}", of(change)),
        Entry::Observed { change, position: Position::Elsewhere { why } } => {
            format!("{} was found otherwise: {why}", of(change))
        }
        Entry::Held { change: Some(change), until } => format!("{} is held: {until}", of(change)),
        Entry::Held { change: None, until } => format!("held: {until}"),
        Entry::GateOpened { proof } => {
            format!(
                "the gate, which asks for {proof} proof, was opened: every cut that can be tried was proven so"
            )
        }
        Entry::GateShut { reasons } => format!("the gate stayed shut: {}", reasons.join("; ")),
        Entry::Finished { exit } => format!("the run ended with exit code {exit}"),
        Entry::Cleared { credential, said: word } => {
            format!("{credential} was found innocent, attested by {}", said(word))
        }
        Entry::Waived { credential, until, said: word } => format!(
            "{credential} was waived until {}, attested by {}",
            until.strftime("%Y-%m-%d %H:%M UTC"),
            said(word)
        ),
        Entry::Withdrawn { credential, said: word } => {
            format!("what was said of {credential} was withdrawn, attested by {}", said(word))
        }
        Entry::Unheard { speaker, why } => {
            format!("nothing that {speaker} had said counts any more: {why}")
        }
        Entry::Closed { said: word } => format!("the case was closed, attested by {}", said(word)),
        Entry::Attested { change: Some(change), said: word } => {
            format!("{} was attested by {}", of(change), said(word))
        }
        Entry::Attested { change: None, said: word } => format!("attested by {}", said(word)),
        Entry::Approved { phase, said: word } => {
            format!("phase {phase} was approved, attested by {}", said(word))
        }
        Entry::Unproven { change, why } => {
            format!("{} could not be shown enforced: {why}", of(change))
        }
        Entry::CanaryMade { canary, .. } => format!("{canary} was made, to try the cuts on"),
        Entry::CanaryRemoved { canary } => format!("{canary} was removed"),
        Entry::CanaryLeft { canary, why } => format!("{canary} could not be removed: {why}"),
        Entry::Tried { credential, outcome, .. } => match outcome {
            Outcome::Refused { evidence, .. } => {
                format!("{credential} was tried, and refused: {evidence}")
            }
            Outcome::LetIn { evidence } => {
                format!("{credential} was tried, and LET IN: {evidence}")
            }
            Outcome::CannotTell { why } => format!("{credential} was tried, to no answer: {why}"),
        },
        Entry::Listened { credential, log, heard, .. } => match heard {
            Heard::Nothing { until, .. } => format!(
                "{log} knows of no success of {credential}, up to {}",
                until.strftime("%Y-%m-%d %H:%M:%S UTC")
            ),
            Heard::Success { at, what, .. } => format!(
                "{log} HAS A SUCCESS of {credential}: {what}, at {}",
                at.strftime("%Y-%m-%d %H:%M:%S UTC")
            ),
            Heard::CannotTell { why } => format!("{log} does not tell of {credential}: {why}"),
        },
        Entry::SeenOff { .. }
        | Entry::CanaryMaking { .. }
        | Entry::Trying { .. }
        | Entry::Intended { .. }
        | Entry::Noted { .. }
        | Entry::Failed { .. }
        | Entry::Applied { .. }
        | Entry::Observed { .. }
        | Entry::Proved { .. } => return None,
    })
}
