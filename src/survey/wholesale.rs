//! What is wanted of many users or roles at once, from listings that tell of everybody.
//!
//! `iam:GetAccountAuthorizationDetails` tells of every user what `iam:GetUser`, `iam:ListAttachedUserPolicies` and
//! `iam:GetUserPolicy` tell of one, except when his password was last used; and so of roles. It is read as long as what is left of it takes
//! fewer requests than asking about whom it has not told of yet; `inventory` has the reckoning. Where it is not permitted,
//! or not understood, nothing is answered, and whoever asks has his questions asked one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::{SurveyError, authorization, fill, is_gap, keys};
use crate::cloud::{CallError, ReadCloud};
use crate::ids::{AccountId, Principal};
use crate::inventory::{Authorization, Everybody, Fact, Inventory, Listing, Want};

/// Reads what is told of everybody at once, of what whoever plans wants to know: with the questions that are left,
/// [`fill`] goes on. When a password was last used is nothing that a plan asks.
pub async fn at_once(
    cloud: &ReadCloud,
    inventory: &mut Inventory,
    wants: &BTreeSet<Want>,
) -> Result<(), SurveyError> {
    keys::at_once(cloud, inventory, wants).await?;
    let open = |want: &&Want| !inventory.answers.contains_key(want);
    // Both are wanted in any case, and spare other questions, or say how many users there are.
    let first = [Want::Authorization, Want::AccountSummary];
    let first: Vec<Want> =
        first.into_iter().filter(|want| wants.contains(want) && open(&want)).collect();
    fill(cloud, inventory, first).await?;
    if inventory.answers.contains_key(&Want::Authorization) {
        // Where it was refused, the same listing is refused again.
        told_already(inventory, wants);
        return Ok(());
    }
    for of in [Everybody::Users, Everybody::Roles] {
        let is_open =
            |want: &&Want| want.listing() == Some(of) && !inventory.answers.contains_key(want);
        let open: Vec<Want> = wants.iter().filter(is_open).cloned().collect();
        if !Listing::may_pay(&open) {
            continue;
        }
        fill(cloud, inventory, [Want::AccountSummary]).await?;
        let listing = Listing::new(of, inventory);
        if !wants.contains(&Want::AccountSummary) && inventory.account_summary().is_err() {
            // It was asked for nothing but this, and is missed by nobody.
            inventory.answers.remove(&Want::AccountSummary);
        }
        read(cloud, inventory, &open, listing).await?;
    }
    Ok(())
}

/// Answers what the details of everybody, which were read, tell.
fn told_already(inventory: &mut Inventory, wants: &BTreeSet<Want>) {
    let account = &inventory.caller.account;
    let Ok(all) = inventory.authorization() else { return };
    if !is_all_of(all, account) {
        return;
    }
    let open = wants.iter().filter(|want| !inventory.answers.contains_key(want));
    let told: Vec<_> =
        open.filter_map(|want| Some((want.clone(), Ok(all.answer(want)?)))).collect();
    inventory.answers.extend(told);
}

/// An answer about another account is no answer.
fn is_all_of(all: &Authorization, account: &AccountId) -> bool {
    let arns = all.users.iter().map(|user| &user.arn);
    arns.chain(all.roles.iter().map(|role| &role.arn)).all(|arn| arn.account() == account.as_str())
}

/// Whether the listing answers a question for whoever looks, where all of `wants` are asked: whoever asks about a login
/// profile, and about the user himself, wants to know when the password was last used.
pub(super) fn answers(want: &Want, wants: &BTreeSet<Want>) -> bool {
    match want {
        Want::User(user) => !wants.contains(&Want::LoginProfile(user.clone())),
        _ => want.listing() == Some(Everybody::Users),
    }
}

/// Answers of `wants` what the listing tells.
pub(super) async fn read(
    cloud: &ReadCloud,
    inventory: &mut Inventory,
    wants: &[Want],
    listing: Listing,
) -> Result<(), SurveyError> {
    let mut reading = Reading::of(wants, inventory.caller.account.clone(), listing);
    if !reading.goes_on() {
        return Ok(());
    }
    let read = cloud.iam().everybody(listing.of, |page| {
        match authorization::on(&page) {
            Ok(found) => reading.page(&found, !page.is_truncated),
            Err(error) => reading.failed = Some(error),
        }
        if reading.goes_on() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let read = read.await;
    match read.err().or(reading.failed.take()) {
        None => {}
        Some(error) if is_gap(&error) => {
            tracing::debug!(%error, "asking about each instead");
            return Ok(());
        }
        Some(error) => return Err(SurveyError(error)),
    }
    if reading.is_foreign {
        tracing::debug!("an answer about another account is no answer; asking about each instead");
        return Ok(());
    }
    inventory.answers.extend(reading.told().map(|(want, fact)| (want, Ok(fact))));
    Ok(())
}

/// The listing, as far as it was read.
struct Reading {
    account: AccountId,
    listing: Listing,
    /// Of whom something is wanted, and who was not on a page yet.
    left: BTreeMap<Principal, Vec<Want>>,
    questions_left: usize,
    told: Vec<(Want, Fact)>,
    /// Whether it was read to its end.
    is_whole: bool,
    failed: Option<CallError>,
    /// Whether it told of another account.
    is_foreign: bool,
}

impl Reading {
    fn of(wants: &[Want], account: AccountId, listing: Listing) -> Self {
        let mut left: BTreeMap<Principal, Vec<Want>> = BTreeMap::new();
        for want in wants {
            if let Some(principal) = want.principal() {
                left.entry(principal).or_default().push(want.clone());
            }
        }
        let questions_left = left.values().map(Vec::len).sum();
        Self {
            account,
            listing,
            left,
            questions_left,
            told: Vec::new(),
            is_whole: false,
            failed: None,
            is_foreign: false,
        }
    }

    fn page(&mut self, found: &Authorization, is_last: bool) {
        self.is_whole = is_last;
        self.listing.page(found.users.len() + found.roles.len());
        self.is_foreign |= !is_all_of(found, &self.account);
        let users = found.users.iter().map(|user| Principal::User(user.name.clone()));
        let roles = found.roles.iter().map(|role| Principal::Role(role.name.clone()));
        for principal in users.chain(roles) {
            let wants = self.left.remove(&principal).unwrap_or_default();
            self.questions_left -= wants.len();
            let told = |want: Want| found.answer(&want).map(|fact| (want, fact));
            self.told.extend(wants.into_iter().filter_map(told));
        }
    }

    /// Whether the next page is worth its request.
    fn goes_on(&self) -> bool {
        self.failed.is_none() && !self.is_foreign && self.listing.pays(self.questions_left)
    }

    /// What it tells: also that somebody is not there, where it was read to its end.
    fn told(self) -> impl Iterator<Item = (Want, Fact)> {
        let gone = if self.is_whole { self.left } else { BTreeMap::new() };
        let nobody = Authorization::default();
        let told = move |want: Want| nobody.answer(&want).map(|fact| (want, fact));
        self.told.into_iter().chain(gone.into_values().flatten().filter_map(told))
    }
}
