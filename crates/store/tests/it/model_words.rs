//! The PIN rules once more, on plain text: written from the contract, not from the code.

use kunji_vault::BirthDate;

/// Whether a new PIN breaks a rule that the contract names.
pub(crate) fn is_weak(pin: &str, length: u8, birth: Option<BirthDate>) -> bool {
    let digits: Vec<u32> = pin.chars().filter_map(|letter| letter.to_digit(10)).collect();
    if digits.len() != pin.len() || digits.len() != usize::from(length) {
        return true;
    }
    let steps: Vec<i64> =
        digits.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0])).collect();
    let all = |step| steps.iter().all(|found| *found == step);
    if all(1) || all(-1) || all(0) {
        return true;
    }
    birth.is_some_and(|birth| days(birth).iter().any(|day| pin.contains(day)))
}

/// The ways to write a birthday that a PIN of four to six digits can hold.
fn days(birth: BirthDate) -> Vec<String> {
    let (year, short) = (format!("{:04}", birth.year), format!("{:02}", birth.year % 100));
    let (month, day) = (format!("{:02}", birth.month), format!("{:02}", birth.day));
    vec![
        format!("{day}{month}"),
        format!("{month}{day}"),
        format!("{month}{short}"),
        format!("{short}{month}"),
        year.clone(),
        format!("{day}{month}{short}"),
        format!("{month}{day}{short}"),
        format!("{short}{month}{day}"),
        format!("{year}{month}"),
        format!("{month}{year}"),
        format!("{day}{year}"),
    ]
}
