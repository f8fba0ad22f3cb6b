//! What becomes of a number: pure rules over who has it, or had it last.

use serde::{Deserialize, Serialize};

use super::number::{NumberRefusal, Registrant, Update};
use crate::ids::{ChannelId, Mobile, ProfileId, Vpa};
use crate::rules::Rules;
use crate::time::Millis;

/// Who has a number, or had it last, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Who.
    pub owner: ProfileId,
    /// The owner's mobile number.
    pub mobile: Mobile,
    /// The VPA that it leads to.
    pub vpa: Vpa,
    /// Where it stands.
    pub state: Settled,
    /// Since when.
    pub since: Millis,
    /// Where the owner's provider hears of changes.
    pub channel: Option<ChannelId>,
}

/// Where a number stands that somebody has, or had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settled {
    /// It leads to its VPA.
    Active,
    /// It is held, but leads nowhere.
    Disabled,
    /// It was given back.
    Deleted,
}

/// What a customer asks for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// To have it, also from another provider.
    Create,
    /// To let it lead to another VPA.
    ChangeVpa,
    /// To let it lead nowhere.
    Disable,
    /// To give it back.
    Delete,
    /// To let it lead to its VPA again.
    Reactivate,
}

/// What a number is to be, and what was asked for it.
pub(super) type Decided = Result<(Change, Held), NumberRefusal>;

impl Held {
    /// Whether another customer must wait for it still.
    pub(super) fn is_cooling(&self, rules: &Rules, now: Millis) -> bool {
        self.state == Settled::Deleted && now < self.since.plus(rules.cooling_ms)
    }

    pub(super) fn taken(by: &Registrant, now: Millis) -> Self {
        Self {
            owner: by.owner.clone(),
            mobile: by.mobile.clone(),
            vpa: by.vpa.clone(),
            state: Settled::Active,
            since: now,
            channel: by.channel.clone(),
        }
    }

    pub(super) fn register(
        before: Option<&Self>,
        by: &Registrant,
        rules: &Rules,
        now: Millis,
    ) -> Decided {
        let ours = before.is_some_and(|held| held.owner == by.owner);
        match before {
            None => {}
            Some(held) if !ours && held.is_cooling(rules, now) => {
                return Err(NumberRefusal::Cooling);
            }
            Some(held) if held.state == Settled::Deleted => {}
            Some(_) if ours => return Err(NumberRefusal::AlreadyInThisState),
            Some(_) => return Err(NumberRefusal::HeldByAnother),
        }
        Ok((Change::Create, Self::taken(by, now)))
    }

    pub(super) fn port(
        before: Option<&Self>,
        by: &Registrant,
        existing: &Vpa,
        now: Millis,
    ) -> Decided {
        let held = before.filter(|held| held.state != Settled::Deleted);
        let held = held.ok_or(NumberRefusal::NotRegistered)?;
        if held.owner == by.owner {
            return Err(NumberRefusal::AlreadyInThisState);
        }
        if held.vpa.is_same(existing) {
            Ok((Change::Create, Self::taken(by, now)))
        } else {
            Err(NumberRefusal::NotTheLinkedVpa)
        }
    }

    pub(super) fn update(
        before: Option<&Self>,
        by: &Registrant,
        update: &Update,
        now: Millis,
    ) -> Decided {
        use Settled::{Active, Deleted, Disabled};
        let held = before.ok_or(NumberRefusal::NotRegistered)?;
        if held.owner != by.owner {
            return Err(match held.state {
                Deleted => NumberRefusal::NotRegistered,
                Active | Disabled => NumberRefusal::HeldByAnother,
            });
        }
        let (change, state, linked) = match (held.state, update) {
            (Active, Update::ChangeVpa { existing }) => (Change::ChangeVpa, Active, existing),
            (Active, Update::Disable) => (Change::Disable, Disabled, &by.vpa),
            (Active | Disabled, Update::Delete) => (Change::Delete, Deleted, &by.vpa),
            (Disabled, Update::Reactivate) => (Change::Reactivate, Active, &by.vpa),
            (Active, Update::Reactivate)
            | (Disabled, Update::Disable)
            | (Deleted, Update::Delete) => return Err(NumberRefusal::AlreadyInThisState),
            (Disabled | Deleted, Update::ChangeVpa { .. })
            | (Deleted, Update::Disable | Update::Reactivate) => {
                return Err(NumberRefusal::NotInThisState);
            }
        };
        if !held.vpa.is_same(linked) {
            return Err(NumberRefusal::NotTheLinkedVpa);
        }
        let channel = by.channel.clone().or_else(|| held.channel.clone());
        Ok((change, Self { vpa: by.vpa.clone(), state, since: now, channel, ..held.clone() }))
    }
}
