//! A plan does not cut what its own run stands on, unless somebody has said so; then it is on record.

use portcullis::diagnostic::{Code, Diagnostic};
use portcullis::ids::{AccessKeyId, Arn, Principal, RoleName};
use portcullis::inventory::{Caller, Origin};
use portcullis::journal::{self, Entry};
use portcullis::plan::{Barrier, Credential, Effect, Subject};
use portcullis::planning::{self, Terms};
use portcullis::run::Ending;

use crate::stage::{self, PLAYBOOK, Stage, WORLD, play, terms};

const VICTIM: &str = "arn:aws:iam::111122223333:user/ci/ci-deploy";
const BYSTANDER: &str = "arn:aws:iam::111122223333:user/ops/backup";

/// The shipped world, in which the responder's role trusts exactly these.
fn trusting(principals: &str) -> String {
    let outside = "{ AWS: \"arn:aws:iam::999988887777:root\" }";
    let world = WORLD.replace(outside, principals);
    assert_ne!(world, WORLD);
    world
}

/// The shipped world, in which the responder is the victim himself.
fn as_the_victim() -> String {
    let role = "responder: { account: \"111122223333\", role: incident-responder }";
    let key = "responder: { account: \"111122223333\", key: AKIAEXAMPLELEAKED001 }";
    let admin = "        groups: [deployers]\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    WORLD.replace(role, key).replace("        groups: [deployers]\n", admin)
}

fn refused(world: &str, terms: &Terms) -> Diagnostic {
    let set = play(Stage::set_on(world, PLAYBOOK, terms));
    let Err(problems) = set else { panic!("it was planned") };
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    assert_eq!(problem.code, Code::LockOut);
    problem.clone()
}

#[test]
fn the_path_that_would_be_cut_is_shown_with_the_ways_out_and_the_last_of_them_last() {
    let problem = refused(&as_the_victim(), &terms());
    let path = format!("this run, as {VICTIM} <- user ci-deploy <- cut by quarantine.1 (line ");
    assert!(problem.message.contains(&path), "{}", problem.message);
    let help = problem.help.unwrap();
    let ways = ["break-glass", "--role-arn", "cut less", &format!("--accept-lockout {VICTIM}")];
    let places: Vec<usize> = ways.iter().map(|way| help.find(way).unwrap()).collect();
    assert!(places.is_sorted(), "{help}");
}

#[test]
fn a_role_that_only_users_in_scope_can_assume_is_theirs() {
    let problem = refused(&trusting(&format!("{{ AWS: \"{VICTIM}\" }}")), &terms());
    assert!(
        problem.message.contains("role incident-responder <- only users in scope may assume it")
    );
    // Somebody else may be behind it: then it is a warning.
    for others in [
        format!("{{ AWS: [\"{VICTIM}\", \"{BYSTANDER}\"] }}"),
        "{ AWS: \"arn:aws:iam::111122223333:root\" }".to_owned(),
        format!("{{ AWS: \"{VICTIM}\", Service: ec2.amazonaws.com }}"),
    ] {
        let stage = play(Stage::set(&trusting(&others), PLAYBOOK));
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(warned.contains("may have been assumed by user ci-deploy"), "{others}: {warned}");
    }
    let stage = play(Stage::set(WORLD, PLAYBOOK));
    assert!(!stage.saved.plan.warnings.join("\n").contains("may have been assumed"));
}

#[test]
fn what_the_credentials_were_got_with_counts() {
    let world = trusting(&format!("{{ AWS: [\"{VICTIM}\", \"{BYSTANDER}\"] }}"));
    let stage = play(Stage::set(&world, PLAYBOOK));
    let (plan, inventory) = (&stage.saved.plan, &stage.saved.inventory);
    let from = |arn: Option<&str>, key: Option<&str>| Caller {
        came_from: vec![origin("profile base", arn, key)],
        ..inventory.caller.clone()
    };
    let asked = |caller: Caller| planning::refuse_lock_out(plan, inventory, &caller, &|_| None);
    for caller in [from(Some(VICTIM), None), from(None, Some("AKIAEXAMPLEHUNGON002"))] {
        let problem = asked(caller).unwrap_err();
        let path = "role incident-responder <- profile base <- user ci-deploy <- cut by";
        assert!(problem.message.contains(path), "{}", problem.message);
    }
    // Known to be somebody else: nothing to warn of.
    assert_eq!(asked(from(Some(BYSTANDER), None)).unwrap(), [] as [&str; 0]);
}

/// The shipped world with a role on the way to the responder's, which the victim alone may assume.
fn with_a_hop() -> String {
    let hop = format!(
        "    roles:\n      hop:\n        trust: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: \
         {{ AWS: \"{VICTIM}\" }}, Action: \"sts:AssumeRole\" }}] }}\n"
    );
    let world = WORLD.replacen("    roles:\n", &hop, 1);
    assert_ne!(world, WORLD);
    world
}

fn origin(how: &str, arn: Option<&str>, key: Option<&str>) -> Origin {
    Origin {
        how: how.to_owned(),
        arn: arn.map(|arn| Arn::parse(arn).unwrap()),
        access_key_id: key.map(|key| AccessKeyId::parse(key).unwrap()),
    }
}

const HOP: &str = "arn:aws:iam::111122223333:role/hop";
const SESSION_OF_HOP: &str = "arn:aws:sts::111122223333:assumed-role/hop/me";

#[test]
fn every_role_on_the_way_counts_and_so_does_whoever_is_behind_the_last() {
    let stage = play(Stage::set(&with_a_hop(), PLAYBOOK));
    let inventory = &stage.saved.inventory;
    let mut plan = stage.saved.plan.clone();
    let from = |came_from| Caller { came_from, ..inventory.caller.clone() };
    // Nobody is known to be behind the hop, and nobody but the victim may be.
    let last = from(vec![origin("credentials of hop/me", Some(SESSION_OF_HOP), None)]);
    let problem = planning::refuse_lock_out(&plan, inventory, &last, &|_| None).unwrap_err();
    let path = "role incident-responder <- credentials of hop/me <- role hop <- only users in scope may assume it <- \
                user ci-deploy <- cut by quarantine.1";
    assert!(problem.message.contains(path), "{}", problem.message);
    // A bystander's key is known to be behind it.
    let known = from(vec![
        origin("profile hop", Some(HOP), None),
        origin("profile base", None, Some("AKIAEXAMPLEBACKUP003")),
    ]);
    assert_eq!(
        planning::refuse_lock_out(&plan, inventory, &known, &|_| None).unwrap(),
        [] as [&str; 0]
    );
    // The hop itself is cut: what is behind it does not matter.
    let role = RoleName::parse("hop").unwrap();
    plan.changes[0].effects.push(Effect::Cuts {
        subject: Subject::Principal { principal: Principal::Role(role) },
        barrier: Barrier::Quarantine,
    });
    let problem = planning::refuse_lock_out(&plan, inventory, &known, &|_| None).unwrap_err();
    let path = "role incident-responder <- profile hop <- role hop <- cut by quarantine.1";
    assert!(problem.message.contains(path), "{}", problem.message);
    assert!(problem.help.unwrap().ends_with(&format!("--accept-lockout {HOP}")));
}

#[test]
fn break_glass_is_left_standing_with_all_that_it_stands_on() {
    let stage = play(Stage::set(&with_a_hop(), PLAYBOOK));
    let (plan, inventory) = (&stage.saved.plan, &stage.saved.inventory);
    let glass = |arn: &str| Caller {
        break_glass: vec![origin("break-glass", Some(arn), None)],
        ..inventory.caller.clone()
    };
    for (arn, path) in [
        (VICTIM, "break-glass <- user ci-deploy <- cut by quarantine.1"),
        (SESSION_OF_HOP, "break-glass <- role hop <- only users in scope may assume it <- user"),
    ] {
        let problem =
            planning::refuse_lock_out(plan, inventory, &glass(arn), &|_| None).unwrap_err();
        assert_eq!(problem.code, Code::LockOut);
        assert!(problem.message.contains(path), "{}", problem.message);
        let help = problem.help.unwrap();
        let ways = ["cut less", "doctor --break-glass", &format!("--accept-lockout {VICTIM}")];
        let places: Vec<usize> = ways.iter().map(|way| help.find(way).unwrap()).collect();
        assert!(places.is_sorted(), "{help}");
    }
    planning::refuse_lock_out(plan, inventory, &glass(BYSTANDER), &|_| None).unwrap();
    let mut plan = plan.clone();
    plan.accepted_lockouts.push(Arn::parse(VICTIM).unwrap());
    let warned = planning::refuse_lock_out(&plan, inventory, &glass(VICTIM), &|_| None).unwrap();
    assert!(warned[0].contains("cuts break-glass, and that was accepted"), "{warned:?}");
}

#[test]
fn a_user_is_lost_with_the_credential_that_is_in_use_and_not_with_another_of_his() {
    let stage = play(Stage::set(WORLD, PLAYBOOK));
    let (inventory, mut plan) = (&stage.saved.inventory, stage.saved.plan.clone());
    let (used, other) = ("AKIAEXAMPLEHUNGON002", "AKIAEXAMPLELEAKED001");
    let cut = |subject: Subject| Effect::Cuts { subject, barrier: Barrier::Inactive };
    let user = portcullis::ids::UserName::parse("ci-deploy").unwrap();
    let credential = |credential| cut(Subject::Credential { credential });
    let key = |id: &str| {
        let id = AccessKeyId::parse(id).unwrap();
        credential(Credential::AccessKey { id, user: user.clone() })
    };
    let sessions = credential(Credential::Sessions { user: user.clone() });
    let whole = cut(Subject::Principal { principal: Principal::User(user.clone()) });
    let signs = |key: Option<&str>| vec![origin("break-glass", Some(VICTIM), key)];
    let with_session = vec![
        origin("break-glass", Some(VICTIM), Some("ASIAEXAMPLESESSION04")),
        origin("key of profile base", None, Some(used)),
    ];
    let not_known = "which of his credentials is in use is not known";
    for (effects, glass, refused) in [
        (vec![key(other)], signs(Some(used)), None),
        (vec![key(other), sessions.clone()], signs(Some(used)), None),
        (vec![key(used)], signs(Some(used)), Some("user ci-deploy <- cut by")),
        (vec![key(other), whole], signs(Some(used)), Some("user ci-deploy <- cut by")),
        (vec![key(other)], signs(None), Some(not_known)),
        (vec![key(other)], signs(Some("ASIAEXAMPLESESSION04")), Some(not_known)),
        (vec![key(other)], with_session.clone(), None),
        (vec![sessions], with_session.clone(), Some("break-glass <- user ci-deploy <- cut by")),
        (vec![key(used)], with_session, Some("key of profile base <- user ci-deploy <- cut by")),
    ] {
        for change in &mut plan.changes {
            change.effects.clear();
        }
        plan.changes[0].effects.clone_from(&effects);
        plan.principals = vec![Principal::User(user.clone())];
        let caller = Caller { break_glass: glass, ..inventory.caller.clone() };
        let asked = planning::refuse_lock_out(&plan, inventory, &caller, &|_| None);
        match (refused, asked) {
            (None, asked) => drop(asked.unwrap()),
            (Some(path), asked) => {
                let problem = asked.expect_err(path);
                assert!(problem.message.contains(path), "{}", problem.message);
                assert!(problem.help.unwrap().contains("another key of it"));
            }
        }
    }
}

/// Roles one after the other, each of which the one behind it alone may assume; the last trusts `last`.
fn with_hops(last: &str) -> String {
    let trust = |who: &str| {
        format!(
            "trust: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: {who}, Action: \"sts:AssumeRole\" }}] }}"
        )
    };
    let second = "{ AWS: \"arn:aws:sts::111122223333:assumed-role/second/night\" }";
    let hops = format!(
        "    roles:\n      first:\n        {}\n      second:\n        {}\n",
        trust(second),
        trust(last)
    );
    trusting("{ AWS: \"arn:aws:iam::111122223333:role/first\" }").replacen("    roles:\n", &hops, 1)
}

#[test]
fn trust_is_followed_from_role_to_role() {
    let problem = refused(&with_hops(&format!("{{ AWS: \"{VICTIM}\" }}")), &terms());
    let through = "only those whom the plan cuts off may come to it";
    let path = format!(
        "role incident-responder <- {through} <- role first <- {through} <- role second <- only users in scope may assume \
         it <- user ci-deploy <- cut by"
    );
    assert!(problem.message.contains(&path), "{}", problem.message);
    // A ring of roles that nobody can come into but who is cut.
    let ring = format!("{{ AWS: [\"{VICTIM}\", \"arn:aws:iam::111122223333:role/first\"] }}");
    refused(&with_hops(&ring), &terms());
    // Somebody else may come that way: then it is a warning.
    for others in [
        format!("{{ AWS: [\"{VICTIM}\", \"{BYSTANDER}\"] }}"),
        format!("{{ AWS: \"{VICTIM}\", Service: ec2.amazonaws.com }}"),
    ] {
        let stage = play(Stage::set(&with_hops(&others), PLAYBOOK));
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(warned.contains("may have been assumed by user ci-deploy"), "{others}: {warned}");
    }
}

#[test]
fn sessions_of_the_caller_s_own_permission_set_are_its_own() {
    let name = "AWSReservedSSO_Incident_Response_0123456789abcdef";
    let world = WORLD.replace("incident-responder", name);
    let stage = play(Stage::set(&world, PLAYBOOK));
    let mut plan = stage.saved.plan.clone();
    let inventory = &stage.saved.inventory;
    planning::refuse_lock_out(&plan, inventory, &inventory.caller, &|_| None).unwrap();
    let role = RoleName::parse(name).unwrap();
    plan.changes[0].effects.push(Effect::Cuts {
        subject: Subject::Credential { credential: Credential::RoleSessions { role } },
        barrier: Barrier::SessionsFirstPass,
    });
    let problem =
        planning::refuse_lock_out(&plan, inventory, &inventory.caller, &|_| None).unwrap_err();
    let path =
        "permission set Incident_Response, signed in to as portcullis <- cut by quarantine.1";
    assert!(problem.message.contains(path), "{}", problem.message);
}

#[test]
fn a_lock_out_that_is_accepted_is_part_of_the_plan_and_of_the_record() {
    let world = as_the_victim();
    let accepted =
        |arn: &str| Terms { accepted_lockouts: vec![Arn::parse(arn).unwrap()], ..terms() };
    refused(&world, &accepted(BYSTANDER));
    // And where nothing is cut off, there is nothing to accept: a slip of the finger would be on record.
    let nothing = play(Stage::set_on(WORLD, PLAYBOOK, &accepted(BYSTANDER)));
    let Err(problems) = nothing.map(|_| ()) else { panic!("it was planned") };
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    assert!(problem.message.contains(&format!("{BYSTANDER} accepts nothing")), "{problem:?}");
    play(async {
        let stage = Stage::set_on(&world, PLAYBOOK, &accepted(VICTIM)).await.unwrap();
        let playbook = stage::read(PLAYBOOK);
        assert!(planning::follows(&stage.saved, None, &playbook), "a saved plan with it is taken");
        let mut without = stage.saved.clone();
        without.plan.accepted_lockouts.clear();
        assert!(
            !planning::follows(&without, None, &playbook),
            "and not one from which it was taken out"
        );
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(warned.contains("and that was accepted"), "{warned}");
        let (plan, inventory) = (&stage.saved.plan, &stage.saved.inventory);
        assert!(planning::is_cut_off(plan, inventory, &inventory.caller), "and cut he is");
        let ending = stage.resume_to_the_end(1).await;
        let Ending::Stopped(why) = &ending else { panic!("{ending:?}") };
        let ways = "get fresh ones, or go on with others: the plan may have cut them";
        assert!(why[0].contains(ways), "{why:?}");
        let bytes = stage.tape.lock().unwrap().bytes.clone();
        let recorded =
            journal::decode(&bytes).unwrap().lines.into_iter().flat_map(|line| line.entries);
        let on_record = recorded.into_iter().any(|entry| {
            matches!(entry, Entry::Started { accepted_lockouts, .. }
                if accepted_lockouts.iter().any(|arn| arn.as_str() == VICTIM))
        });
        assert!(on_record);
    });
}
