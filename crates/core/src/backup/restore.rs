//! What a restored store keeps: never a guess more than the store that it takes the place of.
//!
//! | what is known of a record since the backup | what is kept of it |
//! |---|---|
//! | nothing happened: the other store has the same head | as it was |
//! | the other store has more | the strictest of both |
//! | nothing is known | all tries used up now: what ends by itself ends after one window |
//!
//! What was open in between falls in the last two: an OTP, a verified holder, sessions. Numbers,
//! VPAs, captures and errands count no guesses and stay; a capture ends by its errand as always.

use crate::aggregate::{Kept as _, State};
use crate::audit::{Action, Event, EventError, Head, Subject};
use crate::credential::{Credential, Facts, PinRecord, Registration};
use crate::customer::{Customer, FailedBindings};
use crate::ids::Caller;
use crate::rules::{Rules, TRIES_MAX};
use crate::store::Record;
use crate::time::{DAY_MS, Millis};

/// What is known of a record between the backup and now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// It did not change.
    Nothing,
    /// It may have changed, but the counters of now are known.
    Known,
    /// Anything may have happened.
    Unknown,
}

/// A record as the restored store keeps it.
#[derive(Debug)]
pub struct Restored {
    /// The record, at the end of its chain.
    pub record: Record,
    /// The event that leads there, when the restore changed anything.
    pub event: Option<Vec<u8>>,
    /// What is known of the time in between.
    pub since: Since,
}

/// Restores records one by one.
#[derive(Debug)]
pub struct Restorer<'a> {
    /// The numbers that the rules depend on.
    pub rules: &'a Rules,
    /// Now.
    pub now: Millis,
    /// Who restores.
    pub caller: Caller,
    /// Which backup this is, for the audit.
    pub backup: String,
}

impl Restorer<'_> {
    /// Says what is kept of a record, and which event tells of it. `other` is the record of the
    /// store that this one takes the place of, where it can be read.
    ///
    /// # Errors
    /// `EventError` when the event cannot be encoded.
    pub fn restore(
        &self,
        subject: &Subject,
        record: Record,
        other: Option<&Record>,
    ) -> Result<Restored, EventError> {
        let since = since(&record, other);
        let other = match since {
            Since::Known => other,
            Since::Nothing | Since::Unknown => None,
        };
        let state = match (since, &record.state) {
            (Since::Known | Since::Unknown, State::Credential(restored)) => {
                let other = other.and_then(Record::credential);
                Some(restored_credential(restored, other, self.rules, self.now).keep())
            }
            (Since::Known | Since::Unknown, State::Customer(restored)) => {
                let other = other.and_then(|other| Customer::of(&other.state));
                Some(restored_customer(restored, other, self.rules, self.now).keep())
            }
            (Since::Nothing, _)
            | (_, State::Nothing | State::Number(_) | State::Address(_) | State::Capture(_)) => {
                None
            }
        };
        let (head, event) = match (&state, subject) {
            (None, Subject::Service) | (Some(_), _) => {
                let kept = state.as_ref().unwrap_or(&record.state);
                let encoded = self.event(subject, kept, &record.head, since)?;
                (record.head.after(&encoded), Some(encoded))
            }
            (None, _) => (record.head, None),
        };
        let record = Record { head, state: state.unwrap_or(record.state) };
        Ok(Restored { record, event, since })
    }

    fn event(
        &self,
        subject: &Subject,
        kept: &State,
        head: &Head,
        since: Since,
    ) -> Result<Vec<u8>, EventError> {
        let then = match (subject, since) {
            (Subject::Service, _) => "",
            (_, Since::Nothing) => "; unchanged since",
            (_, Since::Known) => "; strictest of both since",
            (_, Since::Unknown) => "; unknown since",
        };
        let event = Event {
            subject: subject.clone(),
            seq: head.seq.saturating_add(1),
            at: self.now,
            caller: self.caller.clone(),
            txn: None,
            action: Action::Restored,
            verdict: "done".to_owned(),
            detail: Some(format!("{}{then}", self.backup)),
            reason: None,
            after: Credential::of(kept).map(Credential::counters),
        };
        event.encode()
    }
}

/// An older record elsewhere, or one of another kind, tells nothing of what came after the backup.
fn since(restored: &Record, other: Option<&Record>) -> Since {
    let Some(other) = other else { return Since::Unknown };
    let same_kind = std::mem::discriminant(&other.state) == std::mem::discriminant(&restored.state);
    match other.head == restored.head {
        true => Since::Nothing,
        false if same_kind && other.head.seq >= restored.head.seq => Since::Known,
        false => Since::Unknown,
    }
}

/// What is kept of a credential that may have changed since the backup.
#[must_use]
pub fn restored_credential(
    restored: &Credential,
    other: Option<&Credential>,
    rules: &Rules,
    now: Millis,
) -> Credential {
    let mut kept = restored.clone();
    // An OTP, or a holder's verification, may have been used up.
    kept.otp = None;
    if let Facts::Card(card) = &mut kept.facts {
        card.holder_verified = None;
    }
    let (tries, until) = counted(&restored.pin, now);
    let failed = still_failed(restored.registration, rules, now);
    let (other_tries, other_until) = match other {
        Some(other) => counted(&other.pin, now),
        // Without a PIN there is nothing to guess.
        None if restored.pin.kept.is_empty() => (0, None),
        None => (rules.tries_max, Some(now.plus(rules.block_ms))),
    };
    let other_failed = match other {
        Some(other) => still_failed(other.registration, rules, now),
        None => Registration {
            failures: rules.registration_tries_max,
            atm_pin_tries: TRIES_MAX,
            last: Some(now),
        },
    };
    if let Some(other) = other {
        strictest(&mut kept.told.wrong, &other.told.wrong);
        strictest(&mut kept.told.recent, &other.told.recent);
    }
    kept.pin.tries = tries.max(other_tries);
    kept.pin.blocked_until = until.max(other_until);
    kept.registration = Registration {
        failures: failed.failures.max(other_failed.failures),
        atm_pin_tries: failed.atm_pin_tries.max(other_failed.atm_pin_tries),
        last: failed.last.max(other_failed.last),
    };
    kept
}

/// Whatever either of the two remembers counts.
fn strictest(kept: &mut Vec<Millis>, other: &[Millis]) {
    let more: Vec<_> = other.iter().filter(|at| !kept.contains(at)).copied().collect();
    kept.extend(more);
}

/// The tries that count now: those before a block that is over do not.
fn counted(pin: &PinRecord, now: Millis) -> (u8, Option<Millis>) {
    match pin.blocked_until {
        Some(until) if until <= now => (0, None),
        until => (pin.tries, until),
    }
}

fn still_failed(registration: Registration, rules: &Rules, now: Millis) -> Registration {
    match registration.last {
        Some(last) if now < last.plus(rules.registration_ms) => registration,
        Some(_) | None => Registration::default(),
    }
}

/// What is kept of a customer that may have changed since the backup.
#[must_use]
pub fn restored_customer(
    restored: &Customer,
    other: Option<&Customer>,
    rules: &Rules,
    now: Millis,
) -> Customer {
    let mut kept = restored.clone();
    kept.sessions.clear();
    let failed = still_refused(restored.bindings, now);
    let other_failed = match other {
        Some(other) => {
            // A device that was given up, perhaps because it was stolen, does not come back; a
            // proof that was used since is not new again.
            kept.devices.retain(|device| other.has_device(&device.fingerprint));
            kept.starts.clone_from(&other.starts);
            still_refused(other.bindings, now)
        }
        None => FailedBindings { count: rules.bind_tries_max, last: Some(now) },
    };
    kept.bindings = FailedBindings {
        count: failed.count.max(other_failed.count),
        last: failed.last.max(other_failed.last),
    };
    kept
}

fn still_refused(bindings: FailedBindings, now: Millis) -> FailedBindings {
    match bindings.last {
        Some(last) if now < last.plus(DAY_MS) => bindings,
        Some(_) | None => FailedBindings::default(),
    }
}

#[cfg(test)]
mod tests;
