//! Tokens of the prepaid API: AES-192-CBC, PKCS#7, standard base64.

use std::fmt;

use aws_lc_rs::cipher::{
    AES_192, DecryptingKey, DecryptionContext, EncryptionContext, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::fault::VaultFault;
use crate::flaw::TokenFlaw;
use crate::hex;
use crate::shield::ShieldedKey;
use crate::wash::leaving_nothing;

/// The longest token that is looked at, in bytes.
pub const TOKEN_LEN_MAX: usize = 16 * 1024;

const KEY_LEN: usize = 24;
const CIPHER_BLOCK_LEN: usize = 16;

/// Where a token has its initialisation vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Random, in the first 16 bytes.
    IvPrefixed,
    /// One for all tokens, agreed with the client.
    FixedIv([u8; 16]),
    /// Sixteen zero bytes.
    ZeroIv,
}

/// The AES-192 key of one client (FIPS 197, CBC mode of SP 800-38A).
///
/// It lies shielded in memory: what is opened is a PIN on its way, at most once in a while, and an
/// expanded key holds the key itself.
pub struct TokenKey {
    key: ShieldedKey<KEY_LEN>,
    layout: Layout,
}

/// The text is no token key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a token key is `ascii:`, `hex:` or `base64:` and 24 bytes")]
pub struct TokenKeyError;

/// The one answer to every token that cannot be opened; which step failed is for who runs Kunji.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the token cannot be read")]
pub struct BrokenToken(#[source] pub TokenFlaw);

impl TokenKey {
    /// Reads `ascii:`, `hex:` or `base64:` followed by 24 bytes.
    ///
    /// # Errors
    /// When the prefix is another or the bytes are not 24.
    pub fn parse(text: &str, layout: Layout) -> Result<Self, TokenKeyError> {
        let key = leaving_nothing(|| key_bytes(text).and_then(|key| ShieldedKey::of(&key).ok()));
        Ok(Self { key: key.ok_or(TokenKeyError)?, layout })
    }

    /// Opens a token and reads the one JSON value in it.
    ///
    /// Blanks and line breaks within the base64 are skipped.
    ///
    /// # Errors
    /// The same for every cause, from base64 to JSON.
    pub fn open<T: DeserializeOwned>(&self, token: &str) -> Result<T, BrokenToken> {
        leaving_nothing(|| {
            // The JSON is read even when the padding is wrong: a difference in
            // time between the two would be a padding oracle.
            let plain = self.decrypt(token).map_err(BrokenToken)?;
            let value = match std::str::from_utf8(plain.body()) {
                Ok(text) => serde_json::from_str(text).map_err(|_| TokenFlaw::Json),
                Err(_) => Err(TokenFlaw::Text),
            };
            match plain.padding {
                Padding::Right { .. } => value.map_err(BrokenToken),
                Padding::Wrong => Err(BrokenToken(TokenFlaw::Padding)),
            }
        })
    }

    /// Opens a token without reading it: an oracle, for CLI and sandbox only.
    ///
    /// # Errors
    /// The same for every cause, from base64 to UTF-8.
    pub fn open_text(&self, token: &str) -> Result<Zeroizing<String>, BrokenToken> {
        let plain = leaving_nothing(|| self.decrypt(token)).map_err(BrokenToken)?;
        match plain.padding {
            Padding::Right { .. } => match std::str::from_utf8(plain.body()) {
                Ok(text) => Ok(Zeroizing::new(text.to_owned())),
                Err(_) => Err(BrokenToken(TokenFlaw::Text)),
            },
            Padding::Wrong => Err(BrokenToken(TokenFlaw::Padding)),
        }
    }

    /// Seals a body; `iv` must be random and serves `IvPrefixed` only.
    ///
    /// # Errors
    /// When the cipher fails.
    pub fn seal(&self, body: &[u8], iv: [u8; 16]) -> Result<String, VaultFault> {
        const FAULT: VaultFault = VaultFault("seal a token");
        let (prefix, iv) = match self.layout {
            Layout::IvPrefixed => (iv.as_slice(), iv),
            Layout::FixedIv(fixed) => (&[][..], fixed),
            Layout::ZeroIv => (&[][..], [0; 16]),
        };
        let mut buffer = Zeroizing::new(Vec::with_capacity(body.len() + CIPHER_BLOCK_LEN));
        buffer.extend_from_slice(body);
        leaving_nothing(|| {
            let context = EncryptionContext::Iv128(FixedLength::from(iv));
            let key = PaddedBlockEncryptingKey::cbc_pkcs7(self.cipher_key()?)?;
            key.less_safe_encrypt(&mut *buffer, context)
        })
        .map_err(|_| FAULT)?;
        Ok(STANDARD.encode([prefix, &buffer].concat()))
    }

    fn cipher_key(&self) -> Result<UnboundCipherKey, Unspecified> {
        UnboundCipherKey::new(&AES_192, &*self.key.bare())
    }

    fn decrypt(&self, token: &str) -> Result<Plain, TokenFlaw> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(TokenFlaw::TooLong);
        }
        let text: Vec<u8> = token.bytes().filter(|byte| !is_blank(*byte)).collect();
        let mut bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| TokenFlaw::Base64)?);
        let (iv, start) = match self.layout {
            Layout::IvPrefixed => {
                let iv = bytes.first_chunk().copied().ok_or(TokenFlaw::Length)?;
                (iv, CIPHER_BLOCK_LEN)
            }
            Layout::FixedIv(iv) => (iv, 0),
            Layout::ZeroIv => ([0; 16], 0),
        };
        let cipher = bytes.get_mut(start..).ok_or(TokenFlaw::Length)?;
        if cipher.is_empty() {
            return Err(TokenFlaw::Length);
        }
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        self.cipher_key()
            .and_then(DecryptingKey::cbc)
            .and_then(|key| key.decrypt(cipher, context).map(|_| ()))
            .map_err(|_| TokenFlaw::Length)?;
        let padding = Padding::of(cipher);
        Ok(Plain { bytes, start, padding })
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(****)")
    }
}

/// A decrypted token whose padding was looked at but not yet acted upon.
struct Plain {
    bytes: Zeroizing<Vec<u8>>,
    start: usize,
    padding: Padding,
}

impl Plain {
    /// The body without its padding, or everything when the padding is wrong.
    fn body(&self) -> &[u8] {
        let body = self.bytes.get(self.start..).unwrap_or_default();
        let len = match self.padding {
            Padding::Right { len } => body.len().saturating_sub(len),
            Padding::Wrong => body.len(),
        };
        body.get(..len).unwrap_or_default()
    }
}

enum Padding {
    Right { len: usize },
    Wrong,
}

impl Padding {
    /// Reads PKCS#7 padding (RFC 5652, 6.3) in constant time.
    fn of(plain: &[u8]) -> Self {
        let Some(block) = plain.last_chunk::<CIPHER_BLOCK_LEN>() else {
            return Self::Wrong;
        };
        let [.., len] = *block;
        let mut differs = 0;
        for (index, byte) in (0..).zip(block.iter().rev()) {
            let within = u8::from(index < len).wrapping_neg();
            differs |= within & (byte ^ len);
        }
        let fits = u8::from(len >= 1) & u8::from(len <= 16);
        if fits & u8::from(differs == 0) == 1 {
            Self::Right { len: usize::from(len) }
        } else {
            Self::Wrong
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn key_bytes(text: &str) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let (form, key) = text.split_once(':')?;
    match form {
        "ascii" if key.is_ascii() => exact(key.as_bytes()),
        "hex" => hex::parse(key),
        "base64" => exact(&Zeroizing::new(STANDARD.decode(key).ok()?)),
        _ => None,
    }
}

fn exact(bytes: &[u8]) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    bytes.as_array().copied().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_key(text: &str, readable: bool) {
        let key = TokenKey::parse(text, Layout::ZeroIv);
        assert_eq!(key.is_ok(), readable);
        if let Ok(key) = key {
            assert_eq!(format!("{key:?}"), "TokenKey(****)");
        }
    }

    #[test]
    fn a_key_has_a_form_and_24_bytes() {
        check_key("ascii:0123456789abcdef01234567", true);
        check_key("ascii:0123456789:bcdef01234567", true);
        check_key("hex:000102030405060708090a0b0c0d0e0f1011121314151617", true);
        check_key("base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", true);
        check_key("0123456789abcdef01234567", false);
        check_key("ascii:0123456789abcdef0123456", false);
        check_key("ascii:0123456789abcdef012345678", false);
        check_key("ascii:0123456789abcdef0123456é", false);
        check_key("ascii:0123456789abcdef012345é", false);
        check_key("hex:0123456789abcdef0123456789abcdef0123456789abcdeé", false);
        check_key("base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRY\u{e9}", false);
        check_key("hex:000102030405060708090a0b0c0d0e0f10111213141516", false);
        check_key("hex:zz0102030405060708090a0b0c0d0e0f1011121314151617", false);
        check_key("base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRY=", false);
        check_key("HEX:000102030405060708090a0b0c0d0e0f1011121314151617", false);
        check_key("", false);
    }

    #[track_caller]
    fn check_padding(last: &[u8], expected: Option<usize>) {
        let mut plain = vec![b'x'; 32 - last.len()];
        plain.extend_from_slice(last);
        let len = match Padding::of(&plain) {
            Padding::Right { len } => Some(len),
            Padding::Wrong => None,
        };
        assert_eq!(len, expected);
    }

    #[test]
    fn only_whole_padding_is_right() {
        check_padding(&[1], Some(1));
        check_padding(&[2, 2], Some(2));
        check_padding(&[9, 1], Some(1));
        check_padding(&[16; 16], Some(16));
        check_padding(&[0], None);
        check_padding(&[3, 2], None);
        check_padding(&[17; 17], None);
        check_padding(&[255], None);
        check_padding(&[2, 16, 16], None);
        let mut almost = [16; 16];
        almost[0] = 15;
        check_padding(&almost, None);
    }
}
