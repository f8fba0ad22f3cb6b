//! Says what the server does: log lines of known fields only, and one line for each request.

pub mod metrics;

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{self, Layer, SubscriberExt};

use metrics::{RequestLabels, RouteLabel, method_label};

pub use metrics::Metrics;

/// The fields a log line may have, in order of the alphabet; all others are left out.
///
/// A field belongs here only if it can never hold a PIN, a card number, a token, a key or an
/// address of a customer.
pub const FIELDS: &[&str] = &[
    "caller",
    "config.path",
    "dialect",
    "duration.us",
    "fault",
    "http.method",
    "http.route",
    "http.status",
    "listen.address",
    "operation",
    "reply.code",
    "request.id",
    "signal",
    "store.engine",
    "store.path",
    "version",
];

const VALUE_BYTES_MAX: usize = 1024;
const REQUEST_ID_BYTES_MAX: usize = 64;
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The status noted for a request whose caller left before the answer.
const CALLER_LEFT: u16 = 499;

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people: time, level, message, `field=value`.
    Text,
    /// For machines: one object a line.
    Json,
}

/// The least urgent lines still written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Faults.
    Error,
    /// And what may become one.
    Warn,
    /// And each request.
    Info,
    /// And what helps to find a mistake.
    Debug,
}

impl LogLevel {
    fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warn => Level::WARN,
            Self::Info => Level::INFO,
            Self::Debug => Level::DEBUG,
        }
    }
}

/// Sends log lines to standard error from now on; a second call changes nothing.
pub fn start_logs(format: LogFormat, level: LogLevel) {
    // Nobody is left to tell when standard error itself is broken.
    let lines = LineLayer::new(format, level, |line: &[u8]| {
        let _written = io::stderr().lock().write_all(line);
    });
    let subscriber = tracing_subscriber::registry().with(lines);
    let _first = tracing::subscriber::set_global_default(subscriber);
}

/// Writes each event as one line, in one call of `sink`.
struct LineLayer<W> {
    format: LogFormat,
    level: Level,
    sink: W,
}

impl<W: Fn(&[u8])> LineLayer<W> {
    fn new(format: LogFormat, level: LogLevel, sink: W) -> Self {
        Self { format, level: level.level(), sink }
    }

    /// Our own events pass by level, those of dependencies from a warning upwards.
    fn passes(&self, metadata: &Metadata<'_>) -> bool {
        let level = *metadata.level();
        metadata.is_event()
            && level <= self.level
            && (level <= Level::WARN || is_ours(metadata.target()))
    }
}

fn is_ours(target: &str) -> bool {
    match target.strip_prefix("kunji") {
        Some(rest) => rest.is_empty() || rest.starts_with('_') || rest.starts_with("::"),
        None => false,
    }
}

impl<S: Subscriber, W: Fn(&[u8]) + 'static> Layer<S> for LineLayer<W> {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.passes(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: layer::Context<'_, S>) -> bool {
        self.passes(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.into())
    }

    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        // An event raised while a line is being written finds an empty line, not a locked one.
        let mut line = LINE.try_with(Cell::take).unwrap_or_default();
        line.text.clear();
        line.write_event(self.format, event);
        (self.sink)(line.text.as_bytes());
        let _kept = LINE.try_with(|kept| kept.set(line));
    }
}

thread_local! {
    static LINE: Cell<Line> = Cell::default();
}

/// A line being written, with the part of its time stamp that changes once a second.
#[derive(Default)]
struct Line {
    text: String,
    second: u64,
    stamp: String,
}

impl Line {
    fn write_event(&mut self, format: LogFormat, event: &Event<'_>) {
        let metadata = event.metadata();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let source = match is_ours(metadata.target()) {
            true => None,
            false => metadata.target().split("::").next(),
        };
        match format {
            LogFormat::Text => self.write_time(now),
            LogFormat::Json => {
                self.text.push_str(r#"{"time":""#);
                self.write_time(now);
            }
        }
        self.text.push_str(match (format, *metadata.level()) {
            (LogFormat::Text, Level::ERROR) => " ERROR ",
            (LogFormat::Text, Level::WARN) => " WARN  ",
            (LogFormat::Text, Level::INFO) => " INFO  ",
            (LogFormat::Text, _) => " DEBUG ",
            (LogFormat::Json, Level::ERROR) => r#"","level":"error","message":""#,
            (LogFormat::Json, Level::WARN) => r#"","level":"warn","message":""#,
            (LogFormat::Json, Level::INFO) => r#"","level":"info","message":""#,
            (LogFormat::Json, _) => r#"","level":"debug","message":""#,
        });
        let mut message = Escaped { text: &mut self.text, room: VALUE_BYTES_MAX };
        if let Some(source) = source {
            let _ = write!(message, "{source}: ");
        }
        event.record(&mut MessageVisitor(message));
        if format == LogFormat::Json {
            self.text.push('"');
        }
        if source.is_none() {
            event.record(&mut FieldVisitor { text: &mut self.text, format });
        }
        self.text.push_str(match format {
            LogFormat::Text => "\n",
            LogFormat::Json => "}\n",
        });
    }

    /// Writes the time as RFC 3339 demands it, in UTC, with milliseconds.
    fn write_time(&mut self, since_epoch: Duration) {
        let second = since_epoch.as_secs();
        if self.stamp.is_empty() || self.second != second {
            let time = i64::try_from(second).ok();
            let time = time.and_then(|second| jiff::Timestamp::from_second(second).ok());
            self.stamp.clear();
            let _ = write!(self.stamp, "{}", time.unwrap_or_default());
            self.second = second;
        }
        self.text.push_str(self.stamp.trim_end_matches('Z'));
        let _ = write!(self.text, ".{:03}Z", since_epoch.subsec_millis());
    }
}

/// Writes the inside of a quoted text, of bounded length and without control characters.
struct Escaped<'a> {
    text: &'a mut String,
    room: usize,
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let plain = |b: u8| (b' '..0x7f).contains(&b) && b != b'"' && b != b'\\';
        if part.len() <= self.room && part.bytes().all(plain) {
            self.room -= part.len();
            self.text.push_str(part);
            return Ok(());
        }
        for c in part.chars() {
            if self.room == 0 {
                return Ok(());
            }
            self.room = self.room.saturating_sub(c.len_utf8());
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                c if c.is_control() => write!(self.text, "\\u{:04x}", u32::from(c))?,
                c => self.text.push(c),
            }
        }
        Ok(())
    }
}

struct MessageVisitor<'a>(Escaped<'a>);

impl Visit for MessageVisitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            let _ = self.0.write_str(value);
        }
    }
}

/// Writes the fields that [`FIELDS`] names.
struct FieldVisitor<'a> {
    text: &'a mut String,
    format: LogFormat,
}

impl FieldVisitor<'_> {
    fn write_text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if !self.write_name(field) {
            return;
        }
        let begin = self.text.len();
        let mut escaped = Escaped { text: self.text, room: VALUE_BYTES_MAX };
        let _ = escaped.write_fmt(value);
        let written = self.text.get(begin..).unwrap_or_default();
        let bare = |b: u8| b.is_ascii_graphic() && !matches!(b, b'=' | b'\\');
        if self.format == LogFormat::Text && !written.is_empty() && written.bytes().all(bare) {
            return;
        }
        self.text.insert(begin, '"');
        self.text.push('"');
    }

    fn write_bare(&mut self, field: &Field, value: impl fmt::Display) {
        if self.write_name(field) {
            let _ = write!(self.text, "{value}");
        }
    }

    fn write_name(&mut self, field: &Field) -> bool {
        let known = FIELDS.binary_search(&field.name()).is_ok();
        if known {
            let (before, after) = match self.format {
                LogFormat::Text => (" ", "="),
                LogFormat::Json => (",\"", "\":"),
            };
            self.text.push_str(before);
            self.text.push_str(field.name());
            self.text.push_str(after);
        }
        known
    }
}

impl Visit for FieldVisitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write_text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write_text(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.write_text(field, format_args!("{}", Chain(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write_bare(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write_bare(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write_bare(field, value);
    }
}

/// An error followed by its causes.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match self.0.source() {
            Some(source) => write!(f, ": {}", Chain(source)),
            None => Ok(()),
        }
    }
}

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

/// A layer that names, counts, times and logs each request, never its body, query or headers.
///
/// Put it on the finished router with `layer`, so that it knows the route's template.
#[derive(Debug, Clone)]
pub struct RequestLog(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    metrics: Arc<Metrics>,
    keys: RandomState,
    count: AtomicU64,
}

impl RequestLog {
    /// Makes the layer that counts in `metrics`.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Desk { metrics, keys: RandomState::new(), count: AtomicU64::new(0) }))
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
            open.close(response.status().as_u16(), code);
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
            open.close(status, None);
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
    fn close(self, status: u16, code: Option<&'static str>) {
        let duration = self.begun.elapsed();
        let labels = RequestLabels {
            route: self.route,
            method: self.method,
            status,
            code: code.unwrap_or_default(),
        };
        self.desk.metrics.request_answered(&labels, duration);
        tracing::info!(
            request.id = self.id.as_str(),
            http.method = labels.method,
            http.route = labels.route.as_str(),
            http.status = status,
            duration.us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            reply.code = code,
            "{} {} answered {status}",
            labels.method,
            labels.route.as_str(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::{get, post};
    use std::sync::Mutex;
    use tower::ServiceExt;
    use tracing::subscriber::DefaultGuard;

    type Lines = Arc<Mutex<Vec<String>>>;

    /// Collects what is written by this thread until the guard is dropped.
    fn capture(format: LogFormat, level: LogLevel) -> (Lines, DefaultGuard) {
        let lines = Lines::default();
        let kept = Arc::clone(&lines);
        let layer = LineLayer::new(format, level, move |line: &[u8]| {
            kept.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
        });
        let subscriber = tracing_subscriber::registry().with(layer);
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// Takes the only line, without its time.
    #[track_caller]
    fn only(lines: &Lines) -> String {
        let lines = std::mem::take(&mut *lines.lock().unwrap());
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!(line.matches('\n').count(), 1);
        let time = line.strip_prefix(r#"{"time":""#).unwrap_or(line);
        let (time, rest) = time.split_at("2026-01-01T00:00:00.000Z".len());
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{time}");
        rest.to_owned()
    }

    fn ours(metrics: &Arc<Metrics>) -> Router {
        Router::new()
            .route("/card/{card}", get(async || "hello"))
            .route("/coded", post(async || (axum::Extension(ReplyCode("U09")), "no")))
            .route(
                "/named",
                get(async |axum::Extension(id): axum::Extension<RequestId>| id.as_str().to_owned()),
            )
            .route("/never", get(std::future::pending::<()>))
            .layer(RequestLog::new(Arc::clone(metrics)))
    }

    fn request(method: &str, path: &str) -> Request {
        Request::builder().method(method).uri(path).body(Body::from("1234")).unwrap()
    }

    async fn ask(metrics: &Arc<Metrics>, request: Request) -> Response {
        ours(metrics).oneshot(request).await.unwrap()
    }

    #[test]
    fn the_known_fields_are_in_order() {
        assert!(FIELDS.is_sorted());
    }

    #[test]
    fn a_field_we_do_not_know_is_left_out() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let (lines, _guard) = capture(format, LogLevel::Debug);
            let secret = "4821";
            tracing::error!(target: "kunji", pin = 4821, card.pan = secret, caller = "till",
                pin.digits = %secret, token = ?secret, x = true, y = 48.21, z = -4821, "set");
            let line = only(&lines);
            assert!(!line.contains("4821") && !line.contains("pin"), "{line}");
            assert!(line.contains("till"), "{line}");
        }
    }

    #[test]
    fn text_reads_as_one_line() {
        let (lines, _guard) = capture(LogFormat::Text, LogLevel::Info);
        tracing::info!(target: "kunji", caller = "a b\n\x1b[31m", http.status = 200, "up\nagain");
        let expected = r#" INFO  up\nagain caller="a b\n\u001b[31m" http.status=200"#;
        assert_eq!(only(&lines), format!("{expected}\n"));
    }

    #[test]
    fn json_is_escaped_and_bounded() {
        let (lines, _guard) = capture(LogFormat::Json, LogLevel::Info);
        let odd = "\"\\\r\n\t\0\u{7f}\u{85}{}é🦀";
        tracing::warn!(target: "kunji_core", fault = ?Some("a\"b"), http.status = 500,
            caller = odd, store.path = "x".repeat(5000), "{odd}");
        let all = lines.lock().unwrap()[0].clone();
        let line: serde_json::Value = serde_json::from_str(&all).unwrap();
        assert_eq!(line["message"], odd);
        assert_eq!(line["caller"], odd);
        assert_eq!(line["level"], "warn");
        assert_eq!(line["http.status"], 500);
        assert_eq!(line["fault"], "Some(\"a\\\"b\")");
        assert_eq!(line["store.path"].as_str().unwrap().len(), VALUE_BYTES_MAX);
        assert!(only(&lines).starts_with(r#"","level":"warn","message":""#));
    }

    #[test]
    fn a_fault_shows_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("committing")]
        struct Broken(#[source] io::Error);
        let (lines, _guard) = capture(LogFormat::Text, LogLevel::Error);
        let broken = Broken(io::Error::other("disk full"));
        let fault: &dyn Error = &broken;
        tracing::error!(target: "kunji", fault, "it broke");
        assert_eq!(only(&lines), " ERROR it broke fault=\"committing: disk full\"\n");
    }

    #[test]
    fn dependencies_may_warn_without_fields() {
        let (lines, _guard) = capture(LogFormat::Text, LogLevel::Debug);
        tracing::info!(target: "fjall::journal", "noise");
        tracing::info!(target: "kunjification", "noise");
        tracing::warn!(target: "fjall::journal", caller = "4821", "rotating");
        assert_eq!(only(&lines), " WARN  fjall: rotating\n");
    }

    #[test]
    fn less_urgent_events_are_left_out() {
        let (lines, _guard) = capture(LogFormat::Text, LogLevel::Warn);
        tracing::info!(target: "kunji", "noise");
        tracing::debug!(target: "kunji", "noise");
        tracing::info_span!("noise").in_scope(|| tracing::warn!(target: "kunji", "signal"));
        assert_eq!(only(&lines), " WARN  signal\n");
    }

    #[test]
    fn an_event_within_an_event_is_a_line_of_its_own() {
        struct Chatty;
        impl fmt::Display for Chatty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                tracing::warn!(target: "kunji", "inner");
                f.write_str("outer")
            }
        }
        let (lines, _guard) = capture(LogFormat::Text, LogLevel::Info);
        tracing::warn!(target: "kunji", caller = %Chatty, "said");
        assert!(lines.lock().unwrap().iter().any(|line| line.ends_with("said caller=outer\n")));
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
