//! Outcomes and refusals in this vendor's words.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kunji_core::capture::{Ending, Order, Purpose};
use kunji_core::credential::{Account as AccountFacts, Credential, Facts, Outcome};
use kunji_core::engine::{Answered, Verdict, Voice};
use kunji_core::ids::{Mobile, Vpa};
use kunji_core::reason::Reason;
use kunji_core::receipt::Reply;
use kunji_core::refusal::Refusal;
use serde::Serialize;

use super::action::{Action, SdkError};
use super::auth::SESSION;
use super::wire::{EventReply, NoPayload, PinResult, SERVICE};
use crate::body::json;
use crate::limiter::RetryAfter;
use crate::result_code;
use crate::telemetry::{ReplyCode, because};

/// One event, ready to be sent.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) session: Option<HeaderValue>,
    pub(super) retry_after: Option<RetryAfter>,
    /// Why it is a refusal, for who runs this.
    pub(super) reason: Option<Reason>,
}

impl Event {
    /// The result of an action.
    pub(super) fn result(request_id: &str, code: &'static str, payload: impl Serialize) -> Self {
        Self::of(request_id, "process_result", code, payload)
    }

    /// The result of `initiate`.
    pub(super) fn initiated(request_id: &str, payload: impl Serialize) -> Self {
        Self::of(request_id, "initiate_result", "00", payload)
    }

    fn of(request_id: &str, event: &str, code: &'static str, payload: impl Serialize) -> Self {
        let body = EventReply {
            request_id,
            service: SERVICE,
            payload,
            error: false,
            error_message: "",
            error_code: "",
            event,
        };
        Self::ready(StatusCode::OK, code, json(&body))
    }

    /// An error of the SDK; who runs this hears the reason, if there is one.
    pub(super) fn error(
        request_id: &str,
        error: SdkError,
        message: &str,
        reason: impl Into<Option<Reason>>,
    ) -> Self {
        let body = EventReply {
            request_id,
            service: SERVICE,
            payload: NoPayload {},
            error: true,
            error_message: message,
            error_code: error.code(),
            event: "process_result",
        };
        Self::ready(StatusCode::OK, error.code(), json(&body)).because(reason)
    }

    /// The same, with why it is a refusal.
    pub(super) fn because(self, reason: impl Into<Option<Reason>>) -> Self {
        Self { reason: reason.into(), ..self }
    }

    /// That nobody says why.
    pub(super) fn not_authentic(request_id: &str, why: Reason) -> Self {
        Self::error(request_id, SdkError::NotAuthentic, "Invalid authentication data", why)
    }

    /// That the secrets could not be taken.
    pub(super) fn capture_failed(request_id: &str, why: Reason) -> Self {
        Self::error(request_id, SdkError::CaptureFailed, "Credential capture failed", why)
    }

    /// That the caller must wait.
    pub(super) fn too_many(request_id: &str, after: RetryAfter, why: Reason) -> Self {
        let error = Self::error(request_id, SdkError::UnknownOrLate, "Too many requests", why);
        Self { status: StatusCode::TOO_MANY_REQUESTS, retry_after: Some(after), ..error }
    }

    /// What was kept, byte for byte.
    pub(super) fn kept(Answered { reply, reason }: Answered) -> Self {
        Self::ready(StatusCode::OK, "stored", reply.body).because(reason)
    }

    /// How a capture ended, byte for byte.
    pub(super) fn ended(ending: Ending) -> Self {
        Self::ready(StatusCode::OK, "stored", ending.body)
    }

    fn ready(status: StatusCode, code: &'static str, body: Vec<u8>) -> Self {
        Self { status, code, body, session: None, retry_after: None, reason: None }
    }

    /// The event as a reply that can be kept.
    pub(super) fn into_reply(self) -> Reply {
        Reply { status: 200, code: self.code.to_owned(), body: self.body, nonce: [0; 16] }
    }

    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl IntoResponse for Event {
    fn into_response(self) -> Response {
        let json = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut response = (self.status, json, self.body).into_response();
        if let Some(session) = self.session {
            response.headers_mut().insert(HeaderName::from_static(SESSION), session);
        }
        if let Some(RetryAfter { seconds }) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(ReplyCode(self.code));
        because(response, self.reason)
    }
}

/// Why a capture ended without a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// Its time is over.
    Late,
    /// The customer left.
    Aborted,
    /// The customer has no device any more.
    NotAuthentic,
}

impl GivenUp {
    fn event(self, request_id: &str) -> Event {
        let why = self.reason();
        match self {
            Self::Late => Event::error(request_id, SdkError::UnknownOrLate, "Timed Out", why),
            Self::Aborted => Event::error(request_id, SdkError::Aborted, "USER_ABORTED", why),
            Self::NotAuthentic => Event::not_authentic(request_id, why),
        }
    }

    /// Why, for who runs this.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Late => Reason::rule("capture_timed_out", "the time for the secrets is over"),
            Self::Aborted => Reason::rule("capture_aborted", "the customer left the capture"),
            Self::NotAuthentic => Reason::rule(
                "capture_device_gone",
                "the customer has no bound device any more, so that the capture ended",
            ),
        }
    }
}

/// Says what the issuer decided about a capture.
pub(super) struct PinVoice {
    pub(super) order: Order,
    pub(super) mobile: Option<Mobile>,
    /// What is said when the request id was used up without a decision.
    pub(super) given_up: GivenUp,
}

impl Voice for PinVoice {
    fn say(&self, verdict: Verdict<'_>) -> Reply {
        let request_id = &self.order.request_id;
        match verdict.outcome {
            Ok(Outcome::Abandoned) => self.given_up.event(request_id).into_reply(),
            // Never kept: what was decided first stands.
            Err(Refusal::Duplicate) => {
                Event::capture_failed(request_id, Reason::OtherContent).into_reply()
            }
            decided => self.decided(result_code::of(decided), verdict.credential).into_reply(),
        }
    }
}

impl PinVoice {
    /// A result that needed no capture, or is one's end.
    pub(super) fn decided(
        &self,
        said: (&'static str, &'static str),
        credential: Option<&Credential>,
    ) -> Event {
        let (code, message) = said;
        let account = credential.and_then(account_facts);
        let bank = account.map(|account| &account.bank);
        let done = code == "00";
        let (vpa, balance) = match &self.order.purpose {
            Purpose::Set { .. } | Purpose::Change => {
                (Some(self.order.vpa.as_ref().map_or("", Vpa::as_str)), None)
            }
            Purpose::Balance => {
                let balance = bank.filter(|_| done).map_or("", |bank| bank.balance.as_str());
                (None, Some(balance))
            }
        };
        let payload = PinResult {
            action: action_of(&self.order.purpose).as_str(),
            status: status(done),
            bank_account_unique_id: bank.map_or("", |bank| &bank.unique_id),
            account_reference_id: self.order.account.name(),
            bank_code: bank.map_or("", |bank| &bank.iin),
            customer_mobile_number: masked_mobile(self.mobile.as_ref()),
            customer_vpa: vpa,
            masked_account_number: account.map(|one| masked(&one.masked)).unwrap_or_default(),
            gateway_response_code: code,
            gateway_response_message: message,
            balance,
            other_info: other_info(self.order.udf.as_deref()),
        };
        Event::result(&self.order.request_id, code, payload)
    }
}

/// What the app wanted back.
pub(super) fn other_info(udf: Option<&str>) -> &str {
    udf.unwrap_or("{}")
}

/// `SUCCESS` or `FAILURE`.
pub(super) fn status(done: bool) -> &'static str {
    match done {
        true => "SUCCESS",
        false => "FAILURE",
    }
}

/// `"true"` or `"false"`.
pub(super) fn word(holds: bool) -> &'static str {
    match holds {
        true => "true",
        false => "false",
    }
}

pub(super) fn action_of(purpose: &Purpose) -> Action {
    match purpose {
        Purpose::Set { .. } => Action::SetMpin,
        Purpose::Change => Action::ChangeMpin,
        Purpose::Balance => Action::CheckBalance,
    }
}

/// A bank account's facts; a card has none.
pub(super) fn account_facts(credential: &Credential) -> Option<&AccountFacts> {
    match &credential.facts {
        Facts::Account(account) => Some(account),
        Facts::Card(_) => None,
    }
}

/// `XXXX7890`.
pub(super) fn masked_mobile(mobile: Option<&Mobile>) -> String {
    let digits = mobile.map_or("", Mobile::as_str);
    let from = digits.len().saturating_sub(4);
    format!("XXXX{}", digits.get(from..).unwrap_or_default())
}

/// `XXXX203891`: four crosses and the digits that the bank shows.
pub(super) fn masked(account: &str) -> String {
    let shown = account.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    format!("XXXX{shown}")
}
