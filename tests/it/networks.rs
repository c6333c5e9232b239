//! The office stays open, remote is closed: a restriction, and what it does not count for.

use portcullis::ledger::{Ledger, Standing};
use portcullis::plan::Credential;
use portcullis::run::{Ending, MOST_ROUNDS};

use crate::stage::{Stage, play, terms, told};
use crate::verdict::no_effect_came_without_its_intent;

/// Staff with a key each; one works in the office, one at home, one from a VPC. The intruder has two of the keys.
pub(crate) fn world(intruder_from: &str) -> String {
    let mut users = String::new();
    for (name, key) in [("ann", "1"), ("ben", "2"), ("cas", "3")] {
        users += &format!(
            "      {name}:\n        path: /staff/\n        keys: [{{ id: AKIAEXAMPLESTAFF000{key} }}]\n        inline: {{ work: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Action: \"s3:*\", Resource: \"*\" }}] }} }}\n"
        );
    }
    let mut consumers = String::new();
    for (name, key, from) in [
        ("office", "1", "source_ip: 203.0.113.7"),
        ("home", "2", "source_ip: 198.51.100.20"),
        ("vpc", "3", "source_vpc: vpc-0a1b2c3d"),
    ] {
        consumers += &format!(
            "  - {{ name: {name}, account: \"111122223333\", key: AKIAEXAMPLESTAFF000{key}, {from}, needs: [{{ action: \"s3:GetObject\", resource: \"arn:aws:s3:::x/y\" }}] }}\n"
        );
    }
    format!(
        "world: 1
now: 2026-03-24T07:10:00Z
seed: 5
responder: {{ account: \"111122223333\", key: AKIAEXAMPLERESPOND01 }}
accounts:
  \"111122223333\":
    users:
      responder:
        keys: [{{ id: AKIAEXAMPLERESPOND01 }}]
        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]
{users}consumers:
{consumers}intruder:
  source_ip: {intruder_from}
  holds: [AKIAEXAMPLESTAFF0001, AKIAEXAMPLESTAFF0002]
"
    )
}

pub(crate) fn playbook(with: &str, more: &str) -> String {
    format!(
        "portcullis: 1
name: office-only
title: Remote access closed
mode: breach
gate: {{ proof: settled, margin: 60s }}
steps:
  - id: office-only
    phase: contain
    for_each: ${{{{ inventory.users_in_path('/staff/') }}}}
    uses: iam.user.restrict-network
    with: {{ user: \"${{{{ each.name }}}}\", {with} }}
{more}"
    )
}

pub(crate) const OPEN: &str = "networks: [203.0.113.0/24, \"2001:db8::/32\"], vpcs: [vpc-0a1b2c3d]";

fn working(stage: &Stage) -> Vec<String> {
    stage.cloud.consumers().into_iter().filter(|one| one.works).map(|one| one.name).collect()
}

#[test]
fn whoever_is_in_the_office_works_and_remote_is_closed() {
    for (intruder, reaches) in [("198.51.100.9", false), ("203.0.113.9", true)] {
        play(async {
            let stage = Stage::set(&world(intruder), &playbook(OPEN, "")).await;
            assert_eq!(working(&stage), ["office", "home", "vpc"]);
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
            stage.let_it_settle().await;
            assert_eq!(working(&stage), ["office", "vpc"]);
            let allowed = stage.cloud.intruder_reach().into_iter().any(|r| !r.allowed.is_empty());
            assert_eq!(allowed, reaches, "from {intruder}");
            no_effect_came_without_its_intent(&stage);
            // Wherever the intruder is, it is no cut.
            let ledger = Ledger::of(&stage.saved.plan, &stage.state());
            assert!(!ledger.rows.is_empty());
            for row in &ledger.rows {
                let Standing::Unaccounted { why } = &row.standing else { panic!("{row:?}") };
                assert!(why.contains("restricted to certain networks, and not cut"), "{why}");
                assert_eq!(row.proof, None);
            }
        });
    }
}

#[test]
fn the_gate_does_not_open_on_a_restriction_and_with_cuts_it_is_lifted_behind_it() {
    let lift = "  - id: open
    phase: recover
    for_each: ${{ inventory.users_in_path('/staff/') }}
    uses: iam.user.lift-network
    with: { user: \"${{ each.name }}\" }
";
    play(async {
        let stage = Stage::set(&world("198.51.100.9"), &playbook(OPEN, lift)).await;
        let ending = stage.resume_to_the_end(1).await;
        let Ending::Held(why) = &ending else { panic!("{ending:?}") };
        assert!(why.iter().any(|why| why.contains("nothing cuts the access key")), "{why:?}");

        let cuts = "  - id: keys-off
    phase: contain
    for_each: ${{ inventory.users_in_path('/staff/') }}
    uses: iam.access-key.deactivate
    with: { user: \"${{ each.name }}\", keys: all }
  - id: sessions-off
    phase: contain
    for_each: ${{ inventory.users_in_path('/staff/') }}
    uses: iam.user.revoke-sessions
    with: { user: \"${{ each.name }}\" }
";
        let mut stage =
            Stage::set(&world("198.51.100.9"), &playbook(OPEN, &format!("{cuts}{lift}"))).await;
        stage.most = MOST_ROUNDS;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        let left = stage.cloud.snapshot();
        assert!(!left.0.keys().any(|key| key.contains("PortcullisRestrictNetwork")));
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        for row in
            ledger.rows.iter().filter(|r| matches!(r.credential, Credential::AccessKey { .. }))
        {
            assert!(matches!(row.standing, Standing::Blocked { .. }), "{row:?}");
        }
    });
}

#[test]
fn a_restriction_that_stands_is_found_and_another_is_replaced() {
    play(async {
        let stage = Stage::set(&world("198.51.100.9"), &playbook(OPEN, "")).await;
        stage.resume_to_the_end(1).await;
        let again = |text: String| {
            let inputs = std::collections::BTreeMap::new();
            let (cloud, clock) = (stage.cloud.clone(), stage.clock);
            async move {
                crate::stage::plan(&cloud, clock, &text, &inputs, &terms()).await.unwrap().plan
            }
        };
        let same = again(playbook(OPEN, "")).await;
        assert!(same.changes.iter().all(|change| change.already), "{:#?}", same.changes);
        let other = again(playbook("networks: [203.0.113.7]", "")).await;
        assert!(other.changes.iter().all(|change| !change.already));
        assert_eq!(other.changes[0].before.as_str(), "restricted otherwise");
    });
}

#[test]
fn networks_that_cannot_be_meant_are_refused() {
    play(async {
        let problems = |with: &str| {
            let text = playbook(with, "");
            async move {
                let set = Stage::set_on(&world("198.51.100.9"), &text, &terms()).await;
                let Err(problems) = set else { panic!("planned") };
                (problems[0].code, problems[0].message.clone())
            }
        };
        for (with, said) in [
            ("networks: [0.0.0.0/0]", "is the whole internet"),
            ("networks: [10.1.0.0/16]", "AWS never sees it"),
        ] {
            let text = told(&playbook(with, ""));
            assert!(text.contains("error[bad-value]") && text.contains(said), "{text}");
        }
        let many: Vec<String> = (0..120).map(|n| format!("203.0.{n}.0/24")).collect();
        let (_, message) = problems(&format!("networks: [{}]", many.join(", "))).await;
        assert!(message.contains("all inline policies of a user may have 2048"), "{message}");
    });
}

#[test]
fn a_network_that_is_none_is_told_where_it_stands() {
    let text = told(&playbook("networks: [203.0.113.7/24]", ""));
    assert!(text.contains("playbook.yaml:11:50"), "{text}");
    assert!(text.contains("did you mean `203.0.113.0/24`?"), "{text}");
}

#[test]
fn fields_of_which_one_must_be_there_or_may_not_are_told_when_the_playbook_is_read() {
    for with in ["networks: []", "networks:", "vpcs: []"] {
        let text = told(&playbook(with, ""));
        let neither = "(`iam.user.restrict-network`) has neither `networks` nor `vpcs`";
        assert!(text.contains(neither) && text.contains("--> playbook.yaml:11:"), "{text}");
        assert!(text.contains("help: add `networks: [203.0.113.0/24]`"), "{text}");
    }
    let of_manual = |with: &str| {
        told(&format!(
            "portcullis: 1\nname: m\ntitle: M\nsteps:\n  - id: close\n    phase: contain\n    uses: manual.close\n    \
             with: {{ covers: webmail, what: Close it, {with} }}\n"
        ))
    };
    for (with, said) in [
        ("http: https://m.example.org", "`http` says nothing without `status`"),
        ("status: 503", "`status` says nothing without `http`"),
        ("tcp: m.example.org:443, status: 503", "`status` has no place beside `tcp`"),
        ("tcp: m.example.org:443, http: https://m.example.org", "`http` has no place beside `tcp`"),
    ] {
        let text = of_manual(with);
        assert!(text.contains(said) && text.contains("\n1 error; "), "{text}");
    }
    assert_eq!(of_manual("http: https://m.example.org, status: 503"), "");
}
