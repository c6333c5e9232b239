//! May somebody change the password he was given? Whoever is asked to at sign-in and may not is locked out.
//!
//! Judged by his own policies and his groups', as they are without the barriers that a response puts on, and by
//! what the account lets everybody do. It knows no organisation's policies.

use crate::action::quarantine_barriers as barriers;
use crate::ids::UserName;
use crate::inventory::{Authorization, Inventory, OwnPolicies, UserDetail};
use crate::policy::{Applies, Caller, Context, Document, Policies, Request, evaluate};

/// What can be said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// He may.
    May,
    /// His policies ask for a second factor, and he has none.
    OnlyWithMfa,
    /// He may not.
    MayNot,
    /// What decides could not be read, or not be understood.
    Unknown,
}

/// Judges `user`. Whatever was not read is unknown, never allowed.
pub(super) fn judge(user: &UserName, facts: &Inventory) -> Verdict {
    let by_the_account =
        matches!(facts.password_policy(), Ok(Some(policy)) if policy.users_may_change);
    let Ok(all) = facts.authorization() else {
        return if by_the_account { Verdict::May } else { Verdict::Unknown };
    };
    let Some(found) = all.users.iter().find(|found| found.name == *user) else {
        return Verdict::Unknown;
    };
    let Some(documents) = documents(found, all, facts) else { return Verdict::Unknown };
    let may = |with_mfa: bool| documents.allow(found, by_the_account, with_mfa);
    let has_mfa = facts.mfa_devices(user).is_ok_and(|devices| !devices.is_empty());
    match (may(has_mfa), may(true)) {
        (true, _) => Verdict::May,
        (false, true) => Verdict::OnlyWithMfa,
        (false, false) => Verdict::MayNot,
    }
}

/// What has a say over one user.
struct Documents {
    identity: Vec<Document>,
    boundary: Option<Document>,
}

impl Documents {
    fn allow(&self, user: &UserDetail, by_the_account: bool, with_mfa: bool) -> bool {
        let account = user.arn.account().to_owned();
        let caller = Caller {
            account: account.clone(),
            arn: user.arn.to_string(),
            behind: None,
            unique_id: user.id.clone(),
        };
        let mut context = Context::new();
        context.set("aws:username", user.name.as_str());
        context.set("aws:userid", user.id.as_str());
        context.set("aws:PrincipalArn", user.arn.as_str());
        context.set("aws:PrincipalType", "User");
        context.set("aws:MultiFactorAuthPresent", if with_mfa { "true" } else { "false" });
        for (key, value) in &user.tags {
            context.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
        }
        let applies = |document| Applies { name: "", document };
        let account_s_own = by_the_account.then(|| {
            Document::parse(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ChangePassword","Resource":"*"}]}"#)
                .expect("a policy")
        });
        let policies = Policies {
            identity: self.identity.iter().chain(&account_s_own).map(applies).collect(),
            boundary: self.boundary.as_ref().map(applies),
            session: None,
            resource: None,
        };
        let request = Request {
            caller: &caller,
            action: "iam:ChangePassword",
            resource: user.arn.as_str(),
            resource_account: &account,
            context: &context,
        };
        evaluate(&request, &policies).is_allowed()
    }
}

/// The documents, without what a response has put there; `None` where one cannot be read.
fn documents(user: &UserDetail, all: &Authorization, facts: &Inventory) -> Option<Documents> {
    let deny_all = barriers::deny_all_arn(&facts.caller.arn);
    let of = |own: &OwnPolicies| -> Option<Vec<Document>> {
        let inline = own.inline.iter().filter(|(name, _)| !name.as_str().starts_with("Portcullis"));
        let attached = own.attached.iter().filter(|arn| **arn != deny_all);
        let texts: Option<Vec<&String>> = attached.map(|arn| all.managed.get(arn)).collect();
        let texts = inline.map(|(_, text)| text).chain(texts?);
        texts.map(|text| Document::parse(text).ok()).collect()
    };
    let mut identity = of(&user.policies)?;
    for name in &user.groups {
        identity.extend(of(&all.groups.iter().find(|group| group.name == *name)?.policies)?);
    }
    let boundary = match user.policies.boundary.as_ref().filter(|arn| **arn != deny_all) {
        Some(arn) => Some(Document::parse(all.managed.get(arn)?).ok()?),
        None => None,
    };
    Some(Documents { identity, boundary })
}
