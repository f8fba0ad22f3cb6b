//! The keys of the vault, in versions, and the file that keeps them.

mod block_key;
mod contents;
mod file;
mod signing_key;
mod unseal;

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::hmac;

pub(crate) use self::block_key::{EcKey, RsaKey};
use self::contents::{Contents, Version};
use self::file::KeyFile;
pub(crate) use self::signing_key::SigningKey;
pub use self::unseal::UnsealKey;
use crate::fault::KeyFault;
use crate::jwk::Jwk;
use crate::rows;

/// The most key versions a ring may hold.
pub const KEY_VERSIONS_MAX: usize = 64;

/// All keys of one vault; the newest makes, the older ones still open.
pub struct KeyRing {
    keys: Keys,
    /// The RSA key that was made while the ring was shared.
    late_rsa: OnceLock<RsaKey>,
    /// The signing key that was made while the ring was shared.
    late_signing: OnceLock<SigningKey>,
    /// What the file holds; locked while a key is made.
    kept: Mutex<Kept>,
}

/// The keys, ready for use, oldest first.
struct Keys {
    newest: KeySet,
    older: Vec<KeySet>,
    rsa: Vec<RsaKey>,
    signing: Vec<SigningKey>,
    fingerprint: hmac::Key,
    /// Names rows; made of the fingerprint's key, so that it never changes.
    row_names: hmac::Key,
}

/// The keys of one version.
pub(crate) struct KeySet {
    pub(crate) version: u32,
    /// Proves PINs.
    pub(crate) pin: hmac::Key,
    /// Seals messages.
    pub(crate) data: hmac::Key,
    /// Seals the rows of a store; made of the data key.
    pub(crate) rows: LessSafeKey,
    /// Opens PIN blocks.
    pub(crate) block: EcKey,
}

struct Kept {
    contents: Contents,
    file: Option<KeyFile>,
}

impl KeyRing {
    /// A ring in memory, gone with the process.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn ephemeral() -> Result<Self, KeyFault> {
        Self::of(Kept { contents: Contents::fresh()?, file: None })
    }

    /// Opens the sealed key file, or makes it on the first start.
    ///
    /// The file is sealed with AES-256-GCM under a key that HKDF-SHA-256
    /// (RFC 5869) derives from the unseal key. Its folder must exist.
    ///
    /// # Errors
    /// When the file can be read by others, is of another owner, altered, or of
    /// a newer format, or cannot be read or written.
    pub fn open_or_create(path: &Path, unseal: &UnsealKey) -> Result<Self, KeyFault> {
        let (file, found) = KeyFile::open(path, unseal)?;
        let mut kept = match found {
            Some(contents) => Kept { contents, file: Some(file) },
            None => Kept { contents: Contents::fresh()?, file: Some(file) },
        };
        if !kept.is_written() {
            // Another process may have its first start at the same time: its keys are ours then.
            match kept.write() {
                Err(fault) if fault.is_of_a_change() => kept = Kept::found(path, unseal)?,
                Err(fault) => return Err(fault),
                Ok(()) => {}
            }
        }
        Self::of(kept)
    }

    /// Makes the next version of every key; the older ones stay usable.
    ///
    /// # Errors
    /// When a key cannot be made, the ring is full, the file cannot be replaced,
    /// or another process changed it. The ring is then as it was.
    pub fn rotate(&mut self) -> Result<(), KeyFault> {
        let kept = self.kept.get_mut().map_err(|_| KeyFault::Poisoned)?;
        kept.contents.add_version()?;
        let written = Keys::of(&kept.contents).and_then(|keys| {
            kept.write()?;
            Ok(keys)
        });
        match written {
            Ok(keys) => {
                self.keys = keys;
                self.late_rsa = OnceLock::new();
                self.late_signing = OnceLock::new();
                Ok(())
            }
            Err(fault) => {
                kept.contents.drop_newest();
                Err(fault)
            }
        }
    }

    /// Makes the RSA key if there is none; the second caller waits.
    pub(crate) fn ready_rsa(&self) -> Result<(), KeyFault> {
        if self.rsa().next().is_some() {
            return Ok(());
        }
        let mut kept = self.kept.lock().map_err(|_| KeyFault::Poisoned)?;
        if self.late_rsa.get().is_some() {
            return Ok(());
        }
        while kept.contents.rsa().is_empty() {
            kept.contents.add_rsa()?;
            if let Err(fault) = kept.write() {
                kept.contents.drop_rsa();
                kept.follow(fault)?;
            }
        }
        // The lock is held and the cell was empty, so this is the first value.
        if let Some(parts) = kept.contents.rsa().last() {
            let _ = self.late_rsa.set(RsaKey::of(parts));
        }
        Ok(())
    }

    /// Makes the signing key if there is none; the second caller waits.
    pub(crate) fn ready_signing(&self) -> Result<(), KeyFault> {
        if self.newest_signing().is_some() {
            return Ok(());
        }
        let mut kept = self.kept.lock().map_err(|_| KeyFault::Poisoned)?;
        if self.late_signing.get().is_some() {
            return Ok(());
        }
        while kept.contents.signing().is_empty() {
            kept.contents.add_signing()?;
            if let Err(fault) = kept.write() {
                kept.contents.drop_signing();
                kept.follow(fault)?;
            }
        }
        // The lock is held and the cell was empty, so this is the first value.
        if let Some(parts) = kept.contents.signing().last() {
            let _ = self.late_signing.set(SigningKey::of(parts));
        }
        Ok(())
    }

    pub(crate) fn newest(&self) -> &KeySet {
        &self.keys.newest
    }

    pub(crate) fn version(&self, version: u32) -> Option<&KeySet> {
        self.sets().find(|set| set.version == version)
    }

    pub(crate) fn fingerprint(&self) -> &hmac::Key {
        &self.keys.fingerprint
    }

    pub(crate) fn row_names(&self) -> &hmac::Key {
        &self.keys.row_names
    }

    pub(crate) fn ec(&self, kid: &str) -> Option<&EcKey> {
        self.sets().map(|set| &set.block).find(|key| key.is(kid))
    }

    pub(crate) fn rsa_of(&self, kid: &str) -> Option<&RsaKey> {
        self.rsa().find(|key| key.is(kid))
    }

    /// The key that the key set names first for RSA.
    pub(crate) fn newest_rsa(&self) -> Option<&RsaKey> {
        self.late_rsa.get().or(self.keys.rsa.last())
    }

    pub(crate) fn newest_signing(&self) -> Option<&SigningKey> {
        self.late_signing.get().or(self.keys.signing.last())
    }

    /// The public keys that signatures are verified with, newest first.
    pub(crate) fn public_signing(&self) -> impl Iterator<Item = &Jwk> {
        let older = self.keys.signing.iter().rev();
        self.late_signing.get().into_iter().chain(older).map(SigningKey::jwk)
    }

    /// All public keys that blocks are made for, newest first.
    pub(crate) fn public(&self) -> Vec<&Jwk> {
        self.sets()
            .flat_map(|set| {
                let rsa = self.rsa().filter(|key| key.version() == set.version);
                std::iter::once(set.block.jwk()).chain(rsa.map(RsaKey::jwk))
            })
            .collect()
    }

    /// The sets of keys, newest first.
    fn sets(&self) -> impl Iterator<Item = &KeySet> {
        std::iter::once(&self.keys.newest).chain(self.keys.older.iter().rev())
    }

    fn rsa(&self) -> impl Iterator<Item = &RsaKey> {
        self.late_rsa.get().into_iter().chain(&self.keys.rsa)
    }

    fn of(kept: Kept) -> Result<Self, KeyFault> {
        Ok(Self {
            keys: Keys::of(&kept.contents)?,
            late_rsa: OnceLock::new(),
            late_signing: OnceLock::new(),
            kept: Mutex::new(kept),
        })
    }
}

impl Keys {
    fn of(contents: &Contents) -> Result<Self, KeyFault> {
        let (newest, older) = contents.newest_and_older()?;
        let fingerprint = hmac::Key::new(hmac::HMAC_SHA256, contents.fingerprint());
        Ok(Self {
            newest: KeySet::of(newest)?,
            older: older.iter().map(KeySet::of).collect::<Result<_, _>>()?,
            rsa: contents.rsa().iter().map(RsaKey::of).collect(),
            signing: contents.signing().iter().map(SigningKey::of).collect(),
            row_names: rows::naming_key(&fingerprint),
            fingerprint,
        })
    }
}

impl KeySet {
    fn of(version: &Version) -> Result<Self, KeyFault> {
        let data = hmac::Key::new(hmac::HMAC_SHA256, version.data());
        Ok(Self {
            version: version.number(),
            pin: hmac::Key::new(hmac::HMAC_SHA256, version.pin()),
            rows: rows::sealing_key(&data)?,
            data,
            block: EcKey::of(version.block())?,
        })
    }
}

impl Kept {
    /// What another process wrote.
    fn found(path: &Path, unseal: &UnsealKey) -> Result<Self, KeyFault> {
        let (file, contents) = KeyFile::open(path, unseal)?;
        let contents = contents.ok_or(KeyFault::Make("key file that stays"))?;
        Ok(Self { contents, file: Some(file) })
    }

    fn is_written(&self) -> bool {
        self.file.as_ref().is_none_or(KeyFile::is_there)
    }

    /// Takes over what another process added to the file, when that is why ours was refused: the
    /// same versions, and a key made late that was not there before.
    fn follow(&mut self, fault: KeyFault) -> Result<(), KeyFault> {
        let Some(file) = self.file.as_ref().filter(|_| fault.is_of_a_change()) else {
            return Err(fault);
        };
        let theirs = Self::found(file.path(), file.unseal())?;
        let late = |contents: &Contents| contents.rsa().len() + contents.signing().len();
        let more = late(&theirs.contents) > late(&self.contents);
        match theirs.contents.has_versions_of(&self.contents) && more {
            true => {
                *self = theirs;
                Ok(())
            }
            false => Err(fault),
        }
    }

    fn write(&mut self) -> Result<(), KeyFault> {
        match &mut self.file {
            Some(file) => file.replace(&self.contents),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(****)")
    }
}
