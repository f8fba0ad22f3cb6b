//! Counts what happened, for the metrics port; every label comes from a closed set.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kunji_core::ids::ChannelId;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const UNKNOWN_CLIENT: &str = "unknown";
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const BATCH_SIZES: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// The counters of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    store_commits: Counter,
    store_batch_size: Histogram,
    rsa_queue_depth: Gauge,
    broken_tokens: HashMap<String, Counter>,
    broken_tokens_of_others: Counter,
    guesses_withheld: Counter,
    refused_keys: HashMap<String, Counter>,
    refused_keys_of_others: Counter,
    connections: Gauge,
    faults: Family<FaultLabels, Counter>,
    rows_altered: Counter,
    went_back: Counter,
    webhooks: Family<WebhookLabels, Counter>,
}

/// What a request was and how it was answered, in words that cannot grow without bound.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The template that the path matched.
    pub route: RouteLabel,
    /// The method, or `other`; see [`method_label`].
    pub method: &'static str,
    /// The status answered.
    pub status: u16,
    /// The vendor's code, empty if there was none.
    pub code: &'static str,
}

/// A route's template, never a path as sent; `unmatched` if there is none.
#[derive(Debug, Clone)]
pub struct RouteLabel(pub Option<MatchedPath>);

impl RouteLabel {
    /// The template as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("unmatched", MatchedPath::as_str)
    }
}

impl PartialEq for RouteLabel {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RouteLabel {}

impl Hash for RouteLabel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for RouteLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: RouteLabel,
}

type ClientFamily = Family<ClientLabels, Counter>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClientLabels {
    client: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabels {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabels {
    channel: String,
    result: &'static str,
}

/// The method's name, if it is one that servers know; else `other`.
#[must_use]
pub fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

impl Metrics {
    /// Starts all counters at zero; `clients` are the configured ones, others count as `unknown`.
    #[must_use]
    pub fn new<'a>(clients: impl IntoIterator<Item = &'a str>) -> Self {
        let clients: Vec<_> = clients.into_iter().map(str::to_owned).collect();
        let (broken_tokens, refused_keys) = (ClientFamily::default(), ClientFamily::default());
        let counter_of = |family: &ClientFamily, client: &str| {
            family.get_or_create_owned(&ClientLabels { client: client.to_owned() })
        };
        let counters_of = |family: &ClientFamily| {
            clients.iter().map(|client| (client.clone(), counter_of(family, client))).collect()
        };
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("kunji"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            store_commits: Counter::default(),
            store_batch_size: Histogram::new(BATCH_SIZES),
            rsa_queue_depth: Gauge::default(),
            broken_tokens: counters_of(&broken_tokens),
            broken_tokens_of_others: counter_of(&broken_tokens, UNKNOWN_CLIENT),
            refused_keys: counters_of(&refused_keys),
            refused_keys_of_others: counter_of(&refused_keys, UNKNOWN_CLIENT),
            guesses_withheld: Counter::default(),
            connections: Gauge::default(),
            faults: Family::default(),
            rows_altered: Counter::default(),
            went_back: Counter::default(),
            webhooks: Family::default(),
        };
        metrics.register(broken_tokens, refused_keys);
        metrics
    }

    fn register(&mut self, broken_tokens: ClientFamily, refused_keys: ClientFamily) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests answered", self.requests.clone());
        let help = "Time from a request's head to its answer's head";
        registry.register("request_seconds", help, self.request_seconds.clone());
        registry.register("store_commits", "Decisions made durable", self.store_commits.clone());
        let help = "Decisions made durable by one write";
        registry.register("store_batch_size", help, self.store_batch_size.clone());
        let help = "Blocks waiting to be opened with an RSA key";
        registry.register("rsa_queue_depth", help, self.rsa_queue_depth.clone());
        registry.register("broken_tokens", "Tokens that did not verify", broken_tokens);
        registry.register(
            "guesses_withheld",
            "Requests with secrets of callers that were told of too many wrong ones",
            self.guesses_withheld.clone(),
        );
        let help = "Keys and secure codes of prepaid clients that were wrong";
        registry.register("refused_keys", help, refused_keys);
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("faults", "Times that we broke", self.faults.clone());
        let help = "Operations that met a row of the store that is not what was put there";
        registry.register("store_rows_altered", help, self.rows_altered.clone());
        let help = "Operations that met a subject at an earlier point than it had been seen at";
        registry.register("store_went_back", help, self.went_back.clone());
        let help = "Tries of events for merchants, and events given up";
        registry.register("webhooks", help, self.webhooks.clone());
    }

    /// A request was answered within `duration`.
    pub fn request_answered(&self, labels: &RequestLabels, duration: Duration) {
        self.requests.get_or_create(labels).inc();
        let route = RouteLabels { route: labels.route.clone() };
        self.request_seconds.get_or_create(&route).observe(duration.as_secs_f64());
    }

    /// One write made `batch_size` decisions durable.
    pub fn batch_committed(&self, batch_size: u32) {
        self.store_commits.inc_by(batch_size.into());
        self.store_batch_size.observe(batch_size.into());
    }

    /// A block was put into the queue of the RSA workers.
    pub fn rsa_block_queued(&self) {
        self.rsa_queue_depth.inc();
    }

    /// A block left the queue of the RSA workers.
    pub fn rsa_block_taken(&self) {
        self.rsa_queue_depth.dec();
    }

    /// A token sent under the name of `client` did not verify.
    pub fn token_broken(&self, client: &str) {
        self.broken_tokens.get(client).unwrap_or(&self.broken_tokens_of_others).inc();
    }

    /// A request with secrets was refused: its caller was told of too many wrong ones.
    pub fn guess_withheld(&self) {
        self.guesses_withheld.inc();
    }

    /// A key sent under the name of `client` was wrong.
    pub fn key_refused(&self, client: &str) {
        self.refused_keys.get(client).unwrap_or(&self.refused_keys_of_others).inc();
    }

    /// An operation of ours broke.
    pub fn fault_met(&self, operation: &'static str) {
        self.faults.get_or_create(&FaultLabels { operation }).inc();
    }

    /// An operation met a row that is not what was put there.
    pub fn row_altered(&self) {
        self.rows_altered.inc();
    }

    /// An operation met a subject at an earlier point than it had been seen at.
    pub fn store_went_back(&self) {
        self.went_back.inc();
    }

    /// A configured channel was told of an event, or not.
    pub fn webhook_tried(&self, channel: &ChannelId, result: &'static str) {
        let labels = WebhookLabels { channel: channel.to_string(), result };
        self.webhooks.get_or_create(&labels).inc();
    }

    /// The number of open connections, for the listener to keep.
    #[must_use]
    pub fn connections(&self) -> Gauge {
        self.connections.clone()
    }

    /// All counters as OpenMetrics text.
    ///
    /// # Errors
    ///
    /// Only if a metric cannot be written as text.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Answers `GET /metrics`; meant for a port of its own.
pub fn router(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(show)).with_state(metrics)
}

async fn show(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use kunji_core::ids::MerchantId;

    use super::*;

    #[track_caller]
    fn check(metrics: &Metrics, line: &str) {
        let text = metrics.render().unwrap();
        assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
    }

    #[test]
    fn every_fact_shows_in_the_text() {
        let metrics = Metrics::new(["till"]);
        let labels =
            RequestLabels { route: RouteLabel(None), method: "GET", status: 404, code: "U09" };
        metrics.request_answered(&labels, Duration::from_millis(2));
        metrics.batch_committed(3);
        metrics.rsa_block_queued();
        metrics.rsa_block_queued();
        metrics.rsa_block_taken();
        metrics.token_broken("till");
        metrics.key_refused("till");
        metrics.fault_met("committing a decision");
        metrics.guess_withheld();
        let id = |text| MerchantId::parse(text).unwrap();
        let channel = ChannelId { merchant: id("stock"), channel: id("STOCKAPP") };
        metrics.webhook_tried(&channel, "delivered");
        metrics.connections().set(7);
        for line in [
            "kunji_requests_total{route=\"unmatched\",method=\"GET\",status=\"404\",code=\"U09\"} 1",
            "kunji_request_seconds_count{route=\"unmatched\"} 1",
            "kunji_request_seconds_bucket{le=\"0.001\",route=\"unmatched\"} 0",
            "kunji_request_seconds_bucket{le=\"0.0025\",route=\"unmatched\"} 1",
            "kunji_store_commits_total 3",
            "kunji_store_batch_size_bucket{le=\"4.0\"} 1",
            "kunji_rsa_queue_depth 1",
            "kunji_broken_tokens_total{client=\"till\"} 1",
            "kunji_guesses_withheld_total 1",
            "kunji_refused_keys_total{client=\"till\"} 1",
            "kunji_faults_total{operation=\"committing a decision\"} 1",
            "kunji_webhooks_total{channel=\"stock/STOCKAPP\",result=\"delivered\"} 1",
            "kunji_connections 7",
            "# EOF",
        ] {
            check(&metrics, line);
        }
    }

    #[test]
    fn a_client_we_do_not_know_adds_no_label() {
        let metrics = Metrics::new(["till"]);
        metrics.token_broken("'; drop table client");
        check(&metrics, "kunji_broken_tokens_total{client=\"unknown\"} 1");
        assert!(!metrics.render().unwrap().contains("drop"));
    }

    #[test]
    fn an_invented_method_adds_no_label() {
        assert_eq!(method_label(&Method::from_bytes(b"BREW").unwrap()), "other");
    }

    #[tokio::test]
    async fn the_router_shows_the_text_at_one_path_only() {
        for (path, status) in [("/metrics", 200), ("/", 404), ("/metrics/", 404)] {
            let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
            let router = router(Arc::new(Metrics::new([])));
            let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
            assert_eq!(response.status(), status, "{path}");
        }
    }
}
