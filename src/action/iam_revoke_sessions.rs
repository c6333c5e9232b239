//! `iam.user.revoke-sessions`, `iam.role.revoke-sessions`: deny every session that was issued so far.
//!
//! AWS has no call that ends a session. What it has is a deny, evaluated on every request, for sessions
//! issued before a moment. The moment is AWS's own time, taken just before the write. It is done twice:
//! at once, and again after whatever can mint sessions was seen to be cut, since a session minted between
//! the two would be younger than the first moment. Long-term keys do not carry the time of issue: this
//! cut does not touch them.
//!
//! What can mint sessions of a user are his keys. Of a role it is whoever can assume it, and the cut ends nobody's
//! right to do so: the plan says whom the role's trust admits beside those in scope, and against those the role has
//! to be quarantined, or its trust mended.
//!
//! The deny stays when a quarantine is lifted, until the last of the sessions has ended by itself.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::by_hand::command;
use super::iam_lift_older_sessions::{self, LiftOlderSessions};
use super::older_sessions::{
    POLICY, around_the_moment, denied_before, document, last_moment, policy_name, sessions, wants,
};
use super::principal::{Kind, Named, OfRole, OfUser, changeable, is_somebody_else, operations};
use super::{
    About, Action, ApplyError, ByHand, Canary, Draft, Inverse, Notes, Permission, PlanError, Trial,
    Tried, Unknown, Word,
};
use crate::cloud::WriteCloud;
use crate::ids::Principal;
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position, Receipt, Refusal};
use crate::plan::{Barrier, Effect};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct RevokeSessions<N>(PhantomData<fn() -> N>);

pub(super) const OF_USER: RevokeSessions<OfUser> = RevokeSessions(PhantomData);
pub(super) const OF_ROLE: RevokeSessions<OfRole> = RevokeSessions(PhantomData);

/// One pass, decided.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    principal: Principal,
    /// Its unique id: another under the same name is somebody else.
    id: String,
    pass: Pass,
    /// What stands under the policy's name already.
    before: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Pass {
    First,
    Second,
}

impl<N: Named> Action for RevokeSessions<N> {
    const SHAPE: ActionShape = match N::KIND {
        Kind::User => ActionShape {
            kind: "iam.user.revoke-sessions",
            title: "Deny every session a user has minted so far",
            fields: &[Field::required("user", FieldType::UserName, "Whose sessions")],
            phases: &[Phase::Contain],
            effects: &[EffectKind::Cuts],
            takes_off: None,
        },
        Kind::Role => ActionShape {
            kind: "iam.role.revoke-sessions",
            title: "Deny every session of a role that was issued so far",
            fields: &[Field::required("role", FieldType::RoleName, "Whose sessions")],
            phases: &[Phase::Contain],
            effects: &[EffectKind::Cuts],
            takes_off: None,
        },
    };
    const ABOUT: About = match N::KIND {
        Kind::User => About {
            permissions: &["iam:GetUser", "iam:GetUserPolicy", "iam:PutUserPolicy"],
            undo: "`iam.user.lift-older-sessions`, not before the last session has expired (36 hours)",
            hazards: &[
                "rightful sessions of the user are denied too; they must be obtained anew",
                "whoever may delete the user's inline policies can take it off again",
            ],
            unknowns: &[Unknown {
                what: "the moment before which sessions are denied",
                ty: "timestamp",
                known: "when it is written, by AWS's clock",
            }],
            d3fend: &["D3-ANCI", "D3-ST"],
            counters: &["T1550.001", "T1528"],
            tested: &[
                "faults::single_actions::every_pair_of_faults_in_a_revocation_leaves_no_session_alive",
                "crash::a_run_that_crashes_at_any_call_resumes_to_the_same_world",
            ],
        },
        Kind::Role => About {
            permissions: &["iam:GetRole", "iam:GetRolePolicy", "iam:PutRolePolicy"],
            undo: "`iam.role.lift-older-sessions`, not before the last session has expired (12 hours)",
            hazards: &[
                "rightful sessions of the role are denied too: instances and functions fail until they are given new ones, which may take hours",
                "whoever the role's trust still admits gets a new session at once, and that one is not denied",
                "whoever may delete the role's inline policies can take it off again",
            ],
            unknowns: &[Unknown {
                what: "the moment before which sessions are denied",
                ty: "timestamp",
                known: "when it is written, by AWS's clock",
            }],
            d3fend: &["D3-ANCI", "D3-ST"],
            counters: &["T1550.001", "T1528"],
            tested: &[
                "faults::roles_and_networks::every_pair_of_faults_in_a_role_s_revocation_leaves_the_one_deny",
                "roles::sessions_of_roles_are_denied_after_whoever_can_mint_them_and_new_ones_work",
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
        let stands =
            inventory.inline_policy(principal, &policy_name()).ok().and_then(Option::as_ref);
        let before = match stands.map(|text| denied_before(text)) {
            None => "no session is denied".to_owned(),
            Some(Some(moment)) => format!("sessions issued before {moment} are denied"),
            Some(None) => format!("policy {POLICY} is there and says something else"),
        };
        let change = |pass| Change {
            principal: principal.clone(),
            id: found.id.to_owned(),
            pass,
            before: stands.cloned(),
        };
        let draft = |barrier, what: &str, before, after: &str| Draft {
            target: principal.to_string(),
            what: what.to_owned(),
            before,
            after: after.to_owned(),
            already: false,
            effects: vec![Effect::Cuts { subject: sessions(principal), barrier }],
            irreversible: None,
        };
        let first = draft(
            Barrier::SessionsFirstPass,
            "deny sessions issued so far",
            before,
            "sessions issued before the moment of the write are denied",
        );
        // Whether a step cuts any of that, planning knows, and has it wait for the proof.
        let again = match principal {
            Principal::User(_) => "deny sessions again, behind every cut of what mints them",
            Principal::Role(_) => {
                "deny sessions again, behind every cut of whoever can assume the role"
            }
        };
        let second = draft(
            Barrier::SessionsSecondPass,
            again,
            "as the first pass left it".to_owned(),
            "sessions issued before the moment of the second write are denied",
        );
        Ok(vec![(first, change(Pass::First)), (second, change(Pass::Second))])
    }

    fn look(change: &Change) -> Vec<Want> {
        wants(&change.principal)
    }

    fn permissions(change: &Change) -> Vec<Permission> {
        vec![Permission::to(operations(&change.principal).put)]
    }

    fn on_canary(change: &Change, _facts: &Inventory, canary: &Canary) -> Option<Trial<Change>> {
        let (mechanism, with) = match change.principal {
            Principal::User(_) => {
                ("a deny of a user's sessions issued before a moment", Tried::Session)
            }
            Principal::Role(_) => {
                ("a deny of a role's sessions issued before a moment", Tried::OlderRoleSession)
            }
        };
        let (principal, id) = canary.in_place_of(&change.principal);
        let change = Change { principal, id, pass: change.pass, before: None };
        Some(Trial { mechanism, with, shown_by: Refusal::IdentityDeny, change })
    }

    fn by_hand(change: &Change) -> Option<ByHand> {
        let operations = operations(&change.principal);
        let (word, name) = (operations.word, change.principal.name());
        let of = format!("{word}-name");
        let options = [(of.as_str(), name), ("policy-name", POLICY)];
        let mut command = command(&["iam", &format!("put-{word}-policy")], &options);
        let (before, after) = around_the_moment();
        command.push(Word::Timed {
            before: format!("--policy-document={before}"),
            after: after.to_owned(),
        });
        Some(ByHand {
            commands: vec![command],
            console: format!(
                "IAM > {} > {name} > Permissions > Add permissions > Create inline policy > JSON: paste the \
                 document of the command, with the time as it is, in UTC; call it {POLICY}",
                operations.heading
            ),
        })
    }

    /// Both passes write one policy, and it is taken off once.
    fn inverse(change: &Change) -> Option<Inverse> {
        if change.pass == Pass::Second {
            return None;
        }
        let lift = iam_lift_older_sessions::Change {
            principal: change.principal.clone(),
            id: change.id.clone(),
            before: change.before.clone(),
        };
        Some(Inverse::by::<LiftOlderSessions<N>>(lift.draft(), &lift))
    }

    fn judge(change: &Change, notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        if let Some(elsewhere) = is_somebody_else(&change.principal, &change.id, facts) {
            return Ok(elsewhere);
        }
        let document = facts.inline_policy(&change.principal, &policy_name())?;
        let stands = document.as_deref().and_then(denied_before);
        // Each attempt notes its moment first. The second pass writes a later one over the first's, so
        // a later moment than ours is as good as ours.
        Ok(match (stands, last_moment(notes)) {
            (Some(stands), Some(ours)) if stands >= ours => Position::After,
            (Some(_), Some(_)) => Position::Before,
            (None, Some(_)) if document.is_some() => Position::Elsewhere {
                why: format!("policy {POLICY} does not say what was written"),
            },
            (None | Some(_), _) => Position::Before,
        })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let moment = cloud.read().sts().time().await?;
        notes.note(Note::Denying { issued_before: moment }).await?;
        cloud.iam().put_inline_policy(&change.principal, &policy_name(), &document(moment)).await?;
        Ok(())
    }

    fn receipt(_change: &Change, notes: &[Note]) -> Receipt {
        Receipt { denied_before: last_moment(notes), ..Receipt::default() }
    }
}
