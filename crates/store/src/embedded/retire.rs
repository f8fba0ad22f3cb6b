//! Takes a store out of service for good; it can be read, never served again.

use std::path::Path;
use std::sync::Arc;

use fjall::PersistMode;
use kunji_core::audit::Subject;
use kunji_core::store::{Record, StoreFault};
use kunji_vault::Vault;

use super::{Embedded, EmbeddedSettings, FORMAT_OPEN, OpenError, RETIRED, Spaces};
use crate::replaced::open_record;
use crate::rows::RECORDS;

impl Embedded {
    /// Opens a store that is there to be read, a retired one too. Nobody else has it meanwhile.
    ///
    /// # Errors
    /// `OpenError` when there is none, or it is in use, damaged, or written by a newer build.
    pub fn open_to_read(
        path: &Path,
        settings: EmbeddedSettings,
        vault: Arc<Vault>,
    ) -> Result<Self, OpenError> {
        if !path.is_dir() {
            return Err(OpenError::Unmarked(path.to_owned()));
        }
        Self::over(Spaces::open(path, &settings)?, path, settings, vault)
    }

    /// Whether another store took its place before.
    ///
    /// # Errors
    /// `StoreFault` when the mark cannot be looked for.
    pub fn is_retired(&self) -> Result<bool, StoreFault> {
        self.spaces.is_retired().map_err(StoreFault::of("looking for a mark"))
    }

    /// Marks the store as one whose place another took: from now on it is not opened any more.
    ///
    /// # Errors
    /// `StoreFault` when the mark is not durable.
    pub fn retire(&self) -> Result<(), StoreFault> {
        self.spaces.retire()
    }
}

/// A store whose rows are not sealed: its records can be read once more, nothing else.
pub struct OpenRows(Spaces);

impl OpenRows {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Spaces::open_of(FORMAT_OPEN, path, &EmbeddedSettings::default()).map(Self)
    }

    pub(crate) fn is_retired(&self) -> Result<bool, StoreFault> {
        self.0.is_retired().map_err(StoreFault::of("looking for a mark"))
    }

    pub(crate) fn retire(&self) -> Result<(), StoreFault> {
        self.0.retire()
    }

    pub(crate) fn each_record(
        &self,
        look: &mut dyn FnMut(Subject, Record) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        self.0.rows.prefix(RECORDS).try_for_each(|row| {
            let (key, row) = row.into_inner().map_err(StoreFault::of("walking the records"))?;
            let (subject, record) = open_record(key.get(1..).unwrap_or_default(), &row)?;
            look(subject, record)
        })
    }
}

impl Spaces {
    pub(super) fn is_retired(&self) -> Result<bool, fjall::Error> {
        self.meta.contains_key(RETIRED)
    }

    fn retire(&self) -> Result<(), StoreFault> {
        const WORK: &str = "retiring the store";
        self.meta.insert(RETIRED, []).map_err(StoreFault::of(WORK))?;
        self.database.persist(PersistMode::SyncAll).map_err(StoreFault::of(WORK))
    }
}
