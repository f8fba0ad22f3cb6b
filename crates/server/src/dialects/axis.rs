//! The Axis-style bank API: change MPIN, set or reset MPIN, OTP request (contract page `axis.md`).

mod client;
mod handlers;
mod reply;
mod request;
mod wire;

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use kunji_core::reason::Reason;

use self::reply::ApiError;
use crate::app::App;
use crate::config::Config;

/// Where an MPIN is changed.
pub const CHANGE_MPIN: &str = "/api/transactions/v1/changempin";
/// Where an MPIN is set or reset.
pub const SET_RESET_MPIN: &str = "/api/axis/upi/set-reset-mpin";
/// Where an OTP is asked for.
pub const OTP_REQUEST: &str = "/api/axis/upi/otp/request";

pub use self::reply::ALL_CODES;

/// The routes of this dialect.
pub(super) fn routes(config: &Config) -> Router<App> {
    if !config.axis.is_spoken() {
        return Router::new();
    }
    let wrong_method = || async { ApiError::MethodNotAllowed.because(Reason::WrongMethod) };
    Router::new()
        .route(CHANGE_MPIN, post(handlers::change_mpin).fallback(wrong_method))
        .route(SET_RESET_MPIN, post(handlers::set_reset_mpin).fallback(wrong_method))
        .route(OTP_REQUEST, post(handlers::request_otp).fallback(wrong_method))
}

/// "Not found", when the path is under this vendor's roots.
pub(super) fn not_found(uri: &Uri) -> Option<Response> {
    let ours = ["/api/transactions/", "/api/axis/"];
    let ours = ours.iter().any(|root| uri.path().starts_with(root));
    ours.then(|| ApiError::NotFound.because(Reason::UnknownPath).into_response())
}
