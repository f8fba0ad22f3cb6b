//! The digits are nowhere but where they are entered.

use super::capture::{Action, MPIN, open_capture};
use super::driver::Sent;
use super::form::ENTER;
use super::{Browser, NEW, Stage};
use crate::canary::{files, nothing_in};
use crate::support::Kunji;

const NEWER: &str = "916047";
const WRONG: &str = "264817";
/// Is typed and never sent.
const LEFT: &str = "497203";

/// What is kept, and fields that a browser may fill in or remember.
const KEPT: &str = "
  const fields = document.querySelectorAll('input, textarea, select, form, [contenteditable]');
  return indexedDB.databases().then((bases) => bases.length + fields.length + document.cookie.length
    + localStorage.length + sessionStorage.length + (history.state === null ? 0 : 1))";

/// What the page and the log of requests held, at several moments.
#[derive(Default)]
struct Seen {
    held: String,
    sent: Vec<Sent>,
}

impl Seen {
    fn look(&mut self, browser: &Browser) {
        self.held += &browser.traces();
        self.sent.extend(browser.sent());
    }

    /// Enters one field and looks at each stage of it.
    fn enter(&mut self, browser: &Browser, digits: &str) {
        browser.tap_only(&digits[..3]);
        self.look(browser);
        browser.press_keys(&digits[3..]);
        self.look(browser);
        browser.press_keys(ENTER);
        self.look(browser);
    }
}

#[test]
fn digits_leave_no_trace_outside_of_the_ciphertext() {
    let Stage { kunji, browser, capture } = Stage::of(Action::Set);
    let mut seen = Seen::default();
    for digits in [&capture.otp, NEW, WRONG, NEW, NEW] {
        seen.enter(&browser, digits);
    }
    assert_eq!(browser.ending(), "Your MPIN is set");
    for (old, ending) in [(NEW, "Your MPIN is changed"), (WRONG, "The MPIN is wrong")] {
        browser.open(&open_capture(&kunji, Action::Change).url);
        for digits in [old, NEWER, NEWER] {
            seen.enter(&browser, digits);
        }
        assert_eq!(browser.ending(), ending);
        seen.look(&browser);
    }
    browser.open(&open_capture(&kunji, Action::Balance).url);
    browser.press_keys(LEFT);
    seen.look(&browser);
    assert_eq!(browser.run(KEPT), 0, "the page keeps nothing and has no field of a form");
    browser.run("history.back()");
    let profile = browser.end();

    let secrets = [&capture.otp, NEW, NEWER, WRONG, LEFT, MPIN].map(str::to_owned);
    nothing_in("the page", seen.held.as_bytes(), &secrets);
    assert!(seen.held.contains("3 of 6 digits entered"), "the search looks at what is there");

    let posts: Vec<_> = seen.sent.iter().filter(|one| one.method == "POST").collect();
    assert_eq!(posts.len(), 3);
    for post in posts {
        let body: serde_json::Value = serde_json::from_str(&post.body).unwrap();
        let creds = body["creds"].as_array().unwrap();
        assert_eq!(creds.len(), 2, "a new MPIN is sent once");
        for cred in creds {
            let block = cred["data"]["encryptedBase64String"].as_str().unwrap();
            assert_eq!(block.split('.').count(), 5);
        }
    }
    for Sent { method, url, body, headers } in &seen.sent {
        nothing_in(
            "a request",
            [method, url, body, headers].map(String::as_str).join("\n").as_bytes(),
            &secrets,
        );
        let known = url.is_empty() || url.starts_with(&kunji.base);
        assert!(known, "a stranger was asked: {url}");
    }

    let mut count = 0;
    files(profile.path(), &mut |path, bytes| {
        count += 1;
        nothing_in(path.to_str().unwrap(), bytes, &secrets);
    });
    assert!(count > 20, "a profile has more than {count} files");
}

#[test]
fn the_page_stays_out_of_caches_frames_and_referrers() {
    let kunji = Kunji::sandbox();
    let capture = open_capture(&kunji, Action::Set);
    let page = kunji.get(capture.url.strip_prefix(&kunji.base).unwrap());
    let policy = page.header("content-security-policy").unwrap();
    for part in
        ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"]
    {
        assert!(policy.contains(part) && !policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
}

#[test]
fn the_page_keeps_to_its_security_policy() {
    let stage = Stage::of(Action::Set);
    let Stage { browser, capture, .. } = &stage;
    for digits in [&capture.otp, NEW, NEW] {
        browser.enter(digits);
    }
    assert_eq!(browser.ending(), "Your MPIN is set");
    assert_eq!(browser.complaints(), [""; 0]);

    // A script that somebody slips in does not run, and the browser says so.
    browser.run(
        "const script = document.createElement('script');
         script.textContent = 'document.title = \"slipped in\"';
         document.body.append(script);",
    );
    assert_ne!(browser.run("return document.title"), "slipped in");
    let complaints = browser.complaints();
    assert!(complaints.iter().any(|one| one.contains("Content Security Policy")), "{complaints:?}");
}
