//! A credential: one account's MPIN or one card's PIN, and what guards it.
//!
//! ```text
//!            set / reset                      wrong x tries_max
//!  not set ───────────────▶ set ◀──────────┐ ────────────────────▶ blocked until
//!                            │ right PIN:   │                          │
//!                            └ counter to 0 ┘ ◀── time, set / reset, operator
//! ```
//!
//! `plan` says what to ask the vault, `decide` says what follows. Both are pure.

mod card_service;
mod claim;
mod pin;
mod registration;
#[cfg(test)]
pub(crate) mod sample;

use kunji_vault::{BirthDate, IssuedOtp, PinLength, Policy, Verifier, Weakness};
use serde::{Deserialize, Serialize};

use self::registration::CardClaim;
use crate::audit::Counters;
use crate::card::{Card, DebitCard};
use crate::command::{Command, NewCard};
use crate::ids::{CredentialId, CustomerId, Mobile, Vpa};
use crate::index::IndexKey;
use crate::outbox::Message;
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::rules::{HISTORY_LEN, Rules};
use crate::time::{DAY_MS, Millis, Stamp};

/// Most VPAs that one account may carry.
pub const VPAS_MAX: usize = 20;

/// One account's MPIN or one card's PIN, with the facts that decide about it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credential {
    /// Which one.
    pub id: CredentialId,
    /// Whose it is.
    pub holder: Holder,
    /// What it belongs to.
    pub facts: Facts,
    /// The PIN and its tries.
    pub pin: PinRecord,
    /// The OTP that is open for setting the PIN.
    pub otp: Option<OpenOtp>,
    /// Failed tries to set the PIN.
    pub registration: Registration,
    /// What was told about the PIN in the last 24 hours.
    pub told: Told,
}

impl Credential {
    /// All that secrets are held against.
    pub fn verifiers(&self) -> impl Iterator<Item = &Verifier> {
        let card = match &self.facts {
            Facts::Account(account) => account.debit_card.as_ref(),
            Facts::Card(_) => None,
        };
        let otp = self.otp.as_ref().map(|otp| &otp.verifier);
        self.pin.kept.iter().chain(otp).chain(card.and_then(|card| card.atm_pin.as_ref()))
    }
}

/// The person behind a credential.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Holder {
    /// The issuer's customer.
    pub customer: CustomerId,
    /// Name as the issuer writes it.
    pub name: String,
    /// Birthday, when the issuer knows it.
    pub birth: Option<BirthDate>,
    /// Registered mobile number.
    pub mobile: Mobile,
    /// E-mail address, when the issuer knows it.
    pub email: Option<String>,
}

/// What a PIN opens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "an account is the common case, and would pay for the box at every load"
)]
pub enum Facts {
    /// A bank account.
    Account(Account),
    /// A prepaid card.
    Card(Card),
}

/// A bank account's facts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    /// IFSC of its branch.
    pub ifsc: String,
    /// Account number with its last digits visible.
    pub masked: String,
    /// How the account is known across banks.
    pub bank: BankFacts,
    /// VPAs that draw on it.
    pub vpas: Vec<Vpa>,
    /// The debit card that proves the customer.
    pub debit_card: Option<DebitCard>,
}

/// What payment service providers are told of an account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BankFacts {
    /// The bank's issuer identification number.
    pub iin: String,
    /// The account's id across banks.
    pub unique_id: String,
    /// The branch's name.
    pub branch: String,
    /// What kind of account it is: `SAVINGS`, `CURRENT`.
    pub kind: String,
    /// The balance in rupees, with two decimals.
    pub balance: String,
}

/// The PIN that is kept, and the tries against it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PinRecord {
    /// How many digits the account or product demands.
    pub length: PinLength,
    /// The newest PINs, the current one first; at most three, empty when not set.
    pub kept: Vec<Verifier>,
    /// Consecutive wrong tries.
    pub tries: u8,
    /// End of the block, while there is one.
    pub blocked_until: Option<Millis>,
}

/// What the PIN's state is at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinState {
    /// Never set.
    NotSet,
    /// Set and usable.
    Set,
    /// Set, but nothing is compared before this instant.
    Blocked(Millis),
}

impl PinRecord {
    /// A record without a PIN.
    #[must_use]
    pub fn empty(length: PinLength) -> Self {
        Self { length, kept: Vec::new(), tries: 0, blocked_until: None }
    }

    /// The state at an instant: a block ends by itself.
    #[must_use]
    pub fn state(&self, now: Millis) -> PinState {
        match (self.blocked_until, self.kept.first()) {
            (Some(until), _) if now < until => PinState::Blocked(until),
            (_, None) => PinState::NotSet,
            (_, Some(_)) => PinState::Set,
        }
    }

    /// Takes a new current PIN; the counter and the block fall.
    fn keep(&mut self, verifier: Verifier) {
        self.kept.insert(0, verifier);
        self.kept.truncate(HISTORY_LEN);
        self.clear_tries();
    }

    fn clear_tries(&mut self) {
        self.tries = 0;
        self.blocked_until = None;
    }
}

/// An OTP that was sent and not yet used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenOtp {
    /// What an OTP is held against.
    pub verifier: Verifier,
    /// When it stops being good.
    pub expires: Millis,
    /// Wrong tries so far.
    pub tries: u8,
}

/// Failed registrations that still count.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Registration {
    /// Failures that count.
    pub failures: u8,
    /// Wrong ATM PINs that count; only a right one clears them.
    pub atm_pin_tries: u8,
    /// The last failure; what counts falls when none follows it in time.
    pub last: Option<Millis>,
}

/// The instants at which something was told about the PIN, for 24 hours; a right PIN in between does
/// not take them away.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Told {
    /// A PIN was called wrong.
    pub wrong: Vec<Millis>,
    /// A new PIN was refused since it is one of the last three.
    pub recent: Vec<Millis>,
}

/// The most instants of one kind that are kept.
const TOLD_LEN_MAX: usize = 255;

impl Told {
    /// Adds an instant, forgets those that are a day old, and says how many there are.
    fn note(instants: &mut Vec<Millis>, now: Millis) -> u8 {
        instants.retain(|at| now < at.plus(DAY_MS));
        if instants.len() < TOLD_LEN_MAX {
            instants.push(now);
        }
        count(instants)
    }
}

fn count<T>(items: &[T]) -> u8 {
    u8::try_from(items.len()).unwrap_or(u8::MAX)
}

/// What became of a request that the rules allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The PIN is right.
    Verified,
    /// The PIN was changed.
    Changed,
    /// An OTP is on its way.
    OtpSent,
    /// The PIN was set or reset.
    PinSet,
    /// A card came into being.
    CardCreated,
    /// The cardholder is who the caller said.
    HolderVerified,
    /// Here are the card's facts.
    Inquired,
    /// The card is blocked now.
    CardBlocked,
    /// The card's block is lifted.
    CardUnblocked,
    /// The try counter is at zero.
    TriesCleared,
    /// The request id is used up.
    Abandoned,
}

impl Outcome {
    /// The outcome as it stands in the audit and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Changed => "changed",
            Self::OtpSent => "otp_sent",
            Self::PinSet => "pin_set",
            Self::CardCreated => "card_created",
            Self::HolderVerified => "holder_verified",
            Self::Inquired => "inquired",
            Self::CardBlocked => "card_blocked",
            Self::CardUnblocked => "card_unblocked",
            Self::TriesCleared => "tries_cleared",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What follows from a request: the verdict, and all that is committed with it.
#[derive(Debug)]
pub struct Decision {
    /// What the caller is told.
    pub verdict: Result<Outcome, Refusal>,
    /// The credential from now on; `None` when nothing changed.
    pub next: Option<Credential>,
    /// A detail for the audit, from a closed set.
    pub detail: Option<String>,
    /// Why it was refused.
    pub reason: Option<Reason>,
    /// What must be sent out.
    pub messages: Vec<Message>,
}

impl Decision {
    /// A refusal that changes nothing.
    #[must_use]
    pub fn refused(refusal: Refusal) -> Self {
        Self::refused_for(refusal, refusal.into())
    }

    /// A refusal that changes nothing, for a finer reason than every such refusal has.
    #[must_use]
    pub fn refused_for(refusal: Refusal, reason: Reason) -> Self {
        let reason = Some(reason);
        Self { verdict: Err(refusal), next: None, detail: None, reason, messages: Vec::new() }
    }

    /// A card came into being.
    pub(crate) fn created(card: Credential) -> Self {
        Self::done(Outcome::CardCreated, Some(card))
    }

    fn done(outcome: Outcome, next: Option<Credential>) -> Self {
        Self { verdict: Ok(outcome), next, detail: None, reason: None, messages: Vec::new() }
    }

    fn refused_with(refusal: Refusal, next: Credential) -> Self {
        Self { next: Some(next), ..Self::refused(refusal) }
    }
}

/// What the vault is asked: each part holds one sealed value against one kept value.
#[derive(Debug, Default)]
pub struct Question<'a> {
    /// Is the current PIN this one?
    pub current: Option<&'a Verifier>,
    /// Is the OTP this one?
    pub otp: Option<&'a Verifier>,
    /// Is the ATM PIN this one?
    pub atm_pin: Option<&'a Verifier>,
    /// Is the new PIN fit to be kept, and not one of these?
    pub new: Option<(Policy, &'a [Verifier])>,
    /// Make an OTP and put it into these words.
    pub issue_otp: Option<&'static str>,
}

/// What the vault answered, part for part.
#[derive(Debug, Default)]
pub struct Answer {
    /// The current PIN is the kept one.
    pub current: bool,
    /// The OTP is the open one.
    pub otp: bool,
    /// The ATM PIN is the kept one.
    pub atm_pin: bool,
    /// The new PIN's verifier, or the rule that it breaks.
    pub new: Option<Result<Verifier, Weakness>>,
    /// The OTP that was made.
    pub issued: Option<IssuedOtp>,
}

/// Either the end, or what must be known first.
#[derive(Debug)]
pub enum Plan<'a> {
    /// Nothing secret need be looked at.
    Settled(Box<Decision>),
    /// The vault must answer first.
    Ask(Question<'a>),
}

impl From<Decision> for Plan<'_> {
    fn from(decision: Decision) -> Self {
        Self::Settled(Box::new(decision))
    }
}

impl From<Refusal> for Plan<'_> {
    fn from(refusal: Refusal) -> Self {
        Decision::refused(refusal).into()
    }
}

impl From<(Refusal, Reason)> for Plan<'_> {
    fn from((refusal, reason): (Refusal, Reason)) -> Self {
        Decision::refused_for(refusal, reason).into()
    }
}

impl Credential {
    /// Brings a new card's credential into being, without a PIN.
    #[must_use]
    pub fn create(id: CredentialId, new: &NewCard) -> Self {
        Self {
            id,
            holder: Holder {
                customer: new.customer.clone(),
                name: new.holder_name.clone(),
                birth: new.birth,
                mobile: new.mobile.clone(),
                email: new.email.clone(),
            },
            facts: Facts::Card(new.card.clone()),
            pin: PinRecord::empty(new.pin_length),
            otp: None,
            registration: Registration::default(),
            told: Told::default(),
        }
    }

    /// What guards its secrets, for the audit.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            tries: self.pin.tries,
            blocked_until: self.pin.blocked_until,
            wrong_in_day: count(&self.told.wrong),
            recalled: count(&self.told.recent),
            pins: count(&self.pin.kept),
            otp_tries: self.otp.as_ref().map(|otp| otp.tries),
            registration_failures: self.registration.failures,
            atm_pin_tries: self.registration.atm_pin_tries,
        }
    }

    /// By what else the credential is to be found.
    #[must_use]
    pub fn index_keys(&self) -> Vec<IndexKey> {
        let customer = IndexKey::Customer(self.holder.customer.clone());
        let mobile = match &self.facts {
            Facts::Account(_) => IndexKey::Mobile(self.holder.mobile.clone()),
            Facts::Card(card) => IndexKey::CardMobile {
                client: card.client.clone(),
                mobile: self.holder.mobile.with_country(),
            },
        };
        let face = match (&self.facts, self.holder.birth) {
            (Facts::Card(card), Some(birth)) => Some(IndexKey::CardFace {
                client: card.client.clone(),
                last_four: card.last_four.clone(),
                expiry: card.expiry,
                birth,
            }),
            (Facts::Card(_), None) | (Facts::Account(_), _) => None,
        };
        [customer, mobile].into_iter().chain(face).collect()
    }

    /// Whether a card program may see it: its own cards only.
    #[must_use]
    pub fn visible_to(&self, program: Option<&str>) -> bool {
        match (&self.facts, program) {
            (_, None) => true,
            (Facts::Card(card), Some(program)) => card.client == program,
            (Facts::Account(_), Some(_)) => false,
        }
    }

    /// Says what must be asked before the command can be decided, or decides at once.
    #[must_use]
    pub fn plan<'a>(&'a self, command: &Command, rules: &Rules, stamp: &Stamp) -> Plan<'a> {
        match command {
            Command::Verify { .. } => self.plan_verify(stamp),
            Command::Change { customer, vpa, account, .. } => {
                match self.described_by(customer, vpa.as_ref(), account) {
                    Ok(()) => self.plan_change(rules, stamp),
                    Err(reason) => (Refusal::OwnerMismatch, reason).into(),
                }
            }
            Command::RequestOtp { customer, card } => {
                let card = card.as_ref().map(|(last_six, expiry)| (last_six, *expiry));
                self.plan_otp(CardClaim { customer, card }, rules, stamp)
            }
            Command::Set { customer, last_six, expiry, atm_pin, .. } => {
                let claim = CardClaim { customer, card: Some((last_six, *expiry)) };
                self.plan_set(claim, atm_pin.as_ref(), rules, stamp)
            }
            Command::Reset { last_four, customer, holder, .. } => {
                self.plan_reset((last_four, customer.as_ref()), *holder, rules, stamp)
            }
            Command::CreateCard(_) => Refusal::Duplicate.into(),
            Command::VerifyHolder(claim) => self.verify_holder(claim, stamp).into(),
            Command::Inquire { last_four, customer } => self.inquire(last_four, customer).into(),
            Command::Block { last_four, customer, kind } => {
                self.block(last_four, customer, *kind, stamp).into()
            }
            Command::Unblock { last_four, customer } => {
                self.unblock(last_four, customer, stamp).into()
            }
            Command::ClearTries { reason } => self.operator_clears(reason).into(),
            Command::Abandon { reason } => Decision {
                detail: Some((*reason).to_owned()),
                ..Decision::done(Outcome::Abandoned, None)
            }
            .into(),
        }
    }

    /// Decides what the vault was asked about.
    #[must_use]
    pub fn decide(
        &self,
        command: &Command,
        answer: Answer,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Decision {
        match command {
            Command::Verify { .. } => self.decide_verify(&answer, rules, stamp),
            Command::Change { .. } => self.decide_change(answer, rules, stamp),
            Command::RequestOtp { .. } => self.decide_otp(answer, rules, stamp),
            Command::Set { atm_pin, .. } => {
                self.decide_set(answer, atm_pin.is_some(), rules, stamp)
            }
            Command::Reset { .. } => self.decide_reset(answer, rules, stamp),
            Command::CreateCard(_)
            | Command::VerifyHolder(_)
            | Command::Inquire { .. }
            | Command::Block { .. }
            | Command::Unblock { .. }
            | Command::ClearTries { .. }
            | Command::Abandon { .. } => Decision::refused(Refusal::UnreadableBlock),
        }
    }
}
