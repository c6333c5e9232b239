//! What people say of a case: clearing, waiving, approving, and whose word counts.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use portcullis::journal::{ChangeState, Entry, Said};
use portcullis::ledger::{Ledger, Row, Standing};
use portcullis::plan::{Barrier, Credential};
use portcullis::playbook::Phase;
use portcullis::run::{Ending, MOST_ROUNDS};

use crate::check::{portcullis, said};
use crate::rounds::with_one_key;
use crate::stage::{PLAYBOOK, Stage, WORLD, play, somebody_else, with_somebody_else};
use crate::verdict::requests_of;

/// Contains two users and lets both in again; the password of neither is anybody's business.
const TWO_USERS: &str = "\
portcullis: 1
name: two-users
title: Two users are contained
gate: { proof: settled, margin: 60s }
steps:
  - { id: quarantine, phase: contain, for_each: [ci-deploy, backup], uses: iam.user.quarantine, with: { user: \"${{ each }}\" } }
  - { id: keys-off, phase: contain, uses: iam.access-key.deactivate, with: { user: ci-deploy, keys: all } }
  - { id: sessions-off, phase: contain, uses: iam.user.revoke-sessions, with: { user: ci-deploy } }
  - { id: lift, phase: recover, for_each: [backup], uses: iam.user.lift-quarantine, with: { user: \"${{ each }}\" } }
";

fn of_backup(credential: &Credential) -> bool {
    credential.user().is_some_and(|user| user.as_str() == "backup")
}

fn rows(stage: &Stage) -> Vec<Row> {
    Ledger::of(&stage.saved.plan, &stage.state()).rows
}

fn backups(stage: &Stage) -> Vec<Credential> {
    stage.saved.plan.credentials.iter().filter(|one| of_backup(one)).cloned().collect()
}

#[test]
fn whoever_is_found_innocent_by_two_is_let_in_again_and_by_one_is_not() {
    play(async {
        let stage = Stage::set(WORLD, TWO_USERS).await;
        let ending = stage.resume_to_the_end(1).await;
        let Ending::Held(why) = &ending else { panic!("{ending:?}") };
        assert!(why[0].contains("only the quarantine blocks it"), "{why:?}");

        let cleared = |name: &str| {
            let said = stage.said_by(name);
            let clear = move |credential| Entry::Cleared { credential, said: said.clone() };
            backups(&stage).into_iter().map(clear).collect::<Vec<_>>()
        };
        stage.say(cleared("anna")).await;
        for row in rows(&stage).iter().filter(|row| of_backup(&row.credential)) {
            assert!(matches!(row.standing, Standing::Blocked { .. }), "{row:?}");
            assert!(row.remarks[0].contains("1 of the 2 names it takes: not cleared"), "{row:?}");
        }
        stage.say(cleared("anna")).await;
        let ending = stage.resume_to_the_end(1).await;
        assert!(matches!(ending, Ending::Held(_)), "one name twice is one name: {ending:?}");

        stage.say(cleared("ben")).await;
        for row in rows(&stage).iter().filter(|row| of_backup(&row.credential)) {
            let Standing::Cleared { by, barriers, .. } = &row.standing else { panic!("{row:?}") };
            assert_eq!((by.len(), &barriers[..]), (2, &[Barrier::Quarantine][..]));
        }
        let ending = stage.resume_to_the_end(1).await;
        assert_eq!(ending, Ending::NotProven, "what is cut is settled, and no more");
        for row in rows(&stage).iter().filter(|row| of_backup(&row.credential)) {
            assert!(
                matches!(&row.standing, Standing::Cleared { barriers, .. } if barriers.is_empty())
            );
        }
        stage.let_it_settle().await;
        let works = stage
            .cloud
            .consumers()
            .into_iter()
            .all(|consumer| consumer.works || consumer.name != "backup");
        assert!(works, "{:?}", stage.cloud.consumers());
    });
}

#[test]
fn what_is_cleared_before_it_is_cut_is_not_cut() {
    play(async {
        let stage = Stage::set(WORLD, TWO_USERS).await;
        let opened = Entry::Opened {
            plan: stage.saved.digest(),
            account: stage.saved.plan.account.clone(),
            program: "test".to_owned(),
            rehearsal: true,
        };
        stage.say([opened]).await;
        for name in ["anna", "ben"] {
            let said = stage.said_by(name);
            let clear = |credential| Entry::Cleared { credential, said: said.clone() };
            stage.say(backups(&stage).into_iter().map(clear)).await;
        }
        stage.resume_to_the_end(1).await;
        let change = stage.saved.plan.changes.iter().find(|c| c.target.contains("backup")).unwrap();
        assert_eq!(stage.state().change(&change.id).state, ChangeState::Pending);
        let audit = stage.cloud.audit();
        assert!(audit.iter().all(|event| !format!("{event:?}").contains("DenyAll")
            || !format!("{event:?}").contains("backup")));
    });
}

/// The same, and nobody is let in again.
fn without_lift() -> String {
    TWO_USERS
        .lines()
        .filter(|line| !line.contains("id: lift"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn a_waiver_counts_until_it_runs_out_by_the_journal_s_last_entry_and_is_shown_first() {
    play(async {
        let stage = Stage::set(WORLD, &without_lift()).await;
        stage.resume_to_the_end(1).await;
        let sessions = |row: &&Row| matches!(&row.credential, Credential::RoleSessions { role } if role.as_str() == "auditor");
        let found = rows(&stage).into_iter().find(|row| sessions(&row)).unwrap();
        assert!(matches!(found.standing, Standing::Unaccounted { .. }), "{found:?}");

        let until = stage.clock.now() + SignedDuration::from_hours(2);
        let waived = |until: Timestamp| Entry::Waived {
            credential: found.credential.clone(),
            until,
            said: stage.said_by("anna"),
        };
        stage.say([waived(until)]).await;
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        assert_eq!(ledger.unaccounted().count(), 0);
        assert!(!ledger.waivers[0].expired);
        let row = ledger.rows.iter().find(sessions).unwrap();
        assert!(matches!(&row.standing, Standing::Waived { until: end, .. } if *end == until));

        stage.clock.sleep(std::time::Duration::from_hours(3)).await;
        assert_eq!(Ledger::of(&stage.saved.plan, &stage.state()).unaccounted().count(), 0);
        stage.resume_to_the_end(1).await;
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        assert!(ledger.waivers[0].expired, "a run has written since");
        let row = ledger.rows.iter().find(sessions).unwrap();
        assert!(matches!(row.standing, Standing::Unaccounted { .. }), "{row:?}");
        assert!(row.remarks[0].contains("ran out"), "{row:?}");
    });
}

/// A step of the playbook let him in because somebody answered for him; what is destroyed after that waits for approval.
#[test]
fn once_the_word_that_a_step_let_somebody_in_by_has_run_out_the_gate_is_shut() {
    let text = TWO_USERS.replace("steps:\n", "approvals: { destroy: 1 }\nsteps:\n")
        + "  - { id: gone, phase: destroy, uses: iam.access-key.delete, with: { user: ci-deploy, keys: [AKIAEXAMPLELEAKED001] } }\n";
    let keys_left = |hours: i64| {
        play(async {
            let stage = Stage::set(WORLD, &text).await;
            stage.resume_to_the_end(1).await;
            let deny = "users/backup/attached/arn:aws:iam::aws:policy/AWSDenyAll";
            let is_cut = || stage.cloud.snapshot().0.keys().any(|key| key.contains(deny));
            assert!(is_cut());
            let until = stage.clock.now() + SignedDuration::from_hours(hours);
            let said = stage.said_by("anna");
            let waive = |credential| Entry::Waived { credential, until, said: said.clone() };
            stage.say(backups(&stage).into_iter().map(waive).collect::<Vec<_>>()).await;
            assert!(matches!(stage.resume_to_the_end(1).await, Ending::Waiting(_)));
            assert!(!is_cut());
            stage.clock.sleep(std::time::Duration::from_hours(2)).await;
            stage.say([Entry::Approved { phase: Phase::Destroy, said: said.clone() }]).await;
            let ended = stage.resume_to_the_end(1).await;
            if hours < 2 {
                let Ending::Held(why) = &ended else { panic!("{ended:?}") };
                assert!(why.iter().any(|why| why.contains("was let in again by lift")), "{why:#?}");
                let row = rows(&stage).into_iter().find(|row| of_backup(&row.credential)).unwrap();
                assert!(row.detail().contains("nobody answers for it now"), "{row:?}");
            }
            stage.let_it_settle().await;
            stage
                .cloud
                .snapshot()
                .0
                .keys()
                .filter(|key| key.contains("AKIAEXAMPLELEAKED001"))
                .count()
        })
    };
    assert_eq!(keys_left(99), 0, "somebody answers for who is in");
    assert_ne!(keys_left(1), 0, "nobody does");
}

/// What stands open behind a gate that opens is counted: by whose word, and not what is cut besides.
#[test]
fn the_gate_that_opens_counts_what_stands_open_on_somebody_s_word() {
    const TEXT: &str = "\
portcullis: 1
name: keys
title: Keys of two users are off
gate: { proof: settled, margin: 60s }
steps:
  - { id: keys-off, phase: contain, for_each: [ci-deploy, backup], uses: iam.access-key.deactivate, with: { user: \"${{ each }}\", keys: all } }
  - { id: gone, phase: destroy, uses: iam.access-key.delete, with: { user: ci-deploy, keys: [AKIAEXAMPLELEAKED001] } }
";
    play(async {
        let stage = Stage::set(WORLD, TEXT).await;
        assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
        let sessions = |user: &str| {
            let user = portcullis::ids::UserName::parse(user).unwrap();
            Credential::Sessions { user }
        };
        let until = stage.clock.now() + SignedDuration::from_hours(9);
        let said = stage.said_by("anna");
        stage.say([Entry::Waived { credential: sessions("backup"), until, said }]).await;
        // What is off needs nobody to answer for it.
        for (name, of) in [("anna", "ci-deploy"), ("ben", "ci-deploy")] {
            let said = stage.said_by(name);
            stage.say([Entry::Cleared { credential: sessions(of), said }]).await;
        }
        let keys =
            backups(&stage).into_iter().filter(|one| matches!(one, Credential::AccessKey { .. }));
        let said = stage.said_by("anna");
        let waive = |credential| Entry::Waived { credential, until, said: said.clone() };
        stage.say(keys.map(waive).collect::<Vec<_>>()).await;
        stage.resume_to_the_end(1).await;
        let told = stage.witness.0.lock().unwrap().clone();
        assert!(told.contains("gate opened settled, 1 roles, 1 waived, 1 cleared"), "{told}");
    });
}

#[test]
fn an_approval_is_of_one_plan() {
    play(async {
        let text = PLAYBOOK.replace("steps:\n", "approvals: { rotate: 1 }\nsteps:\n");
        let stage = Stage::set(WORLD, &text).await;
        assert!(matches!(stage.resume_to_the_end(1).await, Ending::Waiting(_)));
        let mut said = stage.said_by("anna");
        said.plan = "0".repeat(64);
        stage.say([Entry::Approved { phase: Phase::Rotate, said }]).await;
        let ending = stage.resume_to_the_end(1).await;
        assert!(matches!(ending, Ending::Waiting(_)), "another plan was approved: {ending:?}");
        let said = stage.said_by("anna");
        stage.say([Entry::Approved { phase: Phase::Rotate, said }]).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
    });
}

/// A playbook that cuts the owner of the leaked key, and whoever has got a key since.
pub(crate) fn whoever_has_a_new_key() -> String {
    let everybody = "
targets:
  everybody: ${{ inventory.users().map(user, user.name) }}
steps:
  - { id: quarantine, phase: contain, uses: iam.user.quarantine, with: { user: ci-deploy } }
  - { id: keys-off, phase: contain, uses: iam.access-key.deactivate, with: { user: ci-deploy, keys: all } }
  - { id: sessions-off, phase: contain, uses: iam.user.revoke-sessions, with: { user: ci-deploy } }
  - id: new-keys-off
    phase: contain
    for_each: ${{ targets.everybody }}
    if: inventory.access_keys(each).exists(key, key.created_at >= inputs.leaked_at)
    uses: iam.access-key.deactivate
    with: { user: \"${{ each }}\", keys: all }
  - id: their-sessions-off
    phase: contain
    for_each: ${{ targets.everybody }}
    if: inventory.access_keys(each).exists(key, key.created_at >= inputs.leaked_at)
    uses: iam.user.revoke-sessions
    with: { user: \"${{ each }}\" }
  - id: new-key
    phase: rotate
    uses: iam.access-key.replace
    with: { user: ci-deploy, deliver_to: \"${{ inputs.deliver_to }}\", replaces: \"${{ inputs.access_key_id }}\" }
";
    let inputs =
        PLAYBOOK.split_once("\ninputs:\n").unwrap().1.split_once("  leak_path:").unwrap().0;
    format!(
        "portcullis: 1\nname: everybody\ntitle: Whoever has a new key is cut\nmode: breach\ninputs:\n{inputs}{everybody}"
    )
}

/// Approvals may take days: who has come in since the gate was opened is asked about before anything is handed out, and
/// for as long as nobody has said yes to that, whatever else was approved.
#[test]
fn what_came_in_while_an_approval_was_waited_for_is_asked_about_before_anything_is_handed_out() {
    let text = whoever_has_a_new_key().replace("inputs:\n", "approvals: { rotate: 1 }\ninputs:\n");
    play(async {
        let mut stage = Stage::set(&with_somebody_else(WORLD), &text).await;
        stage.most = MOST_ROUNDS;
        let ending = stage.resume_to_the_end(1).await;
        assert!(matches!(ending, Ending::Waiting(_)), "{ending:?}");
        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        other.create_user().user_name("mallory").send().await.unwrap();
        other.create_access_key().user_name("mallory").send().await.unwrap();

        let handed_out = || requests_of(&stage, "CreateAccessKey").len();
        for approved in [false, true, true] {
            if approved {
                let said = stage.said_by("anna");
                stage.say([Entry::Approved { phase: Phase::Rotate, said }]).await;
            }
            let ending = stage.resume_to_the_end(1).await;
            let Ending::Asking { beyond, .. } = &ending else { panic!("{approved} {ending:?}") };
            assert!(beyond.iter().any(|why| why.contains("mallory")), "{beyond:?}");
            assert_eq!(handed_out(), 0, "{approved}");
        }

        // Whoever says yes to the round has approved another plan than was approved before.
        stage.says_yes_to(&stage.newest(2)).await;
        let ending = stage.resume_to_the_end(1).await;
        assert!(matches!(ending, Ending::Waiting(_)), "{ending:?}");
        let said = Said { plan: stage.newest(2).digest(), ..stage.said_by("anna") };
        stage.say([Entry::Approved { phase: Phase::Rotate, said }]).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert_eq!(handed_out(), 1);
        let cut = stage.cloud.snapshot().0;
        let mut keys = cut.iter().filter(|(key, _)| key.contains("users/mallory/keys/"));
        assert!(keys.all(|(_, status)| status == "Inactive"));
    });
}

/// What goes by one name may become another thing: whoever spoke of the one has not spoken of the other.
#[test]
fn a_word_about_a_password_is_taken_back_when_the_password_is_set_up_again() {
    play(async {
        let world = with_somebody_else(WORLD).replace(
            "      backup:\n        path: /ops/\n",
            "      backup:\n        path: /ops/\n        password: {}\n",
        );
        let mut stage = Stage::set(&world, &without_lift()).await;
        stage.most = MOST_ROUNDS;
        stage.resume_to_the_end(1).await;
        let cleared = |name: &str| {
            let said = stage.said_by(name);
            let clear = move |credential| Entry::Cleared { credential, said: said.clone() };
            backups(&stage).into_iter().map(clear).collect::<Vec<_>>()
        };
        stage.say(cleared("anna").into_iter().chain(cleared("ben"))).await;
        stage.resume_to_the_end(1).await;
        let of_backup = || rows(&stage).into_iter().filter(|row| of_backup(&row.credential));
        assert!(of_backup().all(|row| matches!(row.standing, Standing::Cleared { .. })));

        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        stage.clock.sleep(std::time::Duration::from_mins(1)).await;
        other.delete_login_profile().user_name("backup").send().await.unwrap();
        stage.clock.sleep(std::time::Duration::from_mins(1)).await;
        let again =
            other.create_login_profile().user_name("backup").password("Another-Pa55word-of-his");
        again.send().await.unwrap();
        stage.clock.sleep(std::time::Duration::from_mins(1)).await;
        stage.resume_to_the_end(1).await;
        let mut seen = 0;
        for row in of_backup() {
            if matches!(row.credential, Credential::Password { .. }) {
                assert!(matches!(row.standing, Standing::Blocked { .. }), "{row:?}");
                assert!(row.remarks[0].contains("is another one, set up at"), "{row:?}");
                seen += 1;
            } else {
                assert!(matches!(row.standing, Standing::Cleared { .. }), "{row:?}");
            }
        }
        assert_eq!(seen, 1);
    });
}

/// A rehearsal of `text` in the shipped world, played as far as it goes by itself.
pub(crate) struct Rehearsal {
    _dir: tempfile::TempDir,
    pub(crate) case: PathBuf,
    pub(crate) code: Option<i32>,
}

impl Rehearsal {
    pub(crate) fn of(world: &str, text: &str) -> Self {
        Self::played(world, text, &[])
    }

    /// The same, with more on the command line.
    fn played(world: &str, text: &str, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("played");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("playbook.yaml"), text).unwrap();
        // What the shipped playbook is given is no input of another.
        let world = if text.contains("access_key_id") {
            world
        } else {
            world.split("\nrehearsal:").next().unwrap()
        };
        std::fs::write(folder.join("world.yaml"), world).unwrap();
        let cases = dir.path().join("cases");
        let args = ["rehearse", text_of(&folder), "--gate", "settled", "--cases", text_of(&cases)];
        let played = portcullis(&[&args[..], more].concat());
        let case = std::fs::read_dir(&cases).unwrap().next().unwrap().unwrap().path();
        Self { _dir: dir, case, code: played.status.code() }
    }

    /// A shipped playbook, in one of its worlds, as it is shipped.
    pub(crate) fn shipped(playbook: &str, world: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = format!("{}/playbooks/{playbook}", env!("CARGO_MANIFEST_DIR"));
        let (cases, world) = (dir.path().join("cases"), format!("{folder}/{world}"));
        let played =
            portcullis(&["rehearse", &folder, "--world", &world, "--cases", text_of(&cases)]);
        let case = std::fs::read_dir(&cases).unwrap().next().unwrap().unwrap().path();
        Self { _dir: dir, case, code: played.status.code() }
    }

    /// Says something; gives back the exit code and what is on the screen.
    pub(crate) fn say(&self, args: &[&str]) -> (Option<i32>, String) {
        let case = text_of(&self.case);
        let mut all = vec![args[0], case];
        all.extend(&args[1..]);
        let done = portcullis(&all);
        let refused = String::from_utf8_lossy(&done.stderr);
        (done.status.code(), format!("{}{refused}", said(&done)))
    }
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) const WHY: [&str; 2] = ["--reason", "looked into, ticket 4711"];

#[test]
fn two_people_approve_on_the_command_line_and_the_run_goes_on() {
    let text = PLAYBOOK.replace("steps:\n", "approvals: { rotate: 2 }\nsteps:\n");
    let rehearsal = Rehearsal::of(WORLD, &text);
    assert_eq!(rehearsal.code, Some(6));
    let approve =
        |name: &str| rehearsal.say(&[&["approve", "rotate", "--as", name][..], &WHY].concat());
    let (code, screen) = approve("anna");
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("1 of 2 names"), "{screen}");
    assert!(
        screen
            .contains("attested by arn:aws:sts::111122223333:assumed-role/incident-responder/anna"),
        "{screen}"
    );
    assert!(screen.contains("one more approves it"), "{screen}");
    assert!(approve("anna").1.contains("has said so before, and a name counts once"));
    let (code, screen) = rehearsal.say(&["resume"]);
    assert_eq!(code, Some(6), "{screen}");
    assert!(screen.contains("so far it is attested by"), "{screen}");
    let (_, screen) = approve("ben");
    assert!(
        screen.contains("2 of 2 names") && screen.contains("Next: portcullis resume"),
        "{screen}"
    );
    let (code, screen) = rehearsal.say(&["resume"]);
    assert_eq!(code, Some(11), "{screen}");
}

/// What somebody is shown who is asked about a plan, and says nothing.
fn asked(plan: &Path) -> String {
    let asked = portcullis(&["run", text_of(plan)]);
    assert_eq!(asked.status.code(), Some(5));
    String::from_utf8_lossy(&asked.stderr).into_owned()
}

/// What is asked of whom is read from the case alone, by whoever comes next.
#[test]
fn a_round_that_waits_for_a_yes_is_told_by_the_status_with_what_to_type() {
    let hangs_on = "
intruder:
  holds: [AKIAEXAMPLEADMIN0009]
  reacts:
    - name: hangs one more key on
      after: 30s
      deeds: [{ operation: CreateAccessKey, params: { UserName: ci-deploy } }]
";
    let world = with_one_key();
    let (before, after) = world.split_once("\nintruder:\n").unwrap();
    let inputs = after.split_once("\nrehearsal:\n").unwrap().1;
    let world = format!("{before}{hangs_on}\nrehearsal:\n{inputs}");
    let rehearsal = Rehearsal::of(&world, PLAYBOOK);
    assert_eq!(rehearsal.code, Some(6));
    let (code, screen) = rehearsal.say(&["status"]);
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("round 3 is more than was approved:"), "{screen}");
    let plan = rehearsal.case.join("rounds/3/plan.json");
    let last = screen.lines().last().unwrap();
    assert!(last.ends_with(&format!("portcullis run {}", text_of(&plan))), "{screen}");
    // Somebody has his say about something else: the round still waits.
    let (_, screen) =
        rehearsal.say(&[&["waive", "role-sessions/auditor", "--until", "14d"][..], &WHY].concat());
    assert!(screen.contains("rounds/3/plan.json"), "{screen}");
    // Whoever is asked sees what of it is not as it was in the round before, and nothing else is called so.
    let shown = asked(&plan);
    let marked: Vec<&str> =
        shown.lines().filter(|line| line.contains("(OTHERWISE THAN BEFORE)")).collect();
    assert!(marked.len() == 1 && marked[0].starts_with("  new-key.1 "), "{shown}");
    assert!(shown.contains("\n  - new: new-key.1 would ") && !shown.contains("(NEW)"), "{shown}");
    let done = portcullis(&["run", text_of(&plan), "--yes"]);
    assert_eq!(done.status.code(), Some(11), "{}", said(&done));
    let (_, screen) = rehearsal.say(&["status"]);
    assert!(!screen.contains("more than was approved"), "{screen}");
}

#[test]
fn the_word_of_somebody_whom_the_case_cuts_is_not_taken() {
    // Quarantined only: his key still says who he is.
    let rehearsal = Rehearsal::of(WORLD, TWO_USERS);
    assert_eq!(rehearsal.code, Some(13));
    let clear =
        |name: &str| rehearsal.say(&[&["clear", "user/backup", "--as", name][..], &WHY].concat());
    let (code, screen) = clear("backup");
    assert_eq!(code, Some(5), "{screen}");
    assert!(screen.contains("among those whom this case cuts off"), "{screen}");
    let (code, screen) = clear("ci-deploy");
    assert_eq!(code, Some(2), "his keys are off: {screen}");
    let (code, screen) = clear("anna");
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("1 of the 2 names it takes: not cleared yet"), "{screen}");
    assert!(screen.contains("somebody else says so too"), "{screen}");
    let (_, screen) = clear("ben");
    assert!(screen.contains("may be let in again"), "{screen}");
    let (code, screen) = rehearsal.say(&["resume"]);
    assert_eq!(code, Some(11), "{screen}");
    assert!(screen.contains("found innocent by"), "{screen}");
}

/// That the run may lose whom it runs as says nothing for whoever else has his credentials.
/// `world`, in which somebody makes himself a user with a key while `ci-deploy` is cut.
fn with_a_newcomer(world: &str) -> String {
    let makes = "
intruder:
  holds: [AKIAEXAMPLEADMIN0009]
  reacts:
    - name: makes himself a user
      after: 30s
      deeds:
        - { operation: CreateUser, params: { UserName: mallory } }
        - { operation: CreateAccessKey, params: { UserName: mallory } }
";
    let world = with_somebody_else(world);
    let (before, after) = world.split_once("\nintruder:\n").unwrap();
    let inputs = after.split_once("\nrehearsal:\n").unwrap().1;
    format!("{before}{makes}\nrehearsal:\n{inputs}")
}

/// Nothing cuts him yet: a round that would waits for somebody's yes, or no step has selected him at all.
#[test]
fn whoever_has_come_since_has_no_say_until_somebody_answers_for_him() {
    let clear = |rehearsal: &Rehearsal, name: &str| {
        rehearsal.say(&[&["clear", "user/ci-deploy", "--as", name][..], &WHY].concat())
    };
    let asking = Rehearsal::of(&with_a_newcomer(WORLD), &whoever_has_a_new_key());
    assert_eq!(asking.code, Some(6));
    let (_, screen) = asking.say(&["status"]);
    let plan = screen.lines().last().unwrap().rsplit(' ').next().unwrap();
    // What is new is marked, and only that.
    let shown = asked(Path::new(plan));
    let changes = shown.lines().filter(|line| line.contains("; line "));
    for line in changes {
        assert_eq!(line.contains("(NEW)"), line.contains("user mallory"), "{line}\n{shown}");
    }
    assert!(shown.contains("(NEW)"), "{shown}");
    let (code, screen) = clear(&asking, "mallory");
    assert_eq!(code, Some(5), "{screen}");
    assert!(screen.contains("whom the round that waits for a yes cuts off"), "{screen}");
    assert!(screen.contains("somebody whom the case does not touch must say it"), "{screen}");
    let (code, screen) = clear(&asking, "anna");
    assert_eq!(code, Some(0), "{screen}");

    let outside = Rehearsal::of(&with_a_newcomer(WORLD), PLAYBOOK);
    outside.say(&["verify"]);
    let (code, screen) = clear(&outside, "mallory");
    assert_eq!(code, Some(5), "{screen}");
    assert!(screen.contains("holds what this case is about"), "{screen}");
    // Somebody answers for what stands open all the same.
    let waive = ["waive", "user/mallory", "--until", "14d", "--as", "anna"];
    let (code, screen) = outside.say(&[&waive[..], &WHY].concat());
    assert_eq!(code, Some(0), "{screen}");
    let (code, screen) = clear(&outside, "mallory");
    assert_eq!(code, Some(5), "{screen}");
    for name in ["anna", "ben"] {
        let found = ["clear", "user/mallory", "--as", name];
        assert_eq!(outside.say(&[&found[..], &WHY].concat()).0, Some(0));
    }
    let (code, screen) = clear(&outside, "mallory");
    assert_eq!(code, Some(0), "{screen}");
}

/// A way in that people close, while nobody has been cut for it.
const DOOR: &str = "portcullis: 1
name: door
title: Webmail is closed, and a user cut
mode: breach
gate: { proof: settled, margin: 10s }
steps:
  - id: door
    title: Close webmail
    phase: contain
    uses: manual.close
    with: { what: Close webmail to the outside, covers: webmail }
  - id: quarantine
    title: Deny the user everything
    phase: contain
    uses: iam.user.quarantine
    with: { user: backup }
";

/// He was asked to open it when it was cleared, and it is not any more when he says that he has.
#[test]
fn an_opening_that_was_asked_for_is_not_taken_once_its_word_is_withdrawn() {
    let rehearsal = Rehearsal::of(WORLD, DOOR);
    rehearsal.say(&["attest", "door.1", "--as", "anna", "--reason", "closed"]);
    rehearsal.say(&["resume"]);
    for name in ["anna", "ben"] {
        let clear = ["clear", "everybody", "--as", name];
        assert_eq!(rehearsal.say(&[&clear[..], &WHY].concat()).0, Some(0));
    }
    // Nothing of this plan lets anybody in again.
    let (_, screen) = rehearsal.say(&["status"]);
    assert!(screen.contains("to let in whoever was found innocent: portcullis undo"), "{screen}");
    let (_, screen) = rehearsal.say(&["undo", "--yes"]);
    assert!(screen.contains("is open again: portcullis attest"), "{screen}");
    let (code, screen) = rehearsal.say(&["attest", "door.1", "--as", "anna"]);
    assert_eq!(code, Some(2), "nothing is closed any more: {screen}");
    let back = ["clear", "manual/webmail", "--withdraw", "--as", "anna"];
    assert_eq!(rehearsal.say(&[&back[..], &WHY].concat()).0, Some(0));
    rehearsal.say(&["attest", "door.2", "--as", "ben", "--reason", "opened"]);
    let (code, screen) = rehearsal.say(&["resume"]);
    assert_eq!(code, Some(13), "{screen}");
    assert!(screen.contains("nobody has cleared"), "{screen}");
}

#[test]
fn a_waiver_stands_on_top_of_the_account_and_a_withdrawal_takes_it_back() {
    let rehearsal = Rehearsal::of(WORLD, TWO_USERS);
    let waive = ["waive", "AKIAEXAMPLEBACKUP003", "--until", "14d", "--as", "anna"];
    let (code, screen) = rehearsal.say(&[&waive[..], &WHY].concat());
    assert_eq!(code, Some(0), "{screen}");
    let (_, status) = rehearsal.say(&["status"]);
    let at = |what: &str| status.find(what).unwrap_or_else(|| panic!("{what}: {status}"));
    assert!(at("Waived: left as it is") < at("Every credential concerned"), "{status}");
    let back = ["clear", "AKIAEXAMPLEBACKUP003", "--withdraw", "--as", "ben"];
    let (code, screen) = rehearsal.say(&[&back[..], &WHY].concat());
    assert_eq!(code, Some(0), "{screen}");
    let (_, status) = rehearsal.say(&["status"]);
    assert!(!status.contains("Waived: left as it is"), "{status}");
}

#[test]
fn a_word_that_means_nothing_is_not_taken() {
    let rehearsal = Rehearsal::of(WORLD, TWO_USERS);
    let before = std::fs::read(rehearsal.case.join("journal.jsonl")).unwrap();
    for (args, says) in [
        (&["clear", "AKIANOBODYHASTHISKEY", "--reason", "x"][..], "has no credential"),
        (&["waive", "user/backup", "--until", "2020-01-01", "--reason", "x"][..], "has passed"),
        (&["clear", "user/backup", "--reason", " "][..], "without a reason"),
        (&["approve", "rotate", "--reason", "x"][..], "asks for nobody's approval"),
        (&["attest", "keys-off.1"][..], "nobody can stand up for it"),
        (&["attest", "nothing.9"][..], "has no change nothing.9"),
    ] {
        let (code, screen) = rehearsal.say(args);
        assert_eq!(code, Some(2), "{args:?}: {screen}");
        assert!(screen.contains(says), "{args:?}: {screen}");
    }
    let after = std::fs::read(rehearsal.case.join("journal.jsonl")).unwrap();
    assert_eq!(before, after, "what is not taken leaves no trace");
}

/// What is deleted and nobody can try stays unproven, whoever answers for it.
#[test]
fn whoever_answers_for_what_nobody_can_try_is_told_that_11_stays_11() {
    let world = r#"
world: 1
now: 2026-03-24T07:10:00Z
responder: { account: "111122223333", role: responder }
accounts:
  "111122223333":
    users: { ada: { password: {} } }
    roles:
      responder:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "arn:aws:iam::999988887777:root" }, Action: "sts:AssumeRole" }] }
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
        max_session: 12h
"#;
    let text = "\
portcullis: 1
name: gone
title: A password is deleted
gate: { proof: settled, margin: 60s }
steps:
  - { id: password-gone, phase: eradicate, uses: iam.login-profile.delete, with: { user: ada } }
";
    let rehearsal = Rehearsal::of(world, text);
    assert_eq!(rehearsal.code, Some(11));
    let waive = ["waive", "password/ada", "--until", "14d", "--as", "anna"];
    let (code, screen) = rehearsal.say(&[&waive[..], &WHY].concat());
    assert_eq!(code, Some(0), "{screen}");
    let told = "kept, and it cannot make 0 of 11: this is dead, and nobody can try";
    assert!(screen.contains(told), "{screen}");
}
