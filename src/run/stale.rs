//! Is a plan that somebody made earlier still about this world? Told change by change, before it is run.
//!
//! A plan that is old is not refused for it: what can still be cut is cut, and each change looks again for itself
//! when its turn comes. But whoever is about to say yes should know what has changed since he read it.

use super::look::to_the_end;
use crate::action::catalog;
use crate::clock::Clock;
use crate::cloud::ReadCloud;
use crate::ids::ChangeId;
use crate::inventory::{Inventory, Want};
use crate::journal::Position;
use crate::plan::{Credential, Plan, credential_wants, credentials_of};
use crate::survey::{self, SurveyError};

/// Something that is not as the plan found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// A change is done already.
    Done(ChangeId),
    /// A change cannot be made as it was planned; with the reason.
    Changed(ChangeId, String),
    /// Whether a change is still as planned cannot be seen; with the reason.
    Unseen(ChangeId, String),
    /// A credential of somebody in scope that the plan does not know, and that no step cuts by itself.
    New(Credential),
}

/// Looks at everything the plan is about, and says what is not as it was.
pub async fn stale(
    plan: &Plan,
    inventory: &Inventory,
    cloud: &ReadCloud,
    clock: Clock,
) -> Result<Vec<Stale>, SurveyError> {
    let action = |kind| catalog::find(kind).expect("planned from the same catalog");
    let mut wants: Vec<Want> = plan.users().flat_map(credential_wants).collect();
    for change in &plan.changes {
        wants.extend(action(&change.kind).look(&change.decided));
    }
    let mut facts = survey::look(cloud, inventory, wants, clock).await?;
    let mut stale = Vec::new();
    for change in &plan.changes {
        let id = change.id.clone();
        let judge = |facts: &Inventory| {
            Ok::<_, SurveyError>(action(&change.kind).judge(&change.decided, &[], facts))
        };
        match to_the_end(&mut facts, cloud, judge).await? {
            // A lift finds nothing to lift before the cuts were made.
            Ok(position) if position.is_done() && !change.already && change.cuts() => {
                stale.push(Stale::Done(id));
            }
            Ok(Position::Before) if change.already => {
                stale.push(Stale::Changed(id, "it was already so, and is not any more".to_owned()));
            }
            Ok(Position::Elsewhere { why }) => stale.push(Stale::Changed(id, why)),
            Ok(_) => {}
            Err(unread) => stale.push(Stale::Unseen(id, unread.to_string())),
        }
    }
    for user in plan.users() {
        let unlisted = |credential: &Credential| matches!(credential, Credential::Unlisted { .. });
        let held = credentials_of(user, &facts).into_iter();
        let new = held.filter(|one| !unlisted(one) && !plan.credentials.contains(one));
        stale.extend(new.map(Stale::New));
    }
    Ok(stale)
}
