//! Public keys as JWK (RFC 7517, members of RFC 7518 section 6).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::content::RSA_OAEP_256;
use crate::digest::sha256;

/// The length of a coordinate on P-256, in bytes.
pub(crate) const COORDINATE_LEN: usize = 32;

/// 65537, big-endian: the exponent of every RSA key that we make.
pub(crate) const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// What a public RSA key is published for (RFC 7517, 4.2).
#[derive(Clone, Copy)]
pub(crate) enum JwkUse {
    Encrypt,
    /// Without `alg`: one key signs with either padding.
    Sign,
}

/// One public key; members that another key type has are absent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Jwk {
    pub(crate) kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) e: Option<String>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub(crate) used_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<String>,
}

/// A JWK set.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JwkSet<K> {
    pub(crate) keys: Vec<K>,
}

impl Jwk {
    /// The key of an uncompressed point on P-256.
    pub(crate) fn of_point(point: &[u8; 65]) -> Self {
        let [_, coordinates @ ..] = point;
        let (x, y) = coordinates.split_at(COORDINATE_LEN);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        let kid = thumbprint(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        Self {
            kty: "EC".to_owned(),
            crv: Some("P-256".to_owned()),
            x: Some(x),
            y: Some(y),
            n: None,
            e: None,
            used_for: Some("enc".to_owned()),
            alg: Some("ECDH-ES".to_owned()),
            kid: Some(kid),
        }
    }

    /// The key of an RSA modulus and exponent, without leading zeros.
    pub(crate) fn of_modulus(modulus: &[u8], exponent: &[u8], used_for: JwkUse) -> Self {
        let [n, e] = [modulus, exponent].map(|part| URL_SAFE_NO_PAD.encode(part));
        let (used_for, alg) = match used_for {
            JwkUse::Encrypt => ("enc", Some(RSA_OAEP_256.to_owned())),
            JwkUse::Sign => ("sig", None),
        };
        let kid = thumbprint(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#));
        Self {
            kty: "RSA".to_owned(),
            crv: None,
            x: None,
            y: None,
            n: Some(n),
            e: Some(e),
            used_for: Some(used_for.to_owned()),
            alg,
            kid: Some(kid),
        }
    }

    /// The key's id, where it has one.
    pub(crate) fn kid(&self) -> &str {
        self.kid.as_deref().unwrap_or_default()
    }
}

/// The uncompressed point (SEC 1, 2.3.3) of two encoded coordinates.
pub(crate) fn point_of(x: &str, y: &str) -> Option<[u8; 65]> {
    let mut point = [4; 65];
    let [_, coordinates @ ..] = &mut point;
    let (x_half, y_half) = coordinates.split_at_mut(COORDINATE_LEN);
    x_half.copy_from_slice(&decode::<COORDINATE_LEN>(x)?);
    y_half.copy_from_slice(&decode::<COORDINATE_LEN>(y)?);
    Some(point)
}

/// Canonical base64url without padding of exactly `N` bytes, at most 64.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut buffer = [0; 66];
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut buffer).ok()?;
    buffer.get(..len)?.as_array().copied()
}

/// RFC 7638: SHA-256 over the required members in their order.
fn thumbprint(canonical: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(&[canonical.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprint_is_that_of_rfc_7638_section_3_1() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let jwk = Jwk::of_modulus(&URL_SAFE_NO_PAD.decode(n).unwrap(), &RSA_EXPONENT, JwkUse::Sign);
        assert_eq!(jwk.n.as_deref(), Some(n));
        assert_eq!(jwk.e.as_deref(), Some("AQAB"));
        let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(jwk.kid.as_deref(), Some(expected));
    }

    #[track_caller]
    fn check(text: &str, expected: Option<[u8; 2]>) {
        assert_eq!(decode::<2>(text), expected);
    }

    #[test]
    fn only_canonical_base64url_is_read() {
        check("AAE", Some([0, 1]));
        check("__8", Some([255, 255]));
        check("AAF", None);
        check("AAE=", None);
        check("//8", None);
        check("AA E", None);
        check("AAEC", None);
        check("AA", None);
        check("", None);
        check(&"A".repeat(1000), None);
    }
}
