//! Prepaid tokens: the vectors, and that nothing else opens.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kunji_vault::{BrokenToken, Layout, TOKEN_LEN_MAX, TokenFlaw, TokenKey};
use proptest::prelude::*;
use serde_json::Value;

static VECTORS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../vectors/prepaid-token.json")).unwrap());

fn text_of(pointer: &str) -> &'static str {
    VECTORS.pointer(pointer).unwrap().as_str().unwrap()
}

fn key(layout: Layout) -> TokenKey {
    TokenKey::parse(&format!("ascii:{}", text_of("/key_ascii")), layout).unwrap()
}

fn iv_of(hex: &str) -> [u8; 16] {
    let mut iv = [0; 16];
    for (index, byte) in iv.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap();
    }
    iv
}

#[track_caller]
fn check_vector(layout: Layout, name: &str) {
    let key = key(layout);
    let token = text_of(&format!("/{name}/token"));
    let iv = iv_of(text_of(&format!("/{name}/iv_hex")));
    let plain = text_of("/plaintext");
    assert_eq!(key.seal(plain.as_bytes(), iv).unwrap(), token);
    assert_eq!(*key.open_text(token).unwrap(), plain);
    let value: Value = key.open(token).unwrap();
    assert_eq!(value["newPIN"], "121200");
}

#[test]
fn the_printed_tokens_are_made_and_opened() {
    check_vector(Layout::IvPrefixed, "iv_prefixed");
    check_vector(Layout::ZeroIv, "zero_iv");
    check_vector(Layout::FixedIv([0; 16]), "zero_iv");
}

#[test]
fn a_layout_without_prefix_ignores_the_given_iv() {
    let [a, b] = [[1; 16], [2; 16]].map(|iv| key(Layout::ZeroIv).seal(b"{}", iv).unwrap());
    assert_eq!(a, b);
    let fixed = key(Layout::FixedIv([7; 16]));
    let [a, b] = [[1; 16], [2; 16]].map(|iv| fixed.seal(b"{}", iv).unwrap());
    assert_eq!(a, b);
    assert!(fixed.open::<Value>(&a).is_ok());
}

#[test]
fn blanks_and_line_breaks_within_a_token_are_skipped() {
    let token = text_of("/iv_prefixed/token");
    let spread: String = token.chars().flat_map(|c| [c, '\r', '\n', ' ', '\t']).collect();
    assert!(key(Layout::IvPrefixed).open::<Value>(&spread).is_ok());
}

#[track_caller]
fn check_body(body: &[u8], opens: bool) {
    let key = key(Layout::IvPrefixed);
    let token = key.seal(body, [9; 16]).unwrap();
    assert_eq!(key.open::<Value>(&token).is_ok(), opens);
}

#[test]
fn a_body_is_one_json_value_in_utf8() {
    check_body(b"{}", true);
    check_body(b" {\"a\":1} ", true);
    check_body(b"{\"a\":1}{}", false);
    check_body(b"{\"a\":1}\0", false);
    check_body(b"{\"a\":\"\xff\"}", false);
    check_body(b"{\"a\":", false);
    check_body(b"", false);
    check_body("[".repeat(200).as_bytes(), false);
}

#[track_caller]
fn check_broken(token: &str) {
    for layout in [Layout::IvPrefixed, Layout::ZeroIv] {
        assert!(key(layout).open::<Value>(token).is_err());
        assert!(key(layout).open_text(token).is_err());
    }
}

/// What is said of a token to who runs Kunji; its `Display` is the same for all.
#[track_caller]
fn check_flaw(token: &str, flaw: TokenFlaw) {
    let broken = key(Layout::IvPrefixed).open::<Value>(token).unwrap_err();
    assert_eq!(
        (broken, broken.to_string()),
        (BrokenToken(flaw), "the token cannot be read".into())
    );
}

#[test]
fn who_runs_it_learns_which_step_failed() {
    let sealed = |body: &[u8]| key(Layout::IvPrefixed).seal(body, [7; 16]).unwrap();
    check_flaw(&"A".repeat(TOKEN_LEN_MAX + 4), TokenFlaw::TooLong);
    check_flaw("%%%%", TokenFlaw::Base64);
    check_flaw("AAAA", TokenFlaw::Length);
    check_flaw(&STANDARD.encode([0; 40]), TokenFlaw::Length);
    check_flaw(&STANDARD.encode([0; 32]), TokenFlaw::Padding);
    check_flaw(&sealed(b"{\"a\":\"\xff\"}"), TokenFlaw::Text);
    check_flaw(&sealed(b"{\"a\":"), TokenFlaw::Json);
}

#[test]
fn every_broken_token_gets_the_same_answer() {
    let token = text_of("/iv_prefixed/token");
    check_broken("");
    check_broken("%%%%");
    check_broken("AAAA");
    check_broken(token.trim_end_matches('='));
    check_broken(&token[4..]);
    check_broken(&token.replace('+', "-"));
    check_broken(&STANDARD.encode([0; 16]));
    check_broken(&STANDARD.encode([0; 32]));
    check_broken(&"A".repeat(TOKEN_LEN_MAX + 4));
    let other = TokenKey::parse("ascii:0123456789abcdef01234568", Layout::IvPrefixed).unwrap();
    assert!(other.open::<Value>(token).is_err());
}

/// A token whose text fills its blocks, without its padding.
fn unpadded(layout: Layout, body: &str) -> String {
    assert_eq!(body.len() % 16, 0);
    let mut bytes = STANDARD.decode(key(layout).seal(body.as_bytes(), [9; 16]).unwrap()).unwrap();
    bytes.truncate(bytes.len() - 16);
    STANDARD.encode(bytes)
}

#[test]
fn a_token_without_right_padding_is_broken_even_where_its_text_reads() {
    for body in [
        "{\"newPIN\":\"12\"} ",
        "{}              ",
        "{\"a\":1}                        ",
        "{\"a\":\"to the very end of it.\"}\n\t",
        // What looks like padding, and is not.
        "{}             \u{2}",
        "{}           \u{4}\u{4}\u{3}",
        "{}             \u{0}",
        "{}             \u{11}",
    ] {
        let body = format!("{body:width$}", width = body.len().div_ceil(16) * 16);
        check_broken(&unpadded(Layout::IvPrefixed, &body));
        check_broken(&unpadded(Layout::ZeroIv, &body));
    }
    // The text alone is not what is wrong with them.
    check_body(b"{\"newPIN\":\"12\"} ", true);
}

#[test]
fn the_longest_token_is_read_and_a_longer_one_is_not() {
    let key = key(Layout::ZeroIv);
    let token = key.seal(b"{}", [0; 16]).unwrap();
    let padded = |len: usize| format!("{token}{}", " ".repeat(len - token.len()));
    assert!(key.open::<Value>(&padded(TOKEN_LEN_MAX)).is_ok());
    assert!(key.open::<Value>(&padded(TOKEN_LEN_MAX + 1)).is_err());
}

/// CBC has no integrity, so an altered token may open, but never to the same.
#[test]
fn no_flipped_byte_opens_to_the_same() {
    for (layout, name) in [(Layout::IvPrefixed, "iv_prefixed"), (Layout::ZeroIv, "zero_iv")] {
        let key = key(layout);
        let token = text_of(&format!("/{name}/token"));
        let body: Value = key.open(token).unwrap();
        let bytes = STANDARD.decode(token).unwrap();
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[index] ^= 1 << bit;
                let opened = key.open::<Value>(&STANDARD.encode(altered));
                assert_ne!(opened.as_ref(), Ok(&body), "at {index}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_opening_panic(token in any::<String>()) {
        let _ = key(Layout::IvPrefixed).open::<Value>(&token);
    }

    #[test]
    fn no_bytes_make_opening_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let token = STANDARD.encode(bytes);
        for layout in [Layout::IvPrefixed, Layout::ZeroIv] {
            let _ = key(layout).open::<Value>(&token);
            let _ = key(layout).open_text(&token);
        }
    }

    #[test]
    fn what_was_sealed_opens(body in any::<String>(), iv in any::<[u8; 16]>()) {
        let key = key(Layout::IvPrefixed);
        let token = key.seal(body.as_bytes(), iv).unwrap();
        prop_assert_eq!(&*key.open_text(&token).unwrap(), &body);
    }
}
