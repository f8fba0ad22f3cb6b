//! Bodies into commands: everything that this vendor's request must be before the rules see it.

use axum::body::Bytes;
use axum::extract::Request as HttpRequest;
use axum::http::HeaderMap;
use kunji_core::card::Expiry;
use kunji_core::command::{Command, Request, Target};
use kunji_core::ids::{Caller, CardTail, CredentialId, CredentialKind, CustomerId, TxnId, Vpa};
use kunji_core::index::IndexKey;
use kunji_core::store::Store;
use kunji_vault::Transit;
use serde::Deserialize;

use super::reply::ApiError;
use super::wire::{AccountReference, ChangeMpin, LooseCred, OtpRequest, SetReset, Text};
use crate::app::App;
use crate::body::{self, BodyError, Object};
use crate::config::AxisMode;

/// What decides a request: a test id, or the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// `X-AXIS-TEST-ID`, compared as text; anything that is none of these is unsupported.
    Scenario(TestId),
    Live,
}

/// The test ids that somebody documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TestId {
    One,
    Two,
    Three,
    Four,
    Unsupported,
}

impl Mode {
    /// The configuration decides; in the sandbox a header may ask for live processing.
    pub(super) fn of(app: &App, headers: &HeaderMap) -> Self {
        let asked = headers
            .get("x-kunji-mode")
            .is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"live"));
        if app.config().axis.mode == AxisMode::Live || (app.is_sandbox() && asked) {
            return Self::Live;
        }
        Self::Scenario(match headers.get("x-axis-test-id").map(|id| id.as_bytes()) {
            Some(b"1") => TestId::One,
            Some(b"2") => TestId::Two,
            Some(b"3") => TestId::Three,
            Some(b"4") => TestId::Four,
            Some(_) | None => TestId::Unsupported,
        })
    }
}

/// Reads a whole JSON body.
pub(super) async fn bytes(request: HttpRequest) -> Result<Bytes, ApiError> {
    if !body::is_json(request.headers()) {
        return Err(ApiError::NotJson);
    }
    body::read(request.into_body()).await.map_err(|error| match error {
        BodyError::TooLarge => ApiError::TooLarge,
        BodyError::Incomplete => ApiError::InvalidInput,
    })
}

/// Reads the body's members; what is missing or mistyped is not told apart.
pub(super) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    let read = serde_json::from_slice::<Object<T>>(bytes);
    read.map(|Object(body)| body).map_err(|_| ApiError::InvalidInput)
}

fn named<T, E>(parsed: Result<T, E>) -> Result<T, ApiError> {
    parsed.map_err(|_| ApiError::InvalidInput)
}

/// Each call has request ids of its own.
fn request(
    call: &str,
    txn: &Text<'_>,
    account: CredentialId,
    command: Command,
) -> Result<Request, ApiError> {
    Ok(Request {
        caller: named(Caller::parse(call))?,
        txn: named(TxnId::parse(txn.as_str()))?,
        program: None,
        target: Target::Known(account),
        command,
    })
}

/// Change MPIN as a command.
pub(super) fn change(body: ChangeMpin<'_>, transit: Transit) -> Result<Request, ApiError> {
    let account = CredentialId::parse(CredentialKind::Account, body.ac.acc_ref_number.as_str());
    let command = Command::Change {
        customer: named(CustomerId::parse(body.customer_id.as_str()))?,
        vpa: Some(named(Vpa::parse(body.ac.vpa.as_str()))?),
        current: body.cred.data.code,
        new: body.newcred.data.code,
        transit,
    };
    request("axis:changempin", &body.txn_id, named(account)?, command)
}

/// Set / reset MPIN as a command: live processing needs the new MPIN and the OTP.
pub(super) async fn set_reset(app: &App, body: SetReset<'_>) -> Result<Request, ApiError> {
    let customer = named(CustomerId::parse(body.customerid.as_str()))?;
    let account = account(app, body.ac.as_ref(), &customer).await?;
    let code = |cred: LooseCred| cred.data.code;
    let command = Command::Set {
        customer,
        last_six: last_six(&body.card)?,
        expiry: named(Expiry::parse_long(body.expiry.as_str()))?,
        otp: body.otpcred.map(code).ok_or(ApiError::InvalidInput)?,
        atm_pin: body.atmpincred.map(code),
        new: body.mpincred.map(code).ok_or(ApiError::InvalidInput)?,
        transit: app.config().transit,
    };
    request("axis:set-reset-mpin", &body.txn_id, account, command)
}

/// An OTP request as a command.
pub(super) async fn otp_request(app: &App, body: OtpRequest<'_>) -> Result<Request, ApiError> {
    let customer = named(CustomerId::parse(body.customer_id.as_str()))?;
    let account = account(app, body.ac.as_ref(), &customer).await?;
    let card = (last_six(&body.card)?, named(Expiry::parse_long(body.expiry.as_str()))?);
    let command = Command::RequestOtp { customer, card: Some(card) };
    request("axis:otp-request", &body.txn_id, account, command)
}

fn last_six(card: &Text<'_>) -> Result<CardTail, ApiError> {
    match card.as_str().len() {
        6 => named(CardTail::parse(card.as_str())),
        _ => Err(ApiError::InvalidInput),
    }
}

/// The account that is named, else the customer's first. Where there is none, the customer's own
/// name stands for it: the rules then find nothing, and say so in the audit as well.
async fn account(
    app: &App,
    named_account: Option<&AccountReference<'_>>,
    customer: &CustomerId,
) -> Result<CredentialId, ApiError> {
    if let Some(ac) = named_account {
        let reference = ac.acc_ref_number.as_str();
        return named(CredentialId::parse(CredentialKind::Account, reference));
    }
    let found = app.issuer().store.find(&IndexKey::Customer(customer.clone())).await;
    let found = found.map_err(|fault| app.unknown(fault.into(), "find"))?;
    let account = found.into_iter().find(|id| id.kind() == CredentialKind::Account);
    match account {
        Some(account) => Ok(account),
        None => named(CredentialId::parse(CredentialKind::Account, customer.as_str())),
    }
}

impl App {
    fn unknown(&self, fault: kunji_core::engine::Fault, operation: &'static str) -> ApiError {
        self.report(&fault, operation);
        ApiError::Unknown
    }
}
