//! One canary, from its making to its removal.
//!
//! Everything about it is announced in the journal first: from then on it may exist, and is removed by this
//! attempt, or by whoever comes after a crash. Its secrets are in memory only. It is told from a stranger under
//! the same name by its path and the tag with the case.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::{Left, Mechanism, Tale};
use crate::action::{
    ApplyError, CANARY_MAY, CANARY_PATH, CANARY_POLICY, CANARY_POLICY_TO_ASSUME, CANARY_TAG,
    Canary, Notes, Tried, canary_may_assume, canary_role_trusts, catalog, refusal,
};
use crate::cloud::{CallError, CanaryKey, Certainty, Made, Minted, Suspect, Urgency};
use crate::ids::{Arn, PolicyName, Principal, RoleName, UserName};
use crate::inventory::Inventory;
use crate::journal::{AppendError, CanaryState, Entry, Note, Refusal};
use crate::outbox::Outbox;
use crate::plan::Change;
use crate::run::{Event, Halt, Run};

use jiff::{SignedDuration, Timestamp};

/// How often a canary is tried to be removed, before it is left to the next time.
const REMOVALS: u32 = 7;
/// From this try on, seconds after the first, what is there is shown.
const SHOWN_BY: u32 = 5;
/// A session must be older than the moment before which sessions are denied, and that counts in whole seconds.
const OLDER: SignedDuration = SignedDuration::from_secs(2);

/// A canary that was made: who it is, and what it holds.
struct Equipped {
    canary: Canary,
    key: CanaryKey,
    second_key: CanaryKey,
    session: Option<(CanaryKey, Timestamp)>,
    /// Where cuts of roles are tried; or why it has none.
    role: Option<Result<Arn, String>>,
}

/// What a canary is made for.
#[derive(Clone, Copy)]
struct Wanted {
    session: bool,
    role: bool,
}

impl Run<'_> {
    /// Makes a canary, tries `mechanisms` on it one after the other, and removes it, whatever came of it.
    pub(super) async fn try_on_a_canary(
        &self,
        mechanisms: &[Mechanism<'_>],
        facts: &Inventory,
    ) -> Result<Vec<Tale>, Halt> {
        let name = self.next_canary();
        self.record(Entry::CanaryMaking { canary: name.to_string() }).await?;
        let case = self.case_tag();
        let made = self.cloud.iam().create_user(&name, CANARY_PATH, (CANARY_TAG, &case)).await;
        let nothing = made.as_ref().is_err_and(|error| error.certainty == Certainty::DidNot);
        let tried = self.tell(&name, made, mechanisms, facts).await;
        if let Err(halt @ Halt::Journal(_)) = tried {
            return Err(halt);
        }
        if nothing {
            self.record(Entry::CanaryRemoved { canary: name.to_string() }).await?;
        } else {
            self.remove(&name).await?;
        }
        tried
    }

    /// The roles that the newest canaries had, if they had any, newest first.
    pub(super) fn roles_of_canaries(&self, most: usize) -> Vec<Arn> {
        let state = self.journal.state();
        let number = |name: &str| name.rsplit('-').next().and_then(|n| n.parse::<u32>().ok());
        let mut canaries: Vec<&String> = state.canaries.keys().collect();
        canaries.sort_by_key(|name| std::cmp::Reverse(number(name)));
        let account = &self.plan.account;
        let arn = |name: &&String| {
            Arn::parse(format!("arn:aws:iam::{account}:role{CANARY_PATH}{name}")).ok()
        };
        canaries.iter().filter_map(arn).take(most).collect()
    }

    /// A name that no canary of this case has had.
    fn next_canary(&self) -> UserName {
        let n = self.journal.state().canaries.len() + 1;
        let case = self.case_tag();
        let case: String = case.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        UserName::parse(format!("portcullis-canary-{case}-{n}")).expect("a user's name")
    }

    /// What every canary of the case is tagged with, in whichever round it was made: the digest of its first plan.
    fn case_tag(&self) -> String {
        let state = self.journal.state();
        state.opened.as_ref().map_or(self.digest, |opened| &opened.plan).to_owned()
    }

    async fn tell(
        &self,
        name: &UserName,
        made: Result<Made, CallError>,
        mechanisms: &[Mechanism<'_>],
        facts: &Inventory,
    ) -> Result<Vec<Tale>, Halt> {
        let until = self.patient_until(self.clock.now());
        let wanted = Wanted {
            session: mechanisms.iter().any(|one| one.with == Tried::Session),
            role: mechanisms.iter().any(|one| one.with.is_of_role()),
        };
        let made = match self.equip(name, made, wanted, until).await {
            Ok(made) => made,
            Err(Left::Halt(halt)) => return Err(halt),
            Err(Left::Again(why)) => {
                return Ok(mechanisms.iter().map(|_| Tale::Again(why.clone())).collect());
            }
            Err(Left::Vain(why)) => {
                return Ok(mechanisms.iter().map(|_| Tale::NotProven(why.clone())).collect());
            }
        };
        let mut tales = Vec::new();
        let mut cut: BTreeSet<Tried> = BTreeSet::new();
        for mechanism in mechanisms {
            // What it is tried with is cut by then for good: waiting for it to be let in would be in vain.
            if !cut.insert(mechanism.with) && !mechanism.with.must_be_older() {
                let why = "another cut was tried on the same canary, and stands";
                tales.push(Tale::Again(why.to_owned()));
                continue;
            }
            tales.push(match self.try_one(&made, mechanism, facts).await {
                Ok(tale) => tale,
                Err(Left::Halt(halt)) => return Err(halt),
                Err(Left::Again(why)) => Tale::Again(why),
                Err(Left::Vain(why)) => Tale::NotProven(why),
            });
        }
        Ok(tales)
    }

    /// Gives a user that was made what he is tried with.
    async fn equip(
        &self,
        name: &UserName,
        made: Result<Made, CallError>,
        wanted: Wanted,
        until: Timestamp,
    ) -> Result<Equipped, Left> {
        let iam = self.cloud.iam();
        let user = self.said(made, "made").await?;
        let principal = Principal::User(name.clone());
        let may = iam.put_inline_policy(&principal, &policy(CANARY_POLICY), CANARY_MAY).await;
        self.said(may, "allowed its one call").await?;
        let first = self.said(iam.create_access_key(name).await, "given a key").await?;
        let second = self.said(iam.create_access_key(name).await, "given a key").await?;
        // Cuts of users are tried all the same.
        let role = if wanted.role {
            Some(match self.make_role(name, &user.arn).await {
                Ok(role) => Ok(role),
                Err(Left::Vain(why)) => Err(why),
                Err(left) => return Err(left),
            })
        } else {
            None
        };
        let canary = Canary {
            user: name.clone(),
            user_id: user.id,
            keys: [first.id.clone(), second.id.clone()],
            role: role_of(name),
            role_id: match &role {
                Some(Ok(role)) => role.id.clone(),
                _ => String::new(),
            },
        };
        let probes = self.probes;
        let key = probes.with_canary(&suspect(first));
        let second_key = probes.with_canary(&suspect(second));
        for key in [&key, &second_key] {
            if let Err(answered) = self.until_let_in(key.probe(), until).await? {
                return Err(Left::Again(format!("the canary was never let in: {answered}")));
            }
        }
        let session = if wanted.session {
            self.minted(|| key.session(), |_| false, until).await?
        } else {
            None
        };
        let mut keys = canary.keys.to_vec();
        keys.extend(session.as_ref().map(|session| session.id.clone()));
        let entry = Entry::CanaryMade { canary: name.to_string(), keys };
        self.record(entry).await.map_err(Halt::from)?;
        let minted = self.clock.now();
        let session = session.map(|session| (probes.with_canary(&session), minted));
        Ok(Equipped {
            canary,
            key,
            second_key,
            session,
            role: role.map(|role| role.map(|role| role.arn)),
        })
    }

    /// The role that the canary whose ARN is `user` can assume.
    async fn make_role(&self, name: &UserName, user: &Arn) -> Result<Made, Left> {
        let iam = self.cloud.iam();
        let (role, case) = (role_of(name), self.case_tag());
        let made = iam.create_role(&role, CANARY_PATH, &canary_role_trusts(user), &case).await;
        let made = self.said(made, "given a role").await?;
        let of_role = Principal::Role(role);
        let may = iam.put_inline_policy(&of_role, &policy(CANARY_POLICY), CANARY_MAY).await;
        self.said(may, "given a role that may make its one call").await?;
        let may_assume = canary_may_assume(&made.arn);
        let of_user = Principal::User(name.clone());
        let may =
            iam.put_inline_policy(&of_user, &policy(CANARY_POLICY_TO_ASSUME), &may_assume).await;
        self.said(may, "allowed to assume its role").await?;
        Ok(made)
    }

    /// A session of the canary, where it can have one.
    async fn minted<M>(
        &self,
        mint: impl Fn() -> M,
        may_pass: impl Fn(&CallError) -> bool,
        until: Timestamp,
    ) -> Result<Option<Suspect>, Left>
    where
        M: Future<Output = Result<Suspect, CallError>>,
    {
        let mut wait = super::FIRST_WAIT;
        loop {
            match mint().await {
                Ok(session) => return Ok(Some(session)),
                // Not every server has heard of the key yet.
                Err(error)
                    if (error.is_passing()
                        || refusal(&error) == Some(Refusal::NotAccepted)
                        || may_pass(&error))
                        && self.clock.now() < until =>
                {
                    self.wait_a_little(&mut wait, until).await?;
                }
                Err(_) => return Ok(None),
            }
        }
    }

    async fn try_one(
        &self,
        made: &Equipped,
        mechanism: &Mechanism<'_>,
        facts: &Inventory,
    ) -> Result<Tale, Left> {
        let until = self.patient_until(self.clock.now());
        let (canary, name) = (&made.canary, made.canary.user.to_string());
        // Sessions of the role are minted for one trial each: what was tried before denies the older ones.
        let of_role = match &made.role {
            Some(Err(why)) if mechanism.with.is_of_role() => return Err(Left::Vain(why.clone())),
            Some(Ok(role)) if mechanism.with.is_of_role() => {
                // Not every server has heard yet that he may.
                let mint = || made.key.assume(role);
                let session = self.minted(mint, CallError::is_denied, until).await?;
                session.map(|session| (self.probes.with_canary(&session), self.clock.now()))
            }
            _ => None,
        };
        let (key, minted) = match mechanism.with {
            Tried::Key => (Some(&made.key), None),
            Tried::SecondKey => (Some(&made.second_key), None),
            Tried::Session => (
                made.session.as_ref().map(|(key, _)| key),
                made.session.as_ref().map(|(_, minted)| *minted),
            ),
            Tried::OlderRoleSession | Tried::RoleSession => {
                (of_role.as_ref().map(|(key, _)| key), of_role.as_ref().map(|(_, minted)| *minted))
            }
        };
        let Some(probe) = key.map(CanaryKey::probe) else {
            return Ok(Tale::NotProven("the canary was given no session".to_owned()));
        };
        // What is refused before it is cut says nothing of the cut.
        let let_in = match self.until_let_in(probe, until).await? {
            Ok(at) => at,
            Err(answered) => {
                return Ok(Tale::Again(format!("the canary was not let in before: {answered}")));
            }
        };
        if let Some(minted) = minted.filter(|_| mechanism.with.must_be_older()) {
            let old = minted.saturating_add(OLDER).unwrap_or(Timestamp::MAX);
            self.wait_until(old).await?;
        }
        let cut = mechanism.cuts[0];
        let action = catalog::of(cut);
        let trial = action
            .on_canary(&cut.decided, facts, canary)
            .ok_or_else(|| Left::Vain("it cannot be tried".to_owned()))?;
        let mut notes = InMemory { notes: Vec::new(), seed: &name, outbox: self.outbox };
        let mut wait = super::FIRST_WAIT;
        loop {
            let applied =
                action.apply(&trial.change, &self.cloud.at(Urgency::Proof), &mut notes).await;
            let error = match applied {
                Ok(()) => break,
                Err(ApplyError::Call(error)) => error,
                Err(ApplyError::Later(_)) if self.clock.now() < until => {
                    self.wait_a_little(&mut wait, until).await?;
                    continue;
                }
                Err(error) => return Err(Left::Vain(format!("the canary was not cut: {error}"))),
            };
            // It is safe to cut twice.
            if error.is_passing() && self.clock.now() < until {
                self.wait_a_little(&mut wait, until).await?;
            } else {
                self.said(Err::<(), _>(error), "cut").await?;
            }
        }
        let stand_in = self.plan.endpoint.is_some();
        let shows = |error: &CallError| {
            refusal(error).filter(|refusal| {
                // AWS names its reason. A stand-in may not; then there is only that nothing else was done.
                *refusal == mechanism.shown_by
                    || (*refusal == Refusal::Unnamed
                        && stand_in
                        && mechanism.shown_by != Refusal::NotAccepted)
            })
        };
        Ok(match self.until_refused(probe, until, shows).await? {
            Ok((since, why, error)) => {
                let unnamed = if why == Refusal::Unnamed {
                    " (no reason was named; nothing but the cut was done to it in between)"
                } else {
                    ""
                };
                let evidence = format!(
                    "{}, on canary {name}: let in until {}, refused since {} UTC: {}: {}{unnamed}",
                    mechanism.what,
                    let_in.strftime("%H:%M:%S"),
                    since.strftime("%H:%M:%S"),
                    error.code,
                    error.message,
                );
                Tale::Proven(name, evidence)
            }
            Err(answered) => Tale::NotProven(format!(
                "canary {name} was cut so and not refused because of it within {} s: {answered}",
                self.plan.gate.within_seconds
            )),
        })
    }

    /// What a call about the canary came to, where it was not answered as hoped.
    async fn said<T>(&self, answer: Result<T, CallError>, what: &str) -> Result<T, Left> {
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if error.is_credentials() {
            // Where there are fresh ones, another canary comes further.
            let let_in = self.is_let_in_again().await?;
            let why = error.to_string();
            return Err(if let_in { Left::Again(why) } else { Left::Vain(why) });
        }
        let why = format!("the canary could not be {what}: {error}");
        Err(if error.is_passing() {
            Left::Again(why)
        } else if error.is_denied() {
            Left::Vain(format!("{why}. Allow it to the credentials in use, then resume"))
        } else {
            Left::Again(why)
        })
    }

    /// Removes what an earlier attempt may have left.
    pub(in crate::run) async fn sweep(&self) -> Result<(), Halt> {
        let canaries = self.journal.state().canaries.clone();
        for (name, _) in canaries.iter().filter(|(_, state)| **state != CanaryState::Removed) {
            // Names are made here, and none is written that is not one.
            if let Ok(name) = UserName::parse(name.as_str()) {
                self.remove(&name).await?;
            }
        }
        Ok(())
    }

    /// Removes a canary with everything on it. What cannot be removed now is recorded, and left to the next time.
    async fn remove(&self, name: &UserName) -> Result<(), Halt> {
        let canary = name.to_string();
        let mut wait = Duration::from_secs(1);
        let mut why = String::new();
        for n in 1..=REMOVALS {
            match self.take_down(name, n >= SHOWN_BY).await {
                Ok(()) => {
                    self.record(Entry::CanaryRemoved { canary }).await?;
                    return Ok(());
                }
                Err(TakeDown::Stranger) => {
                    "somebody else has this name: it is not ours to remove".clone_into(&mut why);
                    break;
                }
                Err(TakeDown::Unseen(error)) => why = error.to_string(),
                Err(TakeDown::Call(error)) => {
                    why = error.to_string();
                    if error.is_credentials() || error.is_denied() {
                        break;
                    }
                }
            }
            if n < REMOVALS {
                self.clock.sleep(wait).await;
                wait *= 2;
            }
        }
        self.observer.event(&Event::CanaryLeft { canary: &canary, why: &why });
        self.record(Entry::CanaryLeft { canary, why }).await?;
        Ok(())
    }

    /// One try at it. Every call may be made again, and may find nothing left to do. What is there would be `shown` by
    /// now.
    async fn take_down(&self, name: &UserName, shown: bool) -> Result<(), TakeDown> {
        // Whatever is with the role, the user goes.
        let role = self.take_down_role(&role_of(name), shown).await;
        self.take_down_user(name, shown).await.and(role)
    }

    async fn take_down_user(&self, name: &UserName, shown: bool) -> Result<(), TakeDown> {
        let (read, iam) = (self.cloud.read().iam(), self.cloud.iam());
        let case = self.case_tag();
        let principal = Principal::User(name.clone());
        if let Some(found) = read.user(name).await? {
            let ours = found.path == CANARY_PATH
                && found.tags().iter().any(|t| t.key == CANARY_TAG && t.value == case);
            if !ours {
                return Err(TakeDown::Stranger);
            }
            for key in read.access_keys(name).await? {
                let id = key.access_key_id.and_then(|id| id.parse().ok());
                if let Some(id) = id {
                    gone(iam.delete_access_key(name, &id).await)?;
                }
            }
            self.strip(&principal).await?;
            gone(iam.delete_user(name).await)?;
            return Ok(());
        }
        unseen(iam.delete_user(name).await, shown)
    }

    /// The same for the role, where cuts of roles were to be tried.
    async fn take_down_role(&self, name: &RoleName, shown: bool) -> Result<(), TakeDown> {
        if !self.tries_roles() {
            return Ok(());
        }
        if let Some(found) = self.cloud.read().iam().role(name).await? {
            let ours = found.path == CANARY_PATH
                && found.description.as_deref() == Some(self.case_tag().as_str());
            if !ours {
                return Err(TakeDown::Stranger);
            }
            self.strip(&Principal::Role(name.clone())).await?;
            gone(self.cloud.iam().delete_role(name).await)?;
            return Ok(());
        }
        unseen(self.cloud.iam().delete_role(name).await, shown)
    }

    /// Takes every policy off.
    async fn strip(&self, principal: &Principal) -> Result<(), TakeDown> {
        let (read, iam) = (self.cloud.read().iam(), self.cloud.iam());
        for attached in read.attached_policies(principal).await? {
            let arn = attached.policy_arn.and_then(|arn| arn.parse().ok());
            if let Some(arn) = arn {
                gone(iam.detach_policy(principal, &arn).await)?;
            }
        }
        for inline in read.inline_policies(principal).await? {
            gone(iam.delete_inline_policy(principal, &inline).await)?;
        }
        Ok(())
    }

    /// Whether a canary of this plan may have a role: where none has, nobody needs the permission to remove one.
    fn tries_roles(&self) -> bool {
        let of_role = |change: &Change| {
            let example = Canary::example();
            let trial = catalog::of(change).on_canary(&change.decided, self.inventory, &example);
            trial.is_some_and(|trial| trial.with.is_of_role())
        };
        self.plan.changes.iter().any(of_role)
    }
}

/// Why one try came to nothing.
enum TakeDown {
    Stranger,
    Unseen(CallError),
    Call(CallError),
}

impl From<CallError> for TakeDown {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// What came of deleting what is not shown: it may have been made a moment ago. Whoever may do it under the canaries' path
/// only is refused where nothing is there, for then there is no path: once it would be shown, that says as much.
fn unseen(answer: Result<(), CallError>, shown: bool) -> Result<(), TakeDown> {
    match gone(answer) {
        Err(error) if error.is_denied() && shown => Ok(()),
        Err(error) if error.is_denied() => Err(TakeDown::Unseen(error)),
        answer => Ok(answer?),
    }
}

/// What is to be removed may not be there: all the better.
fn gone(answer: Result<(), CallError>) -> Result<(), CallError> {
    match answer {
        Err(error) if error.is_absent() => Ok(()),
        answer => answer,
    }
}

fn policy(name: &str) -> PolicyName {
    PolicyName::parse(name).expect("a policy's name")
}

/// The role that a canary can assume has his name.
fn role_of(canary: &UserName) -> RoleName {
    RoleName::parse(canary.as_str()).expect("what a user can be called, a role can")
}

fn suspect(minted: Minted) -> Suspect {
    Suspect { id: minted.id, secret: minted.secret, token: None }
}

/// Notes on a canary, which outlives nothing: neither do they.
struct InMemory<'a> {
    notes: Vec<Note>,
    seed: &'a str,
    outbox: &'a dyn Outbox,
}

impl Notes for InMemory<'_> {
    fn so_far(&self) -> &[Note] {
        &self.notes
    }

    fn note<'a>(
        &'a mut self,
        note: Note,
    ) -> Pin<Box<dyn Future<Output = Result<(), AppendError>> + Send + 'a>> {
        self.notes.push(note);
        Box::pin(std::future::ready(Ok(())))
    }

    fn seed(&self) -> String {
        self.seed.to_owned()
    }

    fn outbox(&self) -> &dyn Outbox {
        self.outbox
    }
}
