//! The shared secret of a channel, for checksums and webhooks.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, Context, HMAC_SHA256, Tag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::hex;
use crate::secret::{SECRET_LEN_MAX, SecretError};
use crate::wash::leaving_nothing;

/// What a secret of Standard Webhooks begins with.
const WEBHOOK_PREFIX: &str = "whsec_";

/// A shared secret of a channel, for HMAC-SHA-256 (FIPS 198-1).
pub struct HmacKey(hmac::Key);

impl HmacKey {
    /// Reads a text of 1 to 1024 bytes, which are the key.
    ///
    /// Behind `whsec_`, as Standard Webhooks has it, the key is in base64.
    ///
    /// # Errors
    /// When the text is empty, too long, or no base64 where it has to be.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.len() > SECRET_LEN_MAX {
            return Err(SecretError);
        }
        let bytes = match text.strip_prefix(WEBHOOK_PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| SecretError)?,
            None => text.as_bytes().to_vec(),
        };
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            0 => Err(SecretError),
            _ => Ok(leaving_nothing(|| Self(hmac::Key::new(HMAC_SHA256, &bytes)))),
        }
    }

    /// The MAC of the concatenated parts, in lower-case hexadecimal.
    #[must_use]
    pub fn checksum(&self, parts: &[&[u8]]) -> String {
        hex::write(self.mac(parts).as_ref()).as_str().to_owned()
    }

    /// Whether `hex` is what [`HmacKey::checksum`] gives, in constant time.
    #[must_use]
    pub fn accepts(&self, parts: &[&[u8]], hex: &str) -> bool {
        let expected = hex::write(self.mac(parts).as_ref());
        verify_slices_are_equal(expected.as_bytes(), hex.as_bytes()).is_ok()
    }

    /// The `webhook-signature` of Standard Webhooks 1.0: `v1,` and base64.
    ///
    /// `timestamp_s` counts seconds since 1970, UTC.
    #[must_use]
    pub fn webhook_signature(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let timestamp = timestamp_s.to_string();
        let mac = self.mac(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]);
        format!("v1,{}", STANDARD.encode(mac))
    }

    fn mac(&self, parts: &[&[u8]]) -> Tag {
        let mut context = Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        context.sign()
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(****)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> HmacKey {
        HmacKey::parse(text).unwrap()
    }

    /// RFC 4231, 4.3 (test case 2).
    #[test]
    fn a_checksum_is_that_of_rfc_4231() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let parts: [&[u8]; 3] = [b"what do ya ", b"", b"want for nothing?"];
        assert_eq!(key("Jefe").checksum(&parts), expected);
        assert!(key("Jefe").accepts(&[&parts.concat()], expected));
    }

    #[test]
    fn only_the_whole_lower_case_checksum_is_accepted() {
        let sum = key("k").checksum(&[b"m"]);
        let check = |hex: &str, expected| assert_eq!(key("k").accepts(&[b"m"], hex), expected);
        check(&sum, true);
        check(&sum.to_uppercase(), false);
        check(&sum[..63], false);
        check(&format!("{sum}0"), false);
        check(&format!(" {sum}"), false);
        check("", false);
        assert!(!key("k").accepts(&[b"n"], &sum));
        assert!(!key("l").accepts(&[b"m"], &sum));
        for index in 0..sum.len() {
            let mut altered = sum.clone().into_bytes();
            altered[index] ^= 1;
            check(&String::from_utf8(altered).unwrap(), false);
        }
    }

    #[test]
    fn a_webhook_signature_is_that_of_the_published_vector() {
        let signature = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").webhook_signature(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[track_caller]
    fn check_parsed(text: &str, readable: bool) {
        let parsed = HmacKey::parse(text);
        assert_eq!(parsed.is_ok(), readable);
        if let Ok(key) = parsed {
            assert_eq!(format!("{key:?}"), "HmacKey(****)");
        }
    }

    #[test]
    fn a_key_is_text_or_base64_behind_its_prefix() {
        check_parsed("k", true);
        check_parsed(&"k".repeat(SECRET_LEN_MAX), true);
        check_parsed(&"k".repeat(SECRET_LEN_MAX + 1), false);
        check_parsed("", false);
        check_parsed("whsec_", false);
        check_parsed("whsec_AAAA", true);
        check_parsed("whsec_AAA", false);
        check_parsed("whsec_AA-_", false);
        check_parsed("whsec_AAB=", false);
        let sums = ["whsec_a2V5", "key"].map(|text| key(text).checksum(&[b"m"]));
        assert_eq!(sums[0], sums[1]);
    }

    proptest! {
        #[test]
        fn what_was_made_is_accepted(text in ".{1,80}", parts in any::<[Vec<u8>; 3]>()) {
            if let Ok(key) = HmacKey::parse(&text) {
                let parts = parts.each_ref().map(Vec::as_slice);
                prop_assert!(key.accepts(&[&parts.concat()], &key.checksum(&parts)));
            }
        }
    }
}
