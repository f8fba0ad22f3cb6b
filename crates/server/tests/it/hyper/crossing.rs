//! One account behind every dialect: what one of them does, the others see.

use serde_json::{Value, json};
use ureq::http::Method;

use super::client::App;
use super::{ACC_1, ACC_2, MOBILE, NISHA, PIN_2, VPA, code};
use crate::support::{Kunji, change, fresh};

const CIF: &str = "CIF01234567";
const LIVE: &[(&str, &str)] = &[("X-Kunji-Mode", "live")];

/// What a change through the bank's API comes to.
fn bank_changes(kunji: &Kunji, account: &str, old: &str, new: &str) -> String {
    let answer = kunji.change_live(&change(CIF, account, VPA, old, new)).json();
    let code = answer["SetResetMPINResponseBody"]["code"].as_str();
    let error = answer["error"]["errors"][0]["errorCode"].as_str();
    code.or(error).unwrap().to_owned()
}

fn header() -> Value {
    json!({
        "requestUUID": "r", "serviceRequestId": "s", "serviceRequestVersion": "1.0",
        "channelId": "TEST",
    })
}

/// Asks for an OTP through the bank's API; how it went.
fn bank_sends_otp(kunji: &Kunji, account: &str) -> Value {
    let request = json!({"OTPRequest": { "SubHeader": header(), "OTPRequestBody": {
        "customerId": CIF, "bankId": "AXIS", "txnId": fresh("O"), "device": { "mobile": MOBILE },
        "ac": { "accRefNumber": account }, "card": "123456", "expiry": "12/2035",
    }}});
    let answer = kunji.post("/api/axis/upi/otp/request", LIVE, &request).json();
    answer["OTPResponse"]["OTPResponseBody"]["code"].clone()
}

/// Sets the MPIN through the bank's API; how it went.
fn bank_sets(kunji: &Kunji, account: &str, otp: &str, pin: &str) -> Value {
    let cred = |code: &str| json!({ "type": "PIN", "subType": "MPIN", "data": { "code": code } });
    let request = json!({"SetResetMPINRequest": { "SubHeader": header(),
        "SetResetMPINRequestBody": {
            "customerid": CIF, "card": "123456", "expiry": "12/2035", "txnId": fresh("S"),
            "ac": { "accRefNumber": account }, "mpincred": cred(pin), "otpcred": cred(otp),
        },
    }});
    let answer = kunji.post("/api/axis/upi/set-reset-mpin", LIVE, &request).json();
    answer["SetResetMPINResponseBody"]["code"].clone()
}

#[test]
fn an_mpin_set_in_the_app_is_the_bank_s_and_the_other_way_round() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    assert_eq!(code(&app.set(ACC_1, VPA, MOBILE, "4826")), "00");
    assert_eq!(kunji.verify("account", ACC_1, "4826"), "verified");
    assert_eq!(bank_changes(&kunji, ACC_1, "4826", "7392"), "00");
    assert_eq!(code(&app.balance(ACC_1, "7392")), "00");
    // The last three are the same three everywhere.
    assert_eq!(code(&app.change(ACC_1, "7392", "4826")), "RM");
    assert_eq!(code(&app.change(ACC_1, "7392", "5937")), "00");
    assert_eq!(bank_changes(&kunji, ACC_1, "5937", "7392"), "E40004");
    assert_eq!(kunji.verify("account", ACC_1, "5937"), "verified");
}

#[test]
fn tries_are_one_counter_for_all_dialects() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    assert_eq!(code(&app.balance(ACC_2, "000000")), "ZM");
    assert_eq!(code(&app.change(ACC_2, "000001", "590284")), "ZM");
    assert_eq!(bank_changes(&kunji, ACC_2, "000002", "590284"), "E42301");
    assert_eq!(code(&app.balance(ACC_2, PIN_2)), "Z6");
    assert_eq!(code(&app.change(ACC_2, PIN_2, "590284")), "Z6");
    assert_eq!(kunji.verify("account", ACC_2, PIN_2), "blocked");
    // Another account of the same customer is not blocked.
    assert_eq!(code(&app.balance(ACC_1, "4826")), "AM");
}

#[test]
fn three_wrong_mpins_in_the_app_block_everywhere_until_a_reset() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    for (guess, expected) in [("000000", "ZM"), ("000001", "ZM"), ("000002", "Z6")] {
        assert_eq!(code(&app.change(ACC_2, guess, "590284")), expected);
    }
    assert_eq!(bank_changes(&kunji, ACC_2, PIN_2, "590284"), "E42301");
    assert_eq!(kunji.verify("account", ACC_2, PIN_2), "blocked");
    assert_eq!(bank_sends_otp(&kunji, ACC_2), "00");
    assert_eq!(bank_sets(&kunji, ACC_2, &kunji.otp(MOBILE), "590284"), "00");
    assert_eq!(code(&app.balance(ACC_2, "590284")), "00");
    assert_eq!(kunji.verify("account", ACC_2, "590284"), "verified");
}

#[test]
fn failed_registrations_are_one_counter_for_all_dialects() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    let captures: Vec<_> = (0..3).map(|_| app.open_set(ACC_2, VPA)).collect();
    assert_eq!(bank_sends_otp(&kunji, ACC_2), "00");
    let otp = kunji.otp(MOBILE);
    let wrong = if otp == "000000" { "000001" } else { "000000" };
    let enter = |nth: usize, otp: &str| {
        let capture: &super::client::Capture = &captures[nth];
        let creds = super::client::set_creds(&kunji, &capture.txn, otp, "590284");
        code(&super::client::submit(&kunji, capture, &creds))
    };
    assert_eq!(enter(0, wrong), "ZR");
    assert_eq!(bank_sets(&kunji, ACC_2, wrong, "590284"), "ZR");
    assert_eq!(enter(1, wrong), "ZT");
    assert_eq!(bank_sets(&kunji, ACC_2, &otp, "590284"), "ZT");
    assert_eq!(enter(2, &otp), "ZT");
    assert_eq!(kunji.verify("account", ACC_2, PIN_2), "verified");
}

#[test]
fn an_operator_s_clearing_is_seen_in_the_app() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    for guess in ["000000", "000001", "000002"] {
        app.balance(ACC_2, guess);
    }
    let path = format!("/kunji/v1/credentials/account/{ACC_2}/clear-tries");
    let headers = [("Authorization", "Bearer sandbox"), ("Content-Type", "application/json")];
    let body = json!({ "txn": fresh("C"), "reason": "the customer called" }).to_string();
    assert_eq!(kunji.send(Method::POST, &path, &headers, body).status, 200);
    assert_eq!(code(&app.balance(ACC_2, PIN_2)), "00");
}
