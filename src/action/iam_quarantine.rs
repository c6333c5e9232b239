//! `iam.user.quarantine`, `iam.role.quarantine`: deny a user or role everything.
//!
//! It is the one cut that reaches everything at once, because it stands on the principal and not on what that holds:
//! an explicit deny is evaluated on every request, also for sessions that outlive whatever minted them. It is seen
//! at once and enforced seconds later, and whoever may change the principal can take it off. Hence proof, and
//! hence the other cuts beside it. Everything about it can be taken back: what the last resort would displace is kept.
//!
//! A role holds no credential: what lets somebody in are its sessions, and whoever its trust admits gets new ones. The
//! deny reaches all of them, also those minted later, for as long as it stands. Roles that AWS keeps for itself
//! cannot be changed, and the plan says what to do instead.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::by_hand::command;
use super::iam_lift_quarantine::{self, LiftQuarantine};
use super::principal::{
    Kind, Named, OfRole, OfUser, Operations, changeable, is_somebody_else, operations,
};
use super::quarantine_barriers::{self as barriers, Barrier};
use super::{
    About, Action, ApplyError, ByHand, Canary, Draft, Inverse, Notes, Permission, PlanError, Trial,
    Tried,
};
use crate::cloud::WriteCloud;
use crate::ids::{Arn, Principal};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position, Refusal};
use crate::plan::{self, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

/// IAM's quota of managed policies on one principal, where the account does not tell its own.
const ATTACHED_QUOTA: i64 = 10;

pub(super) struct Quarantine<N>(PhantomData<fn() -> N>);

pub(super) const OF_USER: Quarantine<OfUser> = Quarantine(PhantomData);
pub(super) const OF_ROLE: Quarantine<OfRole> = Quarantine(PhantomData);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    principal: Principal,
    /// Its unique id: another under the same name is somebody else.
    id: String,
    /// The ways to do it, the first to be tried first; the next only where AWS says that there is no room, or that it is
    /// not allowed.
    ladder: Vec<Barrier>,
    /// The boundary that the last rung displaces.
    boundary: Option<Arn>,
    /// `AWSDenyAll` in the account's partition.
    deny_all: Arn,
}

impl<N: Named> Action for Quarantine<N> {
    const SHAPE: ActionShape = match N::KIND {
        Kind::User => ActionShape {
            kind: "iam.user.quarantine",
            title: "Deny a user everything",
            fields: &[Field::required("user", FieldType::UserName, "The user to cut off")],
            phases: &[Phase::Contain],
            effects: &[EffectKind::Cuts],
            takes_off: None,
        },
        Kind::Role => ActionShape {
            kind: "iam.role.quarantine",
            title: "Deny a role everything",
            fields: &[Field::required("role", FieldType::RoleName, "The role to cut off")],
            phases: &[Phase::Contain],
            effects: &[EffectKind::Cuts],
            takes_off: None,
        },
    };
    const ABOUT: About = match N::KIND {
        Kind::User => About {
            permissions: &[
                "iam:GetUser",
                "iam:ListAttachedUserPolicies",
                "iam:GetUserPolicy",
                "iam:GetAccountSummary",
                "iam:AttachUserPolicy",
                "iam:PutUserPolicy",
                "iam:PutUserPermissionsBoundary",
            ],
            undo: "`iam.user.lift-quarantine`; a boundary that was displaced is put back",
            hazards: &[
                "whatever works under this user stops until it is lifted",
                "enforced some seconds after it can be read; until then the user can still act, also on the quarantine itself",
                "whoever may change the user's policies can take it off again",
            ],
            unknowns: &[],
            d3fend: &["D3-AL"],
            counters: &["T1078.004", "T1098"],
            tested: &[
                "faults::single_actions::every_pair_of_faults_in_a_quarantine_leaves_the_one_policy",
                "crash::a_run_that_crashes_at_any_call_resumes_to_the_same_world",
                "faults::ladder::where_no_policy_can_be_attached_an_inline_deny_is_the_quarantine",
            ],
        },
        Kind::Role => About {
            permissions: &[
                "iam:GetRole",
                "iam:ListAttachedRolePolicies",
                "iam:GetRolePolicy",
                "iam:GetAccountSummary",
                "iam:AttachRolePolicy",
                "iam:PutRolePolicy",
                "iam:PutRolePermissionsBoundary",
            ],
            undo: "`iam.role.lift-quarantine`; a boundary that was displaced is put back",
            hazards: &[
                "whatever works with this role stops until it is lifted: functions, instances, pipelines, people",
                "enforced some seconds after it can be read; until then a session can still act, also on the quarantine itself",
                "whoever may change the role's policies can take it off again",
                "it ends nobody's right to assume the role: new sessions can be had, and are denied everything while it stands",
            ],
            unknowns: &[],
            d3fend: &["D3-AL"],
            counters: &["T1078.004", "T1098"],
            tested: &[
                "faults::roles_and_networks::every_pair_of_faults_in_a_role_s_quarantine_leaves_the_one_policy",
                "roles::a_full_quota_leads_to_the_next_way_and_a_displaced_boundary_comes_back",
            ],
        },
    };

    type Inputs = N;
    type Change = Change;

    fn wants(inputs: &N) -> Vec<Want> {
        let mut wants = barriers::wants(&inputs.principal());
        wants.push(Want::AccountSummary);
        wants
    }

    fn plan(inputs: &N, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let principal = &inputs.principal();
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
        let draft = Draft {
            target: principal.to_string(),
            what: "deny everything".to_owned(),
            before: match standing.first() {
                Some(barrier) => format!("quarantined: {}", barrier.describe()),
                None => "not quarantined".to_owned(),
            },
            after: wanted(&ladder),
            already: !standing.is_empty(),
            effects: vec![Effect::Cuts {
                subject: Subject::Principal { principal: principal.clone() },
                barrier: plan::Barrier::Quarantine,
            }],
            irreversible: None,
        };
        let change = Change {
            principal: principal.clone(),
            id: found.id.to_owned(),
            ladder,
            boundary: found.boundary.filter(|bound| **bound != deny_all).cloned(),
            deny_all,
        };
        Ok(vec![(draft, change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        barriers::wants(&change.principal)
    }

    fn permissions(change: &Change) -> Vec<Permission> {
        let (deny_all, operations) = (change.deny_all.as_str(), operations(&change.principal));
        let rung = |barrier: &Barrier| {
            let permission = Permission::to(permission_for(*barrier, &operations));
            match barrier {
                Barrier::Managed => permission.with("iam:PolicyARN", deny_all),
                Barrier::Inline => permission,
                Barrier::Boundary => permission.with("iam:PermissionsBoundary", deny_all),
            }
        };
        let mut rungs: Vec<Permission> = change.ladder.iter().map(rung).collect();
        for further in rungs.iter_mut().skip(1) {
            further.only_if = Some("there is no room for a policy, or it is refused");
        }
        rungs
    }

    fn without(change: &Change, refused: &[&str]) -> Option<(Change, String)> {
        let operations = operations(&change.principal);
        let mut ladder = change.ladder.clone();
        ladder.retain(|barrier| !refused.contains(&permission_for(*barrier, &operations)));
        let is_other = !ladder.is_empty() && ladder.len() < change.ladder.len();
        is_other.then(|| {
            let (principal, id) = (change.principal.clone(), change.id.clone());
            let (boundary, deny_all) = (change.boundary.clone(), change.deny_all.clone());
            let after = wanted(&ladder);
            (Change { principal, id, ladder, boundary, deny_all }, after)
        })
    }

    fn on_canary(change: &Change, facts: &Inventory, canary: &Canary) -> Option<Trial<Change>> {
        // By the way that was really taken; before it was, by the first to be tried.
        let standing = barriers::standing(&change.principal, facts).unwrap_or_default();
        let rung = *standing.first().or(change.ladder.first())?;
        let (mechanism, with) = match (&change.principal, rung) {
            (Principal::User(_), Barrier::Managed) => ("AWSDenyAll attached to a user", Tried::Key),
            (Principal::User(_), Barrier::Inline) => {
                ("an inline deny of everything on a user", Tried::Key)
            }
            (Principal::User(_), Barrier::Boundary) => {
                ("AWSDenyAll as a user's permissions boundary", Tried::Key)
            }
            (Principal::Role(_), Barrier::Managed) => {
                ("AWSDenyAll attached to a role", Tried::RoleSession)
            }
            (Principal::Role(_), Barrier::Inline) => {
                ("an inline deny of everything on a role", Tried::RoleSession)
            }
            (Principal::Role(_), Barrier::Boundary) => {
                ("AWSDenyAll as a role's permissions boundary", Tried::RoleSession)
            }
        };
        let shown_by = match rung {
            Barrier::Managed | Barrier::Inline => Refusal::IdentityDeny,
            Barrier::Boundary => Refusal::Boundary,
        };
        let (principal, id) = canary.in_place_of(&change.principal);
        let deny_all = change.deny_all.clone();
        let change = Change { principal, id, ladder: vec![rung], boundary: None, deny_all };
        Some(Trial { mechanism, with, shown_by, change })
    }

    fn by_hand(change: &Change) -> Option<ByHand> {
        let operations = operations(&change.principal);
        let (word, deny_all) = (operations.word, change.deny_all.as_str());
        let of = format!("{word}-name");
        let of = (of.as_str(), change.principal.name());
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
        let attach = match change.principal {
            Principal::User(_) => "Attach policies directly",
            Principal::Role(_) => "Attach policies",
        };
        let displaced =
            change.boundary.as_ref().filter(|_| change.ladder.contains(&Barrier::Boundary));
        let displaced = displaced.map_or(String::new(), |bound| {
            format!(
                "; as a permissions boundary, which is the last command, it takes the place of {bound}: put that back \
                 when the quarantine is lifted"
            )
        });
        Some(ByHand {
            commands: change.ladder.iter().map(rung).collect(),
            console: format!(
                "IAM > {} > {} > Permissions > Add permissions > {attach} > AWSDenyAll{displaced}",
                operations.heading,
                change.principal.name()
            ),
        })
    }

    fn inverse(change: &Change) -> Option<Inverse> {
        let Change { principal, id, boundary, deny_all, .. } = change;
        let lift = iam_lift_quarantine::Change {
            principal: principal.clone(),
            id: id.clone(),
            boundary: boundary.clone(),
            deny_all: deny_all.clone(),
        };
        Some(Inverse::by::<LiftQuarantine<N>>(lift.draft(), &lift))
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        if let Some(elsewhere) = is_somebody_else(&change.principal, &change.id, facts) {
            return Ok(elsewhere);
        }
        let standing = barriers::standing(&change.principal, facts)?;
        Ok(if standing.is_empty() { Position::Before } else { Position::After })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let Change { principal, deny_all, .. } = change;
        let iam = cloud.iam();
        let mut first = None;
        for barrier in &change.ladder {
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
                // Both say for certain that nothing was put on.
                Err(error) if error.is_quota() || error.is_denied() => {
                    let tried = barrier.describe().to_owned();
                    let is_quota = error.is_quota();
                    let note =
                        if is_quota { Note::NoRoom { tried } } else { Note::NotAllowed { tried } };
                    notes.note(note).await?;
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(first.expect("a ladder has at least one rung").into())
    }
}

/// The state that a ladder is to lead to.
fn wanted(ladder: &[Barrier]) -> String {
    let names: Vec<&str> = ladder.iter().map(|barrier| barrier.describe()).collect();
    format!("quarantined: {}", names.join("; if there is no room, "))
}

/// What must be allowed to take a rung.
fn permission_for(barrier: Barrier, operations: &Operations) -> &'static str {
    match barrier {
        Barrier::Managed => operations.attach,
        Barrier::Inline => operations.put,
        Barrier::Boundary => operations.bound,
    }
}
