//! Where a database is, how its connections are made, and which troubles pass.

use deadpool_postgres::{
    ClientWrapper, Hook, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime,
};
use tokio_postgres::error::SqlState;

use super::PostgresError;
use super::address::Address;
pub(super) use super::address::CONNECT_TIMEOUT;
use super::encryption::Encryption;
use super::session::Start;

/// How the tables lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spread {
    /// In one place: one call writes commits of many subjects.
    #[default]
    Together,
    /// By subject, over partitions or machines: each call is about one subject.
    BySubject,
}

/// Which database, which schema in it, and with how many connections for reading.
#[derive(Debug, Clone)]
pub struct PostgresPlace {
    address: Address,
    /// The schema: small letters, digits and underscores.
    pub schema: String,
    /// Connections for reading; one more writes, or as many where tables are spread.
    pub connections: usize,
    /// How the tables lie.
    pub spread: Spread,
}

impl PostgresPlace {
    /// Reads a `postgres://` address. It leads to the server that takes writes, and over TLS unless
    /// the server is on this machine or the address says `sslmode=disable`.
    ///
    /// # Errors
    /// `PostgresError::Address`, or `::Parameter` for one part of it; neither repeats a value.
    pub fn parse(url: &str, schema: &str, connections: usize) -> Result<Self, PostgresError> {
        let mut letters = schema.bytes();
        let starts = letters.next().is_some_and(|first| first.is_ascii_lowercase());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !starts || !letters.all(plain) || schema.len() > 48 {
            return Err(PostgresError::Address);
        }
        let (address, spread) = (Address::parse(url)?, Spread::Together);
        Ok(Self { address, schema: schema.to_owned(), connections, spread })
    }

    /// The same database, another schema.
    #[must_use]
    pub fn with_schema(&self, schema: String) -> Self {
        Self { schema, ..self.clone() }
    }

    /// Whether what is sent there leaves this machine in clear.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        matches!(self.address.encryption, Encryption::None) && !self.address.is_here
    }
}

/// Connections that look into the schema only, for work that comes once.
pub(super) fn pool(place: &PostgresPlace, size: usize) -> Result<Pool, PostgresError> {
    pool_with(place, size, "auto")
}

/// The same for what is asked again and again.
///
/// On one server the plans are made once, while tables may still be small, and fit when they are
/// large. What plans for many machines must see the values: it finds by them where a subject lies.
pub(super) fn serving_pool(place: &PostgresPlace, size: usize) -> Result<Pool, PostgresError> {
    match place.spread {
        Spread::Together => pool_with(place, size, "force_generic_plan"),
        Spread::BySubject => pool_with(place, size, "force_custom_plan"),
    }
}

fn pool_with(place: &PostgresPlace, size: usize, plans: &str) -> Result<Pool, PostgresError> {
    // Values as the server writes them itself: they are compared with what holds.
    let settings = [
        ("search_path", place.schema.as_str()),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("plan_cache_mode", plans),
        ("statement_timeout", "8s"),
        ("idle_in_transaction_session_timeout", "1min"),
    ];
    let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
    let start = Start::new(place.address.clone(), settings);
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_connect(place.address.config.clone(), start.clone(), recycling);
    let settle = Hook::async_fn(move |client: &mut ClientWrapper, _| {
        let start = start.clone();
        Box::pin(async move { start.settle(client).await })
    });
    let pool = Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .recycle_timeout(Some(CONNECT_TIMEOUT))
        .post_create(settle);
    pool.build().map_err(|_| PostgresError::Address)
}

/// Whether the same may well succeed a little later: the connection, a failover, or others in the way.
pub(super) fn may_pass(error: &PostgresError) -> bool {
    let error = match error {
        PostgresError::Sql(error) => error,
        PostgresError::Pool(_) | PostgresError::Late(_) => return true,
        PostgresError::Address
        | PostgresError::Parameter { .. }
        | PostgresError::Shared
        | PostgresError::Tls
        | PostgresError::Missing
        | PostgresError::Older(_)
        | PostgresError::Open
        | PostgresError::OtherKeys
        | PostgresError::Newer(_)
        | PostgresError::HalfFilled
        | PostgresError::Retired
        | PostgresError::Threads
        | PostgresError::NotEmpty => return false,
    };
    let Some(state) = error.code() else {
        // Not the server's word: the connection broke.
        return true;
    };
    let class = state.code().get(..2).unwrap_or_default();
    // 08: connection; 40: serialization, deadlock; 53: resources; 57: operator, shutdown, timeout;
    // 23505: two writers used one name at once; 25006: a standby, after a failover.
    matches!(class, "08" | "40" | "53" | "57")
        || *state == SqlState::UNIQUE_VIOLATION
        || *state == SqlState::READ_ONLY_SQL_TRANSACTION
        || *state == SqlState::LOCK_NOT_AVAILABLE
}
