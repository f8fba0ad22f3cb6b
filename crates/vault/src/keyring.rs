//! The keys of the vault, in versions, and the file that keeps them.
//!
//! ```text
//! rotate          use_from has come        a newer one is used        retire
//!   ──▶ published ──────────────▶ in use ─────────────────▶ opening ──────▶ retired
//! ```
//!
//! A published version opens at once and makes nothing yet, so that every process and every client
//! knows it before it is needed. The raw keys and the unseal key are in memory only while the file
//! is read or written.

mod block_key;
mod contents;
mod file;
mod keys;
mod signing_key;
#[cfg(test)]
mod tests;
mod unseal;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

pub(crate) use self::block_key::{EcKey, RsaKey};
use self::contents::{Contents, Edit};
use self::file::{KeyFile, Look};
pub(crate) use self::keys::{KeySet, Keys};
pub use self::keys::{KeyState, KeyVersion};
pub(crate) use self::signing_key::SigningKey;
use crate::fault::{FileProblem, KeyFault};

/// The most key versions a ring may hold.
pub const KEY_VERSIONS_MAX: usize = 64;

/// How often a change is made again on what another process wrote meanwhile.
const CHANGES_MAX: usize = 16;

/// All keys of one vault; one version makes, the others open.
pub struct KeyRing {
    /// The keys of this moment; the lock is held to look and to put others in place only.
    live: RwLock<Arc<Keys>>,
    /// Locked while the file is read or replaced.
    home: Mutex<Home>,
}

/// Where the raw keys are.
enum Home {
    /// In memory only, for as long as the ring lives.
    Memory(Contents),
    File(KeyFile),
}

impl KeyRing {
    /// A ring in memory, gone with the process.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn ephemeral() -> Result<Self, KeyFault> {
        let contents = Contents::fresh(None)?;
        let keys = Keys::of(&contents, None)?;
        Ok(Self::of(Home::Memory(contents), keys))
    }

    /// Opens the sealed key file, or makes it, and what opens it, on the first start.
    ///
    /// The file is sealed with AES-256-GCM under a key that HKDF-SHA-256
    /// (RFC 5869) derives from the unseal key. The folders must exist.
    ///
    /// # Errors
    /// When a file can be read by others, is of another owner, altered, or of
    /// a newer format, or cannot be read or written.
    pub fn open_or_create(
        key_file: &Path,
        unseal_file: &Path,
        now_ms: i64,
    ) -> Result<Self, KeyFault> {
        let mut file = KeyFile::at(key_file, unseal_file);
        let contents = match file.load()? {
            Some(contents) => contents,
            None => file.begin(now_ms)?,
        };
        Self::opened(file, &contents, now_ms)
    }

    /// Opens a sealed key file that is there.
    ///
    /// # Errors
    /// As [`KeyRing::open_or_create`], and when a file is missing.
    pub fn open(key_file: &Path, unseal_file: &Path, now_ms: i64) -> Result<Self, KeyFault> {
        let mut file = KeyFile::at(key_file, unseal_file);
        let contents = file.load_whole()?;
        Self::opened(file, &contents, now_ms)
    }

    /// Makes the next version of every key, to be used once it was published so long.
    ///
    /// The older ones still open.
    ///
    /// # Errors
    /// When a key cannot be made, the ring is full, or the file cannot be
    /// replaced. The ring is then as it was.
    pub fn rotate(&self, now_ms: i64, publish: Duration) -> Result<(), KeyFault> {
        let publish_ms = i64::try_from(publish.as_millis()).unwrap_or(i64::MAX);
        let use_from_ms = now_ms.saturating_add(publish_ms);
        self.change(|contents| {
            contents.add_version(now_ms, use_from_ms)?;
            Ok(Edit::Made)
        })?;
        self.use_ripe(now_ms);
        Ok(())
    }

    /// Takes a version out for good; what was made under it opens no more.
    ///
    /// # Errors
    /// When there is no such version, it or an older one is in use, or the file
    /// cannot be replaced. The ring is then as it was.
    pub fn retire(&self, version: u32, now_ms: i64) -> Result<(), KeyFault> {
        self.change(|contents| {
            let keys = Keys::of(contents, None)?.ripe(now_ms);
            match keys.state(version) {
                Some(KeyState::Opening) => {
                    contents.retire(version, now_ms, keys.block_kids(version))?;
                    Ok(Edit::Made)
                }
                Some(KeyState::Published | KeyState::InUse) => Err(KeyFault::InUse(version)),
                Some(KeyState::Retired) | None => Err(KeyFault::NoVersion(version)),
            }
        })
    }

    /// All versions that there are and were, newest first.
    #[must_use]
    pub fn versions(&self) -> Vec<KeyVersion> {
        self.now().versions()
    }

    /// Takes over what another process wrote into the key file, if it did.
    ///
    /// What is new opens at once, and makes nothing before [`KeyRing::use_ripe`].
    ///
    /// # Errors
    /// When the file cannot be opened, or lacks keys that this ring has. The
    /// ring is then as it was.
    pub(crate) fn look(&self) -> Result<(), KeyFault> {
        self.look_as(Look::Regular)
    }

    /// Makes with the newest version whose time has come; never again with an older one.
    pub(crate) fn use_ripe(&self, now_ms: i64) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.newest_ripe(now_ms).is_some_and(|set| set.version > live.making().version) {
            *live = Arc::new(Keys::clone(&live).ripe(now_ms));
        }
    }

    /// Makes the RSA key if there is none; the second caller waits.
    pub(crate) fn ready_rsa(&self) -> Result<(), KeyFault> {
        let keys = self.now();
        match keys.newest_rsa() {
            Some(_) => Ok(()),
            None => self.change(|contents| contents.add_rsa(keys.making().version)),
        }
    }

    /// Makes the signing key if there is none; the second caller waits.
    pub(crate) fn ready_signing(&self) -> Result<(), KeyFault> {
        let keys = self.now();
        match keys.newest_signing() {
            Some(_) => Ok(()),
            None => self.change(|contents| contents.add_signing(keys.making().version)),
        }
    }

    /// The keys of this moment.
    pub(crate) fn now(&self) -> Arc<Keys> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn version(&self, version: u32) -> Option<Arc<KeySet>> {
        self.find(|keys| keys.version(version))
    }

    /// The version whose ECDH key has this id.
    pub(crate) fn ec(&self, kid: &str) -> Option<Arc<KeySet>> {
        self.find(|keys| keys.ec(kid))
    }

    pub(crate) fn rsa_of(&self, kid: &str) -> Option<Arc<RsaKey>> {
        self.find(|keys| keys.rsa_of(kid))
    }

    /// What is not there may be in the file: another process wrote it.
    fn find<T>(&self, look_up: impl Fn(&Keys) -> Option<T>) -> Option<T> {
        look_up(&self.now()).or_else(|| {
            // Whoever looks by the clock reports why the file cannot be opened.
            let _ = self.look_as(Look::Needed);
            look_up(&self.now())
        })
    }

    fn look_as(&self, look: Look) -> Result<(), KeyFault> {
        match &mut *self.home()? {
            Home::File(file) if file.is_worth(look) => {
                let contents = file.load_whole()?;
                let keys = self.following(file, &contents)?;
                self.put(keys);
                Ok(())
            }
            Home::File(_) | Home::Memory(_) => Ok(()),
        }
    }

    /// Changes what is kept; where another process does so as well, one after the other.
    fn change(
        &self,
        edit: impl Fn(&mut Contents) -> Result<Edit, KeyFault>,
    ) -> Result<(), KeyFault> {
        let mut home = self.home()?;
        for _ in 1..CHANGES_MAX {
            match self.try_change(&mut home, &edit) {
                Err(fault) if fault.is_of_a_change() => {}
                done => return done,
            }
        }
        self.try_change(&mut home, &edit)
    }

    fn try_change(
        &self,
        home: &mut Home,
        edit: impl Fn(&mut Contents) -> Result<Edit, KeyFault>,
    ) -> Result<(), KeyFault> {
        let keys = match home {
            Home::Memory(contents) => {
                edit(contents)?;
                Keys::of(contents, Some(&self.now()))?
            }
            Home::File(file) => {
                let mut contents = file.load_whole()?;
                let edited = edit(&mut contents)?;
                let keys = self.following(file, &contents)?;
                if edited == Edit::Made {
                    file.replace(&contents)?;
                }
                keys
            }
        };
        self.put(keys);
        Ok(())
    }

    /// The keys that a file holds, unless it is older than what we have.
    fn following(&self, file: &KeyFile, contents: &Contents) -> Result<Keys, KeyFault> {
        let before = self.now();
        let keys = Keys::of(contents, Some(&before))?;
        match before.kids().all(|kid| keys.knows(kid)) {
            true => Ok(keys),
            false => Err(file.fault("take over the key file", FileProblem::Older)),
        }
    }

    fn put(&self, keys: Keys) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn home(&self) -> Result<MutexGuard<'_, Home>, KeyFault> {
        self.home.lock().map_err(|_| KeyFault::Poisoned)
    }

    fn opened(file: KeyFile, contents: &Contents, now_ms: i64) -> Result<Self, KeyFault> {
        Ok(Self::of(Home::File(file), Keys::of(contents, None)?.ripe(now_ms)))
    }

    fn of(home: Home, keys: Keys) -> Self {
        Self { live: RwLock::new(Arc::new(keys)), home: Mutex::new(home) }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(****)")
    }
}
