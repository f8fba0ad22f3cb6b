//! Events in the order in which their members were written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::coverage::Said;
use crate::support::Answer;

/// JSON that remembers its order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Flag(bool),
    Number(u64),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;

        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a flag, a small number, a list or an object")
            }

            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
                Ok(Node::Flag(flag))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
                Ok(Node::Number(number))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(Node::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Node::Object(members))
            }
        }

        deserializer.deserialize_any(NodeVisitor)
    }
}

impl Node {
    fn of(answer: &Answer) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"))
    }

    fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { panic!("no object: {self:?}") };
        members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    #[track_caller]
    fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Self::Text(text)) => text,
            other => panic!("{name} is no text: {other:?}"),
        }
    }

    /// The members are these, in this order; those that end in `?` may be missing.
    #[track_caller]
    fn is_made_of(&self, names: &[&str]) {
        let Self::Object(members) = self else { panic!("no object: {self:?}") };
        let found: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
        let there = |name: &&str| found.contains(name);
        let expected: Vec<_> = names
            .iter()
            .filter_map(|name| match name.strip_suffix('?') {
                Some(optional) => Some(optional).filter(|name| there(name)),
                None => Some(*name),
            })
            .collect();
        assert_eq!(found, expected);
    }

    /// Everything in it that is neither a list nor an object is text.
    #[track_caller]
    fn is_all_text(&self) {
        match self {
            Self::Text(_) => {}
            Self::List(list) => list.iter().for_each(Self::is_all_text),
            Self::Object(members) => members.iter().for_each(|(_, value)| value.is_all_text()),
            Self::Flag(_) | Self::Number(_) => panic!("no text: {self:?}"),
        }
    }
}

const ENVELOPE: &[&str] =
    &["requestId", "service", "payload", "error", "errorMessage", "errorCode", "event"];

const SESSION: &[&str] = &[
    "action",
    "status",
    "isDeviceBound",
    "isDeviceActivated",
    "gatewayResponseCode?",
    "gatewayResponseMessage?",
    "vpaAccounts?",
];

const LINKS: &[&str] = &[
    "action",
    "status",
    "gatewayResponseCode",
    "gatewayResponseMessage",
    "customerMobileNumber",
    "vpaAccounts?",
    "otherInfo",
];

const PIN: &[&str] = &[
    "action",
    "status",
    "bankAccountUniqueId",
    "accountReferenceId",
    "bankCode",
    "customerMobileNumber",
    "customerVpa",
    "maskedAccountNumber",
    "gatewayResponseCode",
    "gatewayResponseMessage",
    "otherInfo",
];

const BALANCE: &[&str] = &[
    "action",
    "status",
    "bankAccountUniqueId",
    "accountReferenceId",
    "bankCode",
    "customerMobileNumber",
    "maskedAccountNumber",
    "gatewayResponseCode",
    "gatewayResponseMessage",
    "balance",
    "otherInfo",
];

const NUMBER: &[&str] = &[
    "action",
    "status",
    "responseCode",
    "responseMessage",
    "merchantCustomerId",
    "customerMobileNumber",
    "upiNumber",
    "vpa",
    "existingVpa?",
    "upiNumberStatus",
    "gatewayTransactionId",
    "gatewayResponseStatus",
    "gatewayResponseCode",
    "gatewayResponseMessage",
    "gatewayTimestamp",
    "otherInfo",
];

const ACCOUNT: &[&str] = &[
    "referenceId",
    "bankAccountUniqueId",
    "bankCode",
    "bankName",
    "branchName",
    "ifsc",
    "name",
    "type",
    "maskedAccountNumber",
    "mpinLength",
    "mpinSet",
    "otpLength",
    "atmPinLength",
    "isPrimary",
];

/// The members of each action's payload.
fn members_of(action: &str) -> &'static [&'static str] {
    match action {
        "initiate" => &["action", "status"],
        "upiGetSessionToken" | "updateAuth" | "upiBindActivateDevice" => SESSION,
        "upiGetBankList" => &["action", "status", "bankList"],
        "upiVpaAvailability" => &["action", "status", "available", "otherInfo"],
        "upiSetMpin" | "upiChangeMpin" => PIN,
        "upiCheckBalance" => BALANCE,
        "upiCheckUpiNumberAvailability" | "upiCreateUpiNumber" | "upiUpdateUpiNumberStatus" => {
            NUMBER
        }
        _ => LINKS,
    }
}

/// Every code that a bank or the mapper answers, with its words.
pub(super) const MESSAGES: &[(&str, &str)] = &[
    ("00", "Success"),
    ("01", "Pending"),
    ("AJ", "Card never activated"),
    ("AM", "MPIN not set"),
    ("B1", "Mobile number changed at the bank"),
    ("KU01", "UPI number is not registered"),
    ("KU02", "Action is not allowed in this state"),
    ("KU02", "The last VPA stays"),
    ("KU02", "A UPI number leads to the VPA"),
    ("KU02", "The primary account stays"),
    ("KU02", "Not the customer's mobile number"),
    ("KU02", "Only the own mobile number can be ported"),
    ("KU03", "UPI number is already in this state"),
    ("KU04", "VPA is not of this customer or PSP"),
    ("KU05", "UPI number is not linked to the VPA named"),
    ("KU04", "VPA is held by another customer"),
    ("KU07", "UPI number is in its cooling period"),
    ("KU08", "Customer has as many as allowed"),
    ("KU09", "A change of the UPI number is pending"),
    ("MM18", "UPI number is held by another customer"),
    ("RM", "New MPIN does not meet security requirements"),
    ("RN", "Registration blocked"),
    ("U01", "Duplicate request id"),
    ("U54", "Credential block is not valid for this transaction"),
    ("U66", "Device mismatch"),
    ("U90", "Outcome unknown"),
    ("XH", "No such account"),
    ("XL", "Card expired"),
    ("XN", "No such card"),
    ("XR", "Card restricted"),
    ("Z6", "Number of pin tries exceeded."),
    ("ZM", "Invalid mpin"),
    ("ZR", "Wrong OTP"),
    ("ZS", "OTP expired"),
    ("ZT", "OTP tries exceeded"),
];

/// The whole text of an error of the SDK.
pub(super) fn error_text(request_id: &str, code: &str, message: &str) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    format!(
        "{{\"requestId\":{},\"service\":\"in.juspay.hyperapi\",\"payload\":{{}},\"error\":true,\
         \"errorMessage\":{},\"errorCode\":\"{code}\",\"event\":\"process_result\"}}",
        quoted(request_id),
        quoted(message)
    )
}

/// Whether an error of the SDK may say this under its code.
fn is_word_of(code: &str, message: &str) -> bool {
    let bad_member = || {
        let place = message.strip_prefix("Error at property \"");
        let problem = place.and_then(|rest| rest.split_once("\": ")).map(|(_, problem)| problem);
        problem.is_some_and(|problem| {
            problem.starts_with("Type mismatch: expected ")
                || problem.starts_with("Invalid value: expected ")
        })
    };
    match code {
        "JP_001" => {
            matches!(message, "Timed Out" | "Outcome unknown" | "Too many requests")
                || message.starts_with("Unknown event : ")
        }
        "JP_002" => message == "USER_ABORTED",
        "JP_003" => {
            bad_member()
                || message.starts_with("The body is not well formed JSON: it ")
                || message.starts_with("X-Kunji-Fault is not pending")
                || matches!(
                    message,
                    "The content type must be JSON"
                        | "The content coding must be identity"
                        | "The body is over 64 KiB"
                        | "The body is incomplete"
                        | "The method is not allowed"
                        | "There is no such path"
                        | "The body is JSON, but lacks a member or has one of another type"
                )
        }
        "JP_012" => message == "Invalid authentication data",
        "JP_017" => message == "initiate called twice",
        "JP_019" => message == "Credential capture failed",
        _ => false,
    }
}

/// The words of an answer about a UPI number.
#[track_caller]
fn number_words(payload: &Node, code: &str) {
    let states = ["ACTIVE", "INACTIVE", "DEREGISTER", "PENDING", "NEW", "FAILED"];
    let state = payload.text("upiNumberStatus");
    assert!(states.contains(&state), "{state}");
    let (api, message) = match code {
        "U01" => ("DUPLICATE_REQUEST", "upiRequestId was used for other content"),
        "U66" => ("DEVICE_FINGERPRINT_MISMATCH", "Device is not bound to the customer"),
        "U90" => ("INTERNAL_SERVER_ERROR", "Outcome unknown: repeat the same request"),
        _ => ("SUCCESS", "SUCCESS"),
    };
    assert_eq!((payload.text("responseCode"), payload.text("responseMessage")), (api, message));
    let verdict = match code {
        "00" => "SUCCESS",
        "01" => "PENDING",
        _ => "FAILURE",
    };
    assert_eq!(payload.text("gatewayResponseStatus"), verdict);
}

/// Reads an event: every member is in its place, of its type, and says what belongs to its code.
#[track_caller]
pub(super) fn said(answer: &Answer) -> Said {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    let event = Node::of(answer);
    event.is_made_of(ENVELOPE);
    assert_eq!(event.text("service"), "in.juspay.hyperapi");
    let payload = event.get("payload").unwrap();
    if event.get("error") == Some(&Node::Flag(true)) {
        let (code, message) = (event.text("errorCode"), event.text("errorMessage"));
        assert!(is_word_of(code, message), "{code}: {message}");
        assert_eq!(answer.text(), error_text(event.text("requestId"), code, message));
        return Said { http: answer.status, code: code.to_owned() };
    }
    assert_eq!(event.get("error"), Some(&Node::Flag(false)));
    assert_eq!((event.text("errorMessage"), event.text("errorCode")), ("", ""));
    let action = payload.text("action");
    let named = match action {
        "initiate" => "initiate_result",
        _ => "process_result",
    };
    assert_eq!(event.text("event"), named);
    payload.is_all_text();
    match payload.get("accounts") {
        Some(Node::List(accounts)) => {
            payload.is_made_of(&[
                "action",
                "status",
                "accounts",
                "gatewayResponseCode?",
                "gatewayResponseMessage?",
                "otherInfo",
            ]);
            accounts.iter().for_each(|account| account.is_made_of(ACCOUNT));
        }
        _ => payload.is_made_of(members_of(action)),
    }
    if let Some(Node::List(linked)) = payload.get("vpaAccounts") {
        for one in linked {
            one.is_made_of(&["vpa", "account"]);
            one.get("account").unwrap().is_made_of(ACCOUNT);
        }
    }
    if let Some(Node::List(banks)) = payload.get("bankList") {
        banks.iter().for_each(|bank| bank.is_made_of(&["upiEnabled", "name", "iin", "ifsc", "id"]));
    }
    let code = payload.get("gatewayResponseCode").map(|_| payload.text("gatewayResponseCode"));
    if let Some(code) = code {
        let message = payload.text("gatewayResponseMessage");
        assert!(MESSAGES.contains(&(code, message)), "{code}: {message}");
    }
    if payload.get("upiNumberStatus").is_some() {
        number_words(payload, code.unwrap());
    }
    match (payload.text("status"), code) {
        ("SUCCESS", None | Some("00")) => {}
        ("SUCCESS", Some("01")) => assert_eq!(payload.text("upiNumberStatus"), "PENDING"),
        ("success", None) => assert_eq!(action, "initiate"),
        ("FRESH" | "BOUND" | "LINKED", None) => assert_eq!(action, "upiGetSessionToken"),
        ("FAILURE", Some(code)) => assert_ne!(code, "00"),
        (status, code) => panic!("{status} with {code:?}"),
    }
    Said { http: answer.status, code: code.unwrap_or("00").to_owned() }
}
