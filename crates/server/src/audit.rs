//! The audit from outside: whether its chains hold, and signed checkpoints of how far they had
//! come, so that an end that was cut off shows.

pub mod changed;
pub mod checkpoint;
pub mod draft;
pub mod job;
pub mod keeper;
pub mod lane;
pub mod reader;
pub mod verify;

use std::io;
use std::path::{Path, PathBuf};

use kunji_core::store::StoreFault;
use kunji_vault::{KeyFault, VaultFault};

use crate::boot::BootError;

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file or directory of theirs cannot be used.
    #[error("cannot {doing} {path}")]
    File {
        /// The operation, as a verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The directory cannot be made.
    #[error(transparent)]
    Directory(#[from] BootError),
    /// Too many processes write into one directory.
    #[error("{0} is in use by as many processes as may share it")]
    Crowded(PathBuf),
    /// The heads cannot be read.
    #[error("the heads of the chains cannot be read")]
    Store(#[from] StoreFault),
    /// The store has no first event, by which checkpoints know it.
    #[error("the store is empty: not even a start is recorded")]
    Empty,
    /// The signing key cannot be had.
    #[error("there is no key to sign a checkpoint with")]
    Keys(#[from] KeyFault),
    /// The signature cannot be made.
    #[error("the checkpoint cannot be signed")]
    Vault(#[from] VaultFault),
    /// Subjects came out of their order; nobody could read the file back.
    #[error("the chains came out of order")]
    Order,
    /// The process ends, and it would have taken too long.
    #[error("there was no time for it")]
    GivenUp,
    /// The thread that wrote it is gone.
    #[error("the checkpoint's thread ended early")]
    Thread,
}

impl CheckpointError {
    /// Wraps what the system said of a file.
    fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { doing, path: path.to_owned(), source }
    }
}
