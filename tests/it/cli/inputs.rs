//! What is wrong with the command line, the playbook or its inputs: told before anything is asked of a cloud.

use super::{Untouched, refused};
use crate::hosted::{bare, playbook_in, ran};
use crate::stage::PLAYBOOK;

/// In a directory with the shipped playbook, no cloud, and no credentials.
fn here(args: &[&str]) -> crate::hosted::Ran {
    let dir = tempfile::TempDir::new().unwrap();
    playbook_in(dir.path());
    std::fs::write(dir.path().join("broken.yaml"), PLAYBOOK.replace("phase:", "phsae:")).unwrap();
    ran(&mut bare(dir.path(), args))
}

#[test]
fn a_playbook_that_is_right_is_said_to_be() {
    for playbook in ["playbooks/leaked-access-key", "playbooks/leaked-access-key/playbook.yaml"] {
        let checked = here(&["check", playbook]).ended_with(0);
        assert!(checked.out.contains("is right: "), "{}", checked.out);
        assert!(checked.out.contains("Next: portcullis rehearse "), "{}", checked.out);
        assert!(checked.out.contains("-i access_key_id=..."), "{}", checked.out);
        assert_eq!(checked.err, "");
    }
}

#[test]
fn a_playbook_that_is_not_there_or_not_right_is_not_valid() {
    for command in ["check", "plan", "run", "rehearse"] {
        refused(here(&[command, "nowhere"]), 3, &["cannot read playbook nowhere", "ls playbooks"]);
        let err = refused(
            here(&[command, "broken.yaml"]),
            3,
            &["error[unknown-key]", "broken.yaml:", "did you mean `phase`?", "portcullis check"],
        );
        assert!(err.matches("error[unknown-key]").count() > 1, "all at once: {err}");
    }
}

#[test]
fn a_world_that_cannot_be_rehearsed_in_is_not_valid() {
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    let rehearse =
        |world: &str| ran(&mut bare(dir.path(), &["rehearse", &playbook, "--world", world]));
    refused(rehearse("nowhere.yaml"), 3, &["cannot read world nowhere.yaml", "--world FILE"]);
    std::fs::write(dir.path().join("w.yaml"), "world: 1\n").unwrap();
    refused(
        rehearse("w.yaml"),
        3,
        &["world w.yaml", "the world has no `now`", "the world has no `accounts`"],
    );
    let nobody = crate::stage::WORLD
        .replace("responder: { account: \"111122223333\", role: incident-responder }\n", "");
    assert_ne!(nobody, crate::stage::WORLD);
    std::fs::write(dir.path().join("w.yaml"), nobody).unwrap();
    refused(rehearse("w.yaml"), 3, &["world w.yaml", "the world has no `responder`"]);
    let served = ran(&mut bare(dir.path(), &["cloud", "serve", "--world", "w.yaml"]));
    refused(served, 3, &["the world has no `responder`"]);
}

/// As with playbooks: all at once, each with its line and what to type.
#[test]
fn all_that_is_wrong_with_a_world_is_shown_where_it_stands() {
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    let told = |changes: &[(&str, &str)], says: &[&str]| {
        let mut world = crate::stage::WORLD.to_owned();
        for (from, to) in changes {
            assert!(world.contains(from), "{from}");
            world = world.replacen(from, to, 1);
        }
        std::fs::write(dir.path().join("w.yaml"), world).unwrap();
        let args = ["rehearse", &playbook, "--world", "w.yaml"];
        let told = refused(ran(&mut bare(dir.path(), &args)), 3, says);
        assert_eq!(
            told.matches("\nerror[").count() + 1,
            says.len() / 2,
            "and nothing else: {told}"
        );
    };
    told(
        &[
            ("lag: 4s", "lag: soon\nlagg: 4s"),
            ("        path: /ci/", "        pth: /ci/"),
            ("kind: session-token", "kind: session-tokn"),
            ("        max_session: 12h", "        max_session: [1]"),
            ("reads: deploy/aws-key", "reads: deploy/aws-kye"),
        ],
        &[
            "--> w.yaml:12:6",
            "write it like 4s",
            "--> w.yaml:13:1",
            "did you mean `lag`?",
            "`accounts.111122223333.users.ci-deploy` has no key `pth`",
            "did you mean `path`?",
            "session-tokn",
            "did you mean `session-token`?",
            "max_session",
            "^ not one",
            "there is no secret deploy/aws-kye",
            "did you mean `deploy/aws-key`?",
        ],
    );
    told(
        &[
            ("groups: [deployers]", "groups: [deployrs]"),
            ("AKIAEXAMPLEBACKUP003\n    needs", "AKIAEXAMPLEBACKUP009\n    needs"),
            ("policy/IAMReadOnlyAccess", "policy/NoSuch"),
        ],
        &[
            "--> w.yaml:22:18",
            "did you mean `deployers`?",
            "its key AKIAEXAMPLEBACKUP009 exists nowhere",
            "--> w.yaml:171:10",
            "role auditor: there is no policy arn:aws:iam::aws:policy/NoSuch",
            "--> w.yaml:138:20",
        ],
    );
    // Of what is more than AWS has, all.
    told(
        &[
            ("lag: 4s", "lag: 4s\npage_size: 0\nrate_limit: 0"),
            ("        path: /ci/", "        path: ci"),
            ("        max_session: 12h", "        max_session: 13h"),
        ],
        &[
            "--> w.yaml:13:12",
            "page_size: from 1 to 1000",
            "--> w.yaml:14:13",
            "rate_limit: a service admits a request in a second at least",
            "--> w.yaml:22:15",
            "user ci-deploy: path: it begins and ends with /",
            "role incident-responder: max_session: from 1 hour to 12 hours",
            "^^^ here",
        ],
    );
    // Two of one id are shown both; and above what is no YAML the rest is read all the same.
    told(
        &[("- id: AKIAEXAMPLEBACKUP003", "- id: AKIAEXAMPLELEAKED001")],
        &[
            "two keys have the id AKIAEXAMPLELEAKED001",
            "first here",
            "its key AKIAEXAMPLEBACKUP003 exists nowhere",
            "not there",
        ],
    );
    told(
        &[
            ("        path: /ci/", "        pth: /ci/"),
            ("        max_session: 12h", "        max_session: 12h: 1"),
        ],
        &["not YAML", "a quote, a bracket", "has no key `pth`", "did you mean `path`?"],
    );
    // What it gives the playbook is judged as a file of inputs is.
    told(
        &[
            ("    access_key_id: AKIAEXAMPLELEAKED001\n    l", "    access_key_id: AKIA\n    l"),
            (
                "leaked_at: 2026-03-19T00:00:00Z",
                "leaked_at: yesterday\n    readers: [\"arn:aws:x\"]",
            ),
            ("deliver_to: deploy/aws-key", "deliver_to: deploy/aws-key\n    tikcet: x"),
        ],
        &[
            "--> w.yaml:182:20",
            "write it like `access_key_id: AKIA...`",
            "--> w.yaml:183:16",
            "write it like `leaked_at: 2026-03-19T00:00:00Z`",
            "--> w.yaml:184:15",
            "not the text `arn:aws:x`",
            "has no input `tikcet`",
            "--> w.yaml:186:5",
        ],
    );
}

#[test]
fn inputs_that_are_missing_unknown_or_malformed_are_told_with_what_to_type() {
    let playbook = "playbooks/leaked-access-key";
    let key = "-iaccess_key_id=AKIAEXAMPLELEAKED001";
    let at = "-ileaked_at=2026-03-19T00:00:00Z";
    for command in ["plan", "run"] {
        refused(
            here(&[command, playbook, at]),
            2,
            &["input `access_key_id` is missing", "-i access_key_id=AKIA..."],
        );
        refused(
            here(&[command, playbook, key, "-ileaked_at=yesterday"]),
            2,
            &["input `leaked_at` wants an instant", "-i leaked_at=2026-03-19T00:00:00Z"],
        );
        refused(
            here(&[command, playbook, key, at, "-ileakde_at=x"]),
            2,
            &["no input `leakde_at`", "did you mean -i leaked_at=...?"],
        );
        refused(here(&[command, playbook, "-ileaked_at"]), 2, &["name=value"]);
    }
}

const LISTS: &str = "\
portcullis: 1
name: lists
title: Lists
inputs:
  users: { type: list of user-name, required: true, max_items: 3, pattern: 'ci-*' }
  days: { type: integer, default: 3, min: 1, max: 30 }
  since: { type: timestamp, min: 2026-01-01T00:00:00Z }
steps:
  - id: quarantine
    phase: contain
    for_each: ${{ inputs.users }}
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
";

/// `plan` with these arguments where there is no cloud: it says what is wrong with them, or that there is none.
fn plan_lists(files: &[(&str, &str)], args: &[&str]) -> crate::hosted::Ran {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("p.yaml"), LISTS).unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let mut command = bare(dir.path(), &[&["plan", "p.yaml"], args].concat());
    ran(command.env("WHO", "ci-deploy\nci-test\n").env("DAYS", " 7 "))
}

#[test]
fn inputs_come_from_files_and_from_variables_by_name() {
    let lines =
        [("who", "# theirs\nci-deploy\n\n  ci-test\n"), ("in.json", "{\"users\": [\"ci-a\"]}")];
    for args in [
        ["-iusers=@who", "-idays=env:DAYS"],
        ["-iusers=env:WHO", "-idays=text:7"],
        ["--inputs=in.json", "-idays=2"],
    ] {
        refused(plan_lists(&lines, &args), 5, &["no region is set"]);
    }
    // Nobody, on purpose.
    refused(plan_lists(&[], &["-iusers=[]", "-idays=1"]), 5, &["no region is set"]);
    // What is typed goes before what a file says.
    let wrong = [("in.yaml", "users: [ci-a]\ndays: 99\n")];
    refused(plan_lists(&wrong, &["--inputs=in.yaml"]), 3, &["input `days` wants at most 30"]);
    refused(plan_lists(&wrong, &["--inputs=in.yaml", "-idays=30"]), 5, &["no region is set"]);
}

#[test]
fn an_input_that_is_nowhere_or_out_of_bounds_is_refused() {
    for (args, words) in [
        (["-iusers=@nowhere", "-idays=1"], ["cannot be read from nowhere", "text:@"]),
        (["-iusers=ci-a", "-iusers=ci-b"], ["input `users` is typed twice", "-i users=A,B"]),
        (["-iusers=", "-idays=1"], ["give it with -i users=", "say so: -i 'users=[]'"]),
        (["-iusers=env:NOBODY", "-idays=1"], ["variable NOBODY", "text:env:"]),
        (["-iusers=@/dev/zero", "-idays=1"], ["/dev/zero", "not a regular file"]),
        (["-iusers=ci-a,ci-b,ci-c,ci-d", "-idays=1"], ["at most 3 items, not 4", "max_items: 3"]),
        (["-iusers=ci-a,eve", "-idays=1"], ["text like `ci-*`, not the text `eve`", "pattern"]),
        (["-iusers=ci-a", "-idays=0"], ["at least 1, not the number 0", "-i days=..."]),
        (
            ["-iusers=ci-a", "-isince=2025-12-31T23:59:59Z"],
            ["at least 2026-01-01T00:00:00Z", "since"],
        ),
        (["--inputs=bad.yaml", "-idays=1"], ["bad.yaml:1:8: ", "no input takes a mapping"]),
        (
            ["--inputs=twice.yaml", "-idays=1"],
            ["error[duplicate-key]", "mend what is marked above"],
        ),
    ] {
        let files = [("bad.yaml", "users: { a: b }\n"), ("twice.yaml", "days: 1\ndays: 2\n")];
        let words = words.map(|word| word.trim_end_matches(": "));
        // What stands in a file is mended there.
        let exit = if args[0].starts_with("--inputs") { 3 } else { 2 };
        refused(plan_lists(&files, &args), exit, &words);
    }
}

/// The wrong file, or the wrong variable.
#[test]
fn of_what_was_not_meant_as_an_input_hardly_anything_is_shown() {
    let wrong = [("key", "AKIAEXAMPLE wJalrXUtnFEMI/K7MDENG")];
    for typed in [
        ["-idays=@key", "-iusers=ci-a"],
        ["-iusers=@key", "-idays=1"],
        ["-isince=@key", "-iusers=ci-a"],
    ] {
        let told = plan_lists(&wrong, &typed);
        assert!(
            !told.said().contains("wJalr") && !told.said().contains("AKIAE"),
            "{}",
            told.said()
        );
        refused(told, 2, &["33 characters that begin with `AKIA`"]);
    }
    let told = here(&["plan", "p", "--external-id-of", "open-sesame"]);
    assert!(!told.said().contains("sesame"), "{}", told.said());
    refused(told, 2, &["--external-id-of", "write it as ACCOUNT=ID"]);
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    for typed in [&["cut", "--access-key", secret][..], &["cut", secret]] {
        let told = here(typed);
        assert!(told.code != Some(0) && !told.said().contains("wJalr"), "{}", told.said());
    }
}

/// The wrong file behind `--inputs`.
#[test]
fn nothing_is_shown_of_a_file_that_is_none_of_inputs() {
    const CANARY: &str = "wJalrXUtnFEMI";
    for (text, words) in [
        ("wJalrXUtnFEMI\n", "a file of inputs is a mapping, and this is text"),
        ("- wJalrXUtnFEMI\n", "a file of inputs is a mapping, and this is a list"),
        (
            "{\"AccessKeyId\": \"AKIA\", \"SecretAccessKey\": \"wJalrXUtnFEMI\"}",
            "no name in this file is one of an input of the playbook",
        ),
        ("wJalrXUtnFEMI: 1\nusres: [wJalrXUtnFEMI]\n", "did you mean `users`, in line 2?"),
        ("[default]\nkey = wJalrXUtnFEMI\n", "this is no YAML"),
        ("token: \"wJalrXUtnFEMI\n", "this is no YAML"),
        ("-----BEGIN KEY-----\nwJalrXUtnFEMI\n-----END KEY-----\n", "error["),
        ("wJalrXUtnFEMI: &wJalrXUtnFEMI x\n", "error["),
        ("%wJalrXUtnFEMI\n", "error["),
    ] {
        for format in ["text", "json"] {
            let args = ["--inputs=wrong", "-iusers=ci-a", "--format", format];
            let told = plan_lists(&[("wrong", text)], &args);
            let said = format!("{}{}", told.out, told.err);
            assert!(!said.contains(CANARY), "{text}: {said}");
            assert!(said.contains("wrong"), "{text}: {said}");
            if format == "text" {
                refused(told, 3, &[words, "or is it the wrong file?"]);
            }
        }
    }
}

#[test]
fn a_command_line_that_is_not_understood_is_told_what_to_type() {
    refused(here(&[]), 2, &["Usage: portcullis"]);
    refused(here(&["rotate"]), 2, &["rotate"]);
    refused(here(&["plan", "p", "--magrin", "3"]), 2, &["--margin"]);
    refused(here(&["plan", "p", "--margin", "0"]), 2, &["--margin"]);
    refused(here(&["plan", "p", "--gate", "read-back"]), 2, &["settled", "enforced"]);
    let outside = ["cloud", "serve", "--world", "w", "--listen", "0.0.0.0:1"];
    refused(here(&outside), 2, &["loopback only"]);
    here(&["--help"]).ended_with(0);
    here(&["--version"]).ended_with(0);
}

#[test]
fn only_a_saved_plan_is_run_without_a_question() {
    let playbook = "playbooks/leaked-access-key";
    refused(
        here(&["run", playbook, "--yes"]),
        2,
        &["--yes is for a saved plan only", "-o plan.json"],
    );
    for set in [["-i", "a=b"], ["--gate", "settled"], ["--margin", "3"], ["--accept-gap", "x"]] {
        let run = here(&[&["run", "plan.json"], &set[..]].concat());
        refused(run, 2, &["a saved plan has its inputs and its gate already", "plan again"]);
    }
}

#[test]
fn the_page_of_a_code_is_shown_and_an_unknown_code_is_told_the_others() {
    let page = here(&["explain", "gate-order"]).ended_with(0);
    assert!(page.out.len() > 100, "{}", page.out);
    for copied in ["error[gate-order]", "warning[gate-order]:", "[gate-order]"] {
        assert_eq!(here(&["explain", copied]).ended_with(0).out, page.out, "{copied}");
    }
    refused(here(&["explain", "gate-odrer"]), 2, &["there is no code `gate-odrer`", "gate-order"]);
}

#[test]
fn without_a_code_all_of_them_are_listed() {
    let all = here(&["explain"]).ended_with(0).out;
    assert!(all.lines().any(|line| line == "gate-order") && all.lines().count() > 20, "{all}");
    let all = here(&["explain", "--format", "json"]).ended_with(0).out;
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert!(all["codes"].as_array().unwrap().contains(&"gate-order".into()), "{all}");
}

#[test]
fn an_action_is_found_by_the_end_of_its_name() {
    refused(here(&["actions", "secret.seal"]), 2, &["did you mean `secretsmanager.secret.seal`?"]);
}

#[test]
fn a_saved_plan_given_as_a_playbook_is_told_apart() {
    let dir = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("plan.json", "{\n  \"portcullis_plan\": 9,\n  \"digest\": \"\"\n}\n");
    write("all.json", "{\"portcullis_inventory\":1,\"digest\":\"\"}");
    for command in ["check", "plan"] {
        let told = ["plan.json is a saved plan", "portcullis run plan.json"];
        refused(ran(&mut bare(dir.path(), &[command, "plan.json"])), 3, &told);
        let told = ["all.json is a saved inventory", "portcullis diff all.json"];
        refused(ran(&mut bare(dir.path(), &[command, "all.json"])), 3, &told);
    }
}

/// Whoever slips names his credentials: whatever is refused for what it is shows nothing of what stands in it.
#[test]
fn nothing_is_shown_of_another_sort_of_file() {
    let secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLE";
    let files = [
        format!("[default]\naws_access_key_id = {secret}\naws_secret_access_key = {secret}\n"),
        format!("{{\"AccessKeyId\": \"{secret}\", \"SecretAccessKey\": \"{secret}\"}}"),
        format!("{{\n  \"Credentials\": {{ \"SessionToken\": \"{secret}\" }}\n}}\n"),
        format!("\"{secret}\"\n"),
        format!("- {secret}: {secret}\n"),
        // As a file of ours that is not whole.
        format!("{{\"portcullis_inventory\": \"{secret}\"}}"),
        format!("{{\"portcullis_plan\": \"{secret}\"}}"),
        format!("{{\"portcullis_plans\": 1, \"digest\": \"\", \"accounts\": \"{secret}\"}}"),
        format!("{{\"portcullis_inventories\": 1, \"digest\": [\"{secret}\"]}}"),
    ];
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    for file in files {
        std::fs::write(dir.path().join("wrong"), &file).unwrap();
        for (args, code) in [
            (&["check", "wrong"][..], 3),
            (&["plan", &playbook, "--world", "wrong"], 3),
            (&["rehearse", &playbook, "--world", "wrong"], 3),
            (&["run", "wrong"], 0),
            (&["diff", "wrong", "wrong"], 5),
        ] {
            let ran = ran(&mut bare(dir.path(), args));
            assert!(!ran.said().contains(secret), "{args:?}: {}", ran.said());
            if code > 0 {
                refused(ran, code, &[]);
            }
        }
    }
}

#[test]
fn a_world_is_told_in_words_of_worlds() {
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    let world = "world: 1\nnow: 2026-03-24T07:10:00Z\nresponder: { account: \"111122223333\" }\naccounts:\n  \
                 \"111122223333\":\n    users:\n      ann:\n        keys: [AKIAX]\n    roles: [a]\n";
    std::fs::write(dir.path().join("w.yaml"), world).unwrap();
    let args = ["plan", &playbook, "--world", "w.yaml"];
    let told = refused(
        ran(&mut bare(dir.path(), &args)),
        3,
        &[
            "keys[0]` wants a mapping, and this is string",
            "roles` wants a mapping, and this is a list",
        ],
    );
    assert!(!told.contains("struct ") && !told.contains("File"), "{told}");
    let world = world.replace("keys: [AKIAX]", "keys: []").replace("roles: [a]", "roles: {}");
    std::fs::write(dir.path().join("w.yaml"), world).unwrap();
    let neither = "it has neither `role`, a role of its account, nor `key`";
    refused(ran(&mut bare(dir.path(), &args)), 3, &[neither]);
}

#[test]
fn a_limit_of_file_sizes_is_an_error_and_no_death() {
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    let plain = bare(dir.path(), &[]);
    let mut limited = std::process::Command::new("/bin/sh");
    limited.args(["-c", "ulimit -f 8; exec \"$0\" \"$@\""]).arg(plain.get_program());
    limited.args(["rehearse", &playbook]).current_dir(dir.path());
    limited.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    refused(ran(&mut limited), 5, &["cannot write cases", "File too large"]);
}

#[test]
fn a_key_or_a_secret_that_the_account_does_not_have_is_refused() {
    let world = Untouched::new();
    let playbook = playbook_in(world.hosted.dir());
    let inputs = |key: &str, secret: &str| {
        [
            format!("-iaccess_key_id={key}"),
            "-ileaked_at=2026-03-19T00:00:00Z".to_owned(),
            format!("-ideliver_to={secret}"),
        ]
    };
    for command in ["plan", "run"] {
        let mut unknown = world.hosted.here(&[command, &playbook]);
        unknown.args(inputs("AKIAEXAMPLENOWHERE09", "deploy/aws-key"));
        world.refuses(5, &mut unknown, &["AKIAEXAMPLENOWHERE09", "nothing was changed"]);
        let mut missing = world.hosted.here(&[command, &playbook]);
        missing.args(inputs("AKIAEXAMPLELEAKED001", "deploy/nowhere"));
        world.refuses(5, &mut missing, &["deploy/nowhere", "nothing was changed"]);
    }
}
