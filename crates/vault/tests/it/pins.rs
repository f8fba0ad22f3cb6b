//! Verifiers and judgement: bound to owner and key version.

use kunji_vault::{
    ClearPin, KeyRing, Opening, PinBlock, PinLength, PinUse, Policy, Transit, Vault, Verifier,
    Weakness,
};
use proptest::prelude::*;

pub(crate) fn vault() -> Vault {
    Vault::new(KeyRing::ephemeral().unwrap())
}

pub(crate) fn pin(vault: &Vault, text: &str) -> ClearPin {
    let opening =
        Opening { pin_use: PinUse::Mpin, txn: "", real_now_ms: 0, transit: Transit::ClearAllowed };
    vault.open(&PinBlock::absorb(text.to_owned()), &opening).unwrap()
}

pub(crate) fn policy(length: u8) -> Policy {
    Policy {
        length: PinLength::parse(length).unwrap(),
        birth: None,
        max_same_run: None,
        blocklist: None,
    }
}

#[test]
fn a_verifier_accepts_its_pin_of_its_owner_only() {
    let vault = vault();
    let verifier = vault.enroll("acct_1", &pin(&vault, "4821")).unwrap();
    let matches =
        |owner: &str, text: &str| vault.matches(owner, &pin(&vault, text), &verifier).unwrap();
    assert!(matches("acct_1", "4821"));
    assert!(!matches("acct_1", "4822"));
    assert!(!matches("acct_1", "482"));
    assert!(!matches("acct_1", "48210"));
    assert!(!matches("acct_2", "4821"));
    assert!(!matches("", "4821"));
}

#[test]
fn one_pin_has_many_verifiers() {
    let vault = vault();
    let json = || serde_json::to_string(&vault.enroll("a", &pin(&vault, "4821")).unwrap()).unwrap();
    assert_ne!(json(), json());
}

#[test]
fn another_vault_does_not_accept() {
    let (here, there) = (vault(), vault());
    let verifier = here.enroll("a", &pin(&here, "4821")).unwrap();
    assert!(!there.matches("a", &pin(&there, "4821"), &verifier).unwrap());
}

#[test]
fn a_stored_verifier_is_read_back_and_an_altered_one_refuses() {
    let vault = vault();
    let right = pin(&vault, "4821");
    let mut json = serde_json::to_value(vault.enroll("a", &right).unwrap()).unwrap();
    let verifier: Verifier = serde_json::from_value(json.clone()).unwrap();
    assert!(vault.matches("a", &right, &verifier).unwrap());
    let byte = json["salt"][0].as_u64().unwrap();
    json["salt"][0] = (byte ^ 1).into();
    let altered: Verifier = serde_json::from_value(json).unwrap();
    assert!(!vault.matches("a", &right, &altered).unwrap());
}

#[test]
fn an_unknown_key_version_is_a_fault() {
    let vault = vault();
    let right = pin(&vault, "4821");
    let mut json = serde_json::to_value(vault.enroll("a", &right).unwrap()).unwrap();
    json["key_version"] = 2.into();
    let unknown: Verifier = serde_json::from_value(json).unwrap();
    assert!(vault.matches("a", &right, &unknown).is_err());
    let other = pin(&vault, "7293");
    let judged = vault.judge("a", &other, &policy(4), &[unknown]);
    assert!(judged.is_err());
}

#[track_caller]
fn check(recent: &[&str], text: &str, expected: Option<Weakness>) {
    let vault = vault();
    let recent: Vec<_> =
        recent.iter().map(|text| vault.enroll("a", &pin(&vault, text)).unwrap()).collect();
    let new = pin(&vault, text);
    match vault.judge("a", &new, &policy(4), &recent).unwrap() {
        Ok(verifier) => {
            assert_eq!(expected, None);
            assert!(vault.matches("a", &new, &verifier).unwrap());
        }
        Err(weakness) => assert_eq!(Some(weakness), expected),
    }
}

#[test]
fn the_last_three_pins_are_not_taken_again() {
    check(&[], "4821", None);
    check(&["4821"], "4821", Some(Weakness::Recent));
    check(&["7293", "4821"], "4821", Some(Weakness::Recent));
    check(&["7293", "6802", "4821"], "4821", Some(Weakness::Recent));
    check(&["7293", "6802", "5917", "4821"], "4821", None);
    check(&["7293", "6802", "5917"], "4821", None);
}

#[test]
fn a_weak_pin_is_told_by_its_first_rule() {
    check(&[], "12a4", Some(Weakness::NotDigits));
    check(&[], "12345", Some(Weakness::WrongLength));
    check(&["1234"], "1234", Some(Weakness::Sequential));
    check(&["1111"], "1111", Some(Weakness::Repeated));
    check(&[], "8901", None);
    check(&[], "1235", None);
    check(&[], "1122", None);
}

proptest! {
    #[test]
    fn only_equal_pins_match(left in "[0-9]{4,6}", right in "[0-9]{4,6}") {
        let vault = vault();
        let verifier = vault.enroll("a", &pin(&vault, &left)).unwrap();
        let same = vault.matches("a", &pin(&vault, &right), &verifier).unwrap();
        prop_assert_eq!(same, left == right);
    }
}
