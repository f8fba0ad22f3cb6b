//! Guesses at a client's keys, and the brake on them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::json;
use tokio::net::TcpSocket;
use ureq::http::Method;

use super::{RESET, RESET_V3, plain_said};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::watched::Watched;
use crate::support::{Answer, CLIENT, KUNJI, Kunji, token};

const EVERY: &str = "all calls";

/// Three wrong keys a minute.
const BRAKE: Table = Table {
    dialect: "prepaid",
    start: || Kunji::sandbox_with(SETTINGS),
    ground: Ground::Shared,
    cases: cases! {
        EVERY, "more wrong keys from one address than the settings allow; `Retry-After` says when" => 429 "1045",
            too_many_wrong;
    },
};

const SETTINGS: &[(&str, &str)] = &[("KUNJI_PREPAID__WRONG_KEYS_PER_MINUTE", "3")];

tables! {
    too_many_wrong_keys_are_told_when_to_come_back plays BRAKE;
}

fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let others = CLIENT.iter().copied().filter(|(header, _)| *header != name);
    others.chain([(name, value)]).collect()
}

fn reset(kunji: &Kunji, headers: &[(&str, &str)]) -> Answer {
    RESET.send_with(kunji, headers, &RESET.with(&json!({"newPIN": "739105"})))
}

fn too_many_wrong(kunji: &Kunji) -> Said {
    for guess in ["7fe1c0df", "7fe1c0da", "7fe1c0db"] {
        assert_eq!(reset(kunji, &with("x-api-key", guess)).status, 401);
    }
    // From now on no answer depends on the key; the right one is not let in either.
    let answers = [reset(kunji, &with("x-api-key", "7fe1c0dc")), reset(kunji, CLIENT)];
    same(answers.map(|answer| {
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&wait), "{wait}");
        plain_said(&answer)
    }))
}

#[test]
fn every_secret_of_a_client_is_under_the_brake() {
    let consumer = |id| [CLIENT, &[("X-Consumer-Custom-ID", id)]].concat();
    let guesses = [
        ("the key", &RESET, with("x-api-key", "x"), 401),
        ("the secure code", &RESET, with("secureCode", "x"), 403),
        ("the consumer", &RESET_V3, consumer("x"), 401),
        ("a client that there is not", &RESET, with("clientId", "2001"), 401),
    ];
    for (what, call, headers, status) in guesses {
        let kunji = Kunji::sandbox_with(SETTINGS);
        let asked = call.with(&json!({"newPIN": "739105"}));
        let answers = (0..5).map(|_| call.send_with(&kunji, &headers, &asked).status);
        assert_eq!(answers.collect::<Vec<_>>(), [status, status, status, 429, 429], "{what}");
    }
    // What is no secret takes nothing from the allowance, and neither does what is missing.
    let kunji = Kunji::sandbox_with(SETTINGS);
    for headers in [with("bankId", "1"), with("entityId", "1"), with("x-api-key", "")] {
        for _ in 0..5 {
            assert!([400, 401, 403].contains(&reset(&kunji, &headers).status));
        }
    }
    assert_eq!(reset(&kunji, CLIENT).status, 200);
}

/// A connection from an address of this machine's own network.
fn line_from(address: &str, kunji: &Kunji) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let line = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        socket.connect(kunji.address().parse().unwrap()).await.unwrap().into_std().unwrap()
    });
    line.set_nonblocking(false).unwrap();
    line
}

/// A request from such an address: status and text of the answer.
fn from(address: &str, kunji: &Kunji, api_key: &str) -> (u16, String) {
    let mut line = line_from(address, kunji);
    let asked = RESET.with(&json!({"newPIN": "123456"})).to_string();
    let body = json!({ "token": token(&asked) }).to_string();
    let mut request = format!("POST {} HTTP/1.1\r\nHost: localhost\r\n", RESET.path);
    for (name, value) in CLIENT.iter().filter(|(name, _)| *name != "x-api-key") {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!(
        "x-api-key: {api_key}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    line.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    line.read_to_string(&mut text).unwrap();
    (text[9..12].parse().unwrap(), text)
}

/// An attack on the binary: one peer tries keys as fast as it can.
#[test]
fn a_guesser_of_keys_is_stopped_alone_counted_and_told_of_once() {
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
    command.env("KUNJI_LOG__FORMAT", "json").env("KUNJI_PREPAID__WRONG_KEYS_PER_MINUTE", "5");
    let metrics = format!("127.0.0.1:{}", crate::support::watched::free_port());
    command.env("KUNJI_METRICS__LISTEN", &metrics);
    let watched = Watched::start(command).unwrap();
    let kunji = &watched.kunji;
    let verdicts: Vec<_> =
        (0..300).map(|guess| from("127.0.0.7", kunji, &format!("{guess:08x}")).0).collect();
    let compared = verdicts.iter().filter(|status| **status == 401).count();
    // Five at once, then one for every twelve seconds.
    assert!(verdicts.iter().all(|status| [401, 429].contains(status)), "{verdicts:?}");
    assert!((5..50).contains(&compared), "{compared} keys were compared");
    assert_eq!(from("127.0.0.7", kunji, "7fe1c0de").0, 429);
    let (status, text) = from("127.0.0.8", kunji, "7fe1c0de");
    assert_eq!(status, 200, "{text}");
    let figures = ureq::get(&format!("http://{metrics}/metrics")).call().unwrap();
    let figures = figures.into_body().read_to_string().unwrap();
    let counted = format!("kunji_refused_keys_total{{client=\"2000\"}} {compared}");
    assert!(figures.contains(&counted), "no {counted} in\n{figures}");
    let (_, said) = watched.stop();
    let warnings =
        said.lines().filter(|line| line.contains("too many wrong keys of prepaid clients")).count();
    assert_eq!(warnings, 1, "{said}");
    assert!(!said.contains("7fe1c0de") && !said.contains("127.0.0.7"));
}

#[test]
fn wrong_keys_are_no_way_to_a_token() {
    // Whether a token can be read is told to clients only.
    let kunji = Kunji::sandbox();
    for body in ["", "{", "{\"token\":\"AAAA\"}"] {
        let headers = with("x-api-key", "7fe1c0df");
        let answer = kunji.send(Method::POST, RESET.path, &headers, body);
        assert_eq!(plain_said(&answer).code, "1032");
    }
}
