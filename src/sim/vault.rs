//! Where the rehearsal cloud keeps secrets, so that nothing it saves can be read.
//!
//! Secrets of keys and sessions are not kept at all: they follow from the world's seed and the id.
//! Values given by clients are sealed with a key that follows from the seed too. This keeps a scan of
//! a case directory honest; it is no protection from somebody who holds the world file.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// A value that only its world's vault opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sealed {
    nonce: String,
    text: String,
}

/// Derives and seals by the world's seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vault {
    pub(super) seed: u64,
}

impl Vault {
    fn digest(self, purpose: &str, what: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"portcullis rehearsal cloud\0");
        hash.update(self.seed.to_be_bytes());
        hash.update(purpose.as_bytes());
        hash.update(b"\0");
        hash.update(what.as_bytes());
        hash.finalize().into()
    }

    /// 40 characters such as secret access keys are made of, from 240 bits of the digest.
    fn letters(self, purpose: &str, what: &str) -> String {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let digest = self.digest(purpose, what);
        (0..40)
            .map(|n| {
                let bit = n * 6;
                let pair = u16::from_be_bytes([digest[bit / 8], digest[bit / 8 + 1]]);
                char::from(ALPHABET[usize::from(pair >> (10 - bit % 8)) & 63])
            })
            .collect()
    }

    /// The secret access key of a long-lived key or a session.
    pub(super) fn secret_of(self, access_key_id: &str) -> Secret {
        Secret::new(self.letters("key", access_key_id))
    }

    /// The session token of a session.
    pub(super) fn token_of(self, access_key_id: &str) -> Secret {
        let parts = ["a", "b", "c"].map(|part| self.letters(part, access_key_id));
        Secret::new(format!("IQoJb3JpZ2luX2Vj{}", parts.concat()))
    }

    /// The code that an MFA device shows; it does not change, as no one watches the clock here.
    pub(super) fn mfa_code(self, serial: &str) -> String {
        let digest = self.digest("mfa", serial);
        let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        format!("{:06}", number % 1_000_000)
    }

    /// Short and one-way: for telling values apart in a snapshot.
    pub(super) fn fingerprint(self, value: &str) -> String {
        hex::encode(&self.digest("fingerprint", value)[..8])
    }

    fn key(self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, &self.digest("seal", ""))
            .expect("a digest has the length of the key");
        LessSafeKey::new(key)
    }

    /// Seals a value. The nonce follows from the value and its place, so the same world saves the
    /// same bytes, and two different values never share one.
    pub(super) fn seal(self, place: &str, value: &str) -> Sealed {
        let digest = self.digest(place, value);
        let nonce: [u8; NONCE_LEN] =
            digest[..NONCE_LEN].try_into().expect("a digest is longer than a nonce");
        let mut bytes = value.as_bytes().to_vec();
        self.key()
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes)
            .expect("values are far shorter than the cipher allows");
        Sealed { nonce: hex::encode(nonce), text: hex::encode(bytes) }
    }

    /// Opens a sealed value; `None` when it was sealed by another world or was altered.
    pub(super) fn open(self, sealed: &Sealed) -> Option<Secret> {
        let nonce: [u8; NONCE_LEN] = hex::decode(&sealed.nonce).ok()?.try_into().ok()?;
        let mut bytes = hex::decode(&sealed.text).ok()?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = self.key().open_in_place(nonce, Aad::empty(), &mut bytes).ok()?;
        String::from_utf8(plain.to_vec()).ok().map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_comes_back_only_in_its_own_world() {
        let vault = Vault { seed: 7 };
        let sealed = vault.seal("deploy", "hunter2");
        assert_eq!(vault.open(&sealed).unwrap().expose(), "hunter2");
        assert_eq!(vault.seal("deploy", "hunter2"), sealed);
        assert!(!serde_json::to_string(&sealed).unwrap().contains("hunter2"));
        assert!(Vault { seed: 8 }.open(&sealed).is_none());
    }

    #[test]
    fn secrets_of_keys_follow_from_seed_and_id() {
        let secret = |seed, id| Vault { seed }.secret_of(id).expose().to_owned();
        assert_eq!(secret(7, "AKIAEXAMPLE00000001"), secret(7, "AKIAEXAMPLE00000001"));
        assert_ne!(secret(7, "AKIAEXAMPLE00000001"), secret(8, "AKIAEXAMPLE00000001"));
        assert_ne!(secret(7, "AKIAEXAMPLE00000001"), secret(7, "AKIAEXAMPLE00000002"));
        assert_eq!(secret(7, "AKIAEXAMPLE00000001").len(), 40);
    }
}
