//! Keyed fingerprints of commands.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::{Deserialize, Serialize};

use crate::block::PinBlock;
use crate::mac::Mac;

/// Names the content of a command without telling it; a keyed MAC.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Whether both name the same content, in constant time.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(****)")
    }
}

/// Collects the fields of a command, in order, into a [`Fingerprint`].
pub struct Fingerprinter(Mac);

impl Fingerprinter {
    pub(crate) fn new(mac: Mac) -> Self {
        Self(mac)
    }

    /// Adds a field that is not secret.
    pub fn text(&mut self, field: &str) {
        self.0.field(b"text");
        self.0.field(field.as_bytes());
    }

    /// Adds a PIN as it arrived; a block encrypted anew is another content.
    pub fn block(&mut self, block: &PinBlock) {
        match block.text() {
            Some(text) => {
                self.0.field(b"block");
                self.0.field(text.as_bytes());
            }
            None if block.is_text() => self.0.field(b"block too long"),
            None => self.0.field(b"block of no text"),
        }
    }

    /// The fingerprint of all fields added so far.
    #[must_use]
    pub fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finish())
    }
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprinter(****)")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;

    #[track_caller]
    fn check(left: &[&str], right: &[&str], same: bool) {
        let print = |fields: &[&str]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
            let mut fingerprinter = Fingerprinter::new(Mac::new(&key, b"test"));
            for field in fields {
                fingerprinter.text(field);
            }
            fingerprinter.finish()
        };
        assert_eq!(print(left).same_as(&print(right)), same);
    }

    #[test]
    fn fields_keep_their_borders() {
        check(&["ab", "c"], &["ab", "c"], true);
        check(&["ab", "c"], &["a", "bc"], false);
        check(&["ab", "c"], &["c", "ab"], false);
        check(&["ab"], &["ab", ""], false);
    }

    #[test]
    fn a_block_is_not_a_text() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let mut of_text = Fingerprinter::new(Mac::new(&key, b"test"));
        let mut of_block = Fingerprinter::new(Mac::new(&key, b"test"));
        of_text.text("4821");
        of_block.block(&PinBlock::absorb("4821".to_owned()));
        assert!(!of_text.finish().same_as(&of_block.finish()));
    }
}
