//! What is wanted of many users at once, from one listing of all users.
//!
//! `iam:GetAccountAuthorizationDetails` tells of every user what `iam:GetUser`, `iam:ListAttachedUserPolicies` and
//! `iam:GetUserPolicy` tell of one, except when his password was last used: whoever asks about that, asks about his
//! login profile too, and about him himself. Where it is not permitted, or not understood, nothing is answered, and whoever asks
//! has his questions asked one by one.

use std::collections::{BTreeMap, BTreeSet};

use super::{SurveyError, authorization, is_gap};
use crate::cloud::ReadCloud;
use crate::ids::{Principal, UserName};
use crate::inventory::{Inventory, UserDetail, Want};

/// Whether the listing answers a question, where all of `wants` are asked.
pub(super) fn answers(want: &Want, wants: &BTreeSet<Want>) -> bool {
    match want {
        Want::User(user) => !wants.contains(&Want::LoginProfile(user.clone())),
        Want::AttachedPolicies(of) | Want::InlinePolicy(of, _) => {
            matches!(of, Principal::User(_))
        }
        _ => false,
    }
}

/// Answers what the listing can.
pub(super) async fn read(
    cloud: &ReadCloud,
    inventory: &mut Inventory,
    wants: &BTreeSet<Want>,
) -> Result<(), SurveyError> {
    let users = match authorization::users(cloud.iam()).await {
        Ok(users) => users,
        Err(error) if is_gap(&error) => {
            tracing::debug!(%error, "asking about each user instead");
            return Ok(());
        }
        Err(error) => return Err(SurveyError(error)),
    };
    let account = inventory.caller.account.as_str();
    if users.iter().any(|user| user.arn.account() != account) {
        tracing::debug!(
            "an answer about another account is no answer; asking about each user instead"
        );
        return Ok(());
    }
    let users: BTreeMap<UserName, UserDetail> =
        users.into_iter().map(|user| (user.name.clone(), user)).collect();
    let fact = |want: &Want| UserDetail::answer(users.get(want.user()?), want);
    let answered = wants.iter().filter(|want| answers(want, wants));
    let facts = answered.filter_map(|want| Some((want.clone(), Ok(fact(want)?))));
    inventory.answers.extend(facts);
    Ok(())
}
