//! Seals the rows of a store, and hides under what they are kept.
//!
//! A row is sealed with AES-256-GCM-SIV (RFC 8452) for its place: what lies elsewhere, or at another
//! point of its chain, does not open. The nonce is folded out of the place. It need not be random,
//! since a nonce that comes twice tells no more than whether two rows are the same.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::fault::{KeyFault, VaultFault};
use crate::mac::Mac;
use crate::vault::Vault;

const KEY_LABEL: &[u8] = b"kunji row key";
const NAMES_LABEL: &[u8] = b"kunji row names";
/// How many bytes a name has: too many for two of them to meet.
pub const ROW_NAME_LEN: usize = 16;

/// Why a row does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RowError {
    /// It is not what was put there.
    #[error("it was altered, or belongs to another place or time")]
    Altered,
    /// It names a key version that the ring does not hold.
    #[error("it is sealed under key version {0}, which the key file does not hold")]
    UnknownKey(u32),
}

impl Vault {
    /// The name that a row is kept under: HMAC-SHA-256 of what it is about, cut to 128 bits, under a
    /// key that stays the same when others are rotated.
    #[must_use]
    pub fn row_name(&self, about: &[u8]) -> [u8; ROW_NAME_LEN] {
        let whole = hmac::sign(self.ring().now().row_names(), about);
        let mut name = [0; ROW_NAME_LEN];
        name.iter_mut().zip(whole.as_ref()).for_each(|(to, from)| *to = *from);
        name
    }

    /// Seals a row for its place, under the newest key.
    ///
    /// # Errors
    /// When the cryptographic library refuses, as for a row of many gigabytes.
    pub fn seal_row(&self, place: &[u8], mut row: Vec<u8>) -> Result<Vec<u8>, VaultFault> {
        let keys = self.ring().now();
        let newest = keys.making();
        row.reserve_exact(newest.rows.algorithm().tag_len() + size_of::<u32>());
        newest
            .rows
            .seal_in_place_append_tag(nonce_of(place), Aad::from(place), &mut row)
            .map_err(|_| VaultFault("seal a row"))?;
        row.extend_from_slice(&newest.version.to_be_bytes());
        Ok(row)
    }

    /// Opens a row where it was put.
    ///
    /// # Errors
    /// `RowError` when it is not what was put there, or of an unknown key.
    pub fn open_row(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, RowError> {
        let (row, version) = sealed.split_last_chunk().ok_or(RowError::Altered)?;
        let version = u32::from_be_bytes(*version);
        let keys = self.ring().version(version).ok_or(RowError::UnknownKey(version))?;
        let mut row = row.to_vec();
        let opened = keys.rows.open_in_place(nonce_of(place), Aad::from(place), &mut row);
        let len = opened.map_err(|_| RowError::Altered)?.len();
        row.truncate(len);
        Ok(row)
    }
}

/// The version of the key that a row is sealed under; `None` for what is no sealed row.
#[must_use]
pub fn row_key_version(sealed: &[u8]) -> Option<u32> {
    sealed.last_chunk().copied().map(u32::from_be_bytes)
}

/// The key that rows are sealed under, for the data key of one version.
pub(crate) fn sealing_key(data: &hmac::Key) -> Result<LessSafeKey, KeyFault> {
    let key = Zeroizing::new(Mac::new(data, KEY_LABEL).finish());
    let key = UnboundKey::new(&AES_256_GCM_SIV, &*key).map_err(KeyFault::make("row key"))?;
    Ok(LessSafeKey::new(key))
}

/// The key that rows are named under, for the key that fingerprints are taken under.
pub(crate) fn naming_key(fingerprint: &hmac::Key) -> hmac::Key {
    let key = Zeroizing::new(Mac::new(fingerprint, NAMES_LABEL).finish());
    hmac::Key::new(hmac::HMAC_SHA256, &*key)
}

fn nonce_of(place: &[u8]) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    for part in place.chunks(NONCE_LEN) {
        nonce.iter_mut().zip(part).for_each(|(to, from)| *to ^= from);
    }
    Nonce::assume_unique_for_key(nonce)
}
