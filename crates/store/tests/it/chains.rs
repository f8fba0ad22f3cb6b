//! A chain that was altered is told from a whole one.

use kunji_core::audit::{ChainBreak, ChainCheck, Head};
use kunji_core::store::{Commit, Record};

use crate::commits::{account, next};

fn chain() -> (Vec<Vec<u8>>, Head) {
    let (subject, mut record, mut events) = (account("A1"), Record::default(), Vec::new());
    for _ in 0..5 {
        let Commit { encoded, record: after, .. } = next(&subject, &record);
        events.push(encoded);
        record = after;
    }
    (events, record.head)
}

fn judge(events: &[Vec<u8>], head: &Head) -> Result<(), ChainBreak> {
    let mut check = ChainCheck::start(account("A1"));
    for event in events {
        check.take(event)?;
    }
    check.finish(head)
}

#[track_caller]
fn check(damage: impl FnOnce(&mut Vec<Vec<u8>>), expected: ChainBreak) {
    let (mut events, head) = chain();
    damage(&mut events);
    assert_eq!(judge(&events, &head), Err(expected));
}

#[test]
fn whole_chain_is_whole() {
    let (events, head) = chain();
    assert_eq!(judge(&events, &head), Ok(()));
    assert_eq!(judge(&[], &Head::default()), Ok(()));
}

#[test]
fn every_flipped_bit_is_found() {
    let (events, head) = chain();
    for (at, event) in events.iter().enumerate() {
        for bit in 0..event.len() * 8 {
            let mut damaged = events.clone();
            damaged[at][bit / 8] ^= 1 << (bit % 8);
            assert!(judge(&damaged, &head).is_err(), "event {at}, bit {bit}");
        }
    }
}

#[test]
fn dropped_event_is_found() {
    check(|events| drop(events.remove(0)), ChainBreak::Gap { expected: 1 });
    check(|events| drop(events.remove(2)), ChainBreak::Gap { expected: 3 });
}

#[test]
fn swapped_or_doubled_event_is_found() {
    check(|events| events.swap(1, 2), ChainBreak::Gap { expected: 2 });
    check(|events| events.insert(1, events[0].clone()), ChainBreak::Gap { expected: 2 });
}

#[test]
fn cut_off_end_is_found() {
    check(|events| drop(events.pop()), ChainBreak::Head { expected: 5, found: 4 });
    check(Vec::clear, ChainBreak::Head { expected: 5, found: 0 });
}

#[test]
fn cut_or_lengthened_event_is_found() {
    check(|events| events[3].truncate(9), ChainBreak::Unreadable { expected: 4 });
    check(|events| events[3].push(0), ChainBreak::Unreadable { expected: 4 });
    check(|events| events[3].clear(), ChainBreak::Unreadable { expected: 4 });
}

#[test]
fn event_of_another_chain_is_found() {
    let stray = next(&account("A2"), &Record::default()).encoded;
    check(|events| events[0] = stray, ChainBreak::Stray { seq: 1 });
}

#[test]
fn rewritten_history_is_found() {
    // Every event is well formed, but the record knows another end.
    let mut record = Record::default();
    record.head.hash = [1; 32];
    let (events, _) = chain();
    let other = record.head.after(&events[0]);
    assert_eq!(judge(&events[..1], &other), Err(ChainBreak::Hash));
}
