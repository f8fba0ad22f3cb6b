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
use kunji_core::store::Store as _;
use kunji_core::time::Clock as _;
use serde::de::IgnoredAny;

use super::code::{Call, Code};
use super::headers::{self, Consumer};
use super::reply::{Echo, Plain, respond};
use super::request::{self, Ask, Terms};
use super::wire::{CallBody, TokenBody};
use crate::app::{App, Unanswered};
use crate::body::{self, BodyError, Object};
use crate::config::PrepaidClient;
use crate::telemetry::because;

/// Every broken token is answered this long after it came, whatever broke in it.
const BROKEN_TOKEN_DELAY: Duration = Duration::from_millis(3);

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
    app.admit_token(&client.client_id).map_err(|after| Plain::too_many(app, after))?;
    let echo = Echo::blank(call, client);
    // Drawn before the token is looked at, so that no kind of token takes longer.
    let echo = match app.serial().await {
        Ok(serial) => echo.numbered(serial, &stamp),
        Err(_) => return Ok(respond(app, client, &echo.failure(Code::UnableToProcess, &stamp))),
    };
    let Some(body) = open(app, client, &bytes).await else {
        return Ok(respond(app, client, &echo.failure(Code::MalformedRequest, &stamp)));
    };
    let echo = echo.with(&body);
    let issuer = app.issuer();
    let pin_length = app.config().prepaid.pin_length;
    let terms = Terms { issuer: &issuer, client, holder, pin_length, stamp };
    let reply = match request::read(call, body, &terms).await {
        Err(code) => echo.failure(code, &stamp),
        Ok(Ask::Run(request)) => {
            if let Target::Known(card) = &request.target {
                app.admit(request.caller.as_str(), card)
                    .map_err(|after| Plain::too_many(app, after))?;
            }
            let unknown = echo.failure(Code::UnableToProcess, &stamp);
            match app.run(*request, echo).await {
                Ok(Answered { reply, reason }) => {
                    return Ok(because(respond(client, &reply), reason));
                }
                Err(Unanswered::TooMany(after)) => return Err(Plain::too_many(after)),
                Err(Unanswered::Fault(_)) => unknown,
            }
        }
        Ok(Ask::Stored(key)) => match issuer.store.receipt(&key).await {
            Ok(Some(receipt)) => echo.status(&receipt, &stamp),
            Ok(None) => echo.failure(Code::NoStoredAnswer, &stamp),
            Err(fault) => {
                app.report(&fault.into(), "receipt");
                echo.failure(Code::UnableToProcess, &stamp)
            }
        },
    };
    Ok(respond(app, client, &reply))
}

/// Opens the token. `None`: it is broken, and nobody learns in which way.
async fn open(app: &App, client: &PrepaidClient, bytes: &Bytes) -> Option<CallBody> {
    let begun = Instant::now();
    let token = serde_json::from_slice::<Object<TokenBody>>(bytes).ok();
    let body = token.and_then(|Object(body)| client.key.open::<Object<CallBody>>(&body.token).ok());
    if let Some(Object(body)) = body {
        return Some(body);
    }
    app.count_broken_token(&client.client_id);
    tokio::time::sleep_until((begun + BROKEN_TOKEN_DELAY).into()).await;
    None
}

async fn bytes(app: &App, http: Request) -> Result<Bytes, Plain> {
    let plain = |status| Plain::of(app, status, Code::MalformedRequest);
    if !body::is_json(http.headers()) {
        return Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    body::read(http.into_body()).await.map_err(|error| match error {
        BodyError::TooLarge => plain(StatusCode::PAYLOAD_TOO_LARGE),
        BodyError::Incomplete => plain(StatusCode::BAD_REQUEST),
    })
}

/// The setting decides; in the sandbox a header may ask for more, and for nothing else.
fn holder_check(app: &App, headers: &HeaderMap) -> Result<HolderCheck, Plain> {
    let mode = headers.get("x-kunji-mode").filter(|_| app.is_sandbox());
    let mode = mode.map(|mode| mode.as_bytes().eq_ignore_ascii_case(b"live"));
    match (mode, app.config().prepaid.require_verified_card) {
        (Some(false), _) => Err(Plain::of(app, StatusCode::BAD_REQUEST, Code::InvalidMessage)),
        (Some(true), _) | (None, true) => Ok(HolderCheck::Required),
        (None, false) => Ok(HolderCheck::Waived),
    }
}

/// `/api/v2/encrypt` and `/api/v2/decrypt`: oracles, so in the sandbox only.
async fn helper(app: &App, path: &str, http: Request) -> Result<Response, Plain> {
    let malformed = || Plain::of(app, StatusCode::BAD_REQUEST, Code::MalformedRequest);
    if *http.method() != Method::POST {
        return Ok(super::wrong_method(app, &Method::POST));
    }
    let caller = (http.headers(), http.extensions());
    let client = headers::client(app, caller, Consumer::NotAsked)?;
    let bytes = bytes(app, http).await?;
    if path == "v2/decrypt" {
        let Object::<TokenBody>(body) = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
        let text = client.key.open_text(&body.token).map_err(|_| malformed())?;
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        return Ok((json, text.as_str().to_owned()).into_response());
    }
    serde_json::from_slice::<IgnoredAny>(&bytes).map_err(|_| malformed())?;
    let token = client.key.seal(&bytes, app.clock().stamp().entropy).map_err(|_| malformed())?;
    Ok(Json(TokenBody { token }).into_response())
}
