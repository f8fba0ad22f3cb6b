//! What several vendors say about UPI numbers: the mapper's codes and words.
//!
//! The codes are those of the contract page `upi-number.md`.

use std::sync::{Mutex, PoisonError};

use kunji_core::aggregate::Aggregate as _;
use kunji_core::customer::{Aim, Customer, CustomerRefusal};
use kunji_core::engine::Answered;
use kunji_core::ids::Vpa;
use kunji_core::mapper::{
    Number, NumberCommand, NumberOutcome, NumberRefusal, NumberState, Registrant,
};
use kunji_core::reason::Reason;
use kunji_core::rules::Rules;
use kunji_core::time::Stamp;

use crate::result_code;

/// The shortest user part of a masked VPA whose last letter is shown.
const MASK_LEN_MIN: usize = 5;

/// What the mapper, or the customer's own rules, said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapperCode {
    /// Done.
    Success,
    /// Accepted, and not settled yet.
    Pending,
    /// Nobody holds the number.
    NotRegistered,
    /// Not in the state in which it is, or not by this customer.
    NotAllowed,
    /// It is so already.
    AlreadySo,
    /// The VPA is not the customer's, or not of this provider.
    NotTheirVpa,
    /// The number does not lead to the VPA that was named.
    NotTheLinkedVpa,
    /// Another customer holds it.
    HeldByAnother,
    /// Another customer gave it back not long ago.
    Cooling,
    /// The customer has as many as allowed.
    LimitReached,
    /// A change of the number is not settled yet.
    ChangePending,
}

impl MapperCode {
    /// Code and message.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Success => result_code::SUCCESS,
            Self::Pending => ("01", "Pending"),
            Self::NotRegistered => ("KU01", "UPI number is not registered"),
            Self::NotAllowed => ("KU02", "Action is not allowed in this state"),
            Self::AlreadySo => ("KU03", "UPI number is already in this state"),
            Self::NotTheirVpa => ("KU04", "VPA is not of this customer or PSP"),
            Self::NotTheLinkedVpa => ("KU05", "UPI number is not linked to the VPA named"),
            Self::HeldByAnother => ("MM18", "UPI number is held by another customer"),
            Self::Cooling => ("KU07", "UPI number is in its cooling period"),
            Self::LimitReached => ("KU08", "Customer has as many as allowed"),
            Self::ChangePending => ("KU09", "A change of the UPI number is pending"),
        }
    }

    /// What the mapper decided.
    #[must_use]
    pub fn of(verdict: Result<NumberOutcome, NumberRefusal>) -> Self {
        match verdict {
            Ok(NumberOutcome::Pending) => Self::Pending,
            Ok(
                NumberOutcome::Registered
                | NumberOutcome::VpaChanged
                | NumberOutcome::Disabled
                | NumberOutcome::Deleted
                | NumberOutcome::Reactivated
                | NumberOutcome::Seen
                | NumberOutcome::Told
                | NumberOutcome::GivenUp
                | NumberOutcome::Gone
                | NumberOutcome::Settled
                | NumberOutcome::Failed,
            ) => Self::Success,
            Err(refusal) => refusal.into(),
        }
    }

    /// `gatewayResponseStatus`.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Pending => "PENDING",
            Self::NotRegistered
            | Self::NotAllowed
            | Self::AlreadySo
            | Self::NotTheirVpa
            | Self::NotTheLinkedVpa
            | Self::HeldByAnother
            | Self::Cooling
            | Self::LimitReached
            | Self::ChangePending => "FAILURE",
        }
    }

    /// What a look at a number comes to; nothing changes.
    ///
    /// It is about the number: what the customer has already is no obstacle, nor how many others.
    ///
    /// # Errors
    /// `Hindrance` when it could not be had.
    pub fn foreseen(
        customer: &Customer,
        now: Option<&Number>,
        by: &Registrant,
        aim: &Aim,
        (rules, stamp): (&Rules, &Stamp),
    ) -> Result<(), Hindrance> {
        match customer.may_claim(&by.number, &by.vpa, aim, rules) {
            Ok(()) | Err(CustomerRefusal::LimitReached) => {}
            Err(refusal) => return Err(Hindrance::Customer(refusal)),
        }
        let command = match aim {
            Aim::Port => {
                // Whoever ports must name the VPA; whoever asks need not know it yet.
                let existing = now.map_or(&by.vpa, |number| &number.vpa).clone();
                NumberCommand::Port { by: by.clone(), existing }
            }
            Aim::Register | Aim::ChangeVpa { .. } | Aim::Update => {
                NumberCommand::Register(by.clone())
            }
        };
        let own = *aim != Aim::Port;
        match Number::decide(now, &command, rules, stamp).verdict {
            Ok(_) => Ok(()),
            Err(NumberRefusal::AlreadyInThisState) if own => Ok(()),
            Err(refusal) => Err(Hindrance::Number(refusal)),
        }
    }
}

/// What stands against having a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// The customer could not have it, whoever held it.
    Customer(CustomerRefusal),
    /// The mapper would say no.
    Number(NumberRefusal),
}

impl From<Hindrance> for Reason {
    fn from(hindrance: Hindrance) -> Self {
        match hindrance {
            Hindrance::Customer(refusal) => refusal.into(),
            Hindrance::Number(refusal) => refusal.into(),
        }
    }
}

/// Keeps what a look found against it, for whoever says why.
#[derive(Debug, Default)]
pub struct Hindered(Mutex<Option<Hindrance>>);

impl Hindered {
    /// Notes what the last look found.
    pub fn note(&self, foreseen: Result<(), Hindrance>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = foreseen.err();
    }

    /// The reason of the answer: its own, else what was noted.
    #[must_use]
    pub fn explain(&self, answered: Answered) -> Answered {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner).map(Into::into);
        Answered { reason: answered.reason.or(noted), ..answered }
    }
}

impl From<NumberRefusal> for MapperCode {
    fn from(refusal: NumberRefusal) -> Self {
        match refusal {
            NumberRefusal::NotRegistered => Self::NotRegistered,
            NumberRefusal::NotInThisState => Self::NotAllowed,
            NumberRefusal::AlreadyInThisState => Self::AlreadySo,
            NumberRefusal::NotTheLinkedVpa => Self::NotTheLinkedVpa,
            NumberRefusal::HeldByAnother => Self::HeldByAnother,
            NumberRefusal::Cooling => Self::Cooling,
            NumberRefusal::Pending => Self::ChangePending,
        }
    }
}

/// The customer's refusals in the codes that an app is told.
#[must_use]
pub fn customer_refused(refusal: CustomerRefusal) -> (&'static str, &'static str) {
    match refusal {
        CustomerRefusal::NotBound
        | CustomerRefusal::UnknownCustomer
        | CustomerRefusal::StartedBefore
        | CustomerRefusal::BindingBlocked => result_code::DEVICE_MISMATCH,
        CustomerRefusal::MobileMismatch => result_code::MOBILE_CHANGED,
        CustomerRefusal::NotLinked => result_code::NO_SUCH_ACCOUNT,
        CustomerRefusal::NotTheirVpa => MapperCode::NotTheirVpa.words(),
        CustomerRefusal::LastVpa => ("KU02", "The last VPA stays"),
        CustomerRefusal::VpaInUse => ("KU02", "A UPI number leads to the VPA"),
        CustomerRefusal::PrimaryStays => ("KU02", "The primary account stays"),
        CustomerRefusal::NotOwnMobile => ("KU02", "Not the customer's mobile number"),
        CustomerRefusal::NotPortable => ("KU02", "Only the own mobile number can be ported"),
        CustomerRefusal::LimitReached => MapperCode::LimitReached.words(),
    }
}

/// A VPA that another customer was faster to take.
pub const VPA_TAKEN: (&str, &str) = ("KU04", "VPA is held by another customer");

/// How the API itself fared, with its message, where it worked.
pub const API_SUCCESS: (&str, &str) = ("SUCCESS", "SUCCESS");
/// The request id was used for something else.
pub const API_DUPLICATE: (&str, &str) =
    ("DUPLICATE_REQUEST", "upiRequestId was used for other content");
/// No device of the customer is bound, or not the one that was named.
pub const API_DEVICE: (&str, &str) =
    ("DEVICE_FINGERPRINT_MISMATCH", "Device is not bound to the customer");
/// Something broke.
pub const API_UNKNOWN: (&str, &str) =
    ("INTERNAL_SERVER_ERROR", "Outcome unknown: repeat the same request");

/// Where a number stands, as the server API says it.
#[must_use]
pub fn state_word(state: &NumberState) -> &'static str {
    match state {
        NumberState::Active => "ACTIVE",
        NumberState::Disabled => "DISABLED",
        NumberState::Deleted => "DELETED",
        NumberState::Pending(_) => "PENDING",
        NumberState::Free => "NEW",
    }
}

/// Where a number stands, as the SDK and the callbacks say it: `upiNumberStatus`.
#[must_use]
pub fn status_word(state: &NumberState) -> &'static str {
    match state {
        NumberState::Active => "ACTIVE",
        NumberState::Disabled => "INACTIVE",
        NumberState::Deleted => "DEREGISTER",
        NumberState::Pending(_) => "PENDING",
        NumberState::Free => "NEW",
    }
}

/// Free when nobody has it and this customer may, else where it stands.
#[must_use]
pub fn availability<'a>(
    now: Option<&'a Number>,
    by: &Registrant,
    (rules, stamp): (&Rules, &Stamp),
) -> &'a NumberState {
    let free = |number: &Number| {
        let kept = number.is_cooling(rules, stamp.now) && number.owner != by.owner;
        number.state == NumberState::Deleted && !kept
    };
    match now {
        Some(number) if !free(number) => &number.state,
        Some(_) | None => &NumberState::Free,
    }
}

/// As much of a VPA as its owner needs to know it again, and nobody to guess it.
#[must_use]
pub fn masked(vpa: &Vpa) -> String {
    let user = vpa.as_str().split_once('@').map_or("", |(user, _)| user);
    let first: String = user.chars().take(1).collect();
    let last = user.chars().last().filter(|_| user.len() >= MASK_LEN_MIN);
    let last: String = last.into_iter().collect();
    format!("{first}*****{last}@{}", vpa.handle())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_tells_neither_the_middle_nor_the_length() {
        for (vpa, expected) in [
            ("something@handle", "s*****g@handle"),
            ("me@broker", "m*****@broker"),
            ("four@handle", "f*****@handle"),
            ("fiver@handle", "f*****r@handle"),
        ] {
            assert_eq!(masked(&Vpa::parse_address(vpa).unwrap()), expected);
        }
    }
}
