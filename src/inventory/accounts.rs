//! The inventories of several accounts in one file: what a survey reads for a playbook of several accounts.
//!
//! Each is the inventory of one account, whole, as it stands in a file of its own; the digest of all covers theirs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::digest_of;
use super::saved::{FileRef, OpenError, SavedInventory, VERSION};

/// Inventories of different accounts: of one, or of several, home first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedInventories(Vec<SavedInventory>);

#[derive(Serialize)]
struct FilesRef<'a> {
    portcullis_inventories: u32,
    digest: String,
    accounts: Vec<FileRef<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    #[expect(dead_code, reason = "read before the rest")]
    portcullis_inventories: u32,
    digest: String,
    accounts: Vec<serde_json::Value>,
}

impl SavedInventories {
    /// `None` where there is none, or two are of one account.
    pub fn new(all: Vec<SavedInventory>) -> Option<Self> {
        let accounts: BTreeSet<_> = all.iter().map(|one| &one.inventory.caller.account).collect();
        (!all.is_empty() && accounts.len() == all.len()).then_some(Self(all))
    }

    /// Each of them.
    pub fn each(&self) -> &[SavedInventory] {
        &self.0
    }

    /// Each of them, to keep.
    pub fn into_each(self) -> Vec<SavedInventory> {
        self.0
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        Self::text_of(&self.0.iter().collect::<Vec<_>>())
    }

    /// The text of a file that holds these: that of the one, where there is but one.
    pub fn text_of(all: &[&SavedInventory]) -> String {
        if let [one] = all {
            return one.to_text();
        }
        let accounts = all.iter().map(|one| one.file()).collect();
        let digest = digest_of_all(all.iter().copied());
        let files = FilesRef { portcullis_inventories: VERSION, digest, accounts };
        serde_json::to_string(&files).expect("plain data") + "\n"
    }

    /// Reads a file's text, of one account or of several.
    pub fn from_text(text: &str) -> Result<Self, OpenError> {
        #[derive(Deserialize)]
        struct Versioned {
            portcullis_inventories: u32,
        }
        let Ok(Versioned { portcullis_inventories: found }) = serde_json::from_str(text) else {
            return SavedInventory::from_text(text).map(|one| Self(vec![one]));
        };
        if found != VERSION {
            return Err(OpenError::Version { found });
        }
        let files: Files =
            serde_json::from_str(text).map_err(|error| OpenError::NotAnInventory(error.into()))?;
        let each = files.accounts.iter().map(|file| SavedInventory::from_text(&file.to_string()));
        let all = Self::new(each.collect::<Result<_, _>>()?).ok_or(OpenError::NotOneAccount)?;
        let (said, actual) = (files.digest, digest_of_all(all.each()));
        if actual == said { Ok(all) } else { Err(OpenError::Edited { said, actual }) }
    }
}

/// SHA-256 over the digests of all, as hexadecimal.
fn digest_of_all<'a>(all: impl IntoIterator<Item = &'a SavedInventory>) -> String {
    digest_of(&all.into_iter().map(SavedInventory::digest).collect::<Vec<_>>())
}
