//! What is different between two inventories of one account.
//!
//! Only what both have an answer to is compared: what one of them did not ask, or was refused, is counted and
//! not taken for nothing. Where a listing says that a user or a secret does not exist, neither does what it
//! would hold; and what the listings of everybody's policies and of secrets tell of one is an answer about it. What a
//! plan stands on is compared with the survey of a whole account so far as the plan goes: what only the survey was
//! asked lies beyond, and is told apart. When a key was last used is not compared: looking at an account uses keys. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::{Answer, Fact, Inventory, ListedSecret, OwnPolicies, SecretMetadata, Want};
use crate::ids::{Principal, RoleName, SecretId, UserName};

/// Something that an account holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Thing {
    /// What it is: `access key`, `user`, `role`, `secret`.
    pub kind: &'static str,
    /// Its id or name.
    pub name: String,
    /// The user or role who holds it, where it is somebody's.
    pub of: Option<Principal>,
}

/// What was different about something that is in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Altered {
    /// Which field.
    pub field: &'static str,
    /// As it was; `null`: not there.
    pub before: Value,
    /// As it is.
    pub after: Value,
}

/// Everything that is different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// In the second alone, with its fields.
    pub appeared: BTreeMap<Thing, Fields>,
    /// In the first alone, with its fields.
    pub vanished: BTreeMap<Thing, Fields>,
    /// In both, and not the same.
    pub changed: BTreeMap<Thing, Vec<Altered>>,
    /// By operation: how many answers were compared.
    pub compared: BTreeMap<&'static str, usize>,
    /// By operation: questions that not both have an answer to.
    pub not_compared: BTreeMap<&'static str, Unanswered>,
    /// What one of them was asked and the other, which is but of one plan, was not.
    pub beyond: Beyond,
}

/// What lies beyond what a plan asked: whatever changed there is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    /// By operation: how many questions.
    pub asked: BTreeMap<&'static str, usize>,
    /// Users, roles and secrets of which the plan asked nothing.
    pub things: BTreeSet<Thing>,
}

/// Which of the two was asked no more than one plan needs, and so decides what there is to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Neither, or both.
    Both,
    /// The first.
    First,
    /// The second.
    Second,
}

/// How many questions have an answer in one of two inventories alone, or were asked and have none in either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unanswered {
    /// Answered in the first alone.
    pub first_alone: usize,
    /// Answered in the second alone.
    pub second_alone: usize,
    /// Answered in neither.
    pub neither: usize,
    /// The users, roles and secrets that they are about.
    pub of: BTreeSet<Thing>,
}

impl Thing {
    /// The user, role or secret that it is, or that has it.
    fn holder(self) -> Option<Self> {
        let (kind, name) = match self.of {
            Some(Principal::User(user)) => ("user", user.to_string()),
            Some(Principal::Role(role)) => ("role", role.to_string()),
            None => (self.kind, self.name),
        };
        matches!(kind, "user" | "role" | "secret").then_some(Self { kind, name, of: None })
    }
}

impl Unanswered {
    fn add(&mut self, other: Self) {
        self.first_alone += other.first_alone;
        self.second_alone += other.second_alone;
        self.neither += other.neither;
        self.of.extend(other.of);
    }
}

/// What is known of a thing.
pub type Fields = BTreeMap<&'static str, Value>;

impl Difference {
    /// Whether nothing is different in what was compared.
    pub fn is_none(&self) -> bool {
        self.appeared.is_empty() && self.vanished.is_empty() && self.changed.is_empty()
    }

    /// Whether everything that either was asked is answered in both.
    pub fn is_whole(&self) -> bool {
        self.not_compared.is_empty() && self.beyond.asked.is_empty()
    }
}

/// Compares.
pub fn difference(first: &Inventory, second: &Inventory, extent: Extent) -> Difference {
    let mut found = Difference::default();
    let (in_first, in_second) = (Existing::of(first), Existing::of(second));
    let wants: BTreeSet<Want> =
        in_first.wants(&in_second).chain(in_second.wants(&in_first)).collect();
    for want in &wants {
        // None of these tells of anything that an account holds.
        if matches!(want, Want::AccessKeyLastUsed(_) | Want::Simulation(_) | Want::Probe(_)) {
            continue;
        }
        let operation = want.operation();
        let is_beyond = match extent {
            Extent::Both => false,
            Extent::First => in_first.answer(want).is_none(),
            Extent::Second => in_second.answer(want).is_none(),
        };
        let mut unanswered = Unanswered::default();
        match (in_first.things(want), in_second.things(want)) {
            (Some(before), Some(after)) => {
                *found.compared.entry(operation).or_default() += 1;
                compare(before, after, &mut found);
            }
            (before, after) if is_beyond => {
                *found.beyond.asked.entry(operation).or_default() += 1;
                let told = before.or(after).unwrap_or_default();
                found.beyond.things.extend(told.into_keys().filter_map(Thing::holder));
            }
            (Some(_), None) => unanswered.first_alone = 1,
            (None, Some(_)) => unanswered.second_alone = 1,
            (None, None) => unanswered.neither = 1,
        }
        if unanswered != Unanswered::default() {
            unanswered.of.extend(asked_of(want));
            found.not_compared.entry(operation).or_default().add(unanswered);
        }
    }
    let plan = match extent {
        Extent::Both => return found,
        Extent::First => &in_first,
        Extent::Second => &in_second,
    };
    let known = plan.known();
    found.beyond.things.retain(|thing| !known.contains(&(thing.kind, thing.name.as_str())));
    // A plan may not have asked who there is; how many there are it did.
    if let (Ok(before), Ok(after)) = (first.account_summary(), second.account_summary()) {
        compare(counts(before), counts(after), &mut found);
    }
    found
}

/// How many of each there are, as the account itself counts them.
fn counts(summary: &BTreeMap<String, i64>) -> BTreeMap<Thing, Fields> {
    let thing = Thing { kind: "account, counted", name: String::new(), of: None };
    let of = |name| json!(summary.get(name));
    let fields = [
        ("groups", of("Groups")),
        ("mfa_devices", of("MFADevices")),
        ("policies", of("Policies")),
        ("roles", of("Roles")),
        ("users", of("Users")),
    ];
    [(thing, fields.into())].into()
}

/// What one question says of things; a thing may be told of by several.
fn compare(
    mut before: BTreeMap<Thing, Fields>,
    after: BTreeMap<Thing, Fields>,
    found: &mut Difference,
) {
    for (thing, fields) in after {
        let Some(was) = before.remove(&thing) else {
            found.appeared.entry(thing).or_default().extend(fields);
            continue;
        };
        let names: BTreeSet<&'static str> = was.keys().chain(fields.keys()).copied().collect();
        let altered: Vec<Altered> = names
            .into_iter()
            .filter(|name| was.get(name) != fields.get(name))
            .map(|field| {
                let value = |of: &Fields| of.get(field).cloned().unwrap_or(Value::Null);
                Altered { field, before: value(&was), after: value(&fields) }
            })
            .collect();
        if !altered.is_empty() {
            let all = found.changed.entry(thing).or_default();
            all.extend(altered);
            all.sort_by_key(|altered| altered.field);
            all.dedup_by_key(|altered| altered.field);
        }
    }
    for (thing, fields) in before {
        found.vanished.entry(thing).or_default().extend(fields);
    }
}

/// An inventory, and who and what it says exists.
struct Existing<'i> {
    inventory: &'i Inventory,
    users: Option<BTreeSet<&'i UserName>>,
    roles: Option<BTreeSet<&'i RoleName>>,
    secrets: Option<BTreeSet<&'i str>>,
    /// The ARNs of secrets by their names.
    arns: BTreeMap<&'i str, &'i str>,
    /// And their names by their ARNs.
    names: BTreeMap<&'i str, &'i str>,
}

impl<'i> Existing<'i> {
    fn of(inventory: &'i Inventory) -> Self {
        let users = inventory.users().ok();
        let roles = inventory.roles().ok();
        let secrets = inventory.secrets().ok();
        let listed = secrets.into_iter().flatten().map(|one| (one.name.as_str(), one.arn.as_str()));
        let alone = inventory.answers.iter_if(|answer| matches!(answer, Ok(Fact::Secret(Some(_)))));
        let alone = alone.filter_map(|(_, answer)| match answer {
            Ok(Fact::Secret(Some(secret))) => Some((secret.name.as_str(), secret.arn.as_str())),
            _ => None,
        });
        let arns: BTreeMap<&str, &str> = listed.chain(alone).collect();
        Self {
            inventory,
            users: users.map(|all| all.iter().map(|user| &user.name).collect()),
            roles: roles.map(|all| all.iter().map(|role| &role.name).collect()),
            secrets: secrets.map(|all| all.iter().map(|secret| secret.arn.as_str()).collect()),
            names: arns.iter().map(|(name, arn)| (*arn, *name)).collect(),
            arns,
        }
    }

    /// What it was asked; of a secret by its ARN, where it knows that and `other` was not asked by the same name.
    fn wants(&self, other: &Self) -> impl Iterator<Item = Want> {
        self.inventory.answers.keys().map(|want| {
            let known_as = |called: &SecretId| match self.arns.get(called.as_str()) {
                Some(arn) if !other.inventory.answers.contains_key(want) => {
                    SecretId::parse(*arn).ok()
                }
                _ => None,
            };
            let known = match want {
                Want::Secret(called) => known_as(called).map(Want::Secret),
                Want::SecretPolicy(called) => known_as(called).map(Want::SecretPolicy),
                _ => None,
            };
            known.unwrap_or_else(|| want.clone())
        })
    }

    /// The answer to `want`, if it was asked: of a secret perhaps by its name.
    fn answer(&self, want: &Want) -> Option<&'i Answer> {
        let named = |arn: &SecretId| SecretId::parse(*self.names.get(arn.as_str())?).ok();
        let by_name = || match want {
            Want::Secret(arn) => self.inventory.answers.get(&Want::Secret(named(arn)?)),
            Want::SecretPolicy(arn) => self.inventory.answers.get(&Want::SecretPolicy(named(arn)?)),
            _ => None,
        };
        self.inventory.answers.get(want).or_else(by_name)
    }

    /// What the listing of secrets tells of one.
    fn listed(&self, called: &SecretId) -> Option<Box<SecretMetadata>> {
        let all = self.inventory.secrets().ok()?;
        let is_it =
            |one: &&ListedSecret| [one.name.as_str(), one.arn.as_str()].contains(&called.as_str());
        all.iter().find(is_it)?.alone().map(Box::new)
    }

    /// What the answer to `want` tells of, or what else says the same; `None` where nothing does.
    fn things(&self, want: &Want) -> Option<BTreeMap<Thing, Fields>> {
        if let Some(Ok(fact)) = self.answer(want) {
            return Some(things(want, fact));
        }
        let told = match want {
            Want::Secret(called) => self.listed(called).map(|secret| Fact::Secret(Some(secret))),
            _ => self.inventory.authorization().ok().and_then(|all| all.answer(want)),
        };
        if let Some(fact) = told {
            return Some(things(want, &fact));
        }
        // Where it was asked and refused, a listing has not answered it: somebody else may have come since.
        (self.answer(want).is_none() && self.is_gone(want)).then(BTreeMap::new)
    }

    /// The users, roles and secrets of which it was asked anything, or that it has in a listing.
    fn known(&self) -> BTreeSet<(&'static str, &str)> {
        let asked = self.inventory.answers.keys();
        let asked = asked.filter_map(|want| {
            let user = want.user().map(|user| ("user", user.as_str()));
            user.or_else(|| want.role().map(|role| ("role", role.as_str())))
        });
        let users = self.users.iter().flatten().map(|user| ("user", user.as_str()));
        let roles = self.roles.iter().flatten().map(|role| ("role", role.as_str()));
        let secrets = self.arns.keys().map(|name| ("secret", *name));
        asked.chain(users).chain(roles).chain(secrets).collect()
    }

    /// Whether a listing says that what `want` asks about does not exist.
    fn is_gone(&self, want: &Want) -> bool {
        let user = want.user().zip(self.users.as_ref());
        let no_user = user.is_some_and(|(user, all)| !all.contains(user));
        let role = want.role().zip(self.roles.as_ref());
        let no_role = role.is_some_and(|(role, all)| !all.contains(role));
        let no_secret = match (want, &self.secrets) {
            (Want::Secret(id) | Want::SecretPolicy(id), Some(all))
                if id.as_str().starts_with("arn:") =>
            {
                !all.contains(id.as_str())
            }
            _ => false,
        };
        no_user || no_role || no_secret
    }
}

/// The user, role or secret that a question is about.
fn asked_of(want: &Want) -> Option<Thing> {
    let (kind, name) = match want {
        Want::Secret(secret) | Want::SecretPolicy(secret) => ("secret", secret.to_string()),
        _ => match (want.user(), want.role()) {
            (Some(user), _) => ("user", user.to_string()),
            (None, role) => ("role", role?.to_string()),
        },
    };
    Some(Thing { kind, name, of: None })
}

fn things(want: &Want, fact: &Fact) -> BTreeMap<Thing, Fields> {
    let user = || want.user().cloned().map(Principal::User);
    let of = user().or_else(|| want.role().cloned().map(Principal::Role));
    let own = |kind, name: &str| Thing { kind, name: name.to_owned(), of: of.clone() };
    let thing = |kind, name: &str| Thing { kind, name: name.to_owned(), of: None };
    match fact {
        Fact::AccessKeyLastUsed(_) | Fact::Simulation(_) | Fact::Probe(_) => BTreeMap::new(),
        Fact::User(user) => user
            .iter()
            .map(|user| {
                let fields = [
                    ("arn", json!(user.arn)),
                    ("id", json!(user.id)),
                    ("created_at", json!(user.created_at)),
                    ("boundary", json!(user.boundary)),
                ];
                (thing("user", user.name.as_str()), fields.into())
            })
            .collect(),
        Fact::Users(users) => users
            .iter()
            .map(|user| {
                let fields = [("arn", json!(user.arn)), ("created_at", json!(user.created_at))];
                (thing("user", user.name.as_str()), fields.into())
            })
            .collect(),
        Fact::AccessKeys(keys) => keys
            .iter()
            .map(|key| {
                let fields = [("status", json!(key.status)), ("created_at", json!(key.created_at))];
                (own("access key", key.id.as_str()), fields.into())
            })
            .collect(),
        Fact::LoginProfile(profile) => profile
            .iter()
            .map(|profile| {
                let fields = [
                    ("created_at", json!(profile.created_at)),
                    ("reset_required", json!(profile.reset_required)),
                ];
                (own("console password", ""), fields.into())
            })
            .collect(),
        Fact::PasswordPolicy(policy) => policy
            .iter()
            .map(|policy| {
                let fields = [
                    ("minimum_length", json!(policy.minimum_length)),
                    ("users_may_change", json!(policy.users_may_change)),
                    ("reuse_prevention", json!(policy.reuse_prevention)),
                ];
                (thing("password policy", ""), fields.into())
            })
            .collect(),
        Fact::ServiceSpecificCredentials(all) => all
            .iter()
            .map(|one| {
                let fields = [
                    ("service", json!(one.service)),
                    ("status", json!(one.status)),
                    ("created_at", json!(one.created_at)),
                    ("expires_at", json!(one.expires_at)),
                ];
                (own("service password", &one.id), fields.into())
            })
            .collect(),
        Fact::SshPublicKeys(all) | Fact::SigningCertificates(all) => {
            let is_ssh = matches!(fact, Fact::SshPublicKeys(_));
            let kind = if is_ssh { "SSH key" } else { "signing certificate" };
            let fields = |one: &super::CredentialStatus| {
                [("status", json!(one.status)), ("uploaded_at", json!(one.uploaded_at))].into()
            };
            all.iter().map(|one| (own(kind, &one.id), fields(one))).collect()
        }
        Fact::MfaDevices(all) => all
            .iter()
            .map(|one| {
                let fields = [("enabled_at", json!(one.enabled_at))];
                (own("MFA device", &one.serial), fields.into())
            })
            .collect(),
        Fact::AttachedPolicies(all) => {
            all.iter().map(|arn| (own("attached policy", arn.as_str()), Fields::new())).collect()
        }
        Fact::InlinePolicy(document) => {
            let Want::InlinePolicy(_, name) = want else { return BTreeMap::new() };
            let fields = |document| [("document", json!(document))].into();
            let policy = own("inline policy", name.as_str());
            document.iter().map(|document| (policy.clone(), fields(document))).collect()
        }
        Fact::Role(role) => role
            .iter()
            .map(|role| {
                let fields = [
                    ("arn", json!(role.arn)),
                    ("id", json!(role.id)),
                    ("created_at", json!(role.created_at)),
                    ("boundary", json!(role.boundary)),
                ];
                (thing("role", role.name.as_str()), fields.into())
            })
            .collect(),
        Fact::Roles(roles) => roles
            .iter()
            .map(|role| {
                let fields = [("arn", json!(role.arn)), ("trust", json!(role.trust))];
                (thing("role", role.name.as_str()), fields.into())
            })
            .collect(),
        Fact::Authorization(all) => authorization(all),
        Fact::AccountSummary(counts) => {
            let of_root = |name| json!(counts.get(name));
            let fields = [
                ("access_keys", of_root("AccountAccessKeysPresent")),
                ("mfa", of_root("AccountMFAEnabled")),
                ("signing_certificates", of_root("AccountSigningCertificatesPresent")),
            ];
            [(thing("root user", ""), fields.into())].into()
        }
        Fact::Secret(secret) => secret
            .iter()
            .map(|secret| {
                let fields = [
                    ("arn", json!(secret.arn)),
                    ("versions", json!(secret.versions)),
                    ("rotates_itself", json!(secret.rotates_itself)),
                    ("rotator", json!(secret.rotator)),
                    ("owned_by", json!(secret.owned_by)),
                    ("deleted_at", json!(secret.deleted_at)),
                ];
                (thing("secret", &secret.name), fields.into())
            })
            .collect(),
        Fact::Secrets(all) => all
            .iter()
            .map(|secret| {
                let fields = [
                    ("arn", json!(secret.arn)),
                    ("tags", json!(secret.tags)),
                    ("rotates_itself", json!(secret.rotates_itself)),
                    ("rotator", json!(secret.rotator)),
                    ("owned_by", json!(secret.owned_by)),
                    ("deleted_at", json!(secret.deleted_at)),
                ];
                (thing("secret", &secret.name), fields.into())
            })
            .collect(),
        Fact::SecretPolicy(document) => {
            let Want::SecretPolicy(id) = want else { return BTreeMap::new() };
            let policy = thing("policy of secret", id.as_str());
            let fields = |document| [("document", json!(document))].into();
            document.iter().map(|document| (policy.clone(), fields(document))).collect()
        }
    }
}

fn authorization(all: &super::Authorization) -> BTreeMap<Thing, Fields> {
    let mut found: BTreeMap<Thing, Fields> = BTreeMap::new();
    let thing = |kind, name: &str| Thing { kind, name: name.to_owned(), of: None };
    let own = |policies: &OwnPolicies| -> Fields {
        [
            ("inline_policies", json!(policies.inline)),
            ("attached_policies", json!(policies.attached)),
            ("boundary", json!(policies.boundary)),
        ]
        .into()
    };
    for user in &all.users {
        let mut fields = own(&user.policies);
        fields.extend([
            ("arn", json!(user.arn)),
            ("id", json!(user.id)),
            ("created_at", json!(user.created_at)),
            ("groups", json!(user.groups)),
            ("tags", json!(user.tags)),
        ]);
        found.insert(thing("user", user.name.as_str()), fields);
    }
    for group in &all.groups {
        let mut fields = own(&group.policies);
        fields.insert("arn", json!(group.arn));
        found.insert(thing("group", group.name.as_str()), fields);
    }
    for role in &all.roles {
        let mut fields = own(&role.policies);
        fields.extend([
            ("arn", json!(role.arn)),
            ("id", json!(role.id)),
            ("created_at", json!(role.created_at)),
            ("tags", json!(role.tags)),
        ]);
        found.insert(thing("role", role.name.as_str()), fields);
    }
    for (arn, document) in &all.managed {
        found.insert(thing("managed policy", arn.as_str()), [("document", json!(document))].into());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, Arn};
    use crate::inventory::{AccessKey, Answer, Caller, Gap, ListedUser, Status};

    fn inventory(answers: Vec<(Want, Answer)>) -> Inventory {
        let caller = Caller {
            account: AccountId::parse("111122223333").unwrap(),
            arn: Arn::parse("arn:aws:iam::111122223333:user/us").unwrap(),
            id: "AIDAEXAMPLE".to_owned(),
            access_key_id: None,
            came_from: Vec::new(),
            break_glass: Vec::new(),
        };
        let mut inventory = Inventory::new(caller, "2026-03-24T07:00:00Z".parse().unwrap());
        inventory.answers.extend(answers);
        inventory
    }

    fn users(names: &[&str]) -> (Want, Answer) {
        let user = |name: &&str| ListedUser {
            name: UserName::parse(*name).unwrap(),
            path: "/".to_owned(),
            arn: Arn::parse(format!("arn:aws:iam::111122223333:user/{name}")).unwrap(),
            id: String::new(),
            created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        };
        (Want::Users, Ok(Fact::Users(names.iter().map(user).collect())))
    }

    fn keys(user: &str, ids: &[(&str, Status)]) -> (Want, Answer) {
        let key = |(id, status): &(&str, Status)| AccessKey {
            id: crate::ids::AccessKeyId::parse(*id).unwrap(),
            status: *status,
            created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        };
        let want = Want::AccessKeys(UserName::parse(user).unwrap());
        (want, Ok(Fact::AccessKeys(ids.iter().map(key).collect())))
    }

    fn refused(want: Want) -> (Want, Answer) {
        let gap = Gap {
            operation: want.operation().to_owned(),
            code: "AccessDenied".to_owned(),
            message: String::new(),
            passing: false,
            understood: true,
        };
        (want, Err(Box::new(gap)))
    }

    const A: &str = "AKIAEXAMPLEAAAAAAA01";
    const B: &str = "AKIAEXAMPLEBBBBBBB02";

    fn compared(first: &Inventory, second: &Inventory) -> Difference {
        difference(first, second, Extent::Both)
    }

    fn told(things: &BTreeMap<Thing, Fields>) -> Vec<String> {
        things.keys().map(|thing| format!("{} {}", thing.kind, thing.name)).collect()
    }

    #[test]
    fn what_appeared_vanished_and_changed_is_told() {
        let first = inventory(vec![keys("ann", &[(A, Status::Active)])]);
        let second = inventory(vec![keys("ann", &[(A, Status::Inactive), (B, Status::Active)])]);
        let there = compared(&first, &second);
        assert_eq!(told(&there.appeared), [format!("access key {B}")]);
        let (thing, altered) = there.changed.first_key_value().unwrap();
        assert_eq!((thing.name.as_str(), altered.len()), (A, 1));
        assert_eq!((altered[0].field, altered[0].after.as_str()), ("status", Some("inactive")));
        let back = compared(&second, &first);
        assert_eq!(told(&back.vanished), [format!("access key {B}")]);
        assert!(compared(&first, &first).is_none());
    }

    #[test]
    fn what_one_of_them_could_not_read_is_not_taken_for_nothing() {
        let (ann, want) = (keys("ann", &[(A, Status::Active)]), keys("ann", &[]).0);
        let first = inventory(vec![users(&["ann"]), ann]);
        for second in [
            inventory(vec![users(&["ann"]), refused(want.clone())]),
            inventory(vec![users(&["ann"])]),
            inventory(vec![refused(Want::Users)]),
        ] {
            let found = compared(&first, &second);
            assert!(found.is_none(), "{found:?}");
            let ann = Thing { kind: "user", name: "ann".to_owned(), of: None };
            let first_alone =
                Unanswered { first_alone: 1, of: [ann].into(), ..Unanswered::default() };
            assert_eq!(found.not_compared["iam:ListAccessKeys"], first_alone);
            assert!(!found.is_whole());
        }
        // Nor what both were refused.
        let neither = inventory(vec![users(&["ann"]), refused(want)]);
        let found = compared(&neither, &neither);
        assert_eq!(found.not_compared["iam:ListAccessKeys"].neither, 1);
        assert!(found.is_none() && !found.is_whole());
        assert_eq!(found.compared, [("iam:ListUsers", 1)].into());
    }

    #[test]
    fn what_a_user_held_vanishes_with_him() {
        let first = inventory(vec![users(&["ann", "bob"]), keys("bob", &[(B, Status::Active)])]);
        let second = inventory(vec![users(&["ann"])]);
        let found = compared(&first, &second);
        assert_eq!(told(&found.vanished), [format!("access key {B}"), "user bob".to_owned()]);
        assert!(found.not_compared.is_empty());
    }
}
