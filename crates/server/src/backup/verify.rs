//! Proves a backup without loading it.

use std::io::Read;

use kunji_core::backup::{Findings, RowsCheck};
use kunji_core::time::Millis;
use kunji_vault::Vault;

use super::rows::{ReadError, Rows};

/// A backup that was read from end to end.
#[derive(Debug)]
pub struct Verified {
    /// How people and the audit call it.
    pub name: String,
    /// The instant of the state within.
    pub at: Millis,
    /// What is in it, and what of that is broken.
    pub findings: Findings,
}

/// Opens every chunk, reads every row and checks every chain against its record.
///
/// # Errors
/// `ReadError` when it is not a whole backup of these keys.
pub fn verify(vault: &Vault, source: impl Read) -> Result<Verified, ReadError> {
    let reader = vault.open_backup(source)?;
    let (name, at) = (reader.name().to_owned(), Millis(reader.at_ms()));
    let mut rows = Rows::new(reader)?;
    let mut check = RowsCheck::start(vault, rows.format());
    while let Some(row) = rows.next()? {
        check.take(&row);
    }
    Ok(Verified { name, at, findings: check.finish(&rows.counted()) })
}
