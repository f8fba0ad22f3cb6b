//! Replays what guards a credential's secrets: each event carries the counters after it, which must
//! follow from those before it by its verdict, and the last must be those of the record.
//!
//! What time alone takes away (a block that is over, wrong PINs of yesterday) falls with the next event
//! that counts; how long a window is, is a setting, so that here such a fall is only allowed where one
//! can be. Events of before format 3 carry nothing, and nothing follows from them.

use crate::audit::{Action, Counters, Event};
use crate::credential::Credential;
use crate::rules::HISTORY_LEN;
use crate::store::Record;

/// Where a replay comes to something else than what is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayBreak {
    /// An event carries counters that do not follow from the event before.
    #[error("event {seq} does not follow from the one before: {what}")]
    Event {
        /// Its number.
        seq: u64,
        /// What does not follow.
        what: &'static str,
    },
    /// The record has other counters than the last event left.
    #[error("the record has other counters than event {seq} left")]
    Record {
        /// The number of the last event.
        seq: u64,
    },
}

/// Replays one chain, event after event.
#[derive(Debug, Default)]
pub struct Replay {
    last: Option<(u64, Counters)>,
}

impl Replay {
    /// Takes the next event of the chain.
    ///
    /// # Errors
    /// `ReplayBreak` when it does not follow from the one before.
    pub fn take(&mut self, event: &Event) -> Result<(), ReplayBreak> {
        let seq = event.seq;
        let broken = |what| ReplayBreak::Event { seq, what };
        match (self.last, event.after) {
            (_, None) => return Ok(()),
            (Some((_, before)), Some(after)) if event.action != Action::Restored => {
                Step { event, before, after }.follows().map_err(broken)?;
            }
            // The first one; or a restore, which takes the strictest of what it knows.
            (_, Some(_)) => {}
        }
        self.last = event.after.map(|after| (seq, after));
        Ok(())
    }

    /// Compares the end with the record.
    ///
    /// # Errors
    /// `ReplayBreak` when the record has other counters.
    pub fn finish(&self, record: &Record) -> Result<(), ReplayBreak> {
        let Some((seq, last)) = self.last else { return Ok(()) };
        match record.credential().map(Credential::counters) == Some(last) {
            true => Ok(()),
            false => Err(ReplayBreak::Record { seq }),
        }
    }
}

/// One event between what was before and what is after it.
struct Step<'a> {
    event: &'a Event,
    before: Counters,
    after: Counters,
}

impl Step<'_> {
    fn follows(&self) -> Result<(), &'static str> {
        for (follows, what) in [
            (self.tries(), "the wrong PINs in a row"),
            (self.block(), "the block"),
            (self.wrong_in_day(), "the wrong PINs of the day"),
            (self.recalled(), "the refusals of recent PINs"),
            (self.pins(), "the kept PINs"),
            (self.otp_tries(), "the tries at the OTP"),
            (self.failures(), "the failed registrations"),
            (self.atm_pin_tries(), "the wrong ATM PINs"),
        ] {
            if !follows {
                return Err(what);
            }
        }
        Ok(())
    }

    fn is(&self, verdicts: &[&str]) -> bool {
        verdicts.contains(&self.event.verdict.as_str())
    }

    /// The number behind a word of the detail.
    fn counted(&self, word: &str) -> Option<u8> {
        self.event.detail.as_deref()?.strip_prefix(word)?.strip_prefix(' ')?.parse().ok()
    }

    fn wrong_pin(&self) -> Option<u8> {
        self.counted("wrong_pin")
    }

    /// The caller knew the PIN, or set it, or an operator cleared the tries.
    fn clears(&self) -> bool {
        self.is(&["verified", "changed", "pin_set", "tries_cleared"]) || self.knew_old_pin()
    }

    fn knew_old_pin(&self) -> bool {
        self.event.action == Action::Change && self.is(&["pin_refused"])
    }

    fn tries(&self) -> bool {
        let Self { before, after, .. } = self;
        match self.wrong_pin() {
            Some(counted) => {
                let begun = if before.blocked_until.is_some() { 0 } else { before.tries };
                after.tries == counted && counted == begun.saturating_add(1)
            }
            None if self.clears() => after.tries == 0,
            None => after.tries == before.tries,
        }
    }

    fn block(&self) -> bool {
        let Self { event, before, after } = self;
        let begins = after.blocked_until.is_some_and(|until| until > event.at);
        match self.wrong_pin() {
            Some(_) if self.is(&["pin_blocked"]) => begins,
            Some(_) if self.is(&["wrong_pin"]) => after.blocked_until.is_none(),
            Some(_) => begins || after.blocked_until.is_none(),
            None if self.is(&["pin_refused"]) => {
                let stays = after.blocked_until == before.blocked_until && !self.knew_old_pin();
                let falls = after.blocked_until.is_none() && self.knew_old_pin();
                stays || falls || (begins && after.recalled > 0)
            }
            None if self.clears() => after.blocked_until.is_none(),
            None => after.blocked_until == before.blocked_until,
        }
    }

    fn wrong_in_day(&self) -> bool {
        let (before, after) = (self.before.wrong_in_day, self.after.wrong_in_day);
        match self.wrong_pin() {
            Some(_) => (1..=before.saturating_add(1)).contains(&after),
            None if self.is(&["tries_cleared"]) => after == 0,
            None => after == before,
        }
    }

    fn recalled(&self) -> bool {
        let (before, after) = (self.before.recalled, self.after.recalled);
        after == before
            || (self.is(&["pin_refused"]) && (1..=before.saturating_add(1)).contains(&after))
            || (self.is(&["tries_cleared"]) && after == 0)
    }

    fn pins(&self) -> bool {
        let (before, after) = (self.before.pins, self.after.pins);
        match self.is(&["changed", "pin_set"]) {
            true => usize::from(after) == HISTORY_LEN.min(usize::from(before) + 1),
            false => after == before,
        }
    }

    fn otp_tries(&self) -> bool {
        match (self.before.otp_tries, self.after.otp_tries) {
            (_, Some(after)) if self.is(&["otp_sent"]) => after == 0,
            (Some(before), Some(after)) if self.counted("failure").is_some() => {
                after == before || after == before.saturating_add(1)
            }
            (before, Some(after)) => before == Some(after),
            (_, None) => true,
        }
    }

    fn failures(&self) -> bool {
        let (before, after) = (self.before.registration_failures, self.after.registration_failures);
        match self.counted("failure") {
            // A window that is over begins again.
            Some(counted) => after == counted && (counted > before || counted == 1),
            None => after == before || (after == 0 && self.is(&["pin_set"])),
        }
    }

    fn atm_pin_tries(&self) -> bool {
        let (before, after) = (self.before.atm_pin_tries, self.after.atm_pin_tries);
        match self.counted("failure") {
            Some(counted) => after <= before.saturating_add(1) && (after >= before || counted == 1),
            None => after == before || (after == 0 && self.is(&["pin_set"])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Kept as _;
    use crate::audit::{Head, Subject};
    use crate::credential::sample::{account, now};
    use crate::ids::Caller;
    use crate::time::Millis;

    fn counters() -> Counters {
        account().counters()
    }

    fn event(seq: u64, action: Action, verdict: &str, detail: Option<&str>) -> Event {
        Event {
            subject: Subject::Service,
            seq,
            at: now(),
            caller: Caller::parse("tests").unwrap(),
            txn: None,
            action,
            verdict: verdict.to_owned(),
            detail: detail.map(str::to_owned),
            reason: None,
            after: Some(counters()),
        }
    }

    /// Whether an event leads from these counters to those.
    #[track_caller]
    fn check(before: Counters, what: (Action, &str, Option<&str>), after: Counters, holds: bool) {
        let mut replay = Replay::default();
        let first = Event { after: Some(before), ..event(1, Action::Created, "seeded", None) };
        replay.take(&first).unwrap();
        let (action, verdict, detail) = what;
        let next = Event { after: Some(after), ..event(2, action, verdict, detail) };
        assert_eq!(replay.take(&next).is_ok(), holds, "{before:?} {what:?} {after:?}");
    }

    fn tried(tries: u8, blocked: bool, wrong_in_day: u8) -> Counters {
        let blocked_until = blocked.then(|| Millis(now().0 + 1));
        Counters { tries, blocked_until, wrong_in_day, ..counters() }
    }

    #[test]
    fn a_wrong_pin_counts_once_and_a_right_one_clears() {
        let wrong = |detail| (Action::Verify, "wrong_pin", Some(detail));
        let blocked = (Action::Verify, "pin_blocked", Some("wrong_pin 3"));
        let right = (Action::Verify, "verified", None);
        check(tried(0, false, 0), wrong("wrong_pin 1"), tried(1, false, 1), true);
        check(tried(1, false, 1), wrong("wrong_pin 2"), tried(2, false, 2), true);
        check(tried(2, false, 2), blocked, tried(3, true, 3), true);
        check(tried(3, true, 3), wrong("wrong_pin 1"), tried(1, false, 1), true);
        check(tried(2, false, 2), right, tried(0, false, 2), true);
        // A try that is not counted, counted twice, or forgotten.
        check(tried(1, false, 1), wrong("wrong_pin 2"), tried(1, false, 1), false);
        check(tried(1, false, 1), wrong("wrong_pin 2"), tried(0, false, 2), false);
        check(tried(1, false, 1), wrong("wrong_pin 1"), tried(1, false, 1), false);
        check(tried(1, false, 1), wrong("wrong_pin 2"), tried(2, false, 0), false);
        check(tried(1, false, 1), wrong("wrong_pin 2"), tried(2, false, 3), false);
        check(tried(2, false, 2), blocked, tried(3, false, 3), false);
        check(tried(2, false, 2), right, tried(2, false, 2), false);
        check(tried(2, false, 2), right, tried(0, false, 0), false);
    }

    #[test]
    fn what_tells_nothing_changes_nothing() {
        let kept = tried(2, false, 2);
        for what in [
            (Action::Verify, "replayed", None),
            (Action::Verify, "duplicate", None),
            (Action::Verify, "pin_blocked", None),
            (Action::OtpRequest, "owner_mismatch", None),
        ] {
            check(kept, what, kept, true);
            for other in [
                tried(1, false, 2),
                tried(2, true, 2),
                tried(2, false, 1),
                Counters { pins: kept.pins + 1, ..kept },
                Counters { recalled: 1, ..kept },
                Counters { registration_failures: 1, ..kept },
                Counters { atm_pin_tries: 1, ..kept },
                Counters { otp_tries: Some(2), ..kept },
            ] {
                check(kept, what, other, false);
            }
        }
        // The same words with a guess in them count it.
        let guessed = (Action::Verify, "duplicate", Some("wrong_pin 3"));
        check(kept, guessed, tried(3, true, 3), true);
        check(kept, guessed, kept, false);
    }

    #[test]
    fn registrations_and_pins_are_counted() {
        let kept = Counters { pins: 1, otp_tries: Some(0), ..counters() };
        let failed = |failures, otp, atm| Counters {
            registration_failures: failures,
            otp_tries: Some(otp),
            atm_pin_tries: atm,
            ..kept
        };
        let set = |verdict, detail| (Action::Set, verdict, detail);
        check(failed(0, 0, 0), set("wrong_otp", Some("failure 1")), failed(1, 1, 0), true);
        check(failed(1, 1, 0), set("wrong_atm_pin", Some("failure 2")), failed(2, 1, 1), true);
        check(failed(4, 1, 2), set("wrong_otp", Some("failure 1")), failed(1, 2, 0), true);
        check(failed(2, 1, 1), set("wrong_otp", Some("failure 2")), failed(2, 2, 1), false);
        check(failed(2, 1, 1), set("wrong_otp", Some("failure 3")), failed(3, 0, 1), false);
        check(failed(2, 1, 1), set("wrong_otp", Some("failure 3")), failed(3, 2, 0), false);
        let done = Counters { pins: 2, otp_tries: None, ..kept };
        check(failed(2, 1, 1), set("pin_set", None), done, true);
        check(failed(2, 1, 1), set("pin_set", None), Counters { pins: 1, ..done }, false);
        check(kept, (Action::OtpRequest, "otp_sent", None), failed(0, 0, 0), true);
        let refused = (Action::Change, "pin_refused", Some("recent"));
        let recalled = |recalled| Counters { recalled, ..tried(0, recalled == 3, 2) };
        check(recalled(1), refused, recalled(2), true);
        check(recalled(2), refused, recalled(3), true);
        check(recalled(1), refused, recalled(3), false);
        check(tried(2, false, 2), refused, recalled(1), true);
        let cleared = (Action::ClearTries, "tries_cleared", Some("he called"));
        check(recalled(3), cleared, tried(0, false, 0), true);
        check(recalled(3), cleared, recalled(3), false);
    }

    #[test]
    fn the_record_is_what_the_last_event_left() {
        let mut replay = Replay::default();
        replay.take(&event(1, Action::Created, "seeded", None)).unwrap();
        let record = |credential: Credential| Record {
            head: Head { seq: 1, hash: [7; 32] },
            state: credential.keep(),
        };
        replay.finish(&record(account())).unwrap();
        let mut other = account();
        other.pin.tries += 1;
        assert_eq!(replay.finish(&record(other)), Err(ReplayBreak::Record { seq: 1 }));
        assert!(replay.finish(&Record::default()).is_err());
    }

    #[test]
    fn nothing_follows_from_events_of_before() {
        let older = |seq| Event { after: None, ..event(seq, Action::Verify, "wrong_pin", None) };
        let mut replay = Replay::default();
        replay.take(&older(1)).unwrap();
        replay.finish(&Record::default()).unwrap();
        replay.take(&Event { after: Some(tried(2, false, 2)), ..older(2) }).unwrap();
        // What it says of nothing, the next one must follow from still.
        replay.take(&older(3)).unwrap();
        // A restore takes the strictest of two stores.
        let restored = event(4, Action::Restored, "done", Some("backup b1"));
        let strictest = Event { after: Some(tried(3, true, 3)), ..restored };
        replay.take(&strictest).unwrap();
        let next = event(5, Action::Verify, "replayed", None);
        assert!(replay.take(&Event { after: Some(tried(0, false, 3)), ..next }).is_err());
    }
}
