//! JWE around a JWS: what opens, and that a PIN block is not told apart.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey,
    PublicEncryptingKey, PublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kunji_vault::{
    BlockAlg, BlockMaker, JWE_LEN_MAX, JweParts, JwsParts, KeyRing, Opening, PinBlock, PinUse,
    RsaPublic, Transit, Vault,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::pins::vault;
use crate::rsa_keys::merchant;

const JWS: &str = r#"{"protected":"a","payload":"b","signature":"c"}"#;

fn jws() -> JwsParts {
    merchant().sign_jws(Some("stock-test-1"), br#"{"iat":1}"#).unwrap()
}

pub(crate) fn ready() -> Vault {
    let vault = vault();
    vault.ready_rsa().unwrap();
    vault
}

fn sealed(vault: &Vault) -> JweParts {
    JweParts::from_jwks(&vault.jwks(), &jws()).unwrap()
}

/// The first RSA key that the vault publishes, and its id.
fn published(vault: &Vault) -> (OaepPublicEncryptingKey, String) {
    let set: Value = serde_json::from_str(&vault.jwks()).unwrap();
    let key = set["keys"].as_array().unwrap().iter().find(|key| key["kty"] == "RSA").unwrap();
    let part = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let public: PublicEncryptingKey =
        PublicKeyComponents { n: part("n"), e: part("e") }.try_into().unwrap();
    let kid = key["kid"].as_str().unwrap().to_owned();
    (OaepPublicEncryptingKey::new(public).unwrap(), kid)
}

/// Seals anything under any header, with a content key of any length.
fn crafted(
    vault: &Vault,
    header: &str,
    plain: &str,
    key: &[u8],
    oaep: &'static OaepAlgorithm,
) -> JweParts {
    let (public, _) = published(vault);
    let mut buffer = vec![0; public.ciphertext_size()];
    let encrypted = public.encrypt(oaep, key, &mut buffer, None).unwrap();
    let protected = URL_SAFE_NO_PAD.encode(header);
    let mut content = [0; 32];
    content[..key.len().min(32)].copy_from_slice(&key[..key.len().min(32)]);
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &content).unwrap());
    let mut text = plain.as_bytes().to_vec();
    let iv = [9; 12];
    let tag = cipher
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(iv),
            Aad::from(protected.as_bytes()),
            &mut text,
        )
        .unwrap();
    JweParts {
        protected,
        encrypted_key: URL_SAFE_NO_PAD.encode(encrypted),
        iv: URL_SAFE_NO_PAD.encode(iv),
        cipher_text: URL_SAFE_NO_PAD.encode(text),
        tag: URL_SAFE_NO_PAD.encode(tag),
    }
}

/// A block with exactly this payload; the vault has its RSA key.
pub(crate) fn block_of(vault: &Vault, payload: &str) -> String {
    let (_, kid) = published(vault);
    let header = json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": kid }).to_string();
    let jwe = crafted(vault, &header, payload, &[7; 32], &OAEP_SHA256_MGF1SHA256);
    [jwe.protected, jwe.encrypted_key, jwe.iv, jwe.cipher_text, jwe.tag].join(".")
}

#[track_caller]
fn check(vault: &Vault, header: &Value, plain: &str, readable: bool) {
    let jwe = crafted(vault, &header.to_string(), plain, &[7; 32], &OAEP_SHA256_MGF1SHA256);
    assert_eq!(vault.open_jws_envelope(&jwe).is_ok(), readable, "{header} {plain}");
}

#[test]
fn a_jws_for_the_vault_is_read_back_and_verifies() {
    let vault = ready();
    let opened = vault.open_jws_envelope(&sealed(&vault)).unwrap();
    assert!(opened == jws());
    assert_eq!(opened.verified(&merchant().public()).unwrap(), br#"{"iat":1}"#);
}

#[test]
fn a_jws_for_a_caller_is_read_back_and_names_the_key() {
    let vault = ready();
    vault.ready_signing().unwrap();
    let answer = vault.sign_jws(b"{}").unwrap();
    let pem = RsaPublic::parse(include_str!("../vectors/merchant-stock.public.pem")).unwrap();
    for (public, kid) in [(merchant().public(), json!("stock-test-1")), (pem, Value::Null)] {
        let jwe = public.seal(&answer).unwrap();
        let header = URL_SAFE_NO_PAD.decode(&jwe.protected).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header["kid"], kid);
        assert!(merchant().open(&jwe).unwrap() == answer);
        assert_eq!(format!("{jwe:?}"), "JweParts(****)");
        assert!(vault.open_jws_envelope(&jwe).is_err());
    }
    assert!(merchant().open(&sealed(&vault)).is_err());
}

#[test]
fn two_envelopes_of_one_jws_share_nothing_but_the_header() {
    let vault = ready();
    let (one, two) = (sealed(&vault), sealed(&vault));
    assert_eq!(one.protected, two.protected);
    assert_ne!(one.encrypted_key, two.encrypted_key);
    assert_ne!(one.iv, two.iv);
    assert_ne!(one.cipher_text, two.cipher_text);
}

#[test]
fn only_the_two_named_algorithms_open() {
    let vault = ready();
    let (_, kid) = published(&vault);
    let header = |change: Value| {
        let mut header = json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": kid});
        header.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        header
    };
    check(&vault, &header(json!({})), JWS, true);
    check(&vault, &header(json!({"typ": "JOSE", "cty": "JWS"})), JWS, true);
    check(&vault, &header(json!({"kid": null})), JWS, true);
    check(&vault, &json!({"alg": "RSA-OAEP-256", "enc": "A256GCM"}), JWS, true);
    check(&vault, &header(json!({"kid": "other"})), JWS, false);
    check(&vault, &header(json!({"kid": ""})), JWS, false);
    check(&vault, &header(json!({"kid": 1})), JWS, false);
    for alg in ["RSA-OAEP", "RSA1_5", "dir", "ECDH-ES", "rsa-oaep-256", "none"] {
        check(&vault, &header(json!({ "alg": alg })), JWS, false);
    }
    for enc in ["A128GCM", "A256CBC-HS512", "none"] {
        check(&vault, &header(json!({ "enc": enc })), JWS, false);
    }
    check(&vault, &header(json!({"crit": []})), JWS, false);
    check(&vault, &header(json!({"zip": "DEF"})), JWS, false);
    check(&vault, &json!(["RSA-OAEP-256", "A256GCM", kid]), JWS, false);
    check(&vault, &json!({"alg": "RSA-OAEP-256"}), JWS, false);
    check(&vault, &json!({"enc": "A256GCM"}), JWS, false);
}

#[test]
fn nothing_but_a_jws_opens() {
    let vault = ready();
    let header = json!({"alg": "RSA-OAEP-256", "enc": "A256GCM"});
    check(&vault, &header, &format!(" {JWS}\n"), true);
    for plain in [
        "",
        "{}",
        "4821",
        "null",
        "a.b.c",
        r#"["a","b","c"]"#,
        r#"{"pin":"4821","sub":"MPIN","txn":"T","iat":1}"#,
        r#"{"protected":"a","payload":"b","signature":"c","pin":"4821"}"#,
        r#"{"protected":"a","payload":"b","signature":1}"#,
        r#"{"protected":"a","payload":"b"}"#,
        r#"{"protected":"a","payload":"b","signature":"c"}{}"#,
        r#"{"protected":"a","protected":"a","payload":"b","signature":"c"}"#,
    ] {
        check(&vault, &header, plain, false);
    }
}

#[test]
fn a_pin_block_is_as_unreadable_as_noise() {
    let vault = ready();
    let maker = BlockMaker::from_jwks(&vault.jwks(), BlockAlg::RsaOaep256).unwrap();
    let block = maker.seal("4821", PinUse::Mpin, "TXN-1", 0).unwrap();
    let opening = Opening {
        pin_use: PinUse::Mpin,
        txn: "TXN-1",
        real_now_ms: 0,
        transit: Transit::SealedOnly,
    };
    assert!(vault.open(&PinBlock::absorb(block.clone()), &opening).is_ok());
    let mut parts = block.split('.').map(str::to_owned);
    let mut part = || parts.next().unwrap();
    let jwe = JweParts {
        protected: part(),
        encrypted_key: part(),
        iv: part(),
        cipher_text: part(),
        tag: part(),
    };
    assert!(vault.open_jws_envelope(&jwe).is_err());
    // Nor does an envelope pass for a PIN block.
    let jwe = sealed(&vault);
    let text = [jwe.protected, jwe.encrypted_key, jwe.iv, jwe.cipher_text, jwe.tag].join(".");
    assert!(vault.open(&PinBlock::absorb(text), &opening).is_err());
}

#[test]
fn a_content_key_has_32_bytes_and_its_own_padding() {
    let vault = ready();
    let header = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#;
    let opens = |key: &[u8], oaep: &'static OaepAlgorithm| {
        vault.open_jws_envelope(&crafted(&vault, header, JWS, key, oaep)).is_ok()
    };
    assert!(opens(&[7; 32], &OAEP_SHA256_MGF1SHA256));
    assert!(!opens(&[7; 32], &OAEP_SHA1_MGF1SHA1));
    for len in [0, 16, 31, 33, 64] {
        assert!(!opens(&vec![7; len], &OAEP_SHA256_MGF1SHA256), "{len}");
    }
}

#[test]
fn parts_of_another_length_do_not_open() {
    let vault = ready();
    let whole = sealed(&vault);
    let wrong = |change: fn(&mut JweParts)| {
        let mut jwe = whole.clone();
        change(&mut jwe);
        assert!(vault.open_jws_envelope(&jwe).is_err());
    };
    wrong(|jwe| jwe.iv.clear());
    wrong(|jwe| jwe.iv.truncate(12));
    wrong(|jwe| jwe.iv.push_str("AAAA"));
    wrong(|jwe| jwe.iv.push('='));
    wrong(|jwe| jwe.tag.clear());
    wrong(|jwe| jwe.tag.truncate(16));
    wrong(|jwe| jwe.tag.push_str("=="));
    wrong(|jwe| jwe.tag.push_str("AA"));
    wrong(|jwe| jwe.cipher_text.clear());
    wrong(|jwe| jwe.cipher_text.truncate(8));
    wrong(|jwe| jwe.encrypted_key.clear());
    wrong(|jwe| jwe.encrypted_key.truncate(340));
    wrong(|jwe| jwe.encrypted_key.push_str("=="));
    wrong(|jwe| jwe.encrypted_key = "AAAA".to_owned());
    wrong(|jwe| jwe.protected.clear());
    wrong(|jwe| jwe.cipher_text.push_str(&"A".repeat(JWE_LEN_MAX)));
    assert!(vault.open_jws_envelope(&whole).is_ok());
}

#[test]
fn a_vault_without_an_rsa_key_opens_nothing() {
    let (vault, other) = (vault(), ready());
    assert!(JweParts::from_jwks(&vault.jwks(), &jws()).is_err());
    vault.ready_signing().unwrap();
    assert!(JweParts::from_jwks(&vault.jwks(), &jws()).is_err());
    assert!(vault.open_jws_envelope(&sealed(&other)).is_err());
    let unnamed = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#;
    let jwe = crafted(&other, unnamed, JWS, &[7; 32], &OAEP_SHA256_MGF1SHA256);
    assert!(vault.open_jws_envelope(&jwe).is_err());
}

#[test]
fn after_rotation_the_named_key_opens_and_the_newest_is_the_unnamed_one() {
    let folder = tempfile::tempdir().unwrap();
    let unseal = folder.path().join("unseal");
    let reopen = || KeyRing::open_or_create(&folder.path().join("keys"), &unseal, 0).unwrap();
    let before = Vault::new(reopen());
    before.ready_rsa().unwrap();
    let unnamed = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#;
    let craft = |vault: &Vault| crafted(vault, unnamed, JWS, &[7; 32], &OAEP_SHA256_MGF1SHA256);
    let (named, older) = (sealed(&before), craft(&before));
    reopen().rotate(0, Duration::ZERO).unwrap();
    let after = Vault::new(reopen());
    assert!(after.open_jws_envelope(&named).is_ok());
    assert!(after.open_jws_envelope(&older).is_err());
    assert!(after.open_jws_envelope(&craft(&after)).is_ok());
}

#[test]
fn a_jwe_has_its_five_members() {
    let json = serde_json::to_value(sealed(&ready())).unwrap();
    let mut names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cipherText", "encryptedKey", "iv", "protected", "tag"]);
    let mut more = json.clone();
    more["aad"] = "AA".into();
    assert!(serde_json::from_value::<JweParts>(more).is_err());
    assert!(serde_json::from_value::<JweParts>(json).is_ok());
}

#[test]
fn no_flipped_bit_opens() {
    let vault = ready();
    let whole = sealed(&vault);
    let parts: [fn(&mut JweParts) -> &mut String; 5] = [
        |jwe| &mut jwe.protected,
        |jwe| &mut jwe.encrypted_key,
        |jwe| &mut jwe.iv,
        |jwe| &mut jwe.cipher_text,
        |jwe| &mut jwe.tag,
    ];
    for part in parts {
        let len = part(&mut whole.clone()).len();
        for index in 0..len {
            let mut jwe = whole.clone();
            let text = part(&mut jwe);
            let mut bytes = std::mem::take(text).into_bytes();
            bytes[index] ^= 1 << (index % 7);
            *text = String::from_utf8(bytes).unwrap();
            assert!(vault.open_jws_envelope(&jwe).is_err(), "at {index}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_opening_an_envelope_panic(parts in any::<[String; 5]>(), alg in "[ -~]{0,40}") {
        let [protected, encrypted_key, iv, cipher_text, tag] = parts;
        let noise = JweParts { protected, encrypted_key, iv, cipher_text, tag };
        prop_assert!(merchant().open(&noise).is_err());
        let protected = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"RSA-OAEP-256\"{alg}"));
        let noise = JweParts { protected, ..noise };
        prop_assert!(merchant().open(&noise).is_err());
    }
}
