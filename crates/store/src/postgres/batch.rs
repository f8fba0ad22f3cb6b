//! Queued commits as the arguments of one call of `commit_batch` or `commit_subject`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use deadpool_postgres::Client;
use kunji_core::audit::{ChainName, Head};
use kunji_core::store::StoreFault;
use tokio_postgres::types::ToSql;

use super::PostgresError;
use crate::entry::Entry;
use crate::rows;

/// Writes all groups; the fields of [`Batch`] in their order, behind the tag and `again`.
const CALL: &str = "SELECT commit_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
     $12, $13, $14, $15, $16, $17, $18)";
/// Writes one group.
const CALL_SUBJECT: &str =
    "SELECT commit_subject($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
/// What one group settled, wherever it lies.
const SETTLE: &str = "DELETE FROM item WHERE key = ANY ($1)";

/// Commits of one subject of which each rests on the one before: written together or not at all.
pub(super) struct Group {
    first: Head,
    last: Head,
    places: Vec<usize>,
}

/// Groups commits by subject. What does not continue its group, or uses a name of another, waits.
#[derive(Default)]
pub(super) struct Groups {
    groups: BTreeMap<ChainName, Group>,
    names: HashSet<Vec<u8>>,
}

impl Groups {
    /// Takes the commit at this place of the batch, unless it must wait for the next one.
    pub(super) fn take(&mut self, place: usize, entry: &Entry) -> bool {
        let names = || entry.receipt.iter().map(|(name, _)| name).chain(&entry.spent);
        if names().any(|name| self.names.contains(name)) {
            return false;
        }
        match self.groups.get_mut(&entry.chain) {
            Some(group) if group.last != entry.expected => return false,
            Some(group) => {
                group.last = entry.record.head;
                group.places.push(place);
            }
            None => {
                let (first, last) = (entry.expected, entry.record.head);
                let group = Group { first, last, places: vec![place] };
                self.groups.insert(entry.chain, group);
            }
        }
        self.names.extend(names().cloned());
        true
    }

    /// The groups, subjects in order.
    pub(super) fn each(&self) -> impl Iterator<Item = (&ChainName, &Group)> {
        self.groups.iter()
    }

    /// What became of each place, from what became of each group.
    pub(super) fn by_place<T: Clone>(&self, of_groups: Vec<T>) -> Vec<(usize, T)> {
        let groups = self.groups.values().zip(of_groups);
        let places = |(group, of): (&Group, T)| {
            group.places.iter().map(move |place| (*place, of.clone())).collect::<Vec<_>>()
        };
        groups.flat_map(places).collect()
    }
}

/// The arguments, column by column.
#[derive(Default)]
pub(super) struct Batch<'a> {
    subjects: Vec<&'a [u8]>,
    befores: Vec<Vec<u8>>,
    versions: Vec<i64>,
    heads: Vec<Vec<u8>>,
    records: Vec<&'a [u8]>,
    event_of: Vec<i32>,
    event_seqs: Vec<i64>,
    event_rows: Vec<&'a [u8]>,
    name_of: Vec<i32>,
    names: Vec<&'a [u8]>,
    name_rows: Vec<&'a [u8]>,
    item_of: Vec<i32>,
    item_keys: Vec<&'a [u8]>,
    item_rows: Vec<&'a [u8]>,
    fallen_of: Vec<i32>,
    fallen_keys: Vec<&'a [u8]>,
}

impl<'a> Batch<'a> {
    /// Puts groups into columns, in their order.
    pub(super) fn of(
        groups: impl Iterator<Item = (&'a ChainName, &'a Group)>,
        entries: &'a [Arc<Entry>],
    ) -> Result<Self, StoreFault> {
        let mut batch = Self::default();
        for (place, (chain, group)) in (1_i32..).zip(groups) {
            batch.subjects.push(&chain.0);
            batch.befores.push(group.first.hash.to_vec());
            batch.versions.push(signed(group.last.seq)?);
            batch.heads.push(group.last.hash.to_vec());
            let members = group.places.iter().filter_map(|member| entries.get(*member));
            let last = group.places.last().and_then(|member| entries.get(*member));
            let last = last.and_then(|entry| entry.rows.first());
            let sealed = last.and_then(|(_, row)| row.get(rows::HEAD_LEN..));
            batch.records.push(sealed.unwrap_or_default());
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

impl Batch<'_> {
    /// Writes the groups in one transaction; says of each whether it is written.
    pub(super) async fn write(
        &self,
        client: &Client,
        tag: i64,
        again: bool,
    ) -> Result<Vec<bool>, PostgresError> {
        let call = client.prepare_cached(CALL).await?;
        let values: [&(dyn ToSql + Sync); 18] = [
            &tag,
            &again,
            &self.subjects,
            &self.befores,
            &self.versions,
            &self.heads,
            &self.records,
            &self.event_of,
            &self.event_seqs,
            &self.event_rows,
            &self.name_of,
            &self.names,
            &self.name_rows,
            &self.item_of,
            &self.item_keys,
            &self.item_rows,
            &self.fallen_of,
            &self.fallen_keys,
        ];
        Ok(client.query_one(&call, &values).await?.try_get(0)?)
    }

    /// Writes a batch of one group where its subject lies; says whether it is written.
    pub(super) async fn write_subject(
        &self,
        client: &Client,
        tag: i64,
        again: bool,
    ) -> Result<bool, PostgresError> {
        let (Some(subject), Some(before), Some(version), Some(head), Some(record)) = (
            self.subjects.first(),
            self.befores.first(),
            self.versions.first(),
            self.heads.first(),
            self.records.first(),
        ) else {
            return Ok(false);
        };
        let call = client.prepare_cached(CALL_SUBJECT).await?;
        let values: [&(dyn ToSql + Sync); 13] = [
            subject,
            &tag,
            &again,
            before,
            version,
            head,
            record,
            &self.event_seqs,
            &self.event_rows,
            &self.names,
            &self.name_rows,
            &self.item_keys,
            &self.item_rows,
        ];
        Ok(client.query_one(&call, &values).await?.try_get(0)?)
    }

    /// Takes away what the batch settled, once it is written.
    pub(super) async fn settle(&self, client: &Client) -> Result<(), PostgresError> {
        if !self.fallen_keys.is_empty() {
            let settle = client.prepare_cached(SETTLE).await?;
            client.execute(&settle, &[&self.fallen_keys]).await?;
        }
        Ok(())
    }
}

pub(super) fn signed(number: u64) -> Result<i64, StoreFault> {
    i64::try_from(number).map_err(StoreFault::of("numbering an event"))
}
