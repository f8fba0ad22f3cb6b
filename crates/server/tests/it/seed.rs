//! `kunji seed`: what it fills is served like anything else, and what it did not fill is not.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use kunji_core::store::Store as _;
use kunji_store::{Postgres, PostgresPlace};
use kunji_testkit::{Cluster, verify_chains};
use tempfile::TempDir;

use crate::support::watched::Watched;
use crate::support::{KUNJI, Kunji, change, keys_in};

const PIN: &str = "480391";
const OTHER_PIN: &str = "736205";
/// So many that a kill falls into the middle.
const MANY: &str = "400000";

/// A folder, and the engine that keeps the store.
struct Place {
    folder: TempDir,
    url: Option<String>,
}

impl Place {
    fn embedded() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), url: None }
    }

    fn postgres() -> Self {
        Self { url: Some(Cluster::shared().fresh()), ..Self::embedded() }
    }

    /// `kunji` over the sandbox's directory.
    fn sandbox(&self, name: &str) -> Command {
        let mut command = self.command(name);
        command.args(["--data", "sand"]);
        command
    }

    /// `kunji` over the store of a configuration.
    fn service(&self, name: &str) -> Command {
        let keys = "[vault]\nkey_file = 'keys.sealed'\nunseal_file = 'unseal.key'\n\
             [store]\nurl = 'fjall:store'\n";
        fs::write(self.folder.path().join("kunji.toml"), keys).unwrap();
        let mut command = self.command(name);
        command.args(["--config", "kunji.toml"]);
        command
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(KUNJI);
        command.current_dir(self.folder.path()).arg(name);
        if let Some(url) = &self.url {
            command.env("KUNJI_STORE__URL", url);
        }
        command
    }

    fn start(&self) -> Kunji {
        let mut command = self.sandbox("sandbox");
        command.args(["--listen", "127.0.0.1:0", "--output", "json"]);
        Kunji::spawn(command)
    }
}

fn begin(mut command: Command, accounts: &str) -> Child {
    command.args(["--accounts", accounts]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Seeds, and says how that ended: code, standard output, standard error.
fn seed(command: Command, accounts: &str, pin: &str) -> (Option<i32>, String, String) {
    let mut seeding = begin(command, accounts);
    // A command line that is refused does not read its input.
    let _ = seeding.stdin.take().unwrap().write_all(pin.as_bytes());
    let ended = seeding.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

/// Whether each of these accounts has the PIN, can change it, and keeps what it has changed.
fn serves_what_was_seeded(place: &Place) {
    let mut command = place.sandbox("seed");
    command.args(["--output", "json"]);
    let (code, said, error) = seed(command, "300", PIN);
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("\"accounts\":300"), "{said}");
    assert!(!said.contains(PIN) && !error.contains(PIN));
    let kunji = place.start();
    for number in ["000000000", "000000137", "000000299"] {
        let (customer, account) = (format!("CIF{number}"), format!("ACC{number}"));
        let vpa = format!("c{number}@kunji");
        assert_eq!(kunji.verify("account", &account, OTHER_PIN), "wrong_pin");
        let answer = kunji.change_live(&change(&customer, &account, &vpa, PIN, OTHER_PIN));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(kunji.verify("account", "ACC000000300", PIN), "unknown_credential");
    assert_eq!(kunji.stop(), Some(0));
    let kunji = place.start();
    assert_eq!(kunji.verify("account", "ACC000000137", OTHER_PIN), "verified");
    assert_eq!(kunji.verify("account", "ACC000000138", PIN), "verified");
    assert_eq!(kunji.stop(), Some(0));
}

#[test]
fn seeded_accounts_are_served_and_their_audit_holds() {
    let place = Place::embedded();
    serves_what_was_seeded(&place);
    let mut verify = place.command("audit");
    let ended = verify.args(["verify", "--data", "sand"]).output().unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    // The accounts, the service, and who asked for an account that is not there.
    assert!(said.starts_with("the audit holds: 302 chains"), "{said}");
}

#[test]
fn seeded_accounts_are_served_from_postgres() {
    let place = Place::postgres();
    serves_what_was_seeded(&place);
    let url = place.url.as_deref().unwrap();
    let keys = keys_in(&place.folder.path().join("sand"));
    let store =
        Postgres::open(PostgresPlace::parse(url, "kunji_1", 2).unwrap(), None, keys).unwrap();
    let events = verify_chains(&store);
    let seeded = events.iter().filter(|event| event.verdict == "seeded").count();
    assert_eq!(seeded, 300);
    let mobile = kunji_core::ids::Mobile::parse("918000000042").unwrap();
    let key = kunji_core::index::IndexKey::Mobile(mobile);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = runtime.block_on(store.find(&key)).unwrap();
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["account/ACC000000042"]);
}

#[test]
fn a_seeded_store_opens_with_its_own_keys_only() {
    let place = Place::embedded();
    assert_eq!(seed(place.service("seed"), "300", PIN).0, Some(0));
    let start = || {
        let mut serve = place.service("serve");
        serve.args(["--listen", "127.0.0.1:0"]);
        Watched::start(serve)
    };
    let watched = start().map_err(|(_, said)| said).unwrap();
    assert_eq!(watched.kunji.get("/readyz").status, 200);
    assert_eq!(watched.stop().0, Some(0));
    let keys = place.folder.path().join("keys.sealed");
    let other = Place::embedded();
    assert_eq!(seed(other.service("seed"), "1", PIN).0, Some(0));
    for name in ["keys.sealed", "unseal.key"] {
        fs::copy(other.folder.path().join(name), place.folder.path().join(name)).unwrap();
    }
    assert!(keys.exists());
    let Err((code, said)) = start() else { panic!("it starts with other keys") };
    assert_eq!(code, Some(1));
    assert!(said.contains("the key file is not the one that the store"), "{said}");
}

#[test]
fn what_is_not_empty_is_not_seeded() {
    let place = Place::embedded();
    let refused = |command: Command, words: &str| {
        let (code, said, error) = seed(command, "5", PIN);
        assert_eq!((code, said.as_str()), (Some(1), ""), "{error}");
        assert!(error.contains(words), "{error}");
    };
    assert_eq!(seed(place.service("seed"), "5", PIN).0, Some(0));
    refused(place.service("seed"), "it is not empty");
    assert_eq!(seed(place.sandbox("seed"), "5", PIN).0, Some(0));
    refused(place.sandbox("seed"), "holds a store already");
    assert_eq!(place.start().verify("account", "ACC000000004", PIN), "verified");
}

#[test]
fn a_seed_needs_digits_and_a_number() {
    let place = Place::embedded();
    for pin in ["", "123", "1234567", "48a1", "4821 "] {
        let (code, _, error) = seed(place.service("seed"), "5", pin);
        assert_eq!((code, error.contains("not 4 to 6 digits")), (Some(1), true), "{error}");
    }
    for accounts in ["0", "100000001", "many"] {
        assert_eq!(seed(place.service("seed"), accounts, PIN).0, Some(2), "{accounts}");
    }
    assert!(!place.folder.path().join("store").exists(), "nothing was made");
}

/// Kills a seed once it has said how far it is.
fn kill_in_the_middle(command: Command) {
    let mut seeding = begin(command, MANY);
    seeding.stdin.take().unwrap().write_all(PIN.as_bytes()).unwrap();
    let mut said = BufReader::new(seeding.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("5 % in "), "{line}");
    seeding.kill().unwrap();
    assert!(!seeding.wait().unwrap().success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("100 %"), "it was killed too late: {rest}");
}

fn is_told(mut command: Command, words: &str) {
    let ended = command.stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{error}");
    assert!(error.contains(words), "{error}");
}

#[test]
fn a_store_that_was_filled_half_is_not_opened() {
    let place = Place::embedded();
    kill_in_the_middle(place.service("seed"));
    let words = "was not filled to the end; remove it and fill it again";
    is_told(place.service("serve"), words);
    fs::remove_dir_all(place.folder.path().join("store")).unwrap();
    assert_eq!(seed(place.service("seed"), "5", PIN).0, Some(0));
}

#[test]
fn a_database_that_was_filled_half_is_not_opened() {
    let place = Place::postgres();
    is_told(place.service("serve"), "run `kunji migrate`");
    assert!(place.service("migrate").stdout(Stdio::null()).status().unwrap().success());
    kill_in_the_middle(place.service("seed"));
    let words = "was not filled to the end; drop its schema and fill it again";
    is_told(place.service("serve"), words);
}

#[test]
fn a_sandbox_never_finds_what_was_filled_half() {
    let place = Place::embedded();
    kill_in_the_middle(place.sandbox("seed"));
    let sand = place.folder.path().join("sand");
    assert!(sand.join("store-1").exists() && !is_named(&sand));
    assert_eq!(seed(place.sandbox("seed"), "5", PIN).0, Some(0));
    assert!(is_named(&sand));
    assert_eq!(place.start().verify("account", "ACC000000004", PIN), "verified");
}

fn is_named(sand: &Path) -> bool {
    sand.join("current").exists()
}
