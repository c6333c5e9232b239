//! The codes of diagnostics: a closed list, each with a page that `explain` shows.
//!
//! A code is part of the interface: scripts and searches use it. It is added here, with its page in
//! `docs/diagnostics/` (the build fails without one) and a playbook that produces it in
//! `tests/data/broken/` (a test fails without one).

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What kind of problem it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code there is, in order.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Code::$variant => $text,)*
                }
            }

            /// Its page, in Markdown.
            pub const fn page(self) -> &'static str {
                match self {
                    $(Code::$variant => include_str!(concat!(
                        env!("CARGO_MANIFEST_DIR"), "/docs/diagnostics/", $text, ".md"
                    )),)*
                }
            }

            /// The code written as `text`.
            pub fn find(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }
        }
    };
}

codes! {
    /// The two readers, or two versions of YAML, take the same words for different things.
    AmbiguousYaml = "ambiguous-yaml",
    /// What CEL cannot read, or a form of it that playbooks do not have.
    BadExpression = "bad-expression",
    /// A file that the playbook includes is not there, or not in its folder.
    BadInclude = "bad-include",
    /// An input given by the operator is missing, unknown or not of its type.
    BadInput = "bad-input",
    /// A value of the right type that is not one of those allowed.
    BadValue = "bad-value",
    /// A text that would be an expression, and is not written as one.
    BareExpression = "bare-expression",
    /// The account, as it is, does not allow what a step asks for.
    CannotPlan = "cannot-plan",
    /// An `if` that says the same whatever is given.
    ConstantIf = "constant-if",
    /// The cloud did not answer a question that an expression asks.
    CouldNotRead = "could-not-read",
    /// Steps or targets that wait for each other.
    Cycle = "cycle",
    /// Two steps with one id.
    DuplicateId = "duplicate-id",
    /// A key that stands twice in one mapping.
    DuplicateKey = "duplicate-key",
    /// A list in which nothing is, where something is to be taken.
    EmptyList = "empty-list",
    /// An expression that could take unbounded time.
    ExpressionCost = "expression-cost",
    /// An expression that was right in form and could not be computed.
    ExpressionFailed = "expression-failed",
    /// Something new would be handed out before everything is proven cut.
    GateOrder = "gate-order",
    /// A proof that the gate does not accept.
    GateProof = "gate-proof",
    /// New credentials, and nothing is cut.
    IssuesWithoutCut = "issues-without-cut",
    /// A list in which the same stands twice, though it is taken once.
    ListedTwice = "listed-twice",
    /// The plan would cut off whoever runs it.
    LockOut = "lock-out",
    /// A key that must be there.
    MissingKey = "missing-key",
    /// A mode that this version reads and does not run.
    ModePlanned = "mode-planned",
    /// A step that waits for a later phase.
    NeedsLaterPhase = "needs-later-phase",
    /// Not YAML at all.
    NotYaml = "not-yaml",
    /// What an expression looks for does not exist.
    NothingFound = "nothing-found",
    /// More changes than the playbook allows.
    OverLimit = "over-limit",
    /// A day for looking again that is over.
    ReviewPassed = "review-passed",
    /// More than a playbook may hold.
    TooLarge = "too-large",
    /// An action that does not exist.
    UnknownAction = "unknown-action",
    /// A key that is not known.
    UnknownKey = "unknown-key",
    /// A name that nothing carries.
    UnknownReference = "unknown-reference",
    /// A playbook for another version of the language.
    UnsupportedVersion = "unsupported-version",
    /// YAML that playbooks do not use.
    UnsupportedYaml = "unsupported-yaml",
    /// Approvals of a phase that no step is of.
    UnusedApproval = "unused-approval",
    /// A step for each of many, in which nothing is different for any.
    UnusedEach = "unused-each",
    /// An input that nothing uses.
    UnusedInput = "unused-input",
    /// A target that nothing uses.
    UnusedTarget = "unused-target",
    /// An action in a phase it does not belong to.
    WrongPhase = "wrong-phase",
    /// A value of another type than is wanted.
    WrongType = "wrong-type",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
