//! The calls: who asks, open the token, decide, seal the answer.

use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kunji_core::command::{HolderCheck, Target};
use kunji_core::engine::Answered;
use kunji_core::reason::Reason;
use kunji_core::store::Store as _;
use kunji_core::time::Clock as _;
use serde::de::IgnoredAny;

use super::code::{Call, Code};
use super::headers::{self, Consumer};
use super::reply::{Echo, Plain, Refused, respond};
use super::request::{self, Ask, Terms};
use super::wire::{CallBody, TokenBody};
use crate::app::{App, Unanswered, UnknownMode};
use crate::body::{self, BodyError, Object};
use crate::config::PrepaidClient;
use crate::telemetry::because;

/// Every broken token is answered this long after it came, whatever broke in it.
const BROKEN_TOKEN_DELAY: Duration = Duration::from_millis(3);

/// Why check status finds nothing.
const NOTHING_STORED: Reason =
    Reason::rule("nothing_stored", "no decided request of this client has this id");

/// `{prefix}/api/...`: the calls, by path and method.
pub(super) async fn dispatch(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    http: Request,
) -> Response {
    let Ok(Path((api, path))) = path else {
        return super::nothing_here(&app);
    };
    if !api.eq_ignore_ascii_case("api") {
        return super::nothing_here(&app);
    }
    let (call, consumer, method) = match path.as_str() {
        "onboarding/v1/resetPin" => (Call::ResetPin, Consumer::NotAsked, Method::POST),
        "onboarding/v3/resetPin" => (Call::ResetPin, Consumer::Asked, Method::POST),
        "issuance/v1/createCard" => (Call::CreateCard, Consumer::NotAsked, Method::POST),
        "onboarding/v1/verifyCardholder" => {
            (Call::VerifyCardholder, Consumer::NotAsked, Method::POST)
        }
        "onboarding/v1/cardInquiry" => (Call::CardInquiry, Consumer::NotAsked, Method::POST),
        "onboarding/v1/block" => (Call::Block, Consumer::NotAsked, Method::PATCH),
        "onboarding/v1/unblock" => (Call::Unblock, Consumer::NotAsked, Method::PATCH),
        "onboarding/v1/checkStatus" => (Call::CheckStatus, Consumer::NotAsked, Method::POST),
        "v2/encrypt" | "v2/decrypt" if app.is_sandbox() => {
            return helper(&app, &path, http).await.into_response();
        }
        _ => return super::nothing_here(&app),
    };
    match *http.method() == method {
        true => answer(&app, call, consumer, http).await.into_response(),
        false => super::wrong_method(&app, &method),
    }
}

/// Bare `/resetPin`.
pub(super) async fn reset_pin(State(app): State<App>, http: Request) -> Response {
    answer(&app, Call::ResetPin, Consumer::NotAsked, http).await.into_response()
}

async fn answer(
    app: &App,
    call: Call,
    consumer: Consumer,
    http: Request,
) -> Result<Response, Plain> {
    let client = headers::client(app, (http.headers(), http.extensions()), consumer)?;
    let holder = holder_check(app, http.headers())?;
    let bytes = bytes(app, http).await?;
    let stamp = app.clock().stamp();
    let braked = |after| Plain::too_many(app, after, Reason::GuessingKeys);
    app.admit_token(&client.client_id).map_err(braked)?;
    let echo = Echo::blank(call, client);
    // Drawn before the token is looked at, so that no kind of token takes longer.
    let echo = match app.serial().await {
        Ok(serial) => echo.numbered(serial, &stamp),
        Err(_) => return Ok(respond(app, client, &echo.failure(Code::UnableToProcess, &stamp))),
    };
    let body = match open(app, client, &bytes).await {
        Ok(body) => body,
        Err(reason) => {
            let broken = respond(app, client, &echo.failure(Code::MalformedRequest, &stamp));
            return Ok(because(broken, Some(reason)));
        }
    };
    let echo = echo.with(&body);
    let issuer = app.issuer();
    let pin_length = app.config().prepaid.pin_length;
    let terms = Terms { issuer: &issuer, client, holder, pin_length, stamp };
    let (reply, reason) = match request::read(call, body, &terms).await {
        Err(Refused { code, reason }) => (echo.failure(code, &stamp), reason),
        Ok(Ask::Run(request)) => {
            if let Target::Known(card) = &request.target {
                let used_up = |after| Plain::too_many(app, after, Reason::AllowanceUsedUp);
                app.admit(request.caller.as_str(), card).map_err(used_up)?;
            }
            let unknown = echo.failure(Code::UnableToProcess, &stamp);
            match app.run(*request, echo).await {
                Ok(Answered { reply, reason }) => (reply, reason),
                Err(Unanswered::TooMany(after)) => {
                    return Err(Plain::too_many(app, after, Reason::GuessBudgetUsedUp));
                }
                Err(Unanswered::Fault(_)) => (unknown, None),
            }
        }
        Ok(Ask::Stored(key)) => match issuer.store.receipt(&key).await {
            Ok(Some(receipt)) => (echo.status(&receipt, &stamp), None),
            Ok(None) => (echo.failure(Code::NoStoredAnswer, &stamp), Some(NOTHING_STORED)),
            Err(fault) => {
                app.report(&fault.into(), "receipt");
                (echo.failure(Code::UnableToProcess, &stamp), None)
            }
        },
    };
    Ok(because(respond(app, client, &reply), reason))
}

/// Opens the token. A broken one has a reason for who runs this; the client does not learn it.
async fn open(app: &App, client: &PrepaidClient, bytes: &Bytes) -> Result<CallBody, Reason> {
    let begun = Instant::now();
    let opened = match serde_json::from_slice::<Object<TokenBody>>(bytes) {
        Ok(Object(body)) => client.key.open(&body.token).map_err(|broken| Reason::Token(broken.0)),
        Err(error) => Err(no_token(&error)),
    };
    if opened.is_err() {
        app.count_broken_token(&client.client_id);
        tokio::time::sleep_until((begun + BROKEN_TOKEN_DELAY).into()).await;
    }
    opened.map(|Object(body)| body)
}

/// Why a body holds no token at all.
fn no_token(error: &serde_json::Error) -> Reason {
    body::broken(error).unwrap_or(Reason::mistyped("token", "a string in an object"))
}

async fn bytes(app: &App, http: Request) -> Result<Bytes, Plain> {
    body::read(http).await.map_err(|error| {
        let status = match error {
            BodyError::NotJson | BodyError::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Incomplete => StatusCode::BAD_REQUEST,
        };
        Plain::of(app, status, Code::MalformedRequest, error.into())
    })
}

fn holder_check(app: &App, headers: &HeaderMap) -> Result<HolderCheck, Plain> {
    let asked = app.asks_live(headers).map_err(|UnknownMode| {
        let (header, expected) = ("X-Kunji-Mode".into(), "`live`".into());
        let reason = Reason::HeaderMalformed { header, expected };
        Plain::of(app, StatusCode::BAD_REQUEST, Code::InvalidMessage, reason)
    })?;
    if app.config().prepaid.require_verified_card || asked {
        Ok(HolderCheck::Required)
    } else {
        Ok(HolderCheck::Waived)
    }
}

/// `/api/v2/encrypt` and `/api/v2/decrypt`: oracles, so in the sandbox only.
async fn helper(app: &App, path: &str, http: Request) -> Result<Response, Plain> {
    let malformed =
        |reason| Plain::of(app, StatusCode::BAD_REQUEST, Code::MalformedRequest, reason);
    let unread = |error: serde_json::Error| malformed(no_token(&error));
    if *http.method() != Method::POST {
        return Ok(super::wrong_method(app, &Method::POST));
    }
    let caller = (http.headers(), http.extensions());
    let client = headers::client(app, caller, Consumer::NotAsked)?;
    let bytes = bytes(app, http).await?;
    if path == "v2/decrypt" {
        let Object::<TokenBody>(body) = serde_json::from_slice(&bytes).map_err(unread)?;
        let text = client.key.open_text(&body.token);
        let text = text.map_err(|broken| malformed(Reason::Token(broken.0)))?;
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        return Ok((json, text.as_str().to_owned()).into_response());
    }
    serde_json::from_slice::<IgnoredAny>(&bytes).map_err(unread)?;
    let stamp = app.clock().stamp();
    let unsealed = |_| Plain::broken(app, StatusCode::SERVICE_UNAVAILABLE, Code::UnableToProcess);
    let token = client.key.seal(&bytes, stamp.entropy).map_err(unsealed)?;
    Ok(Json(TokenBody { token }).into_response())
}
