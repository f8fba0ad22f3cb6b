//! A clock that stands still until a test moves it, and never repeats a stamp.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use kunji_core::time::{Clock, Millis, Stamp, month_start};
use kunji_vault::sha256;

/// A clock in the hands of a test; its copies show the same time.
#[derive(Debug, Clone)]
pub struct FakeClock(Arc<Hands>);

#[derive(Debug)]
struct Hands {
    now: AtomicI64,
    real: AtomicI64,
    serial: AtomicU64,
}

impl FakeClock {
    /// A clock that shows the first instant of 2026.
    #[must_use]
    pub fn start() -> Self {
        let Millis(start) = month_start(2026, 1);
        Self(Arc::new(Hands {
            now: AtomicI64::new(start),
            real: AtomicI64::new(start),
            serial: AtomicU64::new(0),
        }))
    }

    /// Moves the clock that all timers read; the real one stands.
    pub fn advance(&self, span_ms: i64) {
        self.0.now.fetch_add(span_ms, Ordering::SeqCst);
    }

    /// Moves the machine's clock, by which the stamps of callers are judged.
    pub fn advance_real(&self, span_ms: i64) {
        self.0.real.fetch_add(span_ms, Ordering::SeqCst);
    }

    /// What the timers read.
    #[must_use]
    pub fn now(&self) -> Millis {
        Millis(self.0.now.load(Ordering::SeqCst))
    }

    /// What the machine's clock shows.
    #[must_use]
    pub fn real(&self) -> Millis {
        Millis(self.0.real.load(Ordering::SeqCst))
    }
}

impl Clock for FakeClock {
    fn stamp(&self) -> Stamp {
        let serial = self.0.serial.fetch_add(1, Ordering::SeqCst) + 1;
        let drawn = sha256(&[b"kunji test entropy", &serial.to_be_bytes()]);
        let entropy = *drawn.first_chunk().expect("32 bytes hold 16");
        Stamp { now: self.now(), real: self.real(), serial, entropy }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn stamps_never_repeat_and_every_clock_draws_the_same() {
        let (one, other) = (FakeClock::start(), FakeClock::start());
        let drawn: HashSet<[u8; 16]> = (0..1000).map(|_| one.stamp().entropy).collect();
        assert_eq!(drawn.len(), 1000);
        assert!(drawn.contains(&other.stamp().entropy));
    }

    #[test]
    fn real_time_stands_when_the_timers_move() {
        let clock = FakeClock::start();
        let before = clock.stamp();
        clock.clone().advance(1000);
        let after = clock.stamp();
        assert_eq!((after.now, after.real), (before.now.plus(1000), before.real));
    }
}
