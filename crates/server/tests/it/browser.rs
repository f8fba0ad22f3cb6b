//! The page on which customers enter digits, in a real browser.

mod access;
mod capture;
mod driver;
mod form;
mod outcomes;
mod pictures;
mod secrecy;

use std::process::Command;

use self::capture::{Action, MPIN, open_capture, result};
use self::driver::Browser;
use self::form::{BACKSPACE, DELETE, ENTER};
use crate::support::{KUNJI, Kunji};

const NEW: &str = "730582";
const LATE: &str = "return document.getElementById('timer').classList.contains('late')";

/// A sandbox, a browser, and a page that is open in it.
struct Stage {
    kunji: Kunji,
    browser: Browser,
    capture: capture::Capture,
}

impl Stage {
    fn of(action: Action) -> Self {
        let browser = Browser::start();
        let mut command = Command::new(KUNJI);
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
        // It is for the tests; `kunji` takes it for a setting.
        command.env_remove("KUNJI_BLESS");
        let kunji = Kunji::spawn(command);
        let capture = open_capture(&kunji, action);
        browser.open(&capture.url);
        Self { kunji, browser, capture }
    }

    /// Requests that carried blocks.
    fn posts(&self) -> Vec<driver::Sent> {
        let mut sent = self.browser.sent();
        sent.retain(|one| one.method == "POST");
        sent
    }
}

#[test]
fn an_mpin_is_set_with_the_keyboard_alone() {
    let Stage { kunji, browser, capture } = Stage::of(Action::Set);
    assert_eq!(browser.text("step"), "Step 1 of 3");
    browser.enter(&capture.otp);
    assert_eq!(browser.text("step"), "Step 2 of 3");
    browser.enter(NEW);
    assert_eq!(browser.text("prompt"), "Enter the new MPIN again");
    browser.enter(NEW);
    assert_eq!(browser.ending(), "Your MPIN is set");
    assert_eq!(result(&kunji, &capture)["payload"]["gatewayResponseCode"], "00");
}

#[test]
fn an_mpin_is_changed_with_the_buttons_alone() {
    let Stage { kunji, browser, capture } = Stage::of(Action::Change);
    browser.tap(MPIN);
    browser.tap(NEW);
    browser.tap(NEW);
    assert_eq!(browser.ending(), "Your MPIN is changed");
    assert_eq!(result(&kunji, &capture)["payload"]["gatewayResponseCode"], "00");

    // Opened again, it shows its end and nothing to enter.
    browser.open(&capture.url);
    assert_eq!(browser.ending(), "Your MPIN is changed");
    assert_eq!(browser.text("entry"), "");
    assert_eq!(browser.complaints(), [""; 0]);

    // The old MPIN is wrong from now on.
    let capture = open_capture(&kunji, Action::Balance);
    browser.open(&capture.url);
    assert!(browser.text("steps").is_empty(), "one step needs no count");
    browser.enter(MPIN);
    assert_eq!(browser.ending(), "The MPIN is wrong");
    let capture = open_capture(&kunji, Action::Balance);
    browser.open(&capture.url);
    browser.enter(NEW);
    assert_eq!(browser.ending(), "Your MPIN is correct");
}

#[test]
fn a_wrong_otp_ends_the_page_and_sets_nothing() {
    let Stage { kunji, browser, capture } = Stage::of(Action::Set);
    let first = if capture.otp.starts_with('1') { "2" } else { "1" };
    browser.enter(&format!("{first}{}", &capture.otp[1..]));
    browser.enter(NEW);
    browser.enter(NEW);
    assert_eq!(browser.ending(), "The OTP is wrong");
    assert!(browser.text("end-text").contains("Your MPIN was not set."));
    assert!(browser.text("end-code").contains("ZR"));
    let event = result(&kunji, &capture);
    assert_eq!(event["payload"]["status"], "FAILURE");
    assert_eq!(event["payload"]["gatewayResponseCode"], "ZR");
}

#[test]
fn hints_come_before_anything_is_sent() {
    let stage = Stage::of(Action::Change);
    let browser = &stage.browser;
    browser.enter(&MPIN[..5]);
    assert_eq!(browser.text("alert"), "Enter all 6 digits of the MPIN.");
    assert_eq!(browser.dots(), 5);
    // The field takes no seventh digit.
    browser.press_keys(&format!("{}444", &MPIN[5..]));
    assert_eq!(browser.dots(), 6);
    browser.press_keys(ENTER);
    assert_eq!(browser.text("step"), "Step 2 of 3");
    assert_eq!(browser.text("alert"), "");
    for weak in ["111111", "123456", "654321", "345678"] {
        browser.enter(weak);
        assert!(browser.text("alert").starts_with("That is too easy to guess."), "{weak}");
        assert_eq!((browser.text("step").as_str(), browser.dots()), ("Step 2 of 3", 0));
    }
    browser.enter(MPIN);
    assert_eq!(browser.text("alert"), "The new MPIN is the current one. Choose another.");
    browser.enter(NEW);
    browser.enter("730583");
    assert_eq!(browser.text("alert"), "The two MPINs differ. Choose the new MPIN again.");
    assert_eq!((browser.text("step").as_str(), browser.dots()), ("Step 2 of 3", 0));
    assert!(stage.posts().is_empty());

    browser.enter("890123");
    assert_eq!(browser.text("step"), "Step 3 of 3");
    browser.press_keys("8901");
    browser.click("#back");
    assert_eq!((browser.text("step").as_str(), browser.dots()), ("Step 2 of 3", 0));
}

#[test]
fn digits_can_be_taken_back_pasted_and_wiped() {
    let stage = Stage::of(Action::Balance);
    let Stage { browser, .. } = &stage;
    browser.press_keys(&format!("12{BACKSPACE}34{BACKSPACE}{BACKSPACE}"));
    assert_eq!(browser.dots(), 1);
    browser.press_keys(DELETE);
    assert_eq!(browser.dots(), 0);
    browser.press_keys(BACKSPACE);
    browser.tap_only("123");
    browser.click("#delete");
    assert_eq!(browser.dots(), 2);
    assert_eq!(browser.text("count"), "2 of 6 digits entered");
    browser.click("#clear");
    assert_eq!(browser.dots(), 0);
    browser.press_keys("123");
    browser.paste("804 913");
    assert_eq!(browser.dots(), 6);
    browser.paste("80491x");
    assert_eq!(browser.text("alert"), "What you pasted is not 6 digits.");
    browser.run("dispatchEvent(new PageTransitionEvent('pagehide'))");
    assert_eq!(browser.dots(), 0);
}

#[test]
fn a_page_that_is_late_is_told_so() {
    let Stage { kunji, browser, capture } = Stage::of(Action::Change);
    browser.enter(MPIN);
    browser.enter(NEW);
    kunji.advance("6m");
    browser.enter(NEW);
    assert_eq!(browser.ending(), "Your time is over");
    assert_eq!(result(&kunji, &capture)["errorCode"], "JP_001");
    browser.open(&capture.url);
    assert_eq!(browser.ending(), "Your time is over");

    // By its own clock as well, without a word to the server.
    kunji.start_over();
    let capture = open_capture(&kunji, Action::Change);
    browser
        .before_scripts("const now = Date.now; Date.now = () => now() + Number(window.name || 0);");
    browser.open(&capture.url);
    browser.press_keys(&MPIN[..4]);
    browser.run("window.name = '245000'");
    browser.wait("document.getElementById('said').textContent.endsWith(' seconds left.')");
    assert!(browser.text("left").starts_with("0:5") && browser.run(LATE) == true);
    browser.run("window.name = '300000'");
    assert_eq!(browser.ending(), "Your time is over");
    browser.run("window.name = ''");
    assert_eq!(browser.dots(), 0);
}

#[test]
fn a_customer_can_stop() {
    let stage = Stage::of(Action::Change);
    let browser = &stage.browser;
    browser.press_keys(&MPIN[..3]);
    browser.click("#cancel");
    // Digits belong to the page, not to the question.
    browser.press_keys(&MPIN[3..]);
    browser.click("#stay");
    assert_eq!(browser.dots(), 3);
    browser.click("#cancel");
    browser.click("#leave");
    assert_eq!(browser.ending(), "You stopped");
    assert_eq!(browser.dots(), 0);
    let event = result(&stage.kunji, &stage.capture);
    assert_eq!(event["error"], true);
    assert_eq!(event["errorCode"], "JP_002");
    assert!(stage.posts().is_empty());
}
