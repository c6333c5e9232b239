//! Sessions of a role that were had from another account, which was cut after them.

use portcullis::run::Ending;

use super::several::Several;
use super::{HOME, PLAYBOOK, WORLD};
use crate::stage::{ADMIN, assume, play, somebody_else, somebody_with};

const CONTROL: &str = "arn:aws:iam::444455556666:role/control";

/// The world with an administrator at home, where the responder may not do some things: what is cut there is cut late.
fn where_home_may_not(actions: &[&str]) -> String {
    let admin = "        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    let deny = format!(
        "        inline:\n          no: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Deny, Action: {actions:?}, Resource: \"*\" }}] }}\n"
    );
    let users = "    users:\n";
    let world = WORLD.replacen(admin, &format!("{admin}{deny}"), 1);
    world.replacen(users, &format!("{users}{ADMIN}"), 1)
}

/// The administrator gives the responder back what he may.
async fn home_may_again(two: &Several) {
    let iam = aws_sdk_iam::Client::new(&somebody_else(&two.cloud, two.clock));
    let mend = iam.delete_role_policy().role_name("incident-responder").policy_name("no");
    mend.send().await.unwrap();
    two.clock.sleep(std::time::Duration::from_mins(1)).await;
}

/// Whoever is cut late in one account mints sessions of a role in another until then, after these were denied there.
#[test]
fn sessions_of_a_role_that_were_had_from_an_account_which_was_cut_late_do_not_outlive_it() {
    let cuts = [
        "iam:AttachUserPolicy",
        "iam:UpdateAccessKey",
        "iam:PutUserPolicy",
        "iam:PutUserPermissionsBoundary",
    ];
    let world = where_home_may_not(&cuts);
    let without = |text: &str, id: &str| {
        let (before, rest) = text.split_once(&format!("  - id: {id}\n")).unwrap();
        let rest = rest.split_once("  - ").map_or(String::new(), |(_, rest)| format!("  - {rest}"));
        format!("{before}{rest}")
    };
    let quarantine = "  - { id: control-off, in: others, phase: contain, uses: iam.role.quarantine, with: { role: \"${{ inputs.control }}\" } }\n";
    assert!(PLAYBOOK.contains(quarantine));
    let nothing_behind = without(&PLAYBOOK.replace(quarantine, ""), "control-on");
    for playbook in [PLAYBOOK, &*nothing_behind] {
        play(async {
            let two = Several::set(&world, playbook).await;
            let endings = two.run(None).await.unwrap();
            assert!(matches!(&endings[HOME], Ending::Held(_)), "{endings:?}\n{}", two.told());
            let with = |key: &str| somebody_with(key, &two.cloud, two.clock);
            let late = assume(&with("AKIAEXAMPLELEAKED001"), CONTROL).await.unwrap();
            home_may_again(&two).await;
            let endings = two.resumed_to_the_end().await;
            assert_eq!(endings, [Ending::Proven, Ending::Proven], "{}", two.told());
            two.the_intruder_is_out_of_all().await;
            let his = aws_sdk_iam::Client::new(&with(&late));
            assert!(his.list_users().send().await.is_err(), "he is still inside");
        });
    }
}

/// So does a session of a role there, and nothing of its user's is left by then.
#[test]
fn sessions_of_a_role_that_were_had_by_those_of_another_elsewhere_do_not_outlive_these() {
    let hop = "      hop:\n        trust: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Principal: { AWS: \"arn:aws:iam::111122223333:user/ci/ci-deploy\" }, Action: \"sts:AssumeRole\" }] }\n        inline:\n          hops: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Action: \"sts:AssumeRole\", Resource: \"*\" }] }\n";
    let roles = "    roles:\n";
    let world = where_home_may_not(&["iam:PutRolePolicy"]);
    let world = world.replacen(roles, &format!("{roles}{hop}"), 1);
    let trusts = "Principal: { AWS: \"arn:aws:iam::111122223333:user/ci/ci-deploy\" }, Action: \"sts:AssumeRole\" }] }\n        inline:\n          controls";
    assert!(world.contains(trusts));
    let both = trusts.replacen(
        "\"arn:aws:iam::111122223333:user/ci/ci-deploy\"",
        "[\"arn:aws:iam::111122223333:user/ci/ci-deploy\", \"arn:aws:iam::111122223333:role/hop\"]",
        1,
    );
    let world = world.replacen(trusts, &both, 1);
    let step = "  - { id: control-off,";
    let ends = "  - { id: hop-off, phase: contain, uses: iam.role.revoke-sessions, with: { role: hop } }\n";
    let playbook = PLAYBOOK.replacen(step, &format!("{ends}{step}"), 1);
    play(async {
        let two = Several::set(&world, &playbook).await;
        let with = |key: &str| somebody_with(key, &two.cloud, two.clock);
        let hop = "arn:aws:iam::111122223333:role/hop";
        let hopped = assume(&with("AKIAEXAMPLELEAKED001"), hop).await.unwrap();
        let endings = two.run(None).await.unwrap();
        assert!(matches!(&endings[HOME], Ending::Held(_)), "{endings:?}\n{}", two.told());
        let late = assume(&with(&hopped), CONTROL).await.unwrap();
        home_may_again(&two).await;
        let endings = two.resumed_to_the_end().await;
        assert_eq!(endings, [Ending::Proven, Ending::Proven], "{}", two.told());
        two.the_intruder_is_out_of_all().await;
        let his = aws_sdk_iam::Client::new(&with(&late));
        assert!(his.list_users().send().await.is_err(), "he is still inside");
    });
}
