//! Change MPIN by test id: scenarios, headers, request members.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::{LIVE, change_said, error_said};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::{CHANGE_MPIN, Kunji, change_john, fresh, sample_change};

const CALL: &str = "change MPIN, by test id";
const BODY: &str = "/ChangeMPINRequest/SetResetMPINRequestBody";

/// Every row of the field table that is marked as required.
const MEMBERS: &[&str] = &[
    "/ChangeMPINRequest",
    "/ChangeMPINRequest/SubHeader",
    "/ChangeMPINRequest/SubHeader/requestUUID",
    "/ChangeMPINRequest/SubHeader/serviceRequestId",
    "/ChangeMPINRequest/SubHeader/serviceRequestVersion",
    "/ChangeMPINRequest/SubHeader/channelId",
    "/ChangeMPINRequest/SetResetMPINRequestBody",
    "/ChangeMPINRequest/SetResetMPINRequestBody/customerId",
    "/ChangeMPINRequest/SetResetMPINRequestBody/bank",
    "/ChangeMPINRequest/SetResetMPINRequestBody/txnId",
    "/ChangeMPINRequest/SetResetMPINRequestBody/ac",
    "/ChangeMPINRequest/SetResetMPINRequestBody/ac/accRefNumber",
    "/ChangeMPINRequest/SetResetMPINRequestBody/ac/name",
    "/ChangeMPINRequest/SetResetMPINRequestBody/ac/ifsc",
    "/ChangeMPINRequest/SetResetMPINRequestBody/ac/maskedAccnumber",
    "/ChangeMPINRequest/SetResetMPINRequestBody/ac/status",
    "/ChangeMPINRequest/SetResetMPINRequestBody/ac/type",
    "/ChangeMPINRequest/SetResetMPINRequestBody/ac/vpa",
    "/ChangeMPINRequest/SetResetMPINRequestBody/ac/aeba",
    "/ChangeMPINRequest/SetResetMPINRequestBody/cred",
    "/ChangeMPINRequest/SetResetMPINRequestBody/cred/type",
    "/ChangeMPINRequest/SetResetMPINRequestBody/cred/subType",
    "/ChangeMPINRequest/SetResetMPINRequestBody/cred/data",
    "/ChangeMPINRequest/SetResetMPINRequestBody/cred/data/code",
    "/ChangeMPINRequest/SetResetMPINRequestBody/newcred",
    "/ChangeMPINRequest/SetResetMPINRequestBody/newcred/type",
    "/ChangeMPINRequest/SetResetMPINRequestBody/newcred/subType",
    "/ChangeMPINRequest/SetResetMPINRequestBody/newcred/data",
    "/ChangeMPINRequest/SetResetMPINRequestBody/newcred/data/code",
    "/ChangeMPINRequest/SetResetMPINRequestBody/device",
];

/// The members of `device`, none of which is required.
const DEVICE: &[&str] =
    &["app", "capability", "geocode", "id", "ip", "location", "mobile", "os", "type"];

/// The scenarios by what stands in `X-AXIS-TEST-ID`, then what a request must be.
const SCENARIOS: Table = Table {
    dialect: "axis",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        CALL, "test id `1`: the vendor's own sample" => 200 "00",
            |kunji| sent(kunji, "1", &sample_change());
        CALL, "test id `2`" => 401 "E40101", |kunji| sent(kunji, "2", &sample_change());
        CALL, "test id `3`" => 400 "E40001", |kunji| sent(kunji, "3", &sample_change());
        CALL, "test id `4`" => 400 "E40004", |kunji| sent(kunji, "4", &sample_change());
        CALL, "test id `5`" => 400 "E40002", |kunji| sent(kunji, "5", &sample_change());
        CALL, "test id `01`, `1.0`, `+1`, `11`, `one`: compared as text" => 400 "E40002",
            |kunji| {
                same(["01", "1.0", "+1", "11", "one"].map(|id| sent(kunji, id, &sample_change())))
            };
        CALL, "test id empty" => 400 "E40002", |kunji| sent(kunji, "", &sample_change());
        CALL, "test id missing" => 400 "E40002",
            |kunji| error_said(&kunji.post(CHANGE_MPIN, &[], &sample_change()));
        CALL, "`X-Kunji-Mode` with another value than `live`" => 400 "E40001",
            |kunji| {
                same(["alive", "", "scenario", "live, live"].map(|mode| {
                    let headers = [("X-Kunji-Mode", mode), ("X-AXIS-TEST-ID", "1")];
                    error_said(&kunji.post(CHANGE_MPIN, &headers, &sample_change()))
                }))
            };
        CALL, "any required member missing" => 400 "E40001",
            |kunji| each_member(kunji, |body, member| vec![without(body, member)]);
        CALL, "any required member empty" => 400 "E40001",
            |kunji| each_member(kunji, |body, member| vec![emptied(body, member)]);
        CALL, "any required member of another type" => 400 "E40001",
            |kunji| each_member(kunji, mistyped);
        CALL, "any required member twice" => 400 "E40001",
            |kunji| {
                same(MEMBERS.iter().map(|member| sent_text(kunji, "1", &doubled(member))))
            };
        CALL, "`device` with any one of its members" => 200 "00",
            |kunji| {
                same(DEVICE.iter().map(|member| with_device(kunji, &json!({ *member: "x" }))))
            };
        CALL, "`device` with an empty member" => 200 "00",
            |kunji| {
                same(DEVICE.iter().map(|member| with_device(kunji, &json!({ *member: "" }))))
            };
        CALL, "any id of more than 64 characters, any name of more than 128" => 400 "E40001",
            |kunji| {
                for text in ["x", "é", "\\", "\u{1f600}"] {
                    at_most(kunji, text);
                }
                same(texts().map(|(member, most)| {
                    sent(kunji, "1", &with(&sample_change(), member, json!("x".repeat(most + 1))))
                }))
            };
        CALL, "`device` with members that are `null`, beside one that is there" => 200 "00",
            |kunji| {
                let nulls: Map<_, _> =
                    DEVICE.iter().map(|member| ((*member).to_owned(), json!(null))).collect();
                same(DEVICE.iter().map(|member| {
                    let mut device = nulls.clone();
                    device.insert((*member).to_owned(), json!("x"));
                    with_device(kunji, &Value::Object(device))
                }))
            };
        CALL, "`device` with nothing but `null`, which is as absent" => 400 "E40001",
            |kunji| {
                same([
                    with_device(kunji, &json!({ "app": null, "os": null })),
                    with_device(kunji, &json!({ "stranger": null })),
                ])
            };
        CALL, "`device` with a member that is no string" => 400 "E40001",
            |kunji| {
                same(DEVICE.iter().flat_map(|member| {
                    [json!(1), json!(true), json!({})]
                        .map(|value| with_device(kunji, &json!({ *member: value })))
                }))
            };
        CALL, "unknown members in every object, of any type" => 200 "00",
            |kunji| same(MEMBERS.iter().filter_map(|member| with_stranger(kunji, member)));
        CALL, "test id `1` and a body that is no JSON" => 400 "E40001",
            |kunji| same(NO_JSON.iter().map(|text| sent_text(kunji, "1", text)));
        CALL, "test id `5` and a body that is no JSON: the body is read first" => 400 "E40001",
            |kunji| same(NO_JSON.iter().map(|text| sent_text(kunji, "5", text)));
    },
};

const NO_JSON: &[&str] =
    &["", "{", "null", "[]", "\"\"", "{} {}", "{“a”: 1}", "{\"a\"=1}", "\u{feff}{}"];

tables! {
    every_scenario_is_answered_as_printed plays SCENARIOS;
}

fn sent(kunji: &Kunji, id: &str, body: &Value) -> Said {
    change_said(body, &kunji.post(CHANGE_MPIN, &[("X-AXIS-TEST-ID", id)], body))
}

fn sent_text(kunji: &Kunji, id: &str, body: &str) -> Said {
    let headers = [("X-AXIS-TEST-ID", id), ("Content-Type", "application/json")];
    error_said(&kunji.send(Method::POST, CHANGE_MPIN, &headers, body))
}

/// Every member spoilt, by test id and live: nothing is looked at before the body is whole.
fn each_member(kunji: &Kunji, spoil: fn(&Value, &str) -> Vec<Value>) -> Said {
    let spoilt = MEMBERS.iter().flat_map(|member| spoil(&change_john("1234", "4826"), member));
    same(spoilt.flat_map(|body| {
        println!("{body}");
        [sent(kunji, "1", &body), error_said(&kunji.post(CHANGE_MPIN, &[LIVE], &body))]
    }))
}

fn without(body: &Value, member: &str) -> Value {
    let mut body = body.clone();
    let (parent, name) = member.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    body
}

fn with(body: &Value, member: &str, value: Value) -> Value {
    let mut body = body.clone();
    *body.pointer_mut(member).unwrap() = value;
    body
}

/// Every member whose text is kept or answered, and how long it may be.
fn texts() -> impl Iterator<Item = (&'static str, usize)> {
    let texts = MEMBERS.iter().filter(|member| {
        sample_change().pointer(member).unwrap().is_string() && !member.ends_with("/code")
    });
    texts.map(|member| match member.ends_with("/ac/name") || member.ends_with("/ac/vpa") {
        true => (*member, 128),
        false => (*member, 64),
    })
}

/// The longest texts are taken, in characters and not in bytes.
fn at_most(kunji: &Kunji, letter: &str) {
    let mut body = sample_change();
    for (member, most) in texts() {
        body = with(&body, member, json!(letter.repeat(most)));
    }
    let answer = kunji.post(CHANGE_MPIN, &[("X-AXIS-TEST-ID", "1")], &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["SubHeader"]["channelId"], letter.repeat(64));
}

fn emptied(body: &Value, member: &str) -> Value {
    let empty = match body.pointer(member).unwrap().is_object() {
        true => json!({}),
        false => json!(""),
    };
    with(body, member, empty)
}

/// As every other type; an object also as the list of its values.
fn mistyped(body: &Value, member: &str) -> Vec<Value> {
    let value = body.pointer(member).unwrap();
    let mut others = vec![json!(null), json!(1), json!(true), json!([]), json!([value])];
    match value.as_object() {
        Some(object) => {
            others.push(json!("text"));
            others.push(object.values().cloned().collect());
        }
        None => others.push(json!({ "code": value })),
    }
    others.into_iter().map(|other| with(body, member, other)).collect()
}

/// The sample with one member twice.
fn doubled(member: &str) -> String {
    let body = sample_change();
    let (name, value) = (member.rsplit_once('/').unwrap().1, body.pointer(member).unwrap());
    let marked = with(&body, member, json!("(here)")).to_string();
    marked.replace("\"(here)\"", &format!("{value},\"{name}\":{value}"))
}

fn with_device(kunji: &Kunji, device: &Value) -> Said {
    sent(kunji, "1", &with(&sample_change(), &format!("{BODY}/device"), device.clone()))
}

/// A stranger in the object, if the member is one.
fn with_stranger(kunji: &Kunji, member: &str) -> Option<Said> {
    let mut body = sample_change();
    let object = body.pointer_mut(member).unwrap().as_object_mut()?;
    object.insert("stranger".to_owned(), json!([1.5, { "a": null }, "b", [[]]]));
    body["stranger"] = json!(null);
    Some(sent(kunji, "1", &body))
}

/// A list of an object's values in the order in which the vendor prints its members.
fn listed(members: &[&str], object: &Value) -> Value {
    members.iter().map(|member| object[*member].clone()).collect()
}

#[test]
fn a_list_of_values_is_no_object() {
    let kunji = Kunji::sandbox();
    let body = sample_change();
    let header = "/ChangeMPINRequest/SubHeader";
    let names = ["requestUUID", "serviceRequestId", "serviceRequestVersion", "channelId"];
    let list = listed(&names, body.pointer(header).unwrap());
    assert_eq!(sent(&kunji, "1", &with(&body, header, list)).code, "E40001");
    let data = format!("{BODY}/cred/data");
    assert_eq!(sent(&kunji, "1", &with(&body, &data, json!(["1234"]))).code, "E40001");
    let root = "/ChangeMPINRequest";
    let list = listed(&["SubHeader", "SetResetMPINRequestBody"], &body["ChangeMPINRequest"]);
    assert_eq!(sent(&kunji, "1", &with(&body, root, list)).code, "E40001");
    let list = json!([body["ChangeMPINRequest"]]);
    assert_eq!(sent(&kunji, "1", &list).code, "E40001");
}

#[test]
fn member_table_is_the_whole_sample() {
    fn pointers(value: &Value, at: &str, into: &mut BTreeSet<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            let at = format!("{at}/{name}");
            into.insert(at.clone());
            pointers(value, &at, into);
        }
    }

    let mut sample = BTreeSet::new();
    pointers(&sample_change(), "", &mut sample);
    let device = DEVICE.iter().map(|member| format!("{BODY}/device/{member}"));
    let table = MEMBERS.iter().map(|member| (*member).to_owned()).chain(device);
    assert_eq!(table.collect::<BTreeSet<_>>(), sample);
}

#[test]
fn a_scenario_changes_no_state() {
    let kunji = Kunji::sandbox();
    for id in ["1", "2", "2", "2", "2", "4", "5"] {
        sent(&kunji, id, &change_john("1234", "4826"));
    }
    assert_eq!(kunji.verify("account", "ACC123456789", "1234"), "verified");
    // No receipt is kept either: the same transaction may be processed later.
    let body = change_john("1234", "4826");
    assert_eq!(sent(&kunji, "1", &body).code, "00");
    assert_eq!(kunji.change_live(&body).status, 200);
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
}

#[test]
fn every_scenario_answer_has_an_id_of_its_own() {
    let kunji = Kunji::sandbox();
    let answers = [(); 3]
        .map(|()| kunji.post(CHANGE_MPIN, &[("X-AXIS-TEST-ID", "1")], &sample_change()).json());
    let ids = answers.map(|answer| answer["SubHeader"]["responseUUID"].to_string());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn success_mirrors_the_request_header() {
    let kunji = Kunji::sandbox();
    let mut body = sample_change();
    let header = &mut body["ChangeMPINRequest"]["SubHeader"];
    *header = json!({
        "channelId": "NET \"quoted\" é",
        "requestUUID": fresh("req"),
        "serviceRequestId": "NB.OTHER",
        "serviceRequestVersion": "2.1",
    });
    let answer = kunji.post(CHANGE_MPIN, &[("X-AXIS-TEST-ID", "1")], &body).json();
    let echo = &answer["SubHeader"];
    assert_eq!(echo["serviceResponseId"], "NB.OTHER");
    assert_eq!(echo["serviceResponseVersion"], "2.1");
    assert_eq!(echo["channelId"], "NET \"quoted\" é");
    assert_ne!(echo["responseUUID"], body["ChangeMPINRequest"]["SubHeader"]["requestUUID"]);
}
