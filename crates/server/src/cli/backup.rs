//! `kunji backup verify`: proves a backup without loading it.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use kunji_core::backup::{Findings, Tally};
use kunji_vault::{BackupError, Vault};
use serde_json::{Value, json};

use super::{ConfigArgs, Output, print, print_json};
use crate::backup::{ReadError, Verified, open_keys, verify};
use crate::wall;

/// Bytes that are read from the file at once.
const READ_LEN: usize = 256 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum BackupCommand {
    /// Check that a backup is whole, opens with these keys, and that every audit chain in it holds.
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
}

/// Where the keys lie that open a backup.
#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// A sandbox's directory; else the keys of the configuration are used.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl KeyArgs {
    fn open(&self) -> anyhow::Result<Vault> {
        let (key_file, unseal_file) = match &self.data {
            Some(dir) => (dir.join("keys.sealed"), dir.join("unseal.key")),
            None => {
                let files = self.config.load()?.files;
                (files.key_file, files.unseal_file)
            }
        };
        Ok(open_keys(&key_file, &unseal_file)?)
    }
}

pub(super) fn run(command: &BackupCommand, output: Output) -> anyhow::Result<ExitCode> {
    let BackupCommand::Verify(args) = command;
    let path = args.file.display();
    let file = File::open(&args.file).with_context(|| format!("{path} cannot be opened"))?;
    let vault = args.keys.open()?;
    let Verified { name, at, findings } =
        match verify(&vault, BufReader::with_capacity(READ_LEN, file)) {
            Ok(verified) => verified,
            Err(ReadError::Backup(broken @ (BackupError::Io(_) | BackupError::Vault(_)))) => {
                return Err(broken.into());
            }
            Err(broken) => return tell_broken(&broken, output),
        };
    let Findings { tally, breaks } = findings;
    let holds = breaks.is_empty();
    match output {
        Output::Json => print_json(&json!({
            "holds": holds, "name": name, "at": wall::iso(at), "rows": counts(&tally),
            "breaks": breaks,
        }))?,
        Output::Text => {
            for broken in breaks {
                print(&format!("BROKEN {broken}\n"))?;
            }
            let verdict = if holds { "holds" } else { "does NOT hold" };
            print(&format!(
                "backup {name} of {} {verdict}: {} chains, {} events, {} rows\n",
                wall::iso(at),
                tally.records,
                tally.events,
                tally.rows()
            ))?;
        }
    }
    Ok(ExitCode::from(if holds { 0 } else { 4 }))
}

/// What cannot be read to its end has no counts.
fn tell_broken(broken: &ReadError, output: Output) -> anyhow::Result<ExitCode> {
    match output {
        Output::Json => {
            print_json(&json!({ "holds": false, "breaks": [broken.to_string()] }))?;
        }
        Output::Text => print(&format!("BROKEN {broken}\nthe backup does NOT hold\n"))?,
    }
    Ok(ExitCode::from(4))
}

/// Rows by their kind.
pub(super) fn counts(tally: &Tally) -> Value {
    let Tally { events, records, receipts, spent, messages, index, errands } = tally;
    json!({
        "events": events, "records": records, "receipts": receipts, "spent": spent,
        "messages": messages, "index": index, "errands": errands,
    })
}
