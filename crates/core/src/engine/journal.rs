//! What one request leaves behind: the record, the event that led to it, and the rest.

use crate::aggregate::{Kept as _, State};
use crate::audit::{Action, Event, EventError, Subject};
use crate::credential::Credential;
use crate::ids::{Caller, TxnId};
use crate::reason::Reason;
use crate::store::{Commit, Record};
use crate::time::Stamp;

/// One line of the audit, before it has its place in a chain.
pub(super) struct Entry {
    pub(super) stamp: Stamp,
    pub(super) caller: Caller,
    pub(super) txn: Option<TxnId>,
    pub(super) action: Action,
    pub(super) verdict: &'static str,
    pub(super) detail: Option<String>,
    pub(super) reason: Option<Reason>,
}

/// Appends the entry to the subject's chain and puts the changed state in place.
pub(super) fn commit(
    subject: Subject,
    before: Record,
    next: Option<State>,
    entry: Entry,
) -> Result<Commit, EventError> {
    let expected = before.head;
    let created = next.as_ref().and_then(Credential::of);
    let after = created.or(before.credential()).map(Credential::counters);
    let event = Event {
        subject: subject.clone(),
        seq: expected.seq.saturating_add(1),
        at: entry.stamp.now,
        caller: entry.caller,
        txn: entry.txn,
        action: entry.action,
        verdict: entry.verdict.to_owned(),
        detail: entry.detail,
        reason: entry.reason,
        after,
    };
    let encoded = event.encode_once(&entry.stamp.entropy)?;
    let head = before.head.after(&encoded);
    let index = match (before.credential(), created) {
        (None, Some(created)) => created.index_keys(),
        (None, None) | (Some(_), _) => Vec::new(),
    };
    Ok(Commit {
        subject,
        expected,
        record: Record { head, state: next.unwrap_or(before.state) },
        encoded,
        receipt: None,
        spent: Vec::new(),
        messages: Vec::new(),
        index,
        errands: Vec::new(),
        settled: Vec::new(),
    })
}
