//! Listening for what was cut: no success in the account's own log since.
//!
//! It counts only where our own refused request is in the same log, and up to that. What a key was handed out is
//! listened for along with it. A success after the cut had its time to be enforced is an alarm.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Event, Halt, Run};
use crate::ids::AccessKeyId;
use crate::journal::{Entry, Heard, State};
use crate::ledger;
use crate::plan::{Credential, longest_session};
use crate::trail::{self, Says, TrailEvent};

/// Where to listen.
#[derive(Clone, Debug, Default)]
pub enum Log {
    /// Nowhere.
    #[default]
    None,
    /// The account's own, looked up in the region in use.
    LookUp {
        /// That region.
        region: String,
    },
    /// Files of it.
    Files {
        /// Their names, for people.
        name: String,
        /// What is in them.
        events: Vec<TrailEvent>,
    },
}

/// How long our own request is waited for in the log: it is delivered within minutes, mostly.
const DELIVERED_WITHIN: SignedDuration = SignedDuration::from_mins(20);
const ASK_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(60);

impl Run<'_> {
    /// Asks the log about every credential that something blocks. Gives back what speaks against a cut.
    pub(in crate::run) async fn listen(&self, log: &Log) -> Result<Vec<String>, Halt> {
        let state = self.journal.state();
        let name = match log {
            Log::None => return Ok(Vec::new()),
            Log::LookUp { region } => format!("CloudTrail of {region}"),
            Log::Files { name, .. } => name.clone(),
        };
        let mut probes: BTreeSet<_> = state.probes.iter().map(|(_, id)| id.clone()).collect();
        probes.extend(state.tried.keys().cloned());
        let concerned: Vec<_> = self
            .plan
            .credentials
            .iter()
            .filter_map(|credential| {
                let keys = self.keys_of(credential);
                let since = self.cut_since(credential, &state)?;
                (!keys.is_empty()).then_some((credential, keys, since))
            })
            .collect();
        let keys: BTreeSet<_> = concerned.iter().flat_map(|(_, keys, _)| keys.clone()).collect();
        let Some(first) = concerned.iter().map(|(.., since)| *since).min() else {
            return Ok(Vec::new());
        };
        if let Log::LookUp { .. } = log {
            self.until_delivered(&state).await?;
        }
        // Sessions that were minted before live for as long.
        let of = concerned.iter().filter_map(|(credential, ..)| credential.principal());
        let longest = of.map(|of| longest_session(&of)).max().unwrap_or_default();
        let from = first.saturating_sub(longest).unwrap_or(Timestamp::MIN);
        let events = self.events(log, &keys, &probes, from).await?;
        let mut alarms = Vec::new();
        for (credential, keys, since) in concerned {
            let heard = match &events {
                Ok(events) => {
                    let mut whose = trail::children(events, &keys);
                    match credential {
                        Credential::AccessKey { .. } => whose.extend(keys),
                        // Sessions that no event shows being minted carry their user's name.
                        Credential::Sessions { user } => {
                            let theirs = events.iter().filter(|e| e.user.as_ref() == Some(user));
                            let ids = theirs.filter_map(|event| event.credential.clone());
                            whose.extend(ids.filter(|id| id.as_str().starts_with("ASIA")));
                        }
                        _ => {}
                    }
                    heard(&trail::says(events, &whose, &probes, since))
                }
                Err(why) => Heard::CannotTell { why: why.clone() },
            };
            if let Heard::Success { at, what, event } = &heard {
                alarms.push(format!(
                    "the {credential} was used after it was cut: {what} at {} UTC (event {event}). Find out \
                     what lets it in",
                    at.strftime("%Y-%m-%d %H:%M:%S")
                ));
            }
            let credential = credential.to_string();
            self.observer.event(&Event::Listened { credential: &credential, heard: &heard });
            self.record(Entry::Listened { credential, log: name.clone(), since, heard }).await?;
        }
        Ok(alarms)
    }

    /// From when on a success speaks against the cuts of `credential`: the first that still stands was seen, and
    /// had its time to be enforced.
    fn cut_since(&self, credential: &Credential, state: &State) -> Option<Timestamp> {
        let standing = ledger::barriers(self.plan, state, credential);
        let seen = standing.values().filter_map(|change| state.change(&change.id).seen);
        let margin = SignedDuration::try_from(self.plan.gate.margin()).ok()?;
        seen.min()?.at.checked_add(margin).ok()
    }

    /// The keys by which a log knows a credential.
    fn keys_of(&self, credential: &Credential) -> BTreeSet<AccessKeyId> {
        let all = self.plan.credentials.iter().filter_map(|one| match (credential, one) {
            (Credential::AccessKey { .. }, Credential::AccessKey { id, .. })
                if one == credential =>
            {
                Some(id.clone())
            }
            (Credential::Sessions { user }, Credential::AccessKey { user: of, id })
                if user == of =>
            {
                Some(id.clone())
            }
            _ => None,
        });
        all.collect()
    }

    /// What the log has of `keys`, of what they were handed out, and of our own requests.
    async fn events(
        &self,
        log: &Log,
        keys: &BTreeSet<AccessKeyId>,
        probes: &BTreeSet<AccessKeyId>,
        from: Timestamp,
    ) -> Result<Result<Vec<TrailEvent>, String>, Halt> {
        match log {
            Log::None => Ok(Ok(Vec::new())),
            Log::Files { events, .. } => Ok(Ok(events.clone())),
            Log::LookUp { .. } => {
                let mut events = Vec::new();
                let mut asked = BTreeSet::new();
                let mut due: BTreeSet<AccessKeyId> = keys.union(probes).cloned().collect();
                while let Some(key) = due.pop_first() {
                    match self.look_up(&key, from).await? {
                        Ok(found) => events.extend(found),
                        Err(why) => return Ok(Err(why)),
                    }
                    asked.insert(key);
                    due.extend(trail::children(&events, keys));
                    due.retain(|key| !asked.contains(key));
                }
                Ok(Ok(events))
            }
        }
    }

    async fn look_up(
        &self,
        key: &AccessKeyId,
        from: Timestamp,
    ) -> Result<Result<Vec<TrailEvent>, String>, Halt> {
        match self.cloud.read().trail().of_key(key, from).await {
            Ok(records) => {
                let events = records.iter().map(|record| trail::record_in(record));
                Ok(events.collect::<Result<_, _>>().map_err(|error| error.to_string()))
            }
            Err(error) if error.is_credentials() => {
                Err(Halt::Stopped(vec![crate::run::step::not_accepted(&error)]))
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// Waits until the last of our own refused requests can be looked up, for as long as that usually takes.
    async fn until_delivered(&self, state: &State) -> Result<(), Halt> {
        let Some(started) = state.started else { return Ok(()) };
        let until = self.clock.now().saturating_add(DELIVERED_WITHIN).unwrap_or(Timestamp::MAX);
        // Those of this very run; where there are none there is nothing to wait for.
        let ours = self.probes_since(started.entry);
        if ours.is_empty() {
            return Ok(());
        }
        self.observer.event(&Event::Listening { until });
        loop {
            for key in &ours {
                match self.look_up(key, started.at).await? {
                    Ok(events) if events.iter().any(|event| event.error.is_some()) => return Ok(()),
                    Ok(_) => {}
                    // Whoever may not look learns it at the first credential.
                    Err(_) => return Ok(()),
                }
            }
            if self.clock.now() >= until {
                return Ok(());
            }
            let at = self.clock.now().saturating_add(ASK_AGAIN_AFTER).unwrap_or(until).min(until);
            self.wait_until(at).await?;
        }
    }

    /// Credentials of ours that were refused because of a deny since an entry: a request with a dead key is in
    /// nobody's log.
    fn probes_since(&self, entry: u64) -> Vec<AccessKeyId> {
        let state = self.journal.state();
        let canaries = state.probes.iter().filter(|(at, _)| *at > entry);
        let mut ours: Vec<AccessKeyId> = canaries.map(|(_, id)| id.clone()).collect();
        let tried = state.tried.iter().filter(|(_, tried)| tried.begun.entry > entry);
        ours.extend(tried.map(|(id, _)| id.clone()));
        ours
    }
}

fn heard(says: &Says) -> Heard {
    match says {
        Says::LetIn(event) => {
            Heard::Success { at: event.at, what: event.name.clone(), event: event.id.clone() }
        }
        Says::Nothing { probe } => Heard::Nothing { until: probe.at, probe: probe.id.clone() },
        Says::CannotTell => Heard::CannotTell {
            why: "our own refused request is not in it, so that its silence says nothing"
                .to_owned(),
        },
    }
}
