//! Writes one checkpoint, line by line: the file is there whole, or not at all.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use kunji_core::audit::{ChainName, Head};
use kunji_vault::{Sha256, Vault};

use super::CheckpointError;
use super::checkpoint::{Hash, Header, Seal, head_line};

/// A checkpoint that is being written; what is not sealed is removed again.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    file: BufWriter<File>,
    digest: Sha256,
    heads: u64,
    newest: Option<ChainName>,
}

/// A checkpoint that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// SHA-256 of the whole file.
    pub hash: Hash,
    /// How many heads it lists.
    pub heads: u64,
}

impl Draft {
    /// Begins a checkpoint under a name that is not its last.
    ///
    /// # Errors
    /// `CheckpointError` when the file cannot be written.
    pub fn begin(path: &Path, header: &Header) -> Result<Self, CheckpointError> {
        let mut options = OpenOptions::new();
        // How often customers act is nobody else's business.
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
        let file = file.map_err(CheckpointError::file("create", path))?;
        let mut draft = Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            digest: Sha256::default(),
            heads: 0,
            newest: None,
        };
        // Writing strings and numbers to memory cannot fail.
        draft.line(serde_json::to_string(header).unwrap_or_default())?;
        Ok(draft)
    }

    /// Lists the next chain.
    ///
    /// # Errors
    /// `CheckpointError` when it does not follow the one before, or the file cannot be written.
    pub fn head(&mut self, chain: ChainName, head: Head) -> Result<(), CheckpointError> {
        if self.newest.is_some_and(|newest| chain <= newest) {
            return Err(CheckpointError::Order);
        }
        self.newest = Some(chain);
        self.heads = self.heads.saturating_add(1);
        self.line(head_line(&chain.to_string(), head))
    }

    /// Signs it, makes it durable, and only then gives it its name.
    ///
    /// # Errors
    /// `CheckpointError` when it cannot be signed or written.
    pub fn seal(mut self, vault: &Vault, path: &Path) -> Result<Written, CheckpointError> {
        vault.ready_signing()?;
        let (key, signature) = vault.sign_checkpoint(&self.digest.clone().finish())?;
        let seal = Seal { heads: self.heads, key, signature };
        self.line(serde_json::to_string(&seal).unwrap_or_default())?;
        self.file.flush().map_err(CheckpointError::file("write", &self.path))?;
        let sync = |file: &File| file.sync_all().map_err(CheckpointError::file("write", path));
        sync(self.file.get_ref())?;
        std::fs::rename(&self.path, path).map_err(CheckpointError::file("name", path))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        sync(&File::open(parent).map_err(CheckpointError::file("open", parent))?)?;
        Ok(Written { hash: Hash(self.digest.clone().finish()), heads: self.heads })
    }

    fn line(&mut self, mut line: String) -> Result<(), CheckpointError> {
        line.push('\n');
        self.digest.update(line.as_bytes());
        let written = self.file.write_all(line.as_bytes());
        written.map_err(CheckpointError::file("write", &self.path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Under this name there is nothing any more once the checkpoint has its own.
        let _ = std::fs::remove_file(&self.path);
    }
}
