//! What a journal adds up to, entry by entry.

use std::fmt::Write;

use super::*;
use crate::journal::{Note, Position, Receipt, Witness};

/// A round that runs unasked adds nothing but cuts: what was approved is still what is carried out. One that
/// somebody had to say yes to is something else, and is approved anew.
#[test]
fn an_approval_outlasts_rounds_that_run_unasked_and_no_other() {
    let at: Timestamp = "2026-03-24T07:10:00Z".parse().unwrap();
    let mut state = State::default();
    let opened = Entry::Opened {
        plan: "one".to_owned(),
        account: AccountId::parse("111122223333").unwrap(),
        program: String::new(),
        rehearsal: true,
    };
    let began = |round, plan: &str, approved_by| Entry::RoundBegan {
        round,
        plan: plan.to_owned(),
        approved_by,
    };
    let approved = |name, plan: &str| Entry::Approved {
        phase: Phase::Rotate,
        said: Said { plan: plan.to_owned(), ..said(name) },
    };
    let mut after = |entry: Entry| {
        state.take(at, &entry).unwrap();
        state.approved_by(Phase::Rotate).len()
    };
    assert_eq!(after(opened), 0);
    assert_eq!(after(approved("anna", "one")), 1);
    assert_eq!(after(began(2, "two", None)), 1);
    assert_eq!(after(approved("ben", "two")), 2);
    assert_eq!(after(approved("anna", "two")), 2, "one name is one name");
    assert_eq!(after(approved("carla", "another")), 2);
    assert_eq!(after(began(3, "three", Some(said("ben").by))), 0);
    assert_eq!(after(approved("anna", "two")), 0, "it is too late for that one");
    assert_eq!(after(approved("ben", "three")), 1);
}

/// The whole table, so that a changed transition is a changed line in a review.
#[test]
fn the_table_of_states_by_entries() {
    use ChangeState::{Applied, Held, InDoubt, Pending, Seen};
    let change = ChangeId::parse("step.1").unwrap();
    let c = || change.clone();
    let entries = [
        ("intended", Entry::Intended { change: c() }),
        ("noted", Entry::Noted { change: c(), note: Note::NoRoom { tried: String::new() } }),
        ("failed", Entry::Failed { change: c(), may_have: false, why: String::new() }),
        ("applied", Entry::Applied { change: c(), receipt: Receipt::default() }),
        ("before", Entry::Observed { change: c(), position: Position::Before }),
        ("after", Entry::Observed { change: c(), position: Position::After }),
        (
            "proved",
            Entry::Proved {
                change: c(),
                proof: Proof::Settled,
                by: Witness::ReadAgain,
                evidence: String::new(),
            },
        ),
        ("unproven", Entry::Unproven { change: c(), why: String::new() }),
        ("reopened", Entry::Reopened { change: c(), why: String::new() }),
        ("held", Entry::Held { change: Some(c()), until: String::new() }),
        ("attested", Entry::Attested { change: Some(c()), said: said("anna") }),
    ];
    let mut table = String::new();
    for state in [Pending, InDoubt, Applied, Seen, Held] {
        for (name, entry) in &entries {
            let next = state.next(entry).map_or("-".to_owned(), |next| format!("{next:?}"));
            writeln!(table, "{state:?} {name} {next}").unwrap();
        }
    }
    assert_eq!(table, include_str!("../state_table.txt"));
}

fn said(name: &str) -> Said {
    Said {
        by: Arn::parse(format!("arn:aws:iam::111122223333:user/{name}")).unwrap(),
        reason: "because".to_owned(),
        evidence: None,
        plan: "digest".to_owned(),
    }
}

fn folded(entries: &[Entry]) -> State {
    let mut state = State::default();
    let opened = Entry::Opened {
        plan: "digest".to_owned(),
        account: AccountId::parse("111122223333").unwrap(),
        program: String::new(),
        rehearsal: false,
    };
    for (second, entry) in std::iter::once(&opened).chain(entries).enumerate() {
        let at = Timestamp::from_second(i64::try_from(second).unwrap()).unwrap();
        state.take(at, entry).unwrap();
    }
    state
}

#[test]
fn words_are_kept_in_order_until_they_are_withdrawn() {
    let user = crate::ids::UserName::parse("ci").unwrap();
    let credential = || Credential::Password { user: user.clone() };
    let cleared = |name| Entry::Cleared { credential: credential(), said: said(name) };
    let waived = |until: &str| Entry::Waived {
        credential: credential(),
        until: until.parse().unwrap(),
        said: said("anna"),
    };
    let approved = |name| Entry::Approved { phase: Phase::Rotate, said: said(name) };
    let all = [
        cleared("anna"),
        cleared("anna"),
        cleared("ben"),
        waived("2026-04-01T00:00:00Z"),
        waived("2026-05-01T00:00:00Z"),
        approved("anna"),
        Entry::Attested { change: None, said: said("ben") },
    ];
    let state = folded(&all);
    let names = |spoken: &[Spoken]| {
        let names = crate::journal::names(spoken);
        names.iter().map(|arn| arn.as_str().rsplit('/').next().unwrap().to_owned()).collect()
    };
    let cleared: Vec<String> = names(&state.cleared[&credential()]);
    assert_eq!(cleared, ["anna", "ben"], "whoever says it twice is one name");
    assert_eq!(state.waived[&credential()].until, "2026-05-01T00:00:00Z".parse().unwrap());
    assert_eq!(state.approvals[&Phase::Rotate].len(), 1);
    assert_eq!(state.attested.len(), 1);
    assert_eq!(state.last, Some(Timestamp::from_second(7).unwrap()));

    let withdrawn = Entry::Withdrawn { credential: credential(), said: said("ben") };
    let state = folded(&[&all[..], &[withdrawn]].concat());
    assert!(state.cleared.is_empty() && state.waived.is_empty());
}

/// What he attested of a change is gone from it, too; what others said stays.
#[test]
fn whoever_is_unheard_has_said_nothing() {
    let user = crate::ids::UserName::parse("ci").unwrap();
    let password = Credential::Password { user: user.clone() };
    let sessions = Credential::Sessions { user };
    let change = ChangeId::parse("webmail.1").unwrap();
    let mut all = Vec::new();
    for name in ["friend", "anna"] {
        all.extend([
            Entry::Cleared { credential: password.clone(), said: said(name) },
            Entry::Approved { phase: Phase::Rotate, said: said(name) },
            Entry::Attested { change: None, said: said(name) },
            Entry::Attested { change: Some(change.clone()), said: said(name) },
        ]);
    }
    all.extend([
        Entry::Waived {
            credential: sessions,
            until: "2026-04-01T00:00:00Z".parse().unwrap(),
            said: said("friend"),
        },
        Entry::Closed { said: said("friend") },
    ]);
    let by = said("friend").by;
    assert_eq!(folded(&all).speakers().filter(|arn| **arn == by).count(), 6);
    let state = folded(
        &[&all[..], &[Entry::Unheard { speaker: by.clone(), why: "he has come since".to_owned() }]]
            .concat(),
    );
    assert_eq!(state.speakers().filter(|arn| **arn == by).count(), 0);
    assert_eq!(state.speakers().count(), 4);
    assert!(state.waived.is_empty() && state.closed.is_none());
    assert_eq!(state.record(&change).notes.len(), 1);
}

#[test]
fn what_is_said_after_the_end_does_not_make_a_run_look_unfinished() {
    let ended = Entry::Finished { exit: 6 };
    let state = folded(&[ended, Entry::Approved { phase: Phase::Rotate, said: said("anna") }]);
    assert_eq!(state.finished, Some(6));
}

#[test]
fn what_is_attested_of_a_change_is_seen_by_its_action() {
    let change = ChangeId::parse("webmail.1").unwrap();
    let attested = Entry::Attested { change: Some(change.clone()), said: said("anna") };
    let state = folded(&[attested]);
    let record = state.change(&change);
    assert_eq!(record.state, ChangeState::Pending, "a word moves nothing");
    assert!(matches!(&record.notes[..], [Note::Attested { said: by, .. }] if *by == said("anna")));
}
