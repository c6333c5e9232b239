//! What others found, compared with what the account has. A key of the account that was found in the open is in
//! wrong hands whether a step cuts it or not, so it is a row of the ledger, and the gate looks at it.

use std::collections::BTreeSet;

use crate::ids::{AccessKeyId, Principal};
use crate::inventory::{Inventory, Status, Want};
use crate::plan::{Credential, Found, Import, Plan, Whereabouts};

/// Ids of keys that live long. One of a session says nothing of whose it is.
const LONG_LIVED: &str = "AKIA";

fn keys(imports: &[Import]) -> BTreeSet<&AccessKeyId> {
    let found = imports.iter().flat_map(|import| &import.findings.found);
    found.filter_map(|finding| finding.key.as_ref()).collect()
}

/// What must be read to tell whose the keys are.
pub(super) fn wants(imports: &[Import]) -> impl Iterator<Item = Want> {
    keys(imports)
        .into_iter()
        .filter(|key| key.as_str().starts_with(LONG_LIVED))
        .map(|key| Want::AccessKeyLastUsed(key.clone()))
}

/// Where each key that was found belongs.
pub(super) fn found(
    imports: &[Import],
    principals: &BTreeSet<Principal>,
    inventory: &Inventory,
) -> Vec<Found> {
    let whereabouts = |key: &AccessKeyId| {
        if !key.as_str().starts_with(LONG_LIVED) {
            let why = "it is of a session, and AWS does not tell whose: cut the sessions of whoever it may be";
            return Whereabouts::NotTold { why: why.to_owned() };
        }
        match inventory.access_key_last_used(key) {
            Ok(None) => Whereabouts::NotHere,
            Ok(Some(of)) => {
                let (user, id) = (of.user.clone(), key.clone());
                let in_scope = principals.contains(&Principal::User(user.clone()));
                let credential = Credential::AccessKey { user, id };
                if in_scope {
                    Whereabouts::InScope { credential }
                } else {
                    Whereabouts::NotCovered { credential }
                }
            }
            Err(unread) => Whereabouts::NotTold { why: unread.to_string() },
        }
    };
    keys(imports)
        .into_iter()
        .map(|key| Found { key: key.clone(), whereabouts: whereabouts(key) })
        .collect()
}

/// What an operator should know of it before saying yes.
pub(super) fn warn(plan: &mut Plan, inventory: &Inventory) {
    let mut warnings = Vec::new();
    let gated = plan.has_a_gate();
    for found in &plan.found {
        let Some(credential) = found.whereabouts.credential() else { continue };
        if let Some(reason) = plan.trust_in(credential) {
            warnings.push(format!(
                "the {credential} is trusted ({reason}), and it was found: {}",
                plan.places_of(&found.key).join(", ")
            ));
        } else if matches!(found.whereabouts, Whereabouts::NotCovered { .. }) {
            let gate = if gated { ", so the gate will stay shut" } else { "" };
            warnings.push(format!(
                "the {credential} was found ({}) and no step cuts it{gate}: add one, or have people clear or waive it",
                plan.places_of(&found.key).join(", ")
            ));
        }
    }
    for reported in plan.imports.iter().flat_map(|import| &import.findings.reported) {
        let user = &reported.user;
        if !plan.principals.contains(&Principal::User(user.clone())) {
            continue;
        }
        let keys = inventory
            .access_keys(user)
            .ok()
            .map(|keys| keys.iter().filter(|key| key.status == Status::Active).count());
        let certificates = inventory
            .signing_certificates(user)
            .ok()
            .map(|all| all.iter().filter(|one| one.status == Status::Active).count());
        let password = inventory.login_profile(user).ok().map(|one| usize::from(one.is_some()));
        for (what, in_report, now) in [
            ("active access keys", reported.active_keys, keys),
            ("console passwords", usize::from(reported.password), password),
            ("active signing certificates", reported.active_certificates, certificates),
        ] {
            if let Some(now) = now.filter(|now| *now != in_report) {
                warnings.push(format!(
                    "the credential report has {in_report} {what} of {user}, and the survey {now}: find out what \
                     has changed since it was made"
                ));
            }
        }
    }
    plan.warnings.extend(warnings);
}
