//! The names of things: parsed once at the edge, never wrong afterwards.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest credential, customer or caller name in bytes.
pub const NAME_LEN_MAX: usize = 64;
/// Longest request id that any caller may choose, in bytes.
pub const TXN_LEN_MAX: usize = 100;
/// Longest VPA in bytes (NPCI allows 50 before the handle).
pub const VPA_LEN_MAX: usize = 100;

/// Longest merchant or channel name in bytes.
pub const MERCHANT_LEN_MAX: usize = 24;
/// Longest customer id that a merchant may choose, in bytes (contract page `upi-number.md`).
pub const MERCHANT_CUSTOMER_LEN_MAX: usize = 256;

/// A name that cannot be one; says neither which nor what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name is not well formed")]
pub struct IdError;

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@' | b':')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $len_max:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads the name.
            ///
            /// # Errors
            /// `IdError` when it is empty, too long or holds a character outside its alphabet.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let fits = !text.is_empty() && text.len() <= $len_max;
                match fits && text.bytes().all($allowed) {
                    true => Ok(Self(text.to_owned())),
                    false => Err(IdError),
                }
            }

            /// The name as it was read.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

name!(
    /// A bank's or a card program's customer: 1 to 64 of letters, digits and `._-@:`.
    CustomerId, NAME_LEN_MAX, plain
);
name!(
    /// Who asks: a dialect and, where it names one, its client (`prepaid:2000`).
    Caller, NAME_LEN_MAX, plain
);
name!(
    /// A request id chosen by a caller: 1 to 100 printable ASCII characters.
    TxnId, TXN_LEN_MAX, |byte: u8| byte.is_ascii_graphic()
);
name!(
    /// A virtual payment address: `user@handle`, kept as the customer wrote it.
    Vpa, VPA_LEN_MAX, plain
);
name!(
    /// A mobile number with its country code: digits only.
    Mobile, 15, |byte: u8| byte.is_ascii_digit()
);
name!(
    /// A merchant, or one of its channels: 1 to 24 of letters, digits and `._-`.
    MerchantId, MERCHANT_LEN_MAX,
    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
);
name!(
    /// A merchant's own id for a customer: 1 to 256 letters, digits and dots.
    MerchantCustomerId, MERCHANT_CUSTOMER_LEN_MAX,
    |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.'
);
name!(
    /// Names one capture of secrets and lets in who knows it: 1 to 64 of letters, digits, `-`, `_`.
    CaptureId, 64, |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
);
name!(
    /// The last four or six digits that are printed on a card.
    CardTail, 6, |byte: u8| byte.is_ascii_digit()
);

impl Mobile {
    /// The number with its country code: ten digits are an Indian number without one.
    #[must_use]
    pub fn with_country(&self) -> Self {
        match self.0.len() {
            10 => Self(format!("91{}", self.0)),
            _ => self.clone(),
        }
    }
}

impl Vpa {
    /// Reads `user@handle`: one `@` with something on both sides.
    ///
    /// # Errors
    /// `IdError` when it is no VPA.
    pub fn parse_address(text: &str) -> Result<Self, IdError> {
        match text.split_once('@') {
            Some((user, handle)) if !user.is_empty() && !handle.is_empty() => {
                match handle.contains('@') {
                    true => Err(IdError),
                    false => Self::parse(text),
                }
            }
            Some(_) | None => Err(IdError),
        }
    }

    /// Whether both name one address: VPAs have no case.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// The one spelling of the address that records are kept under.
    #[must_use]
    pub fn folded(&self) -> Self {
        Self(self.0.to_ascii_lowercase())
    }

    /// What stands behind the `@`: the payment service provider.
    #[must_use]
    pub fn handle(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, handle)| handle)
    }
}

/// A merchant's customer, as the payment service provider knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProfileId {
    /// The merchant.
    pub merchant: MerchantId,
    /// The merchant's id for the customer.
    pub customer: MerchantCustomerId,
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.merchant, self.customer)
    }
}

/// One of a merchant's channels: where requests come from and webhooks go to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChannelId {
    /// The merchant.
    pub merchant: MerchantId,
    /// The channel.
    pub channel: MerchantId,
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.merchant, self.channel)
    }
}

/// A UPI number: 8 to 10 digits, no leading zero. A chosen one (8 or 9 digits) does not end in three
/// equal digits; nobody chooses a mobile number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UpiNumber(String);

impl UpiNumber {
    /// Reads the number (contract page `upi-number.md`).
    ///
    /// # Errors
    /// `IdError` when it breaks one of the rules that need no customer.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let fits = (8..=10).contains(&text.len()) && !text.starts_with('0');
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let same = matches!(text.as_bytes(), [.., a, b, c] if a == b && b == c);
        let number = Self(text.to_owned());
        if fits && digits && (number.is_mobile() || !same) { Ok(number) } else { Err(IdError) }
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a mobile number: ten digits are nothing else.
    #[must_use]
    pub fn is_mobile(&self) -> bool {
        self.0.len() == 10
    }

    /// Whether it is this mobile number, which has a country code.
    #[must_use]
    pub fn is_of(&self, mobile: &Mobile) -> bool {
        self.is_mobile() && mobile.as_str().strip_prefix("91") == Some(&self.0)
    }
}

impl fmt::Display for UpiNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UpiNumber {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<UpiNumber> for String {
    fn from(number: UpiNumber) -> Self {
        number.0
    }
}

/// What a PIN belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CredentialKind {
    /// A bank account with an MPIN.
    Account,
    /// A prepaid card with a card PIN.
    Card,
}

impl CredentialKind {
    /// The kind as it stands in paths and keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Card => "card",
        }
    }

    /// Reads `account` or `card`.
    ///
    /// # Errors
    /// `IdError` for anything else.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        match text {
            "account" => Ok(Self::Account),
            "card" => Ok(Self::Card),
            _ => Err(IdError),
        }
    }
}

/// Which secret of a credential a verifier proves: one is worthless in another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Its PIN.
    Pin,
    /// Its open OTP.
    Otp,
    /// Its debit card's ATM PIN.
    AtmPin,
}

/// One credential: an account reference or a card's URN.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CredentialId {
    kind: CredentialKind,
    name: CustomerId,
}

impl CredentialId {
    /// Reads the id of a credential of one kind.
    ///
    /// # Errors
    /// `IdError` when the name is not 1 to 64 of letters, digits and `._-@:`.
    pub fn parse(kind: CredentialKind, name: &str) -> Result<Self, IdError> {
        Ok(Self { kind, name: CustomerId::parse(name)? })
    }

    /// Whether it is an account or a card.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// What a verifier of one of the credential's secrets is bound to.
    #[must_use]
    pub fn slot(&self, slot: Slot) -> String {
        match slot {
            Slot::Pin => self.to_string(),
            Slot::Otp => format!("{self}#otp"),
            Slot::AtmPin => format!("{self}#atm"),
        }
    }

    /// The account reference or the URN.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_alphabet_and_length() {
        assert!(CustomerId::parse("CIF12345678").is_ok());
        assert_eq!(CustomerId::parse(""), Err(IdError));
        assert_eq!(CustomerId::parse("a b"), Err(IdError));
        assert_eq!(CustomerId::parse("a/b"), Err(IdError));
        assert_eq!(CustomerId::parse(&"x".repeat(65)), Err(IdError));
        assert!(TxnId::parse(&"x".repeat(100)).is_ok());
        assert_eq!(TxnId::parse(&"x".repeat(101)), Err(IdError));
        assert_eq!(TxnId::parse("line\nbreak"), Err(IdError));
    }

    #[test]
    fn upi_numbers_keep_their_rules() {
        for good in ["87654321", "765432189", "9876543210", "10000001", "9876543000", "9999999999"]
        {
            assert!(UpiNumber::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "1234567",
            "98765432101",
            "07654321",
            "87654333",
            "876543000",
            "0876543210",
            "8765432x",
            "8765432१",
            "+7654321",
        ] {
            assert!(UpiNumber::parse(bad).is_err(), "{bad}");
        }
        let mobile = Mobile::parse("919876543210").unwrap();
        assert!(UpiNumber::parse("9876543210").unwrap().is_of(&mobile));
        assert!(!UpiNumber::parse("87654321").unwrap().is_of(&mobile));
        assert!(!UpiNumber::parse("9876543211").unwrap().is_of(&mobile));
    }

    #[test]
    fn addresses_have_two_sides_and_no_case() {
        let vpa = Vpa::parse_address("Some.One@Handle").unwrap();
        assert!(vpa.is_same(&Vpa::parse_address("some.one@handle").unwrap()));
        assert_eq!(vpa.handle(), "Handle");
        for bad in ["", "@", "a@", "@b", "ab", "a@b@c", "a b@c"] {
            assert!(Vpa::parse_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mobiles_of_ten_digits_are_indian() {
        for (text, whole) in
            [("9876500001", "919876500001"), ("919876500001", "919876500001"), ("4479", "4479")]
        {
            assert_eq!(Mobile::parse(text).unwrap().with_country().as_str(), whole);
        }
    }

    #[test]
    fn credential_prints_kind_and_name() {
        let id = CredentialId::parse(CredentialKind::Card, "70000000008").unwrap();
        assert_eq!(id.to_string(), "card/70000000008");
    }
}
