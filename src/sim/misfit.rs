//! What does not fit in a world: where, by the keys and numbers that lead there, and why.
//!
//! Whoever looks for it says where he is, and what he is about; the sentence that people read begins with that. Knows
//! neither lines nor what a world means.

use std::fmt::Display;

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The keys and numbers that lead to it.
    pub(super) path: Vec<String>,
    /// What is wrong, and with what.
    pub(super) why: String,
    pub(super) kind: Kind,
}

/// What sort of thing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It cannot be so.
    Bad,
    /// It names what is not there.
    Missing,
    /// It is called what nothing is called.
    Misnamed,
    /// It is there already, where this path leads.
    Twice(Vec<String>),
}

/// All that does not fit.
#[derive(Debug, Default)]
pub(super) struct Misfits {
    found: Vec<Misfit>,
    path: Vec<String>,
    about: Vec<String>,
}

/// A step of a path: a key, or a number.
pub(super) type Step<'a> = &'a dyn Display;

impl Misfits {
    pub(super) fn into_all(self) -> Vec<Misfit> {
        self.found
    }

    /// Checks what lies below `steps`; what is found there is `about` that, where it says so.
    pub(super) fn within(
        &mut self,
        steps: &[Step<'_>],
        about: Option<String>,
        check: impl FnOnce(&mut Self),
    ) {
        let (path, told) = (self.path.len(), self.about.len());
        self.path.extend(steps.iter().map(ToString::to_string));
        self.about.extend(about);
        check(self);
        self.path.truncate(path);
        self.about.truncate(told);
    }

    /// The path of what lies below `steps`.
    pub(super) fn path(&self, steps: &[Step<'_>]) -> Vec<String> {
        self.path.iter().cloned().chain(steps.iter().map(ToString::to_string)).collect()
    }

    pub(super) fn bad(&mut self, steps: &[Step<'_>], why: impl Display) {
        self.push(steps, why, Kind::Bad);
    }

    pub(super) fn missing(&mut self, steps: &[Step<'_>], why: impl Display) {
        self.push(steps, why, Kind::Missing);
    }

    /// The key itself is wrong, and not what stands behind it.
    pub(super) fn named(&mut self, steps: &[Step<'_>], why: impl Display) {
        self.push(steps, why, Kind::Misnamed);
    }

    pub(super) fn twice(&mut self, steps: &[Step<'_>], first: Vec<String>, why: impl Display) {
        self.push(steps, why, Kind::Twice(first));
    }

    /// No more of something than AWS has.
    pub(super) fn at_most(&mut self, steps: &[Step<'_>], found: usize, most: usize, of_what: &str) {
        if found > most {
            self.bad(steps, format!("{found} {of_what}; AWS has {most} at most"));
        }
    }

    fn push(&mut self, steps: &[Step<'_>], why: impl Display, kind: Kind) {
        let about: String = self.about.iter().map(|about| format!("{about}: ")).collect();
        let (path, why) = (self.path(steps), format!("{about}{why}"));
        self.found.push(Misfit { path, why, kind });
    }
}
