//! Signing in to the console with a password.
//!
//! A password is worth what it lets in: it is compared with the user's as enforcement has it, a device is
//! asked for where there is one, and a password that must be changed is changed on the way in, where the
//! user may. What comes of it is a session of the user, of its own kind: it may call IAM, and it outlives
//! the password that it was got with. No policy can forbid the signing in itself.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::state::{Session, SessionKind};
use super::vault::Sealed;
use super::wire::Refusal;

/// The operation, as CloudTrail names it. It is none of the cloud's API.
pub(super) const CONSOLE_LOGIN: &str = "ConsoleLogin";

/// How long a console session lasts.
const LASTS: SignedDuration = SignedDuration::from_hours(12);

/// A password that somebody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) account: String,
    pub(super) user: String,
    pub(super) value: Sealed,
    /// Whether he has the user's MFA device too.
    pub(super) device: bool,
}

/// A way in.
pub(super) struct SignedIn {
    pub(super) session: Session,
    /// Whether he had to set a password of his own.
    pub(super) must_change: bool,
}

impl Engine {
    /// What signing in would come to. It changes nothing.
    pub(super) fn sign_in(&self, known: &Known, now: Timestamp) -> Result<SignedIn, Refusal> {
        let refused = |why: &str| Refusal::new(403, "AuthenticationFailure", why);
        let wrong = || refused("Your authentication information is incorrect.");
        if self.is_closed(&known.account) {
            return Err(wrong());
        }
        let state = self.enforced(now);
        let account = state.account(&known.account).ok_or_else(wrong)?;
        let user = account.users.get(&known.user).ok_or_else(wrong)?;
        let password = user.password.as_ref().ok_or_else(wrong)?;
        let open = |sealed: &Sealed| self.vault().open(sealed);
        let same = open(&password.value)
            .zip(open(&known.value))
            .is_some_and(|(has, given)| has.expose() == given.expose());
        if !same {
            return Err(wrong());
        }
        let mfa = !user.mfa.is_empty();
        if mfa && !known.device {
            return Err(refused("The MFA device of the user is asked for."));
        }
        if password.reset_required && !self.may_change_own(&known.account, &known.user, now) {
            return Err(refused("The password must be changed, and the user may not change it."));
        }
        let session = Session {
            account: known.account.clone(),
            kind: SessionKind::Console,
            issuer: known.user.clone(),
            issuer_id: user.id.clone(),
            name: String::new(),
            issued_at: now,
            expires_at: now + LASTS,
            mfa,
            policies: None,
        };
        Ok(SignedIn { session, must_change: password.reset_required })
    }
}
