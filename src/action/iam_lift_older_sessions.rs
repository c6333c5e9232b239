//! `iam.user.lift-older-sessions`, `iam.role.lift-older-sessions`: take off the deny of sessions that were issued
//! before a moment.
//!
//! A later step of its own: the deny is needed until the last of those sessions has ended, 36 hours after the moment
//! for a user and 12 for a role, whatever the role's own limit is now: what it allows now may be less than it was
//! when a session was issued. Taking it off earlier would let the others in again, and so is refused; `run` says until
//! when it is kept. Afterwards it does nothing but fill the room for policies.

use std::marker::PhantomData;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::older_sessions::{POLICY, denied_before, policy_name, sessions, wants};
use super::principal::{Kind, Named, OfRole, OfUser, changeable, find, not_the_same, operations};
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError, gone};
use crate::cloud::WriteCloud;
use crate::ids::Principal;
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{Barrier, Effect, longest_session};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct LiftOlderSessions<N>(PhantomData<fn() -> N>);

pub(super) const OF_USER: LiftOlderSessions<OfUser> = LiftOlderSessions(PhantomData);
pub(super) const OF_ROLE: LiftOlderSessions<OfRole> = LiftOlderSessions(PhantomData);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) principal: Principal,
    /// Its unique id: another under the same name is somebody else.
    pub(super) id: String,
    /// What stood under the policy's name before, and is put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
}

impl Change {
    pub(super) fn draft(&self) -> Draft {
        let principal = &self.principal;
        let hours = longest_session(principal).as_hours();
        let lifts = |barrier| Effect::Lifts { subject: sessions(principal), barrier };
        Draft {
            target: principal.to_string(),
            what: "lift the deny of older sessions".to_owned(),
            before: format!("kept for {hours} hours after it was last written"),
            after: match &self.before {
                None => "no session is denied for its age".to_owned(),
                Some(_) => format!("policy {POLICY} says what it said before"),
            },
            already: false,
            effects: vec![lifts(Barrier::SessionsFirstPass), lifts(Barrier::SessionsSecondPass)],
            irreversible: None,
        }
    }
}

impl<N: Named> Action for LiftOlderSessions<N> {
    const SHAPE: ActionShape = match N::KIND {
        Kind::User => ActionShape {
            kind: "iam.user.lift-older-sessions",
            title: "Take the deny of a user's older sessions off, once they have ended",
            fields: &[Field::required("user", FieldType::UserName, "Whose deny")],
            phases: &[Phase::Recover],
            effects: &[EffectKind::Lifts],
            takes_off: Some("iam.user.revoke-sessions"),
        },
        Kind::Role => ActionShape {
            kind: "iam.role.lift-older-sessions",
            title: "Take the deny of a role's older sessions off, once they have ended",
            fields: &[Field::required("role", FieldType::RoleName, "Whose deny")],
            phases: &[Phase::Recover],
            effects: &[EffectKind::Lifts],
            takes_off: Some("iam.role.revoke-sessions"),
        },
    };
    const ABOUT: About = match N::KIND {
        Kind::User => About {
            permissions: &[
                "iam:GetUser",
                "iam:GetUserPolicy",
                "iam:DeleteUserPolicy",
                "iam:PutUserPolicy",
            ],
            undo: "`iam.user.revoke-sessions` denies sessions again, and then younger ones too",
            hazards: &[
                "held until 36 hours after the deny was last written: sessions live so long",
            ],
            unknowns: &[],
            d3fend: &["D3-RA"],
            counters: &["T1531"],
            tested: &["roles::an_older_than_deny_is_kept_until_nothing_it_denies_can_be_alive"],
        },
        Kind::Role => About {
            permissions: &[
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:DeleteRolePolicy",
                "iam:PutRolePolicy",
            ],
            undo: "`iam.role.revoke-sessions` denies sessions again, and then younger ones too",
            hazards: &[
                "held until 12 hours after the deny was last written: sessions live so long",
            ],
            unknowns: &[],
            d3fend: &["D3-RA"],
            counters: &["T1531"],
            tested: &[
                "faults::roles_and_networks::every_pair_of_faults_in_the_lift_of_an_older_than_deny_leaves_none",
                "roles::an_older_than_deny_is_kept_until_nothing_it_denies_can_be_alive",
            ],
        },
    };

    type Inputs = N;
    type Change = Change;

    fn wants(inputs: &N) -> Vec<Want> {
        wants(&inputs.principal())
    }

    fn plan(inputs: &N, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let principal = &inputs.principal();
        let found = changeable(principal, inventory)?;
        let change = Change { principal: principal.clone(), id: found.id.to_owned(), before: None };
        Ok(vec![(change.draft(), change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        wants(&change.principal)
    }

    fn permissions(change: &Change) -> Vec<Permission> {
        let operations = operations(&change.principal);
        vec![Permission::to(match change.before {
            Some(_) => operations.put,
            None => operations.delete,
        })]
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let found = find(&change.principal, facts)?;
        let found = found.map(|found| found.id);
        if let Some(elsewhere) = not_the_same(&change.principal, &change.id, found) {
            return Ok(elsewhere);
        }
        let stands = facts.inline_policy(&change.principal, &policy_name())?;
        Ok(if *stands == change.before { Position::After } else { Position::Before })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let Change { principal, before, .. } = change;
        // By what stands there, not by what this run remembers: somebody may have written it anew since.
        let stands = cloud.read().iam().inline_policy(principal, &policy_name()).await?;
        let Some(stands) = stands else { return Ok(()) };
        let document = percent_encoding::percent_decode_str(&stands.document).decode_utf8_lossy();
        let Some(moment) = denied_before(&document) else {
            return Err(ApplyError::Refused(format!(
                "policy {POLICY} of {principal} does not say what was written: see who changed it, and take it \
                 off by hand"
            )));
        };
        let until = moment.saturating_add(longest_session(principal)).unwrap_or(Timestamp::MAX);
        let now = cloud.read().sts().time().await?;
        if now < until {
            return Err(ApplyError::Refused(format!(
                "sessions that it denies may live until {until}: resume then"
            )));
        }
        match before {
            Some(before) => {
                cloud.iam().put_inline_policy(principal, &policy_name(), before).await?;
            }
            None => gone(cloud.iam().delete_inline_policy(principal, &policy_name()).await)?,
        }
        Ok(())
    }
}
