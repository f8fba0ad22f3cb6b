//! Files that hold keys: only for us, replaced as a whole, one writer.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::UnsealKey;
use super::contents::Contents;
use crate::digest::sha256;
use crate::fault::{FileProblem, KeyFault};
use crate::private::{Readers, read_file};

/// How the names of files begin that have none yet.
const DRAFT: &str = ".kunji-draft-";

/// The sealed key file, and what it was when last seen.
pub(super) struct KeyFile {
    path: PathBuf,
    unseal: UnsealKey,
    seen: Option<[u8; 32]>,
}

impl KeyFile {
    /// Opens the file; its contents are absent when it does not exist yet.
    pub(super) fn open(
        path: &Path,
        unseal: &UnsealKey,
    ) -> Result<(Self, Option<Contents>), KeyFault> {
        let fault = |problem| KeyFault::file("open the key file", path, problem);
        let bytes = read(path).map_err(fault)?;
        let contents =
            bytes.as_ref().map(|bytes| Contents::open(bytes, unseal)).transpose().map_err(fault)?;
        let file = Self {
            path: path.to_owned(),
            unseal: unseal.copy(),
            seen: bytes.map(|bytes| sha256(&[&bytes])),
        };
        Ok((file, contents))
    }

    /// Whether there was a file when last seen.
    pub(super) fn is_there(&self) -> bool {
        self.seen.is_some()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn unseal(&self) -> &UnsealKey {
        &self.unseal
    }

    /// Replaces the file, unless another process did so before.
    pub(super) fn replace(&mut self, contents: &Contents) -> Result<(), KeyFault> {
        let sealed = contents.seal(&self.unseal)?;
        replace(&self.path, self.seen, &sealed)
            .map_err(|problem| KeyFault::file("replace the key file", &self.path, problem))?;
        self.seen = Some(sha256(&[&sealed]));
        Ok(())
    }
}

/// Reads a file that holds keys; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FileProblem> {
    read_file(path, Readers::Owner)
}

/// Writes a file of mode 0600 in place of the one whose hash was `seen`.
///
/// After a crash the name leads to the whole old or the whole new file.
pub(super) fn replace(
    path: &Path,
    seen: Option<[u8; 32]>,
    bytes: &[u8],
) -> Result<(), FileProblem> {
    let place = match path.parent() {
        Some(place) if !place.as_os_str().is_empty() => place,
        Some(_) | None => Path::new("."),
    };
    // The lock ends when the folder is closed.
    let folder = File::open(place)?;
    folder.lock()?;
    if read(path)?.map(|bytes| sha256(&[&bytes])) != seen {
        return Err(FileProblem::Changed);
    }
    // Made new, with mode 0600, under a name that nobody guesses; gone again when this fails.
    let mut draft = tempfile::Builder::new().prefix(DRAFT).tempfile_in(place)?;
    draft.write_all(bytes)?;
    draft.as_file().sync_all()?;
    draft.persist(path).map_err(|error| error.error)?;
    folder.sync_all()?;
    Ok(())
}
