//! The numbers that the rules depend on: one value, given to every decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use kunji_vault::{BirthDate, Blocklist, PinLength, Policy};

use crate::ids::{ChannelId, MerchantId};
use crate::time::{DAY_MS, MINUTE_MS};

/// Wrong PINs, OTPs or ATM PINs that anybody may ever be told about in a window.
pub const TRIES_MAX: u8 = 3;

/// How many of the newest PINs may not come back, the current one included.
pub const HISTORY_LEN: usize = 3;

/// Settings of the rules; the defaults are those of the contract pages.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Consecutive wrong PINs before the block, 1 to [`TRIES_MAX`].
    pub tries_max: u8,
    /// Wrong PINs in 24 hours before the block, right ones in between or not.
    pub wrong_per_day_max: u8,
    /// How long a block lasts.
    pub block_ms: i64,
    /// Whether a set or reset lifts a block.
    pub reset_lifts_block: bool,
    /// Longest allowed run of one digit; `None` forbids only all digits equal.
    pub max_same_run: Option<u8>,
    /// PINs that may not be chosen.
    pub blocklist: Option<Arc<Blocklist>>,
    /// How long an OTP is good.
    pub otp_ms: i64,
    /// Failed registrations before they are blocked.
    pub registration_tries_max: u8,
    /// The window in which failed registrations are counted.
    pub registration_ms: i64,
    /// How long a verified cardholder stays verified.
    pub holder_verified_ms: i64,
    /// How long an app's session lasts.
    pub session_ms: i64,
    /// How long a customer has to enter secrets.
    pub capture_ms: i64,
    /// Failed bindings of a device before they are refused for a day.
    pub bind_tries_max: u8,
    /// Numbers that one customer may hold beside the own mobile number.
    pub numbers_max: usize,
    /// How long a deleted number is kept from other customers.
    pub cooling_ms: i64,
    /// The channels that hear of changes of numbers, and of which; `None`: all of all.
    pub told: Option<Arc<BTreeMap<ChannelId, Hears>>>,
}

/// Which changes of numbers a channel hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    /// What its own answers cannot tell: numbers that others took, and pending changes once settled.
    Unanswered,
    /// Those, and every other change as well.
    All,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            tries_max: TRIES_MAX,
            wrong_per_day_max: 10,
            block_ms: DAY_MS,
            reset_lifts_block: true,
            max_same_run: None,
            blocklist: None,
            otp_ms: 5 * MINUTE_MS,
            registration_tries_max: 5,
            registration_ms: DAY_MS,
            holder_verified_ms: 10 * MINUTE_MS,
            session_ms: 15 * MINUTE_MS,
            capture_ms: 5 * MINUTE_MS,
            bind_tries_max: 3,
            numbers_max: 2,
            cooling_ms: 180 * DAY_MS,
            told: None,
        }
    }
}

impl Rules {
    /// Which changes a channel hears of, if any.
    #[must_use]
    pub fn hears(&self, channel: &ChannelId) -> Option<Hears> {
        match &self.told {
            None => Some(Hears::All),
            Some(told) => told.get(channel).copied(),
        }
    }

    /// The first channel of a merchant that hears of changes.
    #[must_use]
    pub fn first_told(&self, merchant: &MerchantId) -> Option<&ChannelId> {
        self.told.as_ref()?.keys().find(|channel| channel.merchant == *merchant)
    }

    /// The PIN policy for one holder.
    #[must_use]
    pub fn policy(&self, length: PinLength, birth: Option<BirthDate>) -> Policy {
        Policy { length, birth, max_same_run: self.max_same_run, blocklist: self.blocklist.clone() }
    }
}
