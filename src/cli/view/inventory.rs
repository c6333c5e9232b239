//! What was read of an account: everybody with all he holds, and what could not be read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Style, plain};
use crate::diagnostic::{counted, grouped};
use crate::ids::UserName;
use crate::inventory::{Inventory, PasswordPolicy, SavedInventory, Status, Want};

/// As text.
pub(in crate::cli) fn inventory(saved: &SavedInventory) -> String {
    let mut text = String::new();
    let inventory = &saved.inventory;
    let heading = format!("Inventory of account {}", inventory.caller.account);
    let _ = writeln!(text, "{}", Style::Strong.paint(&heading));
    let counts = saved.answers_by_sitting();
    for (sitting, count) in saved.sittings.iter().zip(counts) {
        let _ = writeln!(
            text,
            "  {} read since {} by {}",
            counted(count, "answer"),
            when(sitting.taken_at),
            plain(sitting.caller.arn.as_str())
        );
    }
    let (users, tally) = users(saved);
    text.push_str(&users);
    roles(&mut text, saved);
    secrets(&mut text, saved);
    text.push_str(&tally);
    gaps(&mut text, saved);
    text
}

fn when(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// What an earlier sitting read may be old by now.
fn as_of(saved: &SavedInventory, want: &Want) -> String {
    let sitting = saved.sitting_of(want);
    if sitting + 1 == saved.sittings.len() {
        return String::new();
    }
    format!("  [as of {}]", when(saved.sittings[sitting].taken_at))
}

/// How many there are of each kind, and how many of them can be used.
#[derive(Default)]
struct Tally(BTreeMap<Kind, (usize, usize)>);

/// What one of it is called, and what several are.
type Kind = (&'static str, &'static str);

impl Tally {
    fn count(&mut self, kind: Kind, is_active: bool) {
        let (all, active) = self.0.entry(kind).or_default();
        *all += 1;
        *active += usize::from(is_active);
    }
}

fn state(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Inactive => "inactive",
    }
}

fn users(saved: &SavedInventory) -> (String, String) {
    let inventory = &saved.inventory;
    let mut text = String::new();
    let mut tally = Tally::default();
    let mut of_users: BTreeMap<&UserName, Vec<&Want>> = BTreeMap::new();
    for user in inventory.users().into_iter().flatten() {
        of_users.entry(&user.name).or_default();
    }
    for want in inventory.answers.keys() {
        if let Some(user) = want.user() {
            of_users.entry(user).or_default().push(want);
        }
    }
    if !of_users.is_empty() {
        let _ = writeln!(text, "\n{}", Style::Strong.paint(&format!("Users ({})", of_users.len())));
    }
    for (user, wants) in &of_users {
        let mut lines = Vec::new();
        for want in wants {
            let before = lines.len();
            held(&mut lines, inventory, want, &mut tally);
            let as_of = as_of(saved, want);
            lines[before..].iter_mut().for_each(|line| line.push_str(&as_of));
        }
        let _ = writeln!(text, "  {}", plain(user.as_str()));
        for line in lines {
            let _ = writeln!(text, "    {}", plain(&line));
        }
    }
    let mut totals = String::new();
    let _ = writeln!(totals, "\n{}", Style::Strong.paint("In all"));
    let _ = writeln!(totals, "  {}", counted(of_users.len(), "user"));
    for ((one, several), (all, active)) in &tally.0 {
        let kind = if *all == 1 { one } else { several };
        let _ = writeln!(totals, "  {} {kind}, {} of them active", grouped(*all), grouped(*active));
    }
    if let Ok(policy) = inventory.password_policy() {
        let _ = writeln!(totals, "  console passwords: {}", passwords(policy.as_ref()));
    }
    if let Ok(summary) = inventory.account_summary() {
        let of = |name: &str| summary.get(name).copied().unwrap_or_default();
        let _ = writeln!(
            totals,
            "  the root user: {}, MFA {}",
            counted(usize::try_from(of("AccountAccessKeysPresent")).unwrap_or(0), "access key"),
            if of("AccountMFAEnabled") > 0 { "enabled" } else { "NOT enabled" }
        );
    }
    (text, totals)
}

/// What console passwords must be like.
fn passwords(policy: Option<&PasswordPolicy>) -> String {
    let Some(policy) = policy else { return "no policy of the account's own".to_owned() };
    let own = if policy.users_may_change { "everybody" } else { "whoever is allowed to" };
    let kept = policy
        .reuse_prevention
        .map_or(String::new(), |last| format!(", none of the last {last} again"));
    format!(
        "at least {}{kept}; {own} may change his own",
        counted(policy.minimum_length, "character")
    )
}

/// What the answer to one question says that the user holds, a line each.
fn held(lines: &mut Vec<String>, inventory: &Inventory, want: &Want, tally: &mut Tally) {
    match want {
        Want::AccessKeys(user) => {
            for key in inventory.access_keys(user).into_iter().flatten() {
                let used = match inventory.access_key_last_used(&key.id) {
                    Ok(Some(used)) => match used.last_used_at {
                        Some(at) => format!(", last used {}", when(at)),
                        None => ", never used".to_owned(),
                    },
                    _ => String::new(),
                };
                let (state, since) = (state(key.status), when(key.created_at));
                lines.push(format!("access key {}, {state}, since {since}{used}", key.id));
                tally.count(("access key", "access keys"), key.status == Status::Active);
            }
        }
        Want::LoginProfile(user) => {
            for profile in inventory.login_profile(user).into_iter().flatten() {
                lines.push(format!("console password, since {}", when(profile.created_at)));
                tally.count(("console password", "console passwords"), true);
            }
        }
        Want::ServiceSpecificCredentials(user) => {
            for one in inventory.service_specific_credentials(user).into_iter().flatten() {
                let ends =
                    one.expires_at.map_or(String::new(), |at| format!(", until {}", when(at)));
                let (state, since) = (state(one.status), when(one.created_at));
                lines.push(format!(
                    "{} password {}, {state}, since {since}{ends}",
                    one.service, one.id
                ));
                tally.count(
                    ("password of a single service", "passwords of single services"),
                    one.status == Status::Active,
                );
            }
        }
        Want::SshPublicKeys(user) => {
            for one in inventory.ssh_public_keys(user).into_iter().flatten() {
                let since =
                    one.uploaded_at.map_or(String::new(), |at| format!(", since {}", when(at)));
                lines.push(format!("SSH key {}, {}{since}", one.id, state(one.status)));
                tally.count(("SSH key", "SSH keys"), one.status == Status::Active);
            }
        }
        Want::SigningCertificates(user) => {
            for one in inventory.signing_certificates(user).into_iter().flatten() {
                let since =
                    one.uploaded_at.map_or(String::new(), |at| format!(", since {}", when(at)));
                lines.push(format!("signing certificate {}, {}{since}", one.id, state(one.status)));
                tally.count(
                    ("signing certificate", "signing certificates"),
                    one.status == Status::Active,
                );
            }
        }
        Want::MfaDevices(user) => {
            for one in inventory.mfa_devices(user).into_iter().flatten() {
                lines.push(format!(
                    "MFA device {}, since {}: a second factor, and no way in by itself",
                    one.serial,
                    when(one.enabled_at)
                ));
                tally.count(("MFA device", "MFA devices"), true);
            }
        }
        _ => {}
    }
}

fn roles(text: &mut String, saved: &SavedInventory) {
    let Ok(roles) = saved.inventory.roles() else { return };
    let heading = Style::Strong.paint(&format!("Roles ({})", roles.len()));
    let _ = writeln!(text, "\n{heading}{}", as_of(saved, &Want::Roles));
    for role in roles {
        let _ = writeln!(text, "  {}", plain(role.name.as_str()));
    }
}

fn secrets(text: &mut String, saved: &SavedInventory) {
    let Ok(secrets) = saved.inventory.secrets() else { return };
    let heading = Style::Strong.paint(&format!("Secrets ({})", secrets.len()));
    let _ = writeln!(text, "\n{heading}{}", as_of(saved, &Want::Secrets));
    for secret in secrets {
        let deleted = secret.deleted_at.map_or("", |_| ", waits to be deleted");
        // By its ARN a secret is named to a playbook.
        let _ =
            writeln!(text, "  {}  {}{deleted}", plain(&secret.name), plain(secret.arn.as_str()));
    }
}

fn gaps(text: &mut String, saved: &SavedInventory) {
    if let Some(why) = &saved.stopped {
        let _ = writeln!(text, "\n{}: {}", Style::Bad.paint("NOT WHOLE"), plain(why));
    }
    // The same refusal, for as many users as there are; AWS names each in its sentence.
    let mut gaps: BTreeMap<(&str, &str), (&str, usize)> = BTreeMap::new();
    for (_, gap) in saved.inventory.gaps() {
        gaps.entry((&gap.operation, &gap.code)).or_insert((&gap.message, 0)).1 += 1;
    }
    if gaps.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", Style::Bad.paint("Not read"));
    for ((operation, code), (message, times)) in gaps {
        let message = plain(message);
        let (operation, code) = (plain(operation), plain(code));
        let times = counted(times, "time");
        let _ = writeln!(text, "  {operation} answered {code}, {times}: {message}");
    }
}
