//! From when on nobody in one account could mint sessions of a role in another any more.
//!
//! Sessions of a role are denied by a pass, and whoever could still mint some elsewhere when it was made has younger ones. So it
//! is made once more where another account was cut after it. Asked before every attempt behind the gate: what there is
//! to know of an account is gone through once, and a trust policy is read for those alone who come into question.
//!
//! Whoever wrote two journals may have had two clocks. What is held against each other is told by AWS's.

use jiff::{SignedDuration, Timestamp};

use super::again::passes_over;
use crate::ids::{ChangeId, Principal, RoleName};
use crate::inventory::Inventory;
use crate::journal::{ChangeState, Moment, State};
use crate::ledger;
use crate::plan::{Barrier, Change, Effect, Plan, Subject};
use crate::planning::MayAssume;

/// A second pass over the sessions of a role that was made and not lifted.
pub(super) struct Pass {
    pub(super) change: ChangeId,
    pub(super) role: RoleName,
    /// Sessions from before this moment are denied, by AWS's clock.
    pub(super) denied: Timestamp,
}

/// Those of an account.
pub(super) fn passes_made(plan: &Plan, state: &State) -> Vec<Pass> {
    let made = |change: &Change| {
        let role = passes_over(change)?;
        let record = state.record(&change.id);
        if record.state != ChangeState::Seen || ledger::is_lifted(plan, state, change) {
            return None;
        }
        let denied = record.receipt.as_ref().and_then(|receipt| receipt.denied_before);
        let denied = denied.or(record.begun.or(record.seen).map(|done| done.at))?;
        Some(Pass { change: change.id.clone(), role, denied })
    };
    plan.changes.iter().filter_map(made).collect()
}

/// From when on nobody whom an account cuts off can mint sessions in another, by AWS's clock. What is not seen cut is the
/// account's own to tell.
pub(super) struct Stopped<'a> {
    /// What the account's plan stands on.
    inventory: &'a Inventory,
    /// Since when whatever stops somebody for good stands.
    cut: Option<Timestamp>,
    /// Whose sessions mint until they are denied, and since when that stands; the last first.
    denied: Vec<(Timestamp, Principal)>,
}

impl<'a> Stopped<'a> {
    pub(super) fn of(plan: &Plan, state: &State, inventory: &'a Inventory) -> Self {
        let margin = SignedDuration::try_from(plan.gate.margin()).unwrap_or(SignedDuration::MAX);
        let clocks = Clocks::of(plan, state);
        let is_quarantined = |principal: &Principal| {
            let subject = Subject::Principal { principal: principal.clone() };
            plan.changes.about(&subject).flat_map(|change| &change.effects).any(|effect| {
                matches!(effect, Effect::Cuts { subject, barrier: Barrier::Quarantine }
                    if subject.principal().as_ref() == Some(principal))
            })
        };
        let (mut cut, mut denied) = (None, Vec::new());
        for change in &plan.changes {
            let record = state.record(&change.id);
            let Some(seen) = record.seen else { continue };
            for effect in &change.effects {
                let Effect::Cuts { subject, barrier } = effect else { continue };
                if effect.stops_minting() {
                    cut = cut.max(Some(clocks.by_aws(seen)));
                } else if *barrier == Barrier::SessionsSecondPass
                    && let Some(principal) = subject.principal()
                    && !is_quarantined(&principal)
                {
                    denied.push((clocks.by_aws(seen), principal));
                }
            }
        }
        let later = |at: Timestamp| at.saturating_add(margin).unwrap_or(Timestamp::MAX);
        let mut denied: Vec<_> = denied.into_iter().map(|(at, of)| (later(at), of)).collect();
        denied.sort_by(|one, other| other.cmp(one));
        Self { inventory, cut: cut.map(later), denied }
    }

    /// Whether it may be later than `pass`, which was made in the account that `there` tells of; whether what sessions
    /// mint counts, `by_sessions` says.
    pub(super) fn is_after(&self, pass: &Pass, there: &Inventory, by_sessions: bool) -> bool {
        if self.cut.is_some_and(|cut| pass.denied < cut) {
            return true;
        }
        let mut later = self.denied.iter().take_while(|(at, _)| pass.denied < *at).peekable();
        if !by_sessions || later.peek().is_none() {
            return false;
        }
        let may_assume = MayAssume::of(&pass.role, there);
        later.any(|(_, from)| may_assume.admits(from, self.inventory))
    }
}

/// What AWS's clock had when that of whoever wrote a journal had something: by the moments that AWS told for denies of
/// sessions. Each took no shorter to be told than it seems, so that what is worked out is rather too late.
struct Clocks(Vec<(Moment, Timestamp)>);

impl Clocks {
    fn of(plan: &Plan, state: &State) -> Self {
        let told = plan.changes.iter().filter_map(|change| {
            let record = state.record(&change.id);
            let told = record.receipt.as_ref()?.denied_before?;
            (record.state == ChangeState::Seen).then_some((record.begun?, told))
        });
        let mut told: Vec<_> = told.collect();
        told.sort_unstable();
        Self(told)
    }

    /// A moment of the journal by AWS's clock, as near to it as anything was told.
    fn by_aws(&self, moment: Moment) -> Timestamp {
        let after = self.0.partition_point(|(begun, _)| begun.entry < moment.entry);
        let around = self.0[after.saturating_sub(1)..].iter().take(2);
        let nearest = around.min_by_key(|(begun, _)| begun.entry.abs_diff(moment.entry));
        let Some((begun, told)) = nearest else { return moment.at };
        moment.at.saturating_add(told.duration_since(begun.at)).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-03-24T{text}Z").parse().unwrap()
    }

    #[test]
    fn a_moment_is_told_by_what_aws_had_at_the_pass_that_is_nearest_to_it() {
        let moment = |entry, text| Moment { entry, at: at(text) };
        // Whoever wrote the first of them had a clock that was ten minutes behind.
        let passes = vec![
            (moment(10, "07:00:00"), at("07:10:00")),
            (moment(50, "07:30:00"), at("07:30:00")),
        ];
        let clocks = Clocks(passes);
        assert_eq!(clocks.by_aws(moment(4, "06:59:00")), at("07:09:00"));
        assert_eq!(clocks.by_aws(moment(12, "07:01:00")), at("07:11:00"));
        assert_eq!(clocks.by_aws(moment(45, "07:29:00")), at("07:29:00"));
        assert_eq!(clocks.by_aws(moment(60, "07:40:00")), at("07:40:00"));
        let none = Clocks(Vec::new());
        assert_eq!(none.by_aws(moment(4, "06:59:00")), at("06:59:00"));
    }
}
