//! `portcullis check`: are the playbooks right?
//!
//! Text for people, with the line itself; JSON and SARIF for machines, every problem of every playbook in
//! one document on standard output, whatever is wrong. The exit code says whether one of them is broken.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::{self, CheckFormat};
use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::sources::{self, Reading};
use super::{diagnostics, sarif, view};
use crate::clock::Clock;
use crate::diagnostic::{self, Diagnostic, Diagnostics, counted};
use crate::playbook::Playbook;

/// One playbook, checked.
pub(super) struct Checked {
    /// As it was named.
    path: PathBuf,
    /// Its file.
    pub(super) file: String,
    /// What it holds, or why it could not be read.
    pub(super) reading: Result<Reading, Failure>,
}

impl Checked {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: sources::playbook_file(path).display().to_string(),
            reading: sources::read(path).map(|read| read.map(with_what_is_over)),
        }
    }

    fn playbook(&self) -> Option<&Playbook> {
        Some(&self.reading.as_ref().ok()?.as_ref().ok()?.0)
    }

    /// Everything found in it, warnings too.
    pub(super) fn problems(&self) -> Diagnostics {
        Diagnostics::all(match &self.reading {
            Ok(Ok((_, warnings))) => warnings.clone(),
            Ok(Err(problems)) => problems.clone(),
            Err(_) => Vec::new(),
        })
    }

    fn as_json(&self) -> Value {
        json!({
            "path": self.file,
            "right": self.playbook().is_some(),
            "steps": self.playbook().map(|playbook| playbook.steps.len()),
            "unreadable": self.reading.as_ref().err().map(Failure::line),
        })
    }
}

/// The same, with warnings of what time has made wrong.
fn with_what_is_over(
    (playbook, mut warnings): (Playbook, Vec<Diagnostic>),
) -> (Playbook, Vec<Diagnostic>) {
    let now = view::runtime().block_on(async { Clock::system().now() });
    warnings.extend(playbook.reviews_passed(now));
    diagnostic::sort(&mut warnings);
    (playbook, warnings)
}

pub(super) fn check(args: &args::Check) -> Exit {
    let named = args.playbooks.iter().flat_map(|path| match sources::playbooks_in(path) {
        one if one.is_empty() => vec![path.clone()],
        each => each,
    });
    let checked: Vec<Checked> = named.map(|path| Checked::new(&path)).collect();
    let right = checked.iter().filter(|checked| checked.playbook().is_some()).count();
    let exit = if right == checked.len() { Exit::Done } else { Exit::Invalid };
    match args.format {
        CheckFormat::Json => view::out(&as_json(&checked)),
        CheckFormat::Sarif => view::out(&sarif::sarif(&checked)),
        CheckFormat::Text => {
            let (count, alone) = (checked.len(), checked.len() == 1);
            for checked in checked {
                text(checked, alone);
            }
            if !alone {
                view::hint(&format!("{right} of {count} playbooks are right.\n"));
            }
        }
    }
    exit
}

fn as_json(checked: &[Checked]) -> String {
    let found: Vec<Diagnostics> = checked.iter().map(Checked::problems).collect();
    diagnostics::printed(&json!({
        "version": 1,
        "playbooks": checked.iter().map(Checked::as_json).collect::<Vec<_>>(),
        "diagnostics": found
            .iter()
            .flat_map(Diagnostics::shown)
            .map(diagnostics::as_json)
            .collect::<Vec<_>>(),
    }))
}

fn text(checked: Checked, alone: bool) {
    let (playbook, warnings) = match checked.reading {
        Ok(Ok(right)) => right,
        Ok(Err(problems)) => return sources::broken(&checked.path, problems).print(),
        Err(failure) => return failure.print(),
    };
    view::diagnostics(warnings);
    view::hint(&format!(
        "{} is right: {}.\n",
        playbook.source.name(),
        counted(playbook.steps.len(), "step")
    ));
    // Whoever has minted a session with a key stays inside when the key is off.
    let of = |kinds: &[&str]| playbook.steps.iter().any(|step| kinds.contains(&step.uses.as_str()));
    let cuts = of(&["iam.user.quarantine", "iam.access-key.deactivate", "iam.access-key.delete"]);
    if cuts && !of(&["iam.user.revoke-sessions"]) {
        view::hint(
            "It denies no sessions of users: what was minted with a key before is good for up to 36 hours, wherever no \
             quarantine stands. iam.user.revoke-sessions denies them.\n",
        );
    }
    if alone {
        let inputs: Vec<String> = playbook
            .inputs
            .iter()
            .filter(|input| input.required)
            .map(|input| format!(" -i {}=...", input.name))
            .collect();
        let path = typed(&checked.path);
        let world = sources::playbook_file(&checked.path).with_file_name("world.yaml");
        let rehearse = if world.is_file() {
            format!("portcullis rehearse {path}, or ")
        } else {
            String::new()
        };
        view::hint(&format!("Next: {rehearse}portcullis plan {path}{}\n", inputs.concat()));
    }
}
