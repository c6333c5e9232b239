//! What a plan has decided is not decided anew by what the case itself does: its cuts make conditions true, and selections
//! empty, that were approved as the plan shows them.

use std::time::Duration;

use aws_sdk_iam::Client;
use portcullis::plan::Untouched;
use portcullis::run::{Ending, MOST_ROUNDS};

use crate::rounds::with_one_key;
use crate::stage::{Left, Stage, play, somebody_else};
use crate::verdict::{VICTIM, no_secret_was_written};

async fn set(world: &str, playbook: &str) -> Stage {
    let mut stage = Stage::set(world, playbook).await;
    stage.most = MOST_ROUNDS;
    stage
}

fn another(stage: &Stage) -> Client {
    Client::new(&somebody_else(&stage.cloud, stage.clock))
}

/// Cuts what works, and denies everything to whoever has nothing that does, chosen by an item and by a selection.
const DORMANT: &str = "portcullis: 1
name: dormant
title: Keys off, and whoever has none that works is denied everything
mode: breach
counters: [T1078.004]
gate: { proof: settled, margin: 10s }
targets:
  deployers: ${{ inventory.users_in_path('/ci/').map(u, u.name) }}
  idle: ${{ inventory.access_keys('ci-deploy').filter(k, !k.active).map(k, 'ci-deploy') }}
steps:
  - id: keys-off
    title: Switch off what they have
    phase: contain
    for_each: ${{ targets.deployers }}
    uses: iam.access-key.deactivate
    with: { user: \"${{ each }}\", keys: all }
  - id: dormant
    title: Nobody works as them
    phase: contain
    for_each: ${{ targets.deployers }}
    if: \"!inventory.access_keys(each).exists(k, k.active)\"
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
  - id: chosen
    title: Nor as these
    phase: contain
    for_each: ${{ targets.idle }}
    uses: iam.user.revoke-sessions
    with: { user: \"${{ each }}\" }
";

#[test]
fn whom_a_condition_leaves_out_is_not_cut_because_the_case_has_made_it_true() {
    for hangs in [false, true] {
        play(async {
            let stage = set(&with_one_key(), DORMANT).await;
            let named = |one: &Untouched| one.what.contains("dormant") && one.what.contains(VICTIM);
            assert!(stage.saved.plan.untouched.iter().any(named), "the plan says so");
            let later = async {
                if hangs {
                    stage.clock.sleep(Duration::from_secs(5)).await;
                    another(&stage).create_access_key().user_name(VICTIM).send().await.unwrap();
                }
            };
            let (left, ()) = tokio::join!(stage.run(None), later);
            assert!(matches!(left, Left::Ended(Ending::NotProven)), "{left:?}");
            assert_eq!(stage.state().round(), if hangs { 2 } else { 1 });
            // Nor when it is gone on with.
            assert!(matches!(stage.run(None).await, Left::Ended(Ending::NotProven)));
            assert_eq!(stage.state().round(), if hangs { 2 } else { 1 });
            let iam = another(&stage);
            let keys = iam.list_access_keys().user_name(VICTIM).send().await.unwrap();
            let statuses =
                keys.access_key_metadata().iter().map(|key| key.status().unwrap().as_str());
            assert_eq!(statuses.collect::<Vec<_>>(), vec!["Inactive"; if hangs { 2 } else { 1 }]);
            let attached =
                iam.list_attached_user_policies().user_name(VICTIM).send().await.unwrap();
            assert_eq!(attached.attached_policies().len(), 0, "nobody was asked about that");
            let inline = iam.list_user_policies().user_name(VICTIM).send().await.unwrap();
            assert_eq!(inline.policy_names(), ["own-keys"]);
        });
    }
}

/// Gives a new key in the place of the one that works.
const THE_ONE: &str = "portcullis: 1
name: the-one
title: A new key for the one that works
mode: breach
counters: [T1078.004]
gate: { proof: settled, margin: 10s }
steps:
  - id: keys-off
    title: Switch off what he has
    phase: contain
    uses: iam.access-key.deactivate
    with: { user: ci-deploy, keys: all }
  - id: sessions-off
    title: End his sessions
    phase: contain
    uses: iam.user.revoke-sessions
    with: { user: ci-deploy }
  - id: new-key
    title: One new key
    phase: rotate
    uses: iam.access-key.replace
    with:
      user: ci-deploy
      deliver_to: deploy/aws-key
      replaces: \"${{ inventory.access_keys('ci-deploy').filter(k, k.active)[0].id }}\"
";

#[test]
fn a_selection_that_the_case_has_emptied_is_still_what_it_was() {
    play(async {
        let stage = set(&with_one_key(), THE_ONE).await;
        let left = stage.run(None).await;
        assert!(matches!(left, Left::Ended(Ending::NotProven)), "{left:?}");
        assert_eq!(stage.state().round(), 1);
        let keys = another(&stage).list_access_keys().user_name(VICTIM).send().await.unwrap();
        let statuses = keys.access_key_metadata().iter().map(|key| key.status().unwrap().as_str());
        let mut statuses: Vec<_> = statuses.collect();
        statuses.sort_unstable();
        assert_eq!(statuses, ["Active", "Inactive"]);
        assert!(matches!(stage.run(None).await, Left::Ended(Ending::NotProven)));
        no_secret_was_written(&stage);
    });
}

/// Somebody else empties it: the step keeps what it had, and the others go on.
#[test]
fn what_cannot_be_chosen_any_more_keeps_nothing_else_from_being_cut() {
    play(async {
        let named = THE_ONE.split("  - id: new-key").next().unwrap().replace(
            "keys: all",
            "keys: [\"${{ inventory.access_keys('ci-deploy').filter(k, k.active)[0].id }}\"]",
        );
        let stage = set(&with_one_key(), &named).await;
        let later = async {
            stage.clock.sleep(Duration::from_secs(1)).await;
            let delete = another(&stage).delete_access_key().user_name(VICTIM);
            delete.access_key_id("AKIAEXAMPLELEAKED001").send().await.unwrap();
        };
        let (left, ()) = tokio::join!(stage.run(None), later);
        let Left::Ended(ending) = &left else { panic!("{left:?}") };
        assert!(!format!("{ending:?}").contains("cannot be planned"), "{ending:?}");
    });
}

/// What comes behind the gate keeps no cut from being made, and nothing of it is done that nobody has planned.
#[test]
fn what_cannot_be_planned_behind_the_gate_keeps_no_cut_from_being_made() {
    play(async {
        let playbook = THE_ONE.replace("(k, k.active)[0]", "(k, k.active)[7]");
        let stage = set(&with_one_key(), &playbook).await;
        let plan = &stage.saved.plan;
        assert!(plan.changes.iter().all(portcullis::plan::Change::cuts), "{:?}", plan.changes);
        let [unplanned] = &plan.unplanned[..] else { panic!("{:?}", plan.unplanned) };
        assert_eq!(unplanned.step.as_str(), "new-key");
        assert!(unplanned.why.contains("line"), "{unplanned:?}");
        let Left::Ended(Ending::Held(reasons)) = stage.run(None).await else { panic!("held") };
        assert!(reasons[0].contains("step `new-key` is not planned"), "{reasons:?}");
        let keys = another(&stage).list_access_keys().user_name(VICTIM).send().await.unwrap();
        let statuses = keys.access_key_metadata().iter().map(|key| key.status().unwrap().as_str());
        assert_eq!(statuses.collect::<Vec<_>>(), ["Inactive"]);
        // Nor is it ever called proven, however often it is gone on with.
        assert!(matches!(stage.run(None).await, Left::Ended(Ending::Held(_))));
    });
}

/// What is wrong with a cut is refused.
#[test]
fn a_plan_whose_cuts_are_wrong_is_refused() {
    play(async {
        let wrong = "keys: [\"${{ inventory.access_keys('ci-deploy')[7].id }}\"] }";
        let playbook = THE_ONE.replace("keys: all }", wrong);
        assert_ne!(playbook, THE_ONE);
        let terms = crate::stage::terms();
        assert!(Stage::set_on(&with_one_key(), &playbook, &terms).await.is_err());
    });
}

/// What somebody gives a role while it is being cut is none of the case's own doing: what it may read then is asked about.
#[test]
fn what_a_role_is_given_while_it_is_cut_is_not_overlooked() {
    let playbook = include_str!("../../playbooks/stolen-role-sessions/playbook.yaml");
    let shipped = include_str!("../../playbooks/stolen-role-sessions/world.yaml");
    let may = "              - { Effect: Allow, Action: \"iam:PutRolePolicy\", Resource: \"arn:aws:iam::111122223333:role/web\" }\n";
    let first = "              - Effect: Allow\n                Action: \"secretsmanager:GetSecretValue\"\n";
    let gives = "  read: [web/db]\n  reacts:\n    - name: gives his role more\n      when: { operation: AttachRolePolicy, target: web }\n      react_in: 1s\n      times: 1\n      deeds:\n        - { operation: PutRolePolicy, with: ASIAEXAMPLEWEBTAKEN1, params: { RoleName: web, PolicyName: more, PolicyDocument: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Action: \"secretsmanager:GetSecretValue\", Resource: \"*\" }] } } }\n";
    let world = shipped.replacen(first, &format!("{may}{first}"), 1);
    assert_ne!(world, shipped);
    let world = world.replacen("  read: [web/db]\n", gives, 1);
    play(async {
        let mut stage = Stage::set(&world, playbook).await;
        stage.most = MOST_ROUNDS;
        let left = stage.run(None).await;
        let Left::Ended(Ending::Asking { beyond, .. }) = left else { panic!("{left:?}") };
        assert!(beyond.iter().any(|why| why.contains("payroll/db")), "{beyond:#?}");
    });
}
