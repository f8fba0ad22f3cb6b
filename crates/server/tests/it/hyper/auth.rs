//! Who asks: signatures of both versions and sessions; nobody is told why not.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kunji_vault::{HmacKey, RsaScheme};
use serde_json::{Value, json};
use ureq::http::Method;

use super::client::{
    App, PROCESS, SESSION, cancel, change_creds, envelope, key, now_ms, signed_v2, signed_v3,
    submit, vouched, with,
};
use super::shape::{error_text, said};
use super::{ACC_2, ARJUN, NISHA, PIN_2, code};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::watched::Watched;
use crate::support::{Answer, KUNJI, Kunji};

const ANY: &str = "any action";
const MINUTE_MS: i64 = 60_000;
const KEY: &str = "stock-test-1";

const CASES: Table = Table {
    dialect: "hyper",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        ANY, "signature v2, up to 15 minutes old or 5 minutes ahead" => 200 "00",
            |kunji| same([0, -14, 4].map(|minutes| {
                accepted(kunji, &v2(NISHA, minutes * MINUTE_MS))
            }));
        ANY, "signature v2 over a text with the customer's phone, in any spelling" => 200 "00",
            |kunji| same(["9876543210", "919876543210"].map(|phone| {
                let text = vouched("stock", NISHA, now_ms(), Some(phone));
                accepted(kunji, &signed_v2(KEY, &text))
            }));
        ANY, "signature v2 over a text with blanks, another order, further members" => 200 "00",
            |kunji| {
                let now = now_ms();
                accepted(kunji, &signed_v2(KEY, &format!(
                    "{{ \"timestamp\":\"{now}\",\n\"more\":[1], \"customer_id\" : \"{NISHA}\", \
                     \"merchant_id\":\"stock\" }}"
                )))
            };
        ANY, "signature v3" => 200 "00", |kunji| accepted(kunji, &signed_v3(&claims(now_ms())));
        ANY, "the session that a signature opened" => 200 "00",
            |kunji| said(&App::let_in(kunji, NISHA).process("upiGetBankList", &json!({})));
        ANY, "signature v2 that is forged, altered, cut, or over another text" => 200 "JP_012",
            forged;
        ANY, "signature v2 that is 16 minutes old, or 6 minutes ahead" => 200 "JP_012",
            |kunji| refused(kunji, &[v2(NISHA, -16 * MINUTE_MS), v2(NISHA, 6 * MINUTE_MS)]);
        ANY, "another key's id, or another merchant's" => 200 "JP_012", other_key;
        ANY, "an auth group that is incomplete or mistyped" => 200 "JP_012", incomplete;
        ANY, "a signed text that is no claim" => 200 "JP_012", no_claim;
        ANY, "signature v3 with `none`, HS256, padding, or parts of another one" => 200 "JP_012",
            forged_v3;
        ANY, "signature v3 with claims that do not fit" => 200 "JP_012", bad_claims;
        ANY, "neither a signature nor a session" => 200 "JP_012",
            |kunji| refused(kunji, &[json!({})]);
        ANY, "a session that is over after 15 minutes" => 200 "JP_012", late_session;
        ANY, "the oldest of nine sessions" => 200 "JP_012",
            |kunji| {
                let nine: Vec<_> = (0..9).map(|_| App::let_in(kunji, NISHA)).collect();
                for app in &nine[1..] {
                    assert_eq!(code(&app.process("upiGetBankList", &json!({}))), "00");
                }
                denied(&nine[0].process_as("R", "upiGetBankList", &json!({})))
            };
        ANY, "a session that is altered, somebody else's name on it, or none" => 200 "JP_012",
            bad_session;
        ANY, "a signature beside another customer's session" => 200 "JP_012", two_customers;
        ANY, "the merchant vouches for another mobile number" => 200 "JP_012", other_phone;
        "a capture", "another session, of the same customer or not" => 200 "JP_012",
            other_s_capture;
        "upiGetSessionToken", "by a session alone" => 200 "JP_012",
            |kunji| said(&App::let_in(kunji, NISHA).process("upiGetSessionToken", &json!({})));
        "updateAuth", "by a signature, beside a session that is over" => 200 "00",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                kunji.advance("16m");
                assert_eq!(said(&app.process("upiGetBankList", &json!({}))).code, "JP_012");
                let answer = app.process("updateAuth", &app.signature());
                let session = answer.header("x-kunji-session").unwrap().to_owned();
                assert_ne!(Some(session), app.session);
                said(&answer)
            };
        "updateAuth", "by a session alone" => 200 "JP_012",
            |kunji| said(&App::let_in(kunji, NISHA).process("updateAuth", &json!({})));
    },
};

tables! {
    every_proof_of_identity_is_the_contract_s plays CASES;
}

/// Asks for something harmless with this auth group.
fn asked(kunji: &Kunji, group: &Value) -> Answer {
    kunji.post(PROCESS, &[], &envelope("R", "upiGetBankList", group))
}

#[track_caller]
fn accepted(kunji: &Kunji, group: &Value) -> Said {
    let said = said(&asked(kunji, group));
    assert_eq!(said.code, "00");
    said
}

/// The one text of every failure.
#[track_caller]
fn denied(answer: &Answer) -> Said {
    assert_eq!(answer.text(), error_text("R", "JP_012", "Invalid authentication data"));
    said(answer)
}

#[track_caller]
fn refused(kunji: &Kunji, groups: &[Value]) -> Said {
    let answers: Vec<_> = groups
        .iter()
        .map(|group| {
            // For an action with side effects as well.
            denied(&kunji.post(PROCESS, &[], &envelope("R", "upiGetSessionToken", group)));
            denied(&asked(kunji, group))
        })
        .collect();
    same(answers)
}

fn v2(customer: &str, off_ms: i64) -> Value {
    signed_v2(KEY, &vouched("stock", customer, now_ms() + off_ms, None))
}

fn claims(at_ms: i64) -> Value {
    json!({
        "merchantId": "stock",
        "merchantCustomerId": NISHA,
        "merchantChannelId": "STOCKAPP",
        "timestamp": at_ms.to_string(),
    })
}

fn text<'a>(group: &'a Value, member: &str) -> &'a str {
    group[member].as_str().unwrap()
}

fn forged(kunji: &Kunji) -> Said {
    let good = v2(NISHA, 0);
    let signed = text(&good, "signaturePayload").to_owned();
    let signature = STANDARD.decode(text(&good, "signature")).unwrap();
    let with_text = |text: String| with(good.clone(), &json!({ "signaturePayload": text }));
    let with_bytes =
        |bytes: &[u8]| with(good.clone(), &json!({ "signature": STANDARD.encode(bytes) }));
    let mut flipped = signature.clone();
    flipped[17] ^= 1;
    let now = now_ms();
    let pss = key().sign(RsaScheme::Pss, &[signed.as_bytes()]).unwrap();
    let padded = text(&good, "signature").to_owned();
    let said = refused(
        kunji,
        &[
            with_text(signed.replace("1234567", "7654321")),
            with_text(signed.replace("stock", "broker")),
            with_text(format!("{signed} ")),
            with_text(signed.replace(',', ", ")),
            with_text(signed.replace("customer_id", "customer_\\u0069d")),
            with_text(format!(
                "{{\"customer_id\":\"{NISHA}\",\"merchant_id\":\"stock\",\"timestamp\":\"{now}\"}}"
            )),
            with_bytes(&flipped),
            with_bytes(&signature[..255]),
            with_bytes(&[&signature[..], &[0]].concat()),
            with_bytes(&[]),
            with_bytes(&[0; 256]),
            with_bytes(&[1; 256]),
            with_bytes(&pss),
            with(good.clone(), &json!({ "signature": padded.trim_end_matches('=') })),
            with(good.clone(), &json!({ "signature": URL_SAFE_NO_PAD.encode(&signature) })),
            with(good.clone(), &json!({ "signature": format!("{padded}\n") })),
            with(good.clone(), &json!({ "signature": format!(" {padded}") })),
            with(good.clone(), &json!({ "signature": "x".repeat(40_000) })),
        ],
    );
    accepted(kunji, &good);
    said
}

fn other_key(kunji: &Kunji) -> Said {
    let now = now_ms();
    let stock = vouched("stock", NISHA, now, None);
    let broker = vouched("broker", "88001", now, None);
    // The other merchant's own key is good for its own customers.
    accepted(kunji, &signed_v2("broker-test-1", &broker));
    refused(
        kunji,
        &[
            signed_v2("stock-test-2", &stock),
            signed_v2("", &stock),
            signed_v2("STOCK-TEST-1", &stock),
            signed_v2("broker-test-1", &stock),
            signed_v2(KEY, &broker),
            signed_v2(KEY, &vouched("nobody", NISHA, now, None)),
            signed_v2(KEY, &vouched("", NISHA, now, None)),
        ],
    )
}

fn incomplete(kunji: &Kunji) -> Said {
    let good = v2(NISHA, 0);
    let mut groups = Vec::new();
    for member in ["merchantKeyId", "signature", "signaturePayload"] {
        let mut group = good.clone();
        group.as_object_mut().unwrap().remove(member);
        groups.push(group);
        for value in [json!(null), json!(7), json!([]), json!({}), json!("")] {
            groups.push(with(good.clone(), &json!({ member: value })));
        }
    }
    let v3 = signed_v3(&claims(now_ms()));
    for member in ["signature", "signaturePayload"] {
        let mut group = v3.clone();
        group.as_object_mut().unwrap().remove(member);
        groups.push(group);
    }
    for value in [json!(null), json!(7), json!("")] {
        groups.push(with(v3.clone(), &json!({ "protected": value })));
    }
    let mut bare = v3;
    bare.as_object_mut().unwrap().remove("protected");
    groups.push(bare);
    refused(kunji, &groups)
}

fn no_claim(kunji: &Kunji) -> Said {
    let now = now_ms();
    let texts = [
        "{}".to_owned(),
        "[]".to_owned(),
        "\"x\"".to_owned(),
        format!("[\"stock\",\"{NISHA}\",\"{now}\"]"),
        format!("{{\"merchant_id\":\"stock\",\"customer_id\":\"{NISHA}\",\"timestamp\":{now}}}"),
        format!("{{\"merchant_id\":\"stock\",\"customer_id\":{NISHA},\"timestamp\":\"{now}\"}}"),
        vouched("stock", "", now, None),
        vouched("stock", "a/b", now, None),
        vouched("stock", NISHA, now, Some("12345")),
        vouched("stock", NISHA, now, Some("")),
        vouched("stock", NISHA, now, Some("98765x3210")),
        vouched("stock", NISHA, now, None).replace(&now.to_string(), "now"),
        vouched("stock", NISHA, now, None).replace(&now.to_string(), ""),
        vouched("stock", NISHA, now, None).replace(&now.to_string(), "234562345"),
        vouched("stock", NISHA, now, None).replace(&now.to_string(), "-1"),
        vouched("stock", NISHA, now, None).replace(&now.to_string(), "99999999999999999999"),
        format!("{}{}", vouched("stock", NISHA, now, None), "{}"),
        vouched("stock", NISHA, now, None).replace('}', ",\"customer_id\":\"7654321\"}"),
    ];
    let groups = texts.iter().map(|text| signed_v2(KEY, text)).collect::<Vec<_>>();
    refused(kunji, &groups)
}

fn jws(header: &Value, payload: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> Value {
    let protected = URL_SAFE_NO_PAD.encode(header.to_string());
    let signature = sign(format!("{protected}.{payload}").as_bytes());
    json!({
        "protected": protected,
        "signaturePayload": payload,
        "signature": URL_SAFE_NO_PAD.encode(signature),
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn forged_v3(kunji: &Kunji) -> Said {
    let good = signed_v3(&claims(now_ms()));
    let old = signed_v3(&claims(now_ms() - 5000));
    let payload = text(&good, "signaturePayload").to_owned();
    let rs256 = |input: &[u8]| key().sign(RsaScheme::Pkcs1, &[input]).unwrap();
    // The public key is no secret: HMAC under it proves nothing.
    let public = include_str!("../../../../vault/tests/vectors/merchant-stock.public.pem");
    let hmac = |input: &[u8]| bytes(&HmacKey::parse(public).unwrap().checksum(&[input]));
    let part = |member: &str, value: String| with(good.clone(), &json!({ member: value }));
    let said = refused(
        kunji,
        &[
            jws(&json!({ "alg": "none" }), &payload, |_| Vec::new()),
            jws(&json!({ "alg": "none" }), &payload, rs256),
            jws(&json!({ "alg": "HS256" }), &payload, hmac),
            jws(&json!({ "alg": "RS512" }), &payload, rs256),
            jws(&json!({ "alg": "PS256" }), &payload, rs256),
            jws(&json!({}), &payload, rs256),
            jws(&json!({ "alg": "RS256", "crit": ["b64"], "b64": false }), &payload, rs256),
            jws(&json!({ "alg": "RS256" }), &payload, |_| Vec::new()),
            part("signature", text(&old, "signature").to_owned()),
            part("signaturePayload", text(&old, "signaturePayload").to_owned()),
            part("signaturePayload", format!("{payload}=")),
            part("signaturePayload", payload.clone() + "AA"),
            part("signature", format!("{}==", text(&good, "signature"))),
            part("signature", text(&good, "signature")[1..].to_owned()),
            part("protected", format!("{}=", text(&good, "protected"))),
            part("protected", URL_SAFE_NO_PAD.encode("{\"alg\":\"RS256\",\"kid\":\"x\"}")),
            // Plain text where base64url belongs.
            part("signaturePayload", claims(now_ms()).to_string()),
        ],
    );
    accepted(kunji, &good);
    said
}

fn bad_claims(kunji: &Kunji) -> Said {
    let good = claims(now_ms());
    let late = claims(now_ms() - 16 * MINUTE_MS);
    let early = claims(now_ms() + 6 * MINUTE_MS);
    let mut groups = vec![signed_v3(&late), signed_v3(&early), signed_v3(&json!([good]))];
    for other in [
        json!({ "merchantId": "broker" }),
        json!({ "merchantId": "nobody" }),
        json!({ "merchantChannelId": "BROKERAPP" }),
        json!({ "merchantChannelId": "" }),
        json!({ "merchantCustomerId": "" }),
        json!({ "timestamp": now_ms() }),
    ] {
        groups.push(signed_v3(&with(good.clone(), &other)));
    }
    for member in ["merchantId", "merchantCustomerId", "merchantChannelId", "timestamp"] {
        let mut fewer = good.clone();
        fewer.as_object_mut().unwrap().remove(member);
        groups.push(signed_v3(&fewer));
    }
    refused(kunji, &groups)
}

fn late_session(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    kunji.advance("14m");
    assert_eq!(code(&app.process("upiGetBankList", &json!({}))), "00");
    // Using it does not prolong it.
    kunji.advance("1m");
    let capture = App::let_in(kunji, NISHA).open_change(ACC_2);
    let session = [(SESSION, app.session.as_deref().unwrap())];
    let creds = change_creds(kunji, &capture.txn, PIN_2, "590284");
    let late = kunji.post(&capture.path(), &session, &creds);
    assert_eq!(code(&late), "JP_012");
    assert_eq!(kunji.verify("account", ACC_2, PIN_2), "verified");
    denied(&app.process_as("R", "upiGetBankList", &json!({})))
}

fn bad_session(kunji: &Kunji) -> Said {
    let good = App::let_in(kunji, NISHA).session.unwrap();
    let (name, secret) = good.split_once('.').unwrap();
    let named = |profile: &str| format!("{}.{secret}", URL_SAFE_NO_PAD.encode(profile));
    let mut other = secret.to_owned();
    other.replace_range(..1, if secret.starts_with('A') { "B" } else { "A" });
    let shown = [
        format!("{name}.{other}"),
        format!("{name}."),
        format!("{name}.{secret}."),
        format!("{name}.{secret}="),
        format!(".{secret}"),
        format!("{good}x"),
        named("stock/7654321"),
        named("broker/1234567"),
        named("nobody/1234567"),
        named("stock/1234567/"),
        named("stock"),
        "x".to_owned(),
        "x".repeat(20_000),
        "\u{ff}".to_owned(),
    ];
    same(shown.iter().map(|session| {
        let app = App { session: Some(session.clone()), ..App::of(kunji, NISHA) };
        denied(&app.process_as("R", "upiGetBankList", &json!({})))
    }))
}

fn two_customers(kunji: &Kunji) -> Said {
    let other = App::let_in(kunji, ARJUN);
    let envelope = envelope("R", "upiGetBankList", &v2(NISHA, 0));
    assert_eq!(code(&App::let_in(kunji, NISHA).send(&envelope)), "00");
    denied(&other.send(&envelope))
}

fn other_phone(kunji: &Kunji) -> Said {
    let text = vouched("stock", NISHA, now_ms(), Some("9812345678"));
    let said = refused(kunji, &[signed_v2(KEY, &text)]);
    // Nothing was changed by it.
    accepted(kunji, &v2(NISHA, 0));
    said
}

fn other_s_capture(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let capture = app.open_change(ACC_2);
    let creds = change_creds(kunji, &capture.txn, PIN_2, "590284");
    let again = app.clone().renewed();
    let mut answers = Vec::new();
    for other in
        [App::let_in(kunji, ARJUN), again, App { session: Some("x".into()), ..app.clone() }]
    {
        let session = [(SESSION, other.session.as_deref().unwrap())];
        answers.push(kunji.post(&capture.path(), &session, &creds));
        answers.push(kunji.send(Method::DELETE, &capture.path(), &session, ""));
        let path = format!("{}/result", capture.path());
        answers.push(kunji.send(Method::GET, &path, &session, ""));
    }
    let text = error_text(&capture.request_id, "JP_012", "Invalid authentication data");
    for answer in &answers {
        assert_eq!(answer.text(), text);
    }
    assert_eq!(kunji.verify("account", ACC_2, PIN_2), "verified");
    // A capture that a signature opened is for any session of that customer.
    let signed = App::of(kunji, NISHA).open_change(ACC_2);
    let session = |app: &App<'_>| app.session.clone().unwrap();
    let other = session(&App::let_in(kunji, ARJUN));
    let refused = kunji.send(Method::DELETE, &signed.path(), &[(SESSION, &other)], "");
    assert_eq!(code(&refused), "JP_012");
    let own = session(&app);
    let left = kunji.send(Method::DELETE, &signed.path(), &[(SESSION, &own)], "");
    assert_eq!(code(&left), "JP_002");
    // The first one is still open for whom it belongs to.
    assert_eq!(code(&submit(kunji, &capture, &creds)), "00");
    assert_eq!(cancel(kunji, &capture).json()["error"], false);
    same(answers.iter().map(said))
}

#[test]
fn the_log_of_the_sandbox_says_why_where_the_answer_does_not() {
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
    let watched = Watched::start(command).unwrap();
    let app = App::of(&watched.kunji, NISHA);
    let stale = app.signature_at(now_ms() - 16 * MINUTE_MS);
    let mut forged = app.signature();
    forged["signaturePayload"] = json!(vouched("stock", ARJUN, now_ms(), None));
    let phone = vouched("stock", NISHA, now_ms(), Some("919876543210"));
    let phone = phone.replace("\"919876543210\"", "919876543210");
    let numeric = signed_v2("stock-test-1", &phone);
    for group in [stale, forged, numeric, json!({})] {
        let answer = app.send(&envelope("R", "upiGetBankList", &group));
        assert_eq!(answer.text(), error_text("R", "JP_012", "Invalid authentication data"));
    }
    let headers = [
        ("x-merchant-id", "stock"),
        ("x-merchant-channel-id", "STOCKAPP"),
        ("x-timestamp", "1795000000000"),
        ("x-merchant-checksum", "00"),
    ];
    let answer = watched.kunji.post("/api/n2/merchants/upiNumber/fetch", &headers, &json!({}));
    assert_eq!(answer.status, 401);
    let (_, said) = watched.stop();
    for why in [
        "timestamp is not within 15 minutes back and 5 ahead",
        "signature does not verify over the bytes of signaturePayload",
        "customer_phone is not a text",
        "no signature and no session",
        "x-merchant-checksum is not the lower-case hex HMAC-SHA-256",
    ] {
        assert!(said.contains(why), "{why}: {said}");
    }
}
