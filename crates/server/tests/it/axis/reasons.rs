//! Why a call was refused: the sandbox says it in the line of the request, in one sentence.

use std::process::Command;

use kunji_vault::{BlockAlg, PinUse};
use serde_json::{Value, json};
use ureq::http::Method;

use super::{LIVE, OTP_REQUEST, SET_RESET};
use crate::support::watched::Watched;
use crate::support::{CHANGE_MPIN, KUNJI, Kunji, change, change_john, fresh, sample_change};

const ROOT: &str = "/ChangeMPINRequest/SetResetMPINRequestBody";

/// What is sent, and the reason that must be logged for it: code and sentence.
struct Refused {
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    code: &'static str,
    sentence: &'static str,
}

fn refused(
    path: &'static str,
    headers: &[(&'static str, &'static str)],
    body: &Value,
    (code, sentence): (&'static str, &'static str),
) -> Refused {
    let headers = [&[("Content-Type", "application/json")], headers].concat();
    Refused { path, headers, body: body.to_string(), code, sentence }
}

fn with(mut body: Value, member: &str, value: Value) -> Value {
    *body.pointer_mut(&format!("{ROOT}{member}")).unwrap() = value;
    body
}

/// By headers and bytes.
fn unread() -> Vec<Refused> {
    let by_id = |id, why| refused(CHANGE_MPIN, &[("X-AXIS-TEST-ID", id)], &sample_change(), why);
    let client = |id, secret, why| {
        let headers = [("X-IBM-Client-Id", id), ("X-IBM-Client-Secret", secret)];
        refused(CHANGE_MPIN, &headers, &sample_change(), why)
    };
    let empty = |path, why| refused(path, &[], &json!({}), why);
    let no_id = ("header_missing", "the header X-AXIS-TEST-ID is missing or empty");
    let no_secret = ("header_missing", "the header X-IBM-Client-Secret is missing or empty");
    let scenario = ("scenario", "the scenario that the request chose answers this");
    let not_json = ("not_json", "the body is not JSON: it breaks at line 1, column 1");
    let no_type = ("not_called_json", "the header Content-Type is not application/json");
    let too_long = ("body_too_long", "the body is longer than 65536 bytes");
    vec![
        by_id("2", scenario),
        by_id("3", scenario),
        by_id("9", ("header_malformed", "the header X-AXIS-TEST-ID is not 1, 2, 3 or 4")),
        refused(CHANGE_MPIN, &[], &sample_change(), no_id),
        client("sandbox", "4826", ("unknown_client", "no client has this key and secret")),
        refused(OTP_REQUEST, &[("X-IBM-Client-Id", "sandbox")], &json!({}), no_secret),
        Refused { headers: vec![("Content-Type", "text/plain")], ..empty(CHANGE_MPIN, no_type) },
        Refused { body: "{".to_owned(), ..empty(CHANGE_MPIN, not_json) },
        Refused { body: " ".repeat(70_000), ..empty(SET_RESET, too_long) },
        empty(CHANGE_MPIN, ("member_missing", "the member ChangeMPINRequest is missing or empty")),
    ]
}

/// By the members of a change.
fn malformed() -> Vec<Refused> {
    let spoilt = |member, value, code, sentence| {
        refused(CHANGE_MPIN, &[LIVE], &with(sample_change(), member, value), (code, sentence))
    };
    vec![
        spoilt(
            "/txnId",
            json!(null),
            "member_missing",
            "the member ChangeMPINRequest.SetResetMPINRequestBody.txnId is missing or empty",
        ),
        spoilt(
            "/ac/name",
            json!(4826),
            "member_mistyped",
            "the member ChangeMPINRequest.SetResetMPINRequestBody.ac.name is not text",
        ),
        spoilt(
            "/ac/name",
            json!("x".repeat(129)),
            "member_too_long",
            "SetResetMPINRequestBody.ac.name has 129 characters; at most 128 are taken",
        ),
        spoilt(
            "/cred/data/code",
            json!(""),
            "member_missing",
            "SetResetMPINRequestBody.cred.data.code is missing or empty",
        ),
        spoilt(
            "/device",
            json!({}),
            "member_missing",
            "the member ChangeMPINRequest.SetResetMPINRequestBody.device is missing or empty",
        ),
        spoilt(
            "/newcred/subType",
            json!("SMS"),
            "member_malformed",
            "the member newcred.subType is not MPIN",
        ),
        spoilt("/cred/type", json!("OTP"), "member_malformed", "the member cred.type is not PIN"),
        spoilt(
            "/txnId",
            json!("a b"),
            "member_malformed",
            "the member txnId is not printable ASCII without blanks",
        ),
    ]
}

/// By the account whose MPIN is to be changed.
fn decided(kunji: &Kunji) -> Vec<Refused> {
    let live = |body: &Value, code, sentence| refused(CHANGE_MPIN, &[LIVE], body, (code, sentence));
    let john = |member, value: &str, code, sentence| {
        live(&with(change_john("1234", "4826"), member, json!(value)), code, sentence)
    };
    let other_block = kunji.sealed(BlockAlg::EcdhEs, "1234", PinUse::Mpin, &fresh("OTHER"));
    let repeated = change_john("1234", "1111");
    let other_content = with(repeated.clone(), "/ac/name", json!("Jim"));
    vec![
        live(
            &change("CIF12345678", "ACC999999999", "johndoe@axis", "1234", "4826"),
            "no_such_credential",
            "there is no such account or card",
        ),
        live(
            &change("CIF00000002", "ACC123456789", "johndoe@axis", "1234", "4826"),
            "other_customer",
            "the account or card belongs to another customer",
        ),
        john("/ac/vpa", "asha@axis", "other_vpa", "the account does not carry this VPA"),
        john(
            "/ac/ifsc",
            "AXIS0000002",
            "member_mismatch",
            "the member ifsc contradicts what is stored",
        ),
        john(
            "/ac/maskedAccnumber",
            "*****0000",
            "member_mismatch",
            "the member masked account number contradicts what is stored",
        ),
        john("/bank", "HDFC", "member_mismatch", "the member bank contradicts what is stored"),
        john("/cred/data/code", &other_block, "unreadable_block", "the PIN block cannot be read: "),
        live(&repeated, "new_pin", "the new PIN repeats a digit too often"),
        live(&other_content, "other_content", "the request id was used before, with other content"),
        live(
            &change("CIF00000003", "ACC000000003", "ravi@axis", "1234", "4826"),
            "pin_not_set",
            "no PIN is set",
        ),
        live(&change_john("0000", "4826"), "wrong_pin", "the PIN is wrong; tries left: 2"),
    ]
}

/// By the debit card of who wants an OTP.
fn unproven() -> Vec<Refused> {
    let otp = |customer: &str, card: &str, expiry: &str, code, sentence| {
        let body = json!({"OTPRequest": {
            "SubHeader": {
                "requestUUID": "r",
                "serviceRequestId": "s",
                "serviceRequestVersion": "1",
                "channelId": "c",
            },
            "OTPRequestBody": {
                "customerId": customer,
                "bankId": "AXIS",
                "txnId": fresh("OTP"),
                "card": card,
                "expiry": expiry,
            },
        }});
        refused(OTP_REQUEST, &[LIVE], &body, (code, sentence))
    };
    let no_card = "the account has no debit card with these digits and this expiry";
    let no_month = "the member expiry is not a month as MM/YYYY";
    let (john, nobody) = ("CIF12345678", "there is no such account or card");
    let (none, malformed) = ("no_such_debit_card", "member_malformed");
    vec![
        otp("CIF99999999", "123456", "12/2035", "no_such_credential", nobody),
        otp(john, "654321", "12/2035", none, no_card),
        otp(john, "123456", "11/2035", none, no_card),
        otp("CIF00000004", "123456", "01/2020", "debit_card_expired", "the debit card has expired"),
        otp(john, "12345", "12/2035", malformed, "the member card is not six digits"),
        otp(john, "123456", "13/2035", malformed, no_month),
    ]
}

#[test]
fn every_refusal_is_explained_to_who_runs_the_sandbox() {
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
    command.env("KUNJI_LOG__LEVEL", "info").env("KUNJI_LOG__FORMAT", "json");
    let watched = Watched::start(command).map_err(|(_, said)| said).unwrap();
    let kunji = &watched.kunji;
    let all: Vec<_> =
        [unread(), malformed(), decided(kunji), unproven()].into_iter().flatten().collect();
    for (nth, refused) in all.iter().enumerate() {
        let id = format!("r{nth}");
        let headers = [&refused.headers[..], &[("x-request-id", id.as_str())]].concat();
        let body = refused.body.as_bytes().to_vec();
        let answer = kunji.send(Method::POST, refused.path, &headers, body);
        // The wire tells nothing of it.
        assert!(!answer.text().contains(refused.sentence), "{}", refused.sentence);
    }
    let (_, said) = watched.stop();
    for (nth, Refused { code, sentence, .. }) in all.iter().enumerate() {
        let id = json!(format!("r{nth}"));
        let mut lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.find(|line| line["request.id"] == id).unwrap();
        assert_eq!(line["reason"], *code, "{sentence}: {line}");
        assert!(line["message"].as_str().unwrap().contains(sentence), "{sentence}: {line}");
    }
}
