//! `kunji serve`: settings in layers, and nothing of what only the sandbox may do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use kunji_vault::{BlockAlg, PinUse};
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::http::Method;

use crate::support::blocks::{ASHA, JOHN, maker, sealed, sealed_change};
use crate::support::watched::{Watched, free_port};
use crate::support::{
    AXIS_CLIENT, AXIS_CLIENTS, CHANGE_MPIN, CLIENT, KUNJI, Kunji, RESET_PIN, change_asha,
    change_john, fresh, keys_in, put_private, reset, token,
};

const OWN_STORE: &str = "
[store]
url = 'fjall:data/store'
[vault]
key_file = 'data/keys.sealed'
unseal_file = 'data/unseal.key'
";

/// The same with the unseal key where it should lie.
const OWN_STORE_APART: &str = "
[store]
url = 'fjall:data/store'
[vault]
key_file = 'data/keys.sealed'
unseal_file = 'secrets/unseal.key'
";

/// The store and the keys that a sandbox left in the folder `sand`.
const SEEDED_STORE: &str = "
[store]
url = 'fjall:sand/store-1'
[vault]
key_file = 'sand/keys.sealed'
unseal_file = 'sand/unseal.key'
";

/// One program and one user of our own API, with secrets from everywhere.
const WHO: &str = "
[[api.keys]]
name = 'ops'
key = 'file:ops.key'
[[prepaid.clients]]
client_id = '2000'
bank_id = 7000
entity_id = '100'
api_key = 'env:PREPAID_API_KEY'
secure_code = 'file:secure.code'
consumer_id = 'F42BC4E7B801C834B630DE498473533F'
key = 'env:PREPAID_TOKEN_KEY'
layout = 'iv-prefixed'
";

/// A folder with a configuration in it.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new(parts: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Self { folder };
        home.put("kunji.toml", &parts.concat());
        home.put("ops.key", "a key of ops, long enough\n");
        home.put("secure.code", "AfYtlO5kqdySIjXyNmGg3F\n");
        home
    }

    /// With the accounts and cards that a sandbox starts with.
    fn seeded(more: &str) -> Self {
        let home = Self::new(&[more, SEEDED_STORE, WHO, AXIS_CLIENTS]);
        let kunji = Kunji::sandbox_in(&home.path("sand"));
        // The keys are whole once they are handed out.
        kunji.get("/.well-known/jwks.json");
        assert_eq!(kunji.stop(), Some(0));
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        put_private(&self.path(name), text);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(KUNJI);
        command.args(args).args(["--config", "kunji.toml"]).current_dir(self.folder.path());
        command.env("PREPAID_API_KEY", "7fe1c0de");
        command.env("PREPAID_TOKEN_KEY", "ascii:0123456789abcdef01234567");
        command
    }

    fn serve(&self) -> Command {
        self.command(&["serve", "--listen", "127.0.0.1:0"])
    }

    fn start(&self) -> Watched {
        Watched::start(self.serve()).map_err(|(_, said)| said).unwrap()
    }

    /// Exit code and standard error of `check-config`; standard output when it is fine.
    fn check(&self, more: impl FnOnce(&mut Command)) -> (Option<i32>, String) {
        let mut command = self.command(&["check-config"]);
        more(&mut command);
        ended(command)
    }
}

fn ended(mut command: Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn refused(home: &Home) -> (Option<i32>, String) {
    match Watched::start(home.serve()) {
        Ok(_) => panic!("it starts"),
        Err(ended) => ended,
    }
}

/// Starts a service that must fail and say why: in its last line, and nowhere before.
#[track_caller]
fn refused_with(home: &Home, why: &str) {
    let (code, said) = refused(home);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(said.lines().last(), Some(format!("kunji: {why}").as_str()), "{said}");
    assert_eq!(said.matches(why).count(), 1, "{said}");
}

/// Verifies with a bearer key; the verdict or the problem's code.
fn verify(kunji: &Kunji, key: &str, id: &str, txn: &str, pin: &str) -> String {
    let path = format!("/kunji/v1/credentials/{id}/verify");
    let bearer = format!("Bearer {key}");
    let said = kunji.post(&path, &[("Authorization", &bearer)], &json!({ "txn": txn, "pin": pin }));
    let said = said.json();
    said.get("verdict").or(said.get("code")).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn an_empty_store_stays_empty() {
    let home = Home::new(&[OWN_STORE, WHO]);
    let watched = home.start();
    let kunji = &watched.kunji;
    assert_eq!(kunji.get("/readyz").status, 200);
    for id in ["account/ACC123456789", "card/70000000008"] {
        assert_eq!(
            verify(kunji, "a key of ops, long enough", id, &fresh("V"), "1234"),
            "unknown_credential"
        );
    }
    let (_, said) = kunji.prepaid(Method::POST, RESET_PIN, &reset("481926"));
    assert_eq!(said["responseCode"], "1001");
    assert_eq!(watched.stop().0, Some(0));
}

#[test]
fn helpers_and_steering_are_absent() {
    let home = Home::seeded("");
    let watched = home.start();
    let kunji = &watched.kunji;
    let body = json!({ "token": token("{}") }).to_string();
    for path in ["/mob1/api/v2/encrypt", "/mob1/api/v2/decrypt", "/mob1/API/v2/decrypt"] {
        assert_eq!(kunji.send(Method::POST, path, CLIENT, body.clone()).status, 404, "{path}");
    }
    let calls = [
        (Method::GET, "/kunji/v1/sandbox/outbox?to=918888888888"),
        (Method::GET, "/kunji/v1/sandbox/clock"),
        (Method::POST, "/kunji/v1/sandbox/clock"),
        (Method::POST, "/kunji/v1/sandbox/reset"),
    ];
    for (method, path) in calls {
        let json = [("Content-Type", "application/json")];
        let answer = kunji.send(method, path, &json, "{\"advance\":\"24h\"}");
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("not_found")), "{path}");
    }
}

#[test]
fn the_account_decides_whatever_the_headers_ask_for() {
    let home = Home::seeded("");
    let watched = home.start();
    let kunji = &watched.kunji;
    let maker = maker(kunji, BlockAlg::EcdhEs);
    let asked: [&[(&str, &str)]; 5] = [
        &[],
        &[("X-AXIS-TEST-ID", "1")],
        &[("X-AXIS-TEST-ID", "2")],
        &[("X-AXIS-TEST-ID", "1"), ("X-Kunji-Mode", "scenario")],
        &[("X-AXIS-TEST-ID", "9"), ("X-Kunji-Mode", "live")],
    ];
    let code = |said: Value| said["error"]["errors"][0]["errorCode"].as_str().map(str::to_owned);
    for headers in asked.map(|headers| [headers, &AXIS_CLIENT[..]].concat()) {
        let headers = headers.as_slice();
        // Clear digits are no block, right or wrong; that is no try either.
        for body in [change_john("1234", "4826"), change_john("9999", "4826")] {
            let answer = kunji.post(CHANGE_MPIN, headers, &body);
            assert_eq!((answer.status, code(answer.json()).as_deref()), (400, Some("E40001")));
        }
        let right = sealed_change(&maker, JOHN, "1234", "9999");
        assert_eq!(
            code(kunji.post(CHANGE_MPIN, headers, &right).json()).as_deref(),
            Some("E40004")
        );
        let wrong = sealed_change(&maker, JOHN, "9999", "4826");
        assert_eq!(
            code(kunji.post(CHANGE_MPIN, headers, &wrong).json()).as_deref(),
            Some("E40101")
        );
    }
    let answer =
        kunji.post(CHANGE_MPIN, &AXIS_CLIENT, &sealed_change(&maker, JOHN, "1234", "4826"));
    assert_eq!(answer.status, 200);
}

#[test]
fn clear_digits_are_no_pin_of_our_own_api() {
    let home = Home::seeded("");
    let watched = home.start();
    let kunji = &watched.kunji;
    let ask = |pin: &str, txn: &str| {
        verify(kunji, "a key of ops, long enough", "account/ACC000000002", txn, pin)
    };
    for pin in ["804913", "111111", "222222", "333333", "804913"] {
        assert_eq!(ask(pin, &fresh("V")), "unreadable_block");
    }
    for alg in [BlockAlg::EcdhEs, BlockAlg::RsaOaep256] {
        let txn = fresh("V");
        let block = sealed(&maker(kunji, alg), "804913", PinUse::Mpin, &txn);
        assert_eq!(ask(&block, &fresh("V")), "unreadable_block");
        let block = sealed(&maker(kunji, alg), "804913", PinUse::Mpin, &txn);
        assert_eq!(ask(&block, &txn), "verified");
    }
}

#[test]
fn clear_digits_are_taken_where_the_configuration_says_so() {
    let home = Home::seeded("[pins]\nallow_clear_pin = true\n");
    let watched = home.start();
    assert_eq!(
        watched.kunji.post(CHANGE_MPIN, &AXIS_CLIENT, &change_asha("804913", "590284")).status,
        200
    );
}

#[test]
fn a_reset_needs_a_verified_holder() {
    let home = Home::seeded("");
    let watched = home.start();
    let kunji = &watched.kunji;
    let reset_code = |headers: &[(&str, &str)], pin: &str| {
        let (_, said) = kunji.prepaid_with(Method::POST, RESET_PIN, headers, &reset(pin));
        said["responseCode"].as_str().unwrap().to_owned()
    };
    let sandbox_mode: Vec<_> = [CLIENT, &[("X-Kunji-Mode", "scenario")]].concat();
    assert_eq!(reset_code(CLIENT, "481926"), "1081");
    assert_eq!(reset_code(&sandbox_mode, "481926"), "1081");
    let claim = json!({
        "messageCode": "3020",
        "requestDateTime": "20160715025837",
        "clientTxnId": fresh("H"),
        "urn": 70_000_000_008_u64,
        "customerMobile": "919876500001",
        "emailId": "holder@example.com",
    });
    let path = "/mob1/api/onboarding/v1/verifyCardholder";
    assert_eq!(kunji.prepaid(Method::POST, path, &claim).1["responseCode"], "00");
    assert_eq!(reset_code(CLIENT, "481926"), "00");
    assert_eq!(reset_code(CLIENT, "730582"), "1081", "a verification is used once");
}

#[test]
fn the_later_layer_wins() {
    let home = Home::new(&["
[server]
listen = '127.0.0.1:7411'
[log]
level = 'warn'
format = 'text'
[pins]
otp_minutes = 6
registration_tries_max = 7
[prepaid]
prefix = '/from-file'
"]);
    let (code, said) = home.check(|command| {
        command.args(["--listen", "127.0.0.1:7433", "--log-level", "debug"]);
        command.args(["--metrics-listen", "127.0.0.1:7434", "--health-listen", "127.0.0.1:7435"]);
        command.env("KUNJI_SERVER__LISTEN", "127.0.0.1:7422").env("KUNJI_LOG__LEVEL", "error");
        command.env("KUNJI_LOG__FORMAT", "json").env("KUNJI_PINS__OTP_MINUTES", "8");
        command.env("KUNJI_METRICS__LISTEN", "127.0.0.1:7423");
    });
    assert_eq!(code, Some(0), "{said}");
    let flat: String = said.split_whitespace().collect();
    for expected in [
        "listen:127.0.0.1:7433,",
        "metrics:Some(127.0.0.1:7434,)",
        "log:(Debug,Json,)",
        "otp_ms:480000,",
        "registration_tries_max:7,",
        "prefix:\"/from-file\"",
        "connections_max:1024,",
        "peer_connections_max:512,",
        "idle_timeout:75s,",
        "health:Some(127.0.0.1:7435,)",
        "tries_max:3,",
    ] {
        assert!(flat.contains(expected), "no {expected} in {said}");
    }
}

#[test]
fn the_example_configuration_is_fine() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config.example.toml");
    let home = Home::new(&[&fs::read_to_string(path).unwrap()]);
    let (code, said) = home.check(|_| {});
    assert_eq!(code, Some(0), "{said}");
}

#[track_caller]
fn check_refused(text: &str, names: &str) {
    let home = Home::new(&[text]);
    let (code, said) = home.check(|_| {});
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(names), "{names} is not named: {said}");
    assert!(!said.to_lowercase().contains("s3cret"), "a value is told: {said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn what_no_setting_can_be_is_refused_without_its_value() {
    for (text, names) in [
        ("[server]\nlistn = 's3cret'", "listn"),
        ("[sever]\nlisten = 's3cret'", "sever"),
        ("[pins]\ntries_max = 's3cret'", "pins.tries_max"),
        ("[pins]\nallow_clear_pin = 's3cret'", "pins.allow_clear_pin"),
        ("[pins]\ntries_max = 4", "pins.tries_max"),
        ("[pins]\nblocklist_file = 's3cret'", "pins.blocklist_file"),
        ("[log]\nlevel = 's3cret'", "log.level"),
        ("[log]\nlevel = s3cret", "kunji.toml is not valid TOML in line 2"),
        ("[store]\nurl = 's3cret'", "store.url"),
        ("[axis]\nmode = 's3cret'", "axis.mode"),
        ("[prepaid]\nclients = 's3cret'", "prepaid.clients"),
        ("[prepaid]\nprefix = 's3cret'", "prepaid.prefix"),
        ("api = 's3cret'", "api"),
        ("[[api.keys]]\nname = 'ops'\nkey = 5353", "api.keys.key"),
        ("[[api.keys]]\nname = 'ops'\nkey = ['s3cret']", "api.keys.key"),
        ("[[api.keys]]\nname = 'ops'\nkey = 'env:NO_S3CRET'", "api.keys.key"),
        ("[[api.keys]]\nname = 'ops'\nkey = 'file:s3cret'", "api.keys.key"),
        ("[[api.keys]]\nname = 'ops'\nkey = ''", "api.keys.key"),
        ("[[api.keys]]\nname = 's3cret of ops'\nkey = 'x'", "api.keys.name"),
        ("[server]\nlisten = '0.0.0.0:7400'", "server.allow_remote"),
        ("[metrics]\nlisten = '0.0.0.0:7400'", "server.allow_remote"),
        ("[metrics]\nlisten = 's3cret'", "metrics.listen"),
        ("[server]\nhealth_listen = 's3cret'", "server.health_listen"),
        ("[server]\nhealth_listen = '0.0.0.0:7401'", "server.allow_remote"),
        ("[server]\nconnections_max = 0", "server.connections_max"),
        ("[server]\npeer_connections_max = 0", "server.peer_connections_max"),
        ("[server]\ntrusted_peers = ['10.0.0.0/8', 's3cret']", "server.trusted_peers"),
        ("[server]\nidle_seconds = 0", "server.idle_seconds"),
        ("[server]\nidle_seconds = 3601", "server.idle_seconds"),
    ] {
        check_refused(text, names);
    }
    for (bad, names) in [
        ("key = 'ascii:s3cret'\nlayout = 'iv-prefixed'", "prepaid.clients.key"),
        ("key = 's3cret'\nlayout = 'iv-prefixed'", "prepaid.clients.key"),
        ("key = 'ascii:0123456789abcdef01234567'\nlayout = 's3cret'", "prepaid.clients.layout"),
        ("key = 'ascii:0123456789abcdef01234567'\nlayout = 'fixed-iv'", "prepaid.clients.iv"),
        (
            "key = 'ascii:0123456789abcdef01234567'\nlayout = 'fixed-iv'\niv = 's3cret'",
            "prepaid.clients.iv",
        ),
    ] {
        let client = "[[prepaid.clients]]\nclient_id = '1'\nbank_id = 1\nentity_id = '1'\n\
            api_key = 'x'\nsecure_code = 'x'\nconsumer_id = 'x'\n";
        check_refused(&format!("{client}{bad}\n"), names);
    }
}

#[test]
fn a_variable_that_names_no_setting_is_refused_without_its_value() {
    for (name, names) in [
        ("KUNJI_PINS__TRIES", "tries"),
        ("KUNJI_PENS__TRIES_MAX", "KUNJI_PENS__TRIES_MAX"),
        ("KUNJI__TRIES_MAX", "KUNJI__TRIES_MAX"),
        ("KUNJI_PORT_7400_TCP__X", "KUNJI_PORT_7400_TCP__X"),
        ("KUNJI_PINS__ALLOW_CLEAR_PIN", "pins.allow_clear_pin"),
    ] {
        let home = Home::new(&[""]);
        let (code, said) = home.check(|command| {
            command.env(name, "s3cret");
        });
        assert_eq!(code, Some(3), "{name}: {said}");
        assert!(said.contains(names) && !said.contains("s3cret"), "{name}: {said}");
    }
}

/// Kubernetes tells each container of the services around it, also of one named `kunji`.
#[test]
fn a_service_of_our_name_is_no_setting() {
    let home = Home::new(&[""]);
    let (code, said) = home.check(|command| {
        for (name, value) in [
            ("KUNJI_SERVICE_HOST", "10.0.0.1"),
            ("KUNJI_SERVICE_PORT", "7400"),
            ("KUNJI_SERVICE_PORT_HTTP", "7400"),
            ("KUNJI_PORT", "tcp://10.0.0.1:7400"),
            ("KUNJI_PORT_7400_TCP", "tcp://10.0.0.1:7400"),
            ("KUNJI_PORT_7400_TCP_ADDR", "10.0.0.1"),
            ("KUNJI_", "x"),
        ] {
            command.env(name, value);
        }
    });
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("10.0.0.1"), "{said}");
}

#[test]
fn other_addresses_than_loopback_are_allowed_on_demand() {
    let home = Home::new(&["[server]\nlisten = '0.0.0.0:7400'\n[metrics]\nlisten = '[::]:7401'"]);
    assert_eq!(home.check(|_| {}).0, Some(3));
    let (code, said) = home.check(|command| {
        command.arg("--allow-remote");
    });
    assert_eq!(code, Some(0), "{said}");
    let mut sandbox = Command::new(KUNJI);
    sandbox.args(["sandbox", "--listen", "0.0.0.0:0"]);
    let (code, said) = ended(sandbox);
    assert_eq!(code, Some(3));
    assert!(said.contains("allow_remote"), "{said}");
}

#[test]
fn a_printed_configuration_shows_no_secret() {
    let home = Home::new(&[OWN_STORE, WHO]);
    let (code, said) = home.check(|_| {});
    assert_eq!(code, Some(0));
    for secret in
        ["a key of ops, long enough", "7fe1c0de", "AfYtlO5k", "F42BC4E7", "0123456789abcdef"]
    {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn secrets_come_from_variables_and_files() {
    let home = Home::seeded("");
    let watched = home.start();
    let kunji = &watched.kunji;
    let ask = |key: &str| verify(kunji, key, "account/NOBODY", &fresh("V"), "1234");
    assert_eq!(ask("a key of ops, long enough"), "unknown_credential");
    for wrong in [
        "file:ops.key",
        "ops.key",
        "sandbox",
        "a key of ops, long enoug",
        "a key of ops, long enough and more",
    ] {
        assert_eq!(ask(wrong), "unauthorized", "{wrong}");
    }
    // The client is known by a variable's key and a file's code, and its token by another one.
    let (status, said) = kunji.prepaid(Method::POST, RESET_PIN, &reset("1"));
    assert_eq!((status, &said["messageCode"]), (200, &json!("1121")));
    let named = [CLIENT, &[("x-api-key", "env:PREPAID_API_KEY")]].concat();
    let named: Vec<_> = named.into_iter().filter(|header| *header != CLIENT[0]).collect();
    assert_eq!(kunji.prepaid_with(Method::POST, RESET_PIN, &named, &reset("1")).0, 401);
}

#[test]
fn keys_that_others_may_read_are_refused() {
    for file in ["unseal.key", "keys.sealed"] {
        for mode in [0o640, 0o604, 0o660] {
            let home = Home::seeded("");
            let path = home.path("sand").join(file);
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let (code, said) = refused(&home);
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains(file) && said.contains("0600"), "{said}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert_eq!(home.start().stop().0, Some(0));
        }
    }
}

#[test]
fn keys_that_were_altered_are_refused() {
    let home = Home::seeded("");
    let path = home.path("sand").join("keys.sealed");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (code, said) = refused(&home);
    assert_eq!(code, Some(1));
    assert!(said.contains("altered"), "{said}");
}

#[test]
fn two_processes_never_share_a_store() {
    let home = Home::seeded("");
    let first = home.start();
    let (code, said) = refused(&home);
    assert_eq!(code, Some(1));
    assert!(said.contains("sand/store-1 is in use by another process"), "{said}");
    assert_eq!(first.kunji.get("/readyz").status, 200);
    assert_eq!(first.stop().0, Some(0));
    assert_eq!(home.start().stop().0, Some(0));
}

/// Writes one row of the store's own keyspace.
fn mark_format(home: &Home, write: impl FnOnce(&fjall::Keyspace)) {
    let store = Database::builder(home.path("sand").join("store-1")).open().unwrap();
    let meta = store.keyspace("meta", KeyspaceCreateOptions::default).unwrap();
    write(&meta);
    store.persist(PersistMode::SyncAll).unwrap();
}

#[test]
fn a_store_of_a_newer_format_is_refused() {
    let home = Home::seeded("");
    mark_format(&home, |meta| meta.insert("format", 999_u32.to_be_bytes()).unwrap());
    refused_with(&home, "the store sand/store-1 has format 999; this build reads 3");
    mark_format(&home, |meta| meta.remove("format").unwrap());
    refused_with(&home, "the store sand/store-1 does not say what format it has");
}

#[test]
fn a_weak_token_layout_is_warned_of() {
    let weak = [("zero-iv", ""), ("fixed-iv", "iv = '000102030405060708090a0b0c0d0e0f'")];
    // Nothing else of it is warned of.
    let strong = WHO.replace("env:PREPAID_API_KEY", "a key of the vendor, long enough");
    for (layout, iv) in weak {
        let who = strong.replace("iv-prefixed", layout) + iv;
        let (code, said) = Home::new(&[OWN_STORE_APART, &who]).start().stop();
        assert_eq!(code, Some(0));
        let warned = said.lines().filter(|line| line.contains("\"warn\"")).collect::<Vec<_>>();
        assert_eq!(warned.len(), 1, "{said}");
        assert!(warned[0].contains("client 2000 repeats its initialisation vector"), "{said}");
    }
    let (_, said) = Home::new(&[OWN_STORE_APART, &strong]).start().stop();
    assert!(!said.contains("\"warn\""), "{said}");
}

#[test]
fn metrics_have_a_port_of_their_own() {
    let home = Home::seeded("");
    let port = free_port();
    let mut command = home.serve();
    command.args(["--metrics-listen", &format!("127.0.0.1:{port}")]);
    let watched = Watched::start(command).map_err(|(_, said)| said).unwrap();
    let kunji = &watched.kunji;
    assert_eq!(
        verify(kunji, "a key of ops, long enough", "account/NOBODY", "V1", "1234"),
        "unknown_credential"
    );
    assert_eq!(kunji.get("/metrics").status, 404);
    let metrics = format!("http://127.0.0.1:{port}");
    let fetch = |path: &str| {
        let mut response = crate::support::agent().get(format!("{metrics}{path}")).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    };
    let (status, text) = fetch("/metrics");
    assert_eq!(status, 200);
    let line = "kunji_requests_total{route=\"/kunji/v1/credentials/{kind}/{id}/verify\",\
        method=\"POST\",status=\"404\",";
    assert!(text.lines().any(|said| said.starts_with(line) && said.ends_with("} 1")), "{text}");
    for path in ["/livez", "/", CHANGE_MPIN, "/kunji/v1/sandbox/clock", "/.well-known/jwks.json"] {
        assert_eq!(fetch(path).0, 404, "{path}");
    }
    assert_eq!(watched.stop().0, Some(0));
}

#[test]
fn health_has_a_port_of_its_own() {
    let home = Home::seeded("");
    let port = free_port();
    let mut command = home.serve();
    command.args(["--health-listen", &format!("127.0.0.1:{port}")]);
    let watched = Watched::start(command).map_err(|(_, said)| said).unwrap();
    let fetch = |path: &str| {
        let url = format!("http://127.0.0.1:{port}{path}");
        let mut response = crate::support::agent().get(url).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    };
    assert_eq!(fetch("/livez"), (200, "live\n".to_owned()));
    assert_eq!(fetch("/readyz"), (200, "ready\n".to_owned()));
    assert!(fetch("/metrics").1.contains("kunji_connections"));
    for path in ["/", "/docs", CHANGE_MPIN, "/.well-known/jwks.json", "/kunji/v1/sandbox/clock"] {
        assert_eq!(fetch(path).0, 404, "{path}");
    }
    assert_eq!(watched.stop().0, Some(0));
}

/// The members of a log line, and nothing else.
const MEMBERS: [&str; 20] = [
    "time",
    "level",
    "message",
    "caller",
    "config.path",
    "dialect",
    "duration.us",
    "fault",
    "http.method",
    "http.route",
    "http.status",
    "listen.address",
    "operation",
    "reason",
    "reply.code",
    "request.id",
    "signal",
    "store.engine",
    "store.path",
    "version",
];

#[test]
fn log_lines_are_json_of_known_fields_and_name_the_request() {
    let home = Home::seeded("[log]\nlevel = 'debug'\n");
    let watched = home.start();
    let kunji = &watched.kunji;
    let mut ids = vec!["mine-1.2_3".to_owned()];
    let own = kunji.send(Method::GET, "/livez", &[("x-request-id", &ids[0])], "");
    assert_eq!(own.header("x-request-id"), Some(ids[0].as_str()));
    let long = "x".repeat(65);
    for id in ["two words", "", "a\"b", "a,b", "\u{e9}", long.as_str()] {
        let answer = kunji.send(Method::GET, "/nobody?pin=1", &[("x-request-id", id)], "");
        let given = answer.header("x-request-id").unwrap().to_owned();
        assert!(given != id && given.len() == 16, "{given}");
        ids.push(given);
    }
    for body in ["{", "[]", "{\"ChangeMPINRequest\":\"\u{1}\"}"] {
        let json = [("Content-Type", "application/json")];
        let answer = kunji.send(Method::POST, CHANGE_MPIN, &json, body);
        ids.push(answer.header("x-request-id").unwrap().to_owned());
    }
    let (code, said) = watched.stop();
    assert_eq!(code, Some(0));
    let mut named = Vec::new();
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        for (member, value) in line.as_object().unwrap() {
            assert!(MEMBERS.contains(&member.as_str()), "{member}");
            assert!(value.is_string() || value.is_u64(), "{line}");
        }
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        named.extend(line["request.id"].as_str().map(str::to_owned));
    }
    // Why it was refused has a line of its own at this level.
    named.dedup();
    assert_eq!(named, ids);
}

#[test]
fn a_wrong_account_is_told_like_a_wrong_vpa() {
    let home = Home::seeded("");
    let watched = home.start();
    let kunji = &watched.kunji;
    let maker = maker(kunji, BlockAlg::EcdhEs);
    let [customer, account, vpa] = ASHA;
    let answers = [
        [customer, "ACC999999999", vpa],
        [customer, account, "johndoe@axis"],
        ["CIF12345678", account, vpa],
    ]
    .map(|who| {
        kunji.post(CHANGE_MPIN, &AXIS_CLIENT, &sealed_change(&maker, who, "804913", "590284"))
    });
    assert_eq!(answers[0].status, 400);
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
}

#[test]
fn keys_that_are_gone_are_not_made_anew() {
    let home = Home::seeded("");
    let (keys, aside) = (home.path("sand/keys.sealed"), home.path("aside"));
    fs::rename(&keys, &aside).unwrap();
    let (code, said) = refused(&home);
    assert_eq!(code, Some(1));
    assert!(said.contains("sand/keys.sealed is missing, but sand/store-1 is there"), "{said}");
    assert!(!keys.exists());
    fs::rename(&aside, &keys).unwrap();
    assert_eq!(home.start().stop().0, Some(0));
}

#[test]
fn keys_of_another_store_are_refused() {
    let (home, other) = (Home::seeded(""), Home::seeded(""));
    assert_eq!(home.start().stop().0, Some(0));
    for file in ["keys.sealed", "unseal.key"] {
        fs::copy(other.path("sand").join(file), home.path("sand").join(file)).unwrap();
    }
    let why = "the key file is not the one that the store sand/store-1 began with";
    refused_with(&home, why);
}

#[test]
fn who_verifies_does_not_clear() {
    let operator = "
[[api.keys]]
name = 'desk'
key = 'a key of the desk, as long'
operator = true
";
    let home = Home::seeded("");
    let with_desk = format!("{SEEDED_STORE}{WHO}{operator}");
    home.put("kunji.toml", &with_desk);
    let watched = home.start();
    let clear = |key: &str| {
        let path = "/kunji/v1/credentials/account/ACC123456789/clear-tries";
        let bearer = format!("Bearer {key}");
        let body = json!({ "txn": fresh("C"), "reason": "the holder called" });
        let answer = watched.kunji.post(path, &[("Authorization", &bearer)], &body);
        let said = answer.json();
        (answer.status, said.get("verdict").or(said.get("code")).unwrap().clone())
    };
    assert_eq!(clear("a key of ops, long enough"), (403, json!("forbidden")));
    assert_eq!(clear("a key of the desk, as long"), (200, json!("cleared")));
    assert_eq!(watched.stop().0, Some(0));
}

#[test]
fn the_bank_s_api_is_off_while_nobody_may_call_it() {
    for mode in ["", "[axis]\nmode = 'live'\n", "[axis]\nmode = 'scenario'\n"] {
        let home = Home::new(&[mode, OWN_STORE, WHO]);
        let watched = home.start();
        for headers in [&AXIS_CLIENT[..], &[("X-AXIS-TEST-ID", "1")], &[("X-Kunji-Mode", "live")]] {
            let answer = watched.kunji.post(CHANGE_MPIN, headers, &change_john("1234", "4826"));
            let code = &answer.json()["error"]["errors"][0]["errorCode"];
            assert_eq!((answer.status, code), (404, &json!("E40401")), "{mode}");
        }
    }
}

#[test]
fn the_bank_s_clients_are_strangers_to_each_other() {
    let other = AXIS_CLIENTS.replace("'app'", "'web'").replace("'sandbox", "'other");
    let home = Home::seeded("");
    let settings = "[pins]\nallow_clear_pin = true\nlive_per_minute = 2\n";
    home.put("kunji.toml", &[settings, SEEDED_STORE, WHO, AXIS_CLIENTS, &other].concat());
    let watched = home.start();
    let web = [("X-IBM-Client-Id", "other"), ("X-IBM-Client-Secret", "other-client-secret")];
    let code = |headers: &[(&str, &str)], body: &Value| {
        let said = watched.kunji.post(CHANGE_MPIN, headers, body).json();
        let code = said["error"]["errors"][0]["errorCode"].as_str();
        code.or(said["SetResetMPINResponseBody"]["code"].as_str()).unwrap().to_owned()
    };
    // One's secret is not the other's, and the sandbox's way in is not there.
    let body = change_john("1234", "4826");
    for headers in [&[][..], &[AXIS_CLIENT[0], web[1]], &[web[0], AXIS_CLIENT[1]]] {
        assert_eq!(code(headers, &body), "E40100");
    }
    assert_eq!(code(&AXIS_CLIENT, &body), "00");
    assert_eq!(code(&AXIS_CLIENT, &body), "00", "the stored answer");
    // The same transaction of another client is another one.
    assert_eq!(code(&web, &body), "E40101");
    // One has used up its allowance, and the other has not.
    assert_eq!(code(&AXIS_CLIENT, &change_john("4826", "7392")), "E42901");
    assert_eq!(code(&web, &change_john("4826", "7392")), "00");
    assert_eq!(watched.stop().0, Some(0));
    let (store, keys) = (home.path("sand/store-1"), keys_in(&home.path("sand")));
    let store = kunji_store::Embedded::open(&store, Default::default(), keys).unwrap();
    let mut callers: Vec<_> = kunji_testkit::verify_chains(&store)
        .iter()
        .map(|event| event.caller.to_string())
        .filter(|caller| caller.starts_with("axis:"))
        .collect();
    callers.dedup();
    assert_eq!(callers, ["axis:app:changempin", "axis:web:changempin"]);
}

#[test]
fn a_client_certificate_is_not_taken_in_silence() {
    for member in ["certificate_subject", "certificate_key"] {
        let client = AXIS_CLIENTS.replace("client_id", &format!("{member} = 's3cret'\nclient_id"));
        check_refused(&client, &format!("axis.clients.{member}: needs TLS"));
    }
    check_refused(
        &AXIS_CLIENTS.replace("client_id", "certificate = 's3cret'\nclient_id"),
        "certificate",
    );
}
