//! What a key file holds, and how it is sealed.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use serde::{Deserialize as DeriveDeserialize, Serialize as DeriveSerialize};
use zeroize::Zeroizing;

use super::block_key::EcKey;
use super::{KEY_VERSIONS_MAX, UnsealKey};
use crate::fault::{FileProblem, KeyFault};

/// The format of a file without signing keys, which older programs read too.
const FORMAT_PLAIN: u32 = 1;

/// The format of a file with signing keys; the newest that is read.
const FORMAT_SIGNING: u32 = 2;

const MAGIC: [u8; 8] = *b"KUNJIKEY";
const SALT_LEN: usize = 32;
const NONCE_LEN: usize = 12;
const HEADER_LEN: usize = MAGIC.len() + size_of::<u32>() + SALT_LEN + NONCE_LEN;
const KEY_INFO: &[u8] = b"kunji key file";

/// More than the JSON of one version, and of one RSA key, ever takes.
const VERSION_JSON_LEN: usize = 320;
const RSA_JSON_LEN: usize = 2400;

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
}

#[derive(DeriveSerialize, DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    version: u32,
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

/// Bytes of a key; base64 within the sealed file, never elsewhere.
pub(super) struct Raw(Zeroizing<Vec<u8>>);

impl Contents {
    pub(super) fn fresh() -> Result<Self, KeyFault> {
        Ok(Self {
            fingerprint: Raw::random()?,
            versions: vec![Version::fresh(1)?],
            rsa: Vec::new(),
            signing: Vec::new(),
        })
    }

    /// Adds a version, with an RSA key of each kind that there was before.
    pub(super) fn add_version(&mut self) -> Result<(), KeyFault> {
        if self.versions.len() >= KEY_VERSIONS_MAX {
            return Err(KeyFault::Full);
        }
        let (newest, _) = self.newest_and_older()?;
        let number = newest.version.checked_add(1).ok_or(KeyFault::Full)?;
        let version = Version::fresh(number)?;
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

    /// Takes back what [`Contents::add_version`] added.
    pub(super) fn drop_newest(&mut self) {
        if let Some(dropped) = self.versions.pop() {
            self.rsa.retain(|parts| parts.version != dropped.version);
            self.signing.retain(|parts| parts.version != dropped.version);
        }
    }

    /// Adds an RSA key to the newest version.
    pub(super) fn add_rsa(&mut self) -> Result<&RsaParts, KeyFault> {
        let (newest, _) = self.newest_and_older()?;
        let parts = RsaParts::fresh(newest.version, RSA_KEY)?;
        Ok(self.rsa.push_mut(parts))
    }

    /// Takes back what [`Contents::add_rsa`] added.
    pub(super) fn drop_rsa(&mut self) {
        self.rsa.pop();
    }

    /// Adds a signing key to the newest version.
    pub(super) fn add_signing(&mut self) -> Result<&RsaParts, KeyFault> {
        let (newest, _) = self.newest_and_older()?;
        let parts = RsaParts::fresh(newest.version, SIGNING_KEY)?;
        Ok(self.signing.push_mut(parts))
    }

    /// Takes back what [`Contents::add_signing`] added.
    pub(super) fn drop_signing(&mut self) {
        self.signing.pop();
    }

    pub(super) fn newest_and_older(&self) -> Result<(&Version, &[Version]), KeyFault> {
        self.versions.split_last().ok_or(KeyFault::Make("ring without versions"))
    }

    /// Whether both have the same versions, told by their keys for PINs.
    pub(super) fn has_versions_of(&self, other: &Self) -> bool {
        let same =
            |(one, two): (&Version, &Version)| one.version == two.version && one.pin.is(&two.pin);
        let mut both = self.versions.iter().zip(&other.versions);
        self.versions.len() == other.versions.len() && both.all(same)
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
        header.extend(self.format().to_be_bytes());
        header.extend(random::<SALT_LEN>()?.iter());
        header.extend(random::<NONCE_LEN>()?.iter());
        // The buffer never grows, so no readable copy stays behind.
        let len = VERSION_JSON_LEN * (self.versions.len() + 1)
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

    fn format(&self) -> u32 {
        match self.signing.as_slice() {
            [] => FORMAT_PLAIN,
            [..] => FORMAT_SIGNING,
        }
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
        if u32::from_be_bytes(*format) > FORMAT_SIGNING {
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
    fn fresh(version: u32) -> Result<Self, KeyFault> {
        Ok(Self { version, pin: Raw::random()?, data: Raw::random()?, block: EcKey::fresh()? })
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

    /// Whether both are the same bytes, in constant time.
    fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.bytes(), other.bytes()).is_ok()
    }

    fn random() -> Result<Self, KeyFault> {
        Ok(Self::of(&*random::<32>()?))
    }
}

/// Random bytes that may become a key.
pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeyFault> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(&mut *bytes).map_err(KeyFault::make("random key"))?;
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
