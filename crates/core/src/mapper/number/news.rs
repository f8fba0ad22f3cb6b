//! What a change leaves to be done: customers to settle with, channels to tell.

use super::Number;
use crate::customer::Holding;
use crate::errand::{Errand, ErrandKey, Lane, NumberChange, NumberNews, Task};
use crate::ids::{ChannelId, ProfileId, TxnId, UpiNumber};
use crate::mapper::held::{Change, Held, Settled};
use crate::rules::{Hears, Rules};
use crate::time::Stamp;

/// What is told of a change.
pub(super) struct Told<'a> {
    /// What was asked.
    pub(super) change: Change,
    /// Whether it was done.
    pub(super) done: bool,
    /// The request that asked.
    pub(super) txn: Option<&'a TxnId>,
    /// Where the number stands, when the change was pending; its own answer told the others.
    pub(super) asked: Option<Option<Settled>>,
}

impl Number {
    /// What a change from one holder to the next leaves to be done.
    pub(super) fn errands(
        number: &UpiNumber,
        (left, next): (Option<&Held>, &Held),
        told: &Told<'_>,
        (rules, stamp): (&Rules, &Stamp),
    ) -> Vec<Errand> {
        let mut errands = Vec::new();
        let mut leave = |lane: Lane, place: u8, task: Task| {
            let key = ErrandKey { lane, due: stamp.now, serial: stamp.serial, place };
            errands.push(Errand { key, task });
        };
        let mut tell = |held: &Held, place, change, txn: Option<&TxnId>| {
            let scope = match (change, told.asked) {
                (NumberChange::Ended { .. }, None) => Hears::All,
                (_, _) => Hears::Unanswered,
            };
            let Some(channel) = listening(held, scope, rules) else { return };
            let news = NumberNews {
                number: number.clone(),
                customer: held.owner.customer.clone(),
                mobile: held.mobile.clone(),
                vpa: held.vpa.clone(),
                change,
                at: stamp.now,
                txn: txn.cloned(),
            };
            leave(Lane::Channel(channel), place, Task::Tell(Box::new(news)));
        };
        let state = told.asked.unwrap_or(Some(next.state));
        let change = NumberChange::Ended { change: told.change, done: told.done, state };
        tell(next, 0, change, told.txn);
        let held = left.filter(|left| left.state != Settled::Deleted);
        let other = held.filter(|left| left.owner != next.owner);
        if let Some(left) = other.filter(|_| told.done) {
            tell(left, 1, NumberChange::PortedOut, None);
        }
        // A request settles its own claim; that of a pending change is over.
        let asker = told.asked.map(|_| next);
        for (place, held) in [(2, other), (3, asker)] {
            if let Some(held) = held {
                leave(Lane::Holdings, place, settle(&held.owner, number));
            }
        }
        errands
    }
}

fn settle(profile: &ProfileId, number: &UpiNumber) -> Task {
    Task::Settle { profile: profile.clone(), holding: Holding::Number(number.clone()) }
}

/// The channel that the number names, else its merchant's first one that listens; where it hears of
/// such changes.
fn listening(held: &Held, of: Hears, rules: &Rules) -> Option<ChannelId> {
    let first = || rules.first_told(&held.owner.merchant);
    let channel = held.channel.as_ref().or_else(first)?;
    match (rules.hears(channel)?, of) {
        (Hears::All, _) | (Hears::Unanswered, Hears::Unanswered) => Some(channel.clone()),
        (Hears::Unanswered, Hears::All) => None,
    }
}
