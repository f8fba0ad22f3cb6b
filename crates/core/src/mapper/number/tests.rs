//! Every state, every command, every asker; and what is told to whom.

use std::sync::Arc;

use super::*;
use crate::customer::Holding;
use crate::errand::{Errand, Lane, NumberChange, Task};
use crate::ids::{MerchantCustomerId, MerchantId};
use crate::rules::Hears;
use crate::time::{DAY_MS, month_start};

pub(super) const COOLING_MS: i64 = 180 * DAY_MS;

pub(super) fn now() -> Millis {
    month_start(2026, 1)
}

pub(super) fn stamp(now: Millis) -> Stamp {
    Stamp { now, real: now, serial: 7, entropy: [0; 16] }
}

pub(super) fn profile(name: &str) -> ProfileId {
    let merchant = MerchantId::parse("shop").unwrap();
    ProfileId { merchant, customer: MerchantCustomerId::parse(name).unwrap() }
}

pub(super) fn vpa(text: &str) -> Vpa {
    Vpa::parse_address(text).unwrap()
}

pub(super) fn channel(name: &str) -> ChannelId {
    let [merchant, channel] = ["shop", name].map(|text| MerchantId::parse(text).unwrap());
    ChannelId { merchant, channel }
}

/// Someone who asks; the owner's number leads to `own@kunji`.
pub(super) fn by(who: &str, vpa_text: &str) -> Registrant {
    Registrant {
        number: UpiNumber::parse("9876543210").unwrap(),
        owner: profile(who),
        mobile: Mobile::parse("919876543210").unwrap(),
        vpa: vpa(vpa_text),
        channel: Some(channel(who)),
        txn: Some(TxnId::parse("T1").unwrap()),
        wait: None,
    }
}

/// The number of `owner`, in a state since just now.
pub(super) fn number(state: NumberState) -> Number {
    Number { state, ..Number::registered(&by("owner", "own@kunji"), now()) }
}

pub(super) fn decide(
    before: Option<&Number>,
    command: &NumberCommand,
    now: Millis,
) -> Turn<Number> {
    Number::decide(before, command, &Rules::default(), &stamp(now))
}

pub(super) fn verdict(turn: &Turn<Number>) -> &'static str {
    turn.verdict.map_or_else(Into::into, Into::into)
}

/// The command of a row, as this one asks it; `linked` is the VPA that he names as linked now.
pub(super) fn command(name: &str, who: &str, linked: &str) -> NumberCommand {
    let existing = vpa(linked);
    let update = |update, vpa| NumberCommand::Update { by: by(who, vpa), update };
    match name {
        "register" => NumberCommand::Register(by(who, linked)),
        "port" => NumberCommand::Port { by: by(who, "new@kunji"), existing },
        "change_vpa" => update(Update::ChangeVpa { existing }, "new@kunji"),
        "disable" => update(Update::Disable, linked),
        "delete" => update(Update::Delete, linked),
        "reactivate" => update(Update::Reactivate, linked),
        _ => NumberCommand::LookUp,
    }
}

/// What a number is after a change that ended so: its owner, its VPA, its state.
fn expected_next(verdict: &str, who: &str, command: &str, linked: &str) -> Option<Number> {
    let state = match verdict {
        "registered" | "vpa_changed" | "reactivated" => NumberState::Active,
        "disabled" => NumberState::Disabled,
        "deleted" => NumberState::Deleted,
        _ => return None,
    };
    let vpa = match command {
        "port" | "change_vpa" => "new@kunji",
        _ => linked,
    };
    Some(Number { state, since: now().plus(1), ..Number::registered(&by(who, vpa), now()) })
}

/// State, command; then what the owner hears with the right and with another linked VPA, and what
/// another customer hears with the right and with another one.
type Row = (Option<NumberState>, &'static str, [&'static str; 4]);

const ACTIVE: Option<NumberState> = Some(NumberState::Active);
const DISABLED: Option<NumberState> = Some(NumberState::Disabled);
const DELETED: Option<NumberState> = Some(NumberState::Deleted);

const NOBODYS: [&str; 4] = ["not_registered"; 4];

const TABLE: [Row; 28] = [
    (None, "register", ["registered"; 4]),
    (None, "port", NOBODYS),
    (None, "change_vpa", NOBODYS),
    (None, "disable", NOBODYS),
    (None, "delete", NOBODYS),
    (None, "reactivate", NOBODYS),
    (None, "look_up", ["seen"; 4]),
    (ACTIVE, "register", held("already_in_this_state", "already_in_this_state")),
    (
        ACTIVE,
        "port",
        ["already_in_this_state", "already_in_this_state", "registered", "not_the_linked_vpa"],
    ),
    (ACTIVE, "change_vpa", held("vpa_changed", "not_the_linked_vpa")),
    (ACTIVE, "disable", held("disabled", "not_the_linked_vpa")),
    (ACTIVE, "delete", held("deleted", "not_the_linked_vpa")),
    (ACTIVE, "reactivate", held("already_in_this_state", "already_in_this_state")),
    (ACTIVE, "look_up", ["seen"; 4]),
    (DISABLED, "register", held("already_in_this_state", "already_in_this_state")),
    (
        DISABLED,
        "port",
        ["already_in_this_state", "already_in_this_state", "registered", "not_the_linked_vpa"],
    ),
    (DISABLED, "change_vpa", held("not_in_this_state", "not_in_this_state")),
    (DISABLED, "disable", held("already_in_this_state", "already_in_this_state")),
    (DISABLED, "delete", held("deleted", "not_the_linked_vpa")),
    (DISABLED, "reactivate", held("reactivated", "not_the_linked_vpa")),
    (DISABLED, "look_up", ["seen"; 4]),
    (DELETED, "register", ["registered", "registered", "cooling", "cooling"]),
    (DELETED, "port", NOBODYS),
    (DELETED, "change_vpa", left("not_in_this_state")),
    (DELETED, "disable", left("not_in_this_state")),
    (DELETED, "delete", left("already_in_this_state")),
    (DELETED, "reactivate", left("not_in_this_state")),
    (DELETED, "look_up", ["seen"; 4]),
];

/// A row of a number that `owner` holds: nobody else may touch it.
const fn held(right: &'static str, wrong: &'static str) -> [&'static str; 4] {
    [right, wrong, "held_by_another", "held_by_another"]
}

/// A row of a number that was given back: it is not registered for anybody else.
const fn left(own: &'static str) -> [&'static str; 4] {
    [own, own, "not_registered", "not_registered"]
}

#[test]
fn every_state_answers_every_command_of_everybody() {
    let askers =
        [("owner", "Own@Kunji"), ("owner", "not@kunji"), ("other", "oWn@kunji"), ("other", "b@k")];
    for (state, name, row) in TABLE {
        let before = state.clone().map(number);
        for ((who, linked), expected) in askers.into_iter().zip(row) {
            let cell = format!("{state:?} {name} by {who} naming {linked}");
            let turn = decide(before.as_ref(), &command(name, who, linked), now().plus(1));
            assert_eq!(verdict(&turn), expected, "{cell}");
            assert_eq!(turn.next, expected_next(expected, who, name, linked), "{cell}");
            assert_eq!(turn.errands.is_empty(), turn.next.is_none(), "{cell}");
            assert_eq!(turn.settled, [], "{cell}");
        }
    }
}

#[test]
fn cooling_ends_to_the_millisecond() {
    let deleted = number(NumberState::Deleted);
    for (after_ms, who, expected) in [
        (0, "owner", "registered"),
        (0, "other", "cooling"),
        (COOLING_MS - 1, "owner", "registered"),
        (COOLING_MS - 1, "other", "cooling"),
        (COOLING_MS, "other", "registered"),
        (COOLING_MS + 1, "other", "registered"),
    ] {
        let register = NumberCommand::Register(by(who, "new@kunji"));
        let turn = decide(Some(&deleted), &register, now().plus(after_ms));
        assert_eq!(verdict(&turn), expected, "{who} after {after_ms} ms");
        let is_cooling = deleted.is_cooling(&Rules::default(), now().plus(after_ms));
        assert_eq!(is_cooling, after_ms < COOLING_MS);
    }
    let rules = Rules { cooling_ms: 1, ..Rules::default() };
    let register = NumberCommand::Register(by("other", "new@kunji"));
    for (after_ms, expected) in [(0, "cooling"), (1, "registered")] {
        let turn = Number::decide(Some(&deleted), &register, &rules, &stamp(now().plus(after_ms)));
        assert_eq!(verdict(&turn), expected);
    }
}

#[test]
fn only_a_deletion_starts_the_cooling() {
    for state in [NumberState::Active, NumberState::Disabled] {
        let held = number(state);
        let later = now().plus(10 * COOLING_MS);
        assert!(!held.is_cooling(&Rules::default(), later));
        let register = NumberCommand::Register(by("other", "new@kunji"));
        assert_eq!(verdict(&decide(Some(&held), &register, later)), "held_by_another");
    }
    // A refused command does not begin the time anew.
    let deleted = number(NumberState::Deleted);
    for name in ["change_vpa", "disable", "delete", "reactivate", "look_up"] {
        let turn = decide(Some(&deleted), &command(name, "owner", "own@kunji"), now().plus(5));
        assert_eq!(turn.next, None, "{name}");
    }
}

#[test]
fn only_the_holder_holds_it() {
    for (state, holds) in
        [(NumberState::Active, true), (NumberState::Disabled, true), (NumberState::Deleted, false)]
    {
        let number = number(state);
        assert_eq!(number.is_held_by(&profile("owner")), holds);
        assert!(!number.is_held_by(&profile("other")));
        let namesake =
            ProfileId { merchant: MerchantId::parse("mart").unwrap(), ..profile("owner") };
        assert!(!number.is_held_by(&namesake), "another merchant's customer");
    }
}

/// The news of a turn: channel, customer, VPA, change, request id.
fn news(turn: &Turn<Number>) -> Vec<(String, String, String, NumberChange, Option<String>)> {
    let told = |errand: &Errand| {
        let (Lane::Channel(lane), Task::Tell(news)) = (&errand.key.lane, &errand.task) else {
            return None;
        };
        assert_eq!((errand.key.due, errand.key.serial, news.at), (now(), 7, now()));
        let txn = news.txn.as_ref().map(ToString::to_string);
        let (customer, vpa) = (news.customer.to_string(), news.vpa.to_string());
        Some((lane.channel.to_string(), customer, vpa, news.change, txn))
    };
    turn.errands.iter().filter_map(told).collect()
}

fn line(
    channel: &str,
    customer: &str,
    vpa: &str,
    change: NumberChange,
    txn: Option<&str>,
) -> (String, String, String, NumberChange, Option<String>) {
    let [channel, customer, vpa] = [channel, customer, vpa].map(str::to_owned);
    (channel, customer, vpa, change, txn.map(str::to_owned))
}

#[test]
fn every_change_is_told_to_the_channel() {
    for (from, name, change, state, vpa) in [
        (None, "register", Change::Create, Settled::Active, "own@kunji"),
        (ACTIVE, "change_vpa", Change::ChangeVpa, Settled::Active, "new@kunji"),
        (ACTIVE, "disable", Change::Disable, Settled::Disabled, "own@kunji"),
        (DISABLED, "delete", Change::Delete, Settled::Deleted, "own@kunji"),
        (DISABLED, "reactivate", Change::Reactivate, Settled::Active, "own@kunji"),
        (DELETED, "register", Change::Create, Settled::Active, "own@kunji"),
    ] {
        let (before, command) = (from.map(number), command(name, "owner", "own@kunji"));
        let turn = decide(before.as_ref(), &command, now());
        let expected = line("owner", "owner", vpa, done(change, state), Some("T1"));
        assert_eq!(news(&turn), [expected], "{name}");
        assert_eq!(turn.errands.len(), 1, "{name}");
        // A channel that does not ask for all had its answer.
        for told in [None, Some(Hears::Unanswered)] {
            let turn = Number::decide(before.as_ref(), &command, &telling(told), &stamp(now()));
            assert_eq!(turn.errands, [], "{name} {told:?}");
        }
    }
}

pub(super) fn done(change: Change, state: Settled) -> NumberChange {
    NumberChange::Ended { change, done: true, state: Some(state) }
}

/// Rules by which the channels of all askers hear of these changes.
pub(super) fn telling(hears: Option<Hears>) -> Rules {
    let channels = ["owner", "other", "third"].map(channel);
    let told = channels.into_iter().filter_map(|channel| Some((channel, hears?)));
    Rules { told: Some(Arc::new(told.collect())), ..Rules::default() }
}

#[test]
fn news_go_where_the_request_came_from_else_where_the_number_was_registered() {
    let disable = |channel: Option<ChannelId>, at: Option<ChannelId>| {
        let by = Registrant { channel, txn: None, ..by("owner", "own@kunji") };
        let before = Number { channel: at, ..number(NumberState::Active) };
        let command = NumberCommand::Update { by, update: Update::Disable };
        let turn = decide(Some(&before), &command, now());
        let told = news(&turn).into_iter().map(|(channel, ..)| channel).next();
        (told, turn.next.unwrap().channel.map(|one| one.channel.to_string()))
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(disable(Some(channel("b")), Some(channel("a"))), (some("b"), some("b")));
    assert_eq!(disable(None, Some(channel("a"))), (some("a"), some("a")));
    assert_eq!(disable(Some(channel("b")), None), (some("b"), some("b")));
    assert_eq!(disable(None, None), (None, None));
}

#[test]
fn port_is_told_to_both_and_settled_with_who_is_left() {
    let port = command("port", "other", "own@kunji");
    for state in [NumberState::Active, NumberState::Disabled] {
        let number = number(state);
        let turn = decide(Some(&number), &port, now());
        let created = done(Change::Create, Settled::Active);
        let told = [
            line("other", "other", "new@kunji", created, Some("T1")),
            line("owner", "owner", "own@kunji", NumberChange::PortedOut, None),
        ];
        assert_eq!(news(&turn), told);
        // Who did not ask for the change has no answer of it, and always hears.
        let few =
            Number::decide(Some(&number), &port, &telling(Some(Hears::Unanswered)), &stamp(now()));
        assert_eq!(news(&few), told[1..]);
        let holding = Holding::Number(number.number);
        let settle = Task::Settle { profile: profile("owner"), holding };
        assert_eq!(turn.errands.len(), 3);
        assert_eq!((&turn.errands[2].key.lane, &turn.errands[2].task), (&Lane::Holdings, &settle));
    }
    // Both at the same channel: two messages, two names.
    let before = Number { channel: Some(channel("other")), ..number(NumberState::Active) };
    let turn = decide(Some(&before), &port, now());
    assert_eq!(turn.errands[0].key.lane, turn.errands[1].key.lane);
    assert_ne!(turn.errands[0].key, turn.errands[1].key);
    // Who has no channel hears nothing, but is settled all the same.
    let before = Number { channel: None, ..number(NumberState::Active) };
    assert_eq!(decide(Some(&before), &port, now()).errands.len(), 2);
}

#[test]
fn told_message_falls_and_changes_nothing() {
    let key = ErrandKey { lane: Lane::Channel(channel("a")), due: now(), serial: 3, place: 0 };
    for (end, expected) in
        [(Delivered::Arrived, "told"), (Delivered::GivenUp, "given_up"), (Delivered::Gone, "gone")]
    {
        for before in [None, Some(number(NumberState::Deleted))] {
            let told = NumberCommand::Told { key: key.clone(), end };
            let turn = decide(before.as_ref(), &told, now());
            assert_eq!((verdict(&turn), turn.next.is_none()), (expected, true));
            assert_eq!((turn.errands.len(), &turn.settled[..]), (0, &[key.clone()][..]));
        }
    }
}

/// Rows of older builds are read by the places of the variants.
#[test]
fn states_and_news_are_stored_as_they_always_were() {
    for (state, expected) in [
        (NumberState::Active, 0),
        (NumberState::Disabled, 1),
        (NumberState::Deleted, 2),
        (NumberState::Free, 4),
    ] {
        assert_eq!(postcard::to_stdvec(&state).unwrap(), [expected], "{state:?}");
    }
    for (change, expected) in [
        (NumberChange::Now(Settled::Active), vec![0, 0]),
        (NumberChange::Now(Settled::Deleted), vec![0, 2]),
        (NumberChange::PortedOut, vec![1]),
        (done(Change::Create, Settled::Disabled), vec![2, 0, 1, 1, 1]),
    ] {
        assert_eq!(postcard::to_stdvec(&change).unwrap(), expected, "{change:?}");
    }
    let settle = Task::SettleNumber(UpiNumber::parse("87654321").unwrap());
    assert_eq!(postcard::to_stdvec(&settle).unwrap()[0], 3);
}

#[test]
fn audit_names_every_command() {
    let key = ErrandKey { lane: Lane::Holdings, due: now(), serial: 3, place: 0 };
    for (command, action) in [
        (command("register", "owner", "own@kunji"), Action::Register),
        (command("port", "owner", "own@kunji"), Action::Register),
        (command("disable", "owner", "own@kunji"), Action::UpdateNumber),
        (NumberCommand::LookUp, Action::LookUp),
        (NumberCommand::Settle { key: key.clone() }, Action::UpdateNumber),
        (NumberCommand::Told { key, end: Delivered::Arrived }, Action::Deliver),
    ] {
        assert_eq!(Number::action(&command), action);
    }
}
