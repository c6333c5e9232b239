//! Gives an expression its value, or says what must be read first.
//!
//! Pure: what the inventory has not been asked yet comes back as [`Evaluated::Needs`]; whoever called
//! reads it and calls again. Nothing depends on the order of a map: objects come back sorted by key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cel::common::value::Val;
use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError};
use serde_json::{Number, Value};

use super::check::{ACCOUNT, EACH};
use super::functions::Unanswered;
use super::indexed::{Indexed, Lookup, plain};
use super::left_out::{LEFT_OUT, Notes};
use super::meter::{Meter, Scales, Spent};
use super::rewrite::call_variable;
use super::shape::{Shape, Wanted};
use super::{CallSite, Expression};
use crate::diagnostic::{Code, Diagnostic};
use crate::inventory::{Inventory, Want};
use crate::playbook::field::{FieldType, shorten};

/// What an expression may look at.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'s> {
    /// Inputs, bound by `Playbook::bind_inputs`. One that is missing is `null`.
    pub inputs: &'s BTreeMap<String, Value>,
    /// Targets that have a value already.
    pub targets: &'s BTreeMap<String, Value>,
    /// What was read of the cloud.
    pub inventory: &'s Inventory,
    /// The item of the step's `for_each`, where it has one.
    pub each: Option<&'s Value>,
    /// What all expressions of this pass have cost until now.
    pub spent: &'s Spent,
}

/// What came of evaluating.
#[derive(Clone, Debug, PartialEq)]
pub enum Evaluated {
    /// The value.
    Value(Value),
    /// Not known before this has been read.
    Needs(BTreeSet<Want>),
}

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Expression {
    /// Evaluates it.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Evaluated, Diagnostic> {
        self.evaluate_noting(scope, &Mutex::default())
    }

    /// The same; what it is written to take a note of is `noted`.
    pub(super) fn evaluate_noting(
        &self,
        scope: &Scope<'_>,
        noted: &Mutex<Vec<Value>>,
    ) -> Result<Evaluated, Diagnostic> {
        let found = Mutex::new(Findings::default());
        let result = {
            let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
            for (root, used, values) in
                [("inputs", &self.inputs, scope.inputs), ("targets", &self.targets, scope.targets)]
            {
                for name in used {
                    let value = values.get(name).unwrap_or(&Value::Null);
                    context.add_variable_from_value(format!("{root}.{name}"), to_cel(value));
                }
            }
            if self.account {
                let account = scope.inventory.caller.account.as_str();
                context.add_variable_from_value(ACCOUNT, account);
            }
            if let Some(each) = scope.each {
                context.add_variable_from_value(EACH, to_cel(each));
            }
            for (n, site) in self.calls.iter().enumerate() {
                let (inventory, spent) = (scope.inventory, scope.spent);
                let answers = Answers { site, inventory, found: &found, spent };
                context.add_variable_as_val(call_variable(n), Box::new(Indexed(answers)));
            }
            for meter in Meter::ALL {
                for (name, gives_the_value) in [(meter.question(), false), (meter.passage(), true)]
                {
                    let scales = Scales { meter, gives_the_value, spent: scope.spent };
                    context.add_variable_as_val(name, Box::new(Indexed(scales)));
                }
            }
            context.add_variable_as_val(LEFT_OUT, Box::new(Indexed(Notes(noted))));
            context
                .add_function(INSTANT, instant)
                .expect("no playbook and no library has a function of that name");
            cel::Value::resolve(&self.ast, &context)
        };
        let Findings { wants, problem, stood_in } =
            found.into_inner().unwrap_or_else(PoisonError::into_inner);
        match result {
            // Something stood in for what is not read yet: nothing can be made of the rest.
            Ok(_) if stood_in => Ok(Evaluated::Needs(wants)),
            Ok(value) => from_cel(&value)
                .map(Evaluated::Value)
                .ok_or_else(|| self.failed(("no plain value".to_owned(), ASK_FIRST))),
            Err(_) if let Some(why) = scope.spent.exceeded() => Err(self.too_dear(why)),
            // A problem seen while something is still unread may go away; reading comes first.
            Err(_) if !wants.is_empty() => Ok(Evaluated::Needs(wants)),
            Err(error) => Err(match problem {
                Some(problem) => *problem,
                None => self.failed(reason(&error)),
            }),
        }
    }

    /// What is said where the budget is used up.
    pub(crate) fn too_dear(&self, why: &str) -> Diagnostic {
        Diagnostic::error(Code::ExpressionCost, why)
            .at(self.place.clone(), "evaluated with the inputs of this run")
            .help("select less in one playbook: fewer items, shorter texts, and no list compared with another as long")
    }

    fn failed(&self, (why, help): (String, &str)) -> Diagnostic {
        Diagnostic::error(
            Code::ExpressionFailed,
            format!("the expression has no value: {}", shorten(&why)),
        )
        .at(self.place.clone(), "evaluated with the inputs of this run")
        .help(help)
    }
}

const ASK_FIRST: &str = "check what the parts are with `has(...)`, or `!= null`, before using them";

/// Turns an instant into a number, so that instants have an order: texts with fractions of a second have not.
pub(super) const INSTANT: &str = "@instant";

#[expect(clippy::needless_pass_by_value, reason = "the evaluator calls functions so")]
fn instant(text: cel::Value) -> Result<i64, ExecutionError> {
    let at = match &text {
        cel::Value::String(text) => text.parse::<jiff::Timestamp>().ok(),
        _ => None,
    };
    let none = "an instant that is compared is not there";
    at.map(jiff::Timestamp::as_microsecond)
        .ok_or_else(|| ExecutionError::function_error(INSTANT, none))
}

/// The evaluator's reason in our words, where it is one that happens, and what to type.
fn reason(error: &ExecutionError) -> (String, &'static str) {
    match error {
        ExecutionError::IndexOutOfBounds(_) => (
            "the list has no item at that place".to_owned(),
            "ask how many there are before taking one: size(inputs.users) > 0 ? inputs.users[0] : 'nobody'",
        ),
        ExecutionError::NoSuchKey(name) => (format!("there is no field `{name}`"), ASK_FIRST),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => (
            "division by zero".to_owned(),
            "divide by what cannot be 0, or ask first: size(inputs.users) > 0 ? 100 / size(inputs.users) : 0",
        ),
        ExecutionError::Overflow(..) => {
            ("a number becomes too large".to_owned(), "whole numbers have at most 18 digits")
        }
        ExecutionError::NoSuchOverload(overload) => (
            format!(
                "`{}` does not go with {}",
                overload.function().replace(['_', '@'], ""),
                overload.argument_types().join(" and ")
            ),
            ASK_FIRST,
        ),
        ExecutionError::FunctionError { function, message } if function == INSTANT => {
            (message.clone(), ASK_FIRST)
        }
        other => (other.to_string(), ASK_FIRST),
    }
}

/// What the calls of inventory functions came upon.
#[derive(Debug, Default)]
struct Findings {
    wants: BTreeSet<Want>,
    problem: Option<Box<Diagnostic>>,
    /// Whether evaluation went on with a value that is none, to find out what else must be read.
    stood_in: bool,
}

/// A value of the shape, to go on with: a list of a thousand users is to be asked about in one round, and
/// not in a thousand. What comes of it is thrown away.
fn stand_in(shape: &Shape) -> Value {
    match shape {
        Shape::Boolean => Value::Bool(false),
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Object(object) => object
            .attributes()
            .iter()
            .map(|attribute| (attribute.name.to_owned(), stand_in(&(attribute.shape)())))
            .collect(),
        _ => Value::Null,
    }
}

/// One call of an inventory function: from arguments to answers.
#[derive(Clone, Copy, Debug)]
struct Answers<'v> {
    site: &'v CallSite,
    inventory: &'v Inventory,
    found: &'v Mutex<Findings>,
    spent: &'v Spent,
}

impl Answers<'_> {
    fn answer(&self, arguments: &[Value]) -> Result<Value, Findings> {
        let CallSite { function, place, .. } = self.site;
        let fail = |problem| Findings { problem: Some(Box::new(problem)), ..Findings::default() };
        let mut accepted = Vec::with_capacity(arguments.len());
        for ((name, ty), value) in function.arguments.iter().zip(arguments) {
            accepted.push(ty.accept(value).map_err(|mismatch| {
                let (message, help) = Wanted::Argument(function, name).explain(ty, &mismatch);
                let problem = Diagnostic::error(Code::WrongType, message);
                fail(problem.at(place.clone(), "asked here").help(help))
            })?);
        }
        let wants: BTreeSet<Want> = (function.wants)(&accepted)
            .into_iter()
            .filter(|want| !self.inventory.answers.contains_key(want))
            .collect();
        if !wants.is_empty() {
            return Err(Findings { wants, ..Findings::default() });
        }
        (function.answer)(self.inventory, &accepted).map_err(|unanswered| match unanswered {
            Unanswered::Nothing { message, help } => fail(
                Diagnostic::error(Code::NothingFound, message)
                    .at(place.clone(), "looked for here")
                    .help(help),
            ),
            Unanswered::Needs(wants) => Findings { wants, ..Findings::default() },
            Unanswered::Unread(unread) => match unread.gap {
                // A further question that follows from the first answers.
                None => Findings { wants: BTreeSet::from([unread.want]), ..Findings::default() },
                Some(gap) => fail(
                    Diagnostic::error(
                        Code::CouldNotRead,
                        format!(
                            "could not be read: {} answered {}: {}",
                            gap.operation, gap.code, gap.message
                        ),
                    )
                    .at(place.clone(), "asked here")
                    .help(format!(
                        "allow {} to the credentials in use, or use others",
                        gap.operation
                    )),
                ),
            },
        })
    }
}

impl Lookup for Answers<'_> {
    fn at(&self, arguments: &dyn Val) -> Result<Box<dyn Val>, ExecutionError> {
        let name = self.site.function.name;
        let arguments = cel::Value::try_from(arguments)?;
        let Some(Value::Array(arguments)) = from_cel(&arguments) else {
            return Err(ExecutionError::function_error(name, "arguments are no list"));
        };
        let given = |value: &Value| plain(name, to_cel(value));
        match self.answer(&arguments) {
            Ok(value)
                if self.spent.keeps(&value)
                    && (!self.site.gone_through || self.spent.goes_through(&value)) =>
            {
                given(&value)
            }
            Ok(_) => Err(ExecutionError::function_error(name, "too much")),
            Err(Findings { wants, problem, .. }) => {
                let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                if self.site.for_every_item && problem.is_none() {
                    found.wants.extend(wants);
                    found.stood_in = true;
                    return given(&stand_in(&(self.site.function.result)()));
                }
                found.wants.extend(wants);
                // The first is the one that stopped the evaluation, unless it was absorbed.
                found.problem = found.problem.take().or(problem);
                Err(ExecutionError::function_error(name, "no answer yet"))
            }
        }
    }
}

/// A plain value for the evaluator. Whole numbers become signed ones: CEL does not mix the two kinds.
fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(b) => cel::Value::Bool(*b),
        Value::Number(n) => match n.as_i64() {
            Some(n) => cel::Value::Int(n),
            None => cel::Value::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(items) => {
            cel::Value::List(items.iter().map(to_cel).collect::<Vec<_>>().into())
        }
        Value::Object(fields) => cel::Value::Map(Map {
            map: Arc::new(
                fields
                    .iter()
                    .map(|(name, value)| (Key::String(Arc::new(name.clone())), to_cel(value)))
                    .collect(),
            ),
        }),
    }
}

/// The evaluator's value as a plain one, objects sorted by key.
pub(super) fn from_cel(value: &cel::Value) -> Option<Value> {
    Some(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(b) => Value::Bool(*b),
        cel::Value::Int(n) => Value::from(*n),
        cel::Value::UInt(n) => Value::from(*n),
        cel::Value::Float(n) => Value::Number(Number::from_f64(*n)?),
        cel::Value::String(text) => Value::String(text.as_str().to_owned()),
        cel::Value::List(items) => {
            Value::Array(items.iter().map(from_cel).collect::<Option<Vec<_>>>()?)
        }
        cel::Value::Map(map) => {
            let mut fields = BTreeMap::new();
            for (key, value) in map.map.iter() {
                let Key::String(key) = key else { return None };
                fields.insert(key.as_str().to_owned(), from_cel(value)?);
            }
            Value::Object(fields.into_iter().collect())
        }
        _ => return None,
    })
}

/// Checks a value against the type of the field it goes into; `null` stands for what is left out.
pub(crate) fn accept(
    value: &Value,
    ty: &FieldType,
    required: bool,
    expression: &Expression,
    name: &str,
) -> Result<Value, Diagnostic> {
    if value.is_null() && !required {
        return Ok(Value::Null);
    }
    ty.accept(value).map_err(|mismatch| {
        Diagnostic::error(
            Code::WrongType,
            format!("`{name}` wants {}, and this gave {}", mismatch.expected, mismatch.found),
        )
        .at(expression.place().clone(), "evaluated with the inputs of this run")
        .help(mismatch.help.unwrap_or_else(|| ty.written(name)))
    })
}
