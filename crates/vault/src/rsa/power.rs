//! The public operation of RSA (RFC 8017, 5.2.2), which the cryptographic library does not offer
//! by itself. All of it is public, so it need not take the same time for all numbers.

/// An odd modulus, and what Montgomery's multiplication needs with it.
pub(super) struct Modulus {
    /// Least significant first; the last is not zero.
    limbs: Vec<u64>,
    /// Minus the inverse of the modulus, modulo 2^64.
    inverse: u64,
    /// The square of 2 to the number of bits in all limbs.
    square: Vec<u64>,
    len: usize,
}

impl Modulus {
    /// Takes a number without leading zeros, most significant byte first.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let limbs = limbs_of(bytes);
        let lowest = limbs.first().copied().filter(|limb| limb % 2 == 1)?;
        limbs.last().filter(|limb| **limb != 0)?;
        // Newton's iteration: each round doubles the bits that are right, of which there are 3.
        let inverse = (0..5).fold(lowest, |inverse, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(lowest.wrapping_mul(inverse)))
        });
        let mut modulus = Self {
            square: one(limbs.len()),
            limbs,
            inverse: inverse.wrapping_neg(),
            len: bytes.len(),
        };
        for _ in 0..modulus.limbs.len() * 128 {
            modulus.square = modulus.doubled(&modulus.square);
        }
        Some(modulus)
    }

    /// The number of bits.
    pub(super) fn bits(&self) -> usize {
        let unused = self.limbs.last().map_or(0, |limb| limb.leading_zeros());
        self.limbs.len() * 64 - usize::try_from(unused).unwrap_or(0)
    }

    /// A power of a number as long as the modulus and below it, most significant byte first.
    pub(super) fn power(&self, number: &[u8], exponent: u64) -> Option<Vec<u8>> {
        let base = limbs_of(number);
        if number.len() != self.len || !is_below(&base, &self.limbs) || exponent == 0 {
            return None;
        }
        let base = self.product(&base, &self.square);
        let mut power = base.clone();
        for bit in (0..exponent.ilog2()).rev() {
            power = self.product(&power, &power);
            if exponent >> bit & 1 == 1 {
                power = self.product(&power, &base);
            }
        }
        let power = self.product(&power, &one(self.limbs.len()));
        let bytes = power.iter().rev().flat_map(|limb| limb.to_be_bytes());
        Some(bytes.skip(power.len() * 8 - self.len).collect())
    }

    /// Montgomery's product of two numbers below the modulus.
    fn product(&self, one: &[u64], two: &[u64]) -> Vec<u64> {
        let mut sum = vec![0; self.limbs.len()];
        let mut over = false;
        for factor in two {
            let above = add_multiple(&mut sum, one, *factor);
            let lowest = sum.first().copied().unwrap_or(0);
            let below = add_multiple(&mut sum, &self.limbs, lowest.wrapping_mul(self.inverse));
            // The lowest limb is zero now and makes room for the highest.
            sum.rotate_left(1);
            if let Some(highest) = sum.last_mut() {
                let (limb, first) = above.overflowing_add(below);
                let (limb, second) = limb.overflowing_add(over.into());
                *highest = limb;
                over = first | second;
            }
        }
        self.reduced(sum, over)
    }

    fn doubled(&self, number: &[u64]) -> Vec<u64> {
        let mut over = false;
        let twice = number.iter().map(|limb| {
            let limb_over = limb >> 63 == 1;
            let twice = limb << 1 | u64::from(over);
            over = limb_over;
            twice
        });
        let twice = twice.collect();
        self.reduced(twice, over)
    }

    /// Takes the modulus off once, where the number is not below it.
    fn reduced(&self, mut number: Vec<u64>, over: bool) -> Vec<u64> {
        if over || !is_below(&number, &self.limbs) {
            let mut borrow = false;
            for (limb, off) in number.iter_mut().zip(&self.limbs) {
                (*limb, borrow) = limb.borrowing_sub(*off, borrow);
            }
        }
        number
    }
}

/// Adds `number` times `factor`; gives what did not fit.
fn add_multiple(sum: &mut [u64], number: &[u64], factor: u64) -> u64 {
    let mut carry = 0;
    for (sum, limb) in sum.iter_mut().zip(number) {
        (*sum, carry) = limb.carrying_mul_add(factor, *sum, carry);
    }
    carry
}

fn one(len: usize) -> Vec<u64> {
    std::iter::once(1).chain(std::iter::repeat(0)).take(len).collect()
}

fn is_below(one: &[u64], two: &[u64]) -> bool {
    one.iter().rev().lt(two.iter().rev())
}

fn limbs_of(bytes: &[u8]) -> Vec<u64> {
    let limb = |part: &[u8]| part.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    bytes.rchunks(8).map(limb).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by schoolbook, for numbers that fit.
    fn plain(base: u64, exponent: u64, modulus: u64) -> u64 {
        let product = |one: u64, two: u64| {
            u64::try_from(u128::from(one) * u128::from(two) % u128::from(modulus)).unwrap()
        };
        (0..exponent).fold(1 % modulus, |power, _| product(power, base))
    }

    #[test]
    fn numbers_of_two_limbs_are_right_at_their_borders() {
        // 2^89 - 1 is a prime: by Fermat, base^(2^89 - 2) would be 1; squares are easier seen.
        let prime = [&[1][..], &[255; 11]].concat();
        let modulus = Modulus::of(&prime).unwrap();
        assert_eq!(modulus.bits(), 89);
        let number = |low: u128| low.to_be_bytes()[4..].to_vec();
        let below = (1_u128 << 89) - 2;
        assert_eq!(modulus.power(&number(below), 2), Some(number(1)));
        assert_eq!(modulus.power(&number(below), 65537), Some(number(below)));
        assert_eq!(modulus.power(&number(1 << 60), 2), Some(number(1 << 31)));
        assert_eq!(modulus.power(&number(0), 3), Some(number(0)));
        assert_eq!(modulus.power(&number(below + 1), 3), None);
        assert_eq!(modulus.power(&number(7)[1..], 3), None);
        assert!(Modulus::of(&[2]).is_none() && Modulus::of(&[]).is_none());
    }

    proptest! {
        #[test]
        fn powers_are_those_of_the_schoolbook(
            modulus in any::<u64>().prop_map(|number| number | (1 << 63) | 1),
            base in any::<u64>(),
            exponent in 1..200_u64,
        ) {
            let base = base % modulus;
            let found = Modulus::of(&modulus.to_be_bytes()).unwrap();
            let expected = plain(base, exponent, modulus).to_be_bytes().to_vec();
            prop_assert_eq!(found.power(&base.to_be_bytes(), exponent), Some(expected));
        }
    }
}
