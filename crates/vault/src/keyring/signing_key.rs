//! The private keys that sign our answers, and their public halves.

use aws_lc_rs::signature::RsaKeyPair;

use super::contents::RsaParts;
use crate::fault::{KeyFault, VaultFault};
use crate::jwk::Jwk;
use crate::rsa::{RsaScheme, sign};

/// An RSA-2048 key.
pub(crate) struct SigningKey {
    version: u32,
    pair: RsaKeyPair,
    jwk: Jwk,
}

impl SigningKey {
    /// Parses the private half, which takes a fraction of a millisecond.
    pub(super) fn of(parts: &RsaParts, jwk: Jwk) -> Result<Self, KeyFault> {
        let pair = RsaKeyPair::from_pkcs8(parts.pkcs8.bytes());
        let pair = pair.map_err(|_| KeyFault::Make("RSA signing key"))?;
        Ok(Self { version: parts.version, pair, jwk })
    }

    /// Signs the concatenated parts.
    pub(crate) fn sign(&self, scheme: RsaScheme, message: &[&[u8]]) -> Result<Vec<u8>, VaultFault> {
        sign(&self.pair, scheme, message)
    }

    /// The id under which the public half is published.
    pub(crate) fn kid(&self) -> &str {
        self.jwk.kid()
    }

    pub(super) fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    pub(super) fn version(&self) -> u32 {
        self.version
    }
}
