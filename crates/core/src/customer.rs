//! A merchant's customer, as the payment service provider keeps it.
//!
//! ```text
//!  FRESH ──bind──▶ BOUND ──link──▶ LINKED
//!    ▲               │               │
//!    └───────────── deregister ──────┘
//! ```
//!
//! What must be unique among all customers (numbers, VPAs) belongs to the mapper. The customer
//! keeps a claim to it: made before the mapper is asked, settled by what the mapper says. So two
//! requests cannot pass a limit together, and after a crash it is known what must be looked at.

mod claims;
mod command;
mod links;

use kunji_vault::Fingerprint;
use serde::{Deserialize, Serialize};

pub use self::claims::{Aim, Claim, Fact, Holding, Want};
pub use self::command::{CustomerCommand, CustomerOutcome, CustomerRefusal};
pub use self::links::{Link, LinkedVpa, Mapping};
use crate::aggregate::{Aggregate, Turn};
use crate::audit::Action;
use crate::ids::{CredentialId, Mobile, ProfileId, Vpa};
use crate::rules::Rules;
use crate::time::{DAY_MS, Millis, Stamp};

/// Most devices that a customer may have bound; the oldest gives way.
pub const DEVICES_MAX: usize = 5;
/// Most sessions that a customer may have open; the oldest gives way.
pub const SESSIONS_MAX: usize = 8;
/// Most VPAs that a customer may hold.
pub const CUSTOMER_VPAS_MAX: usize = 10;
/// Most accounts behind one VPA.
pub const VPA_ACCOUNTS_MAX: usize = 10;

/// A merchant's customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Customer {
    /// Which one.
    pub id: ProfileId,
    /// The name that the bank vouches for; empty until an account is linked.
    pub name: String,
    /// The mobile number with country code, once it is known.
    pub mobile: Option<Mobile>,
    /// The devices that may act for the customer, the newest last.
    pub devices: Vec<Device>,
    /// Failed bindings that still count.
    pub bindings: FailedBindings,
    /// The VPAs and what they draw on.
    pub vpas: Vec<LinkedVpa>,
    /// What the mapper keeps for the customer, or is to.
    pub claims: Vec<Claim>,
    /// Apps that were let in, the newest last.
    pub sessions: Vec<Session>,
    /// Proofs of identity that an app was started with.
    pub starts: Vec<Session>,
}

/// A device that may act for its customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What the device is known by.
    pub fingerprint: String,
    /// Since when.
    pub bound: Millis,
}

/// Failed bindings that still count.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct FailedBindings {
    /// How many.
    pub count: u8,
    /// The last one; they fall when none follows it for a day.
    pub last: Option<Millis>,
}

/// Something that lets an app in for a while.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// Keyed MAC of what the app shows.
    pub print: Fingerprint,
    /// When it ends.
    pub ends: Millis,
}

/// How far a customer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No device is bound.
    Fresh,
    /// A device is bound, no VPA is linked.
    Bound,
    /// A VPA is linked.
    Linked,
}

/// A turn of a customer.
type CustomerTurn = Turn<Customer>;

impl Customer {
    /// A customer of whom only the name and perhaps the mobile number are known.
    #[must_use]
    pub fn fresh(id: ProfileId, mobile: Option<Mobile>) -> Self {
        Self {
            id,
            name: String::new(),
            mobile,
            devices: Vec::new(),
            bindings: FailedBindings::default(),
            vpas: Vec::new(),
            claims: Vec::new(),
            sessions: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// How far the customer has come.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (self.devices.is_empty(), self.vpas.is_empty()) {
            (true, _) => Standing::Fresh,
            (false, true) => Standing::Bound,
            (false, false) => Standing::Linked,
        }
    }

    /// Whether an app that shows this was let in, and still is.
    #[must_use]
    pub fn has_session(&self, print: &Fingerprint, now: Millis) -> bool {
        self.sessions.iter().any(|one| one.print.same_as(print) && now < one.ends)
    }

    /// Whether one of these devices may act for the customer.
    #[must_use]
    pub fn has_device(&self, fingerprint: &str) -> bool {
        self.devices.iter().any(|device| device.fingerprint == fingerprint)
    }

    /// The VPA as the customer has it.
    #[must_use]
    pub fn vpa(&self, vpa: &Vpa) -> Option<&LinkedVpa> {
        self.vpas.iter().find(|one| one.vpa.is_same(vpa))
    }

    /// The VPA for which an account is primary, else the first that draws on it.
    #[must_use]
    pub fn vpa_of(&self, account: &CredentialId) -> Option<&LinkedVpa> {
        let primary = self.vpas.iter().find(|one| one.primary == *account);
        primary.or_else(|| self.vpas.iter().find(|one| one.accounts.contains(account)))
    }

    fn start(&self, proof: &Fingerprint, rules: &Rules, stamp: &Stamp) -> CustomerTurn {
        let known = |one: &Session| one.print.same_as(proof) && stamp.now < one.ends;
        if self.starts.iter().any(known) {
            return Turn::refused(CustomerRefusal::StartedBefore);
        }
        let mut next = self.clone();
        // A proof is fresh for as long as a session, five minutes of skew either way.
        let ends = stamp.now.plus(rules.session_ms.saturating_mul(2));
        push_bounded(&mut next.starts, Session { print: *proof, ends }, SESSIONS_MAX);
        Turn::changed(CustomerOutcome::Started, next)
    }

    fn open(&self, session: &Fingerprint, rules: &Rules, stamp: &Stamp) -> CustomerTurn {
        let mut next = self.clone();
        next.sessions.retain(|one| stamp.now < one.ends);
        let ends = stamp.now.plus(rules.session_ms);
        push_bounded(&mut next.sessions, Session { print: *session, ends }, SESSIONS_MAX);
        Turn::changed(CustomerOutcome::Opened, next)
    }

    fn bind(
        &self,
        device: &str,
        mobile: Option<&Mobile>,
        rules: &Rules,
        stamp: &Stamp,
    ) -> CustomerTurn {
        let mut next = self.clone();
        if self.bindings.last.is_none_or(|last| stamp.now >= last.plus(DAY_MS)) {
            next.bindings = FailedBindings::default();
        }
        if next.bindings.count >= rules.bind_tries_max {
            return Turn::refused(CustomerRefusal::BindingBlocked);
        }
        let known = self.mobile.as_ref();
        let fits = match (known, mobile) {
            (Some(known), Some(said)) => known == said,
            (Some(_), None) | (None, Some(_)) => true,
            (None, None) => false,
        };
        if !fits {
            next.bindings.count = next.bindings.count.saturating_add(1);
            next.bindings.last = Some(stamp.now);
            let refused = Turn::refused(CustomerRefusal::MobileMismatch);
            return Turn { next: Some(next), ..refused };
        }
        next.bindings = FailedBindings::default();
        next.mobile = known.or(mobile).cloned();
        next.devices.retain(|one| one.fingerprint != device);
        let device = Device { fingerprint: device.to_owned(), bound: stamp.now };
        push_bounded(&mut next.devices, device, DEVICES_MAX);
        Turn::changed(CustomerOutcome::Bound, next)
    }

    fn bound(&self) -> Result<(), CustomerRefusal> {
        match self.devices.is_empty() {
            true => Err(CustomerRefusal::NotBound),
            false => Ok(()),
        }
    }
}

fn push_bounded<T>(list: &mut Vec<T>, item: T, len_max: usize) {
    while list.len() >= len_max {
        list.remove(0);
    }
    list.push(item);
}

impl Aggregate for Customer {
    type Command = CustomerCommand;
    type Outcome = CustomerOutcome;
    type Refusal = CustomerRefusal;

    fn action(command: &CustomerCommand) -> Action {
        match command {
            CustomerCommand::Start { .. } | CustomerCommand::Open { .. } => Action::Session,
            CustomerCommand::Bind { .. } => Action::Bind,
            CustomerCommand::Link { .. } => Action::Link,
            CustomerCommand::MapPrimary { .. } => Action::MapPrimary,
            CustomerCommand::Admit { to, .. } => *to,
            CustomerCommand::ClaimNumber { .. } | CustomerCommand::Settle { .. } => Action::Claim,
            CustomerCommand::DropVpa(_)
            | CustomerCommand::DropAccount(_)
            | CustomerCommand::Deregister => Action::Unlink,
        }
    }

    fn decide(
        before: Option<&Self>,
        command: &CustomerCommand,
        rules: &Rules,
        stamp: &Stamp,
    ) -> CustomerTurn {
        let fresh = match (before, command) {
            (Some(_), _) => None,
            (
                None,
                CustomerCommand::Start { profile, mobile, .. }
                | CustomerCommand::Open { profile, mobile, .. }
                | CustomerCommand::Bind { profile, mobile, .. },
            ) => Some(Self::fresh(profile.clone(), mobile.clone())),
            (None, _) => None,
        };
        let Some(customer) = before.or(fresh.as_ref()) else {
            let refused = Turn::refused(CustomerRefusal::UnknownCustomer);
            // A number of somebody whom no merchant here knows was ported: its errand must fall.
            let CustomerCommand::Settle { errand, .. } = command else { return refused };
            return Turn { settled: errand.iter().cloned().collect(), ..refused };
        };
        match command {
            CustomerCommand::Start { proof, .. } => customer.start(proof, rules, stamp),
            CustomerCommand::Open { session, .. } => customer.open(session, rules, stamp),
            CustomerCommand::Bind { device, mobile, .. } => {
                customer.bind(device, mobile.as_ref(), rules, stamp)
            }
            CustomerCommand::Link { vpa, link } => customer.link(vpa, link, stamp),
            CustomerCommand::MapPrimary { vpa, account, mapping } => {
                customer.map_primary(vpa, account, *mapping)
            }
            CustomerCommand::Admit { number, devices, .. } => {
                let admitted = customer.admits(number.as_ref(), devices);
                Turn::only(admitted.map(|()| CustomerOutcome::Admitted))
            }
            CustomerCommand::ClaimNumber { number, vpa, aim } => {
                customer.claim_number(number, vpa, aim, (rules, stamp))
            }
            CustomerCommand::Settle { holding, fact, errand } => {
                customer.settle(holding, fact, errand.as_ref())
            }
            CustomerCommand::DropVpa(vpa) => customer.drop_vpa(vpa, stamp),
            CustomerCommand::DropAccount(account) => customer.drop_account(account),
            CustomerCommand::Deregister => customer.deregister(stamp),
        }
    }
}

#[cfg(test)]
mod random;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
