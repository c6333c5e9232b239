//! From a tree of YAML to a [`Playbook`]: every field typed, every problem collected.
//!
//! What may stand where is said by tables of [`Field`], not by the code that reads them. A value
//! that is wrong is left out and reading goes on, so that one slip does not hide another; `order`
//! then judges how the steps stand to each other.

mod order;
mod tables;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::SignedDuration;
use serde_json::Value;

pub use self::tables::{GATE, INPUT, LIMITS, PLAYBOOK, STEP};
use super::expression::Parsed;
use super::expression::check::{Names, Shape, check};
use super::field::{Field, FieldType, Mismatch, nearest, parse_duration, shorten};
use super::node::{Key, Kind, Node};
use super::template::{self, Piece};
use super::vocabulary::{ActionShape, Mode, Phase, Proof, Vocabulary};
use super::{Gate, Input, Limits, Playbook, Step, Target};
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::ids::{ActionKind, StepId};

/// How many expressions a playbook may have: each is parsed, and parsing takes its time.
const MAX_EXPRESSIONS: usize = 500;
/// How many problems are looked for a better word for; the rest are still reported.
const MAX_SUGGESTIONS: usize = 100;
/// How many problems are kept. Nobody reads the thousandth.
const MAX_PROBLEMS: usize = 1_000;
/// The shortest margin: with less, a settled proof would be no more than a read-back.
const MIN_MARGIN: SignedDuration = SignedDuration::from_secs(1);

/// Lowers a tree. There is a playbook unless something essential is missing; it is right only if
/// there are no errors among the problems.
pub(super) fn lower(
    source: &Source,
    tree: &Node,
    vocabulary: &dyn Vocabulary,
) -> (Option<Playbook>, Vec<Diagnostic>) {
    let mut lowering = Lowering {
        source,
        vocabulary,
        problems: Vec::new(),
        expressions: 0,
        names: Names::default(),
    };
    let playbook = lowering.playbook(tree);
    (playbook, lowering.problems)
}

struct Lowering<'a> {
    source: &'a Source,
    vocabulary: &'a dyn Vocabulary,
    problems: Vec<Diagnostic>,
    expressions: usize,
    names: Names,
}

/// The values of a mapping by the names in its table.
type Fields<'n> = BTreeMap<&'static str, (&'n Key, &'n Node)>;

impl<'a> Lowering<'a> {
    fn place(&self, range: &Range<usize>) -> Place {
        Place::new(self.source, range.clone())
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
                self.unknown_key(key, what, table);
            }
        }
        for field in table.iter().filter(|field| field.required) {
            if !fields.contains_key(field.name) {
                self.missing_key(field, what, whole);
            }
        }
        fields
    }

    fn unknown_key(&mut self, key: &Key, what: &str, table: &'static [Field]) {
        let names = || table.iter().map(|field| field.name);
        let help = match self.suggest(&key.text, names()) {
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

    fn missing_key(&mut self, field: &Field, what: &str, whole: &Range<usize>) {
        let problem =
            Diagnostic::error(Code::MissingKey, format!("{what} has no `{}`", field.name))
                .at(self.place(whole), "in here")
                .help(format!("add `{}: {}` ({})", field.name, field.ty.example(), field.help));
        self.push(problem);
    }

    fn wrong_type(&mut self, node: &Node, wanted: &str, example: &str) {
        let problem = Diagnostic::error(
            Code::WrongType,
            format!("{wanted}, and this is {}", node.describe()),
        )
        .at(self.place(&node.range), "of another type")
        .help_if((!example.is_empty()).then(|| format!("write it like {example}")));
        self.push(problem);
    }

    fn mismatch(&mut self, name: &str, node: &Node, mismatch: Mismatch) {
        let (code, label) = if mismatch.right_kind {
            (Code::BadValue, "not one")
        } else {
            (Code::WrongType, "of another type")
        };
        let looks_like_expression = matches!(
            &node.kind,
            Kind::Text(text) if text.contains("{{") || text.contains("${")
        );
        let help = if looks_like_expression {
            Some("expressions are written ${{ ... }}".to_owned())
        } else {
            mismatch.help
        };
        let problem = Diagnostic::error(
            code,
            format!("`{name}` wants {}, and this is {}", mismatch.expected, mismatch.found),
        )
        .at(self.place(&node.range), label)
        .help_if(help);
        self.push(problem);
    }

    fn playbook(&mut self, tree: &Node) -> Option<Playbook> {
        if let Kind::Null = tree.kind {
            self.push(
                Diagnostic::error(Code::MissingKey, "the playbook is empty")
                    .at(self.place(&(0..0)), "nothing in here")
                    .help("begin with `portcullis: 1`, `name:` and `steps:`"),
            );
            return None;
        }
        let start = 0..self.source.text().find('\n').unwrap_or(self.source.text().len());
        let fields = self.fields(tree, PLAYBOOK, "the playbook", &start);
        self.version(&fields);
        let name = self.kebab(&fields, "name");
        let title = self.scalar(&fields, PLAYBOOK, "title");
        let mode = self.word(&fields, PLAYBOOK, "mode", Mode::find);
        let counters = self.counters(&fields);
        let inputs = self.inputs(&fields);
        let targets = self.targets(&fields);
        let gate = self.gate(&fields);
        let limits = self.limits(&fields);
        let steps = self.steps(&fields);
        let mode = mode.unwrap_or(Mode::Breach);
        order::check(self, mode, &steps);
        self.unused_targets(&targets, &steps);
        let text = |value: Option<Value>| value.and_then(|v| v.as_str().map(str::to_owned));
        Some(Playbook {
            source: self.source.clone(),
            name: name?,
            title: text(title)?,
            mode,
            counters,
            inputs,
            targets,
            gate,
            limits,
            steps: steps.into_iter().filter_map(|draft| draft.step).collect(),
        })
    }

    fn version(&mut self, fields: &Fields<'_>) {
        let Some((_, node)) = fields.get("portcullis") else { return };
        match node.kind {
            Kind::Int(1) => {}
            Kind::Int(n) => {
                let problem = Diagnostic::error(
                    Code::UnsupportedVersion,
                    format!("the playbook is written in version {n} of the language"),
                )
                .at(self.place(&node.range), "this program reads version 1")
                .help("write `portcullis: 1`, or use a newer program");
                self.push(problem);
            }
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
            Some((_, Node { kind: Kind::List(items), .. })) => items,
            Some((_, node)) => {
                self.wrong_type(node, &format!("`{name}` is a list"), example);
                &[]
            }
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

    fn counters(&mut self, fields: &Fields<'_>) -> Vec<String> {
        let mut counters = Vec::new();
        for node in self.list(fields, "counters", "`counters: [T1552.001]`") {
            let Some(Value::String(id)) = self.literal(node, "counters", &FieldType::Text) else {
                continue;
            };
            if is_technique(&id) {
                counters.push(id);
            } else {
                let problem = Diagnostic::error(
                    Code::BadValue,
                    format!("`{}` is not an ATT&CK technique", shorten(&id)),
                )
                .at(self.place(&node.range), "not one")
                .help("write it like T1552 or T1552.001");
                self.push(problem);
            }
        }
        counters
    }

    fn inputs(&mut self, fields: &Fields<'_>) -> Vec<Input> {
        let mut inputs = Vec::new();
        let example = "`inputs: { user: { type: user-name, required: true } }`";
        for (key, node) in self.map(fields, "inputs", example) {
            self.identifier(key, "an input");
            let given =
                self.fields(node, INPUT, &format!("input `{}`", shorten(&key.text)), &key.range);
            let ty = given.get("type").and_then(|(_, node)| self.input_type(node));
            let required = self.scalar(&given, INPUT, "required").and_then(|v| v.as_bool());
            let help = self.scalar(&given, INPUT, "help");
            let default = match (&ty, given.get("default")) {
                (Some(ty), Some((_, node))) => self.literal(node, "default", ty),
                _ => None,
            };
            if required == Some(true)
                && let (Some((required, _)), Some((default, _))) =
                    (given.get("required"), given.get("default"))
            {
                let problem = Diagnostic::error(
                    Code::BadValue,
                    format!("input `{}` is required and has a default", shorten(&key.text)),
                )
                .at(self.place(&default.range), "never used")
                .and(self.place(&required.range), "because of this")
                .help("take one of the two out");
                self.push(problem);
            }
            let required = required.unwrap_or(false);
            // An input with a problem of its own is still there for those who use it.
            let shape = match &ty {
                None => Shape::Unknown,
                Some(ty) if required || given.contains_key("default") => Shape::of(ty),
                Some(ty) => Shape::Nullable(Box::new(Shape::of(ty))),
            };
            self.names.inputs.insert(key.text.clone(), shape);
            if let Some(ty) = ty {
                inputs.push(Input {
                    name: key.text.clone(),
                    ty,
                    required,
                    default,
                    help: help.and_then(|v| v.as_str().map(str::to_owned)),
                    place: self.place(&key.range),
                });
            }
        }
        inputs
    }

    /// Names of inputs and targets stand in expressions, so they must be words there.
    fn identifier(&mut self, key: &Key, what: &str) -> bool {
        let text = key.text.as_str();
        let is_word = text.len() <= 64
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && ![
                "true",
                "false",
                "null",
                "in",
                "as",
                "break",
                "const",
                "continue",
                "else",
                "for",
                "function",
                "if",
                "import",
                "let",
                "loop",
                "package",
                "namespace",
                "return",
                "var",
                "void",
                "while",
            ]
            .contains(&text);
        if !is_word {
            let better = kebab(text).replace('-', "_");
            let problem = Diagnostic::error(
                Code::BadValue,
                format!("the name of {what} is lower-case letters, digits and `_`, beginning with a letter"),
            )
            .at(self.place(&key.range), "not one")
            .help(if better.is_empty() || better == text {
                "choose another name".to_owned()
            } else {
                format!("write `{better}`")
            });
            self.push(problem);
        }
        is_word
    }

    fn targets(&mut self, fields: &Fields<'_>) -> Vec<Target> {
        let example = "`targets: { owner: \"${{ inventory.access_key(inputs.id).user }}\" }`";
        let mut drafts: Vec<(&Key, Parsed)> = Vec::new();
        for (key, node) in self.map(fields, "targets", example) {
            self.identifier(key, "a target");
            // Known from now on, whatever is wrong with it.
            self.names.targets.insert(key.text.clone(), Shape::Unknown);
            let Kind::Text(text) = &node.kind else {
                self.wrong_type(node, "a target is an expression", "\"${{ inputs.user }}\"");
                continue;
            };
            let place = self.place(&node.range);
            let mut pieces = template::pieces(text, &place);
            match (pieces.pop(), pieces.is_empty()) {
                (Some(Piece::Expression(parsed)), true) => {
                    if let Some(parsed) = self.counted(parsed) {
                        drafts.push((key, parsed));
                    }
                }
                _ => self.wrong_type(
                    node,
                    "a target is one expression and nothing around it",
                    "\"${{ inputs.user }}\"",
                ),
            }
        }
        self.targets_in_order(drafts)
    }

    /// Checks targets, each after those it needs, so that what they give is known.
    fn targets_in_order(&mut self, drafts: Vec<(&Key, Parsed)>) -> Vec<Target> {
        let index: BTreeMap<&str, usize> =
            drafts.iter().enumerate().map(|(i, (key, _))| (key.text.as_str(), i)).collect();
        let edges: Vec<Vec<usize>> = drafts
            .iter()
            .map(|(_, parsed)| {
                let names = parsed.names_under("targets");
                names.iter().filter_map(|name| index.get(name.as_str()).copied()).collect()
            })
            .collect();
        let sorted = order::sort(&edges);
        for cycle in &sorted.cycles {
            let keys: Vec<&Key> = cycle.iter().map(|i| drafts[*i].0).collect();
            self.cycle("targets", &keys);
        }
        let mut drafts: Vec<Option<(&Key, Parsed)>> = drafts.into_iter().map(Some).collect();
        let mut targets = Vec::new();
        for i in sorted.order {
            let Some((key, parsed)) = drafts[i].take() else { continue };
            match check(parsed, &self.names) {
                Ok(expression) => {
                    self.names.targets.insert(key.text.clone(), expression.shape().clone());
                    targets.push(Target {
                        name: key.text.clone(),
                        expression,
                        place: self.place(&key.range),
                    });
                }
                Err(problems) => {
                    for problem in problems {
                        self.push(problem);
                    }
                }
            }
        }
        targets
    }

    fn cycle(&mut self, what: &str, keys: &[&Key]) {
        let Some((first, rest)) = keys.split_first() else { return };
        let names: Vec<String> =
            keys.iter().map(|key| format!("`{}`", shorten(&key.text))).collect();
        let message = if rest.is_empty() {
            format!("{} waits for itself", names[0])
        } else {
            format!("{what} wait for each other: {}", names.join(" -> "))
        };
        let mut problem = Diagnostic::error(Code::Cycle, message)
            .at(self.place(&first.range), "waits for the next")
            .help("take one of them out of the circle");
        for key in rest.iter().take(8) {
            problem = problem.and(self.place(&key.range), "and so does this");
        }
        self.push(problem);
    }

    fn gate(&mut self, fields: &Fields<'_>) -> Gate {
        let mut gate =
            Gate { proof: Proof::Enforced, margin: SignedDuration::from_secs(60), place: None };
        let Some((key, node)) = fields.get("gate") else { return gate };
        gate.place = Some(self.place(&key.range));
        let given = self.fields(node, GATE, "`gate`", &key.range);
        if let Some((_, node)) = given.get("proof") {
            match &node.kind {
                Kind::Text(text) if text == Proof::ReadBack.as_str() => {
                    let problem = Diagnostic::error(
                        Code::GateProof,
                        "a read-back does not open the gate: AWS shows a change before it enforces it",
                    )
                    .at(self.place(&node.range), "not a proof")
                    .help("write `enforced`; or `settled`, and the run will not call itself proven");
                    self.push(problem);
                }
                _ => {
                    if let Some(proof) = self.word(&given, GATE, "proof", Proof::find) {
                        gate.proof = proof;
                    }
                }
            }
        }
        if let Some(Value::String(text)) = self.scalar(&given, GATE, "margin")
            && let Some(margin) = parse_duration(&text)
        {
            if margin < MIN_MARGIN
                && let Some((_, node)) = given.get("margin")
            {
                let problem = Diagnostic::error(
                    Code::GateProof,
                    "without a margin, a settled proof is no more than a read-back",
                )
                .at(self.place(&node.range), "too short")
                .help("leave it out for 60s");
                self.push(problem);
            }
            gate.margin = margin;
        }
        gate
    }

    fn limits(&mut self, fields: &Fields<'_>) -> Limits {
        let mut limits = Limits { changes: None, place: None };
        let Some((key, node)) = fields.get("limits") else { return limits };
        limits.place = Some(self.place(&key.range));
        let given = self.fields(node, LIMITS, "`limits`", &key.range);
        if let Some(changes) = self.scalar(&given, LIMITS, "changes").and_then(|v| v.as_i64()) {
            limits.changes = usize::try_from(changes).ok().filter(|changes| *changes > 0);
            if limits.changes.is_none()
                && let Some((_, node)) = given.get("changes")
            {
                let problem =
                    Diagnostic::error(Code::BadValue, "a limit is a whole number above zero")
                        .at(self.place(&node.range), "not one")
                        .help("leave it out for no limit");
                self.push(problem);
            }
        }
        limits
    }

    fn steps<'n>(&mut self, fields: &Fields<'n>) -> Vec<Draft<'a, 'n>> {
        let example =
            "`steps: [{ id: keys-off, phase: contain, uses: iam.access-key.deactivate }]`";
        let nodes = self.list(fields, "steps", example);
        if let (Some((_, node)), true) = (fields.get("steps"), nodes.is_empty())
            && matches!(node.kind, Kind::List(_))
        {
            let problem = Diagnostic::error(Code::BadValue, "a playbook has at least one step")
                .at(self.place(&node.range), "none in here")
                .help(format!("write it like {example}"));
            self.push(problem);
        }
        nodes.iter().map(|node| self.step(node)).collect()
    }

    fn step<'n>(&mut self, node: &'n Node) -> Draft<'a, 'n> {
        let id_node = match &node.kind {
            Kind::Map(entries) => {
                entries.iter().find(|(key, _)| key.text == "id").map(|(_, value)| value)
            }
            _ => None,
        };
        let id_text = id_node.and_then(|node| match &node.kind {
            Kind::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let what = match id_text {
            Some(id) => format!("step `{}`", shorten(id)),
            None => "a step".to_owned(),
        };
        let whole = id_node.map_or(&node.range, |id| &id.range).clone();
        let fields = self.fields(node, STEP, &what, &whole);
        let id = self.scalar(&fields, STEP, "id").and_then(|value| {
            let text = value.as_str()?;
            let parsed = StepId::parse(text).ok();
            if parsed.is_none() {
                self.not_kebab("id", text, &whole);
            }
            parsed
        });
        let phase = self.word(&fields, STEP, "phase", Phase::find);
        let title = self.scalar(&fields, STEP, "title");
        let needs = self.needs(&fields);
        let action = self.action(&fields);
        let with = self.with(&fields, action, &what, &whole);
        let step = match (&id, phase, action) {
            (Some(id), Some(phase), Some(action)) => {
                ActionKind::parse(action.kind).ok().map(|uses| Step {
                    id: id.clone(),
                    phase,
                    uses,
                    with,
                    needs: needs.iter().map(|(id, _)| id.clone()).collect(),
                    title: title.and_then(|v| v.as_str().map(str::to_owned)),
                    place: self.place(&whole),
                })
            }
            _ => None,
        };
        let range = |name: &str| fields.get(name).map(|(_, node)| &node.range);
        Draft {
            id,
            id_range: whole,
            phase: phase.zip(range("phase")),
            action: action.zip(range("uses")),
            needs,
            step,
        }
    }

    fn needs<'n>(&mut self, fields: &Fields<'n>) -> Vec<(StepId, &'n Range<usize>)> {
        let mut needs = Vec::new();
        for node in self.list(fields, "needs", "`needs: [keys-off]`") {
            let Some(Value::String(text)) = self.literal(node, "needs", &FieldType::Text) else {
                continue;
            };
            match StepId::parse(text.as_str()) {
                Ok(id) => needs.push((id, &node.range)),
                Err(_) => self.not_kebab("needs", &text, &node.range),
            }
        }
        needs
    }

    fn action(&mut self, fields: &Fields<'_>) -> Option<&'a ActionShape> {
        let value = self.scalar(fields, STEP, "uses")?;
        let kind = value.as_str()?;
        let vocabulary = self.vocabulary;
        let action = vocabulary.action(kind);
        if action.is_none() {
            let (_, node) = fields.get("uses")?;
            let kinds = vocabulary.actions().iter().map(|action| action.kind);
            let help = match self.suggest(kind, kinds) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`portcullis actions` lists them".to_owned(),
            };
            let problem = Diagnostic::error(
                Code::UnknownAction,
                format!("there is no action `{}`", shorten(kind)),
            )
            .at(self.place(&node.range), "not known")
            .help(help);
            self.push(problem);
        }
        action
    }

    fn unused_targets(&mut self, targets: &[Target], steps: &[Draft<'_, '_>]) {
        // With a step left out because of a problem, its targets only look unused.
        if steps.iter().any(|draft| draft.step.is_none()) || !self.problems.is_empty() {
            return;
        }
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for target in targets {
            used.extend(target.expression.targets().iter().map(String::as_str));
        }
        for step in steps.iter().filter_map(|draft| draft.step.as_ref()) {
            for (_, template) in &step.with {
                for expression in template.expressions() {
                    used.extend(expression.targets().iter().map(String::as_str));
                }
            }
        }
        for target in targets.iter().filter(|target| !used.contains(target.name.as_str())) {
            let problem = Diagnostic::warning(
                Code::UnusedTarget,
                format!("nothing uses target `{}`", target.name),
            )
            .at(target.place.clone(), "declared here")
            .help("take it out, or use it in a step");
            self.push(problem);
        }
    }
}

/// A step as far as it could be read, with what `order` judges by.
struct Draft<'a, 'n> {
    id: Option<StepId>,
    id_range: Range<usize>,
    phase: Option<(Phase, &'n Range<usize>)>,
    action: Option<(&'a ActionShape, &'n Range<usize>)>,
    needs: Vec<(StepId, &'n Range<usize>)>,
    step: Option<Step>,
}

fn table_example(table: &[Field]) -> String {
    let names: Vec<String> = table
        .iter()
        .filter(|field| field.required)
        .take(3)
        .map(|field| format!("{}: {}", field.name, field.ty.example()))
        .collect();
    if names.is_empty() { String::new() } else { format!("`{{ {} }}`", names.join(", ")) }
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

/// `T1552` or `T1552.001`.
fn is_technique(id: &str) -> bool {
    let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
    id.strip_prefix('T').is_some_and(|rest| match rest.split_once('.') {
        None => digits(rest, 4),
        Some((technique, part)) => digits(technique, 4) && digits(part, 3),
    })
}
