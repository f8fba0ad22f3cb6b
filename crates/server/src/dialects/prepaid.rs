//! The prepaid card API: JSON in AES-192-CBC tokens (contract page `prepaid.md`).

mod code;
mod handlers;
mod headers;
mod reply;
mod request;
mod wire;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use kunji_core::reason::Reason;

pub use self::code::{Call, Code};
use self::reply::Plain;
use crate::app::App;
use crate::config::Config;

/// The routes of this dialect; whatever stands before `/api` is a setting.
pub(super) fn routes(config: &Config) -> Router<App> {
    let calls = format!("{}/{{api}}/{{*call}}", config.prepaid.prefix);
    let other_method = async |State(app): State<App>| wrong_method(&app, &Method::POST);
    let bare = post(handlers::reset_pin).fallback(other_method);
    Router::new().route(&calls, any(handlers::dispatch)).route("/resetPin", bare)
}

/// "Not found", when the path is under this vendor's prefix.
pub(super) fn not_found(app: &App, uri: &Uri) -> Option<Response> {
    let prefix = &app.config().prepaid.prefix;
    let rest = uri.path().strip_prefix(prefix.as_str())?;
    (!prefix.is_empty() && rest.starts_with('/')).then(|| nothing_here(app))
}

fn nothing_here(app: &App) -> Response {
    let (status, code) = (StatusCode::NOT_FOUND, Code::DataNotFound);
    Plain::of(app, status, code, Reason::UnknownPath).into_response()
}

/// Names the one method that the call has.
fn wrong_method(app: &App, allowed: &Method) -> Response {
    let (status, code) = (StatusCode::METHOD_NOT_ALLOWED, Code::OperationNotAllowed);
    let mut response = Plain::of(app, status, code, Reason::WrongMethod).into_response();
    let allowed = match *allowed == Method::PATCH {
        true => HeaderValue::from_static("PATCH"),
        false => HeaderValue::from_static("POST"),
    };
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}
