//! Takes a store out of service for good; it can be read, never served again.

use std::path::Path;

use fjall::PersistMode;
use kunji_core::store::StoreFault;

use super::{Embedded, EmbeddedSettings, OpenError, RETIRED, Spaces};

impl Embedded {
    /// Opens a store that is there to be read, a retired one too. Nobody else has it meanwhile.
    ///
    /// # Errors
    /// `OpenError` when there is none, or it is in use, damaged, or written by a newer build.
    pub fn open_to_read(path: &Path, settings: EmbeddedSettings) -> Result<Self, OpenError> {
        if !path.is_dir() {
            return Err(OpenError::Unmarked(path.to_owned()));
        }
        Self::over(Spaces::open(path, &settings)?, path, settings)
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
        const WORK: &str = "retiring the store";
        let Spaces { database, meta, .. } = &*self.spaces;
        meta.insert(RETIRED, []).map_err(StoreFault::of(WORK))?;
        database.persist(PersistMode::SyncAll).map_err(StoreFault::of(WORK))
    }
}

impl Spaces {
    pub(super) fn is_retired(&self) -> Result<bool, fjall::Error> {
        self.meta.contains_key(RETIRED)
    }
}
