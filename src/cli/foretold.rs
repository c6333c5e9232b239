//! What an undo will do, change by change, told before anybody says yes to it: what comes off, what people open, what stays,
//! for how long and why, and what is typed about it. By what the case knows; the run looks at the world besides.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::by_hand::typed;
use super::exit::Failure;
use super::next::{awaited, in_a_command, is_not_borne_out, to_attest, typed_all};
use super::overtaken::Doing;
use super::reach::reach;
use super::there::There;
use super::view::{Style, plain, plan_as_json};
use super::{args, rehearse, view};
use crate::case::accounts;
use crate::clock::Clock;
use crate::diagnostic::counted;
use crate::ids::{Principal, StepId};
use crate::journal::{ChangeState, State};
use crate::ledger;
use crate::plan::{Change, Credential, Effect, Plan, SavedPlan};
use crate::report::held_beyond_changes;
use crate::run::{Because, Fate, Kept, LookedAt, foresee, look_before, spoken_of};

/// With more changes of one kind than these, they are told by step.
const ONE_BY_ONE: usize = 12;
/// So many of a step are named then.
const NAMED: usize = 3;

/// What becomes of the changes of an undo.
pub(super) struct Foretold<'a> {
    next: &'a SavedPlan,
    /// Whether somebody has looked at the account for it.
    looked: bool,
    changes: Vec<(&'a Change, Fate)>,
}

/// Which heading a change is told under, in the order of the headings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Made,
    ByHand,
    Sessions,
    NobodySpoke,
    Compromised,
    HasCome,
    Other,
}

impl Kind {
    fn of(fate: &Fate) -> Self {
        match fate {
            Fate::Made => Self::Made,
            Fate::ByHand(_) => Self::ByHand,
            Fate::Kept(kept) => match kept.because {
                Because::Sessions(_) => Self::Sessions,
                Because::NobodySpoke(_) => Self::NobodySpoke,
                Because::Compromised(_) => Self::Compromised,
                Because::HasCome(_) => Self::HasCome,
                Because::TakenOff | Because::Other => Self::Other,
            },
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Made => "comes-off",
            Self::ByHand => "by-hand",
            Self::Sessions => "until-sessions-have-ended",
            Self::NobodySpoke => "not-cleared",
            Self::Compromised => "compromised",
            Self::HasCome => "has-come-since",
            Self::Other => "held",
        }
    }

    fn heading(self, uncleared: usize) -> String {
        match self {
            Self::Made => "Comes off".to_owned(),
            Self::ByHand => "Opened again by people, who attest it".to_owned(),
            Self::Sessions => "Stays until the last session that it denies has ended".to_owned(),
            Self::NobodySpoke => format!("Stays shut: {uncleared} that nobody has cleared"),
            Self::Compromised => {
                "Held, as it stands: what counts as compromised never works again".to_owned()
            }
            Self::HasCome => {
                "Stays off: it came after this case was begun, and whoever was inside may have made it".to_owned()
            }
            Self::Other => "Held, as it stands".to_owned(),
        }
    }
}

/// What time it is for the case in `dir`: in a rehearsal, its world's.
pub(super) fn now(dir: &Path, state: &State) -> Result<Timestamp, Failure> {
    if rehearse::is_rehearsal(dir)? {
        return Ok(state.last.unwrap_or(Timestamp::MIN));
    }
    Ok(view::runtime().block_on(async { Clock::system().now() }))
}

impl<'a> Foretold<'a> {
    pub(super) fn of(next: &'a SavedPlan, state: &State, now: Timestamp) -> Self {
        Self { next, looked: false, changes: foresee(next, state, now, None) }
    }

    /// The same, and the account is looked at for it: as a rehearsal's responder, or by `access`.
    pub(super) fn by_a_look(
        next: &'a SavedPlan,
        state: &State,
        dir: &Path,
        access: &args::Access,
    ) -> Result<Self, Failure> {
        let looked = |now, found: &LookedAt| {
            let changes = foresee(next, state, now, Some(found));
            Self { next, looked: true, changes }
        };
        if rehearse::is_rehearsal(dir)? {
            return view::virtual_runtime().block_on(async {
                let (cloud, clock) = rehearse::world_of(dir)?;
                let (connection, _, clock) = rehearse::begin(&cloud, clock).await?;
                let found = look_before(next, state, connection.read(), clock).await?;
                Ok(looked(clock.now(), &found))
            });
        }
        view::runtime().block_on(async {
            let (live, _) = reach(access, dir, next, Doing::Look).await?;
            let found = look_before(next, state, live.connection.read(), live.clock).await?;
            Ok(looked(live.clock.now(), &found))
        })
    }

    /// Whether anything that keeps `whom` out comes off.
    pub(super) fn lets_in(&self, whom: &Principal) -> bool {
        self.changes.iter().any(|(change, fate)| {
            let is_about = |effect: &Effect| matches!(effect, Effect::Lifts { subject, .. } if subject.principal().as_ref() == Some(whom));
            matches!(fate, Fate::Made | Fate::ByHand(_)) && change.effects.iter().any(is_about)
        })
    }

    /// The plan of the undo, with what becomes of each of its changes.
    pub(super) fn as_json(&self) -> Value {
        let one = |(change, fate): &(&Change, Fate)| {
            let (why, until) = match fate {
                Fate::Made => (None, None),
                Fate::ByHand(asked) => (Some(asked), None),
                Fate::Kept(kept) => (
                    Some(&kept.why),
                    match kept.because {
                        Because::Sessions(until) => Some(until),
                        _ => None,
                    },
                ),
            };
            json!({ "change": change.id, "fate": Kind::of(fate).word(), "why": why, "until": until })
        };
        let mut told = plan_as_json(self.next);
        told["foretold"] = self.changes.iter().map(one).collect();
        told
    }

    /// As text; what is typed names the case as `case`.
    pub(super) fn render(&self, case: &str, there: &There) -> String {
        let mut kinds: BTreeMap<Kind, Vec<&(&Change, Fate)>> = BTreeMap::new();
        for one in &self.changes {
            kinds.entry(Kind::of(&one.1)).or_default().push(one);
        }
        let by = if self.looked {
            "by what the case knows and a look at the account; each is looked at once more before it is touched"
        } else {
            "by what the case knows; each is looked at before it is touched, and what somebody has changed since is held"
        };
        let mut text = format!("\n{}\n  {by}\n", Style::Strong.paint("What comes of it"));
        for (kind, changes) in kinds {
            let uncleared = spoken_of(&self.next.plan, &unspoken(&changes)).len();
            let style = if kind == Kind::Made { Style::Strong } else { Style::Careful };
            let _ = writeln!(text, "\n{}", style.paint(&kind.heading(uncleared)));
            list(&mut text, &changes, kind, case, there);
            let typed = self.typed(kind, &changes, case, there);
            text.push_str(&typed);
        }
        text
    }

    /// What is typed after a dry run: the undo, `undo`; where nothing of it would come off, first what somebody must say.
    pub(super) fn next(&self, case: &str, undo: &str, there: &There) -> String {
        let comes_off = |(_, fate): &(&Change, Fate)| matches!(fate, Fate::Made | Fate::ByHand(_));
        let changes: Vec<&(&Change, Fate)> = self.changes.iter().collect();
        let unspoken = unspoken(&changes);
        if self.changes.iter().any(comes_off) || unspoken.is_empty() {
            return undo.to_owned();
        }
        let said = changes.iter().any(|(_, fate)| Kind::of(fate) == Kind::NobodySpoke);
        let whom = if said {
            in_a_command(&spoken_of(&self.next.plan, &unspoken))
        } else {
            typed_all(&unspoken.iter().collect::<Vec<_>>())
        };
        format!(
            "nothing comes off before somebody is cleared; where the alarm was false, {}: portcullis clear {case} {whom} \
             --reason TEXT{}; then {undo}",
            by(&self.next.plan),
            there.for_others()
        )
    }

    /// What is typed about all of one kind.
    fn typed(&self, kind: Kind, changes: &[&(&Change, Fate)], case: &str, there: &There) -> String {
        let unspoken = unspoken(changes);
        let names = by(&self.next.plan);
        let others = there.for_others();
        match kind {
            Kind::NobodySpoke => {
                let named = in_a_command(&spoken_of(&self.next.plan, &unspoken));
                format!(
                    "  Where the alarm was false, {names}: portcullis clear {case} {named} --reason TEXT{others}\n  \
                     Or for a time, on one person's word, and keys stay off: portcullis waive {case} {named} --until 7d \
                     --reason TEXT{there}\n"
                )
            }
            Kind::Compromised => {
                let named = typed_all(&unspoken.iter().collect::<Vec<_>>());
                format!(
                    "  What is innocent is cleared, {names}: portcullis clear {case} {named} --reason TEXT{others}\n"
                )
            }
            _ => String::new(),
        }
    }
}

/// What becomes of whoever else a case has cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// All of it is taken back.
    AreLetInToo,
    /// The case goes on.
    StayCut,
}

/// What is next where an undo was held: what people say and open, and when the rest may come off.
pub(super) fn next_of_held(
    saved: &SavedPlan,
    state: &State,
    dir: &Path,
    there: &There,
    others: Others,
) -> String {
    let ends = others == Others::AreLetInToo;
    let now = state.last.unwrap_or(Timestamp::MAX);
    let mut foretold = Foretold::of(saved, state, now);
    let is_held = |change: &Change| state.record(&change.id).state == ChangeState::Held;
    foretold.changes.retain(|(change, _)| is_held(change));
    let mut kinds: BTreeMap<Kind, Vec<&(&Change, Fate)>> = BTreeMap::new();
    for one in &foretold.changes {
        kinds.entry(Kind::of(&one.1)).or_default().push(one);
    }
    let (case, whole) = (typed(dir), typed(&accounts::whole_or_itself(dir)));
    let resume = format!("portcullis resume {whole}{there}");
    let mut parts = Vec::new();
    // What would come off, and is held, is held by what somebody has done or refused.
    if kinds.contains_key(&Kind::Made)
        || kinds.contains_key(&Kind::Other)
        || is_not_borne_out(&saved.plan, state)
        || held_beyond_changes(&saved.plan, state).is_some()
    {
        parts.push("do what is asked above".to_owned());
    }
    for (kind, why) in [
        (Kind::NobodySpoke, "where the alarm was false"),
        (Kind::Compromised, "where it is innocent"),
    ] {
        let Some(changes) = kinds.get(&kind) else { continue };
        let unspoken = unspoken(changes);
        let named = match kind {
            Kind::NobodySpoke => in_a_command(&spoken_of(&saved.plan, &unspoken)),
            _ => typed_all(&unspoken.iter().collect::<Vec<_>>()),
        };
        let (names, others) = (by(&saved.plan), there.for_others());
        parts
            .push(format!("{why}, {names}: portcullis clear {case} {named} --reason TEXT{others}"));
    }
    let attest = to_attest(&saved.plan, state, dir, there);
    let has_come = kinds.get(&Kind::HasCome).map(|came| {
        let came: Vec<String> = came
            .iter()
            .filter_map(|(_, fate)| match fate {
                Fate::Kept(Kept { because: Because::HasCome(one), .. }) => {
                    Some(plain(&one.to_string()))
                }
                _ => None,
            })
            .collect();
        let stays = format!("{} came after the case was begun and stays off", came.join(", "));
        // A case that goes on is not to be closed for this.
        if ends {
            format!("{stays}: once all else is back, portcullis close {whole} --reason TEXT{there}")
        } else {
            stays
        }
    });
    let later = kinds.get(&Kind::Sessions).into_iter().flatten();
    let until = later.filter_map(|(_, fate)| match fate {
        Fate::Kept(Kept { because: Because::Sessions(until), .. }) => Some(*until),
        _ => None,
    });
    let later = until.max().map(|until| {
        let until = until.strftime("%Y-%m-%d %H:%M UTC");
        format!("from {until} on, when the last session that was denied has ended: {resume}")
    });
    let now = match (&parts[..], attest) {
        ([], attest) => attest,
        (some, Some(attest)) => Some(format!("{}; {attest}", some.join("; "))),
        (some, None) => Some(format!("{}; then: {resume}", some.join("; "))),
    };
    let told = match (now, later) {
        (Some(now), Some(later)) => Some(format!("{now}; and {later}")),
        (now, later) => now.or(later),
    };
    match (told, has_come) {
        (Some(told), Some(has_come)) => format!("{told}; {has_come}"),
        (told, has_come) => {
            told.or(has_come).or_else(|| awaited(saved, state, dir, there)).unwrap_or(resume)
        }
    }
}

/// Of all that is kept because nobody has spoken for it: what that is.
fn unspoken(changes: &[&(&Change, Fate)]) -> Vec<Credential> {
    let of = |(_, fate): &&(&Change, Fate)| match fate {
        Fate::Kept(kept) => match &kept.because {
            Because::NobodySpoke(credentials) => credentials.clone(),
            Because::Compromised(credential) => vec![credential.clone()],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    changes.iter().flat_map(of).collect()
}

/// How many different people must say so.
fn by(plan: &Plan) -> String {
    match ledger::names_to_clear(plan) {
        1 => "by 1 person".to_owned(),
        names => format!("by {names} different people, each with credentials of his own"),
    }
}

fn list(text: &mut String, changes: &[&(&Change, Fate)], kind: Kind, case: &str, there: &There) {
    if changes.len() > ONE_BY_ONE {
        let mut steps: Vec<(&StepId, Vec<&Change>)> = Vec::new();
        for (change, _) in changes {
            match steps.iter_mut().find(|(step, _)| *step == &change.step) {
                Some((_, of)) => of.push(change),
                None => steps.push((&change.step, vec![change])),
            }
        }
        for (step, of) in steps {
            let mut named: Vec<&str> = of.iter().take(NAMED).map(|one| &*one.target).collect();
            let more = format!("{} more", of.len().saturating_sub(NAMED));
            if of.len() > NAMED {
                named.push(&more);
            }
            let _ = writeln!(
                text,
                "  {step}  {}: {}",
                counted(of.len(), "change"),
                plain(&named.join(", "))
            );
        }
        return;
    }
    for (change, fate) in changes {
        let (id, target) = (&change.id, plain(&change.target));
        let told = match fate {
            Fate::Made => plain(&change.what),
            Fate::ByHand(asked) => {
                format!("{}; then: portcullis attest {case} {id}{there}", plain(asked))
            }
            Fate::Kept(kept) => match (&kept.because, kind) {
                (Because::Sessions(until), _) => {
                    format!("until {}", until.strftime("%Y-%m-%d %H:%M UTC"))
                }
                (Because::NobodySpoke(holds), _) => {
                    let holds: Vec<String> = holds.iter().map(ToString::to_string).collect();
                    format!(
                        "{}: nobody has cleared {}",
                        plain(&change.what),
                        plain(&holds.join(", "))
                    )
                }
                (Because::Compromised(credential), _) => plain(&credential.to_string()),
                (Because::HasCome(credential), _) => plain(&credential.to_string()),
                _ => plain(&kept.why),
            },
        };
        let _ = writeln!(text, "  {id}  {target}: {told}");
    }
}
