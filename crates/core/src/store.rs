//! The store port: what must be remembered, and what "committed" means.
//!
//! A store keeps one [`Record`] for each audit subject. A record's version is the length of its
//! chain, since every commit appends exactly one event. A commit is atomic and durable before it
//! is answered `Done`; a store that cannot tell whether it became durable answers with a fault.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;

use kunji_vault::BlockMark;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Kept as _, State};
use crate::audit::{ChainName, Head, Subject};
use crate::credential::Credential;
use crate::errand::{Errand, ErrandKey, Lane};
use crate::ids::{CredentialId, Mobile};
use crate::index::IndexKey;
use crate::outbox::Message;
use crate::receipt::{Receipt, ReceiptKey};

/// Most credentials that one index entry may name.
pub const INDEX_LEN_MAX: usize = 64;
/// Most messages that one outbox look answers.
pub const OUTBOX_LEN_MAX: usize = 100;
/// Most errands that one look answers.
pub const ERRANDS_LEN_MAX: usize = 256;

/// What is kept for one subject.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Record {
    /// The end of the subject's audit chain; its `seq` is the record's version.
    pub head: Head,
    /// What is kept of the subject beside its chain.
    pub state: State,
}

impl Record {
    /// The credential, when the subject is one.
    #[must_use]
    pub fn credential(&self) -> Option<&Credential> {
        Credential::of(&self.state)
    }
}

/// What one request must know before it can be decided.
#[derive(Debug)]
pub struct Load<'a> {
    /// Whose record.
    pub subject: &'a Subject,
    /// Which receipt, when the request has an id.
    pub receipt: Option<&'a ReceiptKey>,
    /// Where the receipt may be.
    pub reach: Reach,
    /// Which blocks may have been used before.
    pub marks: &'a [BlockMark],
}

impl<'a> Load<'a> {
    /// The record alone; a receipt that is asked for as well is looked for anywhere.
    #[must_use]
    pub fn of(subject: &'a Subject) -> Self {
        Self { subject, receipt: None, reach: Reach::Anywhere, marks: &[] }
    }
}

/// Where a store looks for a receipt. One that keeps everything in one place need not care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// With the subject: a store that is spread over machines asks one of them.
    Subject,
    /// With any subject: the request may have been answered by another one.
    Anywhere,
}

/// What a store knows about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The record; the empty one when the subject is new.
    pub record: Record,
    /// The receipt, when the request was answered before.
    pub receipt: Option<Receipt>,
    /// Whether any of the blocks was used before.
    pub spent: bool,
}

/// All that one request leaves behind: everything or nothing of it becomes durable.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Whose record.
    pub subject: Subject,
    /// The head that the decision was made on; the empty one for a new subject.
    pub expected: Head,
    /// The record from now on, one event further.
    pub record: Record,
    /// The event that leads to the record's head, as it went into the hash.
    pub encoded: Vec<u8>,
    /// The receipt; must be new.
    pub receipt: Option<(ReceiptKey, Receipt)>,
    /// Blocks that are used up; must be new.
    pub spent: Vec<BlockMark>,
    /// What must be sent out.
    pub messages: Vec<Message>,
    /// Under what else the credential can be found.
    pub index: Vec<IndexKey>,
    /// What must be done later.
    pub errands: Vec<Errand>,
    /// What need not be done any more.
    pub settled: Vec<ErrandKey>,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is durable.
    Done,
    /// Somebody was faster, or the receipt or a block is not new: nothing was written.
    Conflict,
}

/// How a store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It broke, or is out of reach.
    Broken,
    /// A row is not what was put there.
    Altered,
    /// A subject is at an earlier point than this process has seen it at.
    WentBack,
}

/// The store failed; whether the last commit is durable is unknown.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed in the store")]
pub struct StoreFault {
    /// How.
    pub kind: FaultKind,
    /// What was being done.
    pub operation: &'static str,
    /// Why it failed.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl StoreFault {
    /// Wraps a cause with the operation that it broke.
    pub fn of<E: Into<Box<dyn Error + Send + Sync>>>(
        operation: &'static str,
    ) -> impl FnOnce(E) -> Self {
        Self::with(FaultKind::Broken, operation)
    }

    /// The same for a failure of another kind.
    pub fn with<E: Into<Box<dyn Error + Send + Sync>>>(
        kind: FaultKind,
        operation: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self { kind, operation, source: source.into() }
    }
}

/// A row that is not what was put where it lies.
#[derive(Debug, thiserror::Error)]
#[error("the {what} {name}: {why}")]
pub struct AlteredRow {
    /// What kind of row it is, and what its name is the name of.
    pub what: &'static str,
    /// Its name; that of the chain, for a record and an event.
    pub name: ChainName,
    /// What is wrong with it.
    pub why: String,
}

/// A place that remembers.
pub trait Store: Send + Sync + 'static {
    /// Reads what a request must know, at least as new as every commit answered before. It may
    /// rest on commits that are still under way; a commit that rests on one that fails conflicts.
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read or holds what cannot be.
    fn load(&self, load: &Load<'_>) -> impl Future<Output = Result<Loaded, StoreFault>> + Send;

    /// Reads a record as it is durable: what may be shown without a commit of its own.
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read or holds what cannot be.
    fn read(&self, subject: &Subject) -> impl Future<Output = Result<Record, StoreFault>> + Send;

    /// Writes a commit if its `expected` head still stands and its receipt and blocks are new.
    ///
    /// # Errors
    /// `StoreFault` when it is unknown whether the commit became durable.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Committed, StoreFault>> + Send;

    /// Reads the receipt of an earlier request.
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read.
    fn receipt(
        &self,
        key: &ReceiptKey,
    ) -> impl Future<Output = Result<Option<Receipt>, StoreFault>> + Send;

    /// Finds credentials by something other than their id; at most [`INDEX_LEN_MAX`].
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read.
    fn find(
        &self,
        key: &IndexKey,
    ) -> impl Future<Output = Result<Vec<CredentialId>, StoreFault>> + Send;

    /// Reads the newest messages to a number, newest first; at most [`OUTBOX_LEN_MAX`].
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read.
    fn outbox(&self, to: &Mobile) -> impl Future<Output = Result<Vec<Message>, StoreFault>> + Send;

    /// Reads the errands of a lane that are due first; at most [`ERRANDS_LEN_MAX`].
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read.
    fn errands(&self, lane: &Lane) -> impl Future<Output = Result<Vec<Errand>, StoreFault>> + Send {
        self.errands_after(lane, None)
    }

    /// Reads the errands of a lane that follow one of it; at most [`ERRANDS_LEN_MAX`].
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read.
    fn errands_after(
        &self,
        lane: &Lane,
        after: Option<&ErrandKey>,
    ) -> impl Future<Output = Result<Vec<Errand>, StoreFault>> + Send;
}

/// One thing that a store keeps, as it passes from engine to engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Row {
    /// An event, as it went into its chain's hash.
    Event(Subject, Vec<u8>),
    /// A record; its events have passed before.
    Record(Subject, Box<Record>),
    /// A receipt.
    Receipt(ReceiptKey, Receipt),
    /// A block that is used up.
    Spent(BlockMark),
    /// A message.
    Message(Message),
    /// Under what else a credential can be found.
    Index(IndexKey, CredentialId),
    /// An errand.
    Errand(Errand),
}

/// Which rows a walk shows.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// All: chain after chain, in the order of their names, its events in order and its record, then
    /// the rest.
    Everything,
    /// Events and records, in the same order.
    Chains,
    /// Records only.
    Records,
    /// The events of one subject.
    Chain(&'a Subject),
}

/// What a walk calls with each row.
pub type Look<'a> = &'a mut dyn FnMut(Row) -> Result<(), StoreFault>;
/// What an inspection calls with each row, or with what is wrong with it.
pub type Inspect<'a> = &'a mut dyn FnMut(Result<Row, StoreFault>) -> Result<(), StoreFault>;

/// Walks a whole store, for checks and exports; it blocks the thread that calls it.
pub trait Survey {
    /// Shows the rows of one consistent state, whatever is committed meanwhile; goes on behind a row
    /// that is not what was put there.
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read, and whatever `look` returns.
    fn inspect(&self, scope: Scope<'_>, look: Inspect<'_>) -> Result<(), StoreFault>;

    /// Counts the rows that are sealed under each key version.
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read.
    fn sealed_under(&self) -> Result<BTreeMap<u32, u64>, StoreFault> {
        Ok(BTreeMap::new())
    }

    /// Shows the rows to whoever needs all of them; ends at one that is not what was put there.
    ///
    /// # Errors
    /// `StoreFault` when a row cannot be read, and whatever `look` returns.
    fn survey(&self, scope: Scope<'_>, look: Look<'_>) -> Result<(), StoreFault> {
        self.inspect(scope, &mut |row| look(row?))
    }

    /// Reads the first event of a subject as it was encoded.
    ///
    /// # Errors
    /// `StoreFault` when the row cannot be read.
    fn first_event(&self, subject: &Subject) -> Result<Option<Vec<u8>>, StoreFault>;

    /// Calls `look` with every subject's record.
    ///
    /// # Errors
    /// `StoreFault` when a row cannot be read, and whatever `look` returns.
    fn each_record(
        &self,
        look: &mut dyn FnMut(Subject, Record) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        self.survey(Scope::Records, &mut |row| {
            let Row::Record(subject, record) = row else { return Ok(()) };
            look(subject, *record)
        })
    }

    /// Calls `look` with every event of a subject as it was encoded, in order.
    ///
    /// # Errors
    /// `StoreFault` when a row cannot be read, and whatever `look` returns.
    fn each_event(
        &self,
        subject: &Subject,
        look: &mut dyn FnMut(&[u8]) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        self.survey(Scope::Chain(subject), &mut |row| {
            let Row::Event(_, encoded) = row else { return Ok(()) };
            look(&encoded)
        })
    }

    /// Counts the events that are kept, of all subjects.
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read.
    fn count_events(&self) -> Result<u64, StoreFault> {
        let mut count: u64 = 0;
        self.survey(Scope::Chains, &mut |row| {
            count = count.saturating_add(u64::from(matches!(row, Row::Event(..))));
            Ok(())
        })?;
        Ok(count)
    }
}

/// Fills an empty store, without decisions: for imports and large seeds. It blocks the thread that
/// calls it.
pub trait Intake {
    /// Takes rows until there are none, and says how many; all of it is durable then. A store that
    /// was not filled to the end does not open.
    ///
    /// # Errors
    /// `StoreFault` when the store is not empty or cannot be written, and whatever `next` returns.
    fn fill(
        &self,
        next: &mut dyn FnMut() -> Result<Option<Row>, StoreFault>,
    ) -> Result<u64, StoreFault>;
}
