//! The chains that this process changed since its last checkpoint.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kunji_core::audit::{ChainName, Head};
use kunji_store::Witness;

/// Chains that make a checkpoint due at once.
pub const DUE_LEN: usize = 50_000;
/// Chains that are remembered at most; beyond them the next checkpoint lists the whole store.
pub const CHANGED_LEN_MAX: usize = 200_000;

/// Hears of each commit, once for each batch, under one short lock.
#[derive(Debug, Default)]
pub struct Changed {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    heads: HashMap<ChainName, Head>,
    lost: bool,
}

/// What changed.
#[derive(Debug)]
pub enum Changes {
    /// These chains, in the order of their names.
    These(Vec<(ChainName, Head)>),
    /// Nobody knows which: there were too many, or a batch ended in doubt.
    Unknown,
}

impl Changed {
    /// What changed since this was asked before.
    #[must_use]
    pub fn take(&self) -> Changes {
        let held = std::mem::take(&mut *self.held());
        match held.lost {
            true => Changes::Unknown,
            false => {
                let mut heads: Vec<_> = held.heads.into_iter().collect();
                heads.sort_unstable_by_key(|(chain, _)| *chain);
                Changes::These(heads)
            }
        }
    }

    /// Takes back what could not be written down.
    pub fn put_back(&self, changes: Changes) {
        let mut held = self.held();
        match changes {
            Changes::Unknown => held.lose(),
            Changes::These(heads) => {
                heads.iter().for_each(|(chain, head)| held.note(*chain, *head));
            }
        }
    }

    /// Notes one chain.
    pub fn note(&self, chain: ChainName, head: Head) {
        self.held().note(chain, head);
    }

    /// Whether a checkpoint is due for the number of chains alone.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.held().heads.len() >= DUE_LEN
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn note(&mut self, chain: ChainName, head: Head) {
        if let Some(known) = self.heads.get_mut(&chain) {
            // What is put back may be older than what came meanwhile.
            if head.seq > known.seq {
                *known = head;
            }
            return;
        }
        match (self.lost, self.heads.len() >= CHANGED_LEN_MAX) {
            (true, _) => {}
            (false, true) => self.lose(),
            (false, false) => {
                self.heads.insert(chain, head);
            }
        }
    }

    fn lose(&mut self) {
        *self = Self { heads: HashMap::new(), lost: true };
    }
}

impl Witness for Changed {
    fn durable(&self, heads: &mut dyn Iterator<Item = (ChainName, Head)>) {
        let mut held = self.held();
        heads.for_each(|(chain, head)| held.note(chain, head));
    }

    fn unknown(&self) {
        self.held().lose();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: u64) -> Head {
        Head { seq, hash: [7; 32] }
    }

    fn chain(nth: usize) -> ChainName {
        ChainName(u128::try_from(nth).unwrap().to_be_bytes())
    }

    fn heads(changes: Changes) -> Vec<(ChainName, u64)> {
        match changes {
            Changes::These(heads) => heads.iter().map(|(chain, head)| (*chain, head.seq)).collect(),
            Changes::Unknown => panic!("nobody knows"),
        }
    }

    #[test]
    fn the_newest_head_of_each_chain_is_remembered_once() {
        let changed = Changed::default();
        let batch = [(chain(2), head(1)), (chain(1), head(4)), (chain(2), head(2))];
        changed.durable(&mut batch.into_iter());
        let taken = changed.take();
        changed.durable(&mut [(chain(2), head(3))].into_iter());
        changed.put_back(taken);
        assert_eq!(heads(changed.take()), [(chain(1), 4), (chain(2), 3)]);
        assert_eq!(heads(changed.take()), []);
    }

    #[test]
    fn after_a_batch_in_doubt_nobody_claims_to_know() {
        let changed = Changed::default();
        changed.note(chain(1), head(1));
        changed.unknown();
        changed.note(chain(2), head(1));
        let unknown = changed.take();
        assert!(matches!(unknown, Changes::Unknown));
        assert_eq!(heads(changed.take()), []);
        changed.note(chain(3), head(1));
        changed.put_back(unknown);
        assert!(matches!(changed.take(), Changes::Unknown));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let changed = Changed::default();
        for nth in 0..CHANGED_LEN_MAX {
            assert_eq!(changed.is_crowded(), nth >= DUE_LEN);
            changed.note(chain(nth), head(1));
        }
        changed.note(chain(0), head(2));
        assert!(changed.is_crowded());
        changed.note(chain(CHANGED_LEN_MAX), head(1));
        assert!(!changed.is_crowded());
        assert!(matches!(changed.take(), Changes::Unknown));
    }
}
