//! A text as one tree: what both readers take it for, and every problem either has with it.
//!
//! Knows nothing of playbooks. Without a tree nothing can be said of what stands in the text.

use super::field::shorten;
use super::node::{self, Key, Kind, Node};
use super::second_reader;
use crate::diagnostic::{Code, Diagnostic, Place, Source};

/// Reads a text. The tree has every key once; there is none where the text is no YAML, or too large.
pub(super) fn read(source: &Source) -> (Option<Node>, Vec<Diagnostic>) {
    let node::Reading { tree, plain, mut problems } = node::read(source);
    let tree = tree.map(|mut tree| {
        problems = all(second_reader::agree(source, &plain, &tree), std::mem::take(&mut problems));
        once(source, &mut tree, &mut problems);
        tree
    });
    (tree, problems)
}

/// What was said of a text, and what is found in its tree without what only follows: nobody knows what a value
/// would be whose text was refused.
pub(super) fn all(mut found: Vec<Diagnostic>, mut said: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let refused: Vec<&Place> = said
        .iter()
        .filter(|problem| matches!(problem.code, Code::UnsupportedYaml | Code::AmbiguousYaml))
        .filter_map(|problem| problem.primary.as_ref())
        .map(|label| &label.place)
        .collect();
    found.retain(|problem| {
        let Some(label) = &problem.primary else { return true };
        // What is not there follows from nothing that is.
        if problem.code == Code::MissingKey {
            return true;
        }
        let here = label.place.range();
        !refused.iter().any(|refused| {
            let said = refused.range();
            refused.source() == label.place.source()
                && said.start <= here.start
                && here.end <= said.end
                && !said.is_empty()
        })
    });
    said.append(&mut found);
    said
}

/// Takes out of every mapping the keys that stand in it before. What the second of two lists or mappings holds
/// goes behind the first, so that it is looked at too.
fn once(source: &Source, node: &mut Node, problems: &mut Vec<Diagnostic>) {
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| once(source, item, problems)),
        Kind::Map(entries) => {
            let mut kept: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
            for (key, mut value) in entries.drain(..) {
                once(source, &mut value, problems);
                let Some((first, before)) =
                    kept.iter_mut().find(|(first, _)| first.text == key.text)
                else {
                    kept.push((key, value));
                    continue;
                };
                let message =
                    format!("the key `{}` stands twice in one mapping", shorten(&key.text));
                let problem = Diagnostic::error(Code::DuplicateKey, message)
                    .at(Place::new(source, key.range), "again here")
                    .and(Place::new(source, first.range.clone()), "first here")
                    .help("keep one of the two");
                problems.push(problem);
                match (&mut before.kind, value.kind) {
                    (Kind::List(all), Kind::List(more)) => all.extend(more),
                    (Kind::Map(all), Kind::Map(more)) => {
                        for (key, value) in more {
                            if !all.iter().any(|(known, _)| known.text == key.text) {
                                all.push((key, value));
                            }
                        }
                    }
                    _ => {}
                }
            }
            *entries = kept;
        }
        _ => {}
    }
}
