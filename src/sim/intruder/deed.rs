//! What the intruder does, once it is time: requests of his own, and what he takes away from them.
//!
//! A deed goes through the same decision as anybody's request; only the signature is left out, since he
//! holds the secrets. Each attempt is one line of his log and one of the audit log. Where no credential
//! is named, he tries what he holds in the order he got it, until one is let in or the world itself says
//! no (there is no such user, the quota is full).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::script::Script;
use super::{Holding, Intruder};
use crate::sim::audit::AuditEvent;
use crate::sim::bounds::{MOST_DEEDS, MOST_HELD};
use crate::sim::engine::{Canary, Engine};
use crate::sim::front::Origin;
use crate::sim::gatekeeper::Dead;
use crate::sim::operations::{OPERATIONS, Operation};
use crate::sim::people::ReadValue;
use crate::sim::signin::{CONSOLE_LOGIN, Known};
use crate::sim::wire::{Params, Refusal, Reply, Service, Xml, code_of};

/// One thing that the intruder tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// When, in AWS's time.
    pub at: Timestamp,
    /// What made him: the reaction's name, or `greed`.
    pub why: String,
    /// The operation.
    pub operation: String,
    /// The ARN of what it was about, or `*`.
    pub resource: String,
    /// The key, session or password he used; none where he holds nothing that he could use.
    pub credential: Option<String>,
    /// The code of the refusal; none where he was let in.
    pub refused: Option<String>,
    /// What he holds because of it, and did not before.
    pub gained: Vec<String>,
}

/// Why there are no more deeds.
const THE_END: &str = "bound of the rehearsal";

/// An answer, or why there is none, and what was asked.
struct Attempt {
    resource: String,
    result: Result<Reply, Refusal>,
    code: Option<&'static str>,
}

/// Whose a credential is.
struct Whose {
    account: String,
    user: Option<String>,
}

/// Codes that tell him that another credential may do better.
const TRY_ANOTHER: [&str; 8] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthenticationFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "ValidationError",
];

impl Engine {
    /// Does a deed of the script, with whatever works.
    pub(super) fn do_as_written(&mut self, why: &str, script: &Script, at: Timestamp) {
        let done = if script.operation == CONSOLE_LOGIN {
            self.log_in(why, script, at)
        } else {
            let operation = OPERATIONS.iter().find(|o| o.name == script.operation);
            let operation = operation.expect("checked when the world was read");
            self.call(why, script, operation, at)
        };
        if !done {
            self.intruder.is_refused(&script.operation, at);
        }
    }

    /// Tries an operation with one credential after another; whether one was let in.
    fn call(&mut self, why: &str, script: &Script, operation: &Operation, at: Timestamp) -> bool {
        let credentials = self.usable(script, at);
        if credentials.is_empty() {
            self.intruder.log(why, script, at, Deed::nothing_to_use());
            return false;
        }
        for id in credentials {
            let whose = self.whose(&id, at);
            let (params, password) = self.params(script, operation, whose.as_ref());
            let attempt = self.attempt(&id, operation, &params, at);
            let code = attempt.code;
            let is_spent = self.intruder.is_spent();
            let mut deed = Deed {
                resource: attempt.resource,
                credential: Some(id),
                refused: code.map(str::to_owned),
                ..Deed::nothing_to_use()
            };
            if let (Ok(reply), Some(whose)) = (&attempt.result, whose) {
                deed.gained = self.gains(operation, script, reply, &whose, password.as_deref());
            }
            self.intruder.log(why, script, at, deed);
            if is_spent || code.is_none_or(|code| !TRY_ANOTHER.contains(&code)) {
                return code.is_none();
            }
        }
        false
    }

    /// What he would try a deed with, as far as there is room for it in a rehearsal.
    fn usable(&self, script: &Script, at: Timestamp) -> Vec<String> {
        if let Some(with) = &script.credential {
            let named = self.intruder.named.iter().rev().find(|(label, _)| label == with);
            let id = named.map_or(with, |(_, id)| id);
            let held = self.intruder.holds_credential(id);
            return held.then(|| id.clone()).into_iter().collect();
        }
        let fits = |id: &String| {
            let Some(account) = &script.account else { return true };
            self.whose(id, at).is_none_or(|whose| whose.account == *account)
        };
        self.intruder.credentials().into_iter().filter(fits).collect()
    }

    fn whose(&self, id: &str, at: Timestamp) -> Option<Whose> {
        let subject = self.subject(id, at).ok()?;
        let user = subject.own_user().map(str::to_owned);
        Some(Whose { account: subject.caller.account, user })
    }

    /// The parameters as they travel, and the password that he made up.
    fn params(
        &mut self,
        script: &Script,
        operation: &Operation,
        whose: Option<&Whose>,
    ) -> (Params, Option<String>) {
        let mut params = script.params.clone();
        let sets = match operation.name {
            "CreateLoginProfile" | "UpdateLoginProfile" => Some("Password"),
            "ChangePassword" => Some("NewPassword"),
            _ => None,
        };
        // Long, and with a character of every kind that a policy may ask for.
        let password = sets.map(|_| format!("Xq7!{}", self.new_uuid()));
        if let (Some(name), Some(value)) = (sets, &password) {
            params.insert(name.to_owned(), Value::String(value.clone()));
        }
        if operation.name == "ChangePassword"
            && let Some(Whose { account, user: Some(user) }) = whose
            && let Some(known) = self.intruder.password_of(account, user)
            && let Some(old) = self.vault().open(&known.value)
        {
            params.insert("OldPassword".to_owned(), Value::String(old.expose().to_owned()));
        }
        if operation.service == Service::SecretsManager {
            return (Params::Json(Value::Object(params.into_iter().collect())), password);
        }
        let as_text = |(name, value): (String, Value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        };
        (Params::Form(params.into_iter().map(as_text).collect()), password)
    }

    /// One request of his, decided and carried out like anybody's, and written down as his.
    fn attempt(
        &mut self,
        id: &str,
        operation: &Operation,
        params: &Params,
        at: Timestamp,
    ) -> Attempt {
        let mut event = self.event_of_his(id, operation.service.name(), operation.name, at);
        event.writes = operation.writes;
        let region = self.settings.region.clone();
        let source_ip = self.intruder.source_ip.clone();
        let origin = Origin { region: &region, source_ip: &source_ip, agent: None };
        let result = match self.subject(id, at) {
            Ok(subject) => self.perform(operation, &subject, params, &origin, None, at, &mut event),
            Err(Dead::Invalid) => Err(Refusal::new(
                403,
                "InvalidClientTokenId",
                "The security token included in the request is invalid.",
            )),
            Err(Dead::Expired) => Err(Refusal::new(
                403,
                "ExpiredToken",
                "The security token included in the request is expired",
            )),
        };
        let code = result.as_ref().err().map(|refusal| code_of(operation.service, refusal));
        event.took_effect = result.is_ok();
        event.error = code.map(str::to_owned);
        let resource = event.resource.clone();
        self.audit.push(event);
        Attempt { resource, result, code }
    }

    fn event_of_his(
        &mut self,
        credential: &str,
        service: &str,
        operation: &str,
        at: Timestamp,
    ) -> AuditEvent {
        AuditEvent {
            request: self.answered,
            at,
            account: String::new(),
            principal: String::new(),
            access_key_id: credential.to_owned(),
            service: service.to_owned(),
            operation: operation.to_owned(),
            resource: "*".to_owned(),
            writes: true,
            took_effect: false,
            error: None,
            minted: None,
            request_id: self.new_uuid(),
            intruder: true,
        }
    }

    /// What he takes away from an answer.
    fn gains(
        &mut self,
        operation: &Operation,
        script: &Script,
        reply: &Reply,
        whose: &Whose,
        password: Option<&str>,
    ) -> Vec<String> {
        let given = |name: &str| script.params.get(name).and_then(Value::as_str);
        let account = whose.account.as_str();
        let mut found: Vec<Holding> = Vec::new();
        match reply {
            Reply::Xml(inner) if mints(operation.name) => {
                let id = inner.iter().find_map(|xml| text_of(xml, "AccessKeyId"));
                found.extend(id.map(|id| Holding::Credential(id.to_owned())));
            }
            Reply::Json(body) if operation.name == "GetSecretValue" => {
                let text = body.get("SecretString").and_then(Value::as_str).unwrap_or_default();
                found.extend(self.carried(text).into_iter().map(Holding::Credential));
                let of = body.get("Name").and_then(Value::as_str).unwrap_or_default();
                let known = ReadValue { of: of.to_owned(), value: self.vault().seal(of, text) };
                if !(self.targets.is_empty() || self.intruder_knows.contains(&known)) {
                    self.intruder_knows.push(known);
                }
            }
            _ => {}
        }
        if let Some(user) = given("UserName").or(whose.user.as_deref()) {
            if let Some(password) = password {
                let device = self.intruder.password_of(account, user).is_some_and(|k| k.device);
                let (account, user) = (account.to_owned(), user.to_owned());
                let value = self.seal("password", password);
                found.push(Holding::Password(Known { account, user, value, device }));
            } else if operation.name == "UpdateUser"
                && let Some(name) = given("NewUserName")
            {
                self.intruder.follow(account, user, name);
            }
        }
        if let (Some(label), Some(Holding::Credential(id))) = (&script.label, found.first()) {
            self.intruder.named.push((label.clone(), id.clone()));
        }
        found.into_iter().filter_map(|holding| self.intruder.take(holding)).collect()
    }

    /// The access keys whose secrets stand in a text beside their ids.
    fn carried(&self, text: &str) -> Vec<String> {
        let known = self.canaries.iter().filter_map(|canary| match canary {
            Canary::Key(id) | Canary::Session(id) => Some(id),
            Canary::Value(_) => None,
        });
        let whole = |id: &&String| {
            text.contains(id.as_str()) && text.contains(self.secrets_of(id).0.expose())
        };
        known.filter(whole).cloned().collect()
    }

    /// Signs in to the console with the passwords he knows of a user.
    fn log_in(&mut self, why: &str, script: &Script, at: Timestamp) -> bool {
        let user = script.params.get("UserName").and_then(Value::as_str).unwrap_or_default();
        let fits = |known: &&Known| {
            known.user == user && script.account.as_ref().is_none_or(|a| *a == known.account)
        };
        // The newest first: he remembers what he set himself.
        let mut known: Vec<Known> = self.intruder.passwords().filter(fits).cloned().collect();
        known.reverse();
        if known.is_empty() {
            self.intruder.log(why, script, at, Deed::nothing_to_use());
            return false;
        }
        known.into_iter().any(|known| self.log_in_with(why, script, &known, at))
    }

    fn log_in_with(&mut self, why: &str, script: &Script, known: &Known, at: Timestamp) -> bool {
        let resource = self.newest().user_arn(&known.account, &known.user);
        let held = Holding::Password(known.clone()).to_string();
        let mut event = self.event_of_his("", "signin", CONSOLE_LOGIN, at);
        event.resource.clone_from(&resource);
        let mut deed =
            Deed { resource: resource.clone(), credential: Some(held), ..Deed::nothing_to_use() };
        match self.sign_in(known, at) {
            Err(refusal) => {
                event.error = Some(refusal.code.to_owned());
                deed.refused = Some(refusal.code.to_owned());
                self.audit.push(event);
            }
            Ok(signed_in) => {
                let id = self.new_id("ASIA");
                self.remember(Canary::Session(id.clone()));
                self.sessions.insert(id.clone(), signed_in.session);
                event.account.clone_from(&known.account);
                event.principal.clone_from(&resource);
                event.access_key_id.clone_from(&id);
                event.took_effect = true;
                self.audit.push(event);
                if let Some(label) = &script.label {
                    self.intruder.named.push((label.clone(), id.clone()));
                }
                deed.refused = None;
                deed.gained.extend(self.intruder.take(Holding::Credential(id.clone())));
                if signed_in.must_change {
                    deed.gained.extend(self.change_on_the_way_in(known, &id, at));
                }
            }
        }
        let let_in = deed.refused.is_none();
        self.intruder.log(why, script, at, deed);
        let_in
    }

    /// Sets a password of his own, as whoever must change one is made to.
    fn change_on_the_way_in(&mut self, known: &Known, id: &str, at: Timestamp) -> Option<String> {
        let value = format!("Xq7!{}", self.new_uuid());
        let value = self.seal("password", &value);
        let resource = self.newest().user_arn(&known.account, &known.user);
        let mut event = self.event_of_his(id, Service::Iam.name(), "ChangePassword", at);
        event.account.clone_from(&known.account);
        event.principal.clone_from(&resource);
        event.resource = resource;
        let state = self.edit(at);
        let account = state.accounts.get_mut(&known.account)?;
        // It was there when he signed in; whatever happened to it since is not undone.
        let password = account.users.get_mut(&known.user)?.password.as_mut()?;
        password.value = value.clone();
        password.reset_required = false;
        event.took_effect = true;
        self.audit.push(event);
        self.intruder.take(Holding::Password(Known { value, ..known.clone() }))
    }
}

/// Whether an answer has the secret of something new.
fn mints(operation: &str) -> bool {
    ["CreateAccessKey", "GetSessionToken", "GetFederationToken", "AssumeRole"].contains(&operation)
}

/// The text of the first element of this name.
fn text_of<'a>(xml: &'a Xml, wanted: &str) -> Option<&'a str> {
    match xml {
        Xml::Text(name, value) => (*name == wanted).then_some(value.as_str()),
        Xml::Tree(_, inner) => inner.iter().find_map(|xml| text_of(xml, wanted)),
    }
}

impl Deed {
    /// What stands behind the last of his deeds where he would do more.
    pub(super) fn the_end(at: Timestamp) -> Self {
        let refused = format!(
            "a rehearsal has him try {MOST_DEEDS} times and hold {MOST_HELD} things at most"
        );
        let (why, operation) = (THE_END.to_owned(), "nothing more".to_owned());
        Self { at, why, operation, refused: Some(refused), ..Self::nothing_to_use() }
    }

    /// Whether he would do more from here on, and does not.
    pub fn is_the_end(&self) -> bool {
        self.why == THE_END
    }

    /// A deed that came to nothing for want of anything to do it with; the rest is filled in.
    fn nothing_to_use() -> Self {
        Self {
            at: Timestamp::UNIX_EPOCH,
            why: String::new(),
            operation: String::new(),
            resource: "*".to_owned(),
            credential: None,
            refused: Some("holds nothing for it".to_owned()),
            gained: Vec::new(),
        }
    }
}

impl Intruder {
    fn log(&mut self, why: &str, script: &Script, at: Timestamp, deed: Deed) {
        let operation = script.operation.clone();
        self.deeds.push(Deed { at, why: why.to_owned(), operation, ..deed });
    }
}
