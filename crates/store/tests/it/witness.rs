//! Who hears of commits: of each that is answered as done, before it is, and of no other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kunji_core::audit::{ChainName, Head, Subject};
use kunji_core::store::{Committed, Row, Scope, Store, Survey};
use kunji_store::{Archive, Witness};
use kunji_testkit::{Home, verify_chains};

use crate::commits::{account, append, load, next};
use crate::homes::{InPostgres, OnDisk, block_on, vault};

/// Keeps all that it hears.
#[derive(Default)]
struct Diary {
    heads: Mutex<Vec<(ChainName, Head)>>,
    in_doubt: AtomicBool,
}

impl Witness for Diary {
    fn durable(&self, heads: &mut dyn Iterator<Item = (ChainName, Head)>) {
        self.heads.lock().unwrap().extend(heads);
    }

    fn unknown(&self) {
        self.in_doubt.store(true, Ordering::Relaxed);
    }
}

fn embedded() -> (OnDisk, Archive) {
    let mut home = OnDisk::default();
    let store = home.open();
    (home, Archive::Embedded(Box::new(store)))
}

fn postgres() -> (InPostgres, Archive) {
    let mut home = InPostgres::default();
    let store = home.open();
    (home, Archive::Postgres(Box::new(store)))
}

#[test]
fn a_witness_of_the_embedded_store_hears_of_each_done_commit_before_its_caller() {
    let (_home, store) = embedded();
    hears_of_each_done_commit(store);
}

#[test]
fn a_witness_of_postgres_hears_of_each_done_commit_before_its_caller() {
    let (_home, store) = postgres();
    hears_of_each_done_commit(store);
}

fn hears_of_each_done_commit(store: Archive) {
    block_on(async {
        let diary = Arc::new(Diary::default());
        append(&store, &account("before")).await;
        let witness: Arc<dyn Witness> = Arc::<Diary>::clone(&diary);
        store.attach(witness);
        let store = Arc::new(store);
        let mut racers = tokio::task::JoinSet::new();
        for nth in 0..24 {
            let (store, diary) = (Arc::clone(&store), Arc::clone(&diary));
            racers.spawn(async move {
                let subject = account(&format!("A{}", nth % 3));
                let mut done = 0_u64;
                while done < 5 {
                    let commit = next(&subject, &load(&*store, &subject).await);
                    let head = commit.record.head;
                    if store.commit(commit).await.unwrap() == Committed::Done {
                        let heard = diary.heads.lock().unwrap();
                        let chain = ChainName::of(&vault(), &subject);
                        assert!(heard.contains(&(chain, head)), "{nth} {done}");
                        done += 1;
                    }
                }
            });
        }
        while let Some(done) = racers.join_next().await {
            done.unwrap();
        }
        let heard = diary.heads.lock().unwrap();
        assert_eq!(heard.len(), 120, "those that lost are not heard of");
        let mut newest: HashMap<ChainName, u64> = HashMap::new();
        for (chain, head) in heard.iter() {
            let before = newest.insert(*chain, head.seq).unwrap_or(0);
            assert_eq!(head.seq, before + 1, "{chain}");
        }
        let all = ["A0", "A1", "A2"].map(|name| (ChainName::of(&vault(), &account(name)), 40));
        assert_eq!(newest, HashMap::from(all));
        assert!(!diary.in_doubt.load(Ordering::Relaxed));
        assert_eq!(verify_chains(&*store).len(), 121);
    });
}

#[test]
fn chains_of_the_embedded_store_are_walked_in_the_order_of_their_names() {
    let (_home, store) = embedded();
    chains_are_walked_in_order(&store);
}

#[test]
fn chains_of_postgres_are_walked_in_the_order_of_their_names() {
    let (_home, store) = postgres();
    chains_are_walked_in_order(&store);
}

/// What a comparison with a sorted file rests on.
fn chains_are_walked_in_order(store: &Archive) {
    let names = ["a", "a-b", "a.b", "a0", "aB", "ab", "a:b", "a@b", "a_b", "A", "Z9", "z"];
    block_on(async {
        for name in names {
            append(store, &account(name)).await;
            append(store, &account(name)).await;
        }
        append(store, &Subject::Service).await;
    });
    let mut walked = Vec::new();
    store
        .survey(Scope::Chains, &mut |row| {
            walked.push(match row {
                Row::Event(subject, _) => (Some(subject), "event"),
                Row::Record(subject, _) => (Some(subject), "record"),
                Row::Receipt(..)
                | Row::Spent(_)
                | Row::Message(_)
                | Row::Index(..)
                | Row::Errand(_) => (None, "neither"),
            });
            Ok(())
        })
        .unwrap();
    let mut sorted: Vec<_> = names.map(account).into_iter().chain([Subject::Service]).collect();
    sorted.sort_by_key(|subject| ChainName::of(&vault(), subject));
    let expected: Vec<_> = sorted
        .into_iter()
        .flat_map(|subject| {
            let events = if subject == Subject::Service { 1 } else { 2 };
            let kinds = std::iter::repeat_n("event", events).chain(["record"]);
            kinds.map(move |kind| (Some(subject.clone()), kind)).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(walked, expected);
}
