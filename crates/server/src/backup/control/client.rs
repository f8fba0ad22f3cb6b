//! Asks a running server for a backup of its store.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kunji_vault::{BackupError, copy_backup};

use super::WISH;

/// How long the server may be silent.
const SERVER_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest reason for a refusal.
const REASON_LEN_MAX: u64 = 200;

/// Why the running server gives no backup.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error(
        "the store is in use, and its server cannot be asked at {path} (a path of more than 107 \
         bytes cannot be one of a socket): stop the server, or export as the user who runs it"
    )]
    NobodyThere {
        /// Where somebody should.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The server said no.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// The server did not come to the end.
    #[error(
        "the export did not come to its end; if the file could be written, see the server's log"
    )]
    Broken(#[source] BackupError),
    /// The conversation broke.
    #[error("the server does not answer")]
    Silent(#[from] io::Error),
}

/// Fetches a whole backup, or says why there is none; gives its length in bytes.
///
/// # Errors
/// `ControlError`; what was written is then no backup.
pub fn fetch(path: &Path, out: &mut impl Write) -> Result<u64, ControlError> {
    let there = UnixStream::connect(path);
    let mut stream =
        there.map_err(|source| ControlError::NobodyThere { path: path.to_owned(), source })?;
    stream.set_read_timeout(Some(SERVER_TIMEOUT))?;
    stream.write_all(WISH)?;
    let mut first = [0; 1];
    stream.read_exact(&mut first)?;
    if first != *b"+" {
        let mut reason = Vec::new();
        stream.take(REASON_LEN_MAX).read_to_end(&mut reason)?;
        return Err(ControlError::Refused(String::from_utf8_lossy(&reason).into_owned()));
    }
    let len = copy_backup(&mut BufReader::new(stream), out).map_err(ControlError::Broken)?;
    // What a buffer kept back must be written too, before anybody relies on it.
    out.flush().map_err(BackupError::Io).map_err(ControlError::Broken)?;
    Ok(len)
}
