//! What is left to people when a case stands as it stands: what they must still do, and what must not be forgotten, each
//! with what to type.
//!
//! The screen's last line asks here too for what it has in common with the report, so that neither knows of a task that
//! the other calls none. Text alone: `CASE` stands for the case, and whoever knows where it lies puts that in.

use crate::ids::Principal;
use crate::journal::{ChangeState, State};
use crate::ledger::{self, Ledger, Row, Standing};
use crate::plan::{Barrier, Change, Credential, Effect, Plan, SavedPlan};

/// So many of one kind are named; the others stand in their rows.
const NAMED: usize = 12;

/// What is to be known where all was applied, and not all of it was seen to work.
pub(crate) const NOT_SEEN_REFUSED: &str = "know that nobody has seen this refused";

/// What people do about new credentials, which nobody sees in use: in words, and about which.
pub(crate) fn to_hand_over(ledger: &Ledger) -> Vec<(&'static str, Vec<String>)> {
    let (keys, passwords): (Vec<_>, Vec<_>) =
        ledger.issued.iter().partition(|issued| issued.key().is_some());
    let keys = keys.into_iter().filter_map(|issued| {
        let id = issued.key()?;
        let seen = format!("aws iam get-access-key-last-used --access-key-id {id}");
        Some(format!("{} ({seen})", issued.credential))
    });
    let passwords = passwords.into_iter().map(|issued| {
        let place =
            issued.delivered.as_ref().map_or(String::new(), |place| format!(", in {place}"));
        format!("{}{place}", issued.credential)
    });
    let all: [(&str, Vec<String>); 2] = [
        ("make sure the owner uses the new key", keys.collect()),
        (
            "see that everybody is handed his new password (files are opened with: age -d -i KEY FILE)",
            passwords.collect(),
        ),
    ];
    all.into_iter().filter(|(_, of)| !of.is_empty()).collect()
}

/// Why the whole case waits for a person, but for what its held changes say themselves.
pub(crate) fn held_beyond_changes(plan: &Plan, state: &State) -> Option<String> {
    let mut why = state.held.clone()?;
    for change in &plan.changes {
        let record = state.record(&change.id);
        if record.state == ChangeState::Held {
            let trouble = record.trouble.as_deref().unwrap_or_default();
            why = why.replace(&format!("{}: {trouble}", change.id), "");
        }
    }
    let more: Vec<&str> = why.split("; ").filter(|part| !part.trim().is_empty()).collect();
    (!more.is_empty()).then(|| more.join("; "))
}

/// What takes back what still stands in an innocent's way.
fn takes_back(plan: &Plan, state: &State) -> &'static str {
    if ledger::closed_by(plan, state).is_some() {
        "by hand, since this case is closed"
    } else if plan.is_undo() {
        "portcullis resume CASE"
    } else {
        "portcullis undo CASE, which takes back all that nobody holds against anybody"
    }
}

/// What takes back what still stands in the way of the one who holds `credential`, and of nobody else.
fn takes_back_alone(plan: &Plan, state: &State, credential: &Credential) -> String {
    match credential.principal() {
        Some(whom) if ledger::closed_by(plan, state).is_none() && !plan.is_undo() => {
            format!("portcullis undo CASE --only {}", whom.typed())
        }
        _ => takes_back(plan, state).to_owned(),
    }
}

/// Whether the last run ended with all of it proven.
fn is_proven(state: &State) -> bool {
    state.finished == Some(0)
}

/// What of the plan has not come to its turn, of a case that somebody may go on with.
fn undone(plan: &Plan, state: &State) -> Option<String> {
    if ledger::closed_by(plan, state).is_some() || is_proven(state) {
        return None;
    }
    let is_left = |change: &&Change| {
        !matches!(state.record(&change.id).state, ChangeState::Seen | ChangeState::Held)
            && !ledger::is_idle(plan, state, change)
    };
    match plan.carried_out().filter(is_left).count() {
        0 => None,
        1 => Some("1 change of the plan is not done: portcullis resume CASE".to_owned()),
        left => Some(format!("{left} changes of the plan are not done: portcullis resume CASE")),
    }
}

/// What keeps somebody out who was found innocent, or may be, and who lets him in.
fn of_the_innocent(plan: &Plan, state: &State, ledger: &Ledger, row: &Row) -> Option<String> {
    let (credential, back) = (&row.credential, takes_back(plan, state));
    // What was shut before the case is taken back by nobody.
    let lifts = |change: &Change| {
        let lift = |effect: &Effect| matches!(effect, Effect::Lifts { subject, .. } if subject.covers(credential));
        change.effects.iter().any(lift)
    };
    let is_manual = matches!(credential, Credential::Manual { .. });
    if is_manual && plan.is_undo() && !plan.carried_out().any(lifts) {
        return None;
    }
    match &row.standing {
        Standing::Cleared { barriers, .. } if barriers.iter().any(|barrier| barrier.blocks()) => {
            // What is held tells of it by itself.
            let mut about = plan.changes.reaching(credential);
            if plan.is_undo() && about.any(|one| state.record(&one.id).state == ChangeState::Held) {
                return None;
            }
            Some(if barriers.iter().all(|one| one.is_of_sessions() || !one.blocks()) {
                format!(
                    "{credential}: found innocent, and older ones still denied; what lifts that: {back}"
                )
            } else {
                format!(
                    "{credential}: found innocent and still cut; where no step lets it work again: {back}"
                )
            })
        }
        // A key that is off and has nothing in its place may be an innocent's.
        Standing::Blocked { by, .. }
            if by.contains(&Barrier::Inactive)
                && !by.contains(&Barrier::Quarantine)
                && matches!(credential, Credential::AccessKey { .. }) =>
        {
            // Somebody has a new key, and of which of his old ones that does the work nobody has said.
            let user = credential.user();
            let new = ledger.issued.iter().filter(|new| Some(&new.user) == user);
            let new: Vec<String> = new
                .filter_map(|new| {
                    let delivered = new.delivered.as_ref()?;
                    Some(format!("{} in {delivered}", new.key()?))
                })
                .collect();
            if let (Some(user), false) = (user, new.is_empty()) {
                return Some(format!(
                    "{credential}: off, and {user} has a new key ({}): whatever worked with the old one stands still until it \
                     has that. What is put in the place of what, `replaces` says",
                    new.join(", ")
                ));
            }
            if ledger::has_come_since(plan, state, credential) {
                return Some(format!(
                    "{credential}: off; it came after the case was begun, and whoever was inside may have made it. Delete it \
                     once it is no evidence any more"
                ));
            }
            Some(format!(
                "{credential}: off, and nothing in its place, so that whatever works with it stands still. Where it is \
                 innocent: portcullis clear {} {} --reason TEXT; then: {}",
                plan.case(),
                credential.typed(),
                takes_back_alone(plan, state, credential)
            ))
        }
        // Nothing brings it back, and somebody is to have another.
        Standing::Dead { .. } if ledger::is_cleared(plan, state, credential) => {
            let another = match credential {
                Credential::Password { user } => format!(
                    "in the console, under the security credentials of {user}, so that no password is typed into a shell"
                ),
                Credential::AccessKey { user, .. } => {
                    format!("aws iam create-access-key --user-name {user}")
                }
                _ => return None,
            };
            Some(format!(
                "{credential}: found innocent, and deleted for good; where another is needed: {another}"
            ))
        }
        _ => None,
    }
}

/// Whether all that `change` does is to lift a deny of older sessions.
fn lifts_sessions(change: &Change) -> bool {
    change
        .effects
        .iter()
        .all(|effect| matches!(effect, Effect::Lifts { barrier, .. } if barrier.is_of_sessions()))
}

/// The first of them, and how many more there are.
fn named(mut all: Vec<String>) -> String {
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{more}", all.join(", "))
}

/// What is open, and what to type where somebody was let in on a word that holds no more.
fn of_open(plan: &Plan, state: &State, row: &Row) -> String {
    let open = format!("{}: {}", row.credential, row.detail());
    if ledger::on_a_word_no_more(plan, state, &row.credential).is_none() {
        return open;
    }
    let (case, typed) = (plan.case(), row.credential.typed());
    let cut = match row.credential.principal() {
        Some(Principal::User(user)) => format!("portcullis cut --user={user}; "),
        Some(Principal::Role(role)) => format!("portcullis cut --role={role}; "),
        None => String::new(),
    };
    format!(
        "{open}: {cut}portcullis clear {case} {typed} --reason TEXT; portcullis waive {case} {typed} --until 7d --reason TEXT"
    )
}

/// What people must still do, and what must not be forgotten.
pub(super) fn left_to_do(saved: &SavedPlan, state: &State, ledger: &Ledger) -> Vec<String> {
    let mut left: Vec<String> =
        ledger.unaccounted().map(|row| of_open(&saved.plan, state, row)).collect();
    // What an undo does not carry out is nobody's to do any more.
    let held = saved.plan.carried_out().map(|change| (change, state.change(&change.id)));
    let is_over = saved.plan.is_undo() && ledger::closed_by(&saved.plan, state).is_some();
    let held = held.filter(|(_, record)| record.state == ChangeState::Held);
    left.extend(held.filter_map(|(change, record)| {
        let trouble = record.trouble.unwrap_or_default();
        if !is_over {
            return Some(format!("{}: {trouble}", change.id));
        }
        // The denies of older sessions wait for nothing but time, and their rows say until when.
        (!lifts_sessions(change)).then(|| {
            format!(
                "{}: {} of {} is not done, and stays so: this case is closed. Who is to be let in again is let in by hand",
                change.id, change.what, change.target
            )
        })
    }));
    if !is_over {
        left.extend(held_beyond_changes(&saved.plan, state));
    }
    left.extend(undone(&saved.plan, state));
    let waits = ledger.rows.iter().filter(|row| ledger::waits_for_a_word(&saved.plan, state, row));
    left.extend(waits.map(|row| {
        let (of, typed) = (&row.credential, row.credential.typed());
        let case = saved.plan.case();
        format!(
            "{of}: whoever had it is let in alone, and nothing proves its end as the gate asks: have it cleared, by {} in all \
             (portcullis clear {case} {typed} --reason TEXT), or answer for it (portcullis waive {case} {typed} --until 7d --reason \
             TEXT); then portcullis resume CASE",
            ledger::names_to_clear(&saved.plan)
        )
    }));
    left.extend(ledger::off_before(&saved.plan, state).map(|cut| {
        format!(
            "{} ({}, {}) of the earlier case {}: {} ({})",
            cut.change,
            cut.target,
            cut.what,
            cut.case,
            cut.told(),
            cut.why
        )
    }));
    for waived in &ledger.waivers {
        let until = waived.until.strftime("%Y-%m-%d %H:%M UTC");
        let ran_out = if waived.expired { "ran out" } else { "runs out" };
        left.push(format!("the waiver of {} {ran_out} at {until}", waived.credential));
    }
    for row in &ledger.rows {
        if let Standing::Blocked { until: Some(until), .. } = &row.standing {
            left.push(format!(
                "{}: what denies them must stand until {}",
                row.credential,
                until.strftime("%Y-%m-%d %H:%M UTC")
            ));
        }
    }
    left.extend(
        ledger.rows.iter().filter_map(|row| of_the_innocent(&saved.plan, state, ledger, row)),
    );
    left.extend(ledger::quarantined(&saved.plan, state).iter().map(|who| {
        let (case, typed) = (saved.plan.case(), who.typed());
        let stands = format!("{who}: quarantined, and whatever works as it does stands still");
        if ledger::closed_by(&saved.plan, state).is_some() {
            return format!("{stands}. This case is closed: where it is innocent, it is let in by hand");
        }
        if saved.plan.is_undo() {
            return format!(
                "{stands}. Once it is found innocent (portcullis clear {case} {typed} --reason TEXT), it is let in by: {}",
                takes_back(&saved.plan, state)
            );
        }
        format!(
            "{stands} until a playbook gives it new credentials and lets it in (iam.access-key.replace or \
             iam.login-profile.force-reset, then lift-quarantine). Where it alone is found innocent (portcullis clear {case} \
             {typed} --reason TEXT): portcullis undo CASE --only {typed} --dry-run. An undo without --only is for an \
             alarm that was false: it takes all of this case back"
        )
    }));
    let unproven: Vec<String> = ledger.unproven().map(|row| row.credential.to_string()).collect();
    if !unproven.is_empty() && !is_proven(state) {
        left.push(format!("{NOT_SEEN_REFUSED}: {}", named(unproven)));
    }
    let handed = to_hand_over(ledger).into_iter();
    left.extend(handed.map(|(what, of)| format!("{what}: {}", named(of))));
    // What was never made, or is lifted, need not be looked at again.
    let stands = |change: &&Change| {
        state.record(&change.id).state == ChangeState::Seen
            && !ledger::is_lifted(&saved.plan, state, change)
    };
    let due = saved.plan.changes.iter().filter(stands);
    let due = due.filter_map(|change| Some((change, change.review_by?)));
    left.extend(due.map(|(change, at)| {
        let late = state.last.is_some_and(|now| at < now);
        let late = if late { ", which has passed" } else { "" };
        format!("{}: look by {}{late} whether it must stay", change.id, at.strftime("%Y-%m-%d"))
    }));
    left
}
