//! `iam.user.restrict-network`: the office stays open, remote is closed.
//!
//! An inline deny on the user for whatever is asked from elsewhere than the networks named. It reaches everything
//! the user holds and has minted, as a quarantine does, and leaves people at their desks working. It is a
//! restriction and no cut: whoever is inside these networks, or gets inside, is not stopped by it, and so the
//! ledger counts no credential as blocked for it. Roles that the user has assumed are not reached. The document is
//! in `network`.

use serde::{Deserialize, Serialize};

use super::by_hand::command;
use super::iam_user_lift_network::{self, LiftNetwork};
use super::principal::is_somebody_else;
use super::principal::no_such_user;
use super::{
    About, Action, ApplyError, ByHand, Canary, Draft, Inverse, Notes, PlanError, Trial, Tried,
    network,
};
use crate::cloud::WriteCloud;
use crate::ids::{Cidr, Principal, UserName, VpcId};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position, Refusal};
use crate::plan::{Barrier, Effect, Subject};
use crate::playbook::{ActionShape, Beside, EffectKind, Field, FieldType, Phase};

/// Characters that all inline policies of a user may have together, where the account does not tell its own quota.
const SIZE_QUOTA: i64 = 2048;

pub(super) struct RestrictNetwork;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    user: UserName,
    #[serde(default)]
    networks: Vec<Cidr>,
    #[serde(default)]
    vpcs: Vec<VpcId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    user: UserName,
    /// The user's unique id: another user under the same name is somebody else.
    user_id: String,
    networks: Vec<Cidr>,
    vpcs: Vec<VpcId>,
    /// What stands under the policy's name already.
    before: Option<String>,
}

/// Reserved for documentation of multicast (RFC 6676, MCAST-TEST-NET): no request comes from there.
const NOBODYS: &str = "233.252.0.0/24";

impl Change {
    fn principal(&self) -> Principal {
        Principal::User(self.user.clone())
    }

    fn document(&self) -> String {
        network::document(&self.networks, &self.vpcs)
    }
}

fn wants(user: &UserName) -> Vec<Want> {
    let policy = Want::InlinePolicy(Principal::User(user.clone()), network::policy_name());
    vec![Want::User(user.clone()), policy]
}

impl Action for RestrictNetwork {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.user.restrict-network",
        title: "Let a user in from certain networks only",
        fields: &[
            Field::required("user", FieldType::UserName, "The user to restrict"),
            Field::optional(
                "networks",
                FieldType::List(&network::OFFICE),
                "What stays open: addresses by which offices reach the internet, your own among them",
            )
            .beside(&[Beside::Or("vpcs")]),
            Field::optional(
                "vpcs",
                FieldType::List(&FieldType::VpcId),
                "What stays open: VPCs that reach AWS through endpoints of theirs",
            )
            .beside(&[Beside::Or("networks")]),
        ],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
        takes_off: None,
    };
    const ABOUT: About = About {
        permissions: &[
            "iam:GetUser",
            "iam:GetUserPolicy",
            "iam:GetAccountSummary",
            "iam:PutUserPolicy",
        ],
        undo: "`iam.user.lift-network`",
        hazards: &[
            "whatever works under this user from elsewhere stops: home offices, telephones, build services, CloudShell",
            "it is no cut: somebody inside these networks is not stopped, and no credential counts as blocked for it",
            "roles that the user has assumed, or assumes from inside, are not restricted",
            "whoever may delete the user's inline policies can take it off again",
        ],
        unknowns: &[],
        d3fend: &["D3-UAP"],
        counters: &["T1133", "T1078.004"],
        tested: &[
            "faults::roles_and_networks::every_pair_of_faults_in_a_restriction_leaves_the_one_deny",
            "networks::whoever_is_in_the_office_works_and_remote_is_closed",
        ],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        let mut wants = wants(&inputs.user);
        wants.push(Want::AccountSummary);
        wants
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let user = &inputs.user;
        let Some(found) = inventory.user(user)? else {
            return Err(no_such_user(user, inventory));
        };
        let (networks, vpcs) = network::sensible(inputs.networks.clone(), inputs.vpcs.clone())?;
        let principal = Principal::User(user.clone());
        let stands = inventory.inline_policy(&principal, &network::policy_name());
        let stands = stands.ok().and_then(Option::as_ref);
        let change = Change {
            user: user.clone(),
            user_id: found.id.clone(),
            networks,
            vpcs,
            before: stands.cloned(),
        };
        let document = change.document();
        let quota = inventory
            .account_summary()
            .ok()
            .and_then(|summary| summary.get("UserPolicySizeQuota").copied())
            .unwrap_or(SIZE_QUOTA);
        if i64::try_from(document.len()).unwrap_or(i64::MAX) > quota {
            return Err(PlanError::Impossible {
                message: format!(
                    "the policy for {} networks and {} VPCs has {} characters, and all inline policies of a user \
                     may have {quota} together",
                    change.networks.len(),
                    change.vpcs.len(),
                    document.len()
                ),
                help: "name wider networks, and fewer of them".to_owned(),
            });
        }
        let already = stands.is_some_and(|stands| network::same(stands, &document));
        let open: Vec<&str> = change
            .networks
            .iter()
            .map(Cidr::as_str)
            .chain(change.vpcs.iter().map(VpcId::as_str))
            .collect();
        let draft = Draft {
            target: principal.to_string(),
            what: "deny everything from elsewhere".to_owned(),
            before: match (stands, already) {
                (None, _) => "let in from anywhere".to_owned(),
                (Some(_), true) => "restricted as wanted".to_owned(),
                (Some(_), false) => "restricted otherwise".to_owned(),
            },
            after: format!("let in only from {}", open.join(", ")),
            already,
            effects: vec![Effect::Cuts {
                subject: Subject::Principal { principal },
                barrier: Barrier::Network,
            }],
            irreversible: None,
        };
        Ok(vec![(draft, change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        wants(&change.user)
    }

    fn by_hand(change: &Change) -> Option<ByHand> {
        let (policy, document) = (network::policy_name(), change.document());
        let options = [
            ("user-name", change.user.as_str()),
            ("policy-name", policy.as_str()),
            ("policy-document", document.as_str()),
        ];
        Some(ByHand {
            commands: vec![command(&["iam", "put-user-policy"], &options)],
            console: format!(
                "IAM > Users > {} > Permissions > Add permissions > Create inline policy > JSON: paste the \
                 document of the command; call it {policy}",
                change.user
            ),
        })
    }

    fn inverse(change: &Change) -> Option<Inverse> {
        let lift = iam_user_lift_network::Change {
            user: change.user.clone(),
            user_id: change.user_id.clone(),
            before: change.before.clone(),
        };
        Some(Inverse::by::<LiftNetwork>(lift.draft(), &lift))
    }

    fn on_canary(_change: &Change, _facts: &Inventory, canary: &Canary) -> Option<Trial<Change>> {
        // Ours may be one of the networks that stay open: the canary gets one that nobody calls from.
        let change = Change {
            user: canary.user.clone(),
            user_id: canary.user_id.clone(),
            networks: vec![Cidr::parse(NOBODYS).expect("a network")],
            vpcs: Vec::new(),
            before: None,
        };
        Some(Trial {
            mechanism: "a deny of a user's requests from elsewhere than named networks",
            with: Tried::Key,
            shown_by: Refusal::IdentityDeny,
            change,
        })
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let principal = change.principal();
        if let Some(elsewhere) = is_somebody_else(&principal, &change.user_id, facts) {
            return Ok(elsewhere);
        }
        let stands = facts.inline_policy(&principal, &network::policy_name())?;
        let stands = stands.as_ref().is_some_and(|text| network::same(text, &change.document()));
        Ok(if stands { Position::After } else { Position::Before })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let document = change.document();
        let name = network::policy_name();
        cloud.iam().put_inline_policy(&change.principal(), &name, &document).await?;
        Ok(())
    }
}
