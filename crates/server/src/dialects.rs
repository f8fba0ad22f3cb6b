//! One folder for each vendor. Adding a vendor is adding a folder and one line here.

pub mod axis;
pub mod prepaid;

use axum::Router;
use axum::http::Uri;
use axum::response::Response;

use crate::app::App;

/// The routes of all dialects.
pub fn routes(app: &App) -> Router<App> {
    Router::new().merge(axis::routes(app.config())).merge(prepaid::routes(app.config()))
}

/// "Not found" in the words of the vendor whose path it is, if it is anybody's.
#[must_use]
pub fn not_found(app: &App, uri: &Uri) -> Option<Response> {
    axis::not_found(uri).or_else(|| prepaid::not_found(app, uri))
}
