//! The in-app SDK, row for row of its contract.

mod auth;
mod captures;
pub(crate) mod client;
mod crossing;
mod document;
mod envelope;
mod numbers;
mod pins;
mod profile;
mod repeats;
mod samples;
mod shape;

use serde_json::json;

use self::client::App;
pub(crate) use self::document::{CHANGE_DOCUMENT, SET_DOCUMENT};
use self::shape::{error_text, said};
use crate::coverage::Said;
use crate::support::{Answer, Kunji};

/// The seeded customers.
pub(crate) const NISHA: &str = "1234567";
const ARJUN: &str = "7654321";
const FARAH: &str = "5550001";

/// The seeded accounts that most cases use: one without an MPIN, one with [`PIN_2`].
pub(crate) const ACC_1: &str = "STOCKREF0001";
const ACC_2: &str = "STOCKREF0002";
const PIN_2: &str = "739105";
/// Arjun's account and its MPIN.
const ACC_3: &str = "STOCKREF0003";
const PIN_3: &str = "5937";

pub(crate) const VPA: &str = "something@handle";
const SECOND: &str = "second@handle";
const MOBILE: &str = "919876543210";

/// The tables of all actions of this dialect.
pub(crate) fn tables() -> Vec<(&'static str, &'static crate::coverage::Table)> {
    let modules = [
        auth::TABLES,
        captures::TABLES,
        envelope::TABLES,
        numbers::TABLES,
        pins::TABLES,
        profile::TABLES,
    ];
    modules.into_iter().flatten().copied().collect()
}

/// The code of a well-formed answer, for what goes before a case.
#[track_caller]
fn code(answer: &Answer) -> String {
    said(answer).code
}

/// One error of the SDK, byte for byte.
#[track_caller]
fn is_error(answer: &Answer, request_id: &str, code: &str, message: &str) -> Said {
    assert_eq!(answer.text(), error_text(request_id, code, message));
    said(answer)
}

/// How many SMS were sent to a number.
fn sms(kunji: &Kunji, mobile: &str) -> usize {
    let sent = kunji.get(&format!("/kunji/v1/sandbox/outbox?to={mobile}")).json();
    sent.as_array().unwrap().len()
}

/// Each VPA of a customer with its primary account, as the app sees them.
fn primaries(app: &App<'_>) -> Vec<(String, String)> {
    let app = App { session: None, ..app.clone() };
    let event = app.process("upiGetSessionToken", &json!({})).json();
    let linked = event["payload"]["vpaAccounts"].as_array().unwrap().clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let mut found = Vec::new();
    for one in &linked {
        if one["account"]["isPrimary"] == "true" {
            found.push((text(&one["vpa"]), text(&one["account"]["referenceId"])));
        }
    }
    found
}

/// Both of Nisha's VPAs with these primary accounts.
fn primary(first: &str, second: &str) -> Vec<(String, String)> {
    let pair = |vpa: &str, account: &str| (vpa.to_owned(), account.to_owned());
    vec![pair(VPA, first), pair(SECOND, second)]
}
