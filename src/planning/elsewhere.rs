//! Secrets that somebody has named to the playbook and that lie in accounts it does nothing in.
//!
//! A playbook takes of such a list what is of the account that is being planned. What is of none of its accounts would be
//! nobody's: it is told under "Not touched" and is a row of the ledger that nothing accounts for, once, at home.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::ids::{AccountId, Arn, SecretId};
use crate::plan::{Together, Untouched};
use crate::playbook::{FieldType, Playbook};

/// The secrets among the ARNs that were given, of accounts in which this playbook does nothing.
pub(super) fn secrets(
    playbook: &Playbook,
    inputs: &BTreeMap<String, Value>,
    together: Option<&Together>,
    account: &AccountId,
) -> BTreeSet<SecretId> {
    if together.is_some_and(|together| together.home != *account) {
        return BTreeSet::new();
    }
    let named = together.map_or_else(|| vec![account.clone()], Together::accounts);
    let of_arns = |name: &String| {
        playbook.inputs.iter().any(|input| {
            input.name == *name
                && match &input.ty {
                    FieldType::List(item) => **item == FieldType::Arn,
                    ty => *ty == FieldType::Arn,
                }
        })
    };
    let given =
        inputs.iter().filter(|(name, _)| of_arns(name)).flat_map(|(_, value)| match value {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        });
    given
        .filter_map(Value::as_str)
        .filter(|text| {
            Arn::parse(*text)
                .is_ok_and(|arn| named.iter().all(|account| account.as_str() != arn.account()))
        })
        .filter_map(|text| SecretId::parse(text).ok())
        .collect()
}

/// What is said of one.
pub(super) fn untouched(secret: &SecretId) -> Untouched {
    Untouched {
        what: format!("secret {secret}"),
        why: "it is in none of the accounts of this playbook, and whoever read it can use its value: name its account \
              in `accounts` where the playbook takes them, or have it replaced there, and waive it here until it is"
            .to_owned(),
    }
}
