//! Remembers: the engines and the store for tests, behind the core's one port.

mod embedded;
mod entry;
mod memory;
mod pending;
mod rows;

pub use embedded::{BatchReport, Embedded, EmbeddedSettings, OpenError};
pub use memory::Memory;
