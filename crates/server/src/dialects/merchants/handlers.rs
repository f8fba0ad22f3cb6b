//! The calls: who asks, what for, and the answer.

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kunji_core::engine::Answered;
use kunji_core::reason::Reason;
use kunji_core::time::Clock as _;

use super::code::Call;
use super::integrity::{self, Signed};
use super::reply::Failure;
use super::{envelope, numbers, request};
use crate::app::App;
use crate::body::{self, BodyError};
use crate::sandbox::fault;

/// Longest `{apiVersion}`, a label that routes and nothing else.
const VERSION_LEN_MAX: usize = 8;

/// `{prefix}/{apiVersion}/merchants/...`: the calls, by path.
pub(super) async fn dispatch(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    http: Request,
) -> Response {
    match arrived(path, http).await {
        Err(failure) => failure.into_response(),
        Ok((call, headers, bytes)) => match integrity::check(&app, &headers, bytes).await {
            Err(failure) => failure.into_response(),
            Ok(signed) => {
                let (answered, retry_after) = match answer(&app, call, &signed, &headers).await {
                    Ok(answered) => (answered, None),
                    Err(failure) => {
                        let retry_after = failure.retry_after();
                        (failure.answered(), retry_after)
                    }
                };
                envelope::respond(&app, &signed.mode, answered, retry_after).await
            }
        },
    }
}

/// What is said to everybody, proven or not.
async fn arrived(
    path: Result<Path<(String, String)>, PathRejection>,
    http: Request,
) -> Result<(Call, HeaderMap, Bytes), Failure> {
    let Path((version, path)) = path.map_err(|_| Failure::no_such_call())?;
    let label = version.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let label = label && (1..=VERSION_LEN_MAX).contains(&version.len());
    let call = Call::of(&path).filter(|_| label).ok_or_else(Failure::no_such_call)?;
    if *http.method() != Method::POST {
        let reason = Reason::WrongMethod;
        return Err(Failure::transport(StatusCode::METHOD_NOT_ALLOWED, "Use POST", reason));
    }
    let headers = http.headers().clone();
    let bytes = body::read(http).await.map_err(|error| {
        let (status, message) = match error {
            BodyError::NotJson => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type is not application/json")
            }
            BodyError::Encoded => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-encoding is not identity")
            }
            BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request body is over 64 KiB"),
            BodyError::Incomplete => (StatusCode::BAD_REQUEST, "Request body is incomplete"),
        };
        Failure::transport(status, message, error.into())
    })?;
    Ok((call, headers, bytes))
}

async fn answer(
    app: &App,
    call: Call,
    signed: &Signed<'_>,
    headers: &HeaderMap,
) -> Result<Answered, Failure> {
    let body = request::parse(&signed.body)?;
    let stamped = match &signed.stamped {
        Some(stamped) => {
            request::millis(stamped).ok_or_else(|| Failure::header("x-timestamp", "13 digits"))?
        }
        None => request::issued(&body.iat)
            .ok_or_else(|| Failure::member("iat", "10 digits (seconds) or 13 (milliseconds)"))?,
    };
    // A moved sandbox clock must not make every caller look late.
    let real = app.clock().stamp().real;
    if real.0.abs_diff(stamped) > app.config().upi.timestamp_ms.unsigned_abs() {
        return Err(request::expired(signed.stamped.is_some()));
    }
    let print = app.issuer().vault.fingerprint();
    let wait = fault::pending(app, headers);
    let wait = wait.map_err(|_| Failure::header(fault::HEADER, fault::PENDING))?;
    let ask = request::read(call, &body, signed, print)?.waiting(wait);
    let (caller, customer) = ask.allowance();
    app.admit_customer(caller.as_str(), customer).map_err(Failure::too_many)?;
    let issuer = app.issuer();
    let operation = call.action().as_str();
    let done = app.act(operation, async move { numbers::perform(&issuer, &ask).await }).await;
    done.map_err(|_| Failure::unknown())
}
