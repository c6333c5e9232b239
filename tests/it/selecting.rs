//! What a playbook can select users by: tags, groups, age and use of keys, secrets and who may read them.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use portcullis::diagnostic::Code;

use crate::language::selected_in;

const WORLD: &str = r#"
world: 1
now: 2026-03-24T07:10:00Z
seed: 5
responder: { account: "111122223333", role: admin }
accounts:
  "111122223333":
    users:
      ann:
        tags: { team: red }
        groups: [readers, staff]
        keys:
          - { id: AKIAEXAMPLEANNOLD001, created_at: 2025-01-01T00:00:00Z }
          - { id: AKIAEXAMPLEANNNEW002, created_at: 2026-03-24T02:41:07Z, last_used_at: 2026-03-24T02:41:07Z }
      bob:
        path: /ci/
        tags: { team: blue, cost: "7" }
        groups: [staff]
        keys: [{ id: AKIAEXAMPLEBOBOLD003, created_at: 2025-12-24T07:10:00Z, last_used_at: 2026-01-01T00:00:00Z }]
        inline:
          own: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "secretsmanager:*", Resource: "arn:aws:secretsmanager:*:*:secret:${aws:username}/*" }] }
      eve: { tags: { team: red } }
    groups:
      readers:
        inline:
          read: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*", Condition: { StringEquals: { "secretsmanager:ResourceTag/open": "yes" } } }] }
      staff: {}
      empty: {}
    roles:
      admin:
        max_session: 12h
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: ec2.amazonaws.com }, Action: "sts:AssumeRole" }] }
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
      cloud-build:
        path: /ci/
        tags: { team: red }
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Federated: "arn:aws:iam::111122223333:oidc-provider/build.example" }, Action: "sts:AssumeRoleWithWebIdentity" }] }
      supplier:
        path: /ci/deep/
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: ["arn:aws:iam::444455556666:role/x", "111122223333"] }, Action: "sts:AssumeRole" }] }
      AWSServiceRoleForSupport:
        path: /aws-service-role/support.amazonaws.com/
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: support.amazonaws.com }, Action: "sts:AssumeRole" }] }
      batch:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: ec2.amazonaws.com }, Action: "sts:AssumeRole" }] }
    secrets:
      bob/mail: { value: x, tags: { team: red } }
      db: { value: x, tags: { team: blue } }
      shared:
        value: x
        policy: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "arn:aws:iam::111122223333:role/batch" }, Action: "secretsmanager:GetSecretValue", Resource: "*" }] }
"#;

fn names(list: &str) -> Vec<String> {
    selected_in(WORLD, &format!("{list}.map(user, user.name)")).unwrap()
}

fn holds(condition: &str) -> bool {
    !selected_in(WORLD, &format!("{condition} ? ['ann'] : []")).unwrap().is_empty()
}

fn refused(list: &str) -> (Code, String) {
    selected_in(WORLD, list).unwrap_err()
}

#[test]
fn users_are_selected_by_tag_and_by_group() {
    assert_eq!(names("inventory.users_tagged('team', 'red')"), ["ann", "eve"]);
    assert_eq!(names("inventory.users_tagged('team', 'r')"), [""; 0]);
    assert_eq!(names("inventory.users_tagged('Team', 'red')"), [""; 0]);
    assert_eq!(names("inventory.users_in_group('staff')"), ["ann", "bob"]);
    assert_eq!(names("inventory.users_in_group('empty')"), [""; 0]);
    assert_eq!(names("inventory.users_in_group('staff').filter(u, u.path == '/ci/')"), ["bob"]);
    let (code, message) = refused("inventory.users_in_group('stuff').map(u, u.name)");
    assert_eq!(code, Code::NothingFound);
    assert_eq!(message, "there is no group stuff in this account");
}

#[test]
fn roles_are_selected_by_path_by_tag_and_by_whom_they_trust() {
    let are = |list: &str, expected: &str| {
        assert!(holds(&format!("{list}.map(r, r.name) == {expected}")), "{list}: {expected}");
    };
    are(
        "inventory.roles().filter(r, r.changeable)",
        "['admin', 'batch', 'cloud-build', 'supplier']",
    );
    are("inventory.roles().filter(r, !r.changeable)", "['AWSServiceRoleForSupport']");
    are("inventory.roles_in_path('/ci/')", "['cloud-build', 'supplier']");
    are("inventory.roles_in_path('/ci/deep/')", "['supplier']");
    are("inventory.roles_tagged('team', 'red')", "['cloud-build']");
    are("inventory.roles_trusting_account('444455556666')", "['supplier']");
    are("inventory.roles_trusting_account('111122223333')", "['supplier']");
    are("inventory.roles_trusting_account('999988887777')", "[]");
    let provider = "inventory.roles_trusting_provider('arn:aws:iam::111122223333:";
    are(&format!("{provider}oidc-provider/build.example')"), "['cloud-build']");
    are(&format!("{provider}saml-provider/build.example')"), "[]");
    let (code, message) = refused(&format!("{provider}role/x').size() > 0 ? ['ann'] : []"));
    assert_eq!(code, Code::NothingFound);
    assert!(message.contains("is not the ARN of an identity provider"), "{message}");
}

#[test]
fn keys_are_selected_by_age_and_by_last_use() {
    let with_key = |about_key: &str| {
        names(&format!(
            "inventory.users().filter(u, inventory.access_keys(u.name).size() > 0).filter(u, {about_key})"
        ))
    };
    // A loop over users holds no loop over keys: each key's own question is asked.
    assert_eq!(
        with_key("inventory.access_keys(u.name)[0].created_at < inventory.ago('89d')"),
        ["bob"]
    );
    assert_eq!(
        with_key("inventory.access_keys(u.name)[0].created_at < '2025-12-24T07:10:00Z'"),
        [""; 0]
    );
    assert_eq!(
        with_key("inventory.access_keys(u.name)[0].created_at <= '2025-12-24T08:10:00+01:00'"),
        ["bob"]
    );
    let after = "inventory.access_keys('ann').exists(k, k.created_at > '2026-03-19T00:00:00.5Z')";
    assert!(holds(after));
    let used = "inventory.access_keys('ann').exists(k, has(inventory.access_key(k.id).last_used_at) && inventory.access_key(k.id).last_used_at >= inventory.ago('1d'))";
    assert!(holds(used));
    assert!(!holds(&used.replace("'ann'", "'bob'")));
    let never = "inventory.access_keys('ann').filter(k, !has(inventory.access_key(k.id).last_used_at)).map(k, k.id) == ['AKIAEXAMPLEANNOLD001']";
    assert!(holds(never));
}

#[test]
fn instants_are_compared_with_instants_and_as_such() {
    // As texts they would stand the other way round.
    let half = "inventory.ago('0s') > '2026-03-24T07:09:59.5Z'";
    assert!(holds(half));
    assert!(holds("inventory.ago('1d') == '2026-03-23T07:10:00Z'"));
    for (wrong, word) in [
        ("inventory.ago('1d') < 5", "an instant is compared with a whole number"),
        ("inventory.ago('1d') < 'yesterday'", "an instant is compared with text"),
        ("'a' < 'b'", "does not go with"),
        // A key that was never used has no instant.
        (
            "inventory.access_key('AKIAEXAMPLEANNOLD001').last_used_at < inventory.ago('1d')",
            "this may be nothing",
        ),
    ] {
        let text = format!(
            "portcullis: 1\nname: x\ntitle: X\nsteps:\n  - {{ id: q, phase: contain, if: \"{wrong}\", uses: iam.user.quarantine, with: {{ user: ann }} }}\n"
        );
        let source = portcullis::diagnostic::Source::new("playbook.yaml", text);
        let actions = portcullis::action::catalog::Actions::new();
        let problems = portcullis::playbook::read(&source, &actions).unwrap_err();
        assert_eq!(problems[0].code, Code::WrongType, "{wrong}");
        assert!(problems[0].message.contains(word), "{}", problems[0].message);
    }
}

#[test]
fn secrets_are_selected_by_tag_and_by_who_may_perhaps_read_them() {
    let gives = |question: &str, expected: &str| {
        let asked = format!("inventory.{question}.map(s, s.name) == {expected}");
        assert!(holds(&asked), "{asked}");
    };
    gives("secrets()", "['bob/mail', 'db', 'shared']");
    gives("secrets_tagged('team', 'blue')", "['db']");
    gives("secrets_tagged('team', 'green')", "[]");
    // By a group, under a condition that is taken as met.
    gives(
        "secrets_readable_by('arn:aws:iam::111122223333:user/ann')",
        "['bob/mail', 'db', 'shared']",
    );
    gives("secrets_readable_by('arn:aws:iam::111122223333:user/ci/bob')", "['bob/mail']");
    gives("secrets_readable_by('arn:aws:iam::111122223333:user/eve')", "[]");
    // By the policy on the secret.
    gives("secrets_readable_by('arn:aws:iam::111122223333:role/batch')", "['shared']");
    gives("secrets_readable_by(inventory.users()[1].arn)", "['bob/mail']");
    let (code, message) = refused(
        "inventory.secrets_readable_by('arn:aws:iam::111122223333:user/bob').map(s, s.name)",
    );
    assert_eq!(code, Code::NothingFound);
    assert_eq!(
        message,
        "there is no user or role arn:aws:iam::111122223333:user/bob in this account"
    );
    assert!(holds("!inventory.secrets()[0].deleted"));
}

/// What the account refuses to say is not taken for nothing.
#[test]
fn a_question_that_is_refused_has_no_answer() {
    let blind = |operation: &str| {
        let deny = format!(
            "        inline: {{ blind: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Deny, Action: \"{operation}\", Resource: \"*\" }}] }} }}\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n"
        );
        let world = WORLD.replace(
            "        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n",
            &deny,
        );
        assert_ne!(world, WORLD);
        world
    };
    let readable = "secrets_readable_by('arn:aws:iam::111122223333:user/eve')";
    for (operation, question) in [
        ("iam:GetAccountAuthorizationDetails", "users_tagged('team', 'red')"),
        ("iam:GetAccountAuthorizationDetails", "users_in_group('staff')"),
        ("iam:GetAccountAuthorizationDetails", readable),
        ("secretsmanager:ListSecrets", "secrets()"),
        ("secretsmanager:ListSecrets", "secrets_tagged('team', 'red')"),
        ("secretsmanager:GetResourcePolicy", readable),
    ] {
        let asked = format!("inventory.{question}.map(x, x.name)");
        let (code, message) = selected_in(&blind(operation), &asked).unwrap_err();
        assert_eq!(code, Code::CouldNotRead, "{asked}: {message}");
        assert!(message.contains(operation), "{message}");
    }
}
