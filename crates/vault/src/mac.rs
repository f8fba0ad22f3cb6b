//! HMAC-SHA-256 (FIPS 198-1) over fields that keep their borders.

use aws_lc_rs::hmac;

use crate::digest::array_of;

/// The block of SHA-256, in bytes.
const BLOCK_LEN: usize = 64;

/// A MAC in the making: every field goes in behind its length.
pub(crate) struct Mac(hmac::Context);

impl Mac {
    /// Begins a MAC; the label keeps the uses of one key apart.
    pub(crate) fn new(key: &hmac::Key, label: &[u8]) -> Self {
        let mut mac = Self(hmac::Context::with_key(key));
        mac.field(label);
        mac
    }

    pub(crate) fn field(&mut self, bytes: &[u8]) {
        // A usize has at most 64 bits on every platform Rust supports.
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.0.update(&len.to_be_bytes());
        self.0.update(bytes);
    }

    /// Takes a secret, and then a whole block of public data, so that the context keeps no copy of it
    /// when it is dropped: the block takes the secret's place in the buffer.
    pub(crate) fn secret(&mut self, bytes: &[u8]) {
        self.field(bytes);
        self.0.update(&[0; BLOCK_LEN]);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        array_of(self.0.sign().as_ref())
    }
}
