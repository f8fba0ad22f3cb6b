//! What a store still needs each key version for.

use std::collections::BTreeMap;

use kunji_core::aggregate::State;
use kunji_core::store::{Row, Scope, StoreFault, Survey};

/// How much of a store opens with one key version only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Verifiers of PINs, old PINs, OTPs and ATM PINs.
    pub verifiers: u64,
    /// Sealed messages.
    pub messages: u64,
    /// Sealed rows: records, events, receipts and what else a store keeps.
    pub rows: u64,
}

impl Needs {
    /// Whether nothing does.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// Walks a whole store; it blocks the thread that calls it.
///
/// # Errors
/// `StoreFault` when a row cannot be read.
pub fn scan(store: &impl Survey) -> Result<BTreeMap<u32, Needs>, StoreFault> {
    let mut all = BTreeMap::<u32, Needs>::new();
    store.survey(Scope::Everything, &mut |row| {
        match row {
            Row::Record(_, record) => match &record.state {
                State::Credential(credential) => {
                    for verifier in credential.verifiers() {
                        let needs = all.entry(verifier.key_version()).or_default();
                        needs.verifiers = needs.verifiers.saturating_add(1);
                    }
                }
                State::Nothing
                | State::Customer(_)
                | State::Number(_)
                | State::Address(_)
                | State::Capture(_) => {}
            },
            Row::Message(message) => {
                let needs = all.entry(message.sealed.key_version()).or_default();
                needs.messages = needs.messages.saturating_add(1);
            }
            Row::Event(..) | Row::Receipt(..) | Row::Spent(_) | Row::Index(..) | Row::Errand(_) => {
            }
        }
        Ok(())
    })?;
    for (version, rows) in store.sealed_under()? {
        all.entry(version).or_default().rows = rows;
    }
    Ok(all)
}
