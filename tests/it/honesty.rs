//! A plan is honest: in random worlds, under random playbooks, what a run then did to the world is what the plan said,
//! change by change, and nothing else. Planned again it is the same to the byte, in whichever order the cloud answers.
//!
//! Where an intruder acts meanwhile, the world ends otherwise than the plan said; then whatever is otherwise is his doing,
//! and the run itself tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use portcullis::clock::Clock;
use portcullis::diagnostic::Diagnostic;
use portcullis::journal::{ChangeState, GateState};
use portcullis::ledger::{Ledger, Row, Standing};
use portcullis::plan::{Barrier, Change, Credential, Destination, Effect, Plan, Subject};
use portcullis::run::{Ending, MOST_ROUNDS};
use portcullis::sim::{Cloud, Snapshot, World};

use crate::manual::attests;
use crate::side_by_side::each;
use crate::stage::{Stage, connect_through, plan_through, play, read, terms};
use crate::verdict::{ACCOUNT, no_effect_came_without_its_intent, no_secret_was_written};

const WORLDS: u64 = 120;

/// Those in which somebody acts against the run, too.
const CONTESTED_WORLDS: u64 = 24;

/// Numbers that follow from a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// One of `0..sides`. (The generator is Marsaglia's xorshift64.)
    pub(crate) fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.throw(sides) == 0
    }

    fn one_of<'t>(&mut self, [a, b, c]: [&'t str; 3]) -> &'t str {
        match self.throw(3) {
            0 => a,
            1 => b,
            _ => c,
        }
    }
}

/// A user of a random world, and what a random playbook does to it.
struct Person {
    name: &'static str,
    steps: BTreeSet<&'static str>,
}

/// A world and a playbook, as their files.
pub(crate) fn scene(seed: u64) -> (String, String) {
    let mut dice = Dice::of(seed);
    for _ in 0..8 {
        dice.throw(2);
    }
    let mut others = Dice(seed.wrapping_mul(0xD134_2543_DE82_EF95) | 1);
    let mut users = String::new();
    let mut people = Vec::new();
    let mut key = 0;
    for name in ["ada", "ben", "cyd"] {
        let _ = writeln!(users, "      {name}:\n        path: /staff/");
        let keys: Vec<String> = (0..dice.throw(3))
            .map(|_| {
                key += 1;
                let inactive = if dice.one_in(4) { ", status: inactive" } else { "" };
                format!("{{ id: AKIAEXAMPLESTAFF{key:04}{inactive} }}")
            })
            .collect();
        let _ = writeln!(users, "        keys: [{}]", keys.join(", "));
        if dice.one_in(3) {
            let _ = writeln!(users, "        password: {{}}");
        }
        for kind in [
            "ssh_keys: [{ body: one }, { body: two, status: inactive }]",
            "certificates: [{ body: one }]",
            "service_credentials: [{ service: codecommit.amazonaws.com }]",
        ] {
            if others.one_in(6) {
                let _ = writeln!(users, "        {kind}");
            }
        }
        match dice.throw(4) {
            0 => {
                let full: Vec<String> =
                    (0..10).map(|n| format!("\"arn:aws:iam::{ACCOUNT}:policy/p{n}\"")).collect();
                let _ = writeln!(users, "        attached: [{}]", full.join(", "));
            }
            1 => {
                let _ =
                    writeln!(users, "        attached: [\"arn:aws:iam::aws:policy/AWSDenyAll\"]");
            }
            _ => {}
        }
        let mut steps = BTreeSet::new();
        for step in ["quarantine", "keys-off", "sessions-off"] {
            if !dice.one_in(4) {
                steps.insert(step);
            }
        }
        if steps.contains("quarantine") && !dice.one_in(3) {
            steps.insert("new-key");
        }
        if steps.contains("quarantine") && dice.one_in(2) {
            steps.insert("lift");
        }
        people.push(Person { name, steps });
    }
    if people.iter().all(|person| person.steps.is_empty()) {
        people[0].steps.insert("quarantine");
    }
    (world(&users), playbook(&people))
}

/// What a playbook of a scene asks of the account, beside what it says by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asks {
    If,
    ForEach,
    Manual,
}

/// The same playbook, in which some steps are taken only if the account has something, some for whomever it lists, and
/// a person closes a way in outside.
fn asking(seed: u64, playbook: &str) -> (String, BTreeSet<Asks>) {
    let mut dice = Dice(seed.wrapping_mul(0xA076_1D64_78BD_642F) | 1);
    let mut asks = BTreeSet::new();
    let (head, steps) = playbook.split_once("steps:\n").unwrap();
    let mut lines: Vec<String> = steps.lines().map(str::to_owned).collect();
    let name_of = |line: &str| line.split("user: ").nth(1).map(|rest| rest[..3].to_owned());
    let condition = |dice: &mut Dice, user: &str| match dice.throw(4) {
        0 => format!("inventory.access_keys({user}).exists(key, key.active)"),
        1 => format!("!inventory.has_password({user})"),
        2 => format!(
            "inventory.access_keys({user}).all(key, inventory.access_key(key.id).last_used_at == null)"
        ),
        _ => format!("inventory.users_in_path('/staff/').exists(user, user.name == {user})"),
    };
    let kind = dice.one_of(["quarantine", "keys-off", "sessions-off"]);
    if dice.one_in(2) {
        let of_kind = |line: &String| line.contains(&format!("id: {kind}-"));
        let chosen: Vec<String> =
            lines.iter().filter(|line| of_kind(line)).filter_map(|line| name_of(line)).collect();
        if let Some(first) = lines.iter().position(of_kind) {
            let names: Vec<String> = chosen.iter().map(|name| format!("'{name}'")).collect();
            let list = format!(
                "inventory.users_in_path('/staff/').map(user, user.name).filter(name, name in [{}])",
                names.join(", ")
            );
            let mut step = lines[first]
                .replace(&format!("{kind}-{}", chosen[0]), &format!("{kind}-chosen"))
                .replace(&format!("user: {}", chosen[0]), "user: \"${{ each }}\"")
                .replace("uses:", &format!("for_each: \"${{{{ {list} }}}}\", uses:"));
            if dice.one_in(2) {
                let condition = condition(&mut dice, "each");
                step = step.replace("uses:", &format!("if: \"{condition}\", uses:"));
                asks.insert(Asks::If);
            }
            lines.retain(|line| !of_kind(line));
            lines.insert(first.min(lines.len()), step);
            asks.insert(Asks::ForEach);
        }
    }
    for line in &mut lines {
        let Some(name) = name_of(line).filter(|_| line.contains("phase: contain")) else {
            continue;
        };
        if line.contains("for_each") || !dice.one_in(4) {
            continue;
        }
        let condition = condition(&mut dice, &format!("'{name}'"));
        *line = line.replace("uses:", &format!("if: \"{condition}\", uses:"));
        asks.insert(Asks::If);
    }
    if dice.one_in(3) {
        lines.push("  - { id: webmail-off, phase: contain, uses: manual.close, with: { covers: webmail, what: Close webmail } }".to_owned());
        asks.insert(Asks::Manual);
    }
    (format!("{head}steps:\n{}\n", lines.join("\n")), asks)
}

fn world(users: &str) -> String {
    let document = "{ Version: \"2012-10-17\", Statement: [{ Effect: Allow, Action: \"s3:ListBucket\", Resource: \"*\" }] }";
    let policies: String = (0..10).map(|n| format!("      p{n}: {document}\n")).collect();
    let secrets: String = ["ada", "ben", "cyd"]
        .map(|name| format!("      keys/{name}: {{ value: {{ region: eu-west-1 }} }}\n"))
        .concat();
    format!(
        "world: 1
now: 2026-03-24T07:10:00Z
lag: 4s
responder: {{ account: \"{ACCOUNT}\", role: responder }}
accounts:
  \"{ACCOUNT}\":
    users:
{users}    policies:
{policies}    roles:
      responder:
        trust: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: {{ AWS: \"arn:aws:iam::444455556666:root\" }}, Action: \"sts:AssumeRole\" }}] }}
        max_session: 12h
        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]
    secrets:
{secrets}"
    )
}

fn playbook(people: &[Person]) -> String {
    let mut text = "portcullis: 1
name: random
title: Whatever the dice say
mode: breach
gate: { proof: settled, margin: 60s }
steps:
"
    .to_owned();
    for Person { name, steps } in people {
        for step in steps {
            let (phase, uses, more) = match *step {
                "quarantine" => ("contain", "iam.user.quarantine", String::new()),
                "keys-off" => ("contain", "iam.access-key.deactivate", ", keys: all".to_owned()),
                "sessions-off" => ("contain", "iam.user.revoke-sessions", String::new()),
                "new-key" => {
                    ("rotate", "iam.access-key.replace", format!(", deliver_to: keys/{name}"))
                }
                _ => ("recover", "iam.user.lift-quarantine", String::new()),
            };
            let _ = writeln!(
                text,
                "  - {{ id: {step}-{name}, phase: {phase}, uses: {uses}, with: {{ user: {name}{more} }} }}"
            );
        }
    }
    text
}

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

/// Whoever can do everything in the account, and whom no step cuts; and what he does against the run.
fn with_an_intruder(seed: u64, world: &str) -> String {
    let mut dice = Dice(seed.wrapping_mul(0xE703_7ED1_A0B4_28DB) | 1);
    let mole = "      mole:
        path: /ops/
        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]
        keys: [{ id: AKIAEXAMPLEINTRUDER }]
";
    let mut reacts = String::new();
    for n in 0..=dice.throw(3) {
        let user = dice.one_of(["ada", "ben", "cyd"]);
        let wait = 1 + dice.throw(100);
        let (when, deed) = match dice.throw(6) {
            0 => (
                format!("when: {{ operation: AttachUserPolicy, target: {user} }}"),
                format!(
                    "DetachUserPolicy, params: {{ UserName: {user}, PolicyArn: \"arn:aws:iam::aws:policy/AWSDenyAll\" }}"
                ),
            ),
            1 => (
                format!("when: {{ operation: PutUserPolicy, target: {user} }}"),
                format!(
                    "DeleteUserPolicy, params: {{ UserName: {user}, PolicyName: PortcullisRevokeOlderSessions }}"
                ),
            ),
            2 => (
                format!("when: {{ operation: UpdateAccessKey, target: {user} }}"),
                format!(
                    "UpdateAccessKey, params: {{ UserName: {user}, AccessKeyId: AKIAEXAMPLESTAFF0001, Status: Active }}"
                ),
            ),
            3 => (
                format!("after: {wait}s"),
                format!("CreateAccessKey, params: {{ UserName: {user} }}"),
            ),
            4 => (
                format!("after: {wait}s"),
                format!("CreateLoginProfile, params: {{ UserName: {user} }}"),
            ),
            _ => {
                (format!("after: {wait}s"), "CreateUser, params: { UserName: mallory }".to_owned())
            }
        };
        let react = if when.starts_with("when") {
            format!("      react_in: {wait}s\n")
        } else {
            String::new()
        };
        let _ = write!(
            reacts,
            "    - name: deed {n}\n      {when}\n{react}      times: 1\n      deeds: [{{ operation: {deed} }}]\n"
        );
    }
    let world = world.replacen("    users:\n", &format!("    users:\n{mole}"), 1);
    format!("{world}intruder:\n  holds: [AKIAEXAMPLEINTRUDER]\n  reacts:\n{reacts}")
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

/// Between us and the cloud: every answer is late, by a time that its request and a seed decide, so that answers come in
/// another order than they were asked for.
#[derive(Clone, Debug)]
struct Late {
    prompt: SharedHttpClient,
    seed: u64,
    clock: Clock,
    /// Requests by their numbers, as they were sent, and as their answers came.
    order: Arc<Mutex<(Vec<usize>, Vec<usize>)>>,
}

#[derive(Debug)]
struct LateConnector(SharedHttpConnector, Late);

impl HttpClient for Late {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let prompt = self.prompt.http_connector(settings, components);
        SharedHttpConnector::new(LateConnector(prompt, self.clone()))
    }
}

impl HttpConnector for LateConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default().iter();
        let mut dice = Dice(
            body.fold(self.1.seed | 1, |so_far, byte| {
                so_far.wrapping_mul(0x0000_0100_0000_01B3) ^ u64::from(*byte)
            }) | 1,
        );
        let late = std::time::Duration::from_millis(dice.throw(1 << 20) % 400);
        let (answer, clock, order) = (self.0.call(request), self.1.clock, self.1.order.clone());
        HttpConnectorFuture::new(async move {
            let number = {
                let mut order = order.lock().unwrap();
                let number = order.0.len();
                order.0.push(number);
                number
            };
            let answer = answer.await;
            clock.sleep(late).await;
            order.lock().unwrap().1.push(number);
            answer
        })
    }
}

/// What came of planning.
struct Made {
    /// The plan as it is saved; or what speaks against it.
    saved: Result<String, String>,
    /// Whether answers came in another order than they were asked for.
    is_mixed: bool,
}

/// Plans in a world of its own, in which every answer is late.
async fn planned_with_late_answers(world: &str, playbook: &str, seed: u64) -> Made {
    let world = World::parse(world).unwrap();
    let clock = Clock::starting_at(world.now());
    let cloud = Cloud::new(&world, clock);
    let late = Late { prompt: cloud.http_client(), seed, clock, order: Arc::default() };
    let order = Arc::clone(&late.order);
    let connection = connect_through(SharedHttpClient::new(late), &cloud, clock);
    let made = plan_through(connection, clock, &read(playbook), &BTreeMap::new(), &terms()).await;
    let order = order.lock().unwrap();
    Made { saved: made.map(|saved| saved.to_text()).map_err(told), is_mixed: order.0 != order.1 }
}

fn told(problems: Vec<Diagnostic>) -> String {
    portcullis::cli::diagnostics::text(&problems.into(), false)
}
