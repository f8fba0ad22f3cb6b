//! Which of several processes does what must be done by one: errands and webhooks.

use deadpool_postgres::{Client, Pool};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::PostgresError;
use super::connect::CONNECT_TIMEOUT;

/// Held by the process that leads, as long as its connection lives; one for each schema.
const TRY: &str = "SELECT pg_try_advisory_lock(hashtext('kunji lead ' || current_schema()))";

/// A place that one process holds; it falls free when the process or its connection ends.
pub(super) struct Lead {
    pool: Pool,
    held: Mutex<Option<Client>>,
}

impl Lead {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, held: Mutex::new(None) }
    }

    /// Whether this process leads now; tries to take the lead when nobody has it.
    pub(super) async fn is_held(&self) -> Result<bool, PostgresError> {
        let mut held = self.held.lock().await;
        if let Some(client) = held.as_ref() {
            // A lead whose connection is gone has been lost, though nobody was told.
            let alive = timeout(CONNECT_TIMEOUT, client.query_one("SELECT 1", &[])).await;
            if alive.is_ok_and(|answer| answer.is_ok()) {
                return Ok(true);
            }
        }
        // Not given back: with its connection the lock would come along.
        drop(held.take().map(Client::take));
        let client = self.pool.get().await?;
        let leads = timeout(CONNECT_TIMEOUT, client.query_one(TRY, &[])).await??.try_get(0)?;
        if leads {
            *held = Some(client);
        }
        Ok(leads)
    }
}
