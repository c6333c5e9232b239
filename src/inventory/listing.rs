//! Whether reading the listing of all users, or of all roles, takes fewer requests than asking about some of them.
//!
//! Reckoned alike by whoever reads and by whoever says in advance how many requests it will take. Pure.

use std::collections::BTreeSet;

use super::{Inventory, Want};
use crate::ids::{AccessKeyId, Principal};

/// Principals on a page of a listing, at most. AWS may give fewer.
const PAGE: usize = 1000;

/// So few are asked about by themselves, however small the account is: the listing is a permission of its own, and
/// tells of everybody what was asked of one or two.
const FEW: usize = 2;

/// So many access keys are asked about one by one, however few users there are.
const FEW_KEYS: usize = 100;

/// Whom a listing tells of, with their policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Everybody {
    /// All users.
    Users,
    /// All roles.
    Roles,
}

/// A listing, as far as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    /// Of whom it tells.
    pub of: Everybody,
    /// How many there are, where that is known.
    all: Option<usize>,
    seen: usize,
    pages: usize,
    /// How many are on a page, as far as is known.
    page: usize,
}

impl Want {
    /// The listing that tells it as well, but for when a password was last used.
    pub fn listing(&self) -> Option<Everybody> {
        match self {
            Self::User(_) => Some(Everybody::Users),
            Self::Role(_) => Some(Everybody::Roles),
            Self::AttachedPolicies(of) | Self::InlinePolicy(of, _) => Some(match of {
                Principal::User(_) => Everybody::Users,
                Principal::Role(_) => Everybody::Roles,
            }),
            _ => None,
        }
    }

    /// The user or role it asks about, where it is one.
    pub fn principal(&self) -> Option<Principal> {
        let user = || self.user().cloned().map(Principal::User);
        user().or_else(|| self.role().cloned().map(Principal::Role))
    }
}

impl Listing {
    /// Whether `questions` are about so many that the listing is thought of.
    pub fn may_pay(questions: &[Want]) -> bool {
        questions.iter().filter_map(Want::principal).collect::<BTreeSet<_>>().len() > FEW
    }

    /// Whether so many questions about single access keys are more than it takes to list the keys of so many users.
    pub fn keys_may_pay(questions: usize, users: usize) -> bool {
        questions > FEW_KEYS.max(users)
    }

    /// Requests that it takes to ask about single access keys what has an answer in `inventory`, in an account of so many
    /// users: about those alone that are there, where listing pays.
    pub fn key_requests(inventory: &Inventory, users: usize) -> usize {
        let is_about_a_key = |want: &Want| matches!(want, Want::AccessKeyLastUsed(_));
        let questions = inventory.answers.count(is_about_a_key);
        if !Self::keys_may_pay(questions, users) {
            return questions;
        }
        let is_there =
            |key: &AccessKeyId| inventory.access_key_last_used(key).is_ok_and(Option::is_some);
        let there = inventory.answers.count(|want| match want {
            Want::AccessKeyLastUsed(key) => is_there(key),
            _ => false,
        });
        there + users + 1
    }

    /// Of the account that `inventory` is of; nothing of it was read yet.
    pub fn new(of: Everybody, inventory: &Inventory) -> Self {
        let counted = match of {
            Everybody::Users => "Users",
            Everybody::Roles => "Roles",
        };
        let all = inventory.account_summary().ok().and_then(|counts| counts.get(counted));
        let all = all.and_then(|all| usize::try_from(*all).ok());
        Self { of, all, seen: 0, pages: 0, page: PAGE }
    }

    /// A page with so many on it was read. The first shows how large pages are.
    pub fn page(&mut self, count: usize) {
        if self.pages == 0 {
            self.page = count.clamp(1, PAGE);
        }
        self.pages += 1;
        self.seen += count;
    }

    /// Requests that what is left of it takes, unless it ends here. Where nobody knows, as many as were made.
    fn left(&self) -> usize {
        let left = self.all.map(|all| all.saturating_sub(self.seen).div_ceil(self.page));
        left.unwrap_or(self.pages).max(1)
    }

    /// Whether what is left of it takes fewer requests than `questions` do.
    pub fn pays(&self, questions: usize) -> bool {
        self.left() < questions
    }

    /// Requests that it takes to ask what has an answer in `inventory`, and what listings answer as well.
    pub fn requests(inventory: &Inventory) -> usize {
        if inventory.authorization().is_ok() {
            return 0;
        }
        let of_each = [Everybody::Users, Everybody::Roles].map(|of| {
            let questions = inventory.answers.count(|want| want.listing() == Some(of));
            let asked_about = inventory.answers.count(|want| match of {
                Everybody::Users => matches!(want, Want::User(_)),
                Everybody::Roles => matches!(want, Want::Role(_)),
            });
            let listing = Self::new(of, inventory);
            if asked_about > FEW && listing.pays(questions) { listing.left() } else { questions }
        });
        of_each.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(all: Option<usize>) -> Listing {
        Listing { of: Everybody::Users, all, seen: 0, pages: 0, page: PAGE }
    }

    #[test]
    fn a_listing_is_read_as_long_as_its_rest_takes_fewer_requests() {
        let mut known = listing(Some(2500));
        assert!(known.pays(4) && !known.pays(3));
        // Pages are smaller than they may be.
        known.page(100);
        assert!(known.pays(25) && !known.pays(24));
        known.page(100);
        assert!(known.pays(24));
        let mut unknown = listing(None);
        for read in 1..10 {
            assert!(unknown.pays(read.max(2)));
            unknown.page(100);
            assert!(!unknown.pays(read));
        }
        assert!(!listing(Some(0)).pays(1));
    }
}
