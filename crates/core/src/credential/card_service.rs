//! What a card program asks of a prepaid card.

use super::{Answer, Credential, Decision, Facts, Outcome, PinState, Plan, Question};
use crate::card::{BlockKind, Card, Standing, Unusable, usable};
use crate::command::{HolderCheck, HolderClaim};
use crate::ids::{CardTail, CustomerId};
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::rules::Rules;
use crate::time::Stamp;

impl Credential {
    pub(super) fn plan_reset(
        &self,
        (last_four, customer): (&CardTail, Option<&CustomerId>),
        holder: HolderCheck,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Plan<'_> {
        let card = match self.named_card(last_four, customer) {
            Err(refusal) => return refusal.into(),
            Ok(card) => card,
        };
        if let Err(reason) = usable(card.standing, card.expiry, stamp.now) {
            return Refusal::CardUnusable(reason).into();
        }
        let fresh =
            card.holder_verified.is_some_and(|at| stamp.now < at.plus(rules.holder_verified_ms));
        if holder == HolderCheck::Required && !fresh {
            return Refusal::HolderNotVerified.into();
        }
        match (self.pin.state(stamp.now), rules.reset_lifts_block) {
            (PinState::Blocked(until), false) => Refusal::PinBlocked { until }.into(),
            _ => Plan::Ask(Question {
                new: Some((rules.policy(self.pin.length, self.holder.birth), &self.pin.kept)),
                ..Question::default()
            }),
        }
    }

    pub(super) fn decide_reset(&self, answer: Answer, rules: &Rules, stamp: &Stamp) -> Decision {
        let mut decision = self.take_new(answer, Outcome::PinSet, rules, stamp);
        // A weak PIN does not use the verification up: the holder may choose a better one.
        if let (Ok(_), Some(Facts::Card(card))) =
            (decision.verdict, decision.next.as_mut().map(|next| &mut next.facts))
        {
            card.holder_verified = None;
        }
        decision
    }

    pub(super) fn verify_holder(&self, claim: &HolderClaim, stamp: &Stamp) -> Decision {
        let Facts::Card(card) = &self.facts else {
            return Decision::refused(Refusal::UnknownCredential);
        };
        let facts = match claim {
            HolderClaim::Contact { mobile, email } => {
                let same_mail = |kept: &String| kept.eq_ignore_ascii_case(email);
                let same_mobile = self.holder.mobile.with_country() == mobile.with_country();
                let same_mail = self.holder.email.as_ref().is_some_and(same_mail);
                [("mobile number", same_mobile), ("e-mail address", same_mail)]
            }
            HolderClaim::Face { last_four, expiry, birth } => {
                if card.last_four != *last_four {
                    return Decision::refused(Refusal::LastFourMismatch);
                }
                let same_birth = self.holder.birth == Some(*birth);
                [("card's expiry", card.expiry == *expiry), ("birthday", same_birth)]
            }
        };
        if let Some((fact, _)) = facts.into_iter().find(|(_, fits)| !fits) {
            let reason = Reason::HolderMismatch(fact.into());
            return Decision::refused_for(Refusal::HolderMismatch, reason);
        }
        let card = Card { holder_verified: Some(stamp.now), ..card.clone() };
        Decision::done(Outcome::HolderVerified, Some(self.with_card(card)))
    }

    pub(super) fn inquire(&self, last_four: &CardTail, customer: &CustomerId) -> Decision {
        match self.named_card(last_four, Some(customer)) {
            Err(refusal) => Decision::refused(refusal),
            Ok(_) => Decision::done(Outcome::Inquired, None),
        }
    }

    pub(super) fn block(
        &self,
        last_four: &CardTail,
        customer: &CustomerId,
        kind: BlockKind,
        stamp: &Stamp,
    ) -> Decision {
        let card = match self.named_card(last_four, Some(customer)) {
            Err(refusal) => return Decision::refused(refusal),
            Ok(card) => card,
        };
        match usable(card.standing, card.expiry, stamp.now) {
            Err(Unusable::Blocked(lying)) if lying == kind || lying == BlockKind::Permanent => {
                Decision::refused(Refusal::AlreadyBlocked(lying))
            }
            // One block may replace another, but nothing replaces a permanent one.
            Ok(()) | Err(Unusable::Blocked(_)) => {
                self.put_standing(card, Standing::Blocked(kind), Outcome::CardBlocked)
            }
            Err(reason) => Decision::refused(Refusal::CardUnusable(reason)),
        }
    }

    pub(super) fn unblock(
        &self,
        last_four: &CardTail,
        customer: &CustomerId,
        stamp: &Stamp,
    ) -> Decision {
        let card = match self.named_card(last_four, Some(customer)) {
            Err(refusal) => return Decision::refused(refusal),
            Ok(card) => card,
        };
        match usable(card.standing, card.expiry, stamp.now) {
            Ok(()) => Decision::refused(Refusal::NotBlocked),
            Err(Unusable::Blocked(kind)) if kind != BlockKind::Permanent => {
                self.put_standing(card, Standing::Active, Outcome::CardUnblocked)
            }
            Err(reason) => Decision::refused(Refusal::CardUnusable(reason)),
        }
    }

    fn put_standing(&self, card: &Card, standing: Standing, outcome: Outcome) -> Decision {
        let detail = match standing {
            Standing::Blocked(kind) => Some(kind.as_str().to_owned()),
            Standing::Active | Standing::NotActive | Standing::Closed => None,
        };
        let card = Card { standing, ..card.clone() };
        Decision { detail, ..Decision::done(outcome, Some(self.with_card(card))) }
    }

    /// The card, when its last four digits and its customer are as the caller says.
    fn named_card(
        &self,
        last_four: &CardTail,
        customer: Option<&CustomerId>,
    ) -> Result<&Card, Refusal> {
        let Facts::Card(card) = &self.facts else {
            return Err(Refusal::UnknownCredential);
        };
        if card.last_four != *last_four {
            return Err(Refusal::LastFourMismatch);
        }
        match customer.is_none_or(|customer| *customer == self.holder.customer) {
            true => Ok(card),
            false => Err(Refusal::CardCustomerMismatch),
        }
    }

    fn with_card(&self, card: Card) -> Self {
        Self { facts: Facts::Card(card), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use kunji_vault::{BirthDate, Weakness};

    use super::*;
    use crate::command::Command;
    use crate::credential::sample::{
        account, block, block_pin, card, card_facts, customer, decide, decide_by, month, now,
        stamp, tail, verifier,
    };
    use crate::ids::Mobile;
    use crate::time::{DAY_MS, MINUTE_MS, Millis};

    fn reset(last_four: &str, customer_name: Option<&str>) -> Command {
        Command::Reset {
            last_four: tail(last_four),
            customer: customer_name.map(customer),
            new: block(),
            holder: HolderCheck::Required,
        }
    }

    fn fit() -> Answer {
        Answer { new: Some(Ok(verifier())), ..Answer::default() }
    }

    fn weak() -> Answer {
        Answer { new: Some(Err(Weakness::Recent)), ..Answer::default() }
    }

    #[track_caller]
    fn check(
        credential: &Credential,
        command: &Command,
        answer: Answer,
        expected: Result<Outcome, Refusal>,
    ) -> Decision {
        let decision = decide(credential, command, answer);
        assert_eq!(decision.verdict, expected);
        decision
    }

    /// Everything is wrong at first; each row shows the next refusal once the one before is gone.
    #[test]
    fn refusals_of_a_reset_come_in_their_order() {
        let ours = reset("1745", Some("CIF1"));
        check(&account(), &ours, fit(), Err(Refusal::UnknownCredential));
        let mut worst = card();
        card_facts(&mut worst).standing = Standing::Closed;
        card_facts(&mut worst).expiry = month("0120");
        card_facts(&mut worst).holder_verified = None;
        let other_four = reset("9999", Some("CIF2"));
        check(&worst, &other_four, weak(), Err(Refusal::LastFourMismatch));
        let other_owner = reset("1745", Some("CIF2"));
        check(&worst, &other_owner, weak(), Err(Refusal::CardCustomerMismatch));
        let unusable = |reason| Err(Refusal::CardUnusable(reason));
        check(&worst, &ours, weak(), unusable(Unusable::Closed));
        let permanent = BlockKind::Permanent;
        card_facts(&mut worst).standing = Standing::Blocked(permanent);
        check(&worst, &ours, weak(), unusable(Unusable::Blocked(permanent)));
        for standing in [Standing::Blocked(BlockKind::Temporary), Standing::NotActive] {
            card_facts(&mut worst).standing = standing;
            check(&worst, &ours, weak(), unusable(Unusable::Expired));
        }
        card_facts(&mut worst).expiry = month("1235");
        check(&worst, &ours, weak(), unusable(Unusable::NotActive));
        for kind in [BlockKind::Custom, BlockKind::Temporary, BlockKind::Debit] {
            card_facts(&mut worst).standing = Standing::Blocked(kind);
            check(&worst, &ours, weak(), unusable(Unusable::Blocked(kind)));
        }
        card_facts(&mut worst).standing = Standing::Active;
        check(&worst, &ours, weak(), Err(Refusal::HolderNotVerified));
        card_facts(&mut worst).holder_verified = Some(now());
        check(&worst, &ours, weak(), Err(Refusal::PinRefused(Weakness::Recent)));
        check(&worst, &ours, fit(), Ok(Outcome::PinSet));
        check(&worst, &reset("1745", None), fit(), Ok(Outcome::PinSet));
    }

    #[test]
    fn verified_holder_lasts_ten_minutes_and_one_reset() {
        let ours = reset("1745", None);
        for (age_ms, expected) in [
            (10 * MINUTE_MS - 1, Ok(Outcome::PinSet)),
            (10 * MINUTE_MS, Err(Refusal::HolderNotVerified)),
        ] {
            let mut credential = card();
            card_facts(&mut credential).holder_verified = Some(Millis(now().0 - age_ms));
            check(&credential, &ours, fit(), expected);
        }
        // A weak PIN does not use it up, nor does a recent one, which is counted.
        let sequential = Answer { new: Some(Err(Weakness::Sequential)), ..Answer::default() };
        let refused = Err(Refusal::PinRefused(Weakness::Sequential));
        assert!(check(&card(), &ours, sequential, refused).next.is_none());
        let refused = Err(Refusal::PinRefused(Weakness::Recent));
        let next = check(&card(), &ours, weak(), refused).next.unwrap();
        assert_eq!(next.told.recent, [now()]);
        check(&next, &ours, fit(), Ok(Outcome::PinSet));
        let next = check(&card(), &ours, fit(), Ok(Outcome::PinSet)).next.unwrap();
        check(&next, &ours, fit(), Err(Refusal::HolderNotVerified));
    }

    #[test]
    fn reset_lifts_a_block_unless_the_setting_says_no() {
        let mut credential = card();
        block_pin(&mut credential);
        let ours = reset("1745", None);
        let next = check(&credential, &ours, fit(), Ok(Outcome::PinSet)).next.unwrap();
        assert_eq!((next.pin.tries, next.pin.blocked_until), (0, None));
        let rules = Rules { reset_lifts_block: false, ..Rules::default() };
        let until = now().plus(DAY_MS);
        let refused = decide_by(&credential, &ours, fit(), &rules).verdict;
        assert_eq!(refused, Err(Refusal::PinBlocked { until }));
    }

    #[track_caller]
    fn check_standing(
        standing: Standing,
        kind: Option<BlockKind>,
        expected: Result<Outcome, Refusal>,
    ) {
        let mut credential = card();
        card_facts(&mut credential).standing = standing;
        let (last_four, customer) = (tail("1745"), customer("CIF1"));
        let command = match kind {
            Some(kind) => Command::Block { last_four, customer, kind },
            None => Command::Unblock { last_four, customer },
        };
        let mut decision = check(&credential, &command, Answer::default(), expected);
        let after = decision.next.as_mut().map(|next| card_facts(next).standing);
        let wanted = kind.map_or(Standing::Active, Standing::Blocked);
        assert_eq!(after, expected.is_ok().then_some(wanted));
    }

    #[test]
    fn blocks_are_laid_and_lifted_but_never_a_permanent_one() {
        let (temporary, permanent) = (BlockKind::Temporary, BlockKind::Permanent);
        let (lies, final_) = (Standing::Blocked(temporary), Standing::Blocked(permanent));
        let unusable = |reason| Err(Refusal::CardUnusable(reason));
        check_standing(Standing::Active, Some(temporary), Ok(Outcome::CardBlocked));
        check_standing(lies, Some(temporary), Err(Refusal::AlreadyBlocked(temporary)));
        check_standing(lies, Some(BlockKind::Debit), Ok(Outcome::CardBlocked));
        check_standing(lies, Some(permanent), Ok(Outcome::CardBlocked));
        check_standing(final_, Some(permanent), Err(Refusal::AlreadyBlocked(permanent)));
        check_standing(final_, Some(temporary), Err(Refusal::AlreadyBlocked(permanent)));
        check_standing(Standing::Closed, Some(temporary), unusable(Unusable::Closed));
        check_standing(Standing::NotActive, Some(temporary), unusable(Unusable::NotActive));
        check_standing(lies, None, Ok(Outcome::CardUnblocked));
        check_standing(final_, None, unusable(Unusable::Blocked(permanent)));
        check_standing(Standing::Active, None, Err(Refusal::NotBlocked));
        check_standing(Standing::Closed, None, unusable(Unusable::Closed));
        check_standing(Standing::NotActive, None, unusable(Unusable::NotActive));
    }

    #[track_caller]
    fn check_holder(claim: HolderClaim, expected: Result<Outcome, Refusal>) {
        let mut credential = card();
        card_facts(&mut credential).holder_verified = None;
        let mut decision = credential.verify_holder(&claim, &stamp());
        assert_eq!(decision.verdict, expected);
        let at = decision.next.as_mut().and_then(|next| card_facts(next).holder_verified);
        assert_eq!(at, expected.is_ok().then_some(now()));
    }

    #[test]
    fn holder_is_who_fits_in_every_part() {
        let contact = |mobile: &str, email: &str| HolderClaim::Contact {
            mobile: Mobile::parse(mobile).unwrap(),
            email: email.to_owned(),
        };
        let face = |last_four, expiry, birth| HolderClaim::Face {
            last_four: tail(last_four),
            expiry: month(expiry),
            birth: BirthDate::parse_iso(birth).unwrap(),
        };
        let (verified, mismatch) = (Ok(Outcome::HolderVerified), Err(Refusal::HolderMismatch));
        check_holder(contact("919000000001", "Holder@Example.com"), verified);
        check_holder(contact("9000000001", "holder@example.com"), verified);
        check_holder(contact("919000000002", "holder@example.com"), mismatch);
        check_holder(contact("919000000001", "other@example.com"), mismatch);
        check_holder(contact("919000000001", ""), mismatch);
        check_holder(face("1745", "1235", "1990-05-15"), verified);
        check_holder(face("9999", "1235", "1990-05-15"), Err(Refusal::LastFourMismatch));
        check_holder(face("1745", "1135", "1990-05-15"), mismatch);
        check_holder(face("1745", "1235", "1990-05-16"), mismatch);
    }

    #[test]
    fn what_nobody_knows_fits_nobody() {
        let mut credential = card();
        credential.holder.email = None;
        let email = String::new();
        let claim = HolderClaim::Contact { mobile: credential.holder.mobile.clone(), email };
        let refused = credential.verify_holder(&claim, &stamp()).verdict;
        assert_eq!(refused, Err(Refusal::HolderMismatch));
        let refused = account().verify_holder(&claim, &stamp()).verdict;
        assert_eq!(refused, Err(Refusal::UnknownCredential));
    }
}
