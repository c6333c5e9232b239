//! Listening for what was cut: no success in the account's own log since.
//!
//! It counts only where our own refused request is in the same log, and up to that. What a key was handed out is
//! listened for along with it; of a role, whoever assumed it before its sessions were denied. A success after the cut
//! had its time to be enforced is an alarm; one of a session that was issued later, and that nothing denies, is none.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Event, Halt, Run};
use crate::cloud::CallError;
use crate::ids::{AccessKeyId, Arn, Principal, RoleName};
use crate::journal::{Entry, Heard, State};
use crate::ledger;
use crate::plan::{Credential, Effect, Subject, longest_session};
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

/// Sessions of one role that are asked about one by one: at two look-ups a second it is some minutes.
const MOST_SESSIONS: usize = 500;
/// Canaries of which it is asked whether their sessions can be found, the newest first.
const MOST_CANARIES: usize = 3;

/// From when on a success speaks against a cut.
struct CutFrom {
    at: Timestamp,
    /// It denies sessions that were issued before that moment; `None`: everything.
    issued_before: Option<Timestamp>,
}

impl CutFrom {
    fn should_have_refused(&self, event: &TrailEvent) -> bool {
        let denies = |before| event.issued.is_none_or(|issued| issued < before);
        event.at > self.at && self.issued_before.is_none_or(denies)
    }
}

/// What a log has told.
#[derive(Default)]
struct Told {
    events: Vec<TrailEvent>,
    /// Sessions of canaries' roles, found as those of other roles are: where there are none, that others are silent
    /// says nothing.
    of_our_roles: BTreeSet<AccessKeyId>,
    /// Of which roles more is not told, and why.
    not_told: BTreeMap<RoleName, String>,
}

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
        let concerned = self.plan.credentials.iter().filter_map(|credential| {
            let keys = self.keys_of(credential);
            let cuts = self.cut_from(credential, &state);
            let heard_of =
                !keys.is_empty() || matches!(credential, Credential::RoleSessions { .. });
            let since = cuts.iter().map(|cut| cut.at).min()?;
            heard_of.then_some((credential, keys, cuts, since))
        });
        let concerned: Vec<_> = concerned.collect();
        let keys: BTreeSet<_> = concerned.iter().flat_map(|(_, keys, ..)| keys.clone()).collect();
        let Some(first) = concerned.iter().map(|(.., since)| *since).min() else {
            return Ok(Vec::new());
        };
        let roles: Vec<(&RoleName, &[CutFrom])> = concerned
            .iter()
            .filter_map(|(credential, _, cuts, _)| match credential {
                Credential::RoleSessions { role } => Some((role, cuts.as_slice())),
                _ => None,
            })
            .collect();
        if let Log::LookUp { .. } = log {
            self.until_delivered(&state, !roles.is_empty()).await?;
        }
        // Sessions that were minted before live for as long.
        let of = concerned.iter().filter_map(|(credential, ..)| credential.principal());
        let longest = of.map(|of| longest_session(&of)).max().unwrap_or_default();
        let from = first.saturating_sub(longest).unwrap_or(Timestamp::MIN);
        let told = self.events(log, &keys, &roles, &probes, from).await?;
        let mut alarms = Vec::new();
        for (credential, keys, cuts, since) in concerned {
            let heard = match &told {
                Ok(told) => self.heard_of(credential, &keys, &cuts, since, told, &probes),
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

    /// What was told of one credential, which the log knows by `keys` and what they were handed out.
    fn heard_of(
        &self,
        credential: &Credential,
        keys: &BTreeSet<AccessKeyId>,
        cuts: &[CutFrom],
        since: Timestamp,
        told: &Told,
        probes: &BTreeSet<AccessKeyId>,
    ) -> Heard {
        let mut whose = trail::children(&told.events, keys);
        if matches!(credential, Credential::AccessKey { .. }) {
            whose.extend(keys.iter().cloned());
        }
        let of_this_account = |event: &TrailEvent| {
            event.arn.as_ref().is_none_or(|arn| arn.account() == self.plan.account.as_str())
        };
        let is_a_session = |event: &TrailEvent| {
            event.credential.as_ref().is_some_and(|id| id.as_str().starts_with("ASIA"))
        };
        let theirs = |event: &TrailEvent| {
            let held = event.credential.as_ref().is_some_and(|id| whose.contains(id));
            held || match credential {
                // Sessions that no event shows being minted carry their user's name.
                Credential::Sessions { user } => {
                    event.user.as_ref() == Some(user)
                        && is_a_session(event)
                        && of_this_account(event)
                }
                Credential::RoleSessions { role } => {
                    event.role.as_ref() == Some(role) && of_this_account(event)
                }
                _ => false,
            }
        };
        let is_cut = |event: &TrailEvent| {
            theirs(event) && cuts.iter().any(|cut| cut.should_have_refused(event))
        };
        let now = self.clock.now();
        let Credential::RoleSessions { role } = credential else {
            return heard(&trail::says(&told.events, is_cut, probes, since, now));
        };
        let said = trail::says(&told.events, is_cut, &told.of_our_roles, since, now);
        match (said, told.not_told.get(role)) {
            (let_in @ Says::LetIn(_), _) => heard(&let_in),
            (_, Some(why)) => Heard::CannotTell { why: why.clone() },
            (Says::CannotTell, None) => Heard::CannotTell {
                why: "no refused session of a role of ours is in it, so that the silence of other roles says nothing"
                    .to_owned(),
            },
            (silent, None) => heard(&silent),
        }
    }

    /// From when on a success speaks against the cuts of `credential` that still stand: each was seen, and had its
    /// time to be enforced.
    fn cut_from(&self, credential: &Credential, state: &State) -> Vec<CutFrom> {
        let standing = ledger::barriers(self.plan, state, credential);
        let blocking = standing.iter().filter(|(barrier, _)| barrier.blocks());
        let cut_from = blocking.filter_map(|(barrier, change)| {
            let record = state.record(&change.id);
            let margin = SignedDuration::try_from(self.plan.gate.margin()).ok()?;
            let at = record.seen?.at.checked_add(margin).ok()?;
            let issued_before = if barrier.is_of_sessions() {
                Some(record.receipt.as_ref()?.denied_before?)
            } else {
                None
            };
            Some(CutFrom { at, issued_before })
        });
        cut_from.collect()
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

    /// What the log has of `keys`, of what they were handed out, of sessions of `roles`, and of our own requests.
    async fn events(
        &self,
        log: &Log,
        keys: &BTreeSet<AccessKeyId>,
        roles: &[(&RoleName, &[CutFrom])],
        probes: &BTreeSet<AccessKeyId>,
        from: Timestamp,
    ) -> Result<Result<Told, String>, Halt> {
        let mut told = Told::default();
        match log {
            Log::None => {}
            Log::Files { events, .. } => {
                told.events.clone_from(events);
                told.of_our_roles = trail::children(events, probes);
            }
            Log::LookUp { .. } => {
                let mut due: BTreeSet<AccessKeyId> = keys.union(probes).cloned().collect();
                for (role, cuts) in roles {
                    match self.sessions_of(role, cuts, from).await? {
                        Ok(sessions) => due.extend(sessions),
                        Err(why) => drop(told.not_told.insert((*role).clone(), why)),
                    }
                }
                if !roles.is_empty() {
                    told.of_our_roles = self.sessions_of_our_roles(probes, from).await?;
                    due.extend(told.of_our_roles.iter().cloned());
                }
                let mut asked = BTreeSet::new();
                while let Some(key) = due.pop_first() {
                    match self.look_up(&key, from).await? {
                        Ok(found) => told.events.extend(found),
                        Err(why) => return Ok(Err(why)),
                    }
                    asked.insert(key);
                    due.extend(trail::children(&told.events, keys));
                    due.retain(|key| !asked.contains(key));
                }
            }
        }
        Ok(Ok(told))
    }

    /// The sessions of a role that one of `cuts` denies, by whoever assumed it since then.
    async fn sessions_of(
        &self,
        role: &RoleName,
        cuts: &[CutFrom],
        from: Timestamp,
    ) -> Result<Result<BTreeSet<AccessKeyId>, String>, Halt> {
        let listed =
            self.inventory.roles().ok().and_then(|all| all.iter().find(|one| one.name == *role));
        let read = || self.inventory.role(role).ok()?.as_ref().map(|role| &role.arn);
        let Some(arn) = listed.map(|role| &role.arn).or_else(read) else {
            return Ok(Err(format!(
                "the ARN of role {role} is not known, by which its sessions are found"
            )));
        };
        let assumed = match self.assumed(arn, from).await? {
            Ok(assumed) => assumed,
            Err(why) => return Ok(Err(why)),
        };
        // Minted by the event, and so issued when it was made.
        let denied = |event: &&TrailEvent| {
            cuts.iter().any(|cut| cut.issued_before.is_none_or(|before| event.at < before))
        };
        let sessions: BTreeSet<_> =
            assumed.iter().filter(denied).filter_map(|e| e.minted.clone()).collect();
        if sessions.len() > MOST_SESSIONS {
            return Ok(Err(format!(
                "{} sessions of it were minted, more than can be looked up one by one: have CloudTrail's files read \
                 (--trail)",
                sessions.len()
            )));
        }
        Ok(Ok(sessions))
    }

    /// Whoever assumed the role, in this log.
    async fn assumed(
        &self,
        role: &Arn,
        from: Timestamp,
    ) -> Result<Result<Vec<TrailEvent>, String>, Halt> {
        let records = self.cloud.read().trail().of_role(role, from).await;
        let events = self.understood(records)?;
        Ok(events.map(|all| {
            all.into_iter().filter(|event| event.name.starts_with("AssumeRole")).collect()
        }))
    }

    /// Sessions that our own canaries had of their roles, found as those of any role are.
    async fn sessions_of_our_roles(
        &self,
        probes: &BTreeSet<AccessKeyId>,
        from: Timestamp,
    ) -> Result<BTreeSet<AccessKeyId>, Halt> {
        for role in self.roles_of_canaries(MOST_CANARIES) {
            let Ok(assumed) = self.assumed(&role, from).await? else { continue };
            let sessions = trail::children(&assumed, probes);
            if !sessions.is_empty() {
                return Ok(sessions);
            }
        }
        Ok(BTreeSet::new())
    }

    /// What a look-up told, or why it told nothing; only where our own credentials are not taken is there an end.
    fn understood(
        &self,
        records: Result<Vec<String>, CallError>,
    ) -> Result<Result<Vec<TrailEvent>, String>, Halt> {
        match records {
            Ok(records) => {
                let events = records.iter().map(|record| trail::record_in(record));
                Ok(events.collect::<Result<_, _>>().map_err(|error| error.to_string()))
            }
            Err(error) if error.is_credentials() => {
                Err(Halt::Stopped(vec![self.not_accepted(&error)]))
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    async fn look_up(
        &self,
        key: &AccessKeyId,
        from: Timestamp,
    ) -> Result<Result<Vec<TrailEvent>, String>, Halt> {
        self.understood(self.cloud.read().trail().of_key(key, from).await)
    }

    /// Waits until the last of our own refused requests can be looked up, for as long as that usually takes.
    async fn until_delivered(&self, state: &State, of_roles: bool) -> Result<(), Halt> {
        let Some(started) = state.started else { return Ok(()) };
        let until = self.clock.now().saturating_add(DELIVERED_WITHIN).unwrap_or(Timestamp::MAX);
        // Those of this very run; where there are none there is nothing to wait for.
        let ours = self.probes_since(started.entry);
        if ours.is_empty() {
            return Ok(());
        }
        self.observer.event(&Event::Listening { until });
        loop {
            match self.is_delivered(&ours, of_roles, started.at).await? {
                Ok(false) if self.clock.now() < until => {}
                // Whoever may not look learns it at the first credential.
                _ => return Ok(()),
            }
            let at = self.clock.now().saturating_add(ASK_AGAIN_AFTER).unwrap_or(until).min(until);
            self.wait_until(at).await?;
        }
    }

    /// Whether a refused request of `ours` is in the log; and, where roles are listened for, one of a role's session.
    async fn is_delivered(
        &self,
        ours: &[AccessKeyId],
        of_roles: bool,
        from: Timestamp,
    ) -> Result<Result<bool, String>, Halt> {
        let mut wanted = vec![ours.to_vec()];
        if of_roles && self.has_tried_roles() {
            let all = ours.iter().cloned().collect();
            wanted.push(self.sessions_of_our_roles(&all, from).await?.into_iter().collect());
        }
        for keys in wanted {
            let mut refused = false;
            for key in keys {
                match self.look_up(&key, from).await? {
                    Ok(events) => refused = events.iter().any(TrailEvent::is_refused),
                    Err(why) => return Ok(Err(why)),
                }
                if refused {
                    break;
                }
            }
            if !refused {
                return Ok(Ok(false));
            }
        }
        Ok(Ok(true))
    }

    /// Whether a canary has a role, which cuts of roles are tried on.
    fn has_tried_roles(&self) -> bool {
        self.standing_cuts().iter().any(|cut| {
            let of_role = |effect: &Effect| {
                matches!(
                    effect,
                    Effect::Cuts {
                        subject: Subject::Principal { principal: Principal::Role(_) },
                        ..
                    }
                )
            };
            cut.effects.iter().any(of_role) && self.known().can_be_tried(cut)
        })
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
