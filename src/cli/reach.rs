//! Reaching the account that a plan is for, as somebody who may carry it out.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::doctor::break_glass_beside;
use super::exit::{Exit, Failure};
use super::live::Live;
use super::overtaken::{Doing, not_overtaken};
use super::{args, sources, view};
use crate::clock::Clock;
use crate::cloud::{Connection, Lasts};
use crate::ids::StepId;
use crate::inventory::Caller;
use crate::plan::{Plan, SavedPlan};
use crate::playbook::FirstCut;

/// Connects to where `saved` is for, as somebody who may carry it out. What is minted from here on bears the name of the
/// case in `dir`.
pub(super) async fn reach(
    access: &args::Access,
    dir: &Path,
    saved: &SavedPlan,
    doing: Doing,
) -> Result<(Live, Caller), Failure> {
    not_overtaken(dir, saved, doing, &access.there())?;
    // Before anything is sent to where it was not meant to go.
    goes_there(&saved.plan, access.endpoint_url.as_deref())?;
    let mut live = Live::connect(access).await?;
    live.work_on(dir).await;
    // Break-glass was asked about when it was planned: what was begun can be looked at and taken back.
    let mut caller = live.begin().await?.caller;
    fits(saved, &caller, access.endpoint_url.as_deref())?;
    // What a later round adds leaves it standing.
    caller.break_glass = break_glass_beside(dir);
    remaining(&live.connection, std::slice::from_ref(saved), live.clock).await;
    Ok((live, caller))
}

/// Says how long the credentials last, before a run.
pub(super) async fn remaining(connection: &Connection, plans: &[SavedPlan], clock: Clock) {
    let Some(lasting) = Lasting::of(connection, plans, clock).await else { return };
    let line = lasting.line();
    if lasting.is_too_short() { view::err(&line) } else { view::note(&line) }
}

/// How long the responder's credentials last, beside how long a run takes. They are got anew where that goes without a
/// person; where it does not, a run stops and resumes. It is of whoever asks, and so it stands in no plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasting {
    /// When they end, and in how many seconds; `None` of a session of which nobody has said it.
    ends: Option<(Timestamp, u64)>,
    /// Seconds.
    needed: u64,
}

impl Lasting {
    /// `None` where they do not end by themselves. Accounts are worked on side by side.
    pub(super) async fn of(
        connection: &Connection,
        plans: &[SavedPlan],
        clock: Clock,
    ) -> Option<Self> {
        let left = |ends: Timestamp| ends.duration_since(clock.now()).as_secs();
        let ends = match connection.credentials_last().await? {
            Lasts::Until(ends) => Some((ends, u64::try_from(left(ends)).unwrap_or(0))),
            Lasts::NobodyKnows => None,
            Lasts::WithoutEnd => return None,
        };
        let needed = plans.iter().map(|saved| saved.plan.estimate.seconds).max()?;
        Some(Self { ends, needed })
    }

    pub(super) fn is_too_short(self) -> bool {
        self.ends.is_some_and(|(_, left)| left < self.needed)
    }

    pub(super) fn line(self) -> String {
        let needed = view::duration(self.needed);
        let Some((_, left)) = self.ends else {
            return format!(
                "The credentials are a session's, and nobody knows when that ends; the run takes about {needed}. Where they \
                 end on the way, it stops and resumes.\n"
            );
        };
        let left = view::duration(left);
        let line = format!("The credentials last for {left}; the run takes about {needed}.");
        if !self.is_too_short() {
            return format!("{line}\n");
        }
        format!("{line} They will be got anew on the way, or the run stops and resumes.\n")
    }

    pub(super) fn as_json(self) -> Value {
        json!({
            "end_at": self.ends.map(|(at, _)| at),
            "seconds_left": self.ends.map(|(_, left)| left),
            "seconds_needed": self.needed,
            "suffice": self.ends.map(|_| !self.is_too_short()),
        })
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
    // Of a first cut there is no playbook that anybody has seen.
    let place_of = |step: &StepId| {
        let shown = format!("{}, in the plan", plan.playbook);
        let is_seen = plan.playbook != FirstCut::NAME;
        let playbook = is_seen.then(|| sources::of_plan(&shown, saved)).flatten()?;
        Some(playbook.step(step)?.place.clone())
    };
    let warnings = crate::planning::refuse_lock_out(plan, &saved.inventory, caller, &place_of)
        .map_err(|problem| {
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
