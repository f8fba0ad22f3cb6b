//! A payment service provider to try things on: customers, numbers, and the errands that a server
//! runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use kunji_core::aggregate::{Kept, State};
use kunji_core::audit::Subject;
use kunji_core::capture::Capture;
use kunji_core::command::{Command, Request, Target};
use kunji_core::customer::{
    Claim, Customer, CustomerCommand, CustomerRefusal, Device, Holding, LinkedVpa,
};
use kunji_core::engine::{By, Claimed, Engine, Inline, Ticket};
use kunji_core::errand::{Errand, Lane, Task};
use kunji_core::ids::{
    Caller, CaptureId, ChannelId, CredentialId, CredentialKind, MerchantCustomerId, MerchantId,
    Mobile, ProfileId, TxnId, UpiNumber, Vpa,
};
use kunji_core::mapper::{Address, Number, NumberCommand, Registrant, Update, Wait};
use kunji_core::receipt::Reply;
use kunji_core::rules::Rules;
use kunji_core::store::{Store, Survey};
use kunji_core::time::{Clock as _, Stamp};
use kunji_testkit::{FakeClock, Plain, verify_chains};
use kunji_vault::{KeyRing, Vault};

pub(crate) fn profile(name: &str) -> ProfileId {
    let merchant = MerchantId::parse("shop").unwrap();
    ProfileId { merchant, customer: MerchantCustomerId::parse(name).unwrap() }
}

pub(crate) fn channel(name: &str) -> ChannelId {
    let [merchant, channel] = ["shop", name].map(|text| MerchantId::parse(text).unwrap());
    ChannelId { merchant, channel }
}

pub(crate) fn vpa(text: &str) -> Vpa {
    Vpa::parse_address(text).unwrap()
}

pub(crate) fn number(digits: &str) -> UpiNumber {
    UpiNumber::parse(digits).unwrap()
}

pub(crate) fn account(name: &str) -> CredentialId {
    CredentialId::parse(CredentialKind::Account, name).unwrap()
}

/// The customer's first or second VPA.
pub(crate) fn vpa_of(who: &str, nth: u8) -> Vpa {
    vpa(&format!("{who}.{nth}@kunji"))
}

/// Everybody's own mobile number, so that anybody may port it.
pub(crate) const OWN: &str = "9876543210";

/// A customer with a device, and two VPAs: the first draws on A0 and A1, the second on A0.
pub(crate) fn customer(who: &str) -> Customer {
    let linked = |nth, names: &[&str]| LinkedVpa {
        vpa: vpa_of(who, nth),
        accounts: names.iter().map(|name| account(name)).collect(),
        primary: account("A0"),
    };
    let (own, mobile) = (profile(who), Mobile::parse(&format!("91{OWN}")).unwrap());
    let settled = |nth| Claim::settled(Holding::Vpa(vpa_of(who, nth).folded()), Vec::new());
    let bound = kunji_core::time::Millis(0);
    Customer {
        devices: vec![Device { fingerprint: "phone".to_owned(), bound }],
        vpas: vec![linked(1, &["A0", "A1"]), linked(2, &["A0"])],
        claims: vec![settled(1), settled(2)],
        ..Customer::fresh(own, Some(mobile))
    }
}

/// An engine over a store, and what outlives its process.
pub(crate) struct Psp<S> {
    pub(crate) engine: Engine<S, FakeClock, Inline>,
}

impl<S: Store + Survey> Psp<S> {
    pub(crate) fn new(store: S) -> Self {
        let vault = Arc::new(Vault::new(KeyRing::ephemeral().unwrap()));
        let (clock, workers, rules) = (FakeClock::start(), Inline, Rules::default());
        let budget = Arc::default();
        Self { engine: Engine { store, vault, clock, workers, rules, budget } }
    }

    /// The process ends, and the next one opens the store.
    pub(crate) fn restarted(self, reopen: impl FnOnce(S) -> S) -> Self {
        let store = reopen(self.engine.store);
        Self { engine: Engine { store, ..self.engine } }
    }

    /// Plants a customer with a device and two VPAs.
    pub(crate) async fn plant(&self, who: &str) {
        for nth in [1, 2] {
            let address = Address { vpa: vpa_of(who, nth), owner: Some(profile(who)) };
            self.plant_at(Subject::Address(vpa_of(who, nth).folded()), address).await;
        }
        self.plant_at(Subject::Customer(profile(who)), customer(who)).await;
    }

    pub(crate) async fn plant_at(&self, subject: Subject, kept: impl Kept) {
        self.engine.plant_at(subject, kept, caller()).await.unwrap();
    }

    /// A request about a number by the customer's channel, under a request id.
    pub(crate) async fn ask(&self, txn: &str, command: NumberCommand) -> Claimed {
        let by = self.by(txn, &format!("{command:?}"));
        self.engine.claim_number(&by, command, refuse, say).await.unwrap()
    }

    /// The word that such a request ends with.
    pub(crate) async fn verdict(&self, txn: &str, command: NumberCommand) -> String {
        match self.ask(txn, command).await {
            Claimed::Answered(answered) => answered.reply.code,
            Claimed::Duplicate => "duplicate".to_owned(),
        }
    }

    pub(crate) fn by(&self, txn: &str, content: &str) -> By {
        let mut print = self.engine.vault.fingerprint();
        print.text(content);
        let txn = TxnId::parse(txn).unwrap();
        By { caller: caller(), ticket: Some(Ticket { txn, print: print.finish() }) }
    }

    /// One step of a request by itself, as if the process ended after it.
    pub(crate) async fn step(&self, who: &str, command: CustomerCommand) -> &'static str {
        use kunji_core::engine::Turned;
        let (by, subject) = (By::caller(caller()), Subject::Customer(profile(who)));
        let turned = self.engine.turn::<Customer>(&by, &subject, &command, |_, _, _| None).await;
        match turned.unwrap() {
            Turned::Decided { verdict, .. } => verdict.map_or_else(Into::into, Into::into),
            Turned::Repeated(_) | Turned::Duplicate => unreachable!("there is no request id"),
        }
    }

    /// The mapper's step of a request by itself.
    pub(crate) async fn map(&self, txn: &str, command: NumberCommand) {
        let by = self.by(txn, &format!("{command:?}"));
        let (NumberCommand::Register(Registrant { number, .. })
        | NumberCommand::Port { by: Registrant { number, .. }, .. }
        | NumberCommand::Update { by: Registrant { number, .. }, .. }) = &command
        else {
            unreachable!("only a registrant changes a number")
        };
        let subject = Subject::Number(number.clone());
        self.engine.turn::<Number>(&by, &subject, &command, say).await.unwrap();
    }

    pub(crate) async fn customer(&self, who: &str) -> Customer {
        self.engine.look(&Subject::Customer(profile(who))).await.unwrap().unwrap()
    }

    pub(crate) async fn number(&self, digits: &str) -> Option<Number> {
        self.engine.look(&Subject::Number(number(digits))).await.unwrap()
    }

    pub(crate) async fn owner(&self, name: &Vpa) -> Option<ProfileId> {
        let subject = Subject::Address(name.folded());
        self.engine.look::<Address>(&subject).await.unwrap()?.owner
    }

    pub(crate) async fn errands(&self, lane: &Lane) -> Vec<Errand> {
        self.engine.store.errands(lane).await.unwrap()
    }

    /// Does what is due in the lanes of holdings and captures, as a server does.
    pub(crate) async fn run_due(&self) {
        for lane in [Lane::Holdings, Lane::Captures] {
            let due = self.errands(&lane).await.into_iter();
            let now = self.engine.clock.stamp().now;
            for errand in due.filter(|errand| errand.key.due <= now) {
                self.run(errand).await;
            }
        }
    }

    /// Does all that is left, however often it takes.
    pub(crate) async fn run_all(&self) {
        self.engine.clock.advance(10 * 60 * 1000);
        for _ in 0..3 {
            self.run_due().await;
        }
        for lane in [Lane::Holdings, Lane::Captures] {
            assert_eq!(self.errands(&lane).await, [], "every errand comes to its end");
        }
    }

    /// Does one errand; one that was done before is no harm.
    pub(crate) async fn run(&self, errand: Errand) {
        let engine = &self.engine;
        match errand.task {
            Task::Settle { profile, holding } => {
                let key = Some(errand.key);
                engine.settle_claim(&caller(), &profile, &holding, key).await.unwrap();
            }
            Task::EndCapture(id) => {
                let subject = Subject::Capture(id.clone());
                let capture = engine.look::<Capture>(&subject).await.unwrap().unwrap();
                if capture.ending.is_none() {
                    self.abandon(&capture).await;
                }
                engine.end_capture(&id).await.unwrap().unwrap();
            }
            Task::SettleNumber(number) => {
                engine.settle_number(&caller(), &number, errand.key).await.unwrap();
            }
            Task::Tell(_) => unreachable!("news wait in lanes of their own"),
        }
    }

    /// Uses up the capture's request id, unless the issuer decided before.
    pub(crate) async fn abandon(&self, capture: &Capture) -> Reply {
        let command = Command::Abandon { reason: "timed_out" };
        self.issue(capture, command).await
    }

    /// Asks the issuer under the capture's request id.
    pub(crate) async fn issue(&self, capture: &Capture, command: Command) -> Reply {
        let order = &capture.order;
        let request = Request {
            caller: order.caller.clone(),
            txn: order.txn.clone(),
            program: None,
            target: Target::Known(order.account.clone()),
            command,
        };
        self.engine.run(request, &Plain).await.unwrap().reply
    }

    pub(crate) async fn capture(&self, id: &CaptureId) -> Capture {
        self.engine.look(&Subject::Capture(id.clone())).await.unwrap().unwrap()
    }

    /// All that is kept, without the chains, which grow with every look.
    pub(crate) fn states(&self) -> BTreeMap<String, State> {
        let mut states = BTreeMap::new();
        let keep = &mut |subject: Subject, record: kunji_core::store::Record| {
            states.insert(subject.to_string(), record.state);
            Ok(())
        };
        self.engine.store.each_record(keep).unwrap();
        states
    }

    /// The same in bytes: two are the same when these are.
    pub(crate) fn rows(&self) -> BTreeMap<String, Vec<u8>> {
        let rows = self.states().into_iter();
        rows.map(|(subject, state)| (subject, postcard::to_stdvec(&state).unwrap())).collect()
    }

    /// Checks that customers and mapper tell one story, with nothing left to settle.
    #[track_caller]
    pub(crate) fn check_settled(&self) {
        assert_eq!(discord(&self.states()), None);
        verify_chains(&self.engine.store);
    }
}

/// Where customers and mapper do not tell one story, or something is left to settle.
pub(crate) fn discord(states: &BTreeMap<String, State>) -> Option<String> {
    let kept = |subject: &Subject| states.get(&subject.to_string());
    for state in states.values() {
        if let Some(number) = Number::of(state).filter(|one| one.is_held_by(&one.owner)) {
            let owner = kept(&Subject::Customer(number.owner.clone())).and_then(Customer::of);
            let holding = Holding::Number(number.number.clone());
            let expected = Claim::settled(holding.clone(), vec![number.vpa.clone()]);
            let claim = owner.and_then(|owner| owner.claim(&holding));
            if claim != Some(&expected) {
                return Some(format!("{} claims {claim:?}, not {expected:?}", number.owner));
            }
            if owner.is_none_or(|owner| owner.vpa(&number.vpa).is_none()) {
                return Some(format!("{} leads nowhere", number.number));
            }
        }
        if let Some((vpa, owner)) =
            Address::of(state).and_then(|one| Some((&one.vpa, one.owner.as_ref()?)))
        {
            let customer = kept(&Subject::Customer(owner.clone())).and_then(Customer::of);
            if customer.is_none_or(|one| one.claim(&Holding::Vpa(vpa.folded())).is_none()) {
                return Some(format!("{owner} owns {vpa} without a claim"));
            }
        }
        let Some(customer) = Customer::of(state) else { continue };
        for claim in &customer.claims {
            let held = match &claim.holding {
                Holding::Number(number) => kept(&Subject::Number(number.clone()))
                    .and_then(Number::of)
                    .is_some_and(|number| number.is_held_by(&customer.id)),
                Holding::Vpa(vpa) => kept(&Subject::Address(vpa.clone()))
                    .and_then(Address::of)
                    .is_some_and(|address| address.owner.as_ref() == Some(&customer.id)),
            };
            if claim.open.is_some() || !held {
                return Some(format!("{} claims {claim:?}; held: {held}", customer.id));
            }
        }
        for linked in &customer.vpas {
            if customer.claim(&Holding::Vpa(linked.vpa.folded())).is_none() {
                return Some(format!("{} has {} without a claim", customer.id, linked.vpa));
            }
        }
    }
    None
}

pub(crate) fn caller() -> Caller {
    Caller::parse("psp:shop").unwrap()
}

/// The customer, asking for a number to lead to one of the VPAs.
pub(crate) fn by(who: &str, digits: &str, nth: u8) -> Registrant {
    Registrant {
        number: number(digits),
        owner: profile(who),
        mobile: Mobile::parse(&format!("91{OWN}")).unwrap(),
        vpa: vpa_of(who, nth),
        channel: Some(channel(who)),
        txn: None,
        wait: None,
    }
}

pub(crate) fn register(who: &str, digits: &str) -> NumberCommand {
    NumberCommand::Register(by(who, digits, 1))
}

pub(crate) fn update(who: &str, digits: &str, nth: u8, update: Update) -> NumberCommand {
    NumberCommand::Update { by: by(who, digits, nth), update }
}

/// The same command, whose change waits for a second.
pub(crate) fn waiting(command: NumberCommand, succeeds: bool) -> NumberCommand {
    let wait = Some(Wait { after_ms: 1000, succeeds });
    match command {
        NumberCommand::Register(by) => NumberCommand::Register(Registrant { wait, ..by }),
        NumberCommand::Port { by, existing } => {
            NumberCommand::Port { by: Registrant { wait, ..by }, existing }
        }
        NumberCommand::Update { by, update } => {
            NumberCommand::Update { by: Registrant { wait, ..by }, update }
        }
        NumberCommand::LookUp | NumberCommand::Settle { .. } | NumberCommand::Told { .. } => {
            unreachable!("it changes nothing")
        }
    }
}

/// Ports the number from where it leads to the customer's first VPA.
pub(crate) fn port(who: &str, digits: &str, existing: &Vpa) -> NumberCommand {
    NumberCommand::Port { by: by(who, digits, 1), existing: existing.clone() }
}

/// A reply with the verdict's name; no two decisions ever give the same body.
fn word(code: &str, stamp: &Stamp) -> Reply {
    let body = format!("{code} {}", stamp.serial).into_bytes();
    Reply { status: 200, code: code.to_owned(), body, nonce: stamp.entropy }
}

pub(crate) fn refuse(refusal: CustomerRefusal, stamp: &Stamp) -> Reply {
    word(refusal.into(), stamp)
}

pub(crate) fn say(
    turn: &kunji_core::aggregate::Turn<Number>,
    _: Option<&Number>,
    stamp: &Stamp,
) -> Option<Reply> {
    Some(word(turn.verdict.map_or_else(Into::into, Into::into), stamp))
}
