//! One account of several lets nobody in any more: the others are gone on with, and what is to be done about it is told.

use std::path::Path;

use crate::check::portcullis;
use crate::words::Rehearsal;

const HOME: &str = "111122223333";
const SHUT: &str = "444455556666";
const THIRD: &str = "222233334444";

/// Has the role that the account of this number is entered by admit `whom` instead of the responder's `role`.
fn admits(world: &Path, account: &str, role: &str, whom: &str) {
    let text = std::fs::read_to_string(world).unwrap();
    let mut saved: serde_json::Value = serde_json::from_str(&text).unwrap();
    for known in saved["engine"]["history"].as_array_mut().unwrap() {
        let there = &mut known["state"]["accounts"][account]["roles"]["incident-responder"];
        let trust = there["trust"].as_str().unwrap();
        there["trust"] = trust.replace(role, whom).into();
    }
    std::fs::write(world, saved.to_string()).unwrap();
}

#[test]
fn an_account_that_lets_nobody_in_is_stopped_by_itself_and_the_others_are_gone_on_with() {
    let case = Rehearsal::shipped("leaked-access-key", "other-accounts.yaml");
    assert_eq!(case.code, Some(13), "the leak is to be closed at home");
    let world = case.case.join("world.json");
    let of = |account: &str| format!("accounts/{account}");
    admits(&world, SHUT, "role/ir/incident-responder", "role/ir/somebody-else");
    let home = case.case.join(of(HOME));
    let attested = portcullis(&["attest", home.to_str().unwrap(), "leak-closed.1"]);
    assert_eq!(attested.status.code(), Some(0));

    let (code, resumed) = case.say(&["resume"]);
    assert_eq!(code, Some(10), "{resumed}");
    let proven = |account: &str, change: &str| {
        let journal = case.case.join(of(account)).join("journal.jsonl");
        let journal = std::fs::read_to_string(journal).unwrap();
        journal.contains(&format!("\"proved\",\"change\":\"{change}\""))
    };
    assert!(proven(HOME, "leak-closed.1"), "home went on: {resumed}");
    assert!(!resumed.contains("GATE OPEN"), "and nothing is handed out: {resumed}");
    let (each, all) = resumed.split_once("\nAll accounts: ").unwrap();
    let entered = format!("arn:aws:iam::{SHUT}:role/incident-responder");
    for words in [
        &*format!("{SHUT}  stopped part-way"),
        &format!("account {SHUT} was stopped part-way: it cannot be entered as {entered}"),
        "have the role's trust policy admit",
        &format!("; then: portcullis resume {}\n", case.case.display()),
    ] {
        assert!(all.contains(words), "{words}: {all}");
    }
    let stopped = each.split("\nAccount ").find(|part| part.starts_with(SHUT)).unwrap();
    assert!(stopped.contains("Next: have the role's trust policy admit"), "{stopped}");

    let (code, verified) = case.say(&["verify"]);
    assert!(matches!(code, Some(10 | 13)), "{verified}");
    for account in [HOME, THIRD] {
        let looked = std::fs::read_to_string(case.case.join(of(account)).join("journal.jsonl"));
        assert!(looked.unwrap().contains("\"listened\""), "{account}: {verified}");
    }
    let (_, status) = case.say(&["status"]);
    let told = format!("account {SHUT} was stopped part-way");
    assert!(status.rsplit("\nNext: ").next().unwrap().contains(&told), "{status}");

    admits(&world, SHUT, "role/ir/somebody-else", "role/ir/incident-responder");
    let (code, resumed) = case.say(&["resume"]);
    assert_eq!(code, Some(11), "{resumed}");
    assert!(resumed.contains("GATE OPEN"), "{resumed}");
}

#[test]
fn what_was_typed_of_one_account_is_typed_of_all_as_it_was() {
    let case = Rehearsal::shipped("leaked-access-key", "other-accounts.yaml");
    let one = case.case.join("accounts").join(SHUT);
    let refused = |args: &[&str], typed: &str| {
        let all = [&[args[0], one.to_str().unwrap()], &args[1..]].concat();
        let ended = portcullis(&all);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        let whole = case.case.display();
        let command = format!("portcullis {} {whole}{typed}\n", args[0]);
        assert!(ended.status.code() == Some(5) && said.contains(&command), "{command} {said}");
    };
    refused(&["undo", "--only", "user/billing", "--dry-run"], " --only user/billing --dry-run");
    refused(&["verify", "--no-trail", "--watch", "480m"], " --no-trail --watch 8h");
    refused(&["resume", "--take-over", "he left"], " --take-over 'he left'");

    // Who was meant is told, and of a step that changes nothing there is nothing to stand up for.
    let (_, told) = case.say(&["undo", "--only", "user:biling", "--dry-run"]);
    assert!(told.contains("did you mean user/billing?"), "{told}");
    let attested = portcullis(&["attest", one.to_str().unwrap(), "quarantine"]);
    let said = String::from_utf8_lossy(&attested.stderr).into_owned();
    assert_eq!(attested.status.code(), Some(2), "{said}");
    assert!(said.contains("step `quarantine` changes nothing in this plan"), "{said}");
    let (_, closed) = case.say(&["close", "--reason", "over"]);
    let last = format!("in 3 accounts. The record: portcullis status {}\n", case.case.display());
    assert!(closed.contains(&last), "{closed}");
}
