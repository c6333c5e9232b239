//! `secretsmanager.secret.seal`: deny reading a secret to everybody but a few, before anything new is written
//! into it.
//!
//! A statement of our own in the secret's resource policy, beside whatever stands there. An explicit deny holds
//! against every policy that allows, in this account and in others; only the account's own people can take it
//! off. Whoever runs this is always left in, because he must still work on the secret and take the seal off
//! again. What was read before is known for good: that is for `secretsmanager.secret.rotate`.
//!
//! The policy is read before it is written and again just before, because the service cannot compare and set;
//! what somebody else changes between those two is lost, and there is no way not to lose it.

use serde::{Deserialize, Serialize};

use super::by_hand::command;
use super::seal_policy::{LONGEST, Parts, by_arn, called, found, spared, statement};
use super::secretsmanager_secret_unseal::{self, Unseal};
use super::{About, Action, ApplyError, ByHand, Draft, Inverse, Notes, Permission, PlanError};
use crate::cloud::WriteCloud;
use crate::ids::{Arn, SecretId};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{Barrier, Credential, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, ONE_PRINCIPAL, Phase};

pub(super) struct Seal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    secret: SecretId,
    #[serde(default)]
    readers: Vec<Arn>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// What the plan calls it.
    name: SecretId,
    /// Its ARN; every call names it.
    secret: SecretId,
    /// Whom it leaves in.
    spared: Vec<String>,
    /// The policy that comes of it, as things were when this was planned.
    policy: String,
    /// The policy without the seal, as it was written; `None`: there was none.
    before: Option<String>,
}

impl Action for Seal {
    const SHAPE: ActionShape = ActionShape {
        kind: "secretsmanager.secret.seal",
        title: "Deny reading a secret to everybody but a few",
        fields: &[
            Field::required("secret", FieldType::SecretId, "The secret to seal"),
            Field::optional(
                "readers",
                FieldType::List(&ONE_PRINCIPAL),
                "Users and roles that may go on reading it; whoever runs this always may",
            ),
        ],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
        takes_off: None,
    };
    const ABOUT: About = About {
        permissions: &[
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetResourcePolicy",
            "secretsmanager:ValidateResourcePolicy",
            "secretsmanager:PutResourcePolicy",
        ],
        undo: "`secretsmanager.secret.unseal`; the policy that was there is put back",
        hazards: &[
            "whatever reads the secret as it starts does not start until it is unsealed",
            "a function that rotates the secret can do so only if its role is among `readers`",
            "listing the secret's versions is denied as well; writing to it is not",
            "whoever may change the secret's policy can take it off again",
        ],
        unknowns: &[],
        d3fend: &["D3-AL", "D3-CRO"],
        counters: &["T1555.006", "T1552"],
        tested: &[
            "faults::single_actions::every_pair_of_faults_in_a_seal_leaves_the_one_statement",
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
        let spared = spared(&inputs.readers, caller);
        let policy = inventory.secret_policy(&inputs.secret)?.as_deref();
        let Some(parts) = Parts::of(policy) else {
            return Err(PlanError::Impossible {
                message: format!("the policy of secret {name} is not understood"),
                help: "see what is unusual about it: nothing is put in its place unseen".to_owned(),
            });
        };
        let sealed = parts.sealed(&spared);
        if sealed.len() > LONGEST {
            return Err(PlanError::Impossible {
                message: format!(
                    "the policy of secret {name} would be {} characters long, and no more than {LONGEST} fit",
                    sealed.len()
                ),
                help: "take a statement out of it by hand, or quarantine whoever may read it"
                    .to_owned(),
            });
        }
        let already = parts.seal.as_ref() == Some(&statement(&spared));
        let who = spared.join(", ");
        let draft = Draft {
            target: format!("secret {name}"),
            what: format!("deny reading it to everybody but {who}"),
            before: match (&parts.seal, already) {
                (None, _) => "not sealed".to_owned(),
                (Some(_), true) => format!("sealed for everybody but {who}"),
                (Some(_), false) => "sealed for everybody but others".to_owned(),
            },
            after: format!("sealed for everybody but {who}"),
            already,
            effects: vec![
                Effect::Cuts { subject: value_of(&name), barrier: Barrier::Sealed },
                Effect::Spares { principals: spared.clone() },
            ],
            irreversible: None,
        };
        let before = parts.without_the_seal(policy);
        let change = Change { name, secret: by_arn(secret)?, spared, policy: sealed, before };
        Ok(vec![(draft, change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![Want::SecretPolicy(change.secret.clone())]
    }

    fn permissions(_change: &Change) -> Vec<Permission> {
        vec![Permission::to("secretsmanager:PutResourcePolicy")]
    }

    fn by_hand(change: &Change) -> Option<ByHand> {
        // The region of the secret: whoever types it may have set another, or none.
        let arn = Arn::parse(change.secret.as_str()).ok();
        let region = arn.as_ref().map(Arn::region).filter(|region| !region.is_empty());
        let of = [("secret-id", change.secret.as_str()), ("resource-policy", &change.policy)];
        let options: Vec<_> =
            region.map(|region| ("region", region)).into_iter().chain(of).collect();
        Some(ByHand {
            commands: vec![command(&["secretsmanager", "put-resource-policy"], &options)],
            console: format!(
                "Secrets Manager > {} > Overview > Resource permissions > Edit permissions: paste the policy of \
                 the command",
                change.name
            ),
        })
    }

    fn inverse(change: &Change) -> Option<Inverse> {
        let Change { name, secret, before, .. } = change;
        let unseal = secretsmanager_secret_unseal::Change {
            name: name.clone(),
            secret: secret.clone(),
            before: before.clone(),
        };
        Some(Inverse::by::<Unseal>(unseal.draft(), &unseal))
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let policy = facts.secret_policy(&change.secret)?.as_deref();
        let seal = Parts::of(policy).and_then(|parts| parts.seal);
        // One that lets others in as well is no seal of ours: it is put on anew.
        Ok(if seal == Some(statement(&change.spared)) { Position::After } else { Position::Before })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let reads = cloud.read();
        let secrets = reads.secrets();
        let there = secrets.policy(&change.secret).await?;
        let Some(parts) = Parts::of(there.as_deref()) else {
            return Err(ApplyError::Refused(format!(
                "the policy of secret {} has changed, and is not understood any more; see to it by hand",
                change.name
            )));
        };
        if parts.seal == Some(statement(&change.spared)) {
            return Ok(());
        }
        let sealed = parts.sealed(&change.spared);
        // Whoever may not ask is told by the write itself.
        let faults = secrets.faults_of_policy(&change.secret, &sealed).await.unwrap_or_default();
        let (public, faults): (Vec<_>, Vec<_>) =
            faults.into_iter().partition(|fault| is_about_the_public(fault));
        if !faults.is_empty() {
            return Err(ApplyError::Refused(format!(
                "AWS would not take the policy: {}. See to what it says, then resume",
                faults.join("; ")
            )));
        }
        if secrets.policy(&change.secret).await? != there {
            return Err(ApplyError::Later("somebody is changing the secret's policy".to_owned()));
        }
        let put = |not_public| cloud.secrets().put_policy(&change.secret, &sealed, not_public);
        let refused = if public.is_empty() {
            match put(true).await {
                Err(error) if error.code == "PublicPolicyException" => true,
                answer => {
                    answer?;
                    false
                }
            }
        } else {
            true
        };
        if refused {
            // It was open to anybody before: the seal shuts it all the more.
            notes.note(Note::PublicPolicy).await?;
            put(false).await?;
        }
        Ok(())
    }
}

/// Whether AWS finds fault with whom the rest of the policy lets in, rather than with the policy.
fn is_about_the_public(fault: &str) -> bool {
    fault.to_ascii_uppercase().contains("PUBLIC")
}

/// A secret's value, as cuts, lifts and the ledger have it.
pub(super) fn value_of(secret: &SecretId) -> Subject {
    Subject::Credential { credential: Credential::SecretValue { secret: secret.clone() } }
}
