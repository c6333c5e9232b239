//! How planning grows with the account, what a large plan weighs, and how long a check keeps somebody waiting.
//!
//! `cargo bench` prints ratios of one run, because machines are noisy and differ; nothing is asserted. In
//! `docs/benches.md` stands what they are to stay under, and what they were.

// The one place besides `clock` that reads the time: it measures this program, and is no part of it.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis::action::catalog::Actions;
use portcullis::diagnostic::Source;
use portcullis::ids::{AccessKeyId, AccountId, Arn, UserName};
use portcullis::inventory::{
    AccessKey, Caller, Fact, Inventory, ListedUser, Simulated, Status, User, Want,
};
use portcullis::plan::{Plan, SavedPlan};
use portcullis::planning::{self, Planned, Terms};
use portcullis::playbook::{self, Playbook};

const PLAYBOOK: &str = "portcullis: 1
name: sweep
title: Everybody is cut
mode: breach
gate: { proof: settled }
targets:
  everybody: ${{ inventory.users().map(user, user.name) }}
steps:
  - id: quarantine
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
  - id: keys-off
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.access-key.deactivate
    with: { user: \"${{ each }}\", keys: all }
  - id: sessions-off
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.user.revoke-sessions
    with: { user: \"${{ each }}\" }
";
const ACCOUNT: &str = "111122223333";

fn arn(kind: &str, name: &str) -> Arn {
    Arn::parse(format!("arn:aws:iam::{ACCOUNT}:{kind}/{name}")).unwrap()
}

fn at() -> Timestamp {
    "2026-03-24T07:00:00Z".parse().unwrap()
}

/// What an account of `users` users, with two keys each, answers.
fn answer(want: &Want, users: usize) -> Fact {
    let key = |user: &UserName, n: usize| AccessKey {
        id: AccessKeyId::parse(format!("AKIA{:0>15}{n}", user.as_str().to_uppercase())).unwrap(),
        status: Status::Active,
        created_at: at(),
    };
    match want {
        Want::Users => Fact::Users(
            (0..users)
                .map(|n| {
                    let name = format!("u{n:06}");
                    ListedUser {
                        arn: arn("user", &name),
                        name: UserName::parse(&name).unwrap(),
                        path: "/".to_owned(),
                        id: String::new(),
                        created_at: at(),
                    }
                })
                .collect(),
        ),
        Want::User(user) => Fact::User(Some(Box::new(User {
            name: user.clone(),
            arn: arn("user", user.as_str()),
            id: format!("AIDA{user}"),
            created_at: at(),
            boundary: None,
            password_last_used_at: None,
        }))),
        Want::AccessKeys(user) => Fact::AccessKeys(vec![key(user, 2), key(user, 3)]),
        Want::LoginProfile(_) => Fact::LoginProfile(None),
        Want::ServiceSpecificCredentials(_) => Fact::ServiceSpecificCredentials(Vec::new()),
        Want::SshPublicKeys(_) => Fact::SshPublicKeys(Vec::new()),
        Want::SigningCertificates(_) => Fact::SigningCertificates(Vec::new()),
        Want::MfaDevices(_) => Fact::MfaDevices(Vec::new()),
        Want::AttachedPolicies(_) => Fact::AttachedPolicies(Vec::new()),
        Want::InlinePolicy(..) => Fact::InlinePolicy(None),
        Want::Roles => Fact::Roles(Vec::new()),
        Want::AccountSummary => Fact::AccountSummary(BTreeMap::from([
            ("AttachedPoliciesPerUserQuota".to_owned(), 10),
            ("UserPolicySizeQuota".to_owned(), 2048),
            ("AccessKeysPerUserQuota".to_owned(), 2),
        ])),
        Want::AccessKeyLastUsed(_) => Fact::AccessKeyLastUsed(None),
        Want::Simulation(asked) => Fact::Simulation(
            asked
                .actions
                .iter()
                .flat_map(|action| {
                    asked.resources.iter().map(|resource| Simulated {
                        action: action.clone(),
                        resource: resource.clone(),
                        allowed: true,
                        depends_on: Vec::new(),
                    })
                })
                .collect(),
        ),
        other => panic!("no playbook here asks {other:?}"),
    }
}

/// The inventory that planning asks for.
fn survey(playbook: &Playbook, users: usize) -> Inventory {
    let caller = Caller {
        account: AccountId::parse(ACCOUNT).unwrap(),
        arn: arn("user", "responder"),
        id: "AIDARESPONDER".to_owned(),
        access_key_id: None,
        came_from: Vec::new(),
        break_glass: Vec::new(),
    };
    let mut inventory = Inventory::new(caller, at());
    loop {
        match planning::plan(playbook, &BTreeMap::new(), &inventory, &Terms::default()).unwrap() {
            Planned::Plan(_) => return inventory,
            Planned::Needs(wants) => {
                for want in wants {
                    let fact = answer(&want, users);
                    inventory.answers.insert(want, Ok(fact));
                }
            }
        }
    }
}

fn plan(playbook: &Playbook, inventory: &Inventory) -> Plan {
    match planning::plan(playbook, &BTreeMap::new(), inventory, &Terms::default()).unwrap() {
        Planned::Plan(plan) => *plan,
        Planned::Needs(wants) => panic!("{wants:?}"),
    }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

/// How long planning takes for so many users and for so many more: of several plans of each, made in turn, the one that
/// took least. Whatever else goes on in the machine only adds.
fn planning_takes<const N: usize>(playbook: &Playbook, users: [usize; N]) -> [Duration; N] {
    let inventories = users.map(|users| survey(playbook, users));
    let mut least = [Duration::MAX; N];
    for _ in 0..7 {
        for (n, inventory) in inventories.iter().enumerate() {
            let began = worked();
            let plan = plan(playbook, inventory);
            let took = worked().checked_sub(began).unwrap();
            assert_eq!(plan.principals.len(), users[n]);
            least[n] = least[n].min(took);
        }
    }
    least
}

/// How long this thread has worked, as Linux tells: whoever else wants the processor makes it no longer.
fn worked() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split_whitespace().next().unwrap().parse().unwrap())
}

/// The most memory this process has had, in MiB, as Linux tells.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn main() {
    let source = Source::new("playbook.yaml", PLAYBOOK);
    let (playbook, _) = playbook::read(&source, &Actions::new()).unwrap();
    if std::env::args().any(|arg| arg == "--weigh") {
        let inventory = survey(&playbook, 50_000);
        let plan = plan(&playbook, &inventory);
        let (changes, made) = (plan.changes.len(), peak());
        let fragments = BTreeMap::new();
        let saved =
            SavedPlan { plan, inventory, playbook: PLAYBOOK.into(), fragments, round: None };
        saved.write_to(&mut std::io::sink()).unwrap();
        println!(
            "{changes} changes over 100,000 keys: at most {made} MiB, and {} MiB when it is saved \
             (to stay under 512)",
            peak()
        );
        return;
    }
    let [small, large] = planning_takes(&playbook, [1_000, 10_000]);
    let ratio = large.as_secs_f64() / small.as_secs_f64();
    println!(
        "planning 1,000 users: {small:.1?}; 10,000: {large:.1?}; ratio {ratio:.1} (to stay under 12)"
    );
    let weighed = Command::new(std::env::current_exe().unwrap()).arg("--weigh").output().unwrap();
    print!("planning, {}", String::from_utf8(weighed.stdout).unwrap());
    let checked = |_| {
        let began = Instant::now();
        let mut check = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        let done = check.args(["check", "playbooks/leaked-access-key"]).output().unwrap();
        assert!(done.status.success());
        began.elapsed()
    };
    let check = median((0..51).map(checked).collect());
    println!("check of a shipped playbook, process and all: {check:.1?} (to stay under 20 ms)");
}
