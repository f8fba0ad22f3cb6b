//! What the page says to each answer, and to none.

use super::Stage;
use super::capture::{Action, MPIN, result};
use super::form::ENTER;

/// Every code that an issuer or the SDK has for these actions, and what it is called.
const CODES: &[(&str, &str)] = &[
    ("00", "Your MPIN is correct"),
    ("ZM", "The MPIN is wrong"),
    ("Z6", "Your MPIN is blocked"),
    ("AM", "There is no MPIN yet"),
    ("RM", "Choose another MPIN"),
    ("RN", "No more tries today"),
    ("ZR", "The OTP is wrong"),
    ("ZS", "The OTP is too old"),
    ("ZT", "Too many wrong OTPs"),
    ("XN", "The card was not found"),
    ("XL", "Your debit card has expired"),
    ("XR", "Your debit card is blocked"),
    ("AJ", "Your debit card is not active"),
    ("XH", "The account was not found"),
    ("B1", "Your mobile number has changed"),
    ("U54", "This could not be read"),
    ("U66", "This device is not registered"),
    ("U01", "This was sent before"),
    ("U90", "The bank did not answer in time"),
    ("JP_001", "Your time is over"),
    ("JP_002", "You stopped"),
    ("JP_019", "Your entry was not used"),
    ("QQ", "The bank refused this"),
];

/// Answers each POST with the code after the address's question mark.
const ANSWER: &str = "
  const real = fetch;
  window.fetch = (url, options) => {
    if (options?.method !== 'POST') return real(url, options);
    const code = location.search.slice(1);
    const error = code.startsWith('JP_');
    const status = code === '00' ? 'SUCCESS' : 'FAILURE';
    const payload = error ? {} : { status, gatewayResponseCode: code };
    return Promise.resolve(Response.json({ event: 'process_result', error, payload,
      errorCode: error ? code : '' }));
  };";

/// Lets the first POST arrive, and loses its answer.
const LOSE: &str = "
  const real = fetch;
  let lost = false;
  window.fetch = async (url, options) => {
    const response = await real(url, options);
    if (options?.method !== 'POST' || lost) return response;
    lost = true;
    throw new TypeError('the connection broke');
  };";

/// Keeps what a POST would send.
const HOLD: &str = "
  const real = fetch;
  window.fetch = (url, options) => {
    if (options?.method !== 'POST') return real(url, options);
    document.documentElement.dataset.held = options.body;
    return new Promise(() => {});
  };";

/// Answers each POST with the status after the question mark, but the second one for real.
const STATUS: &str = "
  const real = fetch;
  let asked = 0;
  window.fetch = async (url, options) => {
    if (options?.method !== 'POST' || (asked += 1) === 2) return real(url, options);
    return new Response('', { status: Number(location.search.slice(1)), headers: { 'Retry-After': '1' } });
  };";

#[test]
fn every_code_has_words_of_its_own_and_a_next_step() {
    let stage = Stage::of(Action::Balance);
    let Stage { browser, capture, .. } = &stage;
    browser.before_scripts(ANSWER);
    for (code, title) in CODES {
        browser.open(&format!("{}?{code}", capture.url));
        browser.enter(MPIN);
        assert_eq!(browser.ending(), *title, "{code}");
        assert!(browser.text("end-text").len() > 20, "{code}");
        assert!(browser.text("end-then").len() > 20, "{code}");
        assert!(browser.text("end-code").contains(&format!("code {code}, ")), "{code}");
        let focus = browser.run("return document.activeElement.id");
        assert_eq!(focus, "end-title", "a screen reader hears the end");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again_with_the_same_bytes() {
    let stage = Stage::of(Action::Change);
    let browser = &stage.browser;
    browser.before_scripts(LOSE);
    browser.open(&stage.capture.url);
    browser.enter(MPIN);
    browser.enter(super::NEW);
    browser.enter(super::NEW);
    browser.offer("Try again");
    browser.click("#again");
    assert_eq!(browser.ending(), "Your MPIN is changed");
    let posts = stage.posts();
    assert_eq!(posts.len(), 2);
    assert!(!posts[0].body.is_empty() && posts[0].body == posts[1].body);
}

#[test]
fn a_busy_server_is_left_in_peace_as_long_as_it_says() {
    let stage = Stage::of(Action::Balance);
    let browser = &stage.browser;
    browser.before_scripts(STATUS);
    for status in ["429", "503"] {
        browser.open(&format!("{}?{status}", stage.capture.url));
        browser.enter(MPIN);
        browser.offer("Try again in 1 s");
        browser.click("#again");
        browser.offer("Try again");
        if status == "503" {
            browser.click("#again");
            assert_eq!(browser.ending(), "Your MPIN is correct");
        }
    }
    browser.open(&format!("{}?413", super::open_capture(&stage.kunji, Action::Balance).url));
    browser.enter(MPIN);
    assert_eq!(browser.ending(), "This was not accepted");
}

#[test]
fn who_stops_too_late_learns_what_was_done() {
    let stage = Stage::of(Action::Change);
    let Stage { kunji, browser, capture } = &stage;
    let submit = |body: String| {
        let path = format!("/hyper/v1/captures/{}", capture.id);
        kunji.post(&path, &[], &serde_json::from_str(&body).unwrap())
    };
    // What another tab sends, without its arriving from here.
    browser.before_scripts(HOLD);
    browser.open(&capture.url);
    for digits in [MPIN, super::NEW, super::NEW] {
        browser.enter(digits);
    }
    browser.wait("document.documentElement.dataset.held");
    let body = browser.run("return document.documentElement.dataset.held");
    browser.open(&capture.url);
    assert_eq!(submit(body.as_str().unwrap().to_owned()).status, 200);
    browser.click("#cancel");
    browser.click("#leave");
    browser.wait("document.getElementById('end-title').textContent === 'Your MPIN is changed'");
}

#[test]
fn an_impatient_customer_sends_once() {
    let stage = Stage::of(Action::Balance);
    let browser = &stage.browser;
    browser.press_keys(MPIN);
    browser.run("for (let nth = 0; nth < 3; nth += 1) document.getElementById('next').click()");
    browser.press_keys(&ENTER.repeat(3));
    assert_eq!(browser.ending(), "Your MPIN is correct");
    browser.press_keys(&format!("{MPIN}{ENTER}"));
    assert_eq!(stage.posts().len(), 1);
    assert_eq!(result(&stage.kunji, &stage.capture)["payload"]["gatewayResponseCode"], "00");
}

#[test]
fn a_browser_that_cannot_encrypt_is_told_so() {
    let stage = Stage::of(Action::Set);
    let Stage { browser, capture, .. } = &stage;
    browser
        .before_scripts("Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined })");
    browser.open(&capture.url);
    assert_eq!(browser.ending(), "This browser cannot encrypt");

    browser.without_scripts();
    browser.open(&capture.url);
    let told = browser.told();
    assert!(told.contains("needs JavaScript"), "{told}");
    assert!(told.contains("Never share your OTP or MPIN."));
}
