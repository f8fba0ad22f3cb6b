//! What must be sent out.

use kunji_vault::Sealed;
use serde::{Deserialize, Serialize};

use crate::ids::{CredentialId, Mobile};
use crate::time::Millis;

/// A message that must go out, sealed until it does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// When it was written.
    pub at: Millis,
    /// Breaks ties between messages of one instant.
    pub serial: u64,
    /// Where it goes.
    pub to: Mobile,
    /// What it is bound to: the credential's id.
    pub about: CredentialId,
    /// The text.
    pub sealed: Sealed,
}
