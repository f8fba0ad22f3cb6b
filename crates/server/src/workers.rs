//! The RSA pool: a few threads and a bounded queue, so that RSA cannot starve the requests.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use kunji_core::engine::{Fault, Workers};
use tokio::sync::oneshot;

use crate::telemetry::Metrics;

/// Jobs that may wait for one thread; a further one is refused at once.
const QUEUE_LEN_MAX: usize = 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that do what costs a core for long. They end when the pool is dropped.
pub struct RsaWorkers {
    queue: SyncSender<Job>,
    metrics: Arc<Metrics>,
}

impl RsaWorkers {
    /// Starts as many threads as asked for, at least one.
    ///
    /// # Errors
    /// `io::Error` when the system gives no thread.
    pub fn start(threads: usize, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (queue, jobs) = sync_channel::<Job>(QUEUE_LEN_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads.max(1) {
            let jobs = Arc::clone(&jobs);
            std::thread::Builder::new()
                .name(format!("kunji-rsa-{number}"))
                .spawn(move || work(&jobs))?;
        }
        Ok(Self { queue, metrics })
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = match jobs.lock() {
            Ok(jobs) => jobs.recv(),
            Err(_) => return,
        };
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

impl Workers for RsaWorkers {
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let (answer, made) = oneshot::channel();
        let metrics = Arc::clone(&self.metrics);
        let job = Box::new(move || {
            metrics.rsa_block_taken();
            // A caller that has gone does not wait for the result.
            let _ = answer.send(work());
        });
        self.metrics.rsa_block_queued();
        if self.queue.try_send(job).is_err() {
            self.metrics.rsa_block_taken();
            return Err(Fault::Busy);
        }
        made.await.map_err(|_| Fault::Busy)
    }
}
