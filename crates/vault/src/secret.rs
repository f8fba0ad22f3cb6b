//! Configured secrets that are only ever compared.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::de::{Deserialize, Deserializer, Error as _};
use thiserror::Error;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::digest::sha256;
use crate::wash::macs_leaving_nothing;

/// The longest configured secret, in bytes.
pub const SECRET_LEN_MAX: usize = 1024;

/// A configured secret, such as an API key; can be compared, not read.
#[derive(ZeroizeOnDrop)]
pub struct Secret {
    digest: [u8; 32],
}

/// The text cannot be a secret: empty, over 1024 bytes, or broken base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a secret has 1 to 1024 bytes, in base64 where its form asks for that")]
pub struct SecretError;

impl Secret {
    /// Takes over a text of 1 to 1024 bytes.
    ///
    /// # Errors
    /// When the text is empty or too long.
    pub fn parse(text: String) -> Result<Self, SecretError> {
        let text = Zeroizing::new(text);
        match text.len() {
            1..=SECRET_LEN_MAX => Ok(Self { digest: digest_of(&text) }),
            _ => Err(SecretError),
        }
    }

    /// Whether `text` is the secret; the time tells nothing, not its length.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        // Hashes have one length and no useful order of guesses.
        let digest = Zeroizing::new(digest_of(text));
        verify_slices_are_equal(&self.digest, &*digest).is_ok()
    }
}

fn digest_of(text: &str) -> [u8; 32] {
    macs_leaving_nothing(|| sha256(&[text.as_bytes()]))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(****)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(text.into_owned()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(secret: &str, text: &str, same: bool) {
        let secret = Secret::parse(secret.to_owned()).unwrap();
        assert_eq!(secret.matches(text), same);
        assert_eq!(format!("{secret:?}"), "Secret(****)");
    }

    #[test]
    fn only_the_whole_secret_matches() {
        check("key-1", "key-1", true);
        check("key-1", "key-", false);
        check("key-1", "key-12", false);
        check("key-1", "KEY-1", false);
        check("key-1", "", false);
    }

    #[test]
    fn an_empty_or_endless_secret_is_refused() {
        assert!(Secret::parse(String::new()).is_err());
        assert!(Secret::parse("x".repeat(SECRET_LEN_MAX)).is_ok());
        assert!(Secret::parse("x".repeat(SECRET_LEN_MAX + 1)).is_err());
    }

    #[test]
    fn a_secret_is_read_from_a_string_only() {
        let secret: Secret = serde_json::from_str(r#""key\u002d1""#).unwrap();
        assert!(secret.matches("key-1"));
        let error = serde_json::from_str::<Secret>("987654").unwrap_err();
        assert!(!error.to_string().contains("key"));
    }
}
