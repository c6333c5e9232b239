//! The answers of an inventory, by their questions.
//!
//! Half a million of them are looked up many times each: they are found by hash, and nobody sees the order they lie
//! in. Whoever goes through them gets them in the order of the questions, so that the same inventory is the same text.
//! JSON has no maps with structured keys, and so they are a list there; one that gives a fact and a gap, or neither,
//! is refused.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Answer, Fact, Gap, Want};
use crate::lookup::Lookup;

/// Questions with their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(Lookup<Want, Answer>);

impl Answers {
    /// The answer, where the question was asked.
    pub fn get(&self, want: &Want) -> Option<&Answer> {
        self.0.get(want)
    }

    /// Whether the question was asked.
    pub fn contains_key(&self, want: &Want) -> bool {
        self.0.contains(want)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many questions pass.
    pub fn count(&self, passes: impl Fn(&Want) -> bool) -> usize {
        self.0.count(passes)
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Adds one. The answer that was there before is given back.
    pub fn insert(&mut self, want: Want, answer: Answer) -> Option<Answer> {
        self.0.insert(want, answer)
    }

    /// Takes one out.
    pub fn remove(&mut self, want: &Want) -> Option<Answer> {
        self.0.remove(want)
    }

    /// Leaves out those that do not pass.
    pub fn retain(&mut self, passes: impl FnMut(&Want, &Answer) -> bool) {
        self.0.retain(passes);
    }

    /// All, in the order of the questions.
    pub fn iter(&self) -> impl Iterator<Item = (&Want, &Answer)> {
        self.iter_if(|_| true)
    }

    /// Those that pass, in the order of the questions.
    pub fn iter_if(
        &self,
        passes: impl Fn(&Answer) -> bool,
    ) -> impl Iterator<Item = (&Want, &Answer)> {
        self.0.in_order(passes)
    }

    /// All, in the order of the questions.
    pub fn into_order(self) -> impl Iterator<Item = (Want, Answer)> {
        self.0.into_order()
    }

    /// The questions, in order.
    pub fn keys(&self) -> impl Iterator<Item = &Want> {
        self.iter().map(|(want, _)| want)
    }
}

impl Extend<(Want, Answer)> for Answers {
    fn extend<T: IntoIterator<Item = (Want, Answer)>>(&mut self, more: T) {
        self.0.extend(more);
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    want: &'a Want,
    #[serde(skip_serializing_if = "Option::is_none")]
    fact: Option<&'a Fact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<&'a Gap>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    want: Want,
    fact: Option<Fact>,
    gap: Option<Box<Gap>>,
}

impl Serialize for Answers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        some(self.iter(), serializer)
    }
}

/// Some of the answers.
pub(super) fn some<'a, S: Serializer>(
    answers: impl Iterator<Item = (&'a Want, &'a Answer)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(answers.map(|(want, answer)| Shown {
        want,
        fact: answer.as_ref().ok(),
        gap: answer.as_ref().err().map(|gap| &**gap),
    }))
}

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kept = Vec::<Kept>::deserialize(deserializer)?.into_iter();
        let answers = kept.map(|Kept { want, fact, gap }| match (fact, gap) {
            (Some(fact), None) => Ok((want, Ok(fact))),
            (None, Some(gap)) => Ok((want, Err(gap))),
            _ => Err(serde::de::Error::custom("an answer has a fact or a gap, not both")),
        });
        answers.collect::<Result<_, _>>().map(Self)
    }
}
