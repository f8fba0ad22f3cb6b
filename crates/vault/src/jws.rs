//! JWS in its flattened form (RFC 7515, 7.2.2), signed with RS256.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fault::VaultFault;
use crate::jose::{self, Present};
use crate::rsa::{RsaPublic, RsaScheme};

/// The longest JWS, over its three parts, in bytes.
pub const JWS_LEN_MAX: usize = 64 * 1024;

const RS256: &str = "RS256";

/// The parts of a JWS, each in base64url without padding; not verified yet.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwsParts {
    /// The header, which names the algorithm.
    pub protected: String,
    /// What was signed.
    pub payload: String,
    /// The signature over both.
    pub signature: String,
}

#[derive(Serialize)]
struct HeaderOut<'a> {
    alg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

/// The members that matter; others are ignored (RFC 7515, 4).
#[derive(Deserialize)]
struct HeaderIn<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(default)]
    crit: Present,
    /// Would change what is signed (RFC 7797).
    #[serde(default)]
    b64: Present,
}

impl JwsParts {
    /// The payload, when this very key signed it with RS256.
    ///
    /// A header with `crit`, another algorithm or none, and base64url that is
    /// padded or not canonical are all refused; so is more than 64 KiB.
    #[must_use]
    pub fn verified(&self, key: &RsaPublic) -> Option<Vec<u8>> {
        if self.len() > JWS_LEN_MAX {
            return None;
        }
        let header = jose::decode(&self.protected)?;
        let header: HeaderIn<'_> = jose::object(&header)?;
        if header.alg != RS256 || header.crit.0 || header.b64.0 {
            return None;
        }
        let signature = jose::decode(&self.signature)?;
        let input = signed_of(&self.protected, &self.payload);
        match key.verifies(RsaScheme::Pkcs1, &input, &signature) {
            true => jose::decode(&self.payload),
            false => None,
        }
    }

    /// Makes the JWS of a payload; `sign` signs with RS256.
    pub(crate) fn signed(
        kid: Option<&str>,
        payload: &[u8],
        sign: impl FnOnce(&[&[u8]]) -> Result<Vec<u8>, VaultFault>,
    ) -> Result<Self, VaultFault> {
        const FAULT: VaultFault = VaultFault("make a JWS");
        let header = serde_json::to_vec(&HeaderOut { alg: RS256, kid }).map_err(|_| FAULT)?;
        let (protected, payload) = (jose::encode(&header), jose::encode(payload));
        let signature = jose::encode(&sign(&signed_of(&protected, &payload))?);
        let jws = Self { protected, payload, signature };
        // Nobody would read it back.
        if jws.len() > JWS_LEN_MAX {
            return Err(FAULT);
        }
        Ok(jws)
    }

    fn len(&self) -> usize {
        self.protected.len() + self.payload.len() + self.signature.len()
    }
}

/// What is signed: both encoded parts with a dot between (RFC 7515, 5.1).
fn signed_of<'a>(protected: &'a str, payload: &'a str) -> [&'a [u8]; 3] {
    [protected.as_bytes(), b".", payload.as_bytes()]
}

impl fmt::Debug for JwsParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwsParts(****)")
    }
}
