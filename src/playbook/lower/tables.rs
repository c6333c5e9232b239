//! The fields of a playbook, one row each: what the decoder, the checker and the help go by.

use std::borrow::Cow;

use crate::playbook::field::{Field, FieldType};

/// A playbook.
pub const PLAYBOOK: &[Field] = &[
    Field::required("portcullis", FieldType::Integer, "version of the language"),
    Field::required("name", FieldType::Text, "lower-case words joined by hyphens"),
    Field::required("title", FieldType::Text, "what it is for, in one line"),
    Field::optional(
        "mode",
        MODE,
        "breach unless it says planned, which is not run by this version",
    ),
    Field::optional("counters", FieldType::List(&FieldType::Text), "ATT&CK techniques it answers"),
    INCLUDE,
    Field::optional("inputs", FieldType::MapOf(INPUT), "what the operator must say"),
    Field::optional(
        "accounts",
        ACCOUNTS,
        "other accounts, each by the ARN of the role that is assumed there",
    ),
    Field::optional("targets", FieldType::Expressions, "names for what expressions give"),
    Field::optional("gate", FieldType::Table(GATE), "what must be proven before anything new"),
    Field::optional("limits", FieldType::Table(LIMITS), "what a plan may not exceed"),
    Field::optional(
        "trusted",
        FieldType::List(&FieldType::Table(TRUSTED)),
        "credentials that are not compromised, and why",
    ),
    Field::optional("approvals", FieldType::Table(APPROVALS), "how many must approve a phase"),
    Field::required("steps", FieldType::List(&FieldType::Table(STEP)), "what is done"),
];

const INCLUDE: Field = Field::optional(
    "include",
    FieldType::List(&FieldType::Text),
    "fragments in the playbook's folder, by their paths",
);

/// A fragment: what several playbooks share.
pub(super) const FRAGMENT: &[Field] = &[
    Field::required("portcullis", FieldType::Integer, "version of the language"),
    INCLUDE,
    Field::optional("inputs", FieldType::MapOf(INPUT), "what the operator must say"),
    Field::optional("targets", FieldType::Expressions, "names for what expressions give"),
    Field::optional(
        "trusted",
        FieldType::List(&FieldType::Table(TRUSTED)),
        "credentials that are not compromised, and why",
    ),
    Field::optional("steps", FieldType::List(&FieldType::Table(STEP)), "what is done"),
];

/// An input.
pub const INPUT: &[Field] = &[
    Field::required("type", FieldType::TypeName, "what it must be"),
    Field::optional("required", FieldType::Boolean, "whether it must be given"),
    Field::optional("default", FieldType::Any, "its value when it is not given"),
    Field::optional(
        "pattern",
        FieldType::Text,
        "what its text must be like: `*` any text, `?` any character",
    ),
    Field::optional(
        "min",
        FieldType::Any,
        "the least it may be: a number, an instant, a length of time",
    ),
    Field::optional("max", FieldType::Any, "the greatest it may be"),
    Field::optional("min_items", FieldType::Integer, "how many items a list must have"),
    Field::optional("max_items", FieldType::Integer, "how many items a list may have"),
    Field::optional("help", FieldType::Text, "what it is, for whoever is asked for it"),
];

/// What the gate asks for.
pub const GATE: &[Field] = &[
    Field::optional("proof", PROOF, "how strong the proof of every cut must be"),
    Field::optional("margin", FieldType::Duration, "how long a cut must stay to count as settled"),
    Field::optional(
        "within",
        FieldType::Duration,
        "how long a refusal is waited for where a cut is tried",
    ),
];

/// What a plan may not exceed.
pub const LIMITS: &[Field] = &[
    Field::optional("changes", FieldType::Integer, "how many changes a plan may have"),
    Field::optional(
        "principals",
        FieldType::Integer,
        "how many users and roles a plan may cut off",
    ),
    Field::optional("percent", FieldType::Integer, "how many users, in percent of the account's"),
];

/// One key, or several that have a reason in common.
pub(in crate::playbook) const KEY_OR_KEYS: FieldType =
    FieldType::Either(&[FieldType::AccessKeyId, FieldType::List(&FieldType::AccessKeyId)]);

/// A credential that is left alone in a breach.
pub const TRUSTED: &[Field] = &[
    Field::required(
        "access_key",
        KEY_OR_KEYS,
        "the key, or a list of those, that `keys: all` leaves out",
    ),
    Field::required("reason", FieldType::Text, "why it is not compromised"),
];

/// How many people must approve, phase by phase. Cuts wait for nobody.
pub const APPROVALS: &[Field] = &[
    Field::optional("rotate", FieldType::Integer, "how many before anything new is handed out"),
    Field::optional("recover", FieldType::Integer, "how many before anything is opened again"),
    Field::optional("destroy", FieldType::Integer, "how many before anything is deleted for good"),
];

/// How a step with many items goes about them.
pub const BATCHES: &[Field] = &[
    Field::required("size", FieldType::Integer, "how many items at once"),
    Field::optional("pause", FieldType::Duration, "how long between one batch and the next"),
    Field::optional(
        "stop_at",
        FieldType::Integer,
        "no further batch where so many percent of the changes so far wait for a person",
    ),
];

/// A step.
pub const STEP: &[Field] = &[
    Field::required("id", FieldType::Text, "lower-case words joined by hyphens"),
    Field::required("phase", PHASE, "when it runs"),
    Field::optional("in", IN, "home unless it says otherwise: in which accounts it is taken"),
    Field::required("uses", FieldType::Text, "the action it takes"),
    Field::optional("with", FieldType::Expressions, "what the action takes"),
    Field::optional("needs", FieldType::List(&FieldType::Text), "steps that must be done before"),
    Field::optional("if", FieldType::Text, "an expression; where it is false, the step is skipped"),
    Field::optional("for_each", EACH, "a list; the step is taken for each of its items, as `each`"),
    Field::optional("batches", FieldType::Table(BATCHES), "how many items of `for_each` at once"),
    Field::optional("title", FieldType::Text, "what it is for"),
    Field::optional("reason", FieldType::Text, "why, for whoever reads the plan or the case"),
    Field::optional("review_by", FieldType::Timestamp, "when somebody looks whether it must stay"),
];

/// A list of anything.
pub(in crate::playbook) const EACH: FieldType = FieldType::List(&FieldType::Any);

/// Roles, one in each of the other accounts.
pub(in crate::playbook) const ACCOUNTS: FieldType = FieldType::List(&FieldType::Arn);

const IN: FieldType = FieldType::OneOf(Cow::Borrowed(&[
    Cow::Borrowed("home"),
    Cow::Borrowed("others"),
    Cow::Borrowed("all"),
]));

const MODE: FieldType =
    FieldType::OneOf(Cow::Borrowed(&[Cow::Borrowed("breach"), Cow::Borrowed("planned")]));

/// `read-back` is missing on purpose: it opens no gate. `silent` needs a log, which is not read yet.
const PROOF: FieldType =
    FieldType::OneOf(Cow::Borrowed(&[Cow::Borrowed("enforced"), Cow::Borrowed("settled")]));

const PHASE: FieldType = FieldType::OneOf(Cow::Borrowed(&[
    Cow::Borrowed("contain"),
    Cow::Borrowed("eradicate"),
    Cow::Borrowed("rotate"),
    Cow::Borrowed("recover"),
    Cow::Borrowed("destroy"),
]));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::vocabulary::{Accounts, Mode, Phase, Proof};

    #[test]
    fn the_words_in_the_tables_are_the_words_of_the_language() {
        let words = |ty: &FieldType| match ty {
            FieldType::OneOf(words) => words.iter().map(ToString::to_string).collect::<Vec<_>>(),
            _ => panic!("not a choice"),
        };
        let all: Vec<_> = Phase::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(words(&PHASE), all);
        let all: Vec<_> = Mode::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(words(&MODE), all);
        let all: Vec<_> = Accounts::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(words(&IN), all);
        assert_eq!(
            words(&PROOF),
            [Proof::Enforced.to_string(), Proof::Settled.to_string()],
            "nothing lowers the gate to read-back"
        );
    }
}
