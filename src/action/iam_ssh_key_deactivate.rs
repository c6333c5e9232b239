//! `iam.ssh-key.deactivate`: make SSH public keys unusable, in a way that can be taken back.
//!
//! They open the account's Git repositories (CodeCommit) and nothing else; whoever reads a pipeline's code reads
//! its secrets. [`Deactivate`] does the rest.

use super::About;
use super::activation::Activate;
use super::deactivation::{Deactivate, Found, Kind, WHICH};
use crate::cloud::{CallError, WriteCloud};
use crate::ids::UserName;
use crate::inventory::{Inventory, Status, Unread, Want};
use crate::plan::Credential;
use crate::playbook::{Field, FieldType};

pub(super) struct SshKeys;

/// The action.
pub(super) const ACTION: Deactivate<SshKeys> = Deactivate::new();

/// Its inverse.
pub(super) const INVERSE: Activate<SshKeys> = Activate::new();

impl Kind for SshKeys {
    const NAME: &'static str = "iam.ssh-key.deactivate";
    const TITLE: &'static str = "Make SSH keys for Git repositories unusable";
    const FIELDS: &'static [Field] = &[
        Field::required("user", FieldType::UserName, "The keys' owner"),
        Field::required("keys", WHICH, "`all`, or a list of their ids"),
    ];
    const ABOUT: About = About {
        permissions: &["iam:GetUser", "iam:ListSSHPublicKeys", "iam:UpdateSSHPublicKey"],
        undo: "`iam.ssh-key.activate`; never done for a key that counts as compromised",
        hazards: &["whatever pulls or pushes with the key stops until it has a new one"],
        unknowns: &[],
        d3fend: &["D3-AL"],
        counters: &["T1098.004"],
        tested: &[
            "faults::single_actions::every_pair_of_faults_in_a_cut_of_anything_else_leaves_all_of_it_off_and_nothing_else_changed",
        ],
    };
    const ACTIVATE: (&'static str, &'static str) = (
        "iam.ssh-key.activate",
        "Let SSH keys for Git repositories work again that were found innocent",
    );
    const BY_HAND: (&'static str, &'static str) = ("update-ssh-public-key", "ssh-public-key-id");
    const CONSOLE: &'static str = "SSH public keys for AWS CodeCommit";

    fn want(user: &UserName) -> Want {
        Want::SshPublicKeys(user.clone())
    }

    fn found(user: &UserName, facts: &Inventory) -> Result<Vec<Found>, Unread> {
        let all = facts.ssh_public_keys(user)?.iter();
        let found = all.map(|one| Found {
            id: one.id.clone(),
            status: one.status,
            credential: Credential::SshKey { user: user.clone(), id: one.id.clone() },
        });
        Ok(found.collect())
    }

    async fn set(
        cloud: &WriteCloud,
        user: &UserName,
        id: &str,
        status: Status,
    ) -> Result<(), CallError> {
        cloud.iam().set_ssh_public_key_status(user, id, status).await
    }
}
