//! Passwords that the intruder knows, and the console sessions that he gets with them.

use std::time::Duration;

use super::{Clock, Cloud, admin, clients, cloud_of, code, settle};
use crate::sim::{Probe, Reach};

/// A user with a password that the intruder knows. `user` is more of the user, `intruder` more of him.
fn world(user: &str, held: &str, intruder: &str) -> String {
    format!(
        r#"
world: 1
now: 2026-03-24T07:10:00Z
seed: 7
lag: 4s
accounts:
  "111122223333":
    users:
      admin:
        keys: [{{ id: AKIAEXAMPLEADMIN0009 }}]
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
      ada:
{user}
        inline:
          work: {{ Version: "2012-10-17", Statement: [{{ Effect: Allow, Action: ["s3:GetObject", "iam:CreateAccessKey", "iam:ListAccessKeys", "sts:*"], Resource: "*" }}] }}
intruder:
  holds: [{{ password_of: ada, account: "111122223333"{held} }}]
  tries: [{{ action: "s3:GetObject", resource: "arn:aws:s3:::site/x" }}]
{intruder}
"#
    )
}

fn plain(intruder: &str) -> (Cloud, Clock) {
    cloud_of(&world("        password: {}", "", intruder))
}

fn signs_in(reach: &Reach) -> bool {
    assert!(reach.credential == "password of ada", "{reach:?}");
    reach.alive
}

const LOGIN: &str = "  reacts:\n    - after: 1s\n      deeds: [{ operation: ConsoleLogin, params: { UserName: ada } }]\n";

#[tokio::test(start_paused = true)]
async fn a_known_password_signs_in_until_it_is_changed_or_gone() {
    for gone in [true, false] {
        let (cloud, clock) = plain("");
        let c = clients(&cloud, clock, &admin(&cloud));
        let before = cloud.intruder_reach();
        assert!(signs_in(&before[0]));
        assert!(before[0].allowed.iter().any(|a| a.starts_with("s3:GetObject")));
        assert!(before[0].allowed.iter().any(|a| a.starts_with("iam:CreateAccessKey")));
        assert!(!before[0].allowed.iter().any(|a| a.starts_with("sts:GetSessionToken")));
        if gone {
            c.iam.delete_login_profile().user_name("ada").send().await.unwrap();
        } else {
            let update = c.iam.update_login_profile().user_name("ada");
            update.password("Correct-horse-9").send().await.unwrap();
        }
        assert!(signs_in(&cloud.intruder_reach()[0]), "enforcement trails");
        settle(clock).await;
        assert!(!signs_in(&cloud.intruder_reach()[0]));
        assert_eq!(cloud.intruder_reach()[0].allowed, [""; 0]);
        // Trying is only looking.
        assert!(cloud.audit().iter().all(|event| event.operation != "ConsoleLogin"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_console_session_outlives_the_password_and_is_the_user_s() {
    let (cloud, clock) = plain(LOGIN);
    clock.sleep(Duration::from_secs(1)).await;
    let deeds = cloud.intruder_deeds();
    assert_eq!(deeds[0].credential.as_deref(), Some("password of ada"));
    let session = crate::ids::AccessKeyId::parse(deeds[0].gained[0].as_str()).unwrap();
    let event = cloud.audit().pop().unwrap();
    assert_eq!((event.service.as_str(), event.operation.as_str()), ("signin", "ConsoleLogin"));
    assert!(event.intruder && event.took_effect && event.access_key_id == session.as_str());
    // It calls IAM, though it was got without MFA, and mints no sessions of its own.
    let his = clients(&cloud, clock, &cloud.credentials_of(&session));
    let who = his.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.arn(), Some("arn:aws:iam::111122223333:user/ada"));
    his.iam.list_access_keys().send().await.unwrap();
    assert_eq!(code(his.sts.get_session_token().send().await), "AccessDenied");
    let c = clients(&cloud, clock, &admin(&cloud));
    c.iam.delete_login_profile().user_name("ada").send().await.unwrap();
    settle(clock).await;
    let get = || cloud.probe(&session, "s3:GetObject", "arn:aws:s3:::site/x");
    assert_eq!(get(), Probe::Allowed);
    // A deny of older sessions on the user is what ends it.
    let older = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"DateLessThan":{{"aws:TokenIssueTime":"{}"}}}}}}]}}"#,
        cloud.now()
    );
    let put = c.iam.put_user_policy().user_name("ada").policy_name("older");
    put.policy_document(older).send().await.unwrap();
    settle(clock).await;
    assert!(matches!(get(), Probe::Denied(why) if why.contains("explicit deny")));
    clock.sleep(Duration::from_hours(12)).await;
    assert_eq!(get(), Probe::Dead("ExpiredToken"));
}

#[tokio::test(start_paused = true)]
async fn a_console_session_may_stand_in_the_file() {
    let session = r#"
sessions:
  - id: ASIAEXAMPLECONSOLE02
    of: { account: "111122223333", user: ada }
    kind: console
    issued_at: 2026-03-24T07:00:00Z
    expires_at: 2026-03-24T19:00:00Z
intruder:
  holds: [ASIAEXAMPLECONSOLE02, "#;
    let text = world("        password: {}", "", "");
    let (cloud, _) = cloud_of(&text.replace("intruder:\n  holds: [", &session[1..]));
    let reach = cloud.intruder_reach();
    assert_eq!(reach.len(), 2);
    assert_eq!(reach[0].allowed, reach[1].allowed);
    assert!(reach[0].alive && !reach[0].allowed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_device_is_asked_for_where_the_user_has_one() {
    let user = "        password: {}\n        mfa: [\"arn:aws:iam::111122223333:mfa/ada\"]";
    for (held, let_in) in [("", false), (", with_device: true", true)] {
        let (cloud, clock) = cloud_of(&world(user, held, LOGIN));
        assert_eq!(signs_in(&cloud.intruder_reach()[0]), let_in);
        clock.sleep(Duration::from_secs(1)).await;
        let deed = &cloud.intruder_deeds()[0];
        let refused = (!let_in).then_some("AuthenticationFailure");
        assert_eq!((deed.refused.as_deref(), deed.gained.len()), (refused, usize::from(let_in)));
    }
}

/// Asking for a change alone leaves the first sign-in to whoever knows the old password.
#[tokio::test(start_paused = true)]
async fn a_password_that_must_be_changed_is_changed_by_whoever_knows_it() {
    for may_change in [true, false] {
        let mut text = world("        password: { reset_required: true }", "", LOGIN);
        if may_change {
            text = text.replace("\"sts:*\"", "\"sts:*\", \"iam:ChangePassword\"");
        }
        let (cloud, clock) = cloud_of(&text);
        let before = cloud.snapshot();
        assert_eq!(signs_in(&cloud.intruder_reach()[0]), may_change);
        clock.sleep(Duration::from_secs(1)).await;
        let deeds = cloud.intruder_deeds();
        if may_change {
            assert_eq!(deeds[0].gained.len(), 2, "a session, and a password of his own");
            settle(clock).await;
            let reach = cloud.intruder_reach();
            let alive: Vec<bool> = reach.iter().map(|reach| reach.alive).collect();
            assert_eq!(alive, [false, true, true], "the old password is no good any more");
        } else {
            assert_eq!(deeds[0].refused.as_deref(), Some("AuthenticationFailure"));
            assert_eq!(before, cloud.snapshot());
        }
        for canary in cloud.canaries() {
            assert!(!cloud.save().to_string().contains(canary.expose()));
        }
    }
}
