//! The account of every credential at the end of a run, and how the run ended.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Style, plain};
use crate::cloud::Throttled;
use crate::diagnostic::counted;
use crate::journal::{ChangeState, GateState, Outcome, State};
use crate::ledger::{self, Ledger, Row, Standing};
use crate::plan::{Change, Plan};
use crate::run::Ending;
use crate::sim::{Cloud, Deed};

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
                "proof": record.proof.map(|proven| proven.proof),
                "unproven": record.unproven.map(|(_, why)| why),
                "contested": record.contested,
                "trouble": record.trouble,
            })
        };
        let gate = match &self.state.gate {
            GateState::Untried => json!({"state": "untried"}),
            GateState::Open(proof, at) => json!({"state": "open", "proof": proof, "at": at}),
            GateState::Shut(reasons) => json!({"state": "shut", "reasons": reasons}),
        };
        let asking = self
            .state
            .asking
            .as_ref()
            .map(|asking| json!({"round": asking.round, "beyond": asking.beyond}));
        let taken_over = self.state.taken_over.iter().map(|taken| {
            json!({
                "at": taken.at.at,
                "by": taken.said.by,
                "from": taken.from.as_ref().map(|from| &from.caller),
                "reason": taken.said.reason,
            })
        });
        let closed = self.state.closed.as_ref().map(|closed| {
            json!({ "at": closed.at.at, "by": closed.said.by, "reason": closed.said.reason })
        });
        json!({
            "version": 1,
            "closed": closed,
            "taken_over": taken_over.collect::<Vec<_>>(),
            "account": self.plan.account,
            "playbook": self.plan.playbook,
            "changes": self.plan.changes.iter().map(change).collect::<Vec<_>>(),
            "gate": gate,
            "asking": asking,
            "canaries_left": self.state.canaries_left().map(|(name, _)| name).collect::<Vec<_>>(),
            "ledger": self.ledger,
        })
    }

    /// As text.
    pub(in crate::cli) fn render(&self) -> String {
        let mut text = String::new();
        self.waivers(&mut text);
        let heading = format!("Every credential concerned ({})", self.ledger.rows.len());
        let _ = writeln!(text, "\n{}", Style::Strong.paint(&heading));
        for row in &self.ledger.rows {
            one(&mut text, row);
        }
        self.before(&mut text);
        if !self.ledger.issued.is_empty() {
            let _ = writeln!(text, "\n{}", Style::Strong.paint("Issued"));
        }
        for issued in &self.ledger.issued {
            let _ = write!(text, "  {}", plain(&issued.credential.to_string()));
            if let Some(at) = issued.at {
                let _ = write!(text, ", set {}", at.strftime("%Y-%m-%d %H:%M UTC"));
            }
            if let Some(delivered) = &issued.delivered {
                let _ = write!(text, ", in {}", plain(&delivered.to_string()));
            }
            text.push_str("\n      delivered is not used: not seen in use by its owner yet\n");
        }
        if !self.ledger.tried.is_empty() {
            let _ = writeln!(text, "\n{}", Style::Strong.paint("Credentials that were tried"));
        }
        for tried in &self.ledger.tried {
            let (style, word, what) = match &tried.outcome {
                Outcome::Refused { evidence, .. } => (Style::Good, "refused", evidence),
                Outcome::LetIn { evidence } => (Style::Bad, "LET IN", evidence),
                Outcome::CannotTell { why } => (Style::Careful, "no answer", why),
            };
            let of = tried.of.as_ref().map_or(String::new(), |of| format!(" ({of})"));
            let used = tried.last_used.map_or(String::new(), |at| {
                format!("; last used before {}", at.strftime("%Y-%m-%d %H:%M:%S UTC"))
            });
            let word = style.paint(&format!("{word:<12}"));
            let (of, what) = (plain(&of), plain(what));
            let _ = writeln!(text, "  {word}  {}{of}: {what}{used}", tried.credential);
        }
        let left: Vec<_> = self.state.canaries_left().collect();
        if !left.is_empty() {
            let heading = "Made to try cuts on, and not removed yet";
            let _ = writeln!(text, "\n{}", Style::Careful.paint(heading));
        }
        for (name, why) in left {
            let why = why.map_or(String::new(), |why| format!(": {}", plain(why)));
            let _ = writeln!(text, "  user {}{why}", plain(name));
            text.push_str(
                "      resume removes it, or delete it by hand; it may make one harmless call\n",
            );
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
                let by = ledger::opened_by(self.plan, self.state, change);
                let by = by.map_or(String::new(), |said| {
                    format!(" (opened before its turn, as {} attests)", said.by)
                });
                let _ = writeln!(
                    text,
                    "  {}  {}: {}{}",
                    change.id,
                    plain(&change.target),
                    plain(&change.what),
                    plain(&by)
                );
            }
        }
        text
    }
}

impl Account<'_> {
    /// How what earlier cases have cut stands.
    fn before(&self, text: &mut String) {
        let Some(before) = &self.ledger.before else { return };
        let heading = Style::Strong.paint("Cut by earlier cases, beyond this plan");
        let (at, cuts) =
            (before.at.strftime("%Y-%m-%d %H:%M:%S UTC"), counted(before.standing, "cut"));
        let _ = match (before.standing, &before.off[..]) {
            (0, []) => writeln!(text, "\n{heading}\n  none is left to be looked at, as of {at}"),
            _ => writeln!(
                text,
                "\n{heading}\n  {cuts} seen to stand at {at}, read back and not tried"
            ),
        };
        for cut in &before.off {
            let _ = writeln!(
                text,
                "  {}  {} of {}, {}: {} ({})",
                Style::Bad.paint(if cut.never_seen {
                    "NEVER SEEN TO STAND"
                } else {
                    "STANDS NO MORE"
                }),
                cut.change,
                plain(&cut.case),
                plain(&cut.target),
                plain(&cut.what),
                plain(&cut.why)
            );
        }
    }

    /// What somebody answers for comes first, so that nobody reads past it.
    fn waivers(&self, text: &mut String) {
        if self.ledger.waivers.is_empty() {
            return;
        }
        let heading = Style::Careful.paint("Waived: left as it is, on somebody's word");
        let _ = writeln!(text, "\n{heading}");
        for waived in &self.ledger.waivers {
            let until = waived.until.strftime("%Y-%m-%d %H:%M UTC");
            let until = if waived.expired {
                Style::Bad.paint(&format!("RAN OUT at {until}"))
            } else {
                format!("until {until}")
            };
            let _ = writeln!(
                text,
                "  {}, {until}, by {}: {}",
                plain(&waived.credential.to_string()),
                plain(waived.by.as_str()),
                plain(&waived.reason)
            );
        }
    }
}

fn one(text: &mut String, row: &Row) {
    let style = match row.standing {
        Standing::Dead { .. } | Standing::Replaced { .. } => Style::Good,
        Standing::Cleared { .. } => Style::Good,
        Standing::Blocked { .. }
        | Standing::Trusted { .. }
        | Standing::Waived { .. }
        | Standing::Reopened { .. } => Style::Careful,
        Standing::Unaccounted { .. } | Standing::OutOfReach { .. } => Style::Bad,
    };
    let credential = plain(&row.credential.to_string());
    let word = style.paint(&format!("{:<12}", row.standing.word()));
    let _ = writeln!(text, "  {word}  {credential}");
    let detail = row.detail();
    let proof = row.proof_in_words();
    let _ = writeln!(text, "                {}; proof: {}", plain(&detail), plain(&proof));
    for remark in &row.remarks {
        let _ = writeln!(text, "                {}", Style::Careful.paint(&plain(remark)));
    }
}

/// What is true of a run that did not come to its end: how the cuts stand by now, it cannot say.
const NOTHING_TAKEN_BACK: &str =
    "nothing was taken back for it; resume looks whether the cuts still stand";

/// How the run ended, and what to type next: the last thing on the screen.
pub(in crate::cli) fn ending(ending: &Ending, unaccounted: usize, next: &str) -> String {
    let (style, word, what, list): (_, _, _, &[String]) = match ending {
        Ending::Proven => {
            let what = "every credential is accounted for: proven, or answered for by name";
            (Style::Good, "DONE", what, &[])
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
        Ending::Asking { beyond, .. } => (
            Style::Careful,
            "WAITING FOR A YES",
            "something is new, and what is left to do about it is more than was approved",
            beyond,
        ),
        Ending::Stopped(reasons) => (Style::Bad, "STOPPED PART-WAY", NOTHING_TAKEN_BACK, reasons),
        Ending::Interrupted => {
            (Style::Careful, "INTERRUPTED AT A SAFE POINT", NOTHING_TAKEN_BACK, &[])
        }
    };
    let mut text =
        format!("\n{}: {what} (exit code {})\n", style.paint(word), ending.exit().code());
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
        Ending::Asking { beyond, .. } => ("asking", beyond),
        Ending::Stopped(reasons) => ("stopped", reasons),
        Ending::Interrupted => ("interrupted", &[]),
    };
    json!({"ended": word, "exit": ending.exit().code(), "reasons": reasons})
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
    json!({
        "deeds": cloud.intruder_deeds(),
        "intruder": cloud.intruder_reach(),
        "consumers": cloud.consumers(),
    })
}

/// How many of the intruder's deeds are told one by one.
const DEEDS: usize = 20;

/// What the intruder did while all this went on; what he was refused again and again is told once.
fn deeds(cloud: &Cloud) -> String {
    let mut told: Vec<(Deed, usize)> = Vec::new();
    let (end, deeds): (Vec<Deed>, Vec<Deed>) =
        cloud.intruder_deeds().into_iter().partition(Deed::is_the_end);
    for deed in deeds {
        let same = |(other, _): &&mut (Deed, usize)| {
            deed.refused.is_some()
                && other.refused == deed.refused
                && (&other.operation, &other.resource) == (&deed.operation, &deed.resource)
        };
        match told.iter_mut().find(same) {
            Some((_, times)) => *times += 1,
            None => told.push((deed, 1)),
        }
    }
    if told.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", Style::Strong.paint("What the intruder did meanwhile"));
    for (deed, times) in told.iter().take(DEEDS) {
        let (style, word) =
            if deed.refused.is_some() { (Style::Good, "refused") } else { (Style::Bad, "LET IN") };
        let with = deed.credential.as_ref().map_or(String::new(), |with| format!(" with {with}"));
        let came_of_it = match &deed.refused {
            Some(code) if *times > 1 => format!(": {code}, {times} times"),
            Some(code) => format!(": {code}"),
            None if deed.gained.is_empty() => String::new(),
            None => format!(": now holds {}", deed.gained.join(", ")),
        };
        let _ = writeln!(
            text,
            "  {}  {} {} on {}{}{}",
            style.paint(&format!("{word:<11}")),
            deed.at.strftime("%H:%M:%S"),
            plain(&deed.operation),
            plain(&deed.resource),
            plain(&with),
            plain(&came_of_it)
        );
    }
    if told.len() > DEEDS {
        let _ = writeln!(text, "  and {} more, in the JSON of this rehearsal", told.len() - DEEDS);
    }
    if let Some(end) = end.first() {
        let why = end.refused.as_deref().unwrap_or_default();
        let at = end.at.strftime("%H:%M:%S");
        let _ = writeln!(text, "  He would have done more from {at} on: {why}");
    }
    text
}

/// What a rehearsal's world says: what the intruder did, every credential he holds, tried; every consumer,
/// tried.
pub(in crate::cli) fn verdict(cloud: &Cloud) -> String {
    let mut text = deeds(cloud);
    let _ = writeln!(text, "\n{}", Style::Strong.paint("Tried in the world, five minutes later"));
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
