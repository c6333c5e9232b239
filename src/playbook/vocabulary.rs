//! The words a playbook is written in that are not its own: phases, effects, proofs, and the shapes
//! of actions.
//!
//! Plan, journal and ledger use the same words. The actions themselves are given through
//! [`Vocabulary`]: the language knows what an action is called, which fields it takes and which
//! effects it may have, never what it does.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::field::{Beside, Field};
use crate::ids::ActionKind;

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

impl EffectKind {
    /// Whether the gate stands before it. Destroying opens nothing, but what is destroyed to make room is
    /// destroyed for something that does.
    pub fn is_gated(self) -> bool {
        !matches!(self, Self::Cuts)
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
    /// In which accounts a step is taken, where a playbook is for several.
    Accounts {
        /// In that of whoever runs it.
        Home = "home",
        /// In every other.
        Others = "others",
        /// In all of them.
        All = "all",
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
    /// The action whose cut it takes off, where it does that.
    pub takes_off: Option<&'static str>,
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

/// What is wrong with a vocabulary itself: for a test of whoever makes one. Nothing may be, before
/// [`read`](super::read) is given it.
pub fn faults(vocabulary: &dyn Vocabulary) -> Vec<String> {
    let mut faults = Vec::new();
    let mut kinds = BTreeSet::new();
    for action in vocabulary.actions() {
        let kind = action.kind;
        let mut fault = |what: &str| faults.push(format!("{kind}: {what}"));
        if ActionKind::parse(kind).is_err() {
            fault("not the name of an action");
        }
        if !kinds.insert(kind) {
            fault("stands twice");
        }
        let names: BTreeSet<&str> = action.fields.iter().map(|field| field.name).collect();
        if names.len() != action.fields.len() {
            fault("two fields of one name");
        }
        let beside = action.fields.iter().flat_map(|field| field.beside);
        let mut others =
            beside.map(|(Beside::Or(other) | Beside::With(other) | Beside::Not(other))| other);
        if !others.all(|other| names.contains(other)) {
            fault("a field stands beside one that there is not");
        }
        if action.phases.is_empty() || action.effects.is_empty() {
            fault("no phase, or no effect");
        }
        let early = |phase: &Phase| !phase.is_behind_the_gate();
        if action.effects.iter().any(|effect| *effect != EffectKind::Cuts)
            && action.phases.iter().any(early)
        {
            fault("does more than cut, and may stand before the gate");
        }
    }
    faults
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
    fn a_vocabulary_that_would_open_the_gate_is_faulty() {
        let shape = ActionShape {
            kind: "iam.key.make",
            title: "make",
            fields: &[],
            phases: &[Phase::Rotate],
            effects: &[EffectKind::Issues],
            takes_off: None,
        };
        assert_eq!(faults(&vec![shape]), Vec::<String>::new());
        let early = ActionShape { phases: &[Phase::Contain], ..shape };
        let unnamed = ActionShape { kind: "Make", effects: &[], ..shape };
        assert_eq!(
            faults(&vec![shape, early, unnamed]),
            [
                "iam.key.make: stands twice",
                "iam.key.make: does more than cut, and may stand before the gate",
                "Make: not the name of an action",
                "Make: no phase, or no effect",
            ]
        );
    }

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
        check(Accounts::ALL, |w| w.as_str());
        check(Proof::ALL, |w| w.as_str());
        assert!(Proof::ReadBack < Proof::Settled && Proof::Settled < Proof::Enforced);
        assert!(!Phase::Eradicate.is_behind_the_gate() && Phase::Rotate.is_behind_the_gate());
    }
}
