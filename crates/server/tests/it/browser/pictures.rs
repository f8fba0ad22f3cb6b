//! Pictures of the page for `docs/capture`: made with `KUNJI_BLESS=1`.

use std::path::{Path, PathBuf};

use super::Stage;
use super::capture::{Action, MPIN, open_capture};
use super::form::ENTER;

const SIZES: [(u32, u32); 3] = [(320, 680), (768, 860), (1280, 760)];
const LEN_MAX: usize = 72 * 1024;

fn file(name: &str) -> PathBuf {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/capture");
    docs.join(format!("{name}.png"))
}

fn names() -> Vec<String> {
    let sizes = SIZES.map(|(width, _)| width);
    let of = |kind: &str| sizes.map(|width| format!("{kind}-{width}"));
    let others = ["dark-320", "hint-320", "refused-320"].map(str::to_owned);
    [of("set"), of("change"), others].concat()
}

fn take(stage: &Stage, name: &str) {
    let picture = stage.browser.picture();
    std::fs::write(file(name), picture).unwrap();
}

fn take_all() {
    let stage = Stage::of(Action::Set);
    let Stage { kunji, browser, capture } = &stage;
    browser.prefer("light");
    browser.press_keys(&capture.otp[..3]);
    for (width, height) in SIZES {
        browser.resize(width, height);
        take(&stage, &format!("set-{width}"));
    }
    browser.open(&open_capture(kunji, Action::Change).url);
    browser.press_keys(&format!("{MPIN}{ENTER}730582"));
    for (width, height) in SIZES {
        browser.resize(width, height);
        take(&stage, &format!("change-{width}"));
    }
    browser.resize(320, 680);
    browser.prefer("dark");
    take(&stage, "dark-320");
    browser.prefer("light");
    browser.press_keys(&format!("{ENTER}730583{ENTER}"));
    take(&stage, "hint-320");
    browser.open(&open_capture(kunji, Action::Balance).url);
    browser.enter("264817");
    assert_eq!(browser.ending(), "The MPIN is wrong");
    take(&stage, "refused-320");
}

#[test]
fn the_pictures_are_there() {
    if std::env::var_os("KUNJI_BLESS").is_some_and(|bless| bless == "1") {
        take_all();
    }
    for name in names() {
        let bytes = std::fs::read(file(&name)).unwrap();
        let width = u32::from_be_bytes(*bytes[16..].first_chunk().unwrap());
        assert!(name.ends_with(&format!("-{width}")), "{name} is {width} wide");
        assert!(bytes.len() <= LEN_MAX, "{name} has {} bytes", bytes.len());
    }
}
