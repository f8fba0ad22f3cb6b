//! Setting an MPIN by debit card and OTP.
//!
//! Checked in this order (contract page `hyper-sdk.md`): RN, XN, XL, XR, AJ, SP, ZS / ZT / ZR, RM.

use kunji_vault::PinBlock;

use super::{
    Answer, Credential, Decision, Facts, OpenOtp, Outcome, PinState, Plan, Question, Registration,
};
use crate::card::{DebitCard, Expiry, Standing};
use crate::ids::{CardTail, CustomerId};
use crate::outbox::Message;
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::rules::{Rules, TRIES_MAX};
use crate::time::{Millis, Stamp};

/// What the customer reads; the vault puts the digits in.
const OTP_WORDING: &str =
    "{otp} is your OTP to set the UPI PIN of your account. Valid for 5 minutes. Do not share it.";

/// What the caller says of an account's customer and debit card.
#[derive(Clone, Copy)]
pub(super) struct CardClaim<'a> {
    pub(super) customer: &'a CustomerId,
    /// Its last six digits and last good month; `None` where they are checked later.
    pub(super) card: Option<(&'a CardTail, Expiry)>,
}

impl Credential {
    pub(super) fn plan_otp(&self, claim: CardClaim<'_>, rules: &Rules, stamp: &Stamp) -> Plan<'_> {
        let proven = match claim.card {
            Some(_) => self.proven_card(claim, rules, stamp).map(|_| ()),
            None => self.registrable(claim.customer, rules, stamp),
        };
        match proven {
            Err(refusal) => self.failed(refusal, rules, stamp).into(),
            Ok(()) => Plan::Ask(Question { issue_otp: Some(OTP_WORDING), ..Question::default() }),
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
        claim: CardClaim<'_>,
        atm_pin: Option<&PinBlock>,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Plan<'_> {
        let card = match self.proven_card(claim, rules, stamp) {
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
            Err(_) if atm_pin.is_some() => None,
            Err(refusal) => return refusal.into(),
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
        if let Err((refusal, reason)) = self.live_otp(stamp) {
            return Decision::refused_for(refusal, reason);
        }
        if !answer.otp {
            return self.wrong_otp(rules, stamp);
        }
        let decision = self.take_new(answer, Outcome::PinSet, rules, stamp);
        match decision.verdict {
            // The OTP stays open after a weak PIN: the customer may choose a better one.
            Err(_) => decision,
            Ok(_) => decision.map_next(|next| {
                next.otp = None;
                next.registration.succeed(atm_pin_sent);
            }),
        }
    }

    /// RN, XH: whether this customer may set a PIN at all now.
    fn registrable(
        &self,
        customer: &CustomerId,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Result<(), Refusal> {
        if let Some(until) = self.registration.blocked_until(rules, stamp.now) {
            return Err(Refusal::RegistrationBlocked { until });
        }
        match self.holder.customer == *customer {
            true => Ok(()),
            false => Err(Refusal::OwnerMismatch),
        }
    }

    /// RN, XH, XN, XL, XR, AJ: everything before the secrets.
    fn proven_card(
        &self,
        claim: CardClaim<'_>,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Result<&DebitCard, Refusal> {
        self.registrable(claim.customer, rules, stamp)?;
        let card = match &self.facts {
            Facts::Account(account) => account.debit_card.as_ref(),
            Facts::Card(_) => None,
        };
        let card = card
            .filter(|card| claim.card.is_some_and(|claim| claim == (&card.last_six, card.expiry)))
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

    fn live_otp(&self, stamp: &Stamp) -> Result<&OpenOtp, (Refusal, Reason)> {
        let otp = self.otp.as_ref().ok_or((Refusal::OtpExpired, Reason::NoOtp))?;
        if stamp.now >= otp.expires {
            return Err((Refusal::OtpExpired, Reason::OtpExpired));
        }
        if otp.tries < TRIES_MAX {
            Ok(otp)
        } else {
            Err((Refusal::OtpTriesExceeded, Reason::OtpTriesExceeded))
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
        next.registration.count(refusal, rules, stamp.now);
        let detail = format!("failure {}", next.registration.failures);
        Decision { detail: Some(detail), ..Decision::refused_with(refusal, next) }
    }
}

impl Registration {
    fn blocked_until(&self, rules: &Rules, now: Millis) -> Option<Millis> {
        let end = self.last?.plus(rules.registration_ms);
        (now < end && self.failures >= rules.registration_tries_max).then_some(end)
    }

    /// Forgets the failures; those at the ATM PIN only where it was proved, else who has the OTP
    /// could guess it for ever.
    fn succeed(&mut self, atm_pin_proved: bool) {
        self.failures = 0;
        if atm_pin_proved {
            self.atm_pin_tries = 0;
        }
    }

    /// Counts a failure. An ATM PIN is no OTP that changes, so three wrong ones are the end.
    fn count(&mut self, refusal: Refusal, rules: &Rules, now: Millis) {
        let over = |last: Millis| now >= last.plus(rules.registration_ms);
        if self.last.is_none_or(over) {
            *self = Self::default();
        }
        self.last = Some(now);
        self.failures = self.failures.saturating_add(1);
        if refusal == Refusal::WrongAtmPin {
            self.atm_pin_tries = self.atm_pin_tries.saturating_add(1);
        }
        if self.atm_pin_tries >= TRIES_MAX {
            self.failures = self.failures.max(rules.registration_tries_max);
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

#[cfg(test)]
mod tests {
    use kunji_vault::{Transit, Weakness};

    use super::*;
    use crate::card::BlockKind;
    use crate::command::Command;
    use crate::credential::sample::{
        account, block, block_pin, card, customer, debit_card, decide, decide_by, month, now, tail,
        verifier,
    };
    use crate::time::DAY_MS;

    fn set(last_six: &str) -> Command {
        Command::Set {
            customer: customer("CIF1"),
            last_six: tail(last_six),
            expiry: month("1235"),
            otp: block(),
            atm_pin: Some(block()),
            new: block(),
            transit: Transit::ClearAllowed,
        }
    }

    fn request_otp(customer_name: &str) -> Command {
        Command::RequestOtp {
            customer: customer(customer_name),
            card: Some((tail("123456"), month("1235"))),
        }
    }

    fn right() -> Answer {
        Answer { otp: true, atm_pin: true, new: Some(Ok(verifier())), ..Answer::default() }
    }

    /// Registrations failed so often, the first one just now.
    fn failed(failures: u8) -> Registration {
        Registration { failures, atm_pin_tries: 0, last: Some(now()) }
    }

    #[track_caller]
    fn check(
        credential: &Credential,
        answer: Answer,
        expected: Result<Outcome, Refusal>,
    ) -> Decision {
        let decision = decide(credential, &set("123456"), answer);
        assert_eq!(decision.verdict, expected);
        decision
    }

    /// Everything is wrong at first; each row shows the next refusal once the one before is gone.
    #[test]
    fn refusals_of_a_set_come_in_their_order() {
        let wrong = || Answer { new: Some(Err(Weakness::Listed)), ..Answer::default() };
        let mut worst = account();
        worst.registration = failed(5);
        worst.otp = None;
        debit_card(&mut worst).standing = Standing::Closed;
        debit_card(&mut worst).expiry = month("0120");

        let until = now().plus(DAY_MS);
        check(&worst, wrong(), Err(Refusal::RegistrationBlocked { until }));
        worst.registration = failed(4);
        worst.holder.customer = customer("CIF2");
        check(&worst, wrong(), Err(Refusal::OwnerMismatch));
        worst.holder.customer = customer("CIF1");
        check(&worst, wrong(), Err(Refusal::NoSuchDebitCard));

        // From here on the caller names the month that is on the card.
        let mut named = set("123456");
        if let Command::Set { expiry, .. } = &mut named {
            *expiry = month("0120");
        }
        let expired = decide(&worst, &named, wrong()).verdict;
        assert_eq!(expired, Err(Refusal::DebitCardExpired));
        debit_card(&mut worst).expiry = month("1235");
        check(&worst, wrong(), Err(Refusal::DebitCardRestricted));
        debit_card(&mut worst).standing = Standing::Blocked(BlockKind::Temporary);
        check(&worst, wrong(), Err(Refusal::DebitCardRestricted));
        debit_card(&mut worst).standing = Standing::NotActive;
        check(&worst, wrong(), Err(Refusal::DebitCardNeverActivated));
        debit_card(&mut worst).standing = Standing::Active;
        check(&worst, wrong(), Err(Refusal::WrongAtmPin));
        let atm_right = || Answer { atm_pin: true, ..wrong() };
        check(&worst, atm_right(), Err(Refusal::OtpExpired));
        worst.otp = account().otp.map(|otp| OpenOtp { expires: now(), ..otp });
        check(&worst, atm_right(), Err(Refusal::OtpExpired));
        worst.otp = account().otp.map(|otp| OpenOtp { tries: 3, ..otp });
        check(&worst, wrong(), Err(Refusal::WrongAtmPin));
        check(&worst, atm_right(), Err(Refusal::OtpTriesExceeded));
        worst.otp = account().otp;
        check(&worst, atm_right(), Err(Refusal::WrongOtp));
        let otp_right = Answer { otp: true, ..atm_right() };
        check(&worst, otp_right, Err(Refusal::PinRefused(Weakness::Listed)));
        check(&worst, right(), Ok(Outcome::PinSet));
    }

    #[track_caller]
    fn check_counted(credential: &Credential, command: &Command, answer: Answer, counted: bool) {
        let decision = decide(credential, command, answer);
        assert!(decision.verdict.is_err());
        let failures = decision.next.map_or(0, |next| next.registration.failures);
        assert_eq!(failures, u8::from(counted), "{:?}", decision.verdict);
    }

    #[test]
    fn only_guesses_are_counted() {
        let right_atm = || Answer { atm_pin: true, ..Answer::default() };
        check_counted(&account(), &set("999999"), right(), true);
        check_counted(&account(), &set("123456"), Answer::default(), true);
        check_counted(&account(), &set("123456"), right_atm(), true);
        check_counted(&card(), &set("123456"), right(), true);
        let mut other = account();
        other.otp = None;
        check_counted(&other, &set("123456"), right_atm(), false);
        other.holder.customer = customer("CIF2");
        check_counted(&other, &set("123456"), right(), false);
        let mut unusable = account();
        debit_card(&mut unusable).standing = Standing::NotActive;
        check_counted(&unusable, &set("123456"), right(), false);
        let weak = Some(Err(Weakness::Recent));
        let weak = Answer { otp: true, atm_pin: true, new: weak, ..Answer::default() };
        check_counted(&account(), &set("123456"), weak, false);
    }

    #[test]
    fn third_wrong_otp_closes_it() {
        for (tries, expected) in
            [(0, Refusal::WrongOtp), (1, Refusal::WrongOtp), (2, Refusal::OtpTriesExceeded)]
        {
            let mut credential = account();
            credential.otp.as_mut().unwrap().tries = tries;
            let answer = Answer { atm_pin: true, ..Answer::default() };
            let next = check(&credential, answer, Err(expected)).next.unwrap();
            assert_eq!(next.otp.unwrap().tries, tries + 1);
            assert_eq!(next.registration.failures, 1);
        }
    }

    #[test]
    fn weak_pin_moves_nothing() {
        let mut credential = account();
        block_pin(&mut credential);
        let new = Some(Err(Weakness::Repeated));
        let answer = Answer { otp: true, atm_pin: true, new, ..Answer::default() };
        let decision = check(&credential, answer, Err(Refusal::PinRefused(Weakness::Repeated)));
        assert!(decision.next.is_none());
        assert_eq!(decision.detail.as_deref(), Some("repeated"));
    }

    #[test]
    fn set_uses_the_otp_up_and_clears_all_counters() {
        let mut credential = account();
        block_pin(&mut credential);
        credential.registration = failed(4);
        let next = check(&credential, right(), Ok(Outcome::PinSet)).next.unwrap();
        assert!(next.otp.is_none() && next.registration.failures == 0);
        assert_eq!((next.pin.tries, next.pin.blocked_until), (0, None));
        assert_eq!(next.pin.kept.len(), 2);
    }

    #[test]
    fn block_stands_where_the_setting_says_so() {
        let mut credential = account();
        block_pin(&mut credential);
        let rules = Rules { reset_lifts_block: false, ..Rules::default() };
        let decision = decide_by(&credential, &set("123456"), right(), &rules);
        let until = now().plus(DAY_MS);
        assert_eq!(decision.verdict, Err(Refusal::PinBlocked { until }));
        assert!(decision.next.is_none());
    }

    #[test]
    fn window_runs_from_the_last_failure() {
        let mut credential = account();
        for (since_ms, blocked) in [(0, true), (DAY_MS - 1, true), (DAY_MS, false)] {
            let last = Some(Millis(now().0 - since_ms));
            credential.registration = Registration { failures: 5, atm_pin_tries: 0, last };
            let verdict = decide(&credential, &set("123456"), right()).verdict;
            assert_eq!(verdict.is_err(), blocked, "{since_ms}");
        }
        // The next failure starts a new window.
        let next = decide(&credential, &set("999999"), right()).next.unwrap();
        assert_eq!((next.registration.failures, next.registration.last), (1, Some(now())));
    }

    #[test]
    fn otp_request_is_refused_as_a_set_is() {
        let refused = |credential: &Credential, customer: &str| {
            decide(credential, &request_otp(customer), Answer::default()).verdict
        };
        let mut credential = account();
        assert_eq!(refused(&credential, "CIF2"), Err(Refusal::OwnerMismatch));
        debit_card(&mut credential).last_six = tail("654321");
        assert_eq!(refused(&credential, "CIF1"), Err(Refusal::NoSuchDebitCard));
        credential.registration = failed(5);
        let until = now().plus(DAY_MS);
        assert_eq!(refused(&credential, "CIF2"), Err(Refusal::RegistrationBlocked { until }));
        assert_eq!(refused(&card(), "CIF1"), Err(Refusal::NoSuchDebitCard));
    }
}
