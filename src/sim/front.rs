//! One request from the door to the answer: who, whether he may, what happens, what is written down.

use jiff::Timestamp;

use super::audit::AuditEvent;
use super::call::Call;
use super::engine::{Bucket, Engine, LastUse};
use super::faults::Fault;
use super::gatekeeper::{Dead, Subject, sentence};
use super::operations::{OPERATIONS, Operation, Permission};
use super::signature::Authorization;
use super::state::SessionKind;
use super::wire::{
    Incoming, Outgoing, Params, Refusal, Reply, Service, answer, code_of, garbage, parse, refuse,
};
use crate::policy::{Decision, Denial, Request};
use crate::secret::Secret;

/// Where a request comes from, and where it goes.
pub(super) struct Origin<'a> {
    pub(super) region: &'a str,
    pub(super) source_ip: &'a str,
    pub(super) agent: Option<&'a str>,
}

impl Engine {
    /// Answers a request. Faults that concern the way back are the caller's business.
    pub(super) fn serve(
        &mut self,
        number: u64,
        request: &Incoming,
        fault: Option<Fault>,
        now: Timestamp,
    ) -> Outgoing {
        let id = self.new_uuid();
        let mut event = AuditEvent {
            request: number,
            at: now,
            account: String::new(),
            principal: String::new(),
            access_key_id: String::new(),
            service: String::new(),
            operation: String::new(),
            resource: "*".to_owned(),
            writes: false,
            took_effect: false,
            error: None,
            minted: None,
            request_id: id.clone(),
            intruder: false,
        };
        let mut service = Service::Sts;
        let result = self.carry_out(request, fault, now, &mut event, &mut service);
        let mut out = match &result {
            Ok(reply) => answer(service, &event.operation, reply, &id),
            Err(refusal) => refuse(service, refusal, &id),
        };
        event.took_effect = result.is_ok();
        event.error = result.as_ref().err().map(|r| code_of(service, r).to_owned());
        match (fault, &result) {
            (Some(Fault::UnavailableAfterEffect), Ok(_)) => {
                let late = Refusal::new(500, "InternalFailure", "Internal failure");
                event.error = Some(late.code.to_owned());
                out = refuse(service, &late, &id);
            }
            (Some(Fault::Garbage), Ok(_)) => out = garbage(&id),
            _ => {}
        }
        self.answered = self.answered.max(number);
        self.intruder.sees(&event);
        self.audit.push(event);
        out.headers.push(("date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        out
    }

    fn carry_out(
        &mut self,
        request: &Incoming,
        fault: Option<Fault>,
        now: Timestamp,
        event: &mut AuditEvent,
        service: &mut Service,
    ) -> Result<Reply, Refusal> {
        let authorization = Authorization::of(request)?;
        authorization.access_key_id.clone_into(&mut event.access_key_id);
        authorization.service.clone_into(&mut event.service);
        *service = Service::of_scope(&authorization.service).ok_or_else(|| {
            let message = format!("There is no service {} here.", authorization.service);
            Refusal::new(404, "UnknownService", message)
        })?;
        let (name, params) = parse(*service, request)?;
        event.operation.clone_from(&name);
        let operation = OPERATIONS
            .iter()
            .find(|o| o.service == *service && o.name == name)
            .ok_or_else(|| {
                let message = format!("Could not find operation {name} for this version");
                Refusal::new(400, "InvalidAction", message)
            })?;
        if fault == Some(Fault::Expired)
            && let Some(session) = self.sessions.get_mut(&authorization.access_key_id)
        {
            session.expires_at = now;
        }
        event.writes = operation.writes;
        let subject = self.authenticate(&authorization, request, now)?;
        let origin = Origin {
            region: &authorization.region,
            source_ip: &request.source_ip,
            agent: request.header("user-agent"),
        };
        self.perform(operation, &subject, &params, &origin, fault, now, event)
    }

    /// Decides and carries out what somebody asks whose credentials are good, and says so in `event`.
    #[expect(clippy::too_many_arguments, reason = "all that a request is, and each read once")]
    pub(super) fn perform(
        &mut self,
        operation: &Operation,
        subject: &Subject,
        params: &Params,
        origin: &Origin<'_>,
        fault: Option<Fault>,
        now: Timestamp,
        event: &mut AuditEvent,
    ) -> Result<Reply, Refusal> {
        event.writes = operation.writes;
        event.account.clone_from(&subject.caller.account);
        event.principal.clone_from(&subject.caller.arn);
        self.note_use(subject, operation.service, origin.region, now);
        let aim = operation.aim(self, subject, params, origin.region, now);
        event.resource.clone_from(&aim.resource);
        self.disturb(operation, subject, fault, now)?;
        self.admit(operation, subject, params, origin, now)?;
        let mut call = Call { engine: self, subject, params, now, region: origin.region };
        let answer = (operation.run)(&mut call);
        event.minted = self.minted.take();
        answer
    }

    fn authenticate(
        &self,
        authorization: &Authorization,
        request: &Incoming,
        now: Timestamp,
    ) -> Result<Subject, Refusal> {
        let invalid = || {
            let message = "The security token included in the request is invalid.";
            Refusal::new(403, "InvalidClientTokenId", message)
        };
        let id = &authorization.access_key_id;
        let subject = self.subject(id, now).map_err(|dead| match dead {
            Dead::Invalid => invalid(),
            Dead::Expired => Refusal::new(
                403,
                "ExpiredToken",
                "The security token included in the request is expired",
            ),
        })?;
        let (secret, token) = self.secrets_of(id);
        let given = request.header("x-amz-security-token");
        if given != token.as_ref().map(Secret::expose) {
            return Err(invalid());
        }
        authorization.verify(request, secret.expose(), given, now)?;
        Ok(subject)
    }

    fn note_use(&mut self, subject: &Subject, service: Service, region: &str, at: Timestamp) {
        if subject.session.is_none() {
            let used =
                LastUse { at, service: service.name().to_owned(), region: region.to_owned() };
            self.last_used.insert(subject.access_key_id.clone(), used);
        }
    }

    /// What goes wrong on purpose, and what is too much.
    fn disturb(
        &mut self,
        operation: &Operation,
        subject: &Subject,
        fault: Option<Fault>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let throttled = || Refusal::new(400, "Throttling", "Rate exceeded");
        match fault {
            Some(Fault::Throttled) => return Err(throttled()),
            Some(Fault::Unavailable) => {
                let message = "Service is unable to handle request.";
                return Err(Refusal::new(503, "ServiceUnavailable", message));
            }
            Some(Fault::RefusedFromHere) => {
                self.refused.insert((subject.principal_arn().to_owned(), operation.action()));
            }
            _ => {}
        }
        if let Some(limit) = self.settings.rate_limit {
            let lane = format!("{} {}", subject.caller.account, operation.service.name());
            let bucket = self.buckets.entry(lane).or_insert_with(|| Bucket::full(limit, now));
            if !bucket.take(limit, now) {
                return Err(throttled());
            }
        }
        Ok(())
    }

    /// Whether the request is let in, by what is enforced now.
    pub(super) fn admit(
        &self,
        operation: &Operation,
        subject: &Subject,
        params: &Params,
        origin: &Origin<'_>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let region = origin.region;
        if operation.service == Service::Iam && !subject.may_call_iam() {
            let message = "The security token included in the request is invalid.";
            return Err(Refusal::new(403, "InvalidClientTokenId", message));
        }
        let federated = |s: &super::state::Session| s.kind == SessionKind::FederationToken;
        if operation.name == "AssumeRole" && subject.session.as_ref().is_some_and(federated) {
            let message = "Cannot call AssumeRole with the credentials of a federated user";
            return Err(Refusal::new(403, "AccessDenied", message));
        }
        let (action, aim) = (operation.action(), operation.aim(self, subject, params, region, now));
        if self.refused.contains(&(subject.principal_arn().to_owned(), action.clone())) {
            let denial = Denial::Implicit { missing: crate::policy::Kind::Identity };
            let message = sentence(subject, &action, &aim.resource, &denial);
            return Err(Refusal::new(403, "AccessDenied", message));
        }
        if operation.permission == Permission::None {
            return Ok(());
        }
        let mut context = self.context(subject, now);
        context.set("aws:RequestedRegion", region);
        context.set("aws:SourceIp", origin.source_ip);
        if let Some(agent) = origin.agent {
            context.set("aws:UserAgent", agent);
        }
        operation.describe(self, subject, params, &mut context);
        let asked = Request {
            caller: &subject.caller,
            action: &action,
            resource: &aim.resource,
            resource_account: &aim.account,
            context: &context,
        };
        let decision = self.decide(subject, &asked, aim.policy.as_deref(), now);
        // The account may let everybody change his own password.
        let by_the_account = operation.name == "ChangePassword"
            && self.lets_all_change_their_own(&subject.caller.account, now);
        match decision {
            Decision::Allowed { .. } => Ok(()),
            Decision::Denied(Denial::Implicit { .. })
                if operation.permission == Permission::Forbiddable || by_the_account =>
            {
                Ok(())
            }
            Decision::Denied(denial) => {
                let message = sentence(subject, &action, &aim.resource, &denial);
                Err(Refusal::new(403, "AccessDenied", message))
            }
        }
    }
}
