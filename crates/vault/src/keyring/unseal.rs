//! The key that seals the key file: read when it is needed, and wiped after it.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::contents::random;
use super::file;
use crate::fault::{FileProblem, KeyFault};
use crate::hex;

const LEN: usize = 32;

/// The key that seals the key file: 32 bytes, which stay in one place until they are wiped.
pub(super) struct UnsealKey(Zeroizing<Vec<u8>>);

impl UnsealKey {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is missing, group or others may read it, it belongs to another
    /// user, or it does not hold 64 hexadecimal digits.
    pub(super) fn read(path: &Path) -> Result<Self, KeyFault> {
        let missing = || FileProblem::Io(io::Error::from(io::ErrorKind::NotFound));
        let bytes = file::read(path).and_then(|found| found.ok_or_else(missing));
        let bytes =
            bytes.map_err(|problem| KeyFault::file("read the unseal key", path, problem))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| KeyFault::UnsealKey)?;
        Self::parse(text.trim_ascii()).ok_or(KeyFault::UnsealKey)
    }

    /// Reads the file, or makes it with a random key and mode 0600.
    pub(super) fn read_or_create(path: &Path) -> Result<Self, KeyFault> {
        // Where it is there, its folder may be one that nobody writes to.
        if !path.exists() {
            let mut line = hex::write(&random(LEN)?);
            line.push('\n');
            match file::replace(path, None, line.as_bytes()) {
                // Another process may have its first start at the same time: its key is ours then.
                Ok(()) | Err(FileProblem::Changed) => {}
                Err(problem) => return Err(KeyFault::file("write the unseal key", path, problem)),
            }
        }
        Self::read(path)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new(vec![0; LEN]);
        hex::read(text, &mut bytes)?;
        Some(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unseal_key_is_64_hexadecimal_digits() {
        let key = UnsealKey::parse(&"5A".repeat(32)).unwrap();
        assert_eq!(key.bytes(), [0x5a; 32]);
        for text in ["".to_owned(), "g".repeat(64), "a".repeat(63), "a".repeat(65)] {
            assert!(UnsealKey::parse(&text).is_none());
        }
    }
}
