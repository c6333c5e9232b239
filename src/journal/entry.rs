//! What can be written in a journal.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Said;
use crate::ids::{AccessKeyId, AccountId, Arn, ChangeId, DeliveryName, SecretId, VersionId};
use crate::plan::Credential;
use crate::playbook::{Phase, Proof};

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Entry {
    /// The case begins: always the first entry.
    Opened {
        /// Digest of the plan that was approved.
        plan: String,
        /// The account it is for.
        account: AccountId,
        /// Version of the program.
        program: String,
        /// Whether it is played in the rehearsal cloud.
        rehearsal: bool,
    },
    /// Somebody ran or resumed it.
    Started {
        /// As STS gives it.
        caller: Arn,
        /// Identities that are cut although this run stands on them, because somebody accepted it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        accepted_lockouts: Vec<Arn>,
        /// Where it runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
    },
    /// Somebody took the case out of the hands of whoever worked on it last. What that one had signed before may
    /// still take effect.
    TakenOver {
        /// Who, and why.
        said: Said,
        /// Where he works on it.
        place: Place,
    },
    /// The world was surveyed again, and what was found is being cut too: from here on this plan is carried out.
    RoundBegan {
        /// Its number: 2 for the one after the first.
        round: u32,
        /// Digest of its plan, which holds that of the round before.
        plan: String,
        /// Who said yes to it; `None` where it is containment within the scope that was approved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approved_by: Option<Arn>,
    },
    /// The world was surveyed again, and what is to be done about it is more than was approved: the plan of the next
    /// round is kept, and waits for somebody's yes.
    RoundAsked {
        /// Its number.
        round: u32,
        /// Digest of its plan.
        plan: String,
        /// What of it is more, a sentence each.
        beyond: Vec<String>,
    },
    /// The world was surveyed again, in full, and nothing was new.
    NothingNew {
        /// The round that found it.
        round: u32,
    },
    /// Who has come into the account since it was first surveyed could not be looked for everywhere; or, with no
    /// operations, now could.
    NotSeen {
        /// The operations that were refused. Sorted.
        operations: BTreeSet<String>,
    },
    /// Whoever was found to have come in when the case was looked at again, and its plan does not know; none, where
    /// whoever had come is gone.
    Came {
        /// What they hold. Sorted.
        credentials: Vec<Credential>,
    },
    /// Keys of users in no step that a survey saw switched off, and none before it: one that works again is a way in.
    SeenOff {
        /// Which. Sorted.
        keys: BTreeSet<AccessKeyId>,
    },
    /// What earlier cases have cut, and the plan that takes those up does not cut itself, was looked at.
    CutsBefore {
        /// How many of those cuts stand.
        standing: usize,
        /// Those that stand no more.
        off: Vec<CutOff>,
        /// Those that stood no more, and are not looked at any more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        let_go: Vec<LetGo>,
    },
    /// A change is about to be made. Its effect may exist from here on.
    Intended {
        /// Which.
        change: ChangeId,
    },
    /// Something that must not be forgotten between two calls of one change. Never a secret.
    Noted {
        /// Which.
        change: ChangeId,
        /// What; only the action reads it.
        note: Note,
    },
    /// What was seen done does not hold any more, because something it stood on was done anew since. It is to
    /// be done from the beginning.
    Reopened {
        /// Which.
        change: ChangeId,
        /// What was done anew.
        why: String,
    },
    /// A call ended in an error.
    Failed {
        /// Which.
        change: ChangeId,
        /// Whether its effect may exist all the same.
        may_have: bool,
        /// What was said.
        why: String,
    },
    /// Every call was answered as hoped. The world was not yet looked at.
    Applied {
        /// Which.
        change: ChangeId,
        /// What only the server could tell.
        receipt: Receipt,
    },
    /// The world was looked at.
    Observed {
        /// Which.
        change: ChangeId,
        /// Where it stands.
        position: Position,
    },
    /// A cut was proven, so strongly.
    Proved {
        /// Which.
        change: ChangeId,
        /// How strongly.
        proof: Proof,
        /// Who or what bears witness to it.
        #[serde(default)]
        by: Witness,
        /// What was seen, in a sentence.
        evidence: String,
    },
    /// It was tried to prove a cut, and it could not be.
    Unproven {
        /// Which.
        change: ChangeId,
        /// What was seen instead, in a sentence.
        why: String,
    },
    /// A principal is about to be made to try cuts on. It may exist from here on, and must be removed.
    CanaryMaking {
        /// Its name. No other canary of this case has it.
        canary: String,
    },
    /// It was made, and shown to be let in.
    CanaryMade {
        /// Which.
        canary: String,
        /// Its credentials, which are in nobody's hands but ours, and not for long. Its refused requests are
        /// what a log is held against.
        keys: Vec<AccessKeyId>,
    },
    /// It is gone.
    CanaryRemoved {
        /// Which.
        canary: String,
    },
    /// It could not be removed. It is tried again before the next canary, and at the end of every run.
    CanaryLeft {
        /// Which.
        canary: String,
        /// What was said.
        why: String,
    },
    /// A credential that the responder was given is about to be tried.
    Trying {
        /// Which.
        credential: AccessKeyId,
        /// When it was last used before, by the account's own record; for long-lived keys, where it can be told.
        last_used: Option<Timestamp>,
    },
    /// It was tried.
    Tried {
        /// Which.
        credential: AccessKeyId,
        /// Whose it is, where it said so.
        of: Option<Arn>,
        /// What came of it.
        outcome: Outcome,
    },
    /// The account's log was asked about a credential and whatever it was handed out.
    Listened {
        /// Which, in the words of the ledger.
        credential: String,
        /// Which log.
        log: String,
        /// From when on a success would speak against the cut.
        since: Timestamp,
        /// What it says.
        heard: Heard,
    },
    /// A change, or the whole run, waits for a person.
    Held {
        /// Which change; `None`: the run.
        change: Option<ChangeId>,
        /// What for, in a sentence that says what to do.
        until: String,
    },
    /// Every way in is proven cut: what was waiting behind the gate may start.
    GateOpened {
        /// The weakest proof among the cuts.
        proof: Proof,
    },
    /// The gate was tried, or had been open, and stays shut.
    GateShut {
        /// Why, a sentence each.
        reasons: Vec<String>,
    },
    /// The run ended.
    Finished {
        /// Its exit code.
        exit: u8,
    },
    /// Somebody found a credential innocent: it was not in the wrong hands.
    Cleared {
        /// Which.
        credential: Credential,
        /// By whom, and why.
        said: Said,
    },
    /// Somebody answers for a credential that is left as it is, for a time.
    Waived {
        /// Which.
        credential: Credential,
        /// Until when.
        until: Timestamp,
        /// By whom, and why.
        said: Said,
    },
    /// Whatever was said of a credential before holds no more: it is neither cleared nor waived.
    Withdrawn {
        /// Of which.
        credential: Credential,
        /// By whom, and why.
        said: Said,
    },
    /// Nothing that somebody said counts: he has appeared since the case began.
    Unheard {
        /// Who, as STS gives it.
        speaker: Arn,
        /// What shows it, in a clause.
        why: String,
    },
    /// Somebody stands up for something that was done, or is so, outside.
    Attested {
        /// The change that it is the doing of; `None`: of the case.
        change: Option<ChangeId>,
        /// By whom, and what.
        said: Said,
    },
    /// Somebody says that the case is over: nothing more is cut or handed out by it.
    Closed {
        /// By whom, and why.
        said: Said,
    },
    /// Somebody wants a phase to be carried out.
    Approved {
        /// Which.
        phase: Phase,
        /// By whom, and why.
        said: Said,
    },
}

impl Entry {
    /// Whether it is somebody's word, said while nothing runs.
    pub fn is_a_word(&self) -> bool {
        matches!(
            self,
            Self::Cleared { .. }
                | Self::Waived { .. }
                | Self::Withdrawn { .. }
                | Self::Closed { .. }
                | Self::Attested { .. }
                | Self::Approved { .. }
        )
    }

    /// The change it speaks of, if it speaks of one.
    pub fn change(&self) -> Option<&ChangeId> {
        match self {
            Self::Intended { change }
            | Self::Noted { change, .. }
            | Self::Reopened { change, .. }
            | Self::Failed { change, .. }
            | Self::Applied { change, .. }
            | Self::Observed { change, .. }
            | Self::Proved { change, .. }
            | Self::Unproven { change, .. } => Some(change),
            Self::Held { change, .. } | Self::Attested { change, .. } => change.as_ref(),
            Self::Opened { .. }
            | Self::Started { .. }
            | Self::TakenOver { .. }
            | Self::RoundBegan { .. }
            | Self::RoundAsked { .. }
            | Self::NothingNew { .. }
            | Self::NotSeen { .. }
            | Self::Came { .. }
            | Self::SeenOff { .. }
            | Self::CutsBefore { .. }
            | Self::CanaryMaking { .. }
            | Self::CanaryMade { .. }
            | Self::CanaryRemoved { .. }
            | Self::CanaryLeft { .. }
            | Self::Trying { .. }
            | Self::Tried { .. }
            | Self::Listened { .. }
            | Self::GateOpened { .. }
            | Self::GateShut { .. }
            | Self::Finished { .. }
            | Self::Cleared { .. }
            | Self::Waived { .. }
            | Self::Withdrawn { .. }
            | Self::Unheard { .. }
            | Self::Closed { .. }
            | Self::Approved { .. } => None,
        }
    }
}

/// A cut that an earlier case has made, or has begun, and that does not stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutOff {
    /// The directory of that case, by its name.
    pub case: String,
    /// Which change of it.
    pub change: ChangeId,
    /// What it was done to.
    pub target: String,
    /// What was done.
    pub what: String,
    /// What is there instead, or why it cannot be seen.
    pub why: String,
    /// What it kept out.
    pub credentials: Vec<Credential>,
    /// Whether nobody has ever seen it stand: it was begun, and nobody is known to have taken it off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_seen: bool,
}

impl CutOff {
    /// That it does not stand, in a clause.
    pub fn told(&self) -> &'static str {
        if self.never_seen {
            "was begun there, and was never seen to stand"
        } else {
            "stands no more"
        }
    }

    /// Whether both are of the same cut.
    pub fn is_of(&self, other: &Self) -> bool {
        (&self.case, &self.change) == (&other.case, &other.change)
    }

    /// The same, where it is not looked at any more.
    pub fn let_go(&self, why: NoMore) -> LetGo {
        LetGo {
            case: self.case.clone(),
            change: self.change.clone(),
            target: self.target.clone(),
            what: self.what.clone(),
            why,
        }
    }
}

/// A cut of an earlier case that is not looked at any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetGo {
    /// The directory of that case, by its name.
    pub case: String,
    /// Which change of it.
    pub change: ChangeId,
    /// What it was done to.
    pub target: String,
    /// What was done.
    pub what: String,
    /// Why.
    pub why: NoMore,
}

/// Why a cut of an earlier case is not looked at any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoMore {
    /// Somebody has said that the case is over.
    Closed,
    /// The case has taken it off again itself, or was taken back.
    TakenBack,
    /// Whoever it kept out was found innocent there.
    Cleared,
    /// The plan in hand cuts that itself by now, or has let it in.
    Own,
}

impl std::fmt::Display for NoMore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "that case was closed",
            Self::TakenBack => "that case has taken it back",
            Self::Cleared => "that case had whom it kept out cleared",
            Self::Own => "this case sees to it by now",
        })
    }
}

/// A process on a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The machine's name for itself.
    pub host: String,
    /// The process's number there.
    pub process: u32,
    /// The flags that it was called with, and that go with every command about the case: as whom, and to where. No
    /// secret is among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<(String, String)>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.process, self.host)
    }
}

/// Who or what bears witness to a proof.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "witness", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Witness {
    /// The control plane, read again: that requests are refused is inferred.
    #[default]
    ReadAgain,
    /// Somebody else of the same kind, cut in the same way, was refused: that this one is too is inferred.
    Canary {
        /// Its name.
        name: String,
    },
    /// This very credential was refused.
    Itself {
        /// Which.
        credential: AccessKeyId,
    },
}

impl Witness {
    /// How much it is worth.
    pub fn worth(&self) -> &'static str {
        match self {
            Self::ReadAgain => "weak",
            Self::Canary { .. } => "fair",
            Self::Itself { .. } => "strong",
        }
    }
}

/// What came of trying a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// It was refused because of a cut.
    Refused {
        /// By what: the credential's own end, or a deny.
        because: Refusal,
        /// What was answered, in a sentence.
        evidence: String,
    },
    /// It was let in.
    LetIn {
        /// What was seen, in a sentence.
        evidence: String,
    },
    /// Nothing that was answered says whether the cut holds.
    CannotTell {
        /// What was answered.
        why: String,
    },
}

/// What a log says of a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "heard", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Heard {
    /// No success, up to our own refused request, which is in it.
    Nothing {
        /// When that was made: what came after it is not known.
        until: Timestamp,
        /// The id of its event.
        probe: String,
    },
    /// A success.
    Success {
        /// The last one.
        at: Timestamp,
        /// What was done.
        what: String,
        /// The id of its event.
        event: String,
    },
    /// Our own refused requests are not in it, or it could not be read: it shows nothing.
    CannotTell {
        /// Why.
        why: String,
    },
}

/// Why a request was refused, as far as it proves a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The credential itself is not accepted: inactive, or gone.
    NotAccepted,
    /// An explicit deny in a policy of whoever it belongs to.
    IdentityDeny,
    /// A permissions boundary that allows nothing, or denies.
    Boundary,
    /// Refused, with no reason named.
    Unnamed,
}

/// Where the world stands with regard to one change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "position", rename_all = "kebab-case")]
pub enum Position {
    /// As the plan found it.
    Before,
    /// As the plan wants it.
    After,
    /// More than the plan wants: what was to be made unusable is deleted, by somebody else, and nobody has it.
    Gone,
    /// On the way: begun, not finished.
    Between {
        /// What is there and what is missing.
        why: String,
    },
    /// Begun, and going on without us: there is nothing to do but wait.
    Underway {
        /// What is going on.
        why: String,
    },
    /// Somebody else has changed it: neither what was found nor what is wanted.
    Elsewhere {
        /// What is there instead.
        why: String,
    },
    /// Nothing readable shows it.
    CannotTell {
        /// Why not.
        why: String,
    },
}

impl Position {
    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::After | Self::Gone)
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Before => f.write_str("not done"),
            Self::After => f.write_str("done"),
            Self::Gone => f.write_str("deleted"),
            Self::Between { why } => write!(f, "half done: {why}"),
            Self::Underway { why } => write!(f, "under way: {why}"),
            Self::Elsewhere { why } => write!(f, "changed by somebody else: {why}"),
            Self::CannotTell { why } => write!(f, "cannot be seen: {why}"),
        }
    }
}

/// What only the server could tell. Never a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The key that was issued.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issued: Option<AccessKeyId>,
    /// When a new console password was set, by AWS's clock.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub password_set_at: Option<Timestamp>,
    /// Where it was delivered to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivered: Option<Delivered>,
    /// Sessions issued before this moment are denied.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub denied_before: Option<Timestamp>,
}

/// Where something was delivered to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Delivered {
    /// A secret.
    Secret {
        /// Which.
        secret: SecretId,
        /// The version it is in.
        version: VersionId,
    },
    /// A file of the case, sealed.
    File {
        /// Which.
        name: DeliveryName,
    },
}

impl std::fmt::Display for Delivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret { secret, version } => write!(f, "secret {secret} (version {version})"),
            Self::File { name } => write!(f, "the case's file deliveries/{name}"),
        }
    }
}

/// What must not be forgotten between two calls of one change: written to the journal and synced before
/// `apply` goes on. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Note {
    /// Sessions issued before this moment are about to be denied.
    Denying {
        /// By AWS's clock.
        issued_before: Timestamp,
    },
    /// A key is about to be deleted to make room, or because nobody has its secret.
    Removing {
        /// Which.
        key: AccessKeyId,
        /// Why.
        why: String,
    },
    /// A key is about to be minted. One that appears from now on may be ours.
    Minting {
        /// By AWS's clock.
        at: Timestamp,
    },
    /// A key was minted; its secret is in nobody's hands but ours.
    Minted {
        /// Which.
        key: AccessKeyId,
    },
    /// Minting was refused: no key came of it.
    NotMinted,
    /// A new version is about to be stored under a label of its own.
    Staging {
        /// Which version.
        version: VersionId,
        /// The key in it.
        key: AccessKeyId,
    },
    /// The value that is about to be replaced held this key, and nothing else.
    HeldAlone {
        /// Which.
        key: AccessKeyId,
    },
    /// A new value is about to be stored under a label of its own.
    StagingValue {
        /// Which version.
        version: VersionId,
    },
    /// A secret's function is about to be asked for a rotation.
    Rotating {
        /// The version it is to make.
        version: VersionId,
    },
    /// A version that a rotation began and that holds nothing is about to lose its label.
    GivingUp {
        /// Which.
        version: VersionId,
    },
    /// The policy that was there lets in anybody at all, and was sealed all the same.
    PublicPolicy,
    /// A new password is about to be kept where it will be delivered, in this version where that is a secret,
    /// and then to be set. From here on nobody can tell which password holds, until it is noted as set.
    PasswordStaged {
        /// The version.
        version: Option<VersionId>,
    },
    /// The password staged last was set.
    PasswordSet {
        /// By AWS's clock.
        at: Timestamp,
    },
    /// What was staged last was handed over.
    HandedOver,
    /// A policy could not be added for want of room, and the next way was tried.
    NoRoom {
        /// What was tried.
        tried: String,
    },
    /// A way was not allowed, and the next was tried.
    NotAllowed {
        /// What was tried.
        tried: String,
    },
    /// What is there is not what the step is for: no further attempt comes to anything else, until that is planned anew.
    NotAsPlanned,
    /// Somebody attests that it is done. Not noted by `apply`: an [`Entry::Attested`] of the change is seen by
    /// its action as this.
    Attested {
        /// When it was written down.
        at: Timestamp,
        /// By whom, and what.
        said: Said,
    },
}
