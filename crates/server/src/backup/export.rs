//! Writes the rows of one instant into a backup.

use std::io::Write;

use kunji_core::audit::Action;
use kunji_core::backup::{RowError, Tally, append_row};
use kunji_core::engine::{Engine, Fault, Workers};
use kunji_core::ids::Caller;
use kunji_core::store::{Scope, Store, StoreFault, Survey};
use kunji_vault::{BackupError, BackupWriter};
use tokio::runtime::Handle;

use crate::clock::ServiceClock;

/// Bytes after which a chunk is sealed; the row that passes them goes with it.
const CHUNK_LEN: usize = 128 * 1024;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The event that tells of it cannot be written, or the store cannot be read.
    #[error("the export broke")]
    Fault(#[from] Fault),
    /// The backup cannot be written.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A row cannot be put into bytes.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// What was written.
#[derive(Debug)]
pub struct Exported<O> {
    /// How people and the audit call it.
    pub name: String,
    /// What is in it.
    pub tally: Tally,
    /// Where it was written.
    pub out: O,
}

/// Leaves an event, then writes all rows of one instant; blocks its caller, a thread that no
/// runtime works on.
///
/// # Errors
/// `ExportError` says what broke; what was written is then no backup.
pub fn export<S: Store + Survey, W: Workers, O: Write>(
    engine: &Engine<S, ServiceClock, W>,
    runtime: &Handle,
    out: O,
) -> Result<Exported<O>, ExportError> {
    let writer = engine.vault.begin_backup(engine.clock.now().0, out)?;
    let name = writer.name();
    let caller = Caller::parse("service").map_err(Fault::from)?;
    // Before the walk, so that a backup holds its own event, and an attempt leaves one too.
    runtime.block_on(engine.note(caller, Action::Exported, format!("backup {name}")))?;
    let (out, tally) = write(&engine.store, writer)?;
    Ok(Exported { name, tally, out })
}

fn write<O: Write>(
    store: &impl Survey,
    mut writer: BackupWriter<O>,
) -> Result<(O, Tally), ExportError> {
    let (mut tally, mut chunk) = (Tally::default(), Vec::with_capacity(2 * CHUNK_LEN));
    store
        .survey(Scope::Everything, &mut |row| {
            tally.count(&row);
            let work = "writing the backup";
            chunk = append_row(&row, std::mem::take(&mut chunk)).map_err(StoreFault::of(work))?;
            match chunk.len() < CHUNK_LEN {
                true => Ok(()),
                false => writer.write(&mut chunk).map_err(StoreFault::of(work)),
            }
        })
        .map_err(Fault::from)?;
    writer.write(&mut chunk)?;
    Ok((writer.finish(tally.encode()?)?, tally))
}
