//! The journal: the record a run can be resumed from, and the evidence of what was done.
//!
//! Append-only JSON lines. Every line carries the hash of itself and of the line before, and is synced
//! before the effect it announces. What is known of a run is a fold of its entries and nothing else:
//! a first run is the resumption of an empty journal.
//!
//! The chain shows damage. It does not stop an editor who rewrites all of it, which is why its head is
//! printed on the screen and in the report. Knows no file (a [`Medium`] is given), no cloud and no
//! action; holds no secret.

mod entry;
mod line;
mod ours;
mod said;
mod state;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

pub use entry::{
    CutOff, Delivered, Entry, Heard, LetGo, NoMore, Note, Outcome, Place, Position, Receipt,
    Refusal, Witness,
};
pub use line::{Damage, Decoded, GENESIS, decode};
pub use ours::Ours;
pub use said::{Evidence, Said, Spoken, Waiver, names, of_one_role};
pub use state::{
    Asking, CanaryState, ChangeRecord, ChangeState, CutsBefore, GateState, Illegal, Listened,
    Moment, Opened, Proven, State, TakeOver, TriedCredential, Worker,
};

use crate::clock::Clock;

/// Where lines are kept. Returns once the bytes would survive a loss of power.
pub trait Medium: Send {
    /// Appends `line`, and syncs.
    fn append<'a>(
        &'a mut self,
        line: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + Send + 'a>>;
}

/// An entry could not be kept. Nothing more may be done: an effect without a record is what the
/// journal exists to prevent.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The medium failed, now or earlier. It is not tried again: after a failed sync nobody knows what
    /// is on the disk.
    #[error("the journal cannot be written")]
    Medium(#[source] std::io::Error),
    /// The entry does not follow from what is already there: a bug.
    #[error("an entry does not fit the journal")]
    Illegal(#[source] Illegal),
}

/// An open journal.
pub struct Journal {
    clock: Clock,
    waiting: Mutex<Waiting>,
    disk: tokio::sync::Mutex<Disk>,
    /// Shared with whoever has asked for it: changed in place where nobody holds it any more.
    state: Mutex<Arc<State>>,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<Entry>,
    /// Number of entries ever handed in.
    taken_in: u64,
}

struct Disk {
    medium: Box<dyn Medium>,
    head: String,
    lines: u64,
    /// Number of entries known to be safe.
    safe: u64,
    broken: bool,
}

/// Why nobody goes on with a journal that was left to others for a while.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGoneOn {
    /// It makes no sense.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// It is another one.
    #[error(
        "the journal is not the one that was left to others: what it had by then is not there any more, or was changed"
    )]
    Rewritten,
}

impl Journal {
    /// Goes on after what was decoded (nothing, for a new case).
    pub fn open(decoded: &Decoded, medium: Box<dyn Medium>, clock: Clock) -> Result<Self, Illegal> {
        let state = State::of(decoded)?;
        let disk = Disk {
            medium,
            head: decoded.head().to_owned(),
            lines: decoded.lines.len() as u64,
            safe: 0,
            broken: false,
        };
        Ok(Self {
            clock,
            waiting: Mutex::default(),
            disk: tokio::sync::Mutex::new(disk),
            state: Mutex::new(Arc::new(state)),
        })
    }

    /// Goes on after what others have written since, while nothing was handed in here.
    pub async fn read_again(
        &self,
        decoded: &Decoded,
        medium: Box<dyn Medium>,
    ) -> Result<(), NotGoneOn> {
        let state = State::of(decoded)?;
        let mut disk = self.disk.lock().await;
        if !decoded.goes_on_from(disk.lines, &disk.head) {
            return Err(NotGoneOn::Rewritten);
        }
        disk.medium = medium;
        decoded.head().clone_into(&mut disk.head);
        disk.lines = decoded.lines.len() as u64;
        *self.folded() = Arc::new(state);
        Ok(())
    }

    /// Records `entry`; returns once it is safe. Entries handed in at the same time by several changes
    /// share one line and one sync.
    pub async fn append(&self, entry: Entry) -> Result<(), AppendError> {
        let ticket = {
            let mut waiting = self.waiting.lock().expect("no panic while it is held");
            waiting.entries.push(entry);
            waiting.taken_in += 1;
            waiting.taken_in
        };
        let mut disk = self.disk.lock().await;
        if disk.safe < ticket && !disk.broken {
            // Whoever else is ready hands in first; then one sync serves all.
            tokio::task::yield_now().await;
            self.sync(&mut disk).await?;
        }
        if disk.safe < ticket { Err(AppendError::Medium(broken())) } else { Ok(()) }
    }

    async fn sync(&self, disk: &mut Disk) -> Result<(), AppendError> {
        // Until the end of this function the journal counts as broken: if it is dropped half-way, or
        // an error leaves it, nobody writes behind a line whose fate is unknown.
        disk.broken = true;
        let (entries, taken_in) = {
            let mut waiting = self.waiting.lock().expect("no panic while it is held");
            (std::mem::take(&mut waiting.entries), waiting.taken_in)
        };
        let at = self.clock.now();
        let legal = self.folded().check(&entries);
        legal.map_err(AppendError::Illegal)?;
        let line = line::Line { seq: disk.lines + 1, at, entries };
        let (bytes, head) = line::encode(&disk.head, &line);
        disk.medium.append(&bytes).await.map_err(AppendError::Medium)?;
        {
            let mut state = self.folded();
            let state = Arc::make_mut(&mut state);
            for entry in &line.entries {
                state.take(at, entry).map_err(AppendError::Illegal)?;
            }
        }
        disk.head = head;
        disk.lines += 1;
        disk.safe = taken_in;
        disk.broken = false;
        Ok(())
    }

    /// What the entries so far add up to. Whoever keeps it over further entries makes the next of them cost a copy.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.folded())
    }

    /// The record of one change.
    pub fn change(&self, id: &crate::ids::ChangeId) -> ChangeRecord {
        self.folded().change(id)
    }

    fn folded(&self) -> MutexGuard<'_, Arc<State>> {
        self.state.lock().expect("no panic while it is held")
    }

    /// The hash of the last line and the number of lines.
    pub async fn head(&self) -> (String, u64) {
        let disk = self.disk.lock().await;
        (disk.head.clone(), disk.lines)
    }
}

fn broken() -> std::io::Error {
    std::io::Error::other("an earlier write to the journal failed")
}
