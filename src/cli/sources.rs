//! Reading what the command line names: playbooks and their inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::exit::{Exit, Failure};
use super::{args, imports, view};
use crate::action::catalog::Actions;
use crate::case;
use crate::diagnostic::{Code, Diagnostic, Source};
use crate::ids::AccountId;
use crate::inventory::{Inventory, SavedInventories};
use crate::plan::{Import, OpenError, SavedPlan, SavedPlans};
use crate::planning::{self, Terms};
use crate::playbook::{self, Folder, Given, GivenInputs, Playbook, Written};

/// The playbook's file: the path itself, or `playbook.yaml` in the folder.
pub(super) fn playbook_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("playbook.yaml") } else { path.to_owned() }
}

/// The playbooks in a folder of them, which is none itself: each by its folder, in order.
pub(super) fn playbooks_in(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() || playbook_file(path).exists() {
        return Vec::new();
    }
    let entries = std::fs::read_dir(path).into_iter().flatten();
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> =
        folders.filter(|folder| folder.is_dir() && playbook_file(folder).is_file()).collect();
    found.sort();
    found
}

/// What a playbook's file holds: the playbook with warnings, or every problem in it. Fails where there is
/// no file to read.
pub(super) type Reading = Result<(Playbook, Vec<Diagnostic>), Vec<Diagnostic>>;

/// Reads a playbook and shows nothing.
pub(super) fn read(path: &Path) -> Result<Reading, Failure> {
    let file = playbook_file(path);
    let name = file.display().to_string();
    let bytes = match case::read_regular(&file, playbook::MAX_BYTES as u64) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            return Ok(Err(vec![playbook::too_long(&Source::new(name, ""))]));
        }
        Err(error) => {
            let several: Vec<String> =
                playbooks_in(path).iter().map(|path| super::by_hand::typed(path)).collect();
            let next = if several.is_empty() {
                "name a playbook's folder, or its file; `ls playbooks` shows those that come with it".to_owned()
            } else {
                format!("name one of those that are in there: {}", several.join(", "))
            };
            let what = format!("cannot read playbook {name}");
            return Err(Failure::new(Exit::Invalid, what, next).because(&error));
        }
    };
    let source = Source::from_bytes(name, bytes);
    if let Some(refused) = of_ours(&source) {
        return Err(refused);
    }
    if !source.text().trim().is_empty() && !source.has_key(&["portcullis", "title", "steps"]) {
        return Ok(Err(vec![no_playbook(&source)]));
    }
    Ok(playbook::read_in(&source, &Beside(file), &Actions::new()))
}

/// Another sort of file, of which nothing is shown: whoever slips may have named his credentials.
fn no_playbook(source: &Source) -> Diagnostic {
    let message = format!(
        "{} is no playbook: no line of it begins with `portcullis:`, `title:` or `steps:`",
        source.name()
    );
    Diagnostic::error(Code::MissingKey, message)
        .help("name a playbook's folder, or its file: it begins with `portcullis: 1`")
}

/// A file that Portcullis has written itself, given as a playbook.
fn of_ours(source: &Source) -> Option<Failure> {
    let (name, typed) = (source.name(), super::by_hand::typed(Path::new(source.name())));
    let (what, next) = if source.has_key(&["portcullis_plan", "portcullis_plans"]) {
        let next = format!(
            "to carry it out: portcullis run {typed}; to plan anew, name the playbook that it was made of"
        );
        ("a saved plan", next)
    } else if source.has_key(&["portcullis_inventory", "portcullis_inventories"]) {
        let next = format!(
            "to compare it with another: portcullis diff {typed} NEWER; or name a playbook"
        );
        ("a saved inventory", next)
    } else {
        return None;
    };
    Some(Failure::new(Exit::Invalid, format!("{name} is {what}, and no playbook"), next))
}

/// The folder of a playbook, by the playbook's file.
struct Beside(PathBuf);

impl Folder for Beside {
    fn fragment(&self, path: &str) -> Result<Vec<u8>, String> {
        // Somebody could make a link lead anywhere; what was reviewed is the folder.
        let mut file = self.0.parent().unwrap_or(Path::new("")).to_owned();
        for part in path.split('/') {
            file.push(part);
            if file.is_symlink() {
                return Err("it is behind a symbolic link, which is not followed".to_owned());
            }
        }
        case::read_regular(&file, playbook::MAX_BYTES as u64).map_err(|error| error.to_string())
    }

    fn paths(&self) -> Vec<String> {
        const AT_MOST: usize = 500;
        let folder = self.0.parent().unwrap_or(Path::new(""));
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut open = vec![(folder.to_owned(), String::new(), 0)];
        let mut paths = Vec::new();
        while let Some((folder, prefix, depth)) = open.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten().take(AT_MOST) {
                let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string())
                else {
                    continue;
                };
                if kind.is_dir() && depth < 2 && open.len() < AT_MOST {
                    open.push((entry.path(), format!("{prefix}{name}/"), depth + 1));
                } else if kind.is_file() && entry.path() != self.0 && paths.len() < AT_MOST {
                    paths.push(format!("{prefix}{name}"));
                }
            }
        }
        paths.sort();
        paths
    }

    fn shown(&self, path: &str) -> String {
        self.0.with_file_name(path).display().to_string()
    }
}

/// Reads a playbook and shows its problems, all of them.
pub(super) fn playbook(path: &Path) -> Result<Playbook, Failure> {
    let (playbook, warnings) = read(path)?.map_err(|problems| broken(path, problems))?;
    view::diagnostics(warnings);
    Ok(playbook)
}

/// A playbook that is broken, whose problems are shown.
pub(super) fn broken(path: &Path, problems: Vec<Diagnostic>) -> Failure {
    let typed = super::by_hand::typed(path);
    let next = format!("{}, then: portcullis check {typed}", to_mend(&problems));
    Failure::of(Exit::Invalid, problems, next)
}

/// What is done about problems: some have no place that could be marked.
pub(super) fn to_mend(problems: &[Diagnostic]) -> &'static str {
    let is_marked = problems.iter().any(|problem| problem.primary.is_some());
    if is_marked { "mend what is marked" } else { "mend what is said" }
}

/// The inputs of a playbook, and what this run sets otherwise than it.
pub(super) type Asked = (BTreeMap<String, Value>, Terms);

/// Checks everything the command line gives beside a playbook, with the inputs of a world file behind it. All that is
/// wrong is said at once, whether it was typed or stands in a file.
pub(super) fn asked(
    playbook: &Playbook,
    given: &args::Given,
    behind: Vec<(String, Written)>,
    endpoint: Option<&str>,
) -> Result<Asked, Failure> {
    let mut files: BTreeSet<String> =
        behind.iter().map(|(_, written)| written.file().name().to_owned()).collect();
    let written = |(name, written): (String, Written)| (name, Given::Written(written));
    let mut all: GivenInputs = behind.into_iter().map(written).collect();
    for file in &given.inputs_from {
        match inputs_in(file) {
            Ok(source) => all.give_file(&source),
            Err(problem) => all.lacks_file(problem),
        }
    }
    for (n, (name, value)) in given.inputs.iter().enumerate() {
        // One of the two would be forgotten in silence.
        if given.inputs[..n].iter().any(|(earlier, _)| earlier == name) {
            let twice = Diagnostic::error(Code::BadInput, format!("input `{name}` is typed twice"));
            all.lacks(name, twice.help(format!("once, and a list with commas: -i {name}=A,B")));
            continue;
        }
        match named(name, value) {
            Ok(value) => all.give(name, value),
            Err(problem) => all.lacks(name, problem),
        }
    }
    let mut problems = Vec::new();
    let inputs = playbook.bind_inputs(&all).map_err(|found| problems.extend(found));
    files.extend(given.inputs_from.iter().map(|file| file.display().to_string()));
    // What stands in a file is mended there; what was typed is typed otherwise.
    let mut in_a_file = problems.iter().any(|problem| {
        problem.primary.as_ref().is_some_and(|label| files.contains(label.place.source().name()))
    });
    let taken = imports::taken(&given.imports);
    problems.extend(taken.problems);
    in_a_file |= taken.in_a_file;
    if let (Ok(inputs), true) = (inputs, problems.is_empty()) {
        view::diagnostics(taken.unused);
        return Ok((inputs, terms(given, taken.imports, endpoint)));
    }
    problems.extend(taken.unused);
    let (exit, next) = if in_a_file {
        (Exit::Invalid, format!("{} above, then the same again", to_mend(&problems)))
    } else {
        (Exit::Usage, "the same again with the inputs as above".to_owned())
    };
    Err(Failure::of(exit, problems, next))
}

/// A file of inputs.
fn inputs_in(file: &Path) -> Result<Source, Diagnostic> {
    let name = file.display().to_string();
    match case::read_regular(file, playbook::MAX_BYTES as u64) {
        Ok(bytes) => Ok(Source::from_bytes(name, bytes)),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            Err(playbook::too_long(&Source::new(name, "")))
        }
        Err(error) => Err(unreadable(&format!("inputs {name} cannot be read"), &error)
            .help("give --inputs a YAML or JSON file with a line `name: value` for each input")),
    }
}

/// What was typed behind `-i NAME=`: the value, or where it is.
fn named(name: &str, value: &str) -> Result<Given, Diagnostic> {
    if let Some(file) = value.strip_prefix('@') {
        let text = case::read_text(Path::new(file), playbook::MAX_BYTES as u64);
        return text.map(Given::Text).map_err(|error| {
            unreadable(&format!("input `{name}` cannot be read from {file}"), &error).help(
                "name a file that can be read; for a value that begins with @: -i NAME=text:@...",
            )
        });
    }
    if let Some(variable) = value.strip_prefix("env:") {
        return std::env::var(variable).map(Given::Text).map_err(|error| {
            let what = format!("input `{name}` cannot be taken from variable {variable}");
            unreadable(&what, &error)
                .help("set the variable; for a value that begins with env: -i NAME=text:env:...")
        });
    }
    Ok(Given::Typed(value.strip_prefix("text:").unwrap_or(value).to_owned()))
}

fn unreadable(what: &str, why: &dyn std::error::Error) -> Diagnostic {
    Diagnostic::error(Code::BadInput, format!("{what}: {why}"))
}

/// What this run sets otherwise than the playbook.
fn terms(given: &args::Given, imports: Vec<Import>, endpoint: Option<&str>) -> Terms {
    Terms {
        gate: given.gate.map(Into::into),
        margin_seconds: given.margin,
        within_seconds: given.within,
        endpoint: endpoint.map(str::to_owned),
        accepted_gaps: given.accept_gap.clone(),
        accepted_lockouts: given.accept_lockout.clone(),
        together: None,
        takes_up: None,
        imports,
    }
}

/// A plan that planning does not come to.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is not what its own playbook, inputs and inventory lead to: it was changed, or made by another version"
)]
pub(super) struct DoesNotFollow;

/// The playbook that a saved plan holds, shown under a name of its own.
pub(super) fn of_plan(shown: &str, saved: &SavedPlan) -> Option<Playbook> {
    let source = Source::new(shown, saved.playbook.clone());
    let read = playbook::read_in(&source, &saved.fragments, &Actions::new());
    read.ok().map(|(playbook, _)| playbook)
}

/// The playbook of a saved plan, if the plan is the one that follows from what it stands on: for a later round,
/// on the plan of the one before. Whoever can write the file can also write its digest.
pub(super) fn follows(
    saved: &SavedPlan,
    earlier: Option<&SavedPlan>,
    path: &Path,
) -> Result<Playbook, DoesNotFollow> {
    let source = Source::new(path.display().to_string(), saved.playbook.clone());
    match playbook::read_in(&source, &saved.fragments, &Actions::new()) {
        Ok((playbook, _))
            if playbook.fragment_texts() == saved.fragments
                && earlier.is_none_or(|earlier| {
                    earlier.playbook == saved.playbook && earlier.fragments == saved.fragments
                })
                && planning::follows(saved, earlier, &playbook) =>
        {
            Ok(playbook)
        }
        _ => Err(DoesNotFollow),
    }
}

/// The plan that a case has come to, with its playbook: each of its rounds follows from the one before.
pub(super) fn plan_of(case: &Path) -> Result<(SavedPlan, Playbook), Failure> {
    let newest = case::read_plan(case)?;
    let refused = |why: &dyn std::error::Error| {
        Failure::new(
            Exit::Refused,
            format!("the plan of case {} is refused", case.display()),
            "restore the case from a copy, or go on with the version of the program that opened it",
        )
        .because(why)
    };
    let mut earlier: Option<SavedPlan> = None;
    for round in 1..newest.number() {
        let saved = case::read_round(case, round)?;
        follows(&saved, earlier.as_ref(), case).map_err(|why| refused(&why))?;
        earlier = Some(saved);
    }
    let playbook = follows(&newest, earlier.as_ref(), case).map_err(|why| refused(&why))?;
    Ok((newest, playbook))
}

/// Whether a file is a plan that was saved, of one account or of several.
pub(super) fn is_a_plan(path: &Path) -> bool {
    text_of(path).is_ok_and(|text| {
        SavedPlans::from_text(&text).is_ok() || SavedPlan::from_text(&text).is_ok()
    })
}

/// What `survey -o` wrote: of one account, or of several.
pub(super) fn inventories(path: &Path) -> Result<SavedInventories, Failure> {
    SavedInventories::from_text(&text_of(path)?).map_err(|error| {
        not_taken(
            path,
            "name a file that was written with: portcullis survey -o FILE; or survey anew",
        )
        .because(&error)
    })
}

/// What was read of one account or several, in a file that `survey -o` or `plan -o` wrote.
pub(super) struct Read {
    /// By account.
    pub(super) inventories: BTreeMap<AccountId, Inventory>,
    /// Whether no more was asked than plans need.
    pub(super) for_plans: bool,
}

/// What was read, by a file that `survey -o` or `plan -o` wrote.
pub(super) fn any_inventory(path: &Path) -> Result<Read, Failure> {
    let text = text_of(path)?;
    let next = "name files that were written with: portcullis survey -o FILE, or plan -o FILE";
    let of = |all: Vec<Inventory>, for_plans| Read {
        inventories: all.into_iter().map(|one| (one.caller.account.clone(), one)).collect(),
        for_plans,
    };
    if SavedPlans::is_in(&text) {
        let plans = SavedPlans::from_text(&text);
        let plans = plans.map_err(|error| not_taken(path, next).because(&error))?;
        return Ok(of(plans.into_plans().into_iter().map(|saved| saved.inventory).collect(), true));
    }
    match SavedInventories::from_text(&text) {
        Ok(saved) => {
            Ok(of(saved.into_each().into_iter().map(|saved| saved.inventory).collect(), false))
        }
        Err(error) => match SavedPlan::from_text(&text) {
            Ok(saved) => Ok(of(vec![saved.inventory], true)),
            Err(OpenError::NotAPlan(_)) => Err(not_taken(path, next).because(&error)),
            Err(error) => Err(not_taken(path, next).because(&error)),
        },
    }
}

fn text_of(path: &Path) -> Result<String, Failure> {
    case::read_text(path, case::LONGEST).map_err(|error| {
        let what = format!("cannot read {}", path.display());
        Failure::new(Exit::Refused, what, "name a file that is there").because(&error)
    })
}

fn not_taken(path: &Path, next: &str) -> Failure {
    Failure::new(Exit::Refused, format!("{} is not taken", path.display()), next)
}
