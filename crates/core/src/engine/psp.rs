//! What spans several aggregates: each step a commit of its own, each harmless when done twice.
//!
//! An errand is left with the first step and taken away with the last one. Whoever comes to it
//! after a crash does what is missing.

use super::turn::{By, Turned};
use super::{Answered, COMMIT_TRIES_MAX, Engine, Fault, Workers};
use crate::aggregate::{Kept as _, Turn};
use crate::audit::Subject;
use crate::capture::{Capture, CaptureCommand, Ending, Order, Purpose};
use crate::credential::Outcome;
use crate::customer::{
    Aim, Claim, Customer, CustomerCommand, CustomerRefusal, Fact, Holding, Want,
};
use crate::errand::ErrandKey;
use crate::ids::{Caller, CaptureId, ProfileId, UpiNumber, Vpa};
use crate::mapper::{Address, AddressCommand, Number, NumberCommand, Registrant, Update};
use crate::receipt::{Receipt, ReceiptKey, Reply};
use crate::store::{Load, Store};
use crate::time::{Clock, Stamp};

impl<S: Store, C: Clock, W: Workers> Engine<S, C, W> {
    /// Asks the mapper for what a customer claims, and settles the claim with its answer.
    ///
    /// Says whether the customer has the holding now. Doing it again does nothing.
    ///
    /// # Errors
    /// `Fault` when something broke; the errand then stands.
    pub async fn settle_claim(
        &self,
        caller: &Caller,
        profile: &ProfileId,
        holding: &Holding,
        errand: Option<ErrandKey>,
    ) -> Result<bool, Fault> {
        let own = match errand {
            Some(errand) => Some(errand),
            None => {
                let customer = self.look::<Customer>(&Subject::Customer(profile.clone())).await?;
                let claim = customer.as_ref().and_then(|customer| customer.claim(holding));
                claim.and_then(|claim| claim.open.clone())
            }
        };
        self.settle_own(caller, profile, holding, own).await
    }

    /// Settles a claim that is open under this key, or none.
    ///
    /// What the mapper said is committed only if the customer is still as before it was asked,
    /// so that an older answer never takes the place of a newer one. This holds also where the
    /// claim is another's to settle: he then asks the mapper again.
    async fn settle_own(
        &self,
        caller: &Caller,
        profile: &ProfileId,
        holding: &Holding,
        own: Option<ErrandKey>,
    ) -> Result<bool, Fault> {
        let by = By::caller(caller.clone());
        let subject = Subject::Customer(profile.clone());
        for _ in 0..COMMIT_TRIES_MAX {
            let record = self.store.load(&Load::of(&subject)).await?.record;
            let customer = Customer::of(&record.state);
            let claim = customer.and_then(|customer| customer.claim(holding));
            let open = claim.and_then(|claim| claim.open.as_ref());
            let others = open.is_some() && open != own.as_ref();
            // Who has deregistered gives back also what a slow request registered since.
            let gone = customer.is_some_and(|customer| customer.devices.is_empty());
            let want = match claim {
                Some(_) if others => &Want::Keep,
                Some(claim) => &claim.want,
                None if gone => &Want::Leave,
                None => &Want::Keep,
            };
            let fact = match holding {
                Holding::Number(number) => {
                    let settling = customer.filter(|_| !others);
                    self.number_fact(&by, profile, number, (want, settling)).await?
                }
                Holding::Vpa(folded) => {
                    let linked = customer.is_some_and(|customer| customer.vpa(folded).is_some());
                    self.address_fact(&by, profile, folded, (claim, linked)).await?
                }
            };
            let Some(fact) = fact else { continue };
            let held = fact != Fact::NotHeld;
            let (holding, errand) = (holding.clone(), own.clone());
            let command = CustomerCommand::Settle { holding, fact, errand };
            let at = (&subject, record);
            let turned = self.turn_on::<Customer>(&by, at, &command, |_, _, _| None).await?;
            if turned.is_some() {
                return Ok(held);
            }
        }
        Err(Fault::Busy)
    }

    /// A number that leads to a VPA which the customer has not is given back: a slow request may have
    /// let it lead there after the VPA was dropped, and who deregistered and came back may have
    /// claimed it anew before it was given back.
    ///
    /// `None`: the number changed while it was to be given back.
    async fn number_fact(
        &self,
        by: &By,
        profile: &ProfileId,
        number: &UpiNumber,
        (want, customer): (&Want, Option<&Customer>),
    ) -> Result<Option<Fact>, Fault> {
        let subject = Subject::Number(number.clone());
        let kept = self.look::<Number>(&subject).await?;
        if kept.as_ref().is_some_and(|kept| kept.is_awaited_by(profile)) {
            return Ok(Some(Fact::Awaited));
        }
        let Some(kept) = kept.filter(|kept| kept.is_held_by(profile)) else {
            return Ok(Some(Fact::NotHeld));
        };
        let leads = customer.is_none_or(|customer| customer.vpa(&kept.vpa).is_some());
        if *want != Want::Leave && leads {
            return Ok(Some(Fact::Held(Some(kept.vpa))));
        }
        let registrant = Registrant {
            number: number.clone(),
            owner: profile.clone(),
            mobile: kept.mobile,
            vpa: kept.vpa,
            channel: None,
            txn: None,
            wait: None,
        };
        let command = NumberCommand::Update { by: registrant, update: Update::Delete };
        match self.turn::<Number>(by, &subject, &command, |_, _, _| None).await? {
            Turned::Decided { verdict: Ok(_), .. } => Ok(Some(Fact::NotHeld)),
            Turned::Decided { .. } | Turned::Repeated(_) | Turned::Duplicate => Ok(None),
        }
    }

    async fn address_fact(
        &self,
        by: &By,
        profile: &ProfileId,
        folded: &Vpa,
        (claim, linked): (Option<&Claim>, bool),
    ) -> Result<Option<Fact>, Fault> {
        let subject = Subject::Address(folded.clone());
        let owner = profile.clone();
        let (command, held) = match claim.map(|claim| &claim.want) {
            None if linked => return Ok(Some(Fact::NotHeld)),
            // A round before this one may have registered it, for a claim that is gone since.
            None | Some(Want::Leave) => (AddressCommand::Release { owner }, Fact::NotHeld),
            Some(Want::Link(vpa, _)) => {
                (AddressCommand::Register { vpa: vpa.clone(), owner }, Fact::Held(None))
            }
            // An errand that gave it back may have come late, after it was linked again.
            Some(Want::Keep) => {
                (AddressCommand::Register { vpa: folded.clone(), owner }, Fact::Held(None))
            }
        };
        match self.turn::<Address>(by, &subject, &command, |_, _, _| None).await? {
            Turned::Decided { verdict: Ok(_), .. } => Ok(Some(held)),
            Turned::Decided { .. } | Turned::Repeated(_) | Turned::Duplicate => {
                Ok(Some(Fact::NotHeld))
            }
        }
    }

    /// Runs a command about a number between its customer's claim and the claim's settlement.
    ///
    /// `refuse` says what is answered when the customer's rules say no, `say` what the mapper
    /// decided; either is kept under the request id.
    ///
    /// # Errors
    /// `Fault` when something broke; the outcome is then unknown, and a claim settles by itself.
    pub async fn claim_number(
        &self,
        by: &By,
        command: NumberCommand,
        refuse: impl Fn(CustomerRefusal, &Stamp) -> Reply + Sync,
        say: impl Fn(&Turn<Number>, Option<&Number>, &Stamp) -> Option<Reply> + Sync,
    ) -> Result<Claimed, Fault> {
        let (registrant, aim) = match &command {
            NumberCommand::Register(by) => (by, Aim::Register),
            NumberCommand::Port { by, .. } => (by, Aim::Port),
            NumberCommand::Update { by, update: Update::ChangeVpa { existing } } => {
                (by, Aim::ChangeVpa { existing: existing.clone() })
            }
            NumberCommand::Update {
                by,
                update: Update::Disable | Update::Delete | Update::Reactivate,
            } => (by, Aim::Update),
            NumberCommand::LookUp | NumberCommand::Settle { .. } | NumberCommand::Told { .. } => {
                return Err(Fault::Busy);
            }
        };
        let (profile, number) = (registrant.owner.clone(), registrant.number.clone());
        let holding = Holding::Number(number.clone());
        let claim = CustomerCommand::ClaimNumber {
            number: number.clone(),
            vpa: registrant.vpa.clone(),
            aim,
        };
        let customer = Subject::Customer(profile.clone());
        let claimed = self
            .turn::<Customer>(by, &customer, &claim, |turn, _, stamp| {
                turn.verdict.err().map(|refusal| refuse(refusal, stamp))
            })
            .await?;
        let own = match claimed {
            Turned::Decided { verdict: Ok(_), now, .. } => {
                let claim = now.as_ref().and_then(|customer| customer.claim(&holding));
                claim.and_then(|claim| claim.open.clone())
            }
            refused @ (Turned::Decided { .. } | Turned::Repeated(_) | Turned::Duplicate) => {
                return Ok(refused.answered().map_or(Claimed::Duplicate, Claimed::Answered));
            }
        };
        let left = self.left_behind(&command, &profile).await?;
        let subject = Subject::Number(number);
        let turned = self.turn::<Number>(by, &subject, &command, say).await?;
        self.settle_own(&by.caller, &profile, &holding, own).await?;
        let changed = matches!(&turned, Turned::Decided { verdict: Ok(_), .. });
        if let Some(left) = left.filter(|_| changed) {
            self.settle_own(&by.caller, &left, &holding, None).await?;
        }
        Ok(turned.answered().map_or(Claimed::Duplicate, Claimed::Answered))
    }

    /// Who holds the number that is about to be ported.
    async fn left_behind(
        &self,
        command: &NumberCommand,
        wanting: &ProfileId,
    ) -> Result<Option<ProfileId>, Fault> {
        let NumberCommand::Port { by, .. } = command else { return Ok(None) };
        let kept = self.look::<Number>(&Subject::Number(by.number.clone())).await?;
        let held = kept.filter(|kept| kept.is_held_by(&kept.owner));
        Ok(held.map(|kept| kept.owner).filter(|owner| owner != wanting))
    }

    /// Settles a pending change of a number. Doing it again does nothing.
    ///
    /// # Errors
    /// `Fault` when something broke; the errand then stands.
    pub async fn settle_number(
        &self,
        caller: &Caller,
        number: &UpiNumber,
        errand: ErrandKey,
    ) -> Result<(), Fault> {
        let (by, subject) = (By::caller(caller.clone()), Subject::Number(number.clone()));
        let command = NumberCommand::Settle { key: errand };
        self.turn::<Number>(&by, &subject, &command, |_, _, _| None).await.map(drop)
    }

    /// What the issuer decided under a capture's request id, if it did.
    ///
    /// # Errors
    /// `Fault` when the store cannot be read.
    pub async fn capture_receipt(&self, capture: &Capture) -> Result<Option<Receipt>, Fault> {
        let Order { caller, txn, .. } = &capture.order;
        let key = ReceiptKey { caller: caller.clone(), txn: txn.clone() };
        Ok(self.store.receipt(&key).await?)
    }

    /// Ends a capture with what the issuer decided, if it did: the mapping first, then the answer.
    ///
    /// # Errors
    /// `Fault` when something broke; the errand then stands.
    pub async fn end_capture(&self, id: &CaptureId) -> Result<Option<Ending>, Fault> {
        let subject = Subject::Capture(id.clone());
        let Some(capture) = self.look::<Capture>(&subject).await? else { return Ok(None) };
        if capture.ending.is_some() {
            return Ok(capture.ending);
        }
        let Some(receipt) = self.capture_receipt(&capture).await? else { return Ok(None) };
        let by = By::caller(capture.order.caller.clone());
        if let (Purpose::Set { mapping, .. }, Some(vpa)) =
            (&capture.order.purpose, &capture.order.vpa)
            && receipt.verdict == Outcome::PinSet.as_str()
        {
            let command = CustomerCommand::MapPrimary {
                vpa: vpa.clone(),
                account: capture.order.account.clone(),
                mapping: *mapping,
            };
            let customer = Subject::Customer(capture.order.profile.clone());
            self.turn::<Customer>(&by, &customer, &command, |_, _, _| None).await?;
        }
        let Receipt { reply: Reply { code, body, .. }, verdict, .. } = receipt;
        let command = CaptureCommand::End(Ending { verdict, code, body });
        match self.turn::<Capture>(&by, &subject, &command, |_, _, _| None).await? {
            Turned::Decided { now, .. } => Ok(now.and_then(|capture| capture.ending)),
            Turned::Repeated(_) | Turned::Duplicate => Ok(None),
        }
    }
}

/// What a request about a number came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// This was answered, now or before.
    Answered(Answered),
    /// The request id was used for something else.
    Duplicate,
}
