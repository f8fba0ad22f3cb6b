//! Card facts: what is printed on a card and whether it may be used.

use kunji_vault::Verifier;
use serde::{Deserialize, Serialize};

use crate::ids::{CardTail, IdError};
use crate::time::{Millis, month_start};

/// The last month in which a card is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    year: u16,
    month: u8,
}

impl Expiry {
    /// Reads `MM/YYYY`.
    ///
    /// # Errors
    /// `IdError` when it is not a month of the years 2000 to 2099.
    pub fn parse_long(text: &str) -> Result<Self, IdError> {
        let (month, year) = text.split_once('/').ok_or(IdError)?;
        match month.len() == 2 && year.len() == 4 {
            true => Self::of(year, month),
            false => Err(IdError),
        }
    }

    /// Reads `MMYY` of the years 2000 to 2099.
    ///
    /// # Errors
    /// `IdError` when it is not a month.
    pub fn parse_short(text: &str) -> Result<Self, IdError> {
        match text.split_at_checked(2) {
            Some((month, year)) if year.len() == 2 => Self::of(&format!("20{year}"), month),
            Some(_) | None => Err(IdError),
        }
    }

    fn of(year: &str, month: &str) -> Result<Self, IdError> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(year) || !digits(month) {
            return Err(IdError);
        }
        let year = year.parse().map_err(|_| IdError)?;
        let month = month.parse().map_err(|_| IdError)?;
        match (year, month) {
            (2000..=2099, 1..=12) => Ok(Self { year, month }),
            _ => Err(IdError),
        }
    }

    /// `MMYY`, as it is embossed.
    #[must_use]
    pub fn short(self) -> String {
        format!("{:02}{:02}", self.month, self.year % 100)
    }

    /// Whether the month is over.
    #[must_use]
    pub fn is_past(self, now: Millis) -> bool {
        now >= month_start(self.year, self.month.saturating_add(1))
    }
}

/// What kind of block lies on a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockKind {
    /// Set by the program, with its own meaning.
    Custom,
    /// May be lifted.
    Temporary,
    /// Can never be lifted.
    Permanent,
    /// No debits.
    Debit,
    /// No credits.
    Credit,
    /// Neither debits nor credits.
    CreditDebit,
}

impl BlockKind {
    /// The kind as it stands in the audit.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Temporary => "temporary",
            Self::Permanent => "permanent",
            Self::Debit => "debit",
            Self::Credit => "credit",
            Self::CreditDebit => "credit_debit",
        }
    }
}

/// Where a card stands.
///
/// ```text
/// not active ──activate──▶ active ◀──unblock── blocked (any kind but permanent)
///                            │ ──block──────────▶ blocked
///                            └ ──close──▶ closed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Usable.
    Active,
    /// Never activated.
    NotActive,
    /// Blocked by its issuer or holder.
    Blocked(BlockKind),
    /// Closed for good.
    Closed,
}

/// Why a card cannot be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Closed for good.
    Closed,
    /// Its last month is over.
    Expired,
    /// Blocked, for good or for now.
    Blocked(BlockKind),
    /// Never activated.
    NotActive,
}

impl Unusable {
    /// The state in plain words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "it is closed",
            Self::Expired => "it has expired",
            Self::Blocked(BlockKind::Permanent) => "it is blocked for good",
            Self::Blocked(_) => "it is blocked",
            Self::NotActive => "it was never activated",
        }
    }
}

/// Says whether a card may be used, worst reason first.
///
/// # Errors
/// The reason why not.
pub fn usable(standing: Standing, expiry: Expiry, now: Millis) -> Result<(), Unusable> {
    match standing {
        Standing::Closed => Err(Unusable::Closed),
        Standing::Blocked(BlockKind::Permanent) => Err(Unusable::Blocked(BlockKind::Permanent)),
        _ if expiry.is_past(now) => Err(Unusable::Expired),
        Standing::Blocked(kind) => Err(Unusable::Blocked(kind)),
        Standing::NotActive => Err(Unusable::NotActive),
        Standing::Active => Ok(()),
    }
}

/// The debit card of an account: proves a customer when the MPIN is set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DebitCard {
    /// The last six digits of its number.
    pub last_six: CardTail,
    /// Its last good month.
    pub expiry: Expiry,
    /// Where it stands.
    pub standing: Standing,
    /// Its ATM PIN, when the issuer lets it prove the customer.
    pub atm_pin: Option<Verifier>,
}

/// A prepaid card's facts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Card {
    /// The card program's client: no other client sees the card.
    pub client: String,
    /// The last four digits of its number.
    pub last_four: CardTail,
    /// Its last good month.
    pub expiry: Expiry,
    /// Where it stands.
    pub standing: Standing,
    /// When its holder was last verified, until that is used up.
    pub holder_verified: Option<Millis>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_reads_both_spellings() {
        assert_eq!(Expiry::parse_long("12/2035"), Expiry::parse_short("1235"));
        for bad in ["13/2035", "1/2035", "12/35", "12-2035", "+1/2035", "00/2035", "12/1999"] {
            assert_eq!(Expiry::parse_long(bad), Err(IdError), "{bad}");
        }
        for bad in ["1335", "123", "12355", "", "é35", "0035"] {
            assert_eq!(Expiry::parse_short(bad), Err(IdError), "{bad}");
        }
    }

    #[test]
    fn card_is_good_to_the_end_of_its_month() {
        let expiry = Expiry::parse_short("0120").unwrap();
        assert!(!expiry.is_past(Millis(month_start(2020, 2).0 - 1)));
        assert!(expiry.is_past(month_start(2020, 2)));
    }

    #[test]
    fn worst_reason_comes_first() {
        let old = Expiry::parse_short("0120").unwrap();
        let now = month_start(2026, 1);
        assert_eq!(usable(Standing::Closed, old, now), Err(Unusable::Closed));
        let permanent = Standing::Blocked(BlockKind::Permanent);
        assert_eq!(usable(permanent, old, now), Err(Unusable::Blocked(BlockKind::Permanent)));
        assert_eq!(usable(Standing::Active, old, now), Err(Unusable::Expired));
    }
}
