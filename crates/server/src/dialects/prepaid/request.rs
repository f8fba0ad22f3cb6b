//! Token contents into commands: everything that a call must be before the rules see it.

use kunji_core::card::Card;
use kunji_core::card::{BlockKind, Expiry, Standing};
use kunji_core::command::{Command, HolderCheck, HolderClaim, NewCard, Request, Target};
use kunji_core::ids::{
    Caller, CardTail, CredentialId, CredentialKind, CustomerId, IdError, Mobile, TxnId,
};
use kunji_core::index::IndexKey;
use kunji_core::receipt::ReceiptKey;
use kunji_core::store::Store;
use kunji_core::time::Stamp;
use kunji_vault::{BirthDate, PinBlock, PinLength};

use super::code::{Call, Code};
use super::wire::{CallBody, Scalar};
use crate::app::Issuer;
use crate::config::PrepaidClient;
use crate::wall;

/// Longest name of a cardholder, in characters.
const NAME_LEN_MAX: usize = 50;
/// How long a new card is good.
const CARD_YEARS: i64 = 5;
/// Longest amount, in digits: JSON readers keep such numbers exactly.
const AMOUNT_LEN_MAX: usize = 15;
/// Longest card profile, in digits.
const PROFILE_LEN_MAX: usize = 9;

/// What the settings say about one call.
pub(super) struct Terms<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) client: &'a PrepaidClient,
    pub(super) holder: HolderCheck,
    pub(super) pin_length: PinLength,
    pub(super) stamp: Stamp,
}

/// What a call asks for, once it is well formed.
#[derive(Debug)]
pub(super) enum Ask {
    /// Of the rules, of one card.
    Run(Box<Request>),
    /// Of the receipts.
    Stored(ReceiptKey),
}

/// Reads one call; the checks run in the order of the contract's table.
pub(super) async fn read(call: Call, body: CallBody, terms: &Terms<'_>) -> Result<Ask, Code> {
    if body.message_code.text() != Some(call.asked()) {
        return Err(Code::InvalidMessageCode);
    }
    match &body.request_date_time {
        absent if absent.is_absent() => return Err(Code::DateTimeMandatory),
        Scalar::Text(text) if wall::is_compact(text) => {}
        Scalar::Text(_) | Scalar::Other | Scalar::Absent => return Err(Code::InvalidDate),
    }
    let txn = txn(&body.client_txn_id)?;
    match call {
        Call::ResetPin => {
            let command = Command::Reset {
                last_four: last_four(&body.last4_digits)?,
                customer: optional_customer(&body.customer_id)?,
                new: new_pin(body.new_pin)?,
                holder: terms.holder,
            };
            run(terms, txn, urn(&body.urn)?, command)
        }
        Call::CreateCard => {
            let command = Command::CreateCard(Box::new(new_card(&body, terms)?));
            run(terms, txn, Target::NewCard, command)
        }
        Call::VerifyCardholder => verify_cardholder(&body, terms, txn).await,
        Call::CardInquiry => {
            let named = card_and_customer(&body).and_then(|named| Ok((named, urn(&body.urn)?)));
            match named {
                Ok(((last_four, customer), urn)) => {
                    run(terms, txn, urn, Command::Inquire { last_four, customer })
                }
                Err(code) => Err(unless_cardless(&body, terms, code).await),
            }
        }
        Call::Block => {
            let kind = block_kind(&body.block_type)?;
            let (last_four, customer) = card_and_customer(&body)?;
            run(terms, txn, urn(&body.urn)?, Command::Block { last_four, customer, kind })
        }
        Call::Unblock => {
            let (last_four, customer) = card_and_customer(&body)?;
            run(terms, txn, urn(&body.urn)?, Command::Unblock { last_four, customer })
        }
        Call::CheckStatus => {
            let earlier = body.verify_client_txn_id.text().ok_or(Code::InvalidMessage)?;
            let txn = TxnId::parse(earlier).map_err(|_| Code::InvalidClientTxnId)?;
            Ok(Ask::Stored(ReceiptKey { caller: caller(terms.client)?, txn }))
        }
    }
}

/// All calls of one client share its request ids, so that check status finds any of them.
fn caller(client: &PrepaidClient) -> Result<Caller, Code> {
    Caller::parse(&format!("prepaid:{}", client.client_id)).map_err(|_| Code::InvalidMessage)
}

fn run(terms: &Terms<'_>, txn: TxnId, target: Target, command: Command) -> Result<Ask, Code> {
    let caller = caller(terms.client)?;
    let program = Some(terms.client.client_id.clone());
    Ok(Ask::Run(Box::new(Request { caller, txn, program, target, command })))
}

fn txn(value: &Scalar) -> Result<TxnId, Code> {
    let text = value.text().ok_or(Code::InvalidClientTxnId)?;
    TxnId::parse(text).map_err(|_| Code::InvalidClientTxnId)
}

fn urn(value: &Scalar) -> Result<Target, Code> {
    let text = value.text().ok_or(Code::InvalidMessage)?;
    let digits = text.len() <= 11 && text.bytes().all(|byte| byte.is_ascii_digit());
    let id = CredentialId::parse(CredentialKind::Card, text).ok().filter(|_| digits);
    id.map(Target::Known).ok_or(Code::InvalidMessage)
}

/// Four digits; a number has lost its leading zeros, so they come back.
fn last_four(value: &Scalar) -> Result<CardTail, Code> {
    let text = value.text().ok_or(Code::InvalidMessage)?;
    match text.len() {
        1..=4 => CardTail::parse(&format!("{text:0>4}")).map_err(|_| Code::InvalidMessage),
        _ => Err(Code::InvalidMessage),
    }
}

fn new_pin(pin: Option<PinBlock>) -> Result<PinBlock, Code> {
    pin.filter(|pin| pin.is_text() && !pin.is_empty()).ok_or(Code::InvalidMessage)
}

/// A customer that cannot be one is certainly not the card's.
fn optional_customer(value: &Scalar) -> Result<Option<CustomerId>, Code> {
    match value.is_absent() {
        true => Ok(None),
        false => customer(value).map(Some).map_err(|_| Code::CustomerMismatch),
    }
}

fn customer(value: &Scalar) -> Result<CustomerId, IdError> {
    CustomerId::parse(value.text().unwrap_or_default())
}

fn card_and_customer(body: &CallBody) -> Result<(CardTail, CustomerId), Code> {
    let last_four = last_four(&body.last4_digits)?;
    Ok((last_four, customer(&body.customer_id).map_err(|_| Code::InvalidMessage)?))
}

/// A customer without a card has no digits and no urn to name: that comes first.
async fn unless_cardless(body: &CallBody, terms: &Terms<'_>, code: Code) -> Code {
    let Ok(customer) = customer(&body.customer_id) else { return code };
    match terms.issuer.has_card(&customer, Some(&terms.client.client_id)).await {
        Ok(false) => Code::DataNotFound,
        Ok(true) | Err(_) => code,
    }
}

fn block_kind(value: &Scalar) -> Result<BlockKind, Code> {
    match value.text() {
        Some("Custom") => Ok(BlockKind::Custom),
        Some("Temporary") => Ok(BlockKind::Temporary),
        Some("Permanent") => Ok(BlockKind::Permanent),
        Some("Debit") => Ok(BlockKind::Debit),
        Some("Credit") => Ok(BlockKind::Credit),
        Some("CreditDebit") => Ok(BlockKind::CreditDebit),
        Some(_) | None => Err(Code::InvalidBlockType),
    }
}

/// Either urn, mobile and e-mail, or last four digits, expiry and birthday (then the urn may help).
async fn verify_cardholder(body: &CallBody, terms: &Terms<'_>, txn: TxnId) -> Result<Ask, Code> {
    let contact = [body.holder_mobile(), body.holder_email()];
    let face = [&body.last4_digits, &body.card_expiry, &body.dob];
    if contact.iter().any(|value| !value.is_absent()) || face.iter().all(|value| value.is_absent())
    {
        if contact.iter().any(|value| value.is_absent()) || body.urn.is_absent() {
            return Err(Code::ContactMissing);
        }
        let mobile = Mobile::parse(body.holder_mobile().text().unwrap_or_default());
        let claim = HolderClaim::Contact {
            mobile: mobile.map_err(|_| Code::InvalidMobile)?,
            email: body.holder_email().text().ok_or(Code::InvalidEmail)?.to_owned(),
        };
        return run(terms, txn, urn(&body.urn)?, Command::VerifyHolder(claim));
    }
    if face.iter().any(|value| value.is_absent()) {
        return Err(Code::FaceMissing);
    }
    let last_four = last_four(&body.last4_digits).map_err(|_| Code::InvalidLastFour)?;
    let expiry = Expiry::parse_short(body.card_expiry.text().unwrap_or_default());
    let expiry = expiry.map_err(|_| Code::InvalidDate)?;
    let birth = dashed_date(body.dob.text().unwrap_or_default()).ok_or(Code::InvalidDate)?;
    let target = match body.urn.is_absent() {
        true => card_with_face(terms, &last_four, expiry, birth).await?,
        false => urn(&body.urn)?,
    };
    let claim = HolderClaim::Face { last_four, expiry, birth };
    run(terms, txn, target, Command::VerifyHolder(claim))
}

/// The one card of the program with this face. Where there is none, a URN that no card has stands
/// for it: the rules then find nothing, and say so in the audit as well.
async fn card_with_face(
    terms: &Terms<'_>,
    last_four: &CardTail,
    expiry: Expiry,
    birth: BirthDate,
) -> Result<Target, Code> {
    let client = terms.client.client_id.clone();
    let face = IndexKey::CardFace { client, last_four: last_four.clone(), expiry, birth };
    let found = terms.issuer.store.find(&face).await.map_err(|_| Code::UnableToProcess)?;
    match found.as_slice() {
        [] => urn(&Scalar::Text("0".to_owned())),
        [card] => Ok(Target::Known(card.clone())),
        [_, _, ..] => Err(Code::SeveralAccounts),
    }
}

fn new_card(body: &CallBody, terms: &Terms<'_>) -> Result<NewCard, Code> {
    let filled = |value: &Scalar, code| match value.text() {
        Some(text) if text.chars().count() <= NAME_LEN_MAX => Ok(text.to_owned()),
        Some(_) | None => Err(code),
    };
    filled(&body.product_id, Code::ProductIdBlank)?;
    let first = filled(&body.first_name, Code::FirstNameBlank)?;
    let last = filled(&body.last_name, Code::LastNameBlank)?;
    let mobile = body.mobile.text().filter(|mobile| (10..=13).contains(&mobile.len()));
    let mobile = Mobile::parse(mobile.unwrap_or_default()).map_err(|_| Code::InvalidMobile)?;
    let customer = customer(&body.customer_id).map_err(|_| Code::CustomerIdEmpty)?;
    let birth = body.date_of_birth.text().ok_or(Code::BirthMandatory)?;
    let birth = dashed_date(birth).or_else(|| compact_date(birth)).ok_or(Code::InvalidDate)?;
    card_profile(body, terms.client)?;
    load_amount(&body.load_amount)?;
    let email = body.holder_email();
    let email = match (email.is_absent(), email.text()) {
        (true, _) => None,
        (false, Some(email)) if is_email(email) => Some(email.to_owned()),
        (false, _) => return Err(Code::InvalidEmail),
    };
    let standing = match body.new_card_status.text() {
        None => return Err(Code::CardStatusBlank),
        Some("Active") => Standing::Active,
        Some("Inactive") => Standing::NotActive,
        Some(_) => return Err(Code::InvalidCardStatus),
    };
    let card = Card {
        client: terms.client.client_id.clone(),
        last_four: drawn_last_four(&terms.stamp)?,
        expiry: new_expiry(&terms.stamp)?,
        standing,
        holder_verified: None,
    };
    let particulars =
        [&body.product_id, &body.card_profile_id, &body.new_card_status, &body.load_amount]
            .map(|value| value.text().unwrap_or_default().to_owned());
    let particulars = particulars.into_iter().chain([first.clone(), last.clone()]).collect();
    let holder_name = format!("{first} {last}");
    let (pin_length, birth) = (terms.pin_length, Some(birth));
    Ok(NewCard { card, customer, holder_name, birth, mobile, email, pin_length, particulars })
}

/// A profile of the program that fits the product.
fn card_profile(body: &CallBody, client: &PrepaidClient) -> Result<(), Code> {
    if body.card_profile_id.is_absent() {
        return Err(Code::ProfileMandatory);
    }
    let digits = |text: &&str| {
        text.len() <= PROFILE_LEN_MAX && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let profile = body.card_profile_id.text().filter(digits).and_then(|text| text.parse().ok());
    let profile: u32 = profile.ok_or(Code::InvalidProfile)?;
    if !client.card_profiles.contains(&profile) {
        return Err(Code::ProfileNotFound);
    }
    let mut products = client.products.iter();
    let product = products.find(|product| body.product_id.text() == Some(&product.id));
    match product.is_none_or(|product| product.card_profiles.contains(&profile)) {
        true => Ok(()),
        false => Err(Code::ProfileMismatch),
    }
}

/// An amount may be left out; what is there is a whole number, in digits.
fn load_amount(amount: &Scalar) -> Result<(), Code> {
    let digits = |text: &str| {
        (1..=AMOUNT_LEN_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    match amount {
        Scalar::Absent => Ok(()),
        Scalar::Text(text) if digits(text) => Ok(()),
        Scalar::Text(_) | Scalar::Other => Err(Code::InvalidMessage),
    }
}

fn is_email(text: &str) -> bool {
    let plain = text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let parts = text.split_once('@');
    plain && parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}

fn drawn_last_four(stamp: &Stamp) -> Result<CardTail, Code> {
    let [.., high, low] = stamp.entropy;
    let drawn = u16::from_be_bytes([high, low]) % 10_000;
    CardTail::parse(&format!("{drawn:04}")).map_err(|_| Code::UnableToProcess)
}

fn new_expiry(stamp: &Stamp) -> Result<Expiry, Code> {
    let month = wall::month_after(stamp.now, CARD_YEARS * 12);
    Expiry::parse_short(&month).map_err(|_| Code::UnableToProcess)
}

/// Reads `dd-MM-yyyy`.
fn dashed_date(text: &str) -> Option<BirthDate> {
    let mut parts = text.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let exact = parts.next().is_none() && day.len() == 2 && month.len() == 2 && year.len() == 4;
    exact.then(|| BirthDate::parse_iso(&format!("{year}-{month}-{day}")))?
}

/// Reads `yyyyMMdd`.
fn compact_date(text: &str) -> Option<BirthDate> {
    let (year, month, day) = (text.get(..4)?, text.get(4..6)?, text.get(6..)?);
    BirthDate::parse_iso(&format!("{year}-{month}-{day}"))
}
