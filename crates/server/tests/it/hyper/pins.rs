//! Setting and changing an MPIN, and the balance: every way in which a capture ends.

use kunji_vault::{BlockAlg, PinUse};
use serde_json::{Value, json};

use super::client::{
    App, Capture, change_creds, cred, now_ms, pin_creds, set_creds, submit, upi_id, with,
};
use super::shape::said;
use super::{
    ACC_1, ACC_2, ACC_3, ARJUN, FARAH, MOBILE, NISHA, PIN_2, SECOND, VPA, code, primaries, primary,
    sms,
};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::blocks::{maker, sealed};
use crate::support::{Answer, Kunji, fresh};

const SET: &str = "upiSetMpin";
const CHANGE: &str = "upiChangeMpin";
const BALANCE: &str = "upiCheckBalance";

const OUTCOMES: Table = Table {
    dialect: "hyper",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        SET, "card, expiry and OTP match; no mapping named: primary for every VPA" => 200 "00",
            |kunji| mapped(kunji, None, &primary(ACC_2, ACC_2));
        SET, "`ONE_TO_ALL`: primary for every VPA" => 200 "00",
            |kunji| mapped(kunji, Some("ONE_TO_ALL"), &primary(ACC_2, ACC_2));
        SET, "`ONE_TO_ONE`: primary for the VPA of the request" => 200 "00",
            |kunji| mapped(kunji, Some("ONE_TO_ONE"), &primary(ACC_2, ACC_1));
        SET, "`NONE`: nothing becomes primary" => 200 "00",
            |kunji| mapped(kunji, Some("NONE"), &primary(ACC_1, ACC_1));
        SET, "`ONE_TO_ONE` for one VPA leaves the other one" => 200 "00", one_of_two;
        SET, "the block is an RSA-OAEP-256 one" => 200 "00", in_rsa_blocks;
        SET, "the id is a UUID, or plain with the prefix" => 200 "00", id_forms;
        SET, "the MPIN is blocked: a reset lifts the block" => 200 "00", lifts_block;
        SET, "other last six digits, or another expiry: nothing is mapped" => 200 "XN", other_card;
        SET, "the card's last month is over" => 200 "XL",
            |kunji| farahs(kunji, "STOCKREF0004", "0120");
        SET, "the card is blocked" => 200 "XR", |kunji| farahs(kunji, "STOCKREF0005", "1235");
        SET, "the card was never activated" => 200 "AJ",
            |kunji| farahs(kunji, "STOCKREF0006", "1235");
        SET, "the bank knows another mobile number" => 200 "B1", mobile_changed;
        SET, "wrong OTP, twice: nothing is mapped" => 200 "ZR", |kunji| wrong_otps(kunji, 2);
        SET, "the third wrong OTP, and the right one after it" => 200 "ZT", otp_tries;
        SET, "the OTP was used by another capture" => 200 "ZS", used_otp;
        SET, "five failures in 24 hours" => 200 "RN", registration_blocked;
        SET, "the new MPIN breaks any rule: the OTP stays open" => 200 "RM", weak;
        SET, "unknown account, another customer's, or a VPA that is not linked" => 200 "XH",
            not_linked;
        SET, "no device is bound" => 200 "U66", |kunji| unbound(kunji, SET);
        SET, "the id was used for something else" => 200 "U01", |kunji| duplicate(kunji, SET);
        SET, "clear text, or a block that is stale, altered, for another use or capture" =>
            200 "U54", bad_set_blocks;
        CHANGE, "the old MPIN is right, the new one is fit" => 200 "00",
            |kunji| {
                let said = said(&App::let_in(kunji, NISHA).change(ACC_2, PIN_2, "590284"));
                is_set(kunji, "590284");
                said
            };
        CHANGE, "wrong old MPIN" => 200 "ZM",
            |kunji| {
                let said = said(&App::let_in(kunji, NISHA).change(ACC_2, "000000", "590284"));
                is_set(kunji, PIN_2);
                said
            };
        CHANGE, "the third wrong MPIN in a row, and the right one after it" => 200 "Z6",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                blocked(kunji, |pin| app.change(ACC_2, pin, "590284"))
            };
        CHANGE, "no MPIN is set" => 200 "AM",
            |kunji| said(&App::let_in(kunji, NISHA).change(ACC_1, "4826", "7392"));
        CHANGE, "the new MPIN breaks any rule" => 200 "RM", weak_change;
        CHANGE, "unknown account, or another customer's" => 200 "XH", |kunji| others(kunji, CHANGE);
        CHANGE, "the bank knows another mobile number" => 200 "B1",
            |kunji| declined(kunji, FARAH, CHANGE, "STOCKREF0007");
        CHANGE, "no device is bound" => 200 "U66", |kunji| unbound(kunji, CHANGE);
        CHANGE, "the id was used for something else" => 200 "U01", |kunji| duplicate(kunji, CHANGE);
        CHANGE, "the blocks are swapped, or for another capture" => 200 "U54", swapped;
        BALANCE, "the MPIN is right" => 200 "00",
            |kunji| said(&App::let_in(kunji, NISHA).balance(ACC_2, PIN_2));
        BALANCE, "wrong MPIN: no balance is told" => 200 "ZM", no_balance;
        BALANCE, "the third wrong MPIN in a row, and the right one after it" => 200 "Z6",
            |kunji| {
                let app = App::let_in(kunji, NISHA);
                blocked(kunji, |pin| app.balance(ACC_2, pin))
            };
        BALANCE, "no MPIN is set" => 200 "AM",
            |kunji| said(&App::let_in(kunji, NISHA).balance(ACC_1, "4826"));
        BALANCE, "unknown account, or another customer's" => 200 "XH",
            |kunji| others(kunji, BALANCE);
        BALANCE, "no device is bound" => 200 "U66", |kunji| unbound(kunji, BALANCE);
        BALANCE, "the id was used for something else" => 200 "U01",
            |kunji| duplicate(kunji, BALANCE);
        BALANCE, "a block for another capture" => 200 "U54",
            |kunji| {
                let capture = App::let_in(kunji, NISHA).open_balance(ACC_2);
                said(&submit(kunji, &capture, &pin_creds(kunji, &upi_id(), PIN_2)))
            };
    },
};

const BLOCK_STAYS: Table = Table {
    dialect: "hyper",
    start: || Kunji::sandbox_with(&[("KUNJI_PINS__RESET_LIFTS_BLOCK", "false")]),
    ground: Ground::Shared,
    cases: cases! {
        SET, "the MPIN is blocked, and the settings keep it so" => 200 "Z6", block_stays;
    },
};

/// Two requests a minute.
const RATE: Table = Table {
    dialect: "hyper",
    start: || Kunji::sandbox_with(&[("KUNJI_PINS__LIVE_PER_MINUTE", "3")]),
    ground: Ground::Shared,
    cases: cases! {
        CHANGE, "more requests on one account than the settings allow; `Retry-After` says when" =>
            429 "JP_001", too_many;
    },
};

/// Nothing can be written any more.
const FULL_DISK: Table = Table {
    dialect: "hyper",
    start: Kunji::sandbox_on_a_full_disk,
    ground: Ground::Broken,
    cases: cases! {
        SET, "the store cannot be written: the outcome is unknown" => 200 "U90",
            |kunji| {
                let members = App::set_members(ACC_1, VPA);
                said(&App::of(kunji, NISHA).process(SET, &members))
            };
        "upiGetSessionToken", "the store cannot be written" => 503 "JP_001",
            |kunji| said(&App::of(kunji, NISHA).process("upiGetSessionToken", &json!({})));
    },
};

tables! {
    every_end_of_a_capture_is_the_contract_s plays OUTCOMES;
    a_block_can_outlast_a_reset plays BLOCK_STAYS;
    too_many_captures_are_told_when_to_come_back plays RATE;
    a_full_disk_leaves_the_outcome_unknown plays FULL_DISK;
}

#[track_caller]
fn is_set(kunji: &Kunji, pin: &str) {
    assert_eq!(kunji.verify("account", ACC_2, pin), "verified");
}

/// Sets the MPIN of Nisha's first account under one of her VPAs, with a mapping.
fn set_with(app: &App<'_>, account: &str, vpa: &str, more: &Value, pin: &str) -> Answer {
    let capture = Capture::of(app.process(SET, &with(App::set_members(account, vpa), more)));
    let otp = app.kunji.otp(MOBILE);
    submit(app.kunji, &capture, &set_creds(app.kunji, &capture.txn, &otp, pin))
}

/// The account with six digits, primary for neither VPA, is set with the first one: so that each
/// mapping ends elsewhere.
fn mapped(kunji: &Kunji, mapping: Option<&str>, expected: &[(String, String)]) -> Said {
    let app = App::let_in(kunji, NISHA);
    let other = json!({
        "customerVpa": SECOND,
        "accountReferenceId": ACC_1,
        "primaryAccountMapping": "ONE_TO_ONE",
    });
    assert_eq!(code(&app.process("upiMakePrimary", &other)), "00");
    assert_eq!(primaries(&app), primary(ACC_1, ACC_1));
    let more = mapping.map_or(json!({}), |mapping| json!({ "primaryAccountMapping": mapping }));
    // An open capture alone maps nothing.
    let capture = Capture::of(app.process(SET, &with(App::set_members(ACC_2, VPA), &more)));
    assert_eq!(primaries(&app), primary(ACC_1, ACC_1));
    let creds = set_creds(kunji, &capture.txn, &kunji.otp(MOBILE), "590284");
    let answer = submit(kunji, &capture, &creds);
    assert_eq!(primaries(&app), expected);
    is_set(kunji, "590284");
    said(&answer)
}

fn one_of_two(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let more = json!({ "primaryAccountMapping": "ONE_TO_ONE" });
    let answer = set_with(&app, ACC_1, SECOND, &more, "4826");
    assert_eq!(answer.json()["payload"]["customerVpa"], SECOND);
    assert_eq!(primaries(&app), primary(ACC_1, ACC_1));
    let answer = set_with(&app, ACC_2, VPA, &more, "590284");
    assert_eq!(primaries(&app), primary(ACC_2, ACC_1));
    // However the VPA is spelled: it is told as it is kept.
    let again = set_with(&app, ACC_1, "SomeThing@HANDLE", &more, "7392");
    assert_eq!(again.json()["payload"]["customerVpa"], VPA);
    assert_eq!(primaries(&app), primary(ACC_1, ACC_1));
    same([said(&answer), said(&again)])
}

fn in_rsa_blocks(kunji: &Kunji) -> Said {
    let capture = App::let_in(kunji, NISHA).open_set(ACC_2, VPA);
    let block = |pin: &str, pin_use| kunji.sealed(BlockAlg::RsaOaep256, pin, pin_use, &capture.txn);
    let otp = block(&kunji.otp(MOBILE), PinUse::Sms);
    // In any order.
    let creds = json!({ "creds": [
        cred("PIN", "MPIN", &block("590284", PinUse::Mpin)),
        cred("OTP", "SMS", &otp),
    ]});
    let answer = submit(kunji, &capture, &creds);
    is_set(kunji, "590284");
    said(&answer)
}

fn id_forms(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let ids = ["5f0b9a3e-54d4-4f6f-8a1f-6f2b6e9c1d10", "5F0B9A3E-54D4-4F6F-8A1F-6F2B6E9C1D11"];
    let ids = ids.map(str::to_owned).into_iter();
    let ids = ids.chain(["STK".to_owned(), "STK1".to_owned(), upi_id()]);
    let pins = ["590284", "916043", "264817", "604927", "835172"];
    same(
        ids.zip(pins).map(|(id, pin)| {
            said(&set_with(&app, ACC_2, VPA, &json!({ "upiRequestId": id }), pin))
        }),
    )
}

fn lifts_block(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    blocked_by(|pin| app.balance(ACC_2, pin));
    let answer = app.set(ACC_2, VPA, MOBILE, "590284");
    is_set(kunji, "590284");
    said(&answer)
}

fn block_stays(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    blocked_by(|pin| app.balance(ACC_2, pin));
    let answer = app.set(ACC_2, VPA, MOBILE, "590284");
    assert_eq!(primaries(&app), primary(ACC_1, ACC_2));
    said(&answer)
}

fn other_card(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let others = [json!({ "card": "654321" }), json!({ "expiry": "1135" })];
    let answers = others.map(|other| said(&set_with(&app, ACC_2, VPA, &other, "590284")));
    assert_eq!(primaries(&app), primary(ACC_1, ACC_2));
    is_set(kunji, PIN_2);
    same(answers)
}

fn farahs(kunji: &Kunji, account: &str, expiry: &str) -> Said {
    let app = App::let_in(kunji, FARAH);
    let members = App::set_members(account, "errors@handle");
    let capture = Capture::of(app.process(SET, &with(members, &json!({ "expiry": expiry }))));
    let otp = kunji.otp("919800000001");
    let answer = submit(kunji, &capture, &set_creds(kunji, &capture.txn, &otp, "4826"));
    assert_eq!(kunji.verify("account", account, "4826"), "not_set");
    said(&answer)
}

fn mobile_changed(kunji: &Kunji) -> Said {
    let members = App::set_members("STOCKREF0007", "errors@handle");
    let answer = App::let_in(kunji, FARAH).process(SET, &members);
    assert_eq!((sms(kunji, "919800000001"), sms(kunji, "919800000009")), (0, 0));
    said(&answer)
}

/// So many wrong OTPs, each in a capture of its own; all are open before the last OTP is sent.
fn wrong_otps(kunji: &Kunji, count: usize) -> Said {
    let app = App::let_in(kunji, NISHA);
    let captures: Vec<_> = (0..count).map(|_| app.open_set(ACC_2, VPA)).collect();
    let otp = kunji.otp(MOBILE);
    let wrong = if otp == "000000" { "000001" } else { "000000" };
    let answers = captures.iter().map(|capture| {
        said(&submit(kunji, capture, &set_creds(kunji, &capture.txn, wrong, "590284")))
    });
    let said = same(answers);
    assert_eq!(primaries(&app), primary(ACC_1, ACC_2));
    is_set(kunji, PIN_2);
    said
}

fn otp_tries(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let captures: Vec<_> = (0..4).map(|_| app.open_set(ACC_2, VPA)).collect();
    let otp = kunji.otp(MOBILE);
    let wrong = if otp == "000000" { "000001" } else { "000000" };
    let mut answers = captures.iter().zip([wrong, wrong, wrong, &otp]).map(|(capture, otp)| {
        said(&submit(kunji, capture, &set_creds(kunji, &capture.txn, otp, "590284")))
    });
    for _ in 0..2 {
        assert_eq!(answers.next().unwrap().code, "ZR");
    }
    let said = same(answers);
    is_set(kunji, PIN_2);
    said
}

fn used_otp(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let (first, second) = (app.open_set(ACC_2, VPA), app.open_set(ACC_2, VPA));
    let otp = kunji.otp(MOBILE);
    let mut answers = [&first, &second].map(|capture| {
        said(&submit(kunji, capture, &set_creds(kunji, &capture.txn, &otp, "590284")))
    });
    assert_eq!(answers[0].code, "00");
    is_set(kunji, "590284");
    std::mem::replace(&mut answers[1], Said { http: 0, code: String::new() })
}

fn registration_blocked(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let wrong = json!({ "card": "654321" });
    for _ in 0..5 {
        assert_eq!(code(&set_with(&app, ACC_2, VPA, &wrong, "590284")), "XN");
    }
    let sent = sms(kunji, MOBILE);
    // No further OTP is sent, and the right card helps no more.
    let answer = set_with(&app, ACC_2, VPA, &json!({}), "590284");
    assert_eq!(sms(kunji, MOBILE), sent);
    assert_eq!(primaries(&app), primary(ACC_1, ACC_2));
    is_set(kunji, PIN_2);
    kunji.advance("24h");
    assert_eq!(code(&app.renewed().set(ACC_2, VPA, MOBILE, "590284")), "00");
    said(&answer)
}

fn weak(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    // Sequential, equal, the birthday, too short, too long, no digits, the current one.
    let pins = ["456789", "333333", "170391", "910317", "48261", "48261309", "48a617", PIN_2];
    let captures: Vec<_> = pins.iter().map(|_| app.open_set(ACC_2, VPA)).collect();
    let last = app.open_set(ACC_2, VPA);
    let otp = kunji.otp(MOBILE);
    let answers: Vec<_> = captures
        .iter()
        .zip(pins)
        .map(|(capture, pin)| submit(kunji, capture, &set_creds(kunji, &capture.txn, &otp, pin)))
        .collect();
    assert_eq!(primaries(&app), primary(ACC_1, ACC_2));
    is_set(kunji, PIN_2);
    let fit = submit(kunji, &last, &set_creds(kunji, &last.txn, &otp, "590284"));
    assert_eq!(code(&fit), "00");
    same(answers.iter().map(said))
}

/// Answers without a capture: nothing of an account is in them.
#[track_caller]
fn told_nothing(answer: &Answer) -> Said {
    let payload = answer.json()["payload"].clone();
    for member in ["bankAccountUniqueId", "bankCode"] {
        assert_eq!(payload[member], "", "{payload}");
    }
    assert_eq!(payload["maskedAccountNumber"], "");
    said(answer)
}

fn not_linked(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let rows = [
        ("STOCKREF9999", VPA),
        (ACC_3, VPA),
        (ACC_3, "third@handle"),
        (ACC_1, "third@handle"),
        (ACC_1, "nobody@handle"),
        ("BROKREF0001", VPA),
        ("ACC123456789", VPA),
        ("70000000008", VPA),
    ];
    let answers = rows.map(|(account, vpa)| {
        let answer = app.process(SET, &App::set_members(account, vpa));
        assert_eq!(answer.json()["payload"]["accountReferenceId"], account);
        told_nothing(&answer)
    });
    assert_eq!((sms(kunji, MOBILE), sms(kunji, "919812345678")), (0, 0));
    same(answers)
}

fn declined(kunji: &Kunji, customer: &str, action: &str, account: &str) -> Said {
    said(&App::let_in(kunji, customer).process(action, &App::account_members(account)))
}

fn others(kunji: &Kunji, action: &str) -> Said {
    let app = App::let_in(kunji, NISHA);
    same(
        ["STOCKREF9999", ACC_3, "BROKREF0001", "ACC123456789"]
            .map(|account| told_nothing(&app.process(action, &App::account_members(account)))),
    )
}

fn unbound(kunji: &Kunji, action: &str) -> Said {
    let members = match action {
        SET => App::set_members(ACC_1, VPA),
        _ => App::account_members(ACC_1),
    };
    // Somebody whom nobody has heard of, with and without a session.
    let stranger = App::of(kunji, "8888888");
    let first = told_nothing(&stranger.process(action, &members));
    let members = with(members, &json!({ "upiRequestId": upi_id() }));
    let let_in = App::let_in(kunji, "8888888");
    let second = told_nothing(&let_in.process(action, &members));
    assert_eq!(sms(kunji, MOBILE), 0);
    same([first, second])
}

fn duplicate(kunji: &Kunji, action: &str) -> Said {
    let app = App::let_in(kunji, NISHA);
    let members = match action {
        SET => App::set_members(ACC_2, VPA),
        _ => App::account_members(ACC_2),
    };
    let request_id = fresh("app-request-");
    let first = app.process_as(&request_id, action, &members);
    let capture = Capture::of(first.clone());
    let mut others = vec![
        app.process_as("another", action, &members),
        app.process_as(
            &request_id,
            action,
            &with(
                members.clone(),
                &json!({
                    "accountReferenceId": ACC_1,
                }),
            ),
        ),
        app.process_as(
            &request_id,
            action,
            &with(
                members.clone(),
                &json!({
                    "udfParameters": "{\"a\":1}",
                }),
            ),
        ),
        // The id is the merchant's, not the customer's.
        App::let_in(kunji, ARJUN).process_as(
            &request_id,
            CHANGE,
            &with(App::account_members(ACC_3), &json!({ "upiRequestId": members["upiRequestId"] })),
        ),
    ];
    if action == SET {
        for other in [
            json!({ "card": "123457" }),
            json!({ "expiry": "1134" }),
            json!({ "primaryAccountMapping": "NONE" }),
            json!({ "customerVpa": SECOND }),
        ] {
            others.push(app.process_as(&request_id, SET, &with(members.clone(), &other)));
        }
        assert_eq!(sms(kunji, MOBILE), 1);
    }
    let said = same(others.iter().map(said));
    // What was asked for first stands, and is still answered.
    assert_eq!(app.process_as(&request_id, action, &members), first);
    assert_eq!(code(&super::client::cancel(kunji, &capture)), "JP_002");
    said
}

fn bad_set_blocks(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let maker = maker(kunji, BlockAlg::EcdhEs);
    let stale = |pin: &str, pin_use, txn: &str, ago_ms: i64| {
        maker.seal(pin, pin_use, txn, now_ms() - ago_ms).unwrap()
    };
    let mut answers = Vec::new();
    let mut attempt = |new: &dyn Fn(&str) -> String| {
        let capture = app.open_set(ACC_2, VPA);
        let otp = sealed(&maker, &kunji.otp(MOBILE), PinUse::Sms, &capture.txn);
        let new = new(&capture.txn);
        let creds = json!({ "creds": [cred("OTP", "SMS", &otp), cred("PIN", "MPIN", &new)] });
        answers.push(said(&submit(kunji, &capture, &creds)));
    };
    attempt(&|_| "590284".to_owned());
    attempt(&|_| sealed(&maker, "590284", PinUse::Mpin, &upi_id()));
    attempt(&|txn| sealed(&maker, "590284", PinUse::NewMpin, txn));
    attempt(&|txn| stale("590284", PinUse::Mpin, txn, 6 * 60_000));
    attempt(&|txn| stale("590284", PinUse::Mpin, txn, -6 * 60_000));
    for part in 0..5 {
        attempt(&|txn| {
            let block = sealed(&maker, "590284", PinUse::Mpin, txn);
            let mut parts: Vec<String> = block.split('.').map(str::to_owned).collect();
            let first = if parts[part].starts_with('A') { "B" } else { "A" };
            parts[part] = format!("{first}{}", parts[part].get(1..).unwrap_or_default());
            parts.join(".")
        });
    }
    // The OTP as clear text, and one for the place of the MPIN.
    let capture = app.open_set(ACC_2, VPA);
    let new = sealed(&maker, "590284", PinUse::Mpin, &capture.txn);
    let otp = kunji.otp(MOBILE);
    let creds = json!({ "creds": [cred("OTP", "SMS", &otp), cred("PIN", "MPIN", &new)] });
    answers.push(said(&submit(kunji, &capture, &creds)));
    let capture = app.open_set(ACC_2, VPA);
    let otp = sealed(&maker, &kunji.otp(MOBILE), PinUse::Mpin, &capture.txn);
    let new = sealed(&maker, "590284", PinUse::Mpin, &capture.txn);
    let creds = json!({ "creds": [cred("OTP", "SMS", &otp), cred("PIN", "MPIN", &new)] });
    answers.push(said(&submit(kunji, &capture, &creds)));
    assert_eq!(primaries(&app), primary(ACC_1, ACC_2));
    is_set(kunji, PIN_2);
    // None of it was counted as a failed registration.
    assert_eq!(code(&app.set(ACC_2, VPA, MOBILE, "590284")), "00");
    same(answers)
}

/// Two wrong ones, then everything is refused.
fn blocked_by(ask: impl Fn(&str) -> Answer) -> Said {
    for wrong in ["000000", "000001"] {
        assert_eq!(code(&ask(wrong)), "ZM");
    }
    same(["000002", PIN_2, "000000"].map(|pin| said(&ask(pin))))
}

fn blocked(kunji: &Kunji, ask: impl Fn(&str) -> Answer) -> Said {
    let said = blocked_by(ask);
    assert_eq!(kunji.verify("account", ACC_2, PIN_2), "blocked");
    kunji.advance("24h");
    is_set(kunji, PIN_2);
    said
}

fn weak_change(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let pins = ["456789", "333333", "170391", "48261", PIN_2, "48a617"];
    let said = same(pins.map(|new| said(&app.change(ACC_2, PIN_2, new))));
    is_set(kunji, PIN_2);
    said
}

fn swapped(kunji: &Kunji) -> Said {
    let app = App::let_in(kunji, NISHA);
    let capture = app.open_change(ACC_2);
    let block = |pin: &str, pin_use| kunji.sealed(BlockAlg::EcdhEs, pin, pin_use, &capture.txn);
    let creds = json!({ "creds": [
        cred("PIN", "MPIN", &block("590284", PinUse::NewMpin)),
        cred("PIN", "NMPIN", &block("000000", PinUse::Mpin)),
    ]});
    let first = said(&submit(kunji, &capture, &creds));
    let capture = app.open_change(ACC_2);
    let creds = change_creds(kunji, &upi_id(), "000000", "590284");
    let second = said(&submit(kunji, &capture, &creds));
    // No try was counted.
    for wrong in ["000001", "000002"] {
        assert_eq!(code(&app.change(ACC_2, wrong, "590284")), "ZM");
    }
    is_set(kunji, PIN_2);
    same([first, second])
}

fn no_balance(kunji: &Kunji) -> Said {
    let answer = App::let_in(kunji, NISHA).balance(ACC_2, "000000");
    assert!(!answer.text().contains("803"));
    said(&answer)
}

fn too_many(kunji: &Kunji) -> Said {
    // Opening the session is the first of three.
    let app = App::let_in(kunji, NISHA);
    let (first, second) = (app.open_change(ACC_2), app.open_change(ACC_2));
    let answer = app.process(CHANGE, &App::account_members(ACC_2));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    // The secrets have an allowance of their own.
    for capture in [&first, &second] {
        let creds = change_creds(kunji, &capture.txn, "000000", "590284");
        assert_eq!(code(&submit(kunji, capture, &creds)), "ZM");
    }
    let creds = change_creds(kunji, &first.txn, "000000", "590284");
    for _ in 0..2 {
        assert_eq!(code(&submit(kunji, &first, &creds)), "JP_019");
    }
    let more = submit(kunji, &first, &creds);
    assert!(more.header("retry-after").is_some(), "{more:?}");
    assert_eq!(code(&submit(kunji, &second, &creds)), "JP_019", "another link is not held up");
    // Others are not held up.
    assert_eq!(code(&App::let_in(kunji, ARJUN).balance(ACC_3, super::PIN_3)), "00");
    same([said(&answer), said(&more)])
}
