//! The line writer: known fields only, each event one line and one write.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{self, Layer};

use super::{FIELDS, LogFormat, LogLevel};

/// Longest value of a field, in bytes; the rest is cut off.
const VALUE_BYTES_MAX: usize = 1024;

/// Writes each event as one line, in one call of `sink`.
pub(super) struct LineLayer<W> {
    format: LogFormat,
    level: Level,
    sink: W,
}

impl<W: Fn(&[u8])> LineLayer<W> {
    pub(super) fn new(format: LogFormat, level: LogLevel, sink: W) -> Self {
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

#[cfg(test)]
pub(super) mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::DefaultGuard;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    pub(in super::super) type Lines = Arc<Mutex<Vec<String>>>;

    /// Collects what is written by this thread until the guard is dropped.
    pub(in super::super) fn capture(format: LogFormat, level: LogLevel) -> (Lines, DefaultGuard) {
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
    pub(in super::super) fn only(lines: &Lines) -> String {
        let lines = std::mem::take(&mut *lines.lock().unwrap());
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!(line.matches('\n').count(), 1);
        let time = line.strip_prefix(r#"{"time":""#).unwrap_or(line);
        let (time, rest) = time.split_at("2026-01-01T00:00:00.000Z".len());
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{time}");
        rest.to_owned()
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
}
