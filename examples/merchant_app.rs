//! A merchant's app that lets a customer set an MPIN, against `kunji sandbox`.
//!
//! `cargo run --example merchant_app [BASE] [--browser]`; without a browser it plays the customer.

use std::error::Error;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use kunji_vault::{BlockAlg, BlockMaker, PinUse, RsaPrivate, RsaScheme};
use serde_json::{Value, json};

/// Any error ends the example.
pub(crate) type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The sandbox's merchant key, which is public. Yours stays on your server, and signs there.
const KEY: &str = include_str!("../crates/server/src/sandbox/merchant-stock.jwk.json");
const CUSTOMER: &str = "1234567";
const MOBILE: &str = "919876543210";

fn main() -> Done<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let base = args.iter().find(|arg| arg.starts_with("http"));
    let app = App::open(base.map_or("http://127.0.0.1:7400", String::as_str))?;
    let capture = app.ask_for_mpin()?;
    match args.iter().any(|arg| arg == "--browser") {
        true => writeln!(std::io::stdout(), "Open {}", text(&capture, "captureUrl")?)?,
        false => drop(app.play_customer(&capture, "4826")?),
    }
    writeln!(std::io::stdout(), "{:#}", app.result(&capture)?)?;
    Ok(())
}

/// The app after its customer was let in.
pub(crate) struct App {
    base: String,
    session: String,
}

impl App {
    /// The merchant's server signs who the customer is; the app gets a session for it.
    pub(crate) fn open(base: &str) -> Done<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let identity = json!({
            "merchant_id": "stock",
            "customer_id": CUSTOMER,
            "timestamp": now.to_string(),
        });
        let identity = identity.to_string();
        let signature = RsaPrivate::parse(KEY)?.sign(RsaScheme::Pkcs1, &[identity.as_bytes()])?;
        let event = envelope(&json!({
            "action": "upiGetSessionToken",
            "merchantKeyId": "stock-test-1",
            "signature": base64::engine::general_purpose::STANDARD.encode(signature),
            "signaturePayload": identity,
        }));
        let mut answer = ureq::post(format!("{base}/hyper/v1/process"))
            .header("Content-Type", "application/json")
            .send(event.to_string())?;
        let session = answer.headers().get("x-kunji-session");
        let session = session.map(|value| value.to_str().map(str::to_owned)).transpose()?;
        let said = answer.body_mut().read_to_string()?;
        Ok(Self { base: base.to_owned(), session: session.ok_or(said)? })
    }

    /// Asks for an MPIN to be set; answered with where the customer enters it.
    pub(crate) fn ask_for_mpin(&self) -> Done<Value> {
        let event = self.post(
            "/hyper/v1/process",
            &envelope(&json!({
                "action": "upiSetMpin",
                "customerVpa": "something@handle",
                "card": "123456",
                "expiry": "1235",
                "upiRequestId": uuid::Uuid::new_v4().to_string(),
                "accountReferenceId": "STOCKREF0001",
            })),
        )?;
        match event.get("event").and_then(Value::as_str) {
            Some("capture_required") => Ok(event.get("payload").cloned().unwrap_or_default()),
            Some(_) | None => Err(event.to_string().into()),
        }
    }

    /// What the page does when the customer has typed the OTP and a new MPIN.
    pub(crate) fn play_customer(&self, capture: &Value, mpin: &str) -> Done<Value> {
        let sent = self.get(&format!("/kunji/v1/sandbox/outbox?to={MOBILE}"))?;
        let otp = sent.pointer("/0/otp").and_then(Value::as_str).ok_or("no OTP was sent")?;
        let keys = self.get("/.well-known/jwks.json")?.to_string();
        let maker = BlockMaker::from_jwks(&keys, BlockAlg::EcdhEs)?;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let sealed = |kind: &str, sub: &str, digits: &str, pin_use| -> Done<Value> {
            let block = maker.seal(digits, pin_use, text(capture, "txnId")?, now)?;
            let data = json!({"code": "KUNJI", "ki": maker.kid(), "encryptedBase64String": block});
            Ok(json!({"type": kind, "subType": sub, "data": data}))
        };
        let creds = json!({"creds": [
            sealed("OTP", "SMS", otp, PinUse::Sms)?,
            sealed("PIN", "MPIN", mpin, PinUse::Mpin)?,
        ]});
        self.post(&format!("/hyper/v1/captures/{}", text(capture, "captureId")?), &creds)
    }

    /// Waits for the result: each call waits a while, and is made again as long as there is none.
    pub(crate) fn result(&self, capture: &Value) -> Done<Value> {
        let path = format!("/hyper/v1/captures/{}/result", text(capture, "captureId")?);
        loop {
            let event = self.get(&path)?;
            if !event.is_null() {
                return Ok(event);
            }
        }
    }

    fn get(&self, path: &str) -> Done<Value> {
        let call =
            ureq::get(format!("{}{path}", self.base)).header("X-Kunji-Session", &self.session);
        match call.call()?.body_mut().read_to_string()?.as_str() {
            "" => Ok(Value::Null),
            body => Ok(serde_json::from_str(body)?),
        }
    }

    fn post(&self, path: &str, body: &Value) -> Done<Value> {
        let call = ureq::post(format!("{}{path}", self.base))
            .header("Content-Type", "application/json")
            .header("X-Kunji-Session", &self.session);
        Ok(serde_json::from_str(&call.send(body.to_string())?.body_mut().read_to_string()?)?)
    }
}

fn envelope(payload: &Value) -> Value {
    json!({"requestId": "merchant-app-1", "service": "in.juspay.hyperapi", "payload": payload})
}

fn text<'a>(value: &'a Value, name: &str) -> Done<&'a str> {
    let found = value.get(name).and_then(Value::as_str);
    found.ok_or_else(|| format!("no {name} in the answer").into())
}
