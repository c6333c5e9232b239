//! Values that the operator gives for a playbook's inputs: from `-i name=value`, from files, from the
//! environment. They are printed, kept in the plan and in the case: no input is a secret.
//!
//! Every problem is found at once, and each says what to type. Values come back canonical, with
//! defaults filled in; an input that is neither given nor has a default is `null`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::field::{FieldType, Mismatch, shorten};
use super::node::{Kind, Node};
use super::{Input, Playbook, yaml};
use crate::diagnostic::nearest;
use crate::diagnostic::{Code, Diagnostic, Place, Source, counted, grouped};

/// What was given for one input.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Typed on a command line: text whatever the type; lists separated by commas.
    Typed(String),
    /// The text of a file or of a variable of the environment: lists have an item on every line.
    Text(String),
    /// From a file of inputs, with a type of its own.
    Value(Value),
}

/// The inputs in a file of them: one mapping, read as playbooks are. Its values are plain.
pub fn read_inputs(source: &Source) -> Result<BTreeMap<String, Given>, Vec<Diagnostic>> {
    let yaml::Text { tree, problems: said, .. } = yaml::read(source);
    let Some(tree) = tree else { return Err(said) };
    let example = "write it like `user: ci-deploy`, a line for each input";
    let Kind::Map(entries) = tree.kind else {
        let message = format!("a file of inputs is a mapping, and this is {}", tree.describe());
        let problem = Diagnostic::error(Code::BadInput, message)
            .at(Place::new(source, 0..0), "")
            .help(example);
        return Err(yaml::all(vec![problem], said));
    };
    let mut given = BTreeMap::new();
    let mut problems = Vec::new();
    for (key, node) in entries {
        match plain(&node) {
            Some(value) => {
                given.insert(key.text, Given::Value(value));
            }
            None => problems.push(
                Diagnostic::error(Code::BadInput, format!("no input takes {}", node.describe()))
                    .at(Place::new(source, node.range), "not a value")
                    .help("an input is text, a number, true, false, or a list of one of these"),
            ),
        }
    }
    let problems = yaml::all(problems, said);
    if problems.is_empty() { Ok(given) } else { Err(problems) }
}

fn plain(node: &Node) -> Option<Value> {
    Some(match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(b) => Value::Bool(*b),
        Kind::Int(n) => Value::from(i64::try_from(*n).ok()?),
        Kind::Text(text) => Value::String(text.clone()),
        Kind::List(items) => items.iter().map(plain).collect::<Option<_>>()?,
        Kind::Float(_) | Kind::Map(_) => return None,
    })
}

/// Text is taken as typed, without the white space around it. The items of a list stand on a line each;
/// empty lines and those that begin with `#` say nothing.
fn accept_text(ty: &FieldType, text: &str) -> Result<Value, Mismatch> {
    match ty {
        FieldType::List(item) => text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| item.accept_typed(line))
            .collect(),
        ty => ty.accept_typed(text.trim()),
    }
}

impl Playbook {
    /// Checks what was given and gives every input its value.
    pub fn bind_inputs(
        &self,
        given: &BTreeMap<String, Given>,
    ) -> Result<BTreeMap<String, Value>, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        for name in given.keys() {
            if !self.inputs.iter().any(|input| input.name == *name) {
                let names = self.inputs.iter().map(|input| input.name.as_str());
                let help = match nearest(name, names.clone()) {
                    Some(near) => format!("did you mean -i {near}=...?"),
                    None if self.inputs.is_empty() => "it takes none".to_owned(),
                    None => format!("it takes {}", names.collect::<Vec<_>>().join(", ")),
                };
                problems.push(
                    Diagnostic::error(
                        Code::BadInput,
                        format!("playbook `{}` has no input `{}`", self.name, shorten(name)),
                    )
                    .help(help),
                );
            }
        }
        let mut bound = BTreeMap::new();
        for input in &self.inputs {
            let value = match given.get(&input.name) {
                Some(Given::Typed(text)) => input.ty.accept_typed(text),
                Some(Given::Text(text)) => accept_text(&input.ty, text),
                Some(Given::Value(value)) if !value.is_null() => input.ty.accept(value),
                _ => match &input.default {
                    Some(default) => Ok(default.clone()),
                    None if input.required => {
                        problems.push(missing(input));
                        continue;
                    }
                    None => Ok(Value::Null),
                },
            };
            match value {
                Ok(value) => {
                    if let Some(mut objection) = input.bounds.objection(&input.ty, &value) {
                        if let Some(Given::Text(text)) = given.get(&input.name) {
                            let wanted = objection.split(", not ").next().unwrap_or_default();
                            objection = format!("{wanted}, not {}", in_short(text));
                        }
                        problems.push(out_of_bounds(input, &objection));
                    }
                    bound.insert(input.name.clone(), value);
                }
                Err(mismatch) => {
                    let mismatch = match given.get(&input.name) {
                        Some(Given::Text(text)) => not_shown(mismatch, text),
                        _ => mismatch,
                    };
                    problems.push(wrong(input, &mismatch));
                }
            }
        }
        if problems.is_empty() { Ok(bound) } else { Err(problems) }
    }
}

/// The wrong file, or the wrong variable, may hold a secret: of what was in it no more is told than tells which it was.
fn not_shown(mismatch: Mismatch, text: &str) -> Mismatch {
    Mismatch { found: in_short(text), help: None, ..mismatch }
}

fn in_short(text: &str) -> String {
    let (length, begins) = (text.chars().count(), text.chars().take(4).collect::<String>());
    match length {
        0 => "nothing".to_owned(),
        1..=8 => counted(length, "character"),
        _ => format!("{} characters that begin with `{begins}`", grouped(length)),
    }
}

fn missing(input: &Input) -> Diagnostic {
    let what = input.help.as_deref().map(|help| format!(": {}", shorten(help)));
    Diagnostic::error(
        Code::BadInput,
        format!("input `{}` is missing{}", input.name, what.unwrap_or_default()),
    )
    .help(format!("give it with -i {}={}", input.name, input.ty.example()))
}

fn out_of_bounds(input: &Input, objection: &str) -> Diagnostic {
    let message = format!("input `{}` wants {objection}", input.name);
    Diagnostic::error(Code::BadInput, message)
        .at(input.place.clone(), "its bounds are declared here")
        .help(format!("give another value with -i {}=...", input.name))
}

fn wrong(input: &Input, mismatch: &Mismatch) -> Diagnostic {
    let hint = mismatch.help.as_deref().map(|help| format!("{help}; ")).unwrap_or_default();
    Diagnostic::error(
        Code::BadInput,
        format!("input `{}` wants {}, not {}", input.name, mismatch.expected, mismatch.found),
    )
    .help(format!("{hint}give it like -i {}={}", input.name, input.ty.example()))
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
