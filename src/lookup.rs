//! What is looked up far more often than it is gone through: found by hash.
//!
//! In a large account the maps of planning no longer fit into the processor's caches, and a search by comparing walks
//! through most of them. Here they lie as they were added, which is about the order in which they are asked for, and only
//! a small index is hashed. That order is nobody's business: whoever goes through them gets them in the order of
//! their keys.

use std::borrow::Borrow;
use std::hash::Hash;

use indexmap::IndexMap;

/// A map without an order of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lookup<K: Hash + Eq, V>(IndexMap<K, V>);

impl<K: Hash + Eq, V> Lookup<K, V> {
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// The key itself, as it is kept.
    pub(crate) fn kept<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&K>
    where
        K: Borrow<Q>,
    {
        self.0.get_key_value(key).map(|(key, _)| key)
    }

    pub(crate) fn contains<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many keys pass.
    pub(crate) fn count(&self, passes: impl Fn(&K) -> bool) -> usize {
        self.0.keys().filter(|key| passes(key)).count()
    }

    /// Adds one. What was there before is given back.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.0.swap_remove(key)
    }

    /// Leaves out those that do not pass.
    pub(crate) fn retain(&mut self, mut passes: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|key, value| passes(key, value));
    }

    /// Those that pass, in the order of their keys.
    pub(crate) fn in_order(&self, passes: impl Fn(&V) -> bool) -> impl Iterator<Item = (&K, &V)>
    where
        K: Ord,
    {
        let mut all: Vec<_> = self.0.iter().filter(|(_, value)| passes(value)).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all.into_iter()
    }

    /// All, in the order of their keys.
    pub(crate) fn into_order(self) -> impl Iterator<Item = (K, V)>
    where
        K: Ord,
    {
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        all.into_iter()
    }
}

impl<K: Hash + Eq, V> Default for Lookup<K, V> {
    fn default() -> Self {
        Self(IndexMap::new())
    }
}

impl<K: Hash + Eq, V> Extend<(K, V)> for Lookup<K, V> {
    fn extend<T: IntoIterator<Item = (K, V)>>(&mut self, more: T) {
        self.0.extend(more);
    }
}

impl<K: Hash + Eq, V> FromIterator<(K, V)> for Lookup<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(all: T) -> Self {
        Self(all.into_iter().collect())
    }
}
