//! What is given for a playbook's inputs, from files: what people are told of it.

use std::collections::BTreeMap;

use portcullis::cli;
use portcullis::diagnostic::{Diagnostic, Source};
use portcullis::playbook::{Given, GivenInputs, Playbook};
use serde_json::{Value, json};

use super::read;

/// A playbook with an input of nearly every sort.
pub(super) fn asks_for_much() -> Playbook {
    let text = "\
portcullis: 1
name: much
title: Much is asked for
inputs:
  key: { type: access-key-id, required: true, help: The key that leaked }
  at: { type: timestamp, min: 2026-01-01T00:00:00Z }
  users: { type: list of user-name, default: [ada], max_items: 3, pattern: \"*a*\" }
  count: { type: integer, default: 1, max: 50 }
  account: { type: account-id }
  ticket: { type: text }
  note: { type: text }
  where: { type: secret-id, required: true }
  who: { type: user-name }
  days: { type: integer, max: 90 }
steps:
  - { id: cut, phase: contain, uses: iam.user.quarantine, with: { user: ada } }
";
    read(text).unwrap().0
}

fn bind(given: &GivenInputs) -> Result<BTreeMap<String, Value>, Vec<Diagnostic>> {
    asks_for_much().bind_inputs(given)
}

fn from_file(text: &str) -> GivenInputs {
    let mut given = GivenInputs::default();
    given.give_file(&Source::new("case.yaml", text));
    given
}

fn told(given: &GivenInputs) -> String {
    cli::diagnostics::text(&bind(given).unwrap_err().into(), false)
}

#[test]
fn a_file_gives_values_of_their_own_types_and_what_is_typed_goes_first() {
    let mut given = from_file(
        "key: AKIAIOSFODNN7EXAMPLE\nusers: [alice, dana]\ncount: 3\nwhere: prod/key\nwho:\n\
         account: \"012345678901\"\n",
    );
    given.give("where", Given::Typed("other/key".to_owned()));
    let bound = bind(&given).unwrap();
    assert_eq!(
        json!(bound),
        json!({
            "account": "012345678901", "at": null, "count": 3, "days": null, "key": "AKIAIOSFODNN7EXAMPLE",
            "note": null, "ticket": null, "users": ["alice", "dana"], "where": "other/key", "who": null,
        })
    );
}

#[test]
fn what_is_wrong_in_a_file_of_inputs_is_shown_where_it_stands() {
    let mut given = from_file(
        "key: AKIA\nusers: [alice, \"b b\", 7]\ncuont: 3\naccount: 123456789012\nat: 2020-01-01T00:00:00Z\n\
         where: { is: it }\n",
    );
    given.give("days", Given::Typed("many".to_owned()));
    let expected = "\
error[bad-input]: input `days` wants a whole number, not the text `many`
 |
 = help: give it like -i days=1

error[bad-input]: input `key` wants an access key id: `AKIA` or `ASIA` and 12 to 124 capital letters or digits, not the text `AKIA`
 --> case.yaml:1:6
";
    let told = told(&given);
    assert!(told.starts_with(expected), "{told}");
    for (place, what) in [
        ("2:16", "not the text `b b`"),
        ("2:23", "not the number 7"),
        ("3:1", "playbook `much` has no input `cuont`"),
        ("4:10", "not the number 123456789012"),
        ("5:5", "at least 2026-01-01T00:00:00Z"),
        ("6:8", "no input takes a mapping"),
    ] {
        let (message, rest) = told.split_once(&format!("\n --> case.yaml:{place}\n")).unwrap();
        assert!(message.lines().last().unwrap().contains(what), "{place}: {told}");
        assert!(rest.contains('^'), "{told}");
    }
    for help in
        ["did you mean `count`?", "write it in quotes: \"123456789012\"", "write another value"]
    {
        assert!(told.contains(&format!("help: {help}")), "{help}: {told}");
    }
    assert!(!told.contains("is missing"), "what was refused was given: {told}");
}

/// The file may be the wrong one, and hold secrets.
#[test]
fn every_line_of_a_list_that_is_wrong_is_told_by_its_number_and_not_shown() {
    let mut given = from_file("key: AKIAIOSFODNN7EXAMPLE\nwhere: prod/key\n");
    let text = "# staff\nalice\nhunter2 hunter2\n\ndana\ncorrect horse battery staple\n";
    given.give("users", Given::Text(text.to_owned()));
    let told = told(&given);
    for line in [
        "line 3 of input `users` wants ",
        "not 15 characters that begin with `hunt`",
        "line 6 of input `users` wants ",
        "not 28 characters that begin with `corr`",
    ] {
        assert!(told.contains(line), "{told}");
    }
    assert!(!told.contains("hunter2") && !told.contains("horse"), "{told}");
}

/// A name of an input stands in other files too: that of a user, say.
#[test]
fn of_a_file_that_has_other_names_than_those_of_inputs_no_value_is_shown() {
    let hidden = ["hunter2", "wJalrXUt", "correct horse"];
    for text in [
        "who: hunter2 hunter2\naws_secret_access_key: wJalrXUt\n",
        "apiVersion: v1\nwho: { name: hunter2 }\nwhere: [wJalrXUt]\nkey: hunter2\n",
        "key: AKIA hunter2\ncount: 7000\nnote: wJalrXUt\nnote: hunter2\nmetadata: on\n",
        // One that is nearly that of an input is a slip, and may be none.
        "key: AKIAIOSFODNN7EXAMPLE\nwhere: prod/key\nnotes: hunter2\n",
        // What is no YAML may be anything.
        "key: AKIAIOSFODNN7EXAMPLE\nwhere: prod/key\nnote: \"correct horse\n battery hunter2\n",
        "key: AKIAIOSFODNN7EXAMPLE\nwhere: prod/key\nhunter2 wJalrXUt\n",
    ] {
        let told = told(&from_file(text));
        assert!(!hidden.iter().any(|secret| told.contains(secret)), "{text}\n{told}");
        assert!(told.contains("--> case.yaml:"), "where it stands is told: {told}");
        assert!(told.contains("not shown: it may be a secret"), "{told}");
    }
    // What stands behind the name of an input, among no others, is that input's.
    let told = told(&from_file("key: AKIA\nwhere: prod/key\n"));
    assert!(told.contains("1 | key: AKIA"), "{told}");
}

#[test]
fn what_stands_in_a_file_that_cannot_be_read_is_not_called_missing() {
    for text in ["key: \"AKIA\nwhere: x\n", "- key\n", "<<: { key: AKIA }\n"] {
        let told = told(&from_file(text));
        assert!(!told.contains("is missing"), "{told}");
    }
    assert!(told(&from_file("# nothing\n")).contains("input `key` is missing"));
}

/// AWS ends the ARN of a secret with six characters of its own: without them it is like none that an inventory has.
#[test]
fn the_arn_of_a_secret_without_its_end_is_refused_with_what_to_type() {
    let of = |where_: &str| from_file(&format!("key: AKIAIOSFODNN7EXAMPLE\nwhere: {where_}\n"));
    let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/key";
    let told = told(&of(arn));
    assert!(told.contains("describe-secret --secret-id prod/key`"), "{told}");
    assert!(told.contains("its name, prod/key\n"), "{told}");
    assert!(bind(&of(&format!("'{arn}-??????'"))).is_err(), "a pattern is no secret's ARN either");
    assert_eq!(bind(&of(&format!("{arn}-a1B2c3"))).unwrap()["where"], format!("{arn}-a1B2c3"));
}

/// As a spreadsheet or a console writes it.
#[test]
fn a_csv_of_one_column_is_a_list_and_one_of_several_is_told_to_be_one() {
    let of = |text: &str| {
        let mut given = from_file("key: AKIAIOSFODNN7EXAMPLE\nwhere: prod/key\n");
        given.give("users", Given::Text(text.to_owned()));
        given
    };
    let bound = bind(&of("\u{feff}# User name\r\n\"alice\"\r\ndana\r\n")).unwrap();
    assert_eq!(bound["users"], json!(["alice", "dana"]));
    // A comma may stand in a user's name, and this is no name of one.
    let text = told(&of("alice,2026-03-24\n"));
    assert!(
        text.contains("line 1 of input `users` wants ") && text.contains("one column alone"),
        "{text}"
    );
    let text = told(&of("User name\nalice\n"));
    assert!(text.contains("put # before it"), "{text}");
}
