//! `portcullis cut`: the first cut of what is known to be in the wrong hands, without a playbook.
//!
//! Finds out whose it is, writes the playbook of it, surveys those principals alone, shows the plan and what stays open,
//! asks once, and cuts. From there on it is a case like any other. Each flag cuts what it names, and all that can be
//! used in its place: of a key everything of its owner, for whoever holds it may have made himself more.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Write as _;

use super::args::{self, Format};
use super::conduct::{Conduct, case_name};
use super::exit::{Exit, Failure};
use super::live::Live;
use super::reach::{fits, remaining};
use super::run::confirm;
use super::there::There;
use super::{diagnostics, plan, rehearse, view};
use crate::action::catalog::Actions;
use crate::case::Case;
use crate::cloud::ReadCloud;
use crate::diagnostic::{Source, counted};
use crate::ids::{AccessKeyId, Arn, Principal, RoleName, UserName};
use crate::inventory::{Inventory, Want};
use crate::plan::{Credential, Effect, SavedPlan, Subject};
use crate::planning::Terms;
use crate::playbook::{self, FirstCut, Playbook};
use crate::survey::{self, Thought};

/// Roles in reach that are named one by one.
const REACHED: usize = 5;

pub(super) fn cut(args: &args::Cut) -> Result<Exit, Failure> {
    if args.reason.trim().is_empty() || args.reason.contains("${{") {
        return Err(Failure::new(
            Exit::Usage,
            "--reason is a sentence, and no expression",
            "say why in your words, or leave --reason out",
        ));
    }
    if args.all {
        view::show_everything();
    }
    if let Some(world) = &args.world {
        return rehearse::cut(args, world);
    }
    view::runtime().block_on(async {
        let mut live = Live::connect(&args.access).await?;
        let inventory = live.begin_among(&args.cases.cases).await?;
        let caller = inventory.caller.clone();
        let endpoint = args.access.endpoint_url.as_deref();
        let (saved, playbook) = planned(args, live.connection.read(), inventory, endpoint).await?;
        fits(&saved, &caller, endpoint)?;
        if args.dry_run {
            return Ok(shown(args, &saved));
        }
        remaining(&live.connection, std::slice::from_ref(&saved), live.clock).await;
        view::err(&view::plan(&saved, view::err_detail()));
        view::err(&left_open(args, &saved));
        if let Some(exit) = plan::nothing_to_do(std::slice::from_ref(&saved), args.format) {
            return Ok(exit);
        }
        if !args.yes {
            confirm(&saved)?;
        }
        let name = case_name(&saved, live.clock);
        let case = Case::create(&args.cases.cases, &name, &saved, &[])?;
        live.work_on(case.dir()).await;
        let (decoded, medium) = case.journal()?;
        let begun = (&saved, &playbook);
        let conduct = Conduct::live(begun, &caller, &case, &live, false, &args.access, args.format);
        conduct.conduct(&decoded, medium).await
    })
}

/// What must be typed behind another cut so that it goes where this one goes.
fn there(args: &args::Cut) -> There {
    let mut there = args.access.there();
    there.place.extend(args.world.as_ref().map(|world| ("world", world.display().to_string())));
    there
}

/// The plan alone.
pub(super) fn shown(args: &args::Cut, saved: &SavedPlan) -> Exit {
    if args.format == Format::Json {
        view::out(&diagnostics::printed(&view::plan_as_json(saved)));
    } else {
        view::out(&view::plan(saved, view::out_detail()));
        view::out(&left_open(args, saved));
        view::hint("\nNothing was changed. Next: the same without --dry-run\n");
    }
    Exit::Done
}

/// Finds out whose everything is, writes the playbook, and plans it.
pub(super) async fn planned(
    args: &args::Cut,
    cloud: &ReadCloud,
    mut inventory: Inventory,
    endpoint: Option<&str>,
) -> Result<(SavedPlan, Playbook), Failure> {
    let cut = who(args, cloud, &mut inventory).await?;
    let source = Source::new("the playbook of this cut".to_owned(), cut.text());
    let read = playbook::read_in(&source, &BTreeMap::new(), &Actions::new());
    let (playbook, _) = read.map_err(|problems| {
        Failure::of(Exit::Internal, problems, "please report what is said above")
    })?;
    let terms = Terms {
        endpoint: endpoint.map(str::to_owned),
        accepted_lockouts: args.accept_lockout.clone(),
        ..Terms::default()
    };
    let saved = plan::make(&playbook, &BTreeMap::new(), &terms, cloud, inventory).await?;
    Ok((saved, playbook))
}

/// What is to be cut of whom.
async fn who(
    args: &args::Cut,
    cloud: &ReadCloud,
    inventory: &mut Inventory,
) -> Result<FirstCut, Failure> {
    let whom = &args.whom;
    let mut cut = FirstCut {
        users: whom.users.iter().cloned().collect(),
        roles: whom.roles.iter().cloned().collect(),
        margin_seconds: args.margin,
        reason: args.reason.clone(),
        ..FirstCut::default()
    };
    for session in &whom.sessions {
        match whose(session, inventory.caller.account.as_str(), &there(args))? {
            Of::User(user) => cut.user_sessions.insert(user),
            Of::Role(role) => cut.role_sessions.insert(role),
        };
    }
    let asked: BTreeSet<Want> =
        whom.access_keys.iter().map(|id| Want::AccessKeyLastUsed(id.clone())).collect();
    let told = survey::until(cloud, inventory, |inventory| {
        let unknown = asked.iter().filter(|want| !inventory.answers.contains_key(want));
        let unknown: BTreeSet<Want> = unknown.cloned().collect();
        Ok::<_, Infallible>(if unknown.is_empty() {
            Thought::Ready(())
        } else {
            Thought::Needs(unknown)
        })
    });
    let Ok(()) = told.await?;
    for id in &whom.access_keys {
        let owner = owner(id, inventory, &there(args))?;
        if args.narrow {
            cut.keys.entry(owner).or_default().insert(id.clone());
        } else {
            cut.users.insert(owner);
        }
    }
    Ok(cut)
}

/// The owner of a key.
fn owner(id: &AccessKeyId, inventory: &Inventory, there: &There) -> Result<UserName, Failure> {
    if id.as_str().starts_with("ASIA") {
        return Err(of_nobody_known(id.as_str(), there));
    }
    let account = &inventory.caller.account;
    match inventory.access_key_last_used(id) {
        Ok(Some(used)) => Ok(used.user.clone()),
        Ok(None) => Err(Failure::new(
            Exit::Refused,
            format!("account {account} has no access key {id}"),
            format!(
                "ask AWS whose it is: aws sts get-access-key-info --access-key-id {id}; then cut it with credentials \
                 of that account. A key that was deleted needs no cut, but its sessions do: portcullis cut --user NAME{there}"
            ),
        )),
        Err(unread) => Err(Failure::new(
            Exit::Refused,
            format!("whose access key {id} is cannot be told"),
            format!(
                "allow iam:GetAccessKeyLastUsed to the credentials in use; or name its owner: portcullis cut --user \
                 NAME{there}"
            ),
        )
        .because(&unread)),
    }
}

/// Whose a session is.
enum Of {
    User(UserName),
    Role(RoleName),
}

/// A session's key: it ends by itself and cannot be switched off, and AWS has no call that tells whose it is.
fn of_nobody_known(id: &str, there: &There) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("whose session {id} is cannot be told: AWS has no call that says so"),
        format!(
            "the log of the account does: aws cloudtrail lookup-events --lookup-attributes \
             AttributeKey=AccessKeyId,AttributeValue={id}; then, with the `arn` of `userIdentity` in it: \
             portcullis cut --session ARN{there}"
        ),
    )
}

/// Whose the session is that was named: only its ARN tells. A session's key id tells nothing, and AWS has no call that
/// would.
fn whose(session: &str, account: &str, there: &There) -> Result<Of, Failure> {
    let cannot = |what: String, next: String| Err(Failure::new(Exit::Refused, what, next));
    let Ok(arn) = Arn::parse(session) else {
        if AccessKeyId::parse(session).is_err() {
            return Err(Failure::new(
                Exit::Usage,
                format!("`{session}` names no session"),
                "give the ARN that the log has of it (arn:aws:sts::ACCOUNT:assumed-role/ROLE/NAME), or the id of its key \
                 (ASIA...)",
            ));
        }
        return Err(of_nobody_known(session, there));
    };
    if arn.account() != account {
        return cannot(
            format!(
                "{arn} is of account {}, and these credentials are of {account}",
                arn.account()
            ),
            format!("use credentials of account {}", arn.account()),
        );
    }
    let mut parts = arn.resource().split('/');
    let (kind, last) = (parts.next(), parts.next_back());
    let role = || arn.resource().split('/').nth(1).and_then(|name| RoleName::parse(name).ok());
    let found = match (kind, last) {
        (Some("assumed-role"), Some(_)) => role().map(Of::Role),
        (Some("role"), Some(name)) => RoleName::parse(name).ok().map(Of::Role),
        (Some("user"), Some(name)) => UserName::parse(name).ok().map(Of::User),
        _ => None,
    };
    found.map_or_else(
        || {
            cannot(
                format!("whose session {arn} is cannot be told by its name"),
                format!(
                    "the log of the account tells who called GetFederationToken for it (`sessionIssuer`, or the event \
                     of that call); then: portcullis cut --user NAME{there}"
                ),
            )
        },
        Ok,
    )
}

/// What nobody should take for closed, and how to close it.
pub(super) fn left_open(args: &args::Cut, saved: &SavedPlan) -> String {
    let plan = &saved.plan;
    let cut_off = |credential: &Credential| {
        plan.changes.iter().flat_map(|change| &change.effects).any(
            |effect| matches!(effect, Effect::Cuts { subject, .. } if subject.covers(credential)),
        )
    };
    let mut text = String::new();
    let mut wider: BTreeSet<String> = BTreeSet::new();
    for credential in plan.credentials.iter().filter(|credential| !cut_off(credential)) {
        let _ = writeln!(text, "  {}", view::plain(&credential.to_string()));
        if let Some(user) = credential.user() {
            wider.insert(format!("--user={user}"));
        }
    }
    let quarantined = |principal: &Principal| {
        plan.changes.iter().flat_map(|change| &change.effects).any(|effect| {
            matches!(effect, Effect::Cuts { subject: Subject::Principal { principal: cut }, .. }
                if cut == principal)
        })
    };
    for principal in plan.principals.iter().filter(|principal| !quarantined(principal)) {
        let Some(role) = principal.role() else { continue };
        let _ = writeln!(
            text,
            "  new sessions of role {role}: whoever its trust admits gets one at once"
        );
        wider.insert(format!("--role={role}"));
    }
    let reached: BTreeSet<String> = plan
        .roles
        .iter()
        .filter(|reach| !cut_off(&reach.sessions))
        .map(|reach| format!("{}: {}", reach.sessions, reach.why))
        .collect();
    for reached in reached.iter().take(REACHED) {
        let _ = writeln!(text, "  {}", view::plain(reached));
    }
    if let more @ 1.. = reached.len().saturating_sub(REACHED) {
        let more = counted(more, "more role");
        let _ = writeln!(text, "  and sessions of {more}, listed above as not touched");
    }
    if text.is_empty() {
        return text;
    }
    let wider: Vec<String> = wider.into_iter().collect();
    let wider = if wider.is_empty() {
        String::new()
    } else {
        format!("  Wider: portcullis cut {}{}\n", wider.join(" "), there(args))
    };
    format!("\nStays open\n{text}{wider}")
}
