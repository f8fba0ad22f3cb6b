//! What the first builds stored is understood for good: verifiers, fingerprints, messages.

use kunji_vault::{Fingerprint, PinBlock, Sealed, Vault, Verifier};
use serde::Deserialize;

use crate::key_file::{Place, put};
use crate::pins::pin;

const UNSEAL: &str = "be5afa1c61aa9573d7343d07a9ced423b44367e104aee3545f13505e7eb0e968";
const ACCOUNT: &str = "account/ACC123456789";

/// `stored-1.json`: made under the keys of `format-2.keys`.
#[derive(Deserialize)]
struct Stored {
    verifiers: Vec<Proved>,
    fingerprint: Fingerprint,
    message: Sealed,
    otp: Otp,
}

#[derive(Deserialize)]
struct Proved {
    owner: String,
    pin: String,
    verifier: serde_json::Value,
}

#[derive(Deserialize)]
struct Otp {
    digits: String,
    verifier: Verifier,
    message: Sealed,
}

fn stored() -> Stored {
    serde_json::from_str(include_str!("../vectors/stored-1.json")).unwrap()
}

fn vault() -> Vault {
    let place = Place::holding(include_bytes!("../vectors/format-2.keys"));
    put(&place.unseal(), UNSEAL.as_bytes());
    place.vault()
}

fn read(json: &serde_json::Value) -> Verifier {
    serde_json::from_value(json.clone()).unwrap()
}

#[test]
fn a_stored_verifier_still_accepts_its_pin_and_no_other() {
    let vault = vault();
    for Proved { owner, pin: text, verifier } in stored().verifiers {
        let accepts = |owner: &str, text: &str| {
            vault.matches(owner, &pin(&vault, text), &read(&verifier)).unwrap()
        };
        assert!(accepts(&owner, &text), "{owner}");
        assert!(!accepts(&format!("{owner}0"), &text), "{owner}");
        assert!(!accepts(&owner, "0000"), "{owner}");
    }
}

#[test]
fn a_stored_verifier_counts_as_one_of_the_last_three() {
    let vault = vault();
    let stored = stored();
    let Proved { owner, pin: text, verifier } = &stored.verifiers[1];
    let policy = crate::pins::policy(4);
    let judged = vault.judge(owner, &pin(&vault, text), &policy, &[read(verifier)]).unwrap();
    assert_eq!(judged.unwrap_err(), kunji_vault::Weakness::Recent);
}

#[test]
fn any_altered_byte_of_salt_or_mac_refuses() {
    let vault = vault();
    let old = read(&stored().verifiers[1].verifier);
    let new = vault.enroll(ACCOUNT, &pin(&vault, "4821")).unwrap();
    for (owner, verifier) in [("account/ACC123456789#pin", old), (ACCOUNT, new)] {
        let right = pin(&vault, "4821");
        assert!(vault.matches(owner, &right, &verifier).unwrap());
        let json = serde_json::to_value(&verifier).unwrap();
        for (part, len) in [("salt", 16), ("mac", 32)] {
            for (at, bit) in (0..len).zip((0..8).cycle()) {
                let mut altered = json.clone();
                let byte = altered[part][at].as_u64().unwrap();
                altered[part][at] = (byte ^ (1 << bit)).into();
                assert!(!vault.matches(owner, &right, &read(&altered)).unwrap(), "{part} {at}");
            }
        }
    }
}

#[test]
fn a_stored_fingerprint_is_that_of_the_same_request() {
    let mut print = vault().fingerprint();
    print.text(ACCOUNT);
    print.text("verify");
    print.block(&PinBlock::absorb("a.b.c.d.e".to_owned()));
    assert!(print.finish().same_as(&stored().fingerprint));
}

#[test]
fn a_stored_message_is_opened() {
    let (vault, Stored { message, otp, .. }) = (vault(), stored());
    let opened = vault.open_message(ACCOUNT, &message).unwrap();
    assert_eq!((opened.text.as_str(), &opened.otp), ("Your account is blocked.", &None));
    let opened = vault.open_message(ACCOUNT, &otp.message).unwrap();
    assert_eq!(opened.text, format!("Use {} now", otp.digits));
    assert_eq!(opened.otp.as_ref(), Some(&otp.digits));
    let right = pin(&vault, &otp.digits);
    let owner = format!("{ACCOUNT}#otp");
    assert!(vault.matches(&owner, &right, &otp.verifier).unwrap());
}
