//! Where everything stands in the text of a world: each value, by the keys and numbers that lead to it.
//!
//! Knows YAML, and nothing of what a world means. Of a text that it cannot read it knows no places.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};

use super::text::{DEEPEST, MOST_VALUES};

/// A value, and where it stands; of a list or a mapping only where it begins.
struct Tree {
    range: Range<usize>,
    inner: Inner,
}

enum Inner {
    Scalar,
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

struct Entry {
    key: String,
    range: Range<usize>,
    value: Tree,
}

/// The places of a text.
pub(super) struct Places<'t> {
    text: &'t str,
    tree: Option<Tree>,
}

impl<'t> Places<'t> {
    /// Those of `text`.
    pub(super) fn of(text: &'t str) -> Self {
        let options = serde_saphyr::options! {
            with_snippet: false,
            merge_keys: MergeKeyPolicy::AsOrdinary,
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
            budget: serde_saphyr::budget! {
                max_depth: DEEPEST,
                flow_nesting_limit: DEEPEST,
                max_nodes: MOST_VALUES,
                max_events: 4 * MOST_VALUES,
            },
        };
        let raw = serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options);
        Self { text, tree: raw.ok().map(|raw| tree(text, raw)) }
    }

    /// Where a path leads: to the value, where that is a scalar, and else to its key. As far as it leads anywhere.
    pub(super) fn at(&self, path: &[String]) -> Range<usize> {
        let Some(mut tree) = self.tree.as_ref() else { return 0..0 };
        let mut at = tree.range.start..tree.range.start;
        for step in path {
            let next = match &tree.inner {
                Inner::Scalar => None,
                Inner::List(items) => self.item(items, step).inspect(|item| {
                    at = item.range.start..item.range.start;
                }),
                Inner::Map(entries) => {
                    entries.iter().find(|entry| entry.key == *step).map(|entry| {
                        at = entry.range.clone();
                        &entry.value
                    })
                }
            };
            let Some(next) = next else { return at };
            tree = next;
        }
        match tree.inner {
            Inner::Scalar if !tree.range.is_empty() => tree.range.clone(),
            _ => at,
        }
    }

    /// Where the last key of a path stands, if it leads to one.
    pub(super) fn key(&self, path: &[String]) -> Option<Range<usize>> {
        let (last, before) = path.split_last()?;
        let Inner::Map(entries) = &self.lead(before)?.inner else { return None };
        entries.iter().find(|entry| entry.key == *last).map(|entry| entry.range.clone())
    }

    /// Where the value stands that a path leads to, as far as it is on one line.
    pub(super) fn value(&self, path: &[String]) -> Option<Range<usize>> {
        let tree = self.lead(path)?;
        if matches!(tree.inner, Inner::Scalar) {
            return Some(tree.range.clone());
        }
        let start = tree.range.start;
        let line = self.text[start..].lines().next().unwrap_or_default();
        let end = if line.starts_with('[') { line.find(']').map(|at| at + 1) } else { None };
        Some(start..start + end.unwrap_or(line.trim_end().len()))
    }

    /// An item by what it is, or by its number.
    fn item<'s>(&self, items: &'s [Tree], step: &str) -> Option<&'s Tree> {
        let is_it = |item: &&Tree| {
            matches!(item.inner, Inner::Scalar)
                && self.text[item.range.clone()].trim_matches(['"', '\'']) == step
        };
        items.iter().find(is_it).or_else(|| items.get(step.parse::<usize>().ok()?))
    }

    fn lead(&self, path: &[String]) -> Option<&Tree> {
        path.iter().try_fold(self.tree.as_ref()?, |tree, step| match &tree.inner {
            Inner::Scalar => None,
            Inner::List(items) => self.item(items, step),
            Inner::Map(entries) => {
                entries.iter().find(|entry| entry.key == *step).map(|entry| &entry.value)
            }
        })
    }
}

struct Raw(RawInner);

enum RawInner {
    Scalar,
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<IgnoredAny>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }

            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw(RawInner::Scalar))
            }

            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw(RawInner::Scalar))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
                Ok(Raw(RawInner::Scalar))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
                Ok(Raw(RawInner::Scalar))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
                Ok(Raw(RawInner::Scalar))
            }

            fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
                Ok(Raw(RawInner::Scalar))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
                Ok(Raw(RawInner::Scalar))
            }

            fn visit_str<E>(self, _: &str) -> Result<Raw, E> {
                Ok(Raw(RawInner::Scalar))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw(RawInner::List(items)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw(RawInner::Map(entries)))
            }
        }

        from.deserialize_any(Any)
    }
}

fn tree(text: &str, raw: Spanned<Raw>) -> Tree {
    let range = range_of(text, raw.referenced);
    let inner = match raw.value.0 {
        RawInner::Scalar => Inner::Scalar,
        RawInner::List(items) => {
            Inner::List(items.into_iter().map(|item| tree(text, item)).collect())
        }
        RawInner::Map(entries) => Inner::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let range = range_of(text, key.referenced);
                    let key = text.get(range.clone()).unwrap_or_default();
                    let key = key.trim_matches(['"', '\'']).to_owned();
                    Entry { key, range, value: tree(text, value) }
                })
                .collect(),
        ),
    };
    Tree { range, inner }
}

fn range_of(text: &str, location: Location) -> Range<usize> {
    let span = location.span();
    let whole = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let start = span.byte_offset().map_or(0, whole).min(text.len());
    let end = start.saturating_add(span.byte_len().map_or(0, whole)).min(text.len());
    let length = text.get(start..end).map_or(0, |slice| slice.trim_end().len());
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_path_leads_to_is_found_where_it_stands() {
        let text =
            "a:\n  \"111\": { b: [one, two], 'c': }\n  list:\n    - name: x\n      deep: [ 1 ]\n";
        let places = Places::of(text);
        let at = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
            text[places.at(&path)].to_owned()
        };
        assert_eq!(at(&["a", "111", "b", "1"]), "two");
        assert_eq!(at(&["a", "111", "b", "two"]), "two");
        assert_eq!(at(&["a", "111", "b"]), "b");
        assert_eq!(at(&["a", "111", "c"]), "'c'");
        assert_eq!(at(&["a", "list", "0", "name"]), "x");
        // As far as it leads.
        assert_eq!(at(&["a", "111", "nothing"]), "\"111\"");
        assert_eq!(Places::of("a: [").at(&["a".to_owned()]), 0..0);
    }
}
