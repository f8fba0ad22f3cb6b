//! Load: durable changes per second over HTTP, beside what their parts could do alone.
//!
//! ```text
//! cargo bench -p kunji-server --bench load -- [options; --help lists them]
//! ```
//!
//! A sandbox is started as the operator starts it, on the disk that holds the build. Clients on
//! keep-alive connections send change-MPIN requests that were made before the clock started, each
//! legal, fresh and under an id of its own; an answer other than success ends the run. The
//! ceilings come from the same machine in the same minutes: an HTTP echo behind the same
//! listener, PIN blocks opened by the vault alone, commits to the store alone, plain syncs of the
//! disk.

#[path = "load/ceilings.rs"]
mod ceilings;
#[path = "load/client.rs"]
mod client;
#[path = "load/machine.rs"]
mod machine;
#[path = "load/parts.rs"]
mod parts;
#[path = "load/report.rs"]
mod report;
#[path = "load/server.rs"]
mod server;
#[path = "load/traffic.rs"]
mod traffic;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use self::ceilings::{Ceilings, Part};
use self::client::{Lane, Plan, drive};
use self::machine::Machine;
use self::report::{Report, Row};
use self::server::Server;
use self::traffic::{Account, accounts};

/// Accounts that are changed in turn; each connection has its own.
const ACCOUNTS: usize = 256;
/// Changes made ready for a warm-up, whose rate then says how many the run needs.
const WARM_UP_CHANGES: usize = 3000;
const WARM_UP: Duration = Duration::from_millis(400);
const SMOKE_SECONDS: f64 = 0.3;
const SMOKE_CONNECTIONS: usize = 8;

/// What is asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Changes with PINs as clear digits.
    Clear,
    /// Changes with ECDH-ES blocks.
    Ecdh,
    /// Changes with RSA-OAEP-256 blocks.
    Rsa,
    /// The vendor's sample, answered by test id 1.
    Scenario,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Ecdh => "ecdh",
            Self::Rsa => "rsa",
            Self::Scenario => "scenario",
        }
    }
}

#[derive(Debug, Parser)]
#[command(name = "load", about = "Drives a sandbox over HTTP and measures its parts beside it")]
struct Options {
    /// How long each measurement lasts; a ceiling takes a quarter of it.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Open connections, one measurement each.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64")]
    connections: Vec<usize>,
    /// Only these.
    #[arg(long, value_delimiter = ',', value_enum, default_value = "clear,ecdh,rsa,scenario")]
    only: Vec<Mode>,
    /// Server on core 0, client on core 1.
    #[arg(long)]
    pin: bool,
    /// Send this many requests a second, whatever the answers do; latency from the intended time.
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<u32>,
    /// Also write the figures to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A short run of everything, to see that it works; the figures mean nothing.
    #[arg(long)]
    smoke: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be one part of a run.
    #[arg(long, hide = true, value_enum)]
    part: Option<Part>,
    #[arg(long, hide = true, default_value_t = 1)]
    threads: usize,
    #[arg(long, hide = true)]
    dir: Option<PathBuf>,
}

impl Options {
    /// Without cargo's own flag this is a test of all targets: then it is a smoke run as well.
    fn settled(mut self) -> anyhow::Result<Self> {
        let part = self.part.is_some();
        if self.smoke || !(self.bench || part) {
            self.smoke = true;
            self.seconds = SMOKE_SECONDS;
            self.connections = vec![SMOKE_CONNECTIONS];
        }
        let seconds = self.seconds.is_finite() && (0.05..=60.0).contains(&self.seconds);
        anyhow::ensure!(seconds, "--seconds must be 0.05 to 60: PIN blocks age");
        let connections = self.connections.iter().all(|count| (1..=ACCOUNTS).contains(count));
        let some = !self.connections.is_empty();
        anyhow::ensure!(connections && some, "--connections must be 1 to {ACCOUNTS} each");
        anyhow::ensure!(self.rate != Some(0), "--rate must not be 0");
        Ok(self)
    }

    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The core that the server and the ceilings run on, when they are pinned.
    fn server_core(&self) -> Option<u32> {
        self.pin.then_some(0)
    }

    fn plan(&self, duration: Duration) -> Plan {
        Plan { duration, rate: self.rate }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse().settled()?;
    if let Some(part) = options.part {
        parts::be(part, &options)?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.pin {
        machine::pin_self(1)?;
    }
    let ground = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(ground)?;
    let ground = tempfile::Builder::new().prefix("load-").tempdir_in(ground)?;
    let machine = Machine::look(ground.path());
    let mut report = Report::new(&options, machine);
    let ceilings = Ceilings::measure(&options, ground.path(), &mut report)?;
    for mode in &options.only {
        measure(*mode, &options, ground.path(), &ceilings, &mut report)
            .with_context(|| format!("the {} run failed", mode.as_str()))?;
    }
    report.finish(options.json.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// Measures one mode against a server and a store of its own.
fn measure(
    mode: Mode,
    options: &Options,
    ground: &Path,
    ceilings: &Ceilings,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut accounts = accounts(ACCOUNTS);
    let dir = ground.join(mode.as_str());
    let server = Server::start(&dir, &accounts, options.server_core())?;
    let sealer = traffic::Sealer::of(mode, &server.jwks()?)?;
    let most = options.connections.iter().copied().max().unwrap_or(SMOKE_CONNECTIONS);
    let connections = match mode {
        Mode::Scenario => vec![most],
        Mode::Clear | Mode::Ecdh | Mode::Rsa => options.connections.clone(),
    };
    for count in connections {
        let lanes = match mode {
            Mode::Scenario => {
                let lanes = vec![traffic::scenario(); count];
                drive(server.address(), &lanes, &Plan { duration: WARM_UP, rate: None })?;
                lanes
            }
            Mode::Clear | Mode::Ecdh | Mode::Rsa => {
                ready(&server, &sealer, &mut accounts, (count, options))?
            }
        };
        let before = server.usage()?;
        let run = drive(server.address(), &lanes, &options.plan(options.duration()))?;
        traffic::step(&mut accounts, &run.done);
        let used = server.usage()?.since(&before);
        report.add(Row::of(mode, count, &run, &used)?, ceilings);
    }
    Ok(())
}

/// Warms up, and makes as many requests as the run will need at that rate, and some more.
fn ready(
    server: &Server,
    sealer: &traffic::Sealer,
    accounts: &mut [Account],
    (count, options): (usize, &Options),
) -> anyhow::Result<Vec<Lane>> {
    let lanes = sealer.lanes(accounts, (count, WARM_UP_CHANGES))?;
    let warm = drive(server.address(), &lanes, &Plan { duration: WARM_UP, rate: None })?;
    traffic::step(accounts, &warm.done);
    let wanted = options.duration();
    let changes = match options.rate {
        Some(rate) => u128::from(rate) * wanted.as_nanos() / 1_000_000_000,
        None => {
            let answers = u128::try_from(warm.answers())?;
            answers * wanted.as_nanos() * 3 / 2 / warm.took.as_nanos().max(1)
        }
    };
    sealer.lanes(accounts, (count, usize::try_from(changes)?.max(count)))
}
