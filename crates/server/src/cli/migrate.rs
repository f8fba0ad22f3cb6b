//! `kunji migrate`: brings a database to the schema of this build.

use std::process::ExitCode;

use clap::Args;
use kunji_store::Migrated;

use super::{ConfigArgs, Output, print, print_json};
use crate::config::Place;

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &MigrateArgs, output: Output) -> anyhow::Result<ExitCode> {
    let Place::Postgres(place) = args.config.load()?.files.store else {
        anyhow::bail!("store.url names no database; an embedded store needs no migration");
    };
    let Migrated { from, to } = kunji_store::migrate(&place)?;
    match output {
        Output::Json => print_json(&serde_json::json!({ "from": from, "to": to }))?,
        Output::Text if from == to => print(&format!("the schema is {to} already\n"))?,
        Output::Text => print(&format!("the schema is {to} now; it was {from}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}
