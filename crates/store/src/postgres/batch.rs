//! Queued commits as the arguments of one call of `commit_batch`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kunji_core::audit::Head;
use kunji_core::store::StoreFault;
use tokio_postgres::Row;

use super::PostgresError;
use crate::entry::Entry;
use crate::rows;

/// The call; its arguments stand in [`Batch::arguments`] in this order.
pub(super) const CALL: &str = "SELECT commit_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
     $12, $13, $14, $15, $16, $17, $18)";

/// Commits of one subject of which each rests on the one before: written together or not at all.
struct Group {
    first: Head,
    last: Head,
    places: Vec<usize>,
}

/// Groups commits by subject. What does not continue its group, or uses a name of another, waits.
#[derive(Default)]
pub(super) struct Groups {
    groups: BTreeMap<Vec<u8>, Group>,
    names: HashSet<Vec<u8>>,
}

impl Groups {
    /// Takes the commit at this place of the batch, unless it must wait for the next one.
    pub(super) fn take(&mut self, place: usize, entry: &Entry) -> bool {
        let names = || entry.receipt.iter().map(|(name, _)| name).chain(&entry.spent);
        if names().any(|name| self.names.contains(name)) {
            return false;
        }
        match self.groups.get_mut(&entry.subject) {
            Some(group) if group.last != entry.expected => return false,
            Some(group) => {
                group.last = entry.record.head;
                group.places.push(place);
            }
            None => {
                let (first, last) = (entry.expected, entry.record.head);
                let group = Group { first, last, places: vec![place] };
                self.groups.insert(entry.subject.clone(), group);
            }
        }
        self.names.extend(names().cloned());
        true
    }

    /// Which places are written, from what the call answered.
    pub(super) fn written(&self, answer: &Row) -> Result<Vec<(usize, bool)>, PostgresError> {
        let written: Vec<bool> = answer.try_get(0)?;
        let groups = self.groups.values().zip(written);
        Ok(groups.flat_map(|(group, done)| group.places.iter().map(move |p| (*p, done))).collect())
    }
}

/// The arguments, column by column.
#[derive(Default)]
pub(super) struct Batch<'a> {
    pub(super) subjects: Vec<&'a str>,
    pub(super) befores: Vec<Vec<u8>>,
    pub(super) versions: Vec<i64>,
    pub(super) heads: Vec<Vec<u8>>,
    pub(super) records: Vec<&'a [u8]>,
    pub(super) event_of: Vec<i32>,
    pub(super) event_seqs: Vec<i64>,
    pub(super) event_rows: Vec<&'a [u8]>,
    pub(super) name_of: Vec<i32>,
    pub(super) names: Vec<&'a [u8]>,
    pub(super) name_rows: Vec<&'a [u8]>,
    pub(super) item_of: Vec<i32>,
    pub(super) item_keys: Vec<&'a [u8]>,
    pub(super) item_rows: Vec<&'a [u8]>,
    pub(super) fallen_of: Vec<i32>,
    pub(super) fallen_keys: Vec<&'a [u8]>,
}

impl<'a> Batch<'a> {
    /// Puts the groups into columns, subjects in order.
    pub(super) fn of(groups: &'a Groups, entries: &'a [Arc<Entry>]) -> Result<Self, StoreFault> {
        let mut batch = Self::default();
        for (place, (subject, group)) in (1_i32..).zip(&groups.groups) {
            batch.subjects.push(text(rows::subject_of(subject))?);
            batch.befores.push(group.first.hash.to_vec());
            batch.versions.push(signed(group.last.seq)?);
            batch.heads.push(group.last.hash.to_vec());
            let members = group.places.iter().filter_map(|member| entries.get(*member));
            let last = group.places.last().and_then(|member| entries.get(*member));
            let last = last.and_then(|entry| entry.rows.first());
            batch.records.push(last.map_or(&[][..], |(_, row)| row.as_slice()));
            for entry in members {
                batch.take(place, entry)?;
            }
        }
        Ok(batch)
    }

    /// The rows of one commit; its record stands first among them and is the group's affair.
    fn take(&mut self, place: i32, entry: &'a Entry) -> Result<(), StoreFault> {
        for (key, row) in entry.rows.iter().skip(1) {
            match rows::table(key)? {
                rows::Table::Event => {
                    self.event_of.push(place);
                    self.event_seqs.push(signed(entry.record.head.seq)?);
                    self.event_rows.push(row);
                }
                rows::Table::Used => {
                    self.name_of.push(place);
                    self.names.push(key);
                    self.name_rows.push(row);
                }
                rows::Table::Item => {
                    self.item_of.push(place);
                    self.item_keys.push(key);
                    self.item_rows.push(row);
                }
            }
        }
        for key in &entry.fallen {
            self.fallen_of.push(place);
            self.fallen_keys.push(key);
        }
        Ok(())
    }
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, StoreFault> {
    std::str::from_utf8(bytes).map_err(StoreFault::of("naming a subject"))
}

pub(super) fn signed(number: u64) -> Result<i64, StoreFault> {
    i64::try_from(number).map_err(StoreFault::of("numbering an event"))
}
