//! Which cases an incident's case goes with, from the directories beside it: those that it takes up, those that these took up
//! in turn, and whichever took it up.

use std::collections::BTreeSet;
use std::path::Path;

use super::beside::{Beside, Other};
use crate::case::accounts;
use crate::journal::State;
use crate::plan::{SavedPlan, TakenUp};
use crate::report::{Comes, Follows};

/// The cases that the one in `dir`, whose newest plan is `saved`, goes with; the first opened comes first.
pub(super) fn of(dir: &Path, saved: &SavedPlan, state: &State) -> Vec<Follows> {
    let account = &saved.plan.account;
    let Some(own) = state.opened.as_ref().map(|opened| &opened.plan) else { return Vec::new() };
    let beside = Beside::around(&accounts::whole_or_itself(dir), account);
    let others: Vec<&Other> = beside.of(account).filter(|other| other.begun_with != *own).collect();
    let of = |other: &Other, comes| Follows {
        case: accounts::whole_or_itself(&other.dir).display().to_string(),
        comes,
        opened: Some((other.saved.plan.title.clone(), other.begun_at)),
    };
    let up = |up: &Option<TakenUp>| -> Vec<(String, String)> {
        let cases = up.iter().flat_map(|up| &up.cases);
        cases.map(|(name, begun_with)| (name.clone(), begun_with.clone())).collect()
    };
    let (mut follows, mut known) = (Vec::new(), BTreeSet::from([own.clone()]));
    let mut ahead = up(&saved.plan.takes_up);
    while let Some((case, begun_with)) = ahead.pop() {
        if !known.insert(begun_with.clone()) {
            continue;
        }
        match others.iter().find(|other| other.begun_with == begun_with) {
            Some(other) => {
                follows.push(of(other, Comes::Before));
                ahead.extend(up(&other.saved.plan.takes_up));
            }
            None => follows.push(Follows { case, comes: Comes::Before, opened: None }),
        }
    }
    let mut after = BTreeSet::from([own.clone()]);
    // By when they were begun, so that whatever took one of these up comes behind it.
    let mut later = others;
    later.sort_by_key(|other| other.begun_at);
    for other in later {
        let mut taken = up(&other.saved.plan.takes_up).into_iter();
        if taken.any(|(_, begun_with)| after.contains(&begun_with))
            && known.insert(other.begun_with.clone())
        {
            after.insert(other.begun_with.clone());
            follows.push(of(other, Comes::After));
        }
    }
    follows.sort_by_key(|one| (one.comes, one.opened.as_ref().map(|(_, at)| *at)));
    follows
}
