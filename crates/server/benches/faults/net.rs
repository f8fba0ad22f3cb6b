//! What all clients of a round look at: where servers are, whether the round is over, the ticks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use kunji_vault::BlockMaker;

use crate::history::Violation;

pub(crate) struct Net {
    servers: Vec<Mutex<Option<String>>>,
    over: AtomicBool,
    ticks: AtomicU64,
    /// Makes PIN blocks for the servers' key.
    pub(crate) maker: Option<BlockMaker>,
    broken: Mutex<Vec<Violation>>,
}

impl Net {
    pub(crate) fn of(servers: usize) -> Self {
        Self {
            servers: (0..servers).map(|_| Mutex::default()).collect(),
            over: AtomicBool::new(false),
            ticks: AtomicU64::new(1),
            maker: None,
            broken: Mutex::default(),
        }
    }

    /// The next tick: one order of all begins and ends.
    pub(crate) fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn put(&self, nth: usize, address: Option<String>) {
        if let Some(server) = self.servers.get(nth) {
            *server.lock().unwrap_or_else(PoisonError::into_inner) = address;
        }
    }

    /// A server that is up, this one if it is.
    pub(crate) fn near(&self, nth: usize) -> Option<String> {
        let count = self.servers.len();
        (0..count).find_map(|step| {
            let server = self.servers.get((nth + step) % count)?;
            server.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(crate) fn end(&self, over: bool) {
        self.over.store(over, Ordering::SeqCst);
    }

    pub(crate) fn report(&self, violation: Violation) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).push(violation);
    }

    pub(crate) fn reported(&self) -> Vec<Violation> {
        std::mem::take(&mut *self.broken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
