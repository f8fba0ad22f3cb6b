//! What only a shared database can go through: its end in the middle, other processes, other schemas.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kunji_core::store::{Committed, Store as _};
use kunji_store::{LOAD_SPREAD, Postgres, PostgresError, PostgresPlace, drop_schema, migrate};
use kunji_testkit::{Cluster, Home as _, verify_chains};

use crate::commits::{account, append, key, load, next, receipt};
use crate::homes::{InPostgres, InSpreadPostgres, block_on, vault};

fn open(place: &PostgresPlace) -> Postgres {
    Postgres::open(place.clone(), None, vault()).unwrap()
}

#[test]
fn two_processes_win_each_version_once() {
    let home = InPostgres::default();
    block_on(async {
        let stores = [Arc::new(open(&home.place)), Arc::new(open(&home.place))];
        let mut racers = tokio::task::JoinSet::new();
        for nth in 0..32 {
            let store = Arc::clone(&stores[nth % 2]);
            racers.spawn(async move {
                let (subject, mut won) = (account("A1"), 0_usize);
                while won < 10 {
                    let commit = next(&subject, &load(&*store, &subject).await);
                    won += usize::from(store.commit(commit).await.unwrap() == Committed::Done);
                }
            });
        }
        while let Some(done) = racers.join_next().await {
            done.unwrap();
        }
        assert_eq!(verify_chains(&*stores[0]).len(), 320);
        assert_eq!(verify_chains(&*stores[1]).len(), 320);
    });
}

#[test]
fn one_receipt_is_won_once_by_two_processes() {
    let home = InPostgres::default();
    block_on(async {
        let stores = [open(&home.place), open(&home.place)];
        for round in 0..20 {
            let mut commits = Vec::new();
            for (nth, store) in stores.iter().enumerate() {
                let subject = account(&format!("A{nth}"));
                let mut commit = next(&subject, &load(store, &subject).await);
                commit.receipt = Some((key("c", &format!("t{round}")), receipt("one")));
                commits.push(store.commit(commit));
            }
            let [first, second] = <[_; 2]>::try_from(commits).ok().unwrap();
            let both = tokio::join!(first, second);
            let won = [both.0.unwrap(), both.1.unwrap()];
            assert_eq!(won.iter().filter(|one| **one == Committed::Done).count(), 1, "{round}");
        }
        assert_eq!(verify_chains(&stores[0]).len(), 20);
    });
}

/// Commits until told to stop; how many were answered as done, and how many with a fault.
async fn work(store: Arc<Postgres>, name: String, stop: Arc<AtomicBool>) -> (u64, u64) {
    let (subject, mut done, mut unknown) = (account(&name), 0, 0);
    while !stop.load(Ordering::Relaxed) {
        let before = match store.read(&subject).await {
            Ok(record) => record,
            Err(_) => continue,
        };
        match store.commit(next(&subject, &before)).await {
            Ok(Committed::Done) => done += 1,
            Ok(Committed::Conflict) => {}
            Err(_) => unknown += 1,
        }
    }
    (done, unknown)
}

#[test]
fn a_database_that_is_killed_loses_nothing_that_was_answered() {
    let cluster = Cluster::start();
    let place = PostgresPlace::parse(&cluster.fresh(), "kunji", 4).unwrap();
    migrate(&place).unwrap();
    block_on(async {
        let (store, stop) = (Arc::new(open(&place)), Arc::new(AtomicBool::new(false)));
        let workers: Vec<_> = (0..16)
            .map(|nth| tokio::spawn(work(Arc::clone(&store), format!("A{nth}"), Arc::clone(&stop))))
            .collect();
        for _ in 0..4 {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            cluster.kill9();
            tokio::task::block_in_place(|| cluster.restart());
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        stop.store(true, Ordering::Relaxed);
        let (mut total, mut unknown) = (0, 0);
        for (nth, worker) in workers.into_iter().enumerate() {
            let (done, lost) = worker.await.unwrap();
            let kept = load(&*store, &account(&format!("A{nth}"))).await.head.seq;
            // What nobody could be told about may be there or not; nothing else is.
            assert!((done..=done + lost).contains(&kept), "{nth}: {done} {lost} {kept}");
            (total, unknown) = (total + done, unknown + lost);
        }
        assert!(total > 100, "{total}");
        assert!(unknown < 16, "a database that comes back at once is waited for: {unknown}");
        verify_chains(&*store);
        assert!(store.is_sound());
    });
}

#[test]
fn schemas_are_made_once_and_told_apart() {
    let home = InPostgres::default();
    let place = &home.place;
    assert_eq!(migrate(place).unwrap().from, 2, "again does no harm");
    let elsewhere = place.with_schema(format!("{}_none", place.schema));
    assert!(matches!(Postgres::open(elsewhere, None, vault()), Err(PostgresError::Missing)));
    let set = |value: &str| {
        let sql = format!("UPDATE {}.meta SET {value} WHERE name = 'schema'", place.schema);
        Cluster::shared().sql("fresh_0", &sql)
    };
    set("value = 99");
    assert!(matches!(Postgres::open(place.clone(), None, vault()), Err(PostgresError::Newer(99))));
    assert!(matches!(migrate(place), Err(PostgresError::Newer(99))));
    set("value = 0");
    assert!(matches!(Postgres::open(place.clone(), None, vault()), Err(PostgresError::Older(0))));
    // Rows that are not sealed cannot be sealed by a statement.
    set("value = 1");
    for refused in [Postgres::open(place.clone(), None, vault()).err(), migrate(place).err()] {
        let refused = refused.unwrap();
        assert!(matches!(refused, PostgresError::Open));
        assert!(refused.to_string().contains("kunji import --replaces"), "{refused}");
    }
    set("value = 2");
    drop(open(place));
    drop_schema(place).unwrap();
    assert!(matches!(Postgres::open(place.clone(), None, vault()), Err(PostgresError::Missing)));
}

#[test]
fn addresses_are_refused_without_repeating_them() {
    for (url, schema) in [
        ("postgres://u:hunter2@h:port/x", "kunji"),
        ("postgres://u:hunter2@h/x", "Kunji"),
        ("postgres://u:hunter2@h/x", "k\"; DROP TABLE record"),
        ("postgres://u:hunter2@h/x", ""),
        ("postgres://u:hunter2@h/x", "1k"),
    ] {
        let error = PostgresPlace::parse(url, schema, 1).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
    let place = PostgresPlace::parse("postgres://u:hunter2@h/x", "kunji", 1).unwrap();
    assert!(!format!("{place:?}").contains("hunter2"));
    let nobody = PostgresPlace::parse("postgres://u:hunter2@127.0.0.1:1/x", "kunji", 1).unwrap();
    let error = Postgres::open(nobody, None, vault()).err().unwrap();
    assert!(!format!("{error:?}").contains("hunter2"));
}

/// What a distributed engine asks of every table: the subject, by which rows are spread, stands in
/// each of them and in each unique key but one, nothing points across subjects, and no number is
/// drawn from a global sequence.
#[test]
fn every_table_can_be_spread_by_subject() {
    let home = InPostgres::default();
    let ask =
        |sql: &str| Cluster::shared().sql("fresh_0", &sql.replace("OURS", &home.place.schema));
    let without_subject = "SELECT c.relname FROM pg_class c JOIN pg_namespace n \
        ON n.oid = c.relnamespace WHERE n.nspname = 'OURS' AND c.relkind = 'r' \
        AND c.relname <> 'meta' AND NOT EXISTS (SELECT FROM pg_attribute a \
        WHERE a.attrelid = c.oid AND a.attname = 'subject' AND a.attnotnull)";
    assert_eq!(ask(without_subject).trim(), "");
    let unique_without_subject = "SELECT i.relname FROM pg_index x \
        JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid \
        JOIN pg_namespace n ON n.oid = t.relnamespace \
        WHERE n.nspname = 'OURS' AND x.indisunique AND t.relname <> 'meta' AND NOT EXISTS ( \
        SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'subject' \
        AND a.attnum = ANY (x.indkey))";
    // The one that docs/scaling.md changes.
    assert_eq!(ask(unique_without_subject).trim(), "used_pkey");
    let foreign = "SELECT count(*) FROM pg_constraint c JOIN pg_namespace n \
        ON n.oid = c.connamespace WHERE n.nspname = 'OURS' AND c.contype = 'f'";
    assert_eq!(ask(foreign).trim(), "0");
    let sequences = "SELECT count(*) FROM pg_class c JOIN pg_namespace n \
        ON n.oid = c.relnamespace WHERE n.nspname = 'OURS' AND c.relkind = 'S'";
    assert_eq!(ask(sequences).trim(), "0");
}

/// Where tables are spread, a load and a commit of a subject touch one part of each: they hold locks
/// on no other.
#[test]
fn a_spread_commit_touches_one_part_of_each_table() {
    let home = InSpreadPostgres::default();
    let schema = &home.0.place.schema;
    let begin =
        format!("SET search_path = {schema}; SET plan_cache_mode = force_custom_plan; BEGIN;");
    let locks = "SELECT DISTINCT relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
        WHERE l.pid = pg_backend_pid() AND relkind = 'r' AND relname ~ '_[0-3]$' ORDER BY relname;";
    let parts = |work: &str| {
        let said = Cluster::shared().sql("fresh_0", &format!("{begin} {work} {locks}"));
        let parts = said.lines().filter_map(|line| line.rsplit_once('_'));
        parts.map(|(table, part)| (table.to_owned(), part.to_owned())).collect::<Vec<_>>()
    };
    for subject in ["account/A1", "account/A2", "card/70000000001", "number/9876543210"] {
        let load = format!(
            "PREPARE load (bytea, bytea, bytea[]) AS {LOAD_SPREAD}; \
             EXECUTE load ('{subject}', 'c', '{{s}}');"
        );
        let commit = format!(
            "SELECT commit_subject('{subject}', 7, false, decode(repeat('00', 32), 'hex'), 1, 'h', \
             'r', '{{1}}', '{{e}}', '{{c}}', '{{x}}', '{{m}}', '{{y}}');"
        );
        let (read, written) = (parts(&load), parts(&commit));
        let tables = |parts: &[(String, String)]| {
            parts.iter().map(|(table, _)| table.clone()).collect::<Vec<_>>()
        };
        assert_eq!(tables(&read), ["event", "record", "used"], "{read:?}");
        assert_eq!(tables(&written), ["event", "item", "record", "used"], "{written:?}");
        let all: HashSet<_> = read.iter().chain(&written).map(|(_, part)| part).collect();
        assert_eq!(all.len(), 1, "{subject} lies in one part: {read:?} {written:?}");
    }
}

#[test]
fn what_was_not_filled_to_the_end_does_not_open() {
    use kunji_core::store::{Intake as _, StoreFault};

    let mut home = InPostgres::default();
    let store = home.open();
    let broken = store.fill(&mut || Err(StoreFault::of("reading")("no more")));
    assert!(broken.is_err());
    assert!(matches!(
        Postgres::open(home.place.clone(), None, vault()),
        Err(PostgresError::HalfFilled)
    ));
    block_on(async {
        let mut other = InPostgres::default();
        let store = other.open();
        append(&store, &account("A1")).await;
        let refused = store.fill(&mut || Ok(None)).unwrap_err();
        assert!(format!("{refused:?}").contains("NotEmpty"), "{refused:?}");
        drop(other.reopen(store));
    });
}

#[test]
fn rows_pass_from_engine_to_engine() {
    use kunji_core::store::{Intake as _, Row, Scope, Survey};

    fn all(store: &impl Survey) -> Vec<Row> {
        let mut rows = Vec::new();
        let keep = &mut |row| {
            rows.push(row);
            Ok(())
        };
        store.survey(Scope::Everything, keep).unwrap();
        rows
    }
    fn text(rows: &[Row]) -> Vec<String> {
        rows.iter().map(|row| format!("{row:?}")).collect()
    }

    block_on(async {
        let mut first = crate::homes::OnDisk::default();
        let source = first.open();
        for nth in 0..50 {
            let subject = account(&format!("A{}", nth % 20));
            let mut commit = next(&subject, &load(&source, &subject).await);
            commit.receipt = Some((key("c", &format!("t{nth}")), receipt("kept")));
            commit.spent = vec![kunji_vault::BlockMark([nth; 16])];
            assert_eq!(source.commit(commit).await.unwrap(), Committed::Done);
        }
        let rows = all(&source);
        assert_eq!(rows.len(), 20 + 50 * 3);
        let mut home = InPostgres::default();
        let database = home.open();
        let mut passing = rows.clone().into_iter();
        assert_eq!(database.fill(&mut || Ok(passing.next())).unwrap(), 170);
        assert_eq!(text(&all(&database)), text(&rows));
        let database = home.reopen(database);
        let mut second = crate::homes::OnDisk::default();
        let back = second.open();
        let mut passing = all(&database).into_iter();
        assert_eq!(back.fill(&mut || Ok(passing.next())).unwrap(), 170);
        let back = second.reopen(back);
        assert_eq!(text(&all(&back)), text(&rows));
        assert_eq!(verify_chains(&back).len(), 50);
        append(&database, &account("A1")).await;
        assert_eq!(verify_chains(&database).len(), 51);
    });
}
