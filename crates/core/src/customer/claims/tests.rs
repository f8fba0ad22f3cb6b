//! Who may claim which number, and what becomes of a claim.

use super::*;
use crate::customer::sample::{
    after, bound, decide, decide_at, fresh, holding, linked, linking, now, number, of_number,
    of_vpa, other_mobile, refused, stamp, vpa,
};
use crate::customer::{
    Customer, CustomerCommand, CustomerOutcome as O, CustomerRefusal as R, Mapping,
};

const OWN: &str = "9876543210";
const NOT_OWN: &str = "9876543211";
const NUMERIC: &str = "87654321";

fn claim(digits: &str, name: &str, aim: Aim) -> CustomerCommand {
    CustomerCommand::ClaimNumber { number: number(digits), vpa: vpa(name), aim }
}

fn change_vpa(existing: &str) -> Aim {
    Aim::ChangeVpa { existing: vpa(existing) }
}

fn settle(holding: Holding, fact: Fact, errand: Option<ErrandKey>) -> CustomerCommand {
    CustomerCommand::Settle { holding, fact, errand }
}

#[test]
fn every_aim_has_its_rules() {
    let none = linked();
    let full = holding(holding(none.clone(), "87654322", "a@kunji"), "876543210", "a@kunji");
    let holder = holding(none.clone(), NUMERIC, "a@kunji");
    for (customer, digits, name, aim, expected) in [
        (&none, NUMERIC, "a@kunji", Aim::Register, Ok(O::Claimed)),
        (&none, NUMERIC, "A@KUNJI", Aim::Register, Ok(O::Claimed)),
        (&none, NUMERIC, "c@kunji", Aim::Register, Err(R::NotTheirVpa)),
        (&none, OWN, "a@kunji", Aim::Register, Ok(O::Claimed)),
        (&none, NOT_OWN, "a@kunji", Aim::Register, Err(R::NotOwnMobile)),
        (&full, NUMERIC, "a@kunji", Aim::Register, Err(R::LimitReached)),
        (&full, "87654322", "a@kunji", Aim::Register, Ok(O::Claimed)),
        (&full, OWN, "a@kunji", Aim::Register, Ok(O::Claimed)),
        (&none, OWN, "a@kunji", Aim::Port, Ok(O::Claimed)),
        (&none, NOT_OWN, "a@kunji", Aim::Port, Err(R::NotOwnMobile)),
        (&none, NUMERIC, "a@kunji", Aim::Port, Err(R::NotPortable)),
        (&none, OWN, "c@kunji", Aim::Port, Err(R::NotTheirVpa)),
        (&full, OWN, "a@kunji", Aim::Port, Ok(O::Claimed)),
        (&holder, NUMERIC, "b@kunji", change_vpa("A@kunji"), Ok(O::Claimed)),
        (&holder, NUMERIC, "b@kunji", change_vpa("c@kunji"), Err(R::NotTheirVpa)),
        (&holder, NUMERIC, "b@kunji", change_vpa("a@other"), Err(R::NotTheirVpa)),
        (&holder, NUMERIC, "c@kunji", change_vpa("a@kunji"), Err(R::NotTheirVpa)),
        (&full, "87654322", "b@kunji", change_vpa("a@kunji"), Ok(O::Claimed)),
        (&holder, NUMERIC, "a@kunji", Aim::Update, Ok(O::Claimed)),
        (&holder, NUMERIC, "c@kunji", Aim::Update, Err(R::NotTheirVpa)),
        (&full, "87654322", "a@kunji", Aim::Update, Ok(O::Claimed)),
    ] {
        let command = claim(digits, name, aim);
        let turn = decide(customer, &command);
        assert_eq!(turn.verdict, expected, "{command:?}");
        assert_eq!(turn.next.is_some(), expected.is_ok(), "{command:?}");
        assert_eq!(turn.errands.len(), usize::from(expected.is_ok()), "{command:?}");
    }
}

#[test]
fn claim_needs_a_device_and_a_vpa() {
    for aim in [Aim::Register, Aim::Port, change_vpa("a@kunji"), Aim::Update] {
        refused(&fresh(), &claim(OWN, "a@kunji", aim.clone()), R::NotBound);
        refused(&bound(), &claim(OWN, "a@kunji", aim), R::NotTheirVpa);
    }
    let unknown = Customer { mobile: None, ..linked() };
    refused(&unknown, &claim(OWN, "a@kunji", Aim::Register), R::NotOwnMobile);
    let other = Customer { mobile: Some(other_mobile()), ..linked() };
    refused(&other, &claim(OWN, "a@kunji", Aim::Port), R::NotOwnMobile);
}

#[test]
fn number_that_is_not_theirs_is_left_to_the_mapper() {
    for aim in [change_vpa("b@kunji"), Aim::Update] {
        let turn = decide(&linked(), &claim(NUMERIC, "a@kunji", aim));
        assert_eq!(turn.verdict, Ok(O::Claimed));
        assert!(turn.next.is_none() && turn.errands.is_empty() && turn.settled.is_empty());
    }
}

#[test]
fn claims_count_before_they_are_settled() {
    let mut customer = linked();
    for digits in [NUMERIC, "87654322"] {
        customer = after(&customer, &claim(digits, "a@kunji", Aim::Register), O::Claimed);
    }
    refused(&customer, &claim("87654323", "a@kunji", Aim::Register), R::LimitReached);
    let own = customer.claim(&of_number(NUMERIC)).unwrap().open.clone();
    let not_held = settle(of_number(NUMERIC), Fact::NotHeld, own);
    let customer = after(&customer, &not_held, O::Settled);
    after(&customer, &claim("87654323", "a@kunji", Aim::Register), O::Claimed);
}

#[test]
fn limit_is_a_rule() {
    for (numbers_max, expected) in [(0, Err(R::LimitReached)), (1, Ok(O::Claimed))] {
        let rules = Rules { numbers_max, ..Rules::default() };
        let command = claim(NUMERIC, "a@kunji", Aim::Register);
        let turn = crate::aggregate::Aggregate::decide(
            Some(&linked()),
            &command,
            &rules,
            &stamp(now(), 7),
        );
        let turn: Turn<Customer> = turn;
        assert_eq!(turn.verdict, expected);
    }
}

#[test]
fn claim_leaves_an_errand_that_is_due_in_a_minute() {
    let turn = decide(&linked(), &claim(NUMERIC, "a@kunji", Aim::Register));
    let [errand] = &turn.errands[..] else { panic!("one errand") };
    let key = ErrandKey { lane: Lane::Holdings, due: now().plus(MINUTE_MS), serial: 7, place: 0 };
    let task = Task::Settle { profile: linked().id, holding: of_number(NUMERIC) };
    assert_eq!((&errand.key, &errand.task), (&key, &task));
    let next = turn.next.unwrap();
    let claim = next.claim(&of_number(NUMERIC)).unwrap();
    assert_eq!((&claim.want, &claim.open), (&Want::Keep, &Some(key)));
    assert_eq!(claim.vpas, [vpa("a@kunji")]);
}

#[test]
fn second_claim_takes_the_place_of_the_first() {
    let first = decide(&linked(), &claim(NUMERIC, "a@kunji", Aim::Register));
    let open = first.next.unwrap();
    let second = decide_at(&open, &claim(NUMERIC, "b@kunji", Aim::Register), now().plus(1));
    // The first request may be on its way to the mapper: its errand stands.
    assert_eq!((second.errands.len(), &second.settled[..]), (1, &[][..]));
    let next = second.next.unwrap();
    assert_eq!(next.numbers().count(), 1);
    let claim = next.claim(&of_number(NUMERIC)).unwrap();
    assert_eq!(claim.open, Some(second.errands[0].key.clone()));
    // Until it is settled it may lead to either.
    assert_eq!(claim.vpas, [vpa("a@kunji"), vpa("b@kunji")]);
}

#[test]
fn mapper_is_right_in_any_case() {
    let open = after(&linked(), &claim(NUMERIC, "a@kunji", Aim::Register), O::Claimed);
    let settled = holding(linked(), NUMERIC, "a@kunji");
    let key = open.claim(&of_number(NUMERIC)).unwrap().open.clone();
    let leads_to = |name: &str| Fact::Held(Some(vpa(name)));
    for (customer, fact, vpas) in [
        (&open, leads_to("a@kunji"), Some("a@kunji")),
        (&open, leads_to("b@kunji"), Some("b@kunji")),
        (&open, Fact::NotHeld, None),
        (&settled, leads_to("b@kunji"), Some("b@kunji")),
        (&settled, Fact::NotHeld, None),
        (&linked(), leads_to("b@kunji"), Some("b@kunji")),
    ] {
        let was_open = customer.claim(&of_number(NUMERIC)).and_then(|claim| claim.open.clone());
        let own = settle(of_number(NUMERIC), fact.clone(), was_open.clone());
        let turn = decide(customer, &own);
        assert_eq!(turn.verdict, Ok(O::Settled));
        assert_eq!(turn.settled, was_open.into_iter().collect::<Vec<_>>());
        let next = turn.next.unwrap();
        let expected = vpas.map(|name| Claim::settled(of_number(NUMERIC), vec![vpa(name)]));
        assert_eq!(next.claim(&of_number(NUMERIC)), expected.as_ref(), "{fact:?}");
    }
    // What is so already is not written again; a foreign errand falls all the same.
    for (customer, fact) in [(&settled, leads_to("a@kunji")), (&linked(), Fact::NotHeld)] {
        let turn = decide(customer, &settle(of_number(NUMERIC), fact, key.clone()));
        assert!(turn.next.is_none());
        assert_eq!(turn.settled, key.clone().into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn errand_that_settles_its_own_claim_falls_once() {
    let open = after(&linked(), &claim(NUMERIC, "a@kunji", Aim::Register), O::Claimed);
    let key = open.claim(&of_number(NUMERIC)).unwrap().open.clone();
    let turn = decide(&open, &settle(of_number(NUMERIC), Fact::NotHeld, key.clone()));
    assert_eq!(turn.settled, [key.unwrap()]);
}

#[test]
fn claim_to_one_holding_leaves_the_others_alone() {
    let customer = holding(linked(), "87654322", "a@kunji");
    let open = after(&customer, &claim(NUMERIC, "b@kunji", Aim::Register), O::Claimed);
    let open = after(&open, &linking("c@kunji", &["A1"], Mapping::Nothing), O::Claimed);
    let own = open.claim(&of_number(NUMERIC)).unwrap().open.clone();
    let settled = after(&open, &settle(of_number(NUMERIC), Fact::NotHeld, own), O::Settled);
    assert_eq!(settled.claim(&of_number("87654322")), customer.claim(&of_number("87654322")));
    assert_eq!(settled.claim(&of_vpa("c@kunji")), open.claim(&of_vpa("c@kunji")));
}

#[test]
fn open_claim_to_a_number_is_settled_by_who_opened_it() {
    let open = after(&linked(), &claim(NUMERIC, "a@kunji", Aim::Register), O::Claimed);
    let own = open.claim(&of_number(NUMERIC)).unwrap().open.clone().unwrap();
    let foreign = ErrandKey { serial: own.serial + 1, ..own };
    for fact in [Fact::NotHeld, Fact::Held(Some(vpa("b@kunji")))] {
        for errand in [None, Some(foreign.clone())] {
            let turn = decide(&open, &settle(of_number(NUMERIC), fact.clone(), errand.clone()));
            assert_eq!((turn.verdict, turn.next.is_none()), (Ok(O::Settled), true));
            // Who opened it asks the mapper after this, so the foreign errand has done its part.
            assert_eq!(turn.settled, errand.into_iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn vpa_that_is_another_customers_is_not_theirs_any_more() {
    let turn = decide(&linked(), &settle(of_vpa("B@kunji"), Fact::NotHeld, None));
    let next = turn.next.unwrap();
    assert!(next.vpa(&vpa("b@kunji")).is_none() && next.claim(&of_vpa("b@kunji")).is_none());
    assert!(next.vpa(&vpa("a@kunji")).is_some());
}

/// While a change of a number waits, the claim stands with all VPAs that it may lead to.
#[test]
fn an_awaited_number_keeps_its_claim_until_it_is_settled() {
    let holder = holding(linked(), NUMERIC, "a@kunji");
    let claimed = after(&holder, &claim(NUMERIC, "b@kunji", change_vpa("a@kunji")), O::Claimed);
    let own = claimed.claim(&of_number(NUMERIC)).unwrap().open.clone().unwrap();
    let turn = decide(&claimed, &settle(of_number(NUMERIC), Fact::Awaited, Some(own.clone())));
    assert_eq!((turn.verdict, &turn.settled[..]), (Ok(O::Settled), &[own][..]));
    let waits = turn.next.unwrap();
    let kept = waits.claim(&of_number(NUMERIC)).unwrap();
    assert_eq!((&kept.open, kept.vpas.len(), &kept.want), (&None, 2, &Want::Keep));
    for name in ["a@kunji", "b@kunji"] {
        refused(&waits, &CustomerCommand::DropVpa(vpa(name)), R::VpaInUse);
    }
    // Whoever settles it comes with an errand of the number's.
    let errand = ErrandKey { lane: Lane::Holdings, due: now(), serial: 9, place: 3 };
    for (fact, vpas) in
        [(Fact::Held(Some(vpa("b@kunji"))), Some(vec![vpa("b@kunji")])), (Fact::NotHeld, None)]
    {
        let command = settle(of_number(NUMERIC), fact, Some(errand.clone()));
        let turn = decide(&waits, &command);
        assert_eq!(turn.settled, std::slice::from_ref(&errand));
        let next = turn.next.unwrap();
        assert_eq!(next.claim(&of_number(NUMERIC)).map(|claim| claim.vpas.clone()), vpas);
    }
}
