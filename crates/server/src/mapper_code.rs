//! What several vendors say about UPI numbers: the mapper's codes and words.
//!
//! The codes `KU01` to `KU07` are those of the contract page `upi-number.md`, `KU08` is ours.

use kunji_core::aggregate::Aggregate as _;
use kunji_core::customer::{Aim, Customer, CustomerRefusal};
use kunji_core::ids::Vpa;
use kunji_core::mapper::{Number, NumberCommand, NumberRefusal, NumberState, Registrant};
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
}

impl MapperCode {
    /// Code and message.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Success => result_code::SUCCESS,
            Self::NotRegistered => ("KU01", "UPI number is not registered"),
            Self::NotAllowed => ("KU02", "Action is not allowed in this state"),
            Self::AlreadySo => ("KU03", "UPI number is already in this state"),
            Self::NotTheirVpa => ("KU04", "VPA is not of this customer or PSP"),
            Self::NotTheLinkedVpa => ("KU05", "UPI number is not linked to the VPA named"),
            Self::HeldByAnother => ("KU06", "UPI number is held by another customer"),
            Self::Cooling => ("KU07", "UPI number is in its cooling period"),
            Self::LimitReached => ("KU08", "Customer has as many as allowed"),
        }
    }

    /// What a look at a number comes to; nothing changes.
    ///
    /// It is about the number: what the customer has already is no obstacle, nor how many others.
    ///
    /// # Errors
    /// `CustomerRefusal` when the customer could not have it, whoever held it.
    pub fn foreseen(
        customer: &Customer,
        now: Option<&Number>,
        by: &Registrant,
        aim: &Aim,
        (rules, stamp): (&Rules, &Stamp),
    ) -> Result<Self, CustomerRefusal> {
        match customer.may_claim(&by.number, &by.vpa, aim, rules) {
            Ok(()) | Err(CustomerRefusal::LimitReached) => {}
            Err(refusal) => return Err(refusal),
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
        Ok(match Number::decide(now, &command, rules, stamp).verdict {
            Ok(_) => Self::Success,
            Err(NumberRefusal::AlreadyInThisState) if own => Self::Success,
            Err(refusal) => refusal.into(),
        })
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
pub const VPA_TAKEN: (&str, &str) = ("KU06", "VPA is held by another customer");

/// Where a number stands, in one word.
#[must_use]
pub fn state_word(state: NumberState) -> &'static str {
    match state {
        NumberState::Active => "ACTIVE",
        NumberState::Disabled => "DISABLED",
        NumberState::Deleted => "DELETED",
    }
}

/// `NEW` when nobody has it and this customer may, else where it stands.
#[must_use]
pub fn availability(
    now: Option<&Number>,
    by: &Registrant,
    (rules, stamp): (&Rules, &Stamp),
) -> &'static str {
    let free = |number: &Number| {
        let kept = number.is_cooling(rules, stamp.now) && number.owner != by.owner;
        number.state == NumberState::Deleted && !kept
    };
    match now {
        Some(number) if !free(number) => state_word(number.state),
        Some(_) | None => "NEW",
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
