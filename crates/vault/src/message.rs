//! Messages that wait, sealed, until they are sent.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::mac::Mac;

const KEY_LABEL: &[u8] = b"kunji message key";
const AAD_LABEL: &[u8] = b"kunji message";
const TAG_LEN: usize = 16;

/// A sealed message (AES-256-GCM, SP 800-38D); only the vault opens it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Sealed {
    key_version: u32,
    nonce: MessageNonce,
    bytes: Vec<u8>,
}

/// Chooses the key of one message, and the GCM nonce under it.
///
/// With a key of its own for every message, the limit of 2^32 random nonces
/// under one key (SP 800-38D, 8.3) is never near.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct MessageNonce {
    pub(crate) key: [u8; 12],
    pub(crate) gcm: [u8; 12],
}

impl Sealed {
    /// Seals under the data key of this version, bound to `aad`.
    pub(crate) fn seal(
        (key_version, key): (u32, &hmac::Key),
        nonce: MessageNonce,
        aad: &str,
        message: &Outgoing,
    ) -> Option<Self> {
        // The buffer never grows while it is readable, so no copy stays behind.
        let otp = message.otp.as_deref().unwrap_or_default();
        let len = 1 + otp.len() + message.text.len();
        let mut buffer = Zeroizing::new(Vec::with_capacity(len + TAG_LEN));
        buffer.push(u8::try_from(otp.len()).ok()?);
        buffer.extend_from_slice(otp.as_bytes());
        buffer.extend_from_slice(message.text.as_bytes());
        let tag = nonce
            .key_from(key)?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce.gcm),
                Aad::from(bound_to(key_version, aad)),
                &mut buffer,
            )
            .ok()?;
        buffer.extend_from_slice(tag.as_ref());
        Some(Self { key_version, nonce, bytes: std::mem::take(&mut *buffer) })
    }

    /// Opens with the data key of its version.
    pub(crate) fn open(&self, key: &hmac::Key, aad: &str) -> Option<Outgoing> {
        let mut buffer = Zeroizing::new(self.bytes.clone());
        let plain = self
            .nonce
            .key_from(key)?
            .open_in_place(
                Nonce::assume_unique_for_key(self.nonce.gcm),
                Aad::from(bound_to(self.key_version, aad)),
                &mut buffer,
            )
            .ok()?;
        let (otp_len, rest) = plain.split_first()?;
        let (otp, text) = rest.split_at_checked(usize::from(*otp_len))?;
        let otp = std::str::from_utf8(otp).ok()?;
        Some(Outgoing {
            text: std::str::from_utf8(text).ok()?.to_owned(),
            otp: (!otp.is_empty()).then(|| otp.to_owned()),
        })
    }

    /// The version of the key that it was made under.
    #[must_use]
    pub fn key_version(&self) -> u32 {
        self.key_version
    }
}

impl MessageNonce {
    fn key_from(&self, data_key: &hmac::Key) -> Option<LessSafeKey> {
        let mut mac = Mac::new(data_key, KEY_LABEL);
        mac.field(&self.key);
        let key = Zeroizing::new(mac.finish());
        UnboundKey::new(&AES_256_GCM, &*key).ok().map(LessSafeKey::new)
    }
}

/// Parts of fixed length come first, so the whole has one reading only.
fn bound_to(key_version: u32, aad: &str) -> Vec<u8> {
    [AAD_LABEL, &key_version.to_be_bytes(), aad.as_bytes()].concat()
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(****)")
    }
}

/// An opened message, for the moment in which it is sent.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Outgoing {
    /// The whole text for the customer.
    pub text: String,
    /// The one-time password within it, when there is one.
    pub otp: Option<String>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[7; 32])
    }

    fn sealed(otp: Option<&str>) -> Sealed {
        let message = Outgoing { text: "Use 482139 now".to_owned(), otp: otp.map(str::to_owned) };
        let nonce = MessageNonce { key: [1; 12], gcm: [2; 12] };
        Sealed::seal((1, &key()), nonce, "msg_1", &message).unwrap()
    }

    #[test]
    fn a_message_opens_with_its_own_aad_only() {
        let sealed = sealed(Some("482139"));
        let message = sealed.open(&key(), "msg_1").unwrap();
        assert_eq!(message.text, "Use 482139 now");
        assert_eq!(message.otp.as_deref(), Some("482139"));
        assert_eq!(format!("{message:?} {sealed:?}"), "Outgoing(****) Sealed(****)");
        assert!(sealed.open(&key(), "msg_2").is_none());
        assert!(sealed.open(&key(), "").is_none());
    }

    #[test]
    fn a_message_may_hold_no_password() {
        let message = sealed(None).open(&key(), "msg_1").unwrap();
        assert_eq!(message.otp, None);
    }

    #[test]
    fn no_altered_byte_opens() {
        for index in 0..sealed(None).bytes.len() {
            let mut altered = sealed(None);
            altered.bytes[index] ^= 1;
            assert!(altered.open(&key(), "msg_1").is_none());
        }
        let mut cut = sealed(None);
        cut.bytes.clear();
        assert!(cut.open(&key(), "msg_1").is_none());
        let mut moved = sealed(None);
        moved.key_version = 2;
        assert!(moved.open(&key(), "msg_1").is_none());
        let mut renamed = sealed(None);
        renamed.nonce.key[0] ^= 1;
        assert!(renamed.open(&key(), "msg_1").is_none());
    }
}
