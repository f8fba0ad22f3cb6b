//! Who is connected: finds room for one more by closing who has been idle the longest.
//!
//! ```text
//!             head read, no body, or its end                response made
//!  Waiting ─────────────────────────────────▶ Answering ──────────────────▶ Waiting
//!     └── head read ──▶ Reading ── its end ──────┘
//! ```
//!
//! We wait for the peer in all states but `Answering`, and since when does not depend on how many
//! bytes drip in: who sends a head or a body slowly is as idle as who sends nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::Id;

use super::ListenerLimits;
use super::peer::Peer;

/// What is known of all connections of one listener.
pub(super) struct Roster {
    limits: Arc<ListenerLimits>,
    shared: Arc<Shared>,
    members: HashMap<Id, Member>,
    counts: HashMap<Peer, usize>,
}

struct Member {
    peer: Peer,
    activity: Arc<Activity>,
}

#[derive(Default)]
struct Shared {
    /// Numbers the moments at which connections begin to wait.
    moments: AtomicU64,
    /// Told whenever somebody may have become idle.
    idle: Notify,
}

/// Whether there is room for a connection.
pub(super) enum Admission {
    /// Now.
    Free(Arc<Activity>),
    /// As soon as somebody has left: ask again then, or when somebody is idle.
    Later,
    /// Not for this peer: all that it may have are busy.
    Refused,
}

impl Roster {
    pub(super) fn new(limits: Arc<ListenerLimits>) -> Self {
        Self { limits, shared: Arc::default(), members: HashMap::new(), counts: HashMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Finds room for a connection of this peer.
    pub(super) fn admit(&self, peer: Peer) -> Admission {
        let trusted = self.limits.trusted_peers.iter().any(|network| network.holds(peer));
        let count = self.counts.get(&peer).copied().unwrap_or(0);
        if !trusted && count >= self.limits.peer_connections_max {
            return match self.close_longest_idle(Some(peer)) {
                true => Admission::Later,
                false => Admission::Refused,
            };
        }
        if self.members.len() >= self.limits.connections_max {
            // If all are busy, the first of them that is not makes room.
            self.close_longest_idle(None);
            return Admission::Later;
        }
        Admission::Free(Arc::new(Activity::new(Arc::clone(&self.shared))))
    }

    /// Notes a connection that was admitted.
    pub(super) fn add(&mut self, id: Id, peer: Peer, activity: Arc<Activity>) {
        self.members.insert(id, Member { peer, activity });
        *self.counts.entry(peer).or_default() += 1;
    }

    /// Forgets a connection that has ended.
    pub(super) fn remove(&mut self, id: Id) {
        let Some(Member { peer, .. }) = self.members.remove(&id) else { return };
        if let Some(count) = self.counts.get_mut(&peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&peer);
            }
        }
    }

    /// Has the longest idle connection closed, of this peer or of all; one that is about to be
    /// closed is enough. Says whether there is one.
    pub(super) fn close_longest_idle(&self, peer: Option<Peer>) -> bool {
        let members = self.members.values().filter(|one| peer.is_none_or(|peer| peer == one.peer));
        let idle = members.filter_map(|one| Some((one.activity.idle_since()?, &one.activity)));
        // One that is told already was the longest idle then, and is still.
        let Some((_, longest)) = idle.min_by_key(|(since, _)| *since) else { return false };
        longest.close.notify_one();
        true
    }

    /// Waits until somebody may have become idle.
    pub(super) async fn idle(&self) {
        self.shared.idle.notified().await;
    }
}

/// What one connection is doing.
pub(super) struct Activity {
    shared: Arc<Shared>,
    state: Mutex<State>,
    close: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// For a head, or for the peer to read, since this moment.
    Waiting(u64),
    /// A body, since this moment.
    Reading(u64),
    /// The peer waits for us.
    Answering,
}

impl Activity {
    fn new(shared: Arc<Shared>) -> Self {
        let now = shared.moments.fetch_add(1, Ordering::Relaxed);
        Self { shared, state: Mutex::new(State::Waiting(now)), close: Notify::new() }
    }

    /// A head was read.
    pub(super) fn asked(&self, has_body: bool) {
        *self.state() = match has_body {
            true => State::Reading(self.now()),
            false => State::Answering,
        };
    }

    /// A body was read, or is not wanted. It may be dropped long after the answer: that is nothing.
    pub(super) fn body_ended(&self) {
        let mut state = self.state();
        if matches!(*state, State::Reading(_)) {
            *state = State::Answering;
        }
    }

    /// An answer is ready.
    pub(super) fn answered(&self) {
        *self.state() = State::Waiting(self.now());
        self.shared.idle.notify_one();
    }

    /// Waits until the connection is to be closed for another one, and is idle then.
    pub(super) async fn unwanted(&self) {
        loop {
            self.close.notified().await;
            if self.idle_since().is_some() {
                return;
            }
            // A request came in between: somebody else is found.
            self.shared.idle.notify_one();
        }
    }

    fn idle_since(&self) -> Option<u64> {
        match *self.state() {
            State::Waiting(since) | State::Reading(since) => Some(since),
            State::Answering => None,
        }
    }

    fn now(&self) -> u64 {
        self.shared.moments.fetch_add(1, Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
