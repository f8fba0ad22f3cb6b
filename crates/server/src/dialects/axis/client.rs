//! Who calls: one of the clients of the configuration, known before anything else is read.

use axum::http::HeaderMap;
use kunji_core::ids::{Caller, IdError};
use kunji_core::reason::Reason;

use super::reply::{ApiError, Denied};
use crate::app::App;
use crate::config::AxisClient;

const ID: &str = "X-IBM-Client-Id";
const SECRET: &str = "X-IBM-Client-Secret";

/// The client whose id and secret the request carries. The sandbox's needs neither, but who sends
/// them must send the right ones.
pub(super) fn of<'a>(app: &'a App, headers: &HeaderMap) -> Result<&'a AxisClient, Denied> {
    let clients = &app.config().axis.clients;
    if app.is_sandbox() && !headers.contains_key(ID) && !headers.contains_key(SECRET) {
        return clients.first().ok_or_else(unknown);
    }
    let (id, secret) = (only(headers, ID)?, only(headers, SECRET)?);
    // All clients are compared, so that time does not tell which one came near.
    let found = clients.iter().fold(None, |found, client| match client.is(id, secret) {
        true => Some(client),
        false => found,
    });
    found.ok_or_else(unknown)
}

fn unknown() -> Denied {
    ApiError::UnknownClient.because(Reason::UnknownClient)
}

/// A header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Denied> {
    let denied = |reason| ApiError::UnknownClient.because(reason);
    let mut values = headers.get_all(name).iter();
    let first = values.next().ok_or_else(|| denied(Reason::HeaderMissing(name.into())))?;
    let text = first.to_str().ok().filter(|_| values.next().is_none());
    text.ok_or_else(|| {
        let expected = "there once, in printable ASCII".into();
        denied(Reason::HeaderMalformed { header: name.into(), expected })
    })
}

/// Each call of each client has request ids of its own.
pub(super) fn caller(client: &AxisClient, call: &str) -> Result<Caller, IdError> {
    Caller::parse(&format!("axis:{}:{call}", client.name))
}
