//! Remembers: the embedded engine and the store for tests, behind the core's one port.

mod embedded;
mod memory;
mod rows;

pub use embedded::{BatchReport, Embedded, EmbeddedSettings, OpenError};
pub use memory::Memory;
