//! A capture, opened as an app opens it.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kunji_vault::{RsaPrivate, RsaScheme};
use serde_json::{Value, json};

use crate::support::{Kunji, fresh};

/// The MPIN of the account.
pub(super) const MPIN: &str = "739105";

const ACCOUNT: &str = "STOCKREF0002";
const MOBILE: &str = "919876543210";
const PROCESS: &str = "/hyper/v1/process";
const SESSION: &str = "X-Kunji-Session";
const MERCHANT_KEY: &str = include_str!("../../../../vault/tests/vectors/merchant-stock.jwk.json");

/// What the customer is to do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    /// `upiSetMpin`.
    Set,
    /// `upiChangeMpin`.
    Change,
    /// `upiCheckBalance`.
    Balance,
}

/// A page that waits for a customer.
pub(super) struct Capture {
    /// Where it is.
    pub(super) url: String,
    /// The capture's id.
    pub(super) id: String,
    /// The OTP that was sent, if one is asked for.
    pub(super) otp: String,
}

/// Lets an app open a capture.
pub(super) fn open_capture(kunji: &Kunji, action: Action) -> Capture {
    let session = open_session(kunji);
    let name = match action {
        Action::Set => "upiSetMpin",
        Action::Change => "upiChangeMpin",
        Action::Balance => "upiCheckBalance",
    };
    let mut payload = json!({
        "action": name, "upiRequestId": fresh("STK"), "accountReferenceId": ACCOUNT,
    });
    if matches!(action, Action::Set) {
        payload["customerVpa"] = json!("something@handle");
        payload["card"] = json!("123456");
        payload["expiry"] = json!("1235");
    }
    let event = kunji.post(PROCESS, &[(SESSION, &session)], &envelope(payload)).json();
    assert_eq!(event["event"], "capture_required", "{event}");
    let text = |name: &str| event["payload"][name].as_str().unwrap().to_owned();
    let otp = match action {
        Action::Set => kunji.otp(MOBILE),
        Action::Change | Action::Balance => String::new(),
    };
    Capture { url: text("captureUrl"), id: text("captureId"), otp }
}

/// The event that the app gets.
pub(super) fn result(kunji: &Kunji, capture: &Capture) -> Value {
    kunji.get(&format!("/hyper/v1/captures/{}/result", capture.id)).json()
}

fn open_session(kunji: &Kunji) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let signed = json!({
        "merchant_id": "stock", "customer_id": "1234567", "timestamp": now.to_string(),
    });
    let signed = signed.to_string();
    let key = RsaPrivate::parse(MERCHANT_KEY).unwrap();
    let signature = key.sign(RsaScheme::Pkcs1, &[signed.as_bytes()]).unwrap();
    let payload = json!({
        "action": "upiGetSessionToken", "merchantKeyId": "stock-test-1",
        "signaturePayload": signed, "signature": STANDARD.encode(signature),
    });
    let answer = kunji.post(PROCESS, &[], &envelope(payload));
    let session = answer.header("x-kunji-session");
    session.unwrap_or_else(|| panic!("no session: {answer:?}")).to_owned()
}

fn envelope(payload: Value) -> Value {
    json!({ "requestId": fresh("E"), "service": "in.juspay.hyperapi", "payload": payload })
}
