//! Keys that lie in memory only while they are used.

use std::fmt;

use zeroize::Zeroizing;

use crate::digest::sha256;

/// Long, so that whoever reads some of the memory has too little of it.
const SHIELD_LEN: usize = 4096;

/// A key of at most 32 bytes, hidden under the hash of a long random shield.
///
/// It does not stop who has all of the memory and knows this program. It stops a search for the
/// key, and whoever gets at some of the memory only.
pub(crate) struct ShieldedKey<const N: usize> {
    shield: Box<[u8; SHIELD_LEN]>,
    hidden: [u8; N],
}

impl<const N: usize> ShieldedKey<N> {
    /// Hides a key; the caller wipes the original.
    pub(crate) fn of(key: &[u8; N]) -> Result<Self, getrandom::Error> {
        let mut shield = Box::new([0; SHIELD_LEN]);
        // Of the system: a shield is made at each start, and the cryptographic library takes 40 ms to
        // seed its own source.
        getrandom::fill(shield.as_mut_slice())?;
        let hidden = *crossed(&shield, key);
        Ok(Self { shield, hidden })
    }

    /// The key, for the moment in which it is used.
    pub(crate) fn bare(&self) -> Zeroizing<[u8; N]> {
        crossed(&self.shield, &self.hidden)
    }
}

fn crossed<const N: usize>(shield: &[u8; SHIELD_LEN], key: &[u8; N]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 32, "a hash of 32 bytes hides no more") };
    let mask = Zeroizing::new(sha256(&[shield]));
    let mut crossed = Zeroizing::new(*key);
    crossed.iter_mut().zip(mask.iter()).for_each(|(byte, mask)| *byte ^= mask);
    crossed
}

impl<const N: usize> fmt::Debug for ShieldedKey<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShieldedKey(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hidden_and_comes_back() {
        let key = *b"0123456789abcdef01234567";
        let [one, two] = [0; 2].map(|_| ShieldedKey::of(&key).unwrap());
        assert_eq!((*one.bare(), *two.bare()), (key, key));
        assert_ne!(one.hidden, key);
        assert_ne!(one.hidden, two.hidden);
        assert_eq!(format!("{one:?}"), "ShieldedKey(****)");
    }
}
