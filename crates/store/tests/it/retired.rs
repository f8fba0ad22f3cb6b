//! A store whose place another took is read, and never served again.

use std::sync::Arc;

use kunji_core::store::{Committed, Record, Store as _};
use kunji_store::{Embedded, Frozen, OpenError, Postgres, PostgresError, Replaced};
use kunji_testkit::{Home as _, verify_chains};

use crate::commits::{account, append, load, next};
use crate::homes::{InPostgres, OnDisk, SMALL, block_on, vault};

#[test]
fn a_retired_directory_is_read_only() {
    let mut home = OnDisk::default();
    let path = home.folder.path().to_owned();
    let store = home.open();
    block_on(append(&store, &account("A1")));
    drop(store);
    for _ in 0..2 {
        let replaced = Embedded::open_to_read(&path, SMALL, vault()).unwrap();
        assert!(matches!(Embedded::open(&path, SMALL, vault()), Err(OpenError::InUse(_))));
        assert_eq!(verify_chains(&replaced).len(), 1);
        Replaced::Embedded(Box::new(replaced)).retire().unwrap();
        assert!(matches!(Embedded::open(&path, SMALL, vault()), Err(OpenError::Retired(_))));
    }
    let nowhere = path.join("nowhere");
    assert!(Embedded::open_to_read(&nowhere, SMALL, vault()).is_err() && !nowhere.exists());
}

/// How many events its records count.
fn count(frozen: &Frozen) -> usize {
    let mut count = 0;
    let add = &mut |_, record: Record| {
        count += usize::try_from(record.head.seq).unwrap();
        Ok(())
    };
    frozen.each_record(add).unwrap();
    count
}

#[test]
fn a_frozen_database_goes_on_unless_it_is_retired() {
    let mut home = InPostgres::default();
    let store = Arc::new(home.open());
    block_on(async {
        let subject = account("A1");
        append(&*store, &subject).await;
        for retire in [false, true] {
            let place = home.place.clone();
            let frozen = tokio::task::block_in_place(|| Frozen::freeze(place, vault())).unwrap();
            let commit = next(&subject, &load(&*store, &subject).await);
            let writer = Arc::clone(&store);
            let waiting = tokio::spawn(async move { writer.commit(commit).await });
            // Readers do not wait.
            let there = tokio::task::block_in_place(|| count(&frozen));
            assert!(!waiting.is_finished());
            match retire {
                false => {
                    drop(frozen);
                    assert_eq!(waiting.await.unwrap().unwrap(), Committed::Done);
                }
                true => {
                    tokio::task::block_in_place(|| frozen.retire()).unwrap();
                    assert!(waiting.await.unwrap().is_err(), "the outcome is unknown");
                    assert_eq!(verify_chains(&*store).len(), there);
                }
            }
        }
        let commit = next(&subject, &load(&*store, &subject).await);
        assert!(store.commit(commit).await.is_err(), "who has it open commits nothing more");
        assert_eq!(verify_chains(&*store).len(), 2);
    });
    assert!(matches!(
        Postgres::open(home.place.clone(), None, vault()),
        Err(PostgresError::Retired)
    ));
    let again = Frozen::freeze(home.place.clone(), vault()).unwrap();
    assert_eq!(count(&again), 2);
    again.retire().unwrap();
}
