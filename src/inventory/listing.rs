//! Whether reading the listing of all users takes fewer requests than asking about some of them.
//!
//! Reckoned alike by whoever reads and by whoever says in advance how many requests it will take. Pure.

use std::collections::BTreeSet;

use super::{Inventory, Want};
use crate::ids::UserName;

/// Users on a page of the listing, at most. AWS may give fewer.
const PAGE: usize = 1000;

/// So few users are asked about by themselves, however small the account is: the listing is a permission of its own,
/// and tells of everybody what was asked of one or two.
const FEW: usize = 2;

/// The listing of all users with their policies, as far as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    /// How many users there are, where that is known.
    users: Option<usize>,
    seen: usize,
    pages: usize,
    /// Users on a page, as far as is known.
    page: usize,
}

impl Want {
    /// Whether the listing of all users with their policies tells it of one, but for when a password was last used.
    pub fn is_of_listing(&self) -> bool {
        match self {
            Self::User(_) => true,
            Self::AttachedPolicies(of) | Self::InlinePolicy(of, _) => of.user().is_some(),
            _ => false,
        }
    }
}

impl Listing {
    /// Whether so many are asked about that the listing is thought of.
    pub fn may_pay<'w>(users: impl Iterator<Item = &'w UserName>) -> bool {
        users.collect::<BTreeSet<_>>().len() > FEW
    }

    /// Of the account that `inventory` is of; nothing of it was read yet.
    pub fn of(inventory: &Inventory) -> Self {
        let users = inventory.account_summary().ok().and_then(|counts| counts.get("Users"));
        let users = users.and_then(|users| usize::try_from(*users).ok());
        Self { users, seen: 0, pages: 0, page: PAGE }
    }

    /// A page of so many users was read. The first shows how large pages are.
    pub fn page(&mut self, users: usize) {
        if self.pages == 0 {
            self.page = users.clamp(1, PAGE);
        }
        self.pages += 1;
        self.seen += users;
    }

    /// Requests that what is left of it takes, unless it ends here. Where nobody knows, as many as were made.
    fn left(&self) -> usize {
        let left = self.users.map(|users| users.saturating_sub(self.seen).div_ceil(self.page));
        left.unwrap_or(self.pages).max(1)
    }

    /// Whether what is left of it takes fewer requests than `questions` do.
    pub fn pays(&self, questions: usize) -> bool {
        self.left() < questions
    }

    /// Requests that the questions take which have an answer in `inventory`, and which the listing answers as well.
    pub fn requests(inventory: &Inventory) -> usize {
        let questions = inventory.answers.count(Want::is_of_listing);
        let users = inventory.answers.count(|want| matches!(want, Want::User(_)));
        let listing = Self::of(inventory);
        if inventory.authorization().is_ok() {
            0
        } else if users > FEW && listing.pays(questions) {
            listing.left()
        } else {
            questions
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(users: Option<usize>) -> Listing {
        Listing { users, seen: 0, pages: 0, page: PAGE }
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
