//! Says what the server does: log lines of known fields only, and one line for each request.

mod lines;
pub mod metrics;
mod requests;

use std::io::{self, Write};

use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;

use self::lines::LineLayer;
pub use self::metrics::Metrics;
pub use self::requests::{Because, Reasons, ReplyCode, RequestId, RequestLog, because};

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
    "reason",
    "reply.code",
    "request.id",
    "signal",
    "store.engine",
    "store.path",
    "version",
];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_fields_are_in_order() {
        assert!(FIELDS.is_sorted());
    }
}
