//! Writes a backup, chunk after chunk.

use std::fmt;
use std::io::Write;

use zeroize::Zeroizing;

use super::header::{self, HEADER_LEN, Header};
use super::{BACKUP_CHUNK_LEN_MAX, BackupError, ChunkKey, Part};
use crate::fault::VaultFault;
use crate::vault::Vault;

/// A backup in the making; without [`BackupWriter::finish`] it is none.
pub struct BackupWriter<W> {
    out: W,
    key: ChunkKey,
    header: [u8; HEADER_LEN],
}

impl Vault {
    /// Begins a backup of this instant, which this key ring opens.
    ///
    /// # Errors
    /// When randomness or the cipher fails, or nothing can be written.
    pub fn begin_backup<W: Write>(
        &self,
        at_ms: i64,
        mut out: W,
    ) -> Result<BackupWriter<W>, BackupError> {
        let file_key = Zeroizing::new(self.random()?);
        let header = Header::make(self.ring(), at_ms, self.random()?, &file_key)?;
        let key = ChunkKey::new(&file_key, header::digest(&header))
            .ok_or(VaultFault("take the key of a backup"))?;
        out.write_all(&header).map_err(BackupError::Io)?;
        Ok(BackupWriter { out, key, header })
    }
}

impl<W: Write> BackupWriter<W> {
    /// How people and the audit call this backup: 16 hexadecimal digits.
    #[must_use]
    pub fn name(&self) -> String {
        header::name(&self.header)
    }

    /// Seals one chunk of at most [`BACKUP_CHUNK_LEN_MAX`] bytes, and leaves the buffer empty.
    ///
    /// # Errors
    /// When it is too long, or cannot be written.
    pub fn write(&mut self, chunk: &mut Vec<u8>) -> Result<(), BackupError> {
        self.put(Part::More, chunk)
    }

    /// Seals the last chunk, and gives back what was written to.
    ///
    /// # Errors
    /// When it is too long, or cannot be written.
    pub fn finish(mut self, mut last: Vec<u8>) -> Result<W, BackupError> {
        self.put(Part::Last, &mut last)?;
        self.out.flush().map_err(BackupError::Io)?;
        Ok(self.out)
    }

    fn put(&mut self, part: Part, chunk: &mut Vec<u8>) -> Result<(), BackupError> {
        if chunk.len() > BACKUP_CHUNK_LEN_MAX {
            return Err(BackupError::TooLong);
        }
        self.key.seal(part, chunk).ok_or(VaultFault("seal a chunk of a backup"))?;
        let len = u32::try_from(chunk.len()).map_err(|_| BackupError::TooLong)?;
        let out = &mut self.out;
        let written = out
            .write_all(&[part.byte()])
            .and_then(|()| out.write_all(&len.to_be_bytes()))
            .and_then(|()| out.write_all(chunk));
        chunk.clear();
        written.map_err(BackupError::Io)
    }
}

impl<W> fmt::Debug for BackupWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupWriter(****)")
    }
}
