//! Several accounts, cut side by side behind one gate.
//!
//! Each account has a run of its own, with a plan and a journal of its own, that decides as any run does. Of the others
//! it knows this much: whether their cuts are proven as their gates ask. Its own gate opens when that is so of all, and
//! behind it all of them are looked at anew, as often as this one is (`overview`). Where one account does not get there,
//! nothing is handed out in any, and each journal says because of which.
//!
//! Where they are taken back there is no gate; but nothing is taken back in one while somebody is seen to come in, or
//! to take cuts off, in another. Accounts in which there is nothing to be taken back are looked at, and left as they are.
//!
//! Nothing of this is kept over a crash: whoever resumes finds out anew where each account stands.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::again::passes_over;
use super::rounds::InHand;
use super::stopped::{Pass, Stopped, passes_made};
use super::{Ending, Event, Halt, Rounds, Run, RunError};
use crate::clock::Clock;
use crate::ids::{AccountId, ChangeId};
use crate::inventory::Inventory;
use crate::journal::{Entry, GateState, State};
use crate::plan::{Plan, SavedPlan};

/// While others get ready one looks again so often, at oneself too: what is seen of an account is not seen by
/// itself before it looks.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// How the run of one account ended, and the plan that it had come to.
pub type Ended = Result<(SavedPlan, Ending), RunError>;

/// The runs of several accounts.
pub struct Together<'a> {
    members: Vec<Member<'a>>,
}

/// One account among them.
struct Member<'a> {
    account: AccountId,
    rounds: Rounds<'a>,
    in_hand: Mutex<Arc<InHand>>,
    stands: watch::Sender<Stands>,
    /// Whether the others are taken back, and this one has nothing to be taken back.
    stays: bool,
    /// Held while passes are made once more: several changes of one account may wait for the others at once.
    passing: tokio::sync::Mutex<()>,
    /// How often they were.
    passed: AtomicUsize,
}

/// Where an account stands, as far as the others must know.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stands {
    /// It is being cut, or the cuts are being proven.
    AtWork,
    /// Its cuts are proven as its gate asks.
    Ready,
    /// Its run has ended, and they were so to the last.
    Over,
    /// Its run has ended without that.
    Short { why: String, until: Until },
}

/// Until what an account keeps the others shut whose run has ended without its cuts being proven; what asks more of
/// whoever reads it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Until {
    /// People have said yes.
    Approved,
    /// What stopped it is mended, and it is resumed.
    Resumed,
    /// A person has seen to it.
    SeenTo,
}

/// One account, as its run knows it among the others.
#[derive(Clone, Copy)]
pub struct Among<'a> {
    together: &'a Together<'a>,
    me: usize,
}

impl<'a> Together<'a> {
    /// Those that go together, each with the plan that its case has come to.
    pub fn new(runs: Vec<(SavedPlan, Rounds<'a>)>) -> Self {
        let taken_back = runs.iter().any(|(saved, _)| saved.plan.is_undo());
        let member = |(saved, rounds): (SavedPlan, Rounds<'a>)| Member {
            account: saved.plan.account.clone(),
            stays: taken_back && !saved.plan.is_undo(),
            in_hand: Mutex::new(rounds.take_in_hand(saved)),
            rounds,
            stands: watch::Sender::new(Stands::AtWork),
            passing: tokio::sync::Mutex::default(),
            passed: AtomicUsize::new(0),
        };
        Self { members: runs.into_iter().map(member).collect() }
    }

    /// Carries all of them out, side by side, in the order they were given.
    pub async fn execute(&self) -> Vec<Ended> {
        join_all((0..self.members.len()).map(|me| self.execute_one(me))).await
    }

    /// Second passes of each of `of` that came before other accounts were cut; what is to be known of an account is gone
    /// through once for all of them. Where roles of two accounts may assume each other, each pass outdates the other: so
    /// often as there are accounts it is followed, there and back.
    fn outdated(&self, of: &[&Member<'_>]) -> Vec<Vec<ChangeId>> {
        let made = of.iter().map(|member| {
            let in_hand = member.in_hand();
            let passes = passes_made(&in_hand.saved.plan, &member.rounds.journal.state());
            (member, in_hand, passes)
        });
        let made: Vec<_> = made.collect();
        if made.iter().all(|(.., passes)| passes.is_empty()) {
            return vec![Vec::new(); of.len()];
        }
        let all = self.members.iter();
        let all: Vec<_> = all.map(|one| (one.in_hand(), one.rounds.journal.state())).collect();
        let stopped = all.iter().map(|(in_hand, state)| {
            let SavedPlan { plan, inventory, .. } = &in_hand.saved;
            (&plan.account, Stopped::of(plan, state, inventory))
        });
        let stopped: Vec<_> = stopped.collect();
        let outdated = made.iter().map(|(member, in_hand, passes)| {
            let by_sessions = member.passed.load(Ordering::Relaxed) < 2 * self.members.len();
            let there = &in_hand.saved.inventory;
            let is_outdated = |pass: &&Pass| {
                let mut others = stopped.iter().filter(|(account, _)| **account != member.account);
                others.any(|(_, stopped)| stopped.is_after(pass, there, by_sessions))
            };
            passes.iter().filter(is_outdated).map(|pass| pass.change.clone()).collect()
        });
        outdated.collect()
    }

    async fn execute_one(&self, me: usize) -> Ended {
        let member = &self.members[me];
        let in_hand = member.in_hand();
        let among = Some(Among { together: self, me });
        if member.stays {
            let ending = Run { among, ..member.rounds.run_of(&in_hand) }.by_the_ledger();
            return Ok((in_hand.saved.clone(), ending));
        }
        let executed = member.rounds.execute_among(in_hand.saved.clone(), among).await;
        member.ends(&executed);
        executed.map(|(in_hand, ending)| (in_hand.saved.clone(), ending))
    }
}

impl Member<'_> {
    fn in_hand(&self) -> Arc<InHand> {
        Arc::clone(&self.in_hand.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says for good where it stands. Whoever has proven all cuts, and has come to an end behind the gate, does
    /// not keep the others from going on: they look at it all the same. But who asks about a way in that is new, and
    /// that nobody has cut yet, keeps them.
    fn ends(&self, executed: &Result<(Arc<InHand>, Ending), RunError>) {
        let in_hand = self.in_hand();
        let run = self.rounds.run_of(&in_hand);
        let ready = *self.stands.borrow() == Stands::Ready;
        let stands = match executed {
            Ok((_, ending))
                if ready
                    && !matches!(ending, Ending::Asking { .. })
                    && run.reasons_from_journal().is_empty() =>
            {
                Stands::Over
            }
            Ok((_, ending)) => Stands::Short {
                why: in_words(ending, || run.reasons_from_journal()),
                until: match ending {
                    Ending::Waiting(_) | Ending::Asking { .. } => Until::Approved,
                    Ending::Stopped(_) | Ending::Interrupted => Until::Resumed,
                    Ending::Held(_) | Ending::Proven | Ending::NotProven => Until::SeenTo,
                },
            },
            Err(error) => Stands::Short {
                why: format!("was stopped part-way: {error}"),
                until: Until::Resumed,
            },
        };
        self.stands.send_replace(stands);
    }

    /// What speaks against it, by a fresh look.
    async fn speaks_against(&self, outdated: &[ChangeId]) -> Result<Vec<String>, Halt> {
        let in_hand = self.in_hand();
        let run = self.rounds.run_of(&in_hand);
        let facts = self.look(&run).await?;
        let mut reasons = run.reasons_from_journal();
        reasons.extend(outdated.iter().map(|pass| {
            format!("{pass} came before another account was cut, and is made once more: resume")
        }));
        reasons.extend(run.newcomers(&facts));
        Ok(self.named(reasons))
    }

    /// Who is seen, by a fresh look, to have come in or to have taken cuts off. Whether the cuts are proven is not
    /// asked: what is taken back may have been stopped half-way.
    async fn is_disturbed(&self) -> Result<Vec<String>, Halt> {
        let in_hand = self.in_hand();
        let run = self.rounds.run_of(&in_hand);
        let facts = self.look(&run).await?;
        let mut reasons = run.newcomers(&facts);
        reasons.extend(run.taken_off().await?);
        Ok(self.named(reasons))
    }

    async fn look(&self, run: &Run<'_>) -> Result<Inventory, Halt> {
        match run.look_around().await {
            Err(Halt::Unread(error)) => {
                let why = format!("account {} cannot be looked at: {}", self.account, error.0);
                Err(Halt::Stopped(vec![why]))
            }
            looked => looked,
        }
    }

    fn named(&self, reasons: Vec<String>) -> Vec<String> {
        let account = of_account(&self.account);
        reasons.into_iter().map(|reason| format!("{account}: {reason}")).collect()
    }
}

/// Whether an account of several has its gate shut for nothing but how others stand.
pub fn waits_for_others(plan: &Plan, state: &State) -> bool {
    matches!(&state.gate, GateState::Shut(reasons) if are_of_others(plan, reasons))
}

/// Whether `reasons` tell of nothing but how other accounts stand.
pub fn are_of_others(plan: &Plan, reasons: &[String]) -> bool {
    let Some(together) = &plan.together else { return false };
    let others = together.accounts().into_iter().filter(|id| *id != plan.account);
    let others: Vec<String> = others.map(|id| of_account(&id)).collect();
    let is_of_another = |reason: &String| others.iter().any(|other| reason.starts_with(other));
    !reasons.is_empty() && reasons.iter().all(is_of_another)
}

/// How what is told of an account to the others begins.
fn of_account(account: &AccountId) -> String {
    format!("account {account}")
}

/// How an ending is told to the others. What people are to do there is said there, once.
fn in_words(ending: &Ending, unproven: impl Fn() -> Vec<String>) -> String {
    let (what, why) = match ending {
        Ending::Proven | Ending::NotProven => ("is not proven cut", unproven()),
        Ending::Held(_) => ("waits for a person, as is said of it", Vec::new()),
        Ending::Waiting(_) => ("waits for approval, as is said of it", Vec::new()),
        Ending::Asking { .. } => ("waits for a yes to its next round", Vec::new()),
        Ending::Stopped(why) => ("was stopped part-way", why.clone()),
        Ending::Interrupted => ("was interrupted", Vec::new()),
    };
    if why.is_empty() { what.to_owned() } else { format!("{what}: {}", why.join("; ")) }
}

/// What is to be known of the others.
enum Others {
    /// All of them are cut, by a fresh look at each.
    Stand,
    /// Some are still at work, or have yet to see what was seen of them.
    Wait(Vec<AccountId>),
    /// One has ended without being proven cut, or is not cut any more.
    Fall { reasons: Vec<String>, until: Until },
}

impl Among<'_> {
    fn member(&self) -> &Member<'_> {
        &self.together.members[self.me]
    }

    pub(super) fn takes_in_hand(&self, in_hand: &Arc<InHand>) {
        *self.member().in_hand.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(in_hand);
    }

    fn says(&self, stands: Stands) {
        self.member().stands.send_if_modified(|stood| {
            let other = *stood != stands;
            *stood = stands;
            other
        });
    }

    fn others(&self) -> impl Iterator<Item = &Member<'_>> {
        let members = self.together.members.iter().enumerate();
        members.filter(|(n, _)| *n != self.me).map(|(_, member)| member)
    }

    async fn look_at_the_others(&self) -> Result<Others, Halt> {
        let (mut reasons, mut until, mut at_work) = (Vec::new(), Until::Approved, Vec::new());
        for member in self.others() {
            match &*member.stands.borrow() {
                Stands::Ready | Stands::Over => {}
                Stands::AtWork => at_work.push(member.account.clone()),
                Stands::Short { why, until: its } => {
                    reasons.push(format!("{} {why}", of_account(&member.account)));
                    until = until.max(*its);
                }
            }
        }
        if !reasons.is_empty() {
            return Ok(Others::Fall { reasons, until });
        }
        if !at_work.is_empty() {
            return Ok(Others::Wait(at_work));
        }
        let others: Vec<&Member<'_>> = self.others().collect();
        let outdated = self.together.outdated(&others);
        let looks = others.into_iter().zip(&outdated).map(|(member, outdated)| async move {
            Ok::<_, Halt>((member, member.speaks_against(outdated).await?))
        });
        for looked in join_all(looks).await {
            let (member, found) = looked?;
            // Whoever is still running sees it himself, and cuts it or calls a person.
            if !found.is_empty() && *member.stands.borrow() != Stands::Over {
                at_work.push(member.account.clone());
            } else {
                reasons.extend(found);
            }
        }
        Ok(if !reasons.is_empty() {
            Others::Fall { reasons, until: Until::SeenTo }
        } else if !at_work.is_empty() {
            Others::Wait(at_work)
        } else {
            Others::Stand
        })
    }

    /// Waits until something has changed of another, or for a while.
    async fn wait(&self, clock: Clock, stop: &mut watch::Receiver<bool>) -> Result<(), Halt> {
        let changes = self.others().map(|member| {
            let mut stands = member.stands.subscribe();
            Box::pin(async move {
                let _ = stands.changed().await;
            })
        });
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|stop| *stop) => Err(Halt::Interrupted),
            _ = futures_util::future::select_all(changes) => Ok(()),
            () = clock.sleep(LOOK_AGAIN_AFTER) => Ok(()),
        }
    }
}

impl Run<'_> {
    /// Something is cut, or proven, from here on.
    pub(super) fn is_at_work(&self) {
        if let Some(among) = self.among {
            among.says(Stands::AtWork);
        }
    }

    /// Everything here is cut and proven.
    pub(super) fn is_ready(&self) {
        if let Some(among) = self.among {
            among.says(Stands::Ready);
        }
    }

    /// Why nothing is handed out or lifted where a plan that goes with others is carried out by itself: its cuts may
    /// be made, and how the others stand is not known.
    pub(super) fn is_apart(&self) -> Option<String> {
        let together = self.plan.together.as_ref().filter(|_| self.among.is_none())?;
        let others = together.accounts().into_iter().filter(|id| *id != self.plan.account);
        let others: Vec<String> = others.map(|id| id.to_string()).collect();
        Some(format!(
            "it goes with account {}, and is not run together with it: put its case back below `accounts` of the \
             whole, and resume that",
            others.join(", ")
        ))
    }

    /// Whether every other account is still at the end of its cuts, as far as is known without a look at it.
    pub(super) fn others_are_where_they_were(&self) -> bool {
        self.among.is_none_or(|among| {
            let ready = |member: &Member<'_>| {
                matches!(*member.stands.borrow(), Stands::Ready | Stands::Over)
            };
            among.others().all(ready)
                && among.together.outdated(&[among.member()]).concat().is_empty()
        })
    }

    /// What keeps everything here from being taken back, by a look at every other account.
    pub(super) async fn keeps_from_taking_back(&self) -> Result<Option<String>, Halt> {
        let Some(among) = self.among else { return Ok(None) };
        for disturbed in join_all(among.others().map(Member::is_disturbed)).await {
            let reasons = disturbed?;
            if !reasons.is_empty() {
                return Ok(Some(reasons.join("; ")));
            }
        }
        Ok(None)
    }

    /// Denies sessions once more where another account was cut after they were, once no other is at work: one after the
    /// other. Gives back whether there were any.
    async fn passes_once_more(&self, among: Among<'_>) -> Result<bool, Halt> {
        let passing = among.member().passing.lock().await;
        if among.others().any(|other| *other.stands.borrow() == Stands::AtWork) {
            return Ok(false);
        }
        let outdated = among.together.outdated(&[among.member()]).concat();
        if outdated.is_empty() {
            return Ok(false);
        }
        self.is_at_work();
        for change in &outdated {
            let why = "another account was cut since".to_owned();
            self.record(Entry::Reopened { change: change.clone(), why }).await?;
        }
        among.member().passed.fetch_add(1, Ordering::Relaxed);
        self.cut_again().await?;
        drop(passing);
        Ok(true)
    }

    /// Waits until no other account is at work, where sessions of roles are denied in this one, and denies them once more if
    /// they may have been minted from there.
    pub(super) async fn passes_behind_the_others(&self) -> Result<(), Halt> {
        let Some(among) = self.among else { return Ok(()) };
        if !self.plan.changes.iter().any(|change| passes_over(change).is_some()) {
            return Ok(());
        }
        let mut stop = self.stop.clone();
        while among.others().any(|other| *other.stands.borrow() == Stands::AtWork) {
            among.wait(self.clock, &mut stop).await?;
        }
        if self.passes_once_more(among).await? {
            self.is_ready();
        }
        Ok(())
    }

    /// Waits until every account is cut, this one still among them, and gives back the last look at this one.
    /// Leaves where that cannot be.
    pub(super) async fn stands_with_the_others(
        &self,
        mut facts: Option<Inventory>,
    ) -> Result<Option<Inventory>, Halt> {
        let Some(among) = self.among else {
            return match self.is_apart() {
                Some(why) => self.shut(vec![why]).await,
                None => Ok(facts),
            };
        };
        {
            // Another change of this account may have it cut once more at this moment.
            let _passing = among.member().passing.lock().await;
            let reasons = self.reasons_from_journal();
            if !reasons.is_empty() {
                return self.shut(reasons).await;
            }
            self.is_ready();
        }
        let mut stop = self.stop.clone();
        let mut told = Vec::new();
        loop {
            if self.passes_once_more(among).await? {
                self.is_ready();
                facts = Some(self.look_at_oneself().await?);
            }
            match among.look_at_the_others().await? {
                Others::Stand => return Ok(facts),
                // Whoever was asked to stop finds the others stopped as well.
                Others::Fall { .. } if self.is_asked_to_stop() => return Err(Halt::Interrupted),
                Others::Fall { reasons, until } => {
                    return match (self.shut(reasons).await, until) {
                        (Err(Halt::Held(reasons)), Until::Approved) => Err(Halt::Waiting(reasons)),
                        (Err(Halt::Held(reasons)), Until::Resumed) => Err(Halt::Stopped(reasons)),
                        (shut, _) => shut,
                    };
                }
                Others::Wait(accounts) => {
                    if told != accounts {
                        self.observer.event(&Event::WaitingForOthers { accounts: &accounts });
                        told = accounts;
                    }
                    among.wait(self.clock, &mut stop).await?;
                }
            }
            // What was proven here may have come off while the others were waited for.
            facts = Some(self.look_at_oneself().await?);
        }
    }
}
