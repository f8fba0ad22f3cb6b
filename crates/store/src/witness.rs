//! Who hears of commits as they become durable.

use std::sync::{Arc, OnceLock};

use kunji_core::audit::{ChainName, Head};

use crate::entry::Entry;

/// Hears of what becomes durable, batch by batch, before anybody is answered.
///
/// It is called by the one thread that writes, and must not keep it for long.
pub trait Witness: Send + Sync {
    /// Takes what the commits of a batch led to: the heads of their chains, in the order of the
    /// commits.
    fn durable(&self, heads: &mut dyn Iterator<Item = (ChainName, Head)>);

    /// A batch failed: whether anything of it is durable is unknown.
    fn unknown(&self);
}

/// The place for a witness, shared by a store and its writer.
#[derive(Clone, Default)]
pub(crate) struct Stand(Arc<OnceLock<Arc<dyn Witness>>>);

impl Stand {
    /// Lets the witness hear of each batch from now on; the first one stays.
    pub(crate) fn take(&self, witness: Arc<dyn Witness>) {
        let _ = self.0.set(witness);
    }

    pub(crate) fn durable<'a>(&self, entries: impl Iterator<Item = &'a Entry>) {
        let Some(witness) = self.0.get() else { return };
        witness.durable(&mut entries.map(|entry| (entry.chain, entry.record.head)));
    }

    pub(crate) fn unknown(&self) {
        if let Some(witness) = self.0.get() {
            witness.unknown();
        }
    }
}
