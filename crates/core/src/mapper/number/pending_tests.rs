//! Changes that wait: nothing else may be asked, the number leads where it led, and the end is told.

use super::tests::{
    by, channel, command, decide, now, number, profile, stamp, telling, verdict, vpa,
};
use super::*;
use crate::customer::Holding;
use crate::errand::{Errand, Lane, NumberChange, Task};
use crate::rules::Hears;

/// The command, asked so that its change waits a second.
fn waiting(name: &str, who: &str, succeeds: bool) -> NumberCommand {
    let wait = Some(Wait { after_ms: 1000, succeeds });
    let waits = |by: Registrant| Registrant { wait, ..by };
    match command(name, who, "own@kunji") {
        NumberCommand::Register(by) => NumberCommand::Register(waits(by)),
        NumberCommand::Port { by, existing } => NumberCommand::Port { by: waits(by), existing },
        NumberCommand::Update { by, update } => NumberCommand::Update { by: waits(by), update },
        other @ (NumberCommand::LookUp
        | NumberCommand::Settle { .. }
        | NumberCommand::Told { .. }) => other,
    }
}

/// Every change of the drawing, from which state, by whom, and where it ends when it is done.
const CHANGES: [(Option<NumberState>, &str, &str, Change, Settled); 8] = [
    (None, "register", "owner", Change::Create, Settled::Active),
    (Some(NumberState::Deleted), "register", "owner", Change::Create, Settled::Active),
    (Some(NumberState::Active), "port", "other", Change::Create, Settled::Active),
    (Some(NumberState::Active), "change_vpa", "owner", Change::ChangeVpa, Settled::Active),
    (Some(NumberState::Active), "disable", "owner", Change::Disable, Settled::Disabled),
    (Some(NumberState::Active), "delete", "owner", Change::Delete, Settled::Deleted),
    (Some(NumberState::Disabled), "delete", "owner", Change::Delete, Settled::Deleted),
    (Some(NumberState::Disabled), "reactivate", "owner", Change::Reactivate, Settled::Active),
];

fn later() -> Millis {
    now().plus(1000)
}

/// The number while the change waits, and the errand that settles it.
#[track_caller]
fn pend(before: Option<&Number>, command: &NumberCommand) -> (Number, ErrandKey) {
    let turn = decide(before, command, now());
    assert_eq!(verdict(&turn), "pending");
    let [Errand { key, task }] = &turn.errands[..] else { panic!("{:?}", turn.errands) };
    let next = turn.next.unwrap();
    assert_eq!(*task, Task::SettleNumber(next.number.clone()));
    assert_eq!((&key.lane, key.due), (&Lane::Holdings, later()));
    assert_eq!(turn.settled, []);
    (next, key.clone())
}

fn settle(before: &Number, key: &ErrandKey) -> Turn<Number> {
    let command = NumberCommand::Settle { key: key.clone() };
    let rules = telling(Some(Hears::Unanswered));
    Number::decide(Some(before), &command, &rules, &stamp(later()))
}

#[test]
fn while_a_change_waits_everything_stays_and_nothing_else_may_be_asked() {
    for (state, name, who, _, _) in CHANGES {
        let before = state.map(number);
        let (waits, _) = pend(before.as_ref(), &waiting(name, who, true));
        assert_eq!(waits.leads(), before.as_ref().and_then(Number::leads), "{name}");
        for profile in ["owner", "other", "third"].map(profile) {
            let held = before.as_ref().is_some_and(|before| before.is_held_by(&profile));
            assert_eq!(waits.is_held_by(&profile), held, "{name} {profile}");
            let awaits = held || profile.customer.as_str() == who;
            assert_eq!(waits.is_awaited_by(&profile), awaits, "{name} {profile}");
        }
        for asker in ["owner", "other", "third"] {
            for asked in ["register", "port", "change_vpa", "disable", "delete", "reactivate"] {
                let turn = decide(Some(&waits), &command(asked, asker, "own@kunji"), later());
                assert_eq!(verdict(&turn), "change_is_pending", "{name}, then {asked} by {asker}");
                assert!(turn.next.is_none() && turn.errands.is_empty() && turn.settled.is_empty());
            }
            let looked = decide(Some(&waits), &command("look_up", asker, "own@kunji"), later());
            assert_eq!((verdict(&looked), looked.next), ("seen", None));
        }
    }
}

#[test]
fn what_would_be_refused_never_waits() {
    for (before, name, who, expected) in [
        (None, "disable", "owner", "not_registered"),
        (Some(NumberState::Active), "register", "other", "held_by_another"),
        (Some(NumberState::Active), "reactivate", "owner", "already_in_this_state"),
        (Some(NumberState::Deleted), "register", "other", "cooling"),
        (Some(NumberState::Deleted), "change_vpa", "owner", "not_in_this_state"),
    ] {
        let turn = decide(before.map(number).as_ref(), &waiting(name, who, true), now());
        assert_eq!((verdict(&turn), turn.next, turn.errands), (expected, None, Vec::new()));
    }
}

#[test]
fn a_settled_change_is_as_if_it_had_not_waited_and_is_told() {
    for (state, name, who, change, ends) in CHANGES {
        let before = state.map(number);
        let (waits, key) = pend(before.as_ref(), &waiting(name, who, true));
        let turn = settle(&waits, &key);
        assert_eq!((verdict(&turn), &turn.settled[..]), ("settled", &[key][..]), "{name}");
        let at_once = decide(before.as_ref(), &command(name, who, "own@kunji"), later());
        assert_eq!(turn.next, at_once.next, "{name}");
        let ported = (name == "port").then_some("owner");
        check_told(
            &turn,
            who,
            NumberChange::Ended { change, done: true, state: Some(ends) },
            ported,
        );
    }
}

#[test]
fn a_change_that_fails_leaves_the_number_as_it_was_and_is_told() {
    for (state, name, who, change, _) in CHANGES {
        let before = state.map(number);
        let (waits, key) = pend(before.as_ref(), &waiting(name, who, false));
        let turn = settle(&waits, &key);
        assert_eq!((verdict(&turn), &turn.settled[..]), ("failed", &[key][..]), "{name}");
        let next = turn.next.clone().unwrap();
        let stands = before.as_ref().and_then(Number::held).map(|held| held.state);
        match before {
            Some(before) => assert_eq!(next, before, "{name}"),
            None => {
                // Nobody has it and nobody waits for it: anybody may register it.
                assert_eq!((&next.state, next.held()), (&NumberState::Free, None));
                let register = NumberCommand::Register(by("third", "new@kunji"));
                assert_eq!(verdict(&decide(Some(&next), &register, later())), "registered");
                let disable = command("disable", "owner", "own@kunji");
                assert_eq!(verdict(&decide(Some(&next), &disable, later())), "not_registered");
            }
        }
        check_told(&turn, who, NumberChange::Ended { change, done: false, state: stands }, None);
    }
}

/// Who asked is told and settled, who lost the number is told; who might have, is settled.
#[track_caller]
fn check_told(turn: &Turn<Number>, who: &str, change: NumberChange, ported: Option<&str>) {
    let mut told = Vec::new();
    let mut settled = Vec::new();
    for Errand { key, task } in &turn.errands {
        assert_eq!(key.due, later());
        match (&key.lane, task) {
            (Lane::Channel(lane), Task::Tell(news)) => {
                assert_eq!(*lane, channel(news.customer.as_str()));
                told.push((news.customer.to_string(), news.change));
                if news.change == change {
                    assert_eq!(news.txn.as_ref().map(TxnId::as_str), Some("T1"));
                } else {
                    assert_eq!((&news.txn, &news.vpa), (&None, &vpa("own@kunji")));
                }
            }
            (Lane::Holdings, Task::Settle { profile, holding: Holding::Number(_) }) => {
                settled.push(profile.customer.to_string());
            }
            other => panic!("{other:?}"),
        }
    }
    let mut expected = vec![(who.to_owned(), change)];
    expected.extend(ported.map(|left| (left.to_owned(), NumberChange::PortedOut)));
    assert_eq!(told, expected);
    settled.sort();
    let others = if who == "other" { vec!["other", "owner"] } else { vec![who] };
    assert_eq!(settled, others);
}

#[test]
fn only_its_own_errand_settles_a_change_and_only_once() {
    let (waits, key) = pend(Some(&number(NumberState::Active)), &waiting("disable", "owner", true));
    let other = ErrandKey { serial: key.serial + 1, ..key.clone() };
    let settled = settle(&waits, &key).next.unwrap();
    for (before, key) in [(&waits, &other), (&settled, &key)] {
        let turn = settle(before, key);
        assert_eq!((verdict(&turn), turn.next, turn.errands), ("settled", None, Vec::new()));
        assert_eq!(turn.settled, std::slice::from_ref(key));
    }
    let nothing = Number::decide(
        None,
        &NumberCommand::Settle { key: key.clone() },
        &Rules::default(),
        &stamp(now()),
    );
    assert_eq!((nothing.next, nothing.settled), (None, vec![key]));
}
