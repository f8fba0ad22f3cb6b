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
        vpa: Option<&Vpa>,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Plan<'_> {
        let carries_vpa = match &self.facts {
            Facts::Account(account) => vpa.is_none_or(|vpa| account.vpas.contains(vpa)),
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

#[cfg(test)]
mod tests {
    use kunji_vault::{PinUse, Transit, Weakness};

    use super::*;
    use crate::command::Command;
    use crate::credential::PinRecord;
    use crate::credential::sample::{
        account, block, block_pin, card, customer, decide, decide_by, now, stamp, verifier,
    };
    use crate::time::DAY_MS;

    fn verify() -> Command {
        let transit = Transit::ClearAllowed;
        Command::Verify { pin: block(), pin_use: PinUse::Mpin, transit }
    }

    fn change(customer_name: &str, vpa: &str) -> Command {
        Command::Change {
            customer: customer(customer_name),
            vpa: Some(Vpa::parse(vpa).unwrap()),
            current: block(),
            new: block(),
            transit: Transit::ClearAllowed,
        }
    }

    fn right() -> Answer {
        Answer { current: true, new: Some(Ok(verifier())), ..Answer::default() }
    }

    fn blocked() -> Refusal {
        Refusal::PinBlocked { until: now().plus(DAY_MS) }
    }

    /// Compares with a wrong PIN after so many wrong ones.
    #[track_caller]
    fn check_wrong(tries: u8, tries_max: u8, expected: Refusal) {
        let mut credential = account();
        credential.pin.tries = tries;
        let rules = Rules { tries_max, ..Rules::default() };
        let decision = decide_by(&credential, &verify(), Answer::default(), &rules);
        assert_eq!(decision.verdict, Err(expected));
        let pin = decision.next.unwrap().pin;
        assert_eq!(pin.tries, tries + 1);
        assert_eq!(pin.blocked_until.is_some(), expected == blocked());
        assert_eq!(decision.detail, Some(format!("wrong_pin {}", tries + 1)));
    }

    #[test]
    fn last_wrong_pin_blocks() {
        check_wrong(0, 3, Refusal::WrongPin { tries_left: 2 });
        check_wrong(1, 3, Refusal::WrongPin { tries_left: 1 });
        check_wrong(2, 3, blocked());
        check_wrong(0, 1, blocked());
        check_wrong(0, 2, Refusal::WrongPin { tries_left: 1 });
        // A limit that was lowered meanwhile does not give a try away.
        check_wrong(2, 2, blocked());
    }

    #[test]
    fn right_pin_clears_the_counter() {
        let mut credential = account();
        credential.pin.tries = 2;
        let decision = decide(&credential, &verify(), right());
        assert_eq!(decision.verdict, Ok(Outcome::Verified));
        assert_eq!(decision.next.unwrap().pin.tries, 0);
    }

    #[test]
    fn while_blocked_nothing_is_asked() {
        let mut credential = account();
        block_pin(&mut credential);
        for command in [verify(), change("CIF1", "one@kunji")] {
            let plan = credential.plan(&command, &Rules::default(), &stamp());
            let Plan::Settled(decision) = plan else {
                unreachable!("the vault was asked about a blocked PIN");
            };
            assert_eq!(decision.verdict, Err(blocked()));
            assert!(decision.next.is_none());
        }
    }

    #[test]
    fn first_wrong_pin_after_a_block_is_the_first() {
        let mut credential = account();
        credential.pin.tries = 3;
        credential.pin.blocked_until = Some(now());
        let decision = decide(&credential, &verify(), Answer::default());
        assert_eq!(decision.verdict, Err(Refusal::WrongPin { tries_left: 2 }));
        let pin = decision.next.unwrap().pin;
        assert_eq!((pin.tries, pin.blocked_until), (1, None));
    }

    #[track_caller]
    fn check_change(
        credential: &Credential,
        command: &Command,
        answer: Answer,
        expected: Result<Outcome, Refusal>,
    ) {
        assert_eq!(decide(credential, command, answer).verdict, expected);
    }

    #[test]
    fn refusals_of_a_change_come_in_their_order() {
        let weak = || Answer { new: Some(Err(Weakness::Recent)), ..Answer::default() };
        let mut worst = account();
        block_pin(&mut worst);
        worst.pin.kept.clear();
        let other = Err(Refusal::OwnerMismatch);
        check_change(&worst, &change("CIF2", "one@kunji"), weak(), other);
        check_change(&worst, &change("CIF1", "three@kunji"), weak(), other);
        check_change(&card(), &change("CIF1", "one@kunji"), right(), other);
        let ours = change("CIF1", "two@kunji");
        check_change(&worst, &ours, weak(), Err(blocked()));
        worst.pin.blocked_until = None;
        check_change(&worst, &ours, weak(), Err(Refusal::PinNotSet));
        // A wrong PIN hides that the new one is weak.
        let wrong = Err(Refusal::WrongPin { tries_left: 2 });
        check_change(&account(), &ours, weak(), wrong);
        let weak = Answer { current: true, ..weak() };
        check_change(&account(), &ours, weak, Err(Refusal::PinRefused(Weakness::Recent)));
        check_change(&account(), &ours, right(), Ok(Outcome::Changed));
    }

    #[test]
    fn weak_new_pin_proves_the_old_one_all_the_same() {
        let mut credential = account();
        credential.pin.tries = 2;
        let new = Some(Err(Weakness::Sequential));
        let answer = Answer { current: true, new, ..Answer::default() };
        let decision = decide(&credential, &change("CIF1", "one@kunji"), answer);
        assert_eq!(decision.detail.as_deref(), Some("sequential"));
        let pin = decision.next.unwrap().pin;
        assert_eq!((pin.tries, pin.kept.len()), (0, 1));
    }

    #[test]
    fn three_pins_are_kept_and_no_more() {
        let mut credential = account();
        for kept in [2, 3, 3] {
            credential = decide(&credential, &change("CIF1", "one@kunji"), right()).next.unwrap();
            assert_eq!(credential.pin.kept.len(), kept);
        }
    }

    #[test]
    fn operator_clears_tries_and_block_but_not_the_pin() {
        let mut credential = account();
        block_pin(&mut credential);
        let command = Command::ClearTries { reason: "the holder called".to_owned() };
        let decision = decide(&credential, &command, Answer::default());
        assert_eq!(decision.verdict, Ok(Outcome::TriesCleared));
        assert_eq!(decision.detail.as_deref(), Some("the holder called"));
        let PinRecord { kept, tries, blocked_until, .. } = decision.next.unwrap().pin;
        assert_eq!((kept.len(), tries, blocked_until), (1, 0, None));
    }

    #[test]
    fn answer_without_a_verifier_changes_nothing() {
        let answer = Answer { current: true, ..Answer::default() };
        let decision = decide(&account(), &change("CIF1", "one@kunji"), answer);
        assert_eq!(decision.verdict, Err(Refusal::UnreadableBlock));
        assert!(decision.next.is_none());
    }
}
