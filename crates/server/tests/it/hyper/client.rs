//! An app and its customer: signs, asks, and enters secrets as the page would.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kunji_vault::{BlockAlg, PinUse, RsaPrivate, RsaScheme};
use serde_json::{Map, Value, json};
use ureq::http::Method;

use crate::support::{Answer, Kunji, fresh};

/// Where actions are asked for.
pub(crate) const PROCESS: &str = "/hyper/v1/process";
/// The header that carries a session, both ways.
pub(crate) const SESSION: &str = "x-kunji-session";
/// The service that every envelope names.
pub(crate) const SERVICE: &str = "in.juspay.hyperapi";

/// The private half of the key that both of the sandbox's merchants have.
pub(crate) fn key() -> &'static RsaPrivate {
    static KEY: OnceLock<RsaPrivate> = OnceLock::new();
    KEY.get_or_init(|| {
        let text = include_str!("../../../../vault/tests/vectors/merchant-stock.jwk.json");
        RsaPrivate::parse(text).unwrap()
    })
}

/// The machine's clock, in milliseconds.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// The auth group of version 2: the very text is signed.
pub(crate) fn signed_v2(key_id: &str, text: &str) -> Value {
    let signature = key().sign(RsaScheme::Pkcs1, &[text.as_bytes()]).unwrap();
    json!({
        "merchantKeyId": key_id,
        "signature": STANDARD.encode(signature),
        "signaturePayload": text,
    })
}

/// The auth group of version 3: the three parts of a compact JWS.
pub(crate) fn signed_v3(claims: &Value) -> Value {
    let jws = key().sign_jws(Some("stock-test-1"), claims.to_string().as_bytes()).unwrap();
    json!({
        "protected": jws.protected,
        "signaturePayload": jws.payload,
        "signature": jws.signature,
    })
}

/// What the merchant vouches for, as the seed document writes it.
pub(crate) fn vouched(merchant: &str, customer: &str, at_ms: i64, phone: Option<&str>) -> String {
    let phone = phone.map(|phone| format!(",\"customer_phone\":\"{phone}\"")).unwrap_or_default();
    format!(
        "{{\"merchant_id\":\"{merchant}\",\"customer_id\":\"{customer}\",\
         \"timestamp\":\"{at_ms}\"{phone}}}"
    )
}

/// The members of both, those of the second one first.
pub(crate) fn with(mut members: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        members[name] = value.clone();
    }
    members
}

/// The outer envelope.
pub(crate) fn envelope(request_id: &str, action: &str, members: &Value) -> Value {
    let mut payload: Map<String, Value> = members.as_object().unwrap().clone();
    payload.insert("action".to_owned(), json!(action));
    json!({ "requestId": request_id, "service": SERVICE, "payload": payload })
}

/// An app on one customer's phone.
#[derive(Clone)]
pub(crate) struct App<'a> {
    pub(crate) kunji: &'a Kunji,
    pub(crate) merchant: &'static str,
    pub(crate) customer: String,
    pub(crate) phone: Option<&'static str>,
    /// The session that is shown, once there is one.
    pub(crate) session: Option<String>,
}

/// Secrets that somebody waits for.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    pub(crate) id: String,
    pub(crate) txn: String,
    pub(crate) request_id: String,
    /// The event that announced it.
    pub(crate) said: Answer,
}

impl Capture {
    /// What an announcement says.
    #[track_caller]
    pub(crate) fn of(said: Answer) -> Self {
        let event = said.json();
        assert_eq!(event["event"], "capture_required", "{}", said.text());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            id: text(&event["payload"]["captureId"]),
            txn: text(&event["payload"]["txnId"]),
            request_id: text(&event["requestId"]),
            said,
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> String {
        format!("/hyper/v1/captures/{}", self.id)
    }
}

impl<'a> App<'a> {
    /// An app of the sandbox's merchant that signs each request.
    pub(crate) fn of(kunji: &'a Kunji, customer: &str) -> Self {
        let customer = customer.to_owned();
        Self { kunji, merchant: "stock", customer, phone: None, session: None }
    }

    /// An app that was let in, and shows its session.
    #[track_caller]
    pub(crate) fn let_in(kunji: &'a Kunji, customer: &str) -> Self {
        Self::of(kunji, customer).renewed()
    }

    /// The same app with a session of its own.
    #[track_caller]
    pub(crate) fn renewed(mut self) -> Self {
        self.session = None;
        let said = self.process("upiGetSessionToken", &json!({}));
        let session = said.header(SESSION).unwrap_or_else(|| panic!("no session: {said:?}"));
        self.session = Some(session.to_owned());
        self
    }

    /// A signature made now.
    pub(crate) fn signature(&self) -> Value {
        self.signature_at(now_ms())
    }

    /// A signature that names an instant.
    pub(crate) fn signature_at(&self, at_ms: i64) -> Value {
        let text = vouched(self.merchant, &self.customer, at_ms, self.phone);
        signed_v2(&format!("{}-test-1", self.merchant), &text)
    }

    /// Sends an envelope, with the session if there is one.
    pub(crate) fn send(&self, envelope: &Value) -> Answer {
        let session = self.session.as_deref().map(|session| (SESSION, session));
        self.kunji.post(PROCESS, session.as_slice(), envelope)
    }

    /// Asks for an action: by the session, else signed now.
    pub(crate) fn process(&self, action: &str, members: &Value) -> Answer {
        self.process_as(&fresh("app-request-"), action, members)
    }

    /// Asks for an action under a request id.
    pub(crate) fn process_as(&self, request_id: &str, action: &str, members: &Value) -> Answer {
        let members = match self.session {
            Some(_) => members.clone(),
            None => with(self.signature(), members),
        };
        self.send(&envelope(request_id, action, &members))
    }

    /// The members of `upiSetMpin` for the card that most accounts have.
    pub(crate) fn set_members(account: &str, vpa: &str) -> Value {
        json!({
            "customerVpa": vpa,
            "card": "123456",
            "expiry": "1235",
            "upiRequestId": upi_id(),
            "accountReferenceId": account,
        })
    }

    /// The members of `upiChangeMpin` and `upiCheckBalance`.
    pub(crate) fn account_members(account: &str) -> Value {
        json!({ "upiRequestId": upi_id(), "accountReferenceId": account })
    }

    /// Opens a capture to set the MPIN.
    #[track_caller]
    pub(crate) fn open_set(&self, account: &str, vpa: &str) -> Capture {
        Capture::of(self.process("upiSetMpin", &Self::set_members(account, vpa)))
    }

    /// Opens a capture to change the MPIN.
    #[track_caller]
    pub(crate) fn open_change(&self, account: &str) -> Capture {
        Capture::of(self.process("upiChangeMpin", &Self::account_members(account)))
    }

    /// Opens a capture to tell the balance.
    #[track_caller]
    pub(crate) fn open_balance(&self, account: &str) -> Capture {
        Capture::of(self.process("upiCheckBalance", &Self::account_members(account)))
    }

    /// Changes the MPIN; the result.
    #[track_caller]
    pub(crate) fn change(&self, account: &str, old: &str, new: &str) -> Answer {
        let capture = self.open_change(account);
        submit(self.kunji, &capture, &change_creds(self.kunji, &capture.txn, old, new))
    }

    /// Asks for the balance; the result.
    #[track_caller]
    pub(crate) fn balance(&self, account: &str, pin: &str) -> Answer {
        let capture = self.open_balance(account);
        submit(self.kunji, &capture, &pin_creds(self.kunji, &capture.txn, pin))
    }

    /// Sets the MPIN with the OTP that is sent to this number; the result.
    #[track_caller]
    pub(crate) fn set(&self, account: &str, vpa: &str, mobile: &str, pin: &str) -> Answer {
        let capture = self.open_set(account, vpa);
        let otp = self.kunji.otp(mobile);
        submit(self.kunji, &capture, &set_creds(self.kunji, &capture.txn, &otp, pin))
    }
}

/// A fresh `upiRequestId` of the sandbox's merchant.
pub(crate) fn upi_id() -> String {
    format!("STK{:0>32}", fresh("A"))
}

/// One block as it stands among the `creds`.
pub(crate) fn cred(kind: &str, sub_type: &str, block: &str) -> Value {
    json!({
        "type": kind,
        "subType": sub_type,
        "data": { "code": "KUNJI", "ki": "any", "encryptedBase64String": block },
    })
}

/// The secrets of `upiSetMpin`, sealed for a transaction.
pub(crate) fn set_creds(kunji: &Kunji, txn: &str, otp: &str, pin: &str) -> Value {
    let otp = kunji.sealed(BlockAlg::EcdhEs, otp, PinUse::Sms, txn);
    let pin = kunji.sealed(BlockAlg::EcdhEs, pin, PinUse::Mpin, txn);
    json!({ "creds": [cred("OTP", "SMS", &otp), cred("PIN", "MPIN", &pin)] })
}

/// The secrets of `upiChangeMpin`, sealed for a transaction.
pub(crate) fn change_creds(kunji: &Kunji, txn: &str, old: &str, new: &str) -> Value {
    let old = kunji.sealed(BlockAlg::EcdhEs, old, PinUse::Mpin, txn);
    let new = kunji.sealed(BlockAlg::EcdhEs, new, PinUse::NewMpin, txn);
    json!({ "creds": [cred("PIN", "MPIN", &old), cred("PIN", "NMPIN", &new)] })
}

/// The secret of `upiCheckBalance`, sealed for a transaction.
pub(crate) fn pin_creds(kunji: &Kunji, txn: &str, pin: &str) -> Value {
    let pin = kunji.sealed(BlockAlg::EcdhEs, pin, PinUse::Mpin, txn);
    json!({ "creds": [cred("PIN", "MPIN", &pin)] })
}

/// Sends the secrets, as the page does: without a session.
pub(crate) fn submit(kunji: &Kunji, capture: &Capture, creds: &Value) -> Answer {
    kunji.post(&capture.path(), &[], creds)
}

/// The customer leaves.
pub(crate) fn cancel(kunji: &Kunji, capture: &Capture) -> Answer {
    kunji.send(Method::DELETE, &capture.path(), &[], "")
}

/// How the capture ended.
pub(crate) fn result(kunji: &Kunji, capture: &Capture) -> Answer {
    kunji.get(&format!("{}/result", capture.path()))
}
