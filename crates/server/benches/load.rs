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
//! listener, PIN blocks opened by the vault alone, commits to the stores alone, plain syncs of the
//! disk; and for PostgreSQL what a specialist and what a beginner would write over the same tables.
//!
//! With `--scale` the sizes of the store are what differs: it is filled, opened, driven, stopped,
//! killed, and opened again. With `--against` another build is driven by turns with this one.

#[path = "load/against.rs"]
mod against;
#[path = "load/ceilings.rs"]
mod ceilings;
#[path = "load/client.rs"]
mod client;
#[path = "load/flame.rs"]
mod flame;
#[path = "load/handmade.rs"]
mod handmade;
#[path = "load/judged.rs"]
mod judged;
#[path = "load/machine.rs"]
mod machine;
#[path = "load/parts.rs"]
mod parts;
#[path = "load/plot.rs"]
mod plot;
#[path = "load/plots.rs"]
mod plots;
#[path = "load/report.rs"]
mod report;
#[path = "load/scale.rs"]
mod scale;
#[path = "load/server.rs"]
mod server;
#[path = "load/store.rs"]
mod store;
#[path = "load/traffic.rs"]
mod traffic;
#[path = "load/who.rs"]
mod who;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use kunji_server::seed::numbered::ACCOUNTS_MAX;
use kunji_testkit::Cluster;
use serde::Serialize;

use self::ceilings::{Ceilings, Part};
use self::client::{Lane, Plan, drive};
use self::flame::Sampling;
use self::machine::Machine;
use self::report::{Report, Row};
use self::server::{Home, Server};
use self::traffic::Accounts;
use self::who::{Engine, Who};

/// Accounts that are changed; each connection has its own.
const ACCOUNTS: u64 = 256;
/// Settings of PostgreSQL as somebody would make them who runs it on such a machine.
const POSTGRES: [&str; 3] = ["shared_buffers=1GB", "max_wal_size=4GB", "checkpoint_timeout=15min"];
/// Changes made ready for a warm-up, whose rate then says how many the run needs.
const WARM_UP_CHANGES: usize = 3000;
const WARM_UP: Duration = Duration::from_millis(400);
const SMOKE_SECONDS: f64 = 0.3;
const SMOKE_CONNECTIONS: usize = 8;
const SMOKE_SIZES: [u64; 2] = [300, 1000];

/// What is asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
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

    /// Whether accounts are changed.
    fn is_live(self) -> bool {
        match self {
            Self::Clear | Self::Ecdh | Self::Rsa => true,
            Self::Scenario => false,
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
    /// Over these engines; PostgreSQL is a private server, gone at the end.
    #[arg(long, value_delimiter = ',', value_enum, default_value = "embedded,postgres")]
    engine: Vec<Engine>,
    /// Measure what changes with the number of accounts, as 10000,1000000,10000000, in place of all
    /// else: on the embedded engine, with the most of the connections.
    #[arg(long, value_delimiter = ',', value_name = "ACCOUNTS")]
    scale: Vec<u64>,
    /// Server on core 0, client on core 1.
    #[arg(long)]
    pin: bool,
    /// Send this many requests a second, whatever the answers do; latency from the intended time.
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<u32>,
    /// Also write the figures to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draw the figures into this directory, as SVG.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Drive this build of kunji, as one with symbols in it.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Compare with this build of kunji, by turns, in place of all else: with the most of the
    /// connections.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Also sample the last run of each mode with perf, and draw a flame graph of the last one.
    #[arg(long, value_name = "FILE")]
    flame: Option<PathBuf>,
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
    #[arg(long, hide = true)]
    url: Option<String>,
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
        let sizes = self.scale.iter().all(|size| (ACCOUNTS..=ACCOUNTS_MAX).contains(size));
        anyhow::ensure!(sizes, "--scale must be {ACCOUNTS} to {ACCOUNTS_MAX} each");
        let seconds = self.seconds.is_finite() && (0.05..=60.0).contains(&self.seconds);
        anyhow::ensure!(seconds, "--seconds must be 0.05 to 60: PIN blocks age");
        let most = usize::try_from(ACCOUNTS / 2)?;
        let connections = self.connections.iter().all(|count| (1..=most).contains(count));
        let some = !self.connections.is_empty();
        anyhow::ensure!(connections && some, "--connections must be 1 to {most} each");
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

    /// The `kunji` that is driven.
    fn binary(&self) -> PathBuf {
        let built = Path::new(env!("CARGO_BIN_EXE_kunji"));
        self.binary.clone().unwrap_or_else(|| built.to_owned())
    }

    /// The most of the connections.
    fn most(&self) -> usize {
        self.connections.iter().copied().max().unwrap_or(SMOKE_CONNECTIONS)
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
    if !options.scale.is_empty() {
        scale::measure(&options, &options.scale, machine, ground.path())?;
        return Ok(ExitCode::SUCCESS);
    }
    let database = options.engine.contains(&Engine::Postgres);
    let database = database.then(|| Cluster::start_with(&POSTGRES));
    if let Some(other) = &options.against {
        against::measure(&options, other, machine, (ground.path(), database.as_ref()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut report = Report::new(&options, machine);
    let ceilings = Ceilings::measure(&options, ground.path(), database.as_ref(), &mut report)?;
    for who in Who::all(&options) {
        for mode in options.only.iter().filter(|mode| who.is_asked(**mode)) {
            let subject = Subject { who, mode: *mode, database: database.as_ref() };
            subject
                .measure(&options, ground.path(), (&ceilings, &mut report))
                .with_context(|| format!("the {} run of {} failed", mode.as_str(), who.as_str()))?;
        }
    }
    if let Some(dir) = &options.plots {
        plots::of_load(report.rows(), &ceilings, dir)?;
    }
    report.finish(&ceilings, options.json.as_deref())?;
    if options.smoke {
        let machine = Machine::look(ground.path());
        scale::measure(&options, &SMOKE_SIZES, machine.clone(), ground.path())?;
        let place = (ground.path(), database.as_ref());
        against::measure(&options, &options.binary(), machine, place)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Who is asked for what.
struct Subject<'a> {
    who: Who,
    mode: Mode,
    database: Option<&'a Cluster>,
}

impl Subject<'_> {
    /// Measures it against a server and a store of its own.
    fn measure(
        &self,
        options: &Options,
        ground: &Path,
        (ceilings, report): (&Ceilings, &mut Report),
    ) -> anyhow::Result<()> {
        let (who, mode) = (self.who, self.mode);
        let mut accounts = Accounts::new(ACCOUNTS);
        let server = self.start(options, ground, &options.binary())?;
        let sealer = traffic::Sealer::of(mode, &server.jwks()?)?;
        let connections = match (mode, who.is_ours()) {
            (Mode::Clear | Mode::Ecdh | Mode::Rsa, true) => options.connections.clone(),
            (Mode::Scenario, _) | (_, false) => vec![options.most()],
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
            let sampled = options.flame.as_deref().filter(|_| count == options.most());
            let sampling = sampled.map(|_| Sampling::of(server.process(), ground)).transpose()?;
            let row = self.run(options, &server, (&lanes, &mut accounts))?;
            report.add(row, ceilings);
            if let (Some(sampling), Some(path)) = (sampling, sampled) {
                let title = format!("{}, {} connections", mode.as_str(), count);
                sampling.draw(&title, path)?;
            }
        }
        Ok(())
    }

    fn start(&self, options: &Options, ground: &Path, binary: &Path) -> anyhow::Result<Server> {
        let core = options.server_core();
        let url = self.database.filter(|_| self.who.needs_database()).map(Cluster::fresh);
        let Some(part) = self.who.served() else {
            let name = format!("{}-{}", self.who.as_str(), self.mode.as_str());
            let home = Home { dir: ground.join(name), url, core, binary: binary.to_owned() };
            // One more than runs meet.
            home.seed(ACCOUNTS + 1)?;
            return Server::start(&home);
        };
        let mut command = ceilings::part(part, options)?;
        command.args(["--threads", &options.most().to_string(), "--url"]);
        command.arg(url.context("there is no database")?);
        Server::other(command)
    }

    /// Sends these requests to the server, and looks at what was used meanwhile.
    fn run(
        &self,
        options: &Options,
        server: &Server,
        (lanes, accounts): (&[Lane], &mut Accounts),
    ) -> anyhow::Result<Row> {
        let before = (server.usage()?, self.database_cpu()?);
        let run = drive(server.address(), lanes, &options.plan(options.duration()))?;
        accounts.step(&run.done)?;
        let used = server.usage()?.since(&before.0);
        let database = self.database_cpu()?.saturating_sub(before.1);
        Row::of((self.who, self.mode), &run, &used, database)
    }

    /// CPU time of the database's processes.
    fn database_cpu(&self) -> anyhow::Result<Duration> {
        match self.database.filter(|_| self.who.needs_database()) {
            Some(cluster) => machine::cpu_in(&cluster.folder().join("data")),
            None => Ok(Duration::ZERO),
        }
    }
}

/// Warms up, and makes as many requests as the run will need at that rate, and some more.
fn ready(
    server: &Server,
    sealer: &traffic::Sealer,
    accounts: &mut Accounts,
    (count, options): (usize, &Options),
) -> anyhow::Result<Vec<Lane>> {
    let lanes = sealer.lanes(accounts, (count, WARM_UP_CHANGES))?;
    let warm = drive(server.address(), &lanes, &Plan { duration: WARM_UP, rate: None })?;
    accounts.step(&warm.done)?;
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
