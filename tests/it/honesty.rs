//! A plan is honest: in random worlds, under random playbooks, what a run then did to the world is what the plan said,
//! change by change, and nothing else. Planned again it is the same to the byte, in whichever order the cloud answers.
//!
//! Where an intruder acts meanwhile, the world ends otherwise than the plan said; then whatever is otherwise is his doing,
//! and the run itself tells it.

mod late;
mod scene;
mod shown;
mod wide;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::journal::{ChangeState, GateState};
use portcullis::ledger::{Ledger, Row, Standing};
use portcullis::plan::{Barrier, Change, Credential, Destination, Effect, Plan, Subject};
use portcullis::run::{Ending, MOST_ROUNDS};
use portcullis::sim::Snapshot;

use self::late::{planned_with_late_answers, told};
use self::scene::{Asks, asking, with_an_intruder};
pub(crate) use self::scene::{Dice, scene};
use crate::manual::attests;
use crate::side_by_side::each;
use crate::stage::{Stage, play, terms};
use crate::verdict::{ACCOUNT, no_effect_came_without_its_intent, no_secret_was_written};

const WORLDS: u64 = 80;

/// Those in which somebody acts against the run, too.
const CONTESTED_WORLDS: u64 = 24;

/// What the world will show for the changes of a plan that are carried out: lines of a difference, each by its
/// beginning. What only the run can know (ids) is left open there.
#[derive(Default)]
struct Foretold {
    lines: BTreeSet<String>,
    /// Users who get one new key each, and secrets that get new versions.
    issued: BTreeMap<String, usize>,
    secrets: BTreeSet<String>,
}

fn foretell(plan: &Plan, done: impl Fn(&Change) -> bool) -> Foretold {
    let mut foretold = Foretold::default();
    for change in plan.changes.iter().filter(|change| !change.already && done(change)) {
        for effect in &change.effects {
            match effect {
                // What a person closes outside is nothing of the account.
                Effect::Cuts { barrier: Barrier::Attested, .. } => {}
                Effect::Cuts { subject, barrier } => {
                    foretold.lines.extend(cut(change, subject, *barrier));
                }
                Effect::Lifts { subject, .. } => {
                    let user = subject.user().unwrap();
                    // It takes off what a change of this plan has put on, or what was there before.
                    let quarantine = format!("+ {ACCOUNT}/users/{user}/");
                    let put_on = |line: &String| {
                        line.starts_with(&quarantine) && line.contains("Quarantine")
                            || line.starts_with(&quarantine) && line.contains("AWSDenyAll")
                    };
                    let ours: Vec<String> =
                        foretold.lines.iter().filter(|line| put_on(line)).cloned().collect();
                    if ours.is_empty() {
                        let policy = "arn:aws:iam::aws:policy/AWSDenyAll";
                        foretold
                            .lines
                            .insert(format!("- {ACCOUNT}/users/{user}/attached/{policy}"));
                    }
                    foretold.lines.retain(|line| !ours.contains(line));
                }
                Effect::Issues { user, .. } => {
                    *foretold.issued.entry(user.to_string()).or_default() += 1;
                }
                Effect::Delivers { to: Destination::File { .. } } => {}
                Effect::Delivers { to: Destination::Secret { secret } } => {
                    // By its name, or by its ARN, which ends in six letters of AWS's own.
                    let id = secret.as_str();
                    let name = id.split_once(":secret:").map(|(_, name)| &name[..name.len() - 7]);
                    foretold.secrets.insert(name.unwrap_or(id).to_owned());
                }
                Effect::Destroys { credential: Credential::AccessKey { user, id } } => {
                    // Off by then, or off from the start: the line of the old status stays, the new one goes.
                    foretold.lines.remove(&format!("+ {ACCOUNT}/users/{user}/keys/{id}"));
                    foretold.lines.insert(format!("- {ACCOUNT}/users/{user}/keys/{id}"));
                }
                Effect::Destroys { .. } => panic!("nothing else is destroyed: {change:?}"),
                Effect::Spares { .. } | Effect::Rotates { .. } => {
                    panic!("not of these playbooks: {change:?}")
                }
            }
        }
    }
    foretold
}

fn cut(change: &Change, subject: &Subject, barrier: Barrier) -> Vec<String> {
    let user = format!("{ACCOUNT}/users/{}", subject.user().unwrap());
    match (barrier, subject) {
        (Barrier::Quarantine, _) if change.after.starts_with("quarantined: AWSDenyAll") => {
            vec![format!("+ {user}/attached/arn:aws:iam::aws:policy/AWSDenyAll")]
        }
        (Barrier::Quarantine, _) => vec![format!("+ {user}/inline/PortcullisQuarantine")],
        (
            Barrier::Inactive,
            Subject::Credential { credential: Credential::AccessKey { id, .. } },
        ) => {
            vec![format!("- {user}/keys/{id}"), format!("+ {user}/keys/{id}")]
        }
        (Barrier::SessionsFirstPass | Barrier::SessionsSecondPass, _) => {
            vec![format!("+ {user}/inline/PortcullisRevokeOlderSessions")]
        }
        (barrier, subject) => panic!("{barrier} of {subject:?}"),
    }
}

/// Takes every foretold line out of `differences`, once; what stays was not foretold.
fn compare(foretold: Foretold, mut differences: Vec<String>, seed: u64) {
    for line in &foretold.lines {
        let at = differences.iter().position(|found| {
            found.strip_prefix(line.as_str()).is_some_and(|rest| rest.starts_with(": "))
        });
        let at = at.unwrap_or_else(|| panic!("seed {seed}: not so: {line}\n{differences:#?}"));
        differences.remove(at);
    }
    for (user, count) in foretold.issued {
        for _ in 0..count {
            let new = format!("+ {ACCOUNT}/users/{user}/keys/");
            let at = differences
                .iter()
                .position(|found| found.starts_with(&new) && found.ends_with(": Active"));
            differences.remove(at.unwrap_or_else(|| panic!("seed {seed}: no key for {user}")));
        }
    }
    for secret in foretold.secrets {
        let versions = format!("{ACCOUNT}/secrets/{secret}/versions/");
        let before = differences.len();
        differences.retain(|found| !found[2..].starts_with(&versions));
        assert!(differences.len() < before, "seed {seed}: nothing was delivered to {secret}");
    }
    assert_eq!(differences, [""; 0], "seed {seed}: the plan did not say so");
}

/// Whatever the world holds for a principal in scope, before the run or after it, is in the ledger; gives back how
/// many that are.
fn every_credential_is_a_row(stage: &Stage, worlds: &[Snapshot], seed: u64) -> usize {
    let plan = stage.plan();
    let ledger = Ledger::of(&plan, &stage.state());
    let rows = ledger.rows.iter().map(|row| row.credential.typed());
    let rows: BTreeSet<String> =
        rows.chain(ledger.issued.iter().filter_map(|one| Some(one.key()?.to_string()))).collect();
    let mut held = BTreeSet::new();
    for principal in &plan.principals {
        held.insert(Credential::sessions_of(principal).typed());
        let Some(user) = principal.user() else { continue };
        let own = format!("{ACCOUNT}/users/{user}/");
        let of_user = worlds.iter().flat_map(|world| world.0.keys());
        held.extend(of_user.filter_map(|key| match key.strip_prefix(&own)?.split_once('/') {
            Some(("keys" | "ssh-keys" | "certificates" | "service-credentials", id)) => {
                Some(id.to_owned())
            }
            None if key.ends_with("/password") => Some(format!("password/{user}")),
            _ => None,
        }));
    }
    for credential in &held {
        assert!(rows.contains(credential), "seed {seed}: {credential} is no row of {rows:?}");
    }
    held.len()
}

#[test]
fn what_a_run_did_is_what_the_plan_said() {
    let seeds: Vec<u64> = (1..=WORLDS).collect();
    let (credentials, mixed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ends = Mutex::new(BTreeMap::<&str, usize>::new());
    let asked = Mutex::new(BTreeMap::<Asks, usize>::new());
    let cases = each(&seeds, |seed| {
        play(async {
            let (world, playbook) = scene(*seed);
            let (playbook, asks) = asking(*seed, &playbook);
            let again = planned_with_late_answers(&world, &playbook, *seed).await;
            mixed.fetch_add(usize::from(again.is_mixed), Ordering::Relaxed);
            let stage = match Stage::set_on(&world, &playbook, &terms()).await {
                Ok(stage) => {
                    let same = again.saved.is_ok_and(|again| again == stage.saved.to_text());
                    assert!(same, "seed {seed}: planned again, it is another plan");
                    stage
                }
                // Two keys that nothing cuts leave no room for a third: said before anything is done.
                Err(problems) => {
                    assert!(problems.iter().all(|problem| !problem.message.is_empty()));
                    assert_eq!(again.saved, Err(told(problems)), "seed {seed}");
                    *ends.lock().unwrap().entry("refused").or_default() += 1;
                    return;
                }
            };
            for one in &asks {
                *asked.lock().unwrap().entry(*one).or_default() += 1;
            }
            let before = stage.cloud.snapshot();
            let mut ending = stage.resume_to_the_end(1).await;
            if asks.contains(&Asks::Manual) && seed % 2 == 0 {
                attests(&stage, "webmail-off.1").await;
                ending = stage.resume_to_the_end(1).await;
            }
            let state = stage.state();
            let plan = &stage.saved.plan;
            let done = |change: &Change| state.change(&change.id).state == ChangeState::Seen;
            compare(foretell(plan, done), before.changes_to(&stage.cloud.snapshot()), *seed);
            // Whoever is held was announced, unless the gate stayed shut before anybody.
            for change in plan.changes.iter().filter(|change| !done(change)) {
                let announced = plan
                    .warnings
                    .iter()
                    .any(|warning| warning.starts_with(&format!("{} will be held", change.id)));
                let shut = !matches!(state.gate, GateState::Open(..));
                let by_hand = change.after.contains("as somebody attests");
                assert!(
                    announced || shut || by_hand,
                    "seed {seed}: {} came as a surprise",
                    change.id
                );
            }
            assert!(
                ending != Ending::NotProven || !plan.at_best.is_empty(),
                "seed {seed}: a surprise"
            );
            let kind = match ending {
                Ending::NotProven => "all done",
                Ending::Held(_) => "held",
                other => panic!("seed {seed}: {other:?}"),
            };
            *ends.lock().unwrap().entry(kind).or_default() += 1;
            let rows = every_credential_is_a_row(&stage, &[before, stage.cloud.snapshot()], *seed);
            credentials.fetch_add(rows, Ordering::Relaxed);
            no_effect_came_without_its_intent(&stage);
            no_secret_was_written(&stage);
        });
    });
    let (ends, asked) = (ends.into_inner().unwrap(), asked.into_inner().unwrap());
    let (credentials, mixed) = (credentials.into_inner(), mixed.into_inner());
    println!(
        "counted: {cases} cases, random worlds and playbooks, {ends:?}, asking {asked:?}, {credentials} credentials, each of them a row; \
         planned twice, {mixed} times with answers in another order"
    );
    assert!(mixed * 10 > cases * 9, "answers were to come in another order: {mixed}");
    assert!(credentials > 300);
    assert!(ends.len() == 3 && ends.values().all(|n| *n >= 5), "the dice are loaded: {ends:?}");
    assert!(asked.len() == 3 && asked.values().all(|n| *n >= 15), "little is asked: {asked:?}");
}

/// The user whom a line of a difference is about.
fn user_of(line: &str) -> Option<&str> {
    line[2..].strip_prefix(&format!("{ACCOUNT}/users/"))?.split(['/', ':']).next()
}

#[test]
fn whatever_is_otherwise_than_the_plan_said_is_an_intruder_s_doing_and_is_told() {
    let seeds: Vec<u64> = (1..=CONTESTED_WORLDS).collect();
    let (disturbed, said) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<&str, usize>::new()));
    let cases = each(&seeds, |seed| {
        play(async {
            let (world, playbook) = scene(*seed);
            let (playbook, _) = asking(*seed, &playbook);
            let world = with_an_intruder(*seed, &world);
            let Ok(mut stage) = Stage::set_on(&world, &playbook, &terms()).await else { return };
            stage.most = MOST_ROUNDS;
            let before = stage.cloud.snapshot();
            // He does all he has in mind in the first run or soon after; whoever looks again afterwards is told.
            stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            let ending = stage.resume_to_the_end(1).await;
            let (plan, state) = (stage.plan(), stage.state());
            let ledger = Ledger::of(&plan, &state);
            let told = match &ending {
                Ending::Held(why) | Ending::Stopped(why) => why.join("\n"),
                Ending::Asking { beyond, .. } => beyond.join("\n"),
                other => format!("{other:?}"),
            };
            let his: BTreeSet<String> = stage
                .cloud
                .audit()
                .iter()
                .filter(|event| event.intruder && event.writes && event.took_effect)
                .filter_map(|event| event.resource.rsplit('/').next().map(str::to_owned))
                .collect();
            let done = |change: &Change| state.change(&change.id).was_seen;
            let after = stage.cloud.snapshot();
            let mut otherwise = BTreeSet::new();
            // What was seen done, and is so no more: he took it off, and that is on record for this very change.
            let mut foretold = Foretold::default();
            for change in plan.changes.iter().filter(|change| !change.already && done(change)) {
                let mut one = foretell(&plan, |other| other.id == change.id);
                // What he has made since may be cut in a round: it was not there before.
                let stands = |line: &String| match line.strip_prefix("+ ") {
                    Some(key) if key.contains("/keys/") => {
                        after.0.get(key).is_none_or(|status| status == "Inactive")
                    }
                    Some(key) => after.0.contains_key(key),
                    None => true,
                };
                if change.effects.iter().any(|effect| matches!(effect, Effect::Cuts { .. }))
                    && !one.lines.iter().all(stands)
                {
                    let lifted = plan.changes.iter().any(|other| {
                        done(other)
                            && other.effects.iter().any(|effect| {
                                matches!(effect, Effect::Lifts { .. } | Effect::Destroys { .. })
                            })
                    });
                    let user = one.lines.iter().find_map(|line| user_of(line)).unwrap_or_default();
                    let record = state.change(&change.id);
                    let owned = record.contested || told.contains(change.id.to_string().as_str());
                    assert!(
                        lifted || owned && his.contains(user),
                        "seed {seed}: {} is undone, in silence: {record:?}\n{told}",
                        change.id
                    );
                    otherwise.insert(if record.contested { "contested" } else { "held" });
                }
                foretold.lines.append(&mut one.lines);
            }
            // What came beside it is his; and what he hung on those in scope is open in the ledger.
            for line in before.changes_to(&after) {
                let is_foretold = foretold.lines.iter().any(|it| line.starts_with(it.as_str()));
                let Some(user) = user_of(&line).filter(|_| !is_foretold) else { continue };
                let ours = plan.changes.iter().any(|change| {
                    done(change)
                        && change.effects.iter().any(|effect| match effect {
                            Effect::Issues { user: of, .. } => of.as_str() == user,
                            Effect::Lifts { subject, .. } => {
                                subject.user().is_some_and(|of| of.as_str() == user)
                            }
                            Effect::Destroys { credential } => credential.typed().contains("AKIA"),
                            _ => false,
                        })
                });
                assert!(his.contains(user) || ours, "seed {seed}: nobody did that: {line}\n{told}");
                let in_scope = plan.users().any(|of| of.as_str() == user);
                let new = line.starts_with("+ ")
                    && before.0.keys().all(|key| !line[2..].starts_with(key.as_str()));
                let Some(id) = line.rsplit_once("/keys/").map(|(_, id)| id) else { continue };
                let id = id.split(':').next().unwrap_or_default();
                let issued =
                    ledger.issued.iter().filter_map(|one| one.key()).any(|key| key.as_str() == id);
                if in_scope && new && !issued {
                    let row = ledger.rows.iter().find(|row| row.credential.typed() == id);
                    let is_told = told.contains(id) || told.contains(user);
                    let open = |row: &Row| {
                        matches!(
                            row.standing,
                            Standing::Unaccounted { .. } | Standing::OutOfReach { .. }
                        )
                    };
                    let blocked = |row: &Row| matches!(row.standing, Standing::Blocked { .. });
                    otherwise.insert(match row {
                        Some(row) if open(row) => "unaccounted",
                        Some(row) if blocked(row) => "cut in a round",
                        Some(row) => panic!("seed {seed}: {id} is {:?}", row.standing),
                        None if is_told => "asked about",
                        None => panic!("seed {seed}: {id} is no row, and nobody is told:\n{told}"),
                    });
                }
            }
            disturbed.fetch_add(usize::from(!his.is_empty()), Ordering::Relaxed);
            for one in otherwise {
                *said.lock().unwrap().entry(one).or_default() += 1;
            }
            no_effect_came_without_its_intent(&stage);
            no_secret_was_written(&stage);
        });
    });
    let (disturbed, said) = (disturbed.into_inner(), said.into_inner().unwrap());
    println!(
        "counted: {cases} cases, random worlds with an intruder, he changes something in {disturbed}; what is otherwise in the \
         end is told as {said:?}"
    );
    assert!(disturbed * 4 > cases, "he changes little: {disturbed} of {cases}");
}
