//! Who calls: the five headers of this vendor, and the sixth of version 3.

use axum::http::{HeaderMap, StatusCode};

use super::code::Code;
use super::reply::Plain;
use crate::app::App;
use crate::config::PrepaidClient;

/// Whether the call is one that names its consumer as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consumer {
    Asked,
    NotAsked,
}

/// Finds the client and checks what it says of itself; presence first, then the values.
pub(super) fn client<'a>(
    app: &'a App,
    headers: &HeaderMap,
    consumer: Consumer,
) -> Result<&'a PrepaidClient, Plain> {
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        value.filter(|value| !value.is_empty())
    };
    let missing = |code| Plain::of(StatusCode::BAD_REQUEST, code);
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
    let stranger = || Plain::of(StatusCode::UNAUTHORIZED, Code::InvalidClient);
    let api_key = text("x-api-key").ok_or_else(stranger)?;
    let clients = &app.config().prepaid.clients;
    let client =
        clients.iter().find(|client| client.client_id == client_id).ok_or_else(stranger)?;
    if !client.api_key.matches(api_key) {
        return Err(stranger());
    }
    if bank_id.parse() != Ok(client.bank_id) {
        return Err(Plain::of(StatusCode::FORBIDDEN, Code::InvalidBankId));
    }
    if !client.secure_code.matches(secure_code) {
        return Err(Plain::of(StatusCode::FORBIDDEN, Code::InvalidSecureCode));
    }
    match (text("entityId"), consumer_id) {
        (Some(entity), _) if entity != client.entity_id => Err(missing(Code::InvalidMessage)),
        (None, _) => Err(missing(Code::InvalidMessage)),
        (Some(_), Some(id)) if !client.consumer_id.matches(id) => Err(stranger()),
        (Some(_), _) => Ok(client),
    }
}
