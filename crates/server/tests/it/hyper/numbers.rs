//! UPI numbers as the app sees them: one mapper behind every customer and provider.

use serde_json::{Value, json};

use super::client::{App, upi_id, with};
use super::shape::said;
use super::{ACC_1, ARJUN, NISHA, SECOND, VPA};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::shape::starred;
use crate::support::{Answer, Kunji, fresh};

const CHECK: &str = "upiCheckUpiNumberAvailability";
const CREATE: &str = "upiCreateUpiNumber";
const UPDATE: &str = "upiUpdateUpiNumberStatus";

/// Nisha's: active, active, disabled.
const OWN: &str = "9876543210";
const ACTIVE: &str = "87654321";
const DISABLED: &str = "765432189";
const FREE: &str = "23456789";

const CASES: Table = Table {
    dialect: "hyper",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        CHECK, "`CHECK`: a free number, or the own mobile number" => 200 "00", check_free;
        CHECK, "`CHECK`: the customer's already: where it stands" => 200 "00",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                same([(OWN, "ACTIVE"), (ACTIVE, "ACTIVE"), (DISABLED, "INACTIVE")].map(
                    |(number, expected)| {
                        let (said, now) = read(&look(&app, "CHECK", number, VPA));
                        assert_eq!(now, expected);
                        said
                    },
                ))
            };
        CHECK, "`CHECK`: another customer's" => 200 "MM18",
            |kunji| same([ACTIVE, DISABLED].map(|number| {
                looked(&App::let_in(kunji, ARJUN), "CHECK", number, "third@handle")
            }));
        CHECK, "`CHECK`: ten digits that are not the own mobile number" => 200 "KU02",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                same(["9812345678", "9000000012"].map(|number| looked(&app, "CHECK", number, VPA)))
            };
        CHECK, "`CHECK`: the VPA is not the customer's" => 200 "KU04",
            |kunji| looked(&App::let_in(kunji, ARJUN), "CHECK", FREE, VPA);
        CHECK, "`CHECK`: a free number, though two beside the own are there" => 200 "00",
            |kunji| looked(&App::let_in(kunji, NISHA), "CHECK", FREE, VPA);
        CHECK, "no device is bound" => 200 "U66",
            |kunji| same(["CHECK", "PORT"].map(|command| {
                looked(&App::of(kunji, "8888888"), command, FREE, VPA)
            }));
        CHECK, "`CHECK`: another customer gave it back not long ago" => 200 "KU07", check_cooling;
        CHECK, "`PORT`: the own mobile number is elsewhere" => 200 "00", check_port;
        CHECK, "`PORT`: not the own mobile number" => 200 "KU02",
            |kunji| {
                let app = App::let_in(kunji, ARJUN);
                same([OWN, ACTIVE, FREE].map(|number| looked(&app, "PORT", number, "third@handle")))
            };
        CHECK, "`PORT`: it is the customer's already" => 200 "KU03",
            |kunji| looked(&App::let_in(kunji, NISHA), "PORT", OWN, VPA);
        CHECK, "`PORT`: nobody has it" => 200 "KU01",
            |kunji| looked(&App::let_in(kunji, ARJUN), "PORT", "9812345678", "third@handle");
        CHECK, "the id was used for something else" => 200 "U01",
            |kunji| duplicate(kunji, CHECK, "CHECK", FREE);
        CREATE, "a free number, or the own mobile number" => 200 "00", create;
        CREATE, "the own mobile number from another provider" => 200 "00", port;
        CREATE, "ten digits that are not the own mobile number; a port of fewer" => 200 "KU02",
            |kunji| {
                let app = App::let_in(kunji, ARJUN);
                same([
                    created(&app, OWN, "third@handle", &json!({})),
                    created(&app, OWN, "third@handle", &json!({ "existingVpa": VPA })),
                    created(&app, ACTIVE, "third@handle", &json!({ "existingVpa": VPA })),
                ])
            };
        CREATE, "it is the customer's already" => 200 "KU03",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                same([OWN, ACTIVE, DISABLED].map(|number| created(&app, number, VPA, &json!({}))))
            };
        CREATE, "the VPA is not the customer's" => 200 "KU04",
            |kunji| {
                let app = App::let_in(kunji, ARJUN);
                same([VPA, "nobody@handle"].map(|vpa| created(&app, FREE, vpa, &json!({}))))
            };
        CREATE, "a port that names another VPA than the linked one" => 200 "KU05",
            |kunji| {
                let existing = json!({ "existingVpa": SECOND });
                created(&broker(kunji), OWN, "me@broker", &existing)
            };
        CREATE, "another customer's" => 200 "MM18",
            |kunji| {
                let app = App::let_in(kunji, ARJUN);
                let said = created(&app, ACTIVE, "third@handle", &json!({}));
                same([said, created(&broker(kunji), OWN, "me@broker", &json!({}))])
            };
        CREATE, "another customer gave it back not long ago" => 200 "KU07", create_cooling;
        CREATE, "two numbers beside the own are there" => 200 "KU08",
            |kunji| created(&App::let_in(kunji, NISHA), FREE, VPA, &json!({}));
        CREATE, "a port of a number that nobody has" => 200 "KU01",
            |kunji| {
                let app = App::let_in(kunji, ARJUN);
                created(&app, "9812345678", "third@handle", &json!({ "existingVpa": VPA }))
            };
        CREATE, "no device is bound" => 200 "U66",
            |kunji| created(&App::of(kunji, "8888888"), FREE, "new@handle", &json!({}));
        CREATE, "the id was used for something else" => 200 "U01",
            |kunji| duplicate(kunji, CREATE, "CREATE", "9812345678");
        UPDATE, "`CHANGE_VPA`" => 200 "00", change_vpa;
        UPDATE, "`DISABLE`, `REACTIVATE`, `DELETE`" => 200 "00", round_trip;
        UPDATE, "nobody has it" => 200 "KU01",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                same(COMMANDS.map(|command| updated(&app, command, FREE, VPA)))
            };
        UPDATE, "not in this state" => 200 "KU02", wrong_state;
        UPDATE, "in that state already" => 200 "KU03",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                same([
                    updated(&app, "REACTIVATE", ACTIVE, VPA),
                    updated(&app, "DISABLE", DISABLED, SECOND),
                ])
            };
        UPDATE, "a VPA that is not the customer's" => 200 "KU04",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                let existing = |vpa: &str| json!({ "existingVpa": vpa });
                same([
                    updated(&app, "DISABLE", ACTIVE, "third@handle"),
                    update(&app, "CHANGE_VPA", ACTIVE, "third@handle", &existing(VPA)).0,
                    update(&app, "CHANGE_VPA", ACTIVE, SECOND, &existing("third@handle")).0,
                    update(&app, "CHANGE_VPA", ACTIVE, SECOND, &existing("me@broker")).0,
                ])
            };
        UPDATE, "another VPA than the linked one" => 200 "KU05",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                let existing = json!({ "existingVpa": SECOND });
                same([
                    updated(&app, "DISABLE", ACTIVE, SECOND),
                    updated(&app, "DELETE", ACTIVE, SECOND),
                    updated(&app, "REACTIVATE", DISABLED, VPA),
                    update(&app, "CHANGE_VPA", ACTIVE, VPA, &existing).0,
                ])
            };
        UPDATE, "another customer's" => 200 "MM18",
            |kunji| {
                let app = App::let_in(kunji, ARJUN);
                same(["DISABLE", "DELETE", "REACTIVATE"].map(|command| {
                    updated(&app, command, ACTIVE, "third@handle")
                }))
            };
        UPDATE, "a change that the mapper does not answer in time (`X-Kunji-Fault: pending`)" =>
            200 "01", pending;
        UPDATE, "a change is pending" => 200 "KU09", while_pending;
        UPDATE, "`X-Kunji-Fault` that is none" => 200 "JP_003",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                let answer = faulty(&app, UPDATE, "DISABLE", ACTIVE, "slow");
                assert_eq!(answer.json()["errorMessage"], "X-Kunji-Fault is not pending, with \
                    ; after=<span such as 30s> and ; status=SUCCESS or FAILURE if wanted");
                said(&answer)
            };
        UPDATE, "no device is bound" => 200 "U66",
            |kunji| updated(&App::of(kunji, "8888888"), "DELETE", ACTIVE, VPA);
        UPDATE, "the id was used for something else" => 200 "U01",
            |kunji| duplicate(kunji, UPDATE, "DISABLE", ACTIVE);
    },
};

tables! {
    every_answer_about_numbers_is_the_contract_s plays CASES;
}

const COMMANDS: [&str; 4] = ["DISABLE", "DELETE", "REACTIVATE", "CHANGE_VPA"];

/// The same person's app at the other provider.
fn broker(kunji: &Kunji) -> App<'_> {
    App { merchant: "broker", ..App::of(kunji, "88001") }.renewed()
}

fn id_of(app: &App<'_>) -> String {
    match app.merchant {
        "broker" => format!("BRK{:0>32}", fresh("A")),
        _ => upi_id(),
    }
}

fn members(app: &App<'_>, number: &str, vpa: &str) -> Value {
    json!({ "upiNumber": number, "vpa": vpa, "upiRequestId": id_of(app) })
}

/// The verdict, and the state that is told with it.
#[track_caller]
fn read(answer: &Answer) -> (Said, String) {
    let payload = answer.json()["payload"].clone();
    assert_eq!(payload["status"], payload["gatewayResponseStatus"]);
    let now = payload["upiNumberStatus"].as_str().unwrap().to_owned();
    (said(answer), now)
}

fn look(app: &App<'_>, command: &str, number: &str, vpa: &str) -> Answer {
    let members = with(members(app, number, vpa), &json!({ "command": command }));
    app.process(CHECK, &members)
}

#[track_caller]
fn looked(app: &App<'_>, command: &str, number: &str, vpa: &str) -> Said {
    read(&look(app, command, number, vpa)).0
}

#[track_caller]
fn created(app: &App<'_>, number: &str, vpa: &str, more: &Value) -> Said {
    read(&app.process(CREATE, &with(members(app, number, vpa), more))).0
}

#[track_caller]
fn update(app: &App<'_>, command: &str, number: &str, vpa: &str, more: &Value) -> (Said, String) {
    let members = with(members(app, number, vpa), &json!({ "command": command }));
    read(&app.process(UPDATE, &with(members, more)))
}

#[track_caller]
fn updated(app: &App<'_>, command: &str, number: &str, vpa: &str) -> Said {
    let more = match command {
        "CHANGE_VPA" => json!({ "existingVpa": vpa }),
        _ => json!({}),
    };
    update(app, command, number, vpa, &more).0
}

#[track_caller]
fn state(app: &App<'_>, number: &str, vpa: &str) -> String {
    read(&look(app, "CHECK", number, vpa)).1
}

fn check_free(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, ARJUN);
    let said = same([FREE, "345678912", "9812345678"].map(|number| {
        let (said, now) = read(&look(&app, "CHECK", number, "third@handle"));
        assert_eq!(now, "NEW");
        said
    }));
    let id = upi_id();
    let members = json!({
        "upiNumber": FREE, "vpa": "third@handle", "upiRequestId": id, "command": "CHECK",
        "udfParameters": "{\"a\":1}",
    });
    let answer = app.process_as("R", CHECK, &members);
    let text = starred(&answer.text(), "gatewayTimestamp", |at| at.ends_with("+05:30"));
    assert_eq!(
        text,
        format!(
            r#"{{"requestId":"R","service":"in.juspay.hyperapi","payload":{{"action":"upiCheckUpiNumberAvailability","status":"SUCCESS","responseCode":"SUCCESS","responseMessage":"SUCCESS","merchantCustomerId":"7654321","customerMobileNumber":"XXXX5678","upiNumber":"23456789","vpa":"third@handle","upiNumberStatus":"NEW","gatewayTransactionId":"{id}","gatewayResponseStatus":"SUCCESS","gatewayResponseCode":"00","gatewayResponseMessage":"Success","gatewayTimestamp":"*","otherInfo":"{{\"a\":1}}"}},"error":false,"errorMessage":"","errorCode":"","event":"process_result"}}"#
        )
    );
    // Looking takes nothing.
    assert_eq!(state(&app, FREE, "third@handle"), "NEW");
    said
}

fn given_back(kunji: &Kunji) {
    let app = App::let_in(kunji, NISHA);
    assert_eq!(updated(&app, "DELETE", ACTIVE, VPA).code, "00");
    // Its last owner may have it at once.
    assert_eq!(looked(&app, "CHECK", ACTIVE, VPA).code, "00");
}

fn check_cooling(kunji: &Kunji) -> Said {
    given_back(kunji);
    let other = App::let_in(kunji, ARJUN);
    let said = looked(&other, "CHECK", ACTIVE, "third@handle");
    kunji.advance("4320h");
    assert_eq!(looked(&other.renewed(), "CHECK", ACTIVE, "third@handle").code, "00");
    said
}

fn create_cooling(kunji: &Kunji) -> Said {
    given_back(kunji);
    let other = App::let_in(kunji, ARJUN);
    let said = created(&other, ACTIVE, "third@handle", &json!({}));
    let app = App::let_in(kunji, NISHA);
    assert_eq!(created(&app, ACTIVE, SECOND, &json!({})).code, "00");
    assert_eq!(updated(&app, "DELETE", ACTIVE, SECOND).code, "00");
    kunji.advance("4319h");
    assert_eq!(created(&other.renewed(), ACTIVE, "third@handle", &json!({})).code, "KU07");
    kunji.advance("1h");
    let other = App::let_in(kunji, ARJUN);
    assert_eq!(created(&other, ACTIVE, "third@handle", &json!({})).code, "00");
    said
}

fn check_port(kunji: &Kunji) -> Said {
    let answer = look(&broker(kunji), "PORT", OWN, "me@broker");
    assert_eq!(answer.json()["payload"]["existingVpa"], "s*****g@handle");
    read(&answer).0
}

fn create(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, ARJUN);
    let rows = [FREE, "345678912", "9812345678"];
    let said = same(rows.map(|number| created(&app, number, "third@handle", &json!({}))));
    for number in rows {
        assert_eq!(state(&app, number, "third@handle"), "ACTIVE");
        assert_eq!(state(&App::let_in(kunji, NISHA), number, VPA), "ACTIVE");
    }
    said
}

fn port(kunji: &Kunji) -> Said {
    let (app, left) = (broker(kunji), App::let_in(kunji, NISHA));
    let said = created(&app, OWN, "me@broker", &json!({ "existingVpa": VPA }));
    assert_eq!(looked(&left, "CHECK", OWN, VPA).code, "MM18");
    assert_eq!(updated(&left, "DISABLE", OWN, VPA).code, "MM18");
    // And back again.
    assert_eq!(created(&left, OWN, SECOND, &json!({ "existingVpa": "me@broker" })).code, "00");
    assert_eq!(looked(&app, "CHECK", OWN, "me@broker").code, "MM18");
    said
}

fn change_vpa(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let existing = json!({ "existingVpa": "SOMETHING@handle" });
    let (said, now) = update(&app, "CHANGE_VPA", ACTIVE, SECOND, &existing);
    assert_eq!(now, "ACTIVE");
    assert_eq!(updated(&app, "DISABLE", ACTIVE, VPA).code, "KU05");
    assert_eq!(updated(&app, "DISABLE", ACTIVE, SECOND).code, "00");
    said
}

fn round_trip(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let steps = [
        ("DISABLE", "INACTIVE"),
        ("REACTIVATE", "ACTIVE"),
        ("DISABLE", "INACTIVE"),
        ("DELETE", "DEREGISTER"),
    ];
    let said = same(steps.map(|(command, expected)| {
        let (said, now) = update(&app, command, ACTIVE, VPA, &json!({}));
        assert_eq!(now, expected);
        // To its last owner a number that was given back is as good as new.
        let available = if expected == "DEREGISTER" { "NEW" } else { expected };
        assert_eq!(state(&app, ACTIVE, VPA), available);
        said
    }));
    // The VPA is free of the one; the own mobile number still leads to it.
    let members = json!({ "customerVpa": VPA });
    assert_eq!(super::code(&app.process("upiDeleteVpa", &members)), "KU02");
    assert_eq!(updated(&app, "DELETE", OWN, VPA).code, "00");
    let link = json!({ "customerVpa": SECOND, "accountReferenceIds": [ACC_1] });
    assert_eq!(super::code(&app.process("upiLinkAccounts", &link)), "00");
    assert_eq!(super::code(&app.process("upiDeleteVpa", &members)), "00");
    said
}

fn wrong_state(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let disabled = updated(&app, "CHANGE_VPA", DISABLED, SECOND);
    assert_eq!(updated(&app, "DELETE", ACTIVE, VPA).code, "00");
    let deleted =
        ["DISABLE", "REACTIVATE", "CHANGE_VPA"].map(|command| updated(&app, command, ACTIVE, VPA));
    same(deleted.into_iter().chain([disabled]))
}

/// Asks with a fault.
fn faulty(app: &App<'_>, action: &str, command: &str, number: &str, fault: &str) -> Answer {
    let members = with(members(app, number, VPA), &json!({ "command": command }));
    let session = app.session.as_deref().unwrap();
    let headers = [(super::client::SESSION, session), ("X-Kunji-Fault", fault)];
    let body = super::client::envelope(&fresh("app-request-"), action, &members);
    app.kunji.post(super::client::PROCESS, &headers, &body)
}

fn pending(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let answer = faulty(&app, UPDATE, "DISABLE", ACTIVE, "pending; after=5m");
    let payload = answer.json()["payload"].clone();
    let members = ["status", "responseCode", "upiNumberStatus", "gatewayResponseStatus"];
    let words = members.map(|name| payload[name].as_str().unwrap().to_owned());
    assert_eq!(words, ["SUCCESS", "SUCCESS", "PENDING", "PENDING"]);
    kunji.advance("5m");
    let app = app.renewed();
    // The errand that settles it is looked at each second.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while state(&app, ACTIVE, VPA) == "PENDING" {
        assert!(std::time::Instant::now() < until);
    }
    assert_eq!(state(&app, ACTIVE, VPA), "INACTIVE");
    said(&answer)
}

fn while_pending(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    assert_eq!(said(&faulty(&app, UPDATE, "DISABLE", ACTIVE, "pending")).code, "01");
    let (update, now) = update(&app, "DELETE", ACTIVE, VPA, &json!({}));
    assert_eq!(now, "PENDING");
    let (look, now) = read(&look(&app, "CHECK", ACTIVE, VPA));
    assert_eq!(now, "PENDING");
    // The VPA stays while a number may lead to it.
    let members = json!({ "customerVpa": VPA });
    assert_eq!(super::code(&app.process("upiDeleteVpa", &members)), "KU02");
    same([update, look])
}

fn duplicate(kunji: &Kunji, action: &str, command: &str, number: &str) -> Said {
    let (customer, vpa, other) = match action {
        CHECK | CREATE => (ARJUN, "third@handle", "third@handle"),
        _ => (NISHA, VPA, SECOND),
    };
    let app = App::let_in(kunji, customer);
    let members = json!({
        "command": command, "upiNumber": number, "vpa": vpa, "upiRequestId": upi_id(),
    });
    let first = app.process_as("R", action, &members);
    assert_eq!(read(&first).0.code, "00");
    kunji.advance("1h");
    let app = app.renewed();
    let mut others = vec![
        app.process_as("S", action, &members),
        app.process_as("R", action, &with(members.clone(), &json!({ "upiNumber": "34567891" }))),
        app.process_as("R", action, &with(members.clone(), &json!({ "udfParameters": "{}" }))),
        app.process_as("R", action, &with(members.clone(), &json!({ "existingVpa": other }))),
    ];
    if action == UPDATE {
        let reactivate = json!({ "command": "REACTIVATE" });
        others.push(app.process_as("R", action, &with(members.clone(), &reactivate)));
        others.push(app.process_as("R", action, &with(members.clone(), &json!({ "vpa": SECOND }))));
        assert_eq!(state(&app, number, vpa), "INACTIVE");
    }
    // The same content: the same bytes, and nothing happens again.
    assert_eq!(app.process_as("R", action, &members), first);
    // A capture under the same id is something else as well.
    let pin = json!({
        "upiRequestId": members["upiRequestId"],
        "accountReferenceId": if customer == NISHA { ACC_1 } else { super::ACC_3 },
    });
    others.push(app.process_as("R", "upiCheckBalance", &pin));
    same(others.iter().map(said))
}
