//! The store that a restored one takes the place of: nobody writes to it any more.

use std::path::Path;
use std::sync::Arc;

use kunji_core::audit::Subject;
use kunji_core::backup::{RowFormat, former_record};
use kunji_core::store::{Record, StoreFault, Survey as _};
use kunji_vault::Vault;

use crate::embedded::OpenRows;
use crate::rows::Damaged;
use crate::{Embedded, EmbeddedSettings, Frozen, OpenError, PostgresError, PostgresPlace};

/// A store that is read once more, and then retired.
pub enum Replaced {
    /// In a directory; no other process has it open.
    Embedded(Box<Embedded>),
    /// The same, by a build that did not seal its rows.
    OpenRows(OpenRows),
    /// In a PostgreSQL database, of either kind; processes that run over it wait.
    Postgres(Box<Frozen>),
}

impl Replaced {
    /// Takes a store in a directory, of this format or the one before.
    ///
    /// # Errors
    /// `OpenError` when there is none, or it is in use, damaged, or of another build.
    pub fn in_directory(path: &Path, vault: Arc<Vault>) -> Result<Self, OpenError> {
        match Embedded::open_to_read(path, EmbeddedSettings::default(), vault) {
            Ok(store) => Ok(Self::Embedded(Box::new(store))),
            Err(OpenError::OlderFormat { .. }) => OpenRows::open(path).map(Self::OpenRows),
            Err(error) => Err(error),
        }
    }

    /// Takes a store in a database, of this schema or the one before.
    ///
    /// # Errors
    /// `PostgresError` when it cannot be reached, or has no schema that is known.
    pub fn in_postgres(place: PostgresPlace, vault: Arc<Vault>) -> Result<Self, PostgresError> {
        Ok(Self::Postgres(Box::new(Frozen::freeze(place, vault)?)))
    }

    /// How its rows are written, and in which order they come.
    #[must_use]
    pub fn format(&self) -> RowFormat {
        match self {
            Self::Embedded(_) => RowFormat::Sealed,
            Self::OpenRows(_) => RowFormat::Open,
            Self::Postgres(store) => store.format(),
        }
    }

    /// Whether another store took its place before: what happened since then, it does not know.
    ///
    /// # Errors
    /// `StoreFault` when that cannot be read.
    pub fn is_retired(&self) -> Result<bool, StoreFault> {
        match self {
            Self::Embedded(store) => store.is_retired(),
            Self::OpenRows(store) => store.is_retired(),
            Self::Postgres(store) => Ok(store.is_retired()),
        }
    }

    /// Takes it out of service for good.
    ///
    /// # Errors
    /// `StoreFault` when that is not durable.
    pub fn retire(&self) -> Result<(), StoreFault> {
        match self {
            Self::Embedded(store) => store.retire(),
            Self::OpenRows(store) => store.retire(),
            Self::Postgres(store) => store.retire().map_err(StoreFault::of("retiring the store")),
        }
    }

    /// Shows all records, in the order of its format.
    ///
    /// # Errors
    /// `StoreFault` when one cannot be read, and whatever `look` returns.
    pub fn each_record(
        &self,
        look: &mut dyn FnMut(Subject, Record) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        match self {
            Self::Embedded(store) => store.each_record(look),
            Self::OpenRows(store) => store.each_record(look),
            Self::Postgres(store) => store.each_record(look),
        }
    }
}

/// A record whose row is not sealed, from its subject's text: its version, then the record.
pub(crate) fn open_record(subject: &[u8], row: &[u8]) -> Result<(Subject, Record), StoreFault> {
    const WORK: &str = "decoding a record";
    let text = std::str::from_utf8(subject).map_err(StoreFault::of(WORK))?;
    let subject = Subject::parse(text).map_err(StoreFault::of(WORK))?;
    let damaged = || StoreFault::of(WORK)(Damaged);
    let (version, row) = row.split_first_chunk().ok_or_else(damaged)?;
    let record = former_record(row).map_err(StoreFault::of(WORK))?;
    match record.head.seq == u64::from_be_bytes(*version) {
        true => Ok((subject, record)),
        false => Err(damaged()),
    }
}
