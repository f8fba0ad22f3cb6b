//! The checker: hears what became durable and what was answered, and finds what must not be.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kunji_core::aggregate::State;
use kunji_core::audit::{ChainCheck, Event, Head, Subject};
use kunji_core::credential::Credential;
use kunji_core::errand::Lane;
use kunji_core::ids::CredentialId;
use kunji_core::reason::Reason;
use kunji_core::receipt::{ReceiptKey, Reply};
use kunji_core::store::{Commit, Record, Store as _, Survey as _};
use kunji_store::Memory;
use kunji_vault::Vault;

use super::ground::at_once;
use super::guarded::Guarded;
use super::holders;
use super::requests::{Answer, Ask, Content, named};
use super::tally::Tally;
use crate::psp::discord;

/// One time that something was asked of a process.
pub(crate) struct Attempt {
    pub(crate) ask: Arc<Ask>,
    /// Events that it left.
    events: u32,
    /// Why it was refused, as the last of them says.
    reason: Option<Reason>,
}

/// A subject's chain as far as it is durable.
struct Chain {
    check: ChainCheck,
    head: Head,
    state: State,
}

/// What was decided under a request id.
struct Decided {
    ask: Arc<Ask>,
    reply: Reply,
    /// Somebody was told.
    is_told: bool,
}

pub(crate) struct Checker {
    pub(crate) vault: Arc<Vault>,
    pub(crate) guarded: BTreeMap<CredentialId, Guarded>,
    attempts: Vec<Attempt>,
    chains: BTreeMap<Subject, Chain>,
    decided: HashMap<ReceiptKey, Decided>,
    /// Ids under which another secret came.
    frozen: HashSet<ReceiptKey>,
    /// The first thing that must not be.
    pub(crate) violation: Option<String>,
}

impl Checker {
    pub(crate) fn new(vault: Arc<Vault>, guarded: BTreeMap<CredentialId, Guarded>) -> Self {
        let (attempts, chains, decided) = (Vec::new(), BTreeMap::new(), HashMap::new());
        let frozen = HashSet::new();
        Self { vault, guarded, attempts, chains, decided, frozen, violation: None }
    }

    /// Something is asked; the number of the attempt.
    pub(crate) fn asked(&mut self, ask: Arc<Ask>) -> usize {
        self.attempts.push(Attempt { ask, events: 0, reason: None });
        self.attempts.len() - 1
    }

    pub(crate) fn blame(&mut self, found: Result<(), String>) {
        if let (None, Err(violation)) = (&self.violation, found) {
            self.violation = Some(violation);
        }
    }

    /// A commit became durable.
    pub(crate) fn durable(&mut self, commit: &Commit, attempt: usize, tally: &mut Tally) {
        let found = self.take(commit, attempt, tally);
        self.blame(found);
    }

    fn take(&mut self, commit: &Commit, attempt: usize, tally: &mut Tally) -> Result<(), String> {
        let subject = &commit.subject;
        let chain = self.chains.entry(subject.clone()).or_insert_with(|| Chain {
            check: ChainCheck::start(subject.clone()),
            head: Head::default(),
            state: State::Nothing,
        });
        let event = chain.check.take(&commit.encoded).map_err(|broken| broken.to_string())?;
        chain.head = chain.head.after(&commit.encoded);
        ensure(chain.head == commit.record.head, || format!("{subject}: head and event differ"))?;
        let before = std::mem::replace(&mut chain.state, commit.record.state.clone());
        tally.count(&format!("{}: {}", event.action.as_str(), event.verdict));
        if let Some(reason) = &event.reason {
            tally.count(&format!("reason: {}", reason.code()));
        }
        tally.note(("durable", attempt), &commit.encoded, || {
            format!("{subject} {} {} {:?}", event.seq, event.verdict, event.txn)
        });

        let place = attempt;
        let attempt = self.attempts.get_mut(attempt).ok_or("a commit of nobody")?;
        attempt.events += 1;
        attempt.reason.clone_from(&event.reason);
        let ask = Arc::clone(&attempt.ask);
        let is_once = matches!(ask.content, Content::Credential(..) | Content::CreateCard(_));
        ensure(attempt.events == 1 || !is_once, || format!("{ask:?} left two events"))?;
        let is_decided = self.decide(commit, &event, &ask)?;
        let rows = |state: &State| postcard::to_stdvec(state).unwrap();
        let is_silent = matches!(event.verdict.as_str(), "replayed" | "duplicate");
        let is_same = rows(&before) == rows(&commit.record.state);
        if event.verdict == "duplicate" {
            self.repeated(&event, commit)?;
        }
        let is_silent = is_silent && event.reason != Some(Reason::OtherSecret);
        ensure(!is_silent || is_same && !is_decided, || format!("{event:?} changed something"))?;
        if event.reason == Some(Reason::OtherSecret) {
            return Ok(());
        }
        match subject {
            Subject::Credential(id) if !is_silent && event.verdict != "seeded" => {
                ensure(is_decided, || format!("{event:?} was decided without a receipt"))?;
                if let (Content::CreateCard(_), None) = (&ask.content, self.guarded.get(id)) {
                    self.guarded.insert(id.clone(), Guarded::new_card());
                    return Ok(());
                }
                let credential = commit.record.credential().ok_or("a credential is gone")?;
                let guarded = self.guarded.get_mut(id).ok_or("nobody created it")?;
                guarded.take((&event, &ask, place), commit, credential, &self.vault)
            }
            Subject::Stranger(_) if is_decided => {
                let is_nobody = matches!(
                    event.verdict.as_str(),
                    "unknown_credential"
                        | "not_registered"
                        | "mobile_taken"
                        | "customer_without_card"
                );
                ensure(is_nobody, || format!("{event:?} of nobody"))
            }
            Subject::Number(number) => {
                ensure(is_decided || is_silent || event.txn.is_none(), || {
                    format!("{number}: {event:?} was decided without a receipt")
                })?;
                holders::check(&event, &ask, (&before, &commit.record.state), is_same)
            }
            Subject::Credential(_)
            | Subject::Stranger(_)
            | Subject::Service
            | Subject::Customer(_)
            | Subject::Address(_)
            | Subject::Capture(_) => Ok(()),
        }
    }

    /// A used id came again with other content, or with a secret: why was it refused?
    fn repeated(&mut self, event: &Event, commit: &Commit) -> Result<(), String> {
        let (caller, txn) = (event.caller.clone(), event.txn.clone().ok_or("an id is gone")?);
        let key = ReceiptKey { caller, txn };
        let guarded = match &commit.subject {
            Subject::Credential(id) => self.guarded.get_mut(id),
            Subject::Stranger(_)
            | Subject::Service
            | Subject::Customer(_)
            | Subject::Number(_)
            | Subject::Address(_)
            | Subject::Capture(_) => None,
        };
        match &event.reason {
            Some(Reason::OtherContent) => Ok(()),
            Some(Reason::OtherSecret) => {
                ensure(self.frozen.insert(key), || format!("{event:?} was compared twice"))?;
                let credential = commit.record.credential();
                match guarded.zip(credential) {
                    Some((guarded, credential)) => guarded.guessed(event, credential),
                    None => Ok(()),
                }
            }
            Some(Reason::Frozen) => {
                ensure(self.frozen.contains(&key), || format!("{event:?} is not frozen"))
            }
            Some(Reason::RepeatedWhileBlocked) => {
                let is_blocked = guarded.is_some_and(|one| one.twin.is_blocked(event.at.0));
                ensure(is_blocked, || format!("{event:?} came while nothing was blocked"))
            }
            reason => Err(format!("{event:?} is a duplicate for {reason:?}")),
        }
    }

    /// Takes down what was decided under a request id: once.
    fn decide(&mut self, commit: &Commit, event: &Event, ask: &Arc<Ask>) -> Result<bool, String> {
        let Some((key, receipt)) = &commit.receipt else { return Ok(false) };
        ensure(ask.key.as_ref() == Some(key) && event.txn.as_ref() == Some(&key.txn), || {
            format!("{event:?} has a receipt of another request")
        })?;
        let (ask, reply) = (Arc::clone(ask), receipt.reply.clone());
        let older = self.decided.insert(key.clone(), Decided { ask, reply, is_told: false });
        ensure(older.is_none(), || format!("{key:?} was decided twice"))?;
        Ok(true)
    }

    /// Somebody hears an answer.
    pub(crate) fn answered(&mut self, attempt: usize, answer: &Answer) {
        let found = self.hear(attempt, answer);
        self.blame(found);
    }

    fn hear(&mut self, attempt: usize, answer: &Answer) -> Result<(), String> {
        let Attempt { ask, events, reason } = &self.attempts[attempt];
        let what = || format!("attempt {attempt}, {ask:?}, hears {answer:?}");
        if *answer == Answer::Fault || matches!(ask.content, Content::Errands) {
            return Ok(());
        }
        ensure(*events > 0, || format!("{}, but left no event that is durable", what()))?;
        let Some(key) = &ask.key else { return Ok(()) };
        let decided = self.decided.get_mut(key);
        let decided = decided.ok_or_else(|| format!("{}, but nothing is decided", what()))?;
        let is_ours = decided.ask.text == ask.text;
        match answer {
            Answer::Said(reply) => {
                ensure(is_ours, || format!("{}, which answers something else", what()))?;
                ensure(decided.reply == *reply, || {
                    format!("{}, but {:?} is kept", what(), decided.reply)
                })?;
                decided.is_told = true;
                let Content::Credential(act, _) = &ask.content else { return Ok(()) };
                let guarded = self.guarded.get_mut(&named(act.who().unwrap()));
                guarded.map_or(Ok(()), |guarded| guarded.told(key))
            }
            Answer::Duplicate => {
                let is_closed =
                    matches!(reason, Some(Reason::Frozen | Reason::RepeatedWhileBlocked));
                ensure(!is_ours || is_closed, || format!("{}, but is no other", what()))?;
                let guessed = *reason == Some(Reason::OtherSecret);
                let Content::Credential(act, _) = &ask.content else { return Ok(()) };
                let guarded = self.guarded.get_mut(&named(act.who().unwrap()));
                guarded.filter(|_| guessed).map_or(Ok(()), |guarded| guarded.told_guess(key))
            }
            Answer::Done(_) | Answer::Fault => Ok(()),
        }
    }

    /// After a crash: what was told is still there.
    pub(crate) fn crashed(&mut self, durable: &Memory) {
        let found = self.remembered(durable);
        self.blame(found);
    }

    fn remembered(&self, durable: &Memory) -> Result<(), String> {
        for (key, decided) in self.decided.iter().filter(|(_, decided)| decided.is_told) {
            let kept = at_once(durable.receipt(key)).unwrap().map(|receipt| receipt.reply);
            ensure(kept.as_ref() == Some(&decided.reply), || format!("{key:?} was forgotten"))?;
        }
        Ok(())
    }

    /// Nothing is under way, and everything that was left to do is done.
    pub(crate) fn quiet(&mut self, durable: &Memory) {
        let found = self.rest(durable);
        self.blame(found);
    }

    fn rest(&self, durable: &Memory) -> Result<(), String> {
        self.remembered(durable)?;
        let mut records = Vec::new();
        let keep = &mut |subject: Subject, record: Record| {
            records.push((subject, record));
            Ok(())
        };
        durable.each_record(keep).unwrap();
        for (subject, record) in &records {
            let (mut check, mut broken) = (ChainCheck::start(subject.clone()), None);
            let take = &mut |encoded: &[u8]| {
                broken = broken.take().or(check.take(encoded).err());
                Ok(())
            };
            durable.each_event(subject, take).unwrap();
            let whole = broken.map_or_else(|| check.finish(&record.head), Err);
            whole.map_err(|broken| format!("{subject}: {broken}"))?;
            let known = self.chains.get(subject).map(|chain| chain.head);
            ensure(known == Some(record.head), || format!("{subject} moved by itself"))?;
        }
        let left = at_once(durable.errands(&Lane::Holdings)).unwrap();
        ensure(left.is_empty(), || format!("errands come to no end: {left:?}"))?;
        let states = records.into_iter().map(|(subject, one)| (subject.to_string(), one.state));
        discord(&states.collect()).map_or(Ok(()), Err)
    }
}

pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    match holds {
        true => Ok(()),
        false => Err(otherwise()),
    }
}

/// What is kept of a PIN, in bytes.
pub(crate) fn pins(credential: &Credential) -> Vec<u8> {
    postcard::to_stdvec(&credential.pin.kept).unwrap()
}
