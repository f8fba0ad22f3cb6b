//! Update: the vendor's page, the state machine, and what is refused.

use serde_json::{Value, json};

use super::{
    ARJUN, CREATE, Client, FARAH, FETCH, NISHA, SHAPE, UPDATE, changed, failed, refused, said,
    shapeless, verdict,
};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::Kunji;

const OWN: &str = "9876543210";
const ACTIVE: &str = "87654321";
const DISABLED: &str = "765432189";
const SECOND: &str = "second@handle";

const SAMPLE: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        "update", "the vendor's page, with every member: order, types, echo" => 200 "00", sample;
        "update", "the second device, where the first is not known" => 200 "00", fallback;
        "update", "the same `upiRequestId` again: the stored answer, byte for byte" => 200 "00",
            once;
        "update", "the same `upiRequestId` with other content" => 200 "DUPLICATE_REQUEST", other;
        "update", "the `upiRequestId` of another call" => 200 "DUPLICATE_REQUEST", other_call;
    },
};

const STATES: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        "update", "ACTIVE: CHANGE_VPA" => 200 "00",
            |kunji| cell(kunji, (ACTIVE, "CHANGE_VPA"), ("00", "ACTIVE", SECOND));
        "update", "ACTIVE: DISABLE" => 200 "00",
            |kunji| cell(kunji, (ACTIVE, "DISABLE"), ("00", "DISABLED", NISHA.vpa));
        "update", "ACTIVE: DELETE" => 200 "00",
            |kunji| cell(kunji, (ACTIVE, "DELETE"), ("00", "DELETED", NISHA.vpa));
        "update", "ACTIVE: REACTIVATE" => 200 "KU03",
            |kunji| cell(kunji, (ACTIVE, "REACTIVATE"), ("KU03", "ACTIVE", NISHA.vpa));
        "update", "DISABLED: CHANGE_VPA" => 200 "KU02",
            |kunji| cell(kunji, (DISABLED, "CHANGE_VPA"), ("KU02", "DISABLED", SECOND));
        "update", "DISABLED: DISABLE" => 200 "KU03",
            |kunji| cell(kunji, (DISABLED, "DISABLE"), ("KU03", "DISABLED", SECOND));
        "update", "DISABLED: DELETE" => 200 "00",
            |kunji| cell(kunji, (DISABLED, "DELETE"), ("00", "DELETED", SECOND));
        "update", "DISABLED: REACTIVATE" => 200 "00",
            |kunji| cell(kunji, (DISABLED, "REACTIVATE"), ("00", "ACTIVE", SECOND));
        "update", "DELETED: CHANGE_VPA" => 200 "KU02", |kunji| deleted(kunji, "CHANGE_VPA", "KU02");
        "update", "DELETED: DISABLE" => 200 "KU02", |kunji| deleted(kunji, "DISABLE", "KU02");
        "update", "DELETED: DELETE" => 200 "KU03", |kunji| deleted(kunji, "DELETE", "KU03");
        "update", "DELETED: REACTIVATE" => 200 "KU02",
            |kunji| deleted(kunji, "REACTIVATE", "KU02");
    },
};

const REFUSALS: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        "update", "a number that nobody ever had" => 200 "KU01",
            |kunji| unlike(kunji, &NISHA, "23456789", json!({}), ("KU01", ""));
        "update", "`vpa` of another customer, or of nobody" => 200 "KU04",
            |kunji| same(["third@handle", "nobody@handle", "something@other"].map(|vpa| {
                unlike(kunji, &NISHA, ACTIVE, json!({"vpa": vpa}), ("KU04", "ACTIVE"))
            }));
        "update", "CHANGE_VPA with an `existingVpa` of another customer or PSP" => 200 "KU04",
            |kunji| same(["third@handle", "something@broker"].map(|vpa| {
                let change = json!({"action": "CHANGE_VPA", "existingVpa": vpa, "vpa": SECOND});
                unlike(kunji, &NISHA, ACTIVE, change, ("KU04", "ACTIVE"))
            }));
        "update", "CHANGE_VPA with an `existingVpa` that is not the linked one" => 200 "KU05",
            |kunji| {
                let change = json!({"action": "CHANGE_VPA", "existingVpa": SECOND});
                unlike(kunji, &NISHA, ACTIVE, change, ("KU05", "ACTIVE"))
            };
        "update", "`vpa` that is the customer's, but not the linked one" => 200 "KU05",
            |kunji| same(["DISABLE", "DELETE"].map(|action| {
                let change = json!({"action": action, "vpa": SECOND});
                unlike(kunji, &NISHA, ACTIVE, change, ("KU05", "ACTIVE"))
            }));
        "update", "a number of another customer" => 200 "MM18",
            |kunji| same(["DISABLE", "DELETE", "REACTIVATE"].map(|action| {
                unlike(kunji, &ARJUN, ACTIVE, json!({"action": action}), ("MM18", "ACTIVE"))
            }));
        "update", "ten digits that are not the own mobile number" => 200 "INVALID_DATA",
            |kunji| {
                let answer = ARJUN.ask(kunji, UPDATE, &ARJUN.update(OWN, "DISABLE"));
                failed(&answer, "INVALID_DATA", "upiNumber is not the customer's mobile number")
            };
        "update", "no such customer" => 200 "INVALID_DATA", no_customer;
        "update", "no bound device, neither first nor second" => 200 "DEVICE_FINGERPRINT_MISMATCH",
            no_device;
        "update", "`upiNumber` missing or no string" => 200 "BAD_REQUEST",
            |kunji| shape(kunji, "upiNumber");
        "update", "`merchantCustomerId` missing or no string" => 200 "BAD_REQUEST",
            |kunji| shape(kunji, "merchantCustomerId");
        "update", "`upiRequestId` missing or no string" => 200 "BAD_REQUEST",
            |kunji| shape(kunji, "upiRequestId");
        "update", "`vpa` missing or no string" => 200 "BAD_REQUEST", |kunji| shape(kunji, "vpa");
        "update", "`action` missing or no string" => 200 "BAD_REQUEST",
            |kunji| shape(kunji, "action");
        "update", "`deviceFingerPrint` missing or no string" => 200 "BAD_REQUEST",
            |kunji| shape(kunji, "deviceFingerPrint");
        "update", "a member that need not be there, and is no string" => 200 "BAD_REQUEST",
            |kunji| {
                let members =
                    ["existingVpa", "fallbackDeviceFingerPrint", "udfParameters", "packageName"];
                same(members.map(|member| bad(kunji, (member, SHAPE), &shapeless()[1..])))
            };
        "update", "CHANGE_VPA without `existingVpa`" => 200 "BAD_REQUEST",
            |kunji| bad(kunji, ("existingVpa", SHAPE), &[json!(null)]);
        "update", "`upiNumber` against its rules" => 200 "BAD_REQUEST", bad_number;
        "update", "`merchantCustomerId` against its rules" => 200 "BAD_REQUEST",
            |kunji| {
                let rule = ("merchantCustomerId", "is not 1 to 256 letters, digits or dots");
                let long = "1".repeat(257);
                bad(kunji, rule, &["", "a b", "a/b", "a-b", "१", &long].map(Value::from))
            };
        "update", "`upiRequestId` against its rules" => 200 "BAD_REQUEST", bad_request_id;
        "update", "`vpa` or `existingVpa` that is none" => 200 "BAD_REQUEST",
            |kunji| {
                let values = ["", "x", "@handle", "x@", "a@b@c", "a b@c"].map(Value::from);
                let rule = |member| (member, "is not vpa@handle");
                same(["vpa", "existingVpa"].map(|member| bad(kunji, rule(member), &values)))
            };
        "update", "another `action`" => 200 "BAD_REQUEST",
            |kunji| {
                let rule = ("action", "is not CHANGE_VPA, DISABLE, DELETE or REACTIVATE");
                bad(kunji, rule, &["", "disable", "CHECK", "DELETED", " DELETE"].map(Value::from))
            };
        "update", "a device's or package's name against its rules" => 200 "BAD_REQUEST",
            |kunji| {
                let values = [json!(""), json!("x".repeat(257))];
                let members = ["deviceFingerPrint", "fallbackDeviceFingerPrint", "packageName"];
                let rule = |member| (member, "is not 1 to 256 characters");
                same(members.map(|member| bad(kunji, rule(member), &values)))
            };
        "update", "`udfParameters` that hold no JSON object" => 200 "BAD_REQUEST",
            |kunji| {
                let rule =
                    ("udfParameters", "is not a JSON object in a string of at most 8192 bytes");
                let long = json!({"a": "x".repeat(8185)}).to_string();
                bad(kunji, rule, &["", "x", "[]", "1", "{", "{}{}", "null", &long].map(Value::from))
            };
        "update", "a body that is no JSON object" => 200 "BAD_REQUEST", no_object;
    },
};

const BROKEN: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox_on_a_full_disk,
    ground: Ground::Broken,
    cases: cases! {
        "update", "the store is full: the outcome is unknown" => 500 "INTERNAL_SERVER_ERROR",
            |kunji| {
                let answer = NISHA.ask(kunji, UPDATE, &NISHA.update(ACTIVE, "DISABLE"));
                super::assert_signed(kunji, &answer);
                let message = "Outcome unknown: repeat the same request";
                failed(&answer, "INTERNAL_SERVER_ERROR", message)
            };
    },
};

const ALLOWANCE: Table = Table {
    dialect: "merchants",
    start: || Kunji::sandbox_with(&[("KUNJI_PINS__LIVE_PER_MINUTE", "2")]),
    ground: Ground::Shared,
    cases: cases! {
        "update", "the customer's allowance is used up; another customer's is not" =>
            429 "BAD_REQUEST", allowance;
    },
};

tables! {
    the_sample_is_answered_as_printed plays SAMPLE;
    every_cell_of_the_state_table_holds plays STATES;
    what_is_not_so_is_refused plays REFUSALS;
    an_unknown_outcome_is_said plays BROKEN;
    each_customer_has_an_allowance plays ALLOWANCE;
}

/// An update that would succeed.
fn good() -> Value {
    let mut body = NISHA.update(ACTIVE, "CHANGE_VPA");
    body["existingVpa"] = json!(NISHA.vpa);
    body["vpa"] = json!(SECOND);
    body
}

fn sample(kunji: &Kunji) -> Said {
    let mut body = good();
    body["fallbackDeviceFingerPrint"] = json!("f".repeat(64));
    body["udfParameters"] = json!(r#"{"note":"a \"quoted\" ₹ word"}"#);
    body["packageName"] = json!("in.example.app");
    body["unheardOf"] = json!({"a": [1]});
    let answer = NISHA.ask(kunji, UPDATE, &body);
    verdict(&NISHA, &body, &answer, ("00", "ACTIVE", SECOND))
}

fn fallback(kunji: &Kunji) -> Said {
    let mut body = NISHA.update(ACTIVE, "DISABLE");
    body["deviceFingerPrint"] = json!("unknown");
    body["fallbackDeviceFingerPrint"] = json!("b".repeat(64));
    let answer = NISHA.ask(kunji, UPDATE, &body);
    verdict(&NISHA, &body, &answer, ("00", "DISABLED", NISHA.vpa))
}

fn once(kunji: &Kunji) -> Said {
    let body = NISHA.update(ACTIVE, "DISABLE");
    let first = NISHA.ask(kunji, UPDATE, &body);
    kunji.advance("1h");
    let second = NISHA.ask(kunji, UPDATE, &body);
    assert_eq!(first.text(), second.text());
    // Whatever became of the number since.
    NISHA.ask(kunji, UPDATE, &NISHA.update(ACTIVE, "DELETE"));
    assert_eq!(first.text(), NISHA.ask(kunji, UPDATE, &body).text());
    // Refusals are kept as well.
    for (member, value) in
        [("action", "REACTIVATE"), ("deviceFingerPrint", "x"), ("merchantCustomerId", "9")]
    {
        let body = changed(&NISHA.update(OWN, "DISABLE"), member, &json!(value));
        let [first, second] = [(); 2].map(|()| NISHA.ask(kunji, UPDATE, &body).text());
        assert_eq!(first, second);
    }
    verdict(&NISHA, &body, &second, ("00", "DISABLED", NISHA.vpa))
}

const DUPLICATE: (&str, &str) = ("DUPLICATE_REQUEST", "upiRequestId was used for other content");

fn other(kunji: &Kunji) -> Said {
    let body = NISHA.update(ACTIVE, "DISABLE");
    assert_eq!(said(&NISHA.ask(kunji, UPDATE, &body)).code, "00");
    let held = NISHA.holds(kunji);
    let others = [
        ("upiNumber", json!(OWN)),
        ("merchantCustomerId", json!(ARJUN.customer)),
        ("vpa", json!(SECOND)),
        ("existingVpa", json!(SECOND)),
        ("action", json!("DELETE")),
        ("deviceFingerPrint", json!("b".repeat(64))),
        ("fallbackDeviceFingerPrint", json!("x")),
        ("udfParameters", json!("{}")),
        ("packageName", json!("x")),
    ];
    let (code, message) = DUPLICATE;
    let all = others.map(|(member, value)| {
        failed(&NISHA.ask(kunji, UPDATE, &changed(&body, member, &value)), code, message)
    });
    assert_eq!(NISHA.holds(kunji), held);
    same(all)
}

fn other_call(kunji: &Kunji) -> Said {
    let body = NISHA.update(ACTIVE, "DELETE");
    assert_eq!(said(&NISHA.ask(kunji, UPDATE, &body)).code, "00");
    let (code, message) = DUPLICATE;
    same([CREATE, FETCH].map(|call| failed(&NISHA.ask(kunji, call, &body), code, message)))
}

/// An action on a number of the first customer; a failed one must change nothing.
#[track_caller]
fn act(kunji: &Kunji, (number, action): (&str, &str), expected: (&str, &str, &str)) -> Said {
    let mut body = NISHA.update(number, action);
    let (linked, other) = match number {
        DISABLED => (SECOND, NISHA.vpa),
        _ => (NISHA.vpa, SECOND),
    };
    body["vpa"] = json!(linked);
    if action == "CHANGE_VPA" {
        body["existingVpa"] = json!(linked);
        body["vpa"] = json!(other);
    }
    let held = NISHA.holds(kunji);
    let answer = NISHA.ask(kunji, UPDATE, &body);
    let after = NISHA.holds(kunji);
    match expected {
        ("00", "DELETED", _) => {
            assert!(!after.iter().any(|one| one.starts_with(number)), "{after:?}");
        }
        ("00", status, vpa) => assert!(after.contains(&format!("{number} {status} {vpa}"))),
        (_, _, _) => assert_eq!(held, after),
    }
    verdict(&NISHA, &body, &answer, expected)
}

#[track_caller]
fn cell(kunji: &Kunji, doing: (&str, &str), expected: (&str, &str, &str)) -> Said {
    act(kunji, doing, expected)
}

#[track_caller]
fn deleted(kunji: &Kunji, action: &str, code: &str) -> Said {
    act(kunji, (ACTIVE, "DELETE"), ("00", "DELETED", NISHA.vpa));
    act(kunji, (ACTIVE, action), (code, "DELETED", NISHA.vpa))
}

/// An update that differs from a good one; it fails, and the VPA is said as its owner may know it.
#[track_caller]
fn unlike(
    kunji: &Kunji,
    client: &Client,
    number: &str,
    change: Value,
    (code, status): (&str, &str),
) -> Said {
    let mut body = client.update(number, "DISABLE");
    for (member, value) in change.as_object().unwrap() {
        body[member] = value.clone();
    }
    let held = NISHA.holds(kunji);
    let answer = client.ask(kunji, UPDATE, &body);
    assert_eq!(NISHA.holds(kunji), held);
    // The linked one is said to who holds the number; anybody else hears what they said.
    verdict(client, &body, &answer, (code, status, client.vpa))
}

fn no_customer(kunji: &Kunji) -> Said {
    let said = |body: Value| {
        let answer = NISHA.ask(kunji, UPDATE, &body);
        failed(&answer, "INVALID_DATA", "merchantCustomerId is not known")
    };
    let of = |id: &str| changed(&NISHA.update(ACTIVE, "DISABLE"), "merchantCustomerId", &json!(id));
    let all = ["1", "1234567.", "88001"].map(|id| said(of(id)));
    // It is looked at before the device.
    let neither = said(changed(&of("1"), "deviceFingerPrint", &json!("x")));
    same(all.into_iter().chain([neither]))
}

fn no_device(kunji: &Kunji) -> Said {
    let devices = [("x", None), (ARJUN.device, Some(FARAH.device)), ("A", Some("B"))];
    same(devices.map(|(first, second)| {
        let mut body =
            changed(&NISHA.update(ACTIVE, "DISABLE"), "deviceFingerPrint", &json!(first));
        if let Some(second) = second {
            body["fallbackDeviceFingerPrint"] = json!(second);
        }
        let answer = NISHA.ask(kunji, UPDATE, &body);
        let code = "DEVICE_FINGERPRINT_MISMATCH";
        failed(&answer, code, "Device is not bound to the customer")
    }))
}

fn bad(kunji: &Kunji, rule: (&str, &str), values: &[Value]) -> Said {
    refused(kunji, UPDATE, &good(), rule, values)
}

fn shape(kunji: &Kunji, member: &str) -> Said {
    bad(kunji, (member, SHAPE), &shapeless())
}

fn bad_number(kunji: &Kunji) -> Said {
    let rule =
        "is not 8 to 10 digits without a leading 0, the last three of 8 or 9 not all the same";
    let numbers = [
        "",
        "1234567",
        "98765432101",
        "07654321",
        "87654333",
        "876543222",
        "8765432x",
        "+7654321",
        "8765432१",
        " 87654321",
        "8.654321",
    ];
    bad(kunji, ("upiNumber", rule), &numbers.map(Value::from))
}

fn bad_request_id(kunji: &Kunji) -> Said {
    let rule = "is not 35 letters or digits that begin with the merchant's prefix";
    let good = NISHA.txn();
    let [short, long] = [good[..34].to_owned(), format!("{good}1")];
    let others = [
        good.replace("STK", "BRK"),
        good.replace("STK", "stk"),
        good.replace("STK0", "STK-"),
        good.replace("STK00", "STK\u{e9}"),
        String::new(),
        short,
        long,
    ];
    bad(kunji, ("upiRequestId", rule), &others.map(Value::from))
}

fn no_object(kunji: &Kunji) -> Said {
    let member = good().to_string();
    let twice = format!(r#"{{"vpa":"a@b",{}"#, &member[1..]);
    let bodies = ["", "x", "[]", "\"x\"", "null", "{", "{}{}", &format!("[{member}]"), &twice];
    let all = bodies.map(|body| {
        let answer = NISHA.summed(body.as_bytes(), &super::now()).send(kunji, UPDATE);
        failed(&answer, "BAD_REQUEST", "Request body is not one JSON object")
    });
    same(all)
}

fn allowance(kunji: &Kunji) -> Said {
    for _ in 0..2 {
        let answer = NISHA.ask(kunji, UPDATE, &NISHA.update(ACTIVE, "REACTIVATE"));
        assert_eq!(said(&answer).code, "KU03");
    }
    let over = NISHA.ask(kunji, UPDATE, &NISHA.update(ACTIVE, "REACTIVATE"));
    assert!(over.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().unwrap() > 0));
    super::assert_signed(kunji, &over);
    let answer = ARJUN.ask(kunji, UPDATE, &ARJUN.update(ACTIVE, "DISABLE"));
    assert_eq!(said(&answer).code, "MM18");
    failed(&over, "BAD_REQUEST", "Too many requests")
}
