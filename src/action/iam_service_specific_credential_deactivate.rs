//! `iam.service-specific-credential.deactivate`: make passwords and keys of single services unusable, in a way that
//! can be taken back.
//!
//! Git over HTTPS (CodeCommit), Keyspaces, Bedrock: each has passwords of its own, which no credential report shows
//! and which outlive every access key. [`Deactivate`] does the rest.

use super::About;
use super::activation::Activate;
use super::deactivation::{Deactivate, Found, Kind, WHICH};
use crate::cloud::{CallError, WriteCloud};
use crate::ids::UserName;
use crate::inventory::{Inventory, Status, Unread, Want};
use crate::plan::Credential;
use crate::playbook::{Field, FieldType};

pub(super) struct Passwords;

/// The action.
pub(super) const ACTION: Deactivate<Passwords> = Deactivate::new();

/// Its inverse.
pub(super) const INVERSE: Activate<Passwords> = Activate::new();

impl Kind for Passwords {
    const NAME: &'static str = "iam.service-specific-credential.deactivate";
    const TITLE: &'static str = "Make passwords of single services unusable";
    const FIELDS: &'static [Field] = &[
        Field::required("user", FieldType::UserName, "Their owner"),
        Field::required("credentials", WHICH, "`all`, or a list of their ids"),
    ];
    const ABOUT: About = About {
        permissions: &[
            "iam:GetUser",
            "iam:ListServiceSpecificCredentials",
            "iam:UpdateServiceSpecificCredential",
        ],
        undo: "`iam.service-specific-credential.activate`; never done for one that counts as compromised",
        hazards: &["whatever uses it (Git, Keyspaces, Bedrock) stops until it has a new one"],
        unknowns: &[],
        d3fend: &["D3-AL"],
        counters: &["T1098.001"],
        tested: &[
            "faults::single_actions::every_pair_of_faults_in_a_cut_of_anything_else_leaves_all_of_it_off_and_nothing_else_changed",
        ],
    };
    const ACTIVATE: (&'static str, &'static str) = (
        "iam.service-specific-credential.activate",
        "Let passwords of single services work again that were found innocent",
    );
    const BY_HAND: (&'static str, &'static str) =
        ("update-service-specific-credential", "service-specific-credential-id");
    const CONSOLE: &'static str = "the service's credentials";

    fn want(user: &UserName) -> Want {
        Want::ServiceSpecificCredentials(user.clone())
    }

    fn found(user: &UserName, facts: &Inventory) -> Result<Vec<Found>, Unread> {
        let all = facts.service_specific_credentials(user)?.iter();
        let found = all.map(|one| Found {
            id: one.id.clone(),
            status: one.status,
            credential: Credential::ServiceSpecific {
                user: user.clone(),
                id: one.id.clone(),
                service: one.service.clone(),
            },
        });
        Ok(found.collect())
    }

    async fn set(
        cloud: &WriteCloud,
        user: &UserName,
        id: &str,
        status: Status,
    ) -> Result<(), CallError> {
        cloud.iam().set_service_specific_credential_status(user, id, status).await
    }
}
