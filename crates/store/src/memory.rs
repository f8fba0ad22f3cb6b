//! The store for tests and throw-away tools: a few maps behind one lock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use kunji_core::audit::Subject;
use kunji_core::errand::{Errand, ErrandKey, Lane};
use kunji_core::ids::{CredentialId, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::receipt::{Receipt, ReceiptKey};
use kunji_core::store::{
    Commit, Committed, ERRANDS_LEN_MAX, INDEX_LEN_MAX, Load, Loaded, OUTBOX_LEN_MAX, Record, Store,
    StoreFault, Survey,
};
use kunji_vault::BlockMark;

use crate::rows;

/// Forgets everything when it is dropped; otherwise keeps every promise of the port.
#[derive(Debug, Default)]
pub struct Memory {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    records: BTreeMap<Subject, Record>,
    events: BTreeMap<Subject, Vec<Vec<u8>>>,
    receipts: HashMap<ReceiptKey, Receipt>,
    spent: HashSet<BlockMark>,
    messages: Vec<Message>,
    index: HashMap<Vec<u8>, Vec<CredentialId>>,
    errands: BTreeMap<ErrandKey, Errand>,
}

impl Memory {
    fn held(&self) -> Result<MutexGuard<'_, Held>, StoreFault> {
        let poisoned = StoreFault::of("locking the memory");
        self.held.lock().map_err(|_| poisoned("a thread panicked while it held the lock"))
    }
}

impl Store for Memory {
    async fn load(&self, load: &Load<'_>) -> Result<Loaded, StoreFault> {
        let held = self.held()?;
        Ok(Loaded {
            record: held.records.get(load.subject).cloned().unwrap_or_default(),
            receipt: load.receipt.and_then(|key| held.receipts.get(key)).cloned(),
            spent: load.marks.iter().any(|mark| held.spent.contains(mark)),
        })
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreFault> {
        let mut held = self.held()?;
        let version = held.records.get(&commit.subject).map_or(0, |record| record.head.seq);
        let used = commit.receipt.as_ref().is_some_and(|(key, _)| held.receipts.contains_key(key));
        if version != commit.expected
            || used
            || commit.spent.iter().any(|mark| held.spent.contains(mark))
        {
            return Ok(Committed::Conflict);
        }
        if let Some(credential) = commit.record.credential() {
            for key in &commit.index {
                let key = rows::index_prefix(key)?;
                held.index.entry(key).or_default().push(credential.id.clone());
            }
        }
        held.events.entry(commit.subject.clone()).or_default().push(commit.encoded);
        held.records.insert(commit.subject, commit.record);
        held.receipts.extend(commit.receipt);
        held.spent.extend(commit.spent);
        held.messages.extend(commit.messages);
        held.errands.extend(commit.errands.into_iter().map(|one| (one.key.clone(), one)));
        commit.settled.iter().for_each(|key| drop(held.errands.remove(key)));
        Ok(Committed::Done)
    }

    async fn receipt(&self, key: &ReceiptKey) -> Result<Option<Receipt>, StoreFault> {
        Ok(self.held()?.receipts.get(key).cloned())
    }

    async fn find(&self, key: &IndexKey) -> Result<Vec<CredentialId>, StoreFault> {
        let held = self.held()?;
        let found = held.index.get(&rows::index_prefix(key)?).map_or(&[][..], Vec::as_slice);
        Ok(found.iter().take(INDEX_LEN_MAX).cloned().collect())
    }

    async fn outbox(&self, to: &Mobile) -> Result<Vec<Message>, StoreFault> {
        let held = self.held()?;
        let mut sent: Vec<&Message> = held.messages.iter().filter(|one| one.to == *to).collect();
        sent.sort_by_key(|message| Reverse((message.at, message.serial)));
        Ok(sent.into_iter().take(OUTBOX_LEN_MAX).cloned().collect())
    }

    async fn errands_after(
        &self,
        lane: &Lane,
        after: Option<&ErrandKey>,
    ) -> Result<Vec<Errand>, StoreFault> {
        let held = self.held()?;
        let lane = held.errands.values().filter(|errand| errand.key.lane == *lane);
        let lane = lane.filter(|errand| after.is_none_or(|after| errand.key > *after));
        Ok(lane.take(ERRANDS_LEN_MAX).cloned().collect())
    }
}

impl Survey for Memory {
    fn each_record(
        &self,
        look: &mut dyn FnMut(Subject, Record) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        let records = self.held()?.records.clone();
        records.into_iter().try_for_each(|(subject, record)| look(subject, record))
    }

    fn each_event(
        &self,
        subject: &Subject,
        look: &mut dyn FnMut(&[u8]) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        let events = self.held()?.events.get(subject).cloned().unwrap_or_default();
        events.iter().try_for_each(|bytes| look(bytes))
    }

    fn first_event(&self, subject: &Subject) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.held()?.events.get(subject).and_then(|events| events.first()).cloned())
    }

    fn count_events(&self) -> Result<u64, StoreFault> {
        let count = self.held()?.events.values().map(Vec::len).sum::<usize>();
        u64::try_from(count).map_err(StoreFault::of("counting events"))
    }
}
