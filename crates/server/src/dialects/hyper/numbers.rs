//! UPI numbers as the app sees them: the same mapper as the server API's.

use std::sync::Arc;

use kunji_core::aggregate::Turn;
use kunji_core::audit::Subject;
use kunji_core::customer::{Aim, Customer, CustomerRefusal};
use kunji_core::engine::{By, Claimed, Fault, Ticket, Turned};
use kunji_core::ids::{Caller, TxnId, UpiNumber, Vpa};
use kunji_core::mapper::{Number, NumberCommand, NumberState, Registrant, Update};
use kunji_core::reason::Reason;
use kunji_core::refusal::Refusal;
use kunji_core::time::{Millis, Stamp};

use super::action::Action;
use super::handlers::{Answer, Ask, Stop};
use super::reply::{Event, masked_mobile, other_info, status};
use super::wire::NumberResult;
use crate::app::App;
use crate::mapper_code::{self, Hindered, Hindrance, MapperCode, customer_refused};
use crate::{result_code, wall};

/// What the three actions have in common.
#[derive(Clone)]
struct Wanted {
    action: Action,
    request_id: String,
    customer: Option<Customer>,
    merchant_customer: String,
    caller: Caller,
    number: UpiNumber,
    vpa: Vpa,
    existing: Option<Vpa>,
    txn: TxnId,
    udf: Option<String>,
}

#[derive(Clone, Copy)]
enum Change {
    Vpa,
    Disable,
    Delete,
    Reactivate,
}

/// `upiCheckUpiNumberAvailability`: what creating or porting would come to.
pub(super) async fn check(ask: Ask<'_>) -> Answer {
    let aims = [("CHECK", Aim::Register), ("PORT", Aim::Port)];
    let aim = ask.payload.one_of("command", &aims)?;
    let wanted = wanted(&ask)?;
    let Some((registrant, customer)) = registrant(&ask, &wanted).zip(wanted.customer.clone())
    else {
        let now = ask.app.clock().now();
        return Ok(wanted.say(&Said::of(Verdict::NotBound), now));
    };
    let by = by(&ask, &wanted)?;
    let (issuer, said) = (ask.app.issuer(), wanted.clone());
    let hindered = Arc::new(Hindered::default());
    let noted = Arc::clone(&hindered);
    let looked = ask.app.act(ask.action.as_str(), async move {
        let subject = Subject::Number(said.number.clone());
        let rules = &issuer.rules;
        let say = |_: &Turn<Number>, now: Option<&Number>, stamp: &Stamp| {
            let at = (rules, stamp);
            let foreseen = MapperCode::foreseen(&customer, now, &registrant, &aim, at);
            noted.note(foreseen);
            let port = foreseen.is_ok() && aim == Aim::Port;
            let existing = now.filter(|_| port).map(|number| mapper_code::masked(&number.vpa));
            let state = mapper_code::availability(now, &registrant, at);
            let verdict = Said {
                verdict: match foreseen {
                    Ok(()) => Verdict::Mapper(MapperCode::Success),
                    Err(Hindrance::Customer(refusal)) => Verdict::Customer(refusal),
                    Err(Hindrance::Number(refusal)) => Verdict::Mapper(refusal.into()),
                },
                state: mapper_code::status_word(state),
                existing: existing.as_deref(),
            };
            Some(said.say(&verdict, stamp.now).into_reply())
        };
        issuer.turn::<Number>(&by, &subject, &NumberCommand::LookUp, say).await
    });
    Ok(match looked.await.map(Turned::answered) {
        Ok(Some(answered)) => Event::kept(hindered.explain(answered)),
        Ok(None) => wanted.duplicate(ask.app),
        Err(_) => wanted.unknown(ask.app),
    })
}

/// `upiCreateUpiNumber`; a port when it names where the number leads now.
pub(super) async fn create(ask: Ask<'_>) -> Answer {
    let wanted = wanted(&ask)?;
    let registrant = registrant(&ask, &wanted);
    let named = match ask.payload.has("command") {
        true => Some(ask.payload.one_of("command", &[("CREATE", false), ("PORT", true)])?),
        false => None,
    };
    let command = match (named, wanted.existing.clone()) {
        (Some(true), None) => return Err(ask.payload.needs("existingVpa").into()),
        (Some(true) | None, Some(existing)) => {
            registrant.map(|by| NumberCommand::Port { by, existing })
        }
        (Some(false) | None, _) => registrant.map(NumberCommand::Register),
    };
    run(ask, wanted, command).await
}

/// `upiUpdateUpiNumberStatus`.
pub(super) async fn update(ask: Ask<'_>) -> Answer {
    let change = ask.payload.one_of(
        "command",
        &[
            ("CHANGE_VPA", Change::Vpa),
            ("DISABLE", Change::Disable),
            ("DELETE", Change::Delete),
            ("REACTIVATE", Change::Reactivate),
        ],
    )?;
    let wanted = wanted(&ask)?;
    let update = match (change, wanted.existing.clone()) {
        (Change::Vpa, Some(existing)) => Update::ChangeVpa { existing },
        (Change::Vpa, None) => return Err(ask.payload.needs("existingVpa").into()),
        (Change::Disable, _) => Update::Disable,
        (Change::Delete, _) => Update::Delete,
        (Change::Reactivate, _) => Update::Reactivate,
    };
    let command = registrant(&ask, &wanted).map(|by| NumberCommand::Update { by, update });
    run(ask, wanted, command).await
}

fn wanted(ask: &Ask<'_>) -> Result<Wanted, Stop> {
    let payload = ask.payload;
    Ok(Wanted {
        action: ask.action,
        request_id: ask.request_id.to_owned(),
        customer: ask.identity.customer.clone(),
        merchant_customer: ask.identity.profile.customer.to_string(),
        caller: ask.caller()?,
        number: payload.number()?,
        vpa: payload.vpa("vpa")?,
        existing: payload.vpa_if_any("existingVpa")?,
        txn: payload.upi_request_id(ask.identity.merchant)?,
        udf: payload.udf()?.map(str::to_owned),
    })
}

/// Who asks the mapper; nobody whose mobile number is not known.
fn registrant(ask: &Ask<'_>, wanted: &Wanted) -> Option<Registrant> {
    Some(Registrant {
        number: wanted.number.clone(),
        owner: ask.identity.profile.clone(),
        mobile: wanted.customer.as_ref()?.mobile.clone()?,
        vpa: wanted.vpa.clone(),
        channel: ask.identity.channel(),
        txn: Some(wanted.txn.clone()),
        wait: ask.wait,
    })
}

fn by(ask: &Ask<'_>, wanted: &Wanted) -> Result<By, Fault> {
    let mut print = ask.app.issuer().vault.fingerprint();
    let command = ask.payload.text_if_any("command").ok().flatten();
    for text in [
        ask.action.as_str(),
        &ask.identity.profile.to_string(),
        command.unwrap_or_default(),
        wanted.number.as_str(),
        wanted.vpa.as_str(),
        wanted.existing.as_ref().map_or("", Vpa::as_str),
        wanted.udf.as_deref().unwrap_or_default(),
        ask.request_id,
    ] {
        print.text(text);
    }
    let ticket = Some(Ticket { txn: wanted.txn.clone(), print: print.finish() });
    Ok(By { caller: wanted.caller.clone(), ticket })
}

async fn run(ask: Ask<'_>, wanted: Wanted, command: Option<NumberCommand>) -> Answer {
    let Some(command) = command else {
        let now = ask.app.clock().now();
        return Ok(wanted.say(&Said::of(Verdict::NotBound), now));
    };
    let by = by(&ask, &wanted)?;
    let port = match &command {
        NumberCommand::Port { existing, .. } => Some(existing.clone()),
        NumberCommand::Register(_)
        | NumberCommand::Update { .. }
        | NumberCommand::LookUp
        | NumberCommand::Settle { .. }
        | NumberCommand::Told { .. } => None,
    };
    let (issuer, said) = (ask.app.issuer(), wanted.clone());
    let claimed = ask.app.act(ask.action.as_str(), async move {
        let existing = port.as_ref().map(Vpa::as_str);
        let refuse = |refusal: CustomerRefusal, stamp: &Stamp| {
            let verdict = Said { existing, ..Said::of(Verdict::Customer(refusal)) };
            said.say(&verdict, stamp.now).into_reply()
        };
        let say = |turn: &Turn<Number>, now: Option<&Number>, stamp: &Stamp| {
            let state = now.map_or(&NumberState::Free, |number| &number.state);
            let verdict = Said {
                verdict: Verdict::Mapper(MapperCode::of(turn.verdict)),
                state: mapper_code::status_word(state),
                existing,
            };
            Some(said.say(&verdict, stamp.now).into_reply())
        };
        issuer.claim_number(&by, command, refuse, say).await
    });
    Ok(match claimed.await {
        Ok(Claimed::Answered(answered)) => Event::kept(answered),
        Ok(Claimed::Duplicate) => wanted.duplicate(ask.app),
        Err(_) => wanted.unknown(ask.app),
    })
}

/// Who said what.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    Mapper(MapperCode),
    Customer(CustomerRefusal),
    /// There is no mobile number, and so no device.
    NotBound,
    Duplicate,
    Unknown,
}

/// What is said of one number.
#[derive(Debug, Clone, Copy)]
struct Said<'a> {
    verdict: Verdict,
    /// `upiNumberStatus`.
    state: &'static str,
    /// For a port: where the number leads now.
    existing: Option<&'a str>,
}

impl Said<'_> {
    /// Nothing is known of the number.
    fn of(verdict: Verdict) -> Self {
        Self { verdict, state: "FAILED", existing: None }
    }
}

impl Verdict {
    /// `responseCode` and `responseMessage`.
    fn api(self) -> (&'static str, &'static str) {
        match self {
            Self::NotBound
            | Self::Customer(CustomerRefusal::NotBound | CustomerRefusal::UnknownCustomer) => {
                mapper_code::API_DEVICE
            }
            Self::Duplicate => mapper_code::API_DUPLICATE,
            Self::Unknown => mapper_code::API_UNKNOWN,
            Self::Mapper(_) | Self::Customer(_) => mapper_code::API_SUCCESS,
        }
    }

    /// `gatewayResponseStatus`, code and message.
    fn gateway(self) -> (&'static str, (&'static str, &'static str)) {
        match self {
            Self::Mapper(code) => (code.status(), code.words()),
            Self::Customer(refusal) => ("FAILURE", customer_refused(refusal)),
            Self::NotBound => ("FAILURE", result_code::DEVICE_MISMATCH),
            Self::Duplicate => ("FAILURE", result_code::of(Err(Refusal::Duplicate))),
            Self::Unknown => ("FAILURE", result_code::UNKNOWN),
        }
    }

    /// Why, where no turn says it.
    fn reason(self) -> Option<Reason> {
        match self {
            Self::NotBound => Some(CustomerRefusal::NotBound.into()),
            Self::Customer(refusal) => Some(refusal.into()),
            Self::Duplicate => Some(Reason::OtherContent),
            Self::Mapper(_) | Self::Unknown => None,
        }
    }

    /// Whether the API did what it was asked to, settled or not.
    fn is_accepted(self) -> bool {
        matches!(self, Self::Mapper(MapperCode::Success | MapperCode::Pending))
    }
}

impl Wanted {
    fn say(&self, said: &Said<'_>, at: Millis) -> Event {
        let (gateway_status, (code, message)) = said.verdict.gateway();
        let (response_code, response_message) = said.verdict.api();
        let mobile = self.customer.as_ref().and_then(|customer| customer.mobile.as_ref());
        let payload = NumberResult {
            action: self.action.as_str(),
            status: status(said.verdict.is_accepted()),
            response_code,
            response_message,
            merchant_customer_id: &self.merchant_customer,
            customer_mobile_number: masked_mobile(mobile),
            upi_number: self.number.as_str(),
            vpa: self.vpa.as_str(),
            existing_vpa: said.existing,
            upi_number_status: said.state,
            gateway_transaction_id: self.txn.as_str(),
            gateway_response_status: gateway_status,
            gateway_response_code: code,
            gateway_response_message: message,
            gateway_timestamp: wall::indian(at),
            other_info: other_info(self.udf.as_deref()),
        };
        Event::result(&self.request_id, code, payload).because(said.verdict.reason())
    }

    fn duplicate(&self, app: &App) -> Event {
        self.say(&Said::of(Verdict::Duplicate), app.clock().now())
    }

    fn unknown(&self, app: &App) -> Event {
        self.say(&Said::of(Verdict::Unknown), app.clock().now())
    }
}
