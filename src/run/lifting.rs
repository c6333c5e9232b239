//! Whether a barrier may come off: one rule, pure, for the run, which asks before each lift and by a fresh look, and for
//! whoever foretells what an undo will do, by what the case knows.
//!
//! A step of a playbook that lifts lies behind a gate, in a plan that people have read: there a credential may be free of
//! one barrier where another that is proven stands before it. An undo has neither, is typed in a hurry, and takes the other
//! barriers off as well. So it lets in nobody for whom nobody has spoken. See `docs/design/0023-whom-an-undo-lets-in.md`.

use jiff::Timestamp;

use super::Run;
use super::proof::Known;
use crate::action::catalog;
use crate::ids::Principal;
use crate::inventory::Inventory;
use crate::journal::State;
use crate::ledger::{self, Issued};
use crate::plan::{
    Barrier, Change, Credential, Effect, Plan, Subject, credentials_of, longest_session,
};
use crate::planning;

/// Why a barrier stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What kind of reason it is.
    pub because: Because,
    /// The reason, in a sentence, and what to do about it.
    pub why: String,
}

/// What kind of reason it is for which a barrier stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// What counts as compromised never works again.
    Compromised(Credential),
    /// It came after the case was begun, and nobody has said by name that it is innocent: an alarm that was false says nothing of it.
    HasCome(Box<Credential>),
    /// It keeps somebody out for whom nobody has spoken: these are what he holds, and nobody has spoken of.
    NobodySpoke(Vec<Credential>),
    /// Sessions that it denies may live until then.
    Sessions(Timestamp),
    /// Somebody has taken the cut off already.
    TakenOff,
    /// Anything else.
    Other,
}

/// What it takes to say whether a barrier may come off.
pub(super) struct Lifting<'a> {
    known: Known<'a>,
    state: &'a State,
    issued: Vec<Issued>,
}

impl<'a> Lifting<'a> {
    pub(super) fn of(known: Known<'a>, state: &'a State) -> Self {
        Self { known, state, issued: ledger::issued(known.plan, state) }
    }

    fn plan(&self) -> &'a Plan {
        self.known.plan
    }

    /// Why `change`, which lifts `barrier`, would let somebody in: by a credential that nothing else blocks and nobody has
    /// cleared or answers for, or by one that cannot be read.
    pub(super) fn would_open(
        &self,
        change: &Change,
        subject: &Subject,
        barrier: Barrier,
        facts: &Inventory,
    ) -> Option<Kept> {
        let held = match self.held_by(subject, facts) {
            Ok(held) => held,
            Err(why) => return Some(Kept { because: Because::Other, why }),
        };
        // A waiver lets be; it lets nothing that somebody else has work again.
        if let (Barrier::Inactive, [credential]) = (barrier, &held[..])
            && !(ledger::is_cleared(self.plan(), self.state, credential)
                && self.is_let_off(credential, facts))
        {
            let (case, typed) = (self.plan().case(), credential.typed());
            if ledger::has_come_since(self.plan(), self.state, credential) {
                return Some(Kept {
                    because: Because::HasCome(Box::new(credential.clone())),
                    why: format!(
                        "the {credential} came after this case was begun, and whoever was inside may have made it: it stays off{}",
                        if self.plan().is_undo() {
                            format!(
                                ". Once all else is back: portcullis close {case} --reason TEXT. Only where its owner is known \
                                 to have made it: portcullis clear {case} {typed} --reason TEXT, then resume"
                            )
                        } else {
                            // The case goes on: it is not to be closed for this, nor the key to be given back in passing.
                            format!(
                                ", unless its owner is known to have made it, and {typed} is cleared by its own name"
                            )
                        }
                    ),
                });
            }
            return Some(Kept {
                because: Because::Compromised(credential.clone()),
                why: format!(
                    "the {credential} counts as compromised, and what does never works again. Where it does not, have \
                     it cleared (portcullis clear {case} {typed} --reason TEXT), then resume"
                ),
            });
        }
        if change.undoes.is_some() {
            return self.would_let_in(subject, &held, facts);
        }
        held.iter().find_map(|credential| self.would_free(credential, barrier, facts))
    }

    /// What a barrier before `subject` keeps from working.
    fn held_by(&self, subject: &Subject, facts: &Inventory) -> Result<Vec<Credential>, String> {
        Ok(match subject {
            Subject::Credential { credential } => vec![credential.clone()],
            Subject::Principal { principal: Principal::User(user) } => {
                let mut held = credentials_of(user, facts);
                held.push(Credential::Sessions { user: user.clone() });
                held
            }
            Subject::Principal { principal: Principal::Role(role) } => {
                let is_of = |one: &&Credential| matches!(one, Credential::Admission { role: of, .. } if of == role);
                let admissions = self.plan().credentials.iter().filter(is_of).cloned();
                let now = planning::admitted_to(role, self.plan(), self.known.inventory, facts);
                let now = now.map_err(|unread| {
                    format!(
                        "whom role {role} admits by now is not known ({unread}). Allow it to be read, then resume"
                    )
                })?;
                let mut held = vec![Credential::RoleSessions { role: role.clone() }];
                held.extend(admissions.chain(now));
                held
            }
        })
    }

    /// Why a lift of a playbook would free `credential`.
    fn would_free(
        &self,
        credential: &Credential,
        barrier: Barrier,
        facts: &Inventory,
    ) -> Option<Kept> {
        let other = |why: String| Some(Kept { because: Because::Other, why });
        // Whatever could be used at a way in is cut by itself: that is what the gate saw to.
        if self.is_let_off(credential, facts) || matches!(credential, Credential::Manual { .. }) {
            return None;
        }
        if let Credential::SecretValue { .. } = credential {
            return self.would_unseal(credential);
        }
        if let Credential::Unlisted { operation, .. } = credential {
            if self.plan().accepted_gaps.contains(operation) {
                return None;
            }
            return other(format!(
                "lifting might open {credential}: allow {operation} and resume, or plan again with --accept-gap \
                 {operation}"
            ));
        }
        let trusted = self.plan().trust_in(credential).is_some();
        if self.is_ours(credential) || trusted || self.is_blocked_beside(credential, barrier) {
            return None;
        }
        other(format!(
            "lifting would open the {credential} again: only the {barrier} blocks it. Cut it by hand or by a step of \
             its own, then resume"
        ))
    }

    /// Whether something else blocks it, as surely as the gate asks; and behind a first pass over sessions younger ones may
    /// have been minted.
    fn is_blocked_beside(&self, credential: &Credential, barrier: Barrier) -> bool {
        let barriers = ledger::barriers(self.plan(), self.state, credential);
        barriers.iter().any(|(other, cut)| {
            *other != barrier
                && other.blocks()
                && *other != Barrier::SessionsFirstPass
                && self.is_proven(cut)
        })
    }

    fn is_proven(&self, cut: &Change) -> bool {
        let record = self.state.record(&cut.id);
        record.proof.is_some() && self.known.short_of_proof(cut, record, self.state).is_none()
    }

    /// Whether somebody's word lets it be: of what it is now, and not of what it was.
    fn is_let_off(&self, credential: &Credential, facts: &Inventory) -> bool {
        ledger::is_let_off(self.plan(), self.state, credential)
            && !ledger::is_another(self.state, credential, credential.made_at(facts))
    }

    fn is_ours(&self, credential: &Credential) -> bool {
        self.issued.iter().any(|issued| issued.credential == *credential)
    }

    fn would_unseal(&self, credential: &Credential) -> Option<Kept> {
        let Credential::SecretValue { secret } = credential else { return None };
        if ledger::rotation(self.plan(), self.state, secret).is_some() {
            return None;
        }
        Some(Kept {
            because: Because::Other,
            why: format!(
                "the {credential} is the one that may be known: rotate it, by a step of its own, before it is unsealed"
            ),
        })
    }

    /// Why an undo would let somebody in for whom nobody has spoken.
    fn would_let_in(
        &self,
        subject: &Subject,
        held: &[Credential],
        facts: &Inventory,
    ) -> Option<Kept> {
        if let [value @ Credential::SecretValue { .. }] = held {
            if ledger::is_let_off(self.plan(), self.state, value)
                || self.would_unseal(value).is_none()
            {
                return None;
            }
            let case = self.plan().case();
            return Some(Kept {
                because: Because::NobodySpoke(vec![value.clone()]),
                why: format!(
                    "nobody has cleared the {value}: where nobody has read it, portcullis clear {case} {} --reason TEXT, then \
                     resume; where somebody may have, it is rotated, by a step of its own, before it is unsealed",
                    value.typed()
                ),
            });
        }
        let unspoken: Vec<Credential> =
            held.iter().filter(|one| !self.is_spoken_for(one, facts)).cloned().collect();
        if unspoken.is_empty() {
            return None;
        }
        let (case, named) = (self.plan().case(), spoken_of(self.plan(), &unspoken).join(" "));
        let holds: Vec<String> = unspoken.iter().map(ToString::to_string).collect();
        let whom = match subject {
            Subject::Principal { principal } => format!("{principal} ({})", holds.join(", ")),
            Subject::Credential { credential } => format!("the {credential}"),
        };
        let why = format!(
            "nobody has cleared {whom}, and an undo opens nothing to anybody for whom nobody has spoken: portcullis clear \
             {case} {named} --reason TEXT; then resume"
        );
        Some(Kept { because: Because::NobodySpoke(unspoken), why })
    }

    /// Whether `credential` may work again for all that an undo knows: by somebody's word, or because nothing that was in
    /// strange hands works with it.
    fn is_spoken_for(&self, credential: &Credential, facts: &Inventory) -> bool {
        let (plan, state) = (self.plan(), self.state);
        self.is_let_off(credential, facts)
            || plan.trust_in(credential).is_some()
            || self.is_ours(credential)
            // Sessions that have ended say nothing of whoever mints the next ones.
            || !matches!(credential, Credential::RoleSessions { .. })
                && ledger::is_dead(plan, state, credential)
            || self.has_ended(credential)
            // The undo leaves off what was replaced, and what came since, as long as nobody clears it.
            || (ledger::has_come_since(plan, state, credential)
                || self.issued.iter().any(|issued| issued.replaces.as_ref() == Some(credential)))
                && self.is_blocked_beside(credential, Barrier::Quarantine)
    }

    /// Whether these are sessions that are denied, which an undo leaves so until the last of them has ended; or have ended.
    /// Of a user: what mints new ones is his, and is asked about beside them. Whoever a role admits mints new ones of it.
    fn has_ended(&self, credential: &Credential) -> bool {
        if !matches!(credential, Credential::Sessions { .. }) {
            return false;
        }
        let lifts = |effect: &Effect| {
            matches!(effect, Effect::Lifts { subject: Subject::Credential { credential: of }, barrier }
                if barrier.is_of_sessions() && of == credential)
        };
        let mut about = self.plan().changes.reaching(credential);
        let is_lifted = about.any(|change| {
            change.undoes.is_some()
                && change.effects.iter().any(lifts)
                && ledger::lift_begun(change, self.state.record(&change.id)).is_some()
        });
        is_lifted || {
            let barriers = ledger::barriers(self.plan(), self.state, credential);
            let pass = barriers.get(&Barrier::SessionsSecondPass);
            pass.is_some_and(|cut| self.is_proven(cut))
        }
    }

    /// Until when the deny of older sessions of `of` must stand.
    pub(super) fn sessions_live_until(&self, of: &Subject) -> Result<Timestamp, Kept> {
        live_until(self.plan(), self.state, of)
    }

    /// Why the deny of older sessions of `of` must stand for longer, by what time it is.
    pub(super) fn sessions_may_live(&self, of: &Subject, now: Timestamp) -> Option<Kept> {
        let until = match self.sessions_live_until(of) {
            Ok(until) => until,
            Err(kept) => return Some(kept),
        };
        let whose = of.principal().map_or_else(String::new, |principal| principal.to_string());
        (now < until).then(|| Kept {
            because: Because::Sessions(until),
            why: format!(
                "the deny of older sessions of {whose} is kept until {}: sessions that it denies may live so long. \
                 Resume then",
                until.strftime("%Y-%m-%d %H:%M:%S UTC")
            ),
        })
    }
}

/// Until when the deny of older sessions of `of` must stand: some of them may be alive until then.
pub(super) fn live_until(plan: &Plan, state: &State, of: &Subject) -> Result<Timestamp, Kept> {
    let denies = |change: &&Change| {
        change.effects.iter().any(|effect| {
            matches!(effect, Effect::Cuts { subject, barrier }
                if barrier.is_of_sessions() && subject == of)
        })
    };
    let denies = plan.changes.about(of).filter(denies);
    // What was noted counts as much as what was answered: an undo may come before any answer.
    let moment = |cut: &Change| {
        let notes = &state.record(&cut.id).notes;
        catalog::of(cut).receipt(&cut.decided, notes).denied_before
    };
    let last = denies.filter_map(moment).max();
    let (Some(last), Some(principal)) = (last, of.principal()) else {
        let why = "from when on sessions are denied is not known: see by hand".to_owned();
        return Err(Kept { because: Because::Other, why });
    };
    Ok(last.saturating_add(longest_session(&principal)).unwrap_or(Timestamp::MAX))
}

/// How credentials are named in a word about them: all that somebody holds at once, and one by one what came since the case
/// was begun, and whom a role admits.
pub fn spoken_of(plan: &Plan, credentials: &[Credential]) -> Vec<String> {
    let has_come = |one: &Credential| plan.came.binary_search(one).is_ok();
    let typed = |credential: &Credential| match (credential, credential.principal()) {
        (Credential::Admission { .. }, _) | (_, None) => credential.typed(),
        _ if has_come(credential) => credential.typed(),
        (_, Some(principal)) => principal.typed(),
    };
    let mut named: Vec<String> = credentials.iter().map(typed).collect();
    named.sort();
    named.dedup();
    named
}

impl Run<'_> {
    /// Why the deny of sessions that were issued before a moment must stand for longer: some of them may be alive, by
    /// AWS's own clock.
    pub(super) async fn sessions_may_live(
        &self,
        of: &Subject,
    ) -> Result<Option<String>, super::Halt> {
        let state = self.journal.state();
        let lifting = Lifting::of(self.known(), &state);
        if let Err(kept) = lifting.sessions_live_until(of) {
            return Ok(Some(kept.why));
        }
        let now = self.cloud.read().sts().time().await.map_err(|error| {
            let why =
                if error.is_credentials() { self.not_accepted(&error) } else { error.to_string() };
            super::Halt::Stopped(vec![why])
        })?;
        Ok(lifting.sessions_may_live(of, now).map(|kept| kept.why))
    }
}
