//! An inventory in a file: versioned, under a digest, without secrets, in as many sittings as it took to read it.
//!
//! A survey that was stopped is resumed later, perhaps by somebody else. What each sitting read is kept with
//! who read it and when, so that nobody takes an old answer for a fresh one. What was refused is asked again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::{Caller, Inventory, Want, answers, digest_of};
use crate::diagnostic::Misread;

/// The version of the file's shape that this program writes and reads.
pub(super) const VERSION: u32 = 2;

/// Who read, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sitting {
    /// Who read.
    pub caller: Caller,
    /// When the reading began.
    pub taken_at: Timestamp,
}

/// An inventory with its sittings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedInventory {
    /// Everything that was read. Its caller is the last; it was begun with the first sitting.
    pub inventory: Inventory,
    /// In order; never empty.
    pub sittings: Vec<Sitting>,
    /// Why it is not whole.
    pub stopped: Option<String>,
    /// What each sitting but the last has read.
    read_before: Vec<BTreeSet<Want>>,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not JSON, or not of this shape.
    #[error("this is not an inventory that `portcullis survey -o` wrote")]
    NotAnInventory(#[source] Misread),
    /// From another version of the program.
    #[error(
        "the inventory has format {found}, and this program reads format {VERSION}: it was written by {} version",
        if *found > VERSION { "a newer" } else { "an older" }
    )]
    Version {
        /// The file's version.
        found: u32,
    },
    /// Its content does not match its digest.
    #[error(
        "the inventory was changed after it was written: its content has digest {actual}, it says {said}"
    )]
    Edited {
        /// The digest in the file.
        said: String,
        /// The digest of the content.
        actual: String,
    },
    /// It was read in no sitting, or in several accounts; or an account stands in it twice.
    #[error("the inventory is not of one account, or of several that are each in it once")]
    NotOneAccount,
}

impl SavedInventory {
    /// Of one sitting.
    pub fn new(inventory: Inventory) -> Self {
        let sitting = Sitting { caller: inventory.caller.clone(), taken_at: inventory.taken_at };
        Self { inventory, sittings: vec![sitting], stopped: None, read_before: Vec::new() }
    }

    /// Goes on with it in a new sitting, which is `begun` and has read nothing yet. `None` where that is in
    /// another account.
    pub fn resumed(mut self, begun: Inventory) -> Option<Self> {
        if begun.caller.account != self.inventory.caller.account {
            return None;
        }
        self.inventory.answers.retain(|_, answer| answer.is_ok());
        let last = self.inventory.answers.keys();
        let last = last.filter(|want| !self.read_before.iter().any(|read| read.contains(*want)));
        let last = last.cloned().collect();
        self.read_before.push(last);
        self.sittings.push(Sitting { caller: begun.caller.clone(), taken_at: begun.taken_at });
        self.inventory.caller = begun.caller;
        self.stopped = None;
        Some(self)
    }

    /// Which of the sittings has read the answer to `want`, counted from 0.
    pub fn sitting_of(&self, want: &Want) -> usize {
        let before = self.read_before.iter().position(|read| read.contains(want));
        before.unwrap_or(self.read_before.len())
    }

    /// How many answers each sitting has, in order.
    pub fn answers_by_sitting(&self) -> Vec<usize> {
        let mut counts = vec![0; self.sittings.len()];
        for want in self.inventory.answers.keys() {
            counts[self.sitting_of(want)] += 1;
        }
        counts
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(&self.file()).expect("plain data") + "\n"
    }

    /// SHA-256 of the canonical content, as hexadecimal.
    pub fn digest(&self) -> String {
        digest_of(&self.content())
    }

    fn content(&self) -> ContentRef<'_> {
        let sittings = (0..self.sittings.len()).map(|n| SittingRef { saved: self, n }).collect();
        ContentRef { stopped: &self.stopped, sittings }
    }

    pub(super) fn file(&self) -> FileRef<'_> {
        FileRef { portcullis_inventory: VERSION, digest: self.digest(), content: self.content() }
    }

    /// Reads a file's text.
    pub fn from_text(text: &str) -> Result<Self, OpenError> {
        #[derive(Deserialize)]
        struct Versioned {
            portcullis_inventory: u32,
        }
        let Versioned { portcullis_inventory: found } =
            serde_json::from_str(text).map_err(|error| OpenError::NotAnInventory(error.into()))?;
        if found != VERSION {
            return Err(OpenError::Version { found });
        }
        let File { digest: said, sittings, stopped, .. } =
            serde_json::from_str(text).map_err(|error| OpenError::NotAnInventory(error.into()))?;
        let mut sittings = sittings.into_iter();
        let mut saved = Self::new(sittings.next().ok_or(OpenError::NotOneAccount)?);
        for mut next in sittings {
            let answers = std::mem::take(&mut next.answers);
            saved = saved.resumed(next).ok_or(OpenError::NotOneAccount)?;
            saved.inventory.answers.extend(answers.into_order());
        }
        saved.stopped = stopped;
        let actual = saved.digest();
        if actual == said { Ok(saved) } else { Err(OpenError::Edited { said, actual }) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "read before the rest")]
    portcullis_inventory: u32,
    digest: String,
    stopped: Option<String>,
    sittings: Vec<Inventory>,
}

/// An inventory may be of a hundred thousand credentials: it is written as it stands, and not copied.
#[derive(Serialize)]
pub(super) struct FileRef<'a> {
    portcullis_inventory: u32,
    digest: String,
    #[serde(flatten)]
    content: ContentRef<'a>,
}

/// What the digest covers.
#[derive(Serialize)]
struct ContentRef<'a> {
    stopped: &'a Option<String>,
    sittings: Vec<SittingRef<'a>>,
}

struct SittingRef<'a> {
    saved: &'a SavedInventory,
    n: usize,
}

impl Serialize for SittingRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let Sitting { caller, taken_at } = &self.saved.sittings[self.n];
        let mut sitting = serializer.serialize_struct("Inventory", 3)?;
        sitting.serialize_field("caller", caller)?;
        sitting.serialize_field("taken_at", taken_at)?;
        sitting.serialize_field("answers", &AnswersRef(self))?;
        sitting.end()
    }
}

struct AnswersRef<'a>(&'a SittingRef<'a>);

impl Serialize for AnswersRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SittingRef { saved, n } = self.0;
        let of_it = saved.inventory.answers.iter().filter(|(want, _)| saved.sitting_of(want) == *n);
        answers::some(of_it, serializer)
    }
}
