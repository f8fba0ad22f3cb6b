//! One folder for each vendor. Adding a vendor is adding a folder and one line here.

pub mod axis;
pub mod hyper;
pub mod merchants;
pub mod prepaid;

use axum::Router;
use axum::http::Uri;
use axum::response::Response;
use kunji_core::engine::Fault;
use kunji_core::ids::CaptureId;

use crate::app::App;

/// The routes of all dialects.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .merge(axis::routes(app.config()))
        .merge(prepaid::routes(app.config()))
        .merge(hyper::routes())
        .merge(merchants::routes(app.config()))
}

/// "Not found" in the words of the vendor whose path it is, if it is anybody's.
#[must_use]
pub fn not_found(app: &App, uri: &Uri) -> Option<Response> {
    axis::not_found(uri)
        .or_else(|| prepaid::not_found(app, uri))
        .or_else(|| hyper::not_found(uri))
        .or_else(|| merchants::not_found(app, uri))
}

/// Whether the path is of a page that other web pages may open.
#[must_use]
pub fn is_page(path: &str) -> bool {
    hyper::is_page(path)
}

/// Ends a capture whose time is over, in the words of the vendor whose it is.
///
/// # Errors
/// `Fault` when something broke; its errand then stands.
pub(crate) async fn expire_capture(app: &App, id: CaptureId) -> Result<(), Fault> {
    hyper::expire(app, id).await
}
