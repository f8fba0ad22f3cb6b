//! Every attempt leaves its events, and every answer outlives the process.

use std::path::Path;

use serde_json::{Value, json};

use super::{ARJUN, AVAILABILITY, CREATE, FETCH, NISHA, UPDATE, VALIDITY, changed, said};
use crate::support::{Kunji, run};

const ACTIVE: &str = "87654321";
const FREE: &str = "23456789";

/// Asks in a process of its own; the code, and how many events the store has afterwards.
fn asked(dir: &Path, call: &str, body: &Value) -> (String, u64) {
    let kunji = Kunji::sandbox_in(dir);
    let code = said(&NISHA.ask(&kunji, call, body)).code;
    kunji.stop();
    let args = ["audit", "verify", "--data", dir.to_str().unwrap(), "--output", "json"];
    let (status, found, error) = run(&args, "");
    assert_eq!(status, Some(0), "{error}");
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["holds"], true);
    (code, found["events"].as_u64().unwrap())
}

#[test]
fn an_attempt_leaves_its_events_and_a_malformed_request_none() {
    let dir = tempfile::tempdir().unwrap();
    let unbound = changed(&NISHA.update(ACTIVE, "DISABLE"), "deviceFingerPrint", &json!("x"));
    let done = NISHA.update(ACTIVE, "DISABLE");
    let cases = [
        (FETCH, json!({}), "BAD_REQUEST", 0),
        (FETCH, json!({"merchantCustomerId": NISHA.customer}), "00", 1),
        (VALIDITY, json!({"customerVpa": NISHA.vpa}), "SUCCESS", 0),
        (AVAILABILITY, NISHA.check(FREE, "CHECK"), "00", 1),
        (AVAILABILITY, NISHA.check(ACTIVE, "CHECK"), "00", 1),
        (UPDATE, unbound.clone(), "DEVICE_FINGERPRINT_MISMATCH", 1),
        (UPDATE, unbound, "DEVICE_FINGERPRINT_MISMATCH", 1),
        (UPDATE, changed(&done, "merchantCustomerId", &json!("1")), "INVALID_DATA", 1),
        (CREATE, NISHA.create(FREE), "KU08", 1),
        // The customer's claim, the number, and the claim's settlement.
        (CREATE, NISHA.create(ACTIVE), "KU03", 3),
    ];
    let fetch = json!({"merchantCustomerId": "."});
    let (_, mut events) = asked(dir.path(), FETCH, &fetch);
    for (call, body, expected, left) in cases {
        let (code, after) = asked(dir.path(), call, &body);
        // Each process notes that it started.
        assert_eq!((code.as_str(), after - events - 1), (expected, left), "{call} {body}");
        events = after;
    }
}

#[test]
fn an_answer_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let (update, create) = (NISHA.update(ACTIVE, "DELETE"), ARJUN.create(FREE));
    let play = |kunji: &Kunji| {
        let update = NISHA.ask(kunji, UPDATE, &update).text();
        let create = ARJUN.ask(kunji, CREATE, &create).text();
        (update, create, NISHA.holds(kunji), ARJUN.holds(kunji))
    };
    let kunji = Kunji::sandbox_in(dir.path());
    let before = play(&kunji);
    kunji.kill();
    let kunji = Kunji::sandbox_in(dir.path());
    assert_eq!(play(&kunji), before);
    assert_eq!(said(&ARJUN.ask(&kunji, CREATE, &ARJUN.create(ACTIVE))).code, "KU07");
    assert_eq!(before.3, [format!("{FREE} ACTIVE {}", ARJUN.vpa)]);
}
