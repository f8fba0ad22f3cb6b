//! Remembers: the engines and the store for tests, behind the core's one port.

mod archive;
mod embedded;
mod entry;
mod memory;
mod pending;
#[cfg(feature = "plants")]
mod plants;
mod postgres;
mod rows;

pub use archive::Archive;
pub use embedded::{BatchReport, Embedded, EmbeddedSettings, OpenError};
pub use memory::Memory;
pub use postgres::{Migrated, Postgres, PostgresError, PostgresPlace, drop_schema, migrate};
