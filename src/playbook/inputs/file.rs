//! A file of inputs: one mapping, read as playbooks are, with the place of every value in it.
//!
//! Knows no playbook: what a value must be is not its business. What it refuses hides nothing else that stands there.
//! The file may be the wrong one, and hold a secret. So of a value no more is shown than is certainly that of an input:
//! what stands behind the name of one, in a file that has no names but those of inputs. Of everything else it is told
//! where it stands. A name that is nearly that of an input is a slip, and no sign of another file; but what stands
//! behind it is not shown.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::Given;
use crate::diagnostic::{Code, Diagnostic, Label, Place, Source, nearest};
use crate::playbook::node::{Kind, Node};
use crate::playbook::yaml;

/// A value as it stands in a file of inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    name: Place,
    place: Place,
    value: Value,
    items: Option<Vec<Written>>,
}

impl Written {
    /// A value that stands in a file which somebody else has read, with the places of its items where it is a list.
    pub fn new(name: Place, place: Place, value: Value, items_at: Vec<Place>) -> Self {
        let items = value.as_array().map(|all| {
            let item = |(value, place): (&Value, Place)| Self {
                name: name.clone(),
                place,
                value: value.clone(),
                items: None,
            };
            all.iter().zip(items_at).map(item).collect()
        });
        Self { name, place, value, items }
    }

    /// The file it stands in.
    pub fn file(&self) -> &Source {
        self.place.source()
    }

    /// Where its name stands.
    pub(super) fn name(&self) -> &Place {
        &self.name
    }

    /// Where it stands itself.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// What it holds, of a list.
    pub(super) fn items(&self) -> Option<&[Written]> {
        self.items.as_deref()
    }

    /// What it is, without what it says.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::String(_) => "such a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
        }
    }

    /// A number as it stands there: what it is taken for may be another text.
    pub(super) fn number(&self) -> Option<&str> {
        self.value.is_number().then(|| self.place.text())
    }
}

/// What a file of inputs holds.
#[derive(Default)]
pub(super) struct Read {
    /// By name; none where the value was refused, more than one where the key stands there twice.
    pub(super) values: BTreeMap<String, Vec<Given>>,
    pub(super) problems: Vec<Diagnostic>,
    /// Whether any other may stand there, too.
    pub(super) unread: bool,
    names: BTreeMap<String, Place>,
}

/// What is said where nothing of a text is shown.
pub(super) const NOT_SHOWN: &str = "not shown: it may be a secret";

/// What is no text of YAML at all.
const NO_YAML: &str = "no YAML";

/// A file as it looks from outside, without what it holds.
#[derive(Clone, Debug)]
pub(super) struct Looks {
    source: Source,
    /// What it is instead of a mapping.
    otherwise: Option<&'static str>,
    /// Whether it ends before its end, because it is no YAML from there on.
    cut_short: bool,
    /// What it has names for, each with its place.
    names: BTreeMap<String, Place>,
}

impl Looks {
    /// Whether it was meant as a file of these inputs: it has one of their names.
    pub(super) fn is_of<'n>(&self, mut inputs: impl Iterator<Item = &'n str>) -> bool {
        inputs.any(|name| self.names.contains_key(name))
    }

    /// Whether all its names are those of inputs, or nearly.
    pub(super) fn is_wholly_of(&self, inputs: &[&str]) -> bool {
        self.names.keys().all(|name| {
            inputs.contains(&name.as_str()) || nearest(name, inputs.iter().copied()).is_some()
        })
    }

    /// Whether a value stands in this file.
    pub(super) fn holds(&self, written: &Written) -> bool {
        *written.file() == self.source
    }

    /// What is said of a problem of this file that was found before anything was known of inputs: what it is, and nothing
    /// of what stands there, unless that is certainly of an input.
    pub(super) fn told(&self, problem: Diagnostic, inputs: &[&str]) -> Diagnostic {
        if self.is_wholly_of(inputs) && !self.cut_short || problem.code == Code::TooLarge {
            return problem;
        }
        let place = problem.primary.as_ref().map(|label| label.place.unseen());
        let message = match problem.code {
            Code::DuplicateKey => "a name stands twice",
            Code::BadInput => "no input takes what stands here",
            Code::NotYaml => "from here on it is no YAML",
            _ => "what stands here is not read",
        };
        Diagnostic::error(problem.code, message)
            .at(place.unwrap_or_else(|| Place::new(&self.source, 0..0).unseen()), NOT_SHOWN)
            .help(format!("portcullis explain {}; or is it the wrong file?", problem.code))
    }

    /// Whether a problem is one of this file.
    pub(super) fn has(&self, problem: &Diagnostic) -> bool {
        // By its name: what is not shown stands in a text of its own.
        let name = |label: &Label| label.place.source().name() == self.source.name();
        problem.primary.as_ref().is_some_and(name)
    }

    /// What is said in place of its problems, of which this is the first: that it is not of these inputs, and nothing
    /// that stands in it.
    pub(super) fn is_another(&self, first: &Diagnostic, inputs: &[&str]) -> Diagnostic {
        let code = match self.otherwise {
            _ if first.code == Code::TooLarge => Code::TooLarge,
            Some(NO_YAML) => first.code,
            _ => Code::BadInput,
        };
        let (message, help) = match self.otherwise {
            // How much there may be is no secret.
            _ if first.code == Code::TooLarge => (first.message.clone(), None),
            Some(what) => (format!("a file of inputs is a mapping, and this is {what}"), None),
            None => {
                let near = |(name, place): (&String, &Place)| {
                    let near = nearest(name, inputs.iter().copied())?;
                    Some(format!("did you mean `{near}`, in line {}?", place.line()))
                };
                let takes = || match inputs {
                    [] => "the playbook takes none".to_owned(),
                    inputs => format!("the playbook takes {}", inputs.join(", ")),
                };
                let help = self.names.iter().find_map(near).unwrap_or_else(takes);
                ("no name in this file is one of an input of the playbook".to_owned(), Some(help))
            }
        };
        let help = help
            .unwrap_or_else(|| "write it like `user: ci-deploy`, a line for each input".to_owned());
        let place = first.primary.as_ref().map(|label| label.place.unseen());
        let place = place.unwrap_or_else(|| Place::new(&self.source, 0..0).unseen());
        Diagnostic::error(code, message)
            .at(place, NOT_SHOWN)
            .help(format!("{help}; or is it the wrong file?"))
    }
}

/// Reads the inputs in a file.
pub(super) fn read(source: &Source) -> (Read, Looks) {
    let yaml::Text { tree, cut_short, other, problems: mut said } = yaml::read(source);
    for problem in said.iter_mut().filter(|problem| problem.code == Code::TooLarge) {
        problem.help = Some(
            "put a long list in a file of its own, an item on every line: -i NAME=@FILE".to_owned(),
        );
    }
    let otherwise = match &tree {
        Some(tree) if !cut_short => otherwise(tree),
        _ => Some(NO_YAML),
    };
    let mut read = Read { unread: cut_short || tree.is_none(), ..Read::default() };
    let mut found = Vec::new();
    for tree in tree.into_iter().chain(other) {
        read.take(source, tree, &mut found);
    }
    read.problems = yaml::all(found, said);
    let names = std::mem::take(&mut read.names);
    (read, Looks { source: source.clone(), otherwise, cut_short, names })
}

/// What is no mapping, by its kind alone.
fn otherwise(tree: &Node) -> Option<&'static str> {
    match tree.kind {
        Kind::Map(_) => None,
        Kind::Null => Some("nothing"),
        Kind::Bool(_) => Some("a truth value"),
        Kind::Int(_) | Kind::Float(_) => Some("a number"),
        Kind::Text(_) => Some("text"),
        Kind::List(_) => Some("a list"),
    }
}

impl Read {
    fn take(&mut self, source: &Source, tree: Node, problems: &mut Vec<Diagnostic>) {
        let Kind::Map(entries) = tree.kind else {
            self.unread |= !matches!(tree.kind, Kind::Null);
            // What it is instead is said by its looks.
            let problem = Diagnostic::error(Code::BadInput, "a file of inputs is a mapping");
            problems.push(problem.at(Place::new(source, 0..0), ""));
            return;
        };
        for (key, node) in entries {
            // What a merge key would have brought along is not known.
            self.unread |= key.text == "<<";
            let name = Place::new(source, key.range.clone());
            self.names.entry(key.text.clone()).or_insert_with(|| name.clone());
            let written = written(source, &name, &node, problems).map(Given::Written);
            let values = self.values.entry(key.text).or_default();
            values.extend(written.filter(|written| !values.contains(written)));
        }
    }
}

fn written(
    source: &Source,
    name: &Place,
    node: &Node,
    problems: &mut Vec<Diagnostic>,
) -> Option<Written> {
    let place = Place::new(source, node.range.clone());
    let mut items = None;
    let value = match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(b) => Value::Bool(*b),
        // What is larger has been refused: not every reader takes it for a whole number.
        Kind::Int(n) => i64::try_from(*n)
            .map(Value::from)
            .or_else(|_| u64::try_from(*n).map(Value::from))
            .unwrap_or_default(),
        Kind::Float(n) => Number::from_f64(*n).map(Value::Number).unwrap_or_default(),
        Kind::Text(text) => Value::String(text.clone()),
        Kind::List(list) => {
            let all: Vec<_> =
                list.iter().map(|item| written(source, name, item, problems)).collect();
            let all: Vec<Written> = all.into_iter().collect::<Option<_>>()?;
            let value = all.iter().map(|item| item.value.clone()).collect();
            items = Some(all);
            value
        }
        Kind::Map(_) => {
            let problem = Diagnostic::error(Code::BadInput, "no input takes a mapping")
                .at(place, "not a value")
                .help("an input is text, a number, true, false, or a list of one of these");
            problems.push(problem);
            return None;
        }
    };
    Some(Written { name: name.clone(), place, value, items })
}
