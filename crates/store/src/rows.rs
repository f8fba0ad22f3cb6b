//! Keys and rows as they lie on disk. A row is read with the suspicion that a request deserves.
//!
//! All rows lie in one ordered tree; the first letter of a key says what its row is.
//!
//! | letter | the rest of the key | row |
//! |---|---|---|
//! | `r` | subject | version (8 bytes, big endian), then the record |
//! | `e` | subject, 0, seq (8 bytes, big endian) | the event as it went into the hash |
//! | `c` | caller, 0, request id | the receipt |
//! | `s` | block mark (16 bytes) | nothing |
//! | `m` | mobile, 0, newest-first instant and serial | the message |
//! | `i` | index key, 0, credential | the credential's id |
//! | `q` | lane, 0, due instant, serial, place | the errand |

use kunji_core::audit::{Event, Head, Subject};
use kunji_core::errand::{ErrandKey, Lane};
use kunji_core::ids::{Caller, CredentialId, Mobile, TxnId};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::receipt::ReceiptKey;
use kunji_core::store::{Look, Record, Row, StoreFault};
use kunji_vault::BlockMark;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A row that is not what its key says.
#[derive(Debug, thiserror::Error)]
#[error("a stored row is damaged")]
pub(crate) struct Damaged;

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreFault> {
    postcard::to_stdvec(value).map_err(StoreFault::of("encoding a row"))
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreFault> {
    let whole = postcard::take_from_bytes(bytes);
    match whole.map_err(StoreFault::of("decoding a row"))? {
        (value, []) => Ok(value),
        (_, _) => Err(StoreFault::of("decoding a row")(Damaged)),
    }
}

pub(crate) fn encode_record(record: &Record) -> Result<Vec<u8>, StoreFault> {
    let start = record.head.seq.to_be_bytes().to_vec();
    postcard::to_extend(record, start).map_err(StoreFault::of("encoding a record"))
}

pub(crate) fn decode_record(bytes: &[u8]) -> Result<Record, StoreFault> {
    let version = record_version(bytes)?;
    let record: Record = decode(bytes.get(8..).unwrap_or_default())?;
    match record.head.seq == version {
        true => Ok(record),
        false => Err(StoreFault::of("decoding a record")(Damaged)),
    }
}

/// The head of a record without reading all of it.
pub(crate) fn record_head(bytes: &[u8]) -> Result<Head, StoreFault> {
    let version = record_version(bytes)?;
    let head = postcard::take_from_bytes(bytes.get(8..).unwrap_or_default());
    let (head, _): (Head, _) = head.map_err(StoreFault::of("decoding a head"))?;
    match head.seq == version {
        true => Ok(head),
        false => Err(StoreFault::of("decoding a head")(Damaged)),
    }
}

fn record_version(bytes: &[u8]) -> Result<u64, StoreFault> {
    match bytes.first_chunk() {
        Some(version) => Ok(u64::from_be_bytes(*version)),
        None => Err(StoreFault::of("decoding a record")(Damaged)),
    }
}

/// Where the keys of all records begin.
pub(crate) const RECORDS: &[u8] = b"r";
/// Where the keys of all events begin.
pub(crate) const EVENTS: &[u8] = b"e";
const RECEIPTS: &[u8] = b"c";
const SPENT: &[u8] = b"s";
const MESSAGES: &[u8] = b"m";
const INDEX: &[u8] = b"i";
const ERRANDS: &[u8] = b"q";
const END: &[u8] = &[0];

/// Where the keys begin of all that is neither a record nor an event.
pub(crate) const REST: &[&[u8]] = &[RECEIPTS, SPENT, MESSAGES, INDEX, ERRANDS];

pub(crate) fn record_key(subject: &Subject) -> Vec<u8> {
    [RECORDS, subject.to_string().as_bytes()].concat()
}

/// The subject's text, from the key of its record or of one of its events.
pub(crate) fn subject_of(key: &[u8]) -> &[u8] {
    let subject = key.get(1..).unwrap_or_default();
    subject.split(|byte| *byte == 0).next().unwrap_or_default()
}

pub(crate) fn parse_subject(text: &[u8]) -> Result<Subject, StoreFault> {
    let text = std::str::from_utf8(text).map_err(StoreFault::of("decoding a subject"))?;
    Subject::parse(text).map_err(StoreFault::of("decoding a subject"))
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

/// From the first key that begins like this, which ends with [`END`], to before those that do not.
pub(crate) fn range_of(prefix: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let mut end = prefix.clone();
    end.pop();
    end.push(1);
    (prefix, end)
}

/// The key and the value that a row is kept as.
pub(crate) fn encode_row(row: &Row) -> Result<(Vec<u8>, Vec<u8>), StoreFault> {
    Ok(match row {
        Row::Event(subject, encoded) => {
            let event = Event::decode(encoded).map_err(StoreFault::of("decoding an event"))?;
            (event_key(subject, event.seq), encoded.clone())
        }
        Row::Record(subject, record) => (record_key(subject), encode_record(record)?),
        Row::Receipt(key, receipt) => (receipt_key(key), encode(receipt)?),
        Row::Spent(mark) => (spent_key(*mark), Vec::new()),
        Row::Message(message) => (message_key(message), encode(message)?),
        Row::Index(key, id) => (index_key(key, id)?, encode(id)?),
        Row::Errand(errand) => (errand_key(&errand.key), encode(errand)?),
    })
}

/// A row that is neither a record nor an event, from its key and value.
pub(crate) fn parse_row(key: &[u8], value: &[u8]) -> Result<Row, StoreFault> {
    let damaged = || StoreFault::of("decoding a key")(Damaged);
    let (kind, rest) = key.split_at_checked(1).ok_or_else(damaged)?;
    match kind {
        RECEIPTS => Ok(Row::Receipt(parse_receipt_key(rest)?, decode(value)?)),
        SPENT => Ok(Row::Spent(BlockMark(rest.try_into().map_err(|_| damaged())?))),
        MESSAGES => Ok(Row::Message(decode(value)?)),
        INDEX => {
            let (key, _) = postcard::take_from_bytes(rest).map_err(|_| damaged())?;
            Ok(Row::Index(key, decode(value)?))
        }
        ERRANDS => Ok(Row::Errand(decode(value)?)),
        _ => Err(damaged()),
    }
}

fn parse_receipt_key(key: &[u8]) -> Result<ReceiptKey, StoreFault> {
    let damaged = || StoreFault::of("decoding a receipt's key")(Damaged);
    let text = std::str::from_utf8(key).map_err(|_| damaged())?;
    let (caller, txn) = text.split_once('\0').ok_or_else(damaged)?;
    let caller = Caller::parse(caller).map_err(|_| damaged())?;
    Ok(ReceiptKey { caller, txn: TxnId::parse(txn).map_err(|_| damaged())? })
}

/// A subject's text, and what is kept under it.
pub(crate) type Filed = Result<(Vec<u8>, Vec<u8>), StoreFault>;

/// Shows events and records as a walk must: subject after subject, the events before the record.
/// Both come ordered by subject.
pub(crate) fn show_chains(
    records: impl Iterator<Item = Filed>,
    events: impl Iterator<Item = Filed>,
    look: Look<'_>,
) -> Result<(), StoreFault> {
    let mut events = events.peekable();
    for record in records {
        let (subject, row) = record?;
        let is_before = |event: &Filed| match event {
            Ok((other, _)) => *other <= subject,
            Err(_) => true,
        };
        while let Some(event) = events.next_if(is_before) {
            show_event(event, look)?;
        }
        look(Row::Record(parse_subject(&subject)?, Box::new(decode_record(&row)?)))?;
    }
    events.try_for_each(|event| show_event(event, look))
}

pub(crate) fn show_event(event: Filed, look: Look<'_>) -> Result<(), StoreFault> {
    let (subject, encoded) = event?;
    look(Row::Event(parse_subject(&subject)?, encoded))
}

pub(crate) fn event_prefix(subject: &Subject) -> Vec<u8> {
    [EVENTS, subject.to_string().as_bytes(), END].concat()
}

pub(crate) fn event_key(subject: &Subject, seq: u64) -> Vec<u8> {
    [EVENTS, subject.to_string().as_bytes(), END, &seq.to_be_bytes()].concat()
}

pub(crate) fn receipt_key(key: &ReceiptKey) -> Vec<u8> {
    [RECEIPTS, key.caller.as_str().as_bytes(), END, key.txn.as_str().as_bytes()].concat()
}

pub(crate) fn spent_key(mark: BlockMark) -> Vec<u8> {
    [SPENT, &mark.0].concat()
}

pub(crate) fn message_prefix(to: &Mobile) -> Vec<u8> {
    [MESSAGES, to.as_str().as_bytes(), END].concat()
}

/// Newest first: the instant and the serial run backwards.
pub(crate) fn message_key(message: &Message) -> Vec<u8> {
    let at = (i64::MAX - message.at.0.max(0)).to_be_bytes();
    let serial = (u64::MAX - message.serial).to_be_bytes();
    [&message_prefix(&message.to), &at[..], &serial[..]].concat()
}

pub(crate) fn index_prefix(key: &IndexKey) -> Result<Vec<u8>, StoreFault> {
    Ok([INDEX, &encode(key)?, END].concat())
}

pub(crate) fn index_key(key: &IndexKey, id: &CredentialId) -> Result<Vec<u8>, StoreFault> {
    Ok([index_prefix(key)?.as_slice(), id.to_string().as_bytes()].concat())
}

pub(crate) fn errand_prefix(lane: &Lane) -> Vec<u8> {
    [ERRANDS, lane.to_string().as_bytes(), END].concat()
}

/// From the first key of a lane, or from behind one of its keys, to before the next lane.
pub(crate) fn errand_range(lane: &Lane, after: Option<&ErrandKey>) -> (Vec<u8>, Vec<u8>) {
    let first = match after {
        // No key is longer, so that this is behind it and before its follower.
        Some(after) => [errand_key(after).as_slice(), END].concat(),
        None => errand_prefix(lane),
    };
    (first, [ERRANDS, lane.to_string().as_bytes(), &[1]].concat())
}

/// Those due first come first.
pub(crate) fn errand_key(key: &ErrandKey) -> Vec<u8> {
    let due = key.due.0.max(0).to_be_bytes();
    [&errand_prefix(&key.lane), &due[..], &key.serial.to_be_bytes(), &[key.place]].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode_record(&bytes);
        }
    }

    #[test]
    fn record_with_two_versions_is_damaged() {
        let record = Record { head: Head { seq: 7, hash: [1; 32] }, ..Record::default() };
        let mut bytes = encode_record(&record).unwrap();
        assert_eq!(decode_record(&bytes).unwrap().head.seq, 7);
        assert_eq!(record_head(&bytes).unwrap().seq, 7);
        bytes[7] = 8;
        assert!(decode_record(&bytes).is_err());
        assert!(record_head(&bytes).is_err());
    }

    #[test]
    fn trailing_bytes_are_damage() {
        let mut bytes = encode(&5_u64).unwrap();
        bytes.push(0);
        assert!(decode::<u64>(&bytes).is_err());
    }
}
