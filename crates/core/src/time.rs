//! Instants, and what the world hands to one decision.

use serde::{Deserialize, Serialize};

/// A UTC instant in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Millis(pub i64);

impl Millis {
    /// The instant `span_ms` later; the end of time instead of an overflow.
    #[must_use]
    pub fn plus(self, span_ms: i64) -> Self {
        Self(self.0.saturating_add(span_ms))
    }
}

/// One day in milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// One minute in milliseconds.
pub const MINUTE_MS: i64 = 60 * 1000;

/// Everything from outside that one decision may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Now, by the clock that all timers read (the sandbox can move it).
    pub now: Millis,
    /// Now, by the machine's clock: judges what callers stamped.
    pub real: Millis,
    /// Grows with every stamp of a process; unique across restarts.
    pub serial: u64,
    /// Fresh random bytes, for new ids and initialisation vectors.
    pub entropy: [u8; 16],
}

/// The source of stamps.
pub trait Clock: Send + Sync {
    /// A fresh stamp; `serial` and `entropy` never repeat.
    fn stamp(&self) -> Stamp;
}

/// Milliseconds from 1970 to the start of a UTC month (month 1 to 12, or 13 for the next January).
#[must_use]
pub fn month_start(year: u16, month: u8) -> Millis {
    let months = i64::from(year) * 12 + i64::from(month) - 1;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    // Days from civil date, after the proleptic Gregorian calendar; March starts the year.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Millis(days * DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_start_where_the_calendar_says() {
        assert_eq!(month_start(1970, 1), Millis(0));
        assert_eq!(month_start(2020, 2), Millis(1_580_515_200_000));
        assert_eq!(month_start(2024, 3), Millis(1_709_251_200_000));
        assert_eq!(month_start(2035, 13), Millis(2_082_758_400_000));
        assert_eq!(month_start(2035, 13), month_start(2036, 1));
    }
}
