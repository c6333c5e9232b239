//! `portcullis doctor`: what would fail tonight, said today.
//!
//! Looks at everything a run stands on and changes nothing: who we are, what we may do, whether the clocks
//! agree, where requests go, where cases are kept, and whether the break-glass credentials were ever tried. Each
//! is looked at by itself; what cannot be looked at says so.

use std::fmt::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::args::{self, Access, Format};
use super::exit::{Exit, Failure};
use super::live::Live;
use super::view::{self, Style};
use super::{diagnostics, permitted};
use crate::case;
use crate::cloud::Lasts;
use crate::ids::{AccessKeyId, Arn};
use crate::inventory::{Caller, Inventory, Origin};

/// AWS refuses requests whose time is off by five minutes.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(4);
/// What is compared with AWS's moments goes by AWS's clock as it was when a command began, so a little does no harm; a
/// clock that is off by more may be one that does not go right.
const CLOCKS_SLIGHTLY_APART: SignedDuration = SignedDuration::from_secs(30);
/// A case with its world and its journal takes some megabytes.
const ROOM_NEEDED: u64 = 16 << 20;
const ROOM_WISHED: u64 = 256 << 20;
/// Credentials that end within this are not worth beginning with.
const SHORT: SignedDuration = SignedDuration::from_mins(15);
/// After this long nobody knows any more whether break-glass still works.
const STALE: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Where it is kept, beside the cases, that break-glass was tried.
const BREAK_GLASS: &str = "break-glass.json";

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Standing {
    Good,
    Careful,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    standing: Standing,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Finding {
    pub(super) fn good(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, standing: Standing::Good, says: says.into(), next: None }
    }

    pub(super) fn careful(
        check: &'static str,
        says: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { check, standing: Standing::Careful, says: says.into(), next: Some(next.into()) }
    }

    pub(super) fn bad(
        check: &'static str,
        says: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { check, standing: Standing::Bad, says: says.into(), next: Some(next.into()) }
    }

    fn failed(check: &'static str, failure: &Failure) -> Self {
        Self::bad(check, failure.line(), failure.next())
    }
}

pub(super) fn doctor(args: &args::Doctor) -> Exit {
    let findings = view::runtime().block_on(async {
        let mut findings = vec![case_directory(&args.cases.cases)];
        let account = cloud(&args.access, &mut findings).await;
        findings.push(break_glass(args, account.as_ref()).await);
        findings
    });
    let bad = findings.iter().filter(|finding| finding.standing == Standing::Bad).count();
    let exit = if bad > 0 { Exit::Refused } else { Exit::Done };
    match args.format {
        Format::Json => view::out(&diagnostics::printed(&as_json(&findings, exit))),
        Format::Text => view::out(&text(&findings, bad)),
    }
    exit
}

fn as_json(findings: &[Finding], exit: Exit) -> Value {
    json!({"version": 1, "exit": exit.code(), "checks": findings})
}

fn text(findings: &[Finding], bad: usize) -> String {
    let mut text = String::new();
    for Finding { check, standing, says, next } in findings {
        let (style, word) = match standing {
            Standing::Good => (Style::Good, "ok"),
            Standing::Careful => (Style::Careful, "CAREFUL"),
            Standing::Bad => (Style::Bad, "FAILS"),
        };
        let word = style.paint(&format!("{word:<7}"));
        let _ = writeln!(text, "  {word}  {check:<11}  {}", view::plain(says));
        if let Some(next) = next {
            let _ = writeln!(text, "                        next: {}", view::plain(next));
        }
    }
    let careful = findings.iter().filter(|f| f.standing == Standing::Careful).count();
    let end = match (bad, careful) {
        (0, 0) => Style::Good.paint("Nothing that was looked at would fail tonight."),
        (0, n) => {
            let end =
                format!("Nothing would fail tonight; {n} to see to. Next: what `next` says above.");
            Style::Careful.paint(&end)
        }
        (n, _) => Style::Bad.paint(&format!(
            "{n} would fail tonight. Next: what `next` says above; then ask again."
        )),
    };
    let _ = writeln!(text, "\n{end}");
    text
}

fn case_directory(cases: &Path) -> Finding {
    let check = "cases";
    let shown = cases.display();
    let elsewhere = "make room, or name another place with --cases DIR";
    match case::room(cases) {
        Err(error) => Finding::failed(check, &Failure::from(error)),
        Ok(room) if room < ROOM_NEEDED => {
            Finding::bad(check, format!("{shown} has room for {} MiB", room >> 20), elsewhere)
        }
        Ok(room) if room < ROOM_WISHED => {
            Finding::careful(check, format!("{shown} has room for {} MiB", room >> 20), elsewhere)
        }
        Ok(_) => Finding::good(check, format!("{shown} can be written and has room")),
    }
}

/// Everything for which AWS must be asked. Gives back who we are.
async fn cloud(access: &Access, findings: &mut Vec<Finding>) -> Option<Caller> {
    let reached = match Live::connect(access).await {
        Ok(mut live) => live.begin().await.map(|inventory| (live, inventory)),
        Err(failure) => Err(failure),
    };
    let (live, inventory) = match reached {
        Ok(reached) => reached,
        Err(failure) => {
            findings.push(Finding::failed("identity", &failure));
            return None;
        }
    };
    let caller = inventory.caller.clone();
    findings
        .push(Finding::good("identity", format!("{} in account {}", caller.arn, caller.account)));
    let whither = access.endpoint_url.as_deref().unwrap_or("AWS itself");
    findings.push(Finding::good("endpoint", format!("{whither}, region {}", live.region())));
    findings.push(lasts(&live).await);
    findings.push(clocks(&live, inventory.clock_ahead).await);
    findings.extend(permitted::findings(&live, inventory).await);
    Some(caller)
}

async fn lasts(live: &Live) -> Finding {
    let check = "credentials";
    let ends = match live.connection.credentials_last().await {
        Some(Lasts::Until(ends)) => ends,
        Some(Lasts::WithoutEnd) => {
            return Finding::good(check, "they are a key's, which does not end by itself");
        }
        Some(Lasts::NobodyKnows) | None => {
            let says = "they are a session's, and nobody knows when that ends";
            let next = "take fresh ones before you begin; by a profile (role, SSO, credential_process) their end is known, \
                        and they are got anew on the way";
            return Finding::careful(check, says, next);
        }
    };
    let left = ends.duration_since(live.clock.now());
    let shown = view::duration(u64::try_from(left.as_secs()).unwrap_or(0));
    if left < SHORT {
        let next = "sign in anew before you begin; a run goes on with fresh ones, or resumes";
        return Finding::careful(check, format!("they last for {shown} only"), next);
    }
    Finding::good(check, format!("they last for {shown}"))
}

async fn clocks(live: &Live, ahead: i64) -> Finding {
    let check = "clock";
    let theirs = match live.connection.read().sts().time().await {
        Ok(theirs) => theirs,
        Err(error) => return Finding::careful(check, error.to_string(), "try again"),
    };
    let own = live.clock.now() + SignedDuration::from_secs(ahead);
    let apart = theirs.duration_since(own).abs();
    let says = format!("this clock and AWS's are {} s apart", apart.as_secs());
    let next = "set the clock of this machine (chronyc makestep, timedatectl set-ntp true)";
    match apart {
        apart if apart > CLOCKS_APART => Finding::bad(check, says, next),
        apart if apart > CLOCKS_SLIGHTLY_APART => Finding::careful(check, says, next),
        _ => Finding::good(check, says),
    }
}

/// That break-glass was tried: which profile, who that was, and when.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    version: u32,
    profile: String,
    arn: String,
    account: String,
    tried_at: Timestamp,
    /// The key it signs with, and what that was got with: none of it may be cut either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_key_id: Option<AccessKeyId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    came_from: Vec<Origin>,
}

/// Tries break-glass where it is named, and remembers; otherwise says when it was tried last.
async fn break_glass(args: &args::Doctor, caller: Option<&Caller>) -> Finding {
    let check = "break-glass";
    let cases = &args.cases.cases;
    let there = args.access.there().among(cases);
    let how =
        &format!("try it, and have it remembered: portcullis doctor --break-glass PROFILE{there}");
    let Some(profile) = &args.break_glass else {
        return match remembered(cases) {
            None => {
                Finding::careful(check, "never tried: nobody knows whether it lets anybody in", how)
            }
            Some(tried) if is_stale(&tried) => Finding::careful(
                check,
                format!("{} was last tried {}", tried.arn, tried.tried_at.strftime("%Y-%m-%d")),
                how,
            ),
            Some(tried) => Finding::good(
                check,
                format!("{} was tried {}", tried.arn, tried.tried_at.strftime("%Y-%m-%d")),
            ),
        };
    };
    let access = Access {
        profile: Some(profile.clone()),
        role_arn: None,
        external_id: None,
        external_id_of: Vec::new(),
        mfa_serial: None,
        ..args.access.clone()
    };
    let reached = match Live::connect(&access).await {
        Ok(mut live) => live.begin().await.map(|inventory| (live, inventory)),
        Err(failure) => Err(failure),
    };
    let (live, Inventory { caller: glass, .. }) = match reached {
        Ok(reached) => reached,
        Err(failure) => return Finding::failed(check, &failure),
    };
    if let Some(caller) = caller {
        if glass.account != caller.account {
            let says =
                format!("{} is of account {}, not of {}", glass.arn, glass.account, caller.account);
            return Finding::bad(check, says, "name the profile that is meant for this account");
        }
        if falls_with(&glass.arn, &caller.arn) {
            let says = if glass.arn == caller.arn {
                format!("{} is who you work as anyway", glass.arn)
            } else {
                format!("{} is a session of the very role that you work as", glass.arn)
            };
            return Finding::bad(
                check,
                says,
                "break-glass must not fall with what it is to replace",
            );
        }
    }
    let tried = Tried {
        version: 1,
        profile: profile.clone(),
        arn: glass.arn.to_string(),
        account: glass.account.to_string(),
        tried_at: live.clock.now(),
        access_key_id: glass.access_key_id,
        came_from: glass.came_from,
    };
    match case::remember(cases, BREAK_GLASS, &diagnostics::printed(&json!(tried))) {
        Ok(()) => Finding::good(check, format!("{} was let in just now", tried.arn)),
        Err(error) => Finding::failed(check, &Failure::from(error)),
    }
}

/// Whether whatever keeps `caller` out keeps `glass` out, too: two sessions of one role are no two ways in.
fn falls_with(glass: &Arn, caller: &Arn) -> bool {
    let role = |arn: &Arn| {
        let (role, _) = arn.resource().strip_prefix("assumed-role/")?.rsplit_once('/')?;
        Some((arn.account().to_owned(), role.to_owned()))
    };
    glass == caller || role(glass).is_some_and(|of| role(caller) == Some(of))
}

/// Break-glass, as it is remembered beside the cases, and what it was got with; empty where nobody has tried it.
pub(super) fn tried_break_glass(cases: &Path) -> Vec<Origin> {
    let Some(tried) = remembered(cases) else { return Vec::new() };
    let day = tried.tried_at.strftime("%Y-%m-%d");
    let how = format!("break-glass, {}, tried {day}", view::plain(&tried.arn));
    let own = Origin { how, arn: Arn::parse(&tried.arn).ok(), access_key_id: tried.access_key_id };
    std::iter::once(own).chain(tried.came_from).collect()
}

/// The same, beside the case in `dir`.
pub(super) fn break_glass_beside(dir: &Path) -> Vec<Origin> {
    let roots = case::roots_of(&case::accounts::whole_or_itself(dir));
    roots.first().map(|root| tried_break_glass(root)).unwrap_or_default()
}

fn remembered(cases: &Path) -> Option<Tried> {
    let text = case::read_file(cases, BREAK_GLASS).ok()??;
    serde_json::from_str(&text).ok()
}

fn is_stale(tried: &Tried) -> bool {
    crate::clock::Clock::system().now().duration_since(tried.tried_at) > STALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_session_of_the_same_role_is_no_second_way_in() {
        let falls = |glass: &str| {
            let arn = |of: &str| Arn::parse(format!("arn:aws:{of}")).unwrap();
            falls_with(&arn(glass), &arn("sts::111122223333:assumed-role/responder/anna"))
        };
        assert!(falls("sts::111122223333:assumed-role/responder/anna"));
        assert!(falls("sts::111122223333:assumed-role/responder/ben"));
        assert!(!falls("sts::111122223333:assumed-role/break-glass/anna"));
        assert!(!falls("sts::444455556666:assumed-role/responder/anna"));
        assert!(!falls("iam::111122223333:user/responder"));
    }
}
