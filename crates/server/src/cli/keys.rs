//! `kunji keys`: new keys for what comes, the old ones for what is there, until nothing needs them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use kunji_core::time::{MINUTE_MS, Millis};
use kunji_vault::{KeyRing, KeyState, KeyVersion, Vault};
use serde_json::{Value, json};

use super::place::{PlaceArgs, open_ring, open_store};
use super::{Output, print, print_json};
use crate::config::Files;
use crate::keys::needs::{Needs, scan};
use crate::wall;

/// How long a version has made nothing before it may be retired: blocks that were made for it are
/// good for five minutes, and a process may be late to use the next one.
const REST_MS: i64 = 10 * MINUTE_MS;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make the next version of every key; running servers publish it, and use it later.
    Rotate(RotateArgs),
    /// Say which key versions there are, and what each is good for.
    Status(StatusArgs),
    /// Take the keys of a version out that nothing needs any more.
    Retire(RetireArgs),
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// Use it at once, without publishing it first: for one process, or none.
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Look through the store as well: what needs each version still.
    #[arg(long)]
    scan: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
pub(super) struct RetireArgs {
    /// Which one.
    #[arg(id = "key_version", value_name = "VERSION")]
    version: u32,
    /// Do not wait until blocks that were made for it have expired: for when no server runs.
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) fn run(command: &KeysCommand, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        KeysCommand::Rotate(args) => rotate(args, output)?,
        KeysCommand::Status(args) => status(args, output)?,
        KeysCommand::Retire(args) => retire(args, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn rotate(args: &RotateArgs, output: Output) -> anyhow::Result<()> {
    let files = args.place.key_files()?;
    let ring = open_ring(&files)?;
    let publish = match args.now {
        true => Duration::ZERO,
        false => files.publish,
    };
    ring.rotate(wall::now().0, publish)?;
    let versions = ring.versions();
    let newest = versions.first().context("there are no keys")?;
    let from = instant(newest.use_from_ms);
    let names = Vault::new(ring).key_names();
    match output {
        Output::Text => print(&format!(
            "key version {} is used from {}\nblock keys, those in use first: {names}\n",
            newest.version,
            from.as_deref().unwrap_or("now"),
        ))?,
        Output::Json => {
            let names = names.split(' ').collect::<Vec<_>>();
            print_json(&json!({ "version": newest.version, "use_from": from, "kids": names }))?;
        }
    }
    Ok(())
}

fn status(args: &StatusArgs, output: Output) -> anyhow::Result<()> {
    let (versions, needs) = match args.scan {
        true => {
            let (versions, needs) = scanned(&args.place.files()?)?;
            (versions, Some(needs))
        }
        false => (open_ring(&args.place.key_files()?)?.versions(), None),
    };
    match output {
        Output::Text => print(&table(&versions, needs.as_ref()))?,
        Output::Json => {
            let needs = |one: &KeyVersion| needs.as_ref().map(|needs| needs_of(needs, one.version));
            let versions = versions.iter().map(|one| object(one, needs(one)));
            print_json(&json!({ "versions": versions.collect::<Vec<_>>() }))?;
        }
    }
    Ok(())
}

fn retire(args: &RetireArgs, output: Output) -> anyhow::Result<()> {
    let (files, version, now) = (args.place.files()?, args.version, wall::now().0);
    let ring = open_ring(&files)?;
    may_retire(&ring, version)?;
    if let Some(wait_ms) = rest_left_ms(&ring, version, now).filter(|_| !args.now) {
        let minutes = wait_ms / MINUTE_MS + 1;
        anyhow::bail!(
            "key version {version} was in use until a moment ago: retire it in {minutes} min, or \
             with --now if no server runs"
        );
    }
    let needs = needs_of(&scanned(&files)?.1, version);
    anyhow::ensure!(needs.is_none(), "key version {version} is {}", needed_by(needs));
    ring.retire(version, now)?;
    match output {
        Output::Text => print(&format!(
            "key version {version} is retired: backups made under it open no more\n"
        ))?,
        Output::Json => print_json(&json!({ "retired": version }))?,
    }
    Ok(())
}

/// Says early what the ring itself would say: a store may take long to look through.
fn may_retire(ring: &KeyRing, version: u32) -> anyhow::Result<()> {
    let versions = ring.versions();
    match versions.iter().find(|one| one.version == version).map(|one| one.state) {
        Some(KeyState::Opening) => Ok(()),
        Some(KeyState::Published) => anyhow::bail!("key version {version} is about to be used"),
        Some(KeyState::InUse) => anyhow::bail!("key version {version} is in use"),
        Some(KeyState::Retired) => anyhow::bail!("key version {version} is retired already"),
        None => anyhow::bail!("there is no key version {version}"),
    }
}

/// How long the version has still to rest, if it has: it was in use until a newer one was.
fn rest_left_ms(ring: &KeyRing, version: u32, now_ms: i64) -> Option<i64> {
    let versions = ring.versions();
    let newer = versions.iter().filter(|one| one.version > version);
    let since_ms = newer.filter_map(|one| one.use_from_ms).filter(|from| *from <= now_ms).min()?;
    Some(since_ms.saturating_add(REST_MS).saturating_sub(now_ms)).filter(|left| *left > 0)
}

/// All versions, and what the store needs of each.
fn scanned(files: &Files) -> anyhow::Result<(Vec<KeyVersion>, BTreeMap<u32, Needs>)> {
    let ring = open_ring(files)?;
    let versions = ring.versions();
    let store = open_store(files, Arc::new(Vault::new(ring)))?;
    Ok((versions, scan(&store)?))
}

fn needed_by(needs: Needs) -> String {
    let Needs { verifiers, messages, rows } = needs;
    format!("needed by {verifiers} verifiers, {messages} messages and {rows} rows")
}

fn needs_of(needs: &BTreeMap<u32, Needs>, version: u32) -> Needs {
    needs.get(&version).copied().unwrap_or_default()
}

fn table(versions: &[KeyVersion], needs: Option<&BTreeMap<u32, Needs>>) -> String {
    let mut text = String::new();
    for one in versions {
        let (state, version) = (one.state.as_str().replace('_', " "), one.version);
        // Writing to a string cannot fail.
        let _ = write!(text, "version {version}: {state}");
        for (word, at) in
            [("made", one.made_ms), ("used from", one.use_from_ms), ("at", one.retired_ms)]
        {
            let _ = instant(at).map(|at| write!(text, ", {word} {at}"));
        }
        if let Some(needs) = needs {
            let _ = write!(text, ", {}", needed_by(needs_of(needs, version)));
        }
        let _ = writeln!(text);
        for (word, kids) in [("blocks", &one.block_kids), ("signs", &one.signing_kids)] {
            for kid in kids {
                let _ = writeln!(text, "  {word:6} {kid}");
            }
        }
    }
    text
}

fn object(one: &KeyVersion, needs: Option<Needs>) -> Value {
    json!({
        "version": one.version,
        "state": one.state.as_str(),
        "made": instant(one.made_ms),
        "use_from": instant(one.use_from_ms),
        "retired": instant(one.retired_ms),
        "block_kids": one.block_kids,
        "signing_kids": one.signing_kids,
        "needed_by": needs.map(|needs| json!({
            "verifiers": needs.verifiers, "messages": needs.messages, "rows": needs.rows,
        })),
    })
}

fn instant(at_ms: Option<i64>) -> Option<String> {
    at_ms.map(|at| wall::iso(Millis(at)))
}
