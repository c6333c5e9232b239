//! `portcullis diff`: what appeared, vanished or changed between two inventories, or saved plans.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::view::{self, Style, plain};
use super::{args, diagnostics, sources};
use crate::diagnostic::counted;
use crate::ids::AccountId;
use crate::inventory::{
    Beyond, Difference, Extent, Fields, Inventory, Thing, Unanswered, difference,
};

/// Texts longer than this are said to have changed, and not shown side by side; JSON has them whole.
const SHOWN: usize = 100;

/// What was found of one account, with the two it was found in.
struct Compared<'a> {
    first: &'a Inventory,
    second: &'a Inventory,
    found: Difference,
}

/// An account that but one of the two files has.
struct Apart<'a> {
    account: &'a AccountId,
    is_in_first: bool,
    /// Whether a plan asked nothing of it, and the other is a survey.
    is_beyond: bool,
}

pub(super) fn diff(args: &args::Diff) -> Result<Exit, Failure> {
    let (first, second) =
        (sources::any_inventory(&args.first)?, sources::any_inventory(&args.second)?);
    let extent = match (first.for_plans, second.for_plans) {
        (true, false) => Extent::First,
        (false, true) => Extent::Second,
        _ => Extent::Both,
    };
    let (first, second) = (&first.inventories, &second.inventories);
    let of_both = first.iter().filter_map(|(id, first)| Some((first, second.get(id)?)));
    let compared = of_both.map(|(first, second)| Compared {
        first,
        second,
        found: difference(first, second, extent),
    });
    let compared: Vec<Compared<'_>> = compared.collect();
    if compared.is_empty() {
        return Err(nothing_in_common(first, second));
    }
    let apart = apart(first, second, extent);
    if compared.iter().any(|of| of.second.taken_at < of.first.taken_at) {
        view::note("The second was read before the first: what follows goes backwards in time.\n");
    }
    view::out(&match (args.format, &compared[..]) {
        (args::SurveyFormat::Json, [one]) if first.len() == 1 && second.len() == 1 => {
            let mut told = as_json(one);
            told["accounts_not_compared"] = json!([]);
            diagnostics::printed(&told)
        }
        (args::SurveyFormat::Json, several) => {
            let accounts: Vec<Value> = several.iter().map(as_json).collect();
            let apart: Vec<Value> = apart.iter().map(Apart::as_json).collect();
            diagnostics::printed(
                &json!({"version": 1, "accounts": accounts, "accounts_not_compared": apart}),
            )
        }
        (args::SurveyFormat::Text, all) => {
            let mut parts: Vec<String> = all.iter().map(as_text).collect();
            parts.extend((!apart.is_empty()).then(|| told_apart(&apart)));
            parts.join("\n")
        }
    });
    let is_none = compared.iter().all(|of| of.found.is_none());
    let is_whole = apart.is_empty() && compared.iter().all(|of| of.found.is_whole());
    Ok(match (is_none, is_whole) {
        (false, _) => Exit::Differs,
        (true, true) => Exit::Done,
        // That nothing else is different was not shown.
        (true, false) => Exit::NotProven,
    })
}

/// The accounts that but one of them has.
fn apart<'a>(
    first: &'a BTreeMap<AccountId, Inventory>,
    second: &'a BTreeMap<AccountId, Inventory>,
    extent: Extent,
) -> Vec<Apart<'a>> {
    let in_first = first.keys().filter(|id| !second.contains_key(*id)).map(|account| Apart {
        account,
        is_in_first: true,
        is_beyond: extent == Extent::Second,
    });
    let in_second = second.keys().filter(|id| !first.contains_key(*id)).map(|account| Apart {
        account,
        is_in_first: false,
        is_beyond: extent == Extent::First,
    });
    in_first.chain(in_second).collect()
}

impl Apart<'_> {
    fn as_json(&self) -> Value {
        let alone = if self.is_in_first { "first" } else { "second" };
        json!({"account": self.account, "in": alone, "beyond": self.is_beyond})
    }
}

fn told_apart(apart: &[Apart<'_>]) -> String {
    let mut text = format!("{}\n", Style::Bad.paint("Accounts that are not compared"));
    for Apart { account, is_in_first, is_beyond } in apart {
        let alone = if *is_in_first { "first" } else { "second" };
        let beyond = if *is_beyond { ", and beyond what the plan asked" } else { "" };
        let _ = writeln!(text, "  {account}: in the {alone} alone{beyond}");
    }
    if !apart.is_empty() {
        text += "  Whatever is different there is not told. Survey them too: portcullis survey PLAYBOOK reads every account that the \
                 playbook is for.\n";
    }
    text
}

/// What a plan did not ask, so that nobody takes it for the same.
fn told_beyond(beyond: &Beyond) -> String {
    let title = "Not compared: beyond what the plan asked";
    let mut text = format!("\n{}\n", Style::Careful.paint(title));
    for kind in ["user", "role", "secret"] {
        let of_it = beyond.things.iter().filter(|thing| thing.kind == kind);
        let names: Vec<String> = of_it.map(|thing| plain(&thing.name)).collect();
        if !names.is_empty() {
            let count = counted(names.len(), kind);
            let _ = writeln!(text, "  {count} it asked nothing about: {}", first_of(&names));
        }
    }
    for (operation, count) in &beyond.asked {
        let of = counted(*count, "answer");
        let _ = writeln!(text, "  {} ({operation}): {of}", tells_of(operation));
    }
    text += "  Whatever is different there is not told. Two surveys of the account show it: portcullis survey -o NOW.json, now and \
             later.\n";
    text
}

/// As many of `names` as are read in a line.
fn first_of(names: &[String]) -> String {
    const NAMED: usize = 12;
    let mut told = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(NAMED).filter(|more| *more > 0) {
        let _ = write!(told, " and {more} more (--format json names them)");
    }
    told
}

/// There is nothing to compare.
fn nothing_in_common(
    first: &BTreeMap<AccountId, Inventory>,
    second: &BTreeMap<AccountId, Inventory>,
) -> Failure {
    let named = |all: &BTreeMap<AccountId, Inventory>| {
        all.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    Failure::new(
        Exit::Refused,
        format!("they are of different accounts: {} and {}", named(first), named(second)),
        "compare two files that have an account in common",
    )
}

/// What an operation tells of.
fn tells_of(operation: &str) -> &'static str {
    match operation {
        "iam:GetUser" => "users, one by one",
        "iam:ListUsers" => "which users there are",
        "iam:ListAccessKeys" => "access keys",
        "iam:GetLoginProfile" => "console passwords",
        "iam:GetAccountPasswordPolicy" => "the password policy",
        "iam:ListServiceSpecificCredentials" => "passwords of single services",
        "iam:ListSSHPublicKeys" => "SSH keys",
        "iam:ListSigningCertificates" => "signing certificates",
        "iam:ListMFADevices" => "MFA devices",
        "iam:ListAttachedUserPolicies" => "policies attached to users",
        "iam:ListAttachedRolePolicies" => "policies attached to roles",
        "iam:GetUserPolicy" => "inline policies of users",
        "iam:GetRolePolicy" => "inline policies of roles",
        "iam:GetRole" => "roles, one by one",
        "iam:ListRoles" => "which roles there are, and whom they trust",
        "iam:GetAccountAuthorizationDetails" => "policies, groups and tags of users and roles",
        "iam:GetAccountSummary" => "the root user, and how many there are of each kind",
        "secretsmanager:DescribeSecret" => "secrets, one by one",
        "secretsmanager:ListSecrets" => "which secrets there are",
        "secretsmanager:GetResourcePolicy" => "policies of secrets",
        _ => "what it answers",
    }
}

/// `1 read in the first alone, 2 read in neither; of user ann, user ben`.
fn unanswered(unanswered: &Unanswered) -> String {
    let Unanswered { first_alone, second_alone, neither, of } = unanswered;
    let told = [
        (first_alone, "read in the first alone"),
        (second_alone, "read in the second alone"),
        (neither, "read in neither"),
    ];
    let told = told.into_iter().filter(|(count, _)| **count > 0);
    let told: Vec<String> = told.map(|(count, where_)| format!("{count} {where_}")).collect();
    let names: Vec<String> = of.iter().map(self::of).collect();
    let of = if names.is_empty() { String::new() } else { format!("; of {}", first_of(&names)) };
    format!("{}{of}", told.join(", "))
}

fn of(thing: &Thing) -> String {
    let mut text = thing.kind.to_owned();
    if !thing.name.is_empty() {
        let _ = write!(text, " {}", thing.name);
    }
    if let Some(of) = whose(thing) {
        let _ = write!(text, " of {of}");
    }
    plain(&text)
}

/// Whose it is: a user by name alone, as people say it.
fn whose(thing: &Thing) -> Option<String> {
    let of = thing.of.as_ref()?;
    Some(of.user().map_or_else(|| of.to_string(), ToString::to_string))
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    plain(&text)
}

fn fields(fields: &Fields) -> String {
    let told = fields.iter().filter(|(name, value)| {
        **name != "arn"
            && !value.is_null()
            && short(value).len() <= SHOWN
            && short(value) != "[]"
            && short(value) != "{}"
    });
    let told: Vec<String> = told.map(|(name, value)| format!("{name} {}", short(value))).collect();
    if told.is_empty() { String::new() } else { format!("  ({})", told.join(", ")) }
}

fn as_text(compared: &Compared<'_>) -> String {
    let Compared { first, second, found } = compared;
    let mut text = String::new();
    let heading = format!(
        "Account {}, {} to {}",
        first.caller.account,
        first.taken_at.strftime("%Y-%m-%d %H:%M UTC"),
        second.taken_at.strftime("%Y-%m-%d %H:%M UTC")
    );
    let _ = writeln!(text, "{}", Style::Strong.paint(&heading));
    for (style, sign, things) in
        [(Style::Careful, "+", &found.appeared), (Style::Faint, "-", &found.vanished)]
    {
        for (thing, about) in things {
            let _ = writeln!(text, "  {} {}{}", style.paint(sign), of(thing), fields(about));
        }
    }
    for (thing, altered) in &found.changed {
        let _ = writeln!(text, "  {} {}", Style::Careful.paint("~"), of(thing));
        for one in altered {
            let (before, after) = (short(&one.before), short(&one.after));
            let _ = if before.len() + after.len() <= SHOWN {
                writeln!(text, "      {}: {before} -> {after}", one.field)
            } else {
                writeln!(text, "      {}: changed (--format json shows it)", one.field)
            };
        }
    }
    let counts = [
        (found.appeared.len(), "appeared"),
        (found.vanished.len(), "vanished"),
        (found.changed.len(), "changed"),
    ];
    let counts: Vec<String> = counts.iter().map(|(n, word)| format!("{n} {word}")).collect();
    let _ = writeln!(text, "{}", counts.join(", "));
    let operations = found.compared.iter().map(|(operation, count)| format!("{operation} {count}"));
    let operations = operations.collect::<Vec<_>>().join(", ");
    let of = if operations.is_empty() { String::new() } else { format!(" ({operations})") };
    let answers = counted(found.compared.values().sum(), "answer");
    let _ = writeln!(text, "Compared: {answers} that both have{of}");
    if !found.beyond.asked.is_empty() {
        text += &told_beyond(&found.beyond);
    }
    if !found.not_compared.is_empty() {
        let _ = writeln!(text, "\n{}", Style::Bad.paint("Not comparable"));
        for (operation, of) in &found.not_compared {
            let _ = writeln!(text, "  {} ({operation}): {}", tells_of(operation), unanswered(of));
        }
        let next = "Whatever is different there is not told. See to it that both may read it, and survey again; or \
                    compare two surveys of the same extent.";
        let _ = writeln!(text, "  {next}");
    }
    text
}

fn named(thing: &Thing) -> Value {
    json!({"kind": thing.kind, "name": thing.name})
}

fn as_json(compared: &Compared<'_>) -> Value {
    let Compared { first, second, found } = compared;
    let side = |inventory: &Inventory| json!({"taken_at": inventory.taken_at, "caller": inventory.caller.arn});
    let things = |all: &BTreeMap<Thing, Fields>| -> Vec<Value> {
        let one = |(thing, fields): (&Thing, &Fields)| json!({"kind": thing.kind, "name": thing.name, "of": whose(thing), "fields": fields});
        all.iter().map(one).collect()
    };
    let changed = found.changed.iter().map(|(thing, altered)| {
        json!({"kind": thing.kind, "name": thing.name, "of": whose(thing), "changed": altered})
    });
    let not_compared = found.not_compared.iter().map(|(operation, of)| {
        let Unanswered { first_alone, second_alone, neither, of } = of;
        let of: Vec<Value> = of.iter().map(named).collect();
        json!({"operation": operation, "first_alone": first_alone, "second_alone": second_alone, "neither": neither, "of": of})
    });
    json!({
        "version": 1,
        "account": first.caller.account,
        "first": side(first),
        "second": side(second),
        "appeared": things(&found.appeared),
        "vanished": things(&found.vanished),
        "changed": changed.collect::<Vec<_>>(),
        "compared": found.compared,
        "not_compared": not_compared.collect::<Vec<_>>(),
        "beyond": found.beyond.asked,
        "beyond_things": found.beyond.things.iter().map(named).collect::<Vec<_>>(),
    })
}
