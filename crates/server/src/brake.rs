//! The brake on guesses at clients' keys: after so many wrong ones from one peer, none of them is
//! compared for a while. Other peers and other clients do not feel it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limiter::{Limiter, RetryAfter};
use crate::listener::Peer;

/// Peers that are told apart, for each client; more of them share one allowance.
const PEERS_MAX: usize = 65_536;
/// Time between two warnings, so that many peers do not fill the log.
const WARNING_GAP_MS: u64 = 60_000;

/// Counts the wrong keys of each peer.
#[derive(Debug)]
pub struct Brake {
    wrong: Limiter,
    warn_at: AtomicU64,
}

/// Who guesses at what: a peer, at the keys of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guesser(String);

impl Guesser {
    /// Names a peer's guesses at one client's keys; those at clients that there are not are one.
    #[must_use]
    pub fn of(peer: Option<Peer>, client: Option<&str>) -> Self {
        let network = peer.map(|peer| peer.to_string());
        Self(format!("{} {}", network.unwrap_or_default(), client.unwrap_or_default()))
    }
}

impl Brake {
    /// Lets each guesser be wrong so often in a minute; 0 is no limit.
    #[must_use]
    pub fn new(wrong_per_minute: u32) -> Self {
        let wrong = Limiter::new(wrong_per_minute, wrong_per_minute, PEERS_MAX);
        Self { wrong, warn_at: AtomicU64::new(0) }
    }

    /// Says whether a guesser's keys are compared now.
    ///
    /// # Errors
    /// `RetryAfter` when it was wrong too often.
    pub fn admit(&self, guesser: &Guesser, now_ms: u64) -> Result<(), RetryAfter> {
        self.wrong.peek(&guesser.0, now_ms)
    }

    /// Counts a wrong key; says whether the guesser has reached its limit and nobody was warned
    /// for a while.
    #[must_use]
    pub fn count(&self, guesser: &Guesser, now_ms: u64) -> bool {
        let spent = self.wrong.check(&guesser.0, now_ms).is_err();
        (spent || self.admit(guesser, now_ms).is_err()) && self.may_warn(now_ms)
    }

    fn may_warn(&self, now_ms: u64) -> bool {
        let due = |at: u64| (at <= now_ms).then(|| now_ms.saturating_add(WARNING_GAP_MS));
        self.warn_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guesser(address: &str, client: Option<&str>) -> Guesser {
        Guesser::of(Some(Peer::of(address.parse().unwrap())), client)
    }

    #[test]
    fn a_guesser_is_stopped_and_nobody_else() {
        let brake = Brake::new(2);
        let here = guesser("192.0.2.1", Some("2000"));
        assert_eq!(brake.admit(&here, 0), Ok(()));
        assert!(!brake.count(&here, 0));
        assert!(brake.count(&here, 0), "the limit is reached");
        assert!(brake.admit(&here, 0).is_err());
        assert_eq!(brake.admit(&guesser("192.0.2.2", Some("2000")), 0), Ok(()));
        assert_eq!(brake.admit(&guesser("192.0.2.1", Some("3000")), 0), Ok(()));
        assert_eq!(brake.admit(&guesser("192.0.2.1", None), 0), Ok(()));
        assert_eq!(brake.admit(&here, 30_000), Ok(()));
    }

    #[test]
    fn one_warning_is_enough_for_a_while() {
        let brake = Brake::new(1);
        assert!(brake.count(&guesser("192.0.2.1", None), 0));
        assert!(!brake.count(&guesser("192.0.2.2", None), 59_999));
        assert!(brake.count(&guesser("192.0.2.3", None), 60_000));
    }

    #[test]
    fn a_host_has_one_name_however_many_addresses_it_takes() {
        let of = |address| guesser(address, None);
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
