//! Compact JWE (RFC 7516): reading its parts and opening it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use zeroize::Zeroizing;

use crate::block::{Opening, PinBlock};
use crate::content::{A256GCM, CONTENT_KEY_LEN, Encoded, RSA_OAEP_256};
use crate::digest::sha256;
use crate::flaw::BlockFlaw;
use crate::jose::{self, Present, object};
use crate::jwk;
use crate::keyring::KeyRing;
use crate::pin::ClearPin;

/// How far the stamp of a block may be from the real clock, in ms.
pub const BLOCK_AGE_MAX_MS: i64 = 5 * 60 * 1000;

pub(crate) const ECDH_ES: &str = "ECDH-ES";

/// Whether the text has the five parts of a compact JWE.
pub(crate) fn is_compact(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 4
}

/// Whether the header asks for RSA, and there is something to decrypt.
pub(crate) fn claims_rsa(text: &str) -> bool {
    let Some(parts) = Parts::split(text).filter(|parts| !parts.key.is_empty()) else {
        return false;
    };
    let Some(header) = jose::decode(parts.header) else {
        return false;
    };
    object::<Header<'_>>(&header).is_some_and(|header| header.alg == RSA_OAEP_256)
}

/// Opens a block that was made for this use and transaction, just now.
pub(crate) fn open(
    ring: &KeyRing,
    text: &str,
    opening: &Opening<'_>,
) -> Result<ClearPin, BlockFlaw> {
    let parts = Parts::split(text).ok_or(BlockFlaw::Parts)?;
    let header = jose::decode(parts.header).ok_or(BlockFlaw::Parts)?;
    let header: Header<'_> = object(&header).ok_or(BlockFlaw::Parts)?;
    if header.enc != A256GCM || header.crit.0 || header.zip.0 {
        return Err(BlockFlaw::Header);
    }
    let key = content_key(ring, &header, parts.key)?;
    let plain = parts.content.open(&key, parts.header).ok_or(BlockFlaw::Decryption)?;
    let claims: Claims<'_> = object(plain.bytes()).ok_or(BlockFlaw::Claims)?;
    if claims.sub != opening.pin_use.as_str() {
        return Err(BlockFlaw::OtherUse);
    }
    if claims.txn != opening.txn {
        return Err(BlockFlaw::OtherTxn);
    }
    if opening.real_now_ms.abs_diff(claims.iat) > BLOCK_AGE_MAX_MS.unsigned_abs() {
        return Err(BlockFlaw::Stale);
    }
    ClearPin::parse(claims.pin.kept()?.as_bytes()).ok_or(BlockFlaw::Length)
}

/// The five encoded parts (RFC 7516, 7.1).
struct Parts<'a> {
    header: &'a str,
    key: &'a str,
    content: Encoded<&'a str>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let mut parts = text.split('.');
        let split = Self {
            header: parts.next()?,
            key: parts.next()?,
            content: Encoded { iv: parts.next()?, cipher_text: parts.next()?, tag: parts.next()? },
        };
        parts.next().is_none().then_some(split)
    }
}

/// The members that matter; others are ignored (RFC 7516, 4).
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    enc: Cow<'a, str>,
    #[serde(borrow)]
    kid: Cow<'a, str>,
    #[serde(borrow, default)]
    epk: Option<EphemeralKey<'a>>,
    #[serde(borrow, default)]
    apu: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    apv: Option<Cow<'a, str>>,
    #[serde(default)]
    crit: Present,
    #[serde(default)]
    zip: Present,
}

#[derive(Deserialize)]
struct EphemeralKey<'a> {
    #[serde(borrow)]
    kty: Cow<'a, str>,
    #[serde(borrow)]
    crv: Cow<'a, str>,
    #[serde(borrow)]
    x: Cow<'a, str>,
    #[serde(borrow)]
    y: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Claims<'a> {
    pin: PinBlock,
    #[serde(borrow)]
    sub: Cow<'a, str>,
    #[serde(borrow)]
    txn: Cow<'a, str>,
    #[serde(deserialize_with = "stamp_ms")]
    iat: i64,
}

/// Reads when a block was made, in milliseconds since 1970, UTC.
///
/// Ten digits are seconds (RFC 7519, 2), as builders of tokens write them; a whole number may be
/// written with a fraction of zero or an exponent.
fn stamp_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Number;

    impl Visitor<'_> for Number {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
            Ok(number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
            i64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
            let whole = number.fract() == 0.0;
            let read = || format!("{number:.0}").parse().ok();
            let read = whole.then(read).flatten();
            read.ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
        }
    }

    let number = deserializer.deserialize_any(Number)?;
    match number {
        1_000_000_000..=9_999_999_999 => Ok(number * 1000),
        _ => Ok(number),
    }
}

fn content_key(
    ring: &KeyRing,
    header: &Header<'_>,
    encrypted: &str,
) -> Result<Zeroizing<[u8; CONTENT_KEY_LEN]>, BlockFlaw> {
    match &*header.alg {
        ECDH_ES if encrypted.is_empty() => {
            let key = ring.ec(&header.kid).ok_or(BlockFlaw::UnknownKey)?;
            agreed(header, |point| key.block.agree(point)).ok_or(BlockFlaw::KeyAgreement)
        }
        RSA_OAEP_256 if !encrypted.is_empty() => {
            let key = ring.rsa_of(&header.kid).ok_or(BlockFlaw::UnknownKey)?;
            let wrapped = jose::decode(encrypted).ok_or(BlockFlaw::Parts)?;
            key.unwrap(&wrapped).ok_or(BlockFlaw::KeyAgreement)
        }
        _ => Err(BlockFlaw::KeyAgreement),
    }
}

fn agreed(
    header: &Header<'_>,
    agree: impl FnOnce(&[u8; 65]) -> Option<Zeroizing<[u8; 32]>>,
) -> Option<Zeroizing<[u8; CONTENT_KEY_LEN]>> {
    let secret = agree(&header.epk.as_ref()?.point()?)?;
    let apu = jose::decode(header.apu.as_deref().unwrap_or_default())?;
    let apv = jose::decode(header.apv.as_deref().unwrap_or_default())?;
    concat_kdf(&secret, A256GCM, [&apu, &apv], 256)
}

impl EphemeralKey<'_> {
    fn point(&self) -> Option<[u8; 65]> {
        if self.kty != "EC" || self.crv != "P-256" {
            return None;
        }
        jwk::point_of(&self.x, &self.y)
    }
}

/// The single round of the Concat KDF (SP 800-56A 5.8.1, RFC 7518 4.6.2).
///
/// `bits` is at most 256; a shorter key is the beginning of the result.
pub(crate) fn concat_kdf(
    secret: &[u8; 32],
    algorithm: &str,
    [apu, apv]: [&[u8]; 2],
    bits: u32,
) -> Option<Zeroizing<[u8; CONTENT_KEY_LEN]>> {
    let len_of = |bytes: &[u8]| u32::try_from(bytes.len()).map(u32::to_be_bytes).ok();
    let round = 1_u32.to_be_bytes();
    Some(Zeroizing::new(sha256(&[
        &round,
        secret,
        &len_of(algorithm.as_bytes())?,
        algorithm.as_bytes(),
        &len_of(apu)?,
        apu,
        &len_of(apv)?,
        apv,
        &bits.to_be_bytes(),
    ])))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// RFC 7518, appendix C: Z, the parties, and the derived A128GCM key.
    #[test]
    fn concat_kdf_is_that_of_rfc_7518_appendix_c() {
        let secret = [
            158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49,
            110, 163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
        ];
        let key = concat_kdf(&secret, "A128GCM", [b"Alice", b"Bob"], 128).unwrap();
        let expected = [86, 170, 141, 234, 248, 35, 109, 32, 92, 34, 40, 205, 113, 167, 16, 26];
        assert_eq!(key[..16], expected);
        assert_eq!(URL_SAFE_NO_PAD.encode(&key[..16]), "VqqN6vgjbSBcIijNcacQGg");
    }

    #[track_caller]
    fn check_rsa(header: &str, key: &str, expected: bool) {
        let text = format!("{}.{key}.c.d.e", URL_SAFE_NO_PAD.encode(header));
        assert_eq!(claims_rsa(&text), expected);
    }

    #[test]
    fn only_an_rsa_header_with_a_key_claims_rsa() {
        let rsa = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k"}"#;
        check_rsa(rsa, "b", true);
        check_rsa(rsa, "", false);
        check_rsa(&rsa.replace("RSA-OAEP-256", "ECDH-ES"), "b", false);
        check_rsa(&rsa.replace("RSA-OAEP-256", "RSA1_5"), "b", false);
        check_rsa(r#"["RSA-OAEP-256","A256GCM","k"]"#, "b", false);
        check_rsa("", "b", false);
        assert!(!claims_rsa("%%.b.c.d.e"));
        assert!(!claims_rsa("RSA-OAEP-256"));
    }
}
