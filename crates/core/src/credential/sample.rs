//! Credentials and answers for the tables beside the rules.

use kunji_vault::{
    BirthDate, KeyRing, Opening, PinBlock, PinLength, PinUse, Transit, Vault, Verifier,
};

use super::{
    Account, Answer, BankFacts, Card, Credential, Facts, Holder, OpenOtp, PinRecord, Plan,
    Registration, Told,
};
use crate::card::{DebitCard, Expiry, Standing};
use crate::command::Command;
use crate::credential::Decision;
use crate::ids::{CardTail, CredentialId, CredentialKind, CustomerId, Mobile, Vpa};
use crate::rules::Rules;
use crate::time::{DAY_MS, MINUTE_MS, Millis, Stamp, month_start};

/// The instant at which everything happens.
pub(crate) fn now() -> Millis {
    month_start(2026, 1)
}

pub(super) fn stamp() -> Stamp {
    Stamp { now: now(), real: now(), serial: 1, entropy: [0; 16] }
}

/// A verifier of no PIN in particular: the answers are made up.
pub(crate) fn verifier() -> Verifier {
    let vault = Vault::new(KeyRing::ephemeral().unwrap());
    let opening = Opening {
        pin_use: PinUse::Mpin,
        txn: "T1",
        real_now_ms: 0,
        transit: Transit::ClearAllowed,
    };
    vault.enroll("tests", &vault.open(&block(), &opening).unwrap()).unwrap()
}

pub(super) fn block() -> PinBlock {
    PinBlock::absorb("4821".to_owned())
}

pub(super) fn customer(name: &str) -> CustomerId {
    CustomerId::parse(name).unwrap()
}

pub(super) fn tail(digits: &str) -> CardTail {
    CardTail::parse(digits).unwrap()
}

pub(super) fn month(text: &str) -> Expiry {
    Expiry::parse_short(text).unwrap()
}

/// An account of `CIF1` with a PIN, an open OTP and a good debit card.
pub(crate) fn account() -> Credential {
    let debit_card = DebitCard {
        last_six: tail("123456"),
        expiry: month("1235"),
        standing: Standing::Active,
        atm_pin: Some(verifier()),
    };
    let account = Account {
        ifsc: "AXIS0000001".to_owned(),
        masked: "*****6789".to_owned(),
        bank: BankFacts::default(),
        vpas: vec![Vpa::parse("one@kunji").unwrap(), Vpa::parse("two@kunji").unwrap()],
        debit_card: Some(debit_card),
    };
    Credential {
        otp: Some(OpenOtp { verifier: verifier(), expires: now().plus(MINUTE_MS), tries: 0 }),
        ..credential(CredentialKind::Account, Facts::Account(account))
    }
}

/// A usable card of `CIF1` with a PIN, whose holder was verified just now.
pub(crate) fn card() -> Credential {
    let card = Card {
        client: "2000".to_owned(),
        last_four: tail("1745"),
        expiry: month("1235"),
        standing: Standing::Active,
        holder_verified: Some(now()),
    };
    credential(CredentialKind::Card, Facts::Card(card))
}

fn credential(kind: CredentialKind, facts: Facts) -> Credential {
    let length = PinLength::parse(4).unwrap();
    Credential {
        id: CredentialId::parse(kind, "one").unwrap(),
        holder: Holder {
            customer: customer("CIF1"),
            name: "John Doe".to_owned(),
            birth: BirthDate::parse_iso("1990-05-15"),
            mobile: Mobile::parse("919000000001").unwrap(),
            email: Some("holder@example.com".to_owned()),
        },
        facts,
        pin: PinRecord { kept: vec![verifier()], ..PinRecord::empty(length) },
        otp: None,
        registration: Registration::default(),
        told: Told::default(),
    }
}

pub(super) fn debit_card(credential: &mut Credential) -> &mut DebitCard {
    match &mut credential.facts {
        Facts::Account(account) => account.debit_card.as_mut().unwrap(),
        Facts::Card(_) => unreachable!("a card has no debit card"),
    }
}

pub(super) fn card_facts(credential: &mut Credential) -> &mut Card {
    match &mut credential.facts {
        Facts::Card(card) => card,
        Facts::Account(_) => unreachable!("an account is no card"),
    }
}

/// Blocked for a day.
pub(crate) fn block_pin(credential: &mut Credential) {
    credential.pin.tries = 3;
    credential.pin.blocked_until = Some(now().plus(DAY_MS));
}

/// What follows from a command when the vault answers so.
pub(super) fn decide(credential: &Credential, command: &Command, answer: Answer) -> Decision {
    decide_by(credential, command, answer, &Rules::default())
}

pub(super) fn decide_by(
    credential: &Credential,
    command: &Command,
    answer: Answer,
    rules: &Rules,
) -> Decision {
    match credential.plan(command, rules, &stamp()) {
        Plan::Settled(decision) => *decision,
        Plan::Ask(_) => credential.decide(command, answer, rules, &stamp()),
    }
}
