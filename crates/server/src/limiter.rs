//! Bounds how often one caller may ask: the generic cell rate algorithm over hashed keys.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS_MAX: usize = 16;
const MINUTE_NANOS: u64 = 60_000_000_000;
const SECOND_NANOS: u64 = 1_000_000_000;
const MILLI_NANOS: u64 = 1_000_000;
/// A full shard looks for free entries at most this often.
const SWEEP_GAP_NANOS: u64 = 100_000_000;

/// Lets each key act `burst` times at once and `per_minute` times a minute after that.
///
/// It remembers at most `keys_max` keys, by keyed hash. When all of them are in use, further
/// keys share one allowance, so that a flood of invented keys costs neither memory nor control.
#[derive(Debug)]
pub struct Limiter {
    /// Nanoseconds that one permit takes to grow back; `None` means no limit.
    interval: Option<u64>,
    capacity: u64,
    shard_keys_max: usize,
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    overflow: Mutex<u64>,
}

/// Each key's time of being free again, in nanoseconds of the caller's clock.
#[derive(Debug, Default)]
struct Shard {
    free_at: HashMap<u64, u64>,
    sweep_at: u64,
}

/// The key has used its allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter {
    /// Until the next request is let through; at least 1.
    pub seconds: u64,
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many requests, next in {} s", self.seconds)
    }
}

impl std::error::Error for RetryAfter {}

impl Limiter {
    /// Makes a limiter; a `per_minute` of 0 lets everything through, a `burst` of 0 counts as 1.
    #[must_use]
    pub fn new(per_minute: u32, burst: u32, keys_max: usize) -> Self {
        let interval = match per_minute {
            0 => None,
            rate => Some(MINUTE_NANOS.div_ceil(rate.into())),
        };
        let shard_count = keys_max.clamp(1, SHARDS_MAX);
        Self {
            interval,
            capacity: interval.unwrap_or(0).saturating_mul(burst.max(1).into()),
            shard_keys_max: keys_max / shard_count,
            hasher: RandomState::new(),
            shards: (0..shard_count).map(|_| Mutex::default()).collect(),
            overflow: Mutex::new(0),
        }
    }

    /// Takes one permit of `key`; `now_ms` is from a clock that never goes back.
    ///
    /// # Errors
    ///
    /// The time to wait, if the key has none left. A refused request costs no permit.
    pub fn check(&self, key: &str, now_ms: u64) -> Result<(), RetryAfter> {
        let Some(interval) = self.interval else {
            return Ok(());
        };
        let now = now_ms.saturating_mul(MILLI_NANOS);
        let hash = self.hasher.hash_one(key);
        let Some(mut shard) = self.shard(hash) else {
            return self.take(&mut lock(&self.overflow), interval, now);
        };
        if let Some(free_at) = shard.free_at.get_mut(&hash) {
            return self.take(free_at, interval, now);
        }
        if !shard.has_room(self.shard_keys_max, now) {
            drop(shard);
            return self.take(&mut lock(&self.overflow), interval, now);
        }
        let mut free_at = 0;
        let taken = self.take(&mut free_at, interval, now);
        shard.free_at.insert(hash, free_at);
        taken
    }

    /// Says whether a [`Limiter::check`] would be refused now; takes nothing.
    ///
    /// # Errors
    ///
    /// The time to wait, if the key has no permit left.
    pub fn peek(&self, key: &str, now_ms: u64) -> Result<(), RetryAfter> {
        let Some(interval) = self.interval else {
            return Ok(());
        };
        let now = now_ms.saturating_mul(MILLI_NANOS);
        let hash = self.hasher.hash_one(key);
        let kept = self.shard(hash).and_then(|mut shard| match shard.free_at.get(&hash) {
            Some(free_at) => Some(*free_at),
            None => shard.has_room(self.shard_keys_max, now).then_some(0),
        });
        // Without a place of its own, a key has what all such keys share.
        let mut free_at = kept.unwrap_or_else(|| *lock(&self.overflow));
        self.take(&mut free_at, interval, now)
    }

    fn shard(&self, hash: u64) -> Option<MutexGuard<'_, Shard>> {
        // The map inside a shard has its own hash, so any bits do.
        let count = u64::try_from(self.shards.len()).ok()?;
        let index = usize::try_from(hash.checked_rem(count)?).ok()?;
        self.shards.get(index).map(lock)
    }

    fn take(&self, free_at: &mut u64, interval: u64, now: u64) -> Result<(), RetryAfter> {
        let next = (*free_at).max(now).saturating_add(interval);
        let wait = (next - now).saturating_sub(self.capacity);
        if wait > 0 {
            return Err(RetryAfter { seconds: wait.div_ceil(SECOND_NANOS) });
        }
        *free_at = next;
        Ok(())
    }
}

impl Shard {
    /// Whether one more key can be remembered, after those that are free again are forgotten.
    fn has_room(&mut self, keys_max: usize, now: u64) -> bool {
        if self.free_at.len() >= keys_max {
            self.sweep(now);
        }
        self.free_at.len() < keys_max
    }

    /// Forgets the keys whose allowance is whole again; does nothing while that cannot help.
    fn sweep(&mut self, now: u64) {
        if now < self.sweep_at {
            return;
        }
        self.free_at.retain(|_, free_at| *free_at > now);
        let next_free = self.free_at.values().min().copied().unwrap_or(now);
        self.sweep_at = next_free.max(now.saturating_add(SWEEP_GAP_NANOS));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known_keys(limiter: &Limiter) -> usize {
        limiter.shards.iter().map(|shard| lock(shard).free_at.len()).sum()
    }

    #[track_caller]
    fn check(limiter: &Limiter, key: &str, millis: u64, expected: Result<(), u64>) {
        let expected = expected.map_err(|seconds| RetryAfter { seconds });
        assert_eq!(limiter.check(key, millis), expected);
    }

    #[test]
    fn burst_passes_then_one_each_interval() {
        let limiter = Limiter::new(60, 3, 100);
        for _ in 0..3 {
            check(&limiter, "a", 0, Ok(()));
        }
        check(&limiter, "a", 0, Err(1));
        check(&limiter, "a", 999, Err(1));
        check(&limiter, "a", 1000, Ok(()));
        check(&limiter, "a", 1000, Err(1));
    }

    #[test]
    fn a_peek_takes_nothing() {
        let limiter = Limiter::new(60, 1, 100);
        assert_eq!(limiter.peek("a", 0), Ok(()));
        assert_eq!(limiter.peek("a", 0), Ok(()));
        check(&limiter, "a", 0, Ok(()));
        assert_eq!(limiter.peek("a", 0), Err(RetryAfter { seconds: 1 }));
        assert_eq!(limiter.peek("b", 0), Ok(()));
    }

    #[test]
    fn a_peek_of_a_key_without_a_place_sees_the_shared_allowance() {
        let limiter = Limiter::new(60, 1, 1);
        check(&limiter, "a", 0, Ok(()));
        assert_eq!(limiter.peek("b", 0), Ok(()));
        check(&limiter, "b", 0, Ok(()));
        assert_eq!(limiter.peek("c", 0), Err(RetryAfter { seconds: 1 }));
        assert_eq!(limiter.peek("c", 1000), Ok(()));
    }

    #[test]
    fn the_wait_is_rounded_up_to_seconds() {
        let limiter = Limiter::new(2, 1, 100);
        check(&limiter, "a", 0, Ok(()));
        check(&limiter, "a", 0, Err(30));
        check(&limiter, "a", 28_500, Err(2));
        check(&limiter, "a", 29_999, Err(1));
        check(&limiter, "a", 30_000, Ok(()));
    }

    #[test]
    fn a_refusal_does_not_lengthen_the_wait() {
        let limiter = Limiter::new(60, 1, 100);
        check(&limiter, "a", 0, Ok(()));
        for millis in 0..1000 {
            check(&limiter, "a", millis, Err(1));
        }
        check(&limiter, "a", 1000, Ok(()));
    }

    #[test]
    fn keys_do_not_share_an_allowance() {
        let limiter = Limiter::new(1, 1, 100);
        check(&limiter, "a", 0, Ok(()));
        check(&limiter, "b", 0, Ok(()));
        check(&limiter, "a", 0, Err(60));
    }

    #[test]
    fn a_rate_of_zero_lets_everything_through() {
        let limiter = Limiter::new(0, 0, 1);
        for _ in 0..1000 {
            check(&limiter, "a", 0, Ok(()));
        }
        assert_eq!(known_keys(&limiter), 0);
    }

    #[test]
    fn a_burst_of_zero_counts_as_one() {
        let limiter = Limiter::new(60, 0, 100);
        check(&limiter, "a", 0, Ok(()));
        check(&limiter, "a", 0, Err(1));
    }

    #[test]
    fn a_clock_that_goes_back_is_no_way_around() {
        let limiter = Limiter::new(60, 1, 100);
        check(&limiter, "a", 5000, Ok(()));
        check(&limiter, "a", 0, Err(6));
        check(&limiter, "a", u64::MAX, Ok(()));
    }

    #[test]
    fn strangers_share_one_allowance_when_full() {
        let limiter = Limiter::new(60, 2, 0);
        check(&limiter, "a", 0, Ok(()));
        check(&limiter, "b", 0, Ok(()));
        check(&limiter, "c", 0, Err(1));
        assert_eq!(known_keys(&limiter), 0);
    }

    #[test]
    fn a_flood_of_keys_takes_no_more_than_the_bound() {
        let limiter = Limiter::new(60, 1, 64);
        let passed = (0..10_000).filter(|n| limiter.check(&n.to_string(), 0).is_ok()).count();
        assert_eq!(known_keys(&limiter), 64);
        assert_eq!(passed, 64 + 1);
    }

    #[test]
    fn free_keys_make_room() {
        let limiter = Limiter::new(60, 1, 1);
        check(&limiter, "a", 0, Ok(()));
        check(&limiter, "b", 500, Ok(())); // From the shared allowance.
        check(&limiter, "c", 1000, Ok(()));
        check(&limiter, "c", 1000, Err(1));
        assert_eq!(known_keys(&limiter), 1);
        // The shared allowance is used up until 1500, "c" is known and "d" is not.
        check(&limiter, "d", 1400, Err(1));
    }

    proptest! {
        #[test]
        fn no_key_passes_more_than_its_allowance(
            per_minute in 1_u32..5000,
            burst in 1_u32..20,
            steps in prop::collection::vec((0_u64..400, 0_usize..3), 1..300),
        ) {
            let limiter = Limiter::new(per_minute, burst, 1000);
            let mut millis = 0;
            let mut passed: [Vec<u64>; 3] = Default::default();
            for (pause, key) in steps {
                millis += pause;
                if limiter.check(&key.to_string(), millis).is_ok() {
                    passed[key].push(millis);
                }
            }
            for times in passed {
                for (first, begin) in times.iter().enumerate() {
                    for (last, end) in times.iter().enumerate().skip(first) {
                        let grown = (end - begin) * u64::from(per_minute) / 60_000;
                        prop_assert!(u64::try_from(last - first + 1)? <= u64::from(burst) + grown);
                    }
                }
            }
        }

        #[test]
        fn memory_and_the_flood_stay_bounded(
            keys_max in 0_usize..40,
            burst in 1_u32..4,
            steps in prop::collection::vec((0_u64..50, 0_u32..200), 1..400),
        ) {
            let limiter = Limiter::new(60, burst, keys_max);
            let mut millis = 0;
            for (pause, key) in steps {
                millis += pause;
                let answer = limiter.check(&key.to_string(), millis);
                prop_assert!(answer.is_ok_and(|()| true) || answer.is_err_and(|a| a.seconds >= 1));
                prop_assert!(known_keys(&limiter) <= keys_max);
            }
        }
    }
}
