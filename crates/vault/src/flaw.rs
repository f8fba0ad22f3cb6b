//! Which step of reading a PIN block or a token failed: for who runs Kunji, never for the caller.
//!
//! The caller's answer, and its time, are the same for each of them: else it would be an oracle.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a PIN block cannot be read. Events keep it by its place: new ones go to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum BlockFlaw {
    /// It is another JSON value than a string.
    #[error("it is no string")]
    NotText,
    /// It is over 8 KiB.
    #[error("it is too long")]
    TooLong,
    /// Digits in the clear, where only sealed blocks are taken.
    #[error("it is not sealed (a compact JWE), and nothing in the clear is taken here")]
    NotSealed,
    /// It is empty, or longer than a PIN can be.
    #[error("it is not 1 to 12 bytes")]
    Length,
    /// It does not have the five parts of a compact JWE, each in base64url.
    #[error("it is not a compact JWE: five parts in base64url, the first a JSON header")]
    Parts,
    /// Its header asks for something that is not offered.
    #[error("its header asks for an enc, crit or zip that is not offered")]
    Header,
    /// It names a key that is not ours.
    #[error("its kid names no key of ours")]
    UnknownKey,
    /// Its key agreement or wrapped key cannot be used.
    #[error("its alg, epk or encrypted key cannot be used")]
    KeyAgreement,
    /// It was altered, or made for another key.
    #[error("it does not decrypt: altered, or made for another key")]
    Decryption,
    /// What it holds is not the four claims.
    #[error("it does not hold the claims pin, sub, txn and iat")]
    Claims,
    /// It was made for another use.
    #[error("its sub names another use")]
    OtherUse,
    /// It was made for another transaction.
    #[error("its txn names another request")]
    OtherTxn,
    /// It was made too long ago, or in the future.
    #[error("its iat is more than 5 minutes from now")]
    Stale,
}

/// Why a token cannot be read. Events keep it by its place: new ones go to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum TokenFlaw {
    /// It is over 16 KiB.
    #[error("it is too long")]
    TooLong,
    /// It is not standard base64.
    #[error("it is not standard base64")]
    Base64,
    /// It has no whole blocks of ciphertext.
    #[error("it is not an initialisation vector and whole blocks of 16 bytes")]
    Length,
    /// Its padding is wrong: mostly the wrong key.
    #[error("its padding is wrong: another key, another layout, or altered")]
    Padding,
    /// What it holds is not UTF-8.
    #[error("what it holds is not UTF-8")]
    Text,
    /// What it holds is not the JSON that is expected.
    #[error("what it holds is not a JSON object of this call")]
    Json,
}
