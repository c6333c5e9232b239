//! The one type a secret travels in.
//!
//! A [`Secret`] is made where the cloud hands one out and opened where the cloud takes one in, both
//! inside a single `apply`. It has no `Display` and no `Serialize`, its `Debug` shows nothing, and
//! its memory is wiped. The SDK's own buffers are not: that is said in `SECURITY.md`.
//! A test lists every place that calls [`Secret::expose`].

use secrecy::zeroize::Zeroize;
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
