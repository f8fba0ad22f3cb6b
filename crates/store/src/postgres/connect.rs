//! How connections are made, and which troubles pass.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::PostgresError;

/// How long a connection may take to come, or to become free.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    config: Config,
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
    /// `PostgresError::Address` when it is none; the error does not repeat it.
    pub fn parse(url: &str, schema: &str, connections: usize) -> Result<Self, PostgresError> {
        let mut config: Config = url.parse().map_err(|_| PostgresError::Address)?;
        let mut letters = schema.bytes();
        let starts = letters.next().is_some_and(|first| first.is_ascii_lowercase());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !starts || !letters.all(plain) || schema.len() > 48 {
            return Err(PostgresError::Address);
        }
        let disabled = url.contains("sslmode=disable");
        if !disabled && !config.get_hosts().iter().all(is_local) {
            config.ssl_mode(SslMode::Require);
        }
        config
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(CONNECT_TIMEOUT)
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .application_name("kunji");
        let spread = Spread::Together;
        Ok(Self { config, schema: schema.to_owned(), connections, spread })
    }

    /// The same database, another schema.
    #[must_use]
    pub fn with_schema(&self, schema: String) -> Self {
        Self { schema, ..self.clone() }
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
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
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match place.config.get_ssl_mode() == SslMode::Require {
        true => Manager::from_config(place.config.clone(), encrypted()?, recycling),
        false => Manager::from_config(place.config.clone(), NoTls, recycling),
    };
    let settings = format!(
        "SET search_path = \"{}\"; SET enable_seqscan = off; SET enable_hashjoin = off; \
         SET enable_mergejoin = off; SET plan_cache_mode = {plans}; \
         SET statement_timeout = '8s'; SET idle_in_transaction_session_timeout = '60s'",
        place.schema
    );
    let settings: Arc<str> = settings.into();
    let prepare = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
        let settings = Arc::clone(&settings);
        Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
    });
    let pool = Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .recycle_timeout(Some(CONNECT_TIMEOUT))
        .post_create(prepare);
    pool.build().map_err(|_| PostgresError::Address)
}

fn encrypted() -> Result<MakeRustlsConnect, PostgresError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|_| PostgresError::Tls)?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Whether the same may well succeed a little later: the connection, a failover, or others in the way.
pub(super) fn may_pass(error: &PostgresError) -> bool {
    let error = match error {
        PostgresError::Sql(error) => error,
        PostgresError::Pool(_) | PostgresError::Late(_) => return true,
        PostgresError::Address
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
