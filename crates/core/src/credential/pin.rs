//! Comparing and changing a PIN: the guess limit lives here.

use super::{Answer, Credential, Decision, Facts, Outcome, PinState, Plan, Question};
use crate::ids::{CustomerId, Vpa};
use crate::refusal::Refusal;
use crate::rules::Rules;
use crate::time::Stamp;

impl Credential {
    pub(super) fn plan_verify(&self, stamp: &Stamp) -> Plan<'_> {
        match self.usable_pin(stamp) {
            Err(refusal) => refusal.into(),
            Ok(()) => Plan::Ask(Question { current: self.pin.kept.first(), ..Question::default() }),
        }
    }

    pub(super) fn decide_verify(&self, answer: &Answer, rules: &Rules, stamp: &Stamp) -> Decision {
        match answer.current {
            true => Decision::done(Outcome::Verified, Some(self.with_clear_tries())),
            false => self.wrong_pin(rules, stamp),
        }
    }

    pub(super) fn plan_change(
        &self,
        customer: &CustomerId,
        vpa: &Vpa,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Plan<'_> {
        let carries_vpa = match &self.facts {
            Facts::Account(account) => account.vpas.contains(vpa),
            Facts::Card(_) => false,
        };
        if self.holder.customer != *customer || !carries_vpa {
            return Refusal::OwnerMismatch.into();
        }
        match self.usable_pin(stamp) {
            Err(refusal) => refusal.into(),
            Ok(()) => Plan::Ask(Question {
                current: self.pin.kept.first(),
                new: Some((rules.policy(self.pin.length, self.holder.birth), &self.pin.kept)),
                ..Question::default()
            }),
        }
    }

    pub(super) fn decide_change(&self, answer: Answer, rules: &Rules, stamp: &Stamp) -> Decision {
        if !answer.current {
            return self.wrong_pin(rules, stamp);
        }
        self.take_new(answer, Outcome::Changed)
    }

    /// Keeps the new PIN, or says which rule it breaks. Either way the caller has proved
    /// himself, so the counter falls.
    pub(super) fn take_new(&self, answer: Answer, outcome: Outcome) -> Decision {
        let mut next = self.with_clear_tries();
        match answer.new {
            Some(Ok(verifier)) => {
                next.pin.keep(verifier);
                Decision::done(outcome, Some(next))
            }
            Some(Err(weakness)) => Decision {
                detail: Some(weakness.as_str().to_owned()),
                ..Decision::changed(Err(Refusal::PinRefused(weakness)), next)
            },
            None => Decision::refused(Refusal::UnreadableBlock),
        }
    }

    pub(super) fn operator_clears(&self, reason: &str) -> Decision {
        Decision {
            detail: Some(reason.to_owned()),
            ..Decision::done(Outcome::TriesCleared, Some(self.with_clear_tries()))
        }
    }

    /// Blocked comes first: while blocked nothing is compared, not even "is one set".
    fn usable_pin(&self, stamp: &Stamp) -> Result<(), Refusal> {
        match self.pin.state(stamp.now) {
            PinState::Blocked(until) => Err(Refusal::PinBlocked { until }),
            PinState::NotSet => Err(Refusal::PinNotSet),
            PinState::Set => Ok(()),
        }
    }

    fn with_clear_tries(&self) -> Self {
        let mut next = self.clone();
        next.pin.clear_tries();
        next
    }

    /// Counts one wrong try; the last one blocks. A block that is over does not count on.
    fn wrong_pin(&self, rules: &Rules, stamp: &Stamp) -> Decision {
        let mut next = self.clone();
        if next.pin.blocked_until.is_some() {
            next.pin.clear_tries();
        }
        next.pin.tries = next.pin.tries.saturating_add(1);
        let tries_left = rules.tries_max.saturating_sub(next.pin.tries);
        let refusal = match tries_left {
            0 => {
                let until = stamp.now.plus(rules.block_ms);
                next.pin.blocked_until = Some(until);
                Refusal::PinBlocked { until }
            }
            _ => Refusal::WrongPin { tries_left },
        };
        let detail = format!("wrong_pin {}", next.pin.tries);
        Decision { detail: Some(detail), ..Decision::changed(Err(refusal), next) }
    }
}
