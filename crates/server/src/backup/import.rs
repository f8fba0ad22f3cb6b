//! Loads a backup into an empty store, every counter at its strictest.
//!
//! The file is proved whole before the first row is written. The replaced store is retired after
//! the last row and before the new store may be opened: there is never a time in which both can be
//! used, so that nobody has guesses in each of them.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::mpsc::sync_channel;
use std::thread::ScopedJoinHandle;

use kunji_core::audit::{EventError, Subject};
use kunji_core::backup::{Restorer, Since};
use kunji_core::ids::{Caller, IdError};
use kunji_core::rules::Rules;
use kunji_core::store::{Intake, Record, Row, StoreFault};
use kunji_core::time::Millis;
use kunji_store::Replaced;
use kunji_vault::Vault;

use super::others::{AHEAD_LEN, Others, hand_over};
use super::rows::{ReadError, Rows};
use super::verify::{Verified, verify};
use crate::wall;

/// Bytes that are read from the file at once.
const READ_LEN: usize = 256 * 1024;
const WORK: &str = "loading the backup";

/// Why a backup was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is not a whole backup of these keys; nothing was written.
    #[error(transparent)]
    Backup(#[from] ReadError),
    /// It is whole, but what was backed up was not; nothing was written.
    #[error("the backup does not hold, and nothing was loaded: {0}")]
    Broken(String),
    /// The file cannot be read.
    #[error("the backup cannot be read")]
    Io(#[from] std::io::Error),
    /// The store cannot be written, or the replaced one not retired.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// Our own name is none.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// What was loaded.
#[derive(Debug, Default)]
pub struct Imported {
    /// How people and the audit call the backup.
    pub name: String,
    /// The instant of the state within, as people write it.
    pub at: String,
    /// Rows that are in the store now.
    pub rows: u64,
    /// Credentials and customers that nothing happened to since.
    pub unchanged: u64,
    /// Those that are kept at the strictest of both stores.
    pub strictest: u64,
    /// Those of which nothing is known since: blocked for one window.
    pub unknown: u64,
    /// Subjects that the replaced store has and the backup has not.
    pub newer: u64,
    /// Why the replaced store could not be read to its end, if so.
    pub unread: Option<StoreFault>,
}

/// A backup that was read from end to end, ready to be loaded.
pub struct Proved<'a> {
    vault: &'a Vault,
    file: &'a mut File,
    name: String,
    at: Millis,
}

/// Proves a backup whole, before anybody is disturbed for it.
///
/// # Errors
/// `ImportError` when it is not a whole backup of these keys, or what is in it does not hold.
pub fn prove<'a>(vault: &'a Vault, file: &'a mut File) -> Result<Proved<'a>, ImportError> {
    let source = BufReader::with_capacity(READ_LEN, &*file);
    let Verified { name, at, findings } = verify(vault, source)?;
    match findings.breaks.first() {
        Some(first) => Err(ImportError::Broken(first.clone())),
        None => Ok(Proved { vault, file, name, at }),
    }
}

impl Proved<'_> {
    /// Loads the backup; blocks its caller.
    ///
    /// # Errors
    /// `ImportError` says what broke. A store that was begun and not filled does not open.
    pub fn load(
        self,
        (store, replaced): (&impl Intake, Option<&Replaced>),
        (rules, now): (&Rules, Millis),
    ) -> Result<Imported, ImportError> {
        let Self { vault, file, name, at } = self;
        file.seek(SeekFrom::Start(0))?;
        let reader = vault.open_backup(BufReader::with_capacity(READ_LEN, &*file));
        let rows = Rows::new(reader.map_err(ReadError::from)?)?;
        // A clock that is behind the backup would end its blocks too early.
        let (now, at) = (now.max(at), wall::iso(at));
        let backup = format!("backup {name} of {at}");
        let restorer = Restorer { rules, now, caller: Caller::parse("service")?, backup };
        // What took its place may have served since, with tries of its own.
        let unread = match replaced {
            None => None,
            Some(replaced) if replaced.is_retired()? => {
                Some("it is retired: another store took its place before")
            }
            // Their chains come in different orders, and neither can be held whole.
            Some(replaced) if replaced.format() != rows.format() => {
                Some("its rows are of another format than those of the backup")
            }
            Some(_) => None,
        };
        let imported = Imported { name, at, ..Imported::default() };
        std::thread::scope(|threads| {
            let (records, walking) = match replaced.filter(|_| unread.is_none()) {
                None => (None, None),
                Some(replaced) => {
                    let (out, records) = sync_channel(AHEAD_LEN);
                    (Some(records), Some(threads.spawn(move || hand_over((replaced, vault), &out))))
                }
            };
            let others = Others::new(records);
            let mut load =
                Load { vault, rows, restorer, others, ready: None, served: false, imported };
            let filled = store.fill(&mut || match load.next()? {
                Some(row) => Ok(Some(row)),
                None => {
                    load.others.end();
                    replaced.map_or(Ok(()), Replaced::retire)?;
                    Ok(None)
                }
            });
            let Load { others, mut imported, .. } = load;
            imported.newer = others.passed;
            // Whoever still walks ends with this.
            drop(others);
            imported.rows = filled?;
            imported.unread = match walking.map(ScopedJoinHandle::join) {
                None => unread.map(StoreFault::of("reading the replaced store")),
                Some(Ok(Ok(()))) => None,
                Some(Ok(Err(fault))) => Some(fault),
                Some(Err(_)) => Some(StoreFault::of(WORK)("a thread panicked")),
            };
            Ok(imported)
        })
    }
}

/// The rows on their way from the backup into the store.
struct Load<'a, R> {
    vault: &'a Vault,
    rows: Rows<R>,
    restorer: Restorer<'a>,
    others: Others,
    /// The record that follows its own last event.
    ready: Option<Row>,
    /// Whether the service's own record has passed.
    served: bool,
    imported: Imported,
}

impl<R: Read> Load<'_, R> {
    fn next(&mut self) -> Result<Option<Row>, StoreFault> {
        if let Some(row) = self.ready.take() {
            return Ok(Some(row));
        }
        match self.rows.next().map_err(StoreFault::of(WORK))? {
            Some(Row::Record(subject, record)) => self.record(subject, *record).map(Some),
            Some(row) => Ok(Some(row)),
            None if self.served => Ok(None),
            // A store that was never started tells of the restore all the same.
            None => self.record(Subject::Service, Record::default()).map(Some),
        }
    }

    fn record(&mut self, subject: Subject, record: Record) -> Result<Row, StoreFault> {
        self.served = self.served || subject == Subject::Service;
        let order = self.rows.format().order_of(self.vault, &subject);
        let other = self.others.find(&order);
        let restored = self.restorer.restore(&subject, record, other.as_ref());
        let restored = restored.map_err(|error: EventError| StoreFault::of(WORK)(error))?;
        if matches!(subject, Subject::Credential(_) | Subject::Customer(_)) {
            let count = match restored.since {
                Since::Nothing => &mut self.imported.unchanged,
                Since::Known => &mut self.imported.strictest,
                Since::Unknown => &mut self.imported.unknown,
            };
            *count = count.saturating_add(1);
        }
        let record = Row::Record(subject.clone(), Box::new(restored.record));
        Ok(match restored.event {
            None => record,
            Some(encoded) => {
                self.ready = Some(record);
                Row::Event(subject, encoded)
            }
        })
    }
}
