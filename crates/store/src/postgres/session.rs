//! What each connection begins with: our settings, on a session that nobody else is given.
//!
//! ```text
//! start with the settings ──▶ they hold ──▶ ours from end to end
//!        └─ refused, or dropped: a pooler stands between
//!              └─ two connections at once ──▶ are given one session in turn ──▶ refused
//!                                        └─▶ have one each ──▶ the settings by statement
//! ```
//!
//! Settings that come with the start end with the connection, and never reach another client. A
//! pooler takes none. One that keeps sessions cleans them before the next client; one that shares
//! them by the transaction would hand our settings to others, so it is told apart before any is sent.

use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::sync::Arc;

use deadpool_postgres::{Connect, HookError};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

use super::address::{Address, CONNECT_TIMEOUT};

const PID: &str = "SELECT pg_backend_pid()";
/// Holds the session of a pooler that shares them; one that shares by the statement refuses it.
const HOLD: &str = "BEGIN; SELECT pg_backend_pid()";
/// Names the pool that a session was started by; where it does not come back, the start's settings
/// went nowhere.
const MARK: &str = "kunji.pool";

/// Why a pooler is refused.
pub(super) const SHARED: &str = "the address leads to a pooler that gives one session to several \
     clients in turn (pool_mode = transaction or statement): Kunji needs sessions of its own, so \
     name the server itself, or set pool_mode = session";

/// Where connections of one pool begin, and with which settings.
#[derive(Clone)]
pub(super) struct Start {
    address: Arc<Address>,
    settings: Arc<[(&'static str, String)]>,
}

impl Start {
    /// The settings hold neither blanks nor quotes.
    pub(super) fn new(address: Address, mut settings: Vec<(&'static str, String)>) -> Self {
        let mark = RandomState::new().hash_one(0);
        settings.push((MARK, format!("p{mark:x}")));
        Self { address: Arc::new(address), settings: settings.into() }
    }

    /// The address, with the settings behind the options that it names itself.
    fn with_settings(&self) -> Config {
        let mut config = self.address.config.clone();
        let mut options = config.get_options().unwrap_or_default().to_owned();
        for (name, value) in self.settings.iter() {
            options.push_str(&format!(" -c {name}={value}"));
        }
        config.options(options.trim_start());
        config
    }

    /// Sees to it that the settings hold on a new connection.
    pub(super) async fn settle(&self, client: &Client) -> Result<(), HookError> {
        if self.holds(client).await? {
            return Ok(());
        }
        let late = |_| HookError::message("the pooler gives no second session in time");
        let shared = timeout(CONNECT_TIMEOUT, self.is_shared(client)).await.map_err(late)?;
        if shared.map_err(HookError::Backend)? {
            return Err(HookError::message(SHARED));
        }
        let ours = self.settings.iter().filter(|(name, _)| *name != MARK);
        let set = ours.map(|(name, value)| format!("SET {name} = '{value}'"));
        let set = set.collect::<Vec<_>>().join("; ");
        client.batch_execute(&set).await.map_err(HookError::Backend)
    }

    async fn holds(&self, client: &Client) -> Result<bool, HookError> {
        let hold = self.settings.iter().map(|(name, value)| {
            format!("coalesce(current_setting('{name}', true), '') = '{value}'")
        });
        let hold = format!("SELECT {}", hold.collect::<Vec<_>>().join(" AND "));
        let said = first(client, &hold).await.map_err(HookError::Backend)?;
        Ok(said.as_deref() == Some("t"))
    }

    /// Whether two clients at once are given one session, or one client several.
    ///
    /// However the pooler picks a session: the one that it gave last, or each in its turn, one of
    /// these looks sees another one than before, or the same one at another's hands.
    async fn is_shared(&self, client: &Client) -> Result<bool, Error> {
        let ours = [first(client, PID).await?, first(client, PID).await?];
        let (other, connection) = dial(&self.address.config, &self.address).await?;
        let looked = async {
            match first(&other, HOLD).await {
                Err(error) if is_of_protocol(&error) => return Ok(true),
                held => {
                    let held = held?;
                    if ours.contains(&held) {
                        return Ok(true);
                    }
                }
            }
            let again = first(client, PID).await?;
            other.batch_execute("ROLLBACK").await?;
            Ok(ours.iter().any(|before| *before != again))
        };
        let looked = looked.await;
        connection.abort();
        looked
    }
}

type Dialled = Result<(Client, JoinHandle<()>), Error>;

impl Connect for Start {
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Dialled> + Send + '_>> {
        Box::pin(async move {
            match dial(&self.with_settings(), &self.address).await {
                Err(error) if is_of_protocol(&error) => {
                    dial(&self.address.config, &self.address).await
                }
                dialled => dialled,
            }
        })
    }
}

/// Whether the other end does not know what it was asked, as a pooler that takes no settings.
fn is_of_protocol(error: &Error) -> bool {
    let state = error.code();
    state.is_some_and(|state| {
        *state == SqlState::PROTOCOL_VIOLATION || *state == SqlState::FEATURE_NOT_SUPPORTED
    })
}

/// Connects; whoever asked owns the task that the connection runs in.
async fn dial(config: &Config, address: &Address) -> Dialled {
    // What breaks a connection is told to those who wait on it.
    match address.encryption.connector() {
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            Ok((client, tokio::spawn(async move { drop(connection.await) })))
        }
        Some(tls) => {
            let (client, connection) = config.connect(tls).await?;
            Ok((client, tokio::spawn(async move { drop(connection.await) })))
        }
    }
}

/// The first value that a statement without parameters answers.
async fn first(client: &Client, sql: &str) -> Result<Option<String>, Error> {
    let rows = client.simple_query(sql).await?;
    for message in rows {
        if let SimpleQueryMessage::Row(row) = message {
            return Ok(row.try_get(0)?.map(str::to_owned));
        }
    }
    Ok(None)
}
