//! What was read of an account: everybody with all he holds, and what could not be read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Style, plain};
use crate::diagnostic::{counted, grouped};
use crate::ids::UserName;
use crate::inventory::{Inventory, PasswordPolicy, SavedInventory, Status, Unread, Want};

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

/// How many there are of each kind, how many of them can be used, and of how many users that is not known.
#[derive(Default)]
struct Tally(BTreeMap<Kind, (usize, usize, usize)>);

/// What one of it is called, and what several are.
type Kind = (&'static str, &'static str);

const ACCESS_KEYS: Kind = ("access key", "access keys");
const LOGIN_PROFILE: Kind = ("console password", "console passwords");
const SERVICE_SPECIFIC_CREDENTIALS: Kind =
    ("password of a single service", "passwords of single services");
const SSH_PUBLIC_KEYS: Kind = ("SSH key", "SSH keys");
const SIGNING_CERTIFICATES: Kind = ("signing certificate", "signing certificates");
const MFA_DEVICES: Kind = ("MFA device", "MFA devices");

impl Tally {
    fn count(&mut self, kind: Kind, is_active: bool) {
        let (all, active, _) = self.0.entry(kind).or_default();
        *all += 1;
        *active += usize::from(is_active);
    }

    /// What was asked of a user, where it was answered: what was not is no nought.
    fn known<T>(
        &mut self,
        kind: Kind,
        answer: Result<T, Unread>,
        lines: &mut Vec<String>,
    ) -> Option<T> {
        if let Err(unread) = &answer {
            self.0.entry(kind).or_default().2 += 1;
            lines.push(format!("{}: not read ({})", kind.1, why(unread)));
        }
        answer.ok()
    }
}

/// Why there is no answer, in a few words.
fn why(unread: &Unread) -> String {
    match &unread.gap {
        Some(gap) => format!("{} answered {}", gap.operation, gap.code),
        None => "not asked".to_owned(),
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
        // Of whom nothing is told, nothing is shown to be so.
        if wants.is_empty() {
            lines.push("nothing of it was asked".to_owned());
        }
        let _ = writeln!(text, "  {}", plain(user.as_str()));
        for line in lines {
            let _ = writeln!(text, "    {}", plain(&line));
        }
    }
    let mut totals = String::new();
    let _ = writeln!(totals, "\n{}", Style::Strong.paint("In all"));
    let _ = writeln!(totals, "  {}", how_many(of_users.len(), inventory));
    for ((one, several), (all, active, unknown)) in &tally.0 {
        let kind = if *all == 1 { one } else { several };
        let known = format!("{} {kind}, {} of them active", grouped(*all), grouped(*active));
        let line = match (*all, *unknown) {
            (_, 0) => known,
            (0, n) => format!("{several}: not known of {}", counted(n, "user")),
            (_, n) => format!("{known}; not known of {}", counted(n, "user")),
        };
        let _ = writeln!(totals, "  {line}");
    }
    if let Ok(policy) = inventory.password_policy() {
        let _ = writeln!(totals, "  console passwords: {}", passwords(policy.as_ref()));
    }
    if let Ok(summary) = inventory.account_summary() {
        let of = |name: &str| summary.get(name).copied();
        let keys = of("AccountAccessKeysPresent").map(|keys| usize::try_from(keys).unwrap_or(0));
        let _ = writeln!(
            totals,
            "  the root user: {}, MFA {}",
            keys.map_or("access keys not known".to_owned(), |keys| counted(keys, "access key")),
            match of("AccountMFAEnabled") {
                Some(0) => "NOT enabled",
                Some(_) => "enabled",
                None => "not known",
            }
        );
    }
    (text, totals)
}

/// How many users there are, as far as anybody was told.
fn how_many(known: usize, inventory: &Inventory) -> String {
    let named = counted(known, "user");
    match inventory.users() {
        Ok(_) => named,
        Err(unread) if unread.gap.is_some() && known == 0 => {
            format!("users: not known, {} was refused", unread.operation())
        }
        Err(unread) if unread.gap.is_some() => {
            format!("{named} known of; how many there are is not known")
        }
        Err(_) if known == 0 => "no user was asked about".to_owned(),
        Err(_) => format!("{named} asked about"),
    }
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
            for key in
                tally.known(ACCESS_KEYS, inventory.access_keys(user), lines).into_iter().flatten()
            {
                let used = match inventory.access_key_last_used(&key.id) {
                    Ok(Some(used)) => match used.last_used_at {
                        Some(at) => format!(", last used {}", when(at)),
                        None => ", never used".to_owned(),
                    },
                    Err(unread) if unread.gap.is_some() => ", last use not read".to_owned(),
                    _ => String::new(),
                };
                let (state, since) = (state(key.status), when(key.created_at));
                lines.push(format!("access key {}, {state}, since {since}{used}", key.id));
                tally.count(ACCESS_KEYS, key.status == Status::Active);
            }
        }
        Want::LoginProfile(user) => {
            for profile in tally
                .known(LOGIN_PROFILE, inventory.login_profile(user), lines)
                .into_iter()
                .flatten()
            {
                lines.push(format!("console password, since {}", when(profile.created_at)));
                tally.count(LOGIN_PROFILE, true);
            }
        }
        Want::ServiceSpecificCredentials(user) => {
            for one in tally
                .known(
                    SERVICE_SPECIFIC_CREDENTIALS,
                    inventory.service_specific_credentials(user),
                    lines,
                )
                .into_iter()
                .flatten()
            {
                let ends =
                    one.expires_at.map_or(String::new(), |at| format!(", until {}", when(at)));
                let (state, since) = (state(one.status), when(one.created_at));
                lines.push(format!(
                    "{} password {}, {state}, since {since}{ends}",
                    one.service, one.id
                ));
                tally.count(SERVICE_SPECIFIC_CREDENTIALS, one.status == Status::Active);
            }
        }
        Want::SshPublicKeys(user) => {
            for one in tally
                .known(SSH_PUBLIC_KEYS, inventory.ssh_public_keys(user), lines)
                .into_iter()
                .flatten()
            {
                let since =
                    one.uploaded_at.map_or(String::new(), |at| format!(", since {}", when(at)));
                lines.push(format!("SSH key {}, {}{since}", one.id, state(one.status)));
                tally.count(SSH_PUBLIC_KEYS, one.status == Status::Active);
            }
        }
        Want::SigningCertificates(user) => {
            for one in tally
                .known(SIGNING_CERTIFICATES, inventory.signing_certificates(user), lines)
                .into_iter()
                .flatten()
            {
                let since =
                    one.uploaded_at.map_or(String::new(), |at| format!(", since {}", when(at)));
                lines.push(format!("signing certificate {}, {}{since}", one.id, state(one.status)));
                tally.count(SIGNING_CERTIFICATES, one.status == Status::Active);
            }
        }
        Want::MfaDevices(user) => {
            for one in
                tally.known(MFA_DEVICES, inventory.mfa_devices(user), lines).into_iter().flatten()
            {
                lines.push(format!(
                    "MFA device {}, since {}: a second factor, and no way in by itself",
                    one.serial,
                    when(one.enabled_at)
                ));
                tally.count(MFA_DEVICES, true);
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
