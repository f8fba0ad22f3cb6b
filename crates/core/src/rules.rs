//! The numbers that the rules depend on: one value, given to every decision.

use std::sync::Arc;

use kunji_vault::{BirthDate, Blocklist, PinLength, Policy};

use crate::time::{DAY_MS, MINUTE_MS};

/// Wrong PINs, OTPs or ATM PINs that anybody may ever be told about in a window.
pub const TRIES_MAX: u8 = 3;

/// How many of the newest PINs may not come back, the current one included.
pub const HISTORY_LEN: usize = 3;

/// Settings of the rules; the defaults are those of the contract page `pin-rules.md`.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Consecutive wrong PINs before the block, 1 to [`TRIES_MAX`].
    pub tries_max: u8,
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
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            tries_max: TRIES_MAX,
            block_ms: DAY_MS,
            reset_lifts_block: true,
            max_same_run: None,
            blocklist: None,
            otp_ms: 5 * MINUTE_MS,
            registration_tries_max: 5,
            registration_ms: DAY_MS,
            holder_verified_ms: 10 * MINUTE_MS,
        }
    }
}

impl Rules {
    /// The PIN policy for one holder.
    #[must_use]
    pub fn policy(&self, length: PinLength, birth: Option<BirthDate>) -> Policy {
        Policy { length, birth, max_same_run: self.max_same_run, blocklist: self.blocklist.clone() }
    }
}
