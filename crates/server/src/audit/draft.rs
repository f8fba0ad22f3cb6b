//! Writes one checkpoint, line by line: the file is there whole, or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use kunji_core::audit::{ChainName, Head};
use kunji_vault::{Sha256, Vault};

use super::CheckpointError;
use super::checkpoint::{Hash, Header, Seal, head_line};
use crate::draft;

/// A checkpoint that is being written; what is not sealed is removed again.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    whole: draft::Draft,
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
    /// Begins a checkpoint beside its place, under a name that is not its last.
    ///
    /// # Errors
    /// `CheckpointError` when the file cannot be written.
    pub fn begin(path: &Path, header: &Header) -> Result<Self, CheckpointError> {
        let create = CheckpointError::file("create", path);
        // How often customers act is nobody else's business.
        let whole = draft::Draft::beside(path, prefix(path)).and_then(|mut whole| {
            let file = whole.file().try_clone()?;
            Ok((whole, file))
        });
        let (whole, file) = whole.map_err(create)?;
        let mut draft = Self {
            path: path.to_owned(),
            whole,
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
    pub fn seal(mut self, vault: &Vault) -> Result<Written, CheckpointError> {
        vault.ready_signing()?;
        let (key, signature) = vault.sign_checkpoint(&self.digest.clone().finish())?;
        let seal = Seal { heads: self.heads, key, signature };
        self.line(serde_json::to_string(&seal).unwrap_or_default())?;
        self.file.flush().map_err(CheckpointError::file("write", &self.path))?;
        self.whole.keep(&self.path).map_err(CheckpointError::file("name", &self.path))?;
        Ok(Written { hash: Hash(self.digest.clone().finish()), heads: self.heads })
    }

    fn line(&mut self, mut line: String) -> Result<(), CheckpointError> {
        line.push('\n');
        self.digest.update(line.as_bytes());
        let written = self.file.write_all(line.as_bytes());
        written.map_err(CheckpointError::file("write", &self.path))
    }
}

/// How the names of drafts of this checkpoint begin; its lane finds them by that after a crash.
fn prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push("-");
    prefix
}
