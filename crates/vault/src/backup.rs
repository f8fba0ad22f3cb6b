//! Backups: a stream of sealed chunks, under a key of its own that the key ring wraps.
//!
//! ```text
//! header  magic, format, instant, key version, check, salt, the file's key as it is wrapped
//! chunk   kind (more follow, or the last), length, AES-256-GCM (SP 800-38D) of at most 1 MiB
//! chunk   …
//! ```
//!
//! Every chunk is bound to the header, to its own number and to its kind: what is cut off, swapped,
//! doubled, added or of another backup does not open.

mod header;
mod reader;
mod writer;

use std::io;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use thiserror::Error;

pub use self::reader::{BackupReader, copy_backup};
pub use self::writer::BackupWriter;
use crate::fault::VaultFault;

/// Most bytes that one chunk may carry.
pub const BACKUP_CHUNK_LEN_MAX: usize = 1024 * 1024;

const TAG_LEN: usize = 16;
const SEALED_LEN_MAX: usize = BACKUP_CHUNK_LEN_MAX + TAG_LEN;

/// Whether a chunk is the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// More chunks follow.
    More,
    /// The backup ends with it.
    Last,
}

/// Why a backup cannot be written or read.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The system said no.
    #[error("the backup cannot be read or written")]
    Io(#[source] io::Error),
    /// It does not begin like one.
    #[error("this is no backup of Kunji")]
    Foreign,
    /// A newer release made it.
    #[error("the backup's format is newer than this program")]
    Newer,
    /// Another key ring made it.
    #[error("the backup was made under other keys: it opens with the key file of its own store")]
    OtherKeys,
    /// Bytes are missing at its end.
    #[error("the backup is cut off in or before chunk {0}")]
    Cut(u64),
    /// Something in it is not what was written.
    #[error("the backup was altered in chunk {0}")]
    Altered(u64),
    /// The header is not what was written.
    #[error("the backup's header was altered")]
    AlteredHeader,
    /// There is more behind its end.
    #[error("the backup goes on behind its last chunk")]
    Longer,
    /// A chunk is longer than one may be.
    #[error("a part of the backup is longer than 1 MiB")]
    TooLong,
    /// The vault broke.
    #[error(transparent)]
    Vault(#[from] VaultFault),
}

impl Part {
    fn byte(self) -> u8 {
        match self {
            Self::More => 0,
            Self::Last => 1,
        }
    }

    fn parse(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::More),
            1 => Some(Self::Last),
            _ => None,
        }
    }
}

/// Seals or opens the chunks of one backup, each number once.
struct ChunkKey {
    key: LessSafeKey,
    header: [u8; 32],
    number: u64,
}

impl ChunkKey {
    fn new(bytes: &[u8; 32], header: [u8; 32]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?);
        Some(Self { key, header, number: 0 })
    }

    fn seal(&mut self, part: Part, chunk: &mut Vec<u8>) -> Option<()> {
        let (nonce, bound) = self.turn(part)?;
        self.key.seal_in_place_append_tag(nonce, bound, chunk).ok()
    }

    fn open(&mut self, part: Part, sealed: &mut Vec<u8>) -> Option<()> {
        let (nonce, bound) = self.turn(part)?;
        let len = self.key.open_in_place(nonce, bound, sealed).ok()?.len();
        sealed.truncate(len);
        Some(())
    }

    /// The nonce is the chunk's number: unique, since the key is this backup's alone.
    fn turn(&mut self, part: Part) -> Option<(Nonce, Aad<[u8; 41]>)> {
        let number = self.number.to_be_bytes();
        self.number = self.number.checked_add(1)?;
        let mut nonce = [0; 12];
        nonce.iter_mut().skip(4).zip(number).for_each(|(to, from)| *to = from);
        let mut bound = [0; 41];
        let parts = self.header.into_iter().chain(number).chain([part.byte()]);
        bound.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        Some((Nonce::assume_unique_for_key(nonce), Aad::from(bound)))
    }
}
