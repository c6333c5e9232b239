//! Never cut the branch we sit on: does a plan take away what its own run stands on?
//!
//! What a run stands on is its caller and everything that the caller came from, as far as that is known: the
//! user whose key or session signs, the role of a session, the credentials that a profile or `--role-arn`
//! renews the session with, and the users whom the role's trust admits. What cannot be known is told as a
//! warning; what is known refuses the plan, unless the operator has named the identity to be lost.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic};
use crate::ids::{Arn, Principal};
use crate::inventory::{Caller, Inventory, ListedRole, Origin};
use crate::plan::{Change, Effect, Plan, Subject};
use crate::policy::Document;
use crate::policy::trust::{Admission, admits, admitted};

/// What a cut would take.
struct Lost {
    /// The identity that is cut.
    arn: Option<Arn>,
    /// From the run to what is cut, one link after the other.
    path: Vec<String>,
}

/// Refuses where the plan cuts what `caller` stands on; gives back what is to be said where it is accepted, or
/// may be so. Asked again when a saved plan is run, because another may run it.
pub fn refuse_lock_out(
    plan: &Plan,
    inventory: &Inventory,
    caller: &Caller,
) -> Result<Vec<String>, Diagnostic> {
    let mut warnings = Vec::new();
    for lost in lost(plan, inventory, caller, &mut warnings) {
        let path = lost.path.join(" <- ");
        let accepted = lost.arn.as_ref().is_some_and(|arn| plan.accepted_lockouts.contains(arn));
        if accepted {
            warnings.push(format!(
                "the run cuts what it stands on, and that was accepted: {path}. It will stop there; go on with \
                 other credentials: portcullis resume CASE"
            ));
            continue;
        }
        let message = format!("the plan would cut off its own caller: {path}");
        let last = lost.arn.map_or(String::new(), |arn| {
            format!("; or, as the last resort and on record, accept it: --accept-lockout {arn}")
        });
        return Err(Diagnostic::error(Code::LockOut, message).help(format!(
            "run from an identity the playbook does not touch: a break-glass user, or an incident role \
             (--profile NAME, --role-arn ARN); or cut less, so that it is left out{last}"
        )));
    }
    Ok(warnings)
}

fn lost(
    plan: &Plan,
    inventory: &Inventory,
    caller: &Caller,
    warnings: &mut Vec<String>,
) -> Vec<Lost> {
    let mut lost = Vec::new();
    let session = session_of(&caller.arn);
    let mut here = vec![format!("this run, as {}", caller.arn)];
    if let Some((role, name)) = session {
        here.push(match permission_set(role) {
            Some(set) => format!("permission set {set}, signed in to as {name}"),
            None => format!("role {role}"),
        });
    }
    let role = session.and_then(|(name, _)| {
        inventory.roles().ok()?.iter().find(|role| role.name.as_str() == name)
    });
    if let Some((name, _)) = session
        && let Some(by) = cut_by(
            plan,
            |subject| matches!(subject.principal(), Some(Principal::Role(role)) if role.as_str() == name),
        )
    {
        let path = here.iter().cloned().chain([by]).collect();
        lost.push(Lost { arn: role.map(|role| role.arn.clone()), path });
    }
    lost.extend(
        sealed_out(plan, caller)
            .map(|by| Lost { arn: None, path: here.iter().cloned().chain([by]).collect() }),
    );
    let behind = role.map(|role| Behind::of(role, plan, inventory));
    let mut perhaps = Vec::new();
    for user in plan.users() {
        let found = inventory.user(user).ok().and_then(Option::as_ref);
        let keys = inventory.access_keys(user).map(Vec::as_slice).unwrap_or_default();
        let signs =
            |id: Option<&crate::ids::AccessKeyId>| keys.iter().any(|key| Some(&key.id) == id);
        let mut add = |links: Vec<String>| {
            let by = cut_by(plan, |subject| subject.user() == Some(user)).unwrap_or_default();
            let path = here.iter().cloned().chain(links).chain([format!("user {user}"), by]);
            let path = path.collect();
            lost.push(Lost { arn: found.map(|user| user.arn.clone()), path });
        };
        // A session minted by the user has the user's own id; a federated one has another, and is told by the
        // key that signs or by its ARN.
        let is_caller = found.is_some_and(|user| user.id == caller.id || user.arn == caller.arn);
        let origin = caller.came_from.iter().find(|origin| {
            let same = found.is_some_and(|user| origin.arn.as_ref() == Some(&user.arn));
            same || signs(origin.access_key_id.as_ref())
        });
        if is_caller || signs(caller.access_key_id.as_ref()) {
            add(Vec::new());
        } else if let Some(origin) = origin {
            add(vec![origin.how.clone()]);
        } else if !caller.came_from.iter().any(Origin::is_known)
            && let (Some(found), Some(behind)) = (found, &behind)
        {
            match behind.through(&found.arn, caller.account.as_str()) {
                Through::Only => add(vec!["only users in scope may assume it".to_owned()]),
                Through::Perhaps => perhaps.push(format!("user {user}")),
                Through::No => {}
            }
        }
    }
    // Roles that the session may have been got through.
    for cut in plan.principals.iter().filter_map(Principal::role) {
        if session.is_some_and(|(name, _)| name == cut.as_str()) {
            continue;
        }
        let listed = inventory.roles().ok().and_then(|all| all.iter().find(|r| r.name == *cut));
        let is_its = |arn: &Arn| {
            let its = session_of(arn).is_some_and(|(name, _)| name == cut.as_str());
            its && arn.account() == caller.account.as_str()
                || listed.is_some_and(|role| role.arn == *arn)
        };
        let origin =
            caller.came_from.iter().find(|origin| origin.arn.as_ref().is_some_and(&is_its));
        let mut add = |link: String| {
            let by = cut_by(
                plan,
                |subject| matches!(subject.principal(), Some(Principal::Role(role)) if role == *cut),
            );
            let links = [link, format!("role {cut}"), by.unwrap_or_default()];
            let path = here.iter().cloned().chain(links).collect();
            lost.push(Lost { arn: listed.map(|role| role.arn.clone()), path });
        };
        if let Some(origin) = origin {
            add(origin.how.clone());
        } else if !caller.came_from.iter().any(Origin::is_known)
            && let (Some(listed), Some(behind)) = (listed, &behind)
        {
            match behind.through(&listed.arn, caller.account.as_str()) {
                Through::Only => add("only who is in scope may assume it".to_owned()),
                Through::Perhaps => perhaps.push(format!("role {cut}")),
                Through::No => {}
            }
        }
    }
    if let (Some(role), Some(first)) = (role, perhaps.first()) {
        let more = match perhaps.len() {
            1 => String::new(),
            n => format!(", or {} others", n - 1),
        };
        warnings.push(format!(
            "{} may have been assumed by {first}{more}, whom this plan cuts off: if that is you, the session \
             cannot be renewed when it ends",
            role.arn
        ));
    }
    lost
}

/// How somebody may be behind a session of a role.
enum Through {
    No,
    Perhaps,
    /// Nobody but who is in scope is admitted.
    Only,
}

/// Who may be behind the caller's role, by its trust policy.
struct Behind {
    /// `None` where it cannot be understood.
    trust: Option<Document>,
    /// Whether everybody it admits is in scope.
    in_scope: bool,
}

impl Behind {
    fn of(role: &ListedRole, plan: &Plan, inventory: &Inventory) -> Self {
        let Ok(trust) = Document::parse(&role.trust) else {
            return Self { trust: None, in_scope: false };
        };
        let mut in_scope: BTreeSet<&str> = plan
            .users()
            .filter_map(|user| Some(inventory.user(user).ok()?.as_ref()?.arn.as_str()))
            .collect();
        let cut =
            |role: &&ListedRole| plan.principals.contains(&Principal::Role(role.name.clone()));
        let roles = inventory.roles().into_iter().flatten().filter(cut);
        in_scope.extend(roles.map(|role| role.arn.as_str()));
        let in_scope =
            admitted(&trust).is_some_and(|named| named.iter().all(|arn| in_scope.contains(arn)));
        Self { trust: Some(trust), in_scope }
    }

    fn through(&self, user: &Arn, account: &str) -> Through {
        match &self.trust {
            Some(trust) if admits(trust, user.as_str(), account) == Admission::No => Through::No,
            Some(_) if self.in_scope => Through::Only,
            _ => Through::Perhaps,
        }
    }
}

/// Role and session name of an assumed role.
fn session_of(arn: &Arn) -> Option<(&str, &str)> {
    arn.resource().strip_prefix("assumed-role/")?.split_once('/')
}

/// The permission set of IAM Identity Center that a role is made for: `AWSReservedSSO_NAME_0123456789abcdef`.
fn permission_set(role: &str) -> Option<&str> {
    Some(role.strip_prefix("AWSReservedSSO_")?.rsplit_once('_')?.0)
}

/// A secret that is sealed, and not for whoever runs this: he could neither work on it nor, if its policy were all
/// he had, unseal it. The seal spares whoever planned it; another may run it.
fn sealed_out<'p>(plan: &'p Plan, caller: &Caller) -> impl Iterator<Item = String> + 'p {
    let own = caller.principal_patterns();
    let session = session_of(&caller.arn).map(|(role, _)| role.to_owned());
    let account = caller.account.clone();
    let is_own = move |spared: &String| {
        own.contains(spared)
            || Arn::parse(spared.as_str()).is_ok_and(|spared| {
                let name =
                    spared.resource().strip_prefix("role/").and_then(|r| r.rsplit('/').next());
                spared.account() == account.as_str() && name.is_some() && name == session.as_deref()
            })
    };
    plan.changes.iter().filter_map(move |change| {
        let spares = change.effects.iter().find_map(|effect| match effect {
            Effect::Spares { principals } => Some(principals),
            _ => None,
        })?;
        (!spares.iter().any(&is_own))
            .then(|| format!("{}, sealed by {} (line {})", change.target, change.id, change.line))
    })
}

/// `cut by quarantine.1 (line 46)`. A restriction only where there is no cut: whether the caller asks from one of
/// its networks, nobody tells him.
fn cut_by(plan: &Plan, cuts: impl Fn(&Subject) -> bool) -> Option<String> {
    let by = |blocks: bool| {
        plan.changes.iter().find(|change| {
            change.effects.iter().any(|effect| {
                matches!(effect, Effect::Cuts { subject, barrier }
                    if barrier.blocks() == blocks && cuts(subject))
            })
        })
    };
    let words =
        |change: &Change, what: &str| format!("{what} by {} (line {})", change.id, change.line);
    by(true).map(|change| words(change, "cut")).or_else(|| {
        by(false).map(|change| words(change, "shut out from elsewhere than some networks"))
    })
}
