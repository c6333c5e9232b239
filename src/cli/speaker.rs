//! Whose word about a case counts: of whom the case is about, nobody's.
//!
//! He is told by what STS says of him, and by what the case and its journal know: whom a plan cuts, whom a round that waits
//! for a yes would cut, and who holds what nothing keeps out; in each account of it, and in every other case of those that is
//! open beside it or was taken up by it. And he is looked up, as far as he may read of himself: whoever has appeared since the
//! case began is nobody independent. Knows nothing of what is said.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::args;
use super::beside::{Beside, Other, Unreadable};
use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::found::read;
use super::rehearse::is_rehearsal;
use super::there::There;
use super::view::plain;
use crate::case;
use crate::clock::Clock;
use crate::cloud::ReadCloud;
use crate::ids::{AccessKeyId, AccountId, Arn};
use crate::inventory::{Caller, Inventory, Want};
use crate::journal::State;
use crate::ledger::{self, Ledger, Row, Standing};
use crate::plan::{Credential, SavedPlan, Together};
use crate::planning::{self, Presence};
use crate::survey;

/// Whether the word of `caller` is taken: he is of the case's account (of several, of their home), or of the one that was named, and stands
/// on nothing that the case cuts. Whoever took over what is cut would else clear himself.
pub(super) fn may_speak(
    saved: &SavedPlan,
    concerned: &[Concerned],
    caller: &Caller,
    word: &args::Word,
) -> Result<(), Failure> {
    // Of several accounts, the people of the one they are worked on from may speak for any.
    let own = saved.plan.together.as_ref().map_or(&saved.plan.account, |together| &together.home);
    let expected = word.from_account.as_ref().unwrap_or(own);
    let known = accounts_known(saved);
    if !known.contains(expected) {
        let named: Vec<String> = known.iter().map(ToString::to_string).collect();
        return Err(Failure::new(
            Exit::Refused,
            format!(
                "account {expected} has nothing to do with this case, and its people are not heard"
            ),
            format!(
                "speak with credentials of an account that the case knows ({}): its own, those that go with it, and those \
                 that its responder and break-glass come from; or assume a role in one of them, with --role-arn",
                named.join(", ")
            ),
        ));
    }
    if caller.account != *expected {
        return Err(Failure::new(
            Exit::Refused,
            format!(
                "these credentials are of account {}, and the word is to come from account {expected}",
                caller.account
            ),
            if known.contains(&caller.account) {
                format!(
                    "use credentials of account {expected}; or, where whoever speaks is at home in another account \
                     (a security or single sign-on account), say so: --from-account {}",
                    caller.account
                )
            } else {
                format!("use credentials of account {expected}")
            },
        ));
    }
    let refused = concerned.iter().find_map(|one| one.why_not(caller));
    refused.map_or(Ok(()), |why| {
        Err(Failure::new(
            Exit::Refused,
            format!("{} {why}: that word is not taken", caller.arn),
            "somebody whom the case does not touch must say it, with credentials of his own",
        ))
    })
}

/// The accounts whose people may speak of a case: its own, those it goes together with, and those that whoever planned it,
/// and break-glass, come from.
fn accounts_known(saved: &SavedPlan) -> BTreeSet<AccountId> {
    let caller = &saved.inventory.caller;
    let together = saved.plan.together.iter().flat_map(Together::accounts);
    let origins = caller.came_from.iter().chain(&caller.break_glass);
    let origins =
        origins.filter_map(|origin| AccountId::parse(origin.arn.as_ref()?.account()).ok());
    [saved.plan.account.clone(), caller.account.clone()]
        .into_iter()
        .chain(together)
        .chain(origins)
        .collect()
}

/// Looks up since when there is `caller`, in the account that he is of. Refuses him where he, or what he speaks with, has
/// come since a case began; gives back why that is not known, where it is not.
pub(super) async fn looked_up(
    concerned: &[Concerned],
    caller: &Caller,
    cloud: &ReadCloud,
    clock: Clock,
    there: &There,
) -> Result<Option<String>, Failure> {
    let came_from = caller.came_from.iter();
    let came_from =
        came_from.filter_map(|one| Some((one.arn.as_ref()?, one.access_key_id.as_ref())));
    let links: Vec<(&Arn, Option<&AccessKeyId>)> =
        std::iter::once((&caller.arn, caller.access_key_id.as_ref()))
            .chain(came_from)
            .filter(|(arn, _)| arn.account() == caller.account.as_str())
            .collect();
    let wants: BTreeSet<Want> =
        links.iter().flat_map(|(arn, _)| planning::wants_of_speaker(arn)).collect();
    let is_ours = |key: &AccessKeyId| is_of_a_case(concerned, key);
    let mut facts = Inventory::new(caller.clone(), clock.now());
    survey::fill(cloud, &mut facts, wants).await?;
    let mut not_known = None;
    for one in concerned {
        let mut first = planning::first_seen_by(&one.saved);
        // Whom roles admitted is known of the case's own account.
        if one.saved.plan.account != caller.account {
            first.trusts = None;
        }
        for (arn, key) in &links {
            match planning::presence(arn, *key, is_ours, &first, &facts) {
                Presence::Before => {}
                Presence::Unknown(why) => not_known = Some(why),
                Presence::Since(why) => return Err(one.came_since(&why, caller, there)),
            }
        }
    }
    Ok(not_known)
}

/// Whether a case has issued `key` itself.
fn is_of_a_case(concerned: &[Concerned], key: &AccessKeyId) -> bool {
    concerned.iter().any(|one| {
        let issued = ledger::issued(&one.saved.plan, &one.state);
        issued.iter().any(|issued| issued.key() == Some(key))
    })
}

/// What is known of one account, when somebody speaks.
pub(super) struct Concerned {
    saved: SavedPlan,
    state: State,
    /// The plan of the round that waits for a yes.
    asked: Option<SavedPlan>,
    /// Where it lies, where it is another case than the one that is spoken of.
    beside: Option<PathBuf>,
}

impl Concerned {
    fn of(dir: &Path) -> Result<Self, Failure> {
        let (saved, _, state) = read(dir)?;
        Self::new(dir, saved, state, None)
    }

    fn beside(other: Other) -> Result<Self, Failure> {
        let Other { dir, saved, state, .. } = other;
        Self::new(&dir, saved, state, Some(dir.clone()))
    }

    fn new(
        dir: &Path,
        saved: SavedPlan,
        state: State,
        beside: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let asked = state.asking.as_ref().map(|asking| case::read_round(dir, asking.round));
        Ok(Self { saved, asked: asked.transpose()?, state, beside })
    }

    /// Refuses the word of `caller`, who has come since this case began, or speaks with what has.
    fn came_since(&self, why: &str, caller: &Caller, there: &There) -> Failure {
        let before =
            "somebody who was there before the case began must say it, with credentials of his own";
        let (of, next) = match &self.beside {
            None => (String::new(), before.to_owned()),
            Some(dir) => {
                let whole = typed(&case::accounts::whole_or_itself(dir));
                let close = format!("portcullis close {whole} --reason TEXT{}", there.for_others());
                let close = match self.state.closed {
                    Some(_) => String::new(),
                    None => {
                        format!("; or, where {whole} is over, such a one closes it first: {close}")
                    }
                };
                (
                    format!(" of {whole}, which lies beside it and is not over"),
                    format!("{before}{close}"),
                )
            }
        };
        let what = format!("{why}{of}: the word of {} is not taken", caller.arn);
        Failure::new(Exit::Refused, what, next)
    }

    /// Why `caller` is nobody whose word counts. What was accepted of a cut is that the run may lose him; and whoever holds
    /// what nothing keeps out may be whom the case is about, before anything cuts him.
    fn why_not(&self, caller: &Caller) -> Option<&'static str> {
        let cuts = |by: &SavedPlan| planning::is_cut_off(&by.plan, &by.inventory, caller);
        if cuts(&self.saved) {
            return Some("is among those whom this case cuts off");
        }
        if self.asked.as_ref().is_some_and(cuts) {
            return Some("is among those whom the round that waits for a yes cuts off");
        }
        // Whose key asked for it, no answer tells.
        if caller.arn.resource().starts_with("federated-user/") {
            return Some("is a federated session, and nobody knows by whose key it was made");
        }
        let is_he = |one: &Credential| {
            std::iter::once(&self.saved)
                .chain(&self.asked)
                .any(|by| planning::comes_of(&by.plan, &by.inventory, caller, one))
        };
        // What somebody answers for stands open all the same.
        let is_open =
            |row: &&Row| row.is_unaccounted() || matches!(row.standing, Standing::Waived { .. });
        let ledger = Ledger::of(&self.saved.plan, &self.state);
        let mut open = ledger.rows.iter().filter(is_open);
        open.any(|row| is_he(&row.credential))
            .then_some("holds what this case is about and nothing keeps out")
    }
}

/// What is known of the account of the case in `dir`, and of the other accounts of the case that it is a part of; and of what
/// other cases of theirs, which lie beside it, are open or were taken up by it: whoever is cut by one is whom the others are
/// about, too.
pub(super) fn concerned(dir: &Path) -> Result<Vec<Concerned>, Failure> {
    let name = dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_owned()));
    let all = case::accounts::whole(dir).map_or_else(Vec::new, |whole| case::accounts::of(&whole));
    let others = all.into_iter().filter(|other| other.file_name() != name.as_deref());
    let own = std::iter::once(dir.to_owned()).chain(others).map(|dir| Concerned::of(&dir));
    let mut all = own.collect::<Result<Vec<_>, _>>()?;
    let mut beside = Vec::new();
    for Concerned { saved, state, .. } in &all {
        let account = &saved.plan.account;
        let up = saved.plan.takes_up.iter().flat_map(|up| up.cases.values());
        let up: BTreeSet<&String> = up.collect();
        let around = Beside::around(&case::accounts::whole_or_itself(dir), account);
        let own = state.opened.as_ref().map(|opened| &opened.plan);
        if !is_rehearsal(dir)?
            && let Some(unread) = around.unreadable.iter().find(|one| one.may_be_of(account, own))
        {
            return Err(cannot_be_read(unread));
        }
        let of_it = around.into_any_of(account);
        for one in of_it.filter(|one| {
            own != Some(&one.begun_with) && (one.is_open() || up.contains(&one.begun_with))
        }) {
            beside.push(Concerned::beside(one)?);
        }
    }
    all.extend(beside);
    Ok(all)
}

/// Whom a case that cannot be read cuts, nobody knows: it may be whoever speaks.
fn cannot_be_read(unread: &Unreadable) -> Failure {
    let case = typed(&unread.dir);
    Failure::new(
        Exit::Refused,
        format!(
            "case {case} lies beside this one and cannot be read ({}): whom it cuts nobody knows, so nobody's word is taken",
            plain(&unread.why)
        ),
        format!(
            "restore it from a copy of its own, whole, until portcullis status {case} reads it; or, where it is over, lay it \
             elsewhere; then say it again"
        ),
    )
}
