//! Outcomes and refusals in this vendor's words: one total `match` for each call.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kunji_core::credential::{Credential, Facts};
use kunji_core::engine::{Fault, Verdict, Voice};
use kunji_core::ids::Vpa;
use kunji_core::reason::Reason;
use kunji_core::receipt::Reply;
use kunji_core::refusal::Refusal;
use kunji_core::time::{Millis, Stamp};
use serde::Serialize;
use uuid::Uuid;

use super::wire::{
    ChangeMpinReply, ChangeMpinReplyBody, ChangeMpinRoot, ChangedAccount, ChangedData,
    CodeAndStatus, ErrorBody, ErrorItem, Errors, OtpReply, OtpReplyRoot, ReplySubHeader,
    SetResetReply, SubHeader,
};
use crate::app::Unanswered;
use crate::body::json;
use crate::limiter::RetryAfter;
use crate::telemetry::{ReplyCode, because};
use crate::{result_code, wall};

/// Every code that this dialect can answer; each is reached by a test.
pub const ALL_CODES: &[&str] = &[
    "00", "01", "99", "E40001", "E40002", "E40004", "E40100", "E40101", "E40401", "E40501",
    "E40901", "E40902", "E41301", "E42301", "E42901", "E50301", "AJ", "RM", "RN", "SP", "U01",
    "U54", "XL", "XN", "XR", "Z6", "ZR", "ZS", "ZT",
];

/// Every error body of this API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiError {
    InvalidInput,
    InvalidTestId,
    WeakMpin,
    UnknownClient,
    WrongMpin,
    NotFound,
    MethodNotAllowed,
    NotSet,
    Duplicate,
    TooLarge,
    NotJson,
    Blocked,
    TooMany(RetryAfter),
    Unknown,
}

impl ApiError {
    fn words(self) -> (StatusCode, &'static str, ErrorItem) {
        let same = |status, code, message, description| {
            let item = ErrorItem {
                error_code: code,
                error_message: message,
                error_description: description,
            };
            (status, message, item)
        };
        let invalid = ErrorItem {
            error_code: "E40001",
            error_message: "Mandatory field missing",
            error_description: "One or more mandatory fields are missing or invalid",
        };
        match self {
            Self::InvalidInput => (StatusCode::BAD_REQUEST, "Invalid input parameters", invalid),
            Self::NotJson => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Invalid input parameters", invalid)
            }
            Self::InvalidTestId => same(
                StatusCode::BAD_REQUEST,
                "E40002",
                "Invalid test ID",
                "The provided test ID is not supported",
            ),
            Self::WeakMpin => same(
                StatusCode::BAD_REQUEST,
                "E40004",
                "MPIN validation failed",
                "New MPIN does not meet security requirements",
            ),
            Self::UnknownClient => same(
                StatusCode::UNAUTHORIZED,
                "E40100",
                "Unauthorized",
                "The client id or the client secret is missing or not valid",
            ),
            Self::WrongMpin => same(
                StatusCode::UNAUTHORIZED,
                "E40101",
                "Incorrect old MPIN",
                "The old MPIN provided is incorrect",
            ),
            Self::NotFound => same(
                StatusCode::NOT_FOUND,
                "E40401",
                "Not found",
                "The requested resource does not exist",
            ),
            Self::MethodNotAllowed => same(
                StatusCode::METHOD_NOT_ALLOWED,
                "E40501",
                "Method not allowed",
                "The resource does not support this method",
            ),
            Self::NotSet => same(
                StatusCode::CONFLICT,
                "E40901",
                "MPIN not set",
                "No MPIN has been set for the account",
            ),
            Self::Duplicate => same(
                StatusCode::CONFLICT,
                "E40902",
                "Duplicate transaction",
                "The transaction ID was used before with other content",
            ),
            Self::TooLarge => same(
                StatusCode::PAYLOAD_TOO_LARGE,
                "E41301",
                "Request too large",
                "The request body is larger than 64 KiB",
            ),
            Self::Blocked => same(
                StatusCode::LOCKED,
                "E42301",
                "MPIN blocked",
                "The MPIN is blocked after too many incorrect tries",
            ),
            Self::TooMany(_) => same(
                StatusCode::TOO_MANY_REQUESTS,
                "E42901",
                "Too many requests",
                "Try again after the time in Retry-After",
            ),
            Self::Unknown => same(
                StatusCode::SERVICE_UNAVAILABLE,
                "E50301",
                "Outcome unknown",
                "Send the same request again to learn the outcome",
            ),
        }
    }

    pub(super) fn reply(self) -> Reply {
        let (status, message, item) = self.words();
        let status_code = status.as_u16();
        let body = ErrorBody { message, error: Errors { errors: [item] }, status_code };
        stored(status_code, item.error_code, &body)
    }
}

/// An error, and why it is one: who runs this is told, the caller is not.
#[derive(Debug)]
pub(super) struct Denied {
    error: ApiError,
    reason: Option<Reason>,
}

impl ApiError {
    pub(super) fn because(self, reason: Reason) -> Denied {
        Denied { error: self, reason: Some(reason) }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        because(self.error.into_response(), self.reason)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = respond(self.reply());
        let headers = response.headers_mut();
        if let Self::TooMany(RetryAfter { seconds }) = self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self == Self::MethodNotAllowed {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

impl From<Fault> for Denied {
    fn from(_: Fault) -> Self {
        Self { error: ApiError::Unknown, reason: None }
    }
}

impl From<Unanswered> for Denied {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Fault(fault) => fault.into(),
            Unanswered::TooMany(after) => {
                ApiError::TooMany(after).because(Reason::GuessBudgetUsedUp)
            }
        }
    }
}

impl From<RetryAfter> for Denied {
    fn from(after: RetryAfter) -> Self {
        ApiError::TooMany(after).because(Reason::AllowanceUsedUp)
    }
}

fn stored<T: Serialize>(status: u16, code: &str, body: &T) -> Reply {
    Reply { status, code: code.to_owned(), body: json(body), nonce: [0; 16] }
}

/// A reply on the wire.
pub(super) fn respond(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let mut response = (status, json, reply.body).into_response();
    let known = ALL_CODES.iter().find(|known| **known == reply.code);
    if let Some(code) = known {
        response.extensions_mut().insert(ReplyCode(code));
    }
    response
}

/// What a change-MPIN reply echoes: borrowed from the request, or its own. By a test id it names
/// the account as the request does; else as it is kept.
#[derive(Debug)]
pub(super) struct ChangeEcho<S> {
    service_id: S,
    service_version: S,
    channel: S,
    txn: S,
    customer: S,
    bank: S,
    reference: S,
    name: S,
    vpa: S,
}

impl<'a> ChangeEcho<&'a str> {
    pub(super) fn of(root: &'a ChangeMpinRoot<'_>) -> Self {
        Self {
            service_id: root.sub_header.service_request_id.as_str(),
            service_version: root.sub_header.service_request_version.as_str(),
            channel: root.sub_header.channel_id.as_str(),
            txn: root.body.txn_id.as_str(),
            customer: root.body.customer_id.as_str(),
            bank: root.body.bank.as_str(),
            reference: root.body.ac.acc_ref_number.as_str(),
            name: root.body.ac.name.as_str(),
            vpa: root.body.ac.vpa.as_str(),
        }
    }

    pub(super) fn into_owned(self) -> ChangeEcho<String> {
        ChangeEcho {
            service_id: self.service_id.to_owned(),
            service_version: self.service_version.to_owned(),
            channel: self.channel.to_owned(),
            txn: self.txn.to_owned(),
            customer: self.customer.to_owned(),
            bank: self.bank.to_owned(),
            reference: self.reference.to_owned(),
            name: self.name.to_owned(),
            vpa: self.vpa.to_owned(),
        }
    }
}

impl<S: AsRef<str>> ChangeEcho<S> {
    /// The account as the request names it.
    pub(super) fn account(&self) -> ChangedAccount<'_> {
        ChangedAccount {
            acc_ref_number: self.reference.as_ref(),
            name: self.name.as_ref(),
            vpa: self.vpa.as_ref(),
        }
    }

    /// The account as it is kept, by the VPA that the request means.
    fn kept<'a>(&'a self, credential: &'a Credential) -> ChangedAccount<'a> {
        let account = match &credential.facts {
            Facts::Account(account) => Some(account),
            Facts::Card(_) => None,
        };
        let meant = Vpa::parse(self.vpa.as_ref()).ok();
        let own = account.zip(meant.as_ref()).and_then(|(account, meant)| account.own_vpa(meant));
        ChangedAccount {
            acc_ref_number: credential.id.name(),
            name: &credential.holder.name,
            vpa: own.map_or_else(|| self.vpa.as_ref(), Vpa::as_str),
        }
    }

    /// The success body, at an instant and with an id of its own.
    pub(super) fn success(&self, account: ChangedAccount<'_>, now: Millis, id: [u8; 16]) -> Reply {
        let data = ChangedData {
            txn_id: self.txn.as_ref(),
            customer_id: self.customer.as_ref(),
            bank: self.bank.as_ref(),
            account,
            status: "MPIN_CHANGED",
            timestamp: wall::iso(now),
            message: "UPI MPIN has been changed successfully",
        };
        let data = STANDARD.encode(json(&data));
        let reply = ChangeMpinReply {
            sub_header: ReplySubHeader {
                response_uuid: Uuid::from_bytes(id).to_string(),
                service_response_id: self.service_id.as_ref(),
                service_response_version: self.service_version.as_ref(),
                channel_id: self.channel.as_ref(),
            },
            body: ChangeMpinReplyBody { code: "00", status: "Success", data },
        };
        stored(200, "00", &reply)
    }
}

impl Voice for ChangeEcho<String> {
    fn say(&self, verdict: Verdict<'_>) -> Reply {
        let Stamp { now, entropy, .. } = *verdict.stamp;
        match verdict.outcome {
            Ok(_) => {
                let kept = verdict.credential.map(|credential| self.kept(credential));
                self.success(kept.unwrap_or_else(|| self.account()), now, entropy)
            }
            Err(refusal) => change_refusal(refusal).reply(),
        }
    }
}

/// Change MPIN never says that an account exists, nor which rule a new MPIN breaks.
fn change_refusal(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::WrongPin { .. } => ApiError::WrongMpin,
        Refusal::PinRefused(_) => ApiError::WeakMpin,
        Refusal::PinBlocked { .. } => ApiError::Blocked,
        Refusal::PinNotSet => ApiError::NotSet,
        Refusal::Duplicate => ApiError::Duplicate,
        Refusal::UnknownCredential
        | Refusal::OwnerMismatch
        | Refusal::UnreadableBlock
        | Refusal::RegistrationBlocked { .. }
        | Refusal::NoSuchDebitCard
        | Refusal::DebitCardExpired
        | Refusal::DebitCardRestricted
        | Refusal::DebitCardNeverActivated
        | Refusal::WrongAtmPin
        | Refusal::OtpExpired
        | Refusal::OtpTriesExceeded
        | Refusal::WrongOtp
        | Refusal::LastFourMismatch
        | Refusal::CardCustomerMismatch
        | Refusal::CardUnusable(_)
        | Refusal::HolderNotVerified
        | Refusal::HolderMismatch
        | Refusal::AlreadyBlocked(_)
        | Refusal::NotBlocked
        | Refusal::MobileTaken
        | Refusal::CustomerWithoutCard => ApiError::InvalidInput,
        Refusal::GuessBudgetUsedUp => ApiError::TooMany(RetryAfter { seconds: 1 }),
    }
}

/// Which of the two calls that answer with `code` and `Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusCall {
    SetReset,
    OtpRequest,
}

/// The call and the header that its answer echoes.
#[derive(Debug)]
pub(super) struct StatusEcho {
    call: StatusCall,
    sub_header: SubHeader<'static>,
}

impl StatusEcho {
    pub(super) fn of(call: StatusCall, sub_header: SubHeader<'_>) -> Self {
        Self { call, sub_header: sub_header.into_owned() }
    }

    /// The answer with a code and its text; HTTP 200, whatever the code.
    pub(super) fn reply(&self, code: &'static str, status: &'static str) -> Reply {
        let (sub_header, body) = (&self.sub_header, CodeAndStatus { code, status });
        match self.call {
            StatusCall::SetReset => stored(200, code, &SetResetReply { sub_header, body }),
            StatusCall::OtpRequest => {
                stored(200, code, &OtpReply { root: OtpReplyRoot { sub_header, body } })
            }
        }
    }
}

impl Voice for StatusEcho {
    fn say(&self, verdict: Verdict<'_>) -> Reply {
        let outcome = match verdict.outcome {
            Err(Refusal::GuessBudgetUsedUp) => {
                return ApiError::TooMany(RetryAfter { seconds: 1 }).reply();
            }
            // Whether there is such a customer is told to nobody.
            Err(Refusal::UnknownCredential | Refusal::OwnerMismatch) => {
                Err(Refusal::NoSuchDebitCard)
            }
            told => told,
        };
        let (code, status) = result_code::of(outcome);
        self.reply(code, status)
    }
}
