//! Everybody can use the page: small screens, keyboards, screen readers, weak eyes.

use serde_json::Value;

use super::Stage;
use super::capture::{Action, MPIN, open_capture};
use super::driver::Browser;
use super::form::{ENTER, TAB};

/// Texts whose contrast is under 4.5:1, and edges of what is to be used under 3:1 (WCAG 2.2, AA).
const FAINT: &str = "
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = numbers(color).slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const solid = (color) => (numbers(color)[3] ?? 1) === 1;
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if (solid(color)) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = [];
  let seen = 0;
  for (const one of document.body.querySelectorAll('*')) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !one.checkVisibility() || one.closest('.unseen')) continue;
    seen += 1;
    const found = ratio(getComputedStyle(one).color, behind(one));
    if (found < 4.5) faint.push(`${one.textContent.trim()}: ${found.toFixed(2)}`);
  }
  for (const one of document.querySelectorAll('.field, .dots span')) {
    if (!one.checkVisibility()) continue;
    const found = ratio(getComputedStyle(one).borderTopColor, behind(one.parentElement));
    if (found < 3) faint.push(`the edge of ${one.className}: ${found.toFixed(2)}`);
  }
  return [seen, ...faint]";

/// Buttons that a finger may miss.
const SMALL: &str = "
  return [...document.querySelectorAll('button')].filter((one) => one.checkVisibility())
    .filter((one) => { const box = one.getBoundingClientRect(); return box.width < 44 || box.height < 44; })
    .map((one) => one.textContent)";

/// What has the focus, and whether that is seen.
const FOCUS: &str = "
  const one = document.activeElement;
  const style = getComputedStyle(one);
  const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const seen = one.matches(':focus-visible') && (outlined || style.boxShadow !== 'none');
  return `${one.id || one.textContent}${seen ? '' : ' (not seen)'}`";

/// Roles of what a customer acts on.
const CONTROLS: [&str; 6] = ["button", "application", "dialog", "timer", "link", "textbox"];

/// Walks through every view of the page and looks at each.
fn walk(stage: &Stage, mut look: impl FnMut(&Browser, &str)) {
    let Stage { kunji, browser, .. } = stage;
    kunji.start_over();
    browser.open(&open_capture(kunji, Action::Change).url);
    look(browser, "first step");
    browser.enter(MPIN);
    browser.enter("111111");
    look(browser, "hint");
    browser.press_keys("8901");
    look(browser, "digits");
    browser.click("#cancel");
    look(browser, "question");
    browser.click("#stay");
    browser.enter("23");
    look(browser, "last step");
    browser.enter("890123");
    browser.ending();
    look(browser, "good end");
    let capture = open_capture(kunji, Action::Balance);
    browser.open(&capture.url);
    browser.enter(MPIN);
    browser.ending();
    look(browser, "bad end");
    browser.open(&capture.url);
    browser.ending();
    look(browser, "closed");
}

fn words(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect()
}

#[test]
fn nothing_is_wider_than_the_screen() {
    let stage = Stage::of(Action::Set);
    // 320 is also what is left of 640 at a zoom of 200 %.
    walk(&stage, |browser, view| {
        for width in [320, 360, 768, 896, 1280] {
            browser.resize(width, 700);
            let wide = browser.run("return document.documentElement.scrollWidth");
            assert_eq!(wide, width, "{view}");
        }
        browser.resize(320, 640);
        assert_eq!(words(&browser.run(SMALL)), [""; 0], "{view}");
    });
}

#[test]
fn texts_stand_out_in_light_and_in_dark() {
    let stage = Stage::of(Action::Set);
    walk(&stage, |browser, view| {
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            let mut faint = browser.run(FAINT);
            let seen = faint.as_array_mut().unwrap().remove(0);
            assert!(seen.as_u64().unwrap() > 5, "{view}");
            assert_eq!(words(&faint), [""; 0], "{view}, {scheme}");
        }
    });
    // What is faint is found.
    stage.browser.run("document.getElementById('end-title').style.color = '#666'");
    assert_eq!(words(&stage.browser.run(FAINT)).len(), 2);
}

#[test]
fn every_control_has_a_name_and_digits_have_none() {
    let stage = Stage::of(Action::Set);
    walk(&stage, |browser, view| {
        let tree = browser.cdp("Accessibility.getFullAXTree", &serde_json::json!({}));
        let mut controls = 0;
        for node in tree["nodes"].as_array().unwrap() {
            let role = node["role"]["value"].as_str().unwrap_or_default();
            if node["ignored"] == false && CONTROLS.contains(&role) {
                let name = node["name"]["value"].as_str().unwrap_or_default();
                // The time that is left has its text instead.
                assert!(!name.is_empty() || role == "timer", "{view}: {role}");
                controls += 1;
            }
        }
        assert!(controls > 0 || view.ends_with("end") || view == "closed", "{view}");
        if view == "digits" {
            let told = browser.told();
            assert!(told.contains("Choose a new MPIN") && told.contains("4 of 6 digits entered"));
            assert!(!told.contains("8901"));
        }
    });
}

#[test]
fn the_keyboard_reaches_everything_in_order_and_shows_where_it_is() {
    let stage = Stage::of(Action::Change);
    let Stage { browser, .. } = &stage;
    let mut order = vec![browser.run(FOCUS)];
    for _ in 0..14 {
        browser.press_keys(TAB);
        order.push(browser.run(FOCUS));
    }
    let digits = "1,2,3,4,5,6,7,8,9,clear,0,delete";
    assert_eq!(words(&order.into()).join(","), format!("field,{digits},next,cancel"));
    // A button that has the focus is pressed; digits are typed from anywhere.
    browser.press_keys(MPIN);
    assert_eq!(browser.dots(), 6);
    browser.press_keys(ENTER);
    assert_eq!(browser.text("stop-title"), "Stop here?");
    browser.press_keys(&format!("{TAB}{ENTER}"));
    assert_eq!(browser.ending(), "You stopped");
}
