//! The survey of a whole account: every question that has no answer yet, from what is known by now.
//!
//! Pure. Whoever reads asks what is open, reads it, and asks again until nothing is: so a survey that was
//! stopped goes on from what was kept.

use std::collections::BTreeSet;

use crate::ids::UserName;
use crate::inventory::{Inventory, ListedSecret, Want};

/// What is still to be read of everything. With `last_used`, when each access key was last used as well.
///
/// Users are those of the listing and those of the authorization details, so that either may be refused.
pub fn open(inventory: &Inventory, last_used: bool) -> BTreeSet<Want> {
    let listings = [
        Want::Users,
        Want::Roles,
        Want::Authorization,
        Want::AccountSummary,
        Want::PasswordPolicy,
        Want::Secrets,
    ];
    let users = users(inventory);
    let mut wants: BTreeSet<Want> = listings.into();
    for user in &users {
        wants.extend(Want::credentials_of(user));
        wants.insert(Want::MfaDevices(user.clone()));
        if last_used && let Ok(keys) = inventory.access_keys(user) {
            wants.extend(keys.iter().map(|key| Want::AccessKeyLastUsed(key.id.clone())));
        }
    }
    if let Ok(secrets) = inventory.secrets() {
        wants.extend(secrets.iter().filter_map(ListedSecret::id).map(Want::SecretPolicy));
    }
    wants.retain(|want| !inventory.answers.contains_key(want));
    wants
}

/// Everybody that is known by a listing.
fn users(inventory: &Inventory) -> BTreeSet<UserName> {
    let listed = inventory.users().into_iter().flatten().map(|user| &user.name);
    let detailed = inventory.authorization().into_iter().flat_map(|all| &all.users);
    listed.chain(detailed.map(|user| &user.name)).cloned().collect()
}
