//! Values under `with`, and literals anywhere: checked against the type of their field.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Number, Value};

use super::{Fields, Lowering, MAX_EXPRESSIONS, MAX_PROBLEMS, example};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::playbook::expression::check::{Refused, check};
use crate::playbook::expression::shape::{Misfit, Shape, Wanted, explain_misfit};
use crate::playbook::expression::{Expression, Parsed};
use crate::playbook::field::{Beside, Field, FieldType, shorten};
use crate::playbook::node::{Key, Kind, Node};
use crate::playbook::template::{self, Content, Part, Piece, Template};
use crate::playbook::vocabulary::ActionShape;

impl Lowering<'_> {
    /// A value without expressions.
    pub(super) fn literal(&mut self, node: &Node, name: &str, ty: &FieldType) -> Option<Value> {
        if let (Kind::List(items), Some(item_type)) = (&node.kind, item_type(ty)) {
            // Each for itself, so that one that is wrong hides no other.
            let wrong = items.iter().filter(|item| self.literal(item, name, item_type).is_none());
            if wrong.count() > 0 {
                return None;
            }
        }
        let value = self.plain(node)?;
        if let Kind::Text(text) = &node.kind
            && template::has_expression(text)
        {
            let problem = Diagnostic::error(
                Code::BadExpression,
                format!("`{name}` is read before there is anything to evaluate with"),
            )
            .at(self.place(&node.range), "no expressions here")
            .help("expressions stand under `targets` and `with`");
            self.push(problem);
            return None;
        }
        match ty.accept(&value) {
            Ok(value) => Some(value),
            Err(mismatch) => {
                self.mismatch(name, ty, node, &mismatch);
                None
            }
        }
    }

    /// The node as a plain value.
    fn plain(&mut self, node: &Node) -> Option<Value> {
        Some(match &node.kind {
            Kind::Null => Value::Null,
            Kind::Bool(b) => Value::Bool(*b),
            Kind::Int(n) => {
                if let Ok(n) = i64::try_from(*n) {
                    Value::from(n)
                } else {
                    self.wrong_type(node, "a number has at most 18 digits", "text, in quotes");
                    return None;
                }
            }
            Kind::Float(n) => Value::Number(Number::from_f64(*n)?),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => {
                Value::Array(items.iter().map(|item| self.plain(item)).collect::<Option<_>>()?)
            }
            Kind::Map(_) => Value::Object(serde_json::Map::new()),
        })
    }

    /// What is left out must have been complained about: a value that vanished would be a playbook
    /// that says less than its file.
    fn never_silently<T>(
        &mut self,
        before: usize,
        value: Option<T>,
        node: &Node,
        name: &str,
    ) -> Option<T> {
        if value.is_none() && self.problems.len() == before && before < MAX_PROBLEMS {
            let help = "text, a number, true, false, or a list of one of these";
            self.wrong_type(node, &format!("`{name}` cannot be this"), help);
        }
        value
    }

    /// The type an input names.
    pub(super) fn input_type(&mut self, node: &Node) -> Option<FieldType> {
        let before = self.problems.len();
        let ty = self.named_or_choice(node);
        self.never_silently(before, ty, node, "type")
    }

    fn named_or_choice(&mut self, node: &Node) -> Option<FieldType> {
        match &node.kind {
            Kind::Text(name) => {
                let ty = FieldType::find(name);
                if ty.is_none() {
                    let plain = name.strip_prefix("list of ").unwrap_or(name);
                    let help = match self.suggest(plain, FieldType::names()) {
                        Some(near) if plain == name => format!("did you mean `{near}`?"),
                        Some(near) => format!("did you mean `list of {near}`?"),
                        None => format!(
                            "the types are {}; `list of TYPE`; and {{ one-of: [WORD, ...] }}",
                            FieldType::names().collect::<Vec<_>>().join(", ")
                        ),
                    };
                    let problem = Diagnostic::error(
                        Code::BadValue,
                        format!("there is no type `{}`", shorten(name)),
                    )
                    .at(self.place(&node.range), "not known")
                    .help(help);
                    self.push(problem);
                }
                ty
            }
            Kind::Map(_) => {
                let fields = self.fields(node, ONE_OF, "a choice", &node.range);
                let mut words = Vec::new();
                for node in self.list(&fields, "one-of", "`{ one-of: [eu, us] }`") {
                    if let Some(Value::String(word)) =
                        self.literal(node, "one-of", &FieldType::Text)
                    {
                        words.push(Cow::Owned(word));
                    }
                }
                if let (true, Some((_, list))) = (words.is_empty(), fields.get("one-of"))
                    && matches!(&list.kind, Kind::List(items) if items.is_empty())
                {
                    let problem =
                        Diagnostic::error(Code::BadValue, "a choice has at least one word")
                            .at(self.place(&list.range), "none in here")
                            .help("write it like { one-of: [slow, fast] }");
                    self.push(problem);
                }
                (!words.is_empty()).then_some(FieldType::OneOf(Cow::Owned(words)))
            }
            _ => {
                self.wrong_type(node, "a type is a name", "`type: user-name`");
                None
            }
        }
    }

    /// What stands under `with`, by the fields of the action.
    pub(super) fn with(
        &mut self,
        fields: &Fields<'_>,
        action: Option<&ActionShape>,
        what: &str,
        whole: &Range<usize>,
    ) -> Vec<(String, Template)> {
        let mut values = Vec::new();
        let entries = self.map(fields, "with", "`with: { user: ci-deploy }`");
        let Some(action) = action else {
            // Not known what it takes; its expressions can be judged all the same.
            for (key, node) in entries {
                self.template(node, &key.text, &FieldType::Any, false);
            }
            return values;
        };
        // What was chosen is known where no expression stands, and where it is a choice at all.
        let chosen = |name: &str| {
            let (_, node) = entries.iter().find(|(key, _)| key.text == name)?;
            let field = action.fields.iter().find(|field| field.name == name)?;
            match &node.kind {
                Kind::Text(text) if field.ty.accept(&Value::from(text.as_str())).is_ok() => {
                    Some(text.as_str())
                }
                _ => None,
            }
        };
        for (key, node) in entries {
            match action.fields.iter().find(|field| field.name == key.text) {
                Some(field) => {
                    if let Some(choice) = field.misplaced(chosen) {
                        let (message, help) = choice.explain_misplaced(field.name);
                        let problem = Diagnostic::error(Code::UnknownKey, message)
                            .at(self.place(&key.range), "something else was chosen")
                            .help(help);
                        self.push(problem);
                    }
                    if let Some(template) =
                        self.template(node, field.name, &field.ty, field.required)
                    {
                        values.push((field.name.to_owned(), template));
                    }
                }
                None => self.unknown_key(key, node, &format!("`{}`", action.kind), action.fields),
            }
        }
        // Of what is no mapping it was said that it is none, or that it is not read.
        let unread = fields.get("with").is_some_and(|(_, node)| !matches!(node.kind, Kind::Map(_)));
        if unread || entries.iter().any(|(key, _)| self.is_merge_key(key)) {
            return values;
        }
        let whole = fields.get("with").map_or(whole, |(key, _)| &key.range);
        for field in action.fields.iter().filter(|field| field.is_required(chosen)) {
            if !entries.iter().any(|(key, _)| key.text == field.name) {
                self.missing_key(field, &format!("{what} (`{}`)", action.kind), whole);
            }
        }
        self.beside(entries, action, what, whole);
        values
    }

    /// Fields that are not for themselves alone whether they may be there.
    fn beside(
        &mut self,
        entries: &[(Key, Node)],
        action: &ActionShape,
        what: &str,
        whole: &Range<usize>,
    ) {
        let there =
            |name: &str| entries.iter().find(|(key, _)| key.text == name).map(|(key, _)| key);
        let says_something = |name: &str| {
            entries.iter().any(|(key, node)| {
                key.text == name
                    && !matches!(&node.kind, Kind::Null)
                    && !matches!(&node.kind, Kind::List(items) if items.is_empty())
            })
        };
        let field = |name: &str| action.fields.iter().find(|field| field.name == name);
        let mut told: BTreeSet<[&str; 2]> = BTreeSet::new();
        for one in action.fields {
            for beside in one.beside {
                match *beside {
                    Beside::Or(other) if !says_something(one.name) && !says_something(other) => {
                        let (Some(other), true) =
                            (field(other), told.insert(sorted(one.name, other)))
                        else {
                            continue;
                        };
                        let [first, second] =
                            [one, other].map(|field| (field.name, example(field), field.help));
                        let message = format!(
                            "{what} (`{}`) has neither `{}` nor `{}`",
                            action.kind, first.0, second.0
                        );
                        let help = format!(
                            "add `{}: {}` ({}), or `{}: {}` ({})",
                            first.0, first.1, first.2, second.0, second.1, second.2
                        );
                        let problem = Diagnostic::error(Code::MissingKey, message)
                            .at(self.place(whole), "in here")
                            .help(help);
                        self.push(problem);
                    }
                    Beside::Not(other) => {
                        let (Some(key), Some(first)) = (there(one.name), there(other)) else {
                            continue;
                        };
                        let message = format!("`{}` has no place beside `{other}`", one.name);
                        let problem = Diagnostic::error(Code::UnknownKey, message)
                            .at(self.place(&key.range), "instead of the other")
                            .and(self.place(&first.range), "the other")
                            .help(format!("leave `{}` or `{other}` out", one.name));
                        self.push(problem);
                        break;
                    }
                    Beside::With(other) if there(other).is_none() => {
                        let (Some(key), Some(other)) = (there(one.name), field(other)) else {
                            continue;
                        };
                        let (message, help) = (
                            format!("`{}` says nothing without `{}`", one.name, other.name),
                            format!("add `{}: {}` ({})", other.name, example(other), other.help),
                        );
                        let problem = Diagnostic::error(Code::MissingKey, message)
                            .at(self.place(&key.range), "alone here")
                            .help(help);
                        self.push(problem);
                    }
                    Beside::Or(_) | Beside::With(_) => {}
                }
            }
        }
    }

    pub(super) fn template(
        &mut self,
        node: &Node,
        name: &str,
        ty: &FieldType,
        required: bool,
    ) -> Option<Template> {
        let before = self.problems.len();
        if let Kind::List(items) = &node.kind {
            self.doubles(items, name);
        }
        let content = self.content(node, name, ty, required);
        let content = self.never_silently(before, content, node, name)?;
        Some(Template {
            place: self.place(&node.range),
            field: name.to_owned(),
            ty: ty.clone(),
            required,
            content,
        })
    }

    fn content(
        &mut self,
        node: &Node,
        name: &str,
        ty: &FieldType,
        required: bool,
    ) -> Option<Content> {
        Some(match &node.kind {
            Kind::Text(text) if template::has_expression(text) => {
                self.expressions(node, text, name, ty, required)?
            }
            Kind::List(items) if has_expression(items) => {
                let Some(item_type) = item_type(ty) else {
                    self.wrong_type(
                        node,
                        &format!("`{name}` wants {ty}"),
                        &one_for_each(name, items),
                    );
                    return None;
                };
                let items: Vec<Option<Template>> =
                    items.iter().map(|item| self.template(item, name, item_type, true)).collect();
                Content::List(items.into_iter().collect::<Option<_>>()?)
            }
            Kind::Null if !required => Content::Literal(Value::Null),
            _ => {
                let value = self.literal(node, name, ty)?;
                match &node.kind {
                    Kind::List(items) => {
                        let of = item_type(ty).unwrap_or(&FieldType::Any);
                        for item in items {
                            self.bare(item, name, of);
                        }
                    }
                    _ => self.bare(node, name, ty),
                }
                Content::Literal(value)
            }
        })
    }

    /// Warns of a text that is taken as it stands, and was most likely meant as an expression.
    fn bare(&mut self, node: &Node, name: &str, ty: &FieldType) {
        let Kind::Text(text) = &node.kind else { return };
        let Some(meant) = self.bare_expression(text, ty) else { return };
        let help = if meant == text.trim() {
            format!("if it is meant as one, write \"${{{{ {meant} }}}}\"")
        } else {
            format!("if it is meant as one: did you mean \"${{{{ {meant} }}}}\"?")
        };
        let message = format!("`{name}` is the text `{}`, and no expression", shorten(text));
        let problem = Diagnostic::warning(Code::BareExpression, message)
            .at(self.place(&node.range), "as it stands")
            .help(help);
        self.push(problem);
    }

    fn expressions(
        &mut self,
        node: &Node,
        text: &str,
        name: &str,
        ty: &FieldType,
        required: bool,
    ) -> Option<Content> {
        let place = self.place(&node.range);
        let mut pieces = template::pieces(text, &place);
        if let [Piece::Expression(_)] = pieces.as_slice()
            && let Some(Piece::Expression(parsed)) = pieces.pop()
        {
            return self.alone(parsed, name, ty, required).map(Content::Expression);
        }
        let mut parts: Vec<Option<Part>> = Vec::new();
        for piece in pieces {
            parts.push(match piece {
                Piece::Text(text) => Some(Part::Text(text)),
                Piece::Expression(parsed) => {
                    let parsed = self.counted(parsed);
                    let checked = parsed.and_then(|parsed| self.checked(parsed).ok());
                    checked.map(Box::new).map(Part::Expression)
                }
            });
        }
        let parts: Vec<Part> = parts.into_iter().collect::<Option<_>>()?;
        let mut good = true;
        if !ty.takes_text() {
            let problem = Diagnostic::error(
                Code::WrongType,
                format!("`{name}` wants {ty}, and an expression with text around it is text"),
            )
            .at(place, "of another type")
            .help("let the expression stand alone");
            self.push(problem);
            good = false;
        } else if matches!(ty, FieldType::UserName | FieldType::RoleName)
            && parts
                .iter()
                .any(|part| matches!(part, Part::Text(text) if text.contains(char::is_whitespace)))
        {
            let message =
                format!("`{name}` wants {ty}, and there is a space beside the expression");
            let problem = Diagnostic::error(Code::BadValue, message)
                .at(place, "whatever the expression gives")
                .help("no name has a space in it: take what stands beside the expression out, or join it by a hyphen");
            self.push(problem);
            good = false;
        }
        for part in &parts {
            if let Part::Expression(expression) = part {
                match expression.shape() {
                    Shape::Integer | Shape::Boolean => {}
                    shape if shape.is_textual() => {}
                    shape => {
                        let misfit = match shape {
                            Shape::Nullable(_) | Shape::Null => Misfit::MayBeAbsent,
                            Shape::Object(object) => Misfit::Object(object.attributes()),
                            _ => Misfit::OtherType,
                        };
                        self.misfit(&misfit, shape, expression.place(), name, &FieldType::Text);
                        good = false;
                    }
                }
            }
        }
        good.then_some(Content::Text(parts))
    }

    /// An expression with nothing around it: what it gives must fit, also where something else is wrong with it.
    fn alone(
        &mut self,
        parsed: Result<Parsed, Diagnostic>,
        name: &str,
        ty: &FieldType,
        required: bool,
    ) -> Option<Expression> {
        let parsed = self.counted(parsed)?;
        let place = parsed.place().clone();
        let checked = self.checked(parsed);
        let shape = match &checked {
            Ok(expression) => expression.shape(),
            Err(refused) => &refused.shape,
        };
        if let Err(misfit) = shape.fits(ty, required) {
            self.misfit(&misfit, shape, &place, name, ty);
            return None;
        }
        match checked {
            Ok(expression) => Some(expression),
            Err(refused) => {
                self.would_give = refused.shape;
                None
            }
        }
    }

    fn misfit(
        &mut self,
        misfit: &Misfit,
        shape: &Shape,
        place: &Place,
        name: &str,
        ty: &FieldType,
    ) {
        let wanted = Wanted::Field(name);
        let (message, help) = explain_misfit(misfit, shape, wanted, ty);
        let mut problem = Diagnostic::error(Code::WrongType, message)
            .at(place.clone(), misfit.label())
            .help(help);
        if let Misfit::Written(wrong) = misfit {
            let is_wrong = |text: &str| wrong.iter().any(|(one, _)| one == text);
            let items = self.each_of.iter().filter(|(text, _)| is_wrong(text)).take(8);
            for (_, place) in items {
                problem = problem.and(place.clone(), "this item");
            }
        }
        self.push(problem);
    }

    /// An expression judged by the names that are known here. What is wrong with it has been said.
    pub(super) fn checked(&mut self, parsed: Parsed) -> Result<Expression, Refused> {
        let mut checked = check(parsed, &self.names);
        if let Err(refused) = &mut checked {
            for problem in refused.problems.drain(..) {
                self.push(problem);
            }
        }
        checked
    }

    /// What was parsed, unless it is wrong or one too many.
    pub(super) fn counted(&mut self, parsed: Result<Parsed, Diagnostic>) -> Option<Parsed> {
        self.expressions += 1;
        match parsed {
            Ok(parsed) if self.expressions <= MAX_EXPRESSIONS => Some(parsed),
            Ok(parsed) => {
                if self.expressions == MAX_EXPRESSIONS + 1 {
                    let problem = Diagnostic::error(
                        Code::TooLarge,
                        format!("more than {MAX_EXPRESSIONS} expressions"),
                    )
                    .at(parsed.place().clone(), "one too many")
                    .help("give what stands in many places a name under `targets`");
                    self.push(problem);
                }
                None
            }
            Err(problem) => {
                self.push(problem);
                None
            }
        }
    }
}

fn sorted<'n>(one: &'n str, other: &'n str) -> [&'n str; 2] {
    if one < other { [one, other] } else { [other, one] }
}

const ONE_OF: &[Field] =
    &[Field::required("one-of", FieldType::List(&FieldType::Text), "the words to choose from")];

fn has_expression(items: &[Node]) -> bool {
    items.iter().any(|item| match &item.kind {
        Kind::Text(text) => template::has_expression(text),
        _ => false,
    })
}

/// What to write instead of a list where one value is wanted: its only item, or an item for each.
fn one_for_each(name: &str, items: &[Node]) -> String {
    match items {
        [Node { kind: Kind::Text(only), .. }] => format!("`{name}: \"{}\"`", shorten(only)),
        _ => format!("`{name}: \"${{{{ each }}}}\"`, with the list under `for_each` of the step"),
    }
}

/// What the items of a list must be, where a list is wanted at all.
fn item_type(ty: &FieldType) -> Option<&FieldType> {
    match ty {
        FieldType::List(item) => Some(item),
        FieldType::Either(types) => types.iter().find_map(item_type),
        FieldType::Such(such) => item_type(&such.of),
        FieldType::Any => Some(&FieldType::Any),
        _ => None,
    }
}
