//! What may be asked of a number, and what becomes of it.

use super::super::held::Change;
use crate::errand::ErrandKey;
use crate::ids::{ChannelId, Mobile, ProfileId, TxnId, UpiNumber, Vpa};
use crate::reason::Reason;

/// How a change is kept waiting: by a fault that somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// How long.
    pub after_ms: i64,
    /// Whether it is done then.
    pub succeeds: bool,
}

/// Who asks for a number, and for where it is to lead.
#[derive(Debug, Clone)]
pub struct Registrant {
    /// The number.
    pub number: UpiNumber,
    /// Who asks.
    pub owner: ProfileId,
    /// The customer's mobile number.
    pub mobile: Mobile,
    /// One of the customer's VPAs.
    pub vpa: Vpa,
    /// Where the change is told, if anywhere.
    pub channel: Option<ChannelId>,
    /// The request's id.
    pub txn: Option<TxnId>,
    /// Whether the change is to wait.
    pub wait: Option<Wait>,
}

/// What may be asked of a number.
#[derive(Debug, Clone)]
pub enum NumberCommand {
    /// Take it for a customer.
    Register(Registrant),
    /// Take it over from where it is: for the own mobile number only.
    Port {
        /// Who asks.
        by: Registrant,
        /// The VPA that it leads to now.
        existing: Vpa,
    },
    /// Change what the customer holds.
    Update {
        /// Who asks; `vpa` is the one to link, or linked now.
        by: Registrant,
        /// How.
        update: Update,
    },
    /// Look at it: nothing changes.
    LookUp,
    /// The time of a pending change is over.
    Settle {
        /// The errand.
        key: ErrandKey,
    },
    /// A message about it came to its end.
    Told {
        /// The errand.
        key: ErrandKey,
        /// Which.
        end: Delivered,
    },
}

/// How a message to a merchant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It arrived.
    Arrived,
    /// Its day is over.
    GivenUp,
    /// The address is gone, as who answers there says.
    Gone,
}

/// How a number may be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Let it lead to another VPA.
    ChangeVpa {
        /// The VPA that it leads to now.
        existing: Vpa,
    },
    /// Let it lead nowhere.
    Disable,
    /// Give it back.
    Delete,
    /// Let it lead to its VPA again.
    Reactivate,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberOutcome {
    /// It is the customer's and leads to the VPA.
    Registered,
    /// It leads to another VPA.
    VpaChanged,
    /// It leads nowhere.
    Disabled,
    /// It was given back.
    Deleted,
    /// It leads to its VPA again.
    Reactivated,
    /// It was looked at.
    Seen,
    /// Its merchant has heard.
    Told,
    /// Its merchant could not be reached in time.
    GivenUp,
    /// Its merchant wants to hear nothing at that address.
    Gone,
    /// A change is accepted and waits.
    Pending,
    /// A pending change was done.
    Settled,
    /// A pending change was not done.
    Failed,
}

impl From<Change> for NumberOutcome {
    fn from(change: Change) -> Self {
        match change {
            Change::Create => Self::Registered,
            Change::ChangeVpa => Self::VpaChanged,
            Change::Disable => Self::Disabled,
            Change::Delete => Self::Deleted,
            Change::Reactivate => Self::Reactivated,
        }
    }
}

impl From<NumberOutcome> for &'static str {
    fn from(outcome: NumberOutcome) -> Self {
        match outcome {
            NumberOutcome::Registered => "registered",
            NumberOutcome::VpaChanged => "vpa_changed",
            NumberOutcome::Disabled => "disabled",
            NumberOutcome::Deleted => "deleted",
            NumberOutcome::Reactivated => "reactivated",
            NumberOutcome::Seen => "seen",
            NumberOutcome::Told => "told",
            NumberOutcome::GivenUp => "given_up",
            NumberOutcome::Gone => "gone",
            NumberOutcome::Pending => "pending",
            NumberOutcome::Settled => "settled",
            NumberOutcome::Failed => "failed",
        }
    }
}

/// How the rules say no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberRefusal {
    /// Nobody holds it.
    NotRegistered,
    /// Not in the state in which it is.
    NotInThisState,
    /// It is in that state already.
    AlreadyInThisState,
    /// It does not lead to the VPA that was named.
    NotTheLinkedVpa,
    /// Another customer holds it.
    HeldByAnother,
    /// Another customer gave it back not long ago.
    Cooling,
    /// A change of it is not settled.
    Pending,
}

impl From<NumberRefusal> for &'static str {
    fn from(refusal: NumberRefusal) -> Self {
        match refusal {
            NumberRefusal::NotRegistered => "not_registered",
            NumberRefusal::NotInThisState => "not_in_this_state",
            NumberRefusal::AlreadyInThisState => "already_in_this_state",
            NumberRefusal::NotTheLinkedVpa => "not_the_linked_vpa",
            NumberRefusal::HeldByAnother => "held_by_another",
            NumberRefusal::Cooling => "cooling",
            NumberRefusal::Pending => "change_is_pending",
        }
    }
}

impl From<NumberRefusal> for Reason {
    fn from(refusal: NumberRefusal) -> Self {
        let sentence = match refusal {
            NumberRefusal::NotRegistered => "nobody holds the number",
            NumberRefusal::NotInThisState => "the number is in a state that does not allow it",
            NumberRefusal::AlreadyInThisState => "the number is in that state already",
            NumberRefusal::NotTheLinkedVpa => "the number does not lead to the VPA that was named",
            NumberRefusal::HeldByAnother => "another customer holds the number",
            NumberRefusal::Cooling => "another customer gave the number back not long ago",
            NumberRefusal::Pending => "a change of the number is not settled yet",
        };
        Self::rule(refusal.into(), sentence)
    }
}
