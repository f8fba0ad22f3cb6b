//! What a rule must know of other credentials: whether there is one of a kind.

use super::{Engine, Fault, Workers};
use crate::audit::Subject;
use crate::command::{Command, NewCard, Request};
use crate::credential::{Credential, Facts};
use crate::ids::CustomerId;
use crate::index::IndexKey;
use crate::store::{Load, Store};
use crate::time::Clock;

impl<S: Store, C: Clock, W: Workers> Engine<S, C, W> {
    /// Whether another customer of the card's program has its mobile number.
    ///
    /// Two cards that are made in the same instant do not see each other: nothing rests on it but
    /// tidy records.
    pub(super) async fn is_mobile_taken(&self, new: &NewCard) -> Result<bool, Fault> {
        let (client, mobile) = (new.card.client.clone(), new.mobile.with_country());
        let key = IndexKey::CardMobile { client, mobile };
        self.any(&key, |other| other.holder.customer != new.customer).await
    }

    /// Whether an inquiry names a customer without a card, beside whatever card it names.
    pub(super) async fn names_cardless(
        &self,
        request: &Request,
        found: Option<&Credential>,
    ) -> Result<bool, Fault> {
        let Command::Inquire { customer, .. } = &request.command else { return Ok(false) };
        let of = |card: &Credential| is_card(card) && card.holder.customer == *customer;
        if found.is_some_and(of) {
            return Ok(false);
        }
        Ok(!self.has_card(customer, request.program.as_deref()).await?)
    }

    /// Whether a customer has a card that a program may see.
    ///
    /// # Errors
    /// `Fault` when the store cannot be read.
    pub async fn has_card(
        &self,
        customer: &CustomerId,
        program: Option<&str>,
    ) -> Result<bool, Fault> {
        let key = IndexKey::Customer(customer.clone());
        self.any(&key, |found| is_card(found) && found.visible_to(program)).await
    }

    async fn any(
        &self,
        key: &IndexKey,
        fits: impl Fn(&Credential) -> bool + Sync,
    ) -> Result<bool, Fault> {
        for id in self.store.find(key).await? {
            let subject = Subject::Credential(id);
            let record = self.store.load(&Load::of(&subject)).await?.record;
            if record.credential().is_some_and(&fits) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_card(credential: &Credential) -> bool {
    match credential.facts {
        Facts::Card(_) => true,
        Facts::Account(_) => false,
    }
}
