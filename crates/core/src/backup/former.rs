//! Rows as stores of format 2 and their backups have them. Nothing here ever changes: what a record, a
//! credential or a receipt got since then is filled in where it is read.

use serde::Deserialize;

use super::rows::RowError;
use crate::aggregate::State;
use crate::audit::{Head, Subject};
use crate::capture::Capture;
use crate::credential::{Credential, Facts, Holder, OpenOtp, PinRecord, Registration, Told};
use crate::customer::Customer;
use crate::errand::Errand;
use crate::ids::CredentialId;
use crate::index::IndexKey;
use crate::mapper::{Address, Number};
use crate::outbox::Message;
use crate::receipt::{Receipt, ReceiptKey, Reply};
use crate::store::{Record, Row};
use crate::time::Millis;
use kunji_vault::{BlockMark, Fingerprint, PinLength, Verifier};

#[derive(Deserialize)]
enum FormerRow {
    Event(Subject, Vec<u8>),
    Record(Subject, Box<FormerRecord>),
    Receipt(ReceiptKey, FormerReceipt),
    Spent(BlockMark),
    Message(Message),
    Index(IndexKey, CredentialId),
    Errand(Errand),
}

#[derive(Deserialize)]
struct FormerRecord {
    head: Head,
    state: FormerState,
}

#[derive(Deserialize)]
#[expect(clippy::large_enum_variant, reason = "each is turned into its box at once")]
enum FormerState {
    Nothing,
    Credential(FormerCredential),
    Customer(Box<Customer>),
    Number(Box<Number>),
    Address(Box<Address>),
    Capture(Box<Capture>),
}

#[derive(Deserialize)]
struct FormerCredential {
    id: CredentialId,
    holder: Holder,
    facts: Facts,
    pin: FormerPin,
    otp: Option<OpenOtp>,
    registration: Registration,
}

#[derive(Deserialize)]
struct FormerPin {
    length: PinLength,
    kept: Vec<Verifier>,
    tries: u8,
    blocked_until: Option<Millis>,
}

#[derive(Deserialize)]
struct FormerReceipt {
    fingerprint: Fingerprint,
    reply: Reply,
    at: Millis,
    verdict: String,
    credential: Option<CredentialId>,
}

impl From<FormerRow> for Row {
    fn from(row: FormerRow) -> Self {
        match row {
            FormerRow::Event(subject, encoded) => Self::Event(subject, encoded),
            FormerRow::Record(subject, record) => Self::Record(subject, Box::new((*record).into())),
            FormerRow::Receipt(key, receipt) => Self::Receipt(key, receipt.into()),
            FormerRow::Spent(mark) => Self::Spent(mark),
            FormerRow::Message(message) => Self::Message(message),
            FormerRow::Index(key, id) => Self::Index(key, id),
            FormerRow::Errand(errand) => Self::Errand(errand),
        }
    }
}

impl From<FormerRecord> for Record {
    fn from(FormerRecord { head, state }: FormerRecord) -> Self {
        let state = match state {
            FormerState::Nothing => State::Nothing,
            FormerState::Credential(credential) => State::Credential(Box::new(credential.into())),
            FormerState::Customer(customer) => State::Customer(customer),
            FormerState::Number(number) => State::Number(number),
            FormerState::Address(address) => State::Address(address),
            FormerState::Capture(capture) => State::Capture(capture),
        };
        Self { head, state }
    }
}

impl From<FormerCredential> for Credential {
    fn from(credential: FormerCredential) -> Self {
        let FormerCredential { id, holder, facts, pin, otp, registration } = credential;
        let FormerPin { length, kept, tries, blocked_until } = pin;
        let pin = PinRecord { kept, tries, blocked_until, ..PinRecord::empty(length) };
        Self { id, holder, facts, pin, otp, registration, told: Told::default() }
    }
}

impl From<FormerReceipt> for Receipt {
    fn from(receipt: FormerReceipt) -> Self {
        let FormerReceipt { fingerprint, reply, at, verdict, credential } = receipt;
        // Its fingerprint holds the secrets as well, so that nothing it was asked for repeats it.
        let (secret, reason) = (None, None);
        Self { fingerprint, reply, at, verdict, credential, secret, reason }
    }
}

/// Reads the first row; gives what follows it as well.
pub(super) fn take_row(bytes: &[u8]) -> Result<(Row, &[u8]), RowError> {
    let (row, rest) = postcard::take_from_bytes::<FormerRow>(bytes).map_err(RowError)?;
    Ok((row.into(), rest))
}

/// Reads a record of such a store.
///
/// # Errors
/// `RowError` when the bytes are none, or more than one.
pub fn former_record(bytes: &[u8]) -> Result<Record, RowError> {
    match postcard::take_from_bytes::<FormerRecord>(bytes).map_err(RowError)? {
        (record, []) => Ok(record.into()),
        (_, _) => Err(RowError(postcard::Error::DeserializeBadEncoding)),
    }
}
