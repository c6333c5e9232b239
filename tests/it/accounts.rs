//! A key that controlled another account: both are cut side by side, and one gate stands before both.

mod asked;
mod kept;
mod killed;
mod passes;
mod pasted;
mod several;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use portcullis::clock::Clock;
use portcullis::cloud::Connection;
use portcullis::ids::AccessKeyId;
use portcullis::inventory::SavedInventories;
use portcullis::journal;
use portcullis::ledger::Ledger;
use portcullis::plan::SavedPlans;
use portcullis::planning;
use portcullis::playbook::Given;
use portcullis::run::{Ending, MadeBeside};
use portcullis::sim::{Cloud, Fault, World};

use self::several::{Crash, Several, entered};
use crate::check::portcullis;
use crate::hosted::{Hosted, bare, ran, start};
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

/// The one may admit few calls, and be asked for many: that is felt by nobody in the other.
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

#[test]
fn a_rehearsal_of_two_accounts_is_one_case_and_neither_is_gone_on_with_alone() {
    let dir = tempfile::tempdir().unwrap();
    let cases = dir.path().join("cases");
    let out = |output: &std::process::Output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    let played =
        portcullis(&["rehearse", "tests/data/accounts", "--cases", cases.to_str().unwrap()]);
    assert_eq!(played.status.code(), Some(0), "{}", out(&played));
    let case = std::fs::read_dir(&cases).unwrap().next().unwrap().unwrap().path();
    let case = case.to_str().unwrap();
    for account in ["111122223333", "444455556666"] {
        assert!(out(&played).contains(&format!("{account}  done and proven")), "{}", out(&played));
        let of = format!("{case}/accounts/{account}");
        let alone = portcullis(&["status", &of]);
        assert_eq!(alone.status.code(), Some(0), "{}", out(&alone));
        let refused = portcullis(&["resume", &of]);
        assert_eq!(refused.status.code(), Some(5), "{}", out(&refused));
        assert!(out(&refused).contains(&format!("portcullis resume {case}")), "{}", out(&refused));
    }
    for command in ["undo", "verify"] {
        let of = format!("{case}/accounts/444455556666");
        let refused = portcullis(&[command, &of]);
        assert_eq!(refused.status.code(), Some(5), "{}", out(&refused));
        assert!(out(&refused).contains(&format!("portcullis {command} {case}")), "{refused:?}");
    }
    let listed = out(&portcullis(&["cases", "--cases", cases.to_str().unwrap()]));
    assert_eq!(listed.matches("done and proven").count(), 2, "{listed}");
    let all = portcullis(&["status", case]);
    let still = format!(
        "Next: nothing by these plans but to look again, for days to come: portcullis verify {case} --watch 8h. In account \
         444455556666: Still quarantined, and let in by nothing in this plan: user billing"
    );
    assert!(out(&all).contains(&still) && out(&played).contains(&still), "{}", out(&all));
    let resumed = portcullis(&["resume", case]);
    assert_eq!(resumed.status.code(), Some(0), "{}", out(&resumed));

    // It is closed in all accounts or in none; what is printed of it is one document.
    let close = || portcullis(&["close", case, "--reason", "over", "--format", "json"]);
    let (last, closed) = (format!("{case}/accounts/444455556666/journal.jsonl"), "\"closed\"");
    let journal = std::fs::read_to_string(&last).unwrap();
    std::fs::write(&last, journal.replacen("\"opened\"", "\"0pened\"", 1)).unwrap();
    assert_eq!(close().status.code(), Some(5));
    let home = || {
        let journal = format!("{case}/accounts/111122223333/journal.jsonl");
        std::fs::read_to_string(journal).unwrap().contains(closed)
    };
    assert!(!home(), "what cannot be said of the one is not said of the other");
    std::fs::write(&last, journal).unwrap();
    let said = close();
    assert_eq!(said.status.code(), Some(0), "{}", out(&said));
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["accounts"].as_array().unwrap().len(), 2);
    assert!(home() && std::fs::read_to_string(&last).unwrap().contains(closed));
}

/// One ends with a role in reach that nothing cuts, the other well: whoever is cut there is not forgotten.
#[test]
fn whoever_stays_cut_in_an_account_that_ended_well_is_told_beside_what_is_left_in_the_others() {
    let dir = tempfile::TempDir::new().unwrap();
    let (before, home) = WORLD.split_once("      pipeline:\n").unwrap();
    let reach = "      reach:\n        trust: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Principal: { AWS: \"arn:aws:iam::111122223333:user/ci/ci-deploy\" }, Action: \"sts:AssumeRole\" }] }\n";
    std::fs::write(dir.path().join("playbook.yaml"), PLAYBOOK).unwrap();
    let world = format!("{before}{reach}      pipeline:\n{home}");
    std::fs::write(dir.path().join("world.yaml"), world).unwrap();
    let cases = dir.path().join("cases");
    let cases = cases.to_str().unwrap();
    let played = told(&["rehearse", dir.path().to_str().unwrap(), "--cases", cases], 11);
    let (_, next) = played.rsplit_once("Next: ").unwrap();
    let still = "In account 444455556666: Still quarantined, and let in by nothing in this plan: user billing";
    assert!(next.contains("role-sessions/reach") && next.contains(still), "{played}");
    let case = std::fs::read_dir(cases).unwrap().next().unwrap().unwrap().path();
    assert!(told(&["status", case.to_str().unwrap()], 0).contains(still));
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

/// The order of the roles is the author's; that of directories is the file system's.
#[test]
fn accounts_are_gone_on_with_in_whichever_order_they_were_named() {
    let world = with_a_third();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("playbook.yaml"), PLAYBOOK).unwrap();
    std::fs::write(at("world.yaml"), world).unwrap();
    let out = |output: &std::process::Output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    let played = portcullis(&[
        "rehearse",
        &at("playbook.yaml"),
        "--world",
        &at("world.yaml"),
        "--cases",
        &at("cases"),
    ]);
    assert_eq!(played.status.code(), Some(0), "{}", out(&played));
    let case = std::fs::read_dir(at("cases")).unwrap().next().unwrap().unwrap().path();
    for further in [&[][..], &["--take-over", "he went home"]] {
        let typed = [&["resume", case.to_str().unwrap()], further].concat();
        let resumed = portcullis(&typed);
        assert_eq!(resumed.status.code(), Some(0), "{further:?} {}", out(&resumed));
    }
    // Away from the others it is taken back as little as it is gone on with.
    std::fs::rename(case.join("accounts/222233334444"), at("apart")).unwrap();
    for command in ["undo", "verify", "resume"] {
        let refused = portcullis(&[command, &at("apart")]);
        assert_eq!(refused.status.code(), Some(5), "{command} {}", out(&refused));
        assert!(out(&refused).contains("one account among several"), "{}", out(&refused));
    }
}

/// What is too much of all together is told beside what is wrong in one: whoever mends one thing and asks again loses a round.
#[test]
fn what_is_wrong_of_several_accounts_together_is_told_beside_the_refusal_of_one() {
    let world = with_a_third();
    // The role that the key controlled is called otherwise in the third.
    let (before, third) = world.split_once("\n  \"222233334444\":").unwrap();
    let third = third.replacen("\n      control:", "\n      other:", 1);
    let world = format!("{before}\n  \"222233334444\":{third}");
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let limited = PLAYBOOK.replace("\nsteps:\n", "\nlimits: { changes: 10 }\nsteps:\n");
    assert_ne!(limited, PLAYBOOK);
    std::fs::write(at("playbook.yaml"), limited).unwrap();
    std::fs::write(at("world.yaml"), world).unwrap();
    let refused = told(&["plan", &at("playbook.yaml"), "--world", &at("world.yaml")], 5);
    assert!(refused.contains("In account 222233334444"), "{refused}");
    assert!(refused.contains("account 222233334444 has no role control"), "{refused}");
    assert!(refused.contains("the plan of the other accounts has "), "{refused}");
}

/// What the program is asked, and what it says, on either stream.
fn told(args: &[&str], code: i32) -> String {
    let output = portcullis(args);
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?} {told}");
    told
}

/// Everything the intruder holds is tried in the world that a rehearsal's case keeps; and whoever else works in it works.
fn nobody_is_inside(case: &std::path::Path) -> Cloud {
    let world = std::fs::read_to_string(case.join("world.json")).unwrap();
    let world: serde_json::Value = serde_json::from_str(&world).unwrap();
    play(async move {
        let clock = Clock::starting_at(portcullis::sim::saved_at(&world).unwrap());
        let cloud = Cloud::load(&world, clock).unwrap();
        for reach in cloud.intruder_reach() {
            assert!(reach.allowed.is_empty(), "{}: {:?}", reach.credential, reach.allowed);
        }
        for consumer in cloud.consumers() {
            assert!(consumer.works, "{}: {:?}", consumer.name, consumer.why);
        }
        cloud
    })
}

#[test]
fn the_shipped_playbook_evicts_whoever_went_on_to_two_other_accounts() {
    let dir = tempfile::tempdir().unwrap();
    let cases = dir.path().join("cases");
    let (shipped, home) = ("playbooks/leaked-access-key", "111122223333");
    let world = format!("{shipped}/other-accounts.yaml");
    let played =
        told(&["rehearse", shipped, "--world", &world, "--cases", cases.to_str().unwrap()], 13);
    assert!(!played.contains("GATE OPEN"), "nothing is handed out before the leak is closed");
    let path = std::fs::read_dir(&cases).unwrap().next().unwrap().unwrap().path();
    let case = path.to_str().unwrap();
    let of_home = format!("{case}/accounts/{home}");
    let attested = told(&["attest", &of_home, "leak-closed.1"], 0);
    let next = attested.lines().last().unwrap();
    let status = told(&["status", &of_home], 0);
    assert!(next.starts_with("Next: ") && status.contains(next), "{attested}\n{status}");
    // A person's word, and a value that only those who check it know: applied, and not proven by a try.
    let resumed = told(&["resume", case], 11);
    let opened = resumed.find("GATE OPEN").unwrap();
    // The last line says it of each account, and has what to type.
    let next = resumed.lines().rfind(|line| line.starts_with("Next: ")).unwrap();
    let seen = "in account 444455556666: know that nobody has seen this refused";
    assert!(next.contains(seen) && next.ends_with(&format!("portcullis status {case}")), "{next}");
    for last in
        ["read-back  leak-closed.1", "settled    seal.1", "settled    hung-on-sessions-off.2"]
    {
        assert!(resumed[..opened].contains(last), "{last} comes first: {resumed}");
    }
    assert!(!resumed.contains("unaccounted"), "{resumed}");

    let cloud = nobody_is_inside(&path);
    let held: BTreeSet<String> =
        cloud.intruder_reach().into_iter().map(|reach| reach.credential).collect();
    assert_eq!(held.len(), 8, "seven credentials and a password: {held:?}");
    let snapshot = cloud.snapshot().0;
    let there = |key: &str| snapshot.contains_key(key);
    assert!(!there(&format!("{home}/users/ci-deploy/keys/AKIAEXAMPLEHUNGON002")), "made room");
    for cut in ["444455556666/users/billing", "222233334444/users/mailer"] {
        assert!(
            there(&format!("{cut}/attached/arn:aws:iam::aws:policy/AWSDenyAll")),
            "{cut} stays"
        );
        assert!(there(&format!("{cut}/inline/PortcullisRevokeOlderSessions")), "{cut}");
    }
    for account in ["444455556666", "222233334444"] {
        let role = format!("{account}/roles/OrganizationAccountAccessRole");
        assert!(there(&format!("{role}/inline/PortcullisRevokeOlderSessions")), "{role}");
        assert!(!there(&format!("{role}/attached/arn:aws:iam::aws:policy/AWSDenyAll")), "{role}");
    }
    assert!(!there("444455556666/secrets/shop/db/policy"), "it can be read again");
    assert!(snapshot.keys().all(|key| !key.contains("canary")), "{:?}", snapshot.keys());

    // Looked at again, in each: and each ledger has what was found.
    let verified = told(&["verify", case], 11);
    for account in [home, "444455556666", "222233334444"] {
        let of = format!("{case}/accounts/{account}");
        assert!(verified.contains(&format!("Account {account}")), "{verified}");
        let listened = std::fs::read_to_string(format!("{of}/journal.jsonl")).unwrap();
        assert!(listened.contains("\"listened\""), "{account}: {listened}");
    }
    one_report_is_made_of_all(case);

    // Whoever says that it was a false alarm in one account has not said so of the others.
    let of = format!("{case}/accounts/444455556666");
    let dry = told(&["undo", case, "--dry-run"], 0);
    assert!(dry.contains("account 444455556666") && dry.contains(home), "{dry}");
    let clear = format!("portcullis clear {of} AKIAEXAMPLEHUNGON004 --reason TEXT");
    let closed = "nobody has cleared way in leak-path";
    // Nothing comes off before that is said: it is what is next.
    assert!(dry.contains("Next: nothing comes off before somebody is cleared"), "{dry}");
    for words in [&*clear, closed, &format!("; then portcullis undo {case}\n")] {
        assert!(dry.contains(words), "{dry}");
    }
    for name in ["anna", "ben"] {
        let word = ["clear", &of, "AKIAEXAMPLEHUNGON004", "sessions/billing", "--as", name];
        told(
            &[&word[..], &["--reason", "it was the new colleague", "--evidence", "ticket 7"]]
                .concat(),
            0,
        );
    }
    let undone = told(&["undo", case, "--yes"], 13);
    let again = told(&["undo", case], 5);
    assert!(again.contains(&format!("portcullis resume {case}")), "{again}");
    told(&["resume", case], 13);
    let world = std::fs::read_to_string(path.join("world.json")).unwrap();
    let world: serde_json::Value = serde_json::from_str(&world).unwrap();
    let clock = Clock::starting_at(portcullis::sim::saved_at(&world).unwrap());
    let cloud = Cloud::load(&world, clock).unwrap();
    let quarantine = "444455556666/users/billing/attached/arn:aws:iam::aws:policy/AWSDenyAll";
    assert!(!cloud.snapshot().0.contains_key(quarantine), "{undone}");
    for reach in cloud.intruder_reach() {
        let cleared = reach.credential == "AKIAEXAMPLEHUNGON004";
        assert!(cleared != reach.allowed.is_empty(), "{}: {:?}", reach.credential, reach.allowed);
    }
}

fn one_report_is_made_of_all(case: &str) {
    let report: serde_json::Value =
        serde_json::from_slice(&portcullis(&["report", case, "--format", "json"]).stdout).unwrap();
    let summary = report["summary"].as_array().unwrap();
    assert_eq!(summary.len(), 5, "{summary:?}");
    let text = summary[0].as_str().unwrap();
    assert!(text.contains("3 accounts (111122223333, 222233334444, 444455556666)"), "{text}");
    let rows = report["accounts"].as_array().unwrap().iter();
    let rows: usize = rows.map(|one| one["ledger"].as_array().unwrap().len()).sum();
    assert!(
        summary[1].as_str().unwrap().starts_with(&format!("{rows} credentials")),
        "{summary:?}"
    );
    let times = report["timeline"].as_array().unwrap().iter();
    let times: Vec<&str> = times.map(|one| one["what"]["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.len() > 20, "{times:?}");
    for format in ["text", "markdown"] {
        let written = told(&["report", case, "--format", format], 0);
        for account in ["111122223333", "444455556666", "222233334444"] {
            assert!(
                written.contains(&format!("Every credential, in account {account}")),
                "{written}"
            );
        }
    }
}

/// `diff` of plans of several accounts.
fn compared_account_by_account(hosted: &Hosted) {
    let diff = |second: &str, code: i32| {
        ran(&mut bare(hosted.dir(), &["diff", "plan.json", second])).ended_with(code)
    };
    let same = diff("plan.json", 0).out;
    for account in ["Account 111122223333, ", "Account 444455556666, "] {
        assert!(same.contains(account), "{same}");
    }
    // Of the other account a survey of home says nothing.
    ran(&mut hosted.here(&["survey", "-o", "home.json"])).ended_with(0);
    let less = diff("home.json", 11).out;
    assert!(less.contains("0 appeared, 0 vanished, 0 changed"), "{less}");
    assert!(less.contains("444455556666: in the first alone\n"), "{less}");
    let mut as_json = bare(hosted.dir(), &["diff", "home.json", "plan.json", "--format", "json"]);
    let found: serde_json::Value =
        serde_json::from_str(&ran(&mut as_json).ended_with(11).out).unwrap();
    let apart = serde_json::json!([{"account": "444455556666", "in": "second", "beyond": false}]);
    assert_eq!(found["accounts_not_compared"], apart);
    assert_eq!(found["accounts"].as_array().unwrap().len(), 1);
}

/// What a playbook of several accounts asks is read in each of them, kept in one file, and gone on with.
fn surveyed_account_by_account(hosted: &Hosted, inputs: &[String]) {
    let ids = ["--external-id-of", "444455556666=e-4711"];
    let survey = |more: &[&str], code: i32| {
        let mut typed = hosted.here(&["survey", "p.yaml"]);
        ran(typed.args(ids).args(inputs).args(more)).ended_with(code)
    };
    let read = survey(&["-o", "both.json"], 0);
    for account in ["111122223333", "444455556666"] {
        assert!(read.out.contains(&format!("Inventory of account {account}")), "{}", read.out);
    }
    assert!(read.out.contains("AKIAEXAMPLEHUNGON002"), "{}", read.out);
    assert!(read.err.contains("Everything was read in 2 accounts"), "{}", read.err);
    let diff = |first: &str, second: &str, code: i32| {
        ran(&mut bare(hosted.dir(), &["diff", first, second])).ended_with(code).out
    };
    let same = diff("plan.json", "both.json", 0);
    assert!(!same.contains("not compared") && same.matches("Compared: ").count() == 2, "{same}");
    // What lies beyond the plan of one account is told, and keeps nothing from being the same.
    assert!(diff("both.json", "home.json", 11).contains("Accounts that are not compared"));

    // Nothing of either is read again; and without the playbook, nobody knows how to get there.
    let asked = hosted.cloud.audit().len();
    survey(&["--resume", "both.json"], 0);
    let who = |event: &portcullis::sim::AuditEvent| {
        !["GetCallerIdentity", "AssumeRole"].contains(&event.operation.as_str())
    };
    assert_eq!(hosted.cloud.audit()[asked..].iter().filter(|event| who(event)).count(), 0);
    let refused = ran(&mut hosted.here(&["survey", "--resume", "both.json"])).ended_with(5);
    assert!(refused.err.contains("of another account, too: 444455556666"), "{}", refused.err);

    // A gap is told of the account that it is in.
    let text = std::fs::read_to_string(hosted.dir().join("both.json")).unwrap();
    let mut each = SavedInventories::from_text(&text).unwrap().into_each();
    each[1].inventory.answers.retain(|_, _| false);
    let half = SavedInventories::new(each).unwrap().to_text();
    std::fs::write(hosted.dir().join("half.json"), half).unwrap();
    let half = diff("both.json", "half.json", 11);
    assert!(half.contains("Not comparable"), "{half}");
    survey(&["--resume", "half.json"], 0);
    assert!(!diff("both.json", "half.json", 0).contains("Not comparable"));

    // One that was taken out of the file leaves the others, and they are not all.
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["accounts"].as_array_mut().unwrap().pop();
    std::fs::write(hosted.dir().join("less.json"), file.to_string()).unwrap();
    let less = ran(&mut bare(hosted.dir(), &["diff", "both.json", "less.json"])).ended_with(5);
    assert!(less.err.contains("was changed after it was written"), "{}", less.err);
}

/// What is not read of one account is said of that one; what is read of the others is whole.
#[test]
fn what_a_survey_of_several_accounts_may_not_read_is_said_of_the_account() {
    let (before, there) = WORLD.split_once("  \"444455556666\":").unwrap();
    let admin = "        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    let deny = "        inline:\n          no: { Version: \"2012-10-17\", Statement: [{ Effect: Deny, Action: \"iam:ListSigningCertificates\", Resource: \"*\" }] }\n";
    let there = there.replacen(admin, &format!("{admin}{deny}"), 1);
    let hosted = Hosted::new(&format!("{before}  \"444455556666\":{there}"));
    std::fs::write(hosted.dir().join("p.yaml"), PLAYBOOK).unwrap();
    let mut survey = hosted.here(&["survey", "p.yaml", "-o", "both.json"]);
    let read = ran(survey.args(hosted.typed_inputs())).ended_with(10);
    let (home, other) = read.out.split_once("Inventory of account 444455556666").unwrap();
    assert!(!home.contains("Not read"), "{home}");
    assert!(other.contains("iam:ListSigningCertificates answered AccessDenied, "), "{other}");
    let said = "Not everything could be read in 444455556666.";
    assert!(read.err.contains(said), "{}", read.err);
    let again = read.err.split("then portcullis survey p.yaml ").nth(1).unwrap();
    assert!(again.contains("--resume both.json"), "{}", read.err);
}

/// The whole of it at an endpoint, as it is typed: planned, run, killed in the middle, gone on with, taken over, looked at
/// again and taken back. The other account asks for an external id, and the key hung on there is tried itself.
#[test]
fn several_accounts_at_an_endpoint_are_run_killed_resumed_taken_over_verified_and_kept_cut() {
    let trust = r#"role/incident-responder" }, Action: "sts:AssumeRole" }] }"#;
    let asks = r#"role/incident-responder" }, Action: "sts:AssumeRole", Condition: { StringEquals: { "sts:ExternalId": "e-4711" } } }] }"#;
    assert_eq!(WORLD.matches(trust).count(), 1);
    let hosted = Hosted::new(&WORLD.replace(trust, asks).replace("lag: 4s", "lag: 200ms"));
    std::fs::write(hosted.dir().join("p.yaml"), PLAYBOOK).unwrap();
    let ids = ["--external-id-of", "444455556666=e-4711"];
    let asked = |typed: &[&str]| {
        let mut command = hosted.here(typed);
        command.args(ids);
        command
    };
    let plan = ["plan", "p.yaml", "-o", "plan.json", "--margin", "1"];
    // The world is of now, and so is the leak.
    let leaked = hosted.cloud.now() - std::time::Duration::from_hours(5 * 24);
    let mut inputs = hosted.typed_inputs();
    inputs.retain(|input| !input.starts_with("-ileaked_at="));
    inputs.push(format!("-ileaked_at={leaked}"));
    let refused = ran(hosted.here(&plan).args(&inputs)).ended_with(5);
    assert!(refused.said().contains("--external-id-of ACCOUNT=ID"), "{}", refused.said());
    let planned = ran(asked(&plan).args(&inputs)).ended_with(0);
    assert!(planned.out.contains("--external-id-of 444455556666=ID"), "{}", planned.out);
    compared_account_by_account(&hosted);
    surveyed_account_by_account(&hosted, &inputs);
    let script = ran(asked(&["plan", "p.yaml", "--format", "aws-cli"]).args(&inputs)).ended_with(0);
    by_hand_in_each(&hosted, &script.out);
    for told in [&planned, &script] {
        assert!(!told.said().contains("e-4711"), "{}", told.said());
    }

    // A case that a crash kept from being begun is begun by saying yes to it.
    let text = std::fs::read_to_string(hosted.dir().join("plan.json")).unwrap();
    let plans = SavedPlans::from_text(&text).unwrap();
    let root = hosted.dir().join("cases");
    drop(portcullis::case::accounts::create(&root, "never", &plans, &[]).unwrap());
    let never = std::fs::read_dir(&root).unwrap().next().unwrap().unwrap().path();
    let never = never.strip_prefix(hosted.dir()).unwrap().to_str().unwrap().to_owned();
    for command in ["resume", "verify"] {
        let refused = ran(&mut asked(&[command, &never])).ended_with(5);
        assert!(refused.said().contains(&format!("portcullis run {never}")), "{}", refused.said());
    }
    let refused = ran(&mut asked(&["run", &never])).ended_with(5);
    assert!(refused.said().contains("not confirmed"), "{}", refused.said());
    std::fs::remove_dir_all(&root).unwrap();

    let from = hosted.cloud.requests();
    hosted.cloud.set_faults([(from + 90, Fault::StopAfter)]);
    let mut running = start(&mut asked(&["run", "plan.json", "--yes"]));
    assert!(hosted.until_stopped(&mut running), "it was at work by then");
    let killed = running.killed();
    assert_eq!(killed.code, None, "{}", killed.said());
    hosted.cloud.set_faults([]);
    let case = hosted.case();
    let case = case.to_str().unwrap();
    let resumed = ran(&mut asked(&["resume", case])).ended_with(0);
    assert!(resumed.said().contains("444455556666  done and proven"), "{}", resumed.said());
    ran(&mut asked(&["resume", case, "--take-over", "she went home"])).ended_with(0);

    let held = AccessKeyId::parse("AKIAEXAMPLEHUNGON002").unwrap();
    let held = hosted.cloud.credentials_of(&held);
    let document = serde_json::json!({
        "AccessKeyId": held.access_key_id, "SecretAccessKey": held.secret.expose(),
    });
    std::fs::write(hosted.dir().join("held.json"), document.to_string()).unwrap();
    let verify = asked(&["verify", case, "--no-trail", "--credential-fd", "3"]);
    let verified = ran(&mut with_descriptor(&verify, hosted.dir(), "held.json")).ended_with(0);
    let tried = |account: &str| {
        let journal = format!("{case}/accounts/{account}/journal.jsonl");
        let journal = std::fs::read_to_string(journal).unwrap();
        journal.contains("\"trying\"") && journal.contains("AKIAEXAMPLEHUNGON002\",\"last_used")
    };
    assert!(tried("444455556666") && !tried("111122223333"), "{}", verified.said());

    let undone = ran(&mut asked(&["undo", case, "--yes"])).ended_with(13);
    for reach in hosted.cloud.intruder_reach() {
        assert!(reach.allowed.is_empty(), "{reach:?} {}", undone.said());
    }
    for consumer in hosted.cloud.consumers() {
        assert!(consumer.works, "{}: {:?}", consumer.name, consumer.why);
    }
    let status = ran(&mut bare(hosted.dir(), &["status", case])).ended_with(0);
    assert!(status.out.contains("held"), "{}", status.out);
}

/// The script cuts what is of the account whose credentials it is run with, and says of the others how to get theirs.
fn by_hand_in_each(hosted: &Hosted, script: &str) {
    let bin = hosted.dir().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let aws = "#!/bin/sh\ncase \"$*\" in *get-caller-identity*) echo $WHO; exit;; esac\necho \"$*\" >>calls.$WHO\n";
    std::fs::write(bin.join("aws"), aws).unwrap();
    std::fs::write(hosted.dir().join("cut.sh"), script).unwrap();
    let calls = |who: &str| {
        let mut sh = std::process::Command::new("sh");
        let shell = "chmod +x bin/aws; PATH=\"$PWD/bin:$PATH\" sh cut.sh";
        let ran =
            sh.args(["-c", shell]).env("WHO", who).current_dir(hosted.dir()).output().unwrap();
        assert_eq!(ran.status.code(), Some(1), "others were left out");
        std::fs::read_to_string(hosted.dir().join(format!("calls.{who}"))).unwrap_or_default()
    };
    let (home, other) = (calls("111122223333"), calls("444455556666"));
    assert!(home.contains("attach-user-policy") && other.contains("attach-user-policy"));
    assert_ne!(home, other);
    assert_eq!(calls("999988887777"), "");
    let how = "sts assume-role --role-arn=arn:aws:iam::444455556666:role/";
    assert!(script.contains(how), "{script}");
}

/// The same command, with a file at descriptor 3.
fn with_descriptor(
    command: &std::process::Command,
    dir: &std::path::Path,
    file: &str,
) -> std::process::Command {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("exec \"$0\" \"$@\" 3<{file}")]);
    shell.arg(command.get_program()).args(command.get_args()).current_dir(dir).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
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
