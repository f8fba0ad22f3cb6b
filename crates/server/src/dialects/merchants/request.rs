//! From a body to what is asked: first the shape of every member, then its format.

use kunji_core::engine::Ticket;
use kunji_core::ids::{Caller, ChannelId, MerchantCustomerId, ProfileId, TxnId, UpiNumber, Vpa};
use kunji_core::mapper::{Update, Wait};
use kunji_core::reason::Reason;
use kunji_vault::Fingerprinter;
use serde::de::IgnoredAny;

use super::code::{Call, Need, ResponseCode};
use super::integrity::Signed;
use super::reply::Failure;
use super::wire::{CallBody, Member};
use crate::body::{self, Object};

/// Longest `udfParameters`, in bytes: they are kept with the answer.
const UDF_LEN_MAX: usize = 8 * 1024;
/// Longest fingerprint of a device and longest name of a package, in bytes.
const DEVICE_LEN_MAX: usize = 256;

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Ask {
    /// Something about one number.
    Number(Box<NumberAsk>),
    /// All numbers of a customer.
    Fetch(Box<FetchAsk>),
    /// Whose address it is.
    Validity(ValidityAsk),
}

/// Who asks, and for whom.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) call: Call,
    pub(super) channel: ChannelId,
    pub(super) caller: Caller,
    pub(super) profile: ProfileId,
    pub(super) devices: Vec<String>,
    pub(super) ticket: Option<Ticket>,
    pub(super) udf: Option<String>,
}

/// A request about one number.
#[derive(Debug)]
pub(super) struct NumberAsk {
    pub(super) who: Who,
    pub(super) number: UpiNumber,
    pub(super) vpa: Vpa,
    pub(super) wish: Wish,
    /// Whether the change is to wait: a fault that the sandbox was asked for.
    pub(super) wait: Option<Wait>,
}

/// What is wished for a number.
#[derive(Debug)]
pub(super) enum Wish {
    Update(Update),
    Register,
    Port(Vpa),
    CheckRegister,
    CheckPort,
}

/// A request for all numbers of a customer.
#[derive(Debug)]
pub(super) struct FetchAsk {
    pub(super) who: Who,
}

/// A question about an address.
#[derive(Debug)]
pub(super) struct ValidityAsk {
    pub(super) channel: ChannelId,
    pub(super) caller: Caller,
    pub(super) vpa: Vpa,
    pub(super) udf: Option<String>,
}

impl Who {
    /// The caller's id for the request.
    pub(super) fn txn(&self) -> Option<&str> {
        self.ticket.as_ref().map(|ticket| ticket.txn.as_str())
    }
}

impl Ask {
    /// The same, with a change that waits.
    pub(super) fn waiting(mut self, wait: Option<Wait>) -> Self {
        if let Self::Number(ask) = &mut self {
            ask.wait = wait;
        }
        self
    }

    /// Whose allowance the request is taken from: the caller's, for one customer or one address.
    pub(super) fn allowance(&self) -> (&Caller, &str) {
        match self {
            Self::Number(ask) => (&ask.who.caller, ask.who.profile.customer.as_str()),
            Self::Fetch(ask) => (&ask.who.caller, ask.who.profile.customer.as_str()),
            Self::Validity(ask) => (&ask.caller, ask.vpa.as_str()),
        }
    }
}

/// Reads the JSON of a request.
pub(super) fn parse(bytes: &[u8]) -> Result<CallBody, Failure> {
    let read = serde_json::from_slice(bytes).map(|Object(body)| body);
    read.map_err(|error| {
        let reason = body::broken(&error).unwrap_or(Reason::mistyped("body", "one JSON object"));
        Failure::of(ResponseCode::BadRequest, "Request body is not one JSON object", reason)
    })
}

/// Reads what is asked.
pub(super) fn read(
    call: Call,
    body: &CallBody,
    signed: &Signed<'_>,
    print: Fingerprinter,
) -> Result<Ask, Failure> {
    shape(call, body)?;
    let channel = signed.channel.id.clone();
    let caller = Caller::parse(&format!("merchants:{}:{}", channel.merchant, channel.channel));
    let caller = caller.map_err(|_| Failure::unknown())?;
    match call {
        Call::Update | Call::Availability | Call::Create => {
            let number = must("upiNumber", &body.upi_number, NUMBER_RULE, |text| {
                UpiNumber::parse(text).ok()
            })?;
            let mut who = Reading { call, body, signed }.who(caller)?;
            let vpa = must("vpa", &body.vpa, VPA_RULE, address)?;
            let wish = wish(call, body)?;
            who.rest(body)?;
            who.ticket = ticket(call, body, &channel, print);
            Ok(Ask::Number(Box::new(NumberAsk { who, number, vpa, wish, wait: None })))
        }
        Call::Fetch => {
            let mut who = Reading { call, body, signed }.who(caller)?;
            who.rest(body)?;
            who.ticket = ticket(call, body, &channel, print);
            Ok(Ask::Fetch(Box::new(FetchAsk { who })))
        }
        Call::Validity => {
            let udf = udf(body)?;
            let vpa = must("customerVpa", &body.customer_vpa, VPA_RULE, address)?;
            Ok(Ask::Validity(ValidityAsk { channel, caller, vpa, udf }))
        }
    }
}

const NUMBER_RULE: &str =
    "8 to 10 digits without a leading 0, the last three of 8 or 9 not all the same";
const VPA_RULE: &str = "vpa@handle";

/// Every member that the call asks for is there, and every one is a string.
fn shape(call: Call, body: &CallBody) -> Result<(), Failure> {
    for (name, member) in body.members() {
        let fits = match (member, call.needs(name)) {
            (_, Need::Ignored) | (Member::Text(_), Need::Must | Need::May) => true,
            (Member::Absent, need) => need == Need::May,
            (Member::Number(_) | Member::Other, Need::Must | Need::May) => false,
        };
        if !fits {
            return Err(Failure::shape(name, *member != Member::Absent));
        }
    }
    Ok(())
}

fn must<T>(
    name: &'static str,
    member: &Member,
    rule: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Failure> {
    member.text().and_then(parse).ok_or_else(|| Failure::member(name, rule))
}

fn may<T>(
    name: &'static str,
    member: &Member,
    rule: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Failure> {
    match member {
        Member::Absent => Ok(None),
        Member::Text(_) | Member::Number(_) | Member::Other => {
            must(name, member, rule, parse).map(Some)
        }
    }
}

fn address(text: &str) -> Option<Vpa> {
    Vpa::parse_address(text).ok()
}

/// One request on its way from body to `Who`.
struct Reading<'a> {
    call: Call,
    body: &'a CallBody,
    signed: &'a Signed<'a>,
}

impl Reading<'_> {
    fn who(&self, caller: Caller) -> Result<Who, Failure> {
        let Self { call, body, signed } = self;
        let rule = "1 to 256 letters, digits or dots";
        let customer = must("merchantCustomerId", &body.merchant_customer_id, rule, |text| {
            MerchantCustomerId::parse(text).ok()
        })?;
        let rule = "35 letters or digits that begin with the merchant's prefix";
        may("upiRequestId", &body.upi_request_id, rule, |text| {
            signed.merchant.owns_request(text).then_some(())
        })?;
        let merchant = signed.merchant.id.clone();
        Ok(Who {
            call: *call,
            channel: signed.channel.id.clone(),
            caller,
            profile: ProfileId { merchant, customer },
            devices: Vec::new(),
            ticket: None,
            udf: None,
        })
    }
}

impl Who {
    /// The members at the end of every request about a customer.
    fn rest(&mut self, body: &CallBody) -> Result<(), Failure> {
        let rule = "1 to 256 characters";
        let fits = |text: &str| (1..=DEVICE_LEN_MAX).contains(&text.len()).then(|| text.to_owned());
        let device = may("deviceFingerPrint", &body.device_finger_print, rule, fits)?;
        let fallback =
            may("fallbackDeviceFingerPrint", &body.fallback_device_finger_print, rule, fits)?;
        self.devices = device.into_iter().chain(fallback).collect();
        self.udf = udf(body)?;
        may("packageName", &body.package_name, rule, fits)?;
        Ok(())
    }
}

fn udf(body: &CallBody) -> Result<Option<String>, Failure> {
    let rule = "a JSON object in a string of at most 8192 bytes";
    may("udfParameters", &body.udf_parameters, rule, |text| {
        let object = || serde_json::from_str::<Object<IgnoredAny>>(text).is_ok();
        (text.len() <= UDF_LEN_MAX && object()).then(|| text.to_owned())
    })
}

fn wish(call: Call, body: &CallBody) -> Result<Wish, Failure> {
    let existing = match call {
        Call::Update | Call::Create => may("existingVpa", &body.existing_vpa, VPA_RULE, address)?,
        Call::Availability | Call::Fetch | Call::Validity => None,
    };
    let action = body.action.text().unwrap_or_default();
    match (call, action, existing) {
        (Call::Create, _, None) => Ok(Wish::Register),
        (Call::Create, _, Some(existing)) => Ok(Wish::Port(existing)),
        (Call::Update, "CHANGE_VPA", Some(existing)) => {
            Ok(Wish::Update(Update::ChangeVpa { existing }))
        }
        (Call::Update, "CHANGE_VPA", None) => Err(Failure::shape("existingVpa", false)),
        (Call::Update, "DISABLE", _) => Ok(Wish::Update(Update::Disable)),
        (Call::Update, "DELETE", _) => Ok(Wish::Update(Update::Delete)),
        (Call::Update, "REACTIVATE", _) => Ok(Wish::Update(Update::Reactivate)),
        (Call::Update, _, _) => {
            Err(Failure::member("action", "CHANGE_VPA, DISABLE, DELETE or REACTIVATE"))
        }
        (Call::Availability, "CHECK", _) => Ok(Wish::CheckRegister),
        (Call::Availability, "PORT", _) => Ok(Wish::CheckPort),
        (Call::Availability | Call::Fetch | Call::Validity, _, _) => {
            Err(Failure::member("action", "CHECK or PORT"))
        }
    }
}

/// The request id with a fingerprint of all that was asked under it. How it was signed and when
/// is no part of that.
fn ticket(
    call: Call,
    body: &CallBody,
    channel: &ChannelId,
    mut print: Fingerprinter,
) -> Option<Ticket> {
    let txn = TxnId::parse(body.upi_request_id.text()?).ok()?;
    print.text(channel.merchant.as_str());
    print.text(channel.channel.as_str());
    print.text(call.name());
    for (name, member) in body.members() {
        if let Some(text) = member.text() {
            print.text(name);
            print.text(text);
        }
    }
    Some(Ticket { txn, print: print.finish() })
}

/// When a request was made, by its header: 13 digits.
pub(super) fn millis(text: &str) -> Option<i64> {
    digits(text).filter(|_| text.len() == 13)
}

/// When a signed body was made: 13 digits, or 10 that are seconds (RFC 7519, 2), a string or a
/// number.
pub(super) fn issued(member: &Member) -> Option<i64> {
    let text = match member {
        Member::Text(text) => text,
        Member::Number(number) => &number.to_string(),
        Member::Absent | Member::Other => return None,
    };
    match text.len() {
        10 => digits(text)?.checked_mul(1000),
        _ => millis(text),
    }
}

fn digits(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// A request whose time stamp is outside of the window.
pub(super) fn expired(by_header: bool) -> Failure {
    const EXPECTED: &str = "within the window around the machine's time";
    let reason = if by_header {
        Reason::HeaderMalformed { header: "x-timestamp".into(), expected: EXPECTED.into() }
    } else {
        Reason::malformed("iat", EXPECTED)
    };
    Failure::of(ResponseCode::RequestExpired, "REQUEST_EXPIRED", reason)
}
