//! Files with secrets: whose they may be, and who may read them.
//!
//! | owner | modes | as made by |
//! |---|---|---|
//! | the user of this process | nothing for group and others: 0600, 0400 | us, and people |
//! | root | beside those: 0440, which nobody may write | `LoadCredential` of systemd, a Kubernetes secret with `fsGroup` |
//!
//! Links are followed, since Kubernetes mounts secrets as links; what counts is the file that was
//! opened, which nobody can swap in between.

use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::fault::FileProblem;

/// Three times what a full ring takes.
const LEN_MAX: u64 = 1024 * 1024;

const ROOT: u32 = 0;
/// Anything for group or others.
const OTHERS: u32 = 0o077;
/// Anything but to be read by owner and group.
const BEYOND_GROUP_READ: u32 = 0o337;
/// To be written by group or others.
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner, and the group that root gave it to: it holds a secret.
    Owner,
    /// Anybody, as a public key; only its owner may write it.
    Anyone,
}

/// Reads a file that only we, or who runs this machine, may write; `None` when there is none.
///
/// # Errors
/// `FileProblem` when others may write it, others than `readers` may read it, it is too long or no
/// file, or it cannot be read.
pub fn read_file(path: &Path, readers: Readers) -> Result<Option<Zeroizing<Vec<u8>>>, FileProblem> {
    let absent = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
    // To open a pipe would wait for somebody to write into it.
    match fs::metadata(path) {
        Ok(facts) if !facts.is_file() => return Err(FileProblem::NoFile),
        Ok(_) => {}
        Err(error) if absent(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if absent(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let facts = file.metadata()?;
    guard(&facts, readers, own_uid())?;
    let len = usize::try_from(facts.len()).map_err(|_| FileProblem::TooLong)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(len + 1));
    file.take(LEN_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn guard(facts: &Metadata, readers: Readers, own: Option<u32>) -> Result<(), FileProblem> {
    if !facts.is_file() {
        return Err(FileProblem::NoFile);
    }
    judge((facts.mode(), facts.uid()), readers, own)?;
    if facts.len() >= LEN_MAX {
        return Err(FileProblem::TooLong);
    }
    Ok(())
}

fn judge((mode, owner): (u32, u32), readers: Readers, own: Option<u32>) -> Result<(), FileProblem> {
    if owner != ROOT && own.is_some_and(|own| own != owner) {
        return Err(FileProblem::Foreign);
    }
    let exposed = match readers {
        Readers::Anyone => mode & WRITTEN_BY_OTHERS != 0,
        Readers::Owner if owner == ROOT => mode & OTHERS != 0 && mode & BEYOND_GROUP_READ != 0,
        Readers::Owner => mode & OTHERS != 0,
    };
    match exposed {
        true => Err(FileProblem::Exposed),
        false => Ok(()),
    }
}

/// The effective user of this process, where the system tells it as a file.
///
/// Where it does not, nothing is lost for anyone but root: another's file of
/// mode 0600 could not have been opened.
fn own_uid() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: u32 = 990;

    #[track_caller]
    fn check(mode: u32, owner: u32, readers: Readers, fine: bool) {
        let judged = judge((0o100_000 | mode, owner), readers, Some(SERVICE));
        assert_eq!(judged.is_ok(), fine, "{mode:o} of {owner}: {judged:?}");
    }

    #[test]
    fn secrets_are_for_us_and_for_who_runs_the_machine() {
        for mode in [0o600, 0o400, 0o700, 0o200] {
            check(mode, SERVICE, Readers::Owner, true);
            check(mode, ROOT, Readers::Owner, true);
        }
        check(0o440, ROOT, Readers::Owner, true);
        check(0o040, ROOT, Readers::Owner, true);
        check(0o440, SERVICE, Readers::Owner, false);
        for mode in [0o640, 0o460, 0o444, 0o644, 0o604, 0o620, 0o602, 0o601, 0o550, 0o442, 0o666] {
            check(mode, ROOT, Readers::Owner, false);
            check(mode, SERVICE, Readers::Owner, false);
        }
        for mode in [0o600, 0o400, 0o440, 0o644] {
            check(mode, 1000, Readers::Owner, false);
        }
    }

    #[test]
    fn public_keys_may_be_read_by_anybody_and_written_by_nobody_else() {
        for mode in [0o644, 0o444, 0o600, 0o755] {
            check(mode, SERVICE, Readers::Anyone, true);
            check(mode, ROOT, Readers::Anyone, true);
            check(mode, 1000, Readers::Anyone, false);
        }
        for mode in [0o664, 0o646, 0o666, 0o622] {
            check(mode, SERVICE, Readers::Anyone, false);
            check(mode, ROOT, Readers::Anyone, false);
        }
    }

    #[test]
    fn a_folder_and_a_device_are_no_files() {
        for path in ["/", "/dev/null"] {
            let read = read_file(Path::new(path), Readers::Owner);
            assert!(matches!(read, Err(FileProblem::NoFile)), "{path}");
        }
        assert!(matches!(read_file(Path::new("/nowhere/at/all"), Readers::Owner), Ok(None)));
    }
}
