//! `kunji export`: writes a backup of a store, also while servers run over it.

use std::io::{BufWriter, Seek as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use kunji_core::engine::{Engine, Inline};
use kunji_store::OpenError;
use kunji_vault::Vault;
use serde_json::{Value, json};

use super::backup::counts;
use super::{ConfigArgs, Output, print, print_json};
use crate::backup::{Exported, control, export, open_keys};
use crate::boot::{self, BootError};
use crate::clock::ServiceClock;
use crate::config::{Config, Place};
use crate::draft::{Draft, PREFIX};
use crate::sandbox::ground;
use crate::telemetry::Metrics;

/// Bytes that are written to the file at once.
const WRITE_LEN: usize = 256 * 1024;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Where the backup is to be; nothing may be there yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A sandbox's directory; else the store of the configuration is exported.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What is exported, and where its server would listen.
struct Source {
    config: Config,
    place: Place,
    control: Option<PathBuf>,
}

pub(super) fn run(args: &ExportArgs, output: Output) -> anyhow::Result<ExitCode> {
    let source = Source::of(args.config.load()?, args.data.as_deref())?;
    let cannot = || format!("{} cannot be written", args.out.display());
    anyhow::ensure!(args.out.symlink_metadata().is_err(), "{}: something is there", cannot());
    let mut draft = Draft::beside(&args.out, PREFIX).with_context(cannot)?;
    let files = &source.config.files;
    let vault = Arc::new(open_keys(&files.key_file, &files.unseal_file)?);
    let told = match source.open(&vault) {
        Ok(store) => by_ourselves(&source, store, vault, &mut draft)?,
        Err(error) => match (error.downcast_ref(), &source.control) {
            (Some(BootError::Store(OpenError::InUse(_))), Some(path)) => {
                control::fetch(path, &mut BufWriter::with_capacity(WRITE_LEN, draft.file()))?;
                json!({ "by": "the server that has the store open" })
            }
            (_, _) => return Err(error),
        },
    };
    let bytes = draft.file().stream_position()?;
    draft.keep(&args.out).with_context(cannot)?;
    match output {
        Output::Json => {
            let out = args.out.display().to_string();
            print_json(&json!({ "out": out, "bytes": bytes, "backup": told }))?;
        }
        Output::Text => {
            let out = args.out.display();
            print(&format!("{out}: {bytes} bytes; `kunji backup verify` proves it\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Source {
    fn of(mut config: Config, data: Option<&Path>) -> anyhow::Result<Self> {
        let mut listens_beside = config.files.store.clone();
        let place = match data {
            None => config.files.store.clone(),
            Some(dir) => {
                config.files.key_file = dir.join("keys.sealed");
                config.files.unseal_file = dir.join("unseal.key");
                let number = ground::current(dir)
                    .with_context(|| format!("there is no sandbox at {}", dir.display()))?;
                if let Place::Embedded(path) = &mut listens_beside {
                    *path = ground::control_anchor(dir);
                }
                config.files.store.numbered(dir, number)
            }
        };
        let control = match listens_beside {
            Place::Embedded(path) => Some(control::path_of(&path)),
            Place::Postgres(_) => None,
        };
        Ok(Self { config, place, control })
    }

    /// Opens the store; one that is not there is not made.
    fn open(&self, vault: &Arc<Vault>) -> anyhow::Result<kunji_store::Archive> {
        if let Place::Embedded(path) = &self.place {
            anyhow::ensure!(path.is_dir(), "there is no store at {}", path.display());
        }
        let metrics = Arc::new(Metrics::new(std::iter::empty()));
        Ok(boot::open_archive(&self.place, &self.config, vault, &metrics)?)
    }
}

fn by_ourselves(
    source: &Source,
    store: kunji_store::Archive,
    vault: Arc<Vault>,
    draft: &mut Draft,
) -> anyhow::Result<Value> {
    let engine = Engine {
        store,
        vault,
        clock: ServiceClock::default(),
        workers: Inline,
        rules: source.config.rules.clone(),
        budget: Arc::default(),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let out = BufWriter::with_capacity(WRITE_LEN, draft.file());
    let Exported { name, tally, .. } = export(&engine, runtime.handle(), out)?;
    Ok(json!({ "name": name, "rows": counts(&tally) }))
}
