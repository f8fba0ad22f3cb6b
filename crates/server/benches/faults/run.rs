//! One run: rounds of load and faults until enough was killed, then the checks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kunji_vault::{BlockAlg, BlockMaker};

use crate::client::Client;
use crate::deeds::{Belief, Mood};
use crate::ground::{Engine, Ground};
use crate::hand::{Done, Hand};
use crate::history::{Entry, Kind, Violation};
use crate::net::Net;
use crate::people::CAST;
use crate::plan::{Round, mood};
use crate::report::Figures;
use crate::{chains, checker, forge, forger};

/// More rounds than this mean that faults do not kill.
const ROUNDS_MAX: u64 = 5_000;
const NIGHT: &str = "25h";
const NIGHT_MS: i64 = 25 * 3600 * 1000;
/// The last work, without a fault.
const QUIET: Duration = Duration::from_millis(300);

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) engine: Engine,
    pub(crate) seed: u64,
    pub(crate) kills: u64,
    pub(crate) binary: std::path::PathBuf,
    pub(crate) plant: Option<&'static str>,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) figures: Figures,
    pub(crate) violations: Vec<Violation>,
    pub(crate) history: Vec<Entry>,
}

struct Run<'a> {
    order: &'a Order,
    ground: Ground,
    net: Net,
    clients: Vec<Client>,
    beliefs: Vec<Arc<Mutex<Belief>>>,
    done: Done,
    /// Ticks at which more than a day had passed, and when that was by the servers' clock.
    nights: Vec<(u64, i64)>,
}

/// What the checks came to.
struct Checked {
    events: u64,
    /// Forged histories that were refused, or believed.
    forged: u64,
    violations: Vec<Violation>,
}

/// Runs it.
///
/// # Errors
/// When the harness itself breaks; what the servers do wrong is in the outcome.
pub(crate) fn run(order: &Order) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let mut run = Run::new(order)?;
    let mut violations = Vec::new();
    let mut rounds = 0;
    // A planted bug may show before the first kill; it is to meet all of them.
    let goes_on = |found: &[Violation]| found.is_empty() || order.plant.is_some();
    while goes_on(&violations) && run.done.kills() < order.kills && rounds < ROUNDS_MAX {
        if let Err(error) = run.round(rounds) {
            violations.push(Violation::of(Kind::Process, format!("round {rounds}: {error:#}")));
        }
        violations.extend(run.net.reported());
        rounds += 1;
    }
    if violations.is_empty()
        && let Err(error) = run.quiet()
    {
        violations.push(Violation::of(Kind::Process, format!("at the end: {error:#}")));
    }
    if violations.is_empty() {
        violations.extend(forger::forge(&mut run.ground)?);
    }
    violations.extend(run.net.reported());
    let checked = run.check()?;
    violations.extend(checked.violations);
    let refused = run.ground.disk.counts()?;
    let database = run.ground.database.as_ref().map(|database| database.disk.counts());
    let database = database.transpose()?.unwrap_or_default();
    let history: Vec<Entry> =
        run.clients.iter_mut().flat_map(|client| std::mem::take(&mut client.entries)).collect();
    let figures = Figures {
        engine: order.engine,
        seed: order.seed,
        rounds,
        nights: u64::try_from(run.nights.len())?,
        done: run.done,
        answered: count(&history, |entry| entry.ended.is_some()),
        resent: count(&history, |entry| entry.ended.is_some() && entry.sends > 1),
        never_learned: count(&history, |entry| entry.ended.is_none()),
        repeats: run.clients.iter().map(|client| client.repeats).sum(),
        unknown: run.clients.iter().map(|client| client.unknown).sum(),
        events: checked.events,
        forged: checked.forged,
        refused_writes: refused.0 + database.0,
        delayed_syncs: refused.1 + database.1,
        took: started.elapsed(),
    };
    Ok(Outcome { figures, violations, history })
}

fn count(history: &[Entry], what: impl Fn(&Entry) -> bool) -> u64 {
    u64::try_from(history.iter().filter(|entry| what(entry)).count()).unwrap_or(u64::MAX)
}

impl<'a> Run<'a> {
    fn new(order: &'a Order) -> anyhow::Result<Self> {
        let ground = Ground::new(order.engine, &order.binary, order.plant)?;
        let mut clients = Vec::new();
        let mut beliefs = Vec::new();
        for (place, (object, count)) in CAST.iter().enumerate() {
            let belief = Arc::new(Mutex::new(Belief::default()));
            for nth in 0..*count {
                let number = (clients.len(), nth == 0);
                let belief = Arc::clone(&belief);
                clients.push(Client::new((place, *object), number, order.seed, belief)?);
            }
            beliefs.push(belief);
        }
        let net = Net::of(ground.len());
        let done = Done::default();
        Ok(Self { order, ground, net, clients, beliefs, done, nights: Vec::new() })
    }

    fn round(&mut self, number: u64) -> anyhow::Result<()> {
        let Order { engine, seed, plant, .. } = *self.order;
        let mut round = match plant {
            None => Round::of(seed, number, engine),
            Some(_) => Round::slow(seed, number),
        };
        if round.night {
            self.night()?;
        }
        self.all_up()?;
        for (object, belief) in (0..).zip(&self.beliefs) {
            let mood = mood(seed, number, object);
            belief.lock().unwrap_or_else(PoisonError::into_inner).mood = mood;
        }
        self.at_work(|hand| hand.act(&mut round))
    }

    /// Starts what does not run, and shows it to the clients. The very first server makes its keys
    /// before the second one opens the same key file, which must not change under it.
    fn all_up(&mut self) -> anyhow::Result<()> {
        for nth in 0..self.ground.len() {
            if !self.ground.is_up(nth) {
                let address = self.ground.start(nth)?;
                self.net.put(nth, Some(address));
            }
            if self.net.maker.is_none() {
                let keys = self.ground.ask(nth, "GET", "/.well-known/jwks.json", "")?;
                let keys = String::from_utf8(keys.body)?;
                self.net.maker = Some(BlockMaker::from_jwks(&keys, BlockAlg::EcdhEs)?);
            }
        }
        Ok(())
    }

    /// Lets all clients work while the hand does something, until it has done so.
    fn at_work(
        &mut self,
        act: impl FnOnce(&mut Hand<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Self { ground, net, clients, done, .. } = self;
        net.end(false);
        let net = &*net;
        std::thread::scope(|scope| {
            for client in clients {
                scope.spawn(move || client.work(net));
            }
            let acted = act(&mut Hand { ground, net, done });
            net.end(true);
            acted
        })
    }

    /// More than a day passes. Each server has a clock, which it reads when it starts: so one
    /// alone is there when the clock is pushed.
    fn night(&mut self) -> anyhow::Result<()> {
        let Self { ground, net, done, .. } = self;
        let len = ground.len();
        let mut hand = Hand { ground, net, done };
        (0..len).try_for_each(|nth| hand.stop(nth))?;
        let address = self.ground.start(0)?;
        self.net.put(0, Some(address));
        let real_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let body = format!("{{\"advance\":\"{NIGHT}\"}}");
        self.ground.ask(0, "POST", "/kunji/v1/sandbox/clock", &body)?;
        let passed = i64::try_from(self.nights.len())? * NIGHT_MS;
        self.nights.push((self.net.tick(), real_ms + passed + NIGHT_MS / 2));
        Ok(())
    }

    /// The end: what is in flight lands, some calm work follows, and the servers are told to end.
    fn quiet(&mut self) -> anyhow::Result<()> {
        self.all_up()?;
        let Self { net, clients, .. } = self;
        let net = &*net;
        std::thread::scope(|scope| {
            let landing: Vec<_> =
                clients.iter_mut().map(|client| scope.spawn(move || client.land(net))).collect();
            landing.into_iter().try_for_each(|client| {
                client.join().map_err(|_| anyhow::anyhow!("a client ended"))?
            })
        })?;
        for belief in &self.beliefs {
            belief.lock().unwrap_or_else(PoisonError::into_inner).mood = Mood::Calm;
        }
        self.at_work(|_| {
            std::thread::sleep(QUIET);
            Ok(())
        })?;
        let Self { ground, net, done, .. } = self;
        let len = ground.len();
        let mut hand = Hand { ground, net, done };
        (0..len).try_for_each(|nth| hand.stop(nth))
    }

    /// The order of what was heard, then the audit. A store that cannot be opened is found before.
    fn check(&mut self) -> anyhow::Result<Checked> {
        let (mut violations, mut forged) = (Vec::new(), 0);
        let ticks: Vec<u64> = self.nights.iter().map(|(tick, _)| *tick).collect();
        let times: Vec<i64> = self.nights.iter().map(|(_, time)| *time).collect();
        let entries: Vec<&Entry> = self.clients.iter().flat_map(|client| &client.entries).collect();
        for (nth, (object, _)) in CAST.iter().enumerate() {
            let mut own: Vec<&Entry> =
                entries.iter().filter(|entry| entry.object == nth).copied().collect();
            own.sort_unstable_by_key(|entry| entry.begun);
            match checker::check(&object.begin(), &own, &ticks) {
                Err(violation) => violations.push(violation),
                Ok(()) => {
                    let (tried, believed) = forge::believed(&object.begin(), &own, &ticks);
                    forged += tried;
                    violations.extend(believed);
                }
            }
        }
        for nth in 0..self.ground.len() {
            self.ground.kill(nth)?;
        }
        let broken = self.ground.audit_verify()?;
        violations.extend(broken.map(|told| Violation::of(Kind::Audit, told)));
        let store = (&self.ground.place()?, self.ground.keys()?);
        let (events, found) = chains::compare(store, &entries, &times)?;
        violations.extend(found);
        Ok(Checked { events, forged, violations })
    }
}
