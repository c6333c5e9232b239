//! The words a playbook is written in that are not its own: phases, effects, proofs, and the shapes
//! of actions.
//!
//! Plan, journal and ledger use the same words. The actions themselves are given through
//! [`Vocabulary`]: the language knows what an action is called, which fields it takes and which
//! effects it may have, never what it does.

use serde::{Deserialize, Serialize};

use super::field::Field;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
        }

        impl $name {
            /// Every one, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The one written as `text`.
            pub fn find(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// When a step runs. The gate lies after `eradicate`.
    Phase {
        /// Close every way in, reversibly.
        Contain = "contain",
        /// Take out what the intruder left behind.
        Eradicate = "eradicate",
        /// Hand out new credentials: behind the gate.
        Rotate = "rotate",
        /// Open again what containment closed: behind the gate.
        Recover = "recover",
        /// Delete for good, with an approval of its own: behind the gate.
        Destroy = "destroy",
    }
}

impl Phase {
    /// Whether the gate must have opened before.
    pub fn is_behind_the_gate(self) -> bool {
        self > Phase::Eradicate
    }
}

words! {
    /// What a change does to credentials; gate, ledger, lint and approvals read nothing else.
    EffectKind {
        /// Takes a way in away.
        Cuts = "cuts",
        /// Makes a new credential.
        Issues = "issues",
        /// Hands a credential to somebody.
        Delivers = "delivers",
        /// Takes off what a cut put on.
        Lifts = "lifts",
        /// Deletes for good.
        Destroys = "destroys",
    }
}

words! {
    /// What the playbook is for.
    Mode {
        /// Somebody is inside: everything is cut before anything new is handed out.
        Breach = "breach",
        /// Nothing is compromised: new before old, so that nothing stops.
        Planned = "planned",
    }
}

words! {
    /// How strong the evidence is, weakest first.
    Proof {
        /// The control plane shows what was asked for.
        ReadBack = "read-back",
        /// Read back again, unchanged, at least the margin later.
        Settled = "settled",
        /// A request was refused because of it.
        Enforced = "enforced",
        /// No successful call for a stated time, in a log that shows our own refused probe.
        Silent = "silent",
    }
}

/// What the language must know of an action.
#[derive(Clone, Copy, Debug)]
pub struct ActionShape {
    /// Its name, as in `uses: iam.user.quarantine`.
    pub kind: &'static str,
    /// What it does, in a few words.
    pub title: &'static str,
    /// What stands under `with`.
    pub fields: &'static [Field],
    /// The phases it may be in.
    pub phases: &'static [Phase],
    /// Every effect its changes may have.
    pub effects: &'static [EffectKind],
}

/// The actions there are.
pub trait Vocabulary: Sync {
    /// All of them.
    fn actions(&self) -> &[ActionShape];

    /// The action of that name.
    fn action(&self, kind: &str) -> Option<&ActionShape> {
        self.actions().iter().find(|action| action.kind == kind)
    }
}

impl Vocabulary for &[ActionShape] {
    fn actions(&self) -> &[ActionShape] {
        self
    }
}

impl Vocabulary for Vec<ActionShape> {
    fn actions(&self) -> &[ActionShape] {
        self
    }
}

impl<const N: usize> Vocabulary for [ActionShape; N] {
    fn actions(&self) -> &[ActionShape] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_alike_in_playbooks_and_json() {
        fn check<T: Serialize>(all: &[T], text: impl Fn(&T) -> &'static str) {
            for word in all {
                assert_eq!(serde_json::to_value(word).unwrap(), text(word));
            }
        }
        check(Phase::ALL, |w| w.as_str());
        check(EffectKind::ALL, |w| w.as_str());
        check(Mode::ALL, |w| w.as_str());
        check(Proof::ALL, |w| w.as_str());
        assert!(Proof::ReadBack < Proof::Settled && Proof::Settled < Proof::Enforced);
        assert!(!Phase::Eradicate.is_behind_the_gate() && Phase::Rotate.is_behind_the_gate());
    }
}
