//! Looking at the world, for many changes at once.
//!
//! Whoever must look says what he wants to see and waits. When IAM has a turn for a look (cuts go first), one look
//! is made for everybody who has asked by then, and no question of it is asked twice. So a look never began before
//! it was asked for, and a hundred cuts in flight cost little more looking than one. Decides nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::{Halt, Run};
use crate::action::catalog;
use crate::cloud::{ReadCloud, Urgency};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::Position;
use crate::plan::Change;
use crate::survey::{self, SurveyError};

/// Looks that several wait for.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    asked: Mutex<Asked>,
    answered: tokio::sync::Mutex<Answered>,
}

/// What the next look is to show.
#[derive(Debug, Default)]
struct Asked {
    wants: BTreeSet<Want>,
    /// How often something was asked.
    times: u64,
}

/// What the last look showed.
#[derive(Debug, Default)]
struct Answered {
    /// Whatever was asked up to this time is in it.
    up_to: u64,
    facts: Option<Result<Arc<Inventory>, SurveyError>>,
}

/// Judges by `facts`, and reads besides what it turns out to want, until there is no more of that.
pub(super) async fn to_the_end<E: From<SurveyError>>(
    facts: &mut Inventory,
    cloud: &ReadCloud,
    judge: impl Fn(&Inventory) -> Result<Result<Position, Unread>, E>,
) -> Result<Result<Position, Unread>, E> {
    loop {
        match judge(facts)? {
            Err(Unread { want, gap: None }) if !facts.answers.contains_key(&want) => {
                survey::fill(cloud, facts, [want]).await?;
            }
            judged => return Ok(judged),
        }
    }
}

impl Run<'_> {
    /// Looks at what everybody who waits wants to see.
    async fn look_with_others(
        &self,
        wants: Vec<Want>,
        urgency: Urgency,
    ) -> Result<Arc<Inventory>, Halt> {
        let ticket = {
            let mut asked = self.looks.asked.lock().expect("no panic while it is held");
            asked.wants.extend(wants.iter().cloned());
            asked.times += 1;
            asked.times
        };
        // Whoever came first looks for all. Should he be dropped meanwhile, the next looks.
        let mut answered = self.looks.answered.lock().await;
        if answered.up_to < ticket {
            let cloud = self.cloud.read().at(urgency);
            cloud.turn().await;
            let (mut all, times) = {
                let mut asked = self.looks.asked.lock().expect("no panic while it is held");
                (std::mem::take(&mut asked.wants), asked.times)
            };
            // If somebody took them for a look and was dropped, they are asked again by whoever wants them.
            all.extend(wants);
            let facts = survey::look(&cloud, self.inventory, all, self.clock).await;
            *answered = Answered { up_to: times, facts: Some(facts.map(Arc::new)) };
        }
        let facts = answered.facts.clone().expect("answered above, or by somebody before");
        Ok(facts?)
    }

    /// Reads what the action wants to see of a change that was made, and lets it judge. What is not as hoped is
    /// looked at again for itself: of many, a reading may be a little late. Behind the gate everybody looks for
    /// himself.
    pub(super) async fn look_after_all(
        &self,
        change: &Change,
    ) -> Result<Result<Position, Unread>, Halt> {
        if change.phase.is_behind_the_gate() {
            return self.look(change, Urgency::Rest).await;
        }
        let wants = catalog::of(change).look(&change.decided);
        let facts = self.look_with_others(wants, Urgency::Proof).await?;
        match self.judge(change, &facts)? {
            Ok(position) if position.is_done() => Ok(Ok(position)),
            _ => self.look(change, Urgency::Proof).await,
        }
    }

    /// Reads what the action wants to see of a change that is not made yet, as it may not be, and lets it judge.
    pub(super) async fn look_with_all(
        &self,
        change: &Change,
    ) -> Result<Result<Position, Unread>, Halt> {
        let wants = catalog::of(change).look(&change.decided);
        let facts = self.look_with_others(wants, Urgency::Cut).await?;
        match self.judge(change, &facts)? {
            // More must be known of this one.
            Err(Unread { gap: None, .. }) => self.look(change, Urgency::Cut).await,
            judged => Ok(judged),
        }
    }

    /// Reads what the action wants to see of one change, and lets it judge.
    pub(super) async fn look(
        &self,
        change: &Change,
        urgency: Urgency,
    ) -> Result<Result<Position, Unread>, Halt> {
        let wants = catalog::of(change).look(&change.decided);
        let cloud = self.cloud.read().at(urgency);
        let mut facts = survey::look(&cloud, self.inventory, wants, self.clock).await?;
        self.judge_to_the_end(change, &mut facts, &cloud).await
    }

    /// Lets the action judge, and reads what it turns out to want besides.
    pub(super) async fn judge_to_the_end(
        &self,
        change: &Change,
        facts: &mut Inventory,
        cloud: &ReadCloud,
    ) -> Result<Result<Position, Unread>, Halt> {
        to_the_end(facts, cloud, |facts| self.judge(change, facts)).await
    }

    /// Reads, in one look, what `changes` want to see and `more`: no question is asked twice. Of a change that does
    /// not look as it should, all is there that the action wants to judge it by.
    pub(super) async fn look_at(
        &self,
        changes: &[&Change],
        more: impl IntoIterator<Item = Want>,
        urgency: Urgency,
    ) -> Result<Inventory, Halt> {
        let mut wants: BTreeSet<Want> = more.into_iter().collect();
        for change in changes {
            wants.extend(catalog::of(change).look(&change.decided));
        }
        let cloud = self.cloud.read().at(urgency);
        let wholesale = survey::is_wholesale(&wants);
        let mut facts = survey::look(&cloud, self.inventory, wants, self.clock).await?;
        for change in changes {
            if self.judge(change, &facts)?.is_ok_and(|position| position.is_done()) {
                continue;
            }
            if wholesale {
                let wants = catalog::of(change).look(&change.decided);
                let again = survey::look(&cloud, self.inventory, wants, self.clock).await?;
                facts.answers.extend(again.answers.into_order());
            }
            // What it says is judged by whoever asked for this look.
            let _ = self.judge_to_the_end(change, &mut facts, &cloud).await?;
        }
        Ok(facts)
    }
}
