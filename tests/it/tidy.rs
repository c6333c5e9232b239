//! The shape of the code: who may use whom, where secrets are opened, what must not be written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Which modules a module may use: those below it, and those of its own row that it needs.
const MAY_USE: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("secret", &[]),
    ("clock", &[]),
    ("diagnostic", &[]),
    ("exit", &[]),
    ("lookup", &[]),
    ("outbox", &["ids", "secret"]),
    ("findings", &["ids", "secret"]),
    ("policy", &["ids"]),
    ("trail", &["ids"]),
    ("inventory", &["ids", "diagnostic", "lookup"]),
    ("playbook", &["ids", "diagnostic", "inventory", "policy"]),
    ("plan", &["ids", "diagnostic", "lookup", "findings", "policy", "inventory", "playbook"]),
    ("journal", &["ids", "clock", "playbook", "plan"]),
    ("ledger", &["ids", "journal", "plan", "playbook"]),
    ("report", &["ids", "diagnostic", "journal", "ledger", "plan", "playbook"]),
    ("case", &["ids", "journal", "outbox", "plan"]),
    ("cloud", &["ids", "secret", "clock", "inventory"]),
    ("sim", &["ids", "secret", "clock", "diagnostic", "policy", "inventory"]),
    (
        "action",
        &[
            "ids",
            "secret",
            "diagnostic",
            "outbox",
            "inventory",
            "policy",
            "playbook",
            "plan",
            "journal",
            "cloud",
        ],
    ),
    ("survey", &["ids", "clock", "inventory", "cloud"]),
    (
        "planning",
        &[
            "ids",
            "exit",
            "lookup",
            "diagnostic",
            "inventory",
            "playbook",
            "plan",
            "policy",
            "journal",
            "ledger",
            "action",
        ],
    ),
    (
        "run",
        &[
            "ids",
            "clock",
            "exit",
            "outbox",
            "inventory",
            "playbook",
            "plan",
            "journal",
            "ledger",
            "cloud",
            "action",
            "survey",
            "planning",
            "diagnostic",
            "trail",
        ],
    ),
    (
        "cli",
        &[
            "ids",
            "secret",
            "clock",
            "exit",
            "diagnostic",
            "findings",
            "inventory",
            "playbook",
            "plan",
            "journal",
            "ledger",
            "report",
            "case",
            "cloud",
            "sim",
            "action",
            "survey",
            "planning",
            "run",
            "trail",
        ],
    ),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file under `dir`, sorted, with its text; the tests of a module are not among them.
fn sources(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            found.append(&mut sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.insert(path, text);
        }
    }
    found
}

/// The module that a file belongs to: `plan` for `src/plan.rs` and `src/plan/saved.rs`.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file without comments, its tests left out. They stand at its end; `mod tests;` only says
/// that they stand elsewhere.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().map(without_comment).collect::<Vec<_>>().join("\n")
}

/// A line up to its comment, which is not the `//` of a URL.
fn without_comment(line: &str) -> &str {
    let mut comments = line.match_indices("//").map(|(at, _)| at);
    comments.find(|at| !line[..*at].ends_with(':')).map_or(line, |at| &line[..at])
}

#[test]
fn code_is_told_from_comments_and_tests() {
    let text = "#[cfg(test)]\nmod tests;\nlet url = \"http://a\"; // b\n// c\nd();\n#[cfg(test)]\nmod tests {\ne";
    assert_eq!(code_of(text), "#[cfg(test)]\nmod tests;\nlet url = \"http://a\"; \n\nd();");
}

/// The modules named after every `crate::`.
fn used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names = rest.strip_prefix('{').map_or_else(
            || vec![rest],
            |group| group.split('}').next().unwrap().split(',').map(str::trim).collect(),
        );
        for name in names {
            let name: String =
                name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                used.insert(name);
            }
        }
    }
    used
}

#[test]
fn modules_use_only_what_is_below_them() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for (path, text) in sources(&root().join("src")) {
        let module = module_of(&path);
        if module == "lib" || module == "main" {
            continue;
        }
        let allowed = table.get(module.as_str()).unwrap_or_else(|| panic!("{module} has no row"));
        for name in used(&code_of(&text)) {
            assert!(
                name == module || allowed.contains(&name.as_str()),
                "{}: `{module}` must not use `{name}`",
                path.display()
            );
        }
        seen.insert(module);
    }
    let listed: BTreeSet<String> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(seen, listed, "the table has a row for every module, and no other");
}

#[test]
fn the_sdk_s_clients_are_named_only_by_the_handles() {
    for (path, text) in sources(&root().join("src")) {
        let module = module_of(&path);
        let code = code_of(&text);
        for word in ["::Client", ".customize(", "from_conf("] {
            assert!(
                module == "cloud" || !code.contains(word),
                "{}: only `cloud` may name {word}",
                path.display()
            );
        }
        if code.contains("aws_sdk_") {
            // Outputs and their types may be read by those who turn them into facts.
            assert!(
                ["cloud", "survey", "action"].contains(&module.as_str()),
                "{}: names an SDK crate",
                path.display()
            );
        }
    }
}

/// Every place that opens a secret, so that a new one is seen in a review.
#[test]
fn secrets_are_opened_only_here() {
    let opened: BTreeMap<String, usize> = sources(&root().join("src"))
        .into_iter()
        .filter(|(path, _)| module_of(path) != "sim")
        .map(|(path, text)| {
            let path = path.strip_prefix(root()).unwrap().display().to_string();
            (path, code_of(&text).matches(".expose()").count())
        })
        .filter(|(_, places)| *places > 0)
        .collect();
    let expected = [
        // How long it is, and its fields, to which others are added.
        ("src/action/delivery.rs", 2),
        // Hands the new key to the delivery.
        ("src/action/iam_access_key_replace.rs", 1),
        // Puts a generated value into a field.
        ("src/action/secretsmanager_secret_rotate/generated.rs", 1),
        // Sends a new console password.
        ("src/cloud/iam.rs", 1),
        // Looks for ids of access keys in what others found, and takes columns of lists by name.
        ("src/findings.rs", 1),
        ("src/findings/scanners.rs", 1),
        ("src/findings/table.rs", 1),
        // Seals it.
        ("src/outbox.rs", 1),
        // Hands the new password to the delivery.
        ("src/action/iam_login_profile_force_reset.rs", 1),
        // How long it is, and the credentials in it.
        ("src/cli/credential.rs", 2),
        // Signs as the rehearsal's responder.
        ("src/cli/rehearse.rs", 2),
        // Hands out the rehearsal's own credentials: its purpose.
        ("src/cli/serve.rs", 2),
        // Signs with a credential that is tried.
        ("src/cloud/probe.rs", 2),
        // The call that stores it.
        ("src/cloud/secretsmanager.rs", 1),
        // Sends the code of an MFA device.
        ("src/cloud/sign_in.rs", 1),
    ];
    let expected = expected.map(|(path, places)| (path.to_owned(), places));
    assert_eq!(opened, expected.into());
}

#[test]
fn words_that_name_no_thing_are_not_names_of_modules() {
    for (path, _) in sources(&root().join("src")).into_iter().chain(sources(&root().join("tests")))
    {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            !["utils", "util", "common", "helpers", "helper", "manager", "mod", "misc"]
                .contains(&stem),
            "{}",
            path.display()
        );
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    for (path, text) in sources(&root().join("src")) {
        assert!(text.starts_with("//! "), "{} has no module documentation", path.display());
    }
}
