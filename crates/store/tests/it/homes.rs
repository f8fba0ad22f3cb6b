//! Where the stores under test live.

use kunji_store::{Embedded, EmbeddedSettings, Memory};
use kunji_testkit::Home;
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

/// Runs one generic test on every store.
macro_rules! on_every_store {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {
        mod in_memory {
            $(#[test] fn $name() { super::$name($crate::homes::InMemory); })+
        }
        mod on_disk {
            $(#[test] fn $name() { super::$name($crate::homes::OnDisk::default()); })+
        }
    };
}
pub(crate) use on_every_store;

/// Runs async work to its end on threads of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build();
    threads.unwrap().block_on(work)
}
