//! Who a caller is: himself, and everybody whom his credentials were got with, one after the other, as far as that is known.
//!
//! A profile or `--role-arn` is a chain: the user whose key or session signs, the role of a session, the credentials that
//! renew it. Whoever asks what a cut would take, or whose word is heard, asks it of every link. Knows no cuts. Of a user
//! it tells which credential is in use; where that is not known, any of his may be. Pure.

use std::collections::BTreeSet;

use crate::ids::{AccessKeyId, Arn, Principal, SecretId, UserName};
use crate::inventory::{Caller, Inventory, Origin, RoleDetail};
use crate::plan::{Credential, Plan, Subject, Together};
use crate::playbook::reach_of;
use crate::policy::admission::Whom;

/// What somebody is admitted to.
enum Opened<'c> {
    /// A role, by its name.
    Role(&'c str),
    /// The value of a secret.
    Secret(&'c SecretId),
}

/// One identity of a chain: somebody, whose credentials those before it were got with.
pub(super) struct Link<'c> {
    pub(super) said: Vec<String>,
    pub(super) arn: Option<&'c Arn>,
    /// The unique id, where it is the one that asks.
    pub(super) id: Option<&'c str>,
    pub(super) key: Option<&'c AccessKeyId>,
}

/// Whether `caller`, or anybody whom its credentials were got with, is who holds `credential`, or whom it opens a role to.
pub fn comes_of(
    plan: &Plan,
    inventory: &Inventory,
    caller: &Caller,
    credential: &Credential,
) -> bool {
    let chain = chain(caller);
    let admitted = match credential {
        Credential::Admission { role, who, whom, .. } => {
            Some((who, whom, Opened::Role(role.as_str())))
        }
        Credential::Reader { secret, who, whom, .. } => Some((who, whom, Opened::Secret(secret))),
        _ => None,
    };
    if let Some((who, whom, opened)) = admitted
        && chain.iter().any(|link| link.is_admitted(who, whom, &opened, plan, inventory))
    {
        return true;
    }
    (0..chain.len()).any(|at| match credential.principal() {
        Some(Principal::User(user)) => {
            let signs =
                matches!(credential, Credential::AccessKey { id, .. } if chain[at].key == Some(id));
            signs || chain[at].is_user(&user, plan, inventory)
        }
        Some(Principal::Role(role)) => chain[at].role(plan) == Some(role.as_str()),
        None => false,
    })
}

/// The caller, and everybody whom its credentials were got with, one after the other.
pub(super) fn chain(caller: &Caller) -> Vec<Link<'_>> {
    let own = Link {
        said: said(format!("this run, as {}", caller.arn), Some(&caller.arn)),
        arn: Some(&caller.arn),
        id: Some(&caller.id),
        key: caller.access_key_id.as_ref(),
    };
    std::iter::once(own).chain(caller.came_from.iter().map(Link::of)).collect()
}

/// The same of break-glass; empty where nobody has tried it.
pub(super) fn break_glass(caller: &Caller) -> Vec<Link<'_>> {
    caller.break_glass.iter().map(Link::of).collect()
}

impl<'c> Link<'c> {
    fn of(origin: &'c Origin) -> Self {
        let Origin { how, arn, access_key_id } = origin;
        let said = said(how.clone(), arn.as_ref());
        Self { said, arn: arn.as_ref(), id: None, key: access_key_id.as_ref() }
    }

    pub(super) fn is_known(&self) -> bool {
        self.arn.is_some() || self.key.is_some()
    }

    /// The role it is, by its name; names are those of one account.
    pub(super) fn role(&self, plan: &Plan) -> Option<&'c str> {
        role_of(self.arn?).filter(|_| self.is_of(plan))
    }

    /// Whether a policy that admits `who` may mean it. Whoever of an account its own policies let may be anybody of it of whom
    /// those are not known; but whoever the case is worked on as was there before it, and if he is not in its hands himself,
    /// somebody must be able to speak.
    fn is_admitted(
        &self,
        who: &str,
        whom: &Whom,
        opened: &Opened<'_>,
        plan: &Plan,
        inventory: &Inventory,
    ) -> bool {
        let Some(arn) = self.arn else { return false };
        match whom {
            Whom::Named => self.is_named(who, plan),
            Whom::Account(account) => {
                arn.account() == account
                    && !self.works_on_it(inventory)
                    && self.may_come_in(opened, inventory)
            }
            Whom::Other => false,
            Whom::Anyone => !self.works_on_it(inventory),
        }
    }

    /// Whether it is whoever the case is worked on as, or with whose credentials that is done.
    fn works_on_it(&self, inventory: &Inventory) -> bool {
        let caller = &inventory.caller;
        let own = caller.came_from.iter().filter_map(|origin| origin.arn.as_ref());
        let mut own = std::iter::once(&caller.arn).chain(own);
        let is_it = |arn: &Arn| {
            own.any(|own| {
                own.account() == arn.account()
                    && (own == arn || role_of(own).is_some() && role_of(own) == role_of(arn))
            })
        };
        self.arn.is_some_and(is_it)
    }

    /// Whether its own policies let it through what was opened, as far as they are known.
    fn may_come_in(&self, opened: &Opened<'_>, inventory: &Inventory) -> bool {
        let Some(arn) = self.arn else { return true };
        let Ok(all) = inventory.authorization() else { return true };
        let of_role = |role: &RoleDetail| {
            role.arn.account() == arn.account() && role_of(arn) == Some(role.name.as_str())
        };
        let role = all.roles.iter().find(|role| of_role(role)).map(|role| &role.arn);
        let account = arn.account();
        let Some(reach) = reach_of(all, account, role.unwrap_or(arn).as_str()) else { return true };
        let (action, resource) = match opened {
            Opened::Role(name) => {
                let opened = all.roles.iter().find(|role| role.name.as_str() == *name);
                ("sts:AssumeRole", opened.map(|role| &role.arn))
            }
            Opened::Secret(secret) => {
                ("secretsmanager:GetSecretValue", inventory.arn_of_secret(secret))
            }
        };
        resource.is_none_or(|resource| reach.may(action, resource.as_str(), account, None))
    }

    /// Whether a policy that names `who` means it. Of an account that is none of the case's nobody here knows who is who:
    /// whoever comes from one that is named may be meant.
    fn is_named(&self, who: &str, plan: &Plan) -> bool {
        let Some(arn) = self.arn.filter(|arn| who.contains(arn.account())) else { return false };
        let named = |name: &str| who.rsplit('/').next() == Some(name);
        let accounts = plan.together.as_ref().map(Together::accounts).unwrap_or_default();
        !(self.is_of(plan) || accounts.iter().any(|account| account.as_str() == arn.account()))
            || who == arn.as_str()
            || role_of(arn).is_some_and(|role| who.contains(":role/") && named(role))
            || session_of(arn).is_some_and(|(role, session)| {
                who.ends_with(&format!(":assumed-role/{role}/{session}"))
            })
    }

    fn is_of(&self, plan: &Plan) -> bool {
        self.arn.is_some_and(|arn| arn.account() == plan.account.as_str())
    }

    /// Whether it is the user. A session minted by a user has the user's own id; a federated one has another, and is
    /// told by the key that signs or by its ARN.
    pub(super) fn is_user(&self, user: &UserName, plan: &Plan, inventory: &Inventory) -> bool {
        let named = |arn: &Arn| {
            let name =
                arn.resource().strip_prefix("user/").and_then(|path| path.rsplit('/').next());
            name == Some(user.as_str())
        };
        let found = inventory.user(user).ok().and_then(Option::as_ref);
        let keys = inventory.access_keys(user).map(Vec::as_slice).unwrap_or_default();
        self.arn.is_some_and(named) && self.is_of(plan)
            || self.id.is_some_and(|id| found.is_some_and(|user| user.id == id))
            || self.key.is_some_and(|key| keys.iter().any(|own| own.id == *key))
    }
}

/// A link in words: how it was come by, and the role that it is.
fn said(how: String, arn: Option<&Arn>) -> Vec<String> {
    let Some(arn) = arn else { return vec![how] };
    let role = match session_of(arn) {
        Some((role, name)) => match permission_set(role) {
            Some(set) => format!("permission set {set}, signed in to as {name}"),
            None => format!("role {role}"),
        },
        None => match role_of(arn) {
            Some(role) => format!("role {role}"),
            None => return vec![how],
        },
    };
    vec![how, role]
}

/// Which credential of a user is in use.
#[derive(Clone, Copy)]
pub(super) enum InUse<'c> {
    /// This key, which he keeps until somebody takes it.
    Key(&'c AccessKeyId),
    /// A session of his, got with what the next link tells.
    Session,
    Unknown,
}

impl<'c> InUse<'c> {
    /// Of the user whom the link `at` tells of.
    pub(super) fn of(chain: &[Link<'c>], at: usize) -> Self {
        match chain[at].key {
            Some(key) if key.as_str().starts_with("AKIA") => Self::Key(key),
            // What it was got with is a link of its own, and is judged there.
            Some(_) if chain.get(at + 1).is_some_and(Link::is_known) => Self::Session,
            _ => Self::Unknown,
        }
    }

    /// Whether it falls with a cut of `subject`.
    pub(super) fn falls_with(self, user: &UserName, subject: &Subject) -> bool {
        let credential = match subject {
            Subject::Principal { principal } => return principal.user() == Some(user),
            Subject::Credential { credential } => credential,
        };
        let is_sessions = matches!(credential, Credential::Sessions { .. });
        credential.user() == Some(user)
            && match self {
                Self::Key(key) => {
                    matches!(credential, Credential::AccessKey { id, .. } if id == key)
                }
                Self::Session => is_sessions,
                Self::Unknown => true,
            }
    }
}

/// Role and session name of an assumed role.
pub(super) fn session_of(arn: &Arn) -> Option<(&str, &str)> {
    arn.resource().strip_prefix("assumed-role/")?.split_once('/')
}

/// The role that a session or a role's own ARN is of, by its name alone.
pub(super) fn role_of(arn: &Arn) -> Option<&str> {
    let role = || arn.resource().strip_prefix("role/")?.rsplit('/').next();
    session_of(arn).map(|(role, _)| role).or_else(role)
}

/// The roles that `caller` works through.
pub(super) fn own_roles(caller: &Caller) -> BTreeSet<&str> {
    let own = chain(caller).into_iter().filter_map(|link| link.arn);
    own.filter(|arn| arn.account() == caller.account.as_str()).filter_map(role_of).collect()
}

/// The permission set of IAM Identity Center that a role is made for: `AWSReservedSSO_NAME_0123456789abcdef`.
fn permission_set(role: &str) -> Option<&str> {
    Some(role.strip_prefix("AWSReservedSSO_")?.rsplit_once('_')?.0)
}
