//! Lists of a plan in which whatever concerns somebody is found without going through all of it.
//!
//! A plan cuts thousands of users, and run and ledger ask of each of them what cuts him, what lets him in again and
//! what he holds. Asked of the whole list each time, a run would take sixteen times as long for four times the users.
//!
//! To read it is a list like any other, and so it is saved. Where it is found is worked out when it is first asked
//! for, and forgotten by whoever changes the list. Things of the same hash are given besides: whoever asks judges
//! what he is given as if he had gone through all.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Change, Credential, Destination, Effect, RoleInReach, Subject};
use crate::ids::{ChangeId, Principal};

/// A list, and where in it things are.
pub struct Listed<T> {
    all: Vec<T>,
    /// The hash of everything that is asked for by, and the place of what it concerns; sorted.
    places: OnceLock<Places>,
}

/// Hashes and the place of what each is of, sorted; and where those begin that have the same upper bits.
struct Places {
    all: Vec<(u64, u32)>,
    begins: Vec<u32>,
    /// How far a hash is shifted for its upper bits.
    shift: u32,
}

impl Places {
    /// A search by halves would look into most of a list that is larger than the processor's caches: some four lie
    /// between one beginning and the next.
    fn of(mut all: Vec<(u64, u32)>) -> Self {
        all.sort_unstable();
        all.dedup();
        all.shrink_to_fit();
        let bits = (all.len() / 4).max(2).next_power_of_two().ilog2();
        let shift = u64::BITS - bits;
        let mut begins = Vec::with_capacity((1 << bits) + 1);
        for (at, (hash, _)) in (0_u32..).zip(&all) {
            begins.resize(begins.len().max(upper(*hash, shift) + 1), at);
        }
        let end = u32::try_from(all.len()).expect("a plan has fewer than four billion changes");
        begins.resize((1 << bits) + 1, end);
        Self { all, begins, shift }
    }

    fn of_hash(&self, hash: u64) -> &[(u64, u32)] {
        let bits = upper(hash, self.shift);
        let alike = &self.all[self.begins[bits] as usize..self.begins[bits + 1] as usize];
        let from = alike.iter().take_while(|(other, _)| *other < hash).count();
        let found = alike[from..].iter().take_while(|(other, _)| *other == hash).count();
        &alike[from..from + found]
    }
}

/// What is left of a hash that is shifted so far: no more bits than there are beginnings.
fn upper(hash: u64, shift: u32) -> usize {
    usize::try_from(hash >> shift).expect("a beginning has its place in memory")
}

/// What is asked for by.
#[derive(Hash)]
pub enum Of<'a> {
    /// The change of this name.
    Change(&'a ChangeId),
    /// Whatever is about a principal.
    Principal(&'a Principal),
    /// Whatever is about one credential.
    Credential(&'a Credential),
}

/// What is listed tells by what it is asked for.
pub trait Concerns {
    /// Tells all of it.
    fn concerns(&self, tell: &mut dyn FnMut(Of<'_>));
}

impl Of<'_> {
    fn hash(&self) -> u64 {
        // The same in every process, though nobody sees it.
        let mut hasher = DefaultHasher::new();
        Hash::hash(self, &mut hasher);
        hasher.finish()
    }
}

impl<T: Concerns> Listed<T> {
    fn places(&self) -> &Places {
        self.places.get_or_init(|| {
            let mut places = Vec::with_capacity(self.all.len() * 2);
            for (at, one) in self.all.iter().enumerate() {
                let at = u32::try_from(at).expect("a plan has fewer than four billion changes");
                one.concerns(&mut |of| places.push((of.hash(), at)));
            }
            Places::of(places)
        })
    }

    /// Where all is that can concern what is asked for by, in the order of the list.
    fn places_of(&self, of: &Of<'_>) -> &[(u64, u32)] {
        self.places().of_hash(of.hash())
    }

    /// All that can concern it, in the order of the list.
    fn of(&self, of: &Of<'_>) -> impl Iterator<Item = &T> + use<'_, T> {
        self.of_either(of, None)
    }

    /// All that can concern one of the two, in the order of the list.
    fn of_either<'s>(
        &'s self,
        one: &Of<'_>,
        other: Option<&Of<'_>>,
    ) -> impl Iterator<Item = &'s T> + use<'s, T> {
        let (mut one, mut other) =
            (self.places_of(one), other.map(|of| self.places_of(of)).unwrap_or_default());
        // Asked for each of thousands, and so nothing is put together first.
        std::iter::from_fn(move || {
            let next = match (one.first(), other.first()) {
                (Some((_, a)), Some((_, b))) => *a.min(b),
                (Some((_, at)), None) | (None, Some((_, at))) => *at,
                (None, None) => return None,
            };
            for places in [&mut one, &mut other] {
                if places.first().is_some_and(|(_, at)| *at == next) {
                    *places = &places[1..];
                }
            }
            Some(&self.all[next as usize])
        })
    }

    /// All that a cut or a lift of `subject` can concern, and all that cuts or lifts it, in the order of the list.
    pub fn about<'s>(&'s self, subject: &Subject) -> impl Iterator<Item = &'s T> + use<'s, T> {
        match subject {
            Subject::Principal { principal } => self.of(&Of::Principal(principal)),
            Subject::Credential { credential } => self.of(&Of::Credential(credential)),
        }
    }

    /// All that can concern `credential` or whoever holds it, in the order of the list.
    pub fn reaching<'s>(
        &'s self,
        credential: &Credential,
    ) -> impl Iterator<Item = &'s T> + use<'s, T> {
        let holder = credential.principal();
        let held = holder.as_ref().map(Of::Principal);
        self.of_either(&Of::Credential(credential), held.as_ref())
    }
}

impl Listed<Change> {
    /// The change called `id`.
    pub fn called(&self, id: &ChangeId) -> Option<&Change> {
        self.of(&Of::Change(id)).find(|change| &change.id == id)
    }
}

impl Listed<Credential> {
    /// Whether it is in the list.
    pub fn contains(&self, credential: &Credential) -> bool {
        self.of(&Of::Credential(credential)).any(|listed| listed == credential)
    }
}

impl Concerns for Change {
    fn concerns(&self, tell: &mut dyn FnMut(Of<'_>)) {
        tell(Of::Change(&self.id));
        for effect in &self.effects {
            match effect {
                Effect::Cuts { subject, .. } | Effect::Lifts { subject, .. } => match subject {
                    Subject::Principal { principal } => tell(Of::Principal(principal)),
                    Subject::Credential { credential } => tell(Of::Credential(credential)),
                },
                Effect::Issues { user, replaces } => {
                    tell(Of::Principal(&Principal::User(user.clone())));
                    if let Some(old) = replaces {
                        tell(Of::Credential(old));
                    }
                }
                Effect::Rotates { secret, .. } => {
                    tell(Of::Credential(&Credential::SecretValue { secret: secret.clone() }));
                }
                Effect::Destroys { credential } => tell(Of::Credential(credential)),
                Effect::Delivers { to: Destination::Secret { secret } } => {
                    tell(Of::Credential(&Credential::SecretValue { secret: secret.clone() }));
                }
                Effect::Delivers { .. } | Effect::Spares { .. } => {}
            }
        }
    }
}

impl Concerns for Credential {
    fn concerns(&self, tell: &mut dyn FnMut(Of<'_>)) {
        tell(Of::Credential(self));
        if let Some(holder) = self.principal() {
            tell(Of::Principal(&holder));
        }
    }
}

impl Concerns for RoleInReach {
    fn concerns(&self, tell: &mut dyn FnMut(Of<'_>)) {
        self.sessions.concerns(tell);
    }
}

impl<T> Deref for Listed<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.all
    }
}

impl<T> DerefMut for Listed<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        self.places = OnceLock::new();
        &mut self.all
    }
}

impl<T> From<Vec<T>> for Listed<T> {
    fn from(all: Vec<T>) -> Self {
        Self { all, places: OnceLock::new() }
    }
}

impl<T> FromIterator<T> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        Vec::from_iter(all).into()
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T> IntoIterator for Listed<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Listed<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut Listed<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: Clone> Clone for Listed<T> {
    fn clone(&self) -> Self {
        self.all.clone().into()
    }
}

impl<T: PartialEq> PartialEq for Listed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl<T: Eq> Eq for Listed<T> {}

impl<T: fmt::Debug> fmt::Debug for Listed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.fmt(f)
    }
}

impl<T: Serialize> Serialize for Listed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.all.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserName;

    fn password(name: &str) -> Credential {
        Credential::Password { user: UserName::parse(name).unwrap() }
    }

    #[test]
    fn what_concerns_somebody_is_found_in_the_order_of_the_list() {
        let user = |name| UserName::parse(name).unwrap();
        let sessions = |name| Credential::Sessions { user: user(name) };
        let listed: Listed<Credential> =
            vec![sessions("ben"), password("ben"), password("anna"), sessions("anna")].into();
        let principal = Principal::User(user("ben"));
        let found: Vec<_> = listed.about(&Subject::Principal { principal }).collect();
        assert_eq!(found, [&sessions("ben"), &password("ben")]);
        assert!(listed.contains(&password("anna")) && !listed.contains(&password("carla")));
    }

    #[test]
    fn a_list_that_was_changed_is_searched_anew() {
        let mut listed: Listed<Credential> = vec![password("anna")].into();
        assert!(!listed.contains(&password("ben")));
        listed.push(password("ben"));
        assert!(listed.contains(&password("ben")));
        listed.clear();
        assert!(!listed.contains(&password("anna")));
    }
}
