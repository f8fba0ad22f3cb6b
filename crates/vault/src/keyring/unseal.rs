//! The key that seals the key file.

use std::fmt;
use std::path::Path;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::contents::random;
use super::file;
use crate::fault::{FileProblem, KeyFault};
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
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        let key = Self(*random::<32>()?);
        let mut line = Zeroizing::new(String::with_capacity(65));
        line.push_str(&hex::write(&key.0));
        line.push('\n');
        let fault = |problem| KeyFault::file("write the unseal key", path, problem);
        match file::replace(path, None, line.as_bytes()) {
            Ok(()) => Ok(key),
            // Another process has its first start at the same time: its key is ours then.
            Err(FileProblem::Changed) => {
                Self::read(path)?.ok_or_else(|| fault(FileProblem::Changed))
            }
            Err(problem) => Err(fault(problem)),
        }
    }

    fn read(path: &Path) -> Result<Option<Self>, KeyFault> {
        let found = file::read(path)
            .map_err(|problem| KeyFault::file("read the unseal key", path, problem))?;
        let Some(bytes) = found else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| KeyFault::UnsealKey)?;
        Self::from_hex(text.trim_ascii()).map(Some)
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
