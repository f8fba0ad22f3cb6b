//! Setting an MPIN by debit card and OTP.
//!
//! Checked in this order (contract page `hyper-sdk.md`): RN, XN, XL, XR, AJ, SP, ZS / ZT / ZR, RM.

use super::{
    Answer, Credential, Decision, Facts, Message, OpenOtp, Outcome, PinState, Plan, Question,
    Registration,
};
use crate::card::{DebitCard, Expiry, Standing};
use crate::ids::{CardTail, CustomerId};
use crate::refusal::Refusal;
use crate::rules::{Rules, TRIES_MAX};
use crate::time::{Millis, Stamp};

/// What the customer reads; the vault puts the digits in.
const OTP_WORDING: &str =
    "{otp} is your OTP to set the UPI PIN of your account. Valid for 5 minutes. Do not share it.";

type CardClaim<'a> = (&'a CardTail, Expiry);

impl Credential {
    pub(super) fn plan_otp(
        &self,
        customer: &CustomerId,
        claim: CardClaim<'_>,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Plan<'_> {
        match self.proven_card(customer, claim, rules, stamp) {
            Err(refusal) => self.failed(refusal, rules, stamp).into(),
            Ok(_) => Plan::Ask(Question { issue_otp: Some(OTP_WORDING), ..Question::default() }),
        }
    }

    pub(super) fn decide_otp(&self, answer: Answer, rules: &Rules, stamp: &Stamp) -> Decision {
        let Some(issued) = answer.issued else {
            return Decision::refused(Refusal::UnreadableBlock);
        };
        let mut next = self.clone();
        let expires = stamp.now.plus(rules.otp_ms);
        next.otp = Some(OpenOtp { verifier: issued.verifier, expires, tries: 0 });
        let message = Message {
            at: stamp.now,
            serial: stamp.serial,
            to: self.holder.mobile.clone(),
            about: self.id.clone(),
            sealed: issued.message,
        };
        Decision { messages: vec![message], ..Decision::done(Outcome::OtpSent, Some(next)) }
    }

    pub(super) fn plan_set(
        &self,
        customer: &CustomerId,
        claim: CardClaim<'_>,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Plan<'_> {
        let card = match self.proven_card(customer, claim, rules, stamp) {
            Err(refusal) => return self.failed(refusal, rules, stamp).into(),
            Ok(card) => card,
        };
        if let (PinState::Blocked(until), false) =
            (self.pin.state(stamp.now), rules.reset_lifts_block)
        {
            return Refusal::PinBlocked { until }.into();
        }
        let otp = match self.live_otp(stamp) {
            Ok(otp) => Some(&otp.verifier),
            // SP comes before ZS and ZT: the ATM PIN is looked at first.
            Err(_) if card.atm_pin.is_some() => None,
            Err(refusal) => return Decision::refused(refusal).into(),
        };
        Plan::Ask(Question {
            otp,
            atm_pin: card.atm_pin.as_ref(),
            new: Some((rules.policy(self.pin.length, self.holder.birth), &self.pin.kept)),
            ..Question::default()
        })
    }

    pub(super) fn decide_set(
        &self,
        answer: Answer,
        atm_pin_sent: bool,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Decision {
        if atm_pin_sent && !answer.atm_pin {
            return self.failed(Refusal::WrongAtmPin, rules, stamp);
        }
        if let Err(refusal) = self.live_otp(stamp) {
            return Decision::refused(refusal);
        }
        if !answer.otp {
            return self.wrong_otp(rules, stamp);
        }
        let decision = self.take_new(answer, Outcome::PinSet);
        match decision.verdict {
            // The OTP stays open after a weak PIN: the customer may choose a better one.
            Err(_) => Decision { next: None, ..decision },
            Ok(_) => decision.map_next(|next| {
                next.otp = None;
                next.registration = Registration::default();
            }),
        }
    }

    /// RN, XH, XN, XL, XR, AJ: everything before the secrets.
    fn proven_card(
        &self,
        customer: &CustomerId,
        (last_six, expiry): CardClaim<'_>,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Result<&DebitCard, Refusal> {
        if let Some(until) = self.registration.blocked_until(rules, stamp.now) {
            return Err(Refusal::RegistrationBlocked { until });
        }
        if self.holder.customer != *customer {
            return Err(Refusal::OwnerMismatch);
        }
        let card = match &self.facts {
            Facts::Account(account) => account.debit_card.as_ref(),
            Facts::Card(_) => None,
        };
        let card = card
            .filter(|card| card.last_six == *last_six && card.expiry == expiry)
            .ok_or(Refusal::NoSuchDebitCard)?;
        if card.expiry.is_past(stamp.now) {
            return Err(Refusal::DebitCardExpired);
        }
        match card.standing {
            Standing::Active => Ok(card),
            Standing::Blocked(_) | Standing::Closed => Err(Refusal::DebitCardRestricted),
            Standing::NotActive => Err(Refusal::DebitCardNeverActivated),
        }
    }

    fn live_otp(&self, stamp: &Stamp) -> Result<&OpenOtp, Refusal> {
        let otp = self.otp.as_ref().ok_or(Refusal::OtpExpired)?;
        if stamp.now >= otp.expires {
            return Err(Refusal::OtpExpired);
        }
        match otp.tries < TRIES_MAX {
            true => Ok(otp),
            false => Err(Refusal::OtpTriesExceeded),
        }
    }

    /// Counts a wrong OTP on the OTP itself and on the registration window.
    fn wrong_otp(&self, rules: &Rules, stamp: &Stamp) -> Decision {
        let tries = self.otp.as_ref().map_or(TRIES_MAX, |otp| otp.tries.saturating_add(1));
        let refusal = match tries < TRIES_MAX {
            true => Refusal::WrongOtp,
            false => Refusal::OtpTriesExceeded,
        };
        self.failed(Refusal::WrongOtp, rules, stamp).with_verdict(Err(refusal)).map_next(|next| {
            next.otp.iter_mut().for_each(|otp| otp.tries = tries);
        })
    }

    /// A refusal; one that answers a guess is counted in the window of failed registrations.
    fn failed(&self, refusal: Refusal, rules: &Rules, stamp: &Stamp) -> Decision {
        let guess =
            matches!(refusal, Refusal::NoSuchDebitCard | Refusal::WrongAtmPin | Refusal::WrongOtp);
        if !guess {
            return Decision::refused(refusal);
        }
        let mut next = self.clone();
        next.registration.count(rules, stamp.now);
        let detail = format!("failure {}", next.registration.failures);
        Decision { detail: Some(detail), ..Decision::changed(Err(refusal), next) }
    }
}

impl Registration {
    fn blocked_until(&self, rules: &Rules, now: Millis) -> Option<Millis> {
        let end = self.since?.plus(rules.registration_ms);
        (now < end && self.failures >= rules.registration_tries_max).then_some(end)
    }

    fn count(&mut self, rules: &Rules, now: Millis) {
        match self.since {
            Some(since) if now < since.plus(rules.registration_ms) => {
                self.failures = self.failures.saturating_add(1);
            }
            Some(_) | None => *self = Self { failures: 1, since: Some(now) },
        }
    }
}

impl Decision {
    fn map_next(mut self, change: impl FnOnce(&mut Credential)) -> Self {
        if let Some(next) = self.next.as_mut() {
            change(next);
        }
        self
    }

    fn with_verdict(self, verdict: Result<Outcome, Refusal>) -> Self {
        Self { verdict, ..self }
    }
}
