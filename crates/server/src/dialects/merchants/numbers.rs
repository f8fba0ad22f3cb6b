//! Does what is asked: the customer's rules first, then the mapper's.

use kunji_core::audit::Subject;
use kunji_core::customer::{Aim, Customer, CustomerCommand};
use kunji_core::engine::{Answered, By, Claimed, Fault, Turned};
use kunji_core::ids::{Mobile, UpiNumber, Vpa};
use kunji_core::mapper::{Address, Number, NumberCommand, Registrant};
use kunji_core::receipt::Reply;
use kunji_core::time::Stamp;

use super::code::Refused;
use super::reply::{Failure, Said, refused};
use super::request::{Ask, FetchAsk, NumberAsk, ValidityAsk, Who, Wish};
use crate::app::Issuer;
use crate::mapper_code::{self, Hindered, Hindrance, MapperCode, state_word};

/// The handle under which a UPI number is an address.
const MAPPER_HANDLE: &str = "mapper.npci";

/// Does what is asked and says what came of it.
///
/// # Errors
/// `Fault` when something broke: the outcome is unknown.
pub(super) async fn perform(issuer: &Issuer, ask: &Ask) -> Result<Answered, Fault> {
    match ask {
        Ask::Number(ask) => number(issuer, ask).await,
        Ask::Fetch(ask) => fetch(issuer, ask).await,
        Ask::Validity(ask) => {
            let reply = validity(issuer, ask).await?;
            Ok(Answered { reply, reason: None })
        }
    }
}

/// What was answered, now or before; else the request id was used for something else.
fn answered(turned: Option<Answered>) -> Answered {
    turned.unwrap_or_else(|| Failure::duplicate().answered())
}

impl Who {
    fn by(&self) -> By {
        By { caller: self.caller.clone(), ticket: self.ticket.clone() }
    }

    fn subject(&self) -> Subject {
        Subject::Customer(self.profile.clone())
    }

    fn admission(&self, number: Option<&UpiNumber>) -> CustomerCommand {
        let (devices, to) = (self.devices.clone(), self.call.action());
        CustomerCommand::Admit { number: number.cloned(), devices, to }
    }
}

/// The customer, when a device may act on the number; else what was answered.
async fn admitted(
    issuer: &Issuer,
    who: &Who,
    number: &UpiNumber,
) -> Result<Result<Customer, Answered>, Fault> {
    let subject = who.subject();
    let found = issuer.look::<Customer>(&subject).await?;
    let admits = |customer: &Customer| customer.admits(Some(number), &who.devices).is_ok();
    if let Some(customer) = found.filter(admits) {
        return Ok(Ok(customer));
    }
    // Asked again in a turn, so that the refusal is kept and leaves its event.
    let command = who.admission(Some(number));
    let turned = issuer
        .turn::<Customer>(&who.by(), &subject, &command, |turn, _, _| {
            turn.verdict.err().map(refused)
        })
        .await?;
    Ok(match turned {
        Turned::Decided { verdict: Ok(_), now: Some(customer), .. } => Ok(*customer),
        other @ (Turned::Decided { .. } | Turned::Repeated(_) | Turned::Duplicate) => {
            Err(answered(other.answered()))
        }
    })
}

async fn number(issuer: &Issuer, ask: &NumberAsk) -> Result<Answered, Fault> {
    let customer = match admitted(issuer, &ask.who, &ask.number).await? {
        Ok(customer) => customer,
        Err(answered) => return Ok(answered),
    };
    // A device is bound to a mobile number, so there is one.
    let Some(mobile) = customer.mobile.clone() else { return Err(Fault::Busy) };
    let by = Registrant {
        number: ask.number.clone(),
        owner: ask.who.profile.clone(),
        mobile: mobile.clone(),
        vpa: ask.vpa.clone(),
        channel: Some(ask.who.channel.clone()),
        txn: ask.who.ticket.as_ref().map(|ticket| ticket.txn.clone()),
        wait: ask.wait,
    };
    let command = match &ask.wish {
        Wish::Update(update) => NumberCommand::Update { by, update: update.clone() },
        Wish::Register => NumberCommand::Register(by),
        Wish::Port(existing) => NumberCommand::Port { by, existing: existing.clone() },
        Wish::CheckRegister => return look_up(issuer, ask, &customer, (by, Aim::Register)).await,
        Wish::CheckPort => return look_up(issuer, ask, &customer, (by, Aim::Port)).await,
    };
    claim(issuer, ask, &mobile, command).await
}

async fn claim(
    issuer: &Issuer,
    ask: &NumberAsk,
    mobile: &Mobile,
    command: NumberCommand,
) -> Result<Answered, Fault> {
    let seen = issuer.look::<Number>(&Subject::Number(ask.number.clone())).await?;
    let claimed = issuer
        .claim_number(
            &ask.who.by(),
            command,
            |refusal, stamp| match Refused::from(refusal) {
                Refused::Api(..) => refused(refusal),
                Refused::Gateway(code) => ask.decided(code, seen.as_ref(), mobile, stamp),
            },
            |turn, now, stamp| Some(ask.decided(MapperCode::of(turn.verdict), now, mobile, stamp)),
        )
        .await?;
    Ok(match claimed {
        Claimed::Answered(answered) => answered,
        Claimed::Duplicate => Failure::duplicate().answered(),
    })
}

/// Says whether the number may be had or taken over, and changes nothing.
async fn look_up(
    issuer: &Issuer,
    ask: &NumberAsk,
    customer: &Customer,
    (by, aim): (Registrant, Aim),
) -> Result<Answered, Fault> {
    let rules = &issuer.rules;
    let (mobile, hindered) = (by.mobile.clone(), Hindered::default());
    let say = |now: Option<&Number>, stamp: &Stamp| {
        let foreseen = MapperCode::foreseen(customer, now, &by, &aim, (rules, stamp));
        hindered.note(foreseen);
        let code = match foreseen {
            Ok(()) => MapperCode::Success,
            Err(Hindrance::Number(refusal)) => refusal.into(),
            Err(Hindrance::Customer(refusal)) => match Refused::from(refusal) {
                Refused::Api(..) => return refused(refusal),
                Refused::Gateway(code) => code,
            },
        };
        let port = code == MapperCode::Success && aim == Aim::Port;
        let existing = now.filter(|_| port).map(|number| mapper_code::masked(&number.vpa));
        let ours = now.filter(|number| number.is_held_by(&by.owner));
        let said = Said {
            gateway: code,
            status: Some(state_word(mapper_code::availability(now, &by, (rules, stamp)))),
            vpa: ours.map_or(&ask.vpa, |number| &number.vpa),
            existing: existing.as_deref(),
        };
        ask.say(said, &mobile, stamp)
    };
    let subject = Subject::Number(ask.number.clone());
    let turned = issuer
        .turn::<Number>(&ask.who.by(), &subject, &NumberCommand::LookUp, |_, now, stamp| {
            Some(say(now, stamp))
        })
        .await?;
    Ok(hindered.explain(answered(turned.answered())))
}

async fn fetch(issuer: &Issuer, ask: &FetchAsk) -> Result<Answered, Fault> {
    let subject = ask.who.subject();
    let found = issuer.look::<Customer>(&subject).await?;
    let mut numbers = Vec::new();
    for number in found.iter().flat_map(Customer::numbers) {
        numbers.extend(issuer.look::<Number>(&Subject::Number(number.clone())).await?);
    }
    numbers.sort_by_key(|one| (!one.number.is_mobile(), one.number.as_str().to_owned()));
    let command = ask.who.admission(None);
    let turned = issuer
        .turn::<Customer>(&ask.who.by(), &subject, &command, |turn, now, stamp| {
            Some(match (turn.verdict, now) {
                (Err(refusal), _) => refused(refusal),
                (Ok(_), Some(customer)) => ask.say(customer, &numbers, stamp),
                (Ok(_), None) => Failure::unknown().reply(),
            })
        })
        .await?;
    Ok(answered(turned.answered()))
}

async fn validity(issuer: &Issuer, ask: &ValidityAsk) -> Result<Reply, Fault> {
    let by_number = ask.vpa.handle().eq_ignore_ascii_case(MAPPER_HANDLE);
    let found = match by_number {
        true => by_number_of(issuer, &ask.vpa).await?,
        false => {
            let subject = Subject::Address(ask.vpa.folded());
            let address = issuer.look::<Address>(&subject).await?;
            address.and_then(|address| Some((address.vpa, address.owner?)))
        }
    };
    let Some((vpa, owner)) = found else { return Ok(ask.say(None)) };
    let customer = issuer.look::<Customer>(&Subject::Customer(owner)).await?;
    let name = customer.map_or_else(String::new, |customer| customer.name);
    Ok(ask.say(Some((&vpa, &name))))
}

/// Where an active number leads, and whose it is.
async fn by_number_of(
    issuer: &Issuer,
    vpa: &Vpa,
) -> Result<Option<(Vpa, kunji_core::ids::ProfileId)>, Fault> {
    let user = vpa.as_str().split_once('@').map_or("", |(user, _)| user);
    let Ok(number) = UpiNumber::parse(user) else { return Ok(None) };
    let number = issuer.look::<Number>(&Subject::Number(number)).await?;
    Ok(number.and_then(|number| number.leads()))
}
