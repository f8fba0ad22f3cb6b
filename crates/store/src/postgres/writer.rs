//! The one writer of this process: takes what is queued, writes it with one call, then answers.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use deadpool_postgres::Pool;
use futures_util::future::join_all;
use kunji_core::audit::ChainName;
use kunji_core::store::{Committed, StoreFault};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::batch::{Batch, Group, Groups};
use super::connect::{PostgresPlace, Spread, may_pass, serving_pool};
use super::{PostgresError, RETRY_PAUSE, WRITE_DEADLINE};
use crate::embedded::BatchReport;
use crate::entry::Entry;
use crate::pending::Pending;
use crate::witness::Stand;

/// Commits that may wait for the writer; a further one is refused at once.
const QUEUE_LEN_MAX: usize = 8192;
/// Commits that one call may carry.
const BATCH_LEN_MAX: usize = 256;
/// How long a batch waits for company, when the one before it had some.
const COMPANY_WAIT: Duration = Duration::from_micros(300);

type Answer = Result<Committed, StoreFault>;

struct Queued {
    entry: Arc<Entry>,
    ticket: u64,
    answer: oneshot::Sender<Answer>,
}

/// The way to the writer's thread; dropping it waits until all that is queued is written.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Queued>>,
    rounds: watch::Receiver<u64>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // The thread has nothing to hand back; a panic in it has been reported already.
            let _ = thread.join();
        }
    }
}

impl Writer {
    pub(super) fn start(
        place: &PostgresPlace,
        pending: Arc<Mutex<Pending>>,
        told: Told,
    ) -> Result<Self, PostgresError> {
        let (queue, queued) = mpsc::channel(QUEUE_LEN_MAX);
        let (round, rounds) = watch::channel(0);
        let spread = place.spread;
        let pool = match spread {
            Spread::Together => serving_pool(place, 1)?,
            Spread::BySubject => serving_pool(place, place.connections)?,
        };
        let work = Work { pool, spread, pending, told, round, waiting: VecDeque::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|_| PostgresError::Threads)?;
        let thread = std::thread::Builder::new().name("kunji-writer".to_owned());
        let thread = thread.spawn(move || runtime.block_on(work.run(queued)));
        let thread = Some(thread.map_err(|_| PostgresError::Threads)?);
        Ok(Self { queue: Some(queue), rounds, thread })
    }

    pub(super) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Hears when the batch under way has ended.
    pub(super) fn next_round(&self) -> watch::Receiver<u64> {
        let mut rounds = self.rounds.clone();
        rounds.mark_unchanged();
        rounds
    }

    /// Queues a commit, and shows it to the loads that follow.
    pub(super) fn queue(
        &self,
        entry: Entry,
        pending: &mut Pending,
    ) -> Result<oneshot::Receiver<Answer>, StoreFault> {
        let (answer, written) = oneshot::channel();
        let (entry, ticket) = (Arc::new(entry), pending.next_ticket());
        let queued = Queued { entry: Arc::clone(&entry), ticket, answer };
        let full = || StoreFault::of("queueing a commit")("the queue is full, or the writer gone");
        let Some(queue) = &self.queue else { return Err(full()) };
        queue.try_send(queued).map_err(|_| full())?;
        pending.show(&entry, ticket);
        Ok(written)
    }
}

/// Who hears of each batch: how long it was, and what it led to.
pub(super) struct Told {
    pub(super) on_batch: Option<BatchReport>,
    pub(super) stand: Stand,
}

/// One fault, told to all that it met.
#[derive(Debug, Clone, thiserror::Error)]
#[error("all commits of a batch met one fault")]
struct Shared(#[source] Arc<StoreFault>);

struct Work {
    pool: Pool,
    spread: Spread,
    pending: Arc<Mutex<Pending>>,
    told: Told,
    round: watch::Sender<u64>,
    /// Taken from the queue, but not fit to stand beside others of their batch.
    waiting: VecDeque<Queued>,
}

impl Work {
    /// Runs until nobody can queue any more.
    async fn run(mut self, mut queued: mpsc::Receiver<Queued>) {
        let mut in_company = false;
        loop {
            if self.waiting.is_empty() {
                match queued.recv().await {
                    Some(first) => self.waiting.push_back(first),
                    None => return,
                }
                if in_company {
                    tokio::time::sleep(COMPANY_WAIT).await;
                }
            }
            while self.waiting.len() < BATCH_LEN_MAX {
                let Ok(next) = queued.try_recv() else { break };
                self.waiting.push_back(next);
            }
            let len = self.write().await;
            in_company = len > 1;
            if let Some(report) = &self.told.on_batch {
                report(len);
            }
            self.round.send_modify(|round| *round = round.wrapping_add(1));
        }
    }

    /// Writes what can stand together; says how many commits that were.
    async fn write(&mut self) -> usize {
        let (mut groups, mut batch, mut later) = (Groups::default(), Vec::new(), VecDeque::new());
        for queued in self.waiting.drain(..) {
            match groups.take(batch.len(), &queued.entry) {
                true => batch.push(queued),
                false => later.push_back(queued),
            }
        }
        self.waiting = later;
        let entries: Vec<_> = batch.iter().map(|queued| Arc::clone(&queued.entry)).collect();
        let written = groups.by_place(send(self, &groups, &entries).await);
        let done = written.iter().filter(|(_, done)| matches!(done, Ok(true)));
        let done = done.filter_map(|(place, _)| entries.get(*place));
        self.told.stand.durable(done.map(|entry| &**entry));
        if written.iter().any(|(_, done)| done.is_err()) {
            self.told.stand.unknown();
        }
        let len = batch.len();
        let mut places: Vec<_> = batch.into_iter().map(Some).collect();
        for (place, done) in written {
            let Some(queued) = places.get_mut(place).and_then(Option::take) else { continue };
            let answer = match done {
                Ok(true) => Ok(Committed::Done),
                Ok(false) => Ok(Committed::Conflict),
                Err(fault) => Err(StoreFault::of("writing a batch")(fault)),
            };
            self.answer(queued, answer);
        }
        len
    }

    fn answer(&self, queued: Queued, answer: Answer) {
        let Queued { entry, ticket, answer: caller } = queued;
        {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            match answer {
                Ok(Committed::Done) => {
                    pending.forget(&entry, ticket);
                    pending.note_seen(entry.chain, entry.record.head);
                }
                // Whatever rests on it here cannot fit either.
                Ok(Committed::Conflict) | Err(_) => pending.withdraw(&entry),
            }
        }
        // A caller that has gone does not wait for the answer; the commit stands.
        let _ = caller.send(answer);
    }
}

/// Writes the groups; says what became of each, in their order.
async fn send(work: &Work, groups: &Groups, entries: &[Arc<Entry>]) -> Vec<Result<bool, Shared>> {
    let (pool, tag) = (&work.pool, fresh_tag());
    let all = match work.spread {
        Spread::Together => together(pool, (groups, entries), tag).await,
        Spread::BySubject => {
            let each = groups.each().map(|group| by_subject(pool, (group, entries), tag));
            return join_all(each).await;
        }
    };
    match all {
        Ok(written) => written.into_iter().map(Ok).collect(),
        Err(fault) => {
            let fault = Shared(Arc::new(fault));
            groups.each().map(|_| Err(fault.clone())).collect()
        }
    }
}

async fn together(
    pool: &Pool,
    (groups, entries): (&Groups, &[Arc<Entry>]),
    tag: i64,
) -> Result<Vec<bool>, StoreFault> {
    let batch = Batch::of(groups.each(), entries)?;
    insist(async |again| batch.write(&pool.get().await?, tag, again).await).await
}

async fn by_subject(
    pool: &Pool,
    (group, entries): ((&ChainName, &Group), &[Arc<Entry>]),
    tag: i64,
) -> Result<bool, Shared> {
    let shared = |fault| Shared(Arc::new(fault));
    let batch = Batch::of(std::iter::once(group), entries).map_err(shared)?;
    let write = async |again| batch.write_subject(&pool.get().await?, tag, again).await;
    let written = insist(write).await.map_err(shared)?;
    if written {
        // What is not taken away is done once more, which by its own promise does no harm.
        let _ = insist(async |_| batch.settle(&pool.get().await?).await).await;
    }
    Ok(written)
}

/// Does it until the database has answered, or the deadline has passed. From the second time on
/// the work is told that it may have been done before.
async fn insist<T>(work: impl AsyncFn(bool) -> Result<T, PostgresError>) -> Result<T, StoreFault> {
    let end = Instant::now() + WRITE_DEADLINE;
    let mut again = false;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let error = match tokio::time::timeout(left, work(again)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(late) => return Err(StoreFault::of("calling the database")(late)),
        };
        if !may_pass(&error) {
            return Err(StoreFault::of("calling the database")(error));
        }
        again = true;
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// A number that no other batch has; not a secret.
fn fresh_tag() -> i64 {
    RandomState::new().build_hasher().finish().cast_signed()
}
