//! What JWS and JWE share: strict base64url, JSON objects, header members.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, IgnoredAny};

/// Canonical base64url without padding (RFC 7515, 2).
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads only what [`encode`] writes.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Reads one JSON object; an array in its place is refused.
pub(crate) fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    let opens = bytes.trim_ascii_start().first() == Some(&b'{');
    let text = std::str::from_utf8(bytes).ok().filter(|_| opens)?;
    serde_json::from_str(text).ok()
}

/// Whether a member is there at all, even as `null`.
#[derive(Default)]
pub(crate) struct Present(pub(crate) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&[u8]>) {
        assert_eq!(decode(text).as_deref(), expected);
    }

    #[test]
    fn only_canonical_base64url_is_read() {
        check("", Some(b""));
        check("-_8", Some(&[0xfb, 0xff]));
        check("-_9", None);
        check("-_8=", None);
        check("+/8", None);
        check("-_ 8", None);
        check("-_8\n", None);
        check("A", None);
    }
}
