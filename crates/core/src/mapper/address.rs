//! A VPA: one owner, for good until it is given back.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Turn};
use crate::audit::Action;
use crate::ids::{ProfileId, Vpa};
use crate::reason::Reason;
use crate::rules::Rules;
use crate::time::Stamp;

/// Who owns a VPA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The VPA as its owner wrote it.
    pub vpa: Vpa,
    /// Its owner; `None` once it was given back.
    pub owner: Option<ProfileId>,
}

/// What may be asked of a VPA.
#[derive(Debug, Clone)]
pub enum AddressCommand {
    /// Take it for a customer.
    Register {
        /// The VPA as the customer writes it.
        vpa: Vpa,
        /// Who wants it.
        owner: ProfileId,
    },
    /// Give it back.
    Release {
        /// Who had it.
        owner: ProfileId,
    },
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressOutcome {
    /// It is the customer's.
    Registered,
    /// It is nobody's.
    Released,
}

impl From<AddressOutcome> for &'static str {
    fn from(outcome: AddressOutcome) -> Self {
        match outcome {
            AddressOutcome::Registered => "registered",
            AddressOutcome::Released => "released",
        }
    }
}

/// How the rules say no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressRefusal {
    /// It is another customer's.
    Taken,
}

impl From<AddressRefusal> for &'static str {
    fn from(refusal: AddressRefusal) -> Self {
        match refusal {
            AddressRefusal::Taken => "taken",
        }
    }
}

impl From<AddressRefusal> for Reason {
    fn from(refusal: AddressRefusal) -> Self {
        let sentence = match refusal {
            AddressRefusal::Taken => "the VPA is another customer's",
        };
        Self::rule(refusal.into(), sentence)
    }
}

impl Aggregate for Address {
    type Command = AddressCommand;
    type Outcome = AddressOutcome;
    type Refusal = AddressRefusal;

    fn action(_: &AddressCommand) -> Action {
        Action::Claim
    }

    fn decide(before: Option<&Self>, command: &AddressCommand, _: &Rules, _: &Stamp) -> Turn<Self> {
        let owner = before.and_then(|address| address.owner.as_ref());
        match command {
            AddressCommand::Register { vpa, owner: wanting } => match owner {
                Some(owner) if owner != wanting => Turn::refused(AddressRefusal::Taken),
                Some(_) => Turn::only(Ok(AddressOutcome::Registered)),
                None => {
                    let next = Self { vpa: vpa.clone(), owner: Some(wanting.clone()) };
                    Turn::changed(AddressOutcome::Registered, next)
                }
            },
            AddressCommand::Release { owner: leaving } => match (before, owner) {
                (_, Some(owner)) if owner != leaving => Turn::refused(AddressRefusal::Taken),
                (Some(address), Some(_)) => {
                    let next = Self { owner: None, ..address.clone() };
                    Turn::changed(AddressOutcome::Released, next)
                }
                (_, _) => Turn::only(Ok(AddressOutcome::Released)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{MerchantCustomerId, MerchantId};
    use crate::time::month_start;

    fn profile(name: &str) -> ProfileId {
        let merchant = MerchantId::parse("shop").unwrap();
        ProfileId { merchant, customer: MerchantCustomerId::parse(name).unwrap() }
    }

    fn address(owner: Option<&str>) -> Address {
        Address { vpa: Vpa::parse_address("A@kunji").unwrap(), owner: owner.map(profile) }
    }

    #[track_caller]
    fn check(
        before: Option<&Address>,
        command: &AddressCommand,
        expected: Result<AddressOutcome, AddressRefusal>,
        next: Option<Address>,
    ) {
        let now = month_start(2026, 1);
        let stamp = Stamp { now, real: now, serial: 1, entropy: [0; 16] };
        let turn = Address::decide(before, command, &Rules::default(), &stamp);
        assert_eq!((turn.verdict, turn.next), (expected, next), "{before:?} {command:?}");
        assert!(turn.errands.is_empty() && turn.settled.is_empty());
    }

    #[test]
    fn address_is_its_first_owners_until_it_is_given_back() {
        let vpa = Vpa::parse_address("A@kunji").unwrap();
        let register = AddressCommand::Register { vpa, owner: profile("one") };
        let release = AddressCommand::Release { owner: profile("one") };
        let (free, one, other) = (address(None), address(Some("one")), address(Some("other")));
        let (taken, registered) = (Err(AddressRefusal::Taken), Ok(AddressOutcome::Registered));
        let released = Ok(AddressOutcome::Released);
        for nobodys in [None, Some(&free)] {
            check(nobodys, &register, registered, Some(one.clone()));
            check(nobodys, &release, released, None);
        }
        check(Some(&one), &register, registered, None);
        check(Some(&one), &release, released, Some(free.clone()));
        check(Some(&other), &register, taken, None);
        check(Some(&other), &release, taken, None);
    }
}
