//! Signatures over checkpoints of the audit, told apart from all others of ours.

use serde_json::{Value, from_str, from_value};

use crate::jose;
use crate::jwk::{Jwk, JwkSet};
use crate::maker::{JWKS_LEN_MAX, JwksError};
use crate::rsa::{RsaPublic, RsaScheme};

/// Stands before the digest in what is signed.
///
/// Answers are JSON and the input of a JWS is base64url, so that neither begins
/// like this; and the vault signs nothing else that does.
const LABEL: &[u8] = b"kunji audit checkpoint\0";

/// What is signed for a checkpoint.
pub(crate) fn message(digest: &[u8; 32]) -> [&[u8]; 2] {
    [LABEL, digest]
}

/// Whether the concatenated parts begin as the message of a checkpoint does.
pub(crate) fn is_message(parts: &[&[u8]]) -> bool {
    let start = parts.iter().flat_map(|part| part.iter()).take(LABEL.len());
    start.eq(LABEL.iter())
}

/// The public keys that checkpoints are verified with; no secret is needed.
#[derive(Debug)]
pub struct CheckpointKeys(Vec<(String, RsaPublic)>);

impl CheckpointKeys {
    /// Takes the RSA keys for signatures from a JWK set (RFC 7517).
    ///
    /// # Errors
    /// When the text is no JWK set, is over 256 KiB, or has no such key.
    pub fn from_jwks(json: &str) -> Result<Self, JwksError> {
        if json.len() > JWKS_LEN_MAX {
            return Err(JwksError);
        }
        let set: JwkSet<Value> = from_str(json).map_err(|_| JwksError)?;
        // Keys of a shape unknown to us may be in the set (RFC 7517, 5).
        let keys: Vec<_> = set.keys.into_iter().filter_map(signing_key).collect();
        match keys.as_slice() {
            [] => Err(JwksError),
            [..] => Ok(Self(keys)),
        }
    }

    /// Whether the set holds a key of this id.
    #[must_use]
    pub fn holds(&self, kid: &str) -> bool {
        self.named(kid).next().is_some()
    }

    /// Whether the key of this id signed a checkpoint with this SHA-256.
    #[must_use]
    pub fn verifies(&self, kid: &str, digest: &[u8; 32], signature: &str) -> bool {
        let Some(signature) = jose::decode(signature) else { return false };
        self.named(kid).any(|key| key.verifies(RsaScheme::Pss, &message(digest), &signature))
    }

    fn named(&self, kid: &str) -> impl Iterator<Item = &RsaPublic> {
        self.0.iter().filter(move |(name, _)| name == kid).map(|(_, key)| key)
    }
}

fn signing_key(key: Value) -> Option<(String, RsaPublic)> {
    let public = RsaPublic::parse(&key.to_string()).ok()?;
    let jwk: Jwk = from_value(key).ok()?;
    (jwk.used_for.as_deref() == Some("sig")).then_some((jwk.kid?, public))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(parts: &[&[u8]], expected: bool) {
        assert_eq!(is_message(parts), expected);
    }

    #[test]
    fn a_message_is_known_however_it_is_cut() {
        let whole = LABEL.len();
        check(&message(&[7; 32]), true);
        check(&[LABEL], true);
        for cut in 0..=whole {
            let (start, end) = LABEL.split_at(cut);
            check(&[start, b"", end, b"more"], true);
        }
        check(&[&LABEL[..whole - 1]], false);
        check(&[b" ", LABEL], false);
        check(&[b"{}"], false);
        check(&[], false);
    }
}
