//! What clients come up with: guesses, changes, numbers, and the same again.

use kunji_core::card::BlockKind;
use kunji_core::command::HolderCheck;
use kunji_core::customer::CustomerCommand;
use kunji_core::ids::{CredentialKind, Mobile};
use kunji_core::mapper::Update;
use kunji_core::store::Store as _;
use kunji_testkit::{Act, Claim, HolderWord, OtpWord};

use super::ground::{Ground, at_once};
use super::requests::{Content, MOBILE, named};
use crate::crashes::linking;
use crate::psp::{OWN, port, profile, register, update, vpa, vpa_of};

const PINS: [&str; 10] =
    ["4821", "7392", "5937", "8264", "6150", "1111", "1990", "804913", "739105", "580264"];
pub(crate) const CUSTOMERS: [&str; 3] = ["one", "two", "three"];
const NUMBERS: [&str; 3] = ["87654321", "87654322", OWN];
/// A VPA that everybody wants.
const COVETED: &str = "Coveted@kunji";

/// Something to ask for that was not asked before.
pub(crate) fn fresh(ground: &mut Ground) -> Content {
    match ground.chance.below(100) {
        0..34 => guess(ground),
        34..44 => otp(ground),
        44..54 => set(ground),
        54..64 => card(ground),
        64..66 => Content::CreateCard(ground.chance.below(1_000_000)),
        66..68 => {
            let pin = "4821".to_owned();
            Content::Credential(Act::Verify { who: "A9".to_owned(), pin }, None)
        }
        68..89 => number(ground),
        89..97 => customer(ground),
        _ => Content::Errands,
    }
}

/// One of those who are there; the planted ones more often than the created ones.
fn alias(ground: &mut Ground) -> String {
    let names = ["A1", "A1", "A1", "A2", "C1"].map(str::to_owned);
    match ground.chance.one_in(8) {
        true => some_card(ground),
        false => ground.chance.pick(&names),
    }
}

fn some_card(ground: &mut Ground) -> String {
    let all = ground.checker.guarded.keys();
    let cards: Vec<_> = all.filter(|id| id.kind() == CredentialKind::Card).collect();
    cards[ground.chance.place(cards.len())].name().to_owned()
}

fn claim(ground: &mut Ground) -> Claim {
    match ground.chance.below(16) {
        0 => Claim::OtherCard,
        1 => Claim::OtherOwner,
        _ => Claim::True,
    }
}

/// The right PIN as far as it is durable, or another one.
fn entered(ground: &mut Ground, who: &str) -> String {
    let right = ground.checker.guarded[&named(who)].twin.pins.last().cloned();
    match (right, ground.chance.below(5) < 2) {
        (Some(right), true) => right,
        (_, _) => ground.chance.pick(&PINS).to_owned(),
    }
}

fn guess(ground: &mut Ground) -> Content {
    let who = alias(ground);
    let pin = entered(ground, &who);
    let act = match ground.chance.below(12) {
        0..8 => Act::Verify { who, pin },
        8..11 => {
            // No card is named, so that there is no other card to name.
            let claim = match ground.chance.one_in(12) {
                true => Claim::OtherOwner,
                false => Claim::True,
            };
            let to = ground.chance.pick(&PINS).to_owned();
            Act::Change { who, from: pin, to, claim }
        }
        _ => Act::ClearTries { who },
    };
    Content::Credential(act, None)
}

fn otp(ground: &mut Ground) -> Content {
    let who = ground.chance.pick(&["A1", "A1", "A2"]).to_owned();
    Content::Credential(Act::Otp { who, claim: claim(ground) }, None)
}

fn set(ground: &mut Ground) -> Content {
    let who = ground.chance.pick(&["A1", "A1", "A2"]).to_owned();
    let digits = match sent(ground, &who).as_slice() {
        [] => "000000".to_owned(),
        [newest, older @ ..] => match (ground.chance.below(6), older.first()) {
            (0, Some(older)) => older.clone(),
            (1, _) => format!("{:06}", (newest.parse::<u32>().unwrap() + 1) % 1_000_000),
            (_, _) => newest.clone(),
        },
    };
    let atm_pin = match ground.chance.below(16) {
        0 => Some("0000".to_owned()),
        1..4 => Some("7305".to_owned()),
        _ => None,
    };
    let (to, claim) = (ground.chance.pick(&PINS).to_owned(), claim(ground));
    Content::Credential(Act::Set { who, to, otp: OtpWord::Newest, atm_pin, claim }, Some(digits))
}

/// The OTPs that the holder reads, newest first.
fn sent(ground: &Ground, who: &str) -> Vec<String> {
    let (id, mobile) = (named(who), Mobile::parse(MOBILE).unwrap());
    let messages = at_once(ground.durable.outbox(&mobile)).unwrap();
    let ours = messages.iter().filter(|message| message.about == id).take(2);
    let vault = &ground.checker.vault;
    let open = |sealed| vault.open_message(&id.to_string(), sealed).unwrap().otp.clone().unwrap();
    ours.map(|message| open(&message.sealed)).collect()
}

fn card(ground: &mut Ground) -> Content {
    let who = some_card(ground);
    let (to, claim) = (ground.chance.pick(&PINS).to_owned(), claim(ground));
    let act = match ground.chance.below(10) {
        0..3 => {
            let holder = ground.chance.pick(&[HolderCheck::Required, HolderCheck::Waived]);
            Act::Reset { who, to, holder, claim }
        }
        3..5 => {
            let holder = ground.chance.pick(&[HolderWord::Contact, HolderWord::OtherContact]);
            Act::VerifyHolder { who, holder }
        }
        5 => Act::Inquire { who, claim },
        6..8 => {
            let kind = ground.chance.pick(&[BlockKind::Temporary, BlockKind::Debit]);
            Act::BlockCard { who, kind, claim }
        }
        _ => Act::UnblockCard { who, claim },
    };
    Content::Credential(act, None)
}

fn number(ground: &mut Ground) -> Content {
    let who = ground.chance.pick(&CUSTOMERS);
    let (digits, nth) = (ground.chance.pick(&NUMBERS), ground.chance.pick(&[1, 1, 2]));
    let change = |update_to| update(who, digits, nth, update_to);
    Content::Number(match ground.chance.below(10) {
        0..3 => register(who, digits),
        3..5 => {
            let other = ground.chance.pick(&CUSTOMERS);
            port(who, OWN, &vpa_of(other, nth))
        }
        5..7 => change(Update::ChangeVpa { existing: vpa_of(who, 3 - nth) }),
        7 => change(Update::Disable),
        8 => change(Update::Reactivate),
        _ => change(Update::Delete),
    })
}

fn customer(ground: &mut Ground) -> Content {
    let who = ground.chance.pick(&CUSTOMERS);
    let second = vpa_of(who, 2);
    let command = match ground.chance.below(16) {
        0..3 => linking(COVETED),
        3..5 => CustomerCommand::DropVpa(vpa(COVETED)),
        5..8 => CustomerCommand::DropVpa(second),
        8..11 => linking(second.as_str()),
        11..13 => linking(vpa_of(who, 1).as_str()),
        13 => CustomerCommand::Deregister,
        _ => CustomerCommand::Bind {
            profile: profile(who),
            device: "phone".to_owned(),
            mobile: Some(Mobile::parse(&format!("91{OWN}")).unwrap()),
        },
    };
    Content::Customer(who, command)
}
