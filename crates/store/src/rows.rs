//! Rows as they lie in a store: each under a keyed name, each sealed for its place. A row is read with
//! the suspicion that a request deserves.
//!
//! All rows lie in one ordered tree; the first letter of a key says what its row is.
//!
//! | letter | the rest of the key | row |
//! |---|---|---|
//! | `r` | chain | head (seq and hash), then sealed: subject and state |
//! | `e` | chain, seq | sealed: the event as it went into the hash |
//! | `c` | request | sealed: request and receipt |
//! | `s` | block mark | nothing |
//! | `m` | mobile, newest-first instant and serial | sealed: the message |
//! | `i` | what it is found by, chain of the credential | sealed: both |
//! | `q` | lane, due instant, serial, place | sealed: the errand |
//!
//! Chain, request, mobile, lane and what a credential is found by are keyed names of 16 bytes; numbers
//! have 8 bytes, big endian. A seal is bound to the whole key, and that of a record to its head too.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kunji_core::aggregate::State;
use kunji_core::audit::{ChainName, Event, Head, Subject};
use kunji_core::errand::{Errand, ErrandKey, Lane};
use kunji_core::ids::{CredentialId, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::receipt::{Receipt, ReceiptKey};
use kunji_core::store::{AlteredRow, FaultKind, Inspect, Record, Row, StoreFault};
use kunji_vault::{BlockMark, ROW_NAME_LEN, Vault, row_key_version};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A row that opens and is not what its key says.
#[derive(Debug, thiserror::Error)]
#[error("a stored row is damaged")]
pub(crate) struct Damaged;

/// Where the keys of all records begin.
pub(crate) const RECORDS: &[u8] = b"r";
/// Where the keys of all events begin.
pub(crate) const EVENTS: &[u8] = b"e";
const RECEIPTS: &[u8] = b"c";
const SPENT: &[u8] = b"s";
const MESSAGES: &[u8] = b"m";
const INDEX: &[u8] = b"i";
const ERRANDS: &[u8] = b"q";

/// Where the keys begin of all that is neither a record nor an event.
pub(crate) const REST: &[&[u8]] = &[RECEIPTS, SPENT, MESSAGES, INDEX, ERRANDS];

/// What keys are asked to name, so that they can be told from others.
pub(crate) const KEYS: &[u8] = b"keys";

/// How long a record's head is, in front of what is sealed.
pub(crate) const HEAD_LEN: usize = size_of::<u64>() + 32;

/// A key, and what is kept under it.
pub(crate) type Filed = Result<(Vec<u8>, Vec<u8>), StoreFault>;

/// Seals what goes into a store, and opens what comes out of it. Every row passes here.
#[derive(Clone)]
pub(crate) struct Rows(Arc<Vault>);

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rows(****)")
    }
}

/// Counts rows by the version of the key that they are sealed under.
pub(crate) fn sealed_under(
    rows: impl Iterator<Item = Filed>,
) -> Result<BTreeMap<u32, u64>, StoreFault> {
    let mut counted = BTreeMap::<u32, u64>::new();
    for row in rows {
        if let Some(version) = row_key_version(&row?.1) {
            let count = counted.entry(version).or_default();
            *count = count.saturating_add(1);
        }
    }
    Ok(counted)
}

/// Where an engine with tables keeps a row that is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Events.
    Event,
    /// What may be used once: receipts and blocks.
    Used,
    /// What is found by its key: messages, index entries, errands.
    Item,
}

/// Which table the row with this key belongs to.
pub(crate) fn table(key: &[u8]) -> Result<Table, StoreFault> {
    match key.get(..1) {
        Some(EVENTS) => Ok(Table::Event),
        Some(RECEIPTS | SPENT) => Ok(Table::Used),
        Some(MESSAGES | INDEX | ERRANDS) => Ok(Table::Item),
        Some(_) | None => Err(StoreFault::of("naming a table")(Damaged)),
    }
}

/// From the first key that begins like this to before those that do not: no key has so much behind
/// its name.
pub(crate) fn range_of(prefix: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let end = [prefix.as_slice(), &[0xff; ROW_NAME_LEN + 2]].concat();
    (prefix, end)
}

pub(crate) fn record_key(chain: &ChainName) -> Vec<u8> {
    [RECORDS, &chain.0].concat()
}

pub(crate) fn event_prefix(chain: &ChainName) -> Vec<u8> {
    [EVENTS, &chain.0].concat()
}

pub(crate) fn event_key(chain: &ChainName, seq: u64) -> Vec<u8> {
    [EVENTS, &chain.0, &seq.to_be_bytes()].concat()
}

/// A mark is a hash already, and says nothing.
pub(crate) fn spent_key(mark: BlockMark) -> Vec<u8> {
    [SPENT, &mark.0].concat()
}

/// The name behind the letter of a key.
pub(crate) fn name_in(key: &[u8]) -> Result<ChainName, StoreFault> {
    match key.get(1..).and_then(<[u8]>::first_chunk) {
        Some(name) => Ok(ChainName(*name)),
        None => Err(StoreFault::of("reading a key")(Damaged)),
    }
}

/// The head of a record, without opening it.
pub(crate) fn record_head(row: &[u8]) -> Result<Head, StoreFault> {
    split_head(row).map(|(head, _)| head)
}

fn split_head(row: &[u8]) -> Result<(Head, &[u8]), StoreFault> {
    let parts = row.split_first_chunk().and_then(|(seq, rest)| {
        let (hash, sealed) = rest.split_first_chunk()?;
        Some((Head { seq: u64::from_be_bytes(*seq), hash: *hash }, sealed))
    });
    parts.ok_or_else(|| StoreFault::of("reading a head")(Damaged))
}

fn place_of_record(chain: &ChainName, head: &Head) -> Vec<u8> {
    [RECORDS, &chain.0, &head.seq.to_be_bytes(), &head.hash].concat()
}

/// Where an index entry lies among others, for who fills a store in the order of its keys.
///
/// # Errors
/// `StoreFault` when the key cannot be encoded.
pub fn index_place(
    vault: &Arc<Vault>,
    found_by: &IndexKey,
    id: &CredentialId,
) -> Result<Vec<u8>, StoreFault> {
    Rows::new(Arc::clone(vault)).index_key(found_by, id)
}

/// Room for nearly all rows and their seals: one that grows is copied and overwritten each time.
const ROW_ROOM: usize = 1024;

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreFault> {
    postcard::to_extend(value, Vec::with_capacity(ROW_ROOM))
        .map_err(StoreFault::of("encoding a row"))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreFault> {
    let whole = postcard::take_from_bytes(bytes);
    match whole.map_err(StoreFault::of("decoding a row"))? {
        (value, []) => Ok(value),
        (_, _) => Err(StoreFault::of("decoding a row")(Damaged)),
    }
}

/// Compares a record with the last event of its chain: one without the other was put back, or taken
/// away.
pub(crate) fn ensure_level(chain: &ChainName, head: &Head, last: u64) -> Result<(), StoreFault> {
    if head.seq == last {
        return Ok(());
    }
    let why = format!("it is at event {}, and the chain goes to {last}", head.seq);
    let altered = AlteredRow { what: what_is(RECORDS), name: *chain, why };
    Err(StoreFault::with(FaultKind::Altered, "comparing a record with its chain")(altered))
}

fn what_is(key: &[u8]) -> &'static str {
    match key.get(..1) {
        Some(RECORDS) => "record of chain",
        Some(EVENTS) => "event of chain",
        Some(RECEIPTS) => "receipt of request",
        Some(MESSAGES) => "message to",
        Some(INDEX) => "index entry under",
        Some(ERRANDS) => "errand of lane",
        Some(_) | None => "row under",
    }
}

impl Rows {
    pub(crate) fn new(vault: Arc<Vault>) -> Self {
        Self(vault)
    }

    pub(crate) fn chain(&self, subject: &Subject) -> ChainName {
        ChainName::of(&self.0, subject)
    }

    fn named(&self, letter: &[u8], about: &[&[u8]]) -> Vec<u8> {
        let name = self.0.row_name(&[&[letter], about].concat().concat());
        [letter, &name].concat()
    }

    pub(crate) fn receipt_key(&self, key: &ReceiptKey) -> Vec<u8> {
        let (caller, txn) = (key.caller.as_str().as_bytes(), key.txn.as_str().as_bytes());
        self.named(RECEIPTS, &[caller, &[0], txn])
    }

    pub(crate) fn message_prefix(&self, to: &Mobile) -> Vec<u8> {
        self.named(MESSAGES, &[to.as_str().as_bytes()])
    }

    /// Newest first: the instant and the serial run backwards.
    pub(crate) fn message_key(&self, message: &Message) -> Vec<u8> {
        let at = (i64::MAX - message.at.0.max(0)).to_be_bytes();
        let serial = (u64::MAX - message.serial).to_be_bytes();
        [&self.message_prefix(&message.to), &at[..], &serial[..]].concat()
    }

    pub(crate) fn index_prefix(&self, key: &IndexKey) -> Result<Vec<u8>, StoreFault> {
        Ok(self.named(INDEX, &[&encode(key)?]))
    }

    pub(crate) fn index_key(
        &self,
        key: &IndexKey,
        id: &CredentialId,
    ) -> Result<Vec<u8>, StoreFault> {
        let chain = self.chain(&Subject::Credential(id.clone()));
        Ok([self.index_prefix(key)?.as_slice(), &chain.0].concat())
    }

    fn errand_prefix(&self, lane: &Lane) -> Vec<u8> {
        self.named(ERRANDS, &[lane.to_string().as_bytes()])
    }

    /// From the first key of a lane, or from behind one of its keys, to before the next lane.
    pub(crate) fn errand_range(
        &self,
        lane: &Lane,
        after: Option<&ErrandKey>,
    ) -> (Vec<u8>, Vec<u8>) {
        let (first, end) = range_of(self.errand_prefix(lane));
        match after {
            // No key is longer, so that this is behind it and before its follower.
            Some(after) => ([self.errand_key(after).as_slice(), &[0]].concat(), end),
            None => (first, end),
        }
    }

    /// Those due first come first.
    pub(crate) fn errand_key(&self, key: &ErrandKey) -> Vec<u8> {
        let due = key.due.0.max(0).to_be_bytes();
        let serial = key.serial.to_be_bytes();
        [&self.errand_prefix(&key.lane), &due[..], &serial[..], &[key.place]].concat()
    }

    pub(crate) fn seal<T: Serialize>(&self, key: &[u8], value: &T) -> Result<Vec<u8>, StoreFault> {
        self.close(key, encode(value)?)
    }

    pub(crate) fn open<T: DeserializeOwned>(
        &self,
        key: &[u8],
        row: &[u8],
    ) -> Result<T, StoreFault> {
        decode(&self.unclose(key, row)?)
    }

    fn close(&self, place: &[u8], row: Vec<u8>) -> Result<Vec<u8>, StoreFault> {
        self.0.seal_row(place, row).map_err(StoreFault::of("sealing a row"))
    }

    fn unclose(&self, place: &[u8], row: &[u8]) -> Result<Vec<u8>, StoreFault> {
        #[cfg(feature = "plants")]
        if let Some(row) = crate::plants::unsealed(row) {
            return Ok(row);
        }
        self.0.open_row(place, row).map_err(|why| {
            let name = name_in(place).unwrap_or(ChainName([0; ROW_NAME_LEN]));
            let closed = AlteredRow { what: what_is(place), name, why: why.to_string() };
            StoreFault::with(FaultKind::Altered, "opening a row")(closed)
        })
    }

    /// The record as it lies behind its key: the head, then what is sealed for this head.
    pub(crate) fn seal_record(
        &self,
        (chain, subject): (&ChainName, &Subject),
        record: &Record,
    ) -> Result<Vec<u8>, StoreFault> {
        let Record { head, state } = record;
        let sealed = self.close(&place_of_record(chain, head), encode(&(subject, state))?)?;
        Ok([&head.seq.to_be_bytes()[..], &head.hash, &sealed].concat())
    }

    pub(crate) fn open_record(
        &self,
        chain: &ChainName,
        row: &[u8],
    ) -> Result<(Subject, Record), StoreFault> {
        let (head, sealed) = split_head(row)?;
        let opened = self.unclose(&place_of_record(chain, &head), sealed)?;
        let (subject, state): (Subject, State) = decode(&opened)?;
        Ok((subject, Record { head, state }))
    }

    pub(crate) fn seal_event(&self, key: &[u8], encoded: Vec<u8>) -> Result<Vec<u8>, StoreFault> {
        self.close(key, encoded)
    }

    pub(crate) fn open_event(&self, key: &[u8], row: &[u8]) -> Result<Vec<u8>, StoreFault> {
        self.unclose(key, row)
    }

    pub(crate) fn seal_receipt(
        &self,
        key: &[u8],
        receipt: (&ReceiptKey, &Receipt),
    ) -> Result<Vec<u8>, StoreFault> {
        self.seal(key, &receipt)
    }

    pub(crate) fn open_receipt(&self, key: &[u8], row: &[u8]) -> Result<Receipt, StoreFault> {
        let (_, receipt): (ReceiptKey, Receipt) = self.open(key, row)?;
        Ok(receipt)
    }

    pub(crate) fn seal_index(
        &self,
        key: &[u8],
        entry: (&IndexKey, &CredentialId),
    ) -> Result<Vec<u8>, StoreFault> {
        self.seal(key, &entry)
    }

    pub(crate) fn open_index(&self, key: &[u8], row: &[u8]) -> Result<CredentialId, StoreFault> {
        let (_, id): (IndexKey, CredentialId) = self.open(key, row)?;
        Ok(id)
    }

    /// The key and the value that a row is kept as.
    pub(crate) fn encode_row(&self, row: &Row) -> Result<(Vec<u8>, Vec<u8>), StoreFault> {
        let key = self.key_of(row)?;
        let value = match row {
            Row::Event(_, encoded) => self.seal_event(&key, encoded.clone())?,
            Row::Record(subject, record) => self.seal_record((&name_in(&key)?, subject), record)?,
            Row::Receipt(of, receipt) => self.seal_receipt(&key, (of, receipt))?,
            Row::Spent(_) => Vec::new(),
            Row::Message(message) => self.seal(&key, message)?,
            Row::Index(found_by, id) => self.seal_index(&key, (found_by, id))?,
            Row::Errand(errand) => self.seal(&key, errand)?,
        };
        Ok((key, value))
    }

    fn key_of(&self, row: &Row) -> Result<Vec<u8>, StoreFault> {
        Ok(match row {
            Row::Event(subject, encoded) => {
                let event = Event::decode(encoded).map_err(StoreFault::of("decoding an event"))?;
                event_key(&self.chain(subject), event.seq)
            }
            Row::Record(subject, _) => record_key(&self.chain(subject)),
            Row::Receipt(key, _) => self.receipt_key(key),
            Row::Spent(mark) => spent_key(*mark),
            Row::Message(message) => self.message_key(message),
            Row::Index(key, id) => self.index_key(key, id)?,
            Row::Errand(errand) => self.errand_key(&errand.key),
        })
    }

    /// A row that is neither a record nor an event, from its key and value.
    pub(crate) fn parse_row(&self, key: &[u8], value: &[u8]) -> Result<Row, StoreFault> {
        let damaged = || StoreFault::of("decoding a key")(Damaged);
        let (kind, rest) = key.split_at_checked(1).ok_or_else(damaged)?;
        Ok(match kind {
            RECEIPTS => {
                let (of, receipt) = self.open(key, value)?;
                Row::Receipt(of, receipt)
            }
            SPENT => Row::Spent(BlockMark(rest.try_into().map_err(|_| damaged())?)),
            MESSAGES => Row::Message(self.open::<Message>(key, value)?),
            INDEX => {
                let (found_by, id) = self.open(key, value)?;
                Row::Index(found_by, id)
            }
            ERRANDS => Row::Errand(self.open::<Errand>(key, value)?),
            _ => return Err(damaged()),
        })
    }

    /// Shows events and records as a walk must: chain after chain, the events before the record. Both
    /// come in the order of their keys.
    pub(crate) fn show_chains(
        &self,
        records: impl Iterator<Item = Filed>,
        events: impl Iterator<Item = Filed>,
        look: Inspect<'_>,
    ) -> Result<(), StoreFault> {
        let (mut events, mut whose) = (events.peekable(), None);
        for record in records {
            let (key, row) = record?;
            let is_before = |event: &Filed| match event {
                Ok((other, _)) => other.get(1..=ROW_NAME_LEN) <= key.get(1..),
                Err(_) => true,
            };
            while let Some(event) = events.next_if(is_before) {
                self.show_event(event?, &mut whose, look)?;
            }
            let opened = name_in(&key).and_then(|chain| self.open_record(&chain, &row));
            look(opened.map(|(subject, record)| Row::Record(subject, Box::new(record))))?;
        }
        events.try_for_each(|event| self.show_event(event?, &mut whose, look))
    }

    /// Shows the events of one subject.
    pub(crate) fn show_chain(
        &self,
        subject: &Subject,
        mut events: impl Iterator<Item = Filed>,
        look: Inspect<'_>,
    ) -> Result<(), StoreFault> {
        let mut whose = Some((self.chain(subject), subject.clone()));
        events.try_for_each(|event| self.show_event(event?, &mut whose, look))
    }

    /// `whose` is the chain of the event before.
    fn show_event(
        &self,
        (key, row): (Vec<u8>, Vec<u8>),
        whose: &mut Option<(ChainName, Subject)>,
        look: Inspect<'_>,
    ) -> Result<(), StoreFault> {
        let opened = name_in(&key).and_then(|chain| {
            let encoded = self.open_event(&key, &row)?;
            if whose.as_ref().is_none_or(|(last, _)| *last != chain) {
                let event = Event::decode(&encoded).map_err(StoreFault::of("decoding an event"))?;
                *whose = Some((chain, event.subject));
            }
            let damaged = || StoreFault::of("showing an event")(Damaged);
            let (_, subject) = whose.as_ref().ok_or_else(damaged)?;
            Ok(Row::Event(subject.clone(), encoded))
        });
        look(opened)
    }
}

#[cfg(test)]
mod tests;
