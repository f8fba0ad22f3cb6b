//! The schema: which one this build speaks, and how a database comes to it.

use deadpool_postgres::{HookError, Pool, PoolError};
use kunji_vault::Vault;

use super::connect::{PostgresPlace, pool};
use super::session::SHARED;
use super::walk::apart;
use crate::rows;

/// The migrations in their order, the first of them from nothing; the last one leads to the schema of
/// this build.
const MIGRATIONS: &[&str] = &[include_str!("schema_2.sql")];
/// The schema before the first of them: its rows are not sealed, and no statement can seal them.
pub(super) const SCHEMA_OPEN: i32 = 1;
/// Held while migrations run, so that two processes do not run them at once: any number will do.
const MIGRATION_LOCK: i64 = 0x006b_756e_6a69;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The address or the schema's name is none.
    #[error("the database's address or schema is not well formed")]
    Address,
    /// A part of the address cannot be used.
    #[error("the database's address: {name} {problem}")]
    Parameter {
        /// Which parameter.
        name: String,
        /// What is wrong with it, and what to do; never its value.
        problem: &'static str,
    },
    /// Other clients would be given our session, and we theirs.
    #[error("{SHARED}")]
    Shared,
    /// TLS cannot be had.
    #[error("the TLS library refuses its own defaults")]
    Tls,
    /// No connection.
    #[error("the database cannot be reached")]
    Pool(#[source] PoolError),
    /// The server refused, or the connection broke.
    #[error("the database failed")]
    Sql(#[from] tokio_postgres::Error),
    /// The server does not answer, or the way to it is cut.
    #[error("the database does not answer in time")]
    Late(#[from] tokio::time::error::Elapsed),
    /// There is nothing of ours in the schema.
    #[error("the database has no schema of Kunji; run `kunji migrate`")]
    Missing,
    /// An older build made it.
    #[error("the database has schema {0}, older than this build's; run `kunji migrate`")]
    Older(i32),
    /// A build made it that did not seal its rows.
    #[error(
        "the database has schema {SCHEMA_OPEN}, whose rows are not sealed: export it with the build \
         that wrote it, and import the backup into a new schema with this one \
         (`kunji import --replaces`)"
    )]
    Open,
    /// A newer build made it.
    #[error("the database has schema {0}, newer than this build's; use a newer build")]
    Newer(i32),
    /// An import or a large seed of it did not come to its end.
    #[error("the database was not filled to the end; drop its schema and fill it again")]
    HalfFilled,
    /// Its rows are sealed by other keys.
    #[error("the key file is not the one that the database's store began with")]
    OtherKeys,
    /// Another one took its place.
    #[error("the database's store is retired: a restored one took its place")]
    Retired,
    /// The system gives no thread, or one of ours panicked.
    #[error("a thread of the store cannot be had")]
    Threads,
    /// Something is there already.
    #[error("the database is not empty")]
    NotEmpty,
}

impl From<PoolError> for PostgresError {
    fn from(error: PoolError) -> Self {
        let shared = matches!(
            &error,
            PoolError::PostCreateHook(HookError::Message(why)) if why == SHARED
        );
        if shared { Self::Shared } else { Self::Pool(error) }
    }
}

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The schema before; 0 for none.
    pub from: i32,
    /// The schema now.
    pub to: i32,
}

/// The schema that this build speaks.
fn current() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX).saturating_add(SCHEMA_OPEN)
}

/// Brings a database to the schema of this build; one transaction, whole or not at all.
///
/// # Errors
/// `PostgresError` when it cannot be reached, or is newer.
pub fn migrate(place: &PostgresPlace) -> Result<Migrated, PostgresError> {
    apart(|| run(place))
}

async fn run(place: &PostgresPlace) -> Result<Migrated, PostgresError> {
    let pool = pool(place, 1)?;
    let mut client = pool.get().await?;
    let work = client.transaction().await?;
    work.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
    let schema = &place.schema;
    work.batch_execute(&format!(
        "CREATE SCHEMA IF NOT EXISTS \"{schema}\"; \
         CREATE TABLE IF NOT EXISTS meta (name text PRIMARY KEY, value int NOT NULL)"
    ))
    .await?;
    let found = work.query_opt("SELECT value FROM meta WHERE name = 'schema'", &[]).await?;
    let from = found.map_or(Ok(0), |row| row.try_get(0))?;
    let to = current();
    if from > to {
        return Err(PostgresError::Newer(from));
    }
    if from == SCHEMA_OPEN {
        return Err(PostgresError::Open);
    }
    let done = usize::try_from(from.saturating_sub(SCHEMA_OPEN)).unwrap_or_default();
    for sql in MIGRATIONS.iter().skip(done) {
        work.batch_execute(sql).await?;
    }
    work.execute(
        "INSERT INTO meta VALUES ('schema', $1) ON CONFLICT (name) DO UPDATE SET value = $1",
        &[&to],
    )
    .await?;
    work.commit().await?;
    Ok(Migrated { from, to })
}

/// Drops a schema with all that is kept in it.
///
/// # Errors
/// `PostgresError` when the database is out of reach.
pub fn drop_schema(place: &PostgresPlace) -> Result<(), PostgresError> {
    apart(async || {
        let pool = pool(place, 1)?;
        let sql = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", place.schema);
        Ok(pool.get().await?.batch_execute(&sql).await?)
    })
}

/// Whether a store may still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// It may.
    Open,
    /// It may be read only: another one took its place.
    Retired,
}

/// Looks whether the schema is the one of this build, and the store in service.
pub(super) async fn check(pool: &Pool, vault: &Vault) -> Result<Service, PostgresError> {
    let (schema, service) = look(pool).await?;
    match schema.cmp(&current()) {
        std::cmp::Ordering::Equal => know(pool, vault).await.map(|()| service),
        std::cmp::Ordering::Less if schema == SCHEMA_OPEN => Err(PostgresError::Open),
        std::cmp::Ordering::Less => Err(PostgresError::Older(schema)),
        std::cmp::Ordering::Greater => Err(PostgresError::Newer(schema)),
    }
}

/// Makes sure that the rows are sealed by these keys, which is noted at the first start.
async fn know(pool: &Pool, vault: &Vault) -> Result<(), PostgresError> {
    let [a, b, c, d, ..] = vault.row_name(rows::KEYS);
    let keys = i32::from_be_bytes([a, b, c, d]);
    let client = pool.get().await?;
    client.execute("INSERT INTO meta VALUES ('keys', $1) ON CONFLICT DO NOTHING", &[&keys]).await?;
    let known = client.query_one("SELECT value FROM meta WHERE name = 'keys'", &[]).await?;
    match known.try_get::<_, i32>(0)? == keys {
        true => Ok(()),
        false => Err(PostgresError::OtherKeys),
    }
}

/// Which schema is there, and whether its store is in service.
pub(super) async fn look(pool: &Pool) -> Result<(i32, Service), PostgresError> {
    let client = pool.get().await?;
    let there = client.query_one("SELECT to_regclass('meta') IS NOT NULL", &[]).await?;
    if !there.try_get::<_, bool>(0)? {
        return Err(PostgresError::Missing);
    }
    let found = client.query("SELECT name, value FROM meta", &[]).await?;
    let (mut schema, mut service) = (0, Service::Open);
    for row in found {
        match (row.try_get::<_, &str>(0)?, row.try_get::<_, i32>(1)?) {
            ("schema", value) => schema = value,
            ("filling", _) => return Err(PostgresError::HalfFilled),
            ("retired", _) => service = Service::Retired,
            (_, _) => {}
        }
    }
    Ok((schema, service))
}
