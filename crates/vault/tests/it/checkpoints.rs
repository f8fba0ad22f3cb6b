//! Signatures over checkpoints: verified with public keys alone, and of no other use.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kunji_vault::{CheckpointKeys, KeyRing, RsaPublic, RsaScheme, Vault};
use serde_json::Value;

use crate::pins::vault;

const DIGEST: [u8; 32] = [7; 32];
const LABEL: &[u8] = b"kunji audit checkpoint\0";

fn signing() -> Vault {
    let vault = vault();
    vault.ready_signing().unwrap();
    vault
}

#[test]
fn a_checkpoint_is_verified_with_the_published_keys() {
    let vault = signing();
    let (kid, signature) = vault.sign_checkpoint(&DIGEST).unwrap();
    let keys = CheckpointKeys::from_jwks(&vault.jwks()).unwrap();
    assert!(keys.holds(&kid) && keys.verifies(&kid, &DIGEST, &signature));
    assert!(!keys.verifies(&kid, &[8; 32], &signature));
    assert!(!keys.verifies(&kid, &DIGEST, &signature[1..]));
    assert!(!keys.verifies(&kid, &DIGEST, &format!("{signature}=")));
    assert!(!keys.verifies("nobody", &DIGEST, &signature) && !keys.holds("nobody"));
    let others = CheckpointKeys::from_jwks(&signing().jwks()).unwrap();
    assert!(!others.verifies(&kid, &DIGEST, &signature));
}

#[test]
fn a_key_set_without_a_signing_key_is_refused() {
    let vault = vault();
    vault.ready_rsa().unwrap();
    for jwks in [&vault.jwks(), "{\"keys\":[]}", "{}", ""] {
        assert!(CheckpointKeys::from_jwks(jwks).is_err());
    }
    assert!(vault.sign_checkpoint(&DIGEST).is_err());
}

#[test]
fn checkpoints_signed_before_a_rotation_still_verify() {
    let folder = tempfile::tempdir().unwrap();
    let unseal = folder.path().join("unseal");
    let open = || KeyRing::open_or_create(&folder.path().join("vault.keys"), &unseal, 0).unwrap();
    let before = Vault::new(open());
    before.ready_signing().unwrap();
    let (kid, signature) = before.sign_checkpoint(&DIGEST).unwrap();
    let ring = open();
    ring.rotate(0, Duration::ZERO).unwrap();
    let after = Vault::new(ring);
    assert_ne!(after.sign_checkpoint(&DIGEST).unwrap().0, kid);
    let keys = CheckpointKeys::from_jwks(&after.jwks()).unwrap();
    assert!(keys.verifies(&kid, &DIGEST, &signature));
}

#[test]
fn no_other_signature_is_one_of_a_checkpoint() {
    let vault = signing();
    for scheme in [RsaScheme::Pss, RsaScheme::Pkcs1] {
        assert!(vault.sign(scheme, &[LABEL, &DIGEST]).is_err());
        assert!(vault.sign(scheme, &[&LABEL[..5], &LABEL[5..], b"anything"]).is_err());
    }
    let (kid, signature) = vault.sign_checkpoint(&DIGEST).unwrap();
    let jwks: Value = serde_json::from_str(&vault.jwks()).unwrap();
    let jwk = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == *kid).unwrap();
    let public = RsaPublic::parse(&jwk.to_string()).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(public.verifies(RsaScheme::Pss, &[LABEL, &DIGEST], &signature));
    assert!(!public.verifies(RsaScheme::Pss, &[&DIGEST], &signature));
    assert!(!public.verifies(RsaScheme::Pkcs1, &[LABEL, &DIGEST], &signature));
}
