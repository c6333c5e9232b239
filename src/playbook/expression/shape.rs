//! What an expression gives, as far as that is known before there is a value.

use std::fmt;

use super::functions::Attribute;
use crate::playbook::field::FieldType;

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
    /// A list.
    List(Box<Shape>),
    /// An object with these fields.
    Object(&'static [Attribute]),
    /// That, or `null`.
    Nullable(Box<Shape>),
}

impl Shape {
    /// The shape of values of a type.
    pub(crate) fn of(ty: &FieldType) -> Self {
        match ty {
            FieldType::Integer => Self::Integer,
            FieldType::Boolean => Self::Boolean,
            FieldType::List(item) => Self::List(Box::new(Self::of(item))),
            FieldType::Text | FieldType::OneOf(_) => Self::Text,
            ty if ty.is_textual() => Self::Of(ty.clone()),
            _ => Self::Unknown,
        }
    }

    pub(crate) fn is_textual(&self) -> bool {
        matches!(self, Self::Unknown | Self::Text | Self::Of(_))
    }

    /// An instant, or perhaps one.
    pub(super) fn is_instant(&self) -> bool {
        match self {
            Self::Nullable(inner) => inner.is_instant(),
            shape => matches!(shape, Self::Of(FieldType::Timestamp)),
        }
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
            (Self::Object(attributes), _) => Err(Misfit::Object(attributes)),
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
            (Self::Unknown | Self::Null | Self::Nullable(_), _)
            | (_, Self::Unknown | Self::Null | Self::Nullable(_)) => true,
            (Self::Of(a), Self::Of(b)) => a == b,
            (a, b) if a.is_textual() && b.is_textual() => true,
            (Self::Boolean, Self::Boolean)
            | (Self::Integer, Self::Integer)
            | (Self::Object(_), Self::Object(_)) => true,
            (Self::List(a), Self::List(b)) => a.same_kind(b),
            _ => false,
        }
    }

    /// What is true of both.
    pub(super) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, Self::Null) => Self::Null,
            (Self::Null, shape) | (shape, Self::Null) => match shape {
                Self::Nullable(_) | Self::Unknown => shape,
                shape => Self::Nullable(Box::new(shape)),
            },
            (Self::Nullable(a), Self::Nullable(b)) => Self::Nullable(Box::new(a.join(*b))),
            (Self::Nullable(a), b) | (b, Self::Nullable(a)) => match a.join(b) {
                Self::Unknown => Self::Unknown,
                joined => Self::Nullable(Box::new(joined)),
            },
            (Self::Of(a), Self::Of(b)) if a == b => Self::Of(a),
            (Self::Text | Self::Of(_), Self::Text | Self::Of(_)) => Self::Text,
            (Self::Boolean, Self::Boolean) => Self::Boolean,
            (Self::Integer, Self::Integer) => Self::Integer,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.join(*b))),
            (Self::Object(a), Self::Object(b)) if std::ptr::eq(a, b) => Self::Object(a),
            _ => Self::Unknown,
        }
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
            Self::Text => f.write_str("text"),
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
}

/// What is wrong with a value of `shape` where `name` wants `ty`, and what to do.
pub(crate) fn explain_misfit(
    misfit: &Misfit,
    shape: &Shape,
    name: &str,
    ty: &FieldType,
) -> (String, String) {
    match misfit {
        Misfit::OtherType => {
            let help = match shape {
                Shape::List(_) if ty.is_textual() => {
                    format!("give the step `for_each:` with the list, and write `{name}: ${{{{ each }}}}`")
                }
                _ => ty.written(name),
            };
            (format!("`{name}` wants {ty}, and this is {shape}"), help)
        }
        Misfit::MayBeAbsent => (
            format!("`{name}` must be there, and this may be nothing"),
            "mark the input `required: true`, give it a `default`, or ask for it: `if: has(inputs.NAME)`"
                .to_owned(),
        ),
        Misfit::Object(attributes) => (
            format!("`{name}` wants {ty}, and this is an object"),
            format!("pick one of its fields: {}", attribute_names(attributes)),
        ),
    }
}

pub(super) fn attribute_names(attributes: &[Attribute]) -> String {
    attributes.iter().map(|a| format!("`.{}`", a.name)).collect::<Vec<_>>().join(", ")
}
