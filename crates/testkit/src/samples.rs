//! Ready credentials: made to measure for stories, and those of the sandbox's seed.

use kunji_core::card::Card;
use kunji_core::card::{BlockKind, DebitCard, Expiry, Standing};
use kunji_core::credential::{
    Account, BankFacts, Credential, Facts, Holder, PinRecord, Registration, Told,
};
use kunji_core::ids::{CardTail, CredentialId, CredentialKind, CustomerId, Mobile, Slot, Vpa};
use kunji_vault::{BirthDate, Opening, PinBlock, PinLength, PinUse, Transit, Vault, Verifier};

use crate::story::{AccountSketch, CardSketch};

/// The verifier of a PIN that nobody judged.
///
/// # Panics
/// When the text is no PIN at all.
#[must_use]
pub fn enroll(vault: &Vault, owner: &str, digits: &str) -> Verifier {
    let opening = Opening {
        pin_use: PinUse::Mpin,
        txn: "seed",
        real_now_ms: 0,
        transit: Transit::ClearAllowed,
    };
    let pin = vault.open(&PinBlock::absorb(digits.to_owned()), &opening).expect("digits are a PIN");
    vault.enroll(owner, &pin).expect("randomness is there")
}

/// The account that a story sketches, under its alias; customer `CIF-alias`, VPA `alias@kunji`.
///
/// # Panics
/// When the sketch cannot be a credential.
#[must_use]
pub fn account(vault: &Vault, sketch: &AccountSketch, mobile: &str) -> Credential {
    let id = CredentialId::parse(CredentialKind::Account, &sketch.alias).expect("an alias");
    let debit_card = DebitCard {
        last_six: tail("123456"),
        expiry: sketch.debit_expiry,
        standing: sketch.debit_standing,
        atm_pin: sketch.atm_pin.as_deref().map(|pin| enroll(vault, &id.slot(Slot::AtmPin), pin)),
    };
    let account = Account {
        ifsc: "AXIS0000001".to_owned(),
        masked: "*****6789".to_owned(),
        bank: BankFacts::default(),
        vpas: vec![Vpa::parse(&format!("{}@kunji", sketch.alias)).expect("a VPA")],
        debit_card: Some(debit_card),
    };
    Credential {
        pin: pin_record(vault, &id, sketch.length, sketch.pin.as_deref()),
        holder: holder(&sketch.alias, sketch.birth, mobile),
        facts: Facts::Account(account),
        id,
        otp: None,
        registration: Registration::default(),
        told: Told::default(),
    }
}

/// The card that a story sketches, under its alias; last four digits `1745`, client `2000`.
///
/// # Panics
/// When the sketch cannot be a credential.
#[must_use]
pub fn card(vault: &Vault, sketch: &CardSketch, mobile: &str) -> Credential {
    let id = CredentialId::parse(CredentialKind::Card, &sketch.alias).expect("an alias");
    let card = Card {
        client: "2000".to_owned(),
        last_four: tail("1745"),
        expiry: sketch.expiry,
        standing: sketch.standing,
        holder_verified: None,
    };
    Credential {
        pin: pin_record(vault, &id, sketch.length, sketch.pin.as_deref()),
        holder: holder(&sketch.alias, sketch.birth, mobile),
        facts: Facts::Card(card),
        id,
        otp: None,
        registration: Registration::default(),
        told: Told::default(),
    }
}

fn holder(alias: &str, birth: Option<BirthDate>, mobile: &str) -> Holder {
    Holder {
        customer: CustomerId::parse(&format!("CIF-{alias}")).expect("a customer"),
        name: "John Doe".to_owned(),
        birth,
        mobile: Mobile::parse(mobile).expect("a mobile number"),
        email: Some("holder@example.com".to_owned()),
    }
}

fn pin_record(vault: &Vault, id: &CredentialId, length: PinLength, pin: Option<&str>) -> PinRecord {
    let kept = pin.iter().map(|pin| enroll(vault, &id.slot(Slot::Pin), pin)).collect();
    PinRecord { kept, ..PinRecord::empty(length) }
}

fn tail(digits: &str) -> CardTail {
    CardTail::parse(digits).expect("the last digits of a card")
}

/// One account of the sandbox's seed.
struct SeedAccount {
    reference: &'static str,
    customer: &'static str,
    birth: Option<&'static str>,
    mobile: &'static str,
    masked: &'static str,
    vpas: &'static [&'static str],
    length: u8,
    pin: Option<&'static str>,
}

const ACCOUNTS: [SeedAccount; 5] = [
    SeedAccount {
        reference: "ACC123456789",
        customer: "CIF12345678",
        birth: Some("1990-05-15"),
        mobile: "918888888888",
        masked: "*****6789",
        vpas: &["johndoe@axis"],
        length: 4,
        pin: Some("1234"),
    },
    SeedAccount {
        reference: "ACC000000002",
        customer: "CIF00000002",
        birth: Some("1985-11-30"),
        mobile: "918888888882",
        masked: "*****0002",
        vpas: &["asha@axis"],
        length: 6,
        pin: Some("804913"),
    },
    SeedAccount {
        reference: "ACC000000003",
        customer: "CIF00000003",
        birth: None,
        mobile: "918888888883",
        masked: "*****0003",
        vpas: &["ravi@axis"],
        length: 4,
        pin: None,
    },
    SeedAccount {
        reference: "STOCKREF0001",
        customer: "1234567",
        birth: None,
        mobile: "919876543210",
        masked: "XXXXXX203891",
        vpas: &["something@handle"],
        length: 4,
        pin: None,
    },
    SeedAccount {
        reference: "STOCKREF0002",
        customer: "1234567",
        birth: None,
        mobile: "919876543210",
        masked: "XXXXXX203892",
        vpas: &["second@handle"],
        length: 6,
        pin: Some("739105"),
    },
];

const CARDS: [(&str, &str, Standing, &str); 6] = [
    ("70000000008", "1745", Standing::Active, "1235"),
    ("70000000101", "0101", Standing::NotActive, "1235"),
    ("70000000102", "0102", Standing::Blocked(BlockKind::Temporary), "1235"),
    ("70000000103", "0103", Standing::Blocked(BlockKind::Permanent), "1235"),
    ("70000000104", "0104", Standing::Active, "0120"),
    ("70000000105", "0930", Standing::Active, "1235"),
];

/// All credentials of the sandbox's seed.
///
/// # Panics
/// When a constant of the seed is not well formed.
#[must_use]
pub fn sandbox(vault: &Vault) -> Vec<Credential> {
    let accounts = ACCOUNTS.iter().map(|seed| seed_account(vault, seed));
    accounts
        .chain(CARDS.map(|(urn, last_four, standing, expiry)| {
            let card = Card {
                client: "2000".to_owned(),
                last_four: tail(last_four),
                expiry: Expiry::parse_short(expiry).expect("a month"),
                standing,
                holder_verified: None,
            };
            seed_card(urn, card)
        }))
        .collect()
}

fn seed_account(vault: &Vault, seed: &SeedAccount) -> Credential {
    let id = CredentialId::parse(CredentialKind::Account, seed.reference).expect("an account");
    let debit_card = DebitCard {
        last_six: tail("123456"),
        expiry: Expiry::parse_short("1235").expect("a month"),
        standing: Standing::Active,
        atm_pin: None,
    };
    let vpas = seed.vpas.iter().map(|vpa| Vpa::parse(vpa).expect("a VPA")).collect();
    let length = PinLength::parse(seed.length).expect("a PIN length");
    Credential {
        pin: pin_record(vault, &id, length, seed.pin),
        holder: Holder {
            customer: CustomerId::parse(seed.customer).expect("a customer"),
            name: "John Doe".to_owned(),
            birth: seed.birth.and_then(BirthDate::parse_iso),
            mobile: Mobile::parse(seed.mobile).expect("a mobile number"),
            email: None,
        },
        facts: Facts::Account(Account {
            ifsc: "AXIS0000001".to_owned(),
            bank: BankFacts::default(),
            masked: seed.masked.to_owned(),
            vpas,
            debit_card: Some(debit_card),
        }),
        id,
        otp: None,
        registration: Registration::default(),
        told: Told::default(),
    }
}

fn seed_card(urn: &str, card: Card) -> Credential {
    Credential {
        id: CredentialId::parse(CredentialKind::Card, urn).expect("a URN"),
        holder: Holder {
            customer: CustomerId::parse("IN00001201001868").expect("a customer"),
            name: "John Doe".to_owned(),
            birth: BirthDate::parse_iso("1988-02-29"),
            mobile: Mobile::parse("919876500001").expect("a mobile number"),
            email: Some("holder@example.com".to_owned()),
        },
        facts: Facts::Card(card),
        pin: PinRecord::empty(PinLength::parse(6).expect("a PIN length")),
        otp: None,
        registration: Registration::default(),
        told: Told::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kunji_vault::KeyRing;

    use super::*;

    #[test]
    fn sandbox_has_five_accounts_and_six_cards() {
        let vault = Vault::new(KeyRing::ephemeral().unwrap());
        let all = sandbox(&vault);
        let ids: HashSet<String> = all.iter().map(|one| one.id.to_string()).collect();
        let accounts = all.iter().filter(|one| one.id.kind() == CredentialKind::Account).count();
        assert_eq!((ids.len(), accounts), (11, 5));
    }
}
