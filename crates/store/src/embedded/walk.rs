//! Walks over all rows of one instant, and fills an empty store.

use std::collections::BTreeMap;

use fjall::{Guard, Iter, PersistMode, Readable};
use kunji_core::audit::Subject;
use kunji_core::store::{Inspect, Intake, Row, Scope, StoreFault, Survey};

use super::{Embedded, FILLING, Spaces};
use crate::rows::{self, Filed};

/// Rows that one unsynced batch carries while the store is filled.
const FILL_LEN: usize = 4096;
const WORK: &str = "filling the store";

impl Survey for Embedded {
    fn inspect(&self, scope: Scope<'_>, look: Inspect<'_>) -> Result<(), StoreFault> {
        let instant = self.spaces.database.snapshot();
        let all = |prefix: &[u8]| filed(instant.prefix(&self.spaces.rows, prefix));
        match scope {
            Scope::Records => self.rows.show_chains(all(rows::RECORDS), std::iter::empty(), look),
            Scope::Chain(subject) => {
                let events = all(&rows::event_prefix(&self.rows.chain(subject)));
                self.rows.show_chain(subject, events, look)
            }
            Scope::Chains => self.rows.show_chains(all(rows::RECORDS), all(rows::EVENTS), look),
            Scope::Everything => {
                self.rows.show_chains(all(rows::RECORDS), all(rows::EVENTS), look)?;
                let mut rest = rows::REST.iter().flat_map(|kind| all(kind));
                rest.try_for_each(|row| {
                    let (key, value) = row?;
                    look(self.rows.parse_row(&key, &value))
                })
            }
        }
    }

    fn first_event(&self, subject: &Subject) -> Result<Option<Vec<u8>>, StoreFault> {
        let prefix = rows::event_prefix(&self.rows.chain(subject));
        let Some(first) = self.spaces.rows.prefix(prefix).next() else { return Ok(None) };
        let read = StoreFault::of("reading the first event");
        let (key, row) = first.into_inner().map_err(read)?;
        self.rows.open_event(&key, &row).map(Some)
    }

    fn sealed_under(&self) -> Result<BTreeMap<u32, u64>, StoreFault> {
        let instant = self.spaces.database.snapshot();
        let kinds = [rows::RECORDS, rows::EVENTS].into_iter().chain(rows::REST.iter().copied());
        rows::sealed_under(kinds.flat_map(|kind| filed(instant.prefix(&self.spaces.rows, kind))))
    }
}

/// Rows with their keys.
fn filed(rows: Iter) -> impl Iterator<Item = Filed> {
    rows.map(|row: Guard| {
        let (key, value) = row.into_inner().map_err(StoreFault::of("walking the store"))?;
        Ok((key.to_vec(), value.to_vec()))
    })
}

impl Intake for Embedded {
    fn fill(
        &self,
        next: &mut dyn FnMut() -> Result<Option<Row>, StoreFault>,
    ) -> Result<u64, StoreFault> {
        if !self.is_empty()? {
            return Err(StoreFault::of(WORK)("it is not empty"));
        }
        let Spaces { database, meta, rows } = &*self.spaces;
        meta.insert(FILLING, []).map_err(StoreFault::of(WORK))?;
        database.persist(PersistMode::SyncAll).map_err(StoreFault::of(WORK))?;
        let (mut count, mut last, mut batch) = (0_u64, Vec::new(), database.batch());
        // What comes in the order of its keys goes straight into tables. The rest takes the way of
        // commits; the end of the ingestion writes it out of the journals into tables as well.
        let mut ordered = rows.start_ingestion().map_err(StoreFault::of(WORK))?;
        while let Some(row) = next()? {
            let (key, value) = self.rows.encode_row(&row)?;
            count = count.saturating_add(1);
            if key > last {
                last.clone_from(&key);
                ordered.write(key, value).map_err(StoreFault::of(WORK))?;
                continue;
            }
            batch.insert(rows, key, value);
            if batch.len() >= FILL_LEN {
                batch.commit().map_err(StoreFault::of(WORK))?;
                batch = database.batch();
            }
        }
        batch.commit().map_err(StoreFault::of(WORK))?;
        ordered.finish().map_err(StoreFault::of(WORK))?;
        // First the rows, then the word that they are there.
        database.persist(PersistMode::SyncAll).map_err(StoreFault::of(WORK))?;
        meta.remove(FILLING).map_err(StoreFault::of(WORK))?;
        database.persist(PersistMode::SyncAll).map_err(StoreFault::of(WORK))?;
        Ok(count)
    }
}
