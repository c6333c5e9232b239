//! What people do outside: asked for, attested, tried again whenever it is looked at, and opened behind the gate.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use portcullis::ids::ChangeId;
use portcullis::journal::{self, ChangeState, Entry};
use portcullis::ledger::{Ledger, Row, Standing};
use portcullis::plan::{Barrier, Credential};
use portcullis::playbook::{Phase, Proof};
use portcullis::report::Report;
use portcullis::run::{Ending, MOST_ROUNDS};
use portcullis::sim::World;

use crate::stage::{Left, Stage, Torn, WORLD, play, told};
use crate::verdict::{no_secret_was_written, the_intruder_is_out};
use crate::words::{Rehearsal, WHY};

const PLAYBOOK: &str = r#"portcullis: 1
name: closed-outside
title: Remote access is closed before anything is let in again
gate: { proof: settled, margin: 60s }
steps:
  - { id: webmail-off, phase: contain, uses: manual.close, with: { covers: webmail, what: Close webmail at the proxy, owner: the mail team, tcp: "mail.example.org:443" } }
  - { id: vpn-off, phase: contain, uses: manual.close, with: { covers: vpn, what: Put up the page that says so, http: "https://vpn.example.org/", status: 503 } }
  - { id: paper-off, phase: contain, uses: manual.close, with: { covers: front-desk, what: Tell the front desk to hand out no tokens } }
  - { id: quarantine, phase: contain, uses: iam.user.quarantine, with: { user: ci-deploy } }
  - { id: keys-off, phase: contain, uses: iam.access-key.deactivate, with: { user: ci-deploy, keys: all } }
  - { id: sessions-off, phase: contain, uses: iam.user.revoke-sessions, with: { user: ci-deploy } }
  - { id: webmail-on, phase: recover, uses: manual.open, with: { covers: webmail, what: Open webmail again, tcp: "mail.example.org:443" } }
"#;

const OUTSIDE: &str = r#"
remote:
  webmail: { tcp: "mail.example.org:443" }
  vpn: { http: "https://vpn.example.org/", closed_status: 503 }
"#;

fn world() -> String {
    let (before, _) = WORLD.split_once("\nrehearsal:").unwrap();
    format!("{before}{OUTSIDE}")
}

pub(crate) async fn attests(stage: &Stage, change: &str) {
    let change = Some(ChangeId::parse(change).unwrap());
    stage.say([Entry::Attested { change, said: stage.said_by("anna") }]).await;
}

fn way_in(stage: &Stage, name: &str) -> Row {
    let rows = Ledger::of(&stage.plan(), &stage.state()).rows;
    let of = |row: &Row| matches!(&row.credential, Credential::Manual { name: of } if of == name);
    rows.into_iter().find(of).unwrap_or_else(|| panic!("{name} is no row"))
}

fn state_of(stage: &Stage, change: &str) -> ChangeState {
    stage.state().change(&ChangeId::parse(change).unwrap()).state
}

async fn held(stage: &Stage) -> String {
    let ending = stage.resume_to_the_end(1).await;
    let Ending::Held(why) = ending else { panic!("{ending:?}") };
    why.join("\n")
}

#[test]
fn a_way_in_outside_is_closed_when_somebody_attests_it_and_what_is_tried_agrees() {
    play(async {
        let mut stage = Stage::set(&world(), PLAYBOOK).await;
        stage.most = MOST_ROUNDS;
        // Everything else is cut, whoever is waited for.
        let why = held(&stage).await;
        assert!(
            why.contains("webmail: Close webmail at the proxy; it is for the mail team to do"),
            "{why}"
        );
        assert!(why.contains("portcullis attest CASE webmail-off.1"), "{why}");
        for change in ["quarantine.1", "keys-off.1", "keys-off.2", "sessions-off.1"] {
            assert_eq!(state_of(&stage, change), ChangeState::Seen, "{change}");
        }
        for name in ["webmail", "vpn", "front-desk"] {
            assert!(
                matches!(way_in(&stage, name).standing, Standing::Unaccounted { .. }),
                "{name}"
            );
        }

        // A word that the world does not bear out closes nothing.
        for change in ["webmail-off.1", "vpn-off.1", "paper-off.1"] {
            attests(&stage, change).await;
        }
        stage.cloud.done_outside("vpn", false);
        let why = held(&stage).await;
        assert!(why.contains("what is tried does not agree"), "{why}");
        assert!(!why.contains("vpn-off.1") && !why.contains("paper-off.1"), "{why}");
        assert!(matches!(way_in(&stage, "webmail").standing, Standing::Unaccounted { .. }));

        stage.cloud.done_outside("webmail", false);
        let why = held(&stage).await;
        assert!(why.contains("webmail-on.1") && why.contains("Open webmail again"), "{why}");
        let webmail = way_in(&stage, "webmail");
        assert!(
            matches!(&webmail.standing, Standing::Blocked { by, .. } if by[..] == [Barrier::Attested]),
            "{webmail:?}"
        );
        let shown = webmail.proof.unwrap();
        let evidence = shown.evidence;
        assert_eq!(
            shown.proof,
            Proof::Enforced,
            "it was let in when the plan was made, and is refused now"
        );
        for part in [
            "tcp mail.example.org:443 is open when the plan was made",
            "refuses connections",
            "anna",
        ] {
            assert!(evidence.contains(part), "{part}: {evidence}");
        }
        let front_desk = way_in(&stage, "front-desk");
        assert_eq!(front_desk.proof_in_words(), "attested, and nothing was tried");
        let shown = front_desk.proof.unwrap();
        assert_eq!(shown.proof, Proof::ReadBack, "a word alone is a word: {}", shown.evidence);

        // Somebody opens it again behind our back: an alarm, and nothing goes on.
        attests(&stage, "webmail-on.1").await;
        stage.cloud.done_outside("vpn", true);
        held(&stage).await;
        let contested = stage.state().change(&ChangeId::parse("vpn-off.1").unwrap());
        assert!(contested.contested, "{contested:?}");
        assert!(!matches!(way_in(&stage, "webmail").standing, Standing::Reopened { .. }));
        stage.cloud.done_outside("vpn", false);

        stage.cloud.done_outside("webmail", true);
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert!(matches!(way_in(&stage, "webmail").standing, Standing::Reopened { .. }));
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        no_secret_was_written(&stage);
    });
}

/// Whoever is to open a way in later has done so already: whether he says so first, later or not at all, nobody is accused of
/// what his own people did, and nothing is handed out meanwhile.
#[test]
fn a_way_in_that_its_own_people_open_early_is_theirs_and_nobody_else_s() {
    let others = |line: &&str| line.contains("vpn-off") || line.contains("paper-off");
    let text: Vec<&str> = PLAYBOOK.lines().filter(|line| !others(line)).collect();
    let text = text.join("\n") + "\napprovals: { recover: 1 }\n";
    for attested in [true, false] {
        play(async {
            let stage = Stage::set(&world(), &text).await;
            held(&stage).await;
            stage.cloud.done_outside("webmail", false);
            attests(&stage, "webmail-off.1").await;
            assert!(matches!(stage.resume_to_the_end(1).await, Ending::Waiting(_)));

            stage.cloud.done_outside("webmail", true);
            if attested {
                attests(&stage, "webmail-on.1").await;
            }
            let why = held(&stage).await;
            let report = || {
                let decoded = journal::decode(&stage.tape.lock().unwrap().bytes).unwrap();
                Report::of(&stage.newest(1), &decoded, &stage.state(), None)
            };
            assert!(matches!(way_in(&stage, "webmail").standing, Standing::Unaccounted { .. }));
            let row = way_in(&stage, "webmail").detail();
            let taken_off = report().contested.join("\n");
            if attested {
                assert!(!why.contains("still inside"), "{why}");
                assert!(why.contains("/anna attests to have opened it, at 2026-"), "{why}");
                assert!(row.contains("before its turn, as arn:aws:sts::111122223333"), "{row}");
                assert!(taken_off.contains("(opened before its turn, as arn"), "{taken_off}");
            } else {
                assert!(why.contains("Ask whoever is to open it later (webmail-on.1)"), "{why}");
                assert!(row.contains("what was tried since shows it open"), "{row}");
                assert!(!taken_off.contains("before its turn"), "{taken_off}");
                // He says so afterwards: it is open all the same.
                attests(&stage, "webmail-on.1").await;
                let why = held(&stage).await;
                assert!(why.contains("/anna attests to have opened it before its turn"), "{why}");
            }

            let approved = Entry::Approved { phase: Phase::Recover, said: stage.said_by("paul") };
            if attested {
                // Or somebody answers for its being open, and nobody has to close it for the time until then.
                let credential = Credential::Manual { name: "webmail".to_owned() };
                let until = stage.clock.now() + jiff::SignedDuration::from_hours(24);
                let said = stage.said_by("anna");
                stage.say([Entry::Waived { credential, until, said }, approved]).await;
                assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
                assert_eq!(state_of(&stage, "webmail-on.1"), ChangeState::Seen);
                return;
            }
            // Closed once more it is as closed as it was, and opened when its turn comes.
            stage.cloud.done_outside("webmail", false);
            assert!(matches!(stage.resume_to_the_end(1).await, Ending::Waiting(_)));
            assert!(matches!(way_in(&stage, "webmail").standing, Standing::Blocked { .. }));
            stage.say([approved]).await;
            assert!(held(&stage).await.contains("what is tried does not agree"));
            stage.cloud.done_outside("webmail", true);
            attests(&stage, "webmail-on.1").await;
            stage.resume_to_the_end(1).await;
            assert!(matches!(way_in(&stage, "webmail").standing, Standing::Reopened { .. }));
        });
    }
}

/// Before and after every line that is written once somebody has attested.
#[test]
fn a_crash_anywhere_leaves_what_was_attested_as_closed_as_it_is() {
    let text = format!(
        "{}{}",
        PLAYBOOK.split("  - { id: vpn-off").next().unwrap(),
        PLAYBOOK.lines().find(|line| line.contains("id: webmail-on")).unwrap()
    );
    let lines_of =
        |stage: &Stage| journal::decode(&stage.tape.lock().unwrap().bytes).unwrap().lines.len();
    let (backdrop, lines) = play(async {
        let stage = Stage::set(&world(), &text).await;
        held(&stage).await;
        stage.cloud.done_outside("webmail", false);
        attests(&stage, "webmail-off.1").await;
        let (backdrop, before) = (stage.backdrop(), lines_of(&stage));
        held(&stage).await;
        (backdrop, lines_of(&stage) - before)
    });
    let points = (1..=lines).flat_map(|line| [(line, Torn::Half), (line, Torn::Whole)]);
    let points: Vec<_> = points.collect();
    println!("counted: {} cases, crashes with what people do outside", points.len());
    assert!(points.len() > 10);
    for point in points {
        play(async {
            let stage = backdrop.stage();
            assert!(matches!(stage.run(Some(point)).await, Left::Crashed), "{point:?}");
            let why = held(&stage).await;
            assert!(why.contains("webmail-on.1"), "{point:?}: {why}");
            let webmail = way_in(&stage, "webmail");
            assert!(matches!(webmail.standing, Standing::Blocked { .. }), "{point:?}: {webmail:?}");
            stage.cloud.done_outside("webmail", true);
            attests(&stage, "webmail-on.1").await;
            assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven, "{point:?}");
            assert!(
                matches!(way_in(&stage, "webmail").standing, Standing::Reopened { .. }),
                "{point:?}"
            );
        });
    }
}

#[test]
fn a_rehearsal_asks_and_whoever_attests_has_done_it_unless_the_world_says_otherwise() {
    let text = PLAYBOOK.split("  - { id: vpn-off").next().unwrap();
    let careless =
        OUTSIDE.replace("mail.example.org:443\"", "mail.example.org:443\", empty_words: 1");
    let world = world().replace(OUTSIDE, &careless);
    let rehearsal = Rehearsal::of(&world, text);
    assert_eq!(rehearsal.code, Some(13));
    let next = format!("portcullis attest {} webmail-off.1", rehearsal.case.display());
    let stands = || rehearsal.say(&["status"]).1;
    assert!(stands().contains(&next) && !stands().contains("attest CASE"), "{}", stands());
    let attest = || {
        rehearsal.say(&[
            "attest",
            "webmail-off.1",
            "--evidence",
            "https://tickets.example.org/4711",
        ])
    };
    let (code, screen) = attest();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("attested: webmail: Close webmail at the proxy"), "{screen}");
    // It is said whose word there is, and that the run is to look at it.
    let told = stands();
    assert!(!told.contains("nobody has attested") && !told.contains(&next), "{told}");
    assert!(told.contains("`resume` looks at it and goes on"), "{told}");
    assert!(told.contains("Next: portcullis resume "), "{told}");
    let (code, screen) = rehearsal.say(&["resume"]);
    assert_eq!(code, Some(13), "{screen}");
    let told = stands();
    let (_, next) = told.rsplit_once("\nNext: do what is asked above (").unwrap();
    assert!(next.contains("`portcullis attest ") && next.contains("`portcullis waive "), "{told}");
    // While it goes on, nobody else is let to type that.
    let mut held = screen.lines().filter(|line| line.contains("  held       webmail-off.1  "));
    let when = "webmail-off.1  once this run has ended: ";
    assert!(held.all(|line| line.contains(when) && !line.ends_with(')')), "{screen}");
    // What showed it is told to whoever reads the report.
    let report = rehearsal.say(&["report"]).1;
    assert!(report.contains("(evidence: https://tickets.example.org/4711)"), "{report}");
    assert!(screen.contains("what is tried does not agree"), "{screen}");
    let waive =
        format!("answer for it: portcullis waive {} manual/webmail", rehearsal.case.display());
    assert!(screen.contains(&waive), "{screen}");
    attest();
    let (code, screen) = rehearsal.say(&["resume"]);
    // That one way in is closed. He has others here, which nothing cuts: a rehearsal knows.
    assert_eq!(code, Some(11), "{screen}");
    assert!(screen.contains("the intruder is still inside"), "{screen}");
    assert!(
        screen.contains("(https://tickets.example.org/4711)") || screen.contains("enforced"),
        "{screen}"
    );
    // No canary stands in for what a person did.
    let (_, report) = rehearsal.say(&["report"]);
    let by_hand =
        "1 is a way in that a person closed and attested, of which 1 was probed and refuses";
    assert!(report.contains(by_hand), "{report}");
    assert!(report.contains("0 are cut in a way that was shown to work on a stand-in"), "{report}");
    let (code, screen) = rehearsal.say(&[&["clear", "manual/webmail"][..], &WHY].concat());
    assert_eq!(code, Some(0), "{screen}");
}

/// What the intruder holds in a supplier's account no step of ours cuts: the supplier does, and the world says which way in
/// goes with it. Where the world does not, a rehearsal finds him inside whatever is attested.
#[test]
fn an_intruder_in_a_supplier_s_account_is_out_once_the_supplier_has_cut_him_off() {
    const SUPPLIED: &str = r#"
world: 1
now: 2026-03-24T07:10:00Z
responder: { account: "111122223333", role: responder }
accounts:
  "111122223333":
    roles:
      responder:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "arn:aws:iam::999988887777:root" }, Action: "sts:AssumeRole" }] }
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
        max_session: 12h
  "444455556666":
    users: { builder: { keys: [{ id: AKIAEXAMPLEBUILDER04 }], attached: ["arn:aws:iam::aws:policy/ReadOnlyAccess"] } }
remote:
  supplier: { http: "https://status.example.org/", closed_status: 503, account: "444455556666" }
intruder: { holds: [AKIAEXAMPLEBUILDER04] }
"#;
    let asks = r#"portcullis: 1
name: supplier-cut
title: The supplier cuts off who is in its account
gate: { proof: settled, margin: 60s }
steps:
  - { id: supplier-off, phase: contain, uses: manual.close, with: { covers: supplier, what: Have the supplier cut him off, http: "https://status.example.org/", status: 503 } }
"#;
    for (world, ends) in [
        (SUPPLIED.to_owned(), Some(0)),
        (SUPPLIED.replace(", account: \"444455556666\"", ""), Some(11)),
    ] {
        let rehearsal = Rehearsal::of(&world, asks);
        assert_eq!(rehearsal.code, Some(13));
        rehearsal.say(&["attest", "supplier-off.1"]);
        let (code, screen) = rehearsal.say(&["resume"]);
        assert_eq!(code, ends, "{screen}");
        let told = screen.contains("the world's `remote` names that account (docs/worlds.md)");
        assert_eq!(told, ends == Some(11), "{screen}");
    }
    for (account, why) in [
        ("111122223333", "nobody else closes the responder's own account"),
        ("999988887777", "there is no account 999988887777"),
    ] {
        let through = format!("account: \"{account}\" }}\nintruder");
        let world = SUPPLIED.replace("account: \"444455556666\" }\nintruder", &through);
        let error = World::parse(&world).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

/// It was down when the plan was made: that is no doing of the case, and nothing of it to be taken back.
#[test]
fn what_was_shut_before_the_case_stays_so_and_an_undo_asks_nobody_about_it() {
    let down = OUTSIDE.replace("mail.example.org:443\" }", "mail.example.org:443\", open: false }");
    assert_ne!(down, OUTSIDE);
    let text = PLAYBOOK.split("  - { id: vpn-off").next().unwrap();
    let rehearsal = Rehearsal::of(&world().replace(OUTSIDE, &down), text);
    assert_eq!(rehearsal.code, Some(13));
    rehearsal.say(&["attest", "webmail-off.1"]);
    let (code, screen) = rehearsal.say(&["resume"]);
    assert_eq!(code, Some(11), "{screen}");
    for name in ["anna", "ben"] {
        rehearsal.say(&[&["clear", "everybody", "--as", name][..], &WHY].concat());
    }
    let (code, screen) = rehearsal.say(&["undo", "--dry-run"]);
    assert_eq!(code, Some(0), "{screen}");
    let stays =
        "it was shut before the case (tcp mail.example.org:443 refuses connections), and stays so";
    assert!(screen.contains(stays) && !screen.contains("Opened again by people"), "{screen}");
}

#[test]
fn what_a_step_asks_of_a_person_must_be_clear_and_what_is_opened_must_have_been_closed() {
    let of = |with: &str| {
        format!(
            "portcullis: 1\nname: one-step\ntitle: One step\nsteps:\n  - {{ id: closed, phase: contain, uses: manual.close, with: {{ {with} }} }}\n"
        )
    };
    let page = "covers: mail, what: x, http: \"https://mail.example.org/\", status: 5";
    for (text, says) in [
        (of("covers: \"web mail\", what: x"), "wants a name for a way in"),
        (of("covers: mail, what: x, tcp: mail.example.org"), "wants a host and a port"),
        (of(&page.replace("mail.example", "anna:pw@mail.example")), "a URL, without a name"),
        (of(page), "wants the status of an answer, 100 to 599"),
    ] {
        let told = told(&text);
        assert!(told.contains(says) && told.contains("playbook.yaml:5:"), "{says}: {told}");
    }
    // Known from the file alone, whatever else is cut.
    let opens = PLAYBOOK.replace("covers: webmail, what: Close", "covers: web-mail, what: Close");
    let told_of = told(&opens);
    assert!(
        told_of.contains("this opens the way in `webmail`, which no step closes first"),
        "{told_of}"
    );
    assert!(told_of.contains("did you mean `web-mail`?"), "{told_of}");
    let alone =
        of("covers: webmail, what: x").replace("contain", "recover").replace("close", "open");
    let told_of = told(&alone);
    for says in
        ["playbook.yaml:5:", "`manual.close` with `covers: webmail`", "portcullis undo CASE --only"]
    {
        assert!(told_of.contains(says), "{says}: {told_of}");
    }
    play(async {
        // What cannot be tried is said in the plan, and is no reason not to close it.
        let stage =
            Stage::set(WORLD, &of("covers: mail, what: x, tcp: \"nowhere.example.org:443\"")).await;
        let warnings = stage.saved.plan.warnings.join("\n");
        assert!(warnings.contains("nowhere.example.org:443"), "{warnings}");
    });
}
