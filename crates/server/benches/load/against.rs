//! This build beside another one, by turns in one run: what a change costs.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use kunji_testkit::Cluster;
use serde::Serialize;

use crate::machine::Machine;
use crate::report::Row;
use crate::server::Server;
use crate::traffic::{Accounts, Sealer};
use crate::who::Who;
use crate::{ACCOUNTS, Mode, Options, Subject, ready};

/// How often each build has its turn; an odd number has a median.
const ROUNDS: usize = 15;

/// Both builds, by turns, in one mode over one engine.
#[derive(Debug, Serialize)]
struct Compared {
    who: Who,
    mode: Mode,
    /// This build and the other one, once a round.
    rounds: Vec<[Row; 2]>,
}

/// Everything that one run found.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    seconds: f64,
    smoke: bool,
    compared: Vec<Compared>,
}

/// Measures both, prints the table, and writes the JSON if it is wanted.
pub(crate) fn measure(
    options: &Options,
    other: &Path,
    machine: Machine,
    (ground, database): (&Path, Option<&Cluster>),
) -> anyhow::Result<()> {
    let mut compared = Vec::new();
    for who in Who::all(options).into_iter().filter(|who| who.is_ours()) {
        for mode in options.only.iter().filter(|mode| who.is_asked(**mode) && mode.is_live()) {
            let subject = Subject { who, mode: *mode, database };
            compared.push(one(options, &subject, other, ground)?);
        }
    }
    let smoke = options.smoke;
    let mut report = Report { machine, seconds: options.seconds, smoke, compared };
    report.machine.look_again();
    let mut out = std::io::stdout().lock();
    out.write_all(report.text()?.as_bytes())?;
    out.flush()?;
    if let Some(path) = options.json.as_deref().filter(|_| !smoke) {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}

fn one(
    options: &Options,
    subject: &Subject<'_>,
    other: &Path,
    ground: &Path,
) -> anyhow::Result<Compared> {
    let start = |binary: &Path, name: &str| {
        let ground = ground.join(name);
        std::fs::create_dir_all(&ground)?;
        Driven::of(subject.start(options, &ground, binary)?, subject)
    };
    let mut both = [start(&options.binary(), "this")?, start(other, "other")?];
    let mut rounds = Vec::new();
    for round in 0..if options.smoke { 1 } else { ROUNDS } {
        let [this, other] = &mut both;
        // Who goes first does not go first again.
        rounds.push(if round % 2 == 0 {
            let row = this.run(options, subject)?;
            [row, other.run(options, subject)?]
        } else {
            let row = other.run(options, subject)?;
            [this.run(options, subject)?, row]
        });
    }
    Ok(Compared { who: subject.who, mode: subject.mode, rounds })
}

/// A server with its accounts.
struct Driven {
    server: Server,
    sealer: Sealer,
    accounts: Accounts,
}

impl Driven {
    fn of(server: Server, subject: &Subject<'_>) -> anyhow::Result<Self> {
        let sealer = Sealer::of(subject.mode, &server.jwks()?)?;
        Ok(Self { server, sealer, accounts: Accounts::new(ACCOUNTS) })
    }

    fn run(&mut self, options: &Options, subject: &Subject<'_>) -> anyhow::Result<Row> {
        let Self { server, sealer, accounts } = self;
        let lanes = ready(server, sealer, accounts, (options.most(), options))?;
        subject.run(options, server, (&lanes, accounts))
    }
}

impl Report {
    fn text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "\nThis build beside the other one, by turns: medians\n\
             \n{:<16}{:>6}{:>10}{:>10}{:>8}{:>17}{:>10}{:>10}{:>8}",
            "",
            "conns",
            "this/s",
            "other/s",
            "ratio",
            "of all rounds",
            "this us",
            "other us",
            "ratio"
        )?;
        for Compared { who, mode, rounds } in &self.compared {
            let over = |value: fn(&[Row; 2]) -> f64| median(rounds.iter().map(value));
            let ratios = || rounds.iter().map(|[this, other]| this.per_second / other.per_second);
            let least = ratios().fold(f64::INFINITY, f64::min);
            let most = ratios().fold(0.0, f64::max);
            writeln!(
                text,
                "{:<16}{:>6}{:>10.0}{:>10.0}{:>8.3}{:>17}{:>10.1}{:>10.1}{:>8.3}",
                format!("{} {}", who.as_str(), mode.as_str()),
                rounds.first().map_or(0, |[this, _]| this.connections),
                over(|[this, _]| this.per_second),
                over(|[_, other]| other.per_second),
                median(ratios()),
                format!("{least:.3} to {most:.3}"),
                over(|[this, _]| this.server_us),
                over(|[_, other]| other.server_us),
                over(|[this, other]| this.server_us / other.server_us),
            )?;
        }
        Ok(text)
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
