//! Outcomes and refusals in this vendor's words, inside and outside of the token.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kunji_core::card::Card;
use kunji_core::card::{BlockKind, Standing, Unusable};
use kunji_core::credential::{Credential, Facts};
use kunji_core::engine::{Verdict, Voice};
use kunji_core::reason::Reason;
use kunji_core::receipt::{Receipt, Reply};
use kunji_core::refusal::Refusal;
use kunji_core::time::{Millis, Stamp};
use serde::Serialize;

use super::code::{Call, Code};
use super::wire::{
    CallBody, CreatedReply, HolderReply, InquiryReply, PlainBody, ServiceReply, StatusReply,
    TokenBody,
};
use crate::app::App;
use crate::body::json;
use crate::config::PrepaidClient;
use crate::limiter::RetryAfter;
use crate::serials::Serial;
use crate::telemetry::{ReplyCode, because};
use crate::wall;

/// A failure without a token: who calls is not known, or nothing can be said in one.
#[derive(Debug)]
pub(super) struct Plain {
    at: Millis,
    status: StatusCode,
    code: Code,
    reason: Option<Reason>,
    retry_after: Option<RetryAfter>,
}

/// A call that the rules need not see: what the client is told, and why, for who runs this.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: Code,
    pub(super) reason: Option<Reason>,
}

impl Refused {
    pub(super) fn of(code: Code, reason: Reason) -> Self {
        Self { code, reason: Some(reason) }
    }
}

impl Plain {
    pub(super) fn of(app: &App, status: StatusCode, code: Code, reason: Reason) -> Self {
        Self { reason: Some(reason), ..Self::broken(app, status, code) }
    }

    pub(super) fn too_many(app: &App, after: RetryAfter, reason: Reason) -> Self {
        let busy = Self::of(app, StatusCode::TOO_MANY_REQUESTS, Code::UnableToProcess, reason);
        Self { retry_after: Some(after), ..busy }
    }

    /// A failure of ours, which is no refusal.
    pub(super) fn broken(app: &App, status: StatusCode, code: Code) -> Self {
        Self { at: app.clock().now(), status, code, reason: None, retry_after: None }
    }
}

impl IntoResponse for Plain {
    fn into_response(self) -> Response {
        let body = PlainBody {
            response_code: self.code.as_str(),
            response_date_time: wall::compact(self.at),
            response_message: self.code.message(),
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(RetryAfter { seconds }) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(ReplyCode(self.code.as_str()));
        because(response, self.reason)
    }
}

/// What every answer of one call echoes.
#[derive(Debug)]
pub(super) struct Echo {
    call: Call,
    urn: Option<u64>,
    customer: Option<String>,
    txn: Option<String>,
    client_id: String,
    bank_id: u32,
    profile: u32,
    load_amount: u64,
    numbers: Option<Numbers>,
}

/// The two numbers that an answer has for itself.
#[derive(Debug)]
struct Numbers {
    transaction: u64,
    reference: String,
}

impl Numbers {
    /// The serial, and twenty digits in which the second stands before it: those never come again,
    /// even when all serials have been given.
    fn of(serial: Serial, stamp: &Stamp) -> Self {
        let (second, transaction) = (stamp.real.0.max(0) / 1000, serial.number());
        Self { transaction, reference: format!("{second:010}{transaction:010}") }
    }
}

impl Echo {
    /// The same, once the call can be read.
    pub(super) fn with(self, body: &CallBody) -> Self {
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok());
        Self {
            urn: body.urn.text().and_then(|urn| urn.parse().ok()),
            customer: body.customer_id.text().map(str::to_owned),
            txn: body.client_txn_id.text().map(str::to_owned),
            profile: body.card_profile_id.text().and_then(|id| id.parse().ok()).unwrap_or(0),
            load_amount: number(body.load_amount.text()).unwrap_or(0),
            ..self
        }
    }

    /// The echo of a call that was not read yet.
    pub(super) fn blank(call: Call, client: &PrepaidClient) -> Self {
        Self {
            call,
            urn: None,
            customer: None,
            txn: None,
            client_id: client.client_id.clone(),
            bank_id: client.bank_id,
            profile: 0,
            load_amount: 0,
            numbers: None,
        }
    }

    /// The same with numbers of its own.
    pub(super) fn numbered(self, serial: Serial, stamp: &Stamp) -> Self {
        Self { numbers: Some(Numbers::of(serial, stamp)), ..self }
    }

    fn transaction(&self) -> Option<u64> {
        self.numbers.as_ref().map(|numbers| numbers.transaction)
    }

    fn reference(&self) -> Option<String> {
        self.numbers.as_ref().map(|numbers| numbers.reference.clone())
    }

    /// A failure: the echoes that are there, the code, the message and the time.
    pub(super) fn failure(&self, code: Code, stamp: &Stamp) -> Reply {
        let body = ServiceReply {
            urn: self.urn,
            customer_id: self.customer.as_deref(),
            description: None,
            response_code: code.as_str(),
            message_code: self.call.answered(),
            client_txn_id: self.txn.as_deref(),
            client_id: &self.client_id,
            response_date_time: wall::compact(stamp.now),
            accosa_transaction_id: self.transaction(),
            response_message: code.message(),
            accosa_ref_no: self.reference(),
            bank_id: self.bank_id,
        };
        let status = match code == Code::UnableToProcess {
            true => StatusCode::SERVICE_UNAVAILABLE,
            false => StatusCode::OK,
        };
        stored(status, code, &body, stamp)
    }

    /// The answer of check status around the stored answer of an earlier call.
    pub(super) fn status(&self, receipt: &Receipt, stamp: &Stamp) -> Reply {
        let about = receipt.credential.as_ref();
        let ended_well = [Code::Success, Code::Created].map(Code::as_str);
        let code = if ended_well.contains(&receipt.reply.code.as_str()) {
            Code::Ended
        } else {
            Code::Success
        };
        let body = StatusReply {
            urn: about.and_then(|card| card.name().parse().ok()),
            response_code: code.as_str(),
            message_code: self.call.answered(),
            client_txn_id: self.txn.as_deref().unwrap_or_default(),
            client_id: &self.client_id,
            response_date_time: wall::compact(stamp.now),
            response_message: self.call.success_message(),
            bank_id: self.bank_id,
            response_dump: [String::from_utf8_lossy(&receipt.reply.body).into_owned()],
        };
        stored(StatusCode::OK, code, &body, stamp)
    }

    fn success(&self, credential: &Credential, card: &Card, stamp: &Stamp) -> Reply {
        let ok = Code::Success;
        match self.call {
            Call::ResetPin | Call::Block | Call::Unblock | Call::CheckStatus => {
                stored(StatusCode::OK, ok, &self.service(credential, stamp), stamp)
            }
            Call::CreateCard => {
                let body = self.created(credential, card, stamp);
                stored(StatusCode::CREATED, Code::Created, &body, stamp)
            }
            Call::VerifyCardholder => {
                stored(StatusCode::OK, ok, &self.holder(credential, card, stamp), stamp)
            }
            Call::CardInquiry => {
                stored(StatusCode::OK, ok, &self.inquiry(credential, card, stamp), stamp)
            }
        }
    }

    fn service<'a>(&'a self, credential: &'a Credential, stamp: &Stamp) -> ServiceReply<'a> {
        ServiceReply {
            urn: urn(credential),
            customer_id: Some(credential.holder.customer.as_str()),
            description: self.call.description(),
            response_code: Code::Success.as_str(),
            message_code: self.call.answered(),
            client_txn_id: self.txn.as_deref(),
            client_id: &self.client_id,
            response_date_time: wall::compact(stamp.now),
            accosa_transaction_id: self.transaction(),
            response_message: self.call.success_message(),
            accosa_ref_no: self.reference(),
            bank_id: self.bank_id,
        }
    }

    fn created<'a>(
        &'a self,
        credential: &'a Credential,
        card: &Card,
        stamp: &Stamp,
    ) -> CreatedReply<'a> {
        CreatedReply {
            urn: urn(credential),
            customer_id: credential.holder.customer.as_str(),
            description: self.call.description().unwrap_or_default(),
            response_code: Code::Created.as_str(),
            message_code: self.call.answered(),
            client_txn_id: self.txn.as_deref().unwrap_or_default(),
            response_date_time: wall::compact(stamp.now),
            client_id: &self.client_id,
            accosa_transaction_id: self.transaction(),
            response_message: self.call.success_message(),
            bank_id: self.bank_id,
            accosa_ref_no: self.reference(),
            card_number: masked(card),
            card_expiry: card.expiry.short(),
            card_profile_id: self.profile,
            load_amount: self.load_amount,
        }
    }

    fn holder<'a>(
        &'a self,
        credential: &'a Credential,
        card: &'a Card,
        stamp: &Stamp,
    ) -> HolderReply<'a> {
        HolderReply {
            urn: urn(credential),
            customer_id: credential.holder.customer.as_str(),
            response_code: Code::Success.as_str(),
            message_code: self.call.answered(),
            client_txn_id: self.txn.as_deref().unwrap_or_default(),
            client_id: &self.client_id,
            response_date_time: wall::compact(stamp.now),
            accosa_transaction_id: self.transaction(),
            response_message: self.call.success_message(),
            bank_id: self.bank_id,
            last4_digits: card.last_four.as_str(),
            card_type: "PREPAID CARD",
            is_pan_valid: "N",
            kyc_status: "NO CDD",
        }
    }

    fn inquiry<'a>(
        &'a self,
        credential: &'a Credential,
        card: &Card,
        stamp: &Stamp,
    ) -> InquiryReply<'a> {
        let (description, card_status) = match card.standing {
            Standing::Active => ("Active", "0"),
            Standing::NotActive => ("Inactive", "9"),
            Standing::Blocked(_) => ("Blocked", "21"),
            Standing::Closed => ("Closed", "21"),
        };
        InquiryReply {
            urn: urn(credential),
            customer_id: credential.holder.customer.as_str(),
            description,
            response_code: Code::Success.as_str(),
            message_code: self.call.answered(),
            client_txn_id: self.txn.as_deref().unwrap_or_default(),
            client_id: &self.client_id,
            response_date_time: wall::compact(stamp.now),
            response_message: self.call.success_message(),
            bank_id: self.bank_id,
            card_number: masked(card),
            card_expiry: card.expiry.short(),
            card_status,
            available_balance: "0",
            available_cash_limit: "0",
        }
    }
}

impl Voice for Echo {
    fn say(&self, verdict: Verdict<'_>) -> Reply {
        let facts = verdict.credential.map(|credential| (credential, &credential.facts));
        match (verdict.outcome, facts) {
            (Err(refusal), _) => self.failure(refused(self.call, refusal), verdict.stamp),
            (Ok(_), Some((credential, Facts::Card(card)))) => {
                self.success(credential, card, verdict.stamp)
            }
            // The rules let a program see cards only; anything else is nobody's card.
            (Ok(_), Some((_, Facts::Account(_))) | None) => {
                self.failure(Code::CardNotFound, verdict.stamp)
            }
        }
    }
}

/// One word for each refusal. No PIN code is published, so a bad PIN is an invalid message.
fn refused(call: Call, refusal: Refusal) -> Code {
    match refusal {
        Refusal::Duplicate => Code::DuplicateRequest,
        Refusal::UnknownCredential => Code::CardNotFound,
        Refusal::LastFourMismatch => match call {
            Call::VerifyCardholder => Code::InvalidLastFour,
            Call::ResetPin
            | Call::CreateCard
            | Call::CardInquiry
            | Call::Block
            | Call::Unblock
            | Call::CheckStatus => Code::LastFourMismatch,
        },
        Refusal::OwnerMismatch | Refusal::CardCustomerMismatch => Code::CustomerMismatch,
        Refusal::CardUnusable(reason) => match reason {
            Unusable::Closed | Unusable::Expired => Code::CardClosed,
            Unusable::Blocked(kind) => blocked(kind),
            Unusable::NotActive => Code::CardNotActive,
        },
        Refusal::AlreadyBlocked(kind) => blocked(kind),
        Refusal::NotBlocked => Code::AlreadyUnblocked,
        Refusal::MobileTaken => Code::DuplicateMobile,
        Refusal::CustomerWithoutCard => Code::DataNotFound,
        Refusal::PinRefused(_) | Refusal::UnreadableBlock => Code::InvalidMessage,
        Refusal::HolderMismatch => Code::WrongHolder,
        Refusal::HolderNotVerified
        | Refusal::PinBlocked { .. }
        | Refusal::PinNotSet
        | Refusal::WrongPin { .. }
        | Refusal::RegistrationBlocked { .. }
        | Refusal::NoSuchDebitCard
        | Refusal::DebitCardExpired
        | Refusal::DebitCardRestricted
        | Refusal::DebitCardNeverActivated
        | Refusal::WrongAtmPin
        | Refusal::OtpExpired
        | Refusal::OtpTriesExceeded
        | Refusal::WrongOtp
        | Refusal::GuessBudgetUsedUp => Code::OperationNotAllowed,
    }
}

fn blocked(kind: BlockKind) -> Code {
    match kind {
        BlockKind::Temporary => Code::TemporaryBlock,
        BlockKind::Permanent => Code::PermanentBlock,
        BlockKind::Custom => Code::CustomBlock,
        BlockKind::Debit => Code::DebitBlock,
        BlockKind::Credit => Code::CreditBlock,
        BlockKind::CreditDebit => Code::CreditDebitBlock,
    }
}

fn urn(credential: &Credential) -> Option<u64> {
    credential.id.name().parse().ok()
}

fn masked(card: &Card) -> String {
    format!("XXXXXXXXXXXX{}", card.last_four)
}

fn stored<T: Serialize>(status: StatusCode, code: Code, body: &T, stamp: &Stamp) -> Reply {
    let (status, code) = (status.as_u16(), code.as_str().to_owned());
    Reply { status, code, body: json(body), nonce: stamp.entropy }
}

/// A reply on the wire: in a token under the client's key.
pub(super) fn respond(app: &App, client: &PrepaidClient, reply: &Reply) -> Response {
    let Ok(token) = client.key.seal(&reply.body, reply.nonce) else {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Plain::broken(app, status, Code::UnableToProcess).into_response();
    };
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(TokenBody { token })).into_response();
    let code = Code::ALL.iter().find(|code| code.as_str() == reply.code);
    if let Some(code) = code {
        response.extensions_mut().insert(ReplyCode(code.as_str()));
    }
    response
}
