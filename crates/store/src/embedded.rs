//! The embedded engine: fjall, with one writer that merges queued commits into durable batches.
//!
//! ```text
//! commit ──▶ checked against pending + disk ──▶ queue ──▶ writer: one batch, one sync ──▶ answered
//!             (under one short lock)                       (in the order of the checks)
//! load   ──▶ pending, else disk
//! ```
//!
//! A decision may be made on a commit that is not durable yet, but it is queued behind it, and a
//! batch is all or nothing: so what is answered is durable, and so is all that it rests on. After
//! a failed batch nothing is accepted any more until the store is opened again.

mod retire;
mod walk;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use fjall::config::{CompressionPolicy, PartitioningPolicy};
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Slice,
};
use kunji_core::audit::{ChainName, Head, Subject};
use kunji_core::errand::{Errand, ErrandKey, Lane};
use kunji_core::ids::{CredentialId, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::receipt::{Receipt, ReceiptKey};
use kunji_core::store::{
    Commit, Committed, ERRANDS_LEN_MAX, INDEX_LEN_MAX, Load, Loaded, OUTBOX_LEN_MAX, Record, Store,
    StoreFault,
};
use kunji_vault::Vault;

pub use self::retire::OpenRows;
use self::writer::Writer;
use crate::entry::Entry;
use crate::pending::{Pending, Room};
use crate::rows::{self, Rows};
use crate::witness::{Stand, Witness};

/// The format that this build reads and writes; a store of another one is refused.
///
/// | format | what is different |
/// |---|---|
/// | 1 | credentials only; nothing of accounts across banks |
/// | 2 | customers, numbers, addresses, captures, errands |
/// | 3 | rows are sealed, and kept under keyed names |
const FORMAT: u32 = 3;
/// The newest format whose rows are not sealed.
const FORMAT_OPEN: u32 = 2;
/// Stands in `meta` while the rows are being filled.
const FILLING: &str = "filling";
/// Stands in `meta` with what tells the keys of the store from others.
const KEYS: &str = "keys";
/// Stands in `meta` once another store took this one's place.
const RETIRED: &str = "retired";
/// Smallest journal that the engine accepts, and the one we ask for: fast to reopen.
const JOURNAL_BYTES: u64 = 128 * 1024 * 1024;

/// One that only writes memtables out, so that none waits for a long merge of tables (their memory,
/// and the journals that a start reads again, would grow meanwhile); one that merges; and one that
/// takes what need not be merged, since the first would hand it round and round.
const WORKERS: usize = 3;

/// Hears how many commits each batch carried.
pub type BatchReport = Arc<dyn Fn(usize) + Send + Sync>;

/// Memory that the engine may use; more than this only while a memtable is written out.
#[derive(Clone)]
pub struct EmbeddedSettings {
    /// Cache of blocks read from disk, in bytes.
    pub cache_bytes: u64,
    /// One memtable, in bytes; up to five are there while the disk cannot keep up.
    pub memtable_bytes: u64,
    /// Commits that one batch may merge.
    pub batch_len_max: usize,
    /// Called after each batch with the number of commits that it carried.
    pub on_batch: Option<BatchReport>,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            cache_bytes: 64 * 1024 * 1024,
            memtable_bytes: 16 * 1024 * 1024,
            batch_len_max: 512,
            on_batch: None,
        }
    }
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store {0} is in use by another process")]
    InUse(PathBuf),
    /// An older build wrote it.
    #[error(
        "the store {path} has format {found}, and this build reads {FORMAT}: export it with the build \
         that wrote it, and import the backup with this one (`kunji import --replaces`)"
    )]
    OlderFormat {
        /// Where it lies.
        path: PathBuf,
        /// What it says of itself.
        found: u32,
    },
    /// Another build wrote it.
    #[error("the store {path} has format {found}; this build reads {FORMAT}")]
    OtherFormat {
        /// Where it lies.
        path: PathBuf,
        /// What it says of itself.
        found: u32,
    },
    /// An import or a large seed of it did not come to its end.
    #[error("the store {0} was not filled to the end; remove it and fill it again")]
    HalfFilled(PathBuf),
    /// Another one took its place.
    #[error("the store {0} is retired: a restored one took its place")]
    Retired(PathBuf),
    /// Its rows are sealed by other keys.
    #[error("the key file is not the one that the store {0} began with")]
    OtherKeys(PathBuf),
    /// It has no readable format.
    #[error("the store {0} does not say what format it has")]
    Unmarked(PathBuf),
    /// The engine could not open it.
    #[error("the store {path} could not be opened")]
    Engine {
        /// Where it lies.
        path: PathBuf,
        /// What the engine said.
        #[source]
        source: fjall::Error,
    },
}

/// The embedded store; one process at a time.
pub struct Embedded {
    spaces: Arc<Spaces>,
    rows: Rows,
    pending: Arc<Mutex<Pending>>,
    stand: Stand,
    writer: Writer,
}

pub(crate) struct Spaces {
    database: Database,
    /// The format, and whether the rows are being filled.
    meta: Keyspace,
    /// Everything else: one tree, so that one memtable fills at a time.
    rows: Keyspace,
}

impl Embedded {
    /// Opens the store in a directory, and creates it there if the directory holds none; its rows are
    /// sealed by this vault.
    ///
    /// # Errors
    /// `OpenError` when it is in use, damaged, or written by another build.
    pub fn open(
        path: &Path,
        settings: EmbeddedSettings,
        vault: Arc<Vault>,
    ) -> Result<Self, OpenError> {
        let spaces = Spaces::open(path, &settings)?;
        match spaces.is_retired() {
            Ok(false) => Self::over(spaces, path, settings, vault),
            Ok(true) => Err(OpenError::Retired(path.to_owned())),
            Err(source) => Err(OpenError::Engine { path: path.to_owned(), source }),
        }
    }

    fn over(
        spaces: Spaces,
        path: &Path,
        settings: EmbeddedSettings,
        vault: Arc<Vault>,
    ) -> Result<Self, OpenError> {
        spaces.know(&vault, path)?;
        let spaces = Arc::new(spaces);
        let pending = Arc::new(Mutex::new(Pending::default()));
        let stand = Stand::default();
        let (shared, waiting) = (Arc::clone(&spaces), Arc::clone(&pending));
        let writer = Writer::start(shared, waiting, settings, stand.clone())
            .map_err(|source| OpenError::Engine { path: path.to_owned(), source: source.into() })?;
        Ok(Self { spaces, rows: Rows::new(vault), pending, stand, writer })
    }

    /// Whether nobody was ever seeded or created here.
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read.
    pub fn is_empty(&self) -> Result<bool, StoreFault> {
        self.spaces.rows.is_empty().map_err(StoreFault::of("looking for rows"))
    }

    /// Lets a witness hear of each commit that becomes durable from now on; the first one stays.
    pub fn attach(&self, witness: Arc<dyn Witness>) {
        self.stand.take(witness);
    }

    /// Whether commits are still accepted: not after a failed batch.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.writer.is_running()
    }

    fn pending(&self) -> Result<MutexGuard<'_, Pending>, StoreFault> {
        let poisoned = StoreFault::of("locking the pending commits");
        self.pending.lock().map_err(|_| poisoned("a thread panicked while it held the lock"))
    }

    /// Whether the commit still fits; under the lock, so that nobody comes between.
    fn fits(&self, pending: &Pending, entry: &Entry) -> Result<bool, StoreFault> {
        if pending.room_for(entry) != Room::Free {
            return Ok(false);
        }
        // What is pending for the subject has been compared already.
        if pending.head(&entry.chain).is_none() && self.spaces.head(&entry.chain)? != entry.expected
        {
            return Ok(false);
        }
        let names = entry.receipt.iter().map(|(key, _)| key).chain(&entry.spent);
        for key in names {
            if self.spaces.holds(key)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// How tables are laid out, from the first row on; a store keeps what it began with.
fn table_settings(settings: &EmbeddedSettings) -> KeyspaceCreateOptions {
    // Index and filters in blocks like those of the data: what is read of them lies in the cache,
    // within its bounds. Whole, they are megabytes for each table, and a large store would read
    // them again and again.
    let parts = PartitioningPolicy::all(true);
    // Only the newest tables, which are soon written again, are left as they are.
    let packed = CompressionPolicy::new([CompressionType::None, CompressionType::Lz4]);
    KeyspaceCreateOptions::default()
        .max_memtable_size(settings.memtable_bytes)
        .index_block_partitioning_policy(parts.clone())
        .filter_block_partitioning_policy(parts)
        .data_block_compression_policy(packed)
}

impl Spaces {
    fn open(path: &Path, settings: &EmbeddedSettings) -> Result<Self, OpenError> {
        Self::open_of(FORMAT, path, settings)
    }

    fn open_of(format: u32, path: &Path, settings: &EmbeddedSettings) -> Result<Self, OpenError> {
        let broke = |source| match matches!(source, fjall::Error::Locked) {
            true => OpenError::InUse(path.to_owned()),
            false => OpenError::Engine { path: path.to_owned(), source },
        };
        let database = Database::builder(path)
            .cache_size(settings.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(WORKERS)
            .manual_journal_persist(true)
            .open()
            .map_err(broke)?;
        let keyspace = |name| database.keyspace(name, || table_settings(settings)).map_err(broke);
        // A first start that was cut short left at most this keyspace, without a format in it.
        let fresh = database.list_keyspace_names().iter().all(|name| &**name == "meta");
        let meta = keyspace("meta")?;
        match meta.get("format").map_err(broke)? {
            None if fresh => {
                meta.insert("format", FORMAT.to_be_bytes()).map_err(broke)?;
                database.persist(PersistMode::SyncAll).map_err(broke)?;
            }
            None => return Err(OpenError::Unmarked(path.to_owned())),
            Some(bytes) => match <[u8; 4]>::try_from(&bytes[..]).map(u32::from_be_bytes) {
                Ok(found) if found == format => {}
                Ok(found) if found < FORMAT => {
                    return Err(OpenError::OlderFormat { path: path.to_owned(), found });
                }
                Ok(found) => return Err(OpenError::OtherFormat { path: path.to_owned(), found }),
                Err(_) => return Err(OpenError::Unmarked(path.to_owned())),
            },
        }
        if meta.contains_key(FILLING).map_err(broke)? {
            return Err(OpenError::HalfFilled(path.to_owned()));
        }
        Ok(Self { rows: keyspace("rows")?, meta, database })
    }

    /// Makes sure that the rows are sealed by these keys, which is noted at the first start.
    fn know(&self, vault: &Vault, path: &Path) -> Result<(), OpenError> {
        let broke = |source| OpenError::Engine { path: path.to_owned(), source };
        let keys = vault.row_name(rows::KEYS);
        match self.meta.get(KEYS).map_err(broke)? {
            None => {
                self.meta.insert(KEYS, keys).map_err(broke)?;
                self.database.persist(PersistMode::SyncAll).map_err(broke)
            }
            Some(known) if *known == keys => Ok(()),
            Some(_) => Err(OpenError::OtherKeys(path.to_owned())),
        }
    }

    fn holds(&self, key: &[u8]) -> Result<bool, StoreFault> {
        self.rows.contains_key(key).map_err(StoreFault::of("looking for a row"))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Slice>, StoreFault> {
        self.rows.get(key).map_err(StoreFault::of("reading a row"))
    }

    fn head(&self, chain: &ChainName) -> Result<Head, StoreFault> {
        let row = self.get(&rows::record_key(chain))?;
        row.map_or_else(|| Ok(Head::default()), |row| rows::record_head(&row))
    }
}

impl Embedded {
    fn record(&self, chain: &ChainName) -> Result<Record, StoreFault> {
        let key = rows::record_key(chain);
        let opened = |row: Option<Slice>| match row {
            Some(row) => self.rows.open_record(chain, &row).map(|(_, record)| record),
            None => Ok(Record::default()),
        };
        let record = opened(self.spaces.get(&key)?)?;
        if !self.spaces.holds(&rows::event_key(chain, record.head.seq.saturating_add(1)))? {
            return Ok(record);
        }
        // A batch may be half seen by two looks. One instant shows all of it or nothing.
        let read = || StoreFault::of("reading a row");
        let instant = self.spaces.database.snapshot();
        let record = opened(instant.get(&self.spaces.rows, &key).map_err(read())?)?;
        let next = record.head.seq.saturating_add(1);
        let event = rows::event_key(chain, next);
        if instant.contains_key(&self.spaces.rows, &event).map_err(read())? {
            rows::ensure_level(chain, &record.head, next)?;
        }
        Ok(record)
    }

    fn kept(&self, key: &[u8]) -> Result<Option<Receipt>, StoreFault> {
        self.spaces.get(key)?.map(|row| self.rows.open_receipt(key, &row)).transpose()
    }
}

impl Store for Embedded {
    async fn load(&self, load: &Load<'_>) -> Result<Loaded, StoreFault> {
        let chain = self.rows.chain(load.subject);
        let key = load.receipt.map(|key| self.rows.receipt_key(key));
        let marks: Vec<_> = load.marks.iter().copied().map(rows::spent_key).collect();
        let (record, receipt, mut spent) = {
            let pending = self.pending()?;
            let receipt = key.as_ref().and_then(|key| pending.receipt(key));
            let spent = marks.iter().any(|mark| pending.is_spent(mark));
            (pending.record(&chain), receipt, spent)
        };
        let record = match record {
            Some(record) => Record::clone(&record),
            None => self.record(&chain)?,
        };
        let receipt = match (receipt, key) {
            (Some(receipt), _) => Some(Receipt::clone(&receipt)),
            (None, Some(key)) => self.kept(&key)?,
            (None, None) => None,
        };
        for mark in &marks {
            spent = spent || self.spaces.holds(mark)?;
        }
        Ok(Loaded { record, receipt, spent })
    }

    async fn read(&self, subject: &Subject) -> Result<Record, StoreFault> {
        self.record(&self.rows.chain(subject))
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreFault> {
        let entry = Entry::of(commit, &self.rows)?;
        let queued = {
            let mut pending = self.pending()?;
            match self.fits(&pending, &entry)? {
                true => Some(self.writer.queue(entry, &mut pending)?),
                false => None,
            }
        };
        let Some(durable) = queued else {
            return Ok(Committed::Conflict);
        };
        let gone = StoreFault::of("waiting for the writer");
        durable.await.map_err(|_| gone("the writer has stopped"))??;
        Ok(Committed::Done)
    }

    async fn receipt(&self, key: &ReceiptKey) -> Result<Option<Receipt>, StoreFault> {
        self.kept(&self.rows.receipt_key(key))
    }

    async fn find(&self, key: &IndexKey) -> Result<Vec<CredentialId>, StoreFault> {
        let found = self.spaces.rows.prefix(self.rows.index_prefix(key)?).take(INDEX_LEN_MAX);
        found
            .map(|row| {
                let (key, row) = row.into_inner().map_err(StoreFault::of("reading an index"))?;
                self.rows.open_index(&key, &row)
            })
            .collect()
    }

    async fn outbox(&self, to: &Mobile) -> Result<Vec<Message>, StoreFault> {
        let newest = self.spaces.rows.prefix(self.rows.message_prefix(to)).take(OUTBOX_LEN_MAX);
        newest
            .map(|row| {
                let (key, row) = row.into_inner().map_err(StoreFault::of("reading a message"))?;
                self.rows.open(&key, &row)
            })
            .collect()
    }

    async fn errands_after(
        &self,
        lane: &Lane,
        after: Option<&ErrandKey>,
    ) -> Result<Vec<Errand>, StoreFault> {
        let (first, end) = self.rows.errand_range(lane, after);
        let lane = self.spaces.rows.range(first..end).take(ERRANDS_LEN_MAX);
        lane.map(|row| {
            let (key, row) = row.into_inner().map_err(StoreFault::of("reading an errand"))?;
            self.rows.open(&key, &row)
        })
        .collect()
    }
}
