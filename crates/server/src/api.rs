//! Our own API: verify, operator's clearing, health, keys, and the pages that explain the rest.

mod reply;

use std::time::Duration;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use kunji_core::audit::Subject;
use kunji_core::command::{Command, Request, Target};
use kunji_core::engine::Answered;
use kunji_core::ids::{Caller, CredentialId, CredentialKind, TxnId};
use kunji_core::reason::Reason;
use kunji_core::store::{FaultKind, Store as _, StoreFault};
use kunji_vault::{PinBlock, PinUse};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::reply::{ApiVoice, respond};
use crate::app::App;
use crate::body::{self, Object};
use crate::config::Role;
use crate::misread;
use crate::problem::Problem;
use crate::telemetry::because;

/// The kind and the id in a path, if they are text.
type NamedPath = Result<Path<(String, String)>, PathRejection>;

/// Longest reason that an operator may give, in bytes.
const REASON_LEN_MAX: usize = 200;

/// The routes of our own API.
pub fn routes() -> Router<App> {
    let wrong_method = || async { Problem::MethodNotAllowed };
    let page = |kind, text| get(move || async move { asset(kind, text) }).fallback(wrong_method);
    let (html, css, script) =
        ("text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8");
    Router::new()
        .route("/kunji/v1/credentials/{kind}/{id}/verify", post(verify).fallback(wrong_method))
        .route(
            "/kunji/v1/credentials/{kind}/{id}/clear-tries",
            post(clear_tries).fallback(wrong_method),
        )
        .merge(health())
        .route("/.well-known/jwks.json", get(jwks).fallback(wrong_method))
        .route("/openapi.json", page("application/json", include_str!("../assets/openapi.json")))
        .route("/docs", page(html, include_str!("../assets/docs.html")))
        .route("/docs/docs.css", page(css, include_str!("../assets/docs.css")))
        .route("/docs/docs.js", page(script, include_str!("../assets/docs.js")))
}

/// The routes that say how the process is.
pub fn health() -> Router<App> {
    let wrong_method = || async { Problem::MethodNotAllowed };
    Router::new()
        .route("/livez", get(live).fallback(wrong_method))
        .route("/readyz", get(ready).fallback(wrong_method))
}

/// How long the store may take to show that it is there.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// Nothing inline, nothing from elsewhere, no frames.
const CONTENT_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; object-src 'none'";

/// A file of the binary; nothing of it may load from anywhere else.
fn asset(kind: &'static str, text: &'static str) -> Response {
    let value = HeaderValue::from_static;
    let headers = [
        (header::CONTENT_TYPE, value(kind)),
        (header::CONTENT_SECURITY_POLICY, value(CONTENT_POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, value("nosniff")),
        (header::REFERRER_POLICY, value("no-referrer")),
        (header::CACHE_CONTROL, value("no-cache")),
    ];
    (headers, text).into_response()
}

/// What is said where the store went back; `docs/reliability.md` has the ways out.
const WENT_BACK: &str = "the database shows subjects at an earlier point than this process has seen \
    them at: it was put back or failed over to an older copy (docs/reliability.md)\n";

const STORE_FAILED: (StatusCode, &str) =
    (StatusCode::SERVICE_UNAVAILABLE, "the store has failed\n");

/// `GET /livez`: whether the process need not be started again.
async fn live(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.issuer().store.is_sound() {
        true => (StatusCode::OK, "live\n"),
        false => STORE_FAILED,
    }
}

/// `GET /readyz`: whether commits are accepted, and the store answers with what it was told.
async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    let issuer = app.issuer();
    if !issuer.store.is_sound() {
        return STORE_FAILED;
    }
    match tokio::time::timeout(READY_TIMEOUT, issuer.store.read(&Subject::Service)).await {
        Ok(Ok(_)) if issuer.store.went_back() == 0 => (StatusCode::OK, "ready\n"),
        Ok(Ok(_) | Err(StoreFault { kind: FaultKind::WentBack, .. })) => {
            (StatusCode::SERVICE_UNAVAILABLE, WENT_BACK)
        }
        Ok(Err(_)) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
    }
}

/// `GET /.well-known/jwks.json`: the keys that PIN blocks are made for.
async fn jwks(State(app): State<App>) -> Result<Response, Problem> {
    let vault = std::sync::Arc::clone(&app.issuer().vault);
    // The first RSA key takes a while; whoever asks for keys before it is there waits for it.
    let keys = tokio::task::spawn_blocking(move || {
        vault.ready_rsa().and_then(|()| vault.ready_signing()).map(|()| vault.jwks())
    });
    match keys.await {
        Ok(Ok(keys)) => Ok(([(header::CONTENT_TYPE, "application/json")], keys).into_response()),
        Ok(Err(_)) | Err(_) => Err(Problem::OutcomeUnknown),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyBody {
    txn: String,
    pin: PinBlock,
}

/// `POST /kunji/v1/credentials/{kind}/{id}/verify`.
async fn verify(
    State(app): State<App>,
    path: NamedPath,
    http: HttpRequest,
) -> Result<Response, Problem> {
    let caller = caller(&app, http.headers(), Role::Verifier)?;
    let credential = credential(path)?;
    let body: VerifyBody = read(http).await?;
    if !body.pin.is_text() {
        return Err(Problem::Invalid(Reason::mistyped("pin", "a string")));
    }
    if body.pin.is_empty() {
        return Err(Problem::Invalid(Reason::missing("pin")));
    }
    let pin_use = match credential.kind() {
        CredentialKind::Account => PinUse::Mpin,
        CredentialKind::Card => PinUse::CardPin,
    };
    let command = Command::Verify { pin: body.pin, pin_use, transit: app.config().transit };
    run(&app, caller, &body.txn, credential, command).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearTriesBody {
    txn: String,
    reason: String,
}

/// `POST /kunji/v1/credentials/{kind}/{id}/clear-tries`.
async fn clear_tries(
    State(app): State<App>,
    path: NamedPath,
    http: HttpRequest,
) -> Result<Response, Problem> {
    let caller = caller(&app, http.headers(), Role::Operator)?;
    let credential = credential(path)?;
    let ClearTriesBody { txn, reason } = read(http).await?;
    is_said(&reason).map_err(Problem::Invalid)?;
    run(&app, caller, &txn, credential, Command::ClearTries { reason }).await
}

/// A reason is one line that the audit can keep.
fn is_said(reason: &str) -> Result<(), Reason> {
    if reason.trim().is_empty() {
        return Err(Reason::missing("reason"));
    }
    if reason.len() > REASON_LEN_MAX {
        return Err(Reason::malformed("reason", "at most 200 bytes long"));
    }
    match reason.chars().any(char::is_control) {
        true => Err(Reason::malformed("reason", "one line of text")),
        false => Ok(()),
    }
}

async fn run(
    app: &App,
    caller: Caller,
    txn: &str,
    credential: CredentialId,
    command: Command,
) -> Result<Response, Problem> {
    let txn = TxnId::parse(txn).map_err(|_| {
        let expected = "1 to 100 printable ASCII characters without blanks";
        Problem::Invalid(Reason::malformed("txn", expected))
    })?;
    app.admit(caller.as_str(), &credential)?;
    let target = Target::Known(credential);
    let request = Request { caller, txn, program: None, target, command };
    let Answered { reply, reason } = app.run(request, ApiVoice).await?;
    Ok(because(respond(reply), reason))
}

fn credential(path: NamedPath) -> Result<CredentialId, Problem> {
    let Path((kind, id)) = path.map_err(|_| Problem::NotFound)?;
    let kind = CredentialKind::parse(&kind).map_err(|_| Problem::NotFound)?;
    CredentialId::parse(kind, &id).map_err(|_| Problem::UnknownCredential)
}

/// The bearer key's owner. All keys are compared, so that time does not tell which one came near.
fn caller(app: &App, headers: &HeaderMap, role: Role) -> Result<Caller, Problem> {
    let said = headers.get(header::AUTHORIZATION);
    let said = said.ok_or(Reason::HeaderMissing("Authorization".into()));
    let said = said.map_err(Problem::Unauthorized)?.to_str().ok();
    let bearer = said.and_then(|said| said.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, said) = bearer.ok_or_else(|| {
        let (header, expected) = ("Authorization".into(), "Bearer and a key".into());
        Problem::Unauthorized(Reason::HeaderMalformed { header, expected })
    })?;
    let keys = app.config().api_keys.iter();
    let owner = keys.fold(None, |owner, key| match key.key.matches(said.trim()) {
        true => Some(key),
        false => owner,
    });
    let stranger = || Problem::Unauthorized(Reason::UnknownClient);
    let owner = owner.ok_or_else(stranger)?;
    if role == Role::Operator && owner.role != Role::Operator {
        return Err(Problem::Forbidden);
    }
    Caller::parse(&format!("api:{}", owner.name)).map_err(|_| stranger())
}

/// Reads a JSON body of our own API.
pub(crate) async fn read<T: DeserializeOwned>(http: HttpRequest) -> Result<T, Problem> {
    let bytes = body::read(http).await?;
    let read = serde_json::from_slice::<Object<T>>(&bytes);
    read.map(|Object(body)| body).map_err(|_| Problem::Invalid(misread::explain::<T>(&bytes)))
}
