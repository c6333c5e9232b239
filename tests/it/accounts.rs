//! A key that controlled another account: both are cut side by side, and one gate stands before both.

mod asked;
mod endpoint;
mod kept;
mod killed;
mod passes;
mod pasted;
mod rehearsed;
mod several;
mod shut;

use std::sync::{Arc, Mutex};

use portcullis::clock::Clock;
use portcullis::cloud::Connection;
use portcullis::journal;
use portcullis::ledger::Ledger;
use portcullis::plan::SavedPlans;
use portcullis::planning;
use portcullis::playbook::Given;
use portcullis::run::{Ending, MadeBeside};
use portcullis::sim::{Cloud, Fault, World};

use self::several::{Crash, Several, entered};
use crate::side_by_side;
use crate::stage::{ADMIN, Drawer, Kept, Stage, Torn, Witness, play, read, somebody_else};

const PLAYBOOK: &str = include_str!("../data/accounts/playbook.yaml");
const WORLD: &str = include_str!("../data/accounts/world.yaml");
const HOME: usize = 0;
const OTHER: usize = 1;

#[test]
fn a_key_that_controlled_another_account_is_cut_in_both_behind_one_gate() {
    play(async {
        let two = Several::set(WORLD, PLAYBOOK).await;
        let warned = two.accounts[OTHER].saved.plan.warnings.join("\n");
        for words in [
            "admits arn:aws:iam::111122223333:user/ci/ci-deploy, of an account",
            "see that its plan",
        ] {
            assert!(warned.contains(words) && !warned.contains("whom no step"), "{warned}");
        }
        let endings = two.run(None).await.unwrap();
        assert_eq!(endings, [Ending::Proven, Ending::Proven], "{}", two.told());
        assert!(two.one_gate_was_kept() >= 3, "a key, its delivery, and two lifts");
        two.the_intruder_is_out_of_all().await;
        for account in [HOME, OTHER] {
            let ledger = Ledger::of(&two.accounts[account].saved.plan, &two.state(account));
            assert_eq!(ledger.unaccounted().count() + ledger.unproven().count(), 0);
        }
        assert_eq!(two.resumed_to_the_end().await, endings, "there is nothing left to do");
    });
}

/// Put in the place of another, either would open the gate over somebody who was not cut.
#[test]
fn a_plan_of_another_night_or_one_that_leaves_an_account_out_goes_with_nobody() {
    let two = play(Several::set(WORLD, PLAYBOOK));
    let [home, other] = &two.accounts[..] else { panic!("two accounts") };
    let mut of_another_night = other.saved.clone();
    of_another_night.plan.inputs.clear();
    assert!(SavedPlans::new(vec![home.saved.clone(), of_another_night]).is_none());
    let mut alone = home.saved.clone();
    assert!(planning::follows(&alone, None, &read(PLAYBOOK)));
    alone.plan.together = None;
    assert!(!planning::follows(&alone, None, &read(PLAYBOOK)));
}

/// The one may admit few calls, and be asked for many: that is felt by nobody in the other.
#[test]
fn every_account_has_lanes_of_its_own() {
    play(async {
        let world =
            World::parse(&WORLD.replacen("world: 1", "world: 1\nrate_limit: 5", 1)).unwrap();
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let playbook = read(PLAYBOOK);
        let given = world.rehearsal_inputs().iter();
        let given = given.map(|(name, value)| (name.clone(), Given::Value(value.clone())));
        let inputs = playbook.bind_inputs(&given.collect()).unwrap();
        let begun = entered(&cloud, clock, &[]).await;
        let others = playbook.other_accounts(&inputs, &begun[HOME].1).unwrap();
        let both = entered(&cloud, clock, &others).await;
        let [home, other] = [&both[HOME].0, &both[OTHER].0].map(Connection::read);
        let asked = (0..100).map(|_| home.iam().users());
        let asked = futures_util::future::join_all(asked);
        let elsewhere = async {
            clock.sleep(std::time::Duration::from_secs(8)).await;
            let began = clock.now();
            other.iam().users().await.unwrap();
            clock.now().duration_since(began)
        };
        let (_, waited) = futures_util::future::join(asked, elsewhere).await;
        assert!(waited.as_millis() < 500, "{waited}");
        assert_eq!(home.throttled().iter().map(|by| by.service).collect::<Vec<_>>(), ["IAM"]);
        assert_eq!(other.throttled(), []);
    });
}

#[test]
fn where_one_account_cannot_be_proven_nothing_is_handed_out_in_any() {
    // The responder may make no canary in the other account.
    let admin = "        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    let deny = "        inline:\n          no: { Version: \"2012-10-17\", Statement: [{ Effect: Deny, Action: \"iam:CreateUser\", Resource: \"*\" }] }\n";
    let (before, there) = WORLD.split_once("  \"444455556666\":").unwrap();
    let world = format!(
        "{before}  \"444455556666\":{}",
        there.replacen(admin, &format!("{admin}{deny}"), 1)
    );
    play(async {
        let two = Several::set(&world, PLAYBOOK).await;
        let endings = two.run(None).await.unwrap();
        let [Ending::Held(home), Ending::Held(other)] = &endings[..] else {
            panic!("{endings:?}\n{}", two.told())
        };
        assert!(home.iter().all(|why| why.contains("account 444455556666")), "{home:?}");
        assert!(other.iter().all(|why| !why.contains("account 111122223333")), "{other:?}");
        assert_eq!(two.one_gate_was_kept(), 0, "nothing was done behind the gate");
        for reach in two.cloud.intruder_reach() {
            assert!(reach.allowed.is_empty(), "cut all the same: {reach:?}");
        }
        let home = two.state(HOME).gate;
        assert!(matches!(home, journal::GateState::Shut(_)), "{home:?}");
    });
}

#[test]
fn a_crash_at_any_line_or_request_opens_no_gate_before_both_are_cut() {
    let (stage, lines, requests) = play(async {
        let two = Several::set(WORLD, PLAYBOOK).await;
        let stage = two.again();
        let from = two.cloud.requests();
        two.run(None).await.unwrap();
        let lines = two.accounts.iter().map(|one| one.tape.lock().unwrap().requests.len());
        let lines: Vec<usize> = lines.collect();
        (stage, lines, two.cloud.requests() - from)
    });
    let at_lines = [HOME, OTHER].into_iter().flat_map(|account| {
        (1..=lines[account]).map(move |line| {
            let torn = Torn::ALL[line % Torn::ALL.len()];
            Crash::Line(account, line, torn)
        })
    });
    let at_requests = (1..=requests).map(|at| {
        Crash::Request(at, if at % 2 == 0 { Fault::StopBefore } else { Fault::StopAfter })
    });
    // All of them take long: every so-manieth, beginning elsewhere for lines and for requests.
    let all: Vec<Crash> = at_lines.step_by(7).chain(at_requests.skip(3).step_by(17)).collect();
    let world = Mutex::new(stage);
    let played = side_by_side::each(&all, |crash| {
        play(async {
            let two = world.lock().unwrap().again();
            let endings = match two.run(Some(*crash)).await {
                Some(endings) => endings,
                None => two.resumed_to_the_end().await,
            };
            assert_eq!(endings, [Ending::Proven, Ending::Proven], "{crash:?}\n{}", two.told());
            assert!(two.one_gate_was_kept() >= 1);
            two.the_intruder_is_out_of_all().await;
        });
    });
    println!(
        "counted: {played} cases, crashes of two accounts, of {} lines and {requests} requests",
        lines.iter().sum::<usize>()
    );
}

/// Somebody has put the case of one account elsewhere, where nothing shows that there are others.
#[test]
fn one_account_away_from_the_others_is_cut_and_opens_no_gate() {
    play(async {
        let two = Several::set(WORLD, PLAYBOOK).await;
        let home = Stage {
            cloud: two.cloud.clone(),
            clock: two.clock,
            saved: two.accounts[HOME].saved.clone(),
            tape: Arc::default(),
            witness: Witness::default(),
            rounds: Kept::default(),
            most: 0,
            drawer: Drawer::default(),
            given: Vec::new(),
            beside: MadeBeside::default(),
        };
        let Ending::Held(why) = home.resume_to_the_end(1).await else { panic!("not held") };
        assert!(why.join("\n").contains("goes with account 444455556666"), "{why:?}");
        assert_eq!(two.one_gate_was_kept(), 0, "nothing was done behind the gate");
        let keys = ["AKIAEXAMPLELEAKED001", "ASIAEXAMPLESESSION04"];
        two.clock.sleep(std::time::Duration::from_mins(5)).await;
        let reach = two.cloud.intruder_reach();
        let his = reach.iter().filter(|reach| keys.contains(&reach.credential.as_str()));
        assert_eq!(his.filter(|reach| reach.allowed.is_empty()).count(), 2, "{reach:?}");
    });
}

/// The same world with one more account that the key controlled, named last.
fn with_a_third() -> String {
    let third = r#"  "222233334444":
    roles:
      incident-responder:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "arn:aws:iam::111122223333:role/incident-responder" }, Action: "sts:AssumeRole" }] }
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
      control:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "arn:aws:iam::111122223333:user/ci/ci-deploy" }, Action: "sts:AssumeRole" }] }
"#;
    let role = |account: &str| format!("\"arn:aws:iam::{account}:role/incident-responder\"");
    let (named, both) =
        (role("444455556666"), format!("{}, {}", role("444455556666"), role("222233334444")));
    let (before, inputs) = WORLD.split_once("sessions:\n").unwrap();
    format!("{before}{third}sessions:\n{}", inputs.replace(&named, &both))
}

/// A world with an administrator in the other account besides, who is neither the responder nor the intruder.
fn with_an_admin_there(world: &str) -> String {
    let backup = "      backup:\n";
    assert_eq!(world.matches(backup).count(), 1, "in the other account");
    world.replace(backup, &format!("{ADMIN}{backup}"))
}

#[test]
fn nothing_comes_off_in_one_account_while_somebody_comes_in_in_another_that_stands_by() {
    play(async {
        let two = Several::set(&with_an_admin_there(WORLD), PLAYBOOK).await;
        assert_eq!(two.run(None).await.unwrap(), [Ending::Proven, Ending::Proven]);
        let there = || {
            let mut all = two.cloud.snapshot().0;
            all.retain(|key, _| key.starts_with("444455556666"));
            all
        };
        let before = there();
        two.begins_undo_in(HOME).await;
        let iam = aws_sdk_iam::Client::new(&somebody_else(&two.cloud, two.clock));
        let hung = iam.create_access_key().user_name("billing").send().await.unwrap();
        let [Ending::Held(home), _] = &two.run(None).await.unwrap()[..] else {
            panic!("it is not held")
        };
        assert!(home.iter().all(|why| why.contains("account 444455556666")), "{home:#?}");

        let id = hung.access_key.unwrap().access_key_id;
        iam.delete_access_key().user_name("billing").access_key_id(id).send().await.unwrap();
        let [Ending::Held(home), _] = &two.run(None).await.unwrap()[..] else {
            panic!("it is not held")
        };
        assert!(home.iter().any(|why| why.contains("counts as compromised")), "{home:#?}");
        assert!(home.iter().all(|why| !why.contains("account 444455556666")), "{home:#?}");
        assert_eq!(there(), before, "nobody has driven it on");
        two.the_intruder_is_out_of_all().await;
    });
}
