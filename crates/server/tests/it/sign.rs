//! `kunji sign`: what it prints is right, and works when pasted.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kunji_vault::{HmacKey, JweParts, JwsParts, RsaPrivate, RsaPublic, RsaScheme};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{Answer, Kunji, fresh, put_private, run};

const KEY: &str = include_str!("../../../vault/tests/vectors/merchant-stock.jwk.json");
const PEM: &str = include_str!("../../../vault/tests/vectors/merchant-stock.private.pem");
const PUBLIC: &str = include_str!("../../../vault/tests/vectors/merchant-stock.public.pem");
const SECRET: &str = "sandbox-checksum-secret";
const PROCESS: &str = "/hyper/v1/process";

/// Runs `kunji sign ...`, which must succeed and say nothing on standard error.
#[track_caller]
fn signed(args: &[&str], input: &str) -> String {
    let (code, said, error) = run(&[&["sign"], args].concat(), input);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{args:?}");
    said
}

#[track_caller]
fn members(args: &[&str], input: &str) -> Value {
    let text = signed(args, input);
    let whole: Value = serde_json::from_str(&format!("{{{text}}}")).unwrap();
    let json = signed(&[args, &["--output", "json"]].concat(), input);
    let json: Value = serde_json::from_str(&json).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&whole), names(&json));
    whole
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn public() -> RsaPublic {
    RsaPublic::parse(PUBLIC).unwrap()
}

/// The payload of version 2, proven.
#[track_caller]
fn opened_v2(members: &Value) -> String {
    let payload = text(&members["signaturePayload"]);
    let signature = STANDARD.decode(text(&members["signature"])).unwrap();
    assert!(public().verifies(RsaScheme::Pkcs1, &[payload.as_bytes()], &signature));
    payload
}

/// The payload of a JWS, proven.
#[track_caller]
fn opened_jws(jws: &JwsParts) -> Value {
    let header = URL_SAFE_NO_PAD.decode(&jws.protected).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header, json!({"alg": "RS256", "kid": "stock-test-1"}));
    serde_json::from_slice(&jws.verified(&public()).unwrap()).unwrap()
}

#[test]
fn v2_is_made_for_a_customer_or_of_what_is_given() {
    let args = ["v2", "--sandbox", "--customer", "1234567"];
    let made = members(&args, "");
    assert_eq!(made["merchantKeyId"], "stock-test-1");
    let payload: Value = serde_json::from_str(&opened_v2(&made)).unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    let at: i64 = text(&payload["timestamp"]).parse().unwrap();
    assert!((now - 60_000..=now).contains(&at));
    let expected = json!({
        "merchant_id": "stock", "customer_id": "1234567", "timestamp": at.to_string(),
    });
    assert_eq!(payload, expected);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    for key in [KEY, PEM] {
        put_private(&path, key);
        let source = format!("file:{}", path.to_str().unwrap());
        let made = members(
            &[
                "v2",
                "--key",
                &source,
                "--kid",
                "k1",
                "--merchant",
                "shop",
                "--customer",
                "c.1",
                "--phone",
                "919876543210",
                "--timestamp",
                "1700000000000",
            ],
            "",
        );
        assert_eq!(made["merchantKeyId"], "k1");
        let payload: Value = serde_json::from_str(&opened_v2(&made)).unwrap();
        let expected = json!({
            "merchant_id": "shop",
            "customer_id": "c.1",
            "customer_phone": "919876543210",
            "timestamp": "1700000000000",
        });
        assert_eq!(payload, expected);
    }

    // Byte for byte, apart from the last line break.
    let odd = "{ \"z\":1,\t\"a\": \"\u{915}\" }";
    assert_eq!(opened_v2(&members(&["v2", "--sandbox"], &format!("{odd}\n"))), odd);
}

#[test]
fn v3_is_a_jws_in_three_members() {
    let read = |made: &Value| JwsParts {
        protected: text(&made["protected"]),
        payload: text(&made["signaturePayload"]),
        signature: text(&made["signature"]),
    };
    let args = ["v3", "--sandbox", "--customer", "1234567", "--timestamp", "1700000000000"];
    let expected = json!({
        "merchantId": "stock",
        "merchantCustomerId": "1234567",
        "merchantChannelId": "STOCKAPP",
        "timestamp": "1700000000000",
    });
    assert_eq!(opened_jws(&read(&members(&args, ""))), expected);
    let given = json!({"merchantId": "x", "more": [1]});
    let made = members(&["v3", "--sandbox"], &given.to_string());
    assert_eq!(opened_jws(&read(&made)), given);
}

/// The headers as they are pasted, by name.
#[track_caller]
fn headers(args: &[&str], body: &str) -> Vec<(String, String)> {
    let text = signed(args, body);
    let read = |line: &str| {
        let flag = line.strip_suffix(" \\").unwrap_or(line);
        let header = flag.strip_prefix("-H '").and_then(|rest| rest.strip_suffix('\''));
        let (name, value) = header.unwrap_or_else(|| panic!("{line}")).split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    text.lines().map(read).collect()
}

#[test]
fn checksums_and_signatures_cover_ids_time_and_body() {
    const BODY: &str = "{\"upiNumber\":\"87654321\"}";
    let named = ["--merchant", "shop", "--channel", "SHOPAPP", "--timestamp", "1700000000000"];
    let parts: [&[u8]; 4] = [b"shop", b"SHOPAPP", b"1700000000000", BODY.as_bytes()];
    let args = [&["checksum", "--key", "s3cret"], &named[..]].concat();
    for body in [BODY.to_owned(), format!("{BODY}\n")] {
        let made = headers(&args, &body);
        let names: Vec<_> = made.iter().map(|(name, _)| name.as_str()).collect();
        let expected =
            ["x-merchant-id", "x-merchant-channel-id", "x-timestamp", "x-merchant-checksum"];
        assert_eq!(names, expected);
        let values: Vec<_> = made.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values[..3], ["shop", "SHOPAPP", "1700000000000"]);
        assert!(HmacKey::parse("s3cret").unwrap().accepts(&parts, values[3]));
    }
    let args = [&["signature", "--key", KEY], &named[..]].concat();
    let made = headers(&args, BODY);
    assert_eq!(made[3].0, "x-merchant-signature");
    let hex = &made[3].1;
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let signature: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    assert!(public().verifies(RsaScheme::Pss, &parts, &signature));
    let json = signed(&[&args[..], &["--output", "json"]].concat(), BODY);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["x-merchant-id"], "shop");
    assert_eq!(json.as_object().unwrap().len(), 4);
}

#[test]
fn a_jws_gets_its_time_and_a_jwe_is_sealed_for_the_server() {
    let jws = |args: &[&str], input: &str| -> Value {
        let said = signed(args, input);
        assert_eq!(said.lines().count(), 1);
        opened_jws(&serde_json::from_str(&said).unwrap())
    };
    let made = jws(&["jws", "--sandbox", "--timestamp", "1700000000000"], "{\"a\":\"b\"}");
    assert_eq!(made, json!({"a": "b", "iat": 1_700_000_000_000_u64}));
    let made = jws(&["jws", "--sandbox"], "{\"iat\":\"1\"}");
    assert_eq!(made, json!({"iat": "1"}));

    // A key set of our own, so that what was sealed can be opened.
    let mut key: Value = serde_json::from_str(KEY).unwrap();
    let secret = ["d", "p", "q", "dp", "dq", "qi"];
    key.as_object_mut().unwrap().retain(|name, _| !secret.contains(&name.as_str()));
    key["kid"] = json!("server-1");
    key["use"] = json!("enc");
    key["alg"] = json!("RSA-OAEP-256");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    fs::write(&path, json!({ "keys": [key] }).to_string()).unwrap();
    let said = signed(&["jwe", "--sandbox", "--jwks", path.to_str().unwrap()], "{\"a\":\"b\"}");
    let jwe: JweParts = serde_json::from_str(&said).unwrap();
    let opened = RsaPrivate::parse(KEY).unwrap().open(&jwe).unwrap();
    assert_eq!(opened_jws(&opened)["a"], "b");
}

/// Fails with this code, in one line with these words, and without what was put in.
#[track_caller]
fn fails(args: &[&str], input: &str, expected: i32, words: &str) {
    let (code, said, error) = run(&[&["sign"], args].concat(), input);
    assert_eq!((code, said.as_str()), (Some(expected), ""), "{args:?}: {error}");
    assert!(error.contains(words), "{args:?}: {error}");
    assert!(!error.contains("hunter2"), "{error}");
    assert!(expected == 2 || error.lines().count() == 1, "{error}");
}

#[test]
fn what_cannot_be_signed_is_told() {
    fails(&["v2", "--customer", "1"], "", 2, "--key");
    fails(&["v2", "--sandbox", "--key", "hunter2"], "{}", 2, "--sandbox");
    fails(&["v2", "--sandbox", "--phone", "919876543210"], "{}", 2, "--customer");
    fails(&["v2", "--sandbox", "--customer", "1", "--timestamp", "now"], "", 2, "--timestamp");
    fails(&["v4", "--sandbox"], "{}", 2, "v4");
    for form in ["v2", "v3", "jws", "jwe"] {
        fails(&[form, "--sandbox"], "", 1, "standard input is no JSON object");
        fails(&[form, "--sandbox"], "[\"hunter2\"]", 1, "standard input is no JSON object");
        fails(&[form, "--sandbox"], "{\"hunter2\":}", 1, "standard input is no JSON object");
        fails(&[form, "--key", "hunter2", "--kid", "k"], "{}", 1, "BEGIN RSA PRIVATE KEY");
        fails(&[form, "--key", PUBLIC, "--kid", "k"], "{}", 1, "a public key stands where");
        fails(&[form, "--key", KEY], "{}", 1, "--kid is missing");
    }
    for (form, key) in [("checksum", SECRET), ("signature", KEY)] {
        fails(&[form, "--key", key], "{}", 1, "--merchant is missing");
        fails(&[form, "--key", key, "--merchant", "m"], "{}", 1, "--channel is missing");
        let quoted = [form, "--key", key, "--merchant", "'; reboot", "--channel", "c"];
        fails(&quoted, "{}", 1, "--merchant is no id");
        fails(&[form, "--key", "env:NO_SUCH_VARIABLE"], "{}", 3, "--key");
        fails(&[form, "--key", "file:/nowhere"], "{}", 3, "--key");
    }
    fails(&["checksum", "--key", "whsec_hunter2"], "{}", 1, "--key: a secret");
    fails(&["jwe", "--sandbox", "--jwks", "/nowhere"], "{}", 1, "cannot be read");
    fails(&["jwe", "--sandbox", "--jwks", "http://127.0.0.1:1/"], "{}", 1, "cannot fetch");
    let long = "1".repeat(64 * 1024 + 1);
    fails(&["checksum", "--sandbox"], &long, 1, "longer than 64 KiB");
}

/// Sends an SDK payload with these members pasted in.
fn asked(kunji: &Kunji, members: &str) -> Answer {
    let body = format!(
        "{{\"requestId\":\"r\",\"service\":\"in.juspay.hyperapi\",\
         \"payload\":{{\"action\":\"upiGetSessionToken\",{members}}}}}"
    );
    kunji.send(Method::POST, PROCESS, &[("Content-Type", "application/json")], body)
}

#[test]
fn pasted_members_open_a_session() {
    let kunji = Kunji::sandbox();
    let now = jiff::Timestamp::now().as_millisecond().to_string();
    let v2 = json!({"merchant_id": "stock", "customer_id": "1234567", "timestamp": now});
    for (args, input) in [
        (&["v2", "--sandbox", "--customer", "1234567"][..], String::new()),
        (&["v2", "--sandbox", "--customer", "1234567", "--phone", "919876543210"], String::new()),
        (&["v2", "--sandbox"], v2.to_string()),
        (&["v3", "--sandbox", "--customer", "1234567"], String::new()),
    ] {
        let said = asked(&kunji, &signed(args, &input)).json();
        assert_eq!(said["error"], false, "{args:?}: {said}");
        assert_eq!(said["payload"]["status"], "LINKED", "{args:?}: {said}");
    }
    for args in [
        &["v2", "--sandbox", "--customer", "1234567", "--merchant", "broker", "--kid", "x"][..],
        &["v2", "--sandbox", "--customer", "1234567", "--kid", "another"],
        &["v2", "--sandbox", "--customer", "1234567", "--timestamp", "1700000000000"],
        &["v3", "--sandbox", "--customer", "1234567", "--channel", "ANOTHER"],
    ] {
        let said = asked(&kunji, &signed(args, "")).json();
        assert_eq!(said["errorCode"], "JP_012", "{args:?}: {said}");
    }
    // The other merchant has a key and a customer of its own.
    let args = ["v2", "--sandbox", "--merchant", "broker", "--customer", "88001"];
    let said = asked(&kunji, &signed(&args, "")).json();
    assert_eq!(said["payload"]["status"], "LINKED", "{said}");
}

#[test]
fn pasted_headers_and_bodies_are_let_in() {
    const FETCH: &str = "/api/n2/merchants/upiNumber/fetch";
    let kunji = Kunji::sandbox();
    let jwks = format!("{}/.well-known/jwks.json", kunji.base);
    let ask = || {
        let txn = format!("{:0<35}", fresh("STK"));
        json!({"merchantCustomerId": "1234567", "upiRequestId": txn}).to_string()
    };
    for form in ["checksum", "signature"] {
        let body = ask();
        let made = headers(&[form, "--sandbox"], &body);
        let mut all = vec![("Content-Type", "application/json")];
        all.extend(made.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let answer = kunji.send(Method::POST, FETCH, &all, body);
        assert_eq!(answer.status, 200, "{form}: {answer:?}");
        assert_eq!(answer.json()["responseCode"], "SUCCESS", "{form}: {answer:?}");
    }
    let named = [
        ("Content-Type", "application/json"),
        ("x-merchant-id", "stock"),
        ("x-merchant-channel-id", "STOCKAPP"),
    ];
    for args in [&["jws", "--sandbox"][..], &["jwe", "--sandbox", "--jwks", &jwks]] {
        let answer = kunji.send(Method::POST, FETCH, &named, signed(args, &ask()));
        assert_eq!(answer.status, 200, "{args:?}: {answer:?}");
        assert!(answer.json()["protected"].is_string(), "{args:?}: {answer:?}");
    }
    let body = ask();
    let made = headers(
        &["checksum", "--key", SECRET, "--merchant", "stock", "--channel", "STOCKAPP"],
        &body,
    );
    assert_eq!(made[0].1, "stock");
}
