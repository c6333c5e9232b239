//! Words of a plan. A plan for a large account says the same sentences hundreds of thousands of times: they are
//! kept once, and written out wherever they are said. So are an action's own decisions kept: as text, which takes
//! a tenth of what a tree of values does.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::lookup::Lookup;

/// A sentence that many may share. In a file it is a string like any other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Text(Arc<str>);

/// Sentences that were said before: each is kept once.
#[derive(Debug, Default)]
pub struct Texts(Lookup<Text, ()>);

impl Texts {
    /// The sentence, shared with whoever said it before.
    pub fn share(&mut self, text: impl AsRef<str>) -> Text {
        let text = text.as_ref();
        if let Some(known) = self.0.kept(text) {
            return known.clone();
        }
        let new = Text::from(text);
        self.0.insert(new.clone(), ());
        new
    }
}

impl Text {
    /// The sentence.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.to_string()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// What an action has decided about one change, as JSON. Only the action reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided(Box<str>);

impl Decided {
    /// Keeps `value`.
    pub fn new(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self(serde_json::to_string(value)?.into()))
    }

    /// What was kept.
    pub fn get<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

impl Serialize for Decided {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value = self.get().map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decided {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::new(&value).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_twice_is_kept_once_and_written_twice() {
        let mut texts = Texts::default();
        let said = [texts.share("active"), texts.share("inactive"), texts.share("active")];
        assert!(Arc::ptr_eq(&said[0].0, &said[2].0));
        let written = serde_json::to_string(&said).unwrap();
        assert_eq!(written, r#"["active","inactive","active"]"#);
        assert_eq!(serde_json::from_str::<[Text; 3]>(&written).unwrap(), said);
    }

    #[test]
    fn decisions_are_the_same_however_the_file_is_laid_out() {
        let kept = Decided::new(&serde_json::json!({ "user": "a", "ladder": ["x", "y"] })).unwrap();
        let pretty = serde_json::to_string_pretty(&kept).unwrap();
        assert!(pretty.contains("\n  \"ladder\": [\n"), "{pretty}");
        assert_eq!(serde_json::from_str::<Decided>(&pretty).unwrap(), kept);
    }
}
