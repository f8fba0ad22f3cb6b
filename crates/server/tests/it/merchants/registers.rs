//! Create: registering a number, porting one, and giving numbers back.

use serde_json::{Value, json};

use super::{
    ARJUN, AT_BROKER, CREATE, Client, FARAH, NISHA, SHAPE, UPDATE, changed, failed, refused, said,
    shapeless, verdict,
};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::Kunji;

const OWN: &str = "9876543210";
const ACTIVE: &str = "87654321";
const DISABLED: &str = "765432189";
const FREE: &str = "23456789";

const REGISTERS: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        "create", "a number that nobody ever had, with every member" => 200 "00", every_member;
        "create", "the own mobile number and two more, and no third" => 200 "KU08", to_the_limit;
        "create", "a place is free again once a number is given back" => 200 "00", place_again;
        "create", "the customer has it already" => 200 "KU03",
            |kunji| create(kunji, &NISHA, ACTIVE, ("KU03", "ACTIVE"));
        "create", "another customer has it" => 200 "MM18",
            |kunji| {
                create(kunji, &ARJUN, DISABLED, ("MM18", "DISABLED"));
                create(kunji, &AT_BROKER, OWN, ("MM18", "ACTIVE"))
            };
        "create", "`vpa` of another customer" => 200 "KU04",
            |kunji| {
                let stranger = Client { vpa: "something@handle", ..ARJUN };
                create(kunji, &stranger, FREE, ("KU04", ""))
            };
        "create", "the same customer gave it back a moment ago" => 200 "00",
            |kunji| {
                give_back(kunji, &NISHA, ACTIVE);
                create(kunji, &NISHA, ACTIVE, ("00", "ACTIVE"))
            };
        "create", "another customer gave it back less than 180 days ago" => 200 "KU07",
            |kunji| {
                give_back(kunji, &NISHA, ACTIVE);
                create(kunji, &ARJUN, ACTIVE, ("KU07", "DELETED"));
                kunji.advance("179d23h");
                create(kunji, &ARJUN, ACTIVE, ("KU07", "DELETED"))
            };
        "create", "another customer gave it back 180 days ago" => 200 "00",
            |kunji| {
                give_back(kunji, &NISHA, ACTIVE);
                kunji.advance("180d");
                create(kunji, &ARJUN, ACTIVE, ("00", "ACTIVE"));
                // It is gone for good from who had it.
                create(kunji, &NISHA, ACTIVE, ("MM18", "ACTIVE"));
                create(kunji, &ARJUN, FREE, ("00", "ACTIVE"))
            };
        "create", "a refused wish takes no place" => 200 "00",
            |kunji| {
                for _ in 0..3 {
                    create(kunji, &ARJUN, ACTIVE, ("MM18", "ACTIVE"));
                }
                assert_eq!(ARJUN.holds(kunji), [""; 0]);
                create(kunji, &ARJUN, FREE, ("00", "ACTIVE"))
            };
        "create", "the same `upiRequestId` again: the stored answer, byte for byte" => 200 "00",
            once;
        "create", "the same `upiRequestId` with other content" => 200 "DUPLICATE_REQUEST", other;
    },
};

const PORTS: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        "create", "port: the own mobile number, with the VPA that it leads to" => 200 "00", ported;
        "create", "port: back again" => 200 "00", ported_back;
        "create", "port: a disabled number is active afterwards" => 200 "00",
            |kunji| {
                NISHA.ask(kunji, UPDATE, &NISHA.update(OWN, "DISABLE"));
                port(kunji, &AT_BROKER, (OWN, NISHA.vpa), ("00", "ACTIVE", "me@broker"))
            };
        "create", "port: another VPA than the one it leads to, the masked one among them" =>
            200 "KU05",
            |kunji| same(["s-g@handle", "second@handle", "something@broker"].map(|vpa| {
                port(kunji, &AT_BROKER, (OWN, vpa), ("KU05", "ACTIVE", "me@broker"))
            }));
        "create", "port: the customer has it already" => 200 "KU03",
            |kunji| port(kunji, &NISHA, (OWN, NISHA.vpa), ("KU03", "ACTIVE", NISHA.vpa));
        "create", "port: nobody has it" => 200 "KU01",
            |kunji| port(kunji, &FARAH, ("9800000001", "x@y"), ("KU01", "", FARAH.vpa));
        "create", "port: a number that is not a mobile number" => 200 "KU02",
            |kunji| port(kunji, &ARJUN, (ACTIVE, NISHA.vpa), ("KU02", "ACTIVE", ARJUN.vpa));
        "create", "port: another customer's mobile number" => 200 "INVALID_DATA",
            |kunji| {
                let body = changed(&ARJUN.create(OWN), "existingVpa", &json!(NISHA.vpa));
                let answer = ARJUN.ask(kunji, CREATE, &body);
                failed(&answer, "INVALID_DATA", "upiNumber is not the customer's mobile number")
            };
    },
};

const REFUSALS: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        "create", "ten digits that are not the own mobile number" => 200 "INVALID_DATA",
            |kunji| {
                let answer = ARJUN.ask(kunji, CREATE, &ARJUN.create(OWN));
                failed(&answer, "INVALID_DATA", "upiNumber is not the customer's mobile number")
            };
        "create", "no such customer" => 200 "INVALID_DATA",
            |kunji| {
                let body = changed(&NISHA.create(FREE), "merchantCustomerId", &json!("1"));
                let answer = NISHA.ask(kunji, CREATE, &body);
                failed(&answer, "INVALID_DATA", "merchantCustomerId is not known")
            };
        "create", "a device that is named, but not bound" => 200 "DEVICE_FINGERPRINT_MISMATCH",
            |kunji| {
                let body = changed(&NISHA.create(FREE), "deviceFingerPrint", &json!("x"));
                let answer = NISHA.ask(kunji, CREATE, &body);
                let code = "DEVICE_FINGERPRINT_MISMATCH";
                failed(&answer, code, "Device is not bound to the customer")
            };
        "create", "a member missing or no string" => 200 "BAD_REQUEST",
            |kunji| {
                let members = ["upiNumber", "vpa", "merchantCustomerId", "upiRequestId"];
                let body = NISHA.create(FREE);
                same(members.map(|member| {
                    refused(kunji, CREATE, &body, (member, SHAPE), &shapeless())
                }))
            };
        "create", "`existingVpa` that is none" => 200 "BAD_REQUEST",
            |kunji| {
                let rule = ("existingVpa", "is not vpa@handle");
                let values = ["", "x", "s*****g@handle"].map(Value::from);
                refused(kunji, CREATE, &NISHA.create(OWN), rule, &values)
            };
    },
};

tables! {
    a_number_is_had_by_who_may_have_it plays REGISTERS;
    the_own_mobile_number_moves plays PORTS;
    what_is_not_so_is_not_registered plays REFUSALS;
}

#[track_caller]
fn create(kunji: &Kunji, client: &Client, number: &str, (code, status): (&str, &str)) -> Said {
    let body = client.create(number);
    let answer = client.ask(kunji, CREATE, &body);
    verdict(client, &body, &answer, (code, status, client.vpa))
}

#[track_caller]
fn port(
    kunji: &Kunji,
    client: &Client,
    (number, existing): (&str, &str),
    expected: (&str, &str, &str),
) -> Said {
    let body = changed(&client.create(number), "existingVpa", &json!(existing));
    let answer = client.ask(kunji, CREATE, &body);
    verdict(client, &body, &answer, expected)
}

#[track_caller]
fn give_back(kunji: &Kunji, client: &Client, number: &str) {
    let answer = client.ask(kunji, UPDATE, &client.update(number, "DELETE"));
    assert_eq!(said(&answer).code, "00");
}

fn every_member(kunji: &Kunji) -> Said {
    let mut body = ARJUN.create(FREE);
    body["deviceFingerPrint"] = json!("unknown");
    body["fallbackDeviceFingerPrint"] = json!(ARJUN.device);
    body["udfParameters"] = json!("{\"a\":1}");
    body["packageName"] = json!("in.example.app");
    let answer = ARJUN.ask(kunji, CREATE, &body);
    assert_eq!(ARJUN.holds(kunji), [format!("{FREE} ACTIVE {}", ARJUN.vpa)]);
    verdict(&ARJUN, &body, &answer, ("00", "ACTIVE", ARJUN.vpa))
}

fn to_the_limit(kunji: &Kunji) -> Said {
    create(kunji, &ARJUN, FREE, ("00", "ACTIVE"));
    create(kunji, &ARJUN, "345678912", ("00", "ACTIVE"));
    let third = create(kunji, &ARJUN, "34567891", ("KU08", ""));
    create(kunji, &ARJUN, "9812345678", ("00", "ACTIVE"));
    assert_eq!(
        ARJUN.holds(kunji),
        ["9812345678", FREE, "345678912"].map(|one| format!("{one} ACTIVE {}", ARJUN.vpa))
    );
    third
}

fn place_again(kunji: &Kunji) -> Said {
    create(kunji, &NISHA, FREE, ("KU08", ""));
    give_back(kunji, &NISHA, ACTIVE);
    create(kunji, &NISHA, FREE, ("00", "ACTIVE"));
    create(kunji, &NISHA, ACTIVE, ("KU08", "DELETED"));
    give_back(kunji, &NISHA, FREE);
    create(kunji, &NISHA, ACTIVE, ("00", "ACTIVE"))
}

fn once(kunji: &Kunji) -> Said {
    let body = ARJUN.create(FREE);
    let first = ARJUN.ask(kunji, CREATE, &body);
    give_back(kunji, &ARJUN, FREE);
    let second = ARJUN.ask(kunji, CREATE, &body);
    assert_eq!(first.text(), second.text());
    assert_eq!(ARJUN.holds(kunji), [""; 0]);
    said(&second)
}

fn other(kunji: &Kunji) -> Said {
    let body = ARJUN.create(FREE);
    assert_eq!(said(&ARJUN.ask(kunji, CREATE, &body)).code, "00");
    let (code, message) = ("DUPLICATE_REQUEST", "upiRequestId was used for other content");
    let others = [("upiNumber", "34567891"), ("existingVpa", "x@y"), ("udfParameters", "{}")];
    let said = same(others.map(|(member, value)| {
        let body = changed(&body, member, &json!(value));
        failed(&ARJUN.ask(kunji, CREATE, &body), code, message)
    }));
    assert_eq!(ARJUN.holds(kunji).len(), 1);
    said
}

fn ported(kunji: &Kunji) -> Said {
    let said = port(kunji, &AT_BROKER, (OWN, NISHA.vpa), ("00", "ACTIVE", "me@broker"));
    assert_eq!(AT_BROKER.holds(kunji), [format!("{OWN} ACTIVE me@broker")]);
    assert!(!NISHA.holds(kunji).iter().any(|one| one.starts_with(OWN)));
    let body = NISHA.update(OWN, "DISABLE");
    let answer = NISHA.ask(kunji, UPDATE, &body);
    verdict(&NISHA, &body, &answer, ("MM18", "ACTIVE", NISHA.vpa));
    said
}

fn ported_back(kunji: &Kunji) -> Said {
    ported(kunji);
    let said = port(kunji, &NISHA, (OWN, "me@broker"), ("00", "ACTIVE", NISHA.vpa));
    assert_eq!(AT_BROKER.holds(kunji), [""; 0]);
    assert!(NISHA.holds(kunji).contains(&format!("{OWN} ACTIVE {}", NISHA.vpa)));
    said
}
