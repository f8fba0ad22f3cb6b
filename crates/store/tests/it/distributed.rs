//! What a planner for many machines does not take is sent to none.
//!
//! Citus plans what the coordinator is sent, and what functions run, anew for its machines. The forms
//! that it refuses can be seen in the text: of each statement that a server with spread tables was
//! really sent, of those that ran inside functions, and of the sources.

use std::fs;
use std::path::Path;

use kunji_core::errand::{Errand, ErrandKey, Lane, Task};
use kunji_core::ids::{CaptureId, CredentialId, CredentialKind, CustomerId, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::store::{
    Commit, Committed, Intake as _, Load, Reach, Record, Row, Scope, Store as _, Survey as _,
};
use kunji_core::time::Millis;
use kunji_store::{Frozen, Postgres, PostgresError, PostgresPlace, Spread, drop_schema, migrate};
use kunji_testkit::Cluster;
use kunji_vault::BlockMark;

use crate::commits::{account, key, load, next, receipt};
use crate::homes::{block_on, spread_tables, vault};

/// Words that no statement may hold one after the other, and why.
const REFUSED: &[(&str, &str)] = &[
    ("select from", "a subquery without a column"),
    ("force_generic_plan", "a plan without the values by which rows are spread"),
    ("for update", "locks over many machines"),
    ("for share", "locks over many machines"),
    ("with recursive", "a recursion over many machines"),
    ("now (", "another time on each machine"),
    ("clock_timestamp (", "another time on each machine"),
    ("current_timestamp", "another time on each machine"),
    ("random (", "another number on each machine"),
    ("gen_random_uuid (", "another number on each machine"),
    ("nextval (", "one sequence for all machines"),
    ("serial", "one sequence for all machines"),
    ("references", "a key that points at another machine"),
    ("create trigger", "triggers of distributed tables"),
    ("replace trigger", "triggers of distributed tables"),
    ("commit_batch ( $1", "a commit of subjects on many machines"),
    ("as ( insert", "a statement that writes inside another one"),
    ("as ( update", "a statement that writes inside another one"),
];

/// The words of a statement, without comments and with one blank between any two.
fn words(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    let code = lines.collect::<Vec<_>>().join(" ").to_lowercase();
    let spaced = code.replace('(', " ( ").replace(')', " ) ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn faults(sql: &str) -> Vec<&'static str> {
    let words = words(sql);
    let found = REFUSED.iter().filter(|(form, _)| words.contains(form));
    found.map(|(_, why)| *why).collect()
}

#[test]
fn refused_forms_are_seen() {
    for refused in [
        "SELECT EXISTS (SELECT\n  FROM used)",
        "SELECT EXISTS(select -- nothing\n from used)",
        "SET plan_cache_mode = force_generic_plan",
        "SELECT row FROM record WHERE subject = $1 FOR UPDATE",
        "INSERT INTO meta VALUES (now())",
        "CREATE OR REPLACE TRIGGER t BEFORE INSERT ON record",
        "WITH put AS (INSERT INTO record VALUES ($1) RETURNING subject) SELECT * FROM put",
    ] {
        assert_eq!(faults(refused).len(), 1, "{refused}");
    }
    assert_eq!(faults("SELECT EXISTS (SELECT 1 FROM used WHERE name = $1)"), [""; 0]);
}

/// What the server wrote down: each statement, also those inside functions, with its plan and the
/// settings that it was planned under.
fn logged(cluster: &Cluster) -> Vec<String> {
    let log = fs::read_to_string(cluster.folder().join("log")).unwrap().replace("\n\t", " ");
    let ours = log.lines().filter_map(|line| line.strip_prefix("kunji|"));
    ours.map(str::to_owned).collect()
}

fn cluster() -> (Cluster, PostgresPlace) {
    let cluster = Cluster::start_with(&[
        "fsync=off",
        "log_statement=all",
        "log_line_prefix=%a|",
        "session_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "auto_explain.log_nested_statements=on",
        "auto_explain.log_settings=on",
    ]);
    let mut place = PostgresPlace::parse(&cluster.fresh(), "kunji", 2).unwrap();
    place.spread = Spread::BySubject;
    migrate(&place).unwrap();
    spread_tables(&cluster, "fresh_0", "kunji");
    // The catalog by which Citus says what it spread.
    let catalog = "CREATE TABLE kunji.pg_dist_partition (logicalrelid regclass); \
        INSERT INTO kunji.pg_dist_partition VALUES ('kunji.record')";
    cluster.sql("fresh_0", catalog);
    (cluster, place)
}

/// Rows of an import, of each table.
fn fill(store: &Postgres) {
    let Commit { subject, encoded, record, .. } = next(&account("A0"), &Record::default());
    let rows = [
        Row::Record(subject.clone(), Box::new(record)),
        Row::Event(subject, encoded),
        Row::Receipt(key("c", "old"), receipt("old")),
        Row::Spent(BlockMark([1; 16])),
    ];
    let mut rows = rows.into_iter();
    assert_eq!(store.fill(&mut || Ok(rows.next())).unwrap(), 4);
}

/// A commit that writes to each table and settles what the one before left.
async fn commit_all(store: &Postgres, nth: u8) {
    let about = CredentialId::parse(CredentialKind::Account, "A1").unwrap();
    let errand = |serial| ErrandKey { lane: Lane::Captures, due: Millis(1), serial, place: 0 };
    let vault = vault();
    let subject = account("A1");
    let mut commit = next(&subject, &load(store, &subject).await);
    commit.receipt = Some((key("c", &format!("t{nth}")), receipt("one")));
    commit.spent = vec![BlockMark([nth; 16])];
    commit.messages = vec![Message {
        at: Millis(1),
        serial: u64::from(nth),
        to: Mobile::parse("919876543210").unwrap(),
        about,
        sealed: vault.seal_message("tests", "Hello.").unwrap(),
    }];
    commit.index = vec![IndexKey::Customer(CustomerId::parse("M1").unwrap())];
    let task = Task::EndCapture(CaptureId::parse("0123456789abcdef").unwrap());
    commit.errands = vec![Errand { key: errand(u64::from(nth)), task }];
    commit.settled = vec![errand(u64::from(nth) - 1)];
    assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
}

async fn ask_all(store: &Postgres) {
    let subject = account("A1");
    for reach in [Reach::Subject, Reach::Anywhere] {
        let (receipt, marks) = (key("c", "t9"), [BlockMark([9; 16])]);
        let load = Load { subject: &subject, receipt: Some(&receipt), reach, marks: &marks };
        let loaded = store.load(&load).await.unwrap();
        assert!(loaded.receipt.is_some() && loaded.spent);
    }
    store.read(&subject).await.unwrap();
    assert!(store.receipt(&key("c", "old")).await.unwrap().is_some());
    let customer = CustomerId::parse("M1").unwrap();
    store.find(&IndexKey::Customer(customer)).await.unwrap();
    let mobile = Mobile::parse("919876543210").unwrap();
    assert_eq!(store.outbox(&mobile).await.unwrap().len(), 8);
    assert_eq!(store.errands_after(&Lane::Captures, None).await.unwrap().len(), 1);
    assert!(store.leads().await.unwrap());
}

#[test]
fn whatever_is_sent_can_be_planned_for_many_machines() {
    let (cluster, place) = cluster();
    let store = Postgres::open(place.clone(), None, vault()).unwrap();
    fill(&store);
    block_on(async {
        // So often that the server would come to a plan without values, if it was left to it.
        for nth in 2..10 {
            commit_all(&store, nth).await;
            store.load(&Load::of(&account("A1"))).await.unwrap();
        }
        ask_all(&store).await;
    });
    let subject = account("A1");
    for scope in [Scope::Everything, Scope::Chains, Scope::Records, Scope::Chain(&subject)] {
        store.survey(scope, &mut |_| Ok(())).unwrap();
    }
    store.first_event(&subject).unwrap();
    assert!(!store.is_empty().unwrap());
    let before = logged(&cluster).len();
    let frozen = Frozen::freeze(place.clone(), vault()).unwrap();
    frozen.retire().unwrap();
    block_on(async {
        let commit = next(&subject, &load(&store, &subject).await);
        assert!(store.commit(commit).await.is_err(), "who has it open commits nothing more");
    });
    assert!(matches!(Postgres::open(place.clone(), None, vault()), Err(PostgresError::Retired)));
    drop((frozen, store));
    drop_schema(&place).unwrap();

    let logged = logged(&cluster);
    assert!(logged.len() > before + 3 && before > 100, "{before} {}", logged.len());
    for seen in ["SELECT commit_subject(", "FETCH 2000 FROM names", "ANALYZE used", "DROP SCHEMA"] {
        assert!(logged.iter().any(|line| line.contains(seen)), "{seen} was sent");
    }
    let inside = "Query Text: EXISTS (SELECT 1 FROM used u";
    assert!(logged.iter().any(|line| line.contains(inside)), "functions are looked into");
    // The function for tables in one place is made with the others, and never called.
    let sent = logged.iter().filter(|line| !line.contains("CREATE FUNCTION commit_batch"));
    let bad = sent.map(|line| (faults(line), line)).filter(|(faults, _)| !faults.is_empty());
    assert_eq!(bad.collect::<Vec<_>>(), []);
    let served =
        logged.iter().filter(|line| line.contains("Query Text: SELECT (SELECT int8send(version)"));
    let planned = served.map(|line| line.contains("plan_cache_mode = 'force_custom_plan'"));
    let planned = planned.collect::<Vec<_>>();
    assert!(planned.len() > 10 && planned.iter().all(|custom| *custom), "{planned:?}");
}

/// What no run comes to is in the sources all the same.
#[test]
fn sources_hold_no_subquery_without_a_column() {
    fn look(path: &Path) -> usize {
        if path.is_dir() {
            return fs::read_dir(path).unwrap().map(|entry| look(&entry.unwrap().path())).sum();
        }
        let text = fs::read_to_string(path).unwrap();
        // A text goes on behind a backslash at the end of its line.
        let joined = text.replace("\\\n", " ");
        assert!(!words(&joined).contains("select from"), "{}", path.display());
        usize::from(words(&joined).contains("row from record"))
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert!(look(&sources) > 0);
}

#[test]
fn one_server_keeps_one_plan() {
    let cluster = Cluster::start_with(&[
        "fsync=off",
        "log_line_prefix=%a|",
        "session_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "auto_explain.log_settings=on",
    ]);
    let place = PostgresPlace::parse(&cluster.fresh(), "kunji", 2).unwrap();
    migrate(&place).unwrap();
    let store = Postgres::open(place, None, vault()).unwrap();
    block_on(async {
        store.load(&Load::of(&account("A1"))).await.unwrap();
        commit_all(&store, 2).await;
    });
    for asked in ["SELECT (SELECT int8send(version)", "SELECT commit_batch("] {
        let logged = logged(&cluster);
        let line = logged.iter().find(|line| line.contains(asked)).unwrap();
        assert!(line.contains("plan_cache_mode = 'force_generic_plan'"), "{line}");
    }
}
