//! Bodies as the vendor prints them: names, order, types.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::body;

/// A member that must be a string where it is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Member {
    /// Not there, or `null`.
    #[default]
    Absent,
    /// A string.
    Text(String),
    /// A whole number: only `iat` may be one.
    Number(u64),
    /// Anything else.
    Other,
}

impl Member {
    /// The text, when it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Number(_) | Self::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MemberVisitor;

        impl<'de> Visitor<'de> for MemberVisitor {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Member, E> {
                Ok(Member::Text(text.to_owned()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Member, E> {
                Ok(Member::Text(text))
            }

            fn visit_unit<E: Error>(self) -> Result<Member, E> {
                Ok(Member::Absent)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Member, E> {
                Ok(Member::Number(number))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Member, E> {
                Ok(Member::Other)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Member, E> {
                Ok(body::whole(number).map_or(Member::Other, Member::Number))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Member, E> {
                Ok(Member::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Member, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Member::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Member::Other)
            }
        }

        deserializer.deserialize_any(MemberVisitor)
    }
}

/// Every member that any of the calls asks for, in the order of the vendor's page.
///
/// One body for all calls, since they share most members and ignore the others'.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CallBody {
    pub(super) upi_number: Member,
    pub(super) merchant_customer_id: Member,
    pub(super) upi_request_id: Member,
    pub(super) vpa: Member,
    pub(super) existing_vpa: Member,
    pub(super) action: Member,
    pub(super) device_finger_print: Member,
    pub(super) fallback_device_finger_print: Member,
    pub(super) udf_parameters: Member,
    pub(super) package_name: Member,
    pub(super) customer_vpa: Member,
    /// When a signed body was made; no part of what is asked.
    pub(super) iat: Member,
}

impl CallBody {
    /// All that may be asked, by name, in a fixed order.
    pub(super) fn members(&self) -> [(&'static str, &Member); 11] {
        [
            ("upiNumber", &self.upi_number),
            ("merchantCustomerId", &self.merchant_customer_id),
            ("upiRequestId", &self.upi_request_id),
            ("vpa", &self.vpa),
            ("existingVpa", &self.existing_vpa),
            ("action", &self.action),
            ("deviceFingerPrint", &self.device_finger_print),
            ("fallbackDeviceFingerPrint", &self.fallback_device_finger_print),
            ("udfParameters", &self.udf_parameters),
            ("packageName", &self.package_name),
            ("customerVpa", &self.customer_vpa),
        ]
    }
}

/// The body of every answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AnswerReply<'a, P> {
    pub(super) status: &'a str,
    pub(super) response_code: &'a str,
    pub(super) response_message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<P>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) udf_parameters: Option<&'a str>,
}

/// What update, availability and create say of one number.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NumberReply<'a> {
    pub(super) merchant_id: &'a str,
    pub(super) merchant_channel_id: &'a str,
    pub(super) merchant_customer_id: &'a str,
    pub(super) customer_mobile_number: &'a str,
    pub(super) upi_number: &'a str,
    pub(super) vpa: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) existing_vpa: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<&'a str>,
    #[serde(flatten)]
    pub(super) gateway: GatewayReply<'a>,
}

/// What fetch says of a customer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FetchReply<'a> {
    pub(super) merchant_id: &'a str,
    pub(super) merchant_channel_id: &'a str,
    pub(super) merchant_customer_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_mobile_number: Option<&'a str>,
    pub(super) upi_numbers: Vec<HeldReply<'a>>,
    #[serde(flatten)]
    pub(super) gateway: GatewayReply<'a>,
}

/// One number of a customer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeldReply<'a> {
    pub(super) upi_number: &'a str,
    pub(super) upi_number_type: &'a str,
    pub(super) status: &'a str,
    pub(super) vpa: &'a str,
}

/// The verdict.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GatewayReply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gateway_transaction_id: Option<&'a str>,
    pub(super) gateway_response_status: &'a str,
    pub(super) gateway_response_code: &'a str,
    pub(super) gateway_response_message: &'a str,
    pub(super) gateway_timestamp: String,
}

/// What validity says of an address.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ValidityReply<'a> {
    pub(super) merchant_id: &'a str,
    pub(super) merchant_channel_id: &'a str,
    pub(super) is_customer_vpa_valid: bool,
    pub(super) customer_vpa: &'a str,
    pub(super) customer_name: &'a str,
}
