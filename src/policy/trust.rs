//! Does a role's trust policy admit a principal?
//!
//! The question of the ledger: every role that a cut user could have assumed. It errs towards yes:
//! conditions on an allow are taken as met, and only a deny without conditions counts.

use super::document::{Document, Effect, Either};
use super::pattern::fits_any_case;
use super::principal::{Caller, Match, account_of};

/// How a trust policy admits a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It names the principal.
    Named,
    /// It names the principal's account, which decides by its own policies.
    Account,
    /// It admits anyone.
    Anyone,
    /// It does not admit the principal.
    No,
}

/// Whether and how `document`, the trust policy of a role, admits the user or role `principal_arn`
/// of `account`.
pub fn admits(document: &Document, principal_arn: &str, account: &str) -> Admission {
    let caller = Caller {
        account: account.to_owned(),
        arn: principal_arn.to_owned(),
        behind: None,
        unique_id: String::new(),
    };
    let assumes = |action: &Either<Vec<String>>| {
        let listed = |list: &Vec<String>| list.iter().any(|a| fits_any_case(a, "sts:AssumeRole"));
        match action {
            Either::Of(list) => listed(list),
            Either::Not(list) => !listed(list),
        }
    };
    let mut closest = None;
    for statement in document.statements.iter().filter(|s| assumes(&s.action)) {
        let covered = statement.principal.as_ref().and_then(|p| p.covers(&caller));
        match statement.effect {
            Effect::Deny if covered.is_some() && statement.conditions.is_empty() => {
                return Admission::No;
            }
            Effect::Deny => {}
            Effect::Allow => closest = closest.max(covered),
        }
    }
    match closest {
        _ if names_a_session_of(document, principal_arn) => Admission::Named,
        Some(Match::Exact | Match::Behind) => Admission::Named,
        Some(Match::Anyone) => Admission::Anyone,
        Some(Match::Account) => Admission::Account,
        None => Admission::No,
    }
}

/// Whether a session of the role `arn` is admitted by its name: whoever holds the role can call one so.
fn names_a_session_of(document: &Document, arn: &str) -> bool {
    let Some((before, path)) = arn.split_once(":role/") else { return false };
    let name = path.rsplit('/').next().unwrap_or(path);
    let begins = format!("{}:assumed-role/{name}/", before.replacen(":iam:", ":sts:", 1));
    everybody_admitted(document)
        .iter()
        .any(|admitted| matches!(admitted, Admitted::Named(who) if who.starts_with(&begins)))
}

/// Somebody whom a trust policy admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admitted<'d> {
    /// A user, a role or a session, by its whole ARN or unique id.
    Named(&'d str),
    /// Whoever of an account its own policies allow it.
    Account(&'d str),
    /// A service, an identity provider or another that is no IAM principal.
    Other(&'d str),
    /// Anyone at all.
    Anyone,
}

impl<'d> Admitted<'d> {
    /// Whom a `Principal` element means by `name` of this kind: `AWS`, `Service`, `Federated`.
    pub fn called(kind: &str, name: &'d str) -> Self {
        match (kind, account_of(name)) {
            ("AWS", _) if name == "*" => Self::Anyone,
            ("AWS", Some(account)) => Self::Account(account),
            ("AWS", None) => Self::Named(name),
            _ => Self::Other(name),
        }
    }
}

impl std::fmt::Display for Admitted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(who) | Self::Other(who) => f.write_str(who),
            Self::Account(account) => {
                write!(f, "anyone of account {account} whose own policies allow it")
            }
            Self::Anyone => f.write_str("anyone at all"),
        }
    }
}

/// Everybody whom `document`, the trust policy of a role, admits, by its own words. Sorted.
pub fn everybody_admitted(document: &Document) -> Vec<Admitted<'_>> {
    let mut all = Vec::new();
    for statement in document.statements.iter().filter(|s| s.effect == Effect::Allow) {
        let Some(Either::Of(element)) = &statement.principal else {
            all.push(Admitted::Anyone);
            continue;
        };
        if element.anyone {
            all.push(Admitted::Anyone);
        }
        all.extend(element.others.iter().map(|other| Admitted::Other(other)));
        all.extend(element.aws.iter().map(|listed| Admitted::called("AWS", listed)));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether `document`, the trust policy of a role, admits `account`, or anybody of it by his ARN.
pub fn admits_account(document: &Document, account: &str) -> bool {
    everybody_admitted(document).into_iter().any(|admitted| match admitted {
        Admitted::Account(of) => of == account,
        Admitted::Named(who) => who.split(':').nth(4) == Some(account),
        Admitted::Anyone => true,
        Admitted::Other(_) => false,
    })
}

/// Whether `document`, the trust policy of a role, admits whoever signs in by the identity provider with that ARN.
pub fn admits_provider(document: &Document, provider: &str) -> bool {
    everybody_admitted(document).into_iter().any(|admitted| match admitted {
        Admitted::Other(who) => who == provider || who == "*",
        Admitted::Anyone => true,
        Admitted::Account(_) | Admitted::Named(_) => false,
    })
}

/// Whom `document`, the trust policy of a role, admits, where every one of them is named by a whole ARN or id;
/// `None` where accounts, everybody, services or identity providers are admitted too.
pub fn admitted(document: &Document) -> Option<Vec<&str>> {
    let named = everybody_admitted(document).into_iter().map(|admitted| match admitted {
        Admitted::Named(who) => Some(who),
        Admitted::Account(_) | Admitted::Other(_) | Admitted::Anyone => None,
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_told_by_the_policy_s_own_words() {
        let text = r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":{"AWS":["111122223333","arn:aws:iam::111122223333:user/a"],"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},
            {"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:user/b"},"Action":"sts:AssumeRole"}]}"#;
        let document = Document::parse(text).unwrap();
        let told: Vec<String> =
            everybody_admitted(&document).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "arn:aws:iam::111122223333:user/a",
                "anyone of account 111122223333 whose own policies allow it",
                "ec2.amazonaws.com"
            ]
        );
        assert_eq!(admitted(&document), None);
    }

    #[test]
    fn a_role_is_admitted_by_the_name_of_a_session() {
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/deploy/night"},"Action":"sts:AssumeRole"}]}"#;
        let document = Document::parse(text).unwrap();
        let admits = |role: &str| {
            admits(&document, &format!("arn:aws:iam::111122223333:role/{role}"), "111122223333")
        };
        assert_eq!(admits("ci/deploy"), Admission::Named);
        assert_eq!(admits("deployer"), Admission::No);
    }

    #[test]
    fn who_is_admitted() {
        let user = "arn:aws:iam::111122223333:user/ci/ci-deploy";
        let allow = |principal: &str| {
            format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}"#)
        };
        let named = allow(&format!(r#"{{"AWS":["{user}"]}}"#));
        let root = allow(r#"{"AWS":"arn:aws:iam::111122223333:root"}"#);
        let bare = allow(r#"{"AWS":"111122223333"}"#);
        let other = allow(r#"{"AWS":"arn:aws:iam::444455556666:root"}"#);
        let service = allow(r#"{"Service":"ec2.amazonaws.com"}"#);
        let anyone = allow(r#""*""#);
        let with_condition = anyone.replace(
            r#""Action""#,
            r#""Condition":{"StringEquals":{"sts:ExternalId":"x"}},"Action""#,
        );
        let all_sts = anyone.replace("sts:AssumeRole", "sts:*");
        let saml = anyone.replace("sts:AssumeRole", "sts:AssumeRoleWithSAML");
        let deny = named.replace("Allow", "Deny");
        let deny_if = deny.replace(
            r#""Action""#,
            r#""Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}},"Action""#,
        );
        for (statements, expected) in [
            (vec![&named], Admission::Named),
            (vec![&root], Admission::Account),
            (vec![&bare], Admission::Account),
            (vec![&root, &named], Admission::Named),
            (vec![&root, &anyone], Admission::Anyone),
            (vec![&other], Admission::No),
            (vec![&service], Admission::No),
            (vec![&anyone], Admission::Anyone),
            (vec![&with_condition], Admission::Anyone),
            (vec![&all_sts], Admission::Anyone),
            (vec![&saml], Admission::No),
            (vec![&anyone, &deny], Admission::No),
            (vec![&anyone, &deny_if], Admission::Anyone),
        ] {
            let list: Vec<&str> = statements.iter().map(|s| s.as_str()).collect();
            let text = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, list.join(","));
            let document = Document::parse(&text).unwrap();
            assert_eq!(admits(&document, user, "111122223333"), expected, "{text}");
        }
    }
}
