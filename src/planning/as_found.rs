//! The account as it would be without what a case has done to it: by that a playbook's expressions are decided again.
//!
//! What was chosen by a condition was approved as the plan shows it. Once the case has switched keys off, `if: no key of his
//! is active` is true of everybody it was false of, and the second round would cut whom nobody was asked about; and the only
//! active key of a user is none any more. So what the case itself has changed is read as it stood before, and whatever
//! anybody else has done since as it stands now. Only expressions are decided so: what an action does, it decides by the
//! account as it is.
//!
//! Kept with the plan of each round, which follows from it. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Earlier;
use crate::ids::{AccessKeyId, Arn, ChangeId, PolicyName, Principal};
use crate::inventory::{
    AccessKey, Answers, Authorization, Fact, Inventory, ListedSecret, OwnPolicies, Status, Want,
};
use crate::plan::{Change, Credential, Effect, Plan, SavedPlan, Subject};

/// What was found of all that the changes in `begun` are about, before any was: as the plan of the round `saved` and those
/// before it stand on.
pub fn as_found(saved: &SavedPlan, begun: &BTreeSet<ChangeId>) -> Answers {
    let round = saved.round.as_ref();
    let mut found = round.map(|round| round.as_found.clone()).unwrap_or_default();
    // Of what was begun by an earlier round this one has found no more than that has made of it.
    let is_new = |change: &&Change| {
        begun.contains(&change.id) && round.is_none_or(|round| !round.begun.contains(&change.id))
    };
    let mut principals = BTreeSet::new();
    for change in saved.plan.changes.iter().filter(is_new) {
        for effect in &change.effects {
            principals.extend(of_effect(effect).and_then(Credential::principal));
            if let Effect::Cuts { subject, .. } | Effect::Lifts { subject, .. } = effect {
                principals.extend(subject.principal());
            }
            for want in
                of_effect(effect).map(|one| told_by(one, &saved.inventory)).into_iter().flatten()
            {
                if let Some(answer @ Ok(_)) = saved.inventory.answers.get(&want)
                    && !found.contains_key(&want)
                {
                    found.insert(want, answer.clone());
                }
            }
        }
    }
    if let Ok(all) = saved.inventory.authorization() {
        let mut kept = match found.remove(&Want::Authorization) {
            Some(Ok(Fact::Authorization(kept))) => *kept,
            _ => Authorization::default(),
        };
        let of_it = |principal: Principal| principals.contains(&principal);
        let users = all.users.iter().filter(|user| of_it(Principal::User(user.name.clone())));
        for user in users {
            if let Err(at) = kept.users.binary_search_by(|known| known.name.cmp(&user.name)) {
                kept.users.insert(at, user.clone());
            }
        }
        let roles = all.roles.iter().filter(|role| of_it(Principal::Role(role.name.clone())));
        for role in roles {
            if let Err(at) = kept.roles.binary_search_by(|known| known.name.cmp(&role.name)) {
                kept.roles.insert(at, role.clone());
            }
        }
        let own = kept.users.iter().map(|user| &user.policies);
        let own = own.chain(kept.roles.iter().map(|role| &role.policies));
        let managed: BTreeSet<Arn> =
            own.flat_map(|own| own.attached.iter().chain(&own.boundary)).cloned().collect();
        for arn in managed {
            if let (Some(document), false) =
                (all.managed.get(&arn), kept.managed.contains_key(&arn))
            {
                kept.managed.insert(arn, document.clone());
            }
        }
        if !(kept.users.is_empty() && kept.roles.is_empty()) {
            found.insert(Want::Authorization, Ok(Fact::Authorization(Box::new(kept))));
        }
    }
    found
}

/// The one credential that an effect is about, where it is about one.
fn of_effect(effect: &Effect) -> Option<&Credential> {
    match effect {
        Effect::Cuts { subject: Subject::Credential { credential }, .. }
        | Effect::Lifts { subject: Subject::Credential { credential }, .. }
        | Effect::Destroys { credential } => Some(credential),
        Effect::Issues { replaces, .. } => replaces.as_ref(),
        _ => None,
    }
}

/// The questions that tell how a credential stands.
fn told_by(credential: &Credential, facts: &Inventory) -> Vec<Want> {
    match credential {
        Credential::AccessKey { user, id } => {
            vec![Want::AccessKeys(user.clone()), Want::AccessKeyLastUsed(id.clone())]
        }
        Credential::Password { user } => vec![Want::LoginProfile(user.clone())],
        // Expressions ask by the ARN, whatever the playbook calls it.
        Credential::SecretValue { secret } => {
            let arn = facts.secrets().ok().into_iter().flatten();
            let arn =
                arn.filter(|one| [one.name.as_str(), one.arn.as_str()].contains(&secret.as_str()));
            arn.filter_map(ListedSecret::id).map(Want::SecretPolicy).collect()
        }
        _ => Vec::new(),
    }
}

/// What expressions are to see: `now`, without what the case has done by then.
pub(super) fn without_us<'i>(now: &'i Inventory, earlier: &Earlier<'_>) -> Cow<'i, Inventory> {
    if earlier.as_found.is_empty() && earlier.issued.is_empty() {
        return Cow::Borrowed(now);
    }
    let mut seen = now.clone();
    let ours = OurKeys::of(earlier);
    let with_keys = now.answers.iter().filter_map(|(want, answer)| match (want, answer) {
        (Want::AccessKeys(_), Ok(Fact::AccessKeys(keys))) => Some((want, keys)),
        _ => None,
    });
    for (want, keys) in with_keys {
        let found = match earlier.as_found.get(want) {
            Some(Ok(Fact::AccessKeys(found))) => found.as_slice(),
            _ => &[],
        };
        let keys = ours.taken_back(keys, found, earlier.issued);
        seen.answers.insert(want.clone(), Ok(Fact::AccessKeys(keys)));
    }
    for (want, found) in earlier.as_found.iter() {
        let (Ok(found), Some(Ok(fact))) = (found, now.answers.get(want)) else { continue };
        let fact = match (found, fact) {
            (Fact::LoginProfile(Some(_)), Fact::LoginProfile(None))
            | (Fact::AccessKeyLastUsed(Some(_)), Fact::AccessKeyLastUsed(None))
            | (Fact::SecretPolicy(_), Fact::SecretPolicy(_)) => found.clone(),
            (Fact::Authorization(found), Fact::Authorization(all)) => {
                Fact::Authorization(Box::new(with_policies_of(found, all)))
            }
            _ => continue,
        };
        seen.answers.insert(want.clone(), Ok(fact));
    }
    Cow::Owned(seen)
}

/// Keys that a case has done something to.
struct OurKeys<'a> {
    /// Switched off or on.
    turned: BTreeSet<&'a AccessKeyId>,
    /// Deleted.
    deleted: BTreeSet<&'a AccessKeyId>,
}

impl<'a> OurKeys<'a> {
    fn of(earlier: &Earlier<'a>) -> Self {
        let plan: &'a Plan = earlier.plan;
        // What was so already was not made so by the case.
        let begun =
            plan.changes.iter().filter(|one| !one.already && earlier.begun.contains(&one.id));
        let mut ours = Self { turned: BTreeSet::new(), deleted: BTreeSet::new() };
        for effect in begun.flat_map(|change| &change.effects) {
            let Some(Credential::AccessKey { id, .. }) = of_effect(effect) else { continue };
            match effect {
                Effect::Cuts { .. } | Effect::Lifts { .. } => ours.turned.insert(id),
                Effect::Destroys { .. } => ours.deleted.insert(id),
                _ => continue,
            };
        }
        ours
    }

    /// The keys of a user as they would be: those in `found` stood so before.
    fn taken_back(
        &self,
        now: &[AccessKey],
        found: &[AccessKey],
        issued: &BTreeSet<AccessKeyId>,
    ) -> Vec<AccessKey> {
        let before = |id: &AccessKeyId| found.iter().find(|key| key.id == *id);
        let there = now.iter().filter(|key| !issued.contains(&key.id)).map(|key| {
            let mut key = key.clone();
            if self.turned.contains(&key.id) {
                // Whatever came in since was active, or nobody would have switched it off.
                key.status = before(&key.id).map_or(Status::Active, |before| before.status);
            }
            key
        });
        let gone = found.iter().filter(|key| {
            self.deleted.contains(&key.id) && now.iter().all(|there| there.id != key.id)
        });
        let mut keys: Vec<AccessKey> = there.chain(gone.cloned()).collect();
        keys.sort_by(|one, other| one.id.cmp(&other.id));
        keys
    }
}

/// Everybody, and of those in `found` the policies that they had, with whatever else allows them anything now: somebody may
/// have given them more since. What denies since then is ours, or of somebody who would have them left out.
fn with_policies_of(found: &Authorization, all: &Authorization) -> Authorization {
    let now = all;
    let mut all = now.clone();
    for (arn, document) in &found.managed {
        all.managed.entry(arn.clone()).or_insert_with(|| document.clone());
    }
    let users =
        all.users.iter_mut().map(|user| (Principal::User(user.name.clone()), &mut user.policies));
    let roles =
        all.roles.iter_mut().map(|role| (Principal::Role(role.name.clone()), &mut role.policies));
    for (principal, policies) in users.chain(roles) {
        if let Some(before) = policies_of(found, &principal) {
            *policies = joined(before, policies, (&found.managed, &now.managed));
        }
    }
    all
}

/// The texts of managed policies.
type Managed = BTreeMap<Arn, String>;

/// What somebody had, and what allows him anything now. Of managed policies `managed` has the texts, as they were and as
/// they are.
fn joined(before: &OwnPolicies, now: &OwnPolicies, managed: (&Managed, &Managed)) -> OwnPolicies {
    let (were, are) = managed;
    let mut joined = before.clone();
    let mut since: Vec<String> = Vec::new();
    let new = now.inline.iter().filter(|(name, text)| before.inline.get(*name) != Some(*text));
    since.extend(new.filter_map(|(_, text)| allowing(text)));
    for arn in now.attached.iter().filter(|arn| !before.attached.contains(*arn)) {
        match are.get(arn) {
            Some(text) => since.extend(allowing(text)),
            None if is_deny_all(arn) => {}
            // A policy whose text is not told may say anything.
            None => joined.attached.push(arn.clone()),
        }
    }
    for arn in &before.attached {
        if let (Some(was), Some(is)) = (were.get(arn), are.get(arn))
            && was != is
        {
            joined.attached.retain(|one| one != arn);
            since.push(was.clone());
            since.extend(allowing(is));
        }
    }
    joined.attached.sort();
    if now.boundary != before.boundary && !now.boundary.as_ref().is_some_and(is_deny_all) {
        joined.boundary = None;
    }
    let mut n = 0;
    for text in since {
        // Under names that nobody has.
        let name = loop {
            n += 1;
            let name = PolicyName::parse(format!("since-{n}")).expect("a policy name");
            if !joined.inline.contains_key(&name) {
                break name;
            }
        };
        joined.inline.insert(name, text);
    }
    joined
}

/// What of a policy allows anything, if anything does; all of one that is not understood.
fn allowing(text: &str) -> Option<String> {
    let Ok(mut policy) = serde_json::from_str::<Value>(text) else { return Some(text.to_owned()) };
    let Some(statements) = policy.get_mut("Statement") else { return Some(text.to_owned()) };
    let denies = |statement: &Value| statement.get("Effect").is_some_and(|is| is == "Deny");
    match statements {
        Value::Array(all) => {
            all.retain(|statement| !denies(statement));
            if all.is_empty() {
                return None;
            }
        }
        one if denies(one) => return None,
        _ => {}
    }
    Some(policy.to_string())
}

fn is_deny_all(arn: &Arn) -> bool {
    arn.account() == "aws" && arn.resource() == "policy/AWSDenyAll"
}

fn policies_of<'a>(found: &'a Authorization, principal: &Principal) -> Option<&'a OwnPolicies> {
    match principal {
        Principal::User(name) => {
            let at = found.users.binary_search_by(|user| user.name.cmp(name)).ok()?;
            Some(&found.users[at].policies)
        }
        Principal::Role(name) => {
            let at = found.roles.binary_search_by(|role| role.name.cmp(name)).ok()?;
            Some(&found.roles[at].policies)
        }
    }
}
