//! The table of actions, and their object-safe face.
//!
//! Here, and only here, an action's typed change becomes JSON and back; no other code knows which
//! kinds there are.

use std::future::Future;
use std::pin::Pin;

use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    About, Action, ApplyError, ByHand, Canary, Draft, Inverse, Notes, Permission, PlanError, Trial,
};
use crate::cloud::WriteCloud;
use crate::ids::ActionKind;
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position, Receipt};
use crate::plan::{Change, Decided};
use crate::playbook::{ActionShape, Proof, Vocabulary};

/// A future in a box, for the erased face.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An action whose types are hidden. Every JSON value handed in was written by this program: the inputs
/// were checked against the shape, the change came out of `plan`.
pub trait ErasedAction: Send + Sync {
    /// As [`Action::SHAPE`].
    fn shape(&self) -> ActionShape;
    /// As [`Action::ABOUT`].
    fn about(&self) -> About;
    /// As [`Action::wants`].
    fn wants(&self, inputs: &Value) -> Vec<Want>;
    /// As [`Action::plan`].
    fn plan(
        &self,
        inputs: &Value,
        inventory: &Inventory,
    ) -> Result<Vec<(Draft, Decided)>, PlanError>;
    /// As [`Action::look`].
    fn look(&self, change: &Decided) -> Vec<Want>;
    /// As [`Action::judge`].
    fn judge(
        &self,
        change: &Decided,
        notes: &[Note],
        facts: &Inventory,
    ) -> Result<Position, Unread>;
    /// As [`Action::permissions`].
    fn permissions(&self, change: &Decided) -> Vec<Permission>;
    /// As [`Action::without`].
    fn without(&self, change: &Decided, refused: &[&str]) -> Option<(Decided, String)>;
    /// As [`Action::warnings`].
    fn warnings(&self, change: &Decided) -> Vec<String>;
    /// As [`Action::on_canary`].
    fn on_canary(
        &self,
        change: &Decided,
        facts: &Inventory,
        canary: &Canary,
    ) -> Option<Trial<Decided>>;
    /// As [`Action::by_hand`].
    fn by_hand(&self, change: &Decided) -> Option<ByHand>;
    /// As [`Action::inverse`].
    fn inverse(&self, change: &Decided) -> Option<Inverse>;
    /// As [`Action::patience`].
    fn patience(&self, change: &Decided) -> SignedDuration;
    /// As [`Action::asks`].
    fn asks(&self, change: &Decided) -> Option<String>;
    /// As [`Action::shows`].
    fn shows(&self, change: &Decided, notes: &[Note], facts: &Inventory)
    -> Option<(Proof, String)>;
    /// As [`Action::apply`].
    fn apply<'a>(
        &'a self,
        change: &'a Decided,
        cloud: &'a WriteCloud,
        notes: &'a mut dyn Notes,
    ) -> Boxed<'a, Result<(), ApplyError>>;
    /// As [`Action::receipt`].
    fn receipt(&self, change: &Decided, notes: &[Note]) -> Receipt;
}

struct Erased<A>(A);

fn typed<T: DeserializeOwned>(value: &Value) -> T {
    T::deserialize(value).expect("checked against the action's own shape")
}

fn decided<T: DeserializeOwned>(change: &Decided) -> T {
    change.get().expect("written by the action's own plan")
}

impl<A: Action> ErasedAction for Erased<A> {
    fn shape(&self) -> ActionShape {
        A::SHAPE
    }

    fn about(&self) -> About {
        A::ABOUT
    }

    fn wants(&self, inputs: &Value) -> Vec<Want> {
        A::wants(&typed(inputs))
    }

    fn plan(
        &self,
        inputs: &Value,
        inventory: &Inventory,
    ) -> Result<Vec<(Draft, Decided)>, PlanError> {
        let drafts = A::plan(&typed(inputs), inventory)?;
        let erased = |change| Decided::new(&change).expect("plain data");
        Ok(drafts.into_iter().map(|(draft, change)| (draft, erased(change))).collect())
    }

    fn look(&self, change: &Decided) -> Vec<Want> {
        A::look(&decided(change))
    }

    fn judge(
        &self,
        change: &Decided,
        notes: &[Note],
        facts: &Inventory,
    ) -> Result<Position, Unread> {
        A::judge(&decided(change), notes, facts)
    }

    fn permissions(&self, change: &Decided) -> Vec<Permission> {
        A::permissions(&decided(change))
    }

    fn without(&self, change: &Decided, refused: &[&str]) -> Option<(Decided, String)> {
        let (change, after) = A::without(&decided(change), refused)?;
        Some((Decided::new(&change).expect("plain data"), after))
    }

    fn on_canary(
        &self,
        change: &Decided,
        facts: &Inventory,
        canary: &Canary,
    ) -> Option<Trial<Decided>> {
        let Trial { mechanism, with, shown_by, change } =
            A::on_canary(&decided(change), facts, canary)?;
        let change = Decided::new(&change).expect("plain data");
        Some(Trial { mechanism, with, shown_by, change })
    }

    fn warnings(&self, change: &Decided) -> Vec<String> {
        A::warnings(&decided(change))
    }

    fn by_hand(&self, change: &Decided) -> Option<ByHand> {
        A::by_hand(&decided(change))
    }

    fn inverse(&self, change: &Decided) -> Option<Inverse> {
        A::inverse(&decided(change))
    }

    fn patience(&self, change: &Decided) -> SignedDuration {
        A::patience(&decided(change))
    }

    fn asks(&self, change: &Decided) -> Option<String> {
        A::asks(&decided(change))
    }

    fn shows(
        &self,
        change: &Decided,
        notes: &[Note],
        facts: &Inventory,
    ) -> Option<(Proof, String)> {
        A::shows(&decided(change), notes, facts)
    }

    fn apply<'a>(
        &'a self,
        change: &'a Decided,
        cloud: &'a WriteCloud,
        notes: &'a mut dyn Notes,
    ) -> Boxed<'a, Result<(), ApplyError>> {
        Box::pin(async move { A::apply(&decided(change), cloud, notes).await })
    }

    fn receipt(&self, change: &Decided, notes: &[Note]) -> Receipt {
        A::receipt(&decided(change), notes)
    }
}

/// Every action, sorted by kind.
static CATALOG: &[&dyn ErasedAction] = &[
    &Erased(super::iam_access_key_activate::Activate),
    &Erased(super::iam_access_key_deactivate::Deactivate),
    &Erased(super::iam_access_key_delete::Delete),
    &Erased(super::iam_access_key_replace::Replace),
    &Erased(super::iam_login_profile_delete::Delete),
    &Erased(super::iam_login_profile_force_reset::ForceReset),
    &Erased(super::iam_lift_older_sessions::OF_ROLE),
    &Erased(super::iam_lift_quarantine::OF_ROLE),
    &Erased(super::iam_quarantine::OF_ROLE),
    &Erased(super::iam_revoke_sessions::OF_ROLE),
    &Erased(super::iam_service_specific_credential_deactivate::INVERSE),
    &Erased(super::iam_service_specific_credential_deactivate::ACTION),
    &Erased(super::iam_signing_certificate_deactivate::INVERSE),
    &Erased(super::iam_signing_certificate_deactivate::ACTION),
    &Erased(super::iam_ssh_key_deactivate::INVERSE),
    &Erased(super::iam_ssh_key_deactivate::ACTION),
    &Erased(super::iam_user_lift_network::LiftNetwork),
    &Erased(super::iam_lift_older_sessions::OF_USER),
    &Erased(super::iam_lift_quarantine::OF_USER),
    &Erased(super::iam_quarantine::OF_USER),
    &Erased(super::iam_user_restrict_network::RestrictNetwork),
    &Erased(super::iam_revoke_sessions::OF_USER),
    &Erased(super::manual_close::Close),
    &Erased(super::manual_open::Open),
    &Erased(super::secretsmanager_secret_rotate::Rotate),
    &Erased(super::secretsmanager_secret_seal::Seal),
    &Erased(super::secretsmanager_secret_strip_previous::StripPrevious),
    &Erased(super::secretsmanager_secret_unseal::Unseal),
];

/// Every action, sorted by kind.
pub fn all() -> &'static [&'static dyn ErasedAction] {
    CATALOG
}

/// The action called `kind`.
pub fn find(kind: &ActionKind) -> Option<&'static dyn ErasedAction> {
    CATALOG.iter().copied().find(|action| action.shape().kind == kind.as_str())
}

/// The action that drafted `change`.
///
/// # Panics
/// On a change of another program's plan: a saved plan is made again before it is run.
pub fn of(change: &Change) -> &'static dyn ErasedAction {
    find(&change.kind).expect("planned from the same catalog")
}

/// The actions as playbooks see them.
pub struct Actions(Vec<ActionShape>);

impl Actions {
    /// All of them.
    pub fn new() -> Self {
        Self(CATALOG.iter().map(|action| action.shape()).collect())
    }
}

impl Default for Actions {
    fn default() -> Self {
        Self::new()
    }
}

impl Vocabulary for Actions {
    fn actions(&self) -> &[ActionShape] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_unique_sorted_and_well_formed_and_nothing_is_left_unsaid() {
        assert_eq!(crate::playbook::faults(&Actions::new()), Vec::<String>::new());
        let kinds: Vec<&str> = CATALOG.iter().map(|action| action.shape().kind).collect();
        assert!(kinds.is_sorted_by(|a, b| a < b), "{kinds:?}");
        for action in CATALOG {
            let (shape, about) = (action.shape(), action.about());
            ActionKind::parse(shape.kind).unwrap();
            assert!(!shape.phases.is_empty() && !shape.effects.is_empty(), "{}", shape.kind);
            // What a person does needs none of ours.
            let by_a_person = shape.kind.starts_with("manual.");
            assert_eq!(about.permissions.is_empty(), by_a_person, "{}", shape.kind);
            assert!(!about.undo.is_empty(), "{}", shape.kind);
            assert!(!about.d3fend.is_empty() && !about.counters.is_empty(), "{}", shape.kind);
            assert!(!about.hazards.is_empty() && !about.tested.is_empty(), "{}", shape.kind);
        }
    }
}
