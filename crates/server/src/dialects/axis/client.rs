//! Who calls: one of the clients of the configuration, known before anything else is read.

use axum::http::HeaderMap;
use kunji_core::ids::{Caller, IdError};

use super::reply::ApiError;
use crate::app::App;
use crate::config::AxisClient;

const ID: &str = "x-ibm-client-id";
const SECRET: &str = "x-ibm-client-secret";

/// The client whose id and secret the request carries. The sandbox's needs neither, but who sends
/// them must send the right ones.
pub(super) fn of<'a>(app: &'a App, headers: &HeaderMap) -> Result<&'a AxisClient, ApiError> {
    let clients = &app.config().axis.clients;
    if app.is_sandbox() && !headers.contains_key(ID) && !headers.contains_key(SECRET) {
        return clients.first().ok_or(ApiError::UnknownClient);
    }
    let (id, secret) =
        only(headers, ID).zip(only(headers, SECRET)).ok_or(ApiError::UnknownClient)?;
    // All clients are compared, so that time does not tell which one came near.
    let found = clients.iter().fold(None, |found, client| match client.is(id, secret) {
        true => Some(client),
        false => found,
    });
    found.ok_or(ApiError::UnknownClient)
}

/// A header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// Each call of each client has request ids of its own.
pub(super) fn caller(client: &AxisClient, call: &str) -> Result<Caller, IdError> {
    Caller::parse(&format!("axis:{}:{call}", client.name))
}
