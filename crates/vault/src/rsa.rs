//! RSA keys of callers (RFC 8017): both halves, two paddings.

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
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use thiserror::Error;

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
    /// RSASSA-PSS with MGF1-SHA-256 and 32 bytes of salt (RFC 8017, 8.1).
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
    /// It is neither PEM nor a JWK of an RSA key of 2048 to 4096 bits.
    #[error("it is no RSA key of 2048 to 4096 bits in PEM or JWK")]
    Unusable,
    /// It is the private half, which does not belong there.
    #[error("a private key stands where a public one belongs")]
    Private,
}

/// A caller's RSA public key, 2048 to 4096 bits.
#[derive(Clone)]
pub struct RsaPublic(Arc<Public>);

struct Public {
    kid: Option<String>,
    pkcs1: ParsedPublicKey,
    pss: ParsedPublicKey,
    sealing: OaepPublicEncryptingKey,
}

impl RsaPublic {
    /// Reads PEM `BEGIN PUBLIC KEY` (RFC 7468, 13) or a JWK (RFC 7517).
    ///
    /// # Errors
    /// When it is anything else, over 16 KiB, of another size, or private.
    pub fn parse(text: &str) -> Result<Self, RsaKeyError> {
        let (key, kid) = text::public(text)?;
        Self::of(key, kid).ok_or(RsaKeyError::Unusable)
    }

    fn of(key: PublicEncryptingKey, kid: Option<String>) -> Option<Self> {
        if !(BITS_MIN..=BITS_MAX).contains(&key.key_size_bits()) {
            return None;
        }
        let der: PublicKeyX509Der<'_> = key.as_der().ok()?;
        Some(Self(Arc::new(Public {
            kid,
            pkcs1: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der.as_ref()).ok()?,
            pss: ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, der.as_ref()).ok()?,
            sealing: OaepPublicEncryptingKey::new(key).ok()?,
        })))
    }

    /// Whether this key signed the concatenated parts, in this padding.
    #[must_use]
    pub fn verifies(&self, scheme: RsaScheme, message: &[&[u8]], signature: &[u8]) -> bool {
        let key = match scheme {
            RsaScheme::Pkcs1 => &self.0.pkcs1,
            RsaScheme::Pss => &self.0.pss,
        };
        key.verify_digest_sig(&digest_of(message), signature).is_ok()
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
    /// Reads PEM `BEGIN PRIVATE KEY` (PKCS#8) or a private JWK (RFC 7518, 6.3.2).
    ///
    /// # Errors
    /// When it is anything else, over 16 KiB, of another size, or incomplete.
    pub fn parse(text: &str) -> Result<Self, RsaKeyError> {
        let (pkcs8, kid) = text::private(text).ok_or(RsaKeyError::Unusable)?;
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
