//! Walks over all rows of one instant, and fills an empty store.

use fjall::{Guard, Iter, PersistMode, Readable, Snapshot};
use kunji_core::audit::Subject;
use kunji_core::store::{Intake, Look, Row, Scope, StoreFault, Survey};

use super::{Embedded, FILLING, Spaces};
use crate::rows::{self, Filed};

/// Rows that one unsynced batch carries while the store is filled.
const FILL_LEN: usize = 4096;
const WORK: &str = "filling the store";

impl Survey for Embedded {
    fn survey(&self, scope: Scope<'_>, look: Look<'_>) -> Result<(), StoreFault> {
        let spaces = &*self.spaces;
        let instant = spaces.database.snapshot();
        let records = || filed(spaces.all(&instant, rows::RECORDS));
        match scope {
            Scope::Records => rows::show_chains(records(), std::iter::empty(), look),
            Scope::Chain(subject) => {
                let mut events = filed(spaces.all(&instant, &rows::event_prefix(subject)));
                events.try_for_each(|event| rows::show_event(event, look))
            }
            Scope::Chains | Scope::Everything => {
                rows::show_chains(records(), filed(spaces.all(&instant, rows::EVENTS)), look)?;
                let rest = match scope {
                    Scope::Everything => rows::REST,
                    Scope::Chains | Scope::Records | Scope::Chain(_) => &[],
                };
                for kind in rest {
                    for row in spaces.all(&instant, kind) {
                        let (key, value) = row.into_inner().map_err(StoreFault::of("walking"))?;
                        look(rows::parse_row(&key, &value)?)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn first_event(&self, subject: &Subject) -> Result<Option<Vec<u8>>, StoreFault> {
        let first = self.spaces.rows.prefix(rows::event_prefix(subject)).next();
        let read = StoreFault::of("reading the first event");
        first.map(|row| row.value().map(|bytes| bytes.to_vec())).transpose().map_err(read)
    }
}

impl Spaces {
    fn all(&self, instant: &Snapshot, prefix: &[u8]) -> Iter {
        instant.prefix(&self.rows, prefix)
    }
}

/// Records or events with the text of their subjects.
fn filed(rows: Iter) -> impl Iterator<Item = Filed> {
    rows.map(|row: Guard| {
        let (key, value) = row.into_inner().map_err(StoreFault::of("walking the chains"))?;
        Ok((rows::subject_of(&key).to_vec(), value.to_vec()))
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
            let (key, value) = rows::encode_row(&row)?;
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
