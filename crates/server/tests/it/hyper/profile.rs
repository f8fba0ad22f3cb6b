//! Sessions, devices, banks, accounts and the links between VPAs and accounts.

use serde_json::{Value, json};

use super::client::{App, SESSION, envelope, with};
use super::shape::said;
use super::{
    ACC_1, ACC_2, ACC_3, ARJUN, FARAH, NISHA, PIN_2, SECOND, VPA, code, is_error, primaries,
    primary,
};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::{Answer, Kunji};

const INITIATE: &str = "initiate";
const TOKEN: &str = "upiGetSessionToken";
const BIND: &str = "upiBindActivateDevice";
const ACCOUNTS: &str = "upiGetAccounts";
const LINK: &str = "upiLinkAccounts";
const MAKE_PRIMARY: &str = "upiMakePrimary";
const DELETE_VPA: &str = "upiDeleteVpa";
const DELETE_ACCOUNT: &str = "upiDeleteAccount";
const DEREGISTER: &str = "upiDeregister";

const CASES: Table = Table {
    dialect: "hyper",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        INITIATE, "the first time with this signature" => 200 "00",
            |kunji| said(&initiate(&App::of(kunji, NISHA), &App::of(kunji, NISHA).signature()));
        INITIATE, "twice with one signature, or beside a session" => 200 "JP_017", initiate_twice;
        TOKEN, "no device is bound: `FRESH`" => 200 "00",
            |kunji| standing(&App::of(kunji, "8888888"), "FRESH");
        TOKEN, "a device is bound: `BOUND`" => 200 "00",
            |kunji| standing(&bound(kunji, "8888888", "9700000001"), "BOUND");
        TOKEN, "a VPA is linked: `LINKED`" => 200 "00",
            |kunji| standing(&App::of(kunji, NISHA), "LINKED");
        "updateAuth", "a session that goes on from now" => 200 "00", update_auth;
        BIND, "the mobile number is the customer's, or the first that is vouched for" => 200 "00",
            bind;
        BIND, "no mobile number is known, and none is vouched for" => 200 "JP_003",
            bind_no_mobile;
        BIND, "another mobile number" => 200 "B1", bind_other_mobile;
        BIND, "the fourth try after three failed ones, for a day" => 200 "U66", bind_blocked;
        "upiGetBankList", "always" => 200 "00", bank_list;
        ACCOUNTS, "the accounts at these banks under the mobile number" => 200 "00", accounts;
        ACCOUNTS, "no device is bound" => 200 "U66",
            |kunji| {
                let members = json!({ "bankCodes": ["111111"] });
                said(&App::of(kunji, "8888888").process(ACCOUNTS, &members))
            };
        "upiVpaAvailability", "free, taken, or of another provider" => 200 "00", availability;
        LINK, "a new VPA, or one that the customer has; each mapping" => 200 "00", link;
        LINK, "an account under another mobile number, or none" => 200 "XH", link_other;
        LINK, "the handle is another provider's" => 200 "KU04",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                same([linked(&app, "me@broker", &[ACC_1]), linked(&app, "me@axis", &[ACC_1])])
            };
        LINK, "the VPA is another customer's" => 200 "KU04",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                let said = same(["third@handle", "THIRD@Handle"].map(|vpa| {
                    linked(&app, vpa, &[ACC_1])
                }));
                assert_eq!(primaries(&app), primary(ACC_1, ACC_2));
                said
            };
        LINK, "ten VPAs are there" => 200 "KU08", eleven_vpas;
        LINK, "no device is bound" => 200 "U66",
            |kunji| linked(&App::of(kunji, "8888888"), "new@handle", &[ACC_1]);
        "upiLinkAccount", "one account to a VPA" => 200 "00",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                let members =
                    json!({ "customerVpa": "new@handle", "accountReferenceIds": [ACC_1] });
                said(&app.process("upiLinkAccount", &members))
            };
        MAKE_PRIMARY, "for the VPA of the request, unless it asks for more" => 200 "00",
            make_primary;
        MAKE_PRIMARY, "the account is not linked to the VPA" => 200 "XH",
            |kunji| made_primary(&App::let_in(kunji, NISHA), VPA, ACC_3, &json!({}));
        MAKE_PRIMARY, "the VPA is not the customer's" => 200 "KU04",
            |kunji| made_primary(&App::let_in(kunji, NISHA), "third@handle", ACC_1, &json!({}));
        DELETE_VPA, "a VPA to which no number leads: others may have it" => 200 "00", delete_vpa;
        DELETE_VPA, "the last one, or one to which a number leads" => 200 "KU02",
            |kunji| same([
                deleted_vpa(&App::let_in(kunji, ARJUN), "third@handle"),
                deleted_vpa(&App::let_in(kunji, NISHA), VPA),
                deleted_vpa(&App::let_in(kunji, NISHA), SECOND),
            ]);
        DELETE_VPA, "not the customer's" => 200 "KU04",
            |kunji| deleted_vpa(&App::let_in(kunji, NISHA), "third@handle");
        DELETE_ACCOUNT, "an account that is primary nowhere" => 200 "00", delete_account;
        DELETE_ACCOUNT, "the primary account stays" => 200 "KU02",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                same([ACC_1, ACC_2].map(|account| deleted_account(&app, account)))
            };
        DELETE_ACCOUNT, "not linked" => 200 "XH",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                same([ACC_3, "STOCKREF9999"].map(|account| deleted_account(&app, account)))
            };
        DEREGISTER, "devices, sessions, links and numbers are gone" => 200 "00", deregister;
        DEREGISTER, "no device is bound" => 200 "U66",
            |kunji| said(&App::let_in(kunji, "8888888").process(DEREGISTER, &json!({})));
    },
};

tables! {
    every_answer_about_links_is_the_contract_s plays CASES;
}

fn initiate(app: &App<'_>, group: &Value) -> Answer {
    let members = json!({ "clientId": "c", "environment": "e", "issuingPsp": "p" });
    app.send(&envelope("R", INITIATE, &with(members, group)))
}

fn initiate_twice(kunji: &Kunji) -> Said {
    let app = App::of(kunji, NISHA);
    let group = app.signature();
    assert_eq!(code(&initiate(&app, &group)), "00");
    let let_in = App::let_in(kunji, NISHA);
    let answers = [
        initiate(&app, &group),
        // However it stands in the envelope.
        initiate(&app, &with(group.clone(), &json!({ "clientId": "d" }))),
        initiate(&let_in, &app.signature_at(super::client::now_ms() - 1000)),
        initiate(&let_in, &json!({})),
    ];
    // A signature of another instant is another start.
    assert_eq!(code(&initiate(&app, &app.signature_at(super::client::now_ms() - 2000))), "00");
    same(answers.iter().map(|answer| is_error(answer, "R", "JP_017", "initiate called twice")))
}

fn standing(app: &App<'_>, far: &str) -> Said {
    let app = App { session: None, ..app.clone() };
    let answer = app.process(TOKEN, &json!({}));
    let payload = answer.json()["payload"].clone();
    let is_bound = if far == "FRESH" { "false" } else { "true" };
    assert_eq!((&payload["status"], &payload["isDeviceBound"]), (&json!(far), &json!(is_bound)));
    assert_eq!(payload["isDeviceActivated"], is_bound);
    assert_eq!(payload.get("vpaAccounts").is_some(), far == "LINKED");
    assert!(answer.header(SESSION).is_some());
    said(&answer)
}

fn bind_members() -> Value {
    json!({ "simId": "1", "isBindAndActivateRequest": true })
}

/// A new customer with a bound device.
#[track_caller]
fn bound<'a>(kunji: &'a Kunji, customer: &str, phone: &'static str) -> App<'a> {
    let app = App { phone: Some(phone), ..App::of(kunji, customer) };
    let app = app.renewed();
    assert_eq!(code(&app.process(BIND, &bind_members())), "00");
    app
}

fn update_auth(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    kunji.advance("14m");
    // The old session beside the signature, as an app does it.
    let answer = app.send(&envelope("R", "updateAuth", &app.signature()));
    let session = answer.header(SESSION).unwrap().to_owned();
    assert_ne!(Some(&session), app.session.as_ref());
    kunji.advance("2m");
    let renewed = App { session: Some(session), ..app.clone() };
    assert_eq!(code(&renewed.process("upiGetBankList", &json!({}))), "00");
    assert_eq!(code(&app.process("upiGetBankList", &json!({}))), "JP_012");
    assert_eq!(answer.json()["payload"]["status"], "SUCCESS");
    said(&answer)
}

fn bind(kunji: &Kunji) -> Said {
    let known = App::let_in(kunji, NISHA).process(BIND, &bind_members());
    assert_eq!(known.json()["payload"]["status"], "SUCCESS");
    let app = App { phone: Some("9700000001"), ..App::of(kunji, "8888888") };
    let first = app.clone().renewed().process(BIND, &bind_members());
    assert_eq!(first.json()["payload"]["isDeviceBound"], "true");
    // Said while binding only, by somebody who is known without it.
    let silent = App::let_in(kunji, "8888889");
    let members =
        with(App { phone: Some("9700000002"), ..silent.clone() }.signature(), &bind_members());
    let said_late = silent.send(&envelope("R", BIND, &members));
    same([&known, &first, &said_late].map(said))
}

fn bind_other_mobile(kunji: &Kunji) -> Said {
    let app = App { phone: Some("9812345678"), ..App::of(kunji, NISHA) };
    let stranger = App { phone: Some("9700000003"), ..App::of(kunji, "8888888") };
    assert_eq!(code(&stranger.process(BIND, &bind_members())), "00");
    let other = App { phone: Some("9700000004"), ..stranger };
    let answers = [app.process(BIND, &bind_members()), other.process(BIND, &bind_members())];
    assert_eq!(answers[1].json()["payload"]["isDeviceBound"], "true");
    same(answers.iter().map(said))
}

/// No try is counted where the merchant forgot to say which number it is.
fn bind_no_mobile(kunji: &Kunji) -> Said {
    let nobody = App::let_in(kunji, "8888888");
    let said = same((0..5).map(|_| said(&nobody.process(BIND, &bind_members()))));
    let app = App { phone: Some("9700000003"), ..App::of(kunji, "8888888") };
    assert_eq!(code(&app.process(BIND, &bind_members())), "00");
    said
}

fn bind_blocked(kunji: &Kunji) -> Said {
    let wrong = App { phone: Some("9812345678"), ..App::of(kunji, NISHA) };
    for _ in 0..3 {
        assert_eq!(code(&wrong.process(BIND, &bind_members())), "B1");
    }
    let right = App::let_in(kunji, NISHA);
    let answers = [wrong.process(BIND, &bind_members()), right.process(BIND, &bind_members())];
    kunji.advance("24h");
    assert_eq!(code(&right.renewed().process(BIND, &bind_members())), "00");
    same(answers.iter().map(said))
}

fn bank_list(kunji: &Kunji) -> Said {
    let answer = App::of(kunji, "8888888").process_as("R", "upiGetBankList", &json!({}));
    assert_eq!(
        answer.text(),
        r#"{"requestId":"R","service":"in.juspay.hyperapi","payload":{"action":"upiGetBankList","status":"SUCCESS","bankList":[{"upiEnabled":"true","name":"Kunji Bank","iin":"111111","ifsc":"KUNJ0000001","id":"kunji-bank"},{"upiEnabled":"false","name":"Paper Bank","iin":"222222","ifsc":"PAPR0000001","id":"paper-bank"}]},"error":false,"errorMessage":"","errorCode":"","event":"process_result"}"#
    );
    said(&answer)
}

fn accounts(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let found = |banks: Value| {
        let answer = app.process(ACCOUNTS, &json!({ "bankCodes": banks }));
        let event = answer.json();
        let accounts = event["payload"]["accounts"].as_array().unwrap();
        let mut names: Vec<_> =
            accounts.iter().map(|one| one["referenceId"].as_str().unwrap().to_owned()).collect();
        names.sort();
        (said(&answer), names)
    };
    let (first, all) = found(json!(["222222", "111111"]));
    // What is kept under the mobile number at any provider; never somebody else's.
    assert_eq!(all, ["BROKREF0001", ACC_1, ACC_2]);
    let (second, none) = found(json!(["222222"]));
    assert!(none.is_empty());
    let answer = App::let_in(kunji, FARAH).process(ACCOUNTS, &json!({ "bankCodes": ["111111"] }));
    assert!(!answer.text().contains("STOCKREF0007") && answer.text().contains("STOCKREF0006"));
    same([first, second, said(&answer)])
}

fn availability(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let rows = [
        ("free@handle", "true"),
        ("Free@HANDLE", "true"),
        (VPA, "false"),
        ("THIRD@handle", "false"),
        ("me@broker", "false"),
        ("free@broker", "false"),
    ];
    same(rows.map(|(vpa, available)| {
        let answer = app.process("upiVpaAvailability", &json!({ "customerVpa": vpa }));
        assert_eq!(answer.json()["payload"]["available"], available, "{vpa}");
        said(&answer)
    }))
}

fn link_answer(app: &App<'_>, vpa: &str, accounts: &[&str], more: &Value) -> Answer {
    let members = json!({ "customerVpa": vpa, "accountReferenceIds": accounts });
    app.process(LINK, &with(members, more))
}

fn linked(app: &App<'_>, vpa: &str, accounts: &[&str]) -> Said {
    said(&link_answer(app, vpa, accounts, &json!({})))
}

fn pairs(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let event = answer.json();
    let all = event["payload"]["vpaAccounts"].as_array().unwrap().clone();
    all.iter().map(|one| (text(&one["vpa"]), text(&one["account"]["referenceId"]))).collect()
}

fn link(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let more = json!({ "primaryAccountMapping": "NONE" });
    let first = link_answer(&app, "New.One@handle", &[ACC_2, ACC_1], &more);
    let pair = |vpa: &str, account: &str| (vpa.to_owned(), account.to_owned());
    let before = [primary(ACC_1, ACC_2), primary(ACC_2, ACC_1)];
    assert_eq!(
        pairs(&first),
        [
            before[0][0].clone(),
            before[1][0].clone(),
            before[0][1].clone(),
            before[1][1].clone(),
            pair("New.One@handle", ACC_2),
            pair("New.One@handle", ACC_1),
        ]
    );
    // Again, however it is spelled: nothing is there twice.
    let more = json!({ "primaryAccountMapping": "ONE_TO_ONE" });
    let second = link_answer(&app, "new.one@HANDLE", &[ACC_1], &more);
    assert_eq!(pairs(&second).len(), 6);
    assert_eq!(primaries(&app)[2], pair("New.One@handle", ACC_1));
    assert_eq!(primaries(&app)[..2], primary(ACC_1, ACC_2));
    let third = link_answer(&app, "new.one@handle", &[ACC_2], &json!({}));
    let expected = [VPA, SECOND, "New.One@handle"].map(|vpa| pair(vpa, ACC_2));
    assert_eq!(primaries(&app), expected);
    same([&first, &second, &third].map(said))
}

fn link_other(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let said = same(
        [&[ACC_3][..], &[ACC_1, ACC_3], &["STOCKREF9999"], &["ACC123456789"]]
            .map(|accounts| linked(&app, "new@handle", accounts)),
    );
    assert_eq!(primaries(&app), primary(ACC_1, ACC_2));
    let free = app.process("upiVpaAvailability", &json!({ "customerVpa": "new@handle" }));
    assert_eq!(free.json()["payload"]["available"], "true");
    let mismatched = App::let_in(kunji, FARAH);
    same([said, linked(&mismatched, "errors@handle", &["STOCKREF0007"])])
}

fn eleven_vpas(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    for nth in 3..=10 {
        assert_eq!(linked(&app, &format!("n{nth}@handle"), &[ACC_1]).code, "00");
    }
    let said = linked(&app, "n11@handle", &[ACC_1]);
    // One that is there may be linked again, and its place is free once it is given back.
    assert_eq!(linked(&app, "n10@handle", &[ACC_2]).code, "00");
    assert_eq!(deleted_vpa(&app, "n10@handle").code, "00");
    assert_eq!(linked(&app, "n11@handle", &[ACC_1]).code, "00");
    said
}

fn made_primary(app: &App<'_>, vpa: &str, account: &str, more: &Value) -> Said {
    let members = json!({ "customerVpa": vpa, "accountReferenceId": account });
    said(&app.process(MAKE_PRIMARY, &with(members, more)))
}

fn make_primary(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    // Each step ends where no other mapping would.
    let mapping = |word: &str| json!({ "primaryAccountMapping": word });
    let steps = [
        (SECOND, ACC_1, mapping("ONE_TO_ONE"), primary(ACC_1, ACC_1)),
        (VPA, ACC_2, mapping("NONE"), primary(ACC_1, ACC_1)),
        (SECOND, ACC_2, mapping("ONE_TO_ALL"), primary(ACC_2, ACC_2)),
        (VPA, ACC_1, mapping("ONE_TO_ONE"), primary(ACC_1, ACC_2)),
        (SECOND, ACC_1, json!({}), primary(ACC_1, ACC_1)),
        (VPA, ACC_2, json!({}), primary(ACC_2, ACC_1)),
    ];
    same(steps.map(|(vpa, account, more, expected)| {
        let said = made_primary(&app, vpa, account, &more);
        assert_eq!(primaries(&app), expected);
        said
    }))
}

fn deleted_vpa(app: &App<'_>, vpa: &str) -> Said {
    said(&app.process(DELETE_VPA, &json!({ "customerVpa": vpa })))
}

fn delete_vpa(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    assert_eq!(linked(&app, "new@handle", &[ACC_1]).code, "00");
    let other = App::let_in(kunji, ARJUN);
    assert_eq!(linked(&other, "New@handle", &[ACC_3]).code, "KU04");
    let said = deleted_vpa(&app, "NEW@handle");
    assert_eq!(linked(&other, "New@handle", &[ACC_3]).code, "00");
    assert_eq!(linked(&app, "new@handle", &[ACC_1]).code, "KU04");
    assert_eq!(deleted_vpa(&app, "new@handle").code, "KU04");
    said
}

fn deleted_account(app: &App<'_>, account: &str) -> Said {
    said(&app.process(DELETE_ACCOUNT, &json!({ "accountReferenceId": account })))
}

fn delete_account(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let more = json!({ "primaryAccountMapping": "ONE_TO_ALL" });
    assert_eq!(made_primary(&app, VPA, ACC_1, &more).code, "00");
    let answer = app.process(DELETE_ACCOUNT, &json!({ "accountReferenceId": ACC_2 }));
    assert_eq!(pairs(&answer), primary(ACC_1, ACC_1));
    // The bank's account is as it was; the link is gone.
    assert_eq!(kunji.verify("account", ACC_2, PIN_2), "verified");
    let change = app.process("upiChangeMpin", &App::account_members(ACC_2));
    assert_eq!(code(&change), "XH");
    assert_eq!(deleted_account(&app, ACC_2).code, "XH");
    said(&answer)
}

fn deregister(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let answer = app.process_as("R", DEREGISTER, &json!({ "udfParameters": "{\"a\":1}" }));
    assert_eq!(
        answer.text(),
        r#"{"requestId":"R","service":"in.juspay.hyperapi","payload":{"action":"upiDeregister","status":"SUCCESS","gatewayResponseCode":"00","gatewayResponseMessage":"Success","customerMobileNumber":"XXXX3210","otherInfo":"{\"a\":1}"},"error":false,"errorMessage":"","errorCode":"","event":"process_result"}"#
    );
    assert_eq!(code(&app.process("upiGetBankList", &json!({}))), "JP_012");
    standing(&app, "FRESH");
    // The VPA and the number may be somebody else's; the own number after its cooling period.
    let other = App::let_in(kunji, ARJUN);
    assert_eq!(linked(&other, VPA, &[ACC_3]).code, "00");
    // The bank's accounts are as they were.
    assert_eq!(kunji.verify("account", ACC_2, PIN_2), "verified");
    said(&answer)
}
