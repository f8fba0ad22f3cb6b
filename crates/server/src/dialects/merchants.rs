//! The UPI number server API (contract page `upi-number.md`).

mod code;
mod envelope;
mod handlers;
mod integrity;
mod numbers;
mod reply;
mod request;
mod wire;

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::any;

pub use self::code::ALL_CODES;
use self::reply::Failure;
use crate::app::App;
use crate::config::Config;

/// The routes of this dialect; whatever stands before the version is a setting.
pub(super) fn routes(config: &Config) -> Router<App> {
    if config.upi.merchants.is_empty() {
        return Router::new();
    }
    let calls = format!("{}/{{version}}/merchants/{{*call}}", config.upi.prefix);
    Router::new().route(&calls, any(handlers::dispatch))
}

/// "Not found", when the path is under this vendor's roots.
pub(super) fn not_found(app: &App, uri: &Uri) -> Option<Response> {
    let upi = &app.config().upi;
    let rest = uri.path().strip_prefix(upi.prefix.as_str())?.strip_prefix('/')?;
    let (_, rest) = rest.split_once('/')?;
    let ours = matches!(rest, "merchants" | "merchants/") && !upi.merchants.is_empty();
    ours.then(|| Failure::no_such_call().into_response())
}
