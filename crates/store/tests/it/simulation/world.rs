//! The whole of a run: processes, clients, a clock, and a scheduler that lets one of them act at a
//! time, as the seed has it. No threads, no timers, no real time.

mod calm;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use kunji_core::budget::{BudgetSettings, GuessBudget};
use kunji_core::engine::{Engine, Inline};
use kunji_core::ids::TxnId;
use kunji_core::receipt::ReceiptKey;
use kunji_core::rules::Rules;
use kunji_core::time::{DAY_MS, MINUTE_MS};
use kunji_testkit::{Act, FakeClock};
use kunji_vault::Vault;

use super::checker::Checker;
use super::clients::fresh;
use super::ground::{Ground, Kind};
use super::guarded::planted;
use super::plants::{Plant, Planted};
use super::requests::{Answer, Ask, Content, Running, asker};
use super::store::Simulated;
use super::tally::Tally;

/// Clients at it at once.
const CLIENTS: usize = 8;
/// Requests under way at once, those included whose client has left.
const TASKS_MAX: usize = 14;
/// Earlier requests that somebody may repeat.
const SENT_LEN_MAX: usize = 24;
/// Steps of a chapter before it is brought to its end.
const CHAPTER_STEPS: u64 = 1_000;
/// Chapters of a run.
const CHAPTERS: u64 = 2;
/// Turns after which a chapter that does not come to its end is stuck.
const TURNS_MAX: u64 = 1_000_000;

/// How long a request that claims something may take: less than its errand waits. One that is
/// slower, and whose process ends between the mapper's commit and the claim's settlement, leaves
/// a number or a VPA without a claim.
const CLAIM_MS_MAX: i64 = MINUTE_MS - 1;

struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Work = Pin<Box<dyn Future<Output = Answer>>>;

/// A request under way in a process.
struct Task {
    attempt: usize,
    process: usize,
    work: Work,
    ready: Arc<Ready>,
    /// When it must have ended, where it must.
    ends: Option<i64>,
}

#[derive(Default)]
struct Client {
    /// The attempt whose answer is waited for.
    waits: Option<usize>,
    /// What is not answered yet.
    open: Option<Arc<Ask>>,
}

pub(crate) struct World {
    ground: Arc<Mutex<Ground>>,
    vault: Arc<Vault>,
    clock: FakeClock,
    plant: Plant,
    engines: Vec<Arc<Running>>,
    tasks: Vec<Task>,
    clients: Vec<Client>,
    sent: VecDeque<Arc<Ask>>,
    ids: u64,
}

/// What a run came to.
pub(crate) struct Run {
    pub(crate) tally: Tally,
    pub(crate) violation: Option<String>,
}

/// Plays one seed to its end, or to the first thing that must not be.
pub(crate) fn play(seed: u64, vault: &Arc<Vault>, plant: Plant, aloud: bool) -> Run {
    let mut world = World::new(seed, vault, plant, aloud);
    world.plant();
    for chapter in 1..=CHAPTERS {
        world.chaos(chapter * CHAPTER_STEPS);
        world.calm();
        if world.is_over() {
            break;
        }
    }
    let mut ground = world.ground();
    let violation = ground.checker.violation.take();
    Run { tally: std::mem::take(&mut ground.tally), violation }
}

impl World {
    fn new(seed: u64, vault: &Arc<Vault>, plant: Plant, aloud: bool) -> Self {
        let checker = Checker::new(Arc::clone(vault), planted());
        let mut ground = Ground::new(seed, checker, Arc::clone(vault));
        ground.tally.aloud = aloud;
        ground.takes_unsealed = plant == Plant::UnsealedAccepted;
        let count = ground.processes.len();
        let mut world = Self {
            ground: Arc::new(Mutex::new(ground)),
            vault: Arc::clone(vault),
            clock: FakeClock::start(),
            plant,
            engines: Vec::new(),
            tasks: Vec::new(),
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            sent: VecDeque::new(),
            ids: 0,
        };
        world.engines = (0..count).map(|process| Arc::new(world.engine(process))).collect();
        world
    }

    fn ground(&self) -> MutexGuard<'_, Ground> {
        self.ground.lock().unwrap()
    }

    fn engine(&self, process: usize) -> Running {
        let inner = Simulated { ground: Arc::clone(&self.ground), process };
        Engine {
            store: Planted { inner, plant: self.plant },
            vault: Arc::clone(&self.vault),
            clock: self.clock.clone(),
            workers: Inline,
            rules: Rules::default(),
            // One for each process, in memory: what it withholds depends on who asked where.
            budget: Arc::new(GuessBudget::new(BudgetSettings { wrong_max: 0, window_ms: 1 })),
        }
    }

    fn is_over(&self) -> bool {
        self.ground().checker.violation.is_some()
    }

    fn start(&mut self, process: usize, ask: &Arc<Ask>, work: Work) -> usize {
        let attempt = self.ground().checker.asked(Arc::clone(ask));
        let ready = Arc::new(Ready(AtomicBool::new(true)));
        self.ground().tally.note(("asks", attempt), &[], || format!("{process} {ask:?}"));
        let ends = matches!(ask.content, Content::Number(_) | Content::Customer(..));
        let ends = ends.then(|| self.clock.now().0 + CLAIM_MS_MAX);
        self.tasks.push(Task { attempt, process, work, ready, ends });
        attempt
    }

    /// Puts a request to a process that is there; the number of the attempt.
    fn send(&mut self, ask: &Arc<Ask>) -> Option<usize> {
        let process = {
            let mut ground = self.ground();
            let up: Vec<usize> = (0..ground.processes.len())
                .filter(|process| !ground.processes[*process].is_down)
                .collect();
            if up.is_empty() {
                return None;
            }
            ground.chance.pick(&up)
        };
        let work = Arc::clone(ask).put(Arc::clone(&self.engines[process]));
        Some(self.start(process, ask, Box::pin(work)))
    }

    /// Everything breaks as it may, until so many steps were taken.
    fn chaos(&mut self, steps: u64) {
        self.ground().is_calm = false;
        for _ in 0..TURNS_MAX {
            if self.is_over() || self.ground().tally.steps >= steps {
                return;
            }
            self.turn();
        }
        self.ground().checker.blame(Err("no end of chaos".to_owned()));
    }

    /// One of all of them acts.
    fn turn(&mut self) {
        let drawn = self.ground().chance.below(1_000);
        match drawn {
            0..700 => drop(self.poll()),
            700..780 => drop(self.write()),
            780..880 => drop(self.ground().proceed()),
            880..960 => self.act(),
            960..985 => self.pass_time(),
            985..992 => self.repair(),
            992 => self.end_process(),
            993 => {
                let mut ground = self.ground();
                if ground.kind == Kind::Shared && !ground.is_down && ground.chance.one_in(3) {
                    ground.crash_database();
                }
            }
            _ => {}
        }
    }

    /// Lets one of the requests that can go on do so, up to where it waits again.
    fn poll(&mut self) -> bool {
        let ready = |task: &Task| task.ready.0.load(Ordering::Relaxed);
        let count = self.tasks.iter().filter(|task| ready(task)).count();
        if count == 0 {
            return false;
        }
        let nth = self.ground().chance.place(count);
        let mut places = (0..self.tasks.len()).filter(|place| ready(&self.tasks[*place]));
        let place = places.nth(nth).unwrap();
        let task = &mut self.tasks[place];
        task.ready.0.store(false, Ordering::Relaxed);
        {
            let mut ground = self.ground.lock().unwrap();
            ground.tally.polls += 1;
            ground.attempt = task.attempt;
        }
        let waker = Waker::from(Arc::clone(&task.ready));
        if let Poll::Ready(answer) = task.work.as_mut().poll(&mut Context::from_waker(&waker)) {
            let Task { attempt, .. } = self.tasks.swap_remove(place);
            self.hear(attempt, &answer);
        }
        true
    }

    fn hear(&mut self, attempt: usize, answer: &Answer) {
        {
            let mut ground = self.ground();
            let body: &[u8] = match answer {
                Answer::Said(reply) => &reply.body,
                Answer::Duplicate => b"duplicate",
                Answer::Done(word) => word.as_bytes(),
                Answer::Fault => b"fault",
            };
            ground.tally.note(("answered", attempt), body, || format!("{answer:?}"));
            ground.tally.count(match answer {
                Answer::Said(_) => "answer",
                Answer::Duplicate => "answer: duplicate",
                Answer::Done(_) => "answer of a step",
                Answer::Fault => "answer: outcome unknown",
            });
            ground.checker.answered(attempt, answer);
        }
        if let Some(client) = self.clients.iter_mut().find(|one| one.waits == Some(attempt)) {
            client.waits = None;
            if *answer != Answer::Fault {
                client.open = None;
            }
        }
    }

    fn write(&mut self) -> bool {
        let mut ground = self.ground();
        let (count, len) = (ground.processes.len(), ground.processes.len());
        let first = ground.chance.place(count);
        (0..len).any(|nth| ground.write((first + nth) % len))
    }

    /// A client does something, if it does not wait.
    fn act(&mut self) {
        let place = self.ground().chance.place(CLIENTS);
        if self.clients[place].waits.is_some() {
            if self.ground().befalls(40, "client left") {
                self.clients[place].waits = None;
            }
            return;
        }
        if self.tasks.len() >= TASKS_MAX {
            return;
        }
        let (ask, is_again) = match self.clients[place].open.take() {
            Some(open) => (open, true),
            None => (self.think(), false),
        };
        let waits = self.send(&ask);
        if is_again && waits.is_some() {
            self.ground().tally.count("repeat of what was not answered");
        }
        self.clients[place] = Client { waits, open: Some(ask) };
    }

    /// Something new, something old, or something new under an old id.
    fn think(&mut self) -> Arc<Ask> {
        let (drawn, place) = {
            let mut ground = self.ground();
            (ground.chance.below(20), ground.chance.place(self.sent.len().max(1)))
        };
        let older = self.sent.get(place).cloned();
        if let (0..3, Some(older)) = (drawn, &older) {
            self.ground().tally.count("repeat of an earlier request");
            return Arc::clone(older);
        }
        if let (4, Some(guess)) = (drawn, older.as_ref().and_then(|one| self.other_secret(one))) {
            self.ground().tally.count("earlier id with another secret");
            return guess;
        }
        let content = fresh(&mut self.ground());
        let old_key = older.and_then(|older| older.key.clone());
        let key = match (&content, old_key) {
            (Content::Customer(..) | Content::Errands | Content::Plant, _) => None,
            (_, Some(key)) if drawn == 3 => {
                self.ground().tally.count("earlier id with other contents");
                Some(key)
            }
            (_, _) => {
                self.ids += 1;
                let caller = self.ground().chance.pick(&["bank", "app"]);
                let txn = TxnId::parse(&format!("T{}", self.ids)).unwrap();
                Some(ReceiptKey { caller: asker(caller), txn })
            }
        };
        let ask = Ask::new(key, content);
        if ask.key.is_some() {
            self.sent.push_back(Arc::clone(&ask));
            if self.sent.len() > SENT_LEN_MAX {
                self.sent.pop_front();
            }
        }
        ask
    }

    /// An earlier comparison once more, with another PIN.
    fn other_secret(&self, older: &Ask) -> Option<Arc<Ask>> {
        let Content::Credential(Act::Verify { who, .. }, _) = &older.content else { return None };
        let pin = format!("{:04}", self.ground().chance.below(10_000));
        let content = Content::Credential(Act::Verify { who: who.clone(), pin }, None);
        Some(Ask::new(older.key.clone(), content))
    }

    fn pass_time(&mut self) {
        let now = self.clock.now().0;
        let left = self.tasks.iter().filter_map(|task| Some(task.ends? - now)).min();
        let mut ground = self.ground();
        let drawn = ground.chance.below(200);
        let part = ground.chance.place(2_000);
        let part = i64::try_from(part).unwrap();
        let span_ms = match drawn {
            0..150 => part,
            150..180 => part * 60,
            180..194 => 5 * MINUTE_MS,
            194..199 => DAY_MS,
            _ => 181 * DAY_MS,
        };
        let span_ms = span_ms.min(left.unwrap_or(span_ms));
        if span_ms >= DAY_MS {
            ground.tally.count("a day passes");
        }
        ground.tally.note(("time passes", 0), &span_ms.to_be_bytes(), || span_ms.to_string());
        drop(ground);
        self.clock.advance(span_ms);
    }

    /// What is down comes back, and what is broken is ended for that.
    fn repair(&mut self) {
        self.ground().is_down = false;
        let count = self.engines.len();
        for process in 0..count {
            if self.ground().processes[process].is_broken {
                self.crash(process);
            }
            self.ground().processes[process].is_down = false;
        }
    }

    fn end_process(&mut self) {
        let process = self.ground().chance.place(self.engines.len());
        if !self.ground().processes[process].is_down {
            self.crash(process);
        }
    }

    /// All that a process has under way is dropped where it stands.
    fn crash(&mut self, process: usize) {
        let (theirs, others) =
            std::mem::take(&mut self.tasks).into_iter().partition(|task| task.process == process);
        self.tasks = others;
        let theirs: Vec<Task> = theirs;
        for client in &mut self.clients {
            if theirs.iter().any(|task| client.waits == Some(task.attempt)) {
                client.waits = None;
            }
        }
        drop(theirs);
        let engine = Arc::new(self.engine(process));
        self.engines[process] = engine;
        let mut ground = self.ground();
        ground.crash(process);
        let Ground { checker, durable, .. } = &mut *ground;
        checker.crashed(durable);
    }
}
