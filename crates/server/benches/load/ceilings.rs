//! What the parts of a change can do alone, each in a process of its own on the server's cores.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use kunji_testkit::Cluster;
use serde::{Deserialize, Serialize};

use crate::client::{Plan, drive};
use crate::machine;
use crate::report::{Report, count_of, micros};
use crate::server::Answering;
use crate::who::Who;
use crate::{Mode, Options, traffic};

/// A part that this executable can be, for one measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Answers every body with itself, behind the project's listener.
    Echo,
    /// Opens ECDH-ES blocks.
    Ecdh,
    /// Opens RSA-OAEP-256 blocks.
    Rsa,
    /// Loads and commits, without requests.
    Store,
    /// Appends to a file and syncs it.
    Disk,
    /// Changes as a specialist would write them for PostgreSQL, without requests.
    Batched,
    /// Changes in a transaction each, without requests.
    Naive,
    /// The former behind the project's listener.
    ServeBatched,
    /// The latter behind the project's listener.
    ServeNaive,
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Ecdh => "ecdh",
            Self::Rsa => "rsa",
            Self::Store => "store",
            Self::Disk => "disk",
            Self::Batched => "batched",
            Self::Naive => "naive",
            Self::ServeBatched => "serve-batched",
            Self::ServeNaive => "serve-naive",
        }
    }
}

/// What a part could do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ceiling {
    pub(crate) what: String,
    pub(crate) per_second: f64,
    /// CPU time of each, where it was measured.
    pub(crate) cpu_us: f64,
    /// How long each took.
    pub(crate) mean_us: f64,
    /// How many shared one write, where they do.
    pub(crate) per_batch: Option<f64>,
}

/// The ceilings of one run.
pub(crate) struct Ceilings {
    /// By connections: with the sample's body, with the body of two blocks.
    echo: Vec<(usize, [Ceiling; 2])>,
    store: Vec<(Who, usize, Ceiling)>,
    /// On one thread, on all cores of the server.
    ecdh: Option<[Ceiling; 2]>,
    rsa: Option<[Ceiling; 2]>,
    pub(crate) server_cores: usize,
    pub(crate) pinned: bool,
}

impl Ceilings {
    /// Measures all that the wanted modes are made of.
    pub(crate) fn measure(
        options: &Options,
        ground: &Path,
        database: Option<&Cluster>,
        report: &mut Report,
    ) -> anyhow::Result<Self> {
        let server_cores = if options.pin { 1 } else { machine::cores() };
        let live = options.only.iter().any(|mode| *mode != Mode::Scenario);
        let mut ceilings = Self {
            echo: vec![],
            store: vec![],
            ecdh: None,
            rsa: None,
            server_cores,
            pinned: options.pin,
        };
        let bodies = [traffic::sample_body().len(), traffic::sealed_len()?];
        for count in &options.connections {
            let [small, large] = bodies.map(|len| echo(options, *count, len));
            ceilings.echo.push((*count, [small?, large?]));
        }
        if live {
            for who in Who::all(options) {
                for count in who.callers(options) {
                    let dir = ground.join(format!("alone-{count}"));
                    let url = who.needs_database().then(|| ground_url(database));
                    let url = url.transpose()?;
                    let part = Measured { part: who.alone(), count, dir: &dir, url };
                    ceilings.store.push((who, count, part.be(options, options.seconds / 4.0)?));
                }
            }
            for size in [4096, 65536] {
                let dir = ground.join(format!("disk-{size}"));
                let part = Measured { part: Part::Disk, count: size, dir: &dir, url: None };
                report.ceiling(part.be(options, options.seconds / 4.0)?);
            }
        }
        let opens = |part: Part| {
            let alone = Measured { part, count: 1, dir: ground, url: None };
            let all = Measured { part, count: server_cores, dir: ground, url: None };
            let seconds = options.seconds / 4.0;
            anyhow::Ok([alone.be(options, seconds)?, all.be(options, seconds)?])
        };
        if options.only.contains(&Mode::Ecdh) {
            ceilings.ecdh = Some(opens(Part::Ecdh)?);
        }
        if options.only.contains(&Mode::Rsa) {
            ceilings.rsa = Some(opens(Part::Rsa)?);
        }
        let echo = ceilings.echo.iter().flat_map(|(_, sizes)| sizes);
        let store = ceilings.store.iter().map(|(_, _, ceiling)| ceiling);
        let opens = ceilings.ecdh.iter().chain(&ceilings.rsa).flatten();
        echo.chain(opens).chain(store).for_each(|ceiling| report.ceiling(ceiling.clone()));
        Ok(ceilings)
    }

    /// The echo of a mode's body at so many connections.
    pub(crate) fn echo(&self, mode: Mode, count: usize) -> Option<&Ceiling> {
        let (_, [small, large]) =
            self.echo.iter().find(|(connections, _)| *connections == count)?;
        match mode {
            Mode::Clear | Mode::Scenario => Some(small),
            Mode::Ecdh | Mode::Rsa => Some(large),
        }
    }

    /// The echo of a mode's body with the fewest others in front of it.
    pub(crate) fn quickest_echo(&self, mode: Mode) -> Option<&Ceiling> {
        let fewest = self.echo.iter().map(|(connections, _)| *connections).min()?;
        self.echo(mode, fewest)
    }

    /// Commits or changes of one kind of store alone, by so many callers.
    pub(crate) fn store(&self, who: Who, count: usize) -> Option<&Ceiling> {
        let found = self.store.iter().find(|(one, callers, _)| (*one, *callers) == (who, count));
        found.map(|(_, _, ceiling)| ceiling)
    }

    /// All that was measured of one kind of store alone, by callers.
    pub(crate) fn all_of(&self, who: Who) -> impl Iterator<Item = (usize, &Ceiling)> {
        let of = self.store.iter().filter(move |(one, _, _)| *one == who);
        of.map(|(_, callers, ceiling)| (*callers, ceiling))
    }

    /// Opening one block of a mode: on one thread, on all cores of the server.
    pub(crate) fn opens(&self, mode: Mode) -> Option<&[Ceiling; 2]> {
        match mode {
            Mode::Ecdh => self.ecdh.as_ref(),
            Mode::Rsa => self.rsa.as_ref(),
            Mode::Clear | Mode::Scenario => None,
        }
    }
}

/// A part that measures itself and prints what it came to.
struct Measured<'a> {
    part: Part,
    count: usize,
    dir: &'a Path,
    url: Option<String>,
}

impl Measured<'_> {
    fn be(&self, options: &Options, seconds: f64) -> anyhow::Result<Ceiling> {
        let mut command = part(self.part, options)?;
        command.args(["--seconds", &seconds.max(0.1).to_string()]);
        command.args(["--threads", &self.count.to_string()]).arg("--dir").arg(self.dir);
        command.args(self.url.iter().flat_map(|url| ["--url", url]));
        let output = command.output()?;
        let failed = || format!("{} alone: {}", self.part.as_str(), text(&output.stderr));
        anyhow::ensure!(output.status.success(), failed());
        serde_json::from_slice(&output.stdout).with_context(failed)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An empty database of its own.
fn ground_url(database: Option<&Cluster>) -> anyhow::Result<String> {
    Ok(database.context("there is no database")?.fresh())
}

pub(crate) fn part(part: Part, options: &Options) -> anyhow::Result<Command> {
    let mut command = machine::command(&std::env::current_exe()?, options.server_core());
    command.args(["--part", part.as_str()]);
    Ok(command)
}

/// Drives the echo as the server is driven.
fn echo(options: &Options, count: usize, len: usize) -> anyhow::Result<Ceiling> {
    let echo = Answering::start(part(Part::Echo, options)?)?;
    let lanes = vec![traffic::echo(len); count];
    let plan = |seconds| Plan { duration: Duration::from_secs_f64(seconds), rate: None };
    drive(echo.address(), &lanes, &plan(options.seconds / 20.0))?;
    let before = echo.usage()?;
    let run = drive(echo.address(), &lanes, &plan(options.seconds / 4.0))?;
    let cpu = echo.usage()?.cpu.saturating_sub(before.cpu);
    let answers = count_of(run.answers());
    Ok(Ceiling {
        what: format!("HTTP echo, {len} bytes, {count} connection(s)"),
        per_second: answers / run.took.as_secs_f64(),
        cpu_us: micros(cpu) / answers,
        mean_us: micros(run.mean()),
        per_batch: None,
    })
}
