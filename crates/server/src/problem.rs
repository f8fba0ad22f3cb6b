//! Errors of our own API: RFC 9457 problem details.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kunji_core::engine::Fault;
use kunji_core::reason::Reason;
use serde::Serialize;

use crate::app::Unanswered;
use crate::body::{BodyError, json};
use crate::limiter::RetryAfter;
use crate::misread;
use crate::telemetry::{ReplyCode, because};

/// What went wrong, from the caller's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The body or a parameter cannot be read, or is not what it must be.
    Invalid(Reason),
    /// The credential block cannot be opened, or was used before.
    UnreadableBlock,
    /// No or a wrong bearer key.
    Unauthorized(Reason),
    /// The key may not do this.
    Forbidden,
    /// No such resource.
    NotFound,
    /// No such credential.
    UnknownCredential,
    /// Another method is needed.
    MethodNotAllowed,
    /// The request id was used before, for something else.
    Duplicate,
    /// The body is over 64 KiB.
    TooLarge,
    /// The body does not say that it is JSON.
    NotJson,
    /// The body has a content coding.
    Encoded,
    /// The sandbox is not served under this host's name.
    ForeignHost,
    /// The request comes from a web page of somebody else.
    ForeignOrigin,
    /// The allowance, or the budget of wrong guesses, is used up.
    TooMany(RetryAfter, Reason),
    /// Something broke: the outcome is unknown.
    OutcomeUnknown,
}

#[derive(Serialize)]
struct ProblemBody {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Flaw; 1]>,
}

/// What is wrong with one part of the request.
#[derive(Serialize)]
struct Flaw {
    /// A JSON pointer as a fragment, as RFC 9457 has them.
    pointer: String,
    detail: String,
}

impl Flaw {
    fn of(reason: &Reason) -> Option<Self> {
        let (Reason::MemberMissing(member)
        | Reason::MemberMistyped { member, .. }
        | Reason::MemberTooLong { member, .. }
        | Reason::MemberMalformed { member, .. }) = reason
        else {
            return None;
        };
        let pointer = match member.as_ref() {
            misread::BODY => "#".to_owned(),
            member => format!("#/{}", member.replace('.', "/")),
        };
        Some(Self { pointer, detail: reason.to_string() })
    }
}

impl Problem {
    fn words(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request", "Invalid request"),
            Self::UnreadableBlock => {
                (StatusCode::BAD_REQUEST, "unreadable_block", "Credential block not accepted")
            }
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "Not found"),
            Self::UnknownCredential => {
                (StatusCode::NOT_FOUND, "unknown_credential", "No such credential")
            }
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed")
            }
            Self::Duplicate => {
                (StatusCode::CONFLICT, "duplicate_request", "Request id used for other content")
            }
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", "Request over 64 KiB")
            }
            Self::NotJson => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "Content type must be JSON")
            }
            Self::Encoded => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded", "Content coding must be identity")
            }
            Self::ForeignHost => {
                (StatusCode::FORBIDDEN, "foreign_host", "Unknown host: allow it with --host NAME")
            }
            Self::ForeignOrigin => (
                StatusCode::FORBIDDEN,
                "foreign_origin",
                "Request of another web page: allow its origin with --cors ORIGIN",
            ),
            Self::TooMany(..) => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests")
            }
            Self::OutcomeUnknown => (
                StatusCode::SERVICE_UNAVAILABLE,
                "outcome_unknown",
                "Outcome unknown: send the same request again",
            ),
        }
    }

    /// The status, the code and the body.
    #[must_use]
    pub fn say(&self) -> (StatusCode, &'static str, Vec<u8>) {
        let (status, code, title) = self.words();
        let errors = self.reason().and_then(|reason| Flaw::of(&reason)).map(|flaw| [flaw]);
        let http = status.as_u16();
        let body = ProblemBody { kind: "about:blank", title, status: http, code, errors };
        // Text and a number: writing them to memory cannot fail.
        (status, code, json(&body))
    }
}

impl Problem {
    /// Why it is one, where that is not known from what was decided.
    fn reason(&self) -> Option<Reason> {
        match self {
            Self::Invalid(reason) | Self::Unauthorized(reason) | Self::TooMany(_, reason) => {
                Some(reason.clone())
            }
            Self::Forbidden => Some(Reason::RoleMissing("operator".into())),
            Self::NotFound => Some(Reason::UnknownPath),
            Self::UnknownCredential => Some(Reason::NoSuchCredential),
            Self::MethodNotAllowed => Some(Reason::WrongMethod),
            Self::TooLarge => Some(BodyError::TooLarge.into()),
            Self::NotJson => Some(Reason::NotCalledJson),
            Self::Encoded => Some(Reason::Encoded),
            Self::ForeignHost => Some(Reason::HeaderMalformed {
                header: "Host".into(),
                expected: "a loopback name or address, the listen address, or a name of --host"
                    .into(),
            }),
            Self::ForeignOrigin => Some(Reason::HeaderMalformed {
                header: "Origin".into(),
                expected: "the sandbox's own, or one of --cors".into(),
            }),
            Self::UnreadableBlock | Self::Duplicate | Self::OutcomeUnknown => None,
        }
    }
}

/// The media type of problem details.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, body) = self.say();
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        if let Self::TooMany(RetryAfter { seconds }, _) = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self, Self::Unauthorized(_)) {
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(ReplyCode(code));
        because(response, self.reason())
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::NotJson => Self::NotJson,
            BodyError::Encoded => Self::Encoded,
            BodyError::TooLarge => Self::TooLarge,
            BodyError::Incomplete => Self::Invalid(error.into()),
        }
    }
}

impl From<RetryAfter> for Problem {
    fn from(after: RetryAfter) -> Self {
        Self::TooMany(after, Reason::AllowanceUsedUp)
    }
}

impl From<Unanswered> for Problem {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Fault(fault) => fault.into(),
            Unanswered::TooMany(after) => Self::TooMany(after, Reason::GuessBudgetUsedUp),
        }
    }
}

impl From<Fault> for Problem {
    fn from(_: Fault) -> Self {
        Self::OutcomeUnknown
    }
}
