//! Why a request was refused: for who runs Kunji, never for the caller.
//!
//! A refusal is what the rules say, and a dialect has its vendor's code for it. A reason is finer: it
//! names the member, the rule, what was expected and what was seen. It goes into the audit event and,
//! in the sandbox, into the log. No reason holds anything that a caller sent, except numbers that are
//! no secret, such as a length.

use std::borrow::Cow;
use std::fmt;

use kunji_vault::{BlockFlaw, TokenFlaw, Weakness};
use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// The name of a member, a header or a setting, as the vendor's document spells it.
pub type Name = Cow<'static, str>;

/// Why a request was refused.
///
/// Events keep it by its place in this list, so that new ones go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The body is no JSON from here on.
    NotJson {
        /// The line, from 1.
        line: u32,
        /// The column, from 1.
        column: u32,
    },
    /// The body ended early, or came too slowly.
    BodyIncomplete,
    /// The body is too long.
    BodyTooLong {
        /// The limit, in bytes.
        len_max: u32,
    },
    /// `Content-Type` does not say that the body is JSON.
    NotCalledJson,
    /// The body has a `Content-Encoding`.
    Encoded,
    /// There is nothing at this path.
    UnknownPath,
    /// The path is there, but for another method.
    WrongMethod,
    /// A header is missing or empty.
    HeaderMissing(Name),
    /// A header is not what it must be.
    HeaderMalformed {
        /// Which one.
        header: Name,
        /// What it must be.
        expected: Name,
    },
    /// A header does not say what is configured for this caller.
    HeaderMismatch(Name),
    /// A member is missing, `null` or empty.
    MemberMissing(Name),
    /// A member has another JSON type.
    MemberMistyped {
        /// Which one.
        member: Name,
        /// What it must be.
        expected: Name,
    },
    /// A member is too long.
    MemberTooLong {
        /// Which one.
        member: Name,
        /// The limit, in characters.
        len_max: u32,
        /// Its length.
        len: u32,
    },
    /// A member has the right type but not the right form.
    MemberMalformed {
        /// Which one.
        member: Name,
        /// What it must be.
        expected: Name,
    },
    /// A member contradicts what is stored.
    MemberMismatch(Name),
    /// The scenario that the caller chose answers this.
    Scenario,
    /// The caller's allowance for this credential or customer is used up.
    AllowanceUsedUp,
    /// The caller was told of too many wrong secrets lately.
    GuessBudgetUsedUp,
    /// The caller sent too many keys, secrets or tokens that were wrong.
    GuessingKeys,
    /// No client has this key, or the client's secret is another one.
    UnknownClient,
    /// The key may not do this.
    RoleMissing(Name),
    /// A signature or a checksum was not accepted.
    Unsigned(Name),
    /// A token could not be read.
    Token(TokenFlaw),
    /// A credential block could not be read.
    Block(BlockFlaw),
    /// A credential block was used before.
    BlockUsed,
    /// The request id was used before, for something else.
    OtherContent,
    /// The request id was used before, with another secret: that counts as a wrong PIN.
    OtherSecret,
    /// The request id was used before, and another secret has come under it since.
    Frozen,
    /// The request id was used before; while the PIN is blocked, no secret is compared.
    RepeatedWhileBlocked,
    /// No such credential.
    NoSuchCredential,
    /// The credential is there but not of this caller's program.
    NotOfProgram,
    /// The credential belongs to another customer.
    OtherCustomer,
    /// The account does not carry this VPA.
    OtherVpa,
    /// No PIN is set.
    PinNotSet,
    /// The PIN is wrong.
    WrongPin {
        /// The tries that are left before the block.
        tries_left: u8,
    },
    /// The PIN is wrong, and now blocked: too many wrong ones in a row.
    LastTry,
    /// The PIN is wrong, and now blocked: too many wrong ones in a day, right ones in between or not.
    DayLimit,
    /// The PIN is blocked.
    PinBlocked {
        /// Until when, in milliseconds since 1970.
        until: Millis,
    },
    /// The new PIN breaks a rule.
    NewPin(Weakness),
    /// Too many registrations failed.
    RegistrationBlocked {
        /// Until when, in milliseconds since 1970.
        until: Millis,
    },
    /// The account has no debit card with these digits and this expiry.
    NoSuchDebitCard,
    /// The debit card's last month is over.
    DebitCardExpired,
    /// The debit card is blocked or closed.
    DebitCardRestricted,
    /// The debit card was never activated.
    DebitCardNeverActivated,
    /// The ATM PIN is wrong.
    WrongAtmPin,
    /// No OTP is open.
    NoOtp,
    /// The OTP's time is over.
    OtpExpired,
    /// The OTP was tried too often.
    OtpTriesExceeded,
    /// The OTP is wrong.
    WrongOtp,
    /// The card has other last digits.
    OtherLastFour,
    /// The card's state forbids it.
    CardState(Name),
    /// The cardholder was not verified in time.
    HolderNotVerified,
    /// A fact about the cardholder is another one.
    HolderMismatch(Name),
    /// The card's block cannot be set or lifted as asked.
    CardBlock(Name),
    /// A rule about UPI numbers, VPAs, devices, accounts or captures forbids it.
    Rule {
        /// The refusal's name in the audit.
        code: Name,
        /// One plain sentence.
        sentence: Name,
    },
}

impl Reason {
    /// A member that must be there is missing, `null` or empty.
    #[must_use]
    pub const fn missing(member: &'static str) -> Self {
        Self::MemberMissing(Cow::Borrowed(member))
    }

    /// A member has the right type but not the right form.
    #[must_use]
    pub const fn malformed(member: &'static str, expected: &'static str) -> Self {
        Self::MemberMalformed { member: Cow::Borrowed(member), expected: Cow::Borrowed(expected) }
    }

    /// A member has another JSON type.
    #[must_use]
    pub const fn mistyped(member: &'static str, expected: &'static str) -> Self {
        Self::MemberMistyped { member: Cow::Borrowed(member), expected: Cow::Borrowed(expected) }
    }

    /// A member contradicts what is stored.
    #[must_use]
    pub const fn mismatch(member: &'static str) -> Self {
        Self::MemberMismatch(Cow::Borrowed(member))
    }

    /// A rule of the core that is no rule about PINs.
    #[must_use]
    pub const fn rule(code: &'static str, sentence: &'static str) -> Self {
        Self::Rule { code: Cow::Borrowed(code), sentence: Cow::Borrowed(sentence) }
    }

    /// Whether it tells the caller that a secret is not, or is, one that is kept: what a caller may
    /// hear only so often.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        matches!(
            self,
            Self::WrongPin { .. }
                | Self::LastTry
                | Self::DayLimit
                | Self::OtherSecret
                | Self::WrongOtp
                | Self::WrongAtmPin
                | Self::NewPin(Weakness::Recent)
        )
    }

    /// The reason's stable name: for filters, metrics and tests.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotJson { .. } => "not_json",
            Self::BodyIncomplete => "body_incomplete",
            Self::BodyTooLong { .. } => "body_too_long",
            Self::NotCalledJson => "not_called_json",
            Self::Encoded => "encoded",
            Self::UnknownPath => "unknown_path",
            Self::WrongMethod => "wrong_method",
            Self::HeaderMissing(_) => "header_missing",
            Self::HeaderMalformed { .. } => "header_malformed",
            Self::HeaderMismatch(_) => "header_mismatch",
            Self::MemberMissing(_) => "member_missing",
            Self::MemberMistyped { .. } => "member_mistyped",
            Self::MemberTooLong { .. } => "member_too_long",
            Self::MemberMalformed { .. } => "member_malformed",
            Self::MemberMismatch(_) => "member_mismatch",
            Self::Scenario => "scenario",
            Self::AllowanceUsedUp => "allowance_used_up",
            Self::GuessBudgetUsedUp => "guess_budget_used_up",
            Self::GuessingKeys => "guessing_keys",
            Self::UnknownClient => "unknown_client",
            Self::RoleMissing(_) => "role_missing",
            Self::Unsigned(_) => "unsigned",
            Self::Token(_) => "unreadable_token",
            Self::Block(_) => "unreadable_block",
            Self::BlockUsed => "block_used",
            Self::OtherContent => "other_content",
            Self::OtherSecret => "other_secret",
            Self::Frozen => "frozen",
            Self::RepeatedWhileBlocked => "repeated_while_blocked",
            Self::NoSuchCredential => "no_such_credential",
            Self::NotOfProgram => "not_of_program",
            Self::OtherCustomer => "other_customer",
            Self::OtherVpa => "other_vpa",
            Self::PinNotSet => "pin_not_set",
            Self::WrongPin { .. } => "wrong_pin",
            Self::LastTry => "last_try",
            Self::DayLimit => "day_limit",
            Self::PinBlocked { .. } => "pin_blocked",
            Self::NewPin(_) => "new_pin",
            Self::RegistrationBlocked { .. } => "registration_blocked",
            Self::NoSuchDebitCard => "no_such_debit_card",
            Self::DebitCardExpired => "debit_card_expired",
            Self::DebitCardRestricted => "debit_card_restricted",
            Self::DebitCardNeverActivated => "debit_card_never_activated",
            Self::WrongAtmPin => "wrong_atm_pin",
            Self::NoOtp => "no_otp",
            Self::OtpExpired => "otp_expired",
            Self::OtpTriesExceeded => "otp_tries_exceeded",
            Self::WrongOtp => "wrong_otp",
            Self::OtherLastFour => "other_last_four",
            Self::CardState(_) => "card_state",
            Self::HolderNotVerified => "holder_not_verified",
            Self::HolderMismatch(_) => "holder_mismatch",
            Self::CardBlock(_) => "card_block",
            Self::Rule { code, .. } => code,
        }
    }
}

impl fmt::Display for Reason {
    /// One plain sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson { line, column } => {
                write!(f, "the body is not JSON: it breaks at line {line}, column {column}")
            }
            Self::BodyIncomplete => f.write_str("the body ended early, or came too slowly"),
            Self::BodyTooLong { len_max } => write!(f, "the body is longer than {len_max} bytes"),
            Self::NotCalledJson => f.write_str("the header Content-Type is not application/json"),
            Self::Encoded => {
                f.write_str("the body has a Content-Encoding; only plain bodies are read")
            }
            Self::UnknownPath => f.write_str("there is nothing at this path"),
            Self::WrongMethod => f.write_str("this path takes another method"),
            Self::HeaderMissing(header) => write!(f, "the header {header} is missing or empty"),
            Self::HeaderMalformed { header, expected } => {
                write!(f, "the header {header} is not {expected}")
            }
            Self::HeaderMismatch(header) => {
                write!(f, "the header {header} is not what is configured for this client")
            }
            Self::MemberMissing(member) => write!(f, "the member {member} is missing or empty"),
            Self::MemberMistyped { member, expected } => {
                write!(f, "the member {member} is not {expected}")
            }
            Self::MemberTooLong { member, len_max, len } => {
                write!(f, "the member {member} has {len} characters; at most {len_max} are taken")
            }
            Self::MemberMalformed { member, expected } => {
                write!(f, "the member {member} is not {expected}")
            }
            Self::MemberMismatch(member) => {
                write!(f, "the member {member} contradicts what is stored")
            }
            Self::Scenario => f.write_str("the scenario that the request chose answers this"),
            Self::AllowanceUsedUp => {
                f.write_str("the caller's allowance for this credential or customer is used up")
            }
            Self::GuessBudgetUsedUp => {
                f.write_str("the caller was told of too many wrong secrets lately")
            }
            Self::GuessingKeys => {
                f.write_str("too many wrong keys, secrets or tokens came from here lately")
            }
            Self::UnknownClient => f.write_str("no client has this key and secret"),
            Self::RoleMissing(role) => write!(f, "the key does not have the role {role}"),
            Self::Unsigned(why) => f.write_str(why),
            Self::Token(flaw) => write!(f, "the token cannot be read: {flaw}"),
            Self::Block(flaw) => write!(f, "the PIN block cannot be read: {flaw}"),
            Self::BlockUsed => f.write_str("the PIN block was used before"),
            Self::OtherContent => {
                f.write_str("the request id was used before, with other content")
            }
            Self::OtherSecret => f.write_str(
                "the request id was used before, with another secret; it counts as a wrong PIN",
            ),
            Self::Frozen => f.write_str(
                "the request id was used before, and another secret has come under it since",
            ),
            Self::RepeatedWhileBlocked => f.write_str(
                "the request id was used before, and no secret is compared while the PIN is blocked",
            ),
            Self::NoSuchCredential => f.write_str("there is no such account or card"),
            Self::NotOfProgram => f.write_str("the card is not of this client's program"),
            Self::OtherCustomer => f.write_str("the account or card belongs to another customer"),
            Self::OtherVpa => f.write_str("the account does not carry this VPA"),
            Self::PinNotSet => f.write_str("no PIN is set"),
            Self::WrongPin { tries_left } => {
                write!(f, "the PIN is wrong; tries left: {tries_left}")
            }
            Self::LastTry => {
                f.write_str("the PIN is wrong, and blocked from now on: that was the last try")
            }
            Self::DayLimit => f.write_str(
                "the PIN is wrong, and blocked from now on: too many wrong ones in 24 hours",
            ),
            Self::PinBlocked { until } => {
                write!(f, "the PIN is blocked until {} (milliseconds since 1970)", until.0)
            }
            Self::NewPin(weakness) => write!(f, "the new PIN {weakness}"),
            Self::RegistrationBlocked { until } => write!(
                f,
                "too many registrations failed; the next one is heard at {} (milliseconds since \
                 1970)",
                until.0
            ),
            Self::NoSuchDebitCard => {
                f.write_str("the account has no debit card with these digits and this expiry")
            }
            Self::DebitCardExpired => f.write_str("the debit card has expired"),
            Self::DebitCardRestricted => f.write_str("the debit card is blocked or closed"),
            Self::DebitCardNeverActivated => f.write_str("the debit card was never activated"),
            Self::WrongAtmPin => f.write_str("the ATM PIN is wrong"),
            Self::NoOtp => f.write_str("no OTP is open for this account"),
            Self::OtpExpired => f.write_str("the OTP has expired"),
            Self::OtpTriesExceeded => f.write_str("the OTP was tried too often"),
            Self::WrongOtp => f.write_str("the OTP is wrong"),
            Self::OtherLastFour => f.write_str("the card has other last digits"),
            Self::CardState(state) => write!(f, "the card cannot be used: {state}"),
            Self::HolderNotVerified => {
                f.write_str("the cardholder was not verified in the time before")
            }
            Self::HolderMismatch(fact) => {
                write!(f, "the cardholder's {fact} is another one, or unknown")
            }
            Self::CardBlock(why) => f.write_str(why),
            Self::Rule { sentence, .. } => f.write_str(sentence),
        }
    }
}
