//! What the sandbox prints at its start: addresses, and for each dialect commands that work.

use std::fmt::Write;

use kunji_core::time::Clock as _;

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
            Some(dir) => writeln!(f, "  state is kept in      {}\n", dir.display())?,
            None => writeln!(f, "  state ends with this process (keep it with --data DIR)\n")?,
        }
        writeln!(f, "The commands below are made for the seed; after changes, reset first.\n")?;
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
        writeln!(f, "Our own API: is this the PIN of the card?\n")?;
        writeln!(
            f,
            "curl -s {base}/kunji/v1/credentials/card/70000000008/verify \
             -H 'Authorization: Bearer sandbox' \\\n  -H 'Content-Type: application/json' \
             -d '{{\"txn\":\"V{txn}\",\"pin\":\"481926\"}}'\n"
        )?;
        writeln!(f, "The SMS that would have been sent, the clock, and back to the start:\n")?;
        writeln!(f, "curl -s '{base}/kunji/v1/sandbox/outbox?to=918888888888'")?;
        writeln!(
            f,
            "curl -s {base}/kunji/v1/sandbox/clock -H 'Content-Type: application/json' \
             -d '{{\"advance\":\"24h\"}}'"
        )?;
        writeln!(f, "curl -s -X POST {base}/kunji/v1/sandbox/reset")
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

/// The vendor's own sample, with the ids and the new MPIN to be filled in.
const CHANGE_MPIN: &str = r#"{"ChangeMPINRequest":{"SubHeader":{"requestUUID":"req-1621234567890-123","serviceRequestId":"NB.GEN.UPIAPI.CHANGEMPIN","serviceRequestVersion":"1.0","channelId":"TEST"},"SetResetMPINRequestBody":{"customerId":"CIF12345678","bank":"AXIS","txnId":"{txn}","ac":{"accRefNumber":"ACC123456789","name":"John Doe","ifsc":"AXIS0000001","maskedAccnumber":"*****6789","status":"ACTIVE","type":"SAVINGS","vpa":"johndoe@axis","aeba":"N"},"cred":{"type":"PIN","subType":"MPIN","data":{"code":"1234"}},"newcred":{"type":"PIN","subType":"MPIN","data":{"code":"{new}"}},"device":{"app":"AXISBANK","id":"DCAD28A8A1AB48F99BBCA425B0912ECD","mobile":"918888888888","os":"Android","type":"MOB"}}}}"#;

const RESET_PIN: &str = r#"{"messageCode":"1120","requestDateTime":"20160715025837","clientTxnId":"{txn}","newPIN":"481926","urn":70000000008,"last4Digits":"1745","customerId":"IN00001201001868"}"#;
