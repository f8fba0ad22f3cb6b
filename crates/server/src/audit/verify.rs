//! Checks every chain of a store in one walk, and compares it with checkpoints on the way.
//!
//! The walk shows chains in the order of their names, and so do checkpoints: each file is read along
//! once, and nothing is held of it but its next line (one of format 1 is put into this order first). A
//! head that was listed must lie on its chain, not at its end: others may have gone on from there.
//!
//! The rest of the store is walked as well, since every row must open where it lies.

use std::path::{Path, PathBuf};

use kunji_core::audit::{ChainBreak, ChainCheck, ChainName, Head, Subject};
use kunji_core::replay::{Replay, ReplayBreak};
use kunji_core::store::{AlteredRow, Record, Row, Scope, StoreFault, Survey};
use kunji_vault::Vault;

use super::checkpoint::{Format, Hash, Scope as Extent, store_name};
use super::reader::{Flaw, Proven, ReadError, Reader};

/// Breaks that are told one by one; further ones are counted.
pub const BREAKS_LEN_MAX: usize = 1000;

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Chains that have a record.
    pub chains: u64,
    /// Events of the chains that hold.
    pub events: u64,
    /// Heads of checkpoints that were compared.
    pub heads: u64,
    /// What does not hold.
    pub breaks: Vec<String>,
    /// How much more does not hold.
    pub more: u64,
}

impl Findings {
    /// Whether everything holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.breaks.is_empty()
    }

    /// Takes down a break.
    pub fn broken(&mut self, what: String) {
        match self.breaks.len() < BREAKS_LEN_MAX {
            true => self.breaks.push(what),
            false => self.more = self.more.saturating_add(1),
        }
    }
}

/// A checkpoint that was proven, and is compared now.
#[derive(Debug)]
pub struct Comparison {
    path: PathBuf,
    proven: Proven,
    heads: Heads,
    next: Option<Line>,
}

/// The heads of a file, in the order of their chains' names.
#[derive(Debug)]
enum Heads {
    /// The file has them in this order.
    Ordered(Box<Reader>),
    /// The file had them in another order, and was this one.
    Sorted(std::vec::IntoIter<Line>, Option<Hash>),
}

/// One head of a file.
#[derive(Debug)]
struct Line {
    chain: ChainName,
    /// What the file calls the chain.
    called: String,
    head: Head,
}

impl Comparison {
    /// Begins again at the first head of a file that was proven.
    ///
    /// # Errors
    /// `ReadError` when the file cannot be read any more.
    pub fn begin(path: &Path, proven: Proven, vault: &Vault) -> Result<Self, ReadError> {
        let mut reader = Reader::open(path)?;
        let mut heads = match reader.header().format {
            Format::Two => Heads::Ordered(Box::new(reader)),
            Format::One => {
                let mut lines = Vec::new();
                while let Some((called, head)) = reader.next_head()? {
                    let subject = Subject::parse(&called).map_err(|_| Flaw::Line(0))?;
                    lines.push(Line { chain: ChainName::of(vault, &subject), called, head });
                }
                lines.sort_unstable_by_key(|line| line.chain);
                Heads::Sorted(lines.into_iter(), reader.whole())
            }
        };
        let next = heads.next()?;
        Ok(Self { path: path.to_owned(), proven, heads, next })
    }

    /// What it lists of this chain; what it lists before it is not there.
    fn seek(
        &mut self,
        chain: ChainName,
        findings: &mut Findings,
    ) -> Result<Option<Head>, StoreFault> {
        self.miss_until(Some(chain), findings)?;
        match &self.next {
            Some(line) if line.chain == chain => {
                let head = line.head;
                self.advance(findings)?;
                Ok(Some(head))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Tells of each head before this chain, or of all that are left, that its chain is gone.
    fn miss_until(
        &mut self,
        chain: Option<ChainName>,
        findings: &mut Findings,
    ) -> Result<(), StoreFault> {
        while let Some(Line { chain: listed, called, head }) = &self.next
            && chain.is_none_or(|chain| *listed < chain)
        {
            let (path, seq) = (self.path.display(), head.seq);
            findings.broken(format!("{path}: {called}: all of {seq} listed events are gone"));
            self.advance(findings)?;
        }
        Ok(())
    }

    fn advance(&mut self, findings: &mut Findings) -> Result<(), StoreFault> {
        findings.heads = findings.heads.saturating_add(1);
        self.next = self.heads.next().map_err(StoreFault::of("reading a checkpoint"))?;
        Ok(())
    }

    /// Reads what is left, and makes sure that it was the file that had been proven.
    fn finish(&mut self, findings: &mut Findings) -> Result<(), StoreFault> {
        self.miss_until(None, findings)?;
        match self.heads.whole() == Some(self.proven.hash) {
            true => Ok(()),
            false => Err(StoreFault::of("reading a checkpoint")("somebody changed it meanwhile")),
        }
    }
}

impl Heads {
    fn next(&mut self) -> Result<Option<Line>, ReadError> {
        match self {
            Self::Sorted(lines, _) => Ok(lines.next()),
            Self::Ordered(reader) => match reader.next_head()? {
                Some((called, head)) => {
                    let chain = ChainName::parse(&called).map_err(|_| Flaw::Line(0))?;
                    Ok(Some(Line { chain, called: format!("chain {called}"), head }))
                }
                None => Ok(None),
            },
        }
    }

    fn whole(&self) -> Option<Hash> {
        match self {
            Self::Sorted(_, whole) => *whole,
            Self::Ordered(reader) => reader.whole(),
        }
    }
}

/// Checks all rows and all chains of a store, and all heads of the checkpoints.
///
/// # Errors
/// `StoreFault` when the store or a checkpoint cannot be read.
pub fn verify(
    (store, vault): (&impl Survey, &Vault),
    comparisons: Vec<Comparison>,
    findings: Findings,
) -> Result<Findings, StoreFault> {
    let mut walk = Walk { vault, chain: None, stray: 0, comparisons, findings };
    let name = store_name(store)?;
    walk.compare_with_store(name);
    walk.compare_links();
    walk.compare_extent();
    store.inspect(Scope::Everything, &mut |row| match row {
        Ok(row) => walk.take(row),
        Err(fault) => {
            walk.miss(&fault);
            Ok(())
        }
    })?;
    walk.close(None);
    let Walk { stray, mut comparisons, mut findings, .. } = walk;
    for comparison in &mut comparisons {
        comparison.finish(&mut findings)?;
    }
    if stray > 0 {
        findings.broken(format!("{stray} events belong to no chain"));
    }
    if findings.chains == 0 {
        findings.broken("the store is empty: not even a start is recorded".to_owned());
    }
    Ok(findings)
}

/// Where the walk stands.
struct Walk<'a> {
    vault: &'a Vault,
    chain: Option<Chain>,
    stray: u64,
    comparisons: Vec<Comparison>,
    findings: Findings,
}

/// The chain that the walk is on.
struct Chain {
    name: ChainName,
    subject: Subject,
    check: ChainCheck,
    replay: Replay,
    broken: Option<ChainBreak>,
    /// What does not follow, though the chain holds.
    strange: Option<ReplayBreak>,
    /// Whether one of its rows did not open, which is told already.
    missed: bool,
    events: u64,
    listed: Vec<Listed>,
}

/// What one checkpoint lists of the chain, and whether that was met.
struct Listed {
    path: PathBuf,
    head: Head,
    met: Option<bool>,
}

impl Walk<'_> {
    /// Takes down a row that does not open; of a chain that the walk is on it is known whose it is.
    fn miss(&mut self, fault: &StoreFault) {
        let row = fault.source.downcast_ref::<AlteredRow>();
        let is_ours = |chain: &&mut Chain| row.is_some_and(|row| row.name == chain.name);
        match self.chain.as_mut().filter(is_ours) {
            Some(chain) => {
                chain.missed = true;
                let subject = &chain.subject;
                self.findings.broken(format!("{subject}: {}", fault.source));
            }
            None => self.findings.broken(fault.source.to_string()),
        }
    }

    fn take(&mut self, row: Row) -> Result<(), StoreFault> {
        match row {
            Row::Event(subject, encoded) => {
                self.turn_to(subject)?.take(&encoded);
                Ok(())
            }
            Row::Record(subject, record) => {
                self.turn_to(subject)?;
                self.close(Some(&record));
                Ok(())
            }
            Row::Receipt(..)
            | Row::Spent(_)
            | Row::Message(_)
            | Row::Index(..)
            | Row::Errand(_) => Ok(()),
        }
    }

    fn turn_to(&mut self, subject: Subject) -> Result<&mut Chain, StoreFault> {
        if self.chain.as_ref().is_none_or(|chain| chain.subject != subject) {
            self.close(None);
            let name = ChainName::of(self.vault, &subject);
            let mut listed = Vec::new();
            for comparison in &mut self.comparisons {
                if let Some(head) = comparison.seek(name, &mut self.findings)? {
                    listed.push(Listed { path: comparison.path.clone(), head, met: None });
                }
            }
            let check = ChainCheck::start(subject.clone());
            self.chain = Some(Chain { listed, ..Chain::start(name, subject, check) });
        }
        self.chain.as_mut().ok_or_else(|| StoreFault::of("walking the chains")("there is none"))
    }

    /// Ends the chain that the walk is on, with what its record says, if it has one.
    fn close(&mut self, recorded: Option<&Record>) {
        let Some(chain) = self.chain.take() else { return };
        let Chain { subject, check, replay, broken, strange, missed, events, listed, .. } = chain;
        let holds_to = check.head().seq;
        let findings = &mut self.findings;
        match recorded {
            None if missed => {}
            None => self.stray = self.stray.saturating_add(events),
            Some(record) => {
                findings.chains = findings.chains.saturating_add(1);
                match broken.map_or_else(|| check.finish(&record.head), Err) {
                    Ok(()) => {
                        findings.events = findings.events.saturating_add(events);
                        let replayed = strange.map_or_else(|| replay.finish(record), Err);
                        if let Err(strange) = replayed {
                            findings.broken(format!("{subject}: {strange}"));
                        }
                    }
                    Err(broken) => findings.broken(format!("{subject}: {broken}")),
                }
            }
        }
        for Listed { path, head: Head { seq, .. }, met } in listed {
            let path = path.display();
            match met {
                Some(true) => {}
                Some(false) => {
                    findings
                        .broken(format!("{path}: {subject}: event {seq} is not the listed one"));
                }
                None => findings.broken(format!(
                    "{path}: {subject}: the chain holds to {holds_to} but {seq} events are listed"
                )),
            }
        }
    }

    fn compare_with_store(&mut self, name: Option<Hash>) {
        let others = self.comparisons.iter().filter(|one| Some(one.proven.header.store) != name);
        for Comparison { path, .. } in others {
            self.findings.broken(format!("{}: it is of another store", path.display()));
        }
    }

    /// Of two that follow each other in a series, the later one names the earlier one.
    fn compare_links(&mut self) {
        let mut given: Vec<_> =
            self.comparisons.iter().map(|one| (&one.proven, &one.path)).collect();
        given.sort_by(|(one, _), (other, _)| {
            let place = |proven: &Proven| (proven.header.series.clone(), proven.header.number);
            place(one).cmp(&place(other))
        });
        for ((before, _), (after, path)) in given.iter().zip(given.iter().skip(1)) {
            let follows = before.header.series == after.header.series
                && before.header.number.checked_add(1) == Some(after.header.number);
            if follows && after.header.previous != Some(before.hash) {
                let path = path.display();
                self.findings.broken(format!("{path}: it does not follow the one before it"));
            }
        }
    }
}

impl Walk<'_> {
    /// A list of changes proves little by itself: those before it must be given as well, back to one
    /// of all heads, or a later one of all.
    fn compare_extent(&mut self) {
        let given = || self.comparisons.iter().map(|one| &one.proven);
        let is_complete = |one: &Proven| {
            one.header.scope == Extent::All
                || given().any(|other| Some(other.hash) == one.header.previous)
                || given().any(|other| {
                    other.header.scope == Extent::All && other.header.at >= one.header.at
                })
        };
        let lone = self.comparisons.iter().filter(|one| !is_complete(&one.proven));
        let lone: Vec<_> = lone.map(|one| one.path.display().to_string()).collect();
        for path in lone {
            self.findings.broken(format!(
                "{path}: it lists changes only, and the checkpoint before it is not given"
            ));
        }
    }
}

impl Chain {
    fn start(name: ChainName, subject: Subject, check: ChainCheck) -> Self {
        let (replay, broken, strange) = (Replay::default(), None, None);
        let (missed, events, listed) = (false, 0, Vec::new());
        Self { name, subject, check, replay, broken, strange, missed, events, listed }
    }

    fn take(&mut self, encoded: &[u8]) {
        self.events = self.events.saturating_add(1);
        if self.broken.is_some() {
            return;
        }
        match self.check.take(encoded) {
            Err(broken) => self.broken = Some(broken),
            Ok(event) => {
                if self.strange.is_none() {
                    self.strange = self.replay.take(&event).err();
                }
                let head = self.check.head();
                for listed in self.listed.iter_mut().filter(|one| one.head.seq == head.seq) {
                    listed.met = Some(listed.head.hash == head.hash);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use kunji_core::time::Millis;
    use kunji_vault::CheckpointKeys;

    use super::*;
    use crate::audit::changed::Changes;
    use crate::audit::checkpoint::Occasion;
    use crate::audit::job::Job;
    use crate::audit::job::tests::{Small, started};

    /// Writes one of a series, and reads it back.
    fn write(engine: &Small, path: &Path, number: u64, previous: Option<Hash>) -> Comparison {
        let (series, occasion) = ("s".to_owned(), Occasion::Interval);
        let changes = &Changes::Unknown;
        let job = Job { series, number, previous, at: Millis(0), occasion, changes };
        job.write(&engine.store, &engine.vault, path, &AtomicBool::new(false)).unwrap();
        let keys = CheckpointKeys::from_jwks(&engine.vault.jwks()).unwrap();
        let proven = Reader::open(path).unwrap().prove(&keys).unwrap();
        Comparison::begin(path, proven, &engine.vault).unwrap()
    }

    #[tokio::test]
    async fn files_of_a_series_name_the_one_before() {
        let (engine, dir) = (started().await, tempfile::tempdir().unwrap());
        let path = |name: &str| dir.path().join(name);
        let proven = write(&engine, &path("1"), 1, None).proven;
        let hash = proven.hash;
        let first = || Comparison::begin(&path("1"), proven.clone(), &engine.vault).unwrap();
        let second = |name: &str, previous| {
            // No checkpoint takes the place of another one.
            let _ = std::fs::remove_file(path(name));
            write(&engine, &path(name), 2, previous)
        };
        let both = (&engine.store, &*engine.vault);
        let verify = |given| verify(both, given, Findings::default()).unwrap();
        let good = verify(vec![second("2", Some(hash)), first()]);
        assert_eq!((good.breaks.len(), good.chains, good.events, good.heads), (0, 1, 1, 2));
        for previous in [None, Some(Hash([7; 32]))] {
            let bad = verify(vec![first(), second("2", previous)]);
            let told = format!("{}: it does not follow the one before it", path("2").display());
            assert_eq!(bad.breaks, [told]);
        }
        // Who was not given the one before has nothing to compare.
        assert!(verify(vec![second("2", None)]).holds());
    }

    #[tokio::test]
    async fn a_file_that_changes_while_it_is_compared_is_a_fault() {
        let (engine, dir) = (started().await, tempfile::tempdir().unwrap());
        let path = dir.path().join("1");
        let proven = write(&engine, &path, 1, None).proven;
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("\"number\":1", "\"number\":2", 1)).unwrap();
        let swapped = Comparison::begin(&path, proven, &engine.vault).unwrap();
        let both = (&engine.store, &*engine.vault);
        let fault = verify(both, vec![swapped], Findings::default()).unwrap_err();
        assert!(fault.source.to_string().contains("changed it meanwhile"), "{fault:?}");
    }

    #[test]
    fn breaks_are_told_up_to_a_number_and_then_counted() {
        let mut findings = Findings::default();
        for nth in 0..BREAKS_LEN_MAX + 7 {
            findings.broken(nth.to_string());
        }
        assert_eq!((findings.breaks.len(), findings.more), (BREAKS_LEN_MAX, 7));
        assert!(!findings.holds());
    }
}
