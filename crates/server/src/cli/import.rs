//! `kunji import`: loads a backup into an empty store, of either engine.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use kunji_store::{PostgresPlace, Replaced};
use kunji_vault::Vault;
use serde_json::json;

use super::{ConfigArgs, Output, print, print_json};
use crate::backup::{Imported, open_keys, prove};
use crate::boot;
use crate::clock::ServiceClock;
use crate::config::{Place, SecretSource};
use crate::telemetry::Metrics;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The store whose place this one takes, as far as it can still be read: its address as in
    /// store.url, or env:NAME or file:PATH where that stands. It is retired for good; one that is retired already
    /// knows nothing of what happened since.
    #[arg(long, value_name = "STORE_URL")]
    replaces: Option<String>,
    /// The schema of the replaced store, where it is a database.
    #[arg(long, value_name = "SCHEMA", default_value = "kunji", requires = "replaces")]
    replaces_schema: String,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &ImportArgs, output: Output) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let path = args.file.display();
    let mut file = File::open(&args.file).with_context(|| format!("{path} cannot be opened"))?;
    let vault = open_keys(&config.files.key_file, &config.files.unseal_file)
        .context("a backup opens with the keys of its own store, which must be there first")?;
    let vault = Arc::new(vault);
    let (began, now) = (Instant::now(), ServiceClock::default().now());
    let proved = prove(&vault, &mut file)?;
    let metrics = Arc::new(Metrics::new(std::iter::empty()));
    let store = boot::open_archive(&config.files.store, &config, &vault, &metrics)?;
    anyhow::ensure!(store.is_empty()?, "the store is not empty; a backup is loaded into a new one");
    // Last of all: from here on nobody writes to it.
    let replaced = args.replaced(&vault)?;
    let imported = proved.load((&store, replaced.as_ref()), (&config.rules, now))?;
    tell(imported, began.elapsed().as_secs_f64(), output)?;
    Ok(ExitCode::SUCCESS)
}

impl ImportArgs {
    fn replaced(&self, vault: &Arc<Vault>) -> anyhow::Result<Option<Replaced>> {
        let Some(source) = &self.replaces else { return Ok(None) };
        let (key, vault) = ("--replaces", Arc::clone(vault));
        let url = SecretSource::from_str(source)?.read(key)?;
        let place = Place::parse(&url, &self.replaces_schema, 1).with_context(|| key)?;
        Ok(Some(match place {
            Place::Embedded(dir) => Replaced::in_directory(&dir, vault).with_context(|| key)?,
            Place::Postgres(place) => {
                Replaced::in_postgres(PostgresPlace::clone(&place), vault).with_context(|| key)?
            }
        }))
    }
}

fn tell(imported: Imported, seconds: f64, output: Output) -> std::io::Result<()> {
    let Imported { name, at, rows, unchanged, strictest, unknown, newer, unread } = imported;
    let unread = unread.map(|fault| format!("{:#}", anyhow::Error::from(fault)));
    match output {
        Output::Json => print_json(&json!({
            "backup": name, "at": at, "rows": rows, "seconds": seconds, "unchanged": unchanged,
            "strictest": strictest, "unknown": unknown, "newer": newer, "unread": unread,
        })),
        Output::Text => {
            let mut said = format!(
                "backup {name} of {at} is loaded: {rows} rows in {seconds:.1} s\n\
                 accounts, cards and customers: {unchanged} as they were, {strictest} at the \
                 strictest of both stores, {unknown} blocked, since nobody knows what happened\n"
            );
            if newer > 0 {
                said.push_str(&format!("{newer} records of the replaced store are newer: lost\n"));
            }
            if let Some(fault) = unread {
                said.push_str(&format!("the replaced store was read in part only: {fault}\n"));
            }
            print(&said)
        }
    }
}
