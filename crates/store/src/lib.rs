//! Remembers: the engines and the store for tests, behind the core's one port.

mod archive;
mod embedded;
mod entry;
mod memory;
mod pending;
#[cfg(feature = "plants")]
mod plants;
mod postgres;
mod replaced;
mod rows;
mod witness;

pub use archive::Archive;
pub use embedded::{BatchReport, Embedded, EmbeddedSettings, OpenError, OpenRows};
pub use memory::{Memory, Tree};
pub use postgres::{
    Frozen, LOAD_SPREAD, Migrated, Postgres, PostgresError, PostgresPlace, Spread, drop_schema,
    migrate,
};
pub use replaced::Replaced;
pub use rows::index_place;
pub use witness::Witness;
