//! The figures as a table and as JSON.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::ceilings::{Ceiling, Ceilings};
use crate::client::Run;
use crate::judged::Judged;
use crate::machine::{self, Machine};
use crate::server::Used;
use crate::who::Who;
use crate::{Mode, Options};

/// One measurement of the server.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) who: Who,
    pub(crate) mode: Mode,
    pub(crate) connections: usize,
    seconds: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    max_us: f64,
    /// CPU time of the server, of the database and of the client for each answer.
    pub(crate) server_us: f64,
    database_us: f64,
    client_us: f64,
    /// The part of all cores that these three used.
    pub(crate) busy: f64,
    /// Changes that one sync made durable.
    per_sync: Option<f64>,
    written_bytes: f64,
    pub(crate) peak_mib: f64,
    parts: Option<Parts>,
}

/// What the parts alone say about a measurement.
#[derive(Debug, Serialize)]
pub(crate) struct Parts {
    /// CPU time of the echo, the opened blocks and the commit together.
    cpu_us: f64,
    /// The measured CPU time over that.
    cpu_ratio: f64,
    /// Changes a second if they were all there is: by CPU, by waiting.
    by_cpu: f64,
    by_waiting: f64,
    /// The measured rate over the smaller of both.
    ratio: f64,
    /// For RSA: the blocks opened a second over what the cores could open.
    of_rsa: Option<f64>,
}

impl Row {
    pub(crate) fn of(
        (who, mode): (Who, Mode),
        run: &Run,
        used: &Used,
        database: Duration,
    ) -> anyhow::Result<Self> {
        let latencies = run.latencies()?;
        let at = |quantile| micros(Duration::from_nanos(latencies.value_at_quantile(quantile)));
        let answers = count_of(run.answers());
        let cpu = used.process.cpu + database + run.cpu;
        Ok(Self {
            who,
            mode,
            connections: run.done.len(),
            seconds: run.took.as_secs_f64(),
            per_second: answers / run.took.as_secs_f64(),
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: at(1.0),
            server_us: micros(used.process.cpu) / answers,
            database_us: micros(database) / answers,
            client_us: micros(run.cpu) / answers,
            busy: cpu.as_secs_f64() / run.took.as_secs_f64() / count_of(machine::cores()),
            per_sync: (used.batches > 0).then(|| count_of(used.commits) / count_of(used.batches)),
            written_bytes: count_of(used.process.written_bytes) / answers,
            peak_mib: count_of(used.process.peak_kib) / 1024.0,
            parts: None,
        })
    }

    /// Whether both were asked the same by as many.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (self.mode, self.connections) == (other.mode, other.connections)
    }

    /// Sums up the parts: what they cost, and what they would allow.
    fn parts(&self, ceilings: &Ceilings) -> Option<Parts> {
        let echo = ceilings.echo(self.mode, self.connections)?;
        let store = ceilings.store(self.who, self.connections);
        let opens = ceilings.opens(self.mode);
        let alone = ceilings.quickest_echo(self.mode)?;
        let (store_cpu, store_wait) = match (self.mode, store) {
            (Mode::Scenario, _) => (0.0, 0.0),
            (Mode::Clear | Mode::Ecdh | Mode::Rsa, found) => (found?.cpu_us, found?.mean_us),
        };
        let (open_cpu, open_wait) = match opens {
            Some([one, all]) => (2.0 * all.cpu_us, 2.0 * one.mean_us),
            None => (0.0, 0.0),
        };
        let cpu_us = echo.cpu_us + open_cpu + store_cpu;
        let cores = count_of(ceilings.server_cores);
        let shared = if ceilings.pinned { 0.0 } else { self.client_us };
        let by_cpu = cores * 1e6 / (cpu_us + shared);
        let by_waiting =
            count_of(self.connections) * 1e6 / (alone.mean_us + open_wait + store_wait);
        let of_rsa = match (self.mode, opens) {
            (Mode::Rsa, Some([_, all])) => Some(2.0 * self.per_second / all.per_second),
            (_, _) => None,
        };
        Some(Parts {
            cpu_us,
            cpu_ratio: self.server_us / cpu_us,
            by_cpu,
            by_waiting,
            ratio: self.per_second / by_cpu.min(by_waiting),
            of_rsa,
        })
    }
}

/// Everything that one run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    seconds: f64,
    pinned: bool,
    rate: Option<u32>,
    smoke: bool,
    ceilings: Vec<Ceiling>,
    rows: Vec<Row>,
    judged: Vec<Judged>,
}

impl Report {
    pub(crate) fn new(options: &Options, machine: Machine) -> Self {
        Self {
            machine,
            seconds: options.seconds,
            pinned: options.pin,
            rate: options.rate,
            smoke: options.smoke,
            ceilings: vec![],
            rows: vec![],
            judged: vec![],
        }
    }

    pub(crate) fn ceiling(&mut self, ceiling: Ceiling) {
        self.ceilings.push(ceiling);
    }

    pub(crate) fn add(&mut self, mut row: Row, ceilings: &Ceilings) {
        row.parts = row.parts(ceilings).filter(|_| self.rate.is_none() && row.who == Who::Embedded);
        self.rows.push(row);
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Prints the tables, and writes the JSON if it is wanted.
    pub(crate) fn finish(mut self, ceilings: &Ceilings, json: Option<&Path>) -> anyhow::Result<()> {
        self.machine.look_again();
        self.judged = Judged::all(&self.rows, ceilings);
        let mut out = std::io::stdout().lock();
        out.write_all(self.text()?.as_bytes())?;
        out.flush()?;
        if let Some(path) = json {
            std::fs::write(path, serde_json::to_vec_pretty(&self)?)?;
        }
        Ok(())
    }

    fn text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "\nParts alone{:>39}{:>10}{:>10}{:>11}",
            "a second", "cpu us", "us", "per sync"
        )?;
        for Ceiling { what, per_second, cpu_us, mean_us, per_batch } in &self.ceilings {
            let batch = optional(*per_batch, 1);
            writeln!(
                text,
                "  {what:<38}{per_second:>10.0}{cpu_us:>10.1}{mean_us:>10.1}{batch:>11}"
            )?;
        }
        let loop_ = match self.rate {
            None => "closed loop, latency corrected for coordinated omission".to_owned(),
            Some(rate) => format!("open loop at {rate} a second, latency from the intended time"),
        };
        writeln!(text, "\nThe server over HTTP: {loop_}")?;
        text.push_str(&table(&self.rows)?);
        self.write_parts(&mut text)?;
        text.push_str(&Judged::text(&self.judged)?);
        let pinned = if self.pinned { "Server on core 0, client on core 1. " } else { "" };
        writeln!(text, "\n{pinned}{}", self.machine)?;
        if self.smoke {
            writeln!(text, "A smoke run: the figures mean nothing.")?;
        }
        Ok(text)
    }

    fn write_parts(&self, text: &mut String) -> anyhow::Result<()> {
        if self.rows.iter().all(|row| row.parts.is_none()) {
            return Ok(());
        }
        writeln!(text, "\nBeside the sum of the parts (echo + 2 opens + commit)")?;
        writeln!(
            text,
            "  {:<9}{:>5}{:>10}{:>10}{:>10}{:>9}{:>9}{:>10}{:>9}",
            "",
            "conns",
            "by cpu",
            "by wait",
            "measured",
            "ratio",
            "parts us",
            "cpu ratio",
            "of RSA"
        )?;
        for row in &self.rows {
            let Some(parts) = &row.parts else { continue };
            writeln!(
                text,
                "  {:<9}{:>5}{:>10.0}{:>10.0}{:>10.0}{:>9.2}{:>9.1}{:>10.2}{:>9}",
                row.mode.as_str(),
                row.connections,
                parts.by_cpu,
                parts.by_waiting,
                row.per_second,
                parts.ratio,
                parts.cpu_us,
                parts.cpu_ratio,
                optional(parts.of_rsa, 2)
            )?;
        }
        writeln!(
            text,
            "  by cpu: what the cores could do{}",
            match self.pinned {
                true => "",
                false => " with this client beside it on them",
            }
        )?;
        Ok(writeln!(
            text,
            "  by wait: what so many callers could do if nothing queued but the commits"
        )?)
    }
}

/// The measurements, one a line.
pub(crate) fn table(rows: &[Row]) -> anyhow::Result<String> {
    let mut text = String::new();
    write!(text, "  {:<18}{:>5}{:>9}", "", "conns", "a second")?;
    for name in ["p50 us", "p99 us", "p99.9 us", "max us"] {
        write!(text, "{name:>9}")?;
    }
    for name in ["srv us", "db us", "cli us", "busy"] {
        write!(text, "{name:>7}")?;
    }
    writeln!(text, "{:>9}{:>7}{:>5}", "per sync", "B disk", "MiB")?;
    for row in rows {
        let name = format!("{} {}", row.who.as_str(), row.mode.as_str());
        write!(text, "  {name:<18}{:>5}{:>9.0}", row.connections, row.per_second)?;
        for latency in [row.p50_us, row.p99_us, row.p999_us, row.max_us] {
            write!(text, "{latency:>9.0}")?;
        }
        for cpu in [row.server_us, row.database_us, row.client_us] {
            write!(text, "{cpu:>7.0}")?;
        }
        let (busy, sync) = (100.0 * row.busy, optional(row.per_sync, 1));
        writeln!(text, "{busy:>5.0} %{sync:>9}{:>7.0}{:>5.0}", row.written_bytes, row.peak_mib)?;
    }
    Ok(text)
}

fn optional(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// A count to be divided; exact to 2^32, which no count here reaches but bytes.
pub(crate) fn count_of<N: TryInto<u64>>(count: N) -> f64 {
    let count = count.try_into().unwrap_or(u64::MAX);
    let [high, low] = [count >> 32, count & 0xffff_ffff];
    let part = |half: u64| f64::from(u32::try_from(half).unwrap_or(u32::MAX));
    part(high) * 4_294_967_296.0 + part(low)
}
