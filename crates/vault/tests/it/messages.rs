//! One-time passwords and the messages that tell them.

use kunji_vault::OTP_LEN;

use crate::pins::{pin, vault};

#[test]
fn the_password_in_the_message_is_the_one_that_is_accepted() {
    let vault = vault();
    let issued = vault.issue_otp("otp:acct_1", "sms_1", "Use {otp} within 5 minutes.").unwrap();
    let message = vault.open_message("sms_1", &issued.message).unwrap();
    let otp = message.otp.as_deref().unwrap();
    assert_eq!(otp.len(), OTP_LEN);
    assert!(otp.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(message.text, format!("Use {otp} within 5 minutes."));
    let entered = pin(&vault, otp);
    let accepts = |owner| vault.matches(owner, &entered, &issued.verifier).unwrap();
    assert!(accepts("otp:acct_1"));
    assert!(!accepts("otp:acct_2"));
}

#[test]
fn a_message_opens_only_with_its_aad() {
    let vault = vault();
    let issued = vault.issue_otp("o", "sms_1", "{otp}").unwrap();
    assert!(vault.open_message("sms_1", &issued.message).is_ok());
    assert!(vault.open_message("sms_2", &issued.message).is_err());
    assert!(vault.open_message("", &issued.message).is_err());
}

#[test]
fn a_wording_without_a_place_is_a_fault() {
    assert!(vault().issue_otp("o", "sms_1", "Hello").is_err());
}

#[test]
fn a_message_without_a_password_has_none() {
    let vault = vault();
    let sealed = vault.seal_message("sms_1", "Your PIN was changed.").unwrap();
    let message = vault.open_message("sms_1", &sealed).unwrap();
    assert_eq!(message.text, "Your PIN was changed.");
    assert_eq!(message.otp, None);
}

#[test]
fn a_stored_message_is_read_back_and_an_unknown_key_is_a_fault() {
    let vault = vault();
    let issued = vault.issue_otp("o", "sms_1", "{otp}").unwrap();
    let mut json = serde_json::to_value(&issued.message).unwrap();
    let stored = serde_json::from_value(json.clone()).unwrap();
    assert!(vault.open_message("sms_1", &stored).is_ok());
    json["key_version"] = 9.into();
    let unknown = serde_json::from_value(json).unwrap();
    assert!(vault.open_message("sms_1", &unknown).is_err());
}

#[test]
fn passwords_differ() {
    let vault = vault();
    let draw = || {
        let issued = vault.issue_otp("o", "m", "{otp}").unwrap();
        vault.open_message("m", &issued.message).unwrap().text.clone()
    };
    let drawn: std::collections::HashSet<String> = (0..50).map(|_| draw()).collect();
    assert!(drawn.len() > 40);
}
