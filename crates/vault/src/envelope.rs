//! A JWS sealed in a JWE (RFC 7516, 7.2.2): RSA-OAEP-256 and A256GCM.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::rsa::OaepPublicEncryptingKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::content::{A256GCM, CONTENT_KEY_LEN, Encoded, RSA_OAEP_256, wrap};
use crate::jose::{self, Present};
use crate::jws::JwsParts;
use crate::maker::{BlockAlg, BlockMaker, JwksError};

/// The longest JWE, over its five parts, in bytes.
pub const JWE_LEN_MAX: usize = 96 * 1024;

/// The parts of a JWE, each in base64url without padding; not opened yet.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JweParts {
    /// The header, which names the algorithms and the key.
    pub protected: String,
    /// The content key, wrapped for the recipient.
    #[serde(rename = "encryptedKey")]
    pub encrypted_key: String,
    /// The initialisation vector, 12 bytes.
    pub iv: String,
    /// The encrypted content.
    #[serde(rename = "cipherText")]
    pub cipher_text: String,
    /// The authentication tag, 16 bytes.
    pub tag: String,
}

#[derive(Serialize)]
struct HeaderOut<'a> {
    alg: &'a str,
    enc: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

/// The members that matter; others are ignored (RFC 7516, 4).
#[derive(Deserialize)]
struct HeaderIn<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    enc: Cow<'a, str>,
    #[serde(borrow, default)]
    kid: Option<Cow<'a, str>>,
    #[serde(default)]
    crit: Present,
    #[serde(default)]
    zip: Present,
}

impl JweParts {
    /// Seals for the first RSA-OAEP-256 key of a JWK set: the client half.
    ///
    /// # Errors
    /// When the text is no JWK set, is over 256 KiB, or has no such key.
    pub fn from_jwks(jwks: &str, jws: &JwsParts) -> Result<Self, JwksError> {
        let maker = BlockMaker::from_jwks(jwks, BlockAlg::RsaOaep256)?;
        let (kid, public) = maker.rsa().ok_or(JwksError)?;
        Self::sealed(public, Some(kid), jws).ok_or(JwksError)
    }

    /// Seals a JWS under a content key and an iv of its own.
    pub(crate) fn sealed(
        recipient: &OaepPublicEncryptingKey,
        kid: Option<&str>,
        jws: &JwsParts,
    ) -> Option<Self> {
        let header = HeaderOut { alg: RSA_OAEP_256, enc: A256GCM, kid };
        let protected = jose::encode(&serde_json::to_vec(&header).ok()?);
        let payload = Zeroizing::new(serde_json::to_vec(jws).ok()?);
        let (key, encrypted_key) = wrap(recipient)?;
        let Encoded { iv, cipher_text, tag } = Encoded::seal(&key, &protected, payload)?;
        Some(Self { protected, encrypted_key, iv, cipher_text, tag })
    }

    /// The JWS within, when `unwrap` finds the content key of the kid.
    pub(crate) fn opened(
        &self,
        unwrap: impl FnOnce(Option<&str>, &[u8]) -> Option<Zeroizing<[u8; CONTENT_KEY_LEN]>>,
    ) -> Option<JwsParts> {
        if self.len() > JWE_LEN_MAX {
            return None;
        }
        let header = jose::decode(&self.protected)?;
        let header: HeaderIn<'_> = jose::object(&header)?;
        let known = header.alg == RSA_OAEP_256 && header.enc == A256GCM;
        if !known || header.crit.0 || header.zip.0 {
            return None;
        }
        let key = unwrap(header.kid.as_deref(), &jose::decode(&self.encrypted_key)?)?;
        let content = Encoded { iv: &*self.iv, cipher_text: &*self.cipher_text, tag: &*self.tag };
        // Anything else in there, a PIN above all, is not to be told apart.
        jose::object(content.open(&key, &self.protected)?.bytes())
    }

    fn len(&self) -> usize {
        let parts = [&self.protected, &self.encrypted_key, &self.iv, &self.cipher_text, &self.tag];
        parts.iter().map(|part| part.len()).sum()
    }
}

impl fmt::Debug for JweParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JweParts(****)")
    }
}
