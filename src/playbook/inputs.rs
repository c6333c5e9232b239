//! Values that the operator gives for a playbook's inputs: from `-i name=value`, or from a file.
//!
//! Every problem is found at once, and each says what to type. Values come back canonical, with
//! defaults filled in; an input that is neither given nor has a default is `null`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::field::{Mismatch, nearest, shorten};
use super::{Input, Playbook};
use crate::diagnostic::{Code, Diagnostic};

/// What was given for one input.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Typed on a command line: text whatever the type; lists separated by commas.
    Typed(String),
    /// From a file, with a type of its own.
    Value(Value),
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
                    bound.insert(input.name.clone(), value);
                }
                Err(mismatch) => problems.push(wrong(input, &mismatch)),
            }
        }
        if problems.is_empty() { Ok(bound) } else { Err(problems) }
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

fn wrong(input: &Input, mismatch: &Mismatch) -> Diagnostic {
    let hint = mismatch.help.as_deref().map(|help| format!("{help}; ")).unwrap_or_default();
    Diagnostic::error(
        Code::BadInput,
        format!("input `{}` wants {}, not {}", input.name, mismatch.expected, mismatch.found),
    )
    .help(format!("{hint}give it like -i {}={}", input.name, input.ty.example()))
}
