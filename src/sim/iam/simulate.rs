//! Would a principal be allowed something? Asked of the same evaluator that decides for real.
//!
//! As with AWS, the answer knows the principal's own policies and its boundary, the circumstances that are
//! given, and nothing else: no session policy, no policy of the resource, no time of day. A key that a policy
//! asks about and that was not given is named in the answer.

use jiff::SignedDuration;

use super::users::Answer;
use crate::policy::{Context, Decision, Denial, Request};
use crate::sim::call::Call;
use crate::sim::engine::Engine;
use crate::sim::gatekeeper::Subject;
use crate::sim::state::{Session, SessionKind};
use crate::sim::sts::role_of_arn;
use crate::sim::wire::{Refusal, Reply, Xml, text, tree};

pub(in crate::sim) fn principal_policy(call: &mut Call<'_>) -> Answer {
    let source = call.params.required("PolicySourceArn")?.to_owned();
    let subject = subject(call, &source)?;
    let actions = call.params.members("ActionNames", "");
    if actions.is_empty() {
        return Err(Refusal::validation("ActionNames must have a member"));
    }
    let mut resources = call.params.members("ResourceArns", "");
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let context = context(call);
    let mut results = Vec::new();
    for action in &actions {
        for resource in &resources {
            // What AWS itself owns is everybody's.
            let owner = resource.split(':').nth(4).filter(|account| account.len() == 12);
            let request = Request {
                caller: &subject.caller,
                action,
                resource,
                resource_account: owner.unwrap_or(call.account_id()),
                context: &context,
            };
            results.push(result(call, &subject, &request));
        }
    }
    Ok(Reply::Xml(call.page("EvaluationResults", results)?))
}

/// The user or role itself, in the caller's account.
fn subject(call: &Call<'_>, source: &str) -> Result<Subject, Refusal> {
    let account = call.account_id();
    let state = call.engine.newest();
    let found = match role_of_arn(source) {
        Some((of, role)) if of == account && state.role_arn(account, role) == source => {
            let id = state.account(account).and_then(|a| a.roles.get(role)).map(|r| r.id.clone());
            let session = Session {
                account: account.to_owned(),
                kind: SessionKind::AssumeRole,
                issuer: role.to_owned(),
                issuer_id: id.unwrap_or_default(),
                name: "simulated".to_owned(),
                issued_at: call.now,
                expires_at: call.now + SignedDuration::from_hours(1),
                mfa: false,
                policies: None,
            };
            Engine::subject_of_session(state, "", &session)
        }
        _ => {
            let name = source.rsplit('/').next().unwrap_or_default();
            let user = Engine::subject_of_user(state, account, name);
            user.filter(|user| user.caller.arn == source)
        }
    };
    found.ok_or_else(|| Refusal::no_such("entity", source))
}

fn context(call: &Call<'_>) -> Context {
    let mut context = Context::new();
    for n in 1.. {
        let entry = format!("ContextEntries.member.{n}");
        let Some(key) = call.params.get(&format!("{entry}.ContextKeyName")) else { break };
        context.set_all(key, call.params.members(&format!("{entry}.ContextKeyValues"), ""));
    }
    context
}

fn result(call: &Call<'_>, subject: &Subject, request: &Request<'_>) -> Xml {
    // The simulator sees what reading shows, which enforcement trails.
    let settings = &call.engine.settings;
    let seen = call.now + settings.lag - settings.read_lag;
    let decision = match call.engine.decide(subject, request, None, seen) {
        Decision::Allowed { .. } => "allowed",
        Decision::Denied(Denial::Explicit { .. }) => "explicitDeny",
        Decision::Denied(Denial::Implicit { .. }) => "implicitDeny",
    };
    let missing = call.engine.keys_missing(subject, request, seen);
    let missing = missing.into_iter().map(|key| text("member", key)).collect();
    tree(
        "member",
        vec![
            text("EvalActionName", request.action),
            text("EvalResourceName", request.resource),
            text("EvalDecision", decision),
            tree("MissingContextValues", missing),
        ],
    )
}
