//! The decision: explicit deny first, then who allows.

use std::fmt;

use super::Context;
use super::document::{Document, Effect, Either, Statement};
use super::pattern::{arn_fits, fill_in, fits_any_case};
use super::principal::{Caller, Match};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// `service:Operation`.
    pub action: &'a str,
    /// The ARN of what the action is done to, or `*`.
    pub resource: &'a str,
    /// The account that owns the resource.
    pub resource_account: &'a str,
    /// Whatever else is known.
    pub context: &'a Context,
}

/// A policy with the name that a decision calls it by.
#[derive(Clone, Copy, Debug)]
pub struct Applies<'a> {
    /// The ARN of a managed policy, or the name of an inline one.
    pub name: &'a str,
    /// What it says.
    pub document: &'a Document,
}

/// Every policy that has a say, by kind.
#[derive(Clone, Debug, Default)]
pub struct Policies<'a> {
    /// Of the user, its groups, or the role.
    pub identity: Vec<Applies<'a>>,
    /// The permissions boundary, where there is one.
    pub boundary: Option<Applies<'a>>,
    /// Policies of the session. `Some` of an empty list is a federated session that was given none:
    /// it may do nothing that a resource does not grant to it by name.
    pub session: Option<Vec<Applies<'a>>>,
    /// The resource's own policy; for `sts:AssumeRole`, the trust policy of the role.
    pub resource: Option<Applies<'a>>,
}

/// A kind of policy, in the words of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of a user, group or role.
    Identity,
    /// A permissions boundary.
    Boundary,
    /// A session policy.
    Session,
    /// A resource's policy.
    Resource,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Identity => "identity-based policy",
            Kind::Boundary => "permissions boundary",
            Kind::Session => "session policy",
            Kind::Resource => "resource-based policy",
        })
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allowed, by the policy of this name.
    Allowed {
        /// The kind of the policy.
        kind: Kind,
        /// Its name.
        by: String,
    },
    /// Not allowed.
    Denied(Denial),
}

/// Why something is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// A statement forbids it.
    Explicit {
        /// The kind of the policy.
        kind: Kind,
        /// Its name.
        by: String,
    },
    /// No policy of this kind allows it.
    Implicit {
        /// The kind that would have had to.
        missing: Kind,
    },
}

impl Decision {
    /// Whether it is allowed.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allowed { .. })
    }
}

impl Denial {
    /// The end of AWS's sentence, from "with an explicit deny" or "because no".
    pub fn sentence(&self, action: &str) -> String {
        match self {
            Denial::Explicit { kind: kind @ Kind::Identity, .. } => {
                format!("with an explicit deny in an {kind}")
            }
            Denial::Explicit { kind, .. } => format!("with an explicit deny in a {kind}"),
            Denial::Implicit { missing } => {
                format!("because no {missing} allows the {action} action")
            }
        }
    }
}

impl Statement {
    /// Whether the statement is about the request, the caller left aside.
    fn covers(&self, request: &Request<'_>) -> bool {
        self.is_about(request) && self.conditions.iter().all(|c| c.holds(request.context))
    }

    /// Whether its action and its resource are those of the request.
    fn is_about(&self, request: &Request<'_>) -> bool {
        let actions = |list: &[String]| list.iter().any(|a| fits_any_case(a, request.action));
        let resources = |list: &[String]| {
            list.iter().any(|r| {
                fill_in(r, request.context).is_some_and(|p| arn_fits(&p, request.resource))
            })
        };
        let action = match &self.action {
            Either::Of(list) => actions(list),
            Either::Not(list) => !actions(list),
        };
        let resource = match &self.resource {
            None => true,
            Some(Either::Of(list)) => resources(list),
            Some(Either::Not(list)) => !resources(list),
        };
        action && resource
    }
}

impl Document {
    fn says(&self, effect: Effect, request: &Request<'_>) -> bool {
        self.statements.iter().any(|s| s.effect == effect && s.covers(request))
    }

    /// The condition keys that the request does not have and that its decision may hang on.
    pub fn keys_missing(&self, request: &Request<'_>) -> Vec<&str> {
        let about = self.statements.iter().filter(|s| s.is_about(request));
        about.flat_map(|s| &s.conditions).filter_map(|c| c.missing(request.context)).collect()
    }

    /// The closest match of the caller among the statements of that effect that cover the request.
    fn says_of_caller(&self, effect: Effect, request: &Request<'_>) -> Option<Match> {
        self.statements
            .iter()
            .filter(|s| s.effect == effect && s.covers(request))
            .filter_map(|s| s.principal.as_ref()?.covers(request.caller))
            .max()
    }
}

/// Decides a request.
///
/// An explicit deny wins. Across accounts both sides must allow. Within one account a resource
/// policy that names the caller itself is enough, even past a boundary; one that names the role
/// behind a session is bounded by boundary and session policies; one that names only the account
/// leaves it to the identity's policies.
pub fn evaluate(request: &Request<'_>, policies: &Policies<'_>) -> Decision {
    if let Some((kind, by)) = explicit_deny(request, policies) {
        return Decision::Denied(Denial::Explicit { kind, by });
    }
    let allows = |p: &&Applies<'_>| p.document.says(Effect::Allow, request);
    let by_identity = policies.identity.iter().find(allows);
    let bounded = policies.boundary.iter().all(|p| allows(&p));
    let in_session = policies.session.as_ref().is_none_or(|list| list.iter().any(|p| allows(&p)));
    let by_resource = policies
        .resource
        .and_then(|p| Some((p, p.document.says_of_caller(Effect::Allow, request)?)));

    let from_identity = || Decision::Allowed {
        kind: Kind::Identity,
        by: by_identity.map_or_else(String::new, |p| p.name.to_owned()),
    };
    let missing = || {
        let missing = if by_identity.is_none() {
            Kind::Identity
        } else if !bounded {
            Kind::Boundary
        } else {
            Kind::Session
        };
        Decision::Denied(Denial::Implicit { missing })
    };
    let identity_side = by_identity.is_some() && bounded && in_session;

    if request.caller.account != request.resource_account {
        return match by_resource {
            _ if !identity_side => missing(),
            None => Decision::Denied(Denial::Implicit { missing: Kind::Resource }),
            Some(_) => from_identity(),
        };
    }
    if identity_side && (request.action != "sts:AssumeRole" || by_resource.is_some()) {
        return from_identity();
    }
    match by_resource {
        Some((policy, matched)) => {
            let is_session = request.caller.behind.is_some();
            let enough = match matched {
                Match::Exact => true,
                Match::Anyone | Match::Behind => !is_session || (bounded && in_session),
                Match::Account => false,
            };
            if enough {
                Decision::Allowed { kind: Kind::Resource, by: policy.name.to_owned() }
            } else {
                missing()
            }
        }
        // A role that does not trust its caller cannot be assumed, whatever the caller may do.
        None if identity_side => Decision::Denied(Denial::Implicit { missing: Kind::Resource }),
        None => missing(),
    }
}

fn explicit_deny(request: &Request<'_>, policies: &Policies<'_>) -> Option<(Kind, String)> {
    let sides = policies
        .identity
        .iter()
        .map(|p| (Kind::Identity, p))
        .chain(policies.boundary.iter().map(|p| (Kind::Boundary, p)))
        .chain(policies.session.iter().flatten().map(|p| (Kind::Session, p)));
    for (kind, policy) in sides {
        if policy.document.says(Effect::Deny, request) {
            return Some((kind, policy.name.to_owned()));
        }
    }
    let resource = policies.resource?;
    resource.document.says_of_caller(Effect::Deny, request)?;
    Some((Kind::Resource, resource.name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "arn:aws:iam::111122223333:user/alice";
    const ROLE: &str = "arn:aws:iam::111122223333:role/worker";
    const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-abc123";

    fn policy(statements: &str) -> Document {
        Document::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#))
            .unwrap()
    }
    fn of(effect: &str, action: &str, resource: &str) -> Document {
        policy(&format!(r#"{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}"#))
    }
    fn grants(principal: &str) -> Document {
        policy(&format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"secretsmanager:*","Resource":"*"}}"#
        ))
    }
    fn user() -> Caller {
        Caller {
            account: "111122223333".into(),
            arn: USER.into(),
            behind: None,
            unique_id: "AIDAEXAMPLEALICE00001".into(),
        }
    }
    fn session() -> Caller {
        Caller {
            account: "111122223333".into(),
            arn: "arn:aws:sts::111122223333:assumed-role/worker/s".into(),
            behind: Some(ROLE.into()),
            unique_id: "AROAEXAMPLEWORKER0001".into(),
        }
    }
    struct Case {
        caller: Caller,
        account: &'static str,
        identity: Option<Document>,
        boundary: Option<Document>,
        session: Option<Vec<Document>>,
        resource: Option<Document>,
    }
    impl Default for Case {
        fn default() -> Self {
            Self {
                caller: user(),
                account: "111122223333",
                identity: None,
                boundary: None,
                session: None,
                resource: None,
            }
        }
    }
    fn decide(case: &Case) -> String {
        let applies = |document| Applies { name: "p", document };
        let policies = Policies {
            identity: case.identity.iter().map(applies).collect(),
            boundary: case.boundary.as_ref().map(applies),
            session: case.session.as_ref().map(|list| list.iter().map(applies).collect()),
            resource: case.resource.as_ref().map(applies),
        };
        let context = Context::new();
        let request = Request {
            caller: &case.caller,
            action: "secretsmanager:GetSecretValue",
            resource: SECRET,
            resource_account: case.account,
            context: &context,
        };
        match evaluate(&request, &policies) {
            Decision::Allowed { kind, .. } => format!("allowed by {kind}"),
            Decision::Denied(denial) => denial.sentence("x"),
        }
    }

    #[test]
    fn who_has_the_last_word() {
        let all = || Some(of("Allow", "*", "*"));
        let read =
            || Some(of("Allow", "SecretsManager:get*", "arn:aws:secretsmanager:*:*:secret:db-*"));
        let other = || Some(of("Allow", "s3:*", "*"));
        let deny = || Some(of("Deny", "*", "*"));
        let case = Case::default;
        for (n, (case, expected)) in [
            (case(), "because no identity-based policy allows the x action"),
            (Case { identity: all(), ..case() }, "allowed by identity-based policy"),
            (Case { identity: read(), ..case() }, "allowed by identity-based policy"),
            (Case { identity: other(), ..case() }, "because no identity-based policy allows the x action"),
            (Case { identity: deny(), resource: Some(grants(USER)), ..case() }, "with an explicit deny in an identity-based policy"),
            (Case { identity: all(), boundary: other(), ..case() }, "because no permissions boundary allows the x action"),
            (Case { identity: all(), boundary: read(), ..case() }, "allowed by identity-based policy"),
            (Case { identity: all(), boundary: deny(), ..case() }, "with an explicit deny in a permissions boundary"),
            (Case { identity: all(), session: Some(vec![]), ..case() }, "because no session policy allows the x action"),
            (Case { identity: all(), session: Some(vec![of("Deny", "*", "*")]), ..case() }, "with an explicit deny in a session policy"),
            // Within one account a resource policy that names the user is enough, past a boundary too.
            (Case { resource: Some(grants(USER)), ..case() }, "allowed by resource-based policy"),
            (Case { boundary: other(), resource: Some(grants(USER)), ..case() }, "allowed by resource-based policy"),
            (Case { resource: Some(grants("*")), ..case() }, "allowed by resource-based policy"),
            (Case { resource: Some(grants("111122223333")), ..case() }, "because no identity-based policy allows the x action"),
            (Case { resource: Some(grants("AIDAEXAMPLEALICE00001")), ..case() }, "allowed by resource-based policy"),
            // One that names the role is bounded for its sessions; one that names the session is not.
            (Case { caller: session(), resource: Some(grants(ROLE)), ..case() }, "allowed by resource-based policy"),
            (Case { caller: session(), boundary: other(), resource: Some(grants(ROLE)), ..case() }, "because no identity-based policy allows the x action"),
            (Case { caller: session(), session: Some(vec![]), resource: Some(grants("arn:aws:sts::111122223333:assumed-role/worker/s")), ..case() }, "allowed by resource-based policy"),
            // Across accounts both sides must agree.
            (Case { account: "444455556666", identity: all(), ..case() }, "because no resource-based policy allows the x action"),
            (Case { account: "444455556666", identity: all(), resource: Some(grants("111122223333")), ..case() }, "allowed by identity-based policy"),
            (Case { account: "444455556666", resource: Some(grants(USER)), ..case() }, "because no identity-based policy allows the x action"),
            // A resource may forbid what the identity allows.
            (Case { identity: all(), resource: Some(policy(&format!(r#"{{"Effect":"Deny","Principal":{{"AWS":"{USER}"}},"Action":"*","Resource":"*"}}"#))), ..case() }, "with an explicit deny in a resource-based policy"),
            (Case { identity: all(), resource: Some(policy(&format!(r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":"{USER}"}},"Action":"*","Resource":"*"}}"#))), ..case() }, "allowed by identity-based policy"),
            (Case { identity: Some(policy(r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#)), ..case() }, "allowed by identity-based policy"),
            (Case { identity: Some(policy(r#"{"Effect":"Allow","Action":"*","NotResource":"arn:aws:secretsmanager:*:*:secret:db-*"}"#)), ..case() }, "because no identity-based policy allows the x action"),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(decide(&case), expected, "case {n}");
        }
    }

    #[test]
    fn a_role_must_trust_its_caller_even_within_one_account() {
        let all = of("Allow", "*", "*");
        let trust = |principal: &str| {
            policy(&format!(
                r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"sts:AssumeRole"}}"#
            ))
        };
        let context = Context::new();
        let caller = user();
        for (trusted, may, expected) in [
            (USER, false, true),
            ("111122223333", false, false),
            ("111122223333", true, true),
            ("444455556666", true, false),
        ] {
            let trust = trust(trusted);
            let policies = Policies {
                identity: may
                    .then_some(Applies { name: "all", document: &all })
                    .into_iter()
                    .collect(),
                resource: Some(Applies { name: "trust", document: &trust }),
                ..Policies::default()
            };
            let request = Request {
                caller: &caller,
                action: "sts:AssumeRole",
                resource: ROLE,
                resource_account: "111122223333",
                context: &context,
            };
            assert_eq!(evaluate(&request, &policies).is_allowed(), expected, "{trusted} {may}");
        }
    }

    #[test]
    fn an_older_than_deny_spares_long_lived_keys() {
        let all = of("Allow", "*", "*");
        let older = policy(
            r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-03-24T07:10:00Z"}}}"#,
        );
        let caller = user();
        for (issued, expected) in [
            (None, true),
            (Some("2026-03-24T07:09:59Z"), false),
            (Some("2026-03-24T07:10:00Z"), true),
        ] {
            let mut context = Context::new();
            if let Some(issued) = issued {
                context.set("aws:TokenIssueTime", issued);
            }
            let policies = Policies {
                identity: vec![
                    Applies { name: "all", document: &all },
                    Applies { name: "older", document: &older },
                ],
                ..Policies::default()
            };
            let request = Request {
                caller: &caller,
                action: "s3:GetObject",
                resource: "*",
                resource_account: "111122223333",
                context: &context,
            };
            assert_eq!(evaluate(&request, &policies).is_allowed(), expected, "{issued:?}");
        }
    }

    #[test]
    fn what_iam_would_refuse_is_refused() {
        for wrong in [
            "",
            "[]",
            r#"{"Version":"2012-10-17"}"#,
            r#"{"Version":"2013","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"GetObject","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"bucket"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Principals":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"*","Principal":{"AWS":"bob"}}]}"#,
        ] {
            assert!(Document::parse(wrong).is_err(), "{wrong}");
        }
    }
}
