//! Whether the rows of a backup are a store: every chain whole, every row counted.

use kunji_vault::Vault;

use super::rows::{RowFormat, Tally};
use crate::audit::{ChainBreak, ChainCheck, Subject};
use crate::store::{Record, Row};

/// Most breaks that are told one by one.
pub const BREAKS_MAX: usize = 100;

/// Looks at rows as they come: chain after chain the events and then the record.
#[derive(Debug)]
pub struct RowsCheck<'a> {
    vault: &'a Vault,
    format: RowFormat,
    chain: Option<Chain>,
    /// The last chain that had a record, as it is ordered.
    last: Option<Vec<u8>>,
    findings: Findings,
}

#[derive(Debug)]
struct Chain {
    subject: Subject,
    check: ChainCheck,
    broken: Option<ChainBreak>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is there.
    pub tally: Tally,
    /// What is broken; at most [`BREAKS_MAX`] of it.
    pub breaks: Vec<String>,
}

impl Findings {
    /// Adds something that is broken.
    pub fn note(&mut self, broken: String) {
        if self.breaks.len() < BREAKS_MAX {
            self.breaks.push(broken);
        }
    }
}

impl<'a> RowsCheck<'a> {
    /// Before the first row of a backup with rows of this format.
    #[must_use]
    pub fn start(vault: &'a Vault, format: RowFormat) -> Self {
        Self { vault, format, chain: None, last: None, findings: Findings::default() }
    }

    /// Looks at the next row.
    pub fn take(&mut self, row: &Row) {
        self.findings.tally.count(row);
        match row {
            Row::Event(subject, encoded) => self.event(subject, encoded),
            Row::Record(subject, record) => self.record(subject, record),
            Row::Receipt(..)
            | Row::Spent(_)
            | Row::Message(_)
            | Row::Index(..)
            | Row::Errand(_) => {}
        }
    }

    /// Compares the end with the count that the backup closes with.
    #[must_use]
    pub fn finish(mut self, counted: &Tally) -> Findings {
        self.leave_chain();
        if self.findings.tally != *counted {
            self.findings.note("the rows are not those that were counted".to_owned());
        }
        if self.findings.tally.records == 0 {
            self.findings.note("the backup is empty: not even a start is recorded".to_owned());
        }
        self.findings
    }

    fn event(&mut self, subject: &Subject, encoded: &[u8]) {
        if self.chain.as_ref().is_none_or(|chain| chain.subject != *subject) {
            self.leave_chain();
        }
        let chain = self.chain.get_or_insert_with(|| Chain {
            subject: subject.clone(),
            check: ChainCheck::start(subject.clone()),
            broken: None,
        });
        if chain.broken.is_none() {
            chain.broken = chain.check.take(encoded).err();
        }
    }

    fn record(&mut self, subject: &Subject, record: &Record) {
        if self.chain.as_ref().is_some_and(|chain| chain.subject != *subject) {
            self.leave_chain();
        }
        let ended = match self.chain.take() {
            Some(Chain { broken: Some(broken), .. }) => Err(broken),
            Some(Chain { check, .. }) => check.finish(&record.head),
            None => ChainCheck::start(subject.clone()).finish(&record.head),
        };
        if let Err(broken) = ended {
            self.findings.note(format!("{subject}: {broken}"));
        }
        let order = self.format.order_of(self.vault, subject);
        if self.last.as_ref().is_some_and(|last| *last >= order) {
            self.findings.note(format!("{subject}: the record comes twice or out of order"));
        }
        self.last = Some(order);
    }

    /// Events whose record did not follow belong to no chain.
    fn leave_chain(&mut self) {
        if let Some(chain) = self.chain.take() {
            self.findings.note(format!("{}: events without a record", chain.subject));
        }
    }
}

#[cfg(test)]
mod tests {
    use kunji_vault::KeyRing;

    use super::*;
    use crate::audit::{Action, Event, Head};
    use crate::ids::{Caller, CredentialId, CredentialKind};
    use crate::time::Millis;

    fn vault() -> Vault {
        Vault::new(KeyRing::ephemeral().unwrap())
    }

    fn account(name: &str) -> Subject {
        Subject::Credential(CredentialId::parse(CredentialKind::Account, name).unwrap())
    }

    /// A chain of so many events, and its record.
    fn chain(subject: &Subject, len: u64) -> Vec<Row> {
        let mut head = Head::default();
        let mut rows = Vec::new();
        for seq in 1..=len {
            let event = Event {
                subject: subject.clone(),
                seq,
                at: Millis(0),
                caller: Caller::parse("tests").unwrap(),
                txn: None,
                action: Action::Verify,
                verdict: "done".to_owned(),
                detail: None,
                reason: None,
                after: None,
            };
            let encoded = event.encode().unwrap();
            head = head.after(&encoded);
            rows.push(Row::Event(subject.clone(), encoded));
        }
        rows.push(Row::Record(subject.clone(), Box::new(Record { head, ..Record::default() })));
        rows
    }

    #[track_caller]
    fn check(rows: &[Row], expected: &[&str]) {
        let vault = vault();
        let (mut check, mut tally) = (RowsCheck::start(&vault, RowFormat::Open), Tally::default());
        for row in rows {
            check.take(row);
            tally.count(row);
        }
        let findings = check.finish(&tally);
        assert_eq!(findings.breaks, expected);
        assert_eq!(findings.tally, tally);
    }

    fn both() -> Vec<Row> {
        [chain(&account("A"), 3), chain(&account("B"), 2)].concat()
    }

    #[test]
    fn whole_chains_hold() {
        check(&both(), &[]);
    }

    #[test]
    fn what_was_dropped_swapped_or_altered_shows() {
        let without = |place: usize| {
            let mut rows = both();
            rows.remove(place);
            rows
        };
        check(&without(0), &["account/A: event 1 is missing or out of place"]);
        check(&without(2), &["account/A: the chain ends at 2 but the record says 3"]);
        check(&without(3), &["account/A: events without a record"]);
        check(&without(6), &["account/B: events without a record"]);
        let mut swapped = both();
        swapped.swap(0, 1);
        check(&swapped, &["account/A: event 1 is missing or out of place"]);
        let mut altered = both();
        let Row::Event(_, bytes) = &mut altered[1] else { unreachable!("an event") };
        let last = bytes.len() - 1;
        bytes[last - 3] ^= 1;
        let vault = vault();
        let mut seen = RowsCheck::start(&vault, RowFormat::Open);
        altered.iter().for_each(|row| seen.take(row));
        assert_eq!(seen.finish(&Tally::default()).breaks.len(), 2);
        let twice = [chain(&account("A"), 1), chain(&account("A"), 1)].concat();
        check(&twice, &["account/A: the record comes twice or out of order"]);
        let alone = [Row::Record(account("A"), chain_record(2))];
        check(&alone, &["account/A: the chain ends at 0 but the record says 2"]);
        check(&[], &["the backup is empty: not even a start is recorded"]);
    }

    fn chain_record(len: u64) -> Box<Record> {
        match chain(&account("A"), len).pop() {
            Some(Row::Record(_, record)) => record,
            _ => unreachable!("the last row is the record"),
        }
    }

    #[test]
    fn chains_come_in_the_order_of_their_names() {
        let vault = vault();
        let mut names = ["A", "B", "C", "D"].map(account);
        names.sort_by_key(|subject| RowFormat::Sealed.order_of(&vault, subject));
        let mut check = RowsCheck::start(&vault, RowFormat::Sealed);
        let mut tally = Tally::default();
        for row in names.iter().flat_map(|subject| chain(subject, 1)) {
            check.take(&row);
            tally.count(&row);
        }
        assert_eq!(check.finish(&tally).breaks, [""; 0]);
        let mut check = RowsCheck::start(&vault, RowFormat::Sealed);
        names.iter().rev().flat_map(|subject| chain(subject, 1)).for_each(|row| check.take(&row));
        assert_eq!(check.finish(&tally).breaks.len(), 3);
    }

    #[test]
    fn rows_that_were_not_counted_show() {
        let vault = vault();
        let mut check = RowsCheck::start(&vault, RowFormat::Open);
        let rows = both();
        rows.iter().for_each(|row| check.take(row));
        let counted = Tally { events: 5, records: 2, receipts: 1, ..Tally::default() };
        assert_eq!(check.finish(&counted).breaks, ["the rows are not those that were counted"]);
    }

    #[test]
    fn breaks_are_told_up_to_a_limit() {
        let vault = vault();
        let mut check = RowsCheck::start(&vault, RowFormat::Open);
        for nth in 0..BREAKS_MAX + 50 {
            check.take(&Row::Record(account(&format!("A{nth:04}")), chain_record(1)));
        }
        assert_eq!(check.finish(&Tally::default()).breaks.len(), BREAKS_MAX);
    }
}
