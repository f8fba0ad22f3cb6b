//! The content of a JWE: AES-256-GCM under a key of its own (RFC 7516).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey};
use zeroize::Zeroizing;

use crate::{jose, jwk};

pub(crate) const RSA_OAEP_256: &str = "RSA-OAEP-256";
pub(crate) const A256GCM: &str = "A256GCM";
pub(crate) const CONTENT_KEY_LEN: usize = 32;

const IV_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// The encoded parts that hold a content.
pub(crate) struct Encoded<T> {
    pub(crate) iv: T,
    pub(crate) cipher_text: T,
    pub(crate) tag: T,
}

impl Encoded<String> {
    /// Encrypts under a fresh random iv; the encoded header is bound.
    pub(crate) fn seal(
        key: &[u8; CONTENT_KEY_LEN],
        header: &str,
        mut payload: Zeroizing<Vec<u8>>,
    ) -> Option<Self> {
        let mut iv = [0; IV_LEN];
        rand::fill(&mut iv).ok()?;
        let tag = cipher(key)?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(iv),
                Aad::from(header),
                &mut payload,
            )
            .ok()?;
        Some(Self {
            iv: jose::encode(&iv),
            cipher_text: jose::encode(&payload),
            tag: jose::encode(tag.as_ref().first_chunk::<TAG_LEN>()?),
        })
    }
}

impl Encoded<&str> {
    /// Decrypts what [`Encoded::seal`] made, unless one bit of it differs.
    pub(crate) fn open(&self, key: &[u8; CONTENT_KEY_LEN], header: &str) -> Option<Plain> {
        let iv: [u8; IV_LEN] = jwk::decode(self.iv)?;
        let tag: [u8; TAG_LEN] = jwk::decode(self.tag)?;
        let mut bytes = Zeroizing::new(jose::decode(self.cipher_text)?);
        bytes.extend_from_slice(&tag);
        let len = cipher(key)?
            .open_in_place(Nonce::assume_unique_for_key(iv), Aad::from(header), &mut bytes)
            .ok()?
            .len();
        Some(Plain { bytes, len })
    }
}

fn cipher(key: &[u8; CONTENT_KEY_LEN]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

/// The decrypted payload, wiped when it goes.
pub(crate) struct Plain {
    bytes: Zeroizing<Vec<u8>>,
    len: usize,
}

impl Plain {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain(****)")
    }
}

/// Draws a content key and wraps it with RSA-OAEP-256, encoded.
pub(crate) fn wrap(
    public: &OaepPublicEncryptingKey,
) -> Option<(Zeroizing<[u8; CONTENT_KEY_LEN]>, String)> {
    let mut key = Zeroizing::new([0; CONTENT_KEY_LEN]);
    rand::fill(&mut *key).ok()?;
    let mut buffer = vec![0; public.ciphertext_size()];
    let wrapped = public.encrypt(&OAEP_SHA256_MGF1SHA256, &*key, &mut buffer, None).ok()?;
    Some((key, jose::encode(wrapped)))
}

/// Unwraps a content key with RSA-OAEP-256 (RFC 8017, 7.1.2).
///
/// A random key takes over when OAEP fails, so that the failure shows where
/// every other one does (RFC 7516, 11.5).
pub(crate) fn unwrap(
    private: Option<&OaepPrivateDecryptingKey>,
    wrapped: &[u8],
) -> Option<Zeroizing<[u8; CONTENT_KEY_LEN]>> {
    let private = private?;
    let mut fallback = Zeroizing::new([0; CONTENT_KEY_LEN]);
    rand::fill(&mut *fallback).ok()?;
    Some(decrypt(private, wrapped).unwrap_or(fallback))
}

/// The content key within, when OAEP is right and the length as well.
pub(crate) fn decrypt(
    private: &OaepPrivateDecryptingKey,
    wrapped: &[u8],
) -> Option<Zeroizing<[u8; CONTENT_KEY_LEN]>> {
    let mut buffer = Zeroizing::new(vec![0; private.min_output_size()]);
    let plain = private.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut buffer, None).ok()?;
    plain.as_array().copied().map(Zeroizing::new)
}
