//! Which cuts stand in whose way, looked up rather than searched for: plans may cut thousands of users.
//!
//! Made from a plan and what its journal adds up to at one moment; says nothing of any later one.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::Principal;
use crate::journal::{ChangeState, Moment, State};
use crate::plan::{Barrier, Change, Credential, Effect, Plan, Subject};

/// A cut that was seen and not lifted since, by its place in the plan.
type Cut<'a> = (usize, Barrier, &'a Change);

/// The barriers of a plan that stand.
pub struct Barriers<'a> {
    state: &'a State,
    /// When something was last begun that takes this barrier off again.
    lifts: BTreeMap<(&'a Subject, Barrier), Moment>,
    of_principals: BTreeMap<&'a Principal, Vec<Cut<'a>>>,
    of_credentials: BTreeMap<&'a Credential, Vec<Cut<'a>>>,
    /// Whom a lift that was begun frees, wholly or one credential, and what a change that was begun destroys.
    freed: BTreeSet<&'a Principal>,
    freed_or_gone: BTreeSet<&'a Credential>,
}

impl<'a> Barriers<'a> {
    /// Those of `plan`, as far as the journal says it has come.
    pub fn of(plan: &'a Plan, state: &'a State) -> Self {
        let mut lifts: BTreeMap<(&Subject, Barrier), Moment> = BTreeMap::new();
        for change in &plan.changes {
            let Some(begun) = state.record(&change.id).begun else { continue };
            for effect in &change.effects {
                if let Effect::Lifts { subject, barrier } = effect {
                    let last = lifts.entry((subject, *barrier)).or_insert(begun);
                    *last = begun.max(*last);
                }
            }
        }
        let mut barriers = Self {
            state,
            lifts,
            of_principals: BTreeMap::new(),
            of_credentials: BTreeMap::new(),
            freed: BTreeSet::new(),
            freed_or_gone: BTreeSet::new(),
        };
        for (n, change) in plan.changes.iter().enumerate() {
            let record = state.record(&change.id);
            if record.attempts > 0 {
                barriers.takes_away(change);
            }
            let seen = record.state == ChangeState::Seen;
            if !seen || barriers.is_lifted(change) {
                continue;
            }
            for effect in &change.effects {
                let Effect::Cuts { subject, barrier } = effect else { continue };
                let cuts = match subject {
                    Subject::Principal { principal } => {
                        barriers.of_principals.entry(principal).or_default()
                    }
                    Subject::Credential { credential } => {
                        barriers.of_credentials.entry(credential).or_default()
                    }
                };
                cuts.push((n, *barrier, change));
            }
        }
        barriers
    }

    fn takes_away(&mut self, change: &'a Change) {
        for effect in &change.effects {
            match effect {
                Effect::Destroys { credential }
                | Effect::Lifts { subject: Subject::Credential { credential }, .. } => {
                    self.freed_or_gone.insert(credential);
                }
                Effect::Lifts { subject: Subject::Principal { principal }, .. } => {
                    self.freed.insert(principal);
                }
                _ => {}
            }
        }
    }

    /// Whether a credential that no barrier covers any more was destroyed, or freed by a lift that was itself
    /// allowed.
    pub fn were_taken_from(&self, credential: &Credential) -> bool {
        self.freed_or_gone.contains(credential)
            || credential.principal().is_some_and(|principal| self.freed.contains(&principal))
    }

    /// Whether the barrier that `cut` has put on was taken off since: a lift has begun after it. From the lift's
    /// first call on the barrier may be off.
    pub fn is_lifted(&self, cut: &Change) -> bool {
        let cut_begun = self.state.record(&cut.id).begun;
        cut.effects.iter().any(|effect| match effect {
            Effect::Cuts { subject, barrier } => self
                .lifts
                .get(&(subject, *barrier))
                .is_some_and(|lift| cut_begun.is_none_or(|cut| cut <= *lift)),
            _ => false,
        })
    }

    /// The barriers that stand in the way of `credential`, each with the change that put it there: of the
    /// cuts that were seen, those that no change seen has lifted again.
    pub fn before(&self, credential: &Credential) -> BTreeMap<Barrier, &'a Change> {
        let of_principal =
            credential.principal().and_then(|principal| self.of_principals.get(&principal));
        let of_credential = self.of_credentials.get(credential);
        let mut cuts: Vec<Cut<'a>> =
            of_principal.into_iter().chain(of_credential).flatten().copied().collect();
        // Of two that put the same barrier there, the later in the plan speaks.
        cuts.sort_by_key(|(n, ..)| *n);
        let mut standing: BTreeMap<Barrier, &Change> =
            cuts.into_iter().map(|(_, barrier, change)| (barrier, change)).collect();
        // Whoever was denied twice was denied once more than needed: only the later pass speaks.
        if standing.contains_key(&Barrier::SessionsSecondPass) {
            standing.remove(&Barrier::SessionsFirstPass);
        }
        standing
    }
}
