//! RSA keys of callers (RFC 8017): both halves, two paddings.

mod der;
mod power;
mod salt;
mod text;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, Digest, SHA256};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPssSaltLength, VerificationAlgorithm,
};
use thiserror::Error;

use self::power::Modulus;
use crate::block::Unreadable;
use crate::content;
use crate::envelope::JweParts;
use crate::fault::VaultFault;
use crate::flaw::BlockFlaw;
use crate::jws::JwsParts;

/// The longest text that is read as an RSA key, in bytes.
pub const RSA_KEY_TEXT_LEN_MAX: usize = 16 * 1024;

const BITS_MIN: usize = 2048;
const BITS_MAX: usize = 4096;

/// RSA with SHA-256, in one of two paddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RsaScheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017, 8.2).
    Pkcs1,
    /// RSASSA-PSS with MGF1-SHA-256 (RFC 8017, 8.1): made with 32 bytes of salt, verified with
    /// as much as the signer took.
    Pss,
}

impl RsaScheme {
    fn encoding(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Pkcs1 => &RSA_PKCS1_SHA256,
            Self::Pss => &RSA_PSS_SHA256,
        }
    }
}

/// The text is no RSA key that we use; holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RsaKeyError {
    /// It is neither PEM nor JWK, or not whole.
    #[error("it is neither whole PEM nor a whole JWK of an RSA key")]
    Unusable,
    /// It is the private half, which does not belong there.
    #[error("a private key stands where a public one belongs")]
    Private,
    /// It is the public half, which is not enough there.
    #[error("a public key stands where a private one belongs")]
    Public,
    /// It is a private key under a passphrase.
    #[error("it is encrypted under a passphrase, which must be taken off first")]
    Encrypted,
    /// It is a certificate or a request for one.
    #[error("it is a certificate and not the key in it")]
    Certificate,
    /// It is a key for another algorithm, or in another program's own form.
    #[error("it is a key of another kind than RSA, or in another form")]
    OtherKind,
    /// It is an RSA key that is too short or too long.
    #[error("it is an RSA key of less than 2048 or more than 4096 bits")]
    Size,
}

impl RsaKeyError {
    /// The public keys that are taken, as a setting's message says it.
    pub const PUBLIC_FORMS: &str = "an RSA public key of 2048 to 4096 bits as PEM \
                                    (BEGIN PUBLIC KEY or BEGIN RSA PUBLIC KEY) or JWK is taken";
    /// The private keys that are taken, as a setting's message says it.
    pub const PRIVATE_FORMS: &str = "an RSA private key of 2048 to 4096 bits as PEM \
                                     (BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY) or JWK is taken";
}

/// A caller's RSA public key, 2048 to 4096 bits.
#[derive(Clone)]
pub struct RsaPublic(Arc<Public>);

struct Public {
    kid: Option<String>,
    /// As `SubjectPublicKeyInfo`.
    der: Vec<u8>,
    modulus: Modulus,
    exponent: u64,
    pkcs1: ParsedPublicKey,
    pss: ParsedPublicKey,
    sealing: OaepPublicEncryptingKey,
}

impl RsaPublic {
    /// Reads PEM `BEGIN PUBLIC KEY` (RFC 7468, 13) or `BEGIN RSA PUBLIC KEY` (RFC 8017, A.1.1),
    /// or a JWK (RFC 7517).
    ///
    /// # Errors
    /// When it is anything else, over 16 KiB, of another size, or private.
    pub fn parse(text: &str) -> Result<Self, RsaKeyError> {
        let (key, kid) = text::public(text)?;
        Self::of(key, kid).ok_or(RsaKeyError::Unusable)
    }

    fn of(key: PublicEncryptingKey, kid: Option<String>) -> Option<Self> {
        Public::of(key, kid).map(|public| Self(Arc::new(public)))
    }

    /// Whether this key signed the concatenated parts, in this padding.
    #[must_use]
    pub fn verifies(&self, scheme: RsaScheme, message: &[&[u8]], signature: &[u8]) -> bool {
        let digest = digest_of(message);
        match scheme {
            RsaScheme::Pkcs1 => self.0.pkcs1.verify_digest_sig(&digest, signature).is_ok(),
            RsaScheme::Pss => {
                self.0.pss.verify_digest_sig(&digest, signature).is_ok()
                    || self.0.verifies_salted(&digest, signature)
            }
        }
    }

    /// Seals a JWS for the holder of the private half, with RSA-OAEP-256.
    ///
    /// # Errors
    /// When randomness or the cryptographic library fails.
    pub fn seal(&self, jws: &JwsParts) -> Result<JweParts, VaultFault> {
        JweParts::sealed(&self.0.sealing, self.0.kid.as_deref(), jws)
            .ok_or(VaultFault("seal a JWS"))
    }
}

impl Public {
    fn of(key: PublicEncryptingKey, kid: Option<String>) -> Option<Self> {
        let der: PublicKeyX509Der<'_> = key.as_der().ok()?;
        let der = der.as_ref().to_vec();
        let [modulus, exponent] = der::subject_public(&der)?;
        Some(Self {
            kid,
            modulus: Modulus::of(modulus)?,
            exponent: number_of(exponent)?,
            pkcs1: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &der).ok()?,
            pss: ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &der).ok()?,
            sealing: OaepPublicEncryptingKey::new(key).ok()?,
            der,
        })
    }

    /// RSASSA-PSS with the length of salt that the signature itself tells.
    fn verifies_salted(&self, digest: &Digest, signature: &[u8]) -> bool {
        let found = salt::len_in(&self.modulus, self.exponent, signature);
        found.is_some_and(|len| {
            RSA_PSS_2048_8192_SHA256
                .with_pss_salt_length(RsaPssSaltLength::Custom(len))
                .verify_digest_sig(&self.der, digest, signature)
                .is_ok()
        })
    }
}

/// A number of at most 8 bytes, most significant first; no exponent that is taken is longer.
fn number_of(bytes: &[u8]) -> Option<u64> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    (bytes.len() <= 8).then(|| number(bytes))
}

impl fmt::Debug for RsaPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaPublic").field("kid", &self.0.kid).finish_non_exhaustive()
    }
}

/// An RSA private key in a caller's hand: the client half, for tools and tests.
pub struct RsaPrivate {
    signing: RsaKeyPair,
    opening: OaepPrivateDecryptingKey,
    public: RsaPublic,
}

impl RsaPrivate {
    /// Reads PEM `BEGIN PRIVATE KEY` (PKCS#8) or `BEGIN RSA PRIVATE KEY` (RFC 8017, A.1.2), or a
    /// private JWK (RFC 7518, 6.3.2).
    ///
    /// # Errors
    /// When it is anything else, over 16 KiB, of another size, or incomplete.
    pub fn parse(text: &str) -> Result<Self, RsaKeyError> {
        let (pkcs8, kid) = text::private(text)?;
        Self::of(&pkcs8, kid).ok_or(RsaKeyError::Unusable)
    }

    fn of(pkcs8: &[u8], kid: Option<String>) -> Option<Self> {
        let opening = PrivateDecryptingKey::from_pkcs8(pkcs8).ok()?;
        Some(Self {
            public: RsaPublic::of(opening.public_key(), kid)?,
            signing: RsaKeyPair::from_pkcs8(pkcs8).ok()?,
            opening: OaepPrivateDecryptingKey::new(opening).ok()?,
        })
    }

    /// Signs the concatenated parts.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn sign(&self, scheme: RsaScheme, message: &[&[u8]]) -> Result<Vec<u8>, VaultFault> {
        sign(&self.signing, scheme, message)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> RsaPublic {
        self.public.clone()
    }

    /// Signs a payload as a JWS with RS256 (RFC 7515).
    ///
    /// # Errors
    /// When the payload is too long or the cryptographic library fails.
    pub fn sign_jws(&self, kid: Option<&str>, payload: &[u8]) -> Result<JwsParts, VaultFault> {
        JwsParts::signed(kid, payload, |input| self.sign(RsaScheme::Pkcs1, input))
    }

    /// Opens what was sealed for the public half; the kid is not looked at.
    ///
    /// # Errors
    /// The same for every cause.
    pub fn open(&self, jwe: &JweParts) -> Result<JwsParts, Unreadable> {
        let unwrap =
            |_: Option<&str>, wrapped: &[u8]| content::unwrap(Some(&self.opening), wrapped);
        jwe.opened(unwrap).ok_or(Unreadable(BlockFlaw::Decryption))
    }
}

impl fmt::Debug for RsaPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaPrivate(****)")
    }
}

/// Signs the concatenated parts.
pub(crate) fn sign(
    pair: &RsaKeyPair,
    scheme: RsaScheme,
    message: &[&[u8]],
) -> Result<Vec<u8>, VaultFault> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign_digest(scheme.encoding(), &digest_of(message), &mut signature)
        .map_err(|_| VaultFault("sign a message"))?;
    Ok(signature)
}

fn digest_of(message: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in message {
        context.update(part);
    }
    context.finish()
}
