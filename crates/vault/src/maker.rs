//! The other half of a PIN block: what an app or the CLI does.

use std::fmt;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use serde::Serialize;
use serde_json::{Value, from_str, from_value};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::block::PinUse;
use crate::content::{A256GCM, CONTENT_KEY_LEN, Encoded, RSA_OAEP_256, wrap};
use crate::fault::VaultFault;
use crate::jose;
use crate::jwe::{ECDH_ES, concat_kdf};
use crate::jwk::{self, Jwk, JwkSet};
use crate::wash::leaving_nothing;

/// The longest JWK set that is read, in bytes.
pub(crate) const JWKS_LEN_MAX: usize = 256 * 1024;

const FAULT: VaultFault = VaultFault("make a PIN block");

/// How the content key of a block is agreed (RFC 7518, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockAlg {
    /// `ECDH-ES` on P-256, direct key agreement.
    EcdhEs,
    /// `RSA-OAEP-256`.
    RsaOaep256,
}

/// The JWK set has no usable key of the wanted algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the key set has no usable key of this algorithm")]
pub struct JwksError;

/// Makes PIN blocks for one public key of a vault.
pub struct BlockMaker {
    kid: String,
    recipient: Recipient,
}

enum Recipient {
    Point([u8; 65]),
    Rsa(OaepPublicEncryptingKey),
}

impl BlockMaker {
    /// Takes the first key of the algorithm from a JWK set (RFC 7517).
    ///
    /// # Errors
    /// When the text is no JWK set, is over 256 KiB, or has no such key.
    pub fn from_jwks(json: &str, alg: BlockAlg) -> Result<Self, JwksError> {
        if json.len() > JWKS_LEN_MAX {
            return Err(JwksError);
        }
        let set: JwkSet<Value> = from_str(json).map_err(|_| JwksError)?;
        // Keys of a shape unknown to us may be in the set (RFC 7517, 5).
        set.keys
            .into_iter()
            .filter_map(|key| from_value(key).ok())
            .find_map(|key| Self::of(key, alg))
            .ok_or(JwksError)
    }

    fn of(key: Jwk, alg: BlockAlg) -> Option<Self> {
        if key.used_for.as_deref().is_some_and(|used| used != "enc") {
            return None;
        }
        let recipient = match (alg, key.alg.as_deref()?) {
            (BlockAlg::EcdhEs, ECDH_ES) if key.crv.as_deref() == Some("P-256") => {
                Recipient::Point(jwk::point_of(&key.x?, &key.y?)?)
            }
            (BlockAlg::RsaOaep256, RSA_OAEP_256) => Recipient::Rsa(rsa_of(&key.n?, &key.e?)?),
            _ => return None,
        };
        Some(Self { kid: key.kid?, recipient })
    }

    /// The id of the public key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Makes a compact JWE (RFC 7516) of a PIN for one transaction.
    ///
    /// `iat_ms` is the real clock, in milliseconds since 1970, UTC.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn seal(
        &self,
        pin: &str,
        pin_use: PinUse,
        txn: &str,
        iat_ms: i64,
    ) -> Result<String, VaultFault> {
        leaving_nothing(|| self.sealed(&Claims { pin, sub: pin_use.as_str(), txn, iat: iat_ms }))
    }

    fn sealed(&self, claims: &Claims<'_>) -> Result<String, VaultFault> {
        // Room for a text in which every character is escaped: no copies.
        let len = 6 * (claims.pin.len() + claims.txn.len()) + 128;
        let mut payload = Zeroizing::new(Vec::with_capacity(len));
        serde_json::to_writer(&mut *payload, claims).map_err(|_| FAULT)?;
        let agreed = self.agree().ok_or(FAULT)?;
        let header = Header { alg: agreed.alg, enc: A256GCM, kid: &self.kid, epk: agreed.epk };
        let header = jose::encode(&serde_json::to_vec(&header).map_err(|_| FAULT)?);
        let Encoded { iv, cipher_text, tag } =
            Encoded::seal(&agreed.key, &header, payload).ok_or(FAULT)?;
        Ok(format!("{header}.{}.{iv}.{cipher_text}.{tag}", agreed.encrypted))
    }

    /// The kid and the key of an RSA recipient.
    pub(crate) fn rsa(&self) -> Option<(&str, &OaepPublicEncryptingKey)> {
        match &self.recipient {
            Recipient::Point(_) => None,
            Recipient::Rsa(public) => Some((&self.kid, public)),
        }
    }

    fn agree(&self) -> Option<Agreed> {
        match &self.recipient {
            Recipient::Point(point) => {
                let ephemeral = PrivateKey::generate(&ECDH_P256).ok()?;
                let public = ephemeral.compute_public_key().ok()?;
                let peer = UnparsedPublicKey::new(&ECDH_P256, point);
                let key = agree(&ephemeral, peer, (), |secret| {
                    let secret = Zeroizing::new(*secret.as_array().ok_or(())?);
                    concat_kdf(&secret, A256GCM, [&[], &[]], 256).ok_or(())
                });
                Some(Agreed {
                    alg: ECDH_ES,
                    epk: Some(EphemeralKey::of(Jwk::of_point(public.as_ref().as_array()?))?),
                    encrypted: String::new(),
                    key: key.ok()?,
                })
            }
            Recipient::Rsa(public) => {
                let (key, encrypted) = wrap(public)?;
                Some(Agreed { alg: RSA_OAEP_256, epk: None, encrypted, key })
            }
        }
    }
}

impl fmt::Debug for BlockMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockMaker(kid {})", self.kid)
    }
}

/// A content key, and how the vault will find it.
struct Agreed {
    alg: &'static str,
    epk: Option<EphemeralKey>,
    encrypted: String,
    key: Zeroizing<[u8; CONTENT_KEY_LEN]>,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    enc: &'a str,
    kid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    epk: Option<EphemeralKey>,
}

#[derive(Serialize)]
struct EphemeralKey {
    kty: String,
    crv: String,
    x: String,
    y: String,
}

impl EphemeralKey {
    fn of(key: Jwk) -> Option<Self> {
        Some(Self { kty: key.kty, crv: key.crv?, x: key.x?, y: key.y? })
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    pin: &'a str,
    sub: &'a str,
    txn: &'a str,
    iat: i64,
}

fn rsa_of(n: &str, e: &str) -> Option<OaepPublicEncryptingKey> {
    let components = PublicKeyComponents { n: jose::decode(n)?, e: jose::decode(e)? };
    let public: PublicEncryptingKey = components.try_into().ok()?;
    OaepPublicEncryptingKey::new(public).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(keys: &str, alg: BlockAlg, kid: Option<&str>) {
        let maker = BlockMaker::from_jwks(&format!(r#"{{"keys":[{keys}]}}"#), alg);
        assert_eq!(maker.as_ref().ok().map(BlockMaker::kid), kid);
    }

    fn point(kid: &str) -> String {
        let half = jose::encode(&[1; 32]);
        format!(
            r#"{{"kty":"EC","crv":"P-256","x":"{half}","y":"{half}","alg":"ECDH-ES","kid":"{kid}"}}"#
        )
    }

    #[test]
    fn the_first_usable_key_is_taken() {
        let (first, second) = (point("a"), point("b"));
        check(&format!("{first},{second}"), BlockAlg::EcdhEs, Some("a"));
        check(&format!("7,{{}},{second}"), BlockAlg::EcdhEs, Some("b"));
        let other = first.replace("P-256", "P-384");
        check(&format!("{other},{second}"), BlockAlg::EcdhEs, Some("b"));
        let signing = first.replace("\"alg\"", "\"use\":\"sig\",\"alg\"");
        check(&format!("{signing},{second}"), BlockAlg::EcdhEs, Some("b"));
        check(&first, BlockAlg::RsaOaep256, None);
        check("", BlockAlg::EcdhEs, None);
    }

    #[test]
    fn what_is_no_key_set_is_refused() {
        for json in ["", "{}", "[]", "null", r#"{"keys":{}}"#] {
            assert!(BlockMaker::from_jwks(json, BlockAlg::EcdhEs).is_err());
        }
    }
}
