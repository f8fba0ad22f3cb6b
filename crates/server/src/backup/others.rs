//! The records of the replaced store beside those of the backup: both come in one order.

use std::sync::mpsc::{Receiver, SyncSender};

use kunji_core::store::{Record, StoreFault};
use kunji_store::Replaced;
use kunji_vault::Vault;

/// Records that are read ahead.
pub(super) const AHEAD_LEN: usize = 512;

/// A record under what its subject is ordered by.
pub(super) type Named = (Vec<u8>, Record);

/// Hands over all records of a store until nobody takes them; says whether it could be read to its
/// end.
pub(super) fn hand_over(
    (store, vault): (&Replaced, &Vault),
    out: &SyncSender<Named>,
) -> Result<(), StoreFault> {
    store.each_record(&mut |subject, record| {
        let gone = StoreFault::of("reading the replaced store");
        let order = store.format().order_of(vault, &subject);
        out.send((order, record)).map_err(|_| gone("nobody takes its records"))
    })
}

/// Finds records whose subjects are asked for in their order.
pub(super) struct Others {
    records: Option<Receiver<Named>>,
    next: Option<Named>,
    /// Records that nobody asked for: they came after the backup.
    pub(super) passed: u64,
}

impl Others {
    /// Without a receiver nothing is known.
    pub(super) fn new(records: Option<Receiver<Named>>) -> Self {
        Self { records, next: None, passed: 0 }
    }

    /// The record of a subject. What lies before it is passed; where the store cannot be read any
    /// further, nothing more is found.
    pub(super) fn find(&mut self, order: &[u8]) -> Option<Record> {
        loop {
            let (other, record) = self.next.take().or_else(|| self.receive())?;
            match other.as_slice().cmp(order) {
                std::cmp::Ordering::Less => self.passed = self.passed.saturating_add(1),
                std::cmp::Ordering::Equal => return Some(record),
                std::cmp::Ordering::Greater => {
                    self.next = Some((other, record));
                    return None;
                }
            }
        }
    }

    /// Passes the rest.
    pub(super) fn end(&mut self) {
        while self.next.take().or_else(|| self.receive()).is_some() {
            self.passed = self.passed.saturating_add(1);
        }
    }

    fn receive(&self) -> Option<Named> {
        self.records.as_ref()?.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn records_are_found_in_their_order_and_the_others_counted() {
        let (out, records) = sync_channel(8);
        for name in ["b", "c", "e", "f"] {
            out.send((name.into(), Record::default())).unwrap();
        }
        drop(out);
        let mut others = Others::new(Some(records));
        let found = ["a", "b", "d", "e"].map(|name| others.find(name.as_bytes()).is_some());
        assert_eq!((found, others.passed), ([false, true, false, true], 1));
        others.end();
        assert_eq!(others.passed, 2);
        assert!(others.find(b"z").is_none());
        assert!(Others::new(None).find(b"a").is_none());
    }
}
