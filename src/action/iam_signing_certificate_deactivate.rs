//! `iam.signing-certificate.deactivate`: make X.509 signing certificates unusable, in a way that can be taken back.
//!
//! Few accounts know that they have any; they sign requests all the same. [`Deactivate`] does the rest.

use super::About;
use super::activation::Activate;
use super::deactivation::{Deactivate, Found, Kind, WHICH};
use crate::cloud::{CallError, WriteCloud};
use crate::ids::UserName;
use crate::inventory::{Inventory, Status, Unread, Want};
use crate::plan::Credential;
use crate::playbook::{Field, FieldType};

pub(super) struct Certificates;

/// The action.
pub(super) const ACTION: Deactivate<Certificates> = Deactivate::new();

/// Its inverse.
pub(super) const INVERSE: Activate<Certificates> = Activate::new();

impl Kind for Certificates {
    const NAME: &'static str = "iam.signing-certificate.deactivate";
    const TITLE: &'static str = "Make signing certificates unusable";
    const FIELDS: &'static [Field] = &[
        Field::required("user", FieldType::UserName, "The certificates' owner"),
        Field::required("certificates", WHICH, "`all`, or a list of their ids"),
    ];
    const ABOUT: About = About {
        permissions: &[
            "iam:GetUser",
            "iam:ListSigningCertificates",
            "iam:UpdateSigningCertificate",
        ],
        undo: "`iam.signing-certificate.activate`; never done for one that counts as compromised",
        hazards: &["whatever signs with the certificate stops until it has another credential"],
        unknowns: &[],
        d3fend: &["D3-CR"],
        counters: &["T1098.001"],
        tested: &[
            "faults::single_actions::every_pair_of_faults_in_a_cut_of_anything_else_leaves_all_of_it_off_and_nothing_else_changed",
        ],
    };
    const ACTIVATE: (&'static str, &'static str) = (
        "iam.signing-certificate.activate",
        "Let signing certificates work again that were found innocent",
    );
    const BY_HAND: (&'static str, &'static str) = ("update-signing-certificate", "certificate-id");
    const CONSOLE: &'static str = "X.509 signing certificates";

    fn want(user: &UserName) -> Want {
        Want::SigningCertificates(user.clone())
    }

    fn found(user: &UserName, facts: &Inventory) -> Result<Vec<Found>, Unread> {
        let all = facts.signing_certificates(user)?.iter();
        let found = all.map(|one| Found {
            id: one.id.clone(),
            status: one.status,
            credential: Credential::SigningCertificate { user: user.clone(), id: one.id.clone() },
        });
        Ok(found.collect())
    }

    async fn set(
        cloud: &WriteCloud,
        user: &UserName,
        id: &str,
        status: Status,
    ) -> Result<(), CallError> {
        cloud.iam().set_signing_certificate_status(user, id, status).await
    }
}
