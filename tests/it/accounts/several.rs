//! A stage for runs of several accounts: one world, and a plan and a journal on tape for each.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use portcullis::action::catalog::Actions;
use portcullis::clock::Clock;
use portcullis::cloud::Connection;
use portcullis::diagnostic::Source;
use portcullis::ids::Arn;
use portcullis::inventory::{Inventory, Origin};
use portcullis::journal::{self, Entry, Journal, Medium, Place, Said, State};
use portcullis::plan::{SavedPlan, SavedPlans, Together as Accounts};
use portcullis::planning::{self, Planned, Terms};
use portcullis::playbook::{self, Given, Proof};
use portcullis::run::{Ended, Ending, Keep, Rounds, Together, begin_round, undo_of};
use portcullis::sim::{AuditEvent, Cloud, Fault, World};
use portcullis::survey::{self, Thought};
use tokio::sync::{Notify, watch};

use super::{HOME, WORLD};
use crate::stage::{self, Drawer, Kept, Recorder, Tape, Torn, Witness, read};
use crate::verdict::{every_effect_had_its_intent, none_is_in};

/// What survives a crash: the world, and a journal for each account.
pub(super) struct Several {
    pub(super) cloud: Cloud,
    pub(super) clock: Clock,
    pub(super) accounts: Vec<One>,
}

#[derive(Clone)]
pub(super) struct One {
    pub(super) saved: SavedPlan,
    pub(super) tape: Arc<Mutex<Tape>>,
    pub(super) rounds: Arc<Kept>,
    witness: Arc<Witness>,
    drawer: Arc<Drawer>,
}

/// Where a run is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Crash {
    /// At a line of one account's journal, counted since the run began.
    Line(usize, usize, Torn),
    /// At a request.
    Request(u64, Fault),
    /// Not at all: but the journal of one account takes so many lines and no more.
    Full(usize, usize),
}

/// A journal on a disk with room for so many lines.
struct Room {
    lines: usize,
    medium: Recorder,
}

impl Medium for Room {
    fn append<'a>(
        &'a mut self,
        line: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + Send + 'a>> {
        let Some(lines) = self.lines.checked_sub(1) else {
            let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Box::pin(std::future::ready(Err(full)));
        };
        self.lines = lines;
        self.medium.append(line)
    }
}

impl Several {
    /// Home and the accounts that the playbook names, planned together.
    pub(super) async fn set(world: &str, text: &str) -> Self {
        let world = World::parse(world).unwrap();
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let playbook = read(text);
        let given = world.rehearsal_inputs().iter();
        let given = given.map(|(name, value)| (name.clone(), Given::Value(value.clone())));
        let inputs = playbook.bind_inputs(&given.collect()).unwrap();
        let begun = entered(&cloud, clock, &[]).await;
        let others = playbook.other_accounts(&inputs, &begun[HOME].1).unwrap();
        let begun = entered(&cloud, clock, &others).await;
        let home = begun[HOME].1.caller.account.clone();
        let together = Some(Accounts { home, others });
        let terms = Terms { together, ..Terms::default() };
        let mut plans = Vec::new();
        for (connection, mut inventory) in begun {
            let think = |inventory: &Inventory| {
                Ok::<_, Vec<_>>(match planning::plan(&playbook, &inputs, inventory, &terms)? {
                    Planned::Plan(plan) => Thought::Ready(plan),
                    Planned::Needs(wants) => Thought::Needs(wants),
                })
            };
            let planned = survey::until(connection.read(), &mut inventory, think).await.unwrap();
            let plan = planned.unwrap_or_else(|problems| panic!("{problems:#?}"));
            assert_eq!(plan.gate.proof, Proof::Enforced, "what is asked for by default");
            let (playbook, fragments) = (text.to_owned(), playbook.fragment_texts());
            plans.push(SavedPlan { plan: *plan, inventory, playbook, fragments, round: None });
        }
        let plans = SavedPlans::new(plans).expect("all were planned together");
        let mut file = Vec::new();
        plans.write_to(&mut file).unwrap();
        let again = SavedPlans::from_text(&String::from_utf8(file).unwrap()).unwrap();
        assert_eq!(plans, again, "a file holds all of them");
        let one = |saved: &SavedPlan| One {
            saved: saved.clone(),
            tape: Arc::default(),
            rounds: Arc::default(),
            witness: Arc::default(),
            drawer: Arc::default(),
        };
        Self { cloud, clock, accounts: plans.plans().iter().map(one).collect() }
    }

    /// The same once more, as it stands.
    pub(super) fn again(&self) -> Self {
        let world = self.cloud.save();
        let clock = Clock::starting_at(portcullis::sim::saved_at(&world).unwrap());
        let cloud = Cloud::load(&world, clock).unwrap();
        let one = |one: &One| {
            let tape = one.tape.lock().unwrap();
            let (bytes, requests) = (tape.bytes.clone(), tape.requests.clone());
            One {
                tape: Arc::new(Mutex::new(Tape { bytes, requests })),
                rounds: Arc::new(one.rounds.copy()),
                witness: Arc::default(),
                drawer: Arc::default(),
                saved: one.saved.clone(),
            }
        };
        Self { cloud, clock, accounts: self.accounts.iter().map(one).collect() }
    }

    /// Runs or resumes all, to the end or to a crash.
    pub(super) async fn run(&self, crash: Option<Crash>) -> Option<Vec<Ending>> {
        let ended = self.ended(crash).await?.into_iter();
        Some(ended.map(|ended| ended.expect("the tapes take every line").1).collect())
    }

    /// The same where a tape may not take every line.
    pub(super) async fn ended(&self, crash: Option<Crash>) -> Option<Vec<Ended>> {
        self.cloud.set_faults(match crash {
            Some(Crash::Request(at, fault)) => vec![(self.cloud.requests() + at, fault)],
            _ => Vec::new(),
        });
        let crashed = Arc::new(Notify::new());
        let played = Box::pin(self.played(crash, &crashed));
        tokio::select! {
            biased;
            () = crashed.notified() => None,
            () = self.cloud.stopped() => None,
            endings = played => Some(endings),
        }
    }

    async fn played(&self, crash: Option<Crash>, crashed: &Arc<Notify>) -> Vec<Ended> {
        let home = &self.accounts[HOME].saved;
        let roles = &home.plan.together.as_ref().unwrap().others;
        let begun = entered(&self.cloud, self.clock, roles).await;
        let source = Source::new("playbook.yaml", home.playbook.clone());
        let (playbook, _) =
            playbook::read_in(&source, &playbook::NoFolder, &Actions::new()).unwrap();
        let (_ask, stop) = watch::channel(false);
        let place = Place { host: "stage".to_owned(), process: 1, ..Place::default() };
        let mut journals = Vec::new();
        for (n, one) in self.accounts.iter().enumerate() {
            let decoded = {
                let mut tape = one.tape.lock().unwrap();
                let decoded = journal::decode(&tape.bytes).expect("a crash damages nothing");
                tape.bytes.truncate(decoded.good);
                decoded
            };
            let stop_at = match crash {
                Some(Crash::Line(account, line, torn)) if account == n => Some((line, torn)),
                _ => None,
            };
            let medium = Recorder::new(&one.tape, &self.cloud, stop_at, crashed);
            let medium: Box<dyn Medium> = match crash {
                Some(Crash::Full(account, lines)) if account == n => {
                    Box::new(Room { lines, medium })
                }
                _ => Box::new(medium),
            };
            let journal = Journal::open(&decoded, medium, self.clock).unwrap();
            if journal.state().opened.is_none() {
                let opened = Entry::Opened {
                    plan: one.saved.digest(),
                    account: one.saved.plan.account.clone(),
                    program: "test".to_owned(),
                    rehearsal: true,
                };
                journal.append(opened).await.unwrap();
            }
            journals.push(journal);
        }
        let runs = self.accounts.iter().zip(&journals).zip(&begun);
        let runs = runs.map(|((one, journal), (connection, begun))| {
            let saved = one.rounds.newest(&one.saved, journal.state().round());
            let rounds = Rounds {
                playbook: &playbook,
                caller: &begun.caller,
                place: Some(&place),
                journal,
                most: 3,
                beside: portcullis::run::MadeBeside::default(),
                keep: &*one.rounds,
                cloud: connection.write(),
                probes: connection.probes(),
                given: &[],
                clock: self.clock,
                observer: &*one.witness,
                outbox: &*one.drawer,
                stop: stop.clone(),
            };
            (saved, rounds)
        });
        Together::new(runs.collect()).execute().await
    }

    pub(super) fn state(&self, account: usize) -> State {
        let tape = self.accounts[account].tape.lock().unwrap();
        State::of(&journal::decode(&tape.bytes).unwrap()).unwrap()
    }

    pub(super) fn told(&self) -> String {
        let of = |one: &One| one.witness.0.lock().unwrap().clone();
        self.accounts.iter().map(of).collect::<Vec<_>>().join("\n---\n")
    }

    /// What any of the runs did, in order.
    fn effects(&self) -> Vec<AuditEvent> {
        let ours: BTreeSet<&str> =
            self.accounts.iter().map(|one| one.saved.plan.caller.as_str()).collect();
        let mut all = self.cloud.audit();
        all.retain(|event| {
            let canary = event.resource.contains("portcullis-canary");
            // Entering an account changes nothing in it.
            let entry = event.operation == "AssumeRole";
            let ours = ours.contains(event.principal.as_str());
            event.writes && event.took_effect && ours && !canary && !entry
        });
        all
    }

    /// Nothing was issued, delivered or lifted anywhere before every cut of all accounts was proven.
    pub(super) fn one_gate_was_kept(&self) -> usize {
        let behind = |event: &&AuditEvent| {
            let gated =
                ["CreateAccessKey", "DetachUserPolicy", "DetachRolePolicy", "PutSecretValue"];
            gated.contains(&event.operation.as_str())
        };
        let effects = self.effects();
        let Some(first) = effects.iter().find(behind) else { return 0 };
        for one in &self.accounts {
            let tape = one.tape.lock().unwrap();
            let lines = journal::decode(&tape.bytes).unwrap().lines;
            let known = lines.iter().zip(&tape.requests).filter(|(_, at)| **at < first.request);
            let known: Vec<&Entry> = known.flat_map(|(line, _)| &line.entries).collect();
            for cut in one.saved.plan.changes.iter().filter(|change| change.cuts()) {
                let seen = known.iter().any(|entry| {
                    matches!(entry, Entry::Proved { change, proof, .. }
                        if *change == cut.id && *proof >= Proof::Settled)
                });
                let account = &one.saved.plan.account;
                assert!(seen, "{first:?} came before {} of {account} was proven", cut.id);
            }
        }
        effects.iter().filter(behind).count()
    }

    /// Everything the intruder holds is tried, and those who depend on any of the accounts work.
    pub(super) async fn the_intruder_is_out_of_all(&self) {
        self.clock.sleep(std::time::Duration::from_mins(5)).await;
        for reach in self.cloud.intruder_reach() {
            assert!(reach.allowed.is_empty(), "{}: {:?}", reach.credential, reach.allowed);
        }
        for consumer in self.cloud.consumers() {
            assert!(consumer.works, "{}: {:?}", consumer.name, consumer.why);
        }
        let left: Vec<String> = self.cloud.snapshot().0.into_keys().collect();
        let left: Vec<&String> = left.iter().filter(|key| key.contains("canary")).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// Somebody else takes over as many of the journals, home first, before he is killed as well, or all of them.
    pub(super) async fn are_taken_over(&self, so_many: usize) {
        for account in 0..so_many {
            let place = Place { host: "another".to_owned(), process: 2, ..Place::default() };
            self.says(account, "ben", |said| Entry::TakenOver { said, place }).await;
        }
    }

    /// What was done had its intent, nothing of a canary is left, and no secret stands in anything that was written.
    pub(super) fn all_was_announced_and_nothing_is_told(&self) {
        let effects = self.effects();
        let mut written = vec![self.cloud.save().to_string(), self.told()];
        for (n, one) in self.accounts.iter().enumerate() {
            let plan = self.newest(n);
            let own = effects.iter().filter(|event| event.principal == plan.plan.caller.as_str());
            let own: Vec<AuditEvent> = own.cloned().collect();
            every_effect_had_its_intent(&plan.plan, &one.tape.lock().unwrap(), &own);
            assert_eq!(self.state(n).canaries_left().count(), 0);
            written.push(plan.to_text());
            written.push(String::from_utf8_lossy(&one.tape.lock().unwrap().bytes).into_owned());
            written.extend(one.drawer.texts());
        }
        none_is_in(&self.cloud, &written);
    }

    /// The world without what is another each time: the ids of new keys and versions, and from when on sessions are denied.
    pub(super) fn world(&self) -> Vec<(String, String)> {
        let first = World::parse(WORLD).unwrap();
        let before = Cloud::new(&first, Clock::starting_at(first.now())).snapshot().0;
        let told = self.cloud.snapshot().0.into_iter().map(|(key, value)| {
            let new = !before.contains_key(&key);
            let of = key.rsplit_once('/').filter(|_| new);
            match of {
                Some((of, _)) if of.ends_with("/keys") => (format!("{of}/new"), value),
                Some((of, _)) if of.ends_with("/versions") => {
                    let labels = value.split_once(' ').map(|(_, labels)| labels.to_owned());
                    (format!("{of}/new"), labels.unwrap_or_default())
                }
                Some((_, "PortcullisRevokeOlderSessions")) => (key, String::new()),
                _ => (key, value),
            }
        });
        let mut told: Vec<(String, String)> = told.collect();
        told.sort();
        told
    }

    /// How many new keys there are.
    pub(super) fn handed_out(&self) -> usize {
        self.effects().iter().filter(|event| event.operation == "CreateAccessKey").count()
    }

    /// Puts on record what somebody says of one of them.
    pub(super) async fn says(&self, account: usize, name: &str, word: impl FnOnce(Said) -> Entry) {
        let of = &self.accounts[HOME].saved.plan.account;
        let arn = format!("arn:aws:sts::{of}:assumed-role/incident-responder/{name}");
        let said = Said {
            by: Arn::parse(&arn).unwrap(),
            reason: "it was looked into".to_owned(),
            evidence: None,
            plan: self.newest(account).digest(),
        };
        self.journal_of(account).append(word(said)).await.unwrap();
    }

    /// Somebody has read the plan of the next round of one of them, and says yes to it.
    pub(super) async fn says_yes_to_the_next_round_of(&self, account: usize) {
        let one = &self.accounts[account];
        let next = one.rounds.newest(&one.saved, self.state(account).round() + 1);
        begin_round(&self.journal_of(account), &next, &one.saved.plan.caller).await.unwrap();
    }

    /// The plan that one of them has come to.
    fn newest(&self, account: usize) -> SavedPlan {
        let one = &self.accounts[account];
        one.rounds.newest(&one.saved, self.state(account).round())
    }

    /// The journal of one of them, between two runs.
    fn journal_of(&self, account: usize) -> Journal {
        let tape = &self.accounts[account].tape;
        let decoded = journal::decode(&tape.lock().unwrap().bytes).unwrap();
        let medium = Recorder::new(tape, &self.cloud, None, &Arc::new(Notify::new()));
        Journal::open(&decoded, Box::new(medium), self.clock).unwrap()
    }

    /// Somebody says yes to taking back what was cut in one of them.
    pub(super) async fn begins_undo_in(&self, account: usize) {
        let next = undo_of(&self.newest(account), &self.state(account));
        assert!(next.plan.is_undo(), "something can be taken back");
        let one = &self.accounts[account];
        one.rounds.keep(&next).unwrap();
        begin_round(&self.journal_of(account), &next, &one.saved.plan.caller).await.unwrap();
    }

    pub(super) async fn resumed_to_the_end(&self) -> Vec<Ending> {
        for _ in 0..6 {
            if let Some(endings) = self.run(None).await {
                return endings;
            }
        }
        panic!("no end:\n{}", self.told());
    }
}

/// Home, and the other accounts through a role of each, with what an inventory of each begins with.
pub(super) async fn entered(
    cloud: &Cloud,
    clock: Clock,
    roles: &[Arn],
) -> Vec<(Connection, Inventory)> {
    let (home, key) = stage::connect(cloud, clock);
    let begun = survey::begin(home.read(), clock, key).await.unwrap();
    let mut all = vec![(home.clone(), begun.clone())];
    for role in roles {
        let (there, key) = home.elsewhere(role, None).enter().await.unwrap();
        let mut inventory = survey::begin(there.read(), clock, key).await.unwrap();
        let arn = begun.caller.arn.clone();
        let how = format!("credentials of {arn}");
        let access_key_id = begun.caller.access_key_id.clone();
        inventory.caller.came_from = vec![Origin { how, arn: Some(arn), access_key_id }];
        all.push((there, inventory));
    }
    all
}
