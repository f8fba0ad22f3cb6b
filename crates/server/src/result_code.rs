//! The UPI result codes (contract page `pin-rules.md`), which several vendors print.

use kunji_core::credential::Outcome;
use kunji_core::refusal::Refusal;

/// Done.
pub const SUCCESS: (&str, &str) = ("00", "Success");
/// The outcome is unknown.
pub const UNKNOWN: (&str, &str) = ("U90", "Outcome unknown");
/// The device is not the customer's.
pub const DEVICE_MISMATCH: (&str, &str) = ("U66", "Device mismatch");
/// The mobile number is another one at the bank.
pub const MOBILE_CHANGED: (&str, &str) = ("B1", "Mobile number changed at the bank");
/// No such account.
pub const NO_SUCH_ACCOUNT: (&str, &str) = ("XH", "No such account");

/// Code and message of what the issuer decided.
#[must_use]
pub fn of(verdict: Result<Outcome, Refusal>) -> (&'static str, &'static str) {
    match verdict {
        Ok(
            Outcome::Verified
            | Outcome::Changed
            | Outcome::OtpSent
            | Outcome::PinSet
            | Outcome::CardCreated
            | Outcome::HolderVerified
            | Outcome::Inquired
            | Outcome::CardBlocked
            | Outcome::CardUnblocked
            | Outcome::TriesCleared
            | Outcome::Abandoned,
        ) => SUCCESS,
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::Duplicate => ("U01", "Duplicate request id"),
        Refusal::UnreadableBlock => ("U54", "Credential block is not valid for this transaction"),
        Refusal::WrongPin { .. } => ("ZM", "Invalid mpin"),
        Refusal::PinBlocked { .. } | Refusal::GuessBudgetUsedUp => {
            ("Z6", "Number of pin tries exceeded.")
        }
        Refusal::PinNotSet => ("AM", "MPIN not set"),
        Refusal::PinRefused(_) => ("RM", "New MPIN does not meet security requirements"),
        Refusal::RegistrationBlocked { .. } => ("RN", "Registration blocked"),
        Refusal::NoSuchDebitCard => ("XN", "No such card"),
        Refusal::DebitCardExpired => ("XL", "Card expired"),
        Refusal::DebitCardRestricted => ("XR", "Card restricted"),
        Refusal::DebitCardNeverActivated => ("AJ", "Card never activated"),
        Refusal::WrongAtmPin => ("SP", "Wrong ATM PIN"),
        Refusal::OtpExpired => ("ZS", "OTP expired"),
        Refusal::OtpTriesExceeded => ("ZT", "OTP tries exceeded"),
        Refusal::WrongOtp => ("ZR", "Wrong OTP"),
        Refusal::UnknownCredential
        | Refusal::OwnerMismatch
        | Refusal::LastFourMismatch
        | Refusal::CardCustomerMismatch
        | Refusal::CardUnusable(_)
        | Refusal::HolderNotVerified
        | Refusal::HolderMismatch
        | Refusal::AlreadyBlocked(_)
        | Refusal::NotBlocked
        | Refusal::MobileTaken
        | Refusal::CustomerWithoutCard => NO_SUCH_ACCOUNT,
    }
}
