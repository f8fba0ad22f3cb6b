//! A sandbox that stays, over either engine, with checkpoints beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use kunji_core::audit::{ChainName, Subject};
use kunji_testkit::Cluster;
use kunji_vault::Vault;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{KUNJI, Kunji, keys_in};

/// The account that the tests work on.
pub(super) const ASHA: &str = "account/ACC000000002";
/// How long a condition is waited for.
const DEADLINE: Duration = Duration::from_secs(30);

pub(super) struct Site {
    folder: TempDir,
    /// The database, where the engine has one.
    database: Option<String>,
}

/// All that is stored of one chain; seq and event, and the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) events: Vec<(u64, Vec<u8>)>,
    pub(super) record: Option<Vec<u8>>,
}

impl Site {
    pub(super) fn embedded() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database: None }
    }

    pub(super) fn postgres() -> Self {
        let url = Cluster::shared().fresh();
        let name = url.rsplit_once('/').unwrap().1.to_owned();
        Self { folder: tempfile::tempdir().unwrap(), database: Some(name) }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(KUNJI);
        command.args(args).arg("--data").arg(self.path("sand"));
        if let Some(database) = &self.database {
            command.env("KUNJI_STORE__URL", Cluster::shared().url(database));
        }
        command
    }

    pub(super) fn sandbox(&self) -> Command {
        let mut command = self.command(&["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
        command.env("KUNJI_AUDIT__CHECKPOINT_DIR", self.path("kept"));
        command
    }

    /// Starts it; its keys are whole then.
    pub(super) fn start(&self) -> Kunji {
        let kunji = Kunji::spawn(self.sandbox());
        kunji.get("/.well-known/jwks.json");
        kunji
    }

    /// Starts it, tries a wrong PIN and the right one, and stops it.
    pub(super) fn work(&self) {
        let kunji = self.start();
        try_both(&kunji);
        assert_eq!(kunji.stop(), Some(0));
    }

    /// Runs `kunji audit ...`; the code and all that was said.
    pub(super) fn audit(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = self.command(&[&["audit"], args].concat());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    /// Verifies, and compares with these checkpoints.
    pub(super) fn verify(&self, checkpoints: &[PathBuf]) -> (Option<i32>, String) {
        let mut args = vec!["verify"];
        for path in checkpoints {
            args.extend(["--checkpoint", path.to_str().unwrap()]);
        }
        self.audit(&args)
    }

    /// The checkpoints, oldest first.
    pub(super) fn kept(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("kept")).into_iter().flatten();
        let mut kept: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        kept.retain(|path| path.extension().is_some_and(|kind| kind == "checkpoint"));
        kept.sort();
        kept
    }

    /// Waits until there are so many checkpoints, and names the newest.
    pub(super) fn wait_for(&self, count: usize) -> PathBuf {
        wait_until("a checkpoint", || self.kept().len() >= count);
        let kept = self.kept();
        assert_eq!(kept.len(), count);
        kept[count - 1].clone()
    }

    /// The name of the database, where there is one.
    pub(super) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The keys that the rows are sealed by.
    pub(super) fn keys(&self) -> Arc<Vault> {
        keys_in(&self.path("sand"))
    }

    /// What a subject's chain is kept under.
    pub(super) fn name_of(&self, subject: &str) -> ChainName {
        ChainName::of(&self.keys(), &Subject::parse(subject).unwrap())
    }

    /// What a checkpoint calls a subject's chain.
    pub(super) fn called(&self, subject: &str) -> String {
        self.name_of(subject).to_string()
    }

    /// What lies in the store of a chain; nobody has an embedded store open.
    pub(super) fn chain(&self, subject: &str) -> Chain {
        let name = self.name_of(subject);
        let Some(database) = &self.database else {
            return self.rows(|rows| {
                let events = rows.prefix([b"e", &name.0[..]].concat()).map(|row| {
                    let (key, value) = row.into_inner().unwrap();
                    (u64::from_be_bytes(*key.last_chunk().unwrap()), value.to_vec())
                });
                let events = events.collect();
                let record = rows.get([b"r", &name.0[..]].concat()).unwrap();
                Chain { events, record: record.map(|row| row.to_vec()) }
            });
        };
        let ask = |sql: &str| {
            let sql = format!("{sql} WHERE subject = decode('{name}', 'hex') ORDER BY 1");
            Cluster::shared().sql(database, &sql)
        };
        let events = ask("SELECT seq, encode(row, 'hex') FROM kunji_1.event");
        let event = |line: &str| {
            let (seq, row) = line.split_once('|').unwrap();
            (seq.parse().unwrap(), unhex(row))
        };
        let record =
            ask("SELECT encode(int8send(version) || head || row, 'hex') FROM kunji_1.record");
        let record = Some(record.trim()).filter(|row| !row.is_empty()).map(unhex);
        Chain { events: events.lines().map(event).collect(), record }
    }

    /// Puts a chain in the place of what is there, as who can write the store but has no keys.
    pub(super) fn put_chain(&self, subject: &str, chain: &Chain) {
        let name = self.name_of(subject);
        let Some(database) = &self.database else {
            let old = self.chain(subject);
            return self.rows(|rows| {
                let key = |seq: u64| [b"e", &name.0[..], &seq.to_be_bytes()].concat();
                old.events.iter().for_each(|(seq, _)| rows.remove(key(*seq)).unwrap());
                chain.events.iter().for_each(|(seq, row)| rows.insert(key(*seq), row).unwrap());
                let key = [b"r", &name.0[..]].concat();
                match &chain.record {
                    Some(record) => rows.insert(key, record).unwrap(),
                    None => rows.remove(key).unwrap(),
                }
            });
        };
        let spot = format!("decode('{name}', 'hex')");
        let mut sql = format!(
            "BEGIN; DELETE FROM kunji_1.event WHERE subject = {spot}; \
             DELETE FROM kunji_1.record WHERE subject = {spot}; "
        );
        for (seq, row) in &chain.events {
            let row = hex(row);
            sql += &format!(
                "INSERT INTO kunji_1.event VALUES ({spot}, {seq}, 0, decode('{row}', 'hex')); "
            );
        }
        if let Some(record) = &chain.record {
            let version = u64::from_be_bytes(*record.first_chunk().unwrap());
            let (head, row) = (hex(&record[HASH]), hex(&record[HASH.end..]));
            sql += &format!(
                "INSERT INTO kunji_1.record VALUES ({spot}, {version}, \
                 decode('{head}', 'hex'), decode('{row}', 'hex')); "
            );
        }
        Cluster::shared().sql(database, &(sql + "COMMIT"));
    }

    fn rows<T>(&self, with: impl FnOnce(&Keyspace) -> T) -> T {
        let store = Database::builder(self.path("sand/store-1")).open().unwrap();
        let done = with(&store.keyspace("rows", KeyspaceCreateOptions::default).unwrap());
        store.persist(PersistMode::SyncAll).unwrap();
        done
    }
}

/// Where a record has its hash: behind its version, and before what is sealed.
pub(super) const HASH: std::ops::Range<usize> = 8..40;

/// Two events on the account.
pub(super) fn try_both(kunji: &Kunji) {
    assert_eq!(kunji.verify("account", "ACC000000002", "111111"), "wrong_pin");
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "verified");
}

#[track_caller]
pub(super) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The first line of a checkpoint.
pub(super) fn header(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

/// The chains that a checkpoint lists.
pub(super) fn listed(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let heads = text.lines().filter(|line| !line.starts_with('{'));
    heads.map(|line| line.rsplit_once(' ').unwrap().1.to_owned()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty());
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
    pairs.iter().map(|pair| byte(pair).unwrap()).collect()
}
