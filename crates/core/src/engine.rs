//! The only loop: load, plan, ask the vault, decide, commit, reply.
//!
//! Nothing is replied before its commit is durable. Parallel requests on one credential learn no
//! more than they would in turn, because a decision that somebody overtook is made again.

mod journal;
mod opening;
mod planting;
mod psp;
mod turn;

use std::future::Future;
use std::sync::Arc;

use kunji_vault::{BlockMark, Fingerprint, Unreadable, Vault, VaultFault};

use self::journal::Entry;
use self::opening::Opened;
pub use self::planting::{noted, planted};
pub use self::psp::Claimed;
pub use self::turn::{By, Ticket, Turned};
use crate::aggregate::Kept;
use crate::audit::{Action, EventError, Subject};
use crate::command::{Command, Request, Target};
use crate::credential::{Credential, Decision, Outcome, Plan};
use crate::ids::{Caller, CredentialId, CredentialKind, IdError};
use crate::receipt::{Receipt, ReceiptKey, Reply};
use crate::refusal::Refusal;
use crate::rules::Rules;
use crate::store::{Commit, Committed, Load, Loaded, Reach, Record, Store, StoreFault};
use crate::time::{Clock, Stamp};

/// How often a decision that was overtaken is made again before the caller must come back.
///
/// Generous: of all that contend, one wins each time, but a thread may lose long series to others
/// that are a little faster.
pub const COMMIT_TRIES_MAX: usize = 1024;

/// What broke; the caller hears "outcome unknown", the log hears the cause.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The store broke.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The vault broke.
    #[error("the vault could not answer")]
    Vault(#[from] VaultFault),
    /// The audit broke.
    #[error("the audit could not be written")]
    Audit(#[from] EventError),
    /// A fresh name was not one.
    #[error("a fresh id could not be made")]
    Id(#[from] IdError),
    /// Too many others at work on the same credential, or in front of the vault.
    #[error("too busy to decide")]
    Busy,
}

/// Runs work that costs a core for long (RSA) beside the requests, within bounds.
pub trait Workers: Send + Sync + 'static {
    /// Runs the work and hands back what it made.
    ///
    /// # Errors
    /// `Fault::Busy` when the queue is full.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, Fault>> + Send;
}

/// Does the work where it stands: for tests and tools.
#[derive(Debug, Clone, Copy)]
pub struct Inline;

impl Workers for Inline {
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        Ok(work())
    }
}

/// How a dialect says what was decided. The reply is stored with the decision, byte for byte.
pub trait Voice: Sync {
    /// Puts a verdict into the dialect's words.
    fn say(&self, verdict: Verdict<'_>) -> Reply;
}

/// All that a reply may be made from.
#[derive(Debug, Clone, Copy)]
pub struct Verdict<'a> {
    /// What was decided.
    pub outcome: Result<Outcome, Refusal>,
    /// The credential after the decision, when the caller may see one.
    pub credential: Option<&'a Credential>,
    /// The instant and the randomness of the decision.
    pub stamp: &'a Stamp,
}

/// The issuer core over one store, one vault and one clock.
pub struct Engine<S, C, W> {
    /// Where everything is remembered.
    pub store: S,
    /// Where the digits are.
    pub vault: Arc<Vault>,
    /// Where stamps come from.
    pub clock: C,
    /// Where long work is done.
    pub workers: W,
    /// The numbers that the rules depend on.
    pub rules: Rules,
}

/// What stays the same however often one request is decided.
struct Asked {
    request: Arc<Request>,
    key: ReceiptKey,
    fingerprint: Fingerprint,
    marks: Vec<BlockMark>,
    opened: Option<Result<Opened, Unreadable>>,
    /// Somebody used a block up before us: it is not ours to spend, and a commit that spent it
    /// could never fit.
    spent: bool,
    /// Ids that were drawn for a new card and belong to another one.
    taken: u32,
}

/// What one round of the loop came to, before it is committed.
struct Round {
    subject: Subject,
    record: Record,
    ruling: Ruling,
}

/// A fresh decision, or what is said to a request id that was seen before.
enum Ruling {
    Fresh(Box<Decision>),
    Repeated(Reply),
    Duplicate,
}

impl<S: Store, C: Clock, W: Workers> Engine<S, C, W> {
    /// Answers one request, once: durable before it is answered, the same answer when repeated.
    ///
    /// # Errors
    /// `Fault` when something broke; whether the request took effect is then unknown, and the
    /// caller finds out by repeating it.
    pub async fn run(&self, request: Request, voice: &impl Voice) -> Result<Reply, Fault> {
        let mut asked = self.ask_about(request);
        for _ in 0..COMMIT_TRIES_MAX {
            let stamp = self.clock.stamp();
            let Some(round) = self.round(&mut asked, &stamp).await? else {
                continue;
            };
            let (commit, reply) = asked.conclude(round, voice, &stamp)?;
            match self.store.commit(commit).await? {
                Committed::Done => return Ok(reply),
                Committed::Conflict => {}
            }
        }
        Err(Fault::Busy)
    }

    /// Puts a ready credential into an empty place: for seeds.
    ///
    /// # Errors
    /// `Fault::Busy` when it is there already, else what broke.
    pub async fn plant(&self, credential: Credential, caller: Caller) -> Result<(), Fault> {
        self.plant_at(Subject::Credential(credential.id.clone()), credential, caller).await
    }

    /// Puts anything that a record can keep into an empty place: for seeds.
    ///
    /// # Errors
    /// `Fault::Busy` when something is there already, else what broke.
    pub async fn plant_at(
        &self,
        subject: Subject,
        kept: impl Kept,
        caller: Caller,
    ) -> Result<(), Fault> {
        self.settle(planted(subject, kept, caller, self.clock.stamp())?).await
    }

    /// Leaves an event of the service itself, as a start with the names of its keys.
    ///
    /// # Errors
    /// `Fault` when it could not be made durable.
    pub async fn note(&self, caller: Caller, action: Action, detail: String) -> Result<(), Fault> {
        for _ in 0..COMMIT_TRIES_MAX {
            let load = Load::of(&Subject::Service);
            let record = self.store.load(&load).await?.record;
            let what = (action, detail.clone());
            let commit = noted(record, caller.clone(), what, self.clock.stamp())?;
            if self.store.commit(commit).await? == Committed::Done {
                return Ok(());
            }
        }
        Err(Fault::Busy)
    }

    async fn settle(&self, commit: Commit) -> Result<(), Fault> {
        match self.store.commit(commit).await? {
            Committed::Done => Ok(()),
            Committed::Conflict => Err(Fault::Busy),
        }
    }

    fn ask_about(&self, request: Request) -> Asked {
        let mut print = self.vault.fingerprint();
        match &request.target {
            Target::Known(id) => print.text(&id.to_string()),
            Target::NewCard => print.text("new card"),
        }
        request.command.imprint(&mut print);
        let secrets = request.command.secrets();
        let marks = secrets.blocks().filter_map(|block| self.vault.mark(block)).collect();
        Asked {
            key: ReceiptKey { caller: request.caller.clone(), txn: request.txn.clone() },
            fingerprint: print.finish(),
            marks,
            request: Arc::new(request),
            opened: None,
            spent: false,
            taken: 0,
        }
    }

    /// Loads and decides once. `None`: the id is another card's, the next one must be tried.
    async fn round(&self, asked: &mut Asked, stamp: &Stamp) -> Result<Option<Round>, Fault> {
        let id = match &asked.request.target {
            Target::Known(id) => id.clone(),
            Target::NewCard => self.draw(asked)?,
        };
        let subject = Subject::Credential(id.clone());
        let loaded = self.load(asked, &subject).await?;
        asked.spent = loaded.spent;
        let program = asked.request.program.clone();
        let visible = |found: &&Credential| found.visible_to(program.as_deref());
        if let Some(receipt) = loaded.receipt {
            let ruling = asked.again(receipt);
            return match loaded.record.credential().filter(visible) {
                Some(_) => Ok(Some(Round { subject, record: loaded.record, ruling })),
                None => Ok(Some(self.stranger(asked, ruling).await?)),
            };
        }
        // Opened before anybody looks whose credential it is: who does not know must not learn it
        // from the time that opening takes.
        if asked.opened.is_none() {
            let (vault, workers) = (&self.vault, &self.workers);
            let opened = opening::open(vault, workers, &asked.request, stamp.real.0).await?;
            asked.opened = Some(opened);
        }
        if let Command::CreateCard(new) = &asked.request.command {
            let decision = Box::new(Decision::created(Credential::create(id, new)));
            if loaded.record.head.seq > 0 {
                asked.taken = asked.taken.saturating_add(1);
                return Ok(None);
            }
            let ruling = Ruling::Fresh(decision);
            return Ok(Some(Round { subject, record: loaded.record, ruling }));
        }
        let Some(credential) = loaded.record.credential().filter(visible) else {
            let refused = Box::new(Decision::refused(Refusal::UnknownCredential));
            return Ok(Some(self.stranger(asked, Ruling::Fresh(refused)).await?));
        };
        let decision = match asked.spent {
            true => Box::new(Decision::refused(Refusal::UnreadableBlock)),
            false => self.decide(asked, credential, stamp)?,
        };
        Ok(Some(Round { subject, record: loaded.record, ruling: Ruling::Fresh(decision) }))
    }

    async fn load(&self, asked: &Asked, subject: &Subject) -> Result<Loaded, Fault> {
        let reach = Reach::Subject;
        let load = Load { subject, receipt: Some(&asked.key), reach, marks: &asked.marks };
        Ok(self.store.load(&load).await?)
    }

    /// The same ruling, on the chain of requests that name nothing the caller may see; unless the
    /// request was answered there before.
    async fn stranger(&self, asked: &mut Asked, ruling: Ruling) -> Result<Round, Fault> {
        let subject = Subject::Stranger(asked.request.caller.clone());
        let Loaded { record, receipt, spent } = self.load(asked, &subject).await?;
        asked.spent |= spent;
        let ruling = receipt.map_or(ruling, |receipt| asked.again(receipt));
        Ok(Round { subject, record, ruling })
    }

    /// The id of a new card: an eleven-digit URN. It is drawn from the request's own id, under a
    /// key, so that a repeated request finds the card that it made, and nobody else foresees it.
    fn draw(&self, asked: &Asked) -> Result<CredentialId, IdError> {
        let mut print = self.vault.fingerprint();
        print.text("new card id");
        print.text(asked.key.caller.as_str());
        print.text(asked.key.txn.as_str());
        print.text(&asked.taken.to_string());
        let Fingerprint([a, b, c, d, e, f, g, h, ..]) = print.finish();
        let drawn = u64::from_le_bytes([a, b, c, d, e, f, g, h]) % 10_000_000_000;
        CredentialId::parse(CredentialKind::Card, &format!("7{drawn:010}"))
    }

    /// Plans, asks the vault if the rules must know, and decides.
    fn decide(
        &self,
        asked: &Asked,
        credential: &Credential,
        stamp: &Stamp,
    ) -> Result<Box<Decision>, Fault> {
        let command = &asked.request.command;
        let question = match credential.plan(command, &self.rules, stamp) {
            Plan::Settled(decision) => return Ok(decision),
            Plan::Ask(question) => question,
        };
        match &asked.opened {
            None | Some(Err(Unreadable)) => {
                Ok(Box::new(Decision::refused(Refusal::UnreadableBlock)))
            }
            Some(Ok(opened)) => {
                let answer = opening::answer(&self.vault, credential, question, opened)?;
                Ok(Box::new(credential.decide(command, answer, &self.rules, stamp)))
            }
        }
    }
}

impl Asked {
    /// What is said to a request id that was seen before.
    fn again(&self, receipt: Receipt) -> Ruling {
        match receipt.fingerprint.same_as(&self.fingerprint) {
            true => Ruling::Repeated(receipt.reply),
            false => Ruling::Duplicate,
        }
    }

    /// Says the ruling and gathers all that is committed with it.
    fn conclude(
        &self,
        round: Round,
        voice: &impl Voice,
        stamp: &Stamp,
    ) -> Result<(Commit, Reply), Fault> {
        let Round { subject, record, ruling } = round;
        let entry = |verdict, detail| Entry {
            stamp: *stamp,
            caller: self.request.caller.clone(),
            txn: Some(self.request.txn.clone()),
            action: self.request.command.action(),
            verdict,
            detail,
        };
        let duplicate = Refusal::Duplicate;
        match ruling {
            Ruling::Repeated(reply) => {
                let entry = entry("replayed", None);
                Ok((journal::commit(subject, record, None, entry)?, reply))
            }
            Ruling::Duplicate => {
                let reply = voice.say(Verdict { outcome: Err(duplicate), credential: None, stamp });
                let entry = entry(duplicate.as_str(), None);
                Ok((journal::commit(subject, record, None, entry)?, reply))
            }
            Ruling::Fresh(decision) => {
                let Decision { verdict, next, detail, messages } = *decision;
                let credential = next.as_ref().or(record.credential());
                let reply = voice.say(Verdict { outcome: verdict, credential, stamp });
                let about = credential.map(|credential| credential.id.clone());
                let entry = entry(verdict.map_or_else(Refusal::as_str, Outcome::as_str), detail);
                let commit = journal::commit(subject, record, next.map(Kept::keep), entry)?;
                let verdict = verdict.map_or_else(Refusal::as_str, Outcome::as_str).to_owned();
                let receipt = Receipt {
                    fingerprint: self.fingerprint,
                    reply: reply.clone(),
                    at: stamp.now,
                    verdict,
                    credential: about,
                };
                let spent = match self.spent {
                    true => Vec::new(),
                    false => self.marks.clone(),
                };
                let receipt = Some((self.key.clone(), receipt));
                Ok((Commit { receipt, spent, messages, ..commit }, reply))
            }
        }
    }
}
