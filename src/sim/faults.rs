//! What may go wrong on purpose, and when.

/// A thing that goes wrong at one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused as too many; nothing happens.
    Throttled,
    /// 503; nothing happens.
    Unavailable,
    /// 500, although the effect happened.
    UnavailableAfterEffect,
    /// The effect happens; the connection is lost before the answer.
    LostAnswer,
    /// The effect happens; the answer is a 200 that nobody can read.
    Garbage,
    /// This principal is refused this operation from here on.
    RefusedFromHere,
    /// The session that signs this request ends with it; not among [`Self::ALL`], because nothing but other
    /// credentials gets over it.
    Expired,
    /// The request has no effect, and its call never returns.
    StopBefore,
    /// The effect happens, and the call never returns.
    StopAfter,
}

impl Fault {
    /// Every fault that trying again gets over, for tests that go through all of them.
    pub const ALL: [Fault; 8] = [
        Fault::Throttled,
        Fault::Unavailable,
        Fault::UnavailableAfterEffect,
        Fault::LostAnswer,
        Fault::Garbage,
        Fault::RefusedFromHere,
        Fault::StopBefore,
        Fault::StopAfter,
    ];
}
