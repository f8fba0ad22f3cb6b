//! A request that comes again: the same bytes, and nothing happens twice.

use serde_json::json;

use super::client::{App, Capture, cancel, set_creds, submit, with};
use super::{ACC_1, ACC_2, MOBILE, NISHA, PIN_2, SECOND, VPA, code, primaries, primary, sms};
use crate::support::Kunji;

#[test]
fn one_request_opens_one_capture_and_sends_one_sms() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    let members = App::set_members(ACC_1, VPA);
    let first = app.process_as("R", "upiSetMpin", &members);
    for _ in 0..3 {
        assert_eq!(app.process_as("R", "upiSetMpin", &members), first);
    }
    // The mapping that is meant when none is named, and a signature instead of the session.
    let named = with(members.clone(), &json!({ "primaryAccountMapping": "ONE_TO_ALL" }));
    assert_eq!(app.process_as("R", "upiSetMpin", &named), first);
    let signed = App { session: None, ..app.clone() };
    assert_eq!(signed.process_as("R", "upiSetMpin", &members).body, first.body);
    assert_eq!(sms(&kunji, MOBILE), 1);
    // After the end it is still the announcement; the result is at the capture.
    let capture = Capture::of(first.clone());
    let creds = set_creds(&kunji, &capture.txn, &kunji.otp(MOBILE), "4826");
    let answer = submit(&kunji, &capture, &creds);
    assert_eq!(code(&answer), "00");
    assert_eq!(app.process_as("R", "upiSetMpin", &members), first);
    kunji.advance("1h");
    assert_eq!(app.renewed().process_as("R", "upiSetMpin", &members), first);
    assert_eq!(submit(&kunji, &capture, &creds), answer);
    assert_eq!(sms(&kunji, MOBILE), 1);
}

#[test]
fn many_at_once_open_one_capture() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    let members = App::set_members(ACC_1, VPA);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..16).map(|_| scope.spawn(|| app.process_as("R", "upiSetMpin", &members))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for answer in &answers {
        assert_eq!(answer.body, answers[0].body);
    }
    assert_eq!(sms(&kunji, MOBILE), 1);
    assert_eq!(code(&cancel(&kunji, &Capture::of(answers[0].clone()))), "JP_002");
}

#[test]
fn a_refusal_that_comes_again_is_the_same_and_sends_nothing() {
    let kunji = Kunji::sandbox();
    let app = App { phone: Some("9876543210"), ..App::of(&kunji, "8888888") }.renewed();
    let members = App::set_members(ACC_1, "new@handle");
    let refused = app.process_as("R", "upiSetMpin", &members);
    assert_eq!(code(&refused), "U66");
    let bind = json!({ "simId": "1", "isBindAndActivateRequest": true });
    assert_eq!(code(&app.process("upiBindActivateDevice", &bind)), "00");
    let link = json!({ "customerVpa": "new@handle", "accountReferenceIds": [ACC_1] });
    assert_eq!(code(&app.process("upiLinkAccounts", &link)), "00");
    assert_eq!(app.process_as("R", "upiSetMpin", &members), refused);
    assert_eq!(sms(&kunji, MOBILE), 0);
    assert_eq!(code(&app.set(ACC_1, "new@handle", MOBILE, "4826")), "00");
}

#[test]
fn a_request_is_the_same_whatever_became_of_the_links() {
    let kunji = Kunji::sandbox();
    let app = App::let_in(&kunji, NISHA);
    let members = App::account_members(ACC_2);
    let first = app.process_as("R", "upiChangeMpin", &members);
    let primary_now = json!({ "customerVpa": VPA, "accountReferenceId": ACC_2 });
    assert_eq!(code(&app.process("upiMakePrimary", &primary_now)), "00");
    assert_eq!(primaries(&app), primary(ACC_2, ACC_2));
    assert_eq!(app.process_as("R", "upiChangeMpin", &members), first);
    assert_eq!(code(&app.balance(ACC_2, PIN_2)), "00");
    let capture = Capture::of(first);
    assert_eq!(code(&cancel(&kunji, &capture)), "JP_002");
    assert_ne!(VPA, SECOND);
}
