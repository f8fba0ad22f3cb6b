//! What may be asked of a customer, and what becomes of it.

use kunji_vault::Fingerprint;

use super::claims::{Aim, Fact, Holding};
use super::links::{Link, Mapping};
use crate::audit::Action;
use crate::errand::ErrandKey;
use crate::ids::{CredentialId, Mobile, ProfileId, UpiNumber, Vpa};
use crate::reason::Reason;

/// What may be asked of a customer.
#[derive(Debug, Clone)]
pub enum CustomerCommand {
    /// Note that an app started with this proof of identity: each is good for one start.
    Start {
        /// Who it is; a customer who is new comes into being.
        profile: ProfileId,
        /// Keyed MAC of the proof.
        proof: Fingerprint,
        /// The mobile number that the merchant vouches for.
        mobile: Option<Mobile>,
    },
    /// Let an app in for a while.
    Open {
        /// Who it is; a customer who is new comes into being.
        profile: ProfileId,
        /// Keyed MAC of what the app will show.
        session: Fingerprint,
        /// The mobile number that the merchant vouches for.
        mobile: Option<Mobile>,
    },
    /// Bind a device to the customer and the mobile number.
    Bind {
        /// Who it is; a customer who is new comes into being.
        profile: ProfileId,
        /// What the device is known by.
        device: String,
        /// The mobile number that the merchant vouches for.
        mobile: Option<Mobile>,
    },
    /// Link accounts to a VPA; a VPA that is new is claimed first.
    Link {
        /// The VPA.
        vpa: Vpa,
        /// What it is to draw on.
        link: Link,
    },
    /// Make an account primary.
    MapPrimary {
        /// The VPA of the request.
        vpa: Vpa,
        /// The account.
        account: CredentialId,
        /// For which VPAs.
        mapping: Mapping,
    },
    /// Claim a number before the mapper is asked for it.
    ClaimNumber {
        /// The number.
        number: UpiNumber,
        /// The VPA that it is to lead to.
        vpa: Vpa,
        /// What the mapper will be asked.
        aim: Aim,
    },
    /// Ask whether a device may act for the customer, before anything else is asked.
    Admit {
        /// The number that it is about, if any.
        number: Option<UpiNumber>,
        /// Devices of which one must be bound; none: it is not asked which device it is.
        devices: Vec<String>,
        /// What is to be done.
        to: Action,
    },
    /// Settle a claim with what the mapper says.
    Settle {
        /// What was claimed.
        holding: Holding,
        /// What the mapper says.
        fact: Fact,
        /// The errand that asked for it, if it was one.
        errand: Option<ErrandKey>,
    },
    /// Give a VPA back.
    DropVpa(Vpa),
    /// Unlink an account from all VPAs.
    DropAccount(CredentialId),
    /// Remove the device, the links and all that the mapper keeps.
    Deregister,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerOutcome {
    /// The app started.
    Started,
    /// The app was let in.
    Opened,
    /// The device is bound.
    Bound,
    /// The accounts are linked.
    Linked,
    /// The account is primary now, or was meant to stay what it is.
    Mapped,
    /// A device may act.
    Admitted,
    /// The mapper is to be asked.
    Claimed,
    /// The claim is what the mapper says.
    Settled,
    /// It is removed.
    Dropped,
}

impl From<CustomerOutcome> for &'static str {
    fn from(outcome: CustomerOutcome) -> Self {
        match outcome {
            CustomerOutcome::Started => "started",
            CustomerOutcome::Opened => "opened",
            CustomerOutcome::Bound => "bound",
            CustomerOutcome::Linked => "linked",
            CustomerOutcome::Mapped => "mapped",
            CustomerOutcome::Admitted => "admitted",
            CustomerOutcome::Claimed => "claimed",
            CustomerOutcome::Settled => "settled",
            CustomerOutcome::Dropped => "dropped",
        }
    }
}

/// How the rules say no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerRefusal {
    /// No such customer.
    UnknownCustomer,
    /// An app was started with this proof before.
    StartedBefore,
    /// No device is bound.
    NotBound,
    /// The mobile number is not the customer's, or not known.
    MobileMismatch,
    /// Too many failed bindings.
    BindingBlocked,
    /// The VPA is not the customer's, or not of this provider.
    NotTheirVpa,
    /// The account is not linked.
    NotLinked,
    /// It is the last VPA.
    LastVpa,
    /// A number leads to the VPA.
    VpaInUse,
    /// The account is primary for a VPA.
    PrimaryStays,
    /// Ten digits that are not the customer's mobile number.
    NotOwnMobile,
    /// Only the own mobile number can be taken over from elsewhere.
    NotPortable,
    /// As many as a customer may have.
    LimitReached,
}

impl From<CustomerRefusal> for &'static str {
    fn from(refusal: CustomerRefusal) -> Self {
        match refusal {
            CustomerRefusal::UnknownCustomer => "unknown_customer",
            CustomerRefusal::StartedBefore => "started_before",
            CustomerRefusal::NotBound => "not_bound",
            CustomerRefusal::MobileMismatch => "mobile_mismatch",
            CustomerRefusal::BindingBlocked => "binding_blocked",
            CustomerRefusal::NotTheirVpa => "not_their_vpa",
            CustomerRefusal::NotLinked => "not_linked",
            CustomerRefusal::LastVpa => "last_vpa",
            CustomerRefusal::VpaInUse => "vpa_in_use",
            CustomerRefusal::PrimaryStays => "primary_stays",
            CustomerRefusal::NotOwnMobile => "not_own_mobile",
            CustomerRefusal::NotPortable => "not_portable",
            CustomerRefusal::LimitReached => "limit_reached",
        }
    }
}

impl From<CustomerRefusal> for Reason {
    fn from(refusal: CustomerRefusal) -> Self {
        let sentence = match refusal {
            CustomerRefusal::UnknownCustomer => "the merchant has no such customer",
            CustomerRefusal::StartedBefore => "an app was started with this signature before",
            CustomerRefusal::NotBound => "the customer has no such bound device",
            CustomerRefusal::MobileMismatch => "the mobile number is not the one that is bound",
            CustomerRefusal::BindingBlocked => "too many bindings failed in 24 hours",
            CustomerRefusal::NotTheirVpa => {
                "the VPA is not one of this customer, or is of another provider"
            }
            CustomerRefusal::NotLinked => "the account is not linked to this VPA",
            CustomerRefusal::LastVpa => "the last VPA of a customer stays",
            CustomerRefusal::VpaInUse => "the VPA is in use: a UPI number leads to it",
            CustomerRefusal::PrimaryStays => "the primary account of a VPA stays",
            CustomerRefusal::NotOwnMobile => {
                "a number of 10 digits must be the own mobile number of the customer"
            }
            CustomerRefusal::NotPortable => "only the own mobile number can be ported",
            CustomerRefusal::LimitReached => "the customer has as many numbers or VPAs as allowed",
        };
        Self::rule(refusal.into(), sentence)
    }
}
