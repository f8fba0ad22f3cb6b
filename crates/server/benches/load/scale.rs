//! What changes as a store grows: filling it, what it takes, how fast it answers, how it opens.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::client::{Plan, drive};
use crate::machine::{self, Machine};
use crate::report::{Row, count_of, table};
use crate::server::{Home, Server};
use crate::traffic::{Accounts, Sealer};
use crate::who::Who;
use crate::{Mode, Options, Subject, plots, ready};

/// How long the server is under load before it is killed.
const BEFORE_KILL: Duration = Duration::from_secs(2);
/// Changes made ready for that load: more than it can take.
const CHANGES_BEFORE_KILL: usize = 60_000;
const SMOKE_CHANGES: usize = 2000;

/// What was found at one number of accounts.
#[derive(Debug, Serialize)]
pub(crate) struct Size {
    pub(crate) accounts: u64,
    fill_seconds: f64,
    /// After the fill, with nothing but the accounts.
    pub(crate) disk_bytes: f64,
    /// After the first answer.
    pub(crate) resident_mib: f64,
    /// The most under load.
    pub(crate) peak_mib: f64,
    /// From the start of the process to its first right answer.
    pub(crate) after_seed_ms: f64,
    pub(crate) after_stop_ms: f64,
    pub(crate) after_kill_ms: f64,
    pub(crate) runs: Vec<Row>,
}

/// Everything that one run found.
#[derive(Debug, Serialize)]
struct Report<'a> {
    machine: Machine,
    seconds: f64,
    smoke: bool,
    sizes: &'a [Size],
}

/// Measures each size, prints the tables, and writes and draws what is wanted.
pub(crate) fn measure(
    options: &Options,
    sizes: &[u64],
    machine: Machine,
    ground: &Path,
) -> anyhow::Result<()> {
    let mut found = Vec::with_capacity(sizes.len());
    for accounts in sizes {
        found.push(one(options, *accounts, ground)?);
    }
    let mut report =
        Report { machine, seconds: options.seconds, smoke: options.smoke, sizes: &found };
    report.machine.look_again();
    let mut out = std::io::stdout().lock();
    out.write_all(report.text()?.as_bytes())?;
    out.flush()?;
    if let Some(dir) = &options.plots {
        plots::of_scale(&found, dir)?;
    }
    if let Some(path) = options.json.as_deref().filter(|_| !options.smoke) {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}

fn one(options: &Options, number: u64, ground: &Path) -> anyhow::Result<Size> {
    let dir = ground.join(format!("scale-{number}"));
    let (core, binary) = (options.server_core(), options.binary());
    let home = Home { dir: dir.clone(), url: None, core, binary };
    let mut accounts = Accounts::new(number - 1);
    let filled = home.seed(number)?;
    let disk_bytes = count_of(machine::disk_bytes(&dir)?);
    let (server, after_seed) = first_answer(&home, &mut accounts)?;
    let resident = server.usage()?.process.resident_kib;
    let mut runs = Vec::new();
    for mode in options.only.iter().filter(|mode| matches!(mode, Mode::Clear | Mode::Ecdh)) {
        let sealer = Sealer::of(*mode, &server.jwks()?)?;
        let lanes = ready(&server, &sealer, &mut accounts, (options.most(), options))?;
        let subject = Subject { who: Who::Embedded, mode: *mode, database: None };
        runs.push(subject.run(options, &server, (&lanes, &mut accounts))?);
    }
    server.stop()?;
    let (mut server, after_stop) = first_answer(&home, &mut accounts)?;
    let peak = runs.iter().fold(0.0, |peak: f64, row| peak.max(row.peak_mib));
    kill_under_load(options, &mut server, &accounts)?;
    let (server, after_kill) = first_answer(&home, &mut accounts)?;
    server.stop()?;
    std::fs::remove_dir_all(&dir)?;
    let milliseconds = |took: Duration| took.as_secs_f64() * 1000.0;
    Ok(Size {
        accounts: number,
        fill_seconds: filled.as_secs_f64(),
        disk_bytes,
        resident_mib: count_of(resident) / 1024.0,
        peak_mib: peak,
        after_seed_ms: milliseconds(after_seed),
        after_stop_ms: milliseconds(after_stop),
        after_kill_ms: milliseconds(after_kill),
        runs,
    })
}

/// Starts the server, and has it change an account that no run meets.
fn first_answer(home: &Home, accounts: &mut Accounts) -> anyhow::Result<(Server, Duration)> {
    let lane = Sealer::Clear.once(accounts.spare())?;
    let begun = Instant::now();
    let server = Server::start(home)?;
    let started = begun.elapsed();
    let plan = Plan { duration: Duration::from_secs(5), rate: None };
    let run = drive(server.address(), &[lane], &plan)?;
    Ok((server, started + run.took))
}

/// Drives the server with all connections, and kills it in the middle.
fn kill_under_load(
    options: &Options,
    server: &mut Server,
    accounts: &Accounts,
) -> anyhow::Result<()> {
    let changes = if options.smoke { SMOKE_CHANGES } else { CHANGES_BEFORE_KILL };
    let lanes = Sealer::Clear.lanes(accounts, (options.most(), changes))?;
    let (address, until) = (server.address(), options.duration().min(BEFORE_KILL));
    let driving = std::thread::spawn(move || {
        drive(address, &lanes, &Plan { duration: until * 10, rate: None })
    });
    std::thread::sleep(until);
    server.kill9()?;
    // Whose answer did not come is none of this measurement.
    let ended = driving.join().map_err(|_| anyhow::anyhow!("the clients ended badly"))?;
    drop(ended);
    Ok(())
}

impl Report<'_> {
    fn text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        writeln!(text, "\nBy size{:>64}", "first answer, ms, after")?;
        write!(text, "  {:>10}{:>8}{:>10}{:>9}", "accounts", "fill s", "disk MiB", "B each")?;
        write!(text, "{:>9}{:>9}", "open MiB", "peak MiB")?;
        writeln!(text, "{:>9}{:>9}{:>9}", "seed", "stop", "kill -9")?;
        for size in self.sizes {
            let (disk, each) = (size.disk_bytes, size.disk_bytes / count_of(size.accounts));
            let (mib, accounts) = (disk / 1_048_576.0, size.accounts);
            write!(text, "  {accounts:>10}{:>8.1}{mib:>10.0}{each:>9.0}", size.fill_seconds)?;
            write!(text, "{:>9.0}{:>9.0}", size.resident_mib, size.peak_mib)?;
            let (seed, stop, kill) = (size.after_seed_ms, size.after_stop_ms, size.after_kill_ms);
            writeln!(text, "{seed:>9.0}{stop:>9.0}{kill:>9.0}")?;
        }
        for size in self.sizes {
            writeln!(text, "\nOver HTTP, {} accounts picked at random", size.accounts)?;
            text.push_str(&table(&size.runs)?);
        }
        writeln!(text, "\n{}", self.machine)?;
        if self.smoke {
            writeln!(text, "A smoke run: the figures mean nothing.")?;
        }
        Ok(text)
    }
}
