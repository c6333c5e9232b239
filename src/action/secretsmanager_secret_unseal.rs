//! `secretsmanager.secret.unseal`: let a secret be read again by whoever could before.
//!
//! Lifting is gated like issuing: `run` starts it only behind the gate, and only where the value that may be
//! known was replaced. The policy that was there before the seal is put back byte for byte, or the policy is
//! deleted where there was none. Where somebody else has changed it since, nothing is put back: what he wrote
//! may be meant.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::seal_policy::{Parts, by_arn, called, found};
use super::secretsmanager_secret_seal::value_of;
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError, gone};
use crate::cloud::WriteCloud;
use crate::ids::SecretId;
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{Barrier, Effect};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct Unseal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    secret: SecretId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// What the plan calls it.
    pub(super) name: SecretId,
    /// Its ARN; every call names it.
    pub(super) secret: SecretId,
    /// The policy without the seal, as it was written; `None`: there was none.
    pub(super) before: Option<String>,
}

impl Change {
    pub(super) fn draft(&self) -> Draft {
        Draft {
            target: format!("secret {}", self.name),
            what: "lift the seal".to_owned(),
            before: "sealed".to_owned(),
            after: match self.before {
                Some(_) => "not sealed; the policy as it was without the seal".to_owned(),
                None => "not sealed; no policy".to_owned(),
            },
            already: false,
            effects: vec![Effect::Lifts {
                subject: value_of(&self.name),
                barrier: Barrier::Sealed,
            }],
            irreversible: None,
        }
    }
}

impl Action for Unseal {
    const SHAPE: ActionShape = ActionShape {
        kind: "secretsmanager.secret.unseal",
        title: "Let a secret be read again by whoever could before",
        fields: &[Field::required("secret", FieldType::SecretId, "The secret to unseal")],
        phases: &[Phase::Recover],
        effects: &[EffectKind::Lifts],
        takes_off: Some("secretsmanager.secret.seal"),
    };
    const ABOUT: About = About {
        permissions: &[
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetResourcePolicy",
            "secretsmanager:PutResourcePolicy",
            "secretsmanager:DeleteResourcePolicy",
        ],
        undo: "`secretsmanager.secret.seal` puts it on again",
        hazards: &["whoever could read the secret before the incident can read its new value"],
        unknowns: &[],
        d3fend: &["D3-ULA"],
        counters: &["T1531"],
        tested: &[
            "secrets::whatever_a_user_could_read_is_sealed_then_rotated_then_unsealed",
            "secrets::whatever_goes_wrong_at_a_write_the_end_is_the_same",
        ],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        vec![Want::Secret(inputs.secret.clone()), Want::SecretPolicy(inputs.secret.clone())]
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let caller = &inventory.caller;
        let secret = found(&inputs.secret, inventory.secret(&inputs.secret)?.as_deref(), caller)?;
        let name = called(secret, caller)?;
        let policy = inventory.secret_policy(&inputs.secret)?.as_deref();
        let Some(parts) = Parts::of(policy) else {
            return Err(PlanError::Impossible {
                message: format!("the policy of secret {name} is not understood"),
                help: "see what is unusual about it: nothing is put in its place unseen".to_owned(),
            });
        };
        let before = parts.without_the_seal(policy);
        let change = Change { name, secret: by_arn(secret)?, before };
        Ok(vec![(change.draft(), change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![Want::SecretPolicy(change.secret.clone())]
    }

    fn permissions(change: &Change) -> Vec<Permission> {
        vec![Permission::to(match &change.before {
            Some(_) => "secretsmanager:PutResourcePolicy",
            None => "secretsmanager:DeleteResourcePolicy",
        })]
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let policy = facts.secret_policy(&change.secret)?.as_deref();
        Ok(stands(change, policy))
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let there = cloud.read().secrets().policy(&change.secret).await?;
        match stands(change, there.as_deref()) {
            Position::After => return Ok(()),
            Position::Before => {}
            elsewhere => return Err(ApplyError::Refused(elsewhere.to_string())),
        }
        match &change.before {
            Some(policy) => cloud.secrets().put_policy(&change.secret, policy, false).await?,
            None => gone(cloud.secrets().delete_policy(&change.secret).await)?,
        }
        Ok(())
    }
}

fn stands(change: &Change, policy: Option<&str>) -> Position {
    let elsewhere = || Position::Elsewhere {
        why: format!(
            "the policy of secret {} is not the one it had, with or without the seal: somebody has changed it \
             since. Look at it, and take the statement PortcullisSeal out by hand or with a plan made anew",
            change.name
        ),
    };
    let before = Parts::of(change.before.as_deref());
    let (Some(found), Some(before)) = (Parts::of(policy), before) else { return elsewhere() };
    let rest: Option<&Value> = found.rest.as_ref();
    match found.seal {
        _ if rest != before.rest.as_ref() => elsewhere(),
        Some(_) => Position::Before,
        None => Position::After,
    }
}
