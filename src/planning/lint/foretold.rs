//! What of a plan will wait, be held or stay open, said in advance: warnings, and nothing that is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::{cut_by_itself, stays_quarantined};
use crate::action::{CANARY_PATH, catalog};
use crate::diagnostic::counted;
use crate::exit::Exit;
use crate::ids::{AccessKeyId, ChangeId};
use crate::inventory::Inventory;
use crate::ledger::reached;
use crate::plan::{Barrier, Change, Credential, Effect, Have, Plan, Wait, longest_session};
use crate::playbook::{EffectKind, Phase, Playbook, Proof, Step};

/// Below this a cut may be read back twice before it is enforced even once (about four seconds have been
/// measured).
const LEAST_SENSIBLE_MARGIN: u64 = 10;

/// How many of what stays open, or is refused, are named.
const NAMED: usize = 6;

/// Where the run will stop for people or for time, in the order in which it comes to it.
pub(super) fn waits(plan: &mut Plan) {
    let case = plan.case();
    let mut waits: Vec<Wait> = Vec::new();
    // What waits for nobody comes first; what is to be attested holds only itself, and the gate.
    let of_phases = plan.changes.as_slice().chunk_by(|one, next| one.phase == next.phase);
    for changes in of_phases {
        let phase = changes[0].phase;
        let behind_the_gate = phase.is_behind_the_gate();
        let mut stops = |exit: Exit, until: String| {
            waits.push(Wait { exit: exit.code(), until, behind_the_gate });
        };
        if let Some(people) = plan.approvals.get(&phase) {
            let approvals = counted(*people, "approval");
            stops(
                Exit::Waiting,
                format!(
                    "before `{phase}`, until it has {approvals}: `portcullis approve {case} {phase}`"
                ),
            );
        }
        let asked: Vec<&Change> =
            changes.iter().filter(|one| catalog::of(one).asks(&one.decided).is_some()).collect();
        if let Some(first) = asked.first() {
            let named: Vec<String> =
                asked.iter().take(NAMED).map(|one| format!("{} ({})", one.id, one.what)).collect();
            let more = asked.len() - named.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let which = if asked.len() == 1 { first.id.as_str() } else { "CHANGE" };
            let then = if behind_the_gate || !plan.has_a_gate() {
                ""
            } else {
                ", with all else cut, and nothing handed out"
            };
            stops(
                Exit::Held,
                format!(
                    "in `{phase}`{then}, until somebody does and attests {}{more}: `portcullis attest {case} {which}`",
                    named.join(", ")
                ),
            );
        }
        let mut expiring: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for change in changes {
            let of = change.effects.iter().filter_map(|effect| match effect {
                Effect::Lifts { subject, barrier: Barrier::SessionsSecondPass } => {
                    subject.principal()
                }
                _ => None,
            });
            for principal in of {
                let hours = longest_session(&principal).as_hours();
                expiring.entry(hours).or_default().push(format!("{} ({principal})", change.id));
            }
        }
        for (hours, lifts) in expiring {
            let more = lifts.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = lifts.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            stops(
                Exit::Held,
                format!(
                    "at {named}{more}, until {hours} hours after the last pass over those sessions, which may live so \
                     long: `portcullis resume {case}`"
                ),
            );
        }
    }
    // What is held before the gate comes to nothing behind it.
    if plan.stays_shut {
        waits.retain(|wait| !wait.behind_the_gate);
    }
    plan.waits = waits;
}

/// Whether the gate stays shut whatever goes well: until somebody answers for what stays open, or allows a cut that is
/// refused. What is refused behind it stops only that.
pub(super) fn stays_shut(plan: &Plan) -> bool {
    let refused = |change: &Change| change.is_refused() && !change.is_gated();
    plan.has_a_gate() && (!left_open(plan).is_empty() || plan.pending().any(refused))
}

/// Steps that are there to cut, of which none cuts anybody: that is seldom what was meant, and proves nothing.
pub(super) fn cuts_nobody(playbook: &Playbook, plan: &mut Plan) {
    let is_to_cut = |step: &&Step| {
        let action = catalog::find(&step.uses);
        action.is_some_and(|action| action.shape().effects.contains(&EffectKind::Cuts))
    };
    let steps: Vec<String> =
        playbook.steps.iter().filter(is_to_cut).map(|step| format!("`{}`", step.id)).collect();
    // Of several accounts one may have nobody in it to be cut.
    if steps.is_empty() || plan.together.is_some() || plan.changes.iter().any(Change::cuts) {
        return;
    }
    let more = steps.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named = steps.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let (of, cut) = if steps.len() == 1 { ("step", "cuts") } else { ("steps", "cut") };
    plan.warnings.push(format!(
        "nothing is cut: {of} {named}{more} {cut} nobody here. Where somebody is to be cut, see what selects him, and whether \
         {} is the account",
        plan.account
    ));
}

/// A phase that deletes for good, without anybody's approval.
pub(super) fn unapproved(plan: &mut Plan) {
    let destroy = Phase::Destroy;
    let deletes = plan.changes.iter().any(|change| change.phase == destroy);
    if deletes && !plan.approvals.contains_key(&destroy) {
        plan.warnings.push(
            "phase `destroy` deletes for good, and the playbook asks for nobody's approval: \
             `approvals: { destroy: 2 }`"
                .to_owned(),
        );
    }
}

/// A key that was given and that its owner does not have any more: deleting it ended no session it minted, and
/// whoever typed it may have meant another.
pub(super) fn vanished_keys(plan: &mut Plan, inventory: &Inventory) {
    let given = plan.inputs.values().filter_map(|value| AccessKeyId::parse(value.as_str()?).ok());
    let vanished = given.filter_map(|id| {
        let owner = &inventory.access_key_last_used(&id).ok()?.as_ref()?.user;
        let keys = inventory.access_keys(owner).ok()?;
        (plan.users().any(|user| user == owner) && keys.iter().all(|key| key.id != id)).then(|| {
            format!(
                "{id} was a key of {owner} and is not among the keys he has: somebody has deleted it. What was \
                 minted from it may live on"
            )
        })
    });
    let warnings: Vec<String> = vanished.collect();
    plan.warnings.extend(warnings);
}

/// Lifts that will wait for a person to change something, said in advance: cuts must not wait for them.
pub(super) fn lifts(plan: &mut Plan) {
    let mut warnings = Vec::new();
    let mut cut = cut_by_itself(plan);
    // A password that is set anew has the place of the old one.
    let effects = plan.changes.iter().flat_map(|change| &change.effects);
    cut.extend(effects.filter_map(|effect| match effect {
        Effect::Issues { replaces: Some(anew @ Credential::Password { .. }), .. } => Some(anew),
        _ => None,
    }));
    let mut held: BTreeMap<_, Vec<&Credential>> = BTreeMap::new();
    for credential in &plan.credentials {
        held.entry(credential.principal()).or_default().push(credential);
    }
    for change in &plan.changes {
        for effect in &change.effects {
            let Effect::Lifts { subject, barrier } = effect else { continue };
            if barrier.is_of_sessions() {
                continue;
            }
            let otherwise = |credential: &Credential| {
                cut.contains(credential)
                    || *barrier == Barrier::Network && stays_quarantined(plan, credential)
            };
            for credential in held.get(&subject.principal()).into_iter().flatten().copied() {
                match credential {
                    Credential::Unlisted { operation, .. } => {
                        warnings.push(if plan.accepted_gaps.contains(operation) {
                            format!(
                                "{} lifts although {operation} shows nothing: accepted for this plan",
                                change.id
                            )
                        } else {
                            format!(
                                "{} will be held: {credential} is not known. Allow {operation}, or plan with \
                                 --accept-gap {operation}",
                                change.id
                            )
                        });
                    }
                    credential if plan.trust_in(credential).is_some() => {}
                    credential if !otherwise(credential) => warnings.push(format!(
                        "{} will be held: nothing but the {} blocks the {credential}",
                        change.id,
                        if *barrier == Barrier::Network { "restriction" } else { "quarantine" }
                    )),
                    _ => {}
                }
            }
        }
    }
    plan.warnings.extend(warnings);
}

/// What AWS would refuse, said in advance: it stops that change alone, and no cut waits for it.
pub(super) fn refusals(plan: &mut Plan) {
    let mut refused: BTreeMap<&str, Vec<&ChangeId>> = BTreeMap::new();
    for change in plan.changes.iter().filter(|change| !change.already) {
        for permission in &change.permissions {
            if permission.have == Have::Cannot && permission.only_if.is_none() {
                refused.entry(&permission.action).or_default().push(&change.id);
            }
        }
    }
    if refused.is_empty() {
        return;
    }
    let named = refused.iter().take(NAMED).map(|(action, changes)| {
        let more = match changes.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        format!("{action} ({}{more})", changes[0])
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match refused.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(" and {}", counted(n, "other action")),
    };
    plan.warnings.push(format!(
        "{} is not allowed to {named}{more}; what can be cut is cut all the same",
        plan.caller
    ));
    let missed: Vec<String> = passes_that_miss(plan).take(NAMED).collect();
    plan.warnings.extend(missed);
}

/// Second passes over sessions that are made without a cut that they come behind, where nothing else that is allowed keeps
/// whoever can mint from it.
fn passes_that_miss(plan: &Plan) -> impl Iterator<Item = String> {
    let is_stopped = |minter: &Credential| {
        plan.trust_in(minter).is_some()
            || plan.changes.reaching(minter).filter(|cut| !cut.is_refused()).any(|cut| {
                cut.effects.iter().any(|effect| {
                    matches!(effect, Effect::Cuts { subject, barrier }
                        if (barrier.stops_minting() || *barrier == Barrier::SessionsSecondPass)
                            && subject.covers(minter))
                })
            })
    };
    plan.changes.iter().filter_map(move |pass| {
        let refused = pass.comes_behind().filter_map(|need| plan.change(&need.change));
        let refused = refused.filter(|cut| cut.is_refused());
        let left = refused.flat_map(|cut| reached(plan, cut).map(move |minter| (cut, minter)));
        let mut left = left.filter(|(_, minter)| minter.mints() && !is_stopped(minter));
        let (cut, minter) = left.next()?;
        Some(format!(
            "{} is made without {}: sessions that the {minter} mints behind it are not denied until that is done, and it is \
             made once more",
            pass.id, cut.id
        ))
    })
}

/// As much as is known of it: a cut that is not allowed is held.
fn what_will_be_cut(plan: &Plan) -> &'static str {
    let held = |change: &Change| change.cuts() && change.is_refused();
    if plan.changes.iter().any(held) { "What is allowed" } else { "Everything" }
}

/// What no step cuts of what people in scope hold: it stays open, and nothing is handed out while it does. The gate asks
/// the same of the ledger.
pub fn left_open(plan: &Plan) -> Vec<&Credential> {
    let stays_open = |credential: &&Credential| {
        let accepted = matches!(credential, Credential::Unlisted { operation, .. }
            if plan.accepted_gaps.contains(operation));
        // A value that is known cannot be cut.
        !accepted
            && !matches!(credential, Credential::SecretValue { .. })
            && plan.trust_in(credential).is_none()
            && !plan.changes.reaching(credential).any(|cut| cut.keeps_out(credential))
    };
    plan.credentials.iter().filter(stays_open).collect()
}

/// Says what stays open.
fn tell_left_open(plan: &mut Plan) {
    let open: Vec<String> = left_open(plan).iter().map(ToString::to_string).collect();
    if open.is_empty() {
        return;
    }
    let more = open.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named = open.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let what_comes = if plan.has_a_gate() {
        "the gate will stay shut, and nothing will be issued, until a step cuts it or somebody answers for it"
    } else {
        "it stays open, and unaccounted for, until a step cuts it or somebody answers for it"
    };
    plan.warnings.push(format!("no step cuts the {named}{more}: {what_comes}"));
}

/// What is made to try the cuts on, and will not be removed again.
fn canaries(plan: &mut Plan) {
    let Some(canary) = plan.canary.as_ref().filter(|canary| !canary.stays.is_empty()) else {
        return;
    };
    // What cannot be made need not be removed.
    if canary.tries.iter().all(|tried| canary.in_vain.contains_key(tried)) {
        return;
    }
    plan.warnings.push(format!(
        "what is made under {CANARY_PATH} to try the cuts on is not removed again: {} is not allowed to {} there. Allow it \
         before you run, or delete it by hand when the case is closed; it may make one harmless call",
        canary.stays.join(", "),
        plan.caller
    ));
}

/// Cuts that nothing will show to be enforced, because what that takes is not allowed.
fn tried_in_vain(plan: &mut Plan) {
    let Some(canary) = plan.canary.as_ref().filter(|canary| !canary.in_vain.is_empty()) else {
        return;
    };
    let missing: BTreeSet<&str> = canary.in_vain.values().flatten().map(String::as_str).collect();
    let missing: Vec<&str> = missing.into_iter().collect();
    let all = canary.tries.iter().all(|tried| canary.in_vain.contains_key(tried));
    let what = if all {
        "no cut can be shown enforced".to_owned()
    } else {
        let mechanisms: Vec<&str> = canary.in_vain.keys().map(String::as_str).collect();
        format!("what is cut so cannot be shown enforced: {}", mechanisms.join("; "))
    };
    let warning = format!(
        "{what}: {} is not allowed to {} on users and roles under {CANARY_PATH}. {} will be cut, the gate will stay shut, \
         and nothing will be issued. Allow it before you run; `--gate settled` lowers the gate for one run",
        missing.join(", "),
        plan.caller,
        what_will_be_cut(plan)
    );
    plan.warnings.push(warning);
}

pub(super) fn gate(plan: &mut Plan) {
    tell_left_open(plan);
    canaries(plan);
    if !plan.has_a_gate() {
        return;
    }
    if plan.gate.proof > Proof::Settled {
        match &plan.canary {
            Some(_) => tried_in_vain(plan),
            None => plan.warnings.push(format!(
                "the gate asks for {} proof, and no cut of this plan can be tried. {} will be cut, the \
                 gate will stay shut, and nothing will be issued. `--gate settled` lowers it for one run",
                plan.gate.proof,
                what_will_be_cut(plan)
            )),
        }
    }
    if plan.gate.margin_seconds < LEAST_SENSIBLE_MARGIN {
        plan.warnings.push(format!(
            "a margin of {} s is shorter than cuts may take to be enforced (seconds, at times minutes)",
            plan.gate.margin_seconds
        ));
    }
}
