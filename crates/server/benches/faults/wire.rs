//! Deeds as requests of the dialects.

use kunji_vault::{BlockMaker, HmacKey, Layout, PinUse, TokenKey};
use serde_json::{Value, json};

use crate::history::{Deed, Side, Wish};
use crate::people::{self, Object};

const CHANGE: &str = "/api/transactions/v1/changempin";
const SET: &str = "/api/axis/upi/set-reset-mpin";
const OTP: &str = "/api/axis/upi/otp/request";
const LIVE: &str = "x-kunji-mode: live\r\n";
const BEARER: &str = "authorization: Bearer sandbox\r\n";
/// The sandbox's prepaid client; its key is public.
const CLIENT: &str = "x-api-key: 7fe1c0de\r\nclientId: 2000\r\nbankId: 7000\r\nentityId: 100\r\n\
     secureCode: AfYtlO5kqdySIjXyNmGg3F\r\n";
const TOKEN_KEY: &str = "ascii:0123456789abcdef01234567";

/// A request that can be sent again: only the proof of who sends it is made anew.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: &'static str,
    body: String,
    proof: Option<Side>,
}

impl Request {
    fn post(path: impl Into<String>, headers: &'static str, body: &Value) -> Self {
        let (path, body) = (path.into(), body.to_string());
        Self { method: "POST", path, headers, body, proof: None }
    }

    /// The outbox of a mobile number.
    pub(crate) fn outbox(mobile: &str) -> Self {
        let path = format!("/kunji/v1/sandbox/outbox?to={mobile}");
        Self { method: "GET", path, headers: "", body: String::new(), proof: None }
    }

    /// The request for a deed on an object, under an id.
    pub(crate) fn of(
        deed: &Deed,
        object: Object,
        txn: &str,
        blocks: Option<(&BlockMaker, i64)>,
    ) -> anyhow::Result<Self> {
        match (object, deed) {
            (Object::Account(nth), Deed::Change { old, new }) => Ok(Self::post(
                CHANGE,
                LIVE,
                &change(nth, txn, &credentials(old, new, txn, blocks)?),
            )),
            (Object::Account(nth), Deed::RequestOtp { .. }) => {
                Ok(Self::post(OTP, LIVE, &otp_request(nth, txn)))
            }
            (Object::Account(nth), Deed::Set { otp, new }) => {
                Ok(Self::post(SET, LIVE, &set(nth, txn, otp, new)))
            }
            (Object::Account(_) | Object::Card(_), Deed::Verify { pin }) => {
                let path = format!("/kunji/v1/credentials/{}/verify", own_path(object));
                Ok(Self::post(path, BEARER, &json!({ "txn": txn, "pin": pin })))
            }
            (Object::Account(_) | Object::Card(_), Deed::ClearTries) => {
                let path = format!("/kunji/v1/credentials/{}/clear-tries", own_path(object));
                Ok(Self::post(path, BEARER, &json!({ "txn": txn, "reason": "the holder called" })))
            }
            (Object::Card(nth), deed) => card_call(deed, nth, txn),
            (Object::Shelf, Deed::CreateCard) => {
                in_token("POST", "issuance/v1/createCard", &new_card(txn))
            }
            (Object::Number(nth), Deed::Number(side, wish)) => {
                Ok(number_call(nth, *side, *wish, txn))
            }
            (Object::Account(_) | Object::Shelf | Object::Number(_), _) => {
                anyhow::bail!("{deed:?} is no deed for {object:?}")
            }
        }
    }

    /// The bytes on the wire, proved now.
    pub(crate) fn bytes(&self, now_ms: i64) -> anyhow::Result<Vec<u8>> {
        let proof = match self.proof {
            None => String::new(),
            Some(side) => {
                let merchant = people::merchant(side);
                let at = now_ms.to_string();
                let parts = [merchant.name, merchant.channel, &at, &self.body];
                let key = HmacKey::parse(merchant.secret)?;
                let sum = key.checksum(&parts.map(str::as_bytes));
                format!(
                    "x-merchant-id: {}\r\nx-merchant-channel-id: {}\r\nx-timestamp: {at}\r\n\
                     x-merchant-checksum: {sum}\r\n",
                    merchant.name, merchant.channel
                )
            }
        };
        let Self { method, path, headers, body, .. } = self;
        let len = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             {headers}{proof}content-length: {len}\r\n\r\n{body}"
        );
        Ok(request.into_bytes())
    }
}

/// An id for the nth request of a client, as the deed's dialect wants it.
pub(crate) fn txn(deed: &Deed, client: usize, nth: usize) -> String {
    match deed {
        Deed::Number(side, _) => {
            format!("{}{:0>32}", people::merchant(*side).prefix, format!("F{client}X{nth}"))
        }
        Deed::Verify { .. }
        | Deed::Change { .. }
        | Deed::RequestOtp { .. }
        | Deed::Set { .. }
        | Deed::ClearTries
        | Deed::Reset { .. }
        | Deed::Block
        | Deed::Unblock
        | Deed::CreateCard => format!("F{client}X{nth}"),
    }
}

fn own_path(object: Object) -> String {
    object.subject().unwrap_or_default()
}

/// Old and new MPIN as they stand in `code`: in blocks when there is a maker, else in clear.
fn credentials(
    old: &str,
    new: &str,
    txn: &str,
    blocks: Option<(&BlockMaker, i64)>,
) -> anyhow::Result<[String; 2]> {
    match blocks {
        None => Ok([old.to_owned(), new.to_owned()]),
        Some((maker, now_ms)) => Ok([
            maker.seal(old, PinUse::Mpin, txn, now_ms)?,
            maker.seal(new, PinUse::NewMpin, txn, now_ms)?,
        ]),
    }
}

fn header(service: &str) -> Value {
    json!({
        "requestUUID": "req-7",
        "serviceRequestId": service,
        "serviceRequestVersion": "1.0",
        "channelId": "TEST",
    })
}

fn change(nth: usize, txn: &str, [old, new]: &[String; 2]) -> Value {
    let cred = |code: &str| json!({"type": "PIN", "subType": "MPIN", "data": {"code": code}});
    json!({"ChangeMPINRequest": {
        "SubHeader": header("NB.GEN.UPIAPI.CHANGEMPIN"),
        "SetResetMPINRequestBody": {
            "customerId": format!("CIF{nth}"),
            "bank": "AXIS",
            "txnId": txn,
            "ac": {
                "accRefNumber": format!("ACC{nth}"),
                "name": "A",
                "ifsc": "AXIS0000001",
                "maskedAccnumber": "*",
                "status": "ACTIVE",
                "type": "SAVINGS",
                "vpa": format!("a{nth}@axis"),
                "aeba": "N",
            },
            "cred": cred(old),
            "newcred": cred(new),
            "device": {
                "app": "AXISBANK",
                "capability": "5200000200010004000639292929292",
                "geocode": "28.613939,77.209021",
                "id": "DCAD28A8A1AB48F99BBCA425B0912ECD",
                "ip": "192.168.1.1",
                "location": "Delhi",
                "mobile": people::account_mobile(nth),
                "os": "Android",
                "type": "MOB",
            },
        },
    }})
}

fn otp_request(nth: usize, txn: &str) -> Value {
    json!({"OTPRequest": {
        "SubHeader": header("NB.GEN.UPIAPI.OTP"),
        "OTPRequestBody": {
            "customerId": format!("CIF{nth}"),
            "bankId": "AXIS",
            "txnId": txn,
            "device": {"app": "AXISBANK"},
            "card": "123456",
            "expiry": "12/2035",
            "ac": { "accRefNumber": format!("ACC{nth}") },
        },
    }})
}

fn set(nth: usize, txn: &str, otp: &str, new: &str) -> Value {
    let cred = |kind: &str, sub: &str, code: &str| json!({"type": kind, "subType": sub, "data": {"code": code, "ki": "20150822"}});
    json!({"SetResetMPINRequest": {
        "SubHeader": header("NB.GEN.UPIAPI.SETRESET"),
        "SetResetMPINRequestBody": {
            "customerid": format!("CIF{nth}"),
            "bank": "AXIS",
            "txnId": txn,
            "card": "123456",
            "expiry": "12/2035",
            "regtype": "DEBITCARD",
            "device": {"app": "AXISBANK"},
            "mpincred": cred("PIN", "MPIN", new),
            "otpcred": cred("OTP", "SMS", otp),
            "ac": { "accRefNumber": format!("ACC{nth}") },
        },
    }})
}

fn card_call(deed: &Deed, nth: usize, txn: &str) -> anyhow::Result<Request> {
    let (method, path, code, more) = match deed {
        Deed::Reset { new } => {
            ("POST", "onboarding/v1/resetPin", "1120", Some(("newPIN", new.as_str())))
        }
        Deed::Block => ("PATCH", "onboarding/v1/block", "1240", Some(("blockType", "Temporary"))),
        Deed::Unblock => ("PATCH", "onboarding/v1/unblock", "1250", None),
        Deed::Verify { .. }
        | Deed::Change { .. }
        | Deed::RequestOtp { .. }
        | Deed::Set { .. }
        | Deed::ClearTries
        | Deed::CreateCard
        | Deed::Number(..) => anyhow::bail!("{deed:?} is no deed for a card"),
    };
    let mut body = json!({
        "messageCode": code,
        "requestDateTime": "20160715025837",
        "clientTxnId": txn,
        "urn": people::urn(nth),
        "last4Digits": people::last_four(nth),
        "customerId": format!("IN{nth}"),
    });
    if let (Some((name, value)), Some(members)) = (more, body.as_object_mut()) {
        members.insert(name.to_owned(), json!(value));
    }
    in_token(method, path, &body)
}

fn new_card(txn: &str) -> Value {
    json!({
        "messageCode": "1010",
        "requestDateTime": "20160715025837",
        "clientTxnId": txn,
        "productId": "1",
        "firstName": "Kiran",
        "lastName": "Holder",
        "mobile": "9876500077",
        "customerId": "INNEW",
        "dateOfBirth": "15-05-1990",
        "cardProfileId": "150",
        "emailId": "holder@example.com",
        "newCardStatus": "Active",
        "loadAmount": "500",
    })
}

pub(crate) fn token_key() -> anyhow::Result<TokenKey> {
    Ok(TokenKey::parse(TOKEN_KEY, Layout::IvPrefixed)?)
}

fn in_token(method: &'static str, path: &str, inner: &Value) -> anyhow::Result<Request> {
    let token = token_key()?.seal(inner.to_string().as_bytes(), *b"an iv of 16 byte")?;
    let request = Request::post(format!("/mob1/api/{path}"), CLIENT, &json!({ "token": token }));
    Ok(Request { method, ..request })
}

fn number_call(nth: usize, side: Side, wish: Wish, txn: &str) -> Request {
    let (number, vpa) = (people::number(nth), people::vpa(side, nth));
    let mut body = json!({
        "merchantCustomerId": people::customer(side, nth),
        "upiRequestId": txn,
        "deviceFingerPrint": people::device(side, nth),
    });
    let (call, action) = match wish {
        Wish::Register | Wish::Port => ("upiNumber/create", None),
        Wish::Disable => ("upiNumber/update", Some("DISABLE")),
        Wish::Reactivate => ("upiNumber/update", Some("REACTIVATE")),
        Wish::Delete => ("upiNumber/update", Some("DELETE")),
        Wish::Look => ("upiNumber/fetch", None),
    };
    let existing = (wish == Wish::Port).then(|| people::vpa(side.other(), nth));
    if let Some(members) = body.as_object_mut() {
        if wish != Wish::Look {
            members.insert("upiNumber".to_owned(), json!(number));
            members.insert("vpa".to_owned(), json!(vpa));
        }
        members.extend(action.map(|action| ("action".to_owned(), json!(action))));
        members.extend(existing.map(|vpa| ("existingVpa".to_owned(), json!(vpa))));
    }
    let path = format!("/api/n2/merchants/{call}");
    Request { proof: Some(side), ..Request::post(path, "", &body) }
}
