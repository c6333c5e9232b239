//! The world as a flat list that can be compared and printed: no secret in it, and nothing that changes
//! by mere looking (no last use, no audit log, no sessions).

use std::collections::BTreeMap;

use serde::Serialize;

use super::engine::Engine;
use super::state::{StoredSecret, User};
use super::targets::Target;

/// What exists, one entry for each thing: `111122223333/users/alice/keys/AKIA...` -> `Active`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot(pub BTreeMap<String, String>);

impl Snapshot {
    /// What differs, a line for each entry: `- before`, `+ after`.
    pub fn changes_to(&self, after: &Snapshot) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, value) in &self.0 {
            if after.0.get(key) != Some(value) {
                lines.push(format!("- {key}: {value}"));
            }
        }
        for (key, value) in &after.0 {
            if self.0.get(key) != Some(value) {
                lines.push(format!("+ {key}: {value}"));
            }
        }
        lines
    }

    fn put(&mut self, key: String, value: impl AsRef<str>) {
        self.0.insert(key, value.as_ref().to_owned());
    }
}

fn status(active: bool) -> &'static str {
    if active { "Active" } else { "Inactive" }
}

impl Engine {
    pub(super) fn snapshot(&self) -> Snapshot {
        let mut all = Snapshot::default();
        for (id, account) in &self.newest().accounts {
            for (name, user) in &account.users {
                self.user(&mut all, &format!("{id}/users/{name}"), user);
            }
            for (name, group) in &account.groups {
                let at = format!("{id}/groups/{name}");
                all.put(at.clone(), &group.id);
                group.attached.iter().for_each(|p| all.put(format!("{at}/attached/{p}"), ""));
                group.inline.iter().for_each(|(n, p)| all.put(format!("{at}/inline/{n}"), p));
            }
            for (name, role) in &account.roles {
                let at = format!("{id}/roles/{name}");
                all.put(at.clone(), format!("{} {} {}", role.id, role.path, role.max_session));
                all.put(format!("{at}/trust"), &role.trust);
                role.boundary.iter().for_each(|b| all.put(format!("{at}/boundary"), b));
                role.attached.iter().for_each(|p| all.put(format!("{at}/attached/{p}"), ""));
                role.inline.iter().for_each(|(n, p)| all.put(format!("{at}/inline/{n}"), p));
                role.tags.iter().for_each(|(k, v)| all.put(format!("{at}/tags/{k}"), v));
            }
            for (arn, policy) in &account.policies {
                all.put(format!("{id}/policies/{arn}"), &policy.document);
            }
            if let Some(policy) = &account.password_policy {
                all.put(format!("{id}/password-policy"), format!("{policy:?}"));
            }
            for (name, secret) in &account.secrets {
                self.secret(&mut all, &format!("{id}/secrets/{name}"), secret);
            }
        }
        for (name, target) in &self.targets {
            let Target::Logins(logins) = target else { continue };
            for (user, password) in logins {
                let value = self.vault().open(password);
                let print = value.map(|v| self.vault().fingerprint(v.expose()));
                all.put(format!("targets/{name}/{user}"), print.unwrap_or_default());
            }
        }
        all
    }

    fn user(&self, all: &mut Snapshot, at: &str, user: &User) {
        all.put(at.to_owned(), format!("{} {}", user.id, user.path));
        for key in &user.keys {
            all.put(format!("{at}/keys/{}", key.id), status(key.active));
        }
        if let Some(password) = &user.password {
            let value = self.vault().open(&password.value);
            let print = value.map(|v| self.vault().fingerprint(v.expose())).unwrap_or_default();
            let reset = if password.reset_required { " reset-required" } else { "" };
            all.put(format!("{at}/password"), format!("{print}{reset}"));
        }
        user.mfa.keys().for_each(|serial| all.put(format!("{at}/mfa/{serial}"), ""));
        for credential in &user.service_credentials {
            let value = format!("{} {}", credential.service, status(credential.active));
            all.put(format!("{at}/service-credentials/{}", credential.id), value);
        }
        user.ssh_keys
            .iter()
            .for_each(|k| all.put(format!("{at}/ssh-keys/{}", k.id), status(k.active)));
        user.certificates
            .iter()
            .for_each(|k| all.put(format!("{at}/certificates/{}", k.id), status(k.active)));
        user.attached.iter().for_each(|p| all.put(format!("{at}/attached/{p}"), ""));
        user.inline.iter().for_each(|(n, p)| all.put(format!("{at}/inline/{n}"), p));
        user.groups.iter().for_each(|g| all.put(format!("{at}/groups/{g}"), ""));
        user.boundary.iter().for_each(|b| all.put(format!("{at}/boundary"), b));
        user.tags.iter().for_each(|(k, v)| all.put(format!("{at}/tags/{k}"), v));
    }

    fn secret(&self, all: &mut Snapshot, at: &str, secret: &StoredSecret) {
        all.put(at.to_owned(), &secret.arn);
        secret.policy.iter().for_each(|p| all.put(format!("{at}/policy"), p));
        if let Some(rotator) = &secret.rotator {
            let enabled = if rotator.enabled { "" } else { " off" };
            all.put(format!("{at}/rotator"), format!("{}{enabled}", rotator.arn));
        }
        secret.deleted_at.iter().for_each(|d| all.put(format!("{at}/deleted"), d.to_string()));
        for (id, version) in &secret.versions {
            let labels: Vec<&str> = version.labels.iter().map(String::as_str).collect();
            let value = version.value.as_ref().and_then(|sealed| self.vault().open(sealed));
            let print = value.map(|v| self.vault().fingerprint(v.expose())).unwrap_or_default();
            all.put(format!("{at}/versions/{id}"), format!("{print} {}", labels.join(",")));
        }
    }
}
