//! `kunji audit checkpoint`: one over all chains, by hand.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use uuid::Uuid;

use crate::audit::changed::Changes;
use crate::audit::checkpoint::Occasion;
use crate::audit::job::Job;
use crate::cli::place::{PlaceArgs, open_store, open_vault};
use crate::cli::{Output, print, print_json};
use crate::wall;

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckpointArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Where it is written; no file may be there.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: &CheckpointArgs, output: Output) -> anyhow::Result<ExitCode> {
    let CheckpointArgs { place, out } = args;
    anyhow::ensure!(out.symlink_metadata().is_err(), "{} is there already", out.display());
    let files = place.files()?;
    let vault = Arc::new(open_vault(&files)?);
    let store = open_store(&files, Arc::clone(&vault))?;
    let job = Job {
        series: Uuid::new_v4().simple().to_string(),
        number: 1,
        previous: None,
        at: wall::now(),
        occasion: Occasion::Command,
        changes: &Changes::Unknown,
    };
    let written = job.write(&store, &vault, out, &AtomicBool::new(false))?;
    let (heads, hash) = (written.heads, written.hash);
    match output {
        Output::Json => print_json(&serde_json::json!({ "heads": heads, "sha256": hash }))?,
        Output::Text => print(&format!("{heads} heads in {}, SHA-256 {hash}\n", out.display()))?,
    }
    Ok(ExitCode::SUCCESS)
}
