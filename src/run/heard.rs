//! Who is heard in a run: of whoever has appeared since the case began, no word counts.
//!
//! Whoever speaks is looked up when he does, as far as he may read of himself. The run may read more: it looks up everybody
//! again, before anything stands on what he said, and takes his words back where he is a newcomer, or may have spoken with
//! what is new of his. Words of people of other accounts are left to the look of then, and whoever speaks is told so: nothing
//! here can read there.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;

use super::{Entry, Event, Halt, Run};
use crate::cloud::Urgency;
use crate::ids::{AccessKeyId, Arn};
use crate::inventory::Want;
use crate::journal::ChangeState;
use crate::ledger;
use crate::planning::{self, Presence};

impl Run<'_> {
    /// Looks up whoever has spoken, and takes back what newcomers have said.
    pub(super) async fn hear_no_newcomer(&self) -> Result<(), Halt> {
        let is_of_here = |arn: &Arn| arn.account() == self.plan.account.as_str();
        let state = self.journal.state();
        let speakers: BTreeSet<Arn> =
            state.speakers().filter(|arn| is_of_here(arn)).cloned().collect();
        drop(state);
        let wants: BTreeSet<Want> = speakers.iter().flat_map(planning::wants_of_speaker).collect();
        if wants.is_empty() {
            return Ok(());
        }
        let facts = self.look_at(&[], wants, Urgency::Rest).await?;
        let first = planning::first_of_case(self.plan, self.inventory);
        let state = self.journal.state();
        let issued = ledger::issued(self.plan, &state);
        let is_ours = |key: &AccessKeyId| {
            self.beside.issued.contains_key(key)
                || issued.iter().any(|issued| issued.key() == Some(key))
        };
        for speaker in speakers {
            match planning::presence(&speaker, None, is_ours, &first, &facts) {
                Presence::Before => {}
                Presence::Since(why) => self.take_back_what_he_said(&speaker, &why).await?,
                Presence::Unknown(why) => {
                    self.observer.event(&Event::NotLookedUp { speaker: &speaker, why: &why });
                }
            }
        }
        Ok(())
    }

    /// What he attested is done for all that anybody else says, or is to be done again.
    async fn take_back_what_he_said(&self, speaker: &Arn, why: &str) -> Result<(), Halt> {
        let reason = format!("what {speaker} said counts no more: {why}");
        self.observer.event(&Event::Withdrawn { reason: &reason });
        let state = self.journal.state();
        let stands_on_him = state.changes.iter().filter(|(_, record)| {
            let mut words = record.words().map(|(_, said)| said.by == *speaker).peekable();
            record.state == ChangeState::Seen
                && words.peek().is_some()
                && words.all(|is_his| is_his)
        });
        let unheard = Entry::Unheard { speaker: speaker.clone(), why: why.to_owned() };
        let reopened = stands_on_him
            .map(|(id, _)| Entry::Reopened { change: id.clone(), why: reason.clone() });
        // Handed in together, they share one line: no crash falls between them.
        let entries: Vec<Entry> = std::iter::once(unheard).chain(reopened).collect();
        drop(state);
        try_join_all(entries.into_iter().map(|entry| self.record(entry))).await?;
        Ok(())
    }
}
