//! Keeps the process's memory to itself: no core dump, no debugger, no swap.

use rustix::io::Result;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Whether keys are worth keeping out of the swap space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// They are those of real PINs.
    Real,
    /// They are a sandbox's, and public.
    Public,
}

/// What the system did not allow; to be said once there is a log.
#[must_use]
#[derive(Debug)]
pub struct Refused(Vec<(&'static str, rustix::io::Errno)>);

impl Refused {
    /// One warning for each.
    pub fn say(&self) {
        for (what, why) in &self.0 {
            tracing::warn!(fault = %why, "{what}");
        }
    }
}

/// Closes the memory, before there is a secret in it.
pub fn close_memory(keys: Keys) -> Refused {
    let mut refused = Vec::new();
    if is_left_open() {
        return Refused(refused);
    }
    let mut attempt =
        |result: Result<()>, failed| refused.extend(result.err().map(|why| (failed, why)));
    attempt(
        set_dumpable_behavior(DumpableBehavior::NotDumpable),
        "the process stays dumpable: its user's other programs can read its memory",
    );
    attempt(
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }),
        "the core limit cannot be set to 0: a crash may write the memory to a file",
    );
    match keys {
        Keys::Real => attempt(
            lock(),
            "keys are not locked into memory: they may be swapped out (allow it with an unlimited \
             memlock or CAP_IPC_LOCK, or run without swap space)",
        ),
        Keys::Public => {}
    }
    Refused(refused)
}

/// Locks all pages from their first use on, now and later.
///
/// Only where there is no limit to it: under one, some later allocation would fail.
fn lock() -> Result<()> {
    let everything = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    let limit = getrlimit(Resource::Memlock);
    if limit.maximum.is_none() {
        setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None })?;
        return mlockall(everything);
    }
    // Under a limit of nothing the system locks for those only whom no limit binds.
    setrlimit(Resource::Memlock, Rlimit { current: Some(0), ..limit })?;
    let locked = mlockall(everything);
    setrlimit(Resource::Memlock, limit)?;
    locked
}

/// Whether a test wants to look into the memory; no release build can be asked for that.
#[cfg(debug_assertions)]
fn is_left_open() -> bool {
    std::env::var_os("PLANTED_OPEN_MEMORY").is_some()
}

#[cfg(not(debug_assertions))]
fn is_left_open() -> bool {
    false
}
