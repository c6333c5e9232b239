//! How a run over two accounts grows with their users.
//!
//! `cargo bench --bench together` prints a ratio of one run, `-- USERS` one with other numbers; nothing is asserted. In `docs/benches.md` stands what it is to
//! stay under, and what it was. Everybody is cut in both accounts, with his sessions denied twice, since the role that
//! controls the other account may have been had by any of them; a few are let in again behind the one gate.

// It measures this program, and is no part of it.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::region::Region;
use portcullis::action::catalog::Actions;
use portcullis::clock::Clock;
use portcullis::cloud::{Connection, Endpoint};
use portcullis::diagnostic::Source;
use portcullis::ids::DeliveryName;
use portcullis::inventory::Inventory;
use portcullis::journal::{self, Entry, Journal, Medium};
use portcullis::outbox::{Outbox, Sealed};
use portcullis::plan::{SavedPlan, Together as Accounts};
use portcullis::planning::{self, Planned, Terms};
use portcullis::playbook::{self, Proof};
use portcullis::run::{Ending, Event, Keep, MadeBeside, Observer, Rounds, Together};
use portcullis::sim::{Cloud, World};
use portcullis::survey::{self, Thought};
use tokio::sync::watch;

const HOME: &str = "111122223333";
const OTHER: &str = "444455556666";
/// So many are let in again at home: each asks once more how the other account stands.
const LET_IN: usize = 8;

const PLAYBOOK: &str = "portcullis: 1
name: sweep
title: Everybody is cut in two accounts
mode: breach
gate: { proof: settled, margin: 60s }
accounts: [\"arn:aws:iam::444455556666:role/responder\"]
targets:
  everybody: ${{ inventory.users().filter(user, user.path != \"/bystander/\").map(user, user.name) }}
  first: ${{ inventory.users().filter(user, user.path == \"/first/\").map(user, user.name) }}
steps:
  - id: keys-off
    in: all
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.access-key.deactivate
    with: { user: \"${{ each }}\", keys: all }
  - id: sessions-off
    in: all
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.user.revoke-sessions
    with: { user: \"${{ each }}\" }
  - { id: control-off, in: others, phase: contain, uses: iam.role.revoke-sessions, with: { role: control } }
  - id: first-off
    phase: contain
    for_each: ${{ targets.first }}
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
  - id: first-on
    phase: recover
    for_each: ${{ targets.first }}
    uses: iam.user.lift-quarantine
    with: { user: \"${{ each }}\" }
";

fn world(users: usize) -> String {
    let trust = |who: &str| {
        format!(
            "trust: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: {{ AWS: \"arn:aws:iam::{HOME}:{who}\" }}, Action: \"sts:AssumeRole\" }}] }}"
        )
    };
    let admin = "attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]";
    let mut world = format!(
        "world: 1\nnow: 2026-03-24T07:10:00Z\nseed: 7\nlag: 1s\npage_size: 1000\nresponder: {{ account: \"{HOME}\", role: responder }}\naccounts:\n"
    );
    for (account, letter, by) in [(HOME, 'A', "root"), (OTHER, 'B', "role/responder")] {
        let _ = write!(
            world,
            "  \"{account}\":\n    roles:\n      responder: {{ max_session: 12h, {}, {admin} }}\n      control: {{ {} }}\n    users:\n",
            trust(by),
            trust("root")
        );
        for n in 0..users {
            let path = if n < LET_IN { "/first/" } else { "/staff/" };
            let _ = writeln!(
                world,
                "      u{n:06}: {{ path: {path}, keys: [{{ id: AKIAEXAMPLE{letter}{n:06}AA }}] }}"
            );
        }
    }
    world
}

struct Nothing;

impl Medium for Nothing {
    fn append<'a>(
        &'a mut self,
        _: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Observer for Nothing {
    fn event(&self, _: &Event<'_>) {}
}

impl Keep for Nothing {
    fn keep(&self, _: &SavedPlan) -> std::io::Result<String> {
        Ok(String::new())
    }
}

impl Outbox for Nothing {
    fn stage(&self, _: &DeliveryName, _: &Sealed) -> std::io::Result<()> {
        Ok(())
    }

    fn hand_over(&self, _: &DeliveryName) -> std::io::Result<bool> {
        Ok(true)
    }
}

/// What carrying out the plans of two accounts with so many users each takes on the wall.
fn run(users: usize) -> Duration {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let world = World::parse(&world(users)).unwrap();
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let responder = cloud.responder_credentials();
        let token = responder.session_token.as_ref().map(|token| token.expose().to_owned());
        let (id, secret) = (responder.access_key_id.as_str(), responder.secret.expose());
        let home = Connection::new(
            cloud.http_client(),
            SharedCredentialsProvider::new(Credentials::new(id, secret, token, None, "bench")),
            Region::from_static("us-east-1"),
            Endpoint::Aws,
            clock,
        );
        let (playbook, _) =
            playbook::read(&Source::new("playbook.yaml", PLAYBOOK), &Actions::new()).unwrap();
        let inputs = BTreeMap::new();
        let begun = survey::begin(home.read(), clock, None).await.unwrap();
        let others = playbook.other_accounts(&inputs, &begun).unwrap();
        let (there, key) = home.elsewhere(&others[0], None).enter().await.unwrap();
        let begun_there = survey::begin(there.read(), clock, key).await.unwrap();
        let together = Some(Accounts { home: begun.caller.account.clone(), others });
        let terms = Terms { gate: Some(Proof::Settled), together, ..Terms::default() };
        let mut accounts = Vec::new();
        for (connection, mut inventory) in [(home, begun), (there, begun_there)] {
            let think = |inventory: &Inventory| {
                planning::plan(&playbook, &inputs, inventory, &terms).map(|planned| match planned {
                    Planned::Plan(plan) => Thought::Ready(plan),
                    Planned::Needs(wants) => Thought::Needs(wants),
                })
            };
            let planned = survey::until(connection.read(), &mut inventory, think).await.unwrap();
            let plan = planned.unwrap();
            let journal =
                Journal::open(&journal::decode(&[]).unwrap(), Box::new(Nothing), clock).unwrap();
            let opened = Entry::Opened {
                plan: "bench".to_owned(),
                account: plan.account.clone(),
                program: "bench".to_owned(),
                rehearsal: true,
            };
            journal.append(opened).await.unwrap();
            let (playbook, fragments) = (PLAYBOOK.to_owned(), BTreeMap::new());
            let saved = SavedPlan { plan: *plan, inventory, playbook, fragments, round: None };
            accounts.push((connection, saved, journal));
        }
        let (_ask, stop) = watch::channel(false);
        let runs = accounts.iter().map(|(connection, saved, journal)| {
            let rounds = Rounds {
                playbook: &playbook,
                caller: &saved.inventory.caller,
                place: None,
                journal,
                most: 0,
                beside: MadeBeside::default(),
                keep: &Nothing,
                cloud: connection.write(),
                probes: connection.probes(),
                given: &[],
                clock,
                observer: &Nothing,
                outbox: &Nothing,
                stop: stop.clone(),
            };
            (saved.clone(), rounds)
        });
        let together = Together::new(runs.collect());
        let began = Instant::now();
        let ended = together.execute().await;
        let took = began.elapsed();
        for ended in ended {
            let (_, ending) = ended.unwrap();
            assert_eq!(ending, Ending::NotProven);
        }
        took
    })
}

fn main() {
    let users = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(250);
    let (small, large) = (run(users), run(4 * users));
    println!(
        "a whole run of two accounts with {users} users each: {small:.1?}; with {}: {large:.1?}; ratio {:.1} (to stay under 6)",
        4 * users,
        large.as_secs_f64() / small.as_secs_f64()
    );
}
