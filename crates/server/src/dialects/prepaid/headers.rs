//! Who calls: the five headers of this vendor, and the sixth of version 3.
//!
//! Who sends wrong keys or secure codes too often is told nothing more about any for a while.

use axum::http::{Extensions, HeaderMap, StatusCode};
use kunji_core::reason::Reason;

use super::code::Code;
use super::reply::Plain;
use crate::app::App;
use crate::brake::Guesser;
use crate::config::PrepaidClient;
use crate::listener::Peer;

/// Whether the call is one that names its consumer as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consumer {
    Asked,
    NotAsked,
}

/// Finds the client and checks what it says of itself; presence first, then the values.
pub(super) fn client<'a>(
    app: &'a App,
    (headers, extensions): (&HeaderMap, &Extensions),
    consumer: Consumer,
) -> Result<&'a PrepaidClient, Plain> {
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        value.filter(|value| !value.is_empty())
    };
    let missing = |code, header: &'static str| {
        let reason = Reason::HeaderMissing(header.into());
        Plain::of(app, StatusCode::BAD_REQUEST, code, reason)
    };
    let needed = |header, code| text(header).ok_or_else(|| missing(code, header));
    let client_id = needed("clientId", Code::ClientIdNotPresent)?;
    let bank_id = needed("bankId", Code::BankIdNotPresent)?;
    let secure_code = needed("secureCode", Code::SecureCodeNotPresent)?;
    let consumer_id = match consumer {
        Consumer::NotAsked => None,
        Consumer::Asked => Some(needed("X-Consumer-Custom-ID", Code::ConsumerNotPresent)?),
    };
    let stranger = |reason| Plain::of(app, StatusCode::UNAUTHORIZED, Code::InvalidClient, reason);
    let forbidden = |code, header: &'static str| {
        Plain::of(app, StatusCode::FORBIDDEN, code, Reason::HeaderMismatch(header.into()))
    };
    let no_key = || stranger(Reason::HeaderMissing("x-api-key".into()));
    let api_key = text("x-api-key").ok_or_else(no_key)?;
    let clients = &app.config().prepaid.clients;
    let client = clients.iter().find(|client| client.client_id == client_id);
    let known = client.map(|client| client.client_id.as_str());
    let guesser = Guesser::of(extensions.get::<Peer>().copied(), known);
    let braked = |after| Plain::too_many(app, after, Reason::GuessingKeys);
    app.admit_keys(&guesser).map_err(braked)?;
    let guessed = |plain: Plain| {
        app.count_wrong_key(&guesser, known.unwrap_or_default());
        plain
    };
    let client = client.filter(|client| client.api_key.matches(api_key));
    let client = client.ok_or_else(|| guessed(stranger(Reason::UnknownClient)))?;
    if bank_id.parse() != Ok(client.bank_id) {
        return Err(forbidden(Code::InvalidBankId, "bankId"));
    }
    if !client.secure_code.matches(secure_code) {
        return Err(guessed(forbidden(Code::InvalidSecureCode, "secureCode")));
    }
    let entity_id = needed("entityId", Code::InvalidMessage)?;
    if entity_id != client.entity_id {
        let reason = Reason::HeaderMismatch("entityId".into());
        return Err(Plain::of(app, StatusCode::BAD_REQUEST, Code::InvalidMessage, reason));
    }
    match consumer_id {
        Some(id) if !client.consumer_id.matches(id) => {
            let reason = Reason::HeaderMismatch("X-Consumer-Custom-ID".into());
            Err(guessed(stranger(reason)))
        }
        Some(_) | None => Ok(client),
    }
}
