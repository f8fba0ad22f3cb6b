//! What only a store on disk can promise: it survives.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kunji_core::audit::ChainName;
use kunji_core::store::{Commit, Committed, Record, Store, Survey};
use kunji_store::{Embedded, EmbeddedSettings, OpenError};
use kunji_testkit::{Home, copy_folder, verify_chains};
use kunji_vault::BlockMark;
use tempfile::TempDir;

use crate::commits::{account, key, load, look, next, receipt};
use crate::homes::{OnDisk, SMALL, block_on, vault};

const COMMITS: usize = 40;

fn txn(nth: usize) -> String {
    format!("T{nth}")
}

/// The nth commit of a fixed order: three chains, a receipt and a mark with each commit.
async fn commit_nth(store: &Embedded, nth: usize) {
    let subject = account(&format!("A{}", nth % 3));
    let mut commit = next(&subject, &load(store, &subject).await);
    commit.receipt = Some((key("c", &txn(nth)), receipt(&txn(nth))));
    commit.spent = vec![mark(nth)];
    assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
}

fn mark(nth: usize) -> BlockMark {
    BlockMark(u128::try_from(nth).unwrap().to_be_bytes())
}

/// Checks that exactly the first so many commits are there, whole, and says how many.
async fn whole_prefix(store: &Embedded) -> usize {
    let there = verify_chains(store).len();
    for nth in 0..COMMITS + 10 {
        let subject = account(&format!("A{}", nth % 3));
        let loaded = look(store, &subject, Some(&key("c", &txn(nth))), &[mark(nth)]).await;
        assert_eq!(loaded.receipt.is_some(), nth < there, "receipt {nth} of {there}");
        assert_eq!(loaded.spent, nth < there, "mark {nth} of {there}");
        let events = (0..there).filter(|other| other % 3 == nth % 3).count();
        assert_eq!(loaded.record.head.seq, u64::try_from(events).unwrap());
    }
    there
}

#[test]
fn all_that_was_answered_survives_a_restart() {
    block_on(async {
        let mut home = OnDisk::default();
        let mut store = home.open();
        assert!(store.is_empty().unwrap());
        for nth in 0..COMMITS {
            commit_nth(&store, nth).await;
            if nth % 10 == 9 {
                store = home.reopen(store);
                assert_eq!(whole_prefix(&store).await, nth + 1);
            }
        }
        assert!(!store.is_empty().unwrap());
    });
}

#[test]
fn store_in_use_does_not_open_twice() {
    let mut home = OnDisk::default();
    let store = home.open();
    let path = home.folder.path();
    assert!(
        matches!(Embedded::open(path, SMALL, vault()), Err(OpenError::InUse(found)) if found == path)
    );
    drop(store);
    assert!(Embedded::open(path, SMALL, vault()).is_ok());
}

/// Opens a store's folder without us, to write what we never would.
fn meddle(path: &Path, change: impl FnOnce(&fjall::Database)) {
    let database = fjall::Database::builder(path).open().unwrap();
    change(&database);
    database.persist(fjall::PersistMode::SyncAll).unwrap();
}

fn write_row(path: &Path, space: &str, key: &[u8], row: &[u8]) {
    meddle(path, |database| {
        let space = database.keyspace(space, fjall::KeyspaceCreateOptions::default).unwrap();
        space.insert(key, row).unwrap();
    });
}

#[test]
fn other_format_is_refused() {
    let mut home = OnDisk::default();
    drop(home.open());
    let path = home.folder.path();
    for format in [0_u32, 1, 2, 4, u32::MAX] {
        write_row(path, "meta", b"format", &format.to_be_bytes());
        let refused = Embedded::open(path, SMALL, vault()).err().unwrap();
        match &refused {
            OpenError::OtherFormat { found, .. } => assert!(*found == format && format > 3),
            OpenError::OlderFormat { found, .. } => {
                assert!(*found == format && format < 3);
                assert!(refused.to_string().contains("kunji import --replaces"), "{refused}");
            }
            other @ (OpenError::InUse(_)
            | OpenError::HalfFilled(_)
            | OpenError::Retired(_)
            | OpenError::OtherKeys(_)
            | OpenError::Unmarked(_)
            | OpenError::Engine { .. }) => panic!("{other}"),
        }
    }
    write_row(path, "meta", b"format", &3_u32.to_be_bytes());
    assert!(Embedded::open(path, SMALL, vault()).is_ok());
}

#[test]
fn unreadable_format_is_refused() {
    let mut home = OnDisk::default();
    drop(home.open());
    let path = home.folder.path();
    write_row(path, "meta", b"format", b"one");
    assert!(matches!(Embedded::open(path, SMALL, vault()), Err(OpenError::Unmarked(_))));
}

#[test]
fn rows_without_a_format_are_refused() {
    let folder = TempDir::new().unwrap();
    write_row(folder.path(), "rows", b"raccount/A1", b"somebody else's");
    assert!(matches!(Embedded::open(folder.path(), SMALL, vault()), Err(OpenError::Unmarked(_))));
}

#[test]
fn first_start_that_was_cut_short_is_begun_again() {
    let folder = TempDir::new().unwrap();
    // The process ended between making the keyspace and writing the format into it.
    meddle(folder.path(), |database| {
        database.keyspace("meta", fjall::KeyspaceCreateOptions::default).unwrap();
    });
    assert!(Embedded::open(folder.path(), SMALL, vault()).unwrap().is_empty().unwrap());
    assert!(Embedded::open(folder.path(), SMALL, vault()).is_ok());
}

#[test]
fn damaged_row_is_a_fault_and_not_a_credential() {
    block_on(async {
        let mut home = OnDisk::default();
        let store = home.open();
        commit_nth(&store, 0).await;
        drop(store);
        let subject = account("A0");
        let key = [b"r", &ChainName::of(&vault(), &subject).0[..]].concat();
        let whole = postcard::to_stdvec(&(&subject, Record::default().state)).unwrap();
        // A row that nobody sealed, and ones that are cut off.
        let open = [&[7; 40], whole.as_slice()].concat();
        for row in [open.as_slice(), &[0; 39], b""] {
            write_row(home.folder.path(), "rows", &key, row);
            let store = home.open();
            let query = kunji_core::store::Load::of(&subject);
            assert!(store.load(&query).await.is_err());
            assert!(store.each_record(&mut |_, _| Ok(())).is_err());
        }
    });
}

/// The newest journal of a store that was closed.
fn journal(folder: &Path) -> PathBuf {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                Some(ending) if ending == "jnl" => found.push(path),
                Some(_) | None if path.is_dir() => folders.push(path),
                Some(_) | None => {}
            }
        }
    }
    found.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
    found.pop().unwrap()
}

/// Damages the last bytes of a copied store's journal; the rest must come back whole.
fn check_torn(source: &Path, torn: u64, damage: impl Fn(&mut fs::File, u64)) -> usize {
    let folder = TempDir::new().unwrap();
    copy_folder(source, folder.path());
    let path = journal(folder.path());
    let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    damage(&mut file, len - torn);
    drop(file);
    block_on(async {
        let mut home = OnDisk { folder, settings: SMALL };
        let store = home.open();
        let there = whole_prefix(&store).await;
        // The store goes on from there, and nothing of the torn end comes back.
        for nth in there..there + 5 {
            commit_nth(&store, nth).await;
        }
        let store = home.reopen(store);
        assert_eq!(whole_prefix(&store).await, there + 5);
        there
    })
}

/// A store with 40 commits, closed, whose journal ends with its last commit.
fn closed_store() -> OnDisk {
    let mut home = OnDisk::default();
    block_on(async {
        let store = home.open();
        for nth in 0..COMMITS {
            commit_nth(&store, nth).await;
        }
        // Opening cuts off what the engine reserved ahead.
        let store = home.reopen(store);
        assert_eq!(whole_prefix(&store).await, COMMITS);
    });
    home
}

#[test]
fn torn_journal_opens_to_a_whole_prefix() {
    let home = closed_store();
    let mut least = COMMITS;
    for torn in (1..1200).step_by(61) {
        let there = check_torn(home.folder.path(), torn, |file, end| file.set_len(end).unwrap());
        assert!(there < COMMITS && there + 6 > least, "{there} after {torn} bytes");
        least = least.min(there);
    }
    assert!(least < COMMITS - 1, "more than one commit was torn off");
}

#[test]
fn journal_that_ends_in_zeroes_opens_to_a_whole_prefix() {
    let home = closed_store();
    for torn in (1..700).step_by(97) {
        let there = check_torn(home.folder.path(), torn, |file, end| {
            file.seek(SeekFrom::Start(end)).unwrap();
            let mut rest = Vec::new();
            file.read_to_end(&mut rest).unwrap();
            file.seek(SeekFrom::Start(end)).unwrap();
            file.write_all(&vec![0; rest.len() + 4096]).unwrap();
        });
        assert!(there < COMMITS, "{there} after {torn} bytes");
    }
}

#[test]
fn commits_that_wait_are_merged() {
    const WAITING: usize = 500;
    block_on(async {
        let told = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let note = Arc::clone(&told);
        let on_batch = move |len: usize| {
            note.0.fetch_add(1, Ordering::SeqCst);
            note.1.fetch_add(len, Ordering::SeqCst);
        };
        let settings = EmbeddedSettings { on_batch: Some(Arc::new(on_batch)), ..SMALL };
        let mut home = OnDisk { settings, ..OnDisk::default() };
        let store = Arc::new(home.open());
        let mut running = Vec::new();
        for nth in 0..WAITING {
            let store = Arc::clone(&store);
            running.push(tokio::spawn(async move {
                let subject = account(&format!("A{nth}"));
                let commit = next(&subject, &load(&*store, &subject).await);
                assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
            }));
        }
        for one in running {
            one.await.unwrap();
        }
        // The writer tells of a batch before it answers it, so all of them were told.
        let (batches, carried) = (told.0.load(Ordering::SeqCst), told.1.load(Ordering::SeqCst));
        assert_eq!(carried, WAITING);
        assert!(batches < WAITING / 2, "{batches} batches");
    });
}

#[test]
fn commit_is_never_answered_before_the_one_it_rests_on() {
    block_on(async {
        let settings = EmbeddedSettings { batch_len_max: 3, ..SMALL };
        let mut home = OnDisk { settings, ..OnDisk::default() };
        let (store, subject) = (Arc::new(home.open()), account("A1"));
        let mut running = Vec::new();
        for _ in 0..64 {
            let (store, subject) = (Arc::clone(&store), subject.clone());
            running.push(tokio::spawn(async move {
                for _ in 0..20 {
                    // Made on what is loaded, durable or not.
                    let before = load(&*store, &subject).await;
                    let mut commit = next(&subject, &before);
                    let version = usize::try_from(before.head.seq).unwrap();
                    commit.receipt = Some((key("c", &txn(version)), receipt(&txn(version))));
                    if store.commit(commit).await.unwrap() == Committed::Done {
                        // This looks at the disk alone.
                        for earlier in version.saturating_sub(10)..=version {
                            let kept = store.receipt(&key("c", &txn(earlier))).await.unwrap();
                            assert!(kept.is_some(), "{version} was answered before {earlier}");
                        }
                    }
                }
            }));
        }
        for one in running {
            one.await.unwrap();
        }
        assert!(verify_chains(&*store).len() > 20);
    });
}

#[test]
fn load_sees_what_waits_for_the_disk() {
    block_on(async {
        let mut home = OnDisk::default();
        let (store, subject) = (Arc::new(home.open()), account("A1"));
        let mut commits: Vec<Commit> = Vec::new();
        let mut record = Record::default();
        for nth in 0..50 {
            let mut commit = next(&subject, &record);
            commit.receipt = Some((key("c", &txn(nth)), receipt(&txn(nth))));
            record = commit.record.clone();
            commits.push(commit);
        }
        // Queued one behind the other without waiting for any answer: each fits only because
        // the one before is seen.
        let mut running = tokio::task::JoinSet::new();
        for (nth, commit) in commits.into_iter().enumerate() {
            let queued = Arc::clone(&store);
            running.spawn(async move { queued.commit(commit).await.unwrap() });
            let seen = async || {
                let loaded = look(&*store, &subject, Some(&key("c", &txn(nth))), &[]).await;
                loaded.receipt.is_some() && loaded.record.head.seq > u64::try_from(nth).unwrap()
            };
            while !seen().await {
                tokio::task::yield_now().await;
            }
        }
        while let Some(done) = running.join_next().await {
            assert_eq!(done.unwrap(), Committed::Done);
        }
        assert_eq!(verify_chains(&*store).len(), 50);
    });
}
