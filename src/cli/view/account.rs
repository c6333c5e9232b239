//! The account of every credential at the end of a run, and how the run ended.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Style, plain};
use crate::cloud::Throttled;
use crate::journal::{ChangeState, GateState, State};
use crate::ledger::{LONGEST_SESSION, Ledger, Row, Standing};
use crate::plan::{Change, Plan};
use crate::run::Ending;
use crate::sim::Cloud;

/// What is known of every credential concerned.
pub(in crate::cli) struct Account<'a> {
    pub(in crate::cli) plan: &'a Plan,
    pub(in crate::cli) state: &'a State,
    pub(in crate::cli) ledger: &'a Ledger,
}

impl Account<'_> {
    /// The same for machines, with where every change stands.
    pub(in crate::cli) fn as_json(&self) -> Value {
        let change = |change: &Change| {
            let record = self.state.change(&change.id);
            let state = match record.state {
                ChangeState::Pending => "pending",
                ChangeState::InDoubt => "in-doubt",
                ChangeState::Applied => "applied",
                ChangeState::Seen => "seen",
                ChangeState::Held => "held",
            };
            json!({
                "id": change.id,
                "target": change.target,
                "what": change.what,
                "state": state,
                "proof": record.proof.map(|(proof, ..)| proof),
                "contested": record.contested,
                "trouble": record.trouble,
            })
        };
        let gate = match &self.state.gate {
            GateState::Untried => json!({"state": "untried"}),
            GateState::Open(proof, at) => json!({"state": "open", "proof": proof, "at": at}),
            GateState::Shut(reasons) => json!({"state": "shut", "reasons": reasons}),
        };
        json!({
            "version": 1,
            "account": self.plan.account,
            "playbook": self.plan.playbook,
            "changes": self.plan.changes.iter().map(change).collect::<Vec<_>>(),
            "gate": gate,
            "ledger": self.ledger,
        })
    }

    /// As text.
    pub(in crate::cli) fn render(&self) -> String {
        let mut text = String::new();
        let heading = format!("Every credential concerned ({})", self.ledger.rows.len());
        let _ = writeln!(text, "\n{}", Style::Strong.paint(&heading));
        for row in &self.ledger.rows {
            one(&mut text, row);
        }
        if !self.ledger.issued.is_empty() {
            let _ = writeln!(text, "\n{}", Style::Strong.paint("Issued"));
        }
        for issued in &self.ledger.issued {
            let _ = write!(text, "  access key {} for {}", issued.key, issued.user);
            if let Some((secret, version)) = &issued.delivered {
                let _ = write!(text, ", in secret {secret} (version {version})");
            }
            text.push_str("\n      delivered is not used: not seen in use by its owner yet\n");
        }
        let contested: Vec<_> = self
            .plan
            .changes
            .iter()
            .filter(|change| self.state.change(&change.id).contested)
            .collect();
        if !contested.is_empty() {
            let _ = writeln!(text, "\n{}", Style::Bad.paint("Taken off again by somebody"));
            for change in contested {
                let _ = writeln!(
                    text,
                    "  {}  {}: {}",
                    change.id,
                    plain(&change.target),
                    plain(&change.what)
                );
            }
        }
        text
    }
}

fn one(text: &mut String, row: &Row) {
    let style = match row.standing {
        Standing::Dead { .. } | Standing::Replaced { .. } => Style::Good,
        Standing::Blocked { .. } | Standing::Trusted { .. } => Style::Careful,
        Standing::Unaccounted { .. } | Standing::OutOfReach { .. } => Style::Bad,
    };
    let proof = row.proof.as_ref().map_or("not proven".to_owned(), |(proof, _)| proof.to_string());
    let credential = plain(&row.credential.to_string());
    let word = style.paint(&format!("{:<12}", row.standing.word()));
    let _ = writeln!(text, "  {word}  {credential}");
    let detail = match &row.standing {
        Standing::Dead { by } => format!("deleted by {by}"),
        Standing::Replaced { by, with } => {
            let by: Vec<String> = by.iter().map(ToString::to_string).collect();
            format!("{}; {with} was delivered in its place", by.join(", "))
        }
        Standing::Blocked { by, removable_by, issued_before } => {
            let by: Vec<String> = by.iter().map(ToString::to_string).collect();
            let until = issued_before.and_then(|at| at.checked_add(LONGEST_SESSION).ok());
            let until = until.map_or(String::new(), |at| {
                format!("; the last of them expires by {}", at.strftime("%Y-%m-%d %H:%M UTC"))
            });
            format!("{}{until}; removable by {removable_by}", by.join(", "))
        }
        Standing::Trusted { reason } => format!("not cut; the playbook trusts it: {reason}"),
        Standing::Unaccounted { why } | Standing::OutOfReach { why } => why.clone(),
    };
    let _ = writeln!(text, "                {}; proof: {proof}", plain(&detail));
}

/// What is true of a run that did not come to its end: how the cuts stand by now, it cannot say.
const NOTHING_TAKEN_BACK: &str =
    "nothing was taken back for it; resume looks whether the cuts still stand";

/// How the run ended, and what to type next: the last thing on the screen.
pub(in crate::cli) fn ending(ending: &Ending, unaccounted: usize, next: &str) -> String {
    let (style, word, what, list): (_, _, _, &[String]) = match ending {
        Ending::Proven => {
            (Style::Good, "DONE", "every credential is accounted for, and its standing proven", &[])
        }
        Ending::NotProven => (
            Style::Careful,
            "DONE, NOT PROVEN",
            match unaccounted {
                0 => {
                    "all was applied and seen to stay; that requests are refused because of it is inferred"
                }
                _ => "all was applied; credentials above are unaccounted for",
            },
            &[],
        ),
        Ending::Held(reasons) => (Style::Bad, "HELD", "a person is needed", reasons),
        Ending::Waiting(reasons) => {
            (Style::Careful, "WAITING FOR APPROVAL", "what was cut stays cut", reasons)
        }
        Ending::Stopped(reasons) => (Style::Bad, "STOPPED PART-WAY", NOTHING_TAKEN_BACK, reasons),
        Ending::Interrupted => {
            (Style::Careful, "INTERRUPTED AT A SAFE POINT", NOTHING_TAKEN_BACK, &[])
        }
    };
    let mut text = format!("\n{}: {what} (exit code {})\n", style.paint(word), ending.code());
    for reason in list {
        let _ = writeln!(text, "  - {}", plain(reason));
    }
    let _ = writeln!(text, "{}: {next}", Style::Strong.paint("Next"));
    text
}

/// How a run ended, for machines.
pub(in crate::cli) fn ending_as_json(ending: &Ending) -> Value {
    let (word, reasons): (_, &[String]) = match ending {
        Ending::Proven => ("proven", &[]),
        Ending::NotProven => ("not-proven", &[]),
        Ending::Held(reasons) => ("held", reasons),
        Ending::Waiting(reasons) => ("waiting", reasons),
        Ending::Stopped(reasons) => ("stopped", reasons),
        Ending::Interrupted => ("interrupted", &[]),
    };
    json!({"ended": word, "exit": ending.code(), "reasons": reasons})
}

/// The services that told to slow down, for machines.
pub(in crate::cli) fn slowed_as_json(throttled: &[Throttled]) -> Value {
    throttled
        .iter()
        .map(|by| json!({"service": by.service, "admits_per_second": by.per_second.round()}))
        .collect()
}

/// What a rehearsal's world says, for machines.
pub(in crate::cli) fn verdict_as_json(cloud: &Cloud) -> Value {
    json!({"intruder": cloud.intruder_reach(), "consumers": cloud.consumers()})
}

/// What a rehearsal's world says: every credential the intruder holds, tried; every consumer, tried.
pub(in crate::cli) fn verdict(cloud: &Cloud) -> String {
    let mut text = format!("\n{}\n", Style::Strong.paint("Tried in the world, five minutes later"));
    for reach in cloud.intruder_reach() {
        let (style, word) = if reach.allowed.is_empty() {
            (Style::Good, "refused")
        } else {
            (Style::Bad, "LET IN")
        };
        let _ = writeln!(
            text,
            "  {}  the intruder with {}{}",
            style.paint(&format!("{word:<11}")),
            reach.credential,
            if reach.allowed.is_empty() {
                String::new()
            } else {
                format!(": {}", plain(&reach.allowed.join(", ")))
            }
        );
    }
    for consumer in cloud.consumers() {
        let (style, word) =
            if consumer.works { (Style::Good, "works") } else { (Style::Bad, "BROKEN") };
        let why = consumer.why.map_or(String::new(), |why| format!(": {}", plain(&why)));
        let _ = writeln!(
            text,
            "  {}  {}{why}",
            style.paint(&format!("{word:<11}")),
            plain(&consumer.name)
        );
    }
    text
}
