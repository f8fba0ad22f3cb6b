//! The same loop for what needs no vault: load, decide, commit, reply.

use kunji_vault::Fingerprint;

use super::journal::{self, Entry};
use super::{Answered, COMMIT_TRIES_MAX, Engine, Fault, Workers};
use crate::aggregate::{Aggregate, Kept, Turn};
use crate::audit::{Action, Subject};
use crate::ids::{Caller, TxnId};
use crate::reason::Reason;
use crate::receipt::{Receipt, ReceiptKey, Reply};
use crate::refusal::Refusal;
use crate::store::{Commit, Committed, Load, Record, Store};
use crate::time::{Clock, Stamp};

/// Who asks, and under which request id, where the caller gave one.
#[derive(Debug, Clone)]
pub struct By {
    /// Who asks.
    pub caller: Caller,
    /// What makes a repeated request harmless.
    pub ticket: Option<Ticket>,
}

/// A request id and a fingerprint of all that was asked under it.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The caller's id for the request.
    pub txn: TxnId,
    /// Keyed MAC over the request.
    pub print: Fingerprint,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub enum Turned<A: Aggregate> {
    /// It was decided now.
    Decided {
        /// What was decided.
        verdict: Result<A::Outcome, A::Refusal>,
        /// The aggregate after it, if there is one.
        now: Option<Box<A>>,
        /// What was said, and kept under the request id.
        reply: Option<Reply>,
    },
    /// It was answered before, with these words.
    Repeated(Answered),
    /// The request id was used for something else.
    Duplicate,
}

impl<A: Aggregate> Turned<A> {
    /// What was answered, now or before, and why it was refused if it was; `None` when the request id
    /// was used for something else, or when nothing was to be said.
    #[must_use]
    pub fn answered(self) -> Option<Answered> {
        match self {
            Self::Decided { verdict, reply, .. } => {
                Some(Answered { reply: reply?, reason: verdict.err().map(Into::into) })
            }
            Self::Repeated(answered) => Some(answered),
            Self::Duplicate => None,
        }
    }
}

impl By {
    /// A caller whose request has no id: it is decided anew each time.
    #[must_use]
    pub fn caller(caller: Caller) -> Self {
        Self { caller, ticket: None }
    }

    fn key(&self) -> Option<ReceiptKey> {
        let ticket = self.ticket.as_ref()?;
        Some(ReceiptKey { caller: self.caller.clone(), txn: ticket.txn.clone() })
    }

    fn entry(&self, action: Action, verdict: &'static str, stamp: &Stamp) -> Entry {
        Entry {
            stamp: *stamp,
            caller: self.caller.clone(),
            txn: self.ticket.as_ref().map(|ticket| ticket.txn.clone()),
            action,
            verdict,
            detail: None,
            reason: None,
        }
    }
}

impl<S: Store, C: Clock, W: Workers> Engine<S, C, W> {
    /// Decides one command about one aggregate: durable before it is answered.
    ///
    /// What `say` answers is kept under the request id, if there is one, and answered again when
    /// the request is repeated; where it says nothing, another turn is to answer the request.
    ///
    /// # Errors
    /// `Fault` when something broke; whether the command took effect is then unknown.
    pub async fn turn<A: Aggregate>(
        &self,
        by: &By,
        subject: &Subject,
        command: &A::Command,
        say: impl Fn(&Turn<A>, Option<&A>, &Stamp) -> Option<Reply> + Sync,
    ) -> Result<Turned<A>, Fault> {
        let key = by.key();
        for _ in 0..COMMIT_TRIES_MAX {
            let load = Load { receipt: key.as_ref(), ..Load::of(subject) };
            let loaded = self.store.load(&load).await?;
            let turned = match (loaded.receipt, &by.ticket) {
                (Some(receipt), Some(ticket)) => {
                    let same = receipt.fingerprint.same_as(&ticket.print);
                    let (verdict, turned) = match same {
                        true => {
                            let Receipt { reply, reason, .. } = receipt;
                            ("replayed", Turned::Repeated(Answered { reply, reason }))
                        }
                        false => (Refusal::Duplicate.as_str(), Turned::Duplicate),
                    };
                    let entry = by.entry(A::action(command), verdict, &self.clock.stamp());
                    let reason = (!same).then_some(Reason::OtherContent);
                    let entry = Entry { reason, ..entry };
                    match self.leave::<A>(by, subject, loaded.record, entry).await? {
                        Committed::Done => Some(turned),
                        Committed::Conflict => None,
                    }
                }
                (_, _) => self.turn_on(by, (subject, loaded.record), command, &say).await?,
            };
            if let Some(turned) = turned {
                return Ok(turned);
            }
        }
        Err(Fault::Busy)
    }

    /// Decides on this record; `None` when somebody was faster.
    pub(super) async fn turn_on<A: Aggregate>(
        &self,
        by: &By,
        (subject, record): (&Subject, Record),
        command: &A::Command,
        say: impl Fn(&Turn<A>, Option<&A>, &Stamp) -> Option<Reply> + Sync,
    ) -> Result<Option<Turned<A>>, Fault> {
        let stamp = self.clock.stamp();
        let before = A::of(&record.state);
        let turn = A::decide(before, command, &self.rules, &stamp);
        let now = turn.next.as_ref().or(before).cloned();
        let reply = say(&turn, now.as_ref(), &stamp);
        let word = turn.verdict.map_or_else(Into::into, Into::into);
        let reason: Option<Reason> = turn.verdict.err().map(Into::into);
        let entry = by.entry(A::action(command), word, &stamp);
        let entry = Entry { detail: turn.detail, reason: reason.clone(), ..entry };
        let receipt = by.receipt(reply.as_ref(), word, reason, &stamp);
        let (verdict, errands, settled) = (turn.verdict, turn.errands, turn.settled);
        let commit = match (turn.next, before) {
            (Some(next), _) => journal::commit(subject.clone(), record, Some(next.keep()), entry)?,
            (None, Some(_)) => journal::commit(subject.clone(), record, None, entry)?,
            (None, None) => self.stranger_commit(by, entry).await?,
        };
        match self.store.commit(Commit { receipt, errands, settled, ..commit }).await? {
            Committed::Done => Ok(Some(Turned::Decided { verdict, now: now.map(Box::new), reply })),
            Committed::Conflict => Ok(None),
        }
    }

    /// Reads an aggregate as it is durable, and leaves no trace: for what the next turn decides on.
    ///
    /// # Errors
    /// `Fault` when the store cannot be read.
    pub async fn look<A: Kept>(&self, subject: &Subject) -> Result<Option<A>, Fault> {
        Ok(A::of(&self.store.read(subject).await?.state).cloned())
    }

    /// An event that changes nothing, on the chain of what is there, else of the caller.
    async fn leave<A: Aggregate>(
        &self,
        by: &By,
        subject: &Subject,
        record: Record,
        entry: Entry,
    ) -> Result<Committed, Fault> {
        let commit = match A::of(&record.state) {
            Some(_) => journal::commit(subject.clone(), record, None, entry)?,
            None => self.stranger_commit(by, entry).await?,
        };
        Ok(self.store.commit(commit).await?)
    }

    async fn stranger_commit(&self, by: &By, entry: Entry) -> Result<Commit, Fault> {
        let subject = Subject::Stranger(by.caller.clone());
        let record = self.store.load(&Load::of(&subject)).await?.record;
        Ok(journal::commit(subject, record, None, entry)?)
    }
}

impl By {
    fn receipt(
        &self,
        reply: Option<&Reply>,
        verdict: &'static str,
        reason: Option<Reason>,
        stamp: &Stamp,
    ) -> Option<(ReceiptKey, Receipt)> {
        let (ticket, reply) = (self.ticket.as_ref()?, reply?);
        let receipt = Receipt {
            fingerprint: ticket.print,
            reply: reply.clone(),
            at: stamp.now,
            verdict: verdict.to_owned(),
            credential: None,
            secret: None,
            reason,
        };
        Some((self.key()?, receipt))
    }
}
