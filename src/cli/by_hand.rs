//! The containment of a plan as commands of the AWS command line, for the night when neither this program nor
//! this laptop is at hand. A shell script: it can be kept, printed, read aloud, and run by `sh`.
//!
//! Every word is quoted, whoever chose it. What stands behind the gate is not in it: nobody should hand out
//! anything new from a script that cannot see whether the cuts stand. What the plan warns of is told above and again
//! at the end; what of the credentials in scope no command here cuts is listed there, and then it ends with 1.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::view::plain;
use crate::action::catalog;
use crate::action::{ByHand, Word};
use crate::diagnostic::counted;
use crate::ids::ChangeId;
use crate::plan::{Barrier, Change, Credential, Effect, Plan, SavedPlan};
use crate::planning;
use crate::playbook::EffectKind;

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
        text.push_str(NOT_CUT);
        cuts(&mut text, saved);
        text.push_str(END);
        return text;
    }
    let _ = writeln!(
        text,
        "# {} accounts, a part for each. A part is left out while the credentials are of another account: run this\n# \
         again with those of each, home first. It ends with 1 while it has left one out.",
        plans.len()
    );
    text.push_str(NOT_CUT);
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
    text.push_str(END);
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
        "Run it with sh, with credentials that it does not cut. A command that fails stops no other; what is not cut, and \
         what stays open because no step cuts it, is listed at the end, which is then exit code 1.",
    );
    comment(
        "The clock of the machine must be right: sessions are denied by the time at which it runs.",
    );
    if !plan.warnings.is_empty() {
        comment("Before you run it, what the plan warns of:");
    }
    for warning in &plan.warnings {
        comment(&format!("  - {warning}"));
    }
}

/// What the script says at its end of the plan that it is of: what that warns of, and what it leaves open.
fn told_at_the_end(text: &mut String, plan: &Plan) {
    if !plan.warnings.is_empty() {
        text.push('\n');
    }
    for warning in &plan.warnings {
        let _ = writeln!(text, "warned_of {}", quoted(&plain(warning)));
    }
    let in_reach = plan.roles.iter().map(|reach| &reach.sessions);
    let in_reach = in_reach.filter(|sessions| {
        plan.trust_in(sessions).is_none()
            && !plan.changes.reaching(sessions).any(|cut| cut.keeps_out(sessions))
    });
    let open: BTreeSet<&Credential> =
        planning::left_open(plan).into_iter().chain(in_reach).collect();
    for left_out in &plan.unplanned {
        let told = format!("whatever step {} would cut: {}", left_out.step, left_out.why);
        let _ = writeln!(text, "still_open {}", quoted(&plain(&told)));
    }
    for credential in open {
        let _ = writeln!(text, "still_open {}", quoted(&plain(&credential.to_string())));
    }
}

/// What a script keeps of what did not go through, of what nothing in it is for, and of what is to be known.
const NOT_CUT: &str = "\
failures=0 list= left_out= open= warnings=
not_cut() {
  failures=$((failures + 1))
  list=\"$list
  $1\"
  printf 'NOT CUT: %s\\n' \"$1\" >&2
}
still_open() {
  open=\"$open
  $1\"
}
warned_of() {
  warnings=\"$warnings
  - $1\"
}
";

/// How a script ends: with what the plan warns of, what stays open and what is not cut, if anything.
const END: &str = "
[ -z \"$warnings\" ] || printf '\\nThe plan warns:%s\\n' \"$warnings\" >&2
[ -z \"$open\" ] || printf '\\nSTILL OPEN, and cut by nothing in here:%s\\n' \"$open\" >&2
if [ \"$failures\" -gt 0 ]; then
  printf '\\nNOT CUT, %s in all:%s\\n' \"$failures\" \"$list\" >&2
  exit 1
fi
[ -z \"$left_out$open\" ] || exit 1
echo 'Every command here went through. Look in the console that every cut stands.'
";

/// One change as somebody makes it by hand.
struct Cut<'p> {
    /// When it is due, in seconds from the beginning.
    at: u64,
    change: &'p Change,
    by_hand: ByHand,
    /// The step that is made a few at a time, by its place among those, and the number of the batch, from 0.
    batch: Option<(usize, usize)>,
}

impl Cut<'_> {
    /// The batch that it is of, where another came before.
    fn further_batch(&self) -> Option<(usize, usize)> {
        self.batch.filter(|(_, batch)| *batch > 0)
    }

    /// Whether nothing of it is typed.
    fn is_for_people(&self) -> bool {
        self.by_hand.commands.is_empty()
    }
}

/// Every cut by when it is due, as the run has it: whatever waits for nothing comes before anything that waits.
fn cuts(text: &mut String, saved: &SavedPlan) {
    let plan = &saved.plan;
    let mut batches: BTreeMap<&ChangeId, (usize, usize)> = BTreeMap::new();
    for (step, of) in plan.batches.iter().enumerate() {
        for (n, batch) in of.of.iter().enumerate() {
            batches.extend(batch.iter().map(|change| (change, (step, n))));
        }
    }
    let cuts = plan.moments().into_iter().filter(|(_, change)| change.only_cuts());
    let cuts = cuts.filter_map(|(at, change)| {
        let action = catalog::find(&change.kind).expect("planned from the same catalog");
        let by_hand = action.by_hand(&change.decided)?;
        Some(Cut { at, change, by_hand, batch: batches.get(&change.id).copied() })
    });
    let mut cuts: Vec<Cut<'_>> = cuts.collect();
    let here: BTreeSet<&ChangeId> = cuts.iter().map(|cut| &cut.change.id).collect();
    let at: BTreeMap<&ChangeId, u64> = cuts.iter().map(|cut| (&cut.change.id, cut.at)).collect();
    // Of two that write the same at once, one is enough.
    cuts.retain(|cut| !repeats_at_once(plan, cut.change, &at));
    for (step, _) in plan.batches.iter().enumerate().filter(|(_, of)| of.stop_at.is_some()) {
        let _ = writeln!(text, "failed_{step}=0 stopped_{step}=");
    }
    let mut judged = BTreeSet::new();
    let mut done = 0_usize;
    for moment in cuts.chunk_by(|one, next| one.at == next.at) {
        let further: BTreeSet<_> = moment.iter().filter_map(Cut::further_batch).collect();
        for batch in further.into_iter().filter(|batch| judged.insert(*batch)) {
            judge(text, plan, &cuts, batch);
        }
        if let Some(before) = done.checked_sub(1).and_then(|last| cuts.get(last)) {
            wait(text, plan, moment[0].at - before.at, &cuts[done..]);
        }
        done += moment.len();
        for part in moment.chunk_by(|one, next| one.further_batch() == next.further_batch()) {
            one_part(text, saved, part);
        }
    }
    // Nothing in here knows whether they have.
    for cut in cuts.iter().filter(|cut| cut.is_for_people()) {
        let Change { id, target, .. } = cut.change;
        let said = format!("{target}, unless people have closed it, as it says above: {id}");
        let _ = writeln!(text, "still_open {}", quoted(&plain(&said)));
    }
    let behind: Vec<&Change> =
        plan.changes.iter().filter(|change| !here.contains(&change.id)).collect();
    if !behind.is_empty() {
        let _ = writeln!(
            text,
            "\n# Not in here: {} that {} until all of this is seen to be cut: what is {}.\n# Look in the console that every \
             cut stands; then use the program, or decide by hand.",
            counted(behind.len(), "change"),
            if behind.len() == 1 { "waits" } else { "wait" },
            what_they_do(&behind)
        );
    }
    told_at_the_end(text, plan);
}

/// Whether a change denies sessions once more, behind nothing but the denial before it.
fn repeats_at_once(plan: &Plan, change: &Change, at: &BTreeMap<&ChangeId, u64>) -> bool {
    let denies = |change: &Change, pass: Barrier| {
        change
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Cuts { barrier, .. } if *barrier == pass))
    };
    denies(change, Barrier::SessionsSecondPass)
        && !change.needs.is_empty()
        && change.needs.iter().all(|need| {
            let first = plan.change(&need.change);
            first.is_some_and(|first| denies(first, Barrier::SessionsFirstPass))
                && at.get(&need.change) == at.get(&change.id)
        })
}

/// What changes come to that are left to the program: "issued, delivered or lifted".
fn what_they_do(changes: &[&Change]) -> String {
    let effects = || changes.iter().flat_map(|change| &change.effects);
    let kinds = [
        (EffectKind::Issues, "issued"),
        (EffectKind::Delivers, "delivered"),
        (EffectKind::Lifts, "lifted"),
        (EffectKind::Destroys, "deleted for good"),
        (EffectKind::Cuts, "cut otherwise than by a command"),
    ];
    let is_done = |kind: EffectKind| effects().any(|effect| effect.kind() == kind);
    let done = kinds.into_iter().filter(|(kind, _)| is_done(*kind)).map(|(_, word)| word);
    let done: Vec<&str> = done.collect();
    match done.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        other => other.concat(),
    }
}

/// Whether a step that is made a few at a time goes on to this batch, by the share of it that is not cut so far.
fn judge(text: &mut String, plan: &Plan, cuts: &[Cut<'_>], (step, batch): (usize, usize)) {
    let Some(share) = plan.batches[step].stop_at else { return };
    let is_earlier = |cut: &&Cut<'_>| {
        !cut.is_for_people() && cut.batch.is_some_and(|(of, n)| of == step && n < batch)
    };
    let made = cuts.iter().filter(is_earlier).count();
    if made > 0 {
        let _ = writeln!(
            text,
            "\n# No further where {share} % of {made} could not be cut.\n\
             if [ $((failed_{step} * 100)) -ge {} ]; then stopped_{step}=1; fi",
            share * made
        );
    }
}

/// Waits until the next are due; not where all that is left is of steps that go no further.
fn wait(text: &mut String, plan: &Plan, seconds: u64, left: &[Cut<'_>]) {
    let of_left = left.iter().map(|cut| {
        cut.further_batch()
            .map(|(step, _)| step)
            .filter(|step| plan.batches[*step].stop_at.is_some())
    });
    let of_left: BTreeSet<Option<usize>> = of_left.collect();
    let _ = writeln!(
        text,
        "\n# What comes next has to wait: until what was cut is enforced, or for the pause of the playbook."
    );
    if of_left.contains(&None) {
        let _ = writeln!(text, "sleep {seconds}");
        return;
    }
    let stopped: String = of_left.iter().flatten().map(|step| format!("$stopped_{step}")).collect();
    let all = "1".repeat(of_left.len());
    let _ = writeln!(text, "[ \"{stopped}\" = {all} ] || sleep {seconds}");
}

/// Cuts that come together: of one further batch, or of none.
fn one_part(text: &mut String, saved: &SavedPlan, part: &[Cut<'_>]) {
    let Some((step, batch)) = part[0].further_batch() else {
        return part.iter().for_each(|cut| one(text, saved, cut));
    };
    let batches = &saved.plan.batches[step];
    let (name, of) = (plain(batches.step.as_str()), batches.of.len());
    let _ = writeln!(
        text,
        "\n# Batch {} of {of} of step {name}, behind the pause of the playbook. See that what was cut by now is well cut.",
        batch + 1
    );
    if batches.stop_at.is_none() {
        return part.iter().for_each(|cut| one(text, saved, cut));
    }
    let _ = writeln!(text, "if [ -z \"$stopped_{step}\" ]; then\n:");
    for cut in part {
        one(text, saved, cut);
    }
    let left = format!(
        "{} of batch {} of step {name}: not begun, too many of the step could not be cut",
        counted(part.len(), "change"),
        batch + 1
    );
    let _ = writeln!(text, "\nelse\n  not_cut {}\nfi", quoted(&left));
}

fn one(text: &mut String, saved: &SavedPlan, cut: &Cut<'_>) {
    let Cut { change, by_hand, .. } = cut;
    let already = if change.already { " (already so when surveyed)" } else { "" };
    let (target, what) = (plain(&change.target), plain(&change.what));
    let _ = writeln!(
        text,
        "\n# {}  {target}: {what}{already}\n# {}: {}",
        change.id,
        if cut.is_for_people() { "by a person" } else { "console" },
        plain(&by_hand.console)
    );
    if cut.is_for_people() {
        return;
    }
    let commands = by_hand.commands.iter().map(|words| {
        let words: Vec<String> = words.iter().map(word).collect();
        format!("{} {}", aws(saved), words.join(" "))
    });
    let not_cut = format!("not_cut {}", quoted(&format!("{}  {target}: {what}", change.id)));
    let counts = cut.batch.filter(|(step, _)| saved.plan.batches[*step].stop_at.is_some());
    let not_cut = match counts {
        Some((step, _)) => format!("{{ {not_cut}; failed_{step}=$((failed_{step} + 1)); }}"),
        None => not_cut,
    };
    let tried: Vec<String> = commands.chain([not_cut]).collect();
    let _ = writeln!(text, "{}", tried.join(" ||\n  "));
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
