//! What the documents say is so: every command of the README is run, in its order, and its tables agree with
//! the code.
//!
//! A command is run as it stands there, but for what a reader would put in: `AKIA...` and `SECRET` are the
//! world's, a case's directory is the one that was made. A command that goes to a cloud is sent to a world
//! that the test hosts (`--endpoint-url`), as its responder. Real time passes, so the plan is made with the
//! shortest margin (`--margin 1`). Any free port is taken to serve a world (`--listen 127.0.0.1:0`). A
//! command that is not known here fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use portcullis::cloud::{READS, WRITES};

use crate::hosted::{Hosted, bare, quick_world, ran, ran_typing, start};

const README: &str = include_str!("../../README.md");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");
const EXITS: &str = include_str!("../../src/exit.rs");

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The lines after `$ ` in the README's console blocks.
fn commands() -> Vec<&'static str> {
    let blocks = README.split("```console\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn every_command_of_the_readme_does_what_it_says_in_its_order() {
    let hosted = Hosted::new(&quick_world());
    copy(&root().join("playbooks"), &hosted.dir().join("playbooks"));
    let input = |name: &str| hosted.inputs.iter().find(|(n, _)| n == name).unwrap().1.clone();
    let mut tried = 0;
    for line in commands() {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| word.replace("AKIA...", &input("access_key_id")))
            .map(|word| word.replace("=SECRET", &format!("={}", input("deliver_to"))))
            .map(|word| {
                if word.starts_with("cases/") {
                    hosted.live_case().display().to_string()
                } else {
                    word
                }
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let typed = match words.as_slice() {
            ["cargo", "run", "--", rest @ ..] | ["portcullis", rest @ ..] => rest,
            // This is it; and the binary that is run here was built.
            ["cargo", "test"] | ["cargo", "build", "--release"] => continue,
            _ => panic!("the README has a command that no test covers: {line}"),
        };
        tried += 1;
        match typed {
            ["rehearse", ..] => {
                let rehearsed = ran(&mut bare(hosted.dir(), typed)).ended_with(11);
                assert!(rehearsed.out.contains("DONE, NOT PROVEN"), "{}", rehearsed.out);
                assert!(rehearsed.out.contains("Tried in the world"), "{}", rehearsed.out);
            }
            ["doctor", ..] => drop(ran(&mut hosted.here(typed)).ended_with(0)),
            ["cut", .., "--dry-run"] => {
                let cut = ran(&mut hosted.here(typed)).ended_with(0);
                assert!(cut.out.contains("Nothing was changed"), "{}", cut.out);
            }
            ["check", ..] => drop(ran(&mut bare(hosted.dir(), typed)).ended_with(0)),
            ["plan", ..] => drop(ran(hosted.here(typed).args(["--margin", "1"])).ended_with(0)),
            // The world's responder may read what the playbook needs; a survey says what else is refused.
            ["survey", ..] => {
                let survey = ran(&mut hosted.here(typed)).ended_with(10);
                assert!(survey.out.contains("Not read"), "{}", survey.out);
            }
            // So it could not see what that would have told.
            ["diff", ..] => drop(ran(&mut bare(hosted.dir(), typed)).ended_with(11)),
            ["run", ..] => {
                let run = ran_typing(&mut hosted.here(typed), "111122223333\n").ended_with(11);
                assert!(run.err.contains("type its twelve digits"), "{}", run.err);
            }
            ["resume", ..] => drop(ran(&mut hosted.here(typed)).ended_with(11)),
            ["undo", ..] => {
                let undo = ran_typing(&mut hosted.here(typed), "111122223333\n").ended_with(13);
                assert!(undo.err.contains("is taken back in account"), "{}", undo.err);
            }
            ["report", ..] => {
                let report = ran(&mut bare(hosted.dir(), typed)).ended_with(0);
                assert!(report.out.contains("Every credential"), "{}", report.out);
            }
            // The log is some minutes late, in the world too.
            ["verify", ..] => drop(ran(hosted.here(typed).arg("--no-trail")).ended_with(11)),
            ["status", ..] => drop(ran(&mut bare(hosted.dir(), typed)).ended_with(0)),
            ["explain", ..] => drop(ran(&mut bare(hosted.dir(), typed)).ended_with(0)),
            ["cloud", "serve", ..] => serve(&hosted, typed),
            _ => panic!("the README has a command that no test covers: {line}"),
        }
    }
    println!("commands of the README: {tried}");
    assert!(tried >= 7, "the README has commands");
}

/// Serves, points Portcullis itself at it with what was printed, and as somebody else by his profile, and ends it.
fn serve(hosted: &Hosted, typed: &[&str]) {
    let mut command = bare(hosted.dir(), typed);
    let serving =
        start(command.args(["--listen", "127.0.0.1:0", "--profiles", "people", "--as", "second"]));
    serving.until_it_says("Ctrl-C stops it");
    let last = "AWS_SESSION_TOKEN=";
    let printed = serving.out_until(last);
    let whole = printed.split(last).nth(1).unwrap().ends_with('\n');
    assert!(whole, "what is printed is printed at once");
    let environment: BTreeMap<&str, &str> = printed
        .lines()
        .map(|line| line.strip_prefix("export ").unwrap().split_once('=').unwrap())
        .collect();
    let url = environment["AWS_ENDPOINT_URL"];
    let mut plan = bare(hosted.dir(), &["plan", "playbooks/leaked-access-key"]);
    plan.args(hosted.typed_inputs()).envs(&environment).args(["--endpoint-url", url]);
    let planned = ran(&mut plan).ended_with(0);
    assert!(planned.out.contains("Plan for account 111122223333"), "{}", planned.out);
    let as_second = ["plan", "playbooks/leaked-access-key", "--profile", "second"];
    let mut plan = bare(hosted.dir(), &as_second);
    plan.args(hosted.typed_inputs()).args(["--endpoint-url", url]);
    let people = hosted.dir().join("people");
    plan.env("AWS_SHARED_CREDENTIALS_FILE", &people).env("AWS_REGION", environment["AWS_REGION"]);
    let planned = ran(&mut plan).ended_with(0);
    assert!(planned.out.contains(":assumed-role/incident-responder/second"), "{}", planned.out);
    assert_eq!(std::fs::metadata(people).unwrap().permissions().mode() & 0o777, 0o600);
    serving.signal("INT");
    serving.ended().ended_with(0);
}

/// Rows of the first table after `heading`, cell by cell.
fn table(text: &'static str, heading: &str) -> Vec<Vec<&'static str>> {
    let after = text.split(heading).nth(1).unwrap();
    let rows = after.lines().skip_while(|l| !l.starts_with('|')).take_while(|l| l.starts_with('|'));
    rows.skip(2).map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn the_readme_s_exit_codes_are_those_of_the_program() {
    let documented: BTreeSet<u8> =
        table(README, "### Exit codes").iter().map(|row| row[0].parse().unwrap()).collect();
    let body = EXITS.split("pub enum Exit {").nth(1).unwrap().split('}').next().unwrap();
    let coded: BTreeSet<u8> = body
        .lines()
        .filter_map(|line| line.split_once(" = ")?.1.trim_end_matches(',').parse().ok())
        .collect();
    assert_eq!(documented, coded);
    assert!(coded.len() > 5);
}

#[test]
fn the_readme_s_permissions_are_what_the_handles_let_through() {
    let section =
        README.split("### Permissions").nth(1).unwrap().split("Where the gate").next().unwrap();
    let (plan, run) = section.split_once("To run, besides").unwrap();
    let named = |text: &str| -> BTreeSet<String> {
        let mut service = "";
        let names = text.split('`').skip(1).step_by(2);
        let full = names.map(|name| {
            if let Some((of, name)) = name.split_once(':') {
                service = if of == "iam" { "iam" } else { "secretsmanager" };
                return format!("{of}:{name}");
            }
            format!("{service}:{name}")
        });
        full.collect()
    };
    let set = |operations: &[&str]| -> BTreeSet<String> {
        let needed = operations.iter().filter(|name| **name != "sts:GetCallerIdentity");
        needed.map(|name| (*name).to_owned()).collect()
    };
    assert_eq!(named(plan), set(READS));
    assert_eq!(named(run), set(WRITES));
}

#[test]
fn the_map_stays_short_and_every_guard_it_names_is_there() {
    assert!(ARCHITECTURE.lines().count() <= 300);
    let mut files = crate::hosted::files_under(&root().join("tests"));
    files.extend(crate::hosted::files_under(&root().join("src")));
    let mut guards = 0;
    for row in table(ARCHITECTURE, "## Invariants") {
        for guard in row[1].split('`').skip(1).step_by(2) {
            guards += 1;
            assert!(is_there(guard, &files), "{guard} guards an invariant, and is not there");
        }
    }
    assert!(guards > 10, "{guards}");
    let tests = ARCHITECTURE.split("\n## Tests\n").nth(1).unwrap().split("\n## ").next().unwrap();
    for name in tests.split('`').skip(1).step_by(2).filter(|name| !name.starts_with("cargo ")) {
        let module = root().join("tests/it").join(format!("{name}.rs"));
        assert!(module.is_file() || root().join(name).is_dir(), "there is no {name}");
    }
}

/// A file by its path; a module by the name of its file; or a test in the file of its module.
fn is_there(guard: &str, files: &[(PathBuf, Vec<u8>)]) -> bool {
    let of_name = |name: &str| {
        let name = format!("{name}.rs");
        files.iter().filter(move |(path, _)| path.file_name().unwrap() == name.as_str())
    };
    let mut parts = guard.rsplit("::");
    let last = parts.next().unwrap();
    let test = format!("fn {last}(");
    let in_module = |module: &str| {
        of_name(module).any(|(_, text)| String::from_utf8_lossy(text).contains(&test))
    };
    root().join(guard).is_file()
        || of_name(last).next().is_some()
        || parts.next().is_some_and(in_module)
}
