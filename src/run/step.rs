//! Driving one change from wherever the journal says it stands.
//!
//! Look, record the intent, apply, record the answer, look again. A cut that was never begun is made
//! without looking first: it does no harm to cut twice, and time counts. Everything else, and everything
//! that may have been begun before a crash or behind a lost answer, is looked at before it is touched.
//! What can pass is waited for; what cannot makes the change wait for a person.
//!
//! Knows nothing of where it runs: it needs a plan, a journal, a cloud and a clock.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use super::lifting::Lifting;
use super::uncut::to_attest;
use super::undo::kept_by;
use super::{Event, Halt, Run};
use crate::action::catalog::{self, ErasedAction};
use crate::action::{ApplyError, Notes};
use crate::cloud::{CallError, Cause, Certainty, Urgency};
use crate::ids::{ChangeId, Principal};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{AppendError, ChangeState, Entry, Journal, Note, Position};
use crate::ledger;
use crate::outbox::Outbox;
use crate::plan::{Change, Effect, Subject};
use crate::planning;

/// Attempts at one change in one run, when what goes wrong looks as if it might pass. With the waits
/// between them about a minute.
pub const GIVE_UP_AFTER: u32 = 7;

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between two looks at what others are at.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// The first wait where AWS says that it takes minutes. With those after it about a quarter of an hour.
const FIRST_OF_MINUTES: Duration = Duration::from_secs(15);

/// Looks after an answer, before what is not seen counts as not done: what was written may be read
/// late.
const LOOKS: u32 = 4;

/// What driving came to.
pub(super) enum Driven {
    /// It is seen in the world.
    Seen,
    /// It waits for a person.
    Held,
    /// It kept failing in a way that may pass: `resume` goes on.
    GaveUp(String),
}

/// What to do after a look.
enum Verdict {
    Done,
    Apply,
    Hold(String),
}

impl Run<'_> {
    /// Makes a cut that was never begun: without looking first, and without looking whether it worked.
    pub(super) async fn cut(&self, change: &Change) -> Result<Option<Attempt>, Halt> {
        let action = catalog::of(change);
        let untouched = self.journal.change(&change.id).state == ChangeState::Pending;
        if !untouched || !change.only_cuts() || change.already || is_gated(change, action) {
            return Ok(None);
        }
        if self.is_asked_to_stop() {
            return Err(Halt::Interrupted);
        }
        self.attempt(change, action).await.map(Some)
    }

    /// Drives `change` as far as it goes, from what came of the attempt that was `made` just now, if one was.
    pub(super) async fn drive(
        &self,
        change: &Change,
        mut made: Option<Attempt>,
    ) -> Result<Driven, Halt> {
        let action = catalog::of(change);
        let mut wait = FIRST_WAIT;
        let mut trouble = String::new();
        let urgency = if is_gated(change, action) { Urgency::Rest } else { Urgency::Cut };
        // Told to slow down is told that nothing happened: there is nothing to look for.
        let mut told_to_wait = false;
        for attempt in 1..=GIVE_UP_AFTER {
            let came = if let Some(came) = made.take() {
                came
            } else {
                let record = self.journal.change(&change.id);
                let state = record.state;
                if state == ChangeState::Seen {
                    return Ok(Driven::Seen);
                }
                // A pass that was refused was never made; what it would see is the first pass, which may have been made later.
                let was_refused = attempt == 1 && record.refused && change.is_second_pass();
                if !(was_refused || told_to_wait && change.only_cuts() && !change.already) {
                    // At first many look; whoever tries again is waited for.
                    let position = if attempt == 1 && change.only_cuts() {
                        self.look_with_all(change).await?
                    } else {
                        self.look(change, urgency).await?
                    };
                    match self.judge_before(change, action, &state, position).await? {
                        Verdict::Done => return Ok(Driven::Seen),
                        Verdict::Hold(until) => return self.hold(change, until).await,
                        Verdict::Apply => {}
                    }
                }
                if self.is_asked_to_stop() {
                    return Err(Halt::Interrupted);
                }
                if is_gated(change, action)
                    && let Some(until) = self.may_start(change).await?
                {
                    return self.hold(change, until).await;
                }
                // What was looked at last must not grow old in a queue, least of all behind the gate.
                self.attempt(change, action).await?
            };
            told_to_wait = false;
            match came {
                Attempt::Answered => match self.look_after(change, action).await? {
                    Verdict::Done => return Ok(Driven::Seen),
                    Verdict::Hold(until) => return self.hold(change, until).await,
                    Verdict::Apply => "answered, and not to be seen".clone_into(&mut trouble),
                },
                Attempt::Hold(until) => return self.hold(change, until).await,
                Attempt::Refused(why) => {
                    // A refusal speaks for one call. What matters is how things stand.
                    match self.look_after_refusal(change, action).await? {
                        Verdict::Done => return Ok(Driven::Seen),
                        Verdict::Hold(until) => return self.hold(change, until).await,
                        Verdict::Apply => return self.hold(change, why).await,
                    }
                }
                Attempt::Throttled(why) => {
                    told_to_wait = true;
                    trouble = why;
                }
                Attempt::MayPass(why) => trouble = why,
                Attempt::TakesMinutes(why) => {
                    wait = wait.max(FIRST_OF_MINUTES);
                    trouble = why;
                }
            }
            self.observer.event(&Event::Trouble { change, why: trouble.clone() });
            if attempt < GIVE_UP_AFTER {
                self.wait_until(self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX))
                    .await?;
                wait *= 2;
            }
        }
        Ok(Driven::GaveUp(trouble))
    }

    /// What comes of the look before anything is done.
    async fn judge_before(
        &self,
        change: &Change,
        action: &dyn ErasedAction,
        state: &ChangeState,
        position: Result<Position, Unread>,
    ) -> Result<Verdict, Halt> {
        let position = match self.look_until_it_is_done(change, action, position).await? {
            Ok(position) => position,
            // One that was answered need not be made again: only the sight of it is missing.
            Err(unread) if change.only_cuts() && *state != ChangeState::Applied => {
                // Blind, but a cut may be made blind; that it cannot be seen holds it afterwards.
                tracing::debug!(%unread, change = %change.id, "cutting without a look");
                return Ok(Verdict::Apply);
            }
            Err(unread) => return Ok(Verdict::Hold(cannot_see(&unread))),
        };
        if position.is_done()
            && let Some(kept) = kept_by(change, &position, &self.journal.state())
        {
            return Ok(Verdict::Hold(kept.why));
        }
        if position.is_done()
            && change.is_by_hand()
            && change.is_gated()
            && let Some(until) = self.may_start(change).await?
        {
            // Somebody has opened it before its time, and said so.
            return Ok(Verdict::Hold(until));
        }
        if position.is_done() && matches!(state, ChangeState::InDoubt | ChangeState::Held) {
            // Done, and the answer was lost: what it would have told is in the notes.
            self.record_applied(change, action).await?;
        }
        self.record_position(change, &position).await?;
        Ok(match position {
            Position::After | Position::Gone => {
                let found = *state == ChangeState::Pending;
                self.observer.event(&Event::Seen { change, found });
                Verdict::Done
            }
            Position::Elsewhere { why } => Verdict::Hold(to_be_settled(&why)),
            Position::Before
            | Position::Between { .. }
            | Position::Underway { .. }
            | Position::CannotTell { .. } => Verdict::Apply,
        })
    }

    /// The look after every call was answered as hoped.
    async fn look_after(
        &self,
        change: &Change,
        action: &dyn ErasedAction,
    ) -> Result<Verdict, Halt> {
        let mut wait = FIRST_WAIT;
        for look in 1..=LOOKS {
            let looked = self.look_after_all(change).await?;
            let position = match self.look_until_it_is_done(change, action, looked).await? {
                Ok(position) => position,
                Err(unread) => return Ok(Verdict::Hold(cannot_see(&unread))),
            };
            if position.is_done() {
                self.record_position(change, &position).await?;
                self.observer.event(&Event::Seen { change, found: false });
                return Ok(Verdict::Done);
            }
            // What goes on without us was waited for already.
            if look == LOOKS || matches!(position, Position::Underway { .. }) {
                self.record_position(change, &position).await?;
                return Ok(match position {
                    Position::Elsewhere { why } => Verdict::Hold(to_be_settled(&why)),
                    _ => Verdict::Apply,
                });
            }
            self.clock.sleep(wait).await;
            wait *= 2;
        }
        Ok(Verdict::Apply)
    }

    async fn look_after_refusal(
        &self,
        change: &Change,
        action: &dyn ErasedAction,
    ) -> Result<Verdict, Halt> {
        let Ok(position) = self.look(change, Urgency::Rest).await? else {
            return Ok(Verdict::Apply);
        };
        if position.is_done() {
            self.record_applied(change, action).await?;
        }
        self.record_position(change, &position).await?;
        if position.is_done() {
            self.observer.event(&Event::Seen { change, found: false });
            return Ok(Verdict::Done);
        }
        // Whoever changed it is the reason to call a person, more than the refusal that came of it.
        Ok(match position {
            Position::Elsewhere { why } => Verdict::Hold(to_be_settled(&why)),
            _ => Verdict::Apply,
        })
    }

    /// Where others are still at it, looks again until they are done or have had their time: since it
    /// was last begun, or since this run was, so that whoever resumes waits anew.
    async fn look_until_it_is_done(
        &self,
        change: &Change,
        action: &dyn ErasedAction,
        mut looked: Result<Position, Unread>,
    ) -> Result<Result<Position, Unread>, Halt> {
        let (mut wait, mut told) = (FIRST_WAIT, false);
        loop {
            let Ok(Position::Underway { why }) = &looked else { return Ok(looked) };
            let state = self.journal.state();
            let since = state.change(&change.id).begun.max(state.started).map(|moment| moment.at);
            let until = since
                .and_then(|since| since.checked_add(action.patience(&change.decided)).ok())
                .unwrap_or(Timestamp::MIN);
            let now = self.clock.now();
            if now >= until {
                return Ok(looked);
            }
            if !told {
                told = true;
                self.observer.event(&Event::Underway { change, why, until });
            }
            self.wait_until(now.saturating_add(wait).unwrap_or(until).min(until)).await?;
            wait = (wait * 2).min(LONGEST_WAIT);
            looked = self.look(change, Urgency::Rest).await?;
        }
    }

    /// Where a change stands by what was read.
    pub(super) fn judge(
        &self,
        change: &Change,
        facts: &Inventory,
    ) -> Result<Result<Position, Unread>, Halt> {
        judged(change, &self.journal.change(&change.id).notes, facts)
    }

    pub(super) async fn record_position(
        &self,
        change: &Change,
        position: &Position,
    ) -> Result<(), AppendError> {
        let entry = Entry::Observed { change: change.id.clone(), position: position.clone() };
        self.record(entry).await
    }

    async fn record_applied(
        &self,
        change: &Change,
        action: &dyn ErasedAction,
    ) -> Result<(), AppendError> {
        let receipt = action.receipt(&change.decided, &self.journal.change(&change.id).notes);
        self.record(Entry::Applied { change: change.id.clone(), receipt }).await
    }

    async fn attempt(&self, change: &Change, action: &dyn ErasedAction) -> Result<Attempt, Halt> {
        self.record(Entry::Intended { change: change.id.clone() }).await?;
        let attempt = self.journal.change(&change.id).attempts;
        self.observer.event(&Event::Began { change, attempt });
        let mut notes = JournalNotes {
            journal: self.journal,
            change: change.id.clone(),
            digest: self.digest,
            notes: self.journal.change(&change.id).notes,
            outbox: self.outbox,
        };
        let failed = |may_have: bool, why: String| Entry::Failed {
            change: change.id.clone(),
            may_have,
            why,
        };
        match action.apply(&change.decided, &self.cloud.at(Urgency::Cut), &mut notes).await {
            Ok(()) => {
                self.record_applied(change, action).await?;
                Ok(Attempt::Answered)
            }
            Err(ApplyError::Note(error)) => Err(Halt::Journal(error)),
            Err(ApplyError::Later(why)) => {
                self.record(failed(true, why.clone())).await?;
                Ok(Attempt::MayPass(why))
            }
            Err(ApplyError::Refused(why)) => {
                self.record(failed(true, why.clone())).await?;
                if action.asks(&change.decided).is_none() {
                    return Ok(Attempt::Hold(why));
                }
                // It may have been done and attested by now: that is seen by looking.
                let again = self.journal.change(&change.id).attested().is_some();
                let state = self.journal.state();
                let early = ledger::early(self.plan, &state, change);
                let early = early.and_then(|early| Some((early.opening, early.attested?.1)));
                let early = early.map_or(String::new(), |(opening, said)| {
                    format!(
                        "; {} attests to have opened it before its turn ({})",
                        said.by, opening.id
                    )
                });
                Ok(Attempt::Refused(format!(
                    "{why}{early}; {}",
                    to_attest(self.plan, change, again)
                )))
            }
            Err(ApplyError::Call(error)) => {
                let may_have = error.certainty == Certainty::MayHave;
                self.record(failed(may_have, error.to_string())).await?;
                if !error.is_credentials() {
                    return Ok(after_error(&error));
                }
                if self.is_let_in_again().await? {
                    return Ok(Attempt::MayPass(error.to_string()));
                }
                Err(Halt::Stopped(vec![self.not_accepted(&error)]))
            }
        }
    }

    /// Whether the responder's credentials are good again: asking who we are gets fresh ones where they can be
    /// had, and they are of this account or not taken.
    pub(super) async fn is_let_in_again(&self) -> Result<bool, Halt> {
        match self.cloud.read().sts().identity().await {
            Ok((caller, _)) => Ok(caller.account == self.plan.account),
            Err(error) if error.is_credentials() => {
                Err(Halt::Stopped(vec![self.not_accepted(&error)]))
            }
            Err(_) => Ok(false),
        }
    }

    /// What is said where the responder himself is not let in any more.
    pub(super) fn not_accepted(&self, error: &CallError) -> String {
        if error.is_about_time() {
            return format!(
                "what was asked was signed at another time than AWS has ({error}): this machine slept, or its clock \
                 is off. See that the clock is right; a resumption begins with it anew"
            );
        }
        if let Some(role) = self.plan.entered_by() {
            return format!(
                "nobody is let into account {} as {role} any more ({error}): see to whom the role admits, or get fresh \
                 credentials",
                self.plan.account
            );
        }
        let accepted = match &self.plan.accepted_lockouts[..] {
            [] => String::new(),
            [arn, ..] => format!(
                ", or go on with others: the plan may have cut them, which was accepted (--accept-lockout {arn})"
            ),
        };
        format!(
            "the responder's own credentials are not accepted any more ({error}); get fresh ones{accepted}"
        )
    }

    async fn hold(&self, change: &Change, until: String) -> Result<Driven, Halt> {
        self.observer.event(&Event::Held { change, until: &until });
        self.record(Entry::Held { change: Some(change.id.clone()), until }).await?;
        Ok(Driven::Held)
    }

    /// Why a change behind the gate must not start now, if it must not.
    async fn may_start(&self, change: &Change) -> Result<Option<String>, Halt> {
        let facts = match self.overview_for(change).await? {
            Ok(facts) => facts,
            Err(why) => return Ok(Some(why)),
        };
        let would_open = |subject: &Subject, barrier, facts: &Inventory| {
            let state = self.journal.state();
            let lifting = Lifting::of(self.known(), &state);
            lifting.would_open(change, subject, barrier, facts).map(|kept| kept.why)
        };
        for effect in &change.effects {
            let until = match effect {
                Effect::Lifts { subject, barrier } if barrier.is_of_sessions() => {
                    self.sessions_may_live(subject).await?
                }
                Effect::Lifts {
                    subject: subject @ Subject::Principal { principal: Principal::Role(_) },
                    barrier,
                } => {
                    // Whom a role admits may have been changed a moment ago.
                    let facts = self.look_at(&[], [Want::Roles], Urgency::Rest).await?;
                    would_open(subject, *barrier, &facts)
                }
                Effect::Lifts { subject, barrier } => would_open(subject, *barrier, &facts),
                Effect::Destroys { credential } => self.destroying_would_lose(credential).await?,
                _ => match planning::filled_by(effect) {
                    Some(secret) => self.would_be_read(secret).await?,
                    None => None,
                },
            };
            if until.is_some() {
                return Ok(until);
            }
        }
        Ok(None)
    }
}

/// Where a change stands by what was read, and by what whoever has made it noted.
pub(super) fn judged(
    change: &Change,
    notes: &[Note],
    facts: &Inventory,
) -> Result<Result<Position, Unread>, Halt> {
    match catalog::of(change).judge(&change.decided, notes, facts) {
        // The service failed: that is no reason for a person to come, only to try again later.
        Err(unread) if unread.gap.as_ref().is_some_and(|gap| gap.passing) => {
            Err(Halt::Stopped(vec![format!("{}: {unread}", change.id)]))
        }
        judged => Ok(judged),
    }
}

/// What an error of a call means for the attempt.
fn after_error(error: &CallError) -> Attempt {
    match error.cause {
        Cause::Refused if error.is_denied() => {
            Attempt::Refused(format!("{error}. Allow it to the credentials in use, then resume"))
        }
        Cause::Refused if !error.is_passing() => {
            Attempt::Refused(format!("{error}. See to what it says, then resume"))
        }
        Cause::Throttled => Attempt::Throttled(error.to_string()),
        _ if error.takes_minutes() => Attempt::TakesMinutes(error.to_string()),
        _ if error.is_passing() => Attempt::MayPass(error.to_string()),
        _ => Attempt::Hold(error.to_string()),
    }
}

/// Whether the gate stands before a change: by what the plan says of it, and by what its action can do,
/// whatever the plan says.
fn is_gated(change: &Change, action: &dyn ErasedAction) -> bool {
    change.is_gated() || action.shape().effects.iter().any(|kind| kind.is_gated())
}

/// What one attempt came to.
pub(super) enum Attempt {
    Answered,
    Refused(String),
    Throttled(String),
    MayPass(String),
    TakesMinutes(String),
    Hold(String),
}

/// What is said where somebody else has made something else of what a change is about.
pub(super) fn to_be_settled(why: &str) -> String {
    format!(
        "{why}: it was made otherwise by somebody, and is not overwritten. See to it by hand, then resume"
    )
}

pub(super) fn cannot_see(unread: &Unread) -> String {
    match &unread.gap {
        Some(gap) if !gap.understood => format!(
            "it cannot be seen whether it is done: this program does not understand what {} answered; look by \
             hand, and resume when it answers as usual",
            gap.operation
        ),
        Some(gap) => format!(
            "it cannot be seen whether it is done: {} answered {}; allow it, then resume",
            gap.operation, gap.code
        ),
        None => format!("it cannot be seen whether it is done: {unread}"),
    }
}

/// Notes that go into the journal.
struct JournalNotes<'a> {
    journal: &'a Journal,
    change: ChangeId,
    digest: &'a str,
    notes: Vec<Note>,
    outbox: &'a dyn Outbox,
}

impl Notes for JournalNotes<'_> {
    fn so_far(&self) -> &[Note] {
        &self.notes
    }

    fn note<'a>(
        &'a mut self,
        note: Note,
    ) -> Pin<Box<dyn Future<Output = Result<(), AppendError>> + Send + 'a>> {
        Box::pin(async move {
            let entry = Entry::Noted { change: self.change.clone(), note: note.clone() };
            self.journal.append(entry).await?;
            self.notes.push(note);
            Ok(())
        })
    }

    fn seed(&self) -> String {
        format!("{} {}", self.digest, self.change)
    }

    fn outbox(&self) -> &dyn Outbox {
        self.outbox
    }
}
