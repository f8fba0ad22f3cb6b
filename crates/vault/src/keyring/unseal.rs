//! The key that seals the key file.

use std::fmt;
use std::path::Path;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::contents::random;
use super::file;
use crate::fault::KeyFault;
use crate::hex;

/// The key that seals the key file: 32 bytes.
#[derive(ZeroizeOnDrop)]
pub struct UnsealKey([u8; 32]);

impl UnsealKey {
    /// Reads the file, or makes it with a random key and mode 0600.
    ///
    /// # Errors
    /// When group or others may read the file, it belongs to another user, or
    /// it does not hold 64 hexadecimal digits.
    pub fn read_or_create(path: &Path) -> Result<Self, KeyFault> {
        let found = file::read(path)
            .map_err(|problem| KeyFault::file("read the unseal key", path, problem))?;
        if let Some(bytes) = found {
            let text = std::str::from_utf8(&bytes).map_err(|_| KeyFault::UnsealKey)?;
            return Self::from_hex(text.trim_ascii());
        }
        let key = Self(*random::<32>()?);
        let mut line = Zeroizing::new(String::with_capacity(65));
        line.push_str(&hex::write(&key.0));
        line.push('\n');
        file::replace(path, None, line.as_bytes())
            .map_err(|problem| KeyFault::file("write the unseal key", path, problem))?;
        Ok(key)
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, KeyFault> {
        let bytes = hex::parse(text).ok_or(KeyFault::UnsealKey)?;
        Ok(Self(*bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key file keeps one, to seal what it is replaced with.
    pub(super) fn copy(&self) -> Self {
        Self(self.0)
    }
}

impl fmt::Debug for UnsealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnsealKey(****)")
    }
}
