//! The in-app SDK's process payloads over HTTP (contract page `hyper-sdk.md`).

mod accounts;
mod action;
mod auth;
mod captures;
mod handlers;
mod numbers;
mod page;
mod pins;
mod profile;
mod reply;
mod request;
mod wire;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use kunji_core::engine::Fault;
use kunji_core::ids::CaptureId;
use kunji_core::reason::Reason;

pub use self::action::{ALL_CODES, Action};
use self::reply::Event;
use crate::app::App;

/// Where actions are asked for.
pub const PROCESS: &str = "/hyper/v1/process";
/// Below this path are the captures.
pub const CAPTURES: &str = "/hyper/v1/captures";

/// What stands at a capture that is not there.
const NO_CAPTURE: &str = include_str!("../../assets/no_capture.html");

/// The routes of this dialect.
pub(super) fn routes() -> Router<App> {
    let capture = format!("{CAPTURES}/{{id}}");
    let wrong_method = || async { wrong_method() };
    let asset = |kind, text| get(move || async move { asset(kind, text) }).fallback(wrong_method);
    Router::new()
        .route(PROCESS, post(handlers::process).fallback(wrong_method))
        .route(&capture, post(handlers::submit).delete(handlers::cancel).fallback(wrong_method))
        .route(&format!("{capture}/result"), get(handlers::result).fallback(wrong_method))
        .route(&format!("{capture}/page"), get(handlers::page).fallback(wrong_method))
        .route("/hyper/v1/capture.css", asset("text/css; charset=utf-8", STYLE))
        .route("/hyper/v1/capture.js", asset("text/javascript; charset=utf-8", SCRIPT))
}

/// Whether the path is of the page on which a customer enters secrets, which an app opens.
pub(super) fn is_page(path: &str) -> bool {
    let capture = path.strip_prefix(CAPTURES).and_then(|rest| rest.strip_prefix('/'));
    capture.and_then(|rest| rest.split_once('/')).is_some_and(|(_, rest)| rest == "page")
}

const STYLE: &str = include_str!("../../assets/capture.css");
const SCRIPT: &str = include_str!("../../assets/capture.js");

/// Nothing inline, nothing from elsewhere, no frames, no forms.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'none'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// A page that leaves nothing behind: no cache, no referrer, no frames.
fn html(status: StatusCode, page: String) -> Response {
    let value = HeaderValue::from_static;
    let headers = [
        (header::CONTENT_TYPE, value("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, value(CONTENT_POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, value("nosniff")),
        (header::REFERRER_POLICY, value("no-referrer")),
        (header::CACHE_CONTROL, value("no-store")),
        (HeaderName::from_static("cross-origin-opener-policy"), value("same-origin")),
        (HeaderName::from_static("cross-origin-resource-policy"), value("same-origin")),
        (
            HeaderName::from_static("permissions-policy"),
            value("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        ),
    ];
    (status, headers, page).into_response()
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let value = HeaderValue::from_static;
    let headers = [
        (header::CONTENT_TYPE, value(kind)),
        (header::X_CONTENT_TYPE_OPTIONS, value("nosniff")),
        (header::REFERRER_POLICY, value("no-referrer")),
        (header::CACHE_CONTROL, value("no-cache")),
        (HeaderName::from_static("cross-origin-resource-policy"), value("same-origin")),
    ];
    (headers, text).into_response()
}

fn wrong_method() -> Event {
    let why = Reason::WrongMethod;
    Event::error("", action::SdkError::BadParameter, "The method is not allowed", why)
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

/// "Not found", when the path is under this vendor's root.
pub(super) fn not_found(uri: &Uri) -> Option<Response> {
    let event = || {
        let why = Reason::UnknownPath;
        Event::error("", action::SdkError::BadParameter, "There is no such path", why)
            .with_status(StatusCode::NOT_FOUND)
    };
    uri.path().starts_with("/hyper/").then(|| event().into_response())
}

/// Ends a capture whose time is over.
pub(super) async fn expire(app: &App, id: CaptureId) -> Result<(), Fault> {
    match captures::find(app, &id).await? {
        Some(sitting) if sitting.is_late(app) => sitting.expire(app).await.map(drop),
        Some(_) | None => app.issuer().end_capture(&id).await.map(drop),
    }
}
