//! Answers as their requests were: signed in a header, in a JWS, or in a JWE around one.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use kunji_core::engine::{Answered, Fault, Workers as _};
use kunji_core::receipt::Reply;
use kunji_vault::{RsaScheme, Vault, VaultFault};

use super::integrity::Mode;
use super::reply::{Failure, plain};
use crate::app::App;
use crate::body::json;
use crate::telemetry::because;

const X_RESPONSE_SIGNATURE: HeaderName = HeaderName::from_static("x-response-signature");

/// What leaves: the body, and the header where the body stays as it is.
struct Protected {
    body: Vec<u8>,
    signature: Option<HeaderValue>,
}

/// Protects an answer with the newest key; the same words are protected anew each time.
pub(super) async fn respond(
    app: &App,
    mode: &Mode,
    Answered { reply, reason }: Answered,
    retry_after: Option<HeaderValue>,
) -> Response {
    let issuer = app.issuer();
    let (vault, mode, body) = (Arc::clone(&issuer.vault), mode.clone(), reply.body.clone());
    let protected = issuer.workers.run(move || protect(&vault, &mode, body)).await;
    let protected = match protected.and_then(|made| made.map_err(Fault::from)) {
        Ok(protected) => protected,
        Err(fault) => {
            app.report(&fault, "sign_answer");
            return Failure::unknown().into_response();
        }
    };
    let mut response = because(plain(Reply { body: protected.body, ..reply }), reason);
    let headers = response.headers_mut();
    if let Some(signature) = protected.signature {
        headers.insert(X_RESPONSE_SIGNATURE, signature);
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds);
    }
    response
}

fn protect(vault: &Vault, mode: &Mode, body: Vec<u8>) -> Result<Protected, VaultFault> {
    // The first key is made at the first start; if that failed, so does the signing.
    let _ = vault.ready_signing();
    match mode {
        Mode::Plain => {
            let (_, signature) = vault.sign(RsaScheme::Pss, &[&body])?;
            // Hexadecimal digits are always a header's value.
            Ok(Protected { body, signature: HeaderValue::try_from(hex(&signature)).ok() })
        }
        Mode::Jws => Ok(Protected { body: json(&vault.sign_jws(&body)?), signature: None }),
        Mode::Jwe(key) => {
            let sealed = key.seal(&vault.sign_jws(&body)?)?;
            Ok(Protected { body: json(&sealed), signature: None })
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
