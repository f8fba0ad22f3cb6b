//! Which of several processes does what must be done by one: errands and webhooks.

use deadpool_postgres::{Client, Pool};
use tokio::sync::Mutex;

use super::PostgresError;

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
            if client.query_one("SELECT 1", &[]).await.is_ok() {
                return Ok(true);
            }
        }
        *held = None;
        let client = self.pool.get().await?;
        let leads = client.query_one(TRY, &[]).await?.try_get(0)?;
        if leads {
            *held = Some(client);
        }
        Ok(leads)
    }
}
