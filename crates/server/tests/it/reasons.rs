//! Each refusal of the SDK and of the UPI number API has a reason of its own, which only the log
//! tells.

use std::process::Command;

use serde_json::{Value, json};
use ureq::http::Method;

use crate::hyper::client::{App, PROCESS, pin_creds, submit, upi_id, with};
use crate::merchants::Sender;
use crate::support::watched::Watched;
use crate::support::{Answer, KUNJI, Kunji};

const VPA: &str = "something@handle";
const ACTIVE: &str = "87654321";

/// One refusal: what is sent, the reason's code, and a part of its sentence.
struct Row {
    send: fn(&Kunji) -> Answer,
    code: &'static str,
    sentence: &'static str,
}

macro_rules! rows {
    ($($code:literal, $sentence:literal, $send:expr;)*) => {
        &[$(Row { code: $code, sentence: $sentence, send: $send }),*]
    };
}

fn raw(kunji: &Kunji, path: &str, kind: &str, body: &str) -> Answer {
    kunji.send(Method::POST, path, &[("Content-Type", kind)], body.to_owned())
}

fn nisha(kunji: &Kunji) -> App<'_> {
    App::of(kunji, "1234567")
}

fn number(command: &str, number: &str, vpa: &str, more: &Value) -> Value {
    let members = json!({
        "command": command, "upiNumber": number, "vpa": vpa, "upiRequestId": upi_id(),
    });
    with(members, more)
}

fn update(kunji: &Kunji, command: &str, digits: &str, vpa: &str, more: &Value) -> Answer {
    nisha(kunji).process("upiUpdateUpiNumberStatus", &number(command, digits, vpa, more))
}

fn check(app: &App<'_>, command: &str, digits: &str, vpa: &str) -> Answer {
    app.process("upiCheckUpiNumberAvailability", &number(command, digits, vpa, &json!({})))
}

fn session_with(kunji: &Kunji, change: fn(&mut Value)) -> Answer {
    let app = nisha(kunji);
    let mut members = app.signature();
    change(&mut members);
    app.send(&crate::hyper::client::envelope("r", "upiGetSessionToken", &members))
}

const SDK: &[Row] = rows! {
    "not_called_json", "Content-Type", |kunji| raw(kunji, PROCESS, "text/plain", "{}");
    "not_json", "at line 1, column 2", |kunji| raw(kunji, PROCESS, "application/json", "{x");
    "member_malformed", "body is not an object", |kunji| raw(kunji, PROCESS, "application/json", "[]");
    "body_too_long", "65536 bytes",
        |kunji| raw(kunji, PROCESS, "application/json", &" ".repeat(65_537));
    "unknown_path", "nothing at this path", |kunji| raw(kunji, "/hyper/v2", "application/json", "{}");
    "wrong_method", "another method", |kunji| kunji.get(PROCESS);
    "member_missing", "requestId is missing",
        |kunji| raw(kunji, PROCESS, "application/json", "{\"requestId\":null}");
    "member_malformed", "action is not one of the actions",
        |kunji| nisha(kunji).process("upiFly", &json!({}));
    "unsigned", "no signature and no session",
        |kunji| nisha(kunji).send(&crate::hyper::client::envelope("r", "upiGetBankList", &json!({})));
    "unsigned", "does not verify",
        |kunji| session_with(kunji, |members| members["signature"] = json!("AAAA"));
    "unsigned", "merchantKeyId is not one of",
        |kunji| session_with(kunji, |members| members["merchantKeyId"] = json!("other"));
    "member_mistyped", "upiNumber is not of the type String",
        |kunji| update(kunji, "DISABLE", ACTIVE, VPA, &json!({ "upiNumber": 87_654_321 }));
    "member_malformed", "upiNumber is not 8 to 10 digits",
        |kunji| update(kunji, "DISABLE", "87654333", VPA, &json!({}));
    "member_malformed", "command is not CHANGE_VPA, DISABLE, DELETE, REACTIVATE",
        |kunji| update(kunji, "DROP", ACTIVE, VPA, &json!({}));
    "member_missing", "existingVpa is missing",
        |kunji| update(kunji, "CHANGE_VPA", ACTIVE, VPA, &json!({}));
    "not_registered", "nobody holds the number",
        |kunji| update(kunji, "DISABLE", "23456789", VPA, &json!({}));
    "already_in_this_state", "in that state already",
        |kunji| update(kunji, "REACTIVATE", ACTIVE, VPA, &json!({}));
    "not_the_linked_vpa", "does not lead to the VPA",
        |kunji| update(kunji, "DISABLE", ACTIVE, "second@handle", &json!({}));
    "not_their_vpa", "not one of this customer",
        |kunji| update(kunji, "DISABLE", ACTIVE, "third@handle", &json!({}));
    "held_by_another", "another customer holds",
        |kunji| check(&App::of(kunji, "7654321"), "CHECK", ACTIVE, "third@handle");
    "not_portable", "only the own mobile number",
        |kunji| check(&App::of(kunji, "7654321"), "PORT", ACTIVE, "third@handle");
    "not_own_mobile", "10 digits",
        |kunji| check(&nisha(kunji), "CHECK", "9812345678", VPA);
    "not_bound", "no such bound device",
        |kunji| check(&App::of(kunji, "8888888"), "CHECK", ACTIVE, VPA);
    "device_not_bound", "no bound device",
        |kunji| {
            let app = App::of(kunji, "8888888");
            app.process("upiCheckBalance", &App::account_members("STOCKREF0002"))
        };
    "account_not_linked", "not linked to this VPA",
        |kunji| {
            nisha(kunji).process("upiCheckBalance", &App::account_members("STOCKREF0003"))
        };
    "last_vpa", "the last VPA",
        |kunji| {
            let members = json!({ "customerVpa": "third@handle" });
            App::of(kunji, "7654321").process("upiDeleteVpa", &members)
        };
    "taken", "another customer's",
        |kunji| {
            let link = json!({
                "customerVpa": "third@handle", "accountReferenceIds": ["STOCKREF0001"],
            });
            nisha(kunji).process("upiLinkAccounts", &link)
        };
    "no_such_capture", "no such capture",
        |kunji| kunji.get("/hyper/v1/captures/nobody/result");
    "wrong_pin", "tries left: 2",
        |kunji| {
            let capture = nisha(kunji).open_balance("STOCKREF0002");
            submit(kunji, &capture, &pin_creds(kunji, &capture.txn, "000000"))
        };
    "other_content", "used before",
        |kunji| {
            let capture = nisha(kunji).open_balance("STOCKREF0002");
            submit(kunji, &capture, &pin_creds(kunji, &capture.txn, "739105"));
            submit(kunji, &capture, &pin_creds(kunji, &capture.txn, "739105"))
        };
    "member_malformed", "creds is not one sealed block",
        |kunji| {
            let capture = nisha(kunji).open_balance("STOCKREF0002");
            submit(kunji, &capture, &json!({ "creds": [] }))
        };
    "header_malformed", "X-Kunji-Fault is not pending",
        |kunji| {
            let members = with(nisha(kunji).signature(), &json!({}));
            let body = crate::hyper::client::envelope("r", "upiGetBankList", &members);
            kunji.post(PROCESS, &[("X-Kunji-Fault", "slow")], &body)
        };
};

const MERCHANTS: &[Row] = rows! {
    "unknown_path", "nothing at this path",
        |kunji| raw(kunji, "/api/n2/merchants/upiNumber/drop", "application/json", "{}");
    "unsigned", "x-merchant-id or x-merchant-channel-id is missing",
        |kunji| raw(kunji, "/api/n2/merchants/upiNumber/fetch", "application/json", "{}");
    "unsigned", "x-merchant-checksum is not",
        |kunji| Sender::nisha().with_checksum("00").fetch(kunji);
    "header_malformed", "x-timestamp is not within the window",
        |kunji| Sender::nisha().at("1496918882000").fetch(kunji);
    "header_malformed", "x-timestamp is not 13 digits",
        |kunji| Sender::nisha().at("1496918882").fetch(kunji);
    "member_missing", "upiNumber is missing",
        |kunji| Sender::nisha().update(kunji, "DISABLE", &json!({ "upiNumber": null }));
    "member_mistyped", "vpa is not a string",
        |kunji| Sender::nisha().update(kunji, "DISABLE", &json!({ "vpa": 7 }));
    "member_malformed", "action is not CHANGE_VPA",
        |kunji| Sender::nisha().update(kunji, "DROP", &json!({}));
    "unknown_customer", "no such customer",
        |kunji| Sender::nisha().update(kunji, "DISABLE", &json!({ "merchantCustomerId": "1" })) ;
    "not_bound", "no such bound device",
        |kunji| Sender::nisha().update(kunji, "DISABLE", &json!({ "deviceFingerPrint": "x" }));
    "already_in_this_state", "in that state already",
        |kunji| Sender::nisha().update(kunji, "REACTIVATE", &json!({}));
    "not_their_vpa", "not one of this customer",
        |kunji| Sender::nisha().update(kunji, "DISABLE", &json!({ "vpa": "third@handle" }));
    "other_content", "with other content",
        |kunji| {
            let id = json!({ "upiRequestId": Sender::nisha().txn() });
            Sender::nisha().update(kunji, "REACTIVATE", &id);
            Sender::nisha().update(kunji, "DELETE", &id)
        };
};

/// A sandbox whose log is kept.
fn sandbox() -> Watched {
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
    command.env("KUNJI_LOG__LEVEL", "info").env("KUNJI_LOG__FORMAT", "json");
    Watched::start(command).map_err(|(_, said)| said).unwrap()
}

/// Plays the rows; each has its line in the log, and nothing of it stands in the answer.
fn play(rows: &[Row]) {
    let watched = sandbox();
    let mut sent = Vec::new();
    for Row { send, code, sentence } in rows {
        let answer = send(&watched.kunji);
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(!answer.text().contains(code) || *code == "taken", "{code}: {}", answer.text());
        sent.push((id, *code, *sentence));
    }
    let (_, said) = watched.stop();
    let lines: Vec<Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for (id, code, sentence) in sent {
        let line = lines.iter().find(|line| line["request.id"] == id.as_str()).unwrap();
        let message = line["message"].as_str().unwrap();
        assert_eq!(line["reason"], code, "{line}");
        assert!(message.contains(sentence), "{code}: {message}");
        assert_eq!(line["level"], "info");
    }
}

#[test]
fn every_refusal_of_the_sdk_has_its_reason_in_the_log() {
    play(SDK);
}

#[test]
fn every_refusal_of_the_number_api_has_its_reason_in_the_log() {
    play(MERCHANTS);
}
