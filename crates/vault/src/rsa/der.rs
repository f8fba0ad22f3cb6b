//! Just enough DER (X.690) to find the numbers of an RSA key that size and exponent are told by.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// `AlgorithmIdentifier` of `rsaEncryption`, with its parameters of NULL (RFC 8017, A.1).
const RSA_ENCRYPTION: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017, A.1.1), without leading zeros.
pub(super) fn rsa_public(der: &[u8]) -> Option<[&[u8]; 2]> {
    let numbers = whole(SEQUENCE, der)?;
    let (modulus, rest) = element(INTEGER, numbers)?;
    let exponent = whole(INTEGER, rest)?;
    Some([positive(modulus)?, positive(exponent)?])
}

/// The same within a `SubjectPublicKeyInfo` (RFC 5280, 4.1).
pub(super) fn subject_public(der: &[u8]) -> Option<[&[u8]; 2]> {
    let (algorithm, rest) = element(SEQUENCE, whole(SEQUENCE, der)?)?;
    let key = whole(BIT_STRING, rest)?.strip_prefix(&[0])?;
    rsa_public(key).filter(|_| algorithm == RSA_ENCRYPTION)
}

/// The `RSAPrivateKey` within a `PrivateKeyInfo` (RFC 5208, 5).
pub(super) fn rsa_private_of(pkcs8: &[u8]) -> Option<&[u8]> {
    let (_, rest) = element(INTEGER, whole(SEQUENCE, pkcs8)?)?;
    let (algorithm, rest) = element(SEQUENCE, rest)?;
    let (key, _) = element(OCTET_STRING, rest)?;
    (algorithm == RSA_ENCRYPTION).then_some(key)
}

/// The modulus of an `RSAPrivateKey` (RFC 8017, A.1.2).
pub(super) fn private_modulus(pkcs1: &[u8]) -> Option<&[u8]> {
    let (_, rest) = element(INTEGER, whole(SEQUENCE, pkcs1)?)?;
    let (modulus, _) = element(INTEGER, rest)?;
    positive(modulus)
}

/// Whether this is a public or a private key, and not for RSA.
pub(super) fn is_of_another_algorithm(der: &[u8]) -> bool {
    let algorithm = || {
        let key = whole(SEQUENCE, der)?;
        let key = element(INTEGER, key).map_or(key, |(_, rest)| rest);
        element(SEQUENCE, key).map(|(algorithm, _)| algorithm)
    };
    algorithm().is_some_and(|algorithm| algorithm != RSA_ENCRYPTION)
}

/// The content of the one element that is there.
fn whole(tag: u8, bytes: &[u8]) -> Option<&[u8]> {
    element(tag, bytes).filter(|(_, rest)| rest.is_empty()).map(|(content, _)| content)
}

/// The content of the first element, and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.strip_prefix(&[tag])?.split_first()?;
    match *first {
        len @ 0..=0x7f => rest.split_at_checked(len.into()),
        0x81 => {
            let (len, rest) = rest.split_first()?;
            rest.split_at_checked(usize::from(*len)).filter(|_| *len >= 0x80)
        }
        0x82 => {
            let (len, rest) = rest.split_first_chunk()?;
            let len = u16::from_be_bytes(*len);
            rest.split_at_checked(len.into()).filter(|_| len > 0xff)
        }
        _ => None,
    }
}

/// A number above zero in its one encoding.
fn positive(number: &[u8]) -> Option<&[u8]> {
    match number {
        [0, rest @ ..] => rest.first().filter(|byte| **byte >= 0x80).map(|_| rest),
        [1..=0x7f, ..] => Some(number),
        [0x80..=0xff, ..] | [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(der: &[u8], expected: Option<[&[u8]; 2]>) {
        assert_eq!(rsa_public(der), expected);
    }

    #[test]
    fn a_key_has_one_encoding() {
        check(b"\x30\x06\x02\x01\x07\x02\x01\x03", Some([b"\x07", b"\x03"]));
        check(b"\x30\x07\x02\x02\x00\x87\x02\x01\x03", Some([b"\x87", b"\x03"]));
        check(b"\x30\x07\x02\x02\x00\x07\x02\x01\x03", None);
        check(b"\x30\x06\x02\x01\x87\x02\x01\x03", None);
        check(b"\x30\x06\x02\x01\x00\x02\x01\x03", None);
        check(b"\x30\x05\x02\x00\x02\x01\x03", None);
        check(b"\x30\x06\x02\x01\x07\x02\x01\x03\x00", None);
        check(b"\x30\x07\x02\x01\x07\x02\x01\x03\x00", None);
        check(b"\x30\x81\x06\x02\x01\x07\x02\x01\x03", None);
        check(b"\x30\x82\x00\x06\x02\x01\x07\x02\x01\x03", None);
        check(b"\x30\x80\x02\x01\x07\x02\x01\x03", None);
        check(b"\x30\x06\x02\x01\x07\x02\x02\x03", None);
        check(b"\x30\x84\xff\xff\xff\xff", None);
        check(b"", None);
    }
}
