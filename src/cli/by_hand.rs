//! The containment of a plan as commands of the AWS command line, for the night when neither this program nor
//! this laptop is at hand. A shell script: it can be kept, printed, read aloud, and run by `sh`.
//!
//! Every word is quoted, whoever chose it. What stands behind the gate is not in it: nobody should hand out
//! anything new from a script that cannot see whether the cuts stand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::view::plain;
use crate::action::catalog;
use crate::action::{ByHand, Word};
use crate::diagnostic::counted;
use crate::ids::{ChangeId, StepId};
use crate::plan::{Change, Need, Plan, SavedPlan};
use crate::playbook::Proof;

const NOW: &str = "\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"";

/// The script of one account, or of several: then each is a part of its own, which is left out where the credentials are
/// not those of its account.
pub(super) fn script(plans: &[SavedPlan]) -> String {
    let mut text = String::from("#!/bin/sh\n");
    if let [saved] = plans {
        head(&mut text, saved);
        let _ = write!(
            text,
            "\nif {}; then\n  echo 'these are not credentials of account '{} >&2\n  exit 1\nfi\n",
            is_elsewhere(saved),
            quoted(saved.plan.account.as_str()),
        );
        cuts(&mut text, saved);
        return text;
    }
    let _ = writeln!(
        text,
        "# {} accounts, a part for each. A part is left out while the credentials are of another account: run this\n# \
         again with those of each, home first. It ends with 1 while it has left one out.",
        plans.len()
    );
    for saved in plans {
        let account = quoted(saved.plan.account.as_str());
        let _ = writeln!(text, "\n# Account {account}");
        head(&mut text, saved);
        let _ = writeln!(text, "# Its credentials: {}", plain(&credentials(saved)));
        let _ = write!(
            text,
            "if {}; then\n  echo 'left out: these are not credentials of account '{account} >&2\n  left_out=1\nelse\n:\n",
            is_elsewhere(saved),
        );
        cuts(&mut text, saved);
        let _ = writeln!(text, "\nfi");
    }
    text.push_str("\nexit \"${left_out:-0}\"\n");
    text
}

fn is_elsewhere(saved: &SavedPlan) -> String {
    let account = quoted(saved.plan.account.as_str());
    let aws = aws(saved);
    format!("[ \"$({aws} sts get-caller-identity --query Account --output text)\" != {account} ]")
}

/// How those of one account among several are got.
fn credentials(saved: &SavedPlan) -> String {
    let plan = &saved.plan;
    match plan.entered_by().zip(plan.together.as_ref().map(|together| &together.home)) {
        Some((role, home)) => format!(
            "those of account {home} give them: {} sts assume-role {} --role-session-name=by-hand, with --external-id \
             where the role asks for one; then set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
            aws(saved),
            quoted(&format!("--role-arn={role}"))
        ),
        None => format!("as the plan was made, {}", plan.caller),
    }
}

fn head(text: &mut String, saved: &SavedPlan) {
    let plan = &saved.plan;
    let mut comment = |line: &str| {
        let _ = writeln!(text, "# {}", plain(line));
    };
    comment(&format!("{}: {}", plan.playbook, plan.title));
    comment(&format!(
        "The cuts of plan {}, by hand. Surveyed {}.",
        saved.digest(),
        plan.surveyed_at
    ));
    comment(
        "Run it with sh, with credentials that it does not cut. A command that fails stops no other.",
    );
    comment(
        "The clock of the machine must be right: sessions are denied by the time at which it runs.",
    );
}

/// In how many rounds of waiting for proof each change comes: nobody's cut waits for the proof of another's.
fn rounds(plan: &Plan) -> Vec<(usize, &Change)> {
    let mut of: BTreeMap<&ChangeId, usize> = BTreeMap::new();
    let mut all: Vec<(usize, &Change)> = Vec::new();
    for change in &plan.changes {
        let after = |need: &Need| {
            of.get(&need.change).copied().unwrap_or(0) + usize::from(need.proof > Proof::ReadBack)
        };
        let round = change.needs.iter().map(after).max().unwrap_or(0);
        of.insert(&change.id, round);
        all.push((round, change));
    }
    all.sort_by_key(|(round, _)| *round);
    all
}

/// Every cut, one after the other.
fn cuts(text: &mut String, saved: &SavedPlan) {
    let plan = &saved.plan;
    let mut behind = 0;
    let mut reached: BTreeMap<&StepId, usize> = BTreeMap::new();
    let mut waited = 0;
    for (round, change) in rounds(plan) {
        let action = catalog::find(&change.kind).expect("planned from the same catalog");
        match action.by_hand(&change.decided) {
            Some(by_hand) if change.only_cuts() => {
                if round > waited {
                    waited = round;
                    let _ = writeln!(
                        text,
                        "\n# What was cut until here must be enforced before it goes on.\nsleep {}",
                        plan.gate.margin_seconds
                    );
                }
                pause(text, plan, change, &mut reached);
                one(text, saved, change, &by_hand);
            }
            _ => behind += 1,
        }
    }
    if behind > 0 {
        let _ = writeln!(
            text,
            "\n# Not in here: {} that {} until all of this is seen to be cut: what is issued, delivered\n# or lifted. \
             Look in the console that every cut stands; then use the program, or decide by hand.",
            counted(behind, "change"),
            if behind == 1 { "waits" } else { "wait" }
        );
    }
}

/// Waits as the playbook does, where a step's changes are made a few at a time and `change` begins the next of its
/// batches; `reached` is the batch that each step has come to.
fn pause<'p>(
    text: &mut String,
    plan: &'p Plan,
    change: &Change,
    reached: &mut BTreeMap<&'p StepId, usize>,
) {
    let Some(batches) = plan.batches.iter().find(|batches| batches.step == change.step) else {
        return;
    };
    let Some(batch) = batches.of.iter().position(|batch| batch.contains(&change.id)) else {
        return;
    };
    let before = reached.entry(&batches.step).or_default();
    if batch <= *before {
        return;
    }
    *before = batch;
    let (step, of) = (plain(batches.step.as_str()), batches.of.len());
    let _ = writeln!(
        text,
        "\n# Batch {} of {of} of step {step}: the playbook pauses here. See that what was cut by now is well cut.",
        batch + 1
    );
    if let Some(share) = batches.stop_at {
        let _ = writeln!(
            text,
            "# Stop here where {share} % of the changes of the step so far could not be made."
        );
    }
    if batches.pause_seconds > 0 {
        let _ = writeln!(text, "sleep {}", batches.pause_seconds);
    }
}

fn one(text: &mut String, saved: &SavedPlan, change: &Change, by_hand: &ByHand) {
    let already = if change.already { " (already so when surveyed)" } else { "" };
    let elsewhere = by_hand.commands.is_empty();
    let _ = writeln!(
        text,
        "\n# {}  {}: {}{already}\n# {}: {}",
        change.id,
        plain(&change.target),
        plain(&change.what),
        if elsewhere { "by a person" } else { "console" },
        plain(&by_hand.console)
    );
    if elsewhere {
        return;
    }
    let commands: Vec<String> = by_hand
        .commands
        .iter()
        .map(|words| {
            let words: Vec<String> = words.iter().map(word).collect();
            format!("{} {}", aws(saved), words.join(" "))
        })
        .collect();
    let _ = writeln!(text, "{}", commands.join(" ||\n  "));
}

fn aws(saved: &SavedPlan) -> String {
    match &saved.plan.endpoint {
        Some(url) => format!("aws {}", quoted(&format!("--endpoint-url={url}"))),
        None => "aws".to_owned(),
    }
}

fn word(word: &Word) -> String {
    match word {
        Word::Text(text) => quoted(text),
        Word::Timed { before, after } => format!("{}{NOW}{}", quoted(before), quoted(after)),
    }
}

/// One word of a POSIX shell, whatever is in it. Bare where nothing in it means anything to a shell.
pub(super) fn quoted(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-+=,.@:/".contains(c);
    // A word that begins with what a shell expands, or that looks like an assignment, is not left bare either.
    if !text.is_empty() && text.chars().all(harmless) && !text.starts_with(['=', '+']) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The path of a case or a file, as it is typed.
pub(super) fn typed(path: &Path) -> String {
    let shown = path.display().to_string();
    // What begins with a dash would be read as an option.
    quoted(&if shown.starts_with('-') { format!("./{shown}") } else { shown })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gives_back_every_word_as_it_was() {
        let hostile = [
            "",
            " ",
            "a b",
            "it's",
            "''",
            "$(touch owned)",
            "`id`",
            "$HOME",
            "\\",
            "\\'",
            "a\nb",
            "*",
            "~",
            "~root",
            "#",
            "-n",
            "--help",
            "!!",
            "{a,b}",
            "a;b",
            "a&b",
            "<x",
            "|",
            "\"",
            "é 日本",
            "=ls",
            "x=y",
            "\u{7f}\u{1b}[2J",
        ];
        for text in hostile {
            let script = format!("printf %s. {}", quoted(text));
            let out = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), format!("{text}."), "{script}");
        }
    }
}
