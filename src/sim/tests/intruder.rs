//! An intruder who acts: through what he holds, at his own instants, and no further than policy lets him.

use std::fmt::Write as _;
use std::time::Duration;

use aws_sdk_iam::types::StatusType;

use super::super::{Deed, saved_at};
use super::{Clock, Cloud, LEAKED, WORLD, World, admin, clients, cloud_of, key, settle};

const DENY_ALL: &str = "arn:aws:iam::aws:policy/AWSDenyAll";
const KEY: &str = "AKIAEXAMPLEMALLORY01";

/// A world in which the intruder holds a key of `mallory`, who may do `actions`, beside an administrator
/// and a victim who has a bit of everything. `intruder` is the rest of his part of the file.
fn world(actions: &str, intruder: &str) -> String {
    format!(
        r#"
world: 1
now: 2026-03-24T07:10:00Z
seed: 7
lag: 4s
responder: {{ account: "111122223333", key: AKIAEXAMPLEADMIN0009 }}
accounts:
  "111122223333":
    users:
      admin:
        keys: [{{ id: AKIAEXAMPLEADMIN0009 }}]
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
      mallory:
        keys: [{{ id: {KEY} }}]
        inline:
          may: {{ Version: "2012-10-17", Statement: [{{ Effect: Allow, Action: [{actions}], Resource: "*" }}] }}
      victim:
        keys: [{{ id: AKIAEXAMPLEVICTIM002 }}]
        password: {{}}
        attached: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
        inline:
          note: {{ Version: "2012-10-17", Statement: [{{ Effect: Allow, Action: "iam:ChangePassword", Resource: "*" }}] }}
        boundary: "arn:aws:iam::aws:policy/AdministratorAccess"
      clerk: {{}}
    roles:
      helper:
        trust: {{ Version: "2012-10-17", Statement: [{{ Effect: Allow, Principal: {{ AWS: "arn:aws:iam::111122223333:root" }}, Action: "sts:AssumeRole" }}] }}
        attached: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    secrets:
      vault/victim:
        value: {{ access_key_id: AKIAEXAMPLEVICTIM002, secret_access_key: "@secret-of AKIAEXAMPLEVICTIM002" }}
intruder:
  holds: [{KEY}]
{intruder}
"#
    )
}

fn refusals(deeds: &[Deed]) -> Vec<Option<&str>> {
    deeds.iter().map(|deed| deed.refused.as_deref()).collect()
}

async fn wait(clock: Clock, seconds: u64) {
    clock.sleep(Duration::from_secs(seconds)).await;
}

/// Everything he might do: the operation, its parameters, and what he holds more because of it.
const DEEDS: &[(&str, &str, &str, usize)] = &[
    ("iam", "CreateAccessKey", "{}", 1),
    ("iam", "CreateAccessKey", "{ UserName: victim }", 1),
    (
        "iam",
        "UpdateAccessKey",
        "{ UserName: victim, AccessKeyId: AKIAEXAMPLEVICTIM002, Status: Inactive }",
        0,
    ),
    ("iam", "DeleteAccessKey", "{ UserName: victim, AccessKeyId: AKIAEXAMPLEVICTIM002 }", 0),
    (
        "iam",
        "DetachUserPolicy",
        "{ UserName: victim, PolicyArn: \"arn:aws:iam::aws:policy/ReadOnlyAccess\" }",
        0,
    ),
    ("iam", "DeleteUserPolicy", "{ UserName: victim, PolicyName: note }", 0),
    ("iam", "DeleteUserPermissionsBoundary", "{ UserName: victim }", 0),
    (
        "iam",
        "AttachUserPolicy",
        "{ UserName: mallory, PolicyArn: \"arn:aws:iam::aws:policy/AdministratorAccess\" }",
        0,
    ),
    (
        "iam",
        "PutUserPolicy",
        "{ UserName: clerk, PolicyName: all, PolicyDocument: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Action: \"*\", Resource: \"*\" }] } }",
        0,
    ),
    ("iam", "CreateUser", "{ UserName: another }", 0),
    ("iam", "UpdateUser", "{ UserName: victim, NewUserName: nobody }", 0),
    ("iam", "CreateLoginProfile", "{ UserName: clerk }", 1),
    ("iam", "UpdateLoginProfile", "{ UserName: victim }", 1),
    ("iam", "DeleteLoginProfile", "{ UserName: victim }", 0),
    (
        "iam",
        "UpdateAssumeRolePolicy",
        "{ RoleName: helper, PolicyDocument: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Principal: { AWS: \"arn:aws:iam::999988887777:root\" }, Action: \"sts:AssumeRole\" }] } }",
        0,
    ),
    (
        "iam",
        "DetachRolePolicy",
        "{ RoleName: helper, PolicyArn: \"arn:aws:iam::aws:policy/ReadOnlyAccess\" }",
        0,
    ),
    ("sts", "GetFederationToken", "{ Name: support }", 1),
    (
        "sts",
        "AssumeRole",
        "{ RoleArn: \"arn:aws:iam::111122223333:role/helper\", RoleSessionName: maintenance }",
        1,
    ),
    ("secretsmanager", "GetSecretValue", "{ SecretId: vault/victim }", 1),
    (
        "secretsmanager",
        "PutSecretValue",
        "{ SecretId: vault/victim, SecretString: mine, ClientRequestToken: \"0123456789abcdef0123456789abcdef\" }",
        0,
    ),
];

/// However much he would do, he holds no more than there is room for, and it is said that he would do more.
#[tokio::test(start_paused = true)]
async fn an_intruder_without_end_comes_to_one() {
    let session = "    - { every: 1s, times: 500, deeds: [{ operation: GetFederationToken, params: { Name: support }, with: AKIAEXAMPLEMALLORY01 }] }\n";
    let restless = format!("  reacts:\n{}", session.repeat(20));
    let (cloud, clock) = cloud_of(&world("\"sts:GetFederationToken\"", &restless));
    wait(clock, 60).await;
    let deeds = cloud.intruder_deeds();
    let (end, before) = deeds.split_last().unwrap();
    assert!(end.is_the_end() && !before.iter().any(Deed::is_the_end), "{end:?}");
    let held: usize = before.iter().map(|deed| deed.gained.len()).sum();
    assert_eq!((before.len(), held), (299, 299), "the key that he began with is one more");
    wait(clock, 60).await;
    assert_eq!(cloud.intruder_deeds().len(), deeds.len());
}

#[tokio::test(start_paused = true)]
async fn whatever_he_does_policy_decides_and_what_he_gets_he_holds() {
    for (service, operation, params, gained) in DEEDS {
        let script = format!(
            "  reacts:\n    - after: 1s\n      deeds:\n        - {{ operation: {operation}, params: {params} }}\n"
        );
        for allowed in [true, false] {
            let may = if allowed {
                format!("\"{service}:{operation}\"")
            } else {
                "\"s3:GetObject\"".into()
            };
            let (cloud, clock) = cloud_of(&world(&may, &script));
            let before = cloud.snapshot();
            assert_eq!(cloud.intruder_deeds(), []);
            wait(clock, 1).await;
            let deeds = cloud.intruder_deeds();
            let after = cloud.snapshot();
            assert_eq!(deeds.len(), 1, "{operation}");
            assert_eq!(deeds[0].credential.as_deref(), Some(KEY));
            let audit = cloud.audit();
            let event = audit.last().unwrap();
            assert!(event.intruder && event.operation == *operation && event.access_key_id == KEY);
            assert_eq!(event.principal, "arn:aws:iam::111122223333:user/mallory");
            assert_eq!(event.at.to_string(), "2026-03-24T07:10:01Z");
            assert_eq!(event.took_effect, allowed, "{operation}");
            let issues = *service == "sts" || *operation == "GetSecretValue";
            assert_eq!(before != after, allowed && !issues, "{operation} {params}");
            if allowed {
                assert_eq!(deeds[0].refused, None, "{operation} {params}");
                assert_eq!(deeds[0].gained.len(), *gained, "{operation} {params}");
                assert_eq!(cloud.intruder_reach().len(), 1 + gained, "what he got is tried");
            } else {
                let code = deeds[0].refused.as_deref().unwrap();
                assert!(code.starts_with("AccessDenied"), "{operation}: {code}");
                assert_eq!((deeds[0].gained.len(), cloud.intruder_reach().len()), (0, 1));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_he_gets_is_worth_what_policy_makes_of_it() {
    let script = r#"
  tries: [{ action: "s3:GetObject", resource: "arn:aws:s3:::site/x" }]
  reacts:
    - name: everything at once
      after: 1s
      deeds:
        - { operation: CreateAccessKey, params: { UserName: clerk } }
        - { operation: GetSessionToken, params: { DurationSeconds: 129600 }, as: long }
        - { operation: GetFederationToken, params: { Name: support, Policy: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "s3:*", Resource: "*" }] } } }
        - { operation: AssumeRole, params: { RoleArn: "arn:aws:iam::111122223333:role/helper", RoleSessionName: one }, as: first }
        - { operation: AssumeRole, params: { RoleArn: "arn:aws:iam::111122223333:role/helper", RoleSessionName: two }, with: first }
        - { operation: CreateAccessKey, params: {}, with: long }
"#;
    let may = r#""iam:CreateAccessKey", "sts:*", "s3:*""#;
    let (cloud, clock) = cloud_of(&world(may, script));
    wait(clock, 1).await;
    settle(clock).await;
    let deeds = cloud.intruder_deeds();
    // The helper may not assume itself, and a session got without MFA does not call IAM.
    let expected = [None, None, None, None, Some("AccessDenied"), Some("InvalidClientTokenId")];
    assert_eq!(refusals(&deeds), expected);
    assert!(deeds.iter().all(|deed| deed.why == "everything at once"));
    assert_eq!(deeds[4].credential, deeds[3].gained.first().cloned());
    let reach = cloud.intruder_reach();
    let reads =
        |n: usize| reach[n].allowed.iter().any(|allowed| allowed.starts_with("s3:GetObject"));
    assert_eq!(reach.len(), 5);
    assert!(reach.iter().all(|reach| reach.alive));
    // His key, a key on a clerk who may nothing, two sessions of his, and a role that reads.
    assert_eq!([0, 1, 2, 3, 4].map(reads), [true, false, true, true, true]);
    let shown = format!("{}{:?}{:?}", cloud.save(), deeds, cloud.audit());
    for canary in cloud.canaries() {
        assert!(!shown.contains(canary.expose()), "{}", canary.expose());
    }
}

/// The world of the shipped playbook; he takes the quarantine off so long after he sees it put on.
fn takes_it_off(react_in: &str) -> String {
    let head = WORLD.split("\nintruder:").next().unwrap().replace("\"iam:GetUser\",", "\"iam:*\",");
    format!(
        r#"{head}
intruder:
  holds: [{LEAKED}]
  reacts:
    - name: takes the quarantine off
      when: {{ operation: AttachUserPolicy, target: ci-deploy }}
      react_in: {react_in}
      times: 1
      deeds:
        - {{ operation: DetachUserPolicy, params: {{ UserName: ci-deploy, PolicyArn: "{DENY_ALL}" }} }}
"#
    )
}

#[tokio::test(start_paused = true)]
async fn whether_he_wins_the_race_is_a_matter_of_the_lag() {
    for (react_in, wins) in [("3999ms", true), ("4s", false), ("10s", false)] {
        let (cloud, clock) = cloud_of(&takes_it_off(react_in));
        let c = clients(&cloud, clock, &cloud.responder_credentials());
        let attach =
            || c.iam.attach_user_policy().user_name("ci-deploy").policy_arn(DENY_ALL).send();
        attach().await.unwrap();
        let quarantined = || cloud.snapshot().0.keys().any(|entry| entry.ends_with("AWSDenyAll"));
        assert!(quarantined());
        wait(clock, 15).await;
        let deeds = cloud.intruder_deeds();
        let refused = (!wins).then_some("AccessDenied");
        assert_eq!(refusals(&deeds), [refused], "{react_in}");
        assert_eq!(quarantined(), !wins, "{react_in}");
        // Once is once.
        attach().await.unwrap();
        wait(clock, 15).await;
        assert!(quarantined());
        assert_eq!(cloud.intruder_deeds().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn he_acts_at_his_own_instants_and_before_whoever_comes_later() {
    let script = r"
  reacts:
    - { at: 2026-03-24T07:10:07Z, deeds: [{ operation: CreateUser, params: { UserName: seven } }] }
    - { every: 3s, times: 3, deeds: [{ operation: CreateAccessKey, params: { UserName: clerk } }] }
    - { when: { refused: CreateAccessKey }, react_in: 500ms, deeds: [{ operation: CreateLoginProfile, params: { UserName: clerk } }] }
";
    let (cloud, clock) = cloud_of(&world("\"iam:*\"", script));
    let c = clients(&cloud, clock, &admin(&cloud));
    wait(clock, 60).await;
    // Nobody looked for a minute: what he did meanwhile comes first all the same.
    c.iam.list_users().send().await.unwrap();
    let audit = cloud.audit();
    let happened: Vec<String> = audit
        .iter()
        .map(|event| {
            let (at, own) =
                (event.at.strftime("%M:%S%.f"), if event.intruder { "his" } else { "ours" });
            let code = event.error.as_deref().unwrap_or("done");
            format!("{at} {own} {} {} {code}", event.request, event.operation)
        })
        .collect();
    assert_eq!(
        happened,
        [
            "10:03 his 0 CreateAccessKey done",
            "10:06 his 0 CreateAccessKey done",
            "10:07 his 0 CreateUser done",
            "10:09 his 0 CreateAccessKey LimitExceeded",
            "10:09.5 his 0 CreateLoginProfile done",
            "11:00 ours 1 ListUsers done",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_saved_world_goes_on_with_him_in_the_middle_of_it() {
    let greedy = "  strategy: greedy\n";
    for text in [takes_it_off("3s"), world("\"*\"", greedy)] {
        let plays = async |put_away: bool| {
            let (mut cloud, mut clock) = cloud_of(&text);
            for second in 0..90 {
                if put_away && second % 7 == 2 {
                    // Through text, as a file would have it.
                    let state = serde_json::from_str(&cloud.save().to_string()).unwrap();
                    clock = Clock::starting_at(saved_at(&state).unwrap());
                    cloud = Cloud::load(&state, clock).unwrap();
                }
                // Later than his first look, whenever that is.
                if second > 30 && second % 20 == 1 {
                    let c = clients(&cloud, clock, &cloud.responder_credentials());
                    let name = if text.contains("ci-deploy") { "ci-deploy" } else { "mallory" };
                    let attach = c.iam.attach_user_policy().user_name(name).policy_arn(DENY_ALL);
                    attach.send().await.unwrap();
                }
                wait(clock, 1).await;
            }
            (cloud.save().to_string(), cloud.intruder_deeds())
        };
        let (whole, deeds) = plays(false).await;
        let (pieces, again) = plays(true).await;
        assert!(!deeds.is_empty());
        assert_eq!(deeds, again);
        assert!(whole == pieces, "the world differs once it was put away");
    }
}

#[tokio::test(start_paused = true)]
async fn the_greedy_one_follows_from_the_seed_and_does_all_kinds_of_things() {
    let mut kinds = std::collections::BTreeSet::new();
    let mut plays = std::collections::BTreeSet::new();
    for seed in 1..=10 {
        let greedy =
            world("\"*\"", "  strategy: greedy\n").replace("seed: 7", &format!("seed: {seed}"));
        let mut told = Vec::new();
        for _ in 0..2 {
            let (cloud, clock) = cloud_of(&greedy);
            let c = clients(&cloud, clock, &admin(&cloud));
            wait(clock, 120).await;
            let attach = c.iam.attach_user_policy().user_name("mallory").policy_arn(DENY_ALL);
            attach.send().await.unwrap();
            let off = c.iam.update_access_key().user_name("mallory").access_key_id(KEY);
            off.status(StatusType::Inactive).send().await.unwrap();
            wait(clock, 120).await;
            told.push(cloud.save().to_string());
            let deeds = cloud.intruder_deeds();
            assert!(deeds.len() > 5, "{seed}: {deeds:?}");
            let denied =
                deeds.iter().filter(|deed| deed.refused.as_deref() == Some("AccessDenied"));
            assert!(denied.count() <= deeds.len() / 4, "he wastes few attempts: {deeds:#?}");
            assert!(cloud.intruder_reach().len() > 1);
            kinds.extend(deeds.into_iter().map(|deed| deed.operation));
        }
        assert!(told[0] == told[1], "seed {seed}: two plays differ");
        plays.insert(told.remove(0));
    }
    assert_eq!(plays.len(), 10, "every seed is a play of its own");
    for kind in [
        "AssumeRole",
        "ConsoleLogin",
        "CreateAccessKey",
        "CreateLoginProfile",
        "CreateUser",
        "DetachUserPolicy",
        "GetFederationToken",
        "GetSecretValue",
        "GetSessionToken",
        "UpdateAccessKey",
        "UpdateAssumeRolePolicy",
    ] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn he_may_be_throttled_like_anybody_and_his_requests_are_not_counted_as_ours() {
    let mut deeds = String::new();
    for n in 0..5 {
        let _ =
            writeln!(deeds, "        - {{ operation: CreateUser, params: {{ UserName: u{n} }} }}");
    }
    let script = format!("  reacts:\n    - after: 1s\n      deeds:\n{deeds}");
    let text = world("\"iam:*\"", &script).replace("lag: 4s", "lag: 4s\nrate_limit: 3");
    let (cloud, clock) = cloud_of(&text);
    wait(clock, 1).await;
    let throttled = Some("Throttling");
    assert_eq!(refusals(&cloud.intruder_deeds()), [None, None, None, throttled, throttled]);
    assert_eq!(cloud.requests(), 0);
    wait(clock, 1).await;
    clients(&cloud, clock, &admin(&cloud)).iam.list_users().send().await.unwrap();
    assert_eq!(cloud.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_he_comes_from_counts() {
    let office = r#"
        inline:
          office: { Version: "2012-10-17", Statement: [{ Effect: Deny, Action: "*", Resource: "*", Condition: { NotIpAddress: { "aws:SourceIp": "198.51.100.0/24" } } }] }
      admin:"#;
    for (source_ip, let_in) in [("", false), ("  source_ip: 198.51.100.7\n", true)] {
        let script = format!(
            "{source_ip}  reacts:\n    - after: 1s\n      deeds: [{{ operation: CreateUser, params: {{ UserName: x }} }}]\n"
        );
        let text = world("\"iam:*\"", &script);
        let office = office.replace("\n      admin:", "").replace("\n        inline:", "");
        let text = text.replacen("          may:", &format!("{}\n          may:", &office[1..]), 1);
        let (cloud, clock) = cloud_of(&text);
        wait(clock, 1).await;
        let refused = (!let_in).then_some("AccessDenied");
        assert_eq!(refusals(&cloud.intruder_deeds()), [refused], "{text}");
        assert_eq!(cloud.intruder_reach()[0].allowed.is_empty(), !let_in);
    }
}

#[test]
fn scripts_that_do_not_fit_together_are_refused() {
    let deed = "deeds: [{ operation: CreateUser, params: { UserName: x } }]";
    for (reaction, expected) in [
        (format!("{{ {deed} }}"), "it needs `at`, `after`, `when` or `every`"),
        (format!("{{ at: 2026-03-24T07:10:07Z, after: 1s, {deed} }}"), "only one of"),
        (format!("{{ every: 10ms, {deed} }}"), "`every` is at least a second"),
        (format!("{{ after: 1s, react_in: 1s, {deed} }}"), "`react_in` goes with `when`"),
        (format!("{{ after: 1s, times: 0, {deed} }}"), "`times` is from 1 to 1000"),
        (format!("{{ after: 1s, name: his plan, times: 1001, {deed} }}"), "intruder: his plan: `times`"),
        (format!("{{ when: {{}}, {deed} }}"), "`when` needs an `operation` or a `target`"),
        (format!("{{ when: {{ operation: AttachUserPolic }}, {deed} }}"), "no operation AttachUserPolic"),
        (format!("{{ when: {{ refused: CreateUser, target: x }}, {deed} }}"), "or else `refused`"),
        ("{ after: 1s, deeds: [] }".into(), "it has no deeds"),
        ("{ after: 1s }".into(), "missing field `deeds`"),
        ("{ after: 1s, deeds: [{ operation: DeleteAccount }] }".into(), "no operation DeleteAccount"),
        ("{ after: 1s, deeds: [{ operation: CreateUser, with: AKIAEXAMPLEADMIN0009 }] }".into(), "he does not hold AKIAEXAMPLEADMIN0009"),
        ("{ after: 1s, deeds: [{ operation: CreateUser, account: \"999988887777\" }] }".into(), "no account 999988887777"),
        ("{ after: 1s, deeds: [{ operation: CreateLoginProfile, params: { Password: hunter22 } }] }".into(), "no secret stands in a world file"),
        ("{ after: 1s, deeds: [{ operation: ConsoleLogin, params: {} }] }".into(), "it takes a `UserName`"),
        ("{ after: 1s, deeds: [{ operation: CreateUser, parms: {} }] }".into(), "unknown field `parms`"),
    ] {
        let text = world("\"iam:*\"", &format!("  reacts:\n    - {reaction}\n"));
        let error = World::parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{reaction}: {error}");
    }
    for (held, expected) in [
        ("AKIAEXAMPLENOBODY001", "AKIAEXAMPLENOBODY001 exists nowhere"),
        ("{ password_of: clerk, account: \"111122223333\" }", "no user clerk with a password"),
        ("{ password_of: victim }", "missing field `account`"),
        ("[victim]", "the id of a key or session, or `{ password_of:"),
    ] {
        let text =
            world("\"iam:*\"", "").replace(&format!("holds: [{KEY}]"), &format!("holds: [{held}]"));
        let error = World::parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{held}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn role_sessions_and_other_accounts_are_held_and_tried() {
    let (cloud, clock) = cloud_of(CONTROLLER);
    // A session of a role that the file has, and roles in two other accounts that the key controls.
    wait(clock, 2).await;
    let deeds = cloud.intruder_deeds();
    assert_eq!(refusals(&deeds), [None, None, None], "{deeds:#?}");
    let reach = cloud.intruder_reach();
    assert_eq!(reach.len(), 5);
    let may = |n: usize, what: &str| reach[n].allowed.iter().any(|a| a == what);
    assert!(may(1, "s3:GetObject on arn:aws:s3:::site/x"), "{reach:#?}");
    assert!(may(2, "secretsmanager:GetSecretValue on arn:aws:secretsmanager:us-east-1:444455556666:secret:mail/key-".to_owned().as_str()) || reach[2].allowed.iter().any(|a| a.contains("444455556666:secret:mail/key")));
    assert!(
        reach[3]
            .allowed
            .iter()
            .any(|a| a.starts_with("iam:CreateUser on arn:aws:iam::777788889999"))
    );
    // What the role of the second account read, he holds: the key of its mailer.
    assert_eq!(reach[4].credential, "AKIAEXAMPLEMAILER003");
    // A deny of older sessions on each role is what ends them; the key that got them does not matter.
    let b = clients(&cloud, clock, &key(&cloud, "AKIAEXAMPLEBADMIN004"));
    let older = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-03-24T07:11:00Z"}}}]}"#;
    let put = b.iam.put_role_policy().role_name("hosting-admin").policy_name("older");
    put.policy_document(older).send().await.unwrap();
    settle(clock).await;
    let reach = cloud.intruder_reach();
    assert!(reach[2].alive && reach[2].allowed.is_empty(), "{:?}", reach[2]);
    assert!(!reach[3].allowed.is_empty(), "the other account is another matter");
}

/// A key in one account that controls others, as in March 2026.
const CONTROLLER: &str = r#"
world: 1
now: 2026-03-24T07:10:00Z
seed: 7
accounts:
  "111122223333":
    users:
      control:
        keys: [{ id: AKIAEXAMPLECONTROL01 }]
        inline:
          manage: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "sts:AssumeRole", Resource: "*" }] }
    roles:
      reader:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "arn:aws:iam::111122223333:root" }, Action: "sts:AssumeRole" }] }
        inline:
          read: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "s3:GetObject", Resource: "*" }] }
  "444455556666":
    users:
      mailer: { keys: [{ id: AKIAEXAMPLEMAILER003 }] }
      admin:
        keys: [{ id: AKIAEXAMPLEBADMIN004 }]
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
    roles:
      hosting-admin:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "arn:aws:iam::111122223333:user/control" }, Action: "sts:AssumeRole" }] }
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
    secrets:
      mail/key:
        value: { access_key_id: AKIAEXAMPLEMAILER003, secret_access_key: "@secret-of AKIAEXAMPLEMAILER003" }
  "777788889999":
    roles:
      hosting-admin:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "111122223333" }, Action: "sts:AssumeRole" }] }
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
sessions:
  - id: ASIAEXAMPLEROLESES02
    of: { account: "111122223333", role: reader }
    kind: assume-role
    name: earlier
    issued_at: 2026-03-24T06:45:00Z
    expires_at: 2026-03-24T07:45:00Z
intruder:
  holds: [AKIAEXAMPLECONTROL01, ASIAEXAMPLEROLESES02]
  tries: [{ action: "s3:GetObject", resource: "arn:aws:s3:::site/x" }]
  reacts:
    - after: 1s
      deeds:
        - { operation: AssumeRole, params: { RoleArn: "arn:aws:iam::444455556666:role/hosting-admin", RoleSessionName: deploy }, as: mail }
        - { operation: AssumeRole, params: { RoleArn: "arn:aws:iam::777788889999:role/hosting-admin", RoleSessionName: deploy } }
    - after: 2s
      deeds: [{ operation: GetSecretValue, params: { SecretId: mail/key }, with: mail }]
"#;
