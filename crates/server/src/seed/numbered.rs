//! Accounts by number, as many as are wanted: each name follows from the number, so that nobody
//! needs a list of them.
//!
//! The rows come in the order of their keys, kind after kind: an engine can write them as they
//! come. Keys are keyed names, so that numbers are put into their order first, so many at once.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use kunji_core::audit::{ChainName, Subject};
use kunji_core::card::{DebitCard, Expiry, Standing};
use kunji_core::credential::{
    Account, BankFacts, Credential, Facts, Holder, PinRecord, Registration, Told,
};
use kunji_core::engine::{Fault, planted};
use kunji_core::ids::{
    Caller, CardTail, CredentialId, CredentialKind, CustomerId, IdError, Mobile, Slot, Vpa,
};
use kunji_core::index::IndexKey;
use kunji_core::store::{Commit, Intake, Row, StoreFault};
use kunji_core::time::Stamp;
use kunji_store::index_place;
use kunji_vault::{BirthDate, ClearPin, PinLength, Vault};

use crate::boot;

/// The most accounts; their numbers fit into the nine digits of each name.
pub const ACCOUNTS_MAX: u64 = 100_000_000;
/// Rows of one account: its event, its record, and two other names under which it is found.
const ROWS_EACH: u64 = 4;
/// Accounts whose rows are handed over at once.
const PAGE_LEN: usize = 1024;
/// Rows that are put into order at once; 16 bytes are held of each.
const ORDERED_LEN: u64 = 16_000_000;
/// Pages that may wait for the store.
const PAGES_MAX: usize = 4;

/// The names of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names(pub u64);

impl Names {
    /// The reference of the account.
    #[must_use]
    pub fn reference(self) -> String {
        format!("ACC{:09}", self.0)
    }

    /// The bank's customer.
    #[must_use]
    pub fn customer(self) -> String {
        format!("CIF{:09}", self.0)
    }

    /// The registered mobile number.
    #[must_use]
    pub fn mobile(self) -> String {
        format!("918{:09}", self.0)
    }

    /// The VPA.
    #[must_use]
    pub fn vpa(self) -> String {
        format!("c{:09}@kunji", self.0)
    }
}

/// Which rows of the accounts.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Events,
    Index,
    Records,
}

impl Kind {
    /// How many rows one account has of the kind.
    fn rows_each(self) -> u64 {
        match self {
            Self::Events | Self::Records => 1,
            Self::Index => 2,
        }
    }
}

/// What all accounts of a seed have in common.
pub struct Numbered {
    /// How many; they are numbered from 0.
    pub accounts: u64,
    /// The MPIN of each, kept under each account's own name and salt.
    pub pin: ClearPin,
    /// How many digits it has.
    pub length: PinLength,
    /// When they were seeded.
    pub stamp: Stamp,
    /// Whose keys the verifiers are made with.
    pub vault: Arc<Vault>,
}

impl Numbered {
    /// Fills an empty store, and calls `hear` with the part that is done, in thousandths.
    ///
    /// # Errors
    /// `StoreFault` when the store is not empty or cannot be written, or a row cannot be made.
    pub fn fill(&self, store: &impl Intake, hear: &mut dyn FnMut(u64)) -> Result<u64, StoreFault> {
        let (pages, made) = sync_channel(PAGES_MAX);
        let all = (self.accounts * ROWS_EACH + 2).max(1);
        // The receiver goes with the work that reads from it, so that nobody waits for a store that
        // takes no more.
        std::thread::scope(move |threads| {
            // Verifiers cost the processor what tables cost it: one core for each.
            threads.spawn(move || self.make(&pages));
            let (mut page, mut taken) = (Vec::new().into_iter(), 0_u64);
            store.fill(&mut || {
                loop {
                    if let Some(row) = page.next() {
                        taken += 1;
                        return Ok(Some(row));
                    }
                    let Ok(next) = made.recv() else { return Ok(None) };
                    page = Vec::into_iter(next?);
                    hear(taken * 1000 / all);
                }
            })
        })
    }

    /// Makes all rows in the order of their keys; ends early when nobody takes them any more.
    fn make(&self, pages: &SyncSender<Result<Vec<Row>, StoreFault>>) {
        let fault = StoreFault::of("making the rows of a seed");
        if let Err(broke) = self.make_all(&mut |page| pages.send(Ok(page)).is_ok()) {
            // Who fills hears it in place of a page, if there is still somebody.
            let _ = pages.send(Err(fault(broke)));
        }
    }

    fn make_all(&self, give: &mut dyn FnMut(Vec<Row>) -> bool) -> Result<(), Fault> {
        let start = boot::first_start(&self.vault, self.stamp)?;
        for kind in [Kind::Events, Kind::Index, Kind::Records] {
            let rows = self.accounts.saturating_mul(kind.rows_each());
            let parts = rows.div_ceil(ORDERED_LEN).max(1);
            for part in 0..parts {
                for numbers in self.ordered(kind, rows, (part, parts))?.chunks(PAGE_LEN) {
                    let page = numbers.iter().map(|(_, nth)| self.row(kind, *nth));
                    if !give(page.collect::<Result<_, _>>()?) {
                        return Ok(());
                    }
                }
            }
            // The service's rows lie anywhere among those of their kind.
            let Commit { subject, encoded, record, .. } = start.clone();
            let taken = match kind {
                Kind::Events => give(vec![Row::Event(subject, encoded)]),
                Kind::Records => give(vec![Row::Record(subject, Box::new(record))]),
                Kind::Index => true,
            };
            if !taken {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One part of the rows of a kind, in the order of their keys; each with the start of its name.
    fn ordered(
        &self,
        kind: Kind,
        rows: u64,
        (part, parts): (u64, u64),
    ) -> Result<Vec<(u64, u64)>, Fault> {
        let mut ordered = Vec::new();
        for nth in 0..rows {
            let start = self.start(kind, nth)?;
            if (u128::from(start) * u128::from(parts)) >> 64 == u128::from(part) {
                ordered.push((start, nth));
            }
        }
        ordered.sort_unstable();
        Ok(ordered)
    }

    /// The first eight bytes of the name that a row is kept under.
    fn start(&self, kind: Kind, nth: u64) -> Result<u64, Fault> {
        let start = match kind {
            Kind::Events | Kind::Records => {
                let subject = Subject::Credential(account_id(Names(nth))?);
                ChainName::of(&self.vault, &subject).0.first_chunk().copied()
            }
            Kind::Index => {
                let (found_by, id) = index_of(nth)?;
                let place = index_place(&self.vault, &found_by, &id)?;
                place.get(1..).and_then(<[u8]>::first_chunk).copied()
            }
        };
        Ok(u64::from_be_bytes(start.unwrap_or_default()))
    }

    fn row(&self, kind: Kind, nth: u64) -> Result<Row, Fault> {
        Ok(match kind {
            Kind::Index => {
                let (found_by, id) = index_of(nth)?;
                Row::Index(found_by, id)
            }
            Kind::Events => {
                let commit = self.commit(Names(nth))?;
                Row::Event(commit.subject, commit.encoded)
            }
            Kind::Records => {
                let commit = self.commit(Names(nth))?;
                Row::Record(commit.subject, Box::new(commit.record))
            }
        })
    }

    /// What planting the account would commit. The event says that a PIN is kept, and does not depend
    /// on which verifier it has: so one that is made again leads to the same head.
    fn commit(&self, names: Names) -> Result<Commit, Fault> {
        let id = account_id(names)?;
        let mut credential = self.credential(names, id.clone())?;
        let verifier = self.vault.enroll(&id.slot(Slot::Pin), &self.pin)?;
        credential.pin.kept.push(verifier);
        let caller = Caller::parse("seed")?;
        Ok(planted(Subject::Credential(id), credential, caller, self.stamp)?)
    }

    fn credential(&self, names: Names, id: CredentialId) -> Result<Credential, IdError> {
        let debit_card = DebitCard {
            last_six: CardTail::parse("123456")?,
            expiry: Expiry::parse_long("12/2035").map_err(|_| IdError)?,
            standing: Standing::Active,
            atm_pin: None,
        };
        Ok(Credential {
            holder: Holder {
                customer: named(&names.customer())?,
                name: "John Doe".to_owned(),
                birth: BirthDate::parse_iso("1990-05-15"),
                mobile: Mobile::parse(&names.mobile())?,
                email: None,
            },
            facts: Facts::Account(Account {
                ifsc: "AXIS0000001".to_owned(),
                masked: "*****6789".to_owned(),
                bank: BankFacts::default(),
                vpas: vec![Vpa::parse(&names.vpa())?],
                debit_card: Some(debit_card),
            }),
            pin: PinRecord::empty(self.length),
            otp: None,
            registration: Registration::default(),
            told: Told::default(),
            id,
        })
    }
}

fn account_id(names: Names) -> Result<CredentialId, IdError> {
    CredentialId::parse(CredentialKind::Account, &names.reference())
}

/// Two for each account: its customer, its mobile.
fn index_of(nth: u64) -> Result<(IndexKey, CredentialId), IdError> {
    let names = Names(nth / 2);
    let found_by = match nth % 2 {
        0 => IndexKey::Customer(named(&names.customer())?),
        _ => IndexKey::Mobile(Mobile::parse(&names.mobile())?),
    };
    Ok((found_by, account_id(names)?))
}

fn named(customer: &str) -> Result<CustomerId, IdError> {
    CustomerId::parse(customer)
}
