//! However many ask at once, they learn no more than one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kunji_core::command::Request;
use kunji_core::engine::COMMIT_TRIES_MAX;
use kunji_core::receipt::Reply;
use kunji_core::store::{Store, Survey};
use kunji_core::time::DAY_MS;
use kunji_testkit::{Home, verify_chains};

use crate::engines::{Ahead, Bench, Overtaken};
use crate::homes::{block_on, on_every_store};

on_every_store![
    thousand_guesses_learn_as_much_as_three,
    thousand_sealed_guesses_learn_as_much_as_three,
    guesses_by_two_commands_share_one_counter,
    request_sent_two_hundred_times_takes_effect_once,
    one_id_with_a_hundred_contents_takes_effect_once,
    one_block_under_two_callers_is_read_once,
];

const GUESSES: usize = 1000;

/// Runs all requests at once.
async fn run_all<S: Store>(bench: &Arc<Bench<S>>, requests: Vec<Request>) -> Vec<Reply> {
    let mut running = Vec::with_capacity(requests.len());
    for request in requests {
        let bench = Arc::clone(bench);
        running.push(tokio::spawn(async move { bench.run(request).await.unwrap() }));
    }
    let mut replies = Vec::with_capacity(running.len());
    for one in running {
        replies.push(one.await.unwrap());
    }
    replies
}

fn count(replies: &[Reply]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for reply in replies {
        *counts.entry(reply.code.as_str()).or_default() += 1;
    }
    counts
}

/// Four digits that are not the right ones.
fn wrong(nth: usize) -> String {
    format!("{nth:04}")
}

#[track_caller]
fn check_guesses(replies: &[Reply]) {
    let expected = BTreeMap::from([("wrong_pin", 2), ("pin_blocked", replies.len() - 2)]);
    assert_eq!(count(replies), expected);
}

fn thousand_guesses_learn_as_much_as_three(mut home: impl Home) {
    block_on(async {
        let bench = Arc::new(Bench::new(home.open()).await);
        for window in 0..3 {
            let guess = |nth| bench.verify("tests", &format!("T{window}.{nth}"), &wrong(nth));
            let guesses = (0..GUESSES).map(guess).collect();
            check_guesses(&run_all(&bench, guesses).await);
            let right = bench.verify("tests", &format!("right{window}"), "4821");
            assert_eq!(bench.verdict(right).await, "pin_blocked");
            bench.engine.clock.advance(DAY_MS);
        }
        assert_eq!(verify_chains(&bench.engine.store).len(), 1 + 3 * (GUESSES + 1));
    });
}

fn thousand_sealed_guesses_learn_as_much_as_three(mut home: impl Home) {
    block_on(async {
        let bench = Arc::new(Bench::new(home.open()).await);
        let guess = |nth| {
            let txn = format!("T{nth}");
            bench.verify("tests", &txn, &bench.block(&wrong(nth), &txn))
        };
        let guesses = (0..GUESSES).map(guess).collect();
        check_guesses(&run_all(&bench, guesses).await);
        assert_eq!(bench.engine.store.count_events().unwrap(), 1001);
    });
}

fn guesses_by_two_commands_share_one_counter(mut home: impl Home) {
    block_on(async {
        let bench = Arc::new(Bench::new(home.open()).await);
        let guess = |nth: usize| match nth.is_multiple_of(2) {
            true => bench.verify("tests", &format!("T{nth}"), &wrong(nth)),
            false => bench.change(&format!("T{nth}"), &wrong(nth), "7392"),
        };
        let guesses = (0..200).map(guess).collect();
        check_guesses(&run_all(&bench, guesses).await);
    });
}

fn request_sent_two_hundred_times_takes_effect_once(mut home: impl Home) {
    block_on(async {
        let bench = Arc::new(Bench::new(home.open()).await);
        let same = (0..200).map(|_| bench.change("T1", "4821", "7392")).collect();
        let replies = run_all(&bench, same).await;
        assert_eq!(count(&replies), BTreeMap::from([("changed", 200)]));
        assert!(replies.iter().all(|reply| *reply == replies[0]), "all replies are the same bytes");
        let events = verify_chains(&bench.engine.store);
        let told = |verdict| events.iter().filter(|event| event.verdict == verdict).count();
        assert_eq!((told("changed"), told("replayed")), (1, 199));
        assert_eq!(bench.record().await.credential().unwrap().pin.kept.len(), 2);
    });
}

fn one_id_with_a_hundred_contents_takes_effect_once(mut home: impl Home) {
    block_on(async {
        let bench = Arc::new(Bench::new(home.open()).await);
        // No two are the same, and each is a PIN that might be chosen.
        let other = |nth: usize| bench.change("T1", "4821", &format!("70{}{}", nth / 10, nth % 10));
        let replies = run_all(&bench, (0..100).map(other).collect()).await;
        assert_eq!(count(&replies), BTreeMap::from([("changed", 1), ("duplicate", 99)]));
        let record = bench.record().await;
        let pin = &record.credential().unwrap().pin;
        // One of the others was compared with what was sent first, and counted; then the id was frozen.
        assert_eq!((pin.kept.len(), pin.tries), (2, 1));
    });
}

fn one_block_under_two_callers_is_read_once(mut home: impl Home) {
    block_on(async {
        let bench = Arc::new(Bench::new(home.open()).await);
        for round in 0..50 {
            let txn = format!("T{round}");
            let block = bench.block("4821", &txn);
            let both = ["one", "other"].map(|caller| bench.verify(caller, &txn, &block));
            let replies = run_all(&bench, both.into()).await;
            let expected = BTreeMap::from([("unreadable_block", 1), ("verified", 1)]);
            assert_eq!(count(&replies), expected);
        }
        verify_chains(&bench.engine.store);
    });
}

/// A commit names by its head what it rests on; so one head is one decision, also when two
/// processes decide the same request in the same millisecond.
#[test]
fn no_two_decisions_come_to_one_head() {
    block_on(async {
        let bench = Bench::new(Overtaken::new()).await;
        bench.engine.store.next(Ahead::AlwaysWins);
        assert!(bench.run(bench.change("T1", "4821", "7392")).await.is_err());
        let overtaken = bench.engine.store.overtaken.lock().unwrap();
        let heads: BTreeSet<_> = overtaken.iter().map(|head| head.hash).collect();
        assert_eq!((overtaken.len(), heads.len()), (COMMIT_TRIES_MAX, COMMIT_TRIES_MAX));
    });
}
