//! Keys and rows as they lie on disk. A row is read with the suspicion that a request deserves.
//!
//! | keyspace | key | row |
//! |---|---|---|
//! | `record` | subject | version (8 bytes, big endian), then the record |
//! | `event` | subject, 0, seq (8 bytes, big endian) | the event as it went into the hash |
//! | `receipt` | caller, 0, request id | the receipt |
//! | `spent` | block mark (16 bytes) | instant |
//! | `message` | mobile, 0, newest-first instant and serial | the message |
//! | `index` | index key, 0, credential | the credential's id |

use kunji_core::audit::Subject;
use kunji_core::ids::{CredentialId, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::receipt::ReceiptKey;
use kunji_core::store::{Record, StoreFault};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A row that is not what its keyspace holds.
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

/// The version of a record without reading all of it.
pub(crate) fn record_version(bytes: &[u8]) -> Result<u64, StoreFault> {
    match bytes.first_chunk() {
        Some(version) => Ok(u64::from_be_bytes(*version)),
        None => Err(StoreFault::of("decoding a record")(Damaged)),
    }
}

pub(crate) fn subject_key(subject: &Subject) -> Vec<u8> {
    subject.to_string().into_bytes()
}

pub(crate) fn parse_subject(key: &[u8]) -> Result<Subject, StoreFault> {
    let text = std::str::from_utf8(key).map_err(StoreFault::of("decoding a subject"))?;
    Subject::parse(text).map_err(StoreFault::of("decoding a subject"))
}

pub(crate) fn event_prefix(subject: &Subject) -> Vec<u8> {
    let mut key = subject_key(subject);
    key.push(0);
    key
}

pub(crate) fn event_key(subject: &Subject, seq: u64) -> Vec<u8> {
    let mut key = event_prefix(subject);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

pub(crate) fn receipt_key(key: &ReceiptKey) -> Vec<u8> {
    joined(key.caller.as_str().as_bytes(), key.txn.as_str().as_bytes())
}

pub(crate) fn message_prefix(to: &Mobile) -> Vec<u8> {
    joined(to.as_str().as_bytes(), &[])
}

/// Newest first: the instant and the serial run backwards.
pub(crate) fn message_key(message: &Message) -> Vec<u8> {
    let mut key = message_prefix(&message.to);
    key.extend_from_slice(&(i64::MAX - message.at.0.max(0)).to_be_bytes());
    key.extend_from_slice(&(u64::MAX - message.serial).to_be_bytes());
    key
}

pub(crate) fn index_prefix(key: &IndexKey) -> Result<Vec<u8>, StoreFault> {
    let mut prefix = encode(key)?;
    prefix.push(0);
    Ok(prefix)
}

pub(crate) fn index_key(key: &IndexKey, id: &CredentialId) -> Result<Vec<u8>, StoreFault> {
    let mut full = index_prefix(key)?;
    full.extend_from_slice(id.to_string().as_bytes());
    Ok(full)
}

fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(first.len() + second.len() + 1);
    key.extend_from_slice(first);
    key.push(0);
    key.extend_from_slice(second);
    key
}

#[cfg(test)]
mod tests {
    use kunji_core::audit::Head;
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
        let record = Record { head: Head { seq: 7, hash: [1; 32] }, credential: None };
        let mut bytes = encode_record(&record).unwrap();
        assert_eq!(decode_record(&bytes).unwrap().head.seq, 7);
        bytes[7] = 8;
        assert!(decode_record(&bytes).is_err());
    }

    #[test]
    fn trailing_bytes_are_damage() {
        let mut bytes = encode(&5_u64).unwrap();
        bytes.push(0);
        assert!(decode::<u64>(&bytes).is_err());
    }
}
