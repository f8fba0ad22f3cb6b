//! A file that is there whole or not at all.
//!
//! What is written lies beside its place under a random name that nobody had, and is gone again
//! when it is not kept. Its name is then given to it without following a link that stands there.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Read and write for the owner, nothing for anyone else.
const PRIVATE: u32 = 0o600;
/// Read for everybody, as far as the process's mask allows.
const PUBLIC: u32 = 0o644;

/// A file in the making; without [`Draft::keep`] or [`Draft::replace`] nothing of it stays.
#[derive(Debug)]
pub struct Draft {
    file: NamedTempFile,
    folder: PathBuf,
}

impl Draft {
    /// Begins a file of mode 0600 beside the place where it is to be, under a name that begins so.
    ///
    /// # Errors
    /// `io::Error` when nothing can be written there.
    pub fn beside(path: &Path, prefix: impl AsRef<OsStr>) -> io::Result<Self> {
        Self::with_mode(path, prefix, PRIVATE)
    }

    fn with_mode(path: &Path, prefix: impl AsRef<OsStr>, mode: u32) -> io::Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        let mut draft = tempfile::Builder::new();
        let draft = draft.prefix(&prefix).suffix(SUFFIX).permissions(Permissions::from_mode(mode));
        Ok(Self { file: draft.tempfile_in(folder)?, folder: folder.to_owned() })
    }

    /// Where the bytes go.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives the file its name, once it is on disk.
    ///
    /// # Errors
    /// `io::Error` when it cannot be written, or something has that name.
    pub fn keep(self, path: &Path) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist_noclobber(path).map_err(|error| error.error)?;
        File::open(self.folder)?.sync_all()
    }

    /// The same, in place of the file or the link that has that name.
    ///
    /// # Errors
    /// `io::Error` when it cannot be written.
    pub fn replace(self, path: &Path) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(path).map_err(|error| error.error)?;
        File::open(self.folder)?.sync_all()
    }
}

/// How the names of drafts begin.
pub const PREFIX: &str = ".kunji-draft-";
/// How they end.
pub const SUFFIX: &str = ".draft";

/// Writes a file whole, for everybody to read, then gives it its name.
///
/// # Errors
/// `io::Error` when it cannot be written, or a directory, a device or a pipe has that name; what
/// was there then stays.
pub fn put_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::other("what is there is no regular file"));
    }
    let mut draft = Draft::with_mode(path, PREFIX, PUBLIC)?;
    draft.file().write_all(bytes)?;
    draft.replace(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_but_the_name_itself_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("victim"), "theirs").unwrap();
        fs::write(at("ready.new"), "theirs").unwrap();
        for name in ["ready.draft", "ready", "ready.url.draft"] {
            symlink(at("victim"), at(name)).unwrap();
        }
        for name in ["ready", "ready.url", "fresh"] {
            for text in ["ours", "ours again"] {
                put_whole(&at(name), text.as_bytes()).unwrap();
                assert_eq!(fs::read_to_string(at(name)).unwrap(), text);
                assert!(fs::symlink_metadata(at(name)).unwrap().is_file());
            }
        }
        assert_eq!(fs::read_to_string(at("victim")).unwrap(), "theirs");
        assert_eq!(fs::read_to_string(at("ready.new")).unwrap(), "theirs");
        assert!(fs::symlink_metadata(at("ready.draft")).unwrap().is_symlink());
        let all = ["fresh", "ready", "ready.draft", "ready.new", "ready.url", "ready.url.draft"];
        assert_eq!(names(folder.path())[..6], all);
        assert_eq!(names(folder.path())[6..], ["victim"]);
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("/dev/null", at("device")).unwrap();
        fs::create_dir(at("directory")).unwrap();
        for name in ["device", "directory"] {
            assert!(put_whole(&at(name), b"ours").is_err());
        }
        assert!(fs::symlink_metadata(at("device")).unwrap().is_symlink());
        assert_eq!(names(folder.path()), ["device", "directory"]);
    }

    #[test]
    fn what_is_kept_takes_no_name_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        fs::write(&path, "theirs").unwrap();
        let mut draft = Draft::beside(&path, PREFIX).unwrap();
        draft.file().write_all(b"ours").unwrap();
        assert!(draft.keep(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(names(folder.path()), ["backup"]);
    }
}
