//! Where the stores under test live.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use kunji_store::{Embedded, EmbeddedSettings, Memory, Postgres, PostgresPlace, migrate};
use kunji_testkit::{Cluster, Home};
use tempfile::TempDir;

/// Settings that keep a test small.
pub(crate) const SMALL: EmbeddedSettings = EmbeddedSettings {
    cache_bytes: 1024 * 1024,
    memtable_bytes: 4 * 1024 * 1024,
    batch_len_max: 512,
    on_batch: None,
};

/// Where a store in memory lives: nowhere.
#[derive(Default)]
pub(crate) struct InMemory;

impl Home for InMemory {
    type Store = Memory;

    fn open(&mut self) -> Memory {
        Memory::default()
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
        Embedded::open(self.folder.path(), self.settings.clone()).unwrap()
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
        Postgres::open(self.place.clone(), None).unwrap()
    }

    fn reopen(&mut self, store: Postgres) -> Postgres {
        drop(store);
        self.open()
    }
}

/// Runs one generic test on every store.
macro_rules! on_every_store {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {
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
