//! Every operation, once with success and where it matters with refusal.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use aws_sdk_iam::primitives::Blob;
use aws_sdk_iam::types::{StatusType, Tag};

use super::{Clock, OPERATIONS, admin, clients, code, issued, message, settle, with_rotation};

const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}]}"#;
const DENY_ALL: &str = "arn:aws:iam::aws:policy/AWSDenyAll";

#[tokio::test(start_paused = true)]
async fn every_operation_is_real() {
    let (cloud, clock) = with_rotation("");
    let c = clients(&cloud, clock, &admin(&cloud));
    users(&c.iam).await;
    keys(&c.iam).await;
    credentials(&c.iam).await;
    passwords(&c.iam, clock).await;
    policies(&c.iam).await;
    roles(&c.iam).await;
    settle(clock).await;
    sessions(&c.sts).await;
    secrets(&c.secrets).await;
    trail(&c, clock).await;

    let driven: BTreeSet<(String, String)> = cloud
        .audit()
        .into_iter()
        .filter(|event| event.took_effect)
        .map(|event| (event.service, event.operation))
        .collect();
    let missing: Vec<_> = OPERATIONS
        .iter()
        .filter(|o| !driven.contains(&(o.service.name().to_owned(), o.name.to_owned())))
        .map(|o| o.name)
        .collect();
    assert_eq!(missing, [""; 0], "operations that nothing drove with success");
}

/// The log knows of what was done and of what was refused, five minutes late, by one attribute at a time.
async fn trail(c: &super::Clients, clock: Clock) {
    let attribute = |key: LookupAttributeKey, value: &str| {
        LookupAttribute::builder().attribute_key(key).attribute_value(value).build().unwrap()
    };
    let made = || attribute(LookupAttributeKey::EventName, "CreateUser");
    let late = Duration::from_secs(301);
    clock.sleep(late).await;
    c.iam.create_user().user_name("late").send().await.unwrap();
    assert_eq!(code(c.iam.create_user().user_name("late").send().await), "EntityAlreadyExists");
    let heard_of = async || {
        let events = c.trail.lookup_events().lookup_attributes(made()).send().await.unwrap();
        let records = events.events().iter().map(|event| {
            serde_json::from_str::<serde_json::Value>(event.cloud_trail_event().unwrap()).unwrap()
        });
        records.collect::<Vec<_>>()
    };
    let before = heard_of().await.len();
    clock.sleep(late).await;
    let records = heard_of().await;
    assert_eq!(records.len(), before + 2, "it is five minutes late");
    // The newest is first.
    assert_eq!(records[0]["errorCode"], "EntityAlreadyExists");
    assert_eq!(records[1]["errorCode"], serde_json::Value::Null);
    assert_eq!(records[1]["userIdentity"]["accessKeyId"], "AKIAEXAMPLEADMIN0009");

    let two = c.trail.lookup_events().lookup_attributes(made()).lookup_attributes(made());
    clock.sleep(Duration::from_secs(1)).await;
    assert_eq!(code(two.send().await), "InvalidLookupAttributesException");
    let ask = || c.trail.lookup_events().lookup_attributes(made()).max_results(1).send();
    let page = ask().await.unwrap();
    assert_eq!((page.events().len(), page.next_token().is_some()), (1, true));
    assert_eq!(code(ask().await), "ThrottlingException", "two look-ups in a second");
}

async fn users(iam: &aws_sdk_iam::Client) {
    let tag = Tag::builder().key("team").value("web").build().unwrap();
    let made = iam.create_user().user_name("alice").path("/dev/").tags(tag.clone()).send().await;
    let made = made.unwrap().user.unwrap();
    assert_eq!(made.arn(), "arn:aws:iam::111122223333:user/dev/alice");
    assert_eq!(code(iam.create_user().user_name("Alice").send().await), "EntityAlreadyExists");
    assert_eq!(code(iam.get_user().user_name("nobody").send().await), "NoSuchEntity");
    let own = iam.get_user().send().await.unwrap().user.unwrap();
    assert_eq!(own.user_name(), "admin");
    let listed = iam.list_users().path_prefix("/dev/").send().await.unwrap();
    assert_eq!(listed.users().len(), 1);
    iam.tag_user().user_name("alice").tags(tag).send().await.unwrap();
    let tags = iam.list_user_tags().user_name("alice").send().await.unwrap();
    assert_eq!(tags.tags().len(), 1);
    let groups = iam.list_groups_for_user().user_name("ci-deploy").send().await.unwrap();
    assert_eq!(groups.groups()[0].group_name(), "deployers");
    assert_eq!(iam.list_groups().send().await.unwrap().groups().len(), 1);
    let summary = iam.get_account_summary().send().await.unwrap().summary_map.unwrap();
    assert_eq!(summary[&"AttachedPoliciesPerUserQuota".into()], 10);
    assert_eq!(summary[&"AccessKeysPerUserQuota".into()], 2);
    assert_eq!(summary[&"UserPolicySizeQuota".into()], 2048);

    let all = iam.get_account_authorization_details().send().await.unwrap();
    let names = |users: &[aws_sdk_iam::types::UserDetail]| -> Vec<String> {
        users.iter().map(|user| user.user_name().unwrap().to_owned()).collect()
    };
    assert_eq!(names(all.user_detail_list()), ["admin", "alice", "backup", "ci-deploy"]);
    assert_eq!(all.user_detail_list()[3].group_list(), ["deployers"]);
    assert_eq!(all.group_detail_list().len(), 1);
    let kind = aws_sdk_iam::types::EntityType::Role;
    let only = iam.get_account_authorization_details().filter(kind).send().await.unwrap();
    assert_eq!((only.user_detail_list().len(), only.policies().len()), (0, 0));
    assert!(!only.role_detail_list().is_empty());

    iam.create_user().user_name("bob").send().await.unwrap();
    iam.create_access_key().user_name("bob").send().await.unwrap();
    assert_eq!(code(iam.delete_user().user_name("bob").send().await), "DeleteConflict");
    let key = iam.list_access_keys().user_name("bob").send().await.unwrap();
    let id = key.access_key_metadata()[0].access_key_id().unwrap().to_owned();
    iam.delete_access_key().user_name("bob").access_key_id(id).send().await.unwrap();
    let bob = iam.get_user().user_name("bob").send().await.unwrap().user.unwrap();
    let taken = iam.update_user().user_name("bob").new_user_name("ALICE").send();
    assert_eq!(code(taken.await), "EntityAlreadyExists");
    let renamed = iam.update_user().user_name("bob").new_user_name("rob").new_path("/ops/").send();
    renamed.await.unwrap();
    assert_eq!(code(iam.get_user().user_name("bob").send().await), "NoSuchEntity");
    let rob = iam.get_user().user_name("rob").send().await.unwrap().user.unwrap();
    assert_eq!(rob.arn(), "arn:aws:iam::111122223333:user/ops/rob");
    assert_eq!(rob.user_id(), bob.user_id());
    iam.delete_user().user_name("rob").send().await.unwrap();
    assert_eq!(code(iam.get_user().user_name("rob").send().await), "NoSuchEntity");
}

async fn keys(iam: &aws_sdk_iam::Client) {
    let first = iam.create_access_key().user_name("alice").send().await.unwrap();
    let first = first.access_key.unwrap();
    iam.create_access_key().user_name("alice").send().await.unwrap();
    let third = iam.create_access_key().user_name("alice").send().await;
    assert_eq!(message(third), "Cannot exceed quota for AccessKeysPerUser: 2");
    let off = |id: &str| {
        let update = iam.update_access_key().user_name("alice").access_key_id(id);
        update.status(StatusType::Inactive).send()
    };
    off(first.access_key_id()).await.unwrap();
    off(first.access_key_id()).await.unwrap();
    assert_eq!(code(off("AKIAEXAMPLEMISSING01").await), "NoSuchEntity");
    let listed = iam.list_access_keys().user_name("alice").send().await.unwrap();
    let status: Vec<_> =
        listed.access_key_metadata().iter().map(|k| k.status().unwrap().as_str()).collect();
    assert_eq!(status, ["Inactive", "Active"]);
    let used = iam.get_access_key_last_used().access_key_id(first.access_key_id()).send().await;
    let used = used.unwrap();
    assert_eq!(used.user_name(), Some("alice"));
    assert_eq!(used.access_key_last_used().unwrap().service_name(), "N/A");
    let unknown = iam.get_access_key_last_used().access_key_id("AKIAEXAMPLEMISSING01").send();
    assert_eq!(code(unknown.await), "NoSuchEntity");
}

async fn passwords(iam: &aws_sdk_iam::Client, clock: Clock) {
    let profile = |user: &str| iam.get_login_profile().user_name(user).send();
    assert_eq!(code(profile("alice").await), "NoSuchEntity");
    let create = || iam.create_login_profile().user_name("alice");
    assert_eq!(code(create().password("short").send().await), "PasswordPolicyViolation");
    assert_eq!(code(create().password("all of a kind").send().await), "PasswordPolicyViolation");
    create().password("Correct horse 1").send().await.unwrap();
    assert_eq!(code(create().password("Correct horse 1").send().await), "EntityAlreadyExists");
    let update = || {
        let update = iam.update_login_profile().user_name("alice").password("Battery staple 2");
        update.password_reset_required(true).send()
    };
    let delete = || iam.delete_login_profile().user_name("alice").send();
    // One that was made a moment ago cannot be modified.
    assert_eq!(code(update().await), "EntityTemporarilyUnmodifiable");
    assert_eq!(code(delete().await), "EntityTemporarilyUnmodifiable");
    clock.sleep(Duration::from_secs(20)).await;
    update().await.unwrap();
    assert!(profile("alice").await.unwrap().login_profile.unwrap().password_reset_required());
    delete().await.unwrap();
    assert_eq!(code(delete().await), "NoSuchEntity");

    assert_eq!(code(iam.get_account_password_policy().send().await), "NoSuchEntity");
    assert_eq!(code(iam.delete_account_password_policy().send().await), "NoSuchEntity");
    let policy = || iam.update_account_password_policy();
    assert_eq!(code(policy().minimum_password_length(5).send().await), "ValidationError");
    policy().minimum_password_length(12).require_symbols(true).send().await.unwrap();
    // What is left out goes back to what it is by default.
    policy().require_numbers(true).password_reuse_prevention(2).send().await.unwrap();
    let shown = iam.get_account_password_policy().send().await.unwrap().password_policy.unwrap();
    assert_eq!((shown.minimum_password_length(), shown.require_symbols()), (Some(6), false));
    assert!(shown.require_numbers() && !shown.allow_users_to_change_password());
    assert_eq!((shown.password_reuse_prevention(), shown.max_password_age()), (Some(2), None));

    // The caller's own.
    let change =
        |old: &str, new: &str| iam.change_password().old_password(old).new_password(new).send();
    assert_eq!(code(change("Secret 1", "Secret 2").await), "NoSuchEntity");
    let make = iam.create_login_profile().user_name("admin").password("Secret 1");
    make.password_reset_required(true).send().await.unwrap();
    clock.sleep(Duration::from_secs(20)).await;
    assert_eq!(code(change("Secret 0", "Secret 2").await), "AccessDenied");
    assert_eq!(code(change("Secret 1", "Secret").await), "PasswordPolicyViolation");
    assert_eq!(code(change("Secret 1", "Secret 1").await), "PasswordPolicyViolation");
    change("Secret 1", "Secret 2").await.unwrap();
    assert!(!profile("admin").await.unwrap().login_profile.unwrap().password_reset_required());
    assert_eq!(code(change("Secret 2", "Secret 1").await), "PasswordPolicyViolation");
    change("Secret 2", "Secret 3").await.unwrap();
    change("Secret 3", "Secret 1").await.unwrap();
    iam.delete_account_password_policy().send().await.unwrap();
}

async fn credentials(iam: &aws_sdk_iam::Client) {
    assert_eq!(iam.list_mfa_devices().user_name("alice").send().await.unwrap().mfa_devices(), []);
    let service = |name: &str| {
        let create = iam.create_service_specific_credential().user_name("alice");
        create.service_name(name).send()
    };
    assert_eq!(code(service("example.com").await), "NotSupportedService");
    let made = service("codecommit.amazonaws.com").await.unwrap();
    let id =
        made.service_specific_credential().unwrap().service_specific_credential_id().to_owned();
    let update = iam.update_service_specific_credential().user_name("alice");
    let update = update.service_specific_credential_id(id).status(StatusType::Inactive);
    update.send().await.unwrap();
    let listed = iam.list_service_specific_credentials().user_name("alice").send().await.unwrap();
    assert_eq!(listed.service_specific_credentials()[0].status(), &StatusType::Inactive);

    let upload = |body: &str| {
        iam.upload_ssh_public_key().user_name("alice").ssh_public_key_body(body).send()
    };
    assert_eq!(code(upload("rubbish").await), "UnrecognizedPublicKeyEncoding");
    let made = upload("ssh-rsa AAAAB3 alice").await.unwrap().ssh_public_key.unwrap();
    assert_eq!(code(upload("ssh-rsa AAAAB3 alice").await), "DuplicateSSHPublicKey");
    let update = iam.update_ssh_public_key().user_name("alice");
    let update = update.ssh_public_key_id(made.ssh_public_key_id()).status(StatusType::Inactive);
    update.send().await.unwrap();
    let listed = iam.list_ssh_public_keys().user_name("alice").send().await.unwrap();
    assert_eq!(listed.ssh_public_keys()[0].status(), &StatusType::Inactive);

    let listed = iam.list_signing_certificates().user_name("admin").send().await.unwrap();
    let certificate = &listed.certificates()[0];
    let update = iam.update_signing_certificate().user_name("admin");
    let update = update.certificate_id(certificate.certificate_id()).status(StatusType::Inactive);
    update.send().await.unwrap();
}

async fn policies(iam: &aws_sdk_iam::Client) {
    let attach = |arn: &str| iam.attach_user_policy().user_name("alice").policy_arn(arn).send();
    assert_eq!(code(attach("arn:aws:iam::aws:policy/NoSuchThing").await), "NoSuchEntity");
    attach(DENY_ALL).await.unwrap();
    attach(DENY_ALL).await.unwrap();
    let attached = iam.list_attached_user_policies().user_name("alice").send().await.unwrap();
    assert_eq!(attached.attached_policies()[0].policy_name(), Some("AWSDenyAll"));
    let policy = iam.get_policy().policy_arn(DENY_ALL).send().await.unwrap().policy.unwrap();
    assert_eq!(policy.attachment_count(), Some(1));
    let version = iam.get_policy_version().policy_arn(DENY_ALL).version_id("v1").send().await;
    assert!(version.unwrap().policy_version().unwrap().document().unwrap().contains("%22Deny%22"));
    let detach = || iam.detach_user_policy().user_name("alice").policy_arn(DENY_ALL).send();
    detach().await.unwrap();
    assert_eq!(code(detach().await), "NoSuchEntity");

    let put = |name: &str, document: &str| {
        iam.put_user_policy().user_name("alice").policy_name(name).policy_document(document).send()
    };
    put("p", ALLOW).await.unwrap();
    assert_eq!(code(put("p", "{}").await), "MalformedPolicyDocument");
    // White space does not count towards the quota; what stands there already does.
    put("p", &ALLOW.replace(',', &format!(",{}", " ".repeat(3000)))).await.unwrap();
    let long = ALLOW.replace("s3:*", &format!("s3:{}", "x".repeat(1900)));
    assert_eq!(
        message(put("q", &long).await),
        "Maximum policy size of 2048 bytes exceeded for user alice"
    );
    put("p", ALLOW).await.unwrap();
    let names = iam.list_user_policies().user_name("alice").send().await.unwrap();
    assert_eq!(names.policy_names(), ["p"]);
    let simulate = |action: &str| {
        let call = iam.simulate_principal_policy().action_names(action);
        call.policy_source_arn("arn:aws:iam::111122223333:user/dev/alice").send()
    };
    let simulated = simulate("s3:GetObject").await.unwrap();
    let decision = simulated.evaluation_results()[0].eval_decision().as_str().to_owned();
    assert_eq!(decision, "allowed", "what is written is seen before it is enforced");
    let get = iam.get_user_policy().user_name("alice").policy_name("p").send().await.unwrap();
    let decoded =
        percent_encoding::percent_decode_str(get.policy_document()).decode_utf8().unwrap();
    assert_eq!(decoded, ALLOW);
    let delete = || iam.delete_user_policy().user_name("alice").policy_name("p").send();
    delete().await.unwrap();
    assert_eq!(code(delete().await), "NoSuchEntity");

    let bound = iam.put_user_permissions_boundary().user_name("alice");
    bound.permissions_boundary(DENY_ALL).send().await.unwrap();
    let alice = iam.get_user().user_name("alice").send().await.unwrap().user.unwrap();
    let boundary = alice.permissions_boundary().unwrap();
    assert_eq!(boundary.permissions_boundary_arn(), Some(DENY_ALL));
    let unbound = || iam.delete_user_permissions_boundary().user_name("alice").send();
    unbound().await.unwrap();
    assert_eq!(code(unbound().await), "NoSuchEntity");
}

async fn roles(iam: &aws_sdk_iam::Client) {
    let create = |trust: &str| {
        iam.create_role().role_name("worker").assume_role_policy_document(trust).send()
    };
    assert_eq!(code(create(ALLOW).await), "MalformedPolicyDocument");
    create(TRUST).await.unwrap();
    assert_eq!(code(create(TRUST).await), "EntityAlreadyExists");
    assert_eq!(iam.list_roles().send().await.unwrap().roles().len(), 4);
    let role = iam.get_role().role_name("worker").send().await.unwrap().role.unwrap();
    let trust = role.assume_role_policy_document().unwrap();
    assert_eq!(percent_encoding::percent_decode_str(trust).decode_utf8().unwrap(), TRUST);
    let update = iam.update_assume_role_policy().role_name("worker").policy_document(TRUST);
    update.send().await.unwrap();
    let put = iam.put_role_policy().role_name("worker").policy_name("p").policy_document(ALLOW);
    put.send().await.unwrap();
    let names = iam.list_role_policies().role_name("worker").send().await.unwrap();
    assert_eq!(names.policy_names(), ["p"]);
    let get = iam.get_role_policy().role_name("worker").policy_name("p").send().await.unwrap();
    assert_eq!(get.role_name(), "worker");
    iam.delete_role_policy().role_name("worker").policy_name("p").send().await.unwrap();
    let read = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    iam.attach_role_policy().role_name("worker").policy_arn(read).send().await.unwrap();
    let listed = iam.list_attached_role_policies().role_name("worker").send().await.unwrap();
    assert_eq!(listed.attached_policies().len(), 1);
    iam.detach_role_policy().role_name("worker").policy_arn(read).send().await.unwrap();

    let bound = iam.put_role_permissions_boundary().role_name("worker");
    bound.permissions_boundary(DENY_ALL).send().await.unwrap();
    let worker = iam.get_role().role_name("worker").send().await.unwrap().role.unwrap();
    let boundary = worker.permissions_boundary().unwrap();
    assert_eq!(boundary.permissions_boundary_arn(), Some(DENY_ALL));
    let unbound = || iam.delete_role_permissions_boundary().role_name("worker").send();
    unbound().await.unwrap();
    assert_eq!(code(unbound().await), "NoSuchEntity");
    let gone = iam.create_role().role_name("gone").assume_role_policy_document(TRUST);
    gone.send().await.unwrap();
    iam.attach_role_policy().role_name("gone").policy_arn(read).send().await.unwrap();
    let delete = || iam.delete_role().role_name("gone").send();
    assert_eq!(code(delete().await), "DeleteConflict");
    iam.detach_role_policy().role_name("gone").policy_arn(read).send().await.unwrap();
    delete().await.unwrap();
    assert_eq!(code(delete().await), "NoSuchEntity");
    for (name, path) in
        [("linked", "/aws-service-role/x.amazonaws.com/"), ("sso", "/aws-reserved/")]
    {
        let kept = iam.create_role().role_name(name).path(path).assume_role_policy_document(TRUST);
        kept.send().await.unwrap();
        let attach = iam.attach_role_policy().role_name(name).policy_arn(DENY_ALL).send();
        assert_eq!(code(attach.await), "UnmodifiableEntity");
        let put = iam.put_role_policy().role_name(name).policy_name("p").policy_document(ALLOW);
        assert_eq!(code(put.send().await), "UnmodifiableEntity");
    }
}

async fn sessions(sts: &aws_sdk_sts::Client) {
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.arn(), Some("arn:aws:iam::111122223333:user/admin"));
    let info = sts.get_access_key_info().access_key_id("AKIAEXAMPLELEAKED001").send().await;
    assert_eq!(info.unwrap().account(), Some("111122223333"));
    let unknown = sts.get_access_key_info().access_key_id("AKIAEXAMPLEMISSING01").send().await;
    assert_eq!(code(unknown), "ValidationError");
    let token = sts.get_session_token().duration_seconds(900).send().await.unwrap();
    assert!(issued(token.credentials().unwrap()).session_token.is_some());
    let short = sts.get_session_token().duration_seconds(60).send().await;
    assert_eq!(code(short), "ValidationError");
    sts.get_federation_token().name("support").policy(ALLOW).send().await.unwrap();
    let arn = "arn:aws:iam::111122223333:role/worker";
    let role = sts.assume_role().role_arn(arn).role_session_name("test").send().await.unwrap();
    let user = role.assumed_role_user().unwrap();
    assert_eq!(user.arn(), "arn:aws:sts::111122223333:assumed-role/worker/test");
}

async fn secrets(secrets: &aws_sdk_secretsmanager::Client) {
    let create = |value: &str| secrets.create_secret().name("app/db").secret_string(value).send();
    let made = create("one").await.unwrap();
    let first = made.version_id().unwrap().to_owned();
    assert_eq!(code(create("two").await), "ResourceExistsException");
    let token = "0123456789abcdef0123456789abcdef";
    let put = |value: &str| {
        let put = secrets.put_secret_value().secret_id("app/db").client_request_token(token);
        put.secret_string(value).version_stages("pending").send()
    };
    let one = put("two").await.unwrap();
    assert_eq!(one.version_stages(), ["pending"]);
    let again = put("two").await.unwrap();
    assert_eq!(again.version_id(), Some(token));
    assert_eq!(code(put("three").await), "ResourceExistsException");

    let current = || secrets.get_secret_value().secret_id("app/db");
    assert_eq!(current().send().await.unwrap().secret_string(), Some("one"));
    let move_to = |from: Option<&str>, to: Option<&str>| {
        let update = secrets.update_secret_version_stage().secret_id("app/db");
        let update = update.version_stage("AWSCURRENT");
        let from = from.map(str::to_owned);
        update.set_remove_from_version_id(from).set_move_to_version_id(to.map(str::to_owned)).send()
    };
    assert_eq!(code(move_to(None, Some(token)).await), "InvalidParameterException");
    assert_eq!(code(move_to(Some(token), Some(&first)).await), "InvalidParameterException");
    assert_eq!(code(move_to(Some(&first), None).await), "InvalidParameterException");
    move_to(Some(&first), Some(token)).await.unwrap();
    assert_eq!(current().send().await.unwrap().secret_string(), Some("two"));
    let previous = current().version_stage("AWSPREVIOUS").send().await.unwrap();
    assert_eq!(previous.secret_string(), Some("one"));
    let missing = current().version_stage("nothing").send().await;
    assert_eq!(code(missing), "ResourceNotFoundException");

    let described = secrets.describe_secret().secret_id(made.arn().unwrap()).send().await.unwrap();
    assert_eq!(described.version_ids_to_stages().unwrap()[token], ["AWSCURRENT", "pending"]);
    let third = secrets.put_secret_value().secret_id("app/db").secret_binary(Blob::new("three"));
    third.send().await.unwrap();
    assert_eq!(current().send().await.unwrap().secret_binary().unwrap().as_ref(), b"three");
    let versions = || secrets.list_secret_version_ids().secret_id("app/db");
    assert_eq!(versions().send().await.unwrap().versions().len(), 2);
    let all = versions().include_deprecated(true).send().await.unwrap();
    assert_eq!(all.versions().len(), 3);
    assert_eq!(secrets.list_secrets().send().await.unwrap().secret_list().len(), 3);

    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"*","Resource":"*"}]}"#;
    let put = |policy: &str| {
        secrets.put_resource_policy().secret_id("app/db").resource_policy(policy).send()
    };
    assert_eq!(code(put(ALLOW).await), "MalformedPolicyDocumentException");
    let validate = |policy: &str| secrets.validate_resource_policy().resource_policy(policy);
    assert!(validate(policy).send().await.unwrap().policy_validation_passed());
    let public =
        policy.replace("Deny", "Allow").replace("arn:aws:iam::111122223333:user/alice", "*");
    assert!(!validate(&public).send().await.unwrap().policy_validation_passed());
    assert!(!validate(ALLOW).send().await.unwrap().policy_validation_passed());
    let blocked = secrets.put_resource_policy().secret_id("app/db").resource_policy(&public);
    assert_eq!(code(blocked.block_public_policy(true).send().await), "PublicPolicyException");
    let long = policy.replace("alice", &"a".repeat(20_480));
    assert_eq!(code(put(&long).await), "ValidationException");
    put(policy).await.unwrap();
    let get = secrets.get_resource_policy().secret_id("app/db").send().await.unwrap();
    assert_eq!(get.resource_policy(), Some(policy));
    secrets.delete_resource_policy().secret_id("app/db").send().await.unwrap();
    secrets.delete_secret().secret_id("app/db").send().await.unwrap();
    assert_eq!(code(current().send().await), "InvalidRequestException");
    assert_eq!(code(create("two").await), "InvalidRequestException");
    secrets.restore_secret().secret_id("app/db").send().await.unwrap();
    current().send().await.unwrap();
    secrets.rotate_secret().secret_id("deploy/db").send().await.unwrap();
    secrets.cancel_rotate_secret().secret_id("deploy/db").send().await.unwrap();
    assert_eq!(
        code(secrets.rotate_secret().secret_id("app/db").send().await),
        "InvalidRequestException"
    );
    let password = secrets.get_random_password().password_length(40).exclude_punctuation(true);
    let password = password.send().await.unwrap().random_password.unwrap();
    assert_eq!(password.len(), 40);
    assert!(password.bytes().all(|b| b.is_ascii_alphanumeric()), "{password}");
    let forced = secrets.delete_secret().secret_id("app/db").force_delete_without_recovery(true);
    forced.send().await.unwrap();
    assert_eq!(code(current().send().await), "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages() {
    let (cloud, clock) = super::cloud_of(&super::shipped_with("lag: 4s", "lag: 0s\npage_size: 1"));
    let c = clients(&cloud, clock, &cloud.responder_credentials());
    let mut names = Vec::new();
    let mut pages = c.iam.list_users().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert_eq!(page.users().len(), 1);
        names.push(page.users()[0].user_name().to_owned());
    }
    assert_eq!(names, ["backup", "ci-deploy"]);
    let bad = c.iam.list_users().marker("rubbish").send().await;
    assert_eq!(code(bad), "ValidationError");
}
