//! What is to be done next about a case that a person is called to: the very thing, where it can be named.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;

use super::by_hand::{quoted, typed};
use super::everybody::{self, EVERYBODY};
use super::foretold::{Others, next_of_held};
use super::let_in;
use super::there::There;
use crate::action::catalog;
use crate::case::accounts;
use crate::diagnostic::counted;
use crate::exit::Exit;
use crate::ids::{AccountId, Principal};
use crate::journal::{ChangeState, GateState, Note, State, names};
use crate::ledger::{self, Ledger, Row, Standing};
use crate::plan::{Change, Credential, Effect, Plan, SavedPlan, Together};
use crate::playbook::{FirstCut, Phase};
use crate::report::{NOT_SEEN_REFUSED, held_beyond_changes, to_hand_over};
use crate::run::{gone_on_with, sessions_live_until, waits_for_others};

/// Whether the last line of several accounts, which together end with `all`, has what is to be done about one that ends
/// with `one`. What stopped one is told apart; and a resumption that is due anyway takes up what waits for nobody.
pub(super) fn is_told(one: Exit, all: Exit) -> bool {
    // Whoever is asked for a yes is asked whatever else is to be done elsewhere.
    one == Exit::Waiting || one == all && all != Exit::Stopped
}

/// What is next of an account of several of which nothing is asked.
pub(super) const WITH_THE_OTHERS: &str = "it goes on with the others";

/// So many are named; whoever has seen to those is told of the others.
const NAMED: usize = 3;
/// So many fit one command.
const TYPED: usize = 12;

/// What people must say before a case goes on: yes to its next round, or approval of a phase that asks for more than
/// it has; `None` where it waits for nobody.
pub(super) fn awaited(
    saved: &SavedPlan,
    state: &State,
    dir: &Path,
    there: &There,
) -> Option<String> {
    if let Some(asking) = &state.asking {
        return Some(format!(
            "read the plan of the next round, and say yes to it: portcullis run {}{there}",
            typed(&dir.join(format!("rounds/{}/plan.json", asking.round)))
        ));
    }
    // What somebody has seen to is looked at first: whoever approves is to know whether that bears it out.
    if saved.plan.carried_out().any(|change| is_to_be_looked_at(&saved.plan, state, change)) {
        return None;
    }
    let alone = lets_in_alone(saved, state, dir, there);
    awaited_by_all(saved, state, dir, there).map_or(alone.clone(), |all| {
        Some(alone.map_or(all.clone(), |alone| format!("{alone}; and {all}")))
    })
}

/// What people say for those alone whom the case is to let in again while it goes on, where what lifts is to be approved.
fn lets_in_alone(saved: &SavedPlan, state: &State, dir: &Path, there: &There) -> Option<String> {
    let plan = &saved.plan;
    if plan.is_undo() {
        return None;
    }
    let lifts = plan.carried_out().filter(|change| change.undoes.is_some());
    let lifts = lifts.filter(|change| state.record(&change.id).state != ChangeState::Seen);
    let mut short: BTreeSet<Principal> = BTreeSet::new();
    let mut names = 0;
    for lift in lifts {
        let of_it = ledger::names_to_let_in(plan, state, lift);
        names = names.max(of_it);
        short.extend(ledger::whom_it_lets_in(lift).filter(|_| of_it > 0));
    }
    if short.is_empty() {
        return None;
    }
    let whom: Vec<String> = short.iter().map(ToString::to_string).collect();
    let typed_as: Vec<String> = short.iter().map(Principal::typed).collect();
    let who = if names == 1 {
        "1 more person says".to_owned()
    } else {
        format!("{names} more people say")
    };
    Some(format!(
        "to let in {} alone, {who} so, each with credentials of his own: portcullis clear {} {} --reason TEXT{}; then \
         portcullis resume {}{there}",
        whom.join(" and "),
        typed(dir),
        in_a_command(&typed_as),
        there.for_others(),
        whole(dir)
    ))
}

/// Approval of the phase that comes next.
fn awaited_by_all(saved: &SavedPlan, state: &State, dir: &Path, there: &There) -> Option<String> {
    let due = |phase: &Phase| {
        let undone = |change: &&Change| state.change(&change.id).state != ChangeState::Seen;
        let of_all = |change: &&Change| change.undoes.is_none() || saved.plan.is_undo();
        let needed = |change: &&Change| !ledger::is_idle(&saved.plan, state, change);
        let of_it = |change: &Change| change.phase == *phase;
        saved.plan.carried_out().filter(undone).filter(of_all).filter(needed).any(of_it)
    };
    // One phase after the other: what a later one asks for is asked for when it comes to it.
    let phase = [Phase::Rotate, Phase::Recover, Phase::Destroy].into_iter().find(due)?;
    let (asked, has) = (saved.plan.approvals.get(&phase)?, state.approved_by(phase).len());
    if has >= *asked {
        return None;
    }
    let (case, others) = (typed(dir), there.for_others());
    let who = match (asked - has, has) {
        (1, 0) => "somebody approves it, with credentials of his own".to_owned(),
        (n, 0) => format!("{n} people approve it, each with credentials of his own"),
        (1, _) => "one more approves it, with credentials of his own".to_owned(),
        (n, _) => format!("{n} more approve it, each with credentials of his own"),
    };
    let whole = accounts::whole_or_itself(dir);
    Some(format!(
        "{who}: portcullis approve {case} {phase} --reason TEXT{others}; then portcullis resume \
         {}{there}",
        typed(&whole)
    ))
}

/// Whether somebody has attested a change since anybody last worked on the case: a resumption looks whether that is so.
fn is_to_be_looked_at(plan: &Plan, state: &State, change: &Change) -> bool {
    state.attested_since(&change.id).is_some()
        && state.record(&change.id).state != ChangeState::Seen
        && !ledger::is_idle(plan, state, change)
}

/// What is next once people have said something of a case that nobody works on.
pub(super) fn of_words(saved: &SavedPlan, state: &State, dir: &Path, there: &There) -> String {
    let (case, whole) = (typed(dir), whole(dir));
    if is_over(saved, state) {
        return of_closed(dir, there, LastDenies::of(saved, state), false);
    }
    let asked = ledger::names_to_clear(&saved.plan);
    let short = state.cleared.iter().filter(|(_, spoken)| names(*spoken).len() < asked);
    let short: Vec<&Credential> = short.map(|(credential, _)| credential).collect();
    // Before anything is approved: of whom is cleared nothing is to be replaced.
    if !short.is_empty() {
        return format!(
            "somebody else says so too: portcullis clear {case} {} --reason TEXT{}; then portcullis resume \
             {whole}{there}",
            short_of_a_name(&saved.plan, state, &short),
            there.for_others()
        );
    }
    let uncut = ledger::to_answer_for(&saved.plan, state);
    // An undo opens no gate.
    let shut = matches!(state.gate, GateState::Shut(_)) && !saved.plan.is_undo();
    if shut && !uncut.is_empty() {
        let (these, uncut) = (counted(uncut.len(), "row"), uncut.iter().collect::<Vec<_>>());
        return format!(
            "{these} more that nothing cuts: cut each, or answer for it (`portcullis waive {case} {} --until 7d \
             --reason TEXT{there}`); then: portcullis resume {whole}{there}",
            typed_all(&uncut),
        );
    }
    to_attest(&saved.plan, state, dir, there)
        .or_else(|| awaited(saved, state, dir, there))
        .or_else(|| lets_in_the_innocent(&saved.plan, state, dir, there))
        .unwrap_or_else(|| format!("portcullis resume {whole}{there}"))
}

/// Whether somebody has closed the case, and nobody takes it back since.
pub(super) fn is_over(saved: &SavedPlan, state: &State) -> bool {
    ledger::closed_by(&saved.plan, state).is_some()
}

/// The denies of older sessions that a closed undo has still to lift, once the last of those has ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LastDenies {
    until: Timestamp,
    /// Whether that has passed, by the journal's last entry.
    passed: bool,
}

impl LastDenies {
    pub(super) fn of(saved: &SavedPlan, state: &State) -> Option<Self> {
        let until = denies_held(&saved.plan, state).map(|(_, until)| until).max()?;
        let until = Some(until).filter(|_| is_over(saved, state))?;
        Some(Self { until, passed: state.last.is_some_and(|now| until <= now) })
    }
}

/// What is next about a case that somebody has closed: nothing, but for the `last` denies that it has still to lift.
pub(super) fn of_over(dir: &Path, there: &There, last: Option<LastDenies>) -> String {
    let Some(LastDenies { until, passed }) = last else {
        return "nothing: this case is closed".to_owned();
    };
    let resume = format!("portcullis resume {}{there}", whole(dir));
    if passed {
        return format!("this case is closed, but for its last denies. To lift those: {resume}");
    }
    let until = until.strftime("%Y-%m-%d %H:%M UTC");
    format!("nothing until {until}: this case is closed. Then, to lift the last denies: {resume}")
}

/// What is next where a look at a case that somebody has closed shows what is to be seen to: nothing is done by it.
/// Where nothing is `open`, there is nothing to see to.
pub(super) fn of_closed(dir: &Path, there: &There, last: Option<LastDenies>, open: bool) -> String {
    let over = of_over(dir, there, last);
    let record = format!("The record: portcullis status {}", typed(dir));
    match (open, last) {
        (false, None) => format!("{over}. {record}"),
        (false, Some(_)) => over,
        (true, last) => {
            let over = last.map_or(String::new(), |_| format!(". Otherwise: {over}"));
            format!(
                "see to what is said above by a new plan, since this case is closed: portcullis plan \
                 PLAYBOOK{}{over}. {record}",
                there.beside(dir)
            )
        }
    }
}

/// Whether a look at a closed case that was held shows more to see to than denies that are not to be lifted yet.
pub(super) fn is_held_for_more(plan: &Plan, state: &State) -> bool {
    let denies: Vec<_> = denies_held(plan, state).map(|(change, _)| &change.id).collect();
    let is_held = |change: &Change| state.record(&change.id).state == ChangeState::Held;
    let more = plan.carried_out().any(|change| is_held(change) && !denies.contains(&&change.id));
    denies.is_empty() || more || held_beyond_changes(plan, state).is_some()
}

/// What is left to a person when all was applied.
pub(super) fn after_all(
    plan: &Plan,
    state: &State,
    ledger: &Ledger,
    dir: &Path,
    there: &There,
) -> String {
    let mut left: Vec<String> = Vec::new();
    left.extend(let_in::who_is_in(plan, state, dir, there));
    let open: Vec<&Credential> = ledger.unaccounted().map(|row| &row.credential).collect();
    let unproven: Vec<&Credential> = ledger.unproven().map(|row| &row.credential).collect();
    if !open.is_empty() {
        let (case, whole) = (typed(dir), whole(dir));
        let further = further_cut(plan, &open).map_or_else(
            || "see to what is unaccounted for above".to_owned(),
            |further| format!("cut what is unaccounted for above, too (`{further}`)"),
        );
        left.push(format!(
            "{further}, or answer for it for a time (`portcullis waive {case} {} --until \
             7d --reason TEXT{there}`; then `portcullis resume {whole}{there}`)",
            typed_all(&open)
        ));
    }
    if !unproven.is_empty() {
        let which = named(unproven.iter().map(ToString::to_string), ", ");
        left.push(format!("{NOT_SEEN_REFUSED}: {which}"));
    }
    left.extend(to_hand_over(ledger).into_iter().map(|(what, _)| what.to_owned()));
    left.extend(lets_in_the_innocent(plan, state, dir, there));
    if !plan.is_undo() && !plan.has_a_gate() {
        left.push(
            format!(
                "plan what comes next with a playbook, which finds these cuts in place (`portcullis plan PLAYBOOK{}`)",
                there.beside(dir)
            ),
        );
    }
    if plan.is_undo() && left.is_empty() {
        left.push("nothing by this plan".to_owned());
    } else if left.is_empty() {
        left.push(format!("nothing by this plan but to {}", look_again(dir, there)));
    } else if !plan.is_undo() {
        left.push(look_again(dir, there));
    }
    let still = still_quarantined(plan, state).map_or(String::new(), |still| format!(". {still}"));
    format!("{}{still}", left.join("; "))
}

/// The command that cuts all that is `open`, where a case has no playbook but that of its first cut.
fn further_cut(plan: &Plan, open: &[&Credential]) -> Option<String> {
    if plan.is_undo() || plan.playbook != FirstCut::NAME || plan.together.is_some() {
        return None;
    }
    let whose = open.iter().map(|credential| credential.principal());
    let whose: BTreeSet<Principal> = whose.collect::<Option<_>>()?;
    let flags = whose.iter().map(|principal| match principal {
        Principal::User(user) => format!(" {}", quoted(&format!("--user={user}"))),
        Principal::Role(role) => format!(" {}", quoted(&format!("--role={role}"))),
    });
    Some(format!("portcullis cut{}", flags.collect::<String>()))
}

/// What keeps out whoever was found innocent, where no step of the plan lets him in and it can still be taken back.
fn lets_in_the_innocent(plan: &Plan, state: &State, dir: &Path, there: &There) -> Option<String> {
    if plan.is_undo() || plan.has_a_gate() {
        return None;
    }
    let keeps_out = |row: &&Row| matches!(&row.standing, Standing::Cleared { barriers, .. } if barriers.iter().any(|one| one.blocks()));
    let ledger = Ledger::of(plan, state);
    // What was shut before the case stays so, and no undo opens it.
    let was_shut = |row: &&Row| {
        let mut cuts = plan.changes.reaching(&row.credential).filter(|change| change.cuts());
        matches!(row.credential, Credential::Manual { .. })
            && cuts.all(|cut| catalog::of(cut).inverse(&cut.decided).is_none())
    };
    let innocent = ledger.rows.iter().filter(keeps_out).filter(|row| !was_shut(row));
    let innocent: BTreeSet<Option<Principal>> =
        innocent.map(|row| row.credential.principal()).collect();
    innocent.first()?;
    // Where others are not innocent the case goes on for those.
    let is_his =
        |row: &&Row| row.credential.principal().is_some_and(|of| !innocent.contains(&Some(of)));
    let others =
        ledger.rows.iter().filter(is_his).any(|row| {
            matches!(&row.standing, Standing::Blocked { .. } | Standing::Replaced { .. })
        });
    let only: String = if others && innocent.len() <= TYPED {
        let typed = |whom: &Principal| format!(" --only {}", quoted(&whom.typed()));
        innocent.iter().flatten().map(typed).collect()
    } else {
        String::new()
    };
    Some(format!(
        "to let in whoever was found innocent: portcullis undo {}{only}{there} --dry-run, and then without it",
        whole(dir)
    ))
}

/// Whoever stays cut off, in a sentence, if anybody does.
fn still_quarantined(plan: &Plan, state: &State) -> Option<String> {
    let cut = ledger::quarantined(plan, state);
    let cut = (!cut.is_empty()).then(|| named(cut.iter().map(ToString::to_string), ", "))?;
    Some(format!("Still quarantined, and let in by nothing in this plan: {cut}"))
}

/// Credentials as a command takes them, all at once; so many that nobody would type them are told above.
pub(super) fn typed_all(credentials: &[&Credential]) -> String {
    if credentials.len() > TYPED {
        return "CREDENTIAL...".to_owned();
    }
    let typed: Vec<String> = credentials.iter().map(|one| quoted(&one.typed())).collect();
    typed.join(" ")
}

/// What one more person is to clear: everybody, where somebody has cleared everybody.
fn short_of_a_name(plan: &Plan, state: &State, short: &[&Credential]) -> String {
    let is_spoken = |one: &Credential| short.contains(&one) || ledger::is_cleared(plan, state, one);
    let all = short.len() > TYPED
        && short.iter().all(|one| everybody::is_among(plan, state, one))
        && everybody::of(plan, state).iter().all(is_spoken);
    if all { EVERYBODY.to_owned() } else { typed_all(short) }
}

/// Whom or what a word is said of, by name; of more than anybody would type, of everybody.
pub(super) fn in_a_command(named: &[String]) -> String {
    if named.len() > TYPED {
        return EVERYBODY.to_owned();
    }
    let typed: Vec<String> = named.iter().map(|one| quoted(one)).collect();
    typed.join(" ")
}

/// The first of them, and how many more there are.
fn named(all: impl ExactSizeIterator<Item = String>, between: &str) -> String {
    let more = all.len().saturating_sub(NAMED);
    let named: Vec<String> = all.take(NAMED).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(between))
}

/// What a person is to do outside and to attest, and has not: what cuts, and what has come to its turn.
fn by_hand<'a>(plan: &'a Plan, state: &'a State) -> impl Iterator<Item = &'a Change> {
    plan.carried_out().filter(|change| {
        let record = state.record(&change.id);
        let its_turn = !change.is_gated() || record.state == ChangeState::Held;
        record.state != ChangeState::Seen
            && its_turn
            && record.attested().is_none()
            && !ledger::is_idle(plan, state, change)
            && catalog::of(change).asks(&change.decided).is_some()
    })
}

/// What has people attest what they have seen to, where something waits for that.
pub(super) fn to_attest(plan: &Plan, state: &State, dir: &Path, there: &There) -> Option<String> {
    let asked: Vec<&Change> = by_hand(plan, state).collect();
    if asked.is_empty() {
        return None;
    }
    let (case, whole) = (typed(dir), whole(dir));
    let typed = asked.iter().take(NAMED).map(|change| {
        let opens = change.effects.iter().any(|effect| matches!(effect, Effect::Lifts { .. }));
        let done = if opens { "is open again" } else { "is seen to" };
        format!("once {} {done}: portcullis attest {case} {}{there}", change.target, change.id)
    });
    let typed = typed.collect::<Vec<_>>().join("; ");
    let more = asked.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more, as above") } else { String::new() };
    Some(format!("{typed}{more}; then: portcullis resume {whole}{there}"))
}

/// What is next where a run or a look ended with a person being called.
pub(super) fn of_held(saved: &SavedPlan, state: &State, dir: &Path, there: &There) -> String {
    let (plan, whole) = (&saved.plan, whole(dir));
    if has_spoken(state) {
        return of_words(saved, state, dir, there);
    }
    if let Some(is_in) = let_in::who_is_in(plan, state, dir, there) {
        return format!("{is_in}; then: portcullis resume {whole}{there}");
    }
    if plan.is_undo() {
        return next_of_held(saved, state, dir, there, Others::AreLetInToo);
    }
    let held =
        || plan.changes.iter().filter(|one| state.record(&one.id).state == ChangeState::Held);
    if held().next().is_some()
        && held().all(|one| one.undoes.is_some())
        && state.held.is_none()
        && !matches!(state.gate, GateState::Shut(_))
    {
        // Nothing else than whoever is to be let in again waits.
        return of_held_alone(saved, state, dir, there);
    }
    if waits_for_others(plan, state) {
        return WITH_THE_OTHERS.to_owned();
    }
    let resume = format!("portcullis resume {whole}{there}");
    let waits: Vec<_> = by_hand(plan, state).map(|change| &change.id).collect();
    let is_new = |change: &Change| state.attested_since(&change.id).is_some();
    let stuck: Vec<&Change> = plan
        .changes
        .iter()
        .filter(|change| {
            state.record(&change.id).state == ChangeState::Held
                && !waits.contains(&&change.id)
                && !is_new(change)
        })
        .collect();
    let in_vain = |change: &&Change| {
        matches!(state.record(&change.id).notes.last(), Some(Note::NotAsPlanned))
    };
    let shut = matches!(state.gate, GateState::Shut(_))
        && waits.is_empty()
        && !plan.changes.iter().any(is_new);
    // The same plan would come to the same, however often.
    if !stuck.is_empty() && stuck.iter().all(in_vain) && !shut {
        return format!(
            "mend the playbook as is said above, and plan with it, which finds these cuts in place: portcullis plan PLAYBOOK{}",
            there.beside(dir)
        );
    }
    // An alarm, or something else that only a person can see to.
    if !stuck.is_empty() || shut || state.held.is_some() {
        let commands = asked_for(plan, state, &stuck);
        let asked = format!("do what is asked above{commands}, then: {resume}");
        if !held().any(|one| one.undoes.is_some()) {
            return asked;
        }
        return format!(
            "{asked}. For whoever is to be let in alone: {}",
            of_held_alone(saved, state, dir, there)
        );
    }
    to_attest(plan, state, dir, there)
        .or_else(|| awaited(saved, state, dir, there))
        .unwrap_or_else(|| {
            if plan.unplanned.is_empty() {
                return resume;
            }
            format!(
                "where what is said above is mended in the account: {resume}; where the playbook is, plan with it, which \
                 finds these cuts in place: portcullis plan PLAYBOOK{}",
                there.beside(dir)
            )
        })
}

/// The same of those alone whom the case lets in again while it goes on.
fn of_held_alone(saved: &SavedPlan, state: &State, dir: &Path, there: &There) -> String {
    let mut alone = saved.clone();
    alone.plan.lets_in.clear();
    next_of_held(&alone, state, dir, there, Others::StayCut)
}

/// What is typed about all that a case is held for: the commands in what it says of why.
fn asked_for(plan: &Plan, state: &State, stuck: &[&Change]) -> String {
    let shut: &[String] = match &state.gate {
        GateState::Shut(reasons) => reasons,
        _ => &[],
    };
    let stuck = stuck.iter().filter_map(|change| state.record(&change.id).trouble.clone());
    let why = stuck.chain(state.held.clone()).chain(shut.iter().cloned());
    let others = plan.together.iter().flat_map(Together::accounts);
    let others: Vec<String> =
        others.filter(|id| *id != plan.account).map(|id| format!("account {id}")).collect();
    let why = why.filter(|why| !others.iter().any(|other| why.starts_with(other)));
    let mut commands: Vec<String> = Vec::new();
    for why in why {
        for command in commands_in(&why) {
            if !commands.contains(&command) {
                commands.push(command);
            }
        }
    }
    let more = commands.len().saturating_sub(NAMED);
    commands.truncate(NAMED);
    let typed: Vec<String> = commands.iter().map(|command| format!("`{command}`")).collect();
    match (typed.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(" ({})", typed.join("; ")),
        (false, more) => format!(" ({}; and {more} more)", typed.join("; ")),
    }
}

/// The commands that a sentence has, but for those that only go on or tell.
fn commands_in(sentence: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in sentence.match_indices("portcullis ") {
        let (before, command) = sentence.split_at(at);
        // Sessions are called so, too: `assumed-role/responder/portcullis is not authorized to ...`.
        if !before.is_empty() && !before.ends_with([' ', '`', '(', '\n']) {
            continue;
        }
        let end = if before.ends_with('`') {
            command.find('`')
        } else {
            command.find([';', ',', '\n', ')']).or_else(|| command.find(". "))
        };
        let command = command[..end.unwrap_or(command.len())].trim_end_matches(['.', ' ']);
        let goes_on = ["resume", "status", "report"].map(|word| format!("portcullis {word}"));
        if !goes_on.iter().any(|word| command.starts_with(word)) {
            found.push(command.to_owned());
        }
    }
    found
}

/// Until when a case waits that is taken back, or lets somebody in, where it waits for nothing else.
pub(super) fn waits_for_time(plan: &Plan, state: &State) -> Option<Timestamp> {
    let kept = denies_kept(plan, state);
    let is_left = |change: &&Change| {
        state.record(&change.id).state != ChangeState::Seen && !ledger::is_idle(plan, state, change)
    };
    let left = gone_on_with(plan, state).filter(is_left).count();
    // A case that goes on waits for people before it waits for time.
    let goes_on =
        !plan.is_undo() && (state.asking.is_some() || matches!(state.gate, GateState::Shut(_)));
    kept.iter().map(|(_, until)| *until).max().filter(|_| !goes_on && left == kept.len())
}

/// Denies of older sessions that are to be lifted and stay for as long as one of those may live: nobody has anything to do
/// about them until then.
fn denies_kept<'a>(plan: &'a Plan, state: &State) -> Vec<(&'a Change, Timestamp)> {
    let Some(now) = state.last else { return Vec::new() };
    denies_held(plan, state).filter(|(_, until)| now < *until).collect()
}

/// Denies of older sessions whose lift is held, each with until when those may live.
fn denies_held<'a>(plan: &'a Plan, state: &State) -> impl Iterator<Item = (&'a Change, Timestamp)> {
    plan.carried_out()
        .filter(|change| state.record(&change.id).state == ChangeState::Held)
        .filter_map(|change| Some((change, sessions_live_until(plan, state, change)?)))
}

/// Whether a person has attested something that is held all the same: what was tried since does not bear it out.
pub(super) fn is_not_borne_out(plan: &Plan, state: &State) -> bool {
    plan.carried_out().any(|change| {
        let record = state.record(&change.id);
        record.state == ChangeState::Held
            && record.attested().is_some()
            && state.attested_since(&change.id).is_none()
    })
}

/// What is next where all was done and proven: nothing by the plan, and whoever is cut stays cut.
pub(super) fn of_proven(plan: &Plan, state: &State, dir: &Path, there: &There) -> String {
    if plan.is_undo() && ledger::closed_by(plan, state).is_none() {
        return format!(
            "nothing is left of it; say that the case is over: portcullis close {} --reason TEXT{there}",
            whole(dir)
        );
    }
    let still = still_quarantined(plan, state);
    let still = still.map_or(String::new(), |still| format!(". {still}"));
    if let Some(undo) = lets_in_the_innocent(plan, state, dir, there) {
        return format!("{undo}{still}");
    }
    // Whoever has taken something back has let people in again, and looks for nobody.
    if plan.is_undo() {
        return format!("nothing by this plan{still}");
    }
    format!("nothing by this plan but to {}{still}", look_again(dir, there))
}

/// What is done about a case of which nothing is left to do: what was cut may be let in again.
fn look_again(dir: &Path, there: &There) -> String {
    format!("look again, for days to come: portcullis verify {}{there} --watch 8h", whole(dir))
}

/// The same of several accounts.
pub(super) fn of_all_proven<'a>(
    all: impl Iterator<Item = (&'a Plan, &'a State)>,
    dir: &Path,
    there: &There,
) -> String {
    let mut taken_back = true;
    let all = all.inspect(|(plan, _)| taken_back &= plan.is_undo());
    let still = still_in_each(all);
    if taken_back {
        return format!("nothing by these plans{still}");
    }
    format!("nothing by these plans but to {}{still}", look_again(dir, there))
}

/// Whoever stays cut off in accounts of which nothing else is told, a sentence for each.
fn still_in_each<'a>(all: impl Iterator<Item = (&'a Plan, &'a State)>) -> String {
    let still = all.filter_map(|(plan, state)| {
        let still = still_quarantined(plan, state)?;
        Some(format!(". In account {}: {still}", plan.account))
    });
    still.collect()
}

/// What is next about several accounts that ended alike: what is next of each, and of all that they go on together. Of those
/// that ended well, `well`, it is told who stays cut there: nothing else is.
pub(super) fn of_several<'a>(
    each: impl Iterator<Item = (&'a AccountId, &'a str)>,
    stopped: &[(&AccountId, String)],
    well: impl Iterator<Item = (&'a Plan, &'a State)>,
    dir: &Path,
    there: &There,
) -> String {
    let resume = &format!("portcullis resume {}{there}", typed(dir));
    let then = format!("then: {resume}");
    // What each goes on with is said once, of all.
    let without_resume = |next: &str| {
        let own = next.replace(&format!("; then {resume}"), "").replace(&format!("; {then}"), "");
        own.replace(&format!(", {then}"), "").replace(&format!("; then `{resume}`"), "")
    };
    let look = look_again(dir, there);
    let mut looks = false;
    let mut parts: Vec<(Vec<&AccountId>, String)> = Vec::new();
    for (account, next) in each {
        let own = without_resume(next);
        looks |= own.contains(&look);
        let own = own.replace(&format!(" but to {look}"), "").replace(&format!("; {look}"), "");
        let own = own.strip_prefix("nothing by this plan").unwrap_or(&own);
        if own == resume || own == WITH_THE_OTHERS || own.is_empty() {
            continue;
        }
        match parts.iter_mut().find(|(_, known)| known == own) {
            Some((of, _)) => of.push(account),
            None => parts.push((vec![account], own.to_owned())),
        }
    }
    let still = still_in_each(well);
    let more = parts.len().saturating_sub(NAMED);
    let mut told: Vec<String> = Vec::new();
    for (of, own) in parts.into_iter().take(NAMED) {
        let of: Vec<&str> = of.into_iter().map(AccountId::as_str).collect();
        told.push(format!("in account {}: {own}", of.join(" and ")));
    }
    if more > 0 {
        told.push(format!("and {more} more, as above"));
    }
    told.extend(stopped.iter().map(|(account, why)| {
        let why = without_resume(why);
        let colon = if why.is_empty() { "" } else { ": " };
        format!("account {account} was stopped part-way{colon}{why}")
    }));
    let asks = |part: &String| part.contains("portcullis ") || part.contains("is asked above");
    if told.is_empty() && looks {
        return format!("nothing by these plans but to {look}{still}");
    }
    if told.is_empty() {
        return format!("{resume}{still}");
    }
    // Where nobody is asked for anything, there is nothing to go on with.
    if stopped.is_empty() && !told.iter().any(asks) {
        let record = typed(dir);
        told.extend(looks.then_some(look));
        return format!("{}{still}. The record: portcullis status {record}", told.join("; "));
    }
    told.push(then);
    format!("{}{still}", told.join("; "))
}

/// Whether anybody has said anything of the case since anybody last worked on it.
fn has_spoken(state: &State) -> bool {
    let spoken = state.cleared.values().flatten().chain(state.withdrawn.values());
    let spoken = spoken.chain(state.waived.values().map(|waiver| &waiver.spoken));
    let mut spoken = spoken.chain(&state.attested).chain(state.approvals.values().flatten());
    state.started.is_some_and(|started| {
        spoken.any(|spoken| spoken.at > started)
            || state.changes.keys().any(|id| state.attested_since(id).is_some())
    })
}

fn whole(dir: &Path) -> String {
    typed(&accounts::whole_or_itself(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_case_says_the_same_of_its_last_denies_wherever_it_is_asked() {
        let (dir, there) = (Path::new("cases/1"), There::default());
        let last = |passed| Some(LastDenies { until: Timestamp::UNIX_EPOCH, passed });
        let waits = "nothing until 1970-01-01 00:00 UTC: this case is closed. Then, to lift the last denies: portcullis \
                     resume cases/1";
        assert_eq!(of_over(dir, &there, last(false)), waits);
        assert_eq!(of_closed(dir, &there, last(false), false), waits);
        assert!(of_closed(dir, &there, last(false), true).contains(waits));
        assert!(
            of_over(dir, &there, last(true)).ends_with("To lift those: portcullis resume cases/1")
        );
        assert_eq!(of_over(dir, &there, None), "nothing: this case is closed");
    }

    #[test]
    fn whoever_is_asked_for_a_yes_is_told_whatever_is_to_be_done_in_other_accounts() {
        for all in [Exit::Held, Exit::Stopped, Exit::Waiting] {
            assert!(is_told(Exit::Waiting, all));
            assert!(!is_told(Exit::NotProven, all) && !is_told(Exit::Stopped, all));
        }
        assert!(is_told(Exit::Held, Exit::Held) && is_told(Exit::NotProven, Exit::NotProven));
    }

    #[test]
    fn a_session_of_our_name_is_no_command() {
        let refused = "User: arn:aws:sts::111122223333:assumed-role/responder/portcullis is not authorized to perform it. Mend \
                       that, then: portcullis attest cases/1 vpn.1. Then resume";
        assert_eq!(commands_in(refused), ["portcullis attest cases/1 vpn.1"]);
    }
}
