//! What must be true, one operation after the other: no store, no vault, no threads.

use crate::history::{Deed, Said, Side, Wish};

/// Wrong PINs, or wrong OTPs, until nothing more is compared.
const TRIES_MAX: u8 = 3;
/// PINs that may not come back.
const HISTORY_LEN: usize = 3;
/// Failed registrations until they are blocked.
const REGISTRATIONS_MAX: u8 = 5;

/// One object between two operations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Account(Account),
    Card(Card),
    Number(Number),
    /// Where new cards come from: nothing of it is kept.
    Shelf,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pin {
    /// The newest first.
    kept: Vec<String>,
    tries: u8,
    blocked: bool,
    /// Refusals of a new PIN since it is one of the last, in a day.
    recalled: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    pin: Pin,
    otp: Option<Otp>,
    failures: u8,
}

/// An open OTP; without digits when nobody read them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Otp {
    digits: Option<String>,
    tries: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Card {
    pin: Pin,
    blocked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    owner: Side,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Standing {
    Active,
    Disabled,
    Deleted,
}

impl State {
    pub(crate) fn account(pin: &str) -> Self {
        Self::Account(Account { pin: Pin::of(pin), otp: None, failures: 0 })
    }

    pub(crate) fn card(pin: &str) -> Self {
        Self::Card(Card { pin: Pin::of(pin), blocked: false })
    }

    pub(crate) fn number(owner: Side) -> Self {
        Self::Number(Number { owner, standing: Standing::Active })
    }

    /// The state after one operation, and what is answered; `None` when it is no deed of this
    /// object.
    pub(crate) fn after(&self, deed: &Deed) -> Option<(Self, Said)> {
        Some(match (self, deed) {
            (Self::Account(account), deed) => {
                let (account, said) = account.after(deed)?;
                (Self::Account(account), said)
            }
            (Self::Card(card), deed) => {
                let (card, said) = card.after(deed)?;
                (Self::Card(card), said)
            }
            (Self::Number(number), Deed::Number(side, wish)) => {
                let (next, said) = match number.after(*side, *wish) {
                    Ok(next) => (next, Said::Done),
                    Err(said) => (*number, said),
                };
                (Self::Number(next), said)
            }
            (Self::Shelf, Deed::CreateCard) => (Self::Shelf, Said::CardCreated),
            (Self::Number(_) | Self::Shelf, _) => return None,
        })
    }

    /// The state when more than a day has passed: blocks, OTPs and windows are over.
    pub(crate) fn a_day_later(&self) -> Self {
        match self {
            Self::Account(account) => {
                Self::Account(Account { pin: account.pin.a_day_later(), otp: None, failures: 0 })
            }
            Self::Card(card) => {
                Self::Card(Card { pin: card.pin.a_day_later(), blocked: card.blocked })
            }
            Self::Number(number) => Self::Number(*number),
            Self::Shelf => Self::Shelf,
        }
    }
}

impl Pin {
    fn of(pin: &str) -> Self {
        Self { kept: vec![pin.to_owned()], tries: 0, blocked: false, recalled: 0 }
    }

    fn verify(&self, pin: &str) -> (Self, Said) {
        match (self.blocked, self.kept.first().is_some_and(|kept| kept == pin)) {
            (true, _) => (self.clone(), Said::Blocked),
            (false, true) => (self.cleared(), Said::Verified),
            (false, false) => {
                let tries = self.tries + 1;
                let blocked = tries >= TRIES_MAX;
                let said = if blocked { Said::Blocked } else { Said::WrongPin };
                (Self { tries, blocked, ..self.clone() }, said)
            }
        }
    }

    /// Takes a new PIN, unless it was one of the last; told so three times in a day, it is blocked.
    fn taken(&self, new: &str) -> Result<Self, Self> {
        if self.kept.iter().any(|kept| kept == new) {
            let recalled = self.recalled + 1;
            let blocked = self.blocked || recalled >= TRIES_MAX;
            return Err(Self { recalled, blocked, ..self.clone() });
        }
        let kept = std::iter::once(new.to_owned()).chain(self.kept.iter().cloned());
        Ok(Self { kept: kept.take(HISTORY_LEN).collect(), ..self.cleared() })
    }

    fn cleared(&self) -> Self {
        Self { tries: 0, blocked: false, ..self.clone() }
    }

    fn forgiven(&self) -> Self {
        Self { recalled: 0, ..self.cleared() }
    }

    fn a_day_later(&self) -> Self {
        let later = if self.blocked { self.cleared() } else { self.clone() };
        Self { recalled: 0, ..later }
    }
}

impl Account {
    fn after(&self, deed: &Deed) -> Option<(Self, Said)> {
        let with = |(pin, said)| (Self { pin, ..self.clone() }, said);
        Some(match deed {
            Deed::Verify { pin } => with(self.pin.verify(pin)),
            Deed::Change { old, new } => match self.pin.verify(old) {
                // Who knows the old PIN has proved it, whatever the new one is.
                (proved, Said::Verified) => with(match proved.taken(new) {
                    Ok(taken) => (taken, Said::Changed),
                    Err(refused) => (refused, Said::PinRefused),
                }),
                refused => with(refused),
            },
            Deed::ClearTries => with((self.pin.forgiven(), Said::TriesCleared)),
            Deed::RequestOtp { .. } | Deed::Set { .. } if self.failures >= REGISTRATIONS_MAX => {
                (self.clone(), Said::RegistrationBlocked)
            }
            Deed::RequestOtp { otp } => {
                let otp = Some(Otp { digits: otp.clone(), tries: 0 });
                (Self { otp, ..self.clone() }, Said::OtpSent)
            }
            Deed::Set { otp, new } => self.set(otp, new),
            Deed::Reset { .. }
            | Deed::Block
            | Deed::Unblock
            | Deed::CreateCard
            | Deed::Number(..) => return None,
        })
    }

    fn set(&self, digits: &str, new: &str) -> (Self, Said) {
        let Some(otp) = &self.otp else { return (self.clone(), Said::OtpExpired) };
        if otp.tries >= TRIES_MAX {
            return (self.clone(), Said::OtpTriesExceeded);
        }
        if otp.digits.as_deref() != Some(digits) {
            let tries = otp.tries + 1;
            let said = match tries < TRIES_MAX {
                true => Said::WrongOtp,
                false => Said::OtpTriesExceeded,
            };
            let otp = Some(Otp { digits: otp.digits.clone(), tries });
            return (Self { otp, failures: self.failures + 1, pin: self.pin.clone() }, said);
        }
        match self.pin.taken(new) {
            Ok(pin) => (Self { pin, otp: None, failures: 0 }, Said::PinSet),
            Err(pin) => (Self { pin, ..self.clone() }, Said::PinRefused),
        }
    }
}

impl Card {
    fn after(&self, deed: &Deed) -> Option<(Self, Said)> {
        let with = |(pin, said)| (Self { pin, ..self.clone() }, said);
        let blocked = |blocked| Self { blocked, ..self.clone() };
        Some(match deed {
            Deed::Verify { pin } => with(self.pin.verify(pin)),
            Deed::ClearTries => with((self.pin.forgiven(), Said::TriesCleared)),
            Deed::Reset { .. } if self.blocked => (self.clone(), Said::CardUnusable),
            Deed::Reset { new } => match self.pin.taken(new) {
                Ok(pin) => with((pin, Said::PinSet)),
                Err(pin) => with((pin, Said::PinRefused)),
            },
            Deed::Block if self.blocked => (self.clone(), Said::AlreadyBlocked),
            Deed::Block => (blocked(true), Said::CardBlocked),
            Deed::Unblock if !self.blocked => (self.clone(), Said::NotBlocked),
            Deed::Unblock => (blocked(false), Said::CardUnblocked),
            Deed::Change { .. }
            | Deed::RequestOtp { .. }
            | Deed::Set { .. }
            | Deed::CreateCard
            | Deed::Number(..) => return None,
        })
    }
}

impl Number {
    fn after(self, side: Side, wish: Wish) -> Result<Self, Said> {
        use Standing::{Active, Deleted, Disabled};
        let Self { owner, standing } = self;
        let ours = owner == side;
        let own = |standing| Ok(Self { owner: side, standing });
        match (wish, ours, standing) {
            (Wish::Look, true, Active | Disabled) => Err(Said::Holds),
            (Wish::Look, _, _) => Err(Said::HoldsNot),
            (Wish::Register, false, Deleted) => Err(Said::Cooling),
            (Wish::Register, true, Deleted) => own(Active),
            (Wish::Register, true, Active | Disabled) => Err(Said::AlreadyInThisState),
            (Wish::Register, false, Active | Disabled) => Err(Said::HeldByAnother),
            (Wish::Port, _, Deleted) => Err(Said::NotRegistered),
            (Wish::Port, true, Active | Disabled) => Err(Said::AlreadyInThisState),
            (Wish::Port, false, Active | Disabled) => own(Active),
            (Wish::Disable | Wish::Reactivate | Wish::Delete, false, Deleted) => {
                Err(Said::NotRegistered)
            }
            (Wish::Disable | Wish::Reactivate | Wish::Delete, false, Active | Disabled) => {
                Err(Said::HeldByAnother)
            }
            (Wish::Disable, true, Active) => own(Disabled),
            (Wish::Delete, true, Active | Disabled) => own(Deleted),
            (Wish::Reactivate, true, Disabled) => own(Active),
            (Wish::Disable, true, Disabled)
            | (Wish::Reactivate, true, Active)
            | (Wish::Delete, true, Deleted) => Err(Said::AlreadyInThisState),
            (Wish::Disable | Wish::Reactivate, true, Deleted) => Err(Said::NotInThisState),
        }
    }
}
