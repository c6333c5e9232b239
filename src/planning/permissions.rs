//! Does whoever surveys have what the plan needs? Asked of AWS's policy simulator, where that is allowed.
//!
//! Whatever it says, nothing is left out of the plan because of it: what can be cut is cut. It knows neither
//! session policies nor the policies of resources, so "can" is a good sign and not a promise.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{self, catalog};
use crate::ids::{Arn, Principal as Whose};
use crate::inventory::{Inventory, Simulated, Simulation, Want};
use crate::lookup::Lookup;
use crate::plan::{Change, Effect, Have, Permission, Texts};

/// Resources in one question.
const AT_ONCE: usize = 100;
/// Resources asked about for one set of actions: policies tell users apart by path or tag, if at all, and the
/// simulator is slow.
const MOST: usize = 1_000;

/// Whose policies decide.
enum Principal {
    /// A user or role of the account.
    Known(Arn),
    /// Nothing restrains the account's root.
    Root,
    /// The simulator cannot be asked, and why.
    Nobody(String),
}

/// What is asked about the permissions that changes need.
pub(super) struct Asked {
    principal: Principal,
    /// None where nobody can be asked about.
    questions: Vec<Simulation>,
}

impl Asked {
    /// About all that `changes` need.
    pub(super) fn about(changes: &[Change], inventory: &Inventory) -> Self {
        let principal = principal(inventory);
        let questions = match &principal {
            Principal::Known(principal) => questions(changes, inventory, principal),
            Principal::Root | Principal::Nobody(_) => Vec::new(),
        };
        Self { principal, questions }
    }

    /// What must be read to tell.
    pub(super) fn wants(&self) -> impl Iterator<Item = Want> {
        self.questions.iter().map(|question| Want::Simulation(Box::new(question.clone())))
    }
}

/// What must be read to tell of permissions that belong to no change.
pub(super) fn wants_for(needed: &[Needed], inventory: &Inventory) -> Vec<Want> {
    match principal(inventory) {
        Principal::Known(principal) => asked_for(needed, &principal)
            .into_iter()
            .map(|one| Want::Simulation(Box::new(one)))
            .collect(),
        Principal::Root | Principal::Nobody(_) => Vec::new(),
    }
}

/// Says of permissions that belong to no change whether they are there.
pub(super) fn tell_of(needed: &[Needed], inventory: &Inventory) -> Vec<Permission> {
    let principal = principal(inventory);
    let asked = match &principal {
        Principal::Known(principal) => asked_for(needed, principal),
        Principal::Root | Principal::Nobody(_) => Vec::new(),
    };
    let told = needed.iter().map(|(permission, on)| {
        let context = circumstances(permission);
        let (have, why) = match &principal {
            Principal::Root => (Have::Can, None),
            Principal::Nobody(why) => (Have::Unknown, Some(why.clone())),
            Principal::Known(_) => {
                let question = asked.iter().find(|question| question.context == context);
                match question.map(|question| inventory.simulation(question)) {
                    Some(Ok(all)) => {
                        let about = |one: &&Simulated| {
                            one.action == permission.action && one.resource == *on
                        };
                        judge(all.iter().find(about), None)
                    }
                    Some(Err(unread)) => {
                        let gap = unread.gap;
                        let said =
                            gap.map(|gap| format!("{} answered {}", gap.operation, gap.code));
                        judge(None, said.as_deref())
                    }
                    None => judge(None, None),
                }
            }
        };
        Permission {
            action: permission.action.into(),
            on: on.as_str().into(),
            have,
            only_if: permission.only_if.map(Into::into),
            why: why.map(Into::into),
        }
    });
    told.collect()
}

/// A permission, and the ARN it is needed for.
type Needed = (action::Permission, String);

fn asked_for(needed: &[Needed], principal: &Arn) -> Vec<Simulation> {
    let mut together: BTreeMap<_, (BTreeSet<&str>, BTreeSet<&String>)> = BTreeMap::new();
    for (permission, on) in needed {
        let (actions, resources) = together.entry(circumstances(permission)).or_default();
        actions.insert(permission.action);
        resources.insert(on);
    }
    let question =
        |(context, (actions, resources)): (_, (BTreeSet<&str>, BTreeSet<&String>))| Simulation {
            principal: principal.clone(),
            actions: actions.into_iter().map(str::to_owned).collect(),
            resources: resources.into_iter().cloned().collect(),
            context,
        };
    together.into_iter().map(question).collect()
}

/// Says of every change which permissions it needs, and whether they are there.
pub(super) fn tell(
    changes: &mut [Change],
    Asked { principal, questions }: &Asked,
    inventory: &Inventory,
    texts: &mut Texts,
) {
    let mut answers: Lookup<(&str, &str, &BTreeMap<String, String>), &Simulated> =
        Lookup::default();
    let mut refused = None;
    for question in questions {
        match inventory.simulation(question) {
            Ok(simulated) => {
                answers.extend(simulated.iter().map(|one| {
                    ((one.action.as_str(), one.resource.as_str(), &question.context), one)
                }));
            }
            Err(unread) => {
                refused = unread.gap.map(|gap| format!("{} answered {}", gap.operation, gap.code));
            }
        }
    }
    for change in changes {
        change.permissions = needed(change, inventory)
            .into_iter()
            .map(|(permission, on)| {
                let context = circumstances(&permission);
                let (have, why) = match principal {
                    Principal::Root => (Have::Can, None),
                    Principal::Nobody(why) => (Have::Unknown, Some(why.clone())),
                    Principal::Known(_) => judge(
                        answers.get(&(permission.action, on.as_str(), &context)).copied(),
                        refused.as_deref(),
                    ),
                };
                Permission {
                    action: texts.share(permission.action),
                    on: texts.share(on),
                    have,
                    only_if: permission.only_if.map(|text| texts.share(text)),
                    why: why.map(|text| texts.share(text)),
                }
            })
            .collect();
    }
}

/// Has the changes made by the ways that are left, where one is known to be refused and there is another: nothing is tried
/// that is known to come to nothing, and what is said of it is said of what will be done.
pub(super) fn leave_out_refused(changes: &mut [Change], texts: &mut Texts) {
    for change in changes.iter_mut().filter(|change| !change.already) {
        let refused = change.permissions.iter().filter(|one| one.have == Have::Cannot);
        let refused: Vec<&str> = refused.map(|one| one.action.as_str()).collect();
        if refused.is_empty() {
            continue;
        }
        let action = catalog::of(change);
        let Some((decided, after)) = action.without(&change.decided, &refused) else { continue };
        let needed = action.permissions(&decided);
        change.permissions.retain_mut(|known| {
            let still = needed.iter().find(|one| known.action == one.action);
            if let Some(still) = still {
                known.only_if = still.only_if.map(|text| texts.share(text));
            }
            still.is_some()
        });
        (change.decided, change.after) = (decided, texts.share(after));
    }
}

fn judge(simulated: Option<&Simulated>, refused: Option<&str>) -> (Have, Option<String>) {
    match simulated {
        // A condition that was not given may turn it either way.
        Some(simulated) if !simulated.depends_on.is_empty() => {
            let keys = simulated.depends_on.join(", ");
            (Have::Unknown, Some(format!("a policy asks about {keys}")))
        }
        Some(simulated) if simulated.allowed => (Have::Can, None),
        Some(_) => (Have::Cannot, None),
        None => {
            let why = refused.unwrap_or("it was not simulated").to_owned();
            (Have::Unknown, Some(why))
        }
    }
}

/// The user or role whose policies decide what the caller may do; `None` for the account's root, whom nothing
/// restrains. Fails with why nobody can be asked about. Needs the account's roles to be read.
pub fn whose_policies(inventory: &Inventory) -> Result<Option<Arn>, String> {
    match principal(inventory) {
        Principal::Known(arn) => Ok(Some(arn)),
        Principal::Root => Ok(None),
        Principal::Nobody(why) => Err(why),
    }
}

/// The user or role behind the caller.
fn principal(inventory: &Inventory) -> Principal {
    let arn = &inventory.caller.arn;
    let nobody = |why: &str| Principal::Nobody(why.to_owned());
    match arn.resource().split('/').collect::<Vec<_>>().as_slice() {
        ["root"] => Principal::Root,
        ["user", ..] => Principal::Known(arn.clone()),
        // A session's ARN leaves its role's path out.
        ["assumed-role", name, ..] => match inventory.roles() {
            Ok(roles) => match roles.iter().find(|role| role.name.as_str() == *name) {
                Some(role) => Principal::Known(role.arn.clone()),
                None => nobody("the caller's role is not in the account's list"),
            },
            Err(_) => nobody("the caller's role could not be looked up"),
        },
        _ => nobody("the simulator cannot be asked about a federated session"),
    }
}

/// What one change needs, with the ARN it needs it for.
fn needed(change: &Change, inventory: &Inventory) -> Vec<(action::Permission, String)> {
    let action = catalog::find(&change.kind).expect("planned from the same catalog");
    let whose = change.effects.iter().find_map(|effect| match effect {
        Effect::Cuts { subject, .. } | Effect::Lifts { subject, .. } => subject.principal(),
        Effect::Issues { user, .. } => Some(Whose::User(user.clone())),
        Effect::Destroys { credential } => credential.principal(),
        Effect::Delivers { .. } | Effect::Rotates { .. } | Effect::Spares { .. } => None,
    });
    let secret = change.effects.iter().find_map(Effect::secret);
    let arn_of = |service: &str| -> Option<String> {
        if service == "secretsmanager" {
            return Some(inventory.arn_of_secret(secret?)?.as_str().to_owned());
        }
        let arn = match whose.as_ref()? {
            Whose::User(user) => &inventory.user(user).ok()?.as_ref()?.arn,
            Whose::Role(role) => &inventory.role(role).ok()?.as_ref()?.arn,
        };
        Some(arn.as_str().to_owned())
    };
    let with_target = |permission: action::Permission| {
        let service = permission.action.split(':').next().unwrap_or_default();
        // It is about no secret.
        if permission.action == "secretsmanager:GetRandomPassword" {
            return (permission, "*".to_owned());
        }
        let arn = arn_of(service).unwrap_or_default();
        (permission, arn)
    };
    action.permissions(&change.decided).into_iter().map(with_target).collect()
}

fn circumstances(permission: &action::Permission) -> BTreeMap<String, String> {
    permission.context.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// As few questions as there are sets of actions that are needed together.
fn questions(changes: &[Change], inventory: &Inventory, principal: &Arn) -> Vec<Simulation> {
    type Together = (BTreeSet<&'static str>, BTreeMap<String, String>);
    let mut together: BTreeMap<Together, BTreeSet<String>> = BTreeMap::new();
    for change in changes {
        let mut actions: BTreeMap<(String, BTreeMap<String, String>), BTreeSet<&str>> =
            BTreeMap::new();
        for (permission, on) in needed(change, inventory) {
            if !on.is_empty() {
                let key = (on, circumstances(&permission));
                actions.entry(key).or_default().insert(permission.action);
            }
        }
        for ((on, context), actions) in actions {
            let resources = together.entry((actions, context)).or_default();
            resources.insert(on);
            if resources.len() > MOST {
                resources.pop_last();
            }
        }
    }
    let mut questions = Vec::new();
    for ((actions, context), resources) in together {
        let resources: Vec<String> = resources.into_iter().collect();
        for resources in resources.chunks(AT_ONCE) {
            questions.push(Simulation {
                principal: principal.clone(),
                actions: actions.iter().map(|action| (*action).to_owned()).collect(),
                resources: resources.to_vec(),
                context: context.clone(),
            });
        }
    }
    questions
}
