//! Standing, sessions and devices; what a stranger is told.

use super::sample::{
    after, bound, decide, decide_at, fresh, linked, mobile, now, number, other_mobile, print,
    profile, refused, stamp, vpa,
};
use super::*;
use crate::errand::ErrandKey;
use crate::time::MINUTE_MS;

fn open(nth: u8) -> CustomerCommand {
    CustomerCommand::Open { profile: profile(), session: print(nth), mobile: None }
}

fn start(nth: u8) -> CustomerCommand {
    CustomerCommand::Start { profile: profile(), proof: print(nth), mobile: Some(mobile()) }
}

fn bind(device: &str, mobile: Option<Mobile>) -> CustomerCommand {
    CustomerCommand::Bind { profile: profile(), device: device.to_owned(), mobile }
}

/// All that may be asked of a customer, but not what lets one come into being.
fn others() -> Vec<CustomerCommand> {
    let (holding, fact) = (Holding::Number(number("87654321")), Fact::NotHeld);
    vec![
        super::sample::linking("a@kunji", &["A1"], Mapping::OneToAll),
        CustomerCommand::MapPrimary {
            vpa: vpa("a@kunji"),
            account: super::sample::account("A1"),
            mapping: Mapping::OneToOne,
        },
        CustomerCommand::ClaimNumber {
            number: number("87654321"),
            vpa: vpa("a@kunji"),
            aim: Aim::Register,
        },
        CustomerCommand::Settle { holding, fact, errand: None },
        CustomerCommand::DropVpa(vpa("a@kunji")),
        CustomerCommand::DropAccount(super::sample::account("A1")),
        CustomerCommand::Deregister,
    ]
}

#[test]
fn nobody_is_a_customer_before_an_app_starts_or_is_let_in() {
    let decide = |command: &CustomerCommand| {
        Customer::decide(None, command, &Rules::default(), &stamp(now(), 7))
    };
    for command in others() {
        let turn = decide(&command);
        assert_eq!(turn.verdict, Err(CustomerRefusal::UnknownCustomer), "{command:?}");
        assert!(turn.next.is_none() && turn.errands.is_empty());
    }
    for (command, outcome, known) in [
        (start(1), CustomerOutcome::Started, Some(mobile())),
        (open(1), CustomerOutcome::Opened, None),
    ] {
        let turn = decide(&command);
        let customer = turn.next.unwrap();
        assert_eq!((turn.verdict, customer.standing()), (Ok(outcome), Standing::Fresh));
        assert_eq!((customer.id, customer.mobile), (profile(), known));
    }
}

#[test]
fn errand_of_a_customer_who_is_not_there_falls() {
    let key = ErrandKey { lane: crate::errand::Lane::Holdings, due: now(), serial: 3, place: 2 };
    let holding = Holding::Number(number("87654321"));
    let errand = Some(key.clone());
    let settle = CustomerCommand::Settle { holding, fact: Fact::NotHeld, errand };
    let turn = Customer::decide(None, &settle, &Rules::default(), &stamp(now(), 7));
    assert_eq!(turn.settled, [key], "nobody else would ever take it away");
}

#[test]
fn standing_follows_device_and_vpa() {
    assert_eq!(fresh().standing(), Standing::Fresh);
    assert_eq!(bound().standing(), Standing::Bound);
    assert_eq!(linked().standing(), Standing::Linked);
    let gone = after(&linked(), &CustomerCommand::Deregister, CustomerOutcome::Dropped);
    assert_eq!(gone.standing(), Standing::Fresh);
}

#[test]
fn session_ends_to_the_millisecond() {
    let customer = after(&bound(), &open(1), CustomerOutcome::Opened);
    for (after_ms, lets_in) in [(0, true), (15 * MINUTE_MS - 1, true), (15 * MINUTE_MS, false)] {
        assert_eq!(customer.has_session(&print(1), now().plus(after_ms)), lets_in, "{after_ms}");
        assert!(!customer.has_session(&print(2), now().plus(after_ms)));
    }
}

#[test]
fn sessions_are_bounded_and_the_oldest_gives_way() {
    let mut customer = bound();
    for nth in 0..20 {
        customer = after(&customer, &open(nth), CustomerOutcome::Opened);
        assert!(customer.sessions.len() <= SESSIONS_MAX);
    }
    for nth in 0..20 {
        assert_eq!(customer.has_session(&print(nth), now()), nth >= 12, "{nth}");
    }
    let later = now().plus(15 * MINUTE_MS);
    let customer = decide_at(&customer, &open(20), later).next.unwrap();
    assert_eq!(customer.sessions.len(), 1, "sessions that are over are not kept");
}

#[test]
fn proof_is_good_for_one_start() {
    let customer = after(&bound(), &start(1), CustomerOutcome::Started);
    refused(&customer, &start(1), CustomerRefusal::StartedBefore);
    let customer = after(&customer, &start(2), CustomerOutcome::Started);
    refused(&customer, &start(1), CustomerRefusal::StartedBefore);
    // By then the proof itself is stale for every dialect.
    for (after_ms, expected) in [
        (30 * MINUTE_MS - 1, Err(CustomerRefusal::StartedBefore)),
        (30 * MINUTE_MS, Ok(CustomerOutcome::Started)),
    ] {
        assert_eq!(decide_at(&customer, &start(2), now().plus(after_ms)).verdict, expected);
    }
}

#[test]
fn starts_are_bounded() {
    let mut customer = bound();
    for nth in 0..20 {
        customer = after(&customer, &start(nth), CustomerOutcome::Started);
        assert!(customer.starts.len() <= SESSIONS_MAX);
        refused(&customer, &start(nth), CustomerRefusal::StartedBefore);
    }
}

#[test]
fn known_mobile_number_stays_whatever_an_app_says() {
    let command = CustomerCommand::Open {
        profile: profile(),
        session: print(1),
        mobile: Some(other_mobile()),
    };
    assert_eq!(after(&fresh(), &command, CustomerOutcome::Opened).mobile, Some(mobile()));
    let command = CustomerCommand::Start {
        profile: profile(),
        proof: print(1),
        mobile: Some(other_mobile()),
    };
    assert_eq!(after(&fresh(), &command, CustomerOutcome::Started).mobile, Some(mobile()));
}

#[test]
fn device_is_bound_to_the_mobile_number_that_is_known() {
    let nameless = Customer::fresh(profile(), None);
    for (customer, said, expected) in [
        (fresh(), Some(mobile()), Some(mobile())),
        (fresh(), None, Some(mobile())),
        (nameless.clone(), Some(other_mobile()), Some(other_mobile())),
    ] {
        let customer = after(&customer, &bind("phone", said), CustomerOutcome::Bound);
        assert_eq!(customer.mobile, expected);
        assert!(customer.has_device("phone") && !customer.has_device("Phone"));
    }
    for (customer, said) in [(fresh(), Some(other_mobile())), (nameless, None)] {
        let turn = decide(&customer, &bind("phone", said));
        assert_eq!(turn.verdict, Err(CustomerRefusal::MobileMismatch));
        let next = turn.next.unwrap();
        assert!(!next.has_device("phone"));
        assert_eq!((next.mobile, next.bindings.count), (customer.mobile, 1));
    }
}

#[test]
fn devices_are_bounded_and_none_is_there_twice() {
    let mut customer = fresh();
    for nth in 0..8 {
        let device = format!("phone {nth}");
        customer = after(&customer, &bind(&device, None), CustomerOutcome::Bound);
    }
    let there: Vec<bool> = (0..8).map(|nth| customer.has_device(&format!("phone {nth}"))).collect();
    assert_eq!(there, [false, false, false, true, true, true, true, true]);
    let customer = after(&customer, &bind("phone 3", None), CustomerOutcome::Bound);
    assert_eq!(customer.devices.len(), DEVICES_MAX);
    assert_eq!(customer.devices.last().unwrap().fingerprint, "phone 3");
}

/// Fails to bind once more, at an instant.
fn fail(customer: &Customer, at: Millis) -> (Customer, CustomerRefusal) {
    let turn = decide_at(customer, &bind("phone", Some(other_mobile())), at);
    let refusal = turn.verdict.unwrap_err();
    (turn.next.unwrap_or_else(|| customer.clone()), refusal)
}

#[test]
fn third_failed_binding_closes_the_door_for_a_day() {
    let mut customer = fresh();
    for nth in 0..3 {
        let refusal;
        (customer, refusal) = fail(&customer, now().plus(nth));
        assert_eq!(refusal, CustomerRefusal::MobileMismatch);
    }
    let last = now().plus(2);
    for (at, expected) in [
        (last, Err(CustomerRefusal::BindingBlocked)),
        (last.plus(DAY_MS - 1), Err(CustomerRefusal::BindingBlocked)),
        (last.plus(DAY_MS), Ok(CustomerOutcome::Bound)),
    ] {
        let turn = decide_at(&customer, &bind("phone", Some(mobile())), at);
        assert_eq!((turn.verdict, turn.next.is_some()), (expected, expected.is_ok()));
    }
    // A try while the door is closed does not keep it closed for longer.
    let (same, refusal) = fail(&customer, last.plus(DAY_MS - 1));
    assert_eq!((refusal, same.bindings.last), (CustomerRefusal::BindingBlocked, Some(last)));
    // After it there are three tries again.
    let (customer, _) = fail(&customer, last.plus(DAY_MS));
    assert_eq!(customer.bindings.count, 1);
}

#[test]
fn failed_bindings_fall_with_a_good_one_or_a_day() {
    let (once, _) = fail(&fresh(), now());
    let (twice, _) = fail(&once, now());
    assert_eq!(twice.bindings.count, 2);
    let bound = after(&twice, &bind("phone", Some(mobile())), CustomerOutcome::Bound);
    assert_eq!((bound.bindings.count, bound.bindings.last), (0, None));
    for (after_ms, count) in [(DAY_MS - 1, 3), (DAY_MS, 1)] {
        assert_eq!(fail(&twice, now().plus(after_ms)).0.bindings.count, count);
    }
}

#[test]
fn audit_names_every_command() {
    use Action::{Bind, Claim, Link, MapPrimary, Session, Unlink};
    assert_eq!(Customer::action(&bind("phone", None)), Bind);
    let named = [Link, MapPrimary, Claim, Claim, Unlink, Unlink, Unlink];
    for (command, action) in others().iter().zip(named) {
        assert_eq!(Customer::action(command), action, "{command:?}");
    }
    assert_eq!((Customer::action(&open(1)), Customer::action(&start(1))), (Session, Session));
}
