//! Seeing cuts stay cut.
//!
//! IAM shows a change at once and enforces it seconds later, and an intruder who is quick takes a deny
//! off before it bites. So the cuts are given the margin and then looked at again. What still stands is
//! *settled*; what does not is *contested*: an alarm, not something to try again in silence.

use std::collections::BTreeSet;

use futures_util::future::{try_join, try_join_all};

use super::lifting::Lifting;
use super::{Event, Halt, Run};
use crate::action::catalog;
use crate::cloud::Urgency;
use crate::ids::ChangeId;
use crate::inventory::Inventory;
use crate::journal::{ChangeState, Entry, Position, State, Witness};
use crate::ledger::{self, Early};
use crate::plan::{Change, Credential, Effect};
use crate::playbook::Proof;

impl Run<'_> {
    /// Waits until the margin has passed since the last of `cuts` was seen, then looks at each again.
    pub(super) async fn settle(&self, cuts: &[&Change], what: &str) -> Result<(), Halt> {
        let state = self.journal.state();
        let cuts: Vec<&Change> = cuts
            .iter()
            .copied()
            .filter(|change| state.record(&change.id).state == ChangeState::Seen)
            .collect();
        // Waited for by the clock that runs now: what another run saw was seen before this one began.
        let seen = cuts.iter().filter_map(|c| state.record(&c.id).seen);
        let Some(last) = seen.map(|seen| state.started.max(Some(seen))).max().flatten() else {
            return Ok(());
        };
        let margin = jiff::SignedDuration::try_from(self.plan.gate.margin())
            .unwrap_or(jiff::SignedDuration::MAX);
        let until = last.at.saturating_add(margin).unwrap_or(jiff::Timestamp::MAX);
        // Proofs from before the last cut say nothing of the time after it.
        let unproven: Vec<&Change> = cuts
            .iter()
            .copied()
            .filter(|c| state.record(&c.id).stood.is_none_or(|stood| stood < until))
            .collect();
        if unproven.is_empty() {
            return Ok(());
        }
        // The journal goes on, and is not to be copied because of us.
        drop(state);
        self.observer.event(&Event::Settling { what, cuts: unproven.len(), until });
        self.wait_until(until).await?;
        let facts = self.look_at(&unproven, [], Urgency::Proof).await?;
        let stand: Vec<bool> =
            try_join_all(unproven.iter().map(|change| self.prove_settled(change, &facts))).await?;
        if stand.contains(&false) {
            return Err(Halt::Held(self.troubles()));
        }
        Ok(())
    }

    /// Looks at once at the cuts that an earlier run has seen: one that was taken off since is not waited for.
    pub(super) async fn look_first(&self) -> Result<(), Halt> {
        let cuts = self.standing_cuts();
        let facts = self.look_at(&cuts, [], Urgency::Proof).await?;
        let mut stand = true;
        for change in cuts {
            stand &= self.still_stands(change, &facts).await?;
        }
        if stand { Ok(()) } else { Err(Halt::Held(self.troubles())) }
    }

    /// Judges one cut again; says whether it still stands.
    pub(super) async fn prove_settled(
        &self,
        change: &Change,
        facts: &Inventory,
    ) -> Result<bool, Halt> {
        let record = self.journal.change(&change.id);
        let stands = self.still_stands(change, facts).await?;
        if stands {
            let first = record.seen.map(|seen| seen.at.strftime("%H:%M:%S").to_string());
            let again = self.clock.now().strftime("%H:%M:%S");
            let read_back = || {
                let first = first.unwrap_or_default();
                (Proof::Settled, format!("read back as wanted at {first} and again at {again} UTC"))
            };
            let shown = catalog::of(change).shows(&change.decided, &record.notes, facts);
            let (proof, evidence) = shown.unwrap_or_else(read_back);
            let (id, by) = (change.id.clone(), Witness::ReadAgain);
            self.record(Entry::Proved { change: id, proof, by, evidence }).await?;
            self.observer.event(&Event::Proved { change, proof });
        }
        Ok(stands)
    }

    /// Judges whether a cut that was seen is still there; records and announces it when it is not.
    pub(super) async fn still_stands(
        &self,
        change: &Change,
        facts: &Inventory,
    ) -> Result<bool, Halt> {
        let (position, until) = match self.judge(change, facts)? {
            Ok(position) if position.is_done() => {
                // Deleted since, or there again: what is gone is never lifted, and nothing of it can come back.
                if (position == Position::Gone) != self.journal.change(&change.id).gone {
                    self.record_position(change, &position).await?;
                }
                return Ok(true);
            }
            Ok(position) => {
                let until = self.taken_off_because(change, &position);
                (position, until)
            }
            Err(unread) => {
                let why = unread.to_string();
                (
                    Position::CannotTell { why: why.clone() },
                    format!("it cannot be seen any more: {why}"),
                )
            }
        };
        let by_its_own = {
            let state = self.journal.state();
            let early = ledger::early(self.plan, &state, change);
            early.is_some_and(|early| early.attested.is_some())
        };
        self.observer.event(&Event::Contested { change, position: &position, by_its_own });
        // In one line of the journal: a crash between the two would make the alarm a silent repetition.
        try_join(
            self.record(Entry::Observed { change: change.id.clone(), position }),
            self.record(Entry::Held { change: Some(change.id.clone()), until }),
        )
        .await?;
        Ok(false)
    }

    /// What a person is told about a cut that is not there any more. What people are to open later they may have opened
    /// already: that is asked, or known by somebody's word, before anybody is accused.
    fn taken_off_because(&self, change: &Change, position: &Position) -> String {
        let (state, target) = (self.journal.state(), &change.target);
        let Some(Early { opening, attested }) = ledger::early(self.plan, &state, change) else {
            return format!(
                "{} was taken off again ({position}): somebody who can is still inside. Find out who (CloudTrail, changes \
                 to {target}), cut him too, then resume",
                change.what
            );
        };
        let case = self.plan.case();
        let typed =
            ledger::reached(self.plan, change).map(Credential::typed).collect::<Vec<_>>().join(" ");
        match attested {
            Some((at, said)) => format!(
                "the {target} is open again ({position}): {} attests to have opened it, at {} ({}), which is before its turn. \
                 So nobody is looked for, and nothing is handed out or let in while it is open. Have it closed until its turn \
                 comes, or answer for its being open until then (`portcullis waive {case} {typed} --until 7d --reason \
                 TEXT`); then resume",
                said.by,
                at.strftime("%Y-%m-%d %H:%M UTC"),
                opening.id
            ),
            None => format!(
                "the {target} is open again ({position}), and nobody says that he has opened it. Ask whoever is to open it \
                 later ({}): where he did so before its turn, have it closed until then, and resume. Where he did not, \
                 somebody who can is still inside: find out who, and cut him too, then resume",
                opening.id
            ),
        }
    }

    /// Cuts that an undo has people open again, where it may.
    fn to_be_opened_by_hand(&self, state: &State) -> BTreeSet<&ChangeId> {
        if !self.plan.is_undo() {
            return BTreeSet::new();
        }
        let lifting = Lifting::of(self.known(), state);
        let opens = |change: &&Change| {
            change.is_by_hand()
                && change.effects.iter().all(|effect| match effect {
                    Effect::Lifts { subject, barrier } => {
                        lifting.would_open(change, subject, *barrier, self.inventory).is_none()
                    }
                    _ => true,
                })
        };
        let back = self.plan.changes.iter().filter(|change| change.undoes.is_some());
        back.filter(opens).filter_map(|change| change.undoes.as_ref()).collect()
    }

    /// Cuts that were seen and that nothing has lifted since. What an undo has people open again, and may, may be open
    /// before they have said so: that is nobody else's doing.
    pub(super) fn standing_cuts(&self) -> Vec<&Change> {
        let state = self.journal.state();
        let opened = self.to_be_opened_by_hand(&state);
        let lifted = |change: &Change| {
            opened.contains(&change.id) || ledger::is_lifted(self.plan, &state, change)
        };
        self.plan
            .changes
            .iter()
            .filter(|c| c.cuts() && state.record(&c.id).state == ChangeState::Seen && !lifted(c))
            .collect()
    }

    /// Cuts that somebody was once seen to have taken off, and that are still not there: what happened to each.
    pub(super) async fn taken_off(&self) -> Result<Vec<String>, Halt> {
        let state = self.journal.state();
        let contested = |change: &&Change| {
            let record = state.record(&change.id);
            record.contested
                && record.state == ChangeState::Held
                && !ledger::is_lifted(self.plan, &state, change)
        };
        let contested: Vec<&Change> = self.plan.changes.iter().filter(contested).collect();
        if contested.is_empty() {
            return Ok(Vec::new());
        }
        let facts = self.look_at(&contested, [], Urgency::Rest).await?;
        let mut off = Vec::new();
        for change in contested {
            if !self.judge(change, &facts)?.is_ok_and(|position| position.is_done()) {
                let trouble = state.record(&change.id).trouble.as_deref().unwrap_or_default();
                off.push(format!("{}: {trouble}", change.id));
            }
        }
        Ok(off)
    }

    /// Waits, unless somebody asks to stop.
    pub(super) async fn wait_until(&self, until: jiff::Timestamp) -> Result<(), Halt> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            // An error means that nobody is left who could ask: then there is only the time to wait for.
            Ok(_) = stop.wait_for(|stop| *stop) => Err(Halt::Interrupted),
            () = self.clock.sleep_until(until) => Ok(()),
        }
    }
}
