//! The one type a secret travels in.
//!
//! A [`Secret`] is made where the cloud hands one out and opened where the cloud takes one in, both
//! inside a single `apply`. It has no `Display` and no `Serialize`, its `Debug` shows nothing, and
//! its memory is wiped. The SDK's own buffers are not: that is said in `SECURITY.md`.
//! A test lists every place that calls [`Secret::expose`].

use secrecy::zeroize::{Zeroize, Zeroizing};
use secrecy::{ExposeSecret, SecretString};

/// A secret value. It cannot be printed, serialised or compared.
///
/// ```
/// # use portcullis::secret::Secret;
/// let secret = Secret::new("hunter2".to_owned());
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// ```
/// The same with `Display`, or through serde, does not compile:
/// ```compile_fail
/// # use portcullis::secret::Secret;
/// let secret = Secret::new("hunter2".to_owned());
/// assert_eq!(format!("{secret}"), "Secret(..)");
/// ```
/// ```compile_fail
/// # use portcullis::secret::Secret;
/// let secret = Secret::new("hunter2".to_owned());
/// serde_json::to_string(&secret).unwrap();
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the value in; the caller keeps no copy.
    pub fn new(mut value: String) -> Self {
        // A string is made to fit before it is kept, and what it is moved from would not be wiped.
        let secret = Self(value.as_str().into());
        value.zeroize();
        secret
    }

    /// A value nobody has seen: `length` characters of `kinds`, at least one of each, all values that are so
    /// being equally likely. The randomness is the operating system's.
    ///
    /// # Panics
    /// Where there are more kinds than characters, and where the system has no randomness to give.
    pub fn random(kinds: &[&str], length: usize) -> Self {
        assert!(kinds.len() <= length, "every kind has a place");
        let alphabet: Vec<u8> = kinds.concat().into_bytes();
        assert!(alphabet.is_ascii() && (1..=256).contains(&alphabet.len()), "a byte tells which");
        // Of 256 values those beyond the last whole alphabet would favour its beginning.
        let usable = 256 - 256 % alphabet.len();
        let mut drawn = Zeroizing::new(vec![0; 2 * length]);
        let mut value = Zeroizing::new(Vec::with_capacity(length));
        loop {
            aws_lc_rs::rand::fill(&mut drawn).expect("the system gives randomness");
            let bytes = drawn.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < usable);
            value.zeroize();
            value.extend(bytes.take(length).map(|byte| alphabet[byte % alphabet.len()]));
            let has = |kind: &&str| value.iter().any(|byte| kind.as_bytes().contains(byte));
            if value.len() == length && kinds.iter().all(has) {
                let value = std::str::from_utf8(&value).expect("of ASCII characters");
                return Self(value.into());
            }
        }
    }

    /// Its shape: lines as they are, and a mark of as many bytes for every character, so that a place in it can be told.
    pub fn outline(&self) -> String {
        let mark = |c: char| match (c, c.len_utf8()) {
            ('\n', _) => '\n',
            (_, 1) => '*',
            (_, 2) => '\u{b7}',
            (_, 3) => '\u{2026}',
            _ => '\u{1d11e}',
        };
        self.0.expose_secret().chars().map(mark).collect()
    }

    /// The value, for the one call that hands it over.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn random_values_have_every_kind_and_do_not_repeat() {
        let kinds = ["ABC", "abc", "123", "!"];
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let value = Secret::random(&kinds, 12).expose().to_owned();
            assert_eq!(value.len(), 12);
            assert!(kinds.iter().all(|kind| value.contains(|c| kind.contains(c))), "{value}");
            assert!(value.chars().all(|c| kinds.concat().contains(c)), "{value}");
            seen.insert(value);
        }
        assert_eq!(seen.len(), 200);
        let least = Secret::random(&kinds, 4).expose().to_owned();
        assert!(kinds.iter().all(|kind| least.contains(|c| kind.contains(c))), "{least}");
    }

    #[test]
    fn no_character_is_favoured() {
        let mut counts = [0_u32; 10];
        for _ in 0..200 {
            for digit in Secret::random(&["0123456789"], 100).expose().bytes() {
                counts[usize::from(digit - b'0')] += 1;
            }
        }
        // Two thousand of each are expected; the chance of one this far off is below one in a billion.
        assert!(counts.iter().all(|count| (1700..2300).contains(count)), "{counts:?}");
    }
}
