//! Walks over all rows of one instant, and fills an empty store.
//!
//! Both block their caller; the database is talked to on a thread with a runtime of its own, so that
//! it does not matter where the caller stands.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use deadpool_postgres::Transaction;
use kunji_core::audit::{ChainName, Head, Subject};
use kunji_core::ids::Caller;
use kunji_core::store::{Inspect, Intake, Row, Scope, StoreFault, Survey};

use super::batch::signed;
use super::connect::{PostgresPlace, pool};
use super::{FIRST, Postgres, PostgresError};
use crate::rows::{self, Filed, HEAD_LEN, Rows, Table};

/// Rows that one fetch brings, and that one insert carries.
const PAGE_LEN: usize = 2000;
const WALK: &str = "walking the database";
const FILL: &str = "filling the database";

const CURSORS: &str = "DECLARE records NO SCROLL CURSOR FOR \
         SELECT 'r'::bytea || subject, int8send(version) || head || row FROM record \
         ORDER BY subject; \
     DECLARE events NO SCROLL CURSOR FOR \
         SELECT 'e'::bytea || subject || int8send(seq), row FROM event ORDER BY subject, seq; \
     DECLARE names NO SCROLL CURSOR FOR SELECT name, row FROM used ORDER BY name; \
     DECLARE items NO SCROLL CURSOR FOR SELECT key, row FROM item ORDER BY key";

/// The records of a schema whose rows are not sealed.
const OPEN_RECORDS: &str = "DECLARE records NO SCROLL CURSOR FOR \
    SELECT convert_to(subject, 'UTF8'), row FROM record ORDER BY subject";

type Page = Result<Vec<(Vec<u8>, Vec<u8>)>, StoreFault>;

/// A cursor's name, and where its next page goes.
type Wish = (&'static str, SyncSender<Page>);

impl Survey for Postgres {
    fn inspect(&self, scope: Scope<'_>, look: Inspect<'_>) -> Result<(), StoreFault> {
        let rows = &self.rows;
        let look = |pages: &dyn Fn(&'static str) -> Pages| match scope {
            Scope::Records => rows.show_chains(pages("records"), std::iter::empty(), look),
            Scope::Chain(subject) => rows.show_chain(subject, pages("events"), look),
            Scope::Chains => rows.show_chains(pages("records"), pages("events"), look),
            Scope::Everything => {
                rows.show_chains(pages("records"), pages("events"), look)?;
                pages("names").chain(pages("items")).try_for_each(|row| {
                    let (key, value) = row?;
                    look(rows.parse_row(&key, &value))
                })
            }
        };
        let declared = match scope {
            Scope::Chain(subject) => Declared::Chain(rows.chain(subject)),
            Scope::Everything | Scope::Chains | Scope::Records => Declared::All(CURSORS),
        };
        self.pages(declared, look)
    }

    fn first_event(&self, subject: &Subject) -> Result<Option<Vec<u8>>, StoreFault> {
        let chain = self.rows.chain(subject);
        let first = apart(async || {
            let pool = pool(&self.place, 1)?;
            let client = pool.get().await?;
            match client.query_opt(FIRST, &[&&chain.0[..]]).await? {
                Some(row) => Ok(Some((row.try_get(0)?, row.try_get(1)?))),
                None => Ok(None),
            }
        });
        let first: Option<(i64, Vec<u8>)> = first.map_err(StoreFault::of(WALK))?;
        let open = |(seq, row): (i64, Vec<u8>)| {
            let key = rows::event_key(&chain, u64::try_from(seq).map_err(StoreFault::of(WALK))?);
            self.rows.open_event(&key, &row)
        };
        first.map(open).transpose()
    }

    fn sealed_under(&self) -> Result<BTreeMap<u32, u64>, StoreFault> {
        let mut counted = BTreeMap::new();
        self.pages(Declared::All(CURSORS), |pages| {
            let cursors = ["records", "events", "names", "items"];
            counted = rows::sealed_under(cursors.into_iter().flat_map(pages))?;
            Ok(())
        })?;
        Ok(counted)
    }
}

/// What is walked over.
enum Declared {
    /// These cursors.
    All(&'static str),
    /// One chain.
    Chain(ChainName),
}

impl Postgres {
    /// Shows the records of a schema whose rows are not sealed, in the order of their subjects' texts.
    pub(super) fn each_open_record(
        &self,
        look: &mut dyn FnMut((Vec<u8>, Vec<u8>)) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        self.pages(Declared::All(OPEN_RECORDS), |pages| {
            pages("records").try_for_each(|record| look(record?))
        })
    }

    /// Does work with pages of one instant.
    fn pages(
        &self,
        declared: Declared,
        work: impl FnOnce(&dyn Fn(&'static str) -> Pages) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        let (wishes, wished) = sync_channel(1);
        std::thread::scope(|threads| {
            threads.spawn(move || fetch(&self.place, &declared, &wished));
            let pages = |cursor| Pages {
                cursor,
                wishes: wishes.clone(),
                page: Vec::new().into_iter(),
                ended: false,
            };
            let walked = work(&pages);
            drop(wishes);
            walked
        })
    }
}

/// The rows of one cursor, page after page.
struct Pages {
    cursor: &'static str,
    wishes: SyncSender<Wish>,
    page: std::vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    ended: bool,
}

impl Pages {
    fn turn(&self) -> Page {
        let gone = || StoreFault::of(WALK)("the walk has ended early");
        let (answer, answered) = sync_channel(1);
        self.wishes.send((self.cursor, answer)).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}

impl Iterator for Pages {
    type Item = Filed;

    fn next(&mut self) -> Option<Filed> {
        if self.page.len() == 0 && !self.ended {
            match self.turn() {
                Ok(page) => {
                    self.ended = page.is_empty();
                    self.page = page.into_iter();
                }
                Err(fault) => {
                    self.ended = true;
                    return Some(Err(fault));
                }
            }
        }
        self.page.next().map(Ok)
    }
}

/// Serves pages of one instant until nobody wishes any.
fn fetch(place: &PostgresPlace, declared: &Declared, wished: &Receiver<Wish>) {
    let fetched = apart_here(async || {
        let pool = pool(place, 1)?;
        let mut client = pool.get().await?;
        let instant = client
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        // Whole tables are read here, and as long as it takes.
        instant
            .batch_execute(
                "SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on; \
             SET LOCAL idle_in_transaction_session_timeout = 0",
            )
            .await?;
        match declared {
            Declared::All(cursors) => instant.batch_execute(cursors).await?,
            Declared::Chain(chain) => {
                let declare = "DECLARE events NO SCROLL CURSOR FOR SELECT 'e'::bytea || subject || \
                     int8send(seq), row FROM event WHERE subject = $1 ORDER BY seq";
                instant.execute(declare, &[&&chain.0[..]]).await?;
            }
        }
        while let Ok((cursor, answer)) = wished.recv() {
            // Who does not wait any more has met a fault of its own.
            let _ = answer.send(Ok(page(&instant, cursor).await?));
        }
        Ok(())
    });
    if let Err(fault) = fetched
        && let Ok((_, answer)) = wished.recv()
    {
        let _ = answer.send(Err(StoreFault::of(WALK)(fault)));
    }
}

async fn page(
    instant: &Transaction<'_>,
    cursor: &str,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>, PostgresError> {
    let found = instant.query(&format!("FETCH {PAGE_LEN} FROM {cursor}"), &[]).await?;
    let pair = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    found.iter().map(pair).collect()
}

impl Postgres {
    /// Whether nobody was ever seeded or created here.
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read.
    pub fn is_empty(&self) -> Result<bool, StoreFault> {
        let there = apart(async || {
            let pool = pool(&self.place, 1)?;
            is_empty(&pool.get().await?).await
        });
        there.map_err(StoreFault::of(WALK))
    }
}

/// Does async work on a thread of its own, so that it can be waited for anywhere.
pub(super) fn apart<T: Send>(
    work: impl AsyncFnOnce() -> Result<T, PostgresError> + Send,
) -> Result<T, PostgresError> {
    let done = std::thread::scope(|threads| threads.spawn(|| apart_here(work)).join());
    done.map_err(|_| PostgresError::Threads)?
}

pub(super) fn apart_here<T>(
    work: impl AsyncFnOnce() -> Result<T, PostgresError>,
) -> Result<T, PostgresError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|_| PostgresError::Threads)?.block_on(work())
}

impl Intake for Postgres {
    fn fill(
        &self,
        next: &mut dyn FnMut() -> Result<Option<Row>, StoreFault>,
    ) -> Result<u64, StoreFault> {
        let (pages, filled) = sync_channel::<Columns>(2);
        std::thread::scope(|threads| {
            let writing = threads.spawn(move || {
                apart_here(async || {
                    let pool = pool(&self.place, 1)?;
                    let mut client = pool.get().await?;
                    begin(&client).await?;
                    while let Ok(columns) = filled.recv() {
                        let work = client.transaction().await?;
                        columns.insert(&work).await?;
                        work.commit().await?;
                    }
                    Ok(())
                })
            });
            let count = read_all(next, &self.rows, &pages);
            drop(pages);
            let written =
                writing.join().map_err(|_| StoreFault::of(FILL)("the thread panicked"))?;
            written.map_err(StoreFault::of(FILL))?;
            let count = count?;
            apart(async || {
                let pool = super::connect::pool(&self.place, 1)?;
                let client = pool.get().await?;
                client.batch_execute("SET statement_timeout = 0").await?;
                for table in ["record", "event", "used", "item"] {
                    // Plans know the rows from the first request on. What is empty is not looked
                    // at: it would be planned for as if it stayed so.
                    let some = format!("SELECT EXISTS (SELECT 1 FROM {table})");
                    if client.query_one(&some, &[]).await?.try_get(0)? {
                        client.batch_execute(&format!("ANALYZE {table}")).await?;
                    }
                }
                client.execute("DELETE FROM meta WHERE name = 'filling'", &[]).await?;
                Ok(())
            })
            .map_err(StoreFault::of(FILL))?;
            Ok(count)
        })
    }
}

async fn is_empty(client: &deadpool_postgres::Client) -> Result<bool, PostgresError> {
    let none = "SELECT NOT EXISTS (SELECT 1 FROM record) AND NOT EXISTS (SELECT 1 FROM used)";
    Ok(client.query_one(none, &[]).await?.try_get(0)?)
}

async fn begin(client: &deadpool_postgres::Client) -> Result<(), PostgresError> {
    if !is_empty(client).await? {
        return Err(PostgresError::NotEmpty);
    }
    let mark = "INSERT INTO meta VALUES ('filling', 1)";
    client.execute(mark, &[]).await?;
    Ok(())
}

fn read_all(
    next: &mut dyn FnMut() -> Result<Option<Row>, StoreFault>,
    rows: &Rows,
    pages: &SyncSender<Columns>,
) -> Result<u64, StoreFault> {
    // Who writes has met a fault, which says more than this.
    let gone = || StoreFault::of(FILL)("the writer has stopped");
    let (mut count, mut columns) = (0_u64, Columns::default());
    while let Some(row) = next()? {
        columns.take(&row, rows)?;
        count = count.saturating_add(1);
        if columns.len >= PAGE_LEN {
            pages.send(std::mem::take(&mut columns)).map_err(|_| gone())?;
        }
    }
    pages.send(columns).map_err(|_| gone())?;
    Ok(count)
}

/// Rows by table, column by column.
#[derive(Default)]
struct Columns {
    len: usize,
    records: (Blobs, Vec<i64>, Blobs, Blobs),
    events: (Blobs, Vec<i64>, Blobs),
    names: (Blobs, Blobs, Blobs),
    items: (Blobs, Blobs, Blobs),
}

type Blobs = Vec<Vec<u8>>;

impl Columns {
    fn take(&mut self, row: &Row, rows: &Rows) -> Result<(), StoreFault> {
        let (key, mut value) = rows.encode_row(row)?;
        self.len = self.len.saturating_add(1);
        let subject = rows.chain(&subject_of(row)).0.to_vec();
        if let Row::Record(_, record) = row {
            let Head { seq, hash } = record.head;
            self.records.0.push(subject);
            self.records.1.push(signed(seq)?);
            self.records.2.push(hash.to_vec());
            self.records.3.push(value.split_off(HEAD_LEN));
            return Ok(());
        }
        match rows::table(&key)? {
            Table::Event => {
                let seq = key.last_chunk().map(|seq| u64::from_be_bytes(*seq));
                self.events.0.push(subject);
                self.events.1.push(signed(seq.unwrap_or_default())?);
                self.events.2.push(value);
            }
            Table::Used => {
                self.names.0.push(subject);
                self.names.1.push(key);
                self.names.2.push(value);
            }
            Table::Item => {
                self.items.0.push(subject);
                self.items.1.push(key);
                self.items.2.push(value);
            }
        }
        Ok(())
    }

    async fn insert(&self, work: &Transaction<'_>) -> Result<(), PostgresError> {
        let (a, b, c, d) = &self.records;
        let into = "INSERT INTO record (subject, version, head, row) \
             SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[])";
        work.execute(&work.prepare_cached(into).await?, &[a, b, c, d]).await?;
        let (a, b, c) = &self.events;
        let into = "INSERT INTO event (subject, seq, tag, row) \
             SELECT s, n, 0, r FROM unnest($1::bytea[], $2::bigint[], $3::bytea[]) AS e (s, n, r)";
        work.execute(&work.prepare_cached(into).await?, &[a, b, c]).await?;
        let (a, b, c) = &self.names;
        let into = "INSERT INTO used (subject, name, row) \
             SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[])";
        work.execute(&work.prepare_cached(into).await?, &[a, b, c]).await?;
        let (a, b, c) = &self.items;
        let into = "INSERT INTO item (subject, key, row) \
             SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[])";
        work.execute(&work.prepare_cached(into).await?, &[a, b, c]).await?;
        Ok(())
    }
}

/// Whose row it is. A receipt does not always say; what has no owner lies with the service.
fn subject_of(row: &Row) -> Subject {
    let credential = |id: &_| Subject::Credential(Clone::clone(id));
    let stranger = |caller: &Caller| Subject::Stranger(caller.clone());
    match row {
        Row::Event(subject, _) | Row::Record(subject, _) => subject.clone(),
        Row::Receipt(key, receipt) => {
            receipt.credential.as_ref().map_or_else(|| stranger(&key.caller), credential)
        }
        Row::Message(message) => credential(&message.about),
        Row::Index(_, id) => credential(id),
        Row::Spent(_) | Row::Errand(_) => Subject::Service,
    }
}
