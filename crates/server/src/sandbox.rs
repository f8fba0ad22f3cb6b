//! What only the sandbox has: the outbox, the movable clock, and the way back to the seed.

pub mod banner;
pub mod fault;
pub mod gate;
pub mod ground;
pub mod stock;
pub mod temporary;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json};
use kunji_core::engine::Fault;
use kunji_core::ids::Mobile;
use kunji_core::reason::Reason;
use kunji_core::store::{OUTBOX_LEN_MAX, Store as _};
use serde::{Deserialize, Serialize};

use self::ground::Ground;
use crate::app::App;
use crate::problem::Problem;
use crate::{api, body, wall};

/// Furthest that one call may push the clock.
const ADVANCE_MS_MAX: i64 = 10 * 366 * 24 * 3600 * 1000;

/// The steering routes; `kunji serve` has none of them.
pub fn routes() -> Router<App> {
    let wrong_method = || async { Problem::MethodNotAllowed };
    Router::new()
        .route("/kunji/v1/sandbox/outbox", get(outbox).fallback(wrong_method))
        .route("/kunji/v1/sandbox/clock", get(clock).post(advance).fallback(wrong_method))
        .route("/kunji/v1/sandbox/reset", post(reset).fallback(wrong_method))
}

#[derive(Deserialize)]
struct OutboxQuery {
    to: String,
}

#[derive(Serialize)]
struct SentMessage {
    to: String,
    text: String,
    otp: Option<String>,
    at: String,
}

/// `GET /kunji/v1/sandbox/outbox?to=`: what would have been sent, newest first.
async fn outbox(
    State(app): State<App>,
    query: Result<Query<OutboxQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(OutboxQuery { to }) = query.map_err(|_| Problem::Invalid(Reason::missing("to")))?;
    let issuer = app.issuer();
    let mut kept = Vec::new();
    for to in spellings(&to) {
        let to = Mobile::parse(&to);
        let to = to.map_err(|_| Problem::Invalid(Reason::malformed("to", "a mobile number")))?;
        kept.extend(issuer.store.outbox(&to).await.map_err(Fault::from)?);
    }
    kept.sort_by_key(|message| std::cmp::Reverse((message.at, message.serial)));
    kept.truncate(OUTBOX_LEN_MAX);
    let open = |message: kunji_core::outbox::Message| {
        let opened = issuer.vault.open_message(&message.about.to_string(), &message.sealed)?;
        Ok(SentMessage {
            to: message.to.to_string(),
            text: opened.text.clone(),
            otp: opened.otp.clone(),
            at: wall::iso(message.at),
        })
    };
    let sent = kept.into_iter().map(open).collect::<Result<Vec<_>, kunji_vault::VaultFault>>();
    Ok(Json(sent.map_err(Fault::from)?).into_response())
}

/// A mobile number as it was given, and with or without the country code of India.
fn spellings(to: &str) -> Vec<String> {
    let other = match (to.len(), to.strip_prefix("91")) {
        (12, Some(national)) => Some(national.to_owned()),
        (10, _) => Some(format!("91{to}")),
        (_, _) => None,
    };
    std::iter::once(to.to_owned()).chain(other).collect()
}

#[derive(Serialize)]
struct ClockReply {
    now: String,
}

/// `GET /kunji/v1/sandbox/clock`.
async fn clock(State(app): State<App>) -> Json<ClockReply> {
    Json(ClockReply { now: wall::iso(app.clock().now()) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvanceBody {
    advance: String,
}

/// `POST /kunji/v1/sandbox/clock`: pushes the one clock forward.
async fn advance(
    State(app): State<App>,
    Extension(ground): Extension<Ground>,
    http: Request,
) -> Result<Json<ClockReply>, Problem> {
    let AdvanceBody { advance } = api::read(http).await?;
    let malformed =
        || Problem::Invalid(Reason::malformed("advance", "a span of time, as 24h, 1h30m or 500ms"));
    app.clock().advance(span_ms(&advance).ok_or_else(malformed)?);
    ground.keep_clock(app.clock()).map_err(|_| Problem::OutcomeUnknown)?;
    Ok(clock(State(app)).await)
}

/// `POST /kunji/v1/sandbox/reset`: back to the seed; the clock stays where it is.
async fn reset(
    State(app): State<App>,
    Extension(ground): Extension<Ground>,
    http: Request,
) -> Result<StatusCode, Problem> {
    // It takes nothing; what comes all the same must be JSON, which no foreign form can send.
    let bare = http.body().is_end_stream() && !http.headers().contains_key(CONTENT_TYPE);
    if !bare {
        body::read(http).await?;
    }
    ground.reset(&app).await.map_err(|error| {
        tracing::error!(fault = %error, "the sandbox could not be reset");
        Problem::OutcomeUnknown
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads spans as `24h`, `1h30m`, `90s` or `500ms`: whole numbers, never negative.
fn span_ms(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    let mut total: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit_len = tail.find(|letter: char| letter.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at_checked(unit_len)?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(factor)?)?;
        rest = next;
    }
    (total <= ADVANCE_MS_MAX).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_whole_and_never_negative() {
        for (text, expected) in [
            ("24h", Some(86_400_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("2d", Some(172_800_000)),
            ("0s", Some(0)),
            ("", None),
            ("h", None),
            ("-1h", None),
            ("1.5h", None),
            ("24", None),
            ("1w", None),
            ("99999999999999999999h", None),
            ("11000d", None),
        ] {
            assert_eq!(span_ms(text), expected, "{text}");
        }
    }
}
