//! Takes a database out of service: nobody commits while another store takes its place, nor after.
//!
//! A transaction holds a lock on the records that lets others read and makes writers wait. Either it
//! ends with a guard in place that refuses every commit, also of processes that still run; or it is
//! rolled back, and all is as before.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use deadpool_postgres::Transaction;
use kunji_core::audit::Subject;
use kunji_core::backup::RowFormat;
use kunji_core::store::{Record, StoreFault, Survey as _};
use kunji_vault::Vault;

use super::connect::{PostgresPlace, pool};
use super::migrate::{self, SCHEMA_OPEN};
use super::walk::{apart, apart_here};
use super::{Postgres, PostgresError};
use crate::replaced::open_record;

/// The statement timeout of every connection bounds the wait for the lock.
const FREEZE: &str = "SET LOCAL idle_in_transaction_session_timeout = 0; \
     LOCK TABLE record IN SHARE ROW EXCLUSIVE MODE";
/// A trigger lets readers go on while it is made.
const GUARD: &str = "CREATE OR REPLACE FUNCTION refuse_retired() RETURNS trigger \
         LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'this store is retired'; END $$; \
     CREATE OR REPLACE TRIGGER retired BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON record \
         FOR EACH STATEMENT EXECUTE FUNCTION refuse_retired()";
/// A distributed table takes no triggers, but a constraint that no new row meets.
const GUARD_SPREAD: &str = "ALTER TABLE record DROP CONSTRAINT IF EXISTS this_store_is_retired; \
     ALTER TABLE record ADD CONSTRAINT this_store_is_retired CHECK (false) NOT VALID";
const RETIRE: &str = "INSERT INTO meta VALUES ('retired', 1) ON CONFLICT DO NOTHING";

/// Whether the tables are Citus's: the replaced store's settings are not at hand. The catalog is
/// asked for by its name alone, where there may be none.
const CATALOG: &str = "SELECT to_regclass('pg_dist_partition') IS NOT NULL";
const DISTRIBUTED: &str =
    "SELECT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'record'::regclass)";

/// Asked under the lock, so that of two who freeze a store the second one hears of the first.
const RETIRED: &str = "SELECT EXISTS (SELECT 1 FROM meta WHERE name = 'retired')";

type Answer = SyncSender<Result<(), PostgresError>>;
/// Whether the store was retired before.
type Ready = SyncSender<Result<bool, PostgresError>>;

/// A store in which nobody commits as long as this lives.
pub struct Frozen {
    store: Postgres,
    orders: SyncSender<Answer>,
    was_retired: bool,
    format: RowFormat,
}

impl Frozen {
    /// Makes all writers wait.
    ///
    /// # Errors
    /// `PostgresError` when the database is out of reach, has no schema that this build reads, or a
    /// writer does not let go.
    pub fn freeze(place: PostgresPlace, vault: Arc<Vault>) -> Result<Self, PostgresError> {
        let format = apart(async || {
            let pool = pool(&place, 1)?;
            if migrate::look(&pool).await?.0 == SCHEMA_OPEN {
                return Ok(RowFormat::Open);
            }
            migrate::check(&pool, &vault).await.map(|_| RowFormat::Sealed)
        })?;
        let store = Postgres::over(place.clone(), None, vault)?;
        let ((orders, ordered), (ready, frozen)) = (sync_channel(1), sync_channel(1));
        std::thread::Builder::new()
            .name("kunji-frozen-store".to_owned())
            .spawn(move || hold(&place, &ready, &ordered))
            .map_err(|_| PostgresError::Threads)?;
        let was_retired = frozen.recv().map_err(|_| PostgresError::Threads)??;
        Ok(Self { store, orders, was_retired, format })
    }

    /// Whether another store took its place before.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.was_retired
    }

    /// Retires the store: nobody opens it for service any more, and who has it open commits nothing.
    ///
    /// # Errors
    /// `PostgresError` when that is not durable; it may be all the same, where the connection broke.
    pub fn retire(&self) -> Result<(), PostgresError> {
        let (answer, answered) = sync_channel(1);
        self.orders.send(answer).map_err(|_| PostgresError::Threads)?;
        answered.recv().map_err(|_| PostgresError::Threads)?
    }
}

fn hold(place: &PostgresPlace, ready: &Ready, ordered: &Receiver<Answer>) {
    let held = apart_here(async || {
        let pool = pool(place, 1)?;
        let mut client = pool.get().await?;
        let work = client.transaction().await?;
        work.batch_execute(FREEZE).await?;
        let was_retired = work.query_one(RETIRED, &[]).await?.try_get(0)?;
        // Whoever waits for either answer has not left: both are sent once, and have room.
        let _ = ready.send(Ok(was_retired));
        let Ok(answer) = ordered.recv() else { return Ok(()) };
        let retired = async {
            let guard = match is_distributed(&work).await? {
                true => GUARD_SPREAD,
                false => GUARD,
            };
            work.batch_execute(guard).await?;
            work.execute(RETIRE, &[]).await?;
            Ok(work.commit().await?)
        };
        let _ = answer.send(retired.await);
        Ok(())
    });
    if let Err(fault) = held {
        let _ = ready.send(Err(fault));
    }
}

async fn is_distributed(work: &Transaction<'_>) -> Result<bool, PostgresError> {
    let citus = work.query_one(CATALOG, &[]).await?.try_get(0)?;
    Ok(citus && work.query_one(DISTRIBUTED, &[]).await?.try_get(0)?)
}

impl Frozen {
    /// How its rows are written, and in which order they come.
    #[must_use]
    pub fn format(&self) -> RowFormat {
        self.format
    }

    /// Shows all records.
    ///
    /// # Errors
    /// `StoreFault` when one cannot be read, and whatever `look` returns.
    pub fn each_record(
        &self,
        look: &mut dyn FnMut(Subject, Record) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        match self.format {
            RowFormat::Sealed => self.store.each_record(look),
            RowFormat::Open => self.store.each_open_record(&mut |(subject, row)| {
                let (subject, record) = open_record(&subject, &row)?;
                look(subject, record)
            }),
        }
    }
}
