//! How a story's act becomes a command that can be made more than once.

use kunji_core::card::Expiry;
use kunji_core::command::{AccountClaim, Command, HolderClaim};
use kunji_core::credential::Facts;
use kunji_core::ids::{CardTail, CredentialKind, CustomerId, TxnId, Vpa};
use kunji_vault::{BirthDate, PinBlock, PinUse};

use super::{EngineStage, Home, MakeCommand};
use crate::story::{Act, Claim, HolderWord};

impl<H: Home> EngineStage<H> {
    /// The command of an act that is a request.
    pub(super) fn command(&self, act: &Act, txn: &TxnId) -> MakeCommand {
        match act {
            Act::Verify { who, pin } => self.verify(who, pin, txn),
            Act::Change { who, from, to, claim } => self.change(who, (from, to), *claim, txn),
            Act::Otp { who, claim } => {
                let customer = customer(who, *claim);
                let (last_six, expiry) = (last_six(*claim), self.debit_expiry(who));
                Box::new(move || Command::RequestOtp {
                    customer: customer.clone(),
                    card: Some((last_six.clone(), expiry)),
                })
            }
            Act::Set { who, to, otp, atm_pin, claim } => {
                let otp = self.otp(who, *otp);
                self.set(who, (&otp, atm_pin.as_deref(), to), *claim, txn)
            }
            Act::Reset { who, to, holder, claim } => {
                let (new, holder) = (self.wire(to, PinUse::CardPin, txn), *holder);
                let (last_four, customer) = (last_four(*claim), customer(who, *claim));
                Box::new(move || Command::Reset {
                    last_four: last_four.clone(),
                    customer: Some(customer.clone()),
                    new: PinBlock::absorb(new.clone()),
                    holder,
                })
            }
            Act::VerifyHolder { who, holder } => self.verify_holder(who, *holder),
            Act::Inquire { who, claim } => {
                named(who, *claim, |last_four, customer| Command::Inquire { last_four, customer })
            }
            Act::BlockCard { who, kind, claim } => {
                let kind = *kind;
                named(who, *claim, move |last_four, customer| Command::Block {
                    last_four,
                    customer,
                    kind,
                })
            }
            Act::UnblockCard { who, claim } => {
                named(who, *claim, |last_four, customer| Command::Unblock { last_four, customer })
            }
            Act::ClearTries { .. } => {
                Box::new(|| Command::ClearTries { reason: "the holder called".to_owned() })
            }
            Act::Account(_) | Act::Card(_) | Act::Advance(_) | Act::Restart | Act::Repeat => {
                panic!("{act:?} is no request")
            }
        }
    }

    fn verify(&self, who: &str, pin: &str, txn: &TxnId) -> MakeCommand {
        let pin_use = match self.id(who).kind() {
            CredentialKind::Account => PinUse::Mpin,
            CredentialKind::Card => PinUse::CardPin,
        };
        let (pin, transit) = (self.wire(pin, pin_use, txn), self.transit());
        Box::new(move || Command::Verify { pin: PinBlock::absorb(pin.clone()), pin_use, transit })
    }

    fn change(
        &self,
        who: &str,
        (from, to): (&str, &str),
        claim: Claim,
        txn: &TxnId,
    ) -> MakeCommand {
        let (customer, transit) = (customer(who, claim), self.transit());
        let vpa = Vpa::parse(&format!("{who}@kunji")).expect("a VPA");
        let current = self.wire(from, PinUse::Mpin, txn);
        let new = self.wire(to, PinUse::NewMpin, txn);
        Box::new(move || Command::Change {
            customer: customer.clone(),
            vpa: Some(vpa.clone()),
            account: AccountClaim::default(),
            current: PinBlock::absorb(current.clone()),
            new: PinBlock::absorb(new.clone()),
            transit,
        })
    }

    fn set(
        &self,
        who: &str,
        (otp, atm_pin, to): (&str, Option<&str>, &str),
        claim: Claim,
        txn: &TxnId,
    ) -> MakeCommand {
        let (customer, transit) = (customer(who, claim), self.transit());
        let (last_six, expiry) = (last_six(claim), self.debit_expiry(who));
        let otp = self.wire(otp, PinUse::Sms, txn);
        let atm_pin = atm_pin.map(|pin| self.wire(pin, PinUse::AtmPin, txn));
        let new = self.wire(to, PinUse::Mpin, txn);
        Box::new(move || Command::Set {
            customer: customer.clone(),
            last_six: last_six.clone(),
            expiry,
            otp: PinBlock::absorb(otp.clone()),
            atm_pin: atm_pin.clone().map(PinBlock::absorb),
            new: PinBlock::absorb(new.clone()),
            transit,
        })
    }

    /// The month that is on the debit card, whatever it is.
    fn debit_expiry(&self, who: &str) -> Expiry {
        let on_card = match self.credential(who).map(|credential| credential.facts) {
            Some(Facts::Account(account)) => account.debit_card.map(|card| card.expiry),
            Some(Facts::Card(_)) | None => None,
        };
        on_card.unwrap_or_else(|| Expiry::parse_long("12/2035").expect("a month"))
    }

    fn verify_holder(&self, who: &str, word: HolderWord) -> MakeCommand {
        let credential = self.credential(who).expect("a planted card");
        let holder = credential.holder;
        let Facts::Card(card) = credential.facts else {
            panic!("{who} is no card");
        };
        let contact = |email| HolderClaim::Contact { mobile: holder.mobile.clone(), email };
        let (last_four, expiry) = (card.last_four, card.expiry);
        let face = |birth| HolderClaim::Face { last_four, expiry, birth };
        let claim = match word {
            HolderWord::Contact => contact(holder.email.clone().expect("an address")),
            HolderWord::OtherContact => contact("other@example.com".to_owned()),
            HolderWord::Face => face(holder.birth.expect("a birthday")),
            HolderWord::OtherFace => face(BirthDate { year: 1900, month: 1, day: 1 }),
        };
        Box::new(move || Command::VerifyHolder(claim.clone()))
    }
}

/// A command that names a card by its last digits and its customer.
fn named(
    who: &str,
    claim: Claim,
    command: impl Fn(CardTail, CustomerId) -> Command + 'static,
) -> MakeCommand {
    let (last_four, customer) = (last_four(claim), customer(who, claim));
    Box::new(move || command(last_four.clone(), customer.clone()))
}

fn customer(who: &str, claim: Claim) -> CustomerId {
    let text = match claim {
        Claim::True | Claim::OtherCard => format!("CIF-{who}"),
        Claim::OtherOwner => "CIF-nobody".to_owned(),
    };
    CustomerId::parse(&text).expect("a customer")
}

fn last_four(claim: Claim) -> CardTail {
    tail(claim, "1745", "9999")
}

fn last_six(claim: Claim) -> CardTail {
    tail(claim, "123456", "999999")
}

fn tail(claim: Claim, right: &str, other: &str) -> CardTail {
    let text = match claim {
        Claim::True | Claim::OtherOwner => right,
        Claim::OtherCard => other,
    };
    CardTail::parse(text).expect("the last digits of a card")
}
