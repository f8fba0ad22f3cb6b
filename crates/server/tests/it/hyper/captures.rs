//! A capture ends once: by the issuer, by the customer, or by its time.

use std::path::Path;
use std::time::{Duration, Instant};

use kunji_vault::{BlockAlg, PinUse};
use serde_json::{Value, json};
use ureq::http::Method;

use super::client::{
    App, cancel, change_creds, cred, pin_creds, result, set_creds, submit, upi_id,
};
use super::envelope::unread;
use super::shape::{error_text, said};
use super::{
    ACC_1, ACC_2, ARJUN, MOBILE, NISHA, PIN_2, VPA, code, is_error, primaries, primary, sms,
};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::line::Line;
use crate::support::watched::free_port;
use crate::support::{Answer, Kunji, agent, run};

/// When a test gives up waiting for what must come.
const PATIENCE: Duration = Duration::from_secs(60);
const CAPTURE: &str = "a capture";
const CANCEL: &str = "leaving a capture";
const RESULT: &str = "the result of a capture";

const CASES: Table = Table {
    dialect: "hyper",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        CAPTURE, "the same secrets again: the same answer, byte for byte" => 200 "00", repeated;
        CAPTURE, "other secrets after the end" => 200 "JP_019", other_secrets;
        CAPTURE, "not one block for each control" => 200 "JP_019", wrong_creds;
        CAPTURE, "no object with a list of blocks" => 400 "JP_003", no_creds;
        CAPTURE, "no such capture" => 404 "JP_019", unknown;
        CAPTURE, "the secrets of another capture" => 200 "U54", crossed;
        CAPTURE, "after five minutes" => 200 "JP_001", late;
        CAPTURE, "after the customer left" => 200 "JP_002", left;
        CAPTURE, "after the customer deregistered" => 200 "JP_012", deregistered;
        CANCEL, "the customer leaves; and again" => 200 "JP_002", cancelled;
        CANCEL, "after the end: the result stands" => 200 "00", cancel_after_success;
        CANCEL, "after five minutes" => 200 "JP_001",
            |kunji| {
                let capture = App::let_in(kunji, NISHA).open_set(ACC_1, VPA);
                kunji.advance("5m");
                is_error(&cancel(kunji, &capture), &capture.request_id, "JP_001", "Timed Out")
            };
        CANCEL, "no such capture" => 404 "JP_019",
            |kunji| said(&kunji.send(Method::DELETE, "/hyper/v1/captures/nobody", &[], ""));
        RESULT, "it ended" => 200 "00",
            |kunji| {
                let capture = App::let_in(kunji, NISHA).open_balance(ACC_2);
                let creds = pin_creds(kunji, &capture.txn, PIN_2);
                let answer = submit(kunji, &capture, &creds);
                assert_eq!(result(kunji, &capture), answer);
                said(&answer)
            };
        RESULT, "its time is over" => 200 "JP_001",
            |kunji| {
                let capture = App::let_in(kunji, NISHA).open_change(ACC_2);
                kunji.advance("5m");
                is_error(&result(kunji, &capture), &capture.request_id, "JP_001", "Timed Out")
            };
        RESULT, "no such capture" => 404 "JP_019",
            |kunji| said(&kunji.get("/hyper/v1/captures/nobody/result"));
    },
};

tables! {
    every_capture_ends_once plays CASES;
}

#[track_caller]
fn still(kunji: &Kunji, pin: &str) {
    assert_eq!(kunji.verify("account", ACC_2, pin), "verified");
}

fn repeated(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let capture = app.open_change(ACC_2);
    let creds = change_creds(kunji, &capture.txn, PIN_2, "590284");
    let first = submit(kunji, &capture, &creds);
    // Spelled otherwise, it is the same; long after, too.
    let spelled = format!(" {{\"x\":1,\"creds\":{}}} ", creds["creds"]);
    let json_type = [("Content-Type", "application/json")];
    let again = kunji.send(Method::POST, &capture.path(), &json_type, spelled);
    kunji.advance("1h");
    let answers = [again, submit(kunji, &capture, &creds), result(kunji, &capture)];
    for answer in &answers {
        assert_eq!(answer, &first);
    }
    still(kunji, "590284");
    // A wrong MPIN again is one try.
    let capture = app.renewed().open_balance(ACC_2);
    let creds = pin_creds(kunji, &capture.txn, "000000");
    let wrong = submit(kunji, &capture, &creds);
    for _ in 0..5 {
        assert_eq!(submit(kunji, &capture, &creds), wrong);
    }
    assert_eq!(code(&wrong), "ZM");
    still(kunji, "590284");
    said(&first)
}

/// Who has no device any more changes no MPIN with what was begun before.
fn deregistered(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let capture = app.open_change(ACC_2);
    let creds = change_creds(kunji, &capture.txn, PIN_2, "590284");
    assert_eq!(code(&app.process("upiDeregister", &json!({}))), "00");
    let answer = submit(kunji, &capture, &creds);
    assert_eq!(result(kunji, &capture), answer);
    still(kunji, PIN_2);
    is_error(&answer, &capture.request_id, "JP_012", "Invalid authentication data")
}

fn other_secrets(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let capture = app.open_set(ACC_2, VPA);
    let otp = kunji.otp(MOBILE);
    let creds = set_creds(kunji, &capture.txn, &otp, "590284");
    let first = submit(kunji, &capture, &creds);
    // Fresh blocks of the same digits, and of others.
    let answers = ["590284", "916043"]
        .map(|pin| submit(kunji, &capture, &set_creds(kunji, &capture.txn, &otp, pin)));
    still(kunji, "590284");
    assert_eq!(result(kunji, &capture), first);
    // After a wrong MPIN a second guess needs another capture.
    let capture = app.open_balance(ACC_2);
    let wrong = submit(kunji, &capture, &pin_creds(kunji, &capture.txn, "000000"));
    let guesses = ["590284", "000000", "111222", "590284"]
        .map(|pin| submit(kunji, &capture, &pin_creds(kunji, &capture.txn, pin)));
    let [guess, ..] = &guesses;
    // The right one and wrong ones are answered alike, and none of them was a try.
    assert!(guesses.iter().all(|other| (other.status, &other.body) == (guess.status, &guess.body)));
    assert_eq!((code(&wrong).as_str(), code(&result(kunji, &capture)).as_str()), ("ZM", "ZM"));
    assert_eq!(code(&app.balance(ACC_2, "000000")), "ZM");
    assert_eq!(code(&app.balance(ACC_2, "590284")), "00");
    let failed =
        |answer: &Answer, id: &str| is_error(answer, id, "JP_019", "Credential capture failed");
    let set = first.json()["requestId"].as_str().unwrap().to_owned();
    same([failed(&answers[0], &set), failed(&answers[1], &set), failed(guess, &capture.request_id)])
}

fn wrong_creds(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let capture = app.open_set(ACC_2, VPA);
    let otp = kunji.otp(MOBILE);
    let block = |pin: &str, pin_use| kunji.sealed(BlockAlg::EcdhEs, pin, pin_use, &capture.txn);
    let (sms, pin) = (block(&otp, PinUse::Sms), block("590284", PinUse::Mpin));
    let (otp_cred, pin_cred) = (cred("OTP", "SMS", &sms), cred("PIN", "MPIN", &pin));
    let with_block = |value: Value| {
        let mut other = pin_cred.clone();
        other["data"]["encryptedBase64String"] = value;
        json!([otp_cred, other])
    };
    let lists = [
        json!([]),
        json!([otp_cred]),
        json!([pin_cred]),
        json!([otp_cred, otp_cred]),
        json!([otp_cred, pin_cred, pin_cred]),
        json!([otp_cred, pin_cred, cred("PIN", "ATMPIN", &pin)]),
        json!([otp_cred, cred("PIN", "NMPIN", &pin)]),
        json!([otp_cred, cred("pin", "MPIN", &pin)]),
        json!([cred("PIN", "SMS", &sms), pin_cred]),
        json!([cred("OTP", "EMAIL", &sms), pin_cred]),
        with_block(json!("")),
        with_block(json!(null)),
        with_block(json!(590_284)),
        with_block(json!([pin])),
        with_block(json!({ "a": pin })),
        json!(vec![pin_cred.clone(); 100]),
    ];
    let answers: Vec<_> = lists
        .iter()
        .map(|list| {
            let answer = submit(kunji, &capture, &json!({ "creds": list }));
            is_error(&answer, &capture.request_id, "JP_019", "Credential capture failed")
        })
        .collect();
    still(kunji, PIN_2);
    // Nothing was decided by any of it.
    let answer = submit(kunji, &capture, &json!({ "creds": [otp_cred, pin_cred] }));
    assert_eq!(code(&answer), "00");
    same(answers)
}

fn no_creds(kunji: &Kunji) -> Said {
    let capture = App::let_in(kunji, NISHA).open_balance(ACC_2);
    let good = pin_creds(kunji, &capture.txn, PIN_2);
    let text = good.to_string();
    let bodies = [
        "{}".to_owned(),
        "[]".to_owned(),
        "7".to_owned(),
        "{\"creds\":null}".to_owned(),
        "{\"creds\":{}}".to_owned(),
        "{\"creds\":[7]}".to_owned(),
        "{\"creds\":[[]]}".to_owned(),
        "{\"creds\":[{}]}".to_owned(),
        format!("[{}]", good["creds"]),
        {
            let block = &good["creds"][0]["data"];
            json!({ "creds": [["PIN", "MPIN", block]] }).to_string()
        },
        text.replace("\"creds\"", "\"creds\":[],\"creds\""),
        text.replace("\"type\"", "\"type\":\"OTP\",\"type\""),
        text.replace("\"encryptedBase64String\"", "\"e\""),
        text.replace("\"PIN\"", "7"),
        format!("{{\"creds\":[{{\"type\":\"PIN\",\"subType\":\"MPIN\",\"data\":[{}]}}]}}", "\"x\""),
        text[..text.len() - 1].to_owned(),
        "[".repeat(60_000),
    ];
    let json_type = [("Content-Type", "application/json")];
    let answers: Vec<_> = bodies
        .iter()
        .map(|body| {
            let answer = kunji.send(Method::POST, &capture.path(), &json_type, body.clone());
            is_error(&answer, &capture.request_id, "JP_003", &unread(&answer))
        })
        .collect();
    let plain = kunji.send(Method::POST, &capture.path(), &[("Content-Type", "text/plain")], text);
    assert_eq!((plain.status, code(&plain).as_str()), (415, "JP_003"));
    let large = kunji.send(Method::POST, &capture.path(), &json_type, " ".repeat(70_000));
    assert_eq!((large.status, code(&large).as_str()), (413, "JP_003"));
    assert_eq!(code(&submit(kunji, &capture, &good)), "00");
    same(answers)
}

fn unknown(kunji: &Kunji) -> Said {
    let creds = pin_creds(kunji, &upi_id(), PIN_2);
    let long = "x".repeat(65);
    let ids = ["nobody", "%00", "a%2Fb", "..%2F..", "%ff", "{id}", "é", &long];
    same(ids.map(|id| {
        let path = format!("/hyper/v1/captures/{id}");
        let answer = kunji.post(&path, &[], &creds);
        is_error(&answer, "", "JP_019", "Credential capture failed")
    }))
}

fn crossed(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let (first, second) = (app.open_change(ACC_2), app.open_change(ACC_2));
    let creds = change_creds(kunji, &first.txn, PIN_2, "590284");
    let said = said(&submit(kunji, &second, &creds));
    still(kunji, PIN_2);
    // Each block is looked at once: where they belong they are of no use any more.
    assert_eq!(code(&submit(kunji, &first, &creds)), "U54");
    still(kunji, PIN_2);
    // Under the same id, another dialect or our own API cannot use them either.
    let block = creds["creds"][0]["data"]["encryptedBase64String"].as_str().unwrap();
    let path = format!("/kunji/v1/credentials/account/{ACC_2}/verify");
    let bearer = [("Authorization", "Bearer sandbox")];
    let spent = kunji.post(&path, &bearer, &json!({ "txn": first.txn, "pin": block }));
    assert_eq!(spent.json()["code"], "unreadable_block");
    said
}

fn late(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let capture = app.open_set(ACC_2, VPA);
    let creds = set_creds(kunji, &capture.txn, &kunji.otp(MOBILE), "590284");
    kunji.advance("4m");
    let in_time = app.open_change(ACC_2);
    kunji.advance("1m");
    let answer = submit(kunji, &capture, &creds);
    assert_eq!(submit(kunji, &capture, &creds), answer);
    assert_eq!(result(kunji, &capture), answer);
    assert_eq!(cancel(kunji, &capture), answer);
    assert_eq!(primaries(&app), primary(ACC_1, ACC_2));
    still(kunji, PIN_2);
    let creds = change_creds(kunji, &in_time.txn, PIN_2, "590284");
    assert_eq!(code(&submit(kunji, &in_time, &creds)), "00");
    is_error(&answer, &capture.request_id, "JP_001", "Timed Out")
}

fn left(kunji: &Kunji) -> Said {
    let capture = App::let_in(kunji, NISHA).open_change(ACC_2);
    let left = cancel(kunji, &capture);
    let answer = submit(kunji, &capture, &change_creds(kunji, &capture.txn, PIN_2, "590284"));
    assert_eq!(answer, left);
    // No try is counted for a guess that comes too late.
    for guess in ["000000", "000001", "000002"] {
        submit(kunji, &capture, &change_creds(kunji, &capture.txn, guess, "590284"));
    }
    kunji.advance("5m");
    assert_eq!(result(kunji, &capture), left);
    still(kunji, PIN_2);
    is_error(&answer, &capture.request_id, "JP_002", "USER_ABORTED")
}

fn cancelled(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let capture = app.open_set(ACC_1, VPA);
    let first = cancel(kunji, &capture);
    let answers = [cancel(kunji, &capture), result(kunji, &capture)];
    for answer in &answers {
        assert_eq!(answer, &first);
    }
    assert_eq!(kunji.verify("account", ACC_1, "4826"), "not_set");
    assert_eq!(primaries(&app), primary(ACC_1, ACC_2));
    assert_eq!(sms(kunji, MOBILE), 1);
    is_error(&first, &capture.request_id, "JP_002", "USER_ABORTED")
}

fn cancel_after_success(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let capture = app.open_set(ACC_2, VPA);
    let creds = set_creds(kunji, &capture.txn, &kunji.otp(MOBILE), "590284");
    let first = submit(kunji, &capture, &creds);
    let after = cancel(kunji, &capture);
    assert_eq!(after, first);
    still(kunji, "590284");
    assert_eq!(primaries(&app), primary(ACC_2, ACC_2));
    said(&after)
}

#[test]
fn a_result_that_is_waited_for_comes_with_the_secrets() {
    let kunji = Kunji::sandbox();
    let capture = App::let_in(&kunji, NISHA).open_balance(ACC_2);
    let ask = format!("GET {}/result HTTP/1.1\r\nhost: localhost\r\n\r\n", capture.path());
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut line = Line::open(kunji.address()).unwrap();
            line.say(ask.as_bytes()).unwrap();
            line
        })
        .collect();
    // One that nobody ends is not answered at once.
    let open = App::let_in(&kunji, ARJUN).open_balance(super::ACC_3);
    let mut idle = Line::open(kunji.address()).unwrap();
    let ask = format!("GET {}/result HTTP/1.1\r\nhost: localhost\r\n\r\n", open.path());
    idle.say(ask.as_bytes()).unwrap();
    let answer = submit(&kunji, &capture, &pin_creds(&kunji, &capture.txn, PIN_2));
    for mut line in waiting {
        assert_eq!(line.answer().unwrap().body, answer.body);
    }
    // All of them came before the end of a wait that nobody ended.
    assert!(idle.is_quiet());
}

/// Two connections are all there are, and both wait for a customer.
#[test]
fn health_answers_where_every_connection_is_busy() {
    let health = format!("127.0.0.1:{}", free_port());
    let args = ["sandbox", "--health-listen", &health];
    let kunji = Kunji::start_with(&args, &[("KUNJI_SERVER__CONNECTIONS_MAX", "2")]);
    let capture = App::let_in(&kunji, NISHA).open_balance(ACC_2);
    let ask = format!("GET {}/result HTTP/1.1\r\nhost: localhost\r\n\r\n", capture.path());
    let mut busy = [Line::open(kunji.address()).unwrap(), Line::open(kunji.address()).unwrap()];
    for line in &mut busy {
        line.say(ask.as_bytes()).unwrap();
    }
    let live = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut waiting = Line::open(kunji.address()).unwrap();
    waiting.say(live).unwrap();
    let mut line = Line::open(&health).unwrap();
    for path in ["/livez", "/readyz", "/metrics"] {
        let ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        line.say(ask.as_bytes()).unwrap();
        assert_eq!(line.answer().unwrap().status, 200, "{path}");
    }
    assert!(busy.iter().all(Line::is_quiet));
    // As soon as one of them has left, whoever waited is answered.
    let [first, second] = busy;
    drop(first);
    assert_eq!(waiting.answer().unwrap().status, 200);
    assert!(second.is_quiet());
}

#[test]
fn a_capture_that_is_waited_for_ends_with_its_time() {
    let kunji = Kunji::sandbox();
    let capture = App::let_in(&kunji, NISHA).open_balance(ACC_2);
    let mut line = Line::open(kunji.address()).unwrap();
    let ask = format!("GET {}/result HTTP/1.1\r\nhost: localhost\r\n\r\n", capture.path());
    line.say(ask.as_bytes()).unwrap();
    kunji.advance("5m");
    let text = error_text(&capture.request_id, "JP_001", "Timed Out");
    assert_eq!(line.answer().unwrap().text(), text);
}

/// How many events the audit of an ended sandbox holds.
fn events(data: &Path) -> u64 {
    let args = ["audit", "verify", "--output", "json", "--data", data.to_str().unwrap()];
    let (code, said, error) = run(&args, "");
    assert_eq!((code, error.as_str()), (Some(0), ""));
    serde_json::from_str::<Value>(&said).unwrap()["events"].as_u64().unwrap()
}

/// Waits until a process has committed so much more than before.
fn committed_after(metrics: &str, more: u64, work: impl FnOnce()) {
    let count = || {
        let mut said = agent().get(format!("http://{metrics}/metrics")).call().unwrap();
        let text = said.body_mut().read_to_string().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("kunji_store_commits_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let before = count();
    work();
    let deadline = Instant::now() + PATIENCE;
    while count() < before + more {
        assert!(Instant::now() < deadline, "nothing more is committed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn time_ends_a_capture_that_nobody_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let metrics = format!("127.0.0.1:{}", free_port());
    let begun = |work: &dyn Fn(&Kunji)| {
        let args = ["sandbox", "--data", data, "--metrics-listen", &metrics];
        let kunji = Kunji::start(&args);
        work(&kunji);
        assert_eq!(kunji.stop(), Some(0));
        events(folder.path())
    };
    let open = begun(&|kunji| {
        App::let_in(kunji, NISHA).open_set(ACC_2, VPA);
    });
    let idle = begun(&|_| {}) - open;
    // The issuer's and the capture's own.
    let late = begun(&|kunji| committed_after(&metrics, 2, || kunji.advance("5m")));
    assert_eq!(late - open - 2 * idle, 2);
    // Once.
    assert_eq!(begun(&|_| std::thread::sleep(Duration::from_millis(1200))) - late, idle);
}

#[test]
fn the_page_is_guarded_and_says_what_it_is_for() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    let capture = app.open_set(ACC_1, VPA);
    let page = kunji.get(&format!("{}/page", capture.path()));
    let none = kunji.get("/hyper/v1/captures/nobody/page");
    assert_eq!((page.status, none.status), (200, 404));
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             img-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ] {
        for answer in [&page, &none] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
    }
    assert!(page.header("permissions-policy").unwrap().contains("camera=()"));
    let text = page.text();
    for part in [
        format!("data-capture=\"{}\"", capture.id),
        format!("data-txn=\"{}\"", capture.txn),
        "data-kind=\"set-mpin\"".to_owned(),
        "data-state=\"open\"".to_owned(),
        "data-pin-length=\"4\"".to_owned(),
        "data-otp-length=\"6\"".to_owned(),
        "Kunji Bank".to_owned(),
        "XXXX203891".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}");
    }
    assert!(!text.contains(&kunji.otp(MOBILE)) && !text.contains(MOBILE));
    cancel(&kunji, &capture);
    let ended = kunji.get(&format!("{}/page", capture.path())).text();
    assert!(ended.contains("data-state=\"finished\""));
    for (path, kind) in [("capture.css", "text/css"), ("capture.js", "text/javascript")] {
        let asset = kunji.get(&format!("/hyper/v1/{path}"));
        assert_eq!(asset.status, 200);
        assert!(asset.header("content-type").unwrap().starts_with(kind));
        assert_eq!(asset.header("x-content-type-options"), Some("nosniff"));
    }
}
