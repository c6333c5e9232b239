//! Fragments that a playbook includes: one language over several files, none of them outside the folder.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::hosted::{Ran, bare, ran};
use crate::stage::{PLAYBOOK, WORLD};

const CONTAIN: &str = "\
portcullis: 1
inputs:
  access_key_id: { type: access-key-id, required: true }
targets:
  owner: ${{ inventory.access_key(inputs.access_key_id).user }}
steps:
  - { id: quarantine, phase: contain, uses: iam.user.quarantine, with: { user: \"${{ targets.owner }}\" } }
  - id: keys-off
    phase: contain
    uses: iam.access-key.deactivate
    with: { user: \"${{ targets.owner }}\", keys: all }
";

const INCLUDING: &str = "\
portcullis: 1
name: including
title: Including
gate: { proof: settled, margin: 60s }
include: [shared/contain.yaml]
steps:
  - id: sessions-off
    phase: contain
    needs: [keys-off]
    uses: iam.user.revoke-sessions
    with: { user: \"${{ targets.owner }}\" }
";

/// A folder with a playbook, its world, and fragments.
fn folder(playbook: &str, fragments: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("p");
    std::fs::create_dir_all(folder.join("shared")).unwrap();
    std::fs::write(folder.join("playbook.yaml"), playbook).unwrap();
    let world =
        WORLD.replace("    leaked_at: 2026-03-19T00:00:00Z\n    deliver_to: deploy/aws-key\n", "");
    std::fs::write(folder.join("world.yaml"), world).unwrap();
    for (name, text) in fragments {
        std::fs::write(folder.join(name), text).unwrap();
    }
    dir
}

fn here(dir: &Path, args: &[&str]) -> Ran {
    ran(&mut bare(dir, args))
}

#[test]
fn a_case_goes_on_when_the_folder_is_gone() {
    let dir = folder(INCLUDING, &[("shared/contain.yaml", CONTAIN)]);
    let checked = here(dir.path(), &["check", "p"]).ended_with(0);
    assert!(checked.out.contains("3 steps"), "{}", checked.out);
    let played = here(dir.path(), &["rehearse", "p"]).ended_with(11);
    assert!(played.out.contains("shared/contain.yaml line 8"), "{}", played.out);
    let order =
        ["quarantine.1", "keys-off.1", "sessions-off.1"].map(|id| played.out.find(id).unwrap());
    assert!(order.is_sorted(), "what is included comes first: {}", played.out);
    std::fs::remove_dir_all(dir.path().join("p")).unwrap();
    let case = std::fs::read_dir(dir.path().join("cases")).unwrap().next().unwrap().unwrap();
    let case = case.path().display().to_string();
    here(dir.path(), &["status", &case]).ended_with(0);
    here(dir.path(), &["resume", &case]).ended_with(11);
    // Another fragment under the same plan is another plan.
    let plan = Path::new(&case).join("rounds/1/plan.json");
    let text = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, text.replace("keys: all }", "keys: all }\\n#")).unwrap();
    let refused = here(dir.path(), &["resume", &case]).ended_with(5);
    assert!(refused.err.contains("changed after it was made"), "{}", refused.err);
}

#[test]
fn whom_a_step_of_a_fragment_would_lock_out_is_told_with_the_fragment() {
    let own = "{ role: incident-responder }";
    let contain = CONTAIN.replace(
        "iam.user.quarantine, with: { user: \"${{ targets.owner }}\" }",
        &format!("iam.role.quarantine, with: {own}"),
    );
    let dir = folder(INCLUDING, &[("shared/contain.yaml", &contain)]);
    let err = here(dir.path(), &["rehearse", "p"]).ended_with(5).err;
    assert!(err.contains("cut by quarantine.1 (shared/contain.yaml line 7)"), "{err}");
    assert!(err.contains("--> p/shared/contain.yaml:7:"), "{err}");
}

#[test]
fn a_mistake_in_a_fragment_is_shown_in_the_fragment_with_those_of_the_playbook() {
    let wrong = CONTAIN.replace("keys: all", "kyes: all") + "name: other\n";
    let dir = folder(
        &INCLUDING.replace("phase: contain", "phase: contian"),
        &[("shared/contain.yaml", &wrong)],
    );
    let err = here(dir.path(), &["check", "p"]).ended_with(3).err;
    assert!(err.contains("p/shared/contain.yaml:11:43"), "{err}");
    assert!(err.contains("did you mean `keys`?"), "{err}");
    assert!(err.contains("p/playbook.yaml:8:12"), "{err}");
    assert!(err.contains("a fragment has no key `name`"), "{err}");
}

#[test]
fn what_is_declared_in_two_files_is_shown_in_both() {
    let twice = INCLUDING.replace("steps:", "inputs: { access_key_id: { type: text } }\nsteps:");
    let dir = folder(&twice, &[("shared/contain.yaml", CONTAIN)]);
    let err = here(dir.path(), &["check", "p"]).ended_with(3).err;
    assert!(err.contains("error[duplicate-id]: `access_key_id` is declared in two files"), "{err}");
    assert!(
        err.contains("p/playbook.yaml:6:11") && err.contains("p/shared/contain.yaml:3:3"),
        "{err}"
    );
    let step = INCLUDING
        .replace("id: sessions-off", "id: keys-off")
        .replace("    needs: [keys-off]\n", "");
    let dir = folder(&step, &[("shared/contain.yaml", CONTAIN)]);
    let err = here(dir.path(), &["check", "p"]).ended_with(3).err;
    assert!(err.contains("two steps are called `keys-off`"), "{err}");
    assert!(err.contains("p/shared/contain.yaml:8:9"), "{err}");
}

#[test]
fn nothing_leads_out_of_the_folder() {
    let outside = TempDir::new().unwrap();
    std::fs::write(outside.path().join("contain.yaml"), CONTAIN).unwrap();
    let absolute = outside.path().join("contain.yaml").display().to_string();
    for (path, why) in [
        ("../contain.yaml", "leads out of the playbook's folder"),
        ("shared/../shared/contain.yaml", "leads out of"),
        (absolute.as_str(), "not a relative path"),
        ("./shared/contain.yaml", "not written plainly"),
        ("shared//contain.yaml", "not written plainly"),
        ("shared/contain.txt", "not the name of a .yaml file"),
        ("linked/contain.yaml", "behind a symbolic link"),
        ("shared/linked.yaml", "behind a symbolic link"),
        ("shared/absent.yaml", "No such file"),
        ("shared/pipe.yaml", "not a regular file"),
        ("shared/folder.yaml", "it is a directory"),
    ] {
        let dir = folder(
            &INCLUDING.replace("shared/contain.yaml", path),
            &[("shared/contain.yaml", CONTAIN)],
        );
        let at = |name: &str| dir.path().join("p").join(name);
        std::fs::write(dir.path().join("contain.yaml"), CONTAIN).unwrap();
        std::os::unix::fs::symlink(outside.path(), at("linked")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("contain.yaml"), at("shared/linked.yaml"))
            .unwrap();
        std::fs::create_dir(at("shared/folder.yaml")).unwrap();
        assert!(Command::new("mkfifo").arg(at("shared/pipe.yaml")).status().unwrap().success());
        let err = here(dir.path(), &["check", "p"]).ended_with(3).err;
        assert!(err.contains("error[bad-include]") && err.contains(why), "{path}: {err}");
        // What is not known without it is not told to be missing: it may well stand there.
        assert_eq!(err.matches("error[").count(), 1, "{err}");
    }
}

#[test]
fn a_path_that_is_nearly_one_of_a_fragment_is_told_which() {
    let slip = INCLUDING.replace("needs: [keys-off]", "needs: [keys-of]");
    for path in [
        "./shared/contain.yaml",
        "shared//contain.yaml",
        "shared/../shared/contain.yaml",
        "shared/contian.yaml",
        "contain.yaml",
        "shared/contain.yml",
    ] {
        let dir =
            folder(&slip.replace("shared/contain.yaml", path), &[("shared/contain.yaml", CONTAIN)]);
        let err = here(dir.path(), &["check", "p"]).ended_with(3).err;
        assert!(err.contains("help: did you mean `shared/contain.yaml`?"), "{path}: {err}");
        // It is read as it was meant, and whatever else is wrong is told beside it.
        assert!(err.contains("there is no step `keys-of`"), "{path}: {err}");
        assert_eq!(err.matches("error[").count(), 2, "{path}: {err}");
    }
}

#[test]
fn fragments_include_others_once_and_never_each_other() {
    let a = CONTAIN.replace("portcullis: 1\n", "portcullis: 1\ninclude: [shared/b.yaml]\n");
    let b = "portcullis: 1\ninclude: [shared/contain.yaml]\n";
    let dir = folder(INCLUDING, &[("shared/contain.yaml", &a), ("shared/b.yaml", b)]);
    let err = here(dir.path(), &["check", "p"]).ended_with(3).err;
    assert!(
        err.contains("fragments include each other: shared/contain.yaml -> shared/b.yaml -> shared/contain.yaml"),
        "{err}"
    );
    let both = INCLUDING.replace("[shared/contain.yaml]", "[shared/b.yaml, shared/contain.yaml]");
    let dir = folder(&both, &[("shared/contain.yaml", CONTAIN), ("shared/b.yaml", b)]);
    here(dir.path(), &["check", "p"]).ended_with(0);
}

#[test]
fn many_or_large_fragments_are_refused() {
    let names: Vec<String> = (0..40).map(|n| format!("shared/{n}.yaml")).collect();
    let many = INCLUDING.replace("shared/contain.yaml", &names.join(", "));
    let empty: Vec<(&str, &str)> =
        names.iter().map(|name| (name.as_str(), "portcullis: 1\n")).collect();
    let dir = folder(&many, &empty);
    let err = here(dir.path(), &["check", "p"]).ended_with(3).err;
    assert!(err.contains("includes at most 32 files"), "{err}");
    let large = format!("{CONTAIN}# {}\n", "x".repeat(2 << 20));
    let dir = folder(INCLUDING, &[("shared/contain.yaml", &large)]);
    let err = here(dir.path(), &["check", "p"]).ended_with(3).err;
    assert!(err.contains("it is longer than 1048576 bytes"), "{err}");
}

/// A saved plan and its playbook stay together, whatever a playbook does not include.
#[test]
fn a_playbook_without_fragments_is_saved_as_before() {
    let playbook = crate::stage::read(PLAYBOOK);
    assert!(playbook.fragments.is_empty() && playbook.fragment_texts().is_empty());
}

/// What is wrong in a fragment is said beside what is no YAML in the playbook that includes it, and the other way round.
#[test]
fn what_is_no_yaml_hides_nothing_in_the_other_files() {
    let wrong = CONTAIN.replace("iam.user.quarantine", "iam.user.quarantin");
    let open = INCLUDING.replace("phase: contain", "phase: \"contain");
    let dir = folder(&open, &[("shared/contain.yaml", &wrong)]);
    let told = here(dir.path(), &["check", "p"]).ended_with(3).err;
    assert!(
        told.contains("the quote that ends there begins here")
            && told.contains("no action `iam.user.quarantin`"),
        "{told}"
    );
    assert!(
        told.ends_with("check p\n") && told.contains("2 errors"),
        "nothing only looks so: {told}"
    );

    let wrong = INCLUDING.replace("iam.user.revoke-sessions", "iam.user.revoke-session");
    let open = CONTAIN.replace("keys: all }", "keys: all");
    let dir = folder(&wrong, &[("shared/contain.yaml", &open)]);
    let told = here(dir.path(), &["check", "p"]).ended_with(3).err;
    assert!(
        told.contains("unclosed bracket") && told.contains("no action `iam.user.revoke-session`"),
        "{told}"
    );
}
