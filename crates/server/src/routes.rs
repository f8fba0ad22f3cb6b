//! The street map: every route of the process, each request logged and counted.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::problem::Problem;
use crate::telemetry::{Metrics, Reasons, RequestLog};
use crate::{api, dialects, sandbox};

/// All routes, each request logged and counted.
pub fn all(app: &App, metrics: Arc<Metrics>) -> Router {
    let mut router = Router::new().merge(api::routes()).merge(dialects::routes(app));
    if app.is_sandbox() {
        router = router.merge(sandbox::routes());
    }
    let reasons = if app.is_sandbox() { Reasons::InTheLine } else { Reasons::Apart };
    router.fallback(nothing_here).layer(RequestLog::new(metrics, reasons)).with_state(app.clone())
}

async fn nothing_here(State(app): State<App>, request: Request) -> Response {
    let vendor = dialects::not_found(&app, request.uri());
    vendor.unwrap_or_else(|| Problem::NotFound.into_response())
}
