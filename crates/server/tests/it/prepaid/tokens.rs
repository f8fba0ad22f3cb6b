//! Headers, transport, tokens and the sandbox's helpers.

use serde_json::{Value, json};
use ureq::http::Method;

use super::{CALLS, Call, RESET, RESET_V3, inner_text, plain_said, shape_of};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::shape::{is_compact, starred};
use crate::support::{Answer, CLIENT, Kunji, opened_text, token};

const EVERY: &str = "all calls";
const TOKEN: &str = "all calls, token";
const ENCRYPT: &str = "encrypt (sandbox only)";
const DECRYPT: &str = "decrypt (sandbox only)";

/// Who calls.
const HEADERS: Table = Table {
    dialect: "prepaid",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        EVERY, "no `clientId`" => 400 "1262", |kunji| missing(kunji, "clientId");
        EVERY, "no `bankId`" => 400 "1264", |kunji| missing(kunji, "bankId");
        EVERY, "no `secureCode`" => 400 "1311", |kunji| missing(kunji, "secureCode");
        EVERY, "no `entityId`" => 400 "1030", |kunji| missing(kunji, "entityId");
        EVERY, "no `x-api-key`" => 401 "1032", |kunji| missing(kunji, "x-api-key");
        EVERY, "a wrong `x-api-key`" => 401 "1032",
            |kunji| wrong(kunji, "x-api-key", &["7fe1c0df", "7fe1c0d", "7FE1C0DE"]);
        EVERY, "an unknown `clientId`" => 401 "1032",
            |kunji| wrong(kunji, "clientId", &["2001", "02000"]);
        EVERY, "a wrong `bankId`" => 403 "1031", |kunji| wrong(kunji, "bankId", &["7001", "x"]);
        EVERY, "a wrong `secureCode`" => 403 "1049",
            |kunji| wrong(kunji, "secureCode", &["AfYtlO5kqdySIjXyNmGg3f", "x"]);
        EVERY, "a wrong `entityId`" => 400 "1030", |kunji| wrong(kunji, "entityId", &["101", "x"]);
        "resetPin v3", "no `X-Consumer-Custom-ID`" => 400 "1310", no_consumer;
        "resetPin v3", "a wrong `X-Consumer-Custom-ID`" => 401 "1032",
            |kunji| reset_v3(kunji, "F42BC4E7B801C834B630DE498473533E");
        "resetPin v3", "the client's `X-Consumer-Custom-ID`" => 200 "00",
            |kunji| reset_v3(kunji, "F42BC4E7B801C834B630DE498473533F");
        EVERY, "another path under the prefix" => 404 "1231", elsewhere;
        EVERY, "another method; `Allow` names the right one" => 405 "1081", wrong_method;
        EVERY, "a body of more than 64 KiB" => 413 "1055",
            |kunji| {
                on_every_path(kunji, |call, headers| {
                    kunji.send(call.method.clone(), call.path, headers, vec![b' '; 65_537])
                })
            };
        EVERY, "no or another content type than JSON" => 415 "1055", wrong_type;
        EVERY, "a body with a content coding" => 415 "1055",
            |kunji| with_header(kunji, "Content-Encoding", Some("gzip"));
        EVERY, "`X-Kunji-Mode` with another value than `live`" => 400 "1030",
            |kunji| wrong(kunji, "X-Kunji-Mode", &["alive", "", "scenario"]);
    },
};

/// What a token is.
const TOKENS: Table = Table {
    dialect: "prepaid",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        TOKEN, "the vector of our own key, as printed" => 200 "00",
            |kunji| vector(kunji, &vector_token());
        TOKEN, "blanks and line breaks within the base64" => 200 "00",
            |kunji| vector(kunji, &wrapped(&vector_token()));
        TOKEN, "an unknown member beside the token" => 200 "00", stranger_outside;
        TOKEN, "any token that cannot be read: one answer for all" => 200 "1055", one_answer;
    },
};

/// Two broken tokens a minute.
const RATE: Table = Table {
    dialect: "prepaid",
    start: || Kunji::sandbox_with(&[("KUNJI_PREPAID__BROKEN_PER_MINUTE", "2")]),
    ground: Ground::Shared,
    cases: cases! {
        TOKEN, "more broken tokens of one client than the settings allow; `Retry-After` says when" => 429 "1045",
            too_many_broken;
    },
};

/// The helpers, which `kunji serve` does not have.
const HELPERS: Table = Table {
    dialect: "prepaid",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        ENCRYPT, "any JSON becomes a token" => 200 "-", encrypt;
        ENCRYPT, "no JSON" => 400 "1055",
            |kunji| {
                same(["", "{", "{} {}"].map(|text| plain_said(&help(kunji, "encrypt", text))))
            };
        DECRYPT, "a token becomes what is in it" => 200 "-", decrypt;
        DECRYPT, "no token, or a broken one" => 400 "1055",
            |kunji| {
                same(
                    ["", "{}", "{\"token\":1}", "{\"token\":\"AAAA\"}", "[\"AAAA\"]"]
                        .map(|text| plain_said(&help(kunji, "decrypt", text))),
                )
            };
        "encrypt, decrypt (sandbox only)", "no `clientId`" => 400 "1262", helpers_need_a_client;
        "encrypt, decrypt (sandbox only)", "another method" => 405 "1081",
            |kunji| {
                same(
                    ["encrypt", "decrypt"]
                        .map(|name| plain_said(&kunji.get(&format!("/mob1/api/v2/{name}")))),
                )
            };
    },
};

tables! {
    every_header_is_asked_for_by_every_call plays HEADERS;
    tokens_are_read_as_printed_and_broken_ones_alike plays TOKENS;
    too_many_broken_tokens_are_told_when_to_come_back plays RATE;
    helpers_make_and_open_tokens plays HELPERS;
}

const CONSUMER: (&str, &str) = ("X-Consumer-Custom-ID", "F42BC4E7B801C834B630DE498473533F");

fn all_headers() -> Vec<(&'static str, &'static str)> {
    [CLIENT, &[CONSUMER]].concat()
}

/// The same plain answer from every call.
fn on_every_path(_: &Kunji, send: impl Fn(&Call, &[(&str, &str)]) -> Answer) -> Said {
    let headers = all_headers();
    same(CALLS.iter().map(|call| {
        println!("{} {}", call.method, call.path);
        plain_said(&send(call, &headers))
    }))
}

fn with_header(kunji: &Kunji, name: &str, value: Option<&str>) -> Said {
    on_every_path(kunji, |call, headers| {
        let mut headers: Vec<_> =
            headers.iter().copied().filter(|(header, _)| *header != name).collect();
        headers.extend(value.map(|value| (name, value)));
        call.send_with(kunji, &headers, &call.request())
    })
}

fn missing(kunji: &Kunji, name: &str) -> Said {
    same([None, Some(""), Some("  ")].map(|value| with_header(kunji, name, value)))
}

fn wrong(kunji: &Kunji, name: &str, values: &[&str]) -> Said {
    same(values.iter().map(|value| with_header(kunji, name, Some(value))))
}

fn no_consumer(kunji: &Kunji) -> Said {
    let asked = RESET_V3.with(&json!({"newPIN": "739105"}));
    let absent = RESET_V3.send(kunji, &asked);
    same([plain_said(&absent), reset_v3(kunji, ""), reset_v3(kunji, " ")])
}

fn reset_v3(kunji: &Kunji, consumer: &str) -> Said {
    let asked = RESET_V3.with(&json!({"newPIN": "739105"}));
    let headers = [CLIENT, &[("X-Consumer-Custom-ID", consumer)]].concat();
    RESET_V3.read(&asked, &RESET_V3.send_with(kunji, &headers, &asked))
}

fn elsewhere(kunji: &Kunji) -> Said {
    let paths = [
        "/mob1/",
        "/mob1/api",
        "/mob1/api/",
        "/mob1/api/onboarding/v1",
        "/mob1/api/onboarding/v2/resetPin",
        "/mob1/api/onboarding/v1/resetpin",
        "/mob1/api/onboarding/v1/resetPin/",
        "/mob1/apis/onboarding/v1/resetPin",
        "/mob1/api/issuance/v1/resetPin",
        "/mob1/api/v2/sign",
    ];
    same(paths.into_iter().flat_map(|path| {
        println!("{path}");
        let post = kunji.send(Method::POST, path, &all_headers(), "{}");
        [plain_said(&kunji.get(path)), plain_said(&post)]
    }))
}

fn wrong_method(kunji: &Kunji) -> Said {
    let methods = [Method::GET, Method::PUT, Method::DELETE, Method::POST, Method::PATCH];
    same(methods.map(|method| {
        let others = CALLS.iter().filter(|call| call.method != method);
        same(others.map(|call| {
            let answer = kunji.send(method.clone(), call.path, &all_headers(), "");
            let right = call.method.as_str();
            assert_eq!(answer.header("allow"), Some(right), "{method} {}", call.path);
            plain_said(&answer)
        }))
    }))
}

fn wrong_type(kunji: &Kunji) -> Said {
    same([None, Some(""), Some("text/plain"), Some("application/octet-stream")].map(|kind| {
        on_every_path(kunji, |call, headers| {
            let mut headers: Vec<_> =
                headers.iter().copied().filter(|(name, _)| *name != "Content-Type").collect();
            headers.extend(kind.map(|kind| ("Content-Type", kind)));
            call.send_with(kunji, &headers, &call.request())
        })
    }))
}

/// The compact sample under the key ASCII `0123456789abcdef01234567` and the vector 00 to 0f.
fn vector_token() -> String {
    [
        "AAECAwQFBgcICQoLDA0OD7KfBYRtOkq8EZTvYyBje9RuW6MpBzYYPlSeStXUxb0MXnqmbM2GoQBMJbvaLzPPAl",
        "gD6t0opQ+A8NJGtoWA8GcmLZMRxyRqcHcjca2hpt8HpODwvA2cIXD+7/TZoP0QmZ67oakjgQNcZBwIfxrwsGWJ",
        "Jk229Qod3ADSM6mrcE3J8Df2I9qtLf9UlWoV3M3xjXoei4Rt4KFePQXBssWfz3H8hKFVGkt6N3YqYXlvD28BK3",
        "rTa4nIjkPOAaid/UKWdw==",
    ]
    .concat()
}

const VECTOR_TEXT: &str = r#"{"messageCode":"1120","requestDateTime":"20160715025837","clientTxnId":"201507271458370149gM90jY0","newPIN":"121200","urn":70000000008,"last4Digits":"1745","customerId":"IN00001201001868"}"#;

fn vector(kunji: &Kunji, token: &str) -> Said {
    let asked: Value = serde_json::from_str(VECTOR_TEXT).unwrap();
    let body = json!({ "token": token }).to_string();
    let answer = kunji.send(Method::POST, RESET.path, CLIENT, body);
    assert_eq!(kunji.verify("card", "70000000008", "121200"), "verified");
    RESET.read(&asked, &answer)
}

fn wrapped(token: &str) -> String {
    let lines: Vec<&str> =
        token.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(" {}\n", lines.join("\r\n\t "))
}

fn stranger_outside(kunji: &Kunji) -> Said {
    let asked = RESET.with(&json!({"newPIN": "739105"}));
    let body = json!({"token": token(&asked.to_string()), "stranger": [1]}).to_string();
    RESET.read(&asked, &kunji.send(Method::POST, RESET.path, CLIENT, body))
}

/// Bodies that are broken in every way there is.
fn broken_bodies() -> Vec<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let whole = token(&RESET.with(&json!({"newPIN": "739105"})).to_string());
    let bytes = STANDARD.decode(&whole).unwrap();
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        STANDARD.encode(bytes)
    };
    let cut = |len: usize| STANDARD.encode(&bytes[..len]);
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(16 * 1024));
    let tokens = [
        // No base64.
        "!".to_owned(),
        format!("{}!", &whole[1..]),
        whole.trim_end_matches('=').to_owned() + "A",
        whole.replace('+', "-").replace('/', "_") + "-",
        "é".to_owned(),
        // The wrong length.
        String::new(),
        cut(8),
        cut(16),
        cut(24),
        cut(bytes.len() - 1),
        // The wrong padding, or text that is no JSON.
        flipped(bytes.len() - 1),
        flipped(bytes.len() - 17),
        cut(bytes.len() - 16),
        cut(32),
        flipped(0),
        flipped(16),
        token(""),
        token("no JSON"),
        token("null"),
        token("\"text\""),
        token("7"),
        token("[]"),
        token("{"),
        token("{}{}"),
        token("{\"urn\":1,\"urn\":2}"),
        // Too long.
        token(&long),
    ];
    let mut bodies: Vec<Vec<u8>> =
        tokens.iter().map(|token| json!({ "token": token }).to_string().into_bytes()).collect();
    // No token at all.
    let others = ["", "{", "null", "[]", "{}", "{\"token\":1}", "{\"token\":null}", "\"x\""];
    bodies.extend(others.map(|text| text.as_bytes().to_vec()));
    bodies.push(json!([whole]).to_string().into_bytes());
    bodies.push(json!({ "Token": whole }).to_string().into_bytes());
    bodies.push(format!("{{\"token\":\"{whole}\",\"token\":\"{whole}\"}}").into_bytes());
    bodies.push(b"{\"token\":\"\xff\"}".to_vec());
    bodies
}

fn one_answer(kunji: &Kunji) -> Said {
    let said = CALLS.iter().map(|call| {
        let text = |body: Vec<u8>| {
            println!("{}", String::from_utf8_lossy(&body));
            let answer = kunji.send(call.method.clone(), call.path, &all_headers(), body);
            let mut text = starred(&inner_text(&answer), "responseDateTime", is_compact);
            for number in ["accosaTransactionId", "accosaRefNo"] {
                text = starred(&text, number, shape_of(number));
            }
            let own = ["date", "x-request-id"];
            let shared = |named: &&(String, String)| !own.contains(&named.0.as_str());
            let headers: Vec<_> = answer.headers.iter().filter(shared).cloned().collect();
            (answer.status, headers, text)
        };
        let mut texts = broken_bodies().into_iter().map(text);
        let first = texts.next().unwrap();
        texts.for_each(|other| assert_eq!(other, first));
        assert_eq!(first.2, call.failure(&Value::Null, "1055"));
        Said { http: first.0, code: "1055".to_owned() }
    });
    let said = same(said);
    assert_eq!(kunji.verify("card", "70000000008", "739105"), "not_set");
    said
}

fn too_many_broken(kunji: &Kunji) -> Said {
    let send = || kunji.send(Method::POST, RESET.path, CLIENT, "{}");
    for _ in 0..2 {
        assert_eq!(RESET.read(&Value::Null, &send()).code, "1055");
    }
    let answer = send();
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    plain_said(&answer)
}

fn help(kunji: &Kunji, name: &str, body: &str) -> Answer {
    kunji.send(Method::POST, &format!("/mob1/api/v2/{name}"), CLIENT, body)
}

fn encrypt(kunji: &Kunji) -> Said {
    for text in [VECTOR_TEXT, "{}", "[1, 2]", " {\"a\" : \"é\"} "] {
        let answer = help(kunji, "encrypt", text);
        let body = answer.json();
        let token = body["token"].as_str().unwrap();
        assert_eq!(answer.text(), format!("{{\"token\":\"{token}\"}}"));
        assert_eq!(opened_text(token), text);
        // The vector is drawn anew each time.
        assert_ne!(help(kunji, "encrypt", text).text(), answer.text());
    }
    Said { http: help(kunji, "encrypt", "{}").status, code: "-".to_owned() }
}

fn decrypt(kunji: &Kunji) -> Said {
    let body = json!({ "token": vector_token() }).to_string();
    let answer = help(kunji, "decrypt", &body);
    assert_eq!(answer.text(), VECTOR_TEXT);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    Said { http: answer.status, code: "-".to_owned() }
}

fn helpers_need_a_client(kunji: &Kunji) -> Said {
    let headers: Vec<_> = CLIENT.iter().copied().filter(|(name, _)| *name != "clientId").collect();
    same(["encrypt", "decrypt"].map(|name| {
        let path = format!("/mob1/API/v2/{name}");
        plain_said(&kunji.send(Method::POST, &path, &headers, "{}"))
    }))
}

#[test]
fn the_prefix_is_a_setting() {
    let asked = RESET.with(&json!({"newPIN": "739105"}));
    for (prefix, path) in
        [("/cards/v7", "/cards/v7/api/onboarding/v1/resetPin"), ("", "/API/onboarding/v1/resetPin")]
    {
        let kunji = Kunji::sandbox_with(&[("KUNJI_PREPAID__PREFIX", prefix)]);
        let call = Call { path, ..RESET };
        assert_eq!(call.said(&kunji, &asked).code, "00");
        assert_ne!(RESET.send(&kunji, &asked).status, 200);
    }
}
