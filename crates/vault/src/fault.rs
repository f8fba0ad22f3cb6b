//! What can break in the vault, told without any content.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::error::Unspecified;
use thiserror::Error;

/// The vault could not do what was asked; names the operation only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the vault could not {0}")]
pub struct VaultFault(pub(crate) &'static str);

/// The key ring or the unseal key could not be made, read or written.
#[derive(Debug, Error)]
pub enum KeyFault {
    /// A file could not be used.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// The operation, as a verb and its object.
        doing: &'static str,
        /// The file it was about.
        path: PathBuf,
        /// What was wrong with it.
        #[source]
        problem: FileProblem,
    },
    /// The cryptographic library refused to make or to take a key.
    #[error("cannot make a {0}")]
    Make(&'static str),
    /// The unseal key is not 64 hexadecimal digits.
    #[error("the unseal key is not 64 hexadecimal digits")]
    UnsealKey,
    /// The ring holds as many key versions as it may.
    #[error("the key ring is full: retire old versions first")]
    Full,
    /// The version makes, or will: it cannot be retired.
    #[error("key version {0} is in use or about to be")]
    InUse(u32),
    /// No version of this number is there.
    #[error("there is no key version {0}")]
    NoVersion(u32),
    /// Another thread failed while it made a key.
    #[error("the key ring is unusable after an earlier failure")]
    Poisoned,
}

/// What is wrong with a file that holds keys or secrets.
#[derive(Debug, Error)]
pub enum FileProblem {
    /// The operating system said no.
    #[error("the operating system refused")]
    Io(#[from] io::Error),
    /// Group or others may use it.
    #[error(
        "its mode allows too much to group or others: make it 0600 or 0400, or 0440 where it is \
         root's, as systemd credentials and Kubernetes secrets are"
    )]
    Exposed,
    /// It belongs to another user.
    #[error("it belongs to another user than root and the one who runs this")]
    Foreign,
    /// It is a directory, a device or a pipe.
    #[error("it is no regular file")]
    NoFile,
    /// It was altered, or sealed under another unseal key.
    #[error("it was altered or sealed under another unseal key")]
    Altered,
    /// It was written by a newer release.
    #[error("its format is newer than this program")]
    Newer,
    /// It is longer than such a file can be.
    #[error("it is too long")]
    TooLong,
    /// It lacks keys that were there before.
    #[error("it lacks keys that it had before: put its newest copy back")]
    Older,
    /// Another process wrote it since it was read.
    #[error("another process changed it")]
    Changed,
}

impl KeyFault {
    pub(crate) fn file(doing: &'static str, path: &Path, problem: impl Into<FileProblem>) -> Self {
        Self::File { doing, path: path.to_owned(), problem: problem.into() }
    }

    /// Whether another process wrote the file since it was read.
    pub(crate) fn is_of_a_change(&self) -> bool {
        matches!(self, Self::File { problem: FileProblem::Changed, .. })
    }

    /// Names the key that the cryptographic library refused.
    pub(crate) fn make(what: &'static str) -> impl FnOnce(Unspecified) -> Self {
        move |_| Self::Make(what)
    }
}
