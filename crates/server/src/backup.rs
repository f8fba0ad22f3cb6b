//! Backup, restore and move: the rows of a store in a sealed file, and back.
//!
//! What is sealed and opened is the vault's; what the rows mean is the core's. Here they are
//! passed on, in bounded memory, however many there are.

pub mod control;
mod export;
mod import;
mod others;
mod rows;
mod verify;

use std::path::Path;

use kunji_vault::{KeyFault, KeyRing, Vault};

pub use self::export::{ExportError, Exported, export};
pub use self::import::{ImportError, Imported, Proved, prove};
pub use self::rows::ReadError;
pub use self::verify::{Verified, verify};
use crate::wall;

/// Opens keys that are there; none are made, since no backup would open with them.
///
/// # Errors
/// `KeyFault` when a file is missing, altered, or readable by others.
pub fn open_keys(key_file: &Path, unseal_file: &Path) -> Result<Vault, KeyFault> {
    Ok(Vault::new(KeyRing::open(key_file, unseal_file, wall::now().0)?))
}
