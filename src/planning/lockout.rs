//! Never cut the branch we sit on: does a plan take away what its own run stands on?
//!
//! What a run stands on is its caller and everything that the caller came from, as far as that is known: the
//! user whose key or session signs, the role of a session, the credentials that a profile or `--role-arn`
//! renews the session with, every role among them, and whom the trust of a role admits where nobody is known to
//! be behind it. Break-glass, where somebody has tried it, is left standing in the same way. What cannot be known is
//! told as a warning; what is known refuses the plan, unless the operator has named the identity to be lost.
//!
//! A user is lost with the credential that is in use, and not with another of his: a key that signs outlives the cut
//! of his other keys and of his sessions. Where it is not known which one is in use, any of them may be.
//!
//! Where nobody is known to be behind a session, it is said who of those who are cut may be.

use std::collections::BTreeSet;

use super::behind::Behind;
use super::chain::{InUse, Link, break_glass, chain, session_of};
use crate::diagnostic::{Code, Diagnostic, Place, counted, nearest};
use crate::ids::{Arn, Principal, StepId, UserName};
use crate::inventory::{Caller, Inventory};
use crate::plan::{Change, Effect, Plan, Subject};

/// What a cut would take.
struct Lost {
    /// The step that cuts it, where one does.
    by: Option<StepId>,
    /// The identity that is cut.
    arn: Option<Arn>,
    /// From the run, or from break-glass, to what is cut, one link after the other.
    path: Vec<String>,
}

/// Whose way in it is that a plan must leave standing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Caller,
    BreakGlass,
}

/// Refuses where the plan cuts what `caller` stands on, or break-glass; gives back what is to be said where it is
/// accepted, or may be so. Asked again when a saved plan is run, because another may run it. Where a step stands tells
/// `place_of`, if that is known.
pub fn refuse_lock_out(
    plan: &Plan,
    inventory: &Inventory,
    caller: &Caller,
    place_of: &dyn Fn(&StepId) -> Option<Place>,
) -> Result<Vec<String>, Diagnostic> {
    let mut warnings = Vec::new();
    let mut refused = None;
    for (whose, chain) in [(Whose::Caller, chain(caller)), (Whose::BreakGlass, break_glass(caller))]
    {
        for lost in lost(plan, inventory, caller, Some(whose), &chain, &mut warnings) {
            let path = lost.path.join(" <- ");
            let accepted =
                lost.arn.as_ref().is_some_and(|arn| plan.accepted_lockouts.contains(arn));
            if accepted {
                warnings.push(whose.accepted(&path));
            } else if refused.is_none() {
                let problem = whose.refused(&path, lost.arn.as_ref());
                refused = Some(match lost.by.as_ref().and_then(place_of) {
                    Some(place) => problem.at(place, "this step cuts it"),
                    None => problem,
                });
            }
        }
    }
    refused.map_or(Ok(warnings), Err)
}

/// What was accepted beforehand and none of the plans cuts: a slip of the finger, or of another plan.
pub(super) fn accepts_nothing<'p>(
    plans: impl IntoIterator<Item = (&'p Plan, &'p Inventory)>,
    problems: &mut Vec<Diagnostic>,
) {
    let (mut accepted, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for (plan, inventory) in plans {
        accepted.extend(&plan.accepted_lockouts);
        let caller = &inventory.caller;
        let chains = [(Whose::Caller, chain(caller)), (Whose::BreakGlass, break_glass(caller))];
        for (whose, chain) in &chains {
            let lost = lost(plan, inventory, caller, Some(*whose), chain, &mut Vec::new());
            gone.extend(lost.into_iter().filter_map(|lost| lost.arn));
        }
    }
    for arn in accepted.into_iter().filter(|arn| !gone.contains(*arn)) {
        let message = format!(
            "--accept-lockout {arn} accepts nothing: the plan cuts off neither who runs it nor break-glass by it"
        );
        let help = match nearest(arn.as_str(), gone.iter().map(Arn::as_str)) {
            Some(near) => format!("did you mean --accept-lockout {near}?"),
            None => "leave --accept-lockout out".to_owned(),
        };
        problems.push(Diagnostic::error(Code::CannotPlan, message).help(help));
    }
}

/// Whether the plan cuts what `caller` stands on, be it accepted or not: that a run may lose whom it runs as makes nobody's
/// word of him any better.
pub fn is_cut_off(plan: &Plan, inventory: &Inventory, caller: &Caller) -> bool {
    !lost(plan, inventory, caller, None, &chain(caller), &mut Vec::new()).is_empty()
}

/// What `later` cuts of break-glass that `earlier`, the plan before it, did not: a sentence each. Nobody has said yes
/// to that yet.
pub(super) fn cuts_off_break_glass(
    earlier: &Plan,
    later: &Plan,
    inventory: &Inventory,
) -> Vec<String> {
    let caller = &inventory.caller;
    let chain = break_glass(caller);
    let lost = |plan: &Plan| {
        lost(plan, inventory, caller, Some(Whose::BreakGlass), &chain, &mut Vec::new()).into_iter()
    };
    let before: BTreeSet<Vec<String>> = lost(earlier).map(|lost| lost.path).collect();
    let is_accepted =
        |lost: &Lost| lost.arn.as_ref().is_some_and(|arn| later.accepted_lockouts.contains(arn));
    let new = lost(later).filter(|lost| !before.contains(&lost.path) && !is_accepted(lost));
    new.map(|lost| {
        let path = lost.path.join(" <- ");
        format!(
            "it would cut off break-glass, the way in that is left when nothing else goes: {path}"
        )
    })
    .collect()
}

/// Whether a change cuts break-glass itself, or a role that it comes through.
pub(super) fn touches_break_glass(change: &Change, plan: &Plan, inventory: &Inventory) -> bool {
    let chain = break_glass(&inventory.caller);
    change.effects.iter().any(|effect| {
        let Effect::Cuts { subject, .. } = effect else { return false };
        (0..chain.len()).any(|at| match subject.principal() {
            Some(Principal::User(user)) => {
                chain[at].is_user(&user, plan, inventory)
                    && InUse::of(&chain, at).falls_with(&user, subject)
            }
            Some(Principal::Role(role)) => chain[at].role(plan) == Some(role.as_str()),
            None => false,
        })
    })
}

impl Whose {
    fn accepted(self, path: &str) -> String {
        match self {
            Self::Caller => format!(
                "the run cuts what it stands on, and that was accepted: {path}. It will stop there; go on with \
                 other credentials: portcullis resume CASE"
            ),
            Self::BreakGlass => format!(
                "the plan cuts break-glass, and that was accepted: {path}. Have another way in at hand before it runs"
            ),
        }
    }

    fn refused(self, path: &str, arn: Option<&Arn>) -> Diagnostic {
        let last = arn.map_or(String::new(), |arn| {
            format!("; or, as the last resort and on record, accept it: --accept-lockout {arn}")
        });
        let (message, ways) = match self {
            Self::Caller => (
                "the plan would cut off its own caller",
                "run from an identity the playbook does not touch: a break-glass user, or an incident role \
                 (--profile NAME, --role-arn ARN); or cut less, so that it is left out",
            ),
            Self::BreakGlass => (
                "the plan would cut off break-glass, the way in that is left when nothing else goes",
                "cut less, so that it is left out; or try a break-glass that the playbook does not touch, or another key \
                 of it, which is remembered in its place: portcullis doctor --break-glass PROFILE",
            ),
        };
        Diagnostic::error(Code::LockOut, format!("{message}: {path}")).help(format!("{ways}{last}"))
    }
}

fn lost(
    plan: &Plan,
    inventory: &Inventory,
    caller: &Caller,
    whose: Option<Whose>,
    chain: &[Link<'_>],
    warnings: &mut Vec<String>,
) -> Vec<Lost> {
    let mut lost = Vec::new();
    let to = |at: usize, rest: Vec<String>| -> Vec<String> {
        chain[..=at].iter().flat_map(|link| link.said.clone()).chain(rest).collect()
    };
    let listed =
        |name: &str| inventory.roles().ok()?.iter().find(|role| role.name.as_str() == name);
    for (at, link) in chain.iter().enumerate() {
        let Some(name) = link.role(plan) else { continue };
        let by = cut_by(
            plan,
            |subject| matches!(subject.principal(), Some(Principal::Role(role)) if role.as_str() == name),
        );
        if let Some(by) = by {
            let arn = listed(name).map(|role| role.arn.clone());
            let arn = arn.or_else(|| link.arn.filter(|arn| session_of(arn).is_none()).cloned());
            lost.push(Lost { by: Some(by.change.step.clone()), arn, path: to(at, vec![by.said]) });
        }
    }
    if whose == Some(Whose::Caller) {
        let sealed = sealed_out(plan, caller);
        lost.extend(sealed.map(|by| Lost {
            by: Some(by.change.step.clone()),
            arn: None,
            path: to(0, vec![by.said]),
        }));
    }
    for user in plan.users() {
        let of_him = (0..chain.len()).filter(|at| chain[*at].is_user(user, plan, inventory));
        let mut cut = of_him.filter_map(|at| {
            let in_use = InUse::of(chain, at);
            Some((at, in_use, cut_by(plan, |subject| in_use.falls_with(user, subject))?))
        });
        let Some((at, in_use, by)) = cut.next() else { continue };
        let found = inventory.user(user).ok().and_then(Option::as_ref);
        let mut path = vec![format!("user {user}")];
        if matches!(in_use, InUse::Unknown) && !cuts_whole(plan, user) {
            path.push("which of his credentials is in use is not known".to_owned());
        }
        path.push(by.said);
        let arn = found.map(|user| user.arn.clone());
        lost.push(Lost { by: Some(by.change.step.clone()), arn, path: to(at, path) });
    }
    // Whoever is behind a session of a role and not known is one of those whom the role's trust admits.
    for (at, link) in chain.iter().enumerate() {
        let (Some(name), None | Some(false)) =
            (link.role(plan), chain.get(at + 1).map(Link::is_known))
        else {
            continue;
        };
        let Some(role) = listed(name) else { continue };
        let behind = Behind::of(role, plan, inventory);
        let mut perhaps = Vec::new();
        for cut in cut_principals(plan, inventory, name) {
            match behind.through(cut.arn, plan.account.as_str()) {
                Some(through) if behind.is_shut() => {
                    let mut way = behind.way(through, cut.only);
                    way.push(cut.who);
                    let by = cut.by.map(|by| {
                        way.push(by.said);
                        by.change.step.clone()
                    });
                    lost.push(Lost { by, arn: Some(cut.arn.clone()), path: to(at, way) });
                }
                Some(_) => perhaps.push(cut.who),
                None => {}
            }
        }
        // Who is behind break-glass is not the one who reads this.
        if let (Some(Whose::Caller), Some(first)) = (whose, perhaps.first()) {
            let more = match perhaps.len() {
                1 => String::new(),
                n => format!(", or {}", counted(n - 1, "other")),
            };
            warnings.push(format!(
                "{} may have been assumed by {first}{more}, whom this plan cuts off: if that is you, the session \
                 cannot be renewed when it ends",
                role.arn
            ));
        }
    }
    lost
}

/// Whether the plan cuts the user himself, and not some credential of his.
fn cuts_whole(plan: &Plan, user: &UserName) -> bool {
    let is_he = |subject: &Subject| matches!(subject, Subject::Principal { principal } if principal.user() == Some(user));
    cut_by(plan, is_he).is_some()
}

/// Somebody whom the plan cuts and the account lists.
struct CutPrincipal<'i> {
    arn: &'i Arn,
    who: String,
    /// How it is said that nobody else is let in.
    only: &'static str,
    by: Option<By<'i>>,
}

/// All of them, but the role `name`.
fn cut_principals<'i>(
    plan: &'i Plan,
    inventory: &'i Inventory,
    name: &'i str,
) -> impl Iterator<Item = CutPrincipal<'i>> {
    let users = plan.users().filter_map(|user| {
        let arn = &inventory.user(user).ok()?.as_ref()?.arn;
        let only = "only users in scope may assume it";
        let by = cut_by(plan, |subject| subject.user() == Some(user));
        Some(CutPrincipal { arn, who: format!("user {user}"), only, by })
    });
    let roles = plan.principals.iter().filter_map(Principal::role);
    let roles = roles.filter(move |role| role.as_str() != name).filter_map(|role| {
        let arn = &inventory.roles().ok()?.iter().find(|listed| listed.name == *role)?.arn;
        let by = cut_by(
            plan,
            |subject| matches!(subject.principal(), Some(Principal::Role(cut)) if cut == *role),
        );
        let only = "only who is in scope may assume it";
        Some(CutPrincipal { arn, who: format!("role {role}"), only, by })
    });
    users.chain(roles)
}

/// A secret that is sealed, and not for whoever runs this: he could neither work on it nor, if its policy were all
/// he had, unseal it. The seal spares whoever planned it; another may run it.
fn sealed_out<'p>(plan: &'p Plan, caller: &Caller) -> impl Iterator<Item = By<'p>> + 'p {
    let own = caller.principal_patterns();
    let session = session_of(&caller.arn).map(|(role, _)| role.to_owned());
    let account = caller.account.clone();
    let is_own = move |spared: &String| {
        own.contains(spared)
            || Arn::parse(spared.as_str()).is_ok_and(|spared| {
                let name =
                    spared.resource().strip_prefix("role/").and_then(|r| r.rsplit('/').next());
                spared.account() == account.as_str() && name.is_some() && name == session.as_deref()
            })
    };
    plan.changes.iter().filter_map(move |change| {
        let spares = change.effects.iter().find_map(|effect| match effect {
            Effect::Spares { principals } => Some(principals),
            _ => None,
        })?;
        (!spares.iter().any(&is_own)).then(|| {
            let said = format!("{}, sealed by {} ({})", change.target, change.id, change.place());
            By { change, said }
        })
    })
}

/// A change that cuts, and how that is said.
struct By<'p> {
    change: &'p Change,
    said: String,
}

/// `cut by quarantine.1 (line 46)`. A restriction only where there is no cut: whether the caller asks from one of
/// its networks, nobody tells him.
fn cut_by(plan: &Plan, cuts: impl Fn(&Subject) -> bool) -> Option<By<'_>> {
    let by = |blocks: bool| {
        plan.changes.iter().find(|change| {
            change.effects.iter().any(|effect| {
                matches!(effect, Effect::Cuts { subject, barrier }
                    if barrier.blocks() == blocks && cuts(subject))
            })
        })
    };
    let (change, what) = by(true).map(|change| (change, "cut")).or_else(|| {
        by(false).map(|change| (change, "shut out from elsewhere than some networks"))
    })?;
    Some(By { change, said: format!("{what} by {} ({})", change.id, change.place()) })
}
