//! What every store promises of errands.

use std::sync::Arc;

use kunji_core::customer::Holding;
use kunji_core::errand::{Errand, ErrandKey, Lane, NumberChange, NumberNews, Task};
use kunji_core::ids::{CaptureId, ChannelId, MerchantId, Mobile, TxnId};
use kunji_core::mapper::{Change, Settled};
use kunji_core::store::{Committed, ERRANDS_LEN_MAX, Record, Store};
use kunji_core::time::Millis;
use kunji_testkit::Home;

use crate::commits::{account, key, load, next, receipt};
use crate::homes::{block_on, on_every_store};
use crate::psp::{channel, number, profile, vpa};

on_every_store![
    lane_is_empty_at_first,
    errands_come_in_the_order_in_which_they_are_due,
    errands_stay_in_their_lane,
    settled_errand_falls,
    errand_that_is_left_and_settled_at_once_is_not_there,
    errand_that_is_not_there_may_be_settled,
    conflict_leaves_and_settles_nothing,
    errands_are_answered_so_many_and_no_more,
    errands_survive,
    errands_left_and_settled_in_one_batch_are_gone,
];

fn capture(name: &str) -> CaptureId {
    CaptureId::parse(name).unwrap()
}

fn errand(lane: &Lane, due: i64, serial: u64, place: u8) -> Errand {
    let key = ErrandKey { lane: lane.clone(), due: Millis(due), serial, place };
    Errand { key, task: Task::EndCapture(capture(&format!("c-{due}-{serial}-{place}"))) }
}

/// One commit that leaves some errands and settles others.
async fn leave(store: &impl Store, errands: Vec<Errand>, settled: Vec<ErrandKey>) {
    let subject = account("A1");
    let mut commit = next(&subject, &load(store, &subject).await);
    (commit.errands, commit.settled) = (errands, settled);
    assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
}

fn lanes() -> Vec<Lane> {
    let named = |merchant, channel| {
        let [merchant, channel] = [merchant, channel].map(|name| MerchantId::parse(name).unwrap());
        Lane::Channel(ChannelId { merchant, channel })
    };
    vec![
        Lane::Captures,
        Lane::Holdings,
        named("m", "c"),
        named("m", "c1"),
        named("mc", "c"),
        named("m.c", "c"),
        named("m", "C"),
    ]
}

fn lane_is_empty_at_first(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        for lane in lanes() {
            assert_eq!(store.errands(&lane).await.unwrap(), []);
        }
    });
}

fn errands_come_in_the_order_in_which_they_are_due(mut home: impl Home) {
    block_on(async {
        let (store, lane) = (home.open(), Lane::Holdings);
        let mut expected = Vec::new();
        // Also beyond one byte, where text or little ends would come out of order.
        for due in [0, 1, 255, 256, 65_536, 1_767_225_600_000] {
            for (serial, place) in [(1, 0), (1, 1), (1, 255), (2, 0), (256, 0), (u64::MAX, 3)] {
                expected.push(errand(&lane, due, serial, place));
            }
        }
        for nth in 0..expected.len() {
            // Not in the order in which they are due: 5 has no part in 36.
            leave(&store, vec![expected[nth * 5 % 36].clone()], Vec::new()).await;
        }
        assert_eq!(store.errands(&lane).await.unwrap(), expected);
    });
}

fn errands_stay_in_their_lane(mut home: impl Home) {
    block_on(async {
        let store = home.open();
        for (nth, lane) in (0_u64..).zip(lanes()) {
            // The same instant, serial and place in each lane, and one that only it has.
            let two = vec![errand(&lane, 1, 1, 0), errand(&lane, 2, 10 + nth, 0)];
            leave(&store, two, Vec::new()).await;
        }
        for (nth, lane) in (0_u64..).zip(lanes()) {
            let expected = [errand(&lane, 1, 1, 0), errand(&lane, 2, 10 + nth, 0)];
            assert_eq!(store.errands(&lane).await.unwrap(), expected, "{lane}");
        }
        leave(&store, Vec::new(), vec![errand(&lanes()[2], 1, 1, 0).key]).await;
        for (nth, lane) in lanes().into_iter().enumerate() {
            let left = store.errands(&lane).await.unwrap().len();
            assert_eq!(left, if nth == 2 { 1 } else { 2 }, "{lane}");
        }
    });
}

fn settled_errand_falls(mut home: impl Home) {
    block_on(async {
        let (store, lane) = (home.open(), Lane::Captures);
        let all: Vec<Errand> = (0..4).map(|nth| errand(&lane, nth, 1, 0)).collect();
        leave(&store, all[..3].to_vec(), Vec::new()).await;
        // One goes as another comes.
        leave(&store, vec![all[3].clone()], vec![all[1].key.clone()]).await;
        let left = [all[0].clone(), all[2].clone(), all[3].clone()];
        assert_eq!(store.errands(&lane).await.unwrap(), left);
        // Only the place is another one.
        let near = ErrandKey { place: 9, ..all[0].key.clone() };
        leave(&store, Vec::new(), vec![near]).await;
        assert_eq!(store.errands(&lane).await.unwrap(), left);
        let rest = left.iter().map(|errand| errand.key.clone()).collect();
        leave(&store, Vec::new(), rest).await;
        assert_eq!(store.errands(&lane).await.unwrap(), []);
    });
}

fn errand_that_is_left_and_settled_at_once_is_not_there(mut home: impl Home) {
    block_on(async {
        let (store, lane) = (home.open(), Lane::Holdings);
        let one = errand(&lane, 1, 1, 0);
        leave(&store, vec![one.clone()], vec![one.key]).await;
        assert_eq!(store.errands(&lane).await.unwrap(), []);
    });
}

fn errand_that_is_not_there_may_be_settled(mut home: impl Home) {
    block_on(async {
        let (store, lane) = (home.open(), Lane::Holdings);
        let one = errand(&lane, 1, 1, 0);
        leave(&store, Vec::new(), vec![one.key.clone()]).await;
        leave(&store, vec![one.clone()], Vec::new()).await;
        for _ in 0..2 {
            leave(&store, Vec::new(), vec![one.key.clone()]).await;
            assert_eq!(store.errands(&lane).await.unwrap(), []);
        }
    });
}

fn conflict_leaves_and_settles_nothing(mut home: impl Home) {
    block_on(async {
        let (store, lane) = (home.open(), Lane::Holdings);
        let [kept, never] = [1, 2].map(|due| errand(&lane, due, 1, 0));
        let subject = account("A2");
        let mut first = next(&subject, &Record::default());
        first.receipt = Some((key("c", "t"), receipt("first")));
        first.errands = vec![kept.clone()];
        assert_eq!(store.commit(first).await.unwrap(), Committed::Done);
        let carry = |mut commit: kunji_core::store::Commit| {
            commit.errands = vec![never.clone()];
            commit.settled = vec![kept.key.clone()];
            commit
        };
        // The version is an old one; and the receipt is not new.
        let late = carry(next(&subject, &Record::default()));
        let mut used = carry(next(&subject, &load(&store, &subject).await));
        used.receipt = Some((key("c", "t"), receipt("second")));
        for commit in [late, used] {
            assert_eq!(store.commit(commit).await.unwrap(), Committed::Conflict);
            assert_eq!(store.errands(&lane).await.unwrap(), std::slice::from_ref(&kept));
        }
    });
}

fn errands_are_answered_so_many_and_no_more(mut home: impl Home) {
    block_on(async {
        let (store, lane) = (home.open(), Lane::Holdings);
        let count = i64::try_from(ERRANDS_LEN_MAX).unwrap() + 40;
        let all: Vec<Errand> = (0..count).map(|due| errand(&lane, due, 1, 0)).collect();
        for part in all.rchunks(50) {
            leave(&store, part.to_vec(), Vec::new()).await;
        }
        let found = store.errands(&lane).await.unwrap();
        assert_eq!(found, all[..ERRANDS_LEN_MAX], "those due first");
        let last = found.last().map(|errand| &errand.key);
        let rest = store.errands_after(&lane, last).await.unwrap();
        assert_eq!(rest, all[ERRANDS_LEN_MAX..], "and the next page");
        let last = rest.last().map(|errand| &errand.key);
        assert_eq!(store.errands_after(&lane, last).await.unwrap(), []);
        // They come first when those before them are done.
        let done = found.into_iter().map(|errand| errand.key).collect();
        leave(&store, Vec::new(), done).await;
        assert_eq!(store.errands(&lane).await.unwrap(), all[ERRANDS_LEN_MAX..]);
    });
}

/// One errand of every task.
fn every_task() -> Vec<Errand> {
    let channel = channel("web");
    let news = NumberNews {
        number: number("87654321"),
        customer: profile("one").customer,
        mobile: Mobile::parse("919876543210").unwrap(),
        vpa: vpa("One@kunji"),
        change: NumberChange::Now(Settled::Disabled),
        at: Millis(7),
        txn: Some(TxnId::parse("T1").unwrap()),
    };
    let ported = NumberNews { change: NumberChange::PortedOut, txn: None, ..news.clone() };
    let failed = NumberChange::Ended { change: Change::Create, done: false, state: None };
    let failed = NumberNews { change: failed, ..news.clone() };
    let settle = |holding| Task::Settle { profile: profile("one"), holding };
    let tasks = [
        (Lane::Captures, Task::EndCapture(capture("c-1_X"))),
        (Lane::Holdings, settle(Holding::Number(number("87654321")))),
        (Lane::Holdings, settle(Holding::Vpa(vpa("one@kunji")))),
        (Lane::Holdings, Task::SettleNumber(number("87654321"))),
        (Lane::Channel(channel.clone()), Task::Tell(Box::new(news))),
        (Lane::Channel(channel.clone()), Task::Tell(Box::new(ported))),
        (Lane::Channel(channel), Task::Tell(Box::new(failed))),
    ];
    let key = |lane, place| ErrandKey { lane, due: Millis(5), serial: 9, place };
    let tasks = (0_u8..).zip(tasks);
    tasks.map(|(place, (lane, task))| Errand { key: key(lane, place), task }).collect()
}

fn errands_survive(mut home: impl Home) {
    block_on(async {
        let mut store = home.open();
        let (all, gone) = (every_task(), errand(&Lane::Captures, 1, 1, 0));
        leave(&store, all.clone(), Vec::new()).await;
        leave(&store, vec![gone.clone()], Vec::new()).await;
        leave(&store, Vec::new(), vec![gone.key]).await;
        for _ in 0..2 {
            store = home.reopen(store);
            let mut found = Vec::new();
            for lane in [Lane::Captures, Lane::Holdings, Lane::Channel(channel("web"))] {
                found.extend(store.errands(&lane).await.unwrap());
            }
            assert_eq!(found, all);
        }
    });
}

fn errands_left_and_settled_in_one_batch_are_gone(mut home: impl Home) {
    block_on(async {
        let (store, lane) = (Arc::new(home.open()), Lane::Holdings);
        // Each settles what the one before left, queued one behind the other without waiting.
        let (subject, mut record) = (account("A1"), Record::default());
        let mut running = tokio::task::JoinSet::new();
        for nth in 0..200 {
            let mut commit = next(&subject, &record);
            record = commit.record.clone();
            commit.errands = vec![errand(&lane, nth, 1, 0)];
            commit.settled =
                (nth > 0).then(|| errand(&lane, nth - 1, 1, 0).key).into_iter().collect();
            let queued = Arc::clone(&store);
            running.spawn(async move { queued.commit(commit).await.unwrap() });
            while load(&*store, &subject).await.head.seq < record.head.seq {
                tokio::task::yield_now().await;
            }
        }
        while let Some(done) = running.join_next().await {
            assert_eq!(done.unwrap(), Committed::Done);
        }
        assert_eq!(store.errands(&lane).await.unwrap(), [errand(&lane, 199, 1, 0)]);
    });
}
