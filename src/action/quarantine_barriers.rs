//! The three ways to deny a user or role everything, and how to see which of them stands.
//!
//! Shared by putting the quarantine on and taking it off. The managed policy comes first: AWS owns it,
//! so an intruder cannot edit it, and an organisation can forbid its detachment. Where the quota of
//! attached policies is full, an inline deny; where that finds no room either, the managed policy as
//! boundary, with the boundary it displaces kept in the plan.

use serde::{Deserialize, Serialize};

use super::principal;
use crate::ids::{Arn, PolicyName, Principal};
use crate::inventory::{Inventory, Unread, Want};

/// The inline policy's name. Ours alone, so that taking it off never takes anything else off.
const INLINE: &str = "PortcullisQuarantine";

/// The inline policy: everything, explicitly.
pub(super) const DENY_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"PortcullisQuarantine","Effect":"Deny","Action":"*","Resource":"*"}]}"#;

/// One way to deny everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Barrier {
    /// AWS's `AWSDenyAll`, attached.
    Managed,
    /// An inline policy of our own.
    Inline,
    /// `AWSDenyAll` as the boundary.
    Boundary,
}

impl Barrier {
    /// From the best to the last resort.
    pub(super) const LADDER: [Self; 3] = [Self::Managed, Self::Inline, Self::Boundary];

    /// What it is, for people.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Managed => "AWSDenyAll attached",
            Self::Inline => "inline deny of everything",
            Self::Boundary => "AWSDenyAll as permissions boundary",
        }
    }
}

/// `AWSDenyAll` in the partition that `caller` is in.
pub(super) fn deny_all_arn(caller: &Arn) -> Arn {
    Arn::parse(format!("arn:{}:iam::aws:policy/AWSDenyAll", caller.partition()))
        .expect("the ARN of a managed policy")
}

/// The name of our inline policy.
pub(super) fn inline_name() -> PolicyName {
    PolicyName::parse(INLINE).expect("a policy name")
}

/// What must be read to see which barriers stand.
pub(super) fn wants(of: &Principal) -> Vec<Want> {
    vec![
        principal::want(of),
        Want::AttachedPolicies(of.clone()),
        Want::InlinePolicy(of.clone(), inline_name()),
    ]
}

/// Which barriers stand. A gap in one place does not hide what another shows: only when nothing is
/// seen to stand does what could not be read matter.
pub(super) fn standing(of: &Principal, facts: &Inventory) -> Result<Vec<Barrier>, Unread> {
    let deny_all = deny_all_arn(&facts.caller.arn);
    let looks = [
        (Barrier::Managed, facts.attached_policies(of).map(|all| all.contains(&deny_all))),
        (
            Barrier::Inline,
            facts
                .inline_policy(of, &inline_name())
                .map(|found| found.as_deref().is_some_and(denies_everything)),
        ),
        (
            Barrier::Boundary,
            principal::find(of, facts)
                .map(|found| found.and_then(|found| found.boundary) == Some(&deny_all)),
        ),
    ];
    let mut standing = Vec::new();
    let mut unread = None;
    for (barrier, look) in looks {
        match look {
            Ok(true) => standing.push(barrier),
            Ok(false) => {}
            Err(error) => unread = Some(error),
        }
    }
    match unread {
        Some(error) if standing.is_empty() => Err(error),
        _ => Ok(standing),
    }
}

/// Whether an inline policy under our name is still the one we write: an intruder may have emptied it.
fn denies_everything(document: &str) -> bool {
    let same = |a: &str, b: &str| {
        serde_json::from_str::<serde_json::Value>(a).ok() == serde_json::from_str(b).ok()
    };
    same(document, DENY_ALL)
}
