//! Changes that wait for the mapper, and mobile numbers that nobody chose.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    ARJUN, AT_BROKER, AVAILABILITY, CREATE, Client, FETCH, NISHA, UPDATE, VALIDITY, changed,
    failed, now, said, verdict,
};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::{Answer, Kunji};

const OWN: &str = "9876543210";
const ACTIVE: &str = "87654321";
const DISABLED: &str = "765432189";
const FREE: &str = "23456789";
const SECOND: &str = "second@handle";
const FAULT: &str = "X-Kunji-Fault";

const CASES: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        "update", "DISABLE that the mapper does not answer in time (`X-Kunji-Fault: pending`)" =>
            200 "01", disable;
        "update", "CHANGE_VPA that waits, and fails (`; status=FAILURE`)" => 200 "01", change_vpa;
        "update", "DELETE and REACTIVATE that wait" => 200 "01", the_others;
        "update", "any action while a change is pending" => 200 "KU09", second_change;
        "create", "a new number that waits" => 200 "01", create;
        "create", "a new number that waits, and fails" => 200 "01", create_in_vain;
        "create", "a port that waits" => 200 "01", port;
        "create", "a number whose registration is pending" => 200 "KU09",
            |kunji| {
                waiting(kunji, &ARJUN, CREATE, &ARJUN.create(FREE), "pending");
                let asked = ARJUN.create(FREE);
                let answer = ARJUN.ask(kunji, CREATE, &asked);
                verdict(&ARJUN, &asked, &answer, ("KU09", "PENDING", ARJUN.vpa))
            };
        "availability", "CHECK of a number whose change is pending" => 200 "KU09",
            |kunji| {
                waiting(kunji, &NISHA, UPDATE, &NISHA.update(ACTIVE, "DISABLE"), "pending");
                let look = |client: &Client| {
                    let asked = client.check(ACTIVE, "CHECK");
                    let answer = client.ask(kunji, AVAILABILITY, &asked);
                    verdict(client, &asked, &answer, ("KU09", "PENDING", client.vpa))
                };
                same([look(&NISHA), look(&ARJUN)])
            };
        "update", "the same `upiRequestId` again: PENDING, also once it is settled" =>
            200 "01", repeated;
        "update", "a refusal does not wait" => 200 "KU03",
            |kunji| {
                let asked = NISHA.update(ACTIVE, "REACTIVATE");
                let answer = waiting(kunji, &NISHA, UPDATE, &asked, "pending");
                verdict(&NISHA, &asked, &answer, ("KU03", "ACTIVE", NISHA.vpa))
            };
        "update", "`X-Kunji-Fault` that is none" => 200 "BAD_REQUEST",
            |kunji| same(["", "pendin", "pending; after=x", "pending; status=ok"].map(|fault| {
                let asked = NISHA.update(ACTIVE, "DISABLE");
                let answer = waiting(kunji, &NISHA, UPDATE, &asked, fault);
                let rule = "X-Kunji-Fault is not pending, with ; after=<span such as 30s> and \
                            ; status=SUCCESS or FAILURE if wanted";
                failed(&answer, "BAD_REQUEST", rule)
            }));
        "create", "the own mobile number ends in three equal digits" => 200 "00",
            |_| three_equal_digits();
    },
};

tables! {
    a_change_that_waits_is_settled_by_its_time plays CASES;
}

/// Asks for a change with a fault.
fn waiting(kunji: &Kunji, client: &Client, call: &str, body: &Value, fault: &str) -> Answer {
    client.summed(body.to_string().as_bytes(), &now()).with(FAULT, fault).send(kunji, call)
}

/// Waits until the customer holds this: errands are looked at each second.
#[track_caller]
fn becomes(kunji: &Kunji, client: &Client, expected: &[&str]) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let held = client.holds(kunji);
        if held == expected {
            return;
        }
        assert!(Instant::now() < until, "{held:?} never became {expected:?}");
        std::thread::yield_now();
    }
}

const OTHERS: [&str; 2] =
    ["9876543210 ACTIVE something@handle", "765432189 DISABLED second@handle"];

/// What Nisha holds when her active number stands so.
#[track_caller]
fn nisha_holds(kunji: &Kunji, active: &str) {
    let [own, disabled] = OTHERS;
    becomes(kunji, &NISHA, &[own, disabled, active]);
}

/// Where a number leads, as anybody may ask.
fn leads(kunji: &Kunji, number: &str) -> Value {
    let body = json!({"customerVpa": format!("{number}@mapper.npci")});
    NISHA.ask(kunji, VALIDITY, &body).json()["payload"]["customerVpa"].clone()
}

fn disable(kunji: &Kunji) -> Said {
    let asked = NISHA.update(ACTIVE, "DISABLE");
    let answer = waiting(kunji, &NISHA, UPDATE, &asked, "pending; after=10m");
    let said = verdict(&NISHA, &asked, &answer, ("01", "PENDING", NISHA.vpa));
    nisha_holds(kunji, "87654321 PENDING something@handle");
    // Until it is settled it leads where it led.
    assert_eq!(leads(kunji, ACTIVE), NISHA.vpa);
    kunji.advance("9m59s");
    nisha_holds(kunji, "87654321 PENDING something@handle");
    kunji.advance("1s");
    nisha_holds(kunji, "87654321 DISABLED something@handle");
    assert_ne!(leads(kunji, ACTIVE), NISHA.vpa);
    // Settled for good, and free for the next change.
    let asked = NISHA.update(ACTIVE, "REACTIVATE");
    let answer = NISHA.ask(kunji, UPDATE, &asked);
    verdict(&NISHA, &asked, &answer, ("00", "ACTIVE", NISHA.vpa));
    said
}

fn change_vpa(kunji: &Kunji) -> Said {
    let asked = NISHA.update(ACTIVE, "CHANGE_VPA");
    let asked = changed(&asked, "existingVpa", &json!(NISHA.vpa));
    let asked = changed(&asked, "vpa", &json!(SECOND));
    let answer = waiting(kunji, &NISHA, UPDATE, &asked, "pending; status=FAILURE; after=1m");
    let said = verdict(&NISHA, &asked, &answer, ("01", "PENDING", NISHA.vpa));
    kunji.advance("1m");
    nisha_holds(kunji, "87654321 ACTIVE something@handle");
    said
}

fn the_others(kunji: &Kunji) -> Said {
    let asked = Client { vpa: SECOND, ..NISHA }.update(DISABLED, "REACTIVATE");
    let answer = waiting(kunji, &NISHA, UPDATE, &asked, "pending; after=1s");
    let woken = verdict(&NISHA, &asked, &answer, ("01", "PENDING", SECOND));
    let asked = NISHA.update(ACTIVE, "DELETE");
    let answer = waiting(kunji, &NISHA, UPDATE, &asked, "pending; after=1s");
    let deleted = verdict(&NISHA, &asked, &answer, ("01", "PENDING", NISHA.vpa));
    kunji.advance("1s");
    becomes(kunji, &NISHA, &[OTHERS[0], "765432189 ACTIVE second@handle"]);
    same([woken, deleted])
}

fn second_change(kunji: &Kunji) -> Said {
    waiting(kunji, &NISHA, UPDATE, &NISHA.update(ACTIVE, "DISABLE"), "pending");
    let changes = ["DISABLE", "DELETE", "REACTIVATE", "CHANGE_VPA"].map(|action| {
        let asked = changed(&NISHA.update(ACTIVE, action), "existingVpa", &json!(NISHA.vpa));
        let answer = NISHA.ask(kunji, UPDATE, &asked);
        verdict(&NISHA, &asked, &answer, ("KU09", "PENDING", NISHA.vpa))
    });
    // Another change of another number is none of its business.
    let other = NISHA.ask(kunji, UPDATE, &NISHA.update(OWN, "DISABLE"));
    assert_eq!(said(&other).code, "00");
    same(changes)
}

fn create(kunji: &Kunji) -> Said {
    let asked = ARJUN.create(FREE);
    let answer = waiting(kunji, &ARJUN, CREATE, &asked, "pending; after=5m");
    let said = verdict(&ARJUN, &asked, &answer, ("01", "PENDING", ARJUN.vpa));
    becomes(kunji, &ARJUN, &["23456789 PENDING third@handle"]);
    assert_ne!(leads(kunji, FREE), ARJUN.vpa);
    kunji.advance("5m");
    becomes(kunji, &ARJUN, &["23456789 ACTIVE third@handle"]);
    assert_eq!(leads(kunji, FREE), ARJUN.vpa);
    said
}

fn create_in_vain(kunji: &Kunji) -> Said {
    let asked = ARJUN.create(FREE);
    let answer = waiting(kunji, &ARJUN, CREATE, &asked, "pending; after=5m; status=FAILURE");
    let said = verdict(&ARJUN, &asked, &answer, ("01", "PENDING", ARJUN.vpa));
    kunji.advance("5m");
    becomes(kunji, &ARJUN, &[]);
    // Nobody waits for what nobody had.
    let look = ARJUN.check(FREE, "CHECK");
    let answer = ARJUN.ask(kunji, AVAILABILITY, &look);
    verdict(&ARJUN, &look, &answer, ("00", "NEW", ARJUN.vpa));
    let again = ARJUN.create(FREE);
    let answer = ARJUN.ask(kunji, CREATE, &again);
    verdict(&ARJUN, &again, &answer, ("00", "ACTIVE", ARJUN.vpa));
    said
}

fn port(kunji: &Kunji) -> Said {
    let port = |fault: &str| {
        let asked = changed(&AT_BROKER.create(OWN), "existingVpa", &json!(NISHA.vpa));
        let answer = waiting(kunji, &AT_BROKER, CREATE, &asked, fault);
        verdict(&AT_BROKER, &asked, &answer, ("01", "PENDING", AT_BROKER.vpa))
    };
    let before = "87654321 ACTIVE something@handle";
    port("pending; after=1m; status=FAILURE");
    // Each sees its own VPA, and none the other's.
    let [own, disabled] = OTHERS;
    becomes(kunji, &NISHA, &["9876543210 PENDING something@handle", disabled, before]);
    becomes(kunji, &AT_BROKER, &["9876543210 PENDING me@broker"]);
    kunji.advance("1m");
    becomes(kunji, &NISHA, &[own, disabled, before]);
    becomes(kunji, &AT_BROKER, &[]);
    let said = port("pending; after=1m");
    assert_eq!(leads(kunji, OWN), NISHA.vpa);
    kunji.advance("1m");
    becomes(kunji, &NISHA, &[disabled, before]);
    becomes(kunji, &AT_BROKER, &["9876543210 ACTIVE me@broker"]);
    assert_eq!(leads(kunji, OWN), AT_BROKER.vpa);
    said
}

fn repeated(kunji: &Kunji) -> Said {
    let asked = NISHA.update(ACTIVE, "DISABLE");
    let first = waiting(kunji, &NISHA, UPDATE, &asked, "pending; after=1m");
    // The fault is no part of the content.
    assert_eq!(NISHA.ask(kunji, UPDATE, &asked).body, first.body);
    kunji.advance("1m");
    nisha_holds(kunji, "87654321 DISABLED something@handle");
    assert_eq!(NISHA.ask(kunji, UPDATE, &asked).body, first.body);
    nisha_holds(kunji, "87654321 DISABLED something@handle");
    said(&first)
}

/// Nobody chooses a mobile number; a chosen number still may not end so.
fn three_equal_digits() -> Said {
    let seed = include_str!("../../../../../sandbox.seed.toml");
    let kunji = Kunji::sandbox_seeded(&seed.replace("919812345678", "919812345000"));
    let arjun = Client { mobile: "919812345000", ..ARJUN };
    let look = arjun.check("9812345000", "CHECK");
    let answer = arjun.ask(&kunji, AVAILABILITY, &look);
    verdict(&arjun, &look, &answer, ("00", "NEW", arjun.vpa));
    let asked = arjun.create("9812345000");
    let answer = arjun.ask(&kunji, CREATE, &asked);
    let said = verdict(&arjun, &asked, &answer, ("00", "ACTIVE", arjun.vpa));
    let asked = arjun.update("9812345000", "DISABLE");
    let answer = arjun.ask(&kunji, UPDATE, &asked);
    verdict(&arjun, &asked, &answer, ("00", "DISABLED", arjun.vpa));
    assert_eq!(leads(&kunji, "9812345000"), "9812345000@mapper.npci");
    let held = arjun.ask(&kunji, FETCH, &json!({"merchantCustomerId": arjun.customer}));
    assert_eq!(held.json()["payload"]["upiNumbers"][0]["upiNumberType"], "MOBILE_NUMBER");
    for chosen in ["98123000", "981234000", "123456777"] {
        let answer = arjun.ask(&kunji, CREATE, &arjun.create(chosen));
        let rule = "upiNumber is not 8 to 10 digits without a leading 0, the last three of 8 or 9 \
                    not all the same";
        failed(&answer, "BAD_REQUEST", rule);
    }
    said
}
