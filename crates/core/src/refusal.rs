//! Every way in which the rules say no.

use kunji_vault::Weakness;

use crate::card::{BlockKind, Unusable};
use crate::reason::Reason;
use crate::time::Millis;

/// The rules say no: expected, committed, audited, tested.
///
/// A dialect has a word for each of these in one total `match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request id was used before, for something else.
    Duplicate,
    /// No such credential, or not this caller's.
    UnknownCredential,
    /// The credential is there but not of this customer, or not under this VPA.
    OwnerMismatch,
    /// A credential block could not be opened, or was used before.
    UnreadableBlock,
    /// No PIN has been set yet.
    PinNotSet,
    /// The PIN is wrong; this many tries are left.
    WrongPin {
        /// Tries before the block, at least 1.
        tries_left: u8,
    },
    /// Too many wrong tries: nothing is compared before this instant.
    PinBlocked {
        /// When the block ends.
        until: Millis,
    },
    /// The new PIN breaks a rule.
    PinRefused(Weakness),
    /// Too many failed registrations: nothing is compared before this instant.
    RegistrationBlocked {
        /// When the window ends.
        until: Millis,
    },
    /// The debit card's digits or expiry are not this account's.
    NoSuchDebitCard,
    /// The debit card's last month is over.
    DebitCardExpired,
    /// The debit card is blocked or closed.
    DebitCardRestricted,
    /// The debit card was never activated.
    DebitCardNeverActivated,
    /// The debit card's ATM PIN is wrong.
    WrongAtmPin,
    /// No OTP is open, or its time is over.
    OtpExpired,
    /// The open OTP was tried too often.
    OtpTriesExceeded,
    /// The OTP is wrong.
    WrongOtp,
    /// The last four digits are not this card's.
    LastFourMismatch,
    /// The customer is not this card's.
    CardCustomerMismatch,
    /// The card cannot be used now.
    CardUnusable(Unusable),
    /// The cardholder was not verified in time.
    HolderNotVerified,
    /// What was said of the cardholder does not fit the card.
    HolderMismatch,
    /// The block that is asked for lies on the card already.
    AlreadyBlocked(BlockKind),
    /// There is no block to lift.
    NotBlocked,
    /// The caller has heard of too many wrong secrets: it is not told whether this one is.
    GuessBudgetUsedUp,
    /// Another customer of the program has the mobile number.
    MobileTaken,
    /// The customer has no card of the program.
    CustomerWithoutCard,
}

impl Refusal {
    /// The refusal as it stands in the audit and in metrics; no detail.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::UnknownCredential => "unknown_credential",
            Self::OwnerMismatch => "owner_mismatch",
            Self::UnreadableBlock => "unreadable_block",
            Self::PinNotSet => "pin_not_set",
            Self::WrongPin { .. } => "wrong_pin",
            Self::PinBlocked { .. } => "pin_blocked",
            Self::PinRefused(_) => "pin_refused",
            Self::RegistrationBlocked { .. } => "registration_blocked",
            Self::NoSuchDebitCard => "no_such_debit_card",
            Self::DebitCardExpired => "debit_card_expired",
            Self::DebitCardRestricted => "debit_card_restricted",
            Self::DebitCardNeverActivated => "debit_card_never_activated",
            Self::WrongAtmPin => "wrong_atm_pin",
            Self::OtpExpired => "otp_expired",
            Self::OtpTriesExceeded => "otp_tries_exceeded",
            Self::WrongOtp => "wrong_otp",
            Self::LastFourMismatch => "last_four_mismatch",
            Self::CardCustomerMismatch => "card_customer_mismatch",
            Self::CardUnusable(_) => "card_unusable",
            Self::HolderNotVerified => "holder_not_verified",
            Self::HolderMismatch => "holder_mismatch",
            Self::AlreadyBlocked(_) => "already_blocked",
            Self::NotBlocked => "not_blocked",
            Self::GuessBudgetUsedUp => "guess_budget_used_up",
            Self::MobileTaken => "mobile_taken",
            Self::CustomerWithoutCard => "customer_without_card",
        }
    }
}

impl From<Refusal> for Reason {
    /// The reason that every such refusal has; who decides may know a finer one.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Duplicate => Self::OtherContent,
            Refusal::UnknownCredential => Self::NoSuchCredential,
            Refusal::OwnerMismatch => Self::OtherCustomer,
            Refusal::UnreadableBlock => Self::BlockUsed,
            Refusal::PinNotSet => Self::PinNotSet,
            Refusal::WrongPin { tries_left } => Self::WrongPin { tries_left },
            Refusal::PinBlocked { until } => Self::PinBlocked { until },
            Refusal::PinRefused(weakness) => Self::NewPin(weakness),
            Refusal::RegistrationBlocked { until } => Self::RegistrationBlocked { until },
            Refusal::NoSuchDebitCard => Self::NoSuchDebitCard,
            Refusal::DebitCardExpired => Self::DebitCardExpired,
            Refusal::DebitCardRestricted => Self::DebitCardRestricted,
            Refusal::DebitCardNeverActivated => Self::DebitCardNeverActivated,
            Refusal::WrongAtmPin => Self::WrongAtmPin,
            Refusal::OtpExpired => Self::OtpExpired,
            Refusal::OtpTriesExceeded => Self::OtpTriesExceeded,
            Refusal::WrongOtp => Self::WrongOtp,
            Refusal::LastFourMismatch => Self::OtherLastFour,
            Refusal::CardCustomerMismatch => Self::OtherCustomer,
            Refusal::CardUnusable(state) => Self::CardState(state.as_str().into()),
            Refusal::HolderNotVerified => Self::HolderNotVerified,
            Refusal::HolderMismatch => Self::HolderMismatch("claim".into()),
            Refusal::AlreadyBlocked(_) => Self::CardBlock("the card is blocked already".into()),
            Refusal::NotBlocked => Self::CardBlock("the card is not blocked".into()),
            Refusal::GuessBudgetUsedUp => Self::GuessBudgetUsedUp,
            Refusal::MobileTaken => {
                Self::rule("mobile_taken", "another customer of the program has this mobile number")
            }
            Refusal::CustomerWithoutCard => {
                Self::rule("customer_without_card", "the customer has no card of the program")
            }
        }
    }
}
