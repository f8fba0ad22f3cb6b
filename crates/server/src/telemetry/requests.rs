//! Names, counts, times and logs each request.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use kunji_core::reason::Reason;

use super::metrics::{Metrics, RequestLabels, RouteLabel, method_label};

/// Longest request id that a caller may choose, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The status noted for a request whose caller left before the answer.
const CALLER_LEFT: u16 = 499;

/// The name of one request: the caller's own, if it is a plain word, else a fresh one.
///
/// It is in the request's extensions and in the `x-request-id` header of the answer.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// A response's extension: the code that the vendor's own format gives to this outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyCode(pub &'static str);

/// A response's extension: why the request was refused. It is said to who runs this only: by the
/// sandbox in the line of the request, by a service in a line of its own at `debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because(pub Reason);

/// Attaches the reason of a refusal to its response, if there is one.
#[must_use]
pub fn because(mut response: Response, reason: Option<Reason>) -> Response {
    if let Some(reason) = reason {
        response.extensions_mut().insert(Because(reason));
    }
    response
}

/// A layer that names, counts, times and logs each request, never its body, query or headers.
///
/// Put it on the finished router with `layer`, so that it knows the route's template.
#[derive(Debug, Clone)]
pub struct RequestLog(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    metrics: Arc<Metrics>,
    reasons: Reasons,
    keys: RandomState,
    count: AtomicU64,
}

/// Where the reason of a refusal is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reasons {
    /// In the line of its request: the sandbox, whose user made the request.
    InTheLine,
    /// At `debug` only: a service, whose audit keeps the reason of what was decided.
    Apart,
}

impl RequestLog {
    /// Makes the layer that counts in `metrics`.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, reasons: Reasons) -> Self {
        let (keys, count) = (RandomState::new(), AtomicU64::new(0));
        Self(Arc::new(Desk { metrics, reasons, keys, count }))
    }
}

impl Desk {
    fn id(&self, headers: &HeaderMap) -> RequestId {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let sent = headers.get(X_REQUEST_ID).filter(|value| {
            let bytes = value.as_bytes();
            (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(plain)
        });
        if let Some(value) = sent {
            return RequestId(value.clone());
        }
        // A count under a random key repeats neither here nor after a restart.
        let fresh = self.keys.hash_one(self.count.fetch_add(1, Ordering::Relaxed));
        let fresh = HeaderValue::try_from(format!("{fresh:016x}"));
        RequestId(fresh.unwrap_or(HeaderValue::from_static("none")))
    }
}

impl<S> tower::Layer<S> for RequestLog {
    type Service = LoggedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LoggedService { inner, desk: Arc::clone(&self.0) }
    }
}

/// A service whose requests are logged by [`RequestLog`].
#[derive(Debug, Clone)]
pub struct LoggedService<S> {
    inner: S,
    desk: Arc<Desk>,
}

impl<S> tower::Service<Request> for LoggedService<S>
where
    S: tower::Service<Request, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = LoggedAnswer<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let begun = Instant::now();
        let id = self.desk.id(request.headers());
        let route = RouteLabel(request.extensions().get::<MatchedPath>().cloned());
        let method = method_label(request.method());
        request.extensions_mut().insert(id.clone());
        let open = OpenRequest { begun, id, route, method, desk: Arc::clone(&self.desk) };
        LoggedAnswer { inner: self.inner.call(request), open: Some(open) }
    }
}

/// The answer to come of a [`LoggedService`].
#[derive(Debug)]
pub struct LoggedAnswer<F> {
    inner: F,
    open: Option<OpenRequest>,
}

impl<F: Future<Output = Result<Response, Infallible>> + Unpin> Future for LoggedAnswer<F> {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(mut response) = ready!(Pin::new(&mut self.inner).poll(cx));
        if let Some(open) = self.open.take() {
            response.headers_mut().insert(X_REQUEST_ID, open.id.0.clone());
            let code = response.extensions().get::<ReplyCode>().map(|code| code.0);
            let because = response.extensions_mut().remove::<Because>();
            open.close(response.status().as_u16(), code, because);
        }
        Poll::Ready(Ok(response))
    }
}

impl<F> Drop for LoggedAnswer<F> {
    fn drop(&mut self) {
        let status = match std::thread::panicking() {
            true => 500,
            false => CALLER_LEFT,
        };
        if let Some(open) = self.open.take() {
            open.close(status, None, None);
        }
    }
}

/// What is known of a request before its answer.
#[derive(Debug)]
struct OpenRequest {
    begun: Instant,
    id: RequestId,
    route: RouteLabel,
    method: &'static str,
    desk: Arc<Desk>,
}

impl OpenRequest {
    fn close(self, status: u16, code: Option<&'static str>, because: Option<Because>) {
        let duration = self.begun.elapsed();
        let labels = RequestLabels {
            route: self.route,
            method: self.method,
            status,
            code: code.unwrap_or_default(),
        };
        self.desk.metrics.request_answered(&labels, duration);
        let id = self.id.as_str();
        let why = because.as_ref().map(|Because(reason)| reason);
        let shown = why.filter(|_| self.desk.reasons == Reasons::InTheLine);
        let sentence = shown.map(|reason| format!(": {reason}")).unwrap_or_default();
        tracing::info!(
            request.id = id,
            http.method = labels.method,
            http.route = labels.route.as_str(),
            http.status = status,
            duration.us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            reply.code = code,
            reason = shown.map(Reason::code),
            "{} {} answered {status}{sentence}",
            labels.method,
            labels.route.as_str(),
        );
        if let (Some(reason), None) = (why, shown) {
            tracing::debug!(request.id = id, reason = reason.code(), "refused: {reason}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::body::Body;
    use axum::routing::{get, post};
    use tower::ServiceExt;

    use super::super::lines::tests::{capture, only};
    use super::super::{LogFormat, LogLevel};
    use super::*;

    fn ours(metrics: &Arc<Metrics>) -> Router {
        Router::new()
            .route("/card/{card}", get(async || "hello"))
            .route("/coded", post(async || (axum::Extension(ReplyCode("U09")), "no")))
            .route(
                "/named",
                get(async |axum::Extension(id): axum::Extension<RequestId>| id.as_str().to_owned()),
            )
            .route(
                "/refused",
                get(async || (axum::Extension(Because(Reason::missing("txnId"))), "no")),
            )
            .route("/never", get(std::future::pending::<()>))
            .layer(RequestLog::new(Arc::clone(metrics), Reasons::InTheLine))
    }

    fn request(method: &str, path: &str) -> Request {
        Request::builder().method(method).uri(path).body(Body::from("1234")).unwrap()
    }

    async fn ask(metrics: &Arc<Metrics>, request: Request) -> Response {
        ours(metrics).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn each_request_leaves_one_line() {
        let metrics = Arc::new(Metrics::new([]));
        let (lines, _guard) = capture(LogFormat::Json, LogLevel::Info);
        for (method, path, expected) in [
            ("GET", "/card/c1?pin=1234", "GET /card/{card} answered 200"),
            ("POST", "/coded", "POST /coded answered 200"),
            ("PUT", "/coded", "PUT /coded answered 405"),
            ("GET", "/1234", "GET unmatched answered 404"),
            ("BREW", "/1234", "other unmatched answered 404"),
        ] {
            ask(&metrics, request(method, path)).await;
            let line = only(&lines);
            assert!(line.contains(&format!(r#""message":"{expected}""#)), "{line}");
            assert!(!line.contains("1234"), "{line}");
            assert_eq!(
                line.contains(r#""reply.code":"U09""#),
                path == "/coded" && method == "POST"
            );
            for field in ["request.id", "http.method", "http.route", "http.status", "duration.us"] {
                assert!(line.contains(field), "{field}: {line}");
            }
        }
    }

    #[tokio::test]
    async fn a_refusal_says_why_in_the_line_or_apart() {
        let metrics = Arc::new(Metrics::new([]));
        let (lines, _guard) = capture(LogFormat::Json, LogLevel::Debug);
        let sentence = "the member txnId is missing or empty";
        ask(&metrics, request("GET", "/refused")).await;
        let line = only(&lines);
        assert!(line.contains(&format!("GET /refused answered 200: {sentence}")), "{line}");
        assert!(line.contains(r#""reason":"member_missing""#), "{line}");
        let apart = get(async || axum::Extension(Because(Reason::missing("txnId"))));
        let apart = Router::new().route("/refused", apart);
        let apart = apart.layer(RequestLog::new(Arc::clone(&metrics), Reasons::Apart));
        apart.oneshot(request("GET", "/refused")).await.unwrap();
        let both = std::mem::take(&mut *lines.lock().unwrap());
        let [line, why] = &both[..] else { panic!("{both:?}") };
        assert!(line.contains(r#""message":"GET /refused answered 200""#), "{line}");
        assert!(!line.contains("reason"), "{line}");
        assert!(why.contains(r#""level":"debug""#) && why.contains(sentence), "{why}");
    }

    #[tokio::test]
    async fn a_request_whose_caller_left_is_counted() {
        let metrics = Arc::new(Metrics::new([]));
        let (lines, _guard) = capture(LogFormat::Text, LogLevel::Info);
        let answer = ask(&metrics, request("GET", "/never"));
        assert!(tokio::time::timeout(Duration::ZERO, answer).await.is_err());
        assert!(only(&lines).contains("GET /never answered 499"));
        let line = r#"kunji_requests_total{route="/never",method="GET",status="499",code=""} 1"#;
        assert!(metrics.render().unwrap().contains(line));
    }

    #[tokio::test]
    async fn a_hostile_path_adds_no_label() {
        let metrics = Arc::new(Metrics::new([]));
        for n in 0..100 {
            ask(&metrics, request("GET", &format!("/card/hostile{n}"))).await;
            ask(&metrics, request("GET", &format!("/hostile{n}"))).await;
            ask(&metrics, request(&format!("HOSTILE{n}"), "/hostile")).await;
        }
        ask(&metrics, request("POST", "/coded")).await;
        let text = metrics.render().unwrap();
        assert!(!text.to_lowercase().contains("hostile"), "{text}");
        let samples: Vec<&str> =
            text.lines().filter(|l| l.starts_with("kunji_requests_total")).collect();
        assert_eq!(samples.len(), 4, "{samples:?}");
        let coded =
            r#"kunji_requests_total{route="/coded",method="POST",status="200",code="U09"} 1"#;
        assert!(samples.contains(&coded), "{samples:?}");
    }

    #[tokio::test]
    async fn a_plain_request_id_is_kept_and_any_other_replaced() {
        let metrics = Arc::new(Metrics::new([]));
        let long = "x".repeat(REQUEST_ID_BYTES_MAX);
        for sent in ["a", "A-1_b.c", &long] {
            let mut request = request("GET", "/named");
            request.headers_mut().insert(X_REQUEST_ID, sent.parse().unwrap());
            assert_eq!(ask(&metrics, request).await.headers()[X_REQUEST_ID], sent);
        }
        let longer = "x".repeat(REQUEST_ID_BYTES_MAX + 1);
        for sent in ["", "a b", "a\"b", "1/2", &longer] {
            let mut request = request("GET", "/named");
            request.headers_mut().insert(X_REQUEST_ID, sent.parse().unwrap());
            let response = ask(&metrics, request).await;
            let id = response.headers()[X_REQUEST_ID].to_str().unwrap().to_owned();
            assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
            let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
            assert_eq!(body, id);
        }
    }

    #[tokio::test]
    async fn fresh_request_ids_differ() {
        let metrics = Arc::new(Metrics::new([]));
        let router = ours(&metrics);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let response = router.clone().oneshot(request("GET", "/named")).await.unwrap();
            assert!(seen.insert(response.headers()[X_REQUEST_ID].clone()));
        }
    }
}
