//! The environment, and how secrets leave it.
//!
//! What the system shows of a process's environment is what the process was started with; nothing
//! that it does to its own copy changes that. So a server with secrets in its environment starts
//! itself once more, as the same process, without them: they come through a socket in place of the
//! standard input, which nobody else can read and which holds nothing once it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use zeroize::Zeroizing;

/// Says to the program that is started in our place that its standard input is not one.
const MARK: &str = "_KUNJI_HANDED_OVER";
/// What may be handed over, in bytes: less than any socket holds.
const LEN_MAX: usize = 32 * 1024;

/// What was taken out of the environment of this process, by name.
static TAKEN: OnceLock<BTreeMap<String, Zeroizing<String>>> = OnceLock::new();

/// Takes what the program before us in this process handed over.
///
/// # Errors
/// `io::Error` when it cannot be read; a start without it would miss secrets.
pub fn receive() -> io::Result<()> {
    if std::env::var_os(MARK).is_none() {
        return Ok(());
    }
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    // So large that it never moves, which would leave copies.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LEN_MAX + 1));
    let limit = u64::try_from(LEN_MAX).unwrap_or(u64::MAX);
    input.take(limit).read_to_end(&mut bytes)?;
    let mut taken = BTreeMap::new();
    for pair in bytes.split(|byte| *byte == 0) {
        let pair = std::str::from_utf8(pair).map_err(io::Error::other)?;
        if let Some((name, value)) = pair.split_once('=') {
            taken.insert(name.to_owned(), Zeroizing::new(value.to_owned()));
        }
    }
    // Done once, before anybody asks.
    let _ = TAKEN.set(taken);
    Ok(())
}

/// A variable, wherever it is by now.
#[must_use]
pub fn variable(name: &str) -> Option<Zeroizing<String>> {
    let taken = TAKEN.get().and_then(|taken| taken.get(name));
    taken.cloned().or_else(|| std::env::var(name).ok().map(Zeroizing::new))
}

/// All variables whose names are text; none of ours has another name.
pub fn variables() -> impl Iterator<Item = (String, OsString)> {
    let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
    let taken = TAKEN.get().into_iter().flatten();
    let taken = taken.map(|(name, value)| (name.clone(), String::clone(value).into()));
    std::env::vars_os().filter_map(named).chain(taken)
}

/// Goes on as a program without these variables, if any of them is set. Comes back only when none
/// is, or when that cannot be done: then all is as before.
///
/// # Errors
/// `io::Error` when the variables stay where they are.
pub fn hand_over(names: &BTreeSet<String>) -> io::Result<()> {
    let set = |name: &&String| std::env::var_os(name).is_some();
    let names: Vec<_> = names.iter().filter(set).collect();
    if names.is_empty() {
        return Ok(());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LEN_MAX));
    for name in &names {
        // What the library says of a value that is no text would show it.
        let value = std::env::var(name).map_err(|_| io::Error::other("one of them is not text"))?;
        let value = Zeroizing::new(value);
        let len = bytes.len().saturating_add(name.len()).saturating_add(value.len());
        if len.saturating_add(2) > LEN_MAX {
            return Err(io::Error::other("they are too long together"));
        }
        for part in [name.as_bytes(), b"=", value.as_bytes(), b"\0"] {
            bytes.extend_from_slice(part);
        }
    }
    let (mut ours, theirs) = UnixStream::pair()?;
    // Nobody reads before we are gone.
    ours.set_nonblocking(true)?;
    ours.write_all(&bytes)?;
    drop((ours, bytes));
    let mut arguments = std::env::args_os();
    let mut next = Command::new(program());
    next.arg0(arguments.next().unwrap_or_default()).args(arguments);
    for name in names {
        next.env_remove(name);
    }
    next.env(MARK, OsStr::new("1")).stdin(Stdio::from(OwnedFd::from(theirs)));
    Err(next.exec())
}

/// This very program, also where its file was replaced meanwhile.
fn program() -> PathBuf {
    let file = std::env::current_exe().ok().filter(|file| file.is_file());
    file.unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}
