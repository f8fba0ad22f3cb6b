//! Bugs on purpose, for one use: to show that the fault harness finds them.
//!
//! Only a build with the feature `plants` has this file; no release is built with it. Such a build
//! behaves like any other unless the variable `PLANTED_BUG` names one of the bugs.

use std::collections::HashMap;
use std::future::Future as _;
use std::pin::pin;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use kunji_core::aggregate::Kept as _;
use kunji_core::audit::Subject;
use kunji_core::store::{Commit, Committed, Load, Loaded, Record, StoreFault};
use kunji_core::time::Millis;

use crate::Archive;

/// How long the counter's own write takes.
const SECOND_STEP: Duration = Duration::from_millis(1);

/// A bug that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plant {
    /// "Done" is said when a commit has been queued, not when it is durable.
    ReplyBeforeCommit,
    /// The try counter is not part of the record: it is written after the commit, without a look
    /// at versions, into a cache that ends with the process.
    CounterOutside,
    /// A row that says of itself that it is not sealed is taken as it is.
    UnsealedAccepted,
}

/// How a row ends that says of itself that it is not sealed.
const UNSEALED: &[u8] = b"unsealed";

/// Tries and the end of the block, as the second step left them.
#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    tries: u8,
    blocked_until: Option<Millis>,
}

fn planted() -> Option<Plant> {
    static PLANTED: OnceLock<Option<Plant>> = OnceLock::new();
    *PLANTED.get_or_init(|| match std::env::var("PLANTED_BUG").as_deref() {
        Ok("reply-before-commit") => Some(Plant::ReplyBeforeCommit),
        Ok("counter-outside") => Some(Plant::CounterOutside),
        Ok("unsealed-accepted") => Some(Plant::UnsealedAccepted),
        Ok(_) | Err(_) => None,
    })
}

fn counters() -> &'static Mutex<HashMap<String, Counter>> {
    static COUNTERS: OnceLock<Mutex<HashMap<String, Counter>>> = OnceLock::new();
    COUNTERS.get_or_init(Mutex::default)
}

/// Commits as the planted bug has it.
pub(crate) async fn commit(archive: &Archive, commit: Commit) -> Result<Committed, StoreFault> {
    match planted() {
        None | Some(Plant::UnsealedAccepted) => archive.commit_whole(commit).await,
        Some(Plant::ReplyBeforeCommit) => {
            let mut committing = pin!(archive.commit_whole(commit));
            match committing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(committed) => committed,
                // It is queued, and stands there though nobody waits for it any more.
                Poll::Pending => Ok(Committed::Done),
            }
        }
        Some(Plant::CounterOutside) => counter_after(archive, commit).await,
    }
}

/// What a row holds that nobody sealed, where the bug takes it.
pub(crate) fn unsealed(row: &[u8]) -> Option<Vec<u8>> {
    let row = row.strip_suffix(UNSEALED)?;
    (planted() == Some(Plant::UnsealedAccepted)).then(|| row.to_vec())
}

async fn counter_after(archive: &Archive, mut commit: Commit) -> Result<Committed, StoreFault> {
    let subject = commit.subject.to_string();
    let Some(counter) = counter_of(&commit.record) else {
        return archive.commit_whole(commit).await;
    };
    put(&mut commit.record, Counter::default());
    let committed = archive.commit_whole(commit).await?;
    if committed == Committed::Done {
        tokio::time::sleep(SECOND_STEP).await;
        let mut counters = counters().lock().unwrap_or_else(PoisonError::into_inner);
        counters.insert(subject, counter);
    }
    Ok(committed)
}

/// What was loaded, with the counter from where the bug keeps it.
pub(crate) fn loaded(load: &Load<'_>, mut loaded: Loaded) -> Loaded {
    if planted() == Some(Plant::CounterOutside) && matches!(load.subject, Subject::Credential(_)) {
        let counters = counters().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.get(&load.subject.to_string()) {
            put(&mut loaded.record, *counter);
        }
    }
    loaded
}

fn counter_of(record: &Record) -> Option<Counter> {
    let pin = &record.credential()?.pin;
    Some(Counter { tries: pin.tries, blocked_until: pin.blocked_until })
}

fn put(record: &mut Record, counter: Counter) {
    if let Some(mut credential) = record.credential().cloned() {
        credential.pin.tries = counter.tries;
        credential.pin.blocked_until = counter.blocked_until;
        record.state = credential.keep();
    }
}
