//! What is said of a run: on the terminal, and as a row for docs/reliability.md.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::ground::Engine;
use crate::hand::Done;
use crate::history::{Entry, Violation};

/// Violations that are told; the rest is in the file.
const TOLD_MAX: usize = 3;

/// The figures of one run.
pub(crate) struct Figures {
    pub(crate) engine: Engine,
    pub(crate) seed: u64,
    pub(crate) rounds: u64,
    pub(crate) nights: u64,
    pub(crate) done: Done,
    pub(crate) answered: u64,
    pub(crate) resent: u64,
    pub(crate) never_learned: u64,
    pub(crate) repeats: u64,
    pub(crate) unknown: u64,
    pub(crate) events: u64,
    pub(crate) forged: u64,
    pub(crate) refused_writes: i64,
    pub(crate) delayed_syncs: i64,
    pub(crate) took: Duration,
}

/// The head of the table whose rows [`Figures::row`] makes.
pub(crate) const HEAD: &str = "\
| engine | seed | kills of servers | kills of PostgreSQL | stops | full disk | slow disk | operations answered | of those after being sent again | never learned | repeats compared | events retraced | forged histories refused | acknowledged effects lost | invented | minutes |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

impl Figures {
    /// A row of a table in Markdown, for a run without violations.
    pub(crate) fn row(&self) -> String {
        let Self { seed, done, answered, resent, never_learned, repeats, events, forged, .. } =
            self;
        let Done { server_kills, database_kills, stops, full, slow } = done;
        let (engine, minutes) = (self.engine.name(), self.took.as_secs_f64() / 60.0);
        format!(
            "| {engine} | {seed} | {server_kills} | {database_kills} | {stops} | {full} | {slow} | \
             {answered} | {resent} | {never_learned} | {repeats} | {events} | {forged} | 0 | 0 | {minutes:.1} |"
        )
    }

    pub(crate) fn text(&self) -> String {
        format!(
            "{}: {} rounds, {} nights, {} kills, {} operations answered ({} after being sent again; \
             {} answers said that the outcome is unknown), {} never learned, {} repeats compared, \
             {} events retraced, {} forged histories tried, {} writes refused, {} syncs delayed, {:.1} s",
            self.engine.name(),
            self.rounds,
            self.nights,
            self.done.kills(),
            self.answered,
            self.resent,
            self.unknown,
            self.never_learned,
            self.repeats,
            self.events,
            self.forged,
            self.refused_writes,
            self.delayed_syncs,
            self.took.as_secs_f64(),
        )
    }
}

/// Says a line.
pub(crate) fn tell(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// Says what is wrong, and writes the whole history into a file.
pub(crate) fn tell_violations(
    figures: &Figures,
    violations: &[Violation],
    history: &mut [Entry],
) -> anyhow::Result<()> {
    for violation in violations.iter().take(TOLD_MAX) {
        tell(&format!("VIOLATION ({:?}) {}", violation.kind, violation.story))?;
    }
    let name = format!("faults-{}-{}.history", figures.engine.name(), figures.seed);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    history.sort_unstable_by_key(|entry| entry.begun);
    let lines: Vec<String> = history.iter().map(Entry::line).collect();
    std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))?;
    std::fs::write(&path, lines.join("\n"))?;
    tell(&format!(
        "{} violations; seed {}; the whole history is in {}",
        violations.len(),
        figures.seed,
        path.display()
    ))
}
