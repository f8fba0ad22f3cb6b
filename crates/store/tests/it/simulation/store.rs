//! The store port of one process: every operation waits before it is carried out and before it is
//! answered, and some break.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use kunji_core::aggregate::Kept as _;
use kunji_core::audit::{ChainName, Head, Subject};
use kunji_core::errand::{Errand, ErrandKey, Lane};
use kunji_core::ids::{CredentialId, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::receipt::{Receipt, ReceiptKey};
use kunji_core::store::{Commit, Committed, FaultKind, Load, Loaded, Record, Store, StoreFault};
use kunji_store::Memory;
use kunji_vault::Vault;

use super::ground::{Ground, Kind, Offered, at_once};
use super::process::Told;

#[derive(Clone)]
pub(crate) struct Simulated {
    pub(crate) ground: Arc<Mutex<Ground>>,
    pub(crate) process: usize,
}

/// Lets others go first, so many times.
struct Pause(u64);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Waits until it is told how a commit ended.
struct End<'a> {
    store: &'a Simulated,
    ticket: u64,
}

impl Future for End<'_> {
    type Output = Told;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Told> {
        let mut ground = self.store.ground();
        let ours = &mut ground.processes[self.store.process];
        let waiting = ours.waiting.get_mut(&self.ticket).unwrap();
        match waiting.told {
            Some(told) => {
                ours.waiting.remove(&self.ticket);
                Poll::Ready(told)
            }
            None => {
                waiting.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn fault() -> StoreFault {
    StoreFault::of("simulating")("something broke")
}

impl Simulated {
    pub(crate) fn ground(&self) -> MutexGuard<'_, Ground> {
        self.ground.lock().unwrap()
    }

    /// Once in so many times, as the seed has it.
    pub(crate) fn draws(&self, one_in: u64) -> bool {
        self.ground().chance.one_in(one_in)
    }

    async fn pause(&self) {
        let polls = {
            let mut ground = self.ground();
            match ground.chance.below(256) {
                0 if !ground.is_calm => {
                    ground.tally.count("slow operation");
                    20 + ground.chance.below(200)
                }
                1..32 => 2 + ground.chance.below(6),
                _ => 1,
            }
        };
        Pause(polls).await;
    }

    /// Carries out a look at what is durable, between two waits.
    async fn look<T>(
        &self,
        what: &'static str,
        look: impl FnOnce(&Memory) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        self.pause().await;
        let found = {
            let mut ground = self.ground();
            ground.step(what);
            if ground.is_down || ground.befalls(250, "read failed") {
                return Err(fault());
            }
            look(&ground.durable)
        };
        self.pause().await;
        found
    }

    /// Hands a commit over; the answer to it may be waited for, or not.
    pub(crate) async fn offer(&self, commit: Commit) -> Offered {
        self.pause().await;
        self.ground().offer(self.process, commit)
    }

    pub(crate) async fn end(&self, offered: Offered) -> Result<Committed, StoreFault> {
        let told = match offered {
            Offered::Conflict => Told::Ended(Committed::Conflict),
            Offered::Fault => Told::Fault,
            Offered::Waits(ticket) => End { store: self, ticket }.await,
        };
        self.pause().await;
        match told {
            Told::Ended(committed) => Ok(committed),
            Told::Fault => Err(fault()),
        }
    }
}

/// Somebody writes a record anew, who can write the store and has no keys: without its tries, and
/// without a seal.
struct Forgery {
    vault: Arc<Vault>,
    /// Whether it is taken all the same.
    is_taken: bool,
}

impl Simulated {
    fn forgery(&self) -> Option<Forgery> {
        let mut ground = self.ground();
        let befalls = ground.befalls(120, "record forged");
        let (vault, is_taken) = (Arc::clone(&ground.vault), ground.takes_unsealed);
        befalls.then_some(Forgery { vault, is_taken })
    }
}

impl Forgery {
    /// Loads while the forged row is there. A store that seals its rows refuses it.
    fn load(self, durable: &Memory, load: &Load<'_>) -> Result<Loaded, StoreFault> {
        let there = at_once(durable.load(load))?;
        let Some(mut credential) = there.record.credential().cloned() else { return Ok(there) };
        (credential.pin.tries, credential.pin.blocked_until) = (0, None);
        let record = Record { head: there.record.head, state: credential.keep() };
        let key = [b"r", &ChainName::of(&self.vault, load.subject).0[..]].concat();
        let Head { seq, hash } = record.head;
        let open = postcard::to_stdvec(&(load.subject, &record.state)).unwrap();
        let forged = [&seq.to_be_bytes()[..], &hash, &open].concat();
        let kept = durable.tamper(|rows| rows.insert(key.clone(), forged)).unwrap().unwrap();
        let found = at_once(durable.load(load));
        durable.tamper(|rows| rows.insert(key, kept)).unwrap();
        let fault = found.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Altered, "{fault:?}");
        match self.is_taken {
            true => Ok(Loaded { record, ..there }),
            false => Err(fault),
        }
    }
}

impl Store for Simulated {
    async fn load(&self, load: &Load<'_>) -> Result<Loaded, StoreFault> {
        // What is pending is looked at first: it may be durable, or gone, when the rest is read.
        self.pause().await;
        let (record, receipt, spent) = {
            let ground = self.ground();
            let ours = &ground.processes[self.process];
            let record = ours.record(load.subject).cloned();
            let alone = ground.kind == Kind::Alone;
            let receipt = load.receipt.filter(|_| alone).and_then(|key| ours.receipt(key));
            let spent = alone && load.marks.iter().any(|mark| ours.is_spent(mark));
            (record, receipt.cloned(), spent)
        };
        let forgery = self.forgery();
        let load_once = |durable: &Memory| match forgery {
            None => at_once(durable.load(load)),
            Some(forgery) => forgery.load(durable, load),
        };
        let there = self.look("load", load_once).await?;
        if record.is_none() {
            let seq = there.record.head.seq;
            self.ground().processes[self.process].note_seen(load.subject, seq);
        }
        Ok(Loaded {
            record: record.unwrap_or(there.record),
            receipt: receipt.or(there.receipt),
            spent: spent || there.spent,
        })
    }

    async fn read(&self, subject: &Subject) -> Result<Record, StoreFault> {
        self.look("read", |durable| at_once(durable.read(subject))).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreFault> {
        let offered = self.offer(commit).await;
        self.end(offered).await
    }

    async fn receipt(&self, key: &ReceiptKey) -> Result<Option<Receipt>, StoreFault> {
        self.look("receipt", |durable| at_once(durable.receipt(key))).await
    }

    async fn find(&self, key: &IndexKey) -> Result<Vec<CredentialId>, StoreFault> {
        self.look("find", |durable| at_once(durable.find(key))).await
    }

    async fn outbox(&self, to: &Mobile) -> Result<Vec<Message>, StoreFault> {
        self.look("outbox", |durable| at_once(durable.outbox(to))).await
    }

    async fn errands_after(
        &self,
        lane: &Lane,
        after: Option<&ErrandKey>,
    ) -> Result<Vec<Errand>, StoreFault> {
        self.look("errands", |durable| at_once(durable.errands_after(lane, after))).await
    }
}
