//! Values that the operator gives for a playbook's inputs: from `-i name=value`, from files, from the
//! environment. They are printed, kept in the plan and in the case: no input is a secret.
//!
//! Every problem is found at once, wherever a value is from, and each says what to type. Values come back
//! canonical, with defaults filled in; an input that is neither given nor has a default is `null`.

mod file;

use std::collections::BTreeMap;

use serde_json::Value;

pub use self::file::Written;
use super::field::{FieldType, Mismatch, describe, shorten};
use super::{Input, Playbook, yaml};
use crate::diagnostic::nearest;
use crate::diagnostic::{Code, Diagnostic, Source, counted, grouped};

/// What was given for one input.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Typed on a command line: text whatever the type; lists separated by commas.
    Typed(String),
    /// The text of a file or of a variable of the environment: lists have an item on every line.
    Text(String),
    /// A value that was understood before, with a type of its own.
    Value(Value),
    /// As it stands in a file of inputs.
    Written(Written),
}

/// Everything that was given, and what is wrong with where it is from.
#[derive(Clone, Debug, Default)]
pub struct GivenInputs {
    /// By name. More than one where a key stands twice: what is wrong with either is said. None where what is wrong
    /// was said.
    values: BTreeMap<String, Vec<Given>>,
    said: Vec<Diagnostic>,
    files: Vec<file::Looks>,
    /// Whether something that could not be read may give any of them.
    unread: bool,
}

impl GivenInputs {
    /// Gives an input its value, in place of what it was given before.
    pub fn give(&mut self, name: impl Into<String>, value: Given) {
        self.values.insert(name.into(), vec![value]);
    }

    /// Gives inputs the values that a file has for them, in place of what they were given before.
    pub fn give_file(&mut self, source: &Source) {
        let (read, looks) = file::read(source);
        self.files.push(looks);
        self.values.extend(read.values);
        self.said.extend(read.problems);
        self.unread |= read.unread;
    }

    /// An input was to be given its value, and this is why it could not.
    pub fn lacks(&mut self, name: impl Into<String>, why: Diagnostic) {
        self.values.insert(name.into(), Vec::new());
        self.said.push(why);
    }

    /// A file of inputs could not be read, and this is why.
    pub fn lacks_file(&mut self, why: Diagnostic) {
        self.said.push(why);
        self.unread = true;
    }
}

impl FromIterator<(String, Given)> for GivenInputs {
    fn from_iter<I: IntoIterator<Item = (String, Given)>>(all: I) -> Self {
        let mut given = Self::default();
        for (name, value) in all {
            given.give(name, value);
        }
        given
    }
}

impl Playbook {
    /// Checks what was given and gives every input its value.
    pub fn bind_inputs(
        &self,
        given: &GivenInputs,
    ) -> Result<BTreeMap<String, Value>, Vec<Diagnostic>> {
        let names: Vec<&str> = self.inputs.iter().map(|input| input.name.as_str()).collect();
        let files = &given.files;
        let unseen = |written: &Written| {
            let mut of = files.iter().filter(|file| file.holds(written));
            of.any(|file| !file.is_wholly_of(&names))
        };
        let mut problems = Vec::new();
        for (name, values) in &given.values {
            if !names.contains(&name.as_str()) {
                problems.push(self.unknown(name, values, files));
            }
        }
        let mut bound = BTreeMap::new();
        for input in &self.inputs {
            let values = given.values.get(&input.name).map_or(&[][..], Vec::as_slice);
            let told = values.is_empty() && given.values.contains_key(&input.name);
            let mut all =
                values.iter().filter_map(|value| taken(input, value, &unseen, &mut problems));
            let value = all.next();
            // Of a key that stands twice both are looked at.
            all.for_each(drop);
            let nothing = values.iter().all(is_nothing) && !told;
            let value = match (value, &input.default) {
                (Some(value), _) => Some(value),
                (None, Some(default)) if nothing => Some(default.clone()),
                (None, None) if nothing && !input.required => Some(Value::Null),
                (None, None) if nothing && !given.unread => {
                    problems.push(missing(input, values.first(), &unseen));
                    None
                }
                (None, _) => None,
            };
            bound.extend(value.map(|value| (input.name.clone(), value)));
        }
        let told = |problem: Diagnostic| match files.iter().find(|file| file.has(&problem)) {
            Some(file) if file.is_of(names.iter().copied()) && given.said.contains(&problem) => {
                file.told(problem, &names)
            }
            _ => problem,
        };
        let problems = yaml::all(problems, given.said.clone());
        let mut problems: Vec<Diagnostic> = problems.into_iter().map(told).collect();
        for file in given.files.iter().filter(|file| !file.is_of(names.iter().copied())) {
            let first = problems.iter().find(|problem| file.has(problem));
            let Some(instead) = first.map(|first| file.is_another(first, &names)) else { continue };
            problems.retain(|problem| !file.has(problem));
            problems.push(instead);
        }
        if problems.is_empty() { Ok(bound) } else { Err(problems) }
    }

    fn unknown(&self, name: &str, values: &[Given], files: &[file::Looks]) -> Diagnostic {
        let written = values.iter().find_map(|value| match value {
            Given::Written(written) => Some(written),
            _ => None,
        });
        let names = self.inputs.iter().map(|input| input.name.as_str());
        let near = nearest(name, names.clone());
        // Only what was read as a file of inputs can be another file; and what is nearly a name tells nothing.
        let hidden = written.filter(|written| files.iter().any(|file| file.holds(written)));
        let called = match near {
            None if hidden.is_some() => "of that name".to_owned(),
            _ => format!("`{}`", shorten(name)),
        };
        let message = format!("playbook `{}` has no input {called}", self.name);
        let problem = Diagnostic::error(Code::BadInput, message);
        let help = match (near, written) {
            (Some(near), None) => format!("did you mean -i {near}=...?"),
            (Some(near), Some(_)) => format!("did you mean `{near}`?"),
            (None, _) if self.inputs.is_empty() => "it takes none".to_owned(),
            (None, _) => format!("it takes {}", names.collect::<Vec<_>>().join(", ")),
        };
        let problem = problem.help(help);
        match written {
            Some(written) if hidden.is_some() => {
                problem.at(written.name().unseen(), file::NOT_SHOWN)
            }
            Some(written) => problem.at(written.name().clone(), "not known"),
            None => problem,
        }
    }
}

/// Whether nothing stands where a value would.
fn is_nothing(given: &Given) -> bool {
    match given {
        Given::Typed(_) | Given::Text(_) => false,
        Given::Value(value) => value.is_null(),
        Given::Written(written) => written.value().is_null(),
    }
}

/// One value that was given, or one item of a list of them.
struct Piece<'g> {
    value: Result<Value, Mismatch>,
    from: From<'g>,
}

/// Where a piece is from, so far as it is told.
#[derive(Clone, Copy)]
enum From<'g> {
    Said,
    /// The wrong file, or the wrong variable, may hold a secret: no more of it is told than tells which it was. Of a list
    /// the line, from 1.
    Text {
        line: Option<usize>,
        text: &'g str,
    },
    Written(&'g Written),
    /// The same, in a file that may be another.
    Unseen(&'g Written),
}

impl From<'_> {
    fn told(self, unseen: &dyn Fn(&Written) -> bool) -> Self {
        match self {
            Self::Written(written) if unseen(written) => Self::Unseen(written),
            from => from,
        }
    }
}

/// Typed for a list of which nobody, or nothing, is to be.
const NONE: &str = "[]";

/// What was given, piece by piece, so that an item that is wrong hides no other.
fn pieces<'g>(ty: &FieldType, given: &'g Given) -> Vec<Piece<'g>> {
    let one = |value, from| Piece { value, from };
    match (given, ty) {
        (Given::Typed(text), FieldType::List(_)) if text.trim() == NONE => Vec::new(),
        (Given::Typed(text), FieldType::List(item)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(|text| one(item.accept_typed(text), From::Said)).collect()
        }
        (Given::Typed(text), ty) => vec![one(ty.accept_typed(text), From::Said)],
        // Empty lines and those that begin with `#` say nothing.
        (Given::Text(text), FieldType::List(item)) => {
            let text = text.trim_start_matches('\u{feff}');
            let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
            lines
                .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
                .map(|(n, text)| (of_a_line(item, text), From::Text { line: Some(n), text }))
                .map(|(value, from)| one(value, from))
                .collect()
        }
        // As typed, without the white space around it.
        (Given::Text(text), ty) => {
            let text = text.trim();
            vec![one(ty.accept_typed(text), From::Text { line: None, text })]
        }
        (Given::Value(Value::Array(items)), FieldType::List(item)) => {
            items.iter().map(|value| one(item.accept(value), From::Said)).collect()
        }
        (Given::Value(value), ty) => vec![one(ty.accept(value), From::Said)],
        (Given::Written(written), FieldType::List(item)) if written.items().is_some() => {
            let items = written.items().unwrap_or_default();
            items
                .iter()
                .map(|one| (item.accept(one.value()), From::Written(one)))
                .map(|(value, from)| one(value, from))
                .collect()
        }
        (Given::Written(written), ty) => {
            vec![one(ty.accept(written.value()), From::Written(written))]
        }
    }
}

/// The item that stands in a line: as it is, or in quotation marks, as the only column of a CSV has it. A line with a comma
/// is a row of several columns, though the name of a user might have one: half a list that is taken for one name is worse.
fn of_a_line(item: &FieldType, line: &str) -> Result<Value, Mismatch> {
    if *item == FieldType::Text {
        return item.accept_typed(line);
    }
    let alone = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let value = item.accept_typed(alone.unwrap_or(line))?;
    if !line.contains(',') {
        return Ok(value);
    }
    Err(Mismatch {
        expected: item.to_string(),
        found: describe(&value),
        right_kind: true,
        help: None,
    })
}

/// The value that was given, if it is one for the input. Nothing is none.
fn taken(
    input: &Input,
    given: &Given,
    unseen: &dyn Fn(&Written) -> bool,
    problems: &mut Vec<Diagnostic>,
) -> Option<Value> {
    if is_nothing(given) {
        return None;
    }
    let item = match (&input.ty, given) {
        (
            FieldType::List(item),
            Given::Value(Value::Array(_)) | Given::Typed(_) | Given::Text(_),
        ) => Some(*item),
        (FieldType::List(item), Given::Written(written)) if written.items().is_some() => {
            Some(*item)
        }
        _ => None,
    };
    let pieces = pieces(&input.ty, given);
    let before = problems.len();
    for Piece { value, from } in &pieces {
        if let Err(mismatch) = value {
            problems.push(wrong(input, item.unwrap_or(&input.ty), mismatch, from.told(unseen)));
        }
    }
    if problems.len() > before {
        return None;
    }
    let from: Vec<From<'_>> = pieces.iter().map(|piece| piece.from).collect();
    let whole = match given {
        Given::Written(written) => From::Written(written),
        Given::Text(text) => From::Text { line: None, text },
        Given::Typed(_) | Given::Value(_) => From::Said,
    };
    let mut values: Vec<Value> = pieces.into_iter().filter_map(|piece| piece.value.ok()).collect();
    // A variable of the shell that is empty at night is no list of nobody.
    if matches!(given, Given::Typed(_) | Given::Text(_))
        && item.is_some()
        && values.is_empty()
        && input.required
        && !matches!(given, Given::Typed(text) if text.trim() == NONE)
    {
        problems.push(missing(input, Some(given), unseen));
        return None;
    }
    let value = if item.is_some() { Value::Array(values) } else { values.pop()? };
    for (at, objection) in input.bounds.objections(&input.ty, &value) {
        let from = at.and_then(|at| from.get(at)).copied().unwrap_or(whole);
        problems.push(out_of_bounds(input, at.is_none(), &objection, from.told(unseen)));
    }
    Some(value)
}

fn in_short(text: &str) -> String {
    let (length, begins) = (text.chars().count(), text.chars().take(4).collect::<String>());
    match length {
        0 => "nothing".to_owned(),
        1..=8 => counted(length, "character"),
        _ => format!("{} characters that begin with `{begins}`", grouped(length)),
    }
}

/// What wants something else: the input, or a line of what it was given.
fn of(input: &Input, from: From<'_>) -> String {
    match from {
        From::Text { line: Some(line), .. } => format!("line {line} of input `{}`", input.name),
        _ => format!("input `{}`", input.name),
    }
}

fn missing(input: &Input, given: Option<&Given>, unseen: &dyn Fn(&Written) -> bool) -> Diagnostic {
    let what = input.help.as_deref().map(|help| format!(": {}", shorten(help)));
    let message = format!("input `{}` is missing{}", input.name, what.unwrap_or_default());
    let problem = Diagnostic::error(Code::BadInput, message).help(format!(
        "give it with -i {}={}",
        input.name,
        input.ty.example()
    ));
    match given {
        Some(Given::Written(written)) => problem
            .at(
                if unseen(written) { written.name().unseen() } else { written.name().clone() },
                "nothing stands behind it",
            )
            .help(input.ty.written(&input.name)),
        Some(_) if matches!(input.ty, FieldType::List(_)) => {
            let (name, example) = (&input.name, input.ty.example());
            problem.help(format!(
                "what was given is empty: give it with -i {name}={example}; where none is meant, say so: -i '{name}={NONE}'"
            ))
        }
        _ => problem,
    }
}

fn out_of_bounds(input: &Input, whole: bool, objection: &str, from: From<'_>) -> Diagnostic {
    let mut objection = objection.to_owned();
    // How many there are is no secret.
    if let (From::Text { text, .. }, false) =
        (from, whole && matches!(input.ty, FieldType::List(_)))
    {
        let wanted = objection.split(", not ").next().unwrap_or_default();
        objection = format!("{wanted}, not {}", in_short(text));
    }
    if let From::Unseen(written) = from {
        let wanted = objection.split(", not ").next().unwrap_or_default();
        objection = format!("{wanted}, not {}", written.kind());
    }
    let message = format!("{} wants {objection}", of(input, from));
    let problem = Diagnostic::error(Code::BadInput, message);
    let bounds = "its bounds are declared here";
    match from {
        From::Written(written) => problem
            .at(written.place().clone(), "out of bounds")
            .and(input.place.clone(), bounds)
            .help("write another value"),
        From::Unseen(written) => problem
            .at(written.place().unseen(), file::NOT_SHOWN)
            .and(input.place.clone(), bounds)
            .help("write another value"),
        _ => problem
            .at(input.place.clone(), bounds)
            .help(format!("give another value with -i {}=...", input.name)),
    }
}

fn wrong(input: &Input, ty: &FieldType, mismatch: &Mismatch, from: From<'_>) -> Diagnostic {
    let found = match from {
        From::Text { text, .. } => in_short(text),
        From::Unseen(written) => written.kind().to_owned(),
        _ => mismatch.found.clone(),
    };
    let message = format!("{} wants {}, not {found}", of(input, from), mismatch.expected);
    let problem = Diagnostic::error(Code::BadInput, message);
    let hint = mismatch.help.as_deref().map(|help| format!("{help}; ")).unwrap_or_default();
    match from {
        From::Written(written) => {
            let label = if mismatch.right_kind { "not one" } else { "of another type" };
            problem.at(written.place().clone(), label).help(mismatch.instead(
                ty,
                input.ty.written(&input.name),
                written.number(),
            ))
        }
        From::Unseen(written) => problem
            .at(written.place().unseen(), file::NOT_SHOWN)
            .help(input.ty.written(&input.name)),
        From::Text { line: Some(n), text } => {
            let hint = if text.contains(',') {
                "a line holds one of them: of a CSV give one column alone, and a name that has a comma in a file of `--inputs`; "
            } else if n == 1 {
                "where this is the heading of a column, put # before it; "
            } else {
                ""
            };
            problem.help(format!("{hint}write it like {}", ty.example()))
        }
        From::Text { line: None, .. } => {
            problem.help(format!("give it like -i {}={}", input.name, input.ty.example()))
        }
        From::Said => {
            problem.help(format!("{hint}give it like -i {}={}", input.name, input.ty.example()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::playbook::{self, ActionShape, Phase};

    const NOTHING: ActionShape = ActionShape {
        kind: "do.nothing",
        title: "nothing",
        fields: &[],
        phases: &[Phase::Contain],
        effects: &[],
        takes_off: None,
    };

    fn playbook() -> Playbook {
        let text = "\
portcullis: 1
name: inputs
title: Inputs
inputs:
  key: { type: access-key-id, required: true, help: The key that leaked }
  at: { type: timestamp, default: 2026-03-19T01:00:00+01:00 }
  users: { type: list of user-name }
  speed: { type: { one-of: [slow, fast] }, default: slow }
  count: { type: integer }
steps:
  - { id: nothing, phase: contain, uses: do.nothing }
";
        playbook::read(&Source::new("p", text), &vec![NOTHING]).unwrap().0
    }

    fn bind(given: &[(&str, Given)]) -> Result<BTreeMap<String, Value>, Vec<String>> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        playbook().bind_inputs(&given).map_err(|problems| {
            problems
                .iter()
                .map(|p| format!("{} = {}", p.message, p.help.clone().unwrap_or_default()))
                .collect()
        })
    }

    fn typed(text: &str) -> Given {
        Given::Typed(text.to_owned())
    }

    #[test]
    fn values_are_canonical_and_defaults_filled_in() {
        let bound = bind(&[
            ("key", typed("AKIAIOSFODNN7EXAMPLE")),
            ("users", typed("alice, bob")),
            ("count", Given::Value(json!(3))),
        ])
        .unwrap();
        assert_eq!(
            json!(bound),
            json!({
                "at": "2026-03-19T00:00:00Z",
                "count": 3,
                "key": "AKIAIOSFODNN7EXAMPLE",
                "speed": "slow",
                "users": ["alice", "bob"],
            })
        );
        let bound = bind(&[("key", typed("AKIAIOSFODNN7EXAMPLE"))]).unwrap();
        assert_eq!(bound["users"], Value::Null, "neither given nor with a default");
    }

    #[test]
    fn every_problem_says_what_to_type() {
        let problems = bind(&[
            ("kye", typed("AKIAIOSFODNN7EXAMPLE")),
            ("at", typed("yesterday")),
            ("speed", typed("fats")),
            ("count", Given::Value(json!("3"))),
        ])
        .unwrap_err();
        assert_eq!(
            problems,
            [
                "playbook `inputs` has no input `kye` = did you mean -i key=...?",
                "input `key` is missing: The key that leaked = give it with -i key=AKIA...",
                "input `at` wants an instant with its offset, like 2026-03-19T00:00:00Z, not the text \
                 `yesterday` = give it like -i at=2026-03-19T00:00:00Z",
                "input `speed` wants one of `slow`, `fast`, not the text `fats` = did you mean `fast`?; \
                 give it like -i speed=slow",
                "input `count` wants a whole number, not the text `3` = give it like -i count=1",
            ]
        );
    }
}
