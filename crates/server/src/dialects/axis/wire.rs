//! Bodies exactly as the vendor prints them: names, order, types.

use std::borrow::Cow;
use std::fmt;

use kunji_core::reason::Reason;
use kunji_vault::PinBlock;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::body::{object, object_if_any};
use crate::misread;

/// Longest id and longest name in any member, in characters.
pub(super) const ID_LEN_MAX: usize = 64;
pub(super) const NAME_LEN_MAX: usize = 128;

/// Text that is there: a JSON string of at least one character, and no more than may be kept.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(super) struct Text<'a, const LEN_MAX: usize = ID_LEN_MAX>(Cow<'a, str>);

impl<const LEN_MAX: usize> Text<'_, LEN_MAX> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn into_owned(self) -> Text<'static, LEN_MAX> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl<'de: 'a, 'a, const LEN_MAX: usize> Deserialize<'de> for Text<'a, LEN_MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }

        let text = deserializer.deserialize_str(TextVisitor)?;
        if text.is_empty() {
            return Err(misread::empty());
        }
        // No text has more characters than bytes.
        if text.len() <= LEN_MAX {
            return Ok(Self(text));
        }
        match text.chars().count() {
            len if len > LEN_MAX => Err(misread::too_long(len, LEN_MAX)),
            _ => Ok(Self(text)),
        }
    }
}

/// `SubHeader` of a request.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubHeader<'a> {
    #[serde(borrow, rename = "requestUUID")]
    pub(super) request_uuid: Text<'a>,
    #[serde(borrow)]
    pub(super) service_request_id: Text<'a>,
    #[serde(borrow)]
    pub(super) service_request_version: Text<'a>,
    #[serde(borrow)]
    pub(super) channel_id: Text<'a>,
}

impl SubHeader<'_> {
    pub(super) fn into_owned(self) -> SubHeader<'static> {
        SubHeader {
            request_uuid: self.request_uuid.into_owned(),
            service_request_id: self.service_request_id.into_owned(),
            service_request_version: self.service_request_version.into_owned(),
            channel_id: self.channel_id.into_owned(),
        }
    }
}

/// The body of a change-MPIN request.
#[derive(Debug, Deserialize)]
pub(super) struct ChangeMpinBody<'a> {
    #[serde(borrow, rename = "ChangeMPINRequest", deserialize_with = "object")]
    pub(super) root: ChangeMpinRoot<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ChangeMpinRoot<'a> {
    #[serde(borrow, rename = "SubHeader", deserialize_with = "object")]
    pub(super) sub_header: SubHeader<'a>,
    #[serde(borrow, rename = "SetResetMPINRequestBody", deserialize_with = "object")]
    pub(super) body: ChangeMpin<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeMpin<'a> {
    #[serde(borrow)]
    pub(super) customer_id: Text<'a>,
    #[serde(borrow)]
    pub(super) bank: Text<'a>,
    #[serde(borrow)]
    pub(super) txn_id: Text<'a>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) ac: AccountBody<'a>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) cred: CredBody<'a>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) newcred: CredBody<'a>,
    #[serde(rename = "device")]
    pub(super) _device: DeviceBody,
}

/// `ac`: every member is mandatory.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountBody<'a> {
    #[serde(borrow)]
    pub(super) acc_ref_number: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a, NAME_LEN_MAX>,
    #[serde(borrow)]
    pub(super) ifsc: Text<'a>,
    #[serde(borrow, rename = "maskedAccnumber")]
    pub(super) masked: Text<'a>,
    #[serde(borrow)]
    pub(super) status: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) vpa: Text<'a, NAME_LEN_MAX>,
    #[serde(borrow)]
    pub(super) aeba: Text<'a>,
}

/// `cred` and `newcred`.
#[derive(Debug, Deserialize)]
pub(super) struct CredBody<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, rename = "subType")]
    sub_type: Text<'a>,
    #[serde(deserialize_with = "object")]
    pub(super) data: CredData,
}

impl CredBody<'_> {
    /// Whether it says to be an MPIN; `members` are the names of its type and subtype.
    pub(super) fn must_be_mpin(&self, members: [&'static str; 2]) -> Result<(), Reason> {
        let [kind, sub_type] = members;
        if self.kind.as_str() != "PIN" {
            return Err(Reason::malformed(kind, "PIN"));
        }
        match self.sub_type.as_str() {
            "MPIN" => Ok(()),
            _ => Err(Reason::malformed(sub_type, "MPIN")),
        }
    }
}

/// `data` of a credential: the one member that only the vault can read.
#[derive(Debug, Deserialize)]
pub(super) struct CredData {
    #[serde(deserialize_with = "present_block")]
    pub(super) code: PinBlock,
}

fn present_block<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PinBlock, D::Error> {
    let block = PinBlock::deserialize(deserializer)?;
    match (block.is_text(), block.is_empty()) {
        (false, _) => Err(misread::no_text()),
        (true, true) => Err(misread::empty()),
        (true, false) => Ok(block),
    }
}

/// `device`: a non-empty object; its nine known members are strings where they are there, and
/// `null` is not there.
#[derive(Debug)]
pub(super) struct DeviceBody;

const DEVICE_MEMBERS: [&str; 9] =
    ["app", "capability", "geocode", "id", "ip", "location", "mobile", "os", "type"];

impl<'de> Deserialize<'de> for DeviceBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DeviceVisitor;

        impl<'de> Visitor<'de> for DeviceVisitor {
            type Value = DeviceBody;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a device")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DeviceBody, A::Error> {
                let mut empty = true;
                while let Some(Key(member)) = map.next_key()? {
                    let there = match DEVICE_MEMBERS.contains(&&*member) {
                        true => map.next_value::<Option<Key<'de>>>()?.is_some(),
                        false => map.next_value::<Option<IgnoredAny>>()?.is_some(),
                    };
                    empty &= !there;
                }
                match empty {
                    true => Err(misread::empty()),
                    false => Ok(DeviceBody),
                }
            }
        }

        deserializer.deserialize_map(DeviceVisitor)
    }
}

/// A member's name, or text that may be empty.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The body of a set / reset MPIN request.
#[derive(Debug, Deserialize)]
pub(super) struct SetResetBody<'a> {
    #[serde(borrow, rename = "SetResetMPINRequest", deserialize_with = "object")]
    pub(super) root: SetResetRoot<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SetResetRoot<'a> {
    #[serde(borrow, rename = "SubHeader", deserialize_with = "object")]
    pub(super) sub_header: SubHeader<'a>,
    #[serde(borrow, rename = "SetResetMPINRequestBody", deserialize_with = "object")]
    pub(super) body: SetReset<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SetReset<'a> {
    #[serde(borrow)]
    pub(super) customerid: Text<'a>,
    #[serde(borrow)]
    pub(super) card: Text<'a>,
    #[serde(borrow)]
    pub(super) expiry: Text<'a>,
    #[serde(borrow, rename = "txnId")]
    pub(super) txn_id: Text<'a>,
    #[serde(borrow, default, deserialize_with = "object_if_any")]
    pub(super) ac: Option<AccountReference<'a>>,
    #[serde(default, deserialize_with = "object_if_any")]
    pub(super) mpincred: Option<LooseCred>,
    #[serde(default, deserialize_with = "object_if_any")]
    pub(super) otpcred: Option<LooseCred>,
    #[serde(default, deserialize_with = "object_if_any")]
    pub(super) atmpincred: Option<LooseCred>,
}

/// `ac` where it is optional: only the reference is used.
#[derive(Debug, Deserialize)]
pub(super) struct AccountReference<'a> {
    #[serde(borrow, rename = "accRefNumber")]
    pub(super) acc_ref_number: Option<Text<'a>>,
}

/// A credential of set / reset: only the code is used.
#[derive(Debug, Deserialize)]
pub(super) struct LooseCred {
    #[serde(deserialize_with = "object")]
    pub(super) data: CredData,
}

/// The body of an OTP request.
#[derive(Debug, Deserialize)]
pub(super) struct OtpBody<'a> {
    #[serde(borrow, rename = "OTPRequest", deserialize_with = "object")]
    pub(super) root: OtpRoot<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OtpRoot<'a> {
    #[serde(borrow, rename = "SubHeader", deserialize_with = "object")]
    pub(super) sub_header: SubHeader<'a>,
    #[serde(borrow, rename = "OTPRequestBody", deserialize_with = "object")]
    pub(super) body: OtpRequest<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OtpRequest<'a> {
    #[serde(borrow)]
    pub(super) customer_id: Text<'a>,
    #[serde(borrow, rename = "bankId")]
    _bank_id: Text<'a>,
    #[serde(borrow)]
    pub(super) txn_id: Text<'a>,
    #[serde(borrow, default, deserialize_with = "object_if_any")]
    pub(super) ac: Option<AccountReference<'a>>,
    #[serde(borrow)]
    pub(super) card: Text<'a>,
    #[serde(borrow)]
    pub(super) expiry: Text<'a>,
}

/// The success body of change MPIN.
#[derive(Debug, Serialize)]
pub(super) struct ChangeMpinReply<'a> {
    #[serde(rename = "SubHeader")]
    pub(super) sub_header: ReplySubHeader<'a>,
    #[serde(rename = "SetResetMPINResponseBody")]
    pub(super) body: ChangeMpinReplyBody,
}

/// `SubHeader` of a change-MPIN reply.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplySubHeader<'a> {
    #[serde(rename = "responseUUID")]
    pub(super) response_uuid: String,
    pub(super) service_response_id: &'a str,
    pub(super) service_response_version: &'a str,
    pub(super) channel_id: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct ChangeMpinReplyBody {
    pub(super) code: &'static str,
    pub(super) status: &'static str,
    /// Base64 of [`ChangedData`].
    pub(super) data: String,
}

/// What `data` holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangedData<'a> {
    pub(super) txn_id: &'a str,
    pub(super) customer_id: &'a str,
    pub(super) bank: &'a str,
    pub(super) account: ChangedAccount<'a>,
    pub(super) status: &'static str,
    pub(super) timestamp: String,
    pub(super) message: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangedAccount<'a> {
    pub(super) acc_ref_number: &'a str,
    pub(super) name: &'a str,
    pub(super) vpa: &'a str,
}

/// The answer of set / reset MPIN.
#[derive(Debug, Serialize)]
pub(super) struct SetResetReply<'a> {
    #[serde(rename = "SubHeader")]
    pub(super) sub_header: &'a SubHeader<'a>,
    #[serde(rename = "SetResetMPINResponseBody")]
    pub(super) body: CodeAndStatus,
}

/// The answer of an OTP request.
#[derive(Debug, Serialize)]
pub(super) struct OtpReply<'a> {
    #[serde(rename = "OTPResponse")]
    pub(super) root: OtpReplyRoot<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct OtpReplyRoot<'a> {
    #[serde(rename = "SubHeader")]
    pub(super) sub_header: &'a SubHeader<'a>,
    #[serde(rename = "OTPResponseBody")]
    pub(super) body: CodeAndStatus,
}

/// `code` and `Status`, with its capital S.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct CodeAndStatus {
    pub(super) code: &'static str,
    #[serde(rename = "Status")]
    pub(super) status: &'static str,
}

/// Every error body of this API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorBody {
    pub(super) message: &'static str,
    pub(super) error: Errors,
    pub(super) status_code: u16,
}

#[derive(Debug, Serialize)]
pub(super) struct Errors {
    pub(super) errors: [ErrorItem; 1],
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorItem {
    pub(super) error_code: &'static str,
    pub(super) error_message: &'static str,
    pub(super) error_description: &'static str,
}
