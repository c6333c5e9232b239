//! Whom a `Principal` element means.

use super::document::{Either, PrincipalElement};

/// The one who asks, by all the names that policies may call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account of the caller.
    pub account: String,
    /// The caller itself: a user's, a role session's or a federated user's ARN.
    pub arn: String,
    /// For a session, the user or role behind it, from which its permissions come.
    pub behind: Option<String>,
    /// The unique id of the user or role (`AIDA...`, `AROA...`).
    pub unique_id: String,
}

/// How closely a `Principal` element names a caller; later is closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// By its account, which leaves it to the account's own policies.
    Account,
    /// By `*`.
    Anyone,
    /// By the user or role behind its session.
    Behind,
    /// By its own ARN or unique id.
    Exact,
}

impl PrincipalElement {
    fn names(&self, caller: &Caller) -> Option<Match> {
        let mut closest = self.anyone.then_some(Match::Anyone);
        for listed in &self.aws {
            let this = if *listed == caller.arn {
                Some(Match::Exact)
            } else if caller.behind.as_ref() == Some(listed) {
                Some(Match::Behind)
            } else if *listed == caller.unique_id {
                Some(if caller.behind.is_some() { Match::Behind } else { Match::Exact })
            } else if account_of(listed) == Some(&caller.account) {
                Some(Match::Account)
            } else {
                None
            };
            closest = closest.max(this);
        }
        closest
    }
}

/// The account that a principal stands for as a whole: `111122223333` or its root's ARN.
pub(super) fn account_of(listed: &str) -> Option<&str> {
    if listed.len() == 12 && listed.bytes().all(|b| b.is_ascii_digit()) {
        return Some(listed);
    }
    let mut fields = listed.splitn(6, ':').skip(4);
    let account = fields.next()?;
    (fields.next()? == "root").then_some(account)
}

impl Either<PrincipalElement> {
    /// How a statement's `Principal` or `NotPrincipal` covers a caller, if it does.
    pub(super) fn covers(&self, caller: &Caller) -> Option<Match> {
        match self {
            Either::Of(element) => element.names(caller),
            Either::Not(element) => element.names(caller).is_none().then_some(Match::Anyone),
        }
    }
}
