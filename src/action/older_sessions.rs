//! Denying the sessions that a principal's credentials were issued so far, and taking that off when they have all
//! ended: what the actions on users and on roles share.
//!
//! AWS has no call that ends a session. What it has is a deny, evaluated on every request, for sessions
//! issued before a moment. The moment is AWS's own time, taken just before the write. It is done twice:
//! at once, and again after whatever can mint sessions was seen to be cut, since a session minted between
//! the two would be younger than the first moment. Long-term keys do not carry the time of issue: this
//! cut does not touch them.
//!
//! The deny is kept until the last of the sessions has ended by itself. Taking it off earlier would let the
//! others in again, and so is refused; `run` says until when it is kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::by_hand::command;
use super::principal::{self, changeable, find, is_somebody_else, not_the_same, operations};
use super::{ApplyError, ByHand, Draft, Notes, Permission, PlanError, Word, gone};
use crate::cloud::WriteCloud;
use crate::ids::{PolicyName, Principal};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position, Receipt};
use crate::plan::{Barrier, Credential, Effect, Subject, longest_session};

/// Ours alone. Not the name the AWS console uses, which its button would overwrite.
const POLICY: &str = "PortcullisRevokeOlderSessions";

/// One pass, decided.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deny {
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

/// What must be read, to decide and to judge.
pub(super) fn wants(of: &Principal) -> Vec<Want> {
    vec![principal::want(of), Want::InlinePolicy(of.clone(), policy_name())]
}

fn sessions(of: &Principal) -> Subject {
    Subject::Credential { credential: Credential::sessions_of(of) }
}

impl Deny {
    pub(super) fn plan(
        principal: &Principal,
        inventory: &Inventory,
    ) -> Result<Vec<(Draft, Self)>, PlanError> {
        let found = changeable(principal, inventory)?;
        let stands =
            inventory.inline_policy(principal, &policy_name()).ok().and_then(Option::as_ref);
        let before = match stands.map(|text| denied_before(text)) {
            None => "no session is denied".to_owned(),
            Some(Some(moment)) => format!("sessions issued before {moment} are denied"),
            Some(None) => format!("policy {POLICY} is there and says something else"),
        };
        let change = |pass| Self {
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
        let proven = match principal {
            Principal::User(_) => "deny sessions again, once keys and quarantine are proven",
            Principal::Role(_) => {
                "deny sessions again, once whoever can assume the role is proven cut"
            }
        };
        let second = draft(
            Barrier::SessionsSecondPass,
            proven,
            "as the first pass left it".to_owned(),
            "sessions issued before the moment of the second write are denied",
        );
        Ok(vec![(first, change(Pass::First)), (second, change(Pass::Second))])
    }

    pub(super) fn look(&self) -> Vec<Want> {
        wants(&self.principal)
    }

    pub(super) fn permissions(&self) -> Vec<Permission> {
        vec![Permission::to(operations(&self.principal).put)]
    }

    pub(super) fn by_hand(&self) -> ByHand {
        let operations = operations(&self.principal);
        let (word, name) = (operations.word, self.principal.name());
        let of = format!("{word}-name");
        let options = [(of.as_str(), name), ("policy-name", POLICY)];
        let mut command = command(&["iam", &format!("put-{word}-policy")], &options);
        let (before, after) = around_the_moment();
        command.push(Word::Timed {
            before: format!("--policy-document={before}"),
            after: after.to_owned(),
        });
        ByHand {
            commands: vec![command],
            console: format!(
                "IAM > {} > {name} > Permissions > Add permissions > Create inline policy > JSON: paste the \
                 document of the command, with the time as it is, in UTC; call it {POLICY}",
                operations.heading
            ),
        }
    }

    pub(super) fn judge(&self, notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        if let Some(elsewhere) = is_somebody_else(&self.principal, &self.id, facts) {
            return Ok(elsewhere);
        }
        let document = facts.inline_policy(&self.principal, &policy_name())?;
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

    pub(super) async fn apply(
        &self,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let moment = cloud.read().sts().time_lately().await?;
        notes.note(Note::Denying { issued_before: moment }).await?;
        cloud.iam().put_inline_policy(&self.principal, &policy_name(), &document(moment)).await?;
        Ok(())
    }
}

/// What the journal keeps of a pass.
pub(super) fn receipt(notes: &[Note]) -> Receipt {
    Receipt { denied_before: last_moment(notes), ..Receipt::default() }
}

/// The deny to be taken off, once nothing that it denies can be alive.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeOff {
    principal: Principal,
    /// Its unique id: another under the same name is somebody else.
    id: String,
}

impl TakeOff {
    pub(super) fn plan(
        principal: &Principal,
        inventory: &Inventory,
    ) -> Result<Vec<(Draft, Self)>, PlanError> {
        let found = changeable(principal, inventory)?;
        let hours = longest_session(principal).as_hours();
        let lifts = |barrier| Effect::Lifts { subject: sessions(principal), barrier };
        let draft = Draft {
            target: principal.to_string(),
            what: "lift the deny of older sessions".to_owned(),
            before: format!("kept for {hours} hours after it was last written"),
            after: "no session is denied for its age".to_owned(),
            already: false,
            effects: vec![lifts(Barrier::SessionsFirstPass), lifts(Barrier::SessionsSecondPass)],
            irreversible: None,
        };
        let change = Self { principal: principal.clone(), id: found.id.to_owned() };
        Ok(vec![(draft, change)])
    }

    pub(super) fn look(&self) -> Vec<Want> {
        wants(&self.principal)
    }

    pub(super) fn permissions(&self) -> Vec<Permission> {
        vec![Permission::to(operations(&self.principal).delete)]
    }

    pub(super) fn judge(&self, facts: &Inventory) -> Result<Position, Unread> {
        let found = find(&self.principal, facts)?;
        let found = found.map(|found| found.id);
        if let Some(elsewhere) = not_the_same(&self.principal, &self.id, found) {
            return Ok(elsewhere);
        }
        let stands = facts.inline_policy(&self.principal, &policy_name())?;
        Ok(if stands.is_some() { Position::Before } else { Position::After })
    }

    pub(super) async fn apply(&self, cloud: &WriteCloud) -> Result<(), ApplyError> {
        let Self { principal, .. } = self;
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
        gone(cloud.iam().delete_inline_policy(principal, &policy_name()).await)?;
        Ok(())
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
