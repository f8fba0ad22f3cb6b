//! Outcomes and refusals in our own words.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kunji_core::credential::Outcome;
use kunji_core::engine::{Verdict, Voice};
use kunji_core::receipt::Reply;
use kunji_core::refusal::Refusal;
use kunji_core::time::Millis;
use serde::Serialize;

use crate::body::json;
use crate::limiter::RetryAfter;
use crate::problem::{PROBLEM_JSON, Problem};
use crate::telemetry::ReplyCode;
use crate::wall;

const VERDICTS: [&str; 5] = ["verified", "wrong_pin", "blocked", "not_set", "cleared"];

#[derive(Serialize)]
struct VerdictReply {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// Says verdicts with HTTP 200 and everything else as a problem.
pub(super) struct ApiVoice;

impl Voice for ApiVoice {
    fn say(&self, verdict: Verdict<'_>) -> Reply {
        match verdict.outcome {
            Ok(Outcome::TriesCleared) => said("cleared", None),
            Ok(
                Outcome::Verified
                | Outcome::Changed
                | Outcome::OtpSent
                | Outcome::PinSet
                | Outcome::CardCreated
                | Outcome::HolderVerified
                | Outcome::Inquired
                | Outcome::CardBlocked
                | Outcome::CardUnblocked
                | Outcome::Abandoned,
            ) => said("verified", None),
            Err(refusal) => refused(refusal),
        }
    }
}

fn refused(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::WrongPin { .. } => said("wrong_pin", None),
        Refusal::PinBlocked { until } => said("blocked", Some(until)),
        Refusal::PinNotSet => said("not_set", None),
        Refusal::UnknownCredential => problem(Problem::UnknownCredential),
        Refusal::UnreadableBlock => problem(Problem::UnreadableBlock),
        Refusal::Duplicate => problem(Problem::Duplicate),
        Refusal::GuessBudgetUsedUp => {
            problem(Problem::TooMany(RetryAfter { seconds: 1 }, refusal.into()))
        }
        Refusal::OwnerMismatch
        | Refusal::PinRefused(_)
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
        | Refusal::CustomerWithoutCard => problem(Problem::Invalid(refusal.into())),
    }
}

fn said(verdict: &'static str, until: Option<Millis>) -> Reply {
    let reply = VerdictReply { verdict, until: until.map(wall::iso) };
    Reply { status: 200, code: verdict.to_owned(), body: json(&reply), nonce: [0; 16] }
}

fn problem(problem: Problem) -> Reply {
    let (status, code, body) = problem.say();
    Reply { status: status.as_u16(), code: code.to_owned(), body, nonce: [0; 16] }
}

/// A reply on the wire.
pub(super) fn respond(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = match status.is_success() {
        true => HeaderValue::from_static("application/json"),
        false => PROBLEM_JSON,
    };
    let code = VERDICTS.iter().find(|verdict| **verdict == reply.code);
    let mut response = (status, [(header::CONTENT_TYPE, kind)], reply.body).into_response();
    response.extensions_mut().insert(ReplyCode(code.copied().unwrap_or("problem")));
    response
}
