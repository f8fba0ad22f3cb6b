//! A UPI number: linked to one VPA of one customer, across the whole ecosystem.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Turn};
use crate::audit::Action;
use crate::customer::Holding;
use crate::errand::{Errand, ErrandKey, Lane, NumberChange, NumberNews, Task};
use crate::ids::{ChannelId, Mobile, ProfileId, TxnId, UpiNumber, Vpa};
use crate::reason::Reason;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NumberState {
    /// It leads to its VPA.
    Active,
    /// It is held, but leads nowhere.
    Disabled,
    /// It was given back.
    Deleted,
}

/// Who asks for a number, and for where it is to lead.
#[derive(Debug, Clone)]
pub struct Registrant {
    /// The number.
    pub number: UpiNumber,
    /// Who asks.
    pub owner: ProfileId,
    /// The customer's mobile number.
    pub mobile: Mobile,
    /// One of the customer's VPAs.
    pub vpa: Vpa,
    /// Where the change is told, if anywhere.
    pub channel: Option<ChannelId>,
    /// The request's id.
    pub txn: Option<TxnId>,
}

/// What may be asked of a number.
#[derive(Debug, Clone)]
pub enum NumberCommand {
    /// Take it for a customer.
    Register(Registrant),
    /// Take it over from where it is: for the own mobile number only.
    Port {
        /// Who asks.
        by: Registrant,
        /// The VPA that it leads to now.
        existing: Vpa,
    },
    /// Change what the customer holds.
    Update {
        /// Who asks; `vpa` is the one to link, or linked now.
        by: Registrant,
        /// How.
        update: Update,
    },
    /// Look at it: nothing changes.
    LookUp,
    /// A message about it reached its merchant, or never will.
    Told {
        /// The errand.
        key: ErrandKey,
        /// Whether it arrived.
        arrived: bool,
    },
}

/// How a number may be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Let it lead to another VPA.
    ChangeVpa {
        /// The VPA that it leads to now.
        existing: Vpa,
    },
    /// Let it lead nowhere.
    Disable,
    /// Give it back.
    Delete,
    /// Let it lead to its VPA again.
    Reactivate,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberOutcome {
    /// It is the customer's and leads to the VPA.
    Registered,
    /// It leads to another VPA.
    VpaChanged,
    /// It leads nowhere.
    Disabled,
    /// It was given back.
    Deleted,
    /// It leads to its VPA again.
    Reactivated,
    /// It was looked at.
    Seen,
    /// Its merchant has heard.
    Told,
    /// Its merchant could not be reached in time.
    GivenUp,
}

impl From<NumberOutcome> for &'static str {
    fn from(outcome: NumberOutcome) -> Self {
        match outcome {
            NumberOutcome::Registered => "registered",
            NumberOutcome::VpaChanged => "vpa_changed",
            NumberOutcome::Disabled => "disabled",
            NumberOutcome::Deleted => "deleted",
            NumberOutcome::Reactivated => "reactivated",
            NumberOutcome::Seen => "seen",
            NumberOutcome::Told => "told",
            NumberOutcome::GivenUp => "given_up",
        }
    }
}

/// How the rules say no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberRefusal {
    /// Nobody holds it.
    NotRegistered,
    /// Not in the state in which it is.
    NotInThisState,
    /// It is in that state already.
    AlreadyInThisState,
    /// It does not lead to the VPA that was named.
    NotTheLinkedVpa,
    /// Another customer holds it.
    HeldByAnother,
    /// Another customer gave it back not long ago.
    Cooling,
}

impl From<NumberRefusal> for &'static str {
    fn from(refusal: NumberRefusal) -> Self {
        match refusal {
            NumberRefusal::NotRegistered => "not_registered",
            NumberRefusal::NotInThisState => "not_in_this_state",
            NumberRefusal::AlreadyInThisState => "already_in_this_state",
            NumberRefusal::NotTheLinkedVpa => "not_the_linked_vpa",
            NumberRefusal::HeldByAnother => "held_by_another",
            NumberRefusal::Cooling => "cooling",
        }
    }
}

impl From<NumberRefusal> for Reason {
    fn from(refusal: NumberRefusal) -> Self {
        let sentence = match refusal {
            NumberRefusal::NotRegistered => "nobody holds the number",
            NumberRefusal::NotInThisState => "the number is in a state that does not allow it",
            NumberRefusal::AlreadyInThisState => "the number is in that state already",
            NumberRefusal::NotTheLinkedVpa => "the number does not lead to the VPA that was named",
            NumberRefusal::HeldByAnother => "another customer holds the number",
            NumberRefusal::Cooling => "another customer gave the number back not long ago",
        };
        Self::rule(refusal.into(), sentence)
    }
}

impl Number {
    /// A number that is the registrant's from now on.
    #[must_use]
    pub fn registered(by: &Registrant, now: Millis) -> Self {
        Self {
            number: by.number.clone(),
            owner: by.owner.clone(),
            mobile: by.mobile.clone(),
            vpa: by.vpa.clone(),
            state: NumberState::Active,
            since: now,
            channel: by.channel.clone(),
        }
    }

    /// Whether this customer holds it.
    #[must_use]
    pub fn is_held_by(&self, profile: &ProfileId) -> bool {
        self.owner == *profile && self.state != NumberState::Deleted
    }

    /// Whether another customer may have it now, had nobody asked before.
    #[must_use]
    pub fn is_cooling(&self, rules: &Rules, now: Millis) -> bool {
        self.state == NumberState::Deleted && now < self.since.plus(rules.cooling_ms)
    }

    fn register(
        before: Option<&Self>,
        by: &Registrant,
        rules: &Rules,
        now: Millis,
    ) -> Result<Self, NumberRefusal> {
        let ours = before.is_some_and(|number| number.owner == by.owner);
        match before {
            None => {}
            Some(number) if !ours && number.is_cooling(rules, now) => {
                return Err(NumberRefusal::Cooling);
            }
            Some(number) if number.state == NumberState::Deleted => {}
            Some(_) if ours => return Err(NumberRefusal::AlreadyInThisState),
            Some(_) => return Err(NumberRefusal::HeldByAnother),
        }
        Ok(Self::registered(by, now))
    }

    fn port(
        before: Option<&Self>,
        by: &Registrant,
        existing: &Vpa,
        now: Millis,
    ) -> Result<Self, NumberRefusal> {
        let number = before.filter(|number| number.state != NumberState::Deleted);
        let number = number.ok_or(NumberRefusal::NotRegistered)?;
        if number.owner == by.owner {
            return Err(NumberRefusal::AlreadyInThisState);
        }
        match number.vpa.is_same(existing) {
            true => Ok(Self::registered(by, now)),
            false => Err(NumberRefusal::NotTheLinkedVpa),
        }
    }

    fn update(
        before: Option<&Self>,
        by: &Registrant,
        update: &Update,
        now: Millis,
    ) -> Result<(NumberOutcome, Self), NumberRefusal> {
        use NumberState::{Active, Deleted, Disabled};
        let number = before.ok_or(NumberRefusal::NotRegistered)?;
        if number.owner != by.owner {
            return Err(match number.state {
                Deleted => NumberRefusal::NotRegistered,
                Active | Disabled => NumberRefusal::HeldByAnother,
            });
        }
        let (outcome, state, linked) = match (number.state, update) {
            (Active, Update::ChangeVpa { existing }) => {
                (NumberOutcome::VpaChanged, Active, existing)
            }
            (Active, Update::Disable) => (NumberOutcome::Disabled, Disabled, &by.vpa),
            (Active | Disabled, Update::Delete) => (NumberOutcome::Deleted, Deleted, &by.vpa),
            (Disabled, Update::Reactivate) => (NumberOutcome::Reactivated, Active, &by.vpa),
            (Active, Update::Reactivate)
            | (Disabled, Update::Disable)
            | (Deleted, Update::Delete) => return Err(NumberRefusal::AlreadyInThisState),
            (Disabled | Deleted, Update::ChangeVpa { .. })
            | (Deleted, Update::Disable | Update::Reactivate) => {
                return Err(NumberRefusal::NotInThisState);
            }
        };
        if !number.vpa.is_same(linked) {
            return Err(NumberRefusal::NotTheLinkedVpa);
        }
        let channel = by.channel.clone().or_else(|| number.channel.clone());
        let next = Self { vpa: by.vpa.clone(), state, since: now, channel, ..number.clone() };
        Ok((outcome, next))
    }

    /// What the channel is told, where there is one that listens.
    fn news(
        &self,
        channel: Option<&ChannelId>,
        change: NumberChange,
        txn: Option<&TxnId>,
        (rules, stamp): (&Rules, &Stamp),
    ) -> Option<Errand> {
        let channel = channel.filter(|channel| rules.tells(channel))?;
        let news = NumberNews {
            number: self.number.clone(),
            customer: self.owner.customer.clone(),
            mobile: self.mobile.clone(),
            vpa: self.vpa.clone(),
            change,
            at: stamp.now,
            txn: txn.cloned(),
        };
        let place = match change {
            NumberChange::Now(_) => 0,
            NumberChange::PortedOut => 1,
        };
        let lane = Lane::Channel(channel.clone());
        let key = ErrandKey { lane, due: stamp.now, serial: stamp.serial, place };
        Some(Errand { key, task: Task::Tell(Box::new(news)) })
    }

    /// Lets the customer who held it until now hear of it.
    fn leaving(&self, stamp: &Stamp) -> Errand {
        let holding = Holding::Number(self.number.clone());
        let task = Task::Settle { profile: self.owner.clone(), holding };
        let lane = Lane::Holdings;
        Errand { key: ErrandKey { lane, due: stamp.now, serial: stamp.serial, place: 2 }, task }
    }

    fn turn(
        decided: Result<(NumberOutcome, Self), NumberRefusal>,
        txn: Option<&TxnId>,
        at: (&Rules, &Stamp),
    ) -> Turn<Self> {
        match decided {
            Err(refusal) => Turn::refused(refusal),
            Ok((outcome, next)) => {
                let change = NumberChange::Now(next.state);
                let news = next.news(next.channel.as_ref(), change, txn, at);
                Turn { errands: news.into_iter().collect(), ..Turn::changed(outcome, next) }
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
            NumberCommand::Update { .. } => Action::UpdateNumber,
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
        let registered = |next| (NumberOutcome::Registered, next);
        match command {
            NumberCommand::Register(by) => {
                let next = Self::register(before, by, rules, stamp.now);
                Self::turn(next.map(registered), by.txn.as_ref(), (rules, stamp))
            }
            NumberCommand::Port { by, existing } => {
                let next = Self::port(before, by, existing, stamp.now);
                let mut turn = Self::turn(next.map(registered), by.txn.as_ref(), (rules, stamp));
                if let (Ok(_), Some(left)) = (turn.verdict, before) {
                    let change = NumberChange::PortedOut;
                    let news = left.news(left.channel.as_ref(), change, None, (rules, stamp));
                    turn.errands.extend(news);
                    turn.errands.push(left.leaving(stamp));
                }
                turn
            }
            NumberCommand::Update { by, update } => {
                let next = Self::update(before, by, update, stamp.now);
                Self::turn(next, by.txn.as_ref(), (rules, stamp))
            }
            NumberCommand::LookUp => Turn::only(Ok(NumberOutcome::Seen)),
            NumberCommand::Told { key, arrived } => {
                let outcome = match arrived {
                    true => NumberOutcome::Told,
                    false => NumberOutcome::GivenUp,
                };
                Turn { settled: vec![key.clone()], ..Turn::only(Ok(outcome)) }
            }
        }
    }
}

#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
