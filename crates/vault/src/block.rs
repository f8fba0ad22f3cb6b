//! A PIN as it arrived on the wire, before anyone opened it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::digest::sha256;
use crate::flaw::BlockFlaw;
use crate::jwe;

/// The longest text kept as a PIN block, in bytes.
pub const BLOCK_LEN_MAX: usize = 8 * 1024;

/// A PIN as it arrived: a compact JWE (RFC 7516) or digits in the clear.
///
/// Deserialising accepts any JSON value; only a string can be opened later.
pub struct PinBlock(Held);

enum Held {
    Text(Zeroizing<String>),
    TooLong,
    NotText,
}

impl PinBlock {
    /// Takes the text over; more than 8 KiB is not kept and never opens.
    #[must_use]
    pub fn absorb(text: String) -> Self {
        let text = Zeroizing::new(text);
        if text.len() > BLOCK_LEN_MAX {
            return Self(Held::TooLong);
        }
        Self(Held::Text(text))
    }

    /// Whether the text was the empty string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text().is_some_and(str::is_empty)
    }

    /// Whether the value was a string at all.
    #[must_use]
    pub fn is_text(&self) -> bool {
        match self.0 {
            Held::Text(_) | Held::TooLong => true,
            Held::NotText => false,
        }
    }

    /// What opening would cost, peeked from the header without trusting it.
    #[must_use]
    pub fn cost(&self) -> Cost {
        match self.text() {
            Some(text) if jwe::claims_rsa(text) => Cost::Heavy,
            _ => Cost::Light,
        }
    }

    /// The name of this block for single use, when it is a JWE.
    pub(crate) fn mark(&self) -> Option<BlockMark> {
        let text = self.text().filter(|text| jwe::is_compact(text))?;
        let digest = sha256(&[text.as_bytes()]);
        digest.first_chunk().copied().map(BlockMark)
    }

    /// The text, when it was one and was kept.
    pub(crate) fn text(&self) -> Option<&str> {
        self.kept().ok()
    }

    /// The text, or why there is none.
    pub(crate) fn kept(&self) -> Result<&str, BlockFlaw> {
        match &self.0 {
            Held::Text(text) => Ok(text),
            Held::TooLong => Err(BlockFlaw::TooLong),
            Held::NotText => Err(BlockFlaw::NotText),
        }
    }

    /// Whether the text is digits in the clear, or could be: anything but a compact JWE.
    pub(crate) fn is_clear(&self) -> bool {
        self.text().is_some_and(|text| !jwe::is_compact(text))
    }
}

impl fmt::Debug for PinBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinBlock(****)")
    }
}

impl<'de> Deserialize<'de> for PinBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Reads every kind of JSON value and keeps strings only.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = PinBlock;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a PIN block")
    }

    fn visit_str<E>(self, text: &str) -> Result<PinBlock, E> {
        if text.len() > BLOCK_LEN_MAX {
            return Ok(PinBlock(Held::TooLong));
        }
        Ok(PinBlock::absorb(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<PinBlock, E> {
        Ok(PinBlock::absorb(text))
    }

    fn visit_bool<E>(self, _: bool) -> Result<PinBlock, E> {
        Ok(PinBlock(Held::NotText))
    }

    fn visit_i64<E>(self, _: i64) -> Result<PinBlock, E> {
        Ok(PinBlock(Held::NotText))
    }

    fn visit_u64<E>(self, _: u64) -> Result<PinBlock, E> {
        Ok(PinBlock(Held::NotText))
    }

    fn visit_f64<E>(self, _: f64) -> Result<PinBlock, E> {
        Ok(PinBlock(Held::NotText))
    }

    fn visit_unit<E>(self) -> Result<PinBlock, E> {
        Ok(PinBlock(Held::NotText))
    }

    fn visit_none<E>(self) -> Result<PinBlock, E> {
        Ok(PinBlock(Held::NotText))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<PinBlock, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<PinBlock, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(PinBlock(Held::NotText))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<PinBlock, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(PinBlock(Held::NotText))
    }
}

/// What opening a block costs: well under 0.1 ms of a core, or about half a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Digits, an elliptic-curve block, or nothing that can be opened.
    Light,
    /// A block that asks for an RSA private-key operation.
    Heavy,
}

/// What a PIN is for; a block says so in its `sub` claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinUse {
    /// The present UPI PIN of an account.
    Mpin,
    /// The new UPI PIN of an account.
    NewMpin,
    /// The one-time password sent by SMS.
    Sms,
    /// The ATM PIN of a debit card.
    AtmPin,
    /// The PIN of a prepaid card.
    CardPin,
}

impl PinUse {
    /// The word for it in a block.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mpin => "MPIN",
            Self::NewMpin => "NMPIN",
            Self::Sms => "SMS",
            Self::AtmPin => "ATMPIN",
            Self::CardPin => "CARDPIN",
        }
    }

    /// Reads exactly one of the words of [`PinUse::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "MPIN" => Some(Self::Mpin),
            "NMPIN" => Some(Self::NewMpin),
            "SMS" => Some(Self::Sms),
            "ATMPIN" => Some(Self::AtmPin),
            "CARDPIN" => Some(Self::CardPin),
            _ => None,
        }
    }
}

/// Whether digits may arrive in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transit {
    /// Digits in the clear are read as well as blocks.
    ClearAllowed,
    /// Only encrypted blocks are read.
    SealedOnly,
}

/// What a block must have been made for.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The expected use, its `sub`.
    pub pin_use: PinUse,
    /// The expected transaction id, its `txn`.
    pub txn: &'a str,
    /// The machine's real clock, in milliseconds since 1970, UTC.
    pub real_now_ms: i64,
    /// Whether digits may arrive in the clear.
    pub transit: Transit,
}

/// The one answer to every block that cannot be opened; which step failed is for who runs Kunji.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the PIN block cannot be read")]
pub struct Unreadable(#[source] pub BlockFlaw);

/// Names one JWE block, so that it is accepted once; not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, DeriveDeserialize)]
pub struct BlockMark(pub [u8; 16]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check_json(json: &str, is_text: bool, is_empty: bool) {
        let block: PinBlock = serde_json::from_str(json).unwrap();
        assert_eq!((block.is_text(), block.is_empty()), (is_text, is_empty));
        assert_eq!(block.cost(), Cost::Light);
        assert_eq!(format!("{block:?}"), "PinBlock(****)");
    }

    #[test]
    fn any_json_value_is_taken_and_only_strings_are_text() {
        check_json(r#""4821""#, true, false);
        check_json(r#""""#, true, true);
        check_json(r#"" ""#, true, false);
        check_json(r#""\u0034821""#, true, false);
        check_json("4821", false, false);
        check_json("-1", false, false);
        check_json("4.5", false, false);
        check_json("true", false, false);
        check_json("null", false, false);
        check_json(r#"[1,["4821"],{}]"#, false, false);
        check_json(r#"{"pin":{"a":[]}}"#, false, false);
    }

    #[test]
    fn a_text_over_the_limit_is_not_kept() {
        assert!(PinBlock::absorb("1".repeat(BLOCK_LEN_MAX)).text().is_some());
        let read = |text: &str| serde_json::from_str::<PinBlock>(text).unwrap();
        let longest = format!("\"{}\"", "1".repeat(BLOCK_LEN_MAX));
        // With an escape the text is copied by the reader, and kept by another way.
        for json in [longest.clone(), longest.replacen('1', "\\u0031", 1)] {
            assert_eq!(read(&json).text().map(str::len), Some(BLOCK_LEN_MAX));
            let block = read(&json.replacen('1', "11", 1));
            assert!(block.text().is_none());
            assert!(block.is_text() && !block.is_empty());
        }
    }

    #[test]
    fn only_a_jwe_has_a_mark() {
        let mark = |text: &str| PinBlock::absorb(text.to_owned()).mark();
        assert_eq!(mark("4821"), None);
        assert_eq!(mark("a.b.c.d"), None);
        assert_eq!(mark("a.b.c.d.e.f"), None);
        assert!(mark("a.b.c.d.e").is_some());
        assert_eq!(mark("a.b.c.d.e"), mark("a.b.c.d.e"));
        assert_ne!(mark("a.b.c.d.e"), mark("a.b.c.d.f"));
    }

    #[test]
    fn words_of_use_are_read_back() {
        use PinUse::{AtmPin, CardPin, Mpin, NewMpin, Sms};
        for pin_use in [Mpin, NewMpin, Sms, AtmPin, CardPin] {
            assert_eq!(PinUse::parse(pin_use.as_str()), Some(pin_use));
        }
        assert_eq!(PinUse::parse("mpin"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_block_panic(text in any::<String>()) {
            let block = PinBlock::absorb(text);
            let _ = (block.cost(), block.mark(), block.is_empty());
        }
    }
}
