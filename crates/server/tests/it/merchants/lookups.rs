//! Availability: it says what create or port would come to, and changes nothing.

use serde_json::{Value, json};

use super::{
    ARJUN, AT_BROKER, AVAILABILITY, CREATE, Client, FARAH, NISHA, SHAPE, UPDATE, changed, failed,
    refused, said, shapeless, verdict,
};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::Kunji;

const OWN: &str = "9876543210";
const ACTIVE: &str = "87654321";
const DISABLED: &str = "765432189";
const FREE: &str = "23456789";

const LOOKUPS: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        "availability", "CHECK: nobody ever had it" => 200 "00",
            |kunji| look(kunji, &ARJUN, (FREE, "CHECK"), ("00", "NEW", ARJUN.vpa));
        "availability", "CHECK: the own mobile number, which nobody has" => 200 "00",
            |kunji| look(kunji, &ARJUN, ("9812345678", "CHECK"), ("00", "NEW", ARJUN.vpa));
        "availability", "CHECK: the customer has it, active" => 200 "00",
            |kunji| look(kunji, &NISHA, (OWN, "CHECK"), ("00", "ACTIVE", NISHA.vpa));
        "availability", "CHECK: the customer has it, disabled" => 200 "00",
            |kunji| look(kunji, &NISHA, (DISABLED, "CHECK"), ("00", "DISABLED", "second@handle"));
        "availability", "CHECK: another customer has it" => 200 "MM18",
            |kunji| look(kunji, &ARJUN, (ACTIVE, "CHECK"), ("MM18", "ACTIVE", ARJUN.vpa));
        "availability", "CHECK: another customer has it disabled" => 200 "MM18",
            |kunji| look(kunji, &ARJUN, (DISABLED, "CHECK"), ("MM18", "DISABLED", ARJUN.vpa));
        "availability", "CHECK: one more than a customer may have" => 200 "00",
            |kunji| look(kunji, &NISHA, (FREE, "CHECK"), ("00", "NEW", NISHA.vpa));
        "availability", "PORT: the own mobile number is at another provider, whose VPA is masked" =>
            200 "00",
            |kunji| {
                let vpa = "me@broker was s*****g@handle";
                look(kunji, &AT_BROKER, (OWN, "PORT"), ("00", "ACTIVE", vpa))
            };
        "availability", "PORT: the customer has it already" => 200 "KU03",
            |kunji| look(kunji, &NISHA, (OWN, "PORT"), ("KU03", "ACTIVE", NISHA.vpa));
        "availability", "PORT: nobody has it" => 200 "KU01",
            |kunji| look(kunji, &ARJUN, ("9812345678", "PORT"), ("KU01", "NEW", ARJUN.vpa));
        "availability", "PORT: a number that is not a mobile number" => 200 "KU02",
            |kunji| look(kunji, &ARJUN, (ACTIVE, "PORT"), ("KU02", "ACTIVE", ARJUN.vpa));
        "availability", "`vpa` of another customer" => 200 "KU04",
            |kunji| same(["CHECK", "PORT"].map(|action| {
                let number = if action == "CHECK" { FREE } else { "9812345678" };
                let stranger = Client { vpa: "something@handle", ..ARJUN };
                look(kunji, &stranger, (number, action), ("KU04", "NEW", stranger.vpa))
            }));
        "availability", "ten digits that are not the own mobile number" => 200 "INVALID_DATA",
            |kunji| same(["CHECK", "PORT"].map(|action| {
                let answer = ARJUN.ask(kunji, AVAILABILITY, &ARJUN.check(OWN, action));
                failed(&answer, "INVALID_DATA", "upiNumber is not the customer's mobile number")
            }));
        "availability", "no such customer" => 200 "INVALID_DATA",
            |kunji| {
                let body = changed(&NISHA.check(FREE, "CHECK"), "merchantCustomerId", &json!("1"));
                let answer = NISHA.ask(kunji, AVAILABILITY, &body);
                failed(&answer, "INVALID_DATA", "merchantCustomerId is not known")
            };
        "availability", "a device that is named, but not bound" =>
            200 "DEVICE_FINGERPRINT_MISMATCH",
            |kunji| {
                let body = changed(&NISHA.check(FREE, "CHECK"), "deviceFingerPrint", &json!("x"));
                let answer = NISHA.ask(kunji, AVAILABILITY, &body);
                failed(
                    &answer,
                    "DEVICE_FINGERPRINT_MISMATCH",
                    "Device is not bound to the customer",
                )
            };
        "availability", "the same `upiRequestId` again: the stored answer, byte for byte" =>
            200 "00", once;
        "availability", "the same `upiRequestId` with other content" => 200 "DUPLICATE_REQUEST",
            other;
        "availability", "a member missing or no string" => 200 "BAD_REQUEST",
            |kunji| {
                let members = ["upiNumber", "vpa", "merchantCustomerId", "upiRequestId", "action"];
                let body = NISHA.check(FREE, "CHECK");
                same(members.map(|member| {
                    refused(kunji, AVAILABILITY, &body, (member, SHAPE), &shapeless())
                }))
            };
        "availability", "another `action`" => 200 "BAD_REQUEST",
            |kunji| {
                let values = ["", "check", "DELETE", "FETCH"].map(Value::from);
                let rule = ("action", "is not CHECK or PORT");
                refused(kunji, AVAILABILITY, &NISHA.check(FREE, "CHECK"), rule, &values)
            };
    },
};

/// A number that was given back.
const GIVEN_BACK: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        "availability", "CHECK: another customer gave it back not long ago" => 200 "KU07",
            |kunji| {
                delete(kunji);
                look(kunji, &ARJUN, (ACTIVE, "CHECK"), ("KU07", "DELETED", ARJUN.vpa))
            };
        "availability", "CHECK: the customer gave it back" => 200 "00",
            |kunji| {
                delete(kunji);
                look(kunji, &NISHA, (ACTIVE, "CHECK"), ("00", "NEW", NISHA.vpa))
            };
        "availability", "CHECK: another customer gave it back long ago" => 200 "00",
            |kunji| {
                delete(kunji);
                kunji.advance("180d");
                look(kunji, &ARJUN, (ACTIVE, "CHECK"), ("00", "NEW", ARJUN.vpa))
            };
        "availability", "PORT: the other provider's customer gave it back" => 200 "KU01",
            |kunji| {
                NISHA.ask(kunji, UPDATE, &NISHA.update(OWN, "DELETE"));
                look(kunji, &AT_BROKER, (OWN, "PORT"), ("KU01", "DELETED", AT_BROKER.vpa))
            };
    },
};

tables! {
    a_look_says_what_would_come_of_it plays LOOKUPS;
    a_number_that_was_given_back_is_kept_from_others plays GIVEN_BACK;
}

fn delete(kunji: &Kunji) {
    let answer = NISHA.ask(kunji, UPDATE, &NISHA.update(ACTIVE, "DELETE"));
    assert_eq!(said(&answer).code, "00");
}

/// Looks, and looks whether anything changed.
#[track_caller]
fn look(
    kunji: &Kunji,
    client: &Client,
    (number, action): (&str, &str),
    expected: (&str, &str, &str),
) -> Said {
    let held = [NISHA, ARJUN, FARAH, AT_BROKER].map(|client| client.holds(kunji));
    let body = client.check(number, action);
    let answer = client.ask(kunji, AVAILABILITY, &body);
    assert_eq!([NISHA, ARJUN, FARAH, AT_BROKER].map(|client| client.holds(kunji)), held);
    verdict(client, &body, &answer, expected)
}

fn once(kunji: &Kunji) -> Said {
    let number = "34567891";
    let body = FARAH.check(number, "CHECK");
    let first = FARAH.ask(kunji, AVAILABILITY, &body);
    assert_eq!(said(&FARAH.ask(kunji, CREATE, &FARAH.create(number))).code, "00");
    let second = FARAH.ask(kunji, AVAILABILITY, &body);
    assert_eq!(first.text(), second.text());
    look(kunji, &FARAH, (number, "CHECK"), ("00", "ACTIVE", FARAH.vpa));
    said(&second)
}

fn other(kunji: &Kunji) -> Said {
    let body = ARJUN.check(FREE, "CHECK");
    assert_eq!(said(&ARJUN.ask(kunji, AVAILABILITY, &body)).code, "00");
    let (code, message) = ("DUPLICATE_REQUEST", "upiRequestId was used for other content");
    let others = [("upiNumber", ACTIVE), ("action", "PORT"), ("vpa", NISHA.vpa)];
    same(others.map(|(member, value)| {
        let body = changed(&body, member, &json!(value));
        failed(&ARJUN.ask(kunji, AVAILABILITY, &body), code, message)
    }))
}
