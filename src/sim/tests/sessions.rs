//! Sessions: they outlive their key, and die with their issuer's rights, by date, or by expiry.

use std::time::Duration;

use aws_sdk_iam::types::StatusType;

use super::{
    ACCOUNT, Probe, admin, clients, cloud_of, code, issued, key, message, settle, shipped_with,
    with_administrator,
};
use crate::ids::AccessKeyId;
use crate::secret::Secret;

const SESSION: &str = "ASIAEXAMPLESESSION04";
const FEDERATED: &str = "ASIAEXAMPLEFEDERAT05";
const SITE: &str = "arn:aws:s3:::site/index.html";

fn deny_before(date: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"DateLessThan":{{"aws:TokenIssueTime":"{date}"}}}}}}]}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn sessions_outlive_their_key_until_a_deny_of_older_ones() {
    let (cloud, clock) = cloud_of(super::WORLD);
    let responder = clients(&cloud, clock, &cloud.responder_credentials());
    let get = |id: &str| cloud.probe(&AccessKeyId::parse(id).unwrap(), "s3:GetObject", SITE);
    for id in ["AKIAEXAMPLELEAKED001", "AKIAEXAMPLEHUNGON002"] {
        let update = responder.iam.update_access_key().user_name("ci-deploy").access_key_id(id);
        update.status(StatusType::Inactive).send().await.unwrap();
    }
    settle(clock).await;
    assert_eq!(get("AKIAEXAMPLELEAKED001"), Probe::Dead("InvalidClientTokenId"));
    assert_eq!(get(SESSION), Probe::Allowed);
    assert_eq!(get(FEDERATED), Probe::Allowed);
    let put = responder.iam.put_user_policy().user_name("ci-deploy").policy_name("older");
    put.policy_document(deny_before("2026-03-24T07:12:00Z")).send().await.unwrap();
    settle(clock).await;
    for id in [SESSION, FEDERATED] {
        assert!(matches!(get(id), Probe::Denied(why) if why.contains("explicit deny")), "{id}");
    }
    assert!(cloud.intruder_reach().iter().all(|r| r.allowed.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn an_older_than_deny_spares_keys_and_later_sessions() {
    let (cloud, clock) = with_administrator();
    let c = clients(&cloud, clock, &admin(&cloud));
    let early = c.sts.get_session_token().send().await.unwrap();
    let early = issued(early.credentials().unwrap());
    let put = c.iam.put_user_policy().user_name("admin").policy_name("older");
    put.policy_document(deny_before("2026-03-24T07:10:03Z")).send().await.unwrap();
    settle(clock).await;
    let later = c.sts.get_session_token().send().await.unwrap();
    let later = issued(later.credentials().unwrap());
    let list = |who| {
        let client = clients(&cloud, clock, who).secrets;
        async move { client.list_secrets().send().await }
    };
    assert_eq!(code(list(&early).await), "AccessDeniedException");
    list(&later).await.unwrap();
    list(&admin(&cloud)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_session_may_call() {
    let (cloud, clock) = with_administrator();
    let c = clients(&cloud, clock, &admin(&cloud));
    let plain = c.sts.get_session_token().send().await.unwrap();
    let plain = clients(&cloud, clock, &issued(plain.credentials().unwrap()));
    assert_eq!(code(plain.iam.list_users().send().await), "InvalidClientTokenId");
    assert_eq!(
        message(plain.sts.get_session_token().send().await),
        "Cannot call GetSessionToken with session credentials"
    );
    plain.sts.get_caller_identity().send().await.unwrap();
    plain.secrets.list_secrets().send().await.unwrap();

    let serial = "arn:aws:iam::111122223333:mfa/admin";
    let with_mfa =
        |code: String| c.sts.get_session_token().serial_number(serial).token_code(code).send();
    assert_eq!(code(with_mfa("000000".into()).await), "AccessDenied");
    let strong = with_mfa(cloud.mfa_code(serial)).await.unwrap();
    let strong = clients(&cloud, clock, &issued(strong.credentials().unwrap()));
    strong.iam.list_users().send().await.unwrap();

    // A federated session that was given no policy may do nothing.
    let bare = c.sts.get_federation_token().name("bare").send().await.unwrap();
    let bare = clients(&cloud, clock, &issued(bare.credentials().unwrap()));
    let arn = bare.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(arn.arn(), Some("arn:aws:sts::111122223333:federated-user/bare"));
    assert!(
        message(bare.secrets.list_secrets().send().await)
            .ends_with("because no session policy allows the secretsmanager:ListSecrets action")
    );
    assert_eq!(code(bare.iam.list_users().send().await), "InvalidClientTokenId");

    // A chained role session lasts an hour at most.
    let role = "arn:aws:iam::111122223333:role/auditor";
    let assume =
        |c: &aws_sdk_sts::Client| c.assume_role().role_arn(role).role_session_name("audit");
    let audit = assume(&c.sts).send().await.unwrap();
    let audit = clients(&cloud, clock, &issued(audit.credentials().unwrap()));
    audit.iam.list_users().send().await.unwrap();
    assert_eq!(code(audit.iam.create_user().user_name("x").send().await), "AccessDenied");
    assert_eq!(code(assume(&audit.sts).send().await), "AccessDenied");
    clock.sleep(Duration::from_hours(1)).await;
    assert_eq!(code(audit.iam.list_users().send().await), "ExpiredToken");
    assert_eq!(code(audit.secrets.list_secrets().send().await), "ExpiredTokenException");
}

#[tokio::test(start_paused = true)]
async fn a_session_dies_with_its_issuer_and_is_not_revived() {
    let (cloud, clock) = with_administrator();
    let c = clients(&cloud, clock, &admin(&cloud));
    c.iam.create_user().user_name("temp").send().await.unwrap();
    let made =
        c.iam.create_access_key().user_name("temp").send().await.unwrap().access_key.unwrap();
    settle(clock).await;
    let temp = clients(&cloud, clock, &key(&cloud, made.access_key_id()));
    let session = temp.sts.get_session_token().send().await.unwrap();
    let session = clients(&cloud, clock, &issued(session.credentials().unwrap()));
    let delete = c.iam.delete_access_key().user_name("temp").access_key_id(made.access_key_id());
    delete.send().await.unwrap();
    settle(clock).await;
    session.sts.get_caller_identity().send().await.unwrap();
    c.iam.delete_user().user_name("temp").send().await.unwrap();
    settle(clock).await;
    assert_eq!(code(session.sts.get_caller_identity().send().await), "InvalidClientTokenId");
    c.iam.create_user().user_name("temp").send().await.unwrap();
    settle(clock).await;
    assert_eq!(code(session.sts.get_caller_identity().send().await), "InvalidClientTokenId");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_not_right() {
    let (cloud, clock) = with_administrator();
    let mut wrong = admin(&cloud);
    wrong.secret = Secret::new("x".repeat(40));
    let refused = clients(&cloud, clock, &wrong).sts.get_caller_identity().send().await;
    assert_eq!(code(refused), "SignatureDoesNotMatch");
    let refused = clients(&cloud, clock, &wrong).secrets.list_secrets().send().await;
    assert_eq!(code(refused), "InvalidSignatureException");
    let unknown = key(&cloud, "AKIAEXAMPLEMISSING01");
    let refused = clients(&cloud, clock, &unknown).sts.get_caller_identity().send().await;
    assert_eq!(code(refused), "InvalidClientTokenId");
    let mut tokenless = key(&cloud, SESSION);
    tokenless.session_token = None;
    let refused = clients(&cloud, clock, &tokenless).sts.get_caller_identity().send().await;
    assert_eq!(code(refused), "InvalidClientTokenId");
    let mut swapped = key(&cloud, SESSION);
    swapped.session_token = key(&cloud, FEDERATED).session_token;
    let refused = clients(&cloud, clock, &swapped).sts.get_caller_identity().send().await;
    assert_eq!(code(refused), "InvalidClientTokenId");
    let mut surplus = admin(&cloud);
    surplus.session_token = key(&cloud, FEDERATED).session_token;
    let refused = clients(&cloud, clock, &surplus).sts.get_caller_identity().send().await;
    assert_eq!(code(refused), "InvalidClientTokenId");
}

#[tokio::test(start_paused = true)]
async fn roles_across_accounts_need_both_sides() {
    let other = r#"
  "999988887777":
    users:
      lead: { keys: [{ id: AKIAEXAMPLELEAD00011 }], inline: { assume: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "sts:AssumeRole", Resource: "*" }] } } }
      clerk: { keys: [{ id: AKIAEXAMPLECLERK0012 }] }

sessions:"#;
    let (cloud, clock) = cloud_of(&shipped_with("\nsessions:", other));
    let arn = "arn:aws:iam::111122223333:role/ir/incident-responder";
    let assume = |who: &str, role: &str| {
        let sts = clients(&cloud, clock, &key(&cloud, who)).sts;
        let role = role.to_owned();
        async move { sts.assume_role().role_arn(role).role_session_name("ir").send().await }
    };
    let made = assume("AKIAEXAMPLELEAD00011", arn).await.unwrap();
    let who = clients(&cloud, clock, &issued(made.credentials().unwrap()));
    let who = who.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some(ACCOUNT));
    let refused = assume("AKIAEXAMPLECLERK0012", arn).await;
    assert!(
        message(refused)
            .ends_with("because no identity-based policy allows the sts:AssumeRole action")
    );
    let refused = assume("AKIAEXAMPLELEAD00011", "arn:aws:iam::111122223333:role/auditor").await;
    assert!(
        message(refused)
            .ends_with("because no resource-based policy allows the sts:AssumeRole action")
    );
    let refused = assume("AKIAEXAMPLELEAD00011", "arn:aws:iam::111122223333:role/missing").await;
    assert_eq!(code(refused), "AccessDenied");
}
