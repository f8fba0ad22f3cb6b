//! Outcomes and refusals in this vendor's words.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kunji_core::customer::{Customer, CustomerRefusal};
use kunji_core::engine::Answered;
use kunji_core::ids::{Mobile, Vpa};
use kunji_core::mapper::Number;
use kunji_core::reason::Reason;
use kunji_core::receipt::Reply;
use kunji_core::time::Stamp;
use serde::Serialize;

use super::code::{ALL_CODES, Refused, ResponseCode};
use super::request::{FetchAsk, NumberAsk, ValidityAsk};
use super::wire::{AnswerReply, FetchReply, GatewayReply, HeldReply, NumberReply, ValidityReply};
use crate::body::json;
use crate::limiter::RetryAfter;
use crate::mapper_code::{API_DUPLICATE, API_UNKNOWN, MapperCode, state_word};
use crate::telemetry::{ReplyCode, because};
use crate::wall;

/// An answer without a payload.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    status: StatusCode,
    code: ResponseCode,
    message: Cow<'static, str>,
    reason: Option<Reason>,
    retry_after: Option<RetryAfter>,
}

impl Failure {
    /// A failure with the status that its code has.
    pub(super) fn of(
        code: ResponseCode,
        message: impl Into<Cow<'static, str>>,
        reason: impl Into<Option<Reason>>,
    ) -> Self {
        let status = match code {
            ResponseCode::Unauthorized | ResponseCode::InvalidChecksum => StatusCode::UNAUTHORIZED,
            ResponseCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ResponseCode::Success
            | ResponseCode::BadRequest
            | ResponseCode::InvalidData
            | ResponseCode::RequestExpired
            | ResponseCode::DuplicateRequest
            | ResponseCode::DeviceMismatch => StatusCode::OK,
        };
        Self { status, code, message: message.into(), reason: reason.into(), retry_after: None }
    }

    /// A member that is not what it must be.
    pub(super) fn member(name: &'static str, expected: &'static str) -> Self {
        let reason = Reason::malformed(name, expected);
        Self::of(ResponseCode::BadRequest, format!("{name} is not {expected}"), reason)
    }

    /// A header that is not what it must be.
    pub(super) fn header(name: &'static str, expected: &'static str) -> Self {
        let reason = Reason::HeaderMalformed { header: name.into(), expected: expected.into() };
        Self::of(ResponseCode::BadRequest, format!("{name} is not {expected}"), reason)
    }

    /// A member that is missing, or of another type.
    pub(super) fn shape(name: &'static str, is_there: bool) -> Self {
        let reason =
            if is_there { Reason::mistyped(name, "a string") } else { Reason::missing(name) };
        let message = format!("{name} is missing or not a string");
        Self::of(ResponseCode::BadRequest, message, reason)
    }

    /// A request that is none before anybody looks who sent it.
    pub(super) fn transport(status: StatusCode, message: &'static str, reason: Reason) -> Self {
        Self { status, ..Self::of(ResponseCode::BadRequest, message, reason) }
    }

    /// No such path.
    pub(super) fn no_such_call() -> Self {
        Self::transport(StatusCode::NOT_FOUND, "No such call", Reason::UnknownPath)
    }

    /// Who sent it is not proven; says nothing else.
    pub(super) fn unauthorized() -> Self {
        Self::of(ResponseCode::Unauthorized, "UNAUTHORIZED", None)
    }

    /// The same failure, with what is wrong with its proof.
    pub(super) fn unsigned(self, why: &'static str) -> Self {
        Self { reason: Some(Reason::Unsigned(why.into())), ..self }
    }

    /// The checksum is not right; says nothing else.
    pub(super) fn checksum() -> Self {
        Self::of(ResponseCode::InvalidChecksum, ResponseCode::InvalidChecksum.as_str(), None)
    }

    /// Whether it is about who the sender is.
    pub(super) fn is_doubt(&self) -> bool {
        matches!(self.code, ResponseCode::Unauthorized | ResponseCode::InvalidChecksum)
    }

    /// The request id was used for something else.
    pub(super) fn duplicate() -> Self {
        let (_, message) = API_DUPLICATE;
        Self::of(ResponseCode::DuplicateRequest, message, Reason::OtherContent)
    }

    /// Something broke.
    pub(super) fn unknown() -> Self {
        let (_, message) = API_UNKNOWN;
        Self::of(ResponseCode::Internal, message, None)
    }

    /// The allowance is used up.
    pub(super) fn too_many(after: RetryAfter) -> Self {
        let reason = Reason::AllowanceUsedUp;
        let failure = Self::transport(StatusCode::TOO_MANY_REQUESTS, "Too many requests", reason);
        Self { retry_after: Some(after), ..failure }
    }

    /// When the caller may come back.
    pub(super) fn retry_after(&self) -> Option<HeaderValue> {
        self.retry_after.map(|RetryAfter { seconds }| HeaderValue::from(seconds))
    }

    /// The failure as an answer, with its reason.
    pub(super) fn answered(self) -> Answered {
        Answered { reply: self.reply(), reason: self.reason }
    }

    /// The failure as an answer that may be kept.
    pub(super) fn reply(&self) -> Reply {
        let body = AnswerReply::<()> {
            status: "FAILURE",
            response_code: self.code.as_str(),
            response_message: &self.message,
            payload: None,
            udf_parameters: None,
        };
        kept(self.status, self.code.as_str(), &body)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after();
        let mut response = because(plain(self.reply()), self.reason);
        if let Some(value) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = HeaderValue::from_static("POST");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        response
    }
}

/// The answer as it is, with no proof of who gave it.
pub(super) fn plain(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let mut response = (status, json, reply.body).into_response();
    if let Some(code) = ALL_CODES.iter().find(|known| **known == reply.code) {
        response.extensions_mut().insert(ReplyCode(code));
    }
    response
}

fn kept(status: StatusCode, code: &str, body: &impl Serialize) -> Reply {
    Reply { status: status.as_u16(), code: code.to_owned(), body: json(body), nonce: [0; 16] }
}

fn success<P: Serialize>(code: &str, payload: P, udf: Option<&str>) -> Reply {
    let body = AnswerReply {
        status: "SUCCESS",
        response_code: ResponseCode::Success.as_str(),
        response_message: ResponseCode::Success.as_str(),
        payload: Some(payload),
        udf_parameters: udf,
    };
    kept(StatusCode::OK, code, &body)
}

/// A refusal that the API itself says.
pub(super) fn refused(refusal: CustomerRefusal) -> Reply {
    match Refused::from(refusal) {
        Refused::Api(code, message) => Failure::of(code, message, None).reply(),
        Refused::Gateway(code) => {
            let (_, message) = code.words();
            Failure::of(ResponseCode::InvalidData, message, None).reply()
        }
    }
}

/// What is said of one number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) gateway: MapperCode,
    /// Where the number stands; `None` when nobody ever had it.
    pub(super) status: Option<&'static str>,
    /// The VPA that it leads to, where the customer may know; else the one asked for.
    pub(super) vpa: &'a Vpa,
    /// The VPA of another customer, masked.
    pub(super) existing: Option<&'a str>,
}

impl NumberAsk {
    /// The verdict about the number.
    pub(super) fn say(&self, said: Said<'_>, mobile: &Mobile, stamp: &Stamp) -> Reply {
        let who = &self.who;
        let (code, _) = said.gateway.words();
        let payload = NumberReply {
            merchant_id: who.channel.merchant.as_str(),
            merchant_channel_id: who.channel.channel.as_str(),
            merchant_customer_id: who.profile.customer.as_str(),
            customer_mobile_number: mobile.as_str(),
            upi_number: self.number.as_str(),
            vpa: said.vpa.as_str(),
            existing_vpa: said.existing,
            status: said.status,
            gateway: gateway(said.gateway, who.txn(), stamp),
        };
        success(code, payload, who.udf.as_deref())
    }

    /// The verdict and where the number stands after it.
    pub(super) fn decided(
        &self,
        gateway: MapperCode,
        number: Option<&Number>,
        mobile: &Mobile,
        stamp: &Stamp,
    ) -> Reply {
        let own = number.filter(|number| number.owner == self.who.profile);
        let said = Said {
            gateway,
            status: number.map(|number| state_word(&number.state)),
            vpa: own.map_or(&self.vpa, |number| &number.vpa),
            existing: None,
        };
        self.say(said, mobile, stamp)
    }
}

impl FetchAsk {
    /// All numbers of a customer.
    pub(super) fn say(&self, customer: &Customer, numbers: &[Number], stamp: &Stamp) -> Reply {
        let who = &self.who;
        let held = |number: &'_ Number| {
            number.is_held_by(&who.profile) || number.is_awaited_by(&who.profile)
        };
        let upi_numbers = numbers.iter().filter(|number| held(number)).map(|number| HeldReply {
            upi_number: number.number.as_str(),
            upi_number_type: match number.number.is_mobile() {
                true => "MOBILE_NUMBER",
                false => "NUMERIC_ID",
            },
            status: state_word(&number.state),
            vpa: number.vpa_for(&who.profile).as_str(),
        });
        let payload = FetchReply {
            merchant_id: who.channel.merchant.as_str(),
            merchant_channel_id: who.channel.channel.as_str(),
            merchant_customer_id: who.profile.customer.as_str(),
            customer_mobile_number: customer.mobile.as_ref().map(Mobile::as_str),
            upi_numbers: upi_numbers.collect(),
            gateway: gateway(MapperCode::Success, who.txn(), stamp),
        };
        let (code, _) = MapperCode::Success.words();
        success(code, payload, who.udf.as_deref())
    }
}

impl ValidityAsk {
    /// Whose address it is; `None`: nobody's.
    pub(super) fn say(&self, found: Option<(&Vpa, &str)>) -> Reply {
        let payload = ValidityReply {
            merchant_id: self.channel.merchant.as_str(),
            merchant_channel_id: self.channel.channel.as_str(),
            is_customer_vpa_valid: found.is_some(),
            customer_vpa: found.map_or(&self.vpa, |(vpa, _)| vpa).as_str(),
            customer_name: found.map_or("", |(_, name)| name),
        };
        success(ResponseCode::Success.as_str(), payload, self.udf.as_deref())
    }
}

fn gateway<'a>(code: MapperCode, txn: Option<&'a str>, stamp: &Stamp) -> GatewayReply<'a> {
    let (text, message) = code.words();
    GatewayReply {
        gateway_transaction_id: txn,
        gateway_response_status: code.status(),
        gateway_response_code: text,
        gateway_response_message: message,
        gateway_timestamp: wall::indian(stamp.now),
    }
}
