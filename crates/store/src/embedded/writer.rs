//! The one writer: takes what is queued, writes it as one durable batch, then answers.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use fjall::PersistMode;
use kunji_core::store::StoreFault;
use tokio::sync::oneshot;

use super::{EmbeddedSettings, Spaces};
use crate::entry::Entry;
use crate::pending::Pending;
use crate::witness::Stand;

/// Commits that may wait for the writer; a further one is refused at once.
const QUEUE_LEN_MAX: usize = 8192;

/// How long a batch waits for company, when the one before it had some: a sync costs as much for
/// one commit as for many, and what it costs is taken from the requests.
const COMPANY_WAIT: Duration = Duration::from_micros(100);

type Durable = oneshot::Receiver<Result<(), StoreFault>>;

struct Queued {
    entry: Arc<Entry>,
    ticket: u64,
    answer: oneshot::Sender<Result<(), StoreFault>>,
}

/// The way to the writer's thread; dropping it waits until all that is queued is written.
pub(super) struct Writer {
    queue: Option<SyncSender<Queued>>,
    failed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        spaces: Arc<Spaces>,
        pending: Arc<Mutex<Pending>>,
        settings: EmbeddedSettings,
        stand: Stand,
    ) -> io::Result<Self> {
        let (queue, queued) = sync_channel(QUEUE_LEN_MAX);
        let failed = Arc::new(AtomicBool::new(false));
        let work = Work { spaces, pending, settings, stand, failed: Arc::clone(&failed) };
        let thread = std::thread::Builder::new()
            .name("kunji-writer".to_owned())
            .spawn(move || work.write_all(&queued))?;
        Ok(Self { queue: Some(queue), failed, thread: Some(thread) })
    }

    /// Whether commits are written: no longer when the first caller hears that a batch failed.
    pub(super) fn is_running(&self) -> bool {
        let runs = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        runs && !self.failed.load(Ordering::Acquire)
    }

    /// Queues a commit that fits, and shows it to the loads that follow.
    pub(super) fn queue(&self, entry: Entry, pending: &mut Pending) -> Result<Durable, StoreFault> {
        let refuse = StoreFault::of("queueing a commit");
        let Some(queue) = &self.queue else {
            return Err(refuse("the writer has stopped"));
        };
        let (answer, durable) = oneshot::channel();
        let (entry, ticket) = (Arc::new(entry), pending.next_ticket());
        match queue.try_send(Queued { entry: Arc::clone(&entry), ticket, answer }) {
            Ok(()) => {
                pending.show(&entry, ticket);
                Ok(durable)
            }
            Err(TrySendError::Full(_)) => Err(refuse("the queue is full")),
            Err(TrySendError::Disconnected(_)) => {
                Err(refuse("the writer has stopped after a failed batch"))
            }
        }
    }
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

/// What the writer's thread works with.
struct Work {
    spaces: Arc<Spaces>,
    pending: Arc<Mutex<Pending>>,
    settings: EmbeddedSettings,
    stand: Stand,
    failed: Arc<AtomicBool>,
}

impl Work {
    /// Runs until the queue is closed, or until a batch fails: then nobody may go on.
    fn write_all(&self, queued: &Receiver<Queued>) {
        let batch_len_max = self.settings.batch_len_max;
        let mut batch = Vec::with_capacity(batch_len_max);
        let mut in_company = false;
        while let Ok(first) = queued.recv() {
            batch.push(first);
            if in_company {
                std::thread::sleep(COMPANY_WAIT);
            }
            batch.extend(queued.try_iter().take(batch_len_max.saturating_sub(1)));
            in_company = batch.len() > 1;
            let written = write(&self.spaces, &batch);
            if let Some(report) = &self.settings.on_batch {
                report(batch.len());
            }
            match written {
                Ok(()) => self.tell_durable(&mut batch),
                Err(_) => return self.tell_failed(batch),
            }
        }
    }

    fn tell_durable(&self, batch: &mut Vec<Queued>) {
        self.stand.durable(batch.iter().map(|queued| &*queued.entry));
        if let Ok(mut pending) = self.pending.lock() {
            for Queued { entry, ticket, .. } in &*batch {
                pending.forget(entry, *ticket);
            }
        }
        for Queued { answer, .. } in batch.drain(..) {
            // A caller that has gone does not wait for the answer; the commit stands.
            let _ = answer.send(Ok(()));
        }
    }

    /// What failed is known before anybody hears of it: whoever asks next is not told otherwise.
    fn tell_failed(&self, batch: Vec<Queued>) {
        self.failed.store(true, Ordering::Release);
        self.stand.unknown();
        for Queued { answer, .. } in batch {
            // A caller that has gone learns it when it asks again.
            let _ = answer.send(Err(StoreFault::of("writing a batch")("the batch failed")));
        }
    }
}

fn write(spaces: &Spaces, batch: &[Queued]) -> Result<(), fjall::Error> {
    let mut rows = spaces.database.batch().durability(Some(PersistMode::SyncData));
    for (key, row) in batch.iter().flat_map(|queued| &queued.entry.rows) {
        rows.insert(&spaces.rows, key.as_slice(), row.as_slice());
    }
    for key in batch.iter().flat_map(|queued| &queued.entry.fallen) {
        rows.remove(&spaces.rows, key.as_slice());
    }
    rows.commit()
}
