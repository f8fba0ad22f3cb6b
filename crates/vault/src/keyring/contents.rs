//! What a key file holds, and how it is sealed.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use serde::{Deserialize as DeriveDeserialize, Serialize as DeriveSerialize};
use zeroize::Zeroizing;

use super::KEY_VERSIONS_MAX;
use super::block_key::EcKey;
use super::unseal::UnsealKey;
use crate::fault::{FileProblem, KeyFault};

/// The format that is written, and the newest that is read.
///
/// Format 2 brought signing keys, format 3 the times of versions, and which are retired.
const FORMAT: u32 = 3;

const MAGIC: [u8; 8] = *b"KUNJIKEY";
const SALT_LEN: usize = 32;
const NONCE_LEN: usize = 12;
const HEADER_LEN: usize = MAGIC.len() + size_of::<u32>() + SALT_LEN + NONCE_LEN;
const KEY_INFO: &[u8] = b"kunji key file";

/// More than the JSON of one version, retired or not, and of one RSA key, ever takes.
const VERSION_JSON_LEN: usize = 320;
const RSA_JSON_LEN: usize = 2400;

/// Retired versions that are remembered: no more may be retired then.
const RETIRED_MAX: usize = 1024;

const RSA_KEY: &str = "RSA block key";
const SIGNING_KEY: &str = "RSA signing key";

/// The raw keys, oldest version first.
#[derive(DeriveSerialize, DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    fingerprint: Raw,
    versions: Vec<Version>,
    rsa: Vec<RsaParts>,
    /// Absent until the first signing key is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    signing: Vec<RsaParts>,
    /// Absent until the first version is retired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<Retired>,
}

#[derive(DeriveSerialize, DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    version: u32,
    /// Absent where it was not kept: in formats 1 and 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) made_ms: Option<i64>,
    /// Absent where it was used from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) use_from_ms: Option<i64>,
    pin: Raw,
    data: Raw,
    block: Raw,
}

/// One RSA key as stored.
#[derive(DeriveSerialize, DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RsaParts {
    pub(super) version: u32,
    pub(super) pkcs8: Raw,
    pub(super) modulus: Raw,
}

/// What is remembered of a version whose keys are gone: that the ring once had it.
#[derive(Clone, DeriveSerialize, DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retired {
    pub(super) version: u32,
    pub(super) at_ms: i64,
    /// Of its keys for PIN blocks, which the store's events name.
    pub(super) kids: Vec<String>,
}

/// Whether what is kept was changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    Made,
    Needless,
}

/// Bytes of a key; base64 within the sealed file, never elsewhere.
pub(super) struct Raw(Zeroizing<Vec<u8>>);

impl Contents {
    pub(super) fn fresh(made_ms: Option<i64>) -> Result<Self, KeyFault> {
        Ok(Self {
            fingerprint: Raw::random()?,
            versions: vec![Version::fresh(1, made_ms, None)?],
            rsa: Vec::new(),
            signing: Vec::new(),
            retired: Vec::new(),
        })
    }

    /// Adds a version, with an RSA key of each kind that there was before.
    pub(super) fn add_version(&mut self, made_ms: i64, use_from_ms: i64) -> Result<(), KeyFault> {
        if self.versions.len() >= KEY_VERSIONS_MAX {
            return Err(KeyFault::Full);
        }
        let newest = self.versions.last().map_or(0, |newest| newest.version);
        let number = newest.checked_add(1).ok_or(KeyFault::Full)?;
        let version = Version::fresh(number, Some(made_ms), Some(use_from_ms))?;
        let fresh = |older: &[RsaParts], what| match older {
            [] => Ok(None),
            [..] => RsaParts::fresh(number, what).map(Some),
        };
        let (rsa, signing) = (fresh(&self.rsa, RSA_KEY)?, fresh(&self.signing, SIGNING_KEY)?);
        self.rsa.extend(rsa);
        self.signing.extend(signing);
        self.versions.push(version);
        Ok(())
    }

    /// Adds an RSA key to this version, unless there is one of any.
    pub(super) fn add_rsa(&mut self, version: u32) -> Result<Edit, KeyFault> {
        if !self.rsa.is_empty() {
            return Ok(Edit::Needless);
        }
        self.rsa.push(RsaParts::fresh(self.at_least(version), RSA_KEY)?);
        Ok(Edit::Made)
    }

    /// Adds a signing key in the same way.
    pub(super) fn add_signing(&mut self, version: u32) -> Result<Edit, KeyFault> {
        if !self.signing.is_empty() {
            return Ok(Edit::Needless);
        }
        self.signing.push(RsaParts::fresh(self.at_least(version), SIGNING_KEY)?);
        Ok(Edit::Made)
    }

    /// This version, or the next one where it is retired.
    fn at_least(&self, version: u32) -> u32 {
        let mut numbers = self.versions.iter().map(Version::number);
        numbers.find(|number| *number >= version).unwrap_or(version)
    }

    /// Takes the keys of a version out, and remembers that they were there.
    pub(super) fn retire(
        &mut self,
        version: u32,
        at_ms: i64,
        kids: Vec<String>,
    ) -> Result<(), KeyFault> {
        if self.retired.len() >= RETIRED_MAX {
            return Err(KeyFault::Full);
        }
        self.versions.retain(|one| one.version != version);
        self.rsa.retain(|parts| parts.version != version);
        self.signing.retain(|parts| parts.version != version);
        self.retired.push(Retired { version, at_ms, kids });
        Ok(())
    }

    pub(super) fn versions(&self) -> &[Version] {
        &self.versions
    }

    pub(super) fn retired(&self) -> &[Retired] {
        &self.retired
    }

    pub(super) fn rsa(&self) -> &[RsaParts] {
        &self.rsa
    }

    pub(super) fn signing(&self) -> &[RsaParts] {
        &self.signing
    }

    pub(super) fn fingerprint(&self) -> &[u8] {
        self.fingerprint.bytes()
    }

    /// Seals everything: header in the clear and bound, then AES-256-GCM.
    pub(super) fn seal(&self, unseal: &UnsealKey) -> Result<Vec<u8>, KeyFault> {
        const FAULT: KeyFault = KeyFault::Make("sealed key file");
        let mut header = Vec::with_capacity(HEADER_LEN);
        header.extend(MAGIC);
        header.extend(FORMAT.to_be_bytes());
        header.extend(random(SALT_LEN)?.iter());
        header.extend(random(NONCE_LEN)?.iter());
        // The buffer never grows, so no readable copy stays behind.
        let len = VERSION_JSON_LEN * (self.versions.len() + self.retired.len() + 1)
            + RSA_JSON_LEN * (self.rsa.len() + self.signing.len());
        let mut body = Zeroizing::new(Vec::with_capacity(len));
        serde_json::to_writer(&mut *body, self).map_err(|_| FAULT)?;
        let parts = Header::read(&header).map_err(|_| FAULT)?;
        let tag = parts
            .key(unseal)
            .ok_or(FAULT)?
            .seal_in_place_separate_tag(parts.nonce(), Aad::from(&header), &mut body)
            .map_err(|_| FAULT)?;
        Ok([&header, body.as_slice(), tag.as_ref()].concat())
    }

    /// Opens what [`Contents::seal`] made, unless one bit of it differs.
    pub(super) fn open(sealed: &[u8], unseal: &UnsealKey) -> Result<Self, FileProblem> {
        let parts = Header::read(sealed)?;
        let (header, body) = sealed.split_at_checked(HEADER_LEN).ok_or(FileProblem::Altered)?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = parts
            .key(unseal)
            .ok_or(FileProblem::Altered)?
            .open_in_place(parts.nonce(), Aad::from(header), &mut body)
            .map_err(|_| FileProblem::Altered)?;
        serde_json::from_slice(plain).map_err(|_| FileProblem::Altered)
    }
}

/// The part of the file that is not secret.
struct Header {
    salt: [u8; SALT_LEN],
    nonce: [u8; NONCE_LEN],
}

impl Header {
    fn read(file: &[u8]) -> Result<Self, FileProblem> {
        let rest = file.strip_prefix(&MAGIC).ok_or(FileProblem::Altered)?;
        let (format, rest) = rest.split_first_chunk().ok_or(FileProblem::Altered)?;
        if u32::from_be_bytes(*format) > FORMAT {
            return Err(FileProblem::Newer);
        }
        let (salt, rest) = rest.split_first_chunk().ok_or(FileProblem::Altered)?;
        let nonce = rest.first_chunk().ok_or(FileProblem::Altered)?;
        Ok(Self { salt: *salt, nonce: *nonce })
    }

    fn key(&self, unseal: &UnsealKey) -> Option<LessSafeKey> {
        let extracted = Salt::new(HKDF_SHA256, &self.salt).extract(unseal.bytes());
        let key = extracted.expand(&[KEY_INFO], &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }

    fn nonce(&self) -> Nonce {
        Nonce::assume_unique_for_key(self.nonce)
    }
}

impl Version {
    fn fresh(
        version: u32,
        made_ms: Option<i64>,
        use_from_ms: Option<i64>,
    ) -> Result<Self, KeyFault> {
        let (pin, data, block) = (Raw::random()?, Raw::random()?, EcKey::fresh()?);
        Ok(Self { version, made_ms, use_from_ms, pin, data, block })
    }

    pub(super) fn number(&self) -> u32 {
        self.version
    }

    pub(super) fn pin(&self) -> &[u8] {
        self.pin.bytes()
    }

    pub(super) fn data(&self) -> &[u8] {
        self.data.bytes()
    }

    pub(super) fn block(&self) -> &[u8] {
        self.block.bytes()
    }
}

impl Raw {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn random() -> Result<Self, KeyFault> {
        random(32).map(Self)
    }
}

/// Random bytes that may become a key; they stay where they were drawn, so that no copy is left.
pub(super) fn random(len: usize) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    rand::fill(&mut bytes).map_err(KeyFault::make("random key"))?;
    Ok(bytes)
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raw(****)")
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(STANDARD.encode(self.bytes()));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Borrowed from the opened file, which is wiped; base64 has no escapes.
        let text = <&str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text);
        let bytes = bytes.map_err(|_| D::Error::custom("no base64"))?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}
