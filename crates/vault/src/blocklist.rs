//! A list of PINs that are too frequent to be allowed.

use std::collections::HashSet;
use std::fmt;

use thiserror::Error;

use crate::pin::ClearPin;

/// The most PINs a list may hold.
pub const BLOCKLIST_LEN_MAX: usize = 100_000;

/// PINs that no customer may choose.
pub struct Blocklist {
    pins: HashSet<u32>,
}

/// The list cannot be read; names the line, not its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BlocklistError {
    /// A line is neither 4 to 6 digits, nor a comment, nor blank.
    #[error("line {line} is not a PIN of 4 to 6 digits")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// The list holds more than 100,000 PINs.
    #[error("the blocklist has more than 100000 PINs")]
    TooLong,
}

impl Blocklist {
    /// Reads one PIN per line; blank lines and `#` comments are skipped.
    ///
    /// # Errors
    /// When a line is no PIN of 4 to 6 digits, or the list is too long.
    pub fn parse(text: &str) -> Result<Self, BlocklistError> {
        let mut pins = HashSet::new();
        for (index, line) in text.lines().enumerate() {
            let pin = line.split('#').next().unwrap_or_default().trim();
            if pin.is_empty() {
                continue;
            }
            let code = code_of(pin.as_bytes()).ok_or(BlocklistError::Line { line: index + 1 })?;
            pins.insert(code);
            if pins.len() > BLOCKLIST_LEN_MAX {
                return Err(BlocklistError::TooLong);
            }
        }
        Ok(Self { pins })
    }

    pub(crate) fn holds(&self, pin: &ClearPin) -> bool {
        code_of(pin.digits()).is_some_and(|code| self.pins.contains(&code))
    }
}

impl fmt::Debug for Blocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocklist(****)")
    }
}

/// The number behind a leading 1, so that 0123 and 00123 differ.
fn code_of(pin: &[u8]) -> Option<u32> {
    if !(4..=6).contains(&pin.len()) || !pin.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(pin.iter().fold(1, |code, digit| code * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, pin: &str, expected: Result<bool, BlocklistError>) {
        let pin = ClearPin::parse(pin.as_bytes()).unwrap();
        let held = Blocklist::parse(text).map(|list| list.holds(&pin));
        assert_eq!(held, expected);
    }

    #[test]
    fn one_pin_per_line_is_held() {
        let text = "# frequent\n1122\n\n  6969 # couple\r\n001122\n";
        check(text, "1122", Ok(true));
        check(text, "6969", Ok(true));
        check(text, "001122", Ok(true));
        check(text, "01122", Ok(false));
        check(text, "112", Ok(false));
        check(text, "6968", Ok(false));
        check("", "1122", Ok(false));
    }

    #[test]
    fn another_line_is_named_by_its_number_only() {
        check("1122\n12a4", "1122", Err(BlocklistError::Line { line: 2 }));
        check("123", "1122", Err(BlocklistError::Line { line: 1 }));
        check("1234567", "1122", Err(BlocklistError::Line { line: 1 }));
        check("1122 6969", "1122", Err(BlocklistError::Line { line: 1 }));
    }

    #[test]
    fn an_endless_list_is_refused() {
        let text: String = (0..=BLOCKLIST_LEN_MAX).map(|pin| format!("{pin:06}\n")).collect();
        check(&text, "000000", Err(BlocklistError::TooLong));
    }
}
