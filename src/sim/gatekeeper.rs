//! Who is asking, and whether he may: credentials to a subject, a subject's request to a decision.
//!
//! Both see the world as it is enforced, which trails the world as it is.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::engine::Engine;
use super::state::{Session, SessionKind, State};
use crate::policy::{
    Applies, Caller, Context, Decision, Denial, Document, Kind, Policies, Request, evaluate,
};
use crate::secret::Secret;

/// Somebody whose credentials are good.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) caller: Caller,
    pub(super) access_key_id: String,
    /// As `GetCallerIdentity` and `aws:userid` have it.
    pub(super) user_id: String,
    /// The user behind; `None` for a role.
    pub(super) user: Option<String>,
    pub(super) role: Option<String>,
    /// `None` for long-lived keys.
    pub(super) session: Option<Session>,
}

/// Why credentials are no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dead {
    /// Unknown, inactive, deleted, or of somebody who is gone.
    Invalid,
    Expired,
}

impl Subject {
    /// `None`: the user or role itself. Role sessions have the role's ARN as `aws:PrincipalArn`.
    pub(super) fn principal_arn(&self) -> &str {
        match (&self.role, &self.caller.behind) {
            (Some(_), Some(role)) => role,
            _ => &self.caller.arn,
        }
    }

    /// The user that owns the request where AWS lets the name be left out.
    pub(super) fn own_user(&self) -> Option<&str> {
        match &self.session {
            Some(session) if session.kind == SessionKind::FederationToken => None,
            _ => self.user.as_deref(),
        }
    }

    /// Tokens got without MFA cannot call IAM at all, federated ones neither.
    pub(super) fn may_call_iam(&self) -> bool {
        match &self.session {
            None => true,
            Some(session) => match session.kind {
                SessionKind::AssumeRole | SessionKind::Console => true,
                SessionKind::SessionToken => session.mfa,
                SessionKind::FederationToken => false,
            },
        }
    }
}

/// `arn:aws:iam::ACCOUNT:KIND/PATH/NAME`.
pub(super) fn iam_arn(account: &str, kind: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:{kind}{path}{name}")
}

impl State {
    pub(super) fn user_arn(&self, account: &str, user: &str) -> String {
        let path = self.account(account).and_then(|a| a.users.get(user)).map_or("/", |u| &u.path);
        iam_arn(account, "user", path, user)
    }

    pub(super) fn role_arn(&self, account: &str, role: &str) -> String {
        let path = self.account(account).and_then(|a| a.roles.get(role)).map_or("/", |r| &r.path);
        iam_arn(account, "role", path, role)
    }
}

impl Engine {
    /// The secret of a credential that exists in any state, and the token of a session.
    pub(super) fn secrets_of(&self, id: &str) -> (Secret, Option<Secret>) {
        let vault = self.vault();
        let token = id.starts_with("ASIA").then(|| vault.token_of(id));
        (vault.secret_of(id), token)
    }

    /// Whom a key or session stands for, as far as enforcement knows yet.
    pub(super) fn subject(&self, id: &str, now: Timestamp) -> Result<Subject, Dead> {
        let subject = self.subject_at_all(id, now)?;
        // What he holds of theirs whoever has the say there has cut.
        let is_cut = self.is_closed(&subject.caller.account) && self.intruder.holds_credential(id);
        if is_cut { Err(Dead::Invalid) } else { Ok(subject) }
    }

    fn subject_at_all(&self, id: &str, now: Timestamp) -> Result<Subject, Dead> {
        let state = self.enforced(now);
        if id.starts_with("ASIA") {
            let session = self.sessions.get(id).ok_or(Dead::Invalid)?;
            if session.expires_at <= now {
                return Err(Dead::Expired);
            }
            return Self::subject_of_session(state, id, session).ok_or(Dead::Invalid);
        }
        let (account, name) = state.owner_of(id).ok_or(Dead::Invalid)?;
        let user = &state.accounts[account].users[name];
        if !user.keys.iter().any(|k| k.id == id && k.active) {
            return Err(Dead::Invalid);
        }
        let mut subject = Self::subject_of_user(state, account, name).ok_or(Dead::Invalid)?;
        id.clone_into(&mut subject.access_key_id);
        Ok(subject)
    }

    /// A user itself, whatever it signs with.
    pub(super) fn subject_of_user(state: &State, account: &str, name: &str) -> Option<Subject> {
        let user = state.account(account)?.users.get(name)?;
        Some(Subject {
            caller: Caller {
                account: account.to_owned(),
                arn: iam_arn(account, "user", &user.path, name),
                behind: None,
                unique_id: user.id.clone(),
            },
            access_key_id: String::new(),
            user_id: user.id.clone(),
            user: Some(name.to_owned()),
            role: None,
            session: None,
        })
    }

    /// The subject that a session stands for; `None` when its issuer is gone.
    pub(super) fn subject_of_session(
        state: &State,
        id: &str,
        session: &Session,
    ) -> Option<Subject> {
        let account = state.account(&session.account)?;
        let at = &session.account;
        let (arn, behind, user_id, user, role) = match session.kind {
            SessionKind::AssumeRole => {
                let role =
                    account.roles.get(&session.issuer).filter(|r| r.id == session.issuer_id)?;
                (
                    format!("arn:aws:sts::{at}:assumed-role/{}/{}", session.issuer, session.name),
                    Some(iam_arn(at, "role", &role.path, &session.issuer)),
                    format!("{}:{}", role.id, session.name),
                    None,
                    Some(session.issuer.clone()),
                )
            }
            SessionKind::SessionToken | SessionKind::FederationToken | SessionKind::Console => {
                // By what it is: its name may be another by now.
                let (name, user) =
                    account.users.iter().find(|(_, user)| user.id == session.issuer_id)?;
                let own = iam_arn(at, "user", &user.path, name);
                let name = Some(name.clone());
                if session.kind == SessionKind::FederationToken {
                    let arn = format!("arn:aws:sts::{at}:federated-user/{}", session.name);
                    (arn, Some(own), format!("{at}:{}", session.name), name, None)
                } else {
                    (own, None, user.id.clone(), name, None)
                }
            }
        };
        Some(Subject {
            caller: Caller {
                account: at.clone(),
                arn,
                behind,
                unique_id: session.issuer_id.clone(),
            },
            access_key_id: id.to_owned(),
            user_id,
            user,
            role,
            session: Some(session.clone()),
        })
    }

    /// What is known of any request of this subject.
    pub(super) fn context(&self, subject: &Subject, now: Timestamp) -> Context {
        let mut context = Context::new();
        context.set("aws:PrincipalArn", subject.principal_arn());
        context.set("aws:PrincipalAccount", subject.caller.account.as_str());
        context.set("aws:userid", subject.user_id.as_str());
        context.set("aws:CurrentTime", now.to_string());
        context.set("aws:EpochTime", now.as_second().to_string());
        context.set("aws:SecureTransport", "true");
        context.set("aws:ViaAWSService", "false");
        let kind = match &subject.session {
            Some(s) if s.kind == SessionKind::AssumeRole => "AssumedRole",
            Some(s) if s.kind == SessionKind::FederationToken => "FederatedUser",
            _ => "User",
        };
        context.set("aws:PrincipalType", kind);
        if kind == "User"
            && let Some(user) = &subject.user
        {
            context.set("aws:username", user.as_str());
        }
        if let Some(session) = &subject.session {
            context.set("aws:TokenIssueTime", session.issued_at.to_string());
            context.set("aws:MultiFactorAuthPresent", session.mfa.to_string());
        }
        let account = self.enforced(now).account(&subject.caller.account);
        let tags = subject
            .user
            .as_ref()
            .and_then(|user| Some(&account?.users.get(user)?.tags))
            .into_iter()
            .flatten();
        for (key, value) in tags {
            context.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
        }
        context
    }

    /// Decides by the policies as they are enforced.
    pub(super) fn decide(
        &self,
        subject: &Subject,
        request: &Request<'_>,
        resource_policy: Option<&str>,
        now: Timestamp,
    ) -> Decision {
        let gathered = self.gather(subject, resource_policy, now);
        let applies = |kind: Kind| {
            gathered
                .iter()
                .filter(move |g| g.kind == kind)
                .map(|g| Applies { name: &g.name, document: &g.document })
        };
        let session = subject.session.as_ref().and_then(|s| s.policies.as_ref());
        let policies = Policies {
            identity: applies(Kind::Identity).collect(),
            boundary: applies(Kind::Boundary).next(),
            session: session.map(|_| applies(Kind::Session).collect()),
            resource: applies(Kind::Resource).next(),
        };
        evaluate(request, &policies)
    }

    /// The condition keys that the subject's policies ask about and that are not known of the request.
    pub(super) fn keys_missing(
        &self,
        subject: &Subject,
        request: &Request<'_>,
        now: Timestamp,
    ) -> BTreeSet<String> {
        let gathered = self.gather(subject, None, now);
        let missing = gathered.iter().flat_map(|g| g.document.keys_missing(request));
        missing.map(str::to_owned).collect()
    }

    fn gather(
        &self,
        subject: &Subject,
        resource_policy: Option<&str>,
        now: Timestamp,
    ) -> Vec<Gathered> {
        let mut all = Vec::new();
        let mut add = |kind: Kind, name: &str, text: &str| {
            // Every policy was checked when it was stored.
            if let Ok(document) = Document::parse(text) {
                all.push(Gathered { kind, name: name.to_owned(), document });
            }
        };
        if let Some(policy) = resource_policy {
            add(Kind::Resource, "the resource's policy", policy);
        }
        for policy in subject.session.iter().flat_map(|s| s.policies.iter().flatten()) {
            add(Kind::Session, "the session's policy", policy);
        }
        let Some(account) = self.enforced(now).account(&subject.caller.account) else {
            return all;
        };
        let user = subject.user.as_ref().and_then(|u| account.users.get(u));
        let role = subject.role.as_ref().and_then(|r| account.roles.get(r));
        let groups = user.iter().flat_map(|u| &u.groups).filter_map(|g| account.groups.get(g));
        let attached = user
            .iter()
            .flat_map(|u| &u.attached)
            .chain(role.iter().flat_map(|r| &r.attached))
            .chain(groups.clone().flat_map(|g| &g.attached));
        for arn in attached {
            add(Kind::Identity, arn, account.managed(arn).unwrap_or_default());
        }
        let inline = user
            .iter()
            .flat_map(|u| &u.inline)
            .chain(role.iter().flat_map(|r| &r.inline))
            .chain(groups.flat_map(|g| &g.inline));
        for (name, text) in inline {
            add(Kind::Identity, name, text);
        }
        let boundary =
            user.and_then(|u| u.boundary.as_ref()).or(role.and_then(|r| r.boundary.as_ref()));
        if let Some(arn) = boundary {
            // A boundary that is nowhere to be found allows nothing.
            add(Kind::Boundary, arn, account.managed(arn).unwrap_or(NO_ACTION));
        }
        all
    }
}

const NO_ACTION: &str = r#"{"Statement":[{"Effect":"Allow","Action":"no:Action","Resource":"*"}]}"#;

struct Gathered {
    kind: Kind,
    name: String,
    document: Document,
}

/// AWS's sentence for a refusal.
pub(super) fn sentence(subject: &Subject, action: &str, resource: &str, denial: &Denial) -> String {
    format!(
        "User: {} is not authorized to perform: {action} on resource: {resource} {}",
        subject.caller.arn,
        denial.sentence(action)
    )
}
