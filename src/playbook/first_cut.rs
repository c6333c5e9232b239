//! The playbook of a first cut, made when there was no time to write one.
//!
//! A cut could be planned without a playbook; then planning, resumption, undo, report and ledger would each need a
//! second way. So it is written down as one: it reads like any other, is kept in the case like any other, and
//! whatever holds for plans holds for it. Names go in as they are; the words of whoever cuts go in quoted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::ids::{AccessKeyId, RoleName, UserName};

/// Who is to be cut off, and how far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstCut {
    /// Users of whom everything is cut.
    pub users: BTreeSet<UserName>,
    /// Of other users, these keys, and the sessions that were minted with them.
    pub keys: BTreeMap<UserName, BTreeSet<AccessKeyId>>,
    /// Users whose sessions are cut, and nothing else.
    pub user_sessions: BTreeSet<UserName>,
    /// Roles that are cut off.
    pub roles: BTreeSet<RoleName>,
    /// Roles whose sessions are cut, and nothing else.
    pub role_sessions: BTreeSet<RoleName>,
    /// How long after the last cut the cuts are looked at again, in seconds; what the gate says where it is not given.
    pub margin_seconds: Option<u64>,
    /// Why, in the words of whoever cuts.
    pub reason: String,
}

impl FirstCut {
    /// What every such playbook is called.
    pub const NAME: &str = "first-cut";

    /// The playbook's text.
    pub fn text(&self) -> String {
        let whole = |user: &&UserName| !self.users.contains(*user);
        let keys: Vec<_> = self.keys.iter().filter(|(user, _)| whole(user)).collect();
        let sessions: BTreeSet<&UserName> = self.users.iter().chain(self.keys.keys()).collect();
        let sessions = sessions.into_iter().chain(&self.user_sessions).collect::<BTreeSet<_>>();
        let role_sessions: BTreeSet<&RoleName> =
            self.roles.iter().chain(&self.role_sessions).collect();
        let mut text = format!(
            "# Written by `portcullis cut`, when there was no time to write a playbook. It cuts, and hands out nothing:\n\
             # what comes next is planned with a playbook, which finds these cuts in place.\n\
             portcullis: 1\n\
             name: {}\n\
             title: {}\n\
             mode: breach\n\
             counters: [T1078.004]\n\
             \n\
             # Nothing waits behind the gate. A playbook that hands something out has the cuts proven as it asks.\n\
             gate: {{ proof: settled, margin: {}s }}\n\
             \n\
             steps:\n",
            Self::NAME,
            quoted(&format!("First cut: {}", self.names())),
            self.margin_seconds.unwrap_or(60),
        );
        let mut step = |id: &str, title: &str, each: Option<Vec<&str>>, uses: &str, with: &str| {
            if each.as_ref().is_some_and(Vec::is_empty) {
                return;
            }
            let _ = write!(text, "  - id: {id}\n    title: {title}\n    phase: contain\n");
            if let Some(each) = each {
                let each: Vec<String> = each.into_iter().map(quoted).collect();
                let _ = writeln!(text, "    for_each: [{}]", each.join(", "));
            }
            let reason = quoted(&self.reason);
            let _ = write!(text, "    uses: {uses}\n    with: {with}\n    reason: {reason}\n\n");
        };
        step(
            "quarantine",
            "Deny the user everything",
            Some(self.users.iter().map(UserName::as_str).collect()),
            "iam.user.quarantine",
            "{ user: \"${{ each }}\" }",
        );
        step(
            "quarantine-roles",
            "Deny the role everything",
            Some(self.roles.iter().map(RoleName::as_str).collect()),
            "iam.role.quarantine",
            "{ role: \"${{ each }}\" }",
        );
        step(
            "keys-off",
            "Switch off every key of the user",
            Some(self.users.iter().map(UserName::as_str).collect()),
            "iam.access-key.deactivate",
            "{ user: \"${{ each }}\", keys: all }",
        );
        for (n, (user, ids)) in keys.iter().enumerate() {
            let ids: Vec<&str> = ids.iter().map(AccessKeyId::as_str).collect();
            step(
                &format!("key-off-{}", n + 1),
                "Switch off the key, and leave the others of its user",
                None,
                "iam.access-key.deactivate",
                &format!("{{ user: {}, keys: [{}] }}", quoted(user.as_str()), ids.join(", ")),
            );
        }
        step(
            "sessions-off",
            "Refuse the sessions that were minted so far, which outlive the keys",
            Some(sessions.into_iter().map(UserName::as_str).collect()),
            "iam.user.revoke-sessions",
            "{ user: \"${{ each }}\" }",
        );
        step(
            "role-sessions-off",
            "Refuse the sessions of the role that were given out so far",
            Some(role_sessions.into_iter().map(RoleName::as_str).collect()),
            "iam.role.revoke-sessions",
            "{ role: \"${{ each }}\" }",
        );
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    /// Who it is about, for a title.
    fn names(&self) -> String {
        let users = self.users.iter().map(|user| format!("user {user}"));
        let narrow = self.keys.iter().filter(|(user, _)| !self.users.contains(*user));
        let keys = narrow.flat_map(|(user, ids)| {
            ids.iter().map(move |id| format!("access key {id} of user {user}"))
        });
        let roles = self.roles.iter().map(|role| format!("role {role}"));
        let sessions = self.user_sessions.difference(&self.users);
        let sessions = sessions.map(|user| format!("sessions of user {user}"));
        let of_roles = self.role_sessions.difference(&self.roles);
        let of_roles = of_roles.map(|role| format!("sessions of role {role}"));
        let all: Vec<String> =
            users.chain(keys).chain(roles).chain(sessions).chain(of_roles).collect();
        match all.len() {
            0..=3 => all.join(", "),
            n => format!("{}, and {} more", all[..2].join(", "), n - 2),
        }
    }
}

/// Text in quotes: what JSON writes, YAML reads.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_cut_whole_is_not_cut_in_part_as_well() {
        let user = |name: &str| UserName::parse(name).unwrap();
        let key = |id: &str| AccessKeyId::parse(id).unwrap();
        let cut = FirstCut {
            users: [user("anna")].into(),
            keys: [
                (user("anna"), [key("AKIAEXAMPLEANNA00001")].into()),
                (user("ben"), [key("AKIAEXAMPLEBEN000001")].into()),
            ]
            .into(),
            user_sessions: [user("anna"), user("ben")].into(),
            reason: "seen in \"paste\": #7\nand elsewhere".to_owned(),
            ..FirstCut::default()
        };
        let text = cut.text();
        assert!(text.contains("title: \"First cut: user anna, access key AKIAEXAMPLEBEN000001 of user ben, sessions of user ben\""), "{text}");
        assert!(!text.contains("AKIAEXAMPLEANNA00001"), "{text}");
        assert!(
            text.contains("for_each: [\"anna\", \"ben\"]\n    uses: iam.user.revoke-sessions"),
            "{text}"
        );
        assert!(text.contains(r#"reason: "seen in \"paste\": #7\nand elsewhere""#), "{text}");
        assert!(!text.contains("iam.role."), "{text}");
    }
}
