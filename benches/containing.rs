//! How fast many users are cut off where a cloud admits few calls, and what the journal costs.
//!
//! `cargo bench --bench containing` prints ratios of one run; nothing is asserted. In `docs/benches.md` stands what
//! they are to stay under, and what they were. The clouds here are rehearsal clouds in virtual time, with an answer
//! after 40 ms and a bucket of a second's worth of calls.

// The one place besides `clock` that reads the time: it measures this program, and is no part of it.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::region::Region;
use jiff::Timestamp;
use portcullis::action::catalog::Actions;
use portcullis::clock::Clock;
use portcullis::cloud::{Connection, Endpoint};
use portcullis::diagnostic::Source;
use portcullis::ids::{AccountId, Arn, ChangeId, DeliveryName, UserName};
use portcullis::journal::{self, Entry, Journal, Medium, Position, Receipt, Said, State, Witness};
use portcullis::outbox::{Outbox, Sealed};
use portcullis::plan::SavedPlan;
use portcullis::planning::{self, Planned, Terms};
use portcullis::playbook::{self, Proof};
use portcullis::run::{Ending, Event, Keep, Observer, Rounds};
use portcullis::sim::{AuditEvent, Cloud, World};
use portcullis::survey::{self, Thought};
use tokio::sync::watch;

const ACCOUNT: &str = "111122223333";

/// Every user is denied everything, loses his keys, and has his sessions denied twice.
const EVERYTHING: &str = "  - id: quarantine
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
const ALL_AT_ONCE: &str = "  - id: quarantine
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
";
const ONE_AT_A_TIME: &str = "  - id: quarantine
    phase: contain
    for_each: ${{ targets.everybody }}
    batches: { size: 1 }
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
";

fn playbook(steps: &str) -> String {
    format!(
        "portcullis: 1
name: sweep
title: Everybody is cut
mode: breach
gate: {{ proof: settled, margin: 60s }}
targets:
  everybody: ${{{{ inventory.users().filter(user, user.path == \"/staff/\").map(user, user.name) }}}}
steps:
{steps}"
    )
}

fn world(users: usize, bystanders: usize, rate: Option<u32>) -> String {
    let mut world = format!(
        "world: 1\nnow: 2026-03-24T07:10:00Z\nseed: 7\nlag: 1s\nlatency: 40ms\npage_size: 1000\n{}\
         responder: {{ account: \"{ACCOUNT}\", role: responder }}\naccounts:\n  \"{ACCOUNT}\":\n    roles:\n      \
         responder:\n        max_session: 12h\n        trust: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: {{ AWS: \"arn:aws:iam::111122223333:root\" }}, Action: \"sts:AssumeRole\" }}] }}\n        \
         attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n    users:\n",
        rate.map(|rate| format!("rate_limit: {rate}\n")).unwrap_or_default()
    );
    for n in 0..users {
        let _ = writeln!(
            world,
            "      u{n:06}: {{ path: /staff/, keys: [{{ id: AKIAEXAMPLE0{n:06}AA }}, {{ id: AKIAEXAMPLE0{n:06}BB }}] }}"
        );
    }
    for n in 0..bystanders {
        let _ = writeln!(world, "      b{n:06}: {{ path: /others/ }}");
    }
    world
}

/// Lines in memory, and how often they were synced.
struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    syncs: Arc<AtomicU64>,
}

impl Medium for Memory {
    fn append<'a>(
        &'a mut self,
        line: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + Send + 'a>> {
        self.bytes.lock().unwrap().extend(line);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(())))
    }
}

struct Nobody;

impl Observer for Nobody {
    fn event(&self, _: &Event<'_>) {}
}

impl Keep for Nobody {
    fn keep(&self, _: &SavedPlan) -> std::io::Result<String> {
        Ok(String::new())
    }
}

impl Outbox for Nobody {
    fn stage(&self, _: &DeliveryName, _: &Sealed) -> std::io::Result<()> {
        Ok(())
    }

    fn hand_over(&self, _: &DeliveryName) -> std::io::Result<bool> {
        Ok(true)
    }
}

/// What a run came to.
struct Ran {
    /// What was asked of the cloud while the plan was carried out.
    audit: Vec<AuditEvent>,
    changes: usize,
    /// Requests that the plan says it takes.
    estimated: usize,
    syncs: u64,
    /// On the wall.
    took: Duration,
}

/// What is run.
#[derive(Clone, Copy)]
struct Case {
    users: usize,
    /// Of them, so many were found innocent before anything was done.
    cleared: usize,
    /// Others in the account.
    bystanders: usize,
    /// Rounds; with more than none it is looked for who has come in.
    most: u32,
    rate: Option<u32>,
    gate: Proof,
    steps: &'static str,
}

/// Plans and carries out, in virtual time; in one round.
fn run(users: usize, rate: Option<u32>, steps: &'static str) -> Ran {
    run_case(Case { users, cleared: 0, bystanders: 0, most: 0, rate, gate: Proof::Settled, steps })
}

fn run_case(case: Case) -> Ran {
    let Case { users, cleared, bystanders, most, rate, gate, steps } = case;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let world = World::parse(&world(users, bystanders, rate)).unwrap();
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let responder = cloud.responder_credentials();
        let token = responder.session_token.as_ref().map(|token| token.expose().to_owned());
        let (id, secret) = (responder.access_key_id.as_str(), responder.secret.expose());
        let connection = Connection::new(
            cloud.http_client(),
            SharedCredentialsProvider::new(Credentials::new(id, secret, token, None, "bench")),
            Region::from_static("us-east-1"),
            Endpoint::Aws,
            clock,
        );
        let text = playbook(steps);
        let (playbook, _) =
            playbook::read(&Source::new("playbook.yaml", &text), &Actions::new()).unwrap();
        let terms = Terms { gate: Some(gate), ..Terms::default() };
        let mut inventory = survey::begin(connection.read(), clock, None).await.unwrap();
        let think = |inventory: &_| {
            planning::plan(&playbook, &BTreeMap::new(), inventory, &terms).map(|planned| {
                match planned {
                    Planned::Plan(plan) => Thought::Ready(plan),
                    Planned::Needs(wants) => Thought::Needs(wants),
                }
            })
        };
        let planned = survey::until(connection.read(), &mut inventory, think).await.unwrap();
        let plan = planned.unwrap();
        let (bytes, syncs) = (Arc::default(), Arc::default());
        let medium = Memory { bytes: Arc::clone(&bytes), syncs: Arc::clone(&syncs) };
        let journal =
            Journal::open(&journal::decode(&[]).unwrap(), Box::new(medium), clock).unwrap();
        let opened = Entry::Opened {
            plan: "bench".to_owned(),
            account: AccountId::parse(ACCOUNT).unwrap(),
            program: "bench".to_owned(),
            rehearsal: true,
        };
        journal.append(opened).await.unwrap();
        let innocent: BTreeSet<&UserName> = plan.users().take(cleared).collect();
        for credential in &plan.credentials {
            if !credential.user().is_some_and(|user| innocent.contains(user)) {
                continue;
            }
            for name in ["anna", "ben"] {
                let by = Arn::parse(format!("arn:aws:iam::{ACCOUNT}:user/{name}")).unwrap();
                let reason = "nobody else has it".to_owned();
                let said = Said { by, reason, evidence: None, plan: "bench".to_owned() };
                let credential = credential.clone();
                journal.append(Entry::Cleared { credential, said }).await.unwrap();
            }
        }
        // What the survey has used up is there again.
        clock.sleep(Duration::from_secs(5)).await;
        let before = cloud.audit().len();
        let (_ask, stop) = watch::channel(false);
        let (changes, estimated) = (plan.changes.len(), plan.estimate.requests);
        let caller = inventory.caller.clone();
        let rounds = Rounds {
            playbook: &playbook,
            caller: &caller,
            place: None,
            journal: &journal,
            most,
            beside: portcullis::run::MadeBeside::default(),
            keep: &Nobody,
            cloud: connection.write(),
            probes: connection.probes(),
            given: &[],
            clock,
            observer: &Nobody,
            outbox: &Nobody,
            stop,
        };
        let saved = SavedPlan {
            plan: *plan,
            inventory,
            playbook: text.clone(),
            fragments: BTreeMap::new(),
            round: None,
        };
        let began = Instant::now();
        let (_, ending) = rounds.execute(saved).await.unwrap();
        let took = began.elapsed();
        assert_eq!(ending, Ending::NotProven);
        let audit = cloud.audit().split_off(before);
        let syncs = syncs.load(Ordering::Relaxed);
        Ran { audit, changes, estimated, syncs, took }
    })
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// The contain phase of `users` users at a cloud that admits `rate` calls a second.
fn contain(users: usize, rate: u32) {
    let ran = run(users, Some(rate), EVERYTHING);
    let written = |event: &&AuditEvent| event.writes && event.took_effect;
    let writes: Vec<&AuditEvent> = ran.audit.iter().filter(written).collect();
    let (first, last) = (writes[0].at, writes[writes.len() - 1].at);
    let within = |event: &&AuditEvent| event.at >= first && event.at <= last;
    let made: Vec<&AuditEvent> = ran.audit.iter().filter(within).collect();
    let refused = made.iter().filter(|event| event.error.is_some()).count();
    let iam = made.iter().filter(|event| event.service == "iam").count() - refused;
    // Everybody is cut before anybody is looked at: four writes for each user.
    let pause = longest(&writes);
    let cut = seconds(first, pause.from);
    // Then each of the fifth is written, too. What a user's keys are must be seen and, a margin later, seen again,
    // before his sessions are denied for good; the rest of it is seen of all users in one listing each time.
    let needed = 5 * users + 2 * users + 3 * users.div_ceil(1000);
    // What the margin takes in which nothing is left to ask.
    let admitted: Vec<&AuditEvent> =
        made.iter().filter(|event| event.error.is_none()).copied().collect();
    let idle = longest(&admitted);
    let whole = seconds(first, last) - idle.seconds;
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let least = |calls: usize| calls as f64 / f64::from(rate);
    println!(
        "contain {users} users at {rate} calls a second: everybody is cut once after {cut:.1} s, ratio {:.3} (to stay \
         under 1.05); to the last write {whole:.1} s and {:.1} s of the margin in which nothing is asked, {needed} \
         calls needed, {iam} admitted and {refused} refused, ratio {:.3} (to stay under 1.05); {:.1?} on the wall",
        cut / least(4 * users),
        idle.seconds,
        whole / least(needed),
        ran.took
    );
}

/// Between two things that were asked.
struct Pause {
    from: Timestamp,
    seconds: f64,
}

/// The longest time in which nothing was asked.
fn longest(asked: &[&AuditEvent]) -> Pause {
    let apart = asked
        .windows(2)
        .map(|two| Pause { from: two[0].at, seconds: seconds(two[0].at, two[1].at) });
    apart.max_by(|one, other| one.seconds.total_cmp(&other.seconds)).unwrap()
}

fn syncs() {
    let (many, one) = (run(100, None, ALL_AT_ONCE), run(100, None, ONE_AT_A_TIME));
    assert_eq!((many.changes, one.changes), (100, 100));
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (many, one) = (many.syncs as f64 / 100.0, one.syncs as f64 / 100.0);
    println!(
        "syncs per change: {many:.2} with 100 in flight, {one:.2} with one; ratio {:.3} (to stay under 0.2)",
        many / one
    );
}

/// A journal of 100,000 entries, a line for each: the most there is to check.
fn lines() -> Vec<u8> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let clock = Clock::starting_at("2026-03-24T07:10:00Z".parse().unwrap());
        let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
        let medium = Memory { bytes: Arc::clone(&bytes), syncs: Arc::default() };
        let journal =
            Journal::open(&journal::decode(&[]).unwrap(), Box::new(medium), clock).unwrap();
        let opened = Entry::Opened {
            plan: "bench".to_owned(),
            account: AccountId::parse(ACCOUNT).unwrap(),
            program: "bench".to_owned(),
            rehearsal: true,
        };
        journal.append(opened).await.unwrap();
        for n in 0..25_000 {
            let change = ChangeId::parse(format!("quarantine.{n}")).unwrap();
            let evidence = "read back as wanted at 07:10:04 and again at 07:11:04 UTC".to_owned();
            for entry in [
                Entry::Intended { change: change.clone() },
                Entry::Applied { change: change.clone(), receipt: Receipt::default() },
                Entry::Observed { change: change.clone(), position: Position::After },
                Entry::Proved {
                    change: change.clone(),
                    proof: Proof::Settled,
                    by: Witness::ReadAgain,
                    evidence,
                },
            ] {
                journal.append(entry).await.unwrap();
            }
        }
        let bytes = bytes.lock().unwrap();
        bytes.clone()
    })
}

/// The most memory this process has had, in MiB, as Linux tells.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn fold(path: &str) {
    let began = Instant::now();
    let bytes = std::fs::read(path).unwrap();
    let decoded = journal::decode(&bytes).unwrap();
    let state = State::of(&decoded).unwrap();
    println!(
        "a journal of {} entries ({} MiB) is read, checked and folded in {:.2?} and {} MiB (to stay under 1 s and 256 MiB)",
        state.entries - 1,
        bytes.len() >> 20,
        began.elapsed(),
        peak()
    );
}

/// What it costs to see who has come in, where one user in a thousand is cut.
fn newcomers() {
    let ran = run_case(Case {
        users: 10,
        cleared: 0,
        bystanders: 9_990,
        most: 12,
        rate: Some(10),
        gate: Proof::Settled,
        steps: ALL_AT_ONCE,
    });
    // That somebody has no password is an answer.
    let refused = |event: &&AuditEvent| event.error.as_deref() == Some("Throttling");
    let admitted: Vec<&AuditEvent> = ran.audit.iter().filter(|event| !refused(event)).collect();
    let took = seconds(admitted[0].at, admitted[admitted.len() - 1].at);
    println!(
        "10 of 10,000 users cut at 10 calls a second, and twice seen who has come in: {} calls, of which the plan told \
         {}, in {took:.0} s; {:.1?} on the wall",
        admitted.len(),
        ran.estimated,
        ran.took
    );
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--fold") {
        return fold(&args[at + 1]);
    }
    if args.iter().any(|arg| arg == "--larger") {
        return larger();
    }
    contain(1_000, 50);
    contain(1_000, 500);
    syncs();
    let place = std::env::temp_dir().join(format!("portcullis-bench-{}", std::process::id()));
    std::fs::write(&place, lines()).unwrap();
    let this = std::env::current_exe().unwrap();
    let folded = Command::new(this).arg("--fold").arg(&place).output().unwrap();
    std::fs::remove_file(&place).unwrap();
    print!("{}", String::from_utf8(folded.stdout).unwrap());
    newcomers();
    larger();
}

/// What a run takes on the wall, against one over a quarter of the users.
fn larger() {
    let took = |users, cleared, gate| {
        let (bystanders, most, rate, steps) = (0, 0, None, EVERYTHING);
        run_case(Case { users, cleared, bystanders, most, rate, gate, steps }).took
    };
    let told = |what: &str, small: Duration, large: Duration| {
        println!(
            "a whole run of 1,000 users{what}: {small:.1?}; of 4,000: {large:.1?}; ratio {:.1} (to stay under 6)",
            large.as_secs_f64() / small.as_secs_f64()
        );
    };
    let settled = |users| took(users, 0, Proof::Settled);
    told("", settled(1_000), settled(4_000));
    let enforced = |users| took(users, users / 4, Proof::Enforced);
    told(", a quarter of them cleared, cuts tried on canaries", enforced(1_000), enforced(4_000));
}
