//! What a card program asks of a prepaid card.

use super::{Answer, Card, Credential, Decision, Facts, Outcome, PinState, Plan, Question};
use crate::card::{BlockKind, Standing, Unusable, usable};
use crate::command::{HolderCheck, HolderClaim};
use crate::ids::{CardTail, CustomerId};
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

    pub(super) fn decide_reset(&self, answer: Answer) -> Decision {
        match self.take_new(answer, Outcome::PinSet) {
            // A weak PIN proves nothing here: neither the counter nor the verification moves.
            decision if decision.verdict.is_err() => Decision { next: None, ..decision },
            mut decision => {
                if let Some(Facts::Card(card)) = decision.next.as_mut().map(|next| &mut next.facts)
                {
                    card.holder_verified = None;
                }
                decision
            }
        }
    }

    pub(super) fn verify_holder(&self, claim: &HolderClaim, stamp: &Stamp) -> Decision {
        let Facts::Card(card) = &self.facts else {
            return Decision::refused(Refusal::UnknownCredential);
        };
        let fits = match claim {
            HolderClaim::Contact { mobile, email } => {
                let same_mail = |kept: &String| kept.eq_ignore_ascii_case(email);
                self.holder.mobile == *mobile && self.holder.email.as_ref().is_some_and(same_mail)
            }
            HolderClaim::Face { last_four, expiry, birth } => {
                if card.last_four != *last_four {
                    return Decision::refused(Refusal::LastFourMismatch);
                }
                card.expiry == *expiry && self.holder.birth == Some(*birth)
            }
        };
        if !fits {
            return Decision::refused(Refusal::HolderMismatch);
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
