//! The texts in which RSA keys are handed over: PEM and JWK.

use std::borrow::Cow;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPairComponents, PublicEncryptingKey, PublicKeyComponents};
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{RSA_KEY_TEXT_LEN_MAX, RsaKeyError};
use crate::jose::{self, Present};

/// The members of RFC 7518, 6.3; base64url needs no escapes in JSON, so
/// nothing secret is copied out of the text.
#[derive(Deserialize)]
struct RsaJwk<'a> {
    kty: &'a str,
    n: &'a str,
    e: &'a str,
    #[serde(borrow, default)]
    kid: Option<Cow<'a, str>>,
    #[serde(default)]
    d: Option<&'a str>,
    #[serde(default)]
    p: Option<&'a str>,
    #[serde(default)]
    q: Option<&'a str>,
    #[serde(default)]
    dp: Option<&'a str>,
    #[serde(default)]
    dq: Option<&'a str>,
    #[serde(default)]
    qi: Option<&'a str>,
    /// More than two primes.
    #[serde(default)]
    oth: Present,
}

/// A public key, and the id that its JWK gives.
pub(super) fn public(text: &str) -> Result<(PublicEncryptingKey, Option<String>), RsaKeyError> {
    let text = bounded(text).ok_or(RsaKeyError::Unusable)?;
    if text.starts_with("-----BEGIN ") {
        if text.contains("PRIVATE KEY-----") {
            return Err(RsaKeyError::Private);
        }
        return public_pem(text).map(|key| (key, None)).ok_or(RsaKeyError::Unusable);
    }
    let jwk = RsaJwk::parse(text).ok_or(RsaKeyError::Unusable)?;
    if jwk.is_private() {
        return Err(RsaKeyError::Private);
    }
    let components = jwk.components().ok_or(RsaKeyError::Unusable)?;
    let key = components.try_into().map_err(|_| RsaKeyError::Unusable)?;
    Ok((key, jwk.kid.map(Cow::into_owned)))
}

/// A private key as PKCS#8, and the id that its JWK gives.
pub(super) fn private(text: &str) -> Option<(Zeroizing<Vec<u8>>, Option<String>)> {
    let text = bounded(text)?;
    if let Some(der) = pem(text, "PRIVATE KEY") {
        return Some((der, None));
    }
    let jwk = RsaJwk::parse(text)?;
    Some((jwk.pkcs8()?, jwk.kid.map(Cow::into_owned)))
}

fn bounded(text: &str) -> Option<&str> {
    (text.len() <= RSA_KEY_TEXT_LEN_MAX).then(|| text.trim_ascii())
}

fn public_pem(text: &str) -> Option<PublicEncryptingKey> {
    let der = pem(text, "PUBLIC KEY")?;
    let key = PublicEncryptingKey::from_der(&der).ok()?;
    // The whole of it is the key, in its one encoding: nothing trails.
    let again: PublicKeyX509Der<'_> = key.as_der().ok()?;
    (again.as_ref() == der.as_slice()).then_some(key)
}

/// The bytes of the one block with this label (RFC 7468).
fn pem(text: &str, label: &str) -> Option<Zeroizing<Vec<u8>>> {
    let body = text
        .strip_prefix("-----BEGIN ")?
        .strip_prefix(label)?
        .strip_prefix("-----")?
        .strip_suffix("-----")?
        .strip_suffix(label)?
        .strip_suffix("-----END ")?;
    let mut encoded = Zeroizing::new(Vec::with_capacity(body.len()));
    encoded.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    STANDARD.decode(&*encoded).ok().map(Zeroizing::new)
}

impl<'a> RsaJwk<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let jwk: Self = jose::object(text.as_bytes())?;
        (jwk.kty == "RSA" && !jwk.oth.0).then_some(jwk)
    }

    fn is_private(&self) -> bool {
        [self.d, self.p, self.q, self.dp, self.dq, self.qi].iter().any(Option::is_some)
    }

    fn components(&self) -> Option<PublicKeyComponents<Vec<u8>>> {
        Some(PublicKeyComponents { n: jose::decode(self.n)?, e: jose::decode(self.e)? })
    }

    fn pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        let secret = |part: Option<&str>| part.and_then(jose::decode).map(Zeroizing::new);
        let public_key = self.components()?;
        let [d, p, q] = [secret(self.d)?, secret(self.p)?, secret(self.q)?];
        let [dp, dq, qi] = [secret(self.dp)?, secret(self.dq)?, secret(self.qi)?];
        let pair = RsaKeyPair::from_components(&KeyPairComponents {
            public_key,
            d: d.as_slice(),
            p: p.as_slice(),
            q: q.as_slice(),
            dP: dp.as_slice(),
            dQ: dq.as_slice(),
            qInv: qi.as_slice(),
        })
        .ok()?;
        let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
        Some(Zeroizing::new(der.as_ref().to_vec()))
    }
}
