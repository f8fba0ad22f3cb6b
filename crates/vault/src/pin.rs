//! A PIN in the clear, for the moment in which it is compared.

use std::fmt;

use zeroize::Zeroizing;

/// The longest text that can be a PIN, in bytes.
pub const PIN_LEN_MAX: usize = 12;

/// A PIN in the clear that only the vault can read.
///
/// It may hold any text of 1 to 12 bytes; the policy judges the digits.
pub struct ClearPin {
    /// In a place of their own: a value that is moved leaves its bytes behind.
    digits: Box<Zeroizing<[u8; PIN_LEN_MAX]>>,
    len: usize,
}

impl ClearPin {
    /// Reads a text of 1 to 12 bytes.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let mut digits = Box::new(Zeroizing::new([0; PIN_LEN_MAX]));
        digits.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { digits, len: text.len() })
    }

    /// The text as it was entered.
    pub(crate) fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or(&[])
    }
}

impl fmt::Debug for ClearPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClearPin(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], readable: bool) {
        let pin = ClearPin::parse(text);
        assert_eq!(pin.is_some(), readable);
        if let Some(pin) = pin {
            assert_eq!(pin.digits(), text);
            assert_eq!(format!("{pin:?}"), "ClearPin(****)");
        }
    }

    #[test]
    fn one_to_twelve_bytes_are_a_pin() {
        check(b"", false);
        check(b"4", true);
        check(b"48215x", true);
        check(b"123456789012", true);
        check(b"1234567890123", false);
    }
}
