//! The only loop: load, plan, ask the vault, decide, commit, reply.
//!
//! Nothing is replied before its commit is durable. Parallel requests on one credential learn no
//! more than they would in turn, because a decision that somebody overtook is made again.

mod journal;
mod lookups;
mod opening;
mod planting;
mod psp;
mod turn;

use std::future::Future;
use std::sync::Arc;

use kunji_vault::{BlockMark, Fingerprint, SecretMark, Unreadable, Vault, VaultFault};

use self::journal::Entry;
use self::opening::Opened;
pub use self::planting::{noted, planted};
pub use self::psp::Claimed;
pub use self::turn::{By, Ticket, Turned};
use crate::aggregate::Kept;
use crate::audit::{Action, EventError, Head, Subject};
use crate::budget::GuessBudget;
use crate::command::{Command, Request, Target};
use crate::credential::{Credential, Decision, Outcome, Plan};
use crate::ids::{Caller, CredentialId, CredentialKind, IdError};
use crate::reason::Reason;
use crate::receipt::{Receipt, ReceiptKey, Reply};
use crate::refusal::Refusal;
use crate::rules::Rules;
use crate::store::{Commit, Committed, FaultKind, Load, Loaded, Reach, Record, Store, StoreFault};
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
    Store(StoreFault),
    /// The store shows a subject as it was earlier; what became of it since is lost, or hidden.
    #[error("the store went back behind what this process has seen")]
    WentBack(#[source] StoreFault),
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

impl From<StoreFault> for Fault {
    fn from(fault: StoreFault) -> Self {
        match fault.kind {
            FaultKind::Broken | FaultKind::Altered => Self::Store(fault),
            FaultKind::WentBack => Self::WentBack(fault),
        }
    }
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
    /// How often each caller may still hear that a secret was wrong.
    pub budget: Arc<GuessBudget>,
}

/// What was answered, and why it was refused if it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The reply, now durable.
    pub reply: Reply,
    /// Why the request was refused, for who runs Kunji: the wire never shows it.
    pub reason: Option<Reason>,
}

/// What stays the same however often one request is decided.
struct Asked {
    request: Arc<Request>,
    key: ReceiptKey,
    fingerprint: Fingerprint,
    /// Clear secrets that came with the request, and the name under which its id is frozen.
    secret: Option<(SecretMark, BlockMark)>,
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
    /// The stored answer again.
    Repeated(Box<Receipt>),
    /// The id is taken, for this reason.
    Duplicate(Reason),
    /// The id is taken, and another secret came under it: the id is frozen by this name, and the guess
    /// counts.
    Guessed(BlockMark, Box<Decision>),
}

impl<S: Store, C: Clock, W: Workers> Engine<S, C, W> {
    /// Answers one request, once: durable before it is answered, the same answer when repeated.
    ///
    /// # Errors
    /// `Fault` when something broke; whether the request took effect is then unknown, and the
    /// caller finds out by repeating it.
    pub async fn run(&self, request: Request, voice: &impl Voice) -> Result<Answered, Fault> {
        let mut asked = self.ask_about(request);
        for _ in 0..COMMIT_TRIES_MAX {
            let stamp = self.clock.stamp();
            let Some(round) = self.round(&mut asked, &stamp).await? else {
                continue;
            };
            let (commit, answered) = asked.conclude(round, voice, &stamp)?;
            match self.store.commit(commit).await? {
                Committed::Done => {
                    return Ok(self.within_budget(&asked.key, answered, (voice, &stamp)));
                }
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

    /// Leaves an event of the service itself, as a start with the names of its keys, and says where
    /// it stands: no other event has this place.
    ///
    /// # Errors
    /// `Fault` when it could not be made durable.
    pub async fn note(
        &self,
        caller: Caller,
        action: Action,
        detail: String,
    ) -> Result<Head, Fault> {
        for _ in 0..COMMIT_TRIES_MAX {
            let load = Load::of(&Subject::Service);
            let record = self.store.load(&load).await?.record;
            let what = (action, detail.clone());
            let commit = noted(record, caller.clone(), what, self.clock.stamp())?;
            let head = commit.record.head;
            if self.store.commit(commit).await? == Committed::Done {
                return Ok(head);
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
        let key = ReceiptKey { caller: request.caller.clone(), txn: request.txn.clone() };
        let (fingerprint, secret) = print.finish_for(&[key.caller.as_str(), key.txn.as_str()]);
        let secret = secret.map(|mark| (mark, self.freezing(&key)));
        Asked {
            key,
            fingerprint,
            secret,
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
            return match loaded.record.credential().filter(visible) {
                Some(_) => self.again(asked, (subject, loaded.record), receipt, stamp).await,
                None => self.stranger(asked, Err(receipt), stamp).await,
            }
            .map(Some);
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
            if self.is_mobile_taken(new).await? {
                let refused = Box::new(Decision::refused(Refusal::MobileTaken));
                return self.stranger(asked, Ok(refused), stamp).await.map(Some);
            }
            let ruling = Ruling::Fresh(decision);
            return Ok(Some(Round { subject, record: loaded.record, ruling }));
        }
        let found = loaded.record.credential().filter(visible);
        let cardless = self.names_cardless(&asked.request, found).await?;
        let Some(credential) = found else {
            let refused = if cardless {
                Decision::refused(Refusal::CustomerWithoutCard)
            } else {
                let reason = match loaded.record.credential() {
                    Some(_) => Reason::NotOfProgram,
                    None => Reason::NoSuchCredential,
                };
                Decision::refused_for(Refusal::UnknownCredential, reason)
            };
            return self.stranger(asked, Ok(Box::new(refused)), stamp).await.map(Some);
        };
        let decision = if cardless {
            Box::new(Decision::refused(Refusal::CustomerWithoutCard))
        } else if asked.spent {
            Box::new(Decision::refused_for(Refusal::UnreadableBlock, Reason::BlockUsed))
        } else {
            self.decide(asked, credential, stamp)?
        };
        Ok(Some(Round { subject, record: loaded.record, ruling: Ruling::Fresh(decision) }))
    }

    async fn load(&self, asked: &Asked, subject: &Subject) -> Result<Loaded, Fault> {
        let reach = Reach::Subject;
        let load = Load { subject, receipt: Some(&asked.key), reach, marks: &asked.marks };
        Ok(self.store.load(&load).await?)
    }

    /// The same, on the chain of requests that name nothing the caller may see: the receipt that was
    /// found elsewhere, or a fresh decision where the request was not answered there before either.
    async fn stranger(
        &self,
        asked: &mut Asked,
        found: Result<Box<Decision>, Receipt>,
        stamp: &Stamp,
    ) -> Result<Round, Fault> {
        let subject = Subject::Stranger(asked.request.caller.clone());
        let Loaded { record, receipt, spent } = self.load(asked, &subject).await?;
        asked.spent |= spent;
        match (receipt, found) {
            (Some(receipt), _) | (None, Err(receipt)) => {
                self.again(asked, (subject, record), receipt, stamp).await
            }
            (None, Ok(decision)) => Ok(Round { subject, record, ruling: Ruling::Fresh(decision) }),
        }
    }

    /// The answer, unless it tells a caller of a wrong secret who has heard of too many: the guess has
    /// counted, but nobody learns what became of it. Who repeats the request later may.
    fn within_budget(
        &self,
        key: &ReceiptKey,
        answered: Answered,
        (voice, stamp): (&impl Voice, &Stamp),
    ) -> Answered {
        let tells = answered.reason.as_ref().is_some_and(Reason::is_verdict);
        if !tells || self.budget.take(&key.caller, &key.txn, stamp.now) {
            return answered;
        }
        let outcome = Err(Refusal::GuessBudgetUsedUp);
        let reply = voice.say(Verdict { outcome, credential: None, stamp });
        Answered { reply, reason: Some(Reason::GuessBudgetUsedUp) }
    }

    /// What is said to a request id that was seen before.
    ///
    /// Whether clear secrets are those of the first request is a verdict. So it is given once for
    /// each id, it counts as a wrong PIN does, and none is given while the PIN is blocked.
    async fn again(
        &self,
        asked: &Asked,
        (subject, record): (Subject, Record),
        receipt: Receipt,
        stamp: &Stamp,
    ) -> Result<Round, Fault> {
        if !receipt.fingerprint.same_as(&asked.fingerprint) {
            let ruling = Ruling::Duplicate(Reason::OtherContent);
            return Ok(Round { subject, record, ruling });
        }
        let (kept, (sent, freezing)) = match (&receipt.secret, &asked.secret) {
            (Some(kept), Some(sent)) => (kept, sent),
            (None, None) => {
                let ruling = Ruling::Repeated(Box::new(receipt));
                return Ok(Round { subject, record, ruling });
            }
            // Which secrets are clear is in the fingerprint, so that this cannot be.
            (Some(_), None) | (None, Some(_)) => {
                let ruling = Ruling::Duplicate(Reason::OtherContent);
                return Ok(Round { subject, record, ruling });
            }
        };
        let load = Load { marks: &[*freezing], reach: Reach::Subject, ..Load::of(&subject) };
        let Loaded { record, spent: frozen, .. } = self.store.load(&load).await?;
        let credential = record.credential();
        let ruling = if frozen {
            Ruling::Duplicate(Reason::Frozen)
        } else if credential.is_some_and(|credential| credential.is_blocked(stamp)) {
            Ruling::Duplicate(Reason::RepeatedWhileBlocked)
        } else if kept.same_as(sent) {
            Ruling::Repeated(Box::new(receipt))
        } else {
            // Where there is no credential, there is no PIN to guess.
            let uncounted = || Decision::refused_for(Refusal::Duplicate, Reason::OtherSecret);
            let counted = credential.map(|credential| credential.guessed(&self.rules, stamp));
            Ruling::Guessed(*freezing, Box::new(counted.unwrap_or_else(uncounted)))
        };
        Ok(Round { subject, record, ruling })
    }

    /// The name that is used up when a request's id is frozen.
    fn freezing(&self, key: &ReceiptKey) -> BlockMark {
        let mut print = self.vault.fingerprint();
        print.text("frozen request id");
        print.text(key.caller.as_str());
        print.text(key.txn.as_str());
        let Fingerprint(bytes) = print.finish();
        BlockMark(bytes.first_chunk().copied().unwrap_or_default())
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
            None => Ok(Box::new(Decision::refused(Refusal::UnreadableBlock))),
            Some(Err(Unreadable(flaw))) => {
                let reason = Reason::Block(*flaw);
                Ok(Box::new(Decision::refused_for(Refusal::UnreadableBlock, reason)))
            }
            Some(Ok(opened)) => {
                let answer = opening::answer(&self.vault, credential, question, opened)?;
                Ok(Box::new(credential.decide(command, answer, &self.rules, stamp)))
            }
        }
    }
}

impl Asked {
    /// Says the ruling and gathers all that is committed with it.
    fn conclude(
        &self,
        round: Round,
        voice: &impl Voice,
        stamp: &Stamp,
    ) -> Result<(Commit, Answered), Fault> {
        let Round { subject, record, ruling } = round;
        let entry = |verdict, detail, reason| Entry {
            stamp: *stamp,
            caller: self.request.caller.clone(),
            txn: Some(self.request.txn.clone()),
            action: self.request.command.action(),
            verdict,
            detail,
            reason,
        };
        match ruling {
            Ruling::Repeated(receipt) => {
                let Receipt { reply, reason, .. } = *receipt;
                let entry = entry("replayed", None, None);
                let commit = journal::commit(subject, record, None, entry)?;
                Ok((commit, Answered { reply, reason }))
            }
            Ruling::Duplicate(reason) => {
                let (refusal, reason) = (Refusal::Duplicate, Some(reason));
                let reply = voice.say(Verdict { outcome: Err(refusal), credential: None, stamp });
                let entry = entry(refusal.as_str(), None, reason.clone());
                let commit = journal::commit(subject, record, None, entry)?;
                Ok((commit, Answered { reply, reason }))
            }
            Ruling::Guessed(freezing, decision) => {
                let Decision { verdict, next, detail, reason, .. } = *decision;
                let reply = voice.say(Verdict { outcome: verdict, credential: None, stamp });
                let word = verdict.map_or_else(Refusal::as_str, Outcome::as_str);
                let entry = entry(word, detail, reason.clone());
                let commit = journal::commit(subject, record, next.map(Kept::keep), entry)?;
                let commit = Commit { spent: vec![freezing], ..commit };
                Ok((commit, Answered { reply, reason }))
            }
            Ruling::Fresh(decision) => {
                let Decision { verdict, next, detail, reason, messages } = *decision;
                let credential = next.as_ref().or(record.credential());
                let reply = voice.say(Verdict { outcome: verdict, credential, stamp });
                let about = credential.map(|credential| credential.id.clone());
                let word = verdict.map_or_else(Refusal::as_str, Outcome::as_str);
                let entry = entry(word, detail, reason.clone());
                let commit = journal::commit(subject, record, next.map(Kept::keep), entry)?;
                let receipt = Receipt {
                    fingerprint: self.fingerprint,
                    reply: reply.clone(),
                    at: stamp.now,
                    verdict: word.to_owned(),
                    credential: about,
                    secret: self.secret.map(|(mark, _)| mark),
                    reason: reason.clone(),
                };
                let spent = if self.spent { Vec::new() } else { self.marks.clone() };
                let receipt = Some((self.key.clone(), receipt));
                let commit = Commit { receipt, spent, messages, ..commit };
                Ok((commit, Answered { reply, reason }))
            }
        }
    }
}
