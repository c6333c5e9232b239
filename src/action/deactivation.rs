//! Making credentials unusable that have a status of their own, in a way that can be taken back.
//!
//! Passwords for single services, SSH keys and signing certificates are cut alike: they are listed, set to
//! inactive, and listed again. What differs is told by a [`Kind`]. Access keys are cut elsewhere: they
//! mint sessions, and follow an owner who is renamed in ways of their own.

use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::activation::{self, Activate};
use super::by_hand::command;
use super::principal::no_such_user;
use super::{
    About, Action, ApplyError, ByHand, Draft, Inverse, Notes, PlanError, gone, not_the_user,
};
use crate::cloud::{CallError, WriteCloud};
use crate::ids::UserName;
use crate::inventory::{Inventory, Status, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{Barrier, Credential, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

/// What is special about one kind of credential.
pub(super) trait Kind: Send + Sync + 'static {
    /// The action's name.
    const NAME: &'static str;
    /// What it does, in a few words.
    const TITLE: &'static str;
    /// The field that says which: the user himself, and which of his.
    const FIELDS: &'static [Field];
    /// What is said about it.
    const ABOUT: About;
    /// What the command line calls it: the operation, and the option that names one.
    const BY_HAND: (&'static str, &'static str);
    /// Where it stands in the console, behind "Security credentials".
    const CONSOLE: &'static str;

    /// What lists them.
    fn want(user: &UserName) -> Want;

    /// What the listing shows.
    fn found(user: &UserName, facts: &Inventory) -> Result<Vec<Found>, Unread>;

    /// The action that takes it back: its name and what it does, in a few words.
    const ACTIVATE: (&'static str, &'static str);

    /// Makes one usable or unusable.
    fn set(
        cloud: &WriteCloud,
        user: &UserName,
        id: &str,
        status: Status,
    ) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// One credential, as a listing shows it.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) credential: Credential,
}

/// `all`, or some by their ids.
pub(super) const WHICH: FieldType = FieldType::Either(&[
    FieldType::OneOf(Cow::Borrowed(&[Cow::Borrowed("all")])),
    FieldType::List(&FieldType::Text),
]);

/// The action for one kind.
pub(super) struct Deactivate<K>(PhantomData<fn() -> K>);

impl<K> Deactivate<K> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    pub(super) user: UserName,
    #[serde(alias = "keys", alias = "certificates")]
    credentials: Which,
}

/// The field table lets nothing else through.
#[derive(Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub(super) enum Which {
    All,
    These(Vec<String>),
}

impl TryFrom<serde_json::Value> for Which {
    type Error = serde_json::Error;
    fn try_from(value: serde_json::Value) -> Result<Self, serde_json::Error> {
        match value.as_str() {
            Some("all") => Ok(Self::All),
            _ => serde_json::from_value(value).map(Self::These),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) user: UserName,
    /// The user's unique id: another user under the same name is somebody else.
    pub(super) user_id: String,
    pub(super) id: String,
    /// As the ledger has it.
    pub(super) credential: Credential,
}

impl<K: Kind> Action for Deactivate<K> {
    const SHAPE: ActionShape = ActionShape {
        kind: K::NAME,
        title: K::TITLE,
        fields: K::FIELDS,
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
        takes_off: None,
    };
    const ABOUT: About = K::ABOUT;

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        vec![Want::User(inputs.user.clone()), K::want(&inputs.user)]
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let planned = wanted::<K>(inputs, inventory)?.into_iter().map(|(status, change)| {
            let draft = Draft {
                target: format!("user {}", change.user),
                what: format!("deactivate {}", change.id),
                before: match status {
                    Status::Active => "active".to_owned(),
                    Status::Inactive => "inactive".to_owned(),
                },
                after: "inactive".to_owned(),
                already: status == Status::Inactive,
                effects: vec![Effect::Cuts {
                    subject: Subject::Credential { credential: change.credential.clone() },
                    barrier: Barrier::Inactive,
                }],
                irreversible: None,
            };
            (draft, change)
        });
        Ok(planned.collect())
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![Want::User(change.user.clone()), K::want(&change.user)]
    }

    fn by_hand(change: &Change) -> Option<ByHand> {
        let (operation, option) = K::BY_HAND;
        let options = [
            ("user-name", change.user.as_str()),
            (option, change.id.as_str()),
            ("status", "Inactive"),
        ];
        Some(ByHand {
            commands: vec![command(&["iam", operation], &options)],
            console: format!(
                "IAM > Users > {} > Security credentials > {} > {} > Deactivate",
                change.user,
                K::CONSOLE,
                change.id
            ),
        })
    }

    fn inverse(change: &Change) -> Option<Inverse> {
        Some(Inverse::by::<Activate<K>>(activation::draft(change), change))
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let Change { user, user_id, id, .. } = change;
        match K::found(user, facts)?.into_iter().find(|found| found.id == *id) {
            Some(Found { status: Status::Active, .. }) => return Ok(Position::Before),
            Some(Found { status: Status::Inactive, .. }) => return Ok(Position::After),
            None => {}
        }
        // Deleted by somebody meanwhile, which cuts all the more; or gone with a user who has another name.
        let elsewhere = not_the_user(user, user_id, facts.user(user)?.as_ref());
        Ok(elsewhere.unwrap_or(Position::After))
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        // One that is gone is looked for afterwards.
        Ok(gone(K::set(cloud, &change.user, &change.id, Status::Inactive).await)?)
    }
}

/// Those of one kind that a step names, each with its status.
pub(super) fn wanted<K: Kind>(
    inputs: &Inputs,
    inventory: &Inventory,
) -> Result<Vec<(Status, Change)>, PlanError> {
    let user = &inputs.user;
    let Some(owner) = inventory.user(user)? else {
        return Err(no_such_user(user, inventory));
    };
    let found = K::found(user, inventory)?;
    if let Which::These(ids) = &inputs.credentials
        && let Some(missing) = ids.iter().find(|id| !found.iter().any(|one| one.id == **id))
    {
        return Err(PlanError::Impossible {
            message: format!("{user} has none of this kind with the id {missing}"),
            help: "write `all`, or take the id out of the list".to_owned(),
        });
    }
    let wanted = found.into_iter().filter(|one| match &inputs.credentials {
        Which::All => true,
        Which::These(ids) => ids.contains(&one.id),
    });
    let change = |one: Found| {
        let (user, user_id) = (user.clone(), owner.id.clone());
        (one.status, Change { user, user_id, id: one.id, credential: one.credential })
    };
    Ok(wanted.map(change).collect())
}
