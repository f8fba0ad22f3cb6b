//! How much salt the signer of an RSASSA-PSS signature took.
//!
//! The cryptographic library verifies with a length that it is told, and the signer is free to
//! choose (RFC 8017, 9.1). What is found here decides nothing: it is only what the library is told.

use super::power::Modulus;
use crate::digest::sha256;

const HASH_LEN: usize = 32;

/// The last byte of every encoded message.
const TRAILER: u8 = 0xbc;

/// The length of the salt, when the signature holds an encoded message at all (RFC 8017, 9.1.2).
pub(super) fn len_in(modulus: &Modulus, exponent: u64, signature: &[u8]) -> Option<u16> {
    let number = modulus.power(signature, exponent)?;
    // One bit shorter than the modulus, which may be a whole byte.
    let bits = modulus.bits().checked_sub(1)?;
    let encoded = number.get(number.len().checked_sub(bits.div_ceil(8))?..)?;
    let (db, rest) = encoded.split_at_checked(encoded.len().checked_sub(HASH_LEN + 1)?)?;
    let hash = rest.strip_suffix(&[TRAILER])?;
    let mut db: Vec<_> = db.iter().zip(mask(hash)).map(|(byte, mask)| byte ^ mask).collect();
    let unused = u32::try_from(encoded.len() * 8 - bits).ok()?;
    *db.first_mut()? &= 0xff_u8.checked_shr(unused)?;
    let start = db.iter().position(|byte| *byte != 0)?;
    let (one, salt) = db.get(start..)?.split_first()?;
    u16::try_from(salt.len()).ok().filter(|_| *one == 1)
}

/// MGF1 with SHA-256 (RFC 8017, B.2.1), as much as is taken.
fn mask(seed: &[u8]) -> impl Iterator<Item = u8> {
    (0_u32..).flat_map(move |counter| sha256(&[seed, &counter.to_be_bytes()]))
}
