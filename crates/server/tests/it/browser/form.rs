//! The page as a customer meets it.

use serde_json::json;

use super::driver::Browser;

/// The Enter key of WebDriver.
pub(super) const ENTER: &str = "\u{E007}";
/// The Backspace key of WebDriver.
pub(super) const BACKSPACE: &str = "\u{E003}";
/// The Delete key of WebDriver.
pub(super) const DELETE: &str = "\u{E017}";
/// The Tab key of WebDriver.
pub(super) const TAB: &str = "\u{E004}";

const AGAIN: &str = "document.getElementById('again')";

impl Browser {
    /// Enters digits with the buttons, and continues.
    pub(super) fn tap(&self, digits: &str) {
        self.tap_only(digits);
        self.click("#next");
    }

    /// Enters digits with the buttons.
    pub(super) fn tap_only(&self, digits: &str) {
        for digit in digits.bytes().map(|digit| digit - b'0') {
            // The pad is laid out like that of a telephone, 0 between two others.
            let place = if digit == 0 { 11 } else { digit };
            self.click(&format!(".keys button:nth-child({place})"));
        }
    }

    /// Enters digits with the keyboard, and continues.
    pub(super) fn enter(&self, digits: &str) {
        self.press_keys(&format!("{digits}{ENTER}"));
    }

    /// Pastes a text.
    pub(super) fn paste(&self, text: &str) {
        self.run(&format!(
            "const data = new DataTransfer();
             data.setData('text', '{text}');
             const options = {{ clipboardData: data, bubbles: true, cancelable: true }};
             document.activeElement.dispatchEvent(new ClipboardEvent('paste', options))"
        ));
    }

    /// The text of the element as it is seen; nothing when it is hidden.
    pub(super) fn text(&self, id: &str) -> String {
        let script = format!(
            "const one = document.getElementById('{id}');
             return one.checkVisibility() ? one.innerText.trim() : ''"
        );
        self.run(&script).as_str().unwrap().to_owned()
    }

    /// How many dots are filled.
    pub(super) fn dots(&self) -> u64 {
        self.run("return document.querySelectorAll('#dots .filled').length").as_u64().unwrap()
    }

    /// Waits for the end and returns its title.
    pub(super) fn ending(&self) -> String {
        self.wait("!document.getElementById('end').hidden");
        self.text("end-title")
    }

    /// Waits for the button that sends the same once more.
    pub(super) fn offer(&self, text: &str) {
        self.wait(&format!("!{AGAIN}.hidden && {AGAIN}.textContent === '{text}'"));
        assert_eq!(self.text("wait-title"), "No answer yet");
    }

    /// All that the page holds and keeps, apart from what is on the way.
    pub(super) fn traces(&self) -> String {
        let script = "
          const kept = (store) => JSON.stringify(Object.entries(store));
          return Promise.all([indexedDB.databases(), caches.keys()]).then((stores) => [
            document.documentElement.outerHTML, location.href, document.title, document.cookie,
            JSON.stringify(history.state), window.name, kept(localStorage), kept(sessionStorage),
            JSON.stringify(stores), getSelection().toString(),
            ...[...document.querySelectorAll('input, textarea, [contenteditable]')].map((one) => one.value),
          ].join('\\n'))";
        let held = self.run(script).as_str().unwrap().to_owned();
        held + "\n" + &self.told()
    }

    /// All that a screen reader can tell.
    pub(super) fn told(&self) -> String {
        let tree = self.cdp("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let told = nodes.map(|node| {
            let text = |name: &str| node[name]["value"].as_str().unwrap_or_default().to_owned();
            [text("name"), text("value"), text("description")].join("\n")
        });
        told.collect::<Vec<_>>().join("\n")
    }
}
