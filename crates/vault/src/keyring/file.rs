//! Files that hold keys: only for us, replaced as a whole, one writer.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::UnsealKey;
use super::contents::Contents;
use crate::digest::sha256;
use crate::fault::{FileProblem, KeyFault};

/// Three times what a full ring takes.
const FILE_LEN_MAX: u64 = 1024 * 1024;

/// Read and write for the owner, nothing for anyone else.
const MODE: u32 = 0o600;
const MODE_OF_OTHERS: u32 = 0o077;

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

/// Reads a file that only we may read; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FileProblem> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // The open file is judged, not its name: nobody can swap it in between.
    let facts = file.metadata()?;
    guard(&facts)?;
    let len = usize::try_from(facts.len()).map_err(|_| FileProblem::TooLong)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(len + 1));
    file.take(FILE_LEN_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes a file of mode 0600 in place of the one whose hash was `seen`.
///
/// After a crash the name leads to the whole old or the whole new file.
pub(super) fn replace(
    path: &Path,
    seen: Option<[u8; 32]>,
    bytes: &[u8],
) -> Result<(), FileProblem> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    // The lock ends when the folder is closed.
    let folder = File::open(folder)?;
    folder.lock()?;
    if read(path)?.map(|bytes| sha256(&[&bytes])) != seen {
        return Err(FileProblem::Changed);
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    remove_stale(&fresh)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    folder.sync_all()?;
    Ok(())
}

/// Removes what a crash between writing and renaming left behind.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn guard(facts: &Metadata) -> Result<(), FileProblem> {
    if facts.mode() & MODE_OF_OTHERS != 0 {
        return Err(FileProblem::Exposed);
    }
    if own_uid().is_some_and(|uid| uid != facts.uid()) {
        return Err(FileProblem::Foreign);
    }
    if facts.len() >= FILE_LEN_MAX {
        return Err(FileProblem::TooLong);
    }
    Ok(())
}

/// The effective user of this process, where the system tells it as a file.
///
/// Where it does not, nothing is lost for anyone but root: another's file of
/// mode 0600 could not have been opened.
fn own_uid() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_whitespace().nth(1)?.parse().ok()
}
