//! From a tree of YAML to a [`Playbook`]: every field typed, every problem collected.
//!
//! What may stand where is said by tables of [`Field`], not by the code that reads them. A value
//! that is wrong is left out and reading goes on, so that one slip does not hide another; `order`
//! then judges how the steps stand to each other.

mod accounts;
mod declarations;
mod order;
mod steps;
mod tables;
mod values;
mod warnings;

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use self::tables::FRAGMENT;
pub(super) use self::tables::KEY_OR_KEYS;
pub use self::tables::{APPROVALS, BATCHES, GATE, INPUT, LIMITS, PLAYBOOK, STEP, TRUSTED};
use super::Playbook;
use super::expression::check::{EACH, Names};
use super::expression::shape::Shape;

use super::field::{Field, FieldType, Mismatch, shorten};
use super::include::{Gathered, Parts};
use super::node::{Key, Kind, Node};
use super::vocabulary::{Mode, Vocabulary};
use super::yaml;
use crate::diagnostic::nearest;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::ids::StepId;

/// How many expressions a playbook may have: each is parsed, and parsing takes its time.
const MAX_EXPRESSIONS: usize = 500;
/// How many problems are looked for a better word for; the rest are still reported.
const MAX_SUGGESTIONS: usize = 100;
/// How many problems are kept. Nobody reads the thousandth.
const MAX_PROBLEMS: usize = 1_000;

/// Lowers a tree and what it includes. There is a playbook unless something essential is missing; it is
/// right only if there are no errors among the problems.
pub(super) fn lower(
    mut gathered: Gathered,
    tree: Node,
    vocabulary: &dyn Vocabulary,
) -> (Option<Playbook>, Vec<Diagnostic>) {
    let tree = gathered.joined(tree);
    let mut lowering = Lowering {
        parts: &gathered.parts,
        vocabulary,
        problems: Vec::new(),
        expressions: 0,
        names: Names { unread: gathered.unread.clone(), ..Names::default() },
        beside_with: &[],
        each_of: Vec::new(),
        would_give: Shape::Unknown,
        cut_short: gathered.cut_short,
        refused: refused(&gathered.problems),
    };
    for fragment in &gathered.trees {
        lowering.fragment(fragment);
    }
    let mut playbook = lowering.playbook(&tree);
    if gathered.cut_short {
        use Code::{IssuesWithoutCut, UnknownReference};
        let may_follow = |code| matches!(code, IssuesWithoutCut | UnknownReference);
        lowering.problems.retain(|problem| !may_follow(problem.code));
    }
    let problems = yaml::all(lowering.problems, gathered.problems);
    if let Some(playbook) = &mut playbook {
        playbook.fragments = gathered.fragments;
    }
    (playbook, problems)
}

/// Where a text was refused, whatever for.
fn refused(problems: &[Diagnostic]) -> Vec<Place> {
    problems
        .iter()
        .filter_map(|one| one.primary.as_ref())
        .map(|label| label.place.clone())
        .collect()
}

/// A value of a field, as it is written.
fn example(field: &Field) -> String {
    match &field.ty {
        FieldType::List(item) => format!("[{}]", item.example()),
        other => other.example(),
    }
}

struct Lowering<'a> {
    parts: &'a Parts,
    vocabulary: &'a dyn Vocabulary,
    problems: Vec<Diagnostic>,
    expressions: usize,
    names: Names,
    /// What the action of a step takes whose `with` is empty: such a key beside it has slipped out of it.
    beside_with: &'static [Field],
    /// The texts that the `for_each` of the step lists as they stand, each with its place.
    each_of: Vec<(String, Place)>,
    /// What the last expression that was refused, and would fit where it stands, would give.
    would_give: Shape,
    /// Whether there is more of the playbook, which is no YAML: nothing is missing in what there is.
    cut_short: bool,
    /// Where some of the text was refused.
    refused: Vec<Place>,
}

/// The values of a mapping by the names in its table.
type Fields<'n> = BTreeMap<&'static str, (&'n Key, &'n Node)>;

impl Lowering<'_> {
    fn place(&self, range: &Range<usize>) -> Place {
        self.parts.place(range)
    }

    fn push(&mut self, problem: Diagnostic) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    fn suggest<'t>(
        &self,
        text: &str,
        candidates: impl IntoIterator<Item = &'t str>,
    ) -> Option<&'t str> {
        if self.problems.len() < MAX_SUGGESTIONS { nearest(text, candidates) } else { None }
    }

    /// The fields of a mapping; `whole` is where what is missing is said to be missing.
    fn fields<'n>(
        &mut self,
        node: &'n Node,
        table: &'static [Field],
        what: &str,
        whole: &Range<usize>,
    ) -> Fields<'n> {
        let mut fields = Fields::new();
        let Kind::Map(entries) = &node.kind else {
            self.wrong_type(node, &format!("{what} is a mapping"), &table_example(table));
            return fields;
        };
        for (key, value) in entries {
            if let Some(field) = table.iter().find(|field| field.name == key.text) {
                fields.insert(field.name, (key, value));
            } else {
                self.unknown_key(key, value, what, table);
            }
        }
        // What a merge key would have brought along is not known.
        let merged = entries.iter().any(|(key, _)| self.is_merge_key(key));
        for field in table.iter().filter(|field| field.required && !merged) {
            if !fields.contains_key(field.name) && !self.may_be_in_a_fragment(field) {
                self.missing_key(field, what, whole);
            }
        }
        fields
    }

    /// Whether a field may stand in a fragment that could not be read: the steps of a playbook, all of them.
    fn may_be_in_a_fragment(&self, field: &'static Field) -> bool {
        let is_of_playbook = PLAYBOOK.iter().any(|own| std::ptr::eq(own, field));
        is_of_playbook && field.name == "steps" && !self.names.unread.is_empty()
    }

    /// `<<` without quotes, of which it was said that it is not read.
    fn is_merge_key(&self, key: &Key) -> bool {
        key.text == "<<" && self.place(&key.range).text() == "<<"
    }

    fn unknown_key(&mut self, key: &Key, value: &Node, what: &str, table: &'static [Field]) {
        let names = || table.iter().map(|field| field.name);
        let slipped = self.beside_with.iter().any(|field| field.name == key.text);
        let help = match self.suggest(&key.text, names()) {
            _ if self.is_torn_off(key, value) => {
                "between `{` and `}` a comma ends a value: put a text that has one in quotes"
                    .to_owned()
            }
            _ if slipped => {
                format!("it belongs under `with`: let `{}` begin two columns further", key.text)
            }
            Some(near) => format!("did you mean `{near}`?"),
            None if table.is_empty() => "it takes none".to_owned(),
            None => format!("it takes {}", names().collect::<Vec<_>>().join(", ")),
        };
        let problem = Diagnostic::error(
            Code::UnknownKey,
            format!("{what} has no key `{}`", shorten(&key.text)),
        )
        .at(self.place(&key.range), "not known")
        .help(help);
        self.push(problem);
    }

    /// Whether a key is the rest of a text that a comma has cut in two: no colon follows it.
    fn is_torn_off(&self, key: &Key, value: &Node) -> bool {
        let place = self.place(&key.range);
        let rest = place.source().text().get(place.range().end..).unwrap_or_default();
        matches!(value.kind, Kind::Null) && rest.trim_start().starts_with([',', '}'])
    }

    fn missing_key(&mut self, field: &Field, what: &str, whole: &Range<usize>) {
        let problem =
            Diagnostic::error(Code::MissingKey, format!("{what} has no `{}`", field.name))
                .at(self.place(whole), "in here")
                .help(format!("add `{}: {}` ({})", field.name, example(field), field.help));
        self.push(problem);
    }

    fn wrong_type(&mut self, node: &Node, wanted: &str, example: &str) {
        let problem = Diagnostic::error(
            Code::WrongType,
            format!("{wanted}, and this is {}", node.describe()),
        )
        .at(self.place(&node.range), "of another type")
        .help(format!("write it like {example}"));
        self.push(problem);
    }

    /// The expression that a text would be, and is not written as: `each`, or something of a root. A name that nothing
    /// has is taken for the one that is nearest.
    fn bare_expression(&self, text: &str, ty: &FieldType) -> Option<String> {
        let text = text.trim();
        if self.names.each.is_some() && text == EACH {
            return Some(text.to_owned());
        }
        let (root, rest) = text.split_once('.')?;
        let known = match root {
            "inputs" | "input" => &self.names.inputs,
            "targets" | "target" => &self.names.targets,
            "inventory" => return rest.contains('(').then(|| text.to_owned()),
            EACH => return self.names.each.as_ref().map(|_| text.to_owned()),
            _ => return None,
        };
        let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let root = if root.ends_with('s') { root.to_owned() } else { format!("{root}s") };
        if known.contains_key(name) {
            return Some(format!("{root}.{name}{behind}"));
        }
        // A sentence, or the name of a file, may begin so.
        if name.is_empty() || behind.contains(char::is_whitespace) {
            return None;
        }
        match self.suggest(name, known.keys().map(String::as_str)) {
            Some(near) => Some(format!("{root}.{near}{behind}")),
            None if *ty == FieldType::Text || !text.starts_with(&root) => None,
            None => Some(text.to_owned()),
        }
    }

    fn mismatch(&mut self, name: &str, ty: &FieldType, node: &Node, mismatch: &Mismatch) {
        let (code, label) = if mismatch.right_kind {
            (Code::BadValue, "not one")
        } else {
            (Code::WrongType, "of another type")
        };
        let looks_like_expression = matches!(
            &node.kind,
            Kind::Text(text) if text.contains("{{") || text.contains("${")
        );
        let help = match &node.kind {
            Kind::Text(text) if let Some(meant) = self.bare_expression(text, ty) => {
                format!("an expression is written \"${{{{ {meant} }}}}\"")
            }
            _ if looks_like_expression => "expressions are written ${{ ... }}".to_owned(),
            _ => {
                let number = matches!(node.kind, Kind::Int(_) | Kind::Float(_));
                let place = number.then(|| self.place(&node.range));
                mismatch.instead(ty, ty.written(name), place.as_ref().map(Place::text))
            }
        };
        let problem = Diagnostic::error(
            code,
            format!("`{name}` wants {}, and this is {}", mismatch.expected, mismatch.found),
        )
        .at(self.place(&node.range), label)
        .help(help);
        self.push(problem);
    }

    fn playbook(&mut self, tree: &Node) -> Option<Playbook> {
        if let (Kind::Null, false) = (&tree.kind, self.cut_short) {
            self.push(
                Diagnostic::error(Code::MissingKey, "the playbook is empty")
                    .at(self.place(&(0..0)), "nothing in here")
                    .help("begin with `portcullis: 1`, `name:` and `steps:`"),
            );
            return None;
        }
        let text = self.parts.first().text();
        let start = 0..text.find('\n').unwrap_or(text.len());
        let before = self.problems.len();
        let fields = self.fields(tree, PLAYBOOK, "the playbook", &start);
        if self.cut_short {
            let mut more = self.problems.split_off(before);
            more.retain(|problem| problem.code != Code::MissingKey);
            self.problems.append(&mut more);
        }
        self.version(&fields);
        self.includes(&fields);
        let name = self.kebab(&fields, "name");
        let title = self.scalar(&fields, PLAYBOOK, "title");
        let mode = self.mode(&fields);
        let counters = self.counters(&fields);
        let inputs = self.inputs(&fields);
        let accounts = self.accounts(&fields);
        let targets = self.targets(&fields);
        let gate = self.gate(&fields);
        let limits = self.limits(&fields);
        let trusted = self.trusted(&fields);
        let approvals = self.approvals(&fields);
        let steps = self.steps(&fields);
        order::check(self, mode, &steps);
        self.steps_elsewhere(accounts.is_some(), &steps);
        let declared = warnings::Declared {
            inputs: &inputs,
            accounts: accounts.as_ref(),
            targets: &targets,
            trusted: &trusted,
            approvals: &approvals,
        };
        warnings::check(self, &declared, &steps);
        let text = |value: Option<Value>| value.and_then(|v| v.as_str().map(str::to_owned));
        Some(Playbook {
            source: self.parts.first().clone(),
            fragments: Vec::new(),
            name: name?,
            title: text(title)?,
            mode,
            counters,
            inputs,
            accounts,
            targets,
            gate,
            limits,
            trusted,
            approvals: approvals.into_iter().map(|(phase, (people, _))| (phase, people)).collect(),
            steps: steps.into_iter().filter_map(|draft| draft.step).collect(),
        })
    }

    /// What is checked is relied upon: a mode that is not run is refused here, and not only where it would be.
    fn mode(&mut self, fields: &Fields<'_>) -> Mode {
        let mode = self.word(fields, PLAYBOOK, "mode", Mode::find).unwrap_or(Mode::Breach);
        if mode == Mode::Planned
            && let Some((_, node)) = fields.get("mode")
        {
            let message = "`mode: planned` is not run by this version".to_owned();
            let problem = Diagnostic::error(Code::ModePlanned, message)
                .at(self.place(&node.range), "the new before the old")
                .help(
                    "write `mode: breach`, with steps that cut before anything new is handed out",
                );
            self.push(problem);
        }
        mode
    }

    /// What a fragment may hold. What it does hold is read with the playbook.
    fn fragment(&mut self, tree: &Node) {
        let start = tree.range.start..tree.range.start;
        let fields = self.fields(tree, FRAGMENT, "a fragment", &start);
        self.version(&fields);
        self.includes(&fields);
        for (name, example) in [
            ("inputs", "`inputs: { user: { type: user-name } }`"),
            ("targets", "`targets: { user: \"${{ inputs.user }}\" }`"),
        ] {
            self.map(&fields, name, example);
        }
        for (name, example) in [
            ("trusted", "`trusted: [{ access_key: AKIA..., reason: Made since }]`"),
            (
                "steps",
                "`steps: [{ id: keys-off, phase: contain, uses: iam.access-key.deactivate }]`",
            ),
        ] {
            self.list(&fields, name, example);
        }
    }

    fn includes(&mut self, fields: &Fields<'_>) {
        for node in self.list(fields, "include", "`include: [shared/contain.yaml]`") {
            self.literal(node, "include", &FieldType::Text);
        }
    }

    fn version(&mut self, fields: &Fields<'_>) {
        let Some((_, node)) = fields.get("portcullis") else { return };
        match node.kind {
            // Of another version nothing comes here.
            Kind::Int(_) => {}
            _ => self.wrong_type(node, "the version is a whole number", "`portcullis: 1`"),
        }
    }

    /// A scalar of the table's type.
    fn scalar(
        &mut self,
        fields: &Fields<'_>,
        table: &'static [Field],
        name: &'static str,
    ) -> Option<Value> {
        let (_, node) = fields.get(name)?;
        let field = table.iter().find(|field| field.name == name)?;
        self.literal(node, name, &field.ty)
    }

    fn word<T>(
        &mut self,
        fields: &Fields<'_>,
        table: &'static [Field],
        name: &'static str,
        find: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        find(self.scalar(fields, table, name)?.as_str()?)
    }

    fn kebab(&mut self, fields: &Fields<'_>, name: &'static str) -> Option<String> {
        let value = self.scalar(fields, PLAYBOOK, name)?;
        let text = value.as_str()?;
        if StepId::parse(text).is_ok() {
            return Some(text.to_owned());
        }
        let (_, node) = fields.get(name)?;
        self.not_kebab(name, text, &node.range);
        None
    }

    fn not_kebab(&mut self, what: &str, text: &str, range: &Range<usize>) {
        let better = kebab(text);
        let help = match StepId::parse(better) {
            Ok(better) => format!("write `{better}`"),
            Err(_) => "write it like `keys-off`".to_owned(),
        };
        let problem = Diagnostic::error(
            Code::BadValue,
            format!("`{what}` is lower-case words joined by hyphens, at most 64 characters"),
        )
        .at(self.place(range), "not one")
        .help(help);
        self.push(problem);
    }

    fn list<'n>(&mut self, fields: &Fields<'n>, name: &'static str, example: &str) -> &'n [Node] {
        match fields.get(name) {
            None => &[],
            Some((_, Node { kind: Kind::List(items), .. })) => {
                self.doubles(items, name);
                items
            }
            Some((_, node)) => {
                self.wrong_type(node, &format!("`{name}` is a list"), example);
                &[]
            }
        }
    }

    /// Warns of what stands twice in a list: all of them are sets.
    fn doubles(&mut self, items: &[Node], name: &str) {
        let mut seen: BTreeMap<String, &Node> = BTreeMap::new();
        for item in items {
            let said = match &item.kind {
                Kind::Text(text) => text.clone(),
                Kind::Int(number) => number.to_string(),
                _ => continue,
            };
            let Some(first) = seen.get(&said) else {
                seen.insert(said, item);
                continue;
            };
            let message = format!("`{}` stands twice in `{name}`", shorten(&said));
            let problem = Diagnostic::warning(Code::ListedTwice, message)
                .at(self.place(&item.range), "again here")
                .and(self.place(&first.range), "first here")
                .help("take one of the two out");
            self.push(problem);
        }
    }

    fn map<'n>(
        &mut self,
        fields: &Fields<'n>,
        name: &'static str,
        example: &str,
    ) -> &'n [(Key, Node)] {
        match fields.get(name) {
            None => &[],
            Some((_, Node { kind: Kind::Map(entries), .. })) => entries,
            Some((_, node)) => {
                self.wrong_type(node, &format!("`{name}` is a mapping"), example);
                &[]
            }
        }
    }
}

fn table_example(table: &[Field]) -> String {
    let required = table.iter().filter(|field| field.required).take(3);
    let some = required.clone().next().is_none().then(|| table.iter().take(1));
    let names: Vec<String> = required
        .chain(some.into_iter().flatten())
        .map(|field| format!("{}: {}", field.name, field.ty.example()))
        .collect();
    format!("`{{ {} }}`", names.join(", "))
}

/// `KeysOff`, `keys_off` and `Keys off` as lower-case words joined by hyphens.
fn kebab(text: &str) -> String {
    let mut words = String::new();
    let mut previous_lower = false;
    for c in text.chars().take(128) {
        if c.is_ascii_alphanumeric() {
            if c.is_ascii_uppercase() && previous_lower {
                words.push('-');
            }
            words.push(c.to_ascii_lowercase());
            previous_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        } else {
            if !words.ends_with('-') {
                words.push('-');
            }
            previous_lower = false;
        }
    }
    words.trim_matches('-').to_owned()
}
