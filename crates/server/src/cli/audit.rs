//! `kunji audit`: checks every chain of a store, and writes and compares checkpoints of them.

mod checkpoint;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use kunji_vault::{CheckpointKeys, Vault};

use super::place::{PlaceArgs, open_store, open_vault};
use super::{Output, print, print_json};
use crate::audit::lane::EXTENSION;
use crate::audit::reader::{Flaw, ReadError, Reader};
use crate::audit::verify::{Comparison, Findings, verify};

/// Longest key set that is read from a file, in bytes.
const JWKS_LEN_MAX: u64 = 256 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Check that no event was altered, dropped, swapped or cut off.
    Verify(VerifyArgs),
    /// Write a signed checkpoint of all chains, to be kept elsewhere.
    Checkpoint(checkpoint::CheckpointArgs),
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Compare with this checkpoint, or with all of a directory; may be given many times.
    #[arg(long, value_name = "FILE|DIR")]
    checkpoint: Vec<PathBuf>,
    /// Public keys (JWK set) that checkpoints are signed with; else those of the key file.
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    jwks: Option<PathBuf>,
}

pub(super) fn run(command: &AuditCommand, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify(args) => run_verify(args, output),
        AuditCommand::Checkpoint(args) => checkpoint::run(args, output),
    }
}

fn run_verify(args: &VerifyArgs, output: Output) -> anyhow::Result<ExitCode> {
    let files = args.place.files()?;
    let vault = Arc::new(open_vault(&files)?);
    let mut findings = Findings::default();
    let paths = checkpoints(&args.checkpoint)?;
    let comparisons = match paths.as_slice() {
        [] => Vec::new(),
        paths => prove_all(paths, (&keys(args, &vault)?, &vault), &mut findings)?,
    };
    let store = open_store(&files, Arc::clone(&vault))?;
    let findings = verify((&store, &vault), comparisons, findings)?;
    say(&findings, paths.len(), output)?;
    Ok(ExitCode::from(if findings.holds() { 0 } else { 4 }))
}

/// The files that were named, and those of the directories that were.
fn checkpoints(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for path in named {
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let unread = || format!("{} cannot be read", path.display());
        let before = paths.len();
        for entry in std::fs::read_dir(path).with_context(unread)? {
            let file = entry.with_context(unread)?.path();
            if file.extension().is_some_and(|extension| extension == EXTENSION) {
                paths.push(file);
            }
        }
        anyhow::ensure!(paths.len() > before, "{} holds no checkpoint", path.display());
    }
    paths.sort();
    Ok(paths)
}

/// The keys that a checkpoint may be signed with.
fn keys(args: &VerifyArgs, vault: &Vault) -> anyhow::Result<CheckpointKeys> {
    let Some(path) = &args.jwks else {
        return CheckpointKeys::from_jwks(&vault.jwks()).context("the key file has no signing key");
    };
    let unread = || format!("{} cannot be read", path.display());
    let file = std::fs::File::open(path).with_context(unread)?;
    let mut text = String::new();
    file.take(JWKS_LEN_MAX + 1).read_to_string(&mut text).with_context(unread)?;
    let unusable = || format!("{} has no key that checkpoints are signed with", path.display());
    CheckpointKeys::from_jwks(&text).with_context(unusable)
}

/// The checkpoints that prove something; the others are breaks by themselves.
fn prove_all(
    paths: &[PathBuf],
    keys: (&CheckpointKeys, &Vault),
    findings: &mut Findings,
) -> anyhow::Result<Vec<Comparison>> {
    let mut comparisons = Vec::new();
    for path in paths {
        match prove(path, keys) {
            Ok(comparison) => comparisons.push(comparison),
            Err(ReadError::Flaw(flaw)) => findings.broken(said_of(path, &flaw)),
            Err(ReadError::Io(error)) => {
                return Err(error).with_context(|| format!("{} cannot be read", path.display()));
            }
        }
    }
    Ok(comparisons)
}

fn prove(path: &Path, (keys, vault): (&CheckpointKeys, &Vault)) -> Result<Comparison, ReadError> {
    let proven = Reader::open(path)?.prove(keys)?;
    Comparison::begin(path, proven, vault)
}

fn said_of(path: &Path, flaw: &Flaw) -> String {
    format!("{}: the checkpoint proves nothing: {flaw}", path.display())
}

fn say(findings: &Findings, checkpoints: usize, output: Output) -> std::io::Result<()> {
    let holds = findings.holds();
    let Findings { chains, events, heads, breaks, more } = findings;
    if output == Output::Json {
        return print_json(&serde_json::json!({
            "holds": holds, "chains": chains, "events": events,
            "checkpoints": checkpoints, "heads": heads,
            "breaks": breaks, "more_breaks": more,
        }));
    }
    for broken in breaks {
        print(&format!("BROKEN {broken}\n"))?;
    }
    if *more > 0 {
        print(&format!("BROKEN and {more} more\n"))?;
    }
    let verdict = if holds { "the audit holds" } else { "the audit does NOT hold" };
    let compared = match checkpoints {
        0 => String::new(),
        _ => format!(", {checkpoints} checkpoints with {heads} heads"),
    };
    print(&format!("{verdict}: {chains} chains, {events} events{compared}\n"))
}
