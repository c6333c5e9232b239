//! What makes a password good enough, and how a user changes his own.
//!
//! Without a policy of the account's own AWS has one: eight characters of three kinds, and nobody may change
//! his password unless his own policies let him.

use jiff::Timestamp;

use super::users::Answer;
use crate::policy::{Decision, Denial, Request};
use crate::sim::call::Call;
use crate::sim::engine::Engine;
use crate::sim::state::{Password, PasswordPolicy};
use crate::sim::vault::Sealed;
use crate::sim::wire::{Refusal, Reply, Xml, text, tree};

/// The longest password.
const LONGEST: usize = 128;
/// What counts as a symbol.
const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";
/// Old passwords that can be remembered, so that none is taken again.
const MOST_REMEMBERED: usize = 24;
/// How many lags after it was made a console password cannot be modified: "several minutes", says AWS.
const UNMODIFIABLE_LAGS: i32 = 5;

/// How many characters of each kind: upper, lower, numbers, symbols.
fn kinds(password: &str) -> [usize; 4] {
    let count = |of: &dyn Fn(char) -> bool| password.chars().filter(|c| of(*c)).count();
    [
        count(&|c| c.is_ascii_uppercase()),
        count(&|c| c.is_ascii_lowercase()),
        count(&|c| c.is_ascii_digit()),
        count(&|c| SYMBOLS.contains(c)),
    ]
}

/// Whether the account takes a password.
fn check(policy: Option<&PasswordPolicy>, password: &str) -> Result<(), Refusal> {
    let violation = |what: String| Err(Refusal::new(400, "PasswordPolicyViolation", what));
    let shortest = policy.map_or(8, |policy| policy.minimum_length);
    let length = password.chars().count();
    if length < shortest {
        return violation(format!("Password should have a minimum length of {shortest}"));
    }
    if length > LONGEST {
        return violation(format!("Password should have a maximum length of {LONGEST}"));
    }
    let [upper, lower, numbers, symbols] = kinds(password);
    let Some(policy) = policy else {
        if [upper, lower, numbers, symbols].iter().filter(|count| **count > 0).count() < 3 {
            let what = "Password should have a minimum of three of the following mix of character types: \
                        uppercase, lowercase, numbers, and non-alphanumeric characters";
            return violation(what.to_owned());
        }
        return Ok(());
    };
    let asked = [
        (policy.require_uppercase, upper, "uppercase letter"),
        (policy.require_lowercase, lower, "lowercase letter"),
        (policy.require_numbers, numbers, "number"),
        (policy.require_symbols, symbols, "symbol"),
    ];
    match asked.into_iter().find(|(asked, count, _)| *asked && *count == 0) {
        Some((.., what)) => violation(format!("Password should have at least one {what}")),
        None => Ok(()),
    }
}

/// A password of a request, checked and sealed. `old` is what it takes the place of.
pub(super) fn sealed(
    call: &mut Call<'_>,
    given: &str,
    old: Option<&Password>,
) -> Result<Sealed, Refusal> {
    let policy = call.newest().password_policy.clone();
    check(policy.as_ref(), given)?;
    let value = call.engine.seal("password", given);
    let remembered = policy.and_then(|policy| policy.reuse_prevention).unwrap_or(0);
    if let Some(old) = old.filter(|_| remembered > 0) {
        let earlier = old.earlier.iter().rev().take(remembered - 1);
        if earlier.chain([&old.value]).any(|earlier| *earlier == value) {
            let what = "Cannot reuse any of the most recent passwords";
            return Err(Refusal::new(400, "PasswordPolicyViolation", what));
        }
    }
    Ok(value)
}

/// Puts a new value in the place of the old one, which is remembered.
pub(super) fn set(password: &mut Password, value: Sealed) {
    let old = std::mem::replace(&mut password.value, value);
    password.earlier.push(old);
    let forgotten = password.earlier.len().saturating_sub(MOST_REMEMBERED);
    password.earlier.drain(..forgotten);
}

/// A console password that was made a moment ago cannot be modified yet.
pub(super) fn check_modifiable(
    call: &Call<'_>,
    user: &str,
    password: &Password,
) -> Result<(), Refusal> {
    let made = call.now.duration_since(password.created_at);
    if made < call.engine.settings.lag * UNMODIFIABLE_LAGS {
        return Err(Refusal::new(
            409,
            "EntityTemporarilyUnmodifiable",
            format!(
                "Login Profile for User {user} cannot be modified while login profile is being created."
            ),
        ));
    }
    Ok(())
}

/// The caller's own password, by whoever knows the old one.
pub(in crate::sim) fn change(call: &mut Call<'_>) -> Answer {
    let old = call.params.required("OldPassword")?.to_owned();
    let new = call.params.required("NewPassword")?.to_owned();
    let Some(name) = call.subject.own_user().map(str::to_owned) else {
        let message = "Only IAM Users can change their own password";
        return Err(Refusal::new(400, "InvalidUserType", message));
    };
    let user = call.newest().users.get(&name).ok_or_else(|| Refusal::no_such("user", &name))?;
    let mut password =
        user.password.clone().ok_or_else(|| super::credentials::no_profile(&name))?;
    check_modifiable(call, &name, &password)?;
    let is_right = call.engine.vault().open(&password.value).is_some_and(|is| is.expose() == old);
    if !is_right {
        // AWS's documents give no code for it.
        return Err(Refusal::new(403, "AccessDenied", "The old password was incorrect."));
    }
    let value = sealed(call, &new, Some(&password))?;
    set(&mut password, value);
    password.reset_required = false;
    call.edit_user(&name).password = Some(password);
    Ok(Reply::Xml(Vec::new()))
}

impl Engine {
    /// Whether a user may change his own password: by his policies, or because everybody may.
    pub(in crate::sim) fn may_change_own(&self, account: &str, user: &str, now: Timestamp) -> bool {
        let state = self.enforced(now);
        let Some(subject) = Self::subject_of_user(state, account, user) else { return false };
        let context = self.context(&subject, now);
        let asked = Request {
            caller: &subject.caller,
            action: "iam:ChangePassword",
            resource: &subject.caller.arn,
            resource_account: account,
            context: &context,
        };
        match self.decide(&subject, &asked, None, now) {
            Decision::Allowed { .. } => true,
            Decision::Denied(Denial::Implicit { .. }) => {
                self.lets_all_change_their_own(account, now)
            }
            Decision::Denied(Denial::Explicit { .. }) => false,
        }
    }

    /// Whether the account lets everybody change his own password.
    pub(in crate::sim) fn lets_all_change_their_own(&self, account: &str, now: Timestamp) -> bool {
        let account = self.enforced(now).account(account);
        let policy = account.and_then(|account| account.password_policy.as_ref());
        policy.is_some_and(|policy| policy.users_may_change)
    }
}

fn describe(policy: &PasswordPolicy) -> Xml {
    let is = |name, whether: bool| text(name, whether.to_string());
    let mut fields = vec![
        text("MinimumPasswordLength", policy.minimum_length.to_string()),
        is("RequireSymbols", policy.require_symbols),
        is("RequireNumbers", policy.require_numbers),
        is("RequireUppercaseCharacters", policy.require_uppercase),
        is("RequireLowercaseCharacters", policy.require_lowercase),
        is("AllowUsersToChangePassword", policy.users_may_change),
        is("ExpirePasswords", policy.max_age_days.is_some()),
        is("HardExpiry", policy.hard_expiry),
    ];
    fields.extend(policy.max_age_days.map(|days| text("MaxPasswordAge", days.to_string())));
    let remembered = policy.reuse_prevention;
    fields.extend(remembered.map(|n| text("PasswordReusePrevention", n.to_string())));
    tree("PasswordPolicy", fields)
}

fn none(account: &str) -> Refusal {
    let message = format!("The Password Policy with domain name {account} cannot be found.");
    Refusal::new(404, "NoSuchEntity", message)
}

pub(in crate::sim) fn get_policy(call: &mut Call<'_>) -> Answer {
    let policy = call.shown().password_policy.as_ref();
    let policy = policy.ok_or_else(|| none(call.account_id()))?;
    Ok(Reply::Xml(vec![describe(policy)]))
}

/// The whole of it: what is left out goes back to what it is by default.
pub(in crate::sim) fn update_policy(call: &mut Call<'_>) -> Answer {
    let number = |name: &str, from: i64, to: i64| match call.params.number(name)? {
        Some(n) if (from..=to).contains(&n) => Ok(usize::try_from(n).ok()),
        Some(n) => Err(Refusal::validation(format!(
            "1 validation error detected: Value '{n}' at '{name}' failed to satisfy constraint"
        ))),
        None => Ok(None),
    };
    let is = |name: &str| call.params.get(name) == Some("true");
    let policy = PasswordPolicy {
        minimum_length: number("MinimumPasswordLength", 6, 128)?.unwrap_or(6),
        require_symbols: is("RequireSymbols"),
        require_numbers: is("RequireNumbers"),
        require_uppercase: is("RequireUppercaseCharacters"),
        require_lowercase: is("RequireLowercaseCharacters"),
        users_may_change: is("AllowUsersToChangePassword"),
        hard_expiry: is("HardExpiry"),
        max_age_days: number("MaxPasswordAge", 1, 1095)?,
        reuse_prevention: number("PasswordReusePrevention", 1, 24)?,
    };
    call.edit().password_policy = Some(policy);
    Ok(Reply::Xml(Vec::new()))
}

pub(in crate::sim) fn delete_policy(call: &mut Call<'_>) -> Answer {
    if call.newest().password_policy.is_none() {
        let message = "The account policy with name PasswordPolicy cannot be found.";
        return Err(Refusal::new(404, "NoSuchEntity", message));
    }
    call.edit().password_policy = None;
    Ok(Reply::Xml(Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_as_good_as_the_account_asks() {
        let strict = PasswordPolicy {
            minimum_length: 14,
            require_symbols: true,
            require_numbers: true,
            require_uppercase: true,
            require_lowercase: true,
            ..PasswordPolicy::default()
        };
        let lax = PasswordPolicy::default();
        for (policy, password, expected) in [
            (None, "Tr0ub4dor", true),
            (None, "correct horse", false),
            (None, "Tr0ub4d", false),
            (Some(&strict), "Tr0ub4dor&3Tr0ub4dor", true),
            (Some(&strict), "Tr0ub4dor&3", false),
            (Some(&strict), "Tr0ub4dor3Tr0ub4dor3", false),
            (Some(&strict), "tr0ub4dor&3tr0ub4dor", false),
            (Some(&strict), "TR0UB4DOR&3TR0UB4DOR", false),
            (Some(&strict), "Troubador&&Troubador", false),
            (Some(&lax), "aaaaaa", true),
            (Some(&lax), "aaaaa", false),
        ] {
            assert_eq!(check(policy, password).is_ok(), expected, "{password}");
        }
    }
}
