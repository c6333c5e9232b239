//! What people are asked about a way in that nothing in the plan cuts: how it can be cut, and whose word lets it be.
//!
//! Chooses nothing, and looks at nothing. Where the case lies and as whom the run was called is not known here: commands
//! name the case as [`Plan::case`] does.

use crate::ids::Principal;
use crate::journal::{CutOff, State};
use crate::ledger;
use crate::plan::{Change, Credential, Effect, Plan, Subject};

/// What speaks against the gate where nothing cuts `credential`, of somebody who has come since or not.
pub(super) fn uncut(plan: &Plan, state: &State, credential: &Credential, has_come: bool) -> String {
    let since = if let Some(let_in) = ledger::on_a_word_no_more(plan, state, credential) {
        &format!(", which was let in again {let_in}")
    } else if plan.was_left_open(credential) {
        ", which an earlier case of the account has left open"
    } else if plan.is_in_reach(credential) {
        ", which somebody in scope may have, and which may read what is handed out"
    } else if has_come {
        ", which has come since the account was first surveyed"
    } else {
        ""
    };
    let (case, typed) = (plan.case(), credential.typed());
    format!(
        "nothing cuts the {credential}{since}. {}. What is done outside this case is not seen by it: it says so until \
         somebody answers for it (`portcullis waive {case} {typed} --until 7d --reason TEXT`) or has it cleared \
         (`portcullis clear {case} {typed} --reason TEXT`). Then resume",
        by_itself(plan, credential)
    )
}

/// What speaks against the gate where a cut of an earlier case stands no more.
pub(super) fn off_before(plan: &Plan, cut: &CutOff) -> String {
    let (id, case, target) = (&cut.change, plan.case(), &cut.target);
    let again = cut.credentials.first().map(|credential| by_itself(plan, credential));
    let again = again.map_or(String::new(), |again| format!(". {again}"));
    let typed: Vec<String> = cut.credentials.iter().map(Credential::typed).collect();
    let answer = match &*typed.join(" ") {
        "" => String::new(),
        typed => format!(
            ", or once somebody answers for what it kept out (`portcullis waive {case} {typed} --until 7d --reason TEXT`)"
        ),
    };
    if cut.never_seen {
        // Nobody is accused of what may never have been made.
        return format!(
            "{id} ({target}, {}) of the earlier case {} {} ({}): what it was to keep out is let in, and no step of this \
             plan cuts it{again}. Once it stands{answer}: resume",
            cut.what,
            cut.case,
            cut.told(),
            cut.why
        );
    }
    format!(
        "{id} ({target}, {}) of the earlier case {} stands no more ({}): somebody who can take it off is still inside. Find \
         out who (CloudTrail, changes to {target}), and cut him too{again}. Once it stands again{answer}: resume",
        cut.what, cut.case, cut.why
    )
}

/// What is typed when a person has done what `change` asks; `again`, where somebody has said so before, and what is tried
/// does not bear him out.
pub(super) fn to_attest(plan: &Plan, change: &Change, again: bool) -> String {
    let case = plan.case();
    let attest = format!("then: portcullis attest {case} {}", change.id);
    let way_in = change.effects.iter().find_map(|effect| match effect {
        Effect::Cuts { subject: Subject::Credential { credential }, .. } => {
            Some(credential.typed())
        }
        _ => None,
    });
    match way_in.filter(|_| again) {
        Some(typed) => format!(
            "{attest}; or, where it cannot be tried from here, answer for it: portcullis waive {case} {typed} --until \
             7d --reason TEXT"
        ),
        None => attest,
    }
}

/// How it is cut outside the case: no wider than it is, or with all that goes with it.
fn by_itself(plan: &Plan, credential: &Credential) -> String {
    let there = plan.entered_by().map_or(String::new(), |role| format!(" --role-arn {role}"));
    let cut = |what: &str| format!("`portcullis cut{there} {what}`");
    let session = |whose: String| {
        let (partition, account) = (plan.caller.partition(), &plan.account);
        cut(&format!("--session arn:{partition}:iam::{account}:{whose}"))
    };
    match (credential, credential.principal()) {
        (Credential::AccessKey { id, user }, _) => format!(
            "Cut it with its sessions: {}; or all of {user}: {}",
            cut(&format!("--access-key {id} --narrow")),
            cut(&format!("--user={user}"))
        ),
        (Credential::Sessions { user }, _) => format!(
            "Deny those so far: {}; or cut all of {user}: {}",
            session(format!("user/{user}")),
            cut(&format!("--user={user}"))
        ),
        (Credential::RoleSessions { role }, _) => format!(
            "Deny those so far: {}; or cut all of role {role}: {}",
            session(format!("role/{role}")),
            cut(&format!("--role={role}"))
        ),
        (Credential::Admission { role, .. }, _) => format!(
            "Have the role's trust policy admit nobody who should not be, by hand, and deny the sessions so far: {}; \
             or cut all of role {role}: {}",
            session(format!("role/{role}")),
            cut(&format!("--role={role}"))
        ),
        (Credential::Reader { secret, .. }, _) => format!(
            "Find out who put it there (CloudTrail: PutResourcePolicy, RotateSecret), take it off by hand (`aws \
             secretsmanager get-resource-policy --secret-id {secret}`), and cut him too; what is in the secret he may have read"
        ),
        (
            Credential::Unlisted { operation, .. } | Credential::NotUnderstood { operation, .. },
            Some(Principal::User(user)),
        ) => format!(
            "Have {operation} tell what there is; or cut all of {user}: {}",
            cut(&format!("--user={user}"))
        ),
        (_, Some(Principal::User(user))) => format!(
            "Take it away by hand (console: IAM > Users > {user} > Security credentials); or cut all of {user}: {}",
            cut(&format!("--user={user}"))
        ),
        _ => "See to it by hand".to_owned(),
    }
}
