//! What an expression gives, as far as that is known before there is a value.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::functions::{Attribute, Function};
use crate::playbook::field::{FieldType, Mismatch};

/// How many texts two lists of them may give when each of the one is put before each of the other.
const AT_MOST_TOGETHER: usize = 64;

/// What an expression gives, as far as it is known.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Not known before there is a value.
    Unknown,
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// Any text.
    Text,
    /// Text of a certain type.
    Of(FieldType),
    /// Text that stands in the playbook.
    Written(Written),
    /// A list.
    List(Box<Shape>),
    /// An object with these fields.
    Object(Object),
    /// That, or `null`.
    Nullable(Box<Shape>),
}

/// The texts that stand in the playbook, one of which is given; or, if there is more to it, something of that shape.
#[derive(Clone, Debug)]
pub struct Written {
    texts: Arc<BTreeSet<String>>,
    or: Option<Box<Shape>>,
}

/// An object, and which of its fields are there though they might be nothing.
#[derive(Clone, Debug)]
pub struct Object {
    attributes: &'static [Attribute],
    there: BTreeSet<&'static str>,
}

impl Object {
    /// All its fields.
    pub(crate) fn attributes(&self) -> &'static [Attribute] {
        self.attributes
    }

    /// What a field of it is, if it has that.
    pub(super) fn field(&self, name: &str) -> Option<Shape> {
        let attribute = self.attributes.iter().find(|attribute| attribute.name == name)?;
        Some(match (attribute.shape)() {
            Shape::Nullable(inner) if self.there.contains(name) => *inner,
            shape => shape,
        })
    }

    /// A field of it is there.
    pub(super) fn is_there(&mut self, name: &str) {
        let field = self.attributes.iter().find(|attribute| attribute.name == name);
        self.there.extend(field.map(|attribute| attribute.name));
    }
}

impl Shape {
    /// An object with these fields.
    pub(super) fn object(attributes: &'static [Attribute]) -> Self {
        Self::Object(Object { attributes, there: BTreeSet::new() })
    }

    /// The shape of values of a type.
    pub(crate) fn of(ty: &FieldType) -> Self {
        match ty {
            FieldType::Integer => Self::Integer,
            FieldType::Boolean => Self::Boolean,
            FieldType::List(item) => Self::List(Box::new(Self::of(item))),
            FieldType::Text | FieldType::OneOf(_) => Self::Text,
            FieldType::Such(such) => Self::of(&such.of),
            ty if ty.is_textual() => Self::Of(ty.clone()),
            _ => Self::Unknown,
        }
    }

    /// The shape of texts that stand in the playbook.
    pub(crate) fn written(texts: impl IntoIterator<Item = String>) -> Self {
        Self::Written(Written { texts: Arc::new(texts.into_iter().collect()), or: None })
    }

    /// The same, or nothing.
    pub(crate) fn or_nothing(self) -> Self {
        match self {
            shape @ (Self::Nullable(_) | Self::Null | Self::Unknown) => shape,
            shape => Self::Nullable(Box::new(shape)),
        }
    }

    /// What each of its items is, where it is a list.
    pub(crate) fn item(self) -> Self {
        match self {
            Self::List(item) => *item,
            _ => Self::Unknown,
        }
    }

    /// What it is where it is there: of what is never there nothing is known.
    pub(super) fn or_unknown(self) -> Self {
        match self {
            Self::Nullable(inner) => *inner,
            Self::Null => Self::Unknown,
            shape => shape,
        }
    }

    /// The same, where a condition has asked about it: what stands in the playbook and does not meet the condition is
    /// not among it, and which that is, nobody has worked out.
    pub(crate) fn chosen_from(self) -> Self {
        match self {
            Self::Written(_) => Self::Text,
            Self::List(item) => Self::List(Box::new(item.chosen_from())),
            Self::Nullable(inner) => Self::Nullable(Box::new(inner.chosen_from())),
            shape => shape,
        }
    }

    pub(crate) fn is_textual(&self) -> bool {
        matches!(self, Self::Unknown | Self::Text | Self::Of(_) | Self::Written(_))
    }

    /// Whether it may be nothing.
    pub(crate) fn may_be_nothing(&self) -> bool {
        matches!(self, Self::Nullable(_) | Self::Null)
    }

    /// Whether it is one of the texts that stand in the playbook, and none of them is of the type; one that is empty stands for
    /// nothing.
    pub(super) fn is_written_and_never(&self, ty: &FieldType) -> bool {
        let Self::Written(Written { texts, or: None }) = self else { return false };
        texts.iter().all(|text| !text.is_empty() && ty.accept(&text.as_str().into()).is_err())
    }

    pub(super) fn is_instant(&self) -> bool {
        matches!(self, Self::Of(FieldType::Timestamp))
    }

    /// Whether it may stand where `ty` is wanted; if not, what is wrong.
    pub(crate) fn fits(&self, ty: &FieldType, required: bool) -> Result<(), Misfit> {
        let misfit = || Misfit::OtherType;
        match (self, ty) {
            (Self::Unknown, _) | (_, FieldType::Any)
            | (Self::Of(_), FieldType::Text)
            | (Self::Boolean, FieldType::Boolean)
            | (Self::Integer, FieldType::Integer)
            // A secret may be named by its ARN; whether it is a secret's is seen from the value.
            | (Self::Of(FieldType::Arn), FieldType::SecretId) => Ok(()),
            (Self::Null, _) if !required => Ok(()),
            (Self::Nullable(_) | Self::Null, _) if required => Err(Misfit::MayBeAbsent),
            (Self::Nullable(inner), ty) => inner.fits(ty, required),
            (Self::Object(object), _) => Err(Misfit::Object(object.attributes)),
            (Self::Written(written), ty) if ty.takes_text() => written.fits(ty, required),
            // What more is asked of it is seen from the value.
            (shape, FieldType::Such(such)) => shape.fits(&such.of, required),
            (shape, FieldType::Either(types)) => {
                if types.iter().any(|ty| shape.fits(ty, required).is_ok()) {
                    Ok(())
                } else {
                    Err(misfit())
                }
            }
            (Self::Text, ty) if ty.is_textual() => Ok(()),
            (Self::Of(given), wanted) if given == wanted => Ok(()),
            (Self::List(item), FieldType::List(wanted)) => item.fits(wanted, true),
            _ => Err(misfit()),
        }
    }

    pub(super) fn same_kind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown | Self::Null, _) | (_, Self::Unknown | Self::Null) => true,
            (Self::Nullable(inner), shape) | (shape, Self::Nullable(inner)) => {
                inner.same_kind(shape)
            }
            // What is given for a secret may be its ARN.
            (Self::Of(FieldType::Arn), Self::Of(FieldType::SecretId))
            | (Self::Of(FieldType::SecretId), Self::Of(FieldType::Arn)) => true,
            (Self::Of(a), Self::Of(b)) => a == b,
            (a, b) if a.is_textual() && b.is_textual() => true,
            (Self::Boolean, Self::Boolean)
            | (Self::Integer, Self::Integer)
            | (Self::Object(_), Self::Object(_)) => true,
            (Self::List(a), Self::List(b)) => a.same_kind(b),
            _ => false,
        }
    }

    /// Two texts, one behind the other.
    pub(super) fn followed_by(&self, other: &Self) -> Self {
        let (
            Self::Written(Written { texts: front, or: None }),
            Self::Written(Written { texts: back, or: None }),
        ) = (self, other)
        else {
            return Self::Text;
        };
        if front.len().saturating_mul(back.len()) > AT_MOST_TOGETHER {
            return Self::Text;
        }
        let pairs = front.iter().flat_map(|front| back.iter().map(move |back| (front, back)));
        Self::written(pairs.map(|(front, back)| format!("{front}{back}")))
    }

    /// What is true of both.
    pub(crate) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, Self::Null) => Self::Null,
            (Self::Null, shape) | (shape, Self::Null) => shape.or_nothing(),
            (Self::Nullable(a), Self::Nullable(b)) => a.join(*b).or_nothing(),
            (Self::Nullable(a), b) | (b, Self::Nullable(a)) => a.join(b).or_nothing(),
            (Self::Written(a), Self::Written(b)) => Self::Written(a.join(b)),
            (Self::Written(written), text @ (Self::Text | Self::Of(_)))
            | (text @ (Self::Text | Self::Of(_)), Self::Written(written)) => {
                Self::Written(written.or(text))
            }
            (Self::Of(a), Self::Of(b)) if a == b => Self::Of(a),
            (Self::Text | Self::Of(_), Self::Text | Self::Of(_)) => Self::Text,
            (Self::Boolean, Self::Boolean) => Self::Boolean,
            (Self::Integer, Self::Integer) => Self::Integer,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.join(*b))),
            (Self::Object(a), Self::Object(b)) if std::ptr::eq(a.attributes, b.attributes) => {
                Self::Object(Object { there: &a.there & &b.there, ..a })
            }
            _ => Self::Unknown,
        }
    }
}

impl Written {
    /// Whether it says of a text that it may be given; `or` says so of what else may be.
    #[cfg(test)]
    pub(super) fn gives(&self, text: &str, or: impl FnOnce(&Shape) -> bool) -> bool {
        self.texts.contains(text) || self.or.as_deref().is_some_and(or)
    }

    fn fits(&self, ty: &FieldType, required: bool) -> Result<(), Misfit> {
        let wrong: Vec<(String, Mismatch)> = self
            .texts
            .iter()
            .filter_map(|text| Some((text.clone(), ty.accept(&text.as_str().into()).err()?)))
            .collect();
        if !wrong.is_empty() {
            return Err(Misfit::Written(wrong));
        }
        self.or.as_ref().map_or(Ok(()), |or| or.fits(ty, required))
    }

    fn join(mut self, other: Self) -> Self {
        Arc::make_mut(&mut self.texts).extend(other.texts.iter().cloned());
        match other.or {
            Some(or) => self.or(*or),
            None => self,
        }
    }

    fn or(mut self, shape: Shape) -> Self {
        let or = match self.or.take() {
            Some(or) => or.join(shape),
            None => shape,
        };
        self.or = Some(Box::new(or));
        self
    }
}

/// As a phrase: "a whole number".
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("something not known yet"),
            Self::Null => f.write_str("nothing"),
            Self::Boolean => f.write_str("true or false"),
            Self::Integer => f.write_str("a whole number"),
            Self::Text | Self::Written(_) => f.write_str("text"),
            // The first half of the phrase is the name, the second the form of the text.
            Self::Of(ty) => f.write_str(ty.to_string().split(':').next().unwrap_or_default()),
            Self::List(item) => write!(f, "a list, each item {item}"),
            Self::Object(_) => f.write_str("an object with fields of its own"),
            Self::Nullable(inner) => write!(f, "{inner}, or nothing"),
        }
    }
}

/// Why a shape does not fit a type.
pub(crate) enum Misfit {
    OtherType,
    MayBeAbsent,
    Object(&'static [Attribute]),
    /// Texts that stand in the playbook, each with what is wrong with it.
    Written(Vec<(String, Mismatch)>),
}

impl Misfit {
    /// What is said at the place of it.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::OtherType | Self::Object(_) => "of another type",
            Self::MayBeAbsent => "may be nothing",
            Self::Written(_) => "not one",
        }
    }
}

/// What a value is for.
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'w> {
    /// A field.
    Field(&'w str),
    /// The argument of a function that has this name.
    Argument(&'static Function, &'static str),
}

impl Wanted<'_> {
    /// What it is called.
    fn name(self) -> String {
        match self {
            Self::Field(name) => format!("`{name}`"),
            Self::Argument(function, name) => format!("`{name}` of `inventory.{}`", function.name),
        }
    }

    /// What to type where it is to be of the type.
    fn written(self, ty: &FieldType) -> String {
        match self {
            Self::Field(name) => ty.written(name),
            Self::Argument(function, _) => format!("write it like {}", function.example()),
        }
    }

    /// What is wrong with a value of the wrong type, and what to type.
    pub(crate) fn explain(self, ty: &FieldType, mismatch: &Mismatch) -> (String, String) {
        let Mismatch { expected, found, help, .. } = mismatch;
        let message = format!("{} wants {expected}, and this is {found}", self.name());
        (message, help.clone().unwrap_or_else(|| self.written(ty)))
    }
}

/// What is wrong with a value of `shape` where one of type `ty` is wanted, and what to do.
pub(crate) fn explain_misfit(
    misfit: &Misfit,
    shape: &Shape,
    wanted: Wanted<'_>,
    ty: &FieldType,
) -> (String, String) {
    let name = wanted.name();
    match misfit {
        Misfit::OtherType => {
            let help = match (shape, wanted) {
                (Shape::List(_), Wanted::Field(name)) if ty.is_textual() => {
                    format!(
                        "give the step `for_each:` with the list, and write `{name}: ${{{{ each }}}}`"
                    )
                }
                (Shape::List(_), Wanted::Argument(function, _)) if ty.is_textual() => {
                    format!(
                        "ask for each of them, in a loop: LIST.map(one, {})",
                        function.call("one")
                    )
                }
                _ => wanted.written(ty),
            };
            (format!("{name} wants {ty}, and this is {shape}"), help)
        }
        Misfit::MayBeAbsent => {
            let help = match wanted {
                Wanted::Field("for_each") => {
                    "mark the input `required: true`, or give it a `default`: []"
                }
                Wanted::Field(_) => {
                    "mark the input `required: true`, give it a `default`, or ask for it: `if: has(inputs.NAME)`"
                }
                Wanted::Argument(..) => {
                    "mark the input `required: true`, give it a `default`, or ask for it before: \
                     has(inputs.NAME) && ..."
                }
            };
            (format!("{name} must be there, and this may be nothing"), help.to_owned())
        }
        Misfit::Object(attributes) => (
            format!("{name} wants {ty}, and this is an object"),
            format!("pick one of its fields: {}", attribute_names(attributes)),
        ),
        Misfit::Written(wrong) => {
            let (message, help) =
                wrong.first().map(|(_, mismatch)| wanted.explain(ty, mismatch)).unwrap_or_default();
            match wrong.len() {
                0 | 1 => (message, help),
                n => {
                    let others: Vec<&str> =
                        wrong.iter().skip(1).take(8).map(|(_, it)| it.found.as_str()).collect();
                    let more = if n > 9 { format!(", and {} more", n - 9) } else { String::new() };
                    (format!("{message}; so is {}{more}", others.join(", ")), help)
                }
            }
        }
    }
}

pub(super) fn attribute_names(attributes: &[Attribute]) -> String {
    attributes.iter().map(|a| format!("`.{}`", a.name)).collect::<Vec<_>>().join(", ")
}
