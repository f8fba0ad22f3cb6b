//! Commits made by hand, so that a store is judged without the engine.

use kunji_core::audit::{Action, Event, Subject};
use kunji_core::ids::{Caller, CredentialId, CredentialKind, TxnId};
use kunji_core::receipt::{Receipt, ReceiptKey, Reply};
use kunji_core::store::{Commit, Committed, Load, Loaded, Record, Store};
use kunji_core::time::Millis;
use kunji_vault::{BlockMark, Fingerprint};

pub(crate) fn account(name: &str) -> Subject {
    Subject::Credential(CredentialId::parse(CredentialKind::Account, name).unwrap())
}

pub(crate) fn key(caller: &str, txn: &str) -> ReceiptKey {
    ReceiptKey { caller: Caller::parse(caller).unwrap(), txn: TxnId::parse(txn).unwrap() }
}

pub(crate) fn receipt(body: &str) -> Receipt {
    let body = body.as_bytes().to_vec();
    Receipt {
        fingerprint: Fingerprint([7; 32]),
        reply: Reply { status: 200, code: "verified".to_owned(), body, nonce: [9; 16] },
        at: Millis(1),
        verdict: "verified".to_owned(),
        credential: None,
        secret: None,
        reason: None,
    }
}

/// The commit that appends one event to a record, and carries nothing else.
pub(crate) fn next(subject: &Subject, before: &Record) -> Commit {
    appended(verified(subject, before), before)
}

/// The next event of a record.
pub(crate) fn verified(subject: &Subject, before: &Record) -> Event {
    Event {
        subject: subject.clone(),
        seq: before.head.seq + 1,
        at: Millis(1_000),
        caller: Caller::parse("tests").unwrap(),
        txn: None,
        action: Action::Verify,
        verdict: "verified".to_owned(),
        detail: None,
        reason: None,
        after: None,
    }
}

/// The commit that appends this event to a record, and carries nothing else.
pub(crate) fn appended(event: Event, before: &Record) -> Commit {
    let encoded = event.encode().unwrap();
    Commit {
        subject: event.subject,
        expected: before.head,
        record: Record { head: before.head.after(&encoded), state: before.state.clone() },
        encoded,
        receipt: None,
        spent: Vec::new(),
        messages: Vec::new(),
        index: Vec::new(),
        errands: Vec::new(),
        settled: Vec::new(),
    }
}

pub(crate) async fn load(store: &impl Store, subject: &Subject) -> Record {
    look(store, subject, None, &[]).await.record
}

pub(crate) async fn look(
    store: &impl Store,
    subject: &Subject,
    receipt: Option<&ReceiptKey>,
    marks: &[BlockMark],
) -> Loaded {
    store.load(&Load { receipt, marks, ..Load::of(subject) }).await.unwrap()
}

/// Appends one event to a subject that nobody else is writing to.
pub(crate) async fn append(store: &impl Store, subject: &Subject) {
    let record = load(store, subject).await;
    assert_eq!(store.commit(next(subject, &record)).await.unwrap(), Committed::Done);
}
