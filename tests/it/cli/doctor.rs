//! What would fail tonight is said today, and nothing is touched by saying it.

use serde_json::Value;

use crate::hosted::{Hosted, bare, key, quick_world, ran};

const GLASS: &str = "AKIAEXAMPLEGLASS0008";

/// The shipped world with a break-glass user, whose key is in profile `glass`.
fn world() -> String {
    let glass = format!(
        "      break-glass:\n        keys: [{{ id: {GLASS} }}]\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n"
    );
    let bystander = "      backup:\n        path: /ops/\n";
    quick_world().replace(bystander, &format!("{glass}{bystander}"))
}

fn hosted(world: &str) -> Hosted {
    let hosted = Hosted::new(world);
    let home = hosted.dir().join("home/.aws");
    std::fs::create_dir_all(&home).unwrap();
    let profile = |name: &str, of: &portcullis::sim::Credentials| {
        let token = of.session_token.as_ref();
        let token = token.map(|token| format!("aws_session_token = {}\n", token.expose()));
        format!(
            "[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n{}",
            of.access_key_id,
            of.secret.expose(),
            token.unwrap_or_default()
        )
    };
    let glass = profile("glass", &hosted.cloud.credentials_of(&key(GLASS)));
    let own = profile("own", &hosted.cloud.responder_credentials());
    std::fs::write(home.join("credentials"), glass + &own).unwrap();
    hosted
}

/// What is said of each thing, with the exit code that belongs to it all.
fn told(command: &mut std::process::Command, code: i32) -> Vec<(String, String, String)> {
    let told = ran(command.args(["--format", "json"])).ended_with(code);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&told["version"], &told["exit"]), (&Value::from(1), &Value::from(code)));
    let checks = told["checks"].as_array().unwrap();
    checks
        .iter()
        .map(|check| {
            let word = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
            assert!(check["standing"] == "good" || !word("next").is_empty(), "{check}");
            (word("check"), word("standing"), word("says"))
        })
        .collect()
}

#[track_caller]
fn says(told: &[(String, String, String)], check: &str, standing: &str, words: &str) {
    let found = told.iter().any(|(c, s, says)| c == check && s == standing && says.contains(words));
    assert!(found, "{check} {standing} {words}: {told:#?}");
}

#[test]
fn a_responder_who_is_ready_is_told_so_and_break_glass_is_remembered() {
    let hosted = hosted(&world());
    let doctor = || hosted.here(&["doctor"]);
    let first = told(&mut doctor(), 0);
    says(&first, "identity", "good", "assumed-role/incident-responder");
    says(&first, "endpoint", "good", &hosted.url);
    says(&first, "credentials", "careful", "a session's, and nobody knows when that ends");
    says(&first, "clock", "good", "0 s apart");
    says(&first, "cases", "good", "has room");
    says(&first, "break-glass", "careful", "never tried");
    // Its role is allowed the secrets of the deploy pipeline only.
    says(&first, "permissions", "careful", "not for every secret");
    says(&first, "permissions", "careful", "refused, and seldom needed: iam:GetAccountPass");
    assert!(!hosted.dir().join("cases").exists(), "nothing is left behind");
    let tried = told(doctor().args(["--break-glass", "glass"]), 0);
    says(&tried, "break-glass", "good", "user/break-glass was let in just now");
    says(&told(&mut doctor(), 0), "break-glass", "good", "user/break-glass was tried 2");
    // What was tried is left standing: before a plan is made, and by the first cut.
    for cut in [&["cut", "--user", "break-glass"][..], &["cut", "--access-key", GLASS]] {
        let refused = ran(hosted.here(cut).arg("--dry-run")).ended_with(5);
        let path = "user/break-glass, tried 2";
        assert!(refused.err.contains("lock-out"), "{}", refused.err);
        assert!(refused.err.contains(path), "{}", refused.err);
    }
    let writes = hosted.cloud.audit().into_iter().filter(|event| event.writes).count();
    assert_eq!(writes, 0);
    let text = ran(&mut doctor()).ended_with(0);
    assert!(text.out.contains("Nothing would fail tonight; 3 to see to."), "{}", text.out);
}

#[test]
fn another_key_of_break_glass_can_be_cut_and_break_glass_works_after_it() {
    let other = "AKIAEXAMPLEOTHERS009";
    let one = format!("keys: [{{ id: {GLASS} }}]");
    let world = world().replace(&one, &format!("keys: [{{ id: {GLASS} }}, {{ id: {other} }}]"));
    let hosted = hosted(&world);
    let glass = || told(hosted.here(&["doctor"]).args(["--break-glass", "glass"]), 0);
    says(&glass(), "break-glass", "good", "user/break-glass was let in just now");
    let typed = ["cut", "--access-key", other, "--narrow", "--yes", "--margin", "1"];
    ran(&mut hosted.here(&typed)).ended_with(11);
    let keys = hosted.cloud.snapshot().0;
    let status = |id: &str| {
        let (_, status) =
            keys.iter().find(|(name, _)| name.ends_with(&format!("/keys/{id}"))).unwrap();
        status.as_str()
    };
    assert!(status(other).starts_with("Inactive") && status(GLASS).starts_with("Active"));
    says(&glass(), "break-glass", "good", "user/break-glass was let in just now");
    // Its own key is another matter.
    let refused = ran(&mut hosted.here(&["cut", "--access-key", GLASS, "--narrow", "--dry-run"]));
    assert!(refused.ended_with(5).err.contains("another key of it"));
}

#[test]
fn what_would_fail_is_named_with_what_to_do() {
    let refusing = world().replace("                  - iam:UpdateAccessKey\n", "");
    let hosted = hosted(&refusing);
    says(
        &told(&mut hosted.here(&["doctor"]), 5),
        "permissions",
        "bad",
        "refused: iam:UpdateAccessKey",
    );
    let mut nobody = bare(hosted.dir(), &["doctor", "--region", "us-east-1"]);
    let nobody = nobody.args(["--endpoint-url", &hosted.url]);
    says(&told(nobody, 5), "identity", "bad", "no AWS credentials were found");
    std::fs::write(hosted.dir().join("in-the-way"), "").unwrap();
    let full = told(&mut hosted.here(&["doctor", "--cases", "in-the-way"]), 5);
    says(&full, "cases", "bad", "cannot make in-the-way");
    let text = ran(&mut hosted.here(&["doctor", "--cases", "in-the-way"])).ended_with(5);
    assert!(text.out.contains("2 would fail tonight."), "{}", text.out);
}

#[test]
fn break_glass_that_is_nothing_of_the_kind_is_told() {
    let hosted = hosted(&world());
    let glass = |profile: &str| told(hosted.here(&["doctor"]).args(["--break-glass", profile]), 5);
    says(&glass("own"), "break-glass", "bad", "is who you work as anyway");
    says(&glass("nobody"), "break-glass", "bad", "there is no profile nobody");
    let file = hosted.dir().join("cases/break-glass.json");
    assert!(!file.exists(), "what did not work was not tried");
}

/// Not "no region", and not "no credentials": whoever mistypes it looks for neither.
#[test]
fn a_profile_that_is_not_there_is_told_as_that() {
    let hosted = hosted(&world());
    let playbook = crate::hosted::playbook_in(hosted.dir());
    let mut plan = vec!["plan".to_owned(), playbook];
    plan.extend(hosted.typed_inputs());
    let plan: Vec<&str> = plan.iter().map(String::as_str).collect();
    for command in [&["doctor"][..], &["survey"], &plan, &["cut", "--user", "x"]] {
        let mut typed = bare(hosted.dir(), command);
        typed.args(["--profile", "glas", "--endpoint-url", &hosted.url]);
        let refused = ran(&mut typed).ended_with(5);
        let said = refused.out + &refused.err;
        assert!(said.contains("there is no profile glas, which --profile names"), "{said}");
        assert!(said.contains("did you mean glass?"), "{said}");
    }
}

#[test]
fn clocks_that_disagree_are_told() {
    let skewed = world().replace("lag: 200ms\n", "lag: 200ms\nclock_skew: 2m\n");
    assert!(skewed.contains("clock_skew"));
    let hosted = hosted(&skewed);
    says(&told(&mut hosted.here(&["doctor"]), 0), "clock", "careful", "s apart");
}

#[test]
fn what_cannot_be_asked_is_not_known() {
    let silent = world().replace("                  - iam:SimulatePrincipalPolicy\n", "");
    let hosted = hosted(&silent);
    let told = told(&mut hosted.here(&["doctor"]), 0);
    says(&told, "permissions", "careful", "iam:SimulatePrincipalPolicy answered AccessDenied");
}
