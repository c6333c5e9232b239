//! May a principal do something, as far as policies can say without a request?
//!
//! The question of a response: what somebody *could* have done. It errs towards yes: conditions on an allow are
//! taken as met, a deny counts only where it has no conditions, a variable that is not known fits anything, and a
//! policy that cannot be understood allows everything. Organizations' policies, keys of KMS, session policies and
//! federated users are not looked at; where they forbid, the answer is still yes.

use super::document::{Either, Statement};
use super::pattern::fill_in;
use super::{Applies, Caller, Context, Document, Effect, Policies, Request, evaluate};

/// Everything of a principal that has a say.
#[derive(Clone, Debug)]
pub struct Reach {
    caller: Caller,
    context: Context,
    identity: Vec<Document>,
    boundary: Option<Document>,
    /// Some policy of its own could not be understood.
    unclear: bool,
}

impl Reach {
    /// Of the user or role `caller`, whose own policies, and whose groups', are the JSON texts `identity`.
    pub fn of<'t>(
        caller: Caller,
        context: Context,
        identity: impl Iterator<Item = &'t str>,
        boundary: Option<&str>,
    ) -> Self {
        let mut reach =
            Self { caller, context, identity: Vec::new(), boundary: None, unclear: false };
        for text in identity {
            match Document::parse(text) {
                Ok(document) => {
                    let document = document.at_most(&reach.context);
                    reach.identity.push(document);
                }
                Err(_) => reach.unclear = true,
            }
        }
        let boundary = boundary.and_then(|text| Document::parse(text).ok());
        reach.boundary = boundary.map(|document| document.at_most(&reach.context));
        reach
    }

    /// The same without what bounds it.
    #[must_use]
    pub fn unbounded(self) -> Self {
        Self { boundary: None, ..self }
    }

    /// The same without what its own policies deny.
    #[must_use]
    pub fn without_own_denies(mut self) -> Self {
        for document in &mut self.identity {
            document.statements.retain(|statement| statement.effect == Effect::Allow);
        }
        self
    }

    /// Whether it may, perhaps, do `action` on `resource`, whose own policy is the JSON text `policy`.
    pub fn may(&self, action: &str, resource: &str, account: &str, policy: Option<&str>) -> bool {
        let policy = policy.map(Document::parse);
        if self.unclear || matches!(policy, Some(Err(_))) {
            return true;
        }
        let policy = policy.and_then(Result::ok).map(|document| document.at_most(&self.context));
        let applies = |document| Applies { name: "", document };
        let policies = Policies {
            identity: self.identity.iter().map(applies).collect(),
            boundary: self.boundary.as_ref().map(applies),
            session: None,
            resource: policy.as_ref().map(applies),
        };
        let mut callers = vec![self.caller.clone()];
        callers.extend(policy.iter().flat_map(|policy| self.sessions_named_by(policy)));
        callers.iter().any(|caller| {
            let context = &self.context;
            let request = Request { caller, action, resource, resource_account: account, context };
            evaluate(&request, &policies).is_allowed()
        })
    }

    /// The sessions of a role that a policy names one by one: whoever holds the role can call a session so.
    fn sessions_named_by(&self, policy: &Document) -> Vec<Caller> {
        let Caller { account, arn, .. } = &self.caller;
        let Some((_, path)) = arn.split_once(":role/") else { return Vec::new() };
        let name = path.rsplit('/').next().unwrap_or(path);
        let begins = format!(":sts::{account}:assumed-role/{name}/");
        let named = policy.statements.iter().filter_map(|statement| statement.principal.as_ref());
        let named = named.flat_map(|(Either::Of(element) | Either::Not(element))| &element.aws);
        let session = |named: &String| Caller {
            arn: named.clone(),
            behind: Some(arn.clone()),
            ..self.caller.clone()
        };
        named.filter(|named| named.contains(&begins)).map(session).collect()
    }
}

impl Document {
    /// The most that it can come to, whatever a request is like.
    fn at_most(mut self, context: &Context) -> Self {
        self.statements.retain_mut(|statement| statement.is_at_most(context));
        self
    }
}

impl Statement {
    /// Makes it say the most that it can; `false` where it is then better left out.
    fn is_at_most(&mut self, context: &Context) -> bool {
        let known = |text: &String| fill_in(text, context).is_some();
        if self.effect == Effect::Deny {
            let resources = match &self.resource {
                Some(Either::Of(list) | Either::Not(list)) => list.as_slice(),
                None => &[],
            };
            return self.conditions.is_empty() && resources.iter().all(known);
        }
        self.conditions.clear();
        if let Some(Either::Of(list)) = &mut self.resource {
            for resource in list.iter_mut().filter(|text| !known(text)) {
                *resource = widened(resource, context);
            }
        }
        true
    }
}

/// With a wildcard for every variable that is not known.
fn widened(text: &str, context: &Context) -> String {
    let mut wide = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        wide.push_str(before);
        let variable = format!("${{{name}}}");
        let is_known = fill_in(&variable, context).is_some();
        wide.push_str(if is_known { &variable } else { "*" });
        rest = behind;
    }
    wide.push_str(rest);
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-abc123";
    const ROLE: &str = "arn:aws:iam::111122223333:role/ops/worker";

    fn policy(statement: &str) -> String {
        format!(r#"{{"Version":"2012-10-17","Statement":[{{"Action":"*",{statement}}}]}}"#)
    }

    fn may(arn: &str, identity: &[&str], boundary: Option<&str>, on_it: Option<&str>) -> bool {
        let caller = Caller {
            account: "111122223333".to_owned(),
            arn: arn.to_owned(),
            behind: None,
            unique_id: "AIDAEXAMPLE".to_owned(),
        };
        let mut context = Context::new();
        context.set("aws:username", "alice");
        let identity: Vec<String> = identity.iter().map(|text| policy(text)).collect();
        let boundary = boundary.map(policy);
        let on_it = on_it.map(policy);
        let identity = identity.iter().map(String::as_str);
        let reach = Reach::of(caller, context, identity, boundary.as_deref());
        reach.may("secretsmanager:GetSecretValue", SECRET, "111122223333", on_it.as_deref())
    }

    #[test]
    fn it_errs_towards_yes_and_not_further() {
        let user = "arn:aws:iam::111122223333:user/alice";
        let all = r#""Effect":"Allow","Resource":"*""#;
        let tagged = r#""Effect":"Allow","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"x"}}"#;
        let unless = r#""Effect":"Deny","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#;
        let never = r#""Effect":"Deny","Resource":"*""#;
        let of = |which: &str| {
            format!(r#""Effect":"Allow","Resource":"arn:aws:secretsmanager:*:*:secret:{which}""#)
        };
        let deny_of = of("${aws:PrincipalTag/x}-*").replace("Allow", "Deny");
        let deny_all_but = deny_of.replace("\"Resource\"", "\"NotResource\"");
        let grants =
            |who: &str| format!(r#""Effect":"Allow","Principal":{{"AWS":"{who}"}},"Resource":"*""#);
        let in_session = "arn:aws:sts::111122223333:assumed-role/worker/night";
        for (n, (arn, identity, boundary, on_it, expected)) in [
            (user, vec![], None, None, false),
            (user, vec![all], None, None, true),
            (user, vec![tagged], None, None, true),
            (user, vec![all, unless], None, None, true),
            (user, vec![all, never], None, None, false),
            (user, vec![&of("db-*")], None, None, true),
            (user, vec![&of("mail-*")], None, None, false),
            (user, vec![&of("${aws:username}-*")], None, None, false),
            (user, vec![&of("${aws:PrincipalTag/x}-*")], None, None, true),
            (user, vec![all, &deny_of], None, None, true),
            (user, vec![all, &deny_all_but], None, None, true),
            (user, vec![all], Some(tagged), None, true),
            (user, vec![all], Some(&*of("mail-*")), None, false),
            (user, vec![r#""Effect":"Perhaps""#], None, None, true),
            (user, vec![], None, Some(grants(user)), true),
            (user, vec![], None, Some(grants("111122223333")), false),
            (user, vec![], None, Some(r#""Effect":"Perhaps""#.to_owned()), true),
            (ROLE, vec![], None, Some(grants(ROLE)), true),
            (ROLE, vec![], None, Some(grants(in_session)), true),
            (ROLE, vec![], None, Some(grants(&in_session.replace("worker", "other"))), false),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(may(arn, &identity, boundary, on_it.as_deref()), expected, "case {n}");
        }
    }
}
