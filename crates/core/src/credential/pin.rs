//! Comparing and changing a PIN: the guess limit lives here.

use kunji_vault::Weakness;

use super::{Answer, Credential, Decision, Outcome, PinState, Plan, Question, Told};
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::rules::{Rules, TRIES_MAX};
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

    pub(super) fn plan_change(&self, rules: &Rules, stamp: &Stamp) -> Plan<'_> {
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
        // The caller has proved himself, so the counter falls also where the new PIN is refused.
        let proved = self.with_clear_tries();
        let decision = proved.take_new(answer, Outcome::Changed, rules, stamp);
        match decision.verdict {
            Err(Refusal::UnreadableBlock) => decision,
            Ok(_) | Err(_) => Decision { next: decision.next.or(Some(proved)), ..decision },
        }
    }

    /// Keeps the new PIN, and the counter falls; or says which rule it breaks.
    pub(super) fn take_new(
        &self,
        answer: Answer,
        outcome: Outcome,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Decision {
        match answer.new {
            Some(Ok(verifier)) => {
                let mut next = self.clone();
                next.pin.keep(verifier);
                Decision::done(outcome, Some(next))
            }
            Some(Err(weakness)) => Decision {
                next: (weakness == Weakness::Recent).then(|| self.recalled(rules, stamp)),
                detail: Some(weakness.as_str().to_owned()),
                ..Decision::refused(Refusal::PinRefused(weakness))
            },
            None => Decision::refused(Refusal::UnreadableBlock),
        }
    }

    /// That a new PIN is one of the last three is told about kept ones: three times in 24 hours, and
    /// the PIN is blocked as after three wrong ones.
    fn recalled(&self, rules: &Rules, stamp: &Stamp) -> Self {
        let mut next = self.clone();
        if Told::note(&mut next.told.recent, stamp.now) >= TRIES_MAX {
            next.pin.blocked_until = Some(stamp.now.plus(rules.block_ms));
        }
        next
    }

    /// Another secret came under a used request id: the caller learns that it is another one, so it
    /// counts as a wrong PIN does.
    pub(crate) fn guessed(&self, rules: &Rules, stamp: &Stamp) -> Decision {
        let verdict = Err(Refusal::Duplicate);
        Decision { verdict, reason: Some(Reason::OtherSecret), ..self.wrong_pin(rules, stamp) }
    }

    /// Whether nothing is compared now.
    pub(crate) fn is_blocked(&self, stamp: &Stamp) -> bool {
        matches!(self.pin.state(stamp.now), PinState::Blocked(_))
    }

    pub(super) fn operator_clears(&self, reason: &str) -> Decision {
        let next = Self { told: Told::default(), ..self.with_clear_tries() };
        Decision {
            detail: Some(reason.to_owned()),
            ..Decision::done(Outcome::TriesCleared, Some(next))
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

    /// Counts one wrong try. The last one in a row blocks, and the last one of a day, whatever came in
    /// between. A block that is over does not count on.
    fn wrong_pin(&self, rules: &Rules, stamp: &Stamp) -> Decision {
        let mut next = self.clone();
        if next.pin.blocked_until.is_some() {
            next.pin.clear_tries();
        }
        next.pin.tries = next.pin.tries.saturating_add(1);
        let in_day = Told::note(&mut next.told.wrong, stamp.now);
        let left_in_row = rules.tries_max.saturating_sub(next.pin.tries);
        let left_in_day = rules.wrong_per_day_max.saturating_sub(in_day);
        let detail = Some(format!("wrong_pin {}", next.pin.tries));
        let until = stamp.now.plus(rules.block_ms);
        let (refusal, reason) = match (left_in_row, left_in_day) {
            (0, _) => (Refusal::PinBlocked { until }, Reason::LastTry),
            (_, 0) => (Refusal::PinBlocked { until }, Reason::DayLimit),
            (in_row, in_day) => {
                let tries_left = in_row.min(in_day);
                (Refusal::WrongPin { tries_left }, Reason::WrongPin { tries_left })
            }
        };
        if let Refusal::PinBlocked { until } = refusal {
            next.pin.blocked_until = Some(until);
        }
        Decision { detail, next: Some(next), ..Decision::refused_for(refusal, reason) }
    }
}

#[cfg(test)]
mod tests {
    use kunji_vault::{PinUse, Transit};

    use super::*;
    use crate::command::{AccountClaim, Command};
    use crate::credential::PinRecord;
    use crate::credential::sample::{
        account, block, block_pin, card, customer, decide, decide_by, now, stamp, verifier,
    };
    use crate::ids::Vpa;
    use crate::time::{DAY_MS, Millis};

    fn verify() -> Command {
        let transit = Transit::ClearAllowed;
        Command::Verify { pin: block(), pin_use: PinUse::Mpin, transit }
    }

    fn change(customer_name: &str, vpa: &str) -> Command {
        Command::Change {
            customer: customer(customer_name),
            vpa: Some(Vpa::parse(vpa).unwrap()),
            account: AccountClaim::default(),
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

    /// Compares with a wrong PIN, after wrong ones so long ago.
    #[track_caller]
    fn check_day(ago_ms: &[i64], per_day_max: u8, expected: Refusal, reason: &Reason, kept: usize) {
        let mut credential = account();
        credential.told.wrong = ago_ms.iter().map(|ago| Millis(now().0 - ago)).collect();
        let rules = Rules { wrong_per_day_max: per_day_max, ..Rules::default() };
        let decision = decide_by(&credential, &verify(), Answer::default(), &rules);
        assert_eq!((decision.verdict, decision.reason.as_ref()), (Err(expected), Some(reason)));
        let next = decision.next.unwrap();
        assert_eq!(next.told.wrong.len(), kept);
        assert_eq!(next.pin.blocked_until.is_some(), expected == blocked());
    }

    #[test]
    fn last_wrong_pin_of_a_day_blocks_whatever_came_in_between() {
        let left = |tries_left| (Refusal::WrongPin { tries_left }, Reason::WrongPin { tries_left });
        let (two, of_two) = left(2);
        let (one, of_one) = left(1);
        check_day(&[], 10, two, &of_two, 1);
        check_day(&[5; 7], 10, two, &of_two, 8);
        check_day(&[5; 8], 10, one, &of_one, 9);
        check_day(&[5; 9], 10, blocked(), &Reason::DayLimit, 10);
        check_day(&[5; 12], 10, blocked(), &Reason::DayLimit, 13);
        check_day(&[], 1, blocked(), &Reason::DayLimit, 1);
        // What is a day old does not count any more.
        check_day(&[DAY_MS; 9], 10, two, &of_two, 1);
        check_day(&[DAY_MS - 1; 9], 10, blocked(), &Reason::DayLimit, 10);
        check_day(&[DAY_MS, DAY_MS - 1, 0], 4, one, &of_one, 3);
    }

    #[test]
    fn neither_a_right_pin_nor_a_new_one_takes_the_wrong_ones_of_the_day_away() {
        let mut credential = account();
        credential.told.wrong = vec![now(); 9];
        for command in [verify(), change("CIF1", "one@kunji")] {
            let next = decide(&credential, &command, right()).next.unwrap();
            assert_eq!((next.pin.tries, next.told.wrong.len()), (0, 9));
        }
        let command = Command::ClearTries { reason: "the holder called".to_owned() };
        let next = decide(&credential, &command, Answer::default()).next.unwrap();
        assert_eq!(next.told.wrong.len(), 0);
    }

    #[test]
    fn third_refusal_of_a_recent_pin_blocks() {
        let recent =
            || Answer { current: true, new: Some(Err(Weakness::Recent)), ..Answer::default() };
        let mut credential = account();
        for told in 1..=3 {
            let decision = decide(&credential, &change("CIF1", "one@kunji"), recent());
            assert_eq!(decision.verdict, Err(Refusal::PinRefused(Weakness::Recent)));
            assert!(decision.reason.unwrap().is_verdict());
            credential = decision.next.unwrap();
            assert_eq!(credential.told.recent.len(), told);
            assert_eq!(credential.is_blocked(&stamp()), told == 3);
        }
        // A day later they do not count any more.
        credential.pin.blocked_until = None;
        credential.told.recent = vec![Millis(now().0 - DAY_MS); 3];
        let next = decide(&credential, &change("CIF1", "one@kunji"), recent()).next.unwrap();
        assert_eq!((next.told.recent.len(), next.is_blocked(&stamp())), (1, false));
    }

    #[test]
    fn other_secret_under_a_used_id_counts_as_a_wrong_pin() {
        let mut credential = account();
        for tries in 1..=3 {
            let decision = credential.guessed(&Rules::default(), &stamp());
            assert_eq!(decision.verdict, Err(Refusal::Duplicate));
            assert_eq!(decision.reason, Some(Reason::OtherSecret));
            credential = decision.next.unwrap();
            assert_eq!(credential.pin.tries, tries);
            assert_eq!(credential.is_blocked(&stamp()), tries == 3);
        }
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
