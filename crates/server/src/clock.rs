//! The one clock: the machine's time, which the sandbox can push forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use kunji_core::time::{Clock, Millis, Stamp};
use uuid::Uuid;

/// Hands out stamps; clones share the same hands.
#[derive(Debug, Clone, Default)]
pub struct ServiceClock {
    hands: Arc<Hands>,
}

#[derive(Debug, Default)]
struct Hands {
    ahead_ms: AtomicI64,
    newest_ms: AtomicI64,
    serial: AtomicU64,
}

impl ServiceClock {
    /// Pushes the clock forward; a negative span does nothing.
    pub fn advance(&self, span_ms: i64) {
        self.hands.ahead_ms.fetch_add(span_ms.max(0), Ordering::Relaxed);
    }

    /// How far ahead of the machine's clock it was pushed.
    #[must_use]
    pub fn ahead_ms(&self) -> i64 {
        self.hands.ahead_ms.load(Ordering::Relaxed)
    }

    /// Now, by the clock that all timers read. Never runs backwards, whatever the machine does.
    #[must_use]
    pub fn now(&self) -> Millis {
        let now = machine_micros() / 1000 + self.hands.ahead_ms.load(Ordering::Relaxed);
        let newest = self.hands.newest_ms.fetch_max(now, Ordering::Relaxed);
        Millis(newest.max(now))
    }
}

impl Clock for ServiceClock {
    fn stamp(&self) -> Stamp {
        let micros = machine_micros();
        // Serials follow the microseconds, so that they are unique across restarts as well.
        let floor = u64::try_from(micros).unwrap_or_default();
        let next = |last: u64| last.saturating_add(1).max(floor);
        let last = self
            .hands
            .serial
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        let serial = last.map_or(floor, next);
        Stamp {
            now: self.now(),
            real: Millis(micros / 1000),
            serial,
            entropy: *Uuid::new_v4().as_bytes(),
        }
    }
}

fn machine_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn clock_moves_forward_only() {
        let clock = ServiceClock::default();
        let before = clock.now();
        clock.advance(86_400_000);
        assert!(clock.now().0 >= before.0 + 86_400_000);
        clock.advance(-86_400_000);
        assert!(clock.now().0 >= before.0 + 86_400_000);
    }

    #[test]
    fn serials_never_repeat_across_threads() {
        let clock = ServiceClock::default();
        let draw = || (0..2000).map(|_| clock.stamp().serial).collect::<Vec<_>>();
        let drawn = std::thread::scope(|scope| {
            let threads = [scope.spawn(draw), scope.spawn(draw), scope.spawn(draw)];
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
    }
}
