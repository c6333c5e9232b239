//! Entering the accounts: home, and every other through the role that the playbook names for it.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::future::join_all;
use serde_json::Value;

use super::belong::position;
use super::several::Account;
use crate::case::Case;
use crate::cli::doctor::break_glass_beside;
use crate::cli::exit::{Exit, Failure};
use crate::cli::live::Live;
use crate::cli::overtaken::{Doing, not_overtaken};
use crate::cli::reach::{fits, remaining};
use crate::cli::responder::session_name;
use crate::cli::there::There;
use crate::cli::{args, rehearse, view};
use crate::clock::Clock;
use crate::cloud::{CallError, Cause, Connection, Elsewhere, NO_CONNECTION};
use crate::ids::{AccountId, Arn};
use crate::inventory::{Inventory, Origin};
use crate::plan::SavedPlan;
use crate::playbook::Playbook;
use crate::sim::Cloud;
use crate::survey;

/// One account, and how it is reached.
pub(in crate::cli) struct Way {
    pub(super) connection: Connection,
    /// What an inventory of it begins with: who we are there.
    pub(super) begun: Inventory,
    /// The role we are there by, where it is not home.
    pub(super) elsewhere: Option<Elsewhere>,
}

/// The roles in other accounts that a playbook names, none of them at home.
pub(in crate::cli) fn named(
    playbook: &Playbook,
    inputs: &BTreeMap<String, Value>,
    home: &Inventory,
) -> Result<Vec<Arn>, Failure> {
    let roles = playbook.other_accounts(inputs, home).map_err(|problem| {
        let next = "nothing was changed. Name the accounts as above";
        Failure::of(Exit::Refused, vec![problem], next)
    })?;
    let own = &home.caller.account;
    match roles.iter().find(|role| role.account() == own.as_str()) {
        None => Ok(roles),
        Some(role) => Err(Failure::new(
            Exit::Refused,
            format!(
                "account {own} is the one that these credentials are of, and {role} is named for it"
            ),
            format!(
                "leave it out of `accounts`: steps are taken in it as it is; to work in it as that role: --role-arn \
                 {role}"
            ),
        )),
    }
}

/// Enters every account, home first. One that cannot be entered is no account to be left out silently.
pub(in crate::cli) async fn enter(
    home: &Connection,
    begun: &Inventory,
    clock: Clock,
    external_ids: &[(AccountId, String)],
    roles: &[Arn],
) -> Result<Vec<Way>, Failure> {
    let one = async |role: &Arn| -> Result<Way, (String, bool)> {
        let asked = external_ids.iter().find(|(of, _)| of.as_str() == role.account());
        let elsewhere = home.elsewhere(role, asked.map(|(_, id)| id.as_str()));
        let (connection, key) = elsewhere.enter().await.map_err(|error| shut(&error))?;
        let begun_there = survey::begin(connection.read(), clock, key).await;
        let mut there = begun_there.map_err(|error| shut(&error.0))?;
        if there.caller.account.as_str() != role.account() {
            return Err((format!("it leads into account {}", there.caller.account), true));
        }
        let from = &begun.caller;
        there.caller.came_from.push(Origin {
            how: format!("credentials of {}", from.arn),
            arn: Some(from.arn.clone()),
            access_key_id: from.access_key_id.clone(),
        });
        there.caller.came_from.extend(from.came_from.iter().cloned());
        there.caller.break_glass.clone_from(&from.break_glass);
        Ok(Way { connection, begun: there, elsewhere: Some(elsewhere) })
    };
    let entered = join_all(roles.iter().map(one)).await;
    let mut ways = vec![Way { connection: home.clone(), begun: begun.clone(), elsewhere: None }];
    let (mut shut_out, mut was_refused) = (Vec::new(), false);
    for (role, entered) in roles.iter().zip(entered) {
        match entered {
            Ok(way) => ways.push(way),
            Err((why, refused)) => {
                was_refused |= refused;
                shut_out.push(format!("account {} as {role}: {why}", role.account()));
            }
        }
    }
    if shut_out.is_empty() {
        return Ok(ways);
    }
    Err(Failure::new(
        Exit::Refused,
        format!("cannot enter {}; nothing was changed", shut_out.join("; ")),
        to_be_let_in(&begun.caller.arn, was_refused),
    ))
}

/// Why there is no way in, and whether that was said by whoever answered: of who got no answer nothing is known.
fn shut(error: &CallError) -> (String, bool) {
    let unheard = matches!(error.cause, Cause::Lost | Cause::Unavailable | Cause::Throttled);
    let unsent = error.cause == Cause::NotSent && error.code == NO_CONNECTION;
    (error.to_string(), !unheard && !unsent)
}

/// What lets `caller` into the accounts that he could not enter.
fn to_be_let_in(caller: &Arn, was_refused: bool) -> String {
    let by_itself = "or leave the account out of `accounts`, and see to it by itself";
    if !was_refused {
        return format!(
            "it did not answer, and refused nobody: see to the network on the way there (endpoint, proxy), or wait, and try \
             again; {by_itself}"
        );
    }
    format!(
        "have the role's trust policy admit {caller}, and let that assume it (sts:AssumeRole); where it asks for an \
         external id: --external-id-of ACCOUNT=ID; {by_itself}"
    )
}

/// A case of several accounts that is taken up again: every account entered, and found to be the one of its plan.
pub(super) struct Reached<'a> {
    pub(super) ways: Vec<Way>,
    pub(super) clock: Clock,
    /// The account of whoever runs it, where it is real.
    pub(super) live: Option<&'a Live>,
    /// The world, where it is a rehearsal.
    pub(super) world: Option<&'a Cloud>,
    /// What must be typed behind a command so that it goes on as this run went.
    pub(super) there: There,
}

/// Reaches the accounts of the case in `dir`, which `plans` are for, and goes on from there.
pub(super) fn reach(
    dir: &Path,
    access: &args::Access,
    plans: &[SavedPlan],
    doing: Doing,
    go_on: impl AsyncFnOnce(Reached<'_>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let roles = roles_of(&plans[0]);
    if rehearse::is_rehearsal(dir)? {
        return view::virtual_runtime().block_on(async {
            let (cloud, clock) = rehearse::world_of(dir)?;
            let (home, begun, clock) = rehearse::begin(&cloud, clock).await?;
            let ways = enter(&home, &begun, clock, &access.external_id_of, &roles).await?;
            let world = Some(&cloud);
            let there = There::default();
            go_on(Reached { ways, clock, live: None, world, there }).await
        });
    }
    view::runtime().block_on(async {
        let mut live = Live::connect(access).await?;
        // Break-glass was asked about when it was planned: what was begun can be looked at and taken back.
        let begun = live.begin().await?;
        let endpoint = access.endpoint_url.as_deref();
        for saved in plans {
            not_overtaken(dir, saved, doing, &access.there())?;
        }
        fits(&plans[0], &begun.caller, endpoint)?;
        let (home, clock) = (&live.connection, live.clock);
        let mut ways = enter(home, &begun, clock, &access.external_id_of, &roles).await?;
        for (saved, way) in plans.iter().zip(&ways).filter(|(_, way)| way.elsewhere.is_some()) {
            fits(saved, &way.begun.caller, endpoint)?;
        }
        // What a later round adds leaves it standing.
        let break_glass = break_glass_beside(dir);
        for way in &mut ways {
            way.begun.caller.break_glass.clone_from(&break_glass);
        }
        remaining(home, plans, clock).await;
        let there = access.there();
        go_on(Reached { ways, clock, live: Some(&live), world: None, there }).await
    })
}

impl Reached<'_> {
    /// From here on it is the case in `dir` that is worked on: `cases`, and what they have come to.
    pub(super) async fn work_on(
        &mut self,
        dir: &Path,
        mut cases: Vec<Case>,
        plans: Vec<SavedPlan>,
    ) -> Vec<Account> {
        cases.sort_by_key(|case| position(&plans, case.dir()));
        let all = cases.into_iter().zip(plans).zip(std::mem::take(&mut self.ways));
        let accounts: Vec<Account> =
            all.map(|((case, saved), way)| Account { case, saved, way }).collect();
        if let Some(live) = self.live {
            for Account { way, .. } in &accounts {
                way.work_on(live, dir).await;
            }
        }
        accounts
    }
}

impl Way {
    /// The account it leads into.
    pub(in crate::cli) fn account(&self) -> &AccountId {
        &self.begun.caller.account
    }

    /// The way itself, and what an inventory of its account begins with.
    pub(in crate::cli) fn into_parts(self) -> (Connection, Inventory) {
        (self.connection, self.begun)
    }

    /// From here on the sessions that are minted bear the name of the case.
    async fn work_on(&self, live: &Live, dir: &Path) {
        match &self.elsewhere {
            None => live.work_on(dir).await,
            Some(elsewhere) => {
                let name = dir.file_name().unwrap_or_default().to_string_lossy();
                elsewhere.work_as(&session_name(&name));
                self.connection.replace_credentials().await;
            }
        }
    }
}

/// The roles that lead into the other accounts.
pub(super) fn roles_of(saved: &SavedPlan) -> Vec<Arn> {
    saved.plan.together.as_ref().map(|together| together.others.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Certainty;

    #[test]
    fn whoever_got_no_answer_is_not_told_to_change_whom_a_role_trusts() {
        let error = |cause, code: &str| CallError {
            operation: "sts:GetCallerIdentity".to_owned(),
            certainty: Certainty::DidNot,
            cause,
            code: code.to_owned(),
            message: String::new(),
        };
        let caller = Arn::parse("arn:aws:iam::111122223333:user/anna").unwrap();
        for (cause, code, trust) in [
            (Cause::Lost, "Lost", false),
            (Cause::Unavailable, "ServiceUnavailable", false),
            (Cause::NotSent, NO_CONNECTION, false),
            (Cause::Refused, "AccessDenied", true),
        ] {
            let (_, refused) = shut(&error(cause, code));
            let next = to_be_let_in(&caller, refused);
            assert_eq!(next.contains("trust policy"), trust, "{cause:?}: {next}");
            assert_eq!(next.contains("network"), !trust, "{cause:?}: {next}");
        }
    }
}
