//! What the playbook trusts, and what follows: a trusted key is left out of `keys: all`, and nothing deletes it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::select::Taken;
use crate::action::Draft;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::ids::AccessKeyId;
use crate::inventory::Want;
use crate::plan::{Credential, Effect, Plan, Subject, Trusted, Untouched};
use crate::playbook::{Evaluated, Playbook, Scope};

/// The keys that are trusted.
#[derive(Default)]
pub(super) struct Trust {
    /// Each with the reason and where it says so.
    keys: BTreeMap<AccessKeyId, (String, Place)>,
    /// What must be read before others are known.
    pub(super) needs: BTreeSet<Want>,
    /// Why of others it will not be known which they are.
    pub(super) problems: Vec<Diagnostic>,
    /// Whether there are such others: then any key may be one of them.
    is_open: bool,
}

/// What becomes of a draft.
pub(super) enum Verdict {
    /// It is as it would be without any trust.
    Keep,
    /// It is left out.
    Leave(Untouched),
    /// It cannot be as the playbook has it.
    Refuse(Diagnostic),
    /// Nobody knows whether it would be left out.
    Open,
}

impl Trust {
    /// Works out which keys are trusted.
    pub(super) fn of(playbook: &Playbook, scope: &Scope<'_>) -> Self {
        let mut trust = Self::default();
        for trusted in &playbook.trusted {
            let expressions = trusted.access_key.expressions();
            if !expressions.into_iter().all(|one| one.asks_only(scope.targets)) {
                trust.is_open = true;
                continue;
            }
            match trusted.access_key.evaluate(scope) {
                // An optional input that was left out: nothing is trusted.
                Ok(Evaluated::Value(Value::Null)) => {}
                Ok(Evaluated::Value(value)) => {
                    let all = match &value {
                        Value::Array(all) => all.as_slice(),
                        one => std::slice::from_ref(one),
                    };
                    let ids = all.iter().map(|id| {
                        let id = id.as_str().and_then(|id| AccessKeyId::parse(id).ok());
                        id.expect("the template is of an access key's type, or of a list of those")
                    });
                    let told = (trusted.reason.clone(), trusted.place.clone());
                    trust.keys.extend(ids.map(|id| (id, told.clone())));
                }
                Ok(Evaluated::Needs(more)) => trust.needs.extend(more),
                Err(problem) => {
                    trust.problems.push(problem);
                    trust.is_open = true;
                }
            }
        }
        trust
    }

    /// Judges one draft.
    pub(super) fn judge(&self, taken: &Taken<'_>, draft: &Draft) -> Verdict {
        for effect in &draft.effects {
            let (credential, deletes) = match effect {
                Effect::Cuts { subject: Subject::Credential { credential }, .. } => {
                    (credential, false)
                }
                Effect::Destroys { credential } => (credential, true),
                _ => continue,
            };
            let Credential::AccessKey { id, .. } = credential else { continue };
            let Some((reason, place)) = self.keys.get(id) else {
                if self.is_open {
                    return Verdict::Open;
                }
                continue;
            };
            if !deletes && !names(&taken.with, id) {
                return Verdict::Leave(Untouched {
                    what: credential.to_string(),
                    why: format!(
                        "trusted: {reason} (line {}). A quarantine of its user denies it all the same, while it \
                         stands",
                        place.line()
                    ),
                });
            }
            let id_of_step = &taken.step.id;
            let (message, help) = if deletes {
                (
                    format!("step `{id_of_step}` would delete the {credential}, which is trusted"),
                    "no further key fits; delete another of the user's keys by hand once it is cut, or take this \
                     one out of `trusted`",
                )
            } else {
                (
                    format!("step `{id_of_step}` cuts the {credential} by name, which is trusted"),
                    "take the key out of the step, or out of `trusted`",
                )
            };
            return Verdict::Refuse(
                Diagnostic::error(Code::CannotPlan, message)
                    .at(taken.step.place.clone(), "this step")
                    .and(place.clone(), "trusted here")
                    .help(help),
            );
        }
        Verdict::Keep
    }

    /// Writes into the plan which of the credentials in scope are trusted, and what of it to know: what has one reason, at
    /// one place, is told in one sentence.
    pub(super) fn tell(&self, plan: &mut Plan) {
        let mut found = BTreeSet::new();
        let mut open: BTreeMap<&(String, Place), Vec<String>> = BTreeMap::new();
        for credential in &plan.credentials {
            let Credential::AccessKey { id, user } = credential else { continue };
            let Some(told) = self.keys.get(id) else { continue };
            found.insert(id);
            open.entry(told).or_default().push(format!("{id} of {user}"));
            let trusted = Trusted { credential: credential.clone(), reason: told.0.clone() };
            plan.trusted.push(trusted);
        }
        let mut nobodys: BTreeMap<&(String, Place), Vec<String>> = BTreeMap::new();
        for (id, told) in self.keys.iter().filter(|(id, _)| !found.contains(id)) {
            nobodys.entry(told).or_default().push(id.to_string());
        }
        for ((reason, _), keys) in open {
            let (are, it) = if keys.len() == 1 { ("is", "it") } else { ("are", "them") };
            plan.warnings.push(format!(
                "{} {are} not cut: the playbook trusts {it} ({reason}). Nothing shows that nobody else has {it}",
                access_keys(&keys)
            ));
        }
        for keys in nobodys.into_values() {
            plan.warnings.push(format!(
                "{}, which the playbook trusts, {} to nobody whom the plan cuts off",
                access_keys(&keys),
                if keys.len() == 1 { "belongs" } else { "belong" }
            ));
        }
    }
}

/// How many keys are named in one sentence; the rest is counted. Each stands under what is not touched.
const NAMED: usize = 5;

/// "access key A", "access keys A, B and 3 more".
fn access_keys(keys: &[String]) -> String {
    let named = keys[..keys.len().min(NAMED)].join(", ");
    let more = match keys.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("access {} {named}{more}", if keys.len() == 1 { "key" } else { "keys" })
}

/// Whether the key stands in a step's `with`.
fn names(with: &Value, id: &AccessKeyId) -> bool {
    match with {
        Value::String(text) => text == id.as_str(),
        Value::Array(items) => items.iter().any(|item| names(item, id)),
        Value::Object(fields) => fields.values().any(|value| names(value, id)),
        _ => false,
    }
}
