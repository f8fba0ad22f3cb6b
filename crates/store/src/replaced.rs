//! The store that a restored one takes the place of: nobody writes to it any more.

use kunji_core::audit::Subject;
use kunji_core::store::{Look, Scope, StoreFault, Survey};

use crate::{Embedded, Frozen};

/// A store that is read once more, and then retired.
pub enum Replaced {
    /// In a directory; no other process has it open.
    Embedded(Box<Embedded>),
    /// In a PostgreSQL database; processes that run over it wait.
    Postgres(Box<Frozen>),
}

impl Replaced {
    /// Whether another store took its place before: what happened since then, it does not know.
    ///
    /// # Errors
    /// `StoreFault` when that cannot be read.
    pub fn is_retired(&self) -> Result<bool, StoreFault> {
        match self {
            Self::Embedded(store) => store.is_retired(),
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
            Self::Postgres(store) => store.retire().map_err(StoreFault::of("retiring the store")),
        }
    }
}

impl Survey for Replaced {
    fn survey(&self, scope: Scope<'_>, look: Look<'_>) -> Result<(), StoreFault> {
        match self {
            Self::Embedded(store) => store.survey(scope, look),
            Self::Postgres(store) => store.survey(scope, look),
        }
    }

    fn first_event(&self, subject: &Subject) -> Result<Option<Vec<u8>>, StoreFault> {
        match self {
            Self::Embedded(store) => store.first_event(subject),
            Self::Postgres(store) => store.first_event(subject),
        }
    }
}
