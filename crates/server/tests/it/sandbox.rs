//! What only the sandbox has: outbox, clock, reset, and the mode by header.

use serde_json::{Value, json};
use ureq::http::Method;

use crate::api::read;
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::shape::{is_iso, starred};
use crate::support::{Answer, Kunji, RESET_PIN, change_john, fresh, reset};

const OUTBOX: &str = "outbox";
const CLOCK: &str = "clock";
const RESET: &str = "reset";
const OUTBOX_PATH: &str = "/kunji/v1/sandbox/outbox";
const CLOCK_PATH: &str = "/kunji/v1/sandbox/clock";
const RESET_PATH: &str = "/kunji/v1/sandbox/reset";
const JOHN_S: &str = "918888888888";

/// The steering calls; `-` stands for an answer without a code.
const STEERING: Table = Table {
    dialect: "sandbox",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        OUTBOX, "nothing was sent" => 200 "-", nothing_sent;
        OUTBOX, "two OTPs were sent: the newest is first" => 200 "-", newest_first;
        OUTBOX, "a number without its country code" => 200 "-",
            |kunji| {
                ask_otp(kunji);
                let answer = outbox(kunji, "8888888888");
                assert_eq!(answer.text(), outbox(kunji, JOHN_S).text());
                assert_eq!(answer.json().as_array().unwrap().len(), 1);
                silent(&answer)
            };
        OUTBOX, "no number, or one that cannot be one" => 400 "invalid_request",
            |kunji| {
                same(
                    [
                        "",
                        "?to=",
                        "?to=x",
                        "?to=+918888888888",
                        "?to=9188888888881234",
                        "?from=918888888888",
                    ]
                    .map(|query| read(&kunji.get(&format!("{OUTBOX_PATH}{query}")))),
                )
            };
        CLOCK, "read" => 200 "-", read_clock;
        CLOCK, "pushed by days, hours, minutes, seconds, milliseconds" => 200 "-", pushed_clock;
        CLOCK, "back, too far, or no span" => 400 "invalid_request", bad_spans;
        CLOCK, "no or another content type than JSON" => 415 "not_json",
            |kunji| {
                read(&kunji.send(
                    Method::POST,
                    CLOCK_PATH,
                    &[("Content-Type", "text/plain")],
                    "{\"advance\":\"1s\"}",
                ))
            };
        CLOCK, "a body with a content coding" => 415 "encoded",
            |kunji| {
                let gzip = [("Content-Encoding", "gzip")];
                read(&kunji.post(CLOCK_PATH, &gzip, &json!({ "advance": "1s" })))
            };
        CLOCK, "a body of more than 64 KiB" => 413 "request_too_large",
            |kunji| {
                read(&kunji.send(
                    Method::POST,
                    CLOCK_PATH,
                    &[("Content-Type", "application/json")],
                    vec![b' '; 65_537],
                ))
            };
        RESET, "back to the seed: PINs, counters, OTPs, cards, receipts" => 204 "-",
            back_to_the_seed;
        RESET, "another content type than JSON, or a body without one: nothing is reset" => 415 "not_json",
            not_reset;
        "all calls", "a `Host` that could lead elsewhere" => 403 "foreign_host",
            |kunji| {
                same(["evil.test", "localhost.evil.test", "192.168.1.7"].map(|host| {
                    read(&kunji.send(Method::GET, CLOCK_PATH, &[("Host", host)], ""))
                }))
            };
        "all calls", "another web page asks" => 403 "foreign_origin",
            |kunji| {
                same(["http://evil.test", "http://localhost:3000", "null"].map(|origin| {
                    read(&kunji.send(Method::GET, CLOCK_PATH, &[("Origin", origin)], ""))
                }))
            };
        "all calls", "another method; `Allow` names the right one" => 405 "method_not_allowed",
            wrong_method;
    },
};

tables! {
    every_steering_call_does_what_it_says plays STEERING;
}

fn silent(answer: &Answer) -> Said {
    Said { http: answer.status, code: "-".to_owned() }
}

fn outbox(kunji: &Kunji, to: &str) -> Answer {
    kunji.get(&format!("{OUTBOX_PATH}?to={to}"))
}

fn ask_otp(kunji: &Kunji) {
    let body = json!({"OTPRequest": {
        "SubHeader": {
            "requestUUID": "req-1",
            "serviceRequestId": "NB.GEN.UPIAPI.OTPREQUEST",
            "serviceRequestVersion": "1.0",
            "channelId": "TEST",
        },
        "OTPRequestBody": {
            "customerId": "CIF12345678",
            "bankId": "AXIS",
            "txnId": fresh("OTP"),
            "card": "123456",
            "expiry": "12/2035",
        },
    }});
    let answer = kunji.post("/api/axis/upi/otp/request", &[("X-Kunji-Mode", "live")], &body);
    assert_eq!(answer.json()["OTPResponse"]["OTPResponseBody"]["code"], "00");
}

fn nothing_sent(kunji: &Kunji) -> Said {
    let answers = [JOHN_S, "919999999999", "1"].map(|to| outbox(kunji, to));
    for answer in &answers {
        assert_eq!(answer.text(), "[]");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    silent(&answers[0])
}

fn newest_first(kunji: &Kunji) -> Said {
    ask_otp(kunji);
    let first = kunji.otp(JOHN_S);
    kunji.advance("1m");
    ask_otp(kunji);
    let answer = outbox(kunji, JOHN_S);
    let sent = answer.json();
    assert_eq!(sent.as_array().unwrap().len(), 2);
    assert_eq!(sent[1]["otp"], first);
    let at = |index: usize| sent[index]["at"].as_str().unwrap().to_owned();
    assert!(at(0) > at(1));
    // Members in their order.
    let expected: Vec<String> = (0..2)
        .map(|index| {
            let otp = sent[index]["otp"].as_str().unwrap();
            let text = format!(
                "{otp} is your OTP to set the UPI PIN of your account. Valid for 5 minutes. \
                 Do not share it."
            );
            format!(r#"{{"to":"{JOHN_S}","text":"{text}","otp":"{otp}","at":"{}"}}"#, at(index))
        })
        .collect();
    assert_eq!(answer.text(), format!("[{}]", expected.join(",")));
    assert!(is_iso(&at(0)));
    assert_eq!(outbox(kunji, "918888888802").text(), "[]");
    silent(&answer)
}

fn now(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(starred(&answer.text(), "now", is_iso), r#"{"now":"*"}"#);
    answer.json()["now"].as_str().unwrap().to_owned()
}

fn read_clock(kunji: &Kunji) -> Said {
    let answer = kunji.get(CLOCK_PATH);
    let first = now(&answer);
    assert!(now(&kunji.get(CLOCK_PATH)) >= first);
    silent(&answer)
}

fn advance(kunji: &Kunji, body: &Value) -> Answer {
    kunji.post(CLOCK_PATH, &[], body)
}

fn pushed_clock(kunji: &Kunji) -> Said {
    let millis = |answer: &Answer| {
        let now: jiff::Timestamp = now(answer).parse().unwrap();
        now.as_millisecond()
    };
    let spans = [
        ("0s", 0),
        ("1ms", 1),
        ("90s", 90_000),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("24h", 86_400_000),
        ("30d", 2_592_000_000),
        ("1d1h1m1s1ms", 90_061_001),
        (" 1h ", 3_600_000),
    ];
    let mut last = None;
    for (span, pushed) in spans {
        let before = millis(&kunji.get(CLOCK_PATH));
        let answer = advance(kunji, &json!({ "advance": span }));
        let moved = millis(&answer) - before;
        // What the machine's own clock went on meanwhile is less than a minute.
        assert!((pushed..pushed + 60_000).contains(&moved), "{span}: {moved}");
        assert!(millis(&kunji.get(CLOCK_PATH)) >= before + pushed);
        last = Some(answer);
    }
    silent(&last.unwrap())
}

fn bad_spans(kunji: &Kunji) -> Said {
    let before = now(&kunji.get(CLOCK_PATH));
    let spans = [
        "-1h",
        "1",
        "h",
        "",
        " ",
        "1 h",
        "1.5h",
        "1w",
        "1h-1m",
        "+1h",
        "3661d",
        "99999999999999999999s",
        "9223372036854775807d",
        "soon",
        "1H",
    ];
    let bodies = spans.map(|span| json!({ "advance": span }));
    let others = [
        json!({}),
        json!({"advance": 1}),
        json!({"advance": null}),
        json!({"advance": "1h", "stranger": 1}),
        json!({"to": "2030-01-01T00:00:00Z"}),
        json!(["1h"]),
        json!("1h"),
    ];
    let said = same(bodies.iter().chain(&others).map(|body| {
        println!("{body}");
        read(&advance(kunji, body))
    }));
    let after = now(&kunji.get(CLOCK_PATH));
    // Not moved by an hour, whatever the machine's own clock did meanwhile.
    assert_eq!(after.get(..10), before.get(..10));
    said
}

fn back_to_the_seed(kunji: &Kunji) -> Said {
    let changed = change_john("1234", "4826");
    let first = kunji.change_live(&changed);
    assert_eq!(first.status, 200);
    ask_otp(kunji);
    let put = reset("739105");
    let (_, inner) = kunji.prepaid(Method::POST, RESET_PIN, &put);
    assert_eq!(inner["responseCode"], "00");
    for guess in ["000000", "000001", "000002"] {
        kunji.verify("account", "ACC000000002", guess);
    }
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "blocked");
    kunji.advance("1h");
    let before = now(&kunji.get(CLOCK_PATH));
    let keys = kunji.get("/.well-known/jwks.json").body;

    let answer = kunji.send(Method::POST, RESET_PATH, &[], "");
    assert!(answer.body.is_empty());
    assert_eq!(kunji.verify("account", "ACC123456789", "1234"), "verified");
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "verified");
    assert_eq!(kunji.verify("card", "70000000008", "739105"), "not_set");
    assert_eq!(outbox(kunji, JOHN_S).text(), "[]");
    // The receipts are gone: the same requests are done anew.
    let again = kunji.change_live(&changed);
    assert_eq!(again.status, 200);
    assert_ne!(again.body, first.body);
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
    let (_, inner) = kunji.prepaid(Method::POST, RESET_PIN, &put);
    assert_eq!(inner["responseCode"], "00");
    // Clock and keys stay.
    assert!(now(&kunji.get(CLOCK_PATH)) >= before);
    assert_eq!(kunji.get("/.well-known/jwks.json").body, keys);
    silent(&answer)
}

fn not_reset(kunji: &Kunji) -> Said {
    assert_eq!(kunji.change_live(&change_john("1234", "4826")).status, 200);
    let kinds = [Some("text/plain"), Some("application/x-www-form-urlencoded"), None];
    let said = same(kinds.map(|kind| {
        let headers: Vec<_> = kind.map(|kind| ("Content-Type", kind)).into_iter().collect();
        read(&kunji.send(Method::POST, RESET_PATH, &headers, "{}"))
    }));
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
    said
}

fn wrong_method(kunji: &Kunji) -> Said {
    let cases = [
        (OUTBOX_PATH, Method::POST, "GET,HEAD"),
        (OUTBOX_PATH, Method::DELETE, "GET,HEAD"),
        (CLOCK_PATH, Method::PUT, "GET,HEAD,POST"),
        (RESET_PATH, Method::GET, "POST"),
        (RESET_PATH, Method::DELETE, "POST"),
    ];
    same(cases.map(|(path, method, allowed)| {
        let answer = kunji.send(method, path, &[], "");
        assert_eq!(answer.header("allow"), Some(allowed), "{path}");
        read(&answer)
    }))
}

#[test]
fn the_clock_and_the_state_of_a_kept_sandbox_outlive_a_reset_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let kunji = Kunji::sandbox_in(dir.path());
    kunji.start_over();
    assert_eq!(kunji.change_live(&change_john("1234", "4826")).status, 200);
    assert_eq!(kunji.stop(), Some(0));
    let kunji = Kunji::sandbox_in(dir.path());
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
}

#[test]
fn every_seeded_pin_is_as_the_contract_says() {
    let kunji = Kunji::sandbox();
    for (account, pin, verdict) in [
        ("ACC123456789", "1234", "verified"),
        ("ACC000000002", "804913", "verified"),
        ("ACC000000003", "1234", "not_set"),
        ("ACC000000004", "1234", "not_set"),
        ("ACC000000005", "1234", "not_set"),
        ("ACC000000006", "1234", "not_set"),
    ] {
        assert_eq!(kunji.verify("account", account, pin), verdict, "{account}");
    }
    for urn in ["70000000008", "70000000101", "70000000102", "70000000103", "70000000104"] {
        assert_eq!(kunji.verify("card", urn, "739105"), "not_set", "{urn}");
    }
}

#[test]
fn the_clock_does_not_fall_back_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let now = |kunji: &Kunji| {
        let said = kunji.get("/kunji/v1/sandbox/clock").json();
        said["now"].as_str().unwrap().to_owned()
    };
    let kunji = Kunji::sandbox_in(folder.path());
    kunji.advance("48h");
    let before = now(&kunji);
    assert_eq!(kunji.stop(), Some(0));
    let kunji = Kunji::sandbox_in(folder.path());
    assert!(now(&kunji) >= before, "{before}");
}
