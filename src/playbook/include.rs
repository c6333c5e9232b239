//! Fragments: files beside a playbook that it includes, with inputs, targets and steps that several share.
//!
//! A fragment is named by its path inside the playbook's folder, also by another fragment; each is taken once.
//! What a fragment holds comes before what includes it. The trees are joined before anything is understood,
//! so that everything is checked as if it stood in one file, and every place still points into its own. Reads
//! no file itself: a [`Folder`] does. Collects every problem.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::node::{Key, Kind, Node};
use super::{version, yaml};
use crate::diagnostic::{Code, Diagnostic, Place, Source, nearest};

/// How many fragments a playbook may have.
const MAX_FRAGMENTS: usize = 32;

/// Where fragments are.
pub trait Folder: Sync {
    /// The bytes of a fragment, or why there are none, as a phrase. The path is relative, and has no `..`.
    fn fragment(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The paths that there are, so far as somebody has looked: to say which was most likely meant.
    fn paths(&self) -> Vec<String> {
        Vec::new()
    }

    /// What people call it.
    fn shown(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// No folder at all: of a playbook that was handed over as text.
#[derive(Clone, Copy, Debug)]
pub struct NoFolder;

impl Folder for NoFolder {
    fn fragment(&self, _path: &str) -> Result<Vec<u8>, String> {
        Err("the playbook was read without its folder".to_owned())
    }
}

/// Fragments that were kept, by their paths.
impl Folder for BTreeMap<String, String> {
    fn fragment(&self, path: &str) -> Result<Vec<u8>, String> {
        self.get(path)
            .map(|text| text.clone().into_bytes())
            .ok_or_else(|| "there is none".to_owned())
    }

    fn paths(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// A fragment that a playbook includes.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// Its path, as it is included.
    pub path: String,
    /// Its text.
    pub source: Source,
}

/// Several sources as one range of bytes, each behind the one before.
pub(super) struct Parts(Vec<(usize, Source)>);

impl Parts {
    fn push(&mut self, source: &Source) -> usize {
        let (at, last) = self.0.last().expect("the playbook is the first");
        let offset = at + last.text().len() + 1;
        self.0.push((offset, source.clone()));
        offset
    }

    /// The playbook itself.
    pub(super) fn first(&self) -> &Source {
        &self.0[0].1
    }

    /// Their texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, source)| source.text())
    }

    /// Where a range stands in its own source.
    pub(super) fn place(&self, range: &Range<usize>) -> Place {
        let behind = self.0.partition_point(|(offset, _)| *offset <= range.start);
        let (offset, source) = &self.0[behind.max(1) - 1];
        Place::new(source, range.start - offset..range.end.max(range.start) - offset)
    }
}

/// A playbook with its fragments.
pub(super) struct Gathered {
    pub(super) parts: Parts,
    /// The fragments, each after those it includes.
    pub(super) fragments: Vec<Fragment>,
    /// Their trees, with places among the parts.
    pub(super) trees: Vec<Node>,
    /// Those that could not be read, or not to their end: what they declare only looks unknown.
    pub(super) unread: Vec<String>,
    /// Whether the playbook itself is one of them.
    pub(super) cut_short: bool,
    pub(super) problems: Vec<Diagnostic>,
}

/// Reads every fragment that `tree` includes. There are problems with the text of the tree already.
pub(super) fn gather(
    source: &Source,
    tree: &Node,
    cut_short: bool,
    problems: Vec<Diagnostic>,
    folder: &dyn Folder,
) -> Gathered {
    let mut gathered = Gathered {
        parts: Parts(vec![(0, source.clone())]),
        fragments: Vec::new(),
        trees: Vec::new(),
        unread: cut_short.then(|| source.name().to_owned()).into_iter().collect(),
        cut_short,
        problems,
    };
    let mut taken = BTreeSet::new();
    gathered.includes_of(tree, folder, &mut Vec::new(), &mut taken);
    gathered
}

impl Gathered {
    fn includes_of(
        &mut self,
        tree: &Node,
        folder: &dyn Folder,
        path: &mut Vec<String>,
        taken: &mut BTreeSet<String>,
    ) {
        for (name, range) in included(tree) {
            let place = self.parts.place(&range);
            if path.contains(&name) {
                let message =
                    format!("fragments include each other: {} -> {name}", path.join(" -> "));
                let problem = Diagnostic::error(Code::Cycle, message)
                    .at(place, "is being included already")
                    .help("take one of the two out");
                self.problems.push(problem);
                continue;
            }
            if folder.shown(&name) == self.parts.first().name() {
                let problem = Diagnostic::error(Code::Cycle, "the playbook includes itself")
                    .at(place, "this is where it stands")
                    .help("take it out");
                self.problems.push(problem);
                continue;
            }
            if !taken.insert(name.clone()) {
                continue;
            }
            let refused = |why: String, help: &str| {
                let message =
                    format!("`{}` cannot be included: {why}", super::field::shorten(&name));
                Diagnostic::error(Code::BadInclude, message).at(place.clone(), "this").help(help)
            };
            if taken.len() > MAX_FRAGMENTS {
                let why = format!("a playbook includes at most {MAX_FRAGMENTS} files");
                self.problems.push(refused(why, "put some of them together"));
                self.unread.push(name);
                return;
            }
            let bytes = match objection(&name) {
                Some(why) => Err((why.to_owned(), NAME_ONE)),
                None => folder.fragment(&name).map_err(|why| (why, RELATIVE)),
            };
            let (name, bytes) = match bytes {
                Ok(bytes) => (name, bytes),
                Err((why, otherwise)) => {
                    let meant = meant(&name, folder);
                    let help = meant.as_ref().map(|path| format!("did you mean `{path}`?"));
                    self.problems.push(refused(why, help.as_deref().unwrap_or(otherwise)));
                    // What was meant is read, so that nothing that stands there is told to be missing.
                    let read = meant.filter(|path| !taken.contains(path));
                    let read = read.and_then(|path| Some((folder.fragment(&path).ok()?, path)));
                    let Some((bytes, path)) = read else {
                        self.unread.push(name);
                        continue;
                    };
                    taken.insert(path.clone());
                    (path, bytes)
                }
            };
            let source = Source::from_bytes(folder.shown(&name), bytes);
            let yaml::Text { tree, cut_short, problems, .. } = yaml::read(&source);
            let read = if let Some((version, range)) = tree.as_ref().and_then(version::another) {
                let place = Place::new(&source, range);
                self.problems.push(version::refused(version, place));
                None
            } else {
                self.problems.extend(problems);
                if cut_short && tree.is_some() {
                    self.unread.push(name.clone());
                }
                tree.map(|tree| (source, tree))
            };
            let Some((source, mut tree)) = read else {
                self.unread.push(name);
                continue;
            };
            let offset = self.parts.push(&source);
            shift(&mut tree, offset);
            path.push(name.clone());
            self.includes_of(&tree, folder, path, taken);
            path.pop();
            self.fragments.push(Fragment { path: name, source });
            self.trees.push(tree);
        }
    }

    /// The tree with what the fragments hold in its place.
    pub(super) fn joined(&mut self, mut tree: Node) -> Node {
        let Kind::Map(own) = &mut tree.kind else { return tree };
        for name in ["inputs", "targets", "trusted", "steps"] {
            let mut key = None;
            let mut all: Option<Node> = None;
            for fragment in &self.trees {
                let Some((of, node)) = entry(fragment, name) else { continue };
                key.get_or_insert_with(|| of.clone());
                append(&mut all, node, &self.parts, &mut self.problems);
            }
            let (Some(key), Some(mut all)) = (key, all) else { continue };
            match own.iter_mut().find(|(key, _)| key.text == name) {
                None => own.push((key, all)),
                Some((_, node)) if same_kind(&all, node) => {
                    let mut whole = Some(std::mem::replace(&mut all.kind, Kind::Null));
                    let mut whole =
                        whole.take().map(|kind| Node { kind, range: node.range.clone() });
                    append(&mut whole, node, &self.parts, &mut self.problems);
                    *node = whole.expect("something was put in");
                }
                // Of another kind: complained about where it is read.
                Some(_) => {}
            }
        }
        tree
    }
}

/// What a tree includes, with where it says so. What is no path is complained about elsewhere.
fn included(tree: &Node) -> Vec<(String, Range<usize>)> {
    let Some((_, Node { kind: Kind::List(items), .. })) = entry(tree, "include") else {
        return Vec::new();
    };
    let path = |item: &Node| match &item.kind {
        Kind::Text(path) => Some((path.clone(), item.range.clone())),
        _ => None,
    };
    items.iter().filter_map(path).collect()
}

fn entry<'n>(tree: &'n Node, name: &str) -> Option<&'n (Key, Node)> {
    let Kind::Map(entries) = &tree.kind else { return None };
    entries.iter().find(|(key, _)| key.text == name)
}

const NAME_ONE: &str = "name a .yaml file inside the playbook's folder: shared/contain.yaml";
const RELATIVE: &str = "the path is relative to the folder that the playbook is in";

/// The path that was most likely meant by one that is not taken, or where nothing is: the same without detours, or one of
/// those that there are.
fn meant(path: &str, folder: &dyn Folder) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    let plain = parts.join("/");
    let plain = match plain.rsplit_once('.') {
        Some((stem, "yml")) => format!("{stem}.yaml"),
        _ => plain,
    };
    if path.starts_with('/') {
        return None;
    }
    if plain != path && objection(&plain).is_none() && folder.fragment(&plain).is_ok() {
        return Some(plain);
    }
    let paths = folder.paths();
    let all = paths.iter().map(String::as_str).filter(|path| objection(path).is_none());
    let file = |path: &str| path.rsplit('/').next().map(str::to_owned);
    let mut alike = all.clone().filter(|one| file(one) == file(&plain));
    if let (Some(only), None) = (alike.next(), alike.next()) {
        return Some(only.to_owned());
    }
    // Of those beside it.
    let (folder, name) = plain.rsplit_once('/').unwrap_or(("", &plain));
    let beside = all.filter_map(|one| {
        let (other, name) = one.rsplit_once('/').unwrap_or(("", one));
        (other == folder).then_some(name)
    });
    let near = nearest(name, beside)?;
    Some(if folder.is_empty() { near.to_owned() } else { format!("{folder}/{near}") })
}

/// Why a path is not taken.
fn objection(path: &str) -> Option<&'static str> {
    if path.starts_with('/') || path.contains('\\') || path.contains(':') {
        Some("it is not a relative path")
    } else if path.split('/').any(|part| part == "..") {
        Some("it leads out of the playbook's folder")
    } else if path.split('/').any(|part| part.is_empty() || part == ".") || path.len() > 200 {
        Some("it is not written plainly")
    } else if path.chars().any(char::is_control) || path.strip_suffix(".yaml").is_none() {
        Some("it is not the name of a .yaml file")
    } else {
        None
    }
}

fn shift(node: &mut Node, by: usize) {
    let moved = |range: &Range<usize>| range.start + by..range.end + by;
    node.range = moved(&node.range);
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Kind::Map(entries) => {
            for (key, value) in entries {
                key.range = moved(&key.range);
                shift(value, by);
            }
        }
        _ => {}
    }
}

fn same_kind(a: &Node, b: &Node) -> bool {
    matches!((&a.kind, &b.kind), (Kind::List(_), Kind::List(_)) | (Kind::Map(_), Kind::Map(_)))
}

/// Puts what a list or mapping holds behind what is there already. A name that two files declare is one too many.
fn append(all: &mut Option<Node>, node: &Node, parts: &Parts, problems: &mut Vec<Diagnostic>) {
    let Some(all) = all else {
        *all = matches!(node.kind, Kind::List(_) | Kind::Map(_)).then(|| node.clone());
        return;
    };
    match (&mut all.kind, &node.kind) {
        (Kind::List(all), Kind::List(items)) => all.extend(items.iter().cloned()),
        (Kind::Map(all), Kind::Map(entries)) => {
            for (key, value) in entries {
                let Some((first, _)) = all.iter().find(|(first, _)| first.text == key.text) else {
                    all.push((key.clone(), value.clone()));
                    continue;
                };
                let name = super::field::shorten(&key.text);
                let message = format!("`{name}` is declared in two files");
                let problem = Diagnostic::error(Code::DuplicateId, message)
                    .at(parts.place(&key.range), "again here")
                    .and(parts.place(&first.range), "first here")
                    .help("keep one of the two, or give one of them another name");
                problems.push(problem);
            }
        }
        _ => {}
    }
}
