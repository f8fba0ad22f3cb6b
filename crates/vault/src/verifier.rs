//! What is kept of a PIN: a keyed MAC that only the vault can check.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use crate::mac::Mac;
use crate::pin::ClearPin;

const LABEL: &[u8] = b"kunji pin verifier";

/// Marks, in the stored key version, a MAC that leaves nothing of the PIN in memory. Verifiers of
/// the first builds lack it; their PINs went into the MAC as its last field.
const WASHED: u32 = 1 << 31;

/// Proves a PIN of one owner; useless without the key of its version.
///
/// HMAC-SHA-256 (FIPS 198-1) over key version, owner, random salt and PIN.
#[derive(Clone, Serialize, Deserialize)]
pub struct Verifier {
    key_version: u32,
    salt: [u8; 16],
    mac: [u8; 32],
}

impl Verifier {
    pub(crate) fn make(
        (key_version, key): (u32, &hmac::Key),
        salt: [u8; 16],
        owner: &str,
        pin: &ClearPin,
    ) -> Self {
        let mut verifier = Self { key_version: key_version | WASHED, salt, mac: [0; 32] };
        verifier.mac = verifier.mac_of(key, owner, pin);
        verifier
    }

    /// The version of the key that it was made under.
    #[must_use]
    pub fn key_version(&self) -> u32 {
        self.key_version & !WASHED
    }

    /// Compares in constant time; `key` must be the one of its version.
    pub(crate) fn accepts(&self, key: &hmac::Key, owner: &str, pin: &ClearPin) -> bool {
        verify_slices_are_equal(&self.mac_of(key, owner, pin), &self.mac).is_ok()
    }

    fn mac_of(&self, key: &hmac::Key, owner: &str, pin: &ClearPin) -> [u8; 32] {
        let mut mac = Mac::new(key, LABEL);
        mac.field(&self.key_version().to_be_bytes());
        mac.field(owner.as_bytes());
        mac.field(&self.salt);
        match self.key_version & WASHED {
            0 => mac.field(pin.digits()),
            _ => mac.secret(pin.digits()),
        }
        mac.finish()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier(key version {})", self.key_version())
    }
}
