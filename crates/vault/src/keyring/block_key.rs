//! The private keys that open PIN blocks, and their public halves.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey, PublicKeyComponents,
};
use zeroize::Zeroizing;

use super::contents::{Raw, RsaParts};
use crate::content::{self, CONTENT_KEY_LEN};
use crate::fault::KeyFault;
use crate::jwk::{Jwk, JwkUse, RSA_EXPONENT};

const RSA_MODULUS_LEN: usize = 256;

/// Where the modulus begins in the `SubjectPublicKeyInfo` (RFC 8017, A.1.1) of
/// a 2048-bit key: behind two headers and the zero that makes it positive.
const RSA_MODULUS_AT: usize = 33;

/// A P-256 key for direct key agreement.
pub(crate) struct EcKey {
    private: PrivateKey,
    jwk: Jwk,
}

impl EcKey {
    /// Makes the private scalar of a new key.
    pub(super) fn fresh() -> Result<Raw, KeyFault> {
        let private =
            PrivateKey::generate(&ECDH_P256).map_err(KeyFault::make("P-256 block key"))?;
        let scalar: EcPrivateKeyBin<'_> =
            private.as_be_bytes().map_err(KeyFault::make("P-256 block key"))?;
        Ok(Raw::of(scalar.as_ref()))
    }

    pub(super) fn of(scalar: &[u8]) -> Result<Self, KeyFault> {
        const FAULT: KeyFault = KeyFault::Make("P-256 block key");
        let private = PrivateKey::from_private_key(&ECDH_P256, scalar).map_err(|_| FAULT)?;
        let public = private.compute_public_key().map_err(|_| FAULT)?;
        let jwk = Jwk::of_point(public.as_ref().as_array().ok_or(FAULT)?);
        Ok(Self { private, jwk })
    }

    /// The shared secret with an ephemeral point, which is checked first.
    pub(crate) fn agree(&self, point: &[u8; 65]) -> Option<Zeroizing<[u8; 32]>> {
        let peer = UnparsedPublicKey::new(&ECDH_P256, point);
        agree(&self.private, peer, (), |secret| {
            secret.as_array().copied().map(Zeroizing::new).ok_or(())
        })
        .ok()
    }

    pub(super) fn jwk(&self) -> &Jwk {
        &self.jwk
    }
}

/// An RSA-2048 key.
pub(crate) struct RsaKey {
    version: u32,
    private: OaepPrivateDecryptingKey,
    jwk: Jwk,
}

impl RsaKey {
    /// Parses the private half, which takes a fraction of a millisecond.
    pub(super) fn of(parts: &RsaParts, jwk: Jwk) -> Result<Self, KeyFault> {
        let private = parse(parts.pkcs8.bytes()).ok_or(KeyFault::Make("RSA block key"))?;
        Ok(Self { version: parts.version, private, jwk })
    }

    /// The content key within, or a random one; see [`content::unwrap`].
    pub(crate) fn unwrap(&self, wrapped: &[u8]) -> Option<Zeroizing<[u8; CONTENT_KEY_LEN]>> {
        content::unwrap(Some(&self.private), wrapped)
    }

    pub(super) fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    pub(super) fn version(&self) -> u32 {
        self.version
    }
}

fn parse(pkcs8: &[u8]) -> Option<OaepPrivateDecryptingKey> {
    let private = PrivateDecryptingKey::from_pkcs8(pkcs8).ok()?;
    OaepPrivateDecryptingKey::new(private).ok()
}

impl RsaParts {
    /// Makes a new key; takes about 100 ms.
    pub(super) fn fresh(version: u32, what: &'static str) -> Result<Self, KeyFault> {
        let private =
            PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(KeyFault::make(what))?;
        let pkcs8: Pkcs8V1Der<'_> = private.as_der().map_err(KeyFault::make(what))?;
        let spki: PublicKeyX509Der<'_> =
            private.public_key().as_der().map_err(KeyFault::make(what))?;
        let modulus = modulus_of(spki.as_ref()).ok_or(KeyFault::Make(what))?;
        Ok(Self { version, pkcs8: Raw::of(pkcs8.as_ref()), modulus: Raw::of(modulus) })
    }

    /// The public half.
    pub(super) fn jwk(&self, used_for: JwkUse) -> Jwk {
        Jwk::of_modulus(self.modulus.bytes(), &RSA_EXPONENT, used_for)
    }
}

/// Cuts the modulus out and proves the cut by encoding the key again.
fn modulus_of(spki: &[u8]) -> Option<&[u8]> {
    let modulus = spki.get(RSA_MODULUS_AT..)?.get(..RSA_MODULUS_LEN)?;
    let again = PublicKeyComponents { n: modulus, e: &RSA_EXPONENT[..] };
    let again: PublicKeyX509Der<'_> = again.as_der().ok()?;
    (again.as_ref() == spki).then_some(modulus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwk;

    /// RFC 7518, appendix C: Bob's key, Alice's ephemeral key, and Z.
    #[test]
    fn agreement_is_that_of_rfc_7518_appendix_c() {
        let scalar: [u8; 32] = jwk::decode("VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw").unwrap();
        let bob = EcKey::of(&scalar).unwrap();
        let x = "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ";
        assert_eq!(bob.jwk().x.as_deref(), Some(x));
        let alice = jwk::point_of(
            "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
        );
        let secret = bob.agree(&alice.unwrap()).unwrap();
        let expected: [u8; 32] =
            jwk::decode("nlbZHYFxNdNyg0KDv4QmnPsxbqPagGpI9tqneYz-kMQ").unwrap();
        assert_eq!(*secret, expected);
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let key = EcKey::of(EcKey::fresh().unwrap().bytes()).unwrap();
        let mut point = [1; 65];
        point[0] = 4;
        assert!(key.agree(&point).is_none());
        assert!(key.agree(&[0; 65]).is_none());
    }

    #[test]
    fn an_rsa_key_that_was_stored_decrypts_nothing_strange() {
        let parts = RsaParts::fresh(1, "key").unwrap();
        let key = RsaKey::of(&parts, parts.jwk(JwkUse::Encrypt)).unwrap();
        let decrypted = |wrapped: &[u8]| content::decrypt(&key.private, wrapped);
        assert!(decrypted(&[]).is_none());
        assert!(decrypted(&[0; RSA_MODULUS_LEN]).is_none());
        assert!(decrypted(&[255; RSA_MODULUS_LEN]).is_none());
        assert!(decrypted(&[1; RSA_MODULUS_LEN + 1]).is_none());
    }
}
