//! What is printed to be typed: each command as whoever is at the screen would have to type it.

use std::collections::BTreeSet;

use crate::hosted::{Hosted, Ran, bare, quick_world, ran};
use crate::stage::{PLAYBOOK, with_somebody_else};

/// Commands that go to the account.
const GO_THERE: &[&str] =
    &["attest", "close", "cut", "plan", "resume", "run", "undo", "verify", "waive"];
/// Those that somebody else types as well.
const ALSO_OTHERS: &[&str] = &["approve", "clear"];

/// Everything in `text` that is to be typed, to the end of its clause.
fn commands(text: &str) -> Vec<&str> {
    let behind = text.match_indices("portcullis ").map(|(at, _)| &text[at + "portcullis ".len()..]);
    behind
        .map(|rest| {
            let ends = ["; ", ". ", ", ", "`", ")", "\n"].iter().filter_map(|end| rest.find(end));
            &rest[..ends.min().unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn every_command_that_is_printed_goes_to_the_same_place_as_the_same_person() {
    let hosted = Hosted::new(&with_somebody_else(&quick_world()));
    let home = hosted.dir().join("home/.aws");
    std::fs::create_dir_all(&home).unwrap();
    let of = hosted.cloud.responder_credentials();
    let token = of
        .session_token
        .map_or(String::new(), |token| format!("aws_session_token = {}\n", token.expose()));
    let profile = format!(
        "[ir]\naws_access_key_id = {}\naws_secret_access_key = {}\n{token}",
        of.access_key_id,
        of.secret.expose()
    );
    std::fs::write(home.join("credentials"), profile).unwrap();
    let folder = hosted.dir().join("playbook");
    std::fs::create_dir(&folder).unwrap();
    let approved = PLAYBOOK.replace("steps:\n", "approvals: { rotate: 1 }\nsteps:\n");
    std::fs::write(folder.join("playbook.yaml"), approved).unwrap();

    let place = format!("--region us-east-1 --endpoint-url {}", hosted.url);
    let (ours, theirs) = (format!("--profile ir {place}"), format!("--profile NAME {place}"));
    let mut seen = BTreeSet::new();
    let mut judge = |said: &Ran| {
        for command in commands(&said.said()) {
            let word = command.split(' ').next().unwrap();
            // Where no case is made yet, none can be named.
            if command.contains(" CASE") || command.ends_with("...") {
                continue;
            }
            let whose = match word {
                _ if GO_THERE.contains(&word) => &ours,
                _ if ALSO_OTHERS.contains(&word) => &theirs,
                _ => continue,
            };
            seen.insert(word.to_owned());
            assert!(command.contains(whose.as_str()), "{command}\n{}", said.said());
            let begins = ["plan", "cut"].contains(&word) || command.starts_with("run plan.json");
            assert!(!begins || command.contains(" --cases night"), "{command}\n{}", said.said());
        }
    };
    let inputs = hosted.typed_inputs();
    let as_ir: Vec<&str> = ours.split(' ').collect();
    let mut go = |args: &[&str], code: i32| {
        let said = ran(bare(hosted.dir(), args).args(&as_ir)).ended_with(code);
        judge(&said);
        said
    };
    let night = ["--cases", "night"];
    let cut = ["cut", "--user", "backup", "--reason", "to be sure", "--margin", "1", "--yes"];
    go(&[&cut[..], &night].concat(), 11);
    let first = only(&hosted, None);
    let plan = ["plan", "playbook", "-o", "plan.json", "--gate", "settled", "--margin", "1"];
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    go(&[&plan[..], &inputs, &night].concat(), 0);
    go(&[&["run", "plan.json", "--yes"][..], &night].concat(), 6);
    let second = only(&hosted, Some(&first));
    go(&["resume", &first], 5);
    go(&["undo", &first, "--dry-run"], 5);
    go(&["verify", &second, "--no-trail"], 6);
    go(&["undo", &second, "--dry-run"], 0);
    go(&["waive", &second, "user/ci-deploy", "--until", "7d", "--reason", "it is looked into"], 0);
    go(&["run", "plan.json", "--yes", "--cases", "night"], 5);
    // What was said of that case is no word in the next, and whoever plans that is told so.
    let again = go(&[&plan[..], &inputs, &night, &["--replace"]].concat(), 0);
    let word = "access key AKIAEXAMPLELEAKED001 of ci-deploy is waived in night/";
    assert!(again.said().contains(word), "{}", again.said());
    // Whoever asks later, or writes it up, is told the same without being asked as whom.
    for args in [["status", &first], ["status", &second], ["report", &second]] {
        judge(&ran(&mut bare(hosted.dir(), &args)).ended_with(0));
    }
    let words = ["approve", "clear", "close", "plan", "resume", "run", "undo", "waive"];
    let missing: Vec<&&str> = words.iter().filter(|word| !seen.contains(**word)).collect();
    assert!(missing.is_empty(), "{missing:?} of {seen:?}");
}

/// The case under `night` that is not `other`.
fn only(hosted: &Hosted, other: Option<&str>) -> String {
    let found = std::fs::read_dir(hosted.dir().join("night")).unwrap();
    let found =
        found.map(|entry| format!("night/{}", entry.unwrap().file_name().to_str().unwrap()));
    let mut found = found.filter(|case| !case.contains("/.") && Some(&**case) != other);
    found.next().unwrap()
}
