//! Hexadecimal text of a fixed length.

use zeroize::Zeroizing;

/// Reads exactly `N` bytes in either case; the result may be a key.
pub(crate) fn parse<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    read(text, &mut *bytes)?;
    Some(bytes)
}

/// Reads exactly as many bytes as there is room for, into their place.
pub(crate) fn read(text: &str, bytes: &mut [u8]) -> Option<()> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(())
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Writes lowercase digits.
pub(crate) fn write(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2 + 1));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0x0f] {
            text.extend(DIGITS.get(usize::from(nibble)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<[u8; 2]>) {
        assert_eq!(parse::<2>(text).map(|bytes| *bytes), expected);
    }

    #[test]
    fn exactly_the_asked_number_of_bytes_is_read() {
        check("00ff", Some([0x00, 0xff]));
        check("A1b2", Some([0xa1, 0xb2]));
        check("a1b", None);
        check("a1b2c", None);
        check("a1b2c3", None);
        check("a1g2", None);
        check("+1 2", None);
        check("", None);
    }

    #[test]
    fn what_was_written_is_read_back() {
        assert_eq!(*write(&[0x00, 0x9a, 0xff]), "009aff");
    }
}
