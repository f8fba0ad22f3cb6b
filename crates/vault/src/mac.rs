//! HMAC-SHA-256 (FIPS 198-1) over fields that keep their borders.

use aws_lc_rs::hmac;

use crate::digest::array_of;

/// Two blocks of SHA-256, and public: whatever stands in the context's buffer, this ends its block
/// and works one more block in the same places.
const WASH: [u8; 128] = [0; 128];

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

    /// Adds a field and leaves nothing of it in memory.
    ///
    /// The library keeps the last, unfinished block of a context, and a context that is moved or
    /// ended leaves a copy of it on the stack. So no block ends with a secret.
    pub(crate) fn secret(&mut self, bytes: &[u8]) {
        self.field(bytes);
        self.0.update(&WASH);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        array_of(self.0.sign().as_ref())
    }
}
