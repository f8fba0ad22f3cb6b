//! What the sandbox prints at its start: addresses, and for each dialect commands that work.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kunji_core::time::{Clock as _, Stamp};
use kunji_vault::{HmacKey, RsaPrivate, RsaScheme};
use uuid::Uuid;

use super::stock;
use crate::app::App;

/// The banner for a sandbox that answers at `base`.
#[must_use]
pub fn banner(app: &App, base: &str, kept_in: Option<&std::path::Path>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "{}", Banner { app, base, kept_in });
    text
}

struct Banner<'a> {
    app: &'a App,
    base: &'a str,
    kept_in: Option<&'a std::path::Path>,
}

impl std::fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { app, base, kept_in } = self;
        writeln!(f, "Kunji sandbox at {base}")?;
        writeln!(f, "  try it in a browser   {base}/docs")?;
        writeln!(f, "  OpenAPI               {base}/openapi.json")?;
        writeln!(f, "  public keys           {base}/.well-known/jwks.json")?;
        match kept_in {
            Some(dir) => writeln!(f, "  state is kept in      {}", dir.display())?,
            None => writeln!(f, "  state ends with this process (keep it with --data DIR)")?,
        }
        let merchants = app.config().upi.merchants.iter();
        let mut channels = merchants.flat_map(|merchant| &merchant.channels);
        if let Some(webhook) = channels.find_map(|channel| channel.webhook.as_ref()) {
            writeln!(f, "  changes are posted to {} ({})", webhook.url, stock::WEBHOOK_SECRET)?;
        }
        writeln!(f)?;
        writeln!(f, "The commands below are made for the seed; after changes, reset first.")?;
        writeln!(f, "Those with a signature or a checksum are good for 15 minutes.\n")?;
        let stamp = app.clock().stamp();
        let txn = stamp.serial;
        writeln!(f, "Axis-style bank API: change MPIN, answer picked by test id 1 to 4\n")?;
        writeln!(f, "{}\n", change_mpin(base, "X-AXIS-TEST-ID: 1", txn, "5678"))?;
        writeln!(f, "The same, decided by the account: a real change, remembered\n")?;
        writeln!(f, "{}\n", change_mpin(base, "X-Kunji-Mode: live", txn, "4826"))?;
        if let Some(client) = app.config().prepaid.clients.first() {
            let call = reset_pin(&txn.to_string());
            if let Ok(token) = client.key.seal(call.as_bytes(), stamp.entropy) {
                let prefix = &app.config().prepaid.prefix;
                let headers = "-H 'x-api-key: 7fe1c0de' -H 'clientId: 2000' -H 'bankId: 7000' \
                    -H 'entityId: 100' -H 'secureCode: AfYtlO5kqdySIjXyNmGg3F' \
                    -H 'Content-Type: application/json'";
                writeln!(f, "Prepaid card API: reset PIN in an AES-192-CBC token\n")?;
                writeln!(
                    f,
                    "curl -s {base}{prefix}/api/onboarding/v1/resetPin {headers} \\\n  \
                     -d '{{\"token\":\"{token}\"}}' \\\n  \
                     | curl -s {base}{prefix}/api/v2/decrypt {headers} -d @-\n"
                )?;
            }
        }
        self.write_hyper(f, &stamp)?;
        self.write_merchants(f, &stamp)?;
        writeln!(f, "Our own API: is this the PIN of the card?\n")?;
        writeln!(
            f,
            "curl -s {base}/kunji/v1/credentials/card/70000000008/verify \
             -H 'Authorization: Bearer sandbox' \\\n  -H 'Content-Type: application/json' \
             -d '{{\"txn\":\"V{txn}\",\"pin\":\"481926\"}}'\n"
        )?;
        writeln!(f, "The SMS that would have been sent, the clock, and back to the start:\n")?;
        writeln!(f, "curl -s '{base}/kunji/v1/sandbox/outbox?to=919876543210'")?;
        writeln!(
            f,
            "curl -s {base}/kunji/v1/sandbox/clock -H 'Content-Type: application/json' \
             -d '{{\"advance\":\"24h\"}}'"
        )?;
        writeln!(f, "curl -s -X POST {base}/kunji/v1/sandbox/reset")
    }
}

impl Banner<'_> {
    /// The in-app SDK: an MPIN to be set.
    fn write_hyper(&self, f: &mut std::fmt::Formatter<'_>, stamp: &Stamp) -> std::fmt::Result {
        let signed = SIGNED.replace("{timestamp}", &stamp.real.0.to_string());
        let key = RsaPrivate::parse(stock::KEY).map_err(|_| std::fmt::Error)?;
        let signature = key.sign(RsaScheme::Pkcs1, &[signed.as_bytes()]);
        let signature = STANDARD.encode(signature.map_err(|_| std::fmt::Error)?);
        let body = SET_MPIN
            .replace("{id}", &Uuid::from_bytes(stamp.entropy).to_string())
            .replace("{key}", stock::STOCK.key_id)
            .replace("{signature}", &signature)
            .replace("{payload}", &signed.replace('"', "\\\""));
        writeln!(f, "In-app SDK: set an MPIN; open the captureUrl of the answer in a browser")?;
        writeln!(f, "(the OTP is in the outbox: see below)\n")?;
        writeln!(
            f,
            "curl -s {}/hyper/v1/process -H 'Content-Type: application/json' \\\n  -d '{body}'\n",
            self.base
        )
    }

    /// The UPI number API: a number to be disabled.
    fn write_merchants(&self, f: &mut std::fmt::Formatter<'_>, stamp: &Stamp) -> std::fmt::Result {
        let (merchant, channel) = (stock::STOCK.merchant, stock::STOCK.channel);
        let request = Uuid::from_bytes(stamp.entropy).simple().to_string();
        let body = DISABLE
            .replace("{id}", &format!("{}{request}", stock::STOCK.request_prefix))
            .replace("{device}", &"a".repeat(64));
        let timestamp = stamp.real.0.to_string();
        let key = HmacKey::parse(stock::STOCK.checksum_secret).map_err(|_| std::fmt::Error)?;
        let parts = [merchant, channel, &timestamp, &body].map(str::as_bytes);
        writeln!(f, "UPI number API: disable a number\n")?;
        writeln!(
            f,
            "curl -s {}{}/n2/merchants/upiNumber/update -H 'Content-Type: application/json' \\\n  \
             -H 'x-merchant-id: {merchant}' -H 'x-merchant-channel-id: {channel}' \\\n  \
             -H 'x-timestamp: {timestamp}' -H 'x-merchant-checksum: {}' \\\n  -d '{body}'\n",
            self.base,
            self.app.config().upi.prefix,
            key.checksum(&parts)
        )
    }
}

fn change_mpin(base: &str, header: &str, txn: u64, new: &str) -> String {
    let body = CHANGE_MPIN.replace("{txn}", &format!("TXN{txn}")).replace("{new}", new);
    format!(
        "curl -s {base}/api/transactions/v1/changempin -H '{header}' \\\n  \
         -H 'Content-Type: application/json' -d '{body}'"
    )
}

fn reset_pin(txn: &str) -> String {
    RESET_PIN.replace("{txn}", txn)
}

/// What the merchant signs for the customer whose app asks.
const SIGNED: &str = r#"{"merchant_id":"stock","customer_id":"1234567","timestamp":"{timestamp}"}"#;

const SET_MPIN: &str = r#"{"requestId":"abcd-12345-abcd-12345","service":"in.juspay.hyperapi","payload":{"action":"upiSetMpin","customerVpa":"something@handle","card":"123456","expiry":"1235","upiRequestId":"{id}","accountReferenceId":"STOCKREF0001","merchantKeyId":"{key}","signature":"{signature}","signaturePayload":"{payload}"}}"#;

const DISABLE: &str = r#"{"upiNumber":"87654321","merchantCustomerId":"1234567","upiRequestId":"{id}","vpa":"something@handle","action":"DISABLE","deviceFingerPrint":"{device}"}"#;

/// The vendor's own sample, with the ids and the new MPIN to be filled in.
const CHANGE_MPIN: &str = r#"{"ChangeMPINRequest":{"SubHeader":{"requestUUID":"req-1621234567890-123","serviceRequestId":"NB.GEN.UPIAPI.CHANGEMPIN","serviceRequestVersion":"1.0","channelId":"TEST"},"SetResetMPINRequestBody":{"customerId":"CIF12345678","bank":"AXIS","txnId":"{txn}","ac":{"accRefNumber":"ACC123456789","name":"John Doe","ifsc":"AXIS0000001","maskedAccnumber":"*****6789","status":"ACTIVE","type":"SAVINGS","vpa":"johndoe@axis","aeba":"N"},"cred":{"type":"PIN","subType":"MPIN","data":{"code":"1234"}},"newcred":{"type":"PIN","subType":"MPIN","data":{"code":"{new}"}},"device":{"app":"AXISBANK","id":"DCAD28A8A1AB48F99BBCA425B0912ECD","mobile":"918888888888","os":"Android","type":"MOB"}}}}"#;

const RESET_PIN: &str = r#"{"messageCode":"1120","requestDateTime":"20160715025837","clientTxnId":"{txn}","newPIN":"481926","urn":70000000008,"last4Digits":"1745","customerId":"IN00001201001868"}"#;
