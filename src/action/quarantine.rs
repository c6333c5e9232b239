//! Denying a principal everything, and taking that off again: what the actions on users and on roles share.
//!
//! An explicit deny is evaluated on every request, also for sessions that outlive whatever minted them. It is
//! seen at once and enforced seconds later, and whoever may change the principal can take it off. Putting it on
//! keeps what the last resort would displace, and taking it off puts that back.

use serde::{Deserialize, Serialize};

use super::by_hand::command;
use super::principal::{changeable, find, is_somebody_else, not_the_same, operations};
use super::quarantine_barriers::{self as barriers, Barrier};
use super::{ApplyError, ByHand, Draft, Notes, Permission, PlanError, gone};
use crate::cloud::WriteCloud;
use crate::ids::{Arn, Principal};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{self, Effect, Subject};

/// IAM's quota of managed policies on one principal, where the account does not tell its own.
const ATTACHED_QUOTA: i64 = 10;

/// One quarantine, decided.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PutOn {
    principal: Principal,
    /// Its unique id: another under the same name is somebody else.
    id: String,
    /// The ways to do it, the first to be tried first; the next only where AWS says there is no room.
    ladder: Vec<Barrier>,
    /// The boundary that the last rung displaces.
    boundary: Option<Arn>,
    /// `AWSDenyAll` in the account's partition.
    deny_all: Arn,
}

/// What must be read to decide it.
pub(super) fn wants(principal: &Principal) -> Vec<Want> {
    let mut wants = barriers::wants(principal);
    wants.push(Want::AccountSummary);
    wants
}

fn effect_on(principal: &Principal) -> Subject {
    Subject::Principal { principal: principal.clone() }
}

impl PutOn {
    pub(super) fn plan(
        principal: &Principal,
        inventory: &Inventory,
    ) -> Result<Vec<(Draft, Self)>, PlanError> {
        let found = changeable(principal, inventory)?;
        let deny_all = barriers::deny_all_arn(&inventory.caller.arn);
        // Without permission to read what stands, the cut is planned all the same: it is harmless to
        // repeat, and the journal will say that it could not be seen.
        let standing = barriers::standing(principal, inventory).unwrap_or_default();
        let quota = inventory
            .account_summary()
            .ok()
            .and_then(|summary| summary.get(operations(principal).attached_quota).copied())
            .unwrap_or(ATTACHED_QUOTA);
        let full = inventory
            .attached_policies(principal)
            .is_ok_and(|attached| i64::try_from(attached.len()).unwrap_or(i64::MAX) >= quota);
        let ladder = match (standing.first(), full) {
            (Some(stands), _) => vec![*stands],
            (None, false) => Barrier::LADDER.to_vec(),
            (None, true) => Barrier::LADDER[1..].to_vec(),
        };
        let names: Vec<&str> = ladder.iter().map(|barrier| barrier.describe()).collect();
        let draft = Draft {
            target: principal.to_string(),
            what: "deny everything".to_owned(),
            before: match standing.first() {
                Some(barrier) => format!("quarantined: {}", barrier.describe()),
                None => "not quarantined".to_owned(),
            },
            after: format!("quarantined: {}", names.join("; if there is no room, ")),
            already: !standing.is_empty(),
            effects: vec![Effect::Cuts {
                subject: effect_on(principal),
                barrier: plan::Barrier::Quarantine,
            }],
            irreversible: None,
        };
        let change = Self {
            principal: principal.clone(),
            id: found.id.to_owned(),
            ladder,
            boundary: found.boundary.filter(|bound| **bound != deny_all).cloned(),
            deny_all,
        };
        Ok(vec![(draft, change)])
    }

    pub(super) fn look(&self) -> Vec<Want> {
        barriers::wants(&self.principal)
    }

    pub(super) fn permissions(&self) -> Vec<Permission> {
        let (deny_all, operations) = (self.deny_all.as_str(), operations(&self.principal));
        let rung = |barrier: &Barrier| match barrier {
            Barrier::Managed => Permission::to(operations.attach).with("iam:PolicyARN", deny_all),
            Barrier::Inline => Permission::to(operations.put),
            Barrier::Boundary => {
                Permission::to(operations.bound).with("iam:PermissionsBoundary", deny_all)
            }
        };
        let mut rungs: Vec<Permission> = self.ladder.iter().map(rung).collect();
        for further in rungs.iter_mut().skip(1) {
            further.only_if = Some("there is no room for a policy");
        }
        rungs
    }

    pub(super) fn by_hand(&self) -> ByHand {
        let operations = operations(&self.principal);
        let (word, deny_all) = (operations.word, self.deny_all.as_str());
        let of = format!("{word}-name");
        let of = (of.as_str(), self.principal.name());
        let rung = |barrier: &Barrier| match barrier {
            Barrier::Managed => {
                command(&["iam", &format!("attach-{word}-policy")], &[of, ("policy-arn", deny_all)])
            }
            Barrier::Inline => command(
                &["iam", &format!("put-{word}-policy")],
                &[
                    of,
                    ("policy-name", barriers::inline_name().as_str()),
                    ("policy-document", barriers::DENY_ALL),
                ],
            ),
            Barrier::Boundary => command(
                &["iam", &format!("put-{word}-permissions-boundary")],
                &[of, ("permissions-boundary", deny_all)],
            ),
        };
        let attach = match self.principal {
            Principal::User(_) => "Attach policies directly",
            Principal::Role(_) => "Attach policies",
        };
        ByHand {
            commands: self.ladder.iter().map(rung).collect(),
            console: format!(
                "IAM > {} > {} > Permissions > Add permissions > {attach} > AWSDenyAll",
                operations.heading,
                self.principal.name()
            ),
        }
    }

    pub(super) fn judge(&self, facts: &Inventory) -> Result<Position, Unread> {
        if let Some(elsewhere) = is_somebody_else(&self.principal, &self.id, facts) {
            return Ok(elsewhere);
        }
        let standing = barriers::standing(&self.principal, facts)?;
        Ok(if standing.is_empty() { Position::Before } else { Position::After })
    }

    pub(super) async fn apply(
        &self,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let Self { principal, deny_all, .. } = self;
        let iam = cloud.iam();
        let mut last = None;
        for barrier in &self.ladder {
            let answer = match barrier {
                Barrier::Managed => iam.attach_policy(principal, deny_all).await,
                Barrier::Inline => {
                    let name = barriers::inline_name();
                    iam.put_inline_policy(principal, &name, barriers::DENY_ALL).await
                }
                Barrier::Boundary => iam.put_boundary(principal, deny_all).await,
            };
            match answer {
                Ok(()) => return Ok(()),
                Err(error) if error.is_quota() => {
                    notes.note(Note::NoRoom { tried: barrier.describe().to_owned() }).await?;
                    last = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.expect("a ladder has at least one rung").into())
    }
}

/// One quarantine to be taken off, decided.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeOff {
    principal: Principal,
    /// Its unique id: another under the same name is somebody else.
    id: String,
    /// The boundary it had before the quarantine.
    boundary: Option<Arn>,
    /// `AWSDenyAll` in the account's partition.
    deny_all: Arn,
}

impl TakeOff {
    pub(super) fn plan(
        principal: &Principal,
        inventory: &Inventory,
    ) -> Result<Vec<(Draft, Self)>, PlanError> {
        let found = changeable(principal, inventory)?;
        let deny_all = barriers::deny_all_arn(&inventory.caller.arn);
        if found.boundary == Some(&deny_all) {
            return Err(PlanError::Impossible {
                message: format!(
                    "{} is already quarantined by its permissions boundary, and the boundary it had before \
                     is not known",
                    principal.name()
                ),
                help: "set the boundary it should have by hand, then plan again".to_owned(),
            });
        }
        let boundary = found.boundary.cloned();
        let draft = Draft {
            target: principal.to_string(),
            what: "lift the quarantine".to_owned(),
            before: "quarantined".to_owned(),
            after: match &boundary {
                Some(boundary) => format!("not quarantined; bounded by {boundary}, as before"),
                None => "not quarantined".to_owned(),
            },
            already: false,
            effects: vec![Effect::Lifts {
                subject: effect_on(principal),
                barrier: plan::Barrier::Quarantine,
            }],
            irreversible: None,
        };
        let change =
            Self { principal: principal.clone(), id: found.id.to_owned(), boundary, deny_all };
        Ok(vec![(draft, change)])
    }

    pub(super) fn look(&self) -> Vec<Want> {
        barriers::wants(&self.principal)
    }

    pub(super) fn permissions(&self) -> Vec<Permission> {
        let operations = operations(&self.principal);
        let by_boundary = "the quarantine stands as a boundary";
        let boundary = match &self.boundary {
            Some(before) => {
                Permission::to(operations.bound).with("iam:PermissionsBoundary", before.as_str())
            }
            None => Permission::to(operations.unbound)
                .with("iam:PermissionsBoundary", self.deny_all.as_str()),
        };
        vec![
            Permission::to(operations.detach).with("iam:PolicyARN", self.deny_all.as_str()),
            Permission::to(operations.delete),
            boundary.only_if(by_boundary),
        ]
    }

    pub(super) fn judge(&self, facts: &Inventory) -> Result<Position, Unread> {
        let principal = &self.principal;
        let found = find(principal, facts)?;
        if let Some(elsewhere) = not_the_same(principal, &self.id, found.map(|found| found.id)) {
            return Ok(elsewhere);
        }
        // Everything must be readable here: "nothing stands" is only true when all three were seen.
        facts.attached_policies(principal)?;
        facts.inline_policy(principal, &barriers::inline_name())?;
        let standing = barriers::standing(principal, facts)?;
        Ok(if !standing.is_empty() {
            Position::Before
        } else if found.and_then(|found| found.boundary) == self.boundary.as_ref() {
            Position::After
        } else {
            Position::Between { why: "the boundary it had before is not back".to_owned() }
        })
    }

    pub(super) async fn apply(&self, cloud: &WriteCloud) -> Result<(), ApplyError> {
        let Self { principal, deny_all, .. } = self;
        let iam = cloud.iam();
        // The boundary first: were it the last to go, the principal would for a moment be bound by nothing.
        let bounded = cloud.read().iam().boundary(principal).await?;
        if bounded.as_deref() == Some(deny_all.as_str()) {
            match &self.boundary {
                Some(boundary) => iam.put_boundary(principal, boundary).await?,
                None => gone(iam.delete_boundary(principal).await)?,
            }
        }
        gone(iam.delete_inline_policy(principal, &barriers::inline_name()).await)?;
        gone(iam.detach_policy(principal, deny_all).await)?;
        Ok(())
    }
}
