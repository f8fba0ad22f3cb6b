//! What the figures come to: each measurement beside what it is judged by.

use std::fmt::Write as _;

use serde::Serialize;

use crate::ceilings::Ceilings;
use crate::report::Row;
use crate::who::Who;

/// One measurement over another of the same run.
#[derive(Debug, Serialize)]
pub(crate) struct Judged {
    what: String,
    beside: String,
    ratio: f64,
    /// The part of all cores that was used in the first one, where it was measured.
    busy: Option<f64>,
}

impl Judged {
    /// All comparisons that the rows and the ceilings of one run allow.
    pub(crate) fn all(rows: &[Row], ceilings: &Ceilings) -> Vec<Self> {
        let mut all = Vec::new();
        for row in rows.iter().filter(|row| row.who.is_ours() && row.mode.is_live()) {
            let name = format!("{} {}, {}", row.who.as_str(), row.mode.as_str(), row.connections);
            let beside = |beside: &str, per_second: f64| Self {
                what: name.clone(),
                beside: beside.to_owned(),
                ratio: row.per_second / per_second,
                busy: Some(row.busy),
            };
            if let Some(alone) = ceilings.store(row.who, row.connections) {
                all.push(beside("commits to its store alone", alone.per_second));
            }
            for other in rows.iter().filter(|other| other.is_like(row) && !other.who.is_ours()) {
                let design = format!("{} behind the same listener", other.who.as_str());
                all.extend((row.who == Who::Postgres).then(|| beside(&design, other.per_second)));
            }
        }
        let alone = |who| ceilings.all_of(who);
        for (callers, ours) in alone(Who::Postgres) {
            for other in [Who::Batched, Who::Naive] {
                let Some(theirs) = ceilings.store(other, callers) else { continue };
                all.push(Self {
                    what: format!("postgres store alone, {callers}"),
                    beside: format!("{} alone", other.as_str()),
                    ratio: ours.per_second / theirs.per_second,
                    busy: None,
                });
            }
        }
        all
    }

    /// The comparisons, one a line.
    pub(crate) fn text(all: &[Self]) -> anyhow::Result<String> {
        let mut text = String::new();
        if all.is_empty() {
            return Ok(text);
        }
        writeln!(text, "\nBeside what it is judged by{:>34}{:>10}", "ratio", "all cores")?;
        for Self { what, beside, ratio, busy } in all {
            let busy = busy.map_or_else(String::new, |busy| format!("{:.0} % busy", 100.0 * busy));
            writeln!(text, "  {what:<26} / {beside:<34}{ratio:>6.2}{busy:>12}")?;
        }
        Ok(text)
    }
}
