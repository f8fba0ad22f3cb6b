//! Requests and errands of one customer in every order that chance finds: the customer and the
//! mapper agree in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kunji_core::audit::Subject;
use kunji_core::customer::{CustomerCommand, Holding};
use kunji_core::errand::{Errand, ErrandKey, Lane};
use kunji_core::ids::{CredentialId, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::mapper::{NumberCommand, NumberState, Update};
use kunji_core::outbox::Message;
use kunji_core::receipt::{Receipt, ReceiptKey};
use kunji_core::store::{
    Commit, Committed, Inspect, Load, Loaded, Record, Scope, Store, StoreFault, Survey,
};
use kunji_core::time::MINUTE_MS;
use kunji_store::Memory;
use kunji_vault::sha256;
use tokio::task::{JoinSet, yield_now};

use crate::crashes::linking;
use crate::homes::vault;
use crate::psp::{OWN, Psp, caller, port, profile, register, update, vpa, vpa_of};

const NUMERIC: &str = "87654321";

/// A store in memory that lets others go first, as chance has it: the same for the same seed.
struct Polite {
    inner: Memory,
    seed: u64,
    steps: AtomicU64,
}

impl Polite {
    fn new(seed: u64) -> Self {
        Self { inner: Memory::new(vault()), seed, steps: AtomicU64::new(0) }
    }

    async fn wait(&self) {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        let [drawn, ..] = sha256(&[&self.seed.to_be_bytes(), &step.to_be_bytes()]);
        for _ in 0..drawn % 8 {
            yield_now().await;
        }
    }
}

impl Store for Polite {
    async fn load(&self, load: &Load<'_>) -> Result<Loaded, StoreFault> {
        self.wait().await;
        self.inner.load(load).await
    }

    async fn read(&self, subject: &Subject) -> Result<Record, StoreFault> {
        self.wait().await;
        self.inner.read(subject).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreFault> {
        self.wait().await;
        self.inner.commit(commit).await
    }

    async fn receipt(&self, key: &ReceiptKey) -> Result<Option<Receipt>, StoreFault> {
        self.wait().await;
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
        self.wait().await;
        self.inner.errands_after(lane, after).await
    }
}

impl Survey for Polite {
    fn inspect(&self, scope: Scope<'_>, look: Inspect<'_>) -> Result<(), StoreFault> {
        self.inner.inspect(scope, look)
    }

    fn first_event(&self, subject: &Subject) -> Result<Option<Vec<u8>>, StoreFault> {
        self.inner.first_event(subject)
    }
}

/// One of those who are at it at once.
#[derive(Debug, Clone)]
enum Actor {
    /// A request about a number.
    Ask(Box<NumberCommand>),
    /// A request of the customer that the mapper is asked for afterwards.
    Link(&'static str),
    Drop(u8),
    Deregister,
    /// A server's runner of errands, to whom all are due.
    Runner,
}

type Stage = Arc<Psp<Polite>>;

async fn act(psp: &Stage, txn: &str, who: &str, actor: Actor) {
    let settle = async |holding: &Holding| {
        psp.engine.settle_claim(&caller(), &profile(who), holding, None).await.unwrap()
    };
    match actor {
        Actor::Ask(command) => drop(psp.ask(txn, *command).await),
        Actor::Link(name) => {
            if psp.step(who, linking(name)).await == "claimed" {
                settle(&Holding::Vpa(vpa(name).folded())).await;
            }
        }
        Actor::Drop(nth) => {
            let dropped = vpa_of(who, nth);
            if psp.step(who, CustomerCommand::DropVpa(dropped.clone())).await == "dropped" {
                settle(&Holding::Vpa(dropped.folded())).await;
            }
        }
        Actor::Deregister => {
            if psp.step(who, CustomerCommand::Deregister).await == "dropped" {
                for claim in psp.customer(who).await.claims {
                    settle(&claim.holding).await;
                }
            }
        }
        Actor::Runner => {
            psp.engine.clock.advance(MINUTE_MS);
            psp.run_due().await;
        }
    }
}

/// Lets all of them loose at once; afterwards the errands that are left come to their end.
fn play(seed: u64, before: &[NumberCommand], actors: &[(&'static str, Actor)]) -> Stage {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    threads.block_on(async {
        let psp = Arc::new(Psp::new(Polite::new(seed)));
        for who in ["one", "two"] {
            psp.plant(who).await;
        }
        for (nth, command) in before.iter().enumerate() {
            psp.ask(&format!("B{nth}"), command.clone()).await;
        }
        let mut running = JoinSet::new();
        for (nth, (who, actor)) in actors.iter().cloned().enumerate() {
            let (psp, txn) = (Arc::clone(&psp), format!("T{nth}"));
            running.spawn(async move { act(&psp, &txn, who, actor).await });
        }
        while let Some(done) = running.join_next().await {
            done.unwrap();
        }
        psp.run_all().await;
        psp
    })
}

fn change(from: u8, to: u8) -> NumberCommand {
    let existing = vpa_of("one", from);
    update("one", NUMERIC, to, Update::ChangeVpa { existing })
}

#[test]
fn one_number_under_many_commands() {
    let ask = |command| ("one", Actor::Ask(Box::new(command)));
    let actors = [
        ask(change(1, 2)),
        ask(change(2, 1)),
        ask(update("one", NUMERIC, 1, Update::Delete)),
        ask(register("one", NUMERIC)),
        ("one", Actor::Runner),
        ask(change(1, 2)),
        ask(update("one", NUMERIC, 2, Update::Delete)),
        ("one", Actor::Drop(1)),
        ("one", Actor::Runner),
    ];
    for seed in 0..400 {
        play(seed, &[register("one", NUMERIC)], &actors).check_settled();
        play(seed, &[], &actors).check_settled();
    }
}

#[test]
fn ports_to_and_fro() {
    let to_two = ("two", Actor::Ask(Box::new(port("two", OWN, &vpa_of("one", 1)))));
    let to_one = ("one", Actor::Ask(Box::new(port("one", OWN, &vpa_of("two", 1)))));
    let delete = ("one", Actor::Ask(Box::new(update("one", OWN, 1, Update::Delete))));
    let runner = ("one", Actor::Runner);
    let actors = [to_two.clone(), to_one.clone(), delete, runner.clone(), to_two, to_one, runner];
    for seed in 0..400 {
        play(seed, &[register("one", OWN)], &actors).check_settled();
    }
}

#[test]
fn vpa_dropped_and_linked_again() {
    let actors = [
        ("one", Actor::Drop(2)),
        ("one", Actor::Runner),
        ("one", Actor::Link("one.2@kunji")),
        ("two", Actor::Link("one.2@kunji")),
        ("one", Actor::Runner),
        ("one", Actor::Drop(2)),
        ("one", Actor::Link("one.2@kunji")),
    ];
    for seed in 0..400 {
        play(seed, &[], &actors).check_settled();
    }
}

#[test]
fn who_deregisters_in_a_race_keeps_nothing() {
    let actors = [
        ("one", Actor::Ask(Box::new(register("one", OWN)))),
        ("one", Actor::Ask(Box::new(change(1, 2)))),
        ("one", Actor::Deregister),
        ("one", Actor::Link("new@kunji")),
        ("one", Actor::Runner),
        ("one", Actor::Drop(2)),
        ("one", Actor::Runner),
    ];
    for seed in 0..400 {
        let psp = play(seed, &[register("one", NUMERIC)], &actors);
        psp.check_settled();
        let states = psp.states();
        let customer = Subject::Customer(profile("one")).to_string();
        let kept = kunji_core::aggregate::Kept::of(&states[&customer]);
        let customer: &kunji_core::customer::Customer = kept.unwrap();
        assert!(customer.vpas.is_empty() && customer.claims.is_empty(), "{seed} {customer:?}");
        for digits in [NUMERIC, OWN] {
            let subject = Subject::Number(crate::psp::number(digits)).to_string();
            let kept = states.get(&subject).and_then(kunji_core::aggregate::Kept::of);
            let kept: Option<&kunji_core::mapper::Number> = kept;
            assert!(kept.is_none_or(|kept| kept.state == NumberState::Deleted), "{seed}");
        }
    }
}
