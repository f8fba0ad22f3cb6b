//! Receipts: what makes a repeated request harmless.

use kunji_vault::{Fingerprint, SecretMark};
use serde::{Deserialize, Serialize};

use crate::ids::{Caller, CredentialId, TxnId};
use crate::reason::Reason;
use crate::time::Millis;

/// Names one request for good: who asked, and the id they gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReceiptKey {
    /// Who asked.
    pub caller: Caller,
    /// The id that the caller chose.
    pub txn: TxnId,
}

/// A reply as a dialect says it; never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The vendor's code, for logs and metrics.
    pub code: String,
    /// The body, byte for byte (before a token envelope, where the dialect has one).
    pub body: Vec<u8>,
    /// The initialisation vector of the envelope, so that a repeated envelope is the same.
    pub nonce: [u8; 16],
}

/// The proof that a request was answered, and the answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// Keyed MAC over what was asked, except clear secrets.
    pub fingerprint: Fingerprint,
    /// The first answer.
    pub reply: Reply,
    /// When it was given.
    pub at: Millis,
    /// What was decided, as the audit says it.
    pub verdict: String,
    /// What it was about.
    pub credential: Option<CredentialId>,
    /// Keyed MAC over the clear secrets. Comparing it is a verdict about them.
    pub secret: Option<SecretMark>,
    /// Why it was refused.
    pub reason: Option<Reason>,
}
