//! What a client does next: drawn by lot, from what the clients of an object believe of it.

use crate::dice::Dice;
use crate::history::{Deed, Said, Side, Wish};
use crate::people::{FIRST_PIN, Object, fit_pin, wrong_pin};

/// How the clients of an object behave for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Most know the PIN.
    Calm,
    /// Most guess.
    Attack,
}

/// What is known of an object from answers: it may be out of date, and need not be right.
#[derive(Debug)]
pub(crate) struct Belief {
    pub(crate) mood: Mood,
    pub(crate) given_up: u32,
    pin: String,
    /// PINs that were there before.
    earlier: Vec<String>,
    blocked: bool,
    made: u32,
    guesses: u64,
}

impl Default for Belief {
    fn default() -> Self {
        Self {
            mood: Mood::Calm,
            given_up: 0,
            pin: FIRST_PIN.to_owned(),
            earlier: Vec::new(),
            blocked: false,
            made: 0,
            guesses: 0,
        }
    }
}

impl Belief {
    /// Takes note of an answer.
    pub(crate) fn learn(&mut self, deed: &Deed, said: Said) {
        match (deed, said) {
            (
                Deed::Change { new, .. } | Deed::Set { new, .. } | Deed::Reset { new },
                Said::Changed | Said::PinSet,
            ) => {
                let before = std::mem::replace(&mut self.pin, new.clone());
                self.earlier.insert(0, before);
                self.earlier.truncate(4);
                self.blocked = false;
            }
            (Deed::Verify { pin }, Said::Verified) => {
                self.pin.clone_from(pin);
                self.blocked = false;
            }
            (_, Said::Blocked) => self.blocked = true,
            (_, Said::TriesCleared) => self.blocked = false,
            (_, _) => {}
        }
    }

    pub(crate) fn choose(
        &mut self,
        object: Object,
        (otps, otp): (bool, Option<String>),
        dice: &mut Dice,
    ) -> Deed {
        match object {
            Object::Shelf => Deed::CreateCard,
            Object::Number(_) => number_deed(dice),
            Object::Account(_) => self.account_deed((otps, otp), dice),
            Object::Card(_) => self.card_deed(dice),
        }
    }

    fn account_deed(&mut self, (otps, otp): (bool, Option<String>), dice: &mut Dice) -> Deed {
        if otps && dice.hits(30) {
            return match otp {
                None => Deed::RequestOtp { otp: None },
                Some(otp) if dice.hits(20) => Deed::Set { otp: another(&otp), new: self.fresh() },
                Some(otp) if dice.hits(10) => Deed::Set { otp, new: self.recent(dice) },
                Some(otp) => Deed::Set { otp, new: self.fresh() },
            };
        }
        if self.blocked && dice.hits(15) {
            return Deed::ClearTries;
        }
        match (dice.hits(self.wrong_percent()), dice.throw(10)) {
            (true, 0..5) => Deed::Verify { pin: self.wrong(dice) },
            (true, _) => Deed::Change { old: self.wrong(dice), new: self.fresh() },
            (false, 0..5) => Deed::Change { old: self.pin.clone(), new: self.fresh() },
            (false, 5) => Deed::Change { old: self.pin.clone(), new: self.recent(dice) },
            (false, _) => Deed::Verify { pin: self.pin.clone() },
        }
    }

    fn card_deed(&mut self, dice: &mut Dice) -> Deed {
        if self.blocked && dice.hits(15) {
            return Deed::ClearTries;
        }
        match (dice.hits(self.wrong_percent()), dice.throw(10)) {
            (true, _) => Deed::Verify { pin: self.wrong(dice) },
            (false, 0..3) => Deed::Reset { new: self.fresh() },
            (false, 3) => Deed::Reset { new: self.recent(dice) },
            (false, 4) => Deed::Block,
            (false, 5..7) => Deed::Unblock,
            (false, _) => Deed::Verify { pin: self.pin.clone() },
        }
    }

    fn wrong_percent(&self) -> u64 {
        match self.mood {
            Mood::Calm => 15,
            Mood::Attack => 75,
        }
    }

    fn fresh(&mut self) -> String {
        self.made += 1;
        fit_pin(self.made)
    }

    fn recent(&mut self, dice: &mut Dice) -> String {
        dice.pick(&self.earlier).cloned().unwrap_or_else(|| self.pin.clone())
    }

    /// A PIN that was never set, or one that is no longer the PIN.
    fn wrong(&mut self, dice: &mut Dice) -> String {
        self.guesses += 1;
        match dice.hits(30) {
            true => self.recent(dice),
            false => wrong_pin(self.guesses),
        }
    }
}

fn number_deed(dice: &mut Dice) -> Deed {
    let side = if dice.hits(50) { Side::Stock } else { Side::Broker };
    let wish = match dice.throw(12) {
        0..3 => Wish::Register,
        3..6 => Wish::Port,
        6 => Wish::Disable,
        7 => Wish::Reactivate,
        8 => Wish::Delete,
        _ => Wish::Look,
    };
    Deed::Number(side, wish)
}

/// Digits that are not these.
fn another(otp: &str) -> String {
    let turned = |digit: char| if digit == '9' { '0' } else { '9' };
    otp.chars().take(1).map(turned).chain(otp.chars().skip(1)).collect()
}
