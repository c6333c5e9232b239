//! The first cut, without a playbook: what it closes and what it leaves open, how soon it is made, and that whatever is
//! planned after it finds it in place.

use std::sync::{Arc, Mutex};

use portcullis::ids::{AccessKeyId, RoleName, UserName};
use portcullis::journal::Entry;
use portcullis::ledger::{Ledger, Row};
use portcullis::planning::Terms;
use portcullis::playbook::FirstCut;
use portcullis::run::{Ending, MadeBeside, undo_of};

use crate::cli::{Untouched, refused};
use crate::hosted::{Hosted, bare, cases_in, quick_world, ran, ran_typing};
use crate::stage::{self, Drawer, Kept, PLAYBOOK, Stage, Tape, WORLD, Witness, play};
use crate::verdict::{ACCOUNT, every_consumer_works, the_intruder_is_out};

const LEAKED: &str = "AKIAEXAMPLELEAKED001";
const HUNG: &str = "AKIAEXAMPLEHUNGON002";
const OWNER: &str = "ci-deploy";

fn owner() -> UserName {
    UserName::parse(OWNER).unwrap()
}

fn whole() -> FirstCut {
    FirstCut { users: [owner()].into(), reason: "leaked".to_owned(), ..FirstCut::default() }
}

async fn set(world: &str, cut: &FirstCut) -> Stage {
    Stage::set_on(world, &cut.text(), &Terms::default()).await.unwrap_or_else(|problems| {
        panic!("{}", portcullis::cli::diagnostics::text(&problems.into(), false))
    })
}

/// What the intruder's credentials still let him do.
fn still_work(stage: &Stage) -> Vec<String> {
    let reach = stage.cloud.intruder_reach().into_iter();
    reach.filter(|one| !one.allowed.is_empty()).map(|one| one.credential.clone()).collect()
}

fn written(stage: &Stage) -> Vec<(String, u64)> {
    let ours = stage.saved.plan.caller.as_str();
    let audit = stage.cloud.audit().into_iter();
    audit
        .filter(|event| event.writes && event.took_effect && event.principal == ours)
        .map(|event| (event.operation, event.request))
        .collect()
}

#[test]
fn each_cut_closes_what_it_names_and_the_first_write_comes_at_once() {
    let key = |id: &str| AccessKeyId::parse(id).unwrap();
    let narrow = FirstCut { keys: [(owner(), [key(LEAKED)].into())].into(), ..FirstCut::default() };
    let sessions = FirstCut { user_sessions: [owner()].into(), ..FirstCut::default() };
    for (cut, open) in [(whole(), &[][..]), (narrow, &[HUNG]), (sessions, &[HUNG, LEAKED])] {
        play(async {
            let stage = set(WORLD, &cut).await;
            let (surveyed, began) = (stage.cloud.requests(), stage.clock.now());
            let ending = stage.resume_to_the_end(1).await;
            assert_eq!(ending, Ending::NotProven, "{}", cut.text());
            let first = stage.cloud.audit().into_iter().find(|event| event.writes).unwrap();
            assert!(first.at.duration_since(began).as_secs() < 10, "{first:?}");
            let before = first.request - surveyed - 1;
            println!(
                "surveyed with {surveyed} calls; {before} between the yes and the first write"
            );
            assert!(before <= 2, "{before} calls before {first:?}");
            assert!(surveyed < 40, "{surveyed} calls for one principal");
            stage.let_it_settle().await;
            // Sessions that a key goes on minting are not those so far.
            let mut works = still_work(&stage);
            works.sort();
            assert_eq!(works, open, "{}", cut.text());
            let ledger = Ledger::of(&stage.plan(), &stage.state());
            let of_his = |row: &&Row| row.credential.user() == Some(&owner());
            assert_eq!(ledger.unaccounted().any(|row| of_his(&row)), !open.is_empty());
            let bystander = stage.cloud.consumers().into_iter();
            assert!(bystander.filter(|one| one.name == "nightly-backup").all(|one| one.works));
        });
    }
}

/// The playbook's case, begun in the world as the cut left it.
async fn with_the_playbook(stage: &Stage) -> Stage {
    let inputs = portcullis::sim::World::parse(WORLD).unwrap().rehearsal_inputs().clone();
    let saved = stage::plan(&stage.cloud, stage.clock, PLAYBOOK, &inputs, &stage::terms()).await;
    Stage {
        cloud: stage.cloud.clone(),
        clock: stage.clock,
        saved: saved.unwrap_or_else(|problems| {
            panic!("{}", portcullis::cli::diagnostics::text(&problems.into(), false))
        }),
        tape: Arc::new(Mutex::new(Tape::default())),
        witness: Witness::default(),
        given: Vec::new(),
        beside: MadeBeside::default(),
        rounds: Kept::default(),
        most: 0,
        drawer: Drawer::default(),
    }
}

#[test]
fn a_playbook_s_plan_finds_the_first_cut_in_place_and_cuts_nothing_twice() {
    play(async {
        let first = set(WORLD, &whole()).await;
        first.resume_to_the_end(1).await;
        let cut = written(&first).len();
        let second = with_the_playbook(&first).await;
        let already = |id: &str| second.saved.plan.change(&id.parse().unwrap()).unwrap().already;
        assert!(already("quarantine.1") && already("keys-off.1") && already("keys-off.2"));
        let ending = second.resume_to_the_end(1).await;
        assert_eq!(ending, Ending::NotProven, "{}", second.witness.0.lock().unwrap());
        let all = written(&second);
        let again = all[cut..].iter().map(|(operation, _)| operation.as_str());
        let again: Vec<&str> =
            again.filter(|one| ["AttachUserPolicy", "UpdateAccessKey"].contains(one)).collect();
        assert_eq!(again, [""; 0], "cut already");
        second.let_it_settle().await;
        the_intruder_is_out(&second);
        every_consumer_works(&second);
        assert!(second.state().changes.values().all(|change| !change.contested));

        // The first case is over, too: taking it back opens nothing that the second has not, and takes nothing from it.
        let before = second.cloud.snapshot();
        let next = undo_of(&first.newest(1), &first.state());
        first.keeps(&next);
        first.says_yes_to(&next).await;
        first.resume_to_the_end(1).await;
        first.let_it_settle().await;
        the_intruder_is_out(&second);
        every_consumer_works(&second);
        let changed = before.changes_to(&second.cloud.snapshot());
        assert!(changed.iter().all(|one| !one.contains("/keys/")), "{changed:?}");
    });
}

#[test]
fn what_was_cut_by_hand_or_by_aws_is_adopted_and_left_when_ours_is_taken_back() {
    let world = WORLD
        .replacen(
            "        groups: [deployers]\n",
            "        groups: [deployers]\n        attached: [\"arn:aws:iam::aws:policy/AWSDenyAll\", \
             \"arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3\"]\n",
            1,
        )
        .replacen(&format!("id: {LEAKED}"), &format!("id: {LEAKED}\n            status: inactive"), 1);
    // Whose own credentials do not end before the denies may go.
    let world = stage::with_somebody_else(&world)
        .replace("role: incident-responder }", "key: AKIAEXAMPLEADMIN0009 }");
    play(async {
        let stage = set(&world, &whole()).await;
        let plan = &stage.saved.plan;
        let already: Vec<&str> = plan
            .changes
            .iter()
            .filter(|change| change.already)
            .map(|change| change.id.as_str())
            .collect();
        assert_eq!(already, ["quarantine.1", "keys-off.2"]);
        let adopted = plan.untouched.iter().find(|one| one.what.contains("Quarantine")).unwrap();
        assert!(adopted.why.contains("AWS put it there"), "{adopted:?}");
        let before = stage.cloud.snapshot();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert_eq!(still_work(&stage), [""; 0]);
        for name in ["anna", "ben"] {
            let said = stage.said_by(name);
            let rows = Ledger::of(&stage.plan(), &stage.state()).rows.into_iter();
            let cleared =
                rows.map(|row| Entry::Cleared { credential: row.credential, said: said.clone() });
            stage.say(cleared.collect::<Vec<_>>()).await;
        }
        let next = undo_of(&stage.newest(1), &stage.state());
        stage.keeps(&next);
        stage.says_yes_to(&next).await;
        stage.resume_to_the_end(1).await;
        stage.clock.sleep(std::time::Duration::from_hours(37)).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven);
        stage.let_it_settle().await;
        let left = before.changes_to(&stage.cloud.snapshot());
        assert!(left.is_empty(), "ours is gone, and theirs is not: {left:#?}");
    });
}

#[test]
fn a_role_is_cut_with_its_sessions_or_its_sessions_alone() {
    let role = || [RoleName::parse("pipeline").unwrap()];
    let whole = FirstCut { roles: role().into(), ..FirstCut::default() };
    let sessions = FirstCut { role_sessions: role().into(), ..FirstCut::default() };
    let allowed = WORLD.replace(
        "\"iam:AttachUserPolicy\", \"iam:DetachUserPolicy\"]\n                Resource: \"arn:aws:iam::111122223333:user/*\"",
        "\"iam:AttachUserPolicy\", \"iam:DetachUserPolicy\", \"iam:AttachRolePolicy\"]\n                Resource: \"*\"",
    );
    let allowed = allowed
        .replace("- iam:PutUserPolicy\n", "- iam:PutUserPolicy\n                  - iam:PutRolePolicy\n")
        .replace("                  - iam:UpdateAccessKey\n                Resource: \"arn:aws:iam::111122223333:user/*\"", "                  - iam:UpdateAccessKey\n                Resource: \"*\"")
        .replace("- iam:GetUserPolicy\n", "- iam:GetUserPolicy\n                  - iam:GetRolePolicy\n                  - iam:ListAttachedRolePolicies\n");
    for (cut, pipeline_works) in [(whole, false), (sessions, true)] {
        play(async {
            let stage = set(&allowed, &cut).await;
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
            stage.let_it_settle().await;
            let consumers = stage.cloud.consumers();
            let pipeline = consumers.iter().find(|one| one.name == "deploy-pipeline").unwrap();
            assert_eq!(pipeline.works, pipeline_works, "{:?}", pipeline.why);
        });
    }
}

#[test]
fn on_the_command_line_it_is_asked_once_and_opens_a_case_like_any_other() {
    let world = Untouched::of(Hosted::new(&quick_world()));
    let hosted = &world.hosted;
    let cut = |args: &[&str]| hosted.here(&[&["cut", "--margin", "1"], args].concat());
    world.refuses_typed(5, &mut cut(&["--user", OWNER]), "444455556666\n", &["is not the account"]);
    world.refuses(2, &mut cut(&[]), &["--access-key"]);
    world.refuses(2, &mut cut(&["--user", OWNER, "--reason", " "]), &["--reason"]);
    world.refuses(5, &mut cut(&["--access-key", "AKIAEXAMPLENOBODYS01"]), &["has no access key"]);
    let log =
        ["cannot be told", "aws cloudtrail lookup-events", "AttributeValue=ASIAEXAMPLESESSION04"];
    for named in ["--session", "--access-key"] {
        world.refuses(5, &mut cut(&[named, "ASIAEXAMPLESESSION04"]), &log);
    }
    let federated = "arn:aws:sts::111122223333:federated-user/support";
    world.refuses(5, &mut cut(&["--session", federated]), &["GetFederationToken"]);
    let elsewhere = "arn:aws:sts::444455556666:assumed-role/pipeline/i-1";
    world.refuses(5, &mut cut(&["--session", elsewhere]), &["of account 444455556666"]);
    world.refuses(5, &mut cut(&["--role", "incident-responder", "--yes"]), &["incident-responder"]);
    let shown = ran(&mut cut(&["--access-key", LEAKED, "--narrow", "--dry-run"])).ended_with(0);
    for words in ["Stays open", HUNG, "portcullis cut --user=ci-deploy"] {
        assert!(shown.out.contains(words), "{words}: {}", shown.out);
    }
    assert!(
        !shown.out.contains("cuts; line "),
        "of a playbook that nobody has seen: {}",
        shown.out
    );
    assert!(cases_in(hosted.dir()).is_empty());

    let typed = format!("{ACCOUNT}\n");
    let done = ran_typing(&mut cut(&["--access-key", LEAKED]), &typed).ended_with(11);
    let last = done.out.trim_end().lines().next_back().unwrap();
    assert!(last.contains("portcullis plan PLAYBOOK"), "{}", done.out);
    let case = hosted.case();
    let case = case.to_str().unwrap();
    let kept = format!("{case}/playbook.yaml");
    ran(&mut bare(hosted.dir(), &["check", &kept])).ended_with(0);
    for command in ["status", "report"] {
        let told = ran(&mut bare(hosted.dir(), &[command, case])).ended_with(0);
        assert!(told.out.contains(LEAKED), "{}", told.out);
    }
    let back = ran(&mut hosted.here(&["undo", case, "--dry-run"])).ended_with(0);
    assert!(back.out.contains("activate"), "{}", back.out);
    // Nobody is asked twice to cut what is cut: it is found so.
    let again = ran(&mut cut(&["--user", OWNER, "--yes"])).ended_with(11);
    assert!(again.err.contains("ready") || again.err.contains("found"), "{}", again.err);
    refused(ran(&mut hosted.here(&["resume", case, "--take-over", ""])), 2, &["without a reason"]);
}
