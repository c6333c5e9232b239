//! The gate, as the executor keeps it: the last of the three places it is checked.
//!
//! Judged from the plan and the journal before every single attempt behind it, so that no path through
//! the driver can forget it, and by a fresh look (how fresh: `overview`): every cut must still stand, and every credential that
//! the principals in scope hold *now* must be one the plan knows. What speaks against it stops the run.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::again::ended_since;
use super::beside::wants;
use super::uncut::uncut;
use super::{Event, Halt, Run};
use crate::cloud::Urgency;
use crate::ids::{AccessKeyId, ChangeId, Principal, SecretId, UserName};
use crate::inventory::{Inventory, Want};
use crate::journal::{ChangeState, Entry, GateState, Ours};
use crate::ledger::{self, Ledger, Row, Standing};
use crate::plan::{Change, Credential, Effect, Subject, credential_wants, credentials_of};
use crate::planning;
use crate::playbook::Proof;

impl Run<'_> {
    /// Sees every cut stay cut, and opens the gate if nothing speaks against it.
    pub(super) async fn open_gate(&self) -> Result<(), Halt> {
        let cuts = self.standing_cuts();
        self.enforce(&cuts, "every cut").await?;
        self.try_given().await?;
        if !self.plan.has_a_gate() {
            // Nothing waits behind it. What no step cuts is unaccounted for: the ledger says so.
            if self.reasons_from_journal().is_empty() {
                self.is_ready();
                self.passes_behind_the_others().await?;
            }
            return Ok(());
        }
        let mut reasons = self.reasons_from_journal();
        if cuts.is_empty() {
            reasons.push("nothing was cut".to_owned());
        }
        if reasons.is_empty() {
            // They were looked at behind the last of our own cuts, and are once more, a margin after it.
            let before = self.cuts_before();
            let wants = self.credentials_in_scope().chain(wants(&before));
            let facts = self.look_at(&[], wants, Urgency::Rest).await?;
            self.see_cuts_before(&before, &facts).await?;
            reasons = self.reasons_from_journal();
            self.stop_for_newcomers(&facts).await?;
        }
        if reasons.is_empty() {
            self.stands_with_the_others(None).await?;
            let proof = self.weakest_proof();
            self.record(Entry::GateOpened { proof }).await?;
            let cuts = self.proofs();
            let roles = self.roles_not_cut();
            let (waived, cleared) = self.let_be();
            let opened = Event::GateOpened { proof, cuts: &cuts, roles, waived, cleared };
            self.observer.event(&opened);
            return Ok(());
        }
        self.shut(reasons).await
    }

    /// A gate that was open stays open only while every cut that made it open still stands. Where the
    /// journal already has a cut that does not, a person has been called and has resumed: the gate is shut,
    /// and everything is cut and proven anew. What is first seen now calls for a person.
    pub(super) async fn gate_is_still_open(&self) -> Result<bool, Halt> {
        let GateState::Open(..) = self.journal.state().gate else { return Ok(false) };
        let reasons = self.reasons_from_journal();
        if !reasons.is_empty() {
            self.observer.event(&Event::GateShut { reasons: &reasons });
            self.record(Entry::GateShut { reasons }).await?;
            return Ok(false);
        }
        self.look_anew().await?;
        Ok(true)
    }

    /// Looks at every cut and every credential in scope; shuts the gate where anything speaks against it.
    ///
    /// Where other accounts are cut beside this one, the same is asked of each of them.
    pub(super) async fn look_anew(&self) -> Result<Inventory, Halt> {
        let facts = self.look_at_oneself().await?;
        Ok(self.stands_with_the_others(Some(facts)).await?.expect("given, or looked for anew"))
    }

    /// The same of this account alone.
    pub(super) async fn look_at_oneself(&self) -> Result<Inventory, Halt> {
        let facts = self.look_around().await?;
        self.nothing_speaks_against(&facts).await?;
        Ok(facts)
    }

    /// Shuts the gate where anything speaks against it, by the journal or by what was seen.
    pub(super) async fn nothing_speaks_against(&self, facts: &Inventory) -> Result<(), Halt> {
        let reasons = self.reasons_from_journal();
        if !reasons.is_empty() {
            return self.shut(reasons).await;
        }
        self.stop_for_newcomers(facts).await
    }

    /// Shuts the gate where somebody in scope holds what the plan does not know.
    async fn stop_for_newcomers(&self, facts: &Inventory) -> Result<(), Halt> {
        let reasons = self.newcomers(facts);
        if reasons.is_empty() {
            return Ok(());
        }
        self.observer.event(&Event::GateShut { reasons: &reasons });
        self.record(Entry::GateShut { reasons: reasons.clone() }).await?;
        Err(Halt::Newcomers(reasons))
    }

    /// One look at everything the gate stands on; a cut that was taken off is recorded and announced.
    pub(super) async fn look_around(&self) -> Result<Inventory, Halt> {
        let (cuts, before) = (self.standing_cuts(), self.cuts_before());
        let wants = self.credentials_in_scope().chain(wants(&before));
        let facts = self.look_at(&cuts, wants, Urgency::Rest).await?;
        self.see_cuts_before(&before, &facts).await?;
        self.stand_as_they_should(cuts, &facts).await?;
        Ok(facts)
    }

    /// Records and announces of which cuts it is seen that they were taken off.
    pub(super) async fn stand_as_they_should(
        &self,
        cuts: Vec<&Change>,
        facts: &Inventory,
    ) -> Result<(), Halt> {
        // What we have begun to lift while we looked was taken off by nobody else.
        let standing: BTreeSet<&ChangeId> =
            self.standing_cuts().into_iter().map(|change| &change.id).collect();
        for change in cuts.into_iter().filter(|change| standing.contains(&change.id)) {
            self.still_stands(change, facts).await?;
        }
        Ok(())
    }

    fn credentials_in_scope(&self) -> impl Iterator<Item = Want> {
        self.plan.users().flat_map(credential_wants)
    }

    pub(super) async fn shut<T>(&self, reasons: Vec<String>) -> Result<T, Halt> {
        self.observer.event(&Event::GateShut { reasons: &reasons });
        self.record(Entry::GateShut { reasons: reasons.clone() }).await?;
        Err(Halt::Held(reasons))
    }

    /// What speaks against starting anything behind the gate: nothing, only if it was opened and what
    /// opened it still holds by the journal.
    pub(super) fn gate_reasons(&self) -> Vec<String> {
        match &self.journal.state().gate {
            GateState::Open(..) => self.reasons_from_journal(),
            GateState::Shut(reasons) => reasons.clone(),
            GateState::Untried => vec!["it was not opened yet".to_owned()],
        }
    }

    /// Cuts that are not seen, or not proven as surely as the plan's gate asks.
    pub(super) fn reasons_from_journal(&self) -> Vec<String> {
        let state = self.journal.state();
        let mut reasons = self.given_that_are_let_in();
        let hindrances = OnceCell::new();
        for change in self.plan.changes.iter().filter(|change| change.cuts()) {
            if ledger::is_lifted(self.plan, &state, change)
                || ledger::is_spared(self.plan, &state, change)
            {
                continue;
            }
            let record = state.record(&change.id);
            let label = format!("{} ({}, {})", change.id, change.target, change.what);
            if let Some(ended) = ended_since(change, &state) {
                reasons.push(format!("{label} came before {ended}, and is made once more: resume"));
            } else if record.state == ChangeState::Seen {
                let short = self.known().short_of_proof(change, record, &state);
                reasons.extend(short.map(|short| format!("{label} {short}")));
            } else {
                let not_begun;
                let why = if let Some(trouble) = &record.trouble {
                    trouble.as_str()
                } else {
                    not_begun = hindrances.get_or_init(|| self.hindrances()).of(change, &state);
                    not_begun.as_str()
                };
                // What people are asked to do says itself what it is.
                let label = if why.contains(&*change.what) {
                    format!("{} ({})", change.id, change.target)
                } else {
                    label
                };
                reasons.push(format!("{label} is not cut: {why}"));
            }
        }
        // Whatever can still mint is among those that are not cut.
        if !reasons.is_empty() {
            reasons.extend(self.made_without());
        }
        let unplanned = self.plan.unplanned.iter().filter(|one| one.before_the_gate);
        reasons.extend(
            unplanned.map(|one| format!("step `{}` is not planned: {}", one.step, one.why)),
        );
        reasons.extend(ledger::uncut(self.plan, &state).map(|credential| {
            let has_come =
                !self.plan.credentials.contains(credential) || self.plan.is_newcomer(credential);
            uncut(self.plan, &state, credential, has_come)
        }));
        reasons.extend(self.reasons_from_before());
        reasons
    }

    /// What a person is called for; before it, who is in on a word that holds no more, whatever it was that called.
    pub(super) fn and_who_is_in(&self, why: Vec<String>) -> Vec<String> {
        let state = self.journal.state();
        let is_in = |credential: &&Credential| {
            let is_told = || {
                let named = credential.to_string();
                why.iter().any(|why| why.contains(&named))
            };
            ledger::on_a_word_no_more(self.plan, &state, credential).is_some() && !is_told()
        };
        let is_in = self.plan.credentials.iter().filter(is_in);
        let is_in: Vec<String> = is_in.map(|one| uncut(self.plan, &state, one, false)).collect();
        is_in.into_iter().chain(why).collect()
    }

    /// Why something new must not be put into `secret` now: somebody has come to read it since the case began, and nobody
    /// answers for him.
    pub(super) async fn would_be_read(&self, secret: &SecretId) -> Result<Option<String>, Halt> {
        let facts = self.look_at(&[], planning::told_by(secret), Urgency::Rest).await?;
        let came = match planning::came_to(secret, self.plan, self.inventory, &facts) {
            Ok(came) => came,
            Err(unread) => {
                return Ok(Some(format!(
                    "who may read secret {secret} could be read when the case began and cannot be now ({unread}). Allow it, \
                     then resume"
                )));
            }
        };
        let state = self.journal.state();
        let open = came.iter().find(|one| !ledger::is_let_off(self.plan, &state, one));
        Ok(open.map(|reader| uncut(self.plan, &state, reader, true)))
    }

    /// How many of the cuts that stand are proven how surely.
    fn proofs(&self) -> BTreeMap<Proof, usize> {
        let state = self.journal.state();
        let mut proofs = BTreeMap::new();
        for change in self.standing_cuts() {
            let proven = state.change(&change.id).proof;
            *proofs.entry(proven.map_or(Proof::ReadBack, |proven| proven.proof)).or_default() += 1;
        }
        proofs
    }

    /// How many roles that somebody in scope may have assumed nothing cuts.
    fn roles_not_cut(&self) -> usize {
        let state = self.journal.state();
        let is_open = |sessions: &&Credential| {
            !ledger::barriers(self.plan, &state, sessions).keys().any(|barrier| barrier.blocks())
        };
        let in_reach = self.plan.roles.iter().map(|reach| &reach.sessions).filter(is_open);
        in_reach.collect::<BTreeSet<_>>().len()
    }

    /// How many ways in stand open on somebody's word: waived, and cleared. Roles in reach are counted for themselves.
    fn let_be(&self) -> (usize, usize) {
        let in_reach: BTreeSet<&Credential> =
            self.plan.roles.iter().map(|reach| &reach.sessions).collect();
        let ledger = Ledger::of(self.plan, &self.journal.state());
        let rows = || ledger.rows.iter().filter(|row| !in_reach.contains(&row.credential));
        let waived = rows().filter(|row| matches!(row.standing, Standing::Waived { .. })).count();
        let is_open = |row: &&Row| matches!(&row.standing, Standing::Cleared { barriers, .. } if !barriers.iter().any(|one| one.blocks()));
        (waived, rows().filter(is_open).count())
    }

    fn weakest_proof(&self) -> Proof {
        let state = self.journal.state();
        // What cannot be tried is covered by what was.
        let tried = |change: &&Change| {
            self.plan.gate.proof < Proof::Enforced || self.known().can_be_tried(change)
        };
        let cuts = self.standing_cuts().into_iter().filter(tried);
        let proofs = cuts.filter_map(|change| state.change(&change.id).proof);
        proofs.map(|proven| proven.proof).min().unwrap_or(Proof::ReadBack)
    }

    /// Credentials of principals in scope that neither the plan knows nor this run has issued.
    pub(super) fn newcomers(&self, facts: &Inventory) -> Vec<String> {
        let told = |credential: Credential| match credential {
            Credential::Unlisted { .. } => format!(
                "{credential} could be read when the plan was made and cannot be now; allow it, \
                 then resume"
            ),
            _ => format!(
                "{credential} has appeared since the plan was made: somebody is still inside. \
                 `resume` plans the round that cuts it too"
            ),
        };
        self.appeared(facts).into_iter().map(told).collect()
    }

    /// The credentials themselves.
    pub(super) fn appeared(&self, facts: &Inventory) -> Vec<Credential> {
        let state = self.journal.state();
        let issued: BTreeSet<_> =
            ledger::issued(self.plan, &state).into_iter().map(|i| i.credential).collect();
        let mut appeared = Vec::new();
        for user in self.plan.users() {
            for credential in credentials_of(user, facts) {
                let ours = issued.contains(&credential)
                    || matches!(&credential, Credential::AccessKey { id, .. }
                        if self.may_have_issued(user, id, facts));
                if !ours && !self.plan.credentials.contains(&credential) {
                    appeared.push(credential);
                }
            }
        }
        appeared
    }

    /// Whether a key is, or may be, one that a change for `user` has made and is not done with.
    pub(super) fn may_have_issued(
        &self,
        user: &UserName,
        id: &AccessKeyId,
        facts: &Inventory,
    ) -> bool {
        let keys = facts.access_keys(user).map(Vec::as_slice).unwrap_or_default();
        let created_at = keys.iter().find(|key| key.id == *id).map(|key| key.created_at);
        let of = Subject::Principal { principal: Principal::User(user.clone()) };
        self.plan.changes.about(&of).any(|change| {
            let issues = change
                .effects
                .iter()
                .any(|effect| matches!(effect, Effect::Issues { user: to, .. } if to == user));
            if !issues {
                return false;
            }
            let record = self.journal.change(&change.id);
            record.state != ChangeState::Seen && Ours::of(&record.notes).may_include(id, created_at)
        })
    }

    /// Why deleting `credential` would take it from somebody, or would not be the end of it: nothing blocks it, it
    /// was used since it was cut, or it is one that this run has issued.
    pub(super) async fn destroying_would_lose(
        &self,
        credential: &Credential,
    ) -> Result<Option<String>, Halt> {
        let Credential::AccessKey { id, .. } = credential else { return Ok(None) };
        if let Some(reason) = self.plan.trust_in(credential) {
            return Ok(Some(format!("the {credential} is trusted ({reason}), and is not deleted")));
        }
        let state = self.journal.state();
        if ledger::issued(self.plan, &state).iter().any(|issued| issued.key() == Some(id)) {
            return Ok(Some(format!(
                "the {credential} was issued by this run, and is not deleted"
            )));
        }
        let barriers = ledger::barriers(self.plan, &state, credential);
        let cuts: Vec<&Change> = barriers
            .into_iter()
            .filter(|(barrier, _)| barrier.blocks())
            .map(|(_, change)| change)
            .collect();
        let seen =
            cuts.iter().filter_map(|cut| state.change(&cut.id).seen).map(|seen| seen.at).min();
        // Use is told by AWS's clock. So is the moment before which its holder's sessions are denied, where they
        // are; whoever saw the cut may have had a clock that was off.
        let sessions = credential.user().map(|user| Credential::Sessions { user: user.clone() });
        let denied = sessions.and_then(|sessions| {
            let denies = ledger::barriers(self.plan, &state, &sessions);
            let moments =
                denies.values().filter_map(|deny| state.change(&deny.id).receipt?.denied_before);
            moments.min()
        });
        let since = seen.map(|seen| denied.unwrap_or(seen));
        let Some(since) = since else {
            return Ok(Some(format!(
                "nothing blocks the {credential} any more, and somebody may be using it: deactivate it, and resume \
                 when nobody has missed it"
            )));
        };
        let margin = jiff::SignedDuration::try_from(self.plan.gate.margin())
            .unwrap_or(jiff::SignedDuration::MAX);
        let facts = self.look_at(&[], [Want::AccessKeyLastUsed(id.clone())], Urgency::Rest).await?;
        let used = match facts.access_key_last_used(id) {
            Ok(used) => used.as_ref().and_then(|used| used.last_used_at),
            Err(unread) => {
                return Ok(Some(format!(
                    "it cannot be told whether the {credential} was used since it was cut ({unread}), and what is \
                     deleted does not come back. Allow it to be read, then resume"
                )));
            }
        };
        let late = since.saturating_add(margin).unwrap_or(Timestamp::MAX);
        Ok(used.filter(|used| *used > late).map(|used| {
            format!(
                "the {credential} was used at {used}, after it was cut: whoever uses it has no other yet. Give him \
                 one, then resume"
            )
        }))
    }

    /// The last look: everything that should stand stands, what earlier cases have cut too, and nobody new has come.
    pub(super) async fn check_once_more(&self) -> Result<(), Halt> {
        let newcomers = self.newcomers(&self.look_around().await?);
        let before = self.reasons_from_before();
        if newcomers.is_empty() && before.is_empty() {
            return Ok(());
        }
        let until = [&newcomers[..], &before].concat().join("; ");
        self.record(Entry::Held { change: None, until }).await?;
        // Whoever has come is cut first: the look behind that finds the rest again.
        Err(if newcomers.is_empty() { Halt::Held(before) } else { Halt::Newcomers(newcomers) })
    }
}
