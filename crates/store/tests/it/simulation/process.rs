//! One process as the store sees it: what it has queued and shows to its own loads, gone when it
//! ends.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use kunji_core::audit::Subject;
use kunji_core::receipt::{Receipt, ReceiptKey};
use kunji_core::store::{Commit, Committed, Record};
use kunji_vault::BlockMark;

/// A commit that was accepted, and the attempt that made it.
pub(crate) struct Queued {
    pub(crate) ticket: u64,
    pub(crate) attempt: usize,
    pub(crate) commit: Commit,
}

/// How a commit ended, as its caller hears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Ended(Committed),
    /// Nobody knows.
    Fault,
}

/// Somebody who waits for a commit to end.
#[derive(Default)]
pub(crate) struct Waiting {
    pub(crate) told: Option<Told>,
    pub(crate) waker: Option<Waker>,
}

#[derive(Default)]
pub(crate) struct Process {
    pub(crate) is_down: bool,
    /// A batch failed: nothing is accepted any more.
    pub(crate) is_broken: bool,
    /// A batch is under way.
    pub(crate) is_writing: bool,
    pub(crate) queue: VecDeque<Arc<Queued>>,
    pub(crate) waiting: BTreeMap<u64, Waiting>,
    /// Those who hear of a conflict when the batch under way has ended.
    pub(crate) for_round: Vec<u64>,
    records: BTreeMap<Subject, (u64, Record)>,
    receipts: HashMap<ReceiptKey, Receipt>,
    spent: HashSet<BlockMark>,
    seen: BTreeMap<Subject, u64>,
}

impl Process {
    /// The place of a process that ended: the next one knows nothing.
    pub(crate) fn ended() -> Self {
        Self { is_down: true, ..Self::default() }
    }

    pub(crate) fn record(&self, subject: &Subject) -> Option<&Record> {
        self.records.get(subject).map(|(_, record)| record)
    }

    pub(crate) fn receipt(&self, key: &ReceiptKey) -> Option<&Receipt> {
        self.receipts.get(key)
    }

    pub(crate) fn is_spent(&self, mark: &BlockMark) -> bool {
        self.spent.contains(mark)
    }

    /// Whether a pending commit uses the receipt's name or one of the blocks.
    pub(crate) fn names(&self, commit: &Commit) -> bool {
        commit.receipt.as_ref().is_some_and(|(key, _)| self.receipts.contains_key(key))
            || commit.spent.iter().any(|mark| self.spent.contains(mark))
    }

    /// Whether the process knows of nothing newer than what the commit rests on.
    pub(crate) fn is_newest(&self, commit: &Commit) -> bool {
        match self.record(&commit.subject) {
            Some(record) => record.head == commit.expected,
            None => self.seen.get(&commit.subject).is_none_or(|seq| *seq <= commit.expected.seq),
        }
    }

    pub(crate) fn note_seen(&mut self, subject: &Subject, seq: u64) {
        let known = self.seen.entry(subject.clone()).or_default();
        *known = seq.max(*known);
    }

    pub(crate) fn push(&mut self, queued: Queued) {
        let Commit { subject, record, receipt, spent, .. } = &queued.commit;
        self.records.insert(subject.clone(), (queued.ticket, record.clone()));
        self.receipts.extend(receipt.clone());
        self.spent.extend(spent.iter().copied());
        self.waiting.insert(queued.ticket, Waiting::default());
        self.queue.push_back(Arc::new(queued));
    }

    /// The batch that the next write carries: `most` commits from the front; where several
    /// processes write, those only of which each stands by itself or continues one before it.
    pub(crate) fn batch(&mut self, most: usize, is_shared: bool) -> Vec<Arc<Queued>> {
        let (mut batch, mut later) = (Vec::<Arc<Queued>>::new(), VecDeque::new());
        let mut last = BTreeMap::new();
        let mut names: HashSet<ReceiptKey> = HashSet::new();
        for queued in self.queue.drain(..) {
            let commit = &queued.commit;
            let continues = last.get(&commit.subject).is_none_or(|head| *head == commit.expected);
            let named = commit.receipt.as_ref().is_some_and(|(key, _)| names.contains(key));
            if batch.len() >= most || is_shared && (!continues || named) {
                later.push_back(queued);
                continue;
            }
            last.insert(commit.subject.clone(), commit.record.head);
            names.extend(commit.receipt.iter().map(|(key, _)| key.clone()));
            batch.push(queued);
        }
        self.queue = later;
        batch
    }

    /// Tells who waits how a commit ended, and shows it no more.
    pub(crate) fn end(&mut self, queued: &Queued, told: Told) {
        let Commit { subject, record, receipt, spent, .. } = &queued.commit;
        let ours = self.records.get(subject).is_some_and(|(ticket, _)| *ticket == queued.ticket);
        match told {
            Told::Ended(Committed::Done) => {
                self.note_seen(subject, record.head.seq);
                if ours {
                    self.records.remove(subject);
                }
            }
            // Whatever rests on it here cannot fit either.
            Told::Ended(Committed::Conflict) | Told::Fault => drop(self.records.remove(subject)),
        }
        if let Some((key, _)) = receipt {
            self.receipts.remove(key);
        }
        for mark in spent {
            self.spent.remove(mark);
        }
        self.tell(queued.ticket, told);
    }

    pub(crate) fn tell(&mut self, ticket: u64, told: Told) {
        if let Some(waiting) = self.waiting.get_mut(&ticket) {
            waiting.told = Some(told);
            waiting.waker.take().into_iter().for_each(Waker::wake);
        }
    }

    /// The batch under way has ended.
    pub(crate) fn end_round(&mut self) {
        self.is_writing = false;
        for ticket in std::mem::take(&mut self.for_round) {
            self.tell(ticket, Told::Ended(Committed::Conflict));
        }
    }
}
