//! Sessions, devices, banks, accounts, and the links between VPAs and accounts.

use kunji_core::audit::Subject;
use kunji_core::credential::Credential;
use kunji_core::customer::{
    Customer, CustomerCommand, CustomerRefusal, Holding, Link, Mapping, Standing,
};
use kunji_core::engine::{By, Fault, Turned};
use kunji_core::ids::{Caller, CredentialId, CredentialKind, Vpa};
use kunji_core::index::IndexKey;
use kunji_core::mapper::{Address, AddressRefusal};
use kunji_core::reason::Reason;
use kunji_core::store::Store as _;

use super::accounts::{account, vpa_accounts};
use super::action::{Action, SdkError};
use super::auth::{Denied, fresh_session};
use super::handlers::{Answer, Ask};
use super::reply::{Event, account_facts, masked_mobile, other_info, status, word};
use super::request::{needed, too_long};
use super::wire::{Accounts, Availability, BankItem, BankList, Initiated, Links, SessionResult};
use crate::mapper_code::{VPA_TAKEN, customer_refused};
use crate::result_code;

/// Longest name of a device, in bytes.
const DEVICE_LEN_MAX: usize = 256;

/// What a turn of a customer came to.
type Decided = (Result<(), CustomerRefusal>, Option<Customer>);

impl Ask<'_> {
    /// Lets the customer's rules decide.
    async fn turn(&self, command: CustomerCommand) -> Result<Decided, Fault> {
        let by = By::caller(self.caller()?);
        let subject = Subject::Customer(self.identity.profile.clone());
        let issuer = self.app.issuer();
        let turned = self.app.act(self.action.as_str(), async move {
            issuer.turn::<Customer>(&by, &subject, &command, |_, _, _| None).await
        });
        match turned.await? {
            Turned::Decided { verdict, now, .. } => {
                Ok((verdict.map(drop), now.map(|customer| *customer)))
            }
            Turned::Repeated(_) | Turned::Duplicate => Err(Fault::Busy),
        }
    }

    pub(super) fn caller(&self) -> Result<Caller, Fault> {
        Ok(Caller::parse(&format!("hyper:{}", self.identity.merchant.id))?)
    }

    /// A result about the links as they are now.
    async fn links(&self, said: Result<(), Refused>, customer: Option<&Customer>) -> Answer {
        let udf = self.payload.udf()?;
        let customer = customer.or(self.identity.customer.as_ref());
        let linked = match customer {
            Some(customer) => vpa_accounts(self.app, customer).await?,
            None => Vec::new(),
        };
        let ((code, message), reason) = match said {
            Ok(()) => (result_code::SUCCESS, None),
            Err(Refused { words, reason }) => (words, Some(reason)),
        };
        let payload = Links {
            action: self.action.as_str(),
            status: status(code == "00"),
            gateway_response_code: code,
            gateway_response_message: message,
            customer_mobile_number: masked_mobile(customer.and_then(|one| one.mobile.as_ref())),
            vpa_accounts: (self.action != Action::Deregister).then_some(linked),
            other_info: other_info(udf),
        };
        Ok(Event::result(self.request_id, code, payload).because(reason))
    }
}

/// A refusal in the words of the app, and why.
struct Refused {
    words: (&'static str, &'static str),
    reason: Reason,
}

impl From<CustomerRefusal> for Refused {
    fn from(refusal: CustomerRefusal) -> Self {
        Self { words: customer_refused(refusal), reason: refusal.into() }
    }
}

/// `initiate`: once for each proof of identity, and not beside a session.
pub(super) async fn initiate(ask: Ask<'_>) -> Answer {
    for name in ["clientId", "environment", "issuingPsp"] {
        ask.payload.filled(name)?;
    }
    let twice = || {
        let why = CustomerRefusal::StartedBefore;
        let why = Reason::from(why);
        Event::error(ask.request_id, SdkError::StartedTwice, "initiate called twice", why)
    };
    let Some(proof) = ask.identity.proof.filter(|_| ask.identity.session.is_none()) else {
        return Ok(twice());
    };
    let command = CustomerCommand::Start {
        profile: ask.identity.profile.clone(),
        proof,
        mobile: ask.identity.mobile.clone(),
    };
    match ask.turn(command).await? {
        (Ok(()), _) => {
            let payload = Initiated { action: ask.action.as_str(), status: "success" };
            Ok(Event::initiated(ask.request_id, payload))
        }
        (Err(_), _) => Ok(twice()),
    }
}

/// `upiGetSessionToken`.
pub(super) async fn session_token(ask: Ask<'_>) -> Answer {
    signed(&ask)?;
    let_in(ask).await
}

/// `updateAuth`: a session that goes on from now.
pub(super) async fn update_auth(ask: Ask<'_>) -> Answer {
    signed(&ask)?;
    let_in(ask).await
}

/// A session alone opens no other one.
fn signed(ask: &Ask<'_>) -> Result<(), Denied> {
    match ask.identity.proof {
        Some(_) => Ok(()),
        None => Err(Denied::NotAuthentic("a session alone opens no other one")),
    }
}

async fn let_in(ask: Ask<'_>) -> Answer {
    let (header, session) = fresh_session(ask.app, &ask.identity.profile)?;
    let command = CustomerCommand::Open {
        profile: ask.identity.profile.clone(),
        session,
        mobile: ask.identity.mobile.clone(),
    };
    let (_, customer) = ask.turn(command).await?;
    let event = session_event(&ask, customer.as_ref(), None).await?;
    Ok(Event { session: Some(header), ..event })
}

/// `upiBindActivateDevice`.
pub(super) async fn bind(ask: Ask<'_>) -> Answer {
    let sim = ask.payload.filled("simId")?;
    ask.payload.is_true("isBindAndActivateRequest")?;
    let device = ask.payload.text_if_any("deviceFingerPrint")?.filter(|text| !text.is_empty());
    let device = device.unwrap_or(sim).to_owned();
    if device.len() > DEVICE_LEN_MAX {
        return Err(too_long("deviceFingerPrint").into());
    }
    let mobile = ask.identity.mobile.clone();
    let known = ask.identity.customer.as_ref().is_some_and(|customer| customer.mobile.is_some());
    if mobile.is_none() && !known {
        return Err(needed("customer_phone").into());
    }
    let profile = ask.identity.profile.clone();
    let (verdict, customer) = ask.turn(CustomerCommand::Bind { profile, device, mobile }).await?;
    Ok(session_event(&ask, customer.as_ref(), verdict.err()).await?)
}

async fn session_event(
    ask: &Ask<'_>,
    customer: Option<&Customer>,
    refusal: Option<CustomerRefusal>,
) -> Result<Event, Fault> {
    let refused = refusal.map(customer_refused);
    let standing = customer.map_or(Standing::Fresh, Customer::standing);
    let linked = match customer {
        Some(customer) if standing == Standing::Linked => {
            Some(vpa_accounts(ask.app, customer).await?)
        }
        Some(_) | None => None,
    };
    let far = match standing {
        Standing::Fresh => "FRESH",
        Standing::Bound => "BOUND",
        Standing::Linked => "LINKED",
    };
    let bound = word(standing != Standing::Fresh);
    let payload = SessionResult {
        action: ask.action.as_str(),
        status: match (ask.action, refused) {
            (Action::Bind | Action::UpdateAuth, None) => "SUCCESS",
            (_, Some(_)) => "FAILURE",
            (_, None) => far,
        },
        is_device_bound: bound,
        is_device_activated: bound,
        gateway_response_code: refused.map(|(code, _)| code),
        gateway_response_message: refused.map(|(_, message)| message),
        vpa_accounts: linked,
    };
    let code = refused.map_or("00", |(code, _)| code);
    Ok(Event::result(ask.request_id, code, payload).because(refusal.map(Reason::from)))
}

/// `upiGetBankList`.
pub(super) fn bank_list(ask: &Ask<'_>) -> Event {
    let banks = ask.app.config().upi.banks.iter().map(|bank| BankItem {
        upi_enabled: word(bank.upi_enabled),
        name: &bank.name,
        iin: &bank.iin,
        ifsc: &bank.ifsc,
        id: &bank.id,
    });
    let action = ask.action.as_str();
    let payload = BankList { action, status: "SUCCESS", bank_list: banks.collect() };
    Event::result(ask.request_id, "00", payload)
}

/// `upiGetAccounts`: what the banks keep under the customer's mobile number.
pub(super) async fn accounts(ask: Ask<'_>) -> Answer {
    let banks = ask.payload.texts("bankCodes")?;
    let udf = ask.payload.udf()?;
    let customer = ask.identity.customer.as_ref();
    let customer = customer.filter(|customer| customer.standing() != Standing::Fresh);
    let mut found = Vec::new();
    if let Some(customer) = customer
        && let Some(mobile) = &customer.mobile
    {
        let index = IndexKey::Mobile(mobile.clone());
        let ids = ask.app.issuer().store.find(&index).await.map_err(Fault::from)?;
        for id in ids.iter().filter(|id| id.kind() == CredentialKind::Account) {
            let account = account(ask.app, customer, id).await?;
            found.extend(account.filter(|one| banks.contains(&one.bank_code.as_str())));
        }
    }
    let refusal = customer.is_none().then_some(CustomerRefusal::NotBound);
    let refused = refusal.map(customer_refused);
    let payload = Accounts {
        action: ask.action.as_str(),
        status: status(refused.is_none()),
        accounts: found,
        gateway_response_code: refused.map(|(code, _)| code),
        gateway_response_message: refused.map(|(_, message)| message),
        other_info: other_info(udf),
    };
    let code = refused.map_or("00", |(code, _)| code);
    Ok(Event::result(ask.request_id, code, payload).because(refusal.map(Reason::from)))
}

/// `upiVpaAvailability`.
pub(super) async fn vpa_availability(ask: Ask<'_>) -> Answer {
    let vpa = ask.payload.vpa("customerVpa")?;
    let udf = ask.payload.udf()?;
    let subject = Subject::Address(vpa.folded());
    let kept = ask.app.issuer().look::<Address>(&subject).await?;
    let free = kept.is_none_or(|address| address.owner.is_none());
    let payload = Availability {
        action: ask.action.as_str(),
        status: "SUCCESS",
        available: word(free && ask.identity.merchant.serves(&vpa)),
        other_info: other_info(udf),
    };
    Ok(Event::result(ask.request_id, "00", payload))
}

/// `upiLinkAccounts` and `upiLinkAccount`.
pub(super) async fn link(ask: Ask<'_>) -> Answer {
    let vpa = ask.payload.vpa("customerVpa")?;
    let accounts = ask.payload.accounts("accountReferenceIds")?;
    let mapping = ask.payload.mapping(Mapping::OneToAll)?;
    ask.payload.udf()?;
    if !ask.identity.merchant.serves(&vpa) {
        return ask.links(Err(CustomerRefusal::NotTheirVpa.into()), None).await;
    }
    let name = match vouched_name(&ask, &accounts).await? {
        Ok(name) => name,
        Err(refused) => return ask.links(Err(refused), None).await,
    };
    let link = Link { accounts, mapping, name };
    let command = CustomerCommand::Link { vpa: vpa.clone(), link };
    let (verdict, customer) = ask.turn(command).await?;
    if let Err(refusal) = verdict {
        return ask.links(Err(refusal.into()), None).await;
    }
    if customer.is_some_and(|customer| customer.vpa(&vpa).is_none()) {
        settle(&ask, Holding::Vpa(vpa.folded())).await?;
    }
    let customer = customer_now(&ask).await?;
    let linked = customer.as_ref().is_some_and(|customer| customer.vpa(&vpa).is_some());
    let said = match linked {
        true => Ok(()),
        // Somebody was faster.
        false => Err(Refused { words: VPA_TAKEN, reason: AddressRefusal::Taken.into() }),
    };
    ask.links(said, customer.as_ref()).await
}

/// The holder's name, if all accounts are kept under the customer's mobile number.
async fn vouched_name(
    ask: &Ask<'_>,
    accounts: &[CredentialId],
) -> Result<Result<String, Refused>, Fault> {
    let mobile = ask.identity.customer.as_ref().and_then(|customer| customer.mobile.as_ref());
    let Some(mobile) = mobile else { return Ok(Err(CustomerRefusal::NotBound.into())) };
    let mut name = String::new();
    for id in accounts {
        let subject = Subject::Credential(id.clone());
        let kept = ask.app.issuer().look::<Credential>(&subject).await?;
        match kept.filter(|one| one.holder.mobile == *mobile && account_facts(one).is_some()) {
            Some(credential) => name = credential.holder.name,
            None => {
                let words = result_code::NO_SUCH_ACCOUNT;
                return Ok(Err(Refused { words, reason: Reason::NoSuchCredential }));
            }
        }
    }
    Ok(Ok(name))
}

/// `upiMakePrimary`: for the VPA of the request, unless it asks for more.
pub(super) async fn make_primary(ask: Ask<'_>) -> Answer {
    let command = CustomerCommand::MapPrimary {
        vpa: ask.payload.vpa("customerVpa")?,
        account: ask.payload.account("accountReferenceId")?,
        mapping: ask.payload.mapping(Mapping::OneToOne)?,
    };
    change_links(ask, command).await
}

/// `upiDeleteVpa`.
pub(super) async fn delete_vpa(ask: Ask<'_>) -> Answer {
    let vpa: Vpa = ask.payload.vpa("customerVpa")?;
    change_links(ask, CustomerCommand::DropVpa(vpa)).await
}

/// `upiDeleteAccount`.
pub(super) async fn delete_account(ask: Ask<'_>) -> Answer {
    let account = ask.payload.account("accountReferenceId")?;
    change_links(ask, CustomerCommand::DropAccount(account)).await
}

/// `upiDeregister`: the numbers and VPAs are given back with the links.
pub(super) async fn deregister(ask: Ask<'_>) -> Answer {
    change_links(ask, CustomerCommand::Deregister).await
}

async fn change_links(ask: Ask<'_>, command: CustomerCommand) -> Answer {
    ask.payload.udf()?;
    let (verdict, customer) = ask.turn(command).await?;
    if let Err(refusal) = verdict {
        return ask.links(Err(refusal.into()), None).await;
    }
    let open = customer.iter().flat_map(|customer| &customer.claims);
    let open = open.filter(|claim| claim.open.is_some()).map(|claim| claim.holding.clone());
    for holding in open.collect::<Vec<_>>() {
        settle(&ask, holding).await?;
    }
    ask.links(Ok(()), customer_now(&ask).await?.as_ref()).await
}

async fn settle(ask: &Ask<'_>, holding: Holding) -> Result<bool, Fault> {
    let (issuer, caller) = (ask.app.issuer(), ask.caller()?);
    let profile = ask.identity.profile.clone();
    let settled = ask
        .app
        .act("claim", async move { issuer.settle_claim(&caller, &profile, &holding, None).await });
    settled.await
}

async fn customer_now(ask: &Ask<'_>) -> Result<Option<Customer>, Fault> {
    let subject = Subject::Customer(ask.identity.profile.clone());
    ask.app.issuer().look::<Customer>(&subject).await
}
