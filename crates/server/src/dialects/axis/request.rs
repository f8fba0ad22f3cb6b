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
use kunji_core::reason::Reason;
use kunji_core::store::Store;
use kunji_vault::Transit;
use serde::Deserialize;

use super::client;
use super::reply::{ApiError, Denied};
use super::wire::{AccountReference, ChangeMpin, LooseCred, OtpRequest, SetReset, Text};
use crate::app::{App, UnknownMode};
use crate::body::{self, BodyError, Object};
use crate::config::{AxisClient, AxisMode};
use crate::misread;

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
    Missing,
}

/// The header that carries one.
const TEST_ID: &str = "X-AXIS-TEST-ID";

impl TestId {
    /// Why a call that knows these ids answers as it does.
    pub(super) fn reason(self, known: &'static str) -> Reason {
        match self {
            Self::One | Self::Two | Self::Three | Self::Four => Reason::Scenario,
            Self::Unsupported => {
                Reason::HeaderMalformed { header: TEST_ID.into(), expected: known.into() }
            }
            Self::Missing => Reason::HeaderMissing(TEST_ID.into()),
        }
    }
}

impl Mode {
    /// The configuration decides; in the sandbox a header may ask for live processing.
    ///
    /// # Errors
    /// `Denied` when it asks for something else.
    pub(super) fn of(app: &App, headers: &HeaderMap) -> Result<Self, Denied> {
        let unknown = |mode: UnknownMode| ApiError::InvalidInput.because(mode.into());
        let asked = app.asks_live(headers).map_err(unknown)?;
        if app.config().axis.mode == AxisMode::Live || asked {
            return Ok(Self::Live);
        }
        Ok(Self::Scenario(match headers.get(TEST_ID).map(|id| id.as_bytes()) {
            Some(b"1") => TestId::One,
            Some(b"2") => TestId::Two,
            Some(b"3") => TestId::Three,
            Some(b"4") => TestId::Four,
            None | Some(b"") => TestId::Missing,
            Some(_) => TestId::Unsupported,
        }))
    }
}

/// Reads a whole JSON body.
pub(super) async fn bytes(request: HttpRequest) -> Result<Bytes, Denied> {
    let bytes = body::read(request).await;
    bytes.map_err(|error| {
        let refused = match error {
            BodyError::NotJson | BodyError::Encoded => ApiError::NotJson,
            BodyError::TooLarge => ApiError::TooLarge,
            BodyError::Incomplete => ApiError::InvalidInput,
        };
        refused.because(error.into())
    })
}

/// Reads the body's members; what is missing or mistyped is not told apart on the wire.
pub(super) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Denied> {
    let read = serde_json::from_slice::<Object<T>>(bytes);
    read.map(|Object(body)| body)
        .map_err(|_| ApiError::InvalidInput.because(misread::explain::<T>(bytes)))
}

const NAME: &str = "1 to 64 letters, digits and ._-@:";
const TXN: &str = "printable ASCII without blanks";
const MONTH: &str = "a month as MM/YYYY";

/// What a member's text must be.
fn named<T, E>(
    parsed: Result<T, E>,
    member: &'static str,
    expected: &'static str,
) -> Result<T, Denied> {
    parsed.map_err(|_| invalid(Reason::malformed(member, expected)))
}

fn invalid(reason: Reason) -> Denied {
    ApiError::InvalidInput.because(reason)
}

/// From whose allowance a request is taken.
#[derive(Debug)]
pub(super) enum Allowance {
    /// The account's.
    Account(CredentialId),
    /// That of a customer's name, for who has not shown to be the customer, and why not: nobody
    /// uses up what is another's.
    Unproven(CustomerId, Reason),
}

fn request(
    (client, call): (&AxisClient, &str),
    txn: &Text<'_>,
    account: CredentialId,
    command: Command,
) -> Result<Request, Denied> {
    Ok(Request {
        caller: named(client::caller(client, call), "client", NAME)?,
        txn: named(TxnId::parse(txn.as_str()), "txnId", TXN)?,
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
) -> Result<(Request, Allowance), Denied> {
    let ChangeMpin { customer_id, bank, txn_id, ac, cred, newcred, _device } = body;
    cred.must_be_mpin(["cred.type", "cred.subType"]).map_err(invalid)?;
    newcred.must_be_mpin(["newcred.type", "newcred.subType"]).map_err(invalid)?;
    let account = account_named(&ac.acc_ref_number)?;
    let said = |text: &Text<'_>| Some(text.as_str().to_owned());
    let particulars = [ac.name.as_str(), ac.status.as_str(), ac.kind.as_str(), ac.aeba.as_str()];
    let command = Command::Change {
        customer: named(CustomerId::parse(customer_id.as_str()), "customerId", NAME)?,
        vpa: Some(named(Vpa::parse(ac.vpa.as_str()), "ac.vpa", "a VPA")?),
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
) -> Result<(Request, Allowance), Denied> {
    let applicant = Applicant {
        customer: named(CustomerId::parse(body.customerid.as_str()), "customerid", NAME)?,
        account: named_account(body.ac.as_ref())?,
        last_six: last_six(&body.card)?,
        expiry: named(Expiry::parse_long(body.expiry.as_str()), "expiry", MONTH)?,
    };
    let code = |cred: Option<LooseCred>, member| {
        let missing = || invalid(Reason::missing(member));
        cred.map(|cred| cred.data.code).ok_or_else(missing)
    };
    let otp = code(body.otpcred, "otpcred")?;
    let new = code(body.mpincred, "mpincred")?;
    let atm_pin = body.atmpincred.map(|cred| cred.data.code);
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
) -> Result<(Request, Allowance), Denied> {
    let applicant = Applicant {
        customer: named(CustomerId::parse(body.customer_id.as_str()), "customerId", NAME)?,
        account: named_account(body.ac.as_ref())?,
        last_six: last_six(&body.card)?,
        expiry: named(Expiry::parse_long(body.expiry.as_str()), "expiry", MONTH)?,
    };
    let (account, allowance) = applicant.find(app).await?;
    let Applicant { customer, last_six, expiry, .. } = applicant;
    let command = Command::RequestOtp { customer, card: Some((last_six, expiry)) };
    Ok((request((client, "otp-request"), &body.txn_id, account, command)?, allowance))
}

fn last_six(card: &Text<'_>) -> Result<CardTail, Denied> {
    let digits = Some(card.as_str()).filter(|card| card.len() == 6).unwrap_or_default();
    named(CardTail::parse(digits), "card", "six digits")
}

fn account_named(reference: &Text<'_>) -> Result<CredentialId, Denied> {
    let account = CredentialId::parse(CredentialKind::Account, reference.as_str());
    named(account, "ac.accRefNumber", NAME)
}

/// The account that is named, if one is.
fn named_account(ac: Option<&AccountReference<'_>>) -> Result<Option<CredentialId>, Denied> {
    ac.and_then(|ac| ac.acc_ref_number.as_ref()).map(account_named).transpose()
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
    async fn find(&self, app: &App) -> Result<(CredentialId, Allowance), Denied> {
        let issuer = app.issuer();
        let broke = |fault: Fault| {
            app.report(&fault, "find");
            Denied::from(fault)
        };
        let nobody = named(CredentialId::parse(CredentialKind::Account, NOBODY), "account", NAME)?;
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
        let proven = match &credential {
            Some(credential) => credential.proven_by(&self.customer, &self.last_six, self.expiry),
            None => Err(Reason::NoSuchCredential),
        };
        match proven {
            Ok(()) => Ok((account.clone(), Allowance::Account(account))),
            Err(reason) => Ok((nobody, Allowance::Unproven(self.customer.clone(), reason))),
        }
    }
}
