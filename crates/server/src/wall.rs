//! Instants as people and vendors write them.

use std::time::UNIX_EPOCH;

use jiff::Timestamp;
use jiff::tz::Offset;
use kunji_core::time::Millis;

/// ISO 8601 UTC with milliseconds: `2026-11-21T09:30:00.000Z`.
#[must_use]
pub fn iso(at: Millis) -> String {
    let at = timestamp(at);
    format!("{at:.3}")
}

/// Reads what [`iso`] writes.
#[must_use]
pub fn parse_iso(text: &str) -> Option<Millis> {
    let at = Millis(text.parse::<Timestamp>().ok()?.as_millisecond());
    (iso(at) == text).then_some(at)
}

/// `YYYYMMDDHHMMSS`, 24 hours, Indian time, as card programs write it.
#[must_use]
pub fn compact(at: Millis) -> String {
    let local = timestamp(at).to_zoned(jiff::tz::TimeZone::fixed(india()));
    let (date, time) = (local.date(), local.time());
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// Indian time with its offset: `2026-11-21T15:00:00+05:30`.
#[must_use]
pub fn indian(at: Millis) -> String {
    let local = timestamp(at).to_zoned(jiff::tz::TimeZone::fixed(india()));
    let (date, time) = (local.date(), local.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+05:30",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// Now, by the machine's clock.
#[must_use]
pub fn now() -> Millis {
    Millis(Timestamp::now().as_millisecond())
}

/// Reads a date of HTTP in any of its three forms (RFC 9110, 5.6.7).
#[must_use]
pub fn http_date(text: &str) -> Option<Millis> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Millis)
}

/// ISO 8601 UTC with seconds: `2021-12-07T13:46:40Z`.
#[must_use]
pub fn second(at: Millis) -> String {
    let at = timestamp(at);
    format!("{at:.0}")
}

/// The month so many months later, as `MMYY`.
#[must_use]
pub fn month_after(at: Millis, months: i64) -> String {
    let date = timestamp(at).to_zoned(jiff::tz::TimeZone::UTC).date();
    let later = date.saturating_add(jiff::Span::new().months(months));
    format!("{:02}{:02}", later.month(), later.year() % 100)
}

/// Whether the text is `YYYYMMDDHHMMSS` and names a real date and time of day.
#[must_use]
pub fn is_compact(text: &str) -> bool {
    let part = |from: usize, to: usize| -> Option<i16> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let small = |from: usize| i8::try_from(part(from, from + 2)?).ok();
    let real = || {
        let date = jiff::civil::Date::new(part(0, 4)?, small(4)?, small(6)?).ok()?;
        jiff::civil::Time::new(small(8)?, small(10)?, small(12)?, 0).ok()?;
        Some(date)
    };
    text.len() == 14 && real().is_some()
}

fn india() -> Offset {
    Offset::from_seconds(5 * 3600 + 1800).unwrap_or(Offset::UTC)
}

fn timestamp(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_counted_over_years() {
        assert_eq!(month_after(Millis(1_468_531_717_000), 60), "0721");
    }

    #[test]
    fn instants_are_written_as_vendors_do() {
        let at = Millis(1_468_531_717_000);
        assert_eq!(iso(at), "2016-07-14T21:28:37.000Z");
        assert_eq!(parse_iso("2016-07-14T21:28:37.000Z"), Some(at));
        assert_eq!(parse_iso("2016-07-14T21:28:37Z"), None);
        assert_eq!(parse_iso("yesterday"), None);
        assert_eq!(compact(at), "20160715025837");
        assert_eq!(indian(at), "2016-07-15T02:58:37+05:30");
    }

    #[test]
    fn compact_instants_are_real_ones() {
        for good in ["20160715025837", "20240229235959"] {
            assert!(is_compact(good), "{good}");
        }
        for bad in [
            "2016071502583",
            "201607150258370",
            "20230229000000",
            "20161301000000",
            "20160715240000",
            "2016071502583x",
            "",
            "20160715 25837",
            "+0160715025837",
        ] {
            assert!(!is_compact(bad), "{bad}");
        }
    }
}
