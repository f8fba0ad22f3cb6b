//! `kunji keys rotate`: new keys for what comes, the old ones for what is there.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use kunji_vault::{KeyRing, UnsealKey, Vault};

use super::{ConfigArgs, Output, print, print_json};

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make the next version of every key; a running server takes it up at its next start.
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// A sandbox's directory; else the keys of the configuration are rotated.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(command: &KeysCommand, output: Output) -> anyhow::Result<ExitCode> {
    let KeysCommand::Rotate(args) = command;
    let (key_file, unseal_file) = match &args.data {
        Some(dir) => (dir.join("keys.sealed"), dir.join("unseal.key")),
        None => {
            let files = args.config.load()?.files;
            (files.key_file, files.unseal_file)
        }
    };
    anyhow::ensure!(key_file.is_file(), "there is no key file at {}", key_file.display());
    let unseal = UnsealKey::read_or_create(&unseal_file)?;
    let mut ring = KeyRing::open_or_create(&key_file, &unseal)?;
    ring.rotate()?;
    let names = Vault::new(ring).key_names();
    match output {
        Output::Text => print(&format!("block keys, newest first: {names}\n"))?,
        Output::Json => {
            let names = names.split(' ').collect::<Vec<_>>();
            print_json(&serde_json::json!({ "kids": names }))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
