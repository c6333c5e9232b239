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
use crate::inventory::{Caller, Inventory, Origin};
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
    /// Why it could not be entered, where it could not.
    pub(super) shut: Option<NoWayIn>,
}

/// Why an account could not be entered, and what lets one in.
pub(super) struct NoWayIn {
    pub(super) why: String,
    pub(super) next: String,
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
    let entered = enter_each(home, begun, clock, external_ids, roles).await;
    let mut ways = vec![Way::at_home(home, begun)];
    let (mut shut_out, mut was_refused) = (Vec::new(), false);
    for (role, entered) in roles.iter().zip(entered) {
        match entered {
            Ok(way) => ways.push(way),
            Err(shut) => {
                was_refused |= shut.refused;
                shut_out.push(format!("account {} as {role}: {}", role.account(), shut.why));
            }
        }
    }
    if shut_out.is_empty() {
        return Ok(ways);
    }
    Err(Failure::new(
        Exit::Refused,
        format!("cannot enter {}; nothing was changed", shut_out.join("; ")),
        format!(
            "{}; or leave the account out of `accounts`, and see to it by itself",
            to_be_let_in(&begun.caller.arn, was_refused)
        ),
    ))
}

/// Enters the accounts of a case that was begun. One that cannot be entered keeps nobody from working on the others: who
/// we are there is taken from its plan, and its run stops at its first call unless it can be entered by then.
async fn enter_again(
    home: &Connection,
    begun: &Inventory,
    clock: Clock,
    external_ids: &[(AccountId, String)],
    plans: &[SavedPlan],
) -> Vec<Way> {
    let roles = roles_of(&plans[0]);
    let entered = enter_each(home, begun, clock, external_ids, &roles).await;
    let mut ways = vec![Way::at_home(home, begun)];
    for ((role, saved), entered) in roles.iter().zip(&plans[1..]).zip(entered) {
        ways.push(match entered {
            Ok(way) => way,
            Err(Shut { elsewhere, why, refused }) => {
                let account = &saved.plan.account;
                let others = "The other accounts are gone on with";
                let told =
                    format!("Account {account} cannot be entered as {role}: {why}. {others}");
                view::err(&format!("{}\n", view::plain(&told)));
                let mut there = Inventory::new(saved.inventory.caller.clone(), clock.now());
                is_from(&mut there.caller, &begun.caller);
                Way {
                    connection: elsewhere.later(account).await,
                    begun: there,
                    elsewhere: Some(elsewhere),
                    shut: Some(NoWayIn {
                        why: format!("it cannot be entered as {role}: {why}"),
                        next: to_be_let_in(&begun.caller.arn, refused),
                    }),
                }
            }
        });
    }
    ways
}

/// Tries to enter the account of each role.
async fn enter_each(
    home: &Connection,
    begun: &Inventory,
    clock: Clock,
    external_ids: &[(AccountId, String)],
    roles: &[Arn],
) -> Vec<Result<Way, Shut>> {
    let one = async |role: &Arn| -> Result<Way, Shut> {
        let asked = external_ids.iter().find(|(of, _)| of.as_str() == role.account());
        let elsewhere = home.elsewhere(role, asked.map(|(_, id)| id.as_str()));
        let shut = |(why, refused)| Shut { elsewhere: elsewhere.clone(), why, refused };
        let (connection, key) = elsewhere.enter().await.map_err(|error| shut(said_of(&error)))?;
        let begun_there = survey::begin(connection.read(), clock, key).await;
        let mut there = begun_there.map_err(|error| shut(said_of(&error.0)))?;
        if there.caller.account.as_str() != role.account() {
            return Err(shut((format!("it leads into account {}", there.caller.account), true)));
        }
        is_from(&mut there.caller, &begun.caller);
        Ok(Way { connection, begun: there, elsewhere: Some(elsewhere), shut: None })
    };
    join_all(roles.iter().map(one)).await
}

/// An account that could not be entered.
struct Shut {
    elsewhere: Elsewhere,
    why: String,
    refused: bool,
}

/// Whoever is `there` has come from `home`.
fn is_from(there: &mut Caller, home: &Caller) {
    let arn = Some(home.arn.clone());
    let how = format!("credentials of {}", home.arn);
    there.came_from = vec![Origin { how, arn, access_key_id: home.access_key_id.clone() }];
    there.came_from.extend(home.came_from.iter().cloned());
    there.break_glass.clone_from(&home.break_glass);
}

/// Why there is no way in, and whether that was said by whoever answered: of who got no answer nothing is known.
fn said_of(error: &CallError) -> (String, bool) {
    let unheard = matches!(error.cause, Cause::Lost | Cause::Unavailable | Cause::Throttled);
    let unsent = error.cause == Cause::NotSent && error.code == NO_CONNECTION;
    (error.to_string(), !unheard && !unsent)
}

/// What lets `caller` into the accounts that he could not enter.
fn to_be_let_in(caller: &Arn, was_refused: bool) -> String {
    if !was_refused {
        return "it did not answer, and refused nobody: see to the network on the way there (endpoint, proxy), or wait, and \
                try again"
            .to_owned();
    }
    format!(
        "have the role's trust policy admit {caller}, and let that assume it (sts:AssumeRole); where it asks for an \
         external id: --external-id-of ACCOUNT=ID"
    )
}

/// A case of several accounts that is taken up again: every account entered that can be, and found to be the one of its
/// plan.
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

/// Which accounts must be let into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Entering {
    /// All of them: nothing was begun yet, and nothing is.
    All,
    /// Home; another that does not let in is stopped, and the rest is gone on with.
    AsManyAsMayBe,
}

/// Reaches the accounts of the case in `dir`, which `plans` are for, and goes on from there.
pub(super) fn reach(
    dir: &Path,
    access: &args::Access,
    plans: &[SavedPlan],
    (doing, entering): (Doing, Entering),
    go_on: impl AsyncFnOnce(Reached<'_>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let enter = async |home: &Connection, begun: &Inventory, clock: Clock| {
        let ids = &access.external_id_of;
        match entering {
            Entering::All => enter(home, begun, clock, ids, &roles_of(&plans[0])).await,
            Entering::AsManyAsMayBe => Ok(enter_again(home, begun, clock, ids, plans).await),
        }
    };
    if rehearse::is_rehearsal(dir)? {
        return view::virtual_runtime().block_on(async {
            let (cloud, clock) = rehearse::world_of(dir)?;
            let (home, begun, clock) = rehearse::begin(&cloud, clock).await?;
            let ways = enter(&home, &begun, clock).await?;
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
        let mut ways = enter(home, &begun, clock).await?;
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
    fn at_home(home: &Connection, begun: &Inventory) -> Self {
        Self { connection: home.clone(), begun: begun.clone(), elsewhere: None, shut: None }
    }

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
                if self.shut.is_none() {
                    self.connection.replace_credentials().await;
                }
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
            let (_, refused) = said_of(&error(cause, code));
            let next = to_be_let_in(&caller, refused);
            assert_eq!(next.contains("trust policy"), trust, "{cause:?}: {next}");
            assert_eq!(next.contains("network"), !trust, "{cause:?}: {next}");
        }
    }
}
