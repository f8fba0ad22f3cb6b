//! A file that is there whole or not at all, and that nobody else can read.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file in the making; without [`Draft::keep`] nothing of it stays.
#[derive(Debug)]
pub struct Draft {
    file: NamedTempFile,
    folder: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// Begins a file of mode 0600 beside the place where it is to be. What is there stays.
    ///
    /// # Errors
    /// `io::Error` when something is there already, or nothing can be written.
    pub fn beside(path: &Path) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        let file = tempfile::Builder::new().prefix(".kunji-draft-").tempfile_in(folder)?;
        Ok(Self { file, folder: folder.to_owned(), path: path.to_owned() })
    }

    /// Where the bytes go.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives the file its name, once it is on disk.
    ///
    /// # Errors
    /// `io::Error` when it cannot be written, or something took its place meanwhile.
    pub fn keep(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist_noclobber(&self.path).map_err(|error| error.error)?;
        File::open(self.folder)?.sync_all()
    }
}
