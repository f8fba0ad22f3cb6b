//! PIN blocks: what opens, what does not, and that nothing panics.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kunji_vault::{
    BLOCK_AGE_MAX_MS, BlockAlg, BlockMaker, ClearPin, Cost, KeyRing, Opening, PinBlock, PinUse,
    Transit, Unreadable, Vault,
};
use proptest::prelude::*;

use crate::envelopes::{block_of, ready};

const NOW_MS: i64 = 1_760_000_000_000;

const OPENING: Opening<'_> = Opening {
    pin_use: PinUse::Mpin,
    txn: "TXN-1",
    real_now_ms: NOW_MS,
    transit: Transit::SealedOnly,
};

fn vault() -> Vault {
    Vault::new(KeyRing::ephemeral().unwrap())
}

pub(crate) fn seal(vault: &Vault, alg: BlockAlg, pin: &str) -> String {
    let maker = BlockMaker::from_jwks(&vault.jwks(), alg).unwrap();
    maker.seal(pin, PinUse::Mpin, "TXN-1", NOW_MS).unwrap()
}

fn open(vault: &Vault, text: &str, opening: &Opening<'_>) -> Result<ClearPin, Unreadable> {
    vault.open(&PinBlock::absorb(text.to_owned()), opening)
}

/// Whether the text opens, and opens to this PIN.
pub(crate) fn opens_to(vault: &Vault, text: &str, pin: &str) -> Option<bool> {
    let clear = Opening { transit: Transit::ClearAllowed, ..OPENING };
    let expected = open(vault, pin, &clear).unwrap();
    let verifier = vault.enroll("owner", &expected).unwrap();
    let opened = open(vault, text, &OPENING).ok()?;
    Some(vault.matches("owner", &opened, &verifier).unwrap())
}

#[test]
fn a_block_of_either_kind_opens_to_its_pin() {
    let vault = vault();
    vault.ready_rsa().unwrap();
    for (alg, cost) in [(BlockAlg::EcdhEs, Cost::Light), (BlockAlg::RsaOaep256, Cost::Heavy)] {
        let text = seal(&vault, alg, "4821");
        assert_eq!(PinBlock::absorb(text.clone()).cost(), cost);
        assert_eq!(opens_to(&vault, &text, "4821"), Some(true));
        assert_eq!(opens_to(&vault, &text, "4822"), Some(false));
    }
}

#[track_caller]
fn check_clear(text: &str, transit: Transit, readable: bool) {
    let opening = Opening { transit, ..OPENING };
    assert_eq!(open(&vault(), text, &opening).is_ok(), readable);
}

#[test]
fn digits_in_the_clear_open_only_where_that_is_allowed() {
    check_clear("4821", Transit::ClearAllowed, true);
    check_clear("48a.21", Transit::ClearAllowed, true);
    check_clear("123456789012", Transit::ClearAllowed, true);
    check_clear("1234567890123", Transit::ClearAllowed, false);
    check_clear("", Transit::ClearAllowed, false);
    check_clear("....", Transit::ClearAllowed, false);
    check_clear("4821", Transit::SealedOnly, false);
}

#[test]
fn what_is_no_string_does_not_open() {
    let opening = Opening { transit: Transit::ClearAllowed, ..OPENING };
    for json in ["4821", "null", "[\"4821\"]"] {
        let block: PinBlock = serde_json::from_str(json).unwrap();
        assert!(vault().open(&block, &opening).is_err());
    }
}

#[track_caller]
fn check_claims(pin_use: PinUse, txn: &str, iat_ms: i64, readable: bool) {
    let vault = vault();
    let maker = BlockMaker::from_jwks(&vault.jwks(), BlockAlg::EcdhEs).unwrap();
    let text = maker.seal("4821", pin_use, txn, iat_ms).unwrap();
    assert_eq!(open(&vault, &text, &OPENING).is_ok(), readable);
}

#[test]
fn a_block_opens_for_its_own_use_transaction_and_time() {
    let age = BLOCK_AGE_MAX_MS;
    check_claims(PinUse::Mpin, "TXN-1", NOW_MS, true);
    check_claims(PinUse::Mpin, "TXN-1", NOW_MS - age, true);
    check_claims(PinUse::Mpin, "TXN-1", NOW_MS + age, true);
    check_claims(PinUse::Mpin, "TXN-1", NOW_MS - age - 1, false);
    check_claims(PinUse::Mpin, "TXN-1", NOW_MS + age + 1, false);
    check_claims(PinUse::Mpin, "TXN-1", i64::MIN, false);
    check_claims(PinUse::Mpin, "TXN-1", i64::MAX, false);
    check_claims(PinUse::Mpin, "TXN-2", NOW_MS, false);
    check_claims(PinUse::Mpin, "txn-1", NOW_MS, false);
    check_claims(PinUse::Mpin, "", NOW_MS, false);
    check_claims(PinUse::NewMpin, "TXN-1", NOW_MS, false);
    check_claims(PinUse::AtmPin, "TXN-1", NOW_MS, false);
}

/// A block whose `iat` is written like this.
#[track_caller]
fn check_stamp(vault: &Vault, iat: &str, readable: bool) {
    let payload = format!(r#"{{"pin":"4821","sub":"MPIN","txn":"TXN-1","iat":{iat}}}"#);
    let text = block_of(vault, &payload);
    assert_eq!(open(vault, &text, &OPENING).is_ok(), readable, "{iat}");
}

#[test]
fn a_stamp_of_ten_digits_is_in_seconds_and_a_whole_number_may_be_written_in_any_way() {
    let vault = ready();
    let (now_s, age_s) = (NOW_MS / 1000, BLOCK_AGE_MAX_MS / 1000);
    for iat in [
        NOW_MS.to_string(),
        now_s.to_string(),
        (now_s - age_s).to_string(),
        (now_s + age_s).to_string(),
        format!("{now_s}.0"),
        format!("{now_s}.000"),
        "1.76e9".to_owned(),
        "1.76E+12".to_owned(),
        "17600000000e2".to_owned(),
        format!("{NOW_MS}.0"),
    ] {
        check_stamp(&vault, &iat, true);
    }
    for iat in [
        (now_s - age_s - 1).to_string(),
        (now_s + age_s + 1).to_string(),
        format!("{now_s}.5"),
        format!("{NOW_MS}.5"),
        format!("\"{now_s}\""),
        format!("-{now_s}"),
        "176000000".to_owned(),
        "17600000000".to_owned(),
        "1.76e11".to_owned(),
        "1e400".to_owned(),
        "1e300".to_owned(),
        "18446744073709551615".to_owned(),
        "-9223372036854775808".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        "[1760000000]".to_owned(),
        "{}".to_owned(),
    ] {
        check_stamp(&vault, &iat, false);
    }
}

#[test]
fn a_pin_of_no_or_too_many_bytes_does_not_open() {
    let vault = vault();
    for (pin, readable) in
        [("", false), ("1", true), ("12a4", true), ("123456789012", true), ("1234567890123", false)]
    {
        let text = seal(&vault, BlockAlg::EcdhEs, pin);
        assert_eq!(open(&vault, &text, &OPENING).is_ok(), readable);
    }
}

#[test]
fn a_block_of_an_older_key_still_opens() {
    let ring = KeyRing::ephemeral().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let unseal = folder.path().join("unseal");
    let path = folder.path().join("keys");
    let reopen = || KeyRing::open_or_create(&path, &unseal, 0).unwrap();
    let before = Vault::new(reopen());
    before.ready_rsa().unwrap();
    let texts = [BlockAlg::EcdhEs, BlockAlg::RsaOaep256].map(|alg| seal(&before, alg, "4821"));
    reopen().rotate(0, Duration::ZERO).unwrap();
    let after = Vault::new(reopen());
    for text in &texts {
        assert_eq!(opens_to(&after, text, "4821"), Some(true));
    }
    ring.rotate(0, Duration::ZERO).unwrap();
    assert_eq!(opens_to(&Vault::new(ring), &texts[0], "4821"), None);
}

#[test]
fn the_key_set_names_the_newest_key_first() {
    let ring = KeyRing::ephemeral().unwrap();
    ring.rotate(0, Duration::ZERO).unwrap();
    let vault = Vault::new(ring);
    vault.ready_rsa().unwrap();
    let set: serde_json::Value = serde_json::from_str(&vault.jwks()).unwrap();
    let keys = set["keys"].as_array().unwrap();
    let kinds: Vec<_> = keys.iter().map(|key| key["kty"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["EC", "RSA", "EC"]);
    assert_eq!(keys[0]["crv"], "P-256");
    assert_eq!(keys[0]["alg"], "ECDH-ES");
    assert_eq!(keys[1]["alg"], "RSA-OAEP-256");
    assert_eq!(keys[1]["e"], "AQAB");
    assert!(keys.iter().all(|key| key["use"] == "enc"));
    assert!(keys.iter().all(|key| key.get("d").is_none()));
    let maker = BlockMaker::from_jwks(&vault.jwks(), BlockAlg::EcdhEs).unwrap();
    assert_eq!(keys[0]["kid"], maker.kid());
    assert_ne!(keys[0]["kid"], keys[2]["kid"]);
}

#[test]
fn the_rsa_key_is_made_once_by_many_callers() {
    let vault = vault();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| vault.ready_rsa().unwrap());
        }
    });
    assert_eq!(vault.jwks().matches("\"RSA\"").count(), 1);
}

/// The text with one member of its header changed.
fn with_header(text: &str, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let (header, rest) = text.split_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(header).unwrap();
    let mut header: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    change(&mut header);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[test]
fn no_changed_header_opens() {
    let vault = vault();
    vault.ready_rsa().unwrap();
    for alg in [BlockAlg::EcdhEs, BlockAlg::RsaOaep256] {
        let text = seal(&vault, alg, "4821");
        for (member, value) in [
            ("alg", "dir"),
            ("alg", "RSA1_5"),
            ("alg", "ECDH-ES+A256KW"),
            ("enc", "A128GCM"),
            ("kid", "other"),
            ("zip", "DEF"),
            ("typ", "JWE"),
        ] {
            let altered = with_header(&text, |header| header[member] = value.into());
            assert_eq!(opens_to(&vault, &altered, "4821"), None, "{member}");
        }
        let altered = with_header(&text, |header| header["crit"] = ["exp"][..].into());
        assert_eq!(opens_to(&vault, &altered, "4821"), None);
    }
    let text = seal(&vault, BlockAlg::EcdhEs, "4821");
    let half = URL_SAFE_NO_PAD.encode([1; 32]);
    let altered = with_header(&text, |header| header["epk"]["x"] = half.into());
    assert_eq!(opens_to(&vault, &altered, "4821"), None);
}

#[test]
fn parts_that_do_not_belong_do_not_open() {
    let vault = vault();
    vault.ready_rsa().unwrap();
    let [ec, rsa] = [BlockAlg::EcdhEs, BlockAlg::RsaOaep256].map(|alg| seal(&vault, alg, "4821"));
    let parts = |text: &str| -> Vec<String> { text.split('.').map(str::to_owned).collect() };
    let (ec, rsa) = (parts(&ec), parts(&rsa));
    for altered in [
        [&ec[0], "AAAA", &ec[2], &ec[3], &ec[4]],
        [&rsa[0], "", &rsa[2], &rsa[3], &rsa[4]],
        [&rsa[0], "AAAA", &rsa[2], &rsa[3], &rsa[4]],
        [&ec[0], "", &ec[2], &ec[3], &ec[4][..20]],
        [&ec[0], "", &ec[2], "", &ec[4]],
        [&ec[0], "", "", &ec[3], &ec[4]],
        [&ec[0], "", &format!("{}=", ec[2]), &ec[3], &ec[4]],
        [&rsa[0], "", &ec[2], &ec[3], &ec[4]],
    ] {
        assert_eq!(opens_to(&vault, &altered.join("."), "4821"), None);
    }
}

#[test]
fn no_flipped_character_opens() {
    let vault = vault();
    vault.ready_rsa().unwrap();
    for alg in [BlockAlg::EcdhEs, BlockAlg::RsaOaep256] {
        let text = seal(&vault, alg, "4821");
        for index in 0..text.len() {
            for mask in [1, 2, 0x20] {
                let mut bytes = text.clone().into_bytes();
                bytes[index] ^= mask;
                let Ok(altered) = String::from_utf8(bytes) else {
                    continue;
                };
                assert_eq!(opens_to(&vault, &altered, "4821"), None, "at {index}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_opening_panic(text in "[ -~]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,5}") {
        let _ = open(&vault(), &text, &OPENING);
    }

    #[test]
    fn no_header_makes_opening_panic(json in "\\{\"alg\":\"(ECDH-ES|RSA-OAEP-256)\"[ -~]{0,60}") {
        let text = format!("{}.AA.AA.AA.AA", URL_SAFE_NO_PAD.encode(json));
        prop_assert!(open(&vault(), &text, &OPENING).is_err());
    }
}
