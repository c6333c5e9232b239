//! Whose many access keys are, told by the lists of everybody's.
//!
//! A list of what leaked may name a hundred thousand keys, and an account has ten thousand at most: then everybody's keys
//! are listed, and those that nobody has are not asked about one by one. Where a list is refused or not understood, nothing
//! is answered, and whoever asks has his questions asked one by one. Keeps no list: a plan asks about those it wants.

use std::collections::BTreeSet;

use super::{SurveyError, fill};
use crate::cloud::ReadCloud;
use crate::ids::AccessKeyId;
use crate::inventory::{Fact, Inventory, Listing, Want};

/// Answers of `wants` which keys nobody of the account has.
pub(super) async fn at_once(
    cloud: &ReadCloud,
    inventory: &mut Inventory,
    wants: &BTreeSet<Want>,
) -> Result<(), SurveyError> {
    let asked: Vec<&AccessKeyId> = wants
        .iter()
        .filter(|want| !inventory.answers.contains_key(want))
        .filter_map(|want| match want {
            Want::AccessKeyLastUsed(key) => Some(key),
            _ => None,
        })
        .collect();
    if !Listing::keys_may_pay(asked.len(), 0) {
        return Ok(());
    }
    let mut lists = Inventory::new(inventory.caller.clone(), inventory.taken_at);
    fill(cloud, &mut lists, [Want::Users]).await?;
    let Ok(users) = lists.users() else { return Ok(()) };
    if !Listing::keys_may_pay(asked.len(), users.len()) {
        return Ok(());
    }
    let users: Vec<_> = users.iter().map(|user| user.name.clone()).collect();
    fill(cloud, &mut lists, users.iter().cloned().map(Want::AccessKeys)).await?;
    let mut there = BTreeSet::new();
    for user in &users {
        let Ok(keys) = lists.access_keys(user) else { return Ok(()) };
        there.extend(keys.iter().map(|key| &key.id));
    }
    let nobodys = asked.into_iter().filter(|key| !there.contains(key));
    let nobodys = nobodys
        .map(|key| (Want::AccessKeyLastUsed(key.clone()), Ok(Fact::AccessKeyLastUsed(None))));
    inventory.answers.extend(nobodys);
    Ok(())
}
