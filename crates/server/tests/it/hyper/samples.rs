//! The samples of both seed documents, with mended JSON, from end to end.

use serde_json::{Value, json};

use super::client::{
    App, Capture, PROCESS, cancel, change_creds, now_ms, result, set_creds, signed_v2, submit,
    upi_id, vouched,
};
use super::shape::said;
use super::{ACC_1, ACC_2, ARJUN, FARAH, MOBILE, NISHA, PIN_2, VPA, code, primaries, primary};
use crate::support::Kunji;
use crate::support::shape::starred;

/// The sample of set / reset MPIN: the same member order as the document's.
fn sample_set(upi_request_id: &str, account: &str) -> String {
    let signed = vouched("stock", "1234567", now_ms(), Some("9876543210"));
    let group = signed_v2("stock-test-1", &signed);
    format!(
        r#"{{
  "requestId": "f7443c1d-9acb-4b3d-9ae5-0e3c33dfcf5b",
  "service": "in.juspay.hyperapi",
  "payload": {{
    "action": "upiSetMpin",
    "merchantKeyId": {},
    "signature": {},
    "customerVpa": "something@handle",
    "signaturePayload": {},
    "card": "123456",
    "upiRequestId": "{upi_request_id}",
    "accountReferenceId": "{account}",
    "expiry": "1235"
  }}
}}"#,
        group["merchantKeyId"], group["signature"], group["signaturePayload"],
    )
}

fn post(kunji: &Kunji, body: String, session: &[(&str, &str)]) -> Capture {
    let headers = [&[("Content-Type", "application/json")], session].concat();
    Capture::of(kunji.send(ureq::http::Method::POST, PROCESS, &headers, body))
}

#[test]
fn the_sample_of_set_mpin_sets_it() {
    let kunji = Kunji::sandbox();
    let txn = "0b2d2f0e-6a4e-4d0c-9d6a-3f4f0a3c9b11";
    let capture = post(&kunji, sample_set(txn, ACC_1), &[]);
    let text = starred(&capture.said.text(), "captureId", |id| id.len() == 43);
    let text = starred(&text, "captureUrl", |url| url.ends_with("/page"));
    let text = starred(&text, "expiresAt", |at| at.len() == 25 && at.ends_with("+05:30"));
    assert_eq!(
        starred(&text, "kid", |kid| !kid.is_empty()),
        format!(
            r#"{{"requestId":"f7443c1d-9acb-4b3d-9ae5-0e3c33dfcf5b","service":"in.juspay.hyperapi","event":"capture_required","payload":{{"action":"upiSetMpin","captureId":"*","captureUrl":"*","expiresAt":"*","txnId":"{txn}","kid":"*","controls":[{{"type":"OTP","subType":"SMS","dType":"NUM","dLength":6}},{{"type":"PIN","subType":"MPIN","dType":"NUM","dLength":4}}]}}}}"#
        )
    );
    let payload = &capture.said.json()["payload"];
    assert_eq!(payload["captureUrl"], format!("{}{}/page", kunji.base, capture.path()));
    let keys = kunji.get("/.well-known/jwks.json").json();
    let known = keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == payload["kid"]);
    assert!(known, "{keys}");
    let creds = set_creds(&kunji, txn, &kunji.otp(MOBILE), "4826");
    let answer = submit(&kunji, &capture, &creds);
    assert_eq!(
        answer.text(),
        r#"{"requestId":"f7443c1d-9acb-4b3d-9ae5-0e3c33dfcf5b","service":"in.juspay.hyperapi","payload":{"action":"upiSetMpin","status":"SUCCESS","bankAccountUniqueId":"KUNJIBANK203891","accountReferenceId":"STOCKREF0001","bankCode":"111111","customerMobileNumber":"XXXX3210","customerVpa":"something@handle","maskedAccountNumber":"XXXX203891","gatewayResponseCode":"00","gatewayResponseMessage":"Success","otherInfo":"{}"},"error":false,"errorMessage":"","errorCode":"","event":"process_result"}"#
    );
    assert_eq!((answer.status, said(&answer).code.as_str()), (200, "00"));
    assert_eq!(result(&kunji, &capture), answer);
    assert_eq!(kunji.verify("account", ACC_1, "4826"), "verified");
    assert_eq!(primaries(&App::of(&kunji, NISHA)), primary(ACC_1, ACC_1));
}

#[test]
fn the_sample_of_change_mpin_changes_it() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    let txn = upi_id();
    let sample = format!(
        r#"{{
  "requestId": "f7443c1d-9acb-4b3d-9ae5-0e3c33dfcf5b",
  "service": "in.juspay.hyperapi",
  "payload": {{
    "action": "upiChangeMpin",
    "upiRequestId": "{txn}",
    "accountReferenceId": "{ACC_2}",
    "udfParameters": "{{}}"
  }}
}}"#
    );
    let session = app.session.clone().unwrap();
    let capture = post(&kunji, sample, &[("X-Kunji-Session", &session)]);
    let controls = &capture.said.json()["payload"]["controls"];
    let pin =
        |sub_type: &str| json!({"type": "PIN", "subType": sub_type, "dType": "NUM", "dLength": 6});
    assert_eq!(*controls, json!([pin("MPIN"), pin("NMPIN")]));
    let answer = submit(&kunji, &capture, &change_creds(&kunji, &txn, PIN_2, "590284"));
    assert_eq!(
        answer.text(),
        r#"{"requestId":"f7443c1d-9acb-4b3d-9ae5-0e3c33dfcf5b","service":"in.juspay.hyperapi","payload":{"action":"upiChangeMpin","status":"SUCCESS","bankAccountUniqueId":"KUNJIBANK204702","accountReferenceId":"STOCKREF0002","bankCode":"111111","customerMobileNumber":"XXXX3210","customerVpa":"second@handle","maskedAccountNumber":"XXXX204702","gatewayResponseCode":"00","gatewayResponseMessage":"Success","otherInfo":"{}"},"error":false,"errorMessage":"","errorCode":"","event":"process_result"}"#
    );
    assert_eq!(kunji.verify("account", ACC_2, "590284"), "verified");
    assert_eq!(primaries(&app), primary(ACC_1, ACC_2));
}

#[test]
fn the_example_id_that_is_no_uuid_is_echoed() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    for id in ["abcd-12345-abcd-12345", "a", &"é".repeat(64), "quote \" and \\ and \u{7f}"] {
        let answer = app.process_as(id, "upiGetBankList", &json!({}));
        assert_eq!((answer.json()["requestId"].as_str(), code(&answer).as_str()), (Some(id), "00"));
    }
}

#[test]
fn other_info_is_what_the_app_sent_as_it_is() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    for udf in ["{}", "{ \"a\" : [1, 2.50, null], \"é\":\"\\u00e9\" }", "\n{\"b\":{\"b\":\"\"}}"] {
        let members = App::account_members(ACC_2);
        let members = super::client::with(members, &json!({ "udfParameters": udf }));
        let capture = Capture::of(app.process("upiChangeMpin", &members));
        let answer = submit(&kunji, &capture, &change_creds(&kunji, &capture.txn, PIN_2, "111111"));
        let payload = answer.json()["payload"].clone();
        assert_eq!((code(&answer).as_str(), &payload["otherInfo"]), ("RM", &json!(udf)));
    }
    let cancelled = app.open_change(ACC_2);
    assert_eq!(code(&cancel(&kunji, &cancelled)), "JP_002");
    assert_eq!(code(&app.change(ACC_2, PIN_2, "590284")), "00");
}

/// The text of a session's result and of an account in it.
#[test]
fn the_accounts_of_a_customer_are_text_in_their_order() {
    let kunji = Kunji::sandbox();
    let app = App::of(&kunji, ARJUN);
    let answer = app.process_as("R1", "upiGetSessionToken", &json!({}));
    let account = |is_primary: &str, set: &str| {
        format!(
            r#"{{"referenceId":"STOCKREF0003","bankAccountUniqueId":"KUNJIBANK305613","bankCode":"111111","bankName":"Kunji Bank","branchName":"Fort, Mumbai","ifsc":"KUNJ0000001","name":"Arjun Das","type":"SAVINGS","maskedAccountNumber":"XXXX305613","mpinLength":"4","mpinSet":"{set}","otpLength":"6","atmPinLength":"4","isPrimary":"{is_primary}"}}"#
        )
    };
    assert_eq!(
        answer.text(),
        format!(
            r#"{{"requestId":"R1","service":"in.juspay.hyperapi","payload":{{"action":"upiGetSessionToken","status":"LINKED","isDeviceBound":"true","isDeviceActivated":"true","vpaAccounts":[{{"vpa":"third@handle","account":{}}}]}},"error":false,"errorMessage":"","errorCode":"","event":"process_result"}}"#,
            account("true", "true")
        )
    );
    let answer = app.process_as("R2", "upiGetAccounts", &json!({ "bankCodes": ["111111"] }));
    assert_eq!(
        answer.text(),
        format!(
            r#"{{"requestId":"R2","service":"in.juspay.hyperapi","payload":{{"action":"upiGetAccounts","status":"SUCCESS","accounts":[{}],"otherInfo":"{{}}"}},"error":false,"errorMessage":"","errorCode":"","event":"process_result"}}"#,
            account("true", "true")
        )
    );
    let members = super::client::with(
        app.signature(),
        &json!({ "clientId": "c", "environment": "sandbox", "issuingPsp": "kunji" }),
    );
    let envelope = super::client::envelope("R3", "initiate", &members);
    assert_eq!(
        app.send(&envelope).text(),
        r#"{"requestId":"R3","service":"in.juspay.hyperapi","payload":{"action":"initiate","status":"success"},"error":false,"errorMessage":"","errorCode":"","event":"initiate_result"}"#
    );
    // Set or not is told, the digits are not.
    let farah = App::of(&kunji, FARAH).process("upiGetSessionToken", &json!({})).json();
    let set: Vec<Value> = farah["payload"]["vpaAccounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["account"]["mpinSet"].clone())
        .collect();
    assert_eq!(set, ["false"; 4]);
}

#[test]
fn a_balance_is_told_with_its_two_decimals() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    let capture = app.open_balance(ACC_2);
    let controls = &capture.said.json()["payload"]["controls"];
    assert_eq!(
        *controls,
        json!([{ "type": "PIN", "subType": "MPIN", "dType": "NUM", "dLength": 6 }])
    );
    let creds = super::client::pin_creds(&kunji, &capture.txn, PIN_2);
    assert_eq!(
        submit(&kunji, &capture, &creds).text(),
        format!(
            r#"{{"requestId":"{}","service":"in.juspay.hyperapi","payload":{{"action":"upiCheckBalance","status":"SUCCESS","bankAccountUniqueId":"KUNJIBANK204702","accountReferenceId":"STOCKREF0002","bankCode":"111111","customerMobileNumber":"XXXX3210","maskedAccountNumber":"XXXX204702","gatewayResponseCode":"00","gatewayResponseMessage":"Success","balance":"803.50","otherInfo":"{{}}"}},"error":false,"errorMessage":"","errorCode":"","event":"process_result"}}"#,
            capture.request_id
        )
    );
    let wrong = app.balance(ACC_2, "000000").json();
    assert_eq!((&wrong["payload"]["balance"], &wrong["error"]), (&json!(""), &json!(false)));
    assert_eq!(VPA, primaries(&app)[0].0);
}
