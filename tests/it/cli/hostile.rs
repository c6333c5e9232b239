//! Files that somebody put there to hurt the reader, given to the real binary: each is a clear error, soon and
//! in little memory.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::hosted::{Ran, bare, ran};

use super::refused;

/// What the process may map, in KiB. Reading may use 200 MiB; an unoptimised program is itself large, and has a
/// stack of 16 MiB for reading, most of which is never touched.
const ADDRESS_SPACE: u32 = 500 << 10;

/// Runs with little memory, and not for long.
fn limited(dir: &Path, args: &[&str]) -> Ran {
    let mut command = bare(dir, &[]);
    let program = command.get_program().to_owned();
    let environment: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    command = Command::new("/bin/sh");
    command
        .args(["-c", &format!("ulimit -v {ADDRESS_SPACE} && exec timeout 20 \"$0\" \"$@\"")])
        .arg(program)
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(environment);
    ran(&mut command)
}

fn bomb() -> String {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..10 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        writeln!(bomb, "a{i}: &a{i} [{aliases}]").unwrap();
    }
    bomb
}

/// Playbooks that hurt, each with the code that it is refused with.
fn corpus() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let head = "portcullis: 1\nname: hostile\ntitle: Hostile\n";
    let step = "  - { id: a, phase: contain, uses: iam.user.quarantine, with: { user: a } }\n";
    let expression = |expression: &str| {
        format!("{head}targets:\n  t: \"${{{{ {expression} }}}}\"\nsteps: []\n").into_bytes()
    };
    vec![
        ("an alias bomb", format!("{head}{}", bomb()).into_bytes(), "unsupported-yaml"),
        (
            "a million brackets",
            format!("{head}help: {}", "[".repeat(1_000_000)).into(),
            "too-large",
        ),
        (
            "a million closed ones",
            format!("{head}help: {}{}", "[".repeat(500_000), "]".repeat(500_000)).into(),
            "too-large",
        ),
        (
            "mappings in mappings",
            format!("{head}help: {}", "{a: ".repeat(200_000)).into(),
            "too-large",
        ),
        ("no playbook", "[".repeat(1_000_000).into_bytes(), "missing-key"),
        ("NUL", b"portcullis: 1\0\n".to_vec(), "not-yaml"),
        ("invalid UTF-8", b"title: \xff\xfe\n".to_vec(), "not-yaml"),
        (
            "UTF-16",
            "portcullis: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "missing-key",
        ),
        (
            "a scalar of 20 MB",
            format!("{head}help: {}\n", "x".repeat(20_000_000)).into_bytes(),
            "too-large",
        ),
        (
            "100,000 steps",
            format!("{head}steps:\n{}", step.repeat(100_000)).into_bytes(),
            "too-large",
        ),
        (
            "100,000 short steps",
            format!("{head}steps:\n{}", "- a\n".repeat(100_000)).into_bytes(),
            "too-large",
        ),
        (
            "nested parentheses",
            expression(&("(".repeat(9_000) + "1" + &")".repeat(9_000))),
            "expression-cost",
        ),
        ("nested lists", expression(&("[".repeat(9_000) + &"]".repeat(9_000))), "expression-cost"),
        ("a long chain", expression(&format!("{}1", "1 + ".repeat(100_000))), "expression-cost"),
        ("a YAML 1.1 truth", format!("{head}mode: no\n").into_bytes(), "ambiguous-yaml"),
        (
            "a YAML 1.1 octal",
            format!("{head}limits: {{ changes: 010 }}\n").into(),
            "ambiguous-yaml",
        ),
        ("a YAML 1.1 base 60", format!("{head}help: 12:30:45\n").into_bytes(), "ambiguous-yaml"),
        ("a merge key", format!("{head}<<: {{ mode: breach }}\n").into_bytes(), "unsupported-yaml"),
    ]
}

#[test]
fn hostile_playbooks_are_refused_in_little_memory() {
    let dir = TempDir::new().unwrap();
    for (what, bytes, code) in corpus() {
        std::fs::write(dir.path().join("hostile.yaml"), bytes).unwrap();
        let err = refused(limited(dir.path(), &["check", "hostile.yaml"]), 3, &[]);
        assert!(err.contains(&format!("error[{code}]")), "{what}: {err}");
        assert!(err.len() < 20_000, "{what}: {} bytes are said", err.len());
    }
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn what_is_not_a_file_is_not_read() {
    let dir = TempDir::new().unwrap();
    let at = |path: &str| dir.path().join(path);
    pipe(&at("pipe.yaml"));
    std::fs::create_dir_all(at("folder/playbook.yaml")).unwrap();
    std::fs::create_dir_all(at("case/rounds/1/plan.json")).unwrap();
    for path in ["pipe.yaml", "/dev/zero", "folder", "case"] {
        for command in ["check", "plan", "rehearse"] {
            let said = ["cannot read playbook", "next: "];
            refused(limited(dir.path(), &[command, path]), 3, &said);
        }
        refused(limited(dir.path(), &["status", path]), 5, &["is not a case"]);
        refused(limited(dir.path(), &["resume", path]), 5, &["is not a case"]);
    }
    std::fs::remove_dir(at("case/rounds/1/plan.json")).unwrap();
    pipe(&at("case/rounds/1/plan.json"));
    refused(limited(dir.path(), &["status", "case"]), 5, &["is not a case"]);
    pipe(&at("plan.json"));
    refused(limited(dir.path(), &["run", "plan.json"]), 5, &["cannot read plan", "not a regular"]);
    let world = ["rehearse", "p.yaml", "--world", "pipe.yaml"];
    std::fs::write(at("p.yaml"), crate::stage::PLAYBOOK).unwrap();
    refused(limited(dir.path(), &world), 3, &["cannot read world", "not a regular file"]);
}

#[test]
fn a_world_that_means_more_than_a_world_is_refused_soon() {
    let dir = TempDir::new().unwrap();
    let playbook = crate::hosted::playbook_in(dir.path());
    let world = crate::stage::WORLD;
    let bomb: String = (0..40)
        .map(|n| format!("x{}: &x{} [*x{n}, *x{n}, *x{n}, *x{n}, *x{n}]\n", n + 1, n + 1))
        .collect();
    for (text, why) in [
        (format!("{world}x0: &x0 [lol]\n{bomb}"), "x0: &x0 [lol]\n    |     ^^^ here"),
        (
            world.replace("world: 1\n", "world: &one 1\n"),
            "anchors and aliases (`&name`, `*name`) are not read",
        ),
        (format!("{world}note: {}\n", "x".repeat(20 << 20)), "longer than 8388608 bytes"),
        (format!("{world}note: [{}]\n", "1,".repeat(2 << 20)), "more than 500000 values"),
    ] {
        std::fs::write(dir.path().join("much.yaml"), text).unwrap();
        let said = limited(dir.path(), &["rehearse", &playbook, "--world", "much.yaml"]);
        let told = said.err.clone();
        refused(said, 3, &["world much.yaml"]);
        assert!(told.contains(why), "{why}: {told}");
    }
}

#[test]
fn a_world_that_is_nested_without_end_is_refused_soon() {
    let dir = TempDir::new().unwrap();
    let playbook = crate::hosted::playbook_in(dir.path());
    for (name, text) in [
        ("brackets", format!("world: 1\nnow: {}", "[".repeat(100_000))),
        ("mappings", format!("world: 1\nnow: {}", "{a: ".repeat(100_000))),
        ("dashes", format!("world: 1\nnow:\n  {}x", "- ".repeat(100_000))),
        ("keys", format!("world: 1\nnow:\n  {}x", "? ".repeat(100_000))),
    ] {
        std::fs::write(dir.path().join("deep.yaml"), text).unwrap();
        let said = limited(dir.path(), &["rehearse", &playbook, "--world", "deep.yaml"]);
        assert!(said.err.contains("lie deeper in each other"), "{name}: {}", said.err);
        refused(said, 3, &["world deep.yaml"]);
    }
}

/// What AWS could not have teaches nothing, and what never ends is no rehearsal.
#[test]
fn a_world_that_aws_could_not_have_is_refused_soon() {
    let dir = TempDir::new().unwrap();
    let playbook = crate::hosted::playbook_in(dir.path());
    let world = crate::stage::WORLD;
    let with = |old: &str, new: &str| {
        assert!(world.contains(old), "{old}");
        world.replacen(old, new, 1)
    };
    let set = |key: &str| with("world: 1\n", &format!("world: 1\n{key}\n"));
    let restless = "    - { every: 1s, times: 1000, deeds: [{ operation: CreateUser, params: { UserName: x } }] }\n";
    let restless = format!("intruder:\n  reacts:\n{}", restless.repeat(50));
    let long = format!("/{}/", "x".repeat(7_000_000));
    let tags: String = (0..51).map(|n| format!("t{n}: x, ")).collect();
    for (text, why) in [
        (set("rate_limit: 0"), "rate_limit: a service admits a request in a second at least"),
        (set("page_size: 1001"), "page_size: from 1 to 1000"),
        (set("read_lag: 7200h"), "read_lag: 10m at most"),
        (set("latency: 1h"), "latency: 1m at most"),
        (
            with("path: /ci/", &format!("path: {long}")),
            "user ci-deploy: 7000002 characters of its path; AWS has 512 at most",
        ),
        (with("path: /ci/", "path: ci"), "path: it begins and ends with /"),
        (
            with("path: /ci/", &format!("path: /ci/\n        tags: {{ {tags} }}")),
            "51 tags; AWS has 50 at most",
        ),
        (
            with("intruder:\n", &restless),
            "intruder: he would do 50000 deeds, and does 10000 at most",
        ),
    ] {
        std::fs::write(dir.path().join("much.yaml"), text).unwrap();
        let said = limited(dir.path(), &["rehearse", &playbook, "--world", "much.yaml"]);
        let told = said.err.clone();
        refused(said, 3, &["much.yaml"]);
        assert!(told.contains(why), "{why}: {}", told.get(..2_000).unwrap_or(&told));
    }
}
