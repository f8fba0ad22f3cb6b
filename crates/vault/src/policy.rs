//! The rules that a new PIN must meet.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::blocklist::Blocklist;
use crate::pin::ClearPin;

/// How many of the last PINs a new one is compared with.
pub const RECENT_MAX: usize = 3;

/// The number of digits of a product's PINs: 4, 5 or 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct PinLength(u8);

impl PinLength {
    /// Reads 4, 5 or 6.
    #[must_use]
    pub fn parse(digits: u8) -> Option<Self> {
        matches!(digits, 4..=6).then_some(Self(digits))
    }

    /// The number of digits.
    #[must_use]
    pub fn digits(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for PinLength {
    type Error = &'static str;

    fn try_from(digits: u8) -> Result<Self, Self::Error> {
        Self::parse(digits).ok_or("a PIN has 4 to 6 digits")
    }
}

impl From<PinLength> for u8 {
    fn from(length: PinLength) -> Self {
        length.0
    }
}

/// A customer's date of birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BirthDate {
    /// The year, as in 1990.
    pub year: u16,
    /// The month, 1 to 12.
    pub month: u8,
    /// The day of the month, 1 to 31.
    pub day: u8,
}

impl BirthDate {
    /// Reads `YYYY-MM-DD` (ISO 8601), a date that exists.
    #[must_use]
    pub fn parse_iso(text: &str) -> Option<Self> {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes().as_array()? else {
            return None;
        };
        let century = u16::from(two_digits(y1, y2)?);
        let year = century * 100 + u16::from(two_digits(y3, y4)?);
        let month = two_digits(m1, m2)?;
        let day = two_digits(d1, d2)?;
        let exists = year > 0 && day > 0 && day <= days_in(year, month);
        exists.then_some(Self { year, month, day })
    }

    /// Every order of two adjacent parts of the date, four digits each.
    ///
    /// The longer orders (`DDMMYY`, `YYYYMM` and so on) all contain one of
    /// these, so a PIN that contains none of these contains no longer one.
    fn forms(self) -> [[u8; 4]; 7] {
        let [century, year] = [self.year / 100, self.year % 100].map(|part| pair(part % 100));
        let [month, day] = [self.month, self.day].map(|part| pair(u16::from(part % 100)));
        [
            join(day, month),
            join(month, day),
            join(month, year),
            join(year, month),
            join(day, year),
            join(year, day),
            join(century, year),
        ]
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    let both = tens.is_ascii_digit() && ones.is_ascii_digit();
    both.then(|| (tens - b'0') * 10 + (ones - b'0'))
}

/// The length of a month in the Gregorian calendar; 0 when there is none.
fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

/// The two ASCII digits of a number below 100.
fn pair(number: u16) -> [u8; 2] {
    [number / 10, number % 10].map(|digit| b'0' + u8::try_from(digit).unwrap_or(0))
}

fn join([a, b]: [u8; 2], [c, d]: [u8; 2]) -> [u8; 4] {
    [a, b, c, d]
}

/// What a new PIN of one customer must meet.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The one length that the product allows.
    pub length: PinLength,
    /// The date that the PIN must not tell, when it is known.
    pub birth: Option<BirthDate>,
    /// The longest allowed run of one digit; without it all may not be equal.
    pub max_same_run: Option<u8>,
    /// The PINs that nobody may choose.
    pub blocklist: Option<Arc<Blocklist>>,
}

impl Policy {
    /// The first rule that the PIN breaks by itself, in the order of judgement.
    pub(crate) fn weakness(&self, pin: &ClearPin) -> Option<Weakness> {
        let digits = pin.digits();
        if !digits.iter().all(u8::is_ascii_digit) {
            return Some(Weakness::NotDigits);
        }
        if digits.len() != usize::from(self.length.digits()) {
            return Some(Weakness::WrongLength);
        }
        if is_sequential(digits) {
            return Some(Weakness::Sequential);
        }
        if self.is_repeated(digits) {
            return Some(Weakness::Repeated);
        }
        if self.birth.is_some_and(|birth| tells(digits, birth)) {
            return Some(Weakness::BirthDate);
        }
        let listed = self.blocklist.as_ref().is_some_and(|list| list.holds(pin));
        listed.then_some(Weakness::Listed)
    }

    fn is_repeated(&self, digits: &[u8]) -> bool {
        let run = longest_run(digits);
        let all_equal = run == digits.len();
        // A run of one is a digit, so a limit of none means a limit of one.
        let run_max = self.max_same_run.map(|run_max| usize::from(run_max.max(1)));
        all_equal || run_max.is_some_and(|run_max| run > run_max)
    }
}

/// Every step one up, or every step one down; nine to zero is no step.
fn is_sequential(digits: &[u8]) -> bool {
    let up = digits.array_windows().all(|[a, b]| a.checked_add(1) == Some(*b));
    let down = digits.array_windows().all(|[a, b]| b.checked_add(1) == Some(*a));
    up || down
}

fn longest_run(digits: &[u8]) -> usize {
    let runs = digits.chunk_by(|a, b| a == b);
    runs.map(<[u8]>::len).max().unwrap_or(0)
}

fn tells(digits: &[u8], birth: BirthDate) -> bool {
    let forms = birth.forms();
    digits.array_windows::<4>().any(|part| forms.contains(part))
}

/// The rule that a PIN breaks; for the audit, never for a reply.
///
/// Events keep it by its place in this list, so that new ones go to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weakness {
    /// It holds something else than ASCII digits.
    NotDigits,
    /// It has another length than the product's.
    WrongLength,
    /// Every step is one up, or every step is one down.
    Sequential,
    /// All digits are equal, or too many in a row are.
    Repeated,
    /// It tells the date of birth.
    BirthDate,
    /// It is one of the last three.
    Recent,
    /// It is on the blocklist.
    Listed,
}

impl Weakness {
    /// The rule's name in the audit.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotDigits => "not_digits",
            Self::WrongLength => "wrong_length",
            Self::Sequential => "sequential",
            Self::Repeated => "repeated",
            Self::BirthDate => "birth_date",
            Self::Recent => "recent",
            Self::Listed => "listed",
        }
    }
}

/// What the PIN does wrong: the end of a sentence that begins with "the new PIN".
impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDigits => "holds something else than digits",
            Self::WrongLength => "has another length than the product demands",
            Self::Sequential => "is sequential",
            Self::Repeated => "repeats a digit too often",
            Self::BirthDate => "tells the date of birth",
            Self::Recent => "is one of the last three",
            Self::Listed => "is on the blocklist",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(length: u8) -> Policy {
        Policy {
            length: PinLength::parse(length).unwrap(),
            birth: BirthDate::parse_iso("1990-05-15"),
            max_same_run: None,
            blocklist: None,
        }
    }

    #[track_caller]
    fn check(policy: &Policy, pins: &[&str], expected: Option<Weakness>) {
        for pin in pins {
            let clear = ClearPin::parse(pin.as_bytes()).unwrap();
            assert_eq!(policy.weakness(&clear), expected, "{pin}");
        }
    }

    #[test]
    fn only_ascii_digits_of_the_products_length_pass() {
        let weak = Some(Weakness::NotDigits);
        check(&policy(4), &["12a4", " 482", "48.1", "+482", "٤٨"], weak);
        check(&policy(4), &["abcdefgh", "x"], weak);
        let weak = Some(Weakness::WrongLength);
        check(&policy(4), &["482", "48213", "482139", "4"], weak);
        check(&policy(6), &["4821", "48213"], weak);
        check(&policy(4), &["4821", "0482"], None);
        check(&policy(5), &["48213"], None);
        check(&policy(6), &["482139"], None);
    }

    #[test]
    fn a_whole_sequence_is_weak_and_a_broken_one_is_not() {
        let weak = Some(Weakness::Sequential);
        check(&policy(4), &["1234", "4321", "0123", "6789", "9876", "3210"], weak);
        check(&policy(6), &["456789", "987654", "012345"], weak);
        check(&policy(4), &["8901", "1098", "1235", "1243", "2468", "1232"], None);
        check(&policy(6), &["123457", "789012"], None);
    }

    #[test]
    fn equal_digits_are_weak_and_pairs_are_not() {
        let weak = Some(Weakness::Repeated);
        check(&policy(4), &["1111", "0000", "9999"], weak);
        check(&policy(6), &["777777"], weak);
        check(&policy(4), &["1122", "1112", "2111", "1211"], None);
    }

    #[test]
    fn a_limit_of_runs_tightens_the_rule() {
        let mut strict = policy(6);
        strict.max_same_run = Some(2);
        check(&strict, &["111482", "481114", "482111"], Some(Weakness::Repeated));
        check(&strict, &["114482", "112244"], None);
        strict.max_same_run = Some(6);
        check(&strict, &["777777"], Some(Weakness::Repeated));
        strict.max_same_run = Some(0);
        check(&strict, &["482139"], None);
    }

    #[test]
    fn every_order_of_the_birth_date_is_weak() {
        let weak = Some(Weakness::BirthDate);
        let short = ["1505", "0515", "0590", "9005", "1590", "9015", "1990"];
        check(&policy(4), &short, weak);
        check(&policy(5), &["15057", "71505", "19904"], weak);
        let whole = ["150590", "051590", "900515", "901505", "159005", "059015"];
        check(&policy(6), &whole, weak);
        let long = ["199005", "051990", "151990", "199015", "719907", "771505"];
        check(&policy(6), &long, weak);
    }

    #[test]
    fn a_near_miss_of_the_birth_date_passes() {
        check(&policy(4), &["1506", "0514", "0591", "1991", "9906", "5199"], None);
        check(&policy(6), &["150690", "051690", "199106", "140691"], None);
        let mut unknown = policy(4);
        unknown.birth = None;
        check(&unknown, &["1505", "1990"], None);
    }

    #[test]
    fn a_listed_pin_is_weak() {
        let mut listed = policy(4);
        listed.blocklist = Some(Arc::new(Blocklist::parse("1122\n1505\n").unwrap()));
        check(&listed, &["1122"], Some(Weakness::Listed));
        check(&listed, &["1505"], Some(Weakness::BirthDate));
        check(&listed, &["1133"], None);
    }

    #[track_caller]
    fn check_date(text: &str, expected: Option<(u16, u8, u8)>) {
        let expected = expected.map(|(year, month, day)| BirthDate { year, month, day });
        assert_eq!(BirthDate::parse_iso(text), expected);
    }

    #[test]
    fn only_dates_of_the_calendar_are_read() {
        check_date("1990-05-15", Some((1990, 5, 15)));
        check_date("2000-02-29", Some((2000, 2, 29)));
        check_date("2024-02-29", Some((2024, 2, 29)));
        check_date("1900-02-29", None);
        check_date("2023-02-29", None);
        check_date("2023-04-31", None);
        check_date("2023-00-10", None);
        check_date("2023-13-10", None);
        check_date("2023-01-00", None);
        check_date("0000-01-01", None);
        check_date("1990-5-15", None);
        check_date("1990/05/15", None);
        check_date("1990-05-15 ", None);
        check_date("19x0-05-15", None);
    }

    #[test]
    fn a_stored_date_of_nonsense_does_not_panic() {
        let mut odd = policy(4);
        odd.birth = Some(BirthDate { year: 65535, month: 255, day: 255 });
        check(&odd, &["4821"], None);
    }

    #[test]
    fn a_length_is_four_five_or_six() {
        assert_eq!(
            [3, 4, 5, 6, 7].map(|n| PinLength::parse(n).is_some()),
            [false, true, true, true, false]
        );
        assert!(serde_json::from_str::<PinLength>("7").is_err());
        assert_eq!(serde_json::to_string(&PinLength(6)).unwrap(), "6");
    }

    #[test]
    fn a_weakness_has_one_word_everywhere() {
        use Weakness::{BirthDate, Listed, NotDigits, Recent, Repeated, Sequential, WrongLength};
        for weakness in [NotDigits, WrongLength, Sequential, Repeated, BirthDate, Recent, Listed] {
            let json = serde_json::to_string(&weakness).unwrap();
            assert_eq!(json, format!("\"{}\"", weakness.as_str()));
        }
    }
}
