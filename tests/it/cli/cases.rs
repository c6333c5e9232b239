//! The directory of a case: where it cannot be made, where there is no room, and where somebody was at it.

use std::path::Path;
use std::process::Command;

use portcullis::case::Case;
use portcullis::clock::Clock;
use portcullis::journal::{self, Entry, Journal};
use portcullis::sim::Fault;

use super::{Untouched, refused};
use crate::hosted::{
    Hosted, bare, cases_in, in_real_time, playbook_in, quick_world, ran, start, with_room_for,
};
use crate::process::{journal_of, judge, resumed, state_of, status_agrees};
use crate::stage::{Left, PLAYBOOK, Stage, WORLD, play};
use crate::verdict::requests_of;

/// A case that was killed at the given request of its run, counted from 1.
fn killed_at(request: u64) -> (Hosted, portcullis::sim::Snapshot) {
    let hosted = Hosted::new(&quick_world());
    let before = hosted.cloud.snapshot();
    hosted.save_plan(1);
    hosted.cloud.set_faults([(hosted.cloud.requests() + request, Fault::StopBefore)]);
    let mut running = start(&mut hosted.here(&["run", "plan.json", "--yes"]));
    assert!(hosted.until_stopped(&mut running));
    running.killed();
    hosted.until_left_alone();
    hosted.cloud.set_faults([]);
    (hosted, before)
}

/// Late enough for the cuts to be made and proven once.
const HALF_WAY: u64 = 30;

fn resume(hosted: &Hosted, case: &Path) -> Command {
    hosted.here(&["resume", case.to_str().unwrap()])
}

fn status(hosted: &Hosted, case: &Path) -> crate::hosted::Ran {
    ran(&mut bare(hosted.dir(), &["status", case.to_str().unwrap()]))
}

#[test]
fn where_cases_cannot_be_kept_nothing_is_changed() {
    let world = Untouched::new();
    world.hosted.save_plan(1);
    let file = world.hosted.dir().join("in-the-way");
    std::fs::write(&file, "").unwrap();
    for cases in ["in-the-way", "in-the-way/cases"] {
        let mut run = world.hosted.here(&["run", "plan.json", "--yes", "--cases", cases]);
        world.refuses(5, &mut run, &["cannot make in-the-way", "--cases DIR"]);
    }
}

#[test]
fn a_disk_too_full_for_a_case_is_told_before_anything_is_changed() {
    let world = Untouched::new();
    world.hosted.save_plan(1);
    let run = world.hosted.here(&["run", "plan.json", "--yes"]);
    world.refuses(5, &mut with_room_for(2, &run), &["cannot write cases/", "has room"]);
}

#[test]
fn a_disk_that_fills_up_stops_the_run_before_the_next_change_and_it_resumes() {
    let (hosted, before) = killed_at(3);
    let case = hosted.case();
    let mut refusals = 0;
    let mut said = String::new();
    // A little more room each time: enough to begin anew and to get a little further.
    for blocks in (1..1_000).step_by(4) {
        let writes = writes_that_took_effect(&hosted);
        let ran = ran(&mut with_room_for(blocks, &resume(&hosted, &case)));
        if ran.code == Some(11) {
            said = ran.said();
            break;
        }
        refusals += 1;
        // Refused while the case was not begun; stopped once it was.
        let begun = state_of(&case).opened.is_some();
        refused(
            ran,
            if begun { 10 } else { 5 },
            &["no further change was begun", "portcullis resume /"],
        );
        let state = state_of(&case);
        let announced: u32 = state.changes.values().map(|change| change.attempts).sum();
        if announced == 0 {
            assert_eq!(writes_that_took_effect(&hosted), writes, "no intent, no change");
        }
    }
    assert!(refusals > 2, "{refusals}");
    println!("counted: {refusals} cases, a disk that fills up");
    judge(&hosted, &before, said);
    status_agrees(&hosted);
}

fn writes_that_took_effect(hosted: &Hosted) -> usize {
    hosted.cloud.audit().iter().filter(|event| event.writes && event.took_effect).count()
}

#[test]
fn a_journal_that_was_edited_is_refused_wherever_it_was_edited() {
    let (hosted, before) = killed_at(HALF_WAY);
    let case = hosted.case();
    let path = case.join("journal.jsonl");
    let whole = String::from_utf8(journal_of(&case)).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let snapshot = hosted.cloud.snapshot();
    let requests = hosted.cloud.requests();
    for n in [0, lines.len() / 2, lines.len() - 1] {
        let edited = lines[n].replacen("\"seq\":", "\"seq\": ", 1);
        assert_ne!(edited, lines[n]);
        let text = [&lines[..n].concat(), edited.as_str(), &lines[n + 1..].concat()].concat();
        std::fs::write(&path, &text).unwrap();
        let place = format!("line {} of the journal does not match its hash", n + 1);
        let words = ["was changed or is damaged", &place, "nothing was done. Compare its head"];
        refused(ran(&mut resume(&hosted, &case)), 5, &words);
        refused(status(&hosted, &case), 5, &words);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "left as it was found");
    }
    // A line left out, and a line twice; and an end in which there is more than the one line that a crash cuts short.
    let n = lines.len() - 2;
    let one_of_two = format!("{} {}", lines[n].trim_end(), lines[n + 1].trim_end());
    for text in [
        [&lines[..2], &lines[3..]].concat().concat(),
        [&lines[..3], &lines[2..]].concat().concat(),
        [&lines[..n].concat(), &*one_of_two].concat(),
    ] {
        std::fs::write(&path, text).unwrap();
        refused(ran(&mut resume(&hosted, &case)), 5, &["was changed or is damaged"]);
    }
    assert_eq!(hosted.cloud.requests(), requests, "refused before anything is asked");
    assert_eq!(snapshot.changes_to(&hosted.cloud.snapshot()), [] as [&str; 0]);
    std::fs::write(&path, whole).unwrap();
    let ended = resumed(&hosted);
    judge(&hosted, &before, ended.said());
}

#[test]
fn a_journal_whose_last_line_was_cut_short_is_resumed_and_says_so() {
    let (hosted, before) = killed_at(HALF_WAY);
    let case = hosted.case();
    let path = case.join("journal.jsonl");
    let mut bytes = journal_of(&case);
    // What a crash leaves of a line that was being written.
    bytes.extend(b"{\"hash\":\"0123456789abc");
    std::fs::write(&path, &bytes).unwrap();
    let ended = resumed(&hosted);
    assert!(ended.err.contains("was cut short (22 bytes)"), "{}", ended.err);
    judge(&hosted, &before, ended.said());
    status_agrees(&hosted);
    assert_eq!(journal::decode(&journal_of(&case)).unwrap().torn, 0);
}

#[test]
fn a_case_whose_plan_was_replaced_is_refused() {
    let (hosted, before) = killed_at(HALF_WAY);
    let case = hosted.case();
    let path = case.join("rounds/1/plan.json");
    let ours = std::fs::read_to_string(&path).unwrap();
    let snapshot = hosted.cloud.snapshot();
    // A plan that is whole in itself, and another one: its margin differs.
    hosted.save_plan(2);
    let other = std::fs::read_to_string(hosted.dir().join("plan.json")).unwrap();
    let edited = ours.replace("AKIAEXAMPLEHUNGON002", "AKIAEXAMPLEBACKUP003");
    for (text, word) in [
        (other.as_str(), "the journal belongs to another plan"),
        (edited.as_str(), "was changed after it was made"),
        ("", "not a plan"),
    ] {
        std::fs::write(&path, text).unwrap();
        refused(ran(&mut resume(&hosted, &case)), 5, &[word]);
        refused(status(&hosted, &case), 5, &[word]);
    }
    assert_eq!(snapshot.changes_to(&hosted.cloud.snapshot()), [] as [&str; 0]);
    std::fs::write(&path, ours).unwrap();
    let ended = resumed(&hosted);
    judge(&hosted, &before, ended.said());
}

/// A rehearsal's world would turn the real case into a game: nothing more would be cut.
#[test]
fn a_rehearsal_s_world_that_is_dropped_into_a_real_case_is_refused() {
    let (hosted, before) = killed_at(HALF_WAY);
    let case = hosted.case();
    let (journal, snapshot) = (journal_of(&case), hosted.cloud.snapshot());
    let dropped = case.join("world.json");
    std::fs::write(&dropped, hosted.cloud.save().to_string()).unwrap();
    let words =
        ["the case is real", "a rehearsal's world", "world.json belongs to rehearsals only"];
    refused(ran(&mut resume(&hosted, &case)), 5, &words);
    assert_eq!(journal_of(&case), journal);
    assert_eq!(snapshot.changes_to(&hosted.cloud.snapshot()), [] as [&str; 0]);
    std::fs::remove_file(&dropped).unwrap();
    let ended = resumed(&hosted);
    judge(&hosted, &before, ended.said());
}

/// A stage is played to a crash at a request, and what is left of it is a case.
#[test]
fn a_key_that_was_minted_and_not_delivered_is_named_and_a_used_up_one_is_dead() {
    let dir = tempfile::TempDir::new().unwrap();
    let minted = play(async {
        let rehearsed = Stage::set(WORLD, PLAYBOOK).await;
        let backdrop = rehearsed.backdrop();
        rehearsed.resume_to_the_end(1).await;
        let staging = requests_of(&rehearsed, "PutSecretValue")[0];
        let stage = backdrop.stage();
        let before = stage.cloud.snapshot();
        stage.cloud.set_faults([(staging, Fault::StopBefore)]);
        assert!(matches!(stage.run(None).await, Left::Crashed));
        let case = Case::create(dir.path(), "day", &stage.saved, &[]).unwrap();
        let journal = case.dir().join("journal.jsonl");
        std::fs::write(journal, &stage.tape.lock().unwrap().bytes).unwrap();
        let after = stage.cloud.snapshot();
        let new = |key: &&String| key.contains("/keys/") && !before.0.contains_key(*key);
        let new: Vec<&String> = after.0.keys().filter(new).collect();
        assert_eq!(new.len(), 1);
        new[0].rsplit('/').next().unwrap().to_owned()
    });
    let said = ran(&mut bare(dir.path(), &["status", "day-1"])).ended_with(0).out;
    let row = |key: &str| {
        let at = said.find(&format!("access key {key} of ci-deploy\n")).expect(key);
        let start = said[..at].rfind('\n').unwrap_or_default();
        said[start..].lines().skip(1).take(2).collect::<Vec<_>>().join("\n")
    };
    let named = row(&minted);
    assert!(named.contains("unaccounted") && named.contains("minted by new-key.1"), "{named}");
    let used_up = row("AKIAEXAMPLEHUNGON002");
    assert!(used_up.contains("dead") && used_up.contains("deleted by new-key.1"), "{used_up}");
    assert!(!said.contains("\nIssued\n"), "nothing was handed out yet: {said}");
}

#[test]
fn what_is_not_a_case_is_told_as_such() {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    for command in ["status", "resume"] {
        for place in ["nowhere", "empty", "file"] {
            let said = ran(&mut bare(dir.path(), &[command, place]));
            refused(said, 5, &["is not a case", "name the directory"]);
        }
    }
    // Asking leaves nothing behind: no lock in a directory that is not ours.
    assert_eq!(std::fs::read_dir(dir.path().join("empty")).unwrap().count(), 0);
}

#[test]
fn a_case_is_for_its_owner_alone_and_the_next_one_has_the_next_number() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = crate::hosted::playbook_in(dir.path());
    for _ in 0..2 {
        ran(&mut bare(dir.path(), &["rehearse", &playbook])).ended_with(11);
    }
    let cases = cases_in(dir.path());
    let names: Vec<_> =
        cases.iter().map(|case| case.file_name().unwrap().to_str().unwrap()).collect();
    let day = "rehearsal-2026-03-24-leaked-access-key";
    assert_eq!(names, [format!("{day}-1"), format!("{day}-2")]);
    for (file, _) in crate::hosted::files_under(&cases[0]) {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", file.display());
        let mode = std::fs::metadata(file.parent().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", file.display());
    }
    // A rehearsal that is over can be resumed and looked at like any other case.
    let case = cases[0].to_str().unwrap();
    ran(&mut bare(dir.path(), &["resume", case])).ended_with(11);
    ran(&mut bare(dir.path(), &["status", case])).ended_with(0);
}

#[test]
fn the_cases_are_listed_and_where_each_stands() {
    let dir = tempfile::TempDir::new().unwrap();
    let none = ran(&mut bare(dir.path(), &["cases"])).ended_with(0);
    assert_eq!(none.out, "There are no cases in cases. Another directory: --cases DIR\n");
    let playbook = crate::hosted::playbook_in(dir.path());
    ran(&mut bare(dir.path(), &["rehearse", &playbook])).ended_with(11);
    let case = cases_in(dir.path()).remove(0);
    std::fs::create_dir(dir.path().join("cases/notes")).unwrap();
    let listed = ran(&mut bare(dir.path(), &["cases"])).ended_with(0).out;
    let name = case.file_name().unwrap().to_str().unwrap();
    let stands = "done, not all proven: leaked-access-key, account 111122223333 (a rehearsal)";
    assert_eq!(listed, format!("cases/{name}  {stands}\n"));
    let json = ran(&mut bare(dir.path(), &["cases", "--format", "json"])).ended_with(0).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["version"], &json["cases"][0]["exit"]), (&1.into(), &11.into()));
    std::fs::write(case.join("journal.jsonl"), "nonsense\n".repeat(2)).unwrap();
    let listed = ran(&mut bare(dir.path(), &["cases"])).ended_with(0).out;
    assert!(listed.contains("its journal cannot be used"), "{listed}");
}

#[test]
fn a_case_that_is_done_and_proven_is_not_gone_on_with() {
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    ran(&mut bare(dir.path(), &["rehearse", &playbook])).ended_with(11);
    let path = cases_in(dir.path()).remove(0);
    in_real_time(async {
        let case = Case::open(&path).unwrap();
        let (decoded, medium) = case.journal().unwrap();
        let journal = Journal::open(&decoded, medium, Clock::system()).unwrap();
        journal.append(Entry::Finished { exit: 0 }).await.unwrap();
    });
    let before = journal_of(&path);
    let resume = ["resume", path.to_str().unwrap(), "--format", "json"];
    let told = ran(&mut bare(dir.path(), &resume)).ended_with(0);
    assert!(told.err.contains("there is nothing to go on with"), "{}", told.err);
    let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(journal_of(&path), before);
}

/// The commands of the line that says what is next, as they stand there.
fn to_type(said: &str) -> Vec<String> {
    let next = said.lines().rfind(|line| line.starts_with("Next: ")).unwrap();
    let commands = next.split("portcullis ").skip(1).map(|rest| {
        let end = ["; then", ", or ", "`"].iter().filter_map(|stop| rest.find(stop)).min();
        let command = rest[..end.unwrap_or(rest.len())].replace("TEXT", "'so it is'");
        format!("portcullis {command}")
    });
    commands.collect()
}

#[test]
fn what_is_to_be_typed_next_is_taken_by_a_shell_as_it_stands() {
    let dir = tempfile::TempDir::new().unwrap();
    let steps = "steps:\n  - { id: desk, phase: contain, uses: manual.close, with: { covers: front-desk, what: Tell the desk } }\n";
    let playbook =
        PLAYBOOK.replacen("steps:\n", &format!("approvals: {{ rotate: 1 }}\n\n{steps}"), 1);
    let folder = dir.path().join("it's a \"playbook\"");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("playbook.yaml"), playbook).unwrap();
    std::fs::write(folder.join("world.yaml"), WORLD).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", program.display());
    let typed = |line: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(dir.path()).env_clear();
        ran(shell.env("PATH", &path).env("HOME", dir.path()))
    };
    let checked = typed("portcullis check \"it's a \\\"playbook\\\"\"").ended_with(0);
    let rehearse = &to_type(&checked.out)[0];
    let mut said = typed(&format!("{rehearse} --cases '$HOME; the night of'")).ended_with(13);
    let gate = "GATE OPEN  every way in that a step cuts is cut; a role in reach is not; proof of the cuts: 5 enforced, 1 read-back";
    let (_, end) = said.out.split_once("HELD: ").unwrap();
    let once = end.matches("Tell the desk").count();
    assert_eq!(once, 1, "what a person is to do is said once at the end:\n{}", said.out);
    let cases = format!("{}/$HOME; the night of", dir.path().display());
    let case = std::fs::read_dir(&cases).unwrap().find_map(|entry| {
        let entry = entry.unwrap();
        entry.file_type().unwrap().is_dir().then(|| entry.file_name().into_string().unwrap())
    });
    let case = format!("'$HOME; the night of/{}'", case.unwrap());
    let mut codes = Vec::new();
    let mut told = String::new();
    for _ in 0..4 {
        let commands = |said: &str| {
            let mut commands = to_type(said);
            let looks = ["portcullis status", "portcullis verify"];
            commands.retain(|command| !looks.iter().any(|look| command.starts_with(look)));
            commands
        };
        let status = typed(&format!("portcullis status {case}")).ended_with(0);
        assert_eq!(commands(&status.out), commands(&said.out), "{}", status.out);
        let commands = commands(&said.out);
        if commands.is_empty() {
            break;
        }
        for command in commands {
            said = typed(&command);
            told.push_str(&said.said());
            codes.push(said.code.unwrap());
        }
        if codes.last() == Some(&6) {
            // What waits for people's yes, and stands as it should, calls nobody.
            let looked = typed(&format!("portcullis verify {case} --no-trail"));
            let looked = looked.ended_with(6);
            assert!(looked.out.contains("WAITING FOR APPROVAL"), "{}", looked.out);
        }
    }
    // What no step cuts is answered for; that the desk was told, nobody can try.
    assert_eq!(codes, [0, 6, 0, 11, 0, 11], "{told}");
    let (_, end) = said.out.split_once("Next: ").unwrap();
    assert!(
        end.starts_with("know that nobody has seen this refused: way in front-desk; "),
        "{end}"
    );
    assert!(
        end.contains(&format!("look again, for days to come: portcullis verify {case}")),
        "{end}"
    );
    assert!(told.contains(gate), "{told}");
}
