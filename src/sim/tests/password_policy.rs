//! Who may change a password, and what the world shows of it.

use std::time::Duration;

use super::{clients, cloud_of, code, key, shipped_with};

const ALICE: &str = "AKIAEXAMPLEALICE0001";

/// The shipped world with a user who has a password and nothing that allows him anything.
fn world(policy: &str) -> String {
    let bystander = "      backup:\n        path: /ops/\n";
    let alice = format!(
        "      alice:\n        keys: [{{ id: {ALICE} }}]\n        password: {{ last_used_at: 2026-03-24T06:00:00Z }}\n"
    );
    let with_alice = shipped_with(bystander, &format!("{alice}{bystander}"));
    let account = "  \"111122223333\":\n";
    assert!(with_alice.contains(account));
    with_alice.replace(account, &format!("{account}    password_policy: {policy}\n"))
}

#[tokio::test(start_paused = true)]
async fn the_account_may_let_everybody_change_his_own_password_and_a_deny_still_forbids() {
    for (policy, expected) in
        [("{ users_may_change: true }", "the old"), ("{ users_may_change: false }", "no identity")]
    {
        let (cloud, clock) = cloud_of(&world(policy));
        let alice = clients(&cloud, clock, &key(&cloud, ALICE));
        let change = || {
            alice.iam.change_password().old_password("a").new_password("Battery staple 1").send()
        };
        let refused = super::message(change().await).to_lowercase();
        assert!(refused.contains(expected), "{refused}");
        let admin = clients(&cloud, clock, &cloud.responder_credentials());
        let deny = admin.iam.attach_user_policy().user_name("alice");
        deny.policy_arn("arn:aws:iam::aws:policy/AWSDenyAll").send().await.unwrap();
        clock.sleep(Duration::from_secs(5)).await;
        assert!(super::message(change().await).contains("explicit deny"));
    }
}

#[tokio::test(start_paused = true)]
async fn when_a_password_was_last_used_is_told() {
    let (cloud, clock) = cloud_of(&world("{}"));
    let admin = clients(&cloud, clock, &cloud.responder_credentials());
    let user = admin.iam.get_user().user_name("alice").send().await.unwrap().user.unwrap();
    let expected = aws_sdk_iam::primitives::DateTime::from_secs(1_774_332_000);
    assert_eq!(user.password_last_used(), Some(&expected));
    let user = admin.iam.get_user().user_name("backup").send().await.unwrap().user.unwrap();
    assert_eq!(user.password_last_used(), None);
    let role = cloud.responder_credentials();
    let change = clients(&cloud, clock, &role).iam.change_password();
    let change = change.old_password("a").new_password("b").send().await;
    assert_eq!(code(change), "AccessDenied");
}
