//! Answers of the dialects as words of the history.

use serde_json::{Value, json};

use crate::history::{Deed, Said, Wish};
use crate::people::{self, Object};
use crate::wire::token_key;

/// What an answer comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Said(Said),
    /// "Outcome unknown": it is to be sent again.
    Unknown,
    /// The id is used, and the secrets that came under it may not be compared now.
    Used,
    Strange,
}

/// Reads the answer to a deed.
pub(crate) fn hear(deed: &Deed, object: Object, status: u16, body: &[u8]) -> Heard {
    if status >= 500 {
        return Heard::Unknown;
    }
    match read(deed, object, body) {
        Some(said) => Heard::Said(said),
        None if is_used(deed, body) => Heard::Used,
        None => Heard::Strange,
    }
}

/// Whether a deed with secrets is told that its id is used.
fn is_used(deed: &Deed, body: &[u8]) -> bool {
    let Ok(said) = serde_json::from_slice::<Value>(body) else { return false };
    let is = |said: &Value, place: &str, code: &str| {
        said.pointer(place).and_then(Value::as_str) == Some(code)
    };
    match deed {
        Deed::Verify { .. } => is(&said, "/code", "duplicate_request"),
        Deed::Change { .. } => is(&said, "/error/errors/0/errorCode", "E40902"),
        Deed::Set { .. } => is(&said, "/SetResetMPINResponseBody/code", "U01"),
        Deed::Reset { .. } => {
            let token = said.get("token").and_then(Value::as_str).unwrap_or_default();
            let inner = token_key().ok().and_then(|key| key.open_text(token).ok());
            let inner = inner.and_then(|inner| serde_json::from_str::<Value>(&inner).ok());
            inner.is_some_and(|inner| is(&inner, "/responseCode", "1054"))
        }
        Deed::RequestOtp { .. }
        | Deed::ClearTries
        | Deed::Block
        | Deed::Unblock
        | Deed::CreateCard
        | Deed::Number(..) => false,
    }
}

/// The digits of the newest message in an outbox.
pub(crate) fn newest_otp(body: &[u8]) -> Option<String> {
    let sent: Value = serde_json::from_slice(body).ok()?;
    Some(sent.get(0)?.get("otp")?.as_str()?.to_owned())
}

fn read(deed: &Deed, object: Object, body: &[u8]) -> Option<Said> {
    let said: Value = serde_json::from_slice(body).ok()?;
    let text = |place: &str| said.pointer(place).and_then(Value::as_str);
    match deed {
        Deed::Verify { .. } | Deed::ClearTries => Some(match text("/verdict")? {
            "verified" => Said::Verified,
            "wrong_pin" => Said::WrongPin,
            "blocked" => Said::Blocked,
            "cleared" => Said::TriesCleared,
            _ => return None,
        }),
        Deed::Change { .. } => match text("/SetResetMPINResponseBody/code") {
            Some("00") => Some(Said::Changed),
            Some(_) => None,
            None => Some(match text("/error/errors/0/errorCode")? {
                "E40101" => Said::WrongPin,
                "E42301" => Said::Blocked,
                "E40004" => Said::PinRefused,
                _ => return None,
            }),
        },
        Deed::RequestOtp { .. } => {
            let code = text("/OTPResponse/OTPResponseBody/code")?;
            registered(code, Said::OtpSent)
        }
        Deed::Set { .. } => registered(text("/SetResetMPINResponseBody/code")?, Said::PinSet),
        Deed::Reset { .. } | Deed::Block | Deed::Unblock | Deed::CreateCard => {
            let inner = token_key().ok()?.open_text(text("/token")?).ok()?;
            let inner: Value = serde_json::from_str(&inner).ok()?;
            card_said(deed, inner.get("responseCode")?.as_str()?)
        }
        Deed::Number(_, Wish::Look) => {
            let held = said.pointer("/payload/upiNumbers")?.as_array()?;
            let Object::Number(nth) = object else { return None };
            let own = people::number(nth);
            let holds = held.iter().any(|one| one.get("upiNumber") == Some(&json!(own)));
            Some(if holds { Said::Holds } else { Said::HoldsNot })
        }
        Deed::Number(..) => Some(match text("/payload/gatewayResponseCode")? {
            "00" => Said::Done,
            "KU01" => Said::NotRegistered,
            "KU02" => Said::NotInThisState,
            "KU03" => Said::AlreadyInThisState,
            "MM18" => Said::HeldByAnother,
            "KU07" => Said::Cooling,
            _ => return None,
        }),
    }
}

fn registered(code: &str, done: Said) -> Option<Said> {
    Some(match code {
        "00" => done,
        "RM" => Said::PinRefused,
        "RN" => Said::RegistrationBlocked,
        "ZS" => Said::OtpExpired,
        "ZT" => Said::OtpTriesExceeded,
        "ZR" => Said::WrongOtp,
        _ => return None,
    })
}

fn card_said(deed: &Deed, code: &str) -> Option<Said> {
    Some(match (deed, code) {
        (Deed::Reset { .. }, "00") => Said::PinSet,
        (Deed::Reset { .. }, "1030") => Said::PinRefused,
        (Deed::Reset { .. }, "1010") => Said::CardUnusable,
        (Deed::Block, "00") => Said::CardBlocked,
        (Deed::Block, "1010") => Said::AlreadyBlocked,
        (Deed::Unblock, "00") => Said::CardUnblocked,
        (Deed::Unblock, "1067") => Said::NotBlocked,
        (Deed::CreateCard, "201") => Said::CardCreated,
        (_, _) => return None,
    })
}
