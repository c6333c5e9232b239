//! What a playbook says before its steps: counters, inputs, targets, gate, limits, trust and approvals.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::Value;

use super::tables::{APPROVALS, BATCHES, GATE, INPUT, KEY_OR_KEYS, LIMITS, TRUSTED};
use super::{Fields, Lowering, kebab, order};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::playbook::bounds::{Bounds, has_order};
use crate::playbook::expression::Parsed;
use crate::playbook::expression::shape::Shape;
use crate::playbook::field::{FieldType, parse_duration, shorten};
use crate::playbook::node::{Key, Kind};
use crate::playbook::template::{self, Piece};
use crate::playbook::vocabulary::{Phase, Proof};
use crate::playbook::{Batches, Gate, Input, Limits, Target, Trusted};

/// The shortest that a refusal is waited for.
const MIN_WITHIN: SignedDuration = SignedDuration::from_secs(10);
/// The shortest margin: with less, a settled proof would be no more than a read-back.
const MIN_MARGIN: SignedDuration = SignedDuration::from_secs(1);
/// The longest that either waits: longer than that nobody stays awake, and the command line takes no more.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Words that mean something of their own in an expression.
const RESERVED: &[&str] = &[
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
];

impl Lowering<'_> {
    pub(super) fn counters(&mut self, fields: &Fields<'_>) -> Vec<String> {
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

    pub(super) fn inputs(&mut self, fields: &Fields<'_>) -> Vec<Input> {
        let mut inputs = Vec::new();
        let example = "`inputs: { user: { type: user-name, required: true } }`";
        for (key, node) in self.map(fields, "inputs", example) {
            if self.is_merge_key(key) {
                continue;
            }
            self.identifier(key, "an input");
            let given =
                self.fields(node, INPUT, &format!("input `{}`", shorten(&key.text)), &key.range);
            let ty = given.get("type").and_then(|(_, node)| self.input_type(node));
            let required = self.scalar(&given, INPUT, "required").and_then(|v| v.as_bool());
            let help = self.scalar(&given, INPUT, "help");
            let default = match (&ty, given.get("default")) {
                (Some(ty), Some((_, node))) => {
                    if let Kind::List(items) = &node.kind {
                        self.doubles(items, "default");
                    }
                    self.literal(node, "default", ty)
                }
                _ => None,
            };
            let bounds = ty.as_ref().map(|ty| self.bounds(&given, ty)).unwrap_or_default();
            if let (Some(ty), Some((_, node))) = (&ty, given.get("default")) {
                let objections = match (&default, &node.kind) {
                    (Some(value), _) => bounds.objections(ty, value),
                    // How many there are does not hang on what is wrong with one of them.
                    (None, Kind::List(items)) if matches!(ty, FieldType::List(_)) => {
                        let number = bounds.number_of_items(items.len());
                        number.map(|why| (None, why)).into_iter().collect()
                    }
                    (None, _) => Vec::new(),
                };
                for (at, objection) in objections {
                    let item = match (&node.kind, at) {
                        (Kind::List(items), Some(at)) => items.get(at),
                        _ => None,
                    };
                    let problem = Diagnostic::error(
                        Code::BadValue,
                        format!(
                            "the default of input `{}` is out of its own bounds",
                            shorten(&key.text)
                        ),
                    )
                    .at(self.place(&item.unwrap_or(node).range), format!("wants {objection}"))
                    .help("change the default, or the bounds");
                    self.push(problem);
                }
            }
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
            // With another word there, nobody knows: then nothing is made of it.
            let required = required.unwrap_or(given.contains_key("required"));
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
                    bounds,
                    help: help.and_then(|v| v.as_str().map(str::to_owned)),
                    place: self.place(&key.range),
                });
            }
        }
        inputs
    }

    /// What an input's value must be beyond its type. Each bound is for some types only.
    fn bounds(&mut self, given: &Fields<'_>, ty: &FieldType) -> Bounds {
        let (item, is_list) = match ty {
            FieldType::List(item) => (*item, true),
            ty => (ty, false),
        };
        let applies: [(&'static str, bool, &str); 5] = [
            ("pattern", item.is_textual() && !has_order(item), "text"),
            ("min", has_order(item), "numbers, instants and lengths of time"),
            ("max", has_order(item), "numbers, instants and lengths of time"),
            ("min_items", is_list, "lists"),
            ("max_items", is_list, "lists"),
        ];
        for (name, applies, of) in applies {
            if let (false, Some((key, _))) = (applies, given.get(name)) {
                let message = format!("`{name}` is for {of}, and this input is {ty}");
                let problem = Diagnostic::error(Code::WrongType, message)
                    .at(self.place(&key.range), "says nothing here")
                    .help("take it out");
                self.push(problem);
            }
        }
        let of_type = |lowering: &mut Self, name: &'static str| {
            let (_, node) = given.get(name).filter(|_| has_order(item))?;
            lowering.literal(node, name, item)
        };
        let (min, max) = (of_type(self, "min"), of_type(self, "max"));
        let items = |lowering: &mut Self, name: &'static str| {
            let number = lowering.scalar(given, INPUT, name)?.as_i64()?;
            let fits = usize::try_from(number).ok();
            if let (None, Some((_, node))) = (fits, given.get(name)) {
                let problem =
                    Diagnostic::error(Code::BadValue, "a number of items is zero or more")
                        .at(lowering.place(&node.range), "not one")
                        .help("leave it out for no bound");
                lowering.push(problem);
            }
            fits
        };
        let (min_items, max_items) = (items(self, "min_items"), items(self, "max_items"));
        let pattern = self.scalar(given, INPUT, "pattern");
        let bounds = Bounds {
            pattern: pattern.and_then(|text| text.as_str().map(str::to_owned)),
            min,
            max,
            min_items,
            max_items,
        };
        if bounds.is_empty()
            && let (Some((_, least)), Some((_, most))) = (
                given.get("min").or(given.get("min_items")),
                given.get("max").or(given.get("max_items")),
            )
        {
            let problem = Diagnostic::error(Code::BadValue, "nothing is within these bounds")
                .at(self.place(&most.range), "the greatest")
                .and(self.place(&least.range), "is less than the least")
                .help("change one of the two");
            self.push(problem);
        }
        bounds
    }

    /// Names of inputs and targets stand in expressions, so they must be words there.
    fn identifier(&mut self, key: &Key, what: &str) -> bool {
        let text = key.text.as_str();
        let has_letters = |text: &str| {
            text.len() <= 64
                && text.starts_with(|c: char| c.is_ascii_lowercase())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let is_word = has_letters(text) && !RESERVED.contains(&text);
        if !is_word {
            let message = if RESERVED.contains(&text) {
                format!("`{text}` is a word of the expression language, and no name of {what}")
            } else {
                format!(
                    "the name of {what} is lower-case letters, digits and `_`, beginning with a letter"
                )
            };
            let better = kebab(text).replace('-', "_");
            let fits =
                better != text && has_letters(&better) && !RESERVED.contains(&better.as_str());
            let problem = Diagnostic::error(Code::BadValue, message)
                .at(self.place(&key.range), "not one")
                .help(if fits {
                    format!("write `{better}`")
                } else {
                    "choose another name".to_owned()
                });
            self.push(problem);
        }
        is_word
    }

    pub(super) fn targets(&mut self, fields: &Fields<'_>) -> Vec<Target> {
        let example = "`targets: { owner: \"${{ inventory.access_key(inputs.id).user }}\" }`";
        let mut drafts: Vec<(&Key, Parsed)> = Vec::new();
        for (key, node) in self.map(fields, "targets", example) {
            if self.is_merge_key(key) {
                continue;
            }
            self.identifier(key, "a target");
            // Known from now on, whatever is wrong with it.
            self.names.targets.insert(key.text.clone(), Shape::Unknown);
            let Kind::Text(text) = &node.kind else {
                self.wrong_type(node, "a target is an expression", "\"${{ inputs.user }}\"");
                continue;
            };
            let place = self.place(&node.range);
            let mut pieces = template::pieces(text, &place);
            if let (Some(Piece::Expression(parsed)), true) = (pieces.pop(), pieces.is_empty()) {
                drafts.extend(self.counted(parsed).map(|parsed| (key, parsed)));
                continue;
            }
            let written =
                if template::has_expression(text) { "inputs.user" } else { &shorten(text.trim()) };
            self.wrong_type(
                node,
                "a target is one expression and nothing around it",
                &format!("\"${{{{ {written} }}}}\""),
            );
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
            match self.checked(parsed) {
                Ok(expression) => {
                    self.names.targets.insert(key.text.clone(), expression.shape().clone());
                    self.names.copies.insert(key.text.clone(), expression.copies());
                    targets.push(Target {
                        name: key.text.clone(),
                        expression,
                        place: self.place(&key.range),
                    });
                }
                Err(refused) => {
                    self.names.targets.insert(key.text.clone(), refused.shape);
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

    pub(super) fn gate(&mut self, fields: &Fields<'_>) -> Gate {
        let mut gate = Gate {
            proof: Proof::Enforced,
            margin: SignedDuration::from_secs(60),
            within: SignedDuration::from_mins(5),
            place: None,
        };
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
            self.at_most_a_day(&given, "margin", margin);
            gate.margin = margin;
        }
        if let Some(Value::String(text)) = self.scalar(&given, GATE, "within")
            && let Some(within) = parse_duration(&text)
        {
            if within < MIN_WITHIN
                && let Some((_, node)) = given.get("within")
            {
                let problem = Diagnostic::error(
                    Code::GateProof,
                    "AWS takes seconds, at times minutes, to enforce a change: no refusal comes that soon",
                )
                .at(self.place(&node.range), "too short")
                .help("leave it out for 5m");
                self.push(problem);
            }
            self.at_most_a_day(&given, "within", within);
            gate.within = within;
        }
        gate
    }

    fn at_most_a_day(&mut self, given: &Fields<'_>, key: &str, wait: SignedDuration) {
        if wait > MAX_WAIT
            && let Some((_, node)) = given.get(key)
        {
            let problem = Diagnostic::error(
                Code::GateProof,
                format!("`{key}` is longer than a day: nothing new would be handed out before"),
            )
            .at(self.place(&node.range), "too long")
            .help("write at most 24h, or leave it out");
            self.push(problem);
        }
    }

    pub(super) fn limits(&mut self, fields: &Fields<'_>) -> Limits {
        let mut limits =
            Limits { changes: None, principals: None, percent: None, places: BTreeMap::new() };
        let Some((key, node)) = fields.get("limits") else { return limits };
        let given = self.fields(node, LIMITS, "`limits`", &key.range);
        for key in ["changes", "principals", "percent"] {
            if let Some((_, value)) = given.get(key) {
                limits.places.insert(key, self.place(&value.range));
            }
        }
        limits.changes = self.limit(&given, "changes");
        limits.principals = self.limit(&given, "principals");
        limits.percent = self.limit(&given, "percent");
        limits.percent = self.at_most_all(&given, "percent", limits.percent);
        limits
    }

    /// A percentage beyond all of it says nothing.
    fn at_most_all(
        &mut self,
        given: &Fields<'_>,
        name: &'static str,
        percent: Option<usize>,
    ) -> Option<usize> {
        if percent.is_some_and(|percent| percent > 100)
            && let Some((_, node)) = given.get(name)
        {
            let problem =
                Diagnostic::error(Code::BadValue, format!("`{name}` is at most 100 percent"))
                    .at(self.place(&node.range), "more than everything")
                    .help("write a number from 1 to 100");
            self.push(problem);
            return None;
        }
        percent
    }

    pub(super) fn trusted(&mut self, fields: &Fields<'_>) -> Vec<Trusted> {
        let mut trusted = Vec::new();
        let example =
            "`trusted: [{ access_key: AKIA..., reason: Made since, on a clean machine }]`";
        for node in self.list(fields, "trusted", example) {
            let given = self.fields(node, TRUSTED, "a trusted credential", &node.range);
            let access_key = given.get("access_key").and_then(|(_, node)| {
                // It may be an optional input; a key that is left empty is a mistake.
                let required = matches!(node.kind, Kind::Null);
                self.template(node, "access_key", &KEY_OR_KEYS, required)
            });
            let reason = self.scalar(&given, TRUSTED, "reason");
            let reason = reason.and_then(|value| value.as_str().map(|text| text.trim().to_owned()));
            if reason.as_deref() == Some("")
                && let Some((_, node)) = given.get("reason")
            {
                let problem = Diagnostic::error(Code::BadValue, "a reason says something")
                    .at(self.place(&node.range), "says nothing")
                    .help("write how it is known that nobody else has this credential");
                self.push(problem);
            }
            if let (Some(access_key), Some(reason)) = (access_key, reason) {
                let place = access_key.place().clone();
                trusted.push(Trusted { access_key, reason, place });
            }
        }
        trusted
    }

    /// How many must approve each phase, and where it says so.
    pub(super) fn approvals(&mut self, fields: &Fields<'_>) -> BTreeMap<Phase, (usize, Place)> {
        let Some((key, node)) = fields.get("approvals") else { return BTreeMap::new() };
        let given = self.fields(node, APPROVALS, "`approvals`", &key.range);
        let phases =
            APPROVALS.iter().filter_map(|field| Some((Phase::find(field.name)?, field.name)));
        let told = phases.filter_map(|(phase, name)| {
            let people = self.limit(&given, name)?;
            let (key, _) = given.get(name)?;
            Some((phase, (people, self.place(&key.range))))
        });
        told.collect()
    }

    pub(super) fn batches(&mut self, fields: &Fields<'_>) -> Option<Batches> {
        let (key, node) = fields.get("batches")?;
        if !fields.contains_key("for_each") {
            let problem =
                Diagnostic::error(Code::BadValue, "`batches` divide the items of a `for_each`")
                    .at(self.place(&key.range), "this step has one item")
                    .help("take it out, or give the step a `for_each`");
            self.push(problem);
        }
        let given = self.fields(node, BATCHES, "`batches`", &key.range);
        let size = self.limit(&given, "size");
        let pause = self.scalar(&given, BATCHES, "pause");
        let pause = pause.as_ref().and_then(Value::as_str).and_then(parse_duration);
        let stop_at = self.limit(&given, "stop_at");
        let stop_at = self.at_most_all(&given, "stop_at", stop_at);
        Some(Batches { size: size?, pause: pause.unwrap_or(SignedDuration::ZERO), stop_at })
    }

    fn limit(&mut self, given: &Fields<'_>, name: &'static str) -> Option<usize> {
        let (_, node) = given.get(name)?;
        let value = self.literal(node, name, &FieldType::Integer)?.as_i64()?;
        let limit = usize::try_from(value).ok().filter(|limit| *limit > 0);
        if limit.is_none() {
            let message = format!("`{name}` is a whole number above zero");
            let problem = Diagnostic::error(Code::BadValue, message)
                .at(self.place(&node.range), "not one")
                .help("write 1 or more, or leave it out");
            self.push(problem);
        }
        limit
    }
}

/// `T1552` or `T1552.001`.
fn is_technique(id: &str) -> bool {
    let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
    id.strip_prefix('T').is_some_and(|rest| match rest.split_once('.') {
        None => digits(rest, 4),
        Some((technique, part)) => digits(technique, 4) && digits(part, 3),
    })
}
