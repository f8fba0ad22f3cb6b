//! The helpers of the command line, and the code that each command ends with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use kunji_core::audit::{ChainName, Event, Subject};
use kunji_vault::{BlockAlg, PinUse, Vault};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::blocks::{ASHA, maker, sealed, sealed_change};
use crate::support::{
    KUNJI, Kunji, TOKEN_KEY, change_asha, change_john, fresh, keys_in, put_private, reset, run,
};

/// The plain text of the published vectors; its key is [`TOKEN_KEY`].
const PLAIN: &str = r#"{"messageCode":"1120","requestDateTime":"20160715025837","clientTxnId":"201507271458370149gM90jY0","newPIN":"121200","urn":70000000008,"last4Digits":"1745","customerId":"IN00001201001868"}"#;
const IV_PREFIXED: &str = "AAECAwQFBgcICQoLDA0OD7KfBYRtOkq8EZTvYyBje9RuW6MpBzYYPlSeStXUxb0MXnqmbM2GoQBMJbvaLzPPAlgD6t0opQ+A8NJGtoWA8GcmLZMRxyRqcHcjca2hpt8HpODwvA2cIXD+7/TZoP0QmZ67oakjgQNcZBwIfxrwsGWJJk229Qod3ADSM6mrcE3J8Df2I9qtLf9UlWoV3M3xjXoei4Rt4KFePQXBssWfz3H8hKFVGkt6N3YqYXlvD28BK3rTa4nIjkPOAaid/UKWdw==";
const ZERO_IV: &str = "ZxCq3UPVCQ/8xDru3DPyDr5DvNNkYL1FhDKZ5iZT1EcvMX/J9AG/pyKpdZkvL9dV27/KW/ES8uIkTiSGsB8EkcDsRq4wfDGUT0tiI7h3VQhbeHDRr8o4aIsWtxjx2QBQvSL9cQX//qIdzkiMEJpkhCyzDi6TxSOE9jsSO8OVSo67f6l1Bi/uE+02BA7aIMKXrkTKWsa0uc6up4ibQ0alqkBvWA1T/NoTOQoz7dKC8FaLfhjEEzVzPqFHBuvorpfC";

/// Runs a command that must succeed; its standard output.
#[track_caller]
fn done(args: &[&str], input: &str) -> String {
    let (code, said, error) = run(args, input);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{args:?}");
    said
}

/// Runs a command that must fail with this code and say this, in one line, and nothing else.
#[track_caller]
fn fails(args: &[&str], input: &str, expected: i32, words: &str) {
    let (code, said, error) = run(args, input);
    assert_eq!((code, said.as_str()), (Some(expected), ""), "{args:?}: {error}");
    assert!(error.contains(words), "{args:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

fn json_of(text: &str) -> Value {
    assert!(text.ends_with('\n') && text.lines().count() == 1, "{text}");
    serde_json::from_str(text).unwrap()
}

#[test]
fn tokens_of_the_vectors_are_read_and_written() {
    let decrypt = ["token", "decrypt", "--key", TOKEN_KEY];
    let encrypt = ["token", "encrypt", "--key", TOKEN_KEY];
    assert_eq!(done(&decrypt, IV_PREFIXED).trim_end(), PLAIN);
    assert_eq!(done(&decrypt, &format!("{IV_PREFIXED}\r\n")).trim_end(), PLAIN);
    let zero_iv = |args: [&'static str; 4]| [&args[..], &["--zero-iv"]].concat();
    assert_eq!(done(&zero_iv(decrypt), ZERO_IV).trim_end(), PLAIN);
    assert_eq!(done(&zero_iv(encrypt), PLAIN).trim_end(), ZERO_IV);
    let (first, second) = (done(&encrypt, PLAIN), done(&encrypt, PLAIN));
    assert_ne!(first, second, "the initialisation vector is random");
    assert_eq!(done(&decrypt, &first).trim_end(), PLAIN);
    let json = ["--output", "json"];
    let token = json_of(&done(&[&encrypt[..], &json].concat(), "{\"a\":1}"));
    let text = done(&[&decrypt[..], &json].concat(), token["token"].as_str().unwrap());
    assert_eq!(json_of(&text), json!({ "plaintext": "{\"a\":1}" }));
}

#[test]
fn token_keys_come_from_files_and_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let hex = "hex:303132333435363738396162636465663031323334353637";
    for key in [TOKEN_KEY, hex, "base64:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"] {
        put_private(&path, &format!("{key}\n"));
        let source = format!("file:{}", path.to_str().unwrap());
        assert_eq!(done(&["token", "decrypt", "--key", &source], IV_PREFIXED).trim_end(), PLAIN);
        assert_eq!(done(&["token", "decrypt", "--key", key], IV_PREFIXED).trim_end(), PLAIN);
    }
    put_private(&path, "ascii:a short s3cret");
    let source = format!("file:{}", path.to_str().unwrap());
    let (code, _, error) = run(&["token", "decrypt", "--key", &source], IV_PREFIXED);
    assert!(code == Some(1) && !error.contains("s3cret"), "{error}");
    fails(&["token", "decrypt", "--key", "env:NO_SUCH_VARIABLE"], IV_PREFIXED, 3, "--key");
    fails(&["token", "decrypt", "--key", "file:/nowhere"], IV_PREFIXED, 3, "--key");
}

#[test]
fn a_token_that_does_not_open_is_told_without_detail() {
    let other = "ascii:0123456789abcdef0123456_";
    let (_, zero) = IV_PREFIXED.split_at(24);
    let attempts = [
        (other, IV_PREFIXED.to_owned()),
        (TOKEN_KEY, "not base64!".to_owned()),
        (TOKEN_KEY, String::new()),
        (TOKEN_KEY, "AAAA".to_owned()),
        (TOKEN_KEY, IV_PREFIXED.replacen("Kf", "Kg", 1).replacen("UKWdw", "UKWdQ", 1)),
        (TOKEN_KEY, zero.to_owned()),
        (TOKEN_KEY, "A".repeat(20_000)),
    ];
    let told = attempts.map(|(key, token)| {
        let (code, said, error) = run(&["token", "decrypt", "--key", key], &token);
        assert_eq!((code, said.as_str()), (Some(1), ""));
        error
    });
    assert_eq!(told[0].lines().count(), 1);
    assert!(told.iter().all(|error| *error == told[0]), "{told:?}");
}

#[test]
fn an_input_without_end_is_refused() {
    let long = "1".repeat(64 * 1024 + 1);
    fails(&["token", "encrypt", "--key", TOKEN_KEY], &long, 1, "longer than 64 KiB");
}

/// Makes a block by the command line.
fn block(jwks: &str, alg: &str, sub: &str, txn: &str, pin: &str) -> String {
    let args = ["pin-block", "--jwks", jwks, "--alg", alg, "--sub", sub, "--txn", txn];
    done(&args, &format!("{pin}\n")).trim_end().to_owned()
}

#[test]
fn blocks_of_the_command_line_change_and_verify_a_pin() {
    let kunji = Kunji::sandbox();
    let url = format!("{}/.well-known/jwks.json", kunji.base);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    fs::write(&file, kunji.get("/.well-known/jwks.json").body).unwrap();
    let file = file.to_str().unwrap();
    let mut pin = "804913";
    for (jwks, alg, new) in [
        (url.as_str(), "ecdh-es", "590284"),
        (url.as_str(), "rsa-oaep256", "730582"),
        (file, "ecdh-es", "916047"),
        (file, "rsa-oaep256", "264817"),
    ] {
        let mut body = change_asha(pin, new);
        let inner = &mut body["ChangeMPINRequest"]["SetResetMPINRequestBody"];
        let txn = inner["txnId"].as_str().unwrap().to_owned();
        inner["cred"]["data"]["code"] = json!(block(jwks, alg, "mpin", &txn, pin));
        inner["newcred"]["data"]["code"] = json!(block(jwks, alg, "nmpin", &txn, new));
        let answer = kunji.change_live(&body);
        assert_eq!(answer.status, 200, "{alg}: {}", answer.text());
        pin = new;
        let verify = |txn: &str, block: &str| {
            let path = "/kunji/v1/credentials/account/ACC000000002/verify";
            let bearer = [("Authorization", "Bearer sandbox")];
            kunji.post(path, &bearer, &json!({ "txn": txn, "pin": block })).status
        };
        let (txn, wrong_use) = (fresh("V"), fresh("V"));
        assert_eq!(verify(&txn, &block(jwks, alg, "mpin", &txn, pin)), 200);
        assert_eq!(verify(&wrong_use, &block(jwks, alg, "nmpin", &wrong_use, pin)), 400);
    }
    let args = ["pin-block", "--jwks", file, "--txn", "T1", "--output", "json"];
    let said = json_of(&done(&args, "1234"));
    assert_eq!(said["block"].as_str().unwrap().split('.').count(), 5);
    assert!(said["kid"].is_string());
}

#[test]
fn keys_that_cannot_be_had_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.json");
    fs::write(&empty, "{\"keys\":[]}").unwrap();
    let with = |jwks: &'static str| ["pin-block", "--txn", "T1", "--jwks", jwks];
    let args = ["pin-block", "--txn", "T1", "--jwks", empty.to_str().unwrap()];
    fails(&args, "1234", 1, "no usable key");
    fails(&with("/nowhere"), "1234", 1, "cannot be read");
    fails(&with("http://127.0.0.1:1/jwks"), "1234", 1, "cannot fetch");
    fails(&with("http:///"), "1234", 1, "address");
}

/// A sandbox's directory after some work; no process has it open.
struct Left {
    folder: TempDir,
}

impl Left {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kunji = Kunji::sandbox_in(folder.path());
        kunji.get("/.well-known/jwks.json");
        assert_eq!(kunji.change_live(&change_john("1234", "4826")).status, 200);
        assert_eq!(kunji.verify("account", "ACC000000002", "111111"), "wrong_pin");
        assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "verified");
        assert_eq!(kunji.verify("account", "NOBODY", "804913"), "unknown_credential");
        assert_eq!(kunji.stop(), Some(0));
        Self { folder }
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn verify(&self) -> (Option<i32>, String) {
        let (code, said, error) = run(&["audit", "verify", "--data", self.path()], "");
        assert_eq!(error, "");
        (code, said)
    }

    fn tamper(&self, with: impl FnOnce(&Rows)) {
        let store = Database::builder(self.folder.path().join("store-1")).open().unwrap();
        let space = store.keyspace("rows", KeyspaceCreateOptions::default).unwrap();
        with(&Rows { space, keys: keys_in(self.folder.path()) });
        store.persist(PersistMode::SyncAll).unwrap();
    }

    /// Has the audit tell of a break in a line that begins like this.
    #[track_caller]
    fn is_broken(&self, words: &str) {
        let (code, said) = self.verify();
        assert_eq!(code, Some(4), "{said}");
        assert!(said.lines().any(|line| line.starts_with(words)), "{said}");
        assert!(said.contains("the audit does NOT hold"), "{said}");
        let args = ["audit", "verify", "--data", self.path(), "--output", "json"];
        let (code, said, _) = run(&args, "");
        let said = json_of(&said);
        assert_eq!((code, &said["holds"]), (Some(4), &json!(false)));
        assert!(!said["breaks"].as_array().unwrap().is_empty());
    }

    /// What a subject's chain is kept under.
    fn name_of(&self, subject: &str) -> ChainName {
        name_of(&keys_in(self.folder.path()), subject)
    }
}

fn name_of(keys: &Vault, subject: &str) -> ChainName {
    ChainName::of(keys, &Subject::parse(subject).unwrap())
}

/// A key, and what is kept under it.
type Filed = (Vec<u8>, Vec<u8>);

/// The rows of a store, and the keys that they are sealed by.
struct Rows {
    space: Keyspace,
    keys: Arc<Vault>,
}

impl Rows {
    /// Where a subject's rows of this kind lie.
    fn place(&self, letter: &[u8], subject: &str) -> Vec<u8> {
        [letter, &name_of(&self.keys, subject).0].concat()
    }

    fn first_event(&self, subject: &str) -> Filed {
        filed(self.space.prefix(self.place(b"e", subject)).next())
    }

    fn last_event(&self, subject: &str) -> Filed {
        filed(self.space.prefix(self.place(b"e", subject)).next_back())
    }

    fn put(&self, key: &[u8], row: &[u8]) {
        self.space.insert(key, row).unwrap();
    }

    /// Takes away a row that is there.
    fn drop(&self, key: &[u8]) {
        assert!(self.space.contains_key(key).unwrap());
        self.space.remove(key).unwrap();
    }

    fn open(&self, (key, row): &Filed) -> Vec<u8> {
        self.keys.open_row(key, row).unwrap()
    }

    /// Puts what is sealed for its place, as only who has the keys can.
    fn put_sealed(&self, key: &[u8], encoded: Vec<u8>) {
        self.put(key, &self.keys.seal_row(key, encoded).unwrap());
    }
}

fn filed(row: Option<fjall::Guard>) -> Filed {
    let (key, row) = row.unwrap().into_inner().unwrap();
    (key.to_vec(), row.to_vec())
}

#[test]
fn the_audit_of_a_sandbox_holds() {
    let left = Left::new();
    let (code, said) = left.verify();
    assert_eq!(code, Some(0), "{said}");
    // 20 seeded credentials, 4 customers with 5 VPAs and 3 numbers, the service's own chain, and
    // that of the caller's strangers.
    assert_eq!(said, "the audit holds: 34 chains, 37 events\n");
    let args = ["audit", "verify", "--data", left.path(), "--output", "json"];
    let expected = json!({
        "holds": true, "chains": 34, "events": 37, "checkpoints": 0, "heads": 0,
        "breaks": [], "more_breaks": 0,
    });
    assert_eq!(json_of(&done(&args, "")), expected);
}

/// Tampers, and has the audit tell of it in a line that begins like this.
#[track_caller]
fn found(words: &str, with: impl FnOnce(&Rows)) {
    let left = Left::new();
    left.tamper(with);
    left.is_broken(words);
}

const ASHA_CHAIN: &str = "account/ACC000000002";
const JOHN_CHAIN: &str = "account/ACC123456789";
const NOBODY: &str = "account/NOBODY";

#[test]
fn every_bit_flipped_in_an_event_is_found() {
    let left = Left::new();
    let name = left.name_of(ASHA_CHAIN);
    let mut event = Filed::default();
    left.tamper(|rows| event = rows.first_event(ASHA_CHAIN));
    let (key, whole) = event;
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        left.tamper(|rows| rows.put(&key, &bytes));
        let (code, said) = left.verify();
        assert_eq!(code, Some(4), "byte {place}: {said}");
        let mut lines = said.lines();
        let mut begins = |words: &str| lines.next().is_some_and(|line| line.starts_with(words));
        assert!(begins(&format!("BROKEN the event of chain {name}: ")), "byte {place}: {said}");
        assert!(begins(&format!("BROKEN {ASHA_CHAIN}: event 1 is missing")), "{place}: {said}");
    }
    left.tamper(|rows| rows.put(&key, &whole));
    assert_eq!(left.verify().0, Some(0));
}

/// Who has the keys as well can seal what he alters; the chain's hash still shows it.
#[test]
fn every_bit_flipped_in_what_an_event_seals_is_found() {
    let left = Left::new();
    let mut event = Filed::default();
    let mut whole = Vec::new();
    left.tamper(|rows| {
        event = rows.first_event(ASHA_CHAIN);
        whole = rows.open(&event);
    });
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        left.tamper(|rows| rows.put_sealed(&event.0, bytes));
        let (code, said) = left.verify();
        assert_eq!(code, Some(4), "byte {place}: {said}");
        assert!(said.contains(&format!("BROKEN {ASHA_CHAIN}: ")), "byte {place}: {said}");
    }
    left.tamper(|rows| rows.put(&event.0, &event.1));
    assert_eq!(left.verify().0, Some(0));
}

#[test]
fn a_dropped_event_is_found() {
    found("BROKEN account/ACC000000002: event 1 is missing", |rows| {
        rows.drop(&rows.first_event(ASHA_CHAIN).0);
    });
}

#[test]
fn a_cut_off_end_is_found() {
    found("BROKEN account/ACC000000002: the chain ends at 2 but the record says 3", |rows| {
        rows.drop(&rows.last_event(ASHA_CHAIN).0);
    });
}

#[test]
fn two_swapped_events_are_found() {
    found("BROKEN account/ACC000000002: the event of chain ", |rows| {
        let (first, last) = (rows.first_event(ASHA_CHAIN), rows.last_event(ASHA_CHAIN));
        rows.put(&first.0, &last.1);
        rows.put(&last.0, &first.1);
    });
    found("BROKEN account/ACC000000002: event 1 is missing or out of place", |rows| {
        let (first, last) = (rows.first_event(ASHA_CHAIN), rows.last_event(ASHA_CHAIN));
        rows.put_sealed(&first.0, rows.open(&last));
        rows.put_sealed(&last.0, rows.open(&first));
    });
}

#[test]
fn an_event_of_another_chain_is_found() {
    found("BROKEN account/ACC000000002: event 1 is missing", |rows| {
        rows.put(&rows.first_event(ASHA_CHAIN).0, &rows.first_event(JOHN_CHAIN).1);
    });
    found("BROKEN account/ACC000000002: the chain ends at 0 but the record says 3", |rows| {
        let other = rows.open(&rows.first_event(JOHN_CHAIN));
        rows.put_sealed(&rows.first_event(ASHA_CHAIN).0, other);
    });
}

#[test]
fn an_event_of_no_chain_is_found() {
    let key = |rows: &Rows| [&rows.place(b"e", NOBODY)[..], &1_u64.to_be_bytes()].concat();
    let left = Left::new();
    left.tamper(|rows| rows.put(&key(rows), &rows.first_event(ASHA_CHAIN).1));
    left.is_broken(&format!("BROKEN the event of chain {}: ", left.name_of(NOBODY)));
    found("BROKEN 1 events belong to no chain", |rows| {
        let mut event = Event::decode(&rows.open(&rows.first_event(ASHA_CHAIN))).unwrap();
        event.subject = Subject::parse(NOBODY).unwrap();
        rows.put_sealed(&key(rows), event.encode().unwrap());
    });
}

#[test]
fn a_dropped_record_is_found() {
    found("BROKEN 3 events belong to no chain", |rows| {
        rows.drop(&rows.place(b"r", ASHA_CHAIN));
    });
}

#[test]
fn a_store_in_use_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let kunji = Kunji::sandbox_in(folder.path());
    let path = folder.path().to_str().unwrap();
    fails(&["audit", "verify", "--data", path], "", 1, "is in use by another process");
    assert_eq!(kunji.stop(), Some(0));
    done(&["audit", "verify", "--data", path], "");
    fails(&["audit", "verify", "--data", "/nowhere"], "", 1, "there is no sandbox at /nowhere");
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let left = Left::new();
    let store = left.folder.path().join("store");
    let config = of_folder(left.folder.path());
    let args = ["audit", "verify", "--config", config.to_str().unwrap()];
    fails(&args, "", 1, &format!("there is no store at {}", store.display()));
    assert!(!store.exists());
}

#[test]
fn keys_that_are_not_there_are_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let config = of_folder(folder.path());
    let args = ["audit", "verify", "--config", config.to_str().unwrap()];
    let keys = folder.path().join("keys.sealed");
    fails(&args, "", 1, &format!("there is no key file at {}", keys.display()));
    let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(left.collect::<Vec<_>>(), [config], "nothing was made");
}

/// A configuration with a store and keys in this folder.
fn of_folder(folder: &Path) -> PathBuf {
    let at = folder.display();
    let text = format!(
        "[store]\nurl = 'fjall:{at}/store'\n\
         [vault]\nkey_file = '{at}/keys.sealed'\nunseal_file = '{at}/unseal.key'\n"
    );
    config(folder, &text)
}

fn config(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("kunji.toml");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn rotated_keys_still_open_what_was_made_before() {
    let left = Left::new();
    let kunji = Kunji::sandbox_in(left.folder.path());
    let first = kids(&kunji);
    let before = sealed_change(&maker(&kunji, BlockAlg::EcdhEs), ASHA, "804913", "590284");
    let rsa = sealed_change(&maker(&kunji, BlockAlg::RsaOaep256), ASHA, "590284", "916047");
    kunji.change_live(&change_john("4826", "7391"));
    kunji.post("/api/axis/upi/otp/request", &[("X-Kunji-Mode", "live")], &otp_request());
    let otp = kunji.otp("918888888803");
    assert_eq!(kunji.stop(), Some(0));

    let args = ["keys", "rotate", "--data", left.path(), "--output", "json"];
    let rotated = json_of(&done(&args, ""));
    assert!(rotated["kids"].as_array().unwrap().len() >= 2);

    let kunji = Kunji::sandbox_in(left.folder.path());
    let second = kids(&kunji);
    assert_eq!(second.len(), first.len() * 2);
    assert_eq!(second[first.len()..], first, "the old keys stay, after the new ones");
    assert_eq!(json!(second), rotated["kids"]);
    assert_eq!(kunji.verify("account", "ACC123456789", "7391"), "verified");
    assert_eq!(kunji.otp("918888888803"), otp, "a message sealed before is still read");
    assert_eq!(kunji.change_live(&before).status, 200);
    assert_eq!(kunji.change_live(&rsa).status, 200);
    let maker = maker(&kunji, BlockAlg::EcdhEs);
    assert_eq!(maker.kid(), second[0]);
    assert_eq!(kunji.change_live(&sealed_change(&maker, ASHA, "916047", "264817")).status, 200);
    let (status, said) =
        kunji.prepaid(ureq::http::Method::POST, crate::support::RESET_PIN, &reset("481926"));
    assert_eq!((status, &said["responseCode"]), (200, &json!("00")));
    assert_eq!(kunji.stop(), Some(0));

    done(&["keys", "rotate", "--data", left.path()], "");
    let kunji = Kunji::sandbox_in(left.folder.path());
    assert_eq!(kunji.verify("account", "ACC000000002", "264817"), "verified");
    assert_eq!(kunji.verify("account", "ACC123456789", "7391"), "verified");
    assert_eq!(kunji.verify("card", "70000000008", "481926"), "verified");
    assert_eq!(kunji.stop(), Some(0));
    assert_eq!(left.verify().0, Some(0));
}

fn kids(kunji: &Kunji) -> Vec<String> {
    let keys = kunji.get("/.well-known/jwks.json").json();
    let blocks = keys["keys"].as_array().unwrap().iter().filter(|key| key["use"] == "enc");
    blocks.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn otp_request() -> Value {
    json!({"OTPRequest": {
        "SubHeader": {
            "requestUUID": "r", "serviceRequestId": "s", "serviceRequestVersion": "1.0",
            "channelId": "TEST",
        },
        "OTPRequestBody": {
            "customerId": "CIF00000003", "bankId": "AXIS", "txnId": fresh("OTP"),
            "device": { "mobile": "918888888803" },
            "ac": { "accRefNumber": "ACC000000003" },
            "card": "123456", "expiry": "12/2035",
        },
    }})
}

#[test]
fn a_repeat_from_before_a_rotation_is_still_known() {
    let left = Left::new();
    let kunji = Kunji::sandbox_in(left.folder.path());
    let txn = fresh("V");
    let body = json!({ "txn": txn, "pin": sealed(
        &maker(&kunji, BlockAlg::EcdhEs), "111111", PinUse::Mpin, &txn,
    ) });
    let ask = |kunji: &Kunji| {
        let path = "/kunji/v1/credentials/account/ACC000000002/verify";
        kunji.post(path, &[("Authorization", "Bearer sandbox")], &body).text()
    };
    let first = ask(&kunji);
    assert!(first.contains("wrong_pin"), "{first}");
    assert_eq!(kunji.stop(), Some(0));
    done(&["keys", "rotate", "--data", left.path()], "");
    let kunji = Kunji::sandbox_in(left.folder.path());
    assert_eq!(ask(&kunji), first);
}

#[test]
fn there_is_nothing_to_rotate_without_a_key_file() {
    fails(&["keys", "rotate", "--data", "/nowhere"], "", 1, "there is no key file at");
    assert!(!Path::new("/nowhere").exists());
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = done(&["completions", shell], "");
        for word in ["sandbox", "serve", "pin-block", "audit", "zero-iv"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
}

/// A reader that wants the first line only.
fn head(command: &mut Command) -> (Option<i32>, String) {
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(process.stdout.take());
    let output = process.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_eq!(Kunji::sandbox_in(&data).stop(), Some(0));
    let data = data.to_str().unwrap();
    let unseal = folder.path().join("secrets/unseal.key");
    let apart = format!("[vault]\nunseal_file = '{}'\n", unseal.display());
    let config = config(folder.path(), &apart);
    let config = config.to_str().unwrap();
    for args in [
        &["completions", "bash"][..],
        &["completions", "zsh"],
        &["check-config", "--config", config],
        &["check-config", "--config", config, "--output", "json"],
        &["audit", "verify", "--data", data],
        &["sign", "v2", "--sandbox", "--customer", "1234567"],
        &["--help"],
        &["--version"],
    ] {
        let mut command = Command::new(KUNJI);
        let (code, error) = head(command.args(args).stdin(Stdio::null()));
        assert_eq!((code, error.as_str()), (Some(0), ""), "{args:?}");
    }
    // A device that is full is one.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = Command::new(KUNJI).args(["completions", "bash"]).stdout(full).output().unwrap();
    assert_eq!(status.status.code(), Some(1));
}

#[test]
fn check_config_says_what_it_comes_to() {
    let (code, said, warned) = run(&["check-config"], "");
    assert!(code == Some(0) && said.starts_with("Config {"), "{warned}");
    assert!(warned.starts_with("kunji: warning: vault.unseal_file: lies beside"), "{warned}");
    let said = json_of(&done(&["check-config", "--output", "json"], ""));
    assert_eq!(said["valid"], true);
    assert!(said["warnings"][0].as_str().unwrap().starts_with("vault.unseal_file: "), "{said}");
}

#[test]
fn each_command_ends_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let bad = config(folder.path(), "[pins]\ntries_max = 9\n");
    let bad = bad.to_str().unwrap();
    let seed = folder.path().join("seed.toml");
    fs::write(&seed, "[[account]]\npin = 's3cret'\n").unwrap();
    let seed = seed.to_str().unwrap();
    for (args, expected) in [
        (&["--version"][..], 0),
        (&["--help"], 0),
        (&["audit", "--help"], 0),
        (&[], 2),
        (&["nonsense"], 2),
        (&["serve", "--listen", "nowhere"], 2),
        (&["completions", "tcsh"], 2),
        (&["token", "decrypt"], 2),
        (&["check-config", "--config", bad], 3),
        (&["serve", "--config", bad], 3),
        (&["audit", "verify", "--config", bad], 3),
        (&["keys", "rotate", "--config", bad], 3),
        (&["check-config", "--config", "/nowhere"], 3),
        (&["sandbox", "--seed", seed], 3),
        (&["sandbox", "--seed", "/nowhere"], 3),
        (&["token", "decrypt", "--key", "short"], 1),
    ] {
        let (code, _, error) = run(args, "");
        assert_eq!(code, Some(expected), "{args:?}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn a_bad_seed_is_told_without_its_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed.toml");
    let good = "customer = 'C1'\nname = 'A'\nborn = '1985-11-30'\nmobile = '919000000000'\n\
        reference = 'ACC1'\nifsc = 'X'\nmasked = '*'\nvpas = ['a@axis']\n";
    for (line, words) in [
        ("pin_length = '730582'", "expected u8 in line 10"),
        ("pin_length = 7\npin = '730582'", "the seed of ACC1 has a bad pin_length"),
        ("pin_length = 6\npin = '7305827305827'", "the seed of ACC1 has a bad pin"),
        ("pin_length = 6\npin = 730582", "the seed of ACC1 has a bad pin"),
        ("pin_length = 6\npni = '730582'", "unknown field `pni`"),
        ("pin_length = 6\npin = '730582", "the seed is not well formed"),
    ] {
        fs::write(&path, format!("[[account]]\n{good}{line}\n")).unwrap();
        let (code, _, error) = run(&["sandbox", "--seed", path.to_str().unwrap()], "");
        assert_eq!(code, Some(3), "{error}");
        assert!(error.contains(words) && !error.contains("730582"), "{line}: {error}");
    }
}

#[test]
fn an_emptied_store_does_not_hold() {
    let left = Left::new();
    let store = left.folder.path().join("store-1");
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::create_dir(&store).unwrap();
    let (code, said) = left.verify();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("the store is empty"), "{said}");
}

#[test]
fn a_directory_names_its_own_stores_only() {
    let left = Left::new();
    for name in ["../store-1", "/etc", "", "store-", "store-1/../../x"] {
        std::fs::write(left.folder.path().join("current"), name).unwrap();
        fails(&["audit", "verify", "--data", left.path()], "", 1, "there is no sandbox at");
        fails(&["sandbox", "--data", left.path(), "--listen", "127.0.0.1:0"], "", 1, "directory");
    }
}
