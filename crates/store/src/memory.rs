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
    Commit, Committed, ERRANDS_LEN_MAX, INDEX_LEN_MAX, Load, Loaded, Look, OUTBOX_LEN_MAX, Record,
    Row, Scope, Store, StoreFault, Survey,
};
use kunji_vault::BlockMark;

use crate::rows;

/// Forgets everything when it is dropped; otherwise keeps every promise of the port.
#[derive(Debug, Default)]
pub struct Memory {
    held: Mutex<Held>,
}

#[derive(Debug, Clone, Default)]
struct Held {
    records: BTreeMap<Subject, Record>,
    events: BTreeMap<Subject, Vec<Vec<u8>>>,
    receipts: HashMap<ReceiptKey, Receipt>,
    spent: HashSet<BlockMark>,
    messages: Vec<Message>,
    index: HashMap<Vec<u8>, Vec<(IndexKey, CredentialId)>>,
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

    async fn read(&self, subject: &Subject) -> Result<Record, StoreFault> {
        Ok(self.held()?.records.get(subject).cloned().unwrap_or_default())
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreFault> {
        let mut held = self.held()?;
        let record = held.records.get(&commit.subject);
        let head = record.map(|record| record.head).unwrap_or_default();
        let used = commit.receipt.as_ref().is_some_and(|(key, _)| held.receipts.contains_key(key));
        if head != commit.expected
            || used
            || commit.spent.iter().any(|mark| held.spent.contains(mark))
        {
            return Ok(Committed::Conflict);
        }
        if let Some(credential) = commit.record.credential() {
            for key in &commit.index {
                let named = (key.clone(), credential.id.clone());
                held.index.entry(rows::index_prefix(key)?).or_default().push(named);
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
        Ok(found.iter().take(INDEX_LEN_MAX).map(|(_, id)| id.clone()).collect())
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
    fn survey(&self, scope: Scope<'_>, look: Look<'_>) -> Result<(), StoreFault> {
        let held = self.held()?.clone();
        let all = |subject: &Subject| held.events.get(subject).cloned().unwrap_or_default();
        if let Scope::Chain(subject) = scope {
            let mut events = all(subject).into_iter();
            return events.try_for_each(|encoded| look(Row::Event(subject.clone(), encoded)));
        }
        for (subject, record) in &held.records {
            if !matches!(scope, Scope::Records) {
                for encoded in all(subject) {
                    look(Row::Event(subject.clone(), encoded))?;
                }
            }
            look(Row::Record(subject.clone(), Box::new(record.clone())))?;
        }
        match scope {
            Scope::Everything => held.rest().try_for_each(look),
            Scope::Chains | Scope::Records | Scope::Chain(_) => Ok(()),
        }
    }

    fn first_event(&self, subject: &Subject) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.held()?.events.get(subject).and_then(|events| events.first()).cloned())
    }
}

impl Held {
    fn rest(self) -> impl Iterator<Item = Row> {
        let receipts = self.receipts.into_iter().map(|(key, receipt)| Row::Receipt(key, receipt));
        let spent = self.spent.into_iter().map(Row::Spent);
        let messages = self.messages.into_iter().map(Row::Message);
        let index = self.index.into_values().flatten();
        let index = index.map(|(key, id)| Row::Index(key, id));
        let errands = self.errands.into_values().map(Row::Errand);
        receipts.chain(spent).chain(messages).chain(index).chain(errands)
    }
}
