//! What every store promises, tried on each of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use kunji_core::aggregate::Kept as _;
use kunji_core::audit::{Head, Subject};
use kunji_core::credential::Credential;
use kunji_core::ids::{Caller, CredentialId, CredentialKind, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::store::{Commit, Committed, INDEX_LEN_MAX, OUTBOX_LEN_MAX, Store, Survey};
use kunji_core::time::Millis;
use kunji_testkit::{Home, sandbox, verify_chains};
use kunji_vault::{BlockMark, KeyRing, Vault};

use crate::commits::{account, append, key, load, look, next, receipt};
use crate::homes::{block_on, on_every_store};

on_every_store![
    new_subject_is_empty,
    commit_is_seen_by_the_next_load,
    commit_on_an_old_version_conflicts,
    first_commit_happens_once,
    receipts_of_two_callers_are_two,
    credential_is_found_by_its_index,
    index_answers_so_many_and_no_more,
    outbox_is_newest_first_and_limited,
    outboxes_of_two_numbers_are_two,
    survey_shows_all_that_was_committed,
    names_that_begin_alike_do_not_mix,
    each_version_is_won_once,
];

/// What is used once in all.
mod once {
    use super::{
        conflict_leaves_nothing_behind, mark_is_unique, on_every_store, one_mark_is_won_once,
        one_receipt_is_won_once, receipt_is_unique,
    };

    on_every_store![together:
        receipt_is_unique,
        mark_is_unique,
        conflict_leaves_nothing_behind,
        one_receipt_is_won_once,
        one_mark_is_won_once,
    ];
}

fn new_subject_is_empty(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        let marks = [BlockMark([1; 16])];
        let loaded = look(&store, &account("A1"), Some(&key("c", "t")), &marks).await;
        assert_eq!(loaded.record.head.seq, 0);
        assert!(loaded.record.credential().is_none() && loaded.receipt.is_none() && !loaded.spent);
        assert!(store.receipt(&key("c", "t")).await.unwrap().is_none());
        assert_eq!(store.count_events().unwrap(), 0);
    });
}

fn commit_is_seen_by_the_next_load(mut home: impl Home) {
    block_on(async {
        let (store, subject) = (home.open(), account("A1"));
        let (key, mark) = (key("c", "t"), BlockMark([1; 16]));
        let mut commit = next(&subject, &load(&store, &subject).await);
        commit.receipt = Some((key.clone(), receipt("first")));
        commit.spent = vec![mark];
        let head = commit.record.head;
        assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
        let loaded = look(&store, &subject, Some(&key), &[BlockMark([2; 16]), mark]).await;
        assert_eq!(loaded.record.head, head);
        assert_eq!(loaded.receipt.unwrap().reply, receipt("first").reply);
        assert!(loaded.spent);
        assert_eq!(store.receipt(&key).await.unwrap().unwrap().reply, receipt("first").reply);
    });
}

fn commit_on_an_old_version_conflicts(mut home: impl Home) {
    block_on(async {
        let (store, subject) = (home.open(), account("A1"));
        append(&store, &subject).await;
        let record = load(&store, &subject).await;
        append(&store, &subject).await;
        let late = next(&subject, &record);
        assert_eq!(store.commit(late).await.unwrap(), Committed::Conflict);
        let mut early = next(&subject, &load(&store, &subject).await);
        early.expected = Head { seq: 7, hash: [7; 32] };
        assert_eq!(store.commit(early).await.unwrap(), Committed::Conflict);
        assert_eq!(verify_chains(&store).len(), 2);
    });
}

fn first_commit_happens_once(mut home: impl Home) {
    block_on(async {
        let (store, subject) = (home.open(), account("A1"));
        let first = next(&subject, &load(&store, &subject).await);
        assert_eq!(store.commit(first.clone()).await.unwrap(), Committed::Done);
        assert_eq!(store.commit(first).await.unwrap(), Committed::Conflict);
    });
}

/// Commits to two subjects what may be there once only; the second subject stays as it was.
async fn commit_twice(store: &impl Store, carry: impl Fn(&mut Commit)) {
    for (name, expected) in [("A1", Committed::Done), ("A2", Committed::Conflict)] {
        let subject = account(name);
        append(store, &subject).await;
        let mut commit = next(&subject, &load(store, &subject).await);
        carry(&mut commit);
        assert_eq!(store.commit(commit).await.unwrap(), expected);
    }
    assert_eq!(load(store, &account("A2")).await.head.seq, 1);
}

fn receipt_is_unique(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        commit_twice(&store, |commit| {
            let body = commit.subject.to_string();
            commit.receipt = Some((key("c", "t"), receipt(&body)));
        })
        .await;
        let kept = store.receipt(&key("c", "t")).await.unwrap().unwrap();
        assert_eq!(kept.reply.body, b"account/A1");
    });
}

fn receipts_of_two_callers_are_two(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        for (caller, txn) in [("c", "t"), ("c", "t2"), ("c2", "t"), ("c:t", "t"), ("c", "t:t")] {
            let subject = account("A1");
            let mut commit = next(&subject, &load(&store, &subject).await);
            commit.receipt = Some((key(caller, txn), receipt(caller)));
            assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
        }
    });
}

fn mark_is_unique(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        commit_twice(&store, |commit| {
            let own = if commit.subject == account("A1") { [1; 16] } else { [2; 16] };
            commit.spent = vec![BlockMark(own), BlockMark([3; 16])];
        })
        .await;
        let spent = async |mark| look(&store, &account("A1"), None, &[BlockMark(mark)]).await.spent;
        assert!(spent([1; 16]).await && spent([3; 16]).await);
        assert!(!spent([2; 16]).await, "a commit that conflicts spends nothing");
    });
}

fn conflict_leaves_nothing_behind(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        let taken = &credentials()[0];
        let commit = full_commit(taken, 1);
        assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
        let mut other = full_commit(&credentials()[1], 2);
        // The receipt is not new, so nothing of all the rest may stay.
        other.receipt = Some((key("c", "1"), receipt("second")));
        let (subject, to) = (other.subject.clone(), other.messages[0].to.clone());
        let index = other.index[0].clone();
        assert_eq!(store.commit(other).await.unwrap(), Committed::Conflict);
        let loaded = look(&store, &subject, None, &[BlockMark([2; 16])]).await;
        assert!(loaded.record.credential().is_none() && loaded.record.head.seq == 0);
        assert!(!loaded.spent);
        assert!(store.outbox(&to).await.unwrap().is_empty());
        assert!(store.find(&index).await.unwrap().is_empty());
        assert_eq!(store.count_events().unwrap(), 1);
        assert_eq!(verify_chains(&store).len(), 1);
    });
}

fn credentials() -> Vec<Credential> {
    sandbox(&Vault::new(KeyRing::ephemeral().unwrap()))
}

/// A first commit with everything that one can carry.
fn full_commit(credential: &Credential, nth: u8) -> Commit {
    let subject = Subject::Credential(credential.id.clone());
    let mut commit = next(&subject, &kunji_core::store::Record::default());
    commit.record.state = credential.clone().keep();
    commit.receipt = Some((key("c", &nth.to_string()), receipt("first")));
    commit.spent = vec![BlockMark([nth; 16])];
    commit.messages = vec![message(credential, credential.holder.mobile.as_str(), 1, 1)];
    commit.index = credential.index_keys();
    commit
}

fn message(about: &Credential, to: &str, at: i64, serial: u64) -> Message {
    let vault = Vault::new(KeyRing::ephemeral().unwrap());
    Message {
        at: Millis(at),
        serial,
        to: Mobile::parse(to).unwrap(),
        about: about.id.clone(),
        sealed: vault.seal_message("tests", "Hello.").unwrap(),
    }
}

fn credential_is_found_by_its_index(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        let all = credentials();
        for (nth, credential) in (1..).zip(&all) {
            let done = store.commit(full_commit(credential, nth)).await.unwrap();
            assert_eq!(done, Committed::Done);
        }
        for credential in &all {
            for key in credential.index_keys() {
                let found: BTreeSet<_> = store.find(&key).await.unwrap().into_iter().collect();
                let fits = |other: &&Credential| other.index_keys().contains(&key);
                let expected: BTreeSet<_> =
                    all.iter().filter(fits).map(|other| other.id.clone()).collect();
                assert_eq!(found, expected);
            }
        }
        // A name that begins like a customer's is not that customer.
        for nobody in ["1234", "12345678", "IN00001201001868x"] {
            let customer = kunji_core::ids::CustomerId::parse(nobody).unwrap();
            assert_eq!(store.find(&IndexKey::Customer(customer)).await.unwrap(), []);
        }
    });
}

fn index_answers_so_many_and_no_more(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        let first = &credentials()[0];
        for nth in 0..INDEX_LEN_MAX + 3 {
            let id = CredentialId::parse(CredentialKind::Account, &format!("A{nth}")).unwrap();
            let credential = Credential { id, ..first.clone() };
            let commit = full_commit(&credential, u8::try_from(nth + 1).unwrap());
            assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
        }
        let found = store.find(&first.index_keys()[0]).await.unwrap();
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), INDEX_LEN_MAX);
    });
}

fn outbox_is_newest_first_and_limited(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        let (subject, about) = (account("A1"), &credentials()[0]);
        // Not in the order of their instants; two share one, and the serial tells them apart.
        for nth in 0..130_i64 {
            let (at, serial) = ((nth * 37) % 130 / 2, u64::try_from((nth * 37) % 130).unwrap());
            let mut commit = next(&subject, &load(&store, &subject).await);
            commit.messages = vec![message(about, "919876543210", at, serial)];
            assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
        }
        let outbox = store.outbox(&Mobile::parse("919876543210").unwrap()).await.unwrap();
        let serials: Vec<u64> = outbox.iter().map(|message| message.serial).collect();
        let newest: Vec<u64> = (0..130).rev().take(OUTBOX_LEN_MAX).collect();
        assert_eq!(serials, newest);
    });
}

fn outboxes_of_two_numbers_are_two(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        let (subject, about) = (account("A1"), &credentials()[0]);
        let mut commit = next(&subject, &load(&store, &subject).await);
        commit.messages = vec![
            message(about, "919876543210", 1, 1),
            message(about, "91987654321", 1, 2),
            message(about, "919876543210", 1, 3),
        ];
        assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
        for (to, expected) in
            [("919876543210", vec![3, 1]), ("91987654321", vec![2]), ("9", vec![])]
        {
            let outbox = store.outbox(&Mobile::parse(to).unwrap()).await.unwrap();
            let serials: Vec<u64> = outbox.iter().map(|message| message.serial).collect();
            assert_eq!(serials, expected, "{to}");
        }
    });
}

fn survey_shows_all_that_was_committed(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        let caller = Caller::parse("prepaid:2000").unwrap();
        let subjects = [account("A1"), Subject::Stranger(caller), Subject::Service];
        for (subject, events) in subjects.iter().zip([3, 1, 2]) {
            for _ in 0..events {
                append(&store, subject).await;
            }
        }
        let mut shown = BTreeSet::new();
        store
            .each_record(&mut |subject, record| {
                assert!(shown.insert((subject, record.head.seq)));
                Ok(())
            })
            .unwrap();
        let [first, second, third] = subjects;
        assert_eq!(shown, BTreeSet::from([(first, 3), (second, 1), (third, 2)]));
        assert_eq!(store.count_events().unwrap(), 6);
        assert_eq!(verify_chains(&store).len(), 6);
        // What the caller says on the way is what comes out.
        let stop = |_: Subject, _| Err(kunji_core::store::StoreFault::of("looking")("enough"));
        assert_eq!(store.each_record(&mut { stop }).unwrap_err().operation, "looking");
    });
}

fn names_that_begin_alike_do_not_mix(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        for (name, events) in [("A", 2), ("A1", 3), ("A11", 1), ("A1.", 2)] {
            for _ in 0..events {
                append(&store, &account(name)).await;
            }
            let mut seen = 0;
            let count = &mut |_: &[u8]| {
                seen += 1;
                Ok(())
            };
            store.each_event(&account(name), count).unwrap();
            assert_eq!(seen, events, "{name}");
        }
        assert_eq!(verify_chains(&store).len(), 8);
    });
}

const RACERS: u64 = 64;
const WINS_EACH: u64 = 5;

fn each_version_is_won_once(mut home: impl Home) {
    block_on(async {
        let (store, subject) = (Arc::new(home.open()), account("A1"));
        let mut racers = Vec::new();
        for _ in 0..RACERS {
            let (store, subject) = (Arc::clone(&store), subject.clone());
            racers.push(tokio::spawn(async move {
                let mut won = Vec::new();
                while won.len() < usize::try_from(WINS_EACH).unwrap() {
                    let commit = next(&subject, &load(&*store, &subject).await);
                    let version = commit.record.head.seq;
                    match store.commit(commit).await.unwrap() {
                        Committed::Done => won.push(version),
                        Committed::Conflict => tokio::task::yield_now().await,
                    }
                    assert!(load(&*store, &subject).await.head.seq >= *won.last().unwrap_or(&0));
                }
                won
            }));
        }
        let mut won = Vec::new();
        for racer in racers {
            won.extend(racer.await.unwrap());
        }
        won.sort_unstable();
        assert_eq!(won, (1..=RACERS * WINS_EACH).collect::<Vec<u64>>());
        assert_eq!(verify_chains(&*store).len(), won.len());
    });
}

fn one_receipt_is_won_once(home: impl Home) {
    race_for_one(home, |commit| commit.receipt = Some((key("c", "t"), receipt("first"))));
}

fn one_mark_is_won_once(home: impl Home) {
    race_for_one(home, |commit| commit.spent = vec![BlockMark([1; 16])]);
}

/// Commits to 64 subjects at once what may be there once only.
fn race_for_one(mut home: impl Home, carry: fn(&mut Commit)) {
    block_on(async {
        let store = Arc::new(home.open());
        let mut racers = Vec::new();
        for racer in 0..RACERS {
            let store = Arc::clone(&store);
            racers.push(tokio::spawn(async move {
                let subject = account(&format!("A{racer}"));
                let mut commit = next(&subject, &load(&*store, &subject).await);
                carry(&mut commit);
                store.commit(commit).await.unwrap()
            }));
        }
        let mut done = 0;
        for racer in racers {
            done += u64::from(racer.await.unwrap() == Committed::Done);
        }
        assert_eq!((done, store.count_events().unwrap()), (1, 1));
    });
}
