//! One-time passwords: made, proved and sent without anyone reading them.

use crate::fault::VaultFault;
use crate::message::Sealed;
use crate::verifier::Verifier;

/// The number of digits of a one-time password.
pub const OTP_LEN: usize = 6;

/// A fresh one-time password: its proof, and the message that tells it.
#[derive(Debug)]
pub struct IssuedOtp {
    /// Proves the password; kept like that of a PIN.
    pub verifier: Verifier,
    /// The message for the customer, sealed until it is sent.
    pub message: Sealed,
}

/// What stands for the password in a wording.
pub(crate) const PLACEHOLDER: &str = "{otp}";

/// How many random numbers may be refused in a row.
const DRAWS_MAX: usize = 64;

/// Six digits, each of the million equally likely.
///
/// `draw` gives uniform random numbers. Numbers beyond the last whole million
/// are refused, so that no password is likelier than another.
pub(crate) fn six_digits(
    mut draw: impl FnMut() -> Result<u32, VaultFault>,
) -> Result<[u8; OTP_LEN], VaultFault> {
    for _ in 0..DRAWS_MAX {
        let drawn = draw()?;
        if drawn < 4_294_000_000 {
            return Ok(digits_of(drawn % 1_000_000));
        }
    }
    Err(VaultFault("draw a one-time password"))
}

fn digits_of(mut number: u32) -> [u8; OTP_LEN] {
    let mut digits = [b'0'; OTP_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789"
            .iter()
            .copied()
            .nth(usize::try_from(number % 10).unwrap_or(0))
            .unwrap_or(b'0');
        number /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(drawn: &[u32], expected: Result<&[u8; OTP_LEN], VaultFault>) {
        let mut numbers = drawn.iter().copied().cycle();
        let digits = six_digits(|| Ok(numbers.next().unwrap()));
        assert_eq!(digits.as_ref(), expected.as_ref().copied());
    }

    #[test]
    fn a_password_is_the_number_within_a_whole_million() {
        check(&[0], Ok(b"000000"));
        check(&[7], Ok(b"000007"));
        check(&[1_123_456], Ok(b"123456"));
        check(&[4_293_999_999], Ok(b"999999"));
    }

    #[test]
    fn a_number_beyond_the_last_whole_million_is_drawn_again() {
        check(&[4_294_000_000, u32::MAX, 42], Ok(b"000042"));
    }

    #[test]
    fn a_source_that_never_fits_is_a_fault() {
        check(&[u32::MAX], Err(VaultFault("draw a one-time password")));
    }
}
