//! Comparing text that holds changing parts: each part is looked at, then a star stands for it.

/// Puts a star in place of a member's value, after a look at its shape. Quotes stay.
#[track_caller]
pub(crate) fn starred(text: &str, member: &str, fits: fn(&str) -> bool) -> String {
    let key = format!("\"{member}\":");
    let start = text.find(&key).unwrap_or_else(|| panic!("no {member} in {text}")) + key.len();
    let (head, rest) = text.split_at(start);
    let (value, tail, star) = match rest.strip_prefix('"') {
        Some(inner) => {
            let (value, tail) = inner.split_once('"').unwrap();
            (value, tail, "\"*\"")
        }
        None => {
            let (value, tail) = rest.split_at(rest.find([',', '}', ']']).unwrap());
            (value, tail, "*")
        }
    };
    assert!(fits(value), "{member} has another shape: {value}");
    format!("{head}{star}{tail}")
}

/// A random UUID as RFC 9562 writes it.
pub(crate) fn is_uuid(text: &str) -> bool {
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            _ => lower_hex(byte),
        })
}

/// ISO 8601, UTC, with milliseconds.
pub(crate) fn is_iso(text: &str) -> bool {
    follows(text, "0000-00-00T00:00:00.000Z")
}

/// `YYYYMMDDHHMMSS`.
pub(crate) fn is_compact(text: &str) -> bool {
    follows(text, "00000000000000")
}

/// Digits without a leading zero.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Zeros stand for digits; everything else for itself.
fn follows(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, sign)| match sign {
            b'0' => byte.is_ascii_digit(),
            _ => byte == sign,
        })
}
