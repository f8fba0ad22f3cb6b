//! Files that hold keys: only for us, replaced as a whole, one writer.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::contents::Contents;
use super::unseal::UnsealKey;
use crate::digest::sha256;
use crate::fault::{FileProblem, KeyFault};
use crate::private::{Readers, read_file};
use crate::wash::leaving_nothing;

/// How the names of files begin that have none yet.
const DRAFT: &str = ".kunji-draft-";

/// The sealed key file, and what it was when last seen; none of its contents.
pub(super) struct KeyFile {
    path: PathBuf,
    unseal: PathBuf,
    /// The hash of what was opened last.
    seen: Option<[u8; 32]>,
    /// What lay there when it was last read, and what came of that.
    looked: Option<(Stamp, Looked)>,
}

/// Why the file is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Because it is time to: what failed is tried again.
    Regular,
    /// In the middle of a request, for a key that is not here.
    Needed,
}

/// How it went to read what lay there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    Opened,
    Failed,
}

/// Tells one file under a name from another, and from itself once it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    place: (u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl KeyFile {
    /// A file that was not looked at yet.
    pub(super) fn at(path: &Path, unseal: &Path) -> Self {
        Self { path: path.to_owned(), unseal: unseal.to_owned(), seen: None, looked: None }
    }

    /// Opens the file; its contents are absent when it does not exist yet.
    pub(super) fn load(&mut self) -> Result<Option<Contents>, KeyFault> {
        // Taken first: what comes between this and the reading is looked at again.
        let stamp = Stamp::of(&self.path);
        self.looked = stamp.map(|stamp| (stamp, Looked::Failed));
        let fault = |problem| KeyFault::file("open the key file", &self.path, problem);
        let Some(bytes) = read(&self.path).map_err(fault)? else { return Ok(None) };
        let contents = leaving_nothing(|| {
            Contents::open(&bytes, &UnsealKey::read(&self.unseal)?).map_err(fault)
        })?;
        self.seen = Some(sha256(&[&bytes]));
        self.looked = stamp.map(|stamp| (stamp, Looked::Opened));
        Ok(Some(contents))
    }

    /// Opens the file, which must be there.
    pub(super) fn load_whole(&mut self) -> Result<Contents, KeyFault> {
        let missing = || FileProblem::Io(io::Error::from(ErrorKind::NotFound));
        self.load()?.ok_or_else(|| self.fault("open the key file", missing()))
    }

    /// Makes the first keys, and what opens them.
    pub(super) fn begin(&mut self, now_ms: i64) -> Result<Contents, KeyFault> {
        leaving_nothing(|| UnsealKey::read_or_create(&self.unseal))?;
        let contents = Contents::fresh(Some(now_ms))?;
        match self.replace(&contents) {
            Ok(()) => Ok(contents),
            // Another process has its first start at the same time: its keys are ours then.
            Err(fault) if fault.is_of_a_change() => self.load_whole(),
            Err(fault) => Err(fault),
        }
    }

    /// Replaces the file, unless another process did so since it was read.
    pub(super) fn replace(&mut self, contents: &Contents) -> Result<(), KeyFault> {
        let sealed = leaving_nothing(|| contents.seal(&UnsealKey::read(&self.unseal)?))?;
        replace(&self.path, self.seen, &sealed)
            .map_err(|problem| self.fault("replace the key file", problem))?;
        self.seen = Some(sha256(&[&sealed]));
        Ok(())
    }

    /// Whether to read the file may tell something new.
    pub(super) fn is_worth(&self, look: Look) -> bool {
        match (Stamp::of(&self.path), self.looked) {
            (Some(now), Some((then, Looked::Failed))) => now != then || look == Look::Regular,
            (Some(now), Some((then, Looked::Opened))) => now != then,
            (Some(_), None) => true,
            (None, _) => look == Look::Regular,
        }
    }

    pub(super) fn fault(&self, doing: &'static str, problem: FileProblem) -> KeyFault {
        KeyFault::file(doing, &self.path, problem)
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let facts = fs::metadata(path).ok()?;
        Some(Self {
            place: (facts.dev(), facts.ino()),
            len: facts.len(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        })
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
