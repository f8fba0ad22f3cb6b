//! The directory of a sandbox that keeps nothing, and what is left of those that were killed.
//!
//! ```text
//! TMP/kunji-sandbox-Xq3vTk/        mode 0700, with keys and store
//! TMP/kunji-sandbox-Xq3vTk/lock    locked as long as its sandbox lives
//! ```
//!
//! The system lets the lock go when the process ends, however that happens. It is locked before it
//! has its name: a directory with a lock that is free belongs to nobody any more.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

const PREFIX: &str = "kunji-sandbox-";
const LOCK: &str = "lock";
/// Directories of dead sandboxes that one start removes.
const SWEPT_MAX: usize = 256;

/// A directory that is ours, and gone when this ends.
#[derive(Debug)]
pub struct Temporary {
    dir: TempDir,
    /// Let go after the directory is gone.
    _lock: File,
}

impl Temporary {
    /// Makes a directory in `place`, and clears up what dead sandboxes of this user left there.
    ///
    /// # Errors
    /// `io::Error` when it cannot be made. What cannot be cleared up stays.
    pub fn new_in(place: &Path) -> io::Result<Self> {
        let ours_alone = Permissions::from_mode(0o700);
        let dir =
            tempfile::Builder::new().prefix(PREFIX).permissions(ours_alone).tempdir_in(place)?;
        let lock = NamedTempFile::new_in(&dir)?;
        lock.as_file().try_lock()?;
        let lock = lock.persist_noclobber(dir.path().join(LOCK)).map_err(|error| error.error)?;
        let user = dir.path().metadata()?.uid();
        let named = |entry: &fs::DirEntry| {
            entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX))
        };
        let others = fs::read_dir(place).into_iter().flatten().flatten().filter(named);
        // Somebody else may clear one up at the same time.
        let swept = others.filter(|other| sweep(&other.path(), user).is_ok_and(|is_gone| is_gone));
        let _ = swept.take(SWEPT_MAX).count();
        Ok(Self { dir, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Removes the directory of a sandbox of this user that is dead, and of no other; says whether it did.
fn sweep(dir: &Path, user: u32) -> io::Result<bool> {
    let facts = dir.symlink_metadata()?;
    let is_ours = facts.is_dir() && facts.uid() == user && facts.mode() & 0o077 == 0;
    let path = dir.join(LOCK);
    if !is_ours || !path.symlink_metadata()?.is_file() {
        return Ok(false);
    }
    let lock = File::open(path)?;
    if lock.try_lock().is_err() {
        return Ok(false);
    }
    fs::remove_dir_all(dir)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(place: &Path) -> Vec<String> {
        let entries = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn dead_sandboxes_are_swept_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let make = |name: &str, mode: u32, with_lock: bool| {
            let dir = place.path().join(name);
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("keys.sealed"), "keys").unwrap();
            if with_lock {
                fs::write(dir.join(LOCK), "").unwrap();
            }
            fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
        };
        make("kunji-sandbox-dead01", 0o700, true);
        make("kunji-sandbox-dead02", 0o700, true);
        make("kunji-sandbox-nolock", 0o700, false);
        make("kunji-sandbox-public", 0o755, true);
        make("kunji-elsewhere", 0o700, true);
        symlink(place.path().join("kunji-elsewhere"), place.path().join("kunji-sandbox-link"))
            .unwrap();
        fs::write(place.path().join("kunji-sandbox-file"), "").unwrap();
        // However many there are that nobody may remove, the dead ones go.
        let many = |number| place.path().join(format!("kunji-sandbox-many{number}"));
        (0..SWEPT_MAX).for_each(|number| fs::create_dir(many(number)).unwrap());
        let living = Temporary::new_in(place.path()).unwrap();
        fs::write(living.path().join("keys.sealed"), "keys").unwrap();
        let second = Temporary::new_in(place.path()).unwrap();
        assert!(living.path().join("keys.sealed").exists(), "who lives is left alone");
        let (first, other) = (living.path().to_owned(), second.path().to_owned());
        drop((living, second));
        assert!(!first.exists() && !other.exists());
        (0..SWEPT_MAX).for_each(|number| fs::remove_dir(many(number)).unwrap());
        let left =
            ["elsewhere", "sandbox-file", "sandbox-link", "sandbox-nolock", "sandbox-public"];
        assert_eq!(names(place.path()), left.map(|name| format!("kunji-{name}")));
        assert!(place.path().join("kunji-elsewhere/keys.sealed").exists());
    }
}
