//! Peers that mean harm, or do not know better: each gets an answer, and nobody else suffers.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::line::{Line, posted};
use crate::support::watched::{Watched, free_port};
use crate::support::{
    Answer, CHANGE_MPIN, CLIENT, KUNJI, Kunji, change_john, fresh, reset, sample_change, token,
};

const BODY_LEN_MAX: usize = 64 * 1024;
const SET_RESET: &str = "/api/axis/upi/set-reset-mpin";
const OTP_REQUEST: &str = "/api/axis/upi/otp/request";
const VERIFY: &str = "/kunji/v1/credentials/account/ACC123456789/verify";

/// Every route that takes a body from anybody, with its method.
const ROUTES: [(&str, &str); 17] = crate::docs::routes::with_body(false);

/// A sandbox whose words are kept, and which no allowance protects.
fn sandbox() -> Watched {
    started(&mut sandbox_command())
}

fn sandbox_command() -> Command {
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
    command.env("KUNJI_PINS__LIVE_PER_MINUTE", "0");
    command.env("KUNJI_PREPAID__BROKEN_PER_MINUTE", "0");
    command
}

fn started(command: &mut Command) -> Watched {
    Watched::start(command).map_err(|(_, said)| said).unwrap()
}

/// It still answers, it ends as asked, and it never panicked.
fn unharmed(watched: Watched) {
    let kunji = &watched.kunji;
    let answer = kunji.post(CHANGE_MPIN, &[("X-AXIS-TEST-ID", "1")], &sample_change());
    assert_eq!(answer.status, 200);
    assert_eq!(kunji.get("/readyz").status, 200);
    let (code, said) = watched.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains("panicked") && !said.contains("\"error\""), "{said}");
}

/// The headers of every dialect at once.
fn everybody() -> String {
    let mut lines = "Authorization: Bearer sandbox\r\nX-Kunji-Mode: live\r\n\
        X-Consumer-Custom-ID: F42BC4E7B801C834B630DE498473533F\r\n"
        .to_owned();
    for (name, value) in CLIENT.iter().filter(|(name, _)| *name != "Content-Type") {
        write!(lines, "{name}: {value}\r\n").unwrap();
    }
    lines
}

fn said_to((method, path): (&str, &str), body: &[u8]) -> Vec<u8> {
    let request = posted(path, &everybody(), body);
    [method.as_bytes(), request.strip_prefix(b"POST").unwrap()].concat()
}

/// What no answer may be, whatever was asked.
#[track_caller]
fn decent(answer: &Answer, path: &str) {
    assert!((200..500).contains(&answer.status), "{path}: {}", answer.status);
    let text = answer.opened();
    for word in ["panicked", ".rs", "src/", "serde", "expected", "at line", "Error(", "Fault"] {
        assert!(!text.contains(word), "{path}: {text}");
    }
}

/// An answer says what is wrong in the shape of the dialect whose path it is.
#[track_caller]
fn in_shape(answer: &Answer, path: &str, status: u16) {
    decent(answer, path);
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
    let said = answer.json();
    let (kind, shaped) = match path {
        CHANGE_MPIN | SET_RESET | OTP_REQUEST => (
            "application/json",
            said["statusCode"] == status && said["error"]["errors"][0]["errorCode"].is_string(),
        ),
        _ if path.starts_with("/kunji/") => {
            ("application/problem+json", said["status"] == status && said["code"].is_string())
        }
        _ => (
            "application/json",
            said["responseCode"].is_string() && said["responseDateTime"].is_string(),
        ),
    };
    assert!(shaped, "{path}: {said}");
    assert_eq!(answer.header("content-type"), Some(kind), "{path}");
}

#[test]
fn a_body_of_one_byte_too_many_is_refused_in_every_shape() {
    let watched = sandbox();
    let address = watched.kunji.address();
    for route in ROUTES {
        let (_, path) = route;
        let mut line = Line::open(address).unwrap();
        line.say(&said_to(route, &vec![b' '; BODY_LEN_MAX + 1])).unwrap();
        in_shape(&line.answer().unwrap(), path, 413);
        // Without a length the limit is met while the body comes.
        let mut line = Line::open(address).unwrap();
        let head = said_to(route, b"");
        let head = String::from_utf8(head).unwrap();
        let chunked = "transfer-encoding: chunked\r\n";
        line.say(head.replace("content-length: 0\r\n", chunked).as_bytes()).unwrap();
        for _ in 0..64 {
            line.say(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes()).unwrap();
        }
        line.say(b"1\r\n \r\n0\r\n\r\n").unwrap();
        in_shape(&line.answer().unwrap(), path, 413);
        // A body of exactly the limit is read.
        let mut line = Line::open(address).unwrap();
        line.say(&said_to(route, &vec![b' '; BODY_LEN_MAX])).unwrap();
        assert_ne!(line.answer().unwrap().status, 413, "{path}");
    }
    unharmed(watched);
}

#[test]
fn a_length_that_is_only_claimed_costs_nothing() {
    let watched = sandbox();
    for claimed in ["65537", "99999999999", "18446744073709551615"] {
        let mut line = Line::open(watched.kunji.address()).unwrap();
        let head = String::from_utf8(said_to(ROUTES[0], b"")).unwrap();
        let length = format!("content-length: {claimed}");
        line.say(head.replace("content-length: 0", &length).as_bytes()).unwrap();
        let (status, _) = line.head().unwrap();
        assert!(matches!(status, 413 | 400 | 431), "{claimed}: {status}");
    }
    unharmed(watched);
}

#[test]
fn slow_heads_and_slow_bodies_are_ended() {
    let watched = sandbox();
    let address = watched.kunji.address();
    let mut silent = Line::open(address).unwrap();
    let mut half_head = Line::open(address).unwrap();
    half_head.say(b"POST /resetPin HTTP/1.1\r\nhost:").unwrap();
    let mut bodies: Vec<_> = [ROUTES[0], ROUTES[3], ROUTES[14]]
        .into_iter()
        .map(|route| {
            let mut line = Line::open(address).unwrap();
            let request = said_to(route, b"{\"half\":");
            let request = String::from_utf8(request).unwrap();
            line.say(request.replace("content-length: 8", "content-length: 80").as_bytes())
                .unwrap();
            (route.1, line)
        })
        .collect();
    assert_eq!(silent.rest().unwrap(), b"");
    assert_eq!(half_head.rest().unwrap(), b"");
    for (path, line) in &mut bodies {
        in_shape(&line.answer().unwrap(), path, 400);
    }
    unharmed(watched);
}

/// More idle sockets than there may be of one peer, or of all: whoever asks is answered.
#[test]
fn idle_sockets_stop_nobody() {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let files = files.split_whitespace().nth(3).unwrap();
    if files.parse::<u64>().is_ok_and(|files| files < 2500) {
        println!("not tested: this system allows {files} open files only");
        return;
    }
    let ask = posted(CHANGE_MPIN, "X-AXIS-TEST-ID: 1\r\n", sample_change().to_string().as_bytes());
    for (peer_max, kept) in [("512", 512), ("100000", 1024)] {
        let port = free_port();
        let mut command = sandbox_command();
        command.args(["--health-listen", &format!("127.0.0.1:{port}")]);
        let watched = started(command.env("KUNJI_SERVER__PEER_CONNECTIONS_MAX", peer_max));
        let address = watched.kunji.address();
        let mut idle: Vec<_> = (0..1500).map(|_| Line::open(address).unwrap()).collect();
        for at in [address, &format!("127.0.0.1:{port}")] {
            for path in ["/livez", "/readyz"] {
                let mut line = Line::open(at).unwrap();
                line.say(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())
                    .unwrap();
                assert_eq!(line.answer().unwrap().status, 200, "{path}");
            }
        }
        // The longest idle are gone, the others are as good as before.
        for line in idle.iter_mut().take(1500 - kept) {
            assert_eq!(line.rest().unwrap(), b"");
        }
        for line in idle.iter_mut().rev().take(kept - 10) {
            line.say(&ask).unwrap();
            assert_eq!(line.answer().unwrap().status, 200);
        }
        drop(idle);
        unharmed(watched);
    }
}

#[test]
fn a_content_coding_is_refused_in_every_shape() {
    let watched = sandbox();
    let mut line = Line::open(watched.kunji.address()).unwrap();
    for route in ROUTES {
        let body = valid(route.1).to_string();
        let coded = |coding: &str| {
            let request = String::from_utf8(said_to(route, body.as_bytes())).unwrap();
            let lines = format!("content-encoding: {coding}\r\ncontent-length:");
            request.replacen("content-length:", &lines, 1)
        };
        for coding in ["gzip", "BR", "identity, gzip", "gzip, identity", "aes128gcm", "x"] {
            line.say(coded(coding).as_bytes()).unwrap();
            in_shape(&line.answer().unwrap(), route.1, 415);
        }
        let twice = coded("identity\r\ncontent-encoding: deflate");
        line.say(twice.as_bytes()).unwrap();
        in_shape(&line.answer().unwrap(), route.1, 415);
        for coding in ["identity", "Identity", ""] {
            line.say(coded(coding).as_bytes()).unwrap();
            assert_ne!(line.answer().unwrap().status, 415, "{} {coding}", route.1);
        }
    }
    unharmed(watched);
}

#[test]
fn a_request_without_one_host_is_refused_on_every_route() {
    let watched = sandbox();
    for route in ROUTES {
        let request = String::from_utf8(said_to(route, b"{}")).unwrap();
        for hosts in ["", "host: localhost\r\nhost: localhost\r\n", "host: a b\r\n"] {
            let mut line = Line::open(watched.kunji.address()).unwrap();
            line.say(request.replacen("host: localhost\r\n", hosts, 1).as_bytes()).unwrap();
            let answer = line.answer().unwrap();
            decent(&answer, route.1);
            assert_eq!((answer.status, line.rest().unwrap()), (400, Vec::new()), "{hosts}");
        }
    }
    unharmed(watched);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let watched = sandbox();
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for nth in 0..60 {
        let id = ["1", "2", "3", "4"][nth % 4];
        let lines = format!("X-AXIS-TEST-ID: {id}\r\nx-request-id: n{nth}\r\n");
        bytes.extend(posted(CHANGE_MPIN, &lines, sample_change().to_string().as_bytes()));
        expected.push((format!("n{nth}"), [200, 401, 400, 400][nth % 4]));
    }
    let mut line = Line::open(watched.kunji.address()).unwrap();
    line.say(&bytes).unwrap();
    let answered: Vec<_> = (0..60)
        .map(|_| {
            let answer = line.answer().unwrap();
            (answer.header("x-request-id").unwrap().to_owned(), answer.status)
        })
        .collect();
    assert_eq!(answered, expected);
    unharmed(watched);
}

#[test]
fn two_lengths_or_two_codings_smuggle_nothing() {
    let watched = sandbox();
    let body = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for lines in [
        "content-length: 0\r\ncontent-length: 31\r\n",
        "content-length: 0\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "content-length: +0\r\n",
        "content-length: 0x1\r\n",
        "content-length : 0\r\n",
    ] {
        let mut line = Line::open(watched.kunji.address()).unwrap();
        let head = format!("POST {CHANGE_MPIN} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n");
        line.say(head.as_bytes()).unwrap();
        // A server that has refused the head may be gone before the rest was said.
        let _ = line.say(body.as_bytes());
        let _ = line.hang_up();
        let answer = String::from_utf8(line.rest().unwrap_or_default()).unwrap();
        assert!(!answer.contains("live\n"), "{lines}: {answer}");
        assert!(answer.matches("HTTP/1.1").count() <= 1, "{lines}: {answer}");
    }
    unharmed(watched);
}

#[test]
fn garbage_and_oversized_heads_are_refused() {
    let watched = sandbox();
    let long_header =
        format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(40 * 1024));
    let many_headers =
        format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "a: b\r\n".repeat(5000));
    let long_path = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(40 * 1024));
    let http_2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for (bytes, statuses) in [
        (long_header.as_bytes(), &[431][..]),
        (many_headers.as_bytes(), &[431]),
        (long_path.as_bytes(), &[431, 414]),
        (http_2.as_bytes(), &[400, 404, 505]),
        (tls, &[400]),
        (b"\0\0\0\0\r\n\r\n", &[400]),
        (b"GET\r\n\r\n", &[400]),
        (b"GET / HTTP/9.9\r\n\r\n", &[400, 505]),
        (b"GET /\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nx\x00: a\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nx: a\x00b\r\n\r\n", &[400]),
        (&[0xff; 3000], &[400]),
    ] {
        let mut line = Line::open(watched.kunji.address()).unwrap();
        // It may hang up before all was said.
        let _ = line.say(bytes);
        let answer = line.rest().unwrap();
        let text = String::from_utf8(answer).unwrap();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        // A peer that is still talking may hear nothing but the end.
        assert!(
            text.is_empty() || status.is_some_and(|is| statuses.contains(&is)),
            "{shown}: {text}"
        );
    }
    unharmed(watched);
}

#[test]
fn paths_that_lead_nowhere_are_not_found() {
    let watched = sandbox();
    let address = watched.kunji.address();
    for path in [
        "/%00",
        "/..",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//",
        "/mob1/../kunji/v1/sandbox/clock",
        "/mob1/api/%2e%2e/v2/decrypt",
        "/mob1/%00/onboarding/v1/resetPin",
        "/mob1/%ff/onboarding/v1/resetPin",
        "/mob1/api/%ff%fe",
        "/mob1/api/onboarding%2fv1%2fresetPin%00",
        "/kunji/v1/credentials/account/%00/verify",
        "/kunji/v1/credentials/account/%ff/verify",
        "/kunji/v1/credentials/account/..%2f..%2f/verify",
        "/kunji/v1/credentials/%63ard/%2a/verify",
        "/docs/../livez",
        "/docs/%2e%2e/%2e%2e/Cargo.toml",
        "/api/transactions/v1/changempin/",
        "/API/transactions/v1/changempin",
        "*",
        "http://elsewhere/",
        "//elsewhere/kunji/v1/sandbox/reset",
    ] {
        for method in ["POST", "GET", "OPTIONS", "DELETE"] {
            let mut line = Line::open(address).unwrap();
            let body = "{\"txn\":\"T1\",\"pin\":\"1234\"}";
            line.say(&said_to((method, path), body.as_bytes())).unwrap();
            let answer = line.answer().unwrap();
            decent(&answer, path);
            assert!(answer.status >= 400, "{method} {path}: {}", answer.status);
        }
    }
    for raw in
        [&b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], b"CONNECT a:1 HTTP/1.1\r\n\r\n"]
    {
        let mut line = Line::open(address).unwrap();
        line.say(raw).unwrap();
        assert!(line.head().unwrap().0 >= 400);
    }
    unharmed(watched);
}

/// Bodies that a reader of JSON may choke on.
fn twisted() -> Vec<Vec<u8>> {
    let good = change_john("1234", "4826").to_string();
    let with = |member: &str| good.replacen('{', &format!("{{{member},"), 1).into_bytes();
    let deep = |open: &str, close: &str, count: usize| {
        format!("\"x\":{}1{}", open.repeat(count), close.repeat(count))
    };
    let mut bodies = vec![
        vec![b'['; BODY_LEN_MAX],
        "{\"a\":".repeat(13_000).into_bytes(),
        with(&deep("[", "]", 30_000)),
        with(&deep("{\"a\":", "}", 10_000)),
        with(&format!("\"x\":1{}", "0".repeat(60_000))),
        with("\"x\":1e999999999"),
        with("\"x\":-0.0000000000000000000000000000000000000000000000001e-999"),
        with("\"x\":\"\\ud800\""),
        with("\"x\":\"\\u0000\""),
        with("\"\\u0000\":1"),
        good.replacen("\"SubHeader\"", "\"SubHeader\":{},\"SubHeader\"", 1).into_bytes(),
        good.replace("\"code\":\"1234\"", "\"code\":\"1234\",\"code\":\"4826\"").into_bytes(),
        good.replace("\"1234\"", "\"12\\u0000\"").into_bytes(),
        good.replace("\"TXN", "\"\\u0000TXN").into_bytes(),
        good.replace("\"CIF12345678\"", "\"\\ud83d\\ude00\"").into_bytes(),
        format!("{good}\0").into_bytes(),
        format!("\u{feff}{good}").into_bytes(),
        good.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        b"nul".to_vec(),
        b"\0".to_vec(),
        b"\"\xff\xfe\xfd\"".to_vec(),
        b"{\"txn\":\"\xc3\x28\",\"pin\":\"1234\"}".to_vec(),
        b"{\"txn\":\"T1\",\"txn\":\"T2\",\"pin\":\"1234\"}".to_vec(),
        b"{\"txn\":\"T1\",\"pin\":1e400}".to_vec(),
        b"{\"token\":\"\",\"token\":\"\"}".to_vec(),
        b"{\"advance\":\"99999999999999999999999h\"}".to_vec(),
        b"{\"advance\":\"\xf0\x9f\x98\x80h\"}".to_vec(),
    ];
    let invalid = [good.as_bytes(), b"\xff"].concat();
    bodies.push(invalid);
    bodies.push(good.replace("Delhi", "\u{1}").into_bytes());
    bodies
}

#[test]
fn twisted_json_is_refused_on_every_route() {
    let watched = sandbox();
    let mut line = Line::open(watched.kunji.address()).unwrap();
    for route in ROUTES {
        for body in twisted() {
            line.say(&said_to(route, &body)).unwrap();
            decent(&line.answer().unwrap(), route.1);
            if route.1.starts_with("/mob1/api/onb") && body.len() < 12_000 {
                // The same inside of a token.
                let text = String::from_utf8_lossy(&body).into_owned();
                let body = json!({ "token": token(&text) }).to_string();
                line.say(&said_to(route, body.as_bytes())).unwrap();
                decent(&line.answer().unwrap(), route.1);
            }
        }
    }
    // None of it was taken for a guess or for a change.
    assert_eq!(watched.kunji.verify("account", "ACC000000002", "804913"), "verified");
    unharmed(watched);
}

/// A body that is well formed for the route.
fn valid(path: &str) -> Value {
    let header = json!({
        "requestUUID": "r", "serviceRequestId": "s", "serviceRequestVersion": "1.0",
        "channelId": "TEST",
    });
    let cred = json!({ "type": "PIN", "subType": "MPIN", "data": { "code": "4826" } });
    let card = json!({
        "customerId": "IN00001201001868", "last4Digits": "1745", "urn": 70_000_000_008_u64,
        "requestDateTime": "20160715025837", "clientTxnId": fresh("H"), "blockType": "Temporary",
        "customerMobile": "919876500001", "emailId": "holder@example.com", "mobile": "919876500001",
        "cardExpiry": "1235", "dob": "29-02-1988", "dateOfBirth": "29-02-1988", "productId": "1",
        "firstName": "A", "lastName": "B", "cardProfileId": "150", "newCardStatus": "Active",
        "loadAmount": 1, "verifyclientTxnId": "R000001",
    });
    let with_code = |code: &str| {
        let mut inner = card.clone();
        inner["messageCode"] = json!(code);
        inner
    };
    match path {
        CHANGE_MPIN => change_john("1234", "4826"),
        SET_RESET => json!({"SetResetMPINRequest": { "SubHeader": header,
            "SetResetMPINRequestBody": {
                "customerid": "CIF00000003", "card": "123456", "expiry": "12/2035",
                "txnId": fresh("S"), "mpincred": cred, "otpcred": cred, "atmpincred": cred,
            },
        }}),
        OTP_REQUEST => json!({"OTPRequest": { "SubHeader": header, "OTPRequestBody": {
            "customerId": "CIF00000003", "bankId": "AXIS", "txnId": fresh("O"),
            "device": { "mobile": "918888888803" }, "card": "123456", "expiry": "12/2035",
        }}}),
        VERIFY => json!({ "txn": fresh("V"), "pin": "1234" }),
        "/kunji/v1/sandbox/clock" => json!({ "advance": "1ms" }),
        _ if path.ends_with("clear-tries") => json!({ "txn": fresh("C"), "reason": "a test" }),
        _ if path.ends_with("createCard") => with_code("1010"),
        _ if path.ends_with("verifyCardholder") => with_code("3020"),
        _ if path.ends_with("cardInquiry") => with_code("1090"),
        _ if path.ends_with("/block") => with_code("1240"),
        _ if path.ends_with("/unblock") => with_code("1250"),
        _ if path.ends_with("checkStatus") => with_code("2050"),
        _ => reset("481926"),
    }
}

/// One thing that happens to the bytes of a body.
#[derive(Debug, Clone)]
enum Twist {
    Flip(prop::sample::Index, u8),
    Drop(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn twists() -> impl Strategy<Value = Vec<Twist>> {
    let at = any::<prop::sample::Index>;
    let words = prop::sample::select(vec![
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "1e999",
        "-",
        "\u{0}",
        "\\u0000",
        "\\ud800",
        "\u{202e}",
        "true",
        "99999999999999999999",
        "\"\"",
        " ",
        "\n",
    ]);
    let twist = prop_oneof![
        (at(), 1..=255_u8).prop_map(|(at, bits)| Twist::Flip(at, bits)),
        (at(), 1..40_usize).prop_map(|(at, len)| Twist::Drop(at, len)),
        (at(), words).prop_map(|(at, word)| Twist::Insert(at, word.as_bytes().to_vec())),
        (at(), vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Twist::Insert(at, bytes)),
        (at(), 1..200_usize).prop_map(|(at, len)| Twist::Repeat(at, len)),
        at().prop_map(Twist::Cut),
    ];
    vec(twist, 1..4)
}

fn twist(mut bytes: Vec<u8>, twists: &[Twist]) -> Vec<u8> {
    for twist in twists {
        let len = bytes.len();
        let place = |at: &prop::sample::Index| at.index(len.max(1)).min(len);
        match twist {
            Twist::Flip(at, bits) => {
                if let Some(byte) = bytes.get_mut(place(at)) {
                    *byte ^= bits;
                }
            }
            Twist::Drop(at, count) => {
                let from = place(at);
                bytes.drain(from..(from + count).min(len));
            }
            Twist::Insert(at, more) => {
                let from = place(at);
                bytes.splice(from..from, more.iter().copied());
            }
            Twist::Repeat(at, count) => {
                let from = place(at);
                let part = bytes[from..(from + count).min(len)].to_vec();
                bytes.splice(from..from, part);
            }
            Twist::Cut(at) => bytes.truncate(place(at)),
        }
    }
    bytes
}

/// Sends what a strategy makes to a route, over one connection that must hold.
fn attack<S: Strategy>(
    line: &mut Line,
    cases: u32,
    route: (&str, &str),
    strategy: &S,
    body: impl Fn(S::Value) -> Vec<u8>,
) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let line = std::cell::RefCell::new(line);
    let outcome = TestRunner::new(config).run(strategy, |value| {
        let mut line = line.borrow_mut();
        line.say(&said_to(route, &body(value))).unwrap();
        let answer = line.answer().map_err(|error| TestCaseError::fail(error.to_string()))?;
        decent(&answer, route.1);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{} {}: {error}", route.0, route.1);
    }
}

#[test]
fn random_bytes_are_answered_on_every_route() {
    let watched = sandbox();
    let mut line = Line::open(watched.kunji.address()).unwrap();
    for route in ROUTES {
        attack(&mut line, 60, route, &vec(any::<u8>(), 0..300), |bytes| bytes);
    }
    unharmed(watched);
}

#[test]
fn mutated_bodies_are_answered_on_every_route() {
    let watched = sandbox();
    let mut line = Line::open(watched.kunji.address()).unwrap();
    for route in ROUTES {
        let is_prepaid = !route.1.contains("/kunji/") && !route.1.starts_with("/api/");
        let outer = |path: &str| match is_prepaid {
            true => json!({ "token": token(&valid(path).to_string()) }).to_string().into_bytes(),
            false => valid(path).to_string().into_bytes(),
        };
        let cases = if is_prepaid { 60 } else { 250 };
        attack(&mut line, cases, route, &twists(), |twists| twist(outer(route.1), &twists));
        if is_prepaid {
            attack(&mut line, 150, route, &twists(), |twists| {
                let inner = twist(valid(route.1).to_string().into_bytes(), &twists);
                let inner = String::from_utf8_lossy(&inner).into_owned();
                json!({ "token": token(&inner) }).to_string().into_bytes()
            });
        }
    }
    unharmed(watched);
}

#[test]
fn mutated_heads_kill_nobody() {
    let watched = sandbox();
    let address = watched.kunji.address().to_owned();
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&twists(), |twists| {
        let body = valid(VERIFY).to_string();
        let bytes = twist(said_to(ROUTES[14], body.as_bytes()), &twists);
        let mut line = Line::open(&address).unwrap();
        // It may hang up before all was said.
        let _ = line.say(&bytes).and_then(|()| line.hang_up());
        let answer = line.rest().unwrap();
        let status = answer.get(9..12).map(|status| String::from_utf8_lossy(status).into_owned());
        prop_assert!(status.is_none_or(|status| status.as_str() < "500"));
        Ok(())
    });
    outcome.unwrap();
    unharmed(watched);
}

#[test]
fn a_caller_that_leaves_does_not_undo_what_began() {
    let watched = sandbox();
    let kunji: &Kunji = &watched.kunji;
    let body = change_john("1234", "4826").to_string();
    let mut line = Line::open(kunji.address()).unwrap();
    line.say(&posted(CHANGE_MPIN, "X-Kunji-Mode: live\r\n", body.as_bytes())).unwrap();
    drop(line);
    // The same request tells what became of the first one; either way it counts once.
    let again = || {
        let mut line = Line::open(kunji.address()).unwrap();
        line.post(CHANGE_MPIN, "X-Kunji-Mode: live\r\n", body.as_bytes()).unwrap()
    };
    let (first, second) = (again(), again());
    assert_eq!((first.status, &first.body), (200, &second.body));
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
    unharmed(watched);
}
