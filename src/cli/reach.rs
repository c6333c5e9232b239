//! Reaching the account that a plan is for, as somebody who may carry it out.

use std::path::Path;

use super::doctor::break_glass_beside;
use super::exit::{Exit, Failure};
use super::live::Live;
use super::overtaken::{Doing, not_overtaken};
use super::{args, view};
use crate::clock::Clock;
use crate::cloud::Connection;
use crate::inventory::Caller;
use crate::plan::{Plan, SavedPlan};

/// Connects to where `saved` is for, as somebody who may carry it out. What is minted from here on bears the name of the
/// case in `dir`.
pub(super) async fn reach(
    access: &args::Access,
    dir: &Path,
    saved: &SavedPlan,
    doing: Doing,
) -> Result<(Live, Caller), Failure> {
    not_overtaken(dir, saved, doing, &access.there())?;
    let live = Live::connect(access).await?;
    live.work_on(dir).await;
    // Break-glass was asked about when it was planned: what was begun can be looked at and taken back.
    let mut caller = live.begin().await?.caller;
    fits(saved, &caller, access.endpoint_url.as_deref())?;
    // What a later round adds leaves it standing.
    caller.break_glass = break_glass_beside(dir);
    remaining(&live.connection, saved, live.clock).await;
    Ok((live, caller))
}

/// Says how long the credentials last, where that may not be long enough. They are got anew where that goes
/// without a person; where it does not, a run stops and resumes.
pub(super) async fn remaining(connection: &Connection, saved: &SavedPlan, clock: Clock) {
    let Some(ends) = connection.credentials_end_at().await else { return };
    let left = u64::try_from(ends.duration_since(clock.now()).as_secs()).unwrap_or(0);
    let needed = saved.plan.estimate.seconds;
    let line = format!(
        "The credentials last for {}; the run takes about {}.",
        view::duration(left),
        view::duration(needed)
    );
    if left < needed {
        view::err(&format!(
            "{line} They will be got anew on the way, or the run stops and resumes.\n"
        ));
    } else {
        view::note(&format!("{line}\n"));
    }
}

/// Whether a saved plan is for this account and this endpoint.
pub(super) fn fits(
    saved: &SavedPlan,
    caller: &Caller,
    endpoint: Option<&str>,
) -> Result<(), Failure> {
    let plan = &saved.plan;
    if plan.account != caller.account {
        return Err(Failure::new(
            Exit::Refused,
            format!(
                "the plan is for account {}, and these credentials are for account {}",
                plan.account, caller.account
            ),
            format!("use credentials of account {}", plan.account),
        ));
    }
    goes_there(plan, endpoint)?;
    let warnings =
        crate::planning::refuse_lock_out(plan, &saved.inventory, caller).map_err(|problem| {
            let next = "nothing was changed. Run it as somebody else";
            Failure::of(Exit::Refused, vec![problem], next)
        })?;
    for warning in warnings.iter().filter(|warning| !plan.warnings.contains(warning)) {
        view::err(&format!("{}\n", view::plain(warning)));
    }
    Ok(())
}

/// Whether a plan is for this endpoint.
pub(super) fn goes_there(plan: &Plan, endpoint: Option<&str>) -> Result<(), Failure> {
    if plan.endpoint.as_deref() != endpoint {
        let words = |endpoint: Option<&str>| endpoint.map_or("AWS".to_owned(), str::to_owned);
        return Err(Failure::new(
            Exit::Refused,
            format!(
                "the plan was made against {}, and this run would go to {}",
                words(plan.endpoint.as_deref()),
                words(endpoint)
            ),
            match &plan.endpoint {
                Some(url) => format!("give --endpoint-url {url}"),
                None => "leave --endpoint-url out".to_owned(),
            },
        ));
    }
    Ok(())
}
