//! Rotation of the keys under those who use them, and key files that are older than their store.

use std::array::IntoIter;
use std::collections::VecDeque;
use std::fs;
use std::iter::Cycle;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kunji_core::audit::Action;
use kunji_store::{Postgres, PostgresPlace};
use kunji_testkit::{Cluster, verify_chains};
use kunji_vault::{BlockAlg, BlockMaker, PinUse};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::blocks::{ASHA, JOHN, sealed, sealed_change};
use crate::support::{KUNJI, Kunji, fresh, keys_in};

const JWKS: &str = "/.well-known/jwks.json";
const OLDER: &str = "is older than the store";
/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sandbox's folder, over either engine.
struct Home {
    folder: TempDir,
    url: Option<String>,
}

impl Home {
    fn embedded() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), url: None }
    }

    fn postgres() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), url: Some(Cluster::shared().fresh()) }
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }

    fn keys(&self) -> PathBuf {
        self.dir().join("keys.sealed")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(KUNJI);
        command.args(args).arg("--data").arg(self.dir()).stdin(Stdio::null());
        command.env("KUNJI_PINS__LIVE_PER_MINUTE", "0").env("KUNJI_LOG__LEVEL", "error");
        command.envs(self.url.as_ref().map(|url| ("KUNJI_STORE__URL", url)));
        command
    }

    fn sandbox(&self) -> Command {
        self.command(&["sandbox", "--listen", "127.0.0.1:0", "--output", "json"])
    }

    fn start(&self) -> Kunji {
        Kunji::spawn(self.sandbox())
    }

    /// A start that must not happen: what is said instead.
    fn refused(&self) -> String {
        let ended = self.sandbox().stdout(Stdio::null()).output().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        String::from_utf8(ended.stderr).unwrap()
    }

    /// `kunji keys ...`: its JSON, or what it says on its way out.
    fn keys_with(&self, args: &[&str], settings: &[(&str, &str)]) -> Result<Value, String> {
        let mut command = self.command(&[&["keys", "--output", "json"], args].concat());
        let ended = command.envs(settings.iter().copied()).output().unwrap();
        match ended.status.code() {
            Some(0) => Ok(serde_json::from_slice(&ended.stdout).unwrap()),
            Some(1) => Err(String::from_utf8(ended.stderr).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn keys_do(&self, args: &[&str]) -> Result<Value, String> {
        self.keys_with(args, &[])
    }

    /// Number and state of each version, newest first.
    fn states(&self) -> Vec<(u64, String)> {
        let said = self.keys_do(&["status"]).unwrap();
        let versions = said["versions"].as_array().unwrap().iter();
        let state = |one: &Value| one["state"].as_str().unwrap().to_owned();
        versions.map(|one| (one["version"].as_u64().unwrap(), state(one))).collect()
    }
}

fn states(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|(version, state)| (*version, (*state).to_owned())).collect()
}

/// The key that a client takes which takes the first.
fn first_kid(kunji: &Kunji) -> String {
    let keys = kunji.get(JWKS).text();
    BlockMaker::from_jwks(&keys, BlockAlg::EcdhEs).unwrap().kid().to_owned()
}

/// Waits for what another process does by itself.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An app that keeps key sets for long: it goes on with one that was fetched before a rotation.
struct Client<'a> {
    ships: &'a [Kunji; 2],
    who: [&'a str; 3],
    pin: &'a str,
    next: Cycle<IntoIter<&'a str, 5>>,
    fetched: VecDeque<String>,
    turns: usize,
}

impl<'a> Client<'a> {
    fn new(ships: &'a [Kunji; 2], who: [&'a str; 3], (pin, next): (&'a str, [&'a str; 5])) -> Self {
        let fetched = VecDeque::from([ships[0].get(JWKS).text()]);
        Self { ships, who, pin, next: next.into_iter().cycle(), fetched, turns: 0 }
    }

    /// Changes the PIN at one process, and verifies the new one at the other.
    fn turn(&mut self) {
        let (here, there) = (&self.ships[self.turns % 2], &self.ships[(self.turns + 1) % 2]);
        self.fetched.push_back(there.get(JWKS).text());
        if self.fetched.len() > 12 {
            self.fetched.pop_front();
        }
        let alg = [BlockAlg::EcdhEs, BlockAlg::RsaOaep256][self.turns / 2 % 2];
        let oldest = BlockMaker::from_jwks(self.fetched.front().unwrap(), alg).unwrap();
        let newest = BlockMaker::from_jwks(self.fetched.back().unwrap(), alg).unwrap();
        let maker = [&oldest, &newest][self.turns / 4 % 2];
        let new = self.next.next().unwrap();
        let old = std::mem::replace(&mut self.pin, new);
        let answer = here.change_live(&sealed_change(maker, self.who, old, new));
        assert_eq!(answer.status, 200, "{answer:?}");
        for (ship, maker) in [(there, &newest), (here, &oldest)] {
            let txn = fresh("V");
            let body = json!({ "txn": txn, "pin": sealed(maker, new, PinUse::Mpin, &txn) });
            let path = format!("/kunji/v1/credentials/account/{}/verify", self.who[1]);
            let answer = ship.post(&path, &[("Authorization", "Bearer sandbox")], &body);
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.json()["verdict"], "verified");
        }
        self.turns += 1;
    }
}

/// Tells the clients to go home, also where the test fails.
struct GoHome<'a>(&'a AtomicBool);

impl Drop for GoHome<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn three_rotations_under_two_processes_break_no_answer() {
    let home = Home::postgres();
    let ships = [home.start(), home.start()];
    let (over, turns) = (AtomicBool::new(false), AtomicUsize::new(0));
    let clients = [
        Client::new(&ships, ASHA, ("804913", ["590284", "916047", "264817", "738205", "805914"])),
        Client::new(&ships, JOHN, ("1234", ["5926", "8047", "2648", "7382", "9405"])),
    ];
    std::thread::scope(|scope| {
        let at_work = clients.map(|mut client| {
            let (over, turns) = (&over, &turns);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    client.turn();
                    turns.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let go_home = GoHome(&over);
        let under_load = || {
            let before = turns.load(Ordering::Relaxed);
            wait_until("answers", || {
                let failed = at_work.iter().any(|client| client.is_finished());
                assert!(!failed, "an answer was wrong");
                turns.load(Ordering::Relaxed) >= before + 8
            });
        };
        under_load();
        // Published for a second, and once not at all.
        for publish in ["1", "0", "1"] {
            let setting = ("KUNJI_VAULT__PUBLISH_SECONDS", publish);
            let rotated = home.keys_with(&["rotate"], &[setting]).unwrap();
            let version = &rotated["version"];
            let status = home.keys_do(&["status"]).unwrap();
            let newest = &status["versions"][0];
            assert_eq!(newest["version"], *version);
            for ship in &ships {
                wait_until("used", || newest["block_kids"][0] == first_kid(ship));
            }
            under_load();
        }
        drop(go_home);
        // A panic of a client is one of the scope.
    });
    let expected = [(4, "in_use"), (3, "opening"), (2, "opening"), (1, "opening")];
    assert_eq!(home.states(), states(&expected));
    let seen = home.keys_do(&["status", "--scan"]).unwrap();
    let verifiers = |nth: usize| seen["versions"][nth]["needed_by"]["verifiers"].as_u64().unwrap();
    assert!(verifiers(0) >= 6, "what was changed last is kept under the newest keys: {seen}");
    assert!(verifiers(3) > 0, "what was never changed is as it was: {seen}");
    let place = PostgresPlace::parse(home.url.as_deref().unwrap(), "kunji_1", 2).unwrap();
    let events = verify_chains(&Postgres::open(place, None, keys_in(home.dir())).unwrap());
    let noted = events.iter().filter(|event| event.action == Action::Keys).count();
    assert_eq!(noted, 6, "each process told the store of each rotation");
    for ship in ships {
        assert_eq!(ship.stop(), Some(0));
    }
}

/// What was used is remembered by the store, so that no older copy of the keys is taken for them.
#[track_caller]
fn refuses_older_keys(home: &Home) {
    let kunji = home.start();
    kunji.get(JWKS);
    let oldest = fs::read(home.keys()).unwrap();
    home.keys_do(&["rotate"]).unwrap();
    let older = fs::read(home.keys()).unwrap();
    home.keys_do(&["rotate"]).unwrap();
    let newest = fs::read(home.keys()).unwrap();
    let status = home.keys_do(&["status"]).unwrap();
    wait_until("used", || status["versions"][0]["block_kids"][0] == first_kid(&kunji));
    // An older file under a running process does no harm either.
    fs::write(home.keys(), &oldest).unwrap();
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "verified");
    kunji.kill();
    // The next start leaves an event under the newest keys, which older ones do not even read.
    fs::write(home.keys(), &newest).unwrap();
    assert_eq!(home.start().stop(), Some(0));
    for copy in [&oldest, &older] {
        fs::write(home.keys(), copy).unwrap();
        let said = home.refused();
        assert!(said.contains(OLDER) && said.contains("keys.sealed"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(fs::read(home.keys()).unwrap(), **copy, "it is left as it is");
    }
    fs::write(home.keys(), &newest).unwrap();
    let kunji = home.start();
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "verified");
    assert_eq!(kunji.stop(), Some(0));
}

#[test]
fn a_key_file_older_than_its_store_is_refused() {
    refuses_older_keys(&Home::embedded());
}

#[test]
fn a_key_file_older_than_its_database_is_refused() {
    refuses_older_keys(&Home::postgres());
}

#[test]
fn versions_are_told_and_retired_when_nothing_needs_them() {
    let home = Home::embedded();
    let kunji = home.start();
    kunji.get(JWKS);
    assert_eq!(home.states(), states(&[(1, "in_use")]));
    home.keys_with(&["rotate"], &[("KUNJI_VAULT__PUBLISH_SECONDS", "3600")]).unwrap();
    assert_eq!(home.states(), states(&[(2, "published"), (1, "in_use")]));
    for (version, words) in [
        ("1", "key version 1 is in use"),
        ("2", "key version 2 is about to be used"),
        ("3", "there is no key version 3"),
    ] {
        let said = home.keys_do(&["retire", version, "--now"]).unwrap_err();
        assert!(said.contains(words), "{said}");
    }
    home.keys_do(&["rotate", "--now"]).unwrap();
    assert_eq!(home.states(), states(&[(3, "in_use"), (2, "opening"), (1, "opening")]));
    let said = home.keys_do(&["retire", "2"]).unwrap_err();
    assert!(said.contains("was in use until a moment ago"), "{said}");
    let said = home.keys_do(&["retire", "2", "--now"]).unwrap_err();
    assert!(said.contains("is in use by another process"), "{said}");
    assert_eq!(kunji.stop(), Some(0));
    let said = home.keys_do(&["retire", "1", "--now"]).unwrap_err();
    assert!(said.contains("key version 1 is needed by"), "{said}");
    assert_eq!(home.keys_do(&["retire", "2", "--now"]), Ok(json!({ "retired": 2 })));
    let said = home.keys_do(&["retire", "2", "--now"]).unwrap_err();
    assert!(said.contains("key version 2 is retired already"), "{said}");
    assert_eq!(home.states(), states(&[(3, "in_use"), (2, "retired"), (1, "opening")]));
    // The store knows version 2 from before, and its retirement from the file.
    let kunji = home.start();
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "verified");
    assert_eq!(kunji.stop(), Some(0));
    let text = home.command(&["keys", "status", "--scan"]).output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("version 3: in use, made 20"), "{text}");
    assert!(text.contains("\nversion 2: retired, at 20"), "{text}");
    assert!(text.contains(" verifiers, 0 messages and "), "{text}");
}
