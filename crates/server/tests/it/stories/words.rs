//! What the answers of each API mean, in the words of the stories.

use serde_json::Value;

/// The verdicts that an answer of the Axis-style API may stand for.
pub(super) fn axis(answer: &Value, success: &'static str) -> Vec<&'static str> {
    let status = answer
        .pointer("/SetResetMPINResponseBody/code")
        .or_else(|| answer.pointer("/OTPResponse/OTPResponseBody/code"))
        .or_else(|| answer.pointer("/error/errors/0/errorCode"));
    match status.unwrap().as_str().unwrap() {
        "00" => vec![success],
        // Existence is not revealed.
        "E40001" => vec!["unknown_credential", "owner_mismatch", "unreadable_block"],
        "E40004" | "RM" => vec!["pin_refused"],
        "E40101" => vec!["wrong_pin"],
        "E40901" => vec!["pin_not_set"],
        "E40902" | "U01" => vec!["duplicate"],
        "E42301" | "Z6" => vec!["pin_blocked"],
        "AJ" => vec!["debit_card_never_activated"],
        "RN" => vec!["registration_blocked"],
        "SP" => vec!["wrong_atm_pin"],
        "U54" => vec!["unreadable_block"],
        "XL" => vec!["debit_card_expired"],
        // Nor is it to who wants to register.
        "XN" => vec!["no_such_debit_card", "owner_mismatch", "unknown_credential"],
        "XR" => vec!["debit_card_restricted"],
        "ZR" => vec!["wrong_otp"],
        "ZS" => vec!["otp_expired"],
        "ZT" => vec!["otp_tries_exceeded"],
        other => panic!("{other} has no place in a story"),
    }
}

/// The verdicts that an answer of the prepaid API may stand for.
pub(super) fn prepaid(answer: &Value, success: &'static str) -> Vec<&'static str> {
    match answer["responseCode"].as_str().unwrap() {
        "00" => vec![success],
        "1001" => vec!["unknown_credential"],
        "1009" | "1356" => vec!["card_unusable"],
        // The block that lies on a card, whatever was asked for.
        "1010" | "1011" | "1117" | "1118" | "1121" | "1131" => {
            vec!["card_unusable", "already_blocked"]
        }
        "1030" => vec!["pin_refused"],
        "1054" => vec!["duplicate"],
        "1067" => vec!["not_blocked"],
        "1081" => vec!["holder_not_verified"],
        "1083" | "1335" => vec!["last_four_mismatch"],
        "1084" => vec!["card_customer_mismatch"],
        "1231" => vec!["customer_without_card"],
        "1334" => vec!["holder_mismatch"],
        other => panic!("{other} has no place in a story"),
    }
}

/// The verdicts that an answer of our own API may stand for.
pub(super) fn own(answer: &Value) -> Vec<&'static str> {
    match answer.get("verdict").or(answer.get("code")).unwrap().as_str().unwrap() {
        "verified" => vec!["verified"],
        "wrong_pin" => vec!["wrong_pin"],
        "blocked" => vec!["pin_blocked"],
        "not_set" => vec!["pin_not_set"],
        "cleared" => vec!["tries_cleared"],
        "duplicate_request" => vec!["duplicate"],
        "unknown_credential" => vec!["unknown_credential"],
        other => panic!("{other} has no place in a story"),
    }
}
