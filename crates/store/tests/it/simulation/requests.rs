//! What clients ask, and how it is put to the engine.

use std::sync::Arc;

use kunji_core::audit::Subject;
use kunji_core::card::{Card, Expiry, Standing};
use kunji_core::command::{
    AccountClaim, Command, HolderCheck, HolderClaim, NewCard, Request, Target,
};
use kunji_core::customer::{Customer, CustomerCommand, Holding};
use kunji_core::engine::{By, Claimed, Engine, Fault, Inline, Ticket, Turned};
use kunji_core::errand::{Lane, Task};
use kunji_core::ids::{Caller, CardTail, CredentialId, CredentialKind, CustomerId, Mobile, Vpa};
use kunji_core::mapper::NumberCommand;
use kunji_core::receipt::{ReceiptKey, Reply};
use kunji_core::store::Store as _;
use kunji_core::time::Clock as _;
use kunji_testkit::{Act, Claim, FakeClock, HolderWord, Plain};
use kunji_vault::{PinBlock, PinLength, PinUse, Transit};

use super::plants::Planted;
use crate::psp::{caller, profile, refuse, say};

pub(crate) type Running = Engine<Planted, FakeClock, Inline>;

/// One thing that somebody wants; sent as often as it takes.
#[derive(Debug)]
pub(crate) struct Ask {
    /// Under which id, where it has one.
    pub(crate) key: Option<ReceiptKey>,
    pub(crate) content: Content,
    /// The content in letters: two are the same when these are.
    pub(crate) text: String,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// About an account or a card, with the OTP's digits where there is one.
    Credential(Act, Option<String>),
    /// A new card; the number makes it another one than those before.
    CreateCard(u64),
    Number(NumberCommand),
    /// A step of a customer, which the mapper is asked for afterwards.
    Customer(&'static str, CustomerCommand),
    /// All errands that are due, as a server runs them.
    Errands,
    /// What is there before anybody asks.
    Plant,
}

/// What became of it, as far as anybody hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Said(Reply),
    Duplicate,
    Done(&'static str),
    /// Outcome unknown.
    Fault,
}

impl Ask {
    pub(crate) fn new(key: Option<ReceiptKey>, content: Content) -> Arc<Self> {
        let mut asked = content.clone();
        // Whether the holder must be verified is the dialect's affair, and no part of a request.
        if let Content::Credential(Act::Reset { holder, .. }, _) = &mut asked {
            *holder = HolderCheck::Waived;
        }
        let text = format!("{asked:?}");
        Arc::new(Self { key, content, text })
    }

    /// Puts it to the engine of a process.
    pub(crate) async fn put(self: Arc<Self>, engine: Arc<Running>) -> Answer {
        match self.ask(&engine).await {
            Ok(answer) => answer,
            Err(_) => Answer::Fault,
        }
    }

    async fn ask(&self, engine: &Running) -> Result<Answer, Fault> {
        match &self.content {
            Content::Credential(act, otp) => {
                let target = Target::Known(named(act.who().unwrap()));
                self.run(engine, target, command(act, otp.as_deref())).await
            }
            Content::CreateCard(nth) => {
                let command = Command::CreateCard(Box::new(new_card(*nth)));
                self.run(engine, Target::NewCard, command).await
            }
            Content::Number(command) => {
                let key = self.key.as_ref().unwrap();
                let mut print = engine.vault.fingerprint();
                print.text(&self.text);
                let ticket = Ticket { txn: key.txn.clone(), print: print.finish() };
                let by = By { caller: key.caller.clone(), ticket: Some(ticket) };
                Ok(match engine.claim_number(&by, command.clone(), refuse, say).await? {
                    Claimed::Answered(answered) => Answer::Said(answered.reply),
                    Claimed::Duplicate => Answer::Duplicate,
                })
            }
            Content::Customer(who, command) => step(engine, who, command).await,
            Content::Errands => errands(engine).await,
            Content::Plant => Ok(Answer::Fault),
        }
    }

    async fn run(
        &self,
        engine: &Running,
        target: Target,
        command: Command,
    ) -> Result<Answer, Fault> {
        let ReceiptKey { caller, txn } = self.key.clone().unwrap();
        let request = Request { caller, txn, program: None, target, command };
        let reply = engine.run(request, &Plain).await?.reply;
        Ok(match reply.code.as_str() {
            "duplicate" => Answer::Duplicate,
            _ => Answer::Said(reply),
        })
    }
}

/// One step of a customer, and the settlement of what it claims or gives back.
async fn step(
    engine: &Running,
    who: &'static str,
    command: &CustomerCommand,
) -> Result<Answer, Fault> {
    let (by, subject) = (By::caller(caller()), Subject::Customer(profile(who)));
    let turned = engine.turn::<Customer>(&by, &subject, command, |_, _, _| None).await?;
    let Turned::Decided { verdict, now, .. } = turned else {
        unreachable!("there is no request id")
    };
    let holdings = match (verdict.is_ok(), command) {
        (true, CustomerCommand::Link { vpa, .. } | CustomerCommand::DropVpa(vpa)) => {
            vec![Holding::Vpa(vpa.folded())]
        }
        (true, CustomerCommand::Deregister) => {
            let claims = now.into_iter().flat_map(|customer| customer.claims);
            claims.map(|claim| claim.holding).collect()
        }
        (_, _) => Vec::new(),
    };
    for holding in holdings {
        engine.settle_claim(&caller(), &profile(who), &holding, None).await?;
    }
    Ok(Answer::Done(verdict.map_or_else(Into::into, Into::into)))
}

async fn errands(engine: &Running) -> Result<Answer, Fault> {
    let due = engine.store.errands(&Lane::Holdings).await?;
    let now = engine.clock.stamp().now;
    for errand in due.into_iter().filter(|errand| errand.key.due <= now) {
        let Task::Settle { profile, holding } = errand.task else {
            unreachable!("nothing else waits in this lane")
        };
        engine.settle_claim(&caller(), &profile, &holding, Some(errand.key)).await?;
    }
    Ok(Answer::Done("errands"))
}

/// Accounts begin with `A`; planted cards with `C`, created ones with a digit.
pub(crate) fn named(who: &str) -> CredentialId {
    let kind = match who.starts_with('A') {
        true => CredentialKind::Account,
        false => CredentialKind::Card,
    };
    CredentialId::parse(kind, who).unwrap()
}

pub(crate) fn asker(name: &str) -> Caller {
    Caller::parse(name).unwrap()
}

pub(crate) const MOBILE: &str = "919000000001";

/// The mobile number of who gets new cards.
const NEW_MOBILE: &str = "919000000077";

fn new_card(nth: u64) -> NewCard {
    let card = Card {
        client: "2000".to_owned(),
        last_four: tail("1745"),
        expiry: Expiry::parse_short("1235").unwrap(),
        standing: Standing::Active,
        holder_verified: None,
    };
    NewCard {
        card,
        customer: CustomerId::parse("CIF-new").unwrap(),
        holder_name: "John Doe".to_owned(),
        birth: None,
        // The cards that were there before have another customer, and this number.
        mobile: Mobile::parse(if nth.is_multiple_of(8) { MOBILE } else { NEW_MOBILE }).unwrap(),
        email: Some("holder@example.com".to_owned()),
        pin_length: PinLength::parse(4).unwrap(),
        particulars: vec![nth.to_string()],
    }
}

fn command(act: &Act, otp: Option<&str>) -> Command {
    let block = |pin: &str| PinBlock::absorb(pin.to_owned());
    let transit = Transit::ClearAllowed;
    match act {
        Act::Verify { who, pin } => {
            let pin_use = if who.starts_with('A') { PinUse::Mpin } else { PinUse::CardPin };
            Command::Verify { pin: block(pin), pin_use, transit }
        }
        Act::Change { who, from, to, claim } => Command::Change {
            customer: customer(who, *claim),
            vpa: Some(Vpa::parse(&format!("{who}@kunji")).unwrap()),
            account: AccountClaim::default(),
            current: block(from),
            new: block(to),
            transit,
        },
        Act::Otp { who, claim } => Command::RequestOtp {
            customer: customer(who, *claim),
            card: Some((tail(six(*claim)), Expiry::parse_short("1235").unwrap())),
        },
        Act::Set { who, to, atm_pin, claim, .. } => Command::Set {
            customer: customer(who, *claim),
            last_six: tail(six(*claim)),
            expiry: Expiry::parse_short("1235").unwrap(),
            otp: block(otp.unwrap()),
            atm_pin: atm_pin.as_deref().map(block),
            new: block(to),
            transit,
        },
        Act::Reset { who, to, holder, claim } => Command::Reset {
            last_four: tail(four(*claim)),
            customer: Some(customer(who, *claim)),
            new: block(to),
            holder: *holder,
        },
        Act::VerifyHolder { who, holder } => {
            let email = match holder {
                HolderWord::Contact | HolderWord::Face => "holder@example.com",
                HolderWord::OtherContact | HolderWord::OtherFace => "other@example.com",
            };
            let mobile = if who.starts_with('7') { NEW_MOBILE } else { MOBILE };
            let (mobile, email) = (Mobile::parse(mobile).unwrap(), email.to_owned());
            Command::VerifyHolder(HolderClaim::Contact { mobile, email })
        }
        Act::Inquire { who, claim } => {
            let (last_four, customer) = (tail(four(*claim)), customer(who, *claim));
            Command::Inquire { last_four, customer }
        }
        Act::BlockCard { who, kind, claim } => {
            let (last_four, customer) = (tail(four(*claim)), customer(who, *claim));
            Command::Block { last_four, customer, kind: *kind }
        }
        Act::UnblockCard { who, claim } => {
            let (last_four, customer) = (tail(four(*claim)), customer(who, *claim));
            Command::Unblock { last_four, customer }
        }
        Act::ClearTries { .. } => Command::ClearTries { reason: "the holder called".to_owned() },
        Act::Account(_) | Act::Card(_) | Act::Advance(_) | Act::Restart | Act::Repeat => {
            unreachable!("{act:?} is no request")
        }
    }
}

fn customer(who: &str, claim: Claim) -> CustomerId {
    let text = match claim {
        Claim::OtherOwner => "CIF-nobody".to_owned(),
        Claim::True | Claim::OtherCard if who.starts_with('7') => "CIF-new".to_owned(),
        Claim::True | Claim::OtherCard => format!("CIF-{who}"),
    };
    CustomerId::parse(&text).unwrap()
}

fn tail(digits: &str) -> CardTail {
    CardTail::parse(digits).unwrap()
}

fn four(claim: Claim) -> &'static str {
    if claim == Claim::OtherCard { "9999" } else { "1745" }
}

fn six(claim: Claim) -> &'static str {
    if claim == Claim::OtherCard { "999999" } else { "123456" }
}
