//! What people are handed by files: sealed to public keys before anything is written.
//!
//! What is handed out is staged first, so that it is safe when the credential in it begins to count, and handed
//! over afterwards; a crash in between loses nothing and delivers nothing that does not count. An [`Outbox`]
//! takes nothing but what is [`Sealed`]: no file of a case shows a secret to whoever finds it.
//! Knows no case and no action. Fails where the files cannot be written.

mod age;

use std::io;

use crate::ids::{AgeRecipient, DeliveryName};
use crate::secret::Secret;

/// A secret that only the holders of certain keys can open: a whole file, as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(String);

/// Something that could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSealed {
    /// There is nobody to seal it to.
    #[error("there is no recipient")]
    NoRecipient,
    /// A recipient is no usable key.
    #[error("one of the recipients is no key that anything can be sealed to")]
    UselessKey,
    /// The system has no randomness to give.
    #[error("the system gives no randomness")]
    NoRandomness,
}

impl Sealed {
    /// Seals `value` as the age format has it, so that each of `recipients` can open it, and nobody else.
    pub fn to(recipients: &[AgeRecipient], value: &Secret) -> Result<Self, NotSealed> {
        age::seal(recipients, value.expose().as_bytes()).map(Self)
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Where what is handed out is put.
pub trait Outbox: Send + Sync {
    /// Keeps it, in place of whatever was staged under that name; returns once it is safe. Nobody takes it for
    /// delivered yet.
    fn stage(&self, name: &DeliveryName, sealed: &Sealed) -> io::Result<()>;

    /// Makes what was staged last the delivery; done already, it does nothing more. Says whether there was
    /// anything.
    fn hand_over(&self, name: &DeliveryName) -> io::Result<bool>;
}
