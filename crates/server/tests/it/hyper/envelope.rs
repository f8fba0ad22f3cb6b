//! Envelopes that are none, and members at fault: each is named, its value never.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::client::{App, Capture, PROCESS, SERVICE, envelope, set_creds, submit, upi_id, with};
use super::shape::said;
use super::{ACC_1, ACC_2, MOBILE, NISHA, SECOND, VPA, code, is_error, primaries, primary, sms};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::{Answer, Kunji};

const ANY: &str = "any action";

const CASES: Table = Table {
    dialect: "hyper",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        ANY, "no such action" => 200 "JP_001", unknown_action;
        ANY, "no action, or one that is no text" => 200 "JP_003",
            |kunji| spoilt(kunji, "upiGetBankList", &json!({}), &[("action", "String")]);
        ANY, "`requestId` missing, mistyped, empty or over 64 characters" => 400 "JP_003",
            bad_request_id;
        ANY, "`service` or `payload` missing, mistyped or another one" => 400 "JP_003", bad_outer;
        ANY, "the body is no JSON object" => 400 "JP_003", no_json;
        ANY, "broken JSON: where it breaks, and the request id if it can be found" => 400 "JP_003",
            broken_json;
        ANY, "the content type is not JSON" => 415 "JP_003", other_type;
        ANY, "the body has a content coding" => 415 "JP_003",
            |kunji| {
                let answer = kunji.post(PROCESS, &[("Content-Encoding", "gzip")], &json!({}));
                is_error(&answer, "", "JP_003", "The content coding must be identity")
            };
        ANY, "the body is over 64 KiB" => 413 "JP_003", too_large;
        ANY, "another method" => 405 "JP_003", other_method;
        ANY, "another path" => 404 "JP_003",
            |kunji| same(["/hyper/", "/hyper/v1", "/hyper/v2/process"].map(|path| {
                said(&kunji.post(path, &[], &json!({})))
            }));
        "initiate", "a member missing, mistyped or empty" => 200 "JP_003", bad_initiate;
        "upiBindActivateDevice", "a member missing, mistyped or not `true`" => 200 "JP_003",
            bad_bind;
        "upiGetAccounts", "`bankCodes` missing, no list, empty, or of anything but text" =>
            200 "JP_003", |kunji| bad_list(kunji, "upiGetAccounts", &json!({}), "bankCodes");
        "upiVpaAvailability", "`customerVpa` missing, mistyped or no address" => 200 "JP_003",
            |kunji| bad_vpa(kunji, "upiVpaAvailability", json!({}));
        "upiLinkAccounts", "a member missing, mistyped or not well formed" => 200 "JP_003",
            |kunji| bad_link(kunji, "upiLinkAccounts");
        "upiLinkAccount", "a member missing, mistyped or not well formed" => 200 "JP_003",
            |kunji| bad_link(kunji, "upiLinkAccount");
        "upiMakePrimary", "a member missing, mistyped or not well formed" => 200 "JP_003",
            bad_make_primary;
        "upiSetMpin", "a member missing, mistyped or not well formed" => 200 "JP_003", bad_set;
        "upiChangeMpin", "a member missing, mistyped or not well formed" => 200 "JP_003",
            |kunji| bad_pin_action(kunji, "upiChangeMpin");
        "upiCheckBalance", "a member missing, mistyped or not well formed" => 200 "JP_003",
            |kunji| bad_pin_action(kunji, "upiCheckBalance");
        "upiCheckUpiNumberAvailability", "a member missing, mistyped or not well formed" =>
            200 "JP_003", |kunji| bad_number(kunji, "upiCheckUpiNumberAvailability", "CHECK");
        "upiCreateUpiNumber", "a member missing, mistyped or not well formed" =>
            200 "JP_003", |kunji| bad_number(kunji, "upiCreateUpiNumber", "CREATE");
        "upiUpdateUpiNumberStatus", "a member missing, mistyped or not well formed" =>
            200 "JP_003", |kunji| bad_number(kunji, "upiUpdateUpiNumberStatus", "DISABLE");
        "upiUpdateUpiNumberStatus", "`CHANGE_VPA` without `existingVpa`" => 200 "JP_003",
            no_existing_vpa;
        "upiDeleteVpa", "`customerVpa` missing, mistyped or no address" => 200 "JP_003",
            |kunji| bad_vpa(kunji, "upiDeleteVpa", json!({}));
        "upiDeleteAccount", "`accountReferenceId` missing, mistyped or no reference" =>
            200 "JP_003",
            |kunji| {
                let members = json!({ "accountReferenceId": ACC_2 });
                same([
                    spoilt(kunji, "upiDeleteAccount", &members, &[("accountReferenceId", "String")]),
                    wrong(kunji, "upiDeleteAccount", &members, &[ACCOUNT]),
                ])
            };
        "upiDeregister", "`udfParameters` that are no object in a string" => 200 "JP_003",
            |kunji| wrong(kunji, "upiDeregister", &json!({}), &[UDF]);
    },
};

/// What changes the state.
const CHANGES: Table = Table {
    dialect: "hyper",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        ANY, "`null` for whatever need not be there" => 200 "00", nulls;
    },
};

tables! {
    null_is_as_absent plays CHANGES;
    every_member_at_fault_is_named plays CASES;
}

/// A member, values that it cannot have, and what is said of them.
type Wrong = (&'static str, &'static [&'static str], &'static str);

const ACCOUNT: Wrong =
    ("accountReferenceId", &["", "a b", "a/b", "é", "a\u{0}b"], "expected an account reference");
const ADDRESSES: &[&str] = &["", "@", "something", "@handle", "a@b@c", "a b@handle", "é@handle"];
const UDF: Wrong = (
    "udfParameters",
    &["", "[]", "null", "7", "{", "{}{}", "{\"a\":}"],
    "expected a JSON object in a string",
);
const UPI_ID: Wrong = (
    "upiRequestId",
    &[
        "",
        "BRK1",
        "stk1",
        "STK-1",
        "STK 1",
        "STKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "5f0b9a3e-54d4-4f6f-8a1f-6f2b6e9c1d1",
        "{5f0b9a3e-54d4-4f6f-8a1f-6f2b6e9c1d10}",
        "5f0b9a3e54d44f6f8a1f6f2b6e9c1d10",
    ],
    "expected a UUID, or up to 35 letters and digits with the prefix",
);

/// An app that is let in; `initiate` needs a signature instead.
fn app<'a>(kunji: &'a Kunji, action: &str) -> App<'a> {
    match action {
        "initiate" => App::of(kunji, NISHA),
        _ => App::let_in(kunji, NISHA),
    }
}

/// Asks with one member in another's place; `None` takes it away.
fn ask(app: &App<'_>, action: &str, members: &Value, name: &str, value: Option<&Value>) -> Answer {
    let members = match app.session {
        Some(_) => members.clone(),
        None => with(app.signature(), members),
    };
    let mut envelope = envelope("R", action, &members);
    let payload = envelope["payload"].as_object_mut().unwrap();
    match value {
        None => payload.remove(name),
        Some(value) => payload.insert(name.to_owned(), value.clone()),
    };
    app.send(&envelope)
}

/// Each member is missing, then of every type that it is not.
#[track_caller]
fn spoilt(kunji: &Kunji, action: &str, members: &Value, names: &[(&str, &str)]) -> Said {
    let app = app(kunji, action);
    let values = [
        (None, "Undefined"),
        (Some(json!(null)), "Null"),
        (Some(json!(true)), "Boolean"),
        (Some(json!(7)), "Number"),
        (Some(json!("text")), "String"),
        (Some(json!(["text"])), "Array"),
        (Some(json!({ "a": 1 })), "Object"),
    ];
    let mut answers = Vec::new();
    for (name, expected) in names {
        for (value, found) in values.iter().filter(|(_, found)| found != expected) {
            let answer = ask(&app, action, members, name, value.as_ref());
            let message = format!(
                "Error at property \"{name}\": Type mismatch: expected {expected}, found {found}"
            );
            answers.push(is_error(&answer, "R", "JP_003", &message));
        }
    }
    same(answers)
}

/// Each member has a value that it cannot have.
#[track_caller]
fn wrong(kunji: &Kunji, action: &str, members: &Value, rows: &[Wrong]) -> Said {
    let app = app(kunji, action);
    let mut answers = Vec::new();
    for (name, values, problem) in rows {
        for value in *values {
            let answer = ask(&app, action, members, name, Some(&json!(value)));
            let message = format!("Error at property \"{name}\": Invalid value: {problem}");
            answers.push(is_error(&answer, "R", "JP_003", &message));
        }
    }
    same(answers)
}

fn unknown_action(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let long = "x".repeat(1000);
    let words = ["upiFlyToTheMoon", "", "upisetmpin", " upiSetMpin", "upiSetMpin\u{0}", &long];
    same(words.map(|word| {
        let shown: String = word.chars().take(64).collect();
        let answer = app.process_as("R", word, &json!({}));
        is_error(&answer, "R", "JP_001", &format!("Unknown event : {shown}"))
    }))
}

fn bad_request_id(kunji: &Kunji) -> Said {
    let place = "Error at property \"requestId\"";
    let long = "é".repeat(65);
    let rows = [
        (None, "", "Type mismatch: expected String, found Undefined"),
        (Some(json!(null)), "", "Type mismatch: expected String, found Null"),
        (Some(json!(7)), "", "Type mismatch: expected String, found Number"),
        (Some(json!("")), "", "Invalid value: expected 1 to 64 characters"),
        (Some(json!(long)), &long, "Invalid value: expected 1 to 64 characters"),
        (Some(json!("x".repeat(5000))), "", "Invalid value: expected 1 to 64 characters"),
    ];
    same(rows.map(|(value, echo, problem)| {
        let mut envelope = envelope("R", "upiGetBankList", &json!({}));
        match value {
            None => envelope.as_object_mut().unwrap().remove("requestId"),
            Some(value) => envelope.as_object_mut().unwrap().insert("requestId".into(), value),
        };
        let answer = kunji.post(PROCESS, &[], &envelope);
        is_error(&answer, echo, "JP_003", &format!("{place}: {problem}"))
    }))
}

fn bad_outer(kunji: &Kunji) -> Said {
    let wrong = |member: &str, value: Option<Value>, problem: &str| {
        let mut envelope = envelope("R", "upiGetBankList", &json!({}));
        match value {
            None => envelope.as_object_mut().unwrap().remove(member),
            Some(value) => envelope.as_object_mut().unwrap().insert(member.into(), value),
        };
        let answer = kunji.post(PROCESS, &[], &envelope);
        let message = format!("Error at property \"{member}\": {problem}");
        is_error(&answer, "R", "JP_003", &message)
    };
    let service = "Invalid value: expected in.juspay.hyperapi";
    same([
        wrong("service", None, "Type mismatch: expected String, found Undefined"),
        wrong("service", Some(json!(7)), "Type mismatch: expected String, found Number"),
        wrong("service", Some(json!("in.juspay.hyperpay")), service),
        wrong("payload", None, "Type mismatch: expected Object, found Undefined"),
        wrong("payload", Some(json!("{}")), "Type mismatch: expected Object, found String"),
        wrong("payload", Some(json!([])), "Type mismatch: expected Object, found Array"),
        wrong("payload", Some(json!(null)), "Type mismatch: expected Object, found Null"),
    ])
}

fn raw(kunji: &Kunji, kind: &str, body: &[u8]) -> Answer {
    kunji.send(Method::POST, PROCESS, &[("Content-Type", kind)], body)
}

fn no_json(kunji: &Kunji) -> Said {
    let good = envelope("R", "upiGetBankList", &json!({})).to_string();
    let deep = |open: &str, close: &str| {
        let inner = format!("{}1{}", open.repeat(5000), close.repeat(5000));
        good.replacen('{', &format!("{{\"x\":{inner},"), 1)
    };
    let bodies = [
        String::new(),
        "nul".to_owned(),
        "7".to_owned(),
        format!("[{good}]"),
        "[]".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
        good.replace("in.juspay", "\\ud800"),
        good.replace("in.juspay", "\u{1}"),
        deep("[", "]"),
        deep("{\"x\":", "}"),
    ];
    let mut answers: Vec<_> = bodies.iter().map(|body| body.clone().into_bytes()).collect();
    answers.push([good.as_bytes(), b"\xff"].concat());
    answers.push(good.encode_utf16().flat_map(u16::to_le_bytes).collect());
    same(answers.iter().map(|body| {
        let answer = raw(kunji, "application/json", body);
        let named = body.windows(15).any(|window| window == b"\"requestId\":\"R\"");
        is_error(&answer, if named { "R" } else { "" }, "JP_003", &unread(&answer))
    }))
}

/// A break after, before and beside the request id.
fn broken_json(kunji: &Kunji) -> Said {
    let good = envelope("R-1", "upiGetBankList", &json!({})).to_string();
    let lines = "{\n  \"requestId\" :\t\"R-1\",\n  \"service\": in.juspay.hyperapi\n}";
    let long = format!("{{\"requestId\":\"{}\",", "x".repeat(65));
    let rows = [
        (good[..good.len() - 1].to_owned(), "R-1", None),
        (format!("{good}}}"), "R-1", None),
        (lines.to_owned(), "R-1", Some("breaks at line 3, column 14")),
        (
            "{\"a\":1,,\"requestId\":\"é\\u0041\"".to_owned(),
            "éA",
            Some("breaks at line 1, column 8"),
        ),
        ("{\"requestId\":\"R-2\"".to_owned(), "R-2", Some("ends early, at line 1, column 18")),
        // What is no text, is cut off or too long, is not found.
        ("{\"requestId\":7,".to_owned(), "", None),
        ("{\"requestId\":\"R-".to_owned(), "", None),
        ("{\"requestId\"".to_owned(), "", None),
        ("{\"x\":\"\\\"requestId\\\":\\\"R\\\"\",".to_owned(), "", None),
        (long, "", None),
    ];
    same(rows.iter().map(|(body, id, place)| {
        let answer = raw(kunji, "application/json", body.as_bytes());
        let problem = unread(&answer);
        assert!(place.is_none_or(|place| problem.ends_with(place)), "{body}: {problem}");
        assert_eq!(answer.status, 400);
        is_error(&answer, id, "JP_003", &problem)
    }))
}

/// `null` is as absent, wherever a member need not be there.
fn nulls(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let absent = json!({
        "merchantKeyId": null, "signature": null, "signaturePayload": null, "protected": null,
        "udfParameters": null, "primaryAccountMapping": null, "existingVpa": null,
    });
    let capture =
        Capture::of(app.process("upiSetMpin", &with(App::set_members(ACC_1, VPA), &absent)));
    let creds = set_creds(kunji, &capture.txn, &kunji.otp(MOBILE), "4826");
    let answer = submit(kunji, &capture, &creds);
    assert_eq!(answer.json()["payload"]["otherInfo"], "{}");
    // The default mapping.
    assert_eq!(primaries(&app), primary(ACC_1, ACC_1));
    let number = json!({ "upiNumber": "87654321", "vpa": VPA, "upiRequestId": upi_id() });
    let disable = with(with(number, &json!({ "command": "DISABLE" })), &absent);
    let number = json!({ "upiNumber": "9876543210", "vpa": VPA, "upiRequestId": upi_id() });
    let create = with(with(number, &json!({ "command": null })), &absent);
    let taken = app.process("upiCreateUpiNumber", &create);
    assert_eq!(code(&taken), "KU03");
    let link = json!({ "customerVpa": SECOND, "accountReferenceIds": [ACC_1] });
    same([
        said(&answer),
        said(&app.process("upiUpdateUpiNumberStatus", &disable)),
        said(&app.process("upiLinkAccounts", &with(link, &absent))),
    ])
}

/// What is said of a body that is no JSON, or another one.
#[track_caller]
pub(super) fn unread(answer: &Answer) -> String {
    let said = answer.json()["errorMessage"].as_str().unwrap().to_owned();
    if said != "The body is JSON, but lacks a member or has one of another type" {
        let place = said.strip_prefix("The body is not well formed JSON: it ").unwrap();
        let place = place.strip_prefix("breaks at ").or(place.strip_prefix("ends early, at "));
        let (line, column) = place.unwrap().split_once(", column ").unwrap();
        let line = line.strip_prefix("line ").unwrap();
        assert!([line, column].iter().all(|one| one.parse::<u32>().is_ok()), "{said}");
    }
    said
}

fn other_type(kunji: &Kunji) -> Said {
    let good = envelope("R", "upiGetBankList", &json!({})).to_string();
    let kinds = ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""];
    let all = kinds.map(|kind| {
        let answer = raw(kunji, kind, good.as_bytes());
        is_error(&answer, "", "JP_003", "The content type must be JSON")
    });
    // Parameters and case do not matter.
    let app = App::let_in(kunji, NISHA);
    let headers = [("Content-Type", "Application/JSON; charset=utf-8"), session_of(&app)];
    assert_eq!(code(&kunji.send(Method::POST, PROCESS, &headers, good)), "00");
    same(all)
}

fn session_of<'a>(app: &'a App<'_>) -> (&'static str, &'a str) {
    (super::client::SESSION, app.session.as_deref().unwrap())
}

fn too_large(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let sized = |len: usize| {
        let mut body = envelope("R", "upiGetBankList", &json!({})).to_string();
        body.extend(std::iter::repeat_n(' ', len - body.len()));
        let headers = [("Content-Type", "application/json"), session_of(&app)];
        kunji.send(Method::POST, PROCESS, &headers, body)
    };
    assert_eq!(code(&sized(64 * 1024)), "00");
    is_error(&sized(64 * 1024 + 1), "", "JP_003", "The body is over 64 KiB")
}

fn other_method(kunji: &Kunji) -> Said {
    let capture = "/hyper/v1/captures/x";
    let rows = [
        (Method::GET, PROCESS.to_owned()),
        (Method::PUT, PROCESS.to_owned()),
        (Method::DELETE, PROCESS.to_owned()),
        (Method::GET, capture.to_owned()),
        (Method::PUT, capture.to_owned()),
        (Method::POST, format!("{capture}/result")),
        (Method::POST, format!("{capture}/page")),
        (Method::POST, "/hyper/v1/capture.js".to_owned()),
        (Method::DELETE, "/hyper/v1/capture.css".to_owned()),
    ];
    same(rows.map(|(method, path)| {
        let answer = kunji.send(method, &path, &[("Content-Type", "application/json")], "{}");
        is_error(&answer, "", "JP_003", "The method is not allowed")
    }))
}

fn bad_initiate(kunji: &Kunji) -> Said {
    let members = json!({ "clientId": "c", "environment": "e", "issuingPsp": "p" });
    let names = ["clientId", "environment", "issuingPsp"];
    same([
        spoilt(kunji, "initiate", &members, &names.map(|name| (name, "String"))),
        wrong(
            kunji,
            "initiate",
            &members,
            &names.map(|name| (name, &[""][..], "expected some text")),
        ),
    ])
}

fn bad_bind(kunji: &Kunji) -> Said {
    let members = json!({ "simId": "1", "isBindAndActivateRequest": true });
    let action = "upiBindActivateDevice";
    let names = [("simId", "String"), ("isBindAndActivateRequest", "Boolean")];
    let not = ask(&app(kunji, action), action, &members, names[1].0, Some(&json!(false)));
    let message = "Error at property \"isBindAndActivateRequest\": Invalid value: expected true";
    same([
        spoilt(kunji, action, &members, &names),
        wrong(kunji, action, &members, &[("simId", &[""], "expected some text")]),
        is_error(&not, "R", "JP_003", message),
    ])
}

fn bad_list(kunji: &Kunji, action: &str, members: &Value, name: &str) -> Said {
    let app = app(kunji, action);
    let members = with(members.clone(), &json!({ name: ["111111"] }));
    let mut answers = vec![spoilt(kunji, action, &members, &[(name, "Array")])];
    let place = format!("Error at property \"{name}\"");
    for list in [json!([]), json!(vec!["111111"; 21]), json!(vec!["111111"; 1000])] {
        let answer = ask(&app, action, &members, name, Some(&list));
        let message = format!("{place}: Invalid value: expected 1 to 20 entries");
        answers.push(is_error(&answer, "R", "JP_003", &message));
    }
    for (list, found) in [
        (json!([7]), "Number"),
        (json!(["111111", null]), "Null"),
        (json!([["111111"]]), "Array"),
        (json!([{}]), "Object"),
    ] {
        let answer = ask(&app, action, &members, name, Some(&list));
        let message = format!("{place}: Type mismatch: expected String, found {found}");
        answers.push(is_error(&answer, "R", "JP_003", &message));
    }
    same(answers)
}

fn bad_vpa(kunji: &Kunji, action: &str, members: Value) -> Said {
    let members = with(members, &json!({ "customerVpa": SECOND_FREE }));
    same([
        spoilt(kunji, action, &members, &[("customerVpa", "String")]),
        wrong(kunji, action, &members, &[("customerVpa", ADDRESSES, "expected user@handle"), UDF]),
    ])
}

const SECOND_FREE: &str = "nobody@handle";
const MAPPING: Wrong = (
    "primaryAccountMapping",
    &["", "one_to_all", "ONE_TO_MANY", " NONE"],
    "expected ONE_TO_ALL, ONE_TO_ONE or NONE",
);

fn bad_link(kunji: &Kunji, action: &str) -> Said {
    let members = json!({ "customerVpa": VPA, "accountReferenceIds": [ACC_1] });
    let app = app(kunji, action);
    let answer = ask(&app, action, &members, "accountReferenceIds", Some(&json!([ACC_1, "a b"])));
    let message =
        "Error at property \"accountReferenceIds\": Invalid value: expected an account reference";
    same([
        bad_vpa(kunji, action, members.clone()),
        bad_list(kunji, action, &members, "accountReferenceIds"),
        wrong(kunji, action, &members, &[MAPPING]),
        is_error(&answer, "R", "JP_003", message),
    ])
}

fn bad_make_primary(kunji: &Kunji) -> Said {
    let members = json!({ "customerVpa": VPA, "accountReferenceId": ACC_1 });
    let names = [("accountReferenceId", "String"), ("customerVpa", "String")];
    same([
        spoilt(kunji, "upiMakePrimary", &members, &names),
        bad_vpa(kunji, "upiMakePrimary", members.clone()),
        wrong(kunji, "upiMakePrimary", &members, &[ACCOUNT, MAPPING]),
    ])
}

fn bad_set(kunji: &Kunji) -> Said {
    let members = App::set_members(ACC_1, VPA);
    let names = ["customerVpa", "card", "expiry", "upiRequestId", "accountReferenceId"];
    let card = &["", "12345", "1234567", "12345x", "١٢٣٤٥٦", " 12345", "1234 5"][..];
    let expiry = &["", "12/35", "1335", "0035", "135", "12035", "12/2035", "ab35"][..];
    let said = same([
        spoilt(kunji, "upiSetMpin", &members, &names.map(|name| (name, "String"))),
        wrong(
            kunji,
            "upiSetMpin",
            &members,
            &[
                ("customerVpa", ADDRESSES, "expected user@handle"),
                ("card", card, "expected 6 digits"),
                ("expiry", expiry, "expected MMYY"),
                UPI_ID,
                ACCOUNT,
                MAPPING,
                UDF,
            ],
        ),
    ]);
    assert_eq!(sms(kunji, super::MOBILE), 0);
    said
}

fn bad_pin_action(kunji: &Kunji, action: &str) -> Said {
    let members = App::account_members(ACC_2);
    let names = ["upiRequestId", "accountReferenceId"].map(|name| (name, "String"));
    same([
        spoilt(kunji, action, &members, &names),
        wrong(kunji, action, &members, &[UPI_ID, ACCOUNT, UDF]),
    ])
}

fn bad_number(kunji: &Kunji, action: &str, command: &str) -> Said {
    let members = json!({
        "command": command, "upiNumber": "87654321", "vpa": VPA, "upiRequestId": upi_id(),
    });
    let mut names = vec![("upiNumber", "String"), ("vpa", "String"), ("upiRequestId", "String")];
    let mut rows = vec![
        UPI_ID,
        UDF,
        ("vpa", ADDRESSES, "expected user@handle"),
        ("existingVpa", ADDRESSES, "expected user@handle"),
        (
            "upiNumber",
            &["", "1234567", "98765432101", "07654321", "87654333", "8765432x", "8765432१"],
            "expected 8 to 10 digits, no leading 0, the last three of 8 or 9 not all the same",
        ),
    ];
    match command {
        "CHECK" => rows.push(("command", &["", "check", "CREATE"], "expected CHECK, PORT")),
        "DISABLE" => rows.push((
            "command",
            &["", "disable", "CHECK"],
            "expected CHANGE_VPA, DISABLE, DELETE, REACTIVATE",
        )),
        _ => {}
    }
    if command != "CREATE" {
        names.push(("command", "String"));
    }
    same([spoilt(kunji, action, &members, &names), wrong(kunji, action, &members, &rows)])
}

fn no_existing_vpa(kunji: &Kunji) -> Said {
    let members = json!({
        "command": "CHANGE_VPA", "upiNumber": "87654321", "vpa": VPA, "upiRequestId": upi_id(),
    });
    spoilt(kunji, "upiUpdateUpiNumberStatus", &members, &[("existingVpa", "String")])
}

#[test]
fn members_that_nobody_knows_are_ignored() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    let wide: Map<String, Value> =
        (0..1000).map(|nth| (format!("\u{0}é{nth}"), json!([nth]))).collect();
    let answer = app.process("upiGetBankList", &Value::Object(wide));
    assert_eq!(code(&answer), "00");
    for id in ["\u{0}", "\u{202e}abc", "😀", "\n", " ", "<script>"] {
        let answer = app.process_as(id, "upiGetBankList", &json!({}));
        assert_eq!((code(&answer).as_str(), &answer.json()["requestId"]), ("00", &json!(id)));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            ACC_1,
            ACC_2,
            VPA,
            "111111",
            "1235",
            "123456",
            "87654321",
            "9876543210",
            "CHECK",
            "PORT",
            "DELETE",
            "CHANGE_VPA",
            "NONE",
            "{}",
            "STK1",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const ACTIONS: [&str; 18] = [
    "initiate",
    "upiGetSessionToken",
    "upiBindActivateDevice",
    "upiGetBankList",
    "upiGetAccounts",
    "upiVpaAvailability",
    "upiLinkAccounts",
    "upiLinkAccount",
    "upiMakePrimary",
    "upiSetMpin",
    "upiChangeMpin",
    "upiCheckBalance",
    "upiCheckUpiNumberAvailability",
    "upiCreateUpiNumber",
    "upiUpdateUpiNumberStatus",
    "upiDeleteVpa",
    "upiDeleteAccount",
    "updateAuth",
];

const MEMBERS: [&str; 22] = [
    "action",
    "simId",
    "isBindAndActivateRequest",
    "deviceFingerPrint",
    "bankCodes",
    "customerVpa",
    "accountReferenceIds",
    "accountReferenceId",
    "primaryAccountMapping",
    "card",
    "expiry",
    "upiRequestId",
    "udfParameters",
    "command",
    "upiNumber",
    "vpa",
    "existingVpa",
    "signature",
    "signaturePayload",
    "merchantKeyId",
    "protected",
    "clientId",
];

/// A payload that would do, for every action at once.
fn plenty() -> Value {
    json!({
        "simId": "1", "isBindAndActivateRequest": true, "bankCodes": ["111111"],
        "customerVpa": VPA, "accountReferenceIds": [ACC_1], "accountReferenceId": ACC_1,
        "card": "123456", "expiry": "1235", "upiRequestId": upi_id(), "command": "CHECK",
        "upiNumber": "87654321", "vpa": VPA, "existingVpa": VPA, "clientId": "c",
        "environment": "e", "issuingPsp": "p",
    })
}

#[test]
fn any_values_as_members_break_nothing() {
    let kunji = Kunji::sandbox_with(&[("KUNJI_PINS__LIVE_PER_MINUTE", "0")]);
    let app = App::let_in(&kunji, NISHA);
    let capture = app.open_balance(ACC_2);
    let members = prop::collection::vec((prop::sample::select(&MEMBERS[..]), any_json()), 0..5);
    let action = prop::sample::select(&ACTIONS[..]);
    let mut runner =
        TestRunner::new(Config { cases: 600, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(action, members, any_json()), |(action, members, whole)| {
        let mut payload = plenty();
        for (name, value) in &members {
            payload[*name] = value.clone();
        }
        let mut envelope = envelope("R", action, &payload);
        if let Some((_, action)) = members.iter().find(|(name, _)| *name == "action") {
            envelope["payload"]["action"] = action.clone();
        }
        let answer = app.send(&envelope);
        prop_assert!(answer.status == 200, "{envelope}: {answer:?}");
        if answer.json()["event"] != "capture_required" {
            said(&answer);
        }
        // The same values in the places of the envelope.
        let bare = json!({ "requestId": "R", "service": SERVICE, "payload": whole });
        let creds = json!({ "creds": whole });
        let cred = json!({ "creds": [{ "type": "PIN", "subType": "MPIN", "data": whole }] });
        for body in [&whole, &bare, &creds, &cred] {
            for path in [PROCESS, &capture.path()] {
                let answer = kunji.post(path, &[], body);
                prop_assert!((200..500).contains(&answer.status), "{body}: {answer:?}");
                said(&answer);
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert_eq!(kunji.get("/readyz").status, 200);
}
