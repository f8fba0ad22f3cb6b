//! A UPI number: linked to one VPA of one customer, across the whole ecosystem.

mod command;
mod news;
mod pending;

use serde::{Deserialize, Serialize};

pub use self::command::{
    Delivered, NumberCommand, NumberOutcome, NumberRefusal, Registrant, Update, Wait,
};
use self::news::Told;
use super::held::{Change, Decided, Held, Settled};
use crate::aggregate::{Aggregate, Turn};
use crate::audit::Action;
use crate::errand::ErrandKey;
use crate::ids::{ChannelId, Mobile, ProfileId, TxnId, UpiNumber, Vpa};
use crate::rules::Rules;
use crate::time::{Millis, Stamp};

/// Who holds a number, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// The number.
    pub number: UpiNumber,
    /// Who holds it, or held it last.
    pub owner: ProfileId,
    /// The owner's mobile number.
    pub mobile: Mobile,
    /// The VPA that it leads to.
    pub vpa: Vpa,
    /// Where it stands.
    pub state: NumberState,
    /// Since when.
    pub since: Millis,
    /// Where the owner's provider hears of changes by others.
    pub channel: Option<ChannelId>,
}

/// Where a number stands.
///
/// Stored as the place of its variant: a new one goes to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NumberState {
    /// It leads to its VPA.
    Active,
    /// It is held, but leads nowhere.
    Disabled,
    /// It was given back.
    Deleted,
    /// A change of it is accepted, but not settled; until then it leads where it led.
    Pending(Box<Pending>),
    /// Nobody has it: its first registration failed.
    Free,
}

/// A change that is accepted, but not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The number before it; `None` when nobody ever had it.
    pub before: Option<Held>,
    /// The number once it is done.
    pub next: Held,
    /// What was asked.
    pub change: Change,
    /// Whether it will be done; else the number stays what it was.
    pub succeeds: bool,
    /// The request that asked.
    pub txn: Option<TxnId>,
    /// The errand that settles it.
    pub key: ErrandKey,
}

impl From<Settled> for NumberState {
    fn from(state: Settled) -> Self {
        match state {
            Settled::Active => Self::Active,
            Settled::Disabled => Self::Disabled,
            Settled::Deleted => Self::Deleted,
        }
    }
}

impl Number {
    /// A number that is the registrant's from now on.
    #[must_use]
    pub fn registered(by: &Registrant, now: Millis) -> Self {
        Self::settled(by.number.clone(), Held::taken(by, now))
    }

    /// A number that somebody has, or had.
    #[must_use]
    pub fn settled(number: UpiNumber, held: Held) -> Self {
        let Held { owner, mobile, vpa, state, since, channel } = held;
        Self { number, owner, mobile, vpa, state: state.into(), since, channel }
    }

    /// Who has it, or had it last; whatever is pending is not asked.
    fn held(&self) -> Option<Held> {
        let state = match &self.state {
            NumberState::Active => Settled::Active,
            NumberState::Disabled => Settled::Disabled,
            NumberState::Deleted => Settled::Deleted,
            NumberState::Pending(pending) => return pending.before.clone(),
            NumberState::Free => return None,
        };
        Some(Held {
            owner: self.owner.clone(),
            mobile: self.mobile.clone(),
            vpa: self.vpa.clone(),
            state,
            since: self.since,
            channel: self.channel.clone(),
        })
    }

    /// The change that is not settled.
    #[must_use]
    pub fn pending(&self) -> Option<&Pending> {
        match &self.state {
            NumberState::Pending(pending) => Some(pending),
            NumberState::Active
            | NumberState::Disabled
            | NumberState::Deleted
            | NumberState::Free => None,
        }
    }

    /// Whether this customer has it now.
    #[must_use]
    pub fn is_held_by(&self, profile: &ProfileId) -> bool {
        let held = self.held();
        held.is_some_and(|held| held.owner == *profile && held.state != Settled::Deleted)
    }

    /// Whether a change of it is pending that makes it this customer's, or is about theirs.
    #[must_use]
    pub fn is_awaited_by(&self, profile: &ProfileId) -> bool {
        let pending = self.pending();
        pending.is_some_and(|pending| pending.next.owner == *profile || self.is_held_by(profile))
    }

    /// The VPA that it leads to for this customer, or will once a pending change is settled.
    #[must_use]
    pub fn vpa_for(&self, profile: &ProfileId) -> &Vpa {
        match self.pending() {
            Some(pending) if self.owner != *profile => &pending.next.vpa,
            Some(_) | None => &self.vpa,
        }
    }

    /// The VPA that it leads to now, and whose it is.
    #[must_use]
    pub fn leads(&self) -> Option<(Vpa, ProfileId)> {
        let active = self.held().filter(|held| held.state == Settled::Active);
        active.map(|held| (held.vpa, held.owner))
    }

    /// Whether another customer must wait for it still.
    #[must_use]
    pub fn is_cooling(&self, rules: &Rules, now: Millis) -> bool {
        self.held().is_some_and(|held| held.is_cooling(rules, now))
    }

    /// What is asked of it, under the rules of its drawing.
    fn change(
        before: Option<&Self>,
        (by, decided): (&Registrant, Decided),
        at: (&Rules, &Stamp),
    ) -> Turn<Self> {
        if before.is_some_and(|number| number.pending().is_some()) {
            return Turn::refused(NumberRefusal::Pending);
        }
        match (decided, by.wait) {
            (Err(refusal), _) => Turn::refused(refusal),
            (Ok((change, next)), Some(wait)) => Self::pend(before, (by, change, next), wait, at.1),
            (Ok((change, next)), None) => {
                let left = before.and_then(Self::held);
                let told = Told { change, done: true, txn: by.txn.as_ref(), asked: None };
                let errands = Self::errands(&by.number, (left.as_ref(), &next), &told, at);
                let next = Self::settled(by.number.clone(), next);
                Turn { errands, ..Turn::changed(change.into(), next) }
            }
        }
    }
}

impl Aggregate for Number {
    type Command = NumberCommand;
    type Outcome = NumberOutcome;
    type Refusal = NumberRefusal;

    fn action(command: &NumberCommand) -> Action {
        match command {
            NumberCommand::Register(_) | NumberCommand::Port { .. } => Action::Register,
            NumberCommand::Update { .. } | NumberCommand::Settle { .. } => Action::UpdateNumber,
            NumberCommand::LookUp => Action::LookUp,
            NumberCommand::Told { .. } => Action::Deliver,
        }
    }

    fn decide(
        before: Option<&Self>,
        command: &NumberCommand,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Turn<Self> {
        let held = before.and_then(Self::held);
        let held = held.as_ref();
        match command {
            NumberCommand::Register(by) => {
                let decided = Held::register(held, by, rules, stamp.now);
                Self::change(before, (by, decided), (rules, stamp))
            }
            NumberCommand::Port { by, existing } => {
                let decided = Held::port(held, by, existing, stamp.now);
                Self::change(before, (by, decided), (rules, stamp))
            }
            NumberCommand::Update { by, update } => {
                let decided = Held::update(held, by, update, stamp.now);
                Self::change(before, (by, decided), (rules, stamp))
            }
            NumberCommand::LookUp => Turn::only(Ok(NumberOutcome::Seen)),
            NumberCommand::Settle { key } => Self::settle(before, key, (rules, stamp)),
            NumberCommand::Told { key, end } => {
                let outcome = match end {
                    Delivered::Arrived => NumberOutcome::Told,
                    Delivered::GivenUp => NumberOutcome::GivenUp,
                    Delivered::Gone => NumberOutcome::Gone,
                };
                Turn { settled: vec![key.clone()], ..Turn::only(Ok(outcome)) }
            }
        }
    }
}

#[cfg(test)]
mod pending_tests;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
