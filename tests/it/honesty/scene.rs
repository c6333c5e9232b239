//! Random worlds and random playbooks, each from a seed.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::verdict::ACCOUNT;

/// Numbers that follow from a seed.
pub(crate) struct Dice(pub(super) u64);

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

    pub(super) fn one_in(&mut self, sides: u64) -> bool {
        self.throw(sides) == 0
    }

    pub(super) fn one_of<'t>(&mut self, [a, b, c]: [&'t str; 3]) -> &'t str {
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
pub(super) enum Asks {
    If,
    ForEach,
    Manual,
}

/// The same playbook, in which some steps are taken only if the account has something, some for whomever it lists, and
/// a person closes a way in outside.
pub(super) fn asking(seed: u64, playbook: &str) -> (String, BTreeSet<Asks>) {
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

/// Whoever can do everything in the account, and whom no step cuts; and what he does against the run.
pub(super) fn with_an_intruder(seed: u64, world: &str) -> String {
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
