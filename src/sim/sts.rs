//! STS: who am I, and temporary credentials.
//!
//! What is issued here is valid at once and outlives the key that it was issued to; its permissions
//! are its issuer's, as they are enforced at the time of each use.

use jiff::SignedDuration;

use super::call::{Call, at, check_identity_policy};
use super::engine::Canary;
use super::gatekeeper::Subject;
use super::iam::users::Answer;
use super::state::{Session, SessionKind};
use super::wire::{Refusal, Reply, Xml, text, tree};

#[expect(clippy::unnecessary_wraps, reason = "every operation has this shape")]
pub(super) fn caller_identity(call: &mut Call<'_>) -> Answer {
    Ok(Reply::Xml(vec![
        text("Arn", call.subject.caller.arn.as_str()),
        text("UserId", call.subject.user_id.as_str()),
        text("Account", call.account_id()),
    ]))
}

/// Says only which account a key belongs to, not whether it is good.
pub(super) fn access_key_info(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("AccessKeyId")?;
    let account = match call.engine.sessions.get(id) {
        Some(session) => Some(session.account.as_str()),
        None => call.engine.newest().owner_of(id).map(|(account, _)| account),
    };
    match account {
        Some(account) => Ok(Reply::Xml(vec![text("Account", account)])),
        None => Err(Refusal::validation(format!("Access key {id} is not valid"))),
    }
}

/// The duration asked for, or the usual one, within limits.
fn duration(call: &Call<'_>, usual: i64, least: i64, most: i64) -> Result<SignedDuration, Refusal> {
    let seconds = call.params.number("DurationSeconds")?.unwrap_or(usual);
    if !(least..=most).contains(&seconds) {
        return Err(Refusal::validation(format!(
            "DurationSeconds must be between {least} and {most}"
        )));
    }
    Ok(SignedDuration::from_secs(seconds))
}

/// Whether the caller showed an MFA code. Wrong codes are refused.
fn showed_mfa(call: &Call<'_>) -> Result<bool, Refusal> {
    let wrong = || {
        let message = "MultiFactorAuthentication failed with invalid MFA one time pass code.";
        Refusal::new(403, "AccessDenied", message)
    };
    match (call.params.get("SerialNumber"), call.params.get("TokenCode")) {
        (None, None) => Ok(false),
        (Some(serial), Some(code)) => {
            let enforced = call.engine.enforced(call.now).account(call.account_id());
            let user = call
                .subject
                .user
                .as_ref()
                .and_then(|user| enforced?.users.get(user))
                .ok_or_else(wrong)?;
            if user.mfa.contains_key(serial) && call.engine.vault().mfa_code(serial) == code {
                Ok(true)
            } else {
                Err(wrong())
            }
        }
        _ => Err(Refusal::validation("SerialNumber and TokenCode go together.")),
    }
}

/// Policies passed along with the request: the session can do no more than they allow.
fn passed_policies(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    let mut policies = Vec::new();
    if let Some(policy) = call.params.get("Policy") {
        check_identity_policy(policy)?;
        if policy.len() > 2048 {
            return Err(Refusal::new(
                400,
                "PackedPolicyTooLarge",
                "The session policy is too large.",
            ));
        }
        policies.push(policy.to_owned());
    }
    for arn in call.params.members("PolicyArns", "arn") {
        let policy = call
            .newest()
            .managed(&arn)
            .ok_or_else(|| Refusal::validation(format!("Policy {arn} does not exist")))?;
        policies.push(policy.to_owned());
    }
    Ok(policies)
}

fn issue(call: &mut Call<'_>, session: Session) -> (String, Xml) {
    let id = call.engine.new_id("ASIA");
    call.engine.remember(Canary::Session(id.clone()));
    let (secret, token) = call.engine.secrets_of(&id);
    let credentials = tree(
        "Credentials",
        vec![
            text("AccessKeyId", id.as_str()),
            text("SecretAccessKey", secret.expose()),
            text("SessionToken", token.as_ref().map_or("", |t| t.expose())),
            at("Expiration", session.expires_at),
        ],
    );
    call.engine.sessions.insert(id.clone(), session);
    call.engine.minted = Some(id.clone());
    (id, credentials)
}

/// Only a user, with a long-lived key, may get session and federation tokens.
fn user_with_key(subject: &Subject, operation: &str) -> Result<String, Refusal> {
    match (&subject.user, &subject.session) {
        (Some(user), None) => Ok(user.clone()),
        _ => Err(Refusal::new(
            403,
            "AccessDenied",
            format!("Cannot call {operation} with session credentials"),
        )),
    }
}

pub(super) fn session_token(call: &mut Call<'_>) -> Answer {
    let issuer = user_with_key(call.subject, "GetSessionToken")?;
    let mfa = showed_mfa(call)?;
    let lasts = duration(call, 43200, 900, 129_600)?;
    let session = Session {
        account: call.account_id().to_owned(),
        kind: SessionKind::SessionToken,
        issuer,
        issuer_id: call.subject.caller.unique_id.clone(),
        name: String::new(),
        issued_at: call.now,
        expires_at: call.now + lasts,
        mfa,
        policies: None,
    };
    Ok(Reply::Xml(vec![issue(call, session).1]))
}

pub(super) fn federation_token(call: &mut Call<'_>) -> Answer {
    let issuer = user_with_key(call.subject, "GetFederationToken")?;
    let name = call.params.required("Name")?.to_owned();
    if !(2..=32).contains(&name.len()) {
        return Err(Refusal::validation("Name must have 2 to 32 characters"));
    }
    let lasts = duration(call, 43200, 900, 129_600)?;
    let policies = Some(passed_policies(call)?);
    let account = call.account_id().to_owned();
    let session = Session {
        account: account.clone(),
        kind: SessionKind::FederationToken,
        issuer,
        issuer_id: call.subject.caller.unique_id.clone(),
        name: name.clone(),
        issued_at: call.now,
        expires_at: call.now + lasts,
        mfa: false,
        policies,
    };
    let (_, credentials) = issue(call, session);
    let user = vec![
        text("FederatedUserId", format!("{account}:{name}")),
        text("Arn", format!("arn:aws:sts::{account}:federated-user/{name}")),
    ];
    Ok(Reply::Xml(vec![credentials, tree("FederatedUser", user), text("PackedPolicySize", "1")]))
}

/// The account and name in a role's ARN.
pub(super) fn role_of_arn(arn: &str) -> Option<(&str, &str)> {
    let (account, resource) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    let name = resource.strip_prefix("role/")?.rsplit('/').next()?;
    Some((account, name))
}

/// Whoever gets here is trusted by the role: the trust policy was part of the decision.
pub(super) fn assume_role(call: &mut Call<'_>) -> Answer {
    let arn = call.params.required("RoleArn")?.to_owned();
    let name = call.params.required("RoleSessionName")?.to_owned();
    if !(2..=64).contains(&name.len()) {
        return Err(Refusal::validation("RoleSessionName must have 2 to 64 characters"));
    }
    let mfa = showed_mfa(call)?;
    let passed = passed_policies(call)?;
    let (account, role_name) =
        role_of_arn(&arn).ok_or_else(|| Refusal::validation(format!("{arn} is invalid")))?;
    let role = call
        .engine
        .enforced(call.now)
        .account(account)
        .and_then(|a| a.roles.get(role_name))
        .expect("a role that is not there was refused before");
    let chained = call.subject.role.is_some();
    let most = if chained { 3600 } else { role.max_session };
    let seconds = call.params.number("DurationSeconds")?.unwrap_or(3600);
    if seconds > most {
        return Err(Refusal::validation(if chained {
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        } else {
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        }));
    }
    let lasts = duration(call, 3600, 900, 43200)?;
    let role_id = role.id.clone();
    let session = Session {
        account: account.to_owned(),
        kind: SessionKind::AssumeRole,
        issuer: role_name.to_owned(),
        issuer_id: role_id.clone(),
        name: name.clone(),
        issued_at: call.now,
        expires_at: call.now + lasts,
        mfa,
        policies: (!passed.is_empty()).then_some(passed),
    };
    let user = vec![
        text("AssumedRoleId", format!("{role_id}:{name}")),
        text("Arn", format!("arn:aws:sts::{account}:assumed-role/{role_name}/{name}")),
    ];
    let (_, credentials) = issue(call, session);
    Ok(Reply::Xml(vec![credentials, tree("AssumedRoleUser", user)]))
}
