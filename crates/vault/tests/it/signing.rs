//! The vault's own signing keys: made once, kept, rotated, published.

use std::time::Duration;

use kunji_vault::{BlockAlg, BlockMaker, KeyRing, RsaPublic, RsaScheme, Vault};
use serde_json::Value;

use crate::key_file::Place;
use crate::pins::vault;

fn keys(vault: &Vault) -> Vec<Value> {
    let set: Value = serde_json::from_str(&vault.jwks()).unwrap();
    set["keys"].as_array().unwrap().clone()
}

/// The published signing keys and their ids, in their order.
fn signing(vault: &Vault) -> Vec<(String, RsaPublic)> {
    let keys = keys(vault);
    let keys = keys.iter().filter(|key| key["use"] == "sig");
    keys.map(|key| {
        let kid = key["kid"].as_str().unwrap().to_owned();
        (kid, RsaPublic::parse(&key.to_string()).unwrap())
    })
    .collect()
}

#[test]
fn a_signature_verifies_with_the_published_key_it_names() {
    let vault = vault();
    vault.ready_signing().unwrap();
    let published = signing(&vault);
    assert_eq!(published.len(), 1);
    let (name, public) = &published[0];
    for scheme in [RsaScheme::Pkcs1, RsaScheme::Pss] {
        let (kid, signature) = vault.sign(scheme, &[b"body of ", b"an answer"]).unwrap();
        assert_eq!(&kid, name);
        assert!(public.verifies(scheme, &[b"body of an answer"], &signature));
        assert!(!public.verifies(scheme, &[b"another"], &signature));
    }
    let jws = vault.sign_jws(b"{}").unwrap();
    assert_eq!(jws.verified(public).unwrap(), b"{}");
}

#[test]
fn nothing_is_signed_before_there_is_a_key() {
    let vault = vault();
    vault.ready_rsa().unwrap();
    assert!(vault.sign(RsaScheme::Pss, &[b"m"]).is_err());
    assert!(vault.sign_jws(b"{}").is_err());
    assert!(signing(&vault).is_empty());
}

#[test]
fn the_signing_key_is_made_once_by_many_callers() {
    let vault = vault();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| vault.ready_signing().unwrap());
        }
    });
    assert_eq!(signing(&vault).len(), 1);
}

#[test]
fn the_key_set_names_signing_keys_last_and_no_block_is_made_for_them() {
    let vault = vault();
    vault.ready_signing().unwrap();
    assert!(BlockMaker::from_jwks(&vault.jwks(), BlockAlg::RsaOaep256).is_err());
    vault.ready_rsa().unwrap();
    let keys = keys(&vault);
    let uses: Vec<_> = keys.iter().map(|key| key["use"].as_str().unwrap()).collect();
    assert_eq!(uses, ["enc", "enc", "sig"]);
    assert_eq!(keys[2]["kty"], "RSA");
    assert_eq!(keys[2].get("alg"), None);
    assert!(keys.iter().all(|key| key.get("d").is_none()));
    let maker = BlockMaker::from_jwks(&vault.jwks(), BlockAlg::RsaOaep256).unwrap();
    assert_eq!(keys[1]["kid"], maker.kid());
    let names = vault.key_names();
    let block_keys = [&keys[0], &keys[1]].map(|key| key["kid"].as_str().unwrap());
    assert_eq!(names, block_keys.join(" "));
}

#[test]
fn a_signing_key_that_claims_to_encrypt_is_skipped() {
    let vault = vault();
    vault.ready_signing().unwrap();
    let marked = vault.jwks().replace("\"kid\"", "\"alg\":\"RSA-OAEP-256\",\"kid\"");
    assert!(BlockMaker::from_jwks(&marked, BlockAlg::RsaOaep256).is_err());
}

#[test]
fn signing_keys_survive_reopening_and_rotation() {
    let place = Place::new();
    let before = place.vault();
    before.ready_signing().unwrap();
    let (kid, signature) = before.sign(RsaScheme::Pss, &[b"m"]).unwrap();
    let after = place.vault();
    after.ready_signing().unwrap();
    assert_eq!(after.jwks(), before.jwks());
    place.open().rotate(0, Duration::ZERO).unwrap();
    place.open().rotate(0, Duration::ZERO).unwrap();
    let rotated = place.vault();
    rotated.ready_signing().unwrap();
    let published = signing(&rotated);
    assert_eq!(published.len(), 3);
    assert_eq!(published[2].0, kid);
    assert!(published[2].1.verifies(RsaScheme::Pss, &[b"m"], &signature));
    let (newest, _) = rotated.sign(RsaScheme::Pss, &[b"m"]).unwrap();
    assert_eq!(published[0].0, newest);
    assert!(!rotated.jwks().contains("RSA-OAEP-256"));
}

#[test]
fn a_ring_rotated_in_memory_signs_with_its_newest_key() {
    let ring = KeyRing::ephemeral().unwrap();
    ring.rotate(0, Duration::ZERO).unwrap();
    let vault = Vault::new(ring);
    vault.ready_signing().unwrap();
    assert_eq!(signing(&vault).len(), 1);
}

/// A file that was written before there were signing keys.
#[test]
fn a_file_of_format_1_still_opens_and_takes_a_signing_key() {
    let place = Place::holding(include_bytes!("../vectors/format-1.keys"));
    let old = place.vault();
    let names = "1E0wxv0Iywvg7X06zDtcZDBQBhpQNPNU1lfPtv-2kL8 \
                 WqpuTyZ4CnoqPtqpvm5oIB7ZYY2Ic-Z3fxcM7XJhtMY \
                 We085Pg2F2dIbztMgd7VVjHJrW9o-wxCBZITBDFQcVs \
                 lWwFu8PTDmJomEYiiW_et0GHDWhbjVCG5li2CiaQ6B4";
    assert_eq!(old.key_names(), names);
    assert!(signing(&old).is_empty());
    old.ready_signing().unwrap();
    let again = place.vault();
    assert_eq!(again.key_names(), names);
    assert_eq!(signing(&again).len(), 1);
    place.open().rotate(0, Duration::ZERO).unwrap();
    assert_eq!(signing(&place.vault()).len(), 2);
}
