//! `iam.user.lift-quarantine`, `iam.role.lift-quarantine`: take the quarantine off again.
//!
//! Lifting is gated like issuing: `run` starts it only behind the gate, and only when everything else the user holds
//! is dead, replaced, or blocked by something other than the quarantine; for a role, when the sessions that were
//! issued so far are. All three barriers come off, whoever put them there; a boundary that the quarantine displaced is
//! put back from the plan, and where it is not known the change is refused, because taking the boundary off would
//! give the principal more than it had.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::principal::{Kind, Named, OfRole, OfUser, changeable, find, not_the_same, operations};
use super::quarantine_barriers as barriers;
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError, gone};
use crate::cloud::WriteCloud;
use crate::ids::{Arn, Principal};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{self, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct LiftQuarantine<N>(PhantomData<fn() -> N>);

pub(super) const OF_USER: LiftQuarantine<OfUser> = LiftQuarantine(PhantomData);
pub(super) const OF_ROLE: LiftQuarantine<OfRole> = LiftQuarantine(PhantomData);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) principal: Principal,
    /// Its unique id: another under the same name is somebody else.
    pub(super) id: String,
    /// The boundary it had before the quarantine.
    pub(super) boundary: Option<Arn>,
    /// `AWSDenyAll` in the account's partition.
    pub(super) deny_all: Arn,
}

impl Change {
    pub(super) fn draft(&self) -> Draft {
        Draft {
            target: self.principal.to_string(),
            what: "lift the quarantine".to_owned(),
            before: "quarantined".to_owned(),
            after: match &self.boundary {
                Some(boundary) => format!("not quarantined; bounded by {boundary}, as before"),
                None => "not quarantined".to_owned(),
            },
            already: false,
            effects: vec![Effect::Lifts {
                subject: Subject::Principal { principal: self.principal.clone() },
                barrier: plan::Barrier::Quarantine,
            }],
            irreversible: None,
        }
    }
}

impl<N: Named> Action for LiftQuarantine<N> {
    const SHAPE: ActionShape = match N::KIND {
        Kind::User => ActionShape {
            kind: "iam.user.lift-quarantine",
            title: "Let a user work again",
            fields: &[Field::required("user", FieldType::UserName, "The user to let in again")],
            phases: &[Phase::Recover],
            effects: &[EffectKind::Lifts],
            takes_off: Some("iam.user.quarantine"),
        },
        Kind::Role => ActionShape {
            kind: "iam.role.lift-quarantine",
            title: "Let a role work again",
            fields: &[Field::required("role", FieldType::RoleName, "The role to let work again")],
            phases: &[Phase::Recover],
            effects: &[EffectKind::Lifts],
            takes_off: Some("iam.role.quarantine"),
        },
    };
    const ABOUT: About = match N::KIND {
        Kind::User => About {
            permissions: &[
                "iam:GetUser",
                "iam:ListAttachedUserPolicies",
                "iam:GetUserPolicy",
                "iam:DetachUserPolicy",
                "iam:DeleteUserPolicy",
                "iam:PutUserPermissionsBoundary",
                "iam:DeleteUserPermissionsBoundary",
            ],
            undo: "`iam.user.quarantine` puts it on again",
            hazards: &[
                "whatever the user still holds works again, unless something else blocks it",
            ],
            unknowns: &[],
            d3fend: &["D3-ULA"],
            counters: &["T1531"],
            tested: &[
                "faults::single_actions::every_pair_of_faults_in_a_lift_leaves_the_user_free",
                "crash::a_run_that_crashes_at_any_call_resumes_to_the_same_world",
            ],
        },
        Kind::Role => About {
            permissions: &[
                "iam:GetRole",
                "iam:ListAttachedRolePolicies",
                "iam:GetRolePolicy",
                "iam:DetachRolePolicy",
                "iam:DeleteRolePolicy",
                "iam:PutRolePermissionsBoundary",
                "iam:DeleteRolePermissionsBoundary",
            ],
            undo: "`iam.role.quarantine` puts it on again",
            hazards: &[
                "sessions of the role work again, unless their issue is denied by `iam.role.revoke-sessions`",
                "whoever the role's trust admits can work with it again: see that it admits whom it should",
            ],
            unknowns: &[],
            d3fend: &["D3-ULA"],
            counters: &["T1531"],
            tested: &[
                "faults::roles_and_networks::every_pair_of_faults_in_a_role_s_lift_leaves_the_role_free",
                "roles::a_quarantined_role_does_nothing_until_it_is_lifted_and_its_old_sessions_not_even_then",
            ],
        },
    };

    type Inputs = N;
    type Change = Change;

    fn wants(inputs: &N) -> Vec<Want> {
        barriers::wants(&inputs.principal())
    }

    fn plan(inputs: &N, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let principal = &inputs.principal();
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
        let change =
            Change { principal: principal.clone(), id: found.id.to_owned(), boundary, deny_all };
        Ok(vec![(change.draft(), change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        barriers::wants(&change.principal)
    }

    fn permissions(change: &Change) -> Vec<Permission> {
        let operations = operations(&change.principal);
        let by_boundary = "the quarantine stands as a boundary";
        let boundary = match &change.boundary {
            Some(before) => {
                Permission::to(operations.bound).with("iam:PermissionsBoundary", before.as_str())
            }
            None => Permission::to(operations.unbound)
                .with("iam:PermissionsBoundary", change.deny_all.as_str()),
        };
        vec![
            Permission::to(operations.detach).with("iam:PolicyARN", change.deny_all.as_str()),
            Permission::to(operations.delete),
            boundary.only_if(by_boundary),
        ]
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let principal = &change.principal;
        let found = find(principal, facts)?;
        if let Some(elsewhere) = not_the_same(principal, &change.id, found.map(|found| found.id)) {
            return Ok(elsewhere);
        }
        // Everything must be readable here: "nothing stands" is only true when all three were seen.
        facts.attached_policies(principal)?;
        facts.inline_policy(principal, &barriers::inline_name())?;
        let standing = barriers::standing(principal, facts)?;
        let bounded = found.and_then(|found| found.boundary);
        Ok(if !standing.is_empty() {
            match bounded {
                Some(now) if Some(now) != change.boundary.as_ref() && *now != change.deny_all => {
                    let why = format!("its boundary was changed since, to {now}");
                    Position::Elsewhere { why }
                }
                _ => Position::Before,
            }
        } else if bounded == change.boundary.as_ref() {
            Position::After
        } else {
            Position::Between { why: "the boundary it had before is not back".to_owned() }
        })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let Change { principal, deny_all, .. } = change;
        let iam = cloud.iam();
        // The boundary first: were it the last to go, the principal would for a moment be bound by nothing.
        let bounded = cloud.read().iam().boundary(principal).await?;
        if bounded.as_deref() == Some(deny_all.as_str()) {
            match &change.boundary {
                Some(boundary) => iam.put_boundary(principal, boundary).await?,
                None => gone(iam.delete_boundary(principal).await)?,
            }
        }
        gone(iam.delete_inline_policy(principal, &barriers::inline_name()).await)?;
        gone(iam.detach_policy(principal, deny_all).await)?;
        Ok(())
    }
}
