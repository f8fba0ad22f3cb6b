//! The PIN boundary: the only crate in which digits exist.
//!
//! Other crates hold a [`ClearPin`], a [`PinBlock`] or a [`Verifier`] and hand
//! them to a [`Vault`]; none of these types can be read outside.
//!
//! ```
//! use kunji_vault::{KeyRing, Opening, PinBlock, PinUse, Transit, Vault};
//!
//! let vault = Vault::new(KeyRing::ephemeral()?);
//! let opening = Opening {
//!     pin_use: PinUse::Mpin,
//!     txn: "TXN1",
//!     real_now_ms: 0,
//!     transit: Transit::ClearAllowed,
//! };
//! let pin = vault.open(&PinBlock::absorb("4821".to_owned()), &opening)?;
//! let verifier = vault.enroll("acct_1", &pin)?;
//! assert!(vault.matches("acct_1", &pin, &verifier)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backup;
mod block;
mod blocklist;
mod checkpoint;
mod content;
mod digest;
mod envelope;
mod fault;
mod fingerprint;
mod flaw;
mod hex;
mod hmac_key;
mod jose;
mod jwe;
mod jwk;
mod jws;
mod keyring;
mod mac;
mod maker;
mod message;
mod otp;
mod pin;
mod policy;
mod private;
mod rows;
mod rsa;
mod secret;
mod shield;
mod token;
mod vault;
mod verifier;
mod wash;

pub use backup::{
    BACKUP_CHUNK_LEN_MAX, BackupError, BackupReader, BackupWriter, Part, copy_backup,
};
pub use block::{BLOCK_LEN_MAX, BlockMark, Cost, Opening, PinBlock, PinUse, Transit, Unreadable};
pub use blocklist::{BLOCKLIST_LEN_MAX, Blocklist, BlocklistError};
pub use checkpoint::CheckpointKeys;
pub use digest::{Sha256, sha256};
pub use envelope::{JWE_LEN_MAX, JweParts};
pub use fault::{FileProblem, KeyFault, VaultFault};
pub use fingerprint::{Fingerprint, Fingerprinter, SecretMark};
pub use flaw::{BlockFlaw, TokenFlaw};
pub use hmac_key::HmacKey;
pub use jwe::BLOCK_AGE_MAX_MS;
pub use jws::{JWS_LEN_MAX, JwsParts};
pub use keyring::{KEY_VERSIONS_MAX, KeyRing, KeyState, KeyVersion};
pub use maker::{BlockAlg, BlockMaker, JwksError};
pub use message::{Outgoing, Sealed};
pub use otp::{IssuedOtp, OTP_LEN};
pub use pin::{ClearPin, PIN_LEN_MAX};
pub use policy::{BirthDate, PinLength, Policy, RECENT_MAX, Weakness};
pub use private::{Readers, read_file};
pub use rows::{ROW_NAME_LEN, RowError, row_key_version};
pub use rsa::{RSA_KEY_TEXT_LEN_MAX, RsaKeyError, RsaPrivate, RsaPublic, RsaScheme};
pub use secret::{SECRET_LEN_MAX, Secret, SecretError};
pub use token::{BrokenToken, Layout, TOKEN_LEN_MAX, TokenKey, TokenKeyError};
pub use vault::Vault;
pub use verifier::Verifier;
