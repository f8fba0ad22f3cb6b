//! The seed: accounts, cards and customers that a sandbox starts with, as a TOML file.

pub mod numbered;
mod profile;

use std::path::{Path, PathBuf};

use kunji_core::card::Card;
use kunji_core::card::{BlockKind, DebitCard, Expiry, Standing};
use kunji_core::credential::{
    Account, BankFacts, Credential, Facts, Holder, PinRecord, Registration, Told,
};
use kunji_core::engine::Fault;
use kunji_core::ids::{
    Caller, CardTail, CredentialId, CredentialKind, CustomerId, Mobile, Slot, Vpa,
};
use kunji_vault::{BirthDate, Opening, PinBlock, PinLength, PinUse, Transit, Vault, Verifier};
use serde::Deserialize;

use crate::app::Issuer;
use crate::config::without_value;

/// The seed that the sandbox carries.
pub const SANDBOX: &str = include_str!("../../../sandbox.seed.toml");

/// A seed file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    #[serde(default)]
    account: Vec<AccountSeed>,
    #[serde(default)]
    card: Vec<CardSeed>,
    #[serde(default)]
    profile: Vec<profile::ProfileSeed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountSeed {
    customer: String,
    name: String,
    born: String,
    mobile: String,
    reference: String,
    ifsc: String,
    masked: String,
    vpas: Vec<String>,
    #[serde(default)]
    bank: BankSeed,
    pin_length: u8,
    pin: Option<PinBlock>,
    debit_card: Option<DebitCardSeed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct BankSeed {
    iin: String,
    unique_id: String,
    branch: String,
    kind: String,
    balance: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DebitCardSeed {
    last_six: String,
    expiry: String,
    #[serde(default)]
    standing: StandingSeed,
    atm_pin: Option<PinBlock>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CardSeed {
    client: String,
    urn: String,
    last_four: String,
    expiry: String,
    customer: String,
    name: String,
    born: String,
    mobile: String,
    email: String,
    #[serde(default)]
    standing: StandingSeed,
    pin_length: u8,
    pin: Option<PinBlock>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StandingSeed {
    #[default]
    Active,
    NotActive,
    TemporaryBlock,
    PermanentBlock,
    Closed,
}

/// A seed that cannot be sown.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file cannot be read.
    #[error("the seed {path} cannot be read")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no seed; the message names the key.
    #[error("the seed is not well formed: {0}")]
    Shape(String),
    /// A value is not well formed.
    #[error("the seed of {whose} has a bad {member}")]
    Value {
        /// The account reference or URN.
        whose: String,
        /// Which member.
        member: &'static str,
    },
    /// The store or the vault broke.
    #[error("the seed could not be sown")]
    Fault(#[from] Fault),
}

impl SeedError {
    /// Whether the seed itself is wrong, not what it was to be sown into.
    #[must_use]
    pub fn is_of_the_file(&self) -> bool {
        match self {
            Self::Unreadable { .. } | Self::Shape(_) | Self::Value { .. } => true,
            Self::Fault(_) => false,
        }
    }
}

impl Seed {
    /// Reads a seed.
    ///
    /// # Errors
    /// `SeedError::Shape` names the line and what was expected, never what stands there.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
            SeedError::Shape(format!("{} in line {line}", without_value(error.message())))
        })
    }

    /// Reads a seed file.
    ///
    /// # Errors
    /// `SeedError` when it cannot be read or is no seed.
    pub fn read(path: &Path) -> Result<Self, SeedError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SeedError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Plants all accounts, cards and customers, or none when a value is not well formed.
    ///
    /// # Errors
    /// `SeedError` when a value is not well formed or the store broke.
    pub async fn sow(&self, issuer: &Issuer) -> Result<(), SeedError> {
        let caller = Caller::parse("seed").map_err(Fault::from)?;
        let accounts = self.account.iter().map(|seed| seed.credential(&issuer.vault));
        let cards = self.card.iter().map(|seed| seed.credential(&issuer.vault));
        let ready = accounts.chain(cards).collect::<Result<Vec<_>, _>>()?;
        let profiles = self.profile.iter().map(profile::ProfileSeed::read);
        let profiles = profiles.collect::<Result<Vec<_>, _>>()?;
        for credential in ready {
            issuer.plant(credential, caller.clone()).await?;
        }
        for ready in profiles {
            ready.plant(issuer, &caller).await?;
        }
        Ok(())
    }
}

/// One seed's values, with the name of the one who has a bad one.
struct Reading<'a> {
    whose: &'a str,
}

impl Reading<'_> {
    fn read<T, E>(&self, member: &'static str, value: Result<T, E>) -> Result<T, SeedError> {
        value.map_err(|_| SeedError::Value { whose: self.whose.to_owned(), member })
    }

    fn birth(&self, text: &str) -> Result<Option<BirthDate>, SeedError> {
        self.read("born", BirthDate::parse_iso(text).ok_or(())).map(Some)
    }

    /// A seeded PIN is older than the rules: nothing is judged.
    fn pin(
        &self,
        vault: &Vault,
        owner: &str,
        member: &'static str,
        pin: Option<&PinBlock>,
    ) -> Result<Option<Verifier>, SeedError> {
        let opening = Opening {
            pin_use: PinUse::Mpin,
            txn: "seed",
            real_now_ms: 0,
            transit: Transit::ClearAllowed,
        };
        let Some(block) = pin else { return Ok(None) };
        let pin = self.read(member, vault.open(block, &opening))?;
        self.read(member, vault.enroll(owner, &pin)).map(Some)
    }

    fn record(
        &self,
        vault: &Vault,
        id: &CredentialId,
        length: u8,
        pin: Option<&PinBlock>,
    ) -> Result<PinRecord, SeedError> {
        let length = self.read("pin_length", PinLength::parse(length).ok_or(()))?;
        let kept = self.pin(vault, &id.slot(Slot::Pin), "pin", pin)?;
        Ok(PinRecord { kept: kept.into_iter().collect(), ..PinRecord::empty(length) })
    }
}

impl AccountSeed {
    fn credential(&self, vault: &Vault) -> Result<Credential, SeedError> {
        let reading = Reading { whose: &self.reference };
        let id = CredentialId::parse(CredentialKind::Account, &self.reference);
        let id = reading.read("reference", id)?;
        let vpas = self.vpas.iter().map(|vpa| Vpa::parse(vpa)).collect::<Result<Vec<_>, _>>();
        let debit_card = match &self.debit_card {
            Some(card) => Some(card.debit_card(vault, &reading, &id)?),
            None => None,
        };
        Ok(Credential {
            holder: Holder {
                customer: reading.read("customer", CustomerId::parse(&self.customer))?,
                name: self.name.clone(),
                birth: reading.birth(&self.born)?,
                mobile: reading.read("mobile", Mobile::parse(&self.mobile))?,
                email: None,
            },
            facts: Facts::Account(Account {
                ifsc: self.ifsc.clone(),
                masked: self.masked.clone(),
                bank: BankFacts {
                    iin: self.bank.iin.clone(),
                    unique_id: self.bank.unique_id.clone(),
                    branch: self.bank.branch.clone(),
                    kind: self.bank.kind.clone(),
                    balance: self.bank.balance.clone(),
                },
                vpas: reading.read("vpas", vpas)?,
                debit_card,
            }),
            pin: reading.record(vault, &id, self.pin_length, self.pin.as_ref())?,
            otp: None,
            registration: Registration::default(),
            told: Told::default(),
            id,
        })
    }
}

impl DebitCardSeed {
    fn debit_card(
        &self,
        vault: &Vault,
        reading: &Reading<'_>,
        id: &CredentialId,
    ) -> Result<DebitCard, SeedError> {
        Ok(DebitCard {
            last_six: reading.read("last_six", CardTail::parse(&self.last_six))?,
            expiry: reading.read("expiry", Expiry::parse_long(&self.expiry))?,
            standing: self.standing.into(),
            atm_pin: reading.pin(
                vault,
                &id.slot(Slot::AtmPin),
                "atm_pin",
                self.atm_pin.as_ref(),
            )?,
        })
    }
}

impl CardSeed {
    fn credential(&self, vault: &Vault) -> Result<Credential, SeedError> {
        let reading = Reading { whose: &self.urn };
        let id = reading.read("urn", CredentialId::parse(CredentialKind::Card, &self.urn))?;
        Ok(Credential {
            holder: Holder {
                customer: reading.read("customer", CustomerId::parse(&self.customer))?,
                name: self.name.clone(),
                birth: reading.birth(&self.born)?,
                mobile: reading.read("mobile", Mobile::parse(&self.mobile))?,
                email: Some(self.email.clone()),
            },
            facts: Facts::Card(Card {
                client: self.client.clone(),
                last_four: reading.read("last_four", CardTail::parse(&self.last_four))?,
                expiry: reading.read("expiry", Expiry::parse_long(&self.expiry))?,
                standing: self.standing.into(),
                holder_verified: None,
            }),
            pin: reading.record(vault, &id, self.pin_length, self.pin.as_ref())?,
            otp: None,
            registration: Registration::default(),
            told: Told::default(),
            id,
        })
    }
}

impl From<StandingSeed> for Standing {
    fn from(seed: StandingSeed) -> Self {
        match seed {
            StandingSeed::Active => Self::Active,
            StandingSeed::NotActive => Self::NotActive,
            StandingSeed::TemporaryBlock => Self::Blocked(BlockKind::Temporary),
            StandingSeed::PermanentBlock => Self::Blocked(BlockKind::Permanent),
            StandingSeed::Closed => Self::Closed,
        }
    }
}
