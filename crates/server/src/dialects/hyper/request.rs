//! Envelopes into actions: every member is read by name, so that the one at fault can be named.

use kunji_core::card::Expiry;
use kunji_core::customer::Mapping;
use kunji_core::ids::{CardTail, CredentialId, CredentialKind, TxnId, UpiNumber, Vpa};
use kunji_core::reason::{Name, Reason};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::wire::SERVICE;
use crate::config::Merchant;

/// Longest `requestId`.
const REQUEST_ID_LEN_MAX: usize = 64;
/// Longest text that the app wants back as it is.
const UDF_LEN_MAX: usize = 4096;
/// Most entries of any list in a payload.
const LIST_LEN_MAX: usize = 20;

/// A member that is missing, mistyped, or not well formed: names it, never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadMember {
    /// What the app is told.
    pub(super) message: String,
    /// The same, for who runs this.
    pub(super) reason: Reason,
}

/// An envelope that is one.
pub(super) struct Envelope<'a> {
    pub(super) request_id: &'a str,
    pub(super) payload: Payload<'a>,
}

/// The members of a payload.
#[derive(Clone, Copy)]
pub(super) struct Payload<'a>(&'a Map<String, Value>);

impl<'a> Envelope<'a> {
    pub(super) fn read(body: &'a Map<String, Value>) -> Result<Self, BadMember> {
        let outer = Payload(body);
        let request_id = outer.text("requestId")?;
        if request_id.is_empty() || request_id.chars().count() > REQUEST_ID_LEN_MAX {
            return Err(invalid("requestId", "1 to 64 characters"));
        }
        if outer.text("service")? != SERVICE {
            return Err(invalid("service", "in.juspay.hyperapi"));
        }
        let payload = match body.get("payload") {
            Some(Value::Object(payload)) => Payload(payload),
            other => return Err(mismatch("payload", "Object", other)),
        };
        Ok(Self { request_id, payload })
    }
}

fn mismatch(name: &'static str, expected: &'static str, found: Option<&Value>) -> BadMember {
    let (found, reason) = match found {
        None => ("Undefined", Reason::missing(name)),
        Some(Value::Null) => ("Null", Reason::missing(name)),
        Some(Value::Bool(_)) => ("Boolean", mistyped(name, expected)),
        Some(Value::Number(_)) => ("Number", mistyped(name, expected)),
        Some(Value::String(_)) => ("String", mistyped(name, expected)),
        Some(Value::Array(_)) => ("Array", mistyped(name, expected)),
        Some(Value::Object(_)) => ("Object", mistyped(name, expected)),
    };
    let place = format!("Error at property \"{name}\"");
    let message = format!("{place}: Type mismatch: expected {expected}, found {found}");
    BadMember { message, reason }
}

fn mistyped(name: &'static str, expected: &'static str) -> Reason {
    let expected = format!("of the type {expected}").into();
    Reason::MemberMistyped { member: name.into(), expected }
}

fn invalid(name: &'static str, expected: impl Into<Name>) -> BadMember {
    let expected = expected.into();
    let message = format!("Error at property \"{name}\": Invalid value: expected {expected}");
    BadMember { message, reason: Reason::MemberMalformed { member: name.into(), expected } }
}

impl<'a> Payload<'a> {
    /// Whether the member is there: `null` is as absent.
    pub(super) fn has(self, name: &'static str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    pub(super) fn text(self, name: &'static str) -> Result<&'a str, BadMember> {
        match self.0.get(name) {
            Some(Value::String(text)) => Ok(text),
            other => Err(mismatch(name, "String", other)),
        }
    }

    pub(super) fn text_if_any(self, name: &'static str) -> Result<Option<&'a str>, BadMember> {
        self.has(name).then(|| self.text(name)).transpose()
    }

    pub(super) fn filled(self, name: &'static str) -> Result<&'a str, BadMember> {
        match self.text(name)? {
            "" => Err(invalid(name, "some text")),
            text => Ok(text),
        }
    }

    pub(super) fn is_true(self, name: &'static str) -> Result<(), BadMember> {
        match self.0.get(name) {
            Some(Value::Bool(true)) => Ok(()),
            Some(Value::Bool(false)) => Err(invalid(name, "true")),
            other => Err(mismatch(name, "Boolean", other)),
        }
    }

    pub(super) fn texts(self, name: &'static str) -> Result<Vec<&'a str>, BadMember> {
        let list = match self.0.get(name) {
            Some(Value::Array(list)) => list,
            other => return Err(mismatch(name, "Array", other)),
        };
        if list.is_empty() || list.len() > LIST_LEN_MAX {
            return Err(invalid(name, "1 to 20 entries"));
        }
        let text =
            |item: &'a Value| item.as_str().ok_or_else(|| mismatch(name, "String", Some(item)));
        list.iter().map(text).collect()
    }

    pub(super) fn vpa(self, name: &'static str) -> Result<Vpa, BadMember> {
        Vpa::parse_address(self.text(name)?).map_err(|_| invalid(name, "user@handle"))
    }

    pub(super) fn vpa_if_any(self, name: &'static str) -> Result<Option<Vpa>, BadMember> {
        self.has(name).then(|| self.vpa(name)).transpose()
    }

    /// That the member is needed with this value of another one.
    pub(super) fn needs(self, name: &'static str) -> BadMember {
        mismatch(name, "String", self.0.get(name))
    }

    pub(super) fn account(self, name: &'static str) -> Result<CredentialId, BadMember> {
        account(name, self.text(name)?)
    }

    pub(super) fn accounts(self, name: &'static str) -> Result<Vec<CredentialId>, BadMember> {
        self.texts(name)?.into_iter().map(|text| account(name, text)).collect()
    }

    pub(super) fn card(self) -> Result<(CardTail, Expiry), BadMember> {
        let tail = self.text("card")?;
        let last_six = CardTail::parse(tail).ok().filter(|_| tail.len() == 6);
        let last_six = last_six.ok_or_else(|| invalid("card", "6 digits"))?;
        let expiry = Expiry::parse_short(self.text("expiry")?);
        Ok((last_six, expiry.map_err(|_| invalid("expiry", "MMYY"))?))
    }

    /// A UUID, or up to 35 letters and digits that begin with the merchant's prefix.
    pub(super) fn upi_request_id(self, merchant: &Merchant) -> Result<TxnId, BadMember> {
        let text = self.text("upiRequestId")?;
        let uuid = text.len() == 36 && Uuid::try_parse(text).is_ok();
        let plain = (1..=35).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && text.starts_with(&merchant.request_prefix);
        let id = TxnId::parse(text).ok().filter(|_| uuid || plain);
        id.ok_or_else(|| {
            let problem = "a UUID, or up to 35 letters and digits with the prefix";
            invalid("upiRequestId", problem)
        })
    }

    pub(super) fn mapping(self, default: Mapping) -> Result<Mapping, BadMember> {
        match self.text_if_any("primaryAccountMapping")? {
            None => Ok(default),
            Some("ONE_TO_ALL") => Ok(Mapping::OneToAll),
            Some("ONE_TO_ONE") => Ok(Mapping::OneToOne),
            Some("NONE") => Ok(Mapping::Nothing),
            Some(_) => Err(invalid("primaryAccountMapping", "ONE_TO_ALL, ONE_TO_ONE or NONE")),
        }
    }

    /// A string that holds a JSON object; it comes back as it is.
    pub(super) fn udf(self) -> Result<Option<&'a str>, BadMember> {
        let text = self.text_if_any("udfParameters")?;
        let holds = |text: &&str| {
            text.len() <= UDF_LEN_MAX && serde_json::from_str::<Map<String, Value>>(text).is_ok()
        };
        match text {
            None => Ok(None),
            Some(text) if holds(&text) => Ok(Some(text)),
            Some(_) => Err(invalid("udfParameters", "a JSON object in a string")),
        }
    }

    pub(super) fn number(self) -> Result<UpiNumber, BadMember> {
        UpiNumber::parse(self.text("upiNumber")?).map_err(|_| {
            let problem = "8 to 10 digits, no leading 0, the last three of 8 or 9 not all the same";
            invalid("upiNumber", problem)
        })
    }

    /// One of a closed set of words.
    pub(super) fn one_of<T: Clone>(
        self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<T, BadMember> {
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| value.clone());
        found.ok_or_else(|| {
            let words = words.iter().map(|(word, _)| *word).collect::<Vec<_>>();
            invalid(name, words.join(", "))
        })
    }
}

/// The request id in a body that is no JSON, when it can still be found.
pub(super) fn request_id_in(body: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\"requestId\"";
    let at = body.windows(NAME.len()).position(|window| window == NAME)?;
    let rest = body.get(at..)?.get(NAME.len()..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b":")?;
    // One value, whatever follows it.
    let id: String = serde_json::Deserializer::from_slice(rest).into_iter().next()?.ok()?;
    (id.chars().count() <= REQUEST_ID_LEN_MAX).then_some(id)
}

fn account(name: &'static str, text: &str) -> Result<CredentialId, BadMember> {
    CredentialId::parse(CredentialKind::Account, text)
        .map_err(|_| invalid(name, "an account reference"))
}

/// That a member is needed which no payload has.
pub(super) fn needed(name: &'static str) -> BadMember {
    mismatch(name, "String", None)
}

/// That a member is longer than it may be.
pub(super) fn too_long(name: &'static str) -> BadMember {
    invalid(name, "less")
}
