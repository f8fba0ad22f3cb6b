//! PIN blocks as an app makes them.

use std::time::{SystemTime, UNIX_EPOCH};

use kunji_vault::{BlockAlg, BlockMaker, PinUse};
use serde_json::{Value, json};

use super::{Kunji, change};

/// Makes blocks for the newest public key of a server.
pub(crate) fn maker(kunji: &Kunji, alg: BlockAlg) -> BlockMaker {
    BlockMaker::from_jwks(&kunji.get("/.well-known/jwks.json").text(), alg).unwrap()
}

/// Seals a PIN for one transaction, now.
pub(crate) fn sealed(maker: &BlockMaker, pin: &str, pin_use: PinUse, txn: &str) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = i64::try_from(since.as_millis()).unwrap();
    maker.seal(pin, pin_use, txn, now_ms).unwrap()
}

/// A change of MPIN, as [`change`] makes it, with its digits in blocks.
pub(crate) fn sealed_change(
    maker: &BlockMaker,
    [customer, account, vpa]: [&str; 3],
    old: &str,
    new: &str,
) -> Value {
    let mut body = change(customer, account, vpa, old, new);
    let inner = &mut body["ChangeMPINRequest"]["SetResetMPINRequestBody"];
    let txn = inner["txnId"].as_str().unwrap().to_owned();
    inner["cred"]["data"]["code"] = json!(sealed(maker, old, PinUse::Mpin, &txn));
    inner["newcred"]["data"]["code"] = json!(sealed(maker, new, PinUse::NewMpin, &txn));
    body
}

/// The seeded customers, as [`sealed_change`] wants them.
pub(crate) const JOHN: [&str; 3] = ["CIF12345678", "ACC123456789", "johndoe@axis"];
/// The one with an MPIN of six digits.
pub(crate) const ASHA: [&str; 3] = ["CIF00000002", "ACC000000002", "asha@axis"];
