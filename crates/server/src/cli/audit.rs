//! `kunji audit verify`: walks every chain of a store that no process has open.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use kunji_core::audit::{ChainCheck, Subject};
use kunji_core::store::{StoreFault, Survey};
use kunji_store::{Embedded, EmbeddedSettings};

use super::{ConfigArgs, Output, print, print_json};
use crate::config::Place;
use crate::sandbox::ground;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Check that no event was altered, dropped, swapped or cut off.
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// A sandbox's directory; else the store of the configuration is checked.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What was found.
#[derive(Debug, Default)]
struct Findings {
    chains: u64,
    events: u64,
    breaks: Vec<String>,
}

pub(super) fn run(command: &AuditCommand, output: Output) -> anyhow::Result<ExitCode> {
    let AuditCommand::Verify(args) = command;
    let path = match &args.data {
        Some(dir) => {
            let store = ground::current(dir);
            let number =
                store.with_context(|| format!("there is no sandbox at {}", dir.display()))?;
            dir.join(format!("store-{number}"))
        }
        None => match args.config.load()?.files.store {
            Place::Embedded(path) => path,
            Place::Postgres(_) => anyhow::bail!("not yet"),
        },
    };
    let findings = check(&path)?;
    let holds = findings.breaks.is_empty();
    let Findings { chains, events, breaks } = findings;
    match output {
        Output::Json => print_json(&serde_json::json!({
            "holds": holds, "chains": chains, "events": events, "breaks": breaks,
        }))?,
        Output::Text => {
            for broken in breaks {
                print(&format!("BROKEN {broken}\n"))?;
            }
            let verdict = if holds { "the audit holds" } else { "the audit does NOT hold" };
            print(&format!("{verdict}: {chains} chains, {events} events\n"))?;
        }
    }
    Ok(ExitCode::from(if holds { 0 } else { 4 }))
}

fn check(path: &Path) -> anyhow::Result<Findings> {
    anyhow::ensure!(path.is_dir(), "there is no store at {}", path.display());
    let store = Embedded::open(path, EmbeddedSettings::default())?;
    let mut findings = Findings::default();
    store.each_record(&mut |subject, record| {
        findings.chains = findings.chains.saturating_add(1);
        match chain(&store, &subject, &record.head)? {
            Ok(()) => findings.events = findings.events.saturating_add(record.head.seq),
            Err(broken) => findings.breaks.push(format!("{subject}: {broken}")),
        }
        Ok(())
    })?;
    if findings.chains == 0 {
        findings.breaks.push("the store is empty: not even a start is recorded".to_owned());
    }
    let kept = store.count_events()?;
    if findings.breaks.is_empty() && kept != findings.events {
        let stray = kept.abs_diff(findings.events);
        findings.breaks.push(format!("{stray} events belong to no chain"));
    }
    Ok(findings)
}

fn chain(
    store: &Embedded,
    subject: &Subject,
    head: &kunji_core::audit::Head,
) -> Result<Result<(), kunji_core::audit::ChainBreak>, StoreFault> {
    let mut check = ChainCheck::start(subject.clone());
    let mut broken = None;
    store.each_event(subject, &mut |encoded| {
        if broken.is_none() {
            broken = check.take(encoded).err();
        }
        Ok(())
    })?;
    Ok(match broken {
        Some(broken) => Err(broken),
        None => check.finish(head),
    })
}
