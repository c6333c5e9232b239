//! Who can mint sessions of whom: what must be seen cut before sessions are denied for the second time.
//!
//! A user's sessions come of what he holds. A role's come of whoever its trust admits: users, and sessions of other
//! roles, which may be sessions of it in turn. Whoever of them is in scope is cut first, and those who are not are
//! told: they get new sessions as fast as the old ones are denied. Errs towards admitting. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{AccountId, Arn, ChangeId, Principal, RoleName};
use crate::inventory::{Inventory, ListedRole};
use crate::plan::{Barrier, Change, Credential, Effect, Subject};
use crate::policy::Document;
use crate::policy::trust::{Admission, Admitted, admits, everybody_admitted};

/// How many are named in one sentence; the rest is counted.
const NAMED: usize = 5;

/// What the changes of a plan cut, by whom, and who in scope can mint sessions of the roles among them.
pub(super) struct Minting {
    /// Changes that stop somebody minting.
    stops: BTreeMap<Principal, Vec<ChangeId>>,
    /// Second passes over somebody's sessions.
    second_passes: BTreeMap<Principal, Vec<ChangeId>>,
    /// Whoever is denied everything: nothing that he holds or has minted can mint.
    quarantined: BTreeSet<Principal>,
    /// Whose quarantine the plan lifts again.
    lifted: BTreeSet<Principal>,
    /// Changes, before the gate, by which a person closes a way in that lies outside.
    closed_by_hand: BTreeSet<ChangeId>,
    /// Of each role in scope, who in scope is admitted by its trust.
    admitted: BTreeMap<RoleName, BTreeMap<Principal, Admission>>,
}

impl Minting {
    pub(super) fn of(
        changes: &[Change],
        principals: &BTreeSet<Principal>,
        inventory: &Inventory,
    ) -> Self {
        let mut minting = Self {
            stops: BTreeMap::new(),
            second_passes: BTreeMap::new(),
            quarantined: BTreeSet::new(),
            lifted: BTreeSet::new(),
            closed_by_hand: BTreeSet::new(),
            admitted: BTreeMap::new(),
        };
        for change in changes {
            for effect in &change.effects {
                if let Effect::Lifts { subject, barrier: Barrier::Quarantine } = effect {
                    minting.lifted.extend(subject.principal());
                }
                let Effect::Cuts { subject, barrier } = effect else { continue };
                if matches!(subject, Subject::Credential { credential: Credential::Manual { .. } })
                    && !change.phase.is_behind_the_gate()
                {
                    minting.closed_by_hand.insert(change.id.clone());
                }
                let Some(principal) = subject.principal() else { continue };
                if *barrier == Barrier::SessionsSecondPass {
                    let passes = minting.second_passes.entry(principal.clone()).or_default();
                    passes.push(change.id.clone());
                }
                if *barrier == Barrier::Quarantine {
                    minting.quarantined.insert(principal.clone());
                }
                if effect.stops_minting() {
                    minting.stops.entry(principal).or_default().push(change.id.clone());
                }
            }
        }
        for role in principals.iter().filter_map(Principal::role) {
            let trust = trust_of(role, inventory);
            let admitted = principals.iter().filter_map(|principal| {
                let admission = match &trust {
                    // What cannot be read or understood may admit anybody.
                    None => Admission::Anyone,
                    Some(trust) => {
                        let arn = arn_of(principal, inventory)?;
                        admits(trust, &arn, inventory.caller.account.as_str())
                    }
                };
                (admission != Admission::No).then(|| (principal.clone(), admission))
            });
            minting.admitted.insert(role.clone(), admitted.collect());
        }
        minting
    }

    /// Every second pass over sessions, and whose they are.
    pub(super) fn second_passes(&self) -> impl Iterator<Item = (&Principal, &ChangeId)> {
        self.second_passes.iter().flat_map(|(of, passes)| passes.iter().map(move |pass| (of, pass)))
    }

    /// What must be seen to stand before the second pass over the sessions of `of`.
    pub(super) fn first(&self, of: &Principal) -> BTreeSet<&ChangeId> {
        let stops = |principal: &Principal| self.stops.get(principal).into_iter().flatten();
        let mut first: BTreeSet<&ChangeId> = stops(of).collect();
        let admitted = of.role().and_then(|role| self.admitted.get(role));
        for minter in admitted.into_iter().flat_map(BTreeMap::keys) {
            first.extend(stops(minter));
            // Without a quarantine his sessions, too, can mint until they are denied; unless those come of `of`
            // in turn, so that each would wait for the other.
            if !self.quarantined.contains(minter) && !self.can_mint(of, minter) {
                first.extend(self.second_passes.get(minter).into_iter().flatten());
            }
        }
        first
    }

    /// Whether sessions of `from` can come to mint sessions of `to`, through roles that are not quarantined.
    fn can_mint(&self, from: &Principal, to: &Principal) -> bool {
        let mut reached = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(here) = open.pop() {
            if self.quarantined.contains(here) {
                continue;
            }
            for (role, admitted) in &self.admitted {
                if !admitted.contains_key(here) {
                    continue;
                }
                if to.role() == Some(role) {
                    return true;
                }
                let found = self.second_passes.keys().find(|one| one.role() == Some(role));
                open.extend(found.filter(|found| reached.insert(found)));
            }
        }
        false
    }

    /// Has a second pass made once more whenever a person has closed a way in, where the trust of its role admits
    /// somebody whom no step cuts off: it may be that trust which was closed, and until then he got sessions of it.
    pub(super) fn made_again(&self, changes: &mut [Change], inventory: &Inventory) {
        if self.closed_by_hand.is_empty() {
            return;
        }
        for (of, passes) in &self.second_passes {
            let Principal::Role(role) = of else { continue };
            let stays_shut = self.quarantined.contains(of) && !self.lifted.contains(of);
            if stays_shut || self.free(role, inventory, &[]).0.is_empty() {
                continue;
            }
            for change in changes.iter_mut().filter(|change| passes.contains(&change.id)) {
                change.again_after = self.closed_by_hand.iter().cloned().collect();
            }
        }
    }

    /// Whom the trust of a role admits and no step cuts off; and whether a plan beside this one can, where it is
    /// somebody of one of `beside`.
    fn free(
        &self,
        role: &RoleName,
        inventory: &Inventory,
        beside: &[AccountId],
    ) -> (Vec<String>, Vec<String>) {
        let Some(trust) = trust_of(role, inventory) else {
            let nobody = "nobody knows whom (it could not be read or understood)";
            return (vec![nobody.to_owned()], Vec::new());
        };
        let cut_elsewhere = |admitted: &Admitted<'_>| match admitted {
            Admitted::Named(who) => Arn::parse(*who)
                .is_ok_and(|arn| beside.iter().any(|account| account.as_str() == arn.account())),
            _ => false,
        };
        let free = everybody_admitted(&trust).into_iter();
        let free = free.filter(|admitted| !self.is_cut(admitted, inventory));
        let (there, here): (Vec<_>, Vec<_>) = free.partition(cut_elsewhere);
        let told = |all: Vec<Admitted<'_>>| all.iter().map(ToString::to_string).collect();
        (told(here), told(there))
    }

    /// What to know of roles whose sessions are denied, and which anybody may get anew. Of `changes` it is known by now
    /// what comes first; `beside` are accounts that have a plan of their own, which goes with this one.
    pub(super) fn warnings(
        &self,
        changes: &[Change],
        inventory: &Inventory,
        beside: &[AccountId],
    ) -> Vec<String> {
        let mut warnings = Vec::new();
        for principal in self.second_passes.keys() {
            let Principal::Role(role) = principal else { continue };
            let quarantined = self.quarantined.contains(principal);
            if quarantined
                && (!self.lifted.contains(principal) || self.waits_for_a_person(principal, changes))
            {
                continue;
            }
            let by_name = |from: &Principal, to: &RoleName| {
                let admitted = self.admitted.get(to).and_then(|admitted| admitted.get(from));
                admitted == Some(&Admission::Named)
            };
            let others = self.second_passes.keys().filter_map(Principal::role);
            let mut each_other = others.filter(|other| {
                let other_principal = Principal::Role((*other).clone());
                by_name(principal, other) && by_name(&other_principal, role)
            });
            if !quarantined && let Some(other) = each_other.find(|other| *other >= role) {
                let which = if other == role {
                    format!("sessions of role {role} can get new sessions of it")
                } else {
                    format!("sessions of roles {role} and {other} can get sessions of each other")
                };
                warnings.push(format!(
                    "{which}, and so outrun the deny of older ones: add `iam.role.quarantine`"
                ));
            }
            let (here, there) = self.free(role, inventory, beside);
            if here.is_empty() && there.is_empty() {
                continue;
            }
            let closings: Vec<&str> = self.closed_by_hand.iter().map(ChangeId::as_str).collect();
            let closed_by_hand;
            let then = if !closings.is_empty() {
                closed_by_hand = format!(
                    "keeps what he has got of it until its sessions are denied once more, which is done whenever {} is \
                     attested: see to it that this closes the trust",
                    closings.join(" or ")
                );
                closed_by_hand.as_str()
            } else if quarantined {
                "what he assumes behind the second pass over its sessions works as soon as the quarantine is lifted. \
                 Mend its trust first: put that into a `manual.close` step, and into the `needs` of \
                 `iam.role.revoke-sessions`"
            } else {
                "his new session is not denied. Add `iam.role.quarantine`, or mend its trust"
            };
            if !here.is_empty() {
                warnings.push(format!(
                    "the trust of role {role} admits {}, whom no step cuts off: whoever of them is the intruder \
                     assumes it again, and {then}",
                    named(&here)
                ));
            }
            if !there.is_empty() {
                warnings.push(format!(
                    "the trust of role {role} admits {}, of an account that is cut beside this one: see that its plan \
                     cuts them off. Whoever of them is the intruder assumes it until that stands, and {then}",
                    named(&there)
                ));
            }
        }
        warnings
    }

    /// Whether every second pass over somebody's sessions waits for a person to close a way in.
    fn waits_for_a_person(&self, of: &Principal, changes: &[Change]) -> bool {
        let passes = self.second_passes.get(of).into_iter().flatten();
        let mut passes = passes.filter_map(|pass| changes.iter().find(|change| change.id == *pass));
        passes.all(|pass| pass.needs.iter().any(|need| self.closed_by_hand.contains(&need.change)))
    }

    /// Whether somebody whom a trust policy names is cut off, so that he gets no new session.
    fn is_cut(&self, admitted: &Admitted<'_>, inventory: &Inventory) -> bool {
        let Admitted::Named(who) = admitted else { return false };
        let cut = self.stops.keys().chain(self.second_passes.keys());
        cut.filter_map(|principal| arn_of(principal, inventory)).any(|arn| {
            let session =
                arn.replacen(":iam:", ":sts:", 1).split_once(":role/").map(|(before, path)| {
                    let name = path.rsplit('/').next().unwrap_or(path);
                    format!("{before}:assumed-role/{name}/")
                });
            arn == *who || session.is_some_and(|session| who.starts_with(&session))
        })
    }
}

fn named(free: &[String]) -> String {
    let more = match free.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("{}{more}", free[..free.len().min(NAMED)].join(", "))
}

/// What the account's list tells of a role.
fn listed<'i>(role: &RoleName, inventory: &'i Inventory) -> Option<&'i ListedRole> {
    inventory.roles().ok()?.iter().find(|listed| listed.name == *role)
}

/// Whom a role may admit, by the trust that its account's inventory has of it: read once, and asked of many.
pub struct MayAssume(Option<Document>);

impl MayAssume {
    /// Of `role`, by what `inventory` has of it.
    pub fn of(role: &RoleName, inventory: &Inventory) -> Self {
        Self(trust_of(role, inventory))
    }

    /// Whether it may admit `from`, of whom `there` tells. What cannot be read may admit anybody.
    pub fn admits(&self, from: &Principal, there: &Inventory) -> bool {
        let known = self.0.as_ref().zip(arn_of(from, there));
        known.is_none_or(|(trust, arn)| {
            admits(trust, &arn, there.caller.account.as_str()) != Admission::No
        })
    }
}

fn trust_of(role: &RoleName, inventory: &Inventory) -> Option<Document> {
    Document::parse(&listed(role, inventory)?.trust).ok()
}

fn arn_of(principal: &Principal, inventory: &Inventory) -> Option<String> {
    let arn = match principal {
        Principal::User(user) => &inventory.user(user).ok()?.as_ref()?.arn,
        Principal::Role(role) => match listed(role, inventory) {
            Some(listed) => &listed.arn,
            None => &inventory.role(role).ok()?.as_ref()?.arn,
        },
    };
    Some(arn.as_str().to_owned())
}
