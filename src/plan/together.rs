//! Plans of several accounts that go together: which those are, and the file that holds them.
//!
//! Each is the plan of one account, whole, under a digest of its own, and says inside that digest with which others it
//! goes. What is approved is all of them: the digest of the file covers theirs.

use std::collections::BTreeSet;
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::saved::{File, OpenError, VERSION};
use super::{Plan, SavedPlan};
use crate::ids::{AccountId, Arn};

/// The accounts that a plan goes together with, behind one gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Together {
    /// The account of whoever runs it.
    pub home: AccountId,
    /// The role that is assumed in each of the others.
    pub others: Vec<Arn>,
}

impl Together {
    /// Every account, home first.
    pub fn accounts(&self) -> Vec<AccountId> {
        let account = |role: &Arn| AccountId::parse(role.account()).ok();
        std::iter::once(self.home.clone()).chain(self.others.iter().filter_map(account)).collect()
    }

    /// The role that `account` is entered by; `None` at home.
    pub fn role_in(&self, account: &AccountId) -> Option<&Arn> {
        self.others.iter().find(|role| role.account() == account.as_str())
    }
}

impl Plan {
    /// How its case is named in a command, by whoever does not know where it lies: of several accounts, as the part that
    /// it is of the whole.
    pub fn case(&self) -> String {
        match self.together {
            None => "CASE".to_owned(),
            Some(_) => format!("CASE/accounts/{}", self.account),
        }
    }

    /// The role that its account is entered by, where that is not the account whose credentials we have.
    pub fn entered_by(&self) -> Option<&Arn> {
        self.together.as_ref()?.role_in(&self.account)
    }
}

impl SavedPlan {
    /// Whether both come of the same playbook, asked the same way: plans of another night are of other keys.
    pub fn goes_with(&self, other: &Self) -> bool {
        let (one, another) = (&self.plan, &other.plan);
        (&self.playbook, &self.fragments) == (&other.playbook, &other.fragments)
            && (&one.inputs, &one.gate, &one.imports)
                == (&another.inputs, &another.gate, &another.imports)
            && one.together == another.together
    }
}

/// The plans of accounts that go together, home first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedPlans(Vec<SavedPlan>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Files<Content> {
    portcullis_plans: u32,
    digest: String,
    accounts: Vec<File<Content>>,
}

impl SavedPlans {
    /// Those of one undertaking; `None` where they are not: one is missing, stands twice, or goes with others.
    pub fn new(plans: Vec<SavedPlan>) -> Option<Self> {
        let together = plans.first()?.plan.together.clone()?;
        let found: Vec<AccountId> = plans.iter().map(|saved| saved.plan.account.clone()).collect();
        let distinct: BTreeSet<&AccountId> = found.iter().collect();
        let agree = plans.iter().all(|saved| saved.plan.together.as_ref() == Some(&together));
        let same = plans.iter().all(|saved| saved.goes_with(&plans[0]));
        (agree && same && distinct.len() == found.len() && found == together.accounts())
            .then_some(Self(plans))
    }

    /// Each of them.
    pub fn plans(&self) -> &[SavedPlan] {
        &self.0
    }

    /// Each of them, to keep.
    pub fn into_plans(self) -> Vec<SavedPlan> {
        self.0
    }

    /// SHA-256 over their digests, as hexadecimal.
    pub fn digest(&self) -> String {
        let mut all = Sha256::new();
        for saved in &self.0 {
            all.update(saved.digest());
        }
        hex::encode(all.finalize())
    }

    /// Writes the file.
    pub fn write_to(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let file = |content| File {
            portcullis_plan: VERSION,
            digest: SavedPlan::digest(content),
            content,
        };
        let accounts = self.0.iter().map(file).collect();
        let files = Files { portcullis_plans: VERSION, digest: self.digest(), accounts };
        serde_json::to_writer_pretty(&mut *out, &files)?;
        out.write_all(b"\n")
    }

    /// Whether a file's text is that of several plans, and not of one.
    pub fn is_in(text: &str) -> bool {
        #[derive(Deserialize)]
        struct Versioned {
            #[serde(rename = "portcullis_plans")]
            _version: u32,
        }
        serde_json::from_str::<Versioned>(text).is_ok()
    }

    /// Reads a file's text, and refuses what was edited or is not for this version.
    pub fn from_text(text: &str) -> Result<Self, OpenError> {
        let files: Files<serde_json::Value> =
            serde_json::from_str(text).map_err(|error| OpenError::NotAPlan(error.into()))?;
        if files.portcullis_plans != VERSION {
            return Err(OpenError::Version { found: files.portcullis_plans });
        }
        let plans = files.accounts.into_iter().map(|file| {
            SavedPlan::from_text(&serde_json::to_string(&file).expect("it was read as JSON"))
        });
        let plans = Self::new(plans.collect::<Result<_, _>>()?).ok_or(OpenError::NotTogether)?;
        let actual = plans.digest();
        if actual != files.digest {
            return Err(OpenError::Edited { said: files.digest, actual });
        }
        Ok(plans)
    }
}
