//! The one writer: takes what is queued, writes it as one durable batch, then answers.

use std::io;
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
        let thread = std::thread::Builder::new()
            .name("kunji-writer".to_owned())
            .spawn(move || write_all(&spaces, &pending, &queued, &settings, &stand))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub(super) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
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

/// Runs until the queue is closed, or until a batch fails: then nobody may go on.
fn write_all(
    spaces: &Spaces,
    pending: &Mutex<Pending>,
    queued: &Receiver<Queued>,
    settings: &EmbeddedSettings,
    stand: &Stand,
) {
    let mut batch = Vec::with_capacity(settings.batch_len_max);
    let mut in_company = false;
    while let Ok(first) = queued.recv() {
        batch.push(first);
        if in_company {
            std::thread::sleep(COMPANY_WAIT);
        }
        batch.extend(queued.try_iter().take(settings.batch_len_max.saturating_sub(1)));
        in_company = batch.len() > 1;
        let written = write(spaces, &batch);
        if let Some(report) = &settings.on_batch {
            report(batch.len());
        }
        let failed = written.is_err();
        match failed {
            true => stand.unknown(),
            false => stand.durable(batch.iter().map(|queued| &*queued.entry)),
        }
        if !failed && let Ok(mut pending) = pending.lock() {
            for Queued { entry, ticket, .. } in &batch {
                pending.forget(entry, *ticket);
            }
        }
        for Queued { answer, .. } in batch.drain(..) {
            let result = match failed {
                true => Err(StoreFault::of("writing a batch")("the batch failed")),
                false => Ok(()),
            };
            // A caller that has gone does not wait for the answer; the commit stands.
            let _ = answer.send(result);
        }
        if failed {
            return;
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
