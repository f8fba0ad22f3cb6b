//! The street map: every route of the process, each request logged and counted.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router, middleware};

use crate::app::App;
use crate::problem::Problem;
use crate::sandbox::gate::{self, Gate};
use crate::sandbox::ground::Ground;
use crate::telemetry::{self, Metrics, Reasons, RequestLog};
use crate::{api, dialects, sandbox};

/// The routes of `kunji serve`.
pub fn service(app: &App, metrics: Arc<Metrics>) -> Router {
    vendors(app).layer(RequestLog::new(metrics, Reasons::Apart)).with_state(app.clone())
}

/// The routes of `kunji sandbox`, behind its gate.
pub fn sandbox(app: &App, metrics: Arc<Metrics>, ground: Ground, gate: Gate) -> Router {
    vendors(app)
        .merge(sandbox::routes())
        .layer(Extension(ground))
        .layer(middleware::from_fn_with_state(Arc::new(gate), gate::check))
        .layer(RequestLog::new(metrics, Reasons::InTheLine))
        .with_state(app.clone())
}

/// What an operator looks at, on a port of its own: health and metrics.
pub fn operator(app: &App, metrics: Arc<Metrics>) -> Router {
    api::health().with_state(app.clone()).merge(telemetry::metrics::router(metrics))
}

fn vendors(app: &App) -> Router<App> {
    Router::new().merge(api::routes()).merge(dialects::routes(app)).fallback(nothing_here)
}

async fn nothing_here(State(app): State<App>, request: Request) -> Response {
    let vendor = dialects::not_found(&app, request.uri());
    vendor.unwrap_or_else(|| Problem::NotFound.into_response())
}
