//! Filling an empty embedded store: in any order of rows, and what is committed on top of it.

use kunji_core::audit::ChainName;
use kunji_core::store::{Commit, Intake as _, Record, Row, StoreFault};
use kunji_store::{Embedded, OpenError};
use kunji_testkit::{Home as _, verify_chains};

use crate::commits::{account, append, load, next};
use crate::homes::{OnDisk, block_on, vault};

/// So many that several batches are filled.
const ACCOUNTS: usize = 6000;

/// The first event and the record of each account.
fn rows() -> (Vec<Row>, Vec<Row>) {
    let each = |nth| {
        let subject = account(&format!("A{nth:05}"));
        let Commit { subject, encoded, record, .. } = next(&subject, &Record::default());
        (Row::Event(subject.clone(), encoded), Row::Record(subject, Box::new(record)))
    };
    (0..ACCOUNTS).map(each).unzip()
}

/// Fills a store, and commits to it before and after it is opened again.
fn holds_what_came(rows: Vec<Row>) {
    let mut home = OnDisk::default();
    let mut store = home.open();
    let mut coming = rows.into_iter();
    let count = store.fill(&mut || Ok(coming.next())).unwrap();
    assert_eq!(count, u64::try_from(2 * ACCOUNTS).unwrap());
    for appended in 0..3 {
        assert_eq!(verify_chains(&store).len(), ACCOUNTS + 2 * appended);
        block_on(async {
            for name in ["A00000", "A03210"] {
                append(&store, &account(name)).await;
                let seq = load(&store, &account(name)).await.head.seq;
                assert_eq!(seq, u64::try_from(appended + 2).unwrap());
            }
        });
        store = home.reopen(store);
    }
    let refused = store.fill(&mut || Ok(None)).unwrap_err();
    assert!(format!("{refused:?}").contains("it is not empty"), "{refused:?}");
}

#[test]
fn rows_in_the_order_of_their_keys_fill_a_store() {
    let (mut events, mut records) = rows();
    let order = |row: &Row| match row {
        Row::Event(subject, _) | Row::Record(subject, _) => ChainName::of(&vault(), subject),
        other @ (Row::Receipt(..)
        | Row::Spent(_)
        | Row::Message(_)
        | Row::Index(..)
        | Row::Errand(_)) => panic!("{other:?}"),
    };
    events.sort_by_key(order);
    records.sort_by_key(order);
    holds_what_came(events.into_iter().chain(records).collect());
}

#[test]
fn rows_in_the_order_of_their_subjects_fill_a_store() {
    let (events, records) = rows();
    holds_what_came(events.into_iter().zip(records).flat_map(|(e, r)| [e, r]).collect());
}

#[test]
fn rows_in_no_order_fill_a_store() {
    let (events, records) = rows();
    holds_what_came(records.into_iter().rev().chain(events.into_iter().rev()).collect());
}

#[test]
fn a_store_that_was_not_filled_to_the_end_does_not_open() {
    let mut home = OnDisk::default();
    let store = home.open();
    let (events, _) = rows();
    let mut coming = events.into_iter();
    let broken = store.fill(&mut || match coming.next() {
        Some(row) => Ok(Some(row)),
        None => Err(StoreFault::of("reading")("no more")),
    });
    assert!(broken.is_err());
    drop(store);
    let opened = Embedded::open(home.folder.path(), home.settings, vault());
    assert!(matches!(opened, Err(OpenError::HalfFilled(_))));
}
