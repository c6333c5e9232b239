//! What an input's value must be beyond its type: a pattern, a least and a greatest, a number of items.
//!
//! Checked of a default when the playbook is read, and of what the operator gives before anything else is
//! done. Knows nothing of places. Fails with the reason as a phrase.

use jiff::Timestamp;
use serde_json::Value;
use wildmatch::WildMatch;

use super::field::{FieldType, describe, parse_duration};
use crate::diagnostic::counted;

/// The bounds of one input; nothing where it sets none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// `*` is any text and `?` any character, as in IAM's policies. In a list, of every item.
    pub pattern: Option<String>,
    /// The least it may be, of the input's type. In a list, every item.
    pub min: Option<Value>,
    /// The greatest it may be.
    pub max: Option<Value>,
    /// How many items a list must have.
    pub min_items: Option<usize>,
    /// How many it may have.
    pub max_items: Option<usize>,
}

impl Bounds {
    /// Why `value`, which is canonical and of type `ty`, is out of bounds: "at least 3, not the number 2". All that is to
    /// be said against it; of a list with the index of the item, where it is about one.
    pub fn objections(&self, ty: &FieldType, value: &Value) -> Vec<(Option<usize>, String)> {
        let (FieldType::List(item), Value::Array(items)) = (ty, value) else {
            return self.of_one(ty, value).map(|why| (None, why)).into_iter().collect();
        };
        let number = self.number_of_items(items.len()).map(|why| (None, why));
        let each = items.iter().enumerate();
        let each = each.filter_map(|(at, value)| Some((Some(at), self.of_one(item, value)?)));
        number.into_iter().chain(each).collect()
    }

    /// Whether no value at all is within them.
    pub(super) fn is_empty(&self) -> bool {
        let lengths = self.min_items.zip(self.max_items).is_some_and(|(least, most)| least > most);
        lengths
            || [FieldType::Integer, FieldType::Timestamp, FieldType::Duration].iter().any(|ty| {
                let of =
                    |bound: &Option<Value>| bound.as_ref().and_then(|value| measure(ty, value));
                of(&self.min).zip(of(&self.max)).is_some_and(|(least, most)| least > most)
            })
    }

    /// What is wrong with so many items.
    pub(super) fn number_of_items(&self, found: usize) -> Option<String> {
        match (self.min_items, self.max_items) {
            (Some(least), _) if found < least => {
                Some(format!("at least {}, not {found}", counted(least, "item")))
            }
            (_, Some(most)) if found > most => {
                Some(format!("at most {}, not {found}", counted(most, "item")))
            }
            _ => None,
        }
    }

    fn of_one(&self, ty: &FieldType, value: &Value) -> Option<String> {
        let found = describe(value);
        if let (Some(pattern), Some(text)) = (&self.pattern, value.as_str())
            && !WildMatch::new(pattern).matches(text)
        {
            return Some(format!("text like `{pattern}`, not {found}"));
        }
        let (found_at, least, most) = (
            measure(ty, value)?,
            self.min.as_ref().and_then(|value| measure(ty, value)),
            self.max.as_ref().and_then(|value| measure(ty, value)),
        );
        let shown = |bound: &Option<Value>| match bound {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        if least.is_some_and(|least| found_at < least) {
            return Some(format!("at least {}, not {found}", shown(&self.min)));
        }
        if most.is_some_and(|most| found_at > most) {
            return Some(format!("at most {}, not {found}", shown(&self.max)));
        }
        None
    }
}

/// Whether values of the type have an order that `min` and `max` can speak of.
pub(super) fn has_order(ty: &FieldType) -> bool {
    matches!(ty, FieldType::Integer | FieldType::Timestamp | FieldType::Duration)
}

/// A value on the scale of its type.
fn measure(ty: &FieldType, value: &Value) -> Option<i128> {
    match ty {
        FieldType::Integer => value.as_i64().map(i128::from),
        FieldType::Timestamp => {
            value.as_str()?.parse::<Timestamp>().ok().map(Timestamp::as_nanosecond)
        }
        FieldType::Duration => parse_duration(value.as_str()?).map(|length| length.as_nanos()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_item_is_called_so() {
        let bounds = Bounds { min_items: Some(1), max_items: Some(2), ..Bounds::default() };
        assert_eq!(bounds.number_of_items(0).unwrap(), "at least 1 item, not 0");
        assert_eq!(bounds.number_of_items(3).unwrap(), "at most 2 items, not 3");
        assert_eq!(bounds.number_of_items(1), None);
    }
}
