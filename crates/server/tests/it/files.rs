//! Files and variables that secrets come from, and files that the binary leaves behind.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use kunji_testkit::{Cluster, Pooler};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::watched::Watched;
use crate::support::{KUNJI, Kunji, put_private, run};

const OPS: &str = "a key of ops, long enough";

/// A folder with a configuration whose keys lie apart from its store.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new(more: &str) -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap() };
        let apart = "[store]\nurl = 'fjall:data/store'\n[vault]\nkey_file = 'keys/keys.sealed'\n\
            unseal_file = 'secrets/unseal.key'\n";
        fs::write(home.path("kunji.toml"), format!("{more}\n{apart}")).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(KUNJI);
        command.args([name, "--config", "kunji.toml"]).current_dir(self.folder.path());
        command
    }

    /// Exit code, standard output and standard error of `check-config`.
    fn check(&self) -> (Option<i32>, String, String) {
        let output = self.command("check-config").output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn serve(&self, variables: &[(&str, &str)]) -> Result<Watched, (Option<i32>, String)> {
        let mut command = self.command("serve");
        command.args(["--listen", "127.0.0.1:0"]).envs(variables.iter().copied());
        Watched::start(command)
    }
}

/// A key of our own API from a file.
const FROM_FILE: &str = "[[api.keys]]\nname = 'ops'\nkey = 'file:ops.key'\n";

#[test]
fn secrets_in_files_of_others_are_refused() {
    let home = Home::new(FROM_FILE);
    let key = home.path("ops.key");
    put_private(&key, OPS);
    let is_root = fs::metadata(&key).unwrap().uid() == 0;
    for (mode, fine) in [
        (0o600, true),
        (0o400, true),
        // As systemd and Kubernetes mount what root gives to a service.
        (0o440, is_root),
        (0o640, false),
        (0o604, false),
        (0o620, false),
        (0o602, false),
        (0o644, false),
        (0o444, false),
        (0o666, false),
    ] {
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        let (code, _, said) = home.check();
        assert_eq!(code, Some(if fine { 0 } else { 3 }), "{mode:o}: {said}");
        assert_eq!(
            said.contains("api.keys.key: names a file that others may use"),
            !fine,
            "{said}"
        );
        assert!(fine == home.serve(&[]).is_ok(), "{mode:o}");
    }
    put_private(&key, OPS);
    if is_root {
        chown(&key, Some(54321), None).unwrap();
        let (code, _, said) = home.check();
        assert_eq!(code, Some(3));
        assert!(said.contains("api.keys.key: names a file of another user"), "{said}");
    }
}

#[test]
fn secrets_are_found_where_systemd_and_kubernetes_mount_them() {
    let home = Home::new(FROM_FILE);
    fs::create_dir(home.path("..2026_11_27")).unwrap();
    put_private(&home.path("..2026_11_27/ops.key"), OPS);
    let read_only = Permissions::from_mode(0o400);
    fs::set_permissions(home.path("..2026_11_27/ops.key"), read_only).unwrap();
    symlink("..2026_11_27", home.path("..data")).unwrap();
    symlink("..data/ops.key", home.path("ops.key")).unwrap();
    assert_eq!(home.check().0, Some(0));
    // The link is followed, and what counts is where it leads.
    let open = Permissions::from_mode(0o444);
    fs::set_permissions(home.path("..2026_11_27/ops.key"), open).unwrap();
    assert_eq!(home.check().0, Some(3));
}

#[test]
fn a_secret_is_a_file() {
    let home = Home::new(FROM_FILE);
    let key = home.path("ops.key");
    let refused = || {
        let (code, _, said) = home.check();
        assert_eq!(code, Some(3), "{said}");
        said
    };
    assert!(refused().contains("api.keys.key: names a file that is not there"));
    fs::create_dir(&key).unwrap();
    assert!(refused().contains("api.keys.key: names no regular file"));
    fs::remove_dir(&key).unwrap();
    // Nobody ever writes into it: to open it would be the end.
    assert!(Command::new("mkfifo").arg(&key).status().unwrap().success());
    assert!(refused().contains("api.keys.key: names no regular file"));
    fs::remove_file(&key).unwrap();
    put_private(&key, &"x".repeat(2 * 1024 * 1024));
    assert!(refused().contains("api.keys.key: names a file that is too long"));
}

#[test]
fn a_public_key_may_be_read_by_anybody_and_written_by_nobody() {
    let home = Home::new(
        "[[upi.merchants]]\nid = 'shop'\nrequest_prefix = ''\nhandles = []\nchannels = []\n\
         keys = [{ id = 'k', key = 'file:shop.pem' }]\n",
    );
    let sandbox = include_str!("../../src/config/sandbox.toml");
    let start = sandbox.find("-----BEGIN PUBLIC KEY-----").unwrap();
    let pem = sandbox[start..].split("\"\"\"").next().unwrap();
    put_private(&home.path("shop.pem"), pem);
    for (mode, expected) in [(0o644, 0), (0o444, 0), (0o664, 3), (0o646, 3), (0o666, 3)] {
        fs::set_permissions(home.path("shop.pem"), Permissions::from_mode(mode)).unwrap();
        let (code, _, said) = home.check();
        assert_eq!(code, Some(expected), "{mode:o}: {said}");
        assert_eq!(said.contains("upi.merchants.keys.key"), expected == 3, "{said}");
    }
}

#[test]
fn secrets_of_variables_leave_the_environment() {
    let home = Home::new(
        "[[api.keys]]\nname = 'ops'\nkey = 'env:OPS_KEY'\n[[prepaid.clients]]\nclient_id = '2000'\n\
         bank_id = 7000\nentity_id = '100'\napi_key = 'env:API_KEY'\nsecure_code = 'env:CODE'\n\
         consumer_id = 'env:CONSUMER'\nkey = 'env:TOKEN'\n",
    );
    let secrets = [
        ("OPS_KEY", OPS),
        ("API_KEY", "api = key\nin two lines"),
        ("CODE", "AfYtlO5kqdySIjXyNmGg3F"),
        ("CONSUMER", "F42BC4E7B801C834B630DE498473533F"),
        ("TOKEN", "ascii:0123456789abcdef01234567"),
        ("KUNJI_STORE__URL", "fjall:data/other"),
    ];
    let others = [("UNRELATED", "stays"), ("KUNJI_PINS__TRIES_MAX", "2")];
    let watched = home.serve(&[&secrets[..], &others].concat()).map_err(|(_, said)| said).unwrap();
    let process = watched.kunji.process.id();
    let environment = fs::read(format!("/proc/{process}/environ")).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    for (name, secret) in secrets {
        assert!(!environment.contains(secret), "{name} is still there");
        let is_it = |variable: &str| variable.starts_with(&format!("{name}="));
        assert!(!environment.split('\0').any(is_it), "{name} is still there");
    }
    assert!(environment.contains("UNRELATED=stays"));
    // They were read all the same, and the process is the one that was started.
    assert!(home.path("data/other").exists() && !home.path("data/store").exists());
    let ask = |key: &str| {
        let bearer = format!("Bearer {key}");
        let body = serde_json::json!({ "txn": "V1", "pin": "1234" });
        let path = "/kunji/v1/credentials/account/NOBODY/verify";
        let said = watched.kunji.post(path, &[("Authorization", &bearer)], &body).json();
        said["code"].as_str().unwrap().to_owned()
    };
    assert_eq!([ask(OPS).as_str(), &ask("another one")], ["unknown_credential", "unauthorized"]);
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap();
    assert_eq!(name.trim(), "kunji");
    let (code, said) = watched.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains("stay in this process's environment"), "{said}");
}

#[test]
fn a_secret_that_is_no_text_is_not_shown() {
    let home = Home::new("");
    let url = OsStr::from_bytes(b"postgres://kunji:s3cret\xe4word@db.invalid/kunji");
    let mut command = home.command("serve");
    command.args(["--listen", "127.0.0.1:0"]).env("KUNJI_STORE__URL", url);
    let Err((code, said)) = Watched::start(command) else { panic!("it starts without its store") };
    assert_eq!(code, Some(3), "{said}");
    let why = "the value of the variable KUNJI_STORE__URL is not valid UTF-8";
    assert!(said.contains(why), "{said}");
    assert!(!said.contains("s3cret") && !said.contains("word@db"), "{said}");
}

#[test]
fn a_ready_file_is_written_through_no_link_and_eats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [("victim", "theirs"), ("ready.draft", "theirs"), ("other.url", "old")] {
        fs::write(at(name), text).unwrap();
    }
    symlink(at("victim"), at("linked.draft")).unwrap();
    symlink(at("victim"), at("ready")).unwrap();
    for name in ["ready", "linked.url", "other.url", "fresh"] {
        let path = at(name).to_str().unwrap().to_owned();
        let kunji = Kunji::start(&["sandbox", "--ready-file", &path]);
        // It is printed first, and the file follows at once.
        while fs::read_to_string(&path).unwrap_or_default() != kunji.base {
            std::thread::yield_now();
        }
        assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{name}");
        assert_eq!(kunji.stop(), Some(0));
    }
    for theirs in ["victim", "ready.draft"] {
        assert_eq!(fs::read_to_string(at(theirs)).unwrap(), "theirs");
    }
    assert!(fs::symlink_metadata(at("linked.draft")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 7, "no draft stays");
    symlink("/dev/null", at("device")).unwrap();
    let device = at("device").to_str().unwrap().to_owned();
    let (code, _, said) = run(&["sandbox", "--listen", "127.0.0.1:0", "--ready-file", &device], "");
    assert_eq!(code, Some(1));
    assert!(said.contains("the ready file cannot be written"), "{said}");
    assert!(fs::symlink_metadata(at("device")).unwrap().is_symlink());
}

fn sandbox_in_temporary(folder: &Path) -> Kunji {
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
    Kunji::spawn({
        command.env("TMPDIR", folder);
        command
    })
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_next_sandbox_sweeps_what_a_killed_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let living = sandbox_in_temporary(folder.path());
    let alive = entries(folder.path());
    assert_eq!(alive.len(), 1);
    for _ in 0..2 {
        sandbox_in_temporary(folder.path()).kill();
    }
    // The second one has swept the first one, but nobody the second one.
    let dead: Vec<_> = entries(folder.path()).into_iter().filter(|dir| *dir != alive[0]).collect();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].join("keys.sealed").exists() && dead[0].join("current").exists());
    let next = sandbox_in_temporary(folder.path());
    assert!(!dead[0].exists(), "keys and store of the dead one are gone");
    assert!(alive[0].join("keys.sealed").exists(), "a living one is left alone");
    assert_eq!(
        living.verify("account", "ACC123456789", "482173"),
        next.verify("account", "ACC123456789", "482173")
    );
    assert_eq!([living.stop(), next.stop()], [Some(0), Some(0)]);
    assert_eq!(entries(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn unsafe_settings_end_a_start_and_name_table_and_member() {
    let client = "[[prepaid.clients]]\nclient_id = '2000'\nbank_id = 1\nentity_id = '1'\n\
        secure_code = 'AfYtlO5kqdySIjXyNmGg3F'\nconsumer_id = 'F42BC4E7B801C834B630DE498473533F'\n\
        key = 'ascii:0123456789abcdef01234567'\n";
    let key = |name: &str, key: &str| format!("[[api.keys]]\nname = '{name}'\nkey = '{key}'\n");
    let shop = "[[upi.merchants]]\nid = 'shop'\nrequest_prefix = ''\nhandles = []\nkeys = []\n\
        channels = []\n";
    for (text, names) in [
        (key("ops", "s"), "api.keys.key of ops: must be at least 24 characters"),
        (key("ops", &OPS[2..]), "api.keys.key of ops: must be at least 24 characters"),
        (
            [key("ops", OPS), key("desk", OPS)].concat(),
            "api.keys.key of ops and api.keys.key of desk",
        ),
        (format!("{client}api_key = 's'\n"), "prepaid.clients.api_key of 2000"),
        (
            format!("{}{client}api_key = '{OPS}'\n", key("ops", OPS)),
            "api.keys.key of ops and prepaid.clients.api_key of 2000: are one key",
        ),
        (format!("[upi]\npublic_url = 'http://pin.example'\n{shop}"), "upi.public_url: must begin"),
    ] {
        let home = Home::new(&text);
        let (code, said, error) = home.check();
        assert_eq!(code, Some(3), "{error}");
        assert!(error.contains(names) && !format!("{said}{error}").contains(OPS), "{error}");
        let (code, said) = home.serve(&[]).err().unwrap();
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(names) && !said.contains(OPS), "{said}");
        assert!(!home.path("data").exists(), "nothing was begun");
    }
}

#[test]
fn settings_that_should_be_changed_are_warned_of() {
    let home = Home::new(
        "[[prepaid.clients]]\nclient_id = '2000'\nbank_id = 1\nentity_id = '1'\n\
         api_key = '7fe1c0de'\nsecure_code = 'AfYtlO5kqdySIjXyNmGg3F'\n\
         consumer_id = 'AfYtlO5kqdySIjXyNmGg3F'\nkey = 'ascii:0123456789abcdef01234567'\n",
    );
    let moved = fs::read_to_string(home.path("kunji.toml")).unwrap();
    fs::write(home.path("kunji.toml"), moved.replace("secrets/", "data/")).unwrap();
    let expected = [
        "vault.unseal_file: lies beside the store",
        "prepaid.clients.api_key of 2000: is shorter than 16 characters",
        "prepaid.clients.secure_code of 2000 and prepaid.clients.consumer_id of 2000: are one secret",
    ];
    let (code, _, error) = home.check();
    assert_eq!((code, error.lines().count()), (Some(0), expected.len()), "{error}");
    let watched = home.serve(&[]).map_err(|(_, said)| said).unwrap();
    let (code, said) = watched.stop();
    assert_eq!(code, Some(0));
    for expected in expected {
        assert!(error.contains(&format!("kunji: warning: {expected}")), "{error}");
        assert!(said.contains(expected), "{said}");
    }
    assert!(!format!("{error}{said}").contains("AfYtlO5k"));
    let output = home.command("check-config").args(["--output", "json"]).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["warnings"].as_array().unwrap().len(), expected.len());
}

#[test]
fn a_pooler_that_shares_sessions_is_refused_with_a_sentence() {
    let cluster = Cluster::shared();
    let name = cluster.fresh().rsplit_once('/').unwrap().1.to_owned();
    let pooler =
        Pooler::before(cluster, "pool_mode = transaction\nignore_startup_parameters = options");
    let url = pooler.url(&name);
    let straight = cluster.url(&name);
    let migrate = |url: &str| {
        let mut command = Command::new(KUNJI);
        let output = command.arg("migrate").env("KUNJI_STORE__URL", url).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = migrate(&url);
    assert_eq!(code, Some(1));
    assert!(said.contains("pooler") && said.contains("pool_mode = session"), "{said}");
    assert_eq!(migrate(&straight), (Some(0), String::new()));
    let home = Home::new("");
    let (code, said) = home.serve(&[("KUNJI_STORE__URL", &url)]).err().unwrap();
    assert_eq!(code, Some(1));
    assert!(said.contains("pooler") && said.contains("pool_mode = session"), "{said}");
    assert_eq!(cluster.sql_at(&url, "SHOW enable_seqscan"), "on", "its other users hear nothing");
    let (code, said) = migrate(&format!("{straight}?sslmode=verify-ca"));
    assert_eq!(code, Some(3));
    assert!(said.contains("store.url, its parameter sslmode"), "{said}");
}
