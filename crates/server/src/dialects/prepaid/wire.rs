//! Bodies exactly as the vendor prints them, inside and outside of the token.

use std::fmt;

use kunji_vault::PinBlock;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::code::MessageCode;

/// The outer body, both ways.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TokenBody {
    pub(super) token: String,
}

/// Up to here every whole number is one in floating form as well (RFC 8259, 6).
const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;

/// A member that some clients send as a string and some as a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Scalar {
    /// Not there, or `null`.
    #[default]
    Absent,
    /// Its text without outer blanks.
    Text(String),
    /// Something that is neither a string nor a whole number, which may be in floating form.
    Other,
}

impl Scalar {
    /// The text, when there is any.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            Self::Text(_) | Self::Absent | Self::Other => None,
        }
    }

    /// This one, or what came under the member's other name.
    pub(super) fn or<'a>(&'a self, other: &'a Self) -> &'a Self {
        if self.is_absent() { other } else { self }
    }

    /// Whether nothing was sent at all.
    pub(super) fn is_absent(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Text(text) => text.is_empty(),
            Self::Other => false,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.trim().to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Text(number.to_string()))
            }

            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar::Absent)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(whole(number).map_or(Scalar::Other, Scalar::Text))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// The digits of a whole number in floating form, while such numbers are exact.
fn whole(number: f64) -> Option<String> {
    let exact = (0.0..=WHOLE_MAX).contains(&number) && number.is_sign_positive();
    (exact && number.fract() == 0.0).then(|| format!("{number:.0}"))
}

/// Every member that any of the calls asks for; each call reads its own.
///
/// One body for all calls, since they share most members and ignore the others'.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallBody {
    #[serde(default)]
    pub(super) message_code: Scalar,
    #[serde(default)]
    pub(super) request_date_time: Scalar,
    #[serde(default)]
    pub(super) client_txn_id: Scalar,
    #[serde(default)]
    pub(super) urn: Scalar,
    #[serde(default)]
    pub(super) last4_digits: Scalar,
    #[serde(default)]
    pub(super) customer_id: Scalar,
    #[serde(rename = "newPIN")]
    pub(super) new_pin: Option<PinBlock>,
    #[serde(default)]
    pub(super) block_type: Scalar,
    #[serde(default, rename = "verifyclientTxnId")]
    pub(super) verify_client_txn_id: Scalar,
    #[serde(default)]
    customer_mobile: Scalar,
    #[serde(default)]
    cardholder_mobile: Scalar,
    #[serde(default)]
    email_id: Scalar,
    #[serde(default)]
    email: Scalar,
    #[serde(default)]
    pub(super) card_expiry: Scalar,
    #[serde(default)]
    pub(super) dob: Scalar,
    #[serde(default)]
    pub(super) product_id: Scalar,
    #[serde(default)]
    pub(super) first_name: Scalar,
    #[serde(default)]
    pub(super) last_name: Scalar,
    #[serde(default)]
    pub(super) mobile: Scalar,
    #[serde(default)]
    pub(super) date_of_birth: Scalar,
    #[serde(default)]
    pub(super) card_profile_id: Scalar,
    #[serde(default)]
    pub(super) new_card_status: Scalar,
    #[serde(default)]
    pub(super) load_amount: Scalar,
}

impl CallBody {
    /// `customerMobile`, which some pages call `cardholderMobile`.
    pub(super) fn holder_mobile(&self) -> &Scalar {
        self.customer_mobile.or(&self.cardholder_mobile)
    }

    /// `emailId`, which some pages call `email`.
    pub(super) fn holder_email(&self) -> &Scalar {
        self.email_id.or(&self.email)
    }
}

/// A failure that has no token: header and transport errors.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlainBody {
    pub(super) response_code: &'static str,
    pub(super) response_date_time: String,
    pub(super) response_message: &'static str,
}

/// The answer of reset PIN, block and unblock, and every failure: what is not there is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceReply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) urn: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'static str>,
    pub(super) response_code: &'static str,
    pub(super) message_code: MessageCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_txn_id: Option<&'a str>,
    pub(super) client_id: &'a str,
    pub(super) response_date_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accosa_transaction_id: Option<u64>,
    pub(super) response_message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accosa_ref_no: Option<String>,
    pub(super) bank_id: u32,
}

/// The answer of create card.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedReply<'a> {
    pub(super) urn: Option<u64>,
    pub(super) customer_id: &'a str,
    pub(super) description: &'static str,
    pub(super) response_code: &'static str,
    pub(super) message_code: MessageCode,
    pub(super) client_txn_id: &'a str,
    pub(super) response_date_time: String,
    pub(super) client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accosa_transaction_id: Option<u64>,
    pub(super) response_message: &'static str,
    pub(super) bank_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accosa_ref_no: Option<String>,
    pub(super) card_number: String,
    pub(super) card_expiry: String,
    pub(super) card_profile_id: u32,
    pub(super) load_amount: u64,
}

/// The answer of verify cardholder.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HolderReply<'a> {
    pub(super) urn: Option<u64>,
    pub(super) customer_id: &'a str,
    pub(super) response_code: &'static str,
    pub(super) message_code: MessageCode,
    pub(super) client_txn_id: &'a str,
    pub(super) client_id: &'a str,
    pub(super) response_date_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accosa_transaction_id: Option<u64>,
    pub(super) response_message: &'static str,
    pub(super) bank_id: u32,
    pub(super) last4_digits: &'a str,
    pub(super) card_type: &'static str,
    pub(super) is_pan_valid: &'static str,
    pub(super) kyc_status: &'static str,
}

/// The answer of card inquiry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InquiryReply<'a> {
    pub(super) urn: Option<u64>,
    pub(super) customer_id: &'a str,
    pub(super) description: &'static str,
    pub(super) response_code: &'static str,
    pub(super) message_code: MessageCode,
    pub(super) client_txn_id: &'a str,
    pub(super) client_id: &'a str,
    pub(super) response_date_time: String,
    pub(super) response_message: &'static str,
    pub(super) bank_id: u32,
    pub(super) card_number: String,
    pub(super) card_expiry: String,
    pub(super) card_status: &'static str,
    pub(super) available_balance: &'static str,
    pub(super) available_cash_limit: &'static str,
}

/// The answer of check status; `response_dump` is a list of JSON texts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusReply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) urn: Option<u64>,
    pub(super) response_code: &'static str,
    pub(super) message_code: MessageCode,
    pub(super) client_txn_id: &'a str,
    pub(super) client_id: &'a str,
    pub(super) response_date_time: String,
    pub(super) response_message: &'static str,
    pub(super) bank_id: u32,
    #[serde(rename = "response_dump")]
    pub(super) response_dump: [String; 1],
}
