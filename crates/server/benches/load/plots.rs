//! Which plots are drawn of which figures.

use std::path::Path;

use crate::Mode;
use crate::ceilings::Ceilings;
use crate::plot::{Axis, Line, Plot, Scale};
use crate::report::{Row, count_of};
use crate::scale::Size;
use crate::who::Who;

const CONNECTIONS: Axis = Axis { label: "connections", scale: Scale::Log };
const ACCOUNTS: Axis = Axis { label: "accounts", scale: Scale::Log };
const PER_SECOND: Axis = Axis { label: "changes a second", scale: Scale::Even };

/// Throughput by connections, for each engine, beside its ceilings.
pub(crate) fn of_load(rows: &[Row], ceilings: &Ceilings, dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)?;
    let measured = |who, mode: Mode, name: &str| {
        let found = rows.iter().filter(|row| (row.who, row.mode) == (who, mode));
        let points = found.map(|row| (count_of(row.connections), row.per_second)).collect();
        Line { name: name.to_owned(), points, broken: false }
    };
    let alone = |who, name: &str| {
        let found = ceilings.all_of(who);
        let points = found.map(|(count, one)| (count_of(count), one.per_second)).collect();
        Line { name: name.to_owned(), points, broken: true }
    };
    let embedded = Plot {
        title: "Embedded: durable changes a second",
        x: CONNECTIONS,
        y: PER_SECOND,
        lines: vec![
            measured(Who::Embedded, Mode::Clear, "HTTP, clear digits"),
            measured(Who::Embedded, Mode::Ecdh, "HTTP, ECDH blocks"),
            measured(Who::Embedded, Mode::Rsa, "HTTP, RSA blocks"),
            alone(Who::Embedded, "store alone"),
        ],
    };
    let postgres = Plot {
        title: "PostgreSQL: durable changes a second",
        x: CONNECTIONS,
        y: PER_SECOND,
        lines: vec![
            measured(Who::Postgres, Mode::Clear, "HTTP, clear digits"),
            measured(Who::Postgres, Mode::Ecdh, "HTTP, ECDH blocks"),
            alone(Who::Postgres, "store alone"),
            alone(Who::Batched, "batched, alone"),
            alone(Who::Naive, "naive, alone"),
        ],
    };
    for (plot, name) in [(embedded, "embedded.svg"), (postgres, "postgres.svg")] {
        draw(plot, &dir.join(name))?;
    }
    Ok(())
}

/// What changes with the number of accounts.
pub(crate) fn of_scale(sizes: &[Size], dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)?;
    let line = |name: &str, value: &dyn Fn(&Size) -> Option<f64>| {
        let points = sizes.iter().filter_map(|size| Some((count_of(size.accounts), value(size)?)));
        Line { name: name.to_owned(), points: points.collect(), broken: false }
    };
    let of = |mode: Mode, value: fn(&Row) -> f64| {
        move |size: &Size| size.runs.iter().find(|row| row.mode == mode).map(value)
    };
    let plot = |title, y, lines| Plot { title, x: ACCOUNTS, y, lines };
    let milliseconds = Axis { label: "milliseconds", scale: Scale::Log };
    let latency = |title, mode| {
        plot(
            title,
            milliseconds,
            vec![
                line("p99.9", &of(mode, |row| row.p999_us / 1000.0)),
                line("p99", &of(mode, |row| row.p99_us / 1000.0)),
                line("p50", &of(mode, |row| row.p50_us / 1000.0)),
            ],
        )
    };
    let per_account = |bytes: f64, size: &Size| Some(bytes / count_of(size.accounts));
    for (plot, name) in [
        (latency("Latency of a change, clear digits, 64 connections", Mode::Clear), "latency"),
        (latency("Latency of a change, ECDH blocks, 64 connections", Mode::Ecdh), "latency-ecdh"),
        (
            plot(
                "Durable changes a second, 64 connections",
                PER_SECOND,
                vec![
                    line("clear digits", &of(Mode::Clear, |row| row.per_second)),
                    line("ECDH blocks", &of(Mode::Ecdh, |row| row.per_second)),
                ],
            ),
            "throughput",
        ),
        (
            plot(
                "Bytes for each account",
                Axis { label: "bytes", scale: Scale::Log },
                vec![
                    line("on disk", &|size| per_account(size.disk_bytes, size)),
                    line("in memory, open", &|size| {
                        per_account(size.resident_mib * 1_048_576.0, size)
                    }),
                    line("in memory, at most", &|size| {
                        per_account(size.peak_mib * 1_048_576.0, size)
                    }),
                ],
            ),
            "bytes",
        ),
        (
            plot(
                "From the start of the process to its first right answer",
                milliseconds,
                vec![
                    line("after kill -9 under load", &|size| Some(size.after_kill_ms)),
                    line("after a clean stop", &|size| Some(size.after_stop_ms)),
                    line("after the seed", &|size| Some(size.after_seed_ms)),
                ],
            ),
            "open",
        ),
    ] {
        draw(plot, &dir.join(format!("scale-{name}.svg")))?;
    }
    Ok(())
}

/// Draws what was measured of a plot; a plot of nothing is none.
fn draw(mut plot: Plot, path: &Path) -> anyhow::Result<()> {
    plot.lines.retain(|line| !line.points.is_empty());
    match plot.lines.is_empty() {
        true => Ok(()),
        false => plot.save(path),
    }
}
