//! The place of one process among the checkpoints in a directory.
//!
//! ```text
//! DIR/lane-01.lock                                    held by the process that writes lane 1
//! DIR/20261127T130000000Z-01-5f0c2b44.checkpoint      instant, lane, start of the series' name
//! DIR/.20261127T130000000Z-01-…-Xq3vTk.draft          what it is writing now
//! ```
//!
//! A process takes the first lane that nobody holds, so that several may share a directory, and one
//! that comes back after a crash finds what its predecessor left, and clears up what it did not end.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use kunji_core::time::Millis;

use super::CheckpointError;
use crate::boot::make_private;
use crate::draft::SUFFIX;
use crate::wall;

/// Processes that may share one directory.
pub const LANES_MAX: u8 = 64;
/// How the names of checkpoints end.
pub const EXTENSION: &str = "checkpoint";

/// A lane that is ours as long as this lives.
#[derive(Debug)]
pub struct Lane {
    dir: PathBuf,
    number: u8,
    /// Locked; the system lets it go when the process ends, however that happens.
    _lock: File,
}

impl Lane {
    /// Takes the first free lane of a directory, which is made when it is not there.
    ///
    /// # Errors
    /// `CheckpointError` when the directory cannot be used, or all lanes are taken.
    pub fn take(dir: &Path) -> Result<Self, CheckpointError> {
        make_private(dir)?;
        for number in 1..=LANES_MAX {
            let path = dir.join(format!("lane-{number:02}.lock"));
            let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
            let lock = lock.map_err(CheckpointError::file("open", &path))?;
            match lock.try_lock() {
                Ok(()) => {
                    let lane = Self { dir: dir.to_owned(), number, _lock: lock };
                    lane.clear()?;
                    return Ok(lane);
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(CheckpointError::file("lock", &path)(source));
                }
            }
        }
        Err(CheckpointError::Crowded(dir.to_owned()))
    }

    /// Takes away the drafts of a process that ended while it wrote: whoever has the lane wrote
    /// all of them.
    fn clear(&self) -> Result<(), CheckpointError> {
        let broke = |source| CheckpointError::file("read", &self.dir)(source);
        let ours = format!("{:02}", self.number);
        let inside = format!(".{EXTENSION}-");
        for entry in std::fs::read_dir(&self.dir).map_err(broke)? {
            let path = entry.map_err(broke)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_draft = name.starts_with('.') && name.ends_with(SUFFIX);
            if is_draft && name.contains(&inside) && name.split('-').nth(1) == Some(&ours) {
                std::fs::remove_file(&path).map_err(CheckpointError::file("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Where the checkpoint of this instant lies; names sort as instants do.
    #[must_use]
    pub fn path(&self, at: Millis, series: &str) -> PathBuf {
        let at = wall::iso(at).replace(['-', ':', '.'], "");
        let series: String = series.chars().take(8).collect();
        self.dir.join(format!("{at}-{:02}-{series}.{EXTENSION}", self.number))
    }

    /// The newest checkpoint of this lane.
    ///
    /// # Errors
    /// `CheckpointError` when the directory cannot be read.
    pub fn newest(&self) -> Result<Option<PathBuf>, CheckpointError> {
        let broke = |source| CheckpointError::file("read", &self.dir)(source);
        let ours = format!("{:02}", self.number);
        let mut newest: Option<PathBuf> = None;
        for entry in std::fs::read_dir(&self.dir).map_err(broke)? {
            let path = entry.map_err(broke)?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let is_ours = stem.split('-').nth(1) == Some(&ours)
                && path.extension().is_some_and(|extension| extension == EXTENSION);
            if is_ours && newest.as_ref().is_none_or(|newest| path > *newest) {
                newest = Some(path);
            }
        }
        Ok(newest)
    }
}
