//! Token contents into commands: everything that a call must be before the rules see it.

use std::ops::RangeInclusive;

use kunji_core::card::Card;
use kunji_core::card::{BlockKind, Expiry, Standing};
use kunji_core::command::{Command, HolderCheck, HolderClaim, NewCard, Request, Target};
use kunji_core::ids::{
    Caller, CardTail, CredentialId, CredentialKind, CustomerId, Mobile, TXN_LEN_MAX, TxnId,
};
use kunji_core::index::IndexKey;
use kunji_core::reason::Reason;
use kunji_core::receipt::ReceiptKey;
use kunji_core::refusal::Refusal;
use kunji_core::store::Store;
use kunji_core::time::Stamp;
use kunji_vault::{BirthDate, PinBlock, PinLength};

use super::code::{Call, Code};
use super::reply::Refused;
use super::wire::{CallBody, Scalar};
use crate::app::Issuer;
use crate::config::PrepaidClient;
use crate::wall;

/// Something of ours broke, which is no refusal.
const UNABLE: Refused = Refused { code: Code::UnableToProcess, reason: None };
/// Why a face alone does not name a card.
const SEVERAL_CARDS: Reason =
    Reason::rule("several_cards", "several cards have these digits, expiry and birthday");
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
pub(super) async fn read(call: Call, body: CallBody, terms: &Terms<'_>) -> Result<Ask, Refused> {
    let code = Member { name: "messageCode", value: &body.message_code };
    if code.value.text() != Some(call.asked()) {
        return Err(code.refused(Code::InvalidMessageCode, call.asked()));
    }
    let at = Member { name: "requestDateTime", value: &body.request_date_time };
    if at.value.is_absent() {
        return Err(at.refused(Code::DateTimeMandatory, ""));
    }
    if !at.value.text().is_some_and(wall::is_compact) {
        return Err(at.refused(Code::InvalidDate, "a real date and time as YYYYMMDDHHMMSS"));
    }
    let txn = Member { name: "clientTxnId", value: &body.client_txn_id };
    let txn = txn.txn(Code::InvalidClientTxnId)?;
    match call {
        Call::ResetPin => {
            let command = Command::Reset {
                last_four: body.last_four(Code::InvalidMessage)?,
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
                Err(refused) => Err(unless_cardless(&body, terms, refused).await),
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
            let name = "verifyclientTxnId";
            let earlier = Member { name, value: &body.verify_client_txn_id };
            earlier.needed(Code::InvalidMessage)?;
            let txn = earlier.txn(Code::InvalidClientTxnId)?;
            Ok(Ask::Stored(ReceiptKey { caller: caller(terms.client)?, txn }))
        }
    }
}

/// One member of a call, under its name in the vendor's document.
#[derive(Clone, Copy)]
struct Member<'a> {
    name: &'static str,
    value: &'a Scalar,
}

impl<'a> Member<'a> {
    /// Refuses the member: it is not there, of another type, or not what it must be.
    fn refused(self, code: Code, expected: &'static str) -> Refused {
        let reason = match self.value {
            Scalar::Text(text) if !text.is_empty() => Reason::malformed(self.name, expected),
            Scalar::Text(_) | Scalar::Absent => Reason::missing(self.name),
            Scalar::Other => Reason::mistyped(self.name, "a string or a whole number"),
        };
        Refused::of(code, reason)
    }

    fn needed(self, code: Code) -> Result<&'a str, Refused> {
        self.value.text().ok_or_else(|| self.refused(code, ""))
    }

    fn short(self, code: Code, len_max: usize) -> Result<&'a str, Refused> {
        let text = self.needed(code)?;
        let len = text.chars().count();
        if len <= len_max {
            return Ok(text);
        }
        let number = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let (member, len_max, len) = (self.name.into(), number(len_max), number(len));
        Err(Refused::of(code, Reason::MemberTooLong { member, len_max, len }))
    }

    fn txn(self, code: Code) -> Result<TxnId, Refused> {
        let text = self.short(code, TXN_LEN_MAX)?;
        let expected = "1 to 100 printable ASCII characters without blanks";
        TxnId::parse(text).map_err(|_| self.refused(code, expected))
    }

    fn customer(self, code: Code) -> Result<CustomerId, Refused> {
        let expected = "1 to 64 letters, digits and ._-@:";
        let text = self.needed(code)?;
        CustomerId::parse(text).map_err(|_| self.refused(code, expected))
    }
}

impl CallBody {
    fn customer(&self, code: Code) -> Result<CustomerId, Refused> {
        Member { name: "customerId", value: &self.customer_id }.customer(code)
    }

    /// Four digits; a number has lost its leading zeros, so they come back.
    fn last_four(&self, code: Code) -> Result<CardTail, Refused> {
        let member = Member { name: "last4Digits", value: &self.last4_digits };
        let text = member.needed(code)?;
        let four = Some(format!("{text:0>4}")).filter(|text| text.len() == 4);
        let tail = four.and_then(|text| CardTail::parse(&text).ok());
        tail.ok_or_else(|| member.refused(code, "four digits"))
    }
}

/// All calls of one client share its request ids, so that check status finds any of them.
fn caller(client: &PrepaidClient) -> Result<Caller, Refused> {
    // The settings let no client in whose name cannot be one.
    Caller::parse(&format!("prepaid:{}", client.client_id)).map_err(|_| UNABLE)
}

fn run(terms: &Terms<'_>, txn: TxnId, target: Target, command: Command) -> Result<Ask, Refused> {
    let caller = caller(terms.client)?;
    let program = Some(terms.client.client_id.clone());
    Ok(Ask::Run(Box::new(Request { caller, txn, program, target, command })))
}

fn urn(value: &Scalar) -> Result<Target, Refused> {
    let member = Member { name: "urn", value };
    let text = member.needed(Code::InvalidMessage)?;
    let digits = text.len() <= 11 && text.bytes().all(|byte| byte.is_ascii_digit());
    let id = CredentialId::parse(CredentialKind::Card, text).ok().filter(|_| digits);
    id.map(Target::Known)
        .ok_or_else(|| member.refused(Code::InvalidMessage, "a number of 1 to 11 digits"))
}

fn new_pin(pin: Option<PinBlock>) -> Result<PinBlock, Refused> {
    let name = "newPIN";
    let reason = match pin {
        Some(pin) if pin.is_text() && !pin.is_empty() => return Ok(pin),
        Some(pin) if !pin.is_text() => {
            Reason::mistyped(name, "a string (a number has lost its leading zeros)")
        }
        Some(_) | None => Reason::missing(name),
    };
    Err(Refused::of(Code::InvalidMessage, reason))
}

/// A customer that cannot be one is certainly not the card's.
fn optional_customer(value: &Scalar) -> Result<Option<CustomerId>, Refused> {
    if value.is_absent() {
        return Ok(None);
    }
    Member { name: "customerId", value }.customer(Code::CustomerMismatch).map(Some)
}

fn card_and_customer(body: &CallBody) -> Result<(CardTail, CustomerId), Refused> {
    let last_four = body.last_four(Code::InvalidMessage)?;
    Ok((last_four, body.customer(Code::InvalidMessage)?))
}

/// A customer without a card has no digits and no urn to name: that comes first.
async fn unless_cardless(body: &CallBody, terms: &Terms<'_>, refused: Refused) -> Refused {
    let Ok(customer) = body.customer(Code::InvalidMessage) else { return refused };
    match terms.issuer.has_card(&customer, Some(&terms.client.client_id)).await {
        Ok(false) => Refused::of(Code::DataNotFound, Refusal::CustomerWithoutCard.into()),
        Ok(true) | Err(_) => refused,
    }
}

fn block_kind(value: &Scalar) -> Result<BlockKind, Refused> {
    let expected = "Custom, Temporary, Permanent, Debit, Credit or CreditDebit";
    match value.text() {
        Some("Custom") => Ok(BlockKind::Custom),
        Some("Temporary") => Ok(BlockKind::Temporary),
        Some("Permanent") => Ok(BlockKind::Permanent),
        Some("Debit") => Ok(BlockKind::Debit),
        Some("Credit") => Ok(BlockKind::Credit),
        Some("CreditDebit") => Ok(BlockKind::CreditDebit),
        Some(_) | None => {
            let member = Member { name: "blockType", value };
            Err(member.refused(Code::InvalidBlockType, expected))
        }
    }
}

/// Either urn, mobile and e-mail, or last four digits, expiry and birthday (then the urn may help).
async fn verify_cardholder(body: &CallBody, terms: &Terms<'_>, txn: TxnId) -> Result<Ask, Refused> {
    let mobile = Member { name: "customerMobile", value: body.holder_mobile() };
    let email = Member { name: "emailId", value: body.holder_email() };
    let named = Member { name: "urn", value: &body.urn };
    let last_four = Member { name: "last4Digits", value: &body.last4_digits };
    let expiry = Member { name: "cardExpiry", value: &body.card_expiry };
    let birth = Member { name: "dob", value: &body.dob };
    let absent = |member: &&Member<'_>| member.value.is_absent();
    let face = [last_four, expiry, birth];
    if ![mobile, email].iter().all(|member| absent(&member)) || face.iter().all(|m| absent(&m)) {
        if let Some(missing) = [named, mobile, email].iter().find(absent) {
            return Err(missing.refused(Code::ContactMissing, ""));
        }
        let claim = HolderClaim::Contact {
            mobile: parsed_mobile(mobile, 1..=15, "a mobile number, digits only")?,
            email: email.needed(Code::InvalidEmail)?.to_owned(),
        };
        return run(terms, txn, urn(&body.urn)?, Command::VerifyHolder(claim));
    }
    if let Some(missing) = face.iter().find(absent) {
        return Err(missing.refused(Code::FaceMissing, ""));
    }
    let last_four = body.last_four(Code::InvalidLastFour)?;
    let month = Expiry::parse_short(expiry.needed(Code::InvalidDate)?);
    let expiry = month.map_err(|_| expiry.refused(Code::InvalidDate, "a month as MMYY"))?;
    let day = dashed_date(birth.needed(Code::InvalidDate)?);
    let birth = day.ok_or_else(|| birth.refused(Code::InvalidDate, "a real day as dd-MM-yyyy"))?;
    let target = if named.value.is_absent() {
        card_with_face(terms, &last_four, expiry, birth).await?
    } else {
        urn(&body.urn)?
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
) -> Result<Target, Refused> {
    let client = terms.client.client_id.clone();
    let face = IndexKey::CardFace { client, last_four: last_four.clone(), expiry, birth };
    let found = terms.issuer.store.find(&face).await.map_err(|_| UNABLE)?;
    match found.as_slice() {
        [] => urn(&Scalar::Text("0".to_owned())),
        [card] => Ok(Target::Known(card.clone())),
        [_, _, ..] => Err(Refused::of(Code::SeveralAccounts, SEVERAL_CARDS)),
    }
}

fn parsed_mobile(
    member: Member<'_>,
    len: RangeInclusive<usize>,
    expected: &'static str,
) -> Result<Mobile, Refused> {
    let fits = member.value.text().filter(|text| len.contains(&text.len()));
    let mobile = fits.and_then(|text| Mobile::parse(text).ok());
    mobile.ok_or_else(|| member.refused(Code::InvalidMobile, expected))
}

fn new_card(body: &CallBody, terms: &Terms<'_>) -> Result<NewCard, Refused> {
    let filled =
        |name, value, code| Member { name, value }.short(code, NAME_LEN_MAX).map(str::to_owned);
    filled("productId", &body.product_id, Code::ProductIdBlank)?;
    let first = filled("firstName", &body.first_name, Code::FirstNameBlank)?;
    let last = filled("lastName", &body.last_name, Code::LastNameBlank)?;
    let mobile = Member { name: "mobile", value: &body.mobile };
    let mobile = parsed_mobile(mobile, 10..=13, "a mobile number of 10 to 13 digits")?;
    let customer = body.customer(Code::CustomerIdEmpty)?;
    let born = Member { name: "dateOfBirth", value: &body.date_of_birth };
    let text = born.needed(Code::BirthMandatory)?;
    let birth = dashed_date(text)
        .or_else(|| compact_date(text))
        .ok_or_else(|| born.refused(Code::InvalidDate, "a real day as dd-MM-yyyy or yyyyMMdd"))?;
    card_profile(body, terms.client)?;
    load_amount(&body.load_amount)?;
    let email = Member { name: "emailId", value: body.holder_email() };
    let email = match email.value.text() {
        None if email.value.is_absent() => None,
        Some(text) if is_email(text) => Some(text.to_owned()),
        Some(_) | None => return Err(email.refused(Code::InvalidEmail, "an e-mail address")),
    };
    let card = Card {
        client: terms.client.client_id.clone(),
        last_four: drawn_last_four(&terms.stamp)?,
        expiry: new_expiry(&terms.stamp)?,
        standing: standing(&body.new_card_status)?,
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

fn standing(value: &Scalar) -> Result<Standing, Refused> {
    let member = Member { name: "newCardStatus", value };
    match member.needed(Code::CardStatusBlank)? {
        "Active" => Ok(Standing::Active),
        "Inactive" => Ok(Standing::NotActive),
        _ => Err(member.refused(Code::InvalidCardStatus, "Active or Inactive")),
    }
}

/// A profile of the program that fits the product.
fn card_profile(body: &CallBody, client: &PrepaidClient) -> Result<(), Refused> {
    let member = Member { name: "cardProfileId", value: &body.card_profile_id };
    if member.value.is_absent() {
        return Err(member.refused(Code::ProfileMandatory, ""));
    }
    let digits = |text: &&str| {
        text.len() <= PROFILE_LEN_MAX && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let profile = member.value.text().filter(digits).and_then(|text| text.parse().ok());
    let profile: u32 = profile
        .ok_or_else(|| member.refused(Code::InvalidProfile, "a number of at most 9 digits"))?;
    if !client.card_profiles.contains(&profile) {
        return Err(member.refused(Code::ProfileNotFound, "one of the program's card profiles"));
    }
    let mut products = client.products.iter();
    let product = products.find(|product| body.product_id.text() == Some(&product.id));
    if product.is_none_or(|product| product.card_profiles.contains(&profile)) {
        Ok(())
    } else {
        Err(member.refused(Code::ProfileMismatch, "one of the product's card profiles"))
    }
}

/// An amount may be left out; what is there is a whole number, in digits.
fn load_amount(value: &Scalar) -> Result<(), Refused> {
    let digits = |text: &str| {
        (1..=AMOUNT_LEN_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    match value {
        Scalar::Absent => Ok(()),
        Scalar::Text(text) if digits(text) => Ok(()),
        Scalar::Text(_) | Scalar::Other => {
            let member = Member { name: "loadAmount", value };
            Err(member.refused(Code::InvalidMessage, "a whole number of at most 15 digits"))
        }
    }
}

fn is_email(text: &str) -> bool {
    let plain = text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let parts = text.split_once('@');
    plain && parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}

fn drawn_last_four(stamp: &Stamp) -> Result<CardTail, Refused> {
    let [.., high, low] = stamp.entropy;
    let drawn = u16::from_be_bytes([high, low]) % 10_000;
    CardTail::parse(&format!("{drawn:04}")).map_err(|_| UNABLE)
}

fn new_expiry(stamp: &Stamp) -> Result<Expiry, Refused> {
    let month = wall::month_after(stamp.now, CARD_YEARS * 12);
    Expiry::parse_short(&month).map_err(|_| UNABLE)
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
