//! What the clients did and what they heard: all that the checker is shown.

use std::fmt::Write as _;

/// One thing that is asked for, with its secrets in clear: these people do not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Our own API: is this the PIN?
    Verify { pin: String },
    /// The bank's API: change the MPIN.
    Change { old: String, new: String },
    /// The bank's API: send an OTP; the digits are noted once they were read from the outbox.
    RequestOtp { otp: Option<String> },
    /// The bank's API: set the MPIN with the OTP.
    Set { otp: String, new: String },
    /// Our own API: an operator clears the tries.
    ClearTries,
    /// The card program: reset the PIN.
    Reset { new: String },
    /// The card program: block the card for a time.
    Block,
    /// The card program: lift the block.
    Unblock,
    /// The card program: one card more.
    CreateCard,
    /// A merchant, about the customer's own mobile number.
    Number(Side, Wish),
}

/// One of the two providers at which a person is a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Stock,
    Broker,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Stock => Self::Broker,
            Self::Broker => Self::Stock,
        }
    }
}

/// What a customer wants with the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Register,
    Port,
    Disable,
    Reactivate,
    Delete,
    /// Does the customer hold it?
    Look,
}

/// An answer, whichever dialect said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Said {
    Verified,
    WrongPin,
    /// The third wrong PIN, and every one that follows.
    Blocked,
    Changed,
    PinRefused,
    OtpSent,
    PinSet,
    OtpExpired,
    OtpTriesExceeded,
    WrongOtp,
    RegistrationBlocked,
    TriesCleared,
    CardBlocked,
    CardUnblocked,
    AlreadyBlocked,
    NotBlocked,
    CardUnusable,
    CardCreated,
    Done,
    NotRegistered,
    NotInThisState,
    AlreadyInThisState,
    HeldByAnother,
    Cooling,
    Holds,
    HoldsNot,
}

impl Said {
    /// The word that the audit has for it, for what it was asked.
    pub(crate) fn audited(self, deed: &Deed) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::WrongPin => "wrong_pin",
            Self::Blocked => "pin_blocked",
            Self::Changed => "changed",
            Self::PinRefused => "pin_refused",
            Self::OtpSent => "otp_sent",
            Self::PinSet => "pin_set",
            Self::OtpExpired => "otp_expired",
            Self::OtpTriesExceeded => "otp_tries_exceeded",
            Self::WrongOtp => "wrong_otp",
            Self::RegistrationBlocked => "registration_blocked",
            Self::TriesCleared => "tries_cleared",
            Self::CardBlocked => "card_blocked",
            Self::CardUnblocked => "card_unblocked",
            Self::AlreadyBlocked => "already_blocked",
            Self::NotBlocked => "not_blocked",
            Self::CardUnusable => "card_unusable",
            Self::CardCreated => "card_created",
            Self::NotRegistered => "not_registered",
            Self::NotInThisState => "not_in_this_state",
            Self::AlreadyInThisState => "already_in_this_state",
            Self::HeldByAnother => "held_by_another",
            Self::Cooling => "cooling",
            Self::Done => match deed {
                Deed::Number(_, Wish::Disable) => "disabled",
                Deed::Number(_, Wish::Reactivate) => "reactivated",
                Deed::Number(_, Wish::Delete) => "deleted",
                Deed::Number(_, Wish::Register | Wish::Port | Wish::Look)
                | Deed::Verify { .. }
                | Deed::Change { .. }
                | Deed::RequestOtp { .. }
                | Deed::Set { .. }
                | Deed::ClearTries
                | Deed::Reset { .. }
                | Deed::Block
                | Deed::Unblock
                | Deed::CreateCard => "registered",
            },
            Self::Holds | Self::HoldsNot => "looked",
        }
    }
}

/// One operation, from before its first byte left until after the last byte of its answer.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Which account, card or number.
    pub(crate) object: usize,
    /// Who asked.
    pub(crate) client: usize,
    /// The request's id.
    pub(crate) txn: String,
    /// What was asked.
    pub(crate) deed: Deed,
    /// Ticks of one clock that all clients share.
    pub(crate) begun: u64,
    /// When its answer was there, and what it said; `None`: nobody knows whether it happened.
    pub(crate) ended: Option<(u64, Said)>,
    /// How often it was sent until there was an answer.
    pub(crate) sends: u32,
}

impl Entry {
    /// One line, as it stands in stories and in the file of a failed run.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("[{:>7}..", self.begun);
        // Writing to a string cannot fail.
        let _ = match self.ended {
            Some((ended, said)) => write!(line, "{ended:>7}] {said:?}"),
            None => write!(line, "   open] ?"),
        };
        let Self { object, client, txn, deed, sends, .. } = self;
        let _ = write!(line, " <- {deed:?} object {object} client {client} {txn} sent {sends}x");
        line
    }
}

/// Something that must not be, and the shortest account of it.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    /// What kind of thing.
    pub(crate) kind: Kind,
    /// What happened.
    pub(crate) story: String,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// No order of the operations explains what was heard.
    Order,
    /// A repeated request was answered otherwise.
    Repeat,
    /// The audit differs from what was heard, or its chains are broken.
    Audit,
    /// An answer that the client has no word for.
    Strange,
    /// A process that does not start, does not end, or does not answer.
    Process,
    /// A record that nobody sealed was taken.
    Forged,
    /// A forged history that the checker believed.
    Checker,
}

impl Violation {
    pub(crate) fn of(kind: Kind, story: impl Into<String>) -> Self {
        Self { kind, story: story.into() }
    }
}
