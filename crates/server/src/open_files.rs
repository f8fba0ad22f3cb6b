//! Room for open files: connections leave some to the store, to the database and to health.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that others than connections may need; the store's tables take most of them.
const OTHERS: u64 = 1024;

/// Raises the process's limit to what it may have, and says how many of so many connections then
/// leave room for all else.
#[must_use]
pub fn connections_that_fit(wanted: usize) -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where it may not be raised it stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = files.saturating_sub(OTHERS).max(files / 2);
    wanted.min(usize::try_from(room).unwrap_or(usize::MAX))
}
