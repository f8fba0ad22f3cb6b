//! One checkpoint to be written: what it says of itself, and what it lists.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use kunji_core::store::{Row, Scope as Walk, StoreFault, Survey};
use kunji_core::time::Millis;
use kunji_vault::Vault;

use super::CheckpointError;
use super::changed::Changes;
use super::checkpoint::{Format, Hash, Header, Occasion, Scope, store_name};
use super::draft::{Draft, Written};

/// What is to be written, before anybody looked at the store.
#[derive(Debug)]
pub struct Job<'a> {
    /// The run that writes it.
    pub series: String,
    /// Its place in the series.
    pub number: u64,
    /// The file before it.
    pub previous: Option<Hash>,
    /// When.
    pub at: Millis,
    /// Why.
    pub occasion: Occasion,
    /// What it lists; what is unknown is all of the store.
    pub changes: &'a Changes,
}

impl Job<'_> {
    /// Writes it under one name and then gives it the other. It blocks its thread, for a whole
    /// store as long as the walk takes; `give_up` ends that early.
    ///
    /// # Errors
    /// `CheckpointError` when the store cannot be read or the file not written; there is none then.
    pub fn write(
        self,
        store: &impl Survey,
        vault: &Vault,
        (draft, path): (&Path, &Path),
        give_up: &AtomicBool,
    ) -> Result<Written, CheckpointError> {
        let header = Header {
            format: Format::One,
            series: self.series,
            number: self.number,
            previous: self.previous,
            store: store_name(store)?.ok_or(CheckpointError::Empty)?,
            at: self.at,
            occasion: self.occasion,
            scope: match self.changes {
                Changes::Unknown => Scope::All,
                Changes::These(_) => Scope::Changed,
            },
        };
        let mut draft = Draft::begin(draft, &header)?;
        match self.changes {
            Changes::Unknown => list_all(store, &mut draft, give_up)?,
            Changes::These(heads) => {
                heads.iter().try_for_each(|(subject, head)| draft.head(subject, *head))?;
            }
        }
        draft.seal(vault, path)
    }
}

fn list_all(
    store: &impl Survey,
    draft: &mut Draft,
    give_up: &AtomicBool,
) -> Result<(), CheckpointError> {
    // A walk passes on faults of the store only; what else ended it is kept beside it.
    let mut ended = Ok(());
    let stop = || StoreFault::of("listing the chains")("the checkpoint ended early");
    let walked = store.survey(Walk::Records, &mut |row| {
        let Row::Record(subject, record) = row else { return Ok(()) };
        ended = match give_up.load(Ordering::Relaxed) {
            true => Err(CheckpointError::GivenUp),
            false => draft.head(&subject.to_string(), record.head),
        };
        ended.as_ref().map(|()| ()).map_err(|_| stop())
    });
    ended.and(walked.map_err(CheckpointError::from))
}
