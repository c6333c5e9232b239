//! What a case of several accounts keeps: where something of it is gone, in other hands, or cannot be written, nothing is
//! done as if it were whole, and what is said is what to type next.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use portcullis::run::Ending;

use super::rehearsed::{nobody_is_inside, told};
use super::several::{Crash, Several};
use super::{HOME, OTHER, PLAYBOOK, WORLD};
use crate::hosted::{bare, cases_in, ran, with_room_for};
use crate::stage::play;

/// Every command that does something with a case, or tells of it.
fn each_command(case: &str, refused: impl Fn(&str)) {
    for typed in [
        &["resume", case][..],
        &["resume", case, "--take-over", "she went home"],
        &["verify", case],
        &["undo", case, "--dry-run"],
        &["status", case],
        &["report", case],
    ] {
        refused(&told(typed, 5));
    }
}

#[test]
fn what_is_gone_of_one_account_or_in_other_hands_is_said_with_what_to_type_and_begins_nothing_anew()
{
    let dir = tempfile::tempdir().unwrap();
    let cases = dir.path().join("cases");
    told(&["rehearse", "tests/data/accounts", "--cases", cases.to_str().unwrap()], 0);
    let path = cases_in(dir.path()).remove(0);
    let case = path.to_str().unwrap();
    let [home, other] = ["111122223333", "444455556666"].map(|id| path.join("accounts").join(id));
    let journal = |of: &Path| of.join("journal.jsonl");
    let file = |of: &Path| fs::metadata(journal(of)).unwrap().ino();

    // Somebody works on it: what is said is typed of the whole, since one account alone is refused.
    let next = format!("portcullis resume {case} --take-over REASON");
    let works = File::open(journal(&other)).unwrap();
    works.lock().unwrap();
    assert!(told(&["resume", case], 5).contains(&next));
    drop(works);
    // Somebody takes the last of them over at this moment: whoever comes second takes none.
    let before = [file(&home), file(&other)];
    let taking_over = File::create(other.join("journal.taking-over")).unwrap();
    taking_over.lock().unwrap();
    let refused = told(&["resume", case, "--take-over", "she went home"], 5);
    assert!(refused.contains(&next), "{refused}");
    assert_eq!([file(&home), file(&other)], before, "{refused}");
    assert!(!home.join("journal.taking-over").exists(), "it is let be again");
    drop(taking_over);
    told(&["resume", case, "--take-over", "she went home"], 0);

    // The journal of one is gone, or was emptied.
    let aside = dir.path().join("aside");
    fs::rename(journal(&other), &aside).unwrap();
    for emptied in [false, true] {
        if emptied {
            File::create(journal(&other)).unwrap();
        }
        each_command(case, |refused| {
            let what = "the journal of account 444455556666 is gone";
            for words in [what, other.to_str().unwrap(), "restore", "plan anew"] {
                assert!(refused.contains(words), "{words}: {refused}");
            }
        });
        let of = home.to_str().unwrap();
        let word = ["clear", of, "user/ci-deploy", "--reason", "looked into"];
        assert!(told(&word, 5).contains("the journal of account 444455556666 is gone"));
        assert_eq!(journal(&other).exists(), emptied, "none is begun");
    }
    fs::rename(&aside, journal(&other)).unwrap();
    // The whole of one is gone.
    fs::rename(&other, &aside).unwrap();
    each_command(case, |refused| {
        for words in ["do not belong together", case, "restore the case"] {
            assert!(refused.contains(words), "{words}: {refused}");
        }
    });
    fs::rename(&aside, &other).unwrap();

    // A step is no change: what there is of it is named.
    let of = home.to_str().unwrap();
    let one = told(&["attest", of, "quarantine"], 2);
    assert!(one.contains(&format!("did you mean: portcullis attest {of} quarantine.1")), "{one}");
    let several = told(&["attest", of, "sessions-off"], 2);
    for words in ["sessions-off.1 (user ci-deploy)", "sessions-off.2 (user ci-deploy)"] {
        assert!(several.contains(words), "{several}");
    }
    // A word about the whole is about one of them: which is said with the word as it was typed.
    let (what, of) = ("AKIAEXAMPLEHUNGON002", other.to_str().unwrap());
    let waived = ["waive", case, what, "--until", "14d", "--reason", "it is his", "--as", "anna"];
    let typed =
        format!("next: portcullis waive {of} {what} --until 14d --reason 'it is his' --as anna");
    let refused = told(&waived, 5);
    assert!(refused.contains(&typed), "{refused}");
    let nobody = told(&["clear", case, "AKIAEXAMPLENOWHERE09", "--reason", "so it is"], 5);
    assert!(nobody.contains("none of them knows of it"), "{nobody}");
    let attest = told(&["attest", case, "control-off.1"], 5);
    assert!(attest.contains(&format!("next: portcullis attest {of} control-off.1")), "{attest}");
    told(&["status", case], 0);
}

#[test]
fn a_journal_that_is_full_in_one_account_stops_the_others_and_is_gone_on_with() {
    play(async {
        let two = Several::set(WORLD, PLAYBOOK).await;
        let ended = two.ended(Some(Crash::Full(OTHER, 9))).await.unwrap();
        assert!(ended[OTHER].is_err(), "its disk is full");
        let Ok((_, Ending::Stopped(why))) = &ended[HOME] else { panic!("{ended:?}") };
        assert!(why[0].contains("account 444455556666 was stopped part-way"), "{why:?}");
        assert_eq!(two.one_gate_was_kept(), 0, "nothing was done behind the gate");
        assert_eq!(two.resumed_to_the_end().await, [Ending::Proven, Ending::Proven]);
        two.the_intruder_is_out_of_all().await;
    });
}

#[test]
fn a_rehearsal_whose_disk_fills_up_after_the_cuts_was_stopped_part_way_and_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str| format!("{}/tests/data/accounts/{name}", env!("CARGO_MANIFEST_DIR"));
    let (playbook, world) = (of("playbook.yaml"), of("world.yaml"));
    let rehearse = bare(dir.path(), &["rehearse", &playbook, "--world", &world]);
    // Of a world that comes to half as much again.
    let stopped = ran(&mut with_room_for(320, &rehearse)).ended_with(10);
    let said = stopped.said();
    let case = cases_in(dir.path()).remove(0);
    let name = case.file_name().unwrap().to_str().unwrap();
    for words in ["cannot write", "room on the disk", &format!("portcullis resume cases/{name}")] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(said.contains("settled") && !said.contains("GATE OPEN"), "{said}");
    ran(&mut bare(dir.path(), &["resume", case.to_str().unwrap()])).ended_with(0);
    nobody_is_inside(&case);
}
