//! PostgreSQL: several processes over one database, each with a writer that merges queued commits.
//!
//! ```text
//! commit ──▶ fits what is pending here? ──▶ queue ──▶ writer: one call, one transaction ──▶ answered
//! load   ──▶ one round trip; the record of a commit that is under way here goes first
//! ```
//!
//! A commit names the head that it rests on, by its hash. So a commit that was decided on another
//! one of this process that then does not fit, because another process was faster, does not fit
//! either; nobody needs to tell it. Receipts and used blocks are read from the database alone: what
//! is shown of them is durable.
//!
//! A batch carries a tag into its events. When the connection is lost on the way, the batch is sent
//! again, and what the tag proves to be there counts as written; only after [`WRITE_DEADLINE`] its
//! callers hear that the outcome is unknown.

mod address;
mod batch;
mod connect;
mod encryption;
mod lead;
mod migrate;
mod retire;
mod session;
mod walk;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use deadpool_postgres::{Client, Pool};
use kunji_core::audit::{ChainName, Head, Subject};
use kunji_core::errand::{Errand, ErrandKey, Lane};
use kunji_core::ids::{CredentialId, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::receipt::{Receipt, ReceiptKey};
use kunji_core::store::{
    Commit, Committed, ERRANDS_LEN_MAX, FaultKind, INDEX_LEN_MAX, Load, Loaded, OUTBOX_LEN_MAX,
    Reach, Record, Store, StoreFault,
};
use kunji_vault::Vault;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

pub use self::connect::{PostgresPlace, Spread};
use self::connect::{may_pass, pool, serving_pool};
use self::lead::Lead;
use self::migrate::Service;
pub use self::migrate::{Migrated, PostgresError, drop_schema, migrate};
pub use self::retire::Frozen;
use self::writer::{Told, Writer};
use crate::embedded::BatchReport;
use crate::entry::Entry;
use crate::pending::{Pending, Room};
use crate::rows::{self, Rows};
use crate::witness::{Stand, Witness};

/// How long a batch is sent again before its callers hear that nobody knows.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a read is tried again before it fails.
const READ_DEADLINE: Duration = Duration::from_secs(5);
/// The pause before something is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

const LOAD: &str = "SELECT (SELECT int8send(version) || head || row FROM record WHERE subject = $1), \
     (SELECT row FROM used WHERE name = $2 LIMIT 1), EXISTS (SELECT 1 FROM used WHERE name = ANY ($3)), \
     (SELECT max(seq) FROM event WHERE subject = $1)";
/// The same, asking for nothing that is not the subject's own.
pub const LOAD_SPREAD: &str = "SELECT (SELECT int8send(version) || head || row FROM record WHERE subject = $1), \
     (SELECT row FROM used WHERE subject = $1 AND name = $2), \
     EXISTS (SELECT 1 FROM used WHERE subject = $1 AND name = ANY ($3)), \
     (SELECT max(seq) FROM event WHERE subject = $1)";
const LOAD_TYPES: &[Type] = &[Type::BYTEA, Type::BYTEA, Type::BYTEA_ARRAY];
const RECORD: &str = "SELECT (SELECT int8send(version) || head || row FROM record WHERE subject = $1), \
     (SELECT max(seq) FROM event WHERE subject = $1)";
const RECEIPT: &str = "SELECT row FROM used WHERE name = $1 LIMIT 1";
const ITEMS: &str = "SELECT key, row FROM item WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3";
const FIRST: &str = "SELECT seq, row FROM event WHERE subject = $1 ORDER BY seq LIMIT 1";

/// The store in a PostgreSQL database, shared with other processes.
pub struct Postgres {
    place: PostgresPlace,
    rows: Rows,
    pool: Pool,
    pending: Arc<Mutex<Pending>>,
    stand: Stand,
    writer: Writer,
    lead: Lead,
}

impl Postgres {
    /// Connects, and looks whether the schema is the one of this build; rows are sealed by this vault.
    ///
    /// # Errors
    /// `PostgresError` when the database is out of reach, or its schema is missing, older or newer.
    pub fn open(
        place: PostgresPlace,
        on_batch: Option<BatchReport>,
        vault: Arc<Vault>,
    ) -> Result<Self, PostgresError> {
        match walk::apart(async || migrate::check(&pool(&place, 1)?, &vault).await)? {
            Service::Open => Self::over(place, on_batch, vault),
            Service::Retired => Err(PostgresError::Retired),
        }
    }

    /// The same for a store that may be retired: what is committed to it would be refused.
    ///
    /// # Errors
    /// `PostgresError` as for [`Postgres::open`], but for a retired one.
    pub fn open_to_read(place: PostgresPlace, vault: Arc<Vault>) -> Result<Self, PostgresError> {
        walk::apart(async || migrate::check(&pool(&place, 1)?, &vault).await)?;
        Self::over(place, None, vault)
    }

    fn over(
        place: PostgresPlace,
        on_batch: Option<BatchReport>,
        vault: Arc<Vault>,
    ) -> Result<Self, PostgresError> {
        let pending = Arc::new(Mutex::new(Pending::default()));
        let stand = Stand::default();
        let told = Told { on_batch, stand: stand.clone() };
        let writer = Writer::start(&place, Arc::clone(&pending), told)?;
        let lead = Lead::new(pool(&place, 1)?);
        let (rows, pool) = (Rows::new(vault), serving_pool(&place, place.connections)?);
        Ok(Self { place, rows, pool, pending, stand, writer, lead })
    }

    /// Whether this process is the one, of those over this schema, that runs errands and webhooks.
    ///
    /// # Errors
    /// `StoreFault` when the database is out of reach.
    pub async fn leads(&self) -> Result<bool, StoreFault> {
        self.lead.is_held().await.map_err(StoreFault::of("taking the lead"))
    }

    /// Lets a witness hear of each commit that becomes durable from now on; the first one stays.
    pub fn attach(&self, witness: Arc<dyn Witness>) {
        self.stand.take(witness);
    }

    /// Whether commits are still accepted.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.writer.is_running()
    }

    /// Connections that are open, and those of them that nobody uses now.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }

    fn pending(&self) -> Result<MutexGuard<'_, Pending>, StoreFault> {
        let poisoned = StoreFault::of("locking the pending commits");
        self.pending.lock().map_err(|_| poisoned("a thread panicked while it held the lock"))
    }

    /// One statement, one round trip; tried again while the trouble may pass.
    async fn query(
        &self,
        statement: &'static str,
        types: &[Type],
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreFault> {
        let end = tokio::time::Instant::now() + READ_DEADLINE;
        loop {
            let error = match self.query_once(statement, types, values).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            if !may_pass(&error) || tokio::time::Instant::now() >= end {
                return Err(StoreFault::of("reading from the database")(error));
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn query_once(
        &self,
        statement: &'static str,
        types: &[Type],
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, PostgresError> {
        let client = self.pool.get().await?;
        let asked = async {
            let statement = client.prepare_typed_cached(statement, types).await?;
            client.query(&statement, values).await
        };
        match tokio::time::timeout(READ_DEADLINE, asked).await {
            Ok(answer) => Ok(answer?),
            Err(late) => {
                // Whoever came next on this connection would wait behind the same question.
                drop(Client::take(client));
                Err(late.into())
            }
        }
    }

    /// Opens the rows between two keys, in their order.
    async fn items<T>(
        &self,
        (first, end): (Vec<u8>, Vec<u8>),
        len_max: usize,
        open: impl Fn(&[u8], &[u8]) -> Result<T, StoreFault>,
    ) -> Result<Vec<T>, StoreFault> {
        let len = i64::try_from(len_max).map_err(StoreFault::of("limiting a look"))?;
        let found = self.query(ITEMS, &[], &[&first, &end, &len]).await?;
        found.iter().map(|row| open(column(row, 0)?, column(row, 1)?)).collect()
    }

    /// How many subjects the database has shown at an earlier point than they were at.
    #[must_use]
    pub fn went_back(&self) -> usize {
        self.pending.lock().map_or(0, |pending| pending.back_len())
    }

    /// The one row of a look at a record, with the last event of its chain in this column. Where tables
    /// are spread, parts of a look may be of different instants; so a record that is not level with its
    /// chain is looked at again as long as it moves.
    async fn level(
        &self,
        (statement, place): (&'static str, usize),
        types: &[Type],
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, StoreFault> {
        let mut before = None;
        loop {
            let found = self.query(statement, types, values).await?.into_iter().next();
            let row = found.ok_or_else(|| StoreFault::of("looking")(rows::Damaged))?;
            let head = optional(&row, 0)?.map(rows::record_head).transpose()?.unwrap_or_default();
            if last(&row, place)? == head.seq || before == Some(head) {
                return Ok(row);
            }
            before = Some(head);
        }
    }

    /// A record as the database shows it, unless that is less than this process knew of before it
    /// asked.
    fn record(
        &self,
        chain: &ChainName,
        before: Option<Head>,
        (row, last): (Option<&[u8]>, u64),
    ) -> Result<Record, StoreFault> {
        let record = match row {
            Some(row) => self.rows.open_record(chain, row)?.1,
            None => Record::default(),
        };
        rows::ensure_level(chain, &record.head, last)?;
        match self.pending()?.judge(*chain, before, record.head) {
            false => Ok(record),
            true => {
                let (known, found) = (before.unwrap_or_default().seq, record.head.seq);
                let back = Back { chain: *chain, known, found };
                Err(StoreFault::with(FaultKind::WentBack, "reading a record")(back))
            }
        }
    }
}

/// The database forgot what it had said to be durable, or somebody put a subject back.
#[derive(Debug, thiserror::Error)]
#[error("chain {chain} had {known} events, and now the database shows another one of {found}")]
struct Back {
    chain: ChainName,
    known: u64,
    found: u64,
}

/// A column of bytes that cannot be null.
fn column(row: &Row, place: usize) -> Result<&[u8], StoreFault> {
    row.try_get(place).map_err(StoreFault::of("reading a column"))
}

fn optional(row: &Row, place: usize) -> Result<Option<&[u8]>, StoreFault> {
    row.try_get(place).map_err(StoreFault::of("reading a column"))
}

/// The number of a chain's last event; 0 where there is none.
fn last(row: &Row, place: usize) -> Result<u64, StoreFault> {
    let last: Option<i64> = row.try_get(place).map_err(StoreFault::of("reading a column"))?;
    u64::try_from(last.unwrap_or_default()).map_err(StoreFault::of("reading a column"))
}

impl Store for Postgres {
    async fn load(&self, load: &Load<'_>) -> Result<Loaded, StoreFault> {
        let chain = self.rows.chain(load.subject);
        let (pending, before) = {
            let pending = self.pending()?;
            (pending.record(&chain), pending.seen(&chain))
        };
        let name = load.receipt.map(|key| self.rows.receipt_key(key));
        let marks: Vec<_> = load.marks.iter().copied().map(rows::spent_key).collect();
        let statement = match (self.place.spread, load.reach) {
            (Spread::BySubject, Reach::Subject) => LOAD_SPREAD,
            (Spread::BySubject, Reach::Anywhere) | (Spread::Together, _) => LOAD,
        };
        let subject = &chain.0[..];
        let row = self.level((statement, 3), LOAD_TYPES, &[&subject, &name, &marks]).await?;
        let record = match pending {
            Some(record) => Record::clone(&record),
            None => self.record(&chain, before, (optional(&row, 0)?, last(&row, 3)?))?,
        };
        let receipt = match (&name, optional(&row, 1)?) {
            (Some(key), Some(row)) => Some(self.rows.open_receipt(key, row)?),
            (_, _) => None,
        };
        let spent = row.try_get(2).map_err(StoreFault::of("reading a column"))?;
        Ok(Loaded { record, receipt, spent })
    }

    async fn read(&self, subject: &Subject) -> Result<Record, StoreFault> {
        let chain = self.rows.chain(subject);
        let before = self.pending()?.seen(&chain);
        let row = self.level((RECORD, 1), &[], &[&&chain.0[..]]).await?;
        self.record(&chain, before, (optional(&row, 0)?, last(&row, 1)?))
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreFault> {
        let entry = Entry::of(commit, &self.rows)?;
        let queued = {
            let mut pending = self.pending()?;
            match pending.room_for(&entry) {
                Room::Free => Ok(self.writer.queue(entry, &mut pending)?),
                Room::Overtaken => return Ok(Committed::Conflict),
                Room::Named => Err(self.writer.next_round()),
            }
        };
        match queued {
            Ok(written) => {
                let gone = StoreFault::of("waiting for the writer");
                written.await.map_err(|_| gone("the writer has stopped"))?
            }
            // Whose name it is shows when the batch under way has ended: nobody spins until then.
            Err(mut round) => {
                // The writer is gone when this fails; the next commit says so.
                let _ = round.changed().await;
                Ok(Committed::Conflict)
            }
        }
    }

    async fn receipt(&self, key: &ReceiptKey) -> Result<Option<Receipt>, StoreFault> {
        let name = self.rows.receipt_key(key);
        let found = self.query(RECEIPT, &[], &[&name]).await?;
        found.first().map(|row| self.rows.open_receipt(&name, column(row, 0)?)).transpose()
    }

    async fn find(&self, key: &IndexKey) -> Result<Vec<CredentialId>, StoreFault> {
        let range = rows::range_of(self.rows.index_prefix(key)?);
        self.items(range, INDEX_LEN_MAX, |key, row| self.rows.open_index(key, row)).await
    }

    async fn outbox(&self, to: &Mobile) -> Result<Vec<Message>, StoreFault> {
        let range = rows::range_of(self.rows.message_prefix(to));
        self.items(range, OUTBOX_LEN_MAX, |key, row| self.rows.open(key, row)).await
    }

    async fn errands_after(
        &self,
        lane: &Lane,
        after: Option<&ErrandKey>,
    ) -> Result<Vec<Errand>, StoreFault> {
        let range = self.rows.errand_range(lane, after);
        self.items(range, ERRANDS_LEN_MAX, |key, row| self.rows.open(key, row)).await
    }
}
