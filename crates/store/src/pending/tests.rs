use kunji_core::audit::Subject;
use kunji_core::ids::{Caller, TxnId};
use kunji_core::receipt::{ReceiptKey, Reply};
use kunji_core::store::Commit;
use kunji_core::time::Millis;
use kunji_vault::{BlockMark, Fingerprint, KeyRing, Vault};

use super::*;
use crate::rows::Rows;

fn head(seq: u64) -> Head {
    Head { seq, hash: [u8::try_from(seq).unwrap(); 32] }
}

/// A commit of a subject from one head to the next, with a receipt and a block where they are named.
fn entry(rows: &Rows, caller: &str, expected: u64, named: Option<(&str, u8)>) -> Entry {
    let caller = Caller::parse(caller).unwrap();
    let receipt = named.map(|(txn, _)| {
        let key = ReceiptKey { caller: caller.clone(), txn: TxnId::parse(txn).unwrap() };
        let reply = Reply { status: 200, code: String::new(), body: Vec::new(), nonce: [0; 16] };
        let receipt = Receipt {
            fingerprint: Fingerprint([7; 32]),
            reply,
            at: Millis(0),
            verdict: String::new(),
            credential: None,
            secret: None,
            reason: None,
        };
        (key, receipt)
    });
    let commit = Commit {
        subject: Subject::Stranger(caller),
        expected: if expected == 0 { Head::default() } else { head(expected) },
        record: Record { head: head(expected + 1), ..Record::default() },
        encoded: Vec::new(),
        receipt,
        spent: named.iter().map(|(_, mark)| BlockMark([*mark; 16])).collect(),
        messages: Vec::new(),
        index: Vec::new(),
        errands: Vec::new(),
        settled: Vec::new(),
    };
    Entry::of(commit, rows).unwrap()
}

fn rows() -> Rows {
    Rows::new(Arc::new(Vault::new(KeyRing::ephemeral().unwrap())))
}

/// Whether nothing is kept of anybody but how far chains were.
fn is_empty(pending: &Pending) -> bool {
    pending.records.is_empty() && pending.receipts.is_empty() && pending.spent.is_empty()
}

#[test]
fn what_is_queued_is_shown_until_it_is_forgotten_and_then_nothing_is_left() {
    let (rows, mut pending) = (rows(), Pending::default());
    let first = entry(&rows, "a", 0, Some(("t1", 1)));
    let (key, _) = first.receipt.as_ref().unwrap();
    let ticket = pending.next_ticket();
    pending.show(&first, ticket);
    assert_eq!(pending.head(&first.chain), Some(head(1)));
    assert_eq!(pending.record(&first.chain).unwrap().head, head(1));
    assert!(pending.receipt(key).is_some() && pending.is_spent(&first.spent[0]));
    pending.forget(&first, ticket);
    assert!(pending.head(&first.chain).is_none() && pending.receipt(key).is_none());
    assert!(!pending.is_spent(&first.spent[0]) && is_empty(&pending));
}

#[test]
fn a_later_commit_stays_when_an_earlier_one_is_durable() {
    let (rows, mut pending) = (rows(), Pending::default());
    let (first, second) = (entry(&rows, "a", 0, Some(("t1", 1))), entry(&rows, "a", 1, None));
    let tickets = [pending.next_ticket(), pending.next_ticket()];
    assert_ne!(tickets[0], tickets[1]);
    pending.show(&first, tickets[0]);
    pending.show(&second, tickets[1]);
    pending.forget(&first, tickets[0]);
    assert_eq!(pending.head(&first.chain), Some(head(2)));
    pending.forget(&second, tickets[1]);
    assert!(is_empty(&pending));
}

#[test]
fn a_withdrawn_commit_and_all_that_rests_on_it_are_not_shown() {
    let (rows, mut pending) = (rows(), Pending::default());
    let (first, second) = (entry(&rows, "a", 0, Some(("t1", 1))), entry(&rows, "a", 1, None));
    for one in [&first, &second] {
        let ticket = pending.next_ticket();
        pending.show(one, ticket);
    }
    pending.withdraw(&first);
    assert!(pending.record(&first.chain).is_none() && is_empty(&pending));
    // Another one may take its place, under the same names.
    assert_eq!(pending.room_for(&first), Room::Free);
    pending.withdraw(&second);
    assert!(is_empty(&pending));
}

#[test]
fn a_commit_has_room_where_it_rests_on_what_is_there_and_uses_nothing_twice() {
    let (rows, mut pending) = (rows(), Pending::default());
    let first = entry(&rows, "a", 0, Some(("t1", 1)));
    assert_eq!(pending.room_for(&first), Room::Free);
    let ticket = pending.next_ticket();
    pending.show(&first, ticket);
    assert_eq!(pending.room_for(&first), Room::Overtaken);
    assert_eq!(pending.room_for(&entry(&rows, "a", 1, None)), Room::Free);
    let mut other = entry(&rows, "a", 1, None);
    other.expected.hash = [9; 32];
    assert_eq!(pending.room_for(&other), Room::Overtaken, "another decision of the same number");
    // A name of the caller, and a block of anybody.
    assert_eq!(pending.room_for(&entry(&rows, "a", 1, Some(("t1", 2)))), Room::Named);
    assert_eq!(pending.room_for(&entry(&rows, "b", 0, Some(("t1", 1)))), Room::Named);
    assert_eq!(pending.room_for(&entry(&rows, "b", 0, Some(("t1", 2)))), Room::Free);
}

#[test]
fn what_rests_on_less_than_was_seen_has_no_room() {
    let (rows, mut pending) = (rows(), Pending::default());
    let late = entry(&rows, "a", 3, None);
    pending.note_seen(late.chain, head(4));
    assert_eq!(pending.room_for(&late), Room::Overtaken);
    assert_eq!(pending.room_for(&entry(&rows, "a", 4, None)), Room::Free);
    assert_eq!(pending.room_for(&entry(&rows, "a", 5, None)), Room::Free);
    // It never falls.
    pending.note_seen(late.chain, head(2));
    assert_eq!(pending.seen(&late.chain), Some(head(4)));
    assert_eq!(pending.room_for(&late), Room::Overtaken);
    pending.note_seen(late.chain, head(6));
    assert_eq!(pending.seen(&late.chain), Some(head(6)));
}

#[test]
fn a_chain_that_is_at_less_than_before_went_back_until_it_is_there_again() {
    let (mut pending, chain) = (Pending::default(), ChainName([7; 16]));
    assert!(!pending.judge(chain, None, head(4)), "nothing was known of it");
    let before = pending.seen(&chain);
    assert_eq!(before, Some(head(4)));
    assert!(!pending.judge(chain, before, head(4)));
    for found in [head(3), Head::default(), Head { seq: 4, hash: [9; 32] }] {
        assert!(pending.judge(chain, before, found), "{found:?}");
        assert_eq!((pending.seen(&chain), pending.back_len()), (before, 1));
    }
    assert!(!pending.judge(chain, before, head(5)));
    assert_eq!((pending.seen(&chain), pending.back_len()), (Some(head(5)), 0));
    // What was read before a commit of our own was noted is only late.
    assert!(!pending.judge(chain, Some(head(4)), head(4)));
    assert_eq!((pending.seen(&chain), pending.back_len()), (Some(head(5)), 0));
}

#[test]
fn what_is_remembered_has_a_limit_and_what_went_back_outlives_it() {
    let mut pending = Pending::default();
    let chain = |nth: u64| ChainName(u128::from(nth).to_be_bytes());
    let len = u64::try_from(SEEN_LEN_MAX).unwrap();
    (0..len).for_each(|nth| pending.note_seen(chain(nth), head(2)));
    assert!(pending.judge(chain(5), Some(head(2)), head(1)));
    pending.note_seen(chain(len), head(1));
    assert_eq!((pending.seen.len(), pending.back_len()), (2, 1));
    assert_eq!(pending.seen(&chain(5)), Some(head(2)));
    // Where all went back, no more are remembered.
    for nth in 0..=len {
        pending.note_seen(chain(nth), head(2));
        pending.judge(chain(nth), Some(head(2)), head(1));
    }
    assert_eq!((pending.seen.len(), pending.back_len()), (SEEN_LEN_MAX, SEEN_LEN_MAX));
}
