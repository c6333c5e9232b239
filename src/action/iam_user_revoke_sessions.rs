//! `iam.user.revoke-sessions`: deny every session a user has minted so far.
//!
//! AWS has no call that ends a session. What it has is a deny, evaluated on every request, for sessions
//! issued before a moment. The moment is AWS's own time, taken just before the write. It is done twice:
//! at once, and again after whatever can mint sessions was seen to be cut, since a session minted between
//! the two would be younger than the first moment. Long-term keys do not carry the time of issue: this
//! cut does not touch them.
//!
//! The deny stays when the quarantine is lifted, because sessions live for up to 36 hours.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::by_hand::command;
use super::iam_user_quarantine::no_such_user;
use super::{
    About, Action, ApplyError, ByHand, Draft, Notes, PlanError, Unknown, Word, not_the_user,
};
use crate::cloud::WriteCloud;
use crate::ids::{PolicyName, UserName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position, Receipt};
use crate::plan::{Barrier, Credential, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

/// Ours alone. Not the name the AWS console uses, which its button would overwrite.
const POLICY: &str = "PortcullisRevokeOlderSessions";

pub(super) struct RevokeSessions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    user: UserName,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    user: UserName,
    /// The user's unique id: another user under the same name is somebody else.
    user_id: String,
    pass: Pass,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Pass {
    First,
    Second,
}

impl Action for RevokeSessions {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.user.revoke-sessions",
        title: "Deny every session a user has minted so far",
        fields: &[Field::required("user", FieldType::UserName, "Whose sessions")],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
    };
    const ABOUT: About = About {
        permissions: &["iam:GetUser", "iam:GetUserPolicy", "iam:PutUserPolicy"],
        undo: "delete the inline policy, not before the last session has expired (36 hours)",
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
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        vec![
            Want::User(inputs.user.clone()),
            Want::InlinePolicy(inputs.user.clone(), policy_name()),
        ]
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let user = &inputs.user;
        let Some(found) = inventory.user(user)? else {
            return Err(no_such_user(user, inventory));
        };
        let stands = inventory.inline_policy(user, &policy_name()).ok().and_then(Option::as_ref);
        let before = match stands.map(|text| denied_before(text)) {
            None => "no session is denied".to_owned(),
            Some(Some(moment)) => format!("sessions issued before {moment} are denied"),
            Some(None) => format!("policy {POLICY} is there and says something else"),
        };
        let change = |pass| Change { user: user.clone(), user_id: found.id.clone(), pass };
        let draft = |barrier, what: &str, before, after: &str| Draft {
            target: format!("user {user}"),
            what: what.to_owned(),
            before,
            after: after.to_owned(),
            already: false,
            effects: vec![Effect::Cuts {
                subject: Subject::Credential {
                    credential: Credential::Sessions { user: user.clone() },
                },
                barrier,
            }],
            irreversible: None,
        };
        let first = draft(
            Barrier::SessionsFirstPass,
            "deny sessions issued so far",
            before,
            "sessions issued before the moment of the write are denied",
        );
        let second = draft(
            Barrier::SessionsSecondPass,
            "deny sessions again, once keys and quarantine are proven",
            "as the first pass left it".to_owned(),
            "sessions issued before the moment of the second write are denied",
        );
        Ok(vec![(first, change(Pass::First)), (second, change(Pass::Second))])
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![
            Want::User(change.user.clone()),
            Want::InlinePolicy(change.user.clone(), policy_name()),
        ]
    }

    fn by_hand(change: &Change) -> Option<ByHand> {
        let options = [("user-name", change.user.as_str()), ("policy-name", POLICY)];
        let mut command = command(&["iam", "put-user-policy"], &options);
        let (before, after) = around_the_moment();
        command.push(Word::Timed {
            before: format!("--policy-document={before}"),
            after: after.to_owned(),
        });
        Some(ByHand {
            commands: vec![command],
            console: format!(
                "IAM > Users > {} > Permissions > Add permissions > Create inline policy > JSON: paste the \
                 document of the command, with the time as it is, in UTC; call it {POLICY}",
                change.user
            ),
        })
    }

    fn judge(change: &Change, notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let elsewhere = facts
            .user(&change.user)
            .ok()
            .and_then(|found| not_the_user(&change.user, &change.user_id, found.as_ref()));
        if let Some(elsewhere) = elsewhere {
            return Ok(elsewhere);
        }
        let document = facts.inline_policy(&change.user, &policy_name())?;
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
        let moment = cloud.read().sts().time_lately().await?;
        notes.note(Note::Denying { issued_before: moment }).await?;
        cloud.iam().put_inline_policy(&change.user, &policy_name(), &document(moment)).await?;
        Ok(())
    }

    fn receipt(_change: &Change, notes: &[Note]) -> Receipt {
        Receipt { denied_before: last_moment(notes), ..Receipt::default() }
    }
}

fn policy_name() -> PolicyName {
    PolicyName::parse(POLICY).expect("a policy name")
}

fn last_moment(notes: &[Note]) -> Option<Timestamp> {
    notes.iter().rev().find_map(|note| match note {
        Note::Denying { issued_before } => Some(*issued_before),
        _ => None,
    })
}

/// The policy that denies sessions issued before `moment`, to the second, as AWS counts.
fn document(moment: Timestamp) -> String {
    let (before, after) = around_the_moment();
    format!("{before}{}{after}", moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
}

/// The same without the moment: what stands before it, and what behind.
fn around_the_moment() -> (&'static str, &'static str) {
    (
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"PortcullisRevokeOlderSessions","Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":""#,
        r#""}}}]}"#,
    )
}

/// The moment in a document that is exactly what [`document`] writes; `None` for anything else.
fn denied_before(text: &str) -> Option<Timestamp> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let moment = value.pointer("/Statement/0/Condition/DateLessThan/aws:TokenIssueTime")?;
    let moment: Timestamp = moment.as_str()?.parse().ok()?;
    let same: serde_json::Value = serde_json::from_str(&document(moment)).ok()?;
    (value == same).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_deny_counts_as_standing() {
        let moment: Timestamp = "2026-03-24T07:10:05Z".parse().unwrap();
        let text = document(moment);
        assert_eq!(denied_before(&text), Some(moment));
        for (from, to) in [
            ("\"Deny\"", "\"Allow\""),
            ("\"Action\":\"*\"", "\"Action\":\"s3:*\""),
            ("\"Resource\":\"*\"", "\"Resource\":\"arn:aws:s3:::x\""),
            ("DateLessThan", "DateGreaterThan"),
            ("{\"Sid\"", "{\"Effect\":\"Allow\"},{\"Sid\""),
        ] {
            assert_ne!(text.replace(from, to), text);
            assert_eq!(denied_before(&text.replace(from, to)), None, "{to}");
        }
    }
}
