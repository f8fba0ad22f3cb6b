//! All that is drawn by lot: from one seed, and a stream of its own for each use.

use std::time::Duration;

/// A small generator (xorshift).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of this name.
    pub(crate) fn of(seed: u64, stream: u64) -> Self {
        // Neighbours must not look alike (the finish of splitmix64); zero would stay zero.
        let mut mixed = seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ (mixed >> 31)) | 1)
    }

    /// A number below `sides`.
    pub(crate) fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides.max(1)
    }

    /// Whether this happens, so many times in a hundred.
    pub(crate) fn hits(&mut self, percent: u64) -> bool {
        self.throw(100) < percent
    }

    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(
            (from + self.throw(to.saturating_sub(from))) * 1000 + self.throw(1000),
        )
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let place = self.throw(u64::try_from(all.len()).unwrap_or(1));
        all.get(usize::try_from(place).unwrap_or_default())
    }
}
