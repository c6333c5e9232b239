//! Every playbook that comes with the program: checked, and rehearsed in its own world with the real binary.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::path::PathBuf;

use crate::check::{portcullis, said};

fn shipped() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<PathBuf> = std::fs::read_dir(root.join("playbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().path().strip_prefix(&root).unwrap().to_owned())
        .collect();
    found.sort();
    found
}

/// Those whose every cut can be tried, so that they are proven to the end. What others are about cannot all be.
const PROVEN: &[&str] = &["leaked-key-list", "pipeline-sweep", "stolen-laptop"];

/// A command without its case, what it says to do next, and the exit code of the run after it.
type Word = (&'static [&'static str], &'static str, i32);

/// What people say in the course of a playbook that asks for it.
const SAID: &[(&str, &[Word])] = &[(
    "password-reset-and-remote-access",
    &[
        (&["attest", "webmail-off.1"], "once way in vpn is seen to: portcullis attest", 13),
        (&["attest", "vpn-off.1"], "portcullis resume", 6),
        (&["approve", "rotate", "--reason", "no false alarm"], "portcullis resume", 6),
        (&["approve", "recover", "--reason", "the office may work"], "portcullis resume", 13),
        (&["attest", "webmail-on.1"], "once way in vpn is open again: portcullis attest", 13),
        (&["attest", "vpn-on.1"], "portcullis resume", 11),
    ],
)];

#[test]
fn every_shipped_playbook_evicts_the_intruder_of_its_world_and_nobody_else() {
    let shipped = shipped();
    assert!(shipped.len() >= 6, "{shipped:?}");
    for folder in shipped {
        let dir = tempfile::tempdir().unwrap();
        let (path, cases) = (folder.to_str().unwrap(), dir.path().join("cases"));
        let checked = portcullis(&["check", path]);
        assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
        let mut played = portcullis(&["rehearse", path, "--cases", cases.to_str().unwrap()]);
        let proven = PROVEN.iter().any(|name| path.ends_with(name));
        let planned = said(&played);
        assert_eq!(planned.contains("at best it ends with exit code 11"), !proven, "{planned}");
        for (_, words) in SAID.iter().filter(|(name, _)| path.ends_with(name)) {
            assert_eq!(played.status.code(), Some(13), "{path}: {}", said(&played));
            let case = std::fs::read_dir(&cases).unwrap().next().unwrap().unwrap().path();
            let case = case.to_str().unwrap();
            for (word, next, ends) in *words {
                let word = [&[word[0], case], &word[1..]].concat();
                let spoken = portcullis(&word);
                let told = said(&spoken);
                assert_eq!(spoken.status.code(), Some(0), "{path}: {word:?}");
                assert!(told.contains(&format!("Next: {next}")), "{word:?}: {told}");
                played = portcullis(&["resume", case]);
                if *ends == 6 {
                    // A look at what waits for people says whom it waits for.
                    let looked = said(&portcullis(&["verify", case, "--no-trail"]));
                    assert!(looked.contains("Next: somebody approves it"), "{path}: {looked}");
                    let stands = said(&portcullis(&["status", case]));
                    assert!(stands.contains("Next: somebody approves it"), "{path}: {stands}");
                }
                assert_eq!(
                    played.status.code(),
                    Some(*ends),
                    "{path}: {word:?}: {}",
                    said(&played)
                );
            }
        }
        let screen = said(&played);
        assert_eq!(played.status.code(), Some(if proven { 0 } else { 11 }), "{path}: {screen}");
        let tried = screen.split("Tried in the world").nth(1).unwrap();
        let world = std::fs::read_to_string(folder.join("world.yaml")).unwrap();
        let world: serde_yaml::Value = serde_yaml::from_str(&world).unwrap();
        let held = world["intruder"]["holds"].as_sequence().unwrap();
        assert!(!held.is_empty(), "{path}");
        for id in held {
            let of = id["password_of"].as_str().map(|user| format!("password of {user}"));
            let called = of.unwrap_or_else(|| id.as_str().unwrap().to_owned());
            let refused = format!("refused      the intruder with {called}");
            assert!(tried.contains(&refused), "{path}: {tried}");
        }
        assert!(tried.contains("works        "), "{path}: {tried}");
        assert!(!tried.contains("LET IN") && !tried.contains("BROKEN"), "{path}: {tried}");
    }
}

#[test]
fn every_shipped_playbook_has_a_page_that_says_when_and_what_stops() {
    for folder in shipped() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(&folder).join("README.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(page.starts_with(&format!("# {name}\n")), "{name}");
        for heading in [
            "When",
            "What it does",
            "Before",
            "What stops",
            "What cannot be taken back",
            "What it does not do",
            "Worlds",
        ] {
            assert!(page.contains(&format!("\n**{heading}.** ")), "{name}: {heading}");
        }
    }
}
