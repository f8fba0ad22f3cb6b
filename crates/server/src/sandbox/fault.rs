//! Faults that a request asks for in the sandbox; `kunji serve` does not look for them.
//!
//! ```text
//! X-Kunji-Fault: pending                              settled well after 30 seconds
//! X-Kunji-Fault: pending; after=10m; status=FAILURE
//! ```

use axum::http::HeaderMap;
use kunji_core::mapper::Wait;

use crate::app::App;

/// The header that asks for one.
pub const HEADER: &str = "X-Kunji-Fault";
/// What it may say.
pub const PENDING: &str =
    "pending, with ; after=<span such as 30s> and ; status=SUCCESS or FAILURE if wanted";

/// How long a change is pending when nobody says.
const AFTER_MS: i64 = 30_000;

/// A fault that this sandbox does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownFault;

/// Whether a change of a UPI number is to be pending, and until when.
///
/// # Errors
/// `UnknownFault` when the header says something else, or stands there twice.
pub fn pending(app: &App, headers: &HeaderMap) -> Result<Option<Wait>, UnknownFault> {
    if !app.is_sandbox() {
        return Ok(None);
    }
    let mut found = headers.get_all(HEADER).iter();
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let wait = value.to_str().ok().and_then(read);
            wait.map(Some).ok_or(UnknownFault)
        }
        (Some(_), Some(_)) => Err(UnknownFault),
    }
}

fn read(text: &str) -> Option<Wait> {
    let mut parts = text.split(';').map(str::trim);
    if parts.next() != Some("pending") {
        return None;
    }
    let mut wait = Wait { after_ms: AFTER_MS, succeeds: true };
    for part in parts {
        match part.split_once('=')? {
            ("after", span) => wait.after_ms = super::span_ms(span)?,
            ("status", "SUCCESS") => wait.succeeds = true,
            ("status", "FAILURE") => wait.succeeds = false,
            (_, _) => return None,
        }
    }
    Some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_whole_or_not_at_all() {
        let wait = |after_ms, succeeds| Some(Wait { after_ms, succeeds });
        for (text, expected) in [
            ("pending", wait(30_000, true)),
            ("pending;after=90s", wait(90_000, true)),
            ("pending; status=FAILURE; after=1h30m", wait(5_400_000, false)),
            ("pending; status=SUCCESS", wait(30_000, true)),
            ("pending; after=0s", wait(0, true)),
            ("", None),
            ("Pending", None),
            ("pending;", None),
            ("pending; after", None),
            ("pending; after=", None),
            ("pending; after=-1s", None),
            ("pending; status=failure", None),
            ("pending; code=00", None),
            ("drop_after", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
