//! The private keys that sign our answers, and their public halves.

use std::sync::OnceLock;

use aws_lc_rs::signature::RsaKeyPair;
use zeroize::Zeroizing;

use super::contents::RsaParts;
use crate::fault::VaultFault;
use crate::jwk::{Jwk, JwkUse, RSA_EXPONENT};
use crate::rsa::{RsaScheme, sign};

/// An RSA-2048 key; the private half is parsed at its first use.
pub(crate) struct SigningKey {
    pkcs8: Zeroizing<Vec<u8>>,
    parsed: OnceLock<Option<RsaKeyPair>>,
    jwk: Jwk,
}

impl SigningKey {
    pub(super) fn of(parts: &RsaParts) -> Self {
        Self {
            pkcs8: Zeroizing::new(parts.pkcs8.bytes().to_vec()),
            parsed: OnceLock::new(),
            jwk: Jwk::of_modulus(parts.modulus.bytes(), &RSA_EXPONENT, JwkUse::Sign),
        }
    }

    /// Signs the concatenated parts.
    pub(crate) fn sign(&self, scheme: RsaScheme, message: &[&[u8]]) -> Result<Vec<u8>, VaultFault> {
        let pair = self.parsed.get_or_init(|| RsaKeyPair::from_pkcs8(&self.pkcs8).ok());
        sign(pair.as_ref().ok_or(VaultFault("read its signing key"))?, scheme, message)
    }

    /// The id under which the public half is published.
    pub(crate) fn kid(&self) -> &str {
        self.jwk.kid.as_deref().unwrap_or_default()
    }

    pub(super) fn jwk(&self) -> &Jwk {
        &self.jwk
    }
}
