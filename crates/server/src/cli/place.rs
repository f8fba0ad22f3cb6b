//! Which store and which keys a command is about: a sandbox's, or those of a configuration.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use kunji_store::{Archive, Embedded, EmbeddedSettings, Postgres};
use kunji_vault::{KeyRing, Vault};

use super::ConfigArgs;
use crate::config::{Files, Layers, Place};
use crate::sandbox::ground;
use crate::wall;

/// Where state and keys lie.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// A sandbox's directory; else the store of the configuration is meant.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl PlaceArgs {
    /// Finds out what is meant; nothing is opened yet.
    pub(super) fn files(&self) -> anyhow::Result<Files> {
        let Some(dir) = &self.data else { return Ok(self.config.load()?.files) };
        let number = ground::current(dir);
        let number = number.with_context(|| format!("there is no sandbox at {}", dir.display()))?;
        let files = self.key_files()?;
        Ok(Files { store: files.store.numbered(dir, number), ..files })
    }

    /// The same where only the keys are meant: of a sandbox, the store is not looked for.
    pub(super) fn key_files(&self) -> anyhow::Result<Files> {
        let Some(dir) = &self.data else { return Ok(self.config.load()?.files) };
        Ok(Files {
            key_file: dir.join("keys.sealed"),
            unseal_file: dir.join("unseal.key"),
            ..self.config.flags.load(Layers::sandbox()?)?.files
        })
    }
}

/// Opens a store that is there already, for reading, also one that was retired; an embedded one must
/// not be in use.
pub(super) fn open_store(files: &Files, vault: Arc<Vault>) -> anyhow::Result<Archive> {
    match &files.store {
        Place::Embedded(path) => {
            anyhow::ensure!(path.is_dir(), "there is no store at {}", path.display());
            let store = Embedded::open_to_read(path, EmbeddedSettings::default(), vault)?;
            Ok(Archive::Embedded(Box::new(store)))
        }
        Place::Postgres(place) => {
            let store = Postgres::open_to_read((**place).clone(), vault)?;
            Ok(Archive::Postgres(Box::new(store)))
        }
    }
}

/// Opens keys that are there already; none are made.
pub(super) fn open_vault(files: &Files) -> anyhow::Result<Vault> {
    open_ring(files).map(Vault::new)
}

/// The same, to care for them.
pub(super) fn open_ring(files: &Files) -> anyhow::Result<KeyRing> {
    for path in [&files.key_file, &files.unseal_file] {
        anyhow::ensure!(path.is_file(), "there is no key file at {}", path.display());
    }
    Ok(KeyRing::open(&files.key_file, &files.unseal_file, wall::now().0)?)
}
