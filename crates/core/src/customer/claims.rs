//! What the mapper keeps for a customer: claimed before, settled after.

use serde::{Deserialize, Serialize};

use super::{Customer, CustomerOutcome, CustomerRefusal, Link};
use crate::aggregate::Turn;
use crate::errand::{Errand, ErrandKey, Lane, Task};
use crate::ids::{ProfileId, UpiNumber, Vpa};
use crate::rules::Rules;
use crate::time::{MINUTE_MS, Stamp};

/// Something of the mapper's that one customer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holding {
    /// A UPI number.
    Number(UpiNumber),
    /// A VPA, in its folded spelling.
    Vpa(Vpa),
}

/// A claim to a holding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// To what.
    pub holding: Holding,
    /// What the customer wants with it.
    pub want: Want,
    /// The VPAs that a number leads to, or may lead to while it is not settled.
    pub vpas: Vec<Vpa>,
    /// The errand that settles it; `None` once it is settled.
    pub open: Option<ErrandKey>,
}

/// What a customer wants with a holding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Want {
    /// To have it.
    Keep,
    /// To have the VPA, and to link accounts to it.
    Link(Vpa, Link),
    /// To give it back.
    Leave,
}

/// What the mapper will be asked about a claimed number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// To register it.
    Register,
    /// To take it over from where it is.
    Port,
    /// To let it lead to another VPA.
    ChangeVpa {
        /// The VPA that it leads to now.
        existing: Vpa,
    },
    /// To disable, delete or reactivate it.
    Update,
}

/// What the mapper says of a holding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// It is the customer's; a number leads to this VPA.
    Held(Option<Vpa>),
    /// It is not the customer's.
    NotHeld,
    /// A change of it is pending; whoever settles it settles the claim again.
    Awaited,
}

/// How long a request has to settle its own claim before the errand does.
const SETTLE_AFTER_MS: i64 = MINUTE_MS;

impl Claim {
    /// A claim that must be settled.
    pub(super) fn open(holding: Holding, want: Want, stamp: &Stamp, place: u8) -> Self {
        let due = stamp.now.plus(SETTLE_AFTER_MS);
        let key = ErrandKey { lane: Lane::Holdings, due, serial: stamp.serial, place };
        Self { holding, want, vpas: Vec::new(), open: Some(key) }
    }

    /// A claim that is settled: for seeds.
    #[must_use]
    pub fn settled(holding: Holding, vpas: Vec<Vpa>) -> Self {
        Self { holding, want: Want::Keep, vpas, open: None }
    }

    /// The errand that settles it.
    pub(super) fn errand(&self, profile: &ProfileId) -> Option<Errand> {
        let task = Task::Settle { profile: profile.clone(), holding: self.holding.clone() };
        Some(Errand { key: self.open.clone()?, task })
    }

    /// Whether it is a number that leads to the VPA, or may.
    pub(super) fn leads_to(&self, vpa: &Vpa) -> bool {
        self.vpas.iter().any(|one| one.is_same(vpa))
    }
}

impl Customer {
    /// The claim to a holding.
    #[must_use]
    pub fn claim(&self, holding: &Holding) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.holding == *holding)
    }

    /// The numbers that the customer holds, or is about to.
    pub fn numbers(&self) -> impl Iterator<Item = &UpiNumber> {
        self.claims.iter().filter_map(|claim| match &claim.holding {
            Holding::Number(number) => Some(number),
            Holding::Vpa(_) => None,
        })
    }

    /// Whether it is a mobile number, and not the customer's.
    fn is_anothers_mobile(&self, number: &UpiNumber) -> bool {
        number.is_mobile() && !self.mobile.as_ref().is_some_and(|own| number.is_of(own))
    }

    /// Whether one of these devices may act for the customer, on this number.
    ///
    /// # Errors
    /// `NotOwnMobile` for ten digits of somebody else, `NotBound` when none of the devices is.
    pub fn admits(
        &self,
        number: Option<&UpiNumber>,
        devices: &[String],
    ) -> Result<(), CustomerRefusal> {
        if let Some(number) = number {
            if self.is_anothers_mobile(number) {
                return Err(CustomerRefusal::NotOwnMobile);
            }
            self.bound()?;
        }
        let known = devices.iter().any(|device| self.has_device(device));
        match devices.is_empty() || known {
            true => Ok(()),
            false => Err(CustomerRefusal::NotBound),
        }
    }

    /// Puts a claim in the place of an older one to the same holding.
    ///
    /// The older one's errand stands: its request may be on its way to the mapper, and whoever
    /// opened a claim takes its errand away himself.
    pub(super) fn put_claim(mut self, claim: Claim, profile: &ProfileId) -> Turn<Self> {
        let errands = claim.errand(profile).into_iter().collect();
        let older = self.claims.iter().position(|one| one.holding == claim.holding);
        older.map(|place| self.claims.remove(place));
        self.claims.push(claim);
        Turn { errands, ..Turn::changed(CustomerOutcome::Claimed, self) }
    }

    pub(super) fn claim_number(
        &self,
        number: &UpiNumber,
        vpa: &Vpa,
        aim: &Aim,
        (rules, stamp): (&Rules, &Stamp),
    ) -> Turn<Self> {
        if let Err(refusal) = self.may_claim(number, vpa, aim, rules) {
            return Turn::refused(refusal);
        }
        let holding = Holding::Number(number.clone());
        let older = self.claim(&holding);
        if older.is_none() && matches!(aim, Aim::ChangeVpa { .. } | Aim::Update) {
            // Not theirs: the mapper says so in its own words.
            return Turn::only(Ok(CustomerOutcome::Claimed));
        }
        let mut claim = Claim::open(holding, Want::Keep, stamp, 0);
        claim.vpas = older.map(|older| older.vpas.clone()).unwrap_or_default();
        if !claim.leads_to(vpa) {
            claim.vpas.push(vpa.clone());
        }
        self.clone().put_claim(claim, &self.id)
    }

    /// Whether the customer may claim the number, whatever the mapper says of it.
    ///
    /// # Errors
    /// `CustomerRefusal` when the customer's own rules say no.
    pub fn may_claim(
        &self,
        number: &UpiNumber,
        vpa: &Vpa,
        aim: &Aim,
        rules: &Rules,
    ) -> Result<(), CustomerRefusal> {
        self.bound()?;
        let theirs = |vpa: &Vpa| self.vpa(vpa).is_some();
        match aim {
            Aim::Register | Aim::Port if self.is_anothers_mobile(number) => {
                return Err(CustomerRefusal::NotOwnMobile);
            }
            Aim::Port if !number.is_mobile() => return Err(CustomerRefusal::NotPortable),
            Aim::ChangeVpa { existing } => {
                let same = existing.handle().eq_ignore_ascii_case(vpa.handle());
                if !same || !theirs(existing) {
                    return Err(CustomerRefusal::NotTheirVpa);
                }
            }
            Aim::Register | Aim::Port | Aim::Update => {}
        }
        if !theirs(vpa) {
            return Err(CustomerRefusal::NotTheirVpa);
        }
        let others = self.numbers().filter(|held| !held.is_mobile() && *held != number).count();
        let full = !number.is_mobile() && others >= rules.numbers_max;
        match matches!(aim, Aim::Register) && full {
            true => Err(CustomerRefusal::LimitReached),
            false => Ok(()),
        }
    }

    /// Brings a claim to what the mapper says. The mapper is right in any case; but who opened a
    /// claim to a number has yet to ask for it, so nobody else settles it.
    pub(super) fn settle(
        &self,
        holding: &Holding,
        fact: &Fact,
        errand: Option<&ErrandKey>,
    ) -> Turn<Self> {
        let opened = self.claim(holding).and_then(|claim| claim.open.as_ref());
        if matches!(holding, Holding::Number(_)) && opened.is_some() && opened != errand {
            let settled = errand.into_iter().cloned().collect();
            return Turn { settled, ..Turn::only(Ok(CustomerOutcome::Settled)) };
        }
        let mut next = self.clone();
        let older = next.claims.iter().position(|claim| claim.holding == *holding);
        let older = older.map(|place| next.claims.remove(place));
        let open = older.as_ref().and_then(|claim| claim.open.as_ref());
        let mut settled: Vec<_> = open.into_iter().chain(errand).cloned().collect();
        settled.dedup();
        match (fact, holding) {
            (Fact::Held(vpa), _) => {
                if let Some(Want::Link(vpa, link)) = older.as_ref().map(|claim| &claim.want) {
                    next.apply(vpa, link);
                }
                next.claims.push(Claim::settled(holding.clone(), vpa.iter().cloned().collect()));
            }
            (Fact::Awaited, _) => {
                next.claims.extend(older.map(|older| Claim { open: None, ..older }));
            }
            (Fact::NotHeld, Holding::Vpa(lost)) => next.vpas.retain(|one| !one.vpa.is_same(lost)),
            (Fact::NotHeld, Holding::Number(_)) => {}
        }
        let changed = next.claims != self.claims || next.vpas != self.vpas;
        Turn { settled, next: changed.then_some(next), ..Turn::only(Ok(CustomerOutcome::Settled)) }
    }
}

#[cfg(test)]
mod tests;
