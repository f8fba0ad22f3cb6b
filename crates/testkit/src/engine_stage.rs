//! The stage of the core itself: the engine over any store.

mod commands;

use std::collections::HashMap;
use std::sync::Arc;

use kunji_core::audit::Subject;
use kunji_core::command::{Command, Request, Target};
use kunji_core::credential::Credential;
use kunji_core::engine::{Engine, Inline};
use kunji_core::ids::{Caller, CredentialId, CredentialKind, TxnId};
use kunji_core::outbox::Message;
use kunji_core::receipt::Reply;
use kunji_core::refusal::Refusal;
use kunji_core::rules::Rules;
use kunji_core::store::{Load, Record, Store, Survey};
use kunji_vault::{BlockAlg, BlockMaker, KeyRing, PinUse, Transit, Vault};
use tokio::runtime::Runtime;

use crate::perform::{Played, Stage};
use crate::story::{Act, OtpWord, Step, TxnWord};
use crate::{FakeClock, Plain, samples, verify_chains};

/// A place for a store that outlives its process.
pub trait Home {
    /// The store that lives there.
    type Store: Store + Survey;

    /// Opens the empty store of a new place.
    fn open(&mut self) -> Self::Store;

    /// Ends the process that holds the store, and starts the next one.
    fn reopen(&mut self, store: Self::Store) -> Self::Store;
}

/// How PINs reach the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// As digits.
    Clear,
    /// As JWE blocks.
    Sealed,
}

/// The engine as a stage.
pub struct EngineStage<H: Home> {
    home: H,
    engine: Option<Engine<H::Store, FakeClock, Inline>>,
    /// The vault, the same after every restart.
    pub vault: Arc<Vault>,
    /// The clock, the same after every restart.
    pub clock: FakeClock,
    runtime: Runtime,
    maker: Option<BlockMaker>,
    planted: HashMap<String, CredentialId>,
    requests: u64,
    last: Option<Sent>,
}

/// Makes the same command as often as it is called.
type MakeCommand = Box<dyn Fn() -> Command>;

/// The request before: how to make it again, and what came of it.
struct Sent {
    who: String,
    txn: TxnId,
    make: Box<dyn Fn() -> Request>,
    reply: Reply,
}

impl<H: Home> EngineStage<H> {
    /// An empty stage.
    ///
    /// # Panics
    /// When keys or a runtime cannot be made.
    #[must_use]
    pub fn new(mut home: H, transport: Transport) -> Self {
        let vault = Arc::new(Vault::new(KeyRing::ephemeral().expect("keys can be made")));
        let clock = FakeClock::start();
        // A thread of its own serves the store's connections also between the steps.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let engine = engine(home.open(), &vault, &clock);
        let maker = match transport {
            Transport::Clear => None,
            Transport::Sealed => {
                Some(BlockMaker::from_jwks(&vault.jwks(), BlockAlg::EcdhEs).expect("a key"))
            }
        };
        Self {
            home,
            engine: Some(engine),
            vault,
            clock,
            runtime,
            maker,
            planted: HashMap::new(),
            requests: 0,
            last: None,
        }
    }

    /// Where the store lives.
    #[must_use]
    pub fn home(&self) -> &H {
        &self.home
    }

    /// The engine of the running process.
    ///
    /// # Panics
    /// Never: there is always one.
    #[must_use]
    pub fn engine(&self) -> &Engine<H::Store, FakeClock, Inline> {
        self.engine.as_ref().expect("a process runs")
    }

    /// The credential that the story calls so, as it is kept now.
    ///
    /// # Panics
    /// When the store cannot be read.
    #[must_use]
    pub fn credential(&self, who: &str) -> Option<Credential> {
        self.record(who).credential().cloned()
    }

    /// The newest OTPs that went to a credential's holder, newest first.
    ///
    /// # Panics
    /// When a message cannot be opened.
    #[must_use]
    pub fn otps(&self, who: &str) -> Vec<String> {
        let Some(credential) = self.credential(who) else {
            return Vec::new();
        };
        let outbox = self.engine().store.outbox(&credential.holder.mobile);
        let messages = self.runtime.block_on(outbox).expect("the outbox can be read");
        let open = |message: &Message| {
            let opened = self.vault.open_message(&message.about.to_string(), &message.sealed);
            opened.expect("a message opens").otp.clone().expect("it holds an OTP")
        };
        messages.iter().filter(|message| message.about == credential.id).map(open).collect()
    }

    fn record(&self, who: &str) -> Record {
        let subject = Subject::Credential(self.id(who));
        let load = Load::of(&subject);
        self.runtime.block_on(self.engine().store.load(&load)).expect("a load").record
    }

    fn id(&self, who: &str) -> CredentialId {
        let unknown = || CredentialId::parse(CredentialKind::Account, who).expect("an alias");
        self.planted.get(who).cloned().unwrap_or_else(unknown)
    }

    fn plant(&mut self, alias: &str, credential: Credential) -> Played {
        self.planted.insert(alias.to_owned(), credential.id.clone());
        let caller = Caller::parse("story").expect("a caller");
        let planted = self.runtime.block_on(self.engine().plant(credential, caller));
        planted.expect("a new alias");
        Played::Verdict("created".to_owned())
    }

    fn mobile(&self) -> String {
        format!("9190000{:05}", self.planted.len())
    }

    /// A PIN as it goes over the wire.
    fn wire(&self, pin: &str, pin_use: PinUse, txn: &TxnId) -> String {
        match &self.maker {
            None => pin.to_owned(),
            Some(maker) => {
                let block = maker.seal(pin, pin_use, txn.as_str(), self.clock.real().0);
                block.expect("a block can be made")
            }
        }
    }

    fn transit(&self) -> Transit {
        match self.maker {
            None => Transit::ClearAllowed,
            Some(_) => Transit::SealedOnly,
        }
    }

    fn otp(&self, who: &str, word: OtpWord) -> String {
        let sent = self.otps(who);
        let newest = sent.first().cloned().unwrap_or_else(|| "000000".to_owned());
        let number: u32 = newest.parse().expect("digits");
        let other = |step| format!("{:06}", (number + step) % 1_000_000);
        let mut never = (1..).map(other).filter(|other| !sent.contains(other));
        let wrong = never.next().expect("not all OTPs were sent");
        match word {
            OtpWord::Newest => newest,
            OtpWord::Old => sent.get(1).cloned().unwrap_or(wrong),
            OtpWord::Wrong => wrong,
        }
    }

    fn send(&mut self, who: &str, txn: TxnId, command: MakeCommand) -> Played {
        let id = self.id(who);
        let txn_id = txn.clone();
        let make = Box::new(move || Request {
            caller: Caller::parse("story").expect("a caller"),
            txn: txn_id.clone(),
            program: None,
            target: Target::Known(id.clone()),
            command: command(),
        });
        let reply = self.run(make());
        let code = reply.code.clone();
        // A duplicate is not answered from a receipt: what may be repeated is the first request.
        if code != Refusal::Duplicate.as_str() {
            self.last = Some(Sent { who: who.to_owned(), txn, make, reply });
        }
        Played::Verdict(code)
    }

    fn run(&self, request: Request) -> Reply {
        let answered = self
            .runtime
            .block_on(self.engine().run(request, &Plain))
            .map(|answered| answered.reply);
        answered.expect("nothing breaks")
    }

    /// Sends the request before once more: the same bytes come back, or that the id is used where no
    /// secret may be compared; nothing else moves.
    fn repeat(&mut self) -> Played {
        let sent = self.last.take().expect("a request before");
        let before = self.record(&sent.who).credential().map(rows);
        let reply = self.run((sent.make)());
        let after = self.record(&sent.who).credential().map(rows);
        if reply.code != Refusal::Duplicate.as_str() {
            assert_eq!(reply, sent.reply, "a repeated request has the same reply");
        }
        assert_eq!(before, after, "a repeated request changes nothing");
        self.last = Some(sent);
        Played::Verdict(reply.code)
    }

    fn restart(&mut self) {
        let Engine { store, .. } = self.engine.take().expect("a process runs");
        let store = self.home.reopen(store);
        self.engine = Some(engine(store, &self.vault, &self.clock));
    }

    fn txn(&mut self, word: TxnWord) -> TxnId {
        if let (TxnWord::Same, Some(last)) = (word, &self.last) {
            return last.txn.clone();
        }
        self.requests += 1;
        TxnId::parse(&format!("TXN{}", self.requests)).expect("a request id")
    }
}

impl<H: Home> Stage for EngineStage<H> {
    fn play(&mut self, step: &Step) -> Played {
        match &step.act {
            Act::Account(sketch) => {
                let credential = samples::account(&self.vault, sketch, &self.mobile());
                self.plant(&sketch.alias, credential)
            }
            Act::Card(sketch) => {
                let credential = samples::card(&self.vault, sketch, &self.mobile());
                self.plant(&sketch.alias, credential)
            }
            Act::Advance(span_ms) => {
                self.clock.advance(*span_ms);
                Played::Silent
            }
            Act::Restart => {
                self.restart();
                Played::Silent
            }
            Act::Repeat => self.repeat(),
            Act::Verify { who, .. }
            | Act::Change { who, .. }
            | Act::Otp { who, .. }
            | Act::Set { who, .. }
            | Act::Reset { who, .. }
            | Act::VerifyHolder { who, .. }
            | Act::Inquire { who, .. }
            | Act::BlockCard { who, .. }
            | Act::UnblockCard { who, .. }
            | Act::ClearTries { who } => {
                let txn = self.txn(step.txn);
                let command = self.command(&step.act, &txn);
                self.send(who, txn, command)
            }
        }
    }

    fn close(&mut self) {
        verify_chains(&self.engine().store);
    }
}

fn engine<S: Store>(
    store: S,
    vault: &Arc<Vault>,
    clock: &FakeClock,
) -> Engine<S, FakeClock, Inline> {
    Engine {
        store,
        vault: Arc::clone(vault),
        clock: clock.clone(),
        workers: Inline,
        rules: Rules::default(),
        budget: Arc::default(),
    }
}

/// A credential in bytes: two are the same when these are.
fn rows(credential: &Credential) -> Vec<u8> {
    postcard::to_stdvec(credential).expect("a credential can be encoded")
}
