//! A file of inputs: one mapping, read as playbooks are, with the place of every value in it.
//!
//! Knows no playbook: what a value must be is not its business. What it refuses hides nothing else that stands there.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::Given;
use crate::diagnostic::{Code, Diagnostic, Place, Source};
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
}

/// Reads the inputs in a file.
pub(super) fn read(source: &Source) -> Read {
    let yaml::Text { tree, cut_short, other, problems: mut said } = yaml::read(source);
    for problem in said.iter_mut().filter(|problem| problem.code == Code::TooLarge) {
        problem.help = Some(
            "put a long list in a file of its own, an item on every line: -i NAME=@FILE".to_owned(),
        );
    }
    let mut read = Read { unread: cut_short || tree.is_none(), ..Read::default() };
    let mut found = Vec::new();
    for tree in tree.into_iter().chain(other) {
        read.take(source, tree, &mut found);
    }
    read.problems = yaml::all(found, said);
    read
}

impl Read {
    fn take(&mut self, source: &Source, tree: Node, problems: &mut Vec<Diagnostic>) {
        let Kind::Map(entries) = tree.kind else {
            self.unread |= !matches!(tree.kind, Kind::Null);
            let message = format!("a file of inputs is a mapping, and this is {}", tree.describe());
            let problem = Diagnostic::error(Code::BadInput, message)
                .at(Place::new(source, 0..0), "")
                .help("write it like `user: ci-deploy`, a line for each input");
            problems.push(problem);
            return;
        };
        for (key, node) in entries {
            // What a merge key would have brought along is not known.
            self.unread |= key.text == "<<";
            let name = Place::new(source, key.range.clone());
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
