//! Who asks: a signature of version 2 or 3, or the session that one of them opened.
//!
//! Every failure is the same one, and says nothing about why.

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kunji_core::audit::Subject;
use kunji_core::customer::Customer;
use kunji_core::engine::Fault;
use kunji_core::ids::{ChannelId, MerchantCustomerId, MerchantId, Mobile, ProfileId};
use kunji_core::time::{Clock as _, MINUTE_MS};
use kunji_vault::{Fingerprint, JwsParts, RsaScheme, Vault};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::action::Action;
use super::request::Payload;
use super::wire::{SignedV2, SignedV3};
use crate::app::App;
use crate::body::Object;
use crate::config::Merchant;

/// The header that carries a session, both ways.
pub(super) const SESSION: &str = "x-kunji-session";
/// How long a signature is good.
const SIGNED_MS: i64 = 15 * MINUTE_MS;
/// How far ahead a caller's clock may be.
const SKEW_MS: i64 = 5 * MINUTE_MS;
/// Longest session header.
const SESSION_LEN_MAX: usize = 1024;

/// Why somebody is not let in.
#[derive(Debug)]
pub(super) enum Denied {
    /// Why is for the log of the operator, never for the caller.
    NotAuthentic(&'static str),
    /// The store broke.
    Fault(Fault),
}

impl From<Fault> for Denied {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Who asks, and for whom.
#[derive(Debug)]
pub(super) struct Identity<'a> {
    pub(super) merchant: &'a Merchant,
    pub(super) profile: ProfileId,
    /// The customer as kept; `None` for one that nobody has heard of yet.
    pub(super) customer: Option<Customer>,
    /// The mobile number that the merchant vouches for.
    pub(super) mobile: Option<Mobile>,
    /// The session that was shown, if one was.
    pub(super) session: Option<Fingerprint>,
    /// A keyed MAC of the signature that was shown, if one was.
    pub(super) proof: Option<Fingerprint>,
}

/// What a signature vouches for.
struct Vouched<'a> {
    merchant: &'a Merchant,
    customer: String,
    mobile: Option<String>,
    timestamp: String,
}

impl<'a> Identity<'a> {
    /// Finds out who asks: by the signature in the payload, else by the session in the headers.
    pub(super) async fn of(
        app: &'a App,
        headers: &HeaderMap,
        payload: Payload<'_>,
        action: Action,
    ) -> Result<Self, Denied> {
        let signed = ["signature", "signaturePayload", "merchantKeyId", "protected"];
        if signed.iter().any(|name| payload.has(name)) {
            let vouched = vouched(app, payload).map_err(Denied::NotAuthentic)?;
            let mut identity = Self::vouched(app, vouched).await?;
            identity.proof = payload.text("signature").ok().map(|text| print(app, "proof", text));
            // A session shown beside it must be the same customer's; who renews it may show an old one.
            let renews = matches!(action, Action::SessionToken | Action::UpdateAuth);
            if headers.contains_key(SESSION) && !renews {
                let session = Self::by_session(app, headers).await?;
                if session.profile != identity.profile {
                    return Err(Denied::NotAuthentic("the session is another customer's"));
                }
                identity.session = session.session;
            }
            return Ok(identity);
        }
        Self::by_session(app, headers).await
    }

    async fn vouched(app: &App, vouched: Vouched<'a>) -> Result<Self, Denied> {
        let now = app.clock().stamp().real.0;
        let denied = Denied::NotAuthentic;
        let at = digits(&vouched.timestamp).ok_or(denied("timestamp is no text of digits"))?;
        if at < now.saturating_sub(SIGNED_MS) || at > now.saturating_add(SKEW_MS) {
            return Err(denied("timestamp is not within 15 minutes back and 5 ahead"));
        }
        let customer = MerchantCustomerId::parse(&vouched.customer);
        let customer = customer.map_err(|_| denied("the customer's id is not well formed"))?;
        let mobile = match vouched.mobile {
            None => None,
            Some(phone) => Some(mobile(&phone).ok_or(denied("customer_phone is no number"))?),
        };
        let profile = ProfileId { merchant: vouched.merchant.id.clone(), customer };
        let subject = Subject::Customer(profile.clone());
        let customer = app.issuer().look::<Customer>(&subject).await?;
        let merchant = vouched.merchant;
        Ok(Self { merchant, profile, customer, mobile, session: None, proof: None })
    }

    /// Finds out who asks by the session in the headers.
    pub(super) async fn by_session(app: &'a App, headers: &HeaderMap) -> Result<Self, Denied> {
        let denied = Denied::NotAuthentic;
        let shown = headers.get(SESSION).ok_or(denied("no signature and no session"))?;
        let shown = shown.to_str().ok().filter(|text| text.len() <= SESSION_LEN_MAX);
        let profile = shown.and_then(profile_in);
        let (Some(shown), Some(profile)) = (shown, profile) else {
            return Err(denied("the session is not well formed"));
        };
        let merchant = app.config().upi.merchant(profile.merchant.as_str());
        let merchant = merchant.ok_or(denied("the session's merchant is not known"))?;
        let session = print(app, "session", shown);
        let subject = Subject::Customer(profile.clone());
        let customer = app.issuer().look::<Customer>(&subject).await?;
        let customer = customer.filter(|kept| kept.has_session(&session, app.clock().now()));
        let customer = customer.ok_or(denied("the session is over, or never was"))?;
        Ok(Self {
            merchant,
            profile,
            customer: Some(customer),
            mobile: None,
            session: Some(session),
            proof: None,
        })
    }

    /// Whether the merchant vouches for another mobile number than is kept.
    pub(super) fn has_other_mobile(&self) -> bool {
        let kept = self.customer.as_ref().and_then(|customer| customer.mobile.as_ref());
        matches!((kept, &self.mobile), (Some(kept), Some(said)) if kept != said)
    }

    /// The channel that hears of changes which the app makes: the first that listens, as the app
    /// names none.
    pub(super) fn channel(&self) -> Option<ChannelId> {
        let mut channels = self.merchant.channels.iter();
        channels.find(|channel| channel.webhook.is_some()).map(|channel| channel.id.clone())
    }
}

/// A fresh session: what the app shows from now on, and the keyed MAC that is kept of it.
pub(super) fn fresh_session(
    app: &App,
    profile: &ProfileId,
) -> Result<(HeaderValue, Fingerprint), Fault> {
    let random: [u8; 32] = app.issuer().vault.random()?;
    let name = URL_SAFE_NO_PAD.encode(profile.to_string());
    let token = format!("{name}.{}", URL_SAFE_NO_PAD.encode(random));
    let print = print(app, "session", &token);
    let value = HeaderValue::try_from(token).map_err(|_| Fault::Busy)?;
    Ok((value, print))
}

fn profile_in(token: &str) -> Option<ProfileId> {
    let (name, _) = token.split_once('.')?;
    let name = String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok()?;
    let (merchant, customer) = name.split_once('/')?;
    let merchant = MerchantId::parse(merchant).ok()?;
    Some(ProfileId { merchant, customer: MerchantCustomerId::parse(customer).ok()? })
}

fn print(app: &App, label: &str, text: &str) -> Fingerprint {
    let mut print = Vault::fingerprint(&app.issuer().vault);
    print.text(label);
    print.text(text);
    print.finish()
}

/// What the signature vouches for, if it holds; else why not.
fn vouched<'a>(app: &'a App, payload: Payload<'_>) -> Result<Vouched<'a>, &'static str> {
    let text = |name: &'static str, missing| payload.text(name).map_err(|_| missing);
    let signed = text("signaturePayload", "signaturePayload is no text")?;
    let signature = text("signature", "signature is no text")?;
    match payload.has("protected") {
        true => vouched_v3(app, text("protected", "protected is no text")?, signed, signature),
        false => {
            vouched_v2(app, text("merchantKeyId", "merchantKeyId is no text")?, signed, signature)
        }
    }
}

/// Version 2: PKCS#1 over the exact bytes of the payload's text.
fn vouched_v2<'a>(
    app: &'a App,
    key_id: &str,
    signed: &str,
    signature: &str,
) -> Result<Vouched<'a>, &'static str> {
    let body: SignedV2 = object(signed.as_bytes())
        .ok_or("signaturePayload lacks merchant_id, customer_id or timestamp as texts")?;
    let merchant = app.config().upi.merchant(&body.merchant_id);
    let merchant = merchant.ok_or("merchant_id is not known")?;
    let signature = STANDARD.decode(signature).map_err(|_| "signature is no standard base64")?;
    let key = merchant.key(key_id).ok_or("merchantKeyId is not one of the merchant's")?;
    let mobile = match body.customer_phone {
        None => None,
        Some(Value::String(phone)) => Some(phone),
        Some(_) => return Err("customer_phone is not a text"),
    };
    match key.verifies(RsaScheme::Pkcs1, &[signed.as_bytes()], &signature) {
        true => {
            Ok(Vouched { merchant, customer: body.customer_id, mobile, timestamp: body.timestamp })
        }
        false => Err("signature does not verify over the bytes of signaturePayload"),
    }
}

/// Version 3: the three parts of a compact JWS.
fn vouched_v3<'a>(
    app: &'a App,
    protected: &str,
    signed: &str,
    signature: &str,
) -> Result<Vouched<'a>, &'static str> {
    let claims = URL_SAFE_NO_PAD.decode(signed).ok();
    let body: SignedV3 = claims
        .and_then(|claims| object(&claims))
        .ok_or("signaturePayload is no base64url, or lacks one of its four claims")?;
    let merchant = app.config().upi.merchant(&body.merchant_id);
    let merchant = merchant.ok_or("merchantId is not known")?;
    let known = |name: &str| merchant.channels.iter().any(|one| one.id.channel.as_str() == name);
    if !known(&body.merchant_channel_id) {
        return Err("merchantChannelId is not one of the merchant's");
    }
    let jws = JwsParts {
        protected: protected.to_owned(),
        payload: signed.to_owned(),
        signature: signature.to_owned(),
    };
    match merchant.keys.iter().any(|one| jws.verified(&one.key).is_some()) {
        true => Ok(Vouched {
            merchant,
            customer: body.merchant_customer_id,
            mobile: None,
            timestamp: body.timestamp,
        }),
        false => Err("the JWS does not verify as RS256 with a key of the merchant"),
    }
}

fn object<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice::<Object<T>>(bytes).ok().map(|Object(body)| body)
}

/// Ten digits are an Indian number without its country code.
fn mobile(phone: &str) -> Option<Mobile> {
    let phone = match phone.len() {
        10 => format!("91{phone}"),
        _ => phone.to_owned(),
    };
    Mobile::parse(&phone).ok().filter(|mobile| mobile.as_str().len() == 12)
}

fn digits(text: &str) -> Option<i64> {
    let plain = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}
