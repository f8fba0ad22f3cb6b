//! Who calls, and whether the request is what they sent.
//!
//! ```text
//! x-merchant-checksum    HMAC-SHA-256 of the channel  ┐ over x-merchant-id, x-merchant-channel-id,
//! x-merchant-signature   RSASSA-PSS of the merchant   ┘ x-timestamp and the body
//! body {protected, payload, signature}                  a JWS of the merchant
//! body {protected, encryptedKey, iv, cipherText, tag}   a JWE for us around such a JWS
//! ```
//!
//! Exactly one of them. What fails is answered the same, whatever it was: by the same words, and
//! after the same work, for which strangers borrow the first merchant's keys. Only a stranger's JWE
//! is refused at once: opening it would cost us a private RSA operation.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kunji_core::engine::{Fault, Workers as _};
use kunji_vault::{JweParts, JwsParts, RsaPublic, RsaScheme};
use serde::Deserialize;

use super::reply::Failure;
use crate::app::App;
use crate::body::Object;
use crate::config::{Channel, Merchant, MerchantKey, Upi};

/// A request whose sender is proven.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub(super) merchant: &'a Merchant,
    pub(super) channel: &'a Channel,
    /// How the answer is to be protected.
    pub(super) mode: Mode,
    /// The JSON that was asked.
    pub(super) body: Bytes,
    /// `x-timestamp`; `None` where the signed body says when.
    pub(super) stamped: Option<String>,
}

/// How an answer is protected: as its request was.
#[derive(Debug, Clone)]
pub(super) enum Mode {
    /// In the open, with a signature in a header.
    Plain,
    /// In a JWS.
    Jws,
    /// In a JWS that is sealed for the key that signed the request.
    Jwe(RsaPublic),
}

/// What a request shows to prove its sender.
enum Proof {
    Checksum(String),
    Signature(String),
    Jws(JwsParts),
    Jwe(Box<JweParts>),
}

/// Who a request says it is from, and where their keys are.
struct Claimed<'a> {
    merchant: &'a Merchant,
    channel: &'a Channel,
    /// Whether they are who was named; else only their keys are used, to no effect.
    known: bool,
}

/// The header of a JWS; all that is read before the signature is known to be right.
#[derive(Deserialize)]
struct JwsHeader {
    #[serde(default)]
    kid: Option<String>,
}

/// Proves who sent the request; why not is for who runs this, never for the caller.
pub(super) async fn check<'a>(
    app: &'a App,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Signed<'a>, Failure> {
    prove(app, headers, body.clone()).await.map_err(|failure| {
        if failure.is_doubt() { failure.unsigned(suspicion(app, headers, &body)) } else { failure }
    })
}

/// What is wrong with a request whose sender could not be proven.
fn suspicion(app: &App, headers: &HeaderMap, body: &[u8]) -> &'static str {
    let [id, channel] = ["x-merchant-id", "x-merchant-channel-id"].map(|name| only(headers, name));
    let (Some(id), Some(channel)) = (id, channel) else {
        return "x-merchant-id or x-merchant-channel-id is missing, or stands there twice";
    };
    if !Claimed::find(&app.config().upi, id, channel).is_some_and(|claimed| claimed.known) {
        return "the merchant or its channel is not known";
    }
    match Proof::of(headers, body) {
        None => "no checksum, signature, JWS or JWE, or more than one of them",
        Some(Proof::Checksum(_)) => {
            "x-merchant-checksum is not the lower-case hex HMAC-SHA-256 of x-merchant-id, \
             x-merchant-channel-id, x-timestamp and the body, or x-timestamp is missing"
        }
        Some(Proof::Signature(_)) => {
            "x-merchant-signature is not the hex RSASSA-PSS of x-merchant-id, \
             x-merchant-channel-id, x-timestamp and the body, or x-timestamp is missing"
        }
        Some(Proof::Jws(_)) => {
            "the JWS does not verify as RS256 with the merchant's key of its kid"
        }
        Some(Proof::Jwe(_)) => {
            "the JWE is not for a key of ours (RSA-OAEP-256, A256GCM), or holds no JWS that verifies"
        }
    }
}

async fn prove<'a>(app: &'a App, headers: &HeaderMap, body: Bytes) -> Result<Signed<'a>, Failure> {
    let [id, channel, stamped] =
        ["x-merchant-id", "x-merchant-channel-id", "x-timestamp"].map(|name| only(headers, name));
    let (Some(proof), Some(id), Some(channel)) = (Proof::of(headers, &body), id, channel) else {
        return Err(Failure::unauthorized());
    };
    let claimed = Claimed::find(&app.config().upi, id, channel);
    let claimed = claimed.ok_or_else(Failure::unauthorized)?;
    let covered = |stamped: &'_ str| [id, channel, stamped].concat().into_bytes();
    match proof {
        Proof::Checksum(hex) => {
            let stamped = stamped.ok_or_else(Failure::unauthorized)?;
            let right = claimed.channel.checksum.accepts(&[&covered(stamped), &*body], &hex);
            claimed.plain(right, stamped, body).ok_or_else(Failure::checksum)
        }
        Proof::Signature(hex) => {
            let stamped = stamped.ok_or_else(Failure::unauthorized)?;
            let (covered, signature) = (covered(stamped), unhex(&hex).unwrap_or_default());
            let verifies = |one: &MerchantKey| {
                one.key.verifies(RsaScheme::Pss, &[&covered, &*body], &signature)
            };
            let right = claimed.merchant.keys.iter().any(verifies);
            claimed.plain(right, stamped, body).ok_or_else(Failure::unauthorized)
        }
        Proof::Jws(jws) => claimed.enveloped(&jws, |_| Mode::Jws).ok_or_else(Failure::unauthorized),
        // RSA is dear, and who the merchants are is no secret.
        Proof::Jwe(_) if !claimed.known => Err(Failure::unauthorized()),
        Proof::Jwe(jwe) => {
            let jws = open(app, *jwe).await.map_err(|fault| {
                app.report(&fault, "open_jwe");
                Failure::unknown()
            })?;
            let jws = jws.ok_or_else(Failure::unauthorized)?;
            let sealed = |key: &RsaPublic| Mode::Jwe(key.clone());
            claimed.enveloped(&jws, sealed).ok_or_else(Failure::unauthorized)
        }
    }
}

impl Proof {
    /// The one proof that the request shows; none and several are the same.
    fn of(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let jws = serde_json::from_slice(body).ok().map(|Object(jws)| Self::Jws(jws));
        let jwe = || serde_json::from_slice(body).ok().map(|Object(jwe)| Self::Jwe(Box::new(jwe)));
        let there = |name| headers.contains_key(name);
        let (checksum, signature) = ("x-merchant-checksum", "x-merchant-signature");
        match (there(checksum), there(signature), jws.or_else(jwe)) {
            (true, false, None) => only(headers, checksum).map(str::to_owned).map(Self::Checksum),
            (false, true, None) => only(headers, signature).map(str::to_owned).map(Self::Signature),
            (false, false, found) => found,
            (true, _, Some(_)) | (_, true, Some(_)) | (true, true, None) => None,
        }
    }
}

impl<'a> Claimed<'a> {
    /// Finds who is named; for a stranger, whoever comes first.
    fn find(upi: &'a Upi, id: &str, channel: &str) -> Option<Self> {
        let named = upi.merchant(id).and_then(|merchant| {
            let mut channels = merchant.channels.iter();
            let found = channels.find(|one| one.id.channel.as_str() == channel)?;
            Some(Self { merchant, channel: found, known: true })
        });
        let mut others = upi.merchants.iter().filter_map(|merchant| {
            let channel = merchant.channels.first()?;
            Some(Self { merchant, channel, known: false })
        });
        named.or_else(|| others.next())
    }

    fn plain(self, right: bool, stamped: &str, body: Bytes) -> Option<Signed<'a>> {
        let Self { merchant, channel, known } = self;
        let stamped = Some(stamped.to_owned());
        (right && known).then(|| Signed { merchant, channel, mode: Mode::Plain, body, stamped })
    }

    /// Verifies with the key that the header names, else with any of the merchant's.
    fn enveloped(
        self,
        jws: &JwsParts,
        mode: impl FnOnce(&RsaPublic) -> Mode,
    ) -> Option<Signed<'a>> {
        let Self { merchant, channel, known } = self;
        let kid = kid(jws);
        let meant = |one: &&MerchantKey| kid.as_ref().is_none_or(|kid| *kid == one.id);
        let mut keys = merchant.keys.iter().filter(meant);
        let (key, payload) = keys.find_map(|one| Some((&one.key, jws.verified(&one.key)?)))?;
        let (mode, body) = (mode(key), Bytes::from(payload));
        known.then_some(Signed { merchant, channel, mode, body, stamped: None })
    }
}

fn kid(jws: &JwsParts) -> Option<String> {
    let header = URL_SAFE_NO_PAD.decode(&jws.protected).ok()?;
    let Object::<JwsHeader>(header) = serde_json::from_slice(&header).ok()?;
    header.kid
}

/// Opens a JWE where RSA is done. `None`: it is not for us, or holds no JWS.
async fn open(app: &App, jwe: JweParts) -> Result<Option<JwsParts>, Fault> {
    let issuer = app.issuer();
    let vault = Arc::clone(&issuer.vault);
    issuer.workers.run(move || vault.open_jws_envelope(&jwe).ok()).await
}

/// A header that stands there once, as text.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok(),
        (_, _) => None,
    }
}

/// Reads hexadecimal digits of either case.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let nibble =
        |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |[high, low]: &[u8; 2]| Some(nibble(*high)? << 4 | nibble(*low)?);
    match rest {
        [] => pairs.iter().map(byte).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_have_no_case_and_come_in_pairs() {
        assert_eq!(unhex("00fFa1"), Some(vec![0x00, 0xff, 0xa1]));
        assert_eq!(unhex(""), Some(Vec::new()));
        for bad in ["0", "0g", "+1", "0 ", "\u{ff11}0"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }
}
