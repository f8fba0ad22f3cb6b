//! Commits that were accepted and are not on disk yet: what a load must already see.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kunji_core::receipt::Receipt;
use kunji_core::store::Record;

use crate::entry::Entry;

/// A record carries the ticket of the commit that put it there; receipts and marks come once.
#[derive(Default)]
pub(crate) struct Pending {
    ticket: u64,
    records: HashMap<Vec<u8>, (u64, Arc<Record>)>,
    receipts: HashMap<Vec<u8>, Arc<Receipt>>,
    spent: HashSet<Vec<u8>>,
}

impl Pending {
    pub(crate) fn record(&self, subject: &[u8]) -> Option<Arc<Record>> {
        self.records.get(subject).map(|(_, record)| Arc::clone(record))
    }

    pub(crate) fn version(&self, subject: &[u8]) -> Option<u64> {
        self.records.get(subject).map(|(_, record)| record.head.seq)
    }

    pub(crate) fn receipt(&self, key: &[u8]) -> Option<Arc<Receipt>> {
        self.receipts.get(key).map(Arc::clone)
    }

    pub(crate) fn has_receipt(&self, key: &[u8]) -> bool {
        self.receipts.contains_key(key)
    }

    pub(crate) fn is_spent(&self, key: &[u8]) -> bool {
        self.spent.contains(key)
    }

    pub(crate) fn next_ticket(&mut self) -> u64 {
        self.ticket = self.ticket.wrapping_add(1);
        self.ticket
    }

    /// Shows a queued commit to the loads that follow.
    pub(crate) fn show(&mut self, entry: &Entry, ticket: u64) {
        self.records.insert(entry.subject.clone(), (ticket, Arc::clone(&entry.record)));
        if let Some((key, receipt)) = &entry.receipt {
            self.receipts.insert(key.clone(), Arc::clone(receipt));
        }
        self.spent.extend(entry.spent.iter().cloned());
    }

    /// Forgets a commit that is on disk now, unless a later one stands in its place.
    pub(crate) fn forget(&mut self, entry: &Entry, ticket: u64) {
        if self.records.get(&entry.subject).is_some_and(|(kept, _)| *kept == ticket) {
            self.records.remove(&entry.subject);
        }
        if let Some((key, _)) = &entry.receipt {
            self.receipts.remove(key);
        }
        for mark in &entry.spent {
            self.spent.remove(mark);
        }
    }
}
