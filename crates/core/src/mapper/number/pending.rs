//! Changes that wait until they are settled.

use super::news::Told;
use super::{Number, NumberOutcome, NumberState, Pending, Registrant, Wait};
use crate::aggregate::Turn;
use crate::errand::{Errand, ErrandKey, Lane, Task};
use crate::mapper::held::{Change, Held};
use crate::rules::Rules;
use crate::time::Stamp;

impl Number {
    /// Accepts a change and lets it wait; the number leads where it led.
    pub(super) fn pend(
        before: Option<&Self>,
        (by, change, next): (&Registrant, Change, Held),
        wait: Wait,
        stamp: &Stamp,
    ) -> Turn<Self> {
        let due = stamp.now.plus(wait.after_ms);
        let key = ErrandKey { lane: Lane::Holdings, due, serial: stamp.serial, place: 0 };
        let held = before.and_then(Self::held);
        let shown = held.clone().unwrap_or_else(|| next.clone());
        let pending = Pending {
            before: held,
            next,
            change,
            succeeds: wait.succeeds,
            txn: by.txn.clone(),
            key: key.clone(),
        };
        let state = NumberState::Pending(Box::new(pending));
        let next = Self { state, ..Self::settled(by.number.clone(), shown) };
        let errands = vec![Errand { key, task: Task::SettleNumber(by.number.clone()) }];
        Turn { errands, ..Turn::changed(NumberOutcome::Pending, next) }
    }

    /// Settles the change that waits for this errand; another one is settled already.
    pub(super) fn settle(
        before: Option<&Self>,
        key: &ErrandKey,
        at: (&Rules, &Stamp),
    ) -> Turn<Self> {
        let settled = vec![key.clone()];
        let number = before.and_then(|number| Some((number, number.pending()?)));
        let Some((number, pending)) = number.filter(|(_, pending)| pending.key == *key) else {
            return Turn { settled, ..Turn::only(Ok(NumberOutcome::Settled)) };
        };
        let (change, done) = (pending.change, pending.succeeds);
        let (outcome, next) = if done {
            let next = Held { since: at.1.now, ..pending.next.clone() };
            (NumberOutcome::Settled, Self::settled(number.number.clone(), next))
        } else {
            let next = match pending.before.clone() {
                Some(before) => Self::settled(number.number.clone(), before),
                None => Self { state: NumberState::Free, ..number.clone() },
            };
            (NumberOutcome::Failed, next)
        };
        let ends = next.held().map(|held| held.state);
        let told = Told { change, done, txn: pending.txn.as_ref(), asked: Some(ends) };
        let ends = (pending.before.as_ref(), &pending.next);
        let errands = Self::errands(&number.number, ends, &told, at);
        Turn { errands, settled, ..Turn::changed(outcome, next) }
    }
}
