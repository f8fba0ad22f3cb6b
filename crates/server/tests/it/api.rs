//! Our own API.

use std::collections::HashSet;

use kunji_vault::{BlockAlg, PinUse};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::shape::{is_iso, starred};
use crate::support::{Answer, Kunji, fresh, reset};

const VERIFY: &str = "verify";
const CLEAR: &str = "clear-tries";
const BEARER: (&str, &str) = ("Authorization", "Bearer sandbox");
const JOHN: &str = "account/ACC123456789";

/// Every problem, byte for byte.
pub(crate) const PROBLEMS: &[&str] = &[
    r##"{"type":"about:blank","title":"Invalid request","status":400,"code":"invalid_request","errors":[{"pointer":"#/txn","detail":"the member txn is missing or empty"}]}"##,
    r#"{"type":"about:blank","title":"Credential block not accepted","status":400,"code":"unreadable_block"}"#,
    r#"{"type":"about:blank","title":"Unauthorized","status":401,"code":"unauthorized"}"#,
    r#"{"type":"about:blank","title":"Forbidden","status":403,"code":"forbidden"}"#,
    r#"{"type":"about:blank","title":"Not found","status":404,"code":"not_found"}"#,
    r#"{"type":"about:blank","title":"No such credential","status":404,"code":"unknown_credential"}"#,
    r#"{"type":"about:blank","title":"Method not allowed","status":405,"code":"method_not_allowed"}"#,
    r#"{"type":"about:blank","title":"Request id used for other content","status":409,"code":"duplicate_request"}"#,
    r#"{"type":"about:blank","title":"Request over 64 KiB","status":413,"code":"request_too_large"}"#,
    r#"{"type":"about:blank","title":"Content type must be JSON","status":415,"code":"not_json"}"#,
    r#"{"type":"about:blank","title":"Content coding must be identity","status":415,"code":"encoded"}"#,
    r#"{"type":"about:blank","title":"Unknown host: allow it with --host NAME","status":403,"code":"foreign_host"}"#,
    r#"{"type":"about:blank","title":"Request of another web page: allow its origin with --cors ORIGIN","status":403,"code":"foreign_origin"}"#,
    r#"{"type":"about:blank","title":"Too many requests","status":429,"code":"too_many_requests"}"#,
    r#"{"type":"about:blank","title":"Outcome unknown: send the same request again","status":503,"code":"outcome_unknown"}"#,
];

/// The verdicts, and what is said instead.
const VERDICTS: Table = Table {
    dialect: "api",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        VERIFY, "the right MPIN of an account" => 200 "verified",
            |kunji| verify(kunji, JOHN, "1234");
        VERIFY, "the right PIN of a card" => 200 "verified",
            |kunji| {
                set_card_pin(kunji);
                verify(kunji, "card/70000000008", "739105")
            };
        VERIFY, "the right PIN in a block, of either kind" => 200 "verified", in_blocks;
        VERIFY, "the bearer word in another case" => 200 "verified",
            |kunji| {
                read(&kunji.post(
                    &path(JOHN, VERIFY),
                    &[("authorization", "bearer sandbox")],
                    &json!({"txn": fresh("V"), "pin": "1234"}),
                ))
            };
        VERIFY, "a wrong PIN" => 200 "wrong_pin", |kunji| verify(kunji, JOHN, "0000");
        VERIFY, "a PIN that cannot be one" => 200 "wrong_pin", |kunji| verify(kunji, JOHN, "12 4");
        VERIFY, "the third wrong PIN in a row, and the right one after it: `until` says how long" => 200 "blocked",
            blocked;
        VERIFY, "no PIN is set" => 200 "not_set",
            |kunji| {
                same([
                    verify(kunji, "account/ACC000000003", "1234"),
                    verify(kunji, "card/70000000008", "739105"),
                ])
            };
        VERIFY, "the same `txn` again: the stored answer, byte for byte, and no try is counted" => 200 "wrong_pin",
            repeated;
        VERIFY, "the same `txn` with other content" => 409 "duplicate_request", duplicate;
        VERIFY, "no such credential" => 404 "unknown_credential",
            |kunji| {
                same(
                    [
                        "account/ACC999999999",
                        "card/ACC123456789",
                        "account/70000000008",
                        "account/a%20b",
                        "card/7%2F0",
                    ]
                    .map(|id| verify(kunji, id, "1234")),
                )
            };
        VERIFY, "another kind than `account` or `card`" => 404 "not_found",
            |kunji| {
                same(
                    ["accounts/ACC123456789", "Account/ACC123456789", "vpa/johndoe@axis"]
                        .map(|id| verify(kunji, id, "1234")),
                )
            };
        VERIFY, "a block of another transaction, for another use, or altered" => 400 "unreadable_block",
            bad_blocks;
        VERIFY, "members missing, empty, unknown or of another type" => 400 "invalid_request",
            |kunji| invalid(kunji, VERIFY, VERIFY_BODIES);
        CLEAR, "the counter falls and the block is lifted" => 200 "cleared", cleared;
        CLEAR, "no such credential" => 404 "unknown_credential",
            |kunji| clear(kunji, "account/ACC999999999");
        CLEAR, "another kind than `account` or `card`" => 404 "not_found",
            |kunji| clear(kunji, "vpa/johndoe@axis");
        CLEAR, "the same `txn` with other content" => 409 "duplicate_request", cleared_other;
        CLEAR, "members missing, empty, unknown, too long or of another type" => 400 "invalid_request",
            |kunji| invalid(kunji, CLEAR, CLEAR_BODIES);
    },
};

/// What HTTP can get wrong, and who may call.
const TRANSPORT: Table = Table {
    dialect: "api",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        "verify, clear-tries", "no bearer key, or a wrong one; `WWW-Authenticate` names the scheme" => 401 "unauthorized",
            unauthorized;
        "verify, clear-tries", "no or another content type than JSON" => 415 "not_json",
            |kunji| {
                on_both(|path| {
                    same(
                        [vec![BEARER], vec![BEARER, ("Content-Type", "text/plain")]]
                            .map(|headers| read(&kunji.send(Method::POST, path, &headers, "{}"))),
                    )
                })
            };
        "verify, clear-tries", "a body with a content coding" => 415 "encoded",
            |kunji| {
                on_both(|path| {
                    let gzip = [BEARER, ("Content-Encoding", "gzip")];
                    read(&kunji.post(path, &gzip, &json!({})))
                })
            };
        "verify, clear-tries", "a body of more than 64 KiB" => 413 "request_too_large",
            |kunji| {
                on_both(|path| {
                    read(&kunji.send(
                        Method::POST,
                        path,
                        &[BEARER, ("Content-Type", "application/json")],
                        vec![b' '; 65_537],
                    ))
                })
            };
        "all calls", "another method; `Allow` names the right one" => 405 "method_not_allowed",
            wrong_method;
        "all calls", "a path that nobody has" => 404 "not_found",
            |kunji| {
                same(
                    [
                        "/",
                        "/kunji/v1",
                        "/kunji/v1/credentials/account/ACC123456789",
                        "/docs/",
                        "/docs/other.js",
                        "/metrics",
                        "/favicon.ico",
                    ]
                    .map(|path| read(&kunji.get(path))),
                )
            };
    },
};

const RATE: Table = Table {
    dialect: "api",
    start: || Kunji::sandbox_with(&[("KUNJI_PINS__LIVE_PER_MINUTE", "2")]),
    ground: Ground::Shared,
    cases: cases! {
        VERIFY, "more requests on one credential than the settings allow; `Retry-After` says when" => 429 "too_many_requests",
            too_many;
    },
};

const FULL_DISK: Table = Table {
    dialect: "api",
    start: Kunji::sandbox_on_a_full_disk,
    ground: Ground::Broken,
    cases: cases! {
        VERIFY, "the right PIN, and the store cannot be written: nobody learns the verdict" => 503 "outcome_unknown",
            |kunji| verify(kunji, JOHN, "1234");
        VERIFY, "a wrong PIN, and the store cannot be written: nobody learns the verdict" => 503 "outcome_unknown",
            |kunji| verify(kunji, JOHN, "0000");
        CLEAR, "the store cannot be written: the outcome is unknown" => 503 "outcome_unknown",
            |kunji| clear(kunji, JOHN);
    },
};

tables! {
    every_verdict_is_told_in_one_word plays VERDICTS;
    every_problem_of_transport_is_problem_json plays TRANSPORT;
    too_many_guesses_are_told_when_to_come_back plays RATE;
    a_full_disk_hides_the_verdict plays FULL_DISK;
}

const LONG_TXN: &str = concat!(
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890"
);

const VERIFY_BODIES: &[&str] = &[
    r#"{"txn":"V"}"#,
    r#"{"pin":"1234"}"#,
    r#"{"txn":"","pin":"1234"}"#,
    r#"{"txn":"a b","pin":"1234"}"#,
    r#"{"txn":1,"pin":"1234"}"#,
    r#"{"txn":"V","pin":""}"#,
    r#"{"txn":"V","pin":1234}"#,
    r#"{"txn":"V","pin":null}"#,
    r#"{"txn":"V","pin":["1234"]}"#,
    r#"{"txn":"V","pin":"1234","stranger":1}"#,
    r#"["V","1234"]"#,
];

const CLEAR_BODIES: &[&str] = &[
    r#"{"txn":"V"}"#,
    r#"{"reason":"asked"}"#,
    r#"{"txn":"V","reason":""}"#,
    r#"{"txn":"V","reason":"  "}"#,
    r#"{"txn":"V","reason":"two\nlines"}"#,
    r#"{"txn":"V","reason":1}"#,
    r#"{"txn":"","reason":"asked"}"#,
    r#"{"txn":"V","reason":"asked","stranger":1}"#,
    r#"["V","asked"]"#,
];

fn path(credential: &str, call: &str) -> String {
    format!("/kunji/v1/credentials/{credential}/{call}")
}

/// A problem without the member at fault.
fn bare(problem: &str) -> String {
    match problem.split_once(r##","errors":[{"pointer":"#"##) {
        Some((head, _)) => format!("{head}}}"),
        None => problem.to_owned(),
    }
}

#[test]
fn a_problem_names_the_member_and_what_it_must_be() {
    let kunji = Kunji::sandbox();
    let long = "x".repeat(101);
    let too_long = format!(r#"{{"txn":"{long}","pin":"1234"}}"#);
    let long_reason = format!(r#"{{"txn":"a","reason":"{long}{long}"}}"#);
    let id = "the member txn is not 1 to 100 printable ASCII characters without blanks";
    let span = "the member advance is not a span of time, as 24h, 1h30m or 500ms";
    let (verify, clear) = (path(JOHN, VERIFY), path(JOHN, CLEAR));
    let clock = "/kunji/v1/sandbox/clock".to_owned();
    for (path, body, pointer, detail) in [
        (&verify, r#"{"pin":"1234"}"#, "#/txn", "the member txn is missing or empty"),
        (&verify, r#"{"txn":null,"pin":"1"}"#, "#/txn", "the member txn is missing or empty"),
        (&verify, r#"{"txn":4826,"pin":"1"}"#, "#/txn", "the member txn is not a string"),
        (&verify, r#"{"txn":"a b","pin":"1"}"#, "#/txn", id),
        (&verify, r#"{"txn":"","pin":"1"}"#, "#/txn", id),
        (&verify, &too_long, "#/txn", id),
        (&verify, r#"{"txn":"a"}"#, "#/pin", "the member pin is missing or empty"),
        (&verify, r#"{"txn":"a","pin":""}"#, "#/pin", "the member pin is missing or empty"),
        (&verify, r#"{"txn":"a","pin":4826}"#, "#/pin", "the member pin is not a string"),
        (&verify, r#"{"txn":"a","txn":"b"}"#, "#/txn", "the member txn is not given once"),
        (&verify, r#"{"4826":1}"#, "#", "the member body is not without unknown members"),
        (&verify, "[]", "#", "the member body is not an object"),
        (
            &clear,
            r#"{"txn":"a","reason":" "}"#,
            "#/reason",
            "the member reason is missing or empty",
        ),
        (
            &clear,
            r#"{"txn":"a","reason":"a\nb"}"#,
            "#/reason",
            "the member reason is not one line of text",
        ),
        (&clear, &long_reason, "#/reason", "the member reason is not at most 200 bytes long"),
        (&clock, r#"{"advance":"4826"}"#, "#/advance", span),
    ] {
        let headers = [BEARER, ("Content-Type", "application/json")];
        let answer = kunji.send(Method::POST, path, &headers, body);
        assert_eq!(read(&answer).code, "invalid_request", "{body}");
        let expected = json!([{ "pointer": pointer, "detail": detail }]);
        assert_eq!(answer.json()["errors"], expected, "{body}");
    }
    // Where the JSON breaks there is no member to name.
    let headers = [BEARER, ("Content-Type", "application/json")];
    let answer = kunji.send(Method::POST, &verify, &headers, r#"{"txn":"#);
    assert_eq!(read(&answer).code, "invalid_request");
    assert!(answer.json().get("errors").is_none());
}

/// What is kept has an end: the longest that is taken, and one more.
#[test]
fn whatever_our_own_api_keeps_is_short() {
    let kunji = Kunji::sandbox();
    let send = |id: &str, txn: &str, reason: &str| {
        let body = json!({ "txn": txn, "reason": reason });
        read(&ask(&kunji, &format!("account/{id}"), CLEAR, &body)).code
    };
    let (id, txn, reason) = ("A".repeat(64), "t".repeat(100), "r".repeat(200));
    assert_eq!(send(&id, &txn, &reason), "unknown_credential");
    assert_eq!(send(&format!("{id}A"), &"u".repeat(100), &reason), "unknown_credential");
    assert_eq!(send(&id, &"u".repeat(101), &reason), "invalid_request");
    assert_eq!(send(&id, &"u".repeat(100), &format!("{reason}r")), "invalid_request");
}

/// Reads an answer: a verdict, or one of the problems above.
#[track_caller]
pub(crate) fn read(answer: &Answer) -> Said {
    let text = answer.text();
    if answer.status != 200 {
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        // Which member is at fault, and why, is looked at where that is what a test is about.
        let known = PROBLEMS.iter().any(|problem| bare(problem) == bare(&text));
        assert!(known, "no problem of ours: {text}");
        let body = answer.json();
        assert_eq!(body["status"], answer.status);
        let code = body["code"].as_str().unwrap().to_owned();
        return Said { http: answer.status, code };
    }
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let verdict = answer.json()["verdict"].as_str().unwrap().to_owned();
    match verdict == "blocked" {
        true => assert_eq!(starred(&text, "until", is_iso), r#"{"verdict":"blocked","until":"*"}"#),
        false => assert_eq!(text, format!(r#"{{"verdict":"{verdict}"}}"#)),
    }
    Said { http: 200, code: verdict }
}

fn ask(kunji: &Kunji, credential: &str, call: &str, body: &Value) -> Answer {
    kunji.post(&path(credential, call), &[BEARER], body)
}

fn verify(kunji: &Kunji, credential: &str, pin: &str) -> Said {
    read(&ask(kunji, credential, VERIFY, &json!({"txn": fresh("V"), "pin": pin})))
}

fn clear(kunji: &Kunji, credential: &str) -> Said {
    read(&ask(kunji, credential, CLEAR, &json!({"txn": fresh("C"), "reason": "asked"})))
}

fn set_card_pin(kunji: &Kunji) {
    let (_, inner) = kunji.prepaid(Method::POST, crate::support::RESET_PIN, &reset("739105"));
    assert_eq!(inner["responseCode"], "00");
}

fn in_blocks(kunji: &Kunji) -> Said {
    set_card_pin(kunji);
    same([BlockAlg::EcdhEs, BlockAlg::RsaOaep256].into_iter().flat_map(|alg| {
        [(JOHN, "1234", PinUse::Mpin), ("card/70000000008", "739105", PinUse::CardPin)].map(
            |(credential, pin, pin_use)| {
                let txn = fresh("V");
                let block = kunji.sealed(alg, pin, pin_use, &txn);
                read(&ask(kunji, credential, VERIFY, &json!({"txn": txn, "pin": block})))
            },
        )
    }))
}

fn blocked(kunji: &Kunji) -> Said {
    for guess in ["0000", "0001"] {
        assert_eq!(verify(kunji, JOHN, guess).code, "wrong_pin");
    }
    let answers = ["0002", "1234", "0003"]
        .map(|pin| ask(kunji, JOHN, VERIFY, &json!({"txn": fresh("V"), "pin": pin})));
    let until = answers[0].json()["until"].as_str().unwrap().to_owned();
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    let now = || kunji.get("/kunji/v1/sandbox/clock").json()["now"].as_str().unwrap().to_owned();
    kunji.advance("23h59m");
    assert!(now() < until);
    assert_eq!(verify(kunji, JOHN, "1234").code, "blocked");
    kunji.advance("1m");
    assert!(now() >= until);
    assert_eq!(verify(kunji, JOHN, "1234").code, "verified");
    read(&answers[0])
}

fn repeated(kunji: &Kunji) -> Said {
    let body = json!({"txn": fresh("V"), "pin": "0000"});
    let first = ask(kunji, JOHN, VERIFY, &body);
    for _ in 0..5 {
        assert_eq!(ask(kunji, JOHN, VERIFY, &body), first);
    }
    assert_eq!(verify(kunji, JOHN, "0001").code, "wrong_pin");
    assert_eq!(verify(kunji, JOHN, "1234").code, "verified");
    read(&first)
}

fn duplicate(kunji: &Kunji) -> Said {
    let txn = fresh("V");
    let body = |pin: &str| json!({"txn": txn, "pin": pin});
    assert_eq!(read(&ask(kunji, JOHN, VERIFY, &body("0000"))).code, "wrong_pin");
    let said = same([
        read(&ask(kunji, "account/ACC000000002", VERIFY, &body("0000"))),
        read(&ask(kunji, JOHN, CLEAR, &json!({"txn": txn, "reason": "asked"}))),
        read(&ask(kunji, JOHN, VERIFY, &body("0001"))),
        read(&ask(kunji, JOHN, VERIFY, &body("1234"))),
        read(&ask(kunji, JOHN, VERIFY, &body("0000"))),
    ]);
    // Another PIN under the same id is a guess like any other; after it nothing is compared there.
    assert_eq!(verify(kunji, JOHN, "0001").code, "blocked");
    said
}

fn bad_blocks(kunji: &Kunji) -> Said {
    let alg = BlockAlg::EcdhEs;
    let send = |txn: &str, block: &str| {
        read(&ask(kunji, JOHN, VERIFY, &json!({"txn": txn, "pin": block})))
    };
    let txns = [(); 4].map(|()| fresh("V"));
    let altered = kunji.sealed(alg, "0000", PinUse::Mpin, &txns[2]);
    let (head, tag) = altered.rsplit_once('.').unwrap();
    let other = if tag.starts_with('A') { "B" } else { "A" };
    let said = same([
        send(&txns[0], &kunji.sealed(alg, "0000", PinUse::Mpin, "OTHER")),
        send(&txns[1], &kunji.sealed(alg, "0000", PinUse::CardPin, &txns[1])),
        send(&txns[2], &format!("{head}.{other}{}", &tag[1..])),
        send(&txns[3], "a.b.c.d.e"),
    ]);
    for guess in ["0000", "0001"] {
        assert_eq!(verify(kunji, JOHN, guess).code, "wrong_pin");
    }
    said
}

fn invalid(kunji: &Kunji, call: &str, bodies: &[&str]) -> Said {
    let long = format!(r#"{{"txn":"{LONG_TXN}","pin":"1234"}}"#);
    let (dull, wordy) = ("x".repeat(200), "x".repeat(201));
    let wordy = format!(r#"{{"txn":"V","reason":"{wordy}"}}"#);
    let send = |body: &str| {
        println!("{body}");
        let headers = [BEARER, ("Content-Type", "application/json")];
        read(&kunji.send(Method::POST, &path(JOHN, call), &headers, body))
    };
    let all = ["", "{", "{}", "null", "{} {}", &long, &wordy];
    let said = same(all.iter().chain(bodies).map(|body| send(body)));
    if call == CLEAR {
        assert_eq!(send(&format!(r#"{{"txn":"V","reason":"{dull}"}}"#)).code, "cleared");
    }
    said
}

fn cleared(kunji: &Kunji) -> Said {
    for guess in ["0000", "0001", "0002"] {
        verify(kunji, JOHN, guess);
    }
    assert_eq!(verify(kunji, JOHN, "1234").code, "blocked");
    let body = json!({"txn": fresh("C"), "reason": "the holder called"});
    let first = ask(kunji, JOHN, CLEAR, &body);
    for guess in ["0000", "0001"] {
        assert_eq!(verify(kunji, JOHN, guess).code, "wrong_pin");
    }
    // The stored answer comes again and clears nothing.
    assert_eq!(ask(kunji, JOHN, CLEAR, &body), first);
    assert_eq!(verify(kunji, JOHN, "0002").code, "blocked");
    assert_eq!(clear(kunji, JOHN).code, "cleared");
    assert_eq!(verify(kunji, JOHN, "1234").code, "verified");
    read(&first)
}

fn cleared_other(kunji: &Kunji) -> Said {
    let body = |reason: &str| json!({"txn": "CLEAR-1", "reason": reason});
    assert_eq!(read(&ask(kunji, JOHN, CLEAR, &body("one"))).code, "cleared");
    read(&ask(kunji, JOHN, CLEAR, &body("another")))
}

fn on_both(send: impl Fn(&str) -> Said) -> Said {
    same([VERIFY, CLEAR].map(|call| send(&path(JOHN, call))))
}

fn unauthorized(kunji: &Kunji) -> Said {
    let wrong = ["", "Bearer", "Bearer ", "Bearer Sandbox", "Bearer sandbox1", "Basic sandbox"];
    let said = on_both(|path| {
        let absent = kunji.post(path, &[], &json!({"txn": fresh("V"), "pin": "0000"}));
        let wrong = wrong.map(|value| {
            let body = json!({"txn": fresh("V"), "pin": "0000"});
            kunji.post(path, &[("Authorization", value)], &body)
        });
        same(wrong.iter().chain([&absent]).map(|answer| {
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            read(answer)
        }))
    });
    // Nor does anybody without a key learn what there is.
    let unknown = kunji.post(&path("account/ACC999999999", VERIFY), &[], &json!({}));
    for guess in ["0000", "0001"] {
        assert_eq!(verify(kunji, JOHN, guess).code, "wrong_pin");
    }
    same([said, read(&unknown)])
}

fn wrong_method(kunji: &Kunji) -> Said {
    let posts = [path(JOHN, VERIFY), path(JOHN, CLEAR)];
    let gets = [
        "/livez",
        "/readyz",
        "/.well-known/jwks.json",
        "/openapi.json",
        "/docs",
        "/docs/docs.css",
        "/docs/docs.js",
    ];
    let said = |path: &str, method: Method, allowed: &str| {
        let answer = kunji.send(method, path, &[], "");
        assert_eq!(answer.header("allow"), Some(allowed), "{path}");
        read(&answer)
    };
    let posts = posts.iter().flat_map(|path| {
        [Method::GET, Method::PUT, Method::DELETE].map(|method| said(path, method, "POST"))
    });
    let gets = gets.into_iter().flat_map(|path| {
        [Method::POST, Method::PUT, Method::DELETE].map(|method| said(path, method, "GET,HEAD"))
    });
    same(posts.chain(gets))
}

fn too_many(kunji: &Kunji) -> Said {
    verify(kunji, JOHN, "0000");
    clear(kunji, JOHN);
    let answer = ask(kunji, JOHN, VERIFY, &json!({"txn": fresh("V"), "pin": "1234"}));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    read(&answer)
}

#[test]
fn health_is_told_in_a_word() {
    let kunji = Kunji::sandbox();
    for (path, word) in [("/livez", "live\n"), ("/readyz", "ready\n")] {
        let answer = kunji.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, word));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

#[test]
fn public_keys_are_a_jwk_set_without_private_parts() {
    let kunji = Kunji::sandbox();
    let answer = kunji.get("/.well-known/jwks.json");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let set = answer.json();
    let keys = set["keys"].as_array().unwrap();
    let members = |key: &Value| key.as_object().unwrap().keys().cloned().collect::<HashSet<_>>();
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<HashSet<_>>();
    assert_eq!(keys.len(), 3);
    assert_eq!(members(&keys[0]), of(&["kty", "crv", "x", "y", "use", "alg", "kid"]));
    assert_eq!(members(&keys[1]), of(&["kty", "n", "e", "use", "alg", "kid"]));
    // It signs in more than one way, so it names none.
    assert_eq!(members(&keys[2]), of(&["kty", "n", "e", "use", "kid"]));
    let word = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    assert_eq!(
        ["kty", "crv", "use", "alg"].map(|name| word(&keys[0], name)),
        ["EC", "P-256", "enc", "ECDH-ES"]
    );
    assert_eq!(
        ["kty", "e", "use", "alg"].map(|name| word(&keys[1], name)),
        ["RSA", "AQAB", "enc", "RSA-OAEP-256"]
    );
    assert_eq!(["kty", "use"].map(|name| word(&keys[2], name)), ["RSA", "sig"]);
    let kids = keys.iter().map(|key| word(key, "kid")).collect::<HashSet<_>>();
    assert_eq!(kids.len(), keys.len());
    assert_eq!(kunji.get("/.well-known/jwks.json").body, answer.body);
}

#[test]
fn pages_come_from_the_binary_and_load_nothing_from_elsewhere() {
    let kunji = Kunji::sandbox();
    let policy = "default-src 'self'; base-uri 'none'; form-action 'none'; \
        frame-ancestors 'none'; object-src 'none'";
    for (path, kind) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/docs.css", "text/css; charset=utf-8"),
        ("/docs/docs.js", "text/javascript; charset=utf-8"),
        ("/openapi.json", "application/json"),
    ] {
        let answer = kunji.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
        assert_eq!(answer.header("content-security-policy"), Some(policy), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
    }
    let html = kunji.get("/docs").text();
    for (at, _) in html.match_indices("<script") {
        assert!(html[at..].starts_with("<script src=\"/docs/docs.js\" defer></script>"));
    }
    for inline in ["<style", " style=", "javascript:", " onclick", " onload", "http://", "https://"]
    {
        assert!(!html.contains(inline), "{inline}");
    }
    let style = kunji.get("/docs/docs.css").text();
    assert!(!style.contains("url(") && !style.contains("@import"));
    let script = kunji.get("/docs/docs.js").text();
    for odd in ["eval(", "new Function", "innerHTML", "document.write", "http://", "https://"] {
        assert!(!script.contains(odd), "{odd}");
    }
}
