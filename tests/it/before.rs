//! What an earlier case has cut beyond the plan that takes it up: nothing is handed out while it stands no more. And what a
//! case beside has issued.

use std::path::{Path, PathBuf};

use aws_sdk_iam::types::StatusType;
use portcullis::clock::Clock;
use portcullis::run::{Ending, MOST_ROUNDS};

use crate::hosted::{Hosted, Ran, bare, cases_in, in_real_time, quick_world, ran};
use crate::process::{copied, state_of};
use crate::stage::{
    self, PLAYBOOK, Stage, WORLD, play, somebody_else, somebody_with, with_somebody_else,
};
use crate::words::whoever_has_a_new_key;

const BACKUP: &str = "AKIAEXAMPLEBACKUP003";
const DENY: &str = "arn:aws:iam::aws:policy/AWSDenyAll";

/// A world in which a first case has cut `backup`; gives back the name of its directory too.
fn with_a_first_cut(world: &str) -> (Hosted, String) {
    let hosted = Hosted::new(&with_somebody_else(world));
    let cut = ["cut", "--user", "backup", "--reason", "to be sure", "--margin", "1", "--yes"];
    ran(&mut hosted.here(&cut)).ended_with(11);
    let first = hosted.case().to_str().unwrap().to_owned();
    (hosted, first)
}

/// Somebody switches the key of `backup` on or off.
fn switched(hosted: &Hosted, status: &StatusType) {
    hosted.meanwhile(async |iam| {
        let key = iam.update_access_key().user_name("backup").access_key_id(BACKUP);
        key.status(status.clone()).send().await.unwrap();
    });
}

/// The keys of the owner of the leaked one.
fn keys(hosted: &Hosted) -> Vec<String> {
    let all = hosted.cloud.snapshot().0.into_keys();
    all.filter(|key| key.contains("/users/ci-deploy/keys/")).collect()
}

#[test]
fn nothing_is_handed_out_while_what_an_earlier_case_has_cut_stands_no_more() {
    let (hosted, first) = with_a_first_cut(&quick_world());
    let folder = hosted.dir().join("playbooks/leaked-access-key");
    std::fs::create_dir_all(&folder).unwrap();
    let approved = PLAYBOOK.replace("steps:\n", "approvals: { rotate: 1 }\nsteps:\n");
    std::fs::write(folder.join("playbook.yaml"), approved).unwrap();
    let planned = ran(&mut hosted.plan(&["--gate", "settled", "--margin", "1"])).ended_with(0);
    let words = "beyond this plan is looked at before anything is handed out";
    assert!(planned.err.contains(words), "{}", planned.said());
    // What stands open there and is a row of this plan too is seen to by this one: that case is not gone on with.
    assert!(!planned.err.contains("stands open in"), "{}", planned.said());

    // Between the cases.
    switched(&hosted, &StatusType::Active);
    let had = keys(&hosted);
    let held = ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(13);
    let cases = cases_in(hosted.dir());
    let second = cases.iter().find(|case| !case.ends_with(&first)).unwrap().to_str().unwrap();
    let told = |said: &Ran| {
        let name = first.rsplit('/').next().unwrap();
        for words in [
            &format!("of the earlier case {name} stands no more"),
            &format!("unaccounted   access key {BACKUP} of backup"),
            &format!("--endpoint-url {} {BACKUP} ", hosted.url),
        ] {
            assert!(said.said().contains(words), "{words}\n{}", said.said());
        }
        assert_eq!(keys(&hosted), had, "nothing is handed out");
    };
    told(&held);
    told(&ran(&mut hosted.here(&["verify", second, "--no-trail"])).ended_with(13));

    // That case is not where it was.
    let (at, away) = (hosted.dir().join(&first), hosted.dir().join("away"));
    std::fs::rename(&at, &away).unwrap();
    let lost = ran(&mut hosted.here(&["resume", second])).ended_with(13);
    assert!(lost.out.contains("is not to be found or read"), "{}", lost.said());
    std::fs::rename(&away, &at).unwrap();

    // It stands again; and another does not any more when somebody has said yes to what comes behind the gate.
    switched(&hosted, &StatusType::Inactive);
    ran(&mut hosted.here(&["resume", second])).ended_with(6);
    hosted.meanwhile(async |iam| {
        iam.detach_user_policy().user_name("backup").policy_arn(DENY).send().await.unwrap();
    });
    ran(&mut hosted.here(&["approve", second, "rotate", "--reason", "go on"])).ended_with(0);
    told(&ran(&mut hosted.here(&["resume", second])).ended_with(13));

    hosted.meanwhile(async |iam| {
        iam.attach_user_policy().user_name("backup").policy_arn(DENY).send().await.unwrap();
    });
    let ended = ran(&mut hosted.here(&["resume", second])).ended_with(11);
    assert!(ended.out.contains("Cut by earlier cases, beyond this plan"), "{}", ended.said());
    assert_ne!(keys(&hosted), had);

    // Each is told of the other, and since when somebody knew is told by the first.
    let report = |of: &str| ran(&mut bare(hosted.dir(), &["report", of])).ended_with(0).out;
    let (one, other) = (report(&first), report(second));
    let opened = |report: &str| {
        let (_, at) = report.split_once("aware since ").unwrap();
        at[.."2026-03-24 07:10:00 UTC".len()].to_owned()
    };
    assert_eq!(opened(&one), opened(&other), "{other}");
    assert!(
        other.contains(&format!("when {first} was opened, the first of these cases")),
        "{other}"
    );
    assert!(other.contains("was taken up by this case"), "{other}");
    assert!(
        one.contains(&format!("{second} (")) && one.contains("has taken this case up"),
        "{one}"
    );

    // What is said of the one that was taken up is heard by nobody who goes on with the other.
    let waive = ["waive", &first, "user/backup", "--until", "7d", "--reason", "x"];
    let said = ran(&mut hosted.here(&waive)).ended_with(0);
    let next = said.out.split("Next: ").nth(1).unwrap();
    assert!(
        next.starts_with("what is said here is said of this case alone, and ")
            && next.contains("has taken this case up")
            && next.contains("portcullis resume "),
        "{next}"
    );

    // It is not this one's to take back.
    ran(&mut hosted.here(&["undo", second, "--yes"])).ended_with(13);
    let backup = hosted.cloud.snapshot().0.into_iter();
    let backup: Vec<_> = backup.filter(|(key, _)| key.contains("/users/backup/")).collect();
    let stands =
        |what: &str| backup.iter().any(|(key, value)| format!("{key} {value}").contains(what));
    assert!(stands("AWSDenyAll") && stands("Inactive"), "{backup:?}");
}

/// It was refused, or whoever made it never came to see it: nobody took it off, and nobody is accused of that.
#[test]
fn what_an_earlier_case_has_begun_to_cut_and_never_seen_is_told_as_that() {
    let may = "        inline:\n          rotate:";
    let not = "        inline:\n          no: { Version: \"2012-10-17\", Statement: [{ Effect: Deny, Action: \"iam:UpdateAccessKey\", Resource: \"arn:aws:iam::111122223333:user/*backup\" }] }\n          rotate:";
    let world = quick_world();
    assert!(world.contains(may));
    let world = world.replacen(may, not, 1);
    let hosted = Hosted::new(&with_somebody_else(&world));
    let cut = ["cut", "--user", "backup", "--reason", "to be sure", "--margin", "1", "--yes"];
    ran(&mut hosted.here(&cut)).ended_with(13);
    let first = hosted.case().to_str().unwrap().to_owned();
    ran(&mut hosted.plan(&["--gate", "settled", "--margin", "1"])).ended_with(0);
    let had = keys(&hosted);
    let held = ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(13);
    assert_eq!(keys(&hosted), had, "nothing is handed out");
    let second = behind(&hosted, &first);
    let report = ran(&mut bare(hosted.dir(), &["report", second.to_str().unwrap()])).ended_with(0);
    for said in [&held.out, &report.out] {
        assert!(said.contains("never seen to stand"), "{said}");
        assert!(!said.to_lowercase().contains("stands no more"), "{said}");
        assert!(!said.contains("still inside"), "{said}");
    }
    let again = format!("--endpoint-url {} {BACKUP} ", hosted.url);
    assert!(held.said().contains(&again), "{}", held.said());

    // Once it was seen to stand, whoever takes it off is inside.
    switched(&hosted, &StatusType::Inactive);
    ran(&mut hosted.here(&["resume", second.to_str().unwrap()])).ended_with(11);
    switched(&hosted, &StatusType::Active);
    let held = ran(&mut hosted.here(&["resume", second.to_str().unwrap()])).ended_with(13);
    assert!(held.out.contains("stands no more"), "{}", held.said());
    assert!(held.out.contains("still inside"), "{}", held.said());
}

/// Somebody takes the quarantine of `backup` off.
fn let_in(hosted: &Hosted) {
    hosted.meanwhile(async |iam| {
        iam.detach_user_policy().user_name("backup").policy_arn(DENY).send().await.unwrap();
    });
}

/// The case that was begun behind `first`.
fn behind(hosted: &Hosted, first: &str) -> PathBuf {
    let cases = cases_in(hosted.dir());
    let is_it = |case: &&PathBuf| !case.ends_with(first) && !case.ends_with("0-copy");
    cases.iter().find(is_it).unwrap().clone()
}

/// Neither because whose cut it is has seen that too, nor because an old copy of that case lies beside it.
#[test]
fn a_cut_that_stands_no_more_is_off_until_it_is_seen_to_stand_or_its_case_is_closed() {
    let (hosted, first) = with_a_first_cut(&quick_world());
    ran(&mut hosted.plan(&["--gate", "settled", "--margin", "1"])).ended_with(0);
    let old = hosted.dir().join("cases/0-copy");
    copied(Path::new(&first), &old);
    let journal = std::fs::read_to_string(old.join("journal.jsonl")).unwrap();
    let begun: String = journal.split_inclusive('\n').take(2).collect();
    std::fs::write(old.join("journal.jsonl"), begun).unwrap();
    let_in(&hosted);
    let had = keys(&hosted);
    ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(13);
    assert_eq!(keys(&hosted), had, "the old copy is not what the case has come to");
    std::fs::remove_dir_all(&old).unwrap();

    ran(&mut hosted.here(&["verify", &first, "--no-trail"])).ended_with(13);
    let second = behind(&hosted, &first);
    let case = second.to_str().unwrap();
    ran(&mut hosted.here(&["resume", case])).ended_with(13);
    assert_eq!(keys(&hosted), had, "nothing is handed out");

    ran(&mut hosted.here(&["close", &first, "--reason", "backup is rightly let in"])).ended_with(0);
    ran(&mut hosted.here(&["resume", case])).ended_with(11);
    assert_ne!(keys(&hosted), had);
    assert_eq!(state_of(&second).before.unwrap().back, None, "nobody saw it stand again");
    let told = ran(&mut bare(hosted.dir(), &["report", case])).ended_with(0);
    assert!(told.out.contains(": that case was closed"), "{}", told.said());
    assert!(!told.out.contains("seen to stand"), "{}", told.said());
}

#[test]
fn a_copy_of_a_case_is_no_way_around_whoever_stands_on_it() {
    let (hosted, first) = with_a_first_cut(&quick_world());
    let copy = hosted.dir().join("cases/0-copy");
    copied(Path::new(&first), &copy);
    let copy = copy.to_str().unwrap();
    ran(&mut hosted.plan(&["--gate", "settled", "--margin", "1"])).ended_with(0);
    ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(11);
    let before = hosted.cloud.snapshot();
    for case in [&*first, copy] {
        ran(&mut hosted.here(&["undo", case, "--yes"])).ended_with(5);
        ran(&mut hosted.here(&["resume", case])).ended_with(5);
    }
    assert_eq!(before.changes_to(&hosted.cloud.snapshot()), [""; 0]);

    // Which of two that went on differently is the case, nobody knows.
    for case in [&*first, copy] {
        ran(&mut hosted.here(&["verify", case, "--no-trail"])).ended_with(11);
    }
    let second = behind(&hosted, &first);
    let lost = ran(&mut hosted.here(&["resume", second.to_str().unwrap()])).ended_with(13);
    assert!(lost.out.contains("and went on differently"), "{}", lost.said());
    for case in [&*first, copy] {
        ran(&mut hosted.here(&["undo", case, "--yes"])).ended_with(5);
    }
    let journal = Path::new(&first).join("journal.jsonl");
    std::fs::write(journal, "not a line\nnor this\n").unwrap();
    ran(&mut hosted.here(&["resume", second.to_str().unwrap()])).ended_with(13);
    assert_eq!(before.changes_to(&hosted.cloud.snapshot()), [""; 0]);
}

/// A disk has lost what it did: nobody knows what it stands on, and nothing is planned as if it had never been.
#[test]
fn a_case_whose_journal_has_no_line_left_keeps_the_gate_shut_for_whoever_is_planned_behind_it() {
    let (hosted, first) = with_a_first_cut(&quick_world());
    let journal = Path::new(&first).join("journal.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    let had = keys(&hosted);
    for (n, left) in [Some(vec![0; whole.len()]), Some(Vec::new()), None].iter().enumerate() {
        match left {
            Some(bytes) => std::fs::write(&journal, bytes).unwrap(),
            None => std::fs::remove_file(&journal).unwrap(),
        }
        let planned = ran(&mut hosted.plan(&["--gate", "settled", "--margin", "1"]));
        let planned = planned.ended_with(0).said();
        assert!(planned.contains("its journal has no line"), "{n}: {planned}");
        let held = ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(13);
        assert!(held.out.contains("its journal has no line"), "{n}: {}", held.said());
        assert_eq!(keys(&hosted), had, "{n}: nothing is handed out");
        std::fs::remove_dir_all(behind(&hosted, &first)).unwrap();
        std::fs::remove_file(hosted.dir().join("plan.json")).unwrap();
    }
}

/// Whoever was let in again meanwhile has minted sessions that are younger than their deny.
#[test]
fn sessions_that_were_had_while_a_cut_of_an_earlier_case_was_off_are_denied_behind_it() {
    let roles = "    roles:\n";
    let hop = "      hop:\n        trust: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Principal: { AWS: \"arn:aws:iam::111122223333:user/ops/backup\" }, Action: \"sts:AssumeRole\" }] }\n        attached: [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]\n";
    let may = "        inline:\n          write-backups:\n";
    let assumes = "        inline:\n          assumes: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Action: \"sts:AssumeRole\", Resource: \"*\" }] }\n          write-backups:\n";
    let responder = "      incident-responder:\n        path: /ir/\n";
    let admin = "        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    let world = quick_world().replacen(roles, &format!("{roles}{hop}"), 1);
    assert!(world.contains(may) && world.contains(responder));
    let world = world.replacen(responder, &format!("{responder}{admin}"), 1);
    let (hosted, first) = with_a_first_cut(&world.replacen(may, assumes, 1));
    let text = "portcullis: 1\nname: hop\ntitle: Sessions of a role are ended\nmode: breach\nsteps:\n  - { id: hop-off, phase: contain, uses: iam.role.revoke-sessions, with: { role: hop } }\n";
    std::fs::write(hosted.dir().join("p.yaml"), text).unwrap();
    let plan = ["plan", "p.yaml", "-o", "plan.json", "--gate", "settled", "--margin", "1"];
    ran(&mut hosted.here(&plan)).ended_with(0);
    ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(11);
    let cases = cases_in(hosted.dir());
    let second = cases.iter().find(|case| !case.ends_with(&first)).unwrap().to_str().unwrap();

    switched(&hosted, &StatusType::Active);
    hosted.meanwhile(async |iam| {
        iam.detach_user_policy().user_name("backup").policy_arn(DENY).send().await.unwrap();
    });
    let with = |key: &str| somebody_with(key, &hosted.cloud, Clock::system());
    let asks =
        async |key: &str| aws_sdk_iam::Client::new(&with(key)).list_users().send().await.is_ok();
    let his = in_real_time(async {
        // As soon as it is enforced that he may.
        let is_let_in = async {
            loop {
                let role = "arn:aws:iam::111122223333:role/hop";
                if let Ok(session) = stage::assume(&with(BACKUP), role).await {
                    break session;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), is_let_in).await.unwrap()
    });
    ran(&mut hosted.here(&["verify", second, "--no-trail"])).ended_with(13);
    // Where nothing waits behind the gate, it is the last look that says so.
    ran(&mut hosted.here(&["resume", second])).ended_with(13);
    let told = ran(&mut bare(hosted.dir(), &["report", second])).ended_with(0);
    let left = told.out.split("Deadlines").next().unwrap();
    assert!(left.contains("of the earlier case "), "{}", told.said());
    switched(&hosted, &StatusType::Inactive);
    hosted.meanwhile(async |iam| {
        iam.attach_user_policy().user_name("backup").policy_arn(DENY).send().await.unwrap();
    });
    assert!(in_real_time(asks(&his)), "he has it still");
    ran(&mut hosted.here(&["resume", second])).ended_with(11);
    assert!(!in_real_time(asks(&his)), "he is still inside");
}

/// A key that a case beside has issued is nobody who has come, until its user is cut: then it is cut like any other of his.
#[test]
fn a_user_whom_a_later_round_cuts_is_not_held_for_a_key_that_another_case_has_issued_to_him() {
    play(async {
        let mut stage = Stage::set(&with_somebody_else(WORLD), &whoever_has_a_new_key()).await;
        stage.most = MOST_ROUNDS;
        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let old = other.delete_access_key().user_name("backup").access_key_id(BACKUP);
        old.send().await.unwrap();
        let made = async || {
            let made = other.create_access_key().user_name("backup").send().await.unwrap();
            made.access_key.unwrap().access_key_id
        };
        let issued = made().await;
        stage.beside.issued.insert(issued.parse().unwrap(), "backup".parse().unwrap());
        made().await;
        let mut ending = stage.resume_to_the_end(1).await;
        while let Ending::Asking { .. } = ending {
            stage.says_yes_to(&stage.newest(stage.state().round() + 1)).await;
            ending = stage.resume_to_the_end(1).await;
        }
        assert_eq!(ending, Ending::NotProven, "{}", stage.witness.0.lock().unwrap());
        let keys = stage.cloud.snapshot().0;
        let mut keys = keys.iter().filter(|(key, _)| key.contains("users/backup/keys/"));
        assert!(keys.all(|(_, status)| status == "Inactive"));
    });
}
