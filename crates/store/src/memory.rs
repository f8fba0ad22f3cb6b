//! The store for tests and throw-away tools: sealed rows in one tree behind one lock.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use kunji_core::audit::{Head, Subject};
use kunji_core::errand::{Errand, ErrandKey, Lane};
use kunji_core::ids::{CredentialId, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::receipt::{Receipt, ReceiptKey};
use kunji_core::store::{
    Commit, Committed, ERRANDS_LEN_MAX, INDEX_LEN_MAX, Inspect, Intake, Load, Loaded,
    OUTBOX_LEN_MAX, Record, Row, Scope, Store, StoreFault, Survey,
};
use kunji_vault::Vault;

use crate::entry::Entry;
use crate::rows::{self, Rows};

/// Keys and rows, as any engine keeps them.
pub type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// Forgets everything when it is dropped; otherwise keeps every promise of the port.
#[derive(Debug)]
pub struct Memory {
    rows: Rows,
    held: Mutex<Tree>,
}

impl Memory {
    /// An empty store whose rows are sealed by this vault.
    #[must_use]
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { rows: Rows::new(vault), held: Mutex::default() }
    }

    /// Lets somebody at the rows themselves, as who can write a database is.
    ///
    /// # Errors
    /// `StoreFault` when a thread panicked over them.
    pub fn tamper<T>(&self, work: impl FnOnce(&mut Tree) -> T) -> Result<T, StoreFault> {
        Ok(work(&mut *self.held()?))
    }

    fn held(&self) -> Result<MutexGuard<'_, Tree>, StoreFault> {
        let poisoned = StoreFault::of("locking the memory");
        self.held.lock().map_err(|_| poisoned("a thread panicked while it held the lock"))
    }

    fn record(&self, held: &Tree, subject: &Subject) -> Result<Record, StoreFault> {
        let chain = self.rows.chain(subject);
        let record = match held.get(&rows::record_key(&chain)) {
            Some(row) => self.rows.open_record(&chain, row)?.1,
            None => Record::default(),
        };
        let Head { seq, .. } = record.head;
        let next = held.contains_key(&rows::event_key(&chain, seq.saturating_add(1)));
        rows::ensure_level(&chain, &record.head, seq.saturating_add(u64::from(next)))?;
        Ok(record)
    }

    fn kept(&self, held: &Tree, key: &ReceiptKey) -> Result<Option<Receipt>, StoreFault> {
        let key = self.rows.receipt_key(key);
        held.get(&key).map(|row| self.rows.open_receipt(&key, row)).transpose()
    }
}

/// What lies between two keys.
fn between(held: &Tree, (first, end): (Vec<u8>, Vec<u8>)) -> impl Iterator<Item = (&[u8], &[u8])> {
    let range = (Bound::Included(first), Bound::Excluded(end));
    held.range::<Vec<u8>, _>(range).map(|(key, row)| (key.as_slice(), row.as_slice()))
}

impl Store for Memory {
    async fn load(&self, load: &Load<'_>) -> Result<Loaded, StoreFault> {
        let held = self.held()?;
        let receipt = match load.receipt {
            Some(key) => self.kept(&held, key)?,
            None => None,
        };
        let spent = load.marks.iter().any(|mark| held.contains_key(&rows::spent_key(*mark)));
        Ok(Loaded { record: self.record(&held, load.subject)?, receipt, spent })
    }

    async fn read(&self, subject: &Subject) -> Result<Record, StoreFault> {
        self.record(&*self.held()?, subject)
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreFault> {
        let entry = Entry::of(commit, &self.rows)?;
        let mut held = self.held()?;
        let record = held.get(&rows::record_key(&entry.chain));
        let head = record.map(|row| rows::record_head(row)).transpose()?.unwrap_or_default();
        let mut names = entry.receipt.iter().map(|(key, _)| key).chain(&entry.spent);
        if head != entry.expected || names.any(|name| held.contains_key(name)) {
            return Ok(Committed::Conflict);
        }
        held.extend(entry.rows);
        entry.fallen.iter().for_each(|key| drop(held.remove(key)));
        Ok(Committed::Done)
    }

    async fn receipt(&self, key: &ReceiptKey) -> Result<Option<Receipt>, StoreFault> {
        self.kept(&*self.held()?, key)
    }

    async fn find(&self, key: &IndexKey) -> Result<Vec<CredentialId>, StoreFault> {
        let (held, range) = (self.held()?, rows::range_of(self.rows.index_prefix(key)?));
        let found = between(&held, range).take(INDEX_LEN_MAX);
        found.map(|(key, row)| self.rows.open_index(key, row)).collect()
    }

    async fn outbox(&self, to: &Mobile) -> Result<Vec<Message>, StoreFault> {
        let (held, range) = (self.held()?, rows::range_of(self.rows.message_prefix(to)));
        let newest = between(&held, range).take(OUTBOX_LEN_MAX);
        newest.map(|(key, row)| self.rows.open(key, row)).collect()
    }

    async fn errands_after(
        &self,
        lane: &Lane,
        after: Option<&ErrandKey>,
    ) -> Result<Vec<Errand>, StoreFault> {
        let (held, range) = (self.held()?, self.rows.errand_range(lane, after));
        let lane = between(&held, range).take(ERRANDS_LEN_MAX);
        lane.map(|(key, row)| self.rows.open(key, row)).collect()
    }
}

impl Survey for Memory {
    fn inspect(&self, scope: Scope<'_>, look: Inspect<'_>) -> Result<(), StoreFault> {
        let held = self.held()?.clone();
        let all = |prefix: &[u8]| {
            let rows = between(&held, rows::range_of(prefix.to_vec()));
            rows.map(|(key, row)| Ok((key.to_vec(), row.to_vec())))
        };
        let records = all(rows::RECORDS);
        match scope {
            Scope::Records => self.rows.show_chains(records, std::iter::empty(), look),
            Scope::Chain(subject) => {
                let events = all(&rows::event_prefix(&self.rows.chain(subject)));
                self.rows.show_chain(subject, events, look)
            }
            Scope::Chains => self.rows.show_chains(records, all(rows::EVENTS), look),
            Scope::Everything => {
                self.rows.show_chains(records, all(rows::EVENTS), look)?;
                let mut rest = rows::REST.iter().flat_map(|kind| all(kind));
                rest.try_for_each(|row| {
                    let (key, value) = row?;
                    look(self.rows.parse_row(&key, &value))
                })
            }
        }
    }

    fn first_event(&self, subject: &Subject) -> Result<Option<Vec<u8>>, StoreFault> {
        let (held, prefix) = (self.held()?, rows::event_prefix(&self.rows.chain(subject)));
        let first = between(&held, rows::range_of(prefix)).next();
        first.map(|(key, row)| self.rows.open_event(key, row)).transpose()
    }
}

impl Intake for Memory {
    fn fill(
        &self,
        next: &mut dyn FnMut() -> Result<Option<Row>, StoreFault>,
    ) -> Result<u64, StoreFault> {
        let mut held = self.held()?;
        let mut count: u64 = 0;
        while let Some(row) = next()? {
            let (key, value) = self.rows.encode_row(&row)?;
            held.insert(key, value);
            count = count.saturating_add(1);
        }
        Ok(count)
    }
}
