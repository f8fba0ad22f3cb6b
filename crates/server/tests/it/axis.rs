//! The Axis-style bank API, row for row of its contract.

mod callers;
mod change;
mod document;
mod live;
mod reasons;
mod registration;
mod transport;

use crate::coverage::Said;
use crate::support::Answer;
use crate::support::shape::{is_iso, is_uuid, starred};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub(crate) use self::document::DOCUMENT;

/// Where an MPIN is set or reset.
const SET_RESET: &str = "/api/axis/upi/set-reset-mpin";
/// Where an OTP is asked for.
const OTP_REQUEST: &str = "/api/axis/upi/otp/request";

const LIVE: (&str, &str) = ("X-Kunji-Mode", "live");

/// Every error body, byte for byte.
pub(crate) const ERRORS: &[&str] = &[
    r#"{"message":"Unauthorized","error":{"errors":[{"errorCode":"E40100","errorMessage":"Unauthorized","errorDescription":"The client id or the client secret is missing or not valid"}]},"statusCode":401}"#,
    r#"{"message":"Incorrect old MPIN","error":{"errors":[{"errorCode":"E40101","errorMessage":"Incorrect old MPIN","errorDescription":"The old MPIN provided is incorrect"}]},"statusCode":401}"#,
    r#"{"message":"Invalid input parameters","error":{"errors":[{"errorCode":"E40001","errorMessage":"Mandatory field missing","errorDescription":"One or more mandatory fields are missing or invalid"}]},"statusCode":400}"#,
    r#"{"message":"Invalid input parameters","error":{"errors":[{"errorCode":"E40001","errorMessage":"Mandatory field missing","errorDescription":"One or more mandatory fields are missing or invalid"}]},"statusCode":415}"#,
    r#"{"message":"MPIN validation failed","error":{"errors":[{"errorCode":"E40004","errorMessage":"MPIN validation failed","errorDescription":"New MPIN does not meet security requirements"}]},"statusCode":400}"#,
    r#"{"message":"Invalid test ID","error":{"errors":[{"errorCode":"E40002","errorMessage":"Invalid test ID","errorDescription":"The provided test ID is not supported"}]},"statusCode":400}"#,
    r#"{"message":"Not found","error":{"errors":[{"errorCode":"E40401","errorMessage":"Not found","errorDescription":"The requested resource does not exist"}]},"statusCode":404}"#,
    r#"{"message":"Method not allowed","error":{"errors":[{"errorCode":"E40501","errorMessage":"Method not allowed","errorDescription":"The resource does not support this method"}]},"statusCode":405}"#,
    r#"{"message":"MPIN not set","error":{"errors":[{"errorCode":"E40901","errorMessage":"MPIN not set","errorDescription":"No MPIN has been set for the account"}]},"statusCode":409}"#,
    r#"{"message":"Duplicate transaction","error":{"errors":[{"errorCode":"E40902","errorMessage":"Duplicate transaction","errorDescription":"The transaction ID was used before with other content"}]},"statusCode":409}"#,
    r#"{"message":"Request too large","error":{"errors":[{"errorCode":"E41301","errorMessage":"Request too large","errorDescription":"The request body is larger than 64 KiB"}]},"statusCode":413}"#,
    r#"{"message":"MPIN blocked","error":{"errors":[{"errorCode":"E42301","errorMessage":"MPIN blocked","errorDescription":"The MPIN is blocked after too many incorrect tries"}]},"statusCode":423}"#,
    r#"{"message":"Too many requests","error":{"errors":[{"errorCode":"E42901","errorMessage":"Too many requests","errorDescription":"Try again after the time in Retry-After"}]},"statusCode":429}"#,
    r#"{"message":"Outcome unknown","error":{"errors":[{"errorCode":"E50301","errorMessage":"Outcome unknown","errorDescription":"Send the same request again to learn the outcome"}]},"statusCode":503}"#,
];

/// Reads an error: its whole body is one of those above, and its status is the one inside.
#[track_caller]
fn error_said(answer: &Answer) -> Said {
    let text = answer.text();
    assert!(ERRORS.contains(&text.as_str()), "no error of this API: {text}");
    let body = answer.json();
    assert_eq!(body["statusCode"], answer.status);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let code = body["error"]["errors"][0]["errorCode"].as_str().unwrap().to_owned();
    Said { http: answer.status, code }
}

/// Reads the answer to a change of the seeded customer's MPIN.
#[track_caller]
fn change_said(asked: &Value, answer: &Answer) -> Said {
    if answer.status != 200 {
        return error_said(answer);
    }
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = &asked["ChangeMPINRequest"]["SetResetMPINRequestBody"];
    let of = |value: &Value| value.as_str().unwrap().to_owned();
    let (customer, txn) = (of(&body["customerId"]), of(&body["txnId"]));
    let bank = of(&body["bank"]);
    let account = of(&body["ac"]["accRefNumber"]);
    // As the seed has them, however the request writes them.
    let (name, vpa) = match account.as_str() {
        "ACC000000002" => ("Asha Rao", "asha@axis"),
        _ => ("John Doe", "johndoe@axis"),
    };
    let text = starred(&answer.text(), "responseUUID", is_uuid);
    assert_eq!(
        starred(&text, "data", |data| STANDARD.decode(data).is_ok()),
        r#"{"SubHeader":{"responseUUID":"*","serviceResponseId":"NB.GEN.UPIAPI.CHANGEMPIN","serviceResponseVersion":"1.0","channelId":"TEST"},"SetResetMPINResponseBody":{"code":"00","status":"Success","data":"*"}}"#
    );
    let data = answer.json()["SetResetMPINResponseBody"]["data"].clone();
    let data = String::from_utf8(STANDARD.decode(data.as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(
        starred(&data, "timestamp", is_iso),
        format!(
            r#"{{"txnId":"{txn}","customerId":"{customer}","bank":"{bank}","account":{{"accRefNumber":"{account}","name":"{name}","vpa":"{vpa}"}},"status":"MPIN_CHANGED","timestamp":"*","message":"UPI MPIN has been changed successfully"}}"#
        )
    );
    Said { http: 200, code: "00".to_owned() }
}

/// `code` and `Status` of set / reset MPIN and of the OTP request.
const STATUSES: &[(&str, &str)] = &[
    ("00", "Success"),
    ("01", "Customer Accounts Not Found"),
    ("99", "Invalid Test ID"),
    ("ZR", "Wrong OTP"),
    ("ZS", "OTP expired"),
    ("ZT", "OTP tries exceeded"),
    ("XN", "No such card"),
    ("XL", "Card expired"),
    ("XR", "Card restricted"),
    ("AJ", "Card never activated"),
    ("SP", "Wrong ATM PIN"),
    ("RN", "Registration blocked"),
    ("RM", "New MPIN does not meet security requirements"),
    ("Z6", "Number of pin tries exceeded."),
    ("U01", "Duplicate request id"),
    ("U54", "Credential block is not valid for this transaction"),
];

/// Reads the answer of set / reset MPIN or of an OTP request: the header is an echo.
#[track_caller]
fn status_said(path: &str, answer: &Answer) -> Said {
    if answer.status != 200 {
        return error_said(answer);
    }
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    let body = match path == SET_RESET {
        true => &body["SetResetMPINResponseBody"],
        false => &body["OTPResponse"]["OTPResponseBody"],
    };
    let code = body["code"].as_str().unwrap();
    let (_, status) = STATUSES.iter().find(|(known, _)| *known == code).unwrap();
    let service = registration::service_id(path);
    let echo = format!(
        r#""SubHeader":{{"requestUUID":"req-7","serviceRequestId":"{service}","serviceRequestVersion":"1.0","channelId":"MOBILE"}}"#
    );
    let expected = match path == SET_RESET {
        true => {
            format!(
                r#"{{{echo},"SetResetMPINResponseBody":{{"code":"{code}","Status":"{status}"}}}}"#
            )
        }
        false => format!(
            r#"{{"OTPResponse":{{{echo},"OTPResponseBody":{{"code":"{code}","Status":"{status}"}}}}}}"#
        ),
    };
    assert_eq!(answer.text(), expected);
    Said { http: 200, code: code.to_owned() }
}

/// The tables of all calls of this dialect.
pub(crate) fn tables() -> Vec<(&'static str, &'static crate::coverage::Table)> {
    let modules =
        [callers::TABLES, change::TABLES, live::TABLES, registration::TABLES, transport::TABLES];
    modules.into_iter().flatten().copied().collect()
}
