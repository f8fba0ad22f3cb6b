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

/// Remembers the clear secrets of one request, so that another one under its id can be told apart.
///
/// A keyed MAC, bound to the request. Whether two are the same is a verdict about a secret: whoever
/// compares them must count it.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct SecretMark([u8; 32]);

impl SecretMark {
    /// Whether both are of the same secrets, in constant time.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for SecretMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretMark(****)")
    }
}

/// Collects the fields of a command, in order, into a [`Fingerprint`] of what is public in it and a
/// [`SecretMark`] of what is not.
///
/// A sealed block is public: whoever has it cannot read it, and one that is sealed anew is another
/// content.
pub struct Fingerprinter {
    public: Mac,
    secrets: Mac,
    has_secrets: bool,
}

impl Fingerprinter {
    pub(crate) fn new(public: Mac, secrets: Mac) -> Self {
        Self { public, secrets, has_secrets: false }
    }

    /// Adds a field that is not secret.
    pub fn text(&mut self, field: &str) {
        self.public.field(b"text");
        self.public.field(field.as_bytes());
    }

    /// Adds a PIN as it arrived.
    pub fn block(&mut self, block: &PinBlock) {
        match block.text() {
            Some(text) if block.is_clear() => {
                self.public.field(b"clear");
                self.secrets.secret(text.as_bytes());
                self.has_secrets = true;
            }
            Some(text) => {
                self.public.field(b"block");
                self.public.field(text.as_bytes());
            }
            None if block.is_text() => self.public.field(b"block too long"),
            None => self.public.field(b"block of no text"),
        }
    }

    /// The fingerprint of all that is public.
    #[must_use]
    pub fn finish(self) -> Fingerprint {
        Fingerprint(self.public.finish())
    }

    /// The same, and the mark of the clear secrets if there are any, for the request of this name.
    #[must_use]
    pub fn finish_for(mut self, name: &[&str]) -> (Fingerprint, Option<SecretMark>) {
        let fingerprint = Fingerprint(self.public.finish());
        for part in name {
            self.secrets.field(part.as_bytes());
        }
        self.secrets.field(&fingerprint.0);
        let mark = self.has_secrets.then(|| SecretMark(self.secrets.finish()));
        (fingerprint, mark)
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

    fn fingerprinter() -> Fingerprinter {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        Fingerprinter::new(Mac::new(&key, b"test"), Mac::new(&key, b"secrets"))
    }

    #[track_caller]
    fn check(left: &[&str], right: &[&str], same: bool) {
        let print = |fields: &[&str]| {
            let mut fingerprinter = fingerprinter();
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
        let (mut of_text, mut of_block) = (fingerprinter(), fingerprinter());
        of_text.text("a.b.c.d.e");
        of_block.block(&PinBlock::absorb("a.b.c.d.e".to_owned()));
        assert!(!of_text.finish().same_as(&of_block.finish()));
    }

    fn both(name: &[&str], blocks: &[&str]) -> (Fingerprint, Option<SecretMark>) {
        let mut fingerprinter = fingerprinter();
        for block in blocks {
            fingerprinter.block(&PinBlock::absorb((*block).to_owned()));
        }
        fingerprinter.finish_for(name)
    }

    /// Compares blocks under one name: is what is public the same, and is what is secret?
    #[track_caller]
    fn check_blocks(left: &[&str], right: &[&str], public: bool, secret: Option<bool>) {
        let ((left, left_mark), (right, right_mark)) = (both(&["T1"], left), both(&["T1"], right));
        let marks = left_mark.zip(right_mark).map(|(left, right)| left.same_as(&right));
        assert_eq!((left.same_as(&right), marks), (public, secret));
    }

    #[test]
    fn clear_secrets_are_in_the_mark_and_sealed_ones_in_the_fingerprint() {
        check_blocks(&["4821"], &["4821"], true, Some(true));
        check_blocks(&["4821"], &["4822"], true, Some(false));
        check_blocks(&["4821", "1"], &["482", "11"], true, Some(false));
        check_blocks(&["4821", "77"], &["77", "4821"], true, Some(false));
        check_blocks(&["a.b.c.d.e"], &["a.b.c.d.e"], true, None);
        check_blocks(&["a.b.c.d.e"], &["a.b.c.d.f"], false, None);
        check_blocks(&["a.b.c.d.e"], &["4821"], false, None);
        check_blocks(&["a.b.c.d.e", "4821"], &["a.b.c.d.e", "4822"], true, Some(false));
        check_blocks(&["a.b.c.d.e", "4821"], &["4821", "a.b.c.d.e"], false, Some(false));
    }

    #[test]
    fn one_secret_under_two_names_has_two_marks() {
        let mark = |name: &[&str]| both(name, &["4821"]).1.unwrap();
        assert!(mark(&["till", "T1"]).same_as(&mark(&["till", "T1"])));
        assert!(!mark(&["till", "T1"]).same_as(&mark(&["till", "T2"])));
        assert!(!mark(&["tillT", "1"]).same_as(&mark(&["till", "T1"])));
    }
}
