//! What is kept of a record, row for row.

use super::*;
use crate::credential::sample::{account, block_pin, card, now, verifier};
use crate::credential::{OpenOtp, PinState};
use crate::customer::{Device, Session};
use crate::ids::{MerchantCustomerId, MerchantId, ProfileId};

const HOUR: i64 = DAY_MS / 24;

/// An instant so many hours from now.
fn at(hours: i64) -> Millis {
    now().plus(hours * HOUR)
}

/// A PIN with so many tries, and a block until an hour from now.
fn tried(tries: u8, until: Option<i64>) -> Credential {
    let mut credential = account();
    credential.pin.tries = tries;
    credential.pin.blocked_until = until.map(at);
    credential
}

#[track_caller]
fn check_pin(restored: &Credential, other: Option<&Credential>, expected: (u8, Option<i64>)) {
    let kept = restored_credential(restored, other, &Rules::default(), now());
    assert_eq!((kept.pin.tries, kept.pin.blocked_until), (expected.0, expected.1.map(at)));
    assert_eq!(kept.pin.kept.len(), restored.pin.kept.len());
    assert!(kept.otp.is_none());
}

#[test]
fn without_knowledge_every_pin_is_blocked_for_a_whole_window() {
    check_pin(&tried(0, None), None, (3, Some(24)));
    check_pin(&tried(2, None), None, (3, Some(24)));
    check_pin(&tried(3, Some(-1)), None, (3, Some(24)));
    check_pin(&tried(3, Some(5)), None, (3, Some(24)));
    // A block that ends later stays.
    check_pin(&tried(3, Some(30)), None, (3, Some(30)));
    let mut none = tried(0, None);
    none.pin.kept.clear();
    check_pin(&none, None, (0, None));
    let rules = Rules { tries_max: 2, block_ms: 2 * HOUR, ..Rules::default() };
    let pin = restored_credential(&account(), None, &rules, now()).pin;
    assert_eq!((pin.tries, pin.blocked_until), (2, Some(at(2))));
    assert_eq!((pin.state(at(1)), pin.state(at(2))), (PinState::Blocked(at(2)), PinState::Set));
}

#[test]
fn with_the_replaced_store_the_strictest_of_both_is_kept() {
    for (restored, other, expected) in [
        ((0, None), (0, None), (0, None)),
        ((0, None), (2, None), (2, None)),
        ((2, None), (0, None), (2, None)),
        ((0, None), (3, Some(20)), (3, Some(20))),
        ((3, Some(20)), (0, None), (3, Some(20))),
        ((3, Some(2)), (3, Some(20)), (3, Some(20))),
        ((3, Some(20)), (3, Some(2)), (3, Some(20))),
        // A block that is over gives its tries back there as here, but hides none that came after.
        ((3, Some(-5)), (2, None), (2, None)),
        ((2, None), (3, Some(-5)), (2, None)),
        ((3, Some(-5)), (3, Some(0)), (0, None)),
        ((1, None), (3, Some(7)), (3, Some(7))),
    ] {
        let (restored, other) = (tried(restored.0, restored.1), tried(other.0, other.1));
        check_pin(&restored, Some(&other), expected);
    }
}

#[track_caller]
fn check_registration(
    restored: (u8, u8, Option<i64>),
    other: Option<(u8, u8, Option<i64>)>,
    expected: (u8, u8, Option<i64>),
) {
    let with = |(failures, atm_pin_tries, last): (u8, u8, Option<i64>)| {
        let registration = Registration { failures, atm_pin_tries, last: last.map(at) };
        Credential { registration, ..account() }
    };
    let other = other.map(with);
    let kept = restored_credential(&with(restored), other.as_ref(), &Rules::default(), now());
    let Registration { failures, atm_pin_tries, last } = kept.registration;
    assert_eq!((failures, atm_pin_tries, last), (expected.0, expected.1, expected.2.map(at)));
}

#[test]
fn failed_registrations_are_taken_at_their_strictest() {
    check_registration((0, 0, None), None, (5, 3, Some(0)));
    check_registration((7, 1, Some(-2)), None, (7, 3, Some(0)));
    check_registration((0, 0, None), Some((0, 0, None)), (0, 0, None));
    check_registration((2, 0, Some(-3)), Some((1, 1, Some(-2))), (2, 1, Some(-2)));
    check_registration((0, 2, Some(-3)), Some((4, 0, Some(-9))), (4, 2, Some(-3)));
    // What is over counts on neither side.
    check_registration((5, 3, Some(-24)), Some((1, 0, Some(-1))), (1, 0, Some(-1)));
    check_registration((1, 0, Some(-1)), Some((5, 3, Some(-24))), (1, 0, Some(-1)));
}

#[test]
fn what_was_open_falls() {
    for other in [None, Some(account())] {
        let kept = restored_credential(&account(), other.as_ref(), &Rules::default(), now());
        assert!(kept.otp.is_none());
        let kept = restored_credential(&card(), other.as_ref(), &Rules::default(), now());
        let Facts::Card(card) = kept.facts else { unreachable!("a card stays one") };
        assert!(card.holder_verified.is_none());
    }
    // One that was opened elsewhere is not taken over.
    let other = OpenOtp { verifier: verifier(), expires: at(1), tries: 0 };
    let other = Credential { otp: Some(other), ..account() };
    let restored = Credential { otp: None, ..account() };
    assert!(restored_credential(&restored, Some(&other), &Rules::default(), now()).otp.is_none());
}

fn customer() -> Customer {
    let merchant = MerchantId::parse("shop").unwrap();
    let customer = MerchantCustomerId::parse("one").unwrap();
    let device = |name: &str| Device { fingerprint: name.to_owned(), bound: at(-9) };
    Customer {
        devices: vec![device("kept"), device("stolen")],
        sessions: vec![Session { print: kunji_vault::Fingerprint([1; 32]), ends: at(1) }],
        ..Customer::fresh(ProfileId { merchant, customer }, None)
    }
}

#[test]
fn customers_lose_sessions_and_devices_that_were_given_up() {
    let rules = Rules::default();
    let mut other = customer();
    other.devices.pop();
    other.bindings = FailedBindings { count: 2, last: Some(at(-2)) };
    other.starts = other.sessions.clone();
    let kept = restored_customer(&customer(), Some(&other), &rules, now());
    assert!(kept.sessions.is_empty() && kept.has_device("kept") && !kept.has_device("stolen"));
    assert_eq!((kept.bindings.count, kept.bindings.last), (2, Some(at(-2))));
    assert_eq!(kept.starts.len(), 1);
    let kept = restored_customer(&customer(), None, &rules, now());
    assert_eq!((kept.sessions.len(), kept.devices.len()), (0, 2));
    assert_eq!((kept.bindings.count, kept.bindings.last), (3, Some(now())));
}

fn record(seq: u64, hash: u8, credential: Credential) -> Record {
    Record { head: Head { seq, hash: [hash; 32] }, state: credential.keep() }
}

fn restore(record: Record, other: Option<&Record>) -> Restored {
    let rules = Rules::default();
    let caller = Caller::parse("service").unwrap();
    let restorer = Restorer { rules: &rules, now: now(), caller, backup: "backup b1".to_owned() };
    let subject = Subject::Credential(account().id);
    restorer.restore(&subject, record, other).unwrap()
}

#[track_caller]
fn check_since(other: Option<&Record>, expected: Since, detail: Option<&str>) {
    let before = record(4, 1, account());
    let kept = restore(before.clone(), other);
    assert_eq!(kept.since, expected);
    let event = kept.event.map(|encoded| {
        assert_eq!(kept.record.head, before.head.after(&encoded), "the chain goes on");
        Event::decode(&encoded).unwrap()
    });
    assert_eq!(event.as_ref().and_then(|event| event.detail.as_deref()), detail);
    if let Some(event) = event {
        assert_eq!((event.seq, event.action, event.at), (5, Action::Restored, now()));
    }
}

#[test]
fn only_a_head_that_is_the_same_proves_that_nothing_happened() {
    let mut blocked = account();
    block_pin(&mut blocked);
    let known = Some("backup b1; strictest of both since");
    let unknown = Some("backup b1; unknown since");
    check_since(Some(&record(4, 1, blocked.clone())), Since::Nothing, None);
    check_since(Some(&record(4, 2, account())), Since::Known, known);
    check_since(Some(&record(9, 2, blocked)), Since::Known, known);
    // It is older than the backup: what came after stands in neither.
    check_since(Some(&record(3, 2, account())), Since::Unknown, unknown);
    check_since(Some(&Record::default()), Since::Unknown, unknown);
    check_since(None, Since::Unknown, unknown);
}

#[test]
fn service_always_hears_of_it_and_what_counts_no_guesses_never_does() {
    let rules = Rules::default();
    let caller = Caller::parse("service").unwrap();
    let stranger = Subject::Stranger(caller.clone());
    let restorer = Restorer { rules: &rules, now: now(), caller, backup: "backup b1".to_owned() };
    for other in [None, Some(Record::default())] {
        let kept = restorer.restore(&Subject::Service, Record::default(), other.as_ref()).unwrap();
        let event = Event::decode(&kept.event.unwrap()).unwrap();
        assert_eq!((event.seq, event.detail.as_deref()), (1, Some("backup b1")));
        let head = Head { seq: 2, hash: [7; 32] };
        let kept = Record { head, ..Record::default() };
        let kept = restorer.restore(&stranger, kept, other.as_ref()).unwrap();
        assert!(kept.event.is_none() && kept.record.head == head);
    }
}
