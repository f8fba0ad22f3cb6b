//! Who calls: the five headers of this vendor, and the sixth of version 3.
//!
//! Who sends wrong keys or secure codes too often is told nothing more about any for a while.

use axum::http::{Extensions, HeaderMap, StatusCode};

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
    let missing = |code| Plain::of(app, StatusCode::BAD_REQUEST, code);
    let client_id = text("clientId").ok_or_else(|| missing(Code::ClientIdNotPresent))?;
    let bank_id = text("bankId").ok_or_else(|| missing(Code::BankIdNotPresent))?;
    let secure_code = text("secureCode").ok_or_else(|| missing(Code::SecureCodeNotPresent))?;
    let consumer_id = match consumer {
        Consumer::NotAsked => None,
        Consumer::Asked => {
            let id = text("X-Consumer-Custom-ID");
            Some(id.ok_or_else(|| missing(Code::ConsumerNotPresent))?)
        }
    };
    let refused = |status, code| Plain::of(app, status, code);
    let stranger = || refused(StatusCode::UNAUTHORIZED, Code::InvalidClient);
    let api_key = text("x-api-key").ok_or_else(stranger)?;
    let clients = &app.config().prepaid.clients;
    let client = clients.iter().find(|client| client.client_id == client_id);
    let known = client.map(|client| client.client_id.as_str());
    let guesser = Guesser::of(extensions.get::<Peer>().copied(), known);
    app.admit_keys(&guesser).map_err(|after| Plain::too_many(app, after))?;
    let guessed = |plain: Plain| {
        app.count_wrong_key(&guesser, known.unwrap_or_default());
        plain
    };
    let client = client.filter(|client| client.api_key.matches(api_key));
    let client = client.ok_or_else(|| guessed(stranger()))?;
    if bank_id.parse() != Ok(client.bank_id) {
        return Err(refused(StatusCode::FORBIDDEN, Code::InvalidBankId));
    }
    if !client.secure_code.matches(secure_code) {
        return Err(guessed(refused(StatusCode::FORBIDDEN, Code::InvalidSecureCode)));
    }
    match (text("entityId"), consumer_id) {
        (Some(entity), _) if entity != client.entity_id => Err(missing(Code::InvalidMessage)),
        (None, _) => Err(missing(Code::InvalidMessage)),
        (Some(_), Some(id)) if !client.consumer_id.matches(id) => Err(guessed(stranger())),
        (Some(_), _) => Ok(client),
    }
}
