//! Commits that were accepted and are not on disk yet: what a load must already see.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kunji_core::audit::Head;
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
    durable: HashMap<Vec<u8>, u64>,
}

/// Subjects whose durable version is remembered.
const DURABLE_LEN_MAX: usize = 16_384;

/// Whether a commit can stand beside those that are pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// It can.
    Free,
    /// It rests on less than what is there.
    Overtaken,
    /// A pending commit uses its receipt's name or one of its blocks.
    Named,
}

impl Pending {
    pub(crate) fn record(&self, subject: &[u8]) -> Option<Arc<Record>> {
        self.records.get(subject).map(|(_, record)| Arc::clone(record))
    }

    pub(crate) fn head(&self, subject: &[u8]) -> Option<Head> {
        self.records.get(subject).map(|(_, record)| record.head)
    }

    pub(crate) fn receipt(&self, key: &[u8]) -> Option<Arc<Receipt>> {
        self.receipts.get(key).map(Arc::clone)
    }

    /// Whether a commit rests on what is pending, and uses nothing that a pending one uses up.
    pub(crate) fn room_for(&self, entry: &Entry) -> Room {
        let rests = match self.head(&entry.subject) {
            Some(head) => head == entry.expected,
            None => self.durable.get(&entry.subject).is_none_or(|seq| *seq <= entry.expected.seq),
        };
        let named = |(key, _): &(Vec<u8>, _)| self.receipts.contains_key(key);
        let used = entry.spent.iter().any(|mark| self.spent.contains(mark));
        match rests {
            false => Room::Overtaken,
            true if used || entry.receipt.as_ref().is_some_and(named) => Room::Named,
            true => Room::Free,
        }
    }

    /// Remembers what a subject has come to, for an engine that cannot look at once: what rests on
    /// less is not shown to anybody. Forgetting it costs a conflict at most.
    pub(crate) fn note_durable(&mut self, subject: &[u8], seq: u64) {
        match self.durable.get_mut(subject) {
            Some(known) => *known = seq.max(*known),
            None => {
                if self.durable.len() >= DURABLE_LEN_MAX {
                    self.durable.clear();
                }
                self.durable.insert(subject.to_vec(), seq);
            }
        }
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

    /// Takes back a commit that did not fit, and shows nothing any more that may rest on it.
    pub(crate) fn withdraw(&mut self, entry: &Entry) {
        self.records.remove(&entry.subject);
        self.unname(entry);
    }

    fn unname(&mut self, entry: &Entry) {
        if let Some((key, _)) = &entry.receipt {
            self.receipts.remove(key);
        }
        for mark in &entry.spent {
            self.spent.remove(mark);
        }
    }

    /// Forgets a commit that is on disk now, unless a later one stands in its place.
    pub(crate) fn forget(&mut self, entry: &Entry, ticket: u64) {
        if self.records.get(&entry.subject).is_some_and(|(kept, _)| *kept == ticket) {
            self.records.remove(&entry.subject);
        }
        self.unname(entry);
    }
}
