//! As whom a responder works: a role with an external id, a device's code, a profile whose process gives
//! sessions; and whose key was behind it.

use std::os::unix::fs::PermissionsExt;

use portcullis::clock::Clock;
use portcullis::sim::Fault;

use super::{Untouched, refused};
use crate::hosted::{Hosted, in_real_time, key, quick_world, ran, ran_typing};

const ROLE: &str = "arn:aws:iam::111122223333:role/ir/incident-responder";
const DEVICE: &str = "arn:aws:iam::111122223333:mfa/bob";
const BOB: &str = "AKIAEXAMPLEBOBBOB007";

/// The shipped world with `bob`, who may assume the responder's role on these terms.
fn with_bob(condition: &str) -> Hosted {
    let bob = format!(
        "      bob:\n        keys: [{{ id: {BOB} }}]\n        mfa: [\"{DEVICE}\"]\n        inline:\n          assume: {{ Version: \
         \"2012-10-17\", Statement: [{{ Effect: Allow, Action: \"sts:AssumeRole\", Resource: \"*\" }}] }}\n"
    );
    let bystander = "      backup:\n        path: /ops/\n";
    let outside = "{ Effect: Allow, Principal: { AWS: \"arn:aws:iam::999988887777:root\" }, Action: \"sts:AssumeRole\" }";
    let trusted = format!(
        "{{ Effect: Allow, Principal: {{ AWS: [\"arn:aws:iam::111122223333:user/bob\", \
         \"arn:aws:iam::111122223333:user/ci/ci-deploy\"] }}, Action: \"sts:AssumeRole\", Condition: {condition} }}"
    );
    let world =
        quick_world().replace(bystander, &format!("{bob}{bystander}")).replace(outside, &trusted);
    assert!(world.contains(&trusted));
    Hosted::new(&world)
}

/// The binary with the key of a user in its environment.
fn with_key(hosted: &Hosted, id: &str, args: &[&str]) -> std::process::Command {
    let mut command = hosted.here(args);
    let user = hosted.cloud.credentials_of(&key(id));
    command
        .env("AWS_ACCESS_KEY_ID", user.access_key_id.as_str())
        .env("AWS_SECRET_ACCESS_KEY", user.secret.expose())
        .env_remove("AWS_SESSION_TOKEN")
        .args(["--role-arn", ROLE]);
    command
}

fn operations(hosted: &Hosted, operation: &str) -> usize {
    hosted.cloud.audit().iter().filter(|event| event.operation == operation).count()
}

#[test]
fn a_role_is_assumed_with_its_external_id_and_the_case_is_in_the_session_s_name() {
    let hosted = with_bob("{ StringEquals: { \"sts:ExternalId\": knock } }");
    hosted.save_plan(1);
    let run = || with_key(&hosted, BOB, &["run", "plan.json", "--yes"]);
    let words = ["the session to work with could not be had", "sts:AssumeRole", "--external-id"];
    refused(ran(&mut run()), 5, &words);
    refused(ran(run().args(["--external-id", "tap"])), 5, &words);
    let done = ran(run().args(["--external-id", "knock"])).ended_with(11);
    assert!(done.err.contains("The credentials last for "), "{}", done.err);
    let case = hosted.case();
    let name = case.file_name().unwrap().to_str().unwrap();
    let session = format!("assumed-role/incident-responder/{name}");
    let audit = hosted.cloud.audit();
    let writes = audit.iter().filter(|event| event.writes && event.service == "iam");
    assert!(writes.clone().count() > 4);
    for event in writes {
        assert!(event.principal.ends_with(&session), "{event:?}");
    }
}

#[test]
fn a_plan_says_how_long_the_credentials_last_beside_what_the_run_takes() {
    let hosted = with_bob("{ StringEquals: { \"sts:ExternalId\": knock } }");
    let playbook = crate::hosted::playbook_in(hosted.dir());
    let plan = |further: &[&str]| {
        let mut plan = with_key(&hosted, BOB, &["plan", &playbook, "--external-id", "knock"]);
        plan.args(hosted.typed_inputs()).args(further);
        ran(&mut plan).ended_with(0)
    };
    let shown = plan(&[]).out;
    assert!(shown.contains("The credentials last for ") && !shown.contains("got anew"), "{shown}");
    let shown = plan(&["--margin", "7200"]).out;
    assert!(shown.contains("They will be got anew on the way, or the run stops"), "{shown}");
    let told: serde_json::Value =
        serde_json::from_str(&plan(&["--margin", "7200", "--format", "json"]).out).unwrap();
    assert_eq!(told["credentials"]["suffice"], false, "{told:#}");
    let left = told["credentials"]["seconds_left"].as_u64().unwrap();
    assert!((3_000..=3_600).contains(&left), "{left}");
    // Of a session that somebody has pasted nobody knows the end: that is told, and nothing else is taken for it.
    let pasted = ran(&mut hosted.plan(&[])).ended_with(0).out;
    assert!(pasted.contains("are a session's, and nobody knows when that ends"), "{pasted}");
    let pasted = ran(&mut hosted.plan(&["--format", "json"])).ended_with(0).out;
    let told: serde_json::Value = serde_json::from_str(&pasted).unwrap();
    assert_eq!(told["credentials"]["suffice"], serde_json::Value::Null);
}

#[test]
fn the_code_of_a_device_is_typed_once_and_is_nowhere_else() {
    let hosted = with_bob("{ Bool: { \"aws:MultiFactorAuthPresent\": \"true\" } }");
    hosted.save_plan(1);
    let run = || with_key(&hosted, BOB, &["run", "plan.json", "--yes"]);
    refused(ran(&mut run()), 5, &["the session to work with could not be had"]);
    let with_device = || {
        let mut run = run();
        run.args(["--mfa-serial", DEVICE]);
        run
    };
    let unanswered = ran(&mut with_device());
    refused(unanswered, 5, &["Code of MFA device", "was not typed"]);
    refused(ran_typing(&mut with_device(), "000000\n"), 5, &["sts:GetSessionToken"]);
    assert!(crate::hosted::cases_in(hosted.dir()).is_empty());
    let asked = operations(&hosted, "GetSessionToken");
    let code = hosted.cloud.mfa_code(DEVICE);
    let done = ran_typing(&mut with_device(), &format!("{code}\n")).ended_with(11);
    assert_eq!(operations(&hosted, "GetSessionToken"), asked + 1, "one code, one session");
    assert!(!done.said().contains(&code), "{}", done.said());
    for (path, bytes) in crate::hosted::files_under(&hosted.dir().join("cases")) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&code), "{}", path.display());
    }
}

#[test]
fn a_role_that_is_assumed_with_a_key_in_scope_would_lock_out() {
    let admin = "Null: { \"aws:username\": \"false\" }";
    let world = Untouched::of(with_bob(&format!("{{ {admin} }}")));
    let playbook = crate::hosted::playbook_in(world.hosted.dir());
    let mut plan =
        with_key(&world.hosted, "AKIAEXAMPLELEAKED001", &["plan", &playbook, "-o", "plan.json"]);
    plan.args(world.hosted.typed_inputs());
    // Assuming it is a write of its own, and the only one.
    let ran = ran(&mut plan);
    let words = [
        "error[lock-out]",
        "role incident-responder <- credentials of arn:aws:iam::111122223333:user/ci/ci-deploy",
        "cut by quarantine.1",
    ];
    refused(ran, 5, &words);
    // Bob's own session is nobody's in scope.
    let mut plan = with_key(&world.hosted, BOB, &["plan", &playbook, "-o", "plan.json"]);
    let plan = crate::hosted::ran(plan.args(world.hosted.typed_inputs())).ended_with(0);
    assert!(!plan.out.contains("may have been assumed"), "{}", plan.out);
}

/// The SDK follows a profile by itself, and knows nothing of endpoints.
#[test]
fn a_profile_that_assumes_a_role_does_so_at_the_endpoint() {
    let world = Untouched::of(with_bob("{ Null: { \"aws:username\": \"false\" } }"));
    let hosted = &world.hosted;
    let home = hosted.dir().join("home/.aws");
    std::fs::create_dir_all(&home).unwrap();
    let base = |name: &str, id: &str| {
        let of = hosted.cloud.credentials_of(&key(id));
        format!(
            "[profile {name}]\nrole_arn = {ROLE}\nsource_profile = {name}-base\n[profile {name}-base]\n\
             aws_access_key_id = {}\naws_secret_access_key = {}\n",
            of.access_key_id,
            of.secret.expose()
        )
    };
    let config = base("bob", BOB) + &base("leaked", "AKIAEXAMPLELEAKED001");
    std::fs::write(home.join("config"), config).unwrap();
    let plan = |named: bool, profile: &str| {
        let mut plan = hosted.plan(&[]);
        plan.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SESSION_TOKEN");
        if named {
            plan.args(["--profile", profile]);
        } else {
            plan.env("AWS_PROFILE", profile);
        }
        plan
    };
    let path = "key AKIAEXAMPLELEAKED001 of profile leaked-base <- user ci-deploy <- cut by";
    let told = ran(&mut plan(true, "leaked")).ended_with(5);
    assert!(told.err.replace('\n', " ").contains(path), "{}", told.err);
    for named in [true, false] {
        let assumed = operations(hosted, "AssumeRole");
        ran(&mut plan(named, "bob")).ended_with(0);
        assert_eq!(operations(hosted, "AssumeRole"), assumed + 1);
    }
}

/// A process that gives a session, and another one the next time it is asked; the first ends in the run.
#[test]
fn a_profile_whose_process_gives_fresh_sessions_carries_a_run_over_the_end_of_one() {
    let fresh = "sessions:\n  - id: ASIAEXAMPLEFRESH0001\n    of: { account: \"111122223333\", role: incident-responder }\n    \
                 kind: assume-role\n    name: fresh\n    issued_at: 2026-03-24T07:00:00Z\n    expires_at: 2026-03-25T07:00:00Z\n";
    let hosted = Hosted::new(&quick_world().replace("sessions:\n", fresh));
    hosted.save_plan(1);
    let home = hosted.dir().join("home/.aws");
    std::fs::create_dir_all(&home).unwrap();
    let give = |name: &str, of: &portcullis::sim::Credentials| {
        let token = of.session_token.as_ref().unwrap();
        let json = format!(
            r#"{{"Version":1,"AccessKeyId":"{}","SecretAccessKey":"{}","SessionToken":"{}"}}"#,
            of.access_key_id,
            of.secret.expose(),
            token.expose()
        );
        std::fs::write(home.join(name), json).unwrap();
    };
    give("first", &hosted.cloud.responder_credentials());
    give("next", &hosted.cloud.credentials_of(&key("ASIAEXAMPLEFRESH0001")));
    let script = home.join("session");
    // The first is given until it has ended.
    let text = format!(
        "#!/bin/sh\ncd {}\ncat first\nif [ -e ended ]; then cp next first; fi\n",
        home.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config =
        format!("[profile ir]\nregion = us-east-1\ncredential_process = {}\n", script.display());
    std::fs::write(home.join("config"), config).unwrap();
    // It is asked once to begin with; from the next time on there is another.
    std::fs::write(home.join("ended"), "").unwrap();
    let begun = hosted.cloud.requests();
    hosted.cloud.set_faults([(begun + 9, Fault::Expired)]);
    let mut run = hosted.here(&["run", "plan.json", "--yes", "--profile", "ir"]);
    // A profile that is named comes before what is in the environment.
    run.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLENOWHERE09").env("PATH", "/usr/bin:/bin");
    ran(&mut run).ended_with(11);
    let audit = hosted.cloud.audit();
    let by_fresh = audit.iter().filter(|event| event.access_key_id == "ASIAEXAMPLEFRESH0001");
    assert!(by_fresh.count() > 50, "the run went on with it");
}

/// The portal of IAM Identity Center: gives a session to whoever shows the token. Tells what it was asked.
fn portal(session: &portcullis::sim::Credentials) -> (String, std::sync::mpsc::Receiver<String>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    let ends = in_an_hour();
    let body = format!(
        r#"{{"roleCredentials":{{"accessKeyId":"{}","secretAccessKey":"{}","sessionToken":"{}","expiration":{ends}}}}}"#,
        session.access_key_id,
        session.secret.expose(),
        session.session_token.as_ref().unwrap().expose()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 8192];
            let n = stream.read(&mut asked).unwrap_or(0);
            let asked = String::from_utf8_lossy(&asked[..n]).into_owned();
            let known = asked.contains("x-amz-sso_bearer_token: the-token-of-the-sign-in");
            let (status, body) = if known { ("200 OK", body.as_str()) } else { ("401 No", "{}") };
            let head = "content-type: application/json\r\nconnection: close";
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            if tell.send(asked).is_err() {
                return;
            }
        }
    });
    (url, told)
}

fn in_an_hour() -> i64 {
    (in_real_time(async { Clock::system().now() }) + jiff::SignedDuration::from_hours(1))
        .as_millisecond()
}

#[test]
fn a_profile_of_single_sign_on_works_as_the_role_it_names_until_the_sign_in_ends() {
    let hosted = Hosted::new(&quick_world());
    let (url, asked) = portal(&hosted.cloud.responder_credentials());
    let aws = hosted.dir().join("home/.aws");
    std::fs::create_dir_all(aws.join("sso/cache")).unwrap();
    let config = format!(
        "[profile ir]\nregion = us-east-1\nsso_session = ir\nsso_account_id = 111122223333\nsso_role_name = Respond\n\
         services = loopback\n[sso-session ir]\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n\
         sso_registration_scopes = sso:account:access\n[services loopback]\nsso =\n  endpoint_url = {url}\n"
    );
    std::fs::write(aws.join("config"), config).unwrap();
    // Where `aws sso login` leaves it: named after the session.
    let token = aws.join("sso/cache/aa1553beed5d8173d357b4addbc617b93e32118e.json");
    let sign_in = |ends: &str| {
        let text = format!(
            r#"{{"startUrl":"https://example.awsapps.com/start","region":"us-east-1","accessToken":"the-token-of-the-sign-in","expiresAt":"{ends}"}}"#
        );
        std::fs::write(&token, text).unwrap();
    };
    sign_in("2999-01-01T00:00:00Z");
    let playbook = crate::hosted::playbook_in(hosted.dir());
    let plan = || {
        let mut plan = hosted.here(&["plan", &playbook, "--profile", "ir"]);
        plan.args(hosted.typed_inputs()).env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLENOWHERE09");
        plan
    };
    let planned = ran(&mut plan()).ended_with(0);
    assert!(planned.out.contains("assumed-role/incident-responder/"), "{}", planned.out);
    assert!(!planned.said().contains("the-token-of-the-sign-in"));
    let first = asked.recv().unwrap();
    assert!(first.starts_with("GET /federation/credentials?"), "{first}");
    assert!(first.contains("role_name=Respond") && first.contains("account_id=111122223333"));
    sign_in("2020-01-01T00:00:00Z");
    refused(
        ran(&mut plan()),
        5,
        &["the sign-in to IAM Identity Center", "aws sso login --profile ir"],
    );
}
