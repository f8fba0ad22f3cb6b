//! Bodies into commands: everything that this vendor's request must be before the rules see it.

use axum::body::Bytes;
use axum::extract::Request as HttpRequest;
use axum::http::HeaderMap;
use kunji_core::audit::Subject;
use kunji_core::card::Expiry;
use kunji_core::command::{AccountClaim, Command, Request, Target};
use kunji_core::credential::Credential;
use kunji_core::engine::Fault;
use kunji_core::ids::{CardTail, CredentialId, CredentialKind, CustomerId, TxnId, Vpa};
use kunji_core::index::IndexKey;
use kunji_core::store::Store;
use kunji_vault::Transit;
use serde::Deserialize;

use super::client;
use super::reply::ApiError;
use super::wire::{AccountReference, ChangeMpin, LooseCred, OtpRequest, SetReset, Text};
use crate::app::App;
use crate::body::{self, BodyError, Object};
use crate::config::{AxisClient, AxisMode};

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

/// From whose allowance a request is taken.
#[derive(Debug)]
pub(super) enum Allowance {
    /// The account's.
    Account(CredentialId),
    /// That of a customer's name, for who has not shown to be the customer: nobody uses up what
    /// is another's.
    Unproven(CustomerId),
}

fn request(
    (client, call): (&AxisClient, &str),
    txn: &Text<'_>,
    account: CredentialId,
    command: Command,
) -> Result<Request, ApiError> {
    Ok(Request {
        caller: named(client::caller(client, call))?,
        txn: named(TxnId::parse(txn.as_str()))?,
        program: None,
        target: Target::Known(account),
        command,
    })
}

/// Change MPIN as a command.
pub(super) fn change(
    client: &AxisClient,
    body: ChangeMpin<'_>,
    transit: Transit,
) -> Result<(Request, Allowance), ApiError> {
    let ChangeMpin { customer_id, bank, txn_id, ac, cred, newcred, _device } = body;
    if !cred.is_mpin() || !newcred.is_mpin() {
        return Err(ApiError::InvalidInput);
    }
    let account = CredentialId::parse(CredentialKind::Account, ac.acc_ref_number.as_str());
    let account = named(account)?;
    let said = |text: &Text<'_>| Some(text.as_str().to_owned());
    let particulars = [ac.name.as_str(), ac.status.as_str(), ac.kind.as_str(), ac.aeba.as_str()];
    let command = Command::Change {
        customer: named(CustomerId::parse(customer_id.as_str()))?,
        vpa: Some(named(Vpa::parse(ac.vpa.as_str()))?),
        account: AccountClaim {
            ifsc: said(&ac.ifsc),
            masked: said(&ac.masked),
            bank: said(&bank),
            particulars: particulars.map(str::to_owned).to_vec(),
        },
        current: cred.data.code,
        new: newcred.data.code,
        transit,
    };
    let request = request((client, "changempin"), &txn_id, account.clone(), command)?;
    Ok((request, Allowance::Account(account)))
}

/// Set / reset MPIN as a command: live processing needs the new MPIN and the OTP.
pub(super) async fn set_reset(
    app: &App,
    client: &AxisClient,
    body: SetReset<'_>,
) -> Result<(Request, Allowance), ApiError> {
    let applicant = Applicant {
        customer: named(CustomerId::parse(body.customerid.as_str()))?,
        account: named_account(body.ac.as_ref())?,
        last_six: last_six(&body.card)?,
        expiry: named(Expiry::parse_long(body.expiry.as_str()))?,
    };
    let code = |cred: LooseCred| cred.data.code;
    let otp = body.otpcred.map(code).ok_or(ApiError::InvalidInput)?;
    let atm_pin = body.atmpincred.map(code);
    let new = body.mpincred.map(code).ok_or(ApiError::InvalidInput)?;
    let (account, allowance) = applicant.find(app).await?;
    let Applicant { customer, last_six, expiry, .. } = applicant;
    let transit = app.config().transit;
    let command = Command::Set { customer, last_six, expiry, otp, atm_pin, new, transit };
    Ok((request((client, "set-reset-mpin"), &body.txn_id, account, command)?, allowance))
}

/// An OTP request as a command.
pub(super) async fn otp_request(
    app: &App,
    client: &AxisClient,
    body: OtpRequest<'_>,
) -> Result<(Request, Allowance), ApiError> {
    let applicant = Applicant {
        customer: named(CustomerId::parse(body.customer_id.as_str()))?,
        account: named_account(body.ac.as_ref())?,
        last_six: last_six(&body.card)?,
        expiry: named(Expiry::parse_long(body.expiry.as_str()))?,
    };
    let (account, allowance) = applicant.find(app).await?;
    let Applicant { customer, last_six, expiry, .. } = applicant;
    let command = Command::RequestOtp { customer, card: Some((last_six, expiry)) };
    Ok((request((client, "otp-request"), &body.txn_id, account, command)?, allowance))
}

fn last_six(card: &Text<'_>) -> Result<CardTail, ApiError> {
    match card.as_str().len() {
        6 => named(CardTail::parse(card.as_str())),
        _ => Err(ApiError::InvalidInput),
    }
}

/// The account that is named, if one is.
fn named_account(ac: Option<&AccountReference<'_>>) -> Result<Option<CredentialId>, ApiError> {
    let reference = ac.and_then(|ac| ac.acc_ref_number.as_ref());
    let parse = |text: &Text<'_>| CredentialId::parse(CredentialKind::Account, text.as_str());
    named(reference.map(parse).transpose())
}

/// Whose account no account is.
const NOBODY: &str = ":nobody";

/// Who wants to set an MPIN, in the words of a caller who may know nothing.
struct Applicant {
    customer: CustomerId,
    account: Option<CredentialId>,
    last_six: CardTail,
    expiry: Expiry,
}

impl Applicant {
    /// The account that is named, else the customer's first, where customer and card are its own.
    ///
    /// For all others it is nobody's: an unknown customer and a wrong card go the same way from
    /// here on, leave the same traces on the caller's chain, and touch no account. So neither
    /// answer nor time tells who banks here, and nobody uses up a customer's tries.
    async fn find(&self, app: &App) -> Result<(CredentialId, Allowance), ApiError> {
        let issuer = app.issuer();
        let broke = |fault: Fault| app.unknown(&fault, "find");
        let nobody = named(CredentialId::parse(CredentialKind::Account, NOBODY))?;
        let account = match &self.account {
            Some(account) => account.clone(),
            None => {
                let found = issuer.store.find(&IndexKey::Customer(self.customer.clone())).await;
                let found = found.map_err(|fault| broke(fault.into()))?;
                let mut accounts = found.into_iter();
                let first = accounts.find(|id| id.kind() == CredentialKind::Account);
                first.unwrap_or_else(|| nobody.clone())
            }
        };
        let subject = Subject::Credential(account.clone());
        let credential = issuer.look::<Credential>(&subject).await.map_err(broke)?;
        let proven = credential.is_some_and(|credential| {
            credential.is_proven_by(&self.customer, &self.last_six, self.expiry)
        });
        match proven {
            true => Ok((account.clone(), Allowance::Account(account))),
            false => Ok((nobody, Allowance::Unproven(self.customer.clone()))),
        }
    }
}

impl App {
    fn unknown(&self, fault: &Fault, operation: &'static str) -> ApiError {
        self.report(fault, operation);
        ApiError::Unknown
    }
}
