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
use std::sync::{Mutex, MutexGuard, PoisonError};

use kunji_core::audit::Head;
use tokio::sync::{Mutex as Queue, MutexGuard as Turn};

/// Serials of one block.
pub const BLOCK_LEN: u64 = 1024;
/// All serials: of at most ten digits, and not 0.
const ALL: u64 = 9_999_999_999;

/// One process's block of serials.
#[derive(Debug)]
pub struct Serials {
    block: Mutex<Block>,
    refilling: Queue<()>,
}

/// A number that no other answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial(u64);

/// Where the count of one store begins. Each has another one, as its first event has it: a sandbox
/// that starts over does not begin with the same serials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin(u64);

impl Origin {
    /// The one of the store whose service's chain begins with this event.
    #[must_use]
    pub fn of(first_event: &[u8]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = Head::default().after(first_event).hash;
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]) % ALL)
    }
}

/// The serials that one event of the service's chain gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    origin: Origin,
    left: Range<u64>,
}

impl Block {
    /// The block of the event that leads to a head.
    #[must_use]
    pub fn of(origin: Origin, head: Head) -> Self {
        let start = origin.0.saturating_add(head.seq.saturating_mul(BLOCK_LEN));
        Self { origin, left: start..start.saturating_add(BLOCK_LEN) }
    }
}

impl Serials {
    /// Begins with a block.
    #[must_use]
    pub fn new(block: Block) -> Self {
        Self { block: Mutex::new(block), refilling: Queue::new(()) }
    }

    /// Takes the next serial, if there is one left.
    pub fn draw(&self) -> Option<Serial> {
        let drawn = self.block().left.next()?;
        Some(Serial(drawn % ALL + 1))
    }

    /// Where the count begins that this goes on with.
    pub fn origin(&self) -> Origin {
        self.block().origin
    }

    /// Goes on with another block.
    pub fn refill(&self, block: Block) {
        *self.block() = block;
    }

    fn block(&self) -> MutexGuard<'_, Block> {
        self.block.lock().unwrap_or_else(PoisonError::into_inner)
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
        let serials = Serials::new(Block::of(Origin::of(first_event), head(seq)));
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
        let block = |left| Block { origin: Origin(0), left };
        let serials = Serials::new(block(ALL - 2..ALL + 1));
        let drawn: Vec<_> = std::iter::from_fn(|| serials.draw().map(Serial::number)).collect();
        assert_eq!(drawn, [ALL - 1, ALL, 1]);
        serials.refill(block(5..6));
        assert_eq!(serials.draw(), Some(Serial(6)));
        assert_eq!(serials.draw(), None);
    }

    #[test]
    fn threads_share_a_block() {
        let serials = Serials::new(Block::of(Origin::of(b"first"), head(1)));
        let draw = || std::iter::from_fn(|| serials.draw()).collect::<Vec<_>>();
        let drawn = std::thread::scope(|scope| {
            let threads = [scope.spawn(draw), scope.spawn(draw), scope.spawn(draw)];
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
        assert_eq!(drawn.len(), usize::try_from(BLOCK_LEN).unwrap());
    }
}
