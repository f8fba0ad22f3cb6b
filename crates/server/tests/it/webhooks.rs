//! Changes of UPI numbers as their merchant hears of them.

mod receiver;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kunji_core::audit::{Action, Event, Subject};
use kunji_core::ids::UpiNumber;
use kunji_core::store::Survey as _;
use kunji_store::{Embedded, EmbeddedSettings};
use kunji_vault::{RsaPrivate, RsaScheme};
use serde_json::{Value, json};

use self::receiver::{Answering, Delivered, Receiver};
use crate::hyper::client::App;
use crate::support::shape::starred;
use crate::support::watched::free_port;
use crate::support::{KUNJI, Kunji, agent, fresh, keys_in, run};

/// Active at the start, and disabled.
const ACTIVE: &str = "87654321";
const DISABLED: &str = "765432189";

const TAKEN: Answering = Answering::Status(204);

/// Asks for a change as the customer's app does; the request's id.
#[track_caller]
fn change(kunji: &Kunji, command: &str, number: &str) -> String {
    asked(kunji, command, number, &[], "00")
}

/// Asks for a change with these headers, which is answered with this code; the request's id.
#[track_caller]
fn asked(
    kunji: &Kunji,
    command: &str,
    number: &str,
    headers: &[(&str, &str)],
    code: &str,
) -> String {
    let vpa = if number == DISABLED { "second@handle" } else { "something@handle" };
    let key = include_str!("../../src/sandbox/merchant-stock.jwk.json");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().to_string();
    let signed = json!({"merchant_id": "stock", "customer_id": "1234567", "timestamp": now});
    let signed = signed.to_string();
    let signature =
        RsaPrivate::parse(key).unwrap().sign(RsaScheme::Pkcs1, &[signed.as_bytes()]).unwrap();
    let txn = format!("{:0<35}", fresh("STK"));
    let body = json!({
        "requestId": "r",
        "service": "in.juspay.hyperapi",
        "payload": {
            "action": "upiUpdateUpiNumberStatus",
            "upiRequestId": txn,
            "command": command,
            "upiNumber": number,
            "vpa": vpa,
            "merchantKeyId": "stock-test-1",
            "signature": STANDARD.encode(signature),
            "signaturePayload": signed,
        },
    });
    let answer = kunji.post("/hyper/v1/process", headers, &body);
    assert_eq!(answer.json()["payload"]["gatewayResponseCode"], code, "{answer:?}");
    txn
}

fn told(number: &str, status: &str) -> (String, String) {
    (number.to_owned(), status.to_owned())
}

/// A sandbox that keeps its state, and tells this address.
fn sandbox(dir: &Path, webhook: &str) -> Kunji {
    Kunji::start(&["sandbox", "--data", dir.to_str().unwrap(), "--webhook", webhook])
}

/// How the deliveries about a number went, as its chain tells; no process has the store open.
fn deliveries(dir: &Path, number: &str) -> Vec<String> {
    let (code, said, _) = run(&["audit", "verify", "--data", dir.to_str().unwrap()], "");
    assert_eq!(code, Some(0), "{said}");
    let store =
        Embedded::open(&dir.join("store-1"), EmbeddedSettings::default(), keys_in(dir)).unwrap();
    let mut verdicts = Vec::new();
    let subject = Subject::Number(UpiNumber::parse(number).unwrap());
    store
        .each_event(&subject, &mut |encoded| {
            let event = Event::decode(encoded).unwrap();
            if event.action == Action::Deliver {
                verdicts.push(event.verdict.clone());
            }
            Ok(())
        })
        .unwrap();
    verdicts
}

/// Reads a counter of the channel until it has counted so many.
fn counted(metrics: u16, result: &str, expected: u64) {
    let line = format!("kunji_webhooks_total{{channel=\"stock/STOCKAPP\",result=\"{result}\"}} ");
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = agent().get(format!("http://127.0.0.1:{metrics}/metrics")).call();
        let text = answer.unwrap().body_mut().read_to_string().unwrap();
        let found = text.lines().find_map(|one| one.strip_prefix(&line));
        if found.is_some_and(|count| count.parse::<u64>().unwrap() >= expected) {
            return;
        }
        assert!(Instant::now() < until, "{result} {expected}: {text}");
        std::thread::yield_now();
    }
}

#[test]
fn changes_are_told_in_their_order_with_a_signature() {
    let receiver = Receiver::start(0, |_, _| TAKEN);
    let kunji = Kunji::start(&["sandbox", "--webhook", &receiver.url()]);
    let mut ids = Vec::new();
    for (command, status) in
        [("DISABLE", "INACTIVE"), ("REACTIVATE", "ACTIVE"), ("DELETE", "DEREGISTER")]
    {
        let txn = change(&kunji, command, ACTIVE);
        let event = receiver.next();
        assert_eq!(event.path, "/hooks?from=kunji");
        assert_eq!(event.header("host"), format!("127.0.0.1:{}", receiver.port));
        assert_eq!(event.header("content-type"), "application/json");
        let text = String::from_utf8(event.body.clone()).unwrap();
        assert_eq!(
            starred(&text, "gatewayTimestamp", is_indian),
            format!(
                r#"{{"action":"{command}","customResponse":"{{}}","customerMobileNumber":"919876543210","gatewayTimestamp":"*","gatewayTransactionId":"{txn}","merchantChannelId":"STOCKAPP","merchantCustomerId":"1234567","merchantId":"stock","status":"SUCCESS","type":"UPI_NUMBER_MAPPER","upiNumber":"{ACTIVE}","upiNumberStatus":"{status}","vpa":"something@handle"}}"#
            )
        );
        ids.push(event.id().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn quick_changes_of_one_number_keep_their_order() {
    let receiver = Receiver::start(0, |_, _| TAKEN);
    let kunji = Kunji::start(&["sandbox", "--webhook", &receiver.url()]);
    for _ in 0..6 {
        change(&kunji, "DISABLE", ACTIVE);
        change(&kunji, "REACTIVATE", ACTIVE);
    }
    for _ in 0..6 {
        assert_eq!(receiver.next().told(), told(ACTIVE, "INACTIVE"));
        assert_eq!(receiver.next().told(), told(ACTIVE, "ACTIVE"));
    }
}

#[test]
fn an_event_is_tried_until_it_is_taken_under_one_id() {
    const ANSWERS: [Answering; 7] = [
        Answering::Status(500),
        Answering::Status(302),
        Answering::Close,
        Answering::Status(404),
        Answering::Silence,
        TAKEN,
        TAKEN,
    ];
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(0, |_, before| ANSWERS[before]);
    let kunji = sandbox(dir.path(), &receiver.url());
    change(&kunji, "DISABLE", ACTIVE);
    let first = receiver.next();
    // Each is within its pause, a fifth more at most.
    for pause in ["6s", "36s", "144s", "720s"] {
        assert_eq!(receiver.rest().len(), 0);
        kunji.advance(pause);
        let again = receiver.next();
        assert_eq!((again.id(), &again.body), (first.id(), &first.body));
    }
    // The fifth try hangs until its time is over; then the next one is due at once.
    kunji.advance("2160s");
    let last = receiver.next();
    assert_eq!((last.id(), &last.body), (first.id(), &first.body));
    change(&kunji, "REACTIVATE", ACTIVE);
    let next = receiver.next();
    assert_eq!(next.told(), told(ACTIVE, "ACTIVE"));
    assert_ne!(next.id(), first.id());
    assert_eq!(kunji.stop(), Some(0));
    assert_eq!(deliveries(dir.path(), ACTIVE)[0], "told");
    assert_eq!(receiver.rest().len(), 0);
}

#[test]
fn an_event_waits_for_those_before_of_its_number_and_for_no_other() {
    const ANSWERS: [Answering; 5] = [Answering::Status(500), TAKEN, TAKEN, TAKEN, TAKEN];
    let receiver = Receiver::start(0, |_, before| ANSWERS[before]);
    let kunji = Kunji::start(&["sandbox", "--webhook", &receiver.url()]);
    change(&kunji, "DISABLE", ACTIVE);
    assert_eq!(receiver.next().told(), told(ACTIVE, "INACTIVE"));
    change(&kunji, "REACTIVATE", ACTIVE);
    change(&kunji, "REACTIVATE", DISABLED);
    assert_eq!(receiver.next().told(), told(DISABLED, "ACTIVE"));
    assert_eq!(receiver.rest().len(), 0);
    kunji.advance("6s");
    assert_eq!(receiver.next().told(), told(ACTIVE, "INACTIVE"));
    assert_eq!(receiver.next().told(), told(ACTIVE, "ACTIVE"));
}

/// More refused events than a page of the lane holds.
#[test]
fn refused_events_do_not_hide_those_behind_them() {
    let receiver = Receiver::start(0, |event: &Delivered, _| match event.told().0.as_str() {
        ACTIVE => Answering::Status(500),
        _ => TAKEN,
    });
    let kunji = Kunji::start(&["sandbox", "--webhook", &receiver.url()]);
    for _ in 0..150 {
        change(&kunji, "DISABLE", ACTIVE);
        change(&kunji, "REACTIVATE", ACTIVE);
    }
    change(&kunji, "REACTIVATE", DISABLED);
    let mut heard = receiver.next();
    while heard.told() == told(ACTIVE, "INACTIVE") {
        heard = receiver.next();
    }
    assert_eq!(heard.told(), told(DISABLED, "ACTIVE"));
}

/// A sandbox that tells this receiver, keeps its data here and has its metrics at this port.
fn telling(receiver: &Receiver, data: &Path, metrics: u16) -> Kunji {
    Kunji::start(&[
        "sandbox",
        "--data",
        data.to_str().unwrap(),
        "--webhook",
        &receiver.url(),
        "--metrics-listen",
        &format!("127.0.0.1:{metrics}"),
    ])
}

#[test]
fn an_event_is_given_up_after_a_day_and_the_next_one_told() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(0, |event: &Delivered, _| match event.told().1.as_str() {
        "INACTIVE" => Answering::Status(503),
        _ => TAKEN,
    });
    let metrics = free_port();
    let kunji = telling(&receiver, dir.path(), metrics);
    change(&kunji, "DISABLE", ACTIVE);
    let first = receiver.next();
    counted(metrics, "refused", 1);
    kunji.advance("23h59m");
    assert_eq!(receiver.next().id(), first.id());
    counted(metrics, "refused", 2);
    kunji.advance("1m");
    assert_eq!(receiver.next().id(), first.id());
    counted(metrics, "given_up", 1);
    kunji.advance("2d");
    change(&kunji, "REACTIVATE", ACTIVE);
    assert_eq!(receiver.next().told(), told(ACTIVE, "ACTIVE"));
    counted(metrics, "delivered", 1);
    assert_eq!(kunji.stop(), Some(0));
    assert_eq!(deliveries(dir.path(), ACTIVE), ["given_up", "told"]);
    assert_eq!(receiver.rest().len(), 0);
}

#[test]
fn a_kill_between_a_change_and_its_delivery_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (port, metrics) = (free_port(), free_port());
    let url = format!("http://127.0.0.1:{port}/");
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json", "--webhook", &url]);
    command.args(["--metrics-listen", &format!("127.0.0.1:{metrics}"), "--data"]).arg(dir.path());
    let kunji = Kunji::spawn(command);
    change(&kunji, "DISABLE", ACTIVE);
    change(&kunji, "REACTIVATE", ACTIVE);
    counted(metrics, "unreachable", 2);
    kunji.kill();
    let receiver = Receiver::start(port, |_, _| Answering::Silence);
    let kunji = sandbox(dir.path(), &url);
    let first = receiver.next();
    assert_eq!(first.told(), told(ACTIVE, "INACTIVE"));
    // It got there, but nobody said so.
    kunji.kill();
    receiver.leave();
    let receiver = Receiver::start(port, |_, _| TAKEN);
    let kunji = sandbox(dir.path(), &url);
    let again = receiver.next();
    assert_eq!((again.id(), &again.body), (first.id(), &first.body));
    assert_eq!(receiver.next().told(), told(ACTIVE, "ACTIVE"));
    assert_eq!(kunji.stop(), Some(0));
    // What was taken is not told again.
    let kunji = sandbox(dir.path(), &url);
    change(&kunji, "DELETE", ACTIVE);
    assert_eq!(receiver.next().told(), told(ACTIVE, "DEREGISTER"));
    assert_eq!(kunji.stop(), Some(0));
    assert_eq!(deliveries(dir.path(), ACTIVE), ["told", "told", "told"]);
}

#[test]
fn a_day_without_the_service_still_leaves_a_try() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(0, |_, _| Answering::Silence);
    let (url, port) = (receiver.url(), receiver.port);
    let kunji = sandbox(dir.path(), &url);
    change(&kunji, "DISABLE", ACTIVE);
    let first = receiver.next();
    kunji.advance("3d");
    kunji.kill();
    receiver.leave();
    let receiver = Receiver::start(port, |_, _| TAKEN);
    let kunji = sandbox(dir.path(), &url);
    assert_eq!(receiver.next().id(), first.id());
    assert_eq!(kunji.stop(), Some(0));
    assert_eq!(deliveries(dir.path(), ACTIVE), ["told"]);
}

#[test]
fn a_receiver_that_is_silent_does_not_keep_the_service_from_ending() {
    let receiver = Receiver::start(0, |_, _| Answering::Silence);
    let kunji = Kunji::start(&["sandbox", "--webhook", &receiver.url()]);
    change(&kunji, "DISABLE", ACTIVE);
    receiver.next();
    assert_eq!(kunji.stop(), Some(0));
}

/// A sandbox that trusts these authorities and tells an address behind TLS.
fn trusting(authorities: &Path, url: &str, metrics: u16) -> Kunji {
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json", "--webhook", url]);
    command.args(["--metrics-listen", &format!("127.0.0.1:{metrics}")]);
    command.env("SSL_CERT_FILE", authorities).env_remove("SSL_CERT_DIR");
    Kunji::spawn(command)
}

#[test]
fn an_https_address_is_told_only_when_its_certificate_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let authority = dir.path().join("authority.pem");
    std::fs::write(&authority, include_str!("webhooks/authority.pem")).unwrap();
    let receiver = Receiver::start_tls(|_, _| TAKEN);
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/hooks", receiver.port);
        let kunji = trusting(&authority, &url, free_port());
        change(&kunji, "DISABLE", ACTIVE);
        assert_eq!(receiver.next().told(), told(ACTIVE, "INACTIVE"));
    }
    // Another name than the certificate's, and another authority than its own.
    let other = dir.path().join("other.pem");
    std::fs::write(&other, include_str!("webhooks/localhost.pem")).unwrap();
    for (trusted, host) in [(&authority, "127.0.0.2"), (&other, "localhost")] {
        let metrics = free_port();
        let url = format!("https://{host}:{}/hooks", receiver.port);
        let kunji = trusting(trusted, &url, metrics);
        change(&kunji, "DISABLE", ACTIVE);
        counted(metrics, "unreachable", 1);
        assert_eq!(receiver.rest().len(), 0);
    }
}

#[test]
fn an_address_that_is_none_is_refused() {
    for url in ["ftp://localhost/", "/hooks", "localhost:80", "http://"] {
        let args = ["sandbox", "--listen", "127.0.0.1:0", "--webhook", url];
        let (code, said, error) = run(&args, "");
        assert!(matches!(code, Some(1 | 2)) && said.is_empty(), "{url}: {code:?} {said}{error}");
    }
}

#[test]
fn the_body_tells_no_more_than_documented() {
    let receiver = Receiver::start(0, |_, _| TAKEN);
    let kunji = Kunji::start(&["sandbox", "--webhook", &receiver.url()]);
    change(&kunji, "DISABLE", ACTIVE);
    let event = receiver.next();
    let names: Vec<_> = event.headers.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "host",
        "user-agent",
        "content-type",
        "connection",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "content-length",
    ];
    assert_eq!(names, expected);
    let Value::Object(body) = event.json() else { panic!("no object") };
    assert_eq!(body.len(), 13);
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `2016-07-15T02:58:37+05:30`.
fn is_indian(text: &str) -> bool {
    text.len() == 25 && text.ends_with("+05:30") && text.parse::<jiff::Timestamp>().is_ok()
}

/// Asks for a change that waits; the request's id.
#[track_caller]
fn wait(kunji: &Kunji, command: &str, number: &str, fault: &str) -> String {
    asked(kunji, command, number, &[("X-Kunji-Fault", fault)], "01")
}

/// The event's action, status, and where the number stands.
fn ended(event: &Delivered) -> [String; 3] {
    let body = event.json();
    ["action", "status", "upiNumberStatus"]
        .map(|name| body[name].as_str().unwrap_or("-").to_owned())
}

/// A sandbox that tells only what no answer tells.
fn unanswered(url: &str, more: &[&str]) -> Kunji {
    let args = ["sandbox", "--webhook", url, "--webhook-changes", "unanswered"];
    Kunji::start(&[&args[..], more].concat())
}

#[test]
fn a_channel_hears_of_settled_changes_also_when_it_does_not_ask_for_all() {
    let receiver = Receiver::start(0, |_, _| TAKEN);
    let kunji = unanswered(&receiver.url(), &[]);
    // Answered at once, and not told.
    change(&kunji, "DISABLE", ACTIVE);
    let txn = wait(&kunji, "REACTIVATE", ACTIVE, "pending; after=5m");
    assert_eq!(receiver.rest().len(), 0, "it is not settled");
    kunji.advance("5m");
    let event = receiver.next();
    assert_eq!(ended(&event), ["REACTIVATE", "SUCCESS", "ACTIVE"]);
    assert_eq!(event.json()["gatewayTransactionId"], txn);
    wait(&kunji, "DELETE", ACTIVE, "pending; after=5m; status=FAILURE");
    kunji.advance("5m");
    assert_eq!(ended(&receiver.next()), ["DELETE", "FAILURE", "ACTIVE"]);
    change(&kunji, "DELETE", ACTIVE);
    assert_eq!(receiver.rest().len(), 0);
}

#[test]
fn a_mobile_number_that_was_ported_away_is_told_to_who_had_it() {
    let receiver = Receiver::start(0, |_, _| TAKEN);
    let kunji = unanswered(&receiver.url(), &["--webhook-shape", "wrapped"]);
    let own = "9876543210";
    let txn = format!("{:0<35}", fresh("BRK"));
    let members = json!({
        "command": "PORT", "upiNumber": own, "vpa": "me@broker", "existingVpa": "something@handle",
        "upiRequestId": txn,
    });
    let broker = App { merchant: "broker", ..App::of(&kunji, "88001") }.renewed();
    let answer = broker.process("upiCreateUpiNumber", &members).json();
    assert_eq!(answer["payload"]["gatewayResponseCode"], "00");
    assert_eq!(answer["payload"]["existingVpa"], "something@handle");
    let event = receiver.next();
    let text = String::from_utf8(event.body.clone()).unwrap();
    let text = starred(&text, "gateway_timestamp", is_indian);
    let text = starred(&text, "date_created", |at| at.len() == 20 && at.ends_with('Z'));
    let text = starred(&text, "id", |id| {
        id.strip_prefix("evt_V2_").is_some_and(|id| id.len() == 32 && is_hex(id))
    });
    let text = starred(&text, "gateway_transaction_id", |id| id.len() == 35 && is_hex(&id[3..]));
    assert_eq!(
        text,
        r#"{"id":"*","event_name":"MERCHANT_CUSTOMER_PORTED_UPI_NUMBER","date_created":"*","content":{"merchant_customer":{"upi":{"action":"PORTED_OUT","custom_response":"{}","customer_mobile_number":"919876543210","gateway_timestamp":"*","gateway_transaction_id":"*","merchant_channel_id":"STOCKAPP","merchant_customer_id":"1234567","merchant_id":"stock","status":"SUCCESS","type":"UPI_NUMBER_MAPPER","upi_number":"9876543210","vpa":"something@handle"}}}}"#
    );
    assert!(!String::from_utf8(event.body).unwrap().contains(&txn), "another merchant's request");
    assert_eq!(receiver.rest().len(), 0, "who has it now had an answer");
}

#[test]
fn a_kill_while_a_change_is_pending_loses_neither_the_change_nor_its_callback() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(0, |_, _| TAKEN);
    let kunji = sandbox(dir.path(), &receiver.url());
    let txn = wait(&kunji, "DISABLE", ACTIVE, "pending; after=10m");
    kunji.kill();
    let kunji = sandbox(dir.path(), &receiver.url());
    asked(&kunji, "DELETE", ACTIVE, &[], "KU09");
    assert_eq!(receiver.rest().len(), 0, "its time is not over");
    kunji.advance("10m");
    let event = receiver.next();
    assert_eq!(ended(&event), ["DISABLE", "SUCCESS", "INACTIVE"]);
    assert_eq!(event.json()["gatewayTransactionId"], txn);
    change(&kunji, "REACTIVATE", ACTIVE);
    assert_eq!(receiver.next().told(), told(ACTIVE, "ACTIVE"));
    assert_eq!(kunji.stop(), Some(0));
    assert_eq!(deliveries(dir.path(), ACTIVE), ["told", "told"]);
    assert_eq!(receiver.rest().len(), 0);
}

#[test]
fn a_receiver_says_when_to_come_back() {
    const ANSWERS: [Answering; 4] = [
        Answering::RetryAfter("3600"),
        // An instant of the machine's clock that is long over asks for nothing.
        Answering::RetryAfter("Sun, 06 Nov 1994 08:49:37 GMT"),
        // Nobody may ask for more than six hours.
        Answering::RetryAfter("999999"),
        TAKEN,
    ];
    let receiver = Receiver::start(0, |_, before| ANSWERS[before]);
    let metrics = free_port();
    let kunji = Kunji::start(&[
        "sandbox",
        "--webhook",
        &receiver.url(),
        "--metrics-listen",
        &format!("127.0.0.1:{metrics}"),
    ]);
    change(&kunji, "DISABLE", ACTIVE);
    let first = receiver.next();
    let again = |refused, early: &str, then: &str| {
        counted(metrics, "refused", refused);
        assert_eq!(receiver.rest().len(), 0);
        kunji.advance(early);
        assert_eq!(receiver.rest().len(), 0, "{early} is too early");
        kunji.advance(then);
        assert_eq!(receiver.next().id(), first.id());
    };
    again(1, "59m", "1m1s");
    again(2, "1s", "36s");
    again(3, "5h59m", "1m1s");
    counted(metrics, "delivered", 1);
    assert_eq!(receiver.rest().len(), 0);
}

#[test]
fn a_receiver_that_is_gone_is_not_told_again() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(0, |_, before| match before {
        0 => Answering::Status(410),
        _ => TAKEN,
    });
    let metrics = free_port();
    let kunji = telling(&receiver, dir.path(), metrics);
    change(&kunji, "DISABLE", ACTIVE);
    assert_eq!(receiver.next().told(), told(ACTIVE, "INACTIVE"));
    counted(metrics, "gone", 1);
    kunji.advance("23h");
    assert_eq!(receiver.rest().len(), 0);
    // What happens later is tried once as well: the address may have been mended.
    change(&kunji, "REACTIVATE", ACTIVE);
    assert_eq!(receiver.next().told(), told(ACTIVE, "ACTIVE"));
    counted(metrics, "delivered", 1);
    assert_eq!(kunji.stop(), Some(0));
    assert_eq!(deliveries(dir.path(), ACTIVE), ["gone", "told"]);
    assert_eq!(receiver.rest().len(), 0);
}
