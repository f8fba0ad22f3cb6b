//! Customers for the tables beside the rules.

use kunji_vault::Fingerprint;

use super::{
    Claim, Customer, CustomerCommand, CustomerOutcome, CustomerRefusal, Device, Holding, Link,
    LinkedVpa, Mapping,
};
use crate::aggregate::{Aggregate as _, Turn};
use crate::ids::{
    CredentialId, CredentialKind, MerchantCustomerId, MerchantId, Mobile, ProfileId, UpiNumber, Vpa,
};
use crate::rules::Rules;
use crate::time::{Millis, Stamp, month_start};

/// The instant at which everything happens, unless it is said when.
pub(super) fn now() -> Millis {
    month_start(2026, 1)
}

pub(super) fn stamp(now: Millis, serial: u64) -> Stamp {
    Stamp { now, real: now, serial, entropy: [0; 16] }
}

pub(super) fn profile() -> ProfileId {
    let merchant = MerchantId::parse("shop").unwrap();
    ProfileId { merchant, customer: MerchantCustomerId::parse("one").unwrap() }
}

pub(super) fn mobile() -> Mobile {
    Mobile::parse("919876543210").unwrap()
}

pub(super) fn other_mobile() -> Mobile {
    Mobile::parse("919876543211").unwrap()
}

pub(super) fn vpa(name: &str) -> Vpa {
    Vpa::parse_address(name).unwrap()
}

pub(super) fn account(name: &str) -> CredentialId {
    CredentialId::parse(CredentialKind::Account, name).unwrap()
}

pub(super) fn accounts(names: &[&str]) -> Vec<CredentialId> {
    names.iter().map(|name| account(name)).collect()
}

pub(super) fn number(digits: &str) -> UpiNumber {
    UpiNumber::parse(digits).unwrap()
}

pub(super) fn of_number(digits: &str) -> Holding {
    Holding::Number(number(digits))
}

pub(super) fn of_vpa(name: &str) -> Holding {
    Holding::Vpa(vpa(name).folded())
}

pub(super) fn print(nth: u8) -> Fingerprint {
    Fingerprint([nth; 32])
}

/// A customer with a mobile number and no device.
pub(super) fn fresh() -> Customer {
    Customer::fresh(profile(), Some(mobile()))
}

/// A customer with a device and no VPA.
pub(super) fn bound() -> Customer {
    let device = Device { fingerprint: "phone".to_owned(), bound: now() };
    Customer { devices: vec![device], ..fresh() }
}

/// A customer with `a@kunji` on A1 and A2, and `b@kunji` on A2; the mapper knows both.
pub(super) fn linked() -> Customer {
    let linked = |name, names: &[&str]| LinkedVpa {
        vpa: vpa(name),
        accounts: accounts(names),
        primary: account(names[0]),
    };
    let claims = ["a@kunji", "b@kunji"].map(|name| Claim::settled(of_vpa(name), Vec::new()));
    Customer {
        name: "John Doe".to_owned(),
        vpas: vec![linked("a@kunji", &["A1", "A2"]), linked("b@kunji", &["A2"])],
        claims: claims.into(),
        ..bound()
    }
}

/// A customer to whom the number is settled, leading to the VPA.
pub(super) fn holding(customer: Customer, digits: &str, name: &str) -> Customer {
    let mut customer = customer;
    customer.claims.push(Claim::settled(of_number(digits), vec![vpa(name)]));
    customer
}

pub(super) fn link(names: &[&str], mapping: Mapping) -> Link {
    Link { accounts: accounts(names), mapping, name: "John Doe".to_owned() }
}

pub(super) fn linking(name: &str, names: &[&str], mapping: Mapping) -> CustomerCommand {
    CustomerCommand::Link { vpa: vpa(name), link: link(names, mapping) }
}

/// One turn under the standing rules, with the serial 7.
pub(super) fn decide(customer: &Customer, command: &CustomerCommand) -> Turn<Customer> {
    decide_at(customer, command, now())
}

pub(super) fn decide_at(
    customer: &Customer,
    command: &CustomerCommand,
    at: Millis,
) -> Turn<Customer> {
    Customer::decide(Some(customer), command, &Rules::default(), &stamp(at, 7))
}

/// The customer after a turn that must end so.
#[track_caller]
pub(super) fn after(
    customer: &Customer,
    command: &CustomerCommand,
    expected: CustomerOutcome,
) -> Customer {
    let turn = decide(customer, command);
    assert_eq!(turn.verdict, Ok(expected), "{command:?}");
    turn.next.unwrap_or_else(|| customer.clone())
}

/// A refusal, after which all is as it was.
#[track_caller]
pub(super) fn refused(customer: &Customer, command: &CustomerCommand, expected: CustomerRefusal) {
    let turn = decide(customer, command);
    assert_eq!(turn.verdict, Err(expected), "{command:?}");
    assert!(turn.next.is_none() && turn.errands.is_empty() && turn.settled.is_empty());
}

/// A VPA in words: its accounts, the primary one in front and once more in its place.
pub(super) fn words(customer: &Customer) -> Vec<String> {
    let one = |linked: &LinkedVpa| {
        let names: Vec<&str> = linked.accounts.iter().map(CredentialId::name).collect();
        format!("{} {}: {}", linked.vpa, linked.primary.name(), names.join(" "))
    };
    customer.vpas.iter().map(one).collect()
}
