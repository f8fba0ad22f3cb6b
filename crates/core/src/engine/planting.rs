//! What a store holds of something that was put there without a decision: for seeds of any size.

use super::journal::{self, Entry};
use crate::aggregate::Kept;
use crate::audit::{Action, EventError, Subject};
use crate::ids::Caller;
use crate::store::{Commit, Record};
use crate::time::Stamp;

/// All that puts something into an empty place.
///
/// # Errors
/// `EventError` when the event cannot be encoded.
pub fn planted(
    subject: Subject,
    kept: impl Kept,
    caller: Caller,
    stamp: Stamp,
) -> Result<Commit, EventError> {
    let entry = Entry {
        stamp,
        caller,
        txn: None,
        action: Action::Created,
        verdict: "seeded",
        detail: None,
        reason: None,
    };
    journal::commit(subject, Record::default(), Some(kept.keep()), entry)
}

/// An event of the service itself, behind what is recorded of it.
///
/// # Errors
/// `EventError` when the event cannot be encoded.
pub fn noted(
    record: Record,
    caller: Caller,
    (action, detail): (Action, String),
    stamp: Stamp,
) -> Result<Commit, EventError> {
    let detail = Some(detail);
    let entry = Entry { stamp, caller, txn: None, action, verdict: "done", detail, reason: None };
    journal::commit(Subject::Service, record, None, entry)
}
