//! What happened in a run, counted, and a fingerprint of all of it in its order.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;

/// Counts, and the trace.
#[derive(Default)]
pub(crate) struct Tally {
    /// Store operations that were carried out.
    pub(crate) steps: u64,
    /// Times that a future was polled.
    pub(crate) polls: u64,
    counts: BTreeMap<String, u64>,
    trace: DefaultHasher,
    /// Whether the trace is told as it goes.
    pub(crate) aloud: bool,
}

impl Tally {
    pub(crate) fn count(&mut self, what: &str) {
        match self.counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(what.to_owned(), 1)),
        }
    }

    pub(crate) fn of(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// Takes down what happened; the words are made only where somebody reads them.
    pub(crate) fn note(&mut self, mark: (&str, usize), bytes: &[u8], words: impl Fn() -> String) {
        mark.hash(&mut self.trace);
        bytes.hash(&mut self.trace);
        if self.aloud {
            let (what, who) = mark;
            let _ = writeln!(std::io::stderr(), "{:>7} {what} {who} {}", self.steps, words());
        }
    }

    pub(crate) fn trace(&self) -> u64 {
        self.trace.finish()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.polls += other.polls;
        for (what, count) in &other.counts {
            *self.counts.entry(what.clone()).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>9} steps, {} polls", self.steps, self.polls)?;
        self.counts.iter().try_for_each(|(what, count)| writeln!(f, "{count:>9} {what}"))
    }
}
