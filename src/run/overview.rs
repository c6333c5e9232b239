//! What was seen of everything the gate stands on, for whatever is begun behind it.
//!
//! What is handed out cannot be taken back, so everything is looked at before it is. Of a thousand users such a look
//! takes minutes, and what it saw first is as old as that when it ends. So it serves whoever begins within as long
//! again: nobody goes by anything older than twice what a look takes, and looking takes no more than half of the
//! time, however many are handed something. Whom a change is about is looked at for each anew.
//! See `docs/design/0022-how-old-a-look-may-be.md`. Decides nothing by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::beside::wants;
use super::{Halt, Run};
use crate::cloud::Urgency;
use crate::ids::{Principal, SecretId, UserName};
use crate::inventory::Inventory;
use crate::plan::{Change, Credential, Destination, Effect, Subject, credential_wants};

/// However long a look takes, it serves no longer than this: whoever keeps IAM busy makes it long.
const AT_MOST: SignedDuration = SignedDuration::from_mins(5);

/// The last look at everything; begins without one.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    last: tokio::sync::Mutex<Option<Seen>>,
}

#[derive(Debug)]
struct Seen {
    facts: Arc<Inventory>,
    good_until: Timestamp,
}

impl Run<'_> {
    /// What a change behind the gate may go by; or why it must not start.
    pub(super) async fn overview_for(
        &self,
        change: &Change,
    ) -> Result<Result<Arc<Inventory>, String>, Halt> {
        // Whoever comes while somebody looks waits for what he sees.
        let mut last = self.overview.last.lock().await;
        let takes_back = change.undoes.is_some();
        if !takes_back && let Some(reason) = self.gate_reasons().first() {
            return Ok(Err(format!("the gate is shut: {reason}")));
        }
        if let Some(seen) = &*last
            && self.clock.now() < seen.good_until
            && self.others_are_where_they_were()
        {
            let facts = Arc::clone(&seen.facts);
            drop(last);
            return self.looked_at_whom(change, &facts).await.map(Ok);
        }
        *last = None;
        let facts = if takes_back {
            // What takes back hands nothing out: whether this one may come off is all that is asked, and that every
            // cut which is to do without it still stands, here and in the other accounts.
            let facts = self.look_around().await?;
            if let Some(why) = self.keeps_from_taking_back().await? {
                return Ok(Err(why));
            }
            facts
        } else {
            self.look_anew().await?
        };
        let facts = Arc::new(facts);
        let now = self.clock.now();
        let as_long_again = now.duration_since(facts.taken_at).min(AT_MOST);
        let good_until = now.saturating_add(as_long_again).unwrap_or(now);
        *last = Some(Seen { facts: Arc::clone(&facts), good_until });
        Ok(Ok(facts))
    }

    /// What was seen of everything, with whom `change` is about as it is now.
    async fn looked_at_whom(
        &self,
        change: &Change,
        seen: &Inventory,
    ) -> Result<Arc<Inventory>, Halt> {
        let whom = about(change);
        let users: Vec<&UserName> = whom.iter().filter_map(Of::user).collect();
        let concerns = |cut: &&Change| !whom.is_disjoint(&about(cut));
        let cuts: Vec<&Change> = self.standing_cuts().into_iter().filter(concerns).collect();
        let before = self.cuts_before().into_iter();
        let before = before.filter(|cut| !whom.is_disjoint(&about(&cut.change)));
        let before: Vec<_> = before.collect();
        let wants = users.into_iter().flat_map(credential_wants).chain(wants(&before));
        let now = self.look_at(&cuts, wants, Urgency::Rest).await?;
        let mut facts = seen.clone();
        facts.answers.extend(now.answers.into_order());
        self.see_cuts_before(&before, &facts).await?;
        self.stand_as_they_should(cuts, &facts).await?;
        if change.undoes.is_none() {
            self.nothing_speaks_against(&facts).await?;
        }
        Ok(Arc::new(facts))
    }
}

/// One whom, or one thing that, a change is about.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Principal(Principal),
    /// Whoever may read it reads what is put there.
    Secret(SecretId),
}

impl Of {
    fn user(&self) -> Option<&UserName> {
        match self {
            Self::Principal(principal) => principal.user(),
            Self::Secret(_) => None,
        }
    }

    fn credential(credential: &Credential) -> Option<Self> {
        match credential {
            Credential::SecretValue { secret, .. } => Some(Self::Secret(secret.clone())),
            other => other.principal().map(Self::Principal),
        }
    }
}

/// Whom or what a change is about.
fn about(change: &Change) -> BTreeSet<Of> {
    let of = |effect: &Effect| match effect {
        Effect::Cuts { subject, .. } | Effect::Lifts { subject, .. } => match subject {
            Subject::Principal { principal } => Some(Of::Principal(principal.clone())),
            Subject::Credential { credential } => Of::credential(credential),
        },
        Effect::Issues { user, .. } => Some(Of::Principal(Principal::User(user.clone()))),
        Effect::Destroys { credential } => Of::credential(credential),
        Effect::Rotates { secret, .. } => Some(Of::Secret(secret.clone())),
        Effect::Delivers { to: Destination::Secret { secret } } => Some(Of::Secret(secret.clone())),
        Effect::Delivers { .. } | Effect::Spares { .. } => None,
    };
    change.effects.iter().filter_map(of).collect()
}
