//! What an action is: a kind of thing that can be done to one target, and everything said about it.
//!
//! An action has five duties, and `run` knows nothing else about it: say what must be read
//! ([`Action::wants`], [`Action::look`]), decide ([`Action::plan`], pure), judge where the world
//! stands ([`Action::judge`], pure), and carry out ([`Action::apply`], the only one given a handle that
//! writes). One file per action, one row per action in [`catalog`].
//!
//! An action must not print, read the time, touch a file or know the journal. A secret never leaves
//! one `apply`: what mints also delivers. `apply` is safe to repeat from wherever it stopped.

mod activation;
mod attested;
mod by_hand;
mod canary;
pub mod catalog;
mod deactivation;
mod delivery;
mod iam_access_key_activate;
mod iam_access_key_deactivate;
mod iam_access_key_delete;
mod iam_access_key_replace;
mod iam_lift_older_sessions;
mod iam_lift_quarantine;
mod iam_login_profile_delete;
mod iam_login_profile_force_reset;
mod iam_quarantine;
mod iam_revoke_sessions;
mod iam_service_specific_credential_deactivate;
mod iam_signing_certificate_deactivate;
mod iam_ssh_key_deactivate;
mod iam_user_lift_network;
mod iam_user_restrict_network;
mod manual_close;
mod manual_open;
mod network;
mod older_sessions;
mod own_password;
mod principal;
mod quarantine_barriers;
mod seal_policy;
mod secretsmanager_secret_rotate;
mod secretsmanager_secret_seal;
mod secretsmanager_secret_strip_previous;
mod secretsmanager_secret_unseal;

use std::borrow::Borrow;
use std::future::Future;
use std::pin::Pin;

use jiff::SignedDuration;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use by_hand::{ByHand, Word};
pub use canary::{
    CANARY_MAY, CANARY_PATH, CANARY_POLICY, CANARY_POLICY_TO_ASSUME, CANARY_TAG, Canary, Trial,
    Tried, canary_may_assume, canary_role_trusts, refusal,
};
pub use seal_policy::without_the_seal;

use crate::cloud::{CallError, WRITES, WriteCloud};
use crate::ids::{ActionKind, Principal, UserName};
use crate::inventory::{Inventory, Unread, User, Want};
use crate::journal::{AppendError, Note, Position, Receipt};
use crate::outbox::Outbox;
use crate::plan::{Decided, Effect};
use crate::playbook::{ActionShape, Proof};

/// What operators and auditors are told about an action before they use it.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Every permission it may need, as IAM names them.
    pub permissions: &'static [&'static str],
    /// How it can be taken back, in a sentence.
    pub undo: &'static str,
    /// What it may break, a sentence each.
    pub hazards: &'static [&'static str],
    /// What it brings about and no plan can know.
    pub unknowns: &'static [Unknown],
    /// MITRE D3FEND techniques it carries out.
    pub d3fend: &'static [&'static str],
    /// MITRE ATT&CK techniques it counters.
    pub counters: &'static [&'static str],
    /// Tests that show what becomes of it when calls fail, answers are lost and the program is killed: their names
    /// below `tests/it`.
    pub tested: &'static [&'static str],
}

/// A value that no plan can know.
#[derive(Clone, Copy, Debug)]
pub struct Unknown {
    /// What: "the new key's id".
    pub what: &'static str,
    /// Its type, as inputs of playbooks name it.
    pub ty: &'static str,
    /// When it is known: "once it is minted".
    pub known: &'static str,
}

/// A permission that one change needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// As IAM names it.
    pub action: &'static str,
    /// What conditions may ask about its request: keys with their value.
    pub context: Vec<(&'static str, String)>,
    /// When it is needed, if not in any case: "there is no room for another policy".
    pub only_if: Option<&'static str>,
}

impl Permission {
    /// One that is needed in any case, whatever the request is about.
    pub const fn to(action: &'static str) -> Self {
        Self { action, context: Vec::new(), only_if: None }
    }

    /// One that is needed only if this is so.
    #[must_use]
    pub fn only_if(self, what: &'static str) -> Self {
        Self { only_if: Some(what), ..self }
    }

    /// With one thing that conditions may ask about.
    #[must_use]
    fn with(mut self, key: &'static str, value: &str) -> Self {
        self.context.push((key, value.to_owned()));
        self
    }
}

/// A kind of thing that can be done.
pub trait Action: Send + Sync + 'static {
    /// Its name, fields, phases and possible effects, as playbooks see them.
    const SHAPE: ActionShape;
    /// What is said about it.
    const ABOUT: About;

    /// Its `with:` block, evaluated and checked against the shape's fields.
    type Inputs: DeserializeOwned;
    /// Everything decided about one change. No secret.
    type Change: Serialize + DeserializeOwned + Send + Sync;

    /// What must be read before it can be planned.
    fn wants(inputs: &Self::Inputs) -> Vec<Want>;

    /// Decides. Pure: the same inputs and inventory give the same drafts.
    fn plan(
        inputs: &Self::Inputs,
        inventory: &Inventory,
    ) -> Result<Vec<(Draft, Self::Change)>, PlanError>;

    /// What must be read to judge one change where it is as it should be. What else turns out to be wanted is read
    /// when [`Action::judge`] finds that it was not asked.
    fn look(change: &Self::Change) -> Vec<Want>;

    /// Where the world stands. Pure. `notes` are what `apply` noted in earlier attempts.
    fn judge(change: &Self::Change, notes: &[Note], facts: &Inventory) -> Result<Position, Unread>;

    /// What must be permitted to carry one change out; what must be permitted to see it is not among it.
    fn permissions(_change: &Self::Change) -> Vec<Permission> {
        let writes = Self::ABOUT.permissions.iter().filter(|name| WRITES.contains(name));
        writes.map(|name| Permission::to(name)).collect()
    }

    /// The same change by the ways that are left where `refused` are not allowed, with the state wanted; `None` where that
    /// leaves none, or takes none away. Pure.
    fn without(_change: &Self::Change, _refused: &[&str]) -> Option<(Self::Change, String)> {
        None
    }

    /// How a cut is tried on a canary, where it can be: the same change, decided for it. Pure. `facts` show how the
    /// cut itself stands, where there is more than one way.
    fn on_canary(
        _change: &Self::Change,
        _facts: &Inventory,
        _canary: &Canary,
    ) -> Option<Trial<Self::Change>> {
        None
    }

    /// What whoever says yes to one change should know, beside what is always said about the action.
    fn warnings(_change: &Self::Change) -> Vec<String> {
        Vec::new()
    }

    /// How one change is made without this program, where it is a cut.
    fn by_hand(_change: &Self::Change) -> Option<ByHand> {
        None
    }

    /// How one cut is taken back, as drafted from what stood there before it; `None` where it cannot be, or is
    /// taken back with another. Pure.
    fn inverse(_change: &Self::Change) -> Option<Inverse> {
        None
    }

    /// How long what the change sets going may take to be done by others, before it is applied again.
    fn patience(_change: &Self::Change) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// What a person is to attest before it counts as done, where that takes a person.
    fn asks(_change: &Self::Change) -> Option<String> {
        None
    }

    /// How much the look that found it done shows by itself, and what it shows; `None`: that it was read back.
    fn shows(
        _change: &Self::Change,
        _notes: &[Note],
        _facts: &Inventory,
    ) -> Option<(Proof, String)> {
        None
    }

    /// Carries the change out, from wherever an earlier attempt stopped.
    fn apply(
        change: &Self::Change,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> impl Future<Output = Result<(), ApplyError>> + Send;

    /// What only the server could tell, once the change is done. Pure, and from the notes alone, so that
    /// it is not lost with an answer or in a crash.
    fn receipt(_change: &Self::Change, _notes: &[Note]) -> Receipt {
        Receipt::default()
    }
}

/// One change as an action drafts it, for everybody but the action itself, which has its own decisions
/// beside it. `planning` adds where it comes from and what it waits for.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it is done to.
    pub target: String,
    /// What is done.
    pub what: String,
    /// The state found.
    pub before: String,
    /// The state wanted.
    pub after: String,
    /// Whether it is already so.
    pub already: bool,
    /// What it does.
    pub effects: Vec<Effect>,
    /// What of it cannot be taken back.
    pub irreversible: Option<String>,
}

/// What takes a change back: a change of another action.
#[derive(Clone, Debug)]
pub struct Inverse {
    /// The other action.
    pub kind: ActionKind,
    /// The change, as that action drafts it.
    pub draft: Draft,
    /// That action's own decisions.
    pub decided: Decided,
}

impl Inverse {
    /// By what `A` decides.
    fn by<A: Action>(draft: Draft, change: &A::Change) -> Self {
        Self {
            kind: ActionKind::parse(A::SHAPE.kind).expect("a kind of the catalog"),
            draft,
            decided: Decided::new(change).expect("plain data"),
        }
    }
}

/// Why an action cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Something that must be known could not be read, or was not asked for.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// The world does not allow it.
    #[error("{message}")]
    Impossible {
        /// What stands in the way.
        message: String,
        /// What to do about it.
        help: String,
    },
}

/// The case, as far as an action sees it: its own notes, and the outbox.
pub trait Notes: Send {
    /// What was noted so far, oldest first.
    fn so_far(&self) -> &[Note];

    /// Notes one thing more; returns once it is safe.
    fn note<'a>(
        &'a mut self,
        note: Note,
    ) -> Pin<Box<dyn Future<Output = Result<(), AppendError>> + Send + 'a>>;

    /// The case and change, as text: what is derived from it is the same on every attempt.
    fn seed(&self) -> String;

    /// Where what people are handed is put. No other file is within an action's reach.
    fn outbox(&self) -> &dyn Outbox;
}

/// Why a change could not be carried out, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A call did not succeed; its error says whether its effect may exist.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A note could not be kept: the run stops here.
    #[error(transparent)]
    Note(#[from] AppendError),
    /// It may well go a little later, once the world shows what was written.
    #[error("{0}")]
    Later(String),
    /// It must not be done as things are; a person has to decide.
    #[error("{0}")]
    Refused(String),
}

/// Where a change to a user stands whose name nobody has any more, or somebody else: not to be told by the
/// name.
fn not_the_user(name: &UserName, id: &str, found: Option<&impl Borrow<User>>) -> Option<Position> {
    let found = found.map(|user| user.borrow().id.as_str());
    principal::not_the_same(&Principal::User(name.clone()), id, found)
}

/// What is to be taken off or deleted may not be there: all the better.
fn gone(answer: Result<(), CallError>) -> Result<(), CallError> {
    match answer {
        Err(error) if error.is_absent() => Ok(()),
        answer => answer,
    }
}
