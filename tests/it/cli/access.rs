//! Which AWS, and as whom: no answer, no credentials, the wrong ones, a stray endpoint.

use super::Untouched;
use crate::hosted::{Hosted, bare, key, playbook_in, quick_world};

/// `plan` in a world's directory, in an environment that holds nothing.
fn plan_with_nothing(hosted: &Hosted) -> std::process::Command {
    let playbook = playbook_in(hosted.dir());
    let mut command = bare(hosted.dir(), &["plan", &playbook]);
    command.args(hosted.typed_inputs());
    command
}

#[test]
fn an_endpoint_that_nobody_listens_on_is_told_as_such() {
    let world = Untouched::new();
    // A port that was just free; the listener is gone again.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let mut down = world.hosted.portcullis(&["plan", &playbook_in(world.hosted.dir())]);
    down.args(world.hosted.typed_inputs()).args(["--endpoint-url", &url]);
    world.refuses(5, &mut down, &["sts:GetCallerIdentity", "--endpoint-url"]);
}

#[test]
fn an_endpoint_without_its_scheme_is_told_as_it_is_written() {
    let world = Untouched::new();
    let asked = world.hosted.cloud.requests();
    for (typed, meant) in
        [("localhost:4672", "http://localhost:4672"), ("ftp://x", "http://HOST:PORT")]
    {
        let mut plan = plan_with_nothing(&world.hosted);
        plan.args(["--region", "us-east-1", "--endpoint-url", typed]);
        let next = format!("write it with its scheme: --endpoint-url {meant}");
        world.refuses(2, &mut plan, &["no address of an endpoint", &next]);
    }
    assert_eq!(world.hosted.cloud.requests(), asked);
}

#[test]
fn without_credentials_nothing_begins() {
    let world = Untouched::new();
    world.hosted.save_plan(1);
    let url = world.hosted.url.clone();
    let asked = world.hosted.cloud.requests();
    let words = ["no AWS credentials were found", "AWS_ACCESS_KEY_ID"];
    let mut plan = plan_with_nothing(&world.hosted);
    world.refuses(5, plan.args(["--region", "us-east-1", "--endpoint-url", &url]), &words);
    let mut run = bare(world.hosted.dir(), &["run", "plan.json", "--yes", "--region", "us-east-1"]);
    world.refuses(5, run.args(["--endpoint-url", &url]), &words);
    let mut profile = plan_with_nothing(&world.hosted);
    profile.args(["--region", "us-east-1", "--endpoint-url", &url, "--profile", "nobody"]);
    world.refuses(5, &mut profile, &["there is no profile nobody", "--profile names"]);
    assert_eq!(world.hosted.cloud.requests(), asked);
}

#[test]
fn credentials_that_are_not_accepted_are_told_with_advice() {
    let expired = "  - id: ASIAEXAMPLEEXPIRED06
    of: { account: \"111122223333\", user: backup }
    kind: session-token
    issued_at: 2026-03-22T02:45:00Z
    expires_at: 2026-03-23T14:45:00Z
  - id: ASIAEXAMPLENOCODE007
    of: { account: \"111122223333\", user: backup }
    kind: session-token
    issued_at: 2026-03-24T02:45:00Z
    expires_at: 2026-03-25T14:45:00Z

consumers:";
    let text = quick_world().replacen("consumers:", expired, 1);
    let world = Untouched::of(Hosted::new(&text));
    let advice = ["the credentials are expired or not accepted", "get fresh ones"];
    let old = world.hosted.cloud.credentials_of(&key("ASIAEXAMPLEEXPIRED06"));
    let mut plan = world.hosted.plan(&[]);
    plan.env("AWS_ACCESS_KEY_ID", old.access_key_id.as_str())
        .env("AWS_SECRET_ACCESS_KEY", old.secret.expose())
        .env("AWS_SESSION_TOKEN", old.session_token.unwrap().expose());
    world.refuses(5, &mut plan, &["ExpiredToken", advice[0], advice[1]]);
    // AWS accepts it, and IAM does not.
    let without = world.hosted.cloud.credentials_of(&key("ASIAEXAMPLENOCODE007"));
    let mut plan = world.hosted.plan(&[]);
    plan.env("AWS_ACCESS_KEY_ID", without.access_key_id.as_str())
        .env("AWS_SECRET_ACCESS_KEY", without.secret.expose())
        .env("AWS_SESSION_TOKEN", without.session_token.unwrap().expose());
    let code = "IAM lets it in only with the code of an MFA device";
    world.refuses(5, &mut plan, &["InvalidClientTokenId", code, "--mfa-serial ARN"]);
    let mut plan = world.hosted.plan(&[]);
    plan.env("AWS_SECRET_ACCESS_KEY", "not-the-secret");
    world.refuses(5, &mut plan, &["Signature", advice[0], advice[1]]);
    let mut plan = world.hosted.plan(&[]);
    plan.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLENOWHERE09").env_remove("AWS_SESSION_TOKEN");
    world.refuses(5, &mut plan, &["InvalidClientTokenId", advice[0], advice[1]]);
}

#[test]
fn without_a_region_nothing_begins() {
    let world = Untouched::new();
    let mut plan = world.hosted.plan(&[]);
    world.refuses(5, plan.env_remove("AWS_REGION"), &["no region is set", "--region REGION"]);
}

#[test]
fn an_endpoint_that_was_not_asked_for_is_refused_and_named() {
    let world = Untouched::new();
    let url = &world.hosted.url;
    let asked = world.hosted.cloud.requests();
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_SECRETS_MANAGER"] {
        let mut plan = world.hosted.portcullis(&["plan", &playbook_in(world.hosted.dir())]);
        plan.args(world.hosted.typed_inputs()).env(name, url);
        let say = format!("--endpoint-url {url}");
        world.refuses(5, &mut plan, &[name, url, &say, "if not, unset it"]);
        // Another one than the one that was asked for, too.
        let mut other = world.hosted.plan(&[]);
        world.refuses(5, other.env(name, "http://127.0.0.1:1"), &[name, "http://127.0.0.1:1"]);
    }
    let config = world.hosted.dir().join("home/.aws");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config"), format!("[profile ir]\nendpoint_url = {url}\n")).unwrap();
    let mut plan = world.hosted.portcullis(&["plan", &playbook_in(world.hosted.dir())]);
    plan.args(world.hosted.typed_inputs()).env("AWS_PROFILE", "ir");
    world.refuses(5, &mut plan, &["the AWS configuration", url]);
    assert_eq!(world.hosted.cloud.requests(), asked, "no request went anywhere");
    // Said twice over, it is meant.
    let mut plan = world.hosted.plan(&[]);
    crate::hosted::ran(plan.env("AWS_PROFILE", "ir").env("AWS_ENDPOINT_URL", url)).ended_with(0);
}

#[test]
fn a_plan_that_would_cut_off_its_own_caller_is_refused() {
    let ours = "responder: { account: \"111122223333\", role: incident-responder }";
    let his = "responder: { account: \"111122223333\", key: AKIAEXAMPLEHUNGON002 }";
    let admin =
        "        path: /ci/\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    let text = quick_world().replace(ours, his).replace("        path: /ci/\n", admin);
    let world = Untouched::of(Hosted::new(&text));
    let words = ["error[lock-out]", "user ci-deploy", "break-glass"];
    world.refuses(5, &mut world.hosted.plan(&[]), &words);
    // A plan that somebody else made is looked at again by whoever runs it.
    let other = Untouched::of(Hosted::new(&quick_world().replace("        path: /ci/\n", admin)));
    other.hosted.save_plan(1);
    let cut = other.hosted.cloud.credentials_of(&key("AKIAEXAMPLELEAKED001"));
    let mut run = other.hosted.here(&["run", "plan.json", "--yes"]);
    run.env("AWS_ACCESS_KEY_ID", cut.access_key_id.as_str())
        .env("AWS_SECRET_ACCESS_KEY", cut.secret.expose())
        .env_remove("AWS_SESSION_TOKEN");
    other.refuses(5, &mut run, &words);
}
