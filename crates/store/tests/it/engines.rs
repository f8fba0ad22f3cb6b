//! Engines to race on, and a store that lets somebody overtake.

use std::sync::{Arc, Mutex};

use kunji_core::audit::{Head, Subject};
use kunji_core::command::{Command, Request, Target};
use kunji_core::credential::Credential;
use kunji_core::engine::{Engine, Fault, Inline};
use kunji_core::errand::{Errand, ErrandKey, Lane};
use kunji_core::ids::{Caller, CredentialId, CustomerId, Mobile, TxnId, Vpa};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::receipt::{Receipt, ReceiptKey, Reply};
use kunji_core::rules::Rules;
use kunji_core::store::{Commit, Committed, Load, Loaded, Record, Store, StoreFault};
use kunji_store::Memory;
use kunji_testkit::{Act, FakeClock, Plain, Story, account};
use kunji_vault::{BlockAlg, BlockMaker, KeyRing, PinBlock, PinUse, Transit, Vault};

use crate::commits::load;
use crate::homes::vault;

/// An engine over a store, with one account `A1` whose PIN is 4821.
pub(crate) struct Bench<S> {
    pub(crate) engine: Engine<S, FakeClock, Inline>,
    pub(crate) id: CredentialId,
}

impl<S: Store> Bench<S> {
    pub(crate) async fn new(store: S) -> Self {
        let vault = Arc::new(Vault::new(KeyRing::ephemeral().unwrap()));
        Self::of(account_with(&vault, "4821"), store, &vault).await
    }

    pub(crate) async fn of(credential: Credential, store: S, vault: &Arc<Vault>) -> Self {
        let vault = Arc::clone(vault);
        let id = credential.id.clone();
        let (clock, workers, rules) = (FakeClock::start(), Inline, Rules::default());
        let budget = Arc::default();
        let engine = Engine { store, vault, clock, workers, rules, budget };
        engine.plant(credential, Caller::parse("seed").unwrap()).await.unwrap();
        Self { engine, id }
    }

    pub(crate) fn maker(&self, alg: BlockAlg) -> BlockMaker {
        BlockMaker::from_jwks(&self.engine.vault.jwks(), alg).unwrap()
    }

    /// A block of the account's PIN for a comparison, stamped just now.
    pub(crate) fn block(&self, pin: &str, txn: &str) -> String {
        let now = self.engine.clock.real().0;
        self.maker(BlockAlg::EcdhEs).seal(pin, PinUse::Mpin, txn, now).unwrap()
    }

    pub(crate) async fn run(&self, request: Request) -> Result<Reply, Fault> {
        self.engine.run(request, &Plain).await.map(|answered| answered.reply)
    }

    pub(crate) async fn verdict(&self, request: Request) -> String {
        self.run(request).await.unwrap().code
    }

    pub(crate) fn verify(&self, caller: &str, txn: &str, pin: &str) -> Request {
        let transit = match pin.contains('.') {
            true => Transit::SealedOnly,
            false => Transit::ClearAllowed,
        };
        let pin = PinBlock::absorb(pin.to_owned());
        self.request(caller, txn, Command::Verify { pin, pin_use: PinUse::Mpin, transit })
    }

    pub(crate) fn change(&self, txn: &str, from: &str, to: &str) -> Request {
        let command = Command::Change {
            customer: CustomerId::parse("CIF-A1").unwrap(),
            vpa: Some(Vpa::parse("A1@kunji").unwrap()),
            current: PinBlock::absorb(from.to_owned()),
            new: PinBlock::absorb(to.to_owned()),
            transit: Transit::ClearAllowed,
        };
        self.request("tests", txn, command)
    }

    pub(crate) fn request(&self, caller: &str, txn: &str, command: Command) -> Request {
        Request {
            caller: Caller::parse(caller).unwrap(),
            txn: TxnId::parse(txn).unwrap(),
            program: None,
            target: Target::Known(self.id.clone()),
            command,
        }
    }

    pub(crate) async fn record(&self) -> Record {
        load(&self.engine.store, &Subject::Credential(self.id.clone())).await
    }

    pub(crate) async fn tries(&self) -> u8 {
        self.record().await.credential().unwrap().pin.tries
    }
}

/// An account `A1` with this PIN of four digits.
pub(crate) fn account_with(vault: &Vault, pin: &str) -> Credential {
    let planted = format!("account A1 mpin 4 set {pin} -> created");
    let story = Story::parse("plant", &planted).unwrap();
    let Act::Account(sketch) = &story.steps[0].act else {
        unreachable!("the step plants an account")
    };
    account(vault, sketch, "919000000001")
}

/// What happens when a commit is about to be written.
pub(crate) enum Ahead {
    /// Somebody else's commit is written first, once.
    Slips(Box<Commit>),
    /// Somebody else is always faster.
    AlwaysWins,
    /// The disk breaks.
    Breaks,
}

/// A store in memory on which something happens ahead of the next commit.
pub(crate) struct Overtaken {
    pub(crate) inner: Memory,
    pub(crate) ahead: Mutex<Option<Ahead>>,
    /// The heads of commits that somebody else always overtook.
    pub(crate) overtaken: Mutex<Vec<Head>>,
}

impl Overtaken {
    pub(crate) fn new() -> Self {
        let (ahead, overtaken) = (Mutex::new(None), Mutex::default());
        Self { inner: Memory::new(vault()), ahead, overtaken }
    }

    pub(crate) fn next(&self, ahead: Ahead) {
        *self.ahead.lock().unwrap() = Some(ahead);
    }
}

impl Store for Overtaken {
    async fn load(&self, load: &Load<'_>) -> Result<Loaded, StoreFault> {
        self.inner.load(load).await
    }

    async fn read(&self, subject: &Subject) -> Result<Record, StoreFault> {
        self.inner.read(subject).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreFault> {
        let ahead = self.ahead.lock().unwrap().take();
        match ahead {
            None => {}
            Some(Ahead::Slips(first)) => {
                assert_eq!(self.inner.commit(*first).await?, Committed::Done);
            }
            Some(Ahead::AlwaysWins) => {
                self.next(Ahead::AlwaysWins);
                self.overtaken.lock().unwrap().push(commit.record.head);
                return Ok(Committed::Conflict);
            }
            Some(Ahead::Breaks) => return Err(StoreFault::of("writing a batch")("no disk")),
        }
        self.inner.commit(commit).await
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
