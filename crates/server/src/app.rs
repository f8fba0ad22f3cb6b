//! What every handler works with: the issuer, the settings, the limits.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use kunji_core::command::Request;
use kunji_core::engine::{Answered, Engine, Fault, Voice};
use kunji_core::ids::{Caller, CaptureId, CredentialId};
use kunji_core::reason::Reason;
use kunji_core::store::{FaultKind, StoreFault};
use kunji_store::Archive;
use tokio::sync::{Semaphore, watch};

use crate::boot::{self, Start};
use crate::brake::{Brake, Guesser};
use crate::clock::ServiceClock;
use crate::config::Config;
use crate::limiter::{Limiter, RetryAfter};
use crate::serials::{Serial, Serials};
use crate::telemetry::Metrics;
use crate::workers::RsaWorkers;

/// Operations that may be under way at once; a further one is answered "busy".
const OPERATIONS_MAX: u32 = 4096;
/// How long a caller waits for an operation; the operation itself goes on.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);
/// Names that the limiters tell apart.
const LIMITER_KEYS_MAX: usize = 65_536;

/// The engine as this binary builds it.
pub type Issuer = Engine<Archive, ServiceClock, RsaWorkers>;

/// Shared by all handlers of one process.
#[derive(Clone)]
pub struct App {
    shared: Arc<Shared>,
}

struct Shared {
    issuer: RwLock<Arc<Issuer>>,
    config: Config,
    metrics: Arc<Metrics>,
    clock: ServiceClock,
    operations: Arc<Semaphore>,
    live: Limiter,
    broken_tokens: Limiter,
    wrong_keys: Brake,
    serials: Serials,
    started: Instant,
    sandbox: bool,
    base: OnceLock<String>,
    errands: watch::Sender<u64>,
    captures: watch::Sender<Option<CaptureId>>,
    closing: AtomicBool,
}

/// Why a request got no answer of the issuer's.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Something broke: the outcome is unknown.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The caller has heard of too many wrong secrets.
    #[error(transparent)]
    TooMany(#[from] RetryAfter),
}

/// Which of the two commands this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `kunji sandbox`: helpers, steering, seeded data.
    Sandbox,
    /// `kunji serve`: none of them.
    Service,
}

impl App {
    /// Gathers what was built.
    #[must_use]
    pub fn new(start: Start, config: Config, metrics: Arc<Metrics>, purpose: Purpose) -> Self {
        let Start { issuer, serials } = start;
        let (live, broken) = (config.live_per_minute, config.prepaid.broken_per_minute);
        let wrong_keys = config.prepaid.wrong_keys_per_minute;
        let clock = issuer.clock.clone();
        Self {
            shared: Arc::new(Shared {
                issuer: RwLock::new(Arc::new(issuer)),
                config,
                metrics,
                clock,
                operations: Arc::new(Semaphore::new(permits(OPERATIONS_MAX))),
                live: Limiter::new(live, live, LIMITER_KEYS_MAX),
                broken_tokens: Limiter::new(broken, broken, LIMITER_KEYS_MAX),
                wrong_keys: Brake::new(wrong_keys),
                serials: Serials::new(serials),
                started: Instant::now(),
                sandbox: purpose == Purpose::Sandbox,
                base: OnceLock::new(),
                errands: watch::Sender::new(0),
                captures: watch::Sender::new(None),
                closing: AtomicBool::new(false),
            }),
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The figures.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// The clock that all timers read.
    #[must_use]
    pub fn clock(&self) -> &ServiceClock {
        &self.shared.clock
    }

    /// Whether helpers and steering are there.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        self.shared.sandbox
    }

    /// The issuer of this moment: a sandbox reset puts another in its place.
    #[must_use]
    pub fn issuer(&self) -> Arc<Issuer> {
        Arc::clone(&self.shared.issuer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another issuer in place; requests under way end with the old one.
    pub fn replace_issuer(&self, Start { issuer, serials }: Start) {
        let mut place = self.shared.issuer.write().unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(issuer);
        self.shared.serials.refill(serials);
    }

    /// Draws a number that no other answer of this store has.
    ///
    /// # Errors
    /// `Fault` when a new block is due and the store takes none.
    pub async fn serial(&self) -> Result<Serial, Fault> {
        let serials = &self.shared.serials;
        if let Some(serial) = serials.draw() {
            return Ok(serial);
        }
        let _turn = serials.turn().await;
        if let Some(serial) = serials.draw() {
            return Ok(serial);
        }
        let (issuer, origin) = {
            // Both of one store: whoever puts another one in place changes both under this lock.
            let place = self.shared.issuer.read().unwrap_or_else(PoisonError::into_inner);
            (Arc::clone(&place), serials.origin())
        };
        let block = self.act("serials", async move { boot::take_serials(&issuer, origin).await });
        serials.refill(block.await?);
        serials.draw().ok_or(Fault::Busy)
    }

    /// Runs a request to its end, even if the caller leaves or the deadline passes.
    ///
    /// # Errors
    /// `Unanswered` when something broke or took too long, or when the caller has heard of too many
    /// wrong secrets.
    pub async fn run(
        &self,
        request: Request,
        voice: impl Voice + Send + 'static,
    ) -> Result<Answered, Unanswered> {
        let (issuer, action) = (self.issuer(), request.command.action());
        let caller = request.caller.clone();
        if request.command.secrets().blocks().next().is_some() {
            self.admit_guess(&issuer, &caller)?;
        }
        let answered =
            self.act(action.as_str(), async move { issuer.run(request, &voice).await }).await?;
        if answered.reason == Some(Reason::GuessBudgetUsedUp) {
            self.admit_guess(&self.issuer(), &caller)?;
            // It was used up then, and is not any more: the next request is heard at once.
            return Err(Unanswered::TooMany(RetryAfter { seconds: 1 }));
        }
        Ok(answered)
    }

    /// Says whether a caller may go on asking about secrets: not after too many wrong ones.
    ///
    /// # Errors
    /// `RetryAfter` when its budget is used up.
    pub fn admit_guess(&self, issuer: &Issuer, caller: &Caller) -> Result<(), RetryAfter> {
        let Err(used_up) = issuer.budget.check(caller, self.clock().now()) else { return Ok(()) };
        self.shared.metrics.guess_withheld();
        if used_up.is_first {
            let caller = caller.as_str();
            tracing::warn!(
                caller,
                "{caller} was told of too many wrong PINs; its requests with secrets get 429"
            );
        }
        let seconds = u64::try_from(used_up.wait_ms).unwrap_or(0).div_ceil(1000);
        Err(RetryAfter { seconds: seconds.max(1) })
    }

    /// Does work of several steps to its end, even if the caller leaves or the deadline passes.
    ///
    /// # Errors
    /// `Fault` when something broke or took too long: the outcome is unknown.
    pub fn act<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> impl Future<Output = Result<T, Fault>> {
        // It is large, and would be copied from one future to the next.
        let work = Box::pin(work);
        async move {
            let operations = Arc::clone(&self.shared.operations);
            let permit = operations.try_acquire_owned().map_err(|_| Fault::Busy)?;
            let app = self.clone();
            let work = tokio::spawn(async move {
                let done = work.await;
                drop(permit);
                // There may be errands now.
                app.shared.errands.send_modify(|count| *count = count.wrapping_add(1));
                done
            });
            let done = match tokio::time::timeout(OPERATION_TIMEOUT, work).await {
                Ok(Ok(done)) => done,
                // It panicked, or it is late: in both cases nobody knows the outcome.
                Ok(Err(_)) | Err(_) => Err(Fault::Busy),
            };
            if let Err(fault) = &done {
                self.report(fault, operation);
            }
            done
        }
    }

    /// Changes whenever an operation has ended that may have left errands.
    #[must_use]
    pub fn errands_left(&self) -> watch::Receiver<u64> {
        self.shared.errands.subscribe()
    }

    /// Tells those who wait for a capture that it may have ended.
    pub fn capture_ended(&self, id: &CaptureId) {
        self.shared.captures.send_replace(Some(id.clone()));
    }

    /// Waits until this capture may have ended. One that ends beside many others may be missed: who
    /// waits looks again after a while.
    pub async fn capture_end(&self, id: &CaptureId) {
        let mut ended = self.shared.captures.subscribe();
        let this = |newest: &Option<CaptureId>| self.is_closing() || newest.as_ref() == Some(id);
        // The sender lives as long as this.
        let _ = ended.changed().await;
        let _ = ended.wait_for(this).await;
    }

    /// Lets nobody wait for a capture any longer: the process is about to end.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.shared.captures.send_replace(None);
    }

    /// Whether the process is about to end.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.shared.closing.load(Ordering::Relaxed)
    }

    /// Where customers reach this process: as configured; else, in the sandbox, as the request of
    /// these headers did; else where it listens.
    #[must_use]
    pub fn public_url(&self, headers: &HeaderMap) -> String {
        let configured = self.shared.config.upi.public_url.as_str();
        if !configured.is_empty() {
            return configured.to_owned();
        }
        let host =
            headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
        match host.filter(|host| self.is_sandbox() && !is_unspecified(host.host())) {
            Some(host) => format!("http://{host}"),
            None => self.shared.base.get().cloned().unwrap_or_default(),
        }
    }

    /// Whether the headers ask for live processing, which is the sandbox's to offer.
    ///
    /// # Errors
    /// `UnknownMode` when they ask for another one.
    pub fn asks_live(&self, headers: &HeaderMap) -> Result<bool, UnknownMode> {
        let mut modes = headers.get_all("x-kunji-mode").iter().filter(|_| self.is_sandbox());
        modes.try_fold(false, |_, mode| match mode.as_bytes().eq_ignore_ascii_case(b"live") {
            true => Ok(true),
            false => Err(UnknownMode),
        })
    }

    /// Says where this process listens, once that is known.
    pub fn listens_at(&self, base: &str) {
        // The first answer stays.
        let _ = self.shared.base.set(base.to_owned());
    }

    /// Takes one operation on a credential from a caller's allowance: nobody uses up another's.
    ///
    /// # Errors
    /// `RetryAfter` when there is none left.
    pub fn admit(&self, caller: &str, credential: &CredentialId) -> Result<(), RetryAfter> {
        self.shared.live.check(&format!("{caller} {credential}"), self.elapsed_ms())
    }

    /// Takes one operation on a merchant's customer from a caller's allowance.
    ///
    /// # Errors
    /// `RetryAfter` when there is none left.
    pub fn admit_customer(&self, caller: &str, customer: &str) -> Result<(), RetryAfter> {
        self.shared.live.check(&format!("{caller} customer {customer}"), self.elapsed_ms())
    }

    /// Says whether a client may still send tokens: not after too many broken ones.
    ///
    /// # Errors
    /// `RetryAfter` when its allowance of broken tokens is used up.
    pub fn admit_token(&self, client: &str) -> Result<(), RetryAfter> {
        self.shared.broken_tokens.peek(client, self.elapsed_ms())
    }

    /// Takes one broken token of a client from its allowance.
    pub fn count_broken_token(&self, client: &str) {
        self.shared.metrics.token_broken(client);
        // Whether any is left is asked before the next token is opened.
        let _ = self.shared.broken_tokens.check(client, self.elapsed_ms());
    }

    /// Says whether a guesser's keys are compared: not after too many wrong ones.
    ///
    /// # Errors
    /// `RetryAfter` when they are not.
    pub fn admit_keys(&self, guesser: &Guesser) -> Result<(), RetryAfter> {
        self.shared.wrong_keys.admit(guesser, self.elapsed_ms())
    }

    /// Counts a wrong key that was sent under the name of a client.
    pub fn count_wrong_key(&self, guesser: &Guesser, client: &str) {
        self.shared.metrics.key_refused(client);
        if self.shared.wrong_keys.count(guesser, self.elapsed_ms()) {
            tracing::warn!(
                "too many wrong keys of prepaid clients from one address: its keys are not \
                 compared for a while"
            );
        }
    }

    /// Logs a fault once, with its whole chain.
    pub fn report(&self, fault: &Fault, operation: &'static str) {
        self.shared.metrics.fault_met(operation);
        match fault {
            Fault::WentBack(_) => self.shared.metrics.store_went_back(),
            Fault::Store(StoreFault { kind: FaultKind::Altered, .. }) => {
                self.shared.metrics.row_altered();
            }
            Fault::Store(_) | Fault::Vault(_) | Fault::Audit(_) | Fault::Id(_) | Fault::Busy => {}
        }
        let fault: &dyn std::error::Error = fault;
        tracing::error!(fault, "{operation} broke");
    }

    /// Waits until every operation under way has ended, as long as any caller would; says whether
    /// they all have. Late ones stay what their callers were told: of unknown outcome.
    pub async fn drained(&self) -> bool {
        let all = self.shared.operations.acquire_many(OPERATIONS_MAX);
        matches!(tokio::time::timeout(OPERATION_TIMEOUT, all).await, Ok(Ok(_)))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// `X-Kunji-Mode` with another value than `live`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownMode;

impl From<UnknownMode> for Reason {
    fn from(UnknownMode: UnknownMode) -> Self {
        Self::HeaderMalformed { header: "X-Kunji-Mode".into(), expected: "live".into() }
    }
}

/// Whether the host of an authority is an address that leads nowhere.
fn is_unspecified(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.is_ok_and(|address| address.to_canonical().is_unspecified())
}

fn permits(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
