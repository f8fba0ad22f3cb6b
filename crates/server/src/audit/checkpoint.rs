//! What stands in a checkpoint.
//!
//! ```text
//! {"format":"kunji-checkpoint-2","series":"5f0c…","number":2,"previous":"9a31…","store":"71be…",
//!   "at":"2026-11-27T13:00:00.000Z","occasion":"interval","scope":"changed"}     (in one line)
//! 12 4be0… 0c8e5b…
//! 3 99d1… f27a01…
//! {"heads":2,"key":"…","signature":"…"}
//! ```
//!
//! Between header and seal each line is one head: how many events the chain has, the hash that the
//! last of them led to, and the chain's name; in the order of the names, each once. A name tells a
//! subject to who has the keys of the store, and nothing to anybody else. The signature is over the
//! SHA-256 of all lines before its own.
//!
//! Format 1 has the subject's text in the place of the name, and is ordered by it.

use std::fmt;

use kunji_core::audit::{ChainName, Head, Subject};
use kunji_core::store::{StoreFault, Survey};
use kunji_core::time::Millis;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wall;

/// Longest line, in bytes; the longest subject of format 1 has less than 300.
pub const LINE_LEN_MAX: usize = 1024;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// How it is written.
    pub format: Format,
    /// The run of a process that wrote it; a random name.
    pub series: String,
    /// Its place in the series, from 1.
    pub number: u64,
    /// SHA-256 of the whole file before it in its directory, whichever run wrote that.
    pub previous: Option<Hash>,
    /// The hash of the first event of the store's own chain: whose checkpoint it is.
    pub store: Hash,
    /// When, by the clock that the events are stamped with.
    #[serde(serialize_with = "write_instant", deserialize_with = "read_instant")]
    pub at: Millis,
    /// Why it was written.
    pub occasion: Occasion,
    /// Which chains it lists.
    pub scope: Scope,
}

/// How a checkpoint is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// With the texts of subjects; it is read only.
    #[serde(rename = "kunji-checkpoint-1")]
    One,
    /// With the names of chains.
    #[serde(rename = "kunji-checkpoint-2")]
    Two,
}

/// Why a checkpoint was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Occasion {
    /// It was time.
    Interval,
    /// The process ended; all that it changed is in its series.
    Shutdown,
    /// Somebody asked for it.
    Command,
}

/// Which chains a checkpoint lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All of the store.
    All,
    /// Those that its process changed since the file before.
    Changed,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// How many heads stand before it.
    pub heads: u64,
    /// The id of the key that signed.
    pub key: String,
    /// The signature, in base64url.
    pub signature: String,
}

/// A SHA-256 output, written as 64 lowercase hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; 32]);

/// A text that is no hash.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("it is no hash of 64 lowercase hexadecimal digits")]
pub struct HashError;

impl Hash {
    /// Reads exactly what `Display` writes.
    ///
    /// # Errors
    /// `HashError` when it is anything else.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(HashError);
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, HashError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(HashError),
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl TryFrom<String> for Hash {
    type Error = HashError;

    fn try_from(text: String) -> Result<Self, HashError> {
        Self::parse(&text)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

/// A head as its line says it.
#[must_use]
pub fn head_line(listed: &str, head: Head) -> String {
    format!("{} {} {listed}", head.seq, Hash(head.hash))
}

/// Reads what [`head_line`] writes of a chain, and nothing else; gives what the chain is called.
#[must_use]
pub fn parse_head(format: Format, line: &str) -> Option<(String, Head)> {
    let (seq, rest) = line.split_once(' ')?;
    let (hash, listed) = rest.split_once(' ')?;
    let head = Head { seq: seq.parse().ok()?, hash: Hash::parse(hash).ok()?.0 };
    let listed = match format {
        Format::One => Subject::parse(listed).ok()?.to_string(),
        Format::Two => ChainName::parse(listed).ok()?.to_string(),
    };
    (head.seq > 0 && head_line(&listed, head) == line).then_some((listed, head))
}

/// By what the checkpoints of a store know it; `None` while it is empty.
///
/// # Errors
/// `StoreFault` when the store cannot be read.
pub fn store_name(store: &impl Survey) -> Result<Option<Hash>, StoreFault> {
    let first = store.first_event(&Subject::Service)?;
    Ok(first.map(|encoded| Hash(Head::default().after(&encoded).hash)))
}

fn write_instant<S: Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&wall::iso(*at))
}

fn read_instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
    let text = String::deserialize(deserializer)?;
    wall::parse_iso(&text).ok_or_else(|| serde::de::Error::custom("it is no instant"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: Format, line: &str, expected: bool) {
        assert_eq!(parse_head(format, line).is_some(), expected, "{line}");
    }

    #[test]
    fn a_head_is_written_in_one_way_only() {
        let (hash, name) = ("0123456789abcdef".repeat(4), "0123456789abcdef".repeat(2));
        for (format, listed) in [(Format::One, "account/A1"), (Format::Two, &*name)] {
            check(format, &format!("1 {hash} {listed}"), true);
            check(format, &format!("18446744073709551615 {hash} {listed}"), true);
            check(format, &format!("0 {hash} {listed}"), false);
            check(format, &format!("01 {hash} {listed}"), false);
            check(format, &format!("+1 {hash} {listed}"), false);
            check(format, &format!("-1 {hash} {listed}"), false);
            check(format, &format!("18446744073709551616 {hash} {listed}"), false);
            check(format, &format!("1  {hash} {listed}"), false);
            check(format, &format!("1 {hash} {listed} "), false);
            check(format, &format!("1 {} {listed}", hash.to_uppercase()), false);
            check(format, &format!("1 {}0 {listed}", &hash[..62]), false);
            check(format, &format!("1 {hash}"), false);
            check(format, "", false);
        }
        check(Format::One, &format!("1 {hash} customer/m/c"), true);
        check(Format::One, &format!("1 {hash} account"), false);
        check(Format::One, &format!("1 {hash} {name}"), false);
        check(Format::Two, &format!("1 {hash} account/A1"), false);
        check(Format::Two, &format!("1 {hash} {}", name.to_uppercase()), false);
        check(Format::Two, &format!("1 {hash} {}", &name[1..]), false);
        check(Format::Two, &format!("1 {hash} +{}", &name[1..]), false);
        check(Format::Two, &format!("1 {hash} 0{name}"), false);
    }
}
