//! What every store promises of records of every kind, and of the chains of every subject.

use std::collections::BTreeSet;

use kunji_core::aggregate::{Kept, State};
use kunji_core::audit::Subject;
use kunji_core::capture::{Capture, Ending, Order, Purpose};
use kunji_core::customer::{Claim, Holding, Session};
use kunji_core::errand::{ErrandKey, Lane};
use kunji_core::ids::{Caller, CaptureId, CustomerId, TxnId};
use kunji_core::mapper::{Address, Change, Held, Number, NumberState, Pending, Settled};
use kunji_core::store::{Committed, Record, Store, Survey};
use kunji_core::time::Millis;
use kunji_testkit::{Home, sandbox, verify_chains};
use kunji_vault::{Fingerprint, KeyRing, Vault};

use crate::commits::{account, append, load, next};
use crate::homes::{block_on, on_every_store};
use crate::psp::{by, customer, number, profile, vpa};

on_every_store![every_kind_of_record_comes_back_whole, chains_of_every_subject_are_whole];

fn capture(name: &str) -> CaptureId {
    CaptureId::parse(name).unwrap()
}

/// A subject of every kind, with the longest names and the oddest letters that each may have.
fn subjects() -> Vec<Subject> {
    let long = "x".repeat(256);
    vec![
        Subject::Credential(crate::psp::account("A.1_-@:")),
        Subject::Stranger(Caller::parse("prepaid:2000").unwrap()),
        Subject::Service,
        Subject::Customer(profile("one.two")),
        Subject::Customer(profile(&long)),
        Subject::Customer(profile("service")),
        Subject::Number(number("87654321")),
        Subject::Number(number("9876543210")),
        Subject::Address(vpa("some.one-1_2:3@handle")),
        Subject::Capture(capture("Abc-1_2")),
    ]
}

fn every_kind_of_record_comes_back_whole(mut home: impl Home) {
    block_on(async {
        let mut store = home.open();
        let states = every_state();
        for (subject, state) in &states {
            let mut commit = next(subject, &Record::default());
            commit.record.state = state.clone();
            assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
        }
        let rows = |state: &State| postcard::to_stdvec(state).unwrap();
        for _ in 0..2 {
            for (subject, state) in &states {
                let found = load(&store, subject).await;
                assert_eq!((found.head.seq, rows(&found.state)), (1, rows(state)), "{subject}");
            }
            // An event on top of it leaves the state as it is.
            store = home.reopen(store);
        }
        for (subject, state) in &states {
            append(&store, subject).await;
            assert_eq!(rows(&load(&store, subject).await.state), rows(state), "{subject}");
        }
        verify_chains(&store);
    });
}

/// A state of every kind, each with all that it may hold.
fn every_state() -> Vec<(Subject, State)> {
    let vault = Vault::new(KeyRing::ephemeral().unwrap());
    let credential = sandbox(&vault).remove(0);
    let mut full = customer("one");
    let holding = Holding::Number(number("87654321"));
    full.claims.push(Claim::settled(holding, vec![vpa("a@b"), vpa("c@d")]));
    full.sessions = vec![Session { print: Fingerprint([1; 32]), ends: Millis(5) }];
    full.starts = vec![Session { print: Fingerprint([2; 32]), ends: Millis(6) }];
    (full.bindings.count, full.bindings.last) = (2, Some(Millis(7)));
    let held = Number::registered(&by("one", "87654321", 1), Millis(8));
    let mut all = vec![
        (Subject::Service, State::Nothing),
        (Subject::Credential(credential.id.clone()), credential.keep()),
        (Subject::Customer(full.id.clone()), full.keep()),
    ];
    let waits = Number::registered(&by("one", "87654324", 1), Millis(8));
    let waits = Held {
        owner: waits.owner,
        mobile: waits.mobile,
        vpa: waits.vpa,
        state: Settled::Disabled,
        since: waits.since,
        channel: waits.channel,
    };
    let waits = Pending {
        before: Some(waits.clone()),
        next: waits,
        change: Change::Reactivate,
        succeeds: false,
        txn: Some(TxnId::parse("T1").unwrap()),
        key: ErrandKey { lane: Lane::Holdings, due: Millis(9), serial: 1, place: 0 },
    };
    for (digits, state) in [
        ("87654321", NumberState::Active),
        ("87654322", NumberState::Disabled),
        ("87654323", NumberState::Deleted),
        ("87654324", NumberState::Pending(Box::new(waits))),
        ("87654325", NumberState::Free),
    ] {
        let held = Number { number: number(digits), state, ..held.clone() };
        all.push((Subject::Number(number(digits)), held.keep()));
    }
    for (name, owner) in [("a@b", Some(profile("one"))), ("c@d", None)] {
        all.push((Subject::Address(vpa(name)), Address { vpa: vpa(name), owner }.keep()));
    }
    let ending = Ending { verdict: "pin_set".into(), code: "00".into(), body: vec![0, 255] };
    for (name, ending) in [("c1", None), ("c2", Some(ending))] {
        let one = Capture {
            id: capture(name),
            order: order(),
            expires: Millis(9),
            errand: ErrandKey { lane: Lane::Captures, due: Millis(9), serial: 1, place: 0 },
            ending,
        };
        all.push((Subject::Capture(capture(name)), one.keep()));
    }
    all
}

fn order() -> Order {
    Order {
        profile: profile("one"),
        session: Some(Fingerprint([3; 32])),
        caller: Caller::parse("hyper:shop").unwrap(),
        txn: TxnId::parse("T1").unwrap(),
        account: crate::psp::account("A1"),
        customer: CustomerId::parse("CIF1").unwrap(),
        vpa: Some(vpa("a@b")),
        purpose: Purpose::Balance,
        request_id: "abcd-12345".to_owned(),
        udf: Some("{}".to_owned()),
    }
}

fn chains_of_every_subject_are_whole(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        for (events, subject) in (1..).zip(subjects()) {
            for _ in 0..events {
                append(&store, &subject).await;
            }
        }
        let store = home.reopen(store);
        let count = subjects().len();
        assert_eq!(verify_chains(&store).len(), count * (count + 1) / 2);
        let mut shown = BTreeSet::new();
        let show = &mut |subject: Subject, _| {
            shown.insert(subject);
            Ok(())
        };
        store.each_record(show).unwrap();
        assert_eq!(shown, subjects().into_iter().collect());
        for subject in subjects() {
            let first = store.first_event(&subject).unwrap().unwrap();
            let first = kunji_core::audit::Event::decode(&first).unwrap();
            assert_eq!((first.subject, first.seq), (subject, 1));
        }
        assert_eq!(store.first_event(&account("nobody")).unwrap(), None);
    });
}

#[test]
fn every_subject_is_read_as_it_is_printed() {
    for subject in subjects() {
        assert_eq!(Subject::parse(&subject.to_string()).unwrap(), subject, "{subject}");
    }
    let texts: BTreeSet<String> = subjects().iter().map(Subject::to_string).collect();
    assert_eq!(texts.len(), subjects().len());
    for bad in [
        "",
        "services",
        "customer/shop",
        "customer/shop/",
        "customer/shop/a/b",
        "customer//a",
        "number/0876543",
        "number/",
        "vpa/",
        "vpa/a b@c",
        "capture/",
        "capture/a.b",
        "other/A1",
        "account/",
    ] {
        assert!(Subject::parse(bad).is_err(), "{bad}");
    }
}
