//! A plan: every change that will be made, in order, with what it does and why; and what will not be.
//!
//! A plan is a value. It is made by `planning` from a playbook, inputs and an inventory, carried out
//! by `run`, and read by the ledger and the report. It holds every decision and no secret. Saved, it
//! carries a digest of all it stands on, so that what was reviewed is what runs.
//! Knows no action: what a change does is told by its [`Effect`]s, and only those.

mod batches;
mod credential;
mod effect;
mod found;
mod listed;
mod moments;
mod outlook;
mod saved;
mod text;
mod together;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use batches::Batches;
pub use credential::{Credential, credential_wants, credentials_of, longest_session};
pub use effect::{Barrier, Destination, Effect, OldValue, Subject};
pub use found::{Found, Import, Whereabouts};
pub use listed::Listed;
pub use outlook::{Estimate, Have, Permission, Shortfall, Unknown, Unplanned, Wait};
pub use saved::{OpenError, Round, SavedPlan};
pub use text::{Decided, Text, Texts};
pub use together::{SavedPlans, Together};

use crate::ids::{
    AccessKeyId, AccountId, ActionKind, Arn, ChangeId, Principal, RoleName, SecretId, StepId,
    UserName,
};
use crate::playbook::{Mode, Phase, Proof};

/// What will be done, all of it decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The playbook's name.
    pub playbook: String,
    /// The playbook's title.
    pub title: String,
    /// Breach or planned.
    pub mode: Mode,
    /// The account it is for.
    pub account: AccountId,
    /// With which other accounts it goes, behind one gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// Who surveyed.
    pub caller: Arn,
    /// The endpoint, where it is not AWS itself.
    pub endpoint: Option<String>,
    /// The inputs, as given and checked.
    pub inputs: BTreeMap<String, serde_json::Value>,
    /// When the inventory it stands on was taken.
    pub surveyed_at: Timestamp,
    /// What the first survey has seen, where this is the plan of a later round, or takes up earlier cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<FirstSeen>,
    /// What earlier cases of the account have handed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_up: Option<TakenUp>,
    /// What has come since the case began, of those in scope and of roles that they may have assumed. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub came: Vec<Credential>,
    /// What the gate asks for.
    pub gate: GateTerms,
    /// Principals in scope: whoever a change cuts. The gate wants everything they hold. Sorted.
    pub principals: Vec<Principal>,
    /// Roles whose trust policy admits one of them, sessions of which may be held; and for each of them whose
    /// roles could not be told, that.
    pub roles: Listed<RoleInReach>,
    /// Every credential that the principals in scope hold.
    pub credentials: Listed<Credential>,
    /// The changes, in an order that respects their needs.
    pub changes: Listed<Change>,
    /// What was seen and is left alone.
    pub untouched: Vec<Untouched>,
    /// Credentials in scope that the playbook holds to be nobody else's: no step cuts them one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<Trusted>,
    /// How many people must approve before a phase behind the gate.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub approvals: BTreeMap<Phase, usize>,
    /// Steps whose changes are made a few at a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batches: Vec<Batches>,
    /// Whom the case has let in again, or is to, while it goes on for all others. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lets_in: Vec<Principal>,
    /// Kinds of credentials that could not be listed, and over which the operator lifts all the same.
    pub accepted_gaps: Vec<String>,
    /// Identities that a change cuts and whose loss the operator accepts, although this run stands on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_lockouts: Vec<Arn>,
    /// What others found, as it was handed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<Import>,
    /// Every access key in it, and where it belongs. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Found>,
    /// What is made to try the cuts on, where the gate asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<PlannedCanary>,
    /// How much it asks of the cloud, and how long that takes.
    pub estimate: Estimate,
    /// Where its run stops on its way to the end, in the order in which it comes to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Wait>,
    /// Whether its gate stays shut whatever goes well, until somebody answers for what is open or allows what is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays_shut: bool,
    /// What keeps its run from ending with 0, whatever goes well: where there is any, that ends with 11 at best.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_best: Vec<Shortfall>,
    /// Steps that are not planned: what cuts is planned all the same, and the run is held for the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unplanned: Vec<Unplanned>,
    /// What the operator should know before saying yes.
    pub warnings: Vec<String>,
}

/// An account as it was when its case began: whatever was set up since is known by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstSeen {
    /// When it was surveyed.
    pub at: Timestamp,
    /// Of every role, the digests of the parts of its trust policy: see `policy::admission`. `None` where they could
    /// not be listed.
    pub trusts: Option<BTreeMap<RoleName, BTreeSet<String>>>,
    /// Whether that is of a later survey, because the first could not list them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trusts_came_later: bool,
    /// Of every secret into which something new is put, as it was: of one that a later round is the first to name, as that
    /// has found it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readers: BTreeMap<SecretId, SecretSeen>,
    /// Unique ids of users, keys and roles that the survey has listed and that were made in its very second: AWS tells whole
    /// seconds, and who was made behind it in that second was not listed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub listed: BTreeSet<String>,
}

/// Who may read a secret, by what the secret says itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSeen {
    /// The digests of the parts of its policy, without a seal of ours. `None` where it could not be read.
    pub policy: Option<BTreeSet<String>>,
    /// The function that rotates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotator: Option<Arn>,
}

impl FirstSeen {
    /// Whether what has this unique id was there when it was surveyed, although it was made in that second.
    pub fn has_listed(&self, id: &str) -> bool {
        self.listed.contains(id)
    }

    /// The earlier of two beginnings, with the roles of the earlier that has listed them, and of every secret the first that
    /// was seen.
    #[must_use]
    pub fn or_earlier(self, other: Self) -> Self {
        let (mut earlier, later) = if self.at <= other.at { (self, other) } else { (other, self) };
        for (secret, seen) in later.readers {
            earlier.readers.entry(secret).or_insert(seen);
        }
        if earlier.trusts.is_some() {
            return earlier;
        }
        Self { trusts_came_later: later.trusts.is_some(), trusts: later.trusts, ..earlier }
    }
}

/// What earlier cases of an account, which nobody has closed, hand on to a new one: it begins where the first of them
/// began, and knows what they have found and made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenUp {
    /// Which: the names of their directories, each with the digest of the plan that it was begun with.
    pub cases: BTreeMap<String, String>,
    /// What they have found, and nothing kept out when they were last worked on.
    pub open: BTreeSet<Credential>,
    /// Keys that they have issued.
    pub issued: BTreeSet<AccessKeyId>,
    /// Names of those that they have made to try cuts on, and when each was last spoken of.
    pub canaries: BTreeMap<String, Timestamp>,
    /// Keys of users in no step of theirs that they have seen switched off.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub seen_off: BTreeSet<AccessKeyId>,
}

/// What the gate asks for before anything new is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateTerms {
    /// The weakest proof it takes.
    pub proof: Proof,
    /// How long after the last cut the world is looked at again, in seconds.
    pub margin_seconds: u64,
    /// How long a refusal is waited for where a cut is tried, in seconds.
    #[serde(default = "within_by_default")]
    pub within_seconds: u64,
}

fn within_by_default() -> u64 {
    300
}

impl GateTerms {
    /// The margin as a duration.
    pub fn margin(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.margin_seconds)
    }
}

/// Principals that are made and removed again, so that cuts can be tried on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedCanary {
    /// What is made: "a user under /portcullis-canary/".
    pub makes: String,
    /// How often, where all goes well.
    pub times: usize,
    /// The requests that write which that takes: to make it, cut it and remove it.
    #[serde(default)]
    pub writes: usize,
    /// The mechanisms that are tried on it.
    pub tries: Vec<String>,
    /// Cuts that cannot be tried so, and count where what they cover is covered otherwise.
    pub untried: Vec<ChangeId>,
    /// Permissions that it takes, and whether they are there.
    pub permissions: Vec<Permission>,
    /// Mechanisms that are not tried after all, each with what is not allowed to try them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub in_vain: BTreeMap<String, Vec<String>>,
    /// What is not allowed that removing it takes: it is made, and stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<String>,
}

/// Sessions of a role that somebody in scope may have assumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleInReach {
    /// Of which role, or of whatever roles could not be listed.
    pub sessions: Credential,
    /// Which user may have assumed it.
    pub user: UserName,
    /// Why: as whom its trust admits him, or what could not be read.
    pub why: String,
}

/// A credential that is not compromised, by the playbook's word alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trusted {
    /// Which.
    pub credential: Credential,
    /// Why, in the words of the playbook.
    pub reason: String,
}

/// Something that was seen and is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Untouched {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// One decided modification of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Its name within the plan.
    pub id: ChangeId,
    /// The step of the playbook it comes from.
    pub step: StepId,
    /// The fragment that the step is in, by its path; `None` for the playbook itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Text>,
    /// The line of that file where the step begins, from 1.
    pub line: usize,
    /// When it is due.
    pub phase: Phase,
    /// The action that carries it out.
    pub kind: ActionKind,
    /// What it is done to: `user ci-deploy`.
    pub target: Text,
    /// What is done: `deactivate AKIA...`.
    pub what: Text,
    /// The state found.
    pub before: Text,
    /// The state wanted.
    pub after: Text,
    /// Whether it was already so when surveyed: nothing is written, and it is proven all the same.
    pub already: bool,
    /// What it does, for gate, ledger, lint and approvals.
    pub effects: Vec<Effect>,
    /// How it can be taken back.
    pub undo: Text,
    /// What cannot be taken back, if anything; shown in capitals.
    pub irreversible: Option<Text>,
    /// What it may break.
    pub hazards: Vec<Text>,
    /// Permissions it needs to write, and whether they are there.
    pub permissions: Vec<Permission>,
    /// What only carrying it out brings about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknowns: Vec<Unknown>,
    /// Why, in the words of the playbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// When somebody is to look whether it must stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_by: Option<Timestamp>,
    /// What must be done, and how surely, before it starts.
    pub needs: Vec<Need>,
    /// Whichever of these is done later, this one is made once more: a person closes a way in by which what it cuts
    /// was had until then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again_after: Vec<ChangeId>,
    /// The change that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<ChangeId>,
    /// The action's own decisions; only the action reads them.
    pub decided: Decided,
}

/// Another change that comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// Which.
    pub change: ChangeId,
    /// Seen in the world at least so surely.
    pub proof: Proof,
}

impl Change {
    /// Where the step stands: `line 46`, or `shared/team.yaml line 7` where it is in a fragment.
    pub fn place(&self) -> String {
        match &self.file {
            Some(file) => format!("{file} line {}", self.line),
            None => format!("line {}", self.line),
        }
    }

    /// Whether the gate stands before it: it issues, delivers or lifts.
    pub fn is_gated(&self) -> bool {
        self.effects.iter().any(Effect::is_gated)
    }

    /// Whether it is a person who closes something, or opens it, and attests it.
    pub fn is_by_hand(&self) -> bool {
        self.effects.iter().any(|effect| {
            matches!(effect, Effect::Cuts { barrier, .. } | Effect::Lifts { barrier, .. }
                if *barrier == Barrier::Attested)
        })
    }

    /// Whether it cuts something.
    pub fn cuts(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Cuts { .. }))
    }

    /// Whether it will be held because something it needs is known not to be allowed.
    pub fn is_refused(&self) -> bool {
        let refused = |one: &Permission| one.have == Have::Cannot && one.only_if.is_none();
        !self.already && self.permissions.iter().any(refused)
    }

    /// Whether it puts something in the way of `credential` that blocks it.
    pub fn keeps_out(&self, credential: &Credential) -> bool {
        self.effects.iter().any(|effect| {
            matches!(effect, Effect::Cuts { subject, barrier }
                if barrier.blocks() && subject.covers(credential))
        })
    }

    /// Whether it denies sessions for the second time, behind what can mint them.
    pub fn is_second_pass(&self) -> bool {
        self.effects.iter().any(|effect| {
            matches!(effect, Effect::Cuts { barrier: Barrier::SessionsSecondPass, .. })
        })
    }

    /// What a second pass over sessions comes behind: the cuts of whoever can mint them. What the playbook itself puts
    /// before it is none of that.
    pub fn comes_behind(&self) -> impl Iterator<Item = &Need> {
        self.needs.iter().filter(|need| need.proof > Proof::ReadBack && self.is_second_pass())
    }

    /// Whether every effect is a cut: it may be made without looking first.
    pub fn only_cuts(&self) -> bool {
        self.effects
            .iter()
            .all(|effect| matches!(effect, Effect::Cuts { .. } | Effect::Spares { .. }))
    }
}

impl Plan {
    /// Whether a credential came to be known after the first survey, of somebody whom no step has selected.
    pub fn is_newcomer(&self, credential: &Credential) -> bool {
        let in_scope = |principal| self.principals.binary_search(&principal).is_ok();
        if matches!(credential, Credential::Admission { .. } | Credential::Reader { .. }) {
            return true;
        }
        self.first_seen.is_some()
            && self.credentials.contains(credential)
            && !self.is_in_reach(credential)
            && credential.principal().is_some_and(|principal| !in_scope(principal))
            && !self.was_found(credential)
    }

    /// Whether it is the sessions of a role that somebody in scope may have assumed.
    pub fn is_in_reach(&self, credential: &Credential) -> bool {
        self.roles.reaching(credential).any(|reach| reach.sessions == *credential)
    }

    /// Whether an earlier case has left a credential open that no step of this one cuts.
    pub fn was_left_open(&self, credential: &Credential) -> bool {
        self.takes_up.as_ref().is_some_and(|up| up.open.contains(credential))
    }

    /// Whether a credential is a key that others found.
    fn was_found(&self, credential: &Credential) -> bool {
        let Credential::AccessKey { id, .. } = credential else { return false };
        let at = self.found.binary_search_by(|found| found.key.cmp(id));
        at.is_ok_and(|at| self.found[at].whereabouts.credential() == Some(credential))
    }

    /// Where a key was found, and what the finder calls it.
    pub fn places_of(&self, key: &AccessKeyId) -> Vec<String> {
        let imports = self.imports.iter().flat_map(|import| import.findings.of(key));
        imports.map(|finding| format!("{} in {}", finding.kind, finding.place)).collect()
    }

    /// The users in scope.
    pub fn users(&self) -> impl Iterator<Item = &UserName> {
        self.principals.iter().filter_map(Principal::user)
    }

    /// The change called `id`.
    pub fn change(&self, id: &ChangeId) -> Option<&Change> {
        self.changes.called(id)
    }

    /// Why `credential` is trusted, if it is.
    pub fn trust_in(&self, credential: &Credential) -> Option<&str> {
        let trusted = self.trusted.iter().find(|trusted| trusted.credential == *credential);
        trusted.map(|trusted| trusted.reason.as_str())
    }

    /// What keeps its run from coming to an end by itself: steps that are not planned, a sentence each; those that wait for
    /// another, with it.
    pub fn not_planned(&self) -> Vec<String> {
        let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
        for Unplanned { step, why, .. } in &self.unplanned {
            let step = format!("`{step}`");
            match reasons.iter_mut().find(|(known, _)| known == why) {
                Some((_, steps)) => steps.push(step),
                None => reasons.push((why, vec![step])),
            }
        }
        let told = reasons.into_iter().map(|(why, steps)| {
            let (of, is) = if steps.len() == 1 { ("step", "is") } else { ("steps", "are") };
            format!("{of} {} {is} not planned: {why}", steps.join(", "))
        });
        told.collect()
    }

    /// Whether it takes back what was done: then nothing else of it is carried out. One that lets somebody in again goes on
    /// for all others.
    pub fn is_undo(&self) -> bool {
        self.lets_in.is_empty() && self.changes.iter().any(|change| change.undoes.is_some())
    }

    /// Whether anything waits behind the gate. What lets somebody in again has none.
    pub fn has_a_gate(&self) -> bool {
        self.changes.iter().any(|change| change.is_gated() && change.undoes.is_none())
    }

    /// The same, with the changes alone that are carried out: of a plan that takes back, those that do.
    #[must_use]
    pub fn to_carry_out(&self) -> Self {
        let mut plan = self.clone();
        if self.is_undo() {
            plan.changes.retain(|change| change.undoes.is_some());
            plan.batches.clear();
            let phases: BTreeSet<Phase> = plan.changes.iter().map(|change| change.phase).collect();
            plan.approvals.retain(|phase, _| phases.contains(phase));
        }
        plan
    }

    /// The changes that are carried out: of a plan that takes back, those alone that take back.
    pub fn carried_out(&self) -> impl Iterator<Item = &Change> {
        let undo = self.is_undo();
        self.changes.iter().filter(move |change| !undo || change.undoes.is_some())
    }

    /// The changes that will write something: of a plan that takes back, those alone that take back.
    pub fn pending(&self) -> impl Iterator<Item = &Change> {
        let undo = self.is_undo();
        self.changes
            .iter()
            .filter(move |change| !change.already && (!undo || change.undoes.is_some()))
    }
}
