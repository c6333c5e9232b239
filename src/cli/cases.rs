//! `portcullis cases`: which cases there are, and where each stands. From their directories alone.

use std::path::Path;

use serde_json::{Value, json};

use super::args::{self, Format};
use super::exit::Exit;
use super::rehearse::is_rehearsal;
use super::{diagnostics, view};
use crate::case::{self, CaseError};
use crate::journal::State;

/// One of them.
struct Case {
    dir: String,
    stands: String,
    playbook: Option<String>,
    account: Option<String>,
    rehearsal: bool,
    exit: Option<u8>,
}

pub(super) fn cases(args: &args::List) -> Exit {
    let root = &args.cases.cases;
    let found: Vec<Case> = case::all(root).iter().filter_map(|dir| look(dir)).collect();
    if args.format == Format::Json {
        let cases: Vec<Value> = found.iter().map(as_json).collect();
        view::out(&diagnostics::printed(&json!({ "version": 1, "cases": cases })));
        return Exit::Done;
    }
    if found.is_empty() {
        view::out(&format!(
            "There are no cases in {}. Another directory: --cases DIR\n",
            root.display()
        ));
    }
    let mut told = None;
    for Case { dir, stands, playbook, account, rehearsal, .. } in &found {
        let whole = case::accounts::whole(Path::new(dir));
        if whole.is_some() && told != whole {
            // What is resumed, looked at and taken back.
            let whole = whole.as_deref().unwrap_or(Path::new("")).display().to_string();
            view::out(&format!(
                "{}  of several accounts, worked on together:\n",
                view::plain(&whole)
            ));
        }
        let indent = if whole.is_some() { "  " } else { "" };
        told = whole;
        let what = match (playbook, account) {
            (Some(playbook), Some(account)) => format!("{playbook}, account {account}"),
            _ => "its plan cannot be read".to_owned(),
        };
        let rehearsal = if *rehearsal { " (a rehearsal)" } else { "" };
        view::out(&format!("{indent}{}  {stands}: {what}{rehearsal}\n", view::plain(dir)));
    }
    Exit::Done
}

/// What is to be said of a directory; nothing where it is no case.
fn look(dir: &Path) -> Option<Case> {
    let plan = match case::read_plan(dir) {
        Err(CaseError::NotACase(_)) => return None,
        plan => plan.ok().map(|saved| saved.plan),
    };
    let state = case::read_journal(dir).ok().and_then(|decoded| State::of(&decoded).ok());
    let exit = state.as_ref().and_then(|state| state.finished);
    let stands = match &state {
        _ if case::is_worked_on(dir) => "being worked on now",
        None => "its journal cannot be used; see portcullis status",
        Some(state) if state.opened.is_none() => "never begun",
        Some(state) if state.closed.is_some() => "closed",
        Some(_) => match exit.and_then(Exit::of) {
            Some(exit) => exit.in_words(),
            None => Exit::Stopped.in_words(),
        },
    };
    Some(Case {
        dir: dir.display().to_string(),
        stands: stands.to_owned(),
        playbook: plan.as_ref().map(|plan| plan.playbook.clone()),
        account: plan.as_ref().map(|plan| plan.account.to_string()),
        rehearsal: is_rehearsal(dir).unwrap_or(false),
        exit,
    })
}

fn as_json(case: &Case) -> Value {
    let Case { dir, stands, playbook, account, rehearsal, exit } = case;
    json!({
        "case": dir,
        "stands": stands,
        "playbook": playbook,
        "account": account,
        "rehearsal": rehearsal,
        "exit": exit,
    })
}
