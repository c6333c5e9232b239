//! Letting credentials work again that have a status of their own and were deactivated.
//!
//! What counts as compromised never works again: `run` starts this only where somebody has cleared the credential, or
//! answers for it. What is told apart by [`Kind`] is told in the files of the deactivations.

use std::marker::PhantomData;

use super::deactivation::{Change, Found, Inputs, Kind, wanted};
use super::{About, Action, ApplyError, Draft, Notes, PlanError, not_the_user};
use crate::cloud::WriteCloud;
use crate::inventory::{Inventory, Status, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{Barrier, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Phase};

/// The action for one kind.
pub(super) struct Activate<K>(PhantomData<fn() -> K>);

impl<K> Activate<K> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

/// The activation of what a deactivation names.
pub(super) fn draft(change: &Change) -> Draft {
    Draft {
        target: format!("user {}", change.user),
        what: format!("activate {}", change.id),
        before: "inactive".to_owned(),
        after: "active".to_owned(),
        already: false,
        effects: vec![Effect::Lifts {
            subject: Subject::Credential { credential: change.credential.clone() },
            barrier: Barrier::Inactive,
        }],
        irreversible: None,
    }
}

impl<K: Kind> Action for Activate<K> {
    const SHAPE: ActionShape = ActionShape {
        kind: K::ACTIVATE.0,
        title: K::ACTIVATE.1,
        fields: K::FIELDS,
        phases: &[Phase::Recover],
        effects: &[EffectKind::Lifts],
        takes_off: Some(K::NAME),
    };
    const ABOUT: About = About {
        permissions: K::ABOUT.permissions,
        undo: "deactivating it again, by the action that did",
        hazards: &[
            "whoever has it can use it: held until it is cleared, or somebody answers for it",
        ],
        unknowns: &[],
        d3fend: &["D3-ULA"],
        counters: &["T1531"],
        tested: &[
            "undo::what_two_people_have_cleared_is_as_it_was_before_to_the_letter",
            "undo::killed::a_crash_anywhere_in_an_undo_is_resumed_to_the_same_end",
        ],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        vec![Want::User(inputs.user.clone()), K::want(&inputs.user)]
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let wanted = wanted::<K>(inputs, inventory)?.into_iter();
        Ok(wanted.map(|(_, change)| (draft(&change), change)).collect())
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![Want::User(change.user.clone()), K::want(&change.user)]
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let Change { user, user_id, id, .. } = change;
        Ok(match K::found(user, facts)?.into_iter().find(|found| found.id == *id) {
            Some(Found { status: Status::Active, .. }) => Position::After,
            Some(Found { status: Status::Inactive, .. }) => Position::Before,
            None => not_the_user(user, user_id, facts.user(user)?.as_ref())
                .unwrap_or_else(|| Position::Elsewhere { why: format!("{id} of {user} is gone") }),
        })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        Ok(K::set(cloud, &change.user, &change.id, Status::Active).await?)
    }
}
