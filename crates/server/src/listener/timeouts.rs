//! How long a connection is waited for, with the one alarm clock that all its waits share.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use super::ListenerLimits;

/// The waits of one connection.
///
/// The alarm may be set too early but never too late: a request that ends in time costs no
/// movement in the runtime's timer wheel, and an alarm that rings too early is set anew.
pub(super) struct Timeouts {
    header_timeout: Duration,
    idle_timeout: Duration,
    fresh: AtomicBool,
    heard: AtomicBool,
    alarm: Mutex<Pin<Box<tokio::time::Sleep>>>,
}

impl Timeouts {
    pub(super) fn new(limits: &ListenerLimits) -> Self {
        Self {
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            fresh: AtomicBool::new(true),
            heard: AtomicBool::new(false),
            alarm: Mutex::new(Box::pin(tokio::time::sleep(limits.header_timeout))),
        }
    }

    /// Notes that bytes came.
    pub(super) fn heard(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Begins the wait for a request head.
    fn head_wait(self: &Arc<Self>, now: Instant) -> HeadWait {
        self.heard.store(false, Ordering::Relaxed);
        let fresh = self.fresh.swap(false, Ordering::Relaxed);
        let limit = if fresh { self.header_timeout } else { self.idle_timeout };
        HeadWait { timeouts: Arc::clone(self), deadline: now + limit, speaking: fresh }
    }

    /// Bounds a wait that is pending now: ready once it made no progress for too long.
    pub(super) fn poll_stalled(
        &self,
        cx: &mut Context<'_>,
        stalled: &mut Option<Instant>,
    ) -> Poll<io::Error> {
        let since = *stalled.get_or_insert_with(Instant::now);
        ready!(self.poll_deadline(cx, since + self.idle_timeout));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    fn poll_deadline(&self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let deadline = tokio::time::Instant::from_std(deadline);
        let mut alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        ready!(alarm.as_mut().poll(cx));
        if alarm.deadline() >= deadline {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(deadline);
        alarm.as_mut().poll(cx)
    }
}

/// Waits for a request head: long for its first byte, short for the rest.
struct HeadWait {
    timeouts: Arc<Timeouts>,
    deadline: Instant,
    speaking: bool,
}

impl Future for HeadWait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.speaking && self.timeouts.heard.load(Ordering::Relaxed) {
            self.speaking = true;
            self.deadline = Instant::now() + self.timeouts.header_timeout;
        }
        self.timeouts.poll_deadline(cx, self.deadline)
    }
}

impl Sleep for HeadWait {}

/// Hands hyper the waits for the heads of one connection; it uses a timer for nothing else.
pub(super) struct HeadTimer(pub(super) Arc<Timeouts>);

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.0.head_wait(deadline))
    }
}
