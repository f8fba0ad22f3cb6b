//! The head of a backup: in the clear, bound to all that follows, with the file's key wrapped.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::{BackupError, ChunkKey, TAG_LEN};
use crate::digest::sha256;
use crate::fault::VaultFault;
use crate::hex;
use crate::keyring::KeyRing;
use crate::mac::Mac;

const MAGIC: [u8; 8] = *b"KUNJIBAK";
/// | format | what is different |
/// |---|---|
/// | 1 | rows as stores of format 2 have them |
/// | 2 | rows as stores of format 3 have them, in the order of their names |
const FORMAT: u32 = 2;
const WRAP_LABEL: &[u8] = b"kunji backup key wrap";
const CHECK_LABEL: &[u8] = b"kunji backup key check";
const CHECK_LEN: usize = 8;
const SALT_LEN: usize = 32;
const WRAPPED_LEN: usize = 32 + TAG_LEN;
/// All that stands before the wrapped key, and is bound to it.
const BOUND_LEN: usize = MAGIC.len() + 4 + 8 + 4 + CHECK_LEN + SALT_LEN;

pub(super) const HEADER_LEN: usize = BOUND_LEN + WRAPPED_LEN;

/// What a header says.
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) at_ms: i64,
    key_version: u32,
    check: [u8; CHECK_LEN],
    salt: [u8; SALT_LEN],
    wrapped: [u8; WRAPPED_LEN],
}

impl Header {
    /// A header for a fresh file key, in bytes.
    pub(super) fn make(
        ring: &KeyRing,
        at_ms: i64,
        salt: [u8; SALT_LEN],
        file_key: &[u8; 32],
    ) -> Result<[u8; HEADER_LEN], VaultFault> {
        const FAULT: VaultFault = VaultFault("wrap the key of a backup");
        let keys = ring.now();
        let making = keys.making();
        let mut header = Vec::with_capacity(HEADER_LEN);
        header.extend(MAGIC);
        header.extend(FORMAT.to_be_bytes());
        header.extend(at_ms.to_be_bytes());
        header.extend(making.version.to_be_bytes());
        header.extend(check(&making.data));
        header.extend(salt);
        let mut wrapped = Zeroizing::new(file_key.to_vec());
        let tag = wrapping_key(&making.data, &salt)
            .ok_or(FAULT)?
            .seal_in_place_separate_tag(no_nonce(), Aad::from(&header), &mut wrapped)
            .map_err(|_| FAULT)?;
        header.extend(wrapped.iter());
        header.extend(tag.as_ref());
        header.try_into().map_err(|_| FAULT)
    }

    pub(super) fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, BackupError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(BackupError::Foreign)?;
        let (format, rest) = rest.split_first_chunk().ok_or(BackupError::Foreign)?;
        let format = match u32::from_be_bytes(*format) {
            format @ 1..=FORMAT => format,
            0 => return Err(BackupError::Foreign),
            _ => return Err(BackupError::Newer),
        };
        let (at_ms, rest) = rest.split_first_chunk().ok_or(BackupError::Foreign)?;
        let (key_version, rest) = rest.split_first_chunk().ok_or(BackupError::Foreign)?;
        let (check, rest) = rest.split_first_chunk().ok_or(BackupError::Foreign)?;
        let (salt, rest) = rest.split_first_chunk().ok_or(BackupError::Foreign)?;
        Ok(Self {
            format,
            at_ms: i64::from_be_bytes(*at_ms),
            key_version: u32::from_be_bytes(*key_version),
            check: *check,
            salt: *salt,
            wrapped: rest.try_into().map_err(|_| BackupError::Foreign)?,
        })
    }

    /// The key of the chunks, when this ring wrapped it.
    pub(super) fn unwrap(
        &self,
        ring: &KeyRing,
        bytes: &[u8; HEADER_LEN],
    ) -> Result<ChunkKey, BackupError> {
        let keys = ring.version(self.key_version).ok_or(BackupError::OtherKeys)?;
        // It says whose keys these are, and nothing about them; what proves anything is the tag.
        if self.check != check(&keys.data) {
            return Err(BackupError::OtherKeys);
        }
        let bound = bytes.get(..BOUND_LEN).ok_or(BackupError::AlteredHeader)?;
        let mut wrapped = Zeroizing::new(self.wrapped);
        let file_key = wrapping_key(&keys.data, &self.salt)
            .and_then(|key| key.open_in_place(no_nonce(), Aad::from(bound), &mut *wrapped).ok())
            .and_then(|key| key.first_chunk().copied().map(Zeroizing::new))
            .ok_or(BackupError::AlteredHeader)?;
        ChunkKey::new(&file_key, digest(bytes)).ok_or(BackupError::AlteredHeader)
    }
}

pub(super) fn digest(header: &[u8; HEADER_LEN]) -> [u8; 32] {
    sha256(&[header])
}

/// How people and the audit call a backup.
pub(super) fn name(header: &[u8; HEADER_LEN]) -> String {
    hex::write(&digest(header)).chars().take(16).collect()
}

/// A key for wrapping one file's key: the salt is random, so that none is used twice.
fn wrapping_key(data_key: &hmac::Key, salt: &[u8; SALT_LEN]) -> Option<LessSafeKey> {
    let mut mac = Mac::new(data_key, WRAP_LABEL);
    mac.field(salt);
    let key = Zeroizing::new(mac.finish());
    UnboundKey::new(&AES_256_GCM, &*key).ok().map(LessSafeKey::new)
}

fn no_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn check(data_key: &hmac::Key) -> [u8; CHECK_LEN] {
    let whole = Mac::new(data_key, CHECK_LABEL).finish();
    let mut check = [0; CHECK_LEN];
    check.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    check
}
