//! The texts in which RSA keys are handed over: PEM and JWK.

use std::borrow::Cow;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPairComponents, PublicEncryptingKey, PublicKeyComponents};
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{BITS_MAX, BITS_MIN, RSA_KEY_TEXT_LEN_MAX, RsaKeyError, der};
use crate::jose::{self, Present};

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

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
    let text = bounded(text)?;
    match Label::of(text)? {
        Some(Label::Public) => public_of_der(&body(text)?, der::subject_public),
        Some(Label::RsaPublic) => public_of_der(&body(text)?, der::rsa_public),
        Some(Label::Private | Label::RsaPrivate | Label::Encrypted) => Err(RsaKeyError::Private),
        None => {
            let jwk = RsaJwk::parse(text)?;
            if jwk.is_private() {
                return Err(RsaKeyError::Private);
            }
            let PublicKeyComponents { n, e } = jwk.components().ok_or(RsaKeyError::Unusable)?;
            Ok((public_of([&n, &e])?, jwk.kid.map(Cow::into_owned)))
        }
    }
}

/// A private key as PKCS#8, and the id that its JWK gives.
pub(super) fn private(text: &str) -> Result<(Zeroizing<Vec<u8>>, Option<String>), RsaKeyError> {
    let text = bounded(text)?;
    match Label::of(text)? {
        Some(Label::Private) => {
            let pkcs8 = body(text)?;
            sized(der::rsa_private_of(&pkcs8).ok_or_else(|| other_kind(&pkcs8))?)?;
            Ok((pkcs8, None))
        }
        Some(Label::RsaPrivate) => {
            let pkcs1 = body(text)?;
            sized(&pkcs1)?;
            let pair = RsaKeyPair::from_der(&pkcs1).map_err(|_| RsaKeyError::Unusable)?;
            Ok((pkcs8_of(&pair).ok_or(RsaKeyError::Unusable)?, None))
        }
        Some(Label::Public | Label::RsaPublic) => Err(RsaKeyError::Public),
        Some(Label::Encrypted) => Err(RsaKeyError::Encrypted),
        None => {
            let jwk = RsaJwk::parse(text)?;
            if !jwk.is_private() {
                return Err(RsaKeyError::Public);
            }
            let components = jwk.components().ok_or(RsaKeyError::Unusable)?;
            check_size(&components.n)?;
            let pkcs8 = jwk.pkcs8(components).ok_or(RsaKeyError::Unusable)?;
            Ok((pkcs8, jwk.kid.map(Cow::into_owned)))
        }
    }
}

fn bounded(text: &str) -> Result<&str, RsaKeyError> {
    match text.len() <= RSA_KEY_TEXT_LEN_MAX {
        // Some editors begin a file with a mark of its encoding.
        true => Ok(text.trim_start_matches('\u{feff}').trim_ascii()),
        false => Err(RsaKeyError::Unusable),
    }
}

/// What a PEM block says it is (RFC 7468, and what tools wrote before it).
enum Label {
    Public,
    RsaPublic,
    Private,
    RsaPrivate,
    Encrypted,
}

impl Label {
    /// The label of what may be a key of ours; `None` when it is no PEM.
    fn of(text: &str) -> Result<Option<Self>, RsaKeyError> {
        let Some((label, rest)) = text.strip_prefix(BEGIN).and_then(|rest| rest.split_once(DASHES))
        else {
            return match text.starts_with("ssh-") {
                true => Err(RsaKeyError::OtherKind),
                false => Ok(None),
            };
        };
        match label {
            "PUBLIC KEY" => Ok(Some(Self::Public)),
            "RSA PUBLIC KEY" => Ok(Some(Self::RsaPublic)),
            "PRIVATE KEY" => Ok(Some(Self::Private)),
            "RSA PRIVATE KEY" if rest.contains("ENCRYPTED") => Ok(Some(Self::Encrypted)),
            "RSA PRIVATE KEY" => Ok(Some(Self::RsaPrivate)),
            "ENCRYPTED PRIVATE KEY" => Ok(Some(Self::Encrypted)),
            other if other.contains("CERTIFICATE") => Err(RsaKeyError::Certificate),
            _ => Err(RsaKeyError::OtherKind),
        }
    }
}

/// The bytes of the one block that is there; lines may have any width.
fn body(text: &str) -> Result<Zeroizing<Vec<u8>>, RsaKeyError> {
    let read = || {
        let (label, rest) = text.strip_prefix(BEGIN)?.split_once(DASHES)?;
        let end = rest.strip_suffix(DASHES)?.strip_suffix(label)?;
        let body = end.strip_suffix("-----END ")?;
        let mut encoded = Zeroizing::new(Vec::with_capacity(body.len()));
        encoded.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        STANDARD.decode(&*encoded).ok().map(Zeroizing::new)
    };
    read().ok_or(RsaKeyError::Unusable)
}

/// Reads the whole of the bytes as a key, in its one encoding.
fn public_of_der(
    der: &[u8],
    read: fn(&[u8]) -> Option<[&[u8]; 2]>,
) -> Result<(PublicEncryptingKey, Option<String>), RsaKeyError> {
    let numbers = read(der).ok_or_else(|| other_kind(der))?;
    Ok((public_of(numbers)?, None))
}

fn public_of([n, e]: [&[u8]; 2]) -> Result<PublicEncryptingKey, RsaKeyError> {
    check_size(n)?;
    PublicKeyComponents { n, e }.try_into().map_err(|_| RsaKeyError::Unusable)
}

/// Why bytes that are no RSA key are none.
fn other_kind(der: &[u8]) -> RsaKeyError {
    match der::is_of_another_algorithm(der) {
        true => RsaKeyError::OtherKind,
        false => RsaKeyError::Unusable,
    }
}

/// Checks the size of an `RSAPrivateKey`, which the library would refuse without saying why.
fn sized(pkcs1: &[u8]) -> Result<(), RsaKeyError> {
    check_size(der::private_modulus(pkcs1).ok_or(RsaKeyError::Unusable)?)
}

/// A modulus without leading zeros has the bits that we take.
fn check_size(modulus: &[u8]) -> Result<(), RsaKeyError> {
    let unused = modulus.first().map_or(0, |first| first.leading_zeros());
    let bits = (modulus.len() * 8).saturating_sub(usize::try_from(unused).unwrap_or(0));
    match (BITS_MIN..=BITS_MAX).contains(&bits) {
        true => Ok(()),
        false => Err(RsaKeyError::Size),
    }
}

fn pkcs8_of(pair: &RsaKeyPair) -> Option<Zeroizing<Vec<u8>>> {
    let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    Some(Zeroizing::new(der.as_ref().to_vec()))
}

impl<'a> RsaJwk<'a> {
    fn parse(text: &'a str) -> Result<Self, RsaKeyError> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow)]
            kty: Cow<'a, str>,
        }

        let kind: Option<Kind<'_>> = jose::object(text.as_bytes());
        if kind.is_some_and(|kind| ["EC", "OKP", "oct"].contains(&&*kind.kty)) {
            return Err(RsaKeyError::OtherKind);
        }
        let jwk: Option<Self> = jose::object(text.as_bytes());
        let jwk = jwk.filter(|jwk| jwk.kty == "RSA" && !jwk.oth.0);
        jwk.ok_or(RsaKeyError::Unusable)
    }

    fn is_private(&self) -> bool {
        [self.d, self.p, self.q, self.dp, self.dq, self.qi].iter().any(Option::is_some)
    }

    fn components(&self) -> Option<PublicKeyComponents<Vec<u8>>> {
        Some(PublicKeyComponents { n: jose::decode(self.n)?, e: jose::decode(self.e)? })
    }

    fn pkcs8(&self, public_key: PublicKeyComponents<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
        let secret = |part: Option<&str>| part.and_then(jose::decode).map(Zeroizing::new);
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
        pkcs8_of(&pair)
    }
}
