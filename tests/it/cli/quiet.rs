//! Quiet: on standard output what was asked for, and on standard error what goes wrong. Every command keeps to it.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::process::Command;

use crate::hosted::{Hosted, Ran, bare, playbook_in, ran, start};
use crate::survey::with_all_in_sight;

/// Ends at which nothing went wrong that is not told where it was asked for.
const AS_ASKED: [i32; 5] = [0, 4, 6, 11, 13];

/// Commands whose answer says what is next: where a case stands, and what would fail.
const SAY_WHAT_IS_NEXT: [&str; 8] =
    ["run", "resume", "rehearse", "verify", "status", "doctor", "cut", "undo"];

/// Whatever was run, and the commands that were.
#[derive(Default)]
struct Kept(BTreeSet<String>);

impl Kept {
    #[track_caller]
    fn quiet(&mut self, command: &mut Command) -> Ran {
        let name = command.get_args().next().unwrap().to_string_lossy().into_owned();
        let shown = format!("{command:?}");
        let ran = ran(command.arg("-q"));
        let code = ran.code.unwrap();
        if AS_ASKED.contains(&code) {
            assert_eq!(ran.err, "", "{shown}");
            let is_next = |line: &str| line.starts_with("Next");
            let says = SAY_WHAT_IS_NEXT.contains(&name.as_str());
            assert!(says || !ran.out.lines().any(is_next), "{shown}\n{}", ran.out);
        } else {
            assert!(ran.err.contains("next: "), "{shown} says nothing of {code}: {}", ran.err);
        }
        self.0.insert(name);
        ran
    }

    #[track_caller]
    fn silent(&mut self, command: &mut Command) {
        let shown = format!("{command:?}");
        assert_eq!(self.quiet(command).ended_with(0).out, "", "{shown}");
    }
}

/// The commands that there are, as the program lists them.
fn commands() -> BTreeSet<String> {
    let dir = tempfile::TempDir::new().unwrap();
    let help = ran(&mut bare(dir.path(), &["--help"])).ended_with(0).out;
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    listed
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(name)
        .collect()
}

#[test]
fn every_command_keeps_quiet() {
    let hosted = Hosted::new(&with_all_in_sight());
    let dir = hosted.dir();
    let playbook = playbook_in(dir);
    let mut kept = Kept::default();
    kept.silent(&mut bare(dir, &["check", &playbook]));
    kept.silent(&mut bare(dir, &["check", &playbook, &playbook]));
    kept.silent(&mut bare(dir, &["new", "mine"]));
    kept.silent(&mut bare(dir, &["man", "man"]));
    for asked in [
        &["actions"][..],
        &["explain", "gate-order"],
        &["schema"],
        &["completions", "bash"],
        &["cases"],
        &["rehearse", "playbooks/mine", "--cases", "rehearsed"],
    ] {
        let answer = kept.quiet(&mut bare(dir, asked));
        assert!(!answer.out.is_empty() || asked == ["cases"], "{asked:?}");
        assert!(!answer.out.contains("Nothing real is touched"), "{}", answer.out);
    }
    let plan = kept.quiet(&mut hosted.plan(&["--margin", "1", "--gate", "settled"])).ended_with(0);
    assert!(plan.out.contains("Plan for account"), "{}", plan.out);
    let survey = kept.quiet(&mut hosted.here(&["survey", "-o", "all.json"])).ended_with(0);
    assert!(survey.out.contains("Inventory of account"), "{}", survey.out);
    kept.quiet(&mut bare(dir, &["diff", "plan.json", "all.json"])).ended_with(11);
    kept.quiet(&mut hosted.here(&["cut", "--user", "backup", "--dry-run"])).ended_with(0);
    kept.quiet(&mut hosted.here(&["doctor"]));
    kept.quiet(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(11);
    let case = hosted.case();
    let case = case.to_str().unwrap();
    for asked in [&["status", case][..], &["report", case]] {
        assert!(!kept.quiet(&mut bare(dir, asked)).ended_with(0).out.is_empty(), "{asked:?}");
    }
    let why = ["--reason", "to see"];
    let of_a_credential =
        |word: &'static str| [&[word, case, "AKIAEXAMPLELEAKED001"][..], &why].concat();
    kept.quiet(&mut hosted.here(&["resume", case]));
    kept.quiet(&mut hosted.here(&["verify", case, "--no-trail"]));
    kept.quiet(&mut hosted.here(&["undo", case, "--dry-run"])).ended_with(0);
    kept.quiet(hosted.here(&of_a_credential("waive")).args(["--until", "1d"]));
    kept.quiet(&mut hosted.here(&of_a_credential("clear")));
    kept.quiet(&mut hosted.here(&[&["attest", case, "leak"][..], &why].concat()));
    kept.quiet(&mut hosted.here(&[&["approve", case, "rotate"][..], &why].concat()));
    kept.quiet(&mut hosted.here(&[&["close", case][..], &why].concat())).ended_with(0);

    let world = format!("{playbook}/world.yaml");
    let serving = ["cloud", "serve", "--world", &world, "--listen", "127.0.0.1:0", "-q"];
    let serving = [&serving[..], &["--audit", "asked.jsonl"]].concat();
    let serving = start(&mut bare(dir, &serving));
    let told = serving.out_until("export AWS_SECRET_ACCESS_KEY=");
    let address = told.split("http://").nth(1).unwrap().lines().next().unwrap();
    // Whoever answers has said what there was to say.
    let mut asking = std::net::TcpStream::connect(address).unwrap();
    asking.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    assert!(asking.read(&mut [0]).unwrap() > 0);
    // However it is asked to stop, what was asked of it is written down.
    serving.signal("TERM");
    assert_eq!(serving.ended().ended_with(0).err, "");
    assert!(dir.join("asked.jsonl").metadata().unwrap().len() > 0);
    kept.0.insert("cloud".to_owned());

    let mut all = commands();
    all.remove("help");
    assert_eq!(kept.0, all);
}
