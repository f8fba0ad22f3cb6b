//! Where the stores under test live.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use kunji_store::{Embedded, EmbeddedSettings, Memory, Postgres, PostgresPlace, Spread, migrate};
use kunji_testkit::{Cluster, Home};
use kunji_vault::{KeyRing, Vault};
use tempfile::TempDir;

/// Settings that keep a test small.
pub(crate) const SMALL: EmbeddedSettings = EmbeddedSettings {
    cache_bytes: 1024 * 1024,
    memtable_bytes: 4 * 1024 * 1024,
    batch_len_max: 512,
    on_batch: None,
};

/// Seals the rows of all stores under test.
pub(crate) fn vault() -> Arc<Vault> {
    static VAULT: OnceLock<Arc<Vault>> = OnceLock::new();
    let make = || Arc::new(Vault::new(KeyRing::ephemeral().unwrap()));
    Arc::clone(VAULT.get_or_init(make))
}

/// Where a store in memory lives: nowhere.
#[derive(Default)]
pub(crate) struct InMemory;

impl Home for InMemory {
    type Store = Memory;

    fn open(&mut self) -> Memory {
        Memory::new(vault())
    }

    fn reopen(&mut self, store: Memory) -> Memory {
        store
    }
}

/// A folder of its own, gone with the test.
pub(crate) struct OnDisk {
    pub(crate) folder: TempDir,
    pub(crate) settings: EmbeddedSettings,
}

impl Default for OnDisk {
    fn default() -> Self {
        Self { folder: TempDir::new().unwrap(), settings: SMALL }
    }
}

impl Home for OnDisk {
    type Store = Embedded;

    fn open(&mut self) -> Embedded {
        Embedded::open(self.folder.path(), self.settings.clone(), vault()).unwrap()
    }

    fn reopen(&mut self, store: Embedded) -> Embedded {
        drop(store);
        self.open()
    }
}

/// A schema of its own in the database that all tests of this process share.
pub(crate) struct InPostgres {
    pub(crate) place: PostgresPlace,
}

impl Default for InPostgres {
    fn default() -> Self {
        static DATABASE: OnceLock<String> = OnceLock::new();
        static SCHEMAS: AtomicU64 = AtomicU64::new(0);
        let url = DATABASE.get_or_init(|| Cluster::shared().fresh());
        let schema = format!("kunji_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
        let place = PostgresPlace::parse(url, &schema, 2).unwrap();
        assert_eq!(migrate(&place).unwrap().from, 0);
        Self { place }
    }
}

impl Home for InPostgres {
    type Store = Postgres;

    fn open(&mut self) -> Postgres {
        Postgres::open(self.place.clone(), None, vault()).unwrap()
    }

    fn reopen(&mut self, store: Postgres) -> Postgres {
        drop(store);
        self.open()
    }
}

/// A schema whose tables are spread by subject, with the statements of docs/scaling.md.
pub(crate) struct InSpreadPostgres(pub(crate) InPostgres);

/// The statements with which docs/scaling.md spreads the tables of a schema.
fn spreading() -> &'static str {
    let page = include_str!("../../../../docs/scaling.md");
    let (_, code) = page.split_once("```sql\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    code
}

/// Stands in for the distributed engine: spreads a table over partitions, which PostgreSQL itself
/// allows under the same rule, that the distribution column is part of each unique key.
const STAND_IN: &str = r"
CREATE FUNCTION create_distributed_table(
    whole regclass, spot text, colocate_with text DEFAULT 'default'
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := (SELECT relname FROM pg_class WHERE oid = whole);
BEGIN
    ASSERT colocate_with = CASE name WHEN 'record' THEN 'default' ELSE 'record' END;
    EXECUTE format('ALTER TABLE %I RENAME TO whole', name);
    EXECUTE format('CREATE TABLE %I (LIKE whole INCLUDING ALL) PARTITION BY HASH (%I)', name, spot);
    FOR part IN 0..3 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 4, REMAINDER %s)',
            name || '_' || part, name, part);
    END LOOP;
    DROP TABLE whole;
END
$$;
CREATE FUNCTION create_reference_table(whole regclass) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION create_distributed_function(
    work regprocedure, spot text, colocate_with text
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    ASSERT (SELECT proargnames[1] = spot FROM pg_proc WHERE oid = work);
END
$$;";

/// Spreads the tables of a schema over parts.
pub(crate) fn spread_tables(cluster: &Cluster, database: &str, schema: &str) {
    let sql = format!("SET search_path = {schema}; {STAND_IN} {}", spreading());
    cluster.sql(database, &sql);
}

impl Default for InSpreadPostgres {
    fn default() -> Self {
        let mut home = InPostgres::default();
        home.place.spread = Spread::BySubject;
        spread_tables(Cluster::shared(), "fresh_0", &home.place.schema);
        Self(home)
    }
}

impl Home for InSpreadPostgres {
    type Store = Postgres;

    fn open(&mut self) -> Postgres {
        self.0.open()
    }

    fn reopen(&mut self, store: Postgres) -> Postgres {
        self.0.reopen(store)
    }
}

/// Runs one generic test on every store.
macro_rules! on_every_store {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {
        $crate::homes::on_every_store![together: $($(#[$meta])* $name),+];
        mod in_spread_postgres {
            $(#[test] fn $name() { super::$name($crate::homes::InSpreadPostgres::default()); })+
        }
    };
    // What holds only where a name is used once by all subjects together.
    (together: $($(#[$meta:meta])* $name:ident),+ $(,)?) => {
        mod in_memory {
            $(#[test] fn $name() { super::$name($crate::homes::InMemory); })+
        }
        mod on_disk {
            $(#[test] fn $name() { super::$name($crate::homes::OnDisk::default()); })+
        }
        mod in_postgres {
            $(#[test] fn $name() { super::$name($crate::homes::InPostgres::default()); })+
        }
    };
}
pub(crate) use on_every_store;

/// Runs async work to its end on threads of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    threads.unwrap().block_on(work)
}
