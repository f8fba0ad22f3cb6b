//! Which accounts a customer's VPAs draw on, and which one is primary.

use serde::{Deserialize, Serialize};

use super::claims::{Claim, Holding, Want};
use super::{CUSTOMER_VPAS_MAX, Customer, CustomerOutcome, CustomerRefusal, VPA_ACCOUNTS_MAX};
use crate::aggregate::Turn;
use crate::ids::{CredentialId, Vpa};
use crate::time::Stamp;

/// A VPA and the accounts that it draws on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedVpa {
    /// The VPA as the customer wrote it.
    pub vpa: Vpa,
    /// All accounts behind it.
    pub accounts: Vec<CredentialId>,
    /// The one that payments use.
    pub primary: CredentialId,
}

/// Accounts to be linked to a VPA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The accounts; the first is the one that the mapping is about.
    pub accounts: Vec<CredentialId>,
    /// Whether it becomes primary, and where.
    pub mapping: Mapping,
    /// The holder's name, as the bank vouches for it.
    pub name: String,
}

/// For which VPAs an account becomes primary (seed document of set / reset MPIN).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mapping {
    /// For every VPA of the customer.
    OneToAll,
    /// For the VPA of the request.
    OneToOne,
    /// For none: nothing changes.
    Nothing,
}

impl Mapping {
    /// The mapping as it stands in the audit.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneToAll => "one_to_all",
            Self::OneToOne => "one_to_one",
            Self::Nothing => "none",
        }
    }
}

impl LinkedVpa {
    /// Whether the account is there, or there is a place for it.
    fn has_place(&self, account: &CredentialId) -> bool {
        self.accounts.contains(account) || self.accounts.len() < VPA_ACCOUNTS_MAX
    }

    fn add(&mut self, account: &CredentialId) {
        if !self.accounts.contains(account) && self.has_place(account) {
            self.accounts.push(account.clone());
        }
    }
}

impl Customer {
    pub(super) fn link(&self, vpa: &Vpa, link: &Link, stamp: &Stamp) -> Turn<Self> {
        if let Err(refusal) = self.bound() {
            return Turn::refused(refusal);
        }
        let there = self.vpa(vpa).map_or(&[][..], |known| &known.accounts);
        let fresh = link.accounts.iter().filter(|account| !there.contains(account)).count();
        if link.accounts.is_empty() || there.len().saturating_add(fresh) > VPA_ACCOUNTS_MAX {
            return Turn::refused(CustomerRefusal::LimitReached);
        }
        let mut next = self.clone();
        if self.vpa(vpa).is_some() {
            next.apply(vpa, link);
            return Turn {
                detail: Some(link.mapping.as_str().to_owned()),
                ..Turn::changed(CustomerOutcome::Linked, next)
            };
        }
        let held = self.claims.iter().filter(|claim| matches!(claim.holding, Holding::Vpa(_)));
        if held.count() >= CUSTOMER_VPAS_MAX {
            return Turn::refused(CustomerRefusal::LimitReached);
        }
        let holding = Holding::Vpa(vpa.folded());
        let claim = Claim::open(holding, Want::Link(vpa.clone(), link.clone()), stamp, 0);
        next.put_claim(claim, &self.id)
    }

    /// Links the accounts and maps the first one, as the link says.
    pub(super) fn apply(&mut self, vpa: &Vpa, link: &Link) {
        let Some(first) = link.accounts.first() else { return };
        if self.name.is_empty() {
            self.name.clone_from(&link.name);
        }
        if self.vpa(vpa).is_none() {
            let (vpa, primary) = (vpa.clone(), first.clone());
            self.vpas.push(LinkedVpa { vpa, accounts: Vec::new(), primary });
        }
        if let Some(linked) = self.vpas.iter_mut().find(|one| one.vpa.is_same(vpa)) {
            link.accounts.iter().for_each(|account| linked.add(account));
        }
        self.map(vpa, first, link.mapping);
    }

    fn map(&mut self, vpa: &Vpa, account: &CredentialId, mapping: Mapping) {
        let meant = |one: &&mut LinkedVpa| match mapping {
            Mapping::OneToAll => true,
            Mapping::OneToOne => one.vpa.is_same(vpa),
            Mapping::Nothing => false,
        };
        // A VPA that is full stays as it is: what is asked for the others is done.
        let meant = self.vpas.iter_mut().filter(meant);
        for linked in meant.filter(|one| one.has_place(account)) {
            linked.add(account);
            linked.primary = account.clone();
        }
    }

    pub(super) fn map_primary(
        &self,
        vpa: &Vpa,
        account: &CredentialId,
        mapping: Mapping,
    ) -> Turn<Self> {
        match self.vpa(vpa) {
            None => return Turn::refused(CustomerRefusal::NotTheirVpa),
            Some(linked) if !linked.accounts.contains(account) => {
                return Turn::refused(CustomerRefusal::NotLinked);
            }
            Some(_) => {}
        }
        let mut next = self.clone();
        next.map(vpa, account, mapping);
        Turn {
            detail: Some(mapping.as_str().to_owned()),
            ..Turn::changed(CustomerOutcome::Mapped, next)
        }
    }

    pub(super) fn drop_vpa(&self, vpa: &Vpa, stamp: &Stamp) -> Turn<Self> {
        if self.vpa(vpa).is_none() {
            return Turn::refused(CustomerRefusal::NotTheirVpa);
        }
        if self.vpas.len() == 1 {
            return Turn::refused(CustomerRefusal::LastVpa);
        }
        if self.claims.iter().any(|claim| claim.leads_to(vpa)) {
            return Turn::refused(CustomerRefusal::VpaInUse);
        }
        let mut next = self.clone();
        next.vpas.retain(|one| !one.vpa.is_same(vpa));
        let claim = Claim::open(Holding::Vpa(vpa.folded()), Want::Leave, stamp, 0);
        let turn = next.put_claim(claim, &self.id);
        Turn { verdict: Ok(CustomerOutcome::Dropped), ..turn }
    }

    pub(super) fn drop_account(&self, account: &CredentialId) -> Turn<Self> {
        if !self.vpas.iter().any(|one| one.accounts.contains(account)) {
            return Turn::refused(CustomerRefusal::NotLinked);
        }
        if self.vpas.iter().any(|one| one.primary == *account) {
            return Turn::refused(CustomerRefusal::PrimaryStays);
        }
        let mut next = self.clone();
        next.vpas.iter_mut().for_each(|one| one.accounts.retain(|kept| kept != account));
        Turn::changed(CustomerOutcome::Dropped, next)
    }

    pub(super) fn deregister(&self, stamp: &Stamp) -> Turn<Self> {
        if let Err(refusal) = self.bound() {
            return Turn::refused(refusal);
        }
        let mut next = self.clone();
        next.devices.clear();
        next.sessions.clear();
        next.vpas.clear();
        let (claims, leaving) = (0_u8..).zip(&self.claims).fold(
            (Vec::new(), Turn::only(Ok(CustomerOutcome::Dropped))),
            |(mut claims, mut turn), (place, claim)| {
                let claim_now = Claim::open(claim.holding.clone(), Want::Leave, stamp, place);
                turn.errands.extend(claim_now.errand(&self.id));
                claims.push(claim_now);
                (claims, turn)
            },
        );
        next.claims = claims;
        Turn { next: Some(next), ..leaving }
    }
}

#[cfg(test)]
mod tests;
