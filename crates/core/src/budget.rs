//! How often one caller may hear that a secret was wrong, over all credentials.
//!
//! A credential's own counter stops who guesses at one PIN. Who tries a few likely PINs at each of
//! thousands of accounts never comes near it; this stops him. It counts in memory, for one process:
//! what must hold across a crash is the credential's counter.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::{Caller, TxnId};
use crate::time::{MINUTE_MS, Millis};

/// Callers that are told apart; all others together are one more.
const CALLERS_MAX: usize = 4096;

/// Settings of the budget; the defaults are those of the contract page `pin-rules.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetSettings {
    /// Wrong verdicts that one caller may hear in the window; 0 lifts the limit.
    pub wrong_max: u16,
    /// The window.
    pub window_ms: i64,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self { wrong_max: 30, window_ms: 10 * MINUTE_MS }
    }
}

/// Lets each caller hear so many wrong verdicts in a window that moves with the time.
#[derive(Debug)]
pub struct GuessBudget {
    settings: BudgetSettings,
    callers: Mutex<HashMap<String, Heard>>,
}

impl Default for GuessBudget {
    fn default() -> Self {
        Self::new(BudgetSettings::default())
    }
}

/// When one caller heard wrong verdicts, and under which ids, the oldest first.
#[derive(Debug, Default)]
struct Heard {
    told: VecDeque<(Millis, TxnId)>,
    /// Whether a warning was written since the budget was used up.
    is_warned: bool,
}

/// A caller's budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetUsedUp {
    /// Until a wrong verdict may be heard again; at least 1.
    pub wait_ms: i64,
    /// Whether this is the first refusal since the budget was used up: the one to warn of.
    pub is_first: bool,
}

impl GuessBudget {
    /// Nobody has heard anything yet.
    #[must_use]
    pub fn new(settings: BudgetSettings) -> Self {
        Self { settings, callers: Mutex::default() }
    }

    /// Says whether the caller may go on asking about secrets.
    ///
    /// # Errors
    /// `BudgetUsedUp` when not.
    pub fn check(&self, caller: &Caller, now: Millis) -> Result<(), BudgetUsedUp> {
        let mut callers = self.callers();
        let Some(heard) = callers.get_mut(client(caller)) else { return Ok(()) };
        heard.forget(now, self.settings.window_ms);
        match heard.told.front() {
            Some((oldest, _)) if self.is_spent(heard.told.len()) => {
                let end = oldest.plus(self.settings.window_ms);
                let is_first = !std::mem::replace(&mut heard.is_warned, true);
                Err(BudgetUsedUp { wait_ms: end.0.saturating_sub(now.0).max(1), is_first })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Takes one wrong verdict that is about to be told from the caller's budget; `false` when none is
    /// left, and it must not be told. What was told under this id already tells nothing new.
    #[must_use]
    pub fn take(&self, caller: &Caller, txn: &TxnId, now: Millis) -> bool {
        if self.settings.wrong_max == 0 {
            return true;
        }
        let mut callers = self.callers();
        let mut name = client(caller);
        if !callers.contains_key(name) && callers.len() >= CALLERS_MAX {
            callers.retain(|_, heard| {
                heard.forget(now, self.settings.window_ms);
                !heard.told.is_empty()
            });
            if callers.len() >= CALLERS_MAX {
                name = "";
            }
        }
        let heard = callers.entry(name.to_owned()).or_default();
        heard.forget(now, self.settings.window_ms);
        if heard.told.iter().any(|(_, known)| known == txn) {
            return true;
        }
        if self.is_spent(heard.told.len()) {
            return false;
        }
        heard.told.push_back((now, txn.clone()));
        true
    }

    fn is_spent(&self, len: usize) -> bool {
        self.settings.wrong_max > 0 && len >= usize::from(self.settings.wrong_max)
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<String, Heard>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn forget(&mut self, now: Millis, window_ms: i64) {
        while self.told.front().is_some_and(|(at, _)| now >= at.plus(window_ms)) {
            self.told.pop_front();
            self.is_warned = false;
        }
    }
}

/// Who asks, whichever of its calls it is: `dialect:client` of `dialect:client:call`.
fn client(caller: &Caller) -> &str {
    let text = caller.as_str();
    let mut colons = text.match_indices(':');
    colons.nth(1).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn caller(name: &str) -> Caller {
        Caller::parse(name).unwrap()
    }

    fn budget(wrong_max: u16) -> GuessBudget {
        GuessBudget::new(BudgetSettings { wrong_max, window_ms: 1000 })
    }

    /// Each under an id of its own.
    #[track_caller]
    fn check_take(budget: &GuessBudget, name: &str, at: i64, expected: bool) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let txn = format!("T{}", NEXT.fetch_add(1, Ordering::Relaxed));
        check_take_of(budget, (name, &txn), at, expected);
    }

    #[track_caller]
    fn check_take_of(budget: &GuessBudget, (name, txn): (&str, &str), at: i64, expected: bool) {
        let taken = budget.take(&caller(name), &TxnId::parse(txn).unwrap(), Millis(at));
        assert_eq!(taken, expected, "{name} {txn} at {at}");
    }

    #[test]
    fn what_was_told_before_is_told_again() {
        let budget = budget(2);
        for txn in ["A", "A", "B", "A", "B"] {
            check_take_of(&budget, ("api:till", txn), 0, true);
        }
        check_take_of(&budget, ("api:till", "C"), 0, false);
        check_take_of(&budget, ("api:till", "A"), 999, true);
        // It is new again when nobody remembers that it was told.
        check_take_of(&budget, ("api:till", "C"), 1000, true);
        check_take_of(&budget, ("api:till", "D"), 1000, true);
        check_take_of(&budget, ("api:till", "A"), 1000, false);
    }

    #[test]
    fn no_window_has_more_than_the_budget() {
        let budget = budget(3);
        for at in [0, 400, 900] {
            check_take(&budget, "api:till", at, true);
        }
        check_take(&budget, "api:till", 999, false);
        check_take(&budget, "api:till", 1000, true);
        check_take(&budget, "api:till", 1399, false);
        check_take(&budget, "api:till", 1400, true);
        check_take(&budget, "api:till", 1401, false);
    }

    #[test]
    fn one_caller_does_not_use_up_the_budget_of_another() {
        let budget = budget(1);
        check_take(&budget, "api:till", 0, true);
        check_take(&budget, "api:till", 0, false);
        check_take(&budget, "api:tills", 0, true);
        check_take(&budget, "prepaid:till", 0, true);
    }

    #[test]
    fn the_calls_of_one_client_have_one_budget() {
        let budget = budget(1);
        check_take(&budget, "axis:bank:changempin", 0, true);
        check_take(&budget, "axis:bank:set-reset-mpin", 0, false);
        check_take(&budget, "axis:other:changempin", 0, true);
    }

    #[test]
    fn a_refusal_says_how_long_to_wait_and_warns_once_a_window() {
        let budget = budget(2);
        let till = caller("api:till");
        let check = |at| budget.check(&till, Millis(at));
        assert_eq!(check(0), Ok(()));
        check_take(&budget, "api:till", 0, true);
        assert_eq!(check(10), Ok(()));
        check_take(&budget, "api:till", 10, true);
        assert_eq!(check(100), Err(BudgetUsedUp { wait_ms: 900, is_first: true }));
        assert_eq!(check(999), Err(BudgetUsedUp { wait_ms: 1, is_first: false }));
        assert_eq!(check(1000), Ok(()));
        check_take(&budget, "api:till", 1000, true);
        assert_eq!(check(1001), Err(BudgetUsedUp { wait_ms: 9, is_first: true }));
    }

    #[test]
    fn a_budget_of_0_is_no_limit() {
        let budget = budget(0);
        for _ in 0..100 {
            check_take(&budget, "api:till", 0, true);
        }
        assert_eq!(budget.check(&caller("api:till"), Millis(0)), Ok(()));
    }

    #[test]
    fn invented_callers_cost_no_memory_and_lend_no_budget() {
        let budget = budget(1);
        for nth in 0..CALLERS_MAX + 1 {
            check_take(&budget, &format!("api:{nth}"), 0, true);
        }
        check_take(&budget, "api:one-more", 0, false);
        check_take(&budget, "api:7", 0, false);
        assert!(budget.callers().len() <= CALLERS_MAX + 1);
        // What is over makes room.
        check_take(&budget, "api:one-more", 1000, true);
        assert!(budget.callers().len() < 10);
    }
}
