//! What a commit leaves to be done later: a durable promise, kept across a crash.
//!
//! An errand is written with the commit that makes it necessary and removed with the commit that
//! did it. In between it may be tried any number of times, so what it does must be harmless when
//! done twice.

use serde::{Deserialize, Serialize};

use crate::audit::Subject;
use crate::customer::Holding;
use crate::ids::{
    CaptureId, ChannelId, MerchantCustomerId, Mobile, ProfileId, TxnId, UpiNumber, Vpa,
};
use crate::mapper::{Change, Settled};
use crate::time::Millis;

/// Errands of one lane are looked at together, those due first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// Captures to be brought to their end.
    Captures,
    /// Numbers and VPAs to be settled with their customers.
    Holdings,
    /// Messages to one channel of a merchant.
    Channel(ChannelId),
}

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Captures => f.write_str("captures"),
            Self::Holdings => f.write_str("holdings"),
            Self::Channel(channel) => write!(f, "channel/{channel}"),
        }
    }
}

/// Names one errand for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ErrandKey {
    /// Where it waits.
    pub lane: Lane,
    /// When it must be looked at.
    pub due: Millis,
    /// The serial of the decision that made it necessary.
    pub serial: u64,
    /// Its place among those of the decision.
    pub place: u8,
}

/// Something to be done later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// Its name.
    pub key: ErrandKey,
    /// What is to be done.
    pub task: Task,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Bring a capture to its end: with what the issuer decided, or by its time.
    EndCapture(CaptureId),
    /// Settle what a customer wants to hold or give back with what the mapper says.
    Settle {
        /// Whose.
        profile: ProfileId,
        /// What.
        holding: Holding,
    },
    /// Tell a merchant what became of a number.
    Tell(Box<NumberNews>),
    /// Settle a pending change of a number.
    SettleNumber(UpiNumber),
}

/// What a merchant is told when a number changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberNews {
    /// Which number.
    pub number: UpiNumber,
    /// The merchant's customer.
    pub customer: MerchantCustomerId,
    /// The customer's mobile number.
    pub mobile: Mobile,
    /// The VPA that it is linked to.
    pub vpa: Vpa,
    /// What became of it.
    pub change: NumberChange,
    /// When.
    pub at: Millis,
    /// The request that changed it.
    pub txn: Option<TxnId>,
}

/// What became of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NumberChange {
    /// It is the customer's now, in this state: written by older builds, which did not keep what had
    /// been asked.
    Now(Settled),
    /// Its owner took it to another provider or profile.
    PortedOut,
    /// What a customer asked for came to its end.
    Ended {
        /// What was asked.
        change: Change,
        /// Whether it was done.
        done: bool,
        /// Where the number stands after it; `None`: nobody has it.
        state: Option<Settled>,
    },
}

impl NumberNews {
    /// The subject whose chain tells of the delivery.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject::Number(self.number.clone())
    }
}
