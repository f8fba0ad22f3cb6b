//! Who is in the seed: accounts, cards, and people who are customers of two providers.

use std::fmt::Write as _;

use crate::history::Side;
use crate::model::State;

/// The PIN that each account and card begins with.
pub(crate) const FIRST_PIN: &str = "804913";

/// What operations are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    Account(usize),
    Card(usize),
    /// A person's own mobile number.
    Number(usize),
    /// The program that makes cards.
    Shelf,
}

/// The objects of a run, each with the clients that work on it at once.
pub(crate) const CAST: [(Object, usize); 10] = [
    (Object::Account(0), 3),
    (Object::Account(1), 3),
    (Object::Account(2), 3),
    (Object::Account(3), 3),
    (Object::Card(0), 3),
    (Object::Card(1), 2),
    (Object::Number(0), 3),
    (Object::Number(1), 3),
    (Object::Number(2), 2),
    (Object::Shelf, 1),
];

impl Object {
    pub(crate) fn begin(self) -> State {
        match self {
            Self::Account(_) => State::account(FIRST_PIN),
            Self::Card(_) => State::card(FIRST_PIN),
            Self::Number(_) => State::number(Side::Stock),
            Self::Shelf => State::Shelf,
        }
    }

    /// The audit chain that holds the object's operations.
    pub(crate) fn subject(self) -> Option<String> {
        match self {
            Self::Account(nth) => Some(format!("account/ACC{nth}")),
            Self::Card(nth) => Some(format!("card/{}", urn(nth))),
            Self::Number(nth) => Some(format!("number/{}", number(nth))),
            Self::Shelf => None,
        }
    }
}

pub(crate) fn urn(card: usize) -> String {
    format!("7{:010}", 4_200 + card)
}

pub(crate) fn last_four(card: usize) -> String {
    format!("{:04}", 1_730 + card)
}

pub(crate) fn account_mobile(account: usize) -> String {
    format!("91900000{account:04}")
}

pub(crate) fn number(person: usize) -> String {
    format!("981234{:04}", 5_671 + person)
}

pub(crate) fn customer(side: Side, person: usize) -> String {
    match side {
        Side::Stock => format!("S{person}"),
        Side::Broker => format!("B{person}"),
    }
}

pub(crate) fn vpa(side: Side, person: usize) -> String {
    match side {
        Side::Stock => format!("s{person}@handle"),
        Side::Broker => format!("b{person}@broker"),
    }
}

pub(crate) fn device(side: Side, person: usize) -> String {
    format!("device-{}", customer(side, person))
}

/// A PIN that no rule refuses, and that differs from the thousand before.
pub(crate) fn fit_pin(nth: u32) -> String {
    let digit = |place: u32| match (nth >> (2 * place)) % 4 {
        0 => '2',
        1 => '4',
        2 => '6',
        _ => '7',
    };
    std::iter::once('8').chain((0..5).map(digit)).collect()
}

/// A PIN that nobody ever sets.
pub(crate) fn wrong_pin(nth: u64) -> String {
    format!("{:06}", 200_000 + nth % 100_000)
}

/// The seed file.
pub(crate) fn seed() -> String {
    CAST.iter().map(|(object, _)| object.seed()).collect()
}

impl Object {
    fn seed(self) -> String {
        match self {
            Self::Account(nth) => {
                let (mobile, reference) = (account_mobile(nth), format!("ACC{nth}"));
                account(&format!("CIF{nth}"), &mobile, &reference, &format!("a{nth}@axis"))
            }
            Self::Card(nth) => format!(
                "[[card]]\nclient = \"2000\"\nurn = \"{}\"\nlast_four = \"{}\"\n\
                 expiry = \"12/2035\"\ncustomer = \"IN{nth}\"\nname = \"A\"\n\
                 born = \"1985-11-30\"\nmobile = \"919876500001\"\n\
                 email = \"holder@example.com\"\npin_length = 6\npin = \"{FIRST_PIN}\"\n",
                urn(nth),
                last_four(nth),
            ),
            Self::Number(nth) => person(nth),
            Self::Shelf => String::new(),
        }
    }
}

fn account(customer: &str, mobile: &str, reference: &str, vpa: &str) -> String {
    format!(
        "[[account]]\ncustomer = \"{customer}\"\nname = \"A\"\nborn = \"1985-11-30\"\n\
         mobile = \"{mobile}\"\nreference = \"{reference}\"\nifsc = \"AXIS0000001\"\n\
         masked = \"*\"\nvpas = [\"{vpa}\"]\npin_length = 6\npin = \"{FIRST_PIN}\"\n\
         debit_card = {{ last_six = \"123456\", expiry = \"12/2035\" }}\n\
         bank = {{ iin = \"111111\", unique_id = \"U{reference}\", branch = \"B\", \
         kind = \"SAVINGS\", balance = \"1.00\" }}\n"
    )
}

fn person(nth: usize) -> String {
    let mut seed = String::new();
    for side in [Side::Stock, Side::Broker] {
        let (customer, vpa) = (customer(side, nth), vpa(side, nth));
        let (mobile, merchant) = (format!("91{}", number(nth)), merchant(side).name);
        seed.push_str(&account(&format!("P{customer}"), &mobile, &format!("R{customer}"), &vpa));
        let held = match side {
            Side::Stock => {
                format!("numbers = [{{ number = \"{}\", vpa = \"{vpa}\" }}]\n", number(nth))
            }
            Side::Broker => String::new(),
        };
        // Writing to a string cannot fail.
        let _ = write!(
            seed,
            "[[profile]]\nmerchant = \"{merchant}\"\ncustomer = \"{customer}\"\nname = \"A\"\n\
             mobile = \"{mobile}\"\ndevices = [\"{}\"]\n\
             vpas = [{{ vpa = \"{vpa}\", accounts = [\"R{customer}\"], primary = \"R{customer}\" }}]\n\
             {held}",
            device(side, nth),
        );
    }
    seed
}

/// One of the sandbox's merchants; its secret is public.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Merchant {
    pub(crate) name: &'static str,
    pub(crate) channel: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) prefix: &'static str,
}

pub(crate) fn merchant(side: Side) -> Merchant {
    match side {
        Side::Stock => Merchant {
            name: "stock",
            channel: "STOCKAPP",
            secret: "sandbox-checksum-secret",
            prefix: "STK",
        },
        Side::Broker => Merchant {
            name: "broker",
            channel: "BROKERAPP",
            secret: "broker-checksum-secret",
            prefix: "BRK",
        },
    }
}
