//! The keys of one moment, ready for use: shared, and replaced as a whole.

use std::sync::Arc;

use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::hmac;

use super::contents::{Contents, Retired, Version};
use super::{EcKey, RsaKey, SigningKey};
use crate::fault::KeyFault;
use crate::jwk::{Jwk, JwkUse};
use crate::rows;

/// All keys of a ring.
#[derive(Clone)]
pub(crate) struct Keys {
    /// Every version that is not retired, oldest first.
    sets: Vec<Arc<KeySet>>,
    /// The one of them that makes.
    making: Arc<KeySet>,
    rsa: Vec<Arc<RsaKey>>,
    signing: Vec<Arc<SigningKey>>,
    retired: Vec<Retired>,
    fingerprint: hmac::Key,
    /// Names rows; made of the fingerprint's key, so that it never changes.
    row_names: hmac::Key,
}

/// The keys of one version.
pub(crate) struct KeySet {
    pub(crate) version: u32,
    made_ms: Option<i64>,
    use_from_ms: Option<i64>,
    /// Proves PINs.
    pub(crate) pin: hmac::Key,
    /// Seals messages.
    pub(crate) data: hmac::Key,
    /// Seals the rows of a store; made of the data key.
    pub(crate) rows: LessSafeKey,
    /// Opens PIN blocks.
    pub(crate) block: EcKey,
}

/// What a key version is good for at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Known and opening, but not making yet.
    Published,
    /// What is made is made under it.
    InUse,
    /// It opens what was made under it, and makes nothing any more.
    Opening,
    /// Its keys are gone.
    Retired,
}

impl KeyState {
    /// The state as it stands in exports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::InUse => "in_use",
            Self::Opening => "opening",
            Self::Retired => "retired",
        }
    }
}

/// What may be told of a key version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVersion {
    /// Its number.
    pub version: u32,
    /// What it is good for.
    pub state: KeyState,
    /// When it was made, in ms since 1970, UTC; where that was kept.
    pub made_ms: Option<i64>,
    /// From when on it makes; at once where there is nothing.
    pub use_from_ms: Option<i64>,
    /// When its keys were taken out.
    pub retired_ms: Option<i64>,
    /// The ids of its keys for PIN blocks.
    pub block_kids: Vec<String>,
    /// The ids of its keys that sign.
    pub signing_kids: Vec<String>,
}

impl Keys {
    /// Makes the keys ready. Where there were others, the same version goes on making, and RSA
    /// keys that are the same are not parsed again.
    pub(super) fn of(contents: &Contents, before: Option<&Self>) -> Result<Self, KeyFault> {
        let sets = contents.versions().iter().map(|version| KeySet::of(version).map(Arc::new));
        let sets = sets.collect::<Result<Vec<_>, _>>()?;
        // A process that missed the end of its version goes on with the one after it.
        let since = before.map_or(0, |keys| keys.making.version);
        let making = sets.iter().find(|set| set.version >= since).or(sets.last());
        let making = Arc::clone(making.ok_or(KeyFault::Make("ring without versions"))?);
        let rsa = contents.rsa().iter().map(|parts| {
            let jwk = parts.jwk(JwkUse::Encrypt);
            let same = before.and_then(|keys| keys.rsa.iter().find(|key| key.jwk().kid == jwk.kid));
            same.map_or_else(|| RsaKey::of(parts, jwk).map(Arc::new), |key| Ok(Arc::clone(key)))
        });
        let signing = contents.signing().iter().map(|parts| {
            let jwk = parts.jwk(JwkUse::Sign);
            let known = before.map_or(&[][..], |keys| &keys.signing);
            let same = known.iter().find(|key| key.jwk().kid == jwk.kid);
            same.map_or_else(|| SigningKey::of(parts, jwk).map(Arc::new), |key| Ok(Arc::clone(key)))
        });
        let fingerprint = hmac::Key::new(hmac::HMAC_SHA256, contents.fingerprint());
        Ok(Self {
            making,
            rsa: rsa.collect::<Result<_, _>>()?,
            signing: signing.collect::<Result<_, _>>()?,
            retired: contents.retired().to_vec(),
            row_names: rows::naming_key(&fingerprint),
            fingerprint,
            sets,
        })
    }

    /// The same keys, the newest of which makes whose time has come.
    pub(super) fn ripe(self, now_ms: i64) -> Self {
        let making = self.newest_ripe(now_ms).unwrap_or(&self.making);
        Self { making: Arc::clone(making), ..self }
    }

    pub(super) fn newest_ripe(&self, now_ms: i64) -> Option<&Arc<KeySet>> {
        let is_ripe = |set: &&Arc<KeySet>| set.use_from_ms.is_none_or(|from| from <= now_ms);
        self.sets.iter().rev().find(is_ripe)
    }

    /// The version that makes.
    pub(crate) fn making(&self) -> &KeySet {
        &self.making
    }

    pub(crate) fn fingerprint(&self) -> &hmac::Key {
        &self.fingerprint
    }

    pub(crate) fn row_names(&self) -> &hmac::Key {
        &self.row_names
    }

    pub(super) fn version(&self, version: u32) -> Option<Arc<KeySet>> {
        self.sets.iter().find(|set| set.version == version).cloned()
    }

    pub(super) fn ec(&self, kid: &str) -> Option<Arc<KeySet>> {
        self.sets.iter().find(|set| set.block.jwk().kid() == kid).cloned()
    }

    pub(super) fn rsa_of(&self, kid: &str) -> Option<Arc<RsaKey>> {
        self.rsa.iter().find(|key| key.jwk().kid() == kid).cloned()
    }

    /// The key that the key set names first for RSA.
    pub(crate) fn newest_rsa(&self) -> Option<&Arc<RsaKey>> {
        self.usable(&self.rsa, |key| key.version()).or(self.rsa.last())
    }

    /// The key that signs.
    pub(crate) fn newest_signing(&self) -> Option<&Arc<SigningKey>> {
        self.usable(&self.signing, |key| key.version()).or(self.signing.last())
    }

    /// The newest of these keys that is not of a version to come.
    fn usable<'a, T>(&self, keys: &'a [T], version: impl Fn(&T) -> u32) -> Option<&'a T> {
        keys.iter().rev().find(|key| version(key) <= self.making.version)
    }

    /// The public keys that signatures are verified with: the one that signs, then newest first.
    pub(crate) fn public_signing(&self) -> impl Iterator<Item = &Jwk> {
        let signs = self.newest_signing();
        let is_other = move |key: &&Arc<SigningKey>| signs.is_none_or(|one| !Arc::ptr_eq(one, key));
        let others = self.signing.iter().rev().filter(is_other);
        signs.into_iter().chain(others).map(|key| key.jwk())
    }

    /// All public keys that blocks are made for: of the version that makes, then newest first.
    pub(crate) fn public(&self) -> impl Iterator<Item = &Jwk> {
        let others = self.sets.iter().rev().filter(|set| set.version != self.making.version);
        std::iter::once(&self.making).chain(others).flat_map(|set| {
            let rsa = self.rsa.iter().filter(|key| key.version() == set.version);
            std::iter::once(set.block.jwk()).chain(rsa.map(|key| key.jwk()))
        })
    }

    /// The ids of all keys that blocks are made for, in the same order.
    pub(crate) fn kids(&self) -> impl Iterator<Item = &str> {
        self.public().map(Jwk::kid)
    }

    /// Whether a key for blocks with this id is here, or was.
    pub(crate) fn knows(&self, kid: &str) -> bool {
        let was = |gone: &Retired| gone.kids.iter().any(|name| name == kid);
        self.kids().any(|name| name == kid) || self.retired.iter().any(was)
    }

    pub(super) fn state(&self, version: u32) -> Option<KeyState> {
        let is_retired = self.retired.iter().any(|gone| gone.version == version);
        match (self.version(version), version.cmp(&self.making.version)) {
            (None, _) => is_retired.then_some(KeyState::Retired),
            (Some(_), std::cmp::Ordering::Less) => Some(KeyState::Opening),
            (Some(_), std::cmp::Ordering::Equal) => Some(KeyState::InUse),
            (Some(_), std::cmp::Ordering::Greater) => Some(KeyState::Published),
        }
    }

    /// The ids of the keys for blocks of a version.
    pub(super) fn block_kids(&self, version: u32) -> Vec<String> {
        let ec = self.sets.iter().filter(|set| set.version == version).map(|set| set.block.jwk());
        let rsa = self.rsa.iter().filter(|key| key.version() == version).map(|key| key.jwk());
        ec.chain(rsa).map(|jwk| jwk.kid().to_owned()).collect()
    }

    /// All versions that there are and were, newest first.
    pub(super) fn versions(&self) -> Vec<KeyVersion> {
        let signing = |version| {
            let keys = self.signing.iter().filter(move |key| key.version() == version);
            keys.map(|key| key.kid().to_owned()).collect()
        };
        let live = self.sets.iter().filter_map(|set| {
            Some(KeyVersion {
                version: set.version,
                state: self.state(set.version)?,
                made_ms: set.made_ms,
                use_from_ms: set.use_from_ms,
                retired_ms: None,
                block_kids: self.block_kids(set.version),
                signing_kids: signing(set.version),
            })
        });
        let retired = self.retired.iter().map(|gone| KeyVersion {
            version: gone.version,
            state: KeyState::Retired,
            made_ms: None,
            use_from_ms: None,
            retired_ms: Some(gone.at_ms),
            block_kids: gone.kids.clone(),
            signing_kids: Vec::new(),
        });
        let mut versions = live.chain(retired).collect::<Vec<_>>();
        versions.sort_by_key(|one| std::cmp::Reverse(one.version));
        versions
    }
}

impl KeySet {
    fn of(version: &Version) -> Result<Self, KeyFault> {
        let data = hmac::Key::new(hmac::HMAC_SHA256, version.data());
        Ok(Self {
            version: version.number(),
            made_ms: version.made_ms,
            use_from_ms: version.use_from_ms,
            pin: hmac::Key::new(hmac::HMAC_SHA256, version.pin()),
            rows: rows::sealing_key(&data)?,
            data,
            block: EcKey::of(version.block())?,
        })
    }
}
