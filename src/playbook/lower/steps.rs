//! The steps of a playbook, each as far as it can be read.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::tables::{EACH, STEP};
use super::{Fields, Lowering, MAX_PROBLEMS};
use crate::diagnostic::{Code, Diagnostic};
use crate::ids::{ActionKind, StepId};
use crate::playbook::Step;
use crate::playbook::expression::check::Refused;
use crate::playbook::expression::shape::Shape;
use crate::playbook::expression::{Expression, Parsed};
use crate::playbook::field::{Field, FieldType, shorten};
use crate::playbook::node::{Kind, Node};
use crate::playbook::template::{self, Template};
use crate::playbook::vocabulary::{Accounts, ActionShape, Phase};

/// A step as far as it could be read, with what `order` and `warnings` judge by.
pub(super) struct Draft<'a, 'n> {
    /// What it is called.
    pub(super) what: String,
    /// Where it begins.
    pub(super) start: usize,
    /// Whether nothing in it is wrong: else something may be left out of what it says.
    pub(super) is_whole: bool,
    pub(super) said: Said,
    pub(super) id: Option<StepId>,
    pub(super) id_range: Range<usize>,
    pub(super) phase: Option<(Phase, &'n Range<usize>)>,
    pub(super) action: Option<(&'a ActionShape, &'n Range<usize>)>,
    pub(super) needs: Vec<(StepId, &'n Range<usize>)>,
    /// What its `in` says, where it has one.
    pub(super) accounts: Option<(Accounts, &'n Range<usize>)>,
    pub(super) step: Option<Step>,
}

/// The parts of a step that expressions may stand in.
#[derive(Clone, Default)]
pub(super) struct Said {
    pub(super) condition: Option<Expression>,
    pub(super) for_each: Option<Template>,
    pub(super) with: Vec<(String, Template)>,
    pub(super) reason: Option<Template>,
    pub(super) review_by: Option<Template>,
}

/// What a step's `if` asks: what is there in the rest of the step, and whether its items are chosen by it.
#[derive(Default)]
struct Asked {
    there: BTreeSet<String>,
    each: bool,
}

impl Said {
    /// Every expression that may be another for each item. The list itself is not: there is no item yet.
    pub(super) fn of_an_item(&self) -> impl Iterator<Item = &Expression> {
        let templates = self.with.iter().map(|(_, template)| template);
        let templates = templates.chain(&self.reason).chain(&self.review_by);
        templates.flat_map(Template::expressions).chain(&self.condition)
    }

    /// Every expression in it.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.of_an_item().chain(self.for_each.iter().flat_map(Template::expressions))
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn steps<'n>(&mut self, fields: &Fields<'n>) -> Vec<Draft<'a, 'n>> {
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
        let before = self.problems.len();
        self.beside_with = self.slipped_out_of_with(node);
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
        let accounts = self.word(&fields, STEP, "in", Accounts::find);
        let title = self.scalar(&fields, STEP, "title");
        self.would_give = Shape::Unknown;
        let for_each = self.for_each(&fields);
        // Known in this step alone, whatever is wrong with the list.
        self.names.each = fields.contains_key("for_each").then(|| match &for_each {
            Some(template) => template.item_shape(),
            None => self.would_give.clone().item(),
        });
        let batches = self.batches(&fields);
        let (condition, asked) = self.condition(&fields);
        let needs = self.needs(&fields);
        let action = self.action(&fields);
        self.narrow(asked);
        let with = match self.beside_with {
            [] => self.with(&fields, action, &what, &whole),
            // Said of each key that has slipped out of it.
            _ => Vec::new(),
        };
        let mut said = |name: &'static str, ty: &FieldType| {
            let (_, node) = fields.get(name)?;
            self.template(node, name, ty, true)
        };
        let reason = said("reason", &FieldType::Text);
        let review_by = said("review_by", &FieldType::Timestamp);
        self.names.present.clear();
        self.names.each = None;
        self.each_of.clear();
        let text = |value: Option<Value>| value.and_then(|v| v.as_str().map(str::to_owned));
        let said = Said { condition, for_each, with, reason, review_by };
        let step = match (&id, phase, action) {
            (Some(id), Some(phase), Some(action)) => {
                let uses = ActionKind::parse(action.kind)
                    .expect("a vocabulary names its actions as playbooks do: `vocabulary::faults`");
                let Said { condition, for_each, with, reason, review_by } = said.clone();
                Some(Step {
                    id: id.clone(),
                    phase,
                    accounts: accounts.unwrap_or(Accounts::Home),
                    uses,
                    with,
                    needs: needs.iter().map(|(id, _)| id.clone()).collect(),
                    condition,
                    for_each,
                    batches,
                    title: text(title),
                    reason,
                    review_by,
                    place: self.place(&whole),
                })
            }
            _ => None,
        };
        let range = |name: &str| fields.get(name).map(|(_, node)| &node.range);
        Draft {
            what,
            start: node.range.start,
            is_whole: before < MAX_PROBLEMS
                && self.problems[before..].iter().all(|one| one.code == Code::ListedTwice),
            said,
            id,
            id_range: whole,
            phase: phase.zip(range("phase")),
            action: action.zip(range("uses")),
            needs,
            accounts: accounts.zip(range("in")),
            step,
        }
    }

    /// What the step's action takes, where `with` is empty and some of that stands beside it.
    fn slipped_out_of_with(&self, node: &Node) -> &'static [Field] {
        let Kind::Map(entries) = &node.kind else { return &[] };
        let of =
            |name: &str| entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node);
        let empty = of("with").is_some_and(|node| matches!(node.kind, Kind::Null));
        let Some(Node { kind: Kind::Text(uses), .. }) = of("uses") else { return &[] };
        let Some(action) = self.vocabulary.action(uses).filter(|_| empty) else { return &[] };
        let own = |name: &str| STEP.iter().any(|field| field.name == name);
        let slipped = entries.iter().any(|(key, _)| {
            !own(&key.text) && action.fields.iter().any(|field| field.name == key.text)
        });
        if slipped { action.fields } else { &[] }
    }

    /// `if`: an expression as it stands, true or false; and what the rest of the step may rely on, also where something
    /// is wrong with it.
    fn condition(&mut self, fields: &Fields<'_>) -> (Option<Expression>, Asked) {
        let nothing = (None, Asked::default());
        let Some((_, node)) = fields.get("if") else { return nothing };
        let Kind::Text(text) = &node.kind else {
            self.wrong_type(node, "`if` is an expression", "`if: inputs.rotate`");
            return nothing;
        };
        if template::has_expression(text) {
            let problem =
                Diagnostic::error(Code::BadExpression, "`if` is an expression as it stands")
                    .at(self.place(&node.range), "in an expression already")
                    .help("leave `${{` and `}}` out");
            self.push(problem);
            return nothing;
        }
        let place = self.place(&node.range);
        let Some(parsed) = self.counted(Parsed::parse(text, place)) else { return nothing };
        let place = parsed.place().clone();
        let (shape, expression, asked) = match self.checked(parsed) {
            Ok(condition) => {
                let asked =
                    Asked { there: condition.present().clone(), each: condition.asks_each() };
                (condition.shape().clone(), Some(condition), asked)
            }
            Err(Refused { shape, present, asks_each, .. }) => {
                (shape, None, Asked { there: present, each: asks_each })
            }
        };
        if matches!(shape, Shape::Boolean | Shape::Unknown) {
            return (expression, asked);
        }
        let message = format!("`if` wants true or false, and this is {shape}");
        let help = match shape {
            Shape::Nullable(_) | Shape::Null => "ask whether it is there: `has(...)`",
            _ => "compare it with something: `size(...) > 0`",
        };
        let problem = Diagnostic::error(Code::WrongType, message).at(place, "of another type");
        self.push(problem.help(help));
        (None, asked)
    }

    /// What the step's `if` asks for is there in the rest of it; and of the items, those that it lets through are taken.
    fn narrow(&mut self, asked: Asked) {
        self.names.present = asked.there;
        if asked.each {
            self.names.each = self.names.each.take().map(Shape::chosen_from);
        }
    }

    /// `for_each`: a list as it stands, or one expression that gives a list.
    fn for_each(&mut self, fields: &Fields<'_>) -> Option<Template> {
        let (_, node) = fields.get("for_each")?;
        if let Kind::List(items) = &node.kind {
            let plain =
                |item: &&Node| !matches!(item.kind, Kind::Text(_) | Kind::Int(_) | Kind::Bool(_));
            for item in items.iter().filter(plain) {
                self.wrong_type(
                    item,
                    "an item of `for_each` is text, a number, true or false",
                    "`for_each: [ci-deploy, backup]`",
                );
            }
            if items.iter().any(|item| plain(&item)) {
                return None;
            }
            let text = |item: &Node| match &item.kind {
                Kind::Text(text) => Some((text.clone(), self.place(&item.range))),
                _ => None,
            };
            self.each_of = items.iter().filter_map(text).collect();
        }
        self.template(node, "for_each", &EACH, true)
    }

    fn needs<'n>(&mut self, fields: &Fields<'n>) -> Vec<(StepId, &'n Range<usize>)> {
        let mut needs = Vec::new();
        let example = match fields.get("needs") {
            Some((_, Node { kind: Kind::Text(id), .. })) => format!("`needs: [{}]`", shorten(id)),
            _ => "`needs: [keys-off]`".to_owned(),
        };
        for node in self.list(fields, "needs", &example) {
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
}
