//! Exit codes: from the number alone a script knows what state the cloud is in. `README.md` has the table, and the
//! journal keeps the number a run ended with.

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done and proven, or nothing to do.
    Done = 0,
    /// A bug.
    Internal = 1,
    /// Wrong command line.
    Usage = 2,
    /// Playbook or configuration not valid.
    Invalid = 3,
    /// There is something to do (`plan --check`), or two inventories are not the same (`diff`).
    Differs = 4,
    /// Refused before starting; nothing was changed.
    Refused = 5,
    /// Approvals are wanted.
    Waiting = 6,
    /// Stopped part-way.
    Stopped = 10,
    /// All applied, not all proven.
    NotProven = 11,
    /// A person is needed.
    Held = 13,
    /// Interrupted at a safe point.
    Interrupted = 130,
}

impl Exit {
    const ALL: [Self; 11] = [
        Self::Done,
        Self::Internal,
        Self::Usage,
        Self::Invalid,
        Self::Differs,
        Self::Refused,
        Self::Waiting,
        Self::Stopped,
        Self::NotProven,
        Self::Held,
        Self::Interrupted,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The exit of that number.
    pub fn of(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// Of two endings that of both together: the one that asks more of whoever reads it.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let rank = |exit: Self| Self::WORST_FIRST.iter().position(|one| *one == exit);
        if rank(other) < rank(self) { other } else { self }
    }

    /// A person who is needed goes before what `resume` mends, and that before what is only not proven.
    const WORST_FIRST: [Self; 11] = [
        Self::Internal,
        Self::Held,
        Self::Stopped,
        Self::Interrupted,
        Self::Waiting,
        Self::NotProven,
        Self::Refused,
        Self::Usage,
        Self::Invalid,
        Self::Differs,
        Self::Done,
    ];

    /// What it says of a case, in a few words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Done => "done and proven",
            Self::Waiting => "waiting for approval",
            Self::NotProven => "done, not all proven",
            Self::Held => "held: a person is needed",
            Self::Interrupted => "interrupted",
            Self::Stopped => "stopped part-way",
            Self::Internal | Self::Usage | Self::Invalid | Self::Differs | Self::Refused => {
                "nothing was done"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_has_a_number_of_its_own() {
        for exit in Exit::ALL {
            assert_eq!(Exit::of(exit.code()), Some(exit));
        }
        assert_eq!(Exit::of(7), None);
    }

    #[test]
    fn several_endings_are_the_worst_of_them() {
        assert_eq!(Exit::Done.and(Exit::NotProven), Exit::NotProven);
        assert_eq!(Exit::Held.and(Exit::NotProven), Exit::Held);
        assert_eq!(Exit::Stopped.and(Exit::Held), Exit::Held);
        for exit in Exit::ALL {
            assert_eq!(exit.and(Exit::Done), exit);
            assert!(Exit::WORST_FIRST.contains(&exit));
        }
    }
}
