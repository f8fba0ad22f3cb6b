//! Writes the checkpoints of one process: at intervals, and when it ends.
//!
//! ```text
//!                 predecessor ended well?
//! start ──▶ yes: what changes from now on │ no, or none: all of the store, in the background
//!       ──▶ at each interval, or when too much changed: what changed since
//!       ──▶ at the end, when the last commit was answered: what changed since
//! ```
//!
//! The lists of what changed go on from run to run as long as each ended with its last one. After a
//! crash, a batch in doubt or too many changes, the next one lists all of the store again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kunji_core::audit::{ChainName, Subject};
use kunji_core::store::Store as _;
use kunji_core::time::{MINUTE_MS, Millis};
use kunji_store::Witness;
use kunji_vault::CheckpointKeys;
use tokio::sync::watch;
use uuid::Uuid;

use super::CheckpointError;
use super::changed::{Changed, Changes};
use super::checkpoint::{Hash, Occasion, store_name};
use super::draft::Written;
use super::job::Job;
use super::lane::Lane;
use super::reader::{Proven, ReadError, Reader};
use crate::app::{App, Issuer};

/// How often it is asked whether a checkpoint is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How soon after a failure the next try is due.
const RETRY_MS: i64 = MINUTE_MS;
/// How long a process that ends waits for a list of the whole store that is under way.
const ENDING_WAIT: Duration = Duration::from_secs(10);

/// Who keeps the checkpoints of this process.
pub struct Keeper {
    app: App,
    lane: Arc<Lane>,
    every_ms: i64,
    /// Whose commits are heard of; the sandbox may put another in its place.
    issuer: Arc<Issuer>,
    changed: Arc<Changed>,
    series: String,
    number: u64,
    previous: Option<Before>,
    due: Millis,
    failed: bool,
    give_up: Arc<AtomicBool>,
}

/// The file before the next one.
#[derive(Clone, Copy)]
struct Before {
    hash: Hash,
    at: Millis,
}

impl Keeper {
    /// Takes a lane and hears of commits from now on; nobody keeps any where none are asked for.
    ///
    /// # Errors
    /// `CheckpointError` when the directory cannot be used, or the store not be read.
    pub async fn start(app: &App) -> Result<Option<Self>, CheckpointError> {
        let settings = &app.config().audit;
        let Some(dir) = &settings.checkpoint_dir else { return Ok(None) };
        let lane = Arc::new(Lane::take(dir)?);
        let issuer = app.issuer();
        let changed = attach(&issuer);
        // The start was recorded before anybody listened.
        let started = issuer.store.read(&Subject::Service).await?.head;
        changed.note(ChainName::of(&issuer.vault, &Subject::Service), started);
        Ok(Some(Self {
            app: app.clone(),
            lane,
            every_ms: settings.every_ms,
            issuer,
            changed,
            series: Uuid::new_v4().simple().to_string(),
            number: 1,
            previous: None,
            due: app.clock().now().plus(settings.every_ms),
            failed: false,
            give_up: Arc::default(),
        }))
    }

    /// Runs until `stopped` says so; what is left to do then is [`Keeper::end`].
    pub async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Self {
        self.begin().await;
        loop {
            self.follow();
            if self.is_due() {
                self.write_on_time(&mut stopped).await;
            }
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return self,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Writes the last one; `occasion` says whether all that this process did is in it.
    ///
    /// # Errors
    /// `CheckpointError` when it cannot be written.
    pub async fn end(mut self, occasion: Occasion) -> Result<(), CheckpointError> {
        self.follow();
        match self.changed.take() {
            these @ Changes::These(_) => self.write(occasion, these).await.0,
            // This process has no time for the whole store; the next one finds no last checkpoint
            // of this one, and lists it.
            Changes::Unknown => {
                tracing::warn!("no last checkpoint of the audit: the next start lists all heads");
                Ok(())
            }
        }
    }

    /// Looks what the predecessor left, and whether its lists may go on.
    async fn begin(&mut self) {
        let (lane, issuer) = (Arc::clone(&self.lane), Arc::clone(&self.issuer));
        let found = tokio::task::spawn_blocking(move || predecessor(&lane, &issuer)).await;
        let found = found.map_err(|_| CheckpointError::Thread).flatten();
        let goes_on = match found {
            Ok(Some((before, ended_well))) => {
                self.previous = Some(before);
                ended_well
            }
            Ok(None) => false,
            Err(error) => {
                self.report(&error);
                false
            }
        };
        if !goes_on {
            self.list_all_now();
        }
    }

    fn list_all_now(&mut self) {
        self.changed.put_back(Changes::Unknown);
        self.due = self.app.clock().now();
    }

    /// Hears of another store when the sandbox was reset: it has nothing of the old one.
    fn follow(&mut self) {
        let issuer = self.app.issuer();
        if !Arc::ptr_eq(&issuer, &self.issuer) {
            self.changed = attach(&issuer);
            self.issuer = issuer;
            self.list_all_now();
        }
    }

    fn is_due(&self) -> bool {
        self.app.clock().now() >= self.due || (!self.failed && self.changed.is_crowded())
    }

    async fn write_on_time(&mut self, stopped: &mut watch::Receiver<bool>) {
        let changes = self.changed.take();
        let now = self.app.clock().now();
        if matches!(&changes, Changes::These(heads) if heads.is_empty()) {
            self.due = now.plus(self.every_ms);
            return;
        }
        let give_up = Arc::clone(&self.give_up);
        let overdue = async {
            // The sender outlives every task.
            let _ = stopped.wait_for(|stopped| *stopped).await;
            tokio::time::sleep(ENDING_WAIT).await;
            give_up.store(true, Ordering::Relaxed);
            std::future::pending().await
        };
        let (written, changes) = tokio::select! {
            done = self.write(Occasion::Interval, changes) => done,
            never = overdue => never,
        };
        self.failed = written.is_err();
        self.due = now.plus(match written {
            Ok(()) => self.every_ms,
            Err(error) => {
                self.changed.put_back(changes);
                self.report(&error);
                RETRY_MS.min(self.every_ms)
            }
        });
    }

    /// Writes one beside the requests; hands back what was to be written down.
    async fn write(
        &mut self,
        occasion: Occasion,
        changes: Changes,
    ) -> (Result<(), CheckpointError>, Changes) {
        let at = match self.previous {
            // Names must follow each other even where the machine's clock was set back.
            Some(before) => self.app.clock().now().max(before.at.plus(1)),
            None => self.app.clock().now(),
        };
        let (lane, issuer) = (Arc::clone(&self.lane), Arc::clone(&self.issuer));
        let (series, number) = (self.series.clone(), self.number);
        let previous = self.previous.map(|before| before.hash);
        let give_up = Arc::clone(&self.give_up);
        let writing = tokio::task::spawn_blocking(move || {
            let path = lane.path(at, &series);
            let job = Job { series, number, previous, at, occasion, changes: &changes };
            let Issuer { store, vault, .. } = &*issuer;
            (job.write(store, vault, &path, &give_up), changes)
        });
        let gone = |_| (Err(CheckpointError::Thread), Changes::Unknown);
        let (written, changes) = writing.await.unwrap_or_else(gone);
        let noted = written.map(|Written { hash, .. }| {
            self.previous = Some(Before { hash, at });
            self.number = self.number.saturating_add(1);
        });
        (noted, changes)
    }

    fn report(&self, error: &CheckpointError) {
        if matches!(error, CheckpointError::GivenUp) {
            return;
        }
        self.app.metrics().fault_met("checkpoint");
        let fault: &dyn std::error::Error = error;
        tracing::error!(fault, "a checkpoint of the audit could not be written");
    }
}

fn attach(issuer: &Issuer) -> Arc<Changed> {
    let changed = Arc::new(Changed::default());
    let witness: Arc<dyn Witness> = Arc::<Changed>::clone(&changed);
    issuer.store.attach(witness);
    changed
}

/// The newest file of the lane, and whether its run ended with it over this very store.
fn predecessor(lane: &Lane, issuer: &Issuer) -> Result<Option<(Before, bool)>, CheckpointError> {
    issuer.vault.ready_signing()?;
    let Some(path) = lane.newest()? else { return Ok(None) };
    let Ok(keys) = CheckpointKeys::from_jwks(&issuer.vault.jwks()) else { return Ok(None) };
    match Reader::open(&path).and_then(|reader| reader.prove(&keys)) {
        Ok(Proven { header, hash, .. }) => {
            let same = store_name(&issuer.store)? == Some(header.store);
            let ended_well = header.occasion == Occasion::Shutdown && same;
            Ok(Some((Before { hash, at: header.at }, ended_well)))
        }
        // It proves nothing, so nothing can rest on it.
        Err(ReadError::Flaw(_)) => Ok(None),
        Err(ReadError::Io(source)) => Err(CheckpointError::file("read", &path)(source)),
    }
}
