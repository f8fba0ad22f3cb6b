//! Reads a backup, chunk after chunk, with suspicion of every byte.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use super::header::{self, HEADER_LEN, Header};
use super::{BackupError, ChunkKey, Part, SEALED_LEN_MAX, TAG_LEN};
use crate::vault::Vault;

/// A backup that is read; what it has given out is as it was written.
pub struct BackupReader<R> {
    source: R,
    key: ChunkKey,
    format: u32,
    at_ms: i64,
    name: String,
}

impl Vault {
    /// Opens a backup that this key ring made, whichever key version was the newest then.
    ///
    /// # Errors
    /// When it is none, of a newer format, altered, or made under other keys.
    pub fn open_backup<R: Read>(&self, mut source: R) -> Result<BackupReader<R>, BackupError> {
        let bytes = read_header(&mut source)?;
        let header = Header::parse(&bytes)?;
        let key = header.unwrap(self.ring(), &bytes)?;
        let Header { format, at_ms, .. } = header;
        Ok(BackupReader { source, key, format, at_ms, name: header::name(&bytes) })
    }
}

impl<R: Read> BackupReader<R> {
    /// The format that it was written in.
    #[must_use]
    pub fn format(&self) -> u32 {
        self.format
    }

    /// The instant of the state within.
    #[must_use]
    pub fn at_ms(&self) -> i64 {
        self.at_ms
    }

    /// How people and the audit call this backup: 16 hexadecimal digits.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts the next chunk into the buffer; nothing may be asked for after the last one.
    ///
    /// # Errors
    /// When the chunk is missing or not what was written here.
    pub fn read(&mut self, chunk: &mut Vec<u8>) -> Result<Part, BackupError> {
        let number = self.key.number;
        let part = read_sealed(&mut self.source, number, chunk)?;
        self.key.open(part, chunk).ok_or(BackupError::Altered(number))?;
        match part {
            Part::More => Ok(part),
            Part::Last => expect_end(&mut self.source).map(|()| part),
        }
    }
}

/// Passes a backup on as it is, without its key: whole, or not at all. Gives its length in bytes.
///
/// # Errors
/// When it is none, ends too early or never, or cannot be passed on.
pub fn copy_backup(from: &mut impl Read, to: &mut impl Write) -> Result<u64, BackupError> {
    let header = read_header(from)?;
    Header::parse(&header)?;
    to.write_all(&header).map_err(BackupError::Io)?;
    let (mut len, mut chunk) = (u64::try_from(HEADER_LEN).unwrap_or(u64::MAX), Vec::new());
    for number in 0.. {
        let part = read_sealed(from, number, &mut chunk)?;
        let sealed_len = u32::try_from(chunk.len()).map_err(|_| BackupError::TooLong)?;
        to.write_all(&[part.byte()])
            .and_then(|()| to.write_all(&sealed_len.to_be_bytes()))
            .and_then(|()| to.write_all(&chunk))
            .map_err(BackupError::Io)?;
        len = len.saturating_add(5).saturating_add(u64::from(sealed_len));
        if part == Part::Last {
            break;
        }
    }
    expect_end(from)?;
    Ok(len)
}

fn read_header(source: &mut impl Read) -> Result<[u8; HEADER_LEN], BackupError> {
    let mut bytes = [0; HEADER_LEN];
    source.read_exact(&mut bytes).map_err(|error| ended(error, BackupError::Foreign))?;
    Ok(bytes)
}

/// One chunk as it is sealed; its length is judged before any room is made for it.
fn read_sealed(
    source: &mut impl Read,
    number: u64,
    chunk: &mut Vec<u8>,
) -> Result<Part, BackupError> {
    let broke = |error| ended(error, BackupError::Cut(number));
    let (mut kind, mut len) = ([0; 1], [0; 4]);
    source.read_exact(&mut kind).map_err(broke)?;
    source.read_exact(&mut len).map_err(broke)?;
    let [kind] = kind;
    let part = Part::parse(kind).ok_or(BackupError::Altered(number))?;
    let len = usize::try_from(u32::from_be_bytes(len)).map_err(|_| BackupError::TooLong)?;
    if !(TAG_LEN..=SEALED_LEN_MAX).contains(&len) {
        return Err(BackupError::Altered(number));
    }
    chunk.clear();
    chunk.resize(len, 0);
    source.read_exact(chunk).map_err(broke)?;
    Ok(part)
}

/// What it means that the source gave too few bytes.
fn ended(error: io::Error, meaning: BackupError) -> BackupError {
    match error.kind() == ErrorKind::UnexpectedEof {
        true => meaning,
        false => BackupError::Io(error),
    }
}

fn expect_end(source: &mut impl Read) -> Result<(), BackupError> {
    match source.read_exact(&mut [0; 1]) {
        Ok(()) => Err(BackupError::Longer),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
        Err(error) => Err(BackupError::Io(error)),
    }
}

impl<R> fmt::Debug for BackupReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupReader(****)")
    }
}
