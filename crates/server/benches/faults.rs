//! Faults: the real binary under random load, killed, starved and slowed, and a check of all it said.
//!
//! ```text
//! cargo bench -p kunji-server --bench faults -- --kills 200 --seed 7 --engine both
//! ```
//!
//! Clients speak several dialects to a sandbox as the operator starts it: one process over the
//! embedded store, or two over one PostgreSQL. A seed decides what they ask and which fault a
//! round meets; instants vary with the machine. What was heard is compared with a sequential model
//! (`model.rs`) in two ways: is there an order of the operations that explains it (`checker.rs`),
//! and does the audit tell the same story (`chains.rs`)? Three bugs on purpose must be found.

#[path = "faults/answers.rs"]
mod answers;
#[path = "faults/chains.rs"]
mod chains;
#[path = "faults/checker.rs"]
mod checker;
#[path = "faults/client.rs"]
mod client;
#[path = "faults/deeds.rs"]
mod deeds;
#[path = "faults/dice.rs"]
mod dice;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/forge.rs"]
mod forge;
#[path = "faults/forger.rs"]
mod forger;
#[path = "faults/ground.rs"]
mod ground;
#[path = "faults/hand.rs"]
mod hand;
#[path = "faults/history.rs"]
mod history;
#[path = "faults/line.rs"]
mod line;
#[path = "faults/model.rs"]
mod model;
#[path = "faults/net.rs"]
mod net;
#[path = "faults/people.rs"]
mod people;
#[path = "faults/plan.rs"]
mod plan;
#[path = "faults/plants.rs"]
mod plants;
#[path = "faults/report.rs"]
mod report;
#[path = "faults/run.rs"]
mod run;
#[path = "faults/wire.rs"]
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use self::ground::Engine;
use self::report::{tell, tell_violations};
use self::run::{Order, run};

/// Kills of a short run, for each engine.
const SMOKE_KILLS: u64 = 14;
/// Kills after which a planted bug must have been found.
const PLANTED_KILLS: u64 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engines {
    Embedded,
    Postgres,
    Both,
}

impl Engines {
    fn all(self) -> &'static [Engine] {
        match self {
            Self::Embedded => &[Engine::Embedded],
            Self::Postgres => &[Engine::Postgres],
            Self::Both => &[Engine::Embedded, Engine::Postgres],
        }
    }
}

#[derive(Debug, Parser)]
#[command(
    name = "faults",
    about = "Kills, starves and slows the real binary, and checks what it said"
)]
struct Options {
    /// Kills of each engine's run.
    #[arg(long, default_value_t = 200)]
    kills: u64,
    /// Decides what is asked and which faults are met; drawn from the clock without it.
    #[arg(long)]
    seed: Option<u64>,
    /// Which store.
    #[arg(long, value_enum, default_value = "both")]
    engine: Engines,
    /// A short run for each engine, and the planted bugs.
    #[arg(long)]
    smoke: bool,
    /// The binary with planted bugs, if it was built already.
    #[arg(long, value_name = "FILE")]
    planted: Option<PathBuf>,
    /// Only the planted bugs.
    #[arg(long)]
    plants: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let smoke = options.smoke || !options.bench;
    let kills = if smoke { SMOKE_KILLS } else { options.kills };
    let seed = match options.seed {
        Some(seed) => seed,
        None => std::time::UNIX_EPOCH.elapsed()?.as_secs() % 1_000_000,
    };
    let kunji = Path::new(env!("CARGO_BIN_EXE_kunji"));
    tell(&format!("seed {seed}: repeat it with --seed {seed} --kills {kills}"))?;
    let mut fine = true;
    let mut rows = Vec::new();
    for engine in options.engine.all().iter().filter(|_| !options.plants) {
        let binary = kunji.to_owned();
        let order = Order { engine: *engine, seed, kills, binary, plant: None };
        let mut outcome = run(&order)?;
        tell(&outcome.figures.text())?;
        if outcome.violations.is_empty() {
            rows.push(outcome.figures.row());
        } else {
            tell_violations(&outcome.figures, &outcome.violations, &mut outcome.history)?;
            fine = false;
        }
    }
    if smoke || options.plants {
        let planted = match &options.planted {
            Some(path) => path.clone(),
            None => plants::build(kunji)?,
        };
        for plant in plants::PLANTS {
            fine &= is_found(plant, &planted, seed)?;
        }
    }
    if !rows.is_empty() {
        tell(&format!("\n{}\n{}", report::HEAD, rows.join("\n")))?;
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lets a bug in, and says whether the checks find it.
fn is_found(plant: &'static str, planted: &Path, seed: u64) -> anyhow::Result<bool> {
    let (engine, kills) = (Engine::Embedded, PLANTED_KILLS);
    let order = Order { engine, seed, kills, binary: planted.to_owned(), plant: Some(plant) };
    let outcome = run(&order)?;
    let found = plants::is_found(&outcome.violations);
    let story = plants::story(&outcome.violations);
    let first = story.lines().take(3).collect::<Vec<_>>().join("\n  ");
    let verdict = if found { "was found, as it must be" } else { "was NOT FOUND" };
    tell(&format!("planted bug {plant} {verdict}:\n  {first}"))?;
    Ok(found)
}
