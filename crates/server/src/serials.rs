//! Serials of ten digits: unique over all processes of a store and all their starts.
//!
//! Every event of the service's own chain gives a block of serials to the process that wrote it,
//! and the event's place in the chain numbers the block: no two events share a place. A process
//! lives on the block of its start and writes an event for another one when that is used up, so
//! that requests share nothing but memory.
//!
//! After all serials of ten digits the count begins anew. A store that was restored from an older
//! backup gives the serials of the time in between again.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use kunji_core::audit::Head;
use tokio::sync::{Mutex as Queue, MutexGuard as Turn};

/// Serials of one block.
pub const BLOCK_LEN: u64 = 1024;
/// All serials: of at most ten digits, and not 0.
const ALL: u64 = 9_999_999_999;

/// One process's block of serials.
#[derive(Debug)]
pub struct Serials {
    left: Mutex<Range<u64>>,
    refilling: Queue<()>,
}

/// A number that no other answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial(u64);

/// The serials that one event of the service's chain gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block(Range<u64>);

impl Block {
    /// The block of the event that leads to a head. Each store counts from somewhere else, as its
    /// first event has it: a sandbox that starts over does not begin with the same serials.
    #[must_use]
    pub fn of(first_event: &[u8], head: Head) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = Head::default().after(first_event).hash;
        let origin = u64::from_be_bytes([a, b, c, d, e, f, g, h]) % ALL;
        let start = origin.saturating_add(head.seq.saturating_mul(BLOCK_LEN));
        Self(start..start.saturating_add(BLOCK_LEN))
    }
}

impl Serials {
    /// Begins with a block.
    #[must_use]
    pub fn new(Block(left): Block) -> Self {
        Self { left: Mutex::new(left), refilling: Queue::new(()) }
    }

    /// Takes the next serial, if there is one left.
    pub fn draw(&self) -> Option<Serial> {
        let drawn = self.left.lock().unwrap_or_else(PoisonError::into_inner).next()?;
        Some(Serial(drawn % ALL + 1))
    }

    /// Goes on with another block.
    pub fn refill(&self, Block(left): Block) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }

    /// Waits until nobody else fetches a block: one is enough for all who wait.
    pub async fn turn(&self) -> Turn<'_, ()> {
        self.refilling.lock().await
    }
}

impl Serial {
    /// The number, of at most ten digits.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn head(seq: u64) -> Head {
        Head { seq, hash: [7; 32] }
    }

    fn drawn(first_event: &[u8], seq: u64) -> Vec<u64> {
        let serials = Serials::new(Block::of(first_event, head(seq)));
        std::iter::from_fn(|| serials.draw().map(Serial::number)).collect()
    }

    #[test]
    fn blocks_of_one_store_share_no_serial() {
        let all: Vec<_> = (1..200).flat_map(|seq| drawn(b"first", seq)).collect();
        assert_eq!(all.len(), 199 * usize::try_from(BLOCK_LEN).unwrap());
        assert!(all.iter().all(|serial| (1..=ALL).contains(serial)));
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn every_store_begins_elsewhere() {
        assert_ne!(drawn(b"first", 1), drawn(b"another", 1));
    }

    #[test]
    fn the_count_goes_over_its_end_without_a_zero() {
        let serials = Serials::new(Block(ALL - 2..ALL + 1));
        let drawn: Vec<_> = std::iter::from_fn(|| serials.draw().map(Serial::number)).collect();
        assert_eq!(drawn, [ALL - 1, ALL, 1]);
        serials.refill(Block(5..6));
        assert_eq!(serials.draw(), Some(Serial(6)));
        assert_eq!(serials.draw(), None);
    }

    #[test]
    fn threads_share_a_block() {
        let serials = Serials::new(Block::of(b"first", head(1)));
        let draw = || std::iter::from_fn(|| serials.draw()).collect::<Vec<_>>();
        let drawn = std::thread::scope(|scope| {
            let threads = [scope.spawn(draw), scope.spawn(draw), scope.spawn(draw)];
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
        assert_eq!(drawn.len(), usize::try_from(BLOCK_LEN).unwrap());
    }
}
