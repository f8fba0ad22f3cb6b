//! Linking, mapping, dropping; and what is left of a customer who leaves.

use super::*;
use crate::customer::CustomerCommand;
use crate::customer::sample::{
    account, accounts, after, bound, decide, decide_at, fresh, holding, link, linked, linking,
    mobile, now, of_number, of_vpa, print, refused, vpa, words,
};
use crate::customer::{CustomerOutcome as O, CustomerRefusal as R, Fact, Session};
use crate::errand::{Lane, Task};
use crate::time::MINUTE_MS;

use Mapping::{Nothing, OneToAll, OneToOne};

fn settle(name: &str, fact: Fact) -> CustomerCommand {
    CustomerCommand::Settle { holding: of_vpa(name), fact, errand: None }
}

fn map(name: &str, account_name: &str, mapping: Mapping) -> CustomerCommand {
    CustomerCommand::MapPrimary { vpa: vpa(name), account: account(account_name), mapping }
}

/// Names of accounts: `A0`, `A1` and so on.
fn many(count: usize) -> Vec<CredentialId> {
    (0..count).map(|nth| account(&format!("A{nth}"))).collect()
}

fn linking_many(name: &str, count: usize) -> CustomerCommand {
    let link = Link { accounts: many(count), ..link(&[], Nothing) };
    CustomerCommand::Link { vpa: vpa(name), link }
}

#[test]
fn mapping_makes_primary_where_it_says() {
    for (mapping, expected) in [
        (OneToAll, ["a@kunji A2: A1 A2", "b@kunji A2: A2"]),
        (OneToOne, ["a@kunji A2: A1 A2", "b@kunji A2: A2"]),
        (Nothing, ["a@kunji A1: A1 A2", "b@kunji A2: A2"]),
    ] {
        let turn = decide(&linked(), &map("A@Kunji", "A2", mapping));
        assert_eq!((turn.verdict, turn.detail.as_deref()), (Ok(O::Mapped), Some(mapping.as_str())));
        assert_eq!(words(&turn.next.unwrap()), expected, "{mapping:?}");
    }
    for (mapping, expected) in [
        (OneToAll, ["a@kunji A1: A1 A2", "b@kunji A1: A2 A1"]),
        (OneToOne, ["a@kunji A1: A1 A2", "b@kunji A2: A2"]),
        (Nothing, ["a@kunji A1: A1 A2", "b@kunji A2: A2"]),
    ] {
        let customer = after(&linked(), &map("a@kunji", "A1", mapping), O::Mapped);
        assert_eq!(words(&customer), expected, "{mapping:?}");
        // The same once more changes nothing: an errand may come twice.
        let again = after(&customer, &map("a@kunji", "A1", mapping), O::Mapped);
        assert_eq!(words(&again), expected);
    }
    refused(&linked(), &map("c@kunji", "A1", OneToAll), R::NotTheirVpa);
    refused(&linked(), &map("b@kunji", "A1", OneToAll), R::NotLinked);
    refused(&linked(), &map("b@kunji", "A1", Nothing), R::NotLinked);
}

#[test]
fn known_vpa_is_linked_at_once() {
    for (mapping, expected) in [
        (OneToAll, ["a@kunji A3: A1 A2 A3", "b@kunji A3: A2 A3 A1"]),
        (OneToOne, ["a@kunji A1: A1 A2", "b@kunji A3: A2 A3 A1"]),
        (Nothing, ["a@kunji A1: A1 A2", "b@kunji A2: A2 A3 A1"]),
    ] {
        let turn = decide(&linked(), &linking("B@kunji", &["A3", "A1", "A2"], mapping));
        assert_eq!((turn.verdict, turn.detail.as_deref()), (Ok(O::Linked), Some(mapping.as_str())));
        assert!(turn.errands.is_empty() && turn.settled.is_empty());
        assert_eq!(words(&turn.next.unwrap()), expected, "{mapping:?}");
    }
}

#[test]
fn new_vpa_is_linked_once_the_mapper_says_so() {
    for (mapping, expected) in [
        (OneToAll, ["a@kunji A3: A1 A2 A3", "b@kunji A3: A2 A3", "New@kunji A3: A3 A4"]),
        (OneToOne, ["a@kunji A1: A1 A2", "b@kunji A2: A2", "New@kunji A3: A3 A4"]),
        (Nothing, ["a@kunji A1: A1 A2", "b@kunji A2: A2", "New@kunji A3: A3 A4"]),
    ] {
        let turn = decide(&linked(), &linking("New@kunji", &["A3", "A4"], mapping));
        assert_eq!(turn.verdict, Ok(O::Claimed));
        let [errand] = &turn.errands[..] else { panic!("one errand") };
        let task = Task::Settle { profile: linked().id, holding: of_vpa("new@kunji") };
        assert_eq!((&errand.key.lane, &errand.task), (&Lane::Holdings, &task));
        assert_eq!(errand.key.due, now().plus(MINUTE_MS));
        let claimed = turn.next.unwrap();
        assert_eq!(words(&claimed), words(&linked()), "nothing is linked yet");
        let turn = decide(&claimed, &settle("new@kunji", Fact::Held(None)));
        assert_eq!((turn.verdict, &turn.settled[..]), (Ok(O::Settled), &[errand.key.clone()][..]));
        let customer = turn.next.unwrap();
        assert_eq!(words(&customer), expected, "{mapping:?}");
        assert_eq!(customer.claim(&of_vpa("new@kunji")).unwrap().open, None);
        // Taken by another: as if nothing had been asked.
        let turn = decide(&claimed, &settle("new@kunji", Fact::NotHeld));
        assert_eq!(turn.settled, std::slice::from_ref(&errand.key));
        let customer = turn.next.unwrap();
        assert_eq!((words(&customer), &customer.claims), (words(&linked()), &linked().claims));
    }
}

#[test]
fn first_link_names_the_customer_and_makes_the_account_primary() {
    let claimed = after(&bound(), &linking("a@kunji", &["A1"], Nothing), O::Claimed);
    assert_eq!(claimed.name, "");
    let customer = after(&claimed, &settle("a@kunji", Fact::Held(None)), O::Settled);
    assert_eq!(
        (customer.name.as_str(), &words(&customer)[..]),
        ("John Doe", &["a@kunji A1: A1".to_owned()][..],)
    );
    let other = Link { name: "Jane".to_owned(), ..link(&["A2"], Nothing) };
    let command = CustomerCommand::Link { vpa: vpa("a@kunji"), link: other };
    assert_eq!(after(&customer, &command, O::Linked).name, "John Doe");
}

#[test]
fn link_needs_a_device_and_keeps_the_limits() {
    refused(&fresh(), &linking("a@kunji", &["A1"], OneToAll), R::NotBound);
    refused(&bound(), &linking("a@kunji", &[], OneToAll), R::LimitReached);
    let most = VPA_ACCOUNTS_MAX;
    after(&bound(), &linking_many("a@kunji", most), O::Claimed);
    refused(&bound(), &linking_many("a@kunji", most + 1), R::LimitReached);
    // A1 and A2 are there already.
    after(&linked(), &linking_many("a@kunji", most), O::Linked);
    refused(&linked(), &linking_many("a@kunji", most + 1), R::LimitReached);
    let mut customer = bound();
    for nth in 0..CUSTOMER_VPAS_MAX {
        let name = format!("v{nth}@kunji");
        customer = after(&customer, &linking(&name, &["A1"], Nothing), O::Claimed);
    }
    refused(&customer, &linking("v10@kunji", &["A1"], Nothing), R::LimitReached);
}

#[test]
fn mapping_to_all_leaves_a_full_vpa_as_it_is() {
    let full = after(&linked(), &linking_many("a@kunji", VPA_ACCOUNTS_MAX), O::Linked);
    let there = full.vpa(&vpa("a@kunji")).unwrap().clone();
    assert_eq!(there.accounts.len(), VPA_ACCOUNTS_MAX);
    let customer = after(&full, &linking("b@kunji", &["A99"], OneToOne), O::Linked);
    let customer = after(&customer, &map("b@kunji", "A99", OneToAll), O::Mapped);
    assert_eq!(*customer.vpa(&vpa("a@kunji")).unwrap(), there);
    assert_eq!(customer.vpa(&vpa("b@kunji")).unwrap().primary, account("A99"));
    let customer = after(&full, &linking("b@kunji", &["A99"], OneToAll), O::Linked);
    assert_eq!(*customer.vpa(&vpa("a@kunji")).unwrap(), there);
    let customer = after(&full, &linking("b@kunji", &["A3"], OneToAll), O::Linked);
    assert_eq!(customer.vpa(&vpa("a@kunji")).unwrap().primary, account("A3"));
}

#[test]
fn claim_to_a_vpa_takes_the_place_of_an_older_one() {
    let first = decide(&bound(), &linking("a@kunji", &["A1"], Nothing));
    let customer = first.next.unwrap();
    let again = decide_at(&customer, &linking("A@kunji", &["A2"], Nothing), now().plus(1));
    assert_eq!((again.verdict, &again.settled[..]), (Ok(O::Claimed), &[][..]));
    let customer = again.next.unwrap();
    assert_eq!((customer.claims.len(), again.errands.len()), (1, 1));
    assert_eq!(customer.claims[0].open, Some(again.errands[0].key.clone()));
}

#[test]
fn vpa_is_dropped_unless_it_is_the_last_or_in_use() {
    let drop = |name: &str| CustomerCommand::DropVpa(vpa(name));
    refused(&linked(), &drop("c@kunji"), R::NotTheirVpa);
    let turn = decide(&linked(), &drop("B@KUNJI"));
    let (next, key) = (turn.next.unwrap(), turn.errands[0].key.clone());
    assert_eq!(
        (turn.verdict, words(&next)),
        (Ok(O::Dropped), vec!["a@kunji A1: A1 A2".to_owned()])
    );
    let claim = next.claim(&of_vpa("b@kunji")).unwrap();
    assert_eq!((&claim.want, &claim.open), (&Want::Leave, &Some(key)));
    refused(&next, &drop("a@kunji"), R::LastVpa);
    refused(&next, &drop("b@kunji"), R::NotTheirVpa);
    let gone = after(&next, &settle("b@kunji", Fact::NotHeld), O::Settled);
    assert_eq!(gone.claim(&of_vpa("b@kunji")), None);
    let in_use = holding(linked(), "87654321", "B@kunji");
    refused(&in_use, &drop("b@kunji"), R::VpaInUse);
    after(&in_use, &drop("a@kunji"), O::Dropped);
}

#[test]
fn vpa_that_a_number_may_lead_to_is_in_use_until_it_is_settled() {
    let holder = holding(linked(), "87654321", "a@kunji");
    let change = CustomerCommand::ClaimNumber {
        number: crate::customer::sample::number("87654321"),
        vpa: vpa("b@kunji"),
        aim: crate::customer::Aim::ChangeVpa { existing: vpa("a@kunji") },
    };
    let open = after(&holder, &change, O::Claimed);
    for name in ["a@kunji", "b@kunji"] {
        refused(&open, &CustomerCommand::DropVpa(vpa(name)), R::VpaInUse);
    }
    let holding = of_number("87654321");
    let fact = Fact::Held(Some(vpa("b@kunji")));
    let errand = open.claim(&holding).unwrap().open.clone();
    let settle = CustomerCommand::Settle { holding, fact, errand };
    let settled = after(&open, &settle, O::Settled);
    refused(&settled, &CustomerCommand::DropVpa(vpa("b@kunji")), R::VpaInUse);
    after(&settled, &CustomerCommand::DropVpa(vpa("a@kunji")), O::Dropped);
}

#[test]
fn account_is_dropped_unless_it_is_primary() {
    let drop = |name: &str| CustomerCommand::DropAccount(account(name));
    refused(&linked(), &drop("A9"), R::NotLinked);
    // Primary for `b@kunji`, and linked to both.
    refused(&linked(), &drop("A2"), R::PrimaryStays);
    let both = after(&linked(), &map("a@kunji", "A1", OneToAll), O::Mapped);
    refused(&both, &drop("A1"), R::PrimaryStays);
    let customer = after(&both, &drop("A2"), O::Dropped);
    assert_eq!(words(&customer), ["a@kunji A1: A1", "b@kunji A1: A1"]);
    refused(&customer, &drop("A2"), R::NotLinked);
    refused(&bound(), &drop("A1"), R::NotLinked);
}

#[test]
fn who_deregisters_gives_everything_back() {
    let mut customer = holding(linked(), "87654321", "a@kunji");
    customer = after(&customer, &linking("new@kunji", &["A1"], Nothing), O::Claimed);
    customer.sessions = vec![Session { print: print(1), ends: now().plus(MINUTE_MS) }];
    let turn = decide_at(&customer, &CustomerCommand::Deregister, now().plus(1));
    assert_eq!((turn.verdict, &turn.settled[..]), (Ok(O::Dropped), &[][..]));
    let next = turn.next.unwrap();
    assert!(next.devices.is_empty() && next.vpas.is_empty());
    assert!(!next.has_session(&print(1), now()), "nobody is let in any more");
    assert_eq!((next.claims.len(), turn.errands.len()), (4, 4));
    for (claim, errand) in next.claims.iter().zip(&turn.errands) {
        assert_eq!((&claim.want, claim.open.as_ref()), (&Want::Leave, Some(&errand.key)));
        let task = Task::Settle { profile: next.id.clone(), holding: claim.holding.clone() };
        assert_eq!(errand.task, task);
    }
    let keys: std::collections::BTreeSet<_> = turn.errands.iter().map(|one| &one.key).collect();
    assert_eq!(keys.len(), 4, "each errand has a name of its own");
    assert_eq!(next.mobile, Some(mobile()));
    refused(&next, &CustomerCommand::Deregister, R::NotBound);
    refused(&fresh(), &CustomerCommand::Deregister, R::NotBound);
}

#[test]
fn account_belongs_to_the_vpa_for_which_it_is_primary() {
    let of = |customer: &Customer, name: &str| {
        customer.vpa_of(&account(name)).map(|linked| linked.vpa.to_string())
    };
    assert_eq!(of(&linked(), "A1").as_deref(), Some("a@kunji"));
    assert_eq!(of(&linked(), "A2").as_deref(), Some("b@kunji"));
    assert_eq!(of(&linked(), "A3"), None);
    let mut customer = linked();
    customer.vpas[1].primary = account("A3");
    customer.vpas[1].accounts = accounts(&["A3", "A2"]);
    assert_eq!(of(&customer, "A2").as_deref(), Some("a@kunji"), "else the first that draws on it");
}
