//! Values with expressions in them: what stands under `with`.
//!
//! A text that is exactly one `${{ ... }}` keeps the type of its expression; with anything around it,
//! the result is text. A template remembers which field it is for, so that its value is checked
//! against the field's type when it is finally known. Evaluating is pure.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::expression::evaluate::{Evaluated, Scope, accept};
use super::expression::shape::Shape;
use super::expression::{Expression, Parsed};
use super::field::FieldType;
use crate::diagnostic::{Code, Diagnostic, Place};

/// A value that may have expressions in it.
#[derive(Clone, Debug)]
pub struct Template {
    pub(super) place: Place,
    pub(super) field: String,
    pub(super) ty: FieldType,
    pub(super) required: bool,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A value as it stands, checked and canonical.
    Literal(Value),
    /// One expression and nothing else.
    Expression(Expression),
    /// Text around expressions.
    Text(Vec<Part>),
    /// A list, item by item.
    List(Vec<Template>),
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(String),
    Expression(Box<Expression>),
}

impl Template {
    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What its value must be.
    pub fn ty(&self) -> &FieldType {
        &self.ty
    }

    /// What each of its items is, where it is a list.
    pub(super) fn item_shape(&self) -> Shape {
        match &self.content {
            Content::Expression(expression) => expression.shape().clone().item(),
            Content::Literal(Value::Array(items)) if items.iter().all(Value::is_string) => {
                Shape::written(items.iter().filter_map(Value::as_str).map(str::to_owned))
            }
            Content::Literal(Value::Array(items)) => {
                items.iter().map(literal_shape).reduce(Shape::join).unwrap_or(Shape::Unknown)
            }
            Content::List(items) => {
                items.iter().map(Self::shape).reduce(Shape::join).unwrap_or(Shape::Unknown)
            }
            Content::Literal(_) | Content::Text(_) => Shape::Unknown,
        }
    }

    /// What it is itself, where it is an item of a list.
    fn shape(&self) -> Shape {
        match &self.content {
            Content::Literal(value) => literal_shape(value),
            Content::Expression(expression) => expression.shape().clone(),
            Content::Text(_) => Shape::Text,
            Content::List(_) => Shape::Unknown,
        }
    }

    /// What it is, where no expression stands in it.
    pub(super) fn literal(&self) -> Option<&Value> {
        match &self.content {
            Content::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The expressions in it, in order.
    pub fn expressions(&self) -> Vec<&Expression> {
        match &self.content {
            Content::Literal(_) => Vec::new(),
            Content::Expression(expression) => vec![expression],
            Content::Text(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Text(_) => None,
                    Part::Expression(expression) => Some(expression.as_ref()),
                })
                .collect(),
            Content::List(items) => items.iter().flat_map(Template::expressions).collect(),
        }
    }

    /// Its value, of the field's type and in the type's canonical spelling; `null` for an optional
    /// field whose expression gives nothing.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Evaluated, Diagnostic> {
        match &self.content {
            Content::Literal(value) => Ok(Evaluated::Value(value.clone())),
            Content::Expression(expression) => match expression.evaluate(scope)? {
                Evaluated::Value(value) => {
                    accept(&value, &self.ty, self.required, expression, &self.field)
                        .map(Evaluated::Value)
                }
                needs @ Evaluated::Needs(_) => Ok(needs),
            },
            Content::Text(parts) => self.text(parts, scope),
            Content::List(items) => {
                let mut needs = BTreeSet::new();
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    match item.evaluate(scope)? {
                        Evaluated::Value(value) => values.push(value),
                        Evaluated::Needs(wants) => needs.extend(wants),
                    }
                }
                Ok(if needs.is_empty() {
                    Evaluated::Value(Value::Array(values))
                } else {
                    Evaluated::Needs(needs)
                })
            }
        }
    }

    fn text(&self, parts: &[Part], scope: &Scope<'_>) -> Result<Evaluated, Diagnostic> {
        let mut text = String::new();
        let mut needs = BTreeSet::new();
        for part in parts {
            let expression = match part {
                Part::Text(literal) => {
                    text.push_str(literal);
                    continue;
                }
                Part::Expression(expression) => expression,
            };
            match expression.evaluate(scope)? {
                Evaluated::Value(Value::String(value)) => text.push_str(&value),
                Evaluated::Value(value @ (Value::Number(_) | Value::Bool(_))) => {
                    text.push_str(&value.to_string());
                }
                Evaluated::Value(value) => {
                    let found = super::field::describe(&value);
                    return Err(Diagnostic::error(
                        Code::WrongType,
                        format!("text goes around text and numbers, and this gave {found}"),
                    )
                    .at(expression.place().clone(), "evaluated with the inputs of this run")
                    .help("name one item or field of it, or ask whether it is there: has(...) ? ... : 'none'"));
                }
                Evaluated::Needs(wants) => needs.extend(wants),
            }
        }
        if !needs.is_empty() {
            return Ok(Evaluated::Needs(needs));
        }
        self.ty.accept(&Value::String(text)).map(Evaluated::Value).map_err(|mismatch| {
            Diagnostic::error(
                Code::WrongType,
                format!(
                    "`{}` wants {}, and this is {}",
                    self.field, mismatch.expected, mismatch.found
                ),
            )
            .at(self.place.clone(), "with its expressions filled in")
            .help(mismatch.help.unwrap_or_else(|| self.ty.written(&self.field)))
        })
    }
}

fn literal_shape(value: &Value) -> Shape {
    match value {
        Value::String(text) => Shape::written([text.clone()]),
        Value::Bool(_) => Shape::Boolean,
        Value::Number(number) if number.is_i64() => Shape::Integer,
        _ => Shape::Unknown,
    }
}

/// A stretch of a text with delimiters: what is outside, and what is inside, parsed.
pub(super) enum Piece {
    Text(String),
    Expression(Result<Parsed, Diagnostic>),
}

/// Whether there is an expression in the text.
pub(super) fn has_expression(text: &str) -> bool {
    text.contains("${{")
}

/// Takes a text apart at `${{` and `}}`. `place` is where the text stands.
pub(super) fn pieces(text: &str, place: &Place) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    // How far the source has been matched: the same expression may stand in a text twice.
    let mut seen = 0;
    while let Some(start) = rest.find("${{") {
        if start > 0 {
            pieces.push(Piece::Text(rest[..start].to_owned()));
        }
        let inside = &rest[start + 3..];
        let Some(length) = end_of_expression(inside) else {
            let range = within(place, &rest[start..], &mut seen);
            pieces.push(Piece::Expression(Err(Diagnostic::error(
                Code::BadExpression,
                "the expression has no end",
            )
            .at(Place::new(place.source(), range), "begins here")
            .help("close it with `}}`"))));
            return pieces;
        };
        let whole = &rest[start..start + 3 + length + 2];
        let range = within(place, whole, &mut seen);
        let place = Place::new(place.source(), range);
        pieces.push(Piece::Expression(Parsed::parse(&inside[..length], place)));
        rest = &rest[start + whole.len()..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    pieces
}

/// Where the delimiter that ends the expression begins: the first that is not in quotes.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '}') if text[i..].starts_with("}}") => return Some(i),
            _ => {}
        }
    }
    // An apostrophe that opens nothing should not hide the end.
    quote.and_then(|_| text.find("}}"))
}

/// Where `part` stands in the source, if it stands there as it is; else the whole place.
fn within(place: &Place, part: &str, seen: &mut usize) -> Range<usize> {
    let raw = place.text();
    let base = place.range().start;
    match raw.get(*seen..).and_then(|rest| rest.find(part)) {
        Some(at) => {
            let start = *seen + at;
            *seen = start + part.len();
            base + start..base + *seen
        }
        None => place.range(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;

    fn shown(text: &str) -> Vec<String> {
        let source = Source::new("p", text);
        pieces(text, &Place::new(&source, 0..text.len()))
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Expression(Ok(parsed)) => {
                    format!("{}@{}", parsed.place().text(), parsed.place().range().start)
                }
                Piece::Expression(Err(problem)) => format!("! {}", problem.message),
            })
            .collect()
    }

    #[test]
    fn text_and_expressions_are_told_apart() {
        assert_eq!(shown("plain } }} text"), ["plain } }} text"]);
        assert_eq!(shown("${{ a.b }}"), ["${{ a.b }}@0"]);
        assert_eq!(shown("x-${{ a }}-y"), ["x-", "${{ a }}@2", "-y"]);
        assert_eq!(shown("${{ a }}${{ a }}"), ["${{ a }}@0", "${{ a }}@8"]);
        assert_eq!(shown("${{ '}}' }}!"), ["${{ '}}' }}@0", "!"]);
        assert_eq!(shown("${{ \"\\\"}}\" }}"), ["${{ \"\\\"}}\" }}@0"]);
        assert_eq!(shown("a ${{ b"), ["a ", "! the expression has no end"]);
        assert_eq!(shown("${{}}"), ["! the expression is empty"]);
    }
}
