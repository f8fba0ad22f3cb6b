//! No secret type tells its content, and the vault is shared by threads.

use std::fmt::Debug;

use kunji_vault::{
    BlockMark, Blocklist, Fingerprint, HmacKey, JweParts, JwsParts, KeyRing, Layout, PinBlock,
    RsaPrivate, RsaPublic, Secret, TokenKey, Vault,
};

use crate::pins::{pin, vault};
use crate::rsa_keys::merchant;

#[track_caller]
fn check(value: &dyn Debug) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(text.contains("****"), "{text}");
        assert!(!text.bytes().any(|byte| byte.is_ascii_digit()), "{text}");
    }
}

#[test]
fn debug_shows_stars_only() {
    let vault = vault();
    let issued = vault.issue_otp("o", "m", "code {otp}").unwrap();
    check(&pin(&vault, "4821"));
    check(&PinBlock::absorb("4821".to_owned()));
    check(&vault);
    check(&KeyRing::ephemeral().unwrap());
    check(&Secret::parse("key 4821".to_owned()).unwrap());
    check(&TokenKey::parse("ascii:0123456789abcdef01234567", Layout::FixedIv([7; 16])).unwrap());
    check(&Fingerprint([48; 32]));
    check(&vault.fingerprint());
    check(&issued.message);
    check(&vault.open_message("m", &issued.message).unwrap());
    check(&Blocklist::parse("4821").unwrap());
    check(&HmacKey::parse("4821").unwrap());
    check(&merchant());
    let jws = merchant().sign_jws(None, b"4821").unwrap();
    check(&merchant().public().seal(&jws).unwrap());
    check(&jws);
}

#[test]
fn a_verifier_shows_its_key_version_only() {
    let vault = vault();
    let verifier = vault.enroll("o", &pin(&vault, "4821")).unwrap();
    assert_eq!(format!("{verifier:?}"), "Verifier(key version 1)");
}

#[test]
fn errors_hold_nothing_of_their_input() {
    let error = TokenKey::parse("ascii:4821", Layout::ZeroIv).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("4821"));
    let error = Blocklist::parse("77a4821").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("4821"));
    let error = HmacKey::parse("whsec_4821!").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("4821"));
    let error = RsaPublic::parse("4821").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("4821"));
}

#[test]
fn a_mark_may_be_stored() {
    let mark = BlockMark([7; 16]);
    let json = serde_json::to_string(&mark).unwrap();
    assert_eq!(serde_json::from_str::<BlockMark>(&json).unwrap(), mark);
}

#[test]
fn a_vault_may_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Vault>();
    shared::<PinBlock>();
    shared::<TokenKey>();
    shared::<Secret>();
    shared::<HmacKey>();
    shared::<RsaPublic>();
    shared::<RsaPrivate>();
    shared::<JwsParts>();
    shared::<JweParts>();
}
