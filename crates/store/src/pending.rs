//! Commits that were accepted and are not on disk yet: what a load must already see.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kunji_core::audit::{ChainName, Head};
use kunji_core::receipt::Receipt;
use kunji_core::store::Record;

use crate::entry::Entry;

/// A record carries the ticket of the commit that put it there; receipts and marks come once.
#[derive(Default)]
pub(crate) struct Pending {
    ticket: u64,
    records: HashMap<ChainName, (u64, Arc<Record>)>,
    receipts: HashMap<Vec<u8>, Arc<Receipt>>,
    spent: HashSet<Vec<u8>>,
    seen: HashMap<ChainName, Seen>,
}

/// How far a chain was seen to be durable, and whether the store has shown it at less since.
#[derive(Debug, Clone, Copy)]
struct Seen {
    head: Head,
    is_back: bool,
}

/// Chains of which it is remembered how far they were.
const SEEN_LEN_MAX: usize = 16_384;

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
    pub(crate) fn record(&self, chain: &ChainName) -> Option<Arc<Record>> {
        self.records.get(chain).map(|(_, record)| Arc::clone(record))
    }

    pub(crate) fn head(&self, chain: &ChainName) -> Option<Head> {
        self.records.get(chain).map(|(_, record)| record.head)
    }

    pub(crate) fn receipt(&self, key: &[u8]) -> Option<Arc<Receipt>> {
        self.receipts.get(key).map(Arc::clone)
    }

    /// Whether a commit rests on what is pending, and uses nothing that a pending one uses up.
    pub(crate) fn room_for(&self, entry: &Entry) -> Room {
        let rests = match self.head(&entry.chain) {
            Some(head) => head == entry.expected,
            None => self.seen(&entry.chain).is_none_or(|head| head.seq <= entry.expected.seq),
        };
        let named = |(key, _): &(Vec<u8>, _)| self.receipts.contains_key(key);
        let used = entry.spent.iter().any(|mark| self.spent.contains(mark));
        match rests {
            false => Room::Overtaken,
            true if used || entry.receipt.as_ref().is_some_and(named) => Room::Named,
            true => Room::Free,
        }
    }

    /// How far a chain was seen to be durable, if that is remembered.
    pub(crate) fn seen(&self, chain: &ChainName) -> Option<Head> {
        self.seen.get(chain).map(|seen| seen.head)
    }

    /// Remembers how far a chain is, for an engine that others write to as well: what rests on less
    /// is not shown to anybody. Forgetting it costs a conflict at most, so there is a limit; what
    /// went back is remembered before others.
    pub(crate) fn note_seen(&mut self, chain: ChainName, head: Head) {
        match self.seen.get_mut(&chain) {
            Some(seen) if seen.head.seq <= head.seq => *seen = Seen { head, is_back: false },
            Some(_) => {}
            None => {
                if self.seen.len() >= SEEN_LEN_MAX {
                    self.seen.retain(|_, seen| seen.is_back);
                }
                if self.seen.len() < SEEN_LEN_MAX {
                    self.seen.insert(chain, Seen { head, is_back: false });
                }
            }
        }
    }

    /// Compares what the store shows of a chain with how far it was seen to be before the store was
    /// asked. Less, or something else at the same place, and the store went back; that stays noted
    /// until it shows as much again.
    pub(crate) fn judge(&mut self, chain: ChainName, before: Option<Head>, found: Head) -> bool {
        let went_back = before
            .is_some_and(|head| found.seq < head.seq || (found.seq == head.seq && found != head));
        match (went_back, self.seen.get_mut(&chain)) {
            (true, Some(seen)) => seen.is_back = true,
            (true, None) => {}
            // Of one that is not there nothing need be remembered.
            (false, _) if found.seq == 0 => {}
            (false, _) => self.note_seen(chain, found),
        }
        went_back
    }

    /// How many chains the store has shown at less than they were.
    pub(crate) fn back_len(&self) -> usize {
        self.seen.values().filter(|seen| seen.is_back).count()
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
        self.records.insert(entry.chain, (ticket, Arc::clone(&entry.record)));
        if let Some((key, receipt)) = &entry.receipt {
            self.receipts.insert(key.clone(), Arc::clone(receipt));
        }
        self.spent.extend(entry.spent.iter().cloned());
    }

    /// Takes back a commit that did not fit, and shows nothing any more that may rest on it.
    pub(crate) fn withdraw(&mut self, entry: &Entry) {
        self.records.remove(&entry.chain);
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
        if self.records.get(&entry.chain).is_some_and(|(kept, _)| *kept == ticket) {
            self.records.remove(&entry.chain);
        }
        self.unname(entry);
    }
}

#[cfg(test)]
mod tests;
