//! Expressions: CEL inside `${{ ... }}`, checked before anything runs.
//!
//! The `cel` crate parses and evaluates; what may be said is decided here and in `check`: the roots
//! `inputs`, `targets` and `inventory`, the `account`, a handful of functions, no loop within a loop, no map literals
//! (their order would be random). Length and nesting are bounded before the parser sees the text,
//! because its stack use grows with them. Knows nothing of steps and fields.

pub(crate) mod check;
mod copies;
pub(crate) mod evaluate;
pub(crate) mod functions;
mod indexed;
mod left_out;
pub(crate) mod meter;
mod rewrite;
pub(crate) mod shape;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr, SourceInfo, operators};
use cel::parser::Parser;
use serde_json::Value;

use self::functions::Function;
use self::shape::Shape;
use crate::diagnostic::{Code, Diagnostic, Place};

/// The longest expression.
const MAX_LENGTH: usize = 800;
/// How many opening brackets an expression may have, nested or not.
const MAX_BRACKETS: usize = 24;
/// How many signs an expression may have: each may cost the parser a level of its stack.
const MAX_SIGNS: usize = 160;
/// How deep the parsed expression may be: evaluating recurses as deep.
const MAX_DEPTH: usize = 32;

/// What is said of one with nothing in it.
pub(crate) const EMPTY: &str = "the expression is empty";

/// A checked expression.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    place: Place,
    ast: IdedExpr,
    calls: Vec<CallSite>,
    shape: Shape,
    inputs: BTreeSet<String>,
    targets: BTreeSet<String>,
    /// Whether it asks in which account it is.
    account: bool,
    /// What is there wherever it is true.
    present: BTreeSet<String>,
    /// How often it puts the same things together.
    copies: u64,
}

/// One call of an inventory function.
#[derive(Clone, Debug)]
struct CallSite {
    function: &'static Function,
    place: Place,
    /// Whether it is asked for every item of a list, by `map` or `filter`.
    for_every_item: bool,
    /// Whether a loop goes over its answer.
    gone_through: bool,
}

impl Expression {
    /// What stands between the delimiters.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The inputs it reads.
    pub fn inputs(&self) -> &BTreeSet<String> {
        &self.inputs
    }

    /// The targets it reads.
    pub fn targets(&self) -> &BTreeSet<String> {
        &self.targets
    }

    /// Whether every target that it reads is one of those that have a value.
    pub(crate) fn asks_only(&self, targets: &BTreeMap<String, Value>) -> bool {
        self.targets.iter().all(|name| targets.contains_key(name))
    }

    /// Whether its value is known from the inputs of a run, before anything is read and whichever account it is in.
    pub(crate) fn asks_inputs_alone(&self) -> bool {
        self.asks_no_inventory() && !self.account
    }

    /// Whether its value hangs on nothing that is read.
    pub(crate) fn asks_no_inventory(&self) -> bool {
        self.targets.is_empty() && self.calls.is_empty()
    }

    /// Whether it reads the item of the step's `for_each`.
    pub(crate) fn asks_each(&self) -> bool {
        asks_each(&self.ast)
    }

    /// Whether it gives the same whatever is given and whatever there is.
    pub(crate) fn is_constant(&self) -> bool {
        self.asks_inputs_alone() && self.inputs.is_empty() && !self.asks_each()
    }

    /// Whether it is true, or false, whatever its parts are that hang on anything: `false` beside `&&` decides, and `true`
    /// beside `||`. `constant` gives the value of a part that hangs on nothing.
    pub(crate) fn always(&self, constant: &dyn Fn(&Self) -> Option<bool>) -> Option<bool> {
        self.always_of(&self.ast, constant)
    }

    fn always_of(&self, part: &IdedExpr, constant: &dyn Fn(&Self) -> Option<bool>) -> Option<bool> {
        let mut hangs = false;
        walk(part, &mut |node| {
            hangs |= match &node.expr {
                // Variables of loops are a part's own; those of meters stand for nothing that is read.
                Expr::Ident(name) => !name.starts_with("@looks") && !name.starts_with("@builds"),
                Expr::Select(_) | Expr::Comprehension(_) => true,
                _ => false,
            };
        });
        if !hangs {
            return constant(&Self { ast: part.clone(), ..self.clone() });
        }
        let Expr::Call(call) = &part.expr else { return None };
        let mut parts = call.args.iter().map(|part| self.always_of(part, constant));
        match call.func_name.as_str() {
            operators::LOGICAL_NOT => parts.next()?.map(|always| !always),
            operators::LOGICAL_OR => {
                let all: Vec<Option<bool>> = parts.collect();
                let none = all.iter().all(|one| *one == Some(false));
                all.contains(&Some(true)).then_some(true).or(none.then_some(false))
            }
            operators::LOGICAL_AND => {
                let all: Vec<Option<bool>> = parts.collect();
                let every = all.iter().all(|one| *one == Some(true));
                all.contains(&Some(false)).then_some(false).or(every.then_some(true))
            }
            _ => None,
        }
    }

    /// What is there wherever it is true, though it might be nothing elsewhere: each in one spelling.
    pub(crate) fn present(&self) -> &BTreeSet<String> {
        &self.present
    }

    /// How often it puts the same things together, at most.
    pub(crate) fn copies(&self) -> u64 {
        self.copies
    }

    /// What it gives, as far as that can be known without evaluating.
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// An expression that has been parsed, not yet checked.
pub(crate) struct Parsed {
    text: String,
    place: Place,
    ast: IdedExpr,
    info: SourceInfo,
    /// Whether the text stands in the source as it is, so that places inside it can be shown.
    verbatim: bool,
    /// Comparisons of instants, by their ids: found by the checker, written out by the rewriter.
    instants: BTreeSet<u64>,
}

impl Parsed {
    /// Parses `text`, which stands at `place`.
    pub(crate) fn parse(text: &str, place: Place) -> Result<Self, Diagnostic> {
        let bad = |message: String, label: &str| {
            Diagnostic::error(Code::BadExpression, message).at(place.clone(), label)
        };
        if text.trim().is_empty() {
            return Err(bad(EMPTY.to_owned(), "nothing in here")
                .help("write one, as in ${{ inputs.name }}"));
        }
        let brackets = text.bytes().filter(|b| b"([{".contains(b)).count();
        let signs = text.bytes().filter(u8::is_ascii_punctuation).count();
        if text.len() > MAX_LENGTH || brackets > MAX_BRACKETS || signs > MAX_SIGNS {
            return Err(Diagnostic::error(
                Code::ExpressionCost,
                format!(
                    "the expression is too long: at most {MAX_LENGTH} bytes, {MAX_BRACKETS} \
                     brackets and {MAX_SIGNS} signs"
                ),
            )
            .at(place, "too long")
            .help("split it: give a part of it a name under `targets`"));
        }
        let verbatim = place.text().contains(text);
        match Parser::new().parse_with_source_info(text) {
            Ok((ast, info)) => {
                if depth(&ast) > MAX_DEPTH {
                    return Err(Diagnostic::error(
                        Code::ExpressionCost,
                        format!("the expression is nested deeper than {MAX_DEPTH} levels"),
                    )
                    .at(place, "too deep")
                    .help("split it: give a part of it a name under `targets`"));
                }
                let instants = BTreeSet::new();
                Ok(Self { text: text.to_owned(), place, ast, info, verbatim, instants })
            }
            Err(errors) => {
                if let Some(Foreign { range, message, write }) = foreign(text) {
                    let place = if verbatim { inner_place(&place, text, range) } else { place };
                    let message = format!("not an expression: {message}");
                    return Err(Diagnostic::error(Code::BadExpression, message)
                        .at(place, "here")
                        .help(write));
                }
                let (at, message) = errors
                    .errors
                    .first()
                    .map_or((None, String::new()), |e| (byte_at(text, e.pos), e.msg.clone()));
                let moment = at.and_then(|at| bare_moment(text, at));
                let place = match moment.clone().or_else(|| at.map(|at| at..at + 1)) {
                    Some(range) if verbatim => inner_place(&place, text, range),
                    _ => place,
                };
                let message = readable(&message);
                let help = match at.and_then(|at| bare_duration(text, at)) {
                    Some(duration) => format!("a duration is a text: '{duration}'"),
                    None if let Some(range) = moment => {
                        format!("a moment is a text: '{}'", &text[range])
                    }
                    None => "expressions are CEL, as in ${{ inputs.name }}".to_owned(),
                };
                Err(Diagnostic::error(Code::BadExpression, format!("not an expression: {message}"))
                    .at(place, "here")
                    .help(help))
            }
        }
    }

    /// Where it stands.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The names under `root` it reads, without judging them.
    pub(crate) fn names_under(&self, root: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        walk(&self.ast, &mut |expr| {
            if let Expr::Select(select) = &expr.expr
                && matches!(&select.operand.expr, Expr::Ident(name) if name == root)
            {
                names.insert(select.field.clone());
            }
        });
        names
    }

    /// The place of one node with all that belongs to it.
    fn place_of(&self, expr: &IdedExpr) -> Place {
        if !self.verbatim {
            return self.place.clone();
        }
        let mut extent: Option<Range<usize>> = None;
        walk(expr, &mut |node| {
            if let Some((start, stop)) = self.info.offset_for(node.id) {
                // Bytes, the last one included. Of a selection it is only the dot.
                let start = self.text.floor_char_boundary(start as usize);
                let mut end = self.text.ceil_char_boundary(stop as usize + 1);
                if let Expr::Select(select) = &node.expr
                    && let Some(at) = self.text[start..].find(&select.field)
                {
                    end = start + at + select.field.len();
                }
                extent = Some(match extent.take() {
                    None => start..end,
                    Some(range) => range.start.min(start)..range.end.max(end),
                });
            }
        });
        match extent.map(|range| whole_call(&self.text, range)) {
            Some(range) => inner_place(&self.place, &self.text, range),
            None => self.place.clone(),
        }
    }
}

/// Nodes know where their first signs stand: a call by its opening bracket, without its name before
/// and its closing bracket after.
fn whole_call(text: &str, range: Range<usize>) -> Range<usize> {
    let Range { mut start, mut end } = range;
    if text[start..].starts_with('(') {
        let name = text[..start].trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        start = name.len();
    }
    for (open, close) in [('(', ')'), ('[', ']')] {
        let count = |c: char| text[start..end].chars().filter(|other| *other == c).count();
        for _ in count(close)..count(open) {
            let rest = text[end..].trim_start();
            if rest.starts_with(close) {
                end = text.len() - rest.len() + 1;
            }
        }
    }
    start..end
}

/// The place of a part of `text`, which stands somewhere within `outer`.
fn inner_place(outer: &Place, text: &str, part: Range<usize>) -> Place {
    let offset = outer.text().find(text).unwrap_or(0);
    let base = outer.range().start + offset;
    let end = base + part.end.min(text.len());
    Place::new(outer.source(), (base + part.start).min(end)..end)
}

/// The byte at which the `n`-th character begins.
fn byte_of_char(text: &str, n: usize) -> usize {
    text.char_indices().nth(n).map_or(text.len(), |(i, _)| i)
}

/// The byte of a line and column as the parser's errors have them: from 1, and in characters.
fn byte_at(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    Some(start + byte_of_char(&text[start..], column))
}

/// The duration whose unit begins at `at`, written as no text: `90d`.
fn bare_duration(text: &str, at: usize) -> Option<&str> {
    let unit = text.get(at..)?.chars().next().filter(|unit| "smhdw".contains(*unit))?;
    let end = at + unit.len_utf8();
    let ends = !text[end..].starts_with(|c: char| c == '_' || c.is_alphanumeric());
    let digits = text[..at].trim_end_matches(|c: char| c.is_ascii_digit()).len();
    (ends && digits < at).then(|| &text[digits..end])
}

/// The moment around `at`, written as no text: `2026-03-24T07:10:00Z`.
fn bare_moment(text: &str, at: usize) -> Option<Range<usize>> {
    let of_a_moment = |c: char| c.is_ascii_digit() || "-:.+TZtz".contains(c);
    let (before, after) = (text.get(..at)?, text.get(at..)?);
    let start = before.trim_end_matches(of_a_moment).len();
    let end = text.len() - after.trim_start_matches(of_a_moment).len();
    text[start..end].parse::<jiff::Timestamp>().ok()?;
    Some(start..end)
}

/// What other languages write.
struct Foreign {
    range: Range<usize>,
    message: String,
    write: &'static str,
}

/// The first of it outside of quotes, in a text that is no expression.
fn foreign(text: &str) -> Option<Foreign> {
    let mut quote = None;
    let mut skip = 0;
    for (at, c) in text.char_indices() {
        let rest = &text[at..];
        if at < skip {
            continue;
        }
        if let Some(open) = quote {
            match c {
                '\\' => skip = at + 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                c if c == open => quote = None,
                _ => {}
            }
            continue;
        }
        if c == '\'' || c == '"' {
            quote = Some(c);
            continue;
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let sign = |n: usize, write| Some((n, write));
        let found = if is_word(c) {
            let word = rest.split(|c| !is_word(c)).next().unwrap_or(rest);
            skip = at + word.len();
            let is_field = text[..at].trim_end().ends_with('.');
            match word {
                "and" if !is_field => sign(3, "write `&&`"),
                "or" if !is_field => sign(2, "write `||`"),
                "not" if !is_field => sign(3, "write `!`, as in !(a == b)"),
                _ => None,
            }
        } else {
            let twice = ["==", "!=", "<=", ">=", "&&", "||"];
            if rest.starts_with("===") || rest.starts_with("!==") {
                sign(3, "write `==`, or `!=`")
            } else if twice.iter().any(|sign| rest.starts_with(sign)) {
                skip = at + 2;
                None
            } else if rest.starts_with("??") {
                sign(2, "write has(x) ? x : y")
            } else if rest.starts_with("<>") {
                sign(2, "write `!=`")
            } else {
                match c {
                    '=' => sign(1, "to compare write `==`"),
                    '&' => sign(1, "write `&&`"),
                    '|' => sign(1, "write `||`"),
                    _ => None,
                }
            }
        };
        if let Some((length, write)) = found {
            let range = at..at + length;
            let message = format!("`{}` means nothing in one", &text[range.clone()]);
            return Some(Foreign { range, message, write });
        }
    }
    None
}

/// The parser's message without its vocabulary.
fn readable(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let front = message.split(" expecting ").next().unwrap_or(message);
    if front.contains("<EOF>") {
        return "it ends too early".to_owned();
    }
    if front.starts_with("Incomplete ") {
        return "a part of it is missing, or stands where none does".to_owned();
    }
    if let Some(sign) = front.strip_prefix("token recognition error at: ") {
        return format!("no part of one begins with {}", super::field::shorten(sign));
    }
    super::field::shorten(front)
}

/// Whether an expression uses the item of its step's `for_each`.
fn asks_each(ast: &IdedExpr) -> bool {
    let mut asks = false;
    walk(ast, &mut |node| {
        asks |= matches!(&node.expr, Expr::Ident(name) if name == check::EACH);
    });
    asks
}

/// Calls `visit` for every node, a parent before its parts.
fn walk<'e>(expr: &'e IdedExpr, visit: &mut dyn FnMut(&'e IdedExpr)) {
    visit(expr);
    match &expr.expr {
        Expr::Call(call) => {
            if let Some(target) = &call.target {
                walk(target, visit);
            }
            for arg in &call.args {
                walk(arg, visit);
            }
        }
        Expr::Select(select) => walk(&select.operand, visit),
        Expr::List(list) => {
            for element in &list.elements {
                walk(element, visit);
            }
        }
        Expr::Comprehension(loop_) => {
            for part in [
                &loop_.iter_range,
                &loop_.accu_init,
                &loop_.loop_cond,
                &loop_.loop_step,
                &loop_.result,
            ] {
                walk(part, visit);
            }
        }
        // Maps and messages are refused before anything is asked of their parts.
        Expr::Map(_) | Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

/// How deep the tree is, counted without recursion into what could be too deep to recurse into: the
/// parser's own limits bound it well below that.
fn depth(expr: &IdedExpr) -> usize {
    let deepest = |parts: &mut dyn Iterator<Item = &IdedExpr>| parts.map(depth).max().unwrap_or(0);
    1 + match &expr.expr {
        Expr::Call(call) => {
            deepest(&mut call.target.as_deref().into_iter().chain(call.args.iter()))
        }
        Expr::Select(select) => depth(&select.operand),
        Expr::List(list) => deepest(&mut list.elements.iter()),
        Expr::Comprehension(l) => deepest(
            &mut [&l.iter_range, &l.accu_init, &l.loop_cond, &l.loop_step, &l.result].into_iter(),
        ),
        _ => 0,
    }
}
