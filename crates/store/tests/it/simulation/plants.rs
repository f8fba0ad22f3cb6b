//! Known bugs, planted between the engine and its store: the checker must find each of them.

use kunji_core::audit::{Event, Subject};
use kunji_core::errand::{Errand, ErrandKey, Lane};
use kunji_core::ids::{CredentialId, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::reason::Reason;
use kunji_core::receipt::{Receipt, ReceiptKey};
use kunji_core::store::{Commit, Committed, Load, Loaded, Record, Store, StoreFault};

use super::ground::Offered;
use super::store::Simulated;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// None: the store as it is.
    Nothing,
    /// A commit is answered when it is queued, not when it is durable.
    ReplyBeforeCommit,
    /// A verdict that was overtaken is committed all the same, with the tries that it counted.
    CounterOutside,
    /// A commit goes without its receipt.
    ReceiptForgotten,
    /// A commit goes without the errands that it makes necessary.
    ErrandForgotten,
    /// What only leaves an event is not written.
    EventSkipped,
    /// A conflict is taken for success.
    ConflictIgnored,
    /// Another secret under a used id is told apart, and does not count.
    ReceiptComparedFree,
    /// A record that nobody sealed is taken as it is.
    UnsealedAccepted,
}

impl Plant {
    pub(crate) const ALL: [Self; 8] = [
        Self::ReplyBeforeCommit,
        Self::CounterOutside,
        Self::ReceiptForgotten,
        Self::ErrandForgotten,
        Self::EventSkipped,
        Self::ConflictIgnored,
        Self::ReceiptComparedFree,
        Self::UnsealedAccepted,
    ];
}

/// How often a bug shows: rarely, as the bad ones do.
const RARE: u64 = 8;

/// The simulated store with a bug in front of it.
pub(crate) struct Planted {
    pub(crate) inner: Simulated,
    pub(crate) plant: Plant,
}

impl Planted {
    /// Puts a commit on top of what is there now, whatever that is.
    async fn rebased(&self, commit: Commit) -> Result<Commit, StoreFault> {
        let load = Load::of(&commit.subject);
        let head = self.inner.load(&load).await?.record.head;
        if head == commit.expected {
            return Ok(commit);
        }
        let event = Event { seq: head.seq + 1, ..Event::decode(&commit.encoded).unwrap() };
        let encoded = event.encode().unwrap();
        let record = Record { head: head.after(&encoded), ..commit.record };
        Ok(Commit { expected: head, record, encoded, ..commit })
    }
}

impl Store for Planted {
    async fn load(&self, load: &Load<'_>) -> Result<Loaded, StoreFault> {
        self.inner.load(load).await
    }

    async fn read(&self, subject: &Subject) -> Result<Record, StoreFault> {
        self.inner.read(subject).await
    }

    async fn commit(&self, mut commit: Commit) -> Result<Committed, StoreFault> {
        let shows = self.plant != Plant::Nothing && self.inner.draws(RARE);
        match self.plant {
            Plant::ReplyBeforeCommit if shows => {
                let offered = self.inner.offer(commit).await;
                return match matches!(offered, Offered::Waits(_)) {
                    true => Ok(Committed::Done),
                    false => self.inner.end(offered).await,
                };
            }
            Plant::CounterOutside if matches!(commit.subject, Subject::Credential(_)) => {
                commit = self.rebased(commit).await?;
            }
            Plant::ReceiptForgotten if shows => commit.receipt = None,
            Plant::ErrandForgotten if shows => commit.errands.clear(),
            Plant::EventSkipped if shows && commit.receipt.is_none() => {
                let load = Load::of(&commit.subject);
                let there = self.inner.load(&load).await?.record;
                let rows = |record: &Record| postcard::to_stdvec(&record.state).unwrap();
                if rows(&there) == rows(&commit.record) {
                    return Ok(Committed::Done);
                }
            }
            Plant::ReceiptComparedFree => {
                let event = Event::decode(&commit.encoded).unwrap();
                if event.reason == Some(Reason::OtherSecret) {
                    let load = Load::of(&commit.subject);
                    commit.record.state = self.inner.load(&load).await?.record.state;
                }
            }
            Plant::Nothing
            | Plant::ReplyBeforeCommit
            | Plant::CounterOutside
            | Plant::ReceiptForgotten
            | Plant::ErrandForgotten
            | Plant::EventSkipped
            | Plant::ConflictIgnored
            | Plant::UnsealedAccepted => {}
        }
        let committed = self.inner.commit(commit).await?;
        match shows && self.plant == Plant::ConflictIgnored {
            true => Ok(Committed::Done),
            false => Ok(committed),
        }
    }

    async fn receipt(&self, key: &ReceiptKey) -> Result<Option<Receipt>, StoreFault> {
        self.inner.receipt(key).await
    }

    async fn find(&self, key: &IndexKey) -> Result<Vec<CredentialId>, StoreFault> {
        self.inner.find(key).await
    }

    async fn outbox(&self, to: &Mobile) -> Result<Vec<Message>, StoreFault> {
        self.inner.outbox(to).await
    }

    async fn errands_after(
        &self,
        lane: &Lane,
        after: Option<&ErrandKey>,
    ) -> Result<Vec<Errand>, StoreFault> {
        self.inner.errands_after(lane, after).await
    }
}
