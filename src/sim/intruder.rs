//! The intruder: what he holds, what he does with it, and how far it all reaches in the end.
//!
//! He acts at instants of his own ([`script`]), as a file says or as his greed has it ([`greed`]), and
//! always through credentials that he holds and the same decision that everybody's requests meet
//! ([`deed`]): what policy denies him fails, enforcement trails for him as for all, and every attempt
//! stands in the audit log as his. Whatever he obtains he holds from then on, and whatever he holds is
//! tried at the end, without touching anything.
//! He is assumed to see every request that takes effect, at once: the worst case for whoever evicts him.
//! Knows nothing of runs or plans. It cannot fail: what he cannot do is told in the log of his deeds.

pub(super) mod deed;
mod greed;
pub(super) mod script;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::audit::AuditEvent;
use super::bounds::{MOST_DEEDS, MOST_HELD};
use super::engine::Engine;
use super::gatekeeper::Subject;
use super::people::{Consumer, Network, Probe};
use super::signin::Known;
use super::world::Need;
use deed::Deed;
use greed::Greed;
use script::{Due, Next, Reaction, is_about};

/// Where his requests come from where the world does not say it.
pub(super) const SOURCE_IP: &str = "203.0.113.66";

/// Something he holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Holding {
    /// A key or a session, by its id.
    Credential(String),
    /// A console password.
    Password(Known),
}

/// All that concerns him.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Intruder {
    pub(super) holds: Vec<Holding>,
    pub(super) tries: Vec<Need>,
    pub(super) source_ip: String,
    reactions: Vec<Reaction>,
    greed: Option<Greed>,
    /// What he is going to do, in no order.
    due: Vec<Due>,
    /// How much was ever due: tells apart what is due at one instant.
    scheduled: u64,
    deeds: Vec<Deed>,
    /// What he named in his script, by its name.
    named: Vec<(String, String)>,
}

/// How far one thing that the intruder holds reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The id of the key or session, or `password of` and the user, or `value of` and the secret.
    pub credential: String,
    /// Whether it can still say who it is, which it may even under a deny of everything; for a password,
    /// whether it signs in.
    pub alive: bool,
    /// What is allowed to it, as `action on resource`.
    pub allowed: Vec<String>,
}

impl Intruder {
    pub(super) fn of(
        holds: Vec<Holding>,
        tries: Vec<Need>,
        source_ip: String,
        reactions: Vec<Reaction>,
        greedy: Option<u64>,
        now: Timestamp,
    ) -> Self {
        let greed = greedy.map(Greed::new);
        let mut intruder = Self { holds, tries, source_ip, reactions, greed, ..Self::default() };
        for n in 0..intruder.reactions.len() {
            if let Some(at) = intruder.reactions[n].begins {
                intruder.schedule(at, Next::Reaction(n));
            }
        }
        if let Some(greed) = &mut intruder.greed {
            let at = now + greed.pause();
            intruder.schedule(at, Next::Greed);
        }
        intruder
    }

    fn schedule(&mut self, at: Timestamp, next: Next) {
        self.scheduled += 1;
        self.due.push(Due { at, number: self.scheduled, next });
    }

    /// Whether he has tried as much, or holds as much, as there is room for in a rehearsal.
    fn is_spent(&self) -> bool {
        self.deeds.len() >= MOST_DEEDS || self.holds.len() >= MOST_HELD
    }

    /// He does nothing any more, and the log of his deeds says so.
    fn rest(&mut self, at: Timestamp) {
        self.due.clear();
        if !self.deeds.last().is_some_and(Deed::is_the_end) {
            self.deeds.push(Deed::the_end(at));
        }
    }

    /// Takes out the first thing that is due by `now`.
    fn take_due(&mut self, now: Timestamp) -> Option<Due> {
        let due = self.due.iter().enumerate().filter(|(_, due)| due.at <= now);
        let (n, _) = due.min_by_key(|(_, due)| (due.at, due.number))?;
        Some(self.due.swap_remove(n))
    }

    pub(super) fn holds_credential(&self, id: &str) -> bool {
        self.holds.iter().any(|held| matches!(held, Holding::Credential(has) if has == id))
    }

    /// Takes hold of something; says what it is where he did not hold it yet.
    fn take(&mut self, holding: Holding) -> Option<String> {
        if self.holds.contains(&holding) {
            return None;
        }
        let what = holding.to_string();
        self.holds.push(holding);
        Some(what)
    }

    /// The keys and sessions he holds, in the order in which he got them.
    fn credentials(&self) -> Vec<String> {
        let credential = |held: &Holding| match held {
            Holding::Credential(id) => Some(id.clone()),
            Holding::Password(_) => None,
        };
        self.holds.iter().filter_map(credential).collect()
    }

    fn passwords(&self) -> impl Iterator<Item = &Known> {
        self.holds.iter().filter_map(|held| match held {
            Holding::Credential(_) => None,
            Holding::Password(known) => Some(known),
        })
    }

    /// The newest password he knows of a user.
    fn password_of(&self, account: &str, user: &str) -> Option<&Known> {
        self.passwords().filter(|known| known.account == account && known.user == user).last()
    }

    /// He gave a user another name, and knows it.
    fn follow(&mut self, account: &str, user: &str, name: &str) {
        for held in &mut self.holds {
            if let Holding::Password(known) = held
                && known.account == account
                && known.user == user
            {
                name.clone_into(&mut known.user);
            }
        }
    }

    /// Somebody's request was answered, and he sees it.
    pub(super) fn sees(&mut self, event: &AuditEvent) {
        if !event.took_effect {
            return;
        }
        for n in 0..self.reactions.len() {
            let seen = |when: &script::When| {
                when.operation.as_ref().is_none_or(|operation| *operation == event.operation)
                    && when.target.as_ref().is_none_or(|target| is_about(event, target))
            };
            if self.reactions[n].when.as_ref().is_some_and(seen) {
                self.react(n, event.at);
            }
        }
        if let Some(greed) = &mut self.greed
            && event.writes
        {
            let at = event.at + greed.startle();
            for due in self.due.iter_mut().filter(|due| matches!(due.next, Next::Greed)) {
                due.at = due.at.min(at);
            }
        }
    }

    /// He was refused something with everything he holds.
    fn is_refused(&mut self, operation: &str, at: Timestamp) {
        for n in 0..self.reactions.len() {
            if self.reactions[n].refused.as_deref() == Some(operation) {
                self.react(n, at);
            }
        }
    }

    fn react(&mut self, n: usize, at: Timestamp) {
        let reaction = &mut self.reactions[n];
        // What goes on by itself is begun once.
        if reaction.every.is_some() && reaction.begun || reaction.times == 0 {
            return;
        }
        reaction.begun = true;
        if reaction.every.is_none() {
            reaction.times -= 1;
        }
        let at = at + reaction.react_in;
        self.schedule(at, Next::Reaction(n));
    }
}

impl std::fmt::Display for Holding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Holding::Credential(id) => f.write_str(id),
            Holding::Password(known) => write!(f, "password of {}", known.user),
        }
    }
}

impl Engine {
    /// Does all that he is to have done by `now`, each thing at its own instant.
    pub(super) fn let_the_intruder_act(&mut self, now: Timestamp) {
        while let Some(due) = self.intruder.take_due(now) {
            if self.intruder.is_spent() {
                self.intruder.rest(due.at);
                return;
            }
            self.catch_up(due.at);
            match due.next {
                Next::Reaction(n) => {
                    let reaction = &mut self.intruder.reactions[n];
                    if let Some(every) = reaction.every {
                        reaction.times = reaction.times.saturating_sub(1);
                        if reaction.times > 0 {
                            self.intruder.schedule(due.at + every, Next::Reaction(n));
                        }
                    }
                    let reaction = self.intruder.reactions[n].clone();
                    for script in &reaction.deeds {
                        if !self.intruder.is_spent() {
                            self.do_as_written(&reaction.name, script, due.at);
                        }
                    }
                }
                Next::Greed => self.be_greedy(due.at),
            }
        }
    }

    pub(super) fn intruder_deeds(&self) -> Vec<Deed> {
        self.intruder.deeds.clone()
    }

    /// Tries everything an intruder would try, with everything he holds.
    pub(super) fn reach(&self, now: Timestamp) -> Vec<Reach> {
        let reach = |held: &Holding| {
            let subject = match held {
                Holding::Credential(id) => self.subject(id, now).ok(),
                Holding::Password(known) => self.signed_in(known, now),
            };
            let tries = subject.as_ref().map(|s| self.tries(s)).unwrap_or_default();
            let lets = |need: &&Need| {
                let source = Some(Network::Address(&self.intruder.source_ip));
                subject
                    .as_ref()
                    .is_some_and(|s| self.try_as(s, need, source, now) == Probe::Allowed)
            };
            let allowed = tries
                .iter()
                .filter(lets)
                .map(|need| format!("{} on {}", need.action, need.resource))
                .collect();
            Reach { credential: held.to_string(), alive: subject.is_some(), allowed }
        };
        let values = self.intruder_knows.iter().map(|known| {
            let value = self.vault().open(&known.value);
            let takes = |target: &&String| {
                value.as_ref().is_some_and(|value| self.accepts(target, value, now).is_ok())
            };
            let targets = self.targets.keys().filter(takes);
            let allowed: Vec<String> =
                targets.map(|target| format!("sign in to {target}")).collect();
            let credential = format!("value of {}", known.of);
            Reach { credential, alive: !allowed.is_empty(), allowed }
        });
        self.intruder.holds.iter().map(reach).chain(values).collect()
    }

    /// Whom a password signs in, as if it were used now.
    fn signed_in(&self, known: &Known, now: Timestamp) -> Option<Subject> {
        let session = self.sign_in(known, now).ok()?.session;
        Self::subject_of_session(self.enforced(now), "", &session)
    }

    fn tries(&self, subject: &Subject) -> Vec<Need> {
        let need = |action: &str, resource: &str| Need {
            action: action.to_owned(),
            resource: resource.to_owned(),
        };
        let state = self.newest();
        let own = &subject.caller.account;
        let mut tries = vec![
            need("iam:ListUsers", &format!("arn:aws:iam::{own}:user/")),
            need("iam:ListRoles", &format!("arn:aws:iam::{own}:role/")),
            need("iam:CreateUser", &format!("arn:aws:iam::{own}:user/another")),
            need("sts:GetSessionToken", "*"),
            need("sts:GetFederationToken", &format!("arn:aws:sts::{own}:federated-user/other")),
            need("secretsmanager:ListSecrets", "*"),
            need("s3:ListAllMyBuckets", "*"),
            need("ec2:RunInstances", "*"),
        ];
        if let Some(user) = &subject.user {
            let arn = state.user_arn(own, user);
            for action in [
                "iam:GetUser",
                "iam:ListAccessKeys",
                "iam:CreateAccessKey",
                "iam:UpdateAccessKey",
                "iam:UpdateUser",
                "iam:CreateLoginProfile",
                "iam:CreateServiceSpecificCredential",
                "iam:UploadSSHPublicKey",
                "iam:DetachUserPolicy",
                "iam:AttachUserPolicy",
                "iam:PutUserPolicy",
                "iam:DeleteUserPolicy",
                "iam:DeleteUserPermissionsBoundary",
            ] {
                tries.push(need(action, &arn));
            }
        }
        if let Some(role) = &subject.role {
            let arn = state.role_arn(own, role);
            for action in [
                "iam:UpdateAssumeRolePolicy",
                "iam:AttachRolePolicy",
                "iam:DetachRolePolicy",
                "iam:PutRolePolicy",
                "iam:DeleteRolePolicy",
            ] {
                tries.push(need(action, &arn));
            }
        }
        for (account, a) in &state.accounts {
            tries.extend(
                a.roles.keys().map(|r| need("sts:AssumeRole", &state.role_arn(account, r))),
            );
            for secret in a.secrets.values() {
                tries.push(need("secretsmanager:GetSecretValue", &secret.arn));
                tries.push(need("secretsmanager:PutSecretValue", &secret.arn));
            }
        }
        tries.extend(self.intruder.tries.iter().cloned());
        let needed = self.consumers.iter().filter(|c| c.is_in(own)).flat_map(Consumer::needs);
        for need in needed {
            if !tries.contains(need) {
                tries.push(need.clone());
            }
        }
        tries
    }
}
