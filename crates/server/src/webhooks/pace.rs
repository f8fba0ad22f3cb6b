//! When an event is tried again.

use kunji_core::mapper::Delivered;
use kunji_core::time::{DAY_MS, MINUTE_MS, Millis};

/// How long an event is tried.
const TRIED_MS: i64 = DAY_MS;
/// The pauses after the first tries; the last one repeats.
const PAUSES_MS: [i64; 6] =
    [5_000, 30_000, 2 * MINUTE_MS, 10 * MINUTE_MS, 30 * MINUTE_MS, 60 * MINUTE_MS];

/// The longest pause that a receiver may ask for.
const ASKED_MS_MAX: i64 = 6 * 60 * MINUTE_MS;

/// Until when a receiver may ask to be left alone.
pub(super) fn asked_until(now: Millis, pause_ms: i64) -> Millis {
    now.plus(pause_ms.min(ASKED_MS_MAX))
}

/// What is remembered of an event between two tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pace {
    /// How often it was tried.
    tries: usize,
    /// When the next step is due; `None` before the first.
    next: Option<Millis>,
    /// How it ended, where that could not be kept yet.
    pub(super) ended: Option<Delivered>,
}

/// What is to be done about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing yet.
    Wait,
    /// It is to be posted.
    Try,
    /// It ended before: only that is to be kept.
    Settle(Delivered),
}

/// When an event is tried for the last time; it is then given up.
pub(super) fn last_try(at: Millis) -> Millis {
    at.plus(TRIED_MS)
}

impl Pace {
    /// What is to be done now.
    pub(super) fn step(self, now: Millis) -> Step {
        match self.next {
            Some(next) if now < next => Step::Wait,
            Some(_) | None => self.ended.map_or(Step::Try, Step::Settle),
        }
    }

    /// The pace after a step that begins now; `dice` spreads it by a fifth either way.
    pub(super) fn after(self, now: Millis, last_try: Millis, dice: u8) -> Self {
        let pause = PAUSES_MS.get(self.tries).or(PAUSES_MS.last()).copied().unwrap_or(DAY_MS);
        let spread = pause * 4 / 5 + pause * 2 / 5 * i64::from(dice) / 255;
        let next = match now < last_try {
            true => now.plus(spread).min(last_try),
            false => now.plus(spread),
        };
        Self { tries: self.tries + 1, next: Some(next), ended: self.ended }
    }
}

impl Pace {
    /// The pace once the receiver has asked for a pause: it is never a shorter one.
    pub(super) fn asked(self, until: Millis, last_try: Millis) -> Self {
        Self { next: self.next.max(Some(until.min(last_try))), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Millis = Millis(1_000_000);

    /// The pauses of an event that never arrives, in seconds.
    fn pauses(dice: u8) -> Vec<i64> {
        let (mut pace, mut now, mut pauses) = (Pace::default(), AT, Vec::new());
        while now < last_try(AT) {
            assert_eq!(pace.step(now), Step::Try);
            pace = pace.after(now, last_try(AT), dice);
            let next = pace.next.unwrap();
            assert_eq!(pace.step(Millis(next.0 - 1)), Step::Wait);
            pauses.push((next.0 - now.0) / 1000);
            now = next;
        }
        assert_eq!(now, last_try(AT), "the last try is at the end of the day");
        pauses
    }

    #[test]
    fn pauses_grow_to_an_hour() {
        let least = pauses(0);
        assert_eq!(least.get(..8).unwrap(), [4, 24, 96, 480, 1440, 2880, 2880, 2880]);
        let most = pauses(255);
        assert_eq!(most.get(..8).unwrap(), [6, 36, 144, 720, 2160, 4320, 4320, 4320]);
        assert!(pauses(128).len() > 24);
    }

    #[test]
    fn a_late_event_is_tried_once_by_whoever_meets_it() {
        let late = last_try(AT).plus(DAY_MS);
        assert_eq!(Pace::default().step(late), Step::Try);
        assert_eq!(Pace::default().after(late, last_try(AT), 0).step(late), Step::Wait);
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_but_not_for_a_day() {
        let pace = Pace::default().after(AT, last_try(AT), 128);
        let due =
            |asked_ms| pace.asked(asked_until(AT, asked_ms), last_try(AT)).next.unwrap().0 - AT.0;
        let own = pace.next.unwrap().0 - AT.0;
        assert_eq!(due(0), own, "a shorter one is none");
        assert_eq!(due(60_000), 60_000);
        assert_eq!(due(i64::MAX), ASKED_MS_MAX);
        let late = asked_until(last_try(AT).plus(-1000), i64::MAX);
        let pace = pace.asked(late, last_try(AT));
        assert_eq!(pace.next, Some(last_try(AT)), "the last try is at the end of the day");
        assert_eq!(pace.tries, 1);
    }

    #[test]
    fn what_arrived_is_never_posted_again() {
        let mut pace = Pace::default().after(AT, last_try(AT), 0);
        pace.ended = Some(Delivered::Arrived);
        assert_eq!(pace.step(AT), Step::Wait);
        assert_eq!(pace.step(AT.plus(DAY_MS)), Step::Settle(Delivered::Arrived));
        let again = pace.after(AT.plus(DAY_MS), last_try(AT), 0);
        assert_eq!(again.step(AT.plus(2 * DAY_MS)), Step::Settle(Delivered::Arrived));
    }
}
